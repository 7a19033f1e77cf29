//! Blocks: written in order through one buffer, read at random, each with its check value. And the names of the files they
//! are in.
//!
//! The picture is in `docs/formats/index.md`, section 3.

use std::sync::{Arc, Mutex, PoisonError};

use super::fault::{IndexDamage, IndexFault};
use super::pace::{Output, Pace};
use crate::journal::{Access, Storage};
use crate::limits::{BLOCK_BYTES, INDEX_OPEN_FILES_MAX, INDEX_READ_BLOCKS};

pub(crate) const BLOCK: usize = 4_096;
pub(crate) const PAYLOAD: usize = BLOCK - 4;

const _: () = assert!(BLOCK as u64 == BLOCK_BYTES);

/// What a file holds.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Records = 1,
    Keys = 2,
}

/// Which file: kind and runs. The name on disk says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName {
    pub(crate) kind: Kind,
    pub(crate) first_run: u32,
    pub(crate) last_run: u32,
}

/// A run a second would come to it after 68 years.
const RUNS_MAX: u32 = 1 << 31;

const RECORDS_SUFFIX: &str = ".records";
const KEYS_SUFFIX: &str = ".keys";
const PREPARING_SUFFIX: &str = ".preparing";

impl FileName {
    pub(crate) fn records(first_run: u32, last_run: u32) -> FileName {
        FileName { kind: Kind::Records, first_run, last_run }
    }

    pub(crate) fn keys(first_run: u32, last_run: u32) -> FileName {
        FileName { kind: Kind::Keys, first_run, last_run }
    }

    pub(crate) fn text(self) -> String {
        let suffix = match self.kind {
            Kind::Records => RECORDS_SUFFIX,
            Kind::Keys => KEYS_SUFFIX,
        };
        format!("{:010}-{:010}{suffix}", self.first_run, self.last_run)
    }

    /// Are all runs of the other one among its runs?
    pub(crate) fn covers(self, other: FileName) -> bool {
        self.first_run <= other.first_run && other.last_run <= self.last_run
    }

    fn preparing(self) -> String {
        self.text() + PREPARING_SUFFIX
    }

    fn parse(text: &str) -> Option<FileName> {
        let run = |digits: &str| digits.parse::<u32>().ok().filter(|run| (1..=RUNS_MAX).contains(run));
        let (kind, runs) = match text.strip_suffix(RECORDS_SUFFIX) {
            Some(runs) => (Kind::Records, runs),
            None => (Kind::Keys, text.strip_suffix(KEYS_SUFFIX)?),
        };
        let (first, last) = runs.split_once('-')?;
        let name = FileName { kind, first_run: run(first)?, last_run: run(last)? };
        // A number has one spelling only, or two names would be one file.
        (name.first_run <= name.last_run && name.text() == text).then_some(name)
    }
}

/// What a name in the directory is to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Whole(FileName),
    Preparing,
    BadName,
    /// None of ours.
    Other,
}

pub(crate) fn classify(text: &str) -> Listed {
    if text.ends_with(PREPARING_SUFFIX) {
        return Listed::Preparing;
    }
    match FileName::parse(text) {
        Some(name) => Listed::Whole(name),
        None if text.ends_with(RECORDS_SUFFIX) || text.ends_with(KEYS_SUFFIX) => Listed::BadName,
        None => Listed::Other,
    }
}

/// The check value of a block: it stands at one place of one file only.
fn check_value(name: FileName, block: u32, payload: &[u8]) -> u32 {
    let mut place = [0; 16];
    place[0..4].copy_from_slice(&u32::from(name.kind as u16).to_le_bytes());
    place[4..8].copy_from_slice(&name.first_run.to_le_bytes());
    place[8..12].copy_from_slice(&name.last_run.to_le_bytes());
    place[12..16].copy_from_slice(&block.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), payload)
}

/// Writes a file under its preparing name, block by block, and gives it its name in the end.
pub(crate) struct BlockWriter<S: Storage> {
    storage: S,
    pace: Pace,
    name: FileName,
    file: S::File,
    /// Whole blocks not yet written, then the payload of the block in progress.
    buffer: Vec<u8>,
    /// Where the block in progress begins in the buffer.
    begun: usize,
    /// Bytes written and synced.
    written: u64,
    /// Blocks ended in this section, and in all.
    section_blocks: u32,
    blocks: u32,
}

