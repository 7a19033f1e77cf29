//! The machine that the switch runs on: its disk, its keys, its clocks, and the process, which comes and goes.
//!
//! The process is the production's: journal, recovery, engine, outboxes, pipeline and renderer. Only the shell is another one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use adapters::message::ParticipantCode;
use ledger::index::{IndexFault, IndexWork};
use ledger::journal::{
    Journal, JournalFault, JournalOptions, JournalPlace, JournalReader, Lineage, Preparation, lineage_of,
};
use ledger::snapshot::{Refused, SnapshotWork, Snapshots};

use super::disk::VirtualDisk;
use super::keys::Keys;
use super::plan::{LOOKUPS_PER_ANSWER, Plan, START_NS};
use crate::clerk::{Clerk, Question, Registrar, Renewal, Renewed, Reply};
use crate::clock::Anchor;
use crate::directory::hashes::{HashKeyRing, HashKeys};
use crate::directory::store::MemoryStore;
use crate::directory::vault::{MemorySlots, Vault, VaultReader};
use crate::directory::{Directory, DirectoryBatch};
use crate::engine::effect::Effect;
use crate::engine::scheme::events::Event as SchemeEvent;
use crate::engine::{Batch, Engine};
use crate::entry::PAYLOAD_FORMAT;
use crate::genesis;
use crate::history::{History, HistoryAnswer, HistoryAsker, HistoryFault, HistoryOptions, HistoryQuestion};
use crate::ingress::Ingress;
use crate::limits::NS_PER_MS;
use crate::log::local::LocalLog;
use crate::pipeline::{Decisions, Fault, Pipeline};
use crate::render::{RenderFault, RenderRequest, Renderer};
use crate::snapshots::{self, Reach, SnapshotTaker};

/// Look-ups of a volume of those on record: few, so that a run makes many.
const VOLUME_LOOKUPS: usize = 24;

/// Of every run's journal.
pub(super) const LINEAGE: Lineage = Lineage([0x42; 16]);

/// First position, entries, time and payload of a batch that a recovery found.
pub(super) type Found = (u64, u64, u64, Vec<u8>);

/// A state of the engine: position and digest.
pub(super) type StateDigest = (u64, [u8; 32]);

/// Why the process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A planned crash.
    Crashed,
    /// A planned failure of a sync.
    SyncFailed,
    /// No space is left.
    DiskFull,
    /// The journal is damaged.
    Damaged(String),
    /// The history is damaged.
    HistoryDamaged(String),
    /// By itself.
    Unplanned(String),
}

/// The running switch.
pub(super) struct Process {
    pub(super) pipeline: Pipeline<VirtualDisk>,
    pub(super) renderer: Renderer<VirtualDisk>,
    /// What the renderer is to do, and when it is done.
    pub(super) rendering: VecDeque<(u64, RenderRequest)>,
    pub(super) asker: HistoryAsker<VirtualDisk>,
    pub(super) asking: VecDeque<Asking>,
    /// Keys that connections wait for, and when they come, in journal time.
    pub(super) keys_wanted: VecDeque<(u64, ParticipantCode)>,
    /// Whose keys it has.
    pub(super) key_holders: BTreeSet<ParticipantCode>,
    /// Did the thread of the history's files find something to do when it looked last?
    pub(super) is_writing_history: bool,
    /// None: the scheme has no directory.
    pub(super) directing: Option<Directing>,
    pub(super) next_check_ns: u64,
    anchor: Anchor,
    started_ns: u64,
}

/// The directory and its clerks: three threads in production.
pub(super) struct Directing {
    pub(super) directory: Directory<MemoryStore>,
    pub(super) clerk: Clerk<MemoryStore>,
    pub(super) registrar: Registrar,
    pub(super) vault: VaultReader,
    /// Batches, and when they are applied.
    pub(super) batches: VecDeque<(u64, DirectoryBatch)>,
    /// What the clerk is to do, and when.
    pub(super) for_clerk: VecDeque<(u64, ClerkWork)>,
    /// Commands, and when they are taken in.
    pub(super) for_registrar: VecDeque<(u64, Question)>,
    /// What was said, and when it arrives; in any order.
    pub(super) said: BTreeMap<(u64, u64), ClerkDone>,
    pub(super) said_count: u64,
}

