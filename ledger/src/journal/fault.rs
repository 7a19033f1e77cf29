//! What can be wrong with a journal: each fault says what, where, and what to do.

use core::fmt;
use std::io;

use super::segment::{Position, segment_name};
use super::storage::Storage;
use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// The journal cannot go on. Never a business answer: the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalFault {
    /// There is no journal in the directory.
    Absent {
        /// The directory.
        directory: String,
    },
    /// There is one already, where a new one was to be created.
    Present {
        /// The directory.
        directory: String,
    },
    /// Another process has the journal open for writing.
    Locked {
        /// The directory.
        directory: String,
    },
    /// The options contradict the limits, or what is on disk.
    Options {
        /// What contradicts what.
        what: String,
    },
    /// The log is not what was written. It may not be cut, since what is broken was, or may have been, durable.
    Damaged {
        /// The segment file.
        path: String,
        /// Where in it; of a record in a compressed segment, where in the plain form.
        offset: u64,
        /// What is wrong there.
        reason: Damage,
    },
    /// No space for the next segment.
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
    /// A batch does not fit into a segment. Nothing was written; the journal can go on.
    BatchTooBig {
        /// What was asked for.
        payload_bytes: u64,
        /// What fits.
        batch_bytes_max: u64,
    },
    /// The visitor would not take a batch that the journal found in order.
    NotTaken {
        /// The batch.
        first_sequence: u64,
        /// The visitor's words.
        reason: String,
    },
    /// There is no batch with this sequence number, or none that ends with it.
    NotFound {
        /// The number.
        sequence: u64,
    },
    /// Only closed segments are compressed and archived, and this is none: it is the last one, or not there.
    NotClosed {
        /// The directory.
        directory: String,
        /// The number in its name.
        first_sequence: u64,
    },
    /// The place to start from is none of this log. Nothing was changed; an older place may be one.
    NoSuchPlace {
        /// The directory.
        directory: String,
        /// The place.
        position: Position,
        /// Why not.
        reason: PlaceDoubt,
    },
}

impl JournalFault {
    /// Turns the error of a storage operation into a fault that names operation and file; for `map_err`.
    pub(crate) fn on<S: Storage>(storage: &S, operation: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                JournalFault::DiskFull { directory: storage.path_of(".") }
            }
            kind => JournalFault::Io { operation, path: storage.path_of(name), kind, detail: error.to_string() },
        }
    }
}

impl fmt::Display for JournalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { directory } => {
                write!(f, "there is no journal in {directory}; create one, or point to the directory that holds it")
            }
            Self::Present { directory } => {
                write!(
                    f,
                    "there is a journal in {directory} already; open it, or create the new one in an empty directory"
                )
            }
            Self::Locked { directory } => {
                write!(f, "the journal in {directory} is open in another process; stop that one first")
            }
            Self::Options { what } => write!(f, "the journal's options do not fit: {what}"),
            Self::Damaged { path, offset, reason } => write!(
                f,
                "the journal is damaged in {path} at offset {offset}: {reason}; nothing was changed; \
                 restore this file from a copy, then start again"
            ),
            Self::DiskFull { directory } => {
                write!(f, "no space left for the journal in {directory}; make space and start again")
            }
            Self::Io { operation, path, detail, .. } => write!(
                f,
                "could not {operation} {path}: {detail}; check the disk and the permissions, then start again"
            ),
            Self::BatchTooBig { payload_bytes, batch_bytes_max } => write!(
                f,
                "a batch of {payload_bytes} bytes does not fit into a segment, {batch_bytes_max} do; \
                 cut smaller batches or configure larger segments"
            ),
            Self::NotTaken { first_sequence, reason } => write!(
                f,
                "the batch at sequence {first_sequence} is whole, but could not be replayed: {reason}; \
                 start the program version that wrote it"
            ),
            Self::NotFound { sequence } => {
                write!(f, "the journal has no sequence number {sequence}; ask only for durable ones")
            }
            Self::NotClosed { directory, first_sequence } => write!(
                f,
                "{} is no closed segment in {directory}; only those followed by another can be compressed or archived",
                segment_name(*first_sequence)
            ),
            Self::NoSuchPlace { directory, position, reason } => write!(
                f,
                "the journal in {directory} cannot be read from {position} on: {reason}; nothing was changed; \
                 start from an older place, or from the beginning"
            ),
        }
    }
}

