//! Where a running switch is administered: a Unix socket in the data directory, mode 0600, beside the one where payments are looked up.
//!
//! A command is checked here as far as that can be, waits for the hot loop in its bounded queue, and becomes an entry of the journal; the answer comes when that is durable
//! and applied. One request a connection:
//!
//! ```text
//! {"version":1,"rules":{}}                                           -> {"rules":{...}}
//! {"version":1,"command":{"operator":"j.doe","reason":"...","action":{"activate_rules":{"from":{...},"to":{...}}}}}
//!                                                                    -> {"decided":{"position":...,"time_ns":...}}
//!                                                                    -> {"decided":{"position":...,"time_ns":...,"refused":{"number":101,"text":"..."}}}
//! {"version":1,"look":{"windows":{}}}                                   -> {"view":{...}}
//! {"version":1,"events":{"after":17}}                                    -> {"events":{...}}
//!                                                                    -> {"trouble":{"kind":"asked","text":"..."}}
//! ```

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};
use ledger::journal::Storage;
use serde::{Deserialize, Serialize};

use super::socket::{self, TroubleLine, Visits};
use super::{HotLoopQueue, Message};
use crate::config::GenesisRules;
use crate::events::{EventPage, EventProgress};
use crate::limits::{
    ADMIN_CONNECTIONS_MAX, ADMIN_HOT_LOOP_MS, ADMIN_REQUEST_BYTES_MAX, LOOKUP_REQUEST_MS, LOOKUP_STALL_MS,
    VIEW_ROWS_MAX,
};
use crate::lookup::Trouble;
use crate::operator::story::{self, EventsView};
use crate::operator::view::{self, Question, View};
use crate::operator::{self, Command, Decided, Refusal};
use crate::pipeline::{Operated, Pipeline};

/// Of requests and answers.
const VERSION: u32 = 1;

/// What is added where a command was handed over and no answer came back.
const UNKNOWN: &str = "; whether the command was carried out is not known: look before you give it again";

/// The socket, and who may come.
pub(super) const VISITS: Visits = Visits {
    name: "admin",
    what: "administering the switch",
    connections_max: ADMIN_CONNECTIONS_MAX,
    stall_ms: LOOKUP_STALL_MS,
};

/// What is asked of the hot loop.
pub(super) enum Administer {
    /// The rules in force.
    Rules(Sender<GenesisRules>),
    /// Another part of the state.
    Look(Box<Question>, Sender<Result<View, Refusal>>),
    /// A command, and who waits for what becomes of it.
    Command(Box<Command>, Sender<Operated>),
}

/// Who waits in the hot loop for a command, by its ticket.
#[derive(Default)]
pub(super) struct Waiters(Vec<(u64, Sender<Operated>)>);

impl Waiters {
    /// Begins what is asked. Whoever asked may have gone; then nobody misses the answer, and a command is carried out all the same.
    pub(super) fn begin<S: Storage>(&mut self, question: Administer, pipeline: &mut Pipeline<S>, now_ns: u64) {
        match question {
            Administer::Rules(reply) => drop(reply.send(GenesisRules::of(pipeline.engine().rules()))),
            Administer::Look(question, reply) => drop(reply.send(view::look(pipeline.engine(), &question))),
            Administer::Command(command, reply) => {
                let (operator, kind) = (command.operator().to_owned(), command.kind());
                match pipeline.operate(*command, now_ns) {
                    Ok(ticket) => {
                        tracing::info!(%operator, command = ?kind, "an operator's command");
                        self.0.push((ticket, reply));
                    }
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
        }
    }

    /// Answers those whose commands are done.
    pub(super) fn answer<S: Storage>(&mut self, pipeline: &mut Pipeline<S>) {
        while let Some((ticket, operated)) = pipeline.take_operated() {
            log(&operated);
            let Some(place) = self.0.iter().position(|(of, _)| *of == ticket) else { continue };
            let (_, reply) = self.0.swap_remove(place);
            let _ = reply.send(operated);
        }
    }
}

fn log(operated: &Operated) {
    match operated {
        Ok(Decided { position, refused: None, .. }) => tracing::info!(position, "an operator's command is carried out"),
        Ok(Decided { position, refused: Some(refused), .. }) => {
            tracing::warn!(position, number = refused.number, reason = %refused.text, "an operator's command was refused");
        }
        Err(refusal) => tracing::warn!(reason = %refusal, "an operator's command was not journaled"),
    }
}

/// A request: one of these.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Nothing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    look: Option<Question>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<EventsAfter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<operator::Request>,
}

impl Request {
    fn nothing() -> Request {
        Request { version: VERSION, rules: None, look: None, events: None, command: None }
    }
}

/// Which events.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsAfter {
    after: u64,
}

/// `{}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Rules(GenesisRules),
    View(View),
    Events(EventsView),
    Decided(Decided),
    Trouble(TroubleLine),
}

/// Serves one connection, to its end.
pub(super) fn attend(stream: &UnixStream, queue: &HotLoopQueue, progress: Option<&EventProgress>) {
    socket::attend(stream, (ADMIN_REQUEST_BYTES_MAX, LOOKUP_REQUEST_MS), |line, out| {
        answer(line, queue, progress, out)
    });
}

