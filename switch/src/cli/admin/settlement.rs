//! `switch admin settlement`: windows, looked at, closed and settled; calendars.

use std::io::{self, Write};

use adapters::message::ParticipantCode;
use ledger::Currency;

use super::calendar;
use super::show::{json, money_in, signed_money, table};
use super::{By, Place};
use crate::cli::ledger::arguments::{currency, cycle, participant, short_time_text};
use crate::engine::scheme::settlement::Cycle;
use crate::lookup::Trouble;
use crate::operator::view::{NetRow, Page, Question, View, WindowRow, WindowState};
use crate::operator::{Action, SettlementInput};

/// `switch admin settlement`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the windows that are open or not settled
    Windows(Windows),
    /// Show the nets of a window
    Nets(Nets),
    /// Close the open window of a cycle
    Cut(Cut),
    /// Start the settlement of a closed window: what debtors have to give is held
    Start(Window),
    /// Confirm nets of a window whose settlement was started: they move
    #[command(
        after_help = "Example:\n  switch admin settlement confirm --currency XTS --window 1 --all --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'settlement of 22 November' --yes"
    )]
    Confirm(Confirm),
    /// Give a window up: what was not confirmed is back in the open one
    Abort(Window),
    /// Set when windows of a cycle close by themselves
    #[command(
        after_help = "Examples:\n  switch admin settlement calendar --currency XTS --days mon-fri --at 10:00,16:30 --holiday 2026-12-25 --data /var/lib/clearspan \\\n    --operator j.doe --reason 'calendar of 2026' --yes\n  switch admin settlement calendar --currency XTS --none --data /var/lib/clearspan --operator j.doe --reason 'by hand again' --yes"
    )]
    Calendar(calendar::Arguments),
}

/// Of which cycle.
#[derive(clap::Args)]
pub(super) struct Of {
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    pub(super) currency: Currency,
    /// payments or disputes
    #[arg(long, value_name = "CYCLE", default_value = "payments", value_parser = cycle)]
    pub(super) cycle: Cycle,
}

