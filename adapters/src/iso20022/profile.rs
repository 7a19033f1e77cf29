//! The scheme's profile, as data: what the scheme allows of what ISO 20022 allows.
//!
//! The data is `clearspan.profile`; what its notation means stands at its top. A scheme with other rules gives another such text to `Profile::read`. What a profile does not
//! mention, it allows: the switch uses it, or carries it to the other side.

use std::collections::HashMap;
use std::sync::OnceLock;

use ledger::Currency;

use super::checks::Check;
use super::schema::{Definition, ElementId, Schema};

/// What a scheme allows.
#[derive(Debug)]
pub struct Profile {
    /// The line of versions that it is about.
    pub schema: &'static Schema,
    /// Must a time say its zone?
    pub needs_zone: bool,
    /// Which characters text may have: ranges, both ends included.
    characters: Vec<(char, char)>,
    /// By the number of a type.
    checks: Vec<Option<Check>>,
    currencies: HashMap<[u8; 3], u8>,
    /// By the place of a message in the schema; none where the scheme does not have it.
    messages: Vec<Option<RulesId>>,
    rules: Vec<Rules>,
}

/// Place of an element's rules in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesId(u16);

/// What a profile says about an element of a message, at its place in it.
#[derive(Debug, Default)]
pub struct Rules {
    /// The elements below it that have rules, by their place among the members of its type.
    below: Vec<(u16, RulesId)>,
    /// Those below it that must be there.
    pub required: Vec<u16>,
    /// It must not be there: why, and what to do.
    pub refused: Option<&'static str>,
    /// Its text must be one of these.
    pub only: Vec<&'static str>,
    /// So often at most.
    pub max: Option<u16>,
    /// What the switch does with it, for those who read the profile.
    pub used: Option<&'static str>,
}

impl Profile {
    /// The profile of this project's scheme.
    pub fn clearspan() -> &'static Profile {
        static PROFILE: OnceLock<Profile> = OnceLock::new();
        PROFILE.get_or_init(|| {
            Profile::read(Schema::of_2019(), include_str!("clearspan.profile"))
                .unwrap_or_else(|error| panic!("clearspan.profile: {error}"))
        })
    }

    /// Reads a profile over a schema. An error names the line and says what is wrong with it.
    pub fn read(schema: &'static Schema, text: &'static str) -> Result<Profile, String> {
        let mut profile = Profile {
            schema,
            needs_zone: false,
            characters: vec![(char::MIN, char::MAX)],
            checks: vec![None; schema.types()],
            currencies: HashMap::new(),
            messages: vec![None; schema.messages().len()],
            rules: Vec::new(),
        };
        let mut reading = Reading { sets: HashMap::new(), message: None };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim_end();
            if !line.is_empty() {
                profile.take(line, &mut reading).map_err(|error| format!("line {}: {error}", number + 1))?;
            }
        }
        Ok(profile)
    }

    /// One line.
    fn take(&mut self, line: &'static str, reading: &mut Reading) -> Result<(), String> {
        if let Some(rule) = line.strip_prefix("  ") {
            let message = reading.message.ok_or("a rule stands below a message")?;
            return self.take_rule(message, rule, reading);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        match word {
            "times" if rest == "with zone" => self.needs_zone = true,
            "characters" => {
                self.characters = words.map(range_of).collect::<Option<_>>().ok_or("ranges are as U+0020..U+007E")?;
            }
            "check" => {
                let (type_name, check) = rest.split_once(' ').ok_or("a check has a type and a name")?;
                let check = Check::read(check).ok_or_else(|| format!("{check}: no such check"))?;
                for element in self.schema.elements().filter(|&element| self.schema.type_name_of(element) == type_name)
                {
                    self.checks[self.schema.type_number_of(element)] = Some(check);
                }
            }
            "currencies" => {
                let digits =
                    words.next().and_then(|digits| digits.parse().ok()).filter(|&digits| digits <= MINOR_DIGITS_MAX);
                let digits = digits.ok_or("currencies begin with their number of decimals")?;
                for word in words {
                    let currency = Currency::parse(word.as_bytes()).ok_or_else(|| format!("{word}: no currency"))?;
                    self.currencies.insert(currency.bytes(), digits);
                }
            }
            "set" => {
                let name = words.next().ok_or("a set has a name")?;
                reading.sets.entry(name).or_default().extend(words);
            }
            "message" => {
                let place = self.schema.messages().iter().position(|message| message.name == rest);
                let place = place.ok_or_else(|| format!("{rest}: no such message"))?;
                reading.message = Some(place);
                self.messages[place] = Some(self.new_rules());
            }
            _ => return Err(format!("{word}: no such rule")),
        }
        Ok(())
    }

    /// `PATH RULE`, of a message.
    fn take_rule(&mut self, message: usize, line: &'static str, reading: &Reading) -> Result<(), String> {
        let (path, rule) = line.trim_start().split_once(' ').ok_or("a rule is a path and what holds there")?;
        let root = self.schema.messages()[message].root;
        let (places, _) = self.schema.resolve(root, path).ok_or_else(|| format!("{path}: no such element"))?;
        let mut at = self.messages[message].ok_or("a rule stands below a message")?;
        let mut parent = at;
        for &place in &places {
            parent = at;
            at = match self.below(at, place) {
                Some(below) => below,
                None => {
                    let below = self.new_rules();
                    self.rules[usize::from(at.0)].below.push((place, below));
                    below
                }
            };
        }
        let rules = &mut self.rules[usize::from(at.0)];
        let rule = rule.trim_start();
        if let Some(why) = rule.strip_prefix("refused: ") {
            rules.refused = Some(why);
        } else if let Some(codes) = rule.strip_prefix("only ") {
            for code in codes.split(' ') {
                match code.strip_prefix('@') {
                    Some(set) => rules.only.extend(reading.sets.get(set).ok_or_else(|| format!("{set}: no such set"))?),
                    None => rules.only.push(code),
                }
            }
        } else if let Some(count) = rule.strip_prefix("at most ") {
            rules.max = Some(count.parse().map_err(|_| format!("{count}: no number"))?);
        } else if let Some(use_) = rule.strip_prefix("is ") {
            rules.used = Some(use_);
        } else if rule == "required" {
            let last = *places.last().ok_or("a path has an element")?;
            self.rules[usize::from(parent.0)].required.push(last);
        } else {
            return Err(format!("{rule}: no such rule"));
        }
        Ok(())
    }

    fn new_rules(&mut self) -> RulesId {
        self.rules.push(Rules::default());
        RulesId(u16::try_from(self.rules.len() - 1).expect("a profile has fewer than 65,536 rules"))
    }

    /// The rules of a message, by its place in the schema; none where the scheme does not have it.
    pub fn of_message(&self, place: usize) -> Option<RulesId> {
        self.messages[place]
    }

    /// The messages that the scheme has.
    pub fn messages(&self) -> impl Iterator<Item = (&'static Definition, RulesId)> {
        self.schema.messages().iter().zip(&self.messages).filter_map(|(message, rules)| Some((message, (*rules)?)))
    }

    /// These rules.
    pub fn rules(&self, id: RulesId) -> &Rules {
        &self.rules[usize::from(id.0)]
    }

    /// The rules of an element below one that has rules, by its place.
    pub fn below(&self, id: RulesId, place: u16) -> Option<RulesId> {
        self.rules(id).below.iter().find(|&&(other, _)| other == place).map(|&(_, rules)| rules)
    }

    /// What is wrong with a text that has the right form.
    pub(super) fn fault_of(&self, element: ElementId, text: &str) -> Option<&'static str> {
        self.checks[self.schema.type_number_of(element)]?.fault_of(text)
    }

    /// The first character that the scheme does not have in text.
    pub(super) fn foreign_character(&self, text: &str) -> Option<char> {
        text.chars().find(|&character| !self.has(character))
    }

    /// May text have this character?
    pub(super) fn has(&self, character: char) -> bool {
        self.characters.iter().any(|&(first, last)| first <= character && character <= last)
    }

    /// How many decimals a currency has; none where the scheme does not know it.
    pub fn minor_digits(&self, currency: Currency) -> Option<u8> {
        self.currencies.get(&currency.bytes()).copied()
    }

    /// The currencies that it knows, and how many decimals each has.
    pub fn currencies(&self) -> impl Iterator<Item = (Currency, u8)> {
        self.currencies.iter().filter_map(|(letters, &digits)| Some((Currency::parse(letters)?, digits)))
    }
}

