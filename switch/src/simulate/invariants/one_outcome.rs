//! One outcome per payment, known to all: what providers were told, what the engine and the history answer, and what the auditor has decided are
//! one.

use adapters::message::{Outcome, PaymentId};

use super::Finding;
use super::agreement::as_told;
use crate::engine::effect::{News, Status};
use crate::entry::ParticipantId;
use crate::history::HistoryQuestion;
use crate::simulate::auditor::Auditor;
use crate::simulate::machine::Process;
use crate::simulate::provider::{Provider, hex};
use crate::simulate::wire::{self, Id};

pub(in super::super) const NAME: &str = "one outcome, known to all";

pub(in super::super) fn check(process: &Process, auditor: &Auditor, providers: &[Provider]) -> Finding {
    for (id, payment) in auditor.payments() {
        let right = payment.end.ok_or_else(|| format!("{} has no end", hex(id)))?;
        for place in [Some(payment.sender), payment.payee].into_iter().flatten() {
            for known in answers(process, place, *id)? {
                let answered = (known.outcome as u8, known.reason.bytes(), known.decided_at_ns, known.position);
                if answered != (right.outcome, right.reason, right.decided_at_ns, right.position) {
                    return Err(format!("{}: the answer is {answered:?}, it was {right:?}", hex(id)));
                }
            }
            let told = providers[place].finals().get(id);
            if told.is_some_and(|told| *told != right) {
                return Err(format!("{}: provider {place} was told {told:?}, it was {right:?}", hex(id)));
            }
        }
    }
    check_cases(process, auditor, providers)?;
    let known = |id: Id| auditor.payment(id).is_some();
    for provider in providers {
        if let Some(id) = provider.finals().keys().find(|id| !known(**id)) {
            return Err(format!("{} was told of {}, which is no payment", provider.plan.code, hex(id)));
        }
    }
    Ok(())
}

/// The same of cases, and of the posting follow-ups of payments.
fn check_cases(process: &Process, auditor: &Auditor, providers: &[Provider]) -> Finding {
    for (subject, case) in auditor.cases() {
        let (id, right) = (case.last().id, case.last());
        if case.is_open() {
            return Err(format!("the case {} has no end: {right:?}", hex(&id)));
        }
        for place in [Some(case.opener), case.responder].into_iter().flatten() {
            for known in case_answers(process, place, id)? {
                if known != right {
                    return Err(format!("{}: the answer is {known:?}, it was {right:?}", hex(&id)));
                }
            }
            let told = providers[place].case_end(*subject);
            if told.is_some_and(|told| told != right) {
                return Err(format!("{}: provider {place} was told {told:?}, it was {right:?}", hex(&id)));
            }
        }
    }
    Ok(())
}

/// What a participant would be told of a case of any age.
fn case_answers(process: &Process, place: usize, id: Id) -> Result<Vec<wire::CaseStatus>, String> {
    let participant = ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX));
    let payment_id = PaymentId::from_bytes(id).ok_or_else(|| format!("{} is no id", hex(&id)))?;
    let of_engine = process.pipeline.engine().case_for(participant, payment_id);
    let is_in_files = of_engine.is_none_or(|news| news.position <= process.pipeline.watermarks().indexed);
    let mut answers = Vec::from_iter(of_engine);
    if is_in_files {
        let question = HistoryQuestion { payment_id, original: None };
        let answer = process.asker.answer(question).map_err(|fault| fault.to_string())?;
        answers.push(answer.news_for_case_input(participant));
    }
    Ok(answers.iter().map(|news| as_told(id, news)).collect())
}

/// What a participant would be told of a payment of any age: by the engine, as long as it holds it, and by the history, once its files have it.
fn answers(process: &Process, place: usize, id: Id) -> Result<Vec<Status>, String> {
    let participant = ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX));
    let payment_id = PaymentId::from_bytes(id).ok_or_else(|| format!("{} is no payment id", hex(&id)))?;
    let engine = process.pipeline.engine();
    let of_engine = engine.find_payment(payment_id).map(|_| engine.status_for(participant, payment_id));
    let is_in_files = of_engine.is_none_or(|status| status.position <= process.pipeline.watermarks().indexed);
    let mut answers = Vec::from_iter(of_engine);
    if is_in_files {
        let answer =
            process.asker.answer(HistoryQuestion { payment_id, original: None }).map_err(|fault| fault.to_string())?;
        let unknown = Status::undecided(Outcome::Unknown);
        let said = answer.outcome.map(|record| record.news_for(participant));
        answers.push(match said {
            Some(News::Status(status)) => status,
            Some(other) => return Err(format!("{} is told as {other:?}", hex(&id))),
            None => unknown,
        });
    }
    Ok(answers)
}
