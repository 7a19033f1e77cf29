//! Money is conserved: in each currency both sides of the book are equal, and all participants together hold what they came with.

use ledger::Currency;

use super::{Finding, Turn};
use crate::simulate::plan::CURRENCIES;

pub(in super::super) const NAME: &str = "money conserved";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    let engine = turn.pipeline.engine();
    for totals in engine.totals() {
        if totals.debits != totals.credits || totals.debits_pending != totals.credits_pending {
            return Err(format!("the book is not balanced: {totals:?}"));
        }
    }
    for (currency, funds) in CURRENCIES.iter().zip(turn.auditor.funds()) {
        let Some(code) = Currency::parse(currency) else { continue };
        let mut held: i128 = 0;
        for (id, _) in engine.participants() {
            let (available, reserved) = engine.balance_of(id, code).unwrap_or((0, 0));
            held += i128::try_from(available + reserved).unwrap_or(i128::MAX);
        }
        if held != funds {
            return Err(format!("participants hold {held} {code} of {funds}"));
        }
    }
    Ok(())
}
