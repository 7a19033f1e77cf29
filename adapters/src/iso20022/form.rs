//! What the text of an element may be: the simple types of XML Schema that ISO 20022 uses.
//!
//! Lengths are in characters. Numbers, dates and booleans may have space around them; text, codes and patterns mean what they say.

use std::fmt;

/// A simple type.
#[derive(Debug)]
pub enum Form {
    /// So many characters.
    Text {
        /// At least.
        min: u16,
        /// At most.
        max: u16,
    },
    /// One of these.
    Code(Vec<&'static str>),
    /// What matches a pattern.
    Pattern(Pattern),
    /// A number.
    Decimal(Digits),
    /// A number with a currency beside it.
    Amount(Digits),
    /// `2026-11-23`
    Date,
    /// `2026-11-23T09:30:00.000Z`; the zone may be missing.
    DateTime,
    /// `09:30:00`
    Time,
    /// `2026-11`
    Month,
    /// `true`, `false`, `1`, `0`
    Boolean,
    /// Bytes, so many.
    Base64 {
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
    /// Elements of anybody.
    Any,
}

/// How long a number may be. Zeros that do not change it do not count.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    total: u8,
    fraction: u8,
    is_signed: bool,
}

impl Form {
    /// From the notation of `2019.schema`.
    ///
    /// # Panics
    /// Where it is none: it is part of the program.
    pub(super) fn read(text: &'static str) -> Form {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "text" => {
                let (min, max) = range(rest);
                Form::Text { min, max }
            }
            "code" => Form::Code(rest.split(' ').collect()),
            "pattern" => Form::Pattern(Pattern::read(rest)),
            "decimal" => Form::Decimal(Digits::read(rest)),
            "amount" => Form::Amount(Digits::read(rest)),
            "date" => Form::Date,
            "datetime" => Form::DateTime,
            "time" => Form::Time,
            "month" => Form::Month,
            "boolean" => Form::Boolean,
            "base64" => {
                let (min, max) = range(rest);
                Form::Base64 { min, max }
            }
            "any" => Form::Any,
            _ => panic!("{text}: no such form"),
        }
    }

    /// May an element have this text?
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Form::Text { min, max } => {
                // Most text is shorter in bytes than it may be in characters.
                let characters = if text.len() <= usize::from(*max) && !text.is_empty() && *min <= 1 {
                    return true;
                } else {
                    text.chars().count()
                };
                usize::from(*min) <= characters && characters <= usize::from(*max)
            }
            Form::Code(codes) => codes.contains(&text),
            Form::Pattern(pattern) => pattern.matches(text.as_bytes()),
            Form::Decimal(digits) | Form::Amount(digits) => digits.hold(trim(text)),
            Form::Date => super::time::is_date(trim(text)),
            Form::DateTime => super::time::DateTime::parse(trim(text)).is_some(),
            Form::Time => super::time::is_time(trim(text)),
            Form::Month => super::time::is_month(trim(text)),
            Form::Boolean => boolean(text).is_some(),
            Form::Base64 { min, max } => base64_length(text).is_some_and(|bytes| (*min..=*max).contains(&bytes)),
            Form::Any => true,
        }
    }
}

impl fmt::Display for Form {
    /// What the text must be, to follow "must be".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Text { min, max } if min == max => write!(f, "{max} characters"),
            Form::Text { min, max } => write!(f, "{min} to {max} characters"),
            Form::Code(codes) if codes.len() > 12 => {
                write!(f, "one of {} codes, as {}", codes.len(), codes[..3].join(", "))
            }
            Form::Code(codes) => write!(f, "one of {}", codes.join(", ")),
            Form::Pattern(pattern) => write!(f, "of the form {}", pattern.text),
            Form::Decimal(digits) => digits.fmt(f),
            Form::Amount(digits) => write!(f, "{digits}, and have a currency"),
            Form::Date => f.write_str("a date as 2026-11-23"),
            Form::DateTime => f.write_str("a time as 2026-11-23T09:30:00.000Z"),
            Form::Time => f.write_str("a time of day as 09:30:00"),
            Form::Month => f.write_str("a month as 2026-11"),
            Form::Boolean => f.write_str("true or false"),
            Form::Base64 { min, max } => write!(f, "{min} to {max} bytes in base64"),
            Form::Any => f.write_str("elements"),
        }
    }
}

