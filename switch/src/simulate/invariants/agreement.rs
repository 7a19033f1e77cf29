//! The engine and the auditor agree: where every payment stands, what every participant has, what it is to be told, what ends next.

use ledger::Currency;

use super::{Finding, Turn};
use crate::simulate::plan::CURRENCIES;

pub(in super::super) const NAME: &str = "engine and auditor agree";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let (engine, auditor) = (turn.pipeline.engine(), turn.auditor);
    let counts = engine.counts();
    let counts = [counts.committed, counts.rejected, counts.expired, counts.in_flight];
    same("payments committed, rejected, expired, in flight", &counts, &auditor.counts())?;
    same("the last position applied", &engine.applied(), &auditor.through())?;
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

fn same<T: PartialEq + std::fmt::Debug>(what: &str, engine: &T, auditor: &T) -> Finding {
    if engine == auditor {
        return Ok(());
    }
    Err(format!("{what}: the engine has {engine:?}, the auditor {auditor:?}"))
}
