//! What became of the payments: counts and latencies.
//!
//! Every payment that was offered ends in exactly one of five ways, so `offered = committed + rejected + expired + busy + unknown` at the end of every
//! run; `settle` asserts it.

use std::collections::BTreeMap;

use adapters::message::{ErrorCode, Outcome, PaymentId};
use hdrhistogram::Histogram;

use crate::agreement::Facts;
use crate::limits::{LATE_NS, NS_PER_S};

/// Latencies of one leg, in nanoseconds from the intended time.
#[derive(Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// The longest latency that is told apart: ten minutes.
const LATENCY_NS_MAX: u64 = 600 * NS_PER_S;

/// Of the histogram in the report: ten bars for each power of ten.
const BARS_PER_DECADE: f64 = 1.258_925_411_794_167_3;

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies::with_digits(3)
    }
}

impl Latencies {
    /// Differences of half a microsecond; so many digits.
    fn with_digits(digits: u8) -> Latencies {
        let histogram = Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, digits);
        Latencies { histogram: histogram.unwrap_or_else(|_| unreachable!("the bounds are right")) }
    }

    /// Two digits, for figures of which there are many: 25 KiB instead of 170.
    pub fn coarse() -> Latencies {
        Latencies::with_digits(2)
    }

    /// Counts one.
    pub fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency in microseconds that this share of the payments did not exceed; 0 where none was counted.
    pub fn at(&self, quantile: f64) -> u64 {
        // A bucket is read at its upper end, which may lie above the longest.
        to_us(self.histogram.value_at_quantile(quantile)).min(self.max_us())
    }

    /// The longest, in microseconds.
    pub fn max_us(&self) -> u64 {
        to_us(self.histogram.max())
    }

    /// Upper ends in microseconds, and how many lie below each and above the one before. Ends with the longest.
    pub fn bars(&self) -> Vec<(u64, u64)> {
        let steps = self.histogram.iter_log(10_000, BARS_PER_DECADE);
        let bars = steps.map(|step| (to_us(step.value_iterated_to()), step.count_since_last_iteration()));
        bars.skip_while(|bar| bar.1 == 0).collect()
    }

    /// Forgets everything; the memory is kept.
    pub fn clear(&mut self) {
        self.histogram.reset();
    }
}

/// Rounded to the nearest.
fn to_us(ns: u64) -> u64 {
    (ns + 500) / 1_000
}

/// Three legs of a payment's way, all from the intended time.
#[derive(Clone)]
pub struct Legs {
    /// To the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted: Latencies,
    /// To the payee provider's receipt of the `Forward`.
    pub forwarded: Latencies,
    /// To the final status at the payer provider.
    pub last: Latencies,
}

impl Legs {
    /// Two digits.
    pub fn coarse() -> Legs {
        Legs { accepted: Latencies::coarse(), forwarded: Latencies::coarse(), last: Latencies::coarse() }
    }

    /// Forgets everything; the memory is kept.
    fn clear(&mut self) {
        let Legs { accepted, forwarded, last } = self;
        [accepted, forwarded, last].into_iter().for_each(Latencies::clear);
    }
}

/// What happened since the last sample was taken.
pub struct Window {
    /// Payments that were handed to a session.
    pub offered: u64,
    /// Final: the money moved.
    pub committed: u64,
    /// Final otherwise, or refused.
    pub failed: u64,
    /// Latencies.
    pub legs: Legs,
}

impl Default for Window {
    fn default() -> Window {
        Window { offered: 0, committed: 0, failed: 0, legs: Legs::coarse() }
    }
}

impl Window {
    /// Begins anew; the memory is kept.
    pub fn clear(&mut self) {
        (self.offered, self.committed, self.failed) = (0, 0, 0);
        self.legs.clear();
    }
}

