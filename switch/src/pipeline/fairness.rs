//! Fairness: who floods is throttled alone.
//!
//! Each participant has a bucket of tokens, one for each order, return, case or question, filled at a steady rate up to a burst. Whoever finds it empty is refused
//! before anything is recorded, and told when to come again; nobody else notices. Answers cost nothing: who answers in time must not lose a payment to
//! its own load. Time is the shell's, so nothing of this reaches the engine.

use crate::entry::ParticipantId;
use crate::limits::NS_PER_MS;

/// Nanoseconds in a second.
const NS_PER_S: u64 = 1_000 * NS_PER_MS;

/// How fast a participant may ask for things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second; 0 for no limit.
    pub per_second: u32,
    /// The most that a bucket holds: what may come at once after a pause.
    pub burst: u32,
}

impl Rate {
    /// Nobody is throttled.
    pub const UNLIMITED: Rate = Rate { per_second: 0, burst: 0 };
}

/// One bucket. It holds time instead of tokens, so that nothing is lost in division: the moment at which it was, or will be, full of what was taken.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// All that was taken is paid for at this time. In the past, the bucket fills up.
    paid_until_ns: u64,
}

/// The buckets of all participants.
#[derive(Default)]
pub(super) struct Buckets {
    /// By the participant's number less one.
    list: Vec<Bucket>,
}

impl Buckets {
    /// Takes a token; where there is none, says in how many milliseconds there is one.
    pub(super) fn take(&mut self, participant: ParticipantId, rate: Rate, now_ns: u64) -> Result<(), u32> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let place = participant.0 as usize - 1;
        if self.list.len() <= place {
            self.list.resize(place + 1, Bucket::default());
        }
        let bucket = &mut self.list[place];
        let cost_ns = NS_PER_S / u64::from(rate.per_second);
        let burst_ns = cost_ns.saturating_mul(u64::from(rate.burst));
        let paid_until_ns = bucket.paid_until_ns.max(now_ns) + cost_ns;
        let missing_ns = paid_until_ns.saturating_sub(now_ns.saturating_add(burst_ns));
        if missing_ns > 0 {
            return Err(u32::try_from(missing_ns.div_ceil(NS_PER_MS)).unwrap_or(u32::MAX));
        }
        bucket.paid_until_ns = paid_until_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };
    const ALPHA: ParticipantId = ParticipantId(1);
    const BRAVO: ParticipantId = ParticipantId(2);

    #[test]
    fn a_burst_then_the_rate_and_the_others_do_not_notice() {
        let mut buckets = Buckets::default();
        let start_ns = 50 * NS_PER_S;
        for _ in 0..3 {
            assert_eq!(buckets.take(ALPHA, RATE, start_ns), Ok(()));
        }
        assert_eq!(buckets.take(ALPHA, RATE, start_ns), Err(100));
        assert_eq!(buckets.take(BRAVO, RATE, start_ns), Ok(()));
        assert_eq!(buckets.take(ALPHA, RATE, start_ns + 40 * NS_PER_MS), Err(60));
        assert_eq!(buckets.take(ALPHA, RATE, start_ns + 100 * NS_PER_MS), Ok(()));
        assert_eq!(buckets.take(ALPHA, RATE, start_ns + 100 * NS_PER_MS), Err(100));
    }

    #[test]
    fn over_a_long_time_it_is_the_rate_and_a_pause_is_worth_a_burst() {
        let mut buckets = Buckets::default();
        let taken = |buckets: &mut Buckets, from_ns: u64, ms: u64| {
            (0..ms).filter(|at| buckets.take(ALPHA, RATE, from_ns + at * NS_PER_MS).is_ok()).count()
        };
        assert_eq!(taken(&mut buckets, NS_PER_S, 10_000), 3 + 99);
        assert_eq!(taken(&mut buckets, 3_600 * NS_PER_S, 1), 1);
        assert_eq!(taken(&mut buckets, 7_200 * NS_PER_S, 100), 3);
        assert_eq!(buckets.take(ALPHA, Rate::UNLIMITED, 0), Ok(()));
    }
}
