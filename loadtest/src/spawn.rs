//! A switch of our own: made, started, stopped and audited by its own command line.
//!
//! It lives in a temporary directory and ends with this value: whatever fails, no process and no file stays behind.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use adapters::message::ParticipantCode;
use switch::config::{Genesis, GenesisDirectory};
use switch::engine::scheme::Model;
use switch::limits::{CUT_OFFS_PER_DAY_MAX, LOOKUP_CATEGORIES};

use crate::generator::Outcome;
use crate::limits::{READY_MS, RECOVERED_BYTES_PER_MS, STATUS_LOOK_MS, STATUS_MS, STOP_MS};
use crate::machine::{CpuTicks, threads_of};
use crate::protocol::Protocol;
use crate::recount::CutOffs;
use crate::report::Books;
use crate::samples::{Sample, SwitchStatus, Watched};
use crate::{SetUpError, aliases, audit};

/// What each participant has: more than all payments of a day at 1,000 minor units each.
const FUNDS: &str = "100000000000000000";

/// A running switch.
pub(crate) struct SpawnedSwitch {
    binary: PathBuf,
    child: Child,
    /// Where it listens to what the providers speak.
    pub(crate) address: SocketAddr,
    protocol: Protocol,
    /// Its log and its status, and its data where those are not kept.
    directory: TempDir,
    data: PathBuf,
    /// Kept, so that the switch never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
    /// For the samples.
    pub(crate) watched: Watched,
    /// Processor time of those that were killed.
    before: CpuTicks,
    /// When windows are closed; none where nothing was made to settle net.
    pub(crate) cut_offs: Option<CutOffs>,
    /// How long the import of its aliases took; none where nothing was imported.
    pub(crate) imported_in: Option<Duration>,
}

/// What of a switch is ours.
pub(crate) struct Home {
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// What the providers speak to it.
    pub(crate) protocol: Protocol,
    /// A data directory that is there already and is kept; none: a new one that is not.
    pub(crate) data: Option<PathBuf>,
    /// Participants of a new one.
    pub(crate) participants: u32,
    /// What a new one takes of each of them a second; 0: no limit.
    pub(crate) orders_per_second: u32,
    /// Does a new one settle net, and close a window each minute?
    pub(crate) settles_net: bool,
    /// Aliases of a new one, and what its buckets hold; none where it has no directory of its own.
    pub(crate) aliases: Option<(u64, u32)>,
}

impl SpawnedSwitch {
    /// Makes a data directory, where none is given, and starts a switch on it.
    pub(crate) async fn start(home: &Home) -> Result<SpawnedSwitch, SetUpError> {
        let directory = tempfile::Builder::new().prefix("loadtest-").tempdir();
        let directory =
            directory.map_err(|error| SetUpError::new(format!("cannot make a temporary directory: {error}")))?;
        let (mut cut_offs, mut imported_in) = (None, None);
        let data = match &home.data {
            Some(data) => data.clone(),
            None => {
                // One level more than needed: the switch writes its sealing key beside the data directory.
                let data = directory.path().join("x").join("data");
                init(&home.binary, &data, home.participants, home.orders_per_second, home.protocol).await?;
                if home.settles_net {
                    let minutes = settle_net(&data.join("genesis.toml")).map_err(SetUpError::new)?;
                    cut_offs = Some(CutOffs { minutes, ordered: 0 });
                }
                if let Some((count, tokens)) = home.aliases {
                    open_directory(&data.join("genesis.toml"), tokens).map_err(SetUpError::new)?;
                    imported_in = Some(import(&home.binary, &data, count).await?);
                }
                data
            }
        };
        let watched = Watched { status_file: Some(directory.path().join("status.json")), ..Watched::default() };
        let (child, stdout, address) =
            serve(home.protocol, &home.binary, &data, &directory).await.map_err(SetUpError::new)?;
        watched.process.store(child.id().unwrap_or(0), Ordering::Relaxed);
        let (binary, before) = (home.binary.clone(), CpuTicks::default());
        Ok(SpawnedSwitch {
            binary,
            child,
            address,
            protocol: home.protocol,
            directory,
            data,
            _stdout: stdout,
            watched,
            before,
            cut_offs,
            imported_in,
        })
    }

    /// Where everything of it lies.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where the certificates lie.
    pub(crate) fn pki(&self) -> PathBuf {
        self.data.join("pki")
    }

    /// Its number; none where it is gone.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Processor time so far, of all its lives; none where it is gone.
    pub(crate) fn cpu_ticks(&self) -> Option<CpuTicks> {
        self.child.id().and_then(CpuTicks::of).map(|ticks| ticks.plus(self.before))
    }

