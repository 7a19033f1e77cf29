//! The engine alone: what decides payments, on one core.
//!
//! ```text
//!   batch of 512 orders, then batch of 512 acceptances, made beforehand  -->  Engine::apply  -->  effects
//! ```
//!
//! In the figure: reading the entries in place, duplicate check, rules, reserve and post in the book, deadlines, effects (one Forward and two
//! Status a payment), journal time going on by 1 ms a batch, every check and assertion of a release. Not in it: sockets, checks of the edge, sealing, the
//! journal, outboxes and frames. Participants in random pairs: 16, or 1,000 with 200,000 payments in flight that nobody answers (their time starts anew with each
//! fill, so none expires). The engine holds up to 1,000,000 payments and is then begun anew (not timed). An element is one payment; with returns it is a payment and
//! its return, with requests a request and the payment that pays it. Three fees: two shares to the scheme, one to the payee's provider.

use std::time::Duration;

use adapters::message::{CreditTransfer, PaymentId};
use benches::{Random, scheme, timed};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switch::engine::effect::Effect;
use switch::engine::scheme::Model;
use switch::engine::{Batch, Engine};

const PAYMENTS_PER_BATCH: usize = 512;
const PAYMENTS_MAX: u64 = 1_000_000;

/// What is done beside paying.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Returns,
    Requests,
}

/// What the operator has set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terms {
    Nothing,
    Limits,
    Fees,
    LimitsAndFees,
    /// A currency that settles net.
    Net,
}

/// Who pays, what is done beside, and how much is in flight meanwhile.
#[derive(Clone, Copy)]
struct Plan {
    participants: usize,
    in_flight: u64,
    beside: Beside,
    terms: Terms,
}

impl Terms {
    fn model(self) -> Model {
        if self == Terms::Net { Model::Net } else { Model::Gross }
    }

    fn has_fees(self) -> bool {
        matches!(self, Terms::Fees | Terms::LimitsAndFees)
    }

    fn batches(self, participants: usize) -> Vec<Vec<u8>> {
        let has_limits = matches!(self, Terms::Limits | Terms::LimitsAndFees);
        let limits = has_limits.then(|| scheme::limits(participants));
        limits.into_iter().chain(self.has_fees().then(scheme::tariff)).collect()
    }
}

struct Run {
    plan: Plan,
    engine: Engine,
    random: Random,
    time_ns: u64,
    effects: Vec<Effect>,
    /// The batches of a round, in their order.
    batches: Vec<Vec<u8>>,
}

impl Run {
    fn new(plan: Plan) -> Run {
        let mut run = Run {
            plan,
            engine: scheme::decisions_of(plan.participants, plan.terms.model()).engine,
            random: Random::new(1),
            time_ns: scheme::START_NS,
            effects: Vec::new(),
            batches: Vec::new(),
        };
        run.batches = plan.terms.batches(plan.participants);
        run.apply();
        while run.engine.counts().in_flight < plan.in_flight {
            let mut orders = Vec::new();
            for _ in 0..PAYMENTS_PER_BATCH {
                // The clock of a bulk payment is long enough for the whole run.
                let (payer, _, order) = run.order();
                scheme::write_order(&mut orders, payer, &CreditTransfer { lane: 2, ..order }, &mut run.random);
            }
            run.batches = vec![orders];
            run.apply();
        }
        run
    }

    fn order(&mut self) -> (usize, usize, CreditTransfer) {
        scheme::order_among(self.plan.participants, &mut self.random, self.time_ns)
    }

    /// Makes the next batches.
    fn prepare(&mut self) {
        let (mut requests, mut orders, mut answers, mut returns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAYMENTS_PER_BATCH {
            let (payer, payee, mut order) = self.order();
            if self.plan.beside == Beside::Requests {
                order.request_id = scheme::write_request(&mut requests, (payer, payee), &order, &mut self.random);
            }
            scheme::write_order(&mut orders, payer, &order, &mut self.random);
            let id = PaymentId::from_bytes(order.payment_id).expect("a version-4 UUID");
            scheme::write_accept(&mut answers, payee, id);
            if self.plan.beside == Beside::Returns {
                scheme::write_return(&mut returns, payee, &order, &mut self.random);
            }
        }
        self.batches = vec![requests, orders, answers, returns];
        self.batches.retain(|batch| !batch.is_empty());
    }

    fn apply(&mut self) {
        for payload in &self.batches {
            self.time_ns += 1_000_000;
            self.effects.clear();
            let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns: self.time_ns, payload };
            self.engine.apply(batch, &mut self.effects).expect("the batch applies");
            assert!(self.engine.told().commands.iter().all(|(_, answer)| answer.is_ok()), "no command is refused");
        }
    }

    /// Everything was let pass, and is as it is meant to be.
    fn check(&self) {
        let has_fees = self.engine.fee_balances(0).next().is_some();
        assert_eq!(has_fees, self.plan.terms.has_fees(), "what is priced is charged");
        let counts = self.engine.counts();
        assert_eq!((counts.rejected, counts.returns_rejected), (0, 0), "every rule lets everything pass");
        assert_eq!(counts.expired, 0, "all that is paid is answered, and the rest has time");
        let in_flight = self.plan.in_flight.next_multiple_of(PAYMENTS_PER_BATCH as u64);
        assert_eq!(counts.in_flight, in_flight, "what is to be in flight is, and nothing else");
        let returned = if self.plan.beside == Beside::Returns { counts.committed } else { 0 };
        let closed = if self.plan.beside == Beside::Requests { counts.committed } else { 0 };
        assert_eq!((counts.returned, counts.cases_closed, counts.cases_open), (returned, closed, 0));
    }
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(PAYMENTS_PER_BATCH as u64));
    let plain =
        Plan { participants: scheme::PARTICIPANTS, in_flight: 0, beside: Beside::Nothing, terms: Terms::Nothing };
    for (name, plan) in [
        ("512 orders, 512 answers", plain),
        ("the same, 1,000 participants, 200,000 in flight", Plan { participants: 1_000, in_flight: 200_000, ..plain }),
        ("the same, each returned", Plan { beside: Beside::Returns, ..plain }),
        ("the same, each asked for", Plan { beside: Beside::Requests, ..plain }),
        ("the same, limits", Plan { terms: Terms::Limits, ..plain }),
        ("the same, three fees", Plan { terms: Terms::Fees, ..plain }),
        ("the same, limits and three fees", Plan { terms: Terms::LimitsAndFees, ..plain }),
        ("the same, settled net", Plan { terms: Terms::Net, ..plain }),
    ] {
        // None where this row is not asked for.
        let mut asked = None;
        group.bench_function(name, |bencher| {
            let run = asked.get_or_insert_with(|| Run::new(plan));
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    let is_over = run.time_ns - scheme::START_NS > 500_000_000_000;
                    if run.engine.counts().committed >= PAYMENTS_MAX || is_over {
                        *run = Run::new(plan);
                    }
                    run.prepare();
                    timed(&mut total, || run.apply());
                }
                total
            });
        });
        asked.iter().for_each(Run::check);
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
