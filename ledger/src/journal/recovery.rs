//! From files to a log: what to take, where it ends, what to cut, when to refuse.
//!
//! The decision of each step is a table, which is the documentation (`docs/formats/journal.md`, section 6), the data below,
//! and the subject of a test that it is total:
//!
//! | at p | behind p in the segment | next segment | decision |
//! |---|---|---|---|
//! | follows | any | any | take it |
//! | stranger | any | any | damage |
//! | nothing | zeros | none | the end |
//! | nothing | zeros | named as expected | go on there |
//! | nothing | zeros | another name | damage: a segment is missing |
//! | nothing | remains | none | torn: cut |
//! | broken | zeros or remains | none | torn: cut |
//! | nothing or broken | a witness | none | damage |
//! | nothing | remains or a witness | exists | damage: closed segments are whole |
//! | broken | any | exists | damage: closed segments are whole |

use super::fault::{Damage, JournalFault, PlaceDoubt};
use super::place::JournalPlace;
use super::record::{Batch, HEADER_BYTES, Header, Kind, Lineage, MAGIC, NoRecord, Tip};
use super::record::{announced_length, decode, is_zero, record_bytes};
use super::segment::{FIRST_SEGMENT, ListedSegment, Position, list_all, segment_name};
use super::storage::Storage;
use super::window::SegmentWindow;
use crate::limits::{BLOCK_BYTES, PREPARE_WRITE_BYTES, SCAN_READ_BYTES, to_usize};

/// What a walk through the log has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanReport {
    /// The journal's name.
    pub lineage: Lineage,
    /// Segment files that were read.
    pub segments: u64,
    /// Batches taken: those behind the place that was started from.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// The sequence number of the batch to come.
    pub next_sequence: u64,
    /// Journal time of the last batch; 0 when there is none.
    pub last_time_ns: u64,
    /// Epoch of the last batch.
    pub last_epoch: u64,
    /// The chain digest through the last batch.
    pub chain_digest: [u8; 32],
    /// Where the log ends.
    pub end: Position,
    /// What was found behind the end, if anything.
    pub torn: Option<Torn>,
}

/// A torn tail: the remains of what was never reported durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where the log ends.
    pub position: Position,
    /// Offset behind the last byte that is not zero.
    pub high_water: u64,
    /// What is wrong with the first record that is not taken.
    pub reason: Damage,
}