    /// Seconds of processor time of its threads, by name, in its present life.
    pub(crate) fn threads_s(&self) -> BTreeMap<String, f64> {
        let threads = self.child.id().map(threads_of).unwrap_or_default();
        threads.into_iter().map(|(name, ticks)| (name, ticks.seconds())).collect()
    }

    /// Kills it as a power cut would, and starts it again on the same data. Gives the milliseconds until it was ready.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<u64, String> {
        let began = Instant::now();
        self.before = self.cpu_ticks().unwrap_or(self.before);
        self.watched.process.store(0, Ordering::Relaxed);
        self.child.kill().await.map_err(|error| format!("cannot kill the switch: {error}"))?;
        let (child, stdout, address) = serve(self.protocol, &self.binary, &self.data, &self.directory).await?;
        self.watched.process.store(child.id().unwrap_or(0), Ordering::Relaxed);
        (self.child, self._stdout, self.address) = (child, stdout, address);
        Ok(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The longest that it stood still at a cut-off, in any of its lives; none where it closed no window, or nobody looks at them.
    pub(crate) async fn longest_cut_off_us(&self, samples: &[Sample]) -> Option<u64> {
        self.cut_offs.as_ref()?;
        let last = self.fresh_status().await;
        let statuses = samples.iter().filter_map(|sample| sample.switch).chain(last);
        statuses.filter(|status| status.windows_closed > 0).map(|status| status.cut_off_us_longest).max()
    }

    /// What it says of itself, no older than this moment; none where it says nothing.
    async fn fresh_status(&self) -> Option<SwitchStatus> {
        let asked = SystemTime::now();
        let path = self.watched.status_file.as_ref()?;
        let is_fresh = || std::fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|at| at > asked);
        for _ in 0..STATUS_MS / STATUS_LOOK_MS {
            if is_fresh() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(STATUS_LOOK_MS)).await;
        }
        self.watched.status()
    }

    /// Stops it, and has its journal audited: by its own command, and by an engine of ours. What is wrong stands in the result.
    pub(crate) async fn stop_and_audit(mut self, outcome: &Outcome) -> Books {
        let (mut problems, mut windows) = (Vec::new(), None);
        if let Err(problem) = self.stop().await {
            let log = std::fs::read(self.directory.path().join("switch.log")).unwrap_or_default();
            problems.push(format!("{problem}: {}", last_line(&log)));
        }
        let (data, run, cut_offs) = (self.data.clone(), outcome.run, self.cut_offs.clone());
        let walk = tokio::task::spawn_blocking(move || audit::walk(&data, run, cut_offs.as_ref()));
        match self.verify().await {
            Ok(Verified { ok: true }) => {}
            Ok(_) => problems.push("`switch ledger verify` found the books or the journal wrong".to_owned()),
            Err(error) => problems.push(error),
        }
        match walk.await {
            Ok(Ok(audit)) => {
                problems.extend(audit::compare(&audit, &outcome.tally, &outcome.codes));
                windows = audit.windows;
            }
            Ok(Err(error)) => problems.push(format!("the journal cannot be walked: {error}")),
            Err(panicked) => problems.push(format!("the journal cannot be replayed: {panicked}")),
        }
        if let Some(windows) = &windows {
            problems.extend(
                windows.problems(outcome.tally.committed + outcome.tally.sequels.returns, outcome.is_interrupted),
            );
        }
        Books { are_right: problems.is_empty(), problems, windows }
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
        verify.args(["ledger", "verify", "--json", "--data"]).arg(&self.data);
        let output = verify.output().await.map_err(|error| format!("cannot run `switch ledger verify`: {error}"))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`switch ledger verify` gave no verdict ({error}): {}", last_line(&output.stderr)))
    }
}

/// Restarts of the switch, as they are asked for.
pub(crate) struct Restarts {
    /// Where the switch is now.
    pub(crate) address: Rc<Cell<SocketAddr>>,
    /// How long each took until it was ready, in milliseconds.
    pub(crate) ready_after_ms: Vec<u64>,
    /// Why the last one failed.
    pub(crate) failure: Option<String>,
}

impl Restarts {
    /// Kills and restarts whenever it is told to. Never ends by itself.
    pub(crate) async fn serve(&mut self, switch: &mut SpawnedSwitch, mut kills: UnboundedReceiver<()>) {
        while kills.recv().await.is_some() && self.failure.is_none() {
            match switch.kill_and_restart().await {
                Ok(after_ms) => {
                    self.ready_after_ms.push(after_ms);
                    self.address.set(switch.address);
                }
                Err(error) => self.failure = Some(format!("the switch did not start again: {error}")),
            }
        }
        std::future::pending::<()>().await;
    }
}