/// What a clerk is given to do.
pub(super) enum ClerkWork {
    Question(Box<Question>),
    Renewal(Renewal),
}

/// What came of it.
pub(super) enum ClerkDone {
    Reply(u64, Box<Reply>),
    Renewed(Renewed),
}

/// What the history was asked.
pub(super) struct Asking {
    pub(super) question: HistoryQuestion,
    /// What was found, where it has looked already.
    pub(super) answer: Option<Result<HistoryAnswer, HistoryFault>>,
    /// The window's floor at that time.
    pub(super) floor: u64,
    /// When it answers.
    pub(super) at_ns: u64,
}

/// What a start found.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) was_torn: bool,
    /// What the files of the history cover.
    pub(super) covered: u64,
    /// Files of the history that were not as they were written.
    pub(super) dropped: usize,
    /// Position of the snapshot that it has begun with; none: it has replayed everything.
    pub(super) snapshot: Option<u64>,
    /// Newer ones that were passed over.
    pub(super) refused: Vec<Refused>,
    /// The state behind what the journal has.
    pub(super) state: StateDigest,
    /// How far the directory had come when it was opened; without one nothing has to wait for it.
    pub(super) directory_at: u64,
}

/// Everything that outlives the process.
pub(super) struct Machine {
    pub(super) disk: VirtualDisk,
    /// The directory of the history.
    pub(super) history_disk: VirtualDisk,
    /// The directory of snapshots.
    pub(super) snapshot_disk: VirtualDisk,
    /// The directory's store.
    pub(super) store: MemoryStore,
    /// Of the vault.
    slots: MemorySlots,
    pub(super) keys: Keys,
    /// How far the wall clock was set from the true time.
    pub(super) wall_offset_ns: i64,
    pub(super) process: Option<Process>,
    drift_ppb: i64,
}

impl Machine {
    pub(super) fn new(plan: &Plan, [disk, history_disk, snapshot_disk]: [VirtualDisk; 3], keys: Keys) -> Machine {
        let (store, slots) = (MemoryStore::default(), MemorySlots::default());
        let drift_ppb = plan.drift_ppb;
        Machine { disk, history_disk, snapshot_disk, store, slots, keys, wall_offset_ns: 0, process: None, drift_ppb }
    }

    /// What the disks cost since the last call, where the process waits for them.
    pub(super) fn take_spent_ns(&self) -> u64 {
        self.disk.take_spent_ns() + self.history_disk.take_spent_ns() + self.snapshot_disk.take_spent_ns()
    }

    /// Journal time, while the process runs. The machine's clock counts milliseconds, so that exact hits of deadlines are frequent.
    pub(super) fn journal_ns(&self, now_ns: u64) -> u64 {
        self.process.as_ref().map_or(0, |process| {
            let elapsed_ns = drifted(now_ns - process.started_ns, self.drift_ppb);
            process.anchor.after(elapsed_ns / NS_PER_MS * NS_PER_MS)
        })
    }

    /// How far journal time is ahead of the true time, while the process runs.
    pub(super) fn journal_lead_ns(&self, now_ns: u64) -> i64 {
        let true_ns = START_NS + now_ns;
        if self.process.is_some() { self.journal_ns(now_ns).wrapping_sub(true_ns).cast_signed() } else { 0 }
    }

    /// How long until journal time is `journal_ns`.
    pub(super) fn wait_ns(&self, now_ns: u64, journal_ns: u64) -> u64 {
        let ahead_ns = journal_ns.saturating_sub(self.journal_ns(now_ns));
        drifted(ahead_ns, -self.drift_ppb).max(1_000)
    }

