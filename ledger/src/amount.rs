//! Money: whole minor units, and the currency they are units of.
//!
//! Parsed once at the edge into types that cannot hold a wrong value. No float, no sign, no zero.

use core::fmt;

use crate::limits::AMOUNT_MAX;

/// An amount of money in minor units (cents), from 1 to [`AMOUNT_MAX`]: the eighteen digits of ISO 20022
/// `ActiveCurrencyAndAmount`. The currency stands beside it, never in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// The smallest amount: one minor unit.
    pub const MIN: Amount = Amount(1);
    /// The greatest amount: [`AMOUNT_MAX`] minor units.
    pub const MAX: Amount = Amount(AMOUNT_MAX);

    /// `None` for zero and for more than [`AMOUNT_MAX`].
    pub const fn new(minor_units: u64) -> Option<Amount> {
        if 0 < minor_units && minor_units <= AMOUNT_MAX { Some(Amount(minor_units)) } else { None }
    }

    /// The number of minor units, never 0.
    pub const fn minor_units(self) -> u64 {
        self.0
    }

    /// The sum, unless it is more than [`AMOUNT_MAX`].
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(sum) => Amount::new(sum),
            None => None,
        }
    }

    /// What is left, unless it is nothing or less.
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Amount::new(rest),
            None => None,
        }
    }
}

impl fmt::Display for Amount {
    /// Minor units without a decimal point: where the point goes depends on the currency.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A currency by its ISO 4217 letters. Only the shape is checked; which currencies exist is the scheme's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Exactly three upper-case ASCII letters, else `None`.
    pub const fn parse(letters: &[u8]) -> Option<Currency> {
        match letters {
            [a, b, c] if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_uppercase() => {
                Some(Currency([*a, *b, *c]))
            }
            _ => None,
        }
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("three ASCII letters, checked in `parse`")
    }

    /// The three letters as bytes, as they stand in digests and records.
    pub const fn bytes(self) -> [u8; 3] {
        self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_from_one_to_eighteen_nines() {
        assert_eq!(Amount::new(0), None);
        assert_eq!(Amount::new(1), Some(Amount::MIN));
        assert_eq!(Amount::new(999_999_999_999_999_999), Some(Amount::MAX));
        assert_eq!(Amount::new(1_000_000_000_000_000_000), None);
        assert_eq!(Amount::new(u64::MAX), None);
    }

    #[test]
    fn sums_and_differences_stay_amounts() {
        let (one, max) = (Amount::MIN, Amount::MAX);
        assert_eq!(max.checked_add(one), None);
        assert_eq!(one.checked_sub(one), None);
        assert_eq!(one.checked_sub(max), None);
        assert_eq!(one.checked_add(one).map(Amount::minor_units), Some(2));
        assert_eq!(max.checked_sub(one).and_then(|a| a.checked_add(one)), Some(max));
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(Currency::parse(b"EUR").map(|c| c.to_string()), Some("EUR".to_owned()));
        for bad in [&b"EU"[..], b"EURO", b"eur", b"E R", b"E1R", b"", "ÉU".as_bytes()] {
            assert_eq!(Currency::parse(bad), None, "{bad:?}");
        }
    }
}
