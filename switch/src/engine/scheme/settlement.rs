//! Settlement: windows that close by order or by the calendar, their nets, and how these are settled.

use rkyv::{Archive, Deserialize, Serialize};

use super::rejects::CommandReject;
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedCalendarSet, ArchivedCutOff, ArchivedSettlementStep};

/// All cycles.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Settlement {}

impl Settlement {
    /// When a window closes by itself next.
    pub fn next_cut_off_ns(&self) -> Option<u64> {
        None
    }
}

impl Engine {
    /// Closes what the calendar says.
    pub(super) fn close_due_windows(&mut self, _: Moment) {}

    pub(super) fn cut_off(&mut self, _: Moment, _: &ArchivedCutOff) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn step_settlement(&mut self, _: Moment, _: &ArchivedSettlementStep) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_calendar(&mut self, _: Moment, _: &ArchivedCalendarSet) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }
}
