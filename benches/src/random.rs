//! Numbers for the benches, and transfers made of them.

use ledger::{AccountId, Amount, Request, Terms, TransferId, TransferSpec};

/// SplitMix64: numbers that look random, the same in every run.
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).unwrap_or(0)
    }

    /// Two different numbers below `end`: the two sides of a transfer.
    pub fn two_below(&mut self, end: usize) -> (usize, usize) {
        let debit = self.below(end);
        let credit = (debit + 1 + self.below(end - 1)) % end;
        (debit, credit)
    }

    /// An id of a transfer.
    pub fn transfer_id(&mut self) -> TransferId {
        TransferId(u128::from_be_bytes(self.bytes()) | 1)
    }

    /// A transfer of the least amount between two of the accounts 1 to `accounts`.
    pub fn transfer(&mut self, accounts: usize, two_phase: bool) -> Request {
        let (debit, credit) = self.two_below(accounts);
        let id = self.transfer_id();
        let (debit, credit) = (AccountId(debit as u128 + 1), AccountId(credit as u128 + 1));
        Request::Transfer(TransferSpec { id, debit, credit, amount: Amount::MIN, two_phase, terms: Terms::NONE })
    }

    /// Sixteen bytes.
    pub fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.draw()) << 64 | u128::from(self.draw())).to_be_bytes()
    }
}
