//! The history: an index on disk over what the journal has brought forth. It answers for everything that memory has let go: the outcome of a
//! payment of any age, and outbox records that are too old to be held.
//!
//! It holds one record for each `Forward` and one for each outcome, made from effects while they are applied, at start, in the hot loop and wherever
//! else a journal is followed. So it can always be made again, and no truth is in it alone. The bytes are `docs/formats/history.md`.
//!
//! [`History`] is the writing side, and belongs to whoever applies batches. It knows how far the files reach (*indexed*), and tells the outboxes what they may let
//! go. [`HistoryAsker`] looks payments up; the renderer reads outboxes; both do so on threads of their own.

use std::collections::VecDeque;

use adapters::message::{CaseKind, CaseState, Field, Lane, OUTBOX_LANES, Outcome, PaymentId, Reason};
use adapters::stages;
use ledger::index::{
    GroupQuery, Index, IndexFault, IndexOptions, IndexReader, IndexReport, IndexSchema, IndexWork, TimePage,
};
use ledger::journal::{Lineage, Storage};
use ledger::limits::{INDEX_KEYS_IN_MEMORY_DEFAULT, INDEX_RUNS_UNFINISHED_MAX};

use crate::engine::Engine;
use crate::engine::cases::Case;
use crate::engine::effect::{CaseNews, Delivery, Effect, News, Status, Subject};
use crate::engine::originals::Original;
use crate::engine::payments::{Payment, Traits};
use crate::entry::{OriginalFound, ParticipantId};
use crate::limits::HISTORY_RUN_RECORDS;
use crate::outbox::OutboxRecord;
use crate::pipeline::Decisions;

/// Length of a record.
pub const RECORD_BYTES: usize = 92;

/// Format id of our records in the index's files.
pub const HISTORY_FORMAT: u32 = 3;

/// What has happened to a payment, a return or a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Journal position: of the order that was forwarded, of the decision, or of the change.
    pub position: u64,
    /// Journal time of that.
    pub time_ns: u64,
    /// Journal position of the order, or of the entry that opened the case.
    pub order: u64,
    /// Which payment, return or case.
    pub payment_id: PaymentId,
    /// What was ordered or asked, as the edge digested it.
    pub digest: [u8; 16],
    /// The sender of the order, or who opened the case.
    pub payer: ParticipantId,
    /// The payee provider, or who is to answer; none where nobody but the sender was told.
    pub payee: Option<ParticipantId>,
    /// As ordered, in minor units.
    pub amount: u64,
    /// As ordered.
    pub currency: [u8; 3],
    /// The lane in which it was told.
    pub lane: Lane,
    /// What.
    pub event: HistoryEvent,
}

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryEvent {
    /// The payee provider was asked.
    Forwarded {
        /// An answer counts before this journal time.
        deadline_ns: u64,
    },
    /// The payment was decided.
    Decided {
        /// Committed, rejected or expired.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// The field that was the cause.
        field: Field,
        /// Journal position of the answer whose note goes to the payer provider; 0 for none.
        note: u64,
    },
    /// A return was decided.
    Returned {
        /// Committed or rejected.
        outcome: Outcome,
        /// Why it was rejected.
        reason: Reason,
        /// The field that was the cause.
        field: Field,
        /// How much of its original was returned with it, in all; 0 where it was rejected.
        total: u64,
    },
    /// So much of a committed payment has been returned. The record's other fields are the payment's.
    Total {
        /// In minor units.
        returned: u64,
        /// Journal time of the payment's outcome.
        decided_at_ns: u64,
    },
    /// A case was opened by one provider, and another was asked.
    CaseOpened {
        /// What it is about.
        kind: CaseKind,
        /// As the opener gave it.
        reason: Reason,
        /// An answer counts before this journal time.
        deadline_ns: u64,
    },
    /// A case stands elsewhere from now on.
    CaseChanged {
        /// What it is about.
        kind: CaseKind,
        /// Where it stands.
        state: CaseState,
        /// Why.
        reason: Reason,
        /// The field that was the cause.
        field: Field,
        /// Of an open case its deadline; of another the journal position of the entry whose note goes along, 0 for none.
        detail: u64,
    },
}

/// Events by their numbers in the record.
const FORWARDED: u8 = 0;
const DECIDED: u8 = 1;
const RETURNED: u8 = 2;
const TOTAL: u8 = 3;
const CASE_OPENED: u8 = 4;
const CASE_CHANGED: u8 = 5;

/// The parts of a record that depend on its event.
struct Parts {
    event: u8,
    detail: u64,
    /// Outcome or state.
    stands: u8,
    reason: Reason,
    field: Field,
    case_kind: u8,
}

impl HistoryEvent {
    fn parts(self) -> Parts {
        let none = Parts { event: 0, detail: 0, stands: 0, reason: Reason::NONE, field: Field::None, case_kind: 0 };
        match self {
            HistoryEvent::Forwarded { deadline_ns } => Parts { event: FORWARDED, detail: deadline_ns, ..none },
            HistoryEvent::Decided { outcome, reason, field, note } => {
                Parts { event: DECIDED, detail: note, stands: outcome as u8, reason, field, ..none }
            }
            HistoryEvent::Returned { outcome, reason, field, total } => {
                Parts { event: RETURNED, detail: total, stands: outcome as u8, reason, field, ..none }
            }
            // Its second number stands in place of the digest, which nobody asks of it.
            HistoryEvent::Total { returned, .. } => Parts { event: TOTAL, detail: returned, ..none },
            HistoryEvent::CaseOpened { kind, reason, deadline_ns } => {
                Parts { event: CASE_OPENED, detail: deadline_ns, reason, case_kind: kind as u8, ..none }
            }
            HistoryEvent::CaseChanged { kind, state, reason, field, detail } => {
                Parts { event: CASE_CHANGED, detail, stands: state as u8, reason, field, case_kind: kind as u8 }
            }
        }
    }

