//! Making one file of keys from several sorted parts: from the keys of runs in memory, or from smaller files, in portions.

use std::sync::Arc;

use super::IndexOptions;
use super::block::{BlockReader, FileName};
use super::fault::IndexFault;
use super::filter::{KeyHash, LINE_BYTES};
use super::footer::{Common, Span};
use super::keys::{ENTRY_BYTES, Entry, KeysCursor, KeysFile, KeysHead, KeysWriter};
use super::pace::Output;
use super::recent::RecentRun;
use crate::journal::Storage;
use crate::limits::INDEX_MERGE_STEP_BYTES;

/// What becomes one file of keys.
pub(crate) enum MergeParts {
    /// Runs whose keys are in memory only: a file of the lowest tier.
    Recent(Vec<Arc<RecentRun>>),
    /// Files of one tier: one of the next.
    Files(Vec<Arc<KeysFile>>),
}

impl MergeParts {
    /// The tier of the file that they become.
    pub(crate) fn tier(&self) -> u32 {
        match self {
            MergeParts::Recent(_) => 0,
            MergeParts::Files(files) => files[0].footer.tier + 1,
        }
    }

    /// Runs, what they cover, and how many keys.
    fn extent(&self) -> (FileName, Span, u64) {
        let each: Vec<((u32, u32), Span, u64)> = match self {
            MergeParts::Recent(runs) => runs.iter().map(|run| (run.runs, run.span, run.entries.len() as u64)).collect(),
            MergeParts::Files(files) => {
                let footers = files.iter().map(|file| file.footer);
                footers
                    .map(|footer| ((footer.name.first_run, footer.name.last_run), footer.span, footer.items))
                    .collect()
            }
        };
        let ((first_run, _), first_span, _) = each[0];
        let ((_, last_run), ..) = each[each.len() - 1];
        let span = each[1..].iter().fold(first_span, |span, part| span.joined(&part.1));
        (FileName::keys(first_run, last_run), span, each.iter().map(|part| part.2).sum())
    }

    fn sources(&self) -> Vec<Source> {
        match self {
            MergeParts::Recent(runs) => runs.iter().map(|run| Source::Recent { run: run.clone(), next: 0 }).collect(),
            MergeParts::Files(files) => files.iter().map(|file| Source::File(KeysCursor::new(file.clone()))).collect(),
        }
    }
}

/// The oldest `fan_in` neighbours of one tier, of the lowest tier that has so many.
pub(crate) fn files_to_merge(keys: &[Arc<KeysFile>], fan_in: usize) -> Option<MergeParts> {
    keys.chunk_by(|a, b| a.footer.tier == b.footer.tier)
        .filter(|neighbours| neighbours.len() >= fan_in)
        .min_by_key(|neighbours| neighbours[0].footer.tier)
        .map(|neighbours| MergeParts::Files(neighbours[..fan_in].to_vec()))
}

/// Gives the entries of a part, in ascending order.
enum Source {
    File(KeysCursor),
    Recent { run: Arc<RecentRun>, next: usize },
}

impl Source {
    fn next<S: Storage>(&mut self, reader: &BlockReader<S>) -> Result<Option<Entry>, IndexFault> {
        match self {
            Source::File(cursor) => {
                cursor.advance(reader)?;
                Ok(cursor.peek())
            }
            Source::Recent { run, next } => {
                let entry = run.entries.get(*next).copied();
                *next += 1;
                Ok(entry)
            }
        }
    }
}

/// Several parts on their way into one file.
pub(crate) struct Merge<S: Storage> {
    parts: MergeParts,
    sources: Vec<Source>,
    /// The next entry of each part, or [`Merge::END`].
    heads: Vec<Entry>,
    has_begun: bool,
    writer: KeysWriter<S>,
}

impl<S: Storage> Merge<S> {
    /// Behind every entry: record numbers stay far below.
    const END: Entry = Entry { hash: u64::MAX, number: u64::MAX };

    pub(crate) fn start(
        output: &Output<S>,
        common: Common,
        (hash, options): (KeyHash, &IndexOptions),
        parts: MergeParts,
    ) -> Result<Merge<S>, IndexFault> {
        let (name, span, items) = parts.extent();
        let filter_bits_per_key = options.filter_bits_per_key;
        let head = KeysHead { common, name, span, tier: parts.tier(), seed: hash.seed(), items, filter_bits_per_key };
        let sources = parts.sources();
        let heads = vec![Self::END; sources.len()];
        Ok(Merge { parts, sources, heads, has_begun: false, writer: KeysWriter::create(output, head)? })
    }

    /// The tier of the file that is being made.
    pub(crate) fn tier(&self) -> u32 {
        self.parts.tier()
    }

    /// Does a portion. True when all is written but the footer.
    pub(crate) fn step(&mut self, reader: &BlockReader<S>) -> Result<bool, IndexFault> {
        if !self.has_begun {
            (0..self.sources.len()).try_for_each(|part| self.advance(reader, part))?;
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

    /// The file is on disk with its name once this has returned; and what it was made from.
    pub(crate) fn finish(self) -> Result<(KeysFile, MergeParts), IndexFault> {
        Ok((self.writer.finish()?, self.parts))
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
        self.heads[part] = self.sources[part].next(reader)?.unwrap_or(Self::END);
        Ok(())
    }
}
