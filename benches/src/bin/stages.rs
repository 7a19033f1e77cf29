//! What a payment costs in each stage of the switch: nanoseconds and instructions, and how much of the whole they explain.
//!
//! ```text
//!   a plain switch      closed loop   ->  payments a second, processor time a payment: the whole, undisturbed
//!   one with `stages`   closed loop   ->  nanoseconds a payment of each stage, from clocks at both ends (adapters/src/stages.rs)
//!   the same under callgrind          ->  instructions a payment of each stage, of user code: the kernel's cannot be counted where the machine has no counters
//! ```
//!
//! Real processes, real sockets, TLS and disk each time. Nanoseconds are of the hot loop's wall clock, so a stage that waits (`sync`, `reactor`) has its waiting in them; what
//! reading the clock costs is taken off. `rest` is what the hot loop does in no stage; of instructions it holds the reactor's too. valgrind knows no AVX-512, so ciphers and hashes take more instructions there than they do otherwise.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use adapters::stages::NAMES;
use clap::Parser;
use loadtest::machine::Machine;
use serde_json::Value;

/// Stages that always run inside another one: callgrind's sums of the outer hold the inner.
const INNER: [(&str, &str); 4] =
    [("sequence", "admit"), ("seal", "sequence"), ("let_go", "index"), ("socket_write", "tls_out")];

/// Measures the stages of a payment. Give it a quiet machine.
#[derive(Parser)]
struct Arguments {
    /// Where `switch` and `loadtest` are
    #[arg(long, value_name = "DIR")]
    plain: PathBuf,
    /// A switch that was built with the feature `stages`
    #[arg(long, value_name = "PATH")]
    staged: PathBuf,
    /// For how long each load lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    duration: u32,
    /// Payments without an outcome, over all connections
    #[arg(long, value_name = "N", default_value_t = 8_192)]
    in_flight: u32,
    /// The same under callgrind, where everything is fifty times as slow
    #[arg(long, value_name = "N", default_value_t = 2_048)]
    in_flight_counted: u32,
    /// Do not count instructions
    #[arg(long)]
    no_count: bool,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stages: {error}");
            ExitCode::from(2)
        }
    }
}

