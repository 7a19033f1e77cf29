//! `loadtest run`: one run, one report. `loadtest scenarios`: what there is to run.

use clap::{ArgGroup, Args};

use super::out::OutArguments;
use super::print;
use super::target::TargetArguments;
use crate::SetUpError;
use crate::interrupts::Interrupts;
use crate::limits::{DURATION_S_MAX, FLIGHTS_MAX, NS_PER_S, RATE_MAX};
use crate::plan::{Load, Plan};
use crate::report::{page_of_run, plots};
use crate::scenario::{self, IN_FLIGHT_DEFAULT, LIBRARY, Overrides, Rate};
use crate::schedule::Schedule;
use crate::view::View;

/// Plays all providers of a scheme over mutual TLS: offers payments, answers them, waits until each has an outcome, and reports.
///
/// The report goes to standard output as JSON (or to --out), a summary for people to standard error. Ctrl-C ends the load early, drains and reports.
/// Exit status: 0 all is well; 1 a payment has no outcome, the books are wrong or a service level was missed; 2 the run could not begin, or its report
/// could not be written.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["spawn", "connect"]))]
#[command(group = ArgGroup::new("load").required(true).multiple(true).args(["rate", "scenario"]))]
#[command(after_help = "Examples:
  loadtest run --spawn --rate 1000 --duration 10
  loadtest run --spawn --rate max --duration 10 --out max.json
  loadtest run --spawn --protocol iso20022 --rate max --in-flight 512 --duration 10
  loadtest run --spawn --scenario alias_heavy --rate none --lookups max --duration 10
  loadtest run --spawn --scenario payday --html payday.html
  loadtest run --spawn --scenario kill_switch --rate 500 --duration 20
  loadtest run --connect 127.0.0.1:7400 --pki /tmp/clearspan/data/pki --rate 5000 --duration 30")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// A scenario of the library (`loadtest scenarios` lists them) or a file (docs/scenarios.md)
    #[arg(long, value_name = "NAME|FILE.toml")]
    scenario: Option<String>,
    /// Payments a second on a fixed schedule, whatever the switch does (open loop); `max`: as many as are answered (closed loop); `none`: nothing but look-ups
    #[arg(long, value_name = "R|max|none")]
    rate: Option<String>,
    /// With --rate max: payments without an outcome, over all connections [default: 8192]
    #[arg(long, value_name = "N")]
    in_flight: Option<u32>,
    /// For how long payments are offered [default: what the scenario says]
    #[arg(long, value_name = "SECONDS", required_unless_present = "scenario")]
    duration: Option<u64>,
    /// Aliases: of a spawned switch they are imported first; with --data and --connect so many are there already [default: what the scenario says]
    #[arg(long, value_name = "N", requires = "scenario")]
    aliases: Option<u64>,
    /// Look-ups of aliases a second beside the payments; `max`: as many as are answered; `none` [default: what the scenario says]
    #[arg(long, value_name = "R|max|none", requires = "scenario")]
    lookups: Option<String>,
    /// With --lookups max: look-ups without an answer, over all connections [default: 2048]
    #[arg(long, value_name = "N", requires = "scenario")]
    lookups_in_flight: Option<u32>,
    /// Leave what ends in the first seconds out of the percentiles: memory and caches that are touched for the first time [default: 0, or what the scenario says]
    #[arg(long, value_name = "SECONDS")]
    warm_up: Option<u64>,
    #[command(flatten)]
    out: OutArguments,
    /// Show nothing while it runs
    #[arg(long)]
    quiet: bool,
}

/// Lists scenarios.
#[derive(Args)]
pub(super) struct ScenariosArguments {
    /// Print this one's file
    name: Option<String>,
}

/// Runs the command. Everything that can be refused is, before anything is started.
pub(super) async fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let plan = Plan { protocol: arguments.target.protocol, ..arguments.plan()? };
    plan.protocol.check(&plan)?;
    let target = arguments.target.target()?;
    let mut outputs = arguments.out.open()?;
    let mut interrupts = interrupts()?;
    let name = plan.scenario.clone().unwrap_or_else(|| "load".to_owned());
    let view = if arguments.quiet { View::none() } else { View::on_stderr(name, seconds(plan.load.duration_ns())) };
    let report = target.measure(&plan, view, &mut interrupts).await?;
    eprint!("{}", report.summary());
    let json = serde_json::to_string_pretty(&report).map_err(SetUpError::new)?;
    outputs.write(&json, || page_of_run(&report), &plots::of_run(&report))?;
    Ok(report.is_right())
}

