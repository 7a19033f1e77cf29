//! The table of payments: what is open, and the window of the newest outcomes. It is what duplicates are told by; older outcomes have left
//! it and are found in the history.
//!
//! Every open payment is held. Of the decided ones the newest are, as many as the rules say; the others leave between batches, in the order
//! of their decisions, so that what is held follows from the journal alone. The *floor* is the journal position of the newest outcome that has left: who
//! asks for an id that is not held learns nothing about what lies at or below it.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use adapters::message::{Field, Outcome, PaymentId, Reason};
use hashbrown::HashTable;
use ledger::TransferIndex;

use crate::engine::effect::Status;
use crate::entry::ParticipantId;

/// Handle of a payment that is held: its slot. Slots are used again, so a handle of a decided payment is good until the next batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentIndex(u32);

/// One payment.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its UETR.
    pub id: PaymentId,
    /// What was ordered, as the edge digested it: same digest, same order.
    pub digest: [u8; 16],
    /// The sender, which is the payer provider unless it was rejected for that.
    pub payer: ParticipantId,
    /// The payee provider, once it has been told; none for what was rejected before.
    pub payee: Option<ParticipantId>,
    /// As ordered, in minor units; no amount of the scheme where it was rejected for that.
    pub amount: u64,
    /// As ordered; none of the scheme where it was rejected for that.
    pub currency: [u8; 3],
    /// Where it stands.
    pub state: State,
}

// A window of a million is 80 MB.
const _: () = assert!(size_of::<Payment>() == 80);

/// Where a payment stands. What is final never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reserved and forwarded.
    InFlight {
        /// The reservation.
        transfer: TransferIndex,
        /// An answer counts before this journal time.
        deadline_ns: u64,
        /// Journal position of the order.
        position: u64,
    },
    /// Decided. The fields stand here and not in a struct of their own, because so both states fit in 24 bytes.
    Final {
        /// Committed, rejected or expired.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// The field that was the cause.
        field: Field,
        /// Journal time of the decision.
        at_ns: u64,
        /// Journal position of the decision.
        position: u64,
    },
}

impl State {
    /// The state of a payment that was decided so.
    pub fn decided(status: Status) -> State {
        let Status { outcome, reason, field, decided_at_ns: at_ns, position } = status;
        assert!(outcome.is_final());
        State::Final { outcome, reason, field, at_ns, position }
    }

    /// As it is told to a party of the payment.
    pub fn status(&self) -> Status {
        match *self {
            State::InFlight { .. } => Status::undecided(Outcome::InFlight),
            State::Final { outcome, reason, field, at_ns, position } => {
                Status { outcome, reason, field, decided_at_ns: at_ns, position }
            }
        }
    }
}

/// All payments that are held.
pub struct Payments {
    /// What is not in use is in `free`, and final.
    slots: Vec<Payment>,
    /// Slots to be used again, the last one first.
    free: Vec<u32>,
    /// Slots of the outcomes that are held, the oldest first.
    outcomes: VecDeque<u32>,
    /// From id to slot. Never iterated: its order differs from process to process, so that nobody can choose ids that collide.
    by_id: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    floor: u64,
}

impl Payments {
    /// An empty table with room for so many.
    pub fn with_room(payments_expected: usize) -> Payments {
        Payments {
            slots: Vec::with_capacity(payments_expected),
            free: Vec::new(),
            outcomes: VecDeque::with_capacity(payments_expected),
            // Twice the room: in a table that is half empty, places of what was removed are soon free again. In a fuller one they pile up until all of it
            // is put in order at once, which stops the hot loop.
            by_id: HashTable::with_capacity(2 * payments_expected),
            hasher: foldhash::fast::RandomState::default(),
            floor: 0,
        }
    }

    /// The payment with this id, if it is held.
    pub fn find(&self, id: PaymentId) -> Option<PaymentIndex> {
        let same = |&slot: &u32| self.slots[slot as usize].id == id;
        self.by_id.find(self.hasher.hash_one(id), same).map(|&slot| PaymentIndex(slot))
    }

    /// Adds a payment whose id is not held.
    pub fn add(&mut self, payment: Payment) -> PaymentIndex {
        let hash = self.hasher.hash_one(payment.id);
        let is_final = matches!(payment.state, State::Final { .. });
        let slot = self.free.pop().unwrap_or_else(|| {
            u32::try_from(self.slots.len()).unwrap_or_else(|_| panic!("four billion payments fill the table"))
        });
        if slot as usize == self.slots.len() {
            self.slots.push(payment);
        } else {
            self.slots[slot as usize] = payment;
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.insert_unique(hash, slot, |&other| hasher.hash_one(slots[other as usize].id));
        if is_final {
            self.outcomes.push_back(slot);
        }
        PaymentIndex(slot)
    }

    /// Makes an open payment final.
    ///
    /// # Panics
    /// If it is final already.
    pub fn decide(&mut self, index: PaymentIndex, status: Status) -> &Payment {
        let payment = &mut self.slots[index.0 as usize];
        assert!(matches!(payment.state, State::InFlight { .. }), "a payment is decided once");
        payment.state = State::decided(status);
        self.outcomes.push_back(index.0);
        payment
    }

    /// Lets the oldest outcomes go until so many are held.
    pub fn trim(&mut self, outcomes_kept: usize) {
        let leaving = self.outcomes.len().saturating_sub(outcomes_kept);
        for slot in self.outcomes.drain(..leaving) {
            let payment = &self.slots[slot as usize];
            let State::Final { position, .. } = payment.state else { unreachable!("only outcomes leave") };
            assert!(self.floor <= position, "outcomes leave in the order of their decisions");
            self.floor = position;
            let held = self.by_id.find_entry(self.hasher.hash_one(payment.id), |&other| other == slot);
            held.unwrap_or_else(|_| unreachable!("what is held is in the table")).remove();
            self.free.push(slot);
        }
    }

    /// Journal position of the newest outcome that has left; 0 as long as none has.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many payments are held.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// The open payments, in order of arrival. Takes its time: all slots are looked at.
    pub fn open(&self) -> Vec<&Payment> {
        let arrival = |payment: &Payment| match payment.state {
            State::InFlight { position, .. } => Some(position),
            State::Final { .. } => None,
        };
        let mut open: Vec<&Payment> = self.slots.iter().filter(|payment| arrival(payment).is_some()).collect();
        open.sort_unstable_by_key(|payment| arrival(payment));
        open
    }

    /// The outcomes that are held, the oldest first.
    pub fn outcomes(&self) -> impl Iterator<Item = &Payment> {
        self.outcomes.iter().map(|&slot| &self.slots[slot as usize])
    }
}

impl std::ops::Index<PaymentIndex> for Payments {
    type Output = Payment;

    fn index(&self, index: PaymentIndex) -> &Payment {
        &self.slots[index.0 as usize]
    }
}
