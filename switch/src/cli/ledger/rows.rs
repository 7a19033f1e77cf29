//! Rows of values in every form: aligned for people, CSV by RFC 4180, JSON. A value is given once and written by whoever asks.

use std::io::{self, Write};

use serde::Serialize;

use super::arguments::{short_time_text, time_text};
use crate::cli::print::{grouped, money};

/// So many rows are looked at to find the widths of a table for people; then rows are written as they come, so that memory does not grow
/// with them. A wider one later sticks out.
const ROWS_MEASURED: usize = 1_000;

/// Between two columns for people.
const GAP: &str = "  ";

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Cell {
    /// An id, a code, a name: never text that a customer has chosen.
    Text(String),
    /// A position or a count.
    Count(u64),
    /// An amount in minor units, and how many digits people see behind the point.
    Money(i128, u8),
    /// Journal time.
    Time(u64),
    /// Not there.
    Nothing,
}

impl Cell {
    /// Text, or nothing where it is empty.
    pub(in crate::cli) fn text(text: impl ToString) -> Cell {
        let text = text.to_string();
        if text.is_empty() { Cell::Nothing } else { Cell::Text(text) }
    }

    /// An amount that cannot be negative.
    pub(in crate::cli) fn money(minor_units: u128, minor_digits: u8) -> Cell {
        // A sum of all that u64 amounts can make in the life of a ledger is far below 2^127.
        Cell::Money(i128::try_from(minor_units).unwrap_or(i128::MAX), minor_digits)
    }

    pub(in crate::cli) fn for_people(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => grouped((*count).into()),
            Cell::Money(minor_units, minor_digits) => signed_money(*minor_units, *minor_digits),
            Cell::Time(time_ns) => short_time_text(*time_ns),
            Cell::Nothing => String::new(),
        }
    }

    fn for_programs(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Money(minor_units, _) => minor_units.to_string(),
            Cell::Time(time_ns) => time_text(*time_ns),
            Cell::Nothing => String::new(),
        }
    }

    /// As a JSON value. Amounts are strings: they may be larger than what JSON numbers hold.
    pub(in crate::cli) fn json(&self) -> serde_json::Value {
        match self {
            Cell::Count(count) => (*count).into(),
            Cell::Nothing => serde_json::Value::Null,
            Cell::Text(_) | Cell::Money(..) | Cell::Time(_) => self.for_programs().into(),
        }
    }
}

/// An amount with the currency's digits, a minus before it where it is negative.
pub(in crate::cli) fn signed_money(minor_units: i128, minor_digits: u8) -> String {
    let sign = if minor_units < 0 { "-" } else { "" };
    format!("{sign}{}", money(minor_units.unsigned_abs(), minor_digits))
}

