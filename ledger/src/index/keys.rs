//! Files of keys: sorted hashes with record numbers, a table of blocks, a filter.
//!
//! The picture is in `docs/formats/index.md`, section 5.

use std::sync::Arc;

use super::block::{BlockReader, BlockWriter, Blocks, FileName, PAYLOAD};
use super::fault::{IndexDamage, IndexFault};
use super::filter::{Filter, Question};
use super::footer::{Common, Footer, Span};
use super::pace::Output;
use crate::bytes::u64_at;
use crate::journal::Storage;
use crate::limits::INDEX_READ_BLOCKS;

/// A hash and the number of the record whose key has it. Ordered as in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) hash: u64,
    pub(crate) number: u64,
}

pub(crate) const ENTRY_BYTES: usize = 16;
pub(crate) const ENTRIES_PER_BLOCK: usize = PAYLOAD / ENTRY_BYTES;

impl Entry {
    fn decode(bytes: &[u8]) -> Entry {
        Entry { hash: u64_at(bytes, 0), number: u64_at(bytes, 8) }
    }

    pub(crate) fn encode(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.hash.to_le_bytes());
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }
}

/// What a file of keys is to be.
#[derive(Clone, Copy)]
pub(crate) struct KeysHead {
    pub(crate) common: Common,
    pub(crate) name: FileName,
    pub(crate) span: Span,
    pub(crate) tier: u32,
    pub(crate) seed: u64,
    /// How many will be put, exactly.
    pub(crate) items: u64,
    pub(crate) filter_bits_per_key: u32,
}

/// Takes entries in ascending order and makes a file of them. Its end can be written in steps too, since the filter of a
/// hundred million keys is large.
pub(crate) struct KeysWriter<S: Storage> {
    head: KeysHead,
    blocks: BlockWriter<S>,
    put: u64,
    table: Vec<u64>,
    filter: Filter,
    /// Sizes of the sections that have ended, once all entries are put, and lines of the filter that are written.
    ended: Option<(u32, u32)>,
    lines_written: usize,
}

impl<S: Storage> KeysWriter<S> {
    pub(crate) fn create(output: &Output<S>, head: KeysHead) -> Result<KeysWriter<S>, IndexFault> {
        Ok(KeysWriter {
            head,
            blocks: BlockWriter::create(output, head.name)?,
            put: 0,
            table: Vec::new(),
            filter: Filter::for_keys(head.items, head.filter_bits_per_key),
            ended: None,
            lines_written: 0,
        })
    }

    pub(crate) fn put(&mut self, entry: Entry) -> Result<(), IndexFault> {
        if self.put.is_multiple_of(ENTRIES_PER_BLOCK as u64) {
            self.table.push(entry.hash);
        }
        self.put += 1;
        self.filter.insert(entry.hash);
        self.blocks.put_item(&entry.encode())
    }

    /// Writes some of what follows the entries. True when only [`Self::finish`] is left to do.
    pub(crate) fn step(&mut self, lines_max: usize) -> Result<bool, IndexFault> {
        if self.ended.is_none() {
            assert_eq!(self.put, self.head.items, "as many as were announced");
            let item_blocks = self.blocks.end_section()?;
            for first in &self.table {
                self.blocks.put_stream(&first.to_le_bytes())?;
            }
            self.ended = Some((item_blocks, self.blocks.end_section()?));
            self.blocks.put_stream(&self.filter.encode_head())?;
        }
        let until = (self.lines_written + lines_max).min(self.filter.lines());
        for line in self.lines_written..until {
            self.blocks.put_stream(&self.filter.encode_line(line))?;
        }
        self.lines_written = until;
        Ok(until == self.filter.lines())
    }

    /// The file is on disk with its name once this has returned.
    pub(crate) fn finish(mut self) -> Result<KeysFile, IndexFault> {
        while !self.step(usize::MAX / 2)? {}
        let KeysHead { common, name, span, tier, seed, items, .. } = self.head;
        let (item_blocks, table_blocks) = self.ended.expect("the step above has ended them");
        let filter_blocks = self.blocks.end_section()?;
        let footer =
            Footer { common, name, span, tier, seed, items, item_blocks, chunk_blocks: 0, table_blocks, filter_blocks };
        self.blocks.finish(&footer.encode())?;
        Ok(KeysFile { footer, table: self.table, filter: self.filter })
    }
}

/// A whole file of keys: its table and filter in memory, its keys on disk.
pub(crate) struct KeysFile {
    pub(crate) footer: Footer,
    /// The first hash of each block.
    table: Vec<u64>,
    filter: Filter,
}