/// Reads a journal from end to end and changes nothing. Damage is a fault, a torn tail is reported.
pub fn scan<S: Storage>(
    storage: &S,
    visit: impl FnMut(Batch<'_>) -> Result<(), String>,
) -> Result<ScanReport, JournalFault> {
    scan_after(storage, None, visit)
}

/// As [`scan`], from a place on: what stands before it need not be there, but for the place's own segment. `None` is the
/// beginning.
///
/// The place is checked against the log ([`JournalFault::NoSuchPlace`]): a record must end there, and the content of its
/// segment and of all that follows must chain onto its digest.
pub fn scan_after<S: Storage>(
    storage: &S,
    start: Option<JournalPlace>,
    visit: impl FnMut(Batch<'_>) -> Result<(), String>,
) -> Result<ScanReport, JournalFault> {
    Ok(walk(core::slice::from_ref(storage), start, visit)?.0)
}

/// As [`scan_after`], over a journal whose older segments have been moved to an archive: one log, whose chain is checked from
/// end to end.
pub fn scan_with_archive<S: Storage>(
    storage: &S,
    archive: &S,
    start: Option<JournalPlace>,
    visit: impl FnMut(Batch<'_>) -> Result<(), String>,
) -> Result<ScanReport, JournalFault> {
    Ok(walk(&[storage.clone(), archive.clone()], start, visit)?.0)
}

/// Goes through the log record by record, from a place or from the beginning; returns what it found and where the log goes on.
/// The segments are those of all directories; where one is in several, in the first.
pub(crate) fn walk<S: Storage>(
    directories: &[S],
    start: Option<JournalPlace>,
    mut visit: impl FnMut(Batch<'_>) -> Result<(), String>,
) -> Result<(ScanReport, Tip), JournalFault> {
    let listed = list_all(directories)?;
    let segments = segments_from(&directories[0], &listed, start)?;
    let mut window = SegmentWindow::find(directories, &segments[0], SCAN_READ_BYTES)?;
    let mut tip = match start {
        None => read_birth(&mut window)?,
        Some(place) => go_to(&directories[0], &mut window, &place)?,
    };
    let (mut batches, mut entries, mut opened) = (0, 0, 1);
    let torn = loop {
        let found = look(&mut window, &tip)?;
        let next = segments.get(opened);
        let behind = match found {
            // The table does not ask.
            Found::Follows(_) | Found::Stranger(_) => Behind { rest: Rest::Zeros, high_water: tip.position.offset },
            Found::Nothing | Found::Broken(_) => look_behind(&mut window, &tip)?,
        };
        match decide(found.at(), behind.rest, Next::of(next, &tip)) {
            Decision::Take => {
                let Found::Follows(header) = found else { unreachable!("the table takes only what follows") };
                if header.kind == Kind::Batch {
                    let batch = batch_of(&window, tip.position.offset, &header);
                    visit(batch)
                        .map_err(|reason| JournalFault::NotTaken { first_sequence: header.first_sequence, reason })?;
                    batches += 1;
                    entries += u64::from(header.head.count);
                }
                tip.advance(&header);
            }
            Decision::GoOn => {
                let next = *next.expect("the table goes on only where there is a next segment");
                window = SegmentWindow::find(directories, &next, SCAN_READ_BYTES)?;
                tip.position = Position { segment: next.file.first_sequence, offset: 0 };
                opened += 1;
            }
            Decision::End => break None,
            Decision::Cut => {
                break Some(Torn { position: tip.position, high_water: behind.high_water, reason: found.reason() });
            }
            Decision::Refuse => {
                // What was read ahead may be older than what a running writer has put there since: refused twice is damage.
                window.forget();
                if !matches!(look(&mut window, &tip)?, Found::Follows(_)) {
                    return Err(refusal(&window, &tip, &found, behind.rest, next));
                }
            }
        }
    };
    let report = ScanReport {
        lineage: tip.lineage,
        segments: segments.len() as u64,
        batches,
        entries,
        next_sequence: tip.next_sequence,
        last_time_ns: tip.time_ns,
        last_epoch: tip.epoch,
        chain_digest: tip.digest,
        end: tip.position,
        torn,
    };
    Ok((report, tip))
}

/// Zeroes a torn tail, durably, so that what is written next is never followed by remains.
pub(crate) fn cut<S: Storage>(storage: &S, file: &S::File, torn: &Torn) -> Result<(), JournalFault> {
    zero(storage, file, torn.position, torn.high_water)
}

/// Writes zeros from a position up to an offset in its segment, then syncs.
pub(crate) fn zero<S: Storage>(storage: &S, file: &S::File, from: Position, to: u64) -> Result<(), JournalFault> {
    let name = segment_name(from.segment);
    let zeros = vec![0; to_usize((to - from.offset).min(PREPARE_WRITE_BYTES))];
    let mut offset = from.offset;
    while offset < to {
        let length = (to - offset).min(PREPARE_WRITE_BYTES);
        storage
            .write_at(file, offset, &zeros[..to_usize(length)])
            .map_err(JournalFault::on(storage, "write", &name))?;
        offset += length;
    }
    storage.sync_data(file).map_err(JournalFault::on(storage, "sync", &name))
}

/// A batch whose record the window holds.
pub(crate) fn batch_of<'a, S: Storage>(window: &'a SegmentWindow<S>, offset: u64, header: &Header) -> Batch<'a> {
    Batch {
        first_sequence: header.first_sequence,
        count: header.head.count,
        time_ns: header.head.time_ns,
        epoch: header.head.epoch,
        payload_format: header.payload_format,
        digest: header.digest,
        payload: window.slice(offset + HEADER_BYTES as u64, u64::from(header.length)),
    }
}

/// The lineage comes from the birth mark, which was on disk before the segment had a name: anything else is damage.
fn read_birth<S: Storage>(window: &mut SegmentWindow<S>) -> Result<Tip, JournalFault> {
    let first = window.segment.first_sequence;
    if first != FIRST_SEGMENT {
        return Err(window.damaged(0, Damage::FirstSegmentMissing));
    }
    let header = match read_record(window, 0)? {
        Ok((header, _)) => header,
        Err(NoRecord::Broken(Damage::Magic)) => return Err(window.damaged(0, Damage::Birth)),
        Err(NoRecord::Broken(reason) | NoRecord::Stranger(reason)) => return Err(window.damaged(0, reason)),
    };
    let mut tip = Tip::birth(header.lineage);
    if header.kind != Kind::Mark {
        return Err(window.damaged(0, Damage::Birth));
    }
    tip.check(&header, &[]).map_err(|reason| window.damaged(0, reason))?;
    tip.advance(&header);
    Ok(tip)
}

/// The segments from the one on that holds the place.
fn segments_from<'a, S: Storage>(
    storage: &S,
    segments: &'a [ListedSegment],
    start: Option<JournalPlace>,
) -> Result<&'a [ListedSegment], JournalFault> {
    if segments.is_empty() {
        return Err(JournalFault::Absent { directory: storage.path_of(".") });
    }
    let Some(place) = start else { return Ok(segments) };
    let at = segments.binary_search_by_key(&place.position.segment, |segment| segment.file.first_sequence);
    at.map(|at| &segments[at..]).map_err(|_| no_such_place(storage, &place, PlaceDoubt::SegmentMissing))
}

