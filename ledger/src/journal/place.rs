//! A place in the log, to be kept beside what was computed from the log up to there, and to start from later.

use super::record::Lineage;
use super::segment::Position;
use crate::bytes::array;

/// A place in the log: where a record ends, and what the next one must continue.
///
/// It says of which log it is and which content stands before it (by the chain digest), so that a start from it finds out when
/// the log is another one. Its bytes have no checksum of their own: whoever keeps them keeps one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalPlace {
    /// The journal's name.
    pub lineage: Lineage,
    /// Where the last record before the place ends.
    pub position: Position,
    /// The sequence number of the batch to come.
    pub next_sequence: u64,
    /// Journal time of the last batch; 0 when there is none.
    pub time_ns: u64,
    /// Epoch of the last batch.
    pub epoch: u64,
    /// The chain digest through the last batch.
    pub digest: [u8; 32],
}

impl JournalPlace {
    /// Bytes of an encoded place.
    pub const BYTES: usize = 88;

    /// The fields in their order, integers little-endian (`docs/formats/journal.md`, section 7).
    pub fn to_bytes(&self) -> [u8; JournalPlace::BYTES] {
        let mut bytes = [0; JournalPlace::BYTES];
        bytes[0..16].copy_from_slice(&self.lineage.0);
        bytes[16..24].copy_from_slice(&self.position.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.position.offset.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.next_sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[56..88].copy_from_slice(&self.digest);
        bytes
    }

    /// What [`Self::to_bytes`] made. Any bytes are a place; whether it is one of a log is found out by starting from it.
    pub fn from_bytes(bytes: &[u8; JournalPlace::BYTES]) -> JournalPlace {
        JournalPlace {
            lineage: Lineage(array(bytes, 0)),
            position: Position {
                segment: u64::from_le_bytes(array(bytes, 16)),
                offset: u64::from_le_bytes(array(bytes, 24)),
            },
            next_sequence: u64::from_le_bytes(array(bytes, 32)),
            time_ns: u64::from_le_bytes(array(bytes, 40)),
            epoch: u64::from_le_bytes(array(bytes, 48)),
            digest: array(bytes, 56),
        }
    }
}
