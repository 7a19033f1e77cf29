//! Reading single batches by sequence number, while another thread writes.

use std::io::ErrorKind;

use super::fault::{Damage, JournalFault};
use super::record::{Batch, Header, Kind, NoRecord};
use super::recovery::{batch_of, read_record};
use super::segment::{ListedSegment, list_all};
use super::storage::Storage;
use super::window::SegmentWindow;
use crate::limits::{BLOCK_BYTES, READER_INDEX_BYTES, READER_READ_BYTES};

/// Finds the batch that holds a sequence number. Read-only and independent of the writer: it may live on another thread or in
/// another process. Only durable sequence numbers may be asked for. It checks each record it returns by itself; the chain
/// from record to record is the business of [`scan`](super::scan). Segments may be compressed, or moved to the archive it was told
/// of, at any time; after the log was ended earlier it has to be opened anew.
///
/// Going forward in order costs one read of 64 KiB now and then; going elsewhere a search by name and by a sparse index, then
/// some steps from record to record. The index of a segment grows with what is read of it, so the first jump into the middle
/// of a segment reads all before it.
pub struct JournalReader<S: Storage> {
    /// The journal's own, then the archive's, if there is one.
    directories: Vec<S>,
    segments: Vec<Indexed>,
    current: Option<Current<S>>,
}

struct Indexed {
    listed: ListedSegment,
    /// (first sequence, offset) of some records, at least `READER_INDEX_BYTES` apart, ascending, as far as was read.
    places: Vec<(u64, u64)>,
}

impl Indexed {
    fn first_sequence(&self) -> u64 {
        self.listed.file.first_sequence
    }
}

struct Current<S: Storage> {
    window: SegmentWindow<S>,
    /// The batch that was returned last, which the window holds whole.
    batch: Option<(u64, Header)>,
}

impl<S: Storage> JournalReader<S> {
    /// Reads the journal in this storage.
    pub fn open(storage: S) -> Result<JournalReader<S>, JournalFault> {
        JournalReader::over(vec![storage])
    }

    /// Reads the journal in this storage, and what of it has been moved to an archive.
    pub fn open_with_archive(storage: S, archive: S) -> Result<JournalReader<S>, JournalFault> {
        JournalReader::over(vec![storage, archive])
    }

    fn over(directories: Vec<S>) -> Result<JournalReader<S>, JournalFault> {
        let mut reader = JournalReader { directories, segments: Vec::new(), current: None };
        reader.list_new_segments()?;
        Ok(reader)
    }

    /// The batch that holds this sequence number: its own or an entry's.
    pub fn read(&mut self, sequence: u64) -> Result<Batch<'_>, JournalFault> {
        let mut found = self.find(sequence)?;
        if found.is_none() && self.list_new_segments()? {
            found = self.find(sequence)?;
        }
        let (offset, header) = found.ok_or(JournalFault::NotFound { sequence })?;
        let current = self.current.as_mut().expect("`find` has opened the segment");
        current.batch = Some((offset, header));
        Ok(batch_of(&current.window, offset, &header))
    }

    /// Adds segments that have come since. True when there are any.
    fn list_new_segments(&mut self) -> Result<bool, JournalFault> {
        let known = self.segments.len();
        for listed in list_all(&self.directories)? {
            if self.segments.last().is_none_or(|last| last.first_sequence() < listed.file.first_sequence) {
                self.segments.push(Indexed { listed, places: Vec::new() });
            }
        }
        Ok(self.segments.len() > known)
    }

    /// Offset and header of the batch, which the current window then holds whole; `None` when its segment ends before.
    fn find(&mut self, sequence: u64) -> Result<Option<(u64, Header)>, JournalFault> {
        let after = self.segments.partition_point(|indexed| indexed.first_sequence() <= sequence);
        let Some(indexed) = after.checked_sub(1).map(|at| &mut self.segments[at]) else {
            return Ok(None);
        };
        let current = match &mut self.current {
            Some(current) if current.window.segment.first_sequence == indexed.first_sequence() => current,
            other => match SegmentWindow::find(&self.directories, &indexed.listed, READER_READ_BYTES) {
                // Moved to an archive that this reader was not told of.
                Err(JournalFault::Io { operation: "open", kind: ErrorKind::NotFound, .. }) => return Ok(None),
                window => other.insert(Current { window: window?, batch: None }),
            },
        };
        if let Some((offset, header)) = current.batch
            && holds(&header, sequence)
        {
            return Ok(Some((offset, header)));
        }
        let mut offset = starting_offset(&indexed.places, current.batch, sequence);
        current.batch = None;
        while offset < current.window.segment_bytes {
            let Some(header) = step(&mut current.window, offset)? else {
                return Ok(None);
            };
            remember(&mut indexed.places, header.first_sequence, offset);
            if holds(&header, sequence) {
                return Ok(Some((offset, header)));
            }
            if header.first_sequence > sequence {
                let reason = Damage::Sequence { expected: sequence, found: header.first_sequence };
                return Err(current.window.damaged(offset, reason));
            }
            offset += header.record_bytes();
        }
        Ok(None)
    }
}

fn holds(header: &Header, sequence: u64) -> bool {
    let last = header.first_sequence.saturating_add(u64::from(header.head.count));
    header.kind == Kind::Batch && header.first_sequence <= sequence && sequence <= last
}

/// The nearest known record at or before the sequence number: from the index, or the batch that was read last.
fn starting_offset(places: &[(u64, u64)], last_read: Option<(u64, Header)>, sequence: u64) -> u64 {
    let after = places.partition_point(|(first_sequence, _)| *first_sequence <= sequence);
    let indexed = after.checked_sub(1).map_or(0, |at| places[at].1);
    match last_read {
        Some((offset, header)) if header.first_sequence <= sequence => indexed.max(offset),
        _ => indexed,
    }
}

fn remember(places: &mut Vec<(u64, u64)>, first_sequence: u64, offset: u64) {
    if places.last().is_none_or(|(_, last)| offset >= last + READER_INDEX_BYTES) {
        places.push((first_sequence, offset));
    }
}

/// The record at an offset, or `None` where there is none yet. What was read ahead may be older than what the writer has
/// made durable since, so anything but a record is looked at twice.
fn step<S: Storage>(window: &mut SegmentWindow<S>, offset: u64) -> Result<Option<Header>, JournalFault> {
    if let Ok((header, _)) = read_record(window, offset)? {
        return Ok(Some(header));
    }
    window.forget();
    match read_record(window, offset)? {
        Ok((header, _)) => Ok(Some(header)),
        Err(no_record) => {
            window.load(offset, BLOCK_BYTES)?;
            let is_nothing = super::record::is_zero(window.slice(offset, BLOCK_BYTES));
            match no_record {
                _ if is_nothing => Ok(None),
                NoRecord::Broken(reason) | NoRecord::Stranger(reason) => Err(window.damaged(offset, reason)),
            }
        }
    }
}
