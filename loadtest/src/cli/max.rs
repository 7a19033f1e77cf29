//! `loadtest max`: the highest open-loop rate that holds a service level.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::out::OutArguments;
use super::run::interrupts;
use super::target::{Target, TargetArguments};
use crate::SetUpError;
use crate::interrupts::Interrupts;
use crate::limits::RATE_MAX;
use crate::maximum::{Search, SearchReport, Slo, Tries, Try};
use crate::plan::{Load, Plan};
use crate::report::{page_of_search, plots};
use crate::scenario::IN_FLIGHT_DEFAULT;
use crate::schedule::Schedule;
use crate::view::View;

/// The longest try, and the longest confirmation.
const TRY_S_MAX: u64 = 3_600;

/// Of what a closed loop reaches, so much is tried first, in percent.
const FIRST_PERCENT: u64 = 40;

/// Finds the highest open-loop rate that holds a service level, by a search with a confirmation at the end.
///
/// Each try is a run of its own, with a fresh switch where it is spawned. A closed loop says where to begin, unless --from does.
/// Exit status: 0 a rate was found and every payment accounted for; 1 not so; 2 it could not begin.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["spawn", "connect"]))]
#[command(after_help = "Examples:
  loadtest max --spawn --slo p99=50ms
  loadtest max --spawn --slo p99=5ms --step 10 --confirm 60 --html max.html --out max.json")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// The service level: p50, p90, p99 or p999 of committed payments, and how long it may be
    #[arg(long, value_name = "P=TIME", default_value = "p99=50ms")]
    slo: String,
    /// For how long each rate is tried
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    step: u64,
    /// For how long the rate that was found must hold
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    confirm: u64,
    /// The first rate that is tried [default: from a closed loop]
    #[arg(long, value_name = "R")]
    from: Option<u64>,
    #[command(flatten)]
    out: OutArguments,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let slo = Slo::parse(&arguments.slo)?;
    for (option, seconds) in [("--step", arguments.step), ("--confirm", arguments.confirm)] {
        if !(1..=TRY_S_MAX).contains(&seconds) {
            return Err(SetUpError::new(format!("{option} {seconds}: give 1 to {TRY_S_MAX} seconds")));
        }
    }
    if arguments.from.is_some_and(|from| !(1..=RATE_MAX).contains(&from)) {
        return Err(SetUpError::new(format!("--from: give 1 to {RATE_MAX} payments a second")));
    }
    let target = arguments.target.target()?;
    let mut outputs = arguments.out.open()?;
    let mut interrupts = interrupts()?;
    let report = search(arguments, slo, &target, &mut interrupts).await?;
    eprint!("{}", report.summary());
    let json = serde_json::to_string_pretty(&report).map_err(SetUpError::new)?;
    outputs.write(&json, || page_of_search(&report), &plots::of_search(&report))?;
    Ok(report.is_right())
}

async fn search(
    arguments: &Arguments,
    slo: Slo,
    target: &Target,
    interrupts: &mut Interrupts,
) -> Result<SearchReport, SetUpError> {
    let protocol = arguments.target.protocol;
    let plain = |load, participants| Plan { protocol, ..Plan::plain(load, participants) };
    let participants = arguments.target.participants.unwrap_or(TargetArguments::PARTICIPANTS_DEFAULT);
    let first = match arguments.from {
        Some(rate) => rate,
        None => {
            eprintln!("a closed loop first, to know where to begin");
            let load = Load::Closed { in_flight: IN_FLIGHT_DEFAULT, duration_s: arguments.step.min(3) };
            let report = target.measure(&plain(load, participants), View::none(), interrupts).await?;
            whole(report.throughput_per_s) * FIRST_PERCENT / 100
        }
    };
    let (mut search, mut tries) = (Search::from(first), Tries::new(slo));
    loop {
        let (rate, seconds, is_confirmation) = match search.next() {
            Try::Short(rate) => (rate, arguments.step, false),
            Try::Confirm(rate) => (rate, arguments.confirm, true),
            Try::Over(best) => return Ok(tries.finish(best)),
        };
        let schedule = Schedule::constant(rate, seconds).ok_or_else(|| SetUpError::new("a rate that cannot be"))?;
        let plan = plain(Load::Open(schedule), participants);
        let measured = target.measure(&plan, View::none(), interrupts).await;
        let is_interrupted = poll_fn(|cx| Poll::Ready(interrupts.have_come(cx))).await;
        let report = match measured {
            // It ended before its first payment: what was tried before is still worth a report.
            Err(_) if is_interrupted && tries.has_any() => return Ok(tries.interrupted()),
            measured => measured?,
        };
        let point = tries.take(rate, is_confirmation, &report);
        eprint!("{}", point.line());
        if is_interrupted {
            return Ok(tries.interrupted());
        }
        search.tell(point.holds);
        // What the last try left to the disk to do is not the next one's burden.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
fn whole(rate: f64) -> u64 {
    rate as u64
}