/// What no provider may ever see. Each is money lost, doubled or altered in somebody's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// A payee provider was asked twice, under two numbers.
    ForwardedTwice,
    /// A payee provider was asked with another payer, amount or currency than was ordered, or was the wrong one.
    ForwardedAltered,
    /// A provider was told twice, under two numbers.
    ToldTwice,
    /// A provider was told of one outcome and then of another.
    ToldOtherwise,
    /// Payer and payee provider were told different outcomes.
    SidesDiffer,
    /// It was committed, and the payee provider was never asked.
    Unasked,
    /// A provider was told of a payment in which it has no part.
    ToldStranger,
    /// Somebody heard of a payment that was over already, or that had been refused.
    Astray,
    /// A repetition of an order was taken for another order.
    RepetitionMistaken,
}

impl Disagreement {
    /// In the report's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Disagreement::ForwardedTwice => "forwarded_twice",
            Disagreement::ForwardedAltered => "forwarded_altered",
            Disagreement::ToldTwice => "told_twice",
            Disagreement::ToldOtherwise => "told_otherwise",
            Disagreement::SidesDiffer => "sides_differ",
            Disagreement::Unasked => "unasked",
            Disagreement::ToldStranger => "told_stranger",
            Disagreement::Astray => "astray",
            Disagreement::RepetitionMistaken => "repetition_mistaken",
        }
    }

    /// For people, after a number of payments.
    fn text(self) -> &'static str {
        match self {
            Disagreement::ForwardedTwice => "forwarded twice to the payee provider",
            Disagreement::ForwardedAltered => "forwarded otherwise than they were ordered",
            Disagreement::ToldTwice => "told twice to the same provider",
            Disagreement::ToldOtherwise => "told with two outcomes to the same provider",
            Disagreement::SidesDiffer => "told with different outcomes to payer and payee provider",
            Disagreement::Unasked => "committed without asking the payee provider",
            Disagreement::ToldStranger => "told to a provider that has no part in them",
            Disagreement::Astray => "heard of again after they were over or refused",
            Disagreement::RepetitionMistaken => "taken for other payments when they were submitted again",
        }
    }
}

/// Everything that is counted in a run.
#[derive(Default)]
pub struct Tally {
    /// Payments that were handed to a session.
    pub offered: u64,
    /// Final at the payer provider: the money moved.
    pub committed: u64,
    /// Final at the payer provider: refused.
    pub rejected: u64,
    /// Final at the payer provider: not answered in time.
    pub expired: u64,
    /// Refused before sequencing, for whatever reason.
    pub busy: u64,
    /// No outcome, though it was asked for.
    pub unknown: u64,
    /// They have an outcome, and one of the providers was not told of it by number.
    pub untold: u64,
    /// Of `committed`, those that came while payments were being offered.
    pub committed_in_time: u64,
    /// Why payments were rejected or expired.
    pub reasons: BTreeMap<[u8; 4], u64>,
    /// Why frames were refused before sequencing.
    pub refusals: BTreeMap<u16, u64>,
    /// Connections that were made again after they broke.
    pub reconnects: u64,
    /// Orders that were submitted again though they had been taken: how often, and how often that was answered.
    pub repeated: u64,
    /// See `repeated`.
    pub repeated_answered: u64,
    /// Sent more than `LATE_NS` after they fell due, because the generator was not there in time.
    pub late: u64,
    /// Sent so late because the switch took nothing more.
    pub held_back: u64,
    /// From the intended time to when the payment was really sent: what the generator, or a full queue, is to blame for.
    pub sent: Latencies,
    /// From the intended time to the final status at the payer provider.
    pub total: Latencies,
    /// The same, of committed payments alone.
    pub total_of_committed: Latencies,
    /// From the intended time to the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted: Latencies,
    /// From the intended time to the payee provider's receipt of the `Forward`.
    pub forwarded: Latencies,
    /// The same by participant, in the order of connections: accepted and final by payer, forwarded by payee.
    pub participants: Vec<Legs>,
    /// Since the last sample.
    pub window: Window,
    /// What the ledger must agree with.
    pub facts: Facts,
    /// What each participant has received less what it has paid, in minor units, in the order of connections.
    pub flows: Vec<i128>,
    /// How often, and the id of the first.
    pub disagreements: BTreeMap<Disagreement, (u64, [u8; 16])>,
}