/// What is not settled.
#[derive(clap::Args)]
pub(in crate::cli) struct Windows {
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Nets.
#[derive(clap::Args)]
pub(in crate::cli) struct Nets {
    #[command(flatten)]
    of: Of,
    /// The window's number; without, the open one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    window: u32,
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// A cut-off.
#[derive(clap::Args)]
pub(in crate::cli) struct Cut {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    by: By,
}

/// A window.
#[derive(clap::Args)]
pub(in crate::cli) struct Window {
    #[command(flatten)]
    of: Of,
    /// The window's number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    #[command(flatten)]
    by: By,
}

/// Nets that are confirmed.
#[derive(clap::Args)]
pub(in crate::cli) struct Confirm {
    #[command(flatten)]
    window: Window,
    /// Whose net
    #[arg(long, value_name = "CODE", value_parser = participant, required_unless_present = "all", conflicts_with = "all")]
    participant: Option<ParticipantCode>,
    /// All that are not confirmed: debtors first, then creditors, one after the other
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let out = &mut out;
    match command {
        Command::Windows(arguments) => windows(arguments, out),
        Command::Nets(arguments) => nets(arguments, out),
        Command::Cut(arguments) => cut(arguments, out),
        Command::Start(window) => step(window, SettlementInput::Start, "started; confirm the nets, debtors first", out),
        Command::Abort(window) => {
            step(window, SettlementInput::Abort, "aborted; what was not settled is in the open window", out)
        }
        Command::Confirm(arguments) => confirm(arguments, out),
        Command::Calendar(arguments) => calendar::set(arguments, out),
    }
}

fn only_windows(view: View) -> Option<Page<WindowRow>> {
    if let View::Windows(page) = view { Some(page) } else { None }
}

fn windows(arguments: &Windows, out: &mut dyn Write) -> Result<(), Trouble> {
    let windows = arguments.place.rows(|_| Question::Windows {}, only_windows)?;
    if arguments.json {
        return json(&windows, out);
    }
    let rows: Vec<Vec<String>> = windows
        .iter()
        .map(|window| {
            let is_open = window.state == WindowState::Open;
            vec![
                window.currency.clone(),
                window.cycle.name().to_owned(),
                window.window.to_string(),
                window.state.name().to_owned(),
                short_time_text(window.since_ns),
                window.closes_at_ns.map_or_else(String::new, short_time_text),
                if is_open { String::new() } else { signed_money(window.gross, window.minor_digits) },
                if is_open { String::new() } else { format!("{} of {}", window.confirmed, window.nets) },
            ]
        })
        .collect();
    let headers = ["currency", "cycle", ">window", "state", "since", "closes at", ">creditors get", "confirmed"];
    table(&headers, &rows, out)
}

fn nets_of(place: &Place, of: &Of, window: u32) -> Result<Vec<NetRow>, Trouble> {
    let (currency, cycle) = (of.currency.to_string(), of.cycle);
    place.rows(
        |after| Question::Nets { currency: currency.clone(), cycle, window, after },
        |view| if let View::Nets(page) = view { Some(page) } else { None },
    )
}

fn nets(arguments: &Nets, out: &mut dyn Write) -> Result<(), Trouble> {
    let nets = nets_of(&arguments.place, &arguments.of, arguments.window)?;
    if arguments.json { json(&nets, out) } else { write_nets(&nets, out) }
}

fn write_nets(nets: &[NetRow], out: &mut dyn Write) -> Result<(), Trouble> {
    let rows: Vec<Vec<String>> = nets
        .iter()
        .map(|net| {
            let (window, participant) = (net.window.to_string(), net.participant.clone());
            let state = if net.is_confirmed { "confirmed" } else { "" }.to_owned();
            vec![window, participant, net.currency.clone(), signed_money(net.net, net.minor_digits), state]
        })
        .collect();
    table(&[">window", "participant", "currency", ">net", "state"], &rows, out)
}

fn cut(Cut { of, by }: &Cut, out: &mut dyn Write) -> Result<(), Trouble> {
    let windows = by.place.rows(|_| Question::Windows {}, only_windows)?;
    let open = windows.iter().find(|window| {
        window.state == WindowState::Open && window.currency == of.currency.to_string() && window.cycle == of.cycle
    });
    let number = open.map_or(1, |window| window.window);
    if open.is_some() {
        write_nets(&nets_of(&by.place, of, 0)?, out)?;
    }
    let said = [
        ("step", "cut-off".to_owned()),
        ("cycle", format!("{} of {}", of.cycle.name(), of.currency)),
        ("window", number.to_string()),
    ];
    let action = Action::CutOff { currency: of.currency.to_string(), cycle: of.cycle };
    by.carry_out(&said, action, &format!("window {number} is closed, and the next one open"), out)
}

fn said_of(Window { of, window, .. }: &Window, step: &str) -> Vec<(&'static str, String)> {
    vec![
        ("step", step.to_owned()),
        ("cycle", format!("{} of {}", of.cycle.name(), of.currency)),
        ("window", window.to_string()),
    ]
}

fn action_of(Window { of, window, .. }: &Window, step: SettlementInput) -> Action {
    Action::StepSettlement { currency: of.currency.to_string(), cycle: of.cycle, window: *window, step }
}

fn step(window: &Window, step: SettlementInput, then: &str, out: &mut dyn Write) -> Result<(), Trouble> {
    // A window that is settled, or was never there, has no nets to show; the engine says which.
    if let Ok(nets) = nets_of(&window.by.place, &window.of, window.window) {
        write_nets(&nets, out)?;
    }
    let name = if step == SettlementInput::Start { "start" } else { "abort" };
    window.by.carry_out(&said_of(window, name), action_of(window, step), then, out)
}

fn confirm(Confirm { window, participant, all }: &Confirm, out: &mut dyn Write) -> Result<(), Trouble> {
    let mut nets = match nets_of(&window.by.place, &window.of, window.window) {
        Ok(nets) => nets,
        // The engine says what is wrong with one; where all are meant, there is nothing to give.
        Err(trouble) if *all => return Err(trouble),
        Err(_) => Vec::new(),
    };
    if let Some(participant) = participant {
        let mut said = said_of(window, "confirm");
        said.push(("participant", participant.to_string()));
        if let Some(net) = nets.iter().find(|net| net.participant == participant.to_string()) {
            said.push(("net", money_in(net.net, &net.currency, net.minor_digits)));
        }
        let action = action_of(window, SettlementInput::Confirm(participant.to_string()));
        return window.by.carry_out(&said, action, "confirmed", out);
    }
    nets.retain(|net| !net.is_confirmed);
    // Debtors first: creditors get what these bring.
    nets.sort_by_key(|net| net.net > 0);
    write_nets(&nets, out)?;
    if nets.is_empty() {
        return Err(Trouble::Asked(format!("window {} has no net that is not confirmed", window.window)));
    }
    for net in &nets {
        let said = [("confirm", format!("{} {}", net.participant, money_in(net.net, &net.currency, net.minor_digits)))];
        let action = action_of(window, SettlementInput::Confirm(net.participant.clone()));
        window.by.carry_out(&said, action, "confirmed", out)?;
    }
    Ok(())
}
