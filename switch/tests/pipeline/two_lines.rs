//! Two connections of one participant: numbers interleave over them, acknowledgements count over both, and what one was given goes to the other when it is cut.

use std::collections::BTreeSet;

use adapters::message::{Ack, HELLO_ALONE, MessageKind, SEEN_FROM_THE_END};
use adapters::native::frame::Head;
use switch::limits::{OUTGOING_BYTES_MAX, RENDER_RECORDS_MAX};
use switch::pipeline::PipelineLimits;

use crate::hub::{Hub, patient};
use crate::orders::{START_NS, order};
use crate::wire::Line;

const LINEAGE: [u8; 16] = [0x42; 16];

/// BRAVO's second connection. It says what it has seen over both; the switch says what it has acknowledged.
fn second(hub: &mut Hub, slot: u8, seen: u64, expected: u64) -> Line {
    let mut line = Line::silent(hub, "BRAVO");
    line.hello_in(slot, "BRAVO", LINEAGE, [seen, 0, 0]);
    assert_eq!(line.exchange(hub), [format!("welcome after {expected}")]);
    line
}

/// ALPHA pays BRAVO, one payment a turn.
fn pay(hub: &mut Hub, payer: &mut Line, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        payer.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS));
        payer.exchange(hub);
    }
}

fn acknowledge(hub: &mut Hub, line: &mut Line, number: u64) -> Vec<String> {
    line.say_under(MessageKind::Ack, Head::PLAIN, &Ack { received: [number, 0, 0] });
    line.exchange(hub)
}

fn forwards(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| format!("forward T{number} number {number}")).collect()
}

/// What comes in a few turns: long enough for frames that are made elsewhere.
fn settled(hub: &mut Hub, line: &mut Line) -> Vec<String> {
    (0..4).flat_map(|_| line.exchange(hub)).collect()
}

/// ALPHA's line, and BRAVO's two.
fn both(hub: &mut Hub) -> (Line, [Line; 2]) {
    let payer = Line::welcomed(hub, "ALPHA");
    let first = Line::welcomed(hub, "BRAVO");
    let second = second(hub, 1, 0, 0);
    assert_eq!(first.heard(hub), [""; 0], "a connection in another slot replaces nobody");
    (payer, [first, second])
}

#[test]
fn turns_alternate_and_acknowledgements_count_over_both() {
    let mut hub = Hub::steady();
    let (mut payer, [first, mut second]) = both(&mut hub);
    pay(&mut hub, &mut payer, 1..=4);
    let heard = [first.heard(&mut hub), second.heard(&mut hub)];
    let (odd, even) = (forwards(&[1, 3]), forwards(&[2, 4]));
    assert!(heard == [odd.clone(), even.clone()] || heard == [even, odd], "{heard:?}");
    // Either connection may say what came over both.
    assert_eq!(acknowledge(&mut hub, &mut second, 3), [""; 0]);
    let marks = hub.pipeline.lane_watermarks(first.key).unwrap()[0];
    assert_eq!((marks.enqueued, marks.sent, marks.acknowledged), (4, 4, 3));
    // A turn's frames stay together.
    for number in 5..=9 {
        payer.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS));
    }
    payer.exchange(&mut hub);
    let heard = [first.heard(&mut hub), second.heard(&mut hub)];
    assert!(heard.contains(&forwards(&[5, 6, 7, 8, 9])) && heard.contains(&Vec::new()), "{heard:?}");
    assert_eq!(acknowledge(&mut hub, &mut second, 10), ["error bad_number frame 0 fatal", "end"]);
}

