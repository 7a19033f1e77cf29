//! The trace of a payment: its entries, as the journal holds them, and the effects that followed. What the history says is compared with the entries.

use std::collections::BTreeMap;

use adapters::message::{ArchivedCreditTransfer, ArchivedReturn, Decision, Outcome, PaymentId, Reason};
use ledger::Currency;
use ledger::journal::{Batch, Storage};

use super::answer::{code_text, reason_text};
use super::show::{Facts, Fate};
use super::{Beyond, Lookup, PaymentRow, PaymentTrace, REMOVE, Step, StepKind, Trouble, decode};
use crate::entry::{Body, Entries, Entry, ParticipantId, Sender};
use crate::history::{HistoryEvent, HistoryRecord, total_key};

/// An entry of the payment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Found {
    time_ns: u64,
    sender: ParticipantId,
    is_sealed: bool,
    said: Said,
}

/// What it says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Order {
        payee: [u8; 35],
        amount: u64,
        currency: [u8; 3],
        digest: [u8; 16],
        accepted_at_ns: u64,
    },
    Return {
        original: PaymentId,
        amount: u64,
        currency: [u8; 3],
        digest: [u8; 16],
        reason: Reason,
    },
    /// Something that names the payment, found where the whole journal is looked through.
    Other(StepKind, PaymentId),
    Answer {
        decision: Decision,
        reason: Reason,
    },
}

