//! The index: finds what the journal has brought forth, on disk, by key, by group and by time.
//!
//! It knows nothing of what it finds: records of one size, described by an [`IndexSchema`]. What goes in: records in the order
//! of the journal, and the state of each group before its first record of a run. What comes out: records, pages of them,
//! states of groups at a time, and, without a look at the disk, whether a key can be there at all. Its form on disk, and what
//! is decided when it is opened, stand in `docs/formats/index.md`.
//!
//! It is no truth of its own: all of it can be made again by replay of the journal. So what is damaged is dropped, never
//! repaired and never believed.
//!
//! It must never: say that something is covered which a crash can take away; answer from a block whose check value does not
//! match; deny a key that is there; hold more in memory than filters, tables, a bounded number of runs and of the newest keys;
//! stand in the journal's way on the disk for longer than one portion, which is small as long as nobody waits for the files.
//!
//! ```text
//!   push, push_state --> Run (open) --cut--> Runs (unfinished) --Builder, on a thread of its own--> FileSet (published)
//!                                                                |                                       |
//!                                                                +-- makes and merges files of keys,     +--> IndexReader
//!                                                                    in steps
//! ```

mod block;
mod build;
mod chunk;
mod fault;
mod files;
mod filter;
mod footer;
mod keys;
mod merge;
mod open;
mod overview;
mod pace;
mod query;
mod reader;
mod recent;
mod records;
mod run;
mod sort;
mod verify;
mod work;

use core::marker::PhantomData;
use std::collections::VecDeque;
use std::sync::Arc;

pub use fault::{DropReason, IndexDamage, IndexFault};
pub use open::{DroppedFile, IndexReport};
pub use query::{GroupQuery, Page, TimePage, TimeQuery};
pub use reader::IndexReader;
pub use verify::IndexVerified;

use crate::journal::{Lineage, Storage};
use crate::limits::{
    INDEX_FILTER_BITS_PER_KEY_DEFAULT, INDEX_FILTER_BITS_PER_KEY_MAX, INDEX_KEYS_IN_MEMORY_DEFAULT,
    INDEX_KEYS_IN_MEMORY_MAX, INDEX_MERGE_FAN_IN_DEFAULT, INDEX_MERGE_FAN_IN_MAX, INDEX_RECORD_BYTES_MAX,
    INDEX_RUN_RECORDS_DEFAULT, INDEX_RUN_RECORDS_MAX, INDEX_RUNS_UNFINISHED_MAX,
};
use block::BlockReader;
use build::{Builder, Published};
use files::{FileSet, QuestionRoom};
use footer::Common;
use open::{settle, survey};
use query::{Part, Parts};
use run::Run;
use work::Work;

/// What an index holds: the owner's records, as far as the index has to understand them.
pub trait IndexSchema: Send + Sync + 'static {
    /// Which kind of records this is; stands in every file, and a file of another kind is not read.
    const FORMAT: u32;
    /// The size of every record, 1 to [`INDEX_RECORD_BYTES_MAX`].
    const RECORD_BYTES: usize;
    /// What the records of a group have come to: balances, a count. The default is that of a group without records.
    type State: Copy + Default + PartialEq + core::fmt::Debug + Send + Sync;

    /// Sequence number and time of a record. From record to record neither goes back.
    fn position(record: &[u8]) -> (u64, u64);

    /// The key by which it is found. At most one record a key is expected; of several the newest is found.
    fn key(record: &[u8]) -> Option<[u8; 16]>;

    /// The groups it belongs to. Naming one twice is naming it once.
    fn groups(record: &[u8]) -> [Option<u64>; 2];

    /// What a record makes of a group's state.
    fn advance(state: &mut Self::State, group: u64, record: &[u8]);

    /// Appends a state, in at most [`INDEX_STATE_BYTES_MAX`](crate::limits::INDEX_STATE_BYTES_MAX) bytes.
    fn encode_state(state: &Self::State, out: &mut Vec<u8>);

    /// Reads what [`Self::encode_state`] has written; `None` for anything else.
    fn decode_state(bytes: &[u8]) -> Option<Self::State>;
}

