//! Fees, with a rounding of its own: in halves and quarters of what is asked for, from the text of the rules alone.

use super::super::super::wire;
use super::{Happened, Scheme, account, letters};

/// A tariff.
pub(super) struct Tariff {
    number: u32,
    from_ns: u64,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    flow: u8,
    classes: [u8; 2],
    currency: [u8; 3],
    from: u64,
    through: u64,
    fixed: u64,
    parts: u32,
    rounding: u8,
    least: u64,
    most: u64,
    bearer: u8,
    to: u8,
}

const HEAD_BYTES: usize = 14;
const ROW_BYTES: usize = 53;
const WAITING_MAX: usize = 8;

/// Eighteen digits.
const AMOUNT_MAX: i128 = 999_999_999_999_999_999;

/// Numbers of events, and of rejects.
mod event {
    pub(super) const SET: u16 = 50;
    pub(super) const IN_FORCE: u16 = 51;
    pub(super) const COLLECTED: u16 = 52;
    pub(super) const UNPAID: u16 = 53;
}
const OUT_OF_ORDER: u16 = 70;
const INCOMPLETE: u16 = 71;
const FULL: u16 = 72;
const CURRENCY_UNKNOWN: u16 = 2;
const MEANINGLESS: u16 = 3;

impl Row {
    fn read(bytes: &[u8]) -> Row {
        Row {
            flow: bytes[0],
            classes: [bytes[1], bytes[2]],
            currency: wire::array(bytes, 3),
            from: wire::u64_at(bytes, 6),
            through: wire::u64_at(bytes, 14),
            fixed: wire::u64_at(bytes, 22),
            parts: wire::u32_at(bytes, 30),
            rounding: bytes[34],
            least: wire::u64_at(bytes, 35),
            most: wire::u64_at(bytes, 43),
            bearer: bytes[51],
            to: bytes[52],
        }
    }

    /// The share of the amount is rounded, all the rest is whole.
    fn fee(&self, amount: i128) -> i128 {
        const MILLION: i128 = 1_000_000;
        let parts = amount * i128::from(self.parts);
        let down = parts.div_euclid(MILLION);
        let up = down + i128::from(down * MILLION != parts);
        let to_half = (parts - down * MILLION).cmp(&(up * MILLION - parts));
        let share = match (self.rounding, to_half) {
            _ if up == down => down,
            (3, _) | (1 | 2, std::cmp::Ordering::Less) => down,
            (4, _) | (1 | 2, std::cmp::Ordering::Greater) | (1, _) => up,
            _ => down + down % 2,
        };
        let most = if self.most == 0 { i128::MAX } else { i128::from(self.most) };
        (i128::from(self.fixed) + share).max(i128::from(self.least)).min(most)
    }

    fn has_sense(&self, amount_max: i128) -> bool {
        let numbers = [(self.flow, 2), (self.rounding, 4), (self.bearer, 3), (self.to, 2)];
        let is_one = numbers.iter().all(|(number, last)| (1..=*last).contains(number));
        let is_between_two = self.to == 2 && self.bearer == 3;
        let bounds = self.most == 0 || self.least <= self.most;
        let is_band = 1 <= self.from && self.from <= self.through;
        is_one
            && !is_between_two
            && bounds
            && is_band
            && self.fee(i128::from(self.through).min(amount_max)) <= AMOUNT_MAX
    }

    /// How well it fits; none where it does not.
    fn fits(&self, flow: u8, currency: usize, classes: [u8; 2], to: u8) -> Option<[bool; 2]> {
        let is_for = [0, 1].map(|side| self.classes[side] == classes[side]);
        let is_for_any = self.classes.map(|class| class == 0);
        let fits = (0..2).all(|side| is_for[side] || is_for_any[side]);
        let is_it = self.flow == flow && self.currency == letters(currency) && self.to == to && fits;
        is_it.then_some(is_for_any.map(|any| !any))
    }
}

impl Scheme {
    /// What a posting costs, booked.
    pub(super) fn charge(&mut self, flow: u8, currency: usize, payer: usize, payee: usize, amount: i128) {
        let classes = [payer, payee].map(|place| self.members[place].class);
        let accounts =
            [payer, payee].map(|place| (currency, u32::try_from(place + 1).unwrap_or(u32::MAX), account::FEES));
        for to in [1, 2] {
            let Some(tariff) = &self.in_force else { return };
            let best = tariff.rows.iter().filter_map(|row| row.fits(flow, currency, classes, to)).max();
            let row = tariff.rows.iter().find(|row| {
                let is_best = best.is_some() && row.fits(flow, currency, classes, to) == best;
                is_best && (i128::from(row.from)..=i128::from(row.through)).contains(&amount)
            });
            let Some(row) = row else { continue };
            let (fee, bearer) = (row.fee(amount), row.bearer);
            let shares = match bearer {
                1 => [fee, 0],
                2 => [0, fee],
                _ => [fee - fee.div_euclid(2), fee.div_euclid(2)],
            };
            for side in (0..2).filter(|side| shares[*side] > 0) {
                let receiver = if to == 1 { (currency, 0, account::INCOME) } else { accounts[1 - side] };
                self.shift(accounts[side], receiver, shares[side]);
                self.rare.push(if to == 1 { "fee to the scheme" } else { "fee to the other provider" }.to_owned());
            }
        }
    }