/// The payment's entries by their positions.
type FoundEntries = BTreeMap<u64, Found>;

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// Shows a payment. Entries of it that change nothing (a repeated order, a late answer) are found in the batches of the order and of the decision, and, if
    /// that is asked for, in all of the journal behind the order.
    pub fn show(&mut self, id: PaymentId, is_through_journal: bool) -> Result<PaymentTrace, Trouble> {
        let Some(facts) = self.facts(id)? else {
            if let Some(trace) = self.show_case(id, is_through_journal)? {
                return Ok(trace);
            }
            let through = self.beyond.applied()?;
            return Err(Trouble::NotThere(format!("there is no payment {id} through journal position {through}")));
        };
        let mut found = FoundEntries::new();
        let (order, decision) = (facts.fate.order(), facts.fate.decision());
        let mut place = order;
        let last = if is_through_journal { self.beyond.applied()? } else { order };
        while place <= last {
            let batch = self.journal.read(place)?;
            collect(&batch, id, &mut found)?;
            place = batch.last_sequence() + 1;
        }
        let mut decided_at = None;
        if let Some(position) = decision {
            let batch = self.journal.read(position)?;
            decided_at = Some((batch.first_sequence, batch.time_ns));
            collect(&batch, id, &mut found)?;
        }
        // What stands before the order was an order that had to be checked again, and is not this payment's.
        found.retain(|position, _| *position >= order);
        compare(id, &facts, &found, decided_at)?;
        self.trace_of(id, &facts, &found, is_through_journal)
    }

    fn trace_of(
        &mut self,
        id: PaymentId,
        facts: &Facts,
        found: &FoundEntries,
        is_through_journal: bool,
    ) -> Result<PaymentTrace, Trouble> {
        let order = facts.fate.order();
        let ordered_ns = found[&order].time_ns;
        let (payee, accepted_at_ns) = match found[&order].said {
            Said::Order { payee, accepted_at_ns, .. } => (code_text(payee), accepted_at_ns),
            Said::Return { .. } => (None, ordered_ns),
            _ => return Err(contradiction(id, order, "the journal has something else where the order should be")),
        };
        let row = match &facts.fate {
            Fate::Decided(record) => self.row_of(record)?,
            Fate::Open(open) => self.row_of_open(open, ordered_ns)?,
        };
        let row = PaymentRow { payee: row.payee.or(payee), ..row };
        let deadline_ns = facts.forward.and_then(|(record, _)| match record.event {
            HistoryEvent::Forwarded { deadline_ns } => Some(deadline_ns),
            _ => None,
        });
        let mut steps = Vec::new();
        for (&position, entry) in found {
            self.push_tick(facts, position, &mut steps)?;
            steps.push(self.step_of(facts, position, entry)?);
            self.push_effects(facts, (position, entry.time_ns), &mut steps)?;
        }
        self.push_tick(facts, u64::MAX, &mut steps)?;
        if let Some(position) = facts.fate.decision()
            && let Some(Found { said: Said::Answer { decision: Decision::AcceptWithoutPosting, .. }, .. }) =
                found.get(&position)
        {
            self.push_posting(id, position, &mut steps)?;
        }
        let returned = self.returned_of(id)?;
        Ok(PaymentTrace { row, ordered_ns, accepted_at_ns, deadline_ns, returned, is_through_journal, steps })
    }

    /// How much of a payment was returned, in minor units.
    fn returned_of(&mut self, id: PaymentId) -> Result<u64, Trouble> {
        if let Some(returned) = self.beyond.returned_of(id)? {
            return Ok(returned);
        }
        let found = self.history.find(&total_key(id.bytes()))?;
        let record = found.map(|bytes| decode(&bytes)).transpose()?;
        Ok(match record.map(|record| record.event) {
            Some(HistoryEvent::Total { returned, .. }) => returned,
            _ => 0,
        })
    }

    fn step_of(&mut self, facts: &Facts, position: u64, entry: &Found) -> Result<Step, Trouble> {
        let (order, decision) = (facts.fate.order(), facts.fate.decision());
        let (kind, says) = match entry.said {
            Said::Order { amount, currency, .. } => {
                let currency = Currency::parse(&currency).map_or("(no currency)".to_owned(), |code| code.to_string());
                let kind = if position == order { StepKind::CreditTransfer } else { StepKind::Repeated };
                (kind, format!("{amount} minor units {currency}"))
            }
            Said::Return { original, amount, currency, reason, .. } => {
                let currency = Currency::parse(&currency).map_or("(no currency)".to_owned(), |code| code.to_string());
                let kind = if position == order { StepKind::Return } else { StepKind::Repeated };
                (kind, words(&format!("{amount} minor units {currency} of {original}"), reason))
            }
            Said::Other(kind, other) => (kind, format!("{} names it", other)),
            Said::Answer { decision: said, reason } => {
                let kind = if decision == Some(position) { StepKind::Answer } else { StepKind::LateAnswer };
                let name = match said {
                    Decision::Accept => "accept",
                    Decision::AcceptWithoutPosting => "accept without posting",
                    Decision::Reject => "reject",
                };
                (kind, words(name, reason))
            }
        };
        let participant = Some(self.code(entry.sender)?.to_string());
        let Found { time_ns, is_sealed, .. } = *entry;
        Ok(Step { participant, is_sealed, ..Step::at((position, time_ns), kind, says) })
    }

    /// Where time decided, and not an entry, it comes before the entries of its batch.
    fn push_tick(&mut self, facts: &Facts, before: u64, steps: &mut Vec<Step>) -> Result<(), Trouble> {
        let Fate::Decided(record) = &facts.fate else { return Ok(()) };
        let is_told = steps.iter().any(|step| step.position == record.position);
        if record.position >= before || is_told {
            return Ok(());
        }
        let at = (record.position, record.time_ns);
        steps.push(Step::at(at, StepKind::Deadline, "the deadline has passed".to_owned()));
        self.push_effects(facts, at, steps)
    }

    /// What was told because of the entry, or the tick, at a position.
    fn push_effects(
        &mut self,
        facts: &Facts,
        (position, time_ns): (u64, u64),
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let lane = Some(match &facts.fate {
            Fate::Decided(record) => record.lane as u8,
            Fate::Open(open) => open.lane as u8,
        });
        let effect = |kind, code: String, number, says| Step {
            participant: Some(code),
            lane,
            number: Some(number),
            ..Step::at((position, time_ns), kind, says)
        };
        if let Some((record, number)) = facts.forward.filter(|(record, _)| record.position == position) {
            let payee = record.payee.unwrap_or(ParticipantId(0));
            let step = effect(StepKind::Forward, self.code(payee)?.to_string(), number, "will you take it".to_owned());
            // The private part of the order goes along.
            let is_sealed = steps.last().is_some_and(|order| order.is_sealed);
            steps.push(Step { is_sealed, ..step });
        }
        let Fate::Decided(record) = &facts.fate else { return Ok(()) };
        if record.position != position {
            return Ok(());
        }
        let Some((outcome, reason, _)) = record.decision() else { return Ok(()) };
        let whose = [Some(record.payer), record.payee];
        for (place, (who, number)) in whose.into_iter().zip(facts.statuses).enumerate() {
            let (Some(who), Some(number)) = (who, number) else { continue };
            let code = self.code(who)?.to_string();
            let (step, is_sealed) = match record.event {
                HistoryEvent::Returned { total, .. } if place == 1 => {
                    (effect(StepKind::Returned, code, number, format!("{total} minor units in all")), false)
                }
                // A note of the payee provider goes along to the payer provider.
                HistoryEvent::Decided { note, .. } => {
                    (effect(StepKind::Status, code, number, words(outcome.name(), reason)), place == 0 && note != 0)
                }
                _ => (effect(StepKind::Status, code, number, words(outcome.name(), reason)), false),
            };
            steps.push(Step { is_sealed, ..step });
        }
        Ok(())
    }
}

pub(super) fn words(name: &str, reason: Reason) -> String {
    reason_text(reason).map_or_else(|| name.to_owned(), |reason| format!("{name}, {reason}"))
}

/// Keeps the entries of a payment.
fn collect(batch: &Batch<'_>, id: PaymentId, found: &mut FoundEntries) -> Result<(), Trouble> {
    for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(batch.payload)) {
        let unreadable = |why| Trouble::Fault(format!("journal entry {position} cannot be read: {why}"));
        let entry = entry.map_err(unreadable)?;
        if let Some(said) = said(&entry, id)
            && let Sender::Participant(sender) = entry.sender
        {
            let is_sealed = !entry.sealed.is_empty();
            found.insert(position, Found { time_ns: batch.time_ns, sender, is_sealed, said });
        }
    }
    Ok(())
}

