//! Every way in which a payment ends, as both providers see it, and what is told to those who ask again.

use std::time::Duration;

use adapters::message::{CreditTransfer, Field, Outcome, PaymentId, PaymentPrivate};

use crate::harness::{Data, FUNDS, TIMEOUT_MS, code, eventually};
use crate::wire::{Said, Wire, id_of, now_ns, order, private_of, written};

/// What `genesis.toml` allows a payment at most.
const AMOUNT_MAX: u64 = 100_000_000_000;

#[test]
fn an_accepted_payment_is_committed_and_its_private_part_arrives_as_it_was_sent() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let private = PaymentPrivate {
        payer_name: "Wanjikũ Mwangi".into(),
        remittance: b"rent for October".to_vec(),
        extension: vec![0, 1, 0xff],
        ..PaymentPrivate::default()
    };
    let order = CreditTransfer { purpose: *b"SALA", ..order(1, 2, 12_345) };
    let id = payer.pay_with(&order, &written(&private));
    let (forward, forwarded) = payee.forward_of(id);
    assert_eq!(forward.payer, *code(1).bytes());
    assert_eq!((forward.amount, forward.currency, forward.purpose), (12_345, *b"XTS", *b"SALA"));
    assert_eq!(
        (forward.accepted_at_ns, forward.deadline_ns),
        (order.accepted_at_ns, order.accepted_at_ns + TIMEOUT_MS * 1_000_000)
    );
    assert_eq!(private_of(&forwarded), private);
    assert_eq!(payer.ask(id).outcome, Outcome::InFlight);
    assert_eq!(payee.ask(id).outcome, Outcome::InFlight);
    payee.accept(id);
    let (to_payer, to_payee) = (payer.status_of(id), payee.status_of(id));
    assert_eq!(to_payer.verdict(), (Outcome::Committed, "", Field::None));
    assert_eq!(to_payee.verdict(), to_payer.verdict());
    assert_eq!(to_payee.decided, to_payer.decided);
    assert!(to_payer.number == 1 && to_payee.number == 2, "the payee's Forward was number 1");
    switch.stop();
    assert_eq!(data.committed(), 1);
}

#[test]
fn a_payee_providers_reason_and_note_reach_the_payer_and_only_the_payer() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let id = payer.pay(&order(1, 2, 5));
    payee.forward_of(id);
    payee.reject(id, b"AC04", "closed on Tuesday, señor");
    let told = payer.status_of(id);
    assert_eq!(told.verdict(), (Outcome::Rejected, "AC04", Field::None));
    assert_eq!(told.note, "closed on Tuesday, señor");
    let told = payee.status_of(id);
    assert_eq!((told.verdict(), told.note.as_str()), ((Outcome::Rejected, "AC04", Field::None), ""));
    switch.stop();
    let verdict = data.verified();
    assert_eq!(verdict["payments"]["rejected"], 1, "{verdict}");
}

/// An order that a rule refuses: what the payer changes, and what it is told.
type Refusal = (&'static str, fn(&mut CreditTransfer), &'static str, Field);

const REFUSALS: [Refusal; 8] = [
    ("the payer is not the sender", |order| order.payer = *code(3).bytes(), "AGNT", Field::Payer),
    ("nobody knows the payee", |order| order.payee[..7].copy_from_slice(b"NOWHERE"), "CNOR", Field::Payee),
    ("the payee is the payer", |order| order.payee = *code(1).bytes(), "AG12", Field::Payee),
    ("the scheme has no such currency", |order| order.currency = *b"EUR", "AM03", Field::Currency),
    ("above the limit", |order| order.amount = AMOUNT_MAX + 1, "AM13", Field::Amount),
    ("accepted in an hour", |order| order.accepted_at_ns = now_ns() + 3_600_000_000_000, "DT04", Field::AcceptedAt),
    ("accepted an hour ago", |order| order.accepted_at_ns = now_ns() - 3_600_000_000_000, "TM01", Field::AcceptedAt),
    ("more than there is", |order| order.amount = AMOUNT_MAX, "AM04", Field::Amount),
];

#[test]
fn each_rule_refuses_with_its_reason_and_field_and_the_payee_hears_nothing() {
    let data = Data::new();
    // Less than the limit of one payment, so that funds can run out below it.
    data.edit("genesis.toml", &format!("XTS = {FUNDS}"), &format!("XTS = {}", AMOUNT_MAX - 1));
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    for (what, change, reason, field) in REFUSALS {
        let mut order = order(1, 2, 5);
        change(&mut order);
        let id = payer.pay(&order);
        let told = payer.status_of(id);
        assert_eq!(told.verdict(), (Outcome::Rejected, reason, field), "{what}");
        assert!(told.number > 0 && told.decided.1 > 0, "{what}: it is final, and stands in the outbox");
        assert_eq!(payer.ask(id).verdict(), told.verdict(), "{what}: asked again");
        payer.pay(&order);
        assert_eq!(payer.status_of(id), crate::wire::Told { number: 0, ..told }, "{what}: sent again");
        assert_eq!(payee.ask(id).outcome, Outcome::Unknown, "{what}: the payee is no party to it");
    }
    // Where several rules say no, the first in the order of docs/payment-rules.md is the one reported.
    let mut worst = order(1, 2, AMOUNT_MAX + 1);
    for (_, change, ..) in REFUSALS.iter().rev() {
        change(&mut worst);
    }
    let id = payer.pay(&worst);
    assert_eq!(payer.status_of(id).verdict(), (Outcome::Rejected, "AGNT", Field::Payer));
    assert_eq!(payee.unasked(), []);
    switch.stop();
    let verdict = data.verified();
    assert_eq!(verdict["payments"]["rejected"], 9, "{verdict}");
}

