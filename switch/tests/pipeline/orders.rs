//! The scheme that all tests play in, and the messages they send.

use std::collections::BTreeMap;

use adapters::message::{CreditTransfer, Part, ParticipantCode, PaymentId, PaymentPrivate};
use ledger::{Amount, Currency};
use switch::config::{Genesis, GenesisCurrency, GenesisParticipant, GenesisRules};
use switch::genesis;

/// A moment in 2026, at which every journal begins.
pub(crate) const START_NS: u64 = 1_790_000_000_000_000_000;

pub(crate) const NS_PER_MS: u64 = 1_000_000;
pub(crate) const NS_PER_S: u64 = 1_000_000_000;

/// The rules' defaults, in nanoseconds: from acceptance to the deadline.
pub(crate) const TIMEOUT_NS: u64 = 10 * NS_PER_S;

/// Participants in the order of their numbers.
pub(crate) const NAMES: [&str; 4] = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"];

/// The scheme's greatest payment.
pub(crate) const AMOUNT_MAX: u64 = 1_000_000;

pub(crate) fn code(name: &str) -> ParticipantCode {
    ParticipantCode::parse(name).unwrap()
}

pub(crate) fn kes() -> Currency {
    Currency::parse(b"KES").unwrap()
}

/// A payment id that carries a number.
pub(crate) fn id(number: u64) -> PaymentId {
    let mut bytes = [0x11; 16];
    bytes[..6].copy_from_slice(&number.to_le_bytes()[..6]);
    bytes[6] = 0x4a;
    bytes[8] = 0x9b;
    PaymentId::from_bytes(bytes).unwrap()
}

/// The number in an id that `id` made.
pub(crate) fn number_of(id: PaymentId) -> u64 {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&id.bytes()[..6]);
    u64::from_le_bytes(bytes)
}

/// An order in the scheme's currency.
pub(crate) fn order(number: u64, payer: &str, payee: &str, amount: u64, accepted_at_ns: u64) -> CreditTransfer {
    let amount = Amount::new(amount).unwrap();
    CreditTransfer::new(id(number), code(payer), code(payee), amount, kes(), accepted_at_ns)
}

/// A private part that names its payment.
pub(crate) fn private(number: u64) -> Vec<u8> {
    let private = PaymentPrivate {
        payer_name: format!("customer {number}").into_bytes(),
        remittance: b"Invoice 117, two bags of maize".to_vec(),
        ..PaymentPrivate::default()
    };
    let mut bytes = Vec::new();
    private.write(&mut bytes);
    bytes
}

/// More outcomes than any test has payments.
pub(crate) const WINDOW_DEFAULT: u32 = 1_000_000;

/// The first batch, and how many entries it has: default rules but for the window, one currency, and money for each of `NAMES`.
pub(crate) fn genesis(funds: [u64; 4], outcomes_kept: u32) -> (Vec<u8>, u32) {
    let participant = |(name, funds): (&str, u64)| GenesisParticipant {
        code: name.to_owned(),
        funds: if funds == 0 { BTreeMap::new() } else { BTreeMap::from([("KES".to_owned(), funds)]) },
        ..GenesisParticipant::default()
    };
    let genesis = Genesis {
        directory: None,
        rules: GenesisRules { outcomes_kept, ..GenesisRules::default() },
        currency: vec![GenesisCurrency {
            code: "KES".to_owned(),
            minor_digits: 2,
            amount_max: AMOUNT_MAX,
            ..GenesisCurrency::default()
        }],
        participant: NAMES.into_iter().zip(funds).map(participant).collect(),
    };
    let commands = genesis::commands(&genesis);
    (commands.concat(), commands.len() as u32)
}

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}
