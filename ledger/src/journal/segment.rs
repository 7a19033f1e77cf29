//! Segments: their names, positions in them, and reading them through a window.

use core::fmt;
use std::io;

use super::fault::{Damage, JournalFault};
use super::storage::{Access, FileEntry, Storage};
use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// The segment to come, while it is zero-filled. It has no content.
pub(crate) const PREPARING_NAME: &str = "next.preparing";

const SUFFIX: &str = ".segment";
const DIGITS: usize = 20;

/// The number of the first segment, which is the first sequence number.
pub(crate) const FIRST_SEGMENT: u64 = 1;

/// The file name of a segment: the sequence number of its first batch.
pub fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}{SUFFIX}")
}

/// A place in the log. Ordered as the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The first sequence number of the segment.
    pub segment: u64,
    /// Byte offset in it.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} offset {}", segment_name(self.segment), self.offset)
    }
}

/// One segment as the directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first_sequence: u64,
    pub(crate) bytes: u64,
}

/// The segments of a directory in order, each checked by name and size. Files with other names are left alone.
pub(crate) fn list_segments<S: Storage>(storage: &S) -> Result<Vec<Segment>, JournalFault> {
    let files = storage.list().map_err(JournalFault::on(storage, "list", "."))?;
    let mut segments = Vec::new();
    for file in &files {
        if let Some(segment) = parse_entry(file).map_err(|damage| JournalFault::Damaged {
            path: storage.path_of(&file.name),
            offset: 0,
            reason: damage,
        })? {
            segments.push(segment);
        }
    }
    segments.sort_by_key(|segment| segment.first_sequence);
    Ok(segments)
}

fn parse_entry(file: &FileEntry) -> Result<Option<Segment>, Damage> {
    let Some(digits) = file.name.strip_suffix(SUFFIX) else {
        return Ok(None);
    };
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let first_sequence = match digits.parse::<u64>() {
        Ok(number) if is_number && number >= FIRST_SEGMENT => number,
        _ => return Err(Damage::SegmentName),
    };
    let bytes = file.bytes;
    if !bytes.is_multiple_of(BLOCK_BYTES) || !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) {
        return Err(Damage::SegmentSize { bytes });
    }
    Ok(Some(Segment { first_sequence, bytes }))
}

/// An open segment, read through one buffer that moves along, so that going from record to record costs few system calls
/// and no allocation.
pub(crate) struct SegmentWindow<S: Storage> {
    storage: S,
    pub(crate) segment: Segment,
    pub(crate) file: S::File,
    start: u64,
    bytes: Vec<u8>,
    read_ahead_bytes: u64,
}

impl<S: Storage> SegmentWindow<S> {
    pub(crate) fn open(
        storage: &S,
        segment: Segment,
        access: Access,
        read_ahead_bytes: u64,
    ) -> Result<SegmentWindow<S>, JournalFault> {
        let name = segment_name(segment.first_sequence);
        let file = storage.open(&name, access).map_err(JournalFault::on(storage, "open", &name))?;
        Ok(SegmentWindow { storage: storage.clone(), segment, file, start: 0, bytes: Vec::new(), read_ahead_bytes })
    }

    /// Makes `length` bytes from `offset` available to [`Self::slice`].
    pub(crate) fn load(&mut self, offset: u64, length: u64) -> Result<(), JournalFault> {
        assert!(offset + length <= self.segment.bytes, "callers stay within the segment");
        let held = self.start <= offset && offset + length <= self.start + self.bytes.len() as u64;
        if held {
            return Ok(());
        }
        let wanted = length.max(self.read_ahead_bytes.min(self.segment.bytes - offset));
        // Empty, until the read has succeeded.
        self.bytes.clear();
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.resize(to_usize(wanted), 0);
        read_exact_at(&self.storage, &self.file, offset, &mut bytes).map_err(JournalFault::on(
            &self.storage,
            "read",
            &segment_name(self.segment.first_sequence),
        ))?;
        self.bytes = bytes;
        self.start = offset;
        Ok(())
    }

    /// Bytes that [`Self::load`] has made available.
    pub(crate) fn slice(&self, offset: u64, length: u64) -> &[u8] {
        let from = to_usize(offset - self.start);
        &self.bytes[from..from + to_usize(length)]
    }

    /// Damage in this segment.
    pub(crate) fn damaged(&self, offset: u64, reason: Damage) -> JournalFault {
        let path = self.storage.path_of(&segment_name(self.segment.first_sequence));
        JournalFault::Damaged { path, offset, reason }
    }

    /// Forgets what was read: the file may have been written since.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }
}

fn read_exact_at<S: Storage>(storage: &S, file: &S::File, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
    while !into.is_empty() {
        match storage.read_at(file, offset, into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                offset += read as u64;
                into = &mut into[read..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lossless: `limits.rs` asserts that a `usize` has 64 bits.
pub(crate) fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a usize has 64 bits, limits.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, bytes: u64) -> Result<Option<Segment>, Damage> {
        parse_entry(&FileEntry { name: name.to_owned(), bytes })
    }

    #[test]
    fn a_name_is_twenty_digits_from_one_up() {
        let found = Segment { first_sequence: 49_153, bytes: 12_288 };
        assert_eq!(parse("00000000000000049153.segment", 12_288), Ok(Some(found)));
        assert_eq!(parse(&segment_name(u64::MAX), 12_288).map(|s| s.is_some()), Ok(true));
        for bad in [
            "0000000000000049153.segment",
            "00000000000000000000.segment",
            "+0000000000000049153.segment",
            "99999999999999999999.segment",
            ".segment",
            "x.segment",
        ] {
            assert_eq!(parse(bad, 12_288), Err(Damage::SegmentName), "{bad}");
        }
        for other in ["next.preparing", "lost+found", "00000000000000049153", "notes.txt"] {
            assert_eq!(parse(other, 7), Ok(None), "{other}");
        }
    }

    #[test]
    fn a_size_is_whole_blocks_within_the_limits() {
        for bytes in [0, 1, 8_192, 12_289, SEGMENT_BYTES_MAX + BLOCK_BYTES] {
            assert_eq!(parse(&segment_name(1), bytes), Err(Damage::SegmentSize { bytes }));
        }
    }
}
