//! Reading an index from end to end: is all that is in it in order, and is all that should be in it there?

use std::sync::Arc;

use super::block::{BlockReader, Blocks};
use super::chunk::ChunkDecoder;
use super::fault::{IndexDamage, IndexFault};
use super::files::FileSet;
use super::filter::KeyHash;
use super::keys::{Entry, KeysCursor, KeysFile};
use super::open::{IndexReport, survey};
use super::records::RecordsFile;
use super::{IndexSchema, common, groups_of};
use crate::journal::{Lineage, Storage};
use crate::limits::{INDEX_KEYS_IN_MEMORY_MAX, INDEX_READ_BLOCKS};

/// What [`Index::verify`](super::Index::verify) has read and found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexVerified {
    /// What opening would keep, and what it would drop and why. Only what it would keep was read.
    pub report: IndexReport,
    /// Keys in files; each leads to a record, and each record with a key has one, but for those whose keys are in memory only.
    pub keys: u64,
    /// Numbers in chunks of groups; each leads to a record of the group, and each group of a record has one.
    pub members: u64,
}

pub(crate) fn verify<S: Storage, X: IndexSchema>(storage: S, lineage: Lineage) -> Result<IndexVerified, IndexFault> {
    let reader = BlockReader::new(storage);
    let survey = survey(&reader, &common::<X>(lineage), 0, INDEX_KEYS_IN_MEMORY_MAX)?;
    let files = &survey.files;
    let mut expected = vec![KeySum::default(); files.keys.len()];
    let mut members = 0;
    for file in &files.records {
        let records = read_records::<S, X>(&reader, file)?;
        members += verify_chunks::<S, X>(&reader, file, &records)?;
        if let Some(at) = files.keys.iter().position(|keys| keys.footer.name.covers(file.footer.name)) {
            add_keys::<X>(&mut expected[at], files.hash, file, &records);
        }
    }
    let mut keys = 0;
    for (file, expected) in files.keys.iter().zip(&expected) {
        keys += verify_keys(&reader, file, files, expected)?;
    }
    Ok(IndexVerified { report: survey.report(), keys, members })
}

/// How many keys, and a sum that no other set of as many has but by a chance of one in 2^64: so that records and keys, which
/// are in different orders, can be compared in one pass over each.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct KeySum {
    keys: u64,
    sum: u64,
}

impl KeySum {
    fn add(&mut self, entry: Entry) {
        self.keys += 1;
        self.sum = self.sum.wrapping_add(KeyHash::new(entry.hash).of(&entry.encode()));
    }
}

/// All records of a run, in the order they should have.
fn read_records<S: Storage, X: IndexSchema>(
    reader: &BlockReader<S>,
    file: &RecordsFile,
) -> Result<Vec<u8>, IndexFault> {
    let span = file.footer.span;
    let mut records = Vec::with_capacity(file.records() * X::RECORD_BYTES);
    let mut last = (span.after_sequence + 1, 0);
    let mut first_wrong = None;
    file.each_record(reader, 0..file.records(), |place, record| {
        let position = X::position(record);
        let is_in_order = position.0 >= last.0
            && position.1 >= last.1
            && position.0 <= span.through_sequence
            && position.1 <= span.through_time_ns
            && file.time_mark(place).is_none_or(|time| time == position.1);
        last = position;
        records.extend_from_slice(record);
        first_wrong = (!is_in_order).then_some(place);
        is_in_order
    })?;
    match first_wrong {
        None => Ok(records),
        Some(place) => Err(reader.damaged(file.footer.name, file.block_of(place), IndexDamage::Order)),
    }
}

/// All chunks of a run: their order, their tables, their members, their states. Returns how many members there are.
fn verify_chunks<S: Storage, X: IndexSchema>(
    reader: &BlockReader<S>,
    file: &RecordsFile,
    records: &[u8],
) -> Result<u64, IndexFault> {
    let record = |place: u32| records.chunks_exact(X::RECORD_BYTES).nth(place as usize);
    let mut blocks = Blocks::default();
    let mut members = 0;
    // Group and number behind the last member, and the state after it.
    let mut last: Option<(u64, u32, X::State)> = None;
    for at in 0..file.chunk_blocks() {
        let block = file.load_chunks(reader, &mut blocks, at, INDEX_READ_BLOCKS)?;
        let damaged = |reason| reader.damaged(file.footer.name, block, reason);
        let mut decoder = ChunkDecoder::new(blocks.payload(block)).map_err(damaged)?;
        let mut is_first = true;
        while let Some(chunk) = decoder.next().map_err(damaged)? {
            if is_first && file.first_chunk(at) != (chunk.group, chunk.first) {
                return Err(damaged(IndexDamage::Table));
            }
            is_first = false;
            let mut state = X::decode_state(chunk.state).ok_or_else(|| damaged(IndexDamage::State))?;
            match last {
                Some((group, end, _)) if (chunk.group, chunk.first) < (group, end) => {
                    return Err(damaged(IndexDamage::Order));
                }
                Some((group, _, after)) if group == chunk.group && after != state => {
                    return Err(damaged(IndexDamage::StateDiffers));
                }
                _ => {}
            }
            for place in chunk.numbers().map_err(damaged)? {
                let record = record(place).filter(|record| groups_of::<X>(record).any(|group| group == chunk.group));
                let record = record.ok_or_else(|| damaged(IndexDamage::Chunk))?;
                X::advance(&mut state, chunk.group, record);
                last = Some((chunk.group, place + 1, state));
                members += 1;
            }
        }
    }
    // Every member is right and none is there twice: so equal numbers mean that none is missing.
    let expected =
        records.chunks_exact(X::RECORD_BYTES).map(|record| groups_of::<X>(record).count() as u64).sum::<u64>();
    if members == expected {
        return Ok(members);
    }
    Err(reader.damaged(file.footer.name, file.footer.item_blocks, IndexDamage::RecordNotFound))
}

fn add_keys<X: IndexSchema>(expected: &mut KeySum, hash: KeyHash, file: &RecordsFile, records: &[u8]) {
    for (number, record) in (file.footer.span.first_record..).zip(records.chunks_exact(X::RECORD_BYTES)) {
        if let Some(key) = X::key(record) {
            expected.add(Entry { hash: hash.of(&key), number });
        }
    }
}

/// All keys of a file: their order, their table, their filter, and that they are those of the records.
fn verify_keys<S: Storage>(
    reader: &BlockReader<S>,
    file: &Arc<KeysFile>,
    files: &FileSet,
    expected: &KeySum,
) -> Result<u64, IndexFault> {
    let mut found = KeySum::default();
    let mut cursor = KeysCursor::new(file.clone());
    cursor.advance(reader)?;
    let mut last = None;
    while let Some(entry) = cursor.peek() {
        let damaged = |reason| reader.damaged(file.footer.name, KeysFile::block_of(found.keys), reason);
        if last.is_some_and(|last| last >= entry) {
            return Err(damaged(IndexDamage::Order));
        }
        if file.table_mark(found.keys).is_some_and(|first| first != entry.hash) {
            return Err(damaged(IndexDamage::Table));
        }
        if !file.may_hold(entry.hash) {
            return Err(damaged(IndexDamage::Filter));
        }
        if entry.number >= files.last_span().end_record() {
            return Err(damaged(IndexDamage::KeyWithoutRecord));
        }
        found.add(entry);
        last = Some(entry);
        cursor.advance(reader)?;
    }
    if found == *expected {
        return Ok(found.keys);
    }
    Err(reader.damaged(file.footer.name, 0, IndexDamage::RecordNotFound))
}
