//! A provider that was away: it gets everything that it has not seen, in order, and nothing that it has.

use adapters::message::{Cursors, Outcome, PaymentId, PaymentPrivate};
use adapters::native::session::Resume;

use crate::harness::{Data, code};
use crate::wire::{Heard, Said, Wire, order, private_of, written};

/// What a provider stores: the switch's lineage, and how much it has seen of the payments' lane.
fn seen(lineage: [u8; 16], payments: u64) -> Resume {
    Resume { lineage, seen: [payments, 0, 0] }
}

/// Orders payments with remittances "0", "1" ... and waits until all are recorded.
fn pay_many(payer: &mut Wire, payee: usize, count: usize) -> Vec<PaymentId> {
    let private = |text: String| PaymentPrivate { remittance: text.into_bytes(), ..PaymentPrivate::default() };
    let pay = |number: usize| payer.pay_with(&order(1, payee, 1), &written(&private(number.to_string())));
    let ids = (0..count).map(pay).collect();
    payer.fence();
    ids
}

/// Reads one message, which must be the Forward of this payment at this place.
fn expect_forward(wire: &mut Wire, place: usize, id: PaymentId) {
    let Some(Heard { number, said: Said::Forward(forward, private), .. }) = wire.next() else {
        panic!("number {} is not a Forward", place + 1)
    };
    assert_eq!((number, forward.payment_id), (place as u64 + 1, id.bytes()));
    assert_eq!(private_of(&private).remittance, place.to_string().into_bytes());
}

#[test]
fn a_payee_that_was_cut_off_before_its_answer_gets_the_forward_again_if_its_cursor_says_so() {
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let ids = pay_many(&mut payer, 2, 2);
    for (cursor, id) in [(0, ids[0]), (2, ids[1])] {
        let (mut first, welcome) = Wire::resume(&data, 2, Resume::FROM_THE_START);
        first.forward_of(id);
        drop(first);
        let (mut payee, again) = Wire::resume(&data, 2, seen(welcome.lineage, cursor));
        assert_eq!(again.resumed_after, [cursor, 0, 0]);
        if cursor == 0 {
            (0..2).for_each(|place| expect_forward(&mut payee, place, ids[place]));
        }
        payee.accept(id);
        assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
        assert_eq!(payee.status_of(id).outcome, Outcome::Committed);
        payee.fence();
        let rest = payee.unasked();
        assert!(
            rest.iter().all(|heard| !matches!(heard.said, Said::Forward(..))),
            "what was seen came again: {rest:?}"
        );
    }
    switch.stop();
    assert_eq!(data.committed(), 2);
}

/// Several portions of the renderer, from any cursor, also by a switch that knows it all from its journal only. The provider
/// acknowledges nothing: nobody but the switch itself may be needed for the next portion.
#[test]
fn a_provider_that_was_away_gets_hundreds_of_messages_in_order() {
    const COUNT: usize = 1_000;
    let data = Data::new();
    let mut switch = data.serve();
    let ids = pay_many(&mut Wire::open(&data, 1), 2, COUNT);
    for has_restarted in [false, true] {
        let mut lineage = [0; 16];
        for cursor in [0, 1, COUNT / 2, COUNT - 1] {
            let (mut payee, welcome) = Wire::resume(&data, 2, seen(lineage, cursor as u64));
            lineage = welcome.lineage;
            assert_eq!(welcome.resumed_after[0], cursor as u64);
            assert_eq!(welcome.enqueued[0], COUNT as u64);
            (cursor..COUNT).for_each(|place| expect_forward(&mut payee, place, ids[place]));
        }
        if !has_restarted {
            switch.kill();
            switch = data.serve();
        }
    }
    switch.stop();
}

#[test]
fn what_arrives_while_old_messages_are_on_their_way_comes_after_them() {
    const COUNT: usize = 600;
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let mut ids = pay_many(&mut payer, 2, COUNT);
    let (mut payee, _) = Wire::resume(&data, 2, Resume::FROM_THE_START);
    let more = std::thread::spawn(move || pay_many(&mut payer, 2, COUNT));
    let mut heard = Vec::new();
    for expected in 1..=2 * COUNT as u64 {
        let next = payee.next();
        let Some(Heard { number, said: Said::Forward(forward, _), .. }) = next else {
            panic!("number {expected} is not a Forward: {next:?}")
        };
        assert_eq!(number, expected);
        heard.push(PaymentId::from_bytes(forward.payment_id).unwrap());
    }
    ids.extend(more.join().unwrap());
    assert_eq!(heard, ids);
    switch.stop();
}

#[test]
fn a_payer_that_was_away_learns_outcome_and_note_on_return() {
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let mut payee = Wire::open(&data, 2);
    let (accepted, rejected) = (payer.pay(&order(1, 2, 5)), payer.pay(&order(1, 2, 6)));
    payee.forward_of(accepted);
    payee.forward_of(rejected);
    drop(payer);
    payee.accept(accepted);
    payee.reject(rejected, b"AC04", "geschlossen, tschüss");
    payee.fence();
    let (mut payer, _) = Wire::resume(&data, 1, Resume::FROM_THE_START);
    let told = payer.status_of(accepted);
    assert_eq!((told.outcome, told.number, told.note.as_str()), (Outcome::Committed, 1, ""));
    let told = payer.status_of(rejected);
    assert_eq!((told.outcome, told.number), (Outcome::Rejected, 2));
    assert_eq!((told.reason.as_str(), told.note.as_str()), ("AC04", "geschlossen, tschüss"));
    switch.stop();
}

#[test]
fn cursors_that_mean_nothing_bring_everything_and_those_of_the_end_bring_nothing() {
    const ALL: u64 = u64::MAX;
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let ids = pay_many(&mut payer, 2, 3);
    let lineage = Wire::resume(&data, 2, Resume::FROM_THE_START).1.lineage;
    let other = lineage.map(|byte| !byte);
    let cases: [(&str, [u8; 16], Cursors, u64); 8] = [
        ("nothing was seen", [0; 16], [0; 3], 0),
        ("numbers without a lineage", [0; 16], [2, 0, 0], 0),
        ("another lineage", other, [2, 0, 0], 0),
        ("beyond what there is", lineage, [4, 0, 0], 0),
        ("beyond what there is in another lane", lineage, [2, 1, 0], 0),
        ("all but the last", lineage, [2, 0, 0], 2),
        ("nothing old at all", [0; 16], [ALL; 3], 3),
        ("nothing old of payments", [0; 16], [ALL, 0, 0], 3),
    ];
    for (what, lineage, seen, resumed_after) in cases {
        let (mut payee, welcome) = Wire::resume(&data, 2, Resume { lineage, seen });
        assert_eq!((welcome.resumed_after, welcome.enqueued), ([resumed_after, 0, 0], [3, 0, 0]), "{what}");
        for (place, &id) in ids.iter().enumerate().skip(usize::try_from(resumed_after).unwrap()) {
            expect_forward(&mut payee, place, id);
        }
        payee.fence();
        assert_eq!(payee.unasked(), [], "{what}");
    }
    // Numbers go on after those of the end.
    let (mut payee, _) = Wire::resume(&data, 2, Resume::FROM_THE_END);
    let id = payer.pay(&order(1, 2, 1));
    let heard = payee.next().unwrap();
    assert!(heard.number == 4 && matches!(heard.said, Said::Forward(..)), "{heard:?}");
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed, "{}", code(2));
    switch.stop();
}
