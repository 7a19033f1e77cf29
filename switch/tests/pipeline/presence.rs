//! Who can be paid: sign-off and sign-on, and what the switch observes of connections, with its grace.

use adapters::message::{Answer, MessageKind};
use switch::pipeline::{PipelineLimits, PresenceTimes};

use crate::hub::Hub;
use crate::orders::{NS_PER_MS, order};
use crate::wire::Line;

/// The grace and the settling of these tests, in milliseconds.
const GRACE_MS: u64 = 500;
const SETTLE_MS: u64 = 50;

fn hub() -> Hub {
    let presence = PresenceTimes { absence_grace_ms: GRACE_MS, presence_settle_ms: SETTLE_MS };
    Hub::limited(PipelineLimits { presence, ..PipelineLimits::default() })
}

/// ALPHA pays BRAVO: what ALPHA hears of that in the same turn.
fn pays(hub: &mut Hub, payer: &mut Line, number: u64) -> String {
    payer.pay(&order(number, "ALPHA", "BRAVO", 1, hub.now_ns));
    let heard = payer.exchange(hub).join(", ");
    heard.split(" number").next().unwrap_or_default().to_owned()
}

fn is_absent(hub: &Hub, name: &str) -> bool {
    let engine = hub.pipeline.engine();
    engine.participant(engine.find_participant(&crate::orders::code(name)).unwrap()).unwrap().is_absent
}

#[test]
fn who_is_signed_off_is_not_paid_and_may_pay() {
    let mut hub = hub();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    assert_eq!(pays(&mut hub, &mut payer, 1), "ack, 1 decided");
    assert_eq!(payee.heard(&mut hub), ["forward T1 number 1"]);
    payee.say_bare(MessageKind::SignOff);
    assert_eq!(payee.exchange(&mut hub), ["ack, 1 decided"], "decided, and durable");
    assert_eq!(pays(&mut hub, &mut payer, 2), "status rejected T2");
    // What is in flight goes on.
    payee.say(MessageKind::Answer, &Answer::accept(crate::orders::id(1)));
    assert_eq!(payee.exchange(&mut hub), ["status committed T1 number 2, 2 decided"]);
    payee.pay(&order(3, "BRAVO", "ALPHA", 1, hub.now_ns));
    assert_eq!(payee.exchange(&mut hub), ["ack, 3 decided"], "it may pay");
    // Said twice, it is the same.
    payee.say_bare(MessageKind::SignOff);
    payee.say_bare(MessageKind::SignOn);
    payee.say_bare(MessageKind::SignOn);
    assert_eq!(payee.exchange(&mut hub), ["ack, 6 decided"]);
    payer.heard(&mut hub);
    assert_eq!(pays(&mut hub, &mut payer, 4), "ack, 3 decided");
    // It outlives the process.
    payee.say_bare(MessageKind::SignOff);
    payee.exchange(&mut hub);
    let mut restarted = hub.restarted(|_| {});
    let mut payer = Line::welcomed_after(&mut restarted, "ALPHA");
    (0..3).for_each(|_| drop(payer.exchange(&mut restarted)));
    assert_eq!(pays(&mut restarted, &mut payer, 5), "status rejected T5");
}

/// The rejects of presence stand where the document says: after `PayeeIsPayer`, before the currency.
#[test]
fn a_payment_to_nobody_there_is_rejected_with_its_reason() {
    let mut hub = hub();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    hub.pass_ms(GRACE_MS);
    hub.turn().unwrap();
    let mut strange = order(1, "ALPHA", "BRAVO", 1, hub.now_ns);
    strange.currency = *b"ABC";
    payer.pay(&strange);
    payer.exchange(&mut hub);
    let status = hub.pipeline.engine().status_for(
        hub.pipeline.engine().find_participant(&crate::orders::code("ALPHA")).unwrap(),
        crate::orders::id(1),
    );
    assert_eq!((status.reason.as_str(), status.field.name()), ("AB08", "payee"));
}

