//! The command line. Exit status 0: done, and right. 1: a payment has no outcome, the books are wrong, or a service level was missed. 2: it could not
//! begin, or its report could not be written.

mod aliases;
mod compare;
mod fill;
mod idle;
mod max;
mod out;
mod run;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::SetUpError;
use crate::machine::raise_open_files;

/// Loads a switch with payments, and says what became of each of them.
#[derive(Parser)]
#[command(name = "loadtest", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play all providers of a scheme: offer payments, answer them, and report counts, latencies and a verdict
    Run(run::Arguments),
    /// Find the highest rate that holds a service level, and draw latency against throughput
    Max(max::Arguments),
    /// Hold connections that only wait, and say what they cost the switch
    Idle(idle::Arguments),
    /// Make a large history quickly, through the real engine and journal
    Fill(fill::Arguments),
    /// Write a file of aliases, and its attestation, for `switch directory import`
    Aliases(aliases::Arguments),
    /// Set two reports side by side
    Compare(compare::Arguments),
    /// List the scenarios that come along, or print one to begin from
    Scenarios(run::ScenariosArguments),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    raise_open_files();
    let done = match Arguments::parse().command {
        Command::Run(arguments) => in_runtime(run::run(&arguments)),
        Command::Max(arguments) => in_runtime(max::run(&arguments)),
        Command::Idle(arguments) => in_runtime(idle::run(&arguments)),
        Command::Fill(arguments) => in_runtime(fill::run(&arguments)),
        Command::Aliases(arguments) => aliases::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Scenarios(arguments) => run::list(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

/// Everything happens on this one thread.
fn in_runtime(work: impl Future<Output = Result<bool, SetUpError>>) -> Result<bool, SetUpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| SetUpError::new(format!("cannot start: {error}")))?;
    // The loop yields by itself after each turn; a budget in the middle of one would only cut writes short.
    runtime.block_on(tokio::task::unconstrained(work))
}

/// Prints for whoever reads standard output, who may have gone.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