    /// Makes the event of its parts; none where no event has such parts.
    fn of(parts: &Parts, digest: [u8; 16]) -> Option<HistoryEvent> {
        let &Parts { event, detail, stands, reason, field, case_kind } = parts;
        let made = match event {
            FORWARDED => HistoryEvent::Forwarded { deadline_ns: detail },
            DECIDED => {
                let outcome = Outcome::from_number(stands).filter(|outcome| outcome.is_final())?;
                HistoryEvent::Decided { outcome, reason, field, note: detail }
            }
            RETURNED => {
                let outcome = Outcome::from_number(stands).filter(|outcome| outcome.is_final())?;
                HistoryEvent::Returned { outcome, reason, field, total: detail }
            }
            TOTAL => HistoryEvent::Total { returned: detail, decided_at_ns: u64_at(&digest, 0) },
            CASE_OPENED => {
                HistoryEvent::CaseOpened { kind: CaseKind::from_number(case_kind)?, reason, deadline_ns: detail }
            }
            CASE_CHANGED => {
                let (kind, state) = (CaseKind::from_number(case_kind)?, CaseState::from_number(stands)?);
                HistoryEvent::CaseChanged { kind, state, reason, field, detail }
            }
            _ => return None,
        };
        let again = made.parts();
        let is_exact = (again.stands, again.reason, again.field, again.case_kind) == (stands, reason, field, case_kind);
        is_exact.then_some(made)
    }
}

impl HistoryRecord {
    /// What has happened to a case at this journal position and time.
    pub(crate) fn of_case(case: &Case, (position, time_ns): (u64, u64), event: HistoryEvent) -> HistoryRecord {
        let &Case { id: payment_id, digest, kind, opener: payer, responder: payee, amount, currency, .. } = case;
        let (order, lane) = (case.opened, kind.lane());
        HistoryRecord { position, time_ns, order, payment_id, digest, payer, payee, amount, currency, lane, event }
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let Parts { event, detail, stands, reason, field, case_kind } = self.event.parts();
        let mut digest = self.digest;
        if let HistoryEvent::Total { decided_at_ns, .. } = self.event {
            digest = [0; 16];
            digest[..8].copy_from_slice(&decided_at_ns.to_le_bytes());
        }
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[ID_AT..ID_AT + 16].copy_from_slice(&self.payment_id.bytes());
        bytes[32..48].copy_from_slice(&digest);
        bytes[PAYER_AT..52].copy_from_slice(&self.payer.0.to_le_bytes());
        bytes[PAYEE_AT..56].copy_from_slice(&self.payee.map_or(0, |payee| payee.0).to_le_bytes());
        bytes[56..64].copy_from_slice(&self.amount.to_le_bytes());
        bytes[64..72].copy_from_slice(&detail.to_le_bytes());
        bytes[72..75].copy_from_slice(&self.currency);
        bytes[EVENT_AT] = event;
        bytes[76..80].copy_from_slice(&reason.bytes());
        bytes[80] = field as u8;
        bytes[81..89].copy_from_slice(&self.order.to_le_bytes());
        bytes[STANDS_AT] = stands;
        bytes[LANE_AT] = self.lane as u8;
        bytes[CASE_KIND_AT] = case_kind;
        bytes
    }

    /// Reads what `encode` has written; none where these bytes are something else.
    pub fn decode(bytes: &[u8]) -> Option<HistoryRecord> {
        let bytes: &[u8; RECORD_BYTES] = bytes.try_into().ok()?;
        let parts = Parts {
            event: bytes[EVENT_AT],
            detail: u64_at(bytes, 64),
            stands: bytes[STANDS_AT],
            reason: Reason::from_bytes(array_at(bytes, 76))?,
            field: Field::from_number(bytes[80])?,
            case_kind: bytes[CASE_KIND_AT],
        };
        let digest = array_at(bytes, 32);
        let event = HistoryEvent::of(&parts, digest)?;
        let is_total = parts.event == TOTAL;
        if is_total && digest[8..] != [0; 8] {
            return None;
        }
        Some(HistoryRecord {
            position: u64_at(bytes, 0),
            time_ns: u64_at(bytes, 8),
            order: u64_at(bytes, 81),
            payment_id: PaymentId::from_bytes(array_at(bytes, ID_AT))?,
            digest: if is_total { [0; 16] } else { digest },
            payer: ParticipantId(u32_at(bytes, PAYER_AT)),
            payee: Some(ParticipantId(u32_at(bytes, PAYEE_AT))).filter(|payee| payee.0 != 0),
            amount: u64_at(bytes, 56),
            currency: array_at(bytes, 72),
            lane: Lane::from_number(bytes[LANE_AT]).filter(|lane| *lane != Lane::Session)?,
            event,
        })
    }

    /// What an order or a return with this id is told: to its sender the first outcome, if it is the same.
    pub fn status_for_order(&self, sender: ParticipantId, digest: [u8; 16]) -> Status {
        let is_same = self.payer == sender && self.digest == digest;
        self.status().filter(|_| is_same).unwrap_or(Status::DUPLICATE)
    }

    /// What the opening of a case with this id is told: to its opener where it stands, if it is the same.
    pub fn news_for_opening(&self, sender: ParticipantId, digest: [u8; 16]) -> CaseNews {
        let is_same = self.payer == sender && self.digest == digest;
        self.case_news().filter(|_| is_same).unwrap_or(CaseNews::DUPLICATE)
    }

