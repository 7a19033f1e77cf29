//! `switch admin liquidity`: what is available, floors and ceilings.

use std::io::{self, Write};

use adapters::message::ParticipantCode;
use ledger::Currency;

use super::participants::amount_text;
use super::show::{json, signed_money, table};
use super::{By, Place};
use crate::cli::ledger::arguments::{currency, participant};
use crate::lookup::Trouble;
use crate::operator::Action;
use crate::operator::view::{LiquidityRow, Page, Question, View};

/// `switch admin liquidity`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show what is available on settlement accounts, with floors and ceilings
    Show(Show),
    /// Set floor and ceiling of a participant's settlement account
    Rules(Rules),
}

/// What is available.
#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    /// Of this currency alone
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Option<Currency>,
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line, amounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Floor and ceiling. Amounts in minor units.
#[derive(clap::Args)]
pub(in crate::cli) struct Rules {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    /// Below this the operator is told, in minor units
    #[arg(long, value_name = "AMOUNT", required_unless_present = "none")]
    floor: Option<u64>,
    /// What a top-up, or a sweep, leaves, in minor units
    #[arg(long, value_name = "AMOUNT", required_unless_present = "none")]
    target: Option<u64>,
    /// Above this the operator is told, in minor units; 0 for none
    #[arg(long, value_name = "AMOUNT", default_value_t = 0)]
    ceiling: u64,
    /// Top up from the reserve, and sweep into it: gross currencies
    #[arg(long)]
    automatic: bool,
    /// No floor and no ceiling any more
    #[arg(long, conflicts_with_all = ["floor", "target", "ceiling", "automatic"])]
    none: bool,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    match command {
        Command::Show(arguments) => show(arguments, &mut out),
        Command::Rules(arguments) => set(arguments, &mut out),
    }
}

fn only_liquidity(view: View) -> Option<Page<LiquidityRow>> {
    if let View::Liquidity(page) = view { Some(page) } else { None }
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let currency = arguments.currency.map(|currency| currency.to_string());
    let rows =
        arguments.place.rows(|after| Question::Liquidity { currency: currency.clone(), after }, only_liquidity)?;
    if arguments.json {
        return json(&rows, out);
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let amount = |minor_units| signed_money(minor_units, row.minor_digits);
            let (code, currency) = (row.participant.clone(), row.currency.clone());
            let mut cells = vec![code, currency, amount(row.available), amount(row.free), amount(row.reserve)];
            match &row.rule {
                Some(rule) => {
                    cells.extend([rule.floor, rule.target, rule.ceiling].map(|value| amount(value.into())));
                    let how = if rule.is_automatic { ", automatic" } else { "" };
                    cells.push(format!("{}{how}", rule.level.name()));
                }
                None => cells.extend(["", "", "", ""].map(str::to_owned)),
            }
            cells
        })
        .collect();
    let headers =
        ["participant", "currency", ">available", ">free", ">reserve", ">floor", ">target", ">ceiling", "level"];
    table(&headers, &rows, out)
}

fn set(arguments: &Rules, out: &mut dyn Write) -> Result<(), Trouble> {
    let &Rules { ref participant, ref currency, floor, target, ceiling, automatic, ref by, .. } = arguments;
    let (floor, target) = (floor.unwrap_or(0), target.unwrap_or(0));
    let currency = currency.to_string();
    let digits = by.place.digits_of(&currency)?;
    let amount = |minor_units| amount_text(minor_units, &currency, digits);
    let said = [
        ("participant", participant.to_string()),
        ("floor", amount(floor)),
        ("target", amount(target)),
        ("ceiling", if ceiling == 0 { "none".to_owned() } else { amount(ceiling) }),
        ("reserve", if automatic { "used" } else { "not used" }.to_owned()),
    ];
    let participant = participant.to_string();
    let action = Action::SetLiquidityRules { participant, currency, floor, target, ceiling, is_automatic: automatic };
    by.carry_out(&said, action, "in force", out)
}
