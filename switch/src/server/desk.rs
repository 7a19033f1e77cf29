//! The desk: where payments are looked up while the switch runs. A Unix socket in the data directory, for whoever may read that directory anyway (mode
//! 0600), and read-only: nothing that is asked here changes anything.
//!
//! One request a connection: a line of JSON, then lines of JSON as the answer. Each connection has a thread that reads the history's files and the journal; what is
//! in memory only is asked of the hot loop, in bounded portions.
//!
//! ```text
//! {"version":1,"show":{"id":"5f3c...","through_journal":false}}      -> {"payment":{...}}
//! {"version":1,"list":{"participant":"PSP0001","limit":100}}         -> {"row":{...}} ... {"end":{"next":"1024.0"}}
//!                                                                    -> {"trouble":{"kind":"asked","text":"..."}}
//! ```

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adapters::message::PaymentId;
use crossbeam::channel::{Sender, bounded};
use ledger::index::TimePage;
use ledger::journal::{DiskStorage, JournalReader, Storage};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{HotLoopQueue, Message};
use crate::engine::cases::Case;
use crate::history::HistoryReader;
use crate::limits::{
    LOOKUP_CONNECTIONS_MAX, LOOKUP_HOT_LOOP_MS, LOOKUP_RECORDS_MAX, LOOKUP_REQUEST_BYTES_MAX, LOOKUP_REQUEST_MS,
    LOOKUP_SLOTS_MAX, LOOKUP_STALL_MS,
};
use crate::lookup::{
    Beyond, ListQuery, Lookup, Names, OpenPayment, PaymentRow, PaymentTrace, Reached, Trouble, Visit, visit_page,
};
use crate::pipeline::Pipeline;

/// The socket's name in the data directory.
const SOCKET: &str = "payments.socket";

/// Where the socket is made: a directory that nobody else can enter, until it has its mode.
const PREPARING: &str = "payments.preparing";

/// A socket's path has so many bytes at most; one is the zero at its end.
const PATH_BYTES_MAX: usize = 107;

/// Of requests and answers.
const VERSION: u32 = 1;

/// What is asked of the hot loop.
pub(super) enum Memory {
    /// All participants and currencies.
    Names(Sender<Names>),
    /// Is a payment with this id held, and what is it if it is not decided?
    Payment(PaymentId, Sender<Option<Option<OpenPayment>>>),
    /// How much of a payment was returned lately.
    Returned(PaymentId, Sender<Option<u64>>),
    /// The case with this id.
    Case(PaymentId, Sender<Option<Case>>),
    /// Records from a number on; none where they are in files.
    Records(u64, Sender<Option<TimePage>>),
    /// What is in flight in the slots from one on, and the slot to go on with.
    Open(usize, Sender<(Vec<OpenPayment>, Option<usize>)>),
    /// Up to where all is decided.
    Applied(Sender<u64>),
}

impl Memory {
    /// The hot loop's answer. Whoever asked may have gone; then nobody misses it.
    pub(super) fn answer<S: Storage>(self, pipeline: &Pipeline<S>) {
        let engine = pipeline.engine();
        match self {
            Memory::Names(reply) => drop(reply.send(Names::of(engine))),
            Memory::Payment(id, reply) => drop(reply.send(engine.find_payment(id).map(OpenPayment::of))),
            Memory::Returned(id, reply) => drop(reply.send(engine.returned_of(id))),
            Memory::Case(id, reply) => drop(reply.send(engine.find_case(id).cloned())),
            Memory::Records(from, reply) => {
                drop(reply.send(pipeline.history().page_in_memory(from, LOOKUP_RECORDS_MAX)));
            }
            Memory::Open(slot, reply) => {
                let (open, next) = engine.open_payments_from(slot, LOOKUP_SLOTS_MAX);
                drop(reply.send((open.into_iter().filter_map(OpenPayment::of).collect(), next)));
            }
            Memory::Applied(reply) => drop(reply.send(engine.applied())),
        }
    }
}

