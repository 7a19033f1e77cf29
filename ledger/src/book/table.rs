//! From id to place: a hash table in many parts, each of which grows, or clears what removals have left in it, by itself.
//!
//! One table of ten million accounts would stop everything for a second when it doubles, and one whose entries come and go would
//! stop to tidy up. In parts the longest stop is shorter by their number.
//!
//! Never iterated: its order differs from process to process (so that nobody can choose ids that collide) and cannot reach
//! the state.

use hashbrown::HashTable;

/// Parts of a table; a power of two. Their heads, 32 bytes each, stay in the nearest cache.
const PARTS: usize = 256;

/// Places by id. It holds neither ids nor hashes: who asks knows them.
pub(super) struct IdTable {
    parts: Box<[HashTable<u32>; PARTS]>,
    len: usize,
}

impl IdTable {
    /// With room for so many.
    pub(super) fn with_capacity(expected: usize) -> IdTable {
        // Random ids spread unevenly: some parts get a little more than their share.
        let part = if expected == 0 { 0 } else { expected / PARTS + expected / PARTS / 8 + 16 };
        IdTable { parts: Box::new(core::array::from_fn(|_| HashTable::with_capacity(part))), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.parts[part_of(hash)].find(hash, |place| is_it(*place)).copied()
    }

    /// Adds a place that is not there.
    #[inline(always)]
    pub(super) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        self.parts[part_of(hash)].insert_unique(hash, place, |place| hash_of(*place));
        self.len += 1;
    }

    /// Removes a place that is there.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let found = self.parts[part_of(hash)].find_entry(hash, |at| *at == place);
        found.expect("what is removed was in the table").remove();
        self.len -= 1;
    }
}

/// The table uses the lowest and the seven highest bits of a hash; these are others.
#[inline]
fn part_of(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}
