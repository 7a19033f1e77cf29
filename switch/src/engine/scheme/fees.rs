//! Fees: tariffs, what a posting costs, and what of it is collected.

use rkyv::{Archive, Deserialize, Serialize};

use super::rejects::CommandReject;
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedFeesCollected, ArchivedTariffSet};

/// The tariff in force, and those to come.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Fees {}

impl Fees {
    /// When another tariff comes into force.
    pub fn next_tariff_ns(&self) -> Option<u64> {
        None
    }
}

impl Engine {
    /// Lets a tariff come into force whose time has come.
    pub(super) fn advance_tariffs(&mut self, _: Moment) {}

    pub(super) fn set_tariff(&mut self, _: Moment, _: &ArchivedTariffSet, _: &[u8]) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn collect_fees(&mut self, _: Moment, _: &ArchivedFeesCollected) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }
}