/// What `switch ledger verify --json` says, as far as it is needed.
#[derive(Deserialize)]
struct Verified {
    ok: bool,
}

/// Makes a data directory. Its participants are rich enough for a day.
pub(crate) async fn init(
    binary: &Path,
    data: &Path,
    participants: u32,
    orders_per_second: u32,
    protocol: Protocol,
) -> Result<(), SetUpError> {
    let mut init = switch(binary);
    init.arg("init").arg("--data").arg(data).args(["--participants", &participants.to_string()]);
    init.args(["--funds", FUNDS, "--currency", "XTS", "--listen", "127.0.0.1:0"]);
    if protocol == Protocol::Iso20022 {
        init.args(["--listen-iso20022", "127.0.0.1:0"]);
    }
    let made = init.output().await.map_err(|error| SetUpError::new(cannot_run(binary, &error)))?;
    if !made.status.success() {
        return Err(SetUpError::new(format!("`switch init` failed: {}", last_line(&made.stderr))));
    }
    let config = data.join("switch.toml");
    throttle(&config, orders_per_second).map_err(|error| SetUpError::new(format!("switch.toml: {error}")))
}

/// Lets the scheme settle net, each participant with all that it has behind its position, and close its window at each of the next minutes. Gives them.
fn settle_net(path: &Path) -> Result<Vec<u16>, String> {
    let mut genesis = Genesis::read(path).map_err(|error| error.to_string())?;
    let now = jiff::Timestamp::now().as_second().unsigned_abs() / 60;
    // As many as a calendar takes: more than a run has minutes.
    let mut minutes: Vec<u16> =
        (1..=CUT_OFFS_PER_DAY_MAX as u64).map(|later| u16::try_from((now + later) % (24 * 60)).unwrap_or(0)).collect();
    minutes.sort_unstable();
    for currency in &mut genesis.currency {
        currency.model = Model::Net;
        currency.cut_offs = minutes.iter().map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60)).collect();
    }
    for participant in &mut genesis.participant {
        participant.net_debit_cap = participant.funds.clone();
    }
    let text = toml::to_string(&genesis).map_err(|error| error.to_string())?;
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(minutes)
}