    /// What a participant is told when it asks. Who is no party learns nothing about it.
    pub fn news_for(&self, participant: ParticipantId) -> News {
        let is_party = self.payer == participant || self.payee == Some(participant);
        let unknown = News::Status(Status::undecided(Outcome::Unknown));
        match (is_party, self.status(), self.case_news()) {
            (true, Some(status), _) => News::Status(status),
            (true, None, Some(news)) => News::CaseStatus(news),
            _ => unknown,
        }
    }

    /// What a participant is told whose answer no payment waited for.
    pub fn status_for_payee(&self, participant: ParticipantId) -> Status {
        let is_payee = self.payee == Some(participant) && matches!(self.event, HistoryEvent::Decided { .. });
        self.status().filter(|_| is_payee).unwrap_or(Status::undecided(Outcome::Unknown))
    }

    /// What a participant is told whose answer or cancellation no case waited for.
    pub fn news_for_case_input(&self, participant: ParticipantId) -> CaseNews {
        let is_party = self.payer == participant || self.payee == Some(participant);
        self.case_news().filter(|_| is_party).unwrap_or(CaseNews::UNKNOWN)
    }

    /// What became of the payment or of the return, if the record says so: outcome, reason, field to blame.
    pub fn decision(&self) -> Option<(Outcome, Reason, Field)> {
        match self.event {
            HistoryEvent::Decided { outcome, reason, field, .. }
            | HistoryEvent::Returned { outcome, reason, field, .. } => Some((outcome, reason, field)),
            _ => None,
        }
    }

    /// Of a payment or a return.
    fn status(&self) -> Option<Status> {
        match self.event {
            HistoryEvent::Forwarded { .. } => Some(Status::undecided(Outcome::InFlight)),
            HistoryEvent::Decided { outcome, reason, field, .. }
            | HistoryEvent::Returned { outcome, reason, field, .. } => {
                Some(Status { outcome, reason, field, decided_at_ns: self.time_ns, position: self.position })
            }
            HistoryEvent::Total { .. } | HistoryEvent::CaseOpened { .. } | HistoryEvent::CaseChanged { .. } => None,
        }
    }

    /// Of a case.
    fn case_news(&self) -> Option<CaseNews> {
        let (kind, state, reason, field, at_ns) = match self.event {
            HistoryEvent::CaseOpened { kind, reason, deadline_ns } => {
                (kind, CaseState::Open, reason, Field::None, deadline_ns)
            }
            HistoryEvent::CaseChanged { kind, state: CaseState::Open, reason, field, detail } => {
                (kind, CaseState::Open, reason, field, detail)
            }
            HistoryEvent::CaseChanged { kind, state, reason, field, .. } => (kind, state, reason, field, self.time_ns),
            _ => return None,
        };
        Some(CaseNews { kind: Some(kind), state, reason, field, at_ns, position: self.position })
    }

    /// As it stands in the outbox of one of those it concerns; none where it stands in none.
    fn in_outbox_of(&self, participant: ParticipantId) -> Option<OutboxRecord> {
        let is_payer = self.payer == participant;
        let (news, source) = match self.event {
            HistoryEvent::Forwarded { deadline_ns } => (News::Forward { deadline_ns }, self.position),
            HistoryEvent::Decided { note, .. } => (News::Status(self.status()?), if is_payer { note } else { 0 }),
            HistoryEvent::Returned { .. } if is_payer => (News::Status(self.status()?), 0),
            // Which payment it is of stands in its entry.
            HistoryEvent::Returned { total, .. } => (News::Returned { total }, self.position),
            HistoryEvent::Total { .. } => return None,
            HistoryEvent::CaseOpened { .. } if is_payer => (News::CaseStatus(self.case_news()?), 0),
            HistoryEvent::CaseOpened { deadline_ns, .. } => (News::CaseForward { deadline_ns }, self.position),
            HistoryEvent::CaseChanged { state, detail, .. } => {
                // A note goes to the one who did not write it; who opened a case writes when it is taken back.
                let is_noted = state != CaseState::Open && is_payer != (state == CaseState::Cancelled);
                (News::CaseStatus(self.case_news()?), if is_noted { detail } else { 0 })
            }
        };
        Some(OutboxRecord { payment_id: self.payment_id, news, source })
    }
}

/// Where a record says whose it is, who is concerned, what it is of, and in which lane it was told.
const ID_AT: usize = 16;
const PAYER_AT: usize = 48;
const PAYEE_AT: usize = 52;
const EVENT_AT: usize = 75;
const STANDS_AT: usize = 89;
const LANE_AT: usize = 90;
const CASE_KIND_AT: usize = 91;

/// The key of what has been returned of a payment. An id is a version-4 UUID, so no id is such a key.
pub(crate) fn total_key(id: [u8; 16]) -> [u8; 16] {
    key_of_version(id, 0xf)
}

/// The key of the posting follow-up of a payment, which has the payment's id.
pub(crate) fn posting_key(id: [u8; 16]) -> [u8; 16] {
    key_of_version(id, 0xe)
}