/// The groups of a record, each once.
pub(crate) fn groups_of<X: IndexSchema>(record: &[u8]) -> impl Iterator<Item = u64> + use<X> {
    let [first, second] = X::groups(record);
    first.into_iter().chain(second.filter(|second| Some(*second) != first))
}

/// Who writes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexWork {
    /// A thread of its own, beside the owner.
    Beside,
    /// The owner, whenever a run is cut, merging included: same order of operations in every run.
    Inline,
    /// The owner, a portion each time it calls [`Index::work`]: what the thread does, at times that a simulator chooses.
    Portions,
}

/// How an index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// A run is cut at the first end of a batch with so many records in it.
    pub run_records: u32,
    /// The keys of so many of the newest records, and of little more, are in memory and in no file; with so many together a file
    /// is made of them. Whoever opens the index reads so many records.
    pub keys_in_memory: u32,
    /// So many neighbours of one tier are merged into one of the next, from 2 up.
    pub merge_fan_in: usize,
    /// Memory of the filters; with more, fewer questions about unknown keys need the disk.
    pub filter_bits_per_key: u32,
    /// Of the keys' hash, drawn at random by the caller, so that nobody can choose ids that collide. An index that has files
    /// goes on with the seed it has.
    pub seed: u64,
    /// Who writes the files.
    pub work: IndexWork,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions {
            run_records: INDEX_RUN_RECORDS_DEFAULT,
            keys_in_memory: INDEX_KEYS_IN_MEMORY_DEFAULT,
            merge_fan_in: INDEX_MERGE_FAN_IN_DEFAULT,
            filter_bits_per_key: INDEX_FILTER_BITS_PER_KEY_DEFAULT,
            seed: 0,
            work: IndexWork::Beside,
        }
    }
}

/// An index, open for writing. There is one at a time.
///
/// The owner pushes the records of a batch, then ends the batch. After a fault every later call that can fail returns it
/// again, and the process should stop.
///
/// Started again, the owner replays what it has and pushes all of it: what is covered already is passed over. Whoever starts
/// behind a snapshot ends the batch of the snapshot's position first ([`Self::end_batch`]), and may do so only where that
/// position is not above [`Self::covered_through`]. If [`Self::run`] is 0 at the end of the replay, the index is ahead of the
/// journal: somebody has put back an older copy of the journal, and the index's files must be removed.
pub struct Index<S: Storage, X: IndexSchema> {
    options: IndexOptions,
    reader: Arc<BlockReader<S>>,
    published: Arc<Published>,
    /// What was published when the owner looked last; it looks between batches, so that a batch sees one set of files.
    files: Arc<FileSet>,
    /// How many changes had been published then.
    changes_seen: u64,
    /// Cut, and not in `files` yet.
    unfinished: VecDeque<Arc<Run>>,
    /// In files since, the oldest first; their memory is for the runs after the open one. With those that are not in files there are no more than are
    /// ever unfinished, and one.
    finished: VecDeque<Arc<Run>>,
    run: Run,
    /// Of the keys that were asked about last: room that is kept.
    question_room: QuestionRoom,
    /// Until the replay has come to the end of what the files cover.
    is_replaying: bool,
    work: Work<S, X>,
    poison: Option<IndexFault>,
    schema: PhantomData<fn() -> X>,
}

