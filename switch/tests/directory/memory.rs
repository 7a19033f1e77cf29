//! The simulator's store: every result, every byte, and what is left of them when the machine stops.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use switch::directory::hashes::KeyedHash;
use switch::directory::store::{MemoryStore, Space, Store};
use switch::directory::{CommandResult, Directory, DirectoryBatch, DirectoryLimits};
use switch::engine::lookups::LookupMade;
use switch::entry::ParticipantId;

use crate::edge::{
    ACCOUNTS, ALIASES, Edge, PARTICIPANTS, PEOPLE, Plan, Telling, account_hash, alias_hash, identity_hash, plan,
};
use crate::model::{Answer, Model};

/// Look-ups of a volume: few, so that there are many.
const VOLUME_LOOKUPS: usize = 5;

/// All that a store holds, but slots that are to be destroyed, and look-ups, which lie in memory too.
pub(crate) fn stored(store: &impl Store) -> BTreeMap<(Space, Vec<u8>), Vec<u8>> {
    let mut stored = BTreeMap::new();
    let apart = [Space::FreeSlots, Space::Lookups, Space::FreshLookups];
    for space in Space::ALL.into_iter().filter(|space| !apart.contains(space)) {
        let mut visit = |key: &[u8], value: &[u8]| stored.insert((space, key.to_vec()), value.to_vec()).is_none();
        store.scan(space, &[], &mut visit).unwrap();
    }
    stored
}

pub(crate) fn applied(directory: &mut Directory<impl Store>, batch: &DirectoryBatch) -> Vec<CommandResult> {
    let mut results = Vec::new();
    directory.apply(batch, &mut results).unwrap();
    results
}

/// Each result is that of the model, and told to who has asked.
pub(crate) fn check_results(results: &[CommandResult], answers: &[Answer], telling: &Telling) {
    let commands = (telling.first_sequence + 1..).zip(&telling.entries).filter_map(|(position, told)| match told {
        crate::edge::Told::Command { sent, .. } => Some((position, sent)),
        crate::edge::Told::Rehash(_) => None,
    });
    let commands: Vec<_> = commands.collect();
    assert_eq!(results.len(), commands.len());
    for ((result, &(outcome, claim, at_ns)), (position, sent)) in results.iter().zip(answers).zip(commands) {
        assert_eq!((result.outcome, result.claim, result.at_ns), (outcome, claim, at_ns), "{sent:?}");
        assert_eq!((result.position, result.command_id), (position, sent.id));
        assert_eq!(result.participant, ParticipantId(sent.participant));
    }
}

/// The store is the model's, byte by byte, and so are digest and count.
pub(crate) fn check_state<S: Store>(directory: &Directory<S>, store: &S, model: &Model) {
    let (mut found, meant) = (stored(store), model.stored());
    // The position in the store may be behind, by batches that have changed nothing else.
    let head = found.entry((Space::Meta, b"meta".to_vec())).or_insert_with(|| vec![0; 64]);
    assert!(u64::from_le_bytes(*head.first_chunk().unwrap()) <= model.applied);
    head[..8].copy_from_slice(&model.applied.to_le_bytes());
    // The head last: it only tells that something differs.
    for (key, value) in meant.iter().rev() {
        assert_eq!(found.get(key), Some(value), "{key:?}");
    }
    assert_eq!(found.len(), meant.len(), "what nobody has put there");
    assert_eq!(directory.applied(), model.applied);
    assert_eq!(directory.entries(), model.held.len() as u64);
    assert_eq!(directory.digest(), directory.recount().unwrap());
    assert_eq!(directory.digest()[..], meant[&(Space::Meta, b"meta".to_vec())][8..40]);
}

