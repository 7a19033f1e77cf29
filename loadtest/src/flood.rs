//! One provider that sends far more than it should.
//!
//! Its payments are real ones: they must each have one outcome, and the verdict holds them. But how long they took says nothing about the switch, so they are in
//! nobody else's figures.

use crate::limits::NS_PER_S;

/// A flood that goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    began_ns: u64,
    until_ns: u64,
    /// So many a second; none: as fast as the connection takes them.
    rate: Option<u64>,
    sent: u64,
}

impl Flood {
    pub(crate) fn new(now_ns: u64, for_ns: u64, rate: Option<u64>) -> Flood {
        Flood { began_ns: now_ns, until_ns: now_ns.saturating_add(for_ns), rate, sent: 0 }
    }

    /// Is it over?
    pub(crate) fn is_over(&self, now_ns: u64) -> bool {
        self.until_ns <= now_ns
    }

    /// When the next payment is to be sent. Without a rate that is at once.
    pub(crate) fn due_ns(&self, now_ns: u64) -> u64 {
        let after_ns = |rate: u64| u128::from(self.sent) * u128::from(NS_PER_S) / u128::from(rate);
        self.rate.map_or(now_ns, |rate| self.began_ns.saturating_add(u64::try_from(after_ns(rate)).unwrap_or(u64::MAX)))
    }

    /// One was sent.
    pub(crate) fn sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_rate_and_ends() {
        let mut flood = Flood::new(1_000, NS_PER_S, Some(4));
        assert_eq!(flood.due_ns(1_000), 1_000);
        flood.sent();
        assert_eq!(flood.due_ns(5_000), 1_000 + NS_PER_S / 4, "what was sent late does not move the next");
        assert!(!flood.is_over(NS_PER_S) && flood.is_over(NS_PER_S + 1_000));
        let mut unbound = Flood::new(1_000, NS_PER_S, None);
        unbound.sent();
        assert_eq!(unbound.due_ns(7_000), 7_000);
    }
}
