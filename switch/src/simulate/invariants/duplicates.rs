//! The window of outcomes forgets nothing that the history lacks: an id whose outcome has left memory is never decided a second time, and no outcome
//! leaves memory before the files have it. The auditor, who forgets nothing, looks at every order that is decided.

use super::{Finding, Turn};

pub(in super::super) const NAME: &str = "no payment is decided twice";

/// The turn before.
#[derive(Default)]
pub(in super::super) struct Window {
    /// Did the files have all that had left memory? Those that are made anew come to it after a while.
    is_covered: bool,
}

impl Window {
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        let (indexed, floor) = (turn.pipeline.watermarks().indexed, turn.pipeline.engine().floor());
        let is_covered = floor <= indexed;
        if self.is_covered && !is_covered {
            return Err(format!("the outcome at {floor} has left memory, and the files end at {indexed}"));
        }
        self.is_covered = is_covered;
        Ok(())
    }
}
