//! Can a participant be paid? It says so itself (`SignOn`, `SignOff`), and the switch observes whether it has a connection (`Presence`). Only what is
//! journaled counts: the observing, with its grace, is the pipeline's.
//!
//! | signed off | absent | input | signed off | absent |
//! |---|---|---|---|---|
//! | no | no | SignOff | yes | no |
//! | no | no | absent | no | yes |
//! | no | yes | SignOff | yes | yes |
//! | no | yes | present | no | no |
//! | yes | no | SignOn | no | no |
//! | yes | no | absent | yes | yes |
//! | yes | yes | SignOn | no | yes |
//! | yes | yes | present | yes | no |
//!
//! Any other input changes nothing. Who is neither signed off nor absent can be paid. Either only keeps new payments away: those in flight go on, and a participant
//! that cannot be paid may pay.

use adapters::message::Cursors;

use super::participants::Participant;
use super::scheme::events::{Event, EventKind};
use super::{Engine, Moment};
use crate::entry::{ArchivedAcknowledged, ArchivedPresence, ParticipantId};

/// What changes whether a participant can be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceInput {
    /// It wants to be paid.
    SignOn,
    /// It does not want to be paid.
    SignOff,
    /// It has had a connection for long enough.
    Present,
    /// It has had none for too long.
    Absent,
}

/// How many participants can be paid, and why others cannot. The names are keys of `switch serve --status-file`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PresenceCounts {
    /// Neither signed off nor absent.
    pub participants_reachable: u64,
    /// Signed off, absent or not.
    pub participants_signed_off: u64,
    /// Absent, signed off or not.
    pub participants_absent: u64,
}

impl Participant {
    /// Takes an input, by the table above.
    pub fn note_presence(&mut self, input: PresenceInput) {
        match input {
            PresenceInput::SignOn => self.is_signed_off = false,
            PresenceInput::SignOff => self.is_signed_off = true,
            PresenceInput::Present => self.is_absent = false,
            PresenceInput::Absent => self.is_absent = true,
        }
    }

    /// Can it be paid?
    pub fn is_reachable(&self) -> bool {
        !self.is_signed_off && !self.is_absent
    }
}

impl Engine {
    /// A participant has signed on or off.
    pub(super) fn sign(&mut self, moment: Moment, sender: ParticipantId, input: PresenceInput) -> Result<(), String> {
        self.participants.get(sender).ok_or("a sender that is not in the scheme")?;
        self.note_presence(moment, sender, input);
        Ok(())
    }

    /// Notes what was said or observed of a participant that exists, and tells the operator where it can be paid by now and could not before, or the other way round.
    fn note_presence(&mut self, moment: Moment, id: ParticipantId, input: PresenceInput) {
        let participant = &mut self.participants[id];
        let before = participant.is_reachable();
        participant.note_presence(input);
        let kind = match (before, participant.is_reachable()) {
            (false, true) => EventKind::ParticipantReachable,
            (true, false) => EventKind::ParticipantUnreachable,
            _ => return,
        };
        let is_said = matches!(input, PresenceInput::SignOn | PresenceInput::SignOff);
        self.announce(moment, Event { participant: id.0, code: u16::from(is_said), ..Event::of(kind) });
    }

    /// The switch has observed that a participant has come, or has gone.
    pub(super) fn observe(&mut self, moment: Moment, presence: &ArchivedPresence) -> Result<(), String> {
        let input = match presence.present {
            0 => PresenceInput::Absent,
            1 => PresenceInput::Present,
            _ => return Err("a presence that is neither yes nor no".to_owned()),
        };
        let id = ParticipantId(presence.participant.to_native());
        self.participants.get(id).ok_or("the presence of nobody")?;
        self.note_presence(moment, id, input);
        Ok(())
    }

