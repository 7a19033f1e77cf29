//! A switch that remembers a few outcomes only: what has left its memory is answered from the history, exactly, and memory stays small.

use std::collections::BTreeMap;

use adapters::message::{Answer, CreditTransfer, ErrorCode, MessageKind, Outcome, Reason, SEEN_FROM_THE_END};
use ledger::journal::scan;
use switch::entry::{Body, Entries};
use switch::limits::OUTBOX_RECORDS_KEPT_MAX;

use crate::hub::{Hub, remove_all};
use crate::language::number;
use crate::orders::{NAMES, TIMEOUT_NS, id, order};
use crate::provider::{Heard, Provider, Said, exchange};
use crate::replay::{everything, is_numbered};
use crate::wire::Line;

const BUSY: u16 = ErrorCode::Busy as u16;

/// Orders a payment as often as the switch is too busy for it.
fn pay(hub: &mut Hub, payer: &mut Provider, order: &CreditTransfer, number: u64) {
    let is_busy = |heard: &Heard| matches!(heard, Heard::Refused { code: BUSY, .. });
    for _ in 0..20 {
        payer.pay(order, number);
        exchange(hub, [&mut *payer]).unwrap();
        let refused = payer.heard.iter().any(is_busy);
        payer.heard.retain(|heard| !is_busy(heard));
        if !refused {
            return;
        }
        hub.pass_ms(1);
    }
    panic!("T{number} is refused for ever");
}

/// Payments that are decided at once, so that others leave.
fn fill(hub: &mut Hub, payer: &mut Provider, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let order = order(number, "ALPHA", "NOBODY", 1, hub.now_ns);
        pay(hub, payer, &order, number);
    }
}

/// What a provider hears within a few turns of a single payment, unnumbered.
fn hears(hub: &mut Hub, provider: &mut Provider) -> Said {
    for _ in 0..3 {
        exchange(hub, [&mut *provider]).unwrap();
    }
    let statuses = provider.news().into_iter().filter_map(|heard| match heard {
        Heard::Status { said, numbered: false, .. } => Some(said),
        _ => None,
    });
    let said: Vec<Said> = statuses.collect();
    assert_eq!(said.len(), 1, "{said:?}");
    said[0]
}

/// Four payments with an outcome each, as the payer provider heard it, long gone from memory.
struct Past {
    hub: Hub,
    providers: [Provider; 3],
    orders: [CreditTransfer; 4],
    outcomes: [Said; 4],
}

fn past() -> Past {
    let mut hub = Hub::with_window(4, false);
    let mut providers = ["ALPHA", "BRAVO", "CHARLIE"].map(|name| Provider::connected(name, &mut hub));
    let [payer, payee, _] = &mut providers;
    let now_ns = hub.now_ns;
    let payees = ["BRAVO", "BRAVO", "BRAVO", "NOBODY"];
    let mut number = 0;
    let orders = payees.map(|payee| {
        number += 1;
        order(number, "ALPHA", payee, 60, now_ns)
    });
    for (number, order) in (1..).zip(&orders) {
        pay(&mut hub, payer, order, number);
        match number {
            1 => payee.answer(&Answer::accept(id(1)), &[]),
            2 => payee.answer(&Answer::reject(id(2), Reason::of(b"AC04")), &[]),
            _ => {}
        }
        exchange(&mut hub, [&mut *payee]).unwrap();
    }
    hub.now_ns += TIMEOUT_NS;
    exchange(&mut hub, [&mut *payer, &mut *payee]).unwrap();
    fill(&mut hub, payer, 100..250);
    let told: BTreeMap<_, _> = payer.news().into_iter().filter_map(outcome_of).collect();
    let outcomes = [1, 2, 3, 4].map(|number| told[&id(number).bytes()]);
    let expected = [Outcome::Committed, Outcome::Rejected, Outcome::Expired, Outcome::Rejected];
    assert_eq!(outcomes.map(|said| said.outcome), expected);
    assert!((1..=4).all(|number| !hub.pipeline.engine().holds(id(number))), "they have left");
    Past { hub, providers, orders, outcomes }
}

fn outcome_of(heard: Heard) -> Option<([u8; 16], Said)> {
    match heard {
        Heard::Status { id, said, numbered: true, .. } => Some((id.bytes(), said)),
        _ => None,
    }
}

