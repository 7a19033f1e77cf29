//! Names of account holders: shown in part, and compared with what a payer has written (verification of payee).
//!
//! Two names match where their words are the same whatever their order, case, accents, signs and titles. They nearly match where each word of the shorter one is like one of the
//! other, each like one of its own: its initial, or a letter or two apart. A near match shows the name, so what is not surely near is no match. It decides nothing about a payment.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

use crate::directory::{MaskRule, NameMatch};
use crate::limits::NAME_BYTES_MAX;

/// Words of a name that are compared one by one: more than any person has. Longer names match or do not, and never nearly.
const WORDS_MAX: usize = 16;

/// Letters of a word that are compared one by one. Longer words are the same or not.
const LETTERS_MAX: usize = 32;

/// Stars for the rest of a word, whatever its length: that would tell something too.
const STARS: &str = "****";

/// What is said to people and is no part of their names.
const TITLES: [&str; 13] =
    ["dr", "madame", "mevr", "miss", "mme", "monsieur", "mr", "mrs", "ms", "prof", "senor", "senora", "sir"];

/// Legal forms of firms: as they are written, and the one that it is. Two firms of one name and other forms are two firms.
const LEGAL_FORMS: [(&str, &str); 25] = [
    ("ag", "ag"),
    ("bv", "bv"),
    ("co", "co"),
    ("company", "co"),
    ("corp", "corp"),
    ("corporation", "corp"),
    ("gmbh", "gmbh"),
    ("inc", "inc"),
    ("incorporated", "inc"),
    ("kg", "kg"),
    ("limited", "ltd"),
    ("llc", "llc"),
    ("llp", "llp"),
    ("ltd", "ltd"),
    ("nv", "nv"),
    ("oy", "oy"),
    ("plc", "plc"),
    ("proprietary", "pty"),
    ("pte", "pte"),
    ("pty", "pty"),
    ("sa", "sa"),
    ("sarl", "sarl"),
    ("sas", "sas"),
    ("spa", "spa"),
    ("srl", "srl"),
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
    if written.len() > NAME_BYTES_MAX || held.len() > NAME_BYTES_MAX {
        return NameMatch::NotPossible;
    }
    let (written, held) = (Name::of(written), Name::of(held));
    if written.words.is_empty() || held.words.is_empty() {
        return NameMatch::NotPossible;
    }
    if written.is_same(&held) {
        let is_other_form = !written.forms.is_empty() && !held.forms.is_empty() && written.forms != held.forms;
        return if is_other_form { NameMatch::CloseMatch } else { NameMatch::Match };
    }
    if is_close(&written.words, &held.words) { NameMatch::CloseMatch } else { NameMatch::NoMatch }
}

type Word = Vec<char>;

/// A name as it is compared.
struct Name {
    /// In letters and digits without accents, in lower case, without titles and legal forms.
    words: Vec<Word>,
    /// The legal forms that stood among them, in the order of the alphabet.
    forms: Vec<&'static str>,
}

impl Name {
    fn of(name: &str) -> Name {
        let mut words = words_of(name);
        let mut forms = Vec::new();
        let read = |word: &Word| -> String { word.iter().collect() };
        let form_of = |text: &str| LEGAL_FORMS.binary_search_by_key(&text, |(text, _)| text).ok();
        let is_name = |text: &str| TITLES.binary_search(&text).is_err() && form_of(text).is_none();
        // Who is called nothing else is called so.
        if words.iter().any(|word| is_name(&read(word))) {
            words.retain(|word| {
                let text = read(word);
                forms.extend(form_of(&text).map(|place| LEGAL_FORMS[place].1));
                is_name(&text)
            });
        }
        forms.sort_unstable();
        forms.dedup();
        Name { words, forms }
    }

    /// The same words in any order, or the same letters with other gaps between them.
    fn is_same(&self, other: &Name) -> bool {
        let sorted = |name: &Name| {
            let mut words = name.words.clone();
            words.sort_unstable();
            words.concat()
        };
        self.words.concat() == other.words.concat() || sorted(self) == sorted(other)
    }
}