#[test]
fn who_has_no_connection_is_absent_after_the_grace_and_present_once_that_has_lasted() {
    let mut hub = hub();
    let started_ns = hub.now_ns;
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    // The grace counts from the start.
    hub.pass_ms(GRACE_MS - 1);
    assert_eq!(pays(&mut hub, &mut payer, 1), "ack, 1 decided");
    assert!(!is_absent(&hub, "BRAVO"));
    hub.pass_ms(1);
    assert_eq!(hub.pipeline.next_turn_ns(), Some(started_ns + GRACE_MS * NS_PER_MS), "it wakes for that");
    hub.turn().unwrap();
    assert!(is_absent(&hub, "BRAVO") && !is_absent(&hub, "ALPHA"));
    assert_eq!(pays(&mut hub, &mut payer, 2), "status rejected T2");

    let mut payee = Line::welcomed_after(&mut hub, "BRAVO");
    let came_ns = hub.now_ns;
    assert!(
        (0..3).flat_map(|_| payee.exchange(&mut hub)).any(|text| text.starts_with("forward T1")),
        "sent, all the same"
    );
    hub.pass_ms(SETTLE_MS - 1);
    assert_eq!(pays(&mut hub, &mut payer, 3), "status rejected T3");
    hub.pass_ms(1);
    assert!(hub.pipeline.next_turn_ns().unwrap() <= came_ns + SETTLE_MS * NS_PER_MS);
    hub.turn().unwrap();
    assert!(!is_absent(&hub, "BRAVO"));
    assert_eq!(pays(&mut hub, &mut payer, 4), "ack, 4 decided");
    assert!(payee.heard(&mut hub).iter().any(|text| text.starts_with("forward T4")));
}

#[test]
fn a_line_that_comes_and_goes_changes_nothing() {
    let mut hub = hub();
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    hub.pass_ms(GRACE_MS);
    hub.turn().unwrap();
    let applied = hub.pipeline.engine().applied();
    for _ in 0..5 {
        hub.detach(payee.key);
        hub.pass_ms(GRACE_MS - 1);
        hub.turn().unwrap();
        payee = Line::welcomed_after(&mut hub, "BRAVO");
    }
    assert_eq!(hub.pipeline.engine().applied(), applied, "nothing was journaled");
    // Gone for good, then there for moments: it stays absent.
    hub.detach(payee.key);
    hub.pass_ms(GRACE_MS);
    hub.turn().unwrap();
    assert!(is_absent(&hub, "BRAVO"));
    let applied = hub.pipeline.engine().applied();
    for _ in 0..5 {
        payee = Line::welcomed_after(&mut hub, "BRAVO");
        hub.pass_ms(SETTLE_MS - 1);
        hub.turn().unwrap();
        hub.detach(payee.key);
        hub.pass_ms(GRACE_MS);
        hub.turn().unwrap();
    }
    assert!(is_absent(&hub, "BRAVO"));
    assert_eq!(hub.pipeline.engine().applied(), applied, "nothing was journaled");
    assert_eq!(hub.pipeline.next_turn_ns(), None, "and nothing is due");
}

#[test]
fn one_of_two_connections_is_enough() {
    let mut hub = hub();
    let first = Line::welcomed(&mut hub, "BRAVO");
    let mut second = Line::silent(&mut hub, "BRAVO");
    second.hello_in(1, "BRAVO", [0x42; 16], [0; 3]);
    second.exchange(&mut hub);
    hub.detach(first.key);
    hub.pass_ms(GRACE_MS);
    hub.turn().unwrap();
    assert!(!is_absent(&hub, "BRAVO"));
    hub.detach(second.key);
    hub.pass_ms(GRACE_MS);
    hub.turn().unwrap();
    assert!(is_absent(&hub, "BRAVO"));
    let counts = hub.pipeline.engine().presence_counts();
    assert_eq!((counts.participants_reachable, counts.participants_absent), (0, 4));
}
