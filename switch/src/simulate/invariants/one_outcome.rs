//! One outcome per payment, known to all: what providers were told, what the engine answers, and what the auditor has decided are one.

use adapters::message::PaymentId;

use super::Finding;
use crate::engine::Engine;
use crate::entry::ParticipantId;
use crate::simulate::auditor::Auditor;
use crate::simulate::provider::{Provider, hex};
use crate::simulate::wire::Id;

pub(in super::super) const NAME: &str = "one outcome, known to all";

pub(in super::super) fn check(engine: &Engine, auditor: &Auditor, providers: &[Provider]) -> Finding {
    for (id, payment) in auditor.payments() {
        let right = payment.end.ok_or_else(|| format!("{} has no end", hex(id)))?;
        for place in [Some(payment.sender), payment.payee].into_iter().flatten() {
            let asked = PaymentId::from_bytes(*id).map(|id| engine.status_for(participant(place), id));
            let known = asked.ok_or_else(|| format!("{} is no payment id", hex(id)))?;
            let answered = (known.outcome as u8, known.reason.bytes(), known.decided_at_ns, known.position);
            if answered != (right.outcome, right.reason, right.decided_at_ns, right.position) {
                return Err(format!("{}: the engine answers {answered:?}, it was {right:?}", hex(id)));
            }
            let told = providers[place].finals().get(id);
            if told.is_some_and(|told| *told != right) {
                return Err(format!("{}: provider {place} was told {told:?}, it was {right:?}", hex(id)));
            }
        }
    }
    let known = |id: Id| auditor.payment(id).is_some();
    for provider in providers {
        if let Some(id) = provider.finals().keys().find(|id| !known(**id)) {
            return Err(format!("{} was told of {}, which is no payment", provider.plan.code, hex(id)));
        }
    }
    Ok(())
}

fn participant(place: usize) -> ParticipantId {
    ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX))
}
