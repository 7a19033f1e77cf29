//! `switch admin rules`: the parameters of the scheme, looked at and changed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Place, Signature};
use crate::cli::ledger::arguments::time_text;
use crate::config::GenesisRules;
use crate::lookup::Trouble;
use crate::operator::{Action, Decided, rules_as_keys};

/// `switch admin rules`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show the rules in force, with the keys of `genesis.toml`
    #[command(
        after_help = "Examples:\n  switch admin rules show --data /var/lib/clearspan\n  switch admin rules show --data /var/lib/clearspan --offline --json"
    )]
    Show(Show),
    /// Put other rules in force: some keys change, the others stay
    ///
    /// The change is an entry of the journal with the operator's name and the reason. It takes effect with the payments behind it; those in flight keep the deadline that
    /// they were given. Before and after are shown; without --yes nothing is done.
    #[command(
        after_help = "Examples:\n  switch admin rules activate --data /var/lib/clearspan --set timeout_ms=8000 --set payee_share_ms=1500 \\\n    --operator j.doe --reason 'decision 14 of the scheme board' --yes\n  switch admin rules activate --config switch.toml --set 'bulk_purposes=[\"SALA\",\"PENS\"]' --operator j.doe --reason 'salaries in bulk'"
    )]
    Activate(Activate),
}

/// Shows the rules.
#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Changes the rules.
#[derive(clap::Args)]
pub(in crate::cli) struct Activate {
    #[command(flatten)]
    place: Place,
    /// A key of the rules and its new value, as in `genesis.toml`; as often as there are keys to change
    #[arg(long = "set", value_name = "KEY=VALUE", required_unless_present = "file")]
    changes: Vec<String>,
    /// A file of such lines, KEY = VALUE
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    signature: Signature,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    match command {
        Command::Show(arguments) => show(arguments, &mut out),
        Command::Activate(arguments) => activate(arguments, &mut out),
    }
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let rules = rules_as_keys(&arguments.place.rules(&arguments.place.config()?)?);
    let text = if arguments.json {
        Value::Object(rules).to_string() + "\n"
    } else {
        rules.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    };
    out.write_all(text.as_bytes()).map_err(Trouble::Output)
}

fn activate(arguments: &Activate, out: &mut dyn Write) -> Result<(), Trouble> {
    let Activate { place, changes, file, signature } = arguments;
    let config = place.config()?;
    let changed = changes_of(file.as_deref(), changes)?;
    let from = place.rules(&config)?;
    let to = apply(&from, changed).map_err(Trouble::Asked)?;
    write_changes(&rules_as_keys(&from), &rules_as_keys(&to), out).map_err(Trouble::Output)?;
    if from == to {
        return Err(Trouble::Asked("these rules are in force already: nothing to do".to_owned()));
    }
    out.flush().map_err(Trouble::Output)?;
    let Decided { position, time_ns, .. } = place.give(&config, signature, Action::ActivateRules { from, to })?;
    let at = format!("journal position {position}, {}", time_text(time_ns));
    writeln!(out, "in force since {at}; payments in flight keep their deadlines").map_err(Trouble::Output)
}

/// What is to change: by a file, and then by `--set`, which wins.
pub(super) fn changes_of(file: Option<&Path>, changes: &[String]) -> Result<Vec<Map<String, Value>>, Trouble> {
    let mut changed = Vec::new();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| Trouble::Asked(format!("{}: {error}", file.display())))?;
        changed.push(parse(&text).map_err(|what| Trouble::Asked(format!("{}: {what}", file.display())))?);
    }
    for change in changes {
        changed.push(parse(change).map_err(|what| Trouble::Asked(format!("--set {change}: {what}")))?);
    }
    Ok(changed)
}

/// Lines of `KEY = VALUE`, as in `genesis.toml`. An error is one line.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = place.filter(|_| text.contains('\n')).map_or(String::new(), |line| format!("line {line}: "));
        let what = error.message().replace('\n', " ");
        format!("{place}{what}; expected KEY = VALUE as in genesis.toml: numbers bare, codes in quotes")
    })
}

/// The rules with changes, checked.
fn apply(from: &GenesisRules, changed: Vec<Map<String, Value>>) -> Result<GenesisRules, String> {
    let to: GenesisRules = with_changes(rules_as_keys(from), changed, ("the rules", "rules"))?;
    to.check().map_err(|what| format!("{what}; nothing is changed"))?;
    Ok(to)
}

/// Keys with changes, as the type that has them, whose other keys have defaults. An error says what they are called, and the table in which they stand.
pub(super) fn with_changes<R: DeserializeOwned>(
    mut keys: Map<String, Value>,
    changed: Vec<Map<String, Value>>,
    (called, table): (&str, &str),
) -> Result<R, String> {
    let known = keys.keys().cloned().collect::<Vec<_>>().join(", ");
    for (key, value) in changed.into_iter().flatten() {
        if !keys.contains_key(&key) {
            return Err(format!("{called} have no `{key}`; they have {known}"));
        }
        let as_it_is: Map<String, Value> = [(key.clone(), value.clone())].into_iter().collect();
        if let Err(error) = serde_json::from_value::<R>(Value::Object(as_it_is)) {
            return Err(format!("{table}: {key}: {error}"));
        }
        keys.insert(key, value);
    }
    serde_json::from_value(Value::Object(keys)).map_err(|error| format!("{table}: {error}"))
}

/// Each key with its value before; where it changes, also after.
pub(super) fn write_changes(from: &Map<String, Value>, to: &Map<String, Value>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:<24} {:<16} after", "rules", "before")?;
    for (key, before) in from {
        let (before, after) = (before.to_string(), to[key].to_string());
        let line =
            if before == after { format!("{key:<24} {before}") } else { format!("{key:<24} {before:<16} {after}") };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn changed(text: &str) -> Result<GenesisRules, String> {
        apply(&GenesisRules::default(), vec![parse(text)?])
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let rules = changed("timeout_ms = 8000\nbulk_purposes = [\"SALA\"]").unwrap();
        let expected =
            GenesisRules { timeout_ms: 8_000, bulk_purposes: vec!["SALA".into()], ..GenesisRules::default() };
        assert_eq!(rules, expected);
        let mut shown = Vec::new();
        write_changes(&rules_as_keys(&GenesisRules::default()), &rules_as_keys(&rules), &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("timeout_ms               10000            8000\n"), "{shown}");
        assert!(shown.contains("skew_ms                  1000\n"), "{shown}");
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        for (text, words) in [
            ("timeout = 8000", "the rules have no `timeout`; they have"),
            ("timeout_ms=abc", "expected KEY = VALUE"),
            ("timeout_ms", "expected KEY = VALUE"),
            ("timeout_ms = -1", "rules: timeout_ms: invalid value"),
            ("timeout_ms = \"8000\"", "rules: timeout_ms: invalid type"),
            ("timeout_ms = 1000", "payee_share_ms and skew_ms must be less than timeout_ms"),
            ("outcomes_kept = 0", "outcomes_kept must be from 1"),
            ("version = 2", "version 2 is unknown to this program, which has 1 to 1"),
            ("bulk_purposes = [\"sala\"]", "`sala` is no code"),
            ("bulk_timeout_ms = 0\nbulk_purposes = [\"SALA\"]", "without a bulk lane"),
            ("recall_window_ms = 999999999999999", "recall_window_ms must be at most"),
        ] {
            let said = changed(text).unwrap_err();
            assert!(said.contains(words) && !said.contains('\n'), "{text}: {said}");
        }
    }
}
