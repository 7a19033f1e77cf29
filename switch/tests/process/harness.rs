//! Processes of the switch and their data directories. What is started here never outlives its test, panics included.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adapters::message::ParticipantCode;
use adapters::native::tls;
use ledger::Currency;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_switch");

/// No test waits longer for what must come. Two busy cores are slow; a pass never depends on this being short.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// What each participant has, unless a test says otherwise.
pub(crate) const FUNDS: u64 = 1_000_000_000_000;

/// The currency of every scheme here.
pub(crate) const CURRENCY: &str = "XTS";

/// How long payments live, unless a test says otherwise.
pub(crate) const TIMEOUT_MS: u64 = 600_000;

/// Waits until `look` finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "this did not happen within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Connections that say nothing and hold all four places of a socket: `next` is then refused with these words. A place is held a little longer than an answer takes, and silence
/// is borne for a limited time, so what is refused may be one of these: then it is tried again with others.
pub(crate) fn all_places(socket: &Path, words: &str, mut next: impl FnMut() -> Output) -> [UnixStream; 4] {
    eventually("all places are taken", || {
        let idle = std::array::from_fn(|_| UnixStream::connect(socket).unwrap());
        let refused = next();
        let said = String::from_utf8(refused.stderr).unwrap();
        let is_told = said.contains(words);
        assert!(!is_told || (refused.status.code() == Some(1) && said.starts_with("switch: ")), "{said}");
        is_told.then_some(idle)
    })
}

/// What a command printed that has succeeded.
pub(crate) fn text_of(output: Output, words: &str) -> String {
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on standard error of a command that was refused, and its status.
pub(crate) fn line_of(output: Output, words: &str) -> (i32, String) {
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("switch: ") && said.lines().count() == 1, "{words}: {said}");
    (output.status.code().unwrap(), said)
}

/// What is said on a connection to a socket that asks this.
pub(crate) fn answer_to(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    // Whoever is refused may be refused before all was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    said
}

/// Code of the participant with this number, as `switch init` gives them.
pub(crate) fn code(number: usize) -> ParticipantCode {
    ParticipantCode::parse(&format!("PSP{number:04}")).unwrap()
}

/// A port that nobody else gets: below those that the system gives to outgoing connections, so that it is still free when a
/// killed switch comes back for it.
fn free_port() -> u16 {
    const FIRST: u16 = 16_000;
    const COUNT: u16 = 12_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run at the same time begin in different places.
    let begin = u16::try_from(std::process::id() % 120).unwrap() * 100;
    loop {
        let port = FIRST + (begin + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A data directory that `switch init` made, with certificates and a port of its own.
pub(crate) struct Data {
    directory: PathBuf,
    address: SocketAddr,
    /// Removes everything at the end, where the directory is ours.
    _root: Option<TempDir>,
}

impl Data {
    /// Four participants with money.
    pub(crate) fn new() -> Data {
        Data::with_participants(4)
    }

    /// As many participants with money.
    pub(crate) fn with_participants(count: usize) -> Data {
        let root = tempfile::tempdir().unwrap();
        let mut data = Data::inside(root.path(), count);
        data._root = Some(root);
        data
    }

    /// In a directory that the caller looks after.
    pub(crate) fn inside(root: &Path, participants: usize) -> Data {
        let directory = root.join("data");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut init = Command::new(BINARY);
        init.args(["init", "--listen", &address.to_string(), "--currency", CURRENCY]);
        init.args(["--participants", &participants.to_string(), "--funds", &FUNDS.to_string()]);
        let made = init.arg("--data").arg(&directory).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let data = Data { directory, address, _root: None };
        // The smallest journal: what a test needs, and no more zeros to write than the configuration allows.
        let (usual, least) = (switch::limits::SEGMENT_BYTES_DEFAULT, 4 * switch::limits::BATCH_BYTES_MAX);
        data.edit("switch.toml", &format!("segment_bytes = {usual}"), &format!("segment_bytes = {least}"));
        // On a busy machine ten seconds can pass between two steps of a test: nothing expires unless that is what is tested.
        data.set("genesis.toml", "timeout_ms", TIMEOUT_MS);
        // And who is away can be paid, unless that is.
        data.set("switch.toml", "absence_grace_ms", TIMEOUT_MS);
        data
    }

    /// Where it is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The sealing key's file.
    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.directory.with_file_name("data.sealing-key")
    }

    /// Where providers connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first segment of the journal.
    pub(crate) fn first_segment(&self) -> PathBuf {
        self.path("journal/00000000000000000001.segment")
    }

    /// Replaces `from`, which must be there, in a file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no `{from}`:\n{text}");
        std::fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    /// Sets a number in a TOML file.
    pub(crate) fn set(&self, name: &str, key: &str, value: u64) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap().to_owned();
        self.edit(name, &line, &format!("{key} = {value}"));
    }

    /// A short life for payments: the whole, and the payee provider's share, in milliseconds.
    pub(crate) fn set_timeout(&self, timeout_ms: u64, payee_share_ms: u64) {
        self.set("genesis.toml", "timeout_ms", timeout_ms);
        self.set("genesis.toml", "payee_share_ms", payee_share_ms);
        self.set("genesis.toml", "skew_ms", timeout_ms / 2);
    }

    /// TLS with the certificate of this name in `pki/`.
    pub(crate) fn tls(&self, name: &str) -> Arc<rustls::ClientConfig> {
        let pki = self.path("pki");
        let (certificate, key) = (pki.join(format!("{name}.pem")), pki.join(format!("{name}.key")));
        tls::client_config(&pki.join("ca.pem"), &certificate, &key).unwrap()
    }

    /// The command that serves this directory.
    pub(crate) fn serve_command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("serve").arg("--config").arg(self.path("switch.toml"));
        command
    }

    /// Runs the switch, and waits until it is ready.
    pub(crate) fn serve(&self) -> Switch {
        Switch::start(self.serve_command())
    }

    /// Runs the switch, which must give up by itself.
    pub(crate) fn serve_in_vain(&self) -> Ended {
        Switch::spawn(self.serve_command()).0.ended()
    }

    /// `switch ledger verify --json`: exit status and verdict.
    pub(crate) fn verify(&self) -> (i32, serde_json::Value) {
        let mut command = Command::new(BINARY);
        let output = command.args(["ledger", "verify", "--json", "--data"]).arg(&self.directory).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let verdict = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: `{text}`"));
        (output.status.code().unwrap(), verdict)
    }

    /// The verdict on a journal that must be whole, and its books balanced.
    pub(crate) fn verified(&self) -> serde_json::Value {
        let (status, verdict) = self.verify();
        assert!(status == 0 && verdict["ok"] == true, "{status}: {verdict}");
        verdict
    }

    /// What a participant can spend, by the journal.
    pub(crate) fn available(&self, participant: usize) -> u128 {
        let engine = switch::data::replay(&self.directory).unwrap().engine;
        let participant = engine.find_participant(&code(participant)).unwrap();
        let currency = Currency::parse(CURRENCY.as_bytes()).unwrap();
        let (available, reserved) = engine.balance_of(participant, currency).unwrap();
        assert_eq!(reserved, 0, "nothing is open");
        available
    }

    /// How many payments are final and committed, by the journal.
    pub(crate) fn committed(&self) -> u64 {
        self.verified()["payments"]["committed"].as_u64().unwrap()
    }
}

