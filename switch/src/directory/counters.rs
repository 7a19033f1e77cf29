//! What became of payments to an alias, and who has reported it: counted by day, told in classes.

use super::store::StoreFault;
use crate::seal::Day;

/// Days that are counted: six months.
const DAYS_KEPT: u32 = 184;

/// Length of a day.
const DAY_BYTES: usize = 16;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A payment was committed.
    Settled = 0,
    /// It was reported for fraud.
    Reported = 1,
    /// A payment was rejected or expired.
    Rejected = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DayCounts {
    day: Day,
    counts: [u32; 3],
}

/// The counters of one alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ascending; only days on which something happened.
    days: Vec<DayCounts>,
}

impl Counters {
    /// Counts one; what is too old leaves.
    pub fn count(&mut self, day: Day, what: Counted) {
        self.days.retain(|counts| counts.day + DAYS_KEPT > day);
        if self.days.last().is_none_or(|last| last.day < day) {
            self.days.push(DayCounts { day, counts: [0; 3] });
        }
        if let Some(last) = self.days.last_mut() {
            let count = &mut last.counts[what as usize];
            *count = count.saturating_add(1);
        }
    }

    /// How often over the last `days` days, today included.
    pub fn over(&self, today: Day, days: u32, what: Counted) -> u64 {
        let recent = self.days.iter().filter(|counts| counts.day + days > today);
        recent.map(|counts| u64::from(counts.counts[what as usize])).sum()
    }

    /// Settled, reported, rejected, each over 3 days, 30 days and 6 months, as classes.
    pub fn classes(&self, today: Day) -> [u8; 9] {
        let mut classes = [0; 9];
        let kinds = [Counted::Settled, Counted::Reported, Counted::Rejected];
        for (place, class) in classes.iter_mut().enumerate() {
            let days = [3, 30, DAYS_KEPT][place % 3];
            *class = class_of(self.over(today, days, kinds[place / 3]));
        }
        classes
    }

    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.days.len() * DAY_BYTES);
        for day in &self.days {
            bytes.extend_from_slice(&day.day.to_le_bytes());
            day.counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    pub(super) fn read(bytes: Option<&[u8]>) -> Result<Counters, StoreFault> {
        let (days, []) = bytes.unwrap_or_default().as_chunks::<DAY_BYTES>() else {
            return Err(StoreFault::damaged("counters that are no whole number of days"));
        };
        let word = |bytes: &[u8; DAY_BYTES], at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let days =
            days.iter().map(|day| DayCounts { day: word(day, 0), counts: [word(day, 4), word(day, 8), word(day, 12)] });
        Ok(Counters { days: days.collect() })
    }
}

/// Counts are told in classes, so that a payment of one's own cannot be seen in them.
fn class_of(count: u64) -> u8 {
    match count {
        0 => 0,
        1..=2 => 1,
        3..=9 => 2,
        10..=29 => 3,
        30..=99 => 4,
        100..=299 => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_and_leave() {
        let mut counters = Counters::default();
        for day in [100, 100, 101, 103] {
            counters.count(day, Counted::Settled);
        }
        counters.count(103, Counted::Rejected);
        assert_eq!(counters.over(103, 3, Counted::Settled), 2);
        assert_eq!(counters.over(103, 30, Counted::Settled), 4);
        assert_eq!(counters.classes(103), [1, 2, 2, 0, 0, 0, 1, 1, 1]);
        let bytes = counters.bytes();
        assert_eq!(Counters::read(bytes.as_deref()).expect("they were just written"), counters);
        counters.count(100 + DAYS_KEPT, Counted::Reported);
        assert_eq!(counters.over(100 + DAYS_KEPT, DAYS_KEPT, Counted::Settled), 2, "day 100 has left");
        assert!(Counters::read(Some(&[0; 15])).is_err());
    }
}