impl Digits {
    fn read(text: &str) -> Digits {
        let (digits, sign) = text.split_once(' ').unwrap_or((text, ""));
        let (total, fraction) = digits.split_once('.').unwrap_or_else(|| panic!("{text}: no digits"));
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text}: no number"));
        Digits { total: number(total), fraction: number(fraction), is_signed: sign != "0.." }
    }

    fn hold(self, text: &str) -> bool {
        let negative = text.strip_prefix('-');
        let unsigned = negative.or(text.strip_prefix('+')).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return false;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        whole.len() + fraction.len() <= usize::from(self.total)
            && fraction.len() <= usize::from(self.fraction)
            && (self.is_signed || negative.is_none() || is_zero)
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_signed { "" } else { ", not negative" };
        match self.fraction {
            0 => write!(f, "a whole number of at most {} digits{sign}", self.total),
            fraction => write!(f, "a number of at most {} digits, {fraction} of them decimals{sign}", self.total),
        }
    }
}

/// A pattern of XML Schema, of the few kinds that ISO 20022 has: characters and sets of them, each so often; at its end perhaps more in brackets; several such.
/// What is matched is taken as far as it goes, and never given back: no pattern here needs that.
#[derive(Debug)]
pub struct Pattern {
    text: &'static str,
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Default)]
struct Alternative {
    atoms: Vec<Atom>,
    /// What may follow, whole or not at all.
    tail: Vec<Atom>,
}

#[derive(Debug)]
struct Atom {
    /// One bit for each ASCII character.
    characters: u128,
    min: u8,
    max: u8,
}

impl Pattern {
    fn read(text: &'static str) -> Pattern {
        Pattern { text, alternatives: text.split('|').map(Alternative::read).collect() }
    }

    fn matches(&self, text: &[u8]) -> bool {
        self.alternatives.iter().any(|alternative| {
            let rest = take_all(&alternative.atoms, text);
            rest.is_some_and(|rest| rest.is_empty() || take_all(&alternative.tail, rest) == Some(&[]))
        })
    }
}

/// What is left of a text once these have taken theirs.
fn take_all<'t>(atoms: &[Atom], mut text: &'t [u8]) -> Option<&'t [u8]> {
    for atom in atoms {
        let is_in = |&byte: &u8| byte.is_ascii() && atom.characters >> byte & 1 == 1;
        let count = text.iter().take(usize::from(atom.max)).take_while(|byte| is_in(byte)).count();
        if count < usize::from(atom.min) {
            return None;
        }
        text = &text[count..];
    }
    Some(text)
}

impl Alternative {
    fn read(text: &str) -> Alternative {
        match text.strip_suffix("){0,1}").and_then(|text| text.split_once('(')) {
            Some((atoms, tail)) => Alternative { atoms: atoms_of(atoms), tail: atoms_of(tail) },
            None => Alternative { atoms: atoms_of(text), tail: Vec::new() },
        }
    }
}

fn atoms_of(text: &str) -> Vec<Atom> {
    let mut atoms = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (characters, behind) = match rest.strip_prefix('[') {
            Some(set) => {
                let (set, behind) = set.split_once(']').unwrap_or_else(|| panic!("{text}: a set is not closed"));
                (set_of(set), behind)
            }
            None => {
                let literal = rest.strip_prefix('\\').unwrap_or(rest);
                (1 << literal.as_bytes()[0], &literal[1..])
            }
        };
        let (min, max, behind) = match behind.strip_prefix('{').and_then(|times| times.split_once('}')) {
            Some((times, behind)) => {
                let (min, max) = times.split_once(',').unwrap_or((times, times));
                let number = |digits: &str| digits.parse().unwrap_or_else(|_| panic!("{text}: {digits} is no number"));
                (number(min), number(max), behind)
            }
            None => (1, 1, behind),
        };
        atoms.push(Atom { characters, min, max });
        rest = behind;
    }
    atoms
}

fn set_of(text: &str) -> u128 {
    let bytes = text.as_bytes();
    let mut characters = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            at += 1;
        }
        let first = bytes[at];
        let is_range = bytes.get(at + 1) == Some(&b'-') && at + 2 < bytes.len();
        let last = if is_range { bytes[at + 2] } else { first };
        for byte in first..=last {
            characters |= 1 << byte;
        }
        at += if is_range { 3 } else { 1 };
    }
    characters
}

