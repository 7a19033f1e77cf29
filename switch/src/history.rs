//! The history: an index on disk over what the journal has brought forth. It answers for everything that memory has let go: the outcome of a
//! payment of any age, and outbox records that are too old to be held.
//!
//! It holds one record for each `Forward` and one for each outcome, made from effects while they are applied, at start, in the hot loop and wherever
//! else a journal is followed. So it can always be made again, and no truth is in it alone. The bytes are `docs/formats/history.md`.
//!
//! [`History`] is the writing side, and belongs to whoever applies batches. It knows how far the files reach (*indexed*), and tells the outboxes what they may let
//! go. [`HistoryAsker`] looks payments up; the renderer reads outboxes; both do so on threads of their own.

use std::collections::VecDeque;

use adapters::message::{Field, Lane, Outcome, PaymentId, Reason};
use adapters::stages;
use ledger::index::{
    GroupQuery, Index, IndexFault, IndexOptions, IndexReader, IndexReport, IndexSchema, IndexWork, TimePage,
};
use ledger::journal::{Lineage, Storage};
use ledger::limits::{INDEX_KEYS_IN_MEMORY_DEFAULT, INDEX_RUNS_UNFINISHED_MAX};

use crate::engine::Engine;
use crate::engine::effect::{Delivery, Effect, News, Status};
use crate::engine::payments::Payment;
use crate::entry::ParticipantId;
use crate::limits::HISTORY_RUN_RECORDS;
use crate::outbox::OutboxRecord;
use crate::pipeline::Decisions;

/// Length of a record.
pub const RECORD_BYTES: usize = 89;

/// Format id of our records in the index's files.
pub const HISTORY_FORMAT: u32 = 2;

/// What has happened to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Journal position: of the order that was forwarded, or of the decision.
    pub position: u64,
    /// Journal time of that.
    pub time_ns: u64,
    /// Journal position of the order.
    pub order: u64,
    /// Which payment.
    pub payment_id: PaymentId,
    /// What was ordered, as the edge digested it.
    pub digest: [u8; 16],
    /// The sender of the order.
    pub payer: ParticipantId,
    /// The payee provider; none where the order was rejected before one was told.
    pub payee: Option<ParticipantId>,
    /// As ordered, in minor units.
    pub amount: u64,
    /// As ordered.
    pub currency: [u8; 3],
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
}

