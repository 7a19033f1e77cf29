//! Commands of the operator: whether the engine carries one out, and what it answers.
//!
//! A signed command that is refused stays in the journal and has changed nothing; who gave it is told, with the number of the reject, and so are the operator's
//! people, by an event. Those of the genesis are signed by nobody, and one that cannot be applied is no journal of this program, as with every other entry.

use super::scheme::events::{Event, EventKind};
use super::scheme::rejects::CommandReject;
use super::{Engine, Moment};
use crate::entry::{ArchivedSignature, Body, Entry};

impl Engine {
    /// What became of a command of the last batch, by the journal position of its entry.
    pub fn command_answer(&self, position: u64) -> Option<Result<(), CommandReject>> {
        self.told.commands.iter().find(|(at, _)| *at == position).map(|(_, result)| *result)
    }

    /// Carries out a command of the operator. What is refused has changed nothing.
    pub(super) fn command(&mut self, moment: Moment, entry: &Entry<'_>) -> Result<(), String> {
        let result = match self.check_signature(entry) {
            Ok(()) => self.obey(moment, entry.body)?,
            Err(reject) => Err(reject),
        };
        if let Err(reject) = result {
            self.announce(moment, Event { code: reject.number(), ..Event::of(EventKind::CommandRefused) });
        }
        if entry.signature.is_some() {
            self.told.commands.push((moment.position, result));
        }
        Ok(())
    }

    fn obey(&mut self, moment: Moment, command: Body<'_>) -> Result<Result<(), CommandReject>, String> {
        match command {
            Body::ActivateRules(rules) => {
                self.activate_rules(rules)?;
                self.announce(moment, Event::of(EventKind::RulesActivated));
            }
            Body::CurrencyOpened(opened) => {
                self.open_currency(opened)?;
                let event = Event { currency: opened.currency, ..Event::of(EventKind::CurrencyOpened) };
                self.announce(moment, Event { code: opened.model.into(), ..event });
            }
            Body::ParticipantOpened(opened) => {
                self.open_participant(opened)?;
                let (participant, other) = (opened.participant.to_native(), opened.sponsor.to_native());
                let event = Event { participant, other, ..Event::of(EventKind::ParticipantOpened) };
                self.announce(moment, Event { code: opened.standing.into(), ..event });
            }
            Body::FundsIn(funds) => self.funds_in(moment, funds)?,
            other => return self.obey_for_scheme(moment, other),
        }
        Ok(Ok(()))
    }

    /// Who gives a command has a name, and does not approve it. What moves money or opens doors is approved by somebody else.
    fn check_signature(&self, entry: &Entry<'_>) -> Result<(), CommandReject> {
        let Some(ArchivedSignature { operator, approver, .. }) = entry.signature else {
            let is_genesis = self.applied == 0;
            return if is_genesis || !is_of_scheme(entry.body) { Ok(()) } else { Err(CommandReject::OperatorMissing) };
        };
        if operator[0] == 0 {
            return Err(CommandReject::OperatorMissing);
        }
        if approver == operator {
            return Err(CommandReject::ApproverIsOperator);
        }
        if approver[0] == 0 && needs_two_people(entry.body) {
            return Err(CommandReject::ApproverMissing);
        }
        Ok(())
    }
}

/// Is it one of those that came with the scheme's money? Of these the genesis has some, and nobody else leaves them unsigned.
fn is_of_scheme(command: Body<'_>) -> bool {
    !matches!(command, Body::ActivateRules(_) | Body::CurrencyOpened(_) | Body::ParticipantOpened(_) | Body::FundsIn(_))
}

/// Does it move money or open doors?
pub fn needs_two_people(command: Body<'_>) -> bool {
    matches!(
        command,
        Body::CurrencyOpened(_)
            | Body::ParticipantOpened(_)
            | Body::FundsIn(_)
            | Body::StandingSet(_)
            | Body::TermsSet(_)
            | Body::AgencySet(_)
            | Body::CertificateSet(_)
            | Body::MoneyOrdered(_)
            | Body::MoneyDecided(_)
            | Body::LiquidityRulesSet(_)
            | Body::TransferAllowed(_)
            | Body::SettlementStep(_)
            | Body::TariffSet(..)
            | Body::FeesCollected(_)
            | Body::DirectoryRulesSet(_)
            | Body::LookupCategorySet(_)
            | Body::IssuerKeySet(_)
            | Body::HashKeySet(_)
    )
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
}