/// A request: one of the two.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<ShowQuery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<ListQuery>,
}

/// Which payment is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    id: String,
    #[serde(default)]
    through_journal: bool,
}

/// What is asked.
#[derive(Debug)]
enum Question {
    Show(ShowQuery),
    List(ListQuery),
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Payment(Box<PaymentTrace>),
    Row(Box<PaymentRow>),
    End { next: Option<String> },
    Trouble { kind: TroubleKind, text: String },
}

/// What kind of trouble, as [`Trouble`] has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TroubleKind {
    Asked,
    NotThere,
    Fault,
}

impl Answer {
    fn of_trouble(trouble: &Trouble) -> Answer {
        let kind = match trouble {
            Trouble::Asked(_) => TroubleKind::Asked,
            Trouble::NotThere(_) => TroubleKind::NotThere,
            Trouble::Fault(_) | Trouble::Output(_) => TroubleKind::Fault,
        };
        Answer::Trouble { kind, text: trouble.to_string() }
    }

    fn write(&self, out: &mut impl Write) -> Result<(), Trouble> {
        let line = serde_json::to_string(self).map_err(|error| Trouble::Output(error.into()))?;
        writeln!(out, "{line}").map_err(Trouble::Output)
    }
}

/// Where the socket of a data directory is, if its path is not too long for one.
fn socket_path(data: &Path) -> Result<PathBuf, String> {
    let longest = data.join(PREPARING).join("s");
    if longest.as_os_str().len() > PATH_BYTES_MAX {
        let (most, data) = (PATH_BYTES_MAX - PREPARING.len() - 3, data.display());
        return Err(format!("the path {data} is too long for a socket in it: at most {most} bytes"));
    }
    Ok(data.join(SOCKET))
}

/// What each connection reads from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) history: HistoryReader<DiskStorage>,
    pub(super) journal: DiskStorage,
    pub(super) queue: HotLoopQueue,
}

/// The socket, and the thread that serves it.
pub(super) struct DeskThread {
    listener: UnixListener,
    path: PathBuf,
    sources: Sources,
}

impl DeskThread {
    /// Makes the socket; replaces one that a switch has left which was killed. The data directory is locked by this switch.
    pub(super) fn bind(data: &Path, sources: Sources) -> Result<DeskThread, String> {
        let path = socket_path(data)?;
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let preparing = data.join(PREPARING);
        let _ = std::fs::remove_dir_all(&preparing);
        std::fs::DirBuilder::new().mode(0o700).create(&preparing).map_err(failed)?;
        let made = preparing.join("s");
        let listener = UnixListener::bind(&made).map_err(failed)?;
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&made, &path).map_err(failed)?;
        std::fs::remove_dir(&preparing).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(DeskThread { listener, path, sources })
    }

    /// Serves until the switch stops; then those who are being served are cut off, and the socket is removed.
    pub(super) fn run(self, stop: watch::Receiver<bool>) {
        let DeskThread { listener, path, sources } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut visitors = Vec::new();
        let served = runtime.and_then(|runtime| runtime.block_on(serve(listener, &sources, stop, &mut visitors)));
        if let Err(error) = served {
            tracing::warn!(reason = %error, "payments cannot be looked up until the next start");
        }
        for Visitor { stream, thread } in visitors {
            // It may have gone.
            let _ = stream.shutdown(Shutdown::Both);
            // A panic there was said on standard error, and is no reason for the switch not to stop in order.
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(path);
    }
}

/// Somebody who is being served.
struct Visitor {
    stream: UnixStream,
    thread: JoinHandle<()>,
}

async fn serve(
    listener: UnixListener,
    sources: &Sources,
    mut stop: watch::Receiver<bool>,
    visitors: &mut Vec<Visitor>,
) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    loop {
        let stream = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted?.0.into_std()?,
        };
        visitors.retain(|visitor| !visitor.thread.is_finished());
        // One who cannot be served is one who is not served: the others are.
        if let Err(error) = receive(stream, sources, visitors) {
            tracing::warn!(reason = %error, "a look-up of payments was refused");
        }
    }
}

