//! Deadlines of open payments, earliest first. A payment that was decided in time stays here until its deadline passes: taking it out would
//! cost more than looking at it once then; only where they become too many, they are swept, some with each batch. By then its slot may hold another payment, which came later: the position tells them apart.
//!
//! A wheel: deadlines of the same four milliseconds wait in one list of no order, which is put in order when its time has come. So adding one
//! touches the end of a list, and a million that wait cost no more than a thousand.

use std::collections::BTreeMap;

use crate::engine::payments::PaymentIndex;
use crate::limits::DEADLINE_SPOKES_SPARE_MAX;

/// When a payment ends, unless it is decided before. Earlier deadlines come first; among equal ones the payment that arrived first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// In journal time.
    pub at_ns: u64,
    /// Journal position of the order.
    pub position: u64,
    /// Where the payment was, or is.
    pub payment: PaymentIndex,
}

/// Deadlines of one spoke, 4.2 ms of journal time, in no order.
type Spoke = Vec<Deadline>;

fn spoke_of(at_ns: u64) -> u64 {
    at_ns >> 22
}

/// All deadlines.
#[derive(Default)]
pub struct Deadlines {
    /// The spokes that are not due, by their numbers; none is empty.
    spokes: BTreeMap<u64, Spoke>,
    /// The earliest spoke, in order: the last one is due first. All that is in `spokes` is due after it.
    due: Spoke,
    /// Which spoke `due` is; of no meaning where it is empty.
    due_spoke: u64,
    count: usize,
    /// The next sweep begins with this spoke.
    sweep_from: u64,
    /// Empty ones, to be used again.
    spare: Vec<Spoke>,
}

impl Deadlines {
    /// Adds one.
    pub fn add(&mut self, deadline: Deadline) {
        self.count += 1;
        let spoke = spoke_of(deadline.at_ns);
        if !self.due.is_empty() && spoke <= self.due_spoke {
            return self.add_early(spoke, deadline);
        }
        self.put(spoke, deadline);
    }

    fn put(&mut self, spoke: u64, deadline: Deadline) {
        let spare = &mut self.spare;
        self.spokes.entry(spoke).or_insert_with(|| spare.pop().unwrap_or_default()).push(deadline);
    }

    /// It comes before others that are in order already, or among them.
    fn add_early(&mut self, spoke: u64, deadline: Deadline) {
        if spoke == self.due_spoke {
            let place = self.due.partition_point(|other| *other > deadline);
            self.due.insert(place, deadline);
        } else {
            let due = std::mem::take(&mut self.due);
            self.spokes.insert(self.due_spoke, due);
            self.put(spoke, deadline);
        }
    }

    /// How many there are, of open payments and of such that were decided in time.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Looks at the next spokes, at least `looks` deadlines if there are so many, and keeps those that are still to be watched. After the last spoke it stops,
    /// and begins with the first the next time.
    pub fn sweep(&mut self, looks: usize, is_open: impl Fn(Deadline) -> bool) {
        let mut looked = 0;
        while looked < looks {
            let Some((&number, spoke)) = self.spokes.range_mut(self.sweep_from..).next() else {
                self.sweep_from = 0;
                return;
            };
            self.sweep_from = number + 1;
            looked += spoke.len();
            self.count -= spoke.len();
            spoke.retain(|deadline| is_open(*deadline));
            self.count += spoke.len();
            if spoke.is_empty() {
                let emptied = self.spokes.remove(&number).unwrap_or_default();
                self.recycle(emptied);
            }
        }
    }

    fn recycle(&mut self, emptied: Spoke) {
        if self.spare.len() < DEADLINE_SPOKES_SPARE_MAX {
            self.spare.push(emptied);
        }
    }

    /// The earliest, of an open payment or of one that was decided in time.
    pub fn earliest(&mut self) -> Option<Deadline> {
        if self.due.is_empty() {
            let (number, mut spoke) = self.spokes.pop_first()?;
            spoke.sort_unstable_by(|one, other| other.cmp(one));
            self.due_spoke = number;
            let emptied = std::mem::replace(&mut self.due, spoke);
            self.recycle(emptied);
        }
        self.due.last().copied()
    }

    /// Takes out the earliest if it has come.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Deadline> {
        if self.earliest()?.at_ns > now_ns {
            return None;
        }
        self.count -= 1;
        self.due.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deadlines_come_in_order_of_arrival_and_what_is_not_kept_does_not_come() {
        let mut deadlines = Deadlines::default();
        let payment = PaymentIndex::default();
        for (at_ns, position) in [(20, 4), (10, 9), (20, 3), (10, 8), (30, 1)] {
            deadlines.add(Deadline { at_ns, position, payment });
        }
        deadlines.sweep(100, |deadline| deadline.position != 3);
        assert_eq!(deadlines.count(), 4);
        let mut taken = Vec::new();
        while let Some(deadline) = deadlines.take_due(29) {
            taken.push(deadline.position);
        }
        assert_eq!(taken, [8, 9, 4]);
        assert_eq!(deadlines.earliest().map(|deadline| deadline.at_ns), Some(30));
    }

    /// Against a list that is put in order each time, with deadlines that come before what is in order already.
    #[test]
    fn they_come_in_order_whatever_the_order_in_which_they_were_added() {
        let mut deadlines = Deadlines::default();
        let mut waiting: Vec<Deadline> = Vec::new();
        let mut random = 7u64;
        for position in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at_ns = (random >> 33) % 100_000_000;
            let deadline = Deadline { at_ns, position, payment: PaymentIndex::default() };
            deadlines.add(deadline);
            waiting.push(deadline);
            if random >> 60 == 0 {
                let now_ns = (random >> 20) % 60_000_000;
                waiting.sort_unstable();
                let due = waiting.partition_point(|deadline| deadline.at_ns <= now_ns);
                let taken: Vec<_> = std::iter::from_fn(|| deadlines.take_due(now_ns)).collect();
                assert_eq!(taken, waiting.drain(..due).collect::<Vec<_>>());
                assert_eq!(deadlines.earliest(), waiting.first().copied());
            }
            if random >> 53 == 0 {
                // What is due first is not swept: it leaves soon by itself.
                let due_spoke = deadlines.earliest().map(|deadline| spoke_of(deadline.at_ns));
                let stays = |deadline: Deadline| {
                    !deadline.position.is_multiple_of(3) || Some(spoke_of(deadline.at_ns)) == due_spoke
                };
                deadlines.sweep_from = 0;
                deadlines.sweep(usize::MAX, stays);
                waiting.retain(|deadline| stays(*deadline));
            }
            assert_eq!(deadlines.count(), waiting.len());
        }
    }
}
