//! `switch payment` and `switch payments`: what became of payments, one with its trace or many, from a running switch or from a data directory.

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use adapters::message::{Lane, ParticipantCode, PaymentId, Reason};
use serde_json::json;

use super::Failure;
use super::ledger::OUTPUT_BYTES;
use super::ledger::arguments::{check_period, participant, time, time_text};
use super::ledger::rows::{Cell, Column, Form, FormArguments, JsonObject, Rows, Values, column};
use super::print::{grouped, money};
use crate::config::Config;
use crate::limits::NS_PER_MS;
use crate::lookup::{Cursor, ListQuery, OutcomeFilter, PaymentRow, PaymentTrace, Step, Trouble, open_offline};
use crate::server::Desk;

/// Rows of a page where nothing else is said.
const LIMIT_DEFAULT: u64 = 1_000;

/// `switch payment`.
#[derive(clap::Subcommand)]
pub(super) enum Payment {
    /// Show one payment with its trace: every entry and every effect, with time and journal position
    ///
    /// The trace covers what decided the payment and what was told: the order, the Forward, the answer, each Status. Of what changed nothing (a repeated order,
    /// a late answer) it has what stands in the batches of the order and of the decision, which is every answer that a switch journals; with
    /// --through-journal, all that the journal has. Replies to those are not numbered and not shown. Status 1 where there is no such payment.
    #[command(
        after_help = "Examples:\n  switch payment show 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f --config /var/lib/clearspan/switch.toml\n  switch payment show 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f --data /var/lib/clearspan --json"
    )]
    Show(Show),
}

/// `switch payments`.
#[derive(clap::Subcommand)]
pub(super) enum Payments {
    /// List payments, oldest first: outcomes in the order of the decisions, then what is in flight
    ///
    /// Times are those of decisions; of orders where a payment is in flight. From the first time on and before the second.
    #[command(
        after_help = "Example:\n  switch payments list --config /var/lib/clearspan/switch.toml --participant PSP0001 --outcome rejected \\\n    --from 2026-11-22T00:00:00Z --to 2026-11-23T00:00:00Z --csv"
    )]
    List(List),
}

/// Who is asked.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The data directory of a switch that does not run; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration of a switch that runs: it is asked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Shows one payment.
#[derive(clap::Args)]
pub(super) struct Show {
    /// The payment's UETR
    #[arg(value_name = "ID", value_parser = payment_id)]
    id: PaymentId,
    #[command(flatten)]
    source: Source,
    /// Search the whole journal behind the order for entries of the payment that changed nothing
    #[arg(long)]
    through_journal: bool,
    /// Print one JSON object: stable keys, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Lists payments.
#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    source: Source,
    /// Of this payer or payee provider
    #[arg(long, value_name = "CODE", value_parser = participant)]
    participant: Option<ParticipantCode>,
    /// From this journal time on; RFC 3339. Without it: from the beginning
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<u64>,
    /// Before this journal time; RFC 3339. Without it: to the end of the journal
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<u64>,
    /// What became of them
    #[arg(long, value_enum)]
    outcome: Option<OutcomeFilter>,
    /// The reason code that was given
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Go on where the page before ended: the cursor that it has printed
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<String>,
    #[command(flatten)]
    form: FormArguments,
}

fn payment_id(text: &str) -> Result<PaymentId, String> {
    PaymentId::parse(text).ok_or_else(|| {
        "expected a UETR: a UUID of version 4, for example 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f".to_owned()
    })
}

fn reason(text: &str) -> Result<String, String> {
    let bytes = <[u8; 4]>::try_from(text.as_bytes()).ok();
    let reason = bytes.and_then(Reason::from_bytes).filter(|reason| *reason != Reason::NONE);
    reason.map(|_| text.to_owned()).ok_or_else(|| "expected a reason code by ISO 20022, for example AC04".to_owned())
}

fn cursor(text: &str) -> Result<String, String> {
    let expected = || "expected the cursor that the page before has printed, for example 1024.0".to_owned();
    Cursor::parse(text).map(|cursor| cursor.to_string()).ok_or_else(expected)
}

