//! Watermarks are ordered, never go back while the process runs, and claim no more than is on disk.

use super::{Finding, Turn};
use crate::watermarks::Watermarks;

pub(in super::super) const NAME: &str = "watermarks ordered";

/// The watermarks of the turn before.
#[derive(Default)]
pub(in super::super) struct Order {
    last: Watermarks,
}

impl Order {
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        let now = turn.pipeline.watermarks();
        let Watermarks { sequenced, durable, applied, indexed } = now;
        if !(sequenced >= durable && durable >= applied && applied >= indexed) {
            return Err(format!("a stage has overtaken the one before it: {now:?}"));
        }
        let last = [self.last.sequenced, self.last.durable, self.last.applied, self.last.indexed];
        if [sequenced, durable, applied, indexed].iter().zip(last).any(|(now, last)| *now < last) {
            return Err(format!("{:?} has become {now:?}", self.last));
        }
        if durable > turn.auditor.through() {
            return Err(format!("{durable} is said to be durable, {} is on disk", turn.auditor.through()));
        }
        self.last = now;
        Ok(())
    }
}