impl<S: Storage, X: IndexSchema> Index<S, X> {
    /// Opens the index in a directory, or begins one. Keeps what is in order, removes all else, and says so in the report.
    pub fn open(storage: S, lineage: Lineage, options: IndexOptions) -> Result<(Index<S, X>, IndexReport), IndexFault> {
        check_options::<X>(&options)?;
        storage.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => IndexFault::Locked { directory: storage.path_of(".") },
            _ => IndexFault::on(&storage, "lock", ".")(error),
        })?;
        // What the process before has renamed is there after the next crash too.
        storage.sync_dir().map_err(IndexFault::on(&storage, "sync", "."))?;
        let reader = Arc::new(BlockReader::new(storage));
        let common = common::<X>(lineage);
        let mut survey = survey(&reader, &common, options.seed, options.keys_in_memory)?;
        survey.load_recent::<S, X>(&reader)?;
        settle::<S, X>(&reader, &common, &options, &mut survey)?;
        let report = survey.report();

        let files = Arc::new(survey.files);
        let published = Arc::new(Published::new(files.clone()));
        let builder = Builder::new(reader.clone(), common, options, published.clone());
        let span = files.last_span();
        let index = Index {
            options,
            reader,
            published,
            run: Run::after(files.last_run() + 1, &span, None),
            question_room: QuestionRoom::default(),
            is_replaying: span.through_sequence > 0,
            files,
            changes_seen: 0,
            unfinished: VecDeque::new(),
            finished: VecDeque::with_capacity(INDEX_RUNS_UNFINISHED_MAX + 1),
            work: Work::start(builder, options.work)?,
            poison: None,
            schema: PhantomData,
        };
        Ok((index, report))
    }

    /// Reads an index from end to end, changes nothing, and takes no lock: nobody may be writing it. The first thing that is
    /// not in order is the fault; files that opening would drop are in the report.
    pub fn verify(storage: S, lineage: Lineage) -> Result<IndexVerified, IndexFault> {
        verify::verify::<S, X>(storage, lineage)
    }

    /// Every record with this sequence number or one below is in files, durably.
    pub fn covered_through(&self) -> u64 {
        self.files.last_span().through_sequence
    }

    /// Every record with this sequence number or one below is in files, or in runs that are cut and will be.
    pub fn cut_through(&self) -> u64 {
        self.run.span.after_sequence
    }

    /// The number of the open run, from 1; 0 while what is replayed is covered already.
    pub fn run(&self) -> u32 {
        if self.is_replaying { 0 } else { self.run.number }
    }

    /// Adds a record. One that is covered already is passed over.
    ///
    /// # Panics
    /// When it has another size, or its sequence number or time goes back: a bug of the owner.
    pub fn push(&mut self, record: &[u8]) {
        assert_eq!(record.len(), X::RECORD_BYTES, "all records have one size");
        let (sequence, time_ns) = X::position(record);
        let span = &mut self.run.span;
        if sequence <= span.after_sequence {
            assert!(self.is_replaying, "a record before the end of the last batch");
            return;
        }
        assert!(sequence >= span.through_sequence, "sequence numbers never go back");
        assert!(time_ns >= span.through_time_ns, "time never goes back");
        span.through_sequence = sequence;
        span.through_time_ns = time_ns;
        self.is_replaying = false;
        self.run.push(record);
    }

    /// Gives the state of a group before the next record that is pushed. Needed once a run and group, before the group's first
    /// record in it; of several the first counts.
    pub fn push_state(&mut self, group: u64, state: &X::State) {
        if !self.is_replaying {
            self.run.push_state::<X>(group, state);
        }
    }

    /// All records up to this sequence number are pushed. Cuts the run when it is full; then waits while too many are
    /// unfinished. Brings the fault of the thread that writes.
    ///
    /// # Panics
    /// When the sequence number or the time goes back: a bug of the owner.
    pub fn end_batch(&mut self, through: u64, time_ns: u64) -> Result<(), IndexFault> {
        self.end(through, time_ns)?;
        if self.run.span.records >= u64::from(self.options.run_records) { self.cut_run() } else { Ok(()) }
    }

    /// Ends the batch, and the run with it, even an empty one, so that [`Self::covered_through`] comes to reach `through`.
    /// Meant for the time before a snapshot.
    ///
    /// # Panics
    /// When the sequence number or the time goes back: a bug of the owner.
    pub fn cut(&mut self, through: u64, time_ns: u64) -> Result<(), IndexFault> {
        self.end(through, time_ns)?;
        if self.run.span.through_sequence > self.run.span.after_sequence { self.cut_run() } else { Ok(()) }
    }

    /// Waits until everything up to a sequence number is covered, or until all runs that are cut are in files.
    pub fn wait_covered(&mut self, through: u64) -> Result<(), IndexFault> {
        self.check_poison()?;
        let last_cut = self.run.number - 1;
        let is_enough = |files: &FileSet| files.last_span().through_sequence >= through || files.last_run() == last_cut;
        self.work.wait(&self.published, is_enough);
        self.refresh()
    }

    /// Looks what has become covered. Waits for nothing; where nothing has, it costs one atomic read.
    pub fn look(&mut self) -> Result<(), IndexFault> {
        self.refresh()
    }

    /// Says that the owner waits for files to be written, or no longer does, without standing still for it as in [`Self::wait_covered`]. While nobody
    /// waits, a thread beside the owner writes them at leisure.
    pub fn hurry(&mut self, is_waited_for: bool) {
        self.work.hurry(is_waited_for);
    }

    /// With [`IndexWork::Portions`], does the next portion of the work: a run's files, or a step of merging. False when there was
    /// nothing to do, and always with the others. The owner's next look between batches sees what was done.
    pub fn work(&mut self) -> Result<bool, IndexFault> {
        let has_worked = self.work.do_portion(&self.published);
        self.published.lock().fault.clone().map_or(Ok(has_worked), Err)
    }

    /// Can a record with this key be in files? "No" is certain for all that [`Self::covered_through`] says; the open run and
    /// unfinished ones are not asked. Reads no disk.
    pub fn may_hold(&self, key: &[u8; 16]) -> bool {
        self.files.may_hold(key)
    }

    /// [`Self::may_hold`] for many keys, the answers in their order.
    pub fn may_hold_each(&mut self, keys: &[[u8; 16]], answers: &mut Vec<bool>) {
        self.files.may_hold_each(keys, &mut self.question_room, answers);
    }

    /// The newest record with a key, of all that was pushed.
    pub fn find(&self, key: &[u8; 16]) -> Result<Option<Vec<u8>>, IndexFault> {
        let in_memory = self.runs_in_memory().rev().find_map(|run| run.find::<X>(key));
        match in_memory {
            Some(record) => Ok(Some(record.to_vec())),
            None => self.files.find::<S, X>(&self.reader, key),
        }
    }

    /// Records of a group, oldest first, of all that was pushed.
    pub fn group_page(&self, query: &GroupQuery) -> Result<Page<X::State>, IndexFault> {
        self.parts().group_page(query)
    }

    /// The number of the group's first record after which `reached` holds; from there on it must hold for ever.
    pub fn group_seek(&self, group: u64, reached: impl Fn(&X::State) -> bool) -> Result<Option<u64>, IndexFault> {
        self.parts().group_seek(group, reached)
    }

    /// The group's state after all its records of this time or before.
    pub fn group_state_at(&self, group: u64, time_ns: u64) -> Result<X::State, IndexFault> {
        self.parts().group_state_at(group, time_ns)
    }

    /// Records of a time, of whatever group, oldest first, of all that was pushed.
    pub fn time_page(&self, query: &TimeQuery) -> Result<TimePage, IndexFault> {
        self.parts().time_page(query)
    }

    /// Records from a number on, of whatever group, as far as they are in memory and no reader may find them in files yet. `None` where they are in files:
    /// then a reader has them. Reads no disk.
    pub fn page_in_memory(&self, from_record: u64, records_max: usize) -> Option<TimePage> {
        let mut runs = self.runs_in_memory();
        if runs.next().is_some_and(|oldest| from_record < oldest.span.first_record) {
            return None;
        }
        let in_memory = Parts::<S, X>::new(&self.reader, self.runs_in_memory().map(Part::Memory).collect());
        let page = in_memory.time_page(&TimeQuery { from_record, records_max, ..TimeQuery::ALL });
        Some(page.unwrap_or_else(|fault| unreachable!("runs in memory are read without the disk: {fault}")))
    }

    /// For other threads: sees what is in files.
    pub fn reader(&self) -> IndexReader<S, X> {
        IndexReader::new(self.published.clone(), self.reader.clone())
    }

    /// Records pushed, those in files included.
    pub fn records(&self) -> u64 {
        self.run.span.end_record()
    }

    /// Files of keys: so many filters are asked for a key at most, after that of the newest keys, which are in none of them, and the one over all files.
    pub fn keys_files(&self) -> usize {
        self.files.keys.len()
    }

    /// Does one filter answer for all files of keys, so that only the few unknown keys that it lets through are asked of each? It is made beside all
    /// other work, once there are two of them.
    pub fn has_overview(&self) -> bool {
        self.files.overview.is_some()
    }

    /// Bytes in memory of filters, tables and the newest keys; the open run, unfinished ones, and a larger overview on its way come on top.
    pub fn memory_bytes(&self) -> usize {
        self.files.memory_bytes()
    }

    fn end(&mut self, through: u64, time_ns: u64) -> Result<(), IndexFault> {
        self.refresh()?;
        let span = &mut self.run.span;
        if self.is_replaying {
            self.is_replaying = through < span.after_sequence;
            if through <= span.after_sequence {
                return Ok(());
            }
        }
        assert!(through >= span.through_sequence, "sequence numbers never go back");
        assert!(time_ns >= span.through_time_ns, "time never goes back");
        span.through_sequence = through;
        span.through_time_ns = time_ns;
        Ok(())
    }

    fn cut_run(&mut self) -> Result<(), IndexFault> {
        if self.unfinished.len() >= INDEX_RUNS_UNFINISHED_MAX {
            let oldest = self.unfinished[0].number;
            self.work.wait(&self.published, |files| files.last_run() >= oldest);
            self.refresh()?;
        }
        let finished = self.finished.pop_front().and_then(Arc::into_inner);
        let next = Run::after(self.run.number + 1, &self.run.span, finished);
        let run = Arc::new(core::mem::replace(&mut self.run, next));
        self.unfinished.push_back(run.clone());
        self.work.take(run, &self.published);
        self.refresh()
    }

    /// Looks at what was published since.
    fn refresh(&mut self) -> Result<(), IndexFault> {
        self.check_poison()?;
        let changes = self.published.changes();
        if changes != self.changes_seen {
            self.changes_seen = changes;
            let progress = self.published.lock();
            self.poison.clone_from(&progress.fault);
            if !Arc::ptr_eq(&self.files, &progress.files) {
                self.files = progress.files.clone();
            }
        }
        let last_run = self.files.last_run();
        while let Some(run) = self.unfinished.pop_front_if(|run| run.number <= last_run) {
            self.finished.push_back(run);
        }
        self.check_poison()
    }

    fn runs_in_memory(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.unfinished.iter().map(Arc::as_ref).chain([&self.run])
    }

    fn parts(&self) -> Parts<'_, S, X> {
        let files = self.files.records.iter().map(|file| Part::File(file));
        Parts::new(&self.reader, files.chain(self.runs_in_memory().map(Part::Memory)).collect())
    }

    fn check_poison(&self) -> Result<(), IndexFault> {
        self.poison.clone().map_or(Ok(()), Err)
    }
}

