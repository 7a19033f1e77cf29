//! `switch report tariff-trial`: what a period has cost, and what it would have cost under another tariff. Every committed payment and return is priced anew;
//! that nobody would have paid otherwise is assumed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use adapters::message::Outcome;
use ledger::Currency;

use super::super::ledger::Ended;
use super::super::ledger::rows::{Cell, Column, Form, Values, column};
use super::reading::{Asked, Reader, Whose, code_cell, digits_of, read};
use super::sheet::Sheet;
use super::tariffs::purchase;
use crate::books::{Books, Decided};
use crate::cli::Failure;
use crate::engine::Batch;
use crate::engine::accounts::AccountKind;
use crate::engine::scheme::fees::prices::{PriceList, RowFault, Side, check};
use crate::entry::{ParticipantId, TariffRow};
use crate::operator::tariff::{TariffFile, entry_rows};

/// Tries a tariff.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The tariff, as `switch admin fees set` takes it (docs/admin-commands.md)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    whose: Whose,
}

const COLUMNS: [Column; 9] = [
    column("participant", Values::Text).seen_as("participant"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("old_charged", Values::Money).seen_as("charged"),
    column("old_earned", Values::Money).seen_as("earned"),
    column("new_charged", Values::Money).seen_as("would be charged"),
    column("new_earned", Values::Money).seen_as("would earn"),
    column("old_fee", Values::Money).seen_as("fee"),
    column("new_fee", Values::Money).seen_as("would be"),
];

/// Fees of a participant, or of the scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fees {
    charged: i128,
    earned: i128,
}

/// Old and new.
type Both = [Fees; 2];

struct Trial<'a> {
    whose: &'a Whose,
    prices: PriceList,
    /// The scheme itself is `ParticipantId(0)`.
    fees: BTreeMap<(Currency, ParticipantId), Both>,
    postings: u64,
}

/// The scheme, among those who earn.
const SCHEME: ParticipantId = ParticipantId(0);

impl Trial<'_> {
    fn add(&mut self, (currency, place): (Currency, usize), from: ParticipantId, to: ParticipantId, amount: u64) {
        self.fees.entry((currency, from)).or_default()[place].charged += i128::from(amount);
        self.fees.entry((currency, to)).or_default()[place].earned += i128::from(amount);
    }

    /// What was booked.
    fn take_old(&mut self, books: &Books) {
        for event in books.events().iter().filter(|event| event.transfer.leg != 0) {
            let [debit, credit] = [event.transfer.debit, event.transfer.credit].map(|account| books.owner(account));
            if !self.whose.wants_currency(Some(debit.currency)) {
                continue;
            }
            let find = |owner: &crate::engine::accounts::AccountOwner| {
                let code = owner.participant.filter(|_| owner.kind == AccountKind::Fees);
                code.and_then(|code| books.engine().find_participant(&code)).unwrap_or(SCHEME)
            };
            let (currency, from, to) = (debit.currency, find(debit), find(credit));
            self.add((currency, 0), from, to, event.transfer.amount.minor_units());
        }
    }

    /// What would have been.
    fn take_new(&mut self, books: &Books, decided: &Decided) {
        let (Some(purchase), Some(payee), Some(currency)) = (purchase(books, decided), decided.payee, decided.currency)
        else {
            return;
        };
        if !self.whose.wants_currency(Some(currency)) || payee == decided.payer {
            return;
        }
        self.postings += 1;
        let who = |side| if side == Side::Payer { decided.payer } else { payee };
        for charge in self.prices.charges(&purchase).into_iter().flatten() {
            self.add((currency, 1), who(charge.from), charge.to.map_or(SCHEME, who), charge.amount.minor_units());
        }
    }
}

impl Reader for Trial<'_> {
    fn take(&mut self, books: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        self.take_old(books);
        for decided in books.ended().iter().filter(|decided| decided.outcome == Outcome::Committed) {
            self.take_new(books, decided);
        }
        Ok(())
    }
}

