//! `switch ledger` beside a running switch and after one that was killed: it reads what is on disk, changes nothing, and ends quietly when nobody
//! listens any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use adapters::message::Outcome;
use serde_json::Value;

use crate::harness::{BINARY, CURRENCY, Data, FUNDS};
use crate::wire::{Wire, order};

fn ledger(data: &Data, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("ledger").args(words).arg("--data").arg(data.path("")).stdin(Stdio::null());
    command
}

fn run(data: &Data, words: &[&str]) -> Output {
    ledger(data, words).output().unwrap()
}

fn text(data: &Data, words: &[&str]) -> String {
    let output = run(data, words);
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(data: &Data, words: &[&str]) -> Value {
    let text = text(data, words);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every file of the directory, its size and when it was changed last.
fn files(directory: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), (about.len(), about.modified().unwrap()));
        }
    }
    found
}

#[test]
fn beside_a_running_switch_and_after_a_kill_the_journal_tells_the_same() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let committed = payer.pay(&order(1, 2, 12_345));
    payee.forward_of(committed);
    payee.accept(committed);
    assert_eq!(payer.status_of(committed).verdict().0, Outcome::Committed);
    let open = payer.pay(&order(1, 2, 678));
    payee.forward_of(open);

    let look = || {
        let words = ["statement", "--participant", "PSP0001", "--currency", CURRENCY, "--pending", "--json"];
        let (committed, open) = (committed.to_string(), open.to_string());
        [
            json(&data, &words),
            json(&data, &["accounts", "--json"]),
            json(&data, &["transfer", &committed, "--json"]),
            json(&data, &["transfer", &open, "--json"]),
            text(&data, &["export"]).into(),
        ]
    };
    let running = look();
    switch.kill();
    let before = files(&data.path(""));
    assert_eq!(look(), running);
    assert_eq!(files(&data.path("")), before, "nothing was changed");

    let [statement, accounts, committed, open, export] = running;
    assert_eq!(statement["closing_balance"]["amount"], (FUNDS - 12_345).to_string());
    assert_eq!(statement["debits_pending"], "678");
    assert_eq!((&statement["ok"], &accounts["ok"]), (&true.into(), &true.into()));
    assert_eq!((&committed["state"], &open["state"]), (&"posted".into(), &"reserved".into()));
    assert_eq!(export.as_str().unwrap().lines().count(), 1 + 4 + 2, "a header, four fundings, two payments");
}

#[test]
fn a_pipe_that_is_closed_is_no_error() {
    let data = Data::new();
    data.serve().stop();
    let commands: [&[&str]; 6] = [
        &["accounts"],
        &["accounts", "--json"],
        &["statement", "--participant", "PSP0001", "--currency", CURRENCY],
        &["export"],
        &["transfer", "67656e65-7369-7300-0000-000100000001"],
        &["verify"],
    ];
    for words in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = ledger(&data, words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
    }
}

#[test]
fn what_is_asked_wrongly_is_one_line_and_status_2() {
    let data = Data::new();
    data.serve().stop();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["accounts", "--participant", "PSP9999"], 2, "known: PSP0001, PSP0002, PSP0003, PSP0004"),
        (&["statement", "--participant", "PSP0001", "--currency", "EUR"], 2, "known: XTS"),
        (&["accounts", "--at", "noon"], 2, "2026-11-22T14:30:00Z"),
        (&["transfer", "5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f"], 1, "the journal has no transfer"),
    ];
    for (words, status, complaint) in cases {
        let output = run(&data, words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0), "{words:?}: {said}");
        assert!(said.contains(complaint), "{words:?}: {said}");
    }
}

#[test]
fn every_command_has_an_example() {
    for command in ["verify", "accounts", "statement", "transfer", "export"] {
        let output = Command::new(BINARY).args(["ledger", command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Example:\n  switch ledger {command} ")), "{help}");
        assert!(help.contains("--data <DIR>"), "{help}");
    }
}
