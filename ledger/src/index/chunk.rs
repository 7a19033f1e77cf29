//! Chunks: the numbers of a group's records within a run, and the group's state before the first of them.
//!
//! The picture is in `docs/formats/index.md`, section 4.

use super::block::PAYLOAD;
use super::fault::IndexDamage;
use crate::limits::{INDEX_CHUNK_RECORDS_MAX, INDEX_STATE_BYTES_MAX};

/// Bytes of a block's payload before its first chunk: how many are used.
const USED_BYTES: usize = 2;
const VARINT_U64_MAX: usize = 10;
const VARINT_U32_MAX: usize = 5;

const _: () = {
    let deltas = (INDEX_CHUNK_RECORDS_MAX - 1) * VARINT_U32_MAX;
    let chunk = VARINT_U64_MAX + 2 + VARINT_U32_MAX + 1 + INDEX_STATE_BYTES_MAX + 2 + deltas;
    assert!(USED_BYTES + chunk <= PAYLOAD, "any chunk fits into a block");
    assert!(INDEX_STATE_BYTES_MAX <= u8::MAX as usize && PAYLOAD <= u16::MAX as usize);
};

/// A chunk as it stands in a block. Numbers are less the run's first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawChunk<'b> {
    pub(crate) group: u64,
    pub(crate) first: u32,
    pub(crate) state: &'b [u8],
    count: usize,
    deltas: &'b [u8],
}

impl RawChunk<'_> {
    /// All numbers, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, IndexDamage> {
        let mut numbers = Vec::with_capacity(self.count);
        let mut number = self.first;
        numbers.push(number);
        let mut deltas = self.deltas;
        while !deltas.is_empty() {
            let delta = u32::try_from(take_varint(&mut deltas)?).map_err(|_| IndexDamage::Chunk)?;
            number = number.checked_add(delta).and_then(|sum| sum.checked_add(1)).ok_or(IndexDamage::Chunk)?;
            numbers.push(number);
        }
        if numbers.len() == self.count { Ok(numbers) } else { Err(IndexDamage::Chunk) }
    }
}

/// Goes through the chunks of a block.
pub(crate) struct ChunkDecoder<'b> {
    rest: &'b [u8],
    group: u64,
}

impl<'b> ChunkDecoder<'b> {
    pub(crate) fn new(payload: &'b [u8]) -> Result<ChunkDecoder<'b>, IndexDamage> {
        let used = usize::from(u16::from_le_bytes([payload[0], payload[1]]));
        let rest = payload.get(USED_BYTES..used).ok_or(IndexDamage::Chunk)?;
        Ok(ChunkDecoder { rest, group: 0 })
    }

    /// The next chunk; `None` behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<RawChunk<'b>>, IndexDamage> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let group = take_varint(&mut self.rest)?;
        self.group = self.group.checked_add(group).ok_or(IndexDamage::Chunk)?;
        let count = usize::try_from(take_varint(&mut self.rest)?).map_err(|_| IndexDamage::Chunk)?;
        if count >= INDEX_CHUNK_RECORDS_MAX {
            return Err(IndexDamage::Chunk);
        }
        let first = u32::try_from(take_varint(&mut self.rest)?).map_err(|_| IndexDamage::Chunk)?;
        let state_length = usize::from(take(&mut self.rest, 1)?[0]);
        let state = take(&mut self.rest, state_length)?;
        let deltas = match count {
            0 => &[],
            _ => {
                let length = usize::try_from(take_varint(&mut self.rest)?).map_err(|_| IndexDamage::Chunk)?;
                take(&mut self.rest, length)?
            }
        };
        Ok(Some(RawChunk { group: self.group, first, state, count: count + 1, deltas }))
    }
}

/// Fills blocks with chunks, which come ordered by group and number.
#[derive(Default)]
pub(crate) struct ChunkEncoder {
    payload: Vec<u8>,
    deltas: Vec<u8>,
    last_group: u64,
    /// Group and first number of the first chunk of each block.
    pub(crate) groups: Vec<u64>,
    pub(crate) firsts: Vec<u32>,
}

