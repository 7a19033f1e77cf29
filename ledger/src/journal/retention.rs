//! What becomes of closed segments: compressed, archived, deleted. First decided, as data, then done.
//!
//! It must never: let anything leave that something which follows the journal still needs; delete what is not in the archive.

use super::archive::{archive_oldest, delete_oldest};
use super::compressed::compress;
use super::fault::JournalFault;
use super::segment::SegmentFile;
use super::storage::Storage;

/// The rules. The default compresses and keeps everything here.
///
/// | rule | what it means |
/// |---|---|
/// | `plain_min` | so many of the newest closed segments stay plain: they are read most |
/// | `archives` | closed segments leave for the archive, the oldest first |
/// | `closed_here_min` | but so many of the newest closed ones stay here |
/// | what follows the journal | and everything stays here that holds a number from its position on, and the number itself |
/// | `archived_max` | of the archive so many of the newest segments stay; older ones are deleted. `None`: nothing is |
///
/// Nothing is deleted here, and nothing in the round in which it is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// The newest closed segments that stay plain; `usize::MAX`: all of them.
    pub plain_min: usize,
    /// May segments leave for the archive?
    pub archives: bool,
    /// The newest closed segments that stay here in any case.
    pub closed_here_min: usize,
    /// The newest segments that stay in the archive; `None`: all of them.
    pub archived_max: Option<usize>,
}

impl Default for RetentionPolicy {
    fn default() -> RetentionPolicy {
        RetentionPolicy { plain_min: 1, archives: false, closed_here_min: 2, archived_max: None }
    }
}

/// What is to be done, in this order. Segments are named by their first sequence number, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// To be compressed here.
    pub compress: Vec<u64>,
    /// To be moved to the archive.
    pub archive: Vec<u64>,
    /// To be deleted from the archive.
    pub delete: Vec<u64>,
}

impl RetentionPolicy {
    /// Decides, given the segments here and in the archive ([`list_segments`](super::list_segments)), and for each that follows
    /// the journal (the oldest kept snapshot, the index, a copy elsewhere) the last sequence number that it has, durably. Where
    /// nothing is said to follow, nothing leaves.
    pub fn plan(&self, here: &[SegmentFile], archived: &[SegmentFile], followed_through: &[u64]) -> RetentionPlan {
        let followed = followed_through.iter().copied().min().unwrap_or(0);
        let closed = here.len().saturating_sub(1);
        let compressible = here.iter().take(closed.saturating_sub(self.plain_min));
        let compress = compressible.filter(|segment| segment.form == super::SegmentForm::Plain);
        let mut plan =
            RetentionPlan { compress: compress.map(|s| s.first_sequence).collect(), ..RetentionPlan::default() };
        if self.archives {
            let movable = here.windows(2).take(closed.saturating_sub(self.closed_here_min));
            let dispensable = movable.take_while(|pair| pair[1].first_sequence <= followed);
            plan.archive = dispensable.map(|pair| pair[0].first_sequence).collect();
        }
        if let Some(archived_max) = self.archived_max {
            let here_from = here.first().map_or(0, |oldest| oldest.first_sequence);
            let only_there: Vec<u64> =
                archived.iter().map(|s| s.first_sequence).filter(|number| *number < here_from).collect();
            let stays = archived_max.saturating_sub(plan.archive.len());
            let deletable = only_there.len().saturating_sub(stays);
            // A segment ends where the next begins, here or there.
            let next = only_there.iter().copied().skip(1).chain([here_from]);
            let dispensable = only_there.iter().zip(next).take(deletable).take_while(|(_, next)| *next <= followed);
            plan.delete = dispensable.map(|(number, _)| *number).collect();
        }
        plan
    }
}

impl RetentionPlan {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        *self == RetentionPlan::default()
    }

    /// Does it, durably, step by step. After a fault or a crash a new plan takes up what is left. Not while the journal is ended
    /// earlier ([`Journal::truncate_after`](super::Journal::truncate_after)); beside a writer that appends, and beside readers.
    pub fn carry_out<S: Storage>(&self, storage: &S, archive: Option<&S>) -> Result<(), JournalFault> {
        if archive.is_none() && !(self.archive.is_empty() && self.delete.is_empty()) {
            let what = "segments are to be archived, and there is no archive".to_owned();
            return Err(JournalFault::Options { what });
        }
        for first_sequence in &self.compress {
            compress(storage, *first_sequence)?;
        }
        let Some(archive) = archive else { return Ok(()) };
        for first_sequence in &self.archive {
            archive_oldest(storage, archive, *first_sequence)?;
        }
        for first_sequence in &self.delete {
            delete_oldest(storage, archive, *first_sequence)?;
        }
        Ok(())
    }
}
