//! The bulk lane gives way to retail, and flows; who floods is throttled alone.

use adapters::message::{Answer, CaseAnswer, CreditTransfer, Lane, MessageKind};
use switch::pipeline::PipelineLimits;
use switch::pipeline::fairness::Rate;

use crate::hub::Hub;
use crate::orders::{NS_PER_MS, START_NS, id, order};
use crate::wire::Line;

fn bulk(number: u64, payer: &str) -> CreditTransfer {
    CreditTransfer { lane: Lane::Bulk as u8, ..order(number, payer, "BRAVO", 1, START_NS) }
}

/// How many of what was heard begin so.
fn count(heard: &[String], start: &str) -> usize {
    heard.iter().filter(|text| text.starts_with(start)).count()
}

#[test]
fn bulk_takes_a_portion_of_each_batch_and_retail_is_in_the_first() {
    let mut hub = Hub::limited(PipelineLimits { bulk_waiting_per_session_max: 2_000, ..PipelineLimits::default() });
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let payee = Line::welcomed(&mut hub, "BRAVO");
    (1..=1_000).for_each(|number| payer.pay(&bulk(number, "ALPHA")));
    payer.pay(&order(5_000, "ALPHA", "BRAVO", 1, START_NS));
    payer.exchange(&mut hub);
    // One batch: the retail order, and the smallest portion of bulk, each in its own lane.
    let heard = payee.heard(&mut hub);
    assert_eq!(heard.iter().filter(|text| *text == "forward T5000 number 1").count(), 1, "{}", heard.len());
    assert_eq!(hub.pipeline.queues().bulk_waiting, 1_000 - 256);
    let mut told = heard.len();
    for _ in 0..3 {
        hub.turn().unwrap();
        told += payee.heard(&mut hub).len();
    }
    assert_eq!((told, hub.pipeline.queues().bulk_waiting), (1_001, 0), "and all of it flows without another frame");
}

#[test]
fn bulk_leaves_retail_half_of_what_can_be_in_flight() {
    let limits = PipelineLimits { in_flight_max: 20, in_flight_per_participant_max: 20, ..PipelineLimits::default() };
    let mut hub = Hub::limited(limits);
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    (1..=15).for_each(|number| payer.pay(&bulk(number, "ALPHA")));
    payer.exchange(&mut hub);
    assert_eq!(count(&payee.heard(&mut hub), "forward"), 10);
    (101..=110).for_each(|number| payer.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS)));
    assert_eq!(count(&payer.exchange(&mut hub), "error busy"), 0, "retail has its half");
    assert_eq!(count(&payee.heard(&mut hub), "forward"), 10);
    // An answer makes room for the next.
    (1..=3).for_each(|number| payee.say(MessageKind::Answer, &Answer::accept(id(number))));
    payee.exchange(&mut hub);
    hub.turn().unwrap();
    assert_eq!(count(&payee.heard(&mut hub), "forward"), 3);
    assert_eq!(hub.pipeline.queues().bulk_waiting, 2);
}

#[test]
fn bulk_that_is_too_much_is_refused_and_what_waits_holds_the_number_back() {
    let limits = PipelineLimits {
        in_flight_max: 2,
        in_flight_per_participant_max: 2,
        bulk_waiting_max: 5,
        bulk_waiting_per_session_max: 3,
        ..PipelineLimits::default()
    };
    let mut hub = Hub::limited(limits);
    let mut first = Line::welcomed(&mut hub, "ALPHA");
    let mut second = Line::welcomed(&mut hub, "CHARLIE");
    (1..=5).for_each(|number| first.pay(&bulk(number, "ALPHA")));
    let heard = first.exchange(&mut hub);
    assert_eq!(count(&heard, "error busy frame 4") + count(&heard, "error busy frame 5"), 2, "{heard:?}");
    assert!(heard.last().unwrap().ends_with("1 decided"), "two wait still: {heard:?}");
    (11..=14).for_each(|number| second.pay(&bulk(number, "CHARLIE")));
    assert_eq!(count(&second.exchange(&mut hub), "error busy"), 1, "three wait of its own, and no more fit");
    // Whoever leaves takes along what waits: it was never recorded, and comes again.
    hub.pipeline.detach(first.key);
    hub.pipeline.begin_draining();
    hub.turn().unwrap();
    assert_eq!(count(&second.heard(&mut hub), "error shutting_down"), 3);
    assert_eq!(hub.pipeline.queues().bulk_waiting, 0);
}

#[test]
fn who_floods_is_throttled_alone_and_may_always_answer() {
    let rate = Rate { per_second: 10, burst: 3 };
    let mut hub = Hub::limited(PipelineLimits { rate, ..PipelineLimits::default() });
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    let mut bravo = Line::welcomed(&mut hub, "BRAVO");
    (1..=5).for_each(|number| alpha.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS)));
    let heard = alpha.exchange(&mut hub);
    assert_eq!(heard, ["error rate_limited frame 4", "error rate_limited frame 5", "ack, 5 decided"]);
    assert_eq!(count(&bravo.heard(&mut hub), "forward"), 3);
    // The other has its own bucket, and answers cost nothing.
    (1..=3).for_each(|number| bravo.say(MessageKind::Answer, &Answer::accept(id(number))));
    (1..=9).for_each(|_| bravo.say(MessageKind::CaseAnswer, &CaseAnswer::accept(id(77))));
    bravo.pay(&order(11, "BRAVO", "CHARLIE", 1, START_NS));
    assert_eq!(count(&bravo.exchange(&mut hub), "error"), 0);
    hub.now_ns += 100 * NS_PER_MS;
    (6..=7).for_each(|number| alpha.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS)));
    assert_eq!(count(&alpha.exchange(&mut hub), "error rate_limited"), 1, "one token came in a tenth of a second");
}
