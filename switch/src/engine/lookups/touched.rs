//! Aliases that entries of the journal touched lately, and when: a bounded ring. Whoever was resolved before the oldest of them is resolved once more.

use std::collections::VecDeque;

use hashbrown::HashMap;
use rkyv::{Archive, Deserialize, Serialize};

use crate::limits::TOUCHED_ALIASES_MAX;

/// One touch.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Keyed hash of the alias.
    pub alias: [u8; 16],
    /// Journal position of the entry.
    pub position: u64,
}

/// The ring.
#[derive(Debug, Default)]
pub(in crate::engine) struct Touched {
    /// In the order of positions.
    ring: VecDeque<Touch>,
    /// The newest position of each; never iterated.
    newest: HashMap<[u8; 16], u64, foldhash::fast::RandomState>,
    /// Position of the newest touch that is forgotten, or behind which nothing resolved counts.
    floor: u64,
}

impl Touched {
    /// An entry has touched this alias; zeros are none.
    pub(super) fn touch(&mut self, alias: [u8; 16], position: u64) {
        if alias == [0; 16] {
            return;
        }
        self.ring.push_back(Touch { alias, position });
        self.newest.insert(alias, position);
        if self.ring.len() > TOUCHED_ALIASES_MAX
            && let Some(left) = self.ring.pop_front()
        {
            self.floor = self.floor.max(left.position);
            if self.newest.get(&left.alias) == Some(&left.position) {
                self.newest.remove(&left.alias);
            }
        }
    }

    /// An entry may have touched any alias.
    pub(super) fn touch_all(&mut self, position: u64) {
        self.floor = position;
    }

    /// May this alias have been touched by an entry behind this position?
    pub(super) fn since(&self, alias: [u8; 16], position: u64) -> bool {
        position < self.floor || self.newest.get(&alias).is_some_and(|&newest| position < newest)
    }

    /// Position of the newest entry that may have touched any; 0 for none.
    pub(super) fn newest(&self) -> u64 {
        self.ring.back().map_or(0, |touch| touch.position).max(self.floor)
    }

    /// What a snapshot has: the touches in their order, and the floor.
    pub(in crate::engine) fn parts(&self) -> (u64, Vec<Touch>) {
        (self.floor, self.ring.iter().copied().collect())
    }

    /// From that; none where they are not in order, or too many.
    pub(in crate::engine) fn of_parts(floor: u64, ring: Vec<Touch>) -> Option<Touched> {
        let is_in_order = ring.is_sorted_by(|one, next| one.position <= next.position);
        let newest = ring.iter().map(|touch| (touch.alias, touch.position)).collect();
        (is_in_order && ring.len() <= TOUCHED_ALIASES_MAX).then(|| Touched { ring: ring.into(), newest, floor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(number: usize) -> [u8; 16] {
        let mut alias = [7; 16];
        alias[..8].copy_from_slice(&(number as u64).to_le_bytes());
        alias
    }

    #[test]
    fn what_was_resolved_before_a_touch_or_before_memory_is_resolved_once_more() {
        let mut touched = Touched::default();
        touched.touch(alias(1), 10);
        touched.touch([0; 16], 11);
        assert!(touched.since(alias(1), 9) && !touched.since(alias(1), 10));
        assert!(!touched.since(alias(2), 0) && !touched.since([0; 16], 0));
        touched.touch(alias(1), 20);
        assert!(touched.since(alias(1), 19));
        for number in 0..TOUCHED_ALIASES_MAX {
            touched.touch(alias(number + 2), 30 + number as u64);
        }
        assert!(touched.since(alias(1), 19) && !touched.since(alias(1), 20), "the last one that left is the floor");
        assert!(touched.since([9; 16], 19), "nobody knows what was touched before the floor");
        touched.touch_all(1 << 20);
        assert!(touched.since([9; 16], (1 << 20) - 1) && !touched.since([9; 16], 1 << 20));
    }

    /// Against all touches there ever were: what is not touched since is never said to be untouched wrongly, and of what is remembered nothing is said in vain.
    #[test]
    fn the_ring_says_what_all_touches_say() {
        let mut touched = Touched::default();
        let mut all: Vec<([u8; 16], u64)> = Vec::new();
        let (mut erased_at, mut number) = (0, 12_345usize);
        for position in 1..TOUCHED_ALIASES_MAX as u64 * 2 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = alias((number >> 40) % 50_000);
            if position % 70_001 == 0 {
                touched.touch_all(position);
                erased_at = position;
            } else {
                touched.touch(drawn, position);
                all.push((drawn, position));
            }
            if position % 5_000 == 0 {
                let floor = all.len().checked_sub(TOUCHED_ALIASES_MAX + 1).map_or(0, |place| all[place].1);
                for resolved_at in [0, floor.saturating_sub(1), floor, position / 2, position - 1, position] {
                    let is_behind = |touch: &&([u8; 16], u64)| touch.0 == drawn && touch.1 > resolved_at;
                    let is_touched = all.iter().any(|touch| is_behind(&touch)) || resolved_at < erased_at;
                    let said = touched.since(drawn, resolved_at);
                    assert_eq!(said, is_touched || resolved_at < floor, "{resolved_at} at {position}");
                }
            }
        }
    }

    #[test]
    fn parts_make_the_same_ring() {
        let mut touched = Touched::default();
        (1..100).for_each(|number| touched.touch(alias(number % 7), number as u64));
        let (floor, ring) = touched.parts();
        let again = Touched::of_parts(floor, ring.clone()).expect("its own parts");
        assert_eq!(again.parts(), (floor, ring.clone()));
        for number in 0..8 {
            for position in 90..100 {
                assert_eq!(again.since(alias(number), position), touched.since(alias(number), position));
            }
        }
        assert!(Touched::of_parts(0, ring.into_iter().rev().collect()).is_none());
    }
}
