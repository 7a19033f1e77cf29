//! The table "which message does what", obeyed: every message, before and after `Hello`.

use adapters::message::{
    Ack, Answer, CONDUCT, Conduct, Echo, Error, Forward, Hello, MessageKind, Status, StatusRequest, Welcome,
};
use adapters::native::frame::Head;

use crate::hub::Hub;
use crate::orders::{START_NS, TIMEOUT_NS, code, id, order};
use crate::wire::Line;

/// What ALPHA hears after it has said this first, and after it has said it once welcomed.
const ROWS: [(MessageKind, &[&str], &[&str]); 10] = {
    use MessageKind as K;
    const NOT_ALLOWED: &[&str] = &["error not_allowed frame 1", "ack, 1 decided"];
    const NOT_ALLOWED_UNNUMBERED: &[&str] = &["error not_allowed frame 0"];
    [
        (K::Hello, &["welcome after 0"], NOT_ALLOWED_UNNUMBERED),
        (K::Welcome, NOT_ALLOWED, NOT_ALLOWED),
        (K::Ack, NOT_ALLOWED_UNNUMBERED, &[]),
        (K::Error, NOT_ALLOWED, NOT_ALLOWED),
        (K::Echo, NOT_ALLOWED, &["echo answers 7", "ack, 1 decided"]),
        (K::CreditTransfer, NOT_ALLOWED, &["ack, 1 decided"]),
        (K::Forward, NOT_ALLOWED, NOT_ALLOWED),
        (K::Answer, NOT_ALLOWED, &["status unknown T1 reply, 1 decided"]),
        (K::Status, NOT_ALLOWED, NOT_ALLOWED),
        (K::StatusRequest, NOT_ALLOWED, &["status unknown T1 reply, 1 decided"]),
    ]
};

/// Says one valid message of this kind.
fn say(line: &mut Line, kind: MessageKind) {
    let order = order(1, "ALPHA", "BRAVO", 60, START_NS);
    let (payment_id, lineage) = (id(1).bytes(), [0; 16]);
    match kind {
        MessageKind::Hello => line.hello("ALPHA", lineage, [0; 3]),
        MessageKind::Ack => line.say_under(kind, Head::PLAIN, &Ack { received: [0; 3] }),
        MessageKind::CreditTransfer => line.pay(&order),
        MessageKind::Echo => line.say(kind, &Echo { token: 7, reply: 0 }),
        MessageKind::Answer => line.say(kind, &Answer::accept(id(1))),
        MessageKind::StatusRequest => line.say(kind, &StatusRequest { payment_id }),
        MessageKind::Welcome => {
            let (resumed_after, enqueued) = ([0; 3], [0; 3]);
            let (frame_bytes_max, in_flight_max) = (1, 1);
            let time_ns = START_NS;
            line.say(kind, &Welcome { lineage, resumed_after, enqueued, time_ns, frame_bytes_max, in_flight_max });
        }
        MessageKind::Error => {
            let error = Error { code: 9, field: 0, fatal: 0, retry_after_ms: 0, frame_number: 0, payment_id };
            line.say(kind, &error);
        }
        MessageKind::Forward => {
            let forward = Forward {
                payment_id,
                payer: *code("BRAVO").bytes(),
                payee: *code("ALPHA").bytes(),
                amount: 60,
                currency: order.currency,
                accepted_at_ns: START_NS,
                purpose: [0; 4],
                deadline_ns: START_NS + TIMEOUT_NS,
                lane: 1,
                request_id: [0; 16],
            };
            line.say(kind, &forward);
        }
        MessageKind::Status => {
            let status =
                Status { payment_id, outcome: 1, reason: [0; 4], field: 0, decided_at_ns: START_NS, position: 3 };
            line.say(kind, &status);
        }
        other => panic!("{other:?} has no row"),
    }
}

#[test]
fn every_message_before_and_after_hello() {
    for ((kind, first, live), conduct) in ROWS.into_iter().zip(CONDUCT) {
        assert_eq!(kind, conduct.kind, "the table is total, and in its order");
        check_first(kind, first);
        check_live(&conduct, live);
    }
}

/// Before `Hello` nothing is journaled, and nothing costs the connection: `Hello` may still come.
fn check_first(kind: MessageKind, expected: &[&str]) {
    let mut hub = Hub::steady();
    let applied = hub.pipeline.engine().applied();
    let mut line = Line::silent(&mut hub, "ALPHA");
    say(&mut line, kind);
    assert_eq!(line.exchange(&mut hub), expected, "{kind:?} before Hello");
    assert_eq!(hub.pipeline.engine().applied(), applied, "{kind:?} before Hello");
    if kind != MessageKind::Hello {
        line.hello("ALPHA", [0; 16], [0; 3]);
        let decided = if line.number > 0 { ", 1 decided" } else { "" };
        assert_eq!(line.exchange(&mut hub), [format!("welcome after 0{decided}")], "Hello after {kind:?}");
    }
}

fn check_live(conduct: &Conduct, expected: &[&str]) {
    let kind = conduct.kind;
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    let payee = Line::welcomed(&mut hub, "BRAVO");
    let applied = hub.pipeline.engine().applied();
    say(&mut line, kind);
    assert_eq!(line.exchange(&mut hub), expected, "{kind:?} once welcomed");
    let is_journaled = hub.pipeline.engine().applied() > applied;
    // No payment waits for the Answer of this row, so it changes nothing and leaves no trace; one that decides is in every other test.
    let is_to_be_journaled = conduct.journaled && conduct.from_provider && kind != MessageKind::Answer;
    assert_eq!(is_journaled, is_to_be_journaled, "is {kind:?} journaled?");
    let is_refused = expected.iter().any(|text| text.contains("not_allowed"));
    assert_eq!(is_refused, !conduct.from_provider || kind == MessageKind::Hello, "may a provider send {kind:?}?");
    let forwarded: &[&str] = if kind == MessageKind::CreditTransfer { &["forward T1 number 1"] } else { &[] };
    assert_eq!(payee.heard(&mut hub), forwarded, "after {kind:?}");
    // Whatever it was, the connection goes on.
    line.echo(8);
    let number = line.number;
    let decided = number - 1;
    let decided = if decided > 0 { format!(", {decided} decided") } else { String::new() };
    let expected = [format!("echo answers 8{decided}"), format!("ack, {number} decided")];
    assert_eq!(line.exchange(&mut hub), expected, "after {kind:?}");
}

#[test]
fn a_hello_with_trailing_bytes_or_a_private_part_is_a_bad_message() {
    let mut hub = Hub::steady();
    let mut line = Line::silent(&mut hub, "ALPHA");
    let hello = Hello { participant: *code("ALPHA").bytes(), lineage: [0; 16], seen: [0; 3], slot: 0 };
    adapters::native::frame::encode(&mut line.outgoing, MessageKind::Hello, Head::PLAIN, &hello, |out| out.push(0));
    assert_eq!(line.exchange(&mut hub), ["error bad_message frame 0"]);
}
