//! `switch admin events`: the stream of what the operator is told, from a number on.

use std::io::{self, Write};
use std::time::Duration;

use super::Place;
use super::show::{json, signed_money};
use crate::cli::ledger::arguments::short_time_text;
use crate::limits::EVENTS_LOOK_MS;
use crate::lookup::Trouble;
use crate::offline::StoppedEvents;
use crate::operator::story::{EventRow, EventsView};
use crate::server::AdminOffice;

/// `switch admin events`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  switch admin events --data /var/lib/clearspan\n  switch admin events --after 4711 --follow --json --data /var/lib/clearspan"
)]
pub(in crate::cli) struct Arguments {
    /// Go on behind the event with this number; without, from the oldest that is kept
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Wait for more, until this command is ended
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let Arguments { after, follow, place, .. } = arguments;
    let config = place.config()?;
    if place.offline && *follow {
        return Err(Trouble::Asked("--follow waits for a switch that runs: leave --offline out".to_owned()));
    }
    let mut stopped = if place.offline { Some(StoppedEvents::open(&config)?) } else { None };
    let mut page = |after| match &mut stopped {
        Some(stopped) => stopped.page(after),
        None => AdminOffice::of(&config.directory).events(after),
    };
    let mut seen = None;
    loop {
        let asked = seen.or(*after);
        let view = page(asked.unwrap_or(0))?;
        let from = begin(asked, &view)?;
        // Where the oldest kept are wanted, and 0 is before them, they were not sent.
        let view = if asked.is_none() && from > 0 { page(from)? } else { view };
        write(&view.rows, arguments.json, &mut out)?;
        out.flush().map_err(Trouble::Output)?;
        let last = view.rows.last().map_or(from, |row| row.number);
        seen = Some(last);
        if last >= view.through {
            if !follow {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(EVENTS_LOOK_MS));
        }
    }
}

/// Behind which number to begin: what was dropped, and what is not there yet, is said.
fn begin(asked: Option<u64>, view: &EventsView) -> Result<u64, Trouble> {
    let &EventsView { first, through, .. } = view;
    let Some(after) = asked else { return Ok(first - 1) };
    if after < first - 1 {
        let before = first - 1;
        return Err(Trouble::Asked(format!(
            "events {} to {before} were dropped: the oldest that is kept is {first}; go on with --after {before}",
            after + 1
        )));
    }
    if after > through {
        return Err(Trouble::Asked(format!("there is no event {after} yet: the newest is {through}")));
    }
    Ok(after)
}

fn write(rows: &[EventRow], as_json: bool, out: &mut dyn Write) -> Result<(), Trouble> {
    if as_json {
        return json(rows, out);
    }
    for row in rows {
        writeln!(out, "{}", line_of(row)).map_err(Trouble::Output)?;
    }
    Ok(())
}

/// `17  2026-11-22T14:30:00.000Z  NetDetermined  PSP0001  XTS -600.00  payments window 1`
fn line_of(row: &EventRow) -> String {
    let mut parts = vec![format!("{:<6}", row.number), short_time_text(row.time_ns), format!("{:<22}", row.event)];
    match (&row.participant, &row.other) {
        (Some(participant), Some(other)) => parts.push(format!("{participant} {other}")),
        (Some(participant), None) => parts.push(participant.clone()),
        _ => {}
    }
    let amount = (row.amount != 0).then(|| signed_money(row.amount, row.minor_digits.unwrap_or(0)));
    match (&row.currency, amount) {
        (Some(currency), Some(amount)) => parts.push(format!("{currency} {amount}")),
        (Some(currency), None) => parts.push(currency.clone()),
        _ => {}
    }
    match (row.cycle, row.window) {
        (Some(cycle), Some(window)) => parts.push(format!("{} window {window}", cycle.name())),
        (Some(cycle), None) => parts.push(cycle.name().to_owned()),
        _ => {}
    }
    if !row.says.is_empty() {
        parts.push(row.says.clone());
    }
    parts.join("  ").trim_end().to_owned()
}