    /// The process starts: takes the newest snapshot that can be used, replays the journal behind it, and goes on where it ends.
    pub(super) fn start(&mut self, plan: &Plan, now_ns: u64) -> Result<Started, Stop> {
        self.keys.restart();
        let options = options(plan);
        let directory = Directory::with_volumes(self.store.clone(), VOLUME_LOOKUPS);
        let directory = directory.map_err(|fault| Stop::Unplanned(fault.to_string()))?;
        let directory_at = if plan.aliases.is_some() { directory.applied() } else { u64::MAX };
        let mut replay = Replay::new(self.history_disk.clone(), plan, directory);
        let (journal, was_torn) = match lineage_of(&self.disk).map_err(|fault| stop_of(&fault))? {
            Some(_) => {
                let place = replay.begin(&self.disk, &self.snapshot_disk)?;
                let opened = Journal::open_after(self.disk.clone(), options, place, |batch| replay.take(&batch));
                match (opened, replay.fault.take()) {
                    (_, Some(fault)) => return Err(stop_of_history(&fault)),
                    (Ok((journal, report)), None) => (journal, report.torn.is_some()),
                    (Err(fault), None) => return Err(stop_of(&fault)),
                }
            }
            None => (Journal::create(self.disk.clone(), options, LINEAGE).map_err(|fault| stop_of(&fault))?, false),
        };
        if replay.decisions.engine.seal_key_max() > self.keys.made() {
            return Err(Stop::Unplanned("the journal names keys that were never made".to_owned()));
        }
        let mut log = LocalLog::new(journal);
        let wall_ns = (START_NS + now_ns).saturating_add_signed(self.wall_offset_ns) / NS_PER_MS * NS_PER_MS;
        if replay.decisions.engine.applied() == 0 {
            journal_genesis(plan, &mut log, &mut replay, wall_ns)?;
            replay.follow().map_err(|fault| stop_of_history(&fault))?;
        }
        let state = (replay.decisions.engine.applied(), replay.decisions.engine.digest());
        let Replay { decisions, history, directory, covered, dropped, snapshot, refused, .. } = replay;
        let directing = self.direct(plan, directory, &decisions.engine)?;
        let history = history.unwrap_or_else(|| unreachable!("it was opened before the first batch"));
        history.check_followed(&decisions.engine).map_err(|fault| stop_of_history(&fault))?;
        let anchor = Anchor::new(wall_ns, decisions.engine.time_ns());
        let reader = JournalReader::open(self.disk.clone()).map_err(|fault| stop_of(&fault))?;
        let (renderer, asker) = (Renderer::new(reader, history.reader()), HistoryAsker::new(history.reader()));
        let mut pipeline = Pipeline::new(log, decisions, history, self.keys.digest_key(), plan.limits);
        if let Some(planned) = plan.snapshots {
            let last = snapshot.unwrap_or(0);
            let taker = SnapshotTaker::new(open_snapshots(&self.snapshot_disk), planned.every_entries, last);
            let mut taker = taker.with_pace(planned.pace);
            if let Some(directing) = &directing {
                taker = taker.with_directory(directing.directory.progress());
            }
            pipeline = pipeline.with_snapshots(taker);
        }
        if let Some(directing) = &directing {
            pipeline = pipeline.with_directory(directing.directory.progress());
        }
        let process = Process {
            renderer,
            asker,
            pipeline,
            rendering: VecDeque::new(),
            asking: VecDeque::new(),
            keys_wanted: VecDeque::new(),
            key_holders: BTreeSet::new(),
            is_writing_history: false,
            directing,
            next_check_ns: now_ns,
            anchor,
            started_ns: now_ns,
        };
        Ok(Started { process, was_torn, covered, dropped, snapshot, refused, state, directory_at })
    }

