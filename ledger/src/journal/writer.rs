//! The one writer of a journal: append, sync, mark, truncate.

use super::compressed::make_plain;
use super::fault::JournalFault;
use super::place::JournalPlace;
use super::prepare::Preparer;
use super::record::{Batch, BatchHead, HEADER_BYTES, Header, Lineage, RecordBuffer, Tip, record_bytes};
use super::recovery::{ScanReport, cut, walk};
use super::segment::{COPYING_NAME, FIRST_SEGMENT, PREPARING_NAME, Position, list_segments, segment_name};
use super::storage::{Access, Storage};
use super::truncate::Ending;
use super::window::SegmentWindow;
use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// When the next segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// By a thread of its own, ahead of need.
    Ahead,
    /// By the writer, when it needs it: same order of operations in every run.
    WhenNeeded,
}

/// How a journal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// Size of every segment: whole blocks, within the limits. Fixed for as long as the journal lives.
    pub segment_bytes: u64,
    /// Format id of the payloads, stored in each record.
    pub payload_format: u32,
    /// When the next segment is made.
    pub preparation: Preparation,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions { segment_bytes: SEGMENT_BYTES_DEFAULT, payload_format: 0, preparation: Preparation::Ahead }
    }
}

/// Where an appended batch stands. It says nothing about the disk: see [`Durable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The batch's own sequence number.
    pub first_sequence: u64,
    /// That of its last entry, or of the batch when it has none.
    pub last_sequence: u64,
}

/// Proof that everything up to a sequence number is on disk. Only a journal can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    through_sequence: u64,
}

impl Durable {
    /// The last sequence number on disk; 0 when there is none. A later truncation takes it back.
    pub fn through_sequence(self) -> u64 {
        self.through_sequence
    }

    /// Is this sequence number on disk?
    pub fn covers(self, sequence: u64) -> bool {
        sequence <= self.through_sequence
    }
}

/// A journal, open for writing. There is one at a time.
///
/// After a failed write or sync it is poisoned: every later call returns the same fault, and the process should stop. A sync is
/// never retried, because the system may report success for pages it has already given up.
pub struct Journal<S: Storage> {
    storage: S,
    options: JournalOptions,
    file: S::File,
    tip: Tip,
    /// The log as far as it is on disk.
    synced: Tip,
    preparer: Preparer<S>,
    /// For records without a payload of the caller's.
    mark_buffer: RecordBuffer,
    poison: Option<JournalFault>,
}

impl<S: Storage> Journal<S> {
    /// Creates a journal in a directory that has none. The lineage is drawn at random by the caller.
    pub fn create(storage: S, options: JournalOptions, lineage: Lineage) -> Result<Journal<S>, JournalFault> {
        check_options(&options)?;
        lock(&storage)?;
        if !list_segments(&storage)?.is_empty() {
            return Err(JournalFault::Present { directory: storage.path_of(".") });
        }
        remove_preparing(&storage)?;

        let file = storage.create(PREPARING_NAME, options.segment_bytes).map_err(JournalFault::on(
            &storage,
            "create",
            PREPARING_NAME,
        ))?;
        let mut tip = Tip::birth(lineage);
        let birth = tip.mark(tip.position, options.payload_format);
        let mut mark_buffer = RecordBuffer::default();
        mark_buffer.write_record(&birth, |bytes| storage.write_at(&file, 0, bytes)).map_err(JournalFault::on(
            &storage,
            "write",
            PREPARING_NAME,
        ))?;
        storage.sync_data(&file).map_err(JournalFault::on(&storage, "sync", PREPARING_NAME))?;
        name_segment(&storage, FIRST_SEGMENT)?;
        tip.advance(&birth);
        Journal::at(storage, options, file, tip)
    }

