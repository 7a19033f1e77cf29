//! From files to an index: what to keep, what to drop and why, what to make anew.
//!
//! The decisions are a table, in `docs/formats/index.md`, section 6, held by a test that goes through it row by row.

use core::fmt;
use std::cmp::Reverse;
use std::sync::Arc;

use super::block::{BlockReader, FileName, Kind, Listed, classify};
use super::fault::{DropReason, IndexFault};
use super::files::FileSet;
use super::filter::KeyHash;
use super::footer::{Common, Span};
use super::keys::KeysFile;
use super::merge::{Merge, MergeParts};
use super::pace::Output;
use super::recent::{Recent, RecentRun, SortScratch, records_of};
use super::records::RecordsFile;
use super::{IndexOptions, IndexSchema};
use crate::journal::Storage;
use crate::limits::INDEX_KEYS_IN_MEMORY_RUNS_MAX;

/// What was found when an index was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexReport {
    /// Runs kept.
    pub runs: u32,
    /// Files of records that hold them: small runs are joined.
    pub records_files: usize,
    /// Records in them.
    pub records: u64,
    /// Files of keys over them.
    pub keys_files: usize,
    /// Every record with this sequence number or one below is in files.
    pub covered_through: u64,
    /// Time of the journal there.
    pub covered_time_ns: u64,
    /// Files that were not kept.
    pub dropped: Vec<DroppedFile>,
    /// The newest records: their keys are in no file yet, and were read from them. That is how it should be; it is more than
    /// [`IndexOptions::keys_in_memory`] only by little.
    pub records_in_memory: u64,
    /// Files of records that should have had keys in files, which had to be made anew.
    pub without_keys: usize,
}

/// A file that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedFile {
    /// Its name within the directory.
    pub name: String,
    /// Why.
    pub reason: DropReason,
}

impl fmt::Display for DroppedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// What a directory holds, before anything is changed.
pub(crate) struct Survey {
    pub(crate) files: FileSet,
    pub(crate) dropped: Vec<DroppedFile>,
    /// Places in `files.records` of those that should have keys in files and have none.
    pub(crate) without_keys: Vec<usize>,
    /// From this place in `files.records` on the keys belong into memory.
    pub(crate) recent_from: usize,
}

impl Survey {
    pub(crate) fn report(&self) -> IndexReport {
        let span = self.files.last_span();
        IndexReport {
            runs: self.files.last_run(),
            records_files: self.files.records.len(),
            records: span.end_record(),
            keys_files: self.files.keys.len(),
            covered_through: span.through_sequence,
            covered_time_ns: span.through_time_ns,
            dropped: self.dropped.clone(),
            records_in_memory: self.files.records[self.recent_from..].iter().map(|file| file.footer.items).sum(),
            without_keys: self.without_keys.len(),
        }
    }

    /// Reads the keys that belong into memory. A file of records that is found damaged is dropped, and all behind it.
    pub(crate) fn load_recent<S: Storage, X: IndexSchema>(
        &mut self,
        reader: &BlockReader<S>,
    ) -> Result<(), IndexFault> {
        let (mut runs, mut scratch) = (Vec::new(), SortScratch::default());
        for (place, file) in self.files.records.iter().enumerate().skip(self.recent_from) {
            match or_dropped(RecentRun::of_file::<S, X>(reader, self.files.hash, file, &mut scratch))? {
                Ok(run) => runs.push(Arc::new(run)),
                Err(reason) => {
                    let mut reasons = [reason].into_iter().chain(core::iter::repeat(DropReason::BehindGap));
                    let dropped = self.files.records.drain(place..).zip(&mut reasons);
                    self.dropped
                        .extend(dropped.map(|(file, reason)| DroppedFile { name: file.footer.name.text(), reason }));
                    break;
                }
            }
        }
        self.files.recent = Arc::new(Recent::of(runs));
        Ok(())
    }
}