    /// The directory where the replay has left it, and its clerks.
    fn direct(
        &self,
        plan: &Plan,
        mut directory: Directory<MemoryStore>,
        engine: &Engine,
    ) -> Result<Option<Directing>, Stop> {
        if plan.aliases.is_none() {
            return Ok(None);
        }
        let unplanned = |fault: &dyn std::fmt::Display| Stop::Unplanned(fault.to_string());
        let scheme = engine.directory();
        if directory.applied() > scheme.due() {
            return Err(Stop::Unplanned("the directory is ahead of the journal".to_owned()));
        }
        directory.persist().map_err(|fault| unplanned(&fault))?;
        directory.progress().hand_over(scheme.due());
        directory.progress().pass(engine.applied());
        let (generation, ring) = (scheme.generation(), &self.keys.hashes);
        let current = ring.key(generation).map_err(|fault| unplanned(&fault))?;
        let before = scheme.is_rehashing().then(|| ring.key(generation - 1)).transpose();
        let hashes = HashKeys { current, before: before.map_err(|fault| unplanned(&fault))? };
        let vault = Vault::simulated(&self.slots, self.keys.vault_key());
        if !vault.has(scheme.slot_max()) && scheme.slot_max() > 0 {
            return Err(Stop::Unplanned("the journal names slots that were never made".to_owned()));
        }
        let reader = vault.reader();
        let clerk = Clerk::new(hashes.clone(), reader.clone(), directory.reader())
            .with_ring(Box::new(Arc::clone(ring)))
            .with_lookups_per_answer(LOOKUPS_PER_ANSWER);
        let registrar = Registrar::new(hashes, vault).with_ring(Box::new(Arc::clone(ring)));
        let (batches, for_clerk, for_registrar) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let said = BTreeMap::new();
        Ok(Some(Directing {
            directory,
            clerk,
            registrar,
            vault: reader,
            batches,
            for_clerk,
            for_registrar,
            said,
            said_count: 0,
        }))
    }
}

/// The way from snapshot and journal to the state, and the history beside it.
struct Replay<'a> {
    history_disk: VirtualDisk,
    plan: &'a Plan,
    decisions: Decisions,
    history: Option<History<VirtualDisk>>,
    directory: Directory<MemoryStore>,
    covered: u64,
    dropped: usize,
    snapshot: Option<u64>,
    refused: Vec<Refused>,
    fault: Option<HistoryFault>,
}

