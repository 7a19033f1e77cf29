//! `switch admin`: rules that are changed on a running switch and on a stopped one are in force for the next payment, signed in the journal, and there after a kill; what is refused
//! changes nothing.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use adapters::message::{Field, Outcome, PaymentId};
use ledger::journal::{DiskStorage, scan};
use serde_json::Value;
use switch::entry::{Body, Entries};
use switch::operator::Signed;

use crate::harness::{Data, all_places, answer_to, eventually};
use crate::operators::{complaint, run, text};
use crate::wire::{Wire, order};

fn rules(data: &Data, words: &str) -> Value {
    serde_json::from_str(&text(data, &format!("rules show --json {words}"), &[])).unwrap()
}

const BY: [&str; 4] = ["--operator", "j.doe", "--reason", "decision 14 of the board"];

fn activate(data: &Data, words: &str) -> String {
    text(data, &format!("rules activate --yes {words}"), &BY)
}

/// All that operators have signed, by the journal of a switch that does not run: position, time-out in milliseconds, and who.
fn signed(data: &Data) -> Vec<(u64, u64, Signed)> {
    let mut signed = Vec::new();
    scan(&DiskStorage::open(&data.path("journal")).unwrap(), |batch| {
        for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(batch.payload)) {
            let entry = entry.unwrap();
            let (Some(signature), Body::ActivateRules(rules)) = (entry.signature, entry.body) else { continue };
            signed.push((position, rules.timeout_ns.to_native() / 1_000_000, Signed::of(signature)));
        }
        Ok(())
    })
    .unwrap();
    signed
}

/// What becomes of a payment within one institution, which only some schemes have.
fn within(data: &Data) -> (Outcome, String) {
    let mut wire = Wire::open(data, 1);
    let id = wire.pay(&order(1, 1, 5));
    let told = wire.expect(|heard| match &heard.said {
        crate::wire::Said::Forward(forward, _) if forward.payment_id == id.bytes() => Some(true),
        crate::wire::Said::Status(status, _) if status.payment_id == id.bytes() => Some(false),
        _ => None,
    });
    if told {
        wire.accept(id);
        return (wire.status_of(id).outcome, String::new());
    }
    let told = wire.ask(id);
    assert_eq!(told.field, Field::Payee);
    (told.outcome, told.reason)
}

