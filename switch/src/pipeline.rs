//! The life of a payment, stage by stage. READ THIS FIRST.
//!
//! ```text
//!  payer provider's bytes                                                       payee provider's bytes
//!      | receive                                                                        ^ transmit
//!      v                                                                                |
//!   decode -> check -> admit -> seal ==> SEQUENCE -> JOURNAL -> APPLY -> DELIVER -> frames of each session
//!   (pipeline/intake.rs)                  \________ tick, below ________/  (pipeline/delivery.rs)
//!        | ^
//!        v |  an id that may be older than memory: the history is asked (pipeline/asking.rs)
//! ```
//!
//! The pipeline owns all mutable state of payments and does no I/O but the log's and the handing of records to the history. A shell drives it: hands in bytes of each
//! connection (`receive`), runs a turn (`tick`), and writes what each session has to send (`transmit`). The server's shell
//! has sockets and a clock; a test's or a simulator's has neither.
//!
//! Who may connect at all, and who no longer, is decided at the door (pipeline/door.rs). Orders of the bulk lane wait until retail leaves them room (pipeline/bulk.rs); who floods is throttled alone (pipeline/fairness.rs). What operators do
//! goes through the same stages, an entry a batch (pipeline/operating.rs).
//!
//! Nothing that depends on an entry leaves before the entry is durable: effects are only computed by `apply`, which asks for the log's proof.

mod accounts;
mod asking;
mod bulk;
mod cut_offs;
mod delivery;
mod directing;
mod door;
pub mod fairness;
mod intake;
mod observing;
mod operating;

use std::collections::VecDeque;
use std::sync::Arc;

use adapters::message::{ErrorCode, Lane, OUTBOX_LANES, ParticipantCode, PaymentId};
use adapters::stages;
use hashbrown::HashMap;
use ledger::journal::{Appended, Durable, JournalFault, Storage};

use crate::digest::OrderDigester;
use crate::engine::effect::{Delivery, Effect};
use crate::engine::{Batch, Engine, Inapplicable};
use crate::entry::ParticipantId;
use crate::events::{EventFault, EventLog, EventProgress};
use crate::feed::Feeds;
use crate::history::{History, HistoryFault, HistoryReader};
use crate::ingress::Ingress;
use crate::limits::{
    ABSENCE_GRACE_MS_DEFAULT, BULK_WAITING_MAX, BULK_WAITING_PER_SESSION_MAX, CASES_OPEN_MAX,
    CASES_OPEN_PER_PARTICIPANT_MAX, DIRECTORY_WAITING_MAX, HISTORY_WAITING_MAX, HISTORY_WAITING_PER_SESSION_MAX,
    IN_FLIGHT_MAX, IN_FLIGHT_PER_PARTICIPANT_MAX, INDEXED_LOOK_NS, INGRESS_TRANSFERS_MAX, MARK_AFTER_NS,
    ORDERS_BURST_DEFAULT, ORDERS_PER_SECOND_DEFAULT, PRESENCE_SETTLE_MS_DEFAULT, QUESTIONS_MAX,
};
use crate::log::local::{DiskTimes, LocalLog};
use crate::outbox::Outboxes;
use crate::seal::Sealer;
use crate::sequencer::Sequencer;
use crate::session::{Phase, Session, SessionKey, Sessions};
use crate::snapshots::{SnapshotNews, SnapshotTaker};
use crate::watermarks::{LaneWatermarks, Watermarks};
use accounts::AccountQuestion;
use asking::{Ahead, Told, Waiting};
use bulk::BulkWaiting;
use cut_offs::Began;
pub use cut_offs::CutOffTimes;
use directing::Directing;
use door::KeysWanted;
use fairness::{Buckets, Pauses, Rate};
pub use observing::PresenceTimes;
use observing::{Moved, Watch};
pub use operating::Operated;
use operating::Operating;

