//! One record: its header byte by byte, the chain, and the buffer it is built in.
//!
//! The picture is in `docs/formats/journal.md`, section 4.

use core::fmt;

use super::fault::Damage;
use super::place::JournalPlace;
use super::segment::{FIRST_SEGMENT, Position};
use crate::bytes::array;
use crate::limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX, to_usize};

/// Bytes of a record before its payload.
pub const HEADER_BYTES: usize = 128;

pub(crate) const MAGIC: [u8; 8] = *b"CLSPNJRN";
pub(crate) const VERSION: u16 = 0;

const CRC_AT: usize = 60;
const RESERVED_AT: usize = 116;

const _: () = {
    assert!(RESERVED_AT + 12 == HEADER_BYTES);
    assert!((HEADER_BYTES as u64) < BLOCK_BYTES, "a header lies in one block");
};

/// Names one journal and its copies: drawn at random when it is created, by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lineage(pub [u8; 16]);

impl Lineage {
    /// The chain digest before the first batch.
    pub fn first_digest(self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({self})")
    }
}

/// What the caller says of a batch; the journal adds the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// Number of entries in the payload, each of which gets a sequence number.
    pub count: u32,
    /// Journal time; never goes back.
    pub time_ns: u64,
    /// Term of the leader that cut the batch; never goes back. 0 where the log is not replicated.
    pub epoch: u64,
}

/// A batch as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The batch's own sequence number; its entries follow.
    pub first_sequence: u64,
    /// Number of entries.
    pub count: u32,
    /// Journal time.
    pub time_ns: u64,
    /// Term of the leader that cut it.
    pub epoch: u64,
    /// Format of the payload, as the writer's options gave it.
    pub payload_format: u32,
    /// The chain digest through this batch.
    pub digest: [u8; 32],
    /// The entries.
    pub payload: &'a [u8],
}

impl Batch<'_> {
    /// The sequence number of the last entry, or of the batch when it has none.
    pub fn last_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }
}

/// The digest of the chain through a record.
pub fn chain_digest(previous: &[u8; 32], kind: u16, first_sequence: u64, head: BatchHead, payload: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 66];
    bytes[0..32].copy_from_slice(previous);
    bytes[32..34].copy_from_slice(&kind.to_le_bytes());
    bytes[34..42].copy_from_slice(&first_sequence.to_le_bytes());
    bytes[42..46].copy_from_slice(&head.count.to_le_bytes());
    bytes[46..54].copy_from_slice(&head.time_ns.to_le_bytes());
    bytes[54..62].copy_from_slice(&head.epoch.to_le_bytes());
    bytes[62..66].copy_from_slice(&payload_length(payload).to_le_bytes());
    *blake3::Hasher::new().update(&bytes).update(payload).finalize().as_bytes()
}

/// What a record is. Other numbers are reserved for the replicated log.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Batch = 1,
    Mark = 2,
}

impl Kind {
    pub(crate) const fn number(self) -> u16 {
        self as u16
    }
}

/// The header, checked in shape only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) head: BatchHead,
    pub(crate) lineage: Lineage,
    pub(crate) first_sequence: u64,
    pub(crate) length: u32,
    pub(crate) digest: [u8; 32],
    pub(crate) synced_through: Position,
    pub(crate) payload_format: u32,
}

impl Header {
    /// The header's bytes, its checksum included.
    pub(crate) fn encode(&self, payload: &[u8]) -> [u8; HEADER_BYTES] {
        assert_eq!(self.length, payload_length(payload));
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.kind.number().to_le_bytes());
        bytes[12..16].copy_from_slice(&self.head.count.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.lineage.0);
        bytes[32..40].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.head.time_ns.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.head.epoch.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.length.to_le_bytes());
        bytes[64..96].copy_from_slice(&self.digest);
        bytes[96..104].copy_from_slice(&self.synced_through.segment.to_le_bytes());
        bytes[104..112].copy_from_slice(&self.synced_through.offset.to_le_bytes());
        bytes[112..116].copy_from_slice(&self.payload_format.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), payload);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Bytes on disk, padding included.
    pub(crate) fn record_bytes(&self) -> u64 {
        record_bytes(u64::from(self.length))
    }

    /// The sequence number that follows.
    pub(crate) fn next_sequence(&self) -> Option<u64> {
        match self.kind {
            Kind::Batch => self.first_sequence.checked_add(u64::from(self.head.count) + 1),
            Kind::Mark => Some(self.first_sequence),
        }
    }
}

/// Bytes on disk of a record with such a payload.
pub(crate) fn record_bytes(payload_bytes: u64) -> u64 {
    (HEADER_BYTES as u64 + payload_bytes).next_multiple_of(BLOCK_BYTES)
}

/// Why bytes are no record: what a crash can leave, or what it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRecord {
    Broken(Damage),
    Stranger(Damage),
}