#[test]
fn a_payment_that_nobody_answers_expires_and_a_late_answer_changes_nothing() {
    let data = Data::new();
    data.set_timeout(1_500, 200);
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let order = order(1, 2, 5);
    let id = payer.pay(&order);
    payee.forward_of(id);
    let expired = payer.status_of(id);
    assert_eq!(expired.verdict(), (Outcome::Expired, "AB05", Field::None));
    assert!(expired.decided.0 >= order.accepted_at_ns + 1_500_000_000, "not before its deadline");
    assert_eq!(payee.status_of(id).verdict(), expired.verdict());
    // The payee is too late: it is told the outcome, and that answer is not numbered.
    payee.accept(id);
    let told = payee.status_of(id);
    assert_eq!((told.verdict(), told.number), (expired.verdict(), 0));
    payer.fence();
    assert_eq!(payer.unasked(), [], "the payer is not told again");
    switch.stop();
    let verdict = data.verified();
    assert_eq!((&verdict["payments"]["expired"], &verdict["payments"]["committed"]), (&1.into(), &0.into()));
}

/// The answer is what finds the deadline passed: the switch was stopped by its system for longer than the payment had.
#[test]
fn an_answer_that_arrives_after_the_deadline_does_not_count_even_if_nothing_has_expired_before() {
    let data = Data::new();
    data.set_timeout(1_500, 200);
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let order = order(1, 2, 5);
    let id = payer.pay(&order);
    payee.forward_of(id);
    switch.pause();
    payee.accept(id);
    eventually("the deadline passes", || (now_ns() > order.accepted_at_ns + 1_600_000_000).then_some(()));
    switch.go_on();
    assert_eq!(payee.status_of(id).verdict(), (Outcome::Expired, "AB05", Field::None));
    assert_eq!(payer.status_of(id).verdict(), (Outcome::Expired, "AB05", Field::None));
    switch.stop();
    assert_eq!(data.committed(), 0);
}

#[test]
fn answers_count_once_and_only_from_the_payee_and_strangers_learn_nothing() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee, mut stranger) = (Wire::open(&data, 1), Wire::open(&data, 2), Wire::open(&data, 3));
    let unknown = (Outcome::Unknown, "", Field::None);
    let id = payer.pay(&order(1, 2, 5));
    payee.forward_of(id);
    for wire in [&mut stranger, &mut payer] {
        wire.accept(id);
        assert_eq!(wire.status_of(id).verdict(), unknown, "not the payee: in flight");
    }
    assert_eq!(stranger.ask(id).verdict(), unknown);
    payee.reject(id, b"AC06", "");
    let first = payee.status_of(id);
    assert_eq!(first.verdict(), (Outcome::Rejected, "AC06", Field::None));
    // A second, other answer: the first outcome again, unnumbered.
    payee.accept(id);
    let again = payee.status_of(id);
    assert_eq!((again.verdict(), again.decided, again.number), (first.verdict(), first.decided, 0));
    for wire in [&mut stranger, &mut payer] {
        wire.expect_no_news_but(&[id]);
        wire.accept(id);
        assert_eq!(wire.status_of(id).verdict(), unknown, "not the payee: final");
    }
    assert_eq!(stranger.ask(id).verdict(), unknown);
    for wire in [&mut payer, &mut payee] {
        assert_eq!(wire.ask(id).verdict(), first.verdict());
    }
    // An answer to nothing.
    payee.accept(PaymentId::random());
    let nothing = PaymentId::random();
    payee.reject(nothing, b"AC06", "");
    assert_eq!(payee.status_of(nothing).verdict(), unknown);
    switch.stop();
    let verdict = data.verified();
    assert_eq!((&verdict["payments"]["rejected"], &verdict["payments"]["committed"]), (&1.into(), &0.into()));
}

