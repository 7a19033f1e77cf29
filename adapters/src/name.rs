//! Names of account holders: shown in part, and compared with what a payer has written (verification of payee).
//!
//! Two names match where their words are the same whatever their order, case, accents, signs and titles. They nearly match where each word of the shorter one is like one of the
//! other: its initial, or a letter or two apart. It decides nothing about a payment.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::directory::{MaskRule, NameMatch};

/// Words of a name that are compared: more than any person has.
const WORDS_MAX: usize = 16;

/// Letters of a word that are compared.
const LETTERS_MAX: usize = 32;

/// Stars for the rest of a word, whatever its length: that would tell something too.
const STARS: &str = "****";

/// What is no part of a person's or a firm's own name.
const TITLES: [&str; 34] = [
    "ag", "bv", "co", "corp", "dr", "gmbh", "inc", "kg", "limited", "llc", "llp", "ltd", "madame", "mevr", "miss",
    "mme", "monsieur", "mr", "mrs", "ms", "nv", "oy", "plc", "prof", "pte", "pty", "sa", "sarl", "sas", "senor",
    "senora", "sir", "spa", "srl",
];

/// As much of a name as the scheme shows.
pub fn mask(name: &str, rule: MaskRule) -> String {
    let mut words = name.split_whitespace();
    match rule {
        MaskRule::Full => words.collect::<Vec<_>>().join(" "),
        MaskRule::Initials => words.map(|word| initial(word, STARS)).collect::<Vec<_>>().join(" "),
        MaskRule::FirstName => {
            let first = words.next().map(str::to_owned);
            first.into_iter().chain(words.map(|word| initial(word, "."))).collect::<Vec<_>>().join(" ")
        }
    }
}

fn initial(word: &str, rest: &str) -> String {
    word.chars().take(1).chain(rest.chars()).collect()
}

/// Does a name that a payer has written belong to an account that is held under another?
pub fn match_names(written: &str, held: &str) -> NameMatch {
    let (written, held) = (words_of(written), words_of(held));
    if written.is_empty() || held.is_empty() {
        return NameMatch::NotPossible;
    }
    let (mut one, mut other) = (written.clone(), held.clone());
    one.sort_unstable();
    other.sort_unstable();
    if one == other || one.concat() == other.concat() || written.concat() == held.concat() {
        return NameMatch::Match;
    }
    // Which of two names of one length is taken first must not matter.
    let is_either = is_close(&written, &held) || written.len() == held.len() && is_close(&held, &written);
    if is_either { NameMatch::CloseMatch } else { NameMatch::NoMatch }
}

type Word = Vec<char>;

/// The words of a name in letters and digits without accents, in lower case, without titles.
fn words_of(name: &str) -> Vec<Word> {
    let mut words = vec![Word::new()];
    for sign in name.nfkd().flat_map(char::to_lowercase) {
        if sign.is_alphanumeric() || is_part_of_letter(sign) {
            if let Some(word) = words.last_mut().filter(|word| word.len() < LETTERS_MAX) {
                match folded(sign) {
                    Some(letters) => word.extend(letters.chars()),
                    None => word.push(sign),
                }
            }
        } else if !is_accent(sign) && !matches!(sign, '\'' | '\u{2019}' | '.') {
            words.push(Word::new());
        }
    }
    words.retain(|word| !word.is_empty());
    let is_title = |word: &Word| TITLES.binary_search(&&*word.iter().collect::<String>()).is_ok();
    let has_name = words.iter().any(|word| !is_title(word));
    if has_name {
        words.retain(|word| !is_title(word));
    }
    words.truncate(WORDS_MAX);
    words
}

/// Is it a mark that makes another letter, as the voicing of kana, or a nukta?
fn is_part_of_letter(sign: char) -> bool {
    (7..=9).contains(&canonical_combining_class(sign))
}

/// Is it a mark that people leave out?
fn is_accent(sign: char) -> bool {
    !matches!(canonical_combining_class(sign), 0 | 7..=9)
}

/// What people write for letters that no decomposition knows.
fn folded(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\u{df}' => "ss",
        '\u{f8}' => "o",
        '\u{e6}' => "ae",
        '\u{153}' => "oe",
        '\u{111}' | '\u{f0}' => "d",
        '\u{142}' => "l",
        '\u{131}' => "i",
        '\u{fe}' => "th",
        '\u{3c2}' => "\u{3c3}",
        _ => return None,
    })
}

/// Has each word of the shorter name one of its own in the longer one that it is like? At least one of them must be more than an initial, and a single word is like no
/// longer name: many have it.
fn is_close(written: &[Word], held: &[Word]) -> bool {
    let (shorter, longer) = if written.len() <= held.len() { (written, held) } else { (held, written) };
    if shorter.len() == 1 && longer.len() > 1 {
        return false;
    }
    let mut is_taken = [false; WORDS_MAX];
    let mut whole = 0;
    // Whole words first, so that an initial takes none that a word needs.
    let mut order: Vec<&Word> = shorter.iter().collect();
    order.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in order {
        let like = longer.iter().enumerate().filter(|(place, other)| !is_taken[*place] && is_like(word, other));
        let Some((place, other)) = like.min_by_key(|(_, other)| distance(word, other)) else { return false };
        is_taken[place] = true;
        whole += usize::from(word.len() > 1 && other.len() > 1);
    }
    whole > 0
}