#[test]
fn an_order_of_any_age_is_told_what_became_of_it() {
    let Past { mut hub, providers: [mut payer, _, mut stranger], orders, outcomes } = past();
    let journaled = hub.pipeline.engine().applied();
    for ((number, order), outcome) in (1..).zip(&orders).zip(outcomes) {
        payer.pay(order, number);
        assert_eq!(hears(&mut hub, &mut payer), outcome, "T{number} again");
        payer.pay_in(order, number, true);
        assert_eq!(hears(&mut hub, &mut payer), outcome, "T{number} again, in other bytes");
        payer.pay(&CreditTransfer { amount: 61, ..order.clone() }, number);
        assert_eq!(hears(&mut hub, &mut payer).outcome, Outcome::Duplicate, "T{number} with another amount");
        payer.pay(order, number + 1);
        assert_eq!(hears(&mut hub, &mut payer).outcome, Outcome::Duplicate, "T{number} with another private part");
        stranger.pay(order, number);
        let told = hears(&mut hub, &mut stranger);
        assert_eq!((told.outcome, told.position), (Outcome::Duplicate, 0), "T{number} by a stranger");
    }
    assert_eq!(hub.pipeline.engine().applied(), journaled, "what the history knows is not journaled again");
    assert!(hub.pipeline.engine().payments_held() <= 5);
}

#[test]
fn a_question_of_any_age_is_answered_to_the_parties_alone() {
    let Past { mut hub, providers: [mut payer, mut payee, mut stranger], outcomes, .. } = past();
    let journaled = hub.pipeline.engine().applied();
    for (number, outcome) in (1..).zip(outcomes) {
        payer.ask(id(number));
        assert_eq!(hears(&mut hub, &mut payer), outcome, "the payer provider asks about T{number}");
        stranger.ask(id(number));
        assert_eq!(hears(&mut hub, &mut stranger).outcome, Outcome::Unknown, "a stranger asks about T{number}");
        payer.answer(&Answer::accept(id(number)), &[]);
        assert_eq!(hears(&mut hub, &mut payer).outcome, Outcome::Unknown, "the payer provider accepts T{number}");
        // Of the fourth the payee provider has never heard.
        let expected = if number == 4 { Outcome::Unknown } else { outcome.outcome };
        payee.ask(id(number));
        assert_eq!(hears(&mut hub, &mut payee).outcome, expected, "the payee provider asks about T{number}");
        payee.answer(&Answer::accept(id(number)), &[]);
        assert_eq!(hears(&mut hub, &mut payee).outcome, expected, "the payee provider accepts T{number} once more");
    }
    payer.ask(id(9));
    assert_eq!(hears(&mut hub, &mut payer).outcome, Outcome::Unknown, "what never was");
    assert_eq!(hub.pipeline.engine().applied(), journaled);
}

/// A connection of a provider that has no use for old messages.
fn line(hub: &mut Hub, name: &str) -> Line {
    let mut line = Line::silent(hub, name);
    line.hello(name, [0; 16], SEEN_FROM_THE_END);
    assert!(line.exchange(hub)[0].starts_with("welcome"));
    line
}

#[test]
fn a_frame_that_waits_for_the_history_holds_the_number_back() {
    let Past { mut hub, orders, .. } = past();
    hub.history_turns = 3;
    let mut line = line(&mut hub, "ALPHA");
    line.echo(1);
    assert_eq!(line.exchange(&mut hub), ["echo answers 1", "ack, 1 decided"]);
    line.say(MessageKind::StatusRequest, &adapters::message::StatusRequest { payment_id: orders[3].payment_id });
    line.echo(3);
    assert_eq!(line.exchange(&mut hub), ["echo answers 3, 1 decided"]);
    // What comes later is decided earlier, but is not said to be.
    let new = order(9, "ALPHA", "NOBODY", 1, hub.now_ns);
    line.pay(&new);
    let told = line.exchange(&mut hub);
    assert!(
        told.len() == 1 && told[0].starts_with("status rejected T9") && told[0].ends_with(", 1 decided"),
        "{told:?}"
    );
    assert_eq!(line.exchange(&mut hub), [""; 0]);
    assert_eq!(line.exchange(&mut hub), ["status rejected T4 reply, 4 decided"]);
}

