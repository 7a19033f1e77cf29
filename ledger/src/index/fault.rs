//! What can be wrong with an index: each fault says what, where, and what to do.

use core::fmt;
use std::io;

use crate::journal::Storage;
use crate::limits::BLOCK_BYTES;

/// The index cannot go on. Never a business answer: the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexFault {
    /// Another process has the index open for writing.
    Locked {
        /// The directory.
        directory: String,
    },
    /// The options contradict the limits.
    Options {
        /// What contradicts what.
        what: String,
    },
    /// A file is not what was written. It is found when it is read; nothing wrong is ever answered from it.
    Damaged {
        /// The file.
        path: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: IndexDamage,
    },
    /// No space for the next file.
    DiskFull {
        /// The directory.
        directory: String,
    },
    /// The operating system refused something.
    Io {
        /// Which operation.
        operation: &'static str,
        /// On which file.
        path: String,
        /// What kind of error.
        kind: io::ErrorKind,
        /// The system's own words.
        detail: String,
    },
    /// The owner pushed records of a group without its state before the first of them: a bug of the owner.
    StateMissing {
        /// The group.
        group: u64,
        /// The run that was to be written.
        run: u32,
    },
    /// The thread that writes the files has ended without a fault of its own: a bug.
    Ended,
}

impl IndexFault {
    /// Turns the error of a storage operation into a fault that names operation and file; for `map_err`.
    pub(crate) fn on<S: Storage>(storage: &S, operation: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                IndexFault::DiskFull { directory: storage.path_of(".") }
            }
            kind => IndexFault::Io { operation, path: storage.path_of(name), kind, detail: error.to_string() },
        }
    }

    /// A block that is not in order.
    pub(crate) fn damaged<S: Storage>(storage: &S, name: &str, block: u32, reason: IndexDamage) -> IndexFault {
        IndexFault::Damaged { path: storage.path_of(name), offset: u64::from(block) * BLOCK_BYTES, reason }
    }
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { directory } => {
                write!(f, "the index in {directory} is open in another process; stop that one first")
            }
            Self::Options { what } => write!(f, "the index's options do not fit: {what}"),
            Self::Damaged { path, offset, reason } => write!(
                f,
                "the index is damaged in {path} at offset {offset}: {reason}; nothing is lost: remove this file and start \
                 again, and it is made anew from the journal"
            ),
            Self::DiskFull { directory } => {
                write!(f, "no space left for the index in {directory}; make space and start again")
            }
            Self::Io { operation, path, detail, .. } => write!(
                f,
                "could not {operation} {path}: {detail}; check the disk and the permissions, then start again"
            ),
            Self::StateMissing { group, run } => {
                write!(f, "group {group} has records in run {run} but no state before them; this is a bug, report it")
            }
            Self::Ended => f.write_str("the thread that writes the index has ended; this is a bug, report it"),
        }
    }
}

impl std::error::Error for IndexFault {}

/// What is wrong with a file of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexDamage {
    /// The size is not that of the blocks it should have.
    Size,
    /// The footer has another magic.
    Magic,
    /// A format version that this program does not know.
    Version {
        /// The version.
        version: u16,
    },
    /// The records are of another kind.
    Format {
        /// What they are.
        format: u32,
    },
    /// The file is of another journal.
    Lineage,
    /// A block's check value does not match.
    Checksum,
    /// A field of the footer contradicts another one, or the name.
    Footer,
    /// The tables contradict the footer.
    Table,
    /// A chunk of a group cannot be read.
    Chunk,
    /// A state cannot be read.
    State,
    /// A state is not what the records before it make of it.
    StateDiffers,
    /// Records or keys are not in order.
    Order,
    /// A key leads to no record that has it.
    KeyWithoutRecord,
    /// Records have keys or groups that are not found, or the other way round.
    RecordNotFound,
    /// The filter denies a key that is there.
    Filter,
}

impl fmt::Display for IndexDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the size is not that of its blocks",
            Self::Magic => "the last block is no footer",
            Self::Version { version } => return write!(f, "format version {version} is unknown to this program"),
            Self::Format { format } => return write!(f, "the records are of another kind, {format}"),
            Self::Lineage => "the file is of another journal",
            Self::Checksum => "the checksum does not match",
            Self::Footer => "the footer contradicts itself or the name",
            Self::Table => "the tables contradict the footer",
            Self::Chunk => "a chunk of a group cannot be read",
            Self::State => "a state cannot be read",
            Self::StateDiffers => "a state is not what the records before it make",
            Self::Order => "not in order",
            Self::KeyWithoutRecord => "a key leads to no record that has it",
            Self::RecordNotFound => "keys or groups are not those of the records",
            Self::Filter => "the filter denies a key that is there",
        })
    }
}

/// Why a file was not kept when the index was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It was still being written.
    Unfinished,
    /// Its name is none that the index gives.
    Name,
    /// A run before it is missing, or was not kept.
    BehindGap,
    /// It does not go on where the run before it ends.
    NotContinued,
    /// Another file has all it has.
    Replaced,
    /// Its hashes are made with another seed than those of the files before it.
    Seed,
    /// It is damaged.
    Damaged(IndexDamage),
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "it was still being written",
            Self::Name => "the index gives no such names",
            Self::BehindGap => "a run before it is missing",
            Self::NotContinued => "it does not go on where the run before it ends",
            Self::Replaced => "another file has all it has",
            Self::Seed => "its hashes have another seed",
            Self::Damaged(damage) => return damage.fmt(f),
        })
    }
}
