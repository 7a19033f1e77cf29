//! A run in memory: the records between two cuts, until they are in files; or several runs, while they are joined.

use super::block::FileName;
use super::fault::IndexFault;
use super::footer::Span;
use super::query::Chunk;
use super::{IndexSchema, groups_of};
use crate::limits::INDEX_CHUNK_RECORDS_MAX;

/// Records in order, and the states of groups before their first records.
pub(crate) struct Run {
    /// The first of the runs that are here, and the last: it gives the whole its number.
    pub(crate) first_run: u32,
    pub(crate) number: u32,
    /// Grows with each record; its end is set when the run is cut.
    pub(crate) span: Span,
    pub(crate) records: Vec<u8>,
    /// Encoded states, each with its length (u8) before it.
    states: Vec<u8>,
    /// Group, and where in `states` its state begins; in the order of pushing.
    pub(crate) marks: Vec<(u64, u32)>,
}

impl Run {
    /// The run that goes on where `before` ends. It uses the memory of one that is in files, if there is one.
    pub(crate) fn after(number: u32, before: &Span, finished: Option<Run>) -> Run {
        let (mut records, mut states, mut marks) =
            finished.map_or_else(Default::default, |run| (run.records, run.states, run.marks));
        records.clear();
        states.clear();
        marks.clear();
        let span = Span {
            first_record: before.end_record(),
            records: 0,
            after_sequence: before.through_sequence,
            through_sequence: before.through_sequence,
            through_time_ns: before.through_time_ns,
        };
        Run { first_run: number, number, span, records, states, marks }
    }

    /// Runs that are read from a file; records and states are to be added.
    pub(crate) fn of_file(name: FileName, span: Span) -> Run {
        let FileName { first_run, last_run, .. } = name;
        Run { first_run, number: last_run, span, records: Vec::new(), states: Vec::new(), marks: Vec::new() }
    }

    /// Adds the run that goes on where this one ends. Where both have a state of a group, this one's is the first and counts.
    pub(crate) fn append(&mut self, next: &Run) {
        assert!(next.first_run == self.number + 1 && next.span.continues(&self.span), "runs are joined in order");
        let offset = u32::try_from(self.states.len()).expect("fewer than 2^32 bytes, limits.rs");
        self.records.extend_from_slice(&next.records);
        self.states.extend_from_slice(&next.states);
        self.marks.extend(next.marks.iter().map(|(group, at)| (*group, at + offset)));
        self.span = self.span.joined(&next.span);
        self.number = next.number;
    }

    pub(crate) fn push(&mut self, record: &[u8]) {
        self.records.extend_from_slice(record);
        self.span.records += 1;
    }

    pub(crate) fn push_state<X: IndexSchema>(&mut self, group: u64, state: &X::State) {
        self.push_state_by(group, |states| X::encode_state(state, states));
    }

    /// Adds a state that is encoded.
    pub(crate) fn push_state_bytes(&mut self, group: u64, state: &[u8]) {
        self.push_state_by(group, |states| states.extend_from_slice(state));
    }

    fn push_state_by(&mut self, group: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        let at = self.states.len();
        self.states.push(0);
        encode(&mut self.states);
        let length = self.states.len() - at - 1;
        assert!(length <= crate::limits::INDEX_STATE_BYTES_MAX, "a state has at most 80 bytes");
        self.states[at] = u8::try_from(length).expect("at most 80");
        self.marks.push((group, u32::try_from(at).expect("the states of a run have fewer than 2^32 bytes, limits.rs")));
    }

    /// The encoded state at a mark.
    pub(crate) fn state_bytes(&self, mark: u32) -> &[u8] {
        let at = mark as usize;
        let length = usize::from(self.states[at]);
        &self.states[at + 1..at + 1 + length]
    }

    /// The record at a place within the run.
    pub(crate) fn record<X: IndexSchema>(&self, place: usize) -> &[u8] {
        &self.records[place * X::RECORD_BYTES..(place + 1) * X::RECORD_BYTES]
    }

    pub(crate) fn each_record<X: IndexSchema>(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.records.chunks_exact(X::RECORD_BYTES)
    }

    /// The newest record with a key.
    pub(crate) fn find<X: IndexSchema>(&self, key: &[u8; 16]) -> Option<&[u8]> {
        self.each_record::<X>().rfind(|record| X::key(record).as_ref() == Some(key))
    }

    /// The place of the first record of this time or later.
    pub(crate) fn first_at_or_after<X: IndexSchema>(&self, time_ns: u64) -> usize {
        let (mut from, mut until) = (0, self.each_record::<X>().len());
        while from < until {
            let middle = from.midpoint(until);
            if X::position(self.record::<X>(middle)).1 < time_ns {
                from = middle + 1;
            } else {
                until = middle;
            }
        }
        from
    }

    /// At most 512 of the group's records from a place on, with the state before them.
    pub(crate) fn chunk_at<X: IndexSchema>(
        &self,
        group: u64,
        from: usize,
    ) -> Result<Option<Chunk<X::State>>, IndexFault> {
        let mut places = self.places_of::<X>(group).filter(|place| *place >= from).peekable();
        if places.peek().is_none() {
            return Ok(None);
        }
        let numbers = places.take(INDEX_CHUNK_RECORDS_MAX).map(|place| self.span.first_record + place as u64).collect();
        Ok(Some(Chunk { state: self.state_at::<X>(group, from)?, numbers }))
    }

    /// The group's state after its records before a place; `None` where there are none.
    pub(crate) fn state_before<X: IndexSchema>(
        &self,
        group: u64,
        until: usize,
    ) -> Result<Option<X::State>, IndexFault> {
        match self.places_of::<X>(group).next() {
            Some(first) if first < until => self.state_at::<X>(group, until).map(Some),
            _ => Ok(None),
        }
    }

    fn state_at<X: IndexSchema>(&self, group: u64, until: usize) -> Result<X::State, IndexFault> {
        let missing = IndexFault::StateMissing { group, run: self.number };
        let mark = self.marks.iter().find(|mark| mark.0 == group).ok_or(missing)?;
        let mut state = X::decode_state(self.state_bytes(mark.1)).expect("what was encoded here can be decoded");
        for place in self.places_of::<X>(group).take_while(|place| *place < until) {
            X::advance(&mut state, group, self.record::<X>(place));
        }
        Ok(state)
    }

    fn places_of<X: IndexSchema>(&self, group: u64) -> impl Iterator<Item = usize> {
        let is_in = move |record: &[u8]| groups_of::<X>(record).any(|of| of == group);
        self.each_record::<X>().enumerate().filter(move |(_, record)| is_in(record)).map(|(place, _)| place)
    }
}
