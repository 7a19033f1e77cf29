//! A tariff as people write it: TOML, one table `[[row]]` for each row, with the words of `docs/scheme-rules.md`, Fees.

use ledger::Amount;
use toml::{Table, Value};

use crate::engine::scheme::fees::prices::{RowFault, check};
use crate::entry::TariffRow;
use crate::limits::TARIFF_ROWS_MAX;

const FIELDS: [&str; 13] = [
    "flow",
    "payer_class",
    "payee_class",
    "currency",
    "from",
    "through",
    "fixed",
    "parts_per_million",
    "rounding",
    "fee_min",
    "fee_max",
    "bearer",
    "to",
];

const FLOWS: [(&str, u8); 2] = [("payment", 1), ("return", 2)];
const ROUNDINGS: [(&str, u8); 4] = [("half-up", 1), ("half-even", 2), ("down", 3), ("up", 4)];
const BEARERS: [(&str, u8); 3] = [("payer", 1), ("payee", 2), ("shared", 3)];
const RECEIVERS: [(&str, u8); 2] = [("scheme", 1), ("other", 2)];

/// Reads the rows. An error is one line, and names the row and the field.
pub(super) fn read(text: &str) -> Result<Vec<TariffRow>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        format!("line {line}: {}", error.message().replace('\n', " "))
    })?;
    if let Some(key) = table.keys().find(|key| *key != "row") {
        return Err(format!("`{key}` is nothing that a tariff has; expected [[row]]"));
    }
    let Some(Value::Array(rows)) = table.get("row") else {
        return Err("expected [[row]], once for each row of the tariff".to_owned());
    };
    if rows.len() > TARIFF_ROWS_MAX {
        return Err(format!("{} rows; a tariff has at most {TARIFF_ROWS_MAX}", rows.len()));
    }
    (1..).zip(rows).map(|(number, row)| read_row(row).map_err(|what| format!("row {number}: {what}"))).collect()
}

fn read_row(row: &Value) -> Result<TariffRow, String> {
    let table = row.as_table().ok_or("expected fields with values")?;
    if let Some(key) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(format!("{key}: no such field; a row has {}", FIELDS.join(", ")));
    }
    let currency = table.get("currency").and_then(Value::as_str);
    let currency = currency.and_then(|code| code.as_bytes().try_into().ok());
    let row = TariffRow {
        flow: word(table, "flow", &FLOWS, None)?,
        payer_class: narrow(table, "payer_class")?,
        payee_class: narrow(table, "payee_class")?,
        currency: currency.ok_or("currency: expected three upper-case letters in quotes")?,
        from: number(table, "from", 1)?,
        through: number(table, "through", u64::MAX)?,
        fixed: number(table, "fixed", 0)?,
        parts_per_million: narrow(table, "parts_per_million")?,
        rounding: word(table, "rounding", &ROUNDINGS, Some(1))?,
        fee_min: number(table, "fee_min", 0)?,
        fee_max: number(table, "fee_max", 0)?,
        bearer: word(table, "bearer", &BEARERS, None)?,
        to: word(table, "to", &RECEIVERS, Some(1))?,
    };
    check_sense(&row)?;
    Ok(row)
}

/// What fields say about each other.
fn check_sense(row: &TariffRow) -> Result<(), String> {
    if row.from == 0 || row.from > row.through {
        let (from, through) = (row.from, row.through);
        return Err(format!("from: {from} must be at least 1 and at most `through`, which is {through}"));
    }
    if row.fee_max != 0 && row.fee_min > row.fee_max {
        return Err(format!("fee_min: {} is more than `fee_max`, which is {}", row.fee_min, row.fee_max));
    }
    if (row.bearer, row.to) == (3, 2) {
        return Err("bearer: `shared` is for fees to the scheme, not to the other provider".to_owned());
    }
    Ok(())
}

/// A field that is one of some words.
fn word(table: &Table, field: &str, words: &[(&str, u8)], default: Option<u8>) -> Result<u8, String> {
    let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    let Some(value) = table.get(field) else {
        return default.ok_or_else(|| format!("{field}: is missing; expected one of {}", known()));
    };
    let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
    found.map(|(_, number)| *number).ok_or_else(|| format!("{field}: {value} is none of {}", known()))
}

/// A field that is a whole number, minor units where it is money.
fn number(table: &Table, field: &str, default: u64) -> Result<u64, String> {
    let Some(value) = table.get(field) else { return Ok(default) };
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| {
        format!("{field}: expected a whole number without a sign, in minor units where it is money, not {value}")
    })
}

/// A number that has less room.
fn narrow<T: TryFrom<u64>>(table: &Table, field: &str) -> Result<T, String> {
    let number = number(table, field, 0)?;
    T::try_from(number).map_err(|_| format!("{field}: {number} is too large"))
}

