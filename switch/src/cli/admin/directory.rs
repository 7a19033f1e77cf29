//! `switch admin directory`: what look-ups cost, who may make how many, and which ID systems are trusted.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use adapters::attestation::Algorithm;
use adapters::message::ParticipantCode;
use serde_json::{Map, Value};

use super::show::{json, lines, table, yes};
use super::{By, Place, rules};
use crate::cli::ledger::arguments::{participant, short_time_text, time};
use crate::config::{GenesisDirectory, GenesisIssuer};
use crate::limits::NS_PER_S;
use crate::lookup::Trouble;
use crate::operator::Action;
use crate::operator::directory::{AllowanceRow, DirectoryView, directory_as_keys};
use crate::operator::view::{Page, Question, View};
use crate::pki;

/// `switch admin directory`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show the rules in force, the keys that are trusted, and what is left of participants' look-ups
    Show(Show),
    /// Put other rules in force: some keys change, the others stay
    #[command(
        after_help = "Example:\n  switch admin directory rules --set cost_missed=25 --set end_user_capacity=150 --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'decision 31 of the board' --yes"
    )]
    Rules(Rules),
    /// Set how many look-ups a participant may make: category A has the most, H, in which everybody begins, the fewest
    Category(Category),
    /// Trust a key of an ID system, or do so no more
    #[command(subcommand)]
    Issuer(Issuer),
    /// Make the hashes of all aliases anew under a new key, while the switch serves; the key before is destroyed at the end
    #[command(
        after_help = "Example:\n  switch admin directory renew-hash-key --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'yearly' --yes"
    )]
    RenewHashKey(RenewHashKey),
}

/// A new hash key.
#[derive(clap::Args)]
pub(in crate::cli) struct RenewHashKey {
    #[command(flatten)]
    by: By,
}

/// All of it.
#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line: the directory, then participants
    #[arg(long)]
    json: bool,
}

/// Other rules.
#[derive(clap::Args)]
pub(in crate::cli) struct Rules {
    /// A key of the rules and its new value, as in `[directory]` of `genesis.toml`; as often as there are keys to change
    #[arg(long = "set", value_name = "KEY=VALUE", required_unless_present = "file")]
    changes: Vec<String>,
    /// A file of such lines, KEY = VALUE
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

/// How many look-ups.
#[derive(clap::Args)]
pub(in crate::cli) struct Category {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// A letter from A to H
    #[arg(value_name = "CATEGORY")]
    category: char,
    #[command(flatten)]
    by: By,
}

/// Keys of ID systems.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Issuer {
    /// Trust a key; the same name and key id again replace it
    #[command(
        after_help = "Example:\n  switch admin directory issuer add national-id 2026-1 --file national-id.pem --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'contract 7' --yes"
    )]
    Add(Add),
    /// Trust a key no more: what it has signed proves nothing from then on
    Revoke(Revoke),
}

/// A key.
#[derive(clap::Args)]
pub(in crate::cli) struct Add {
    /// The ID system, as its attestations name it (`iss`): 1 to 64 bytes
    #[arg(value_name = "ISSUER")]
    issuer: String,
    /// Which of its keys (`kid`): 1 to 64 bytes
    #[arg(value_name = "KEY")]
    key_id: String,
    /// The public key, PEM or DER: Ed25519, or P-256 for ES256
    #[arg(long, value_name = "FILE", required_unless_present = "public_key", conflicts_with = "public_key")]
    file: Option<PathBuf>,
    /// The same in hexadecimal digits: 64 of Ed25519, 130 of P-256 (the uncompressed point)
    #[arg(long, value_name = "DIGITS")]
    public_key: Option<String>,
    /// From when it counts, RFC 3339; without, always
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<u64>,
    /// Through when it counts, RFC 3339; without, until it is revoked
    #[arg(long, value_name = "TIME", value_parser = time)]
    through: Option<u64>,
    #[command(flatten)]
    by: By,
}

