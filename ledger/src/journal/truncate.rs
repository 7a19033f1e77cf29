//! Taking back the end of the log, so that a crash at any moment leaves a log that recovery accepts.
//!
//! It must never clear a record while one behind it vouches for it: the next start would be refused. So it goes backwards from
//! the end (`docs/formats/journal.md`, section 8): whole segments first, then records, in groups of which no member vouches for
//! another. Recovery needs to know nothing of it.

use super::fault::JournalFault;
use super::record::{Kind, Tip};
use super::recovery::{Found, look, read_opening, zero};
use super::segment::{FIRST_SEGMENT, Position, Segment, SegmentWindow, list_segments, segment_name};
use super::storage::{Access, Storage};
use crate::limits::SCAN_READ_BYTES;

/// The log up to a sequence number, and what stands behind it.
pub(crate) struct Ending<S: Storage> {
    window: SegmentWindow<S>,
    /// The log as it is to be.
    tip: Tip,
    /// What stands behind it in the same segment, in order.
    records: Vec<Later>,
    /// Where the last of them ends.
    high_water: u64,
    /// The segments behind that one, in order.
    segments: Vec<Segment>,
}

/// A record to be cleared.
#[derive(Clone, Copy, Debug)]
struct Later {
    position: Position,
    synced_through: Position,
}

impl<S: Storage> Ending<S> {
    /// Looks for the batch that ends with `sequence`, or for the birth mark when that is 0; `None` when there is none. Nothing is
    /// changed.
    pub(crate) fn find(storage: &S, sequence: u64) -> Result<Option<Ending<S>>, JournalFault> {
        let listed = list_segments(storage)?;
        let after = listed.partition_point(|segment| segment.first_sequence <= sequence.max(FIRST_SEGMENT));
        let Some(at) = after.checked_sub(1) else { return Ok(None) };
        let mut window = SegmentWindow::open(storage, listed[at], Access::Write, SCAN_READ_BYTES)?;
        let Some(mut tip) = read_opening(&mut window)? else { return Ok(None) };
        while tip.next_sequence <= sequence {
            match look(&mut window, &tip)? {
                Found::Follows(header) => tip.advance(&header),
                found => return Err(window.damaged(tip.position.offset, found.reason())),
            }
        }
        if tip.next_sequence - 1 != sequence {
            return Ok(None);
        }
        // A mark behind the batch stays: what it says stays true, and places that were taken behind it stay places.
        if let Found::Follows(header) = look(&mut window, &tip)?
            && header.kind == Kind::Mark
        {
            tip.advance(&header);
        }
        let (records, high_water) = records_behind(&mut window, tip)?;
        Ok(Some(Ending { window, tip, records, high_water, segments: listed[at + 1..].to_vec() }))
    }

    /// The segments that are the last one for a while, if the power goes while this ends the log: each must be one that the
    /// journal can be opened with.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        core::iter::once(&self.window.segment).chain(&self.segments)
    }

    /// Clears what stands behind, durably; returns the file and the tip to go on with.
    pub(crate) fn clear(self, storage: &S) -> Result<(S::File, Tip), JournalFault> {
        for segment in self.segments.iter().rev() {
            let name = segment_name(segment.first_sequence);
            storage.remove(&name).map_err(JournalFault::on(storage, "remove", &name))?;
            storage.sync_dir().map_err(JournalFault::on(storage, "sync", "."))?;
        }
        let (mut left, mut to) = (self.records.as_slice(), self.high_water);
        while let Some((before, from)) = split_last_group(left) {
            zero(storage, &self.window.file, from, to)?;
            (left, to) = (before, from.offset);
        }
        Ok((self.window.file, self.tip))
    }
}

/// All records behind the tip, up to the end of the segment.
fn records_behind<S: Storage>(window: &mut SegmentWindow<S>, mut tip: Tip) -> Result<(Vec<Later>, u64), JournalFault> {
    let mut records = Vec::new();
    loop {
        match look(window, &tip)? {
            Found::Follows(header) => {
                records.push(Later { position: tip.position, synced_through: header.synced_through });
                tip.advance(&header);
            }
            Found::Nothing => return Ok((records, tip.position.offset)),
            found => return Err(window.damaged(tip.position.offset, found.reason())),
        }
    }
}

/// The longest run of records at the end of which none says of another that it is on disk: their sectors may be cleared in any
/// order. Returns the records before it, and where it begins.
fn split_last_group(records: &[Later]) -> Option<(&[Later], Position)> {
    let (last, mut before) = records.split_last()?;
    let (mut from, mut vouched) = (last.position, last.synced_through);
    while let Some((record, rest)) = before.split_last() {
        if vouched > record.position {
            break;
        }
        (from, vouched, before) = (record.position, vouched.max(record.synced_through), rest);
    }
    Some((before, from))
}
