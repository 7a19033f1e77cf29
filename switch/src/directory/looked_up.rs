//! Who has looked up what, for whoever shows it to the holder.
//!
//! It is written once and never sorted again: what was looked up last lies in memory, sorted by entry, and in rows of the store as it came; when that is a volume's worth it is
//! written as one, some pages at a time, and the rows go. Whoever asks for those of an entry looks into memory, and then into one volume after the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::{Change, Space, Store, StoreFault};
use crate::engine::lookups::LookupMade;
use crate::entry::ParticipantId;
use crate::limits::{LOOKUP_PAGES_PER_WRITE, LOOKUP_VOLUMES_PER_ANSWER_MAX, LOOKUPS_PER_PAGE, LOOKUPS_PER_ROW_MAX};

/// Look-ups, and before which journal position to go on.
pub type LookupsPage = (Vec<LookupMade>, Option<u64>);

/// A look-up in a row or in a page.
const LOOKUP_BYTES: usize = 29;

/// Look-ups by entry, and of one entry the newest first: the order of a volume.
type Sorted = BTreeMap<(u64, Reverse<u64>), LookupMade>;

/// The writing side.
pub(super) struct LookedUp {
    fresh: FreshLookups,
    /// What is in no row yet, as it came.
    unwritten: Vec<LookupMade>,
    /// Keys of the rows of what is open.
    rows: Vec<u64>,
    closing: Option<Closing>,
    /// So many make a volume.
    volume_lookups: usize,
}

/// A volume that is being written, some pages with each change of the store.
struct Closing {
    /// Keys of the rows that go when all of it is written; the first is its first position.
    rows: Vec<u64>,
    /// The last look-up that is in a page.
    through: Option<(u64, Reverse<u64>)>,
}

/// What is in no whole volume yet: the writer's and its readers'.
#[derive(Clone, Default)]
pub(super) struct FreshLookups(Arc<Mutex<Fresh>>);

#[derive(Default)]
struct Fresh {
    /// The first position of it all.
    oldest: Option<u64>,
    closing: Sorted,
    open: Sorted,
}

impl FreshLookups {
    fn held(&self) -> MutexGuard<'_, Fresh> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fresh {
    fn note(&mut self, made: &[LookupMade]) {
        self.oldest = self.oldest.or(made.first().map(|first| first.position));
        self.open.extend(made.iter().map(|made| (key_of(made), *made)));
    }

    /// Of an entry, at a position or before, the newest first.
    fn of_entry(&self, entry: u64, newest: u64) -> impl Iterator<Item = &LookupMade> {
        let wanted = (entry, Reverse(newest))..=(entry, Reverse(0));
        self.open.range(wanted.clone()).chain(self.closing.range(wanted)).map(|(_, made)| made)
    }
}

fn key_of(made: &LookupMade) -> (u64, Reverse<u64>) {
    (made.entry, Reverse(made.position))
}

impl LookedUp {
    /// As the store has it. A volume that was not written to its end is begun anew.
    pub(super) fn open<S: Store>(store: &S, volume_lookups: usize) -> Result<LookedUp, StoreFault> {
        let (mut fresh, mut rows, mut is_damaged) = (Fresh::default(), Vec::new(), false);
        store.scan(Space::FreshLookups, &[], &mut |key, value| {
            let (key, (made, rest)) = (<[u8; 8]>::try_from(key), value.as_chunks::<LOOKUP_BYTES>());
            is_damaged = key.is_err() || !rest.is_empty();
            rows.extend(key.map(u64::from_be_bytes));
            fresh.note(&made.iter().map(read).collect::<Vec<_>>());
            !is_damaged
        })?;
        if is_damaged {
            return Err(StoreFault::damaged("a row of look-ups that is none"));
        }
        if let Some(oldest) = fresh.oldest {
            let mut unfinished = Vec::new();
            store.scan(Space::Lookups, &oldest.to_be_bytes(), &mut |key, _| {
                unfinished.push(Change { space: Space::Lookups, key: key.to_vec(), value: None });
                true
            })?;
            if !unfinished.is_empty() {
                store.write(unfinished)?;
            }
        }
        let fresh = FreshLookups(Arc::new(Mutex::new(fresh)));
        Ok(LookedUp { fresh, unwritten: Vec::new(), rows, closing: None, volume_lookups })
    }

    /// Who reads it beside the store.
    pub(super) fn fresh(&self) -> FreshLookups {
        self.fresh.clone()
    }

    /// These were let pass, behind all others.
    pub(super) fn note(&mut self, made: &[LookupMade]) {
        self.unwritten.extend_from_slice(made);
        self.fresh.held().note(made);
    }

    /// Must it be written now, whether or not there is anything else to write?
    pub(super) fn is_due(&self) -> bool {
        self.unwritten.len() >= LOOKUPS_PER_ROW_MAX.min(self.volume_lookups)
    }

    /// Adds what has to be written: what is new as a row, and some pages of the volume that is being closed. [`Self::written`] follows once it is.
    pub(super) fn changes(&mut self, changes: &mut Vec<Change>) {
        if let Some(first) = self.unwritten.first() {
            let (key, value) = (first.position.to_be_bytes().to_vec(), bytes_of(&self.unwritten));
            changes.push(Change { space: Space::FreshLookups, key, value: Some(value) });
            self.rows.push(first.position);
            self.unwritten.clear();
        }
        let mut fresh = self.fresh.held();
        match &mut self.closing {
            Some(closing) => closing.write(&fresh.closing, changes),
            None if fresh.open.len() >= self.volume_lookups => {
                fresh.closing = std::mem::take(&mut fresh.open);
                self.closing = Some(Closing { rows: std::mem::take(&mut self.rows), through: None });
            }
            None => {}
        }
    }