/// Is this a place of the log? Reads its segment up to there and changes nothing; what stands behind it is not looked at.
///
/// [`JournalFault::NoSuchPlace`] where it is none: of another log, beyond the end, or with other content before it.
pub fn check_place<S: Storage>(storage: &S, place: &JournalPlace) -> Result<(), JournalFault> {
    let directories = core::slice::from_ref(storage);
    let listed = list_all(directories)?;
    let segments = segments_from(storage, &listed, Some(*place))?;
    let mut window = SegmentWindow::find(directories, &segments[0], SCAN_READ_BYTES)?;
    go_to(storage, &mut window, place).map(|_| ())
}

/// Goes from the beginning of the place's segment to the place. What is broken on the way is damage and no torn tail: whoever
/// has the place was told that all before it is on disk.
fn go_to<S: Storage>(storage: &S, window: &mut SegmentWindow<S>, place: &JournalPlace) -> Result<Tip, JournalFault> {
    let doubt = |reason| Err(no_such_place(storage, place, reason));
    let Some(mut tip) = read_opening(window)? else {
        return doubt(PlaceDoubt::BeyondEnd);
    };
    if tip.lineage != place.lineage {
        return doubt(PlaceDoubt::Lineage);
    }
    while tip.position < place.position {
        let found = look(window, &tip)?;
        if let Found::Follows(header) = found {
            tip.advance(&header);
            continue;
        }
        let behind = look_behind(window, &tip)?;
        if found == Found::Nothing && behind.rest == Rest::Zeros {
            return doubt(PlaceDoubt::BeyondEnd);
        }
        return Err(refusal(window, &tip, &found, behind.rest, None));
    }
    if tip.position != place.position {
        return doubt(PlaceDoubt::NoBoundary);
    }
    if tip.place() != *place {
        return doubt(PlaceDoubt::Differs);
    }
    Ok(tip)
}

/// The log behind a segment's first record, which is taken on trust, but for the birth mark; `None` when there is no record.
pub(crate) fn read_opening<S: Storage>(window: &mut SegmentWindow<S>) -> Result<Option<Tip>, JournalFault> {
    let first = window.segment.first_sequence;
    if first == FIRST_SEGMENT {
        return read_birth(window).map(Some);
    }
    window.load(0, BLOCK_BYTES)?;
    if is_zero(window.slice(0, BLOCK_BYTES)) {
        return Ok(None);
    }
    let opened = match read_record(window, 0)? {
        Ok((header, _)) => Tip::behind_opening(first, &header),
        Err(NoRecord::Broken(reason) | NoRecord::Stranger(reason)) => Err(reason),
    };
    opened.map(Some).map_err(|reason| window.damaged(0, reason))
}

/// The name of the journal in a directory, by the first record of its first segment; `None` when there is no journal.
///
/// It is there for whoever must know the name before reading the log; damage is reported as [`scan`] would.
pub fn lineage_of<S: Storage>(storage: &S) -> Result<Option<Lineage>, JournalFault> {
    let directories = core::slice::from_ref(storage);
    let listed = list_all(directories)?;
    let Some(first) = listed.first() else { return Ok(None) };
    let mut window = SegmentWindow::find(directories, first, BLOCK_BYTES)?;
    match read_opening(&mut window)? {
        Some(tip) => Ok(Some(tip.lineage)),
        None => Err(window.damaged(0, Damage::RecordMissing)),
    }
}

