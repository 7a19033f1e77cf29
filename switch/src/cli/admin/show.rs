//! How what operators look at is printed: tables for people, lines of JSON for programs.

use std::io::Write;

use serde::Serialize;

use crate::cli::print::money;
use crate::lookup::Trouble;

/// Prints rows below their headers; a header that begins with `>` has its column aligned to the right.
pub(super) fn table(headers: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> Result<(), Trouble> {
    let heads: Vec<String> = headers.iter().map(|header| header.trim_start_matches('>').to_owned()).collect();
    let width = |place: usize| {
        let cells = rows.iter().map(|row| row[place].chars().count());
        cells.chain([heads[place].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for ((cell, header), width) in row.iter().zip(headers).zip(&widths) {
            if header.starts_with('>') {
                line += &format!("{cell:>width$}  ");
            } else {
                line += &format!("{cell:<width$}  ");
            }
        }
        writeln!(out, "{}", line.trim_end()).map_err(Trouble::Output)?;
    }
    Ok(())
}

/// Prints an object a line.
pub(super) fn json<T: Serialize>(rows: &[T], out: &mut dyn Write) -> Result<(), Trouble> {
    for row in rows {
        let line = serde_json::to_string(row).map_err(|error| Trouble::Output(error.into()))?;
        writeln!(out, "{line}").map_err(Trouble::Output)?;
    }
    Ok(())
}

/// What is said, line by line, of what is done or would be.
pub(super) fn lines(said: &[(&str, String)], out: &mut dyn Write) -> Result<(), Trouble> {
    for (what, value) in said {
        writeln!(out, "{what:<12} {value}").map_err(Trouble::Output)?;
    }
    Ok(())
}

/// An amount that may be negative, as people write it.
pub(super) fn signed_money(minor_units: i128, minor_digits: u8) -> String {
    let sign = if minor_units < 0 { "-" } else { "" };
    format!("{sign}{}", money(minor_units.unsigned_abs(), minor_digits))
}

/// The same with its currency in front.
pub(super) fn money_in(minor_units: i128, currency: &str, minor_digits: u8) -> String {
    format!("{currency} {}", signed_money(minor_units, minor_digits))
}

/// A limit of which 0 has a meaning of its own.
pub(super) fn limit(value: String, is_zero: bool, zero: &str) -> String {
    if is_zero { zero.to_owned() } else { value }
}

pub(super) fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = [vec!["ALPHA".to_owned(), "-1.00".to_owned()], vec!["B".to_owned(), "1,000.00".to_owned()]];
        let mut out = Vec::new();
        table(&["participant", ">net"], &rows, &mut out).unwrap();
        let expected = "participant       net\nALPHA           -1.00\nB            1,000.00\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(money_in(-123_456, "XTS", 2), "XTS -1,234.56");
    }
}
