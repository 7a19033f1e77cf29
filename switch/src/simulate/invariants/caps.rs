//! Caps are never exceeded: by the auditor's own sums nobody has reserved or paid more than it had, nothing was returned that was not paid, and no more payments are open than the limits say.

use super::{Finding, Turn};
use crate::simulate::provider::hex;

pub(in super::super) const NAME: &str = "caps never exceeded";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    for (place, accounts) in turn.auditor.accounts().iter().enumerate() {
        for account in accounts {
            if account.available() < 0 || account.reserved < 0 {
                return Err(format!("provider {place} stands at {account:?}"));
            }
        }
    }
    if let Some((id, payment)) = turn.auditor.returned_too_much() {
        return Err(format!("{} of {} were returned of {}", payment.returned, payment.amount, hex(id)));
    }
    let (engine, limits) = (turn.pipeline.engine(), turn.limits);
    let open = engine.counts().in_flight;
    if open > u64::from(limits.in_flight_max) {
        return Err(format!("{open} payments are open, the limit is {}", limits.in_flight_max));
    }
    for (id, code) in engine.participants() {
        let open = engine.in_flight_of(id);
        if open > limits.in_flight_per_participant_max {
            return Err(format!(
                "{open} payments of {code} are open, its limit is {}",
                limits.in_flight_per_participant_max
            ));
        }
    }
    Ok(())
}