/// Lets the scheme trust the ID system of our files of aliases, and fills all buckets so far. The costs are the usual ones.
pub(crate) fn open_directory(path: &Path, tokens: u32) -> Result<(), String> {
    let mut genesis = Genesis::read(path).map_err(|error| error.to_string())?;
    genesis.directory = Some(GenesisDirectory {
        end_user_capacity: tokens,
        category_capacity: [tokens; LOOKUP_CATEGORIES],
        category_per_minute: [tokens; LOOKUP_CATEGORIES],
        issuer: vec![aliases::genesis_issuer()],
        ..GenesisDirectory::default()
    });
    let text = toml::to_string(&genesis).map_err(|error| error.to_string())?;
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Imports so many aliases, each participant's from a file of its own. Gives how long the switch's part took.
pub(crate) async fn import(binary: &Path, data: &Path, count: u64) -> Result<Duration, SetUpError> {
    let codes = switch::pki::participants_in(&data.join("pki")).map_err(SetUpError::new)?;
    let step = codes.len() as u64;
    let mut took = Duration::ZERO;
    for (first, code) in (0..).zip(codes) {
        let rows = aliases::Rows { first, step, end: count };
        if rows.count() > 0 {
            took += import_of(binary, data, (code, rows)).await?;
        }
    }
    Ok(took)
}

async fn import_of(
    binary: &Path,
    data: &Path,
    (code, rows): (ParticipantCode, aliases::Rows),
) -> Result<Duration, SetUpError> {
    // Beside the data: a file of many rows may not fit where temporary files go.
    let parent = data.parent().unwrap_or(Path::new("."));
    let directory = tempfile::Builder::new().prefix("aliases-").tempdir_in(parent);
    let directory = directory.map_err(|error| SetUpError::new(format!("{}: {error}", parent.display())))?;
    let file = directory.path().join("rows.csv");
    let files = tokio::task::spawn_blocking(move || aliases::write(&file, code.as_str(), rows)).await;
    let files = files.map_err(SetUpError::new)??;
    let began = Instant::now();
    let mut import = switch(binary);
    import.args(["directory", "import", "--json", "--participant", code.as_str(), "--config"]);
    import.arg(data.join("switch.toml")).arg("--file").arg(&files.rows).arg("--attestation").arg(&files.attestation);
    let output = import.output().await.map_err(|error| SetUpError::new(cannot_run(binary, &error)))?;
    let failed = |why: String| SetUpError::new(format!("`switch directory import` for {code} failed: {why}"));
    let imported: Imported = serde_json::from_slice(&output.stdout).map_err(|_| failed(last_line(&output.stderr)))?;
    // Rows that are there already were refused, and may be: the same import again changes nothing.
    let is_again = imported.registered == 0 && imported.refused == rows.count();
    if imported.registered != rows.count() && !is_again {
        let Imported { registered, refused } = imported;
        return Err(failed(format!(
            "{registered} of {} aliases were registered, {refused} were refused",
            rows.count()
        )));
    }
    Ok(began.elapsed())
}

/// What `switch directory import --json` says, as far as it is needed.
#[derive(Deserialize)]
struct Imported {
    registered: u64,
    refused: u64,
}

/// Sets what one participant may send a second, and at once after a pause. By default nothing limits it: a few connections are to send all that the
/// switch takes.
fn throttle(config: &Path, orders_per_second: u32) -> std::io::Result<()> {
    let text = std::fs::read_to_string(config)?;
    let lines = text.lines().map(|line| match line.split(' ').next() {
        Some("orders_per_second") => format!("orders_per_second = {orders_per_second}"),
        Some("orders_burst") if orders_per_second > 0 => format!("orders_burst = {orders_per_second}"),
        _ => line.to_owned(),
    });
    std::fs::write(config, lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// Starts a switch, and waits until it is ready.
async fn serve(
    protocol: Protocol,
    binary: &Path,
    data: &Path,
    directory: &TempDir,
) -> Result<(Child, BufReader<ChildStdout>, SocketAddr), String> {
    let log_path = directory.path().join("switch.log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.map_err(|error| format!("switch.log: {error}"))?;
    let mut serve = switch(binary);
    serve.arg("serve").arg("--config").arg(data.join("switch.toml"));
    serve.arg("--status-file").arg(directory.path().join("status.json"));
    let mut child = serve
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C in a terminal goes to the whole group: the switch must outlive the drain.
        .process_group(0)
        .spawn()
        .map_err(|error| cannot_run(binary, &error))?;
    let stdout = child.stdout.take().unwrap_or_else(|| unreachable!("it was asked for"));
    let mut stdout = BufReader::new(stdout);
    let ready_ms = READY_MS + journal_bytes(data) / RECOVERED_BYTES_PER_MS;
    let why = match timeout(Duration::from_millis(ready_ms), ready_line(&mut stdout)).await {
        Ok(Some(line)) => match address_in(&line, protocol) {
            Some(address) => return Ok((child, stdout, address)),
            None => {
                return Err(format!(
                    "the switch does not listen to {0}: set listen.{0} in switch.toml",
                    protocol.name()
                ));
            }
        },
        Ok(None) => "it ended".to_owned(),
        Err(_) => format!("{} s were not enough", ready_ms / 1_000),
    };
    let log = std::fs::read(&log_path).unwrap_or_default();
    Err(format!("`switch serve` did not become ready, {why}: {}", last_line(&log)))
}

/// How much a start has to read; 0 for a new one.
fn journal_bytes(data: &Path) -> u64 {
    let segments = std::fs::read_dir(data.join("journal")).into_iter().flatten().flatten();
    segments.filter_map(|segment| segment.metadata().ok()).map(|file| file.len()).sum()
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

/// A command of the switch that ends with this process's interest in it.
fn switch(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn cannot_run(binary: &Path, error: &std::io::Error) -> String {
    format!("cannot run {}: {error}; name the switch's binary with --switch-bin", binary.display())
}

/// Waits for the line `ready native=HOST:PORT iso20022=HOST:PORT`, of which the second is there where it is listened to.
async fn ready_line(stdout: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = String::new();
    while stdout.read_line(&mut line).await.ok()? > 0 {
        if line.starts_with("ready ") {
            return Some(line);
        }
        line.clear();
    }
    None
}

/// Where this protocol is listened to.
fn address_in(line: &str, protocol: Protocol) -> Option<SocketAddr> {
    let mut said = line.split_whitespace().filter_map(|said| said.split_once('='));
    said.find(|(name, _)| *name == protocol.name()).and_then(|(_, address)| address.parse().ok())
}

fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_protocol() {
        let line = "ready native=127.0.0.1:7400 iso20022=127.0.0.1:7443\n";
        for (protocol, port) in [(Protocol::Native, 7400), (Protocol::Iso20022, 7443)] {
            assert_eq!(address_in(line, protocol).map(|address| address.port()), Some(port));
        }
        assert_eq!(address_in("ready native=127.0.0.1:7400", Protocol::Iso20022), None);
    }

    #[test]
    fn the_last_line_that_says_something_is_shown() {
        assert_eq!(last_line(b"one\ntwo\n\n"), "two");
        assert_eq!(last_line(b""), "it said nothing");
    }
}