#[test]
fn who_leaves_while_the_history_is_asked_is_not_answered_and_blocks_nobody() {
    let Past { mut hub, providers: [mut payer, mut payee, mut other], orders, .. } = past();
    payer.disconnect(&mut hub);
    payee.disconnect(&mut hub);
    hub.history_turns = 2;
    let mut gone = line(&mut hub, "ALPHA");
    for order in &orders {
        gone.pay(order);
    }
    assert_eq!(gone.exchange(&mut hub), [""; 0]);
    hub.detach(gone.key);
    let mut replaced = line(&mut hub, "BRAVO");
    replaced.pay(&orders[0]);
    assert_eq!(replaced.exchange(&mut hub), [""; 0]);
    let mut newer = line(&mut hub, "BRAVO");
    other.ask(id(1));
    assert_eq!(hears(&mut hub, &mut other).outcome, Outcome::Unknown);
    assert_eq!(newer.exchange(&mut hub), [""; 0]);
    assert_eq!(replaced.heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
    assert!(hub.pipeline.is_drained());
}

/// The window is a function of the journal, the files are not: what the edge has seen in the window may have left it when its turn comes.
#[test]
fn a_recheck_ends_with_the_answer() {
    let mut hub = Hub::with_window(3, false);
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let orders = [1, 2, 3, 4].map(|number| order(number, "ALPHA", "NOBODY", 1, hub.now_ns));
    for (number, order) in (1..).zip(&orders[..3]) {
        payer.pay(order, number);
    }
    exchange(&mut hub, [&mut payer]).unwrap();
    // None of these is in files: a fourth must wait until they are.
    payer.pay(&orders[3], 4);
    exchange(&mut hub, [&mut payer]).unwrap();
    assert!(payer.heard.iter().any(|heard| matches!(heard, Heard::Refused { code: BUSY, .. })));
    payer.news();
    payer.pay(&orders[3], 4);
    exchange(&mut hub, [&mut payer]).unwrap();
    assert!(hub.pipeline.watermarks().indexed >= hub.pipeline.engine().status_for(number("ALPHA"), id(3)).position);
    assert_eq!(hub.pipeline.engine().payments_held(), 4, "the first leaves with the next batch");
    assert!(hub.pipeline.engine().holds(id(1)));

    payer.news();
    let applied = hub.pipeline.engine().applied();
    payer.pay(&orders[0], 1);
    let said = hears(&mut hub, &mut payer);
    assert_eq!(said.outcome, Outcome::Rejected);
    assert_eq!(hub.pipeline.engine().applied(), applied + 2, "it was journaled once, and then answered");
    assert!(!hub.pipeline.engine().holds(id(1)));
    assert_eq!(hub.pipeline.engine().counts().rejected, 4);
}

/// Filters in memory say now and then that an id may be known which is new; here they say it always. While the files are asked, the window goes on: then the engine sends
/// the order back, as often as it takes.
#[test]
fn new_ids_that_look_known_are_decided_once_however_slow_the_history_is() {
    let mut hub = Hub::with_window(4, true);
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut other = Provider::connected("BRAVO", &mut hub);
    fill(&mut hub, &mut payer, 0..300);
    for _ in 0..8 {
        exchange(&mut hub, [&mut payer, &mut other]).unwrap();
    }
    payer.news();
    let rejected_before = hub.pipeline.engine().counts().rejected;
    hub.history_turns = 6;
    let journaled_before = hub.pipeline.engine().applied();
    for number in 10_000..11_500 {
        // Each in a turn of its own, with others in between that push outcomes out.
        payer.pay(&order(number, "ALPHA", "NOBODY", 1, hub.now_ns), number);
        other.pay(&order(10_000 + number, "BRAVO", "NOBODY", 1, hub.now_ns), number);
        exchange(&mut hub, [&mut payer, &mut other]).unwrap();
        hub.pass_ms(1);
    }
    hub.history_turns = 1;
    let mut turns = 0;
    while payer.session.unacknowledged() + other.session.unacknowledged() > 0 {
        exchange(&mut hub, [&mut payer, &mut other]).unwrap();
        turns += 1;
        assert!(turns < 100);
    }
    let taken = hub.pipeline.engine().counts().rejected - rejected_before;
    let told = payer.statuses().len() + other.statuses().len();
    assert_eq!(taken, told as u64, "each was decided once, and told");
    let refused = [&payer, &other].map(|p| p.heard.iter().filter(|h| matches!(h, Heard::Refused { .. })).count());
    assert_eq!(told + refused[0] + refused[1], 3_000, "each was decided or refused");

    let mut submissions: BTreeMap<[u8; 16], u32> = BTreeMap::new();
    let count = |batch: ledger::journal::Batch<'_>| {
        for entry in Entries::new(batch.payload).map(Result::unwrap) {
            if let Body::CreditTransfer(order, _) = entry.body
                && batch.first_sequence > journaled_before
            {
                *submissions.entry(order.payment_id).or_default() += 1;
            }
        }
        Ok(())
    };
    scan(&hub.disks[0], count).unwrap();
    let sent_back = submissions.values().filter(|&&count| count > 1).count();
    println!("{sent_back} of {} orders were sent back by the engine", submissions.len());
    assert!(sent_back > 0, "it did happen");
}

