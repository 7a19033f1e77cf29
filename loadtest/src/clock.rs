//! The clock of a run: nanoseconds since 1970 that never go back.

use std::time::{Instant, SystemTime};

/// Monotonic, anchored once to the wall clock: payments carry its time, and latencies are differences of it.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    anchor: Instant,
    anchor_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { anchor: Instant::now(), anchor_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX / 2) }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.anchor_ns + u64::try_from(self.anchor.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }
}
