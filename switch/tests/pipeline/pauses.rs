//! Who sends more than it may is not read for a moment, so that refusing it costs the others nothing; and it loses nothing by that.

use adapters::limits::{ECHO_AFTER_MS, FRAME_BYTES_MAX, STALL_MAX_MS};
use adapters::message::{Ack, Answer, CreditTransfer, Lane, MessageKind};
use adapters::native::frame::Head;
use switch::limits::{PAUSE_MS_MAX, RECEIVE_BYTES_OVER_RATE, RECEIVE_BYTES_PER_TURN};
use switch::pipeline::PipelineLimits;
use switch::pipeline::fairness::Rate;

use crate::hub::{Hub, patient};
use crate::orders::{NS_PER_MS, START_NS, id, order};
use crate::wire::Line;

const PAUSE_NS: u64 = PAUSE_MS_MAX * NS_PER_MS;

/// One token at a time, and a long wait for the next.
fn hub() -> Hub {
    hub_with(Rate { per_second: 1, burst: 1 })
}

fn hub_with(rate: Rate) -> Hub {
    Hub::limited(PipelineLimits { rate, ..patient() })
}

fn pay(line: &mut Line, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| line.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS)));
}

/// A connection of ALPHA that was just refused.
fn flooder(hub: &mut Hub) -> Line {
    let mut line = Line::welcomed(hub, "ALPHA");
    pay(&mut line, [1, 2]);
    assert_eq!(line.exchange(hub), ["error rate_limited frame 2", "ack, 2 decided"]);
    line
}

/// Is it read now?
fn is_read(hub: &mut Hub, line: &Line) -> bool {
    hub.pipeline.bytes_wanted(line.key, hub.now_ns) > 0
}

#[test]
fn who_was_refused_is_not_read_until_the_pause_is_over_and_nothing_is_lost() {
    let mut hub = hub();
    let mut alpha = flooder(&mut hub);
    pay(&mut alpha, 3..=5);
    assert!(alpha.exchange(&mut hub).is_empty(), "not read");
    hub.now_ns += PAUSE_NS - 1;
    assert!(alpha.exchange(&mut hub).is_empty(), "not yet");
    hub.now_ns += 1;
    let refused = (3..=5).map(|frame| format!("error rate_limited frame {frame}, 2 decided"));
    let heard = alpha.exchange(&mut hub);
    assert!(heard.iter().eq(&Vec::from_iter(refused.chain(["ack, 5 decided".to_owned()]))), "{heard:?}");
    assert!(!is_read(&mut hub, &alpha), "and again");
}

#[test]
fn the_shell_is_woken_when_a_pause_is_over_and_not_again() {
    let mut hub = hub();
    let alpha = flooder(&mut hub);
    let end_ns = hub.now_ns + PAUSE_NS;
    assert_eq!(hub.pipeline.next_turn_ns(), Some(end_ns), "nothing else is due before");
    hub.now_ns = end_ns;
    assert!(is_read(&mut hub, &alpha));
    hub.turn().unwrap();
    assert!(hub.pipeline.next_turn_ns().is_none_or(|next_ns| next_ns > end_ns));
}

#[test]
fn of_a_connection_that_has_gone_nobody_is_woken_for_ever() {
    let mut hub = hub();
    let alpha = flooder(&mut hub);
    hub.detach(alpha.key);
    hub.now_ns += PAUSE_NS;
    // The shell has no connection to ask about.
    (0..2).for_each(|_| hub.turn().unwrap());
    assert!(hub.pipeline.next_turn_ns().is_none_or(|next_ns| next_ns > hub.now_ns));
}

#[test]
fn a_pause_is_as_long_as_what_was_refused_and_has_an_end() {
    for (refused, expected_ns) in [(1, PAUSE_NS / 10), (3, 3 * PAUSE_NS / 10), (10, PAUSE_NS), (100, PAUSE_NS)] {
        let mut hub = hub_with(Rate { per_second: 10_000 / PAUSE_MS_MAX as u32, burst: 10 });
        let mut alpha = Line::welcomed(&mut hub, "ALPHA");
        pay(&mut alpha, 1..=10 + refused);
        alpha.exchange(&mut hub);
        hub.now_ns += expected_ns - 1;
        assert!(!is_read(&mut hub, &alpha), "{refused} were refused");
        hub.now_ns += 1;
        assert!(is_read(&mut hub, &alpha), "{refused} were refused");
    }
}