impl HistoryRecord {
    /// Its bytes.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let (detail, outcome, reason, field) = match self.event {
            HistoryEvent::Forwarded { deadline_ns } => (deadline_ns, 0, [0; 4], 0),
            HistoryEvent::Decided { outcome, reason, field, note } => {
                (note, outcome as u8, reason.bytes(), field as u8)
            }
        };
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.payment_id.bytes());
        bytes[32..48].copy_from_slice(&self.digest);
        bytes[48..52].copy_from_slice(&self.payer.0.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.payee.map_or(0, |payee| payee.0).to_le_bytes());
        bytes[56..64].copy_from_slice(&self.amount.to_le_bytes());
        bytes[64..72].copy_from_slice(&detail.to_le_bytes());
        bytes[72..75].copy_from_slice(&self.currency);
        bytes[OUTCOME_AT] = outcome;
        bytes[76..80].copy_from_slice(&reason);
        bytes[80] = field;
        bytes[ORDER_AT..].copy_from_slice(&self.order.to_le_bytes());
        bytes
    }

    /// Reads what `encode` has written; none where these bytes are something else.
    pub fn decode(bytes: &[u8]) -> Option<HistoryRecord> {
        let bytes: &[u8; RECORD_BYTES] = bytes.try_into().ok()?;
        let detail = u64_at(bytes, 64);
        let event = match bytes[OUTCOME_AT] {
            0 if bytes[76..ORDER_AT] == [0; 5] => HistoryEvent::Forwarded { deadline_ns: detail },
            outcome => HistoryEvent::Decided {
                outcome: Outcome::from_number(outcome).filter(|outcome| outcome.is_final())?,
                reason: Reason::from_bytes(array_at(bytes, 76))?,
                field: Field::from_number(bytes[80])?,
                note: detail,
            },
        };
        Some(HistoryRecord {
            position: u64_at(bytes, 0),
            time_ns: u64_at(bytes, 8),
            order: u64_at(bytes, ORDER_AT),
            payment_id: PaymentId::from_bytes(array_at(bytes, 16))?,
            digest: array_at(bytes, 32),
            payer: ParticipantId(u32_at(bytes, 48)),
            payee: Some(ParticipantId(u32_at(bytes, 52))).filter(|payee| payee.0 != 0),
            amount: u64_at(bytes, 56),
            currency: array_at(bytes, 72),
            event,
        })
    }

    /// What an order with this id is told: to its sender the first outcome, if it is the same order.
    pub fn status_for_order(&self, sender: ParticipantId, digest: [u8; 16]) -> Status {
        if self.payer == sender && self.digest == digest { self.status() } else { Status::DUPLICATE }
    }

    /// What a participant is told when it asks. Who is no party to a payment learns nothing about it.
    pub fn status_for(&self, participant: ParticipantId) -> Status {
        let is_party = self.payer == participant || self.payee == Some(participant);
        if is_party { self.status() } else { Status::undecided(Outcome::Unknown) }
    }

    /// What a participant is told whose answer no payment waited for.
    pub fn status_for_payee(&self, participant: ParticipantId) -> Status {
        if self.payee == Some(participant) { self.status() } else { Status::undecided(Outcome::Unknown) }
    }

    fn status(&self) -> Status {
        match self.event {
            HistoryEvent::Forwarded { .. } => Status::undecided(Outcome::InFlight),
            HistoryEvent::Decided { outcome, reason, field, .. } => {
                Status { outcome, reason, field, decided_at_ns: self.time_ns, position: self.position }
            }
        }
    }

    /// As it stands in the outbox of one of those it concerns.
    fn in_outbox_of(&self, participant: ParticipantId) -> OutboxRecord {
        let (news, source) = match self.event {
            HistoryEvent::Forwarded { deadline_ns } => (News::Forward { deadline_ns }, self.position),
            HistoryEvent::Decided { note, .. } if self.payer == participant => (News::Status(self.status()), note),
            HistoryEvent::Decided { .. } => (News::Status(self.status()), 0),
        };
        OutboxRecord { payment_id: self.payment_id, news, source }
    }
}

/// Where a record says its outcome, or 0 that it has none.
const OUTCOME_AT: usize = 75;

/// Where it says the position of the order: at the end, so that all else stands where it stood.
const ORDER_AT: usize = 81;

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

    /// An outcome is found by the payment's id.
    fn key(record: &[u8]) -> Option<[u8; 16]> {
        (record[OUTCOME_AT] != 0).then(|| array_at(record, 16))
    }

    /// The outboxes it stands in: a Forward in the payee provider's, an outcome in those of all who were told.
    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        let payer = (record[OUTCOME_AT] != 0).then(|| u32_at(record, 48));
        let payee = Some(u32_at(record, 52)).filter(|&payee| payee != 0);
        [payer, payee].map(|participant| participant.map(|number| outbox_group(ParticipantId(number), Lane::Payments)))
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
fn outbox_group(participant: ParticipantId, lane: Lane) -> u64 {
    u64::from(participant.0) << 8 | lane as u64
}

/// The group of a participant's payments.
pub fn payments_group(participant: ParticipantId) -> u64 {
    outbox_group(participant, Lane::Payments)
}

/// Where a record stands in an outbox.
pub(crate) type OutboxPlace = (ParticipantId, u64);

/// Makes the records of a batch from its effects, in order. An outcome is told to the payer provider first, then to the payee provider.
pub(crate) fn for_each_record(
    engine: &Engine,
    effects: &[Effect],
    mut keep: impl FnMut(&HistoryRecord, [Option<OutboxPlace>; 2]),
) {
    let mut effects = effects.iter();
    while let Some(effect) = effects.next() {
        let Delivery::Outbox { number, payment, order, .. } = effect.delivery else { continue };
        let payment = engine.payment(payment);
        match effect.news {
            News::Forward { deadline_ns } => {
                let event = HistoryEvent::Forwarded { deadline_ns };
                let record = record_of(payment, order, (effect.source, engine.time_ns()), event);
                keep(&record, [None, Some((effect.participant, number))]);
            }
            News::Status(Status { outcome, reason, field, decided_at_ns, position }) => {
                assert_eq!(effect.participant, payment.payer, "the payer provider is told first");
                let payee_place = payment.payee.map(|payee| match effects.next().map(|next| (next, next.delivery)) {
                    Some((next, Delivery::Outbox { number, .. })) if next.participant == payee => (payee, number),
                    _ => unreachable!("the payee provider is told next"),
                });
                let event = HistoryEvent::Decided { outcome, reason, field, note: effect.source };
                let record = record_of(payment, order, (position, decided_at_ns), event);
                keep(&record, [Some((effect.participant, number)), payee_place]);
            }
            News::Recheck => unreachable!("a recheck has no number"),
        }
    }
}

