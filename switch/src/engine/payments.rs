//! The table of payments: what is open, and what became of the rest. It is the duplicate window as well; until there is a
//! history to ask, it forgets nothing.

use adapters::message::{Field, Outcome, PaymentId, Reason};
use hashbrown::HashTable;
use ledger::TransferIndex;
use std::hash::BuildHasher;

use crate::engine::effect::Status;
use crate::entry::ParticipantId;

/// Handle of a payment: its place in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Where it stands.
    pub state: State,
}

/// Where a payment stands. What is final never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reserved and forwarded.
    InFlight {
        /// The reservation.
        transfer: TransferIndex,
        /// An answer counts before this journal time.
        deadline_ns: u64,
    },
    /// Decided.
    Final(Decided),
}

/// How a payment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Committed, rejected or expired.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
    /// Journal time of the decision.
    pub at_ns: u64,
    /// Journal position of the decision.
    pub position: u64,
}

impl State {
    /// As it is told to a party of the payment.
    pub fn status(&self) -> Status {
        match *self {
            State::InFlight { .. } => Status::undecided(Outcome::InFlight),
            State::Final(Decided { outcome, reason, field, at_ns, position }) => {
                Status { outcome, reason, field, decided_at_ns: at_ns, position }
            }
        }
    }
}

/// All payments.
pub struct Payments {
    list: Vec<Payment>,
    /// From id to place in `list`. Never iterated: its order differs from process to process, so that nobody can choose ids that collide.
    by_id: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Payments {
    /// An empty table with room for so many.
    pub fn with_room(payments_expected: usize) -> Payments {
        Payments {
            list: Vec::with_capacity(payments_expected),
            by_id: HashTable::with_capacity(payments_expected),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// The payment with this id.
    pub fn find(&self, id: PaymentId) -> Option<PaymentIndex> {
        let same = |&index: &u32| self.list[index as usize].id == id;
        self.by_id.find(self.hasher.hash_one(id), same).map(|&index| PaymentIndex(index))
    }

    /// Adds a payment whose id is not there yet.
    pub fn add(&mut self, payment: Payment) -> PaymentIndex {
        let index = u32::try_from(self.list.len()).unwrap_or_else(|_| panic!("four billion payments fill the table"));
        let hash = self.hasher.hash_one(payment.id);
        self.list.push(payment);
        let (list, hasher) = (&self.list, &self.hasher);
        self.by_id.insert_unique(hash, index, |&other| hasher.hash_one(list[other as usize].id));
        PaymentIndex(index)
    }

    /// In order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &Payment> {
        self.list.iter()
    }
}

impl std::ops::Index<PaymentIndex> for Payments {
    type Output = Payment;

    fn index(&self, index: PaymentIndex) -> &Payment {
        &self.list[index.0 as usize]
    }
}

impl std::ops::IndexMut<PaymentIndex> for Payments {
    fn index_mut(&mut self, index: PaymentIndex) -> &mut Payment {
        &mut self.list[index.0 as usize]
    }
}
