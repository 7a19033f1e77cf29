//! Why a ledger cannot go on.

use core::fmt;

use crate::audit::Finding;
use crate::index::IndexFault;
use crate::journal::{JournalFault, PlaceDoubt};
use crate::limits::BATCH_ENTRIES_MAX;
use crate::snapshot::SnapshotFault;

/// The ledger is unwell, or was asked for what it cannot do. Never a business answer: those are [`Reject`](crate::Reject)s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerFault {
    /// The journal cannot be read, written or synced.
    Journal(JournalFault),
    /// The index cannot be read, written or synced.
    Index(IndexFault),
    /// A snapshot cannot be read, written or synced.
    Snapshot(SnapshotFault),
    /// A directory cannot be made or opened.
    Directory {
        /// The directory.
        path: String,
        /// The system's own words.
        detail: String,
    },
    /// The options contradict each other.
    Options {
        /// What contradicts what.
        what: &'static str,
    },
    /// A batch has more entries than a batch may have. Nothing was written; the ledger can go on.
    BatchTooLong {
        /// Its entries.
        entries: usize,
    },
    /// Index or snapshots were made from more of the journal than there is, or from another one: batches that were on disk are
    /// gone. Nothing was changed.
    JournalLost {
        /// What was made from it.
        what: &'static str,
        /// How far that reaches.
        position: String,
        /// What is wrong with the journal there.
        reason: PlaceDoubt,
    },
    /// The sums over the journal and the books do not agree.
    Audit(Finding),
    /// What two copies of the same state say of it differs.
    Differs {
        /// What.
        what: &'static str,
        /// Journal position.
        sequence: u64,
    },
}

impl fmt::Display for LedgerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(fault) => fault.fmt(f),
            Self::Index(fault) => fault.fmt(f),
            Self::Snapshot(fault) => fault.fmt(f),
            Self::Directory { path, detail } => {
                write!(f, "{path}: {detail}; check the path and the permissions, then open the ledger again")
            }
            Self::Options { what } => write!(f, "the ledger's options do not fit: {what}"),
            Self::BatchTooLong { entries } => {
                write!(f, "a batch of {entries} entries is too long, at most {BATCH_ENTRIES_MAX} fit; split it")
            }
            Self::JournalLost { what, position, reason } => write!(
                f,
                "{what} was made from the journal up to {position}, but {reason}: batches that were on disk are missing; \
                 restore the journal's segments from a copy, or remove the index and snapshot directories to go on without them"
            ),
            Self::Audit(finding) => write!(f, "the books do not agree with the journal: {finding}"),
            Self::Differs { what, sequence } => write!(
                f,
                "{what} at sequence {sequence} is not what the journal says; remove the index and snapshot directories, \
                 which are rebuilt from the journal, and start again"
            ),
        }
    }
}

impl std::error::Error for LedgerFault {}

impl From<JournalFault> for LedgerFault {
    fn from(fault: JournalFault) -> LedgerFault {
        LedgerFault::Journal(fault)
    }
}

impl From<IndexFault> for LedgerFault {
    fn from(fault: IndexFault) -> LedgerFault {
        LedgerFault::Index(fault)
    }
}

impl From<SnapshotFault> for LedgerFault {
    fn from(fault: SnapshotFault) -> LedgerFault {
        LedgerFault::Snapshot(fault)
    }
}