fn key_of_version(mut id: [u8; 16], version: u8) -> [u8; 16] {
    id[6] = (id[6] & 0x0f) | version << 4;
    id
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

/// How the index reads our records.
pub struct HistorySchema;

/// How many records of an outbox lane there are: the number of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCount(pub u64);

impl IndexSchema for HistorySchema {
    const FORMAT: u32 = HISTORY_FORMAT;
    const RECORD_BYTES: usize = RECORD_BYTES;
    type State = OutboxCount;

    fn position(record: &[u8]) -> (u64, u64) {
        (u64_at(record, 0), u64_at(record, 8))
    }

    /// What is final is found by its id; what has been returned of a payment by a key of its own.
    fn key(record: &[u8]) -> Option<[u8; 16]> {
        let id = array_at(record, ID_AT);
        let is_closed = || CaseState::from_number(record[STANDS_AT]).is_some_and(CaseState::is_final);
        match record[EVENT_AT] {
            DECIDED | RETURNED => Some(id),
            TOTAL => Some(total_key(id)),
            CASE_CHANGED if !is_closed() => None,
            CASE_CHANGED if record[CASE_KIND_AT] == CaseKind::Posting as u8 => Some(posting_key(id)),
            CASE_CHANGED => Some(id),
            _ => None,
        }
    }

    /// The outboxes it stands in: a Forward in the payee provider's, anything else in those of the one or the two who were told.
    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        let (payer, payee) = (u32_at(record, PAYER_AT), u32_at(record, PAYEE_AT));
        let [is_payer_told, is_payee_told] = match record[EVENT_AT] {
            FORWARDED => [false, true],
            TOTAL => [false, false],
            _ => [true, payee != 0 && payee != payer],
        };
        let group = |number| u64::from(number) << 8 | u64::from(record[LANE_AT]);
        [is_payer_told.then(|| group(payer)), is_payee_told.then(|| group(payee))]
    }

    fn advance(state: &mut OutboxCount, _: u64, _: &[u8]) {
        state.0 += 1;
    }

    fn encode_state(state: &OutboxCount, out: &mut Vec<u8>) {
        out.extend_from_slice(&state.0.to_le_bytes());
    }

    fn decode_state(bytes: &[u8]) -> Option<OutboxCount> {
        Some(OutboxCount(u64::from_le_bytes(bytes.try_into().ok()?)))
    }
}

/// The group of an outbox lane.
pub fn outbox_group(participant: ParticipantId, lane: Lane) -> u64 {
    u64::from(participant.0) << 8 | lane as u64
}

/// Where a record stands in an outbox: whose, which lane, which number.
pub(crate) type OutboxPlace = (ParticipantId, Lane, u64);

/// Makes the records of a batch from its effects, in order. Who sent what is decided is told first, then the other provider.
pub(crate) fn for_each_record(
    engine: &Engine,
    effects: &[Effect],
    mut keep: impl FnMut(&HistoryRecord, [Option<OutboxPlace>; 2]),
) {
    let mut effects = effects.iter();
    while let Some(effect) = effects.next() {
        let Delivery::Outbox { subject, order, .. } = effect.delivery else { continue };
        let place = place_of(effect);
        match subject {
            Subject::Payment(payment) => {
                let payment = engine.payment(payment);
                if let News::Forward { deadline_ns } = effect.news {
                    let event = HistoryEvent::Forwarded { deadline_ns };
                    let record = record_of(payment, order, (effect.source, engine.time_ns()), event);
                    keep(&record, [None, Some(place)]);
                    continue;
                }
                let News::Status(status) = effect.news else { unreachable!("it is forwarded or decided") };
                assert_eq!(effect.participant, payment.payer, "who sent it is told first");
                let other = payment.payee.filter(|&payee| payee != payment.payer);
                let other = other.map(|payee| next_of(&mut effects, payee));
                let moment = (status.position, status.decided_at_ns);
                let Status { outcome, reason, field, .. } = status;
                let places = [Some(place), other.map(place_of)];
                if !payment.traits.has(Traits::RETURN) {
                    let event = HistoryEvent::Decided { outcome, reason, field, note: effect.source };
                    keep(&record_of(payment, order, moment, event), places);
                    continue;
                }
                let total = other.map_or(0, |other| returned_total(other.news));
                let event = HistoryEvent::Returned { outcome, reason, field, total };
                keep(&record_of(payment, order, moment, event), places);
                if let Some(returned) = engine.returned_at(status.position) {
                    keep(&total_of(returned, total, moment), [None, None]);
                }
            }
            Subject::Case(case) => {
                let case = engine.case(case);
                let News::CaseStatus(news) = effect.news else { unreachable!("the opener is told first") };
                assert_eq!(effect.participant, case.opener, "who opened it is told first");
                let other = case.responder.map(|responder| next_of(&mut effects, responder));
                let moment = (news.position, engine.time_ns());
                let record = HistoryRecord::of_case(case, moment, case_event(case.kind, news, effect.source, other));
                keep(&record, [Some(place), other.map(place_of)]);
            }
        }
    }
}

/// What has happened to a case of which its opener hears this, with the note from `source`, and its other provider, where it has one, that.
fn case_event(kind: CaseKind, news: CaseNews, source: u64, other: Option<&Effect>) -> HistoryEvent {
    let CaseNews { state, reason, field, at_ns, .. } = news;
    if let Some(Effect { news: News::CaseForward { deadline_ns }, .. }) = other {
        return HistoryEvent::CaseOpened { kind, reason, deadline_ns: *deadline_ns };
    }
    let note = source.max(other.map_or(0, |other| other.source));
    let detail = if state == CaseState::Open { at_ns } else { note };
    HistoryEvent::CaseChanged { kind, state, reason, field, detail }
}

/// The outbox place of a numbered effect.
fn place_of(effect: &Effect) -> OutboxPlace {
    match effect.delivery {
        Delivery::Outbox { lane, number, .. } => (effect.participant, lane, number),
        Delivery::Reply { .. } => unreachable!("replies have no place"),
    }
}

/// The effect that tells the other provider.
fn next_of<'a>(effects: &mut impl Iterator<Item = &'a Effect>, other: ParticipantId) -> &'a Effect {
    let next = effects.next().filter(|next| next.participant == other);
    next.unwrap_or_else(|| unreachable!("the other provider is told next"))
}

