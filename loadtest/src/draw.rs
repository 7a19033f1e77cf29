//! What is drawn by lot: payers, payees, amounts, ids, and what the private parts say.

use adapters::message::{Part, PaymentId, PaymentPrivate};

use crate::limits::PRIVATE_PARTS;

/// A fast generator of numbers (SplitMix64). Ids need to be unique, not secret, and the operating system's random source costs as much as the whole
/// rest of a payment.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// Another sequence in every run, so that a switch that was loaded before sees no id again.
    pub(crate) fn new() -> Draw {
        let [a, b, c, d, e, f, _, _, _, g, h, ..] = PaymentId::random().bytes();
        Draw { state: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// The same sequence for the same seed.
    pub(crate) fn seeded(seed: u64) -> Draw {
        Draw { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number above 0 and at most 1, from 53 bits of one draw.
    #[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a random number, exact in 53 bits")]
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Is this one of so many percent?
    pub(crate) fn is_one_of(&mut self, percent: u32) -> bool {
        percent > 0 && self.below(100) < percent as usize
    }

    /// A number below `bound`, from 32 bits of one draw.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let scaled = u128::from(self.next()) * bound as u128;
        usize::try_from(scaled >> 64).unwrap_or(0)
    }
}

const NAMES: [&str; 16] = [
    "Amara Okafor",
    "Bjorn Lindqvist",
    "Chandra Iyer",
    "Dalia Haddad",
    "Emil Novak",
    "Farida Rahimi",
    "Goran Petrov",
    "Hana Sato",
    "Ines Carvalho",
    "Jomo Kamau",
    "Kirsi Laine",
    "Lucia Ferrari",
    "Moana Tui",
    "Nils Andersen",
    "Oyelaran Bello",
    "Priya Nair",
];

const REASONS: [&str; 8] = [
    "Invoice 2026-0417",
    "Rent October",
    "Market stall, thank you",
    "School fees term 2",
    "Repair of the pump",
    "Bus ticket",
    "Shared dinner",
    "Seeds and tools",
];

/// Private parts like those of everyday payments, about 150 bytes each. Nobody has these accounts: their check digits are 00.
pub(crate) fn private_parts() -> Vec<Vec<u8>> {
    let parts = (0..PRIVATE_PARTS).map(|index| {
        let private = PaymentPrivate {
            payer_name: NAMES[index % 16].into(),
            payer_account: format!("XT00CLSP{:010}", 1_000_003 * (index as u64 + 1)).into_bytes(),
            payee_name: NAMES[(index * 7 + 5) % 16].into(),
            payee_account: format!("XT00CLSP{:010}", 7_000_027 * (index as u64 + 1)).into_bytes(),
            end_to_end_id: format!("E2E-{index:08}").into_bytes(),
            remittance: REASONS[index % 8].into(),
            extension: Vec::new(),
        };
        let mut bytes = Vec::new();
        private.write(&mut bytes);
        bytes
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_parts_are_everyday_ones() {
        for part in private_parts() {
            assert!((130..=170).contains(&part.len()), "{} bytes", part.len());
            assert!(PaymentPrivate::read(&part).is_some());
        }
    }

    #[test]
    fn numbers_below_a_bound_are_below_it_and_all_come() {
        let mut draw = Draw::new();
        let mut seen = [0; 7];
        (0..7_000).for_each(|_| seen[draw.below(7)] += 1);
        assert!(seen.iter().all(|&count| count > 800), "{seen:?}");
    }
}