impl<'a> Replay<'a> {
    fn new(history_disk: VirtualDisk, plan: &'a Plan, directory: Directory<MemoryStore>) -> Replay<'a> {
        Replay {
            history_disk,
            directory,
            plan,
            decisions: Decisions::default(),
            history: None,
            covered: 0,
            dropped: 0,
            snapshot: None,
            refused: Vec::new(),
            fault: None,
        }
    }

    /// Takes the newest snapshot that can be used, and says where in the journal it goes on; none: at the beginning.
    fn begin(&mut self, journal: &VirtualDisk, snapshot_disk: &VirtualDisk) -> Result<Option<JournalPlace>, Stop> {
        self.open_history().map_err(|fault| stop_of_history(&fault))?;
        let directory = if self.plan.aliases.is_some() { self.directory.applied() } else { u64::MAX };
        let reach = Reach { indexed: self.covered, told: u64::MAX, directory };
        let found = snapshots::find_told(&mut open_snapshots(snapshot_disk), journal, reach, 0);
        let found = found.map_err(|fault| Stop::Unplanned(fault.to_string()))?;
        self.refused = found.refused;
        let Some(start) = found.start else { return Ok(None) };
        self.snapshot = Some(start.engine.applied());
        self.decisions = Decisions::behind(start.engine);
        let begun = self.history.as_mut().map_or(Ok(()), |history| history.begin_behind(&mut self.decisions));
        begun.map_err(|fault| stop_of_history(&fault))?;
        Ok(Some(start.place))
    }

    fn take(&mut self, batch: &ledger::journal::Batch<'_>) -> Result<(), String> {
        self.decisions.absorb(engine_batch(batch)).map_err(|inapplicable| inapplicable.to_string())?;
        self.direct(engine_batch(batch))?;
        self.follow().map_err(|fault| self.fault.insert(fault).to_string())
    }

    /// The directory applies a batch that the engine has just applied.
    fn direct(&mut self, batch: Batch<'_>) -> Result<(), String> {
        let due = DirectoryBatch::of(batch.first_sequence, batch.time_ns, batch.payload, &self.decisions.engine);
        if let Some(due) = due.filter(|_| self.plan.aliases.is_some()) {
            self.directory.apply(&due, &mut Vec::new()).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), HistoryFault> {
        self.open_history()?;
        self.history.as_mut().map_or(Ok(()), |history| history.follow(&mut self.decisions))
    }

    /// Opens the history unless it is open.
    fn open_history(&mut self) -> Result<(), HistoryFault> {
        if self.history.is_none() {
            let (history, report) = History::open(self.history_disk.clone(), LINEAGE, history_options(self.plan))?;
            self.covered = report.covered_through;
            self.dropped = report.dropped.len();
            self.history = Some(history);
        }
        Ok(())
    }
}

/// The snapshots on a disk. Who applies batches writes them as well: the order of operations is then the same in every run.
pub(super) fn open_snapshots(disk: &VirtualDisk) -> Snapshots<VirtualDisk> {
    snapshots::open(disk.clone(), LINEAGE, SnapshotWork::Inline)
}

fn history_options(plan: &Plan) -> HistoryOptions {
    let (run_records, looks_all_up) = (plan.run_records, plan.looks_all_up);
    // Of about one run, so that files of keys are written and merged.
    HistoryOptions { run_records, keys_in_memory: run_records, seed: 5, work: IndexWork::Portions, looks_all_up }
}

/// What a replay of a whole journal comes by.
pub(super) struct Replayed {
    /// The batches before the first that is not taken.
    pub(super) batches: Vec<Found>,
    /// What followed from them, to be told to participants.
    pub(super) effects: Vec<Effect>,
    /// And to the operator.
    pub(super) events: Vec<SchemeEvent>,
    /// The state at the end.
    pub(super) state: StateDigest,
    /// The states that were asked for, and the digest of a snapshot of each, where it came by them.
    pub(super) wanted: Vec<(StateDigest, [u8; 32])>,
    /// How far the directory must have come for each of them.
    pub(super) dues: BTreeMap<u64, u64>,
    /// A directory that was made from it.
    pub(super) directory: Directory<MemoryStore>,
    /// Was the journal taken as whole?
    pub(super) opened: Result<(), Stop>,
}

/// Replays what lies on a disk from its beginning, and looks at the state at some positions.
pub(super) fn replay(disk: &VirtualDisk, plan: &Plan, positions: &[u64]) -> Replayed {
    let (mut decisions, mut batches, mut effects) = (Decisions::default(), Vec::new(), Vec::new());
    let (mut wanted, mut events, mut dues) = (Vec::new(), Vec::new(), BTreeMap::new());
    let empty = Directory::open(MemoryStore::default());
    let mut directory = empty.unwrap_or_else(|_| unreachable!("there is nothing that could be damaged"));
    let absorb = |batch: ledger::journal::Batch<'_>| {
        batches.push((batch.first_sequence, u64::from(batch.count), batch.time_ns, batch.payload.to_vec()));
        decisions.absorb(engine_batch(&batch)).map_err(|inapplicable| inapplicable.to_string())?;
        let of = engine_batch(&batch);
        let due = DirectoryBatch::of(of.first_sequence, of.time_ns, of.payload, &decisions.engine);
        if let Some(due) = due.filter(|_| plan.aliases.is_some()) {
            directory.apply(&due, &mut Vec::new()).map_err(|fault| fault.to_string())?;
        }
        effects.extend_from_slice(&decisions.effects);
        events.extend_from_slice(&decisions.engine.told().events);
        let engine = &mut decisions.engine;
        if positions.contains(&engine.applied()) {
            wanted.push(((engine.applied(), engine.digest()), engine.snapshot_digest()));
            dues.insert(engine.applied(), engine.directory().due());
        }
        Ok(())
    };
    let opened = Journal::open(disk.clone(), options(plan), absorb).map(|_| ()).map_err(|fault| stop_of(&fault));
    let state = (decisions.engine.applied(), decisions.engine.digest());
    Replayed { batches, effects, events, state, wanted, dues, directory, opened }
}

fn options(plan: &Plan) -> JournalOptions {
    JournalOptions {
        segment_bytes: plan.segment_bytes,
        payload_format: PAYLOAD_FORMAT,
        preparation: Preparation::WhenNeeded,
    }
}

fn engine_batch<'a>(batch: &ledger::journal::Batch<'a>) -> Batch<'a> {
    Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload }
}

