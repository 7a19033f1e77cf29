//! Caps are never exceeded: by the auditor's own sums nobody has reserved or paid more than it had, nothing was returned that was not paid, and no more payments are open than the limits say.

use super::{Finding, Turn};
use crate::simulate::auditor::account;
use crate::simulate::provider::hex;

pub(in super::super) const NAME: &str = "caps never exceeded";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    for (key, of) in turn.auditor.scheme().accounts() {
        let is_limited = matches!(key.2, account::SETTLEMENT | account::RESERVE | account::TRANSIT);
        if of.held < 0 || is_limited && of.posted < of.held {
            return Err(format!("account {key:?} stands at {of:?}"));
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
