//! Deadlines of open payments, earliest first. A payment that was decided in time stays here until its deadline passes: taking it out would
//! cost more than looking at it once then. By then its slot may hold another payment, which came later: the position tells them apart.

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