/// Runs `switch payment`.
pub(super) fn run_payment(Payment::Show(arguments): &Payment) -> Result<ExitCode, Failure> {
    print(|out| show(arguments, out))
}

/// Runs `switch payments`.
pub(super) fn run_payments(Payments::List(arguments): &Payments) -> Result<ExitCode, Failure> {
    check_period(arguments.from, arguments.to)?;
    print(|out| list(arguments, out))
}

/// Whatever the end, what was said before it belongs out.
fn print(tell: impl FnOnce(&mut dyn Write) -> Result<(), Trouble>) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock());
    let done = tell(&mut out);
    let flushed = out.flush().map_err(Trouble::Output);
    // Nothing more is said to a pipe that was closed, at the end of the process least of all.
    drop(out.into_parts());
    match done.and(flushed) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever closed the pipe has seen enough.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(trouble @ Trouble::Asked(_)) => Err(Failure::start(trouble)),
        Err(trouble) => Err(Failure::fault(trouble)),
    }
}

impl Source {
    /// The desk of the running switch; none where a directory is read.
    fn desk(&self) -> Result<Option<Desk>, Trouble> {
        let Some(path) = &self.config else { return Ok(None) };
        let config = Config::read(path).map_err(|error| Trouble::Asked(error.to_string()))?;
        Desk::call(&config.directory).map(Some)
    }

    fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_default()
    }
}

pub(super) fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let found = match arguments.source.desk()? {
        Some(desk) => desk.show(arguments.id, arguments.through_journal),
        None => open_offline(&arguments.source.data())?.show(arguments.id, arguments.through_journal),
    };
    match found {
        Ok(trace) if arguments.json => write_trace_json(&trace, out).map_err(Trouble::Output),
        Ok(trace) => write_trace(&trace, out).map_err(Trouble::Output),
        Err(trouble) => {
            if arguments.json && matches!(trouble, Trouble::NotThere(_)) {
                let line = json!({ "id": arguments.id.to_string(), "found": false });
                writeln!(out, "{line}").map_err(Trouble::Output)?;
            }
            Err(trouble)
        }
    }
}

/// What stands in the list, for people and for programs.
const COLUMNS: [Column; 14] = [
    column("time", Values::Time).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("id", Values::Text).seen_as("payment"),
    column("kind", Values::Text).seen_as("kind"),
    column("lane", Values::Text),
    column("outcome", Values::Text).seen_as("outcome"),
    column("reason", Values::Text).seen_as("reason"),
    column("field", Values::Text),
    column("payer", Values::Text).seen_as("payer"),
    column("payee", Values::Text).seen_as("payee"),
    column("amount", Values::Money).seen_as("amount"),
    column("currency", Values::Text).seen_as(""),
    column("minor_digits", Values::Count),
    column("order_position", Values::Count).seen_as("order"),
];

fn cells(row: &PaymentRow) -> [Cell; 14] {
    let text = |text: &Option<String>| text.as_deref().map_or(Cell::Nothing, Cell::text);
    [
        Cell::Time(row.time_ns),
        Cell::Count(row.position),
        Cell::text(&row.id),
        Cell::text(&row.kind),
        lane_name(row.lane).map_or(Cell::Nothing, Cell::text),
        Cell::text(&row.outcome),
        text(&row.reason),
        text(&row.field),
        Cell::text(&row.payer),
        text(&row.payee),
        Cell::money(row.amount.into(), row.minor_digits.unwrap_or(0)),
        text(&row.currency),
        row.minor_digits.map_or(Cell::Nothing, |digits| Cell::Count(digits.into())),
        Cell::Count(row.order),
    ]
}

