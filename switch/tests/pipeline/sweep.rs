//! More payments are overdue at once than one batch may end: an outcome must not depend on whose turn comes when.

use adapters::message::{Answer, Outcome};
use switch::limits::EXPIRED_PER_BATCH_MAX;

use crate::language::{Desk, number, write_answer, write_order};
use crate::orders::{NS_PER_S, START_NS, TIMEOUT_NS, id, order};

const PAYMENTS: u64 = 2 * EXPIRED_PER_BATCH_MAX as u64 + 100;

fn all_in_flight() -> Desk {
    let mut desk = Desk::new(["funds ALPHA 1000000"].into_iter());
    let mut payload = Vec::new();
    for payment in 0..PAYMENTS {
        write_order(&mut payload, "ALPHA", &order(payment, "ALPHA", "BRAVO", 1, START_NS), 0);
    }
    assert_eq!(desk.apply(START_NS, &payload).len() as u64, PAYMENTS);
    desk
}

#[test]
fn a_sweep_is_bounded_and_ends_with_everything_expired() {
    let mut desk = all_in_flight();
    let mut told = 0;
    for batch in 1..=3 {
        told += desk.apply(START_NS + TIMEOUT_NS, &[]).len() as u64;
        assert_eq!(told, 2 * PAYMENTS.min(batch * EXPIRED_PER_BATCH_MAX as u64));
    }
    assert_eq!(desk.engine.counts().expired, PAYMENTS);
    assert_eq!(desk.engine.next_deadline_ns(), None);
    assert_eq!(desk.balance("ALPHA"), (1_000_000, 0));
}

/// Late answers come before the sweep has reached their payments, from the front, the back and the middle of the queue.
#[test]
fn a_late_answer_meets_an_expired_payment_whatever_the_sweep_has_reached() {
    let every_seventh: Vec<u64> = (0..PAYMENTS).step_by(7).collect();
    let from_the_back: Vec<u64> = (0..PAYMENTS).rev().collect();
    for late in [every_seventh, from_the_back, vec![PAYMENTS - 1; 3]] {
        let mut desk = all_in_flight();
        let mut payload = Vec::new();
        for payment in late {
            write_answer(&mut payload, "BRAVO", &Answer::accept(id(payment)));
        }
        let mut told = desk.apply(START_NS + TIMEOUT_NS, &payload);
        for _ in 0..3 {
            told.extend(desk.apply(START_NS + TIMEOUT_NS + NS_PER_S, &[]));
        }
        let numbered: Vec<&String> = told.iter().filter(|told| !told.starts_with("reply")).collect();
        assert_eq!(numbered.len() as u64, 2 * PAYMENTS, "both sides, once each");
        assert!(told.iter().all(|told| told.contains(" expired ")));
        for payment in 0..PAYMENTS {
            assert_eq!(desk.engine.status_for(number("ALPHA"), id(payment)).outcome, Outcome::Expired);
        }
        assert_eq!(desk.balance("ALPHA"), (1_000_000, 0));
        assert_eq!(desk.balance("BRAVO"), (0, 0));
    }
}