/// Why the pipeline cannot go on. The process stops; providers ask for status when it is back.
#[derive(Debug)]
pub enum Fault {
    /// The journal cannot be written, synced or read.
    Journal(JournalFault),
    /// The journal holds what the engine cannot apply.
    Inapplicable(Inapplicable),
    /// The history cannot be written.
    History(HistoryFault),
    /// The operator's events cannot be written.
    Events(EventFault),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Journal(fault) => fault.fmt(f),
            Fault::Inapplicable(inapplicable) => inapplicable.fmt(f),
            Fault::History(fault) => fault.fmt(f),
            Fault::Events(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// Limits that a configuration, or a test, may lower.
#[derive(Clone, Copy, Debug)]
pub struct PipelineLimits {
    /// Open payments of all participants.
    pub in_flight_max: u32,
    /// Open payments of one participant.
    pub in_flight_per_participant_max: u32,
    /// Open cases of all participants.
    pub cases_open_max: u64,
    /// Open cases that one participant has opened.
    pub cases_open_per_participant_max: u32,
    /// How fast one participant may send orders, returns, cases and questions.
    pub rate: Rate,
    /// Bulk orders that wait for room.
    pub bulk_waiting_max: usize,
    /// The same of one connection.
    pub bulk_waiting_per_session_max: usize,
    /// Payment orders in one batch.
    pub ingress_transfers_max: usize,
    /// Questions that wait for the end of the turn.
    pub questions_max: usize,
    /// Frames that wait for the directory.
    pub directory_waiting_max: usize,
    /// Frames that wait for the history.
    pub history_waiting_max: usize,
    /// The same of one connection.
    pub history_waiting_per_session_max: usize,
    /// When the switch believes that a participant has gone, or has come.
    pub presence: PresenceTimes,
}

impl Default for PipelineLimits {
    fn default() -> PipelineLimits {
        PipelineLimits {
            in_flight_max: IN_FLIGHT_MAX,
            in_flight_per_participant_max: IN_FLIGHT_PER_PARTICIPANT_MAX,
            cases_open_max: CASES_OPEN_MAX,
            cases_open_per_participant_max: CASES_OPEN_PER_PARTICIPANT_MAX,
            rate: Rate { per_second: ORDERS_PER_SECOND_DEFAULT, burst: ORDERS_BURST_DEFAULT },
            bulk_waiting_max: BULK_WAITING_MAX,
            bulk_waiting_per_session_max: BULK_WAITING_PER_SESSION_MAX,
            ingress_transfers_max: INGRESS_TRANSFERS_MAX,
            questions_max: QUESTIONS_MAX,
            directory_waiting_max: DIRECTORY_WAITING_MAX,
            history_waiting_max: HISTORY_WAITING_MAX,
            history_waiting_per_session_max: HISTORY_WAITING_PER_SESSION_MAX,
            presence: PresenceTimes {
                absence_grace_ms: ABSENCE_GRACE_MS_DEFAULT,
                presence_settle_ms: PRESENCE_SETTLE_MS_DEFAULT,
            },
        }
    }
}

/// What follows from the journal alone: the engine, and the outboxes that its effects fill. The same batches give the same state,
/// at start, in the hot loop and in `ledger verify`. Only how much an outbox still holds depends on how far the history has come.
#[derive(Default)]
pub struct Decisions {
    /// The state machine.
    pub engine: Engine,
    /// What each participant is to be told.
    pub outboxes: Outboxes,
    /// Effects of the last batch.
    pub effects: Vec<Effect>,
    /// Is any of them a reply?
    pub has_replies: bool,
}

impl Decisions {
    /// Behind a snapshot of the engine. What was told until then is in the history's files.
    pub fn behind(engine: Engine) -> Decisions {
        let outboxes = Outboxes::behind(engine.participants().map(|(id, _)| engine.enqueued(id)));
        Decisions { engine, outboxes, ..Decisions::default() }
    }

    /// Before the first batch, with room for so many payments.
    pub fn with_room(payments_expected: u32) -> Decisions {
        Decisions { engine: Engine::with_room(payments_expected), ..Decisions::default() }
    }

    /// Applies a durable batch; its effects stand in `effects`.
    pub fn absorb(&mut self, batch: Batch<'_>) -> Result<(), Inapplicable> {
        self.effects.clear();
        stages::apply(|| self.engine.apply(batch, &mut self.effects))?;
        self.has_replies = false;
        stages::outbox(|| {
            for effect in &self.effects {
                match effect.delivery {
                    Delivery::Outbox { .. } => self.outboxes.keep(effect),
                    Delivery::Reply { .. } => self.has_replies = true,
                }
            }
        });
        Ok(())
    }
}

/// How much waits where. The names are keys of `switch serve --status-file`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Queues {
    /// Frames that wait for the directory, or for the end of a delay class.
    pub waiting_for_directory: u64,
    /// Frames whose payment may be older than memory, until the history has answered.
    pub waiting_for_history: u64,
    /// Bulk orders, until retail leaves them room.
    pub bulk_waiting: u64,
    /// Lanes of participants whose older messages are to be asked for.
    pub waiting_for_renderer: u64,
    /// Messages of all outboxes that are held in memory: what is not in the history's files, and the newest of each lane.
    pub outbox_records_held: u64,
    /// Outcomes that are not in the history's files yet, at most.
    pub outcomes_unindexed: u64,
}

/// What a question is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// A status request.
    Status,
    /// An answer that no payment waits for.
    Answer,
    /// An answer or a cancellation that no case waits for.
    CaseInput,
}