impl std::error::Error for JournalFault {}

/// Why a place is none of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceDoubt {
    /// The log is of another journal.
    Lineage,
    /// Its segment is not there.
    SegmentMissing,
    /// The log ends before it: it was truncated, or is an older copy.
    BeyondEnd,
    /// No record ends there.
    NoBoundary,
    /// Another log stands before it: digest, number, time or epoch differ.
    Differs,
}

impl fmt::Display for PlaceDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lineage => "the log is of another journal",
            Self::SegmentMissing => "that segment is not there",
            Self::BeyondEnd => "the log ends before",
            Self::NoBoundary => "no record ends there",
            Self::Differs => "the log up to there is another",
        })
    }
}

/// What is wrong at a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A file ends in `.segment` but its name is no sequence number.
    SegmentName,
    /// A segment's size is not whole blocks within the limits.
    SegmentSize {
        /// Its size.
        bytes: u64,
    },
    /// The log does not begin with segment 1.
    FirstSegmentMissing,
    /// The segment after this one does not carry the expected number: one between is gone, or the end of this one.
    SegmentMissing {
        /// The number that should come next.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// There should be a record, and there are zeros.
    RecordMissing,
    /// The magic is not there.
    Magic,
    /// A format version that this program does not know.
    Version {
        /// The version.
        version: u16,
    },
    /// The length leaves the segment.
    Length,
    /// The checksum does not match.
    Checksum,
    /// The padding behind the record is not zeros.
    Padding,
    /// A kind of record that this program does not know.
    Kind {
        /// The kind.
        kind: u16,
    },
    /// Reserved header bytes are not zeros.
    Reserved,
    /// The record is of another journal.
    Lineage,
    /// The sequence number does not follow.
    Sequence {
        /// The number that should come next.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// Time goes back.
    Time,
    /// The epoch goes back.
    Epoch,
    /// The chain digest does not follow.
    Chain,
    /// The record claims that more was on disk than had been written.
    SyncedThrough,
    /// A mark where none may stand: with content, after another mark, or at the start of a segment.
    Mark,
    /// The first record is not the birth mark.
    Birth,
    /// The header of a compressed segment is not valid, or of another segment.
    CompressedHeader,
    /// A frame of a compressed segment does not match its checksum. The offset is that of the frame in the compressed file.
    CompressedFrame,
    /// The copy of a segment differs from the segment.
    Copy,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentName => f.write_str("the file name is not a sequence number of twenty digits"),
            Self::SegmentSize { bytes } => write!(
                f,
                "a segment is {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes in blocks of {BLOCK_BYTES}, this one is {bytes}"
            ),
            Self::FirstSegmentMissing => f.write_str("the journal must begin with segment 1"),
            Self::SegmentMissing { expected, found } => {
                write!(f, "the next segment should begin with sequence {expected}, but it begins with {found}")
            }
            Self::RecordMissing => f.write_str("zeros where a record was on disk"),
            Self::Magic => f.write_str("no record begins here, though one was on disk"),
            Self::Version { version } => {
                write!(f, "format version {version} is unknown to this program; start a newer one")
            }
            Self::Length => f.write_str("the record's length leaves the segment"),
            Self::Checksum => f.write_str("the checksum does not match"),
            Self::Padding => f.write_str("the padding is not zeros"),
            Self::Kind { kind } => {
                write!(f, "record kind {kind} is unknown to this program; start a newer one")
            }
            Self::Reserved => f.write_str("reserved bytes are not zeros"),
            Self::Lineage => f.write_str("the record is of another journal"),
            Self::Sequence { expected, found } => write!(f, "sequence {expected} expected, {found} found"),
            Self::Time => f.write_str("time goes back"),
            Self::Epoch => f.write_str("the epoch goes back"),
            Self::Chain => f.write_str("the hash chain is broken"),
            Self::SyncedThrough => f.write_str("the record claims more to be on disk than was written"),
            Self::Mark => f.write_str("a mark where none may stand"),
            Self::Birth => f.write_str("the journal does not begin with its birth mark"),
            Self::CompressedHeader => f.write_str("the header of the compressed segment is not valid"),
            Self::CompressedFrame => f.write_str("a frame of the compressed segment does not match its checksum"),
            Self::Copy => f.write_str("it differs from the segment that it is a copy of"),
        }
    }
}
