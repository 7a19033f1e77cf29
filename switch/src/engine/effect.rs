//! What the engine tells the edge: fixed-size records, computed from entries and nothing else.

use adapters::message::{CaseKind, CaseState, Field, Lane, Outcome, PaymentId, Reason};

use crate::engine::cases::CaseIndex;
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
    /// Which payment, or which case.
    pub id: PaymentId,
    /// What.
    pub news: News,
    /// Journal position of the entry whose private part goes along; 0 for none.
    pub source: u64,
}

impl Effect {
    /// Journal position of the entry, or of the tick, that a numbered effect comes of.
    pub fn position(&self) -> u64 {
        match self.news {
            News::Forward { .. } | News::Returned { .. } | News::CaseForward { .. } => self.source,
            News::Status(status) => status.position,
            News::CaseStatus(news) => news.position,
            News::LookedUp { .. } | News::Recheck => unreachable!("what is for the edge alone has no number"),
        }
    }
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
        /// What it is about, which is held until the next batch.
        subject: Subject,
        /// Journal position of the entry that began it: the payment's order, the return, the opening of the case.
        order: u64,
    },
    /// To the connection that sent the entry with this place in the batch (from 1), if it is still there.
    Reply {
        /// Which entry.
        entry: u32,
    },
}

/// What an effect is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A payment, or a return.
    Payment(PaymentIndex),
    /// A case.
    Case(CaseIndex),
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
    /// To the provider that had paid: money came back. Of which payment stands in the return's entry.
    Returned {
        /// How much of the payment has come back by now, in minor units.
        total: u64,
    },
    /// To the provider that is to answer a case.
    CaseForward {
        /// An answer counts before this journal time.
        deadline_ns: u64,
    },
    /// To either provider of a case: this is where it stands.
    CaseStatus(CaseNews),
    /// To the edge alone: may the answer to a look-up be told?
    LookedUp {
        /// It was debited.
        is_granted: bool,
        /// If not, when to come again, in milliseconds.
        retry_after_ms: u32,
    },
    /// To the edge alone: the id may have left the window since history was asked, or the alias was touched since it was resolved. Nothing has changed; ask again, then submit the order again.
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

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseNews {
    /// What it is about; none where nothing is told about it.
    pub kind: Option<CaseKind>,
    /// Where it stands.
    pub state: CaseState,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
    /// Journal time: of an open case its deadline, else of the last change; 0 where nothing is told about it.
    pub at_ns: u64,
    /// Journal position of the last change; 0 where nothing is told about it.
    pub position: u64,
}

impl CaseNews {
    /// The id was used with other content, or by somebody else. Says nothing about what has it.
    pub const DUPLICATE: CaseNews = CaseNews {
        kind: None,
        state: CaseState::Duplicate,
        reason: REASON_DUPLICATE,
        field: Field::CaseId,
        at_ns: 0,
        position: 0,
    };

    /// The switch knows no such case of the one who asks.
    pub const UNKNOWN: CaseNews = CaseNews {
        kind: None,
        state: CaseState::Unknown,
        reason: Reason::NONE,
        field: Field::None,
        at_ns: 0,
        position: 0,
    };
}
