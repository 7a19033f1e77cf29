//! The window of outcomes forgets nothing that the history lacks. The auditor, who forgets nothing, looks at every order that is decided: an id that
//! it knows is never decided a second time. And after every turn it counts what is still to be held: the outcomes that the files lack, and the payments
//! that are open, since each of them becomes one.
//!
//! What is to be held fits into the window, or becomes no more: an answer and a deadline leave the sum as it is, what the files gain makes it smaller, and
//! an order, which makes it larger, is taken in only where it fits. Open cases are not counted: they may stay open for months, and there may be more of them than
//! the window holds. More than fits is there only after a start that found files missing, and where many cases are closed at once: then ids are
//! checked again and questions wait, until the files have caught up.

use super::{Finding, Turn};
use crate::pipeline::Pipeline;
use crate::simulate::auditor::Auditor;
use crate::simulate::disk::VirtualDisk;

pub(in super::super) const NAME: &str = "no payment is decided twice";

/// The turn before, or the start.
#[derive(Default)]
pub(in super::super) struct Window {
    to_hold: u64,
    /// Cases that had been open and were closed.
    closings: u64,
}

impl Window {
    /// What a start finds, whatever it is.
    pub(super) fn at_start(pipeline: &Pipeline<VirtualDisk>, auditor: &Auditor) -> Window {
        Window { to_hold: auditor.to_hold(pipeline.watermarks().indexed), closings: auditor.closings() }
    }

    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        let (auditor, indexed) = (turn.auditor, turn.pipeline.watermarks().indexed);
        let (to_hold, kept, floor) = (auditor.to_hold(indexed), auditor.outcomes_kept(), auditor.floor());
        let closed = auditor.closings() - std::mem::replace(&mut self.closings, auditor.closings());
        let before = self.to_hold;
        if to_hold > kept.max(before) + closed {
            return Err(format!("memory holds {kept} outcomes and has to hold {to_hold}, in the turn before {before}"));
        }
        if to_hold <= kept && floor > indexed {
            return Err(format!("the outcome at {floor} has left memory, and the files end at {indexed}"));
        }
        self.to_hold = to_hold;
        Ok(())
    }
}
