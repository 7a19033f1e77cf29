//! Prices: what a tariff says that a posting costs. Integers alone; the same rows and the same posting cost the same everywhere, so a tariff can
//! be tried on what has happened before it is set.

use hashbrown::HashMap;
use ledger::Amount;

use super::charged;
use crate::engine::scheme::rejects::CommandReject;
use crate::entry::TariffRow;

/// What is posted. The numbers are in the journal: never renumber, never reuse.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// A payment.
    Payment = 1,
    /// A return.
    Return = 2,
}

impl Flow {
    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Flow::Payment => "payment",
            Flow::Return => "return",
        }
    }
}

/// A participant's part in a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It gives.
    Payer,
    /// It receives.
    Payee,
}

const TO_SCHEME: u8 = 1;
const SHARED: u8 = 3;
const MILLION: u128 = 1_000_000;

impl TariffRow {
    /// What it says about the posting of an amount, in minor units.
    pub fn fee(&self, amount: u64) -> u128 {
        let parts = u128::from(amount) * u128::from(self.parts_per_million);
        let (whole, rest) = (parts / MILLION, parts % MILLION);
        let is_rounded_up = match self.rounding {
            1 => 2 * rest >= MILLION,
            2 => 2 * rest > MILLION || 2 * rest == MILLION && whole % 2 == 1,
            4 => rest > 0,
            _ => false,
        };
        let fee = u128::from(self.fixed) + whole + u128::from(is_rounded_up);
        let fee = fee.max(u128::from(self.fee_min));
        if self.fee_max == 0 { fee } else { fee.min(u128::from(self.fee_max)) }
    }

    fn is_meaningful(&self) -> bool {
        let values = matches!(self.flow, 1 | 2)
            && matches!(self.rounding, 1..=4)
            && matches!(self.bearer, 1..=3)
            && matches!(self.to, 1 | 2);
        let is_paid_to_one = self.to == TO_SCHEME || self.bearer != SHARED;
        let bounds = self.fee_max == 0 || self.fee_min <= self.fee_max;
        values && is_paid_to_one && bounds && 0 < self.from && self.from <= self.through
    }

    /// Is the fee of the largest amount that it is for one that can be booked?
    fn is_bookable(&self, amount_max: Amount) -> bool {
        let largest = self.fee(self.through.min(amount_max.minor_units()));
        largest <= u128::from(Amount::MAX.minor_units())
    }

    /// What rows must have in common to be bands of each other.
    fn group(&self) -> (u8, [u8; 3], u8, u8, u8) {
        (self.flow, self.currency, self.to, self.payer_class, self.payee_class)
    }
}

/// What is wrong with the rows of a tariff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The scheme does not settle its currency.
    CurrencyUnknown,
    /// Its values mean nothing, alone or beside each other.
    Meaningless,
    /// The fee of the largest amount is no amount.
    FeeTooLarge,
    /// The bands of its kind go on elsewhere; none: they have come to an end.
    Gap {
        /// Where.
        next: Option<u64>,
    },
    /// It is the last of its kind, and ends before the largest amount.
    Short {
        /// Which is that.
        largest: u64,
    },
}

impl RowFault {
    /// As a command is refused for it.
    pub fn reject(self) -> CommandReject {
        match self {
            RowFault::CurrencyUnknown => CommandReject::CurrencyUnknown,
            RowFault::Meaningless | RowFault::FeeTooLarge => CommandReject::ValueMeaningless,
            RowFault::Gap { .. } | RowFault::Short { .. } => CommandReject::BandsIncomplete,
        }
    }
}

/// Checks the rows of a tariff: the first that is wrong, by its place from 0, and how.
pub fn check(rows: &[TariffRow], amount_max: impl Fn([u8; 3]) -> Option<Amount>) -> Result<(), (usize, RowFault)> {
    for (place, row) in rows.iter().enumerate() {
        let wrong = |fault| Err((place, fault));
        match amount_max(row.currency) {
            None => return wrong(RowFault::CurrencyUnknown),
            Some(_) if !row.is_meaningful() => return wrong(RowFault::Meaningless),
            Some(amount_max) if !row.is_bookable(amount_max) => return wrong(RowFault::FeeTooLarge),
            Some(_) => {}
        }
    }
    let mut sorted: Vec<(usize, &TariffRow)> = rows.iter().enumerate().collect();
    sorted.sort_by_key(|(_, row)| (row.group(), row.from));
    for bands in sorted.chunk_by(|(_, one), (_, next)| one.group() == next.group()) {
        let mut next = Some(1);
        for (place, row) in bands {
            if Some(row.from) != next {
                return Err((*place, RowFault::Gap { next }));
            }
            next = row.through.checked_add(1);
        }
        let (place, last) = bands[bands.len() - 1];
        let largest = amount_max(last.currency).map_or(0, Amount::minor_units);
        if last.through < largest {
            return Err((place, RowFault::Short { largest }));
        }
    }
    Ok(())
}

