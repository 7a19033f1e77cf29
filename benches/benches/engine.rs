//! The engine alone: what decides payments, on one core.
//!
//! ```text
//!   batch of 512 orders, then batch of 512 acceptances, made beforehand  -->  Engine::apply  -->  effects
//! ```
//!
//! In the figure: reading the entries in place, duplicate check, rules, reserve and post in the book, deadlines, effects (one Forward and two
//! Status a payment), journal time going on by 1 ms a batch. Not in it: sockets, checks of the edge, sealing, the journal, outboxes and frames.
//! 16 participants in random pairs. The engine holds 0 to 1,000,000 payments and is then begun anew (not timed). An element is one payment.

use std::time::Duration;

use adapters::message::PaymentId;
use benches::{Random, scheme, timed};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switch::engine::effect::Effect;
use switch::engine::{Batch, Engine};

const PAYMENTS_PER_BATCH: usize = 512;
const PAYMENTS_MAX: u64 = 1_000_000;

struct Run {
    engine: Engine,
    random: Random,
    time_ns: u64,
    effects: Vec<Effect>,
    orders: Vec<u8>,
    answers: Vec<u8>,
}

impl Run {
    fn new() -> Run {
        Run {
            engine: scheme::decisions().engine,
            random: Random::new(1),
            time_ns: scheme::START_NS,
            effects: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Makes the next two batches.
    fn prepare(&mut self) {
        self.orders.clear();
        self.answers.clear();
        for _ in 0..PAYMENTS_PER_BATCH {
            let (payer, payee, order) = scheme::order(&mut self.random, self.time_ns);
            scheme::write_order(&mut self.orders, payer, &order, &mut self.random);
            let id = PaymentId::from_bytes(order.payment_id).expect("a version-4 UUID");
            scheme::write_accept(&mut self.answers, payee, id);
        }
    }

    fn apply(&mut self) {
        for payload in [&self.orders, &self.answers] {
            self.time_ns += 1_000_000;
            self.effects.clear();
            let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns: self.time_ns, payload };
            self.engine.apply(batch, &mut self.effects).expect("the batch applies");
        }
    }
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(PAYMENTS_PER_BATCH as u64));
    let mut run = Run::new();
    group.bench_function("512 orders, 512 answers", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                if run.engine.counts().committed >= PAYMENTS_MAX {
                    run = Run::new();
                }
                run.prepare();
                timed(&mut total, || run.apply());
            }
            total
        });
    });
    let counts = run.engine.counts();
    assert_eq!((counts.rejected, counts.expired, counts.in_flight), (0, 0, 0), "every payment is committed");
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
