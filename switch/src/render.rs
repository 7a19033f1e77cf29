//! Makes the bytes of messages: from what is at hand in the hot loop, or, for a provider that was away, from outbox records, the history and the
//! journal, on a thread of its own.

use adapters::message::{
    ArchivedCaseOpen, ArchivedCreditTransfer, ArchivedReturn, CaseForward, CaseStatus as CaseStatusPart, Forward, Lane,
    MessageKind, Returned, Status as StatusPart,
};
use adapters::native::frame::{Head, encode};
use ledger::journal::{JournalFault, JournalReader, Storage};

use crate::engine::effect::{CaseNews, News, Status};
use crate::entry::{self, Body, Entry, ParticipantId};
use crate::feed::Span;
use crate::history::{HistoryFault, HistoryReader, outbox_records};
use crate::limits::{RENDER_BYTES_MAX, RENDER_RECORDS_MAX};
use crate::outbox::{OutboxRecord, OutboxRecords};
use crate::seal::{DataKey, SealFault};

/// Appends a `Forward` of a payment order.
fn forward(out: &mut Vec<u8>, head: Head, order: &ArchivedCreditTransfer, deadline_ns: u64, private: &[u8]) {
    let routing = Forward {
        payment_id: order.payment_id,
        payer: order.payer,
        payee: order.payee,
        amount: order.amount.to_native(),
        currency: order.currency,
        accepted_at_ns: order.accepted_at_ns.to_native(),
        purpose: order.purpose,
        lane: order.lane,
        request_id: order.request_id,
        deadline_ns,
    };
    encode(out, MessageKind::Forward, head, &routing, |out| out.extend_from_slice(private));
}

/// Appends a `Status`.
fn status(out: &mut Vec<u8>, head: Head, payment_id: [u8; 16], status: &Status, note: &[u8]) {
    let routing = StatusPart {
        payment_id,
        outcome: status.outcome as u8,
        reason: status.reason.bytes(),
        field: status.field as u8,
        decided_at_ns: status.decided_at_ns,
        position: status.position,
    };
    encode(out, MessageKind::Status, head, &routing, |out| out.extend_from_slice(note));
}

/// Appends a `Returned`, of a return that was committed.
fn returned(out: &mut Vec<u8>, head: Head, message: &ArchivedReturn, total: u64, at: Moment, note: &[u8]) {
    let routing = Returned {
        return_id: message.return_id,
        original_id: message.original_id,
        case_id: message.case_id,
        amount: message.amount.to_native(),
        currency: message.currency,
        reason: message.reason,
        returned_total: total,
        decided_at_ns: at.time_ns,
        position: at.position,
    };
    encode(out, MessageKind::Returned, head, &routing, |out| out.extend_from_slice(note));
}

/// Appends a `CaseForward`.
fn case_forward(out: &mut Vec<u8>, head: Head, message: &ArchivedCaseOpen, deadline_ns: u64, private: &[u8]) {
    let routing = CaseForward {
        case_id: message.case_id,
        kind: message.kind,
        original_id: message.original_id,
        opener: message.opener,
        responder: message.responder,
        amount: message.amount.to_native(),
        currency: message.currency,
        amount_form: message.amount_form,
        reason: message.reason,
        deadline_ns,
    };
    encode(out, MessageKind::CaseForward, head, &routing, |out| out.extend_from_slice(private));
}

/// Appends a `CaseStatus`.
fn case_status(out: &mut Vec<u8>, head: Head, case_id: [u8; 16], news: &CaseNews, note: &[u8]) {
    let routing = CaseStatusPart {
        case_id,
        kind: news.kind.map_or(0, |kind| kind as u8),
        state: news.state as u8,
        reason: news.reason.bytes(),
        field: news.field as u8,
        at_ns: news.at_ns,
        position: news.position,
    };
    encode(out, MessageKind::CaseStatus, head, &routing, |out| out.extend_from_slice(note));
}

/// Time and position of the batch entry that a message comes of.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Journal time.
    pub time_ns: u64,
    /// Journal position.
    pub position: u64,
}

/// Where the rest of a message is: the entry that it comes of, and that entry's private part in clear.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The entry.
    pub entry: &'a Entry<'a>,
    /// In clear; empty where it has none, or where its key was erased.
    pub private: &'a [u8],
    /// When it was journaled.
    pub at: Moment,
}

/// Appends the message that tells these news about a payment or a case. False where the source is not what such news come of.
#[must_use]
pub fn message(out: &mut Vec<u8>, head: Head, id: [u8; 16], news: &News, source: Option<Source<'_>>) -> bool {
    let note = source.map_or(&[][..], |source| source.private);
    match (news, source.map(|source| (source.entry.body, source.at))) {
        (News::Forward { deadline_ns }, Some((Body::CreditTransfer(order, _), _))) if order.payment_id == id => {
            forward(out, head, order, *deadline_ns, note);
        }
        (News::Returned { total }, Some((Body::Return(message, _), at))) if message.return_id == id => {
            returned(out, head, message, *total, at, note);
        }
        (News::CaseForward { deadline_ns }, Some((Body::CaseOpen(message, _), _))) if message.case_id == id => {
            case_forward(out, head, message, *deadline_ns, note);
        }
        (News::Status(news), None) => status(out, head, id, news, &[]),
        (News::Status(news), Some((Body::Answer(answer), _))) if answer.payment_id == id => {
            status(out, head, id, news, note);
        }
        (News::CaseStatus(news), None) => case_status(out, head, id, news, &[]),
        (News::CaseStatus(news), Some((Body::CaseAnswer(answer), _))) if answer.case_id == id => {
            case_status(out, head, id, news, note);
        }
        (News::CaseStatus(news), Some((Body::CaseCancel(cancel), _))) if cancel.case_id == id => {
            case_status(out, head, id, news, note);
        }
        _ => return false,
    }
    true
}