/// The words of a name in letters and digits without accents, in lower case.
fn words_of(name: &str) -> Vec<Word> {
    let mut words = vec![Word::new()];
    // What is left after the accents is put together again: a syllable of Hangul is one letter, not three.
    for sign in name.nfkd().flat_map(char::to_lowercase).filter(|&sign| !is_left_out(sign)).nfc() {
        if sign.is_alphanumeric() || is_part_of_letter(sign) {
            if let Some(word) = words.last_mut() {
                match folded(sign) {
                    Some(letters) => word.extend(letters.chars()),
                    None => word.push(sign),
                }
            }
        } else {
            words.push(Word::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Is it a mark that makes another letter, as the voicing of kana, or a nukta?
fn is_part_of_letter(sign: char) -> bool {
    (7..=9).contains(&canonical_combining_class(sign))
}

/// Is it something within a word that people leave out: an accent, a point of Hebrew or Arabic, a mark of tone, an apostrophe, a joiner that nobody sees?
fn is_left_out(sign: char) -> bool {
    match canonical_combining_class(sign) {
        // Vowels that stand below or above their letter have classes of their own (84 to 132) and are letters, as far as Unicode calls them so.
        0 | 84..=132 => {
            is_combining_mark(sign) && !sign.is_alphanumeric()
                || matches!(sign, '\'' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '.')
                || matches!(sign, '\u{ad}' | '\u{640}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
        }
        7..=9 => false,
        _ => true,
    }
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
fn is_close(one: &[Word], other: &[Word]) -> bool {
    let (shorter, longer) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if shorter.len() == 1 && longer.len() > 1 || longer.len() > WORDS_MAX {
        return false;
    }
    let places_like = |word: &Word| -> u16 {
        let like = longer.iter().enumerate().filter(|(_, other)| is_like(word, other));
        like.fold(0, |places, (place, _)| places | 1 << place)
    };
    let mut like = [0; WORDS_MAX];
    for (place, word) in shorter.iter().enumerate() {
        like[place] = places_like(word);
    }
    let longer_initials =
        longer.iter().enumerate().filter(|(_, word)| word.len() == 1).fold(0, |places, (place, _)| places | 1 << place);
    // Each word in turn is the one that must be whole, and the others find what is left.
    shorter.iter().enumerate().filter(|(_, word)| word.len() > 1).any(|(place, _)| {
        let mut like = like;
        like[place] &= !longer_initials;
        can_pair(&like[..shorter.len()])
    })
}

/// Can each have a place of its own among those that it may have? Each looks for one, and whoever has it looks for another: no order of words decides.
fn can_pair(may_have: &[u16]) -> bool {
    let mut taken_by = [None; WORDS_MAX];
    (0..may_have.len()).all(|word| finds_place(word, may_have, &mut 0, &mut taken_by))
}

fn finds_place(word: usize, may_have: &[u16], asked: &mut u16, taken_by: &mut [Option<usize>; WORDS_MAX]) -> bool {
    for place in 0..WORDS_MAX {
        let bit = 1 << place;
        if may_have[word] & bit == 0 || *asked & bit != 0 {
            continue;
        }
        *asked |= bit;
        if taken_by[place].is_none_or(|other| finds_place(other, may_have, asked, taken_by)) {
            taken_by[place] = Some(word);
            return true;
        }
    }
    false
}

/// An initial, or a letter or two apart, by the length of the shorter one.
fn is_like(one: &Word, other: &Word) -> bool {
    let shorter = one.len().min(other.len());
    if shorter == 1 {
        return one.first() == other.first();
    }
    if one.len().max(other.len()) > LETTERS_MAX {
        return one == other;
    }
    let apart_max = match shorter {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    one.len().abs_diff(other.len()) <= apart_max && distance(one, other) <= apart_max
}

/// Letters to add, take out, change, or swap with their neighbours (the restricted distance of Damerau and Levenshtein). Neither has more than `LETTERS_MAX`.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before = [0; LETTERS_MAX + 1];
    let mut last: [usize; LETTERS_MAX + 1] = std::array::from_fn(|column| column);
    for (row, &letter) in one.iter().enumerate() {
        let mut now = [row + 1; LETTERS_MAX + 1];
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
            // A syllable of Hangul is one letter: three names that differ in one of three syllables.
            ("\u{ae40}\u{bbfc}\u{c218}", "\u{ae40}\u{bbfc}\u{c218}", Match),
            ("\u{ae40}\u{bbfc}\u{c218}", "\u{ae40}\u{bbfc}\u{d638}", NoMatch),
            ("\u{c774}\u{bbfc}\u{c218}", "\u{ae40}\u{bbfc}\u{c218}", NoMatch),
            // Points and joiners are seldom written.
            ("\u{645}\u{62d}\u{645}\u{62f}", "\u{645}\u{64f}\u{62d}\u{64e}\u{645}\u{651}\u{62f}", Match),
            ("\u{5d3}\u{5d5}\u{5d3}", "\u{5d3}\u{5bc}\u{5d5}\u{5b4}\u{5d3}", Match),
            ("\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}", "\u{639}\u{644}\u{6cc}\u{631}\u{636}\u{627}", Match),
            // A vowel of Thai below its letter is a letter.
            ("\u{e14}\u{e35}", "\u{e14}\u{e39}", NoMatch),
            ("\u{e14}\u{e38}", "\u{e14}\u{e39}", NoMatch),
            ("Alex\u{435}i \u{401}lkin", "Alex\u{435}i \u{415}lkin", Match),
            // One name, two firms.
            ("Acme SA", "Acme S.A.", Match),
            ("Acme Company Limited", "Acme Co., Ltd.", Match),
            ("Acme SA", "Acme GmbH", CloseMatch),
            ("Acme GmbH", "Acme GmbH & Co. KG", CloseMatch),
            // Each word needs one of its own, in whatever order it looks.
            ("Anna Hanna", "Hanna Panna", CloseMatch),
            ("Hanna Anna", "Hanna Panna", CloseMatch),
            ("A. Amina Sow", "Amina Sow Aissatou", CloseMatch),
            ("Amina Amina Sow", "Amina Fatou Sow", NoMatch),
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
    fn titles_and_legal_forms_are_found() {
        assert!(TITLES.is_sorted());
        assert!(LEGAL_FORMS.is_sorted_by_key(|(text, _)| *text));
    }

    #[test]
    fn long_names_are_compared_to_their_end() {
        let long = "\u{e01}".repeat(100);
        assert_eq!(match_names(&long, &long), NameMatch::Match);
        assert_eq!(match_names(&format!("{long}\u{e02}"), &format!("{long}\u{e03}")), NameMatch::NoMatch);
        let many = "Ab ".repeat(20);
        assert_eq!(match_names(&many, &many), NameMatch::Match);
        assert_eq!(match_names(&format!("{many} Amina"), &format!("{many} Fatou")), NameMatch::NoMatch);
        let longest = "a".repeat(NAME_BYTES_MAX);
        assert_eq!(match_names(&longest, &longest), NameMatch::Match);
        let too_long = longest.clone() + "a";
        assert_eq!(match_names(&too_long, &too_long), NameMatch::NotPossible);
    }

    /// Names of words that are often like each other.
    fn name() -> impl Strategy<Value = Vec<String>> {
        let word = prop_oneof!["[ab]{1,5}", "[ab]", "anna|hanna|panna|hannah|mr|ltd|sa"];
        proptest::collection::vec(word, 1..6)
    }

    fn turned(name: Vec<String>) -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
        (Just(name.clone()), Just(name).prop_shuffle())
    }

    /// Pairs by trying all: the slow way, to compare with.
    fn pairs_slowly(may_have: &[u16], free: u16) -> bool {
        let Some((first, rest)) = may_have.split_first() else { return true };
        (0..16).map(|place| 1 << place).any(|bit| first & free & bit != 0 && pairs_slowly(rest, free & !bit))
    }

    proptest! {
        #[test]
        fn comparing_has_no_sides(one in "\\PC{0,140}", other in "\\PC{0,140}") {
            prop_assert_eq!(match_names(&one, &other), match_names(&other, &one));
        }

        #[test]
        fn any_name_is_its_own_or_none(name in "\\PC{0,140}") {
            prop_assert!(matches!(match_names(&name, &name), NameMatch::Match | NameMatch::NotPossible));
        }

        #[test]
        fn order_and_sides_play_no_part(one in name(), (other, turned) in name().prop_flat_map(turned)) {
            let (one, other, turned) = (one.join(" "), other.join(" "), turned.join(" "));
            let (found, again) = (match_names(&one, &other), match_names(&one, &turned));
            prop_assert_eq!(match_names(&other, &one), found);
            prop_assert_eq!(match_names(&other, &turned), NameMatch::Match);
            // Words that are the same without their gaps are so in one order only.
            prop_assert!(found == again || found == NameMatch::Match || again == NameMatch::Match);
        }

        #[test]
        fn pairs_are_found_where_there_are_any(may_have in proptest::collection::vec(0u16..64, 0..6)) {
            prop_assert_eq!(can_pair(&may_have), pairs_slowly(&may_have, u16::MAX));
        }

        #[test]
        fn a_name_is_its_own(name in "[a-z\u{e0}-\u{f6}][a-z\u{e0}-\u{f6} ]{0,100}") {
            prop_assert_eq!(match_names(&name, &name), NameMatch::Match);
            prop_assert_eq!(match_names(&name.to_uppercase(), &name), NameMatch::Match);
        }
    }
}