/// What a provider asked, and hears after the batch that was open then.
#[derive(Clone, Copy)]
struct Question {
    session: SessionKey,
    /// The frame it came in.
    number: u64,
    payment_id: PaymentId,
    asks: Asks,
    /// The history has no outcome of this id up to here; 0 where it was not asked.
    checked_through: u64,
}

impl Question {
    /// A question of a frame that has just arrived.
    fn new((session, number): (SessionKey, u64), payment_id: PaymentId, asks: Asks) -> Question {
        Question { session, number, payment_id, asks, checked_through: 0 }
    }
}

/// Everything between sockets and disk.
pub struct Pipeline<S: Storage> {
    limits: PipelineLimits,
    digester: OrderDigester,
    sealers: HashMap<ParticipantCode, Sealer, foldhash::fast::RandomState>,
    sessions: Sessions,
    /// What each participant is sent, over which connections.
    feeds: Feeds,
    ingress: Ingress,
    /// Sessions with frames that came since the last turn.
    touched: Vec<SessionKey>,
    /// What is known of the orders that are being received.
    ahead: Ahead,
    questions: Vec<Question>,
    account_questions: Vec<AccountQuestion>,
    /// What the history was asked, or is to be.
    waiting: Waiting,
    /// What is said about aliases, and what is to be answered.
    directing: Directing,
    /// Bulk orders that wait for room.
    bulk: BulkWaiting,
    buckets: Buckets,
    /// Connections that are not read now.
    pauses: Pauses,
    /// Connections whose `Hello` waits for a key.
    keys_wanted: KeysWanted,
    /// What the history has said, to be told at the end of the turn.
    told: Vec<Told>,
    /// Was an order refused because too much is not indexed yet?
    is_index_late: bool,
    sequencer: Sequencer,
    log: LocalLog<S>,
    decisions: Decisions,
    history: History<S>,
    /// None where no snapshots are taken.
    snapshots: Option<SnapshotTaker<S>>,
    /// None where nobody hears what the operator is told.
    events: Option<EventLog>,
    watermarks: Watermarks,
    /// Whose lanes have what must be made into frames.
    behind: Vec<ParticipantId>,
    /// What is to be sent again since the last turn: the next must not wait for something to arrive.
    is_cut: bool,
    /// Who waits for older records, in the order of asking, and in which life of its feed; at most one for each lane of a participant.
    to_render: VecDeque<(ParticipantId, Lane, u64)>,
    /// Who has come and who has gone.
    watch: Watch,
    /// Whose acknowledgements have moved.
    moved: Moved,
    /// What operators want done.
    operating: Operating,
    /// For whoever watches.
    cut_offs: CutOffTimes,
    is_draining: bool,
    last_batch_ns: u64,
    last_turn_ns: u64,
    /// When what is being received came.
    received_ns: u64,
    /// The latest time that anything was called with.
    now_ns: u64,
}

