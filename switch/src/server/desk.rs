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

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use adapters::message::PaymentId;
use crossbeam::channel::{Sender, bounded};
use ledger::index::TimePage;
use ledger::journal::{DiskStorage, JournalReader, Storage};
use serde::{Deserialize, Serialize};

use super::socket::{self, TroubleLine, Visits, broken_off};
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

/// The socket, and who may come.
pub(super) const VISITS: Visits = Visits {
    name: "payments",
    what: "looking payments up",
    connections_max: LOOKUP_CONNECTIONS_MAX,
    stall_ms: LOOKUP_STALL_MS,
};

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
    Trouble(TroubleLine),
}

/// What each connection reads from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) history: HistoryReader<DiskStorage>,
    pub(super) journal: DiskStorage,
    pub(super) queue: HotLoopQueue,
}

/// Serves one connection, to its end.
pub(super) fn attend(stream: &UnixStream, sources: Sources) {
    socket::attend(stream, (LOOKUP_REQUEST_BYTES_MAX, LOOKUP_REQUEST_MS), |line, out| {
        answer(parse_request(line)?, sources, out)
    });
}

fn parse_request(line: &[u8]) -> Result<Question, Trouble> {
    match socket::parse(line, VERSION)? {
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
            socket::write_line(&Answer::Payment(Box::new(lookup.show(id, through_journal)?)), out)
        }
        Question::List(query) => {
            let next = lookup.list(&query, &mut |row| socket::write_line(&Answer::Row(Box::new(row.clone())), out))?;
            socket::write_line(&Answer::End { next: next.map(|next| next.to_string()) }, out)
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
        let otherwise = format!("use --data {} instead of --config", data.display());
        socket::call(data, VISITS, &otherwise).map(|stream| Desk { stream })
    }

    /// Asks for one payment.
    pub fn show(self, id: PaymentId, through_journal: bool) -> Result<PaymentTrace, Trouble> {
        let mut shown = Err(broken_off(""));
        let question = Question::Show(ShowQuery { id: id.to_string(), through_journal });
        self.ask(question, |answer| match answer {
            Answer::Payment(trace) => {
                shown = Ok(*trace);
                Ok(true)
            }
            _ => Err(broken_off("")),
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
            _ => Err(broken_off("")),
        })?;
        Ok(end)
    }

    /// Hands over the lines of the answer, until one is said to be the last.
    fn ask(self, question: Question, mut take: impl FnMut(Answer) -> Result<bool, Trouble>) -> Result<(), Trouble> {
        let (show, list) = match question {
            Question::Show(show) => (Some(show), None),
            Question::List(list) => (None, Some(list)),
        };
        socket::ask(&self.stream, &Request { version: VERSION, show, list }, "", |answer| match answer {
            Answer::Trouble(trouble) => Err(trouble.into_trouble()),
            answer => take(answer),
        })
    }
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
}
