//! Events: what the operator hears, one numbered stream (`docs/formats/events.md`).

use rkyv::{Archive, Deserialize, Serialize};

/// How much the operator was told.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct Events {
    /// The number of the newest event; 0 before the first.
    newest: u64,
}

impl Events {
    /// The number of the next event.
    pub(super) fn next(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// The number of the newest event; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest
    }
}

/// What happened. The numbers are in the stream: never renumber, never reuse.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A command of the operator was refused: `code` is the reject's number.
    CommandRefused = 1,
    /// `code` is the participant's standing, `detail` the one before.
    StandingChanged = 2,
    /// A participant's limits were set.
    LimitsChanged = 3,
    /// A participant's terms in a currency were set: `amount` is the net debit cap.
    TermsChanged = 4,
    /// A technical provider (`participant`) may connect for `other`: `code` 1, or no longer: 0.
    AgencyChanged = 5,
    /// A certificate was registered: `code` 1, or revoked: 0.
    CertificateChanged = 6,
    /// A participant was admitted: `code` is its standing, `other` its sponsor.
    ParticipantOpened = 7,
    /// A currency was admitted: `code` is its model.
    CurrencyOpened = 8,
    /// Other parameters of the scheme are in force.
    RulesActivated = 9,
    /// An order of money is held: `code` is the operation.
    MoneyPrepared = 10,
    /// An order of money has moved: `code` is the operation.
    MoneyConfirmed = 11,
    /// What an order of money held is free: `code` is the operation.
    MoneyAborted = 12,
    /// Floor and ceiling of a participant were set.
    LiquidityRulesChanged = 13,
    /// `participant` may send liquidity to `other`: `code` 1, or no longer: 0.
    TransferPermissionChanged = 14,
    /// What is available, `amount`, is below the floor.
    BelowFloor = 15,
    /// What is available, `amount`, is above the ceiling.
    AboveCeiling = 16,
    /// What is available, `amount`, is between floor and ceiling again.
    BackWithin = 17,
    /// `amount` came from the reserve.
    ToppedUp = 18,
    /// `amount` went to the reserve.
    Swept = 19,
    /// A participant can be paid again: `code` 1 by its own word, 0 by its connection.
    ParticipantReachable = 20,
    /// A participant cannot be paid: `code` 1 by its own word, 0 by its connection.
    ParticipantUnreachable = 21,
    /// A window was closed: `amount` is the sum of what its creditors get.
    WindowClosed = 30,
    /// A participant's net in it.
    NetDetermined = 31,
    /// The calendar's cut-off was not possible: `code` is the reject's number. The window stays open.
    CutOffMissed = 32,
    /// When windows of a cycle close by themselves was set.
    CalendarChanged = 33,
    /// A debtor lacks `amount` of its net.
    DebtorShort = 34,
    /// What debtors of a window have to give is held.
    SettlementStarted = 35,
    /// A participant's net was settled.
    NetConfirmed = 36,
    /// All nets of a window were.
    WindowSettled = 37,
    /// What of a window was not settled is back in the open one.
    WindowAborted = 38,
    /// A tariff was set: `detail` is its number.
    TariffSet = 50,
    /// A tariff has come into force: `detail` is its number.
    TariffInForce = 51,
    /// A participant has paid fees: `amount` is negative, or was paid some.
    FeesCollected = 52,
    /// A participant could not pay `amount` of its fees.
    FeesUnpaid = 53,
    /// What look-ups cost, and what the directory allows, was set.
    DirectoryRulesChanged = 60,
    /// How many look-ups a participant may make was set: `code` is 0 for A to 7 for H.
    LookupCategoryChanged = 61,
    /// A key of an ID system is trusted: `code` 1, or no longer: 0.
    IssuerKeyChanged = 62,
    /// The directory's hashes are made under a new key: `code` 1 that has begun, 2 it is done; `detail` is the key's generation.
    HashKeyChanged = 63,
}

impl EventKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [EventKind; 38] = [
        EventKind::CommandRefused,
        EventKind::StandingChanged,
        EventKind::LimitsChanged,
        EventKind::TermsChanged,
        EventKind::AgencyChanged,
        EventKind::CertificateChanged,
        EventKind::ParticipantOpened,
        EventKind::CurrencyOpened,
        EventKind::RulesActivated,
        EventKind::MoneyPrepared,
        EventKind::MoneyConfirmed,
        EventKind::MoneyAborted,
        EventKind::LiquidityRulesChanged,
        EventKind::TransferPermissionChanged,
        EventKind::BelowFloor,
        EventKind::AboveCeiling,
        EventKind::BackWithin,
        EventKind::ToppedUp,
        EventKind::Swept,
        EventKind::ParticipantReachable,
        EventKind::ParticipantUnreachable,
        EventKind::WindowClosed,
        EventKind::NetDetermined,
        EventKind::CutOffMissed,
        EventKind::CalendarChanged,
        EventKind::DebtorShort,
        EventKind::SettlementStarted,
        EventKind::NetConfirmed,
        EventKind::WindowSettled,
        EventKind::WindowAborted,
        EventKind::TariffSet,
        EventKind::TariffInForce,
        EventKind::FeesCollected,
        EventKind::FeesUnpaid,
        EventKind::DirectoryRulesChanged,
        EventKind::LookupCategoryChanged,
        EventKind::IssuerKeyChanged,
        EventKind::HashKeyChanged,
    ];

    /// The kind with a number.
    pub fn from_number(number: u16) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

/// One thing that happened. Fields that say nothing about it are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the stream, from 1.
    pub number: u64,
    /// Journal position of the entry, or of the batch's tick, that made it.
    pub position: u64,
    /// Journal time.
    pub time_ns: u64,
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub participant: u32,
    /// Who else had part in it.
    pub other: u32,
    /// In which currency.
    pub currency: [u8; 3],
    /// In which cycle.
    pub cycle: u8,
    /// In which window.
    pub window: u32,
    /// How much, in minor units.
    pub amount: i128,
    /// A number whose meaning follows from the kind: of a reject, of a standing.
    pub code: u16,
    /// Another.
    pub detail: u32,
}

impl Event {
    /// An event that says no more than its kind.
    pub fn of(kind: EventKind) -> Event {
        Event {
            number: 0,
            position: 0,
            time_ns: 0,
            kind,
            participant: 0,
            other: 0,
            currency: [0; 3],
            cycle: 0,
            window: 0,
            amount: 0,
            code: 0,
            detail: 0,
        }
    }
}
