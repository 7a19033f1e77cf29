//! A second encoder, written by hand from `docs/formats/journal.md`; it shares no code with the journal. With it the tests
//! check what the journal writes, and make what the journal would never write.

/// A record, field by field; the defaults are those of a birth mark.
#[derive(Clone)]
pub(crate) struct HandRecord {
    pub(crate) version: u16,
    pub(crate) kind: u16,
    pub(crate) count: u32,
    pub(crate) lineage: [u8; 16],
    pub(crate) first_sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) epoch: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) synced_through: (u64, u64),
    pub(crate) payload_format: u32,
    pub(crate) reserved: [u8; 12],
    pub(crate) payload: Vec<u8>,
}

pub(crate) const LINEAGE: [u8; 16] = *b"lineage by hand.";
pub(crate) const BLOCK: usize = 4_096;

pub(crate) fn birth() -> HandRecord {
    HandRecord {
        version: 0,
        kind: 2,
        count: 0,
        lineage: LINEAGE,
        first_sequence: 1,
        time_ns: 0,
        epoch: 0,
        digest: *blake3::hash(&LINEAGE).as_bytes(),
        synced_through: (1, 0),
        payload_format: 9,
        reserved: [0; 12],
        payload: Vec::new(),
    }
}

impl HandRecord {
    /// The bytes of the record, padding included.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"CLSPNJRN".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.lineage);
        bytes.extend(self.first_sequence.to_le_bytes());
        bytes.extend(self.time_ns.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(u32::try_from(self.payload.len()).expect("small").to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.digest);
        bytes.extend(self.synced_through.0.to_le_bytes());
        bytes.extend(self.synced_through.1.to_le_bytes());
        bytes.extend(self.payload_format.to_le_bytes());
        bytes.extend(self.reserved);
        assert_eq!(bytes.len(), 128);
        bytes.extend(&self.payload);
        let crc = crc32c_bit_by_bit(&bytes);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    /// The batch that follows this record, with the chain continued.
    pub(crate) fn next_batch(&self, synced_through: (u64, u64), count: u32, payload: &[u8]) -> HandRecord {
        let taken = if self.kind == 1 { u64::from(self.count) + 1 } else { 0 };
        let mut batch = HandRecord {
            kind: 1,
            count,
            first_sequence: self.first_sequence + taken,
            time_ns: self.time_ns + 10,
            synced_through,
            payload: payload.to_vec(),
            ..self.clone()
        };
        batch.chain_to(self.digest);
        batch
    }

    /// The mark that follows this batch.
    pub(crate) fn next_mark(&self, synced_through: (u64, u64)) -> HandRecord {
        HandRecord {
            kind: 2,
            first_sequence: self.first_sequence + u64::from(self.count) + 1,
            count: 0,
            synced_through,
            payload: Vec::new(),
            ..self.clone()
        }
    }

    /// Sets the digest from the one before and the other fields.
    pub(crate) fn chain_to(&mut self, previous: [u8; 32]) {
        let mut bytes = previous.to_vec();
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.first_sequence.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.time_ns.to_le_bytes());
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(u32::try_from(self.payload.len()).expect("small").to_le_bytes());
        bytes.extend(&self.payload);
        self.digest = *blake3::hash(&bytes).as_bytes();
    }
}

/// The records one after the other, then zeros up to the size.
pub(crate) fn segment(records: &[&HandRecord], bytes: usize) -> Vec<u8> {
    let mut segment: Vec<u8> = records.iter().flat_map(|record| record.bytes()).collect();
    assert!(segment.len() <= bytes);
    segment.resize(bytes, 0);
    segment
}

/// CRC-32C from its definition: reflected polynomial 0x82f63b78, all ones in and out.
fn crc32c_bit_by_bit(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
