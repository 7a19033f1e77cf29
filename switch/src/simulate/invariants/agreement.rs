//! The engine and the auditor agree: where every payment that has changed stands, what memory holds, what every participant has, and how much it is to
//! be told.

use adapters::message::PaymentId;
use ledger::Currency;

use super::{Finding, Turn};
use crate::entry::ParticipantId;
use crate::simulate::auditor::outcome;
use crate::simulate::plan::CURRENCIES;
use crate::simulate::provider::hex;
use crate::simulate::wire::Id;

pub(in super::super) const NAME: &str = "engine and auditor agree";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let counts = engine.counts();
    let counts = [counts.committed, counts.rejected, counts.expired, counts.in_flight];
    same("payments committed, rejected, expired, in flight", &counts, &auditor.counts())?;
    same("the last position applied", &engine.applied(), &auditor.through())?;
    same("the payments that memory holds", &engine.payments_held(), &auditor.held())?;
    same("the floor of the window", &engine.floor(), &auditor.floor())?;
    turn.changed.iter().try_for_each(|id| check_payment(turn, *id))?;
    for ((place, (id, code)), accounts) in engine.participants().enumerate().zip(auditor.accounts()) {
        same(&format!("messages for {code}"), &engine.enqueued(id)[0], &auditor.told_count(place))?;
        for (currency, account) in CURRENCIES.iter().zip(accounts) {
            let Some(currency) = Currency::parse(currency) else { continue };
            let (available, reserved) = engine.settlement_balance(id, currency).unwrap_or((0, 0));
            let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
            let held = (signed(available), signed(reserved));
            same(&format!("{code}'s {currency}"), &held, &(account.available(), account.reserved))?;
        }
    }
    Ok(())
}

/// Of a payment that memory holds, the engine says to both sides what the auditor says.
fn check_payment(turn: &Turn<'_>, id: Id) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let (Some(payment), Some(payment_id)) = (auditor.payment(id), PaymentId::from_bytes(id)) else { return Ok(()) };
    if !engine.holds(payment_id) {
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

fn same<T: PartialEq + std::fmt::Debug>(what: &str, engine: &T, auditor: &T) -> Finding {
    if engine == auditor {
        return Ok(());
    }
    Err(format!("{what}: the engine has {engine:?}, the auditor {auditor:?}"))
}
