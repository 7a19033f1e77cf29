//! The seeded hash of keys, and the blocked Bloom filter over it: one cache line a question.
//!
//! Both are part of the format: `docs/formats/index.md`, section 5.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::u64_at;
use crate::limits::{INDEX_FILTER_BITS_PER_KEY_SMALL, INDEX_FILTER_KEYS_SMALL};

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits that a key sets, of nine bits of its mixed hash each.
const PROBES: u32 = 7;
const LINE_BITS: u64 = 512;
pub(crate) const LINE_BYTES: usize = 64;

/// Hashes keys under a seed, so that nobody who does not know it can choose ids that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash {
    seed: u64,
    salts: [u64; 4],
}

impl KeyHash {
    pub(crate) fn new(seed: u64) -> KeyHash {
        let mut z = seed;
        let salts = core::array::from_fn(|_| {
            z = z.wrapping_add(GOLDEN);
            let x = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        });
        KeyHash { seed, salts }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn of(&self, key: &[u8; 16]) -> u64 {
        let [s1, s2, s3, s4] = self.salts;
        fold(fold(u64_at(key, 0) ^ s1, u64_at(key, 8) ^ s2) ^ s3, s4 | 1)
    }
}

fn fold(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    low(product) ^ high(product)
}

/// `part * whole / 2^64`: where in `whole` equal parts a hash lies.
fn place(hash: u64, whole: u64) -> u64 {
    high(u128::from(hash) * u128::from(whole))
}

fn high(product: u128) -> u64 {
    low(product >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn low(product: u128) -> u64 {
    product as u64
}

/// One line of the filter: what one memory access brings.
///
/// Its words are atomic, so that one thread can go on putting keys in while others ask. Bits are only ever set. Relaxed is enough: whoever is told
/// that a key is in files is told so through a lock, and that comes after the key was put in.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

impl Line {
    fn word(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Relaxed)
    }
}

impl Clone for Line {
    fn clone(&self) -> Line {
        Line(core::array::from_fn(|word| AtomicU64::new(self.word(word))))
    }
}

/// A hash, and the place of the answer.
pub(crate) type Question = (u64, usize);

/// Their lines take half of the processor's fastest cache.
const QUESTIONS_AT_ONCE: usize = 256;

/// Says of a hash that it is not there, or that it may be.
#[derive(Clone)]
pub(crate) struct Filter {
    lines: Vec<Line>,
}

impl Filter {
    /// Small files get a better one: they are many, and it costs little.
    pub(crate) fn for_keys(keys: u64, bits_per_key: u32) -> Filter {
        let is_small = keys <= INDEX_FILTER_KEYS_SMALL;
        let bits_per_key = if is_small { bits_per_key.max(INDEX_FILTER_BITS_PER_KEY_SMALL) } else { bits_per_key };
        Filter::of_density(keys, bits_per_key)
    }

    pub(crate) fn of_density(keys: u64, bits_per_key: u32) -> Filter {
        let lines = (keys * u64::from(bits_per_key)).div_ceil(LINE_BITS).max(1);
        let lines = usize::try_from(lines).expect("a usize has 64 bits, limits.rs");
        Filter { lines: core::iter::repeat_with(Line::default).take(lines).collect() }
    }

    /// Hashes that come in ascending order write memory in order.
    pub(crate) fn insert(&mut self, hash: u64) {
        self.insert_shared(hash);
    }

    /// While others ask. Only one thread may do this at a time: a bit that another one sets at the same moment can be lost.
    pub(crate) fn insert_shared(&self, hash: u64) {
        let line = &self.lines[self.line_of(hash)];
        for bit in bits(hash) {
            let word = &line.0[bit >> 6];
            word.store(word.load(Ordering::Relaxed) | 1 << (bit & 63), Ordering::Relaxed);
        }
    }

    /// Without a branch among the seven, so that the processor goes on to the next question while memory answers this one.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let line = &self.lines[self.line_of(hash)];
        bits(hash).fold(1, |all, bit| all & (line.word(bit >> 6) >> (bit & 63))) & 1 == 1
    }

    /// Asks for many hashes, and names those that may be here.
    ///
    /// One bit of each is looked at first. So short a question lets the processor have many lines of memory on their way at
    /// once, and it settles half of the unknown keys, or nearly; for the others the line is in the cache by then.
    pub(crate) fn each_that_may_be_held(&self, questions: &[Question], mut name: impl FnMut(Question)) {
        let mut open = [(0, 0); QUESTIONS_AT_ONCE];
        for questions in questions.chunks(QUESTIONS_AT_ONCE) {
            let mut count = 0;
            for &(hash, place) in questions {
                // Written in any case, and kept or not: without a branch.
                open[count] = (hash, place);
                count += self.holds_first_bit(hash);
            }
            open[..count].iter().copied().filter(|(hash, _)| self.may_hold(*hash)).for_each(&mut name);
        }
    }

    fn holds_first_bit(&self, hash: u64) -> usize {
        let bit = bit(hash, 1);
        let word = self.lines[self.line_of(hash)].word(bit >> 6);
        usize::from(word >> (bit & 63) & 1 == 1)
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    /// How many lines there are.
    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The first bytes of the section's stream; all lines follow.
    pub(crate) fn encode_head(&self) -> [u8; 8] {
        (self.lines.len() as u64).to_le_bytes()
    }

    pub(crate) fn encode_line(&self, line: usize) -> [u8; LINE_BYTES] {
        let mut bytes = [0; LINE_BYTES];
        for (into, word) in bytes.chunks_exact_mut(8).zip(0..) {
            into.copy_from_slice(&self.lines[line].word(word).to_le_bytes());
        }
        bytes
    }

    /// `None` where the stream holds fewer lines than it says, or none.
    pub(crate) fn decode(stream: &[u8]) -> Option<Filter> {
        let (count, lines) = stream.split_at_checked(8)?;
        let count = usize::try_from(u64_at(count, 0)).ok()?;
        let lines = lines.get(..count.checked_mul(LINE_BYTES)?)?;
        let line = |bytes: &[u8]| Line(core::array::from_fn(|word| AtomicU64::new(u64_at(bytes, word * 8))));
        (count > 0).then(|| Filter { lines: lines.chunks_exact(LINE_BYTES).map(line).collect() })
    }

    fn line_of(&self, hash: u64) -> usize {
        usize::try_from(place(hash, self.lines.len() as u64)).expect("a usize has 64 bits, limits.rs")
    }
}

fn bits(hash: u64) -> impl Iterator<Item = usize> {
    (1..=PROBES).map(move |probe| bit(hash, probe))
}

fn bit(hash: u64, probe: u32) -> usize {
    let bit = hash.wrapping_mul(GOLDEN) >> (64 - 9 * probe) & (LINE_BITS - 1);
    usize::try_from(bit).expect("less than 512")
}

const _: () = assert!(9 * PROBES <= 64 && LINE_BITS == 1 << 9);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn what_was_put_in_is_never_denied_and_what_was_not_mostly_is() {
        let hash = KeyHash::new(7);
        let mut filter = Filter::for_keys(10_000, 12);
        (0..10_000).for_each(|number| filter.insert(hash.of(&key(number))));
        assert!((0..10_000).all(|number| filter.may_hold(hash.of(&key(number)))));
        let wrongly = (10_000..110_000).filter(|number| filter.may_hold(hash.of(&key(*number)))).count();
        assert!(wrongly < 100, "{wrongly} of 100,000, with ids that only count up");
        // Many at once: the same answers, in the same order.
        let questions: Vec<Question> = (0..20_000).map(|number| hash.of(&key(number))).zip((0..20_000).rev()).collect();
        let mut named = Vec::new();
        filter.each_that_may_be_held(&questions, |question| named.push(question));
        assert!(questions.iter().filter(|question| filter.may_hold(question.0)).eq(&named));
    }

    #[test]
    fn a_filter_without_keys_denies_and_one_cut_short_is_none() {
        let filter = Filter::for_keys(0, 12);
        assert!(!filter.may_hold(0) && !filter.may_hold(u64::MAX));
        let mut stream = filter.encode_head().to_vec();
        (0..filter.lines()).for_each(|line| stream.extend_from_slice(&filter.encode_line(line)));
        assert!(Filter::decode(&stream).is_some());
        assert!((0..stream.len()).all(|length| Filter::decode(&stream[..length]).is_none()));
    }

    /// The seed matters, and the hash is that of the format's document.
    #[test]
    fn the_hash_is_the_documented_one() {
        assert_eq!(KeyHash::new(0).salts[0], 0xe220_a839_7b1d_cdaf, "the first number of SplitMix64 from 0");
        assert_ne!(KeyHash::new(0).of(&key(1)), KeyHash::new(1).of(&key(1)));
    }
}
