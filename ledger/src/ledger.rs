//! A book, a journal, snapshots and an index put together: durable, restartable, bounded in memory.
//!
//! ```text
//!   submit --look up ids--> Index (filters)      older than the book remembers? then recalled
//!      |---append, sync---> Journal              the truth; nothing is answered before this
//!      |---apply----------> Book                 accounts, open reservations, the newest final transfers
//!      '---records--------> Index                final transfers of any age, statements
//!                           Snapshots            from time to time, in portions between batches
//! ```
//!
//! It must never: answer what is not on disk; forget an id; let the index or a snapshot decide what only the journal may.
//! Index and snapshots may be deleted at any time; they come back from the journal.

mod fault;
mod machine;
mod query;
mod record;
mod verify;

use std::path::Path;

use self::machine::{Decoded, Machine, Reading};
use self::record::{LedgerSchema, TransferEvent, key_of};
use crate::book::{Book, BookOptions};
use crate::index::{Index, IndexFault, IndexOptions, IndexReader, IndexReport, IndexWork};
use crate::journal::{
    Batch, BatchHead, DiskStorage, Journal, JournalFault, JournalOptions, JournalPlace, Lineage, PlaceDoubt,
    Preparation, RecordBuffer, RetentionPlan, RetentionPolicy, ScanReport, Storage, lineage_of, list_segments,
};
use crate::limits::{
    BATCH_ENTRIES_MAX, CAPTURE_BYTES_PER_BATCH, FINAL_TRANSFERS_DEFAULT, INDEX_KEYS_IN_MEMORY_DEFAULT,
    LEDGER_RUN_RECORDS_DEFAULT, LOOK_AHEAD_IDS, SNAPSHOT_EVERY_BYTES_DEFAULT,
};
use crate::payload::{self, PAYLOAD_FORMAT, Preface};
use crate::request::{Answer, BatchEntry, Request};
use crate::snapshot::{SnapshotFault, SnapshotFinishing, SnapshotOptions, SnapshotWork, SnapshotWriter, Snapshots};
use crate::transfer::{FinalTransfer, TransferId};

pub use self::fault::LedgerFault;
pub use self::machine::Posted;
pub use self::query::{Statement, StatementLine, StatementQuery, TransferPage, TransferView};
pub use self::verify::{VerifyReport, verify, verify_in};

/// How a ledger is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerOptions {
    /// Size of a journal segment, see [`JournalOptions::segment_bytes`]. Fixed for as long as the ledger lives.
    pub segment_bytes: u64,
    /// So many of the newest final transfers stay in memory; older ones are found in the index. At least 1; fewer than
    /// some `run_records` make submitting wait for the index. It may be another one at each start.
    pub final_transfers_max: u32,
    /// Records of one index run.
    pub run_records: u32,
    /// A snapshot is begun after so many journal bytes.
    pub snapshot_every_bytes: u64,
    /// Does other work than the journal's (the next segment, the index, snapshots) have threads of its own? Without them the
    /// order of operations is the same in every run.
    pub threads: bool,
}

impl Default for LedgerOptions {
    fn default() -> LedgerOptions {
        LedgerOptions {
            segment_bytes: JournalOptions::default().segment_bytes,
            final_transfers_max: FINAL_TRANSFERS_DEFAULT,
            run_records: LEDGER_RUN_RECORDS_DEFAULT,
            snapshot_every_bytes: SNAPSHOT_EVERY_BYTES_DEFAULT,
            threads: true,
        }
    }
}

impl LedgerOptions {
    fn check(&self) -> Result<(), LedgerFault> {
        if self.final_transfers_max == 0 || self.run_records == 0 {
            return Err(LedgerFault::Options { what: "final_transfers_max and run_records are at least 1" });
        }
        Ok(())
    }

    fn journal(&self) -> JournalOptions {
        let preparation = if self.threads { Preparation::Ahead } else { Preparation::WhenNeeded };
        JournalOptions { segment_bytes: self.segment_bytes, payload_format: PAYLOAD_FORMAT, preparation }
    }

    fn book(&self) -> BookOptions {
        BookOptions {
            history_per_account_max: 0,
            final_transfers_max: self.final_transfers_max,
            keeps_changes: true,
            ..BookOptions::default()
        }
    }

