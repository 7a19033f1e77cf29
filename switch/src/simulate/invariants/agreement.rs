//! The engine and the auditor agree: where every payment that has changed stands, what memory holds, what every participant has, and how much it is to
//! be told.

use adapters::message::PaymentId;
use ledger::Currency;

use super::{Finding, Turn};
use crate::engine::effect::CaseNews;
use crate::entry::ParticipantId;
use crate::simulate::auditor::{Case, Counts, outcome};
use crate::simulate::plan::CURRENCIES;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, Id};

pub(in super::super) const NAME: &str = "engine and auditor agree";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let counts = engine.counts();
    let counts = Counts {
        ended: [counts.committed, counts.rejected, counts.expired],
        in_flight: counts.in_flight,
        returned: counts.returned,
        returns_rejected: counts.returns_rejected,
        cases_open: counts.cases_open,
        cases_closed: counts.cases_closed,
    };
    same("what became of everything", &counts, &auditor.counts())?;
    same("the last position applied", &engine.applied(), &auditor.through())?;
    same("the payments that memory holds", &engine.payments_held(), &auditor.held())?;
    same("the floor of the window", &engine.floor(), &auditor.floor())?;
    for &id in turn.changed {
        check_payment(turn, id)?;
        check_cases(turn, id)?;
    }
    for (place, (id, code)) in engine.participants().enumerate().take(auditor.participants()) {
        let presence = engine.participant(id).map(|of| (of.is_signed_off, of.is_absent));
        let right = (auditor.is_signed_off(place), auditor.is_absent(place));
        same(&format!("signed off, and absent, of {code}"), &presence, &Some(right))?;
        let allowance = auditor.aliases().allowance(place);
        same(&format!("what look-ups {code} may make"), &Some(engine.participant_allowance(id)), &allowance)?;
        same(&format!("messages for {code}"), &engine.enqueued(id), &auditor.told_counts(place))?;
        for (number, currency) in CURRENCIES.iter().enumerate() {
            let right = auditor.scheme().spendable(place, number);
            let Some(currency) = Currency::parse(currency) else { continue };
            let (available, reserved) = engine.balance_of(id, currency).unwrap_or((0, 0));
            let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
            let held = (signed(available), signed(reserved));
            same(&format!("{code}'s {currency}"), &held, &(right.posted, right.held))?;
        }
    }
    Ok(())
}

/// Of a payment that memory holds, the engine says to both sides what the auditor says.
fn check_payment(turn: &Turn<'_>, id: Id) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let (Some(payment), Some(payment_id)) = (auditor.payment(id), PaymentId::from_bytes(id)) else { return Ok(()) };
    if engine.find_payment(payment_id).is_none() {
        return Ok(());
    }
    let right = payment.end.map_or((outcome::IN_FLIGHT, 0), |end| (end.outcome, end.position));
    for place in [Some(payment.sender), payment.payee].into_iter().flatten() {
        let participant = ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX));
        let status = engine.status_for(participant, payment_id);
        same(&hex(&id), &(status.outcome as u8, status.position), &right)?;
    }
    Ok(())
}

/// The same of the case with this id, and of the posting follow-up of the payment with it.
fn check_cases(turn: &Turn<'_>, id: Id) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let Some(case_id) = PaymentId::from_bytes(id) else { return Ok(()) };
    let parties = |case: &Case| [Some(case.opener), case.responder];
    for case in [auditor.case(id), auditor.posting(id)].into_iter().flatten() {
        if engine.find_case(case_id).is_none() {
            continue;
        }
        for place in parties(case).into_iter().flatten() {
            let participant = ParticipantId(u32::try_from(place + 1).unwrap_or(u32::MAX));
            let known = engine.case_for(participant, case_id).map(|news| as_told(id, &news));
            same(&hex(&id), &known, &Some(case.last()))?;
        }
    }
    Ok(())
}

/// As it reads on the wire.
pub(super) fn as_told(id: Id, news: &CaseNews) -> wire::CaseStatus {
    let &CaseNews { kind, state, reason, field, at_ns, position } = news;
    let (kind, state) = (kind.map_or(0, |kind| kind as u8), state as u8);
    wire::CaseStatus { id, kind, state, reason: reason.bytes(), field: field as u8, at_ns, position }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, engine: &T, auditor: &T) -> Finding {
    if engine == auditor {
        return Ok(());
    }
    Err(format!("{what}: the engine has {engine:?}, the auditor {auditor:?}"))
}
