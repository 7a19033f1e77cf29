//! A data directory: what lies where, and opening it. Opening replays the journal; whatever is wrong is one line that says what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::index::{DropReason, DroppedFile};
use ledger::journal::{
    DiskStorage, Journal, JournalFault, JournalOptions, JournalPlace, Lineage, Preparation, ScanReport, Storage,
    lineage_of, scan,
};
use ledger::snapshot::{BodyReader, Refused, Snapshot, SnapshotFault, SnapshotWork, Snapshots, snapshot_name};

use crate::config::{Config, ConfigError, Genesis};
use crate::directory::hashes::HashKeys;
use crate::directory::store::{DiskStore, StoreFault};
use crate::directory::vault::Vault;
use crate::directory::{Directory, DirectoryBatch};
use crate::engine::{Batch, Engine};
use crate::entry::PAYLOAD_FORMAT;
use crate::events::{EventFault, EventFiles, EventLog, events_directory};
use crate::genesis;
use crate::history::{History, HistoryFault, HistoryOptions};
use crate::ingress::Ingress;
use crate::limits::PAYMENTS_EXPECTED;
use crate::log::local::LocalLog;
use crate::pipeline::{Decisions, Fault, Pipeline};
use crate::seal::{KeyRing, SealFault, random};
use crate::snapshots::{self, Reach, SnapshotTaker};