/// An initial, or a letter or two apart, by the length of the shorter one.
fn is_like(one: &Word, other: &Word) -> bool {
    let shorter = one.len().min(other.len());
    if shorter == 1 {
        return one.first() == other.first();
    }
    let apart_max = match shorter {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    one.len().abs_diff(other.len()) <= apart_max && distance(one, other) <= apart_max
}

/// Letters to add, take out, change, or swap with their neighbours (the restricted distance of Damerau and Levenshtein).
fn distance(one: &Word, other: &Word) -> usize {
    let width = other.len() + 1;
    let mut before = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, &letter) in one.iter().enumerate() {
        let mut now = vec![row + 1; width];
        for (column, &against) in other.iter().enumerate() {
            let changed = last[column] + usize::from(letter != against);
            now[column + 1] = changed.min(last[column + 1] + 1).min(now[column] + 1);
            let is_swap = row > 0 && column > 0 && letter == other[column - 1] && one[row - 1] == against;
            if is_swap {
                now[column + 1] = now[column + 1].min(before[column - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_shown_in_part() {
        for (rule, shown) in [
            (MaskRule::Initials, "A**** D**** N****"),
            (MaskRule::FirstName, "Amina D. N."),
            (MaskRule::Full, "Amina Diallo Ndiaye"),
        ] {
            assert_eq!(mask("  Amina  Diallo Ndiaye ", rule), shown);
        }
        assert_eq!(mask("\u{c9}lodie", MaskRule::Initials), "\u{c9}****");
        assert_eq!(mask("", MaskRule::Initials), "");
    }

    /// What a clerk would say; more lines are welcome.
    #[test]
    fn names_as_a_clerk_compares_them() {
        use NameMatch::{CloseMatch, Match, NoMatch, NotPossible};
        for (written, held, expected) in [
            ("Amina Diallo", "Amina Diallo", Match),
            ("amina DIALLO", "Amina Diallo", Match),
            ("Diallo Amina", "Amina Diallo", Match),
            ("Diallo, Amina", "Amina Diallo", Match),
            ("Mme Amina Diallo", "Amina Diallo", Match),
            ("Jose Munoz", "Jos\u{e9} Mu\u{f1}oz", Match),
            ("O'Brien Sean", "Se\u{e1}n O\u{2019}Brien", Match),
            ("Anne-Marie Sow", "Anne Marie Sow", Match),
            ("Annemarie Sow", "Anne Marie Sow", Match),
            ("Acme Ltd", "ACME Limited", Match),
            ("Acme Ltd.", "Acme", Match),
            ("\u{674e}\u{5c0f}\u{9f99}", "\u{674e}\u{5c0f}\u{9f99}", Match),
            ("Lukasz Sorensen", "\u{141}ukasz S\u{f8}rensen", Match),
            ("Gross", "Gro\u{df}", Match),
            ("\u{304b}", "\u{304c}", NoMatch),
            ("Amina Dialo", "Amina Diallo", CloseMatch),
            ("Amnia Diallo", "Amina Diallo", CloseMatch),
            ("A. Diallo", "Amina Diallo", CloseMatch),
            ("Amina Diallo", "Amina Fatou Diallo", CloseMatch),
            ("Amina Fatou Diallo", "Amina Diallo", CloseMatch),
            ("Christopher Obi", "Cristoper Obi", CloseMatch),
            ("Amina Diallo", "Moussa Diallo", NoMatch),
            ("Amina", "Amina Diallo", NoMatch),
            ("A D", "Amina Diallo", NoMatch),
            ("Ali Sow", "Aly Sow", NoMatch),
            ("Acme Ltd", "Apex Ltd", NoMatch),
            ("", "Amina Diallo", NotPossible),
            ("---", "Amina Diallo", NotPossible),
            ("Amina Diallo", "", NotPossible),
            ("Dr", "Dr", Match),
        ] {
            assert_eq!(match_names(written, held), expected, "{written} | {held}");
        }
    }

    #[test]
    fn titles_are_found() {
        assert!(TITLES.is_sorted());
    }

    proptest! {
        #[test]
        fn comparing_has_no_sides(one in "\\PC{0,140}", other in "\\PC{0,140}") {
            prop_assert_eq!(match_names(&one, &other), match_names(&other, &one));
        }

        #[test]
        fn a_name_is_its_own(name in "[a-z\u{e0}-\u{f6}][a-z\u{e0}-\u{f6} ]{0,100}") {
            prop_assert_eq!(match_names(&name, &name), NameMatch::Match);
            prop_assert_eq!(match_names(&name.to_uppercase(), &name), NameMatch::Match);
        }
    }
}