impl<S: Storage> Pipeline<S> {
    /// A pipeline that goes on where the journal ends. `decisions` has absorbed all of it, and `history` has followed.
    pub fn new(
        log: LocalLog<S>,
        decisions: Decisions,
        history: History<S>,
        digest_key: [u8; 32],
        limits: PipelineLimits,
    ) -> Pipeline<S> {
        let through = log.last_sequence();
        let indexed = history.indexed();
        let time_ns = decisions.engine.time_ns();
        Pipeline {
            limits,
            digester: OrderDigester::new(digest_key),
            sealers: HashMap::default(),
            sessions: Sessions::default(),
            feeds: Feeds::default(),
            ingress: Ingress::new(),
            touched: Vec::new(),
            ahead: Ahead::default(),
            questions: Vec::new(),
            account_questions: Vec::new(),
            waiting: Waiting::default(),
            directing: Directing::default(),
            bulk: BulkWaiting::default(),
            buckets: Buckets::default(),
            pauses: Pauses::default(),
            keys_wanted: KeysWanted::default(),
            told: Vec::new(),
            is_index_late: false,
            sequencer: Sequencer::after(time_ns),
            log,
            decisions,
            history,
            snapshots: None,
            events: None,
            watermarks: Watermarks { sequenced: through, durable: through, applied: through, indexed },
            behind: Vec::new(),
            is_cut: false,
            to_render: VecDeque::new(),
            watch: Watch::default(),
            moved: Moved::default(),
            operating: Operating::default(),
            cut_offs: CutOffTimes::default(),
            is_draining: false,
            last_batch_ns: time_ns,
            last_turn_ns: time_ns,
            received_ns: time_ns,
            now_ns: time_ns,
        }
    }

    /// The same, and from now on snapshots are taken.
    #[must_use]
    pub fn with_snapshots(self, snapshots: SnapshotTaker<S>) -> Pipeline<S> {
        Pipeline { snapshots: Some(snapshots), ..self }
    }

    /// The same, and from now on what the operator is told is written.
    #[must_use]
    pub fn with_events(self, events: EventLog) -> Pipeline<S> {
        Pipeline { events: Some(events), ..self }
    }

    /// How far that has come; none where it is not written.
    pub fn event_progress(&self) -> Option<Arc<EventProgress>> {
        self.events.as_ref().map(|events| Arc::clone(events.progress()))
    }

