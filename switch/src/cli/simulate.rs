//! `switch simulate`: runs the simulator, and makes what it finds small.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use serde_json::json;

use super::print::grouped;
use crate::simulate::{self, ASSERTION, Coverage, Failure, FaultSet, Options, Report};

/// Runs the simulator.
#[derive(clap::Args, Clone)]
pub(super) struct Arguments {
    /// What everything is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seeds, from this one on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// For how long things go wrong, in virtual time: 500ms, 60s, 5m
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = parse_time_ns)]
    for_ns: u64,
    /// What goes wrong: all, none, or some of kill, power, sync, full, flip, slow, step, drift, cut, storm, delay, tiny, conduct, lines,
    /// signs, operator, aliases
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: FaultSet,
    /// Begin at most so many orders and acts of misconduct
    #[arg(long, value_name = "N")]
    operations: Option<u64>,
    /// Let at most so many faults happen
    #[arg(long, value_name = "N")]
    faults_max: Option<u64>,
    /// Print one JSON object a seed
    #[arg(long)]
    json: bool,
    /// Do not look for a smaller run that fails
    #[arg(long)]
    no_shrink: bool,
}

const DAY_NS: u64 = 86_400_000_000_000;

/// Nanoseconds of `500ms`, `60s` or `5m`.
fn parse_time_ns(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_ns: u64 = match &text[digits.len()..] {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => return Err("give a time as 500ms, 60s or 5m".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "give a time as 500ms, 60s or 5m".to_owned())?;
    match number.checked_mul(unit_ns) {
        Some(0) => Err("that is no time at all".to_owned()),
        Some(ns) if ns <= DAY_NS => Ok(ns),
        _ => Err("that is more than a day".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut coverage = Coverage::new();
    let (began, mut simulated_ms) = (Instant::now(), 0);
    // There is at least one seed.
    let Some(last_seed) = arguments.seed.checked_add(arguments.seeds - 1) else {
        eprintln!("switch: --seed and --seeds go beyond the last seed, {}", u64::MAX);
        return ExitCode::from(2);
    };
    for seed in arguments.seed..=last_seed {
        let options = arguments.options(seed);
        report_panics(arguments, options);
        match simulate::run(&options) {
            Ok(report) => {
                coverage.add(&report.coverage);
                simulated_ms += report.simulated_ms;
                print_report(&report, arguments);
            }
            Err(failure) => return fail(arguments, options, &failure),
        }
    }
    if !arguments.json {
        print_coverage(&coverage);
    }
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    eprintln!(
        "{} ms of virtual time in {} ms: {} times real time",
        grouped(simulated_ms.into()),
        grouped(took_ms.into()),
        grouped((simulated_ms / took_ms).into())
    );
    ExitCode::SUCCESS
}

impl Arguments {
    fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            for_ns: self.for_ns,
            faults: self.faults,
            operations_max: self.operations.unwrap_or(u64::MAX),
            faults_max: self.faults_max.unwrap_or(u64::MAX),
        }
    }
}

/// A panic is a finding: said as one, whether panics unwind in this build or not.
fn report_panics(arguments: &Arguments, options: Options) {
    let arguments = arguments.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or(String::new(), |place| format!(", {}:{}", place.file(), place.line()));
        let what = format!("{}{place}", panic.payload_as_str().unwrap_or("an assertion failed"));
        fail(&arguments, options, &Failure { invariant: ASSERTION.to_owned(), what, at_ms: simulate::virtual_ms() });
        std::process::exit(1);
    }));
}

/// Says what was found, and how to see it again.
fn fail(arguments: &Arguments, options: Options, failure: &Failure) -> ExitCode {
    let again = format!("switch simulate {options}");
    if arguments.json {
        let finding = json!({
            "seed": options.seed, "ok": false, "invariant": failure.invariant, "what": failure.what,
            "at_ms": failure.at_ms, "again": again, "smaller": smaller(arguments, options, failure),
        });
        say(&finding.to_string());
        return ExitCode::FAILURE;
    }
    say(&format!("FAILED    {}", failure.invariant));
    say(&format!("          {}", failure.what));
    say(&format!("          after {} ms of virtual time", failure.at_ms));
    say(&format!("again     {again}"));
    if let Some(smaller) = smaller(arguments, options, failure) {
        say(&format!("smaller   {smaller}"));
    }
    ExitCode::FAILURE
}

/// The command line of the smallest run found that fails in the same way; none where that is the one at hand, or where nobody wants it.
fn smaller(arguments: &Arguments, options: Options, failure: &Failure) -> Option<String> {
    if arguments.no_shrink {
        return None;
    }
    let fails = |smaller: &Options| invariant_of(smaller).as_ref() == Some(&failure.invariant);
    let smaller = simulate::shrink(options, fails);
    (smaller != options).then(|| format!("switch simulate {smaller}"))
}

/// Which invariant does not hold in a run of its own process; none where all do. A process, because a panic may end it.
fn invariant_of(options: &Options) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg("simulate").args(options.to_string().split(' ')).args(["--no-shrink", "--json"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let last = String::from_utf8(output.stdout).ok()?.lines().last()?.to_owned();
    let finding: serde_json::Value = serde_json::from_str(&last).ok()?;
    Some(finding.get("invariant")?.as_str()?.to_owned())
}

fn print_report(report: &Report, arguments: &Arguments) {
    let Report { seed, committed, rejected, expired, returned, cases, state, trace, .. } = report;
    if arguments.json {
        let coverage: serde_json::Map<_, _> =
            report.coverage.iter().map(|(what, count)| (what.to_owned(), count.into())).collect();
        let line = json!({
            "seed": seed, "ok": true, "simulated_ms": report.simulated_ms, "providers": report.providers,
            "starts": report.starts, "batches": report.batches, "committed": committed, "rejected": rejected,
            "expired": expired, "returned": returned, "cases": cases, "state": state, "trace": trace, "coverage": coverage,
        });
        say(&line.to_string());
    } else {
        say(&format!(
            "seed {seed}: {} ms, {} providers, {} starts, {} batches; {committed} committed, {rejected} rejected, {expired} expired, {returned} returned, \
             {cases} cases; \
             state {state}, trace {trace}",
            report.simulated_ms, report.providers, report.starts, report.batches
        ));
    }
}

fn print_coverage(coverage: &Coverage) {
    for (what, count) in coverage.iter() {
        say(&format!("{:>10}  {what}", grouped(count.into())));
    }
    let missing = coverage.missing();
    if !missing.is_empty() {
        say(&format!("not met: {}", missing.join("; ")));
    }
}

/// A line on standard output. Whoever reads it may have gone.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