/// A key that is trusted.
#[derive(clap::Args)]
pub(in crate::cli) struct Revoke {
    /// The ID system
    #[arg(value_name = "ISSUER")]
    issuer: String,
    /// Which of its keys
    #[arg(value_name = "KEY")]
    key_id: String,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let out = &mut out;
    match command {
        Command::Show(arguments) => show(arguments, out),
        Command::Rules(arguments) => set_rules(arguments, out),
        Command::Category(arguments) => set_category(arguments, out),
        Command::Issuer(Issuer::Add(arguments)) => add(arguments, out),
        Command::Issuer(Issuer::Revoke(arguments)) => revoke(arguments, out),
        Command::RenewHashKey(arguments) => renew_hash_key(arguments, out),
    }
}

fn view_of(place: &Place) -> Result<DirectoryView, Trouble> {
    match place.look(Question::Directory {})? {
        View::Directory(view) => Ok(*view),
        other => Err(super::another_answer(&other)),
    }
}

fn only_allowances(view: View) -> Option<Page<AllowanceRow>> {
    if let View::Allowances(page) = view { Some(page) } else { None }
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let view = view_of(&arguments.place)?;
    let allowances = arguments.place.rows(|after| Question::Allowances { after }, only_allowances)?;
    if arguments.json {
        json(&[view], out)?;
        return json(&allowances, out);
    }
    match &view.rules {
        None => writeln!(out, "no rules are set: nobody looks anything up").map_err(Trouble::Output)?,
        Some(rules) => {
            for (key, value) in directory_as_keys(rules) {
                writeln!(out, "{key} = {value}").map_err(Trouble::Output)?;
            }
        }
    }
    lines(&[("hash key", view.generation.to_string()), ("made anew", yes(view.is_rehashing))], out)?;
    for row in &view.issuers {
        let GenesisIssuer { name, key_id, algorithm, public_key } = &row.key;
        let period = period_text(row.not_before_s, row.not_after_s);
        lines(&[("trusted", format!("{name} {key_id} {algorithm} {period} {public_key}"))], out)?;
    }
    let rows: Vec<Vec<String>> = allowances
        .iter()
        .map(|row| {
            let numbers = [row.level, row.capacity, row.per_minute].map(|number| number.to_string());
            [vec![row.participant.clone(), row.category.to_string()], numbers.to_vec()].concat()
        })
        .collect();
    table(&["participant", "category", ">tokens", ">of", ">a minute"], &rows, out)
}

fn renew_hash_key(RenewHashKey { by }: &RenewHashKey, out: &mut dyn Write) -> Result<(), Trouble> {
    let generation = view_of(&by.place)?.generation.saturating_add(1);
    let said = [("hash key", generation.to_string())];
    let done = "begun: hashes are made anew while the switch serves; `directory show` says when that is done";
    by.carry_out(&said, Action::RenewHashKey { generation }, done, out)
}

fn period_text(not_before_s: u64, not_after_s: u64) -> String {
    let at = |s: u64| short_time_text(s.saturating_mul(NS_PER_S));
    match (not_before_s, not_after_s) {
        (0, u64::MAX) => "until revoked".to_owned(),
        (0, through) => format!("through {}", at(through)),
        (from, u64::MAX) => format!("from {}", at(from)),
        (from, through) => format!("{} to {}", at(from), at(through)),
    }
}

fn set_rules(Rules { changes, file, by }: &Rules, out: &mut dyn Write) -> Result<(), Trouble> {
    let changed = rules::changes_of(file.as_deref(), changes)?;
    let from = view_of(&by.place)?.rules;
    let before = from.clone().unwrap_or_default();
    let to = apply(&before, changed).map_err(Trouble::Asked)?;
    rules::write_changes(&directory_as_keys(&before), &directory_as_keys(&to), out).map_err(Trouble::Output)?;
    by.carry_out(&[], Action::SetDirectoryRules { from, to }, "in force; what has been debited stays so", out)
}

/// The rules with changes, checked.
fn apply(from: &GenesisDirectory, changed: Vec<Map<String, Value>>) -> Result<GenesisDirectory, String> {
    let to: GenesisDirectory =
        rules::with_changes(directory_as_keys(from), changed, ("the directory's rules", "directory"))?;
    to.check().map_err(|what| format!("{what}; nothing is changed"))?;
    Ok(to)
}

fn set_category(Category { participant, category, by }: &Category, out: &mut dyn Write) -> Result<(), Trouble> {
    let said = [("participant", participant.to_string()), ("category", category.to_string())];
    let action = Action::SetLookupCategory { participant: participant.to_string(), category: *category };
    by.carry_out(&said, action, "in force; what it has used stays used", out)
}

