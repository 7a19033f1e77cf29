//! Commands of the operator: whether the engine carries one out, and what it answers.
//!
//! A signed command that is refused stays in the journal and has changed nothing; who gave it is told, with the number of the reject. One of the genesis is signed by nobody,
//! and one that cannot be applied is no journal of this program, as with every other entry.

use super::{Engine, Moment};
use crate::entry::{ArchivedSignature, Body, Entry, Sender};

/// Why a signed command is refused. The numbers are in answers and documents: never renumber, never reuse. From 100: what is about the signature, which all commands have.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandReject {
    /// No name stands under it.
    OperatorMissing = 100,
    /// Two people means two: who gives a command does not approve it.
    ApproverIsOperator = 101,
}

impl CommandReject {
    /// All there are.
    pub const ALL: [CommandReject; 2] = [CommandReject::OperatorMissing, CommandReject::ApproverIsOperator];

    /// As in answers and documents.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What is wrong, and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            CommandReject::OperatorMissing => "it names no operator: give it with a name",
            CommandReject::ApproverIsOperator => "who approves it is who gives it: let another person approve it",
        }
    }
}

/// What became of a signed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandAnswer {
    /// Journal position of its entry.
    pub position: u64,
    /// Was it carried out?
    pub result: Result<(), CommandReject>,
}

impl Engine {
    /// What became of a signed command of the last batch.
    pub fn command_answer(&self, position: u64) -> Option<Result<(), CommandReject>> {
        self.answers.iter().find(|answer| answer.position == position).map(|answer| answer.result)
    }

    /// Carries out a command of the operator. What is refused has changed nothing.
    pub(super) fn command(&mut self, moment: Moment, entry: &Entry<'_>) -> Result<(), String> {
        let Some(signature) = entry.signature else { return self.carry_out(entry.body) };
        let result = check_signature(signature);
        if result.is_ok() {
            self.carry_out(entry.body)?;
        }
        self.answers.push(CommandAnswer { position: moment.position, result });
        Ok(())
    }

    fn carry_out(&mut self, command: Body<'_>) -> Result<(), String> {
        match command {
            Body::ActivateRules(rules) => self.activate_rules(rules),
            Body::CurrencyOpened(currency) => self.open_currency(currency),
            Body::ParticipantOpened(participant) => self.open_participant(participant),
            Body::FundsIn(funds) => self.funds_in(funds),
            body => Err(format!("{body:?} from {:?}", Sender::Operator)),
        }
    }
}

/// Who gives a command has a name, and does not approve it.
fn check_signature(signature: &ArchivedSignature) -> Result<(), CommandReject> {
    if signature.operator[0] == 0 {
        return Err(CommandReject::OperatorMissing);
    }
    if signature.approver == signature.operator {
        return Err(CommandReject::ApproverIsOperator);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use crate::config::GenesisRules;
    use crate::engine::Batch;
    use crate::entry::{EntryKind, Signature, write_command, write_signed_command};
    use crate::genesis::scheme_rules;

    fn name(text: &[u8]) -> [u8; 35] {
        let mut bytes = [0; 35];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    }

    /// What becomes of rules with this time-out under these names, and the time-out that is in force then.
    fn give(
        engine: &mut Engine,
        operator: &[u8],
        approver: &[u8],
        timeout_ms: u64,
    ) -> (Result<(), CommandReject>, u64) {
        let signature = Signature { operator: name(operator), approver: name(approver), reason: [b'r'; 140] };
        let rules = scheme_rules(&GenesisRules { timeout_ms, ..GenesisRules::default() });
        let mut payload = Vec::new();
        write_signed_command(&mut payload, EntryKind::ActivateRules, &signature, &rules);
        let first_sequence = engine.applied() + 1;
        engine.apply(Batch { first_sequence, time_ns: 1, payload: &payload }, &mut Vec::new()).unwrap();
        let answer = engine.command_answer(engine.applied()).unwrap();
        assert_eq!(engine.command_answer(first_sequence), None, "the tick is no command");
        (answer, engine.rules().timeout_ns / 1_000_000)
    }

    #[test]
    fn a_command_needs_a_name_and_two_names_are_two_people() {
        let mut engine = Engine::new();
        let refused = |reject: CommandReject| Err(reject);
        assert_eq!(give(&mut engine, b"j.doe", b"", 8_000), (Ok(()), 8_000));
        assert_eq!(give(&mut engine, b"j.doe", b"m.roe", 7_000), (Ok(()), 7_000));
        assert_eq!(give(&mut engine, b"j.doe", b"j.doe", 6_000), (refused(CommandReject::ApproverIsOperator), 7_000));
        assert_eq!(give(&mut engine, b"", b"m.roe", 6_000), (refused(CommandReject::OperatorMissing), 7_000));
        assert_eq!(give(&mut engine, b"", b"", 6_000), (refused(CommandReject::OperatorMissing), 7_000));
    }

    #[test]
    fn what_nobody_signed_has_no_answer() {
        let mut engine = Engine::new();
        let mut payload = Vec::new();
        write_command(&mut payload, EntryKind::ActivateRules, &scheme_rules(&GenesisRules::default()));
        engine.apply(Batch { first_sequence: 1, time_ns: 1, payload: &payload }, &mut Vec::new()).unwrap();
        assert_eq!(engine.command_answer(2), None);
        assert_eq!(engine.rules().timeout_ns, 10_000_000_000);
    }

    #[test]
    fn every_reject_is_documented_and_nothing_else() {
        let document = include_str!("../../../docs/admin-commands.md");
        for reject in CommandReject::ALL {
            let row = format!("| {} | {reject:?} |", reject.number());
            assert!(document.contains(&row), "docs/admin-commands.md lacks `{row}`");
        }
        let (_, section) = document.split_once("| number | reject |").unwrap();
        let rows = section.lines().skip(2).take_while(|line| line.starts_with("| ")).count();
        assert_eq!(rows, CommandReject::ALL.len());
    }
}