    /// A participant has acknowledged what it was told. That bounds what need be kept; what it says when it connects is the truth.
    pub(super) fn acknowledge(&mut self, acknowledged: &ArchivedAcknowledged) -> Result<(), String> {
        let id = ParticipantId(acknowledged.participant.to_native());
        let participant = self.participants.get_mut(id).ok_or("the cursors of nobody")?;
        let cursors = acknowledged.cursors.map(|number| number.to_native());
        for (lane, cursor) in cursors.into_iter().enumerate() {
            if cursor < participant.acknowledged[lane] {
                return Err(format!("cursor {cursor} of participant {} goes back", id.0));
            }
            if cursor > participant.enqueued[lane] {
                return Err(format!("cursor {cursor} of participant {} is beyond what it was told", id.0));
            }
        }
        participant.acknowledged = cursors;
        Ok(())
    }

    /// A participant that exists.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(id)
    }

    /// How many participants the scheme has.
    pub fn participants_count(&self) -> u32 {
        self.participants.next_id().0 - 1
    }

    /// What a participant has acknowledged, as far as it is journaled.
    pub fn acknowledged(&self, participant: ParticipantId) -> Cursors {
        self.participants.get(participant).map_or([0; 3], |participant| participant.acknowledged)
    }

    /// How many participants can be paid.
    pub fn presence_counts(&self) -> PresenceCounts {
        let mut counts = PresenceCounts::default();
        for (_, participant) in self.participants.iter() {
            counts.participants_reachable += u64::from(participant.is_reachable());
            counts.participants_signed_off += u64::from(participant.is_signed_off);
            counts.participants_absent += u64::from(participant.is_absent);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use adapters::message::ParticipantCode;

    /// (signed off, absent), input, what comes of it.
    type Row = ((bool, bool), PresenceInput, (bool, bool));

    /// The table of the module. What has no row changes nothing.
    const TABLE: [Row; 8] = {
        use PresenceInput::{Absent, Present, SignOff, SignOn};
        [
            ((false, false), SignOff, (true, false)),
            ((false, false), Absent, (false, true)),
            ((false, true), SignOff, (true, true)),
            ((false, true), Present, (false, false)),
            ((true, false), SignOn, (false, false)),
            ((true, false), Absent, (true, true)),
            ((true, true), SignOn, (false, true)),
            ((true, true), Present, (true, false)),
        ]
    };

    #[test]
    fn every_state_and_input_is_as_in_the_table() {
        let mut participant = Participant::new(ParticipantCode::parse("ALPHA").unwrap());
        assert!(participant.is_reachable(), "at first everybody can be paid");
        for state in [(false, false), (false, true), (true, false), (true, true)] {
            use PresenceInput::{Absent, Present, SignOff, SignOn};
            for input in [SignOn, SignOff, Present, Absent] {
                (participant.is_signed_off, participant.is_absent) = state;
                participant.note_presence(input);
                let row = TABLE.into_iter().find(|(from, by, _)| (*from, *by) == (state, input));
                let expected = row.map_or(state, |(_, _, next)| next);
                assert_eq!((participant.is_signed_off, participant.is_absent), expected, "{state:?} {input:?}");
                assert_eq!(participant.is_reachable(), expected == (false, false));
            }
        }
    }

    /// The documents have the same table: the module's own, and that of the rules.
    #[test]
    fn the_documents_have_the_same_table() {
        let word = |is: bool| if is { "yes" } else { "no" };
        for document in [include_str!("presence.rs"), include_str!("../../../docs/payment-rules.md")] {
            for (from, input, to) in TABLE {
                let input = match input {
                    PresenceInput::SignOn => "SignOn",
                    PresenceInput::SignOff => "SignOff",
                    PresenceInput::Present => "present",
                    PresenceInput::Absent => "absent",
                };
                let words = [word(from.0), word(from.1), input, word(to.0), word(to.1)];
                let row = format!("| {} |", words.join(" | "));
                assert_eq!(document.matches(&row).count(), 1, "{row}");
            }
        }
    }
}
