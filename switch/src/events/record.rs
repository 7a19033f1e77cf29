//! The bytes of a file's header and of an event. A table in `docs/formats/events.md` is the truth.

use crate::engine::scheme::events::{Event, EventKind};

/// Of an event, and of a header.
pub(super) const RECORD_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"CLSPNEVT";
const VERSION: u32 = 0;
/// Where the checksum stands.
const CRC: usize = 60;

/// An event in its place.
pub(super) fn encode(event: &Event) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[0..8].copy_from_slice(&event.position.to_le_bytes());
    bytes[8..16].copy_from_slice(&event.time_ns.to_le_bytes());
    bytes[16..32].copy_from_slice(&event.amount.to_le_bytes());
    bytes[32..36].copy_from_slice(&event.participant.to_le_bytes());
    bytes[36..40].copy_from_slice(&event.other.to_le_bytes());
    bytes[40..44].copy_from_slice(&event.window.to_le_bytes());
    bytes[44..48].copy_from_slice(&event.detail.to_le_bytes());
    bytes[48..50].copy_from_slice(&(event.kind as u16).to_le_bytes());
    bytes[50..52].copy_from_slice(&event.code.to_le_bytes());
    bytes[52..55].copy_from_slice(&event.currency);
    bytes[55] = event.cycle;
    let crc = checksum(event.number, &bytes);
    bytes[CRC..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn checksum(number: u64, bytes: &[u8; RECORD_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &bytes[..CRC])
}

/// The event with a number; none where these bytes are not it.
pub(super) fn decode(number: u64, bytes: &[u8; RECORD_BYTES]) -> Option<Event> {
    let u16_at = |at: usize| u16::from_le_bytes(part(bytes, at));
    let u32_at = |at: usize| u32::from_le_bytes(part(bytes, at));
    let u64_at = |at: usize| u64::from_le_bytes(part(bytes, at));
    if u32_at(CRC) != checksum(number, bytes) || u32_at(56) != 0 {
        return None;
    }
    Some(Event {
        number,
        position: u64_at(0),
        time_ns: u64_at(8),
        kind: EventKind::from_number(u16_at(48))?,
        participant: u32_at(32),
        other: u32_at(36),
        currency: part(bytes, 52),
        cycle: bytes[55],
        window: u32_at(40),
        amount: i128::from_le_bytes(part(bytes, 16)),
        code: u16_at(50),
        detail: u32_at(44),
    })
}

/// A file's header.
pub(super) fn header(lineage: [u8; 16], first: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&lineage);
    bytes[32..40].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..CRC]);
    bytes[CRC..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn part<const N: usize>(bytes: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn event() -> Event {
        Event {
            number: 0x0102_0304,
            position: 5,
            time_ns: 6,
            participant: 7,
            other: 8,
            currency: *b"XTS",
            cycle: 1,
            window: 9,
            amount: -10,
            code: 11,
            detail: 12,
            ..Event::of(EventKind::NetConfirmed)
        }
    }

    #[test]
    fn the_documented_bytes() {
        let bytes = encode(&event());
        let mut expected = vec![5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
        expected.extend_from_slice(&(-10i128).to_le_bytes());
        expected.extend_from_slice(&[7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 12, 0, 0, 0, 36, 0, 11, 0]);
        expected.extend_from_slice(b"XTS\x01\0\0\0\0");
        assert_eq!(bytes[..CRC], expected);
        assert_eq!(decode(0x0102_0304, &bytes), Some(event()));
        assert_eq!(decode(0x0102_0305, &bytes), None, "an event in another's place is none");
    }

    #[test]
    fn a_byte_that_was_changed_is_found() {
        let bytes = encode(&event());
        for place in 0..RECORD_BYTES {
            let mut changed = bytes;
            changed[place] ^= 1;
            assert_eq!(decode(event().number, &changed), None, "byte {place}");
        }
    }

    #[test]
    fn the_document_has_the_same_kinds() {
        let document = include_str!("../../../docs/formats/events.md");
        let (_, section) = document.split_once("## 3. Kinds").unwrap();
        let (section, _) = section.split_once("## 4.").unwrap();
        let rows: Vec<(String, String)> = section
            .lines()
            .filter_map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let is_row = cells.len() > 3 && cells[1].parse::<u16>().is_ok();
                is_row.then(|| (cells[1].to_owned(), cells[2].to_owned()))
            })
            .collect();
        let kinds: Vec<(String, String)> =
            EventKind::ALL.iter().map(|kind| ((*kind as u16).to_string(), format!("{kind:?}"))).collect();
        assert_eq!(rows, kinds);
        assert!(EventKind::ALL.is_sorted_by_key(|kind| *kind as u16));
    }
}
