//! A switch of our own: made, started, stopped and audited by its own command line.
//!
//! It lives in a temporary directory and ends with this value: whatever fails, no process and no file stays behind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::SetUpError;
use crate::limits::{READY_MS, STOP_MS};
use crate::machine::CpuTicks;
use crate::report::Books;
use crate::tally::Tally;

/// What each participant has: more than all payments of a day at 1,000 minor units each.
const FUNDS: &str = "100000000000000000";

/// A running switch.
pub(crate) struct SpawnedSwitch {
    binary: PathBuf,
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    directory: TempDir,
    /// Kept, so that the switch never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl SpawnedSwitch {
    /// Makes a data directory and starts a switch on it.
    pub(crate) async fn start(binary: &Path, participants: u32) -> Result<SpawnedSwitch, SetUpError> {
        let directory = tempfile::Builder::new().prefix("loadtest-").tempdir();
        let directory =
            directory.map_err(|error| SetUpError::new(format!("cannot make a temporary directory: {error}")))?;
        // One level more than needed: the switch writes its sealing key beside the data directory.
        let data = data_of(&directory);
        let mut init = switch(binary);
        init.arg("init").arg("--data").arg(&data).args(["--participants", &participants.to_string()]);
        init.args(["--funds", FUNDS, "--currency", "XTS", "--listen", "127.0.0.1:0"]);
        let made = init.output().await.map_err(|error| cannot_run(binary, &error))?;
        if !made.status.success() {
            return Err(SetUpError::new(format!("`switch init` failed: {}", last_line(&made.stderr))));
        }
        let log_path = directory.path().join("switch.log");
        let log = std::fs::File::create(&log_path).map_err(|error| SetUpError::new(format!("switch.log: {error}")))?;
        let mut serve = switch(binary);
        serve.arg("serve").arg("--config").arg(data.join("switch.toml"));
        let mut child = serve
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C in a terminal goes to the whole group: the switch must outlive the drain.
            .process_group(0)
            .spawn()
            .map_err(|error| cannot_run(binary, &error))?;
        let stdout = child.stdout.take().unwrap_or_else(|| unreachable!("it was asked for"));
        let mut stdout = BufReader::new(stdout);
        let ready = timeout(Duration::from_millis(READY_MS), address_of(&mut stdout)).await;
        let Ok(Some(address)) = ready else {
            let log = std::fs::read(&log_path).unwrap_or_default();
            return Err(SetUpError::new(format!("`switch serve` did not become ready: {}", last_line(&log))));
        };
        Ok(SpawnedSwitch { binary: binary.to_owned(), child, address, directory, _stdout: stdout })
    }

    /// Where the certificates lie.
    pub(crate) fn pki(&self) -> PathBuf {
        data_of(&self.directory).join("pki")
    }

    /// Processor time so far; none where it is gone.
    pub(crate) fn cpu_ticks(&self) -> Option<CpuTicks> {
        self.child.id().and_then(CpuTicks::of)
    }

    /// Stops it, and has its journal audited. What is wrong stands in the result.
    pub(crate) async fn stop_and_audit(mut self, tally: &Tally) -> Books {
        let mut problems = Vec::new();
        if let Err(problem) = self.stop().await {
            let log = std::fs::read(self.directory.path().join("switch.log")).unwrap_or_default();
            problems.push(format!("{problem}: {}", last_line(&log)));
        }
        match self.verify().await {
            Ok(verified) => problems.extend(compare(&verified, tally)),
            Err(error) => problems.push(error),
        }
        Books { are_right: problems.is_empty(), problems }
    }

    async fn stop(&mut self) -> Result<(), String> {
        let process = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(process) = process else { return Err("the switch stopped by itself".to_owned()) };
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("the switch stopped by itself ({status})"));
        }
        kill_process(process, Signal::TERM).map_err(|error| format!("cannot stop the switch: {error}"))?;
        match timeout(Duration::from_millis(STOP_MS), self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the switch did not stop cleanly ({status})")),
            Ok(Err(error)) => Err(format!("the switch cannot be waited for: {error}")),
            Err(_) => {
                // Verify must not read a journal that is being written.
                let _ = self.child.kill().await;
                Err("the switch did not stop in time and was killed".to_owned())
            }
        }
    }

    async fn verify(&self) -> Result<Verified, String> {
        let mut verify = switch(&self.binary);
        verify.args(["ledger", "verify", "--json", "--data"]).arg(data_of(&self.directory));
        let output = verify.output().await.map_err(|error| format!("cannot run `switch ledger verify`: {error}"))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`switch ledger verify` gave no verdict ({error}): {}", last_line(&output.stderr)))
    }
}

