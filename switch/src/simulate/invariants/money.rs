//! Money is conserved: in each currency both sides of the book are equal; what participants hold, what is in transit and what fees have taken is what was paid in and not
//! paid out; and what is in transit between debtors and creditors is what clearing has relieved.

use super::accounts::balance;
use super::{Finding, Turn};
use crate::simulate::auditor::account;
use crate::simulate::plan::CURRENCIES;

pub(in super::super) const NAME: &str = "money conserved";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let engine = turn.pipeline.engine();
    for totals in engine.totals() {
        if totals.debits != totals.credits || totals.debits_pending != totals.credits_pending {
            return Err(format!("the book is not balanced: {totals:?}"));
        }
    }
    for (currency, funds) in turn.auditor.scheme().funds().into_iter().enumerate() {
        let code = String::from_utf8_lossy(&CURRENCIES[currency]).into_owned();
        let sum = |kind: u16| -> i128 {
            let numbers = 0..=u32::try_from(turn.auditor.participants()).unwrap_or(u32::MAX);
            numbers.map(|number| balance(engine, (currency, number, kind)).posted).sum()
        };
        let transit = sum(account::TRANSIT);
        let cleared = sum(account::CLEARING) + sum(account::DISPUTE_CLEARING);
        if transit != -cleared {
            return Err(format!("{transit} {code} are in transit, and clearing has {cleared}"));
        }
        let fees = sum(account::FEES) + sum(account::INCOME);
        let held = sum(account::SETTLEMENT) + sum(account::RESERVE) + transit + fees;
        if held != funds || sum(account::FUNDING) != -funds {
            return Err(format!("{held} {code} are there, of {funds} that were paid in"));
        }
        if sum(account::POSITION) + sum(account::CLEARING) != 0 {
            return Err(format!("positions in {code} do not sum to zero"));
        }
    }
    Ok(())
}