impl Tally {
    /// For so many participants.
    pub fn of(participants: usize) -> Tally {
        Tally { participants: vec![Legs::coarse(); participants], flows: vec![0; participants], ..Tally::default() }
    }

    /// The warm-up is over. Counts stay.
    pub fn forget_latencies(&mut self) {
        let Tally { sent, total, total_of_committed, accepted, forwarded, participants, .. } = self;
        [sent, total, total_of_committed, accepted, forwarded].into_iter().for_each(Latencies::clear);
        participants.iter_mut().for_each(Legs::clear);
    }

    /// A payment is sent.
    pub fn offer(&mut self, late_ns: u64, is_held_back: bool) {
        self.offered += 1;
        self.window.offered += 1;
        self.sent.record(late_ns);
        if late_ns > LATE_NS {
            *if is_held_back { &mut self.held_back } else { &mut self.late } += 1;
        }
    }

    /// The switch has it on disk.
    pub fn accept(&mut self, payer: u32, latency_ns: u64) {
        self.accepted.record(latency_ns);
        self.window.legs.accepted.record(latency_ns);
        self.participants[payer as usize].accepted.record(latency_ns);
    }

    /// The payee provider has it.
    pub fn forward(&mut self, payee: u32, latency_ns: u64) {
        self.forwarded.record(latency_ns);
        self.window.legs.forwarded.record(latency_ns);
        self.participants[payee as usize].forwarded.record(latency_ns);
    }

    /// A payment is final.
    pub fn end(&mut self, ended: Ended, outcome: Outcome, reason: [u8; 4]) {
        let Ended { payer, payee, amount, latency_ns, is_in_time } = ended;
        match outcome {
            Outcome::Committed => {
                self.committed += 1;
                self.committed_in_time += u64::from(is_in_time);
                self.window.committed += 1;
                self.total_of_committed.record(latency_ns);
                self.flows[payer as usize] -= i128::from(amount);
                self.flows[payee as usize] += i128::from(amount);
            }
            Outcome::Rejected => self.rejected += 1,
            Outcome::Expired => self.expired += 1,
            Outcome::InFlight | Outcome::Unknown | Outcome::Duplicate => unreachable!("the caller has looked"),
        }
        if outcome != Outcome::Committed {
            *self.reasons.entry(reason).or_default() += 1;
            self.window.failed += 1;
        }
        self.total.record(latency_ns);
        self.window.legs.last.record(latency_ns);
        self.participants[payer as usize].last.record(latency_ns);
    }

    /// A frame was refused before sequencing; `is_order` where it was a payment order.
    pub fn refuse(&mut self, code: u16, is_order: bool) {
        self.busy += u64::from(is_order);
        self.window.failed += u64::from(is_order);
        *self.refusals.entry(code).or_default() += 1;
    }

    /// Something happened to a payment that may not.
    pub fn disagree(&mut self, disagreement: Disagreement, id: [u8; 16]) {
        self.disagreements.entry(disagreement).or_insert((0, id)).0 += 1;
    }

    /// What may not happen and did, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let named = |id: [u8; 16]| PaymentId::from_bytes(id).map_or("?".to_owned(), |id| id.to_string());
        let mut problems: Vec<String> = self
            .disagreements
            .iter()
            .map(|(disagreement, &(count, id))| {
                format!("{count} {} {} (the first: {})", payments(count), disagreement.text(), named(id))
            })
            .collect();
        if self.untold > 0 {
            let (count, payments) = (self.untold, payments(self.untold));
            problems.push(format!("{count} {payments} whose outcome payer and payee provider were not both told"));
        }
        if self.unknown > 0 {
            problems.push(format!("{} {} have no outcome", self.unknown, payments(self.unknown)));
        }
        problems
    }

    /// Payments that are over.
    pub fn ended(&self) -> u64 {
        self.committed + self.rejected + self.expired + self.busy
    }

    /// Nothing more will come: what is left is unknown, or was not told.
    ///
    /// # Panics
    /// If a payment was counted twice or not at all.
    pub fn settle(&mut self, open: u64, untold: u64) {
        self.unknown = open;
        self.untold = untold;
        assert!(self.offered == self.ended() + self.unknown, "every payment is counted once");
    }
}