/// Why a data directory cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The configuration or the genesis.
    Config(ConfigError),
    /// A directory.
    Directory(PathBuf, std::io::Error),
    /// The journal.
    Journal(JournalFault),
    /// The history.
    History(HistoryFault),
    /// The directory of the snapshots.
    Snapshots(SnapshotFault),
    /// The operator's events.
    Events(EventFault),
    /// The keys.
    Seal(SealFault),
    /// The directory.
    Store(StoreFault),
    /// The first batch.
    Genesis(Fault),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Config(error) => error.fmt(f),
            OpenError::Directory(path, error) if error.kind() == std::io::ErrorKind::NotFound => {
                write!(
                    f,
                    "{} is missing: name the directory that `switch init` made and `switch serve` has run in",
                    path.display()
                )
            }
            OpenError::Directory(path, error) => write!(f, "{}: {error}", path.display()),
            OpenError::Journal(fault) => fault.fmt(f),
            OpenError::History(fault) => fault.fmt(f),
            OpenError::Snapshots(fault) => fault.fmt(f),
            OpenError::Events(fault) => fault.fmt(f),
            OpenError::Seal(fault) => fault.fmt(f),
            OpenError::Store(fault) => fault.fmt(f),
            OpenError::Genesis(fault) => write!(f, "journaling the genesis: {fault}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Where the journal's segments lie.
pub fn journal_directory(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Where the files of the history lie. Whoever removes them loses nothing: the next start makes them again.
pub fn history_directory(data: &Path) -> PathBuf {
    data.join("history")
}

/// Where snapshots of the engine lie. Whoever removes them loses nothing: the next start replays the whole journal.
pub fn snapshots_directory(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// Where the directory's store lies. Whoever removes it loses nothing: the next start makes it again from the whole journal.
pub fn directory_directory(data: &Path) -> PathBuf {
    data.join("directory")
}

/// Where the key ring lies, and the vault.
pub fn keys_directory(data: &Path) -> PathBuf {
    data.join("keys")
}

/// What was found when a data directory was opened.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The journal position of the snapshot that was started from; none: from the journal's beginning.
    pub snapshot: Option<u64>,
    /// Batches that were replayed.
    pub batches: u64,
    /// Where a torn tail was cut off, if there was one.
    pub torn: Option<String>,
}

/// An open data directory.
pub struct OpenData {
    /// The pipeline, where the journal ends.
    pub pipeline: Pipeline<DiskStorage>,
    /// The keys.
    pub ring: KeyRing,
    /// The directory, where the journal ends.
    pub directory: OpenDirectory,
    /// The journal's files, for whoever reads it beside the pipeline.
    pub storage: DiskStorage,
    /// Journal time of the last batch.
    pub last_time_ns: u64,
    /// What was found.
    pub recovered: Recovered,
}

/// The directory and its keys.
pub struct OpenDirectory {
    /// The state machine, which has applied what the engine has.
    pub directory: Directory<DiskStore>,
    /// The secrets that open its records.
    pub vault: Vault,
    /// The keys of its hashes.
    pub hashes: HashKeys,
}

/// Opens a data directory, and journals the genesis if nothing was journaled yet.
pub fn open(config: &Config) -> Result<OpenData, OpenError> {
    let journal_path = journal_directory(&config.directory);
    let storage = DiskStorage::create(&journal_path).map_err(|error| OpenError::Directory(journal_path, error))?;
    let options = JournalOptions {
        segment_bytes: config.journal.segment_bytes,
        payload_format: PAYLOAD_FORMAT,
        preparation: Preparation::Ahead,
    };
    let mut replay = Replay::new(config);
    let (journal, report) = match lineage_of(&storage).map_err(OpenError::Journal)? {
        Some(lineage) => {
            lock(&storage)?;
            let place = replay.begin(lineage, &storage)?;
            let opened = Journal::open_after(storage.clone(), options, place, |batch| replay.take(&batch));
            match (opened, replay.fault.take()) {
                (Ok((journal, report)), None) => (journal, Some(report)),
                (_, Some(fault)) => return Err(fault),
                (Err(fault), None) => return Err(OpenError::Journal(fault)),
            }
        }
        None => {
            // Before the journal's files, which may take what is left of a small disk.
            replay.open_directory()?;
            let created = Journal::create(storage.clone(), options, Lineage(random()));
            (created.map_err(OpenError::Journal)?, None)
        }
    };
    let is_new = replay.decisions.engine.applied() == 0;
    let mut ring = open_ring(config, is_new, replay.decisions.engine.seal_key_max())?;
    let lineage = journal.lineage();
    let mut log = LocalLog::new(journal);
    if is_new {
        journal_genesis(config, &mut log, lineage, &mut replay)?;
    }
    let snapshot = replay.snapshot;
    let (decisions, history, events, directory) = replay.finish(lineage)?;
    let of_directory = decisions.engine.directory();
    let hashes = ring.hash_keys(of_directory.generation(), of_directory.is_rehashing()).map_err(OpenError::Seal)?;
    let vault_key = ring.vault_key().map_err(OpenError::Seal)?;
    let vault_path = keys_directory(&config.directory).join("vault");
    // Slots that the journal names are never made anew: whoever destroyed a new one would destroy an old record's.
    let slot_max = decisions.engine.directory().slot_max();
    if slot_max > 0 {
        let found = std::fs::metadata(&vault_path);
        found.map_err(|error| OpenError::Seal(SealFault::File(vault_path.clone(), error)))?;
    }
    let vault = Vault::open(&vault_path, vault_key).map_err(OpenError::Seal)?;
    if slot_max > 0 && !vault.has(slot_max) {
        return Err(OpenError::Seal(SealFault::Incomplete(vault_path, vault.held(), slot_max)));
    }
    let last_time_ns = decisions.engine.time_ns();
    let snapshots = open_snapshots(config, lineage)?;
    let taker = SnapshotTaker::new(snapshots, config.journal.snapshot_every_entries, snapshot.unwrap_or(0));
    let taker = taker.with_events(Some(Arc::clone(events.progress())));
    let pipeline = Pipeline::new(log, decisions, history, ring.digest_key(), config.pipeline_limits());
    let taker = taker.with_directory(directory.progress());
    let pipeline = pipeline.with_snapshots(taker).with_events(events).with_directory(directory.progress());
    let directory = OpenDirectory { directory, vault, hashes };
    Ok(OpenData { pipeline, ring, directory, storage, last_time_ns, recovered: recovered(snapshot, report) })
}

/// Before anything is read: another process may have the directory, and change it meanwhile.
fn lock(journal: &DiskStorage) -> Result<(), OpenError> {
    journal.lock().map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Journal(JournalFault::Locked { directory: journal.path_of(".") }),
        _ => OpenError::Directory(PathBuf::from(journal.path_of(".")), error),
    })
}

fn open_snapshots(config: &Config, lineage: Lineage) -> Result<Snapshots<DiskStorage>, OpenError> {
    let path = snapshots_directory(&config.directory);
    let storage = DiskStorage::create(&path).map_err(|error| OpenError::Directory(path, error))?;
    Ok(snapshots::open(storage, lineage, SnapshotWork::Beside))
}