pub(super) fn interrupts() -> Result<Interrupts, SetUpError> {
    Interrupts::new().map_err(|error| SetUpError::new(format!("cannot listen for signals: {error}")))
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "for people")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

impl Arguments {
    fn plan(&self) -> Result<Plan, SetUpError> {
        let overrides = Overrides {
            rate: rate("--rate", "payments", self.rate.as_deref())?,
            duration_s: self.duration()?,
            warm_up_s: self.warm_up,
            in_flight: self.in_flight()?,
            participants: self.target.participants,
            aliases: self.aliases,
            lookups: rate("--lookups", "look-ups", self.lookups.as_deref())?,
            lookups_in_flight: self.lookups_in_flight,
        };
        if let Some(scenario) = &self.scenario {
            return scenario::read(scenario, overrides);
        }
        let duration_s = overrides.duration_s.unwrap_or(1);
        let load = match overrides.rate {
            Some(Rate::PerSecond(rate)) => Schedule::constant(rate, duration_s).map(Load::Open),
            Some(Rate::None) => {
                return Err(SetUpError::new("--rate none: there is no load; give a scenario with aliases"));
            }
            Some(Rate::Max) | None => {
                Some(Load::Closed { in_flight: overrides.in_flight.unwrap_or(IN_FLIGHT_DEFAULT), duration_s })
            }
        };
        let load = load.ok_or_else(|| SetUpError::new("--rate and --duration cannot be"))?;
        let warm_up_s = overrides.warm_up_s.unwrap_or(0);
        if warm_up_s >= duration_s {
            return Err(SetUpError::new(format!(
                "--warm-up {warm_up_s}: give less than --duration, which is {duration_s}"
            )));
        }
        let participants = overrides.participants.unwrap_or(TargetArguments::PARTICIPANTS_DEFAULT);
        Ok(Plan { warm_up_ns: warm_up_s * NS_PER_S, ..Plan::plain(load, participants) })
    }

    fn duration(&self) -> Result<Option<u64>, SetUpError> {
        match self.duration {
            Some(duration) if !(1..=DURATION_S_MAX).contains(&duration) => {
                Err(SetUpError::new(format!("--duration {duration}: give 1 to {DURATION_S_MAX} seconds")))
            }
            duration => Ok(duration),
        }
    }

    fn in_flight(&self) -> Result<Option<u32>, SetUpError> {
        match self.in_flight {
            Some(in_flight) if !(1..=FLIGHTS_MAX).contains(&in_flight) => {
                Err(SetUpError::new(format!("--in-flight {in_flight}: give 1 to {FLIGHTS_MAX}")))
            }
            in_flight => Ok(in_flight),
        }
    }
}

/// A rate of payments or look-ups, as it is given.
fn rate(option: &str, what: &str, text: Option<&str>) -> Result<Option<Rate>, SetUpError> {
    let parse = |text| match text {
        "max" => Ok(Rate::Max),
        "none" => Ok(Rate::None),
        text => {
            let rate = text.parse().ok().filter(|rate| (1..=RATE_MAX).contains(rate)).map(Rate::PerSecond);
            let refused = || format!("{option} {text}: give 1 to {RATE_MAX} {what} a second, `max` or `none`");
            rate.ok_or_else(|| SetUpError::new(refused()))
        }
    };
    text.map(parse).transpose()
}

/// Lists the library, or prints one of it.
pub(super) fn list(arguments: &ScenariosArguments) -> Result<bool, SetUpError> {
    let Some(name) = &arguments.name else {
        for (name, _) in LIBRARY {
            print(&format!("{name:<16} {}", scenario::about(name).unwrap_or_default()));
        }
        return Ok(true);
    };
    let known = LIBRARY.iter().find(|scenario| scenario.0 == name);
    let text = known
        .ok_or_else(|| SetUpError::new(format!("there is no scenario {name}; `loadtest scenarios` lists them")))?;
    print(text.1.trim_end());
    Ok(true)
}
