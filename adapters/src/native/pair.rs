//! Two connections of one provider, for a line that may break: a state machine without I/O and without a clock, as `ClientSession` is.
//!
//! ```text
//!   submit ----> the session that has less to wait for ----> slot 0 --\
//!                                                   \------> slot 1 ---+---> the switch
//!   events <---- in order, each number once <--- arrivals <------------/
//! ```
//!
//! Both sessions share what has arrived. The first is welcomed before the second says `Hello`, so that the second can say in which lineage it has seen what. When one ends,
//! its submissions that the switch has not acknowledged are sent on the other; order between the two connections is not kept, payment ids make repetitions harmless.

use crate::limits::CONNECTION_SLOTS;
use crate::message::{MessageKind, ParticipantCode};
use crate::native::arrivals::Arrivals;
use crate::native::session::{Broken, ClientSession, Event, Full, Idle, Resume, UnacknowledgedMax};

/// A submission: which of the two sessions has it, and its ticket there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairTicket {
    /// The connection's slot.
    pub slot: usize,
    /// Counted for as long as that session lives.
    pub ticket: u64,
}

/// The provider's side of two connections.
pub struct ClientPair {
    sessions: [ClientSession; CONNECTION_SLOTS],
    /// Lent to the session that is at work.
    arrivals: Arrivals,
}

impl ClientPair {
    /// Two sessions without connections. `resume` says what was seen in an earlier life.
    pub fn new(code: ParticipantCode, resume: Resume, max: UnacknowledgedMax) -> ClientPair {
        let session = |slot| ClientSession::new(code, resume).with_unacknowledged_max(max).in_slot(slot);
        ClientPair { sessions: std::array::from_fn(session), arrivals: Arrivals::of_two_after(resume) }
    }

    /// Lends what has arrived to one session while it works.
    fn with<T>(&mut self, slot: usize, work: impl FnOnce(&mut ClientSession) -> T) -> T {
        let session = &mut self.sessions[slot];
        session.swap_arrivals(&mut self.arrivals);
        let done = work(session);
        session.swap_arrivals(&mut self.arrivals);
        done
    }

    /// May a connection in this slot be made now? The second waits until the first is welcomed.
    pub fn may_connect(&self, slot: usize) -> bool {
        let other = &self.sessions[1 - slot];
        other.is_open() || (other.is_closed() && (slot == 0 || self.has_lineage()))
    }

    fn has_lineage(&self) -> bool {
        self.arrivals.lineage != [0; 16]
    }

    /// A connection begins in this slot: writes `Hello`.
    pub fn connected(&mut self, slot: usize) {
        self.with(slot, ClientSession::connected);
    }

    /// The connection of this slot is over. What it had submitted and the switch has not acknowledged is sent on the other, if that is open: gives its new
    /// tickets, in the order of the old ones. Otherwise it is kept for the next connection of either.
    pub fn disconnected(&mut self, slot: usize) -> Vec<PairTicket> {
        self.with(slot, ClientSession::disconnected);
        if self.sessions.iter().all(ClientSession::is_closed) {
            self.arrivals.forget_ahead();
        }
        self.move_from(slot)
    }

    /// Moves what waits in a session without connection to the other, as far as that is open and has room.
    pub fn move_from(&mut self, slot: usize) -> Vec<PairTicket> {
        let other = 1 - slot;
        let mut tickets = Vec::new();
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
        let rank = |slot: &usize| (!self.sessions[*slot].is_open(), self.sessions[*slot].unacknowledged(), *slot);
        let slot = (0..CONNECTION_SLOTS).filter(|&slot| self.sessions[slot].has_room()).min_by_key(rank).ok_or(Full)?;
        let ticket = self.with(slot, |session| session.submit_raw(kind, routing, private))?;
        Ok(PairTicket { slot, ticket })
    }

    /// Takes bytes that one connection has received. After an error that connection is over; where too much is ahead of a gap, both are.
    pub fn receive(&mut self, slot: usize, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let received = self.with(slot, |session| session.receive(bytes, on));
        if let Err(Broken::TooFarAhead { .. }) = received {
            self.with(1 - slot, ClientSession::disconnected);
            self.arrivals.forget_ahead();
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

    /// What was seen over both: what a provider stores.
    pub fn resume(&self) -> Resume {
        Resume { lineage: self.arrivals.lineage, seen: self.arrivals.seen }
    }
}
