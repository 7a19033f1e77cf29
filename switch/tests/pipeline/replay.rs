//! The engine is a function of the journal: cut anywhere, replayed by anybody, it gives the same state and the same effects.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::scan;
use switch::engine::Batch;
use switch::pipeline::Decisions;

use crate::hub::{Hub, Keys, OPTIONS, patient};
use crate::orders::NAMES;
use crate::provider::{Heard, Provider, exchange};
use crate::traffic::Traffic;

const FUNDS: [u64; 4] = [20_000, 20_000, 20_000, 500];

/// A batch as it lies in the journal.
pub(crate) struct Recorded {
    pub(crate) first_sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn recorded(storage: &FaultyStorage) -> Vec<Recorded> {
    let batches = RefCell::new(Vec::new());
    let keep = |batch: ledger::journal::Batch<'_>| {
        let (first_sequence, time_ns, payload) = (batch.first_sequence, batch.time_ns, batch.payload.to_vec());
        batches.borrow_mut().push(Recorded { first_sequence, time_ns, payload });
        Ok(())
    };
    scan(storage, keep).unwrap();
    batches.into_inner()
}

/// State digest and effects after each batch.
fn replayed(batches: &[Recorded]) -> (Decisions, Vec<(u64, [u8; 32], String)>) {
    let mut decisions = Decisions::default();
    let mut after = Vec::new();
    for Recorded { first_sequence, time_ns, payload } in batches {
        decisions.absorb(Batch { first_sequence: *first_sequence, time_ns: *time_ns, payload }).unwrap();
        after.push((decisions.engine.applied(), decisions.engine.digest(), format!("{:?}", decisions.effects)));
    }
    (decisions, after)
}

#[test]
fn a_replay_cut_at_every_batch_gives_the_live_state_and_the_same_effects() {
    let keys = Keys::new();
    for seed in 1_000..1_012 {
        let storage = FaultyStorage::new(seed);
        let mut hub = Hub::new(storage.clone(), OPTIONS, &keys, FUNDS);
        let mut traffic = Traffic::new(seed, FUNDS);
        let mut live = BTreeMap::new();
        for _ in 0..40 {
            traffic.step(&mut hub).unwrap();
            live.insert(hub.pipeline.engine().applied(), hub.pipeline.engine().digest());
        }
        let batches = recorded(&storage);
        let (_, whole) = replayed(&batches);
        for (count, (applied, digest, _)) in whole.iter().enumerate() {
            if let Some(live) = live.get(applied) {
                assert_eq!(live, digest, "seed {seed}: the live state after {applied}");
            }
            // Anew from the start, so that nothing of what comes later can have a hand in it.
            if count % 5 == 0 || count + 1 == whole.len() {
                assert_eq!(replayed(&batches[..=count]).1, whole[..=count], "seed {seed}, cut after batch {count}");
            }
        }
        assert!(live.len() > 20, "there was something to compare");
        let last = hub.pipeline.engine();
        assert_eq!(whole.last().map(|(applied, digest, _)| (*applied, *digest)), Some((last.applied(), last.digest())));
    }
}

/// Two replays have the same outboxes; and whoever asks the live switch for everything from number 1 is told what a restarted one tells.
#[test]
fn a_restarted_switch_tells_what_the_live_one_would_have_told() {
    let keys = Keys::new();
    for seed in 2_000..2_006 {
        let storage = FaultyStorage::new(seed);
        let mut hub = Hub::new(storage.clone(), OPTIONS, &keys, FUNDS);
        let mut traffic = Traffic::new(seed, FUNDS);
        for _ in 0..40 {
            traffic.step(&mut hub).unwrap();
        }
        traffic.settle(&mut hub).unwrap();
        traffic.check_settled(&hub);

        let copy = storage.copy(seed);
        copy.kill();
        let mut restarted = Hub::open(copy, OPTIONS, &keys, hub.now_ns, patient()).unwrap();
        assert_eq!(restarted.pipeline.engine().digest(), hub.pipeline.engine().digest());
        let by_live = NAMES.map(|name| everything(&mut hub, name));
        let by_restarted = NAMES.map(|name| everything(&mut restarted, name));
        assert_eq!(by_live, by_restarted, "seed {seed}");
        for (told, provider) in by_live.iter().zip(&traffic.providers) {
            let heard_at_the_time = provider.heard.iter().filter(|heard| is_numbered(heard)).cloned();
            assert_eq!(*told, heard_at_the_time.collect::<Vec<_>>(), "seed {seed}: {}", provider.code);
        }
    }
}

pub(crate) fn is_numbered(heard: &Heard) -> bool {
    matches!(heard, Heard::Forward { .. } | Heard::Status { numbered: true, .. })
}

/// All numbered messages of a participant from the first, as a provider hears them that has lost its memory.
pub(crate) fn everything(hub: &mut Hub, name: &str) -> Vec<Heard> {
    let mut provider = Provider::connected(name, hub);
    let enqueued = hub.pipeline.engine().enqueued(crate::language::number(name));
    while provider.session.resume().seen != enqueued {
        exchange(hub, [&mut provider]).unwrap();
    }
    provider.disconnect(hub);
    provider.news().into_iter().filter(is_numbered).collect()
}
