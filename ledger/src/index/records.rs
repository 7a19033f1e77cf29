//! Files of records: one a run, or one of several small runs, with the chunks of the groups.
//!
//! The picture is in `docs/formats/index.md`, section 4.

use super::block::{BlockReader, BlockWriter, Blocks, FileName, PAYLOAD};
use super::chunk::{ChunkDecoder, ChunkEncoder, RawChunk};
use super::fault::{IndexDamage, IndexFault};
use super::footer::{Common, Footer};
use super::pace::Output;
use super::query::Chunk;
use super::run::Run;
use super::sort::sort_by_u64;
use super::{IndexSchema, groups_of};
use crate::bytes::{u32_at, u64_at};
use crate::journal::Storage;
use crate::limits::{INDEX_CHUNK_RECORDS_MAX, INDEX_READ_BLOCKS, INDEX_TIME_MARK_BLOCKS, to_usize};

/// Buffers that writing a run needs, kept from run to run.
#[derive(Default)]
pub(crate) struct RecordsScratch {
    /// (group, place of a record in the run), twice for the sort.
    members: [Vec<(u64, u32)>; 2],
    /// (group, place of its state), twice for the sort.
    marks: [Vec<(u64, u32)>; 2],
}

/// A whole file of records: its tables in memory, its records and chunks on disk.
pub(crate) struct RecordsFile {
    pub(crate) footer: Footer,
    /// The time of the first record of every sixteenth block.
    times: Vec<u64>,
    /// Group and first number of the first chunk of each chunk block.
    groups: Vec<u64>,
    firsts: Vec<u32>,
}

const GROUP_ENTRY_BYTES: usize = 12;

impl RecordsFile {
    /// The file is on disk with its name once this has returned.
    pub(crate) fn write<S: Storage, X: IndexSchema>(
        output: &Output<S>,
        common: Common,
        run: &Run,
        scratch: &mut RecordsScratch,
    ) -> Result<RecordsFile, IndexFault> {
        let name = FileName::records(run.first_run, run.number);
        let mut blocks = BlockWriter::create(output, name)?;
        let mut times = Vec::new();
        let per_block = per_block(common.record_bytes);
        for (block, records) in run.records.chunks(per_block * X::RECORD_BYTES).enumerate() {
            if block.is_multiple_of(INDEX_TIME_MARK_BLOCKS as usize) {
                times.push(X::position(&records[..X::RECORD_BYTES]).1);
            }
            blocks.put_item(records)?;
        }
        let item_blocks = blocks.end_section()?;
        let chunks = write_chunks::<S, X>(&mut blocks, run, scratch)?;
        let chunk_blocks = blocks.end_section()?;
        for time in &times {
            blocks.put_stream(&time.to_le_bytes())?;
        }
        for (group, first) in chunks.groups.iter().zip(&chunks.firsts) {
            blocks.put_stream(&group.to_le_bytes())?;
            blocks.put_stream(&first.to_le_bytes())?;
        }
        let footer = Footer {
            common,
            name,
            span: run.span,
            tier: 0,
            seed: 0,
            items: run.span.records,
            item_blocks,
            chunk_blocks,
            table_blocks: blocks.end_section()?,
            filter_blocks: 0,
        };
        blocks.finish(&footer.encode())?;
        Ok(RecordsFile { footer, times, groups: chunks.groups, firsts: chunks.firsts })
    }

    pub(crate) fn open<S: Storage>(
        reader: &BlockReader<S>,
        name: FileName,
        bytes: u64,
        common: &Common,
    ) -> Result<RecordsFile, IndexFault> {
        let footer = Footer::read(reader, name, bytes, common)?;
        let Footer { span, items, item_blocks, chunk_blocks, table_blocks, .. } = footer;
        let contradicts = || reader.damaged(name, item_blocks + chunk_blocks, IndexDamage::Table);
        let blocks_needed = items.div_ceil(per_block(common.record_bytes) as u64);
        if items != span.records || blocks_needed != u64::from(item_blocks) || footer.filter_blocks != 0 {
            return Err(contradicts());
        }
        let stream = reader.load_stream(name, item_blocks + chunk_blocks, table_blocks)?;
        let time_bytes = item_blocks.div_ceil(INDEX_TIME_MARK_BLOCKS) as usize * 8;
        let (times, rest) = stream.split_at_checked(time_bytes).ok_or_else(contradicts)?;
        let entries = rest.get(..chunk_blocks as usize * GROUP_ENTRY_BYTES).ok_or_else(contradicts)?;
        Ok(RecordsFile {
            footer,
            times: times.chunks_exact(8).map(|bytes| u64_at(bytes, 0)).collect(),
            groups: entries.chunks_exact(GROUP_ENTRY_BYTES).map(|bytes| u64_at(bytes, 0)).collect(),
            firsts: entries.chunks_exact(GROUP_ENTRY_BYTES).map(|bytes| u32_at(bytes, 8)).collect(),
        })
    }