    /// The store has taken it. Only now a volume that is whole leaves memory: a reader finds it here or there.
    pub(super) fn written(&mut self) {
        let mut fresh = self.fresh.held();
        if self.closing.take_if(|closing| closing.is_whole(&fresh.closing)).is_some() {
            fresh.closing.clear();
            fresh.oldest = self.rows.first().copied();
        }
    }
}

impl Closing {
    /// Is the last of it in a page?
    fn is_whole(&self, sorted: &Sorted) -> bool {
        self.through == sorted.last_key_value().map(|(key, _)| *key)
    }

    /// Adds the next pages, and with the last takes out the rows.
    fn write(&mut self, sorted: &Sorted, changes: &mut Vec<Change>) {
        let from = self.through.map_or(Bound::Unbounded, Bound::Excluded);
        let next = sorted.range((from, Bound::Unbounded)).map(|(_, made)| *made);
        let next: Vec<LookupMade> = next.take(LOOKUP_PAGES_PER_WRITE * LOOKUPS_PER_PAGE).collect();
        changes.extend(next.chunks(LOOKUPS_PER_PAGE).map(|page| {
            let last = page[page.len() - 1];
            let key = page_key(self.rows[0], last.entry, last.position);
            Change { space: Space::Lookups, key, value: Some(bytes_of(page)) }
        }));
        self.through = next.last().map(key_of);
        if self.is_whole(sorted) {
            let row = |key: &u64| Change { space: Space::FreshLookups, key: key.to_be_bytes().to_vec(), value: None };
            changes.extend(self.rows.iter().map(row));
        }
    }
}

/// Volumes by their first position, so that what is new stands behind what is there; pages by the last that is in them. So the page from which on to read is the first with a key that is
/// not less.
fn page_key(first: u64, entry: u64, position: u64) -> Vec<u8> {
    [&first.to_be_bytes()[..], &entry.to_be_bytes(), &(!position).to_be_bytes()].concat()
}

/// Who has looked up an entry, newest first, before a journal position (0: from the newest); at most so many, and before which position to go on: none at the end.
pub(super) fn of_entry<S: Store>(
    (store, fresh): (&S, &FreshLookups),
    entry: u64,
    before: u64,
    count_max: usize,
) -> Result<LookupsPage, StoreFault> {
    let mut newest = before.wrapping_sub(1);
    let mut made: Vec<LookupMade> = Vec::new();
    {
        let fresh = fresh.held();
        made.extend(fresh.of_entry(entry, newest).take(count_max));
        newest = fresh.oldest.map_or(newest, |oldest| newest.min(oldest.saturating_sub(1)));
    }
    for _ in 0..LOOKUP_VOLUMES_PER_ANSWER_MAX {
        if made.len() == count_max {
            break;
        }
        // Nobody has looked it up before it was there.
        let first = if newest < entry { None } else { volume_through(store, newest)? };
        let Some(first) = first else { return Ok((made, None)) };
        let mut is_damaged = false;
        store.scan(Space::Lookups, &page_key(first, entry, newest), &mut |key, page| {
            let (page, rest) = page.as_chunks::<LOOKUP_BYTES>();
            is_damaged |= !rest.is_empty();
            if !key.starts_with(&first.to_be_bytes()) {
                return false;
            }
            let of_entry = page.iter().map(read).filter(|made| made.entry == entry && made.position <= newest);
            made.extend(of_entry.take(count_max - made.len()));
            made.len() < count_max && page.last().is_some_and(|last| read(last).entry == entry)
        })?;
        if is_damaged {
            return Err(StoreFault::damaged("a page of look-ups that is none"));
        }
        newest = first.saturating_sub(1);
    }
    let next = if made.len() == count_max { made.last().map(|oldest| oldest.position) } else { Some(newest + 1) };
    Ok((made, next))
}

/// The newest volume that begins at a position or before; none before the first.
fn volume_through<S: Store>(store: &S, newest: u64) -> Result<Option<u64>, StoreFault> {
    let last = store.last_through(Space::Lookups, &page_key(newest, u64::MAX, 0))?;
    Ok(last.and_then(|key| key.first_chunk::<8>().map(|first| u64::from_be_bytes(*first))))
}

fn bytes_of(made: &[LookupMade]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(made.len() * LOOKUP_BYTES);
    for &LookupMade { position, entry, participant, purpose, time_ns } in made {
        bytes.extend_from_slice(&entry.to_le_bytes());
        bytes.extend_from_slice(&position.to_le_bytes());
        bytes.extend_from_slice(&time_ns.to_le_bytes());
        bytes.extend_from_slice(&participant.0.to_le_bytes());
        bytes.push(purpose);
    }
    bytes
}

fn read(bytes: &[u8; LOOKUP_BYTES]) -> LookupMade {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let participant = ParticipantId(u32::from_le_bytes(std::array::from_fn(|byte| bytes[24 + byte])));
    LookupMade { entry: word(0), position: word(8), time_ns: word(16), participant, purpose: bytes[28] }
}
