//! Many payments: outcomes in the order of the decisions, then what is in flight in the order of the orders.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use adapters::message::{Field, Lane, Outcome, ParticipantCode, PaymentId, Reason};
use ledger::Currency;
use ledger::index::{GroupQuery, TimeQuery};
use ledger::journal::Storage;

use super::answer::reason_text;
use super::{
    Beyond, Cursor, ListQuery, Lookup, Names, OpenPayment, OutcomeFilter, PaymentRow, REMOVE, Reached, Trouble, decode,
};
use crate::entry::ParticipantId;
use crate::history::{HistoryEvent, HistoryRecord, RECORD_BYTES, outbox_group};
use crate::limits::LOOKUP_RECORDS_MAX;

/// A message that lists who is known lists so many.
const LISTED_MAX: usize = 12;

/// Takes rows as they are found.
pub(super) type Emit<'a> = dyn FnMut(&PaymentRow) -> Result<(), Trouble> + 'a;

/// A query that was checked.
struct Filter {
    participant: Option<ParticipantId>,
    from_ns: u64,
    to_ns: u64,
    outcome: Option<OutcomeFilter>,
    reason: Option<String>,
}

impl Filter {
    fn has_time(&self, time_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&time_ns)
    }

    fn wants_outcomes(&self) -> bool {
        self.outcome != Some(OutcomeFilter::InFlight)
    }

    /// What is in flight has no reason yet.
    fn wants_open(&self) -> bool {
        self.outcome.is_none_or(|outcome| outcome == OutcomeFilter::InFlight) && self.reason.is_none()
    }

    fn takes(&self, record: &HistoryRecord) -> bool {
        let Some((outcome, reason, _)) = record.decision() else { return false };
        self.has_time(record.time_ns)
            && self.participant.is_none_or(|who| record.payer == who || record.payee == Some(who))
            && self.outcome.is_none_or(|wanted| wanted.outcome() == outcome)
            && self.reason.as_deref().is_none_or(|wanted| reason.as_str() == wanted)
    }

    fn takes_open(&self, payment: &OpenPayment) -> bool {
        self.participant.is_none_or(|who| payment.payer == who || payment.payee == who)
    }
}

/// Rows on their way to whoever asked, no more than were asked for.
struct Out<'a, 'e> {
    emit: &'a mut Emit<'e>,
    left: u64,
    /// The row that was one too many.
    next: Option<Cursor>,
}

impl Out<'_, '_> {
    fn put(&mut self, row: &PaymentRow) -> Result<(), Trouble> {
        self.left -= 1;
        (self.emit)(row)
    }
}

/// Records with their numbers, in order, and the number to go on with; none at the end.
type NumberedPage = (Vec<(u64, HistoryRecord)>, Option<u64>);

