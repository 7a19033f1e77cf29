//! The footer: the last block of every file, which says what the file holds.
//!
//! The picture is in `docs/formats/index.md`, section 3.

use super::block::{BlockReader, Blocks, FileName};
use super::fault::{IndexDamage, IndexFault};
use crate::bytes::{u32_at, u64_at};
use crate::journal::{Lineage, Storage};
use crate::limits::BLOCK_BYTES;

const MAGIC: [u8; 8] = *b"CLSPNIDX";
const VERSION: u16 = 0;
pub(crate) const FOOTER_BYTES: usize = 120;
/// No number of runs makes a higher one.
const TIER_MAX: u32 = 32;

/// What every file of one index has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) lineage: Lineage,
    pub(crate) format: u32,
    pub(crate) record_bytes: u32,
}

/// Which part of the journal a file covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first_record: u64,
    pub(crate) records: u64,
    pub(crate) after_sequence: u64,
    pub(crate) through_sequence: u64,
    pub(crate) through_time_ns: u64,
}

impl Span {
    /// Before the first run.
    pub(crate) const NOTHING: Span =
        Span { first_record: 0, records: 0, after_sequence: 0, through_sequence: 0, through_time_ns: 0 };

    /// The number of the first record behind it.
    pub(crate) fn end_record(&self) -> u64 {
        self.first_record + self.records
    }

    /// Does this one go on where `before` ends?
    pub(crate) fn continues(&self, before: &Span) -> bool {
        self.first_record == before.end_record()
            && self.after_sequence == before.through_sequence
            && self.through_time_ns >= before.through_time_ns
    }

    /// Both as one; `next` continues this one.
    pub(crate) fn joined(&self, next: &Span) -> Span {
        Span {
            records: self.records + next.records,
            through_sequence: next.through_sequence,
            through_time_ns: next.through_time_ns,
            ..*self
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) common: Common,
    pub(crate) name: FileName,
    pub(crate) span: Span,
    pub(crate) tier: u32,
    pub(crate) seed: u64,
    pub(crate) items: u64,
    pub(crate) item_blocks: u32,
    pub(crate) chunk_blocks: u32,
    pub(crate) table_blocks: u32,
    pub(crate) filter_blocks: u32,
}

impl Footer {
    pub(crate) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&(self.name.kind as u16).to_le_bytes());
        put(&self.common.format.to_le_bytes());
        put(&self.common.lineage.0);
        put(&self.name.first_run.to_le_bytes());
        put(&self.name.last_run.to_le_bytes());
        let Span { first_record, records, after_sequence, through_sequence, through_time_ns } = self.span;
        for number in [first_record, records, after_sequence, through_sequence, through_time_ns] {
            put(&number.to_le_bytes());
        }
        put(&self.common.record_bytes.to_le_bytes());
        put(&self.tier.to_le_bytes());
        put(&self.seed.to_le_bytes());
        put(&self.items.to_le_bytes());
        for blocks in [self.item_blocks, self.chunk_blocks, self.table_blocks, self.filter_blocks] {
            put(&blocks.to_le_bytes());
        }
        assert_eq!(at, FOOTER_BYTES);
        bytes
    }

    /// Reads and checks the footer of a file of `bytes` bytes.
    pub(crate) fn read<S: Storage>(
        reader: &BlockReader<S>,
        name: FileName,
        bytes: u64,
        common: &Common,
    ) -> Result<Footer, IndexFault> {
        let blocks = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(0);
        let damaged = |reason| reader.damaged(name, blocks.saturating_sub(1), reason);
        if blocks == 0 || !bytes.is_multiple_of(BLOCK_BYTES) {
            return Err(damaged(IndexDamage::Size));
        }
        let mut held = Blocks::default();
        reader.load(&mut held, name, blocks - 1, 1)?;
        let footer = Footer::decode(held.payload(blocks - 1), name, common).map_err(damaged)?;
        let sections = [footer.item_blocks, footer.chunk_blocks, footer.table_blocks, footer.filter_blocks];
        if sections.iter().map(|section| u64::from(*section)).sum::<u64>() + 1 != u64::from(blocks) {
            return Err(damaged(IndexDamage::Size));
        }
        Ok(footer)
    }

    fn decode(payload: &[u8], name: FileName, common: &Common) -> Result<Footer, IndexDamage> {
        let (bytes, rest) = payload.split_at(FOOTER_BYTES);
        if bytes[..8] != MAGIC {
            return Err(IndexDamage::Magic);
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Err(IndexDamage::Version { version });
        }
        let format = u32_at(bytes, 12);
        if format != common.format {
            return Err(IndexDamage::Format { format });
        }
        if bytes[16..32] != common.lineage.0 {
            return Err(IndexDamage::Lineage);
        }
        let footer = Footer {
            common: Common { record_bytes: u32_at(bytes, 80), ..*common },
            name: FileName { kind: name.kind, first_run: u32_at(bytes, 32), last_run: u32_at(bytes, 36) },
            span: Span {
                first_record: u64_at(bytes, 40),
                records: u64_at(bytes, 48),
                after_sequence: u64_at(bytes, 56),
                through_sequence: u64_at(bytes, 64),
                through_time_ns: u64_at(bytes, 72),
            },
            tier: u32_at(bytes, 84),
            seed: u64_at(bytes, 88),
            items: u64_at(bytes, 96),
            item_blocks: u32_at(bytes, 104),
            chunk_blocks: u32_at(bytes, 108),
            table_blocks: u32_at(bytes, 112),
            filter_blocks: u32_at(bytes, 116),
        };
        let span = &footer.span;
        let is_in_order = footer.name == name
            && u16::from_le_bytes([bytes[10], bytes[11]]) == name.kind as u16
            && footer.common == *common
            && footer.items <= span.records
            && span.first_record.checked_add(span.records).is_some_and(|end| end < u64::MAX / 2)
            && span.after_sequence <= span.through_sequence
            && footer.tier <= TIER_MAX
            && rest.iter().all(|byte| *byte == 0);
        if is_in_order { Ok(footer) } else { Err(IndexDamage::Footer) }
    }
}

const _: () = assert!(FOOTER_BYTES == 8 + 2 + 2 + 4 + 16 + 2 * 4 + 5 * 8 + 2 * 4 + 2 * 8 + 4 * 4);
