//! Caps are never exceeded: by the auditor's own sums nobody has reserved or paid more than it had.

use super::{Finding, Turn};

pub(in super::super) const NAME: &str = "caps never exceeded";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    for (place, accounts) in turn.auditor.accounts().iter().enumerate() {
        for account in accounts {
            if account.available() < 0 || account.reserved < 0 {
                return Err(format!("provider {place} stands at {account:?}"));
            }
        }
    }
    Ok(())
}
