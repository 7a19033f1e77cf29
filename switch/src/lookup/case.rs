//! The story of a case: its opening, what was said to it, and where it stands.
//!
//! The opening and the closing are found by their times; what was said in between, in the whole journal behind the opening, where that is asked for.

use std::ops::ControlFlow;

use adapters::message::{CaseKind, CaseState, Decision, Field, PaymentId, Reason};
use ledger::journal::{Batch, Storage};

use super::trace::words;
use super::{Beyond, Lookup, PaymentTrace, Step, StepKind, Trouble, decode};
use crate::engine::cases::Case;
use crate::entry::{Body, Entries, Entry, ParticipantId, Sender};
use crate::history::{HistoryEvent, HistoryRecord, posting_key};

/// What was said to a case, and by whom.
type Said = (ParticipantId, Step);

/// The case as a record of where it stands. Nobody asks it for its detail.
fn record_of(case: &Case) -> HistoryRecord {
    let &Case { kind, state, reason, field, .. } = case;
    let event = HistoryEvent::CaseChanged { kind, state, reason, field, detail: 0 };
    HistoryRecord::of_case(case, (case.position, case.at_ns), event)
}

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// Shows a case; none where there is no such case.
    pub(super) fn show_case(
        &mut self,
        id: PaymentId,
        is_through_journal: bool,
    ) -> Result<Option<PaymentTrace>, Trouble> {
        let is_it =
            |record: &HistoryRecord| matches!(record.event, HistoryEvent::CaseChanged { .. }) && !is_posting(record);
        let Some(record) = self.find_case(id, id.bytes(), is_it)? else { return Ok(None) };
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
        // What stands before the opening was an opening that had to be checked again.
        said.retain(|(_, step)| step.position >= record.order);
        let mut steps = Vec::new();
        for (sender, mut step) in said {
            if step.kind == StepKind::CaseOpen && step.position != record.order {
                step.kind = StepKind::Repeated;
            }
            steps.push(self.step_said((sender, step))?);
        }
        self.push_change(&record, &mut steps)?;
        let deadline_ns = self.deadline_of(&record, ordered_ns)?;
        let accepted_at_ns = ordered_ns;
        Ok(Some(PaymentTrace { row, ordered_ns, accepted_at_ns, deadline_ns, returned: 0, is_through_journal, steps }))
    }

    /// Adds the follow-up of a payment that was accepted without being posted at a journal position: that it was owed, what ended it, and who was told.
    pub(super) fn push_posting(&mut self, id: PaymentId, accepted: u64, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let Some(posting) = self.find_case(id, posting_key(id.bytes()), is_posting)? else { return Ok(()) };
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
            let is_shown = steps.iter().any(|step| step.position == posting.position && !step.kind.is_effect());
            if !is_shown {
                let mut said = Vec::new();
                collect(&self.journal.read(posting.position)?, id, &mut said)?;
                for said in said.into_iter().filter(|(_, step)| step.position == posting.position) {
                    steps.push(self.step_said(said)?);
                }
            }
            self.push_change(&posting, steps)?;
        }
        Ok(())
    }

    /// Where a case stands, by its key in files; none where there is no such case.
    fn find_case(
        &mut self,
        id: PaymentId,
        key: [u8; 16],
        is_it: impl Fn(&HistoryRecord) -> bool,
    ) -> Result<Option<HistoryRecord>, Trouble> {
        if let Some(bytes) = self.history.find(&key)? {
            return Ok(Some(decode(&bytes)?).filter(is_it));
        }
        if let Some(record) = self.beyond.case(id)?.as_ref().map(record_of).filter(&is_it) {
            return Ok(Some(record));
        }
        if self.beyond.is_moving() {
            // Nothing leaves memory before it is in files.
            let late = self.history.find(&key)?.map(|bytes| decode(&bytes)).transpose()?;
            return Ok(late.filter(is_it));
        }
        // Where the files end before the journal, what has left a replayed memory is in the records behind them.
        let (from, mut newest) = (self.end_of_files()?, None);
        self.beyond.each(from, &mut |_, record| {
            if record.payment_id == id && is_it(record) {
                newest = Some(*record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(newest)
    }

    /// Until when a case could be answered; none where nobody was asked.
    fn deadline_of(&mut self, record: &HistoryRecord, opened_ns: u64) -> Result<Option<u64>, Trouble> {
        let Some(responder) = record.payee else { return Ok(None) };
        let deadline = |other: &HistoryRecord| match other.event {
            HistoryEvent::CaseOpened { deadline_ns, .. } if other.payment_id == record.payment_id => Some(deadline_ns),
            _ => None,
        };
        let from = self.end_of_files()?;
        let is_opening = |other: &HistoryRecord| deadline(other).is_some();
        if let Some((opening, _)) = self.number_in_files((responder, record.lane), opened_ns, is_opening)? {
            return Ok(deadline(&opening));
        }
        if let Some(case) = self.beyond.case(record.payment_id)? {
            return Ok(Some(case.deadline_ns));
        }
        let mut found = None;
        self.each_record(from, &mut |_, other| {
            found = deadline(other);
            Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Adds what followed from the last change of a case, and that its time was over, where nobody but the clock changed it. What was said stands there already.
    fn push_change(&mut self, record: &HistoryRecord, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let HistoryEvent::CaseChanged { kind, state, .. } = record.event else { return Ok(()) };
        let at = (record.position, record.time_ns);
        if state == CaseState::Expired && self.journal.read(record.position)?.first_sequence == record.position {
            let what =
                if kind == CaseKind::Posting { "the posting follow-up is overdue" } else { "the deadline has passed" };
            steps.push(Step::at(at, StepKind::Deadline, what.to_owned()));
        }
        // A request is paid, and is not paid after all, without a word about it: each provider hears of the payment.
        let is_answered = |step: &Step| step.kind == StepKind::CaseAnswer && step.position == record.position;
        let is_told = match state {
            CaseState::Paying => false,
            CaseState::Accepted => steps.iter().any(is_answered),
            _ => true,
        };
        if is_told {
            self.push_told(record, steps)?;
        }
        // Something may have been said to it since, or to its payment before.
        steps.sort_by_key(|step| step.position);
        Ok(())
    }

    /// Adds that both providers were told where a case stands, or that one of them was asked.
    fn push_told(&mut self, record: &HistoryRecord, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let HistoryEvent::CaseChanged { kind, state, reason, .. } = record.event else { return Ok(()) };
        // Of a payment, whose id a posting follow-up has, there is a decision at the same position.
        let is_this = |other: &HistoryRecord| {
            other.decision().is_none() && (other.payment_id, other.position) == (record.payment_id, record.position)
        };
        let name =
            if kind == CaseKind::Posting { format!("posting {}", state.name()) } else { state.name().to_owned() };
        for who in [Some(record.payer), record.payee].into_iter().flatten() {
            let found = self.number_in_files((who, record.lane), record.time_ns, is_this)?;
            let is_asked = state == CaseState::Open && kind != CaseKind::Posting && record.payee == Some(who);
            let (step, says) = if is_asked {
                (StepKind::CaseForward, words(kind.name(), reason))
            } else {
                (StepKind::CaseStatus, words(&name, reason))
            };
            steps.push(Step {
                participant: Some(self.code(who)?.to_string()),
                lane: Some(record.lane as u8),
                number: found.map(|(_, number)| number),
                ..Step::at((record.position, record.time_ns), step, says)
            });
        }
        Ok(())
    }

    fn step_said(&mut self, (sender, step): Said) -> Result<Step, Trouble> {
        Ok(Step { participant: Some(self.code(sender)?.to_string()), ..step })
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
            said.push((sender, Step { is_sealed, ..Step::at((position, batch.time_ns), kind, says) }));
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
