//! What became of the payments: counts and latencies.
//!
//! Every payment that was offered ends in exactly one of five ways, so `offered = committed + rejected + expired + busy + unknown` at the end of every
//! run; `settle` asserts it.

use std::collections::BTreeMap;

use adapters::message::{ErrorCode, Outcome};
use hdrhistogram::Histogram;

use crate::limits::NS_PER_S;

/// Latencies of one leg, in nanoseconds from the intended time.
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// The longest latency that is told apart: ten minutes.
const LATENCY_NS_MAX: u64 = 600 * NS_PER_S;

impl Default for Latencies {
    fn default() -> Latencies {
        // Differences of half a microsecond, three digits.
        let histogram = Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, 3);
        Latencies { histogram: histogram.unwrap_or_else(|_| unreachable!("the bounds are right")) }
    }
}

impl Latencies {
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
}

/// Rounded to the nearest.
fn to_us(ns: u64) -> u64 {
    (ns + 500) / 1_000
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
    /// Of `committed`, those that came while payments were being offered.
    pub committed_in_time: u64,
    /// Numbered `Status: committed` that any provider got, payers and payees alike: two for each payment.
    pub told_committed: u64,
    /// Why payments were rejected or expired.
    pub reasons: BTreeMap<[u8; 4], u64>,
    /// Why frames were refused before sequencing.
    pub refusals: BTreeMap<u16, u64>,
    /// Connections that were made again after they broke.
    pub reconnects: u64,
    /// From the intended time to when the payment was really sent: what the generator, or a full queue, is to blame for.
    pub sent: Latencies,
    /// From the intended time to the final status at the payer provider.
    pub total: Latencies,
    /// From the intended time to the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted: Latencies,
    /// From the intended time to the payee provider's receipt of the `Forward`.
    pub forwarded: Latencies,
}

impl Tally {
    /// A payment is final.
    pub fn end(&mut self, outcome: Outcome, reason: [u8; 4], latency_ns: u64, is_in_time: bool) {
        match outcome {
            Outcome::Committed => {
                self.committed += 1;
                self.committed_in_time += u64::from(is_in_time);
            }
            Outcome::Rejected => self.rejected += 1,
            Outcome::Expired => self.expired += 1,
            Outcome::InFlight | Outcome::Unknown | Outcome::Duplicate => unreachable!("the caller has looked"),
        }
        if outcome != Outcome::Committed {
            *self.reasons.entry(reason).or_default() += 1;
        }
        self.total.record(latency_ns);
    }

    /// A frame was refused before sequencing; `is_order` where it was a payment order.
    pub fn refuse(&mut self, code: u16, is_order: bool) {
        self.busy += u64::from(is_order);
        *self.refusals.entry(code).or_default() += 1;
    }

    /// Payments that are over.
    pub fn ended(&self) -> u64 {
        self.committed + self.rejected + self.expired + self.busy
    }

    /// Nothing more will come: what is left is unknown.
    ///
    /// # Panics
    /// If a payment was counted twice or not at all.
    pub fn settle(&mut self, open: u64) {
        self.unknown = open;
        assert!(self.offered == self.ended() + self.unknown, "every payment is counted once");
    }
}

/// What a refusal is called in reports.
pub fn refusal_name(code: u16) -> String {
    ErrorCode::from_number(code).map_or_else(|| format!("code_{code}"), |code| code.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_what_became_of_it() {
        let mut tally = Tally { offered: 10, ..Tally::default() };
        tally.end(Outcome::Committed, [0; 4], 1_000, true);
        tally.end(Outcome::Committed, [0; 4], 1_000, false);
        tally.end(Outcome::Rejected, *b"AM04", 1_000, true);
        tally.end(Outcome::Expired, *b"AB05", 1_000, true);
        tally.refuse(ErrorCode::Busy as u16, true);
        tally.refuse(ErrorCode::Busy as u16, false);
        tally.settle(5);
        assert_eq!((tally.committed, tally.rejected, tally.expired, tally.busy, tally.unknown), (2, 1, 1, 1, 5));
        assert_eq!((tally.committed_in_time, tally.refusals[&7], tally.reasons[b"AB05"]), (1, 2, 1));
        assert_eq!(tally.total.count(), 4);
    }

    #[test]
    #[should_panic(expected = "every payment is counted once")]
    fn a_payment_that_is_lost_is_noticed() {
        let mut tally = Tally { offered: 2, ..Tally::default() };
        tally.end(Outcome::Committed, [0; 4], 1_000, true);
        tally.settle(0);
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