/// What others read is what the model has.
fn check_reads(directory: &Directory<MemoryStore>, model: &Model, telling: &Telling) {
    let reader = directory.reader();
    assert_eq!(reader.through(), model.applied);
    let today = (telling.time_ns / 86_400_000_000_000) as u32;
    for generation in 1..=telling.generation {
        for alias in 0..ALIASES {
            let hash = KeyedHash(alias_hash(alias, generation));
            let held = model.held.get(&alias).filter(|held| held.generation == generation);
            let found = reader.find(hash).unwrap();
            assert_eq!(found.is_some(), held.is_some());
            if let (Some(found), Some(held)) = (found, held) {
                assert_eq!((found.participant.0, found.is_paused), (held.participant, held.is_paused));
                assert_eq!((found.slot, &found.sealed), (held.slot, &held.sealed));
                assert_eq!((found.entry, found.owned_since_ns), (held.entry, held.owned_since_ns));
            }
            for day in [today, today + 2, today + 40, today + 200] {
                let classes = reader.counters(hash).unwrap().classes(day);
                assert_eq!(classes, model.classes((alias, generation), day), "alias {alias} on day {day}");
            }
        }
        for participant in 1..=PARTICIPANTS {
            for identity in 0..PEOPLE {
                let hash = KeyedHash(identity_hash(participant, identity, generation));
                let listed = model.listed(participant, identity, generation);
                let found =
                    reader.aliases_of(hash).unwrap().into_iter().map(|listed| (listed.alias.0, listed.defaults));
                let of_alias = |alias| alias_hash(alias, model.held[&alias].generation);
                let meant = listed.iter().map(|&(alias, bits)| (of_alias(alias), bits));
                assert!(found.eq(meant), "identity {identity} at {participant}: {listed:?}");
                for purpose in 0..4 {
                    let meant = listed.iter().find(|(_, bits)| bits & (1 << purpose) != 0);
                    let meant = meant.map(|&(alias, _)| KeyedHash(of_alias(alias)));
                    assert_eq!(reader.default_of(hash, purpose).unwrap(), meant);
                }
            }
            for account in 0..ACCOUNTS {
                let hash = KeyedHash(account_hash(participant, account, generation));
                let found = reader.aliases_at(hash).unwrap().into_iter().map(|listed| listed.alias.0);
                let leading = model.leading(participant, account, generation);
                assert!(found.eq(leading.into_iter().map(|alias| alias_hash(alias, generation))));
            }
        }
    }
    let entries: BTreeSet<u64> = model.lookups.iter().map(|made| made.entry).collect();
    for entry in entries {
        let of = model.lookups.iter().rev().filter(|made| made.entry == entry).copied().collect::<Vec<_>>();
        assert_eq!(reader.lookups_of(entry, 0, usize::MAX).unwrap(), (of.clone(), None));
        let next = of[1..of.len().min(3)].to_vec();
        let left = (next.len() == 2).then(|| next[1].position);
        assert_eq!(reader.lookups_of(entry, of[0].position, 2).unwrap(), (next, left));
    }
    let (earlier, next) = reader.of_earlier_generation(telling.generation, KeyedHash::NONE, 100).unwrap();
    let before = model.held.values().filter(|held| held.generation < telling.generation).count();
    assert_eq!((earlier.len(), next), (before, None));
}

/// To be destroyed is what no entry has any more, and what was never taken in.
fn check_slots(directory: &Directory<MemoryStore>, model: &Model, edge: &Edge, destroyed: &BTreeSet<u64>) {
    let held = model.slots();
    let meant: Vec<u64> = (1..=edge.slots).filter(|slot| !held.contains(slot) && !destroyed.contains(slot)).collect();
    assert_eq!(directory.free_slots(usize::MAX).unwrap(), meant);
    assert_eq!(directory.free_slots(1).unwrap(), meant[..meant.len().min(1)]);
}

