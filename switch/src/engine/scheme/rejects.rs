//! Why a command of the operator is refused: numbered, in one table (`docs/scheme-rules.md`, Rejects).

/// A command changed nothing. The numbers are in events and in documents: never renumber, never reuse.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandReject {
    /// No such participant.
    ParticipantUnknown = 1,
    /// The scheme does not settle this currency.
    CurrencyUnknown = 2,
    /// A field has a value that means nothing.
    ValueMeaningless = 3,
}

impl CommandReject {
    /// As in events and documents.
    pub fn number(self) -> u16 {
        self as u16
    }
}