/// Amounts of ISO 20022 have at most five decimals.
pub const MINOR_DIGITS_MAX: u8 = 5;

/// What was read so far of a profile's text.
struct Reading {
    sets: HashMap<&'static str, Vec<&'static str>>,
    message: Option<usize>,
}

/// `U+0020..U+007E`
fn range_of(text: &str) -> Option<(char, char)> {
    let (first, last) = text.split_once("..")?;
    let point = |text: &str| char::from_u32(u32::from_str_radix(text.strip_prefix("U+")?, 16).ok()?);
    Some((point(first)?, point(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &'static str, error: &str) {
        match Profile::read(Schema::of_2019(), text) {
            Ok(_) => assert_eq!(error, "", "{text}"),
            Err(found) => assert_eq!(found, error, "{text}"),
        }
    }

    #[test]
    fn a_profile_says_what_is_wrong_with_it() {
        check("times with zone\n\nmessage pacs.008.001.08\n  GrpHdr/MsgId required # always\n", "");
        check("times", "line 1: times: no such rule");
        check("message pacs.008.001.99", "line 1: pacs.008.001.99: no such message");
        check("  GrpHdr required", "line 1: a rule stands below a message");
        check("message pacs.008.001.08\n  GrpHdr/Nothing required", "line 2: GrpHdr/Nothing: no such element");
        check("message pacs.008.001.08\n  GrpHdr forbidden", "line 2: forbidden: no such rule");
        check("message pacs.008.001.08\n  GrpHdr only @some", "line 2: some: no such set");
        check("message pacs.008.001.08\n  GrpHdr at most many", "line 2: many: no number");
        check("check IBAN2007Identifier parity", "line 1: parity: no such check");
        check("currencies 2 EURO", "line 1: EURO: no currency");
        check("currencies EUR", "line 1: currencies begin with their number of decimals");
        check("characters a-z", "line 1: ranges are as U+0020..U+007E");
    }

    #[test]
    fn currencies_have_their_decimals() {
        let profile = Profile::clearspan();
        for (currency, digits) in
            [("EUR", Some(2)), ("JPY", Some(0)), ("KWD", Some(3)), ("XTS", Some(2)), ("ZZZ", None)]
        {
            let parsed = Currency::parse(currency.as_bytes()).expect("three letters");
            assert_eq!(profile.minor_digits(parsed), digits, "{currency}");
        }
    }
}
