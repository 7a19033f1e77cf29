//! Times, codes and ids as people type them. Each parser says what it expects; clap adds the argument's name and status 2.

use std::collections::BTreeSet;

use adapters::message::ParticipantCode;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use ledger::Currency;

use super::Failure;
use crate::books::{Books, TransferName};
use crate::engine::scheme::settlement::Cycle;

/// A message that lists what is known lists so many.
const LISTED_MAX: usize = 12;

/// Journal time of an RFC 3339 time. What is before 1970 is before every journal, what is after 2554 after every one.
pub(in crate::cli) fn time(text: &str) -> Result<u64, String> {
    let timestamp: Timestamp =
        text.parse().map_err(|_| "expected a time by RFC 3339, for example 2026-11-22T14:30:00Z".to_owned())?;
    let ns = timestamp.as_nanosecond();
    Ok(u64::try_from(ns).unwrap_or(if ns < 0 { 0 } else { u64::MAX }))
}

/// A journal time, to the nanosecond.
pub(in crate::cli) fn time_text(time_ns: u64) -> String {
    printed(time_ns, 9)
}

/// A journal time, to the millisecond.
pub(in crate::cli) fn short_time_text(time_ns: u64) -> String {
    printed(time_ns, 3)
}

fn printed(time_ns: u64, fraction_digits: u8) -> String {
    match Timestamp::from_nanosecond(time_ns.into()) {
        Ok(time) => DateTimePrinter::new().precision(Some(fraction_digits)).timestamp_to_string(&time),
        Err(_) => format!("{time_ns} ns"),
    }
}

/// A participant's code.
pub(in crate::cli) fn participant(text: &str) -> Result<ParticipantCode, String> {
    ParticipantCode::parse(text).ok_or_else(|| "expected a participant's code: 1 to 35 of A-Z, 0-9, - and _".to_owned())
}

/// A currency.
pub(in crate::cli) fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text.as_bytes())
        .ok_or_else(|| "expected a currency by ISO 4217: three upper-case letters".to_owned())
}

/// A cycle of settlement.
pub(in crate::cli) fn cycle(text: &str) -> Result<Cycle, String> {
    let known = Cycle::ALL.into_iter().find(|cycle| cycle.name() == text);
    known.ok_or_else(|| "expected payments or disputes".to_owned())
}

/// The id of a transfer: 32 hexadecimal digits, as UUIDs are written or without hyphens.
pub(in crate::cli) fn transfer_name(text: &str) -> Result<TransferName, String> {
    let expected = || {
        "expected a UETR, or a reference in the same form: 32 hexadecimal digits, \
         for example 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f"
            .to_owned()
    };
    let has_uuid_form =
        text.len() == 36 && text.char_indices().all(|(at, c)| (c == '-') == matches!(at, 8 | 13 | 18 | 23));
    let digits = if has_uuid_form { text.replace('-', "") } else { text.to_owned() };
    let is_hexadecimal = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hexadecimal {
        return Err(expected());
    }
    u128::from_str_radix(&digits, 16).map(|number| TransferName(number.to_be_bytes())).map_err(|_| expected())
}

/// A period: from a time on, before another.
pub(in crate::cli) fn check_period(from_ns: Option<u64>, to_ns: Option<u64>) -> Result<(), Failure> {
    match (from_ns, to_ns) {
        (Some(from_ns), Some(to_ns)) if from_ns > to_ns => {
            let (from, to) = (time_text(from_ns), time_text(to_ns));
            Err(Failure::start(format!("--from {from} is after --to {to}; the period would end before it begins")))
        }
        _ => Ok(()),
    }
}

/// A participant and a currency that were asked for must be known to the scheme, in the part of the journal that was read.
pub(in crate::cli) fn check_known(
    books: &Books,
    participant: Option<ParticipantCode>,
    currency: Option<Currency>,
) -> Result<(), Failure> {
    let engine = books.engine();
    if let Some(code) = participant
        && engine.find_participant(&code).is_none()
    {
        let known = list(engine.participants().map(|(_, code)| code.to_string()).collect());
        return Err(Failure::start(format!("--participant {code} is not in the scheme; known: {known}")));
    }
    if let Some(currency) = currency
        && engine.currencies().iter().all(|rules| rules.currency != currency)
    {
        let known = list(engine.currencies().iter().map(|rules| rules.currency.to_string()).collect());
        return Err(Failure::start(format!("--currency {currency} is not in the scheme; known: {known}")));
    }
    Ok(())
}

fn list(known: BTreeSet<String>) -> String {
    let count = known.len();
    let first: Vec<String> = known.into_iter().take(LISTED_MAX).collect();
    match count - first.len() {
        _ if count == 0 => "none at that time".to_owned(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
