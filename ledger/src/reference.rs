//! What the owner of an account or a transfer wants to find beside it: three numbers that the book carries and never reads.

/// Three numbers of three widths, whose meaning is their writer's: a payment id, a batch number, a purpose. 0 says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct References {
    /// 128 bits: wide enough for a UUID.
    pub bits_128: u128,
    /// 64 bits: wide enough for a time in nanoseconds.
    pub bits_64: u64,
    /// 32 bits: wide enough for a participant or a place.
    pub bits_32: u32,
}

impl References {
    /// Nothing said.
    pub const NONE: References = References { bits_128: 0, bits_64: 0, bits_32: 0 };

    /// As they stand in digests: 128, 64, 32 bits, little-endian.
    pub(crate) fn bytes(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[0..16].copy_from_slice(&self.bits_128.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.bits_64.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.bits_32.to_le_bytes());
        bytes
    }
}
