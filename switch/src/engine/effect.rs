//! What the engine tells the edge: fixed-size records, computed from entries and nothing else.

use adapters::message::{Field, Lane, Outcome, PaymentId, Reason};

use crate::engine::payments::PaymentIndex;
use crate::engine::rules::REASON_DUPLICATE;
use crate::entry::ParticipantId;

/// One thing to tell one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whom.
    pub participant: ParticipantId,
    /// How it is delivered.
    pub delivery: Delivery,
    /// Which payment.
    pub payment_id: PaymentId,
    /// What.
    pub news: News,
    /// Journal position of the entry whose private part goes along; 0 for none.
    pub source: u64,
}

/// How an effect reaches its participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By its outbox: numbered, kept, sent again until acknowledged.
    Outbox {
        /// The stream.
        lane: Lane,
        /// Its place there.
        number: u64,
        /// The payment, which is held until the next batch.
        payment: PaymentIndex,
        /// Journal position of the payment's order. A payment that is decided does not hold it any more.
        order: u64,
    },
    /// To the connection that sent the entry with this place in the batch (from 1), if it is still there.
    Reply {
        /// Which entry.
        entry: u32,
    },
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// To the payee provider: will you take it?
    Forward {
        /// An answer counts before this journal time.
        deadline_ns: u64,
    },
    /// To either provider: this became of it.
    Status(Status),
    /// To the edge alone: the id may have left the window since history was asked. Nothing has changed; ask again, then submit the order again.
    Recheck,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its outcome.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
    /// Journal time of the decision; 0 where nothing was decided.
    pub decided_at_ns: u64,
    /// Journal position of the decision; 0 where nothing was decided.
    pub position: u64,
}

impl Status {
    /// The id was used with other content, or by somebody else. Says nothing about the payment that has it.
    pub const DUPLICATE: Status = Status {
        outcome: Outcome::Duplicate,
        reason: REASON_DUPLICATE,
        field: Field::PaymentId,
        decided_at_ns: 0,
        position: 0,
    };

    /// A status that decides nothing.
    pub fn undecided(outcome: Outcome) -> Status {
        assert!(!outcome.is_final());
        Status { outcome, reason: Reason::NONE, field: Field::None, decided_at_ns: 0, position: 0 }
    }
}