/// Asks for the frames of some outbox records of one lane.
pub struct RenderRequest {
    /// Whose outbox.
    pub participant: ParticipantId,
    /// The life of its feed.
    pub life: u64,
    /// The lane.
    pub lane: Lane,
    /// Number of the first record.
    pub first_number: u64,
    /// How many, at most `RENDER_RECORDS_MAX`.
    pub count: usize,
    /// The records, or that they are to be read.
    pub records: OutboxRecords,
}

/// The frames that were asked for.
pub struct Rendered {
    /// Whose outbox.
    pub participant: ParticipantId,
    /// The life of its feed, as it was asked for.
    pub life: u64,
    /// The lane.
    pub lane: Lane,
    /// Numbers of the records that are in it.
    pub made: Span,
    /// The frames, one after the other.
    pub frames: Vec<u8>,
}

/// Why older messages cannot be made. The switch is unwell: what was durable does not come back.
#[derive(Debug)]
pub enum RenderFault {
    /// The journal cannot be read.
    Journal(JournalFault),
    /// The history cannot be read.
    History(HistoryFault),
    /// A key cannot be had.
    Seal(SealFault),
    /// The entry at this position is not what the record says, or does not open.
    Mismatch(u64),
}

impl std::fmt::Display for RenderFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RenderFault::Journal(fault) => write!(f, "reading an older message: {fault}"),
            RenderFault::History(fault) => write!(f, "reading an older message: {fault}"),
            RenderFault::Seal(fault) => write!(f, "opening an older message: {fault}"),
            RenderFault::Mismatch(position) => {
                write!(f, "journal entry {position} is not what the outbox says it is: run `switch ledger verify`")
            }
        }
    }
}

/// Makes frames from outbox records and the journal.
pub struct Renderer<S: Storage> {
    journal: JournalReader<S>,
    history: HistoryReader<S>,
    plaintext: Vec<u8>,
    cursor: Cursor,
}

/// An entry of a batch, by its place and where it begins: records come in journal order, so the next one is mostly a few entries on.
#[derive(Clone, Copy, Default)]
struct Cursor {
    first_sequence: u64,
    place: u64,
    offset: usize,
}

impl Cursor {
    /// The entry at a place of a batch, from 1.
    fn seek<'a>(&mut self, first_sequence: u64, place: u64, payload: &'a [u8]) -> Option<Entry<'a>> {
        if self.first_sequence != first_sequence || place < self.place || self.place == 0 {
            *self = Cursor { first_sequence, place: 1, offset: 0 };
        }
        loop {
            let (entry, length) = entry::read(payload.get(self.offset..)?).ok()?;
            if self.place == place {
                return Some(entry);
            }
            self.place += 1;
            self.offset += length;
        }
    }
}

impl<S: Storage> Renderer<S> {
    /// Reads from a journal and a history that another thread writes.
    pub fn new(journal: JournalReader<S>, history: HistoryReader<S>) -> Renderer<S> {
        Renderer { journal, history, plaintext: Vec::new(), cursor: Cursor::default() }
    }

    /// Makes the frames, of all records or of as many as fit a portion. `find_key` finds the key that sealed an entry. An erased key gives messages without their private part.
    pub fn render(
        &mut self,
        request: &RenderRequest,
        mut find_key: impl FnMut(u64) -> Result<DataKey, SealFault>,
    ) -> Result<Rendered, RenderFault> {
        let from_history;
        let records = match &request.records {
            OutboxRecords::Held(records) => records,
            OutboxRecords::InHistory => {
                let outbox = (request.participant, request.lane);
                let read = outbox_records(&self.history, outbox, request.first_number, request.count);
                from_history = read.map_err(RenderFault::History)?;
                &from_history
            }
        };
        assert!(records.len() <= RENDER_RECORDS_MAX);
        let mut frames = Vec::with_capacity(records.len() * 512);
        let mut number = request.first_number;
        for record in records {
            self.render_record(&mut frames, Head { lane: request.lane, number, ..Head::PLAIN }, record, &mut find_key)?;
            number += 1;
            if frames.len() >= RENDER_BYTES_MAX {
                break;
            }
        }
        let RenderRequest { participant, life, lane, first_number, .. } = *request;
        Ok(Rendered { participant, life, lane, made: Span { first: first_number, last: number - 1 }, frames })
    }

    fn render_record(
        &mut self,
        frames: &mut Vec<u8>,
        head: Head,
        record: &OutboxRecord,
        find_key: &mut impl FnMut(u64) -> Result<DataKey, SealFault>,
    ) -> Result<(), RenderFault> {
        let id = record.payment_id.bytes();
        let mismatch = || RenderFault::Mismatch(record.source);
        if record.source == 0 {
            return if message(frames, head, id, &record.news, None) { Ok(()) } else { Err(mismatch()) };
        }
        let batch = self.journal.read(record.source).map_err(RenderFault::Journal)?;
        let place = record.source - batch.first_sequence;
        let entry = self.cursor.seek(batch.first_sequence, place, batch.payload).ok_or_else(mismatch)?;
        let private: &[u8] = if entry.seal_key == 0 {
            &[]
        } else {
            match find_key(entry.seal_key) {
                Ok(key) => key.open(entry.sealed, entry.additional, &mut self.plaintext).ok_or_else(mismatch)?,
                Err(SealFault::Erased(_)) => &[],
                Err(fault) => return Err(RenderFault::Seal(fault)),
            }
        };
        let at = Moment { time_ns: batch.time_ns, position: record.source };
        let source = Source { entry: &entry, private, at };
        if message(frames, head, id, &record.news, Some(source)) { Ok(()) } else { Err(mismatch()) }
    }
}