/// Why a visit was broken off.
enum Halt {
    /// What follows is later than what is asked for.
    Late,
    /// Somebody is not among the names that are known.
    Unnamed,
    /// There are more than were asked for.
    Full,
}

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// Lists payments. Gives where to go on, where there are more.
    ///
    /// Whatever was in flight when it began is there once: in flight, or with its outcome. What comes or is decided meanwhile may be there or not.
    pub fn list(&mut self, query: &ListQuery, emit: &mut Emit<'_>) -> Result<Option<Cursor>, Trouble> {
        let (filter, cursor) = self.check(query)?;
        let mut out = Out { emit, left: query.limit, next: None };
        let mut record = cursor.record;
        if filter.wants_outcomes() {
            match self.outcomes(&filter, cursor, &mut out)? {
                Some(next) => record = next,
                None => return Ok(out.next),
            }
        }
        if filter.wants_open() {
            self.list_open(&filter, Cursor { record, ..cursor }, &mut out)?;
        }
        Ok(out.next)
    }

    fn check(&mut self, query: &ListQuery) -> Result<(Filter, Cursor), Trouble> {
        let participant = query.participant.as_deref().map(|code| self.participant(code)).transpose()?;
        let (from_ns, to_ns) = (query.from_ns.unwrap_or(0), query.to_ns.unwrap_or(u64::MAX));
        if from_ns > to_ns {
            return Err(Trouble::Asked("--from is after --to; the period would end before it begins".to_owned()));
        }
        let cursor = query.after.as_deref().map(|text| {
            let wrong =
                || format!("--after {text} is no cursor: give the one that the page before has printed, or none");
            Cursor::parse(text).ok_or_else(|| Trouble::Asked(wrong()))
        });
        if query.limit == 0 {
            return Err(Trouble::Asked("--limit must be at least 1".to_owned()));
        }
        let (outcome, reason) = (query.outcome, query.reason.clone());
        Ok((Filter { participant, from_ns, to_ns, outcome, reason }, cursor.transpose()?.unwrap_or_default()))
    }

    fn participant(&mut self, text: &str) -> Result<ParticipantId, Trouble> {
        let code = ParticipantCode::parse(text);
        if code.is_some_and(|code| self.names.number(&code).is_none()) {
            self.ask_names()?;
        }
        code.and_then(|code| self.names.number(&code)).ok_or_else(|| {
            Trouble::Asked(format!("--participant {text} is not in the scheme; known: {}", self.names.listed()))
        })
    }

    /// Lists outcomes. Gives the number of the record to come; none where there were more than were asked for.
    fn outcomes(&mut self, filter: &Filter, cursor: Cursor, out: &mut Out<'_, '_>) -> Result<Option<u64>, Trouble> {
        let mut number = cursor.record;
        loop {
            let end = self.end_of_files()?;
            if number < end {
                if !self.outcomes_in_files(filter, (number, end), cursor, out)? {
                    return Ok(None);
                }
                number = end;
            }
            let Lookup { beyond, names, has_all_names, .. } = &mut *self;
            let mut halt = None;
            let reached = beyond.each(number, &mut |at, record| {
                if record.time_ns >= filter.to_ns {
                    halt = Some(Halt::Late);
                } else if filter.takes(record) {
                    match names.row_of(record, *has_all_names) {
                        None => halt = Some(Halt::Unnamed),
                        Some(_) if out.left == 0 => halt = Some(Halt::Full),
                        Some(row) => out.put(&row)?,
                    }
                }
                number = at + u64::from(halt.is_none());
                Ok(if halt.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            match (reached, halt) {
                (Reached::End(end), _) => return Ok(Some(end)),
                (Reached::InFiles(next), _) => number = next,
                (Reached::Stopped, Some(Halt::Late)) => return Ok(Some(number)),
                (Reached::Stopped, Some(Halt::Full)) => {
                    out.next = Some(Cursor { record: number, ..cursor });
                    return Ok(None);
                }
                (Reached::Stopped, _) if self.has_all_names => return Err(unnamed()),
                (Reached::Stopped, _) => self.ask_names()?,
            }
        }
    }

    /// False where there were more than were asked for.
    fn outcomes_in_files(
        &mut self,
        filter: &Filter,
        (from, end): (u64, u64),
        cursor: Cursor,
        out: &mut Out<'_, '_>,
    ) -> Result<bool, Trouble> {
        let mut next = Some(from);
        while let Some(from_record) = next.filter(|next| *next < end) {
            let (from_ns, until_ns, records_max) = (filter.from_ns, filter.to_ns, LOOKUP_RECORDS_MAX);
            let records: Vec<(u64, HistoryRecord)>;
            if let Some(participant) = filter.participant {
                let query = GroupQuery { group: 0, from_record, from_ns, until_ns, records_max };
                (records, next) = self.of_participant(participant, &query)?;
            } else {
                let page = self.history.time_page(&TimeQuery { from_record, from_ns, until_ns, records_max })?;
                next = page.next;
                let decoded = page.records.chunks(RECORD_BYTES).map(decode).collect::<Result<Vec<_>, _>>()?;
                records = (page.first_number..).zip(decoded).collect();
            }
            for (number, record) in records {
                if number < end && filter.takes(&record) && !self.emit_outcome(number, &record, cursor, out)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Records of a participant, of all its lanes, in their order, and the number to go on with. Each lane gives a page; what lies behind the end of
    /// the shortest is read again.
    fn of_participant(&self, participant: ParticipantId, query: &GroupQuery) -> Result<NumberedPage, Trouble> {
        let (mut records, mut next): NumberedPage = (Vec::new(), None);
        for lane in [Lane::Payments, Lane::Bulk] {
            let page = self.history.group_page(&GroupQuery { group: outbox_group(participant, lane), ..*query })?;
            for (bytes, number) in page.records.chunks(RECORD_BYTES).zip(page.numbers) {
                records.push((number, decode(bytes)?));
            }
            next = [next, page.next].into_iter().flatten().min();
        }
        records.retain(|(number, _)| next.is_none_or(|next| *number < next));
        records.sort_unstable_by_key(|(number, _)| *number);
        Ok((records, next))
    }

    /// False where it was one too many.
    fn emit_outcome(
        &mut self,
        number: u64,
        record: &HistoryRecord,
        cursor: Cursor,
        out: &mut Out<'_, '_>,
    ) -> Result<bool, Trouble> {
        if out.left == 0 {
            out.next = Some(Cursor { record: number, ..cursor });
            return Ok(false);
        }
        out.put(&self.row_of(record)?)?;
        Ok(true)
    }

    /// What is in flight, but for what was decided while that was looked for: it comes with its outcome, before.
    fn list_open(&mut self, filter: &Filter, cursor: Cursor, out: &mut Out<'_, '_>) -> Result<(), Trouble> {
        let mut open = self.beyond.open()?;
        let mut record = cursor.record;
        if filter.wants_outcomes() && self.beyond.is_moving() {
            let (mut decided, mut late): (BTreeSet<PaymentId>, Vec<(u64, HistoryRecord)>) = Default::default();
            let end = self.each_record(record, &mut |number, record| {
                if record.decision().is_some() {
                    decided.insert(record.payment_id);
                }
                if filter.takes(record) {
                    late.push((number, *record));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            for (number, record) in late {
                if !self.emit_outcome(number, &record, cursor, out)? {
                    return Ok(());
                }
            }
            open.retain(|payment| !decided.contains(&payment.id));
            record = end.unwrap_or(record);
        }
        open.retain(|payment| payment.order > cursor.order && filter.takes_open(payment));
        open.sort_unstable_by_key(|payment| payment.order);
        let mut order = cursor.order;
        for payment in open {
            let time_ns = self.journal.read(payment.order)?.time_ns;
            if !filter.has_time(time_ns) {
                continue;
            }
            if out.left == 0 {
                out.next = Some(Cursor { record, order });
                return Ok(());
            }
            order = payment.order;
            out.put(&self.row_of_open(&payment, time_ns)?)?;
        }
        Ok(())
    }

    /// A row of an outcome.
    pub(super) fn row_of(&mut self, record: &HistoryRecord) -> Result<PaymentRow, Trouble> {
        if let Some(row) = self.names.row_of(record, self.has_all_names) {
            return Ok(row);
        }
        self.ask_names()?;
        self.names.row_of(record, true).ok_or_else(unnamed)
    }

    /// A row of what is in flight.
    pub(super) fn row_of_open(&mut self, payment: &OpenPayment, time_ns: u64) -> Result<PaymentRow, Trouble> {
        let &OpenPayment { id, digest, payer, payee, amount, currency, order, lane, .. } = payment;
        let (outcome, reason, field) = (Outcome::InFlight, Reason::NONE, Field::None);
        let event = HistoryEvent::Decided { outcome, reason, field, note: 0 };
        let (payment_id, payee) = (id, Some(payee));
        self.row_of(&HistoryRecord {
            position: order,
            time_ns,
            order,
            payment_id,
            digest,
            payer,
            payee,
            amount,
            currency,
            lane,
            event,
        })
    }
}

fn unnamed() -> Trouble {
    Trouble::Fault(format!("history: a payment of a participant that is not in the scheme; {REMOVE}"))
}

impl Names {
    /// A few of the participants, for people.
    fn listed(&self) -> String {
        let mut codes: Vec<&str> = self.participants.iter().map(ParticipantCode::as_str).collect();
        codes.sort_unstable();
        let more = codes.len().saturating_sub(LISTED_MAX);
        codes.truncate(LISTED_MAX);
        let list = codes.join(", ");
        if more == 0 { list } else { format!("{list} and {more} more") }
    }

    /// A row of an outcome; none where somebody is not known. Where not all names are known, an unknown currency may be one, too.
    fn row_of(&self, record: &HistoryRecord, has_all_names: bool) -> Option<PaymentRow> {
        let &HistoryRecord {
            position, time_ns, order, payment_id, payer, payee, amount, currency, lane, event, ..
        } = record;
        let (kind, outcome, reason, field) = match event {
            HistoryEvent::Decided { outcome, reason, field, .. } => ("payment", outcome.name(), reason, field),
            HistoryEvent::Returned { outcome, reason, field, .. } => ("return", outcome.name(), reason, field),
            HistoryEvent::CaseChanged { kind, state, reason, field, .. } => (kind.name(), state.name(), reason, field),
            HistoryEvent::Forwarded { .. } | HistoryEvent::Total { .. } | HistoryEvent::CaseOpened { .. } => {
                unreachable!("a row is of where something stands")
            }
        };
        let letters = Currency::parse(&currency);
        let minor_digits = self.minor_digits(currency);
        if letters.is_some() && minor_digits.is_none() && !has_all_names {
            return None;
        }
        let payee = match payee {
            Some(payee) => Some(self.code(payee)?.to_string()),
            None => None,
        };
        Some(PaymentRow {
            time_ns,
            position,
            order,
            id: payment_id.to_string(),
            kind: kind.to_owned(),
            lane: lane as u8,
            outcome: outcome.to_owned(),
            reason: reason_text(reason),
            field: (field != Field::None).then(|| field.name().to_owned()),
            payer: self.code(payer)?.to_string(),
            payee,
            amount,
            currency: letters.map(|currency| currency.to_string()),
            minor_digits,
        })
    }
}
