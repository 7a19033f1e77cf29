//! Nothing that names a person lies readable on the disk, or stands in the log.

use std::path::Path;

use adapters::message::{Outcome, PaymentId, PaymentPrivate};

use crate::harness::Data;
use crate::wire::{Wire, order, private_of, written};

/// What a payer provider tells of its customers: nothing else on this machine contains it.
fn secrets() -> PaymentPrivate {
    PaymentPrivate {
        payer_name: "Wanjikũ Qqzwxvyk Mwangi".into(),
        payer_account: b"KE-55001-QZX-907".to_vec(),
        payee_name: "Ñandú Böttcher-Zzyzx".into(),
        payee_account: b"XQJ-0712-8844-1199".to_vec(),
        end_to_end_id: b"E2E-VXKQ-2026-0042".to_vec(),
        remittance: "für Miete Oktober, ключ 7731, 家賃".into(),
        extension: b"<SplmtryData>Jqxz Kwvb</SplmtryData>".to_vec(),
    }
}

const NOTE: &str = "Kunde Pfzqr Xylander ist verzögert: 拒否";

/// Parts of these that would be telling by themselves.
const PIECES: [&str; 8] = ["Wanjik", "Qqzwxvyk", "Böttcher", "KE-55001", "0712-8844", "ключ", "家賃", "Xylander"];

fn needles() -> Vec<Vec<u8>> {
    let PaymentPrivate { payer_name, payer_account, payee_name, payee_account, end_to_end_id, remittance, extension } =
        secrets();
    let fields = [payer_name, payer_account, payee_name, payee_account, end_to_end_id, remittance, extension];
    let pieces = PIECES.iter().map(|piece| piece.as_bytes().to_vec());
    fields.into_iter().chain(pieces).chain([NOTE.as_bytes().to_vec()]).collect()
}

/// Files below a directory in which the bytes are found.
pub(crate) fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if contains(&std::fs::read(&path).unwrap(), needle) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[test]
fn no_name_account_or_text_lies_readable_in_the_data_directory_or_the_log() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let private = written(&secrets());
    let mut ids: Vec<PaymentId> = Vec::new();
    // Committed; rejected with a note; rejected by a rule; a bad one that is refused; a duplicate with other content; one that stays open.
    let committed = order(1, 2, 5);
    ids.push(payer.pay_with(&committed, &private));
    assert_eq!(private_of(&payee.forward_of(ids[0]).1), secrets());
    payee.accept(ids[0]);
    assert_eq!(payer.status_of(ids[0]).outcome, Outcome::Committed);
    ids.push(payer.pay_with(&order(1, 2, 6), &private));
    payee.forward_of(ids[1]);
    payee.reject(ids[1], b"AC04", NOTE);
    assert_eq!(payer.status_of(ids[1]).note, NOTE);
    ids.push(payer.pay_with(&order(1, 1, 7), &private));
    assert_eq!(payer.status_of(ids[2]).outcome, Outcome::Rejected);
    let zero = adapters::message::CreditTransfer { amount: 0, ..order(1, 2, 8) };
    payer.pay_with(&zero, &private);
    assert!(!payer.refused().text.contains("Wanjik"));
    payer.pay_with(&adapters::message::CreditTransfer { amount: 9, ..committed }, &private);
    assert_eq!(payer.status_of(ids[0]).outcome, Outcome::Duplicate);
    ids.push(payer.pay_with(&order(1, 2, 10), &private));
    payee.forward_of(ids[3]);
    // Control characters are refused, and what is refused is not quoted.
    let bell = PaymentPrivate { payer_name: "Qqzwxvyk\u{7}".into(), ..secrets() };
    payer.pay_with(&order(1, 2, 11), &written(&bell));
    assert!(!payer.refused().text.contains("Qqzwxvyk"));
    drop((payer, payee));
    let ended = switch.stop();

    let root = data.path("");
    for needle in needles() {
        let what = String::from_utf8_lossy(&needle).into_owned();
        assert_eq!(files_with(&root, &needle), [""; 0], "`{what}` lies readable on disk");
        assert!(!ended.log.iter().any(|line| contains(line.as_bytes(), &needle)), "`{what}` stands in the log");
    }
    // The search can find: what is meant to be readable is there, and a secret that is put there is found as well.
    for id in &ids {
        let directories = ["journal", "history", "snapshots"].map(|name| data.path(name).display().to_string());
        let found = files_with(&root, &id.bytes());
        let is_of = |directory: &String| found.iter().filter(|file| file.starts_with(directory)).count();
        assert_eq!(directories.each_ref().map(is_of), [1, 1, 1], "{found:?}");
    }
    let leak = data.path("keys/leak");
    std::fs::write(&leak, [&[0xff; 99], NOTE.as_bytes(), &[0xff; 99]].concat()).unwrap();
    assert_eq!(files_with(&root, NOTE.as_bytes()), [leak.display().to_string()]);
    // And with the sealing key it all comes back.
    let switch = data.serve();
    let (mut payee, _) = Wire::resume(&data, 2, adapters::native::session::Resume::FROM_THE_START);
    assert_eq!(private_of(&payee.forward_of(ids[3]).1), secrets());
    switch.stop();
}