pub(super) fn list(arguments: &List, out: &mut dyn Write) -> Result<(), Trouble> {
    let query = ListQuery {
        participant: arguments.participant.map(|code| code.to_string()),
        from_ns: arguments.from,
        to_ns: arguments.to,
        outcome: arguments.outcome,
        reason: arguments.reason.clone(),
        limit: arguments.limit,
        after: arguments.after.clone(),
    };
    let desk = arguments.source.desk()?;
    let mut page = Page { form: arguments.form.form(), begun: None };
    let mut emit = |row: &PaymentRow| page.row(row, out).map_err(Trouble::Output);
    let next = match desk {
        Some(desk) => desk.list(&query, &mut emit),
        None => {
            let next = open_offline(&arguments.source.data())?.list(&query, &mut emit);
            next.map(|next| next.map(|next| next.to_string()))
        }
    }?;
    page.end(next, out).map_err(Trouble::Output)
}

/// A list on its way out. What is asked wrongly is known before the first row, and leaves nothing on standard output.
struct Page {
    form: Form,
    begun: Option<(Rows, Option<JsonObject>)>,
}

impl Page {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<&mut (Rows, Option<JsonObject>)> {
        if self.begun.is_none() {
            let object = if self.form == Form::JsonList {
                let mut object = JsonObject::begin(out)?;
                object.begin_list(out, "payments")?;
                Some(object)
            } else {
                None
            };
            self.begun = Some((Rows::begin(out, self.form, &COLUMNS)?, object));
        }
        Ok(self.begun.as_mut().unwrap_or_else(|| unreachable!("it was begun in the lines above")))
    }

    fn row(&mut self, row: &PaymentRow, out: &mut dyn Write) -> io::Result<()> {
        let (rows, _) = self.begin(out)?;
        rows.push(out, &cells(row))
    }

    fn end(mut self, next: Option<String>, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)?;
        let Some((rows, object)) = self.begun.take() else { return Ok(()) };
        let count = rows.end(out)?;
        match (self.form, object) {
            (_, Some(mut object)) => {
                object.end_list(out)?;
                object.field(out, "next", &next)?;
                object.end(out)?;
            }
            (Form::People, None) => {
                writeln!(out, "\npayments: {}", grouped(count.into()))?;
                if let Some(next) = next {
                    writeln!(out, "more: --after {next}")?;
                }
            }
            // CSV has no place for it.
            (_, None) => {
                if let Some(next) = next {
                    writeln!(io::stderr(), "more: --after {next}")?;
                }
            }
        }
        Ok(())
    }
}

/// The trace, for people and for programs.
const STEPS: [Column; 9] = [
    column("time", Values::Text).seen_as("time"),
    column("position", Values::Count).seen_as("position"),
    column("after_ns", Values::Text).seen_as("after"),
    column("step", Values::Text).seen_as("step"),
    column("participant", Values::Text).seen_as("who"),
    column("lane", Values::Text).seen_as("lane"),
    column("number", Values::Count).seen_as("number"),
    column("says", Values::Text).seen_as("says"),
    column("sealed", Values::Text).seen_as("private part"),
];

fn step_cells(step: &Step, ordered_ns: u64) -> [Cell; 9] {
    let direction = if step.kind.is_effect() { "to" } else { "from" };
    let who = step.participant.as_ref().map_or(Cell::Nothing, |code| Cell::Text(format!("{direction} {code}")));
    [
        Cell::text(time_text(step.time_ns)),
        Cell::Count(step.position),
        Cell::Text(format!("{} ms", ms_text(step.time_ns - ordered_ns))),
        Cell::text(step.kind.name()),
        who,
        step.lane.and_then(lane_name).map_or(Cell::Nothing, Cell::text),
        step.number.map_or(Cell::Nothing, Cell::Count),
        Cell::text(&step.says),
        Cell::text(if step.is_sealed { "sealed" } else { "" }),
    ]
}

fn lane_name(lane: u8) -> Option<&'static str> {
    Some(match Lane::from_number(lane)? {
        Lane::Session => "session",
        Lane::Payments => "payments",
        Lane::Bulk => "bulk",
        Lane::Directory => "directory",
    })
}

/// Milliseconds with three digits.
fn ms_text(ns: u64) -> String {
    let us = ns / (NS_PER_MS / 1_000);
    format!("{}.{:03}", grouped((us / 1_000).into()), us % 1_000)
}

