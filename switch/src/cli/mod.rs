//! The command line: what can be asked of the switch, and the exit status. 0: done. 1: the books or the journal are not right, the
//! switch stopped by itself, or what was asked for is not there. 2: it could not start.

mod admin;
mod demo;
mod directory;
mod init;
mod ledger;
mod payments;
mod print;
mod report;
mod serve;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use print::grouped;

/// A national real-time payment switch.
#[derive(Parser)]
#[command(name = "switch", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the switch at work: three sandbox providers, real payments over TLS, a real journal
    Demo(demo::Arguments),
    /// Make a data directory: configuration, genesis and development certificates
    Init(init::Arguments),
    /// Run the switch
    ///
    /// Prints `ready native=HOST:PORT` once it accepts, and logs to standard error. SIGTERM or Ctrl-C stops it gracefully: status 0.
    /// Status 1: it stopped by itself. Status 2: it could not start.
    Serve(serve::Arguments),
    /// Simulate the whole switch under a virtual clock, with providers, disk and network that fail as the seed says
    ///
    /// Standard output depends on seed, options and build alone; timings go to standard error. Status 1: an invariant does not hold; the
    /// command line that shows it again, and a smaller one, are printed.
    Simulate(simulate::Arguments),
    /// Look at the ledger of a data directory
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Report on participants, settlement and the whole scheme, from the journal of a data directory
    #[command(subcommand)]
    Report(report::Command),
    /// Work on the directory of aliases while the switch does not run
    #[command(subcommand)]
    Directory(directory::Command),
    /// Look at one payment, of a running switch or of a data directory
    #[command(subcommand)]
    Payment(payments::Payment),
    /// Look at payments by participant, time and outcome
    #[command(subcommand)]
    Payments(payments::Payments),
    /// Change the scheme as an operator: every change is a journaled entry with a name and a reason
    #[command(subcommand)]
    Admin(admin::Command),
}

/// A failure that ends the command: what to say, and the exit status.
struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// It could not start.
    fn start(error: impl std::fmt::Display) -> Failure {
        Failure { message: error.to_string(), status: 2 }
    }

    /// It stopped by itself.
    fn fault(error: impl std::fmt::Display) -> Failure {
        Failure { message: error.to_string(), status: 1 }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => init::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Serve(arguments) => serve::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Simulate(arguments) => Ok(simulate::run(&arguments)),
        Command::Ledger(command) => ledger::run(&command),
        Command::Report(command) => report::run(&command),
        Command::Directory(command) => directory::run(&command),
        Command::Payment(command) => payments::run_payment(&command),
        Command::Payments(command) => payments::run_payments(&command),
        Command::Admin(command) => admin::run(&command),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("switch: {}", failure.message);
        ExitCode::from(failure.status)
    })
}

/// Logs to standard error, one line an event, with times. `CLEARSPAN_LOG` sets the least level: error, warn (the default of `demo`), info (that of
/// `serve`), debug.
fn start_logging(default_level: tracing::Level) {
    let wanted = std::env::var("CLEARSPAN_LOG").ok().and_then(|level| level.parse().ok());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(wanted.unwrap_or(default_level))
        .with_target(false)
        .with_ansi(false)
        .finish();
    // Another logger may stand already when several commands run in one process, as in tests.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// From now on Ctrl-C and SIGTERM end nothing by themselves; waits for one of them.
fn listen_for_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The file that `init` writes and `serve` reads.
fn config_path(data: &std::path::Path) -> PathBuf {
    data.join("switch.toml")
}
