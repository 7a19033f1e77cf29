//! A second reader, and a writer of blocks, made by hand from `docs/formats/index.md`; they share no code with the index.

pub(crate) const BLOCK: usize = 4_096;
pub(crate) const PAYLOAD: usize = 4_092;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
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

/// Kind and runs from a name: 1 for records, 2 for keys.
pub(crate) fn place_of(name: &str) -> (u32, u32, u32) {
    let run = |digits: &str| digits.parse::<u32>().expect("ten digits");
    let (runs, suffix) = name.split_once('.').expect("runs and a suffix");
    let (first, last) = runs.split_once('-').expect("two runs");
    let kind = if suffix == "records" { 1 } else { 2 };
    (kind, run(first), run(last))
}

fn check_value(name: &str, block: usize, payload: &[u8]) -> u32 {
    let (kind, first_run, last_run) = place_of(name);
    let mut bytes = Vec::new();
    for number in [kind, first_run, last_run, u32::try_from(block).expect("small")] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(payload);
    crc32c_bit_by_bit(&bytes)
}

/// Writes the right check value into every block.
pub(crate) fn seal(name: &str, file: &mut [u8]) {
    for (number, block) in file.chunks_exact_mut(BLOCK).enumerate() {
        let value = check_value(name, number, &block[..PAYLOAD]);
        block[PAYLOAD..].copy_from_slice(&value.to_le_bytes());
    }
}

/// The sections of a file: items, chunks, tables, filter; and the footer. All check values are checked.
pub(crate) struct Sections<'f> {
    pub(crate) items: Vec<&'f [u8]>,
    pub(crate) chunks: Vec<&'f [u8]>,
    pub(crate) table: Vec<u8>,
    pub(crate) filter: Vec<u8>,
    pub(crate) footer: &'f [u8],
}

pub(crate) fn sections<'f>(name: &str, file: &'f [u8]) -> Sections<'f> {
    assert!(file.len().is_multiple_of(BLOCK));
    let mut payloads: Vec<&[u8]> = Vec::new();
    for (number, block) in file.chunks_exact(BLOCK).enumerate() {
        let (payload, value) = block.split_at(PAYLOAD);
        assert_eq!(check_value(name, number, payload), u32_at(value, 0), "{name}, block {number}");
        payloads.push(payload);
    }
    let footer = payloads.pop().expect("a footer");
    let mut take = |at: usize| -> Vec<&[u8]> { payloads.drain(..u32_at(footer, at) as usize).collect() };
    let (items, chunks, table, filter) = (take(104), take(108), take(112), take(116));
    assert!(payloads.is_empty(), "the sections are all there is");
    Sections { items, chunks, table: table.concat(), filter: filter.concat(), footer }
}

/// LEB128.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// Group, state and numbers of each chunk of a block.
pub(crate) fn chunks(payload: &[u8]) -> Vec<(u64, Vec<u8>, Vec<u64>)> {
    let used = usize::from(u16_at(payload, 0));
    assert!(payload[used..].iter().all(|byte| *byte == 0), "zeros behind the chunks");
    let (mut rest, mut group, mut chunks) = (&payload[2..used], 0, Vec::new());
    while !rest.is_empty() {
        group += take_varint(&mut rest);
        let count = take_varint(&mut rest) + 1;
        let mut numbers = vec![take_varint(&mut rest)];
        let length = usize::from(rest[0]);
        let state = rest[1..=length].to_vec();
        rest = &rest[1 + length..];
        if count > 1 {
            let length = usize::try_from(take_varint(&mut rest)).expect("small");
            let behind = &rest[length..];
            while rest.len() > behind.len() {
                numbers.push(numbers[numbers.len() - 1] + take_varint(&mut rest) + 1);
            }
        }
        assert_eq!(numbers.len() as u64, count);
        chunks.push((group, state, numbers));
    }
    chunks
}

fn fold(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    u64::try_from(product & u128::from(u64::MAX)).expect("the low half")
        ^ u64::try_from(product >> 64).expect("the high half")
}

pub(crate) fn hash(seed: u64, key: &[u8; 16]) -> u64 {
    let mut z = seed;
    let mut number = || {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let (s1, s2, s3, s4) = (number(), number(), number(), number());
    fold(fold(u64_at(key, 0) ^ s1, u64_at(key, 8) ^ s2) ^ s3, s4 | 1)
}

pub(crate) fn filter_holds(stream: &[u8], hash: u64) -> bool {
    let lines = u64_at(stream, 0);
    let line = usize::try_from((u128::from(hash) * u128::from(lines)) >> 64).expect("small");
    let line = &stream[8 + line * 64..8 + (line + 1) * 64];
    let m = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (1..=7).all(|i| {
        let bit = usize::try_from(m >> (64 - 9 * i) & 511).expect("small");
        u64_at(line, bit / 64 * 8) >> (bit % 64) & 1 == 1
    })
}
