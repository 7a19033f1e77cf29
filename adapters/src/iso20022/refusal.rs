//! Why a message is refused: what is wrong, where, and what to do. It becomes an admi.002, or a line of `gateway check`.

use std::fmt;

/// What kind of wrong. Its code stands in admi.002, `RjctgPtyRsn`: never rename one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The text is no XML document.
    NotWellFormed,
    /// It is not UTF-8, or begins with a byte order mark.
    Encoding,
    /// It brings a document type, an entity of its own or a processing instruction.
    Forbidden,
    /// It is longer or deeper, or has more elements or attributes, than any message.
    TooLarge,
    /// What stands around the message is neither `Document` nor a header and a `Document`.
    Envelope,
    /// Not a message, or a version of one, that the scheme has.
    UnknownMessage,
    /// An element is missing, is one too many, is not known or stands in the wrong place.
    Structure,
    /// A text does not have the form that its element asks for.
    Value,
    /// The check digits of an IBAN or a LEI do not fit, or the country of a BIC or an IBAN does not exist.
    Checksum,
    /// ISO 20022 allows it, and the scheme does not.
    Profile,
    /// A currency that does not exist, or that the scheme does not have.
    Currency,
    /// An amount of zero, or with more decimals than its currency has.
    Amount,
    /// A time that does not say its zone.
    TimeZone,
    /// Two parts of the message say different things.
    Disagreement,
    /// Two transactions of the message have one id.
    DuplicateId,
    /// The sender may not send this, or not as this participant.
    NotAllowed,
    /// Whatever the switch itself says about the message (`docs/formats/native.md`, section 5).
    Switch(crate::message::ErrorCode),
}

impl Cause {
    /// Those that the adapter itself finds.
    pub const ALL: [Cause; 16] = [
        Cause::NotWellFormed,
        Cause::Encoding,
        Cause::Forbidden,
        Cause::TooLarge,
        Cause::Envelope,
        Cause::UnknownMessage,
        Cause::Structure,
        Cause::Value,
        Cause::Checksum,
        Cause::Profile,
        Cause::Currency,
        Cause::Amount,
        Cause::TimeZone,
        Cause::Disagreement,
        Cause::DuplicateId,
        Cause::NotAllowed,
    ];

    /// Its code in documents and messages.
    pub fn code(self) -> &'static str {
        match self {
            Cause::NotWellFormed => "not_well_formed",
            Cause::Encoding => "encoding",
            Cause::Forbidden => "forbidden",
            Cause::TooLarge => "too_large",
            Cause::Envelope => "envelope",
            Cause::UnknownMessage => "unknown_message",
            Cause::Structure => "structure",
            Cause::Value => "value",
            Cause::Checksum => "checksum",
            Cause::Profile => "profile",
            Cause::Currency => "currency",
            Cause::Amount => "amount",
            Cause::TimeZone => "time_zone",
            Cause::Disagreement => "disagreement",
            Cause::DuplicateId => "duplicate_id",
            Cause::NotAllowed => "not_allowed",
            Cause::Switch(code) => code.name(),
        }
    }
}

/// A message is refused: nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of wrong.
    pub cause: Cause,
    /// Where: an XPath, as `/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]/PmtId/UETR`; empty where the message has no such place.
    pub path: String,
    /// On which line, from 1; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong, and what to do, for a person to read. Shows nothing of what the message says but names of elements.
    pub text: String,
    /// The message's own id (`BizMsgIdr`, `MsgId`), as far as it could be read.
    pub reference: String,
}

impl Refusal {
    /// Of a message as a whole.
    pub fn whole(cause: Cause, text: impl Into<String>) -> Refusal {
        Refusal { cause, path: String::new(), line: 0, text: text.into(), reference: String::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.code(), self.text)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