    /// One turn: everything that was received since the last one becomes durable, is decided, and is told.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), Fault> {
        self.pauses.forget_passed(self.last_turn_ns);
        self.last_turn_ns = now_ns;
        self.now_ns = self.now_ns.max(now_ns);
        self.resume_asked();
        self.resume_directed(now_ns);
        self.admit_bulk();
        self.admit_command(now_ns);
        if let Some(time_ns) = self.sequence(now_ns) {
            let (appended, durable) = self.journal(time_ns)?;
            self.apply(time_ns, appended, durable)?;
            self.end_barred();
            self.note_operated(appended, time_ns);
            self.set_open_replies_aside();
            self.decide_lookups(appended.first_sequence);
            self.set_questions_aside();
            self.acknowledge();
            stages::render(|| self.deliver(appended.first_sequence));
            self.ingress.clear();
        } else {
            self.set_questions_aside();
            self.acknowledge();
        }
        stages::render(|| {
            self.answer_account_questions();
            self.answer_questions();
            self.finish_acknowledging();
        });
        self.catch_up();
        self.look_after_history()?;
        self.go_on_with_snapshot()?;
        self.mark_when_idle(now_ns)
    }

    /// Cuts the batch and stamps it; none where there is nothing to do. A batch without entries is cut when a payment's time is over, one of what the switch observes
    /// when that is due.
    fn sequence(&mut self, now_ns: u64) -> Option<u64> {
        let is_due = self.decisions.engine.next_deadline_ns().is_some_and(|deadline_ns| deadline_ns <= now_ns);
        self.observe(now_ns, is_due);
        (self.ingress.count() > 0 || is_due).then(|| {
            self.last_batch_ns = now_ns;
            self.sequencer.stamp(now_ns)
        })
    }

    /// Writes the batch and waits until it is on disk.
    fn journal(&mut self, time_ns: u64) -> Result<(Appended, Durable), Fault> {
        let count = self.ingress.count();
        let appended = self.log.submit(self.ingress.batch_mut(), count, time_ns).map_err(Fault::Journal)?;
        self.watermarks.sequenced = appended.last_sequence;
        let durable = self.log.sync().map_err(Fault::Journal)?;
        self.watermarks.durable = durable.through_sequence();
        Ok((appended, durable))
    }

    /// Decides the batch.
    fn apply(&mut self, time_ns: u64, appended: Appended, durable: Durable) -> Result<(), Fault> {
        assert!(durable.covers(appended.last_sequence), "nothing is decided before it is durable");
        let began = Began::now();
        let batch = Batch { first_sequence: appended.first_sequence, time_ns, payload: self.ingress.payload() };
        self.decisions.absorb(batch).map_err(Fault::Inapplicable)?;
        self.tell_operator()?;
        self.watermarks.applied = appended.last_sequence;
        self.follow_directory(appended.first_sequence, time_ns);
        stages::index(|| self.history.follow(&mut self.decisions)).map_err(Fault::History)?;
        self.watermarks.indexed = self.history.indexed();
        self.watermarks.validate();
        self.cut_offs.note(&began, &self.decisions.engine.told().events);
        Ok(())
    }

    /// Hands over what the operator is told of the batch.
    fn tell_operator(&self) -> Result<(), Fault> {
        let told = &self.decisions.engine.told().events;
        self.events.as_ref().map_or(Ok(()), |events| events.follow(told)).map_err(Fault::Events)
    }

    /// Sees what has become indexed meanwhile. Where that is too little (payments were refused, or the history was made anew and has not come to the
    /// window's floor), hurries the rest along.
    fn look_after_history(&mut self) -> Result<(), Fault> {
        stages::index(|| self.history.advance(&mut self.decisions)).map_err(Fault::History)?;
        let is_below_floor = self.history.indexed() < self.decisions.engine.floor();
        let is_waited_for = std::mem::take(&mut self.is_index_late) | is_below_floor;
        self.history.hurry(is_waited_for);
        if is_waited_for {
            self.history.hasten(&self.decisions.engine).map_err(Fault::History)?;
            self.history.advance(&mut self.decisions).map_err(Fault::History)?;
        }
        self.watermarks.indexed = self.history.indexed();
        Ok(())
    }

    /// Does the next step of a snapshot, if one is due or under way. Between two batches: all that is journaled is applied.
    fn go_on_with_snapshot(&mut self) -> Result<(), Fault> {
        let Some(snapshots) = &mut self.snapshots else { return Ok(()) };
        let (engine, log) = (&mut self.decisions.engine, &self.log);
        snapshots.go_on(engine, &mut self.history, || log.place()).map_err(Fault::History)
    }

    /// After a while without batches, records that all of them are known to be on disk.
    fn mark_when_idle(&mut self, now_ns: u64) -> Result<(), Fault> {
        if self.log.is_unmarked() && now_ns >= self.last_batch_ns.saturating_add(MARK_AFTER_NS) {
            self.log.mark().map_err(Fault::Journal)?;
        }
        Ok(())
    }
}

