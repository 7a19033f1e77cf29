//! Connections: numbers, acknowledgements, time-outs, limits, the end of a connection and of the switch.

use adapters::message::{Ack, Answer, Echo, Lane, MessageKind, SEEN_FROM_THE_END, StatusRequest};
use adapters::native::frame::Head;
use switch::limits::PAUSE_MS_MAX;
use switch::pipeline::PipelineLimits;

use crate::hub::{Hub, patient};
use crate::orders::{START_NS, TIMEOUT_NS, code, id, order};
use crate::wire::Line;

fn limits() -> PipelineLimits {
    PipelineLimits { in_flight_max: 100, in_flight_per_participant_max: 100, ingress_transfers_max: 100, ..patient() }
}

#[test]
fn frame_numbers_follow_one_another() {
    for (first, second) in [(1, 1), (1, 3), (1, 0), (0, 1), (2, 3), (1, u64::MAX)] {
        let mut hub = Hub::steady();
        let mut line = Line::welcomed(&mut hub, "ALPHA");
        for number in [first, second] {
            line.say_under(MessageKind::Echo, Head { number, ..Head::PLAIN }, &Echo { token: number, reply: 0 });
        }
        let heard = line.exchange(&mut hub);
        let wrong = if first == 1 { second } else { first };
        let mut expected = vec![format!("error bad_number frame {wrong} fatal"), "end".to_owned()];
        if first == 1 {
            expected.insert(0, "echo answers 1".to_owned());
        }
        assert_eq!(heard, expected, "{first}, then {second}");
    }
}

#[test]
fn a_refused_frame_counts_and_framing_goes_on() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    line.echo(1);
    line.outgoing[4] = 9;
    let second = line.outgoing.len();
    line.echo(2);
    line.outgoing[second + 5] = 99;
    line.echo(3);
    let expected = ["error bad_version frame 1", "error unknown_kind frame 2", "echo answers 3", "ack, 3 decided"];
    assert_eq!(line.exchange(&mut hub), expected);
}

/// A provider of a later version says `Hello` in that version. `Hello` has no number, and was once refused for that, by an error that said
/// nothing of versions and ended the connection.
#[test]
fn a_hello_of_another_version_is_told_so() {
    let mut hub = Hub::steady();
    let mut line = Line::silent(&mut hub, "ALPHA");
    line.hello("ALPHA", [0; 16], [0; 3]);
    line.outgoing[4] = 1;
    assert_eq!(line.exchange(&mut hub), ["error bad_version frame 0"]);
    hub.pass_ms(PAUSE_MS_MAX);
    line.hello("ALPHA", [0; 16], [0; 3]);
    assert_eq!(line.exchange(&mut hub), ["welcome after 0"]);
}

#[test]
fn a_provider_numbers_in_the_session_lane_only() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    let head = Head { lane: Lane::Payments, number: 1, ..Head::PLAIN };
    line.say_under(MessageKind::Echo, head, &Echo { token: 1, reply: 0 });
    assert_eq!(line.exchange(&mut hub), ["error bad_message frame 1", "ack, 1 decided"]);
}

#[test]
fn lost_framing_ends_the_connection() {
    for (at, byte, error) in [(0, 8, "bad_frame"), (1, 0xff, "frame_too_large")] {
        let mut hub = Hub::steady();
        let mut line = Line::welcomed(&mut hub, "ALPHA");
        line.echo(1);
        line.outgoing[at] = byte;
        assert_eq!(line.exchange(&mut hub), [format!("error {error} frame 0 fatal"), "end".to_owned()]);
    }
}

