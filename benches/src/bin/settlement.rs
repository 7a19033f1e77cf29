//! How long the engine stands still when a window of a thousand participants closes, and at each step of its settlement, while payments go on. A mean would hide it.
//! Prints a line for each kind of batch: how many, median, longest.
//!
//! Every batch has 256 orders or their 256 answers, as at 60,000 payments a second and a batch each 4 ms; what is measured comes first in one of them, as commands do. Each cycle, on an engine of its
//! own: a cut-off, the start, which holds what five hundred debtors owe, and a thousand confirmations.
//!
//! `cargo run --release -p benches --bin settlement`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use adapters::message::PaymentId;
use benches::{Random, scheme};
use switch::engine::Batch;
use switch::engine::scheme::Model;
use switch::pipeline::Decisions;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PARTICIPANTS: usize = 1_000;
const CYCLES: u64 = 10;
const PER_BATCH: usize = 256;
/// Between two cut-offs: every participant has paid many times.
const ROUNDS_PER_WINDOW: usize = 100;

struct Room {
    decisions: Decisions,
    random: Random,
    time_ns: u64,
    took: BTreeMap<&'static str, Vec<Duration>>,
}

fn main() {
    let mut all = BTreeMap::new();
    for seed in 0..CYCLES {
        let (decisions, random) = (scheme::decisions_of(PARTICIPANTS, Model::Net), Random::new(seed));
        let mut room = Room { decisions, random, time_ns: scheme::START_NS, took: all };
        for _ in 0..ROUNDS_PER_WINDOW {
            room.round(("payments alone", Vec::new()));
        }
        room.round(("cut-off", scheme::cut_off()));
        room.settle();
        let engine = &room.decisions.engine;
        assert!(engine.scheme().settlement.cycles()[0].windows.is_empty(), "the window is settled");
        assert_eq!(engine.counts().committed, ((ROUNDS_PER_WINDOW + 2 + PARTICIPANTS) * PER_BATCH) as u64);
        all = room.took;
    }
    println!("{:<16} {:>8} {:>12} {:>12}", "batches with", "number", "median, us", "longest, us");
    for (what, mut took) in all {
        took.sort_unstable();
        let us = |duration: &Duration| duration.as_micros();
        println!("{what:<16} {:>8} {:>12} {:>12}", took.len(), us(&took[took.len() / 2]), us(&took[took.len() - 1]));
    }
}

impl Room {
    /// A batch of orders behind a command, and a batch of their answers.
    fn round(&mut self, (what, command): (&'static str, Vec<u8>)) {
        let (mut orders, mut answers) = (command, Vec::new());
        for _ in 0..PER_BATCH {
            let (payer, payee, order) = scheme::order_among(PARTICIPANTS, &mut self.random, self.time_ns);
            scheme::write_order(&mut orders, payer, &order, &mut self.random);
            let id = PaymentId::from_bytes(order.payment_id).expect("a version-4 UUID");
            scheme::write_accept(&mut answers, payee, id);
        }
        self.absorb(what, &orders);
        self.absorb("answers", &answers);
    }

    fn absorb(&mut self, what: &'static str, payload: &[u8]) {
        self.time_ns += 1_000_000;
        let first_sequence = self.decisions.engine.applied() + 1;
        let began = Instant::now();
        let absorbed = self.decisions.absorb(Batch { first_sequence, time_ns: self.time_ns, payload });
        self.took.entry(what).or_default().push(began.elapsed());
        absorbed.expect("the batch applies");
        let refused = self.decisions.engine.told().commands.iter().find(|(_, answer)| answer.is_err());
        assert_eq!(refused, None, "no command is refused");
    }

    /// Debtors first.
    fn settle(&mut self) {
        self.round(("start", scheme::settlement_step(1, 1, 0)));
        let book = &self.decisions.engine.scheme().settlement.cycles()[0];
        let mut nets = book.windows[0].nets.clone();
        nets.sort_by_key(|net| net.net);
        for net in nets {
            self.round(("confirmation", scheme::settlement_step(1, 2, net.participant)));
        }
    }
}
