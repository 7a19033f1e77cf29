//! Closed segments, compressed: `docs/formats/journal.md`, section 9.
//!
//! It must never: touch the last segment; take the plain form away before the compressed one has been read back from disk and
//! compared with it byte by byte.

use super::fault::{Damage, JournalFault};
use super::prepared::{PreparedFile, remove, remove_if_there};
use super::recovery::check_segment;
use super::segment::{COPYING_NAME, SegmentFile, SegmentForm, compressed_segment_name};
use super::segment::{is_segment_size, list_files};
use super::storage::{Access, Storage};
use super::window::SegmentWindow;
use crate::bytes::array;
use crate::limits::{COMPRESSED_FRAME_BYTES, COMPRESSION_LEVEL, SCAN_READ_BYTES, to_usize};

/// A frame that every Zstandard decoder skips: so the whole file is one that the usual tools decompress.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;
const MAGIC: [u8; 8] = *b"CLSPJZST";
const VERSION: u16 = 0;
const TABLE_AT: usize = 48;
const TABLE_ENTRY_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// Compresses a closed segment and removes its plain form, durably. Returns the new file; what is compressed already stays as
/// it is. A crash on the way leaves the plain form, the compressed one, or both.
///
/// Beside the writer and readers; but one at a time of this, archiving and restoring, and none while the log is ended earlier.
///
/// The segment's records are checked first: a damaged segment is refused, and nothing is changed.
/// [`JournalFault::NotClosed`] when it is the last segment, or not there.
pub fn compress<S: Storage>(storage: &S, first_sequence: u64) -> Result<SegmentFile, JournalFault> {
    let files = list_files(storage)?;
    let is_closed = files.last().is_some_and(|last| first_sequence < last.first_sequence);
    let mut forms = files.iter().filter(|file| file.first_sequence == first_sequence);
    let segment = match forms.next() {
        Some(segment) if is_closed => *segment,
        _ => return Err(JournalFault::NotClosed { directory: storage.path_of("."), first_sequence }),
    };
    if segment.form == SegmentForm::Compressed {
        return Ok(segment);
    }
    // Left behind by a crash: whole, but nothing is gained by trusting it.
    if let Some(twin) = forms.next() {
        remove(storage, &twin.name())?;
    }
    let mut window = SegmentWindow::open(storage, segment, Access::Read, SCAN_READ_BYTES)?;
    check_segment(&mut window)?;
    let mut prepared = PreparedFile::create(storage)?;
    write_compressed(storage, &mut window, &mut prepared)?;
    prepared.finish()?;
    let compressed = SegmentFile { first_sequence, form: SegmentForm::Compressed, file_bytes: prepared.end };
    compare(storage, &mut window, &prepared.file, &compressed)?;
    prepared.name(&compressed.name())?;
    remove(storage, &segment.name())?;
    Ok(compressed)
}

/// Makes a segment the plain file that can be written to: decompressed if need be, and without a compressed twin, which would
/// soon say something else. Durable when it returns.
pub(crate) fn make_plain<S: Storage>(storage: &S, segment: &SegmentFile) -> Result<SegmentFile, JournalFault> {
    let plain = match segment.form {
        SegmentForm::Plain => *segment,
        SegmentForm::Compressed => decompress(storage, segment)?,
    };
    remove_if_there(storage, &compressed_segment_name(segment.first_sequence))?;
    Ok(plain)
}

/// Writes the plain form beside the compressed one.
fn decompress<S: Storage>(storage: &S, segment: &SegmentFile) -> Result<SegmentFile, JournalFault> {
    let mut window = SegmentWindow::open(storage, *segment, Access::Read, SCAN_READ_BYTES)?;
    let mut prepared = PreparedFile::create(storage)?;
    let mut offset = 0;
    while offset < window.segment_bytes {
        let length = COMPRESSED_FRAME_BYTES.min(window.segment_bytes - offset);
        window.load(offset, length)?;
        prepared.append(window.slice(offset, length))?;
        offset += length;
    }
    prepared.finish()?;
    let plain = SegmentFile { form: SegmentForm::Plain, file_bytes: offset, ..*segment };
    compare(storage, &mut window, &prepared.file, &plain)?;
    prepared.name(&plain.name())?;
    Ok(plain)
}