impl<S: Storage> BlockWriter<S> {
    pub(crate) fn create(output: &Output<S>, name: FileName) -> Result<BlockWriter<S>, IndexFault> {
        let Output { storage, pace } = output;
        let text = name.preparing();
        let file = storage.create(&text, 0).map_err(IndexFault::on(storage, "create", &text))?;
        Ok(BlockWriter {
            storage: storage.clone(),
            pace: pace.clone(),
            name,
            file,
            buffer: Vec::with_capacity(pace.portion_bytes() + BLOCK),
            begun: 0,
            written: 0,
            section_blocks: 0,
            blocks: 0,
        })
    }

    /// Bytes that lie in one block; where they do not fit any more, the next one begins.
    pub(crate) fn put_item(&mut self, item: &[u8]) -> Result<(), IndexFault> {
        assert!(item.len() <= PAYLOAD, "an item fits into a block");
        if self.buffer.len() - self.begun + item.len() > PAYLOAD {
            self.end_block()?;
        }
        self.buffer.extend_from_slice(item);
        Ok(())
    }

    /// Bytes that run on from block to block.
    pub(crate) fn put_stream(&mut self, mut bytes: &[u8]) -> Result<(), IndexFault> {
        while !bytes.is_empty() {
            if self.buffer.len() - self.begun == PAYLOAD {
                self.end_block()?;
            }
            let room = PAYLOAD - (self.buffer.len() - self.begun);
            let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(fitting);
            bytes = rest;
        }
        Ok(())
    }

    /// The section's blocks; the next one begins in a new block.
    pub(crate) fn end_section(&mut self) -> Result<u32, IndexFault> {
        if self.buffer.len() > self.begun {
            self.end_block()?;
        }
        Ok(core::mem::take(&mut self.section_blocks))
    }

    /// Writes the footer, syncs, and gives the file its name, durably.
    pub(crate) fn finish(mut self, footer: &[u8]) -> Result<(), IndexFault> {
        assert_eq!(self.buffer.len(), self.begun, "the section before the footer has ended");
        self.put_item(footer)?;
        self.end_block()?;
        self.write_and_sync()?;
        let storage = &self.storage;
        let (from, to) = (self.name.preparing(), self.name.text());
        // All memory would fill with what is seldom read; see `journal/prepare.rs`. It is advice, taken or not.
        let _ = storage.drop_cache(&self.file);
        storage.rename(&from, &to).and_then(|()| storage.sync_dir()).map_err(IndexFault::on(storage, "name", &to))
    }

    fn end_block(&mut self) -> Result<(), IndexFault> {
        self.buffer.resize(self.begun + PAYLOAD, 0);
        let value = check_value(self.name, self.blocks, &self.buffer[self.begun..]);
        self.buffer.extend_from_slice(&value.to_le_bytes());
        self.begun = self.buffer.len();
        self.section_blocks += 1;
        self.blocks = self.blocks.checked_add(1).expect("a file has fewer than 2^32 blocks, limits.rs");
        if self.begun >= self.pace.portion_bytes() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IndexFault> {
        self.pace.portion(|| self.write_and_sync())?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.begun = 0;
        Ok(())
    }

    fn write_and_sync(&self) -> Result<(), IndexFault> {
        let (storage, file) = (&self.storage, &self.file);
        let fault = |what, error| IndexFault::on(storage, what, &self.name.preparing())(error);
        storage.write_at(file, self.written, &self.buffer).map_err(|error| fault("write", error))?;
        storage.sync_data(file).map_err(|error| fault("sync", error))
    }
}

/// Reads blocks of all files of an index, from any thread, with a bounded number of open files.
pub(crate) struct BlockReader<S: Storage> {
    storage: S,
    /// The most recently used last.
    open: Mutex<Vec<(FileName, Arc<S::File>)>>,
}

/// Some blocks that follow each other in a file, checked. Kept from read to read, so that what lies in one block is read once.
#[derive(Default)]
pub(crate) struct Blocks {
    held: Option<(FileName, u32, u32)>,
    bytes: Vec<u8>,
}

impl Blocks {
    /// The payload of a block that [`BlockReader::load`] has made available.
    pub(crate) fn payload(&self, block: u32) -> &[u8] {
        let (_, first, _) = self.held.expect("blocks are held");
        let from = (block - first) as usize * BLOCK;
        &self.bytes[from..from + PAYLOAD]
    }