/// A posting that may cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// What it is.
    pub flow: Flow,
    /// Of the amount.
    pub currency: [u8; 3],
    /// Of the payer's provider.
    pub payer_class: u8,
    /// Of the payee's provider.
    pub payee_class: u8,
    /// In minor units.
    pub amount: u64,
}

/// A part of what a posting costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Who bears it.
    pub from: Side,
    /// Who gets it; none: the scheme.
    pub to: Option<Side>,
    /// How much.
    pub amount: Amount,
}

/// A posting's charges: at most one to the scheme of each side, and one between them.
pub type Charges = [Option<Charge>; 3];

/// Bands of amounts.
#[derive(Clone, Debug)]
struct Bands {
    flow: u8,
    currency: [u8; 3],
    payer_class: u8,
    payee_class: u8,
    to: u8,
    /// In the order of their amounts.
    rows: Vec<TariffRow>,
}

/// Places of bands, of what goes to the scheme and of what goes to the other provider.
type Applying = [Option<u16>; 2];

/// A tariff, ready to be asked.
#[derive(Default)]
pub struct PriceList {
    bands: Vec<Bands>,
    /// Which bands apply, as far as it was asked: from flow, currency and classes. It follows from `bands`, and is never iterated.
    applying: HashMap<(u8, [u8; 3], u8, u8), Applying, foldhash::fast::RandomState>,
}

impl PriceList {
    /// The prices of rows that were checked.
    pub fn of(rows: impl IntoIterator<Item = TariffRow>) -> PriceList {
        let mut rows: Vec<TariffRow> = rows.into_iter().collect();
        rows.sort_by_key(|row| (row.group(), row.from));
        let bands = rows.chunk_by(|one, next| one.group() == next.group()).map(|rows| Bands {
            flow: rows[0].flow,
            currency: rows[0].currency,
            payer_class: rows[0].payer_class,
            payee_class: rows[0].payee_class,
            to: rows[0].to,
            rows: rows.to_vec(),
        });
        PriceList { bands: bands.collect(), applying: HashMap::default() }
    }

    /// Does nothing cost anything?
    pub fn is_free(&self) -> bool {
        self.bands.is_empty()
    }

    /// What a posting costs.
    pub fn charges(&mut self, purchase: &Purchase) -> Charges {
        let mut charges = Charges::default();
        let mut next = charges.iter_mut();
        self.each_charge(purchase, |charge, _| {
            if let Some(place) = next.next() {
                *place = Some(charge);
            }
        });
        charges
    }

    /// Hands over what a posting costs, charge by charge, each with the row that says so.
    pub fn each_charge(&mut self, purchase: &Purchase, mut take: impl FnMut(Charge, &TariffRow)) {
        for bands in self.applying(purchase).into_iter().flatten() {
            let rows = &self.bands[usize::from(bands)].rows;
            let Some(row) = rows.get(rows.partition_point(|row| row.through < purchase.amount)) else { continue };
            for charge in split(row, row.fee(purchase.amount)).into_iter().flatten() {
                take(charge, row);
            }
        }
    }

    fn applying(&mut self, purchase: &Purchase) -> Applying {
        let &Purchase { flow, currency, payer_class, payee_class, .. } = purchase;
        let key = (flow as u8, currency, payer_class, payee_class);
        if let Some(applying) = self.applying.get(&key) {
            return *applying;
        }
        let applying = [1, 2].map(|to| self.most_specific(purchase, to));
        self.applying.insert(key, applying);
        applying
    }

    /// Bands for both classes go before those for the payer's alone, these before those for the payee's alone.
    fn most_specific(&self, purchase: &Purchase, to: u8) -> Option<u16> {
        let is_it = |own: u8, class: u8| own == 0 || own == class;
        let fit = self.bands.iter().enumerate().filter(|(_, bands)| {
            bands.flow == purchase.flow as u8
                && bands.currency == purchase.currency
                && bands.to == to
                && is_it(bands.payer_class, purchase.payer_class)
                && is_it(bands.payee_class, purchase.payee_class)
        });
        let best = fit.max_by_key(|(_, bands)| (bands.payer_class != 0, bands.payee_class != 0))?;
        u16::try_from(best.0).ok()
    }
}