    fn index(&self) -> IndexOptions {
        let work = if self.threads { IndexWork::Beside } else { IndexWork::Inline };
        // Of sixteen runs, so that runs of any size come into files of keys; of the usual ones that is the index's default.
        let keys_in_memory = self.run_records.saturating_mul(16).min(INDEX_KEYS_IN_MEMORY_DEFAULT);
        IndexOptions { run_records: self.run_records, keys_in_memory, work, ..IndexOptions::default() }
    }

    fn snapshots(&self) -> SnapshotOptions {
        let work = if self.threads { SnapshotWork::Beside } else { SnapshotWork::Inline };
        SnapshotOptions { format: PAYLOAD_FORMAT, work }
    }
}

/// Where the files of a ledger lie: directories of their own.
#[derive(Clone, Debug)]
pub struct Directories<S> {
    /// The segments.
    pub journal: S,
    /// The index's files.
    pub index: S,
    /// The snapshots.
    pub snapshots: S,
    /// Where old segments are moved to, if anywhere. It is read when an old part of the journal is needed.
    pub archive: Option<S>,
}

impl Directories<DiskStorage> {
    /// `journal`, `index` and `snapshots` in a directory, made where they are missing; and `archive`, where there is one.
    pub fn create(path: &Path) -> Result<Directories<DiskStorage>, LedgerFault> {
        Directories::each(path, DiskStorage::create)
    }

    /// The same, which must exist.
    pub fn open(path: &Path) -> Result<Directories<DiskStorage>, LedgerFault> {
        Directories::each(path, DiskStorage::open)
    }

    fn each(
        path: &Path,
        open: impl Fn(&Path) -> std::io::Result<DiskStorage>,
    ) -> Result<Directories<DiskStorage>, LedgerFault> {
        let at = |name: &str| {
            let path = path.join(name);
            open(&path)
                .map_err(|error| LedgerFault::Directory { path: path.display().to_string(), detail: error.to_string() })
        };
        let archive = if path.join("archive").exists() { Some(at("archive")?) } else { None };
        Ok(Directories { journal: at("journal")?, index: at("index")?, snapshots: at("snapshots")?, archive })
    }
}

/// Where the journal's segments lie.
struct Segments<S> {
    here: S,
    archive: Option<S>,
}

/// What opening has found.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// Sequence number of the snapshot that it began with; `None` when it began with the journal's first batch.
    pub snapshot_sequence: Option<u64>,
    /// Snapshots that could not be used, and why.
    pub refused_snapshots: Vec<String>,
    /// What the index had, and what it has dropped.
    pub index: IndexReport,
    /// What the journal held behind the snapshot; `None` for a new ledger.
    pub journal: Option<ScanReport>,
}

/// Where a snapshot stands.
enum Snapshotting<S: Storage> {
    /// None is being made.
    Idle,
    /// The book is being captured, a portion between any two batches.
    Capturing(SnapshotWriter<S>),
    /// Everything is captured; it is being synced, and read back.
    Finishing(SnapshotFinishing),
}

/// A durable double-entry ledger in a directory of its own. One process has it open at a time.
pub struct Ledger<S: Storage = DiskStorage> {
    options: LedgerOptions,
    machine: Machine,
    journal: Journal<S>,
    index: Index<S, LedgerSchema>,
    /// For the look-up of ids: what has left the book is in files.
    reader: IndexReader<S, LedgerSchema>,
    segments: Segments<S>,
    snapshots: Snapshots<S>,
    snapshotting: Snapshotting<S>,
    journal_bytes_since_snapshot: u64,
    buffer: RecordBuffer,
    preface: Preface,
    wanted: Vec<[u8; 16]>,
    hits: Vec<bool>,
    poison: Option<LedgerFault>,
    report: OpenReport,
}

impl Ledger<DiskStorage> {
    /// Opens the ledger in a directory, or makes one there.
    ///
    /// The state is that of the newest usable snapshot and the journal behind it. A torn tail of the journal is cut off and
    /// reported; damage refuses the start; index files and snapshots that are missing or damaged are made anew.
    pub fn open(path: &Path, options: LedgerOptions) -> Result<Ledger<DiskStorage>, LedgerFault> {
        Ledger::open_in(Directories::create(path)?, options, || draw_lineage(path))
    }
}