/// Length of the payload that a header announces; the first thing read of a record, with the magic and the version.
pub(crate) fn announced_length(header: &[u8]) -> Result<u32, NoRecord> {
    if header[0..8] != MAGIC {
        return Err(NoRecord::Broken(Damage::Magic));
    }
    let version = u16::from_le_bytes(array(header, 8));
    if version != VERSION {
        return Err(NoRecord::Stranger(Damage::Version { version }));
    }
    Ok(u32::from_le_bytes(array(header, 56)))
}

/// Reads a whole record, padding included, and checks all that can be checked without knowing what stands before it.
pub(crate) fn decode(record: &[u8]) -> Result<(Header, &[u8]), NoRecord> {
    let length = announced_length(record)?;
    let payload_end = HEADER_BYTES + length as usize;
    assert_eq!(record.len() as u64, record_bytes(u64::from(length)), "callers bring the whole record");

    let payload = &record[HEADER_BYTES..payload_end];
    let mut header = [0; HEADER_BYTES];
    header.copy_from_slice(&record[..HEADER_BYTES]);
    header[CRC_AT..CRC_AT + 4].fill(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), payload);
    if crc != u32::from_le_bytes(array(record, CRC_AT)) {
        return Err(NoRecord::Broken(Damage::Checksum));
    }
    if !is_zero(&record[payload_end..]) {
        return Err(NoRecord::Broken(Damage::Padding));
    }
    if !is_zero(&header[RESERVED_AT..]) {
        return Err(NoRecord::Stranger(Damage::Reserved));
    }
    let kind = match u16::from_le_bytes(array(&header, 10)) {
        1 => Kind::Batch,
        2 => Kind::Mark,
        kind => return Err(NoRecord::Stranger(Damage::Kind { kind })),
    };
    let header = Header {
        kind,
        head: BatchHead {
            count: u32::from_le_bytes(array(&header, 12)),
            time_ns: u64::from_le_bytes(array(&header, 40)),
            epoch: u64::from_le_bytes(array(&header, 48)),
        },
        lineage: Lineage(array(&header, 16)),
        first_sequence: u64::from_le_bytes(array(&header, 32)),
        length,
        digest: array(&header, 64),
        synced_through: Position {
            segment: u64::from_le_bytes(array(&header, 96)),
            offset: u64::from_le_bytes(array(&header, 104)),
        },
        payload_format: u32::from_le_bytes(array(&header, 112)),
    };
    Ok((header, payload))
}

/// The log up to a place: what the next record must continue. Writer and recovery share it, so that what one writes the
/// other asserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) lineage: Lineage,
    /// Where the next record goes.
    pub(crate) position: Position,
    /// Where the last record ends: the same, but at the beginning of a segment that has no record yet.
    pub(crate) record_end: Position,
    pub(crate) next_sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) epoch: u64,
    pub(crate) digest: [u8; 32],
    /// The last record is a mark, so that another would say nothing.
    pub(crate) is_marked: bool,
}

impl Tip {
    /// The place where a journal's birth mark goes.
    pub(crate) fn birth(lineage: Lineage) -> Tip {
        let position = Position { segment: FIRST_SEGMENT, offset: 0 };
        Tip {
            lineage,
            position,
            record_end: position,
            next_sequence: 1,
            time_ns: 0,
            epoch: 0,
            digest: lineage.first_digest(),
            is_marked: false,
        }
    }

    /// The log behind the record at the beginning of a segment, which is taken on trust: what it must continue is not at hand.
    /// Only the journal's first segment begins with a mark.
    pub(crate) fn behind_opening(segment: u64, header: &Header) -> Result<Tip, Damage> {
        let position = Position { segment, offset: 0 };
        if header.kind != Kind::Batch {
            return Err(Damage::Mark);
        }
        if header.first_sequence != segment || header.next_sequence().is_none() {
            return Err(Damage::Sequence { expected: segment, found: header.first_sequence });
        }
        if header.synced_through > position {
            return Err(Damage::SyncedThrough);
        }
        let mut tip = Tip {
            lineage: header.lineage,
            position,
            record_end: position,
            next_sequence: segment,
            time_ns: header.head.time_ns,
            epoch: header.head.epoch,
            digest: header.digest,
            is_marked: false,
        };
        tip.advance(header);
        Ok(tip)
    }

    /// The log up to here, as something to start from.
    pub(crate) fn place(&self) -> JournalPlace {
        JournalPlace {
            lineage: self.lineage,
            position: self.record_end,
            next_sequence: self.next_sequence,
            time_ns: self.time_ns,
            epoch: self.epoch,
            digest: self.digest,
        }
    }

    /// The header of a batch to be written here.
    pub(crate) fn batch(&self, head: BatchHead, payload: &[u8], synced: Position, payload_format: u32) -> Header {
        let kind = Kind::Batch;
        Header {
            kind,
            head,
            lineage: self.lineage,
            first_sequence: self.next_sequence,
            length: payload_length(payload),
            digest: chain_digest(&self.digest, kind.number(), self.next_sequence, head, payload),
            synced_through: synced,
            payload_format,
        }
    }