/// A private part as `docs/formats/native.md`, section 4, allows it and no encoder of ours writes it: unused bytes between the contents
/// and before the root.
fn with_unused_bytes(fields: [&[u8]; 7]) -> Vec<u8> {
    let mut part = Vec::new();
    let mut cells = Vec::new();
    for field in fields {
        part.extend_from_slice(b"unused");
        cells.push((part.len(), field.len()));
        part.extend_from_slice(field);
    }
    part.extend_from_slice(b"unused as well");
    for (start, length) in cells {
        let offset = i32::try_from(start).unwrap() - i32::try_from(part.len()).unwrap();
        part.extend_from_slice(&offset.to_le_bytes());
        part.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
    }
    part
}

#[test]
fn the_same_payment_in_other_bytes_is_the_same_payment() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let private = PaymentPrivate {
        payer_name: b"Amina Diallo".to_vec(),
        payee_account: b"0712-88".to_vec(),
        remittance: "für Oktober".into(),
        ..PaymentPrivate::default()
    };
    let usual = written(&private);
    let unusual = with_unused_bytes([b"Amina Diallo", b"", b"", b"0712-88", b"", "für Oktober".as_bytes(), b""]);
    assert_eq!(private_of(&unusual), private, "other bytes, the same content");
    assert_ne!(unusual, usual);
    let order = order(1, 2, 500);
    let id = payer.pay_with(&order, &usual);
    assert_eq!(payee.forward_of(id).1, usual);
    payer.pay_with(&order, &unusual);
    assert_eq!(payer.status_of(id).verdict(), (Outcome::InFlight, "", Field::None));
    payee.accept(id);
    let first = payer.status_of(id);
    assert_eq!(first.verdict(), (Outcome::Committed, "", Field::None));
    payee.status_of(id);
    for private in [&unusual, &usual] {
        payer.pay_with(&order, private);
        let again = payer.status_of(id);
        assert_eq!((again.verdict(), again.decided, again.number), (first.verdict(), first.decided, 0));
    }
    payee.fence();
    assert_eq!(payee.unasked(), [], "it was forwarded once");
    switch.stop();
    assert_eq!(data.committed(), 1);
    assert_eq!(data.available(1), u128::from(FUNDS - 500), "money moved once");
    assert_eq!(data.available(2), u128::from(FUNDS + 500));
}

#[test]
fn an_id_that_is_used_again_is_a_duplicate_and_says_nothing_else() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee, mut stranger) = (Wire::open(&data, 1), Wire::open(&data, 2), Wire::open(&data, 3));
    let duplicate = (Outcome::Duplicate, "AM05", Field::PaymentId);
    let first = order(1, 2, 500);
    let id = id_of(&first);
    let check = |payer: &mut Wire, stranger: &mut Wire| {
        let other = CreditTransfer { amount: 501, ..first.clone() };
        payer.pay(&other);
        let told = payer.status_of(id);
        assert_eq!((told.verdict(), told.number, told.decided), (duplicate, 0, (0, 0)), "another amount");
        payer.pay_with(&first, &written(&PaymentPrivate { payer_name: b"B".to_vec(), ..PaymentPrivate::default() }));
        assert_eq!(payer.status_of(id).verdict(), duplicate, "another name");
        for theirs in [first.clone(), CreditTransfer { payer: *code(3).bytes(), ..first.clone() }] {
            stranger.pay(&theirs);
            let told = stranger.status_of(id);
            assert_eq!((told.verdict(), told.number, told.decided), (duplicate, 0, (0, 0)), "another sender");
        }
    };
    payer.pay(&first);
    payee.forward_of(id);
    check(&mut payer, &mut stranger);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    check(&mut payer, &mut stranger);
    assert_eq!(stranger.ask(id).outcome, Outcome::Unknown);
    switch.stop();
    let verdict = data.verified();
    assert_eq!((&verdict["payments"]["committed"], &verdict["payments"]["rejected"]), (&1.into(), &0.into()));
    assert_eq!(data.available(1), u128::from(FUNDS - 500));
}

impl Wire {
    /// Nothing came but what concerns these payments and was not asked for.
    fn expect_no_news_but(&mut self, ids: &[PaymentId]) {
        self.fence();
        for heard in self.unasked() {
            let Said::Status(status, _) = &heard.said else { panic!("{heard:?}") };
            assert!(ids.iter().any(|id| id.bytes() == status.payment_id), "{heard:?}");
        }
        self.forget();
    }
}

/// Deadlines are kept by a switch with nothing else to do: no message wakes it.
#[test]
fn an_idle_switch_expires_what_is_due() {
    let data = Data::new();
    data.set_timeout(700, 100);
    let switch = data.serve();
    let id = {
        let mut payer = Wire::open(&data, 1);
        let id = payer.pay(&order(1, 2, 5));
        payer.fence();
        id
    };
    // Nobody is connected now, and nobody was when it expired.
    eventually("it expires", || {
        std::thread::sleep(Duration::from_millis(50));
        (data.verified()["payments"]["expired"] == 1).then_some(())
    });
    assert_eq!(Wire::open(&data, 1).ask(id).verdict(), (Outcome::Expired, "AB05", Field::None));
    switch.stop();
}
