//! Sorting by a `u64`, byte by byte: faster than comparing when there are a quarter of a million.

/// Sorts by `key`; equal ones keep their order. Bytes in which no two keys differ cost nothing but the look.
pub(crate) fn sort_by_u64<T: Copy>(items: &mut Vec<T>, scratch: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    let Some(first) = items.first().map(&key) else { return };
    let differing = items.iter().fold(0, |bits, item| bits | (key(item) ^ first));
    scratch.clear();
    scratch.extend_from_slice(items);
    for shift in (0..64).step_by(8).filter(|shift| differing >> shift & 0xff != 0) {
        let digit = |item: &T| usize::from(key(item).to_le_bytes()[shift / 8]);
        let mut starts = [0; 256];
        items.iter().for_each(|item| starts[digit(item)] += 1);
        let mut start = 0;
        for count in &mut starts {
            start += core::mem::replace(count, start);
        }
        for item in items.iter() {
            let place = &mut starts[digit(item)];
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
            sort_by_u64(&mut items, &mut Vec::new(), |item| item.0);
            assert_eq!(items, expected);
        }
        sort_by_u64(&mut Vec::<(u64, u8)>::new(), &mut Vec::new(), |item| item.0);
    }
}