fn receive(stream: UnixStream, sources: &Sources, visitors: &mut Vec<Visitor>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(Duration::from_millis(LOOKUP_STALL_MS)))?;
    if visitors.len() >= LOOKUP_CONNECTIONS_MAX {
        let text = format!("{LOOKUP_CONNECTIONS_MAX} others are looking payments up; try again");
        // A line fits the socket's buffer: this waits for nobody.
        let _ = Answer::of_trouble(&Trouble::Fault(text)).write(&mut &stream);
        return Ok(());
    }
    let (theirs, sources) = (stream.try_clone()?, sources.clone());
    let thread = std::thread::Builder::new().name("desk".to_owned()).spawn(move || attend(&theirs, sources))?;
    visitors.push(Visitor { stream, thread });
    Ok(())
}

/// Serves one connection, to its end.
fn attend(stream: &UnixStream, sources: Sources) {
    let mut out = BufWriter::new(stream);
    let served = read_request(stream).and_then(|question| answer(question, sources, &mut out));
    match served {
        Ok(()) => {}
        // It has gone, or takes nothing.
        Err(Trouble::Output(_)) => return,
        Err(trouble) => drop(Answer::of_trouble(&trouble).write(&mut out)),
    }
    let _ = out.flush();
    let _ = stream.shutdown(Shutdown::Both);
}

/// The request, which must be whole in time.
fn read_request(mut stream: &UnixStream) -> Result<Question, Trouble> {
    let until = Instant::now() + Duration::from_millis(LOOKUP_REQUEST_MS);
    let mut line = Vec::new();
    let mut buffer = [0; 1_024];
    while !line.contains(&b'\n') {
        if line.len() > LOOKUP_REQUEST_BYTES_MAX {
            return Err(Trouble::Asked(format!("a request of more than {LOOKUP_REQUEST_BYTES_MAX} bytes")));
        }
        let late = || Trouble::Asked(format!("a request that was not whole within {LOOKUP_REQUEST_MS} ms"));
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late)?;
        stream.set_read_timeout(Some(left)).map_err(Trouble::Output)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(Trouble::Asked("a request that ends before the end of its line".to_owned())),
            Ok(count) => line.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(late()),
            Err(error) => return Err(Trouble::Output(error)),
        }
    }
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    parse_request(&line[..end])
}

fn parse_request(line: &[u8]) -> Result<Question, Trouble> {
    /// What every version of a request has.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let wrong = |error: serde_json::Error| Trouble::Asked(format!("a request that is none: {error}"));
    let Versioned { version } = serde_json::from_slice(line).map_err(wrong)?;
    if version != VERSION {
        let text =
            format!("a request of version {version}; this switch answers version {VERSION}: use its own `switch`");
        return Err(Trouble::Asked(text));
    }
    match serde_json::from_slice(line).map_err(wrong)? {
        Request { show: Some(show), list: None, .. } => Ok(Question::Show(show)),
        Request { show: None, list: Some(list), .. } => Ok(Question::List(list)),
        Request { .. } => Err(Trouble::Asked("a request must have `show` or `list`, and not both".to_owned())),
    }
}

fn answer(question: Question, sources: Sources, out: &mut impl Write) -> Result<(), Trouble> {
    let Sources { history, journal, queue } = sources;
    let journal = JournalReader::open(journal)?;
    let mut lookup = Lookup::new(history, journal, Running { queue })?;
    match question {
        Question::Show(ShowQuery { id, through_journal }) => {
            let wrong = || Trouble::Asked(format!("{id} is no UETR: a UUID of version 4"));
            let id = PaymentId::parse(&id).ok_or_else(wrong)?;
            Answer::Payment(Box::new(lookup.show(id, through_journal)?)).write(out)
        }
        Question::List(query) => {
            let next = lookup.list(&query, &mut |row| Answer::Row(Box::new(row.clone())).write(out))?;
            Answer::End { next: next.map(|next| next.to_string()) }.write(out)
        }
    }
}