/// One closed loop.
struct Load {
    payments_per_s: f64,
    committed: u64,
    /// Of the switch's process while payments were offered, in nanoseconds a payment.
    cpu_ns: f64,
    /// Of each of its threads.
    threads_ns: BTreeMap<String, f64>,
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
fn load(arguments: &Arguments, switch: &Path, in_flight: u32, stages: Option<&Path>) -> Result<Load, Failure> {
    let mut command = Command::new(arguments.plain.join("loadtest"));
    command.args(["run", "--spawn", "--quiet", "--rate", "max", "--in-flight", &in_flight.to_string()]);
    command.args(["--duration", &arguments.duration.to_string(), "--switch-bin"]).arg(switch);
    command.envs(stages.map(|path| ("CLEARSPAN_STAGES", path)));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("the load failed ({})", output.status).into());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let figure = |value: &Value| value.as_f64().unwrap_or(0.0);
    let committed = report["committed"].as_u64().unwrap_or(0).max(1);
    let ns = |seconds: f64| seconds * 1e9 / committed as f64;
    let threads = report["switch_threads_s"].as_object().into_iter().flatten();
    Ok(Load {
        payments_per_s: figure(&report["throughput_per_s"]),
        committed,
        cpu_ns: ns(figure(&report["cpu_s"]["switch_user"]) + figure(&report["cpu_s"]["switch_sys"])),
        threads_ns: threads.map(|(name, seconds)| (name.clone(), ns(figure(seconds)))).collect(),
    })
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
fn run(arguments: &Arguments) -> Result<(), Failure> {
    let room = tempfile::tempdir()?;
    let table = room.path().join("stages.json");
    eprintln!("a plain switch:");
    let plain = load(arguments, &arguments.plain.join("switch"), arguments.in_flight, None)?;
    eprintln!("with clocks:");
    let staged = load(arguments, &arguments.staged, arguments.in_flight, Some(&table))?;
    let measured: Value = serde_json::from_slice(&std::fs::read(&table)?)?;
    let payments = measured["payments"].as_u64().unwrap_or(0).max(1) as f64;
    let counted = if arguments.no_count { None } else { Some(count(arguments, room.path())?) };

    let Machine { cores, cpu, kernel, .. } = Machine::read();
    println!(
        "{}, {cores} cores ({cpu}), Linux {kernel}; closed loop, {} in flight\n",
        jiff::Timestamp::now(),
        arguments.in_flight
    );
    println!("| stage | ns a payment | share | times a payment | instructions a payment |\n|---|---|---|---|---|");
    let stages: BTreeMap<&str, (f64, f64)> =
        measured["stages"].as_array().into_iter().flatten().filter_map(line).collect();
    let sum_ns: f64 = stages.values().map(|(ns, _)| ns / payments).sum();
    let mut sum_counted = 0.0;
    for name in NAMES {
        let (ns, times) = stages.get(name).copied().unwrap_or_default();
        let instructions = counted.as_ref().and_then(|counted| counted.stages.get(*name)).copied();
        sum_counted += instructions.unwrap_or(0.0);
        let instructions = instructions.map_or(String::new(), |count| format!("{count:.0}"));
        let share = 100.0 * ns / payments / sum_ns;
        println!("| {name} | {:.0} | {share:.1} % | {:.3} | {instructions} |", ns / payments, times / payments);
    }
    println!("| **sum** | **{sum_ns:.0}** | | | **{sum_counted:.0}** |\n");

    let ns_of = |name: &str| stages.get(name).map_or(0.0, |(ns, _)| ns / payments);
    let wall_ns = 1e9 / staged.payments_per_s;
    println!("The whole, measured otherwise:\n");
    println!(
        "- in that run ({:.0}/s) one payment came each {wall_ns:.0} ns of the wall clock; the sum is {:.1} % of it, and the stages that have a name {:.1} %;",
        staged.payments_per_s,
        100.0 * sum_ns / wall_ns,
        100.0 * (sum_ns - ns_of("rest")) / wall_ns
    );
    let hot_loop = |load: &Load| load.threads_ns.get("hot-loop").copied().unwrap_or(0.0);
    println!(
        "- the hot loop's thread used {:.0} ns of processor a payment in it; the sum without `sync` and `reactor`, which wait, is {:.0} ns;",
        hot_loop(&staged),
        sum_ns - ns_of("sync") - ns_of("reactor")
    );
    println!(
        "- without clocks ({:.0}/s) it used {:.0} ns, and the whole process {:.0} ns; by thread: {};",
        plain.payments_per_s,
        hot_loop(&plain),
        plain.cpu_ns,
        threads(&plain)
    );
    if let Some(counted) = &counted {
        let rest = counted.stages.get("rest").copied().unwrap_or(0.0);
        println!(
            "- under callgrind ({} payments) the hot loop's thread ran {:.0} instructions a payment; the stages that have a name are {:.1} % of them.",
            counted.payments,
            counted.whole,
            100.0 * (counted.whole - rest) / counted.whole
        );
    }
    Ok(())
}

fn line(line: &Value) -> Option<(&str, (f64, f64))> {
    Some((line[0].as_str()?, (line[1].as_f64()?, line[2].as_f64()?)))
}

fn threads(load: &Load) -> String {
    let threads = load.threads_ns.iter().filter(|(_, ns)| **ns >= 1.0);
    threads.map(|(name, ns)| format!("{name} {ns:.0}")).collect::<Vec<_>>().join(", ")
}

/// Instructions a payment of the hot loop's thread.
struct Counted {
    payments: u64,
    stages: BTreeMap<String, f64>,
    whole: f64,
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures for people")]
fn count(arguments: &Arguments, room: &Path) -> Result<Counted, Failure> {
    let missing =
        |_| "valgrind counts the instructions, and is missing (as root: apt-get install valgrind; or give --no-count)";
    Command::new("valgrind").arg("--version").output().map_err(missing)?;
    // Only `serve` is counted: the other commands would take long and say nothing.
    let wrapper = room.join("switch");
    let out = room.join("callgrind");
    let staged = std::fs::canonicalize(&arguments.staged)?;
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = serve ] || exec '{0}' \"$@\"\nexec valgrind --quiet --tool=callgrind --separate-threads=yes --compress-strings=no \
         --compress-pos=no --callgrind-out-file='{1}' '{0}' \"$@\"\n",
        staged.display(),
        out.display()
    );
    std::fs::write(&wrapper, script)?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o700))?;
    eprintln!("under callgrind:");
    let load = load(arguments, &wrapper, arguments.in_flight_counted, None)?;
    let mut hot_loop: Option<Profile> = None;
    for entry in
        std::fs::read_dir(room)?.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("callgrind-"))
    {
        let profile = Profile::read(&std::fs::read_to_string(entry.path())?);
        // The one that has most stages: starting applies the journal's batches too, on another thread.
        if hot_loop.as_ref().is_none_or(|known| known.whole < profile.whole) && profile.stages.contains_key("tls_in") {
            hot_loop = Some(profile);
        }
    }
    let Profile { whole, mut stages } =
        hot_loop.ok_or("callgrind has seen no stage: was --staged built with the feature?")?;
    for (inner, outer) in INNER {
        let inside = stages.get(inner).copied().unwrap_or(0);
        // `sequence` still holds `seal` when it is taken out of `admit`: the order of the table.
        stages.entry(outer).and_modify(|count| *count = count.saturating_sub(inside));
    }
    let rest = whole.saturating_sub(stages.values().sum());
    stages.insert("rest", rest);
    let each = |count: u64| count as f64 / load.committed as f64;
    let stages = stages.into_iter().map(|(name, count)| (name.to_owned(), each(count))).collect();
    Ok(Counted { payments: load.committed, stages, whole: each(whole) })
}

/// What callgrind has written of one thread.
struct Profile {
    /// Instructions in all.
    whole: u64,
    /// Instructions of each stage's function, with what it called.
    stages: BTreeMap<&'static str, u64>,
}

impl Profile {
    /// A line of costs follows each `calls=` line; it has the costs of the call with everything in it. All other lines of costs are of a function itself.
    fn read(text: &str) -> Profile {
        let mut profile = Profile { whole: 0, stages: BTreeMap::new() };
        let (mut called, mut is_call) = ("", false);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("cfn=") {
                called = name;
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
                match (std::mem::take(&mut is_call), stage_of(called)) {
                    (false, _) => profile.whole += cost,
                    (true, Some(stage)) => *profile.stages.entry(stage).or_default() += cost,
                    (true, None) => {}
                }
            }
        }
        profile
    }
}

/// The stage whose function this is.
fn stage_of(function: &str) -> Option<&'static str> {
    let rest = function.split_once("adapters::stages::")?.1;
    let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(rest.len());
    NAMES.iter().find(|name| **name == &rest[..end]).copied()
}
