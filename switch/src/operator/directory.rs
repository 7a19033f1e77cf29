//! What operators say about the directory, and what they look at: its rules, keys of ID systems, what is left of buckets.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::view::{Page, page_of_participants};
use crate::config::{GenesisDirectory, GenesisIssuer};
use crate::engine::Engine;
use crate::engine::lookups::{DirectoryRules, TrustedKey, unpadded};
use crate::entry::IssuerKeySet;
use crate::limits::LOOKUP_CATEGORIES;

/// Rules of the directory by their keys, as `genesis.toml` has them.
pub fn directory_as_keys(rules: &GenesisDirectory) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(rules) {
        Ok(serde_json::Value::Object(keys)) => keys,
        other => unreachable!("rules are an object: {other:?}"),
    }
}

/// Rules with every key: what a request does not name has no default.
pub(super) fn whole_rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GenesisDirectory, D::Error> {
    whole(serde_json::Map::deserialize(deserializer)?).map_err(Error::custom)
}

/// The same, where there may be none.
pub(super) fn whole_rules_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<GenesisDirectory>, D::Error> {
    let keys = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(deserializer)?;
    keys.map(whole).transpose().map_err(Error::custom)
}

fn whole(keys: serde_json::Map<String, serde_json::Value>) -> Result<GenesisDirectory, String> {
    let default = directory_as_keys(&GenesisDirectory::default());
    if let Some(missing) = default.keys().find(|key| !keys.contains_key(*key)) {
        return Err(format!("the rules of the directory lack `{missing}`"));
    }
    GenesisDirectory::deserialize(serde_json::Value::Object(keys)).map_err(|error| error.to_string())
}

/// Can a directory have these?
pub(super) fn check_rules_alone(rules: &GenesisDirectory) -> Result<(), String> {
    if !rules.issuer.is_empty() {
        return Err("directory: keys of ID systems are no rules: trust them one by one".to_owned());
    }
    rules.check()
}

/// Are they what somebody who saw those wants to have instead?
pub(super) fn check_rules(
    from: Option<&GenesisDirectory>,
    to: &GenesisDirectory,
    engine: &Engine,
) -> Result<(), String> {
    let now = engine.directory().rules().map(GenesisDirectory::of);
    if now.as_ref() == Some(to) {
        return Err("these rules of the directory are in force already: nothing to do".to_owned());
    }
    if now.as_ref() != from {
        let text = "the directory's rules are others by now than those that were to be changed: look at them (directory show), and decide anew";
        return Err(text.to_owned());
    }
    Ok(())
}

/// The number of a category of participants.
pub(super) fn category_number(letter: char) -> Result<u8, String> {
    let place = ('A'..='H').position(|known| known == letter).and_then(|place| u8::try_from(place).ok());
    place.ok_or_else(|| format!("category `{}`: expected a letter from A to H", letter.escape_debug()))
}

/// A category's letter.
pub fn category_letter(number: u8) -> char {
    const { assert!(LOOKUP_CATEGORIES == 8) };
    char::from(b'A' + number)
}

/// Takes back the trust in a key.
pub(super) fn revocation_of(engine: &Engine, issuer: &str, key_id: &str) -> Result<IssuerKeySet, String> {
    let named = |key: &&TrustedKey| text_of(&key.issuer) == issuer && text_of(&key.key_id) == key_id;
    let key = engine.directory().issuers().iter().find(named).ok_or_else(|| {
        let (issuer, key_id) = (issuer.escape_debug(), key_id.escape_debug());
        format!("no key `{key_id}` of `{issuer}` is trusted: `switch admin directory show` shows those that are")
    })?;
    let &TrustedKey { issuer, key_id, algorithm, public_key, not_before_s, not_after_s } = key;
    Ok(IssuerKeySet { issuer, key_id, algorithm, public_key, not_before_s, not_after_s, is_valid: 0 })
}

/// Is it the next hash key? Whether the one before it is done the engine says.
pub(super) fn check_generation(engine: &Engine, generation: u8) -> Result<(), String> {
    let now = engine.directory().generation();
    match now.checked_add(1) {
        Some(next) if next == generation => Ok(()),
        Some(next) => {
            Err(format!("hash key {generation} does not follow hash key {now}, which is in use: the next is {next}"))
        }
        None => Err(format!("hash key {now} is the last: there are no more generations")),
    }
}

fn text_of(padded: &[u8; 64]) -> String {
    String::from_utf8_lossy(unpadded(padded)).into_owned()
}

/// The directory, but for what is registered in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DirectoryView {
    /// None before they are set: then nobody looks anything up.
    pub rules: Option<GenesisDirectory>,
    /// Of the key under which new hashes are made.
    pub generation: u8,
    /// Are hashes being made anew?
    pub is_rehashing: bool,
    /// Keys of ID systems that are trusted.
    pub issuers: Vec<IssuerRow>,
}

/// A key of an ID system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuerRow {
    /// As `genesis.toml` has it.
    pub key: GenesisIssuer,
    /// Seconds since 1970.
    pub not_before_s: u64,
    /// Seconds since 1970.
    pub not_after_s: u64,
}

/// What is left of a participant's bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowanceRow {
    /// Whose.
    pub participant: String,
    /// A letter from A to H.
    pub category: char,
    /// Whole tokens.
    pub level: u32,
    /// What it can hold.
    pub capacity: u32,
    /// What comes to it in a minute.
    pub per_minute: u32,
}

pub(super) fn directory(engine: &Engine) -> DirectoryView {
    let directory = engine.directory();
    DirectoryView {
        rules: directory.rules().map(GenesisDirectory::of),
        generation: directory.generation(),
        is_rehashing: directory.is_rehashing(),
        issuers: directory.issuers().iter().map(issuer_row).collect(),
    }
}

fn issuer_row(key: &TrustedKey) -> IssuerRow {
    let &TrustedKey { issuer, key_id, algorithm, public_key, not_before_s, not_after_s } = key;
    let key = GenesisIssuer::of(text_of(&issuer), text_of(&key_id), algorithm, &public_key);
    IssuerRow { key, not_before_s, not_after_s }
}

pub(super) fn allowances(engine: &Engine, after: u64) -> Page<AllowanceRow> {
    let rows = engine.participants().map(|(id, code)| {
        let [level, capacity, per_minute] = engine.participant_allowance(id);
        let category = category_letter(engine.directory().category(id));
        (id, AllowanceRow { participant: code.to_string(), category, level, capacity, per_minute })
    });
    page_of_participants(rows, after)
}

impl GenesisDirectory {
    /// Rules that are in force, as people write them.
    pub fn of(rules: &DirectoryRules) -> GenesisDirectory {
        let &DirectoryRules {
            cost_found,
            cost_missed,
            payment_gives_back,
            end_user_capacity,
            end_user_per_minute,
            category_capacity,
            category_per_minute,
            aliases_per_identity,
            aliases_per_account,
            mask,
        } = rules;
        GenesisDirectory {
            cost_found,
            cost_missed,
            payment_gives_back,
            end_user_capacity,
            end_user_per_minute,
            category_capacity,
            category_per_minute,
            aliases_per_identity,
            aliases_per_account,
            mask,
            issuer: Vec::new(),
        }
    }
}