/// What is beyond the history's files where a switch runs: its memory.
struct Running {
    queue: HotLoopQueue,
}

impl Running {
    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Memory) -> Result<T, Trouble> {
        let (reply, answer) = bounded(1);
        if self.queue.try_send(Message::Memory(question(reply))).is_err() {
            return Err(Trouble::Fault("the switch is too busy, or stops; ask again".to_owned()));
        }
        let answered = answer.recv_timeout(Duration::from_millis(LOOKUP_HOT_LOOP_MS));
        answered.map_err(|_| Trouble::Fault("the switch does not answer: it stands still, or stops".to_owned()))
    }
}

impl Beyond for Running {
    fn names(&mut self) -> Result<Names, Trouble> {
        self.ask(Memory::Names)
    }

    fn may_hold(&mut self, id: PaymentId) -> Result<bool, Trouble> {
        Ok(self.ask(|reply| Memory::Payment(id, reply))?.is_some())
    }

    fn is_moving(&self) -> bool {
        true
    }

    fn each(&mut self, from: u64, visit: &mut Visit<'_>) -> Result<Reached, Trouble> {
        let mut number = from;
        loop {
            let Some(page) = self.ask(|reply| Memory::Records(number, reply))? else {
                return Ok(Reached::InFiles(number));
            };
            number = page.first_number;
            if visit_page(&page.records, &mut number, visit)?.is_break() {
                return Ok(Reached::Stopped);
            }
            if page.next.is_none() {
                return Ok(Reached::End(number));
            }
        }
    }

    fn open(&mut self) -> Result<Vec<OpenPayment>, Trouble> {
        let (mut open, mut next) = (Vec::new(), Some(0));
        while let Some(slot) = next {
            let (some, behind) = self.ask(|reply| Memory::Open(slot, reply))?;
            open.extend(some);
            next = behind;
        }
        Ok(open)
    }

    fn open_payment(&mut self, id: PaymentId) -> Result<Option<OpenPayment>, Trouble> {
        Ok(self.ask(|reply| Memory::Payment(id, reply))?.flatten())
    }

    fn returned_of(&mut self, id: PaymentId) -> Result<Option<u64>, Trouble> {
        self.ask(|reply| Memory::Returned(id, reply))
    }

    fn case(&mut self, id: PaymentId) -> Result<Option<Case>, Trouble> {
        self.ask(|reply| Memory::Case(id, reply))
    }

    fn applied(&mut self) -> Result<u64, Trouble> {
        self.ask(Memory::Applied)
    }
}

/// The other end: a connection to the desk of a running switch.
pub struct Desk {
    stream: UnixStream,
}