/// Reads a closed segment by itself: whole records, each continuing the one before, then zeros. What the first one continues is
/// not at hand. Returns the log behind it.
pub(crate) fn check_segment<S: Storage>(window: &mut SegmentWindow<S>) -> Result<Tip, JournalFault> {
    let Some(mut tip) = read_opening(window)? else {
        return Err(window.damaged(0, Damage::RecordMissing));
    };
    loop {
        let found = look(window, &tip)?;
        if let Found::Follows(header) = found {
            tip.advance(&header);
            continue;
        }
        let behind = look_behind(window, &tip)?;
        if found == Found::Nothing && behind.rest == Rest::Zeros {
            return Ok(tip);
        }
        return Err(refusal(window, &tip, &found, behind.rest, None));
    }
}

fn no_such_place<S: Storage>(storage: &S, place: &JournalPlace, reason: PlaceDoubt) -> JournalFault {
    JournalFault::NoSuchPlace { directory: storage.path_of("."), position: place.position, reason }
}

/// What stands where the next record would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Follows(Header),
    Stranger(Damage),
    Nothing,
    Broken(Damage),
}

impl Found {
    fn at(&self) -> At {
        match self {
            Found::Follows(_) => At::Follows,
            Found::Stranger(_) => At::Stranger,
            Found::Nothing => At::Nothing,
            Found::Broken(_) => At::Broken,
        }
    }

    /// Why it is not taken.
    pub(crate) fn reason(&self) -> Damage {
        match self {
            Found::Stranger(reason) | Found::Broken(reason) => *reason,
            Found::Follows(_) | Found::Nothing => Damage::RecordMissing,
        }
    }
}

pub(crate) fn look<S: Storage>(window: &mut SegmentWindow<S>, tip: &Tip) -> Result<Found, JournalFault> {
    let (offset, end) = (tip.position.offset, window.segment_bytes);
    if offset == end {
        return Ok(Found::Nothing);
    }
    window.load(offset, BLOCK_BYTES)?;
    if is_zero(window.slice(offset, BLOCK_BYTES)) {
        return Ok(Found::Nothing);
    }
    Ok(match read_record(window, offset)? {
        Ok((header, payload)) => match tip.check(&header, payload) {
            Ok(()) => Found::Follows(header),
            Err(reason) => Found::Stranger(reason),
        },
        Err(NoRecord::Stranger(reason)) => Found::Stranger(reason),
        Err(NoRecord::Broken(reason)) => Found::Broken(reason),
    })
}

/// Loads the record at a block boundary, whole, and checks what can be checked without its predecessor.
pub(crate) fn read_record<S: Storage>(
    window: &mut SegmentWindow<S>,
    offset: u64,
) -> Result<Result<(Header, &[u8]), NoRecord>, JournalFault> {
    window.load(offset, BLOCK_BYTES)?;
    let bytes = match announced_length(window.slice(offset, BLOCK_BYTES)) {
        Ok(length) => record_bytes(u64::from(length)),
        Err(no_record) => return Ok(Err(no_record)),
    };
    if bytes > window.segment_bytes - offset {
        return Ok(Err(NoRecord::Broken(Damage::Length)));
    }
    window.load(offset, bytes)?;
    Ok(decode(window.slice(offset, bytes)))
}

/// What stands behind the tip, up to the end of the segment, when the tip has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Behind {
    /// Behind the first block.
    rest: Rest,
    /// Offset behind the last byte that is not zero, the first block included.
    high_water: u64,
}

/// Tries every block boundary behind the tip for a witness: a record that says that the tip's place had been on disk.
fn look_behind<S: Storage>(window: &mut SegmentWindow<S>, tip: &Tip) -> Result<Behind, JournalFault> {
    let from = tip.position.offset;
    let mut behind = Behind { rest: Rest::Zeros, high_water: from };
    let mut offset = from;
    while offset < window.segment_bytes {
        window.load(offset, BLOCK_BYTES)?;
        let block = window.slice(offset, BLOCK_BYTES);
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            let may_be_record = block[..MAGIC.len()] == MAGIC;
            behind.high_water = offset + last as u64 + 1;
            if offset > from {
                behind.rest = Rest::Remains;
                let place = Position { offset, ..tip.position };
                if may_be_record && is_witness(read_record(window, offset)?, place, tip) {
                    return Ok(Behind { rest: Rest::Witness, ..behind });
                }
            }
        }
        offset += BLOCK_BYTES;
    }
    Ok(behind)
}