impl KeysFile {
    pub(crate) fn open<S: Storage>(
        reader: &BlockReader<S>,
        name: FileName,
        bytes: u64,
        common: &Common,
    ) -> Result<KeysFile, IndexFault> {
        let footer = Footer::read(reader, name, bytes, common)?;
        let Footer { items, item_blocks, table_blocks, filter_blocks, .. } = footer;
        let contradicts = || reader.damaged(name, item_blocks, IndexDamage::Table);
        if items.div_ceil(ENTRIES_PER_BLOCK as u64) != u64::from(item_blocks) || footer.chunk_blocks != 0 {
            return Err(contradicts());
        }
        let stream = reader.load_stream(name, item_blocks, table_blocks)?;
        let table = stream.get(..item_blocks as usize * 8).ok_or_else(contradicts)?;
        let table = table.chunks_exact(8).map(|bytes| u64_at(bytes, 0)).collect();
        let stream = reader.load_stream(name, item_blocks + table_blocks, filter_blocks)?;
        let filter = Filter::decode(&stream).ok_or_else(contradicts)?;
        Ok(KeysFile { footer, table, filter })
    }

    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// [`Filter::each_that_may_be_held`].
    pub(crate) fn each_that_may_be_held(&self, questions: &[Question], name: impl FnMut(Question)) {
        self.filter.each_that_may_be_held(questions, name);
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.filter.bytes() + self.table.len() * 8
    }

    /// The record numbers under a hash, ascending.
    pub(crate) fn find<S: Storage>(&self, reader: &BlockReader<S>, hash: u64) -> Result<Vec<u64>, IndexFault> {
        let mut numbers = Vec::new();
        // Equal hashes may begin in the block before the first one that begins with the hash.
        let from = self.table.partition_point(|first| *first < hash).saturating_sub(1);
        let until = self.table.partition_point(|first| *first <= hash);
        let mut blocks = Blocks::default();
        for block in from..until {
            let block = u32::try_from(block).expect("a file has fewer than 2^32 blocks");
            reader.load(&mut blocks, self.footer.name, block, 1)?;
            let entries = self.entries(&blocks, block);
            numbers.extend(entries.filter(|entry| entry.hash == hash).map(|entry| entry.number));
        }
        Ok(numbers)
    }

    /// The entries of a block that is loaded.
    pub(crate) fn entries<'b>(&self, blocks: &'b Blocks, block: u32) -> impl Iterator<Item = Entry> + use<'b> {
        let before = block as usize * ENTRIES_PER_BLOCK;
        let count = (crate::limits::to_usize(self.footer.items) - before).min(ENTRIES_PER_BLOCK);
        blocks.payload(block)[..count * ENTRY_BYTES].chunks_exact(ENTRY_BYTES).map(Entry::decode)
    }

    /// The block of the entry at a place.
    pub(crate) fn block_of(place: u64) -> u32 {
        u32::try_from(place / ENTRIES_PER_BLOCK as u64).expect("a file has fewer than 2^32 blocks")
    }

    /// What the table says of the entry at a place, if that is the first of a block.
    pub(crate) fn table_mark(&self, place: u64) -> Option<u64> {
        place.is_multiple_of(ENTRIES_PER_BLOCK as u64).then(|| self.table[Self::block_of(place) as usize])
    }
}

/// Reads a file of keys from end to end, a quarter of a megabyte at a time.
pub(crate) struct KeysCursor {
    file: Arc<KeysFile>,
    blocks: Blocks,
    next_block: u32,
    entries: Vec<Entry>,
    at: usize,
}

impl KeysCursor {
    pub(crate) fn new(file: Arc<KeysFile>) -> KeysCursor {
        KeysCursor { file, blocks: Blocks::default(), next_block: 0, entries: Vec::new(), at: 0 }
    }

    /// The next entry, which stays the next until [`Self::advance`].
    pub(crate) fn peek(&self) -> Option<Entry> {
        self.entries.get(self.at).copied()
    }

    /// Ends reading: the system need not keep what was read.
    pub(crate) fn end<S: Storage>(self, reader: &BlockReader<S>) -> Result<(), IndexFault> {
        reader.drop_cache(self.file.footer.name)
    }

    /// Goes on to the next entry; also needed before the first.
    pub(crate) fn advance<S: Storage>(&mut self, reader: &BlockReader<S>) -> Result<(), IndexFault> {
        self.at += 1;
        if self.at < self.entries.len() {
            return Ok(());
        }
        let Footer { name, item_blocks, .. } = self.file.footer;
        let count = INDEX_READ_BLOCKS.min(item_blocks - self.next_block);
        self.entries.clear();
        self.at = 0;
        if count > 0 {
            reader.load(&mut self.blocks, name, self.next_block, count)?;
            for block in self.next_block..self.next_block + count {
                self.entries.extend(self.file.entries(&self.blocks, block));
            }
            self.next_block += count;
        }
        Ok(())
    }
}
