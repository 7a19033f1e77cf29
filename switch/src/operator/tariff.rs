//! Rows of a tariff, as people write them: what `fees show` prints, and what `fees set` and the report that tries a tariff take.

use ledger::Amount;
use serde::{Deserialize, Serialize};

use crate::entry::TariffRow;
use crate::limits::TARIFF_ROWS_MAX;

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FlowWord {
    /// A payment.
    Payment = 1,
    /// A return.
    Return = 2,
}

/// How a fee is rounded to the minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum RoundingWord {
    /// Half a unit up.
    #[default]
    HalfUp = 1,
    /// Half a unit to the even one.
    HalfEven = 2,
    /// Down.
    Down = 3,
    /// Up.
    Up = 4,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum BearerWord {
    /// The payer's provider.
    Payer = 1,
    /// The payee's provider.
    Payee = 2,
    /// Both.
    Shared = 3,
}

/// Who is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ReceiverWord {
    /// The scheme.
    #[default]
    Scheme = 1,
    /// The other provider.
    Other = 2,
}

/// A row (`docs/scheme-rules.md`, Fees). Amounts in minor units. What is not said is any class, all amounts, no fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffLine {
    /// Of which postings.
    pub flow: FlowWord,
    /// Of the payer's provider; 0 for any.
    #[serde(default)]
    pub payer_class: u8,
    /// Of the payee's provider; 0 for any.
    #[serde(default)]
    pub payee_class: u8,
    /// ISO 4217.
    pub currency: String,
    /// The least amount.
    #[serde(default = "least_amount")]
    pub from: u64,
    /// The greatest; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    /// For each posting.
    #[serde(default)]
    pub fixed: u64,
    /// Millionths of the amount.
    #[serde(default)]
    pub parts_per_million: u32,
    /// To the minor unit.
    #[serde(default)]
    pub rounding: RoundingWord,
    /// The least fee.
    #[serde(default)]
    pub fee_min: u64,
    /// The greatest; 0 for none.
    #[serde(default)]
    pub fee_max: u64,
    /// Who pays.
    pub bearer: BearerWord,
    /// Who is paid.
    #[serde(default)]
    pub to: ReceiverWord,
}

fn least_amount() -> u64 {
    1
}

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffFile {
    /// In any order.
    pub row: Vec<TariffLine>,
}

impl TariffFile {
    /// Reads a file. An error is one line, and says where.
    pub fn read(text: &str) -> Result<TariffFile, String> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', " "))
        })
    }
}

/// Rows as they are journaled. An error is one line, and names the row.
pub fn entry_rows(lines: &[TariffLine]) -> Result<Vec<TariffRow>, String> {
    if lines.len() > TARIFF_ROWS_MAX {
        return Err(format!("{} rows: a tariff has at most {TARIFF_ROWS_MAX}", lines.len()));
    }
    let rows = (1..).zip(lines).map(|(number, line)| line.entry_row().map_err(|what| format!("row {number}: {what}")));
    rows.collect()
}

impl TariffLine {
    fn entry_row(&self) -> Result<TariffRow, String> {
        // What `of` gives can be written as TOML, whose whole numbers end at 2^63.
        if self.from > Amount::MAX.minor_units() {
            return Err(format!("from: no amount is as large as {}", self.from));
        }
        Ok(TariffRow {
            flow: self.flow as u8,
            payer_class: self.payer_class,
            payee_class: self.payee_class,
            currency: super::letters(&self.currency)?,
            from: self.from,
            through: self.through.unwrap_or(u64::MAX),
            fixed: self.fixed,
            parts_per_million: self.parts_per_million,
            rounding: self.rounding as u8,
            fee_min: self.fee_min,
            fee_max: self.fee_max,
            bearer: self.bearer as u8,
            to: self.to as u8,
        })
    }