/// Looks at all files and changes nothing. `seed` counts where no file of keys says another one; `keys_in_memory` is as in the
/// options.
pub(crate) fn survey<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    seed: u64,
    keys_in_memory: u32,
) -> Result<Survey, IndexFault> {
    let mut dropped = Vec::new();
    let mut listed = list(reader.storage(), &mut dropped)?;
    listed.sort_by_key(|(name, _)| (name.kind, name.first_run, Reverse(name.last_run)));
    let (records, keys): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(name, _)| name.kind == Kind::Records);
    let records = keep_records(reader, common, records, &mut dropped)?;
    let (keys, mut without_keys) = keep_keys(reader, common, keys, &records, &mut dropped)?;
    let recent_from = recent_from(&records, &keys, keys_in_memory);
    without_keys.retain(|place| *place < recent_from);
    let hash = KeyHash::new(keys.first().map_or(seed, |file| file.footer.seed));
    let recent = Arc::new(Recent::of(Vec::new()));
    Ok(Survey { files: FileSet { hash, records, keys, recent, overview: None }, dropped, without_keys, recent_from })
}

/// From which file of records on the keys belong into memory: behind all files of keys, and no more than whoever wrote them had
/// in memory. While the keys of one file's worth are written, those of further runs come; twice as many is more than that ever is.
fn recent_from(records: &[Arc<RecordsFile>], keys: &[Arc<KeysFile>], keys_in_memory: u32) -> usize {
    let in_files = keys.last().map_or(0, |file| file.footer.name.last_run);
    let behind = records.partition_point(|file| file.footer.name.first_run <= in_files);
    let older = records[behind..].split_last().map_or(&[][..], |(_, older)| older);
    let mut total = 0;
    let fits = |file: &&Arc<RecordsFile>| {
        total += file.footer.items;
        total <= 2 * u64::from(keys_in_memory)
    };
    let fitting = older.iter().rev().take(2 * INDEX_KEYS_IN_MEMORY_RUNS_MAX).take_while(fits).count();
    behind + older.len() - fitting
}

/// Removes what the survey does not keep, durably, then makes the keys that are missing.
pub(crate) fn settle<S: Storage, X: IndexSchema>(
    reader: &BlockReader<S>,
    common: &Common,
    options: &IndexOptions,
    survey: &mut Survey,
) -> Result<(), IndexFault> {
    let storage = reader.storage();
    reader.close_all();
    for file in &survey.dropped {
        storage.remove(&file.name).map_err(IndexFault::on(storage, "remove", &file.name))?;
    }
    if !survey.dropped.is_empty() {
        storage.sync_dir().map_err(IndexFault::on(storage, "sync", "."))?;
    }
    let mut scratch = SortScratch::default();
    let mut runs: Vec<Arc<RecentRun>> = Vec::new();
    for place in &survey.without_keys {
        let run = RecentRun::of_file::<S, X>(reader, survey.files.hash, &survey.files.records[*place], &mut scratch)?;
        let goes_on = runs.last().is_some_and(|last| last.runs.1 + 1 == run.runs.0);
        let is_full =
            runs.len() >= INDEX_KEYS_IN_MEMORY_RUNS_MAX || records_of(&runs) >= u64::from(options.keys_in_memory);
        if !goes_on || is_full {
            write_keys(reader, common, options, &mut survey.files, core::mem::take(&mut runs))?;
        }
        runs.push(Arc::new(run));
    }
    write_keys(reader, common, options, &mut survey.files, runs)?;
    survey.files.keys.sort_by_key(|file| file.footer.name);
    Ok(())
}

/// Makes one file of the keys of some runs.
fn write_keys<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    options: &IndexOptions,
    files: &mut FileSet,
    runs: Vec<Arc<RecentRun>>,
) -> Result<(), IndexFault> {
    if runs.is_empty() {
        return Ok(());
    }
    let output = Output::hurried(reader.storage().clone());
    let mut merge = Merge::start(&output, *common, (files.hash, options), MergeParts::Recent(runs))?;
    while !merge.step(reader)? {}
    let (keys, _) = merge.finish()?;
    files.keys.push(Arc::new(keys));
    Ok(())
}

