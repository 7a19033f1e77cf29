//! `make mutants`: does the simulator find bugs? Builds the defects of `switch/mutants.toml` into one copy of the sources, each behind a switch of
//! its own, and runs seeds until each is found. The sources themselves hold nothing of this.
//!
//! Usage: `cargo run --release -p switch --example mutants [NAME...]`. Prints a table; status 1 where a defect was not found within its seeds.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a tool: it runs processes and prints times")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// Chooses the defect in the copy's binary.
const CHOICE: &str = "CLEARSPAN_MUTANT";

/// A run that takes so long does not end: that is a finding, too. A hundred times what a run takes, so that a busy machine finds nothing.
const RUN_MAX: Duration = Duration::from_secs(600);

/// What is appended to the copy of `ledger/src/lib.rs`.
const CHOOSER: &str = r#"
/// Is this defect chosen?
#[doc(hidden)]
pub fn mutant(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("CLEARSPAN_MUTANT").ok()).as_deref() == Some(name)
}
"#;

#[derive(Deserialize)]
struct Table {
    mutant: Vec<Mutant>,
}

#[derive(Deserialize)]
struct Mutant {
    name: String,
    what: String,
    file: PathBuf,
    find: String,
    replace: String,
    within: u64,
}

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    match run(&only) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("mutants: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(only: &[String]) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace is not there")?;
    let table = std::fs::read_to_string(root.join("switch/mutants.toml")).map_err(|error| error.to_string())?;
    let table: Table = toml::from_str(&table).map_err(|error| error.to_string())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from).join("mutants");
    let copy = target.join("sources");
    copy_sources(root, &copy)?;
    table.mutant.iter().try_for_each(|mutant| build_in(mutant, &copy))?;
    let binary = build(&copy, &target.join("build"))?;
    if let Some((seed, invariant)) = find(&binary, "none", 1)? {
        return Err(format!("seed {seed} finds `{invariant}` without any defect"));
    }
    println!("{:<28} {:>6} {:>8}  {:<40} what", "defect", "within", "found", "by the invariant");
    let mut all_found = true;
    for mutant in table.mutant.iter().filter(|mutant| only.is_empty() || only.contains(&mutant.name)) {
        let found = find(&binary, &mutant.name, mutant.within)?;
        let (seed, invariant) = found.as_ref().map_or(("NOT".to_owned(), ""), |(seed, by)| (seed.to_string(), by));
        println!("{:<28} {:>6} {seed:>8}  {invariant:<40} {}", mutant.name, mutant.within, mutant.what);
        all_found &= found.is_some();
    }
    Ok(all_found)
}

/// Copies what the repository holds of the sources; files that are the same stay, so that little is built anew.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    let listed = Command::new("git").arg("-C").arg(root).args(["ls-files", "-co", "--exclude-standard"]).output();
    let listed = listed.map_err(|error| format!("git: {error}"))?;
    for name in String::from_utf8_lossy(&listed.stdout).lines() {
        let Ok(bytes) = std::fs::read(root.join(name)) else { continue };
        write_if_new(&copy.join(name), &bytes)?;
    }
    Ok(())
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, bytes));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Puts one defect into the copy, beside what is right.
fn build_in(mutant: &Mutant, copy: &Path) -> Result<()> {
    let path = copy.join(&mutant.file);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    // Where two defects share a place, the second finds what the first has left of it.
    let places = text.matches(&mutant.find).count();
    if places != 1 {
        return Err(format!("{}: its place in {} is there {places} times", mutant.name, mutant.file.display()));
    }
    let own_crate = if mutant.file.starts_with("ledger") { "crate" } else { "ledger" };
    let chosen = format!("{own_crate}::mutant(\"{}\")", mutant.name);
    let text = text.replace(&mutant.find, mutant.replace.replace("MUTANT", &chosen).trim_start_matches('\n'));
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn build(copy: &Path, target: &Path) -> Result<PathBuf> {
    let library = copy.join("ledger/src/lib.rs");
    let text = std::fs::read_to_string(&library).map_err(|error| error.to_string())?;
    std::fs::write(&library, text + CHOOSER).map_err(|error| error.to_string())?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let built = cargo.current_dir(copy).args(["build", "--bin", "switch"]).env("CARGO_TARGET_DIR", target).status();
    match built {
        Ok(status) if status.success() => Ok(target.join("debug/switch")),
        Ok(status) => Err(format!("the copy with the defects does not build: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// The first seed that finds something, and what.
fn find(binary: &Path, mutant: &str, seeds: u64) -> Result<Option<(u64, String)>> {
    for seed in 1..=seeds {
        let mut command = Command::new(binary);
        command.args(["simulate", "--no-shrink", "--json", "--seed", &seed.to_string()]).env(CHOICE, mutant);
        if let Some(invariant) = run_seed(&mut command)? {
            return Ok(Some((seed, invariant)));
        }
    }
    Ok(None)
}

/// Which invariant does not hold; none where all do.
fn run_seed(command: &mut Command) -> Result<Option<String>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if began.elapsed() > RUN_MAX => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Some("it does not end".to_owned()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if status.success() {
        return Ok(None);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let finding = String::from_utf8_lossy(&output.stdout).lines().last().and_then(|line| {
        let finding: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(finding.get("invariant")?.as_str()?.to_owned())
    });
    Ok(Some(finding.unwrap_or(format!("it ends with {status}"))))
}
