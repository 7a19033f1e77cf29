//! The clock that journal time comes from. The only place of this crate that looks at one.
//!
//! It is a monotonic clock, anchored once at the start to the wall clock or to the journal's last time, whichever is later. So it
//! never goes back, over restarts too, and a step of the wall clock expires nothing: it is only reported.

use std::time::{Instant, SystemTime};

/// The wall clock and journal time may be so far apart before somebody should look.
const STEP_MAX_NS: u64 = 1_000_000_000;

/// Where journal time starts from: the rule alone, without a clock, so that the simulator runs the same one.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    start_ns: u64,
}

impl Anchor {
    /// The later of the wall clock at the start and the last time in the journal.
    pub fn new(wall_ns: u64, last_ns: u64) -> Anchor {
        Anchor { start_ns: wall_ns.max(last_ns) }
    }

    /// Journal time, so long after the start by a monotonic clock.
    pub fn after(&self, elapsed_ns: u64) -> u64 {
        self.start_ns.saturating_add(elapsed_ns)
    }
}

/// Journal time.
#[derive(Clone, Copy, Debug)]
pub struct JournalClock {
    started: Instant,
    anchor: Anchor,
}

impl JournalClock {
    /// A clock that is not behind `last_ns`, the last time in the journal.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn after(last_ns: u64) -> JournalClock {
        JournalClock { started: Instant::now(), anchor: Anchor::new(wall_ns(), last_ns) }
    }

    /// Nanoseconds since 1970, in journal time.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now_ns(&self) -> u64 {
        let elapsed_ns = Instant::now().duration_since(self.started).as_nanos();
        self.anchor.after(u64::try_from(elapsed_ns).unwrap_or(u64::MAX))
    }

    /// How far the wall clock is from journal time, where somebody should look: (nanoseconds, wall clock is ahead).
    pub fn step(&self) -> Option<(u64, bool)> {
        let (wall_ns, now_ns) = (wall_ns(), self.now_ns());
        let distance_ns = wall_ns.abs_diff(now_ns);
        (distance_ns > STEP_MAX_NS).then_some((distance_ns, wall_ns > now_ns))
    }
}

/// Nanoseconds since 1970 by the wall clock; 0 where it is set before that.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall_ns() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_1970.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_behind_the_journal() {
        let future_ns = wall_ns() + 3_600_000_000_000;
        let clock = JournalClock::after(future_ns);
        let first_ns = clock.now_ns();
        assert!(first_ns >= future_ns);
        assert!(clock.now_ns() >= first_ns);
        assert!(matches!(clock.step(), Some((_, false))));
        assert_eq!(JournalClock::after(0).step(), None);
    }
}