impl<S: Storage> Ledger<S> {
    /// As [`Ledger::open`], in any storage. `lineage` names the journal where there is none yet.
    pub fn open_in(
        directories: Directories<S>,
        options: LedgerOptions,
        lineage: impl FnOnce() -> Result<Lineage, LedgerFault>,
    ) -> Result<Ledger<S>, LedgerFault> {
        options.check()?;
        let Directories { journal, index, snapshots, archive } = directories;
        let segments = Segments { here: journal.clone(), archive };
        let known = lineage_of(&journal)?;
        let lineage = known.map_or_else(lineage, Ok)?;
        let (mut index, index_report) = Index::open(index, lineage, options.index())?;
        let mut snapshots = Snapshots::open(snapshots, lineage, options.snapshots());
        let mut report =
            OpenReport { snapshot_sequence: None, refused_snapshots: Vec::new(), index: index_report, journal: None };
        let (machine, journal) = match known {
            None => (Machine::new(options.book()), Journal::create(journal, options.journal(), lineage)?),
            Some(_) => recover(&segments, &options, &mut index, &mut snapshots, &mut report)?,
        };
        let reader = index.reader();
        let mut ledger = Ledger {
            options,
            machine,
            journal,
            index,
            reader,
            segments,
            snapshots,
            snapshotting: Snapshotting::Idle,
            journal_bytes_since_snapshot: 0,
            buffer: RecordBuffer::default(),
            preface: Preface { final_transfers_max: options.final_transfers_max, recalled: Vec::new() },
            wanted: Vec::new(),
            hits: Vec::new(),
            poison: None,
            report,
        };
        ledger.journal.append_mark()?;
        Ok(ledger)
    }

    /// Writes a batch to the journal, waits until it is on disk, applies it, and gives every entry its answer, in order.
    ///
    /// `now_ns` is the time, in nanoseconds of whatever clock the caller keeps; a time before that of the batch before counts
    /// as that one. Reservations whose deadline it reaches expire first. An id of any age that comes again is answered as
    /// [`Book::apply`] says. An empty batch only tells the time.
    ///
    /// A batch that is too long, or could be too big for a segment, is refused and changes nothing. After any other fault the
    /// ledger is poisoned: every later call returns the same fault, and the process should stop. What was answered before is
    /// on disk.
    pub fn submit(&mut self, now_ns: u64, batch: &[BatchEntry]) -> Result<&[Answer], LedgerFault> {
        self.check_poison()?;
        self.check_size(batch)?;
        let submitted = self.submit_checked(now_ns, batch);
        self.or_poison(submitted)?;
        Ok(&self.machine.answers)
    }

    /// By the most bytes that such a batch can have: whether it is taken must not depend on what it recalls, and a batch that
    /// is refused must not have changed anything.
    fn check_size(&self, batch: &[BatchEntry]) -> Result<(), LedgerFault> {
        if batch.len() > BATCH_ENTRIES_MAX {
            return Err(LedgerFault::BatchTooLong { entries: batch.len() });
        }
        let (payload_bytes, batch_bytes_max) = (payload::bytes_max(batch.len()), self.journal.batch_bytes_max());
        if payload_bytes > batch_bytes_max {
            return Err(LedgerFault::Journal(JournalFault::BatchTooBig { payload_bytes, batch_bytes_max }));
        }
        Ok(())
    }

