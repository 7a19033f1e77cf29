//! Stamps batches with journal time, which never goes back.

/// Gives batches their time.
pub struct Sequencer {
    last_time_ns: u64,
}

impl Sequencer {
    /// Goes on from the last batch of the journal; 0 where there is none.
    pub fn after(last_time_ns: u64) -> Sequencer {
        Sequencer { last_time_ns }
    }

    /// The time of the next batch: now, or that of the last batch where the clock has fallen behind it.
    pub fn stamp(&mut self, now_ns: u64) -> u64 {
        self.last_time_ns = self.last_time_ns.max(now_ns);
        self.last_time_ns
    }
}
