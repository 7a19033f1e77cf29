//! One outcome per payment, known to all: what providers were told, what the engine and the history answer, and what the auditor has decided are
//! one.

use adapters::message::{Outcome, PaymentId};

use super::Finding;
use crate::engine::effect::Status;
use crate::entry::ParticipantId;
use crate::history::HistoryQuestion;
use crate::simulate::auditor::Auditor;
use crate::simulate::machine::Process;
use crate::simulate::provider::{Provider, hex};
use crate::simulate::wire::Id;

pub(in super::super) const NAME: &str = "one outcome, known to all";

pub(in super::super) fn check(process: &Process, auditor: &Auditor, providers: &[Provider]) -> Finding {
    for (id, payment) in auditor.payments() {
        let right = payment.end.ok_or_else(|| format!("{} has no end", hex(id)))?;
        for place in [Some(payment.sender), payment.payee].into_iter().flatten() {
            let known = answer(process, place, *id)?;
            let answered = (known.outcome as u8, known.reason.bytes(), known.decided_at_ns, known.position);
            if answered != (right.outcome, right.reason, right.decided_at_ns, right.position) {
                return Err(format!("{}: the answer is {answered:?}, it was {right:?}", hex(id)));
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

/// What a participant would be told of a payment of any age.
fn answer(process: &Process, place: usize, id: Id) -> Result<Status, String> {
    let participant = ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX));
    let payment_id = PaymentId::from_bytes(id).ok_or_else(|| format!("{} is no payment id", hex(&id)))?;
    let engine = process.pipeline.engine();
    if engine.holds(payment_id) {
        return Ok(engine.status_for(participant, payment_id));
    }
    let answer = process.asker.answer(HistoryQuestion { payment_id }).map_err(|fault| fault.to_string())?;
    let record = answer.outcome;
    Ok(record.map_or(Status::undecided(Outcome::Unknown), |record| record.status_for(participant)))
}