    /// Lets expire what is due at a time, all of it, in as many batches as that takes. Returns how many.
    pub fn expire(&mut self, now_ns: u64) -> Result<usize, LedgerFault> {
        let mut expired = 0;
        while self.book().next_deadline_ns().is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            self.submit(now_ns, &[])?;
            expired += self.machine.expired;
        }
        Ok(expired)
    }

    fn submit_checked(&mut self, now_ns: u64, batch: &[BatchEntry]) -> Result<(), LedgerFault> {
        make_room(&mut self.machine, &mut self.index, self.preface.final_transfers_max)?;
        self.recall(batch)?;
        let time_ns = now_ns.max(self.machine.book.now_ns());
        self.buffer.clear();
        self.buffer.extend_with(|out| payload::encode(&self.preface, batch, out));
        let count = u32::try_from(batch.len()).expect("a batch is short, limits.rs");
        let appended = self.journal.append(&mut self.buffer, BatchHead { count, time_ns, epoch: 0 })?;
        let durable = self.journal.sync()?;

        assert!(durable.covers(appended.last_sequence), "nothing is answered before it is durable");
        let first_sequence = appended.first_sequence;
        let decoded = Decoded { first_sequence, time_ns, preface: &self.preface, entries: batch };
        self.machine.apply(&decoded).expect("the batch was made for this book");
        self.machine.record(&mut self.index, &decoded)?;
        self.journal_bytes_since_snapshot += self.buffer.payload().len() as u64;
        self.go_on_with_snapshot()
    }

    /// Finds what the batch names and the book has let go. Ids that were never seen cost no disk read.
    fn recall(&mut self, batch: &[BatchEntry]) -> Result<(), LedgerFault> {
        self.preface.recalled.clear();
        self.wanted.clear();
        if self.machine.book.floor() == 0 {
            return Ok(());
        }
        let book = &self.machine.book;
        let unknown = |id: &TransferId| id.0 != 0 && book.find_transfer(*id).is_none();
        for some in batch.chunks(LOOK_AHEAD_IDS) {
            book.look_ahead(some.iter().filter_map(transfer_named));
            self.wanted.extend(some.iter().filter_map(transfer_named).filter(unknown).map(key_of));
        }
        self.index.may_hold_each(&self.wanted, &mut self.hits);
        for (key, _) in self.wanted.iter().zip(&self.hits).filter(|(_, hit)| **hit) {
            let known = |transfer: &FinalTransfer| key_of(transfer.id) == *key;
            if self.preface.recalled.iter().any(known) {
                continue;
            }
            if let Some(record) = self.reader.find(key)? {
                let sequence = self.reader.covered_through();
                let event = TransferEvent::decode(&record);
                let event = event.ok_or(LedgerFault::Differs { what: "an index record", sequence })?;
                self.preface.recalled.push(event.transfer);
            }
        }
        Ok(())
    }

    fn check_poison(&self) -> Result<(), LedgerFault> {
        self.poison.clone().map_or(Ok(()), Err)
    }

    /// A fault stays: every later call returns it.
    fn or_poison<T>(&mut self, done: Result<T, LedgerFault>) -> Result<T, LedgerFault> {
        done.inspect_err(|fault| self.poison = Some(fault.clone()))
    }
}

/// Snapshots.
impl<S: Storage> Ledger<S> {
    /// Takes a snapshot of the state as it is now, and waits until it is on disk. Returns its sequence number. Snapshots are
    /// also taken without being asked for, every [`LedgerOptions::snapshot_every_bytes`], in portions between batches.
    pub fn snapshot(&mut self) -> Result<u64, LedgerFault> {
        self.check_poison()?;
        let taken = self.take_snapshot();
        self.or_poison(taken)
    }

    fn take_snapshot(&mut self) -> Result<u64, LedgerFault> {
        // One that was begun before this call is of an earlier state.
        self.finish_snapshot()?;
        let sequence = self.durable_sequence();
        self.begin_snapshot()?;
        self.finish_snapshot()?;
        self.index.wait_covered(sequence)?;
        Ok(sequence)
    }

    /// The index is cut at the same place, so that what the snapshot does not have is in the journal behind it.
    fn begin_snapshot(&mut self) -> Result<(), LedgerFault> {
        let place = self.journal.place();
        let sequence = place.next_sequence - 1;
        self.index.cut(sequence, self.machine.book.now_ns())?;
        let body_bytes = self.machine.book.begin_capture();
        self.snapshotting = Snapshotting::Capturing(self.snapshots.begin(sequence, &place.to_bytes(), body_bytes)?);
        self.journal_bytes_since_snapshot = 0;
        Ok(())
    }

    /// A step of the snapshot, small enough to stand between two batches.
    fn go_on_with_snapshot(&mut self) -> Result<(), LedgerFault> {
        let is_due = self.journal_bytes_since_snapshot >= self.options.snapshot_every_bytes;
        match core::mem::replace(&mut self.snapshotting, Snapshotting::Idle) {
            Snapshotting::Idle if is_due => self.begin_snapshot(),
            Snapshotting::Idle => Ok(()),
            Snapshotting::Capturing(mut writer) => {
                let room = writer.room_bytes();
                self.capture(writer, room.min(CAPTURE_BYTES_PER_BATCH))
            }
            Snapshotting::Finishing(mut finishing) => {
                match finishing.poll() {
                    Some(finished) => finished.map(|_| ())?,
                    None => self.snapshotting = Snapshotting::Finishing(finishing),
                }
                Ok(())
            }
        }
    }