#[test]
fn bytes_cut_anywhere_give_the_same() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    line.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    line.echo(2);
    for byte in std::mem::take(&mut line.outgoing) {
        hub.deliver(line.key, &[byte]);
    }
    assert_eq!(line.exchange(&mut hub), ["echo answers 2", "ack, 2 decided"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 1);
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    payer.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    payer.exchange(&mut hub);
    let ack = |received| Ack { received: [received, 0, 0] };
    // One message waits for BRAVO: it may say that it has it, again and less, but not more, nor of another lane.
    for (received, lane, is_right) in [(1, 0, true), (0, 0, true), (2, 0, false), (1, 1, false), (u64::MAX, 2, false)] {
        let mut payee = Line::welcomed(&mut hub, "BRAVO");
        let waits = ["forward T1 number 1"];
        assert_eq!((0..3).flat_map(|_| payee.exchange(&mut hub)).collect::<Vec<_>>(), waits);
        let mut cursors = ack(0);
        cursors.received[lane] = received;
        payee.say_under(MessageKind::Ack, Head::PLAIN, &cursors);
        let expected: &[&str] = if is_right { &[] } else { &["error bad_number frame 0 fatal", "end"] };
        assert_eq!(payee.exchange(&mut hub), expected, "{received} of lane {lane}");
        hub.detach(payee.key);

        let mut payee = Line::welcomed(&mut hub, "BRAVO");
        assert_eq!((0..3).flat_map(|_| payee.exchange(&mut hub)).collect::<Vec<_>>(), waits);
        let head = Head { number: 1, acknowledged_lane: Lane::OUTBOX[lane], acknowledged: received, ..Head::PLAIN };
        payee.say_under(MessageKind::Echo, head, &Echo { token: 1, reply: 0 });
        let heard = payee.exchange(&mut hub);
        assert_eq!(heard[0] == "echo answers 1", is_right, "in a header: {heard:?}");
        hub.detach(payee.key);
    }
}

#[test]
fn time_outs() {
    // (phase, what is sent first, milliseconds, what comes)
    let cases: [(&str, u64, &[&str]); 8] = [
        ("silent", 5_000, &[]),
        ("silent", 5_001, &["error too_slow frame 0 fatal", "end"]),
        ("live", 10_000, &[]),
        ("live", 10_001, &["echo asks"]),
        ("live", 30_001, &["error too_slow frame 0 fatal", "end"]),
        ("partial", 10_000, &[]),
        ("partial", 10_001, &["error too_slow frame 0 fatal", "end"]),
        ("first part", 5_001, &["error too_slow frame 0 fatal", "end"]),
    ];
    for (phase, wait_ms, expected) in cases {
        let mut hub = Hub::steady();
        let mut line = match phase {
            "silent" | "first part" => Line::silent(&mut hub, "ALPHA"),
            _ => Line::welcomed(&mut hub, "ALPHA"),
        };
        if phase == "partial" || phase == "first part" {
            hub.deliver(line.key, &[41, 0]);
        }
        hub.pass_ms(wait_ms);
        assert_eq!(line.exchange(&mut hub), expected, "{phase}, after {wait_ms} ms");
    }
}

/// Whoever keeps talking without saying `Hello` was once given all the time there is: each refused frame began the five seconds anew.
#[test]
fn hello_must_come_in_time_whatever_else_comes() {
    let mut hub = Hub::steady();
    let mut line = Line::silent(&mut hub, "ALPHA");
    for number in 1..=5 {
        line.echo(number);
        let heard = line.exchange(&mut hub);
        assert!(heard[0].starts_with(&format!("error not_allowed frame {number}")), "{heard:?}");
        hub.pass_ms(1_000);
    }
    hub.pass_ms(1);
    assert_eq!(line.exchange(&mut hub), ["error too_slow frame 0 fatal, 5 decided", "end"]);
}

/// A time-out is an end like any other: what is decided meanwhile waits for the next connection.
#[test]
fn nothing_follows_a_time_out() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    hub.pass_ms(20_000);
    payer.echo(1);
    payer.exchange(&mut hub);
    assert_eq!(payee.heard(&mut hub), ["echo asks"]);
    hub.pass_ms(10_001);
    payer.echo(2);
    payer.exchange(&mut hub);
    payer.pay(&order(1, "ALPHA", "BRAVO", 60, hub.now_ns));
    payer.exchange(&mut hub);
    assert_eq!(payee.heard(&mut hub), ["error too_slow frame 0 fatal", "end"]);
    hub.detach(payee.key);
    payee = Line::welcomed(&mut hub, "BRAVO");
    assert_eq!((0..3).flat_map(|_| payee.exchange(&mut hub)).collect::<Vec<_>>(), ["forward T1 number 1"]);
}