#[test]
fn what_a_cut_connection_was_given_and_not_acknowledged_goes_to_the_other() {
    let mut hub = Hub::steady();
    let (mut payer, [mut first, mut second]) = both(&mut hub);
    pay(&mut hub, &mut payer, 1..=6);
    let of_first = first.heard(&mut hub);
    second.heard(&mut hub);
    acknowledge(&mut hub, &mut first, 2);
    hub.detach(first.key);
    assert_eq!(hub.pipeline.next_turn_ns(), Some(0), "nobody has to say anything first");
    // Those of the first that are not acknowledged; the second has its own.
    let again: Vec<String> = of_first.into_iter().skip(1).collect();
    assert_eq!(again.len(), 2);
    assert_eq!(settled(&mut hub, &mut second), again);
    // What is new comes meanwhile, and a connection that comes back is served beside.
    pay(&mut hub, &mut payer, 7..=7);
    assert_eq!(second.heard(&mut hub), forwards(&[7]));
    let mut first = self::second(&mut hub, 0, 6, 6);
    assert_eq!(settled(&mut hub, &mut first), [""; 0]);
    assert_eq!(hub.pipeline.lane_watermarks(first.key).unwrap()[0].acknowledged, 6, "what was seen is acknowledged");
    // The last connection leaves: the next one says where it goes on, as if there had never been two.
    hub.detach(first.key);
    hub.detach(second.key);
    let mut alone = self::second(&mut hub, 1, 3, 3);
    assert_eq!(settled(&mut hub, &mut alone), forwards(&[4, 5, 6, 7]));
}

#[test]
fn a_connection_of_the_same_slot_replaces_the_older_and_keeps_the_other() {
    let mut hub = Hub::steady();
    let (mut payer, [first, mut second]) = both(&mut hub);
    pay(&mut hub, &mut payer, 1..=4);
    let (of_first, of_second) = (first.heard(&mut hub), second.heard(&mut hub));
    let mut newer = Line::silent(&mut hub, "BRAVO");
    newer.hello_in(0, "BRAVO", LINEAGE, [0; 3]);
    let heard = settled(&mut hub, &mut newer);
    assert_eq!(first.heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
    let again = settled(&mut hub, &mut second);
    let heard: BTreeSet<String> = heard.into_iter().chain(again).collect();
    let expected: BTreeSet<String> = of_first.into_iter().chain(["welcome after 0".to_owned()]).collect();
    assert_eq!(heard, expected, "what the second had is not sent again: {of_second:?}");
}

/// Whoever does not know what the other connection was sent is the provider in another life: what it says counts, and the other one ends.
#[test]
fn a_connection_of_another_life_ends_the_other() {
    let cases = [
        // Of no lineage, or another one: it has seen nothing.
        ([0; 16], [0; 3], 0),
        ([0x43; 16], [2, 0, 0], 0),
        // It wants nothing old, and knows nothing.
        ([0; 16], SEEN_FROM_THE_END, 4),
        // Beyond what was ever sent.
        (LINEAGE, [5, 0, 0], 0),
    ];
    for (lineage, seen, after) in cases {
        let mut hub = Hub::steady();
        let mut payer = Line::welcomed(&mut hub, "ALPHA");
        let first = Line::welcomed(&mut hub, "BRAVO");
        pay(&mut hub, &mut payer, 1..=4);
        assert_eq!(first.heard(&mut hub), forwards(&[1, 2, 3, 4]));
        let mut other = Line::silent(&mut hub, "BRAVO");
        other.hello_in(1, "BRAVO", lineage, seen);
        let expected: Vec<u64> = (after + 1..=4).collect();
        let mut heard = settled(&mut hub, &mut other);
        assert_eq!(heard.remove(0), format!("welcome after {after}"));
        assert_eq!(heard, forwards(&expected), "{lineage:?} {seen:?}");
        assert_eq!(first.heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
    }
}

/// Both lines of BRAVO died without a word, and one comes back, in either slot. It says that it is alone: what the other was given comes at once. A provider that does not
/// say so waits until the switch has heard nothing of the other for too long.
#[test]
fn a_connection_that_is_alone_gets_at_once_what_a_dead_one_was_given() {
    for (slot, is_alone) in [(0, true), (1, true), (0, false), (1, false)] {
        let mut hub = Hub::steady();
        let (mut payer, lines) = both(&mut hub);
        pay(&mut hub, &mut payer, 1..=4);
        let given = lines.each_ref().map(|line| line.heard(&mut hub));
        let mut back = Line::silent(&mut hub, "BRAVO");
        let bits = if is_alone { HELLO_ALONE } else { 0 };
        back.hello_in(slot | bits, "BRAVO", LINEAGE, [0; 3]);
        let mut heard = settled(&mut hub, &mut back);
        assert_eq!(heard.remove(0), "welcome after 0");
        let [mine, other] = if slot == 0 { [0, 1] } else { [1, 0] };
        if is_alone {
            assert_eq!(heard, forwards(&[1, 2, 3, 4]));
            assert_eq!(lines[other].heard(&mut hub), ["error replaced frame 0 fatal", "end"]);
        } else {
            assert!(given[other].iter().all(|forward| !heard.contains(forward)), "{heard:?}");
        }
        assert_eq!(lines[mine].heard(&mut hub).last().unwrap(), "end");
    }
}

#[test]
fn a_connection_that_takes_nothing_holds_nobody_back() {
    let mut hub = Hub::steady();
    let (mut payer, [mut first, second]) = both(&mut hub);
    // One of them takes nothing until no more is given to it; then all goes to the other.
    let mut heard = Vec::new();
    let mut number = 0;
    while hub.waiting_bytes(second.key) < OUTGOING_BYTES_MAX {
        for _ in 0..500 {
            number += 1;
            payer.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS));
        }
        payer.exchange(&mut hub);
        heard.extend(first.heard(&mut hub));
    }
    let held = hub.waiting_bytes(second.key);
    for _ in 0..20 {
        number += 1;
        pay(&mut hub, &mut payer, number..=number);
        assert_eq!(first.heard(&mut hub), forwards(&[number]));
        heard.push(forwards(&[number]).remove(0));
    }
    assert_eq!(hub.waiting_bytes(second.key), held);
    // It is cut, and everything that it was given comes on the other: each number once.
    hub.detach(second.key);
    assert!(number as usize - heard.len() > 4 * RENDER_RECORDS_MAX, "many portions");
    while heard.len() < number as usize {
        let before = heard.len();
        heard.extend(settled(&mut hub, &mut first));
        assert!(heard.len() > before, "it goes on");
    }
    let expected: BTreeSet<String> = (1..=number).map(|number| forwards(&[number]).remove(0)).collect();
    assert_eq!((heard.len(), heard.into_iter().collect::<BTreeSet<_>>()), (number as usize, expected));
}

