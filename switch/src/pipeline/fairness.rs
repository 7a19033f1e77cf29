//! Fairness: who floods is throttled alone.
//!
//! Each participant has a bucket of tokens, one for each order, return, case or question, filled at a steady rate up to a burst. Whoever finds it empty is refused
//! before anything is recorded, and told when to come again; nobody else notices. Answers cost nothing: who answers in time must not lose a payment to
//! its own load. Time is the shell's, so nothing of this reaches the engine.
//!
//! Refusing takes time, too: a million refusals a second are a core. So a connection of which something was turned away is not read until its bucket has earned as many
//! tokens, or for a moment, and then in small portions. What it sends meanwhile fills its own socket, and then it waits. Who is just over its rate waits for a token or
//! two. Its answers and acknowledgements wait with everything else that it sends; what it is told flows on. The pause is the connection's and not the participant's: the
//! other connection brings nothing, or brings answers, or pauses for what it brings itself.
//!
//! Rate, burst and how many payments may be in flight are the configuration's, unless the operator has set a participant's own (`docs/scheme-rules.md`, Limits): those
//! hold from the batch on that set them.
//!
//! `busy` makes no pause: each has cost a token, so the rate bounds them, and among what such a connection sends are the answers that would make room.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ledger::journal::Storage;

use super::Pipeline;
use crate::entry::ParticipantId;
use crate::limits::{NS_PER_MS, PAUSE_MS_MAX, RECEIVE_BYTES_OVER_RATE, RECEIVE_BYTES_PER_TURN};
use crate::session::{Phase, SessionKey};

/// Nanoseconds in a second.
pub(super) const NS_PER_S: u64 = 1_000 * NS_PER_MS;

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

    /// In what time a token is earned.
    fn cost_ns(self) -> u64 {
        NS_PER_S.checked_div(u64::from(self.per_second)).unwrap_or(0)
    }

    /// How long a connection is not read of which so many frames were turned away.
    fn pause_ns(self, turned_away: u32) -> u64 {
        self.cost_ns().saturating_mul(u64::from(turned_away)).min(PAUSE_MS_MAX * NS_PER_MS)
    }
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
        let cost_ns = rate.cost_ns();
        let burst_ns = cost_ns.saturating_mul(u64::from(rate.burst));
        let full_ns = now_ns.saturating_add(burst_ns);
        // More than a burst is only owed where the rate was lower before: nobody pays for that.
        bucket.paid_until_ns = bucket.paid_until_ns.clamp(now_ns, full_ns);
        let paid_until_ns = bucket.paid_until_ns + cost_ns;
        let missing_ns = paid_until_ns.saturating_sub(full_ns);
        if missing_ns > 0 {
            return Err(u32::try_from(missing_ns.div_ceil(NS_PER_MS)).unwrap_or(u32::MAX));
        }
        bucket.paid_until_ns = paid_until_ns;
        Ok(())
    }
}

/// When connections that are not read now are to be read again.
#[derive(Default)]
pub(super) struct Pauses {
    /// One a paused connection, which is not read before; of one that has gone it is forgotten when it has passed.
    ends_ns: BinaryHeap<Reverse<u64>>,
    /// The shell has asked what to read, at this time.
    asked_at_ns: u64,
}

impl Pauses {
    /// Forgets what has passed. That is what ended before the shell last asked; where it has nothing to ask about, before the turn that was the last.
    pub(super) fn forget_passed(&mut self, last_turn_ns: u64) {
        let through_ns = self.asked_at_ns.max(last_turn_ns);
        while self.ends_ns.peek().is_some_and(|Reverse(end_ns)| *end_ns <= through_ns) {
            self.ends_ns.pop();
        }
    }

    /// When the shell must read again even if nothing arrives.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.ends_ns.peek().map(|Reverse(end_ns)| *end_ns)
    }
}

impl<S: Storage> Pipeline<S> {
    /// How fast a participant may send now.
    pub(super) fn rate_of(&self, participant: ParticipantId) -> Rate {
        let set = self.decisions.engine.limits_of(participant);
        let Rate { per_second, burst } = self.limits.rate;
        // A bucket that holds nothing would let nothing through.
        Rate { per_second: or(set.orders_per_second, per_second), burst: or(set.orders_burst, burst).max(1) }
    }

    /// How many payments of a participant may be in flight now.
    pub(super) fn in_flight_max_of(&self, participant: ParticipantId) -> u32 {
        let set = self.decisions.engine.limits_of(participant).in_flight_max;
        or(set, self.limits.in_flight_per_participant_max).min(self.limits.in_flight_max)
    }

    /// How many bytes the shell should read from this connection now, about. Where none, its time-outs stand still.
    pub fn bytes_wanted(&mut self, key: SessionKey, now_ns: u64) -> usize {
        self.pauses.asked_at_ns = self.pauses.asked_at_ns.max(now_ns);
        let Some(session) = self.sessions.get_mut(key) else { return 0 };
        if session.phase == Phase::Closing {
            return 0;
        }
        if self.ingress.is_full() || !session.has_room() || session.is_paused(now_ns) {
            session.not_read(now_ns);
            return 0;
        }
        if session.turned_away() > 0 { RECEIVE_BYTES_OVER_RATE } else { RECEIVE_BYTES_PER_TURN }
    }

    /// Is this connection not read now, because too much of what it sent was turned away?
    pub fn is_paused(&self, key: SessionKey, now_ns: u64) -> bool {
        self.sessions.get(key).is_some_and(|session| session.is_paused(now_ns))
    }

    /// After what was read of a connection: it is not read again at once if some of that was turned away.
    pub(super) fn pause(&mut self, key: SessionKey, now_ns: u64) {
        let Some(session) = self.sessions.get(key).filter(|session| session.turned_away() > 0) else { return };
        let rate = session.participant().map_or(self.limits.rate, |participant| self.rate_of(participant));
        let pause_ns = rate.pause_ns(session.turned_away());
        if let Some(session) = self.sessions.get_mut(key).filter(|_| pause_ns > 0) {
            session.pause_until(now_ns + pause_ns);
            self.pauses.ends_ns.push(Reverse(now_ns + pause_ns));
        }
    }
}

/// What the operator has set, or the configuration's where that is 0.
fn or(set: u32, configured: u32) -> u32 {
    if set == 0 { configured } else { set }
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
    fn what_is_owed_at_a_low_rate_is_not_paid_at_a_higher_one() {
        let mut buckets = Buckets::default();
        let start_ns = 50 * NS_PER_S;
        let slow = Rate { per_second: 1, burst: 100 };
        assert!((0..100).all(|_| buckets.take(ALPHA, slow, start_ns).is_ok()));
        assert_eq!(buckets.take(ALPHA, slow, start_ns), Err(1_000));
        assert_eq!(buckets.take(ALPHA, RATE, start_ns), Err(100));
        assert_eq!(buckets.take(ALPHA, RATE, start_ns + 100 * NS_PER_MS), Ok(()));
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
