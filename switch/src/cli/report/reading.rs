//! What all reports share: a period, whom they are about, and reading the journal batch by batch into whatever a report keeps.

use std::io::Write;
use std::ops::ControlFlow;

use adapters::message::ParticipantCode;
use ledger::{AccountIndex, Balances, Currency};

use super::super::ledger::accounts::tell_damage;
use super::super::ledger::arguments::{check_known, check_period, currency, participant, time};
use super::super::ledger::rows::{Cell, FormArguments};
use super::super::ledger::walk::{apply, walk};
use super::super::ledger::{Ended, Source};
use super::sheet::Fact;
use crate::books::Books;
use crate::cli::Failure;
use crate::engine::accounts::AccountOwner;
use crate::engine::{Batch, Engine};
use crate::entry::ParticipantId;

/// A second, in nanoseconds.
const S_NS: u64 = 1_000_000_000;

/// The longest interval of a report.
const EVERY_DAYS_MAX: u64 = 366;

/// Which journal, which of its times, and how the report is written.
#[derive(clap::Args)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) source: Source,
    /// From this journal time on; RFC 3339. Without it: from the beginning
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) from: Option<u64>,
    /// Before this journal time; RFC 3339. Without it: to the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) to: Option<u64>,
    #[command(flatten)]
    pub(super) form: FormArguments,
}

/// Which journal as of when, and how the report is written.
#[derive(clap::Args)]
pub(super) struct AskedAt {
    #[command(flatten)]
    pub(super) source: Source,
    /// As of this journal time, what happened at it included; RFC 3339. Without it: at the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<u64>,
    #[command(flatten)]
    pub(super) form: FormArguments,
}

/// Whom and what a report is about.
#[derive(clap::Args)]
pub(super) struct Whose {
    /// Only this participant
    #[arg(long, value_name = "CODE", value_parser = participant)]
    pub(super) participant: Option<ParticipantCode>,
    /// Only this currency
    #[arg(long, value_name = "XXX", value_parser = currency)]
    pub(super) currency: Option<Currency>,
}

impl Whose {
    /// Whoever was asked for must be in the scheme.
    pub(super) fn check(&self, books: &Books) -> Result<(), Failure> {
        check_known(books, self.participant, self.currency)
    }

    pub(super) fn wants(&self, participant: Option<ParticipantCode>, currency: Currency) -> bool {
        self.participant.is_none_or(|code| participant == Some(code)) && self.wants_currency(Some(currency))
    }

    pub(super) fn wants_currency(&self, currency: Option<Currency>) -> bool {
        self.currency.is_none_or(|wanted| currency == Some(wanted))
    }

    /// For the head of a report.
    pub(super) fn facts(&self) -> [Fact; 2] {
        let (participant, currency) = (self.participant.map(Cell::text), self.currency.map(Cell::text));
        [("participant", participant.unwrap_or(Cell::Nothing)), ("currency", currency.unwrap_or(Cell::Nothing))]
    }
}

impl Asked {
    /// For the head of a report.
    pub(super) fn facts(&self) -> [Fact; 2] {
        [("from", time_cell(self.from)), ("to", time_cell(self.to))]
    }
}

/// A time that may not be there.
pub(super) fn time_cell(time_ns: Option<u64>) -> Cell {
    time_ns.map_or(Cell::Nothing, Cell::Time)
}

/// What a report keeps of the journal, and takes from it batch by batch.
pub(super) trait Reader {
    /// The period begins; none of it has happened.
    fn open(&mut self, _books: &Books) {}

