//! What can be wrong: a [`Flaw`] of one file, which an older one makes good, or a [`SnapshotFault`], which stops the work.

use core::fmt;
use std::io;

use crate::journal::Storage;

/// Snapshots cannot be written, or not even looked for. The journal is not touched by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotFault {
    /// No space for the file. What was written of it is removed.
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
    /// Read back from the disk, the file is not what was written.
    NotAsWritten {
        /// The file.
        path: String,
    },
    /// The pieces of the body did not make up its length.
    Incomplete {
        /// Bytes that were given.
        given: u64,
        /// Bytes that were announced.
        announced: u64,
    },
}

impl SnapshotFault {
    /// Turns the error of a storage operation into a fault that names operation and file; for `map_err`.
    pub(super) fn on<S: Storage>(storage: &S, operation: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                SnapshotFault::DiskFull { directory: storage.path_of(".") }
            }
            kind => SnapshotFault::Io { operation, path: storage.path_of(name), kind, detail: error.to_string() },
        }
    }
}

impl fmt::Display for SnapshotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull { directory } => {
                write!(f, "no space left for a snapshot in {directory}; make space, the journal has everything")
            }
            Self::Io { operation, path, detail, .. } => {
                write!(f, "could not {operation} {path}: {detail}; check the disk and the permissions")
            }
            Self::NotAsWritten { path } => {
                write!(f, "{path} is not what was written to it a moment ago; check the disk")
            }
            Self::Incomplete { given, announced } => {
                write!(f, "a snapshot of {announced} bytes was given {given}: a bug")
            }
        }
    }
}

impl std::error::Error for SnapshotFault {}

/// Why one file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It holds a state that the journal has not reached: it is of another journal, or this one was cut.
    BeyondJournal {
        /// Where the journal ends.
        position_max: u64,
    },
    /// The operating system could not read it.
    Unreadable {
        /// The system's own words.
        detail: String,
    },
    /// Its size is not what its head says.
    Size {
        /// Its size.
        bytes: u64,
    },
    /// The head is damaged.
    Head,
    /// A format version that this program does not know.
    Version {
        /// The version.
        version: u16,
    },
    /// It is of another journal.
    Lineage,
    /// Its body is something else.
    Format {
        /// What it is.
        format: u32,
    },
    /// Its name says another position than its head.
    Name,
    /// The foot, or the table of checksums, is damaged.
    Foot,
    /// A page of the body is damaged.
    Page {
        /// Which, from 0.
        page: u64,
    },
    /// The pages are in order one by one, and yet the body is another.
    Digest,
    /// The file is whole, and its owner cannot use what it says.
    NotTaken {
        /// The owner's words.
        reason: String,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondJournal { position_max } => write!(f, "it is beyond the end of the journal, {position_max}"),
            Self::Unreadable { detail } => write!(f, "it cannot be read: {detail}"),
            Self::Size { bytes } => write!(f, "its size of {bytes} bytes is not what its head says"),
            Self::Head => f.write_str("its head is damaged"),
            Self::Version { version } => write!(f, "its version {version} is unknown to this program"),
            Self::Lineage => f.write_str("it is of another journal"),
            Self::Format { format } => write!(f, "its body has the format {format}, which is not asked for"),
            Self::Name => f.write_str("its name says another position than its head"),
            Self::Foot => f.write_str("its foot is damaged"),
            Self::Page { page } => write!(f, "page {page} of its body is damaged"),
            Self::Digest => f.write_str("the digest of its body is another"),
            Self::NotTaken { reason } => write!(f, "its content cannot be used: {reason}"),
        }
    }
}

impl std::error::Error for Flaw {}
