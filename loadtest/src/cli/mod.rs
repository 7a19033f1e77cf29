//! The command line. Exit status 0: done, and right. 1: a payment has no outcome, or the books are wrong. 2: it could not begin.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::SetUpError;
use crate::generator::{Generator, Load, Options, Outcome};
use crate::interrupts::Interrupts;
use crate::limits::{DURATION_S_MAX, FLIGHTS_MAX, PARTICIPANTS_MAX, RATE_MAX};
use crate::machine::CpuTicks;
use crate::report::{Books, CpuSeconds, Report};
use crate::schedule::Schedule;
use crate::spawn::{self, SpawnedSwitch};

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
    Run(RunArguments),
}

/// Plays all providers of a scheme over mutual TLS: offers payments, answers them, waits until each has an outcome, and reports.
///
/// The report goes to standard output as JSON (or to --out), a summary for people to standard error. Ctrl-C ends the load early, drains and reports.
/// Exit status: 0 all is well; 1 a payment has no outcome or the books are wrong; 2 the run could not begin.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["spawn", "connect"]))]
#[command(after_help = "Examples:
  loadtest run --spawn --rate 1000 --duration 10
  loadtest run --spawn --rate max --duration 10 --out max.json
  loadtest run --connect 127.0.0.1:7400 --pki /tmp/clearspan/pki --rate 5000 --duration 30")]
struct RunArguments {
    /// Start a switch on this machine with a journal of its own, audit it afterwards, and leave nothing behind
    #[arg(long)]
    spawn: bool,
    /// Load a switch that is running already
    #[arg(long, value_name = "HOST:PORT", requires = "pki")]
    connect: Option<String>,
    /// Where ca.pem and the participants' CODE.pem and CODE.key lie (with --connect)
    #[arg(long, value_name = "DIR", requires = "connect")]
    pki: Option<PathBuf>,
    /// What the providers speak
    #[arg(long, value_enum, default_value_t = Protocol::Native)]
    protocol: Protocol,
    /// Payments a second on a fixed schedule, whatever the switch does (open loop); or `max`: as many as are answered (closed loop)
    #[arg(long, value_name = "R|max")]
    rate: String,
    /// With --rate max: payments without an outcome, over all connections
    #[arg(long, value_name = "N", default_value_t = 8_192)]
    in_flight: u32,
    /// For how long payments are offered
    #[arg(long, value_name = "SECONDS")]
    duration: u64,
    /// Where the JSON report goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Participants of a spawned switch, one connection each, every one payer and payee
    #[arg(long, value_name = "N", default_value_t = 16, conflicts_with = "connect")]
    participants: u32,
    /// The switch's binary [default: the one beside this one]
    #[arg(long, value_name = "PATH", conflicts_with = "connect")]
    switch_bin: Option<PathBuf>,
    /// Allow a target that is not on this machine: load is an attack on a switch that is not yours
    #[arg(long)]
    i_own_this_switch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Frames over TLS
    Native,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let Command::Run(arguments) = Arguments::parse().command;
    let is_right = run_load(&arguments).unwrap_or_else(|error| {
        eprintln!("loadtest: {error}");
        None
    });
    match is_right {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => ExitCode::from(2),
    }
}

/// Everything that can be refused is, before anything is started. Some: there is a report, and whether all is right.
fn run_load(arguments: &RunArguments) -> Result<Option<bool>, SetUpError> {
    let Protocol::Native = arguments.protocol;
    let load = arguments.load()?;
    let target = arguments.target()?;
    let mut out = arguments.out.as_deref().map(OutFile::open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| SetUpError::new(format!("cannot start: {error}")))?;
    // The loop yields by itself after each turn; a budget in the middle of one would only cut writes short.
    let report = runtime.block_on(tokio::task::unconstrained(measure(load, target)))?;
    eprint!("{}", report.summary());
    let json = serde_json::to_string_pretty(&report).map_err(SetUpError::new)?;
    match &mut out {
        Some(out) => out.write(&json)?,
        // Whoever reads may have gone.
        None => drop(writeln!(std::io::stdout(), "{json}")),
    }
    Ok(Some(report.is_right()))
}

/// What is loaded.
#[derive(Debug)]
enum Target {
    Spawned { binary: PathBuf, participants: u32 },
    Running { address: SocketAddr, pki: PathBuf },
}

impl RunArguments {
    fn load(&self) -> Result<Load, SetUpError> {
        if !(1..=DURATION_S_MAX).contains(&self.duration) {
            return Err(SetUpError::new(format!("--duration {}: give 1 to {DURATION_S_MAX} seconds", self.duration)));
        }
        if self.rate == "max" {
            if !(1..=FLIGHTS_MAX).contains(&self.in_flight) {
                return Err(SetUpError::new(format!("--in-flight {}: give 1 to {FLIGHTS_MAX}", self.in_flight)));
            }
            return Ok(Load::Closed { in_flight: self.in_flight, duration_s: self.duration });
        }
        let schedule = self.rate.parse().ok().and_then(|rate| Schedule::new(rate, self.duration));
        let refused =
            || SetUpError::new(format!("--rate {}: give 1 to {RATE_MAX} payments a second, or `max`", self.rate));
        schedule.map(Load::Open).ok_or_else(refused)
    }

