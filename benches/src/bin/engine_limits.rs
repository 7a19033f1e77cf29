//! What the engine does at its limits, where a mean would hide it: memory of a payment in flight, and the longest stop while a hundred thousand payments
//! expire at once. Prints one line of JSON.
//!
//! `cargo run --release -p benches --bin engine_limits`

use std::time::{Duration, Instant};

use benches::{Random, scheme};
use serde::Serialize;
use switch::engine::Batch;
use switch::pipeline::Decisions;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PARTICIPANTS: usize = 1_000;
const IN_FLIGHT: u64 = 200_000;
const EXPIRING: u64 = 100_000;
const PER_BATCH: u64 = 1_000;

#[derive(Serialize)]
struct Limits {
    /// Resident memory that payments in flight add, with what is to be told of them, in bytes a payment.
    bytes_per_payment_in_flight: u64,
    /// From the moment at which all are overdue until the last has expired.
    expiring_us: u64,
    batches: u64,
    /// The longest of these batches: so long the pipeline stands still for it.
    longest_batch_us: u64,
}

fn main() {
    let mut room = Room::new();
    let before = resident_bytes();
    room.pay(IN_FLIGHT);
    let bytes_per_payment_in_flight = (resident_bytes() - before) / IN_FLIGHT;
    let (began, mut batches, mut longest) = (Instant::now(), 0, Duration::ZERO);
    let mut room = {
        drop(room);
        let mut room = Room::new();
        room.pay(EXPIRING);
        room.time_ns += 60_000_000_000;
        room
    };
    let prepared = began.elapsed();
    while room.decisions.engine.counts().in_flight > 0 {
        let batch = Instant::now();
        room.absorb(&[]);
        longest = longest.max(batch.elapsed());
        batches += 1;
    }
    let expiring = began.elapsed() - prepared;
    assert_eq!(room.decisions.engine.counts().expired, EXPIRING);
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let limits =
        Limits { bytes_per_payment_in_flight, expiring_us: us(expiring), batches, longest_batch_us: us(longest) };
    println!("{}", serde_json::to_string(&limits).expect("plain numbers"));
}

/// An engine and its outboxes.
struct Room {
    decisions: Decisions,
    random: Random,
    time_ns: u64,
}

impl Room {
    fn new() -> Room {
        let decisions = scheme::decisions_among(PARTICIPANTS);
        Room { decisions, random: Random::new(1), time_ns: scheme::START_NS }
    }

    fn pay(&mut self, payments: u64) {
        for _ in 0..payments / PER_BATCH {
            let mut orders = Vec::new();
            for _ in 0..PER_BATCH {
                let (payer, _, order) = scheme::order_among(PARTICIPANTS, &mut self.random, self.time_ns);
                scheme::write_order(&mut orders, payer, &order, &mut self.random);
            }
            self.absorb(&orders);
        }
        assert_eq!(self.decisions.engine.counts().in_flight, payments);
    }

    fn absorb(&mut self, payload: &[u8]) {
        let batch = Batch { first_sequence: self.decisions.engine.applied() + 1, time_ns: self.time_ns, payload };
        self.decisions.absorb(batch).expect("the batch applies");
    }
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a Linux machine");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * rustix::param::page_size() as u64
}