    pub(crate) fn holds(&self, name: FileName, first: u32, count: u32) -> bool {
        self.held
            .is_some_and(|(held, from, held_count)| held == name && from <= first && first - from + count <= held_count)
    }
}

impl<S: Storage> BlockReader<S> {
    pub(crate) fn new(storage: S) -> BlockReader<S> {
        BlockReader { storage, open: Mutex::new(Vec::new()) }
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    /// Makes `count` blocks from `first` available.
    pub(crate) fn load(&self, blocks: &mut Blocks, name: FileName, first: u32, count: u32) -> Result<(), IndexFault> {
        if blocks.holds(name, first, count) {
            return Ok(());
        }
        // Nothing is held until all of it is read and checked.
        blocks.held = None;
        blocks.bytes.resize(count as usize * BLOCK, 0);
        self.read_exact(name, first, &mut blocks.bytes)?;
        for (number, block) in (first..).zip(blocks.bytes.chunks_exact(BLOCK)) {
            let (payload, stored) = block.split_at(PAYLOAD);
            if check_value(name, number, payload).to_le_bytes() != stored {
                return Err(self.damaged(name, number, IndexDamage::Checksum));
            }
        }
        blocks.held = Some((name, first, count));
        Ok(())
    }

    /// All bytes of a stream section.
    pub(crate) fn load_stream(&self, name: FileName, first: u32, count: u32) -> Result<Vec<u8>, IndexFault> {
        let mut stream = Vec::with_capacity(count as usize * PAYLOAD);
        let mut blocks = Blocks::default();
        for from in (first..first + count).step_by(INDEX_READ_BLOCKS as usize) {
            let some = INDEX_READ_BLOCKS.min(first + count - from);
            self.load(&mut blocks, name, from, some)?;
            (from..from + some).for_each(|block| stream.extend_from_slice(blocks.payload(block)));
        }
        Ok(stream)
    }

    pub(crate) fn damaged(&self, name: FileName, block: u32, reason: IndexDamage) -> IndexFault {
        IndexFault::damaged(&self.storage, &name.text(), block, reason)
    }

    /// The system need not keep what was read of a file. It is advice, taken or not.
    pub(crate) fn drop_cache(&self, name: FileName) -> Result<(), IndexFault> {
        let _ = self.storage.drop_cache(&*self.file(name)?);
        Ok(())
    }

    /// Closes a file that is about to be removed.
    pub(crate) fn close(&self, name: FileName) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(open, _)| *open != name);
    }

    /// Closes all files: other ones may come under their names.
    pub(crate) fn close_all(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn file(&self, name: FileName) -> Result<Arc<S::File>, IndexFault> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().rposition(|(held, _)| *held == name) {
            let found = open.remove(at);
            let file = found.1.clone();
            open.push(found);
            return Ok(file);
        }
        let text = name.text();
        let file = self.storage.open(&text, Access::Read).map_err(IndexFault::on(&self.storage, "open", &text))?;
        let file = Arc::new(file);
        if open.len() >= INDEX_OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((name, file.clone()));
        Ok(file)
    }

    fn read_exact(&self, name: FileName, first: u32, into: &mut [u8]) -> Result<(), IndexFault> {
        let file = self.file(name)?;
        let read = self.storage.read_exact_at(&file, u64::from(first) * BLOCK_BYTES, into);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged(name, first, IndexDamage::Size),
            _ => IndexFault::on(&self.storage, "read", &name.text())(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for name in [FileName::records(1, 1), FileName::keys(3, RUNS_MAX)] {
            assert_eq!(classify(&name.text()), Listed::Whole(name));
            assert_eq!(classify(&name.preparing()), Listed::Preparing);
        }
        for bad in [
            "1-1.records",
            "0000000001.records",
            "0000000000-0000000001.records",
            "0000000002-0000000001.keys",
            "0000000001-00000000012.records",
            "0000000001-2147483649.records",
            "x.keys",
            ".keys",
        ] {
            assert_eq!(classify(bad), Listed::BadName, "{bad}");
        }
        assert_eq!(classify("notes.txt"), Listed::Other);
    }
}