    fn target(&self) -> Result<Target, SetUpError> {
        let (Some(connect), Some(pki)) = (&self.connect, &self.pki) else {
            if !(2..=PARTICIPANTS_MAX).contains(&self.participants) {
                let participants = self.participants;
                return Err(SetUpError::new(format!("--participants {participants}: give 2 to {PARTICIPANTS_MAX}")));
            }
            let binary = spawn::find_binary(self.switch_bin.as_deref())?;
            return Ok(Target::Spawned { binary, participants: self.participants });
        };
        let address = resolve(connect)?;
        if !address.ip().is_loopback() && !self.i_own_this_switch {
            return Err(SetUpError::new(format!(
                "--connect {connect} is not this machine; load on a switch that is not yours is an attack: if it is yours, \
                 add --i-own-this-switch"
            )));
        }
        Ok(Target::Running { address, pki: pki.clone() })
    }
}

fn resolve(connect: &str) -> Result<SocketAddr, SetUpError> {
    let mut addresses = connect
        .to_socket_addrs()
        .map_err(|error| SetUpError::new(format!("--connect {connect}: {error}; give HOST:PORT, as 127.0.0.1:7400")))?;
    addresses.next().ok_or_else(|| SetUpError::new(format!("--connect {connect}: the name has no address")))
}

/// Runs the load, and has the books audited where the switch is ours.
async fn measure(load: Load, target: Target) -> Result<Report, SetUpError> {
    let mut interrupts =
        Interrupts::new().map_err(|error| SetUpError::new(format!("cannot listen for signals: {error}")))?;
    match target {
        Target::Running { address, pki } => {
            let (outcome, _) = offer(Options { address, pki, load }, &mut interrupts, || None).await?;
            Ok(Report::new(load, &outcome, None, None))
        }
        Target::Spawned { binary, participants } => {
            let switch = tokio::select! {
                switch = SpawnedSwitch::start(&binary, participants) => switch?,
                () = interrupts.wait() => return Err(SetUpError::new("interrupted before the first payment")),
            };
            let options = Options { address: switch.address, pki: switch.pki(), load };
            let (outcome, cpu_s) = offer(options, &mut interrupts, || switch.cpu_ticks()).await?;
            let books = tokio::select! {
                books = switch.stop_and_audit(&outcome.tally) => books,
                () = interrupts.wait() => Books::unseen("interrupted before the journal was audited"),
            };
            Ok(Report::new(load, &outcome, Some(&books), cpu_s))
        }
    }
}

/// Connects, offers, drains; and what that cost.
async fn offer(
    options: Options,
    interrupts: &mut Interrupts,
    switch_ticks: impl Fn() -> Option<CpuTicks>,
) -> Result<(Outcome, Option<CpuSeconds>), SetUpError> {
    let mut generator = Generator::new(&options, true)?;
    generator.connect(interrupts).await?;
    let own_ticks = || CpuTicks::of(std::process::id());
    let before = (own_ticks(), switch_ticks());
    let outcome = generator.run(interrupts).await?;
    let seconds = |before: Option<CpuTicks>, after: Option<CpuTicks>| Some(after?.seconds_since(before?));
    let own = seconds(before.0, own_ticks());
    let cpu_s = own.zip(seconds(before.1, switch_ticks())).map(|(own, switch)| CpuSeconds {
        generator_user: own.0,
        generator_sys: own.1,
        switch_user: switch.0,
        switch_sys: switch.1,
    });
    Ok((outcome, cpu_s))
}

/// The report's file: opened before the run, so that an hour's load is not lost for a wrong path.
struct OutFile {
    path: PathBuf,
    file: File,
    /// Nothing was there before, and nothing was written: remove it again.
    is_new: bool,
}

impl OutFile {
    fn open(path: &Path) -> Result<OutFile, SetUpError> {
        let is_new = !path.exists();
        // What is there stays until there is something to replace it.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| OutFile::unwritable(path, &error))?;
        Ok(OutFile { path: path.to_owned(), file, is_new })
    }

    fn write(&mut self, json: &str) -> Result<(), SetUpError> {
        self.is_new = false;
        // Only a plain file can be cut; a pipe or a terminal has nothing to cut.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.file.set_len(0).map_err(|error| OutFile::unwritable(&self.path, &error))?;
        }
        writeln!(self.file, "{json}").map_err(|error| OutFile::unwritable(&self.path, &error))
    }

    fn unwritable(path: &Path, error: &std::io::Error) -> SetUpError {
        SetUpError::new(format!("--out {}: {error}; give a file that can be written", path.display()))
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
