//! The profile as a page for people, made from the data.

use std::fmt::Write as _;

use super::profile::{Profile, RulesId};
use super::schema::{Definition, ElementId, Type};

/// The page, in Markdown: `docs/iso20022-profile.md`.
pub fn profile(profile: &Profile) -> String {
    let mut page = String::from(
        "# The scheme's profile of ISO 20022\n\n\
         Made by `gateway profile` from `adapters/src/iso20022/clearspan.profile`: what the scheme allows of what ISO 20022 allows, and what the switch does with it. An element that stands in no\n\
         table is allowed where the schema of the message allows it, and is carried to the other side as it is. How messages travel stands in `iso20022.md`.\n\n",
    );
    if profile.needs_zone {
        page.push_str("Every time must say its zone. ");
    }
    page.push_str("IBANs and LEIs must have the right check digits; the countries of BICs and IBANs must exist.\n\n");
    let mut by_digits: std::collections::BTreeMap<u8, Vec<String>> = std::collections::BTreeMap::new();
    for (currency, digits) in profile.currencies() {
        by_digits.entry(digits).or_default().push(currency.to_string());
    }
    page.push_str("| decimals | currencies |\n|---|---|\n");
    for (digits, mut currencies) in by_digits {
        currencies.sort();
        let _ = writeln!(page, "| {digits} | {} |", currencies.join(" "));
    }
    for (message, rules) in profile.messages() {
        write_message(profile, message, rules, &mut page);
    }
    page
}

fn write_message(profile: &Profile, message: &Definition, rules: RulesId, page: &mut String) {
    let _ = write!(page, "\n## {}\n\n| element | rule | the switch |\n|---|---|---|\n", message.name);
    write_rules(profile, message.root, rules, "", page);
}

fn write_rules(profile: &Profile, parent: ElementId, rules: RulesId, path: &str, page: &mut String) {
    let Type::Group(group) = *profile.schema.type_of(parent) else { return };
    let required = &profile.rules(rules).required;
    for place in 0..group.count() {
        let Some(below) = profile.below(rules, place) else { continue };
        let element = group.member(place);
        let path = format!("{path}{}{}", if path.is_empty() { "" } else { "/" }, profile.schema.element(element).name);
        let own = profile.rules(below);
        let mut rule = Vec::new();
        if required.contains(&place) {
            rule.push("required".to_owned());
        }
        if let Some(why) = own.refused {
            rule.push(format!("refused: {why}"));
        }
        if let Some(max) = own.max {
            rule.push(format!("at most {max}"));
        }
        match own.only.len() {
            0 => {}
            1..=12 => rule.push(format!("one of {}", own.only.join(" "))),
            count => rule.push(format!("one of {count} codes of the external code set")),
        }
        if !rule.is_empty() || own.used.is_some() {
            let _ = writeln!(page, "| `{path}` | {} | {} |", rule.join("; "), own.used.unwrap_or_default());
        }
        write_rules(profile, element, below, &path, page);
    }
}