/// The way from the journal to the state: decisions, and the history beside them. The history is opened once the journal is locked, and takes in what the
/// journal hands out, which is on disk by then: nothing gets into the history that a crash can take out of the journal.
struct Replay<'a> {
    config: &'a Config,
    decisions: Decisions,
    history: Option<History<DiskStorage>>,
    /// What the operator was told. Opened with the history.
    events: Option<EventFiles>,
    /// The directory. Opened with the history.
    directory: Option<Directory<DiskStore>>,
    /// Position of the snapshot that it began with.
    snapshot: Option<u64>,
    /// Why a batch was not taken, where that is no fault of the batch.
    fault: Option<OpenError>,
}

impl<'a> Replay<'a> {
    fn new(config: &'a Config) -> Replay<'a> {
        let decisions = Decisions::with_room(PAYMENTS_EXPECTED);
        Replay { config, decisions, history: None, events: None, directory: None, snapshot: None, fault: None }
    }

    /// Takes the newest snapshot that can be used, and says where in the journal it goes on; none: at the beginning.
    fn begin(&mut self, lineage: Lineage, journal: &DiskStorage) -> Result<Option<JournalPlace>, OpenError> {
        self.open_history(lineage)?;
        let indexed = self.history.as_ref().map_or(0, History::covered_through);
        let mut snapshots = open_snapshots(self.config, lineage)?;
        let told = self.events.as_ref().map_or(0, EventFiles::through);
        let directory = self.directory.as_ref().map_or(0, Directory::applied);
        let reach = Reach { indexed, told, directory };
        let found = snapshots::find_told(&mut snapshots, journal, reach, PAYMENTS_EXPECTED);
        let found = found.map_err(OpenError::Snapshots)?;
        for Refused { path, flaw } in &found.refused {
            tracing::warn!(file = %path, reason = %flaw, "snapshot passed over");
        }
        let Some(start) = found.start else { return Ok(None) };
        self.snapshot = Some(start.engine.applied());
        self.decisions = Decisions::behind(start.engine);
        let decisions = &mut self.decisions;
        self.history.as_mut().map_or(Ok(()), |history| history.begin_behind(decisions)).map_err(OpenError::History)?;
        Ok(Some(start.place))
    }

    /// Applies one batch of the journal.
    fn take(&mut self, batch: &ledger::journal::Batch<'_>) -> Result<(), String> {
        self.decisions.absorb(batch_of(batch)).map_err(|inapplicable| inapplicable.to_string())?;
        self.follow(batch_of(batch)).map_err(|error| self.fault.insert(error).to_string())
    }

    fn follow(&mut self, batch: Batch<'_>) -> Result<(), OpenError> {
        let due = DirectoryBatch::of(batch.first_sequence, batch.time_ns, batch.payload, &self.decisions.engine);
        if let (Some(directory), Some(due)) = (&mut self.directory, due) {
            directory.apply(&due, &mut Vec::new()).map_err(OpenError::Store)?;
        }
        let told = &self.decisions.engine.told().events;
        self.events.as_mut().map_or(Ok(()), |events| events.append(told)).map_err(OpenError::Events)?;
        let followed = self.history.as_mut().map_or(Ok(()), |history| history.follow(&mut self.decisions));
        followed.map_err(OpenError::History)
    }

    /// Opens the history unless it is open.
    fn open_history(&mut self, lineage: Lineage) -> Result<(), OpenError> {
        if self.history.is_some() {
            return Ok(());
        }
        let path = history_directory(&self.config.directory);
        let storage = DiskStorage::create(&path).map_err(|error| OpenError::Directory(path, error))?;
        let options = HistoryOptions::beside(u64::from_le_bytes(random()));
        let (history, report) = History::open(storage, lineage, options).map_err(OpenError::History)?;
        // What a stop in the middle of writing or merging leaves is nothing to look after.
        let is_usual = |reason| matches!(reason, DropReason::Replaced | DropReason::Unfinished);
        for DroppedFile { name, reason } in report.dropped.iter().filter(|dropped| !is_usual(dropped.reason)) {
            tracing::warn!(file = %name, %reason, "dropped from the history; it is made again");
        }
        self.history = Some(history);
        let path = events_directory(&self.config.directory);
        self.events = Some(EventFiles::open(&path, lineage.0).map_err(OpenError::Events)?);
        self.open_directory()?;
        Ok(())
    }

    /// Opens the directory unless it is open.
    fn open_directory(&mut self) -> Result<(), OpenError> {
        if self.directory.is_none() {
            let store = DiskStore::open(&directory_directory(&self.config.directory)).map_err(OpenError::Store)?;
            self.directory = Some(Directory::open(store).map_err(OpenError::Store)?);
        }
        Ok(())
    }

    /// Everything is replayed.
    fn finish(mut self, lineage: Lineage) -> Result<Finished, OpenError> {
        self.open_history(lineage)?;
        let (Some(history), Some(mut events), Some(mut directory)) = (self.history, self.events, self.directory) else {
            unreachable!("they were opened in the line above")
        };
        let newest = self.decisions.engine.scheme().events.newest();
        if events.through() > newest {
            tracing::warn!(newest, "events that the journal does not have are removed");
            events.cut(newest).map_err(OpenError::Events)?;
        }
        events.sync().map_err(OpenError::Events)?;
        let events = EventLog::start(events).map_err(OpenError::Events)?;
        history.check_followed(&self.decisions.engine).map_err(OpenError::History)?;
        let (reached, due) = (directory.applied(), self.decisions.engine.directory().due());
        if reached > due {
            return Err(OpenError::Store(StoreFault::beyond(reached, due)));
        }
        directory.persist().map_err(OpenError::Store)?;
        let through = self.decisions.engine.applied();
        directory.progress().hand_over(due);
        directory.progress().pass(through);
        Ok((self.decisions, history, events, directory))
    }
}

/// What a replay has made.
type Finished = (Decisions, History<DiskStorage>, EventLog, Directory<DiskStore>);

/// A batch as the engine takes it.
pub(crate) fn batch_of<'a>(batch: &ledger::journal::Batch<'a>) -> Batch<'a> {
    Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload }
}