fn record_of(payment: &Payment, order: u64, (position, time_ns): (u64, u64), event: HistoryEvent) -> HistoryRecord {
    let &Payment { id: payment_id, digest, payer, payee, amount, currency, .. } = payment;
    HistoryRecord { position, time_ns, order, payment_id, digest, payer, payee, amount, currency, event }
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
    /// The run in which each participant's outbox was first mentioned last, by its number less one: the index wants to know a group's state once a run.
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
            for (participant, number) in places.into_iter().flatten() {
                if is_first_mention(mentioned, participant, run) {
                    index.push_state(outbox_group(participant, Lane::Payments), &OutboxCount(number - 1));
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

/// True for the first record of this participant's outbox in this run.
fn is_first_mention(mentioned: &mut Vec<u32>, participant: ParticipantId, run: u32) -> bool {
    let place = participant.0 as usize - 1;
    if mentioned.len() <= place {
        mentioned.resize(place + 1, 0);
    }
    std::mem::replace(&mut mentioned[place], run) != run
}

/// Reads what is in files.
pub type HistoryReader<S> = IndexReader<S, HistorySchema>;

/// Asks what became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// Which.
    pub payment_id: PaymentId,
}

/// What the history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryAnswer {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// What was found.
    pub outcome: Option<HistoryRecord>,
    /// Where nothing was found: there is no outcome of it up to this journal position.
    pub checked_through: u64,
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
        let outcome = match self.reader.find(&payment_id.bytes())? {
            None => None,
            Some(bytes) => {
                let record = HistoryRecord::decode(&bytes).filter(|record| record.payment_id == payment_id);
                Some(record.ok_or(HistoryFault::Mismatch)?)
            }
        };
        Ok(HistoryAnswer { payment_id, outcome, checked_through })
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
    let records = records.map(|record| record.map(|record| record.in_outbox_of(participant)));
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
            event: HistoryEvent::Decided {
                outcome: Outcome::Rejected,
                reason: Reason::of(b"AC04"),
                field: Field::Amount,
                note: 99,
            },
        }
    }

    #[test]
    fn the_documented_bytes() {
        let bytes = decided().encode();
        let mut expected = vec![8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11];
        expected.extend_from_slice(&decided().payment_id.bytes());
        expected.extend_from_slice(&[0xd1; 16]);
        expected.extend_from_slice(&[7, 0, 0, 0, 9, 0, 0, 0, 0x39, 0x30, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(b"KES\x02AC04");
        expected.push(Field::Amount as u8);
        expected.extend_from_slice(&[0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]);
        assert_eq!(bytes[..], expected[..]);
    }

    #[test]
    fn what_was_written_is_read_again_and_nothing_else() {
        let forwarded = HistoryRecord { event: HistoryEvent::Forwarded { deadline_ns: 5 }, ..decided() };
        let refused = HistoryRecord { payee: None, ..decided() };
        for record in [decided(), forwarded, refused] {
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
        let group = |number| Some(outbox_group(ParticipantId(number), Lane::Payments));
        let forwarded = HistoryRecord { event: HistoryEvent::Forwarded { deadline_ns: 5 }, ..decided() };
        let refused = HistoryRecord { payee: None, ..decided() };
        assert_eq!(HistorySchema::key(&decided().encode()), Some(decided().payment_id.bytes()));
        assert_eq!(HistorySchema::key(&forwarded.encode()), None);
        assert_eq!(HistorySchema::groups(&decided().encode()), [group(7), group(9)]);
        assert_eq!(HistorySchema::groups(&forwarded.encode()), [None, group(9)]);
        assert_eq!(HistorySchema::groups(&refused.encode()), [group(7), None]);
    }
}