    /// The header of a mark to be written here.
    pub(crate) fn mark(&self, synced: Position, payload_format: u32) -> Header {
        Header {
            kind: Kind::Mark,
            head: BatchHead { count: 0, time_ns: self.time_ns, epoch: self.epoch },
            lineage: self.lineage,
            first_sequence: self.next_sequence,
            length: 0,
            digest: self.digest,
            synced_through: synced,
            payload_format,
        }
    }

    /// Does this record continue the log here? Order as in the format's section 6.
    pub(crate) fn check(&self, header: &Header, payload: &[u8]) -> Result<(), Damage> {
        if header.lineage != self.lineage {
            return Err(Damage::Lineage);
        }
        let (expected, found) = (self.next_sequence, header.first_sequence);
        if found != expected || header.next_sequence().is_none() {
            return Err(Damage::Sequence { expected, found });
        }
        if header.head.time_ns < self.time_ns {
            return Err(Damage::Time);
        }
        if header.head.epoch < self.epoch {
            return Err(Damage::Epoch);
        }
        if header.synced_through > self.position {
            return Err(Damage::SyncedThrough);
        }
        match header.kind {
            Kind::Batch => {
                if header.digest != chain_digest(&self.digest, Kind::Batch.number(), found, header.head, payload) {
                    return Err(Damage::Chain);
                }
            }
            Kind::Mark => {
                let is_birth = self.position == Position { segment: FIRST_SEGMENT, offset: 0 };
                let says_only_synced = *header == self.mark(header.synced_through, header.payload_format);
                if !says_only_synced || self.is_marked || (self.position.offset == 0 && !is_birth) {
                    return Err(Damage::Mark);
                }
            }
        }
        Ok(())
    }

    /// The log with this record.
    pub(crate) fn advance(&mut self, header: &Header) {
        let next_sequence =
            header.next_sequence().expect("checked, or made by `batch` from a tip of fewer than 2^64 numbers");
        assert!(next_sequence >= self.next_sequence, "sequence numbers never go back");
        assert!(header.head.time_ns >= self.time_ns, "journal time never goes back");
        assert!(header.head.epoch >= self.epoch, "epochs never go back");
        self.position.offset += header.record_bytes();
        self.record_end = self.position;
        self.next_sequence = next_sequence;
        self.time_ns = header.head.time_ns;
        self.epoch = header.head.epoch;
        self.digest = header.digest;
        self.is_marked = header.kind == Kind::Mark;
    }
}

/// Where a batch is built: room for the header in front, so that the record goes to disk as one piece without being copied.
/// Made once and reused.
#[derive(Debug)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
}

impl Default for RecordBuffer {
    fn default() -> RecordBuffer {
        RecordBuffer::with_capacity(0)
    }
}

impl RecordBuffer {
    /// With room for so many payload bytes.
    pub fn with_capacity(payload_bytes: usize) -> RecordBuffer {
        let mut bytes = Vec::with_capacity((HEADER_BYTES + payload_bytes).next_multiple_of(to_usize(BLOCK_BYTES)));
        bytes.resize(HEADER_BYTES, 0);
        RecordBuffer { bytes }
    }

    /// The payload so far. It stays readable after the append.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// The payload so far, to patch what was written before its value was known.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADER_BYTES..]
    }

    /// Adds to the payload.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets an encoder that writes to a `Vec` add to the payload.
    ///
    /// # Panics
    /// When the encoder leaves fewer bytes than it found.
    pub fn extend_with<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.bytes.len();
        let result = encode(&mut self.bytes);
        assert!(self.bytes.len() >= before, "an encoder only adds");
        result
    }

    /// Takes back what was added after the payload had this many bytes.
    pub fn truncate(&mut self, payload_bytes: usize) {
        self.bytes.truncate(HEADER_BYTES + payload_bytes);
    }

    /// Ready for the next batch; the memory is kept.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Puts the header in front, pads, hands the whole record to `write`, and takes the padding off again.
    pub(crate) fn write_record<T>(&mut self, header: &Header, write: impl FnOnce(&[u8]) -> T) -> T {
        let unpadded = self.bytes.len();
        let encoded = header.encode(self.payload());
        self.bytes[..HEADER_BYTES].copy_from_slice(&encoded);
        self.bytes.resize(to_usize(header.record_bytes()), 0);
        let result = write(&self.bytes);
        self.bytes.truncate(unpadded);
        result
    }
}

/// A payload's length. Batches that do not fit into a segment have been refused before this is asked.
fn payload_length(payload: &[u8]) -> u32 {
    assert!(payload.len() as u64 <= SEGMENT_BYTES_MAX);
    u32::try_from(payload.len()).expect("segments are smaller than 4 GiB, limits.rs")
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Sixteen at a time: recovery looks at whole segments of zeros.
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().all(|chunk| u128::from_ne_bytes(*chunk) == 0) && rest.iter().all(|byte| *byte == 0)
}