    /// All of it in memory again, to be joined with the run that follows.
    pub(crate) fn load<S: Storage>(&self, reader: &BlockReader<S>) -> Result<Run, IndexFault> {
        let Footer { name, span, .. } = self.footer;
        let mut run = Run::of_file(name, span);
        self.each_record(reader, 0..self.records(), |_, record| {
            run.records.extend_from_slice(record);
            true
        })?;
        let mut blocks = Blocks::default();
        for at in 0..self.chunk_blocks() {
            let block = self.load_chunks(reader, &mut blocks, at, INDEX_READ_BLOCKS)?;
            let damaged = |reason| reader.damaged(name, block, reason);
            let mut decoder = ChunkDecoder::new(blocks.payload(block)).map_err(damaged)?;
            while let Some(chunk) = decoder.next().map_err(damaged)? {
                if run.marks.last().is_none_or(|last| last.0 != chunk.group) {
                    run.push_state_bytes(chunk.group, chunk.state);
                }
            }
        }
        Ok(run)
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.times.len() * 8 + self.groups.len() * GROUP_ENTRY_BYTES
    }

    /// The record at a place within the run.
    pub(crate) fn record<'b, S: Storage>(
        &self,
        reader: &BlockReader<S>,
        blocks: &'b mut Blocks,
        place: usize,
    ) -> Result<&'b [u8], IndexFault> {
        let block = self.block_of(place);
        reader.load(blocks, self.footer.name, block, 1)?;
        Ok(self.record_in(blocks, place))
    }

    /// Gives `visit` the records of some places that follow each other, until it wants no more.
    pub(crate) fn each_record<S: Storage>(
        &self,
        reader: &BlockReader<S>,
        places: core::ops::Range<usize>,
        mut visit: impl FnMut(usize, &[u8]) -> bool,
    ) -> Result<(), IndexFault> {
        let mut blocks = Blocks::default();
        let mut held_until = 0;
        for place in places.clone() {
            let block = self.block_of(place);
            if block >= held_until {
                let last = self.block_of(places.end - 1);
                held_until = block + INDEX_READ_BLOCKS.min(last - block + 1);
                reader.load(&mut blocks, self.footer.name, block, held_until - block)?;
            }
            if !visit(place, self.record_in(&blocks, place)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The place of the first record of this time or later.
    pub(crate) fn first_at_or_after<S: Storage, X: IndexSchema>(
        &self,
        reader: &BlockReader<S>,
        time_ns: u64,
    ) -> Result<usize, IndexFault> {
        let per_mark = INDEX_TIME_MARK_BLOCKS as usize * per_block(self.footer.common.record_bytes);
        let mark = self.times.partition_point(|time| *time < time_ns);
        let mut from = mark.saturating_sub(1) * per_mark;
        let mut until = (mark * per_mark).min(self.records());
        let mut blocks = Blocks::default();
        while from < until {
            let middle = from.midpoint(until);
            if X::position(self.record(reader, &mut blocks, middle)?).1 < time_ns {
                from = middle + 1;
            } else {
                until = middle;
            }
        }
        Ok(from)
    }

    /// The group's first chunk that holds a record at a place or behind it.
    pub(crate) fn chunk_at<S: Storage, X: IndexSchema>(
        &self,
        reader: &BlockReader<S>,
        group: u64,
        from: usize,
    ) -> Result<Option<Chunk<X::State>>, IndexFault> {
        let from = u32::try_from(from).unwrap_or(u32::MAX);
        let begin = self.blocks_that_begin(|first| first <= (group, from)).saturating_sub(1);
        let mut blocks = Blocks::default();
        for at in begin..self.groups.len() {
            if at > begin && self.groups[at] != group {
                break;
            }
            let block = self.load_chunks(reader, &mut blocks, at, 1)?;
            let damaged = |reason| reader.damaged(self.footer.name, block, reason);
            let mut decoder = ChunkDecoder::new(blocks.payload(block)).map_err(damaged)?;
            while let Some(chunk) = decoder.next().map_err(damaged)? {
                if chunk.group != group {
                    continue;
                }
                let places = chunk.numbers().map_err(damaged)?;
                if places.last().is_some_and(|last| *last >= from) {
                    let state = X::decode_state(chunk.state).ok_or_else(|| damaged(IndexDamage::State))?;
                    return Ok(Some(Chunk { state, numbers: self.numbers(&places) }));
                }
            }
        }
        Ok(None)
    }

    /// The group's state after its records before a place; `None` where there are none.
    pub(crate) fn state_before<S: Storage, X: IndexSchema>(
        &self,
        reader: &BlockReader<S>,
        group: u64,
        until: usize,
    ) -> Result<Option<X::State>, IndexFault> {
        let until = u32::try_from(until).unwrap_or(u32::MAX);
        let Some(at) = self.blocks_that_begin(|first| first < (group, until)).checked_sub(1) else {
            return Ok(None);
        };
        let mut blocks = Blocks::default();
        let block = self.load_chunks(reader, &mut blocks, at, 1)?;
        let damaged = |reason| reader.damaged(self.footer.name, block, reason);
        let mut decoder = ChunkDecoder::new(blocks.payload(block)).map_err(damaged)?;
        let mut last: Option<RawChunk<'_>> = None;
        while let Some(chunk) = decoder.next().map_err(damaged)? {
            if chunk.group == group && chunk.first < until {
                last = Some(chunk);
            }
        }
        let Some(chunk) = last else { return Ok(None) };
        let mut state = X::decode_state(chunk.state).ok_or_else(|| damaged(IndexDamage::State))?;
        let places = chunk.numbers().map_err(damaged)?;
        let mut records = Blocks::default();
        for place in places.into_iter().take_while(|place| *place < until) {
            X::advance(&mut state, group, self.checked_record(reader, &mut records, block, place)?);
        }
        Ok(Some(state))
    }

    /// The chunks of a chunk block. Who reads those that follow as well has them read at once: `INDEX_READ_BLOCKS`, in place of 1.
    pub(crate) fn load_chunks<S: Storage>(
        &self,
        reader: &BlockReader<S>,
        blocks: &mut Blocks,
        at: usize,
        at_once: u32,
    ) -> Result<u32, IndexFault> {
        let in_file = |blocks: usize| u32::try_from(blocks).expect("a file has fewer than 2^32 blocks");
        let block = self.footer.item_blocks + in_file(at);
        if !blocks.holds(self.footer.name, block, 1) {
            reader.load(blocks, self.footer.name, block, in_file(self.chunk_blocks() - at).min(at_once))?;
        }
        Ok(block)
    }

    /// The record at a place that a chunk names; the chunk is damaged where there is none.
    pub(crate) fn checked_record<'b, S: Storage>(
        &self,
        reader: &BlockReader<S>,
        blocks: &'b mut Blocks,
        chunk_block: u32,
        place: u32,
    ) -> Result<&'b [u8], IndexFault> {
        if place as usize >= self.records() {
            return Err(reader.damaged(self.footer.name, chunk_block, IndexDamage::Chunk));
        }
        self.record(reader, blocks, place as usize)
    }

    /// Records in this file.
    pub(crate) fn records(&self) -> usize {
        to_usize(self.footer.items)
    }

    /// Blocks of chunks in this file.
    pub(crate) fn chunk_blocks(&self) -> usize {
        self.groups.len()
    }

    /// What the table says of the first chunk of a chunk block: group, and first number within the run.
    pub(crate) fn first_chunk(&self, at: usize) -> (u64, u32) {
        (self.groups[at], self.firsts[at])
    }

    /// What the table says of the time of the record at a place, if it says anything.
    pub(crate) fn time_mark(&self, place: usize) -> Option<u64> {
        let per_mark = INDEX_TIME_MARK_BLOCKS as usize * per_block(self.footer.common.record_bytes);
        place.is_multiple_of(per_mark).then(|| self.times[place / per_mark])
    }

    fn numbers(&self, places: &[u32]) -> Vec<u64> {
        places.iter().map(|place| self.footer.span.first_record + u64::from(*place)).collect()
    }

    /// How many chunk blocks begin with a group and number of which `holds` is true; it is true of a first part of them.
    fn blocks_that_begin(&self, holds: impl Fn((u64, u32)) -> bool) -> usize {
        let (mut from, mut until) = (0, self.groups.len());
        while from < until {
            let middle = from.midpoint(until);
            if holds((self.groups[middle], self.firsts[middle])) {
                from = middle + 1;
            } else {
                until = middle;
            }
        }
        from
    }

    /// The block of the record at a place.
    pub(crate) fn block_of(&self, place: usize) -> u32 {
        assert!(place < self.records(), "callers stay within the run");
        u32::try_from(place / per_block(self.footer.common.record_bytes)).expect("a file has fewer than 2^32 blocks")
    }

    fn record_in<'b>(&self, blocks: &'b Blocks, place: usize) -> &'b [u8] {
        let record_bytes = self.footer.common.record_bytes as usize;
        let at = place % per_block(self.footer.common.record_bytes) * record_bytes;
        &blocks.payload(self.block_of(place))[at..at + record_bytes]
    }
}