fn returned_total(news: News) -> u64 {
    match news {
        News::Returned { total } => total,
        _ => unreachable!("of a return the other provider hears what came back"),
    }
}

fn record_of(payment: &Payment, order: u64, (position, time_ns): (u64, u64), event: HistoryEvent) -> HistoryRecord {
    let &Payment { id: payment_id, digest, payer, payee, amount, currency, traits, .. } = payment;
    let lane = traits.lane();
    HistoryRecord { position, time_ns, order, payment_id, digest, payer, payee, amount, currency, lane, event }
}

/// What has been returned of a payment by now.
fn total_of(
    (payment_id, original): (PaymentId, &Original),
    returned: u64,
    (position, time_ns): (u64, u64),
) -> HistoryRecord {
    let &Original { payer, payee, amount, currency, decided_at_ns, .. } = original;
    HistoryRecord {
        position,
        time_ns,
        order: position,
        payment_id,
        digest: [0; 16],
        payer,
        payee: Some(payee),
        amount,
        currency,
        lane: Lane::Payments,
        event: HistoryEvent::Total { returned, decided_at_ns },
    }
}

/// Where a run of the index was cut.
#[derive(Clone, Copy)]
struct Cut {
    /// Journal position.
    through: u64,
    /// Outcomes there were by then, of all time.
    outcomes: u64,
}

/// How a history is built.
#[derive(Clone, Copy, Debug)]
pub struct HistoryOptions {
    /// A file is begun once so many records have come.
    pub run_records: u32,
    /// The keys of so many of the newest records are in memory and in no file, see [`IndexOptions::keys_in_memory`].
    pub keys_in_memory: u32,
    /// Drawn at random, so that nobody can choose ids that collide. A history that has files goes on with theirs.
    pub seed: u64,
    /// Who writes the files.
    pub work: IndexWork,
    /// Look every id up, whatever the filters say. They are wrong about one new id in many thousands; where this is set, tests and the simulator go that rare way
    /// each time. It changes no answer.
    pub looks_all_up: bool,
}

impl HistoryOptions {
    /// As the server has it: a thread of its own writes.
    pub fn beside(seed: u64) -> HistoryOptions {
        HistoryOptions {
            run_records: HISTORY_RUN_RECORDS,
            keys_in_memory: INDEX_KEYS_IN_MEMORY_DEFAULT,
            seed,
            work: IndexWork::Beside,
            looks_all_up: false,
        }
    }
}

/// The writing side of the history, and how far it has come.
pub struct History<S: Storage> {
    index: Index<S, HistorySchema>,
    /// The run in which each outbox lane was first mentioned last, by the participant's number less one, then by lane: the index wants to know a group's state once a run.
    mentioned: Vec<u32>,
    /// Cuts whose runs are not in files yet, the oldest first.
    cuts: VecDeque<Cut>,
    run: u32,
    run_records: u32,
    looks_all_up: bool,
    /// Records when the open run began.
    records_cut: u64,
    indexed: u64,
    outcomes_indexed: u64,
    outcomes: u64,
}

impl<S: Storage> History<S> {
    /// Opens the history in a directory, or begins one. Then the journal is to be followed from its start: what the files have is passed over, what
    /// they lack is made again.
    pub fn open(
        storage: S,
        lineage: Lineage,
        options: HistoryOptions,
    ) -> Result<(History<S>, IndexReport), HistoryFault> {
        let HistoryOptions { run_records, keys_in_memory, seed, work, looks_all_up } = options;
        let options = IndexOptions { run_records, keys_in_memory, seed, work, ..IndexOptions::default() };
        let (index, report) = Index::open(storage, lineage, options)?;
        let history = History {
            run: index.run(),
            run_records,
            looks_all_up,
            records_cut: index.records(),
            index,
            mentioned: Vec::new(),
            cuts: VecDeque::new(),
            indexed: 0,
            outcomes_indexed: 0,
            outcomes: 0,
        };
        Ok((history, report))
    }

    /// To be called first where the journal is followed from behind a snapshot's position only. The files must cover that position.
    pub fn begin_behind(&mut self, decisions: &mut Decisions) -> Result<(), HistoryFault> {
        let Decisions { engine, .. } = decisions;
        assert!(engine.applied() <= self.index.covered_through(), "a snapshot is used only where the files cover it");
        self.outcomes = engine.counts().decided();
        self.index.end_batch(engine.applied(), engine.time_ns())?;
        self.note_cut(engine);
        self.note_indexed(decisions);
        Ok(())
    }

    /// To be called once the whole journal was followed: a history that reaches further is of a journal that has lost its end.
    pub fn check_followed(&self, engine: &Engine) -> Result<(), HistoryFault> {
        let covered = self.index.covered_through();
        if covered > engine.applied() {
            Err(HistoryFault::Ahead { covered, journal: engine.applied() })
        } else {
            Ok(())
        }
    }

    /// Takes in the batch that was applied last, and lets the outboxes know what they may let go.
    pub fn follow(&mut self, decisions: &mut Decisions) -> Result<(), HistoryFault> {
        let Decisions { engine, effects, .. } = decisions;
        let (index, mentioned, run) = (&mut self.index, &mut self.mentioned, self.run);
        for_each_record(engine, effects, |record, places| {
            for (participant, lane, number) in places.into_iter().flatten() {
                if is_first_mention(mentioned, (participant, lane), run) {
                    index.push_state(outbox_group(participant, lane), &OutboxCount(number - 1));
                }
            }
            index.push(&record.encode());
        });
        self.outcomes = engine.counts().decided();
        self.index.end_batch(engine.applied(), engine.time_ns())?;
        self.note_cut(engine);
        self.note_indexed(decisions);
        Ok(())
    }

