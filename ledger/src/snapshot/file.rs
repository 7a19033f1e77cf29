//! The form of a snapshot file, byte by byte: `docs/formats/snapshot.md`.

use super::fault::Flaw;
use super::{Lineage, Snapshot};
use crate::bytes::{array, u32_at, u64_at};
use crate::limits::{SNAPSHOT_OWNER_BYTES_MAX, SNAPSHOT_PAGE_BYTES, to_usize};

/// A file under this name is being written, or was when something stopped.
pub(super) const PREPARING_NAME: &str = "next.preparing";

const HEAD_MAGIC: [u8; 8] = *b"CLSPSNAP";
const FOOT_MAGIC: [u8; 8] = *b"CLSPSEND";
const VERSION: u16 = 0;

pub(super) const HEAD_BYTES: usize = 4_096;
pub(super) const FOOT_BYTES: usize = 64;
const OWNER_AT: usize = 64;
const HEAD_CRC_AT: usize = 56;
const FOOT_CRC_AT: usize = 60;

const _: () = assert!(OWNER_AT + SNAPSHOT_OWNER_BYTES_MAX == HEAD_BYTES);

/// The name of the snapshot at a position.
pub fn snapshot_name(position: u64) -> String {
    format!("{position:020}.snapshot")
}

/// The position in a name; `None` when it is no snapshot's.
pub(super) fn position_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".snapshot").filter(|digits| digits.len() == 20)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Where the parts of a file stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) body_bytes: u64,
}

impl Layout {
    pub(super) fn pages(self) -> u64 {
        self.body_bytes.div_ceil(SNAPSHOT_PAGE_BYTES)
    }

    pub(super) fn page_at(self, page: u64) -> u64 {
        HEAD_BYTES as u64 + page * SNAPSHOT_PAGE_BYTES
    }

    /// The last page is as long as what is left.
    pub(super) fn page_bytes(self, page: u64) -> usize {
        to_usize((self.body_bytes - page * SNAPSHOT_PAGE_BYTES).min(SNAPSHOT_PAGE_BYTES))
    }

    /// Behind the body: a checksum for each page.
    pub(super) fn table_at(self) -> u64 {
        HEAD_BYTES as u64 + self.body_bytes
    }

    pub(super) fn table_bytes(self) -> u64 {
        4 * self.pages()
    }

    pub(super) fn foot_at(self) -> u64 {
        self.table_at() + self.table_bytes()
    }

    pub(super) fn file_bytes(self) -> u64 {
        self.foot_at() + FOOT_BYTES as u64
    }
}

/// The head, and the checksum that stands in it.
pub(super) fn encode_head(snapshot: &Snapshot, lineage: Lineage, format: u32) -> ([u8; HEAD_BYTES], u32) {
    let owner_len = u32::try_from(snapshot.owner.len()).expect("limits.rs bounds the owner's bytes");
    assert!(snapshot.owner.len() <= SNAPSHOT_OWNER_BYTES_MAX, "limits.rs bounds the owner's bytes");
    let mut bytes = [0; HEAD_BYTES];
    bytes[0..8].copy_from_slice(&HEAD_MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&format.to_le_bytes());
    bytes[16..32].copy_from_slice(&lineage.0);
    bytes[32..40].copy_from_slice(&snapshot.position.to_le_bytes());
    bytes[40..48].copy_from_slice(&snapshot.body_bytes.to_le_bytes());
    bytes[48..52].copy_from_slice(&owner_len.to_le_bytes());
    bytes[OWNER_AT..OWNER_AT + snapshot.owner.len()].copy_from_slice(&snapshot.owner);
    let crc = crc32c::crc32c(&bytes);
    bytes[HEAD_CRC_AT..HEAD_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    (bytes, crc)
}

/// What the head says, its checksum with it. The digest is the foot's to say.
pub(super) fn decode_head(bytes: &[u8; HEAD_BYTES], lineage: Lineage, format: u32) -> Result<(Snapshot, u32), Flaw> {
    if bytes[0..8] != HEAD_MAGIC {
        return Err(Flaw::Head);
    }
    // Before the checksum, since another version may have it elsewhere.
    let version = u16::from_le_bytes([bytes[8], bytes[9]]);
    if version != VERSION {
        return Err(Flaw::Version { version });
    }
    let mut without_crc = *bytes;
    without_crc[HEAD_CRC_AT..HEAD_CRC_AT + 4].fill(0);
    let (crc, owner_len) = (u32_at(bytes, HEAD_CRC_AT), u32_at(bytes, 48) as usize);
    if crc32c::crc32c(&without_crc) != crc || owner_len > SNAPSHOT_OWNER_BYTES_MAX {
        return Err(Flaw::Head);
    }
    if bytes[16..32] != lineage.0 {
        return Err(Flaw::Lineage);
    }
    if u32_at(bytes, 12) != format {
        return Err(Flaw::Format { format: u32_at(bytes, 12) });
    }
    let owner = bytes[OWNER_AT..OWNER_AT + owner_len].to_vec();
    let snapshot = Snapshot { position: u64_at(bytes, 32), owner, body_bytes: u64_at(bytes, 40), body_digest: [0; 32] };
    Ok((snapshot, crc))
}

/// What ties head, body and table together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foot {
    pub(super) body_digest: [u8; 32],
    pub(super) head_crc: u32,
    pub(super) table_crc: u32,
}

pub(super) fn encode_foot(foot: &Foot) -> [u8; FOOT_BYTES] {
    let mut bytes = [0; FOOT_BYTES];
    bytes[0..8].copy_from_slice(&FOOT_MAGIC);
    bytes[8..40].copy_from_slice(&foot.body_digest);
    bytes[40..44].copy_from_slice(&foot.head_crc.to_le_bytes());
    bytes[44..48].copy_from_slice(&foot.table_crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes[FOOT_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(super) fn decode_foot(bytes: &[u8; FOOT_BYTES]) -> Result<Foot, Flaw> {
    let (head_crc, table_crc) = (u32_at(bytes, 40), u32_at(bytes, 44));
    let foot = Foot { body_digest: array(bytes, 8), head_crc, table_crc };
    // Made again, it must be what was read: magic, zeros and checksum at once.
    if encode_foot(&foot) == *bytes { Ok(foot) } else { Err(Flaw::Foot) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twenty_digits_and_the_ending_are_a_name() {
        for position in [0, 7, u64::MAX] {
            assert_eq!(position_of(&snapshot_name(position)), Some(position));
        }
        let wrong = ["7.snapshot", "0000000000000000000a.snapshot", "+0000000000000000007.snapshot", PREPARING_NAME];
        for name in wrong.into_iter().chain(["99999999999999999999.snapshot", "00000000000000000007.snapshot.old"]) {
            assert_eq!(position_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_parts_of_a_file_follow_each_other() {
        for body_bytes in [0, 1, SNAPSHOT_PAGE_BYTES, SNAPSHOT_PAGE_BYTES + 1, 5 * SNAPSHOT_PAGE_BYTES] {
            let layout = Layout { body_bytes };
            let pages: u64 = (0..layout.pages()).map(|page| layout.page_bytes(page) as u64).sum();
            assert_eq!(pages, body_bytes);
            assert_eq!(layout.table_at(), HEAD_BYTES as u64 + body_bytes);
            assert_eq!(layout.file_bytes(), layout.table_at() + 4 * layout.pages() + 64);
        }
    }
}