    /// Opens a journal, giving `visit` every batch in order on the way. All of them are durable once this has returned.
    ///
    /// A torn tail is cut off and reported; damage refuses the start. The visitor refuses by an error in its own words.
    pub fn open(
        storage: S,
        options: JournalOptions,
        visit: impl FnMut(Batch<'_>) -> Result<(), String>,
    ) -> Result<(Journal<S>, ScanReport), JournalFault> {
        Journal::open_after(storage, options, None, visit)
    }

    /// As [`Self::open`], from a place on: `visit` is given the batches behind it, and the segments before the place's own need
    /// not be there. `None` is the beginning.
    ///
    /// A place that is none of this log refuses the start ([`JournalFault::NoSuchPlace`]) and changes nothing.
    pub fn open_after(
        storage: S,
        options: JournalOptions,
        start: Option<JournalPlace>,
        visit: impl FnMut(Batch<'_>) -> Result<(), String>,
    ) -> Result<(Journal<S>, ScanReport), JournalFault> {
        Journal::open_over(&[storage], options, start, visit)
    }

    /// As [`Self::open_after`], with what has been moved to an archive: for a start from a place, or from the beginning, that is
    /// no longer here.
    pub fn open_with_archive(
        storage: S,
        archive: S,
        options: JournalOptions,
        start: Option<JournalPlace>,
        visit: impl FnMut(Batch<'_>) -> Result<(), String>,
    ) -> Result<(Journal<S>, ScanReport), JournalFault> {
        Journal::open_over(&[storage, archive], options, start, visit)
    }

    /// The journal is in the first of the directories, and only that one is changed.
    fn open_over(
        directories: &[S],
        options: JournalOptions,
        start: Option<JournalPlace>,
        visit: impl FnMut(Batch<'_>) -> Result<(), String>,
    ) -> Result<(Journal<S>, ScanReport), JournalFault> {
        check_options(&options)?;
        let storage = directories[0].clone();
        lock(&storage)?;
        let segments = list_segments(&storage)?;
        let Some(last) = segments.last() else {
            return Err(JournalFault::Absent { directory: storage.path_of(".") });
        };
        let segment_bytes = SegmentWindow::open(&storage, *last, Access::Read, 0)?.segment_bytes;
        check_size(segment_bytes, &options)?;
        remove_preparing(&storage)?;

        // What the crashed process wrote may be in the page cache only, names included. After a failed sync the cache may even
        // claim that it is on disk: so sync, then read what the disk has.
        storage.sync_dir().map_err(JournalFault::on(&storage, "sync", "."))?;
        let name = make_plain(&storage, last)?.name();
        let file = storage.open(&name, Access::Write).map_err(JournalFault::on(&storage, "open", &name))?;
        storage.sync_data(&file).map_err(JournalFault::on(&storage, "sync", &name))?;
        storage.drop_cache(&file).map_err(JournalFault::on(&storage, "drop the cache of", &name))?;

        let (report, tip) = walk(directories, start, visit)?;
        if let Some(torn) = &report.torn {
            assert_eq!(torn.position, tip.position, "the log goes on where it was cut");
            cut(&storage, &file, torn)?;
        }
        Ok((Journal::at(storage, options, file, tip)?, report))
    }

    /// A journal whose log is durable up to `tip`.
    fn at(storage: S, options: JournalOptions, file: S::File, tip: Tip) -> Result<Journal<S>, JournalFault> {
        let preparer = Preparer::start(&storage, options.segment_bytes, options.preparation)?;
        Ok(Journal {
            storage,
            options,
            file,
            tip,
            synced: tip,
            preparer,
            mark_buffer: RecordBuffer::default(),
            poison: None,
        })
    }

    /// Appends one batch: one write, no sync. The buffer keeps its payload.
    ///
    /// # Panics
    /// When the time or the epoch goes back: a bug of the caller.
    pub fn append(&mut self, buffer: &mut RecordBuffer, head: BatchHead) -> Result<Appended, JournalFault> {
        self.check_poison()?;
        assert!(head.time_ns >= self.tip.time_ns, "journal time never goes back");
        assert!(head.epoch >= self.tip.epoch, "epochs never go back");
        let payload_bytes = buffer.payload().len() as u64;
        if payload_bytes > self.batch_bytes_max() {
            return Err(JournalFault::BatchTooBig { payload_bytes, batch_bytes_max: self.batch_bytes_max() });
        }
        // Room for one mark is left, so that a mark never opens a segment.
        if self.tip.position.offset + record_bytes(payload_bytes) + BLOCK_BYTES > self.options.segment_bytes {
            self.roll_over().map_err(|fault| self.poison_with(fault))?;
        }
        let header = self.tip.batch(head, buffer.payload(), self.synced.position, self.options.payload_format);
        self.write(buffer, &header)?;
        Ok(Appended { first_sequence: header.first_sequence, last_sequence: self.tip.next_sequence - 1 })
    }

    /// Puts everything appended on disk, however many batches: one sync, and none when there is nothing new.
    pub fn sync(&mut self) -> Result<Durable, JournalFault> {
        self.check_poison()?;
        self.sync_segment().map_err(|fault| self.poison_with(fault))?;
        Ok(self.durable())
    }

    /// Syncs, then writes and syncs a mark that says so: from now on damage to what stands before it is found. Does nothing
    /// when nothing was appended since the last mark, nor at the beginning of a segment, which recovery can leave behind: what
    /// stands before that is a closed segment, where damage is found without a mark. Meant for idleness, start and shutdown.
    pub fn append_mark(&mut self) -> Result<(), JournalFault> {
        self.sync()?;
        if self.tip.is_marked || self.tip.position.offset == 0 {
            return Ok(());
        }
        let header = self.tip.mark(self.synced.position, self.options.payload_format);
        let mut buffer = core::mem::take(&mut self.mark_buffer);
        let written = self.write(&mut buffer, &header);
        self.mark_buffer = buffer;
        written?;
        self.sync().map(|_| ())
    }

    /// Ends the log behind the batch that ends with this sequence number (0: before the first one), and clears what stood
    /// behind, durably, before it returns. For replication: what was never agreed upon.
    ///
    /// [`JournalFault::NotFound`] when no batch here ends with it; nothing is changed then. After a crash on the way the log ends
    /// somewhere between, at a batch: do it again. A [`JournalReader`](super::JournalReader) that was opened before has to be
    /// opened anew. Segments may not be compressed or archived at the same time.
    pub fn truncate_after(&mut self, sequence: u64) -> Result<(), JournalFault> {
        // With all on disk there is one old end, and what a crash leaves lies between that and the new one.
        self.sync()?;
        let last_sequence = self.tip.next_sequence - 1;
        if sequence == last_sequence {
            return Ok(());
        }
        let ending = if sequence < last_sequence { Ending::find(&self.storage, sequence)? } else { None };
        let ending = ending.ok_or(JournalFault::NotFound { sequence })?;
        check_size(ending.segment_bytes(), &self.options)?;

        // From here the log is changing. Where it ends after a failure only a new start can say.
        let (file, tip) = ending.clear(&self.storage).map_err(|fault| self.poison_with(fault))?;
        assert_eq!(tip.next_sequence - 1, sequence);
        self.file = file;
        self.tip = tip;
        self.synced = tip;
        Ok(())
    }

    /// Payload bytes that fit into one batch.
    pub fn batch_bytes_max(&self) -> u64 {
        batch_bytes_max(self.options.segment_bytes)
    }

    /// What is on disk.
    pub fn durable(&self) -> Durable {
        Durable { through_sequence: self.synced.next_sequence - 1 }
    }

    /// The end of what is on disk, as something to start from later.
    pub fn place(&self) -> JournalPlace {
        self.synced.place()
    }

    /// The sequence number of the next batch.
    pub fn next_sequence(&self) -> u64 {
        self.tip.next_sequence
    }

    /// Journal time of the last batch; 0 when there is none.
    pub fn last_time_ns(&self) -> u64 {
        self.tip.time_ns
    }

    /// The chain digest through the last batch.
    pub fn chain_digest(&self) -> [u8; 32] {
        self.tip.digest
    }

    /// The journal's name.
    pub fn lineage(&self) -> Lineage {
        self.tip.lineage
    }

    /// The end of what is on disk.
    pub fn synced_position(&self) -> Position {
        self.synced.position
    }

    fn write(&mut self, buffer: &mut RecordBuffer, header: &Header) -> Result<(), JournalFault> {
        let position = self.tip.position;
        assert!(position.offset + header.record_bytes() <= self.options.segment_bytes, "a record never spans segments");
        let written = buffer.write_record(header, |bytes| self.storage.write_at(&self.file, position.offset, bytes));
        written.map_err(|error| self.fault("write", error)).map_err(|fault| self.poison_with(fault))?;
        self.tip.advance(header);
        Ok(())
    }

    fn sync_segment(&mut self) -> Result<(), JournalFault> {
        if self.synced.position == self.tip.position {
            return Ok(());
        }
        self.storage.sync_data(&self.file).map_err(|error| self.fault("sync", error))?;
        self.synced = self.tip;
        Ok(())
    }

    /// Of the open segment. Its name is made only here: a batch that is written asks for no memory.
    fn fault(&self, operation: &'static str, error: std::io::Error) -> JournalFault {
        JournalFault::on(&self.storage, operation, &segment_name(self.tip.position.segment))(error)
    }

    /// The old segment is on disk before the new one exists: recovery relies on that order.
    fn roll_over(&mut self) -> Result<(), JournalFault> {
        self.sync_segment()?;
        let file = self.preparer.take()?;
        name_segment(&self.storage, self.tip.next_sequence)?;
        let full = std::mem::replace(&mut self.file, file);
        self.preparer.begin_next(Some(full));
        self.tip.position = Position { segment: self.tip.next_sequence, offset: 0 };
        self.synced = self.tip;
        Ok(())
    }

    fn check_poison(&self) -> Result<(), JournalFault> {
        self.poison.clone().map_or(Ok(()), Err)
    }

    fn poison_with(&mut self, fault: JournalFault) -> JournalFault {
        self.poison = Some(fault.clone());
        fault
    }
}

/// A segment less the birth or closing mark's room at both ends, and less the header.
const fn batch_bytes_max(segment_bytes: u64) -> u64 {
    segment_bytes - 2 * BLOCK_BYTES - HEADER_BYTES as u64
}

const _: () = assert!(batch_bytes_max(SEGMENT_BYTES_MIN) > 0);

fn check_options(options: &JournalOptions) -> Result<(), JournalFault> {
    let bytes = options.segment_bytes;
    if (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(BLOCK_BYTES) {
        return Ok(());
    }
    Err(JournalFault::Options {
        what: format!(
            "a segment has {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes in blocks of {BLOCK_BYTES}, {bytes} are configured"
        ),
    })
}

/// The segment that is written to must have the configured size.
fn check_size(found: u64, options: &JournalOptions) -> Result<(), JournalFault> {
    let wanted = options.segment_bytes;
    if found == wanted {
        return Ok(());
    }
    Err(JournalFault::Options {
        what: format!("segments on disk have {found} bytes, {wanted} are configured; set the configuration back"),
    })
}

fn lock<S: Storage>(storage: &S) -> Result<(), JournalFault> {
    storage.lock().map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => JournalFault::Locked { directory: storage.path_of(".") },
        _ => JournalFault::on(storage, "lock", ".")(error),
    })
}

/// Leftovers of a crash, or of a shutdown before they were needed.
fn remove_preparing<S: Storage>(storage: &S) -> Result<(), JournalFault> {
    let files = storage.list().map_err(JournalFault::on(storage, "list", "."))?;
    for name in [PREPARING_NAME, COPYING_NAME] {
        if files.iter().any(|file| file.name == name) {
            storage.remove(name).map_err(JournalFault::on(storage, "remove", name))?;
        }
    }
    Ok(())
}

/// Gives the prepared file its name, durably.
fn name_segment<S: Storage>(storage: &S, first_sequence: u64) -> Result<(), JournalFault> {
    let name = segment_name(first_sequence);
    storage
        .rename(PREPARING_NAME, &name)
        .and_then(|()| storage.sync_dir())
        .map_err(JournalFault::on(storage, "name", &name))
}
