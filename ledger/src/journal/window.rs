//! Reading a segment, in whichever form it stands, through a window that moves along.

use std::io;

use super::compressed::CompressedSegment;
use super::fault::{Damage, JournalFault};
use super::segment::{ListedSegment, SegmentFile, SegmentForm, list_all};
use super::storage::{Access, Storage};
use crate::limits::{COMPRESSED_FRAME_BYTES, to_usize};

/// An open segment, read through one buffer that moves along, so that going from record to record costs few system calls
/// and no allocation.
pub(crate) struct SegmentWindow<S: Storage> {
    storage: S,
    pub(crate) segment: SegmentFile,
    /// The size of the segment in its plain form, in which all offsets are.
    pub(crate) segment_bytes: u64,
    pub(crate) file: S::File,
    compressed: Option<CompressedSegment>,
    start: u64,
    bytes: Vec<u8>,
    read_ahead_bytes: u64,
}

impl<S: Storage> SegmentWindow<S> {
    /// Opens one file of a segment.
    pub(crate) fn open(
        storage: &S,
        segment: SegmentFile,
        access: Access,
        read_ahead_bytes: u64,
    ) -> Result<SegmentWindow<S>, JournalFault> {
        let name = segment.name();
        let file = storage.open(&name, access).map_err(JournalFault::on(storage, "open", &name))?;
        let compressed = match segment.form {
            SegmentForm::Plain => None,
            SegmentForm::Compressed => Some(CompressedSegment::read(storage, &file, &name, &segment)?),
        };
        let segment_bytes = compressed.as_ref().map_or(segment.file_bytes, |compressed| compressed.segment_bytes);
        let storage = storage.clone();
        Ok(SegmentWindow {
            storage,
            segment,
            segment_bytes,
            file,
            compressed,
            start: 0,
            bytes: Vec::new(),
            read_ahead_bytes,
        })
    }

    /// Opens a listed segment for reading. Since it was listed it may have been compressed, or moved to another directory.
    pub(crate) fn find(
        directories: &[S],
        listed: &ListedSegment,
        read_ahead_bytes: u64,
    ) -> Result<SegmentWindow<S>, JournalFault> {
        let open = |listed: &ListedSegment| {
            SegmentWindow::open(&directories[listed.directory], listed.file, Access::Read, read_ahead_bytes)
        };
        let opened = open(listed);
        if !matches!(&opened, Err(JournalFault::Io { operation: "open", kind: io::ErrorKind::NotFound, .. })) {
            return opened;
        }
        let listed_now = list_all(directories)?;
        let now = listed_now.iter().find(|now| now.file.first_sequence == listed.file.first_sequence);
        now.map_or(opened, open)
    }

    /// Makes `length` bytes from `offset` available to [`Self::slice`].
    pub(crate) fn load(&mut self, offset: u64, length: u64) -> Result<(), JournalFault> {
        assert!(offset + length <= self.segment_bytes, "callers stay within the segment");
        let held = self.start <= offset && offset + length <= self.start + self.bytes.len() as u64;
        if held {
            return Ok(());
        }
        let wanted = length.max(self.read_ahead_bytes.min(self.segment_bytes - offset));
        // Empty, until the read has succeeded.
        self.bytes.clear();
        let mut bytes = core::mem::take(&mut self.bytes);
        let name = self.segment.name();
        if let Some(compressed) = &mut self.compressed {
            let frames = offset / COMPRESSED_FRAME_BYTES..(offset + wanted).div_ceil(COMPRESSED_FRAME_BYTES);
            self.start = frames.start * COMPRESSED_FRAME_BYTES;
            for frame in frames {
                compressed.read_frame(&self.storage, &self.file, &name, frame, &mut bytes)?;
            }
        } else {
            bytes.resize(to_usize(wanted), 0);
            let read = self.storage.read_exact_at(&self.file, offset, &mut bytes);
            read.map_err(JournalFault::on(&self.storage, "read", &name))?;
            self.start = offset;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Bytes that [`Self::load`] has made available.
    pub(crate) fn slice(&self, offset: u64, length: u64) -> &[u8] {
        let from = to_usize(offset - self.start);
        &self.bytes[from..from + to_usize(length)]
    }

    /// Damage in this segment, at an offset of its plain form.
    pub(crate) fn damaged(&self, offset: u64, reason: Damage) -> JournalFault {
        JournalFault::Damaged { path: self.storage.path_of(&self.segment.name()), offset, reason }
    }

    /// Forgets what was read: the file may have been written since.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }
}
