//! Whoever asks where it stands is told what the auditor has, at the position that is told; and nothing of an account that is another's.

use super::{Finding, Leaving};
use crate::simulate::plan::CURRENCIES;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "everyone is told where it stands";

const OWN: u8 = 1;
const SPONSORED: u8 = 2;
const NO_ACCOUNT: u8 = 3;

pub(super) fn check(leaving: &Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.kind != kind::ACCOUNT_REPORT {
        return Ok(());
    }
    let told = wire::account_report(frame.routing).ok_or("a report of the wrong length")?;
    let (auditor, place) = (leaving.auditor, leaving.connection.provider);
    if told.position != auditor.through() {
        return Err(format!("{told:?} is of another position than {}", auditor.through()));
    }
    let currency = CURRENCIES.iter().position(|known| *known == told.currency);
    let right = match currency.map(|currency| auditor.scheme().standing(place, currency)) {
        None => (NO_ACCOUNT, 0, 0, 0),
        Some(None) => (SPONSORED, 0, 0, 0),
        Some(Some((booked, spendable))) => (OWN, booked, spendable.held, spendable.posted),
    };
    let said = (told.standing, told.credits_posted - told.debits_posted, told.debits_pending, told.available);
    if said == right { Ok(()) } else { Err(format!("{told:?} is told, it should be {right:?}")) }
}
