//! Deadlines of open payments, earliest first. A payment that was decided in time stays here until its deadline passes: taking it out would
//! cost more than looking at it once then; only where they become too many, all are looked at. By then its slot may hold another payment, which came later: the position tells them apart.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::payments::PaymentIndex;

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

/// All deadlines.
#[derive(Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<Deadline>>,
}

impl Deadlines {
    /// Adds one.
    pub fn add(&mut self, deadline: Deadline) {
        self.heap.push(Reverse(deadline));
    }

    /// How many there are, of open payments and of such that were decided in time.
    pub fn count(&self) -> usize {
        self.heap.len()
    }

    /// Keeps those that are still to be watched. It looks at all of them.
    pub fn keep(&mut self, is_open: impl Fn(Deadline) -> bool) {
        self.heap.retain(|Reverse(deadline)| is_open(*deadline));
    }

    /// The earliest, of an open payment or of one that was decided in time.
    pub fn earliest(&self) -> Option<Deadline> {
        self.heap.peek().map(|Reverse(deadline)| *deadline)
    }

    /// Takes out the earliest if it has come.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Deadline> {
        if self.earliest()?.at_ns > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse(deadline)| deadline)
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
        deadlines.keep(|deadline| deadline.position != 3);
        assert_eq!(deadlines.count(), 4);
        let mut taken = Vec::new();
        while let Some(deadline) = deadlines.take_due(29) {
            taken.push(deadline.position);
        }
        assert_eq!(taken, [8, 9, 4]);
        assert_eq!(deadlines.earliest().map(|deadline| deadline.at_ns), Some(30));
    }
}