#[test]
fn whoever_is_always_over_its_rate_gets_all_of_its_rate() {
    let mut hub = hub_with(Rate { per_second: 1_000, burst: 10 });
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    for _ in 0..1_000 {
        if hub.unread_bytes(alpha.key) < RECEIVE_BYTES_OVER_RATE {
            let number = alpha.number;
            pay(&mut alpha, number + 1..=number + 300);
        }
        alpha.exchange(&mut hub);
        hub.now_ns += NS_PER_MS;
    }
    let taken = hub.pipeline.engine().counts().in_flight;
    assert!((1_000 - PAUSE_MS_MAX..=1_010).contains(&taken), "{taken} in a second");
}

#[test]
fn of_whom_much_was_refused_less_is_read_at_once() {
    let mut hub = hub();
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    assert_eq!(hub.pipeline.bytes_wanted(alpha.key, hub.now_ns), RECEIVE_BYTES_PER_TURN);
    pay(&mut alpha, 1..=2_000);
    alpha.exchange(&mut hub);
    hub.now_ns += PAUSE_NS;
    assert_eq!(hub.pipeline.bytes_wanted(alpha.key, hub.now_ns), RECEIVE_BYTES_OVER_RATE);
    let before = hub.unread_bytes(alpha.key);
    alpha.exchange(&mut hub);
    let read = before - hub.unread_bytes(alpha.key);
    assert!(read.abs_diff(RECEIVE_BYTES_OVER_RATE) <= FRAME_BYTES_MAX, "{read}");
    // Once nothing of it is refused, it is as anybody.
    while hub.unread_bytes(alpha.key) > 0 {
        hub.now_ns += PAUSE_NS;
        alpha.exchange(&mut hub);
    }
    hub.now_ns += PAUSE_NS;
    alpha.echo(7);
    alpha.exchange(&mut hub);
    assert_eq!(hub.pipeline.bytes_wanted(alpha.key, hub.now_ns), RECEIVE_BYTES_PER_TURN);
}

#[test]
fn the_others_and_its_own_other_connection_are_read() {
    let mut hub = hub();
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    let mut other_line = Line::silent(&mut hub, "ALPHA");
    other_line.hello_in(1, "ALPHA", [0x42; 16], [0; 3]);
    other_line.exchange(&mut hub);
    let mut bravo = Line::welcomed(&mut hub, "BRAVO");
    bravo.pay(&order(9, "BRAVO", "ALPHA", 1, START_NS));
    bravo.exchange(&mut hub);
    pay(&mut alpha, [1, 2]);
    alpha.exchange(&mut hub);
    assert!(!is_read(&mut hub, &alpha) && is_read(&mut hub, &bravo));
    // Its answers go through on the other one, which pauses only for what it brings itself.
    other_line.say(MessageKind::Answer, &Answer::accept(id(9)));
    other_line.exchange(&mut hub);
    assert_eq!(hub.pipeline.engine().counts().committed, 1);
    pay(&mut other_line, [3]);
    other_line.exchange(&mut hub);
    assert!(!is_read(&mut hub, &other_line));
}