    /// All that is left of the snapshot, at once.
    fn finish_snapshot(&mut self) -> Result<(), LedgerFault> {
        loop {
            match core::mem::replace(&mut self.snapshotting, Snapshotting::Idle) {
                Snapshotting::Idle => return Ok(()),
                Snapshotting::Capturing(writer) => self.capture(writer, CAPTURE_BYTES_PER_BATCH)?,
                Snapshotting::Finishing(finishing) => finishing.wait().map(|_| ())?,
            }
        }
    }

    fn capture(&mut self, mut writer: SnapshotWriter<S>, bytes_max: usize) -> Result<(), LedgerFault> {
        let mut written: Result<(), SnapshotFault> = Ok(());
        let more = self.machine.book.capture(bytes_max, |offset, bytes| {
            if written.is_ok() {
                written = writer.page(offset, bytes);
            }
        });
        written?;
        let next = if more { Snapshotting::Capturing(writer) } else { Snapshotting::Finishing(writer.finish()) };
        self.snapshotting = next;
        Ok(())
    }
}

/// What becomes of old segments.
impl<S: Storage> Ledger<S> {
    /// What a policy asks for, of closed segments of the journal: to be compressed, moved to the archive, deleted there. It is
    /// data: whoever gets it carries it out ([`RetentionPlan::carry_out`]) with clones of the directories, on this thread or on
    /// another one, while the ledger goes on. What the oldest kept snapshot or the index still needs does not leave.
    pub fn retention_plan(&self, policy: &RetentionPolicy) -> Result<RetentionPlan, LedgerFault> {
        let here = list_segments(&self.segments.here)?;
        let archived = match &self.segments.archive {
            Some(archive) => list_segments(archive)?,
            None => Vec::new(),
        };
        let oldest = self.snapshots.positions()?.first().copied().unwrap_or(0);
        Ok(policy.plan(&here, &archived, &[oldest, self.indexed_sequence()]))
    }
}

/// What can be asked without writing. See also `query.rs`.
impl<S: Storage> Ledger<S> {
    /// Accounts, open reservations, and the newest final transfers.
    pub fn book(&self) -> &Book {
        &self.machine.book
    }

    /// What opening has found.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Everything up to this sequence number is on disk and applied.
    pub fn durable_sequence(&self) -> u64 {
        self.journal.durable().through_sequence()
    }

    /// Everything up to this sequence number is in index files.
    pub fn indexed_sequence(&self) -> u64 {
        self.index.covered_through()
    }

    /// The journal's name.
    pub fn lineage(&self) -> Lineage {
        self.journal.lineage()
    }

    /// BLAKE3 of the state: equal on every machine at the same sequence number.
    pub fn state_digest(&self) -> [u8; 32] {
        self.machine.book.digest()
    }

    /// Marks the journal's end, so that damage to what stands before it is found. To be called when the ledger is idle for a
    /// while; closing it by [`Ledger::close`] does the same.
    pub fn mark(&mut self) -> Result<(), LedgerFault> {
        self.check_poison()?;
        let marked = self.journal.append_mark();
        self.or_poison(marked.map_err(LedgerFault::Journal))
    }

    /// Marks the journal's end and takes a snapshot, so that the next start has nothing to replay.
    pub fn close(mut self) -> Result<(), LedgerFault> {
        self.mark()?;
        self.snapshot().map(|_| ())
    }
}

/// The transfer an entry names.
fn transfer_named(entry: &BatchEntry) -> Option<TransferId> {
    match entry.request {
        Request::Transfer(spec) => Some(spec.id),
        Request::Post { transfer, .. } | Request::Void { transfer } => Some(transfer),
        Request::Open(_)
        | Request::SetCap { .. }
        | Request::SetCreditCap { .. }
        | Request::Freeze(_)
        | Request::Thaw(_)
        | Request::Close(_) => None,
    }
}

/// Sixteen bytes of the system's randomness.
fn draw_lineage(path: &Path) -> Result<Lineage, LedgerFault> {
    let mut bytes = [0; 16];
    let drawn = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    match drawn {
        Ok(16) => Ok(Lineage(bytes)),
        _ => Err(LedgerFault::Directory {
            path: path.display().to_string(),
            detail: "the system gives no random numbers to name a new journal".to_owned(),
        }),
    }
}