    /// Looks how much has become indexed between batches.
    pub fn advance(&mut self, decisions: &mut Decisions) -> Result<(), HistoryFault> {
        if !self.cuts.is_empty() {
            self.index.look()?;
        }
        self.note_indexed(decisions);
        Ok(())
    }

    /// Lets the outboxes let go of what is indexed.
    fn note_indexed(&mut self, decisions: &mut Decisions) {
        // What the files had from the start may be ahead of what was followed.
        let indexed = self.index.covered_through().min(decisions.engine.applied());
        assert!(self.indexed <= indexed, "what is indexed stays indexed");
        self.indexed = indexed;
        if indexed == decisions.engine.applied() {
            self.outcomes_indexed = self.outcomes;
        }
        while let Some(cut) = self.cuts.front().filter(|cut| cut.through <= indexed) {
            self.outcomes_indexed = self.outcomes_indexed.max(cut.outcomes);
            self.cuts.pop_front();
        }
        stages::let_go(|| decisions.outboxes.let_go(indexed));
    }

    /// Brings what was followed into files as soon as that can be, unless something is on its way there already.
    pub fn hasten(&mut self, engine: &Engine) -> Result<(), HistoryFault> {
        if self.cuts.is_empty() && self.outcomes_indexed < self.outcomes {
            self.cut(engine)?;
        }
        Ok(())
    }

    /// Has everything that was applied brought into files, as soon as that can be. To be called where nothing is on its way there, or it may wait for that.
    pub fn cut(&mut self, engine: &Engine) -> Result<(), HistoryFault> {
        self.index.cut(engine.applied(), engine.time_ns())?;
        self.note_cut(engine);
        Ok(())
    }

    /// Is something on its way into files?
    pub fn is_writing(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Waits until everything up to a position, through which it was cut, is in files.
    pub fn wait_covered(&mut self, through: u64) -> Result<(), HistoryFault> {
        self.index.hurry(true);
        Ok(self.index.wait_covered(through)?)
    }

    /// Whether somebody waits for what is being brought into files.
    pub fn hurry(&mut self, is_waited_for: bool) {
        self.index.hurry(is_waited_for);
    }

    fn note_cut(&mut self, engine: &Engine) {
        let run = self.index.run();
        if std::mem::replace(&mut self.run, run) != run {
            self.cuts.push_back(Cut { through: engine.applied(), outcomes: self.outcomes });
            self.records_cut = self.index.records();
        }
    }

    /// Does the next portion of writing, where the owner does it in portions; false when there was nothing to do. The next [`Self::advance`] sees it.
    pub fn work(&mut self) -> Result<bool, HistoryFault> {
        Ok(self.index.work()?)
    }

    /// What the files have, which at a start may be more than was followed.
    pub fn covered_through(&self) -> u64 {
        self.index.covered_through()
    }

    /// Everything up to this journal position is in files, and safe there.
    pub fn indexed(&self) -> u64 {
        self.indexed
    }

    /// How many outcomes are not in files yet, at most.
    pub fn outcomes_unindexed(&self) -> u64 {
        self.outcomes - self.outcomes_indexed
    }

    /// Would the next run have to wait for those before it, and is it coming? Then whoever writes must wait too, or take in less.
    pub fn is_behind(&self) -> bool {
        self.cuts.len() >= INDEX_RUNS_UNFINISHED_MAX
            && self.index.records() - self.records_cut >= u64::from(self.run_records / 2)
    }

    /// Can there be an outcome of this payment in the files? Asks filters in memory; no is certain.
    pub fn may_hold(&self, id: PaymentId) -> bool {
        self.looks_all_up || self.index.may_hold(&id.bytes())
    }

    /// As `may_hold`, of many at once: their waits for memory overlap.
    pub fn may_hold_each(&mut self, ids: &[[u8; 16]], answers: &mut Vec<bool>) {
        self.index.may_hold_each(ids, answers);
        answers.iter_mut().for_each(|answer| *answer |= self.looks_all_up);
    }

    /// Records from a number on, at most so many, that no reader may find in files yet; none where they are in files.
    pub fn page_in_memory(&self, from_record: u64, records_max: usize) -> Option<TimePage> {
        self.index.page_in_memory(from_record, records_max)
    }

    /// For other threads, to read.
    pub fn reader(&self) -> HistoryReader<S> {
        self.index.reader()
    }
}

/// True for the first record of this outbox lane in this run.
fn is_first_mention(mentioned: &mut Vec<u32>, (participant, lane): (ParticipantId, Lane), run: u32) -> bool {
    let lane = lane.outbox_index().unwrap_or_else(|| unreachable!("the session lane has no outbox"));
    let place = (participant.0 as usize - 1) * OUTBOX_LANES + lane;
    if mentioned.len() <= place {
        mentioned.resize(place + 1, 0);
    }
    std::mem::replace(&mut mentioned[place], run) != run
}

/// Reads what is in files.
pub type HistoryReader<S> = IndexReader<S, HistorySchema>;

/// Asks what became of a payment, a return or a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// Which.
    pub payment_id: PaymentId,
    /// The payment that it names, whose facts are wanted too.
    pub original: Option<PaymentId>,
}

/// What the history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryAnswer {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// What was found.
    pub outcome: Option<HistoryRecord>,
    /// Of a committed payment, how its posting follow-up ended, where it had one.
    pub posting: Option<HistoryRecord>,
    /// What is known of the payment that it names.
    pub original: OriginalFound,
    /// Where nothing was found: there is no outcome of it, and nothing more to know of the original, up to this journal position.
    pub checked_through: u64,
}