fn amount_text(row: &PaymentRow) -> String {
    match (&row.currency, row.minor_digits) {
        (Some(currency), Some(digits)) => format!("{} {currency}", money(row.amount.into(), digits)),
        (Some(currency), None) => format!("{} minor units of {currency}", grouped(row.amount.into())),
        (None, _) => format!("{} minor units", grouped(row.amount.into())),
    }
}

fn write_trace(trace: &PaymentTrace, out: &mut dyn Write) -> io::Result<()> {
    let PaymentTrace { row, ordered_ns, .. } = trace;
    let outcome = row.outcome.replace('_', " ");
    let words: Vec<&str> =
        [Some(outcome.as_str()), row.reason.as_deref(), row.field.as_deref()].into_iter().flatten().collect();
    writeln!(out, "{:<9} {}", row.kind, row.id)?;
    writeln!(out, "outcome   {}", words.join(", "))?;
    writeln!(out, "amount    {}", amount_text(row))?;
    if trace.returned > 0 {
        writeln!(out, "returned  {}", amount_text(&PaymentRow { amount: trace.returned, ..row.clone() }))?;
    }
    if row.lane != Lane::Payments as u8 {
        writeln!(out, "lane      {}", lane_name(row.lane).unwrap_or(""))?;
    }
    writeln!(out, "payer     {}", row.payer)?;
    writeln!(out, "payee     {}", row.payee.as_deref().unwrap_or(""))?;
    writeln!(out, "accepted  {}", time_text(trace.accepted_at_ns))?;
    writeln!(out, "ordered   {}, position {}", time_text(*ordered_ns), grouped(row.order.into()))?;
    if let Some(deadline_ns) = trace.deadline_ns {
        writeln!(out, "deadline  {}", time_text(deadline_ns))?;
    }
    if trace.is_decided() {
        writeln!(out, "decided   {}, position {}", time_text(row.time_ns), grouped(row.position.into()))?;
        writeln!(out, "took      {} ms", ms_text(row.time_ns - ordered_ns))?;
    }
    writeln!(out)?;
    let mut rows = Rows::begin(out, Form::People, &STEPS)?;
    for step in &trace.steps {
        rows.push(out, &step_cells(step, *ordered_ns))?;
    }
    rows.end(out)?;
    Ok(())
}

fn write_trace_json(trace: &PaymentTrace, out: &mut dyn Write) -> io::Result<()> {
    let PaymentTrace { row, ordered_ns, .. } = trace;
    let place = |time_ns: u64, position: u64| json!({ "time": time_text(time_ns), "position": position });
    let steps: Vec<_> = trace.steps.iter().map(|step| step_json(step, *ordered_ns)).collect();
    let object = json!({
        "id": row.id,
        "found": true,
        "kind": row.kind,
        "lane": lane_name(row.lane),
        "outcome": row.outcome,
        "reason": row.reason,
        "field": row.field,
        "payer": row.payer,
        "payee": row.payee,
        "amount": row.amount.to_string(),
        "returned": trace.returned.to_string(),
        "currency": row.currency,
        "minor_digits": row.minor_digits,
        "accepted_at": time_text(trace.accepted_at_ns),
        "ordered": place(*ordered_ns, row.order),
        "deadline": trace.deadline_ns.map(time_text),
        "decided": trace.is_decided().then(|| place(row.time_ns, row.position)),
        "through_journal": trace.is_through_journal,
        "trace": steps,
    });
    writeln!(out, "{object}")
}

fn step_json(step: &Step, ordered_ns: u64) -> serde_json::Value {
    json!({
        "time": time_text(step.time_ns),
        "position": step.position,
        "after_ns": step.time_ns - ordered_ns,
        "step": step.kind.name(),
        "effect": step.kind.is_effect(),
        "participant": step.participant,
        "lane": step.lane.and_then(lane_name),
        "number": step.number,
        "says": step.says,
        "sealed": step.is_sealed,
    })
}