fn list<S: Storage>(storage: &S, dropped: &mut Vec<DroppedFile>) -> Result<Vec<(FileName, u64)>, IndexFault> {
    let mut whole = Vec::new();
    for file in storage.list().map_err(IndexFault::on(storage, "list", "."))? {
        let reason = match classify(&file.name) {
            Listed::Whole(name) => {
                whole.push((name, file.bytes));
                continue;
            }
            Listed::Other => continue,
            Listed::Preparing => DropReason::Unfinished,
            Listed::BadName => DropReason::Name,
        };
        dropped.push(DroppedFile { name: file.name, reason });
    }
    dropped.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(whole)
}

/// From the first run on the widest files that are in order and follow each other.
fn keep_records<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    listed: Vec<(FileName, u64)>,
    dropped: &mut Vec<DroppedFile>,
) -> Result<Vec<Arc<RecordsFile>>, IndexFault> {
    let mut kept: Vec<Arc<RecordsFile>> = Vec::new();
    for (name, bytes) in listed {
        let (next, before) =
            kept.last().map_or((1, Span::NOTHING), |file| (file.footer.name.last_run + 1, file.footer.span));
        let reason = if name.first_run > next {
            DropReason::BehindGap
        } else if name.last_run < next {
            DropReason::Replaced
        } else if name.first_run < next {
            DropReason::NotContinued
        } else {
            match or_dropped(RecordsFile::open(reader, name, bytes, common))? {
                Ok(file) if file.footer.span.continues(&before) => {
                    kept.push(Arc::new(file));
                    continue;
                }
                Ok(_) => DropReason::NotContinued,
                Err(reason) => reason,
            }
        };
        dropped.push(DroppedFile { name: name.text(), reason });
    }
    Ok(kept)
}

/// The widest files of keys that lie side by side over the kept files of records, and the places of those that none covers.
fn keep_keys<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    listed: Vec<(FileName, u64)>,
    records: &[Arc<RecordsFile>],
    dropped: &mut Vec<DroppedFile>,
) -> Result<(Vec<Arc<KeysFile>>, Vec<usize>), IndexFault> {
    let runs = records.last().map_or(0, |file| file.footer.name.last_run);
    let mut kept: Vec<Arc<KeysFile>> = Vec::new();
    for (name, bytes) in listed {
        let next = kept.last().map_or(1, |file| file.footer.name.last_run + 1);
        let reason = if name.last_run > runs {
            DropReason::BehindGap
        } else if name.last_run < next {
            DropReason::Replaced
        } else if name.first_run < next {
            DropReason::NotContinued
        } else if let Some(span) = joined(records, name) {
            match or_dropped(KeysFile::open(reader, name, bytes, common))? {
                Ok(file) if file.footer.span != span => DropReason::NotContinued,
                Ok(file) if kept.first().is_some_and(|first| first.footer.seed != file.footer.seed) => DropReason::Seed,
                Ok(file) => {
                    kept.push(Arc::new(file));
                    continue;
                }
                Err(reason) => reason,
            }
        } else {
            // Its records have been joined with others.
            DropReason::Replaced
        };
        dropped.push(DroppedFile { name: name.text(), reason });
    }
    let has_keys = |file: &RecordsFile| kept.iter().any(|keys| keys.footer.name.covers(file.footer.name));
    let without = (0..records.len()).filter(|at| !has_keys(&records[*at])).collect();
    Ok((kept, without))
}

/// What the files of records cover together that have exactly the runs of a name; `None` where none have.
fn joined(records: &[Arc<RecordsFile>], name: FileName) -> Option<Span> {
    let first = records.binary_search_by_key(&name.first_run, |file| file.footer.name.first_run).ok()?;
    let last = records.binary_search_by_key(&name.last_run, |file| file.footer.name.last_run).ok()?;
    let (first, others) = records.get(first..=last)?.split_first()?;
    Some(others.iter().fold(first.footer.span, |span, file| span.joined(&file.footer.span)))
}

/// Damage drops a file; an error of the disk is the caller's.
fn or_dropped<T>(opened: Result<T, IndexFault>) -> Result<Result<T, DropReason>, IndexFault> {
    match opened {
        Ok(file) => Ok(Ok(file)),
        Err(IndexFault::Damaged { reason, .. }) => Ok(Err(DropReason::Damaged(reason))),
        Err(fault) => Err(fault),
    }
}