impl ChunkEncoder {
    /// Adds a chunk; gives a block to `put` when it is full.
    pub(crate) fn push<E>(
        &mut self,
        group: u64,
        state: &[u8],
        numbers: impl Iterator<Item = u32>,
        put: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, count) = self.encode_deltas(numbers);
        let bytes_max = VARINT_U64_MAX + 2 + VARINT_U32_MAX + 1 + state.len() + 2 + self.deltas.len();
        if self.payload.len() + bytes_max > PAYLOAD {
            self.end_block(put)?;
        }
        if self.payload.is_empty() {
            self.payload.extend_from_slice(&[0; USED_BYTES]);
            self.groups.push(group);
            self.firsts.push(first);
            self.last_group = 0;
        }
        put_varint(&mut self.payload, group - self.last_group);
        put_varint(&mut self.payload, count as u64 - 1);
        put_varint(&mut self.payload, u64::from(first));
        self.payload.push(u8::try_from(state.len()).expect("a state has at most 80 bytes"));
        self.payload.extend_from_slice(state);
        if count > 1 {
            put_varint(&mut self.payload, self.deltas.len() as u64);
            self.payload.extend_from_slice(&self.deltas);
        }
        self.last_group = group;
        Ok(())
    }

    /// Gives the last block to `put`, if there is one.
    pub(crate) fn end_block<E>(&mut self, put: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let used = u16::try_from(self.payload.len()).expect("a payload has fewer than 65,536 bytes");
        self.payload[..USED_BYTES].copy_from_slice(&used.to_le_bytes());
        // Filled up, so that the next one begins in a block of its own.
        self.payload.resize(PAYLOAD, 0);
        let result = put(&self.payload);
        self.payload.clear();
        result
    }

    fn encode_deltas(&mut self, mut numbers: impl Iterator<Item = u32>) -> (u32, usize) {
        let first = numbers.next().expect("a chunk has a number");
        self.deltas.clear();
        let mut last = first;
        let mut count = 1;
        for number in numbers {
            put_varint(&mut self.deltas, u64::from(number - last - 1));
            last = number;
            count += 1;
        }
        assert!(count <= INDEX_CHUNK_RECORDS_MAX);
        (first, count)
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, IndexDamage> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        value |= bits << shift;
        if value >> shift != bits {
            return Err(IndexDamage::Chunk);
        }
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(IndexDamage::Chunk)
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], IndexDamage> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(IndexDamage::Chunk)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_is_read_as_it_was_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert!(bytes.len() <= VARINT_U64_MAX);
            assert_eq!(take_varint(&mut &bytes[..]), Ok(value));
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), Err(IndexDamage::Chunk));
        }
        assert_eq!(take_varint(&mut &[0xff; 11][..]), Err(IndexDamage::Chunk), "too long");
        assert_eq!(
            take_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]),
            Err(IndexDamage::Chunk)
        );
    }

    #[test]
    fn chunks_come_back_block_by_block() {
        let chunks: Vec<(u64, Vec<u8>, Vec<u32>)> = (0..300_u32)
            .map(|place| {
                let length = [1, 2, 512, 5][place as usize % 4];
                let group = u64::from(place / 2) * 1_000_000_007;
                (
                    group,
                    vec![7; place as usize % 81],
                    (0..length).map(|step| place + step * place * 100 + step).collect(),
                )
            })
            .collect();
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        let mut encoder = ChunkEncoder::default();
        let put = |payload: &[u8]| -> Result<(), ()> {
            assert_eq!(payload.len(), PAYLOAD);
            blocks.push(payload.to_vec());
            Ok(())
        };
        let mut put = put;
        for (group, state, numbers) in &chunks {
            encoder.push(*group, state, numbers.iter().copied(), &mut put).expect("memory");
        }
        encoder.end_block(&mut put).expect("memory");
        assert_eq!(encoder.groups.len(), blocks.len());

        let mut found = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            let mut decoder = ChunkDecoder::new(block).expect("in order");
            let before = found.len();
            while let Some(chunk) = decoder.next().expect("in order") {
                found.push((chunk.group, chunk.state.to_vec(), chunk.numbers().expect("in order")));
            }
            assert_eq!((found[before].0, found[before].2[0]), (encoder.groups[at], encoder.firsts[at]));
        }
        assert_eq!(found, chunks);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let payload: Vec<u8> = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 40).to_le_bytes()[0] & [0x0f, 0xff][usize::from(state >> 63 == 0)]
                })
                .collect();
            let Ok(mut decoder) = ChunkDecoder::new(&payload) else { continue };
            while let Ok(Some(chunk)) = decoder.next() {
                let _ = chunk.numbers();
            }
        }
    }
}
