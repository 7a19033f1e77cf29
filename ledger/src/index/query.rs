//! Questions to an index, answered from its runs: those in files, and, for the owner, those in memory.

use core::marker::PhantomData;

use super::IndexSchema;
use super::block::{BlockReader, Blocks};
use super::fault::IndexFault;
use super::records::RecordsFile;
use super::run::Run;
use crate::journal::Storage;
use crate::limits::{INDEX_PAGE_RECORDS_MAX, to_usize};

/// Which records of a group are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupQuery {
    /// The group.
    pub group: u64,
    /// The first record number of interest: 0, or [`Page::next`] of the page before.
    pub from_record: u64,
    /// Records of this time or later.
    pub from_ns: u64,
    /// Records of before this time.
    pub until_ns: u64,
    /// At most so many; never more than [`INDEX_PAGE_RECORDS_MAX`].
    pub records_max: usize,
}

impl GroupQuery {
    /// All records of a group.
    pub const fn all(group: u64) -> GroupQuery {
        GroupQuery { group, from_record: 0, from_ns: 0, until_ns: u64::MAX, records_max: INDEX_PAGE_RECORDS_MAX }
    }
}

/// Which records, of whatever group, are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeQuery {
    /// The first record number of interest: 0, or [`TimePage::next`] of the page before.
    pub from_record: u64,
    /// Records of this time or later.
    pub from_ns: u64,
    /// Records of before this time.
    pub until_ns: u64,
    /// At most so many; never more than [`INDEX_PAGE_RECORDS_MAX`].
    pub records_max: usize,
}

impl TimeQuery {
    /// All records.
    pub const ALL: TimeQuery =
        TimeQuery { from_record: 0, from_ns: 0, until_ns: u64::MAX, records_max: INDEX_PAGE_RECORDS_MAX };
}

/// Some records of a group, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<State> {
    /// The records, one after the other.
    pub records: Vec<u8>,
    /// Their numbers.
    pub numbers: Vec<u64>,
    /// The group's state before the first of them; where there are none, the state at the beginning of what was asked for.
    pub state_before: State,
    /// The number of the next record that was asked for; `None` at the end.
    pub next: Option<u64>,
}

/// Some records, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePage {
    /// The records, one after the other.
    pub records: Vec<u8>,
    /// The number of the first of them; they follow each other.
    pub first_number: u64,
    /// The number of the next record that was asked for; `None` at the end.
    pub next: Option<u64>,
}

/// At most 512 records of a group, and its state before the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<State> {
    pub(crate) state: State,
    pub(crate) numbers: Vec<u64>,
}

/// A chunk, and the run that it is of.
type Located<'q, 'p, State> = (&'q Part<'p>, Chunk<State>);

/// A run, wherever it is.
#[derive(Clone, Copy)]
pub(crate) enum Part<'p> {
    File(&'p RecordsFile),
    Memory(&'p Run),
}

impl Part<'_> {
    fn first_record(&self) -> u64 {
        match self {
            Part::File(file) => file.footer.span.first_record,
            Part::Memory(run) => run.span.first_record,
        }
    }

    fn end_record(&self) -> u64 {
        match self {
            Part::File(file) => file.footer.span.end_record(),
            Part::Memory(run) => run.span.end_record(),
        }
    }

    /// A place in this part; numbers outside are moved to its ends.
    fn place(&self, number: u64) -> usize {
        to_usize(number.clamp(self.first_record(), self.end_record()) - self.first_record())
    }
}

/// All runs that a question is put to, in order.
pub(crate) struct Parts<'p, S: Storage, X> {
    reader: &'p BlockReader<S>,
    parts: Vec<Part<'p>>,
    schema: PhantomData<fn() -> X>,
}

