//! `switch report concentration`: how much of all committed payments the largest participants have, in number and in value.

use std::collections::BTreeMap;
use std::io::Write;

use adapters::message::Outcome;
use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Values, column};
use super::reading::{Asked, Reader, Tally, Whose, digits_of, per_10_000, read};
use super::sheet::Sheet;
use crate::books::Books;
use crate::cli::Failure;
use crate::engine::Batch;
use crate::engine::scheme::fees::prices::Flow;
use crate::entry::ParticipantId;

/// Shows concentration.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
    /// How many count as the largest
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    largest: u64,
}

const COLUMNS: [Column; 10] = [
    column("currency", Values::Text).seen_as("currency"),
    column("side", Values::Text).seen_as("side"),
    column("participants", Values::Count).seen_as("participants"),
    column("number", Values::Count).seen_as("number"),
    column("largest_number_per_10000", Values::Count).seen_as("largest, of number"),
    column("herfindahl_number_per_10000", Values::Count).seen_as("Herfindahl, number"),
    column("sum", Values::Money).seen_as("sum"),
    column("minor_digits", Values::Count),
    column("largest_sum_per_10000", Values::Count).seen_as("largest, of sum"),
    column("herfindahl_sum_per_10000", Values::Count).seen_as("Herfindahl, sum"),
];

type Shares = BTreeMap<ParticipantId, Tally>;

struct Concentration<'a> {
    whose: &'a Whose,
    /// By currency, and by whether they paid or were paid.
    shares: BTreeMap<(Currency, &'static str), Shares>,
}

impl Reader for Concentration<'_> {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        for decided in books.ended() {
            let (Some(currency), Some(payee)) = (decided.currency, decided.payee) else { continue };
            let is_counted = decided.flow == Flow::Payment && decided.outcome == Outcome::Committed;
            if is_counted && self.whose.wants_currency(Some(currency)) {
                for (side, participant) in [("payer", decided.payer), ("payee", payee)] {
                    let shares = self.shares.entry((currency, side)).or_default();
                    shares.entry(participant).or_default().add(decided.amount);
                }
            }
        }
        Ok(())
    }
}

/// Ten-thousandths of the whole that the largest have, and the Herfindahl index: the sum of the squares of all shares.
fn concentration(mut parts: Vec<u128>, largest: u64) -> [Cell; 2] {
    const BILLION: u128 = 1_000_000_000;
    parts.sort_unstable_by(|one, other| other.cmp(one));
    let whole: u128 = parts.iter().sum();
    let of_largest = parts.iter().take(usize::try_from(largest).unwrap_or(usize::MAX)).sum();
    // Shares in billionths: their squares, and the sum of those, are at most 10^18.
    let squares =
        parts.iter().filter_map(|part| part.saturating_mul(BILLION).checked_div(whole)).map(|share| share * share);
    [per_10_000(of_largest, whole), per_10_000(squares.sum(), if whole == 0 { 0 } else { BILLION * BILLION })]
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { asked, whose, largest } = arguments;
    if whose.participant.is_some() {
        return Err(Failure::start("--participant says nothing here: concentration is of all").into());
    }
    let mut reader = Concentration { whose, shares: BTreeMap::new() };
    let books = read(asked, &mut reader, out)?;
    whose.check(&books)?;
    let facts = [&asked.facts()[..], &[("largest", Cell::Count(*largest))]].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("concentration", &facts), &COLUMNS)?;
    for ((currency, side), shares) in &reader.shares {
        let digits = digits_of(books.engine(), Some(*currency));
        let numbers: Vec<u128> = shares.values().map(|share| share.count.into()).collect();
        let sums: Vec<u128> = shares.values().map(|share| share.minor_units).collect();
        let number = shares.values().map(|share| share.count).sum();
        let sum = sums.iter().sum();
        let [largest_number, herfindahl_number] = concentration(numbers, *largest);
        let [largest_sum, herfindahl_sum] = concentration(sums, *largest);
        let cells = [
            Cell::text(currency),
            Cell::text(side),
            Cell::Count(shares.len() as u64),
            Cell::Count(number),
            largest_number,
            herfindahl_number,
            Cell::money(sum, digits),
            Cell::Count(digits.into()),
            largest_sum,
            herfindahl_sum,
        ];
        sheet.push(out, &cells)?;
    }
    sheet.end(out, &[], books.through(), true)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn one_has_all_or_all_have_the_same() {
        let of = |parts: &[u128], largest| concentration(parts.to_vec(), largest);
        assert_eq!(of(&[7], 1), [Cell::Count(10_000), Cell::Count(10_000)]);
        assert_eq!(of(&[5, 5, 5, 5], 1), [Cell::Count(2_500), Cell::Count(2_500)]);
        // 0.6^2 + 0.3^2 + 0.1^2
        assert_eq!(of(&[10, 60, 30], 2), [Cell::Count(9_000), Cell::Count(4_600)]);
        assert_eq!(of(&[], 3), [Cell::Nothing, Cell::Nothing]);
        let huge = u128::from(u64::MAX) * 1_000_000;
        assert_eq!(of(&[huge, huge], 1), [Cell::Count(5_000), Cell::Count(5_000)]);
    }
}
