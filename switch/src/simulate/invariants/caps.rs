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
    Ok(())
}

/// Of each participant at the end of the turn before: how many payments it may have open, and how many it had.
#[derive(Default)]
pub(in super::super) struct Before(Vec<(u32, u32)>);

impl Before {
    /// Whose limit was greater before may have more open than it allows now. No more come.
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        let (engine, configured) = (turn.pipeline.engine(), turn.limits.in_flight_per_participant_max);
        let members = engine.participants().zip(&turn.auditor.scheme().members);
        let now = members.map(|((id, _), member)| {
            let [set, ..] = member.limits;
            (if set == 0 { configured } else { set }, engine.in_flight_of(id))
        });
        let now: Vec<(u32, u32)> = now.collect();
        let before = std::mem::replace(&mut self.0, now);
        for (place, (now, before)) in self.0.iter().zip(before).enumerate() {
            let limit = now.0.max(before.0).max(before.1);
            if now.1 > limit {
                return Err(format!("participant {} has {} payments open, its limit is {limit}", place + 1, now.1));
            }
        }
        Ok(())
    }
}