impl<'p, S: Storage, X: IndexSchema> Parts<'p, S, X> {
    pub(crate) fn new(reader: &'p BlockReader<S>, parts: Vec<Part<'p>>) -> Parts<'p, S, X> {
        Parts { reader, parts, schema: PhantomData }
    }

    pub(crate) fn end_record(&self) -> u64 {
        self.parts.last().map_or(0, Part::end_record)
    }

    /// A record by its number, where there is one.
    pub(crate) fn record(&self, number: u64) -> Result<Option<Vec<u8>>, IndexFault> {
        let Some(part) = self.parts.get(self.part_of(number)) else { return Ok(None) };
        let mut blocks = Blocks::default();
        self.read(part, number, &mut blocks).map(|record| Some(record.to_vec()))
    }

    pub(crate) fn group_page(&self, query: &GroupQuery) -> Result<Page<X::State>, IndexFault> {
        let (from, until) = self.numbers(query.from_record, query.from_ns, query.until_ns)?;
        let wanted = query.records_max.min(INDEX_PAGE_RECORDS_MAX);
        let (mut numbers, mut records) = (Vec::new(), Vec::new());
        let mut next = None;
        let mut blocks = Blocks::default();
        let mut state_before = None;
        let mut at = from;
        while let Some((part, chunk)) = self.chunk_at(query.group, at, until)? {
            for number in chunk.numbers.iter().copied().filter(|number| (from..until).contains(number)) {
                if numbers.len() == wanted {
                    next = Some(number);
                    break;
                }
                records.extend_from_slice(self.read(part, number, &mut blocks)?);
                numbers.push(number);
            }
            if state_before.is_none() {
                state_before = Some(self.state_in(part, query.group, &chunk, from)?);
            }
            at = chunk.numbers.last().map_or(until, |last| last + 1);
            if next.is_some() {
                break;
            }
        }
        let state_before = match state_before {
            Some(state) => state,
            None => self.state_before(query.group, from)?,
        };
        Ok(Page { records, numbers, state_before, next })
    }

    pub(crate) fn time_page(&self, query: &TimeQuery) -> Result<TimePage, IndexFault> {
        let (from, until) = self.numbers(query.from_record, query.from_ns, query.until_ns)?;
        let wanted = query.records_max.min(INDEX_PAGE_RECORDS_MAX) as u64;
        let end = until.min(from.saturating_add(wanted)).max(from);
        let mut records = Vec::new();
        let mut number = from;
        while number < end {
            let part = &self.parts[self.part_of(number)];
            let places = part.place(number)..part.place(end);
            match part {
                Part::File(file) => file.each_record(self.reader, places, |_, record| {
                    records.extend_from_slice(record);
                    true
                })?,
                Part::Memory(run) => {
                    records
                        .extend_from_slice(&run.records[places.start * X::RECORD_BYTES..places.end * X::RECORD_BYTES]);
                }
            }
            number = part.end_record();
        }
        Ok(TimePage { records, first_number: from, next: (end < until).then_some(end) })
    }

    /// The group's state after all its records of this time or before.
    pub(crate) fn group_state_at(&self, group: u64, time_ns: u64) -> Result<X::State, IndexFault> {
        let until = match time_ns.checked_add(1) {
            Some(behind) => self.first_at_or_after(behind)?,
            None => self.end_record(),
        };
        self.state_before(group, until)
    }

    /// The number of the group's first record after which `reached` holds; from there on it must hold for ever.
    pub(crate) fn group_seek(
        &self,
        group: u64,
        reached: impl Fn(&X::State) -> bool,
    ) -> Result<Option<u64>, IndexFault> {
        // All chunks before `from` begin with a state that has not reached it, all from `until` on with one that has.
        let (mut from, mut until) = (0, self.end_record());
        let mut last_before = None;
        while from < until {
            let middle = from.midpoint(until);
            match self.chunk_at(group, middle, until)? {
                None => until = middle,
                Some((_, chunk)) if reached(&chunk.state) => until = middle,
                Some((part, chunk)) => {
                    from = chunk.numbers.last().map_or(until, |last| last + 1);
                    last_before = Some((part, chunk));
                }
            }
        }
        if let Some((part, Chunk { mut state, numbers })) = last_before {
            let mut blocks = Blocks::default();
            for number in numbers {
                X::advance(&mut state, group, self.read(part, number, &mut blocks)?);
                if reached(&state) {
                    return Ok(Some(number));
                }
            }
        }
        // Only a group that had reached it before its first record gets here with a chunk.
        Ok(self.chunk_at(group, from, u64::MAX)?.and_then(|(_, chunk)| chunk.numbers.first().copied()))
    }

    /// The group's state after all its records with a number below this.
    fn state_before(&self, group: u64, until: u64) -> Result<X::State, IndexFault> {
        let end = self.parts.partition_point(|part| part.first_record() < until);
        for part in self.parts[..end].iter().rev() {
            let place = part.place(until);
            let found = match part {
                Part::File(file) => file.state_before::<S, X>(self.reader, group, place)?,
                Part::Memory(run) => run.state_before::<X>(group, place)?,
            };
            if let Some(state) = found {
                return Ok(state);
            }
        }
        Ok(X::State::default())
    }

    /// The group's first chunk with a record of this number or above, in runs that begin before `until`.
    fn chunk_at(&self, group: u64, number: u64, until: u64) -> Result<Option<Located<'_, 'p, X::State>>, IndexFault> {
        let parts = self.parts[self.part_of(number)..].iter().take_while(|part| part.first_record() < until);
        for part in parts {
            let place = part.place(number);
            let found = match part {
                Part::File(file) => file.chunk_at::<S, X>(self.reader, group, place)?,
                Part::Memory(run) => run.chunk_at::<X>(group, place)?,
            };
            if let Some(chunk) = found {
                return Ok(Some((part, chunk)));
            }
        }
        Ok(None)
    }

    /// The group's state before its first record in a chunk that has this number or one above.
    fn state_in(
        &self,
        part: &Part<'p>,
        group: u64,
        chunk: &Chunk<X::State>,
        from: u64,
    ) -> Result<X::State, IndexFault> {
        let mut state = chunk.state;
        let mut blocks = Blocks::default();
        for number in chunk.numbers.iter().copied().take_while(|number| *number < from) {
            X::advance(&mut state, group, self.read(part, number, &mut blocks)?);
        }
        Ok(state)
    }

    /// From and until as record numbers.
    fn numbers(&self, from_record: u64, from_ns: u64, until_ns: u64) -> Result<(u64, u64), IndexFault> {
        let from = self.first_at_or_after(from_ns)?.max(from_record).min(self.end_record());
        let until = match until_ns {
            u64::MAX => self.end_record(),
            until_ns => self.first_at_or_after(until_ns)?,
        };
        Ok((from, until.max(from)))
    }

    /// The number of the first record of this time or later.
    fn first_at_or_after(&self, time_ns: u64) -> Result<u64, IndexFault> {
        let through = |part: &Part<'_>| match part {
            Part::File(file) => file.footer.span.through_time_ns,
            Part::Memory(run) => run.span.through_time_ns,
        };
        let Some(part) = self.parts.get(self.parts.partition_point(|part| through(part) < time_ns)) else {
            return Ok(self.end_record());
        };
        let place = match part {
            Part::File(file) => file.first_at_or_after::<S, X>(self.reader, time_ns)?,
            Part::Memory(run) => run.first_at_or_after::<X>(time_ns),
        };
        Ok(part.first_record() + place as u64)
    }

    /// The place in `parts` of the run that has a record; their number where none has.
    fn part_of(&self, number: u64) -> usize {
        self.parts.partition_point(|part| part.end_record() <= number)
    }

    fn read<'b>(&self, part: &Part<'b>, number: u64, blocks: &'b mut Blocks) -> Result<&'b [u8], IndexFault>
    where
        'p: 'b,
    {
        let place = part.place(number);
        match part {
            Part::File(file) => file.record(self.reader, blocks, place),
            Part::Memory(run) => Ok(run.record::<X>(place)),
        }
    }
}
