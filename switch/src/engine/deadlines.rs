//! Deadlines of open payments, earliest first. A payment that was decided in time stays here until its deadline passes: taking it out would
//! cost more than looking at it once then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::payments::PaymentIndex;

/// Deadlines, earliest first; equal ones in order of arrival.
#[derive(Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, PaymentIndex)>>,
}

impl Deadlines {
    /// A payment ends at `deadline_ns` unless it is decided before.
    pub fn add(&mut self, deadline_ns: u64, payment: PaymentIndex) {
        self.heap.push(Reverse((deadline_ns, payment)));
    }

    /// The earliest deadline, of an open payment or of one that was decided in time.
    pub fn earliest_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((deadline_ns, _))| *deadline_ns)
    }

    /// Whose deadline is the earliest.
    pub fn earliest_payment(&self) -> Option<PaymentIndex> {
        self.heap.peek().map(|Reverse((_, payment))| *payment)
    }

    /// Takes out the earliest deadline if it has come.
    pub fn take_due(&mut self, now_ns: u64) -> Option<PaymentIndex> {
        if self.earliest_ns()? > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse((_, payment))| payment)
    }
}