/// Who bears which part of a fee.
fn split(row: &TariffRow, fee: u128) -> [Option<Charge>; 2] {
    let charge = |from, to, part| Some(Charge { from, to, amount: charged(part)? });
    let other = |side| if side == Side::Payer { Side::Payee } else { Side::Payer };
    let to = |from| (row.to != TO_SCHEME).then(|| other(from));
    match row.bearer {
        1 => [charge(Side::Payer, to(Side::Payer), fee), None],
        2 => [charge(Side::Payee, to(Side::Payee), fee), None],
        _ => [charge(Side::Payer, None, fee - fee / 2), charge(Side::Payee, None, fee / 2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: TariffRow = TariffRow {
        flow: 1,
        payer_class: 0,
        payee_class: 0,
        currency: *b"XTS",
        from: 1,
        through: 1_000_000,
        fixed: 2,
        parts_per_million: 2_500,
        rounding: 1,
        fee_min: 0,
        fee_max: 0,
        bearer: 1,
        to: 1,
    };

    #[test]
    fn a_fee_is_rounded_as_its_row_says() {
        // 0.25 % of 200 is 0.5, of 600 is 1.5, of 300 is 0.75, of 100 is 0.25.
        let fees = |rounding| [200, 600, 300, 100].map(|amount| TariffRow { rounding, ..ROW }.fee(amount) - 2);
        assert_eq!(fees(1), [1, 2, 1, 0], "half up");
        assert_eq!(fees(2), [0, 2, 1, 0], "half to even");
        assert_eq!(fees(3), [0, 1, 0, 0], "down");
        assert_eq!(fees(4), [1, 2, 1, 1], "up");
        let bounded = TariffRow { fee_min: 5, fee_max: 20, ..ROW };
        assert_eq!([1, 4_000, 1_000_000].map(|amount| bounded.fee(amount)), [5, 12, 20]);
    }

    fn charges(rows: &[TariffRow], payer_class: u8, payee_class: u8, amount: u64) -> Vec<(Side, Option<Side>, u64)> {
        let purchase = Purchase { flow: Flow::Payment, currency: *b"XTS", payer_class, payee_class, amount };
        let mut prices = PriceList::of(rows.iter().copied());
        let first = prices.charges(&purchase);
        assert_eq!(first, prices.charges(&purchase), "asked again, the same");
        first.into_iter().flatten().map(|charge| (charge.from, charge.to, charge.amount.minor_units())).collect()
    }

    #[test]
    fn the_most_specific_bands_apply() {
        let fixed = |fixed, payer_class, payee_class| TariffRow {
            fixed,
            payer_class,
            payee_class,
            parts_per_million: 0,
            ..ROW
        };
        let rows = [fixed(10, 0, 0), fixed(11, 0, 2), fixed(12, 1, 0), fixed(13, 1, 2)];
        let fee = |payer, payee| charges(&rows, payer, payee, 100)[0].2;
        assert_eq!([fee(3, 3), fee(3, 2), fee(1, 3), fee(1, 2)], [10, 11, 12, 13]);
    }

    #[test]
    fn bearers_and_receivers() {
        let row = |bearer, to| TariffRow { fixed: 5, parts_per_million: 0, bearer, to, ..ROW };
        let told = |rows: &[TariffRow]| charges(rows, 0, 0, 100);
        assert_eq!(told(&[row(1, 1)]), [(Side::Payer, None, 5)]);
        assert_eq!(told(&[row(2, 2)]), [(Side::Payee, Some(Side::Payer), 5)]);
        assert_eq!(told(&[row(3, 1)]), [(Side::Payer, None, 3), (Side::Payee, None, 2)]);
        let both = [row(3, 1), row(1, 2)];
        assert_eq!(told(&both), [(Side::Payer, None, 3), (Side::Payee, None, 2), (Side::Payer, Some(Side::Payee), 5)]);
        assert_eq!(told(&[TariffRow { fixed: 0, ..row(1, 1) }]), [], "nothing is no charge");
    }

    #[test]
    fn bands_follow_each_other_to_the_end() {
        let band = |from, through| TariffRow { from, through, ..ROW };
        let largest = |currency| (currency == *b"XTS").then_some(Amount::new(1_000).expect("an amount"));
        let checked = |rows: &[TariffRow]| check(rows, largest).map_err(|(_, fault)| fault.reject());
        assert_eq!(checked(&[band(101, 1_000), band(1, 100)]), Ok(()));
        for rows in
            [[band(1, 100), band(102, 1_000)], [band(1, 100), band(100, 1_000)], [band(2, 100), band(101, 1_000)]]
        {
            assert_eq!(checked(&rows), Err(CommandReject::BandsIncomplete));
        }
        assert_eq!(checked(&[band(1, 999)]), Err(CommandReject::BandsIncomplete));
        assert_eq!(checked(&[TariffRow { currency: *b"XXX", ..ROW }]), Err(CommandReject::CurrencyUnknown));
        for row in [
            TariffRow { flow: 3, ..ROW },
            TariffRow { rounding: 0, ..ROW },
            TariffRow { bearer: 4, ..ROW },
            TariffRow { bearer: 3, to: 2, ..ROW },
            TariffRow { from: 0, ..ROW },
            TariffRow { fee_min: 2, fee_max: 1, ..ROW },
            TariffRow { fixed: u64::MAX, ..ROW },
        ] {
            assert_eq!(checked(&[row]), Err(CommandReject::ValueMeaningless), "{row:?}");
        }
    }
}