fn position_in(said: &str) -> u64 {
    let rest = said.split("journal position ").nth(1).unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn rules_are_changed_while_the_switch_runs_and_are_there_after_a_kill() {
    let data = Data::new();
    let switch = data.serve();
    let before = rules(&data, "");
    assert_eq!(before["self_payments"], false);
    assert_eq!(within(&data).0, Outcome::Rejected);

    let change = "--set self_payments=true --set timeout_ms=40000";
    let (status, said) = complaint(&data, &format!("rules activate {change}"), &BY);
    assert!(status == 2 && said.contains("nothing is done") && said.contains("--yes"), "{said}");
    assert_eq!(rules(&data, ""), before);

    let said = activate(&data, change);
    assert!(said.contains("self_payments            false            true\n"), "{said}");
    let position = position_in(&said);
    let after = rules(&data, "");
    assert_eq!((&after["self_payments"], &after["timeout_ms"]), (&true.into(), &40_000.into()));
    assert_eq!(after["skew_ms"], before["skew_ms"]);
    assert_eq!(within(&data).0, Outcome::Committed);
    let (status, said) = complaint(&data, &format!("rules activate --yes {change}"), &BY);
    assert!(status == 2 && said.contains("in force already"), "{said}");

    switch.kill();
    let expected = Signed { operator: "j.doe".into(), approver: None, reason: "decision 14 of the board".into() };
    assert_eq!(signed(&data), [(position, 40_000, expected)]);
    assert_eq!(rules(&data, "--offline"), after);
    let switch = data.serve();
    assert_eq!(rules(&data, ""), after, "what genesis.toml says is how the scheme began");
    assert_eq!(within(&data).0, Outcome::Committed);
    switch.stop();
    assert!(!data.path("admin.socket").exists(), "it is removed at the stop");
    data.verified();
}

#[test]
fn a_stopped_switch_is_changed_in_its_directory() {
    let data = Data::new();
    let (status, said) = complaint(&data, "rules show --offline", &[]);
    assert!(status == 2 && said.contains("has never run") && said.contains("genesis.toml"), "{said}");
    let switch = data.serve();
    assert_eq!(within(&data).0, Outcome::Rejected);
    let change = "rules activate --yes --offline --set self_payments=true";
    let (status, said) = complaint(&data, change, &BY);
    assert!(status == 2 && said.contains("is in use"), "{said}");
    switch.stop();
    let (status, said) = complaint(&data, "rules activate --yes --set self_payments=true", &BY);
    assert!(status == 2 && said.contains("no switch runs on") && said.contains("--offline"), "{said}");

    let said = text(&data, change, &[&BY[..], &["--approver", "m.roe"]].concat());
    let signed = signed(&data);
    assert_eq!((signed.len(), signed[0].0), (1, position_in(&said)));
    assert_eq!(signed[0].2.approver.as_deref(), Some("m.roe"));
    assert_eq!(rules(&data, "--offline")["self_payments"], true);
    // A file of what `show` prints, and one key on top.
    let file = data.path("rules.toml");
    std::fs::write(&file, text(&data, "rules show --offline", &[])).unwrap();
    let more = [&BY[..], &["--file", file.to_str().unwrap()]].concat();
    text(&data, "rules activate --yes --offline --set skew_ms=1500", &more);
    assert_eq!(rules(&data, "--offline")["skew_ms"], 1_500);

    let switch = data.serve();
    assert_eq!(within(&data).0, Outcome::Committed);
    assert_eq!(rules(&data, "")["skew_ms"], 1_500);
    switch.stop();
    data.verified();
}

#[test]
fn what_the_engine_refuses_is_in_the_journal_and_changes_nothing() {
    let data = Data::new();
    let mut switch = Some(data.serve());
    let before = rules(&data, "");
    for offline in ["", "--offline"] {
        let words = format!("rules activate --yes --set timeout_ms=40000 {offline}");
        let (status, said) = complaint(&data, &words, &[&BY[..], &["--approver", "j.doe"]].concat());
        assert!(status == 1 && said.contains("refused with 101: who approves it is who gives it"), "{said}");
        if let Some(running) = switch.take() {
            assert!(running.log().iter().any(|line| line.contains("refused") && line.contains("number=101")));
            running.stop();
        }
        assert_eq!(signed(&data).last().unwrap().0, position_in(&said));
        assert_eq!(rules(&data, "--offline"), before);
    }
    assert_eq!(signed(&data).len(), 2);
    let switch = data.serve();
    assert_eq!(rules(&data, ""), before);
    activate(&data, "--set timeout_ms=40000");
    switch.stop();
    data.verified();
}

#[test]
fn nonsense_is_refused_before_anything_is_journaled() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let open = payer.pay(&order(1, 2, 5));
    payee.forward_of(open);
    let long = "r".repeat(141);
    let mistakes: [(&str, &[&str], i32, &str); 8] = [
        ("--set tiemout_ms=1", &BY, 2, "the rules have no `tiemout_ms`"),
        ("--set timeout_ms=abc", &BY, 2, "expected KEY = VALUE"),
        ("--set timeout_ms=1", &BY, 2, "must be less than timeout_ms"),
        ("--set version=2", &BY, 2, "version 2 is unknown"),
        ("--file /nowhere.toml", &BY, 2, "/nowhere.toml: "),
        ("--set outcomes_kept=1", &BY, 1, "1 payments in flight"),
        ("--set skew_ms=1200", &["--operator", "j.doe", "--reason", &long], 2, ""),
        ("--set skew_ms=1200", &["--operator", "j doe", "--reason", "why"], 2, ""),
    ];
    for (words, more, expected, says) in mistakes {
        let output = run(&data, &format!("rules activate --yes {words}"), more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(expected) && said.contains(says), "{words} {more:?}: {said}");
    }
    let nobody = run(&data, "rules activate --yes --set skew_ms=1200", &["--reason", "why"]);
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    payee.accept(open);
    assert_eq!(payer.status_of(open).outcome, Outcome::Committed);
    switch.stop();
    assert_eq!(signed(&data), []);
}

