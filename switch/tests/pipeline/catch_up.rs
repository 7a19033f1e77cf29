//! Providers that were away or are slow: everything comes, in order, once, from the journal, while others go on.

use adapters::message::{Answer, Note, Outcome, Part, PaymentId};
use switch::limits::{OUTGOING_BYTES_MAX, OUTGOING_BYTES_PER_TURN_MAX, RENDER_RECORDS_MAX};

use crate::hub::Hub;
use crate::orders::{id, order, private};
use crate::provider::{Heard, Provider, exchange};

/// The payer provider orders payments `numbers`, all at once.
fn pay(hub: &mut Hub, payer: &mut Provider, numbers: std::ops::Range<u64>) {
    for number in numbers {
        payer.pay(&order(number, "ALPHA", "BRAVO", 1, hub.now_ns), number);
    }
    exchange(hub, [payer]).unwrap();
}

fn ids(numbers: std::ops::Range<u64>) -> Vec<PaymentId> {
    numbers.map(id).collect()
}

/// Every Forward has the private part that its payer provider gave it.
fn check_private_parts(provider: &Provider, expected: impl Fn(u64) -> Vec<u8>) {
    for heard in &provider.heard {
        if let Heard::Forward { id, private } = heard {
            assert_eq!(*private, expected(crate::orders::number_of(*id)), "{id}");
        }
    }
}

#[test]
fn a_provider_that_was_away_gets_everything_in_order_with_live_traffic_in_between() {
    const AWAY: u64 = 3_000;
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::new("BRAVO");
    for start in (0..AWAY).step_by(100) {
        pay(&mut hub, &mut payer, start..start + 100);
        hub.pass_ms(1);
    }
    payee.connect(&mut hub);
    let mut ordered = AWAY;
    let mut turns = 0;
    while payee.forwards().len() < ordered as usize || turns < 40 {
        if turns < 40 {
            payer.pay(&order(ordered, "ALPHA", "BRAVO", 1, hub.now_ns), ordered);
            ordered += 1;
        }
        exchange(&mut hub, [&mut payer, &mut payee]).unwrap();
        hub.pass_ms(1);
        turns += 1;
        assert!(turns < 200, "it catches up while others go on");
    }
    assert_eq!(payee.forwards(), ids(0..ordered));
    check_private_parts(&payee, private);
    // Having caught up, it is served in the same turn again.
    payer.pay(&order(ordered, "ALPHA", "BRAVO", 1, hub.now_ns), ordered);
    exchange(&mut hub, [&mut payer, &mut payee]).unwrap();
    assert_eq!(payee.forwards(), ids(0..ordered + 1));
}

#[test]
fn notes_of_answers_come_from_the_journal_too() {
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::connected("BRAVO", &mut hub);
    pay(&mut hub, &mut payer, 0..20);
    payee.receive(&mut hub);
    payer.disconnect(&mut hub);
    let note = |number: u64| {
        let mut bytes = Vec::new();
        Note { text: format!("answer {number}").into_bytes(), extension: Vec::new() }.write(&mut bytes);
        bytes
    };
    for number in 0..20 {
        payee.answer(&Answer::accept(id(number)), &note(number));
    }
    exchange(&mut hub, [&mut payee]).unwrap();
    payer.news();
    payer.connect(&mut hub);
    for _ in 0..4 {
        exchange(&mut hub, [&mut payer]).unwrap();
    }
    let heard = payer.news();
    let notes = heard.iter().filter_map(|heard| match heard {
        Heard::Status { id, note, said, numbered: true } if said.outcome == Outcome::Committed => {
            Some((*id, note.clone()))
        }
        _ => None,
    });
    assert_eq!(notes.collect::<Vec<_>>(), (0..20).map(|number| (id(number), note(number))).collect::<Vec<_>>());
    // The payee provider knows its own words: they go to the payer provider only.
    assert_eq!(payee.statuses().len(), 20);
    assert!(payee.heard.iter().all(|heard| !matches!(heard, Heard::Status { note, .. } if !note.is_empty())));
}

