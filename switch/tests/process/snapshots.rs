//! A switch that takes snapshots: killed after one, it replays only what came behind it, and every payment and every message is as it was.

use std::path::PathBuf;

use adapters::message::{Outcome, PaymentId};
use adapters::native::session::Resume;

use crate::harness::{Data, Switch, code, eventually};
use crate::wire::{Said, Told, Wire, id_of, order};

/// Journal entries between two snapshots.
const EVERY: u64 = 100;

fn data() -> Data {
    let data = Data::new();
    data.set("switch.toml", "snapshot_every_entries", EVERY);
    data
}

/// Payments that are committed, one after the other; what their payer was told.
fn commit_some(payer: &mut Wire, payee: &mut Wire, count: usize) -> Vec<(PaymentId, Told)> {
    let commit = |_| {
        let id = payer.pay(&order(1, 2, 5));
        payee.forward_of(id);
        payee.accept(id);
        let told = payer.status_of(id);
        assert_eq!(told.outcome, Outcome::Committed);
        (id, told)
    };
    (0..count).map(commit).collect()
}

fn snapshots(data: &Data) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.path("snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "snapshot")).collect();
    files.sort();
    files
}

fn position(path: &std::path::Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// The line that says what was recovered from: the snapshot, and how many batches were replayed.
fn recovered(switch: &Switch) -> (Option<u64>, u64) {
    let line = eventually("it says what it recovered from", || {
        switch.log().into_iter().find(|line| line.contains("recovered from"))
    });
    let number = |key: &str| {
        let rest = line.split(&format!("{key}=")).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    (number("snapshot"), number("batches").unwrap())
}

#[test]
fn after_a_kill_it_replays_the_tail_only_and_knows_everything() {
    let data = data();
    let switch = data.serve();
    assert_eq!(recovered(&switch).0, None);
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let mut told = commit_some(&mut payer, &mut payee, 60);
    eventually("a snapshot is taken", || (!snapshots(&data).is_empty()).then_some(()));
    let open = order(1, 2, 7);
    payer.pay(&open);
    payee.forward_of(id_of(&open));
    told.extend(commit_some(&mut payer, &mut payee, 60));
    eventually("another is", || (snapshots(&data).len() == 2).then_some(()));
    told.extend(commit_some(&mut payer, &mut payee, 3));
    switch.kill();

    let verdict = data.verified();
    assert_eq!(verdict["snapshots"].as_array().unwrap().len(), 2, "{verdict}");
    let newest = position(snapshots(&data).last().unwrap());
    let whole = verdict["batches"].as_u64().unwrap();
    let switch = data.serve();
    let (snapshot, replayed) = recovered(&switch);
    assert_eq!(snapshot, Some(newest));
    assert!(replayed < whole / 2, "{replayed} of {whole} batches");

    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    for (id, told) in &told {
        for asked in [payer.ask(*id), payee.ask(*id)] {
            assert_eq!((asked.outcome, asked.decided), (told.outcome, told.decided));
        }
    }
    // What was open when the first snapshot was taken still is, and can be decided.
    payee.accept(id_of(&open));
    assert_eq!(payer.status_of(id_of(&open)).outcome, Outcome::Committed);
    check_outbox(&data, told.iter().map(|(id, _)| *id).chain([id_of(&open)]));
    switch.stop();
    assert_eq!(data.available(1), data.available(3) - 123 * 5 - 7);
    assert_eq!(data.available(2), data.available(3) + 123 * 5 + 7);

    // A clean stop leaves nothing to replay; without snapshots everything is.
    let last = position(snapshots(&data).last().unwrap());
    let switch = data.serve();
    assert_eq!(recovered(&switch), (Some(last), 0));
    switch.stop();
    for lost in ["snapshots", "history"] {
        std::fs::remove_dir_all(data.path(lost)).unwrap();
        let switch = data.serve();
        assert_eq!(recovered(&switch), (None, data.verified()["batches"].as_u64().unwrap()), "{lost}");
        check_outbox(&data, told.iter().map(|(id, _)| *id).chain([id_of(&open)]));
        switch.stop();
    }
}

/// A payer that has forgotten everything gets every outcome from the first, numbered without a gap.
fn check_outbox(data: &Data, ids: impl Iterator<Item = PaymentId>) {
    let (mut payer, _) = Wire::resume(data, 1, Resume::FROM_THE_START);
    for (number, id) in (1..).zip(ids) {
        let told = payer.expect(|heard| match &heard.said {
            Said::Status(status, _) if heard.number > 0 => Some((heard.number, status.payment_id)),
            _ => None,
        });
        assert_eq!(told, (number, id.bytes()));
    }
}

#[test]
fn a_damaged_snapshot_is_named_and_the_older_one_is_used() {
    let data = data();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    commit_some(&mut payer, &mut payee, 60);
    eventually("a snapshot is taken", || (!snapshots(&data).is_empty()).then_some(()));
    commit_some(&mut payer, &mut payee, 3);
    switch.stop();
    let [older, newer] = &snapshots(&data)[..] else { panic!("two: {:?}", snapshots(&data)) };
    let mut bytes = std::fs::read(newer).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(newer, bytes).unwrap();

    let verdict = data.verified();
    assert_eq!(verdict["snapshots"], serde_json::json!([position(older)]));
    assert!(verdict["snapshots_refused"][0].as_str().unwrap().contains("page 0 of its body is damaged"), "{verdict}");
    let switch = data.serve();
    assert_eq!(recovered(&switch).0, Some(position(older)));
    let name = newer.file_name().unwrap().to_str().unwrap();
    let is_named = |line: &String| line.contains("WARN") && line.contains(name) && line.contains("page 0");
    assert!(switch.log().iter().any(is_named), "{:?}", switch.log());
    switch.stop();

    // A snapshot that is whole and says something else: nothing but the journal is believed.
    let lineage = ledger::journal::lineage_of(&storage(&data, "journal")).unwrap().unwrap();
    let wrong = switch::snapshots::open(storage(&data, "snapshots"), lineage, ledger::snapshot::SnapshotWork::Inline);
    let at = position(snapshots(&data).last().unwrap());
    wrong.begin(at, &[0; 88], 0).unwrap().finish().wait().unwrap();
    let (status, verdict) = data.verify();
    assert_eq!((status, &verdict["ok"]), (1, &serde_json::json!(false)), "{verdict}");
    assert!(verdict["damage"]["segment"].as_str().unwrap().ends_with(&format!("{at:020}.snapshot")), "{verdict}");
    let switch = data.serve();
    assert_ne!(recovered(&switch).0, Some(at));
    assert_eq!(switch.stop().status.code(), Some(0));
    assert_eq!(data.available(2), data.available(3) + 63 * 5);
    assert!(code(2) != code(3));
}

fn storage(data: &Data, name: &str) -> ledger::journal::DiskStorage {
    ledger::journal::DiskStorage::open(&data.path(name)).unwrap()
}
