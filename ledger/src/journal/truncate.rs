//! Taking back the end of the log, so that a crash at any moment leaves a log that recovery accepts.
//!
//! It must never clear a record while one behind it vouches for it: the next start would be refused. So it goes backwards from
//! the end (`docs/formats/journal.md`, section 8): whole segments first, then records, in groups of which no member vouches for
//! another. Recovery needs to know nothing of it.

use super::compressed::make_plain;
use super::fault::JournalFault;
use super::prepared::remove;
use super::record::{Kind, Tip};
use super::recovery::{Found, look, read_opening, zero};
use super::segment::{FIRST_SEGMENT, Position, SegmentFile, list_files, list_segments};
use super::storage::{Access, Storage};
use super::window::SegmentWindow;
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
    /// The files of the segments behind that one, in order.
    files: Vec<SegmentFile>,
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
        let segment = listed[at];
        let mut window = SegmentWindow::open(storage, segment, Access::Read, SCAN_READ_BYTES)?;
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
        let mut files = list_files(storage)?;
        files.retain(|file| file.first_sequence > segment.first_sequence);
        Ok(Some(Ending { window, tip, records, high_water, files }))
    }

    /// The size of the segment that will be the last one.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.window.segment_bytes
    }

    /// Clears what stands behind, durably; returns the file and the tip to go on with.
    pub(crate) fn clear(self, storage: &S) -> Result<(S::File, Tip), JournalFault> {
        for file in self.files.iter().rev() {
            remove(storage, &file.name())?;
        }
        let plain = make_plain(storage, &self.window.segment)?;
        let name = plain.name();
        let file = storage.open(&name, Access::Write).map_err(JournalFault::on(storage, "open", &name))?;
        let (mut left, mut to) = (self.records.as_slice(), self.high_water);
        while let Some((before, from)) = split_last_group(left) {
            zero(storage, &file, from, to)?;
            (left, to) = (before, from.offset);
        }
        Ok((file, self.tip))
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