#[test]
fn a_slow_reader_holds_nobody_up_and_misses_nothing() {
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut slow = Provider::connected("BRAVO", &mut hub);
    let mut quick = Provider::connected("CHARLIE", &mut hub);
    // It takes next to nothing while far more than what may wait for it is sent.
    slow.takes_bytes = 100;
    let mut ordered = 0;
    let mut most_waiting = 0;
    for _ in 0..80 {
        for number in ordered..ordered + 100 {
            payer.pay(&order(number, "ALPHA", "BRAVO", 1, hub.now_ns), number);
        }
        ordered += 100;
        let aside = 1_000_000 + ordered;
        payer.pay(&order(aside, "ALPHA", "CHARLIE", 1, hub.now_ns), aside);
        exchange(&mut hub, [&mut payer, &mut slow, &mut quick]).unwrap();
        assert_eq!(quick.forwards().last(), Some(&id(aside)), "others are served at once");
        most_waiting = most_waiting.max(hub.waiting_bytes(slow.key.unwrap()));
        hub.pass_ms(1);
    }
    let frames_of_a_request = RENDER_RECORDS_MAX * 1_024;
    assert!(most_waiting > OUTGOING_BYTES_MAX / 2, "it did fall behind");
    assert!(most_waiting < OUTGOING_BYTES_MAX + frames_of_a_request, "what waits for it is bounded: {most_waiting}");
    assert!(slow.forwards().len() < ordered as usize);

    // Then it speeds up, by fits and starts, while payments go on.
    for turn in 0..400u64 {
        slow.takes_bytes = if turn % 7 == 3 { 0 } else { 40_000 };
        if turn < 100 {
            payer.pay(&order(ordered, "ALPHA", "BRAVO", 1, hub.now_ns), ordered);
            ordered += 1;
        }
        exchange(&mut hub, [&mut payer, &mut slow]).unwrap();
        hub.pass_ms(1);
    }
    assert_eq!(slow.forwards(), ids(0..ordered));
    check_private_parts(&slow, private);
}

/// A payee of most payments gets a batch at once, and nothing of it from the journal. Once 1 MiB was all that might wait for it; the rest was read back and
/// opened in portions, and everybody had a third less throughput.
#[test]
fn a_batch_to_one_provider_leaves_at_once() {
    const ORDERS: u64 = 8_192;
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::connected("BRAVO", &mut hub);
    payee.takes_bytes = 0;
    pay(&mut hub, &mut payer, 0..ORDERS);
    let forwards_bytes = hub.waiting_bytes(payee.key.unwrap());
    assert!((OUTGOING_BYTES_MAX + 1..OUTGOING_BYTES_PER_TURN_MAX).contains(&forwards_bytes), "{forwards_bytes}");
    payee.takes_bytes = usize::MAX;
    exchange(&mut hub, [&mut payee]).unwrap();
    assert_eq!(payee.forwards(), ids(0..ORDERS));
    check_private_parts(&payee, private);
}

/// Nothing is read from who takes nothing: its own requests wait in its line, and are served when it reads again.
#[test]
fn who_takes_nothing_is_not_read() {
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::connected("BRAVO", &mut hub);
    payee.takes_bytes = 0;
    for start in (0..6_000).step_by(1_000) {
        pay(&mut hub, &mut payer, start..start + 1_000);
    }
    assert!(hub.waiting_bytes(payee.key.unwrap()) >= OUTGOING_BYTES_MAX);
    assert_eq!(hub.pipeline.bytes_wanted(payee.key.unwrap(), hub.now_ns), 0);
    payee.answer(&Answer::accept(id(0)), &[]);
    exchange(&mut hub, [&mut payee]).unwrap();
    assert_eq!(hub.pipeline.engine().counts().committed, 0);
    payee.takes_bytes = usize::MAX;
    for _ in 0..40 {
        exchange(&mut hub, [&mut payee]).unwrap();
    }
    assert_eq!(payee.forwards(), ids(0..6_000));
    payee.ask(id(0));
    exchange(&mut hub, [&mut payee]).unwrap();
    assert_eq!(hub.pipeline.engine().counts().committed, 1);
}

#[test]
fn a_connection_that_is_cut_while_its_messages_are_made_goes_on_where_it_was() {
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    let mut payee = Provider::new("BRAVO");
    for start in (0..2_000).step_by(500) {
        pay(&mut hub, &mut payer, start..start + 500);
    }
    // Each connection lives for a few turns, too short for everything; frames that are made for a gone one go nowhere.
    let mut connections: u64 = 0;
    while payee.forwards().len() < 2_000 {
        payee.connect(&mut hub);
        payee.takes_bytes = 30_000;
        for _ in 0..2 + connections % 4 {
            exchange(&mut hub, [&mut payee]).unwrap();
            hub.pass_ms(1);
        }
        connections += 1;
        assert!(connections < 200);
    }
    assert_eq!(payee.forwards(), ids(0..2_000));
    check_private_parts(&payee, private);
}

#[test]
fn what_was_sealed_under_an_erased_key_comes_without_its_private_part() {
    let mut hub = Hub::steady();
    let mut payer = Provider::connected("ALPHA", &mut hub);
    pay(&mut hub, &mut payer, 0..10);
    hub.is_erased = true;
    let mut payee = Provider::connected("BRAVO", &mut hub);
    for _ in 0..3 {
        exchange(&mut hub, [&mut payee]).unwrap();
    }
    assert_eq!(payee.forwards(), ids(0..10));
    check_private_parts(&payee, |_| Vec::new());
}