/// A running switch. Dropped, it is killed.
pub(crate) struct Switch {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    log_ends: Option<JoinHandle<()>>,
    ready_line: String,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status.
    pub(crate) status: ExitStatus,
    /// What it said on standard error.
    pub(crate) log: Vec<String>,
}

impl Ended {
    /// Its exit status and the one line that says why, without the program's name; lines of the log aside.
    pub(crate) fn complaint(&self) -> (Option<i32>, &str) {
        let complaints: Vec<_> = self.log.iter().filter_map(|line| line.strip_prefix("switch: ")).collect();
        assert!(complaints.len() == 1, "one line says why: {self:?}");
        let others = self.log.iter().filter(|line| !line.starts_with("switch: "));
        others.for_each(|line| assert!(line.contains(" INFO ") || line.contains(" WARN "), "no such log line: {line}"));
        (self.status.code(), complaints[0])
    }
}

impl Switch {
    /// Runs `command`, which must become a switch, and waits until it is ready.
    pub(crate) fn start(command: Command) -> Switch {
        let (mut switch, lines) = Switch::spawn(command);
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => switch.ready_line = line,
            Err(why) => panic!("the switch did not become ready ({why}): {:?}", switch.ended()),
        }
        switch
    }

    /// As `start`, where it may also end before it is ready.
    pub(crate) fn try_start(command: Command) -> Option<Switch> {
        let (switch, lines) = Switch::spawn(command);
        lines.recv_timeout(PATIENCE).is_ok().then_some(switch)
    }

    /// Has it ended by itself?
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// SIGKILL, unless it has ended by itself.
    pub(crate) fn kill_if_alive(mut self) {
        if !self.has_ended() {
            self.kill();
        }
    }

    /// Runs `command`; its standard output comes line by line.
    fn spawn(mut command: Command) -> (Switch, Receiver<String>) {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (sender, lines) = channel();
        read_lines(child.stdout.take().unwrap(), move |line| drop(sender.send(line)));
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let log_ends = read_lines(child.stderr.take().unwrap(), move |line| kept.lock().unwrap().push(line));
        (Switch { child, log, log_ends: Some(log_ends), ready_line: String::new() }, lines)
    }

    /// What it printed when it was ready.
    pub(crate) fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL: it has no time to do anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: it may finish.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it stands still until `go_on`.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        // The signal reaches one thread after the other.
        let tasks = format!("/proc/{}/task", self.child.id());
        eventually("every thread stands still", || {
            let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let is_stopped = |task| stat(task).rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"));
            std::fs::read_dir(&tasks).unwrap().map(Result::unwrap).all(is_stopped).then_some(())
        });
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// From now on it can open no file and take no connection; gives what it could.
    pub(crate) fn take_file_descriptors(&self) -> Rlimit {
        let pid = Some(Pid::from_child(&self.child));
        let before = rustix::process::getrlimit(Resource::Nofile);
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(0), maximum: before.maximum }).unwrap()
    }

    /// It can again.
    pub(crate) fn give_file_descriptors(&self, limit: Rlimit) {
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let status = eventually("the process ends", || self.child.try_wait().unwrap());
        self.log_ends.take().unwrap().join().unwrap();
        Ended { status, log: self.log() }
    }

    /// Stops it gracefully, which must succeed.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        let ended = self.ended();
        assert!(ended.status.success(), "{ended:?}");
        ended
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands over each line until the other side has closed.
fn read_lines(from: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            take(line.unwrap());
        }
    })
}