/// `MIN..MAX`
pub(super) fn range<N: std::str::FromStr>(text: &str) -> (N, N) {
    let (min, max) = text.split_once("..").unwrap_or_else(|| panic!("{text}: no range"));
    let number = |text: &str| text.parse().ok().unwrap_or_else(|| panic!("{text}: no number"));
    (number(min), number(max))
}

/// Without the space that XML Schema lets stand around numbers and times.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// `true`, `false`, `1`, `0`
pub(super) fn boolean(text: &str) -> Option<bool> {
    match trim(text) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// How many bytes it stands for; none where it is no base64.
fn base64_length(text: &str) -> Option<u32> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let (mut digits, mut padding) = (0, 0);
    for byte in text.bytes().filter(|byte| !is_space(byte)) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return None,
        }
    }
    ((digits + padding) % 4 == 0 && padding <= 2).then_some(digits * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line: a form, and texts that it holds and that it does not.
    #[track_caller]
    fn check(form: &'static str, good: &[&str], bad: &[&str]) {
        let form = Form::read(form);
        for text in good {
            assert!(form.holds(text), "{text:?} must be {form}");
        }
        for text in bad {
            assert!(!form.holds(text), "{text:?} must be {form}, and is not");
        }
    }

    #[test]
    fn each_form_holds_what_xml_schema_says() {
        check("text 1..4", &["a", "abcd", "äöüß", " a "], &["", "abcde", "äöüßé"]);
        check("text 3..3", &["abc"], &["ab", "abcd"]);
        check("code ADDR PBOX", &["ADDR"], &["addr", "ADDR ", ""]);
        check(
            "decimal 18.0",
            &["1", "000000000000000000001", "-5", " 7 ", "+1"],
            &["", "1.5", "1e3", "1234567890123456789", "."],
        );
        check("decimal 5.2 0..", &["123.45", "1.500", "-0", ".5", "5."], &["-1", "1.234", "1234.56"]);
        check("amount 18.5 0..", &["0.00001", "999999999999999999"], &["0.000001", "1,00", "-0.01"]);
        check(
            "date",
            &["2026-11-23", "2024-02-29", "2026-11-23Z"],
            &["2026-02-29", "2026-13-01", "23.11.2026", "2026-11-31"],
        );
        check(
            "datetime",
            &["2026-11-23T09:30:00Z", "2026-11-23T09:30:00.123456789+01:00", " 2026-11-23T09:30:00 "],
            &[
                "2026-11-23",
                "2026-11-23 09:30:00",
                "2026-11-23T25:00:00Z",
                "2026-11-23T09:30Z",
                "2026-11-23T09:30:00+15:00",
            ],
        );
        check("time", &["09:30:00", "09:30:00.5Z"], &["09:30", "24:00:00"]);
        check("month", &["2026-11"], &["2026-13", "2026"]);
        check("boolean", &["true", "0", " 1 "], &["TRUE", "yes", ""]);
        check("base64 1..3", &["YQ==", "YWJj", "Y W J j"], &["", "YWJjZA==", "YQ=", "Y=Q="]);
    }

    #[test]
    fn each_kind_of_pattern_matches() {
        check(
            "pattern [A-Z0-9]{4,4}[A-Z]{2,2}[A-Z0-9]{2,2}([A-Z0-9]{3,3}){0,1}",
            &["NORTDEFF", "NORTDEFFXXX"],
            &["NORTDEF", "NORTDEFFX", "nortdeff", "NORTDEFFXXXX"],
        );
        check("pattern [BEOVW]{1,1}[0-9]{2,2}|DUM", &["B12", "DUM"], &["A12", "B123", "DU"]);
        check("pattern \\+[0-9]{1,3}-[0-9()+\\-]{1,30}", &["+49-(30)123-45"], &["49-30", "+49-", "+1234-5"]);
        check(
            "pattern [a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}",
            &["f47ac10b-58cc-4372-a567-0e02b2c3d479"],
            &[
                "f47ac10b-58cc-1372-a567-0e02b2c3d479",
                "F47AC10B-58CC-4372-A567-0E02B2C3D479",
                "f47ac10b58cc4372a5670e02b2c3d479",
            ],
        );
        check("pattern [\\+]{0,1}[0-9]{1,15}", &["+1", "123"], &["+", "-1", "1234567890123456"]);
        check("pattern [0-9]", &["1"], &["", "12", "a", "é"]);
    }
}