fn run(plans: &[Plan]) {
    let (mut edge, mut model) = (Edge::new(), Model::default());
    let store = MemoryStore::default();
    let mut directory = Directory::with_volumes(store.clone(), VOLUME_LOOKUPS).unwrap();
    let mut batches: Vec<DirectoryBatch> = Vec::new();
    let (mut destroyed, mut destroyed_at_mark) = (BTreeSet::new(), BTreeSet::new());
    for plan in plans {
        let (batch, telling) = edge.batch(plan, &model);
        let answers = model.apply(&telling);
        check_results(&applied(&mut directory, &batch), &answers, &telling);
        batches.push(batch);
        check_state(&directory, &store, &model);
        check_reads(&directory, &model, &telling);
        check_slots(&directory, &model, &edge, &destroyed);

        assert!(applied(&mut directory, plan.again.get(&batches)).is_empty());
        check_state(&directory, &store, &model);

        let slots = directory.free_slots(plan.destroyed).unwrap();
        assert!(slots.len() <= plan.destroyed);
        directory.slots_destroyed(&slots).unwrap();
        destroyed.extend(slots);
        check_slots(&directory, &model, &edge, &destroyed);
        if plan.is_persisted {
            directory.persist().unwrap();
            assert_eq!(directory.progress().persisted(), model.applied);
            destroyed_at_mark = destroyed.clone();
        }
        if plan.is_crash {
            store.forget_unpersisted();
            directory = Directory::with_volumes(store.clone(), VOLUME_LOOKUPS).unwrap();
            let mark = directory.applied();
            assert_eq!(directory.progress().persisted(), mark);
            assert_eq!(directory.digest(), directory.recount().unwrap());
            batches.iter().for_each(|batch| drop(applied(&mut directory, batch)));
            assert!(mark <= model.applied);
            destroyed = destroyed_at_mark.clone();
            check_state(&directory, &store, &model);
            check_slots(&directory, &model, &edge, &destroyed);
        }
    }
    let again = MemoryStore::default();
    let mut directory = Directory::open(again.clone()).unwrap();
    batches.iter().for_each(|batch| drop(applied(&mut directory, batch)));
    check_state(&directory, &again, &model);
    check_slots(&directory, &model, &edge, &BTreeSet::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_directory_agrees_with_the_rules(plans in prop::collection::vec(plan(24), 1..24)) {
        run(&plans);
    }
}

/// Who has looked an entry up over long: in volumes, of which one answer goes through some, in rows of the store, and in memory.
#[test]
fn look_ups_over_many_volumes_are_found_before_and_after_a_restart() {
    let store = MemoryStore::default();
    let mut directory = Directory::with_volumes(store.clone(), 3).unwrap();
    let batch = |position: u64, entries: &[u64]| DirectoryBatch {
        first_sequence: position,
        last_sequence: position + 9,
        time_ns: position,
        payload: Vec::new(),
        limits: DirectoryLimits { per_identity: 5, per_account: 5 },
        outcomes: Vec::new(),
        lookups: (position..).zip(entries).map(|(position, &entry)| made(position, entry)).collect(),
    };
    let mut positions = Vec::new();
    for place in 1..=2_000_u64 {
        // One that is looked up all the time, one now and then, one twice in one volume, and others.
        let other = if place == 1_999 { 19_985 } else { 20 + place };
        let entries = [5, if place % 700 == 1 { 6 } else { other }, if place == 900 { 5 } else { 9 }];
        let entries = if place == 2_000 { &entries[..2] } else { &entries[..] };
        let batch = batch(place * 10, entries);
        positions.extend(batch.lookups.iter().map(|made| (made.entry, made.position)));
        applied(&mut directory, &batch);
    }
    let read = |directory: &Directory<MemoryStore>, entry: u64, count_max: usize| {
        let (mut found, mut before, mut pages) = (Vec::new(), 0, 0);
        loop {
            let (made, next) = directory.reader().lookups_of(entry, before, count_max).unwrap();
            assert!(made.len() <= count_max && made.iter().all(|made| made.entry == entry));
            found.extend(made.iter().map(|made| made.position));
            pages += 1;
            match next {
                Some(next) => before = next,
                None => return (found, pages),
            }
        }
    };
    let right = |entry: u64| {
        let of = positions.iter().rev().filter(move |(of, _)| *of == entry);
        of.map(|&(_, position)| position).collect::<Vec<_>>()
    };
    let check = |directory: &Directory<MemoryStore>| {
        for (entry, count_max, pages_min) in
            [(5, 7, 286), (5, 5_000, 3), (6, 1, 3), (6, 100, 3), (9, 1_000, 3), (7, 3, 3)]
        {
            let (found, pages) = read(directory, entry, count_max);
            assert_eq!(found, right(entry), "of {entry}, {count_max} at a time");
            assert!(pages >= pages_min, "of {entry} in {pages} pages");
        }
        let (made, next) = directory.reader().lookups_of(19_985, 0, 2).unwrap();
        assert_eq!((made.len(), next), (1, None), "who was registered late is looked for in no older volume");
    };
    check(&directory);
    directory.persist().unwrap();
    drop(directory);
    let directory = Directory::with_volumes(store.clone(), 3).unwrap();
    assert_eq!(directory.applied(), 20_009);
    check(&directory);
    // One that makes larger volumes goes on with what is there.
    let mut directory = Directory::open(store).unwrap();
    check(&directory);
    applied(&mut directory, &batch(30_000, &[11]));
    assert_eq!(directory.reader().lookups_of(11, 0, 1).unwrap().0, [made(30_000, 11)]);
}

/// A volume is written some pages at a time. What a crash leaves of one is taken out, and it is written anew: nobody finds a look-up twice.
#[test]
fn a_volume_that_was_half_written_is_begun_anew() {
    const VOLUME: u64 = 20_000;
    let store = MemoryStore::default();
    let open = || Directory::with_volumes(store.clone(), usize::try_from(VOLUME).unwrap()).unwrap();
    let batch = |position: u64, count: u64| DirectoryBatch {
        first_sequence: position,
        last_sequence: position + count - 1,
        time_ns: position,
        payload: Vec::new(),
        limits: DirectoryLimits::default(),
        outcomes: Vec::new(),
        lookups: (position..position + count).map(|position| made(position, position % 7)).collect(),
    };
    let pages = || {
        let mut firsts = Vec::new();
        store
            .scan(Space::Lookups, &[], &mut |key, _| {
                firsts.push(u64::from_be_bytes(*key.first_chunk().unwrap()));
                true
            })
            .unwrap();
        firsts
    };
    let check = |directory: &Directory<MemoryStore>, last: u64| {
        for entry in 0..7 {
            let right: Vec<LookupMade> = (10..=last)
                .rev()
                .filter(|position| position % 7 == entry)
                .map(|position| made(position, entry))
                .collect();
            assert_eq!(directory.reader().lookups_of(entry, 0, usize::MAX).unwrap(), (right, None), "of {entry}");
        }
    };
    let mut directory = open();
    applied(&mut directory, &batch(10, VOLUME));
    applied(&mut directory, &batch(VOLUME + 10, 5_000));
    directory.persist().unwrap();
    let half = pages();
    assert!(!half.is_empty() && half.len() < 157 && half.iter().all(|&first| first == 10), "{} pages", half.len());
    check(&directory, VOLUME + 5_009);
    drop(directory);

    store.forget_unpersisted();
    let mut directory = open();
    assert!(pages().is_empty(), "no reader may take it for a whole one");
    check(&directory, VOLUME + 5_009);
    for place in 0..8 {
        applied(&mut directory, &batch(VOLUME + 5_010 + place * 5_000, 5_000));
        check(&directory, VOLUME + 10_009 + place * 5_000);
    }
    assert_eq!(pages().iter().filter(|&&first| first == 10).count(), 30_000_usize.div_ceil(128), "the first is whole");
}

/// Look-ups are written when the store is synced; what the machine loses of them it loses together with the position.
#[test]
fn what_was_looked_up_and_not_synced_is_applied_again() {
    let store = MemoryStore::default();
    let mut directory = Directory::open(store.clone()).unwrap();
    let batch = |position: u64| DirectoryBatch {
        first_sequence: position,
        last_sequence: position,
        time_ns: position,
        payload: Vec::new(),
        limits: DirectoryLimits::default(),
        outcomes: Vec::new(),
        lookups: vec![made(position, 3)],
    };
    applied(&mut directory, &batch(10));
    directory.persist().unwrap();
    applied(&mut directory, &batch(20));
    assert_eq!((directory.applied(), directory.reader().lookups_of(3, 0, 9).unwrap().0.len()), (20, 2));
    drop(directory);
    store.forget_unpersisted();
    let mut directory = Directory::open(store).unwrap();
    assert_eq!((directory.applied(), directory.reader().lookups_of(3, 0, 9).unwrap().0.len()), (10, 1));
    applied(&mut directory, &batch(10));
    applied(&mut directory, &batch(20));
    assert_eq!(directory.reader().lookups_of(3, 0, 9).unwrap(), (vec![made(20, 3), made(10, 3)], None));
}

fn made(position: u64, entry: u64) -> LookupMade {
    LookupMade { position, entry, participant: ParticipantId(2), purpose: 1, time_ns: position }
}