/// None where it is about something else.
fn said(entry: &Entry<'_>, id: PaymentId) -> Option<Said> {
    match entry.body {
        Body::CreditTransfer(order, annotation) if order.payment_id == id.bytes() => {
            let ArchivedCreditTransfer { payee, currency, .. } = *order;
            let (amount, accepted_at_ns) = (order.amount.to_native(), order.accepted_at_ns.to_native());
            Some(Said::Order { payee, amount, currency, digest: annotation.digest, accepted_at_ns })
        }
        Body::Answer(answer) if answer.payment_id == id.bytes() => {
            let decision = Decision::from_number(answer.decision)?;
            Some(Said::Answer { decision, reason: Reason::from_bytes(answer.reason)? })
        }
        Body::Return(message, annotation) if message.return_id == id.bytes() => {
            let ArchivedReturn { original_id, currency, .. } = *message;
            let original = PaymentId::from_bytes(original_id)?;
            let (amount, digest) = (message.amount.to_native(), annotation.digest);
            Some(Said::Return { original, amount, currency, digest, reason: Reason::from_bytes(message.reason)? })
        }
        Body::Return(message, _) if message.original_id == id.bytes() => {
            Some(Said::Other(StepKind::Return, PaymentId::from_bytes(message.return_id)?))
        }
        Body::CaseOpen(message, _) if message.original_id == id.bytes() => {
            Some(Said::Other(StepKind::CaseOpen, PaymentId::from_bytes(message.case_id)?))
        }
        Body::CaseAnswer(message) if message.case_id == id.bytes() => Some(Said::Other(StepKind::CaseAnswer, id)),
        _ => None,
    }
}

/// The history, or the switch's memory, must say what the journal says. `decided_at`: first position and time of the decision's batch.
fn compare(id: PaymentId, facts: &Facts, found: &FoundEntries, decided_at: Option<(u64, u64)>) -> Result<(), Trouble> {
    let (order, payer, amount, currency, digest) = match &facts.fate {
        Fate::Decided(record) => (record.order, record.payer, record.amount, record.currency, record.digest),
        Fate::Open(open) => (open.order, open.payer, open.amount, open.currency, open.digest),
    };
    let is_order = found.get(&order).is_some_and(|entry| {
        let (Said::Order { amount: a, currency: c, digest: d, .. }
        | Said::Return { amount: a, currency: c, digest: d, .. }) = entry.said
        else {
            return false;
        };
        entry.sender == payer && (a, c, d) == (amount, currency, digest)
    });
    if !is_order {
        return Err(contradiction(id, order, "the order that the history names is not there, or is another one"));
    }
    if let Fate::Decided(record) = &facts.fate {
        compare_decision(record, found, decided_at)?;
        let other = record.payee.filter(|&payee| payee != record.payer);
        let is_told = facts.statuses[0].is_some() && facts.statuses[1].is_some() == other.is_some();
        let is_asked = record.payee.is_some() && matches!(record.event, HistoryEvent::Decided { .. });
        if !is_told || facts.forward.is_some() != is_asked {
            return Err(contradiction(
                id,
                record.position,
                "the history has no record of what the providers were told",
            ));
        }
    }
    Ok(())
}

fn compare_decision(
    record: &HistoryRecord,
    found: &FoundEntries,
    decided_at: Option<(u64, u64)>,
) -> Result<(), Trouble> {
    let HistoryEvent::Decided { outcome, reason, .. } = record.event else {
        // A return is decided where it stands.
        let is_so = record.position == record.order;
        let what = "the history says that a return was decided elsewhere than where it stands";
        return if is_so { Ok(()) } else { Err(contradiction(record.payment_id, record.position, what)) };
    };
    let entry = found.get(&record.position);
    let answer = entry.and_then(|entry| match entry.said {
        Said::Answer { decision, reason } if Some(entry.sender) == record.payee => Some((decision, reason)),
        _ => None,
    });
    let is_tick = decided_at.is_some_and(|(first, _)| first == record.position);
    let is_so = match outcome {
        Outcome::Committed => answer.is_some_and(|(decision, _)| decision != Decision::Reject),
        Outcome::Rejected if record.payee.is_none() => record.position == record.order,
        Outcome::Rejected => answer == Some((Decision::Reject, reason)),
        _ => is_tick || answer.is_some(),
    };
    if !is_so || decided_at.is_none_or(|(_, time_ns)| time_ns != record.time_ns) {
        let what = format!("the history says that it was {} there, and the entry does not", outcome.name());
        return Err(contradiction(record.payment_id, record.position, &what));
    }
    Ok(())
}

pub(super) fn contradiction(id: PaymentId, position: u64, what: &str) -> Trouble {
    Trouble::Fault(format!(
        "payment {id}, journal position {position}: {what}; run `switch ledger verify`, and if the journal is whole, {REMOVE}"
    ))
}