impl HistoryAnswer {
    /// What a participant is told whose answer or cancellation no case waited for: of the case with this id, or of the payment's posting follow-up.
    pub fn news_for_case_input(&self, participant: ParticipantId) -> CaseNews {
        let records = [self.outcome, self.posting].into_iter().flatten();
        let mut known = records.map(|record| record.news_for_case_input(participant));
        known.find(|news| *news != CaseNews::UNKNOWN).unwrap_or(CaseNews::UNKNOWN)
    }
}

/// Why the history cannot answer. The switch is unwell: what was durable does not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryFault {
    /// The index cannot be read or written.
    Index(IndexFault),
    /// A record is none of ours, or not the one that was asked for.
    Mismatch,
    /// It reaches further than the journal.
    Ahead {
        /// Where the history ends.
        covered: u64,
        /// Where the journal ends.
        journal: u64,
    },
}

impl std::fmt::Display for HistoryFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HistoryFault::Index(fault) => write!(f, "history: {fault}"),
            HistoryFault::Mismatch => {
                f.write_str(
                    "history: a record is not what it is found by; remove the directory `history`, it is made again at the next start",
                )
            }
            HistoryFault::Ahead { covered, journal } => write!(
                f,
                "history: it reaches to position {covered}, the journal only to {journal}: restore the journal's end, or, if that is lost for good, remove the directory `history`, it is made again at the next start"
            ),
        }
    }
}

impl std::error::Error for HistoryFault {}

impl From<IndexFault> for HistoryFault {
    fn from(fault: IndexFault) -> HistoryFault {
        HistoryFault::Index(fault)
    }
}

/// Looks payments up.
pub struct HistoryAsker<S: Storage> {
    reader: HistoryReader<S>,
}

impl<S: Storage> HistoryAsker<S> {
    /// Over a reader of its own.
    pub fn new(reader: HistoryReader<S>) -> HistoryAsker<S> {
        HistoryAsker { reader }
    }

    /// Looks one payment up. What is covered is read first: more may be there a moment later, never less.
    pub fn answer(&self, question: HistoryQuestion) -> Result<HistoryAnswer, HistoryFault> {
        let payment_id = question.payment_id;
        let checked_through = self.reader.covered_through();
        let outcome = self.find(payment_id, payment_id.bytes())?;
        let is_committed =
            |record: HistoryRecord| matches!(record.event, HistoryEvent::Decided { outcome: Outcome::Committed, .. });
        let posting = if outcome.is_some_and(is_committed) {
            self.find(payment_id, posting_key(payment_id.bytes()))?
        } else {
            None
        };
        let original = question.original.map(|original| self.original(original)).transpose()?;
        let original = original.unwrap_or(OriginalFound::NONE);
        Ok(HistoryAnswer { payment_id, outcome, posting, original, checked_through })
    }

    /// The newest record with a key.
    fn find(&self, id: PaymentId, key: [u8; 16]) -> Result<Option<HistoryRecord>, HistoryFault> {
        let found = self.reader.find(&key)?;
        let record = found.map(|bytes| HistoryRecord::decode(&bytes).filter(|record| record.payment_id == id));
        record.map(|record| record.ok_or(HistoryFault::Mismatch)).transpose()
    }

    /// What is known of a payment that a return or a case names.
    fn original(&self, id: PaymentId) -> Result<OriginalFound, HistoryFault> {
        let Some(record) = self.find(id, id.bytes())? else { return Ok(OriginalFound::NONE) };
        let (outcome, is_return) = match record.event {
            HistoryEvent::Decided { outcome, .. } => (outcome, false),
            HistoryEvent::Returned { outcome, .. } => (outcome, true),
            // A case has no money.
            _ => return Ok(OriginalFound::NONE),
        };
        let returned = match self.find(id, total_key(id.bytes()))?.map(|total| total.event) {
            Some(HistoryEvent::Total { returned, .. }) => returned,
            Some(_) => return Err(HistoryFault::Mismatch),
            None => 0,
        };
        Ok(OriginalFound {
            outcome: outcome as u8,
            is_return: u8::from(is_return),
            payer: record.payer.0,
            payee: record.payee.map_or(0, |payee| payee.0),
            amount: record.amount,
            currency: record.currency,
            decided_at_ns: record.time_ns,
            returned,
        })
    }
}