#[test]
fn an_outbox_far_older_than_memory_comes_whole_and_in_order() {
    const PAYMENTS: u64 = 8 * OUTBOX_RECORDS_KEPT_MAX as u64;
    let mut hub = Hub::with_window(16, true);
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::connected("BRAVO", &mut hub);
    for number in 0..PAYMENTS {
        let order = order(number, "ALPHA", "BRAVO", 1, hub.now_ns);
        pay(&mut hub, &mut payer, &order, number);
        // Now and then the filters take a new id for a known one; then it is sequenced a turn later.
        while !hub.pipeline.engine().holds(id(number)) {
            exchange(&mut hub, [&mut payer]).unwrap();
        }
        payee.receive(&mut hub);
        payee.answer(&Answer::accept(id(number)), &note(number));
        exchange(&mut hub, [&mut payee]).unwrap();
    }
    for _ in 0..4 {
        exchange(&mut hub, [&mut payer, &mut payee]).unwrap();
    }
    let numbered = |provider: &Provider| provider.heard.iter().filter(|h| is_numbered(h)).cloned().collect::<Vec<_>>();
    let heard = [numbered(&payer), numbered(&payee)];
    assert_eq!(heard.each_ref().map(Vec::len), [PAYMENTS as usize, 2 * PAYMENTS as usize]);

    // At most what is held of each, what no file has yet, and no more.
    let held = hub.pipeline.outbox_records_held();
    assert!(held <= 2 * OUTBOX_RECORDS_KEPT_MAX + 3 * 100, "{held} records are held");
    assert!(hub.pipeline.engine().payments_held() <= 20);
    assert_eq!(["ALPHA", "BRAVO"].map(|name| everything(&mut hub, name)), heard);
    let mut restarted = hub.restarted(|_| {});
    let held = restarted.pipeline.outbox_records_held();
    assert!(held <= 2 * OUTBOX_RECORDS_KEPT_MAX + 3 * 100, "{held} records are held after a restart");
    assert_eq!(["ALPHA", "BRAVO"].map(|name| everything(&mut restarted, name)), heard);
}

fn note(number: u64) -> Vec<u8> {
    use adapters::message::{Note, Part};
    let mut bytes = Vec::new();
    Note { text: format!("answer {number}").into_bytes(), extension: Vec::new() }.write(&mut bytes);
    bytes
}

#[test]
fn a_history_that_is_lost_or_damaged_is_made_again() {
    let Past { mut hub, orders, outcomes, .. } = past();
    let told = NAMES.map(|name| everything(&mut hub, name));
    let state = hub.pipeline.engine().digest();
    let files = hub.disks[1].copy(1);
    let names: Vec<String> =
        ledger::journal::Storage::list(&files).unwrap().into_iter().map(|file| file.name).collect();
    assert!(names.len() > 3, "there is something to lose: {names:?}");

    let check = |mut restarted: Hub| {
        assert_eq!(restarted.pipeline.engine().digest(), state);
        let mut payer = Provider::connected("ALPHA", &mut restarted);
        for ((number, order), outcome) in (1..).zip(&orders).zip(outcomes) {
            pay(&mut restarted, &mut payer, order, number);
            assert_eq!(hears(&mut restarted, &mut payer), outcome, "T{number}");
        }
        payer.disconnect(&mut restarted);
        assert_eq!(NAMES.map(|name| everything(&mut restarted, name)), told);
    };
    check(hub.restarted(|_| {}));
    check(hub.restarted(|[_, history]| remove_all(history)));
    for name in &names {
        check(hub.restarted(|[_, history]| drop(history.take(name))));
        let bytes = files.file(name).unwrap().len();
        // Of the last block everything is checked when the file is opened.
        check(hub.restarted(|[_, history]| history.flip(name, bytes - 4_000, 3)));
        check(hub.restarted(|[_, history]| history.put(name, &files.file(name).unwrap()[..bytes / 2])));
    }
}