/// A page of the operator's events: from their files, with the names that the hot loop knows.
fn told(queue: &HotLoopQueue, progress: Option<&EventProgress>, after: u64) -> Result<EventsView, Trouble> {
    let progress = progress.ok_or_else(|| Trouble::Fault("this switch writes no events".to_owned()))?;
    let page = progress.page(after, VIEW_ROWS_MAX).map_err(|fault| Trouble::Fault(fault.to_string()))?;
    let EventPage { events, first, through } = page;
    let question = Question::Names { participants: story::participants_of(&events) };
    match ask(queue, |reply| Administer::Look(Box::new(question), reply), "")? {
        Ok(View::Names(names)) => Ok(EventsView { rows: story::rows_of(&events, &names), first, through }),
        other => unreachable!("names were asked for: {other:?}"),
    }
}

fn answer(
    line: &[u8],
    queue: &HotLoopQueue,
    progress: Option<&EventProgress>,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let answer = match socket::parse(line, VERSION)? {
        Request { rules: Some(Nothing {}), look: None, events: None, command: None, .. } => {
            Answer::Rules(ask(queue, Administer::Rules, "")?)
        }
        Request { rules: None, look: Some(question), events: None, command: None, .. } => {
            Answer::View(ask(queue, |reply| Administer::Look(Box::new(question), reply), "")?.map_err(Trouble::from)?)
        }
        Request { rules: None, look: None, events: Some(asked), command: None, .. } => {
            Answer::Events(told(queue, progress, asked.after)?)
        }
        Request { rules: None, look: None, events: None, command: Some(request), .. } => {
            let command = Command::from_request(request).map_err(Trouble::from)?;
            let operated = ask(queue, |reply| Administer::Command(Box::new(command), reply), UNKNOWN)?;
            Answer::Decided(operated.map_err(Trouble::from)?)
        }
        Request { .. } => {
            return Err(Trouble::Asked(
                "a request must have one of `rules`, `look`, `events` and `command`".to_owned(),
            ));
        }
    };
    socket::write_line(&answer, out)
}

fn ask<T>(queue: &HotLoopQueue, question: impl FnOnce(Sender<T>) -> Administer, then: &str) -> Result<T, Trouble> {
    let (reply, answer) = bounded(1);
    if queue.try_send(Message::Administer(question(reply))).is_err() {
        return Err(Trouble::Fault("the switch is too busy, or stops; ask again".to_owned()));
    }
    let answered = answer.recv_timeout(Duration::from_millis(ADMIN_HOT_LOOP_MS));
    answered.map_err(|_| Trouble::Fault(format!("the switch does not answer: it stands still, or stops{then}")))
}

/// The other end: a running switch, to be administered.
pub struct AdminOffice<'a> {
    data: &'a Path,
}

impl<'a> AdminOffice<'a> {
    /// Of the switch that runs on a data directory.
    pub fn of(data: &'a Path) -> AdminOffice<'a> {
        AdminOffice { data }
    }

    /// The rules in force.
    pub fn rules(&self) -> Result<GenesisRules, Trouble> {
        match self.ask(Request { rules: Some(Nothing {}), ..Request::nothing() }, "")? {
            Answer::Rules(rules) => Ok(rules),
            _ => Err(socket::broken_off("")),
        }
    }

    /// Another part of the state.
    pub fn look(&self, question: Question) -> Result<View, Trouble> {
        match self.ask(Request { look: Some(question), ..Request::nothing() }, "")? {
            Answer::View(view) => Ok(view),
            _ => Err(socket::broken_off("")),
        }
    }

    /// The events after a number, a page of them.
    pub fn events(&self, after: u64) -> Result<EventsView, Trouble> {
        match self.ask(Request { events: Some(EventsAfter { after }), ..Request::nothing() }, "")? {
            Answer::Events(view) => Ok(view),
            _ => Err(socket::broken_off("")),
        }
    }

    /// Gives a command. Its answer comes when it is durable and decided.
    pub fn give(&self, command: operator::Request) -> Result<Decided, Trouble> {
        // What can be said without the switch is said the same with and without it.
        Command::from_request(command.clone())?;
        match self.ask(Request { command: Some(command), ..Request::nothing() }, UNKNOWN)? {
            Answer::Decided(decided) => Ok(decided),
            _ => Err(socket::broken_off(UNKNOWN)),
        }
    }

    fn ask(&self, request: Request, then: &str) -> Result<Answer, Trouble> {
        let otherwise = format!("use --data {} --offline", self.data.display());
        let stream = socket::call(self.data, VISITS, &otherwise)?;
        let mut answer = None;
        socket::ask(&stream, &request, then, |line| {
            answer = Some(line);
            Ok(true)
        })?;
        match answer.ok_or_else(|| socket::broken_off(then))? {
            Answer::Trouble(trouble) => Err(trouble.into_trouble()),
            answer => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    #[test]
    fn a_request_is_one_question_of_this_version() {
        let parse = |line: &str| socket::parse::<Request>(line.as_bytes(), VERSION);
        assert!(parse(r#"{"version":1,"rules":{}}"#).unwrap().rules.is_some());
        let wrong = [
            ("", "a request that is none"),
            (r#"{"version":2,"rules":{}}"#, "a request of version 2; this switch answers version 1"),
            (r#"{"version":1,"stop":{}}"#, "unknown field `stop`"),
            (r#"{"version":1,"command":{"operator":"j","reason":"r"}}"#, "missing field `action`"),
            (r#"{"version":1,"command":{"operator":"j","reason":"r","action":{"fly":{}}}}"#, "unknown variant `fly`"),
            (
                r#"{"version":1,"command":{"operator":"j","reason":"r","action":{"activate_rules":{"from":{},"to":{}}}}}"#,
                "the rules lack",
            ),
        ];
        for (line, words) in wrong {
            let trouble = parse(line).unwrap_err();
            assert!(matches!(&trouble, Trouble::Asked(text) if text.contains(words)), "{line}: {trouble}");
        }
    }
}
