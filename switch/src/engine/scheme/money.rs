//! Money that moves by the operator's orders: funds in and out, reserves, transfers, disputes, blocks; floors and ceilings.

use rkyv::{Archive, Deserialize, Serialize};

use super::rejects::CommandReject;
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedLiquidityRulesSet, ArchivedMoneyDecided, ArchivedMoneyOrdered, ArchivedTransferAllowed};

/// Orders that are prepared, floors and ceilings, permissions.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Money {}

impl Engine {
    pub(super) fn order_money(&mut self, _: Moment, _: &ArchivedMoneyOrdered) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn decide_money(&mut self, _: Moment, _: &ArchivedMoneyDecided) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn set_liquidity_rules(
        &mut self,
        _: Moment,
        _: &ArchivedLiquidityRulesSet,
    ) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    pub(super) fn allow_transfer(&mut self, _: Moment, _: &ArchivedTransferAllowed) -> Result<(), CommandReject> {
        Err(CommandReject::ValueMeaningless)
    }

    /// Tops up and sweeps, and tells of floors and ceilings.
    pub(super) fn level_liquidity(&mut self, _: Moment) {}
}