/// What the cells of a column hold, where they hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Values {
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Count`].
    Count,
    /// [`Cell::Money`].
    Money,
    /// [`Cell::Time`].
    Time,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column {
    /// Its name for programs.
    pub(in crate::cli) key: &'static str,
    /// What it holds.
    pub(in crate::cli) values: Values,
    /// Its head for people; none where they see the same in another column.
    head: Option<&'static str>,
}

/// A column for programs.
pub(in crate::cli) const fn column(key: &'static str, values: Values) -> Column {
    Column { key, values, head: None }
}

impl Column {
    /// People see it, too.
    pub(in crate::cli) const fn seen_as(self, head: &'static str) -> Column {
        Column { head: Some(head), ..self }
    }

    /// Numbers stand to the right.
    fn is_right(&self) -> bool {
        matches!(self.values, Values::Count | Values::Money)
    }
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// Aligned, grouped, with decimal points.
    People,
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// JSON objects with commas between; whoever asks for them writes what is around.
    JsonList,
}

/// The form of a list's output.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(in crate::cli) struct FormArguments {
    /// Print one JSON object: stable keys, amounts as strings in minor units
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Print CSV (RFC 4180) with a header, amounts in minor units
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
}

impl FormArguments {
    /// How rows are written.
    pub(in crate::cli) fn form(self) -> Form {
        match self {
            FormArguments { json: true, .. } => Form::JsonList,
            FormArguments { csv: true, .. } => Form::Csv,
            FormArguments { .. } => Form::People,
        }
    }
}

/// Rows on their way out.
pub(in crate::cli) struct Rows {
    form: Form,
    columns: &'static [Column],
    count: u64,
    /// Rows for people that wait until the widths are known.
    measured: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Rows {
    /// Begins, with a header where the form has one.
    pub(in crate::cli) fn begin(out: &mut dyn Write, form: Form, columns: &'static [Column]) -> io::Result<Rows> {
        if form == Form::Csv {
            write_csv(out, columns.iter().map(|column| column.key.to_owned()))?;
        }
        Ok(Rows::go_on(form, columns))
    }

    /// More rows below a header that is there.
    pub(in crate::cli) fn go_on(form: Form, columns: &'static [Column]) -> Rows {
        Rows { form, columns, count: 0, measured: Vec::new(), widths: None }
    }

    /// Writes a row, one cell a column.
    pub(in crate::cli) fn push(&mut self, out: &mut dyn Write, cells: &[Cell]) -> io::Result<()> {
        assert!(cells.len() == self.columns.len(), "a cell for each column");
        match self.form {
            Form::Csv => write_csv(out, cells.iter().map(Cell::for_programs))?,
            Form::JsonLines => {
                self.write_json(out, cells)?;
                out.write_all(b"\n")?;
            }
            Form::JsonList => {
                out.write_all(if self.count == 0 { b"\n" } else { b",\n" })?;
                self.write_json(out, cells)?;
            }
            Form::People => self.push_for_people(out, cells)?,
        }
        self.count += 1;
        Ok(())
    }

    /// Writes what still waits. Returns how many rows there were.
    pub(in crate::cli) fn end(mut self, out: &mut dyn Write) -> io::Result<u64> {
        if self.form == Form::People {
            self.measure(out)?;
        }
        Ok(self.count)
    }

    fn write_json(&self, out: &mut dyn Write, cells: &[Cell]) -> io::Result<()> {
        for (place, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let (before, value) = (if place == 0 { "{" } else { "," }, cell.json());
            write!(out, "{before}\"{}\":{value}", column.key)?;
        }
        out.write_all(b"}")
    }

    fn push_for_people(&mut self, out: &mut dyn Write, cells: &[Cell]) -> io::Result<()> {
        let seen = self.columns.iter().zip(cells).filter(|(column, _)| column.head.is_some());
        let row = seen.map(|(_, cell)| cell.for_people()).collect();
        match &self.widths {
            Some(widths) => write_aligned(out, self.columns, widths, &row),
            None => {
                self.measured.push(row);
                if self.measured.len() == ROWS_MEASURED { self.measure(out) } else { Ok(()) }
            }
        }
    }

    /// Finds the widths and writes the head and the rows that waited.
    fn measure(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.widths.is_some() {
            return Ok(());
        }
        let heads: Vec<String> = self.columns.iter().filter_map(|column| column.head).map(str::to_owned).collect();
        let rows = std::mem::take(&mut self.measured);
        let width = |place: usize| rows.iter().chain([&heads]).map(|row| row[place].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        for row in [&heads].into_iter().chain(&rows) {
            write_aligned(out, self.columns, &widths, row)?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

fn write_aligned(out: &mut dyn Write, columns: &[Column], widths: &[usize], row: &Vec<String>) -> io::Result<()> {
    let mut line = String::new();
    let seen = columns.iter().filter(|column| column.head.is_some());
    for ((column, width), text) in seen.zip(widths).zip(row) {
        let padding = " ".repeat(width.saturating_sub(text.len()));
        let (before, after) = if column.is_right() { (padding.as_str(), "") } else { ("", padding.as_str()) };
        for part in [before, text, after, GAP] {
            line.push_str(part);
        }
    }
    writeln!(out, "{}", line.trim_end())
}

/// A record by RFC 4180: CRLF at its end, quotes where a value needs them.
fn write_csv(out: &mut dyn Write, values: impl Iterator<Item = String>) -> io::Result<()> {
    for (place, value) in values.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        if value.contains([',', '"', '\r', '\n']) {
            write!(out, "\"{}\"", value.replace('"', "\"\""))?;
        } else {
            out.write_all(value.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

/// A JSON object that is written while it becomes known.
pub(in crate::cli) struct JsonObject {
    is_first: bool,
}

impl JsonObject {
    /// Opens it.
    pub(in crate::cli) fn begin(out: &mut dyn Write) -> io::Result<JsonObject> {
        out.write_all(b"{")?;
        Ok(JsonObject { is_first: true })
    }

    /// A key and its value.
    pub(in crate::cli) fn field(&mut self, out: &mut dyn Write, key: &str, value: &impl Serialize) -> io::Result<()> {
        self.key(out, key)?;
        serde_json::to_writer(out, value).map_err(io::Error::from)
    }

    /// A key, behind which the rows of a list follow.
    pub(in crate::cli) fn begin_list(&mut self, out: &mut dyn Write, key: &str) -> io::Result<()> {
        self.key(out, key)?;
        out.write_all(b"[")
    }

    /// Closes the list.
    pub(in crate::cli) fn end_list(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"]")
    }

    /// Closes the object.
    pub(in crate::cli) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"}\n")
    }

    fn key(&mut self, out: &mut dyn Write, key: &str) -> io::Result<()> {
        let before = if self.is_first { "" } else { "," };
        self.is_first = false;
        write!(out, "{before}\"{key}\":")
    }
}