/// A payment that is final.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ended {
    /// Place of the payer's connection.
    pub payer: u32,
    /// Place of the payee's connection.
    pub payee: u32,
    /// In minor units.
    pub amount: u64,
    /// From the intended time.
    pub latency_ns: u64,
    /// Others were still being offered.
    pub is_in_time: bool,
}

fn payments(count: u64) -> &'static str {
    if count == 1 { "payment" } else { "payments" }
}

/// What a refusal is called in reports.
pub fn refusal_name(code: u16) -> String {
    ErrorCode::from_number(code).map_or_else(|| format!("code_{code}"), |code| code.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(amount: u64, is_in_time: bool) -> Ended {
        Ended { payer: 0, payee: 1, amount, latency_ns: 1_000, is_in_time }
    }

    #[test]
    fn what_is_offered_is_what_became_of_it() {
        let mut tally = Tally { offered: 10, ..Tally::of(2) };
        tally.end(ended(5, true), Outcome::Committed, [0; 4]);
        tally.end(ended(7, false), Outcome::Committed, [0; 4]);
        tally.end(ended(100, true), Outcome::Rejected, *b"AM04");
        tally.end(ended(100, true), Outcome::Expired, *b"AB05");
        tally.refuse(ErrorCode::Busy as u16, true);
        tally.refuse(ErrorCode::Busy as u16, false);
        tally.settle(5, 0);
        assert_eq!((tally.committed, tally.rejected, tally.expired, tally.busy, tally.unknown), (2, 1, 1, 1, 5));
        assert_eq!((tally.committed_in_time, tally.refusals[&7], tally.reasons[b"AB05"]), (1, 2, 1));
        assert_eq!((tally.total.count(), tally.total_of_committed.count()), (4, 2));
        assert_eq!((tally.participants[0].last.count(), tally.participants[1].last.count()), (4, 0));
        assert_eq!(tally.flows, [-12, 12], "only what was committed moves money");
    }

    #[test]
    #[should_panic(expected = "every payment is counted once")]
    fn a_payment_that_is_lost_is_noticed() {
        let mut tally = Tally { offered: 2, ..Tally::of(2) };
        tally.end(ended(1, true), Outcome::Committed, [0; 4]);
        tally.settle(0, 0);
    }

    #[test]
    fn what_may_not_happen_is_said_with_an_example() {
        let mut tally = Tally::of(2);
        assert_eq!(tally.problems(), Vec::<String>::new());
        let id = PaymentId::random();
        tally.disagree(Disagreement::ForwardedTwice, id.bytes());
        tally.disagree(Disagreement::ForwardedTwice, PaymentId::random().bytes());
        let problems = tally.problems().join("; ");
        assert!(problems.contains("2 payments forwarded twice") && problems.contains(&id.to_string()), "{problems}");
    }

    #[test]
    fn bars_hold_everything_that_was_counted() {
        let mut latencies = Latencies::default();
        for ns in [900, 15_000, 16_000, 900_000, 2_000_000_000] {
            latencies.record(ns);
        }
        let bars = latencies.bars();
        assert_eq!(bars.iter().map(|bar| bar.1).sum::<u64>(), 5);
        assert!(bars.windows(2).all(|pair| pair[0].0 < pair[1].0), "{bars:?}");
        assert_eq!(Latencies::default().bars(), []);
    }

    #[test]
    fn latencies_are_read_in_microseconds() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.at(0.999), latencies.max_us()), (0, 0));
        (1..=1_000).for_each(|us| latencies.record(us * 1_000));
        for (quantile, us) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999)] {
            let read = latencies.at(quantile);
            assert!(read.abs_diff(us) <= 1, "{read} for {us}");
        }
        latencies.record(u64::MAX);
        assert!(latencies.max_us() >= 600_000_000, "what is too long counts as the longest");
    }
}
