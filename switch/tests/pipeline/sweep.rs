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

/// More recalls are overdue than one batch may end, and something comes to the last of them in that batch. A return used to settle it, and a new
/// recall was refused because of it, only because its turn had not come.
#[test]
fn a_case_whose_turn_to_be_swept_has_not_come_has_ended_all_the_same() {
    let last = EXPIRED_PER_BATCH_MAX;
    let recall_of = |payment: usize| 10_000 + payment;
    let say = |line: &str| {
        let mut desk = Desk::new(["funds ALPHA 1000000"].into_iter());
        for payment in 0..=last {
            desk.say(&format!("at 10 ALPHA pays BRAVO T{payment} 5"));
            desk.say(&format!("at 11 BRAVO accepts T{payment}"));
            desk.say(&format!("at 12 ALPHA recalls T{payment} as T{} from BRAVO expires 100", recall_of(payment)));
        }
        let told = desk.say(line);
        assert_eq!(desk.engine.counts().cases_closed, last as u64 + 1);
        told.into_iter().skip(2 * last).collect::<Vec<String>>()
    };
    let ended = ["ALPHA", "BRAVO"].map(|who| format!("{who} recall expired T{} NOAS", recall_of(last)));
    let returned = say(&format!("at 100 BRAVO returns T20000 of T{last} 5"));
    assert_eq!(returned[..2], ["BRAVO committed T20000", "ALPHA returned T20000 5 in all"]);
    assert_eq!(returned[2..], ended);
    let recalled = say(&format!("at 100 ALPHA recalls T{last} as T20000 from BRAVO"));
    assert_eq!(recalled[..2], ended);
    assert_eq!(recalled[2..], ["ALPHA recall open T20000 CUST", "BRAVO asked T20000"]);
}
