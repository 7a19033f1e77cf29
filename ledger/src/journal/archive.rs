//! Moving closed segments to another directory, and back: `docs/formats/journal.md`, section 10.
//!
//! It must never: remove a segment here before its copy has been read back from the archive's disk and compared; leave a gap
//! between what is here and what is archived; replace a file.

use super::fault::{Damage, JournalFault};
use super::prepared::{PreparedFile, remove};
use super::recovery::check_segment;
use super::segment::{SegmentFile, list_files, list_segments};
use super::storage::{Access, Storage};
use super::window::SegmentWindow;
use crate::limits::{COMPRESSED_FRAME_BYTES, PREPARE_WRITE_BYTES, SCAN_READ_BYTES, to_usize};

/// Moves all closed segments with only sequence numbers below this one to the archive, durably, the oldest first, each in the
/// form it has. Returns what was moved.
///
/// The log then consists of both directories ([`scan_with_archive`](super::scan_with_archive)); the journal here can be opened
/// from a place that is still here. A crash on the way leaves each segment here, there, or in both. A damaged segment, or one that
/// is archived already with other content, is refused by name and offset; what was moved before it stays moved.
pub fn archive<S: Storage>(storage: &S, archive: &S, below_sequence: u64) -> Result<Vec<SegmentFile>, JournalFault> {
    let segments = list_segments(storage)?;
    let mut moved = Vec::new();
    for pair in segments.windows(2) {
        if pair[1].first_sequence > below_sequence {
            break;
        }
        archive_oldest(storage, archive, pair[0].first_sequence)?;
        moved.push(pair[0]);
    }
    Ok(moved)
}

/// Copies archived segments back, durably, the newest first: all that hold this sequence number or a later one. They stay in the
/// archive too, until it is archived again. Returns what was copied.
///
/// For a start from a place, or from the beginning, that is no longer here. A crash on the way leaves fewer; do it again.
pub fn restore<S: Storage>(archive: &S, storage: &S, from_sequence: u64) -> Result<Vec<SegmentFile>, JournalFault> {
    let (archived, here) = (list_segments(archive)?, list_segments(storage)?);
    let oldest_here = here.first().map_or(u64::MAX, |oldest| oldest.first_sequence);
    let mut next_sequence = oldest_here;
    let mut restored = Vec::new();
    for segment in archived.iter().rev().filter(|segment| segment.first_sequence < oldest_here) {
        if next_sequence <= from_sequence {
            break;
        }
        copy(archive, storage, segment)?;
        restored.push(*segment);
        next_sequence = segment.first_sequence;
    }
    Ok(restored)
}

/// Moves one segment, which must be the oldest here, so that what is here stays one log.
pub(crate) fn archive_oldest<S: Storage>(storage: &S, archive: &S, first_sequence: u64) -> Result<(), JournalFault> {
    let segments = list_segments(storage)?;
    let segment = match segments.as_slice() {
        [oldest, _, ..] if oldest.first_sequence == first_sequence => oldest,
        _ => return Err(JournalFault::NotClosed { directory: storage.path_of("."), first_sequence }),
    };
    let archived = list_segments(archive)?;
    match archived.iter().find(|archived| archived.first_sequence == first_sequence) {
        // Of a crash before the removal here, or since it was restored.
        Some(archived) => compare(storage, segment, archive, archived)?,
        None => copy(storage, archive, segment)?,
    }
    for file in list_files(storage)?.iter().rev().filter(|file| file.first_sequence == first_sequence) {
        remove(storage, &file.name())?;
    }
    Ok(())
}

/// Removes the oldest segment of the archive, durably. It must lie before what is here: a caller that confuses the two
/// directories removes nothing.
pub(crate) fn delete_oldest<S: Storage>(storage: &S, archive: &S, first_sequence: u64) -> Result<(), JournalFault> {
    let archived = list_files(archive)?;
    let is_oldest = archived.first().is_some_and(|oldest| oldest.first_sequence == first_sequence);
    let is_before = list_segments(storage)?.first().is_some_and(|here| first_sequence < here.first_sequence);
    if !is_oldest || !is_before {
        return Err(JournalFault::NotClosed { directory: archive.path_of("."), first_sequence });
    }
    for file in archived.iter().rev().filter(|file| file.first_sequence == first_sequence) {
        remove(archive, &file.name())?;
    }
    Ok(())
}

/// Copies the file of a segment as it is, once its records are found to be whole; durable when it returns.
fn copy<S: Storage>(from: &S, to: &S, segment: &SegmentFile) -> Result<(), JournalFault> {
    let mut window = SegmentWindow::open(from, *segment, Access::Read, SCAN_READ_BYTES)?;
    check_segment(&mut window)?;
    let name = segment.name();
    let mut prepared = PreparedFile::create(to)?;
    let mut bytes = Vec::new();
    while prepared.end < segment.file_bytes {
        read_portion(from, &window.file, &name, segment, prepared.end, &mut bytes)?;
        prepared.append(&bytes)?;
    }
    prepared.finish()?;
    let (mut offset, mut copied) = (0, Vec::new());
    while offset < segment.file_bytes {
        read_portion(from, &window.file, &name, segment, offset, &mut bytes)?;
        read_portion(to, &prepared.file, &name, segment, offset, &mut copied)?;
        if bytes != copied {
            return Err(JournalFault::Damaged { path: to.path_of(&name), offset, reason: Damage::Copy });
        }
        offset += bytes.len() as u64;
    }
    prepared.name(&name)
}

/// The portion of a segment's file at an offset.
fn read_portion<S: Storage>(
    storage: &S,
    file: &S::File,
    name: &str,
    segment: &SegmentFile,
    offset: u64,
    into: &mut Vec<u8>,
) -> Result<(), JournalFault> {
    into.resize(to_usize(PREPARE_WRITE_BYTES.min(segment.file_bytes - offset)), 0);
    storage.read_exact_at(file, offset, into).map_err(JournalFault::on(storage, "read", name))
}

/// Finds two files of a segment, in whichever forms, equal in content. What is in the archive must be whole by itself.
fn compare<S: Storage>(
    storage: &S,
    segment: &SegmentFile,
    archive: &S,
    archived: &SegmentFile,
) -> Result<(), JournalFault> {
    let mut here = SegmentWindow::open(storage, *segment, Access::Read, SCAN_READ_BYTES)?;
    let mut there = SegmentWindow::open(archive, *archived, Access::Read, SCAN_READ_BYTES)?;
    check_segment(&mut there)?;
    if here.segment_bytes != there.segment_bytes {
        return Err(there.damaged(0, Damage::Copy));
    }
    let mut offset = 0;
    while offset < here.segment_bytes {
        let length = COMPRESSED_FRAME_BYTES.min(here.segment_bytes - offset);
        here.load(offset, length)?;
        there.load(offset, length)?;
        if here.slice(offset, length) != there.slice(offset, length) {
            return Err(there.damaged(offset, Damage::Copy));
        }
        offset += length;
    }
    Ok(())
}