/// The frames first, then the header in front of them, when their lengths are known.
fn write_compressed<S: Storage>(
    storage: &S,
    window: &mut SegmentWindow<S>,
    prepared: &mut PreparedFile<'_, S>,
) -> Result<(), JournalFault> {
    let frames = window.segment_bytes.div_ceil(COMPRESSED_FRAME_BYTES);
    let header_bytes = header_bytes(frames);
    let mut table = Vec::new();
    let mut compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL).map_err(codec_fault(storage))?;
    prepared.append(&vec![0; header_bytes])?;
    for frame in 0..frames {
        let offset = frame * COMPRESSED_FRAME_BYTES;
        let length = COMPRESSED_FRAME_BYTES.min(window.segment_bytes - offset);
        window.load(offset, length)?;
        let compressed = compressor.compress(window.slice(offset, length)).map_err(codec_fault(storage))?;
        let compressed_bytes = u32::try_from(compressed.len()).expect("a frame is small, limits.rs");
        table.extend(compressed_bytes.to_le_bytes());
        table.extend(crc32c::crc32c(&compressed).to_le_bytes());
        prepared.append(&compressed)?;
    }
    let content_bytes = u32::try_from(header_bytes - 8).expect("the table is small, limits.rs");
    let mut header = SKIPPABLE_MAGIC.to_le_bytes().to_vec();
    header.extend(content_bytes.to_le_bytes());
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend([0; 2]);
    header.extend(u32::try_from(COMPRESSED_FRAME_BYTES).expect("a frame is small, limits.rs").to_le_bytes());
    header.extend(window.segment.first_sequence.to_le_bytes());
    header.extend(window.segment_bytes.to_le_bytes());
    header.extend(prepared.end.to_le_bytes());
    assert_eq!(header.len(), TABLE_AT);
    header.extend(table);
    header.extend(crc32c::crc32c(&header).to_le_bytes());
    assert_eq!(header.len(), header_bytes);
    prepared.write_at(0, &header)
}

/// Reads the file just written, under its temporary name, and the one it was made from, and finds them equal.
fn compare<S: Storage>(
    storage: &S,
    original: &mut SegmentWindow<S>,
    file: &S::File,
    made: &SegmentFile,
) -> Result<(), JournalFault> {
    let mut compressed = match made.form {
        SegmentForm::Plain => None,
        SegmentForm::Compressed => Some(CompressedSegment::read(storage, file, COPYING_NAME, made)?),
    };
    let mut bytes = Vec::new();
    for frame in 0..original.segment_bytes.div_ceil(COMPRESSED_FRAME_BYTES) {
        let offset = frame * COMPRESSED_FRAME_BYTES;
        let length = COMPRESSED_FRAME_BYTES.min(original.segment_bytes - offset);
        bytes.clear();
        if let Some(compressed) = &mut compressed {
            compressed.read_frame(storage, file, COPYING_NAME, frame, &mut bytes)?;
        } else {
            bytes.resize(to_usize(length), 0);
            let read = storage.read_exact_at(file, offset, &mut bytes);
            read.map_err(JournalFault::on(storage, "read", COPYING_NAME))?;
        }
        original.load(offset, length)?;
        if bytes != original.slice(offset, length) {
            return Err(JournalFault::Damaged { path: storage.path_of(COPYING_NAME), offset, reason: Damage::Copy });
        }
    }
    Ok(())
}

/// The header of a compressed segment, and what is needed to read its frames.
pub(crate) struct CompressedSegment {
    /// Size of the plain form.
    pub(crate) segment_bytes: u64,
    frames: Vec<Frame>,
    decompressor: zstd::bulk::Decompressor<'static>,
    compressed: Vec<u8>,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    bytes: u32,
    crc32c: u32,
}