impl Desk {
    /// Connects to the switch that runs on a data directory.
    pub fn call(data: &Path) -> Result<Desk, Trouble> {
        let path = socket_path(data)
            .map_err(|text| Trouble::Asked(format!("{text}; stop the switch and use --data, or move the directory")))?;
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Desk { stream }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                let data = data.display();
                Err(Trouble::Asked(format!(
                    "no switch runs on {data} ({} does not answer): start it, or use --data {data} instead of --config",
                    path.display()
                )))
            }
            Err(error) => Err(Trouble::Asked(format!("{}: {error}", path.display()))),
        }
    }

    /// Asks for one payment.
    pub fn show(self, id: PaymentId, through_journal: bool) -> Result<PaymentTrace, Trouble> {
        let mut shown = Err(broken_off());
        let question = Question::Show(ShowQuery { id: id.to_string(), through_journal });
        self.ask(question, |answer| match answer {
            Answer::Payment(trace) => {
                shown = Ok(*trace);
                Ok(true)
            }
            _ => Err(broken_off()),
        })?;
        shown
    }

    /// Asks for many. Gives the cursor of the next page, where there is one.
    pub fn list(
        self,
        query: &ListQuery,
        emit: &mut dyn FnMut(&PaymentRow) -> Result<(), Trouble>,
    ) -> Result<Option<String>, Trouble> {
        let mut end = None;
        self.ask(Question::List(query.clone()), |answer| match answer {
            Answer::Row(row) => emit(&row).map(|()| false),
            Answer::End { next } => {
                end = next;
                Ok(true)
            }
            _ => Err(broken_off()),
        })?;
        Ok(end)
    }

    /// Hands over the lines of the answer, until one is said to be the last.
    fn ask(self, question: Question, mut take: impl FnMut(Answer) -> Result<bool, Trouble>) -> Result<(), Trouble> {
        let lost = |error: io::Error| Trouble::Fault(format!("the switch has ended the connection: {error}"));
        let (show, list) = match question {
            Question::Show(show) => (Some(show), None),
            Question::List(list) => (None, Some(list)),
        };
        let request = Request { version: VERSION, show, list };
        let line = serde_json::to_string(&request).map_err(|error| lost(error.into()))?;
        // A switch that serves enough others answers, and ends, before it has read: its answer says why.
        let sent = (&self.stream).write_all(format!("{line}\n").as_bytes());
        for line in BufReader::new(&self.stream).lines() {
            let answer = serde_json::from_str(&line.map_err(lost)?).map_err(|error| lost(error.into()))?;
            match answer {
                Answer::Trouble { kind: TroubleKind::Asked, text } => return Err(Trouble::Asked(text)),
                Answer::Trouble { kind: TroubleKind::NotThere, text } => return Err(Trouble::NotThere(text)),
                Answer::Trouble { kind: TroubleKind::Fault, text } => return Err(Trouble::Fault(text)),
                answer => {
                    if take(answer)? {
                        return Ok(());
                    }
                }
            }
        }
        sent.map_err(lost).and(Err(broken_off()))
    }
}

fn broken_off() -> Trouble {
    Trouble::Fault("the switch broke its answer off".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    #[test]
    fn a_request_is_one_question_of_this_version() {
        let show = parse_request(br#"{"version":1,"show":{"id":"x"}}"#).unwrap();
        assert!(matches!(show, Question::Show(ShowQuery { id, through_journal: false }) if id == "x"));
        let list = parse_request(br#"{"version":1,"list":{"limit":7,"outcome":"in_flight"}}"#).unwrap();
        assert!(matches!(list, Question::List(ListQuery { limit: 7, outcome: Some(_), participant: None, .. })));
        let wrong = [
            ("", "a request that is none"),
            ("[]", "a request that is none"),
            (r#"{"show":{"id":"x"}}"#, "missing field `version`"),
            (r#"{"version":2,"show":{"id":"x"}}"#, "a request of version 2; this switch answers version 1"),
            (r#"{"version":1}"#, "`show` or `list`"),
            (r#"{"version":1,"show":{"id":"x"},"list":{}}"#, "not both"),
            (r#"{"version":1,"show":{}}"#, "missing field `id`"),
            (r#"{"version":1,"stop":{}}"#, "unknown field `stop`"),
            (r#"{"version":1,"list":{"outcome":"lost"}}"#, "unknown variant `lost`"),
            (r#"{"version":1,"list":{"limit":-1}}"#, "invalid value"),
        ];
        for (line, words) in wrong {
            let trouble = parse_request(line.as_bytes()).unwrap_err();
            assert!(matches!(&trouble, Trouble::Asked(text) if text.contains(words)), "{line}: {trouble}");
        }
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_said() {
        assert_eq!(socket_path(Path::new("/data")).unwrap(), Path::new("/data/payments.socket"));
        let long = format!("/{}", "d".repeat(PATH_BYTES_MAX));
        let text = socket_path(Path::new(&long)).unwrap_err();
        assert!(text.contains("too long for a socket") && text.contains(&long), "{text}");
        // The longest that is said to be right is one that a socket can be made under.
        let most = PATH_BYTES_MAX - PREPARING.len() - 3;
        assert!(socket_path(Path::new(&"d".repeat(most))).is_ok());
        assert!(socket_path(Path::new(&"d".repeat(most + 1))).is_err());
    }
}
