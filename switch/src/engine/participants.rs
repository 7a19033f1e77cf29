//! Participants as the engine knows them: codes, outbox numbers, accounts, whether they can be paid.

mod snapshot;

use adapters::message::{Cursors, Lane, OUTBOX_LANES, ParticipantCode};
use hashbrown::HashMap;
use ledger::capture::CaptureSection;

use self::snapshot::PARTICIPANT_BYTES;
use crate::engine::scheme::members::{Limits, Standing};
use crate::entry::ParticipantId;

/// One participant.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Its name outside.
    pub code: ParticipantCode,
    /// Where it stands with the scheme.
    pub standing: Standing,
    /// Its class in the tariff; 0 for none.
    pub class: u8,
    /// Whose accounts its payments move, of an indirect one.
    pub sponsor: Option<ParticipantId>,
    /// It connects for others and has no accounts.
    pub is_technical: bool,
    /// What the operator has set.
    pub limits: Limits,
    /// Its open payments as payer provider.
    pub in_flight: u32,
    /// Its open payments as payee provider.
    pub incoming: u32,
    /// Cases that it has opened and that are not closed.
    pub cases_open: u32,
    /// The highest number given out in each outbox lane.
    pub enqueued: Cursors,
    /// What of that it has acknowledged, as far as it is journaled: never more, and never less than before.
    pub acknowledged: Cursors,
    /// It has said that it does not want to be paid.
    pub is_signed_off: bool,
    /// It has had no connection for too long.
    pub is_absent: bool,
}

impl Participant {
    /// A new participant: active, direct, of no class.
    pub fn new(code: ParticipantCode) -> Participant {
        Participant {
            code,
            standing: Standing::Active,
            class: 0,
            sponsor: None,
            is_technical: false,
            limits: Limits::default(),
            in_flight: 0,
            incoming: 0,
            cases_open: 0,
            enqueued: [0; OUTBOX_LANES],
            acknowledged: [0; OUTBOX_LANES],
            is_signed_off: false,
            is_absent: false,
        }
    }

    /// Has it accounts of its own?
    pub fn is_direct(&self) -> bool {
        self.sponsor.is_none() && !self.is_technical
    }

    /// The next number of an outbox lane.
    pub fn number_in(&mut self, lane: Lane) -> u64 {
        let index = lane.outbox_index().unwrap_or_else(|| unreachable!("the session lane has no outbox"));
        self.enqueued[index] += 1;
        self.enqueued[index]
    }
}

/// All participants, in order of admission.
#[derive(Default)]
pub struct Participants {
    list: Vec<Participant>,
    /// Never iterated.
    by_code: HashMap<ParticipantCode, ParticipantId, foldhash::fast::RandomState>,
    /// What of a snapshot has not been taken yet.
    capture: Option<Box<CaptureSection<PARTICIPANT_BYTES>>>,
}

impl Participants {
    /// Admits a participant under the next number.
    pub fn admit(&mut self, participant: Participant) -> ParticipantId {
        let id = self.next_id();
        let before = self.by_code.insert(participant.code, id);
        assert!(before.is_none(), "the caller has looked for the code first");
        self.list.push(participant);
        id
    }

    /// The number that the next participant gets.
    pub fn next_id(&self) -> ParticipantId {
        ParticipantId(u32::try_from(self.list.len() + 1).unwrap_or(u32::MAX))
    }

    /// Whose code this is.
    pub fn find(&self, code: &ParticipantCode) -> Option<ParticipantId> {
        self.by_code.get(code).copied()
    }

    /// A participant that exists.
    pub fn get(&self, id: ParticipantId) -> Option<&Participant> {
        self.list.get((id.0 as usize).checked_sub(1)?)
    }

    /// A participant that exists, to change it.
    pub fn get_mut(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        let place = (id.0 as usize).checked_sub(1).filter(|&place| place < self.list.len())?;
        self.before_change(place);
        self.list.get_mut(place)
    }

    /// All, in order of admission.
    pub fn iter(&self) -> impl Iterator<Item = (ParticipantId, &Participant)> {
        (1..).map(ParticipantId).zip(&self.list)
    }

    /// All, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        (0..self.list.len()).for_each(|place| self.before_change(place));
        self.list.iter_mut()
    }
}

impl std::ops::Index<ParticipantId> for Participants {
    type Output = Participant;

    /// # Panics
    /// If there is no such participant: handles come from `find` and from entries that were checked.
    fn index(&self, id: ParticipantId) -> &Participant {
        &self.list[id.0 as usize - 1]
    }
}

impl std::ops::IndexMut<ParticipantId> for Participants {
    fn index_mut(&mut self, id: ParticipantId) -> &mut Participant {
        let place = id.0 as usize - 1;
        self.before_change(place);
        &mut self.list[place]
    }
}