    /// What a batch of the period did.
    fn take(&mut self, books: &Books, batch: &Batch<'_>, out: &mut dyn Write) -> Result<(), Ended>;

    /// The journal goes on beyond the period, which ends at this time.
    fn reach(&mut self, _to_ns: u64) {}

    /// Nothing that comes later makes a difference.
    fn is_done(&self) -> bool {
        false
    }
}

/// Reads a period.
pub(super) fn read(asked: &Asked, reader: &mut impl Reader, out: &mut dyn Write) -> Result<Books, Ended> {
    check_period(asked.from, asked.to)?;
    match read_span(&asked.source, (asked.from, asked.to), reader, out) {
        Ok(books) => Ok(books),
        Err(ended) => Err(tell_damage(ended, asked.form, out)?),
    }
}

/// Reads all up to a time.
pub(super) fn read_at(asked: &AskedAt, reader: &mut impl Reader, out: &mut dyn Write) -> Result<Books, Ended> {
    let to_ns = asked.at.map(|at_ns| at_ns.saturating_add(1));
    match read_span(&asked.source, (None, to_ns), reader, out) {
        Ok(books) => Ok(books),
        Err(ended) => Err(tell_damage(ended, asked.form, out)?),
    }
}

/// Reads from a time on and before another. Who has begun to write says itself what damage is to be told.
pub(super) fn read_span(
    source: &Source,
    (from_ns, to_ns): (Option<u64>, Option<u64>),
    reader: &mut impl Reader,
    out: &mut dyn Write,
) -> Result<Books, Ended> {
    let storage = source.open()?;
    let (mut books, mut is_open) = (Books::default(), false);
    walk(&storage, |batch| {
        let end_ns = to_ns.filter(|to_ns| batch.time_ns >= *to_ns);
        let is_within = from_ns.is_none_or(|from_ns| batch.time_ns >= from_ns);
        if is_within && !is_open {
            is_open = true;
            reader.open(&books);
        }
        if let Some(end_ns) = end_ns {
            reader.reach(end_ns);
        }
        if end_ns.is_some() || reader.is_done() {
            return Ok(ControlFlow::Break(()));
        }
        apply(&mut books, batch)?;
        if is_within {
            reader.take(&books, &batch, out)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !is_open {
        reader.open(&books);
    }
    Ok(books)
}

/// For reports that ask for nothing but the books at the end.
pub(super) struct NoReader;

impl Reader for NoReader {
    fn take(&mut self, _: &Books, _: &Batch<'_>, _: &mut dyn Write) -> Result<(), Ended> {
        Ok(())
    }
}

/// How many, and how much together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) minor_units: u128,
}

impl Tally {
    pub(super) fn add(&mut self, minor_units: impl Into<u128>) {
        self.count += 1;
        self.minor_units += minor_units.into();
    }

    /// As a number with a sign. Sums of amounts are far below 2^127.
    pub(super) fn signed(self) -> i128 {
        i128::try_from(self.minor_units).unwrap_or(i128::MAX)
    }
}

/// Ten-thousandths of a whole, rounded down; nothing of nothing.
pub(super) fn per_10_000(part: u128, whole: u128) -> Cell {
    // A part of a sum of u64 amounts has room for four more digits.
    part.saturating_mul(10_000)
        .checked_div(whole)
        .map_or(Cell::Nothing, |share| Cell::Count(u64::try_from(share).unwrap_or(u64::MAX)))
}

/// An interval as people write it: `15m`, `1h`, `1d`.
pub(super) fn every(text: &str) -> Result<u64, String> {
    let expected =
        || format!("expected an interval: a number and s, m, h or d, at most {EVERY_DAYS_MAX}d, for example 1h");
    let unit_at = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(expected)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    let seconds = seconds.filter(|seconds| is_number && (1..=EVERY_DAYS_MAX * 86_400).contains(seconds));
    seconds.map(|seconds| seconds * S_NS).ok_or_else(expected)
}

/// When the interval of a time begins: intervals are counted from 1970, so hours and days begin where clocks say so.
pub(super) fn interval_of(every_ns: Option<u64>, time_ns: u64) -> Option<u64> {
    every_ns.map(|every_ns| time_ns - time_ns % every_ns)
}

/// A currency's digits behind the point; 0 where the scheme does not have it.
pub(super) fn digits_of(engine: &Engine, currency: Option<Currency>) -> u8 {
    let mut known = engine.currencies().iter();
    known.find(|rules| Some(rules.currency) == currency).map_or(0, |rules| rules.minor_digits)
}

/// A participant by its code.
pub(super) fn code_cell(engine: &Engine, participant: Option<ParticipantId>) -> Cell {
    participant.and_then(|participant| engine.code_of(participant)).map_or(Cell::Nothing, Cell::text)
}

/// Some of the accounts, with what stands on them by the events alone.
#[derive(Default)]
pub(super) struct Watch {
    /// By place; none where the account is not watched.
    accounts: Vec<Option<Balances>>,
}

impl Watch {
    /// Those that are there when the period begins.
    pub(super) fn open(&mut self, books: &Books, is_wanted: impl Fn(&AccountOwner) -> bool) {
        for (place, balances) in self.note(books, is_wanted) {
            self.accounts[place as usize] = Some(balances);
        }
    }

    /// Those that were opened since: nothing stood on them.
    pub(super) fn follow(&mut self, books: &Books, is_wanted: impl Fn(&AccountOwner) -> bool) {
        if self.accounts.len() != books.engine().accounts_count() {
            for (place, _) in self.note(books, is_wanted) {
                self.accounts[place as usize] = Some(Balances::default());
            }
        }
    }

    fn note(&mut self, books: &Books, is_wanted: impl Fn(&AccountOwner) -> bool) -> Vec<(u32, Balances)> {
        let known = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        self.accounts.resize(books.engine().accounts_count(), None);
        let new =
            (known..).take(self.accounts.len() - known as usize).map(|place| (place, AccountIndex::from_place(place)));
        let new = new.filter(|(_, account)| is_wanted(books.owner(*account)));
        new.map(|(place, account)| (place, books.balances(account))).collect()
    }

    /// What stands on an account; none where it is not watched.
    pub(super) fn balances(&mut self, account: AccountIndex) -> Option<&mut Balances> {
        self.accounts.get_mut(account.get() as usize)?.as_mut()
    }

    /// All that are watched.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AccountIndex, Balances)> {
        let places = (0..).map(AccountIndex::from_place);
        places.zip(&self.accounts).filter_map(|(account, balances)| Some((account, (*balances)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_as_people_write_them() {
        let hour = 3_600 * S_NS;
        for (text, ns) in [("1h", hour), ("60m", hour), ("3600s", hour), ("1d", 24 * hour), ("366d", 366 * 24 * hour)] {
            assert_eq!(every(text), Ok(ns), "{text}");
        }
        for text in ["", "h", "0h", "1", "-1h", "+1h", "1.5h", "367d", "99999999999999999999d", "1w", "1\u{e9}"] {
            assert!(every(text).is_err_and(|text| text.contains("for example 1h")), "{text}");
        }
        assert_eq!(interval_of(Some(hour), 5 * hour + 7), Some(5 * hour));
    }

    #[test]
    fn shares_are_whole_numbers() {
        assert_eq!(
            [per_10_000(1, 3), per_10_000(3, 3), per_10_000(0, 0)],
            [Cell::Count(3_333), Cell::Count(10_000), Cell::Nothing]
        );
    }
}
