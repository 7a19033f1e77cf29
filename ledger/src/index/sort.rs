//! Sorting by a `u64`, byte by byte: faster than comparing when there are a quarter of a million.

/// Sorts by `key`; equal ones keep their order. Bytes in which no two keys differ cost nothing but the look.
pub(crate) fn sort_by_u64<T: Copy>(items: &mut Vec<T>, scratch: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    sort_by_bytes(items, scratch, 0, key);
}

/// The same for keys that are spread evenly over all numbers: their upper bytes tell nearly all of them apart.
pub(crate) fn sort_by_hash<T: Copy>(items: &mut Vec<T>, scratch: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    const UPPER_BYTES: usize = 3;
    const LOWER_BITS: usize = 64 - 8 * UPPER_BYTES;
    sort_by_bytes(items, scratch, 8 - UPPER_BYTES, &key);
    for alike in items.chunk_by_mut(|a, b| key(a) >> LOWER_BITS == key(b) >> LOWER_BITS) {
        if alike.len() > 1 {
            alike.sort_by_key(&key);
        }
    }
}

/// Brings keys that are spread evenly over all numbers near to where they would be if they were sorted, in one pass.
pub(crate) fn sort_by_upper_byte<T: Copy>(items: &mut Vec<T>, scratch: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    sort_by_bytes(items, scratch, 7, key);
}

/// Sorts by the bytes of `key` from `lowest` up.
fn sort_by_bytes<T: Copy>(items: &mut Vec<T>, scratch: &mut Vec<T>, lowest: usize, key: impl Fn(&T) -> u64) {
    let Some(first) = items.first().map(&key) else { return };
    let differing = items.iter().fold(0, |bits, item| bits | (key(item) ^ first)).to_le_bytes();
    scratch.clear();
    scratch.extend_from_slice(items);
    for byte in (lowest..8).filter(|byte| differing[*byte] != 0) {
        let digit = |item: &T| usize::from(key(item).to_le_bytes()[byte]);
        let mut places = [0; 256];
        items.iter().for_each(|item| places[digit(item)] += 1);
        let mut next = 0;
        for place in &mut places {
            next += core::mem::replace(place, next);
        }
        for item in items.iter() {
            let place = &mut places[digit(item)];
            scratch[*place] = *item;
            *place += 1;
        }
        core::mem::swap(items, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sorts_and_is_stable() {
        for spread in [1, 7, 1_000, u64::MAX] {
            let mut state = 1_u64;
            let mut items: Vec<(u64, usize)> = (0..3_000)
                .map(|place| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ((state >> 3) % spread, place)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            let mut by_hash = items.clone();
            sort_by_u64(&mut items, &mut Vec::new(), |item| item.0);
            assert_eq!(items, expected);
            sort_by_hash(&mut by_hash, &mut Vec::new(), |item| item.0);
            assert_eq!(by_hash, expected);
        }
        sort_by_u64(&mut Vec::<(u64, u8)>::new(), &mut Vec::new(), |item| item.0);
    }
}
