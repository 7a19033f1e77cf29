//! The story of a case: its opening, what was said to it, and where it stands.
//!
//! The opening and the closing are found by their times; what was said in between, in the whole journal behind the opening, where that is asked for.

use std::ops::ControlFlow;

use adapters::message::{CaseKind, CaseState, Decision, Field, PaymentId, Reason};
use ledger::journal::{Batch, Storage};

use super::trace::words;
use super::{Beyond, Lookup, PaymentRow, PaymentTrace, Step, StepKind, Trouble, decode};
use crate::engine::cases::Case;
use crate::entry::{Body, Entries, Entry, ParticipantId, Sender};
use crate::history::{HistoryEvent, HistoryRecord, posting_key};

/// One thing that was said to a case.
struct Said {
    time_ns: u64,
    position: u64,
    sender: ParticipantId,
    kind: StepKind,
    says: String,
    is_sealed: bool,
}

/// The case as a record of where it stands.
fn record_of(case: &Case) -> HistoryRecord {
    let &Case { id, digest, kind, opener, responder, amount, currency, opened, state, reason, field, .. } = case;
    HistoryRecord {
        position: case.position,
        time_ns: case.at_ns,
        order: opened,
        payment_id: id,
        digest,
        payer: opener,
        payee: responder,
        amount,
        currency,
        lane: kind.lane(),
        event: HistoryEvent::CaseChanged { kind, state, reason, field, detail: case.deadline_ns },
    }
}

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// Shows a case; none where there is no such case.
    pub(super) fn show_case(
        &mut self,
        id: PaymentId,
        is_through_journal: bool,
    ) -> Result<Option<PaymentTrace>, Trouble> {
        let held = self.beyond.case(id)?;
        let (record, deadline_ns) = match &held {
            Some(case) => (record_of(case), Some(case.deadline_ns)),
            None => match self.history.find(&id.bytes())?.map(|bytes| decode(&bytes)).transpose()? {
                Some(record) if matches!(record.event, HistoryEvent::CaseChanged { .. }) => (record, None),
                _ => return Ok(None),
            },
        };
        let row = self.row_of(&record)?;
        let opening = self.journal.read(record.order)?;
        let (opening_end, ordered_ns) = (opening.last_sequence(), opening.time_ns);
        let mut said = Vec::new();
        collect(&opening, id, &mut said)?;
        let last = if is_through_journal { self.beyond.applied()? } else { record.position };
        let mut place = if is_through_journal { opening_end + 1 } else { record.position.max(opening_end + 1) };
        while place <= last {
            let batch = self.journal.read(place)?;
            collect(&batch, id, &mut said)?;
            place = batch.last_sequence() + 1;
        }
        let steps = self.steps_of(&row, &record, said)?;
        let accepted_at_ns = ordered_ns;
        Ok(Some(PaymentTrace { row, ordered_ns, accepted_at_ns, deadline_ns, returned: 0, is_through_journal, steps }))
    }

    /// Adds the follow-up of a payment that was accepted without being posted at a journal position: that it was owed, what ended it, and who was told.
    pub(super) fn push_posting(&mut self, id: PaymentId, accepted: u64, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let Some(posting) = self.posting(id)? else { return Ok(()) };
        let opened_ns = self.journal.read(accepted)?.time_ns;
        let open = HistoryEvent::CaseChanged {
            kind: CaseKind::Posting,
            state: CaseState::Open,
            reason: Reason::NONE,
            field: Field::None,
            detail: 0,
        };
        self.push_told(&HistoryRecord { position: accepted, time_ns: opened_ns, event: open, ..posting }, steps)?;
        if posting.position != accepted {
            let batch = self.journal.read(posting.position)?;
            let (time_ns, is_tick) = (batch.time_ns, batch.first_sequence == posting.position);
            let mut said = Vec::new();
            collect(&batch, id, &mut said)?;
            let is_shown = steps.iter().any(|step| step.position == posting.position && !step.kind.is_effect());
            if is_tick {
                let says = "the posting follow-up is overdue".to_owned();
                let (position, kind) = (posting.position, StepKind::Deadline);
                steps.push(Step {
                    time_ns,
                    position,
                    kind,
                    participant: None,
                    lane: None,
                    number: None,
                    says,
                    is_sealed: false,
                });
            }
            for said in said.into_iter().filter(|said| said.position == posting.position && !is_shown) {
                steps.push(self.step_of_said(said)?);
            }
            self.push_told(&posting, steps)?;
        }
        // What the journal was searched for may stand between.
        steps.sort_by_key(|step| step.position);
        Ok(())
    }

    /// Where the follow-up of a payment stands; none where none was owed.
    fn posting(&mut self, id: PaymentId) -> Result<Option<HistoryRecord>, Trouble> {
        let key = posting_key(id.bytes());
        if let Some(bytes) = self.history.find(&key)? {
            return decode(&bytes).map(Some);
        }
        if let Some(case) = self.beyond.case(id)?.filter(|case| case.kind == CaseKind::Posting) {
            return Ok(Some(record_of(&case)));
        }
        if self.beyond.is_moving() {
            // Nothing leaves memory before it is in files.
            return self.history.find(&key)?.map(|bytes| decode(&bytes)).transpose();
        }
        // Where the files end before the journal, what has left a replayed memory is in the records behind them.
        let (from, mut newest) = (self.end_of_files()?, None);
        self.beyond.each(from, &mut |_, record| {
            if record.payment_id == id && is_posting(record) {
                newest = Some(*record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(newest)
    }

    /// Adds that both providers were told where a follow-up stands.
    fn push_told(&mut self, record: &HistoryRecord, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let HistoryEvent::CaseChanged { state, reason, .. } = record.event else { return Ok(()) };
        let is_this = |other: &HistoryRecord| {
            is_posting(other) && (other.payment_id, other.position) == (record.payment_id, record.position)
        };
        for who in [Some(record.payer), record.payee].into_iter().flatten() {
            let found = self.number_in_files((who, record.lane), record.time_ns, is_this)?;
            steps.push(Step {
                time_ns: record.time_ns,
                position: record.position,
                kind: StepKind::CaseStatus,
                participant: Some(self.code(who)?.to_string()),
                lane: Some(record.lane as u8),
                number: found.map(|(_, number)| number),
                says: words(&format!("posting {}", state.name()), reason),
                is_sealed: false,
            });
        }
        Ok(())
    }

    fn step_of_said(&mut self, said: Said) -> Result<Step, Trouble> {
        let Said { time_ns, position, sender, kind, says, is_sealed } = said;
        let participant = Some(self.code(sender)?.to_string());
        Ok(Step { time_ns, position, kind, participant, lane: None, number: None, says, is_sealed })
    }

    /// The steps, and at their end where the case stands.
    fn steps_of(&mut self, row: &PaymentRow, record: &HistoryRecord, said: Vec<Said>) -> Result<Vec<Step>, Trouble> {
        let mut steps = Vec::new();
        for said in said {
            steps.push(self.step_of_said(said)?);
        }
        let HistoryEvent::CaseChanged { reason, .. } = record.event else { return Ok(steps) };
        let is_this =
            |other: &HistoryRecord| (other.payment_id, other.position) == (record.payment_id, record.position);
        for who in [Some(record.payer), record.payee].into_iter().flatten() {
            let found = self.number_in_files((who, record.lane), record.time_ns, is_this)?;
            steps.push(Step {
                time_ns: record.time_ns,
                position: record.position,
                kind: StepKind::CaseStatus,
                participant: Some(self.code(who)?.to_string()),
                lane: Some(record.lane as u8),
                number: found.map(|(_, number)| number),
                says: words(&row.outcome, reason),
                is_sealed: false,
            });
        }
        Ok(steps)
    }
}

fn is_posting(record: &HistoryRecord) -> bool {
    matches!(record.event, HistoryEvent::CaseChanged { kind: CaseKind::Posting, .. })
}

/// Keeps what was said to a case.
fn collect(batch: &Batch<'_>, id: PaymentId, said: &mut Vec<Said>) -> Result<(), Trouble> {
    for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(batch.payload)) {
        let unreadable = |why| Trouble::Fault(format!("journal entry {position} cannot be read: {why}"));
        let entry = entry.map_err(unreadable)?;
        if let (Some((kind, says)), Sender::Participant(sender)) = (says_of(&entry, id.bytes()), entry.sender) {
            let is_sealed = !entry.sealed.is_empty();
            said.push(Said { time_ns: batch.time_ns, position, sender, kind, says, is_sealed });
        }
    }
    Ok(())
}

/// What an entry says to a case; none where it is about something else.
fn says_of(entry: &Entry<'_>, id: [u8; 16]) -> Option<(StepKind, String)> {
    let because = |name: &str, reason: [u8; 4]| Reason::from_bytes(reason).map(|reason| words(name, reason));
    Some(match entry.body {
        Body::CaseOpen(message, _) if message.case_id == id => {
            let kind = CaseKind::from_number(message.kind)?;
            (StepKind::CaseOpen, because(kind.name(), message.reason)?)
        }
        Body::CaseAnswer(answer) if answer.case_id == id => {
            let name = if answer.decision == Decision::Accept as u8 { "accept" } else { "refuse" };
            (StepKind::CaseAnswer, because(name, answer.reason)?)
        }
        Body::CaseCancel(cancel) if cancel.case_id == id => (StepKind::CaseCancel, because("cancel", cancel.reason)?),
        // Of a posting follow-up, whose id is the payment's: one that leaves nothing of the payment.
        Body::Return(message, _) if message.case_id == id || message.original_id == id => {
            (StepKind::Return, format!("{} minor units", message.amount.to_native()))
        }
        Body::CreditTransfer(order, _) if order.request_id == id => {
            (StepKind::CreditTransfer, format!("{} minor units", order.amount.to_native()))
        }
        _ => return None,
    })
}
