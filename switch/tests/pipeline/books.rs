//! The books that are read from the journal agree with the engine that wrote it, whatever providers do and wherever the switch is cut off.

use std::collections::BTreeMap;

use adapters::message::Outcome;
use ledger::Balances;
use ledger::journal::faulty::FaultyStorage;
use ledger::journal::scan;
use switch::books::{Books, Decided, Happening, TransferName};
use switch::engine::Batch;
use switch::engine::scheme::fees::prices::Flow;

use crate::hub::{Hub, Keys, OPTIONS};
use crate::traffic::Traffic;

const FUNDS: [u64; 4] = [20_000, 20_000, 20_000, 500];

/// Everything that happened, as somebody sees it who keeps a list of it.
#[derive(Default)]
struct Listener {
    balances: BTreeMap<u32, Balances>,
    states: BTreeMap<[u8; 16], Happening>,
    refused: u64,
    ended: Vec<Decided>,
}

impl Listener {
    fn hear(&mut self, books: &Books) {
        for event in books.events() {
            for account in [event.transfer.debit, event.transfer.credit] {
                event.enter(account, self.balances.entry(account.get()).or_default());
            }
            let TransferName(name) = event.transfer.name;
            let before = self.states.insert(name, event.happening);
            match (before, event.happening) {
                (None, Happening::Reserved | Happening::Moved) => {}
                (Some(Happening::Reserved), Happening::Posted { .. } | Happening::Voided { .. }) => {}
                (before, after) => panic!("{} was {before:?}, then {after:?}", event.transfer.name),
            }
        }
        self.refused += books.refusals().len() as u64;
        assert!(books.ended().is_sorted_by_key(|decided| decided.at.position));
        self.ended.extend_from_slice(books.ended());
    }

    fn count(&self, is_it: impl Fn(&Happening) -> bool) -> u64 {
        self.states.values().filter(|happening| is_it(happening)).count() as u64
    }
}

#[test]
fn the_books_of_random_traffic_are_those_of_the_engine() {
    let keys = Keys::new();
    let mut seen = [0; 4];
    for seed in 3_000..3_010 {
        let storage = FaultyStorage::new(seed);
        let mut hub = Hub::new(storage.clone(), OPTIONS, &keys, FUNDS);
        let mut traffic = Traffic::new(seed, FUNDS);
        for _ in 0..60 {
            traffic.step(&mut hub).unwrap();
        }
        // Half of the histories end with payments in flight, the others with those that nobody answered expired.
        if seed % 2 == 0 {
            traffic.settle(&mut hub).unwrap();
        }
        let (mut books, mut listener) = (Books::default(), Listener::default());
        let visit = |batch: ledger::journal::Batch<'_>| {
            let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
            books.apply(batch).map_err(|inapplicable| inapplicable.to_string())?;
            listener.hear(&books);
            Ok(())
        };
        scan(&storage, visit).unwrap();
        let engine = hub.pipeline.engine();
        assert_eq!(books.engine().digest(), engine.digest(), "seed {seed}");
        for (index, owner) in engine.accounts() {
            let listed = listener.balances.get(&index.get()).copied().unwrap_or_default();
            assert_eq!(listed, engine.account(index).balances(), "seed {seed}: {owner}");
            assert_eq!(books.balances(index), listed);
        }
        let counts = engine.counts();
        assert_eq!(listener.count(|happening| matches!(happening, Happening::Posted { .. })), counts.committed);
        let voided = |of: Outcome| move |happening: &Happening| matches!(happening, Happening::Voided { outcome, .. } if *outcome == of);
        assert_eq!(listener.count(voided(Outcome::Rejected)) + listener.refused, counts.rejected);
        assert_eq!(listener.count(voided(Outcome::Expired)), counts.expired);
        assert_eq!(books.in_flight().len() as u64, counts.in_flight);
        assert_eq!(books.flights().len() as u64, counts.in_flight);
        let ended = |flow, outcome| {
            listener.ended.iter().filter(|decided| (decided.flow, decided.outcome) == (flow, outcome)).count() as u64
        };
        assert_eq!(ended(Flow::Payment, Outcome::Committed), counts.committed, "seed {seed}");
        assert_eq!(ended(Flow::Payment, Outcome::Rejected), counts.rejected);
        assert_eq!(ended(Flow::Payment, Outcome::Expired), counts.expired);
        assert_eq!(ended(Flow::Return, Outcome::Committed), counts.returned);
        assert_eq!(ended(Flow::Return, Outcome::Rejected), counts.returns_rejected);
        seen[0] += counts.committed;
        seen[1] += counts.expired;
        seen[2] += listener.refused;
        seen[3] += listener.count(voided(Outcome::Rejected));
    }
    assert!(seen.iter().all(|&count| count > 0), "of everything something happened: {seen:?}");
}