/// Runs the report.
pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Ended> {
    let Arguments { file, asked, whose } = arguments;
    let in_file = |what: String| Failure::start(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| in_file(error.to_string()))?;
    let rows = TariffFile::read(&text).and_then(|file| entry_rows(&file.row)).map_err(in_file)?;
    let prices = PriceList::of(rows.iter().copied());
    let mut trial = Trial { whose, prices, fees: BTreeMap::new(), postings: 0 };
    let books = read(asked, &mut trial, out)?;
    whose.check(&books)?;
    let currencies = books.engine().currencies();
    let amount_max =
        |code: [u8; 3]| currencies.iter().find(|rules| rules.currency.bytes() == code).map(|rules| rules.amount_max);
    check(&rows, amount_max).map_err(|(place, fault)| in_file(what_is_wrong(place, &rows[place], fault)))?;
    let file = Cell::text(file.display());
    let facts = [&asked.facts()[..], &[("tariff_file", file)], &whose.facts()].concat();
    let mut sheet = Sheet::begin(out, asked.form.form(), ("tariff-trial", &facts), &COLUMNS)?;
    for (&(currency, who), both) in &trial.fees {
        let code = books.engine().code_of(who).copied();
        if whose.participant.is_none_or(|wanted| code == Some(wanted)) {
            let digits = digits_of(books.engine(), Some(currency));
            let name = match (code, asked.form.form()) {
                (None, Form::People) => Cell::text("(scheme)"),
                _ => code_cell(books.engine(), Some(who)),
            };
            sheet.push(out, &[&[name, Cell::text(currency)][..], &cells(both, digits)].concat())?;
        }
    }
    sheet.end(out, &[("postings", Cell::Count(trial.postings))], books.through(), true)
}

/// What the engine would refuse. Names the row, and the field where it is one.
fn what_is_wrong(place: usize, row: &TariffRow, fault: RowFault) -> String {
    let &TariffRow { currency, from, through, .. } = row;
    let what = match fault {
        RowFault::CurrencyUnknown => {
            format!("currency: {} is not in the scheme", String::from_utf8_lossy(&currency))
        }
        RowFault::Meaningless if from == 0 || from > through => {
            format!("from: {from} must be at least 1 and at most `through`, which is {through}")
        }
        RowFault::Meaningless if row.fee_max != 0 && row.fee_min > row.fee_max => {
            format!("fee_min: {} is more than `fee_max`, which is {}", row.fee_min, row.fee_max)
        }
        RowFault::Meaningless => "bearer: `shared` is for fees to the scheme, not to the other provider".to_owned(),
        RowFault::FeeTooLarge => "fixed: the fee of the largest amount would be more than an amount can be".to_owned(),
        RowFault::Gap { next: Some(next) } => {
            format!("from: {from}, where the bands of its kind go on with {next}")
        }
        RowFault::Gap { next: None } => format!("from: {from}, where the bands of its kind have come to an end"),
        RowFault::Short { largest } => format!("through: {through}, but the largest amount is {largest}"),
    };
    format!("row {}: {what}", place + 1)
}

fn cells([old, new]: &Both, digits: u8) -> [Cell; COLUMNS.len() - 2] {
    let money = |minor_units| Cell::Money(minor_units, digits);
    [
        Cell::Count(digits.into()),
        money(old.charged),
        money(old.earned),
        money(new.charged),
        money(new.earned),
        money(old.charged - old.earned),
        money(new.charged - new.earned),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use ledger::Amount;

    use super::*;

    const ROW: &str = "[[row]]\nflow = \"payment\"\ncurrency = \"XTS\"\nbearer = \"payer\"\n";

    #[test]
    fn what_the_engine_would_refuse_is_named_with_row_and_field() {
        let band = |from: u64, through: u64| format!("{ROW}from = {from}\nthrough = {through}\n");
        let said = |text: &str| {
            let rows = entry_rows(&TariffFile::read(text).unwrap().row).unwrap();
            let largest = |currency| (currency == *b"XTS").then_some(Amount::new(1_000).unwrap());
            check(&rows, largest).map_err(|(place, fault)| what_is_wrong(place, &rows[place], fault))
        };
        assert_eq!(said(&[band(101, 1_000), band(1, 100)].concat()), Ok(()));
        for (text, words) in [
            ([band(1, 100), band(102, 1_000)].concat(), "row 2: from: 102, where the bands of its kind go on with 101"),
            ([band(100, 1_000), band(1, 100)].concat(), "row 1: from: 100, where the bands of its kind go on with 101"),
            (band(2, 1_000), "row 1: from: 2, where the bands of its kind go on with 1"),
            (
                [ROW.to_owned(), band(1, 1_000)].concat(),
                "row 2: from: 1, where the bands of its kind have come to an end",
            ),
            (band(1, 999), "row 1: through: 999, but the largest amount is 1000"),
            (ROW.replace("XTS", "XXX"), "row 1: currency: XXX is not in the scheme"),
            (format!("{ROW}from = 0"), "row 1: from: 0 must be at least 1"),
            (band(9, 8), "row 1: from: 9 must be at least 1 and at most `through`, which is 8"),
            (format!("{ROW}fee_min = 9\nfee_max = 8"), "row 1: fee_min: 9 is more than `fee_max`, which is 8"),
            (format!("{}to = \"other\"", ROW.replace("payer", "shared")), "row 1: bearer: `shared`"),
            (format!("{ROW}fixed = 1000000000000000000"), "row 1: fixed: the fee of the largest amount"),
        ] {
            let what = said(&text).unwrap_err();
            assert!(what.starts_with(words), "{text}: {what}");
        }
    }
}
