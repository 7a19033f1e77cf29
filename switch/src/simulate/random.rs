//! The one source of chance: seeded, small, the same on every machine.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A source of its own for one subject: what is drawn from it changes nothing elsewhere.
    pub(super) fn fork(&mut self) -> Random {
        Random(self.draw())
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// A time that is `mean_ns` on average: mostly shorter, now and then much longer.
    pub(super) fn around(&mut self, mean_ns: u64) -> u64 {
        let rough = self.below(mean_ns * 2);
        if self.percent(10) { rough * 2 } else { rough * 9 / 10 }
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    /// True in so many of a thousand cases.
    pub(super) fn per_mille(&mut self, of_thousand: u64) -> bool {
        self.below(1_000) < of_thousand
    }

    /// A place in a list of `length`.
    pub(super) fn index(&mut self, length: usize) -> usize {
        to_usize(self.below(length as u64))
    }

    /// One of the list, which has some.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }
}

/// Lossless: `ledger::limits` asserts that a `usize` has 64 bits.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