#[test]
fn who_misuses_the_socket_is_told_and_harms_nobody() {
    let data = Data::new();
    let switch = data.serve();
    let mode = std::fs::metadata(data.path("admin.socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let long = vec![b'x'; 200_000];
    let from = rules(&data, "");
    let mut to = from.clone();
    to["skew_ms"] = 1_200.into();
    let command = |operator: &str, to: &Value| {
        let action = serde_json::json!({ "activate_rules": { "from": from, "to": to } });
        let command = serde_json::json!({ "operator": operator, "reason": "why", "action": action });
        format!("{}\n", serde_json::json!({ "version": 1, "command": command }))
    };
    let (nameless, mut nothing) = (command("", &to), to.clone());
    nothing["timeout_ms"] = 0.into();
    let nothing = command("j.doe", &nothing);
    let cases: [(&[u8], &str); 7] = [
        (b"hello\n", "a request that is none"),
        (b"{\"version\":9}\n", "a request of version 9"),
        (b"{\"version\":1}\n", "one of `rules`, `look`, `events` and `command`"),
        (b"{\"version\":1", "ends before the end of its line"),
        (&long, "more than 131072 bytes"),
        (nameless.as_bytes(), "operator ``: expected 1 to 35"),
        (nothing.as_bytes(), "must be less than timeout_ms"),
    ];
    for (bytes, words) in cases {
        let said = answer_to(&data.path("admin.socket"), bytes);
        assert!(said.contains("\"trouble\"") && said.contains(words), "{words}: {said}");
    }
    let words = "4 others are administering the switch";
    let idle = all_places(&data.path("admin.socket"), words, || run(&data, "rules show", &[]));
    drop(idle);
    eventually("there is room again", || run(&data, "rules show", &[]).status.success().then_some(()));
    // Who leaves before the answer has given the command all the same.
    let mut gone = UnixStream::connect(data.path("admin.socket")).unwrap();
    gone.write_all(command("j.doe", &to).as_bytes()).unwrap();
    drop(gone);
    eventually("it is carried out", || {
        // Those who have left may still have their places.
        let output = run(&data, "rules show --json", &[]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap()["skew_ms"] == 1_200)?
            .then_some(())
    });
    // The same once more is from another state.
    let said = answer_to(&data.path("admin.socket"), command("j.doe", &to).as_bytes());
    assert!(said.contains("in force already"), "{said}");
    to["skew_ms"] = 1_300.into();
    let said = answer_to(&data.path("admin.socket"), command("j.doe", &to).as_bytes());
    assert!(said.contains("the rules are others by now"), "{said}");
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let id: PaymentId = payer.pay(&order(1, 2, 7));
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    switch.stop();
    assert_eq!(signed(&data).len(), 1);
}

#[test]
fn a_smaller_window_waits_for_the_files_and_loses_no_payment() {
    let data = Data::new();
    // Nothing is written by itself before the window asks for it.
    data.set("switch.toml", "snapshot_every_entries", 0);
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let ids: Vec<PaymentId> = (0..60)
        .map(|_| {
            let id = payer.pay(&order(1, 2, 7));
            payee.forward_of(id);
            payee.accept(id);
            assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
            id
        })
        .collect();
    activate(&data, "--set outcomes_kept=20");
    for id in &ids {
        assert_eq!(payer.ask(*id).outcome, Outcome::Committed);
    }
    let id = payer.pay(&order(1, 2, 7));
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    assert_eq!(payer.ask(ids[0]).outcome, Outcome::Committed);
    switch.kill();
    data.serve().stop();
    assert_eq!(data.committed(), 61);
}
