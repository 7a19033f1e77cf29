//! The keys of the newest runs: in memory, in no file yet, and under one filter, so that an unknown id asks one line for all of
//! them. What is here can be made again from `.records`, and is, when the index is opened.
//!
//! A set of them never changes: readers hold one while the next is made. So runs are sorted each by itself, and only the filter
//! is copied.

use std::sync::Arc;

use super::IndexSchema;
use super::block::{BlockReader, FileName};
use super::fault::IndexFault;
use super::filter::{Filter, KeyHash, Question};
use super::footer::Span;
use super::keys::{ENTRY_BYTES, Entry};
use super::records::RecordsFile;
use super::run::Run;
use super::sort::sort_by_hash;
use crate::journal::Storage;
use crate::limits::{INDEX_FILTER_BITS_PER_KEY_SMALL, INDEX_KEYS_IN_MEMORY_RUNS_MAX};

/// The keys of one file of records, sorted.
pub(crate) struct RecentRun {
    pub(crate) runs: (u32, u32),
    pub(crate) span: Span,
    pub(crate) entries: Box<[Entry]>,
}

/// Buffers that sorting needs, kept from run to run.
#[derive(Default)]
pub(crate) struct SortScratch {
    entries: Vec<Entry>,
    spare: Vec<Entry>,
}

impl RecentRun {
    /// The keys of a run that has just been written.
    pub(crate) fn of_run<X: IndexSchema>(hash: KeyHash, run: &Run, scratch: &mut SortScratch) -> RecentRun {
        let numbers = run.span.first_record..;
        let with_keys =
            numbers.zip(run.each_record::<X>()).filter_map(|(number, record)| Some((number, X::key(record)?)));
        scratch.entries.clear();
        scratch.entries.extend(with_keys.map(|(number, key)| Entry { hash: hash.of(&key), number }));
        scratch.sorted((run.first_run, run.number), run.span)
    }

    /// The keys of a file of records, read from it.
    pub(crate) fn of_file<S: Storage, X: IndexSchema>(
        reader: &BlockReader<S>,
        hash: KeyHash,
        file: &RecordsFile,
        scratch: &mut SortScratch,
    ) -> Result<RecentRun, IndexFault> {
        let FileName { first_run, last_run, .. } = file.footer.name;
        let span = file.footer.span;
        scratch.entries.clear();
        file.each_record(reader, 0..file.records(), |place, record| {
            let number = span.first_record + place as u64;
            scratch.entries.extend(X::key(record).map(|key| Entry { hash: hash.of(&key), number }));
            true
        })?;
        Ok(scratch.sorted((first_run, last_run), span))
    }

    /// The record numbers under a hash, ascending.
    pub(crate) fn find(&self, hash: u64) -> impl DoubleEndedIterator<Item = u64> {
        let from = self.entries.partition_point(|entry| entry.hash < hash);
        let count = self.entries[from..].iter().take_while(|entry| entry.hash == hash).count();
        self.entries[from..from + count].iter().map(|entry| entry.number)
    }
}

impl SortScratch {
    /// They come by number, and the sort keeps the order of equal hashes.
    fn sorted(&mut self, runs: (u32, u32), span: Span) -> RecentRun {
        sort_by_hash(&mut self.entries, &mut self.spare, |entry| entry.hash);
        RecentRun { runs, span, entries: self.entries.as_slice().into() }
    }
}

/// The keys of the newest runs, those of the oldest first; they go on where the files of keys end.
pub(crate) struct Recent {
    pub(crate) runs: Vec<Arc<RecentRun>>,
    filter: Filter,
    /// The filter was made for so many keys.
    keys_max: u64,
}

impl Recent {
    pub(crate) fn of(runs: Vec<Arc<RecentRun>>) -> Recent {
        // Room to grow, so that most runs that come are put into a copy of the filter.
        let keys_max = keys_of(&runs).next_power_of_two();
        let mut filter = Filter::for_keys(keys_max, INDEX_FILTER_BITS_PER_KEY_SMALL);
        runs.iter().flat_map(|run| &run.entries).for_each(|entry| filter.insert(entry.hash));
        Recent { runs, filter, keys_max }
    }

    /// With one more run; or, where it has all that the last one has and more, with that instead of the last one.
    pub(crate) fn with(&self, run: RecentRun) -> Recent {
        let mut runs = self.runs.clone();
        if runs.last().is_some_and(|last| last.runs.0 == run.runs.0) {
            runs.pop();
        }
        runs.push(Arc::new(run));
        if keys_of(&runs) > self.keys_max {
            return Recent::of(runs);
        }
        // The keys of a run that is replaced are those of the other one too: the filter holds no more than it has to.
        let mut filter = self.filter.clone();
        runs.iter().rev().take(1).flat_map(|run| &run.entries).for_each(|entry| filter.insert(entry.hash));
        Recent { runs, filter, keys_max: self.keys_max }
    }

    /// Without the oldest runs, whose keys are in a file.
    pub(crate) fn without_oldest(&self, runs: usize) -> Recent {
        Recent::of(self.runs[runs..].to_vec())
    }

    /// The runs whose keys are to be written into a file, if they are enough. The newest is left out: it may yet be joined with
    /// the run to come.
    pub(crate) fn to_write(&self, records_max: u64) -> Option<&[Arc<RecentRun>]> {
        let (_, older) = self.runs.split_last()?;
        let is_full = older.len() >= INDEX_KEYS_IN_MEMORY_RUNS_MAX || records_of(older) >= records_max;
        (is_full && !older.is_empty()).then_some(older)
    }

    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// [`Filter::each_that_may_be_held`].
    pub(crate) fn each_that_may_be_held(&self, questions: &[Question], name: impl FnMut(Question)) {
        self.filter.each_that_may_be_held(questions, name);
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.filter.bytes() + self.runs.iter().map(|run| run.entries.len() * ENTRY_BYTES).sum::<usize>()
    }
}

fn keys_of(runs: &[Arc<RecentRun>]) -> u64 {
    runs.iter().map(|run| run.entries.len() as u64).sum()
}

pub(crate) fn records_of(runs: &[Arc<RecentRun>]) -> u64 {
    runs.iter().map(|run| run.span.records).sum()
}