impl CompressedSegment {
    /// Reads and checks the header.
    pub(crate) fn read<S: Storage>(
        storage: &S,
        file: &S::File,
        name: &str,
        segment: &SegmentFile,
    ) -> Result<CompressedSegment, JournalFault> {
        let damaged = |reason| JournalFault::Damaged { path: storage.path_of(name), offset: 0, reason };
        let read =
            |into: &mut [u8]| storage.read_exact_at(file, 0, into).map_err(JournalFault::on(storage, "read", name));
        let mut fixed = [0; TABLE_AT];
        if segment.file_bytes < TABLE_AT as u64 {
            return Err(damaged(Damage::CompressedHeader));
        }
        read(&mut fixed)?;
        let segment_bytes = check_fixed(&fixed, segment).map_err(damaged)?;
        let frames = segment_bytes.div_ceil(COMPRESSED_FRAME_BYTES);
        let mut header = vec![0; header_bytes(frames)];
        if segment.file_bytes < header.len() as u64 {
            return Err(damaged(Damage::CompressedHeader));
        }
        read(&mut header)?;
        let frames = check_table(&header, segment.file_bytes).map_err(damaged)?;
        let decompressor = zstd::bulk::Decompressor::new().map_err(codec_fault(storage))?;
        Ok(CompressedSegment { segment_bytes, frames, decompressor, compressed: Vec::new() })
    }

    /// Adds the plain bytes of a frame.
    pub(crate) fn read_frame<S: Storage>(
        &mut self,
        storage: &S,
        file: &S::File,
        name: &str,
        number: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), JournalFault> {
        let frame = self.frames[to_usize(number)];
        let damaged = || JournalFault::Damaged {
            path: storage.path_of(name),
            offset: frame.offset,
            reason: Damage::CompressedFrame,
        };
        self.compressed.resize(to_usize(u64::from(frame.bytes)), 0);
        let read = storage.read_exact_at(file, frame.offset, &mut self.compressed);
        read.map_err(JournalFault::on(storage, "read", name))?;
        if crc32c::crc32c(&self.compressed) != frame.crc32c {
            return Err(damaged());
        }
        let offset = number * COMPRESSED_FRAME_BYTES;
        let wanted = to_usize(COMPRESSED_FRAME_BYTES.min(self.segment_bytes - offset));
        let from = into.len();
        into.resize(from + wanted, 0);
        match self.decompressor.decompress_to_buffer(&self.compressed, &mut into[from..]) {
            Ok(length) if length == wanted => Ok(()),
            _ => Err(damaged()),
        }
    }
}

fn header_bytes(frames: u64) -> usize {
    TABLE_AT + TABLE_ENTRY_BYTES * to_usize(frames) + CRC_BYTES
}

/// What stands before the table; returns the size of the plain form.
fn check_fixed(fixed: &[u8; TABLE_AT], segment: &SegmentFile) -> Result<u64, Damage> {
    if fixed[0..4] != SKIPPABLE_MAGIC.to_le_bytes() || fixed[8..16] != MAGIC {
        return Err(Damage::CompressedHeader);
    }
    let version = u16::from_le_bytes(array(fixed, 16));
    if version != VERSION {
        return Err(Damage::Version { version });
    }
    let segment_bytes = u64::from_le_bytes(array(fixed, 32));
    let frame_bytes = u64::from(u32::from_le_bytes(array(fixed, 20)));
    let is_this = u64::from_le_bytes(array(fixed, 24)) == segment.first_sequence;
    let is_whole = u64::from_le_bytes(array(fixed, 40)) == segment.file_bytes;
    if !is_this || !is_whole || !is_segment_size(segment_bytes) || frame_bytes != COMPRESSED_FRAME_BYTES {
        return Err(Damage::CompressedHeader);
    }
    Ok(segment_bytes)
}

/// The whole header, with a table of as many frames as its length says; returns where they stand.
fn check_table(header: &[u8], file_bytes: u64) -> Result<Vec<Frame>, Damage> {
    let crc_at = header.len() - CRC_BYTES;
    if crc32c::crc32c(&header[..crc_at]) != u32::from_le_bytes(array(header, crc_at)) {
        return Err(Damage::CompressedHeader);
    }
    let mut offset = header.len() as u64;
    let mut frames = Vec::new();
    for at in (TABLE_AT..crc_at).step_by(TABLE_ENTRY_BYTES) {
        let (bytes, crc32c) = (u32::from_le_bytes(array(header, at)), u32::from_le_bytes(array(header, at + 4)));
        frames.push(Frame { offset, bytes, crc32c });
        offset += u64::from(bytes);
    }
    if offset != file_bytes {
        return Err(Damage::CompressedHeader);
    }
    Ok(frames)
}

/// The codec works in memory: it fails when there is none.
fn codec_fault<S: Storage>(storage: &S) -> impl FnOnce(std::io::Error) -> JournalFault {
    JournalFault::on(storage, "set up compression in", ".")
}
