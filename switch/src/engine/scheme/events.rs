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