/// A provider whose two lines end one after the other, and who was away for long: frames that were being made for its earlier life are not its own.
#[test]
fn frames_that_were_asked_for_in_an_earlier_life_are_nobodys() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    pay(&mut hub, &mut payer, 1..=5);
    let mut first = Line::silent(&mut hub, "BRAVO");
    first.hello_in(0, "BRAVO", LINEAGE, [0; 3]);
    // They are asked for in this turn, and come with the next.
    assert_eq!(first.exchange(&mut hub), ["welcome after 0"]);
    hub.detach(first.key);
    let mut newer = Line::silent(&mut hub, "BRAVO");
    newer.hello_in(1, "BRAVO", LINEAGE, [3, 0, 0]);
    let mut expected = vec!["welcome after 3".to_owned()];
    expected.extend(forwards(&[4, 5]));
    assert_eq!(settled(&mut hub, &mut newer), expected);
}

/// The limit is the participant's, over both of its connections.
#[test]
fn two_connections_get_no_second_allowance() {
    let mut hub = Hub::limited(PipelineLimits { in_flight_per_participant_max: 2, ..patient() });
    let mut first = Line::welcomed(&mut hub, "ALPHA");
    let mut second = Line::silent(&mut hub, "ALPHA");
    second.hello_in(1, "ALPHA", LINEAGE, [0; 3]);
    assert_eq!(second.exchange(&mut hub), ["welcome after 0"]);
    for number in 1..=2 {
        first.pay(&order(number, "ALPHA", "BRAVO", 1, START_NS));
    }
    hub.deliver(first.key, &std::mem::take(&mut first.outgoing));
    second.pay(&order(3, "ALPHA", "BRAVO", 1, START_NS));
    assert_eq!(second.exchange(&mut hub), ["error busy frame 1", "ack, 1 decided"]);
    assert_eq!(hub.pipeline.engine().counts().in_flight, 2);
}