fn is_witness(record: Result<(Header, &[u8]), NoRecord>, place: Position, tip: &Tip) -> bool {
    record.is_ok_and(|(header, _)| {
        header.lineage == tip.lineage
            && header.first_sequence >= tip.next_sequence
            && header.synced_through <= place
            && header.synced_through > tip.position
    })
}

/// What is said of a place in the log that can neither be taken nor cut.
fn refusal<S: Storage>(
    window: &SegmentWindow<S>,
    tip: &Tip,
    found: &Found,
    rest: Rest,
    next: Option<&ListedSegment>,
) -> JournalFault {
    let reason = match (found, rest, next) {
        (Found::Nothing, Rest::Zeros, Some(next)) => {
            Damage::SegmentMissing { expected: tip.next_sequence, found: next.file.first_sequence }
        }
        _ => found.reason(),
    };
    window.damaged(tip.position.offset, reason)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Follows,
    Stranger,
    Nothing,
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Zeros,
    Remains,
    Witness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    None,
    Expected,
    Other,
}

impl Next {
    fn of(next: Option<&ListedSegment>, tip: &Tip) -> Next {
        match next {
            None => Next::None,
            Some(segment) if segment.file.first_sequence == tip.next_sequence => Next::Expected,
            Some(_) => Next::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Take,
    End,
    GoOn,
    Cut,
    Refuse,
}

const ANY_REST: &[Rest] = &[Rest::Zeros, Rest::Remains, Rest::Witness];
const ANY_NEXT: &[Next] = &[Next::None, Next::Expected, Next::Other];
const EXISTS: &[Next] = &[Next::Expected, Next::Other];

/// One row of the table: what is at the tip, which rests and which next segments it covers, the decision.
type Row = (At, &'static [Rest], &'static [Next], Decision);

/// The table of the module's documentation, in the same order; rows of two subjects stand twice.
const TABLE: [Row; 11] = [
    (At::Follows, ANY_REST, ANY_NEXT, Decision::Take),
    (At::Stranger, ANY_REST, ANY_NEXT, Decision::Refuse),
    (At::Nothing, &[Rest::Zeros], &[Next::None], Decision::End),
    (At::Nothing, &[Rest::Zeros], &[Next::Expected], Decision::GoOn),
    (At::Nothing, &[Rest::Zeros], &[Next::Other], Decision::Refuse),
    (At::Nothing, &[Rest::Remains], &[Next::None], Decision::Cut),
    (At::Broken, &[Rest::Zeros, Rest::Remains], &[Next::None], Decision::Cut),
    (At::Nothing, &[Rest::Witness], &[Next::None], Decision::Refuse),
    (At::Broken, &[Rest::Witness], &[Next::None], Decision::Refuse),
    (At::Nothing, &[Rest::Remains, Rest::Witness], EXISTS, Decision::Refuse),
    (At::Broken, ANY_REST, EXISTS, Decision::Refuse),
];

fn decide(at: At, rest: Rest, next: Next) -> Decision {
    let row = TABLE.iter().find(|row| row.0 == at && row.1.contains(&rest) && row.2.contains(&next));
    row.expect("the table is total, see the test").3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_decides_every_case_exactly_once() {
        for at in [At::Follows, At::Stranger, At::Nothing, At::Broken] {
            for rest in ANY_REST {
                for next in ANY_NEXT {
                    let rows = TABLE.iter().filter(|row| row.0 == at && row.1.contains(rest) && row.2.contains(next));
                    assert_eq!(rows.count(), 1, "{at:?} {rest:?} {next:?}");
                }
            }
        }
    }

    #[test]
    fn the_document_and_the_module_show_the_same_table() {
        let document = include_str!("../../../docs/formats/journal.md");
        let rows: Vec<&str> =
            include_str!("recovery.rs").lines().filter_map(|line| line.strip_prefix("//! |")).collect();
        assert_eq!(rows.len(), 12);
        for row in rows {
            assert!(document.contains(row), "{row}");
        }
    }

    /// What must hold whatever the table says: nothing is cut that a witness or a later segment vouches for, and nothing but
    /// what follows is taken.
    #[test]
    fn the_table_never_cuts_what_was_durable() {
        for row in TABLE {
            let (at, rests, nexts, decision) = row;
            if decision == Decision::Cut {
                assert_eq!(nexts, [Next::None], "{row:?}");
                assert!(!rests.contains(&Rest::Witness), "{row:?}");
            }
            assert_eq!(decision == Decision::Take, at == At::Follows, "{row:?}");
        }
    }
}
