//! Making files: of runs, and of smaller files of keys.
//!
//! It must never: publish what is not on disk, names included; remove a file that somebody may still read; go on after a
//! failed write or sync.

use core::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::block::{BlockReader, FileName};
use super::fault::IndexFault;
use super::files::FileSet;
use super::filter::{KeyHash, LINE_BYTES};
use super::footer::{Common, Span};
use super::keys::{ENTRY_BYTES, Entry, KeysCursor, KeysFile, KeysHead, KeysWriter};
use super::records::{RecordsFile, RecordsScratch};
use super::run::Run;
use super::sort::sort_by_hash;
use super::{IndexOptions, IndexSchema};
use crate::journal::Storage;
use crate::limits::INDEX_MERGE_STEP_BYTES;

/// Where the builder says what it has done, and readers look.
pub(crate) struct Published {
    state: Mutex<Progress>,
    changed: Condvar,
    /// How often the state was changed, so that the owner, who looks with every batch, takes the lock only where there is something new.
    changes: AtomicU64,
}

pub(crate) struct Progress {
    pub(crate) files: Arc<FileSet>,
    pub(crate) fault: Option<IndexFault>,
}

impl Published {
    pub(crate) fn new(files: Arc<FileSet>) -> Published {
        let state = Mutex::new(Progress { files, fault: None });
        Published { state, changed: Condvar::new(), changes: AtomicU64::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing panics while it is held; what is in it is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn files(&self) -> Arc<FileSet> {
        self.lock().files.clone()
    }

    /// Whoever reads a number here and then takes the lock sees at least the changes up to it.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.lock();
        change(&mut progress);
        self.changes.fetch_add(1, Ordering::Release);
        drop(progress);
        self.changed.notify_all();
    }

    pub(crate) fn set_files(&self, files: Arc<FileSet>) {
        self.change(|progress| progress.files = files);
    }

    /// The first fault stays.
    pub(crate) fn set_fault(&self, fault: IndexFault) {
        self.change(|progress| {
            progress.fault.get_or_insert(fault);
        });
    }

    /// Waits until `is_enough`, or until there is a fault.
    pub(crate) fn wait(&self, is_enough: impl Fn(&FileSet) -> bool) {
        let mut progress = self.lock();
        while progress.fault.is_none() && !is_enough(&progress.files) {
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The one who writes files.
pub(crate) struct Builder<S: Storage, X> {
    reader: Arc<BlockReader<S>>,
    common: Common,
    options: IndexOptions,
    files: Arc<FileSet>,
    published: Arc<Published>,
    merge: Option<Merge<S>>,
    /// Merged or joined into others; removed when nobody reads them any more.
    retired_keys: Vec<Arc<KeysFile>>,
    retired_records: Vec<Arc<RecordsFile>>,
    records_scratch: RecordsScratch,
    entries: [Vec<Entry>; 2],
    schema: PhantomData<fn() -> X>,
}

impl<S: Storage, X: IndexSchema> Builder<S, X> {
    pub(crate) fn new(
        reader: Arc<BlockReader<S>>,
        common: Common,
        options: IndexOptions,
        published: Arc<Published>,
    ) -> Builder<S, X> {
        Builder {
            reader,
            common,
            options,
            files: published.files(),
            published,
            merge: None,
            retired_keys: Vec::new(),
            retired_records: Vec::new(),
            records_scratch: RecordsScratch::default(),
            entries: [Vec::new(), Vec::new()],
            schema: PhantomData,
        }
    }

    pub(crate) fn storage(&self) -> &S {
        self.reader.storage()
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.clone()
    }

    /// Writes both files of a run, and publishes them. A small run before it is joined with it, if both are no more than one
    /// run: so that an owner who cuts often does not get ever more files.
    pub(crate) fn build(&mut self, run: &Run) -> Result<(), IndexFault> {
        assert_eq!(run.first_run, self.files.last_run() + 1, "runs come in order");
        let run_records = u64::from(self.options.run_records);
        let small = self.files.records.last().filter(|last| last.footer.items + run.span.records <= run_records);
        let Some(small) = small else { return self.write(run, false) };
        let mut joined = small.load(&self.reader)?;
        joined.append(run);
        self.write(&joined, true)
    }

    /// `replaces_last`: the run has all that the last files have.
    fn write(&mut self, run: &Run, replaces_last: bool) -> Result<(), IndexFault> {
        let storage = self.reader.storage();
        let records = RecordsFile::write::<S, X>(storage, self.common, run, &mut self.records_scratch)?;
        let [entries, spare] = &mut self.entries;
        entries.clear();
        let hash = self.files.hash;
        for (number, record) in (run.span.first_record..).zip(run.each_record::<X>()) {
            entries.extend(X::key(record).map(|key| Entry { hash: hash.of(&key), number }));
        }
        let keys = write_keys(
            storage,
            self.common,
            (hash, &self.options),
            (run.first_run, run.number),
            run.span,
            entries,
            spare,
        )?;
        if replaces_last {
            self.retired_records.extend(self.files.records.last().cloned());
            self.retired_keys.extend(self.files.keys.last().cloned());
        }
        self.publish(|files| {
            if replaces_last {
                files.records.pop();
                files.keys.pop();
            }
            files.records.push(Arc::new(records));
            files.keys.push(Arc::new(keys));
        });
        Ok(())
    }

    /// Does a portion of merging. False when there is nothing to merge.
    pub(crate) fn step(&mut self) -> Result<bool, IndexFault> {
        self.remove_retired()?;
        let Some(mut merge) = self.merge.take() else {
            let Some(parts) = parts_to_merge(&self.files.keys, self.options.merge_fan_in) else {
                return Ok(false);
            };
            self.merge = Some(Merge::start(self.reader.storage(), self.common, &self.files, &self.options, parts)?);
            return Ok(true);
        };
        if !merge.step(&self.reader)? {
            self.merge = Some(merge);
            return Ok(true);
        }
        let Merge { parts, writer, .. } = merge;
        let merged = Arc::new(writer.finish()?);
        self.publish(|files| {
            let at = files.keys.iter().position(|file| Arc::ptr_eq(file, &parts[0])).expect("the parts are in the set");
            files.keys.splice(at..at + parts.len(), [merged]);
        });
        self.retired_keys.extend(parts);
        Ok(true)
    }

    fn publish(&mut self, change: impl FnOnce(&mut FileSet)) {
        let mut files = FileSet::clone(&self.files);
        change(&mut files);
        self.files = Arc::new(files);
        self.published.set_files(self.files.clone());
    }

    fn remove_retired(&mut self) -> Result<(), IndexFault> {
        let keys = self.retired_keys.extract_if(.., |file| Arc::strong_count(file) == 1);
        let records = self.retired_records.extract_if(.., |file| Arc::strong_count(file) == 1);
        let names = keys.map(|file| file.footer.name).chain(records.map(|file| file.footer.name));
        let storage = self.reader.storage();
        for name in names {
            self.reader.close(name);
            storage.remove(&name.text()).map_err(IndexFault::on(storage, "remove", &name.text()))?;
        }
        Ok(())
    }
}

/// Sorts the keys of one file of records and writes theirs.
pub(crate) fn write_keys<S: Storage>(
    storage: &S,
    common: Common,
    (hash, options): (KeyHash, &IndexOptions),
    (first_run, last_run): (u32, u32),
    span: Span,
    entries: &mut Vec<Entry>,
    spare: &mut Vec<Entry>,
) -> Result<KeysFile, IndexFault> {
    // They come by number, and the sort keeps the order of equal hashes.
    sort_by_hash(entries, spare, |entry| entry.hash);
    let head = KeysHead {
        common,
        name: FileName::keys(first_run, last_run),
        span,
        tier: 0,
        seed: hash.seed(),
        items: entries.len() as u64,
        filter_bits_per_key: options.filter_bits_per_key,
    };
    let mut writer = KeysWriter::create(storage, head)?;
    entries.iter().try_for_each(|entry| writer.put(*entry))?;
    writer.finish()
}

/// The oldest `fan_in` neighbours of one tier, of the lowest tier that has so many. The newest file is left out: it may yet be
/// joined with the run to come.
fn parts_to_merge(keys: &[Arc<KeysFile>], fan_in: usize) -> Option<Vec<Arc<KeysFile>>> {
    let (_, older) = keys.split_last()?;
    older
        .chunk_by(|a, b| a.footer.tier == b.footer.tier)
        .filter(|neighbours| neighbours.len() >= fan_in)
        .min_by_key(|neighbours| neighbours[0].footer.tier)
        .map(|neighbours| neighbours[..fan_in].to_vec())
}

/// Several files of keys on their way into one.
struct Merge<S: Storage> {
    parts: Vec<Arc<KeysFile>>,
    cursors: Vec<KeysCursor>,
    /// The next entry of each part, or [`Merge::END`].
    heads: Vec<Entry>,
    has_begun: bool,
    writer: KeysWriter<S>,
}

impl<S: Storage> Merge<S> {
    /// Behind every entry: record numbers stay far below.
    const END: Entry = Entry { hash: u64::MAX, number: u64::MAX };

    fn start(
        storage: &S,
        common: Common,
        files: &FileSet,
        options: &IndexOptions,
        parts: Vec<Arc<KeysFile>>,
    ) -> Result<Merge<S>, IndexFault> {
        let (first, last) = (&parts[0].footer, &parts[parts.len() - 1].footer);
        let head = KeysHead {
            common,
            name: FileName::keys(first.name.first_run, last.name.last_run),
            span: parts[1..].iter().fold(first.span, |span, part| span.joined(&part.footer.span)),
            tier: first.tier + 1,
            seed: files.hash.seed(),
            items: parts.iter().map(|part| part.footer.items).sum(),
            filter_bits_per_key: options.filter_bits_per_key,
        };
        let cursors: Vec<KeysCursor> = parts.iter().map(|part| KeysCursor::new(part.clone())).collect();
        let heads = vec![Self::END; parts.len()];
        Ok(Merge { parts, cursors, heads, has_begun: false, writer: KeysWriter::create(storage, head)? })
    }

    /// True when all is written but the footer.
    fn step(&mut self, reader: &BlockReader<S>) -> Result<bool, IndexFault> {
        if !self.has_begun {
            (0..self.cursors.len()).try_for_each(|part| self.advance(reader, part))?;
            self.has_begun = true;
        }
        for _ in 0..INDEX_MERGE_STEP_BYTES / ENTRY_BYTES {
            let (part, entry) = self.least();
            if entry == Self::END {
                return self.writer.step(INDEX_MERGE_STEP_BYTES / LINE_BYTES);
            }
            self.writer.put(entry)?;
            self.advance(reader, part)?;
        }
        Ok(false)
    }

    fn least(&self) -> (usize, Entry) {
        let mut least = (0, self.heads[0]);
        for (part, head) in self.heads.iter().enumerate().skip(1) {
            if *head < least.1 {
                least = (part, *head);
            }
        }
        least
    }

    fn advance(&mut self, reader: &BlockReader<S>, part: usize) -> Result<(), IndexFault> {
        let cursor = &mut self.cursors[part];
        cursor.advance(reader)?;
        self.heads[part] = cursor.peek().unwrap_or(Self::END);
        Ok(())
    }
}