#[test]
fn answers_and_acknowledgements_wait_no_longer_than_the_pause_and_what_it_is_told_flows_on() {
    let mut hub = hub();
    let mut alpha = flooder(&mut hub);
    let mut bravo = Line::welcomed(&mut hub, "BRAVO");
    bravo.pay(&order(9, "BRAVO", "ALPHA", 1, START_NS));
    bravo.exchange(&mut hub);
    assert_eq!(alpha.heard(&mut hub), ["forward T9 number 1, 2 decided"], "in the middle of the pause");
    alpha.number += 1;
    let head = Head { number: alpha.number, acknowledged_lane: Lane::Payments, acknowledged: 1, ..Head::PLAIN };
    alpha.say_under(MessageKind::Answer, head, &Answer::accept(id(9)));
    let state = |hub: &Hub| {
        let marks = hub.pipeline.lane_watermarks(alpha.key).unwrap()[0];
        (hub.pipeline.engine().counts().committed, marks.acknowledged)
    };
    hub.now_ns += PAUSE_NS - 1;
    hub.deliver(alpha.key, &alpha.outgoing);
    hub.turn().unwrap();
    assert_eq!(state(&hub), (0, 0));
    hub.now_ns += 1;
    hub.deliver(alpha.key, &[]);
    hub.turn().unwrap();
    assert_eq!(state(&hub), (1, 1));
}

#[test]
fn who_is_not_read_is_not_silent_and_not_in_the_middle_of_a_frame() {
    let mut hub = hub();
    let mut alpha = flooder(&mut hub);
    // Over and over it is refused, with a piece of a frame behind it, for longer than anybody may be in the middle of one.
    let turns = ECHO_AFTER_MS.max(STALL_MAX_MS) / PAUSE_MS_MAX + 100;
    for number in 3..3 + turns {
        pay(&mut alpha, [number]);
        let piece = alpha.outgoing.split_off(alpha.outgoing.len() - 10);
        let heard = alpha.exchange(&mut hub);
        assert!(heard.iter().all(|text| !text.contains("too_slow") && !text.contains("echo")), "{heard:?}");
        alpha.outgoing = piece;
        hub.now_ns += PAUSE_NS;
    }
}

#[test]
fn what_is_no_message_and_costs_no_token_makes_a_pause_too() {
    let mut hub = hub();
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    alpha.pay(&CreditTransfer { amount: 0, ..order(1, "ALPHA", "BRAVO", 1, START_NS) });
    assert_eq!(alpha.exchange(&mut hub), ["error bad_field frame 1", "ack, 1 decided"]);
    assert!(!is_read(&mut hub, &alpha));
    hub.now_ns += PAUSE_NS;
    assert!(is_read(&mut hub, &alpha));
}

#[test]
fn busy_makes_no_pause_and_without_a_rate_there_is_none() {
    let mut hub = Hub::limited(PipelineLimits { in_flight_per_participant_max: 1, ..patient() });
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    pay(&mut alpha, [1, 2]);
    assert_eq!(alpha.exchange(&mut hub), ["error busy frame 2", "ack, 2 decided"]);
    assert!(is_read(&mut hub, &alpha));
    let mut hub = hub_with(Rate::UNLIMITED);
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    alpha.pay(&CreditTransfer { amount: 0, ..order(1, "ALPHA", "BRAVO", 1, START_NS) });
    alpha.exchange(&mut hub);
    assert!(is_read(&mut hub, &alpha));
}

#[test]
fn a_drain_waits_for_the_answers_of_who_is_paused() {
    let mut hub = hub();
    let mut bravo = Line::welcomed(&mut hub, "BRAVO");
    let mut alpha = Line::welcomed(&mut hub, "ALPHA");
    bravo.pay(&order(9, "BRAVO", "ALPHA", 1, START_NS));
    bravo.exchange(&mut hub);
    pay(&mut alpha, [1, 2]);
    alpha.exchange(&mut hub);
    hub.pipeline.begin_draining();
    alpha.say(MessageKind::Answer, &Answer::accept(id(9)));
    alpha.exchange(&mut hub);
    bravo.say(MessageKind::Answer, &Answer::accept(id(1)));
    bravo.exchange(&mut hub);
    assert!(!hub.pipeline.is_drained(), "an answer lies unread");
    let next_ns = hub.pipeline.next_turn_ns().unwrap();
    assert!(next_ns <= hub.now_ns + PAUSE_NS);
    hub.now_ns += PAUSE_NS;
    alpha.say(MessageKind::Ack, &Ack { received: [2, 0, 0] });
    alpha.exchange(&mut hub);
    bravo.heard(&mut hub);
    assert_eq!(hub.pipeline.engine().counts().committed, 2);
    assert!(hub.pipeline.is_drained());
}