/// What `switch ledger verify --json` says, as far as it is needed.
#[derive(Deserialize)]
struct Verified {
    ok: bool,
    payments: Payments,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
struct Payments {
    committed: u64,
    rejected: u64,
    expired: u64,
    in_flight: u64,
}

/// What the journal and the generator disagree about.
fn compare(verified: &Verified, tally: &Tally) -> Vec<String> {
    let mut problems = Vec::new();
    if !verified.ok {
        problems.push("`switch ledger verify` found the books or the journal wrong".to_owned());
    }
    let Payments { committed, rejected, expired, in_flight } = verified.payments;
    let rows = [
        ("committed", committed, tally.committed),
        ("rejected", rejected, tally.rejected),
        ("expired", expired, tally.expired),
        ("in flight", in_flight, 0),
    ];
    for (name, in_journal, seen) in rows {
        if in_journal != seen {
            problems.push(format!(
                "the journal holds {in_journal} payments {name}, the payer providers were told of {seen}"
            ));
        }
    }
    if tally.told_committed != 2 * tally.committed {
        problems.push(format!(
            "of {} committed payments payer and payee providers were told {} times instead of twice each",
            tally.committed, tally.told_committed
        ));
    }
    problems
}

/// The switch's binary: the one that was named, or the one beside this one.
pub(crate) fn find_binary(named: Option<&Path>) -> Result<PathBuf, SetUpError> {
    let beside = std::env::current_exe().map(|path| path.with_file_name("switch")).ok();
    let path = named.map(Path::to_owned).or(beside).unwrap_or_default();
    if path.is_file() {
        return Ok(path);
    }
    Err(SetUpError::new(format!(
        "there is no switch binary at {}; build it (`cargo build -p switch`) or name it with --switch-bin",
        path.display()
    )))
}

fn data_of(directory: &TempDir) -> PathBuf {
    directory.path().join("x").join("data")
}

/// A command of the switch that ends with this process's interest in it.
fn switch(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn cannot_run(binary: &Path, error: &std::io::Error) -> SetUpError {
    SetUpError::new(format!("cannot run {}: {error}; name the switch's binary with --switch-bin", binary.display()))
}

/// Waits for the line `ready native=HOST:PORT`.
async fn address_of(stdout: &mut BufReader<ChildStdout>) -> Option<SocketAddr> {
    let mut line = String::new();
    while stdout.read_line(&mut line).await.ok()? > 0 {
        if let Some(address) = line.trim().strip_prefix("ready native=") {
            return address.parse().ok();
        }
        line.clear();
    }
    None
}

fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally { offered: 7, committed: 5, rejected: 1, expired: 1, told_committed: 10, ..Tally::default() }
    }

    fn verified(ok: bool, [committed, rejected, expired, in_flight]: [u64; 4]) -> Verified {
        Verified { ok, payments: Payments { committed, rejected, expired, in_flight } }
    }

    #[test]
    fn what_journal_and_generator_disagree_about_is_said() {
        let problems = |ok, payments| compare(&verified(ok, payments), &tally()).join("; ");
        assert_eq!(problems(true, [5, 1, 1, 0]), "");
        assert!(problems(false, [5, 1, 1, 0]).contains("found the books"));
        assert!(
            problems(true, [6, 1, 1, 0]).contains("holds 6 payments committed, the payer providers were told of 5")
        );
        assert!(problems(true, [5, 0, 2, 0]).contains("0 payments rejected"));
        assert!(problems(true, [5, 1, 1, 3]).contains("3 payments in flight"));
        let doubled = Tally { told_committed: 11, ..tally() };
        assert!(compare(&verified(true, [5, 1, 1, 0]), &doubled)[0].contains("told 11 times instead of twice"));
    }

    #[test]
    fn the_last_line_that_says_something_is_shown() {
        assert_eq!(last_line(b"one\ntwo\n\n"), "two");
        assert_eq!(last_line(b""), "it said nothing");
    }
}
