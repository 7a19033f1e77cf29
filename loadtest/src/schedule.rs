//! When each payment is due. Fixed before the run begins; nothing that happens in the run can change it.
//!
//! Payments are evenly spaced. Latency counts from these times, not from when a payment was really sent: a stall delays everything that falls due
//! meanwhile, and all of it must show.

use crate::limits::{DURATION_S_MAX, NS_PER_S, RATE_MAX};

/// A fixed rate for a fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    rate_per_s: u64,
    duration_s: u64,
}

impl Schedule {
    /// None where the rate or the duration cannot be.
    pub fn new(rate_per_s: u64, duration_s: u64) -> Option<Schedule> {
        let can_be = (1..=RATE_MAX).contains(&rate_per_s) && (1..=DURATION_S_MAX).contains(&duration_s);
        can_be.then_some(Schedule { rate_per_s, duration_s })
    }

    /// Payments a second.
    pub fn rate_per_s(&self) -> u64 {
        self.rate_per_s
    }

    /// How many payments there are.
    pub fn count(&self) -> u64 {
        self.rate_per_s * self.duration_s
    }

    /// How many are due before `elapsed_ns` after the start.
    pub fn due(&self, elapsed_ns: u64) -> u64 {
        let due = (u128::from(elapsed_ns) * u128::from(self.rate_per_s)).div_ceil(u128::from(NS_PER_S));
        u64::try_from(due).unwrap_or(u64::MAX).min(self.count())
    }

    /// When payment `index` (from 0) is due, in nanoseconds after the start. No rounding error adds up.
    pub fn intended_ns(&self, index: u64) -> u64 {
        let (second, in_second) = (index / self.rate_per_s, index % self.rate_per_s);
        second * NS_PER_S + in_second * NS_PER_S / self.rate_per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact() {
        for (rate, duration, count) in
            [(1, 1, 1), (1_000, 10, 10_000), (7, 3, 21), (RATE_MAX, DURATION_S_MAX, 864_000_000_000)]
        {
            let schedule = Schedule::new(rate, duration).expect("it can be");
            assert_eq!(schedule.count(), count);
            // The last one is due before the end, and the one after it would be due at the end.
            assert!(schedule.intended_ns(count - 1) < duration * NS_PER_S);
            assert_eq!(schedule.intended_ns(count), duration * NS_PER_S);
        }
    }

    #[test]
    fn what_is_due_has_been_reached() {
        let schedule = Schedule::new(3, 2).expect("it can be");
        let due = [0, 1, 333_333_333, 333_333_334, 1_000_000_000, 1_000_000_001, u64::MAX].map(|ns| schedule.due(ns));
        assert_eq!(due, [0, 1, 1, 2, 3, 4, 6]);
    }

    #[test]
    fn payments_are_evenly_spaced() {
        let times = |rate, indices: [u64; 5]| indices.map(|i| Schedule::new(rate, 60).map_or(0, |s| s.intended_ns(i)));
        assert_eq!(times(1_000, [0, 1, 2, 999, 1_000]), [0, 1_000_000, 2_000_000, 999_000_000, 1_000_000_000]);
        assert_eq!(times(3, [0, 1, 2, 3, 4]), [0, 333_333_333, 666_666_666, 1_000_000_000, 1_333_333_333]);
        assert_eq!(times(10_000_000, [0, 1, 2, 9_999_999, 10_000_001]), [0, 100, 200, 999_999_900, 1_000_000_100]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Schedule::new(0, 1), None);
        assert_eq!(Schedule::new(1, 0), None);
        assert_eq!(Schedule::new(RATE_MAX + 1, 1), None);
        assert_eq!(Schedule::new(1, DURATION_S_MAX + 1), None);
    }
}