fn common<X: IndexSchema>(lineage: Lineage) -> Common {
    let record_bytes = u32::try_from(X::RECORD_BYTES).expect("`check_options` has seen it");
    Common { lineage, format: X::FORMAT, record_bytes }
}

fn check_options<X: IndexSchema>(options: &IndexOptions) -> Result<(), IndexFault> {
    let checks = [
        ((1..=INDEX_RECORD_BYTES_MAX).contains(&X::RECORD_BYTES), "record size", X::RECORD_BYTES as u64),
        ((1..=INDEX_RUN_RECORDS_MAX).contains(&options.run_records), "run_records", u64::from(options.run_records)),
        (
            (1..=INDEX_KEYS_IN_MEMORY_MAX).contains(&options.keys_in_memory),
            "keys_in_memory",
            u64::from(options.keys_in_memory),
        ),
        ((2..=INDEX_MERGE_FAN_IN_MAX).contains(&options.merge_fan_in), "merge_fan_in", options.merge_fan_in as u64),
        (
            (1..=INDEX_FILTER_BITS_PER_KEY_MAX).contains(&options.filter_bits_per_key),
            "filter_bits_per_key",
            u64::from(options.filter_bits_per_key),
        ),
    ];
    match checks.iter().find(|(is_within, ..)| !is_within) {
        None => Ok(()),
        Some((_, name, value)) => {
            Err(IndexFault::Options { what: format!("{name} of {value} is not within the limits") })
        }
    }
}