/// The state as the newest usable snapshot and the journal behind it give it.
///
/// A snapshot is usable up to where the index is whole: what is replayed behind it gives the index what that lacks.
fn recover<S: Storage>(
    segments: &Segments<S>,
    options: &LedgerOptions,
    index: &mut Index<S, LedgerSchema>,
    snapshots: &mut Snapshots<S>,
    report: &mut OpenReport,
) -> Result<(Machine, Journal<S>), LedgerFault> {
    let start = load(options, index, snapshots, report)?;
    let (mut machine, place) = match start {
        Some((machine, place)) => (machine, Some(place)),
        None => (Machine::new(options.book()), None),
    };
    let mut reading = Reading::default();
    let visit = |batch: Batch<'_>| replay(&mut machine, index, &mut reading, &batch);
    let here = segments.here.clone();
    let opened = match segments.archive.clone() {
        Some(archive) => Journal::open_with_archive(here, archive, options.journal(), place, visit),
        None => Journal::open_after(here, options.journal(), place, visit),
    };
    let (journal, scanned) = match opened {
        // An older snapshot might do, and would hide that batches which were on disk are gone.
        Err(JournalFault::NoSuchPlace { position, reason, .. }) => {
            return Err(LedgerFault::JournalLost { what: "a snapshot", position: position.to_string(), reason });
        }
        opened => opened?,
    };
    if index.covered_through() >= scanned.next_sequence {
        let position = format!("sequence {}", index.covered_through());
        return Err(LedgerFault::JournalLost { what: "the index", position, reason: PlaceDoubt::BeyondEnd });
    }
    report.snapshot_sequence = place.map(|place| place.next_sequence - 1);
    report.journal = Some(scanned);
    Ok((machine, journal))
}

/// A start to replay from: the newest whole snapshot that the index reaches to.
fn load<S: Storage>(
    options: &LedgerOptions,
    index: &mut Index<S, LedgerSchema>,
    snapshots: &mut Snapshots<S>,
    report: &mut OpenReport,
) -> Result<Option<(Machine, JournalPlace)>, LedgerFault> {
    let loaded = snapshots.load(index.covered_through(), |snapshot, body| {
        let place = snapshot.owner.as_slice().try_into().map(JournalPlace::from_bytes);
        let place = place.map_err(|_| "it names no place in a journal".to_owned())?;
        let book = Book::restore(options.book(), body).map_err(|fault| fault.to_string())?;
        Ok((Machine::of(book), place))
    })?;
    report.refused_snapshots.extend(loaded.refused.iter().map(ToString::to_string));
    let newest = loaded.found.map(|(_, made)| made);
    if let Some((machine, place)) = &newest {
        // What is replayed behind it is all that the index still needs.
        index.end_batch(place.next_sequence - 1, machine.book.now_ns())?;
    }
    Ok(newest)
}

/// Takes a batch of the journal up into book and index.
fn replay<S: Storage>(
    machine: &mut Machine,
    index: &mut Index<S, LedgerSchema>,
    reading: &mut Reading,
    batch: &Batch<'_>,
) -> Result<(), String> {
    let words = |fault: IndexFault| fault.to_string();
    let decoded = reading.decode(batch)?;
    make_room(machine, index, decoded.preface.final_transfers_max).map_err(words)?;
    machine.apply(&decoded)?;
    machine.record(index, &decoded).map_err(words)
}

/// Makes ready for a batch: lets the oldest final transfers go, once they are in index files, and begins a run in the book
/// where the index has.
fn make_room<S: Storage>(
    machine: &mut Machine,
    index: &mut Index<S, LedgerSchema>,
    final_transfers_max: u32,
) -> Result<(), IndexFault> {
    machine.book.set_final_transfers_max(final_transfers_max);
    let leaving = machine.book.leaving_through();
    if leaving > index.cut_through() {
        // The window is smaller than the open run.
        index.cut(machine.book.position(), machine.book.now_ns())?;
    }
    if leaving > index.covered_through() {
        index.wait_covered(leaving)?;
    }
    machine.follow_run(index.run());
    machine.book.trim();
    Ok(())
}