    /// A row that the engine has taken. What no amount and no fee reaches is no bound.
    pub fn of(row: &TariffRow) -> TariffLine {
        let is_bound = |minor_units: &u64| *minor_units <= Amount::MAX.minor_units();
        TariffLine {
            flow: if row.flow == 2 { FlowWord::Return } else { FlowWord::Payment },
            payer_class: row.payer_class,
            payee_class: row.payee_class,
            currency: String::from_utf8_lossy(&row.currency).into_owned(),
            from: row.from,
            through: Some(row.through).filter(is_bound),
            fixed: row.fixed,
            parts_per_million: row.parts_per_million,
            rounding: match row.rounding {
                2 => RoundingWord::HalfEven,
                3 => RoundingWord::Down,
                4 => RoundingWord::Up,
                _ => RoundingWord::HalfUp,
            },
            fee_min: row.fee_min,
            fee_max: Some(row.fee_max).filter(is_bound).unwrap_or(0),
            bearer: match row.bearer {
                2 => BearerWord::Payee,
                3 => BearerWord::Shared,
                _ => BearerWord::Payer,
            },
            to: if row.to == 2 { ReceiverWord::Other } else { ReceiverWord::Scheme },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    const ROW: &str = "[[row]]\nflow = \"payment\"\ncurrency = \"XTS\"\nbearer = \"payer\"\n";

    fn rows(text: &str) -> Result<Vec<TariffRow>, String> {
        entry_rows(&TariffFile::read(text)?.row)
    }

    #[test]
    fn what_is_not_said_is_nothing_or_any() {
        let expected = TariffRow {
            flow: 1,
            payer_class: 0,
            payee_class: 0,
            currency: *b"XTS",
            from: 1,
            through: u64::MAX,
            fixed: 5,
            parts_per_million: 250,
            rounding: 1,
            fee_min: 0,
            fee_max: 0,
            bearer: 1,
            to: 2,
        };
        assert_eq!(rows(&format!("{ROW}fixed = 5\nparts_per_million = 250\nto = \"other\"\n")), Ok(vec![expected]));
        assert_eq!(rows("row = []"), Ok(Vec::new()), "nothing costs anything any more");
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        for (text, words) in [
            ("", "line 1: missing field `row`"),
            ("row = 1", "line 1: invalid type"),
            ("rows = []", "line 1: unknown field `rows`"),
            ("[[row]]\nflow = ", "line 2:"),
            ("[[row]]\nflow = \"gift\"", "line 2: unknown variant `gift`, expected `payment` or `return`"),
            ("[[row]]\ncurrency = \"XTS\"", "line 1: missing field `flow`"),
            (&format!("{ROW}{}", ROW.replace("XTS", "euro")), "row 2: currency `euro`: expected three"),
            (&format!("{ROW}fixed = -1"), "line 5: invalid value"),
            (&format!("{ROW}fixed = 1.5"), "line 5: invalid type"),
            (&format!("{ROW}payer_class = 256"), "line 5: invalid value"),
            (&format!("{ROW}rounding = \"near\""), "line 5: unknown variant `near`"),
            (&format!("{ROW}price = 1"), "line 5: unknown field `price`, expected one of `flow`"),
            (&format!("{ROW}from = 1000000000000000000"), "row 1: from: no amount is as large as 1000000000000000000"),
            (&ROW.repeat(TARIFF_ROWS_MAX + 1), "257 rows: a tariff has at most 256"),
        ] {
            let said = rows(text).unwrap_err();
            assert!(said.contains(words) && !said.contains('\n'), "{text}: {said}");
        }
    }

    /// A row without a greatest amount was journaled with the largest number there is, which TOML does not have: `fees show` ended in a fault for as long as that tariff was there.
    #[test]
    fn what_the_engine_has_taken_is_printed_and_means_the_same_when_read_again() {
        let text =
            format!("{ROW}fixed = 5\nto = \"other\"\nrounding = \"half-even\"\nthrough = 99\n\n{ROW}from = 100\n");
        let taken = rows(&text).unwrap();
        let beyond = TariffRow { fee_max: u64::MAX, through: u64::MAX - 1, ..taken[1] };
        let row: Vec<TariffLine> = taken.iter().chain([&beyond]).map(TariffLine::of).collect();
        let printed = toml::to_string(&TariffFile { row }).unwrap();
        assert_eq!(rows(&printed).unwrap(), [taken[0], taken[1], taken[1]], "{printed}");
    }
}