/// The records of an outbox lane from number `first_number` on, at most `limit`. Whoever asks knows that they are indexed.
pub fn outbox_records<S: Storage>(
    reader: &HistoryReader<S>,
    (participant, lane): (ParticipantId, Lane),
    first_number: u64,
    limit: usize,
) -> Result<Vec<OutboxRecord>, HistoryFault> {
    let group = outbox_group(participant, lane);
    let from_record = reader.group_seek(group, |count| count.0 >= first_number)?.ok_or(HistoryFault::Mismatch)?;
    let query = GroupQuery { group, from_record, from_ns: 0, until_ns: u64::MAX, records_max: limit };
    let page = reader.group_page(&query)?;
    if page.state_before.0 + 1 != first_number || page.records.is_empty() {
        return Err(HistoryFault::Mismatch);
    }
    let records = page.records.chunks(RECORD_BYTES).map(HistoryRecord::decode);
    let records = records.map(|record| record.and_then(|record| record.in_outbox_of(participant)));
    records.collect::<Option<Vec<_>>>().ok_or(HistoryFault::Mismatch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn decided() -> HistoryRecord {
        HistoryRecord {
            position: 0x0102_0304_0506_0708,
            time_ns: 0x1112_1314_1516_1718,
            order: 0x2122_2324_2526_2728,
            payment_id: PaymentId::from_bytes([0x4a, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15]).unwrap(),
            digest: [0xd1; 16],
            payer: ParticipantId(7),
            payee: Some(ParticipantId(9)),
            amount: 12_345,
            currency: *b"KES",
            lane: Lane::Payments,
            event: HistoryEvent::Decided {
                outcome: Outcome::Rejected,
                reason: Reason::of(b"AC04"),
                field: Field::Amount,
                note: 99,
            },
        }
    }

    /// One record of each kind.
    fn samples() -> Vec<HistoryRecord> {
        let (outcome, reason, field) = (Outcome::Committed, Reason::NONE, Field::None);
        let case = |kind, state| HistoryEvent::CaseChanged {
            kind,
            state,
            reason: Reason::of(b"CUST"),
            field: Field::None,
            detail: 77,
        };
        let events = [
            decided().event,
            HistoryEvent::Forwarded { deadline_ns: 5 },
            HistoryEvent::Returned { outcome, reason, field, total: 10 },
            HistoryEvent::Total { returned: 10, decided_at_ns: 0x3132_3334_3536_3738 },
            HistoryEvent::CaseOpened { kind: CaseKind::Recall, reason: Reason::of(b"DUPL"), deadline_ns: 6 },
            case(CaseKind::Recall, CaseState::Refused),
            case(CaseKind::PaymentRequest, CaseState::Accepted),
            case(CaseKind::Posting, CaseState::Open),
            case(CaseKind::Posting, CaseState::Expired),
        ];
        let digest_of = |event| if matches!(event, HistoryEvent::Total { .. }) { [0; 16] } else { [0xd1; 16] };
        let mut samples: Vec<_> =
            events.map(|event| HistoryRecord { event, digest: digest_of(event), ..decided() }).into();
        samples.push(HistoryRecord { payee: None, lane: Lane::Bulk, ..decided() });
        samples
    }

    #[test]
    fn the_documented_bytes() {
        let bytes = decided().encode();
        let mut expected = vec![8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11];
        expected.extend_from_slice(&decided().payment_id.bytes());
        expected.extend_from_slice(&[0xd1; 16]);
        expected.extend_from_slice(&[7, 0, 0, 0, 9, 0, 0, 0, 0x39, 0x30, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(b"KES\x01AC04");
        expected.push(Field::Amount as u8);
        expected.extend_from_slice(&[0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 2, 1, 0]);
        assert_eq!(bytes[..], expected[..]);
    }

    #[test]
    fn the_document_gives_every_byte_its_place() {
        let document = include_str!("../../docs/formats/history.md");
        assert!(document.contains(&format!("# The history, format {HISTORY_FORMAT}\n")));
        assert!(document.contains(&format!("## 1. The record, {RECORD_BYTES} bytes\n")));
        let mut end = 0;
        for line in document.lines().skip_while(|line| !line.starts_with("| offset")).skip(2) {
            let Some((offset, field)) = line.strip_prefix("| ").and_then(|row| row.split_once(" | ")) else { break };
            assert_eq!(offset, end.to_string(), "{line}");
            let form = field.split(" | ").next().and_then(|field| field.rsplit(' ').next()).unwrap_or_default();
            end += match form {
                "u8" => 1,
                "u32" => 4,
                "u64" => 8,
                "[3]" => 3,
                "[4]" => 4,
                "[16]" => 16,
                _ => panic!("a form that no field has: {line}"),
            };
        }
        assert_eq!(end, RECORD_BYTES);
        for event in samples().iter().map(|record| record.event.parts().event) {
            assert!(document.contains(&format!("\n| {event} | ")), "no event {event} in the document");
        }
    }

    #[test]
    fn what_was_written_is_read_again_and_nothing_else() {
        for record in samples() {
            assert_eq!(HistoryRecord::decode(&record.encode()), Some(record));
            for at in 0..RECORD_BYTES {
                for value in 0..=255 {
                    let mut bytes = record.encode();
                    bytes[at] = value;
                    // Whatever it says: it is refused, or read as what it says.
                    assert!(HistoryRecord::decode(&bytes).is_none_or(|read| read.encode() == bytes));
                }
            }
        }
        assert_eq!(HistoryRecord::decode(&decided().encode()[1..]), None);
    }

    #[test]
    fn who_finds_a_record_by_what() {
        let id = decided().payment_id.bytes();
        let [payer, payee] = [7, 9].map(|number| Some(outbox_group(ParticipantId(number), Lane::Payments)));
        let expected = [
            (Some(id), [payer, payee]),
            (None, [None, payee]),
            (Some(id), [payer, payee]),
            (Some(total_key(id)), [None, None]),
            (None, [payer, payee]),
            (Some(id), [payer, payee]),
            (None, [payer, payee]),
            (None, [payer, payee]),
            (Some(posting_key(id)), [payer, payee]),
            (Some(id), [Some(outbox_group(ParticipantId(7), Lane::Bulk)), None]),
        ];
        for (record, (key, groups)) in samples().into_iter().zip(expected) {
            let bytes = record.encode();
            assert_eq!((HistorySchema::key(&bytes), HistorySchema::groups(&bytes)), (key, groups), "{record:?}");
        }
        let within = HistoryRecord { payee: Some(ParticipantId(7)), ..decided() };
        assert_eq!(HistorySchema::groups(&within.encode()), [payer, None], "whoever is both is told once");
        assert!(PaymentId::from_bytes(total_key(id)).is_none() && PaymentId::from_bytes(posting_key(id)).is_none());
    }
}