/// One byte now and then is no sign of life in the middle of a frame.
#[test]
fn a_frame_that_trickles_in_is_too_slow() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    line.echo(1);
    let bytes = std::mem::take(&mut line.outgoing);
    for byte in &bytes[..10] {
        hub.deliver(line.key, &[*byte]);
        hub.pass_ms(1_000);
        assert_eq!(line.exchange(&mut hub), [""; 0]);
    }
    hub.pass_ms(1);
    assert_eq!(line.exchange(&mut hub), ["error too_slow frame 0 fatal", "end"]);
}

#[test]
fn an_echo_asks_once_and_an_answer_is_a_sign_of_life() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    for _ in 0..4 {
        hub.pass_ms(10_001);
        let asked = line.exchange(&mut hub);
        assert!(asked.len() == 1 && asked[0].starts_with("echo asks"), "{asked:?}");
        assert_eq!(line.exchange(&mut hub), [""; 0]);
        line.say(MessageKind::Echo, &Echo { token: 1, reply: 1 });
        assert_eq!(line.exchange(&mut hub), [format!("ack, {} decided", line.number)]);
    }
}

#[test]
fn a_second_connection_replaces_the_first() {
    let mut hub = Hub::steady();
    let mut older = Line::welcomed(&mut hub, "ALPHA");
    let mut newer = Line::welcomed(&mut hub, "ALPHA");
    assert_eq!(older.heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
    // What the older still says is not heard.
    older.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    assert_eq!(older.exchange(&mut hub), ["end"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 0);
    hub.detach(older.key);
    newer.pay(&order(2, "ALPHA", "NOBODY", 60, START_NS));
    assert_eq!(newer.exchange(&mut hub), ["status rejected T2 number 1, 1 decided"]);
}

/// What was taken before it was replaced is decided, and the newer connection hears of it.
#[test]
fn an_order_in_the_turn_of_its_replacement_is_not_lost() {
    let mut hub = Hub::steady();
    let mut older = Line::welcomed(&mut hub, "ALPHA");
    older.pay(&order(1, "ALPHA", "NOBODY", 60, START_NS));
    hub.deliver(older.key, &older.outgoing);
    let mut newer = Line::silent(&mut hub, "ALPHA");
    newer.hello("ALPHA", [0; 16], [0; 3]);
    assert_eq!(newer.exchange(&mut hub), ["welcome after 0", "status rejected T1 number 1"]);
    assert_eq!(older.heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
}

/// A connection that errs is told so, and nothing after that; what it had ordered before is decided all the same.
#[test]
fn nothing_follows_a_fatal_error() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    line.pay(&order(1, "ALPHA", "NOBODY", 60, START_NS));
    line.pay(&order(1, "ALPHA", "NOBODY", 60, START_NS));
    line.say(MessageKind::StatusRequest, &StatusRequest { payment_id: id(1).bytes() });
    line.say_under(MessageKind::Echo, Head { number: 9, ..Head::PLAIN }, &Echo { token: 1, reply: 0 });
    assert_eq!(line.exchange(&mut hub), ["error bad_number frame 9 fatal", "end"]);
    hub.detach(line.key);
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    assert_eq!((0..3).flat_map(|_| line.exchange(&mut hub)).collect::<Vec<_>>(), ["status rejected T1 number 1"]);
}

#[test]
fn hello_must_name_who_the_certificate_names() {
    let mut hub = Hub::steady();
    let mut line = Line::silent(&mut hub, "ALPHA");
    line.hello("BRAVO", [0; 16], [0; 3]);
    assert_eq!(line.exchange(&mut hub), ["error wrong_participant frame 0 fatal", "end"]);
    let mut line = Line::silent(&mut hub, "STRANGER");
    line.hello("STRANGER", [0; 16], [0; 3]);
    assert_eq!(line.exchange(&mut hub), ["error unknown_participant frame 0 fatal", "end"]);
}

#[test]
fn where_a_connection_goes_on() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    for number in 1..=5 {
        line.pay(&order(number, "ALPHA", "NOBODY", 60, START_NS));
    }
    assert_eq!(line.exchange(&mut hub).len(), 5);
    let ours = [0x42; 16];
    let cases = [
        (ours, [0; 3], 0),
        (ours, [3, 0, 0], 3),
        (ours, [5, 0, 0], 5),
        (ours, SEEN_FROM_THE_END, 5),
        // Numbers that mean nothing: everything comes again.
        (ours, [6, 0, 0], 0),
        (ours, [3, 1, 0], 0),
        // In this lane nothing old is wanted.
        (ours, [u64::MAX, 0, 0], 5),
        (ours, [u64::MAX, 1, 0], 5),
        ([0x43; 16], [3, 0, 0], 0),
        ([0; 16], [0; 3], 0),
        // Who wants nothing old need not know the lineage.
        ([0; 16], SEEN_FROM_THE_END, 5),
    ];
    for (lineage, seen, after) in cases {
        let mut line = Line::silent(&mut hub, "ALPHA");
        line.hello("ALPHA", lineage, seen);
        let heard: Vec<String> = (0..3).flat_map(|_| line.exchange(&mut hub)).collect();
        let mut expected = vec![format!("welcome after {after}")];
        expected.extend((after + 1..=5).map(|number| format!("status rejected T{number} number {number}")));
        assert_eq!(heard, expected, "{lineage:?} {seen:?}");
        hub.detach(line.key);
    }
}

#[test]
fn an_order_and_a_question_about_it_may_travel_together() {
    let mut hub = Hub::steady();
    let mut line = Line::welcomed(&mut hub, "ALPHA");
    let request = StatusRequest { payment_id: id(1).bytes() };
    line.say(MessageKind::StatusRequest, &request);
    line.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    line.say(MessageKind::StatusRequest, &request);
    // The batch comes first, wherever the question stands: a status never says less than what is known when it leaves.
    assert_eq!(line.exchange(&mut hub), ["status in_flight T1 reply, 3 decided"; 2]);
    // Who is no party learns nothing.
    let mut other = Line::welcomed(&mut hub, "CHARLIE");
    other.say(MessageKind::StatusRequest, &request);
    assert_eq!(other.exchange(&mut hub), ["status unknown T1 reply, 1 decided"]);
}

#[test]
fn busy_by_participant_by_switch_and_by_batch() {
    let cases = [
        (PipelineLimits { in_flight_per_participant_max: 2, ..limits() }, true),
        (PipelineLimits { in_flight_max: 2, ..limits() }, false),
    ];
    for (limits, others_are_free) in cases {
        let mut hub = Hub::limited(limits);
        let mut payer = Line::welcomed(&mut hub, "ALPHA");
        let mut other = Line::welcomed(&mut hub, "CHARLIE");
        let mut payee = Line::welcomed(&mut hub, "BRAVO");
        for number in 1..=3 {
            payer.pay(&order(number, "ALPHA", "BRAVO", 60, START_NS));
        }
        assert_eq!(payer.exchange(&mut hub), ["error busy frame 3", "ack, 3 decided"]);
        payer.pay(&order(3, "ALPHA", "BRAVO", 60, START_NS));
        assert_eq!(payer.exchange(&mut hub), ["error busy frame 4, 3 decided", "ack, 4 decided"]);
        other.pay(&order(4, "CHARLIE", "DELTA", 60, START_NS));
        let expected: &[&str] =
            if others_are_free { &["ack, 1 decided"] } else { &["error busy frame 1", "ack, 1 decided"] };
        assert_eq!(other.exchange(&mut hub), expected);
        // An answer is never refused for want of room, and makes room; what was refused has left no trace.
        payee.say(MessageKind::Answer, &Answer::accept(id(1)));
        payee.exchange(&mut hub);
        payer.heard(&mut hub);
        payer.pay(&order(3, "ALPHA", "BRAVO", 60, START_NS));
        assert_eq!(payer.exchange(&mut hub), ["ack, 5 decided"]);
    }
}

#[test]
fn a_full_batch_makes_busy_until_the_next() {
    let mut hub = Hub::limited(PipelineLimits { ingress_transfers_max: 2, ..limits() });
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut other = Line::welcomed(&mut hub, "CHARLIE");
    for number in 1..=2 {
        payer.pay(&order(number, "ALPHA", "BRAVO", 60, START_NS));
    }
    hub.deliver(payer.key, &std::mem::take(&mut payer.outgoing));
    other.pay(&order(3, "CHARLIE", "BRAVO", 60, START_NS));
    assert_eq!(other.exchange(&mut hub), ["error busy frame 1", "ack, 1 decided"]);
    other.pay(&order(3, "CHARLIE", "BRAVO", 60, START_NS));
    assert_eq!(other.exchange(&mut hub), ["ack, 2 decided"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 3);
}

/// The limit is the participant's, not the connection's: it was once counted anew for a connection that took over within a turn.
#[test]
fn a_second_connection_in_the_same_turn_gets_no_second_allowance() {
    let mut hub = Hub::limited(PipelineLimits { in_flight_per_participant_max: 2, ..limits() });
    let mut older = Line::welcomed(&mut hub, "ALPHA");
    for number in 1..=2 {
        older.pay(&order(number, "ALPHA", "BRAVO", 60, START_NS));
    }
    hub.deliver(older.key, &older.outgoing);
    let mut newer = Line::silent(&mut hub, "ALPHA");
    newer.hello("ALPHA", [0; 16], [0; 3]);
    newer.pay(&order(3, "ALPHA", "BRAVO", 60, START_NS));
    assert_eq!(newer.exchange(&mut hub), ["welcome after 0", "error busy frame 1", "ack, 1 decided"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 2);
}

#[test]
fn a_draining_switch_takes_answers_and_no_orders() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    payer.pay(&order(1, "ALPHA", "BRAVO", 60, START_NS));
    payer.exchange(&mut hub);
    hub.pipeline.begin_draining();
    assert!(!hub.pipeline.is_drained(), "a payment is open");
    payer.pay(&order(2, "ALPHA", "BRAVO", 60, START_NS));
    assert_eq!(payer.exchange(&mut hub), ["error shutting_down frame 2, 1 decided", "ack, 2 decided"]);
    payee.say(MessageKind::Answer, &Answer::accept(id(1)));
    let expected = ["forward T1 number 1", "status committed T1 number 2, 1 decided"];
    assert_eq!(payee.exchange(&mut hub), expected);
    assert!(!hub.pipeline.is_drained(), "the payer provider has not taken its status");
    assert_eq!(payer.heard(&mut hub), ["status committed T1 number 1, 2 decided"]);
    assert!(hub.pipeline.is_drained());
}

#[test]
fn an_idle_switch_turns_for_its_mark_and_for_the_next_deadline() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    hub.pass_ms(100);
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.next_turn_ns(), None);
    let accepted_at_ns = hub.now_ns;
    payer.pay(&order(1, "ALPHA", "BRAVO", 60, accepted_at_ns));
    payer.exchange(&mut hub);
    assert_eq!(hub.pipeline.next_turn_ns(), Some(accepted_at_ns + 10_000_000), "the sync mark");
    hub.pass_ms(10);
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.next_turn_ns(), Some(accepted_at_ns + TIMEOUT_NS), "the deadline");
    hub.now_ns = accepted_at_ns + TIMEOUT_NS;
    assert_eq!(payer.exchange(&mut hub), ["status expired T1 number 1, 1 decided"]);
    assert_eq!(hub.pipeline.code_of(payer.key), Some(code("ALPHA")));
}
