//! Segments: their names and forms, the directory of them, and positions in them.

use core::fmt;

use super::fault::{Damage, JournalFault};
use super::storage::{FileEntry, Storage};
use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// The segment to come, while it is zero-filled. It has no content.
pub(crate) const PREPARING_NAME: &str = "next.preparing";

/// A segment that is being compressed, decompressed or copied.
pub(crate) const COPYING_NAME: &str = "segment.preparing";

const SUFFIX: &str = ".segment";
const COMPRESSED_SUFFIX: &str = ".segment.zst";
const DIGITS: usize = 20;

/// The number of the first segment, which is the first sequence number.
pub(crate) const FIRST_SEGMENT: u64 = 1;

/// The file name of a segment: the sequence number of its first batch.
pub fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}{SUFFIX}")
}

/// The file name of a segment's compressed form.
pub fn compressed_segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}{COMPRESSED_SUFFIX}")
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

/// How a segment stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentForm {
    /// As it was written.
    Plain,
    /// Compressed since it was closed.
    Compressed,
}

/// One segment as the directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// The sequence number of its first batch.
    pub first_sequence: u64,
    /// How it stands in the file.
    pub form: SegmentForm,
    /// The size of the file.
    pub file_bytes: u64,
}

impl SegmentFile {
    /// The file's name.
    pub fn name(&self) -> String {
        file_name(self.first_sequence, self.form)
    }
}

pub(crate) fn file_name(first_sequence: u64, form: SegmentForm) -> String {
    match form {
        SegmentForm::Plain => segment_name(first_sequence),
        SegmentForm::Compressed => compressed_segment_name(first_sequence),
    }
}

/// The segments of a directory in order, each checked by name, the plain ones by size too. Of a segment that is there in both
/// forms the plain one is listed. Files with other names are left alone.
pub fn list_segments<S: Storage>(storage: &S) -> Result<Vec<SegmentFile>, JournalFault> {
    let mut segments = list_files(storage)?;
    segments.dedup_by_key(|segment| segment.first_sequence);
    Ok(segments)
}

/// All files of segments in order, the plain form before the compressed one.
pub(crate) fn list_files<S: Storage>(storage: &S) -> Result<Vec<SegmentFile>, JournalFault> {
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
    segments.sort_by_key(|segment| (segment.first_sequence, segment.form));
    Ok(segments)
}

/// A segment, and which of some directories it was listed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedSegment {
    pub(crate) directory: usize,
    pub(crate) file: SegmentFile,
}

/// The segments of all directories as one log, in order. What is in more than one is listed in the first of them.
pub(crate) fn list_all<S: Storage>(directories: &[S]) -> Result<Vec<ListedSegment>, JournalFault> {
    let mut segments = Vec::new();
    for (directory, storage) in directories.iter().enumerate() {
        segments.extend(list_segments(storage)?.into_iter().map(|file| ListedSegment { directory, file }));
    }
    segments.sort_by_key(|segment| (segment.file.first_sequence, segment.directory));
    segments.dedup_by_key(|segment| segment.file.first_sequence);
    Ok(segments)
}

fn parse_entry(file: &FileEntry) -> Result<Option<SegmentFile>, Damage> {
    let forms = [(SUFFIX, SegmentForm::Plain), (COMPRESSED_SUFFIX, SegmentForm::Compressed)];
    let found = forms.iter().find_map(|(suffix, form)| Some((file.name.strip_suffix(suffix)?, *form)));
    let Some((digits, form)) = found else {
        return Ok(None);
    };
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let first_sequence = match digits.parse::<u64>() {
        Ok(number) if is_number && number >= FIRST_SEGMENT => number,
        _ => return Err(Damage::SegmentName),
    };
    let segment = SegmentFile { first_sequence, form, file_bytes: file.bytes };
    if form == SegmentForm::Plain && !is_segment_size(file.bytes) {
        return Err(Damage::SegmentSize { bytes: file.bytes });
    }
    Ok(Some(segment))
}

/// Whole blocks, within the limits.
pub(crate) fn is_segment_size(bytes: u64) -> bool {
    bytes.is_multiple_of(BLOCK_BYTES) && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, bytes: u64) -> Result<Option<SegmentFile>, Damage> {
        parse_entry(&FileEntry { name: name.to_owned(), bytes })
    }

    #[test]
    fn a_name_is_twenty_digits_from_one_up() {
        let found = |form, file_bytes| SegmentFile { first_sequence: 49_153, form, file_bytes };
        let plain = found(SegmentForm::Plain, 12_288);
        assert_eq!(parse("00000000000000049153.segment", 12_288), Ok(Some(plain)));
        let compressed = found(SegmentForm::Compressed, 77);
        assert_eq!(parse("00000000000000049153.segment.zst", 77), Ok(Some(compressed)));
        assert_eq!((plain.name(), compressed.name()), (segment_name(49_153), compressed_segment_name(49_153)));
        assert_eq!(parse(&segment_name(u64::MAX), 12_288).map(|s| s.is_some()), Ok(true));
        for bad in [
            "0000000000000049153.segment",
            "00000000000000000000.segment",
            "+0000000000000049153.segment",
            "99999999999999999999.segment",
            ".segment",
            "x.segment",
            "49153.segment.zst",
        ] {
            assert_eq!(parse(bad, 12_288), Err(Damage::SegmentName), "{bad}");
        }
        for other in ["next.preparing", "segment.preparing", "lost+found", "00000000000000049153", "notes.txt"] {
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
