//! No position goes below its cap by a payment: in a turn in which nothing but payments has happened, one that has fallen is still within what backs it.

use std::collections::BTreeMap;

use super::accounts::balance;
use super::{Finding, Turn};
use crate::entry::ParticipantId;
use crate::simulate::auditor::account;
use crate::simulate::plan::CURRENCIES;

pub(in super::super) const NAME: &str = "no position below its cap";

/// Where positions stood after the turn before, less what was held of them.
#[derive(Default)]
pub(in super::super) struct Before {
    positions: BTreeMap<(usize, u32), i128>,
    last_change: u64,
}

impl Before {
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        let (engine, scheme) = (turn.pipeline.engine(), turn.auditor.scheme());
        let has_changed = std::mem::replace(&mut self.last_change, scheme.last_change()) != scheme.last_change();
        for currency in (0..CURRENCIES.len()).filter(|currency| scheme.is_net(*currency)) {
            for number in 1..=u32::try_from(turn.auditor.participants()).unwrap_or(0) {
                let of = balance(engine, (currency, number, account::POSITION));
                let stands = of.posted - of.held;
                let before = self.positions.insert((currency, number), stands);
                let has_fallen = before.is_some_and(|before| stands < before);
                let backing = balance(engine, (currency, number, account::SETTLEMENT));
                let backing = backing.posted - backing.held + scheme.held_for(currency, number);
                let terms = engine.terms_of(ParticipantId(number), CURRENCIES[currency]);
                let cap = terms.map_or(0, |terms| i128::from(terms.net_debit_cap)).min(backing);
                if has_fallen && !has_changed && stands < -cap {
                    return Err(format!("participant {number}'s position has fallen to {stands}, its cap is {cap}"));
                }
            }
        }
        Ok(())
    }
}
