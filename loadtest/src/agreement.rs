//! What both providers and the ledger must agree on, payment by payment, without remembering payments.
//!
//! Every fact (a payment was forwarded with these fields; a provider was told this outcome) becomes a 128-bit number, and the numbers are added up. The
//! order of events does not matter to a sum, so the generator adds while it hears, the audit adds while it walks the journal, and equal sums mean equal
//! facts. Two different sets of facts have the same sum by chance once in 2^100 or so; nobody here is out to deceive.

use adapters::message::{CaseState, Outcome};

/// The bytes of a participant's code, as in messages.
pub(crate) type Code = [u8; 35];

/// The bytes of a payment's id.
type Id = [u8; 16];

/// Facts, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    total: u128,
    count: u64,
}

impl Sum {
    /// Adds a fact.
    pub(crate) fn add(&mut self, fact: u128) {
        self.total = self.total.wrapping_add(fact);
        self.count += 1;
    }

    /// How many facts there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// All facts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Payments that reached their payee provider, with their fields.
    pub forwarded: Sum,
    /// Outcomes that providers were told, by number: payer and payee provider each, and who sends a return.
    pub told: Sum,
    /// Returns that reached who had paid, with their fields.
    pub returned: Sum,
    /// Cases that reached who is to answer them, with their fields.
    pub asked: Sum,
    /// Where cases stand, as both their providers were told by number.
    pub cases: Sum,
    /// Look-ups that were answered with found or not found.
    pub looked_up: Sum,
}

/// A provider's part in a fact, worked out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party(u64);

impl Party {
    #[cfg(test)]
    pub(crate) const SOME: Party = Party(0x5ca1_ab1e);

    pub(crate) fn new(code: &Code) -> Party {
        let words = code.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        Party(words.fold(KEYS[0], |state, word| fold(state ^ word, KEYS[1])))
    }
}

/// This payment, with these fields, was forwarded to its payee provider.
pub(crate) fn forwarded(id: &Id, payer: Party, payee: Party, amount: u64, currency: [u8; 3]) -> u128 {
    let [a, b, c] = currency;
    mix([1, words_of(id).0, words_of(id).1, payer.0, payee.0, amount, u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0])])
}

/// This provider was told this outcome.
pub(crate) fn told(id: &Id, provider: Party, outcome: Outcome) -> u128 {
    mix([2, words_of(id).0, words_of(id).1, provider.0, outcome as u64, 0, 0])
}

/// This provider has got back so much of this payment, in this return, and so much in all by now.
pub(crate) fn returned(id: &Id, original: &Id, payer: Party, (amount, total): (u64, u64)) -> u128 {
    let original = fold(words_of(original).0, KEYS[2]) ^ words_of(original).1;
    mix([3, words_of(id).0, words_of(id).1, original, payer.0, amount, total])
}

/// The one provider has opened a case of this kind about so much, and the other is asked.
pub(crate) fn asked(id: &Id, original: &Id, [opener, responder]: [Party; 2], (kind, amount): (u8, u64)) -> u128 {
    let original = fold(words_of(original).0, KEYS[2]) ^ words_of(original).1;
    let what = fold(original ^ u64::from(kind), KEYS[3]) ^ amount;
    mix([4, words_of(id).0, words_of(id).1, opener.0, responder.0, what, u64::from(kind)])
}

/// This provider was told that a case stands so.
pub(crate) fn case_told(id: &Id, provider: Party, state: CaseState) -> u128 {
    mix([5, words_of(id).0, words_of(id).1, provider.0, state as u64, 0, 0])
}

/// This provider was told that there is, or is not, an entry, by the look-up at this journal position.
pub(crate) fn looked_up(id: &Id, asker: Party, is_found: bool, position: u64) -> u128 {
    mix([6, words_of(id).0, words_of(id).1, asker.0, u64::from(is_found), position, 0])
}

const KEYS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

fn words_of(id: &Id) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *id;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest))
}

/// Two independent chains of folded multiplications.
fn mix(words: [u64; 7]) -> u128 {
    let (mut upper, mut lower) = (KEYS[0], KEYS[2]);
    for word in words {
        upper = fold(upper ^ word, KEYS[1]);
        lower = fold(lower ^ word, KEYS[3]);
    }
    u128::from(upper) << 64 | u128::from(lower)
}

