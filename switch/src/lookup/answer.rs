//! What can be asked about payments, and the answers: documents that go over the switch's socket, and are printed the same wherever they come from.

use adapters::message::{CaseState, Outcome, ParticipantCode, Reason};
use serde::{Deserialize, Serialize};

/// Which payments are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Payer or payee provider.
    pub participant: Option<String>,
    /// Of this journal time or later: that of the decision, or of the order where the payment is in flight.
    pub from_ns: Option<u64>,
    /// Of before this journal time.
    pub to_ns: Option<u64>,
    /// What became of them.
    pub outcome: Option<OutcomeFilter>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// At most so many.
    pub limit: u64,
    /// Where to go on.
    pub after: Option<String>,
}

/// What became of a payment, as one asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum OutcomeFilter {
    /// The money moved.
    Committed,
    /// Refused.
    Rejected,
    /// Not answered in time.
    Expired,
    /// Not decided.
    InFlight,
}

impl OutcomeFilter {
    /// As the payment has it.
    pub fn outcome(self) -> Outcome {
        match self {
            OutcomeFilter::Committed => Outcome::Committed,
            OutcomeFilter::Rejected => Outcome::Rejected,
            OutcomeFilter::Expired => Outcome::Expired,
            OutcomeFilter::InFlight => Outcome::InFlight,
        }
    }
}

/// Where a list goes on: outcomes by the number of their record, then what is in flight by the position of its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Outcomes from this record on.
    pub record: u64,
    /// In flight: what was ordered behind this journal position.
    pub order: u64,
}

impl Cursor {
    /// Reads what `Display` has written.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (record, order) = text.split_once('.')?;
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
            is_plain.then(|| text.parse().ok()).flatten()
        };
        Some(Cursor { record: number(record)?, order: number(order)? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.record, self.order)
    }
}

/// One payment of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRow {
    /// Journal time of the decision, or of the order where it is in flight.
    pub time_ns: u64,
    /// Journal position of that.
    pub position: u64,
    /// Journal position of the order.
    pub order: u64,
    /// Its UETR.
    pub id: String,
    /// `payment`, `return`, or the kind of the case.
    pub kind: String,
    /// The lane in which it is told of.
    pub lane: u8,
    /// Its outcome's name, or that of the case's state.
    pub outcome: String,
    /// Why; none where no reason was given.
    pub reason: Option<String>,
    /// The field to blame.
    pub field: Option<String>,
    /// Code of the sender.
    pub payer: String,
    /// Code of the payee provider; none where the order was rejected before one was told.
    pub payee: Option<String>,
    /// In minor units.
    pub amount: u64,
    /// None where what was ordered is no currency.
    pub currency: Option<String>,
    /// Digits after the point; none where the scheme does not have the currency.
    pub minor_digits: Option<u8>,
}

/// One payment, with all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentTrace {
    /// What it is, as in a list. The payee is the one that was ordered, known or not.
    pub row: PaymentRow,
    /// Journal time of the order.
    pub ordered_ns: u64,
    /// When the payer provider accepted it.
    pub accepted_at_ns: u64,
    /// Until when an answer counts; none where the payee provider was not asked.
    pub deadline_ns: Option<u64>,
    /// How much of a committed payment was returned, in minor units.
    pub returned: u64,
    /// Was the whole journal behind the order searched for its entries?
    pub is_through_journal: bool,
    /// In the order of the journal.
    pub steps: Vec<Step>,
}

impl PaymentTrace {
    /// Is it final?
    pub fn is_decided(&self) -> bool {
        let is_open = |name: &str| CaseState::ALL.iter().any(|state| state.is_open() && state.name() == name);
        self.row.outcome != Outcome::InFlight.name() && !is_open(&self.row.outcome)
    }
}

/// An entry or an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Journal time.
    pub time_ns: u64,
    /// Journal position: of the entry, or of the one that the effect follows from.
    pub position: u64,
    /// What.
    pub kind: StepKind,
    /// Who sent the entry, or who is told; none for time.
    pub participant: Option<String>,
    /// Outbox lane of an effect.
    pub lane: Option<u8>,
    /// Its number there.
    pub number: Option<u64>,
    /// What it says, in the words of the protocol.
    pub says: String,
    /// Is there a private part, which is sealed?
    pub is_sealed: bool,
}

impl Step {
    /// A step without anybody and without a private part, at a journal position and its time.
    pub(super) fn at((position, time_ns): (u64, u64), kind: StepKind, says: String) -> Step {
        Step { time_ns, position, kind, participant: None, lane: None, number: None, says, is_sealed: false }
    }
}

/// What kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Entry: the payment order.
    CreditTransfer,
    /// Entry: the id again, or under other content.
    Repeated,
    /// Effect: the payee provider is asked.
    Forward,
    /// Entry: what the payee provider decided.
    Answer,
    /// Entry: an answer that decided nothing.
    LateAnswer,
    /// Time decided: the deadline passed.
    Deadline,
    /// Effect: a provider is told the outcome.
    Status,
    /// Entry: money of the payment goes back.
    Return,
    /// Effect: a provider is told that money came back.
    Returned,
    /// Entry: a case is opened.
    CaseOpen,
    /// Effect: a provider is asked.
    CaseForward,
    /// Entry: the answer to a case.
    CaseAnswer,
    /// Entry: a case is taken back.
    CaseCancel,
    /// Effect: a provider is told where a case stands.
    CaseStatus,
}

impl StepKind {
    /// Its name on screens.
    pub fn name(self) -> &'static str {
        match self {
            StepKind::CreditTransfer => "credit_transfer",
            StepKind::Repeated => "repeated",
            StepKind::Forward => "forward",
            StepKind::Answer => "answer",
            StepKind::LateAnswer => "late_answer",
            StepKind::Deadline => "deadline",
            StepKind::Status => "status",
            StepKind::Return => "return",
            StepKind::Returned => "returned",
            StepKind::CaseOpen => "case_open",
            StepKind::CaseForward => "case_forward",
            StepKind::CaseAnswer => "case_answer",
            StepKind::CaseCancel => "case_cancel",
            StepKind::CaseStatus => "case_status",
        }
    }

    /// Is it told to a participant, and not said by one?
    pub fn is_effect(self) -> bool {
        matches!(
            self,
            StepKind::Forward | StepKind::Status | StepKind::Returned | StepKind::CaseForward | StepKind::CaseStatus
        )
    }
}

/// None where there is no reason.
pub(super) fn reason_text(reason: Reason) -> Option<String> {
    Some(reason.as_str().to_owned()).filter(|reason| !reason.is_empty())
}

/// A code as sent, which need not be anybody's.
pub(super) fn code_text(code: [u8; 35]) -> Option<String> {
    ParticipantCode::from_bytes(code).map(|code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        for cursor in [Cursor::default(), Cursor { record: 7, order: 0 }, Cursor { record: u64::MAX, order: u64::MAX }]
        {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for bad in ["", ".", "1", "1.", ".1", "1.2.3", "+1.2", "1.-2", "a.b", " 1.2", "18446744073709551616.0"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
