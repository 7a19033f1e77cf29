//! The one or two connections of a provider: a state machine without I/O and without a clock, as `ClientSession` is. Two are for a line that may break.
//!
//! ```text
//!   submit ----> the session that has less to wait for ----> slot 0 --\
//!                                                   \------> slot 1 ---+---> the switch
//!   events <---- in order, each number once <--- arrivals <------------/
//! ```
//!
//! Two sessions share what has arrived. The first is welcomed before the other says `Hello`, so that the other can say in which lineage it has seen what. When one ends,
//! its submissions that the switch has not acknowledged are sent on the other; order between the two connections is not kept, payment ids make repetitions harmless.
//! One session is what it would be alone: it keeps what has arrived itself, and a number that is missing is an error.

use crate::limits::CONNECTION_SLOTS;
use crate::message::{MessageKind, ParticipantCode};
use crate::native::arrivals::Arrivals;
use crate::native::session::{Broken, ClientSession, Event, Full, Idle, Resume, UnacknowledgedMax};

/// A submission: which of the sessions has it, and its ticket there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairTicket {
    /// The connection's slot.
    pub slot: usize,
    /// Counted for as long as that session lives.
    pub ticket: u64,
}

/// The provider's side of its connections.
pub struct ClientPair {
    /// One for each slot in use.
    sessions: Vec<ClientSession>,
    /// Of two sessions; lent to the one that is at work.
    shared: Option<Arrivals>,
}

impl ClientPair {
    /// Sessions without connections. `resume` says what was seen in an earlier life; `max` is for each of them.
    ///
    /// # Panics
    /// If `connections` is neither 1 nor 2.
    pub fn new(code: ParticipantCode, resume: Resume, max: UnacknowledgedMax, connections: usize) -> ClientPair {
        assert!((1..=CONNECTION_SLOTS).contains(&connections), "a provider has one or two connections");
        let session = |slot| ClientSession::new(code, resume).with_unacknowledged_max(max).in_slot(slot);
        ClientPair {
            sessions: (0..connections).map(session).collect(),
            shared: (connections > 1).then(|| Arrivals::of_two_after(resume)),
        }
    }

    /// Lends what has arrived to one session while it works.
    fn with<T>(&mut self, slot: usize, work: impl FnOnce(&mut ClientSession) -> T) -> T {
        let session = &mut self.sessions[slot];
        let Some(arrivals) = &mut self.shared else { return work(session) };
        session.swap_arrivals(arrivals);
        let done = work(session);
        session.swap_arrivals(arrivals);
        done
    }

    fn forget_ahead(&mut self) {
        self.shared.iter_mut().for_each(Arrivals::forget_ahead);
    }

    /// The other slot, where there are two.
    fn other(&self, slot: usize) -> Option<usize> {
        (self.sessions.len() > 1).then(|| CONNECTION_SLOTS - 1 - slot)
    }

    /// May a connection in this slot say `Hello` now? Not while the other waits for its `Welcome`.
    pub fn may_connect(&self, slot: usize) -> bool {
        let other = self.other(slot).map(|other| &self.sessions[other]);
        other.is_none_or(|other| other.is_open() || other.is_closed())
    }

    /// A connection begins in this slot: writes `Hello`. Where the other has none, `Hello` says so, and the switch waits for that one no longer.
    pub fn connected(&mut self, slot: usize) {
        let is_alone = self.other(slot).is_none_or(|other| self.sessions[other].is_closed());
        self.with(slot, |session| session.begin(is_alone));
    }

    /// The connection of this slot is over. What it had submitted and the switch has not acknowledged is sent on the other, if that is open: gives its new
    /// tickets, in the order of the old ones. Otherwise it is kept for the next connection of either.
    pub fn disconnected(&mut self, slot: usize) -> Vec<PairTicket> {
        self.with(slot, ClientSession::disconnected);
        if self.sessions.iter().all(ClientSession::is_closed) {
            self.forget_ahead();
        }
        self.move_from(slot)
    }

    /// Moves what waits in a session without connection to the other, as far as that is open and has room.
    pub fn move_from(&mut self, slot: usize) -> Vec<PairTicket> {
        let mut tickets = Vec::new();
        let Some(other) = self.other(slot) else { return tickets };
        while self.sessions[slot].is_closed() && self.sessions[other].is_open() && self.sessions[other].has_room() {
            let Some((kind, routing, private)) = self.sessions[slot].take_oldest() else { break };
            let Ok(ticket) = self.with(other, |session| session.submit_raw(kind, &routing, &private)) else {
                unreachable!("there was room");
            };
            tickets.push(PairTicket { slot: other, ticket });
        }
        tickets
    }

    /// Takes a message, as `ClientSession::submit_raw`, on the open connection that waits for fewer acknowledgements; where none is open, for the next one.
    ///
    /// # Panics
    /// As `ClientSession::submit`.
    pub fn submit_raw(&mut self, kind: MessageKind, routing: &[u8], private: &[u8]) -> Result<PairTicket, Full> {
        let slot = if self.sessions.len() > 1 { self.slot_with_room().ok_or(Full)? } else { 0 };
        let ticket = self.with(slot, |session| session.submit_raw(kind, routing, private))?;
        Ok(PairTicket { slot, ticket })
    }

    fn slot_with_room(&self) -> Option<usize> {
        let with_room = self.sessions.iter().enumerate().filter(|(_, session)| session.has_room());
        let rank = |session: &ClientSession| (!session.is_open(), session.is_closed(), session.unacknowledged());
        with_room.min_by_key(|(_, session)| rank(session)).map(|(slot, _)| slot)
    }

    /// Takes bytes that one connection has received. After an error that connection is over; where numbers are missing, or too much is ahead of them, both are: the
    /// next `Hello` says what was seen, and everything after that comes.
    pub fn receive(&mut self, slot: usize, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let received = self.with(slot, |session| session.receive(bytes, on));
        if let Err(Broken::TooFarAhead { .. } | Broken::Gap { .. }) = received {
            self.sessions.iter_mut().for_each(ClientSession::disconnected);
            self.forget_ahead();
        }
        received
    }

    /// As `ClientSession::acknowledge_now`: what came over both is said on either connection.
    pub fn acknowledge_now(&mut self, slot: usize) {
        self.with(slot, ClientSession::acknowledge_now);
    }

    /// As `ClientSession::tick`.
    pub fn tick(&mut self, slot: usize, idle: Idle) -> Result<(), Broken> {
        self.with(slot, |session| session.tick(idle))
    }

    /// What is to be written to a connection.
    pub fn outgoing(&mut self, slot: usize) -> &mut Vec<u8> {
        self.sessions[slot].outgoing()
    }

    /// The session of a slot, to read.
    pub fn session(&self, slot: usize) -> &ClientSession {
        &self.sessions[slot]
    }

    /// How many submissions are not acknowledged yet, over all.
    pub fn unacknowledged(&self) -> usize {
        self.sessions.iter().map(ClientSession::unacknowledged).sum()
    }

    /// What was seen over all: what a provider stores.
    pub fn resume(&self) -> Resume {
        self.shared.as_ref().map_or_else(|| self.sessions[0].resume(), Arrivals::resume)
    }
}