fn add(arguments: &Add, out: &mut dyn Write) -> Result<(), Trouble> {
    let Add { issuer, key_id, file, public_key, from, through, by } = arguments;
    let (algorithm, public_key) = match (file, public_key) {
        (Some(file), _) => read(file)?,
        (None, Some(digits)) => (algorithm_of(digits)?, digits.to_lowercase()),
        (None, None) => unreachable!("the command line asks for one of the two"),
    };
    let algorithm = algorithm.name().to_owned();
    let key = GenesisIssuer { name: issuer.clone(), key_id: key_id.clone(), algorithm, public_key };
    let not_before_s = from.map_or(0, |ns| ns / NS_PER_S);
    let not_after_s = through.map_or(u64::MAX, |ns| ns / NS_PER_S);
    let said = [
        ("trust", key.name.clone()),
        ("key", key.key_id.clone()),
        ("algorithm", key.algorithm.clone()),
        ("public key", key.public_key.clone()),
        ("counts", period_text(not_before_s, not_after_s)),
    ];
    by.carry_out(&said, Action::TrustIssuerKey { key, not_before_s, not_after_s }, "trusted", out)
}

/// The kind of key that has so many digits.
fn algorithm_of(digits: &str) -> Result<Algorithm, Trouble> {
    let known = Algorithm::ALL.into_iter().find(|known| known.key_bytes() * 2 == digits.len());
    known.ok_or_else(|| {
        let text = "--public-key: expected hexadecimal digits, 64 of Ed25519 or 130 of P-256 (the uncompressed point)";
        Trouble::Asked(text.to_owned())
    })
}

fn read(file: &Path) -> Result<(Algorithm, String), Trouble> {
    let problem = |what: &str| Trouble::Asked(format!("{}: {what}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| problem(&error.to_string()))?;
    let (algorithm, key) = pki::public_key_of(&bytes)
        .ok_or_else(|| problem("no public key of Ed25519 or P-256, in PEM (`BEGIN PUBLIC KEY`) or DER"))?;
    Ok((algorithm, key.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn revoke(Revoke { issuer, key_id, by }: &Revoke, out: &mut dyn Write) -> Result<(), Trouble> {
    let said = [("revoke", issuer.clone()), ("key", key_id.clone())];
    let action = Action::RevokeIssuerKey { issuer: issuer.clone(), key_id: key_id.clone() };
    by.carry_out(&said, action, "revoked; what it has signed proves nothing from now on", out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn changed(text: &str) -> Result<GenesisDirectory, String> {
        apply(&GenesisDirectory::default(), vec![rules::parse(text)?])
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let rules = changed("cost_missed = 25\naliases_per_identity = 5").unwrap();
        let expected = GenesisDirectory { cost_missed: 25, aliases_per_identity: 5, ..GenesisDirectory::default() };
        assert_eq!(rules, expected);
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        for (text, words) in [
            ("cost = 1", "the directory's rules have no `cost`; they have"),
            ("cost_missed", "expected KEY = VALUE"),
            ("cost_missed = -1", "directory: cost_missed: invalid value"),
            ("cost_found = 21", "cost_found must be at least 1, and at most cost_missed"),
            ("cost_found = 0", "cost_found must be at least 1"),
            ("end_user_capacity = 19", "every capacity must be at least cost_missed"),
            ("end_user_capacity = 0", "every capacity must be at least cost_missed"),
            ("category_capacity = [1, 2]", "directory: category_capacity: invalid length"),
            ("end_user_capacity = 100000001", "every capacity must be at most 100000000"),
            ("end_user_per_minute = 0", "what comes to a bucket in a minute must be at least 1"),
            ("category_per_minute = [1, 1, 1, 0, 1, 1, 1, 1]", "what comes to a bucket in a minute must be at least 1"),
            ("aliases_per_account = 0", "must be at least 1"),
            ("mask = 4", "mask must be 1"),
            ("issuer = []", "the directory's rules have no `issuer`"),
        ] {
            let said = changed(text).unwrap_err();
            assert!(said.contains(words) && !said.contains('\n'), "{text}: {said}");
        }
    }
}
