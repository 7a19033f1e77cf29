//! From files to an index: what to keep, what to drop and why, what to make anew.
//!
//! The decisions are a table, in `docs/formats/index.md`, section 6, held by a test that goes through it row by row.

use std::cmp::Reverse;
use std::sync::Arc;

use super::block::{BlockReader, FileName, Kind, Listed, classify};
use super::build::write_keys;
use super::fault::{DropReason, IndexFault};
use super::files::FileSet;
use super::filter::KeyHash;
use super::footer::{Common, Span};
use super::keys::{Entry, KeysFile};
use super::records::RecordsFile;
use super::{IndexOptions, IndexSchema};
use crate::journal::Storage;

/// What was found when an index was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexReport {
    /// Runs kept.
    pub runs: u32,
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
    /// Runs whose keys had to be made anew from their records.
    pub runs_without_keys: usize,
}

/// A file that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedFile {
    /// Its name within the directory.
    pub name: String,
    /// Why.
    pub reason: DropReason,
}

/// What a directory holds, before anything is changed.
pub(crate) struct Survey {
    pub(crate) files: FileSet,
    pub(crate) dropped: Vec<DroppedFile>,
    pub(crate) runs_without_keys: Vec<u32>,
}

impl Survey {
    pub(crate) fn report(&self) -> IndexReport {
        let span = self.files.last_span();
        IndexReport {
            runs: self.files.last_run(),
            records: span.end_record(),
            keys_files: self.files.keys.len(),
            covered_through: span.through_sequence,
            covered_time_ns: span.through_time_ns,
            dropped: self.dropped.clone(),
            runs_without_keys: self.runs_without_keys.len(),
        }
    }
}

/// Looks at all files and changes nothing. `seed` counts where no file of keys says another one.
pub(crate) fn survey<S: Storage>(reader: &BlockReader<S>, common: &Common, seed: u64) -> Result<Survey, IndexFault> {
    let mut dropped = Vec::new();
    let mut listed = list(reader.storage(), &mut dropped)?;
    listed.sort_by_key(|(name, _)| (name.kind, name.first_run, Reverse(name.last_run)));
    let (records, keys): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(name, _)| name.kind == Kind::Records);
    let records = keep_records(reader, common, records, &mut dropped)?;
    let (keys, runs_without_keys) = keep_keys(reader, common, keys, &records, &mut dropped)?;
    let seed = keys.first().map_or(seed, |file| file.footer.seed);
    Ok(Survey { files: FileSet { hash: KeyHash::new(seed), records, keys }, dropped, runs_without_keys })
}

/// Removes what the survey does not keep, durably, then makes the keys that are missing.
pub(crate) fn settle<S: Storage, X: IndexSchema>(
    reader: &BlockReader<S>,
    common: &Common,
    options: &IndexOptions,
    survey: &mut Survey,
) -> Result<(), IndexFault> {
    let storage = reader.storage();
    for file in &survey.dropped {
        storage.remove(&file.name).map_err(IndexFault::on(storage, "remove", &file.name))?;
    }
    if !survey.dropped.is_empty() {
        storage.sync_dir().map_err(IndexFault::on(storage, "sync", "."))?;
    }
    let (mut entries, mut spare) = (Vec::new(), Vec::new());
    for run in &survey.runs_without_keys {
        let file = &survey.files.records[*run as usize - 1];
        let (hash, span) = (survey.files.hash, file.footer.span);
        entries.clear();
        file.each_record(reader, 0..file.records(), |place, record| {
            let number = span.first_record + place as u64;
            entries.extend(X::key(record).map(|key| Entry { hash: hash.of(&key), number }));
            true
        })?;
        let keys = write_keys(storage, *common, hash, options, (*run, span), &mut entries, &mut spare)?;
        survey.files.keys.push(Arc::new(keys));
    }
    survey.files.keys.sort_by_key(|file| file.footer.name);
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

/// The runs from the first one on, as far as they are in order and follow each other.
fn keep_records<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    listed: Vec<(FileName, u64)>,
    dropped: &mut Vec<DroppedFile>,
) -> Result<Vec<Arc<RecordsFile>>, IndexFault> {
    let mut kept: Vec<Arc<RecordsFile>> = Vec::new();
    let mut has_gap = false;
    for (name, bytes) in listed {
        let before = kept.last().map_or(Span::NOTHING, |file| file.footer.span);
        let reason = if has_gap || name.first_run as usize != kept.len() + 1 {
            DropReason::BehindGap
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
        has_gap = true;
        dropped.push(DroppedFile { name: name.text(), reason });
    }
    Ok(kept)
}

/// The widest files of keys that lie side by side over the kept runs, and the runs that none of them covers.
fn keep_keys<S: Storage>(
    reader: &BlockReader<S>,
    common: &Common,
    listed: Vec<(FileName, u64)>,
    records: &[Arc<RecordsFile>],
    dropped: &mut Vec<DroppedFile>,
) -> Result<(Vec<Arc<KeysFile>>, Vec<u32>), IndexFault> {
    let runs = records.last().map_or(0, |file| file.footer.name.last_run);
    let mut kept: Vec<Arc<KeysFile>> = Vec::new();
    let mut without = Vec::new();
    let mut next = 1;
    for (name, bytes) in listed {
        let reason = if name.last_run > runs {
            DropReason::BehindGap
        } else if name.last_run < next {
            DropReason::Replaced
        } else if name.first_run < next {
            DropReason::NotContinued
        } else {
            match or_dropped(KeysFile::open(reader, name, bytes, common))? {
                Ok(file) if file.footer.span != joined(records, name) => DropReason::NotContinued,
                Ok(file) if kept.first().is_some_and(|first| first.footer.seed != file.footer.seed) => DropReason::Seed,
                Ok(file) => {
                    without.extend(next..name.first_run);
                    next = name.last_run + 1;
                    kept.push(Arc::new(file));
                    continue;
                }
                Err(reason) => reason,
            }
        };
        dropped.push(DroppedFile { name: name.text(), reason });
    }
    without.extend(next..=runs);
    Ok((kept, without))
}

/// What the runs of a name cover together; they are all kept.
fn joined(records: &[Arc<RecordsFile>], name: FileName) -> Span {
    let runs = &records[name.first_run as usize - 1..name.last_run as usize];
    runs[1..].iter().fold(runs[0].footer.span, |span, run| span.joined(&run.footer.span))
}

/// Damage drops a file; an error of the disk is the caller's.
fn or_dropped<T>(opened: Result<T, IndexFault>) -> Result<Result<T, DropReason>, IndexFault> {
    match opened {
        Ok(file) => Ok(Ok(file)),
        Err(IndexFault::Damaged { reason, .. }) => Ok(Err(DropReason::Damaged(reason))),
        Err(fault) => Err(fault),
    }
}