fn journal_genesis(
    plan: &Plan,
    log: &mut LocalLog<VirtualDisk>,
    replay: &mut Replay<'_>,
    time_ns: u64,
) -> Result<(), Stop> {
    let mut batch = Ingress::new();
    for command in genesis::commands(&plan.genesis()) {
        batch.add_command(|out| out.extend_from_slice(&command));
    }
    let count = batch.count();
    let appended = log.submit(batch.batch_mut(), count, time_ns).map_err(|fault| stop_of(&fault))?;
    log.sync().map_err(|fault| stop_of(&fault))?;
    log.mark().map_err(|fault| stop_of(&fault))?;
    let first = Batch { first_sequence: appended.first_sequence, time_ns, payload: batch.payload() };
    replay.decisions.absorb(first).map_err(|inapplicable| Stop::Unplanned(inapplicable.to_string()))?;
    replay.direct(first).map_err(Stop::Unplanned)
}

/// What a fault of the pipeline says about why the process ends.
pub(super) fn stop_of_pipeline(fault: &Fault) -> Stop {
    match fault {
        Fault::Journal(fault) => stop_of(fault),
        Fault::Inapplicable(inapplicable) => Stop::Unplanned(inapplicable.to_string()),
        Fault::History(fault) => stop_of_history(fault),
        // Nobody writes events here.
        Fault::Events(fault) => Stop::Unplanned(fault.to_string()),
    }
}

/// What a fault of the renderer says about why the process ends.
pub(super) fn stop_of_renderer(fault: &RenderFault) -> Stop {
    match fault {
        RenderFault::Journal(fault) => stop_of(fault),
        RenderFault::History(fault) => stop_of_history(fault),
        other => Stop::Unplanned(other.to_string()),
    }
}

/// What a fault of the history says about why the process ends.
pub(super) fn stop_of_history(fault: &HistoryFault) -> Stop {
    match fault {
        HistoryFault::Index(IndexFault::DiskFull { .. }) => Stop::DiskFull,
        HistoryFault::Index(IndexFault::Damaged { .. }) => Stop::HistoryDamaged(fault.to_string()),
        HistoryFault::Index(IndexFault::Io { detail, .. }) => stop_of_detail(detail, fault),
        other => Stop::Unplanned(other.to_string()),
    }
}

/// The faulty directory's words for an operation after a planned crash.
pub(super) const STOPPED: &str = "the machine has stopped";

/// And for a planned failure of a sync.
pub(super) const SYNC_FAILED: &str = "input/output error";

/// The faulty directory has two words for what was planned.
fn stop_of_detail(detail: &str, fault: &impl std::fmt::Display) -> Stop {
    match detail {
        STOPPED => Stop::Crashed,
        SYNC_FAILED => Stop::SyncFailed,
        _ => Stop::Unplanned(fault.to_string()),
    }
}

fn stop_of(fault: &JournalFault) -> Stop {
    match fault {
        JournalFault::DiskFull { .. } => Stop::DiskFull,
        JournalFault::Damaged { .. } => Stop::Damaged(fault.to_string()),
        JournalFault::Io { detail, .. } => stop_of_detail(detail, fault),
        other => Stop::Unplanned(other.to_string()),
    }
}

fn drifted(span_ns: u64, ppb: i64) -> u64 {
    let gained = i128::from(span_ns) * i128::from(ppb) / 1_000_000_000;
    u64::try_from(i128::from(span_ns) + gained).unwrap_or(0)
}
