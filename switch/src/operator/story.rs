//! Events as people read them: codes for numbers, words for what a kind says.

use serde::{Deserialize, Serialize};

use super::directory::category_letter;
use super::view::{NamesView, minor_units};
use crate::engine::scheme::Model;
use crate::engine::scheme::events::{Event, EventKind};
use crate::engine::scheme::members::Standing;
use crate::engine::scheme::money::Operation;
use crate::engine::scheme::rejects::CommandReject;
use crate::engine::scheme::settlement::Cycle;

/// A page of the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventsView {
    /// In order.
    pub rows: Vec<EventRow>,
    /// The oldest that is kept: what was before was dropped.
    pub first: u64,
    /// The newest there is; 0 before the first.
    pub through: u64,
}

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventRow {
    /// Its place in the stream.
    pub number: u64,
    /// Of the entry, or of the batch's tick, that made it.
    pub position: u64,
    /// Journal time.
    pub time_ns: u64,
    /// Its kind, as in `docs/formats/events.md`.
    pub event: String,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// Who else had part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// In which currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Digits after its point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor_digits: Option<u8>,
    /// In which cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
    /// In which window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// In minor units.
    #[serde(with = "minor_units")]
    pub amount: i128,
    /// By the kind.
    pub code: u16,
    /// By the kind.
    pub detail: u32,
    /// What these two say, in words.
    pub says: String,
}

/// The participants that events name.
pub fn participants_of(events: &[Event]) -> Vec<u32> {
    let mut numbers: Vec<u32> = events.iter().flat_map(|event| [event.participant, event.other]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Events with the names that were asked for of `participants_of` them.
pub fn rows_of(events: &[Event], names: &NamesView) -> Vec<EventRow> {
    let numbers = participants_of(events);
    let code = |number: u32| {
        let place = numbers.binary_search(&number).ok().filter(|_| number != 0)?;
        names.participants.get(place).cloned().flatten()
    };
    events.iter().map(|event| row_of(event, code, names)).collect()
}

fn row_of(event: &Event, code: impl Fn(u32) -> Option<String>, names: &NamesView) -> EventRow {
    let currency = (event.currency != [0; 3]).then(|| String::from_utf8_lossy(&event.currency).into_owned());
    let digits = names.currencies.iter().find(|(known, _)| Some(known) == currency.as_ref()).map(|(_, digits)| *digits);
    EventRow {
        number: event.number,
        position: event.position,
        time_ns: event.time_ns,
        event: format!("{:?}", event.kind),
        participant: code(event.participant),
        other: code(event.other),
        currency,
        minor_digits: digits,
        cycle: Cycle::from_number(event.cycle),
        window: (event.window != 0).then_some(event.window),
        amount: event.amount,
        code: event.code,
        detail: event.detail,
        says: says(event),
    }
}

/// What code and detail say.
fn says(event: &Event) -> String {
    let small = u8::try_from(event.code).unwrap_or(0);
    let standing = |number: u32| {
        let standing = u8::try_from(number).ok().and_then(Standing::from_number);
        standing.map_or("", Standing::name)
    };
    let word = |yes: &str, no: &str| if event.code == 1 { yes } else { no }.to_owned();
    match event.kind {
        EventKind::CommandRefused | EventKind::CutOffMissed => {
            let text = CommandReject::from_number(event.code).map_or("", CommandReject::text);
            format!("{}: {text}", event.code)
        }
        EventKind::StandingChanged => format!("{} -> {}", standing(event.detail), standing(event.code.into())),
        EventKind::ParticipantOpened => standing(event.code.into()).to_owned(),
        EventKind::CurrencyOpened => Model::from_number(small).map_or("", Model::name).to_owned(),
        EventKind::AgencyChanged => word("may connect", "may connect no longer"),
        EventKind::CertificateChanged => word("registered", "revoked"),
        EventKind::TransferPermissionChanged => word("may send", "may send no longer"),
        EventKind::MoneyPrepared | EventKind::MoneyConfirmed | EventKind::MoneyAborted => {
            Operation::from_number(small).map_or("", Operation::name).to_owned()
        }
        EventKind::ParticipantReachable | EventKind::ParticipantUnreachable => {
            word("by its own word", "by its connection")
        }
        EventKind::TariffSet | EventKind::TariffInForce => format!("tariff {}", event.detail),
        EventKind::LookupCategoryChanged => format!("category {}", category_letter(small)),
        EventKind::IssuerKeyChanged => word("trusted", "trusted no longer"),
        EventKind::HashKeyChanged => format!("key {} {}", event.detail, word("begun", "done")),
        _ => String::new(),
    }
}