fn recovered(snapshot: Option<u64>, report: Option<ScanReport>) -> Recovered {
    let torn = report.as_ref().and_then(|report| report.torn.as_ref()).map(|torn| format!("{}", torn.position));
    Recovered { snapshot, batches: report.map_or(0, |report| report.batches), torn }
}

/// A ring that is missing, or was never finished, is made only where nothing can have been sealed yet.
fn open_ring(config: &Config, is_new: bool, named: u64) -> Result<KeyRing, OpenError> {
    let directory = keys_directory(&config.directory);
    let key_file = config.path(&config.seal.key_file);
    if !is_new {
        return KeyRing::open(&directory, &key_file, named).map_err(OpenError::Seal);
    }
    let prepare = || {
        std::fs::create_dir_all(&directory)?;
        match std::fs::remove_file(directory.join("ring")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    prepare().map_err(|error| OpenError::Directory(directory.clone(), error))?;
    KeyRing::create(&directory, &key_file).map_err(OpenError::Seal)
}

/// Makes the first batch from `genesis.toml`.
fn journal_genesis(
    config: &Config,
    log: &mut LocalLog<DiskStorage>,
    lineage: Lineage,
    replay: &mut Replay<'_>,
) -> Result<(), OpenError> {
    let genesis = Genesis::read(&config.path(Path::new("genesis.toml"))).map_err(OpenError::Config)?;
    let mut batch = Ingress::new();
    for command in genesis::commands(&genesis) {
        batch.add_command(|out| out.extend_from_slice(&command));
    }
    let journal_fault = |fault| OpenError::Genesis(Fault::Journal(fault));
    let time_ns = crate::clock::wall_ns();
    let count = batch.count();
    let appended = log.submit(batch.batch_mut(), count, time_ns).map_err(journal_fault)?;
    log.sync().map_err(journal_fault)?;
    log.mark().map_err(journal_fault)?;
    let first = Batch { first_sequence: appended.first_sequence, time_ns, payload: batch.payload() };
    let absorbed = replay.decisions.absorb(first);
    absorbed.map_err(|inapplicable| OpenError::Genesis(Fault::Inapplicable(inapplicable)))?;
    replay.open_history(lineage)?;
    replay.follow(first)
}

/// What a replay from the beginning has found.
pub struct Replayed {
    /// The state at the journal's end.
    pub engine: Engine,
    /// What the journal holds.
    pub report: ScanReport,
    /// Positions of the snapshots that hold the state that the replay had there.
    pub snapshots: Vec<u64>,
    /// A snapshot that is whole and holds another state: the name of its file.
    pub differing: Option<String>,
    /// Snapshots that no start would use, and why.
    pub refused: Vec<String>,
}

/// Replays a journal from its beginning without changing anything on disk, and compares with it the snapshots that lie beside it.
pub fn replay(data: &Path) -> Result<Replayed, OpenError> {
    let path = journal_directory(data);
    let storage = DiskStorage::open(&path).map_err(|error| OpenError::Directory(path, error))?;
    let mut checker = SnapshotChecker::open(data, &storage)?;
    let mut engine = Engine::with_room(PAYMENTS_EXPECTED);
    let mut effects = Vec::new();
    let absorb = |batch: ledger::journal::Batch<'_>| {
        effects.clear();
        engine.apply(batch_of(&batch), &mut effects).map_err(|inapplicable| inapplicable.to_string())?;
        checker.check(&mut engine).map_err(|fault| fault.to_string())
    };
    let report = scan(&storage, absorb).map_err(OpenError::Journal)?;
    let SnapshotChecker { equal, differing, mut refused, whole, .. } = checker;
    let beyond = whole.iter().filter(|snapshot| snapshot.position > engine.applied());
    refused.extend(
        beyond.map(|snapshot| format!("the snapshot of position {}: the journal ends before", snapshot.position)),
    );
    Ok(Replayed { engine, report, snapshots: equal, differing, refused })
}

/// Holds the snapshots of a directory against a replay.
struct SnapshotChecker {
    /// The directory, if there is one.
    snapshots: Option<(DiskStorage, Lineage)>,
    /// Those whose files are in order.
    whole: Vec<Snapshot>,
    equal: Vec<u64>,
    differing: Option<String>,
    refused: Vec<String>,
}

impl SnapshotChecker {
    fn open(data: &Path, journal: &DiskStorage) -> Result<SnapshotChecker, OpenError> {
        let mut checker = SnapshotChecker {
            snapshots: None,
            whole: Vec::new(),
            equal: Vec::new(),
            differing: None,
            refused: Vec::new(),
        };
        let path = snapshots_directory(data);
        let lineage = lineage_of(journal).map_err(OpenError::Journal)?;
        let (Some(lineage), true) = (lineage, path.exists()) else { return Ok(checker) };
        let storage = DiskStorage::open(&path).map_err(|error| OpenError::Directory(path, error))?;
        let read = snapshots::open(storage.clone(), lineage, SnapshotWork::Inline).verify();
        for snapshot in read.map_err(OpenError::Snapshots)? {
            match snapshot {
                Ok(snapshot) => checker.whole.push(snapshot),
                Err(refused) => checker.refused.push(refused.to_string()),
            }
        }
        checker.snapshots = Some((storage, lineage));
        Ok(checker)
    }

    /// Compares the state with the snapshot of its position, if there is one: byte by byte, and as the engine that a start would make of it.
    fn check(&mut self, engine: &mut Engine) -> Result<(), SnapshotFault> {
        let position = engine.applied();
        let Some(snapshot) = self.whole.iter().find(|snapshot| snapshot.position == position) else { return Ok(()) };
        let Some((storage, lineage)) = &self.snapshots else { return Ok(()) };
        let name = storage.path_of(&snapshot_name(position));
        let mut is_equal = snapshot.body_digest == engine.snapshot_digest();
        if is_equal {
            let mut snapshots = snapshots::open(storage.clone(), *lineage, SnapshotWork::Inline);
            let restore = |_: &Snapshot, body: &mut BodyReader<'_, DiskStorage>| {
                Engine::restore(0, body).map_err(|fault| fault.to_string())
            };
            let loaded = snapshots.load(position, restore)?;
            is_equal = loaded.refused.iter().all(|refused| refused.path != name);
            // A running switch may have removed it meanwhile; then an older one was found.
            if let Some((_, restored)) = loaded.found.filter(|(found, _)| found.position == position) {
                is_equal &= restored.digest() == engine.digest();
            }
        }
        if is_equal {
            self.equal.push(position);
        } else {
            self.differing.get_or_insert(name);
        }
        Ok(())
    }
}
