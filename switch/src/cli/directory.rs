//! `switch directory`: what is done with the directory of a switch that does not run.

use std::path::PathBuf;
use std::process::ExitCode;

use adapters::message::ParticipantCode;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, grouped};
use crate::config::Config;
use crate::import::{ImportError, ImportPlan, import};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Import aliases of a provider's customers from a file that an ID system has attested
    ///
    /// The switch must not run. Rows that are not taken go into the file of errors with their lines; status 1 says that there are some. The same file again changes nothing.
    Import(ImportArguments),
}

#[derive(Args)]
pub(super) struct ImportArguments {
    /// Configuration file of the switch
    #[arg(long)]
    config: PathBuf,
    /// Whose customers they are
    #[arg(long)]
    participant: String,
    /// CSV with the head type,alias,identity,account,name
    #[arg(long)]
    file: PathBuf,
    /// The file's attestation: a compact JWS
    #[arg(long)]
    attestation: PathBuf,
    /// Where rows go that are not taken [default: the file's name with .errors.csv]
    #[arg(long)]
    errors: Option<PathBuf>,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Import(arguments) = command;
    let config = Config::read(&arguments.config).map_err(Failure::start)?;
    let participant = ParticipantCode::parse(&arguments.participant);
    let participant = participant.ok_or_else(|| Failure::start("--participant: a code is 1 to 35 of A-Z 0-9 - _"))?;
    let errors = arguments.errors.clone().unwrap_or_else(|| arguments.file.with_extension("errors.csv"));
    let (file, attestation) = (arguments.file.clone(), arguments.attestation.clone());
    let plan = ImportPlan { participant, file, attestation, errors };
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} rows, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let imported = import(&config, &plan, |done, rows| {
        bar.set_length(rows);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let imported = imported.map_err(|error| match error {
        ImportError::Fault(_) => Failure::fault(error),
        ImportError::File(..) | ImportError::Refused(_) => Failure::start(error),
    })?;
    if arguments.json {
        let text = serde_json::to_string(&imported).map_err(Failure::fault)?;
        println!("{text}");
    } else {
        let numbers = [imported.rows, imported.registered, imported.refused].map(|number| grouped(number.into()));
        println!("{} rows: {} registered, {} not taken", numbers[0], numbers[1], numbers[2]);
        if imported.refused > 0 {
            println!("why, line by line: {}", plan.errors.display());
        }
    }
    Ok(if imported.refused > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
