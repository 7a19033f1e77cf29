//! A report on its way out: facts, rows, facts. People get lines and a table, programs one JSON object or the rows as CSV.

use std::io::Write;

use super::super::ledger::rows::{Cell, Column, Form, JsonObject, Rows};
use super::super::ledger::{Ended, Place};
use crate::books::Moment;
use crate::cli::print::grouped;

/// What a report says beside its rows: a key for programs, which people read without underscores, and a value.
pub(super) type Fact = (&'static str, Cell);

/// People read the values of facts in one column.
const LABEL_WIDTH: usize = 16;

/// Reports of one kind, one after the other: programs get them in a list of one object, each as it is alone, or their rows below one header.
pub(super) struct Sheets {
    form: Form,
    report: &'static str,
    facts: Vec<Fact>,
    object: Option<JsonObject>,
    count: u64,
}

impl Sheets {
    /// Begins with what stands above all of them. `list` is their key.
    pub(super) fn begin(
        out: &mut dyn Write,
        form: Form,
        (report, facts): (&'static str, &[Fact]),
        list: &'static str,
    ) -> Result<Sheets, Ended> {
        let mut object = None;
        if form == Form::JsonList {
            let opened = object.insert(JsonObject::begin(out)?);
            opened.field(out, "report", &report)?;
            write_fields(opened, out, facts)?;
            opened.begin_list(out, list)?;
        }
        Ok(Sheets { form, report, facts: facts.to_vec(), object, count: 0 })
    }

    /// Begins the next one.
    pub(super) fn next(
        &mut self,
        out: &mut dyn Write,
        facts: &[Fact],
        columns: &'static [Column],
    ) -> Result<Sheet, Ended> {
        self.count += 1;
        match self.form {
            Form::JsonList => out.write_all(if self.count == 1 { b"\n" } else { b"," })?,
            Form::People if self.count > 1 => writeln!(out)?,
            Form::Csv if self.count > 1 => {
                return Ok(Sheet { form: self.form, rows: Rows::go_on(self.form, columns), object: None });
            }
            _ => {}
        }
        Sheet::begin(out, self.form, (self.report, facts), columns)
    }

    /// Ends all of them. Where there was none, there is an empty one.
    pub(super) fn end(
        self,
        out: &mut dyn Write,
        columns: &'static [Column],
        through: Moment,
        is_right: bool,
    ) -> Result<(), Ended> {
        if let Some(mut object) = self.object {
            object.end_list(out)?;
            object.field(out, "through", &Place::of(through))?;
            object.field(out, "ok", &is_right)?;
            object.end(out)?;
        } else if self.count == 0 {
            let empty = Sheet::begin(out, self.form, (self.report, &self.facts), columns)?;
            empty.end(out, &[], through, is_right)?;
        }
        Ok(())
    }
}

/// A report that was begun.
pub(super) struct Sheet {
    form: Form,
    rows: Rows,
    object: Option<JsonObject>,
}

impl Sheet {
    /// Begins a report with what stands above its rows.
    pub(super) fn begin(
        out: &mut dyn Write,
        form: Form,
        (report, facts): (&'static str, &[Fact]),
        columns: &'static [Column],
    ) -> Result<Sheet, Ended> {
        let mut object = None;
        if form == Form::JsonList {
            let opened = object.insert(JsonObject::begin(out)?);
            opened.field(out, "report", &report)?;
            write_fields(opened, out, facts)?;
            opened.begin_list(out, "rows")?;
        } else if form == Form::People {
            write_facts(out, &[&[("report", Cell::text(report))], facts].concat())?;
            writeln!(out)?;
        }
        Ok(Sheet { form, rows: Rows::begin(out, form, columns)?, object })
    }

    /// Writes a row, one cell a column.
    pub(super) fn push(&mut self, out: &mut dyn Write, cells: &[Cell]) -> Result<(), Ended> {
        Ok(self.rows.push(out, cells)?)
    }

    /// Ends it with what stands below its rows, how far the journal was read, and whether what the report adds up is what the books have.
    pub(super) fn end(self, out: &mut dyn Write, facts: &[Fact], through: Moment, is_right: bool) -> Result<(), Ended> {
        self.rows.end(out)?;
        if let Some(mut object) = self.object {
            object.end_list(out)?;
            write_fields(&mut object, out, facts)?;
            object.field(out, "through", &Place::of(through))?;
            object.field(out, "ok", &is_right)?;
            object.end(out)?;
        } else if self.form == Form::People {
            writeln!(out)?;
            write_facts(out, facts)?;
            let time = Cell::Time(through.time_ns).for_people();
            let label = "through";
            writeln!(out, "{label:<LABEL_WIDTH$}  {time}, journal position {}", grouped(through.position.into()))?;
        }
        Ok(())
    }

    /// The journal ends in damage: what was begun is ended, so that it can be read.
    pub(super) fn break_off(self, out: &mut dyn Write, ended: &Ended) -> Result<(), Ended> {
        self.rows.end(out)?;
        if let (Some(mut object), Some(damage)) = (self.object, ended.damage()) {
            object.end_list(out)?;
            object.field(out, "ok", &false)?;
            object.field(out, "damage", damage)?;
            object.end(out)?;
        }
        Ok(())
    }
}

fn write_fields(object: &mut JsonObject, out: &mut dyn Write, facts: &[Fact]) -> Result<(), Ended> {
    for (key, cell) in facts {
        object.field(out, key, &cell.json())?;
    }
    Ok(())
}

/// People are not told what is not there.
fn write_facts(out: &mut dyn Write, facts: &[Fact]) -> Result<(), Ended> {
    for (key, cell) in facts.iter().filter(|(_, cell)| *cell != Cell::Nothing) {
        writeln!(out, "{:<LABEL_WIDTH$}  {}", key.replace('_', " "), cell.for_people())?;
    }
    Ok(())
}
