//! `switch admin currencies`: another currency of the scheme.

use std::io;

use ledger::Currency;

use super::By;
use super::participants::amount_text;
use crate::cli::ledger::arguments::currency;
use crate::engine::scheme::Model;
use crate::lookup::Trouble;
use crate::operator::Action;

/// `switch admin currencies`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Admit a currency
    Open(Open),
}

/// Another currency.
#[derive(clap::Args)]
pub(in crate::cli) struct Open {
    /// ISO 4217
    #[arg(value_name = "CODE", value_parser = currency)]
    currency: Currency,
    /// Digits after the decimal point
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    minor_digits: u8,
    /// The greatest payment, in minor units
    #[arg(long, value_name = "AMOUNT")]
    amount_max: u64,
    /// Payments move positions, and windows of them are settled; without, each moves settlement accounts
    #[arg(long)]
    net: bool,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let Command::Open(Open { currency, minor_digits, amount_max, net, by }) = command;
    let currency = currency.to_string();
    let model = if *net { Model::Net } else { Model::Gross };
    // How many digits there may be is said where the command is checked.
    let digits = (*minor_digits).min(crate::limits::MINOR_DIGITS_MAX);
    let said = [
        ("open", currency.clone()),
        ("settles", model.name().to_owned()),
        ("digits", minor_digits.to_string()),
        ("at most", amount_text(*amount_max, &currency, digits)),
    ];
    let action = Action::OpenCurrency { currency, minor_digits: *minor_digits, amount_max: *amount_max, model };
    by.carry_out(&said, action, "opened", &mut io::stdout().lock())
}