/// Both halves of the product, one over the other, and the operand again, so that nothing is lost where a half is zero.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let [a0, a1, a2, a3, a4, a5, a6, a7, upper @ ..] = product.to_le_bytes();
    u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]) ^ u64::from_le_bytes(upper).rotate_left(23) ^ a.rotate_left(41)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    fn code(number: u8) -> Code {
        let mut code = [0; 35];
        code[..7].copy_from_slice(b"PSP0001");
        code[6] += number;
        code
    }

    #[test]
    fn the_order_does_not_matter_and_every_field_does() {
        let [a, b] = [Party::new(&code(0)), Party::new(&code(1))];
        let facts = [
            forwarded(&[7; 16], a, b, 100, *b"XTS"),
            forwarded(&[8; 16], a, b, 100, *b"XTS"),
            told(&[7; 16], a, Outcome::Committed),
        ];
        let sum = |facts: &[u128]| facts.iter().fold(Sum::default(), |mut sum, &fact| (sum.add(fact), sum).1);
        let [first, second, third] = facts;
        assert_eq!(sum(&facts), sum(&[third, first, second]));
        assert_ne!(sum(&facts), sum(&facts[..2]), "one is lost");
        assert_ne!(sum(&[first, second, second]), sum(&[first, first, second]), "another is doubled");
        for altered in [
            forwarded(&[7; 16], b, a, 100, *b"XTS"),
            forwarded(&[7; 16], a, b, 101, *b"XTS"),
            forwarded(&[7; 16], a, b, 100, *b"XTT"),
            forwarded(&[6; 16], a, b, 100, *b"XTS"),
        ] {
            assert_ne!(sum(&facts), sum(&[altered, second, third]));
        }
        for altered in [told(&[7; 16], b, Outcome::Committed), told(&[7; 16], a, Outcome::Expired)] {
            assert_ne!(sum(&facts), sum(&[first, second, altered]));
        }
    }

    #[test]
    fn every_field_of_a_return_and_of_a_case_matters() {
        let [a, b] = [Party::new(&code(0)), Party::new(&code(1))];
        let facts = [
            returned(&[7; 16], &[8; 16], a, (5, 9)),
            returned(&[6; 16], &[8; 16], a, (5, 9)),
            returned(&[7; 16], &[9; 16], a, (5, 9)),
            returned(&[7; 16], &[8; 16], b, (5, 9)),
            returned(&[7; 16], &[8; 16], a, (4, 9)),
            returned(&[7; 16], &[8; 16], a, (5, 5)),
            asked(&[7; 16], &[8; 16], [a, b], (1, 5)),
            asked(&[6; 16], &[8; 16], [a, b], (1, 5)),
            asked(&[7; 16], &[9; 16], [a, b], (1, 5)),
            asked(&[7; 16], &[8; 16], [b, a], (1, 5)),
            asked(&[7; 16], &[8; 16], [a, b], (3, 5)),
            asked(&[7; 16], &[8; 16], [a, b], (1, 6)),
            case_told(&[7; 16], a, CaseState::Open),
            case_told(&[6; 16], a, CaseState::Open),
            case_told(&[7; 16], b, CaseState::Open),
            case_told(&[7; 16], a, CaseState::Settled),
        ];
        let different: std::collections::BTreeSet<u128> = facts.into_iter().collect();
        assert_eq!(different.len(), facts.len());
    }

    /// Every fact of a million payments once, but for `wronged`, of which `facts` says what is told instead.
    fn million(wronged: u64, facts: impl Fn([u128; 3]) -> Vec<u128>) -> Sum {
        let [payer, payee] = [Party::new(&code(0)), Party::new(&code(1))];
        let mut sum = Sum::default();
        for number in 0..1_000_000_u64 {
            let id = (u128::from(number) << 64 | 7).to_le_bytes();
            let of_payment = [
                forwarded(&id, payer, payee, 100 + number % 900, *b"XTS"),
                told(&id, payer, Outcome::Committed),
                told(&id, payee, Outcome::Committed),
            ];
            if number == wronged {
                facts(of_payment).into_iter().for_each(|fact| sum.add(fact));
            } else {
                of_payment.into_iter().for_each(|fact| sum.add(fact));
            }
        }
        sum
    }

    #[test]
    fn one_payment_in_a_million_that_is_lost_doubled_or_altered_shows() {
        let right = million(u64::MAX, |facts| facts.to_vec());
        assert_eq!(right.count(), 3_000_000);
        assert_ne!(
            right,
            million(777_777, |[forwarded, payer, _]| vec![forwarded, payer]),
            "the payee provider is not told"
        );
        assert_ne!(right, million(777_777, |[_, payer, payee]| vec![payer, payee]), "it is not forwarded");
        assert_ne!(right, million(777_777, |[forwarded, payer, payee]| vec![forwarded, forwarded, payer, payee]));
        // As many facts as there should be, so that counts say nothing.
        assert_ne!(right, million(777_777, |[forwarded, payer, _]| vec![forwarded, payer, payer]));
        assert_ne!(right, million(777_777, |[forwarded, payer, payee]| vec![forwarded ^ 1, payer, payee]));
    }

    #[test]
    fn facts_do_not_collide() {
        let mut draw = Draw::seeded(1);
        let party = Party::new(&code(0));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100_000 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&draw.next().to_le_bytes());
            for outcome in [Outcome::Committed, Outcome::Rejected, Outcome::Expired] {
                let fact = told(&id, party, outcome);
                let [half @ .., _, _, _, _, _, _, _, _] = fact.to_le_bytes();
                assert!(seen.insert(half), "half of a fact is enough to tell it");
            }
        }
    }
}
