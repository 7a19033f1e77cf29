//! Operators' commands on their way into the journal. They wait in a bounded queue; one goes into a batch, right after it was checked against the state that the batch
//! before it has left, and its answer leaves when the batch is durable and applied.
//!
//! A command that makes the window smaller waits until the outcomes that will leave are in the history's files: nothing leaves memory before.

use std::collections::VecDeque;

use ledger::journal::{Appended, Storage};

use super::Pipeline;
use crate::engine::Engine;
use crate::limits::{COMMAND_BYTES_MAX, COMMAND_WAIT_MS, COMMANDS_WAITING_MAX, INDEXED_LOOK_NS, NS_PER_MS};
use crate::operator::{Command, Decided, Refusal};

/// A command on its way.
enum Waiting {
    /// One that came from outside.
    Asked(Box<Command>),
    /// One whose entry is written already: nothing but the engine looks at it.
    Written(Vec<u8>),
}

impl Waiting {
    fn outcomes_kept(&self) -> Option<u32> {
        match self {
            Waiting::Asked(command) => command.outcomes_kept(),
            Waiting::Written(_) => None,
        }
    }

    /// Appends its entry, if it can go into the journal as the engine is now.
    fn write(&self, engine: &Engine, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Waiting::Asked(command) => command.write(engine, out),
            Waiting::Written(entry) => {
                out.extend_from_slice(entry);
                Ok(())
            }
        }
    }
}

/// A command, and who gave it.
struct WaitingCommand {
    ticket: u64,
    command: Waiting,
    until_ns: u64,
}

/// What became of a command: the engine's answer, or why it did not get that far.
pub type Operated = Result<Decided, Refusal>;

/// Commands that wait, and those that are done.
#[derive(Default)]
pub(super) struct Operating {
    waiting: VecDeque<WaitingCommand>,
    /// The command of the open batch: its ticket, and its entry's place in the batch.
    in_batch: Option<(u64, u32)>,
    done: VecDeque<(u64, Operated)>,
    tickets: u64,
}

impl Operating {
    /// How many outcomes memory is to hold soon, if that is known.
    pub(super) fn outcomes_kept(&self) -> Option<u32> {
        self.waiting.front().and_then(|waiting| waiting.command.outcomes_kept())
    }

    /// When to look again.
    pub(super) fn next_ns(&self, last_turn_ns: u64) -> Option<u64> {
        (!self.waiting.is_empty()).then(|| last_turn_ns.saturating_add(INDEXED_LOOK_NS))
    }
}

fn stopping() -> Refusal {
    Refusal::NotNow("the switch stops; give the command when it runs again".to_owned())
}

impl<S: Storage> Pipeline<S> {
    /// Takes a command. What becomes of it is known by its ticket, after a turn or some.
    pub fn operate(&mut self, command: Command, now_ns: u64) -> Result<u64, Refusal> {
        self.take_command(Waiting::Asked(Box::new(command)), now_ns)
    }

    /// Takes a signed command whose entry is written already.
    pub(crate) fn operate_written(&mut self, entry: Vec<u8>, now_ns: u64) -> Result<u64, Refusal> {
        self.take_command(Waiting::Written(entry), now_ns)
    }

    fn take_command(&mut self, command: Waiting, now_ns: u64) -> Result<u64, Refusal> {
        if self.is_draining {
            return Err(stopping());
        }
        if self.operating.waiting.len() >= COMMANDS_WAITING_MAX {
            return Err(Refusal::NotNow(format!("{COMMANDS_WAITING_MAX} commands wait already; try again")));
        }
        self.operating.tickets += 1;
        let (ticket, until_ns) = (self.operating.tickets, now_ns.saturating_add(COMMAND_WAIT_MS * NS_PER_MS));
        self.operating.waiting.push_back(WaitingCommand { ticket, command, until_ns });
        Ok(ticket)
    }

    /// What became of a command, once, with its ticket.
    pub fn take_operated(&mut self) -> Option<(u64, Operated)> {
        self.operating.done.pop_front()
    }

    /// Adds the next command to the batch, if it can be applied.
    pub(super) fn admit_command(&mut self, now_ns: u64) {
        let Some(WaitingCommand { ticket, command, until_ns }) = self.operating.waiting.pop_front() else { return };
        let mut entry = Vec::new();
        if let Err(refusal) = command.write(&self.decisions.engine, &mut entry) {
            return self.operating.done.push_back((ticket, Err(refusal)));
        }
        if command.outcomes_kept().is_some_and(|kept| !self.may_hold_fewer(kept)) {
            self.is_index_late = true;
            if now_ns < until_ns {
                return self.operating.waiting.push_front(WaitingCommand { ticket, command, until_ns });
            }
            let text = format!(
                "the history's files did not catch up within {COMMAND_WAIT_MS} ms, and outcomes that are not in them must stay in memory: choose a greater \
                 outcomes_kept, or a quieter moment"
            );
            return self.operating.done.push_back((ticket, Err(Refusal::NotNow(text))));
        }
        assert!(entry.len() <= COMMAND_BYTES_MAX, "a batch has room for one");
        self.ingress.add_command(|out| out.extend_from_slice(&entry));
        self.operating.in_batch = Some((ticket, self.ingress.count()));
    }

    /// Is all that would leave memory in the history's files, and will it be with the outcomes to come?
    fn may_hold_fewer(&self, kept: u32) -> bool {
        let engine = &self.decisions.engine;
        let to_come = engine.counts().in_flight + self.ingress.orders() as u64;
        kept >= engine.outcomes_kept() || self.history.outcomes_unindexed() + to_come < u64::from(kept)
    }

    /// Nothing is journaled for operators any more.
    pub(super) fn refuse_commands(&mut self) {
        let Operating { waiting, done, .. } = &mut self.operating;
        done.extend(waiting.drain(..).map(|WaitingCommand { ticket, .. }| (ticket, Err(stopping()))));
    }

    /// The open batch is durable and applied.
    pub(super) fn note_operated(&mut self, appended: Appended, time_ns: u64) {
        if let Some((ticket, place)) = self.operating.in_batch.take() {
            let position = appended.first_sequence + u64::from(place);
            let answer = self.decisions.engine.command_answer(position);
            let answer = answer.unwrap_or_else(|| unreachable!("the engine answers each signed command"));
            self.operating.done.push_back((ticket, Ok(Decided::new(position, time_ns, answer))));
        }
    }
}