fn per_block(record_bytes: u32) -> usize {
    PAYLOAD / record_bytes as usize
}

/// Sorts the run's records by group and writes them as chunks.
fn write_chunks<S: Storage, X: IndexSchema>(
    blocks: &mut BlockWriter<S>,
    run: &Run,
    scratch: &mut RecordsScratch,
) -> Result<ChunkEncoder, IndexFault> {
    let [members, members_spare] = &mut scratch.members;
    members.clear();
    for (place, record) in (0_u32..).zip(run.each_record::<X>()) {
        members.extend(groups_of::<X>(record).map(|group| (group, place)));
    }
    sort_by_u64(members, members_spare, |member| member.0);
    let [marks, marks_spare] = &mut scratch.marks;
    marks.clear();
    marks.extend_from_slice(&run.marks);
    sort_by_u64(marks, marks_spare, |mark| mark.0);

    let mut chunks = ChunkEncoder::default();
    let mut marks = marks.iter().peekable();
    for members in members.chunk_by(|a, b| a.0 == b.0) {
        let group = members[0].0;
        while marks.next_if(|mark| mark.0 < group).is_some() {}
        // Of several states the first counts: it stands before the first record.
        let missing = IndexFault::StateMissing { group, run: run.number };
        let mark = marks.peek().filter(|mark| mark.0 == group).ok_or(missing)?;
        write_group::<S, X>(blocks, &mut chunks, run, members, run.state_bytes(mark.1))?;
    }
    chunks.end_block(|block| blocks.put_item(block))?;
    Ok(chunks)
}

/// Writes the chunks of one group. Only a group of more than one chunk costs a look at its records.
fn write_group<S: Storage, X: IndexSchema>(
    blocks: &mut BlockWriter<S>,
    chunks: &mut ChunkEncoder,
    run: &Run,
    members: &[(u64, u32)],
    first_state: &[u8],
) -> Result<(), IndexFault> {
    let group = members[0].0;
    if members.len() <= INDEX_CHUNK_RECORDS_MAX {
        return chunks.push(group, first_state, members.iter().map(|member| member.1), |block| blocks.put_item(block));
    }
    let mut state = X::decode_state(first_state).expect("what was encoded here can be decoded");
    let mut bytes = Vec::new();
    for members in members.chunks(INDEX_CHUNK_RECORDS_MAX) {
        bytes.clear();
        X::encode_state(&state, &mut bytes);
        chunks.push(group, &bytes, members.iter().map(|member| member.1), |block| blocks.put_item(block))?;
        for (_, place) in members {
            X::advance(&mut state, group, run.record::<X>(*place as usize));
        }
    }
    Ok(())
}
