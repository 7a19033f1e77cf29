//! Making files: of records, run by run; and of keys, once those in memory are enough, and from smaller files.
//!
//! It must never: publish what is not on disk, names included; remove a file that somebody may still read; go on after a
//! failed write or sync.

use core::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::block::BlockReader;
use super::fault::IndexFault;
use super::files::FileSet;
use super::footer::Common;
use super::keys::KeysFile;
use super::merge::{Merge, MergeParts, files_to_merge};
use super::overview::{Overview, OverviewFill};
use super::pace::{Output, Pace};
use super::recent::{Recent, RecentRun, SortScratch};
use super::records::{RecordsFile, RecordsScratch};
use super::run::Run;
use super::{IndexOptions, IndexSchema};
use crate::journal::Storage;

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
    output: Output<S>,
    common: Common,
    options: IndexOptions,
    files: Arc<FileSet>,
    published: Arc<Published>,
    /// Under way, each of a lower tier than the one before it: the last one goes on first, so that a large merge does not make
    /// small files pile up behind it.
    merges: Vec<Merge<S>>,
    /// A larger overview, on its way.
    overview_fill: Option<OverviewFill>,
    /// Merged or joined into others; removed when nobody reads them any more.
    retired_keys: Vec<Arc<KeysFile>>,
    retired_records: Vec<Arc<RecordsFile>>,
    /// Replaced; freed here, so that nobody who asks has to spend time on that.
    retired_recent: Vec<Arc<Recent>>,
    retired_overviews: Vec<Arc<Overview>>,
    records_scratch: RecordsScratch,
    sort_scratch: SortScratch,
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
            output: Output::hurried(reader.storage().clone()),
            reader,
            common,
            options,
            files: published.files(),
            published,
            merges: Vec::new(),
            overview_fill: None,
            retired_keys: Vec::new(),
            retired_records: Vec::new(),
            retired_recent: Vec::new(),
            retired_overviews: Vec::new(),
            records_scratch: RecordsScratch::default(),
            sort_scratch: SortScratch::default(),
            schema: PhantomData,
        }
    }

    pub(crate) fn storage(&self) -> &S {
        self.reader.storage()
    }

    /// How fast files are written from now on.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.output.pace = pace;
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.clone()
    }

    /// Writes the file of a run, and publishes it with its keys. A small run before it is joined with it, if both are no more
    /// than one run and the keys of that one are still in memory: so that an owner who cuts often does not get ever more files.
    pub(crate) fn build(&mut self, run: &Run) -> Result<(), IndexFault> {
        assert_eq!(run.first_run, self.files.last_run() + 1, "runs come in order");
        let run_records = u64::from(self.options.run_records);
        let is_recent = !self.files.recent.runs.is_empty();
        let fits = |last: &&Arc<RecordsFile>| is_recent && last.footer.items + run.span.records <= run_records;
        let Some(small) = self.files.records.last().filter(fits) else { return self.write(run, false) };
        let mut joined = small.load(&self.reader)?;
        joined.append(run);
        self.write(&joined, true)
    }

    /// `replaces_last`: the run has all that the last file of records has.
    fn write(&mut self, run: &Run, replaces_last: bool) -> Result<(), IndexFault> {
        let records = RecordsFile::write::<S, X>(&self.output, self.common, run, &mut self.records_scratch)?;
        let keys = RecentRun::of_run::<X>(self.files.hash, run, &mut self.sort_scratch);
        let recent = self.files.recent.with(keys);
        if replaces_last {
            self.retired_records.extend(self.files.records.last().cloned());
        }
        self.publish(|files| {
            if replaces_last {
                files.records.pop();
            }
            files.records.push(Arc::new(records));
            files.recent = Arc::new(recent);
        });
        Ok(())
    }

    /// Does a portion of making files of keys. False when there is nothing to do.
    pub(crate) fn step(&mut self) -> Result<bool, IndexFault> {
        self.free_retired()?;
        if let Some(parts) = self.next_parts() {
            let how = (self.files.hash, &self.options);
            self.merges.push(Merge::start(&self.output, self.common, how, parts)?);
            return Ok(true);
        }
        // Before merges of files, for it is soon done and spares questions to all of them; after the newest keys, whose memory is bounded.
        if self.merges.last().is_none_or(|merge| merge.tier() > 0) && self.step_overview()? {
            return Ok(true);
        }
        let Some(merge) = self.merges.last_mut() else { return Ok(false) };
        if merge.step(&self.reader)?
            && let Some(merge) = self.merges.pop()
        {
            let (merged, parts) = merge.finish()?;
            self.replace(parts, Arc::new(merged));
        }
        Ok(true)
    }

    /// Does a portion of making a larger overview. False when the one that there is is large enough, or there is one file to ask at most.
    fn step_overview(&mut self) -> Result<bool, IndexFault> {
        let Some(fill) = &mut self.overview_fill else {
            let keys = self.files.keys_in_files();
            let is_due = self.files.overview.as_ref().is_none_or(|overview| overview.is_outgrown(keys));
            self.overview_fill = (is_due && self.files.keys.len() > 1).then(|| OverviewFill::start(&self.files.keys));
            return Ok(self.overview_fill.is_some());
        };
        // It reads as much as a portion of another sort writes, and leaves the disk alone for as long.
        let mut is_full = false;
        self.output.pace.portion(|| fill.step(&self.reader).map(|full| is_full = full))?;
        if is_full {
            let filled = self.overview_fill.take().map(|fill| fill.overview);
            self.retired_overviews.extend(self.files.overview.clone());
            self.publish(|files| files.overview = filled);
        }
        Ok(true)
    }

    /// What is published next has to be in these.
    fn overviews(&self) -> impl Iterator<Item = &Arc<Overview>> {
        self.files.overview.iter().chain(self.overview_fill.iter().map(|fill| &fill.overview))
    }

    /// Tiers of the files of keys, those that are being made included.
    pub(crate) fn tiers(&self) -> u64 {
        let there = self.files.keys.iter().map(|file| file.footer.tier);
        let made = self.merges.iter().map(Merge::tier);
        there.chain(made).max().map_or(1, |highest| u64::from(highest) + 1)
    }

    /// What is to become a file before anything that is under way.
    fn next_parts(&self) -> Option<MergeParts> {
        let is_first = |parts: &MergeParts| self.merges.last().is_none_or(|merge| parts.tier() < merge.tier());
        let recent = self.files.recent.to_write(u64::from(self.options.keys_in_memory));
        let recent = recent.map(|runs| MergeParts::Recent(runs.to_vec())).filter(is_first);
        recent.or_else(|| files_to_merge(&self.files.keys, self.options.merge_fan_in).filter(is_first))
    }

    /// Publishes a file of keys instead of what it was made from.
    fn replace(&mut self, parts: MergeParts, merged: Arc<KeysFile>) {
        match parts {
            MergeParts::Recent(runs) => {
                let recent = Arc::new(self.files.recent.without_oldest(runs.len()));
                self.overviews().for_each(|overview| runs.iter().for_each(|run| overview.add(&run.entries)));
                self.publish(|files| {
                    files.keys.push(merged);
                    files.recent = recent;
                });
            }
            MergeParts::Files(parts) => {
                self.publish(|files| {
                    let at = files.keys.iter().position(|file| Arc::ptr_eq(file, &parts[0]));
                    let at = at.expect("the parts are in the set");
                    files.keys.splice(at..at + parts.len(), [merged]);
                });
                self.retired_keys.extend(parts);
            }
        }
    }

    fn publish(&mut self, change: impl FnOnce(&mut FileSet)) {
        let mut files = FileSet::clone(&self.files);
        change(&mut files);
        if !Arc::ptr_eq(&files.recent, &self.files.recent) {
            self.retired_recent.push(self.files.recent.clone());
        }
        self.files = Arc::new(files);
        self.published.set_files(self.files.clone());
    }

    fn free_retired(&mut self) -> Result<(), IndexFault> {
        self.retired_recent.retain(|recent| Arc::strong_count(recent) > 1);
        self.retired_overviews.retain(|overview| Arc::strong_count(overview) > 1);
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
