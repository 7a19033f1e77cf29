//! What participants have acknowledged is journaled: seldom, only where it has moved, and never back.

use adapters::message::{Ack, MessageKind};
use adapters::native::frame::Head;
use switch::engine::{Batch, Engine};
use switch::entry::{Acknowledged, EntryKind, ParticipantId, write_observation};

use crate::hub::Hub;
use crate::orders::{NS_PER_MS, genesis, order};
use crate::wire::Line;

const BRAVO: ParticipantId = ParticipantId(2);

fn acknowledge(hub: &mut Hub, line: &mut Line, number: u64) {
    line.say_under(MessageKind::Ack, Head::PLAIN, &Ack { received: [number, 0, 0] });
    line.exchange(hub);
}

#[test]
fn cursors_ride_on_batches_once_a_second_and_are_cut_for_where_none_comes() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    hub.pass_ms(5_000);
    let mut pay = |hub: &mut Hub, number| {
        payer.pay(&order(number, "ALPHA", "BRAVO", 1, hub.now_ns));
        payer.exchange(hub);
    };
    (1..=4).for_each(|number| pay(&mut hub, number));
    acknowledge(&mut hub, &mut payee, 1);
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [0; 3], "no batch was cut for it");
    // It rides on the next batch.
    pay(&mut hub, 5);
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [1, 0, 0]);
    // Within the second nothing more is journaled, whatever comes.
    acknowledge(&mut hub, &mut payee, 3);
    pay(&mut hub, 6);
    hub.pass_ms(999);
    pay(&mut hub, 7);
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [1, 0, 0]);
    hub.pass_ms(1);
    pay(&mut hub, 8);
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [3, 0, 0]);
    // Where no batch comes, one is cut a second after the first move.
    hub.pass_ms(3_000);
    acknowledge(&mut hub, &mut payee, 4);
    let moved_ns = hub.now_ns;
    hub.pass_ms(900);
    acknowledge(&mut hub, &mut payee, 5);
    let applied = hub.pipeline.engine().applied();
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.next_turn_ns(), Some(moved_ns + 1_000 * NS_PER_MS));
    assert_eq!(hub.pipeline.engine().applied(), applied);
    hub.pass_ms(100);
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [5, 0, 0]);
    assert_eq!(hub.pipeline.engine().applied(), applied + 2, "a batch of one entry");
    // An idle switch journals nothing.
    for _ in 0..3 {
        hub.pass_ms(1_000);
        acknowledge(&mut hub, &mut payee, 5);
    }
    assert_eq!(hub.pipeline.engine().applied(), applied + 2);
}

/// What a provider says when it connects is the truth of what it is sent, and never moves what is journaled back.
#[test]
fn a_provider_that_has_lost_its_memory_moves_no_cursor_back() {
    let mut hub = Hub::steady();
    let mut payer = Line::welcomed(&mut hub, "ALPHA");
    let mut payee = Line::welcomed(&mut hub, "BRAVO");
    for number in 1..=4 {
        payer.pay(&order(number, "ALPHA", "BRAVO", 1, hub.now_ns));
        payer.exchange(&mut hub);
    }
    acknowledge(&mut hub, &mut payee, 4);
    hub.pass_ms(2_000);
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [4, 0, 0]);
    hub.detach(payee.key);
    let mut payee = Line::silent(&mut hub, "BRAVO");
    payee.hello("BRAVO", [0; 16], [0; 3]);
    let heard: Vec<String> = (0..3).flat_map(|_| payee.exchange(&mut hub)).collect();
    assert_eq!(heard.len(), 5, "welcomed, and told everything: {heard:?}");
    acknowledge(&mut hub, &mut payee, 2);
    hub.pass_ms(2_000);
    hub.turn().unwrap();
    assert_eq!(hub.pipeline.engine().acknowledged(BRAVO), [4, 0, 0]);
}

#[test]
fn the_engine_takes_no_cursor_that_goes_back_or_beyond() {
    let (payload, _) = genesis([1; 4], 100);
    let cursors = |participant, cursors| {
        let mut engine = Engine::new();
        let mut effects = Vec::new();
        engine.apply(Batch { first_sequence: 1, time_ns: 1, payload: &payload }, &mut effects).unwrap();
        let mut entry = Vec::new();
        write_observation(&mut entry, EntryKind::Acknowledged, &Acknowledged { participant, cursors }.bytes());
        engine.apply(Batch { first_sequence: 100, time_ns: 2, payload: &entry }, &mut effects).err()
    };
    assert_eq!(cursors(2, [0; 3]), None);
    assert!(cursors(2, [1, 0, 0]).unwrap().reason.contains("beyond"));
    assert!(cursors(2, [0, 0, 1]).unwrap().reason.contains("beyond"));
    assert!(cursors(9, [0; 3]).unwrap().reason.contains("nobody"));
    assert!(cursors(0, [0; 3]).unwrap().reason.contains("nobody"));
}