/// What the shell does around turns.
impl<S: Storage> Pipeline<S> {
    /// Takes one session that has something to send, and lets `send` have its frames and whether the connection ends after them.
    /// `send` returns how many bytes wait for the peer now.
    pub fn transmit(&mut self, mut send: impl FnMut(SessionKey, &[u8], bool) -> usize) -> bool {
        let Some(key) = self.sessions.take_ready() else { return false };
        if let Some(session) = self.sessions.get_mut(key) {
            let is_last = session.phase == Phase::Closing;
            session.link_pending_bytes = send(key, session.outgoing(), is_last);
            session.outgoing().clear();
        }
        true
    }

    /// So much waits for the peer now.
    pub fn link_pending(&mut self, key: SessionKey, pending_bytes: usize) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.link_pending_bytes = pending_bytes;
        }
    }

    /// Makes entries durable that stand ready, as one batch, and decides them: for a switch that serves nobody meanwhile. Gives the journal position of the first.
    ///
    /// # Panics
    /// When something else is in the open batch.
    pub fn journal_entries(&mut self, entries: &[Vec<u8>], now_ns: u64) -> Result<u64, Fault> {
        assert!(self.ingress.count() == 0, "nobody else is served");
        for entry in entries {
            self.ingress.add_written((SessionKey::NONE, 0), entry);
        }
        // The first position of a batch is its tick's. What the switch observes meanwhile comes behind.
        let first = self.decisions.engine.applied() + 2;
        self.tick(now_ns)?;
        Ok(first)
    }

    /// Can the open batch take nothing more?
    pub fn is_full(&self) -> bool {
        self.ingress.is_full()
    }

    /// Why a connection was ended from here, if it was.
    pub fn ended_by(&self, key: SessionKey) -> Option<ErrorCode> {
        self.sessions.get(key).and_then(|session| session.ended_by)
    }

    /// When the next turn is due if nothing arrives, in journal time.
    pub fn next_turn_ns(&mut self) -> Option<u64> {
        let mark_ns = self.log.is_unmarked().then(|| self.last_batch_ns.saturating_add(MARK_AFTER_NS));
        let deadline_ns = self.decisions.engine.next_deadline_ns();
        let answers_ns = (self.waiting.has_answers() || self.has_bulk_to_admit()).then_some(0);
        // What is unasked after a turn waits for the files.
        let indexed_ns = self.waiting.has_unasked().then(|| self.last_turn_ns.saturating_add(INDEXED_LOOK_NS));
        let cut_ns = self.is_cut.then_some(0);
        let directed_ns = self.directing.next_ns();
        let observed_ns = self.watch.next_ns().into_iter().chain(self.moved.next_ns());
        let read_again_ns = self.pauses.next_ns();
        let last_turn_ns = self.last_turn_ns;
        let snapshot_ns = self.snapshots.as_mut().and_then(|snapshots| snapshots.next_step_ns(last_turn_ns));
        let operated_ns = self.operating.next_ns(last_turn_ns);
        let others_ns = answers_ns
            .into_iter()
            .chain(operated_ns)
            .chain(indexed_ns)
            .chain(cut_ns)
            .chain(directed_ns)
            .chain(observed_ns)
            .chain(snapshot_ns);
        mark_ns.into_iter().chain(deadline_ns).chain(read_again_ns).chain(others_ns).min()
    }

    /// From now on no payment orders and no commands are taken; answers are.
    pub fn begin_draining(&mut self) {
        self.is_draining = true;
        self.refuse_commands();
    }

    /// Is nothing open, and has everything left that anyone waits for?
    pub fn is_drained(&self) -> bool {
        let flushed = |key| self.sessions.get(key).is_none_or(Session::is_flushed);
        let is_waiting = !self.waiting.is_empty() || self.bulk.len() > 0 || !self.directing.is_empty();
        let is_decided = self.decisions.engine.counts().in_flight == 0 && !is_waiting;
        is_decided && self.sessions.keys().into_iter().all(flushed)
    }

    /// Marks the log's end; nothing is journaled after this.
    pub fn close(&mut self) -> Result<(), Fault> {
        if self.log.is_unmarked() {
            self.log.mark().map_err(Fault::Journal)?;
        }
        Ok(())
    }

    /// Takes a last snapshot, and waits for it and for the operator's events: the next start has nothing to replay. To be called once nobody waits for anything else.
    pub fn take_last_snapshot(&mut self) -> Result<(), Fault> {
        let newest = self.decisions.engine.scheme().events.newest();
        self.events.as_ref().map_or(Ok(()), |events| events.progress().wait(newest)).map_err(Fault::Events)?;
        let Some(snapshots) = &mut self.snapshots else { return Ok(()) };
        let place = self.log.place();
        snapshots.close(&mut self.decisions.engine, &mut self.history, &place).map_err(Fault::History)
    }

    /// Is a snapshot being made?
    pub fn is_taking_snapshot(&self) -> bool {
        self.snapshots.as_ref().is_some_and(SnapshotTaker::is_under_way)
    }

    /// What came of the last snapshot, once.
    pub fn take_snapshot_news(&mut self) -> Option<SnapshotNews> {
        self.snapshots.as_mut()?.take_news()
    }

    /// The engine, to read.
    pub fn engine(&self) -> &Engine {
        &self.decisions.engine
    }

    /// Does the next portion of the history's writing, where the shell has it done in portions; false when there was nothing to do.
    pub fn write_history(&mut self) -> Result<bool, HistoryFault> {
        self.history.work()
    }

    /// How many records of outboxes are held in memory.
    pub fn outbox_records_held(&self) -> usize {
        self.decisions.outboxes.records_held()
    }

    /// What waits, beside payments: for whoever watches.
    pub fn queues(&self) -> Queues {
        Queues {
            waiting_for_directory: self.directing.len() as u64,
            waiting_for_history: self.waiting.len() as u64,
            bulk_waiting: self.bulk.len() as u64,
            waiting_for_renderer: self.to_render.len() as u64,
            outbox_records_held: self.outbox_records_held() as u64,
            outcomes_unindexed: self.history.outcomes_unindexed(),
        }
    }

    /// How long cut-offs took: for whoever watches.
    pub fn cut_off_times(&self) -> CutOffTimes {
        self.cut_offs
    }

    /// How long the journal waited for its disk: for whoever watches. The longest wait begins anew.
    pub fn take_disk_times(&mut self) -> DiskTimes {
        self.log.take_disk_times()
    }

    /// A longest wait that was taken and that nobody heard of.
    pub fn keep_longest_disk_wait(&mut self, us: u64) {
        self.log.keep_longest(us);
    }

    /// The history's files, for other threads to read.
    pub fn history_reader(&self) -> HistoryReader<S> {
        self.history.reader()
    }

    /// The history, for what is not in its files.
    pub fn history(&self) -> &History<S> {
        &self.history
    }

    /// How far each stage has come.
    pub fn watermarks(&self) -> Watermarks {
        self.watermarks
    }

    /// How far each lane of a connection's participant has come; none before it has said who it is.
    pub fn lane_watermarks(&self, key: SessionKey) -> Option<[LaneWatermarks; OUTBOX_LANES]> {
        let participant = self.sessions.get(key)?.participant()?;
        Some(self.feeds.get(participant)?.watermarks(self.decisions.outboxes.enqueued(participant)))
    }
}
