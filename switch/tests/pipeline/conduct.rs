//! The table "which message does what", obeyed: every message, before and after `Hello`.

use adapters::message::{
    Ack, AmountForm, Answer, CONDUCT, CaseAnswer, CaseCancel, CaseForward, CaseKind, CaseOpen, CaseStatus, Conduct,
    Echo, Error, Forward, Hello, MessageKind, NO_ID, Return, Returned, Status, StatusRequest, Welcome,
};
use adapters::native::frame::Head;
use switch::limits::PAUSE_MS_MAX;

use crate::hub::Hub;
use crate::orders::{START_NS, TIMEOUT_NS, code, id, order};
use crate::wire::Line;

/// What ALPHA hears after it has said this first, and after it has said it once welcomed.
const ROWS: [(MessageKind, &[&str], &[&str]); 19] = {
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
        (K::Return, NOT_ALLOWED, &["status rejected T1 number 1, 1 decided"]),
        (K::Returned, NOT_ALLOWED, NOT_ALLOWED),
        (K::CaseOpen, NOT_ALLOWED, &["payment_request open T1 number 1, 1 decided"]),
        (K::CaseForward, NOT_ALLOWED, NOT_ALLOWED),
        (K::CaseAnswer, NOT_ALLOWED, &["case unknown T1 reply, 1 decided"]),
        (K::CaseCancel, NOT_ALLOWED, &["case unknown T1 reply, 1 decided"]),
        (K::CaseStatus, NOT_ALLOWED, NOT_ALLOWED),
        (K::SignOn, NOT_ALLOWED, &["ack, 1 decided"]),
        (K::SignOff, NOT_ALLOWED, &["ack, 1 decided"]),
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
                lane: 1,
                request_id: NO_ID,
                deadline_ns: START_NS + TIMEOUT_NS,
            };
            line.say(kind, &forward);
        }
        MessageKind::Status => {
            let status =
                Status { payment_id, outcome: 1, reason: [0; 4], field: 0, decided_at_ns: START_NS, position: 3 };
            line.say(kind, &status);
        }
        _ => say_of_case(line, kind),
    }
}

/// As `say`, of returns, cases and presence.
fn say_of_case(line: &mut Line, kind: MessageKind) {
    let currency = order(1, "ALPHA", "BRAVO", 60, START_NS).currency;
    let (case_id, original_id) = (id(1).bytes(), id(2).bytes());
    let [opener, responder] = ["ALPHA", "BRAVO"].map(|name| *code(name).bytes());
    let (reason, position) = (*b"CUST", 3);
    let request = CaseOpen {
        case_id,
        kind: CaseKind::PaymentRequest as u8,
        original_id: NO_ID,
        opener,
        responder,
        amount: 60,
        currency,
        amount_form: AmountForm::Fixed as u8,
        reason: [0; 4],
        expires_at_ns: 0,
    };
    let back = Return { return_id: case_id, original_id, case_id: NO_ID, amount: 60, currency, reason };
    match kind {
        MessageKind::Return => line.say(kind, &back),
        MessageKind::Returned => {
            let Return { return_id, case_id, amount, .. } = back;
            let (returned_total, decided_at_ns) = (60, START_NS);
            let returned = Returned {
                return_id,
                original_id,
                case_id,
                amount,
                currency,
                reason,
                returned_total,
                decided_at_ns,
                position,
            };
            line.say(kind, &returned);
        }
        MessageKind::CaseOpen => line.say(kind, &request),
        MessageKind::CaseForward => {
            let CaseOpen { kind: about, amount, amount_form, reason, .. } = request;
            let forward = CaseForward {
                case_id,
                kind: about,
                original_id,
                opener,
                responder,
                amount,
                currency,
                amount_form,
                reason,
                deadline_ns: START_NS + TIMEOUT_NS,
            };
            line.say(kind, &forward);
        }
        MessageKind::CaseAnswer => line.say(kind, &CaseAnswer::accept(id(1))),
        MessageKind::CaseCancel => line.say(kind, &CaseCancel { case_id, reason }),
        MessageKind::CaseStatus => {
            let status = CaseStatus { case_id, kind: 3, state: 1, reason, field: 0, at_ns: START_NS, position };
            line.say(kind, &status);
        }
        MessageKind::SignOn | MessageKind::SignOff => line.say_empty(kind),
        other => panic!("{other:?} is said elsewhere"),
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
        hub.pass_ms(PAUSE_MS_MAX);
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
    // Nothing waits for the answers of these rows, so it changes nothing and leaves no trace; one that decides is in every other test.
    let is_for_nothing = matches!(kind, MessageKind::Answer | MessageKind::CaseAnswer | MessageKind::CaseCancel);
    let is_to_be_journaled = conduct.journaled && conduct.from_provider && !is_for_nothing;
    assert_eq!(is_journaled, is_to_be_journaled, "is {kind:?} journaled?");
    let is_refused = expected.iter().any(|text| text.contains("not_allowed"));
    assert_eq!(is_refused, !conduct.from_provider || kind == MessageKind::Hello, "may a provider send {kind:?}?");
    let forwarded: &[&str] = match kind {
        MessageKind::CreditTransfer => &["forward T1 number 1"],
        MessageKind::CaseOpen => &["asked payment_request T1 number 1"],
        _ => &[],
    };
    assert_eq!(payee.heard(&mut hub), forwarded, "after {kind:?}");
    // Whatever it was, the connection goes on, at the latest after a pause.
    hub.pass_ms(PAUSE_MS_MAX);
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
