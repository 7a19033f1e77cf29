//! The operator's commands: given to the process as it runs, and answered when they are decided.

use super::World;
use crate::simulate::invariants::{self, Violation, commands, journal};
use crate::simulate::operator::parts;
use crate::simulate::queue::Event;

impl World<'_> {
    /// The operator gives its next command, where the process is there to take it.
    pub(super) fn operate(&mut self) -> Result<(), Violation> {
        let Some(gap_ns) = self.plan.operator_gap_ns.filter(|_| self.drain_until_ns.is_none()) else { return Ok(()) };
        if self.machine.process.is_some() {
            let command = self.operator.command(&self.plan, &self.auditor);
            self.give(command)?;
        }
        let next_ns = self.operator.next_ns(self.now_ns, gap_ns);
        self.queue.add(next_ns, Event::Operate);
        Ok(())
    }

    /// Gives a command to the process, and waits for what becomes of it.
    pub(super) fn give(&mut self, command: Vec<u8>) -> Result<(), Violation> {
        let journal_ns = self.machine.journal_ns(self.now_ns);
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        let written = parts(&command).ok_or("the operator gives what is no command".to_owned());
        let given = invariants::named(journal::NAME, written)?;
        self.auditor.commanded(given.clone());
        match process.pipeline.operate_written(command, journal_ns) {
            Ok(ticket) => self.operator.awaits(ticket, given),
            Err(_) => self.coverage.count("command not taken: too many wait"),
        }
        self.wake(self.now_ns);
        Ok(())
    }

    /// Commands that are answered are on disk, and were decided so.
    pub(super) fn take_operated(&mut self) -> Result<(), Violation> {
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        while let Some((ticket, operated)) = process.pipeline.take_operated() {
            let finding = commands::check(&self.auditor, self.operator.answered(ticket).as_ref(), &operated);
            invariants::named(commands::NAME, finding)?;
            self.coverage.count("command answered");
        }
        Ok(())
    }
}
