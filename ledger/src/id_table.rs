//! From id to place: a hash table in many parts, each of which grows by itself.
//!
//! Made for what the book waits for most, the look-up of an id that is usually new: hash and place of an entry stand side by
//! side, so that one cache line tells it, and no id has to be read to grow. One table of ten million accounts would stop
//! everything for long when it doubles; in parts the longest stop is shorter by their number. What is removed leaves nothing behind
//! that would have to be tidied up later. Who knows which ids come next can have their cache lines fetched all at once, by [`IdTable::touch`].
//!
//! Never iterated: its order differs from process to process (so that nobody can choose ids that collide) and cannot reach
//! the state.

/// Parts of a table. Their heads, 24 bytes each, stay in the nearest cache.
const PARTS: usize = 256;

/// A bucket without entry. An entry has 32 bits of the hash above the place plus 1.
const EMPTY: u64 = 0;

/// Places by id. It does not hold ids: who asks knows them.
pub struct IdTable {
    parts: Box<[Part; PARTS]>,
}

/// Open addressing: an entry stands in the bucket that its hash says, or in the first empty one after it.
struct Part {
    /// A power of two of them, at most five of eight with an entry: then a new id meets three on average.
    buckets: Box<[u64]>,
    /// Entries that still go in.
    room: usize,
}

impl IdTable {
    /// With room for so many.
    pub fn with_capacity(expected: usize) -> IdTable {
        // Random ids spread unevenly: some parts get a little more than their share.
        let share = expected / PARTS + expected / PARTS / 16;
        let buckets = (share * 8 / 5 + 8).next_power_of_two();
        IdTable { parts: Box::new(core::array::from_fn(|_| Part::with_buckets(buckets))) }
    }

    /// Entries, counted over all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.room_max() - part.room).sum()
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of an entry, by its hash. `is_it` says whether a place is meant, which hashes alone cannot.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.parts[part_of(hash)].search(hash, is_it).ok()
    }

    /// Reads where `find` begins. No branch depends on what is read, so that the processor can have many of these on their way at once. What it gives means
    /// nothing.
    #[inline]
    pub fn touch(&self, hash: u64) -> u64 {
        let buckets = &self.parts[part_of(hash)].buckets;
        buckets[home(tag_of(hash), buckets.len() - 1)]
    }

    /// The place that `find` would look at first: nearly always the one that is meant, if there is one. Only for who wants to have memory fetched.
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds a place unless there is one that is the same by its id. Was it added?
    #[inline(always)]
    pub fn insert_new(&mut self, hash: u64, place: u32, is_it: impl Fn(u32) -> bool) -> bool {
        let part = &mut self.parts[part_of(hash)];
        let Err(bucket) = part.search(hash, is_it) else { return false };
        part.buckets[bucket] = tag_of(hash) << 32 | (u64::from(place) + 1);
        part.room -= 1;
        if part.room == 0 {
            part.grow();
        }
        true
    }

    /// Removes a place that is there.
    ///
    /// # Panics
    /// If it is not there.
    pub fn remove(&mut self, hash: u64, place: u32) {
        let part = &mut self.parts[part_of(hash)];
        let removed = part.search_bucket(hash, |at| at == place).expect("what is removed was in the table");
        part.close_gap(removed);
        part.room += 1;
    }
}

impl Part {
    fn with_buckets(buckets: usize) -> Part {
        let mut part = Part { buckets: vec![EMPTY; buckets].into_boxed_slice(), room: 0 };
        part.room = part.room_max();
        part
    }

    /// Entries that go in when there is none.
    fn room_max(&self) -> usize {
        self.buckets.len() / 8 * 5
    }

    /// The place, or else the bucket where it would go.
    #[inline]
    fn search(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let (tag, mask) = (tag_of(hash), self.buckets.len() - 1);
        let mut bucket = home(tag, mask);
        loop {
            let entry = self.buckets[bucket];
            if entry == EMPTY {
                return Err(bucket);
            }
            if entry >> 32 == tag && is_it(place_of(entry)) {
                return Ok(place_of(entry));
            }
            bucket = (bucket + 1) & mask;
        }
    }

    fn search_bucket(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        let (tag, mask) = (tag_of(hash), self.buckets.len() - 1);
        let mut bucket = home(tag, mask);
        while self.buckets[bucket] != EMPTY {
            if is_it(place_of(self.buckets[bucket])) {
                return Some(bucket);
            }
            bucket = (bucket + 1) & mask;
        }
        None
    }

    /// Moves into the gap what would not be found across it, and so on, up to the next empty bucket.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.buckets.len() - 1;
        let mut bucket = gap;
        loop {
            bucket = (bucket + 1) & mask;
            let entry = self.buckets[bucket];
            if entry == EMPTY {
                self.buckets[gap] = EMPTY;
                return;
            }
            // It may stand anywhere from its home on; the gap is one of these places if it is nearer to the home.
            let from_home = bucket.wrapping_sub(home(entry >> 32, mask)) & mask;
            let from_gap = bucket.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.buckets[gap] = entry;
                gap = bucket;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Part::with_buckets(2 * self.buckets.len());
        larger.room -= self.room_max() - self.room;
        let mask = larger.buckets.len() - 1;
        for entry in self.buckets.iter().copied().filter(|entry| *entry != EMPTY) {
            let mut bucket = home(entry >> 32, mask);
            while larger.buckets[bucket] != EMPTY {
                bucket = (bucket + 1) & mask;
            }
            larger.buckets[bucket] = entry;
        }
        *self = larger;
    }
}

/// The highest bits of a hash choose the part, the highest 32 are kept, and the lowest of these choose the bucket.
#[inline]
fn part_of(hash: u64) -> usize {
    (hash >> 56) as usize % PARTS
}

#[inline]
fn tag_of(hash: u64) -> u64 {
    hash >> 32
}

#[inline]
fn home(tag: u64, mask: usize) -> usize {
    crate::limits::to_usize(tag) & mask
}

#[inline]
fn place_of(entry: u64) -> u32 {
    (entry & 0xffff_ffff) as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Against a map, with hashes that collide in all their bits, or wrap around the end of the buckets.
    #[test]
    fn what_is_put_in_and_not_taken_out_is_found() {
        let mut table = IdTable::with_capacity(0);
        let mut known: BTreeMap<u32, u64> = BTreeMap::new();
        let mut random = 1u64;
        for step in 0..200_000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let hash = match random >> 62 {
                0 => u64::MAX,
                1 => (random >> 20) << 32,
                2 => u64::MAX << 34 | (random & (3 << 32)),
                _ => random.rotate_left(17),
            };
            assert_eq!(table.insert_new(hash, step, |at| at == step), known.insert(step, hash).is_none());
            assert!(!table.insert_new(hash, step, |at| at == step), "it is there");
            while known.len() as u64 > 300 + random % 300 {
                let (place, hash) = match random & 1 {
                    0 => known.pop_first().expect("there are some"),
                    _ => known.pop_last().expect("there are some"),
                };
                table.remove(hash, place);
                assert_eq!(table.find(hash, |at| at == place), None);
            }
            assert_eq!(table.len(), known.len());
            if step % 64 == 0 {
                for (place, hash) in &known {
                    assert_eq!(table.find(*hash, |at| at == *place), Some(*place));
                }
            }
        }
    }
}