/// What the scheme has to say about the rows together. An error names the row, and the field where it is one.
pub(super) fn check_rows(rows: &[TariffRow], amount_max: impl Fn([u8; 3]) -> Option<Amount>) -> Result<(), String> {
    check(rows, amount_max).map_err(|(place, fault)| {
        let TariffRow { currency, from, through, .. } = rows[place];
        let what = match fault {
            RowFault::CurrencyUnknown => {
                format!("currency: {} is not in the scheme", String::from_utf8_lossy(&currency))
            }
            RowFault::Meaningless => fault.reject().text().to_owned(),
            RowFault::FeeTooLarge => {
                "fixed: the fee of the largest amount would be more than an amount can be".to_owned()
            }
            RowFault::Gap { next } => {
                let next = next.map_or("none".to_owned(), |next| next.to_string());
                format!("from: {from}, where the bands of its kind go on with {next}")
            }
            RowFault::Short { largest } => format!("through: {through}, but the largest amount is {largest}"),
        };
        format!("row {}: {what}", place + 1)
    })
}

#[cfg(test)]
mod unit_tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    const ROW: &str = "[[row]]\nflow = \"payment\"\ncurrency = \"XTS\"\nbearer = \"payer\"\n";

    #[test]
    fn what_is_not_said_is_nothing_or_any() {
        let row = read(&format!("{ROW}fixed = 5\nparts_per_million = 250\nto = \"other\"\n")).unwrap()[0];
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
        assert_eq!(row, expected);
        assert_eq!(check_rows(&[row], |_| Amount::new(1_000)), Ok(()));
    }

    #[test]
    fn nonsense_is_named_with_row_and_field() {
        for (text, words) in [
            ("row = 1", "expected [[row]]"),
            ("rows = []", "`rows` is nothing that a tariff has"),
            ("[[row]]\nflow = ", "line 2:"),
            ("[[row]]\nflow = \"gift\"", "row 1: flow: \"gift\" is none of payment, return"),
            ("[[row]]\ncurrency = \"XTS\"", "row 1: flow: is missing"),
            (&format!("{ROW}{}", ROW.replace("XTS", "euro")), "row 2: currency: expected three"),
            (&format!("{ROW}fixed = -1"), "row 1: fixed: expected a whole number"),
            (&format!("{ROW}fixed = 1.5"), "row 1: fixed: expected a whole number"),
            (&format!("{ROW}payer_class = 256"), "row 1: payer_class: 256 is too large"),
            (&format!("{ROW}rounding = \"near\""), "row 1: rounding: \"near\" is none of half-up, half-even, down, up"),
            (&format!("{ROW}from = 0"), "row 1: from: 0 must be at least 1"),
            (&format!("{ROW}from = 9\nthrough = 8"), "row 1: from: 9"),
            (&format!("{ROW}fee_min = 9\nfee_max = 8"), "row 1: fee_min: 9 is more than"),
            (&format!("{}to = \"other\"", ROW.replace("payer", "shared")), "row 1: bearer: `shared`"),
            (&format!("{ROW}price = 1"), "row 1: price: no such field; a row has flow"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(words) && !said.contains('\n'), "{text}: {said}");
        }
    }

    #[test]
    fn bands_are_named_where_they_break() {
        let band = |from: u64, through: u64| format!("{ROW}from = {from}\nthrough = {through}\n");
        let said = |bands: &[String]| {
            let largest = |currency| (currency == *b"XTS").then_some(Amount::new(1_000).unwrap());
            check_rows(&read(&bands.concat()).unwrap(), largest)
        };
        assert_eq!(said(&[band(101, 1_000), band(1, 100)]), Ok(()));
        for (bands, words) in [
            (vec![band(1, 100), band(102, 1_000)], "row 2: from: 102, where the bands of its kind go on with 101"),
            (vec![band(100, 1_000), band(1, 100)], "row 1: from: 100, where the bands of its kind go on with 101"),
            (vec![band(2, 1_000)], "row 1: from: 2, where the bands of its kind go on with 1"),
            (vec![band(1, 999)], "row 1: through: 999, but the largest amount is 1000"),
            (vec![ROW.replace("XTS", "XXX")], "row 1: currency: XXX is not in the scheme"),
            (
                vec![format!(
                    "{ROW}fixed = 9223372036854775807\nparts_per_million = 4000000000\nfee_min = 9223372036854775807"
                )],
                "",
            ),
        ] {
            match said(&bands) {
                Err(text) => assert!(text.contains(words), "{bands:?}: {text}"),
                Ok(()) => assert!(words.is_empty(), "{bands:?}"),
            }
        }
    }
}
