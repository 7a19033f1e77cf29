//! Runs the criterion benches and sets their medians beside those that were kept last: what `make bench` is.
//!
//! Kept results are `benches/results/DATE-criterion.json`: date, command, commit, machine and medians, a few kilobytes. The newest counts. `--keep` writes another;
//! that is a decision of whoever measured on a quiet machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use clap::Parser;
use loadtest::machine::Machine;
use serde::{Deserialize, Serialize};

const SUFFIX: &str = "-criterion.json";

/// Runs the criterion benches and compares them with the last kept result. Status 1 where one is worse by more than --worse-max percent.
#[derive(Parser)]
struct Arguments {
    /// Only benches with this in their name
    part: Option<String>,
    /// Keep what was measured as the result of today
    #[arg(long, conflicts_with = "part")]
    keep: bool,
    /// Do not measure: compare what the last run has left
    #[arg(long)]
    no_run: bool,
    /// A median that is worse by more than this is a regression
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    worse_max: u64,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value = "benches/results")]
    results: PathBuf,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    date: String,
    command: String,
    commit: String,
    machine: Machine,
    /// Nanoseconds of an iteration, by the name of the bench.
    medians_ns: BTreeMap<String, f64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let began = SystemTime::now();
    let command = "cargo bench -p benches";
    if !arguments.no_run {
        let mut bench = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        bench.args(command.split(' ').skip(1)).arg("--").args(&arguments.part);
        let status = bench.status().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !status.success() {
            return Err("the benches failed".to_owned());
        }
    }
    let since = if arguments.no_run { SystemTime::UNIX_EPOCH } else { began };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut medians_ns = BTreeMap::new();
    let measured = target.join("criterion");
    read_medians(&measured, since, &mut medians_ns).map_err(|error| format!("{}: {error}", measured.display()))?;
    medians_ns.retain(|name, _| arguments.part.as_ref().is_none_or(|part| name.contains(part)));
    if medians_ns.is_empty() {
        return Err("there is no result; is the name right?".to_owned());
    }
    let is_good = match last_kept(&arguments.results)? {
        Some((path, kept)) => compare(&path, &kept, &medians_ns, arguments),
        None => {
            println!("Nothing is kept in {} to compare with.", arguments.results.display());
            true
        }
    };
    if arguments.keep {
        let now = jiff::Timestamp::now().to_string();
        let path = arguments.results.join(format!("{}{SUFFIX}", now.split('T').next().unwrap_or_default()));
        let kept =
            Kept { date: now, command: command.to_owned(), commit: commit(), machine: Machine::read(), medians_ns };
        let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
        std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
        println!("Kept as {}.", path.display());
    }
    Ok(is_good)
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() }
}

/// The medians of all benches below a directory that were measured since then.
fn read_medians(directory: &Path, since: SystemTime, medians_ns: &mut BTreeMap<String, f64>) -> std::io::Result<()> {
    let read = |path: &Path| std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
    for entry in std::fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        let estimates = path.join("estimates.json");
        if entry.file_name() == "new" && estimates.metadata()?.modified()? >= since {
            let (bench, estimates): (Option<serde_json::Value>, Option<serde_json::Value>) =
                (read(&path.join("benchmark.json")), read(&estimates));
            let name = bench.as_ref().and_then(|bench| bench["full_id"].as_str());
            let median = estimates.as_ref().and_then(|estimates| estimates["median"]["point_estimate"].as_f64());
            medians_ns.extend(name.map(str::to_owned).zip(median));
        } else if path.is_dir() && entry.file_name() != "new" {
            read_medians(&path, since, medians_ns)?;
        }
    }
    Ok(())
}

/// The newest by name, which begins with the date.
fn last_kept(results: &Path) -> Result<Option<(PathBuf, Kept)>, String> {
    let said = |error: &dyn std::fmt::Display, path: &Path| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(results).map_err(|error| said(&error, results))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let newest = paths.filter(|path| path.to_string_lossy().ends_with(SUFFIX)).max();
    let Some(path) = newest else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map_err(|error| said(&error, &path))?;
    let kept = serde_json::from_str(&text).map_err(|error| said(&error, &path))?;
    Ok(Some((path, kept)))
}

/// Prints the table; true where nothing is worse than it may be.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
fn compare(path: &Path, kept: &Kept, medians_ns: &BTreeMap<String, f64>, arguments: &Arguments) -> bool {
    println!("\nAgainst {} (commit {}):\n", path.display(), kept.commit);
    println!("| bench | kept | now | change | |\n|---|---|---|---|---|");
    let (mut worse, mut missing) = (Vec::new(), Vec::new());
    for (name, kept_ns) in &kept.medians_ns {
        let Some(now_ns) = medians_ns.get(name) else {
            missing.push(name.as_str());
            continue;
        };
        let percent = (now_ns / kept_ns - 1.0) * 100.0;
        let word = if percent > arguments.worse_max as f64 {
            worse.push(name.as_str());
            "WORSE"
        } else if percent < -(arguments.worse_max as f64) {
            "better"
        } else {
            ""
        };
        println!("| {name} | {} | {} | {percent:+.1} % | {word} |", time(*kept_ns), time(*now_ns));
    }
    for (name, now_ns) in medians_ns.iter().filter(|(name, _)| !kept.medians_ns.contains_key(*name)) {
        println!("| {name} | | {} | | new |", time(*now_ns));
    }
    println!();
    if kept.machine != Machine::read() {
        println!(
            "That was on another machine ({} cores, {}): only pairs on one machine say much.",
            kept.machine.cores, kept.machine.cpu
        );
    }
    if !missing.is_empty() && arguments.part.is_none() {
        println!("Not measured now: {}.", missing.join(", "));
    }
    match worse.as_slice() {
        [] => println!("No median is worse by more than {} %.", arguments.worse_max),
        worse => println!("REGRESSION: worse by more than {} %: {}.", arguments.worse_max, worse.join(", ")),
    }
    worse.is_empty()
}

#[allow(clippy::float_arithmetic, reason = "figures for people")]
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}