    pub(super) fn advance_tariffs(&mut self) {
        while self.waiting.first().is_some_and(|tariff| tariff.from_ns <= self.time_ns) {
            let tariff = self.waiting.remove(0);
            self.tell(event::IN_FORCE, Happened { detail: tariff.number, ..Happened::default() });
            self.in_force = Some(tariff);
        }
    }

    pub(super) fn set_tariff(&mut self, body: &[u8]) -> Result<(), u16> {
        let (number, from_ns) = (wire::u32_at(body, 0), wire::u64_at(body, 4));
        let rows: Vec<Row> = body[HEAD_BYTES..].chunks(ROW_BYTES).map(Row::read).collect();
        let last_ns = self.waiting.last().or(self.in_force.as_ref()).map_or(0, |tariff| tariff.from_ns);
        if number != self.newest_tariff + 1 || from_ns < last_ns {
            return Err(OUT_OF_ORDER);
        }
        for row in &rows {
            if ![letters(0), letters(1)].contains(&row.currency) {
                return Err(CURRENCY_UNKNOWN);
            }
            if !row.has_sense(self.amount_max) {
                return Err(MEANINGLESS);
            }
        }
        if !are_complete(&rows, self.amount_max) {
            return Err(INCOMPLETE);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(FULL);
        }
        self.tell(event::SET, Happened { detail: number, ..Happened::default() });
        self.newest_tariff = number;
        self.waiting.push(Tariff { number, from_ns, rows });
        self.advance_tariffs();
        Ok(())
    }

    /// The number and the time that the next tariff must have.
    pub(in super::super::super) fn next_tariff(&self) -> (u32, u64) {
        let last = self.waiting.last().or(self.in_force.as_ref());
        (self.newest_tariff + 1, last.map_or(0, |tariff| tariff.from_ns))
    }

    /// Debtors pay as far as they can; then creditors get what no debtor still owes.
    pub(super) fn collect_fees(&mut self, currency: usize) {
        let owing = |scheme: &Scheme, number: u32| scheme.balance((currency, number, account::FEES)).posted;
        let numbers = 1..=u32::try_from(self.members.len()).unwrap_or(0);
        let before: Vec<(u32, i128)> = numbers.map(|number| (number, owing(self, number))).collect();
        let (mut owed, mut unpaid) = (0, 0);
        for &(number, balance) in &before {
            owed += balance.max(0);
            if balance < 0 {
                let purse = self.owner(number as usize - 1);
                let paid = (-balance).min(self.free_money(currency, purse));
                self.collect(currency, number, -paid);
                let missing = -balance - paid;
                unpaid += missing;
                if missing > 0 {
                    self.rare.push("fees not paid".to_owned());
                    let event = Happened { participant: number, currency: letters(currency), ..Happened::default() };
                    self.tell(event::UNPAID, Happened { amount: missing, ..event });
                }
            }
        }
        let mut left = (owed - unpaid).max(0);
        for &(number, balance) in before.iter().filter(|(_, balance)| *balance > 0) {
            let paid = balance.min(left);
            left -= paid;
            self.collect(currency, number, paid);
        }
    }

    /// A participant is paid, or pays where it is negative.
    fn collect(&mut self, currency: usize, number: u32, amount: i128) {
        if amount == 0 {
            return;
        }
        let purse = self.owner(number as usize - 1);
        self.shift((currency, number, account::FEES), (currency, purse, account::SETTLEMENT), amount);
        let event = Happened { participant: number, currency: letters(currency), amount, ..Happened::default() };
        self.tell(event::COLLECTED, event);
    }
}

/// Do the bands of each group follow each other from 1 to the largest amount?
fn are_complete(rows: &[Row], amount_max: i128) -> bool {
    let is_beside = |one: &Row, other: &Row| {
        let [one, other] = [one, other].map(|row| (row.flow, row.classes, row.currency, row.to));
        one == other
    };
    rows.iter().all(|row| {
        let group = || rows.iter().filter(|other| is_beside(row, other));
        let begins = group().filter(|other| other.from == 1).count() == 1;
        let is_last = i128::from(row.through) >= amount_max;
        let followers = group().filter(|other| row.through.checked_add(1) == Some(other.from)).count();
        let overlaps = group().filter(|other| other.from <= row.through && row.from <= other.through).count();
        begins && overlaps == 1 && (followers == 1 || followers == 0 && is_last)
    })
}
