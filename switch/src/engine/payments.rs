//! The table of payments: what is open, and the window of the newest outcomes. It is what duplicates are told by; older outcomes have left
//! it and are found in the history.
//!
//! Every open payment is held. Of the decided ones the newest are, as many as the rules say; the others leave between batches, in the order
//! of their decisions, so that what is held follows from the journal alone. The *floor* is the journal position of the newest outcome that has left: who
//! asks for an id that is not held learns nothing about what lies at or below it.

mod snapshot;

use std::collections::VecDeque;
use std::hash::BuildHasher;

use adapters::message::{Field, Lane, Outcome, PaymentId, Reason};
use ledger::TransferIndex;
use ledger::id_table::IdTable;

use self::snapshot::PaymentsCapture;
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
    /// What else it is.
    pub traits: Traits,
    /// Where it stands.
    pub state: State,
}

/// What a payment is beside an ordinary one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u8);

impl Traits {
    /// It goes in the bulk lane.
    pub const BULK: Traits = Traits(1);
    /// It pays a request.
    pub const PAYS_REQUEST: Traits = Traits(2);
    /// It is a return: its payer is the provider that had been paid.
    pub const RETURN: Traits = Traits(4);
    /// Its payee was named by an alias.
    pub const BY_ALIAS: Traits = Traits(8);

    /// As they stand in a digest or a snapshot.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// From `bits`; none where there is no such trait.
    pub fn from_bits(bits: u8) -> Option<Traits> {
        (bits < 16).then_some(Traits(bits))
    }

    /// With these as well, where `holds`.
    #[must_use]
    pub fn with(self, others: Traits, holds: bool) -> Traits {
        if holds { Traits(self.0 | others.0) } else { self }
    }

    /// Are these among them?
    pub fn has(self, others: Traits) -> bool {
        self.0 & others.0 == others.0
    }

    /// The lane in which it is told of.
    pub fn lane(self) -> Lane {
        if self.has(Traits::BULK) { Lane::Bulk } else { Lane::Payments }
    }
}

/// What a payment in flight has reserved in the book: nothing where payer and payee provider are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation(u32);

impl Reservation {
    /// Nothing.
    pub const NOTHING: Reservation = Reservation(u32::MAX);

    /// This transfer.
    pub fn of(transfer: TransferIndex) -> Reservation {
        assert!(transfer.get() != u32::MAX, "the book's last place means nothing");
        Reservation(transfer.get())
    }

    /// The transfer, if there is one.
    pub fn transfer(self) -> Option<TransferIndex> {
        (self != Reservation::NOTHING).then_some(TransferIndex::from_place(self.0))
    }
}

// A window of half a million is 40 MB.
const _: () = assert!(size_of::<Payment>() == 80);

/// Where a payment stands. What is final never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reserved and forwarded.
    InFlight {
        /// What it has reserved.
        reservation: Reservation,
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
    by_id: IdTable,
    hasher: foldhash::fast::RandomState,
    floor: u64,
    /// What of a snapshot has not been taken yet.
    capture: Option<Box<PaymentsCapture>>,
}

impl Payments {
    /// An empty table with room for so many.
    pub fn with_room(payments_expected: usize) -> Payments {
        Payments {
            slots: Vec::with_capacity(payments_expected),
            free: Vec::new(),
            outcomes: VecDeque::with_capacity(payments_expected),
            by_id: IdTable::with_capacity(payments_expected),
            hasher: foldhash::fast::RandomState::default(),
            floor: 0,
            capture: None,
        }
    }

    /// The payment with this id, if it is held.
    pub fn find(&self, id: PaymentId) -> Option<PaymentIndex> {
        self.by_id.find(self.hash(id), |slot| self.slots[slot as usize].id == id).map(PaymentIndex)
    }

    /// Reads what `find` will read, and depends on nothing that was read for another id: many of these wait for memory together. What it returns says nothing.
    pub fn touch(&self, id: PaymentId) -> u32 {
        self.by_id.likely(self.hash(id)).map_or(0, |slot| self.slots[slot as usize].payer.0)
    }

    fn hash(&self, id: PaymentId) -> u64 {
        self.hasher.hash_one(u128::from_ne_bytes(id.bytes()))
    }

    /// Adds a payment whose id is not held.
    pub fn add(&mut self, payment: Payment) -> PaymentIndex {
        let (id, hash) = (payment.id, self.hash(payment.id));
        let is_final = matches!(payment.state, State::Final { .. });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.before_reuse(slot);
                self.slots[slot as usize] = payment;
                slot
            }
            None => {
                self.slots.push(payment);
                u32::try_from(self.slots.len() - 1).unwrap_or_else(|_| panic!("four billion payments fill the table"))
            }
        };
        let is_new = self.by_id.insert_new(hash, slot, |other| self.slots[other as usize].id == id);
        assert!(is_new, "a payment is added once");
        if is_final {
            self.outcomes.push_back(slot);
        }
        PaymentIndex(slot)
    }

    /// Makes an open payment final. Returns it, and the journal position of its order.
    ///
    /// # Panics
    /// If it is final already.
    pub fn decide(&mut self, index: PaymentIndex, status: Status) -> (&Payment, u64) {
        self.before_slot(index.0);
        let payment = &mut self.slots[index.0 as usize];
        let State::InFlight { position: order, .. } = payment.state else { panic!("a payment is decided once") };
        payment.state = State::decided(status);
        self.outcomes.push_back(index.0);
        (payment, order)
    }

    /// Lets the oldest outcome go.
    pub fn let_oldest_go(&mut self) {
        let Some(slot) = self.outcomes.pop_front() else { return };
        self.before_leaving(slot);
        let payment = &self.slots[slot as usize];
        let State::Final { position, .. } = payment.state else { unreachable!("only outcomes leave") };
        assert!(self.floor <= position, "outcomes leave in the order of their decisions");
        self.floor = position;
        self.by_id.remove(self.hash(payment.id), slot);
        self.free.push(slot);
    }

    /// Something else that was decided at this position has left the window.
    pub fn raise_floor(&mut self, position: u64) {
        assert!(self.floor <= position, "outcomes leave in the order of their decisions");
        self.floor = position;
    }

    /// Journal position of the oldest outcome that is held.
    pub fn oldest_outcome(&self) -> Option<u64> {
        let slot = *self.outcomes.front()?;
        match self.slots[slot as usize].state {
            State::Final { position, .. } => Some(position),
            State::InFlight { .. } => unreachable!("it is an outcome"),
        }
    }

    /// How many outcomes are held.
    pub fn outcomes_held(&self) -> usize {
        self.outcomes.len()
    }

    /// Journal position of the newest outcome that has left; 0 as long as none has.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many payments are held.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// The open payments in so many slots from one on, in no order, and the slot to go on with; none at the end. A payment that stays open
    /// keeps its slot, so portions that follow each other have every payment that was open all the while exactly once.
    pub fn open_from(&self, slot: usize, slots_max: usize) -> (Vec<&Payment>, Option<usize>) {
        let until = slot.saturating_add(slots_max).min(self.slots.len());
        let slots = self.slots.get(slot..until).unwrap_or_default();
        let open = slots.iter().filter(|payment| matches!(payment.state, State::InFlight { .. })).collect();
        (open, (until < self.slots.len()).then_some(until))
    }

    /// The open payments, in order of arrival. Takes its time: all slots are looked at.
    pub fn open(&self) -> Vec<&Payment> {
        let (mut open, _) = self.open_from(0, usize::MAX);
        open.sort_unstable_by_key(|payment| match payment.state {
            State::InFlight { position, .. } => position,
            State::Final { .. } => unreachable!("it is open"),
        });
        open
    }

    /// The open payments and their handles, in no order.
    pub fn open_with_places(&self) -> impl Iterator<Item = (PaymentIndex, &Payment)> {
        let places = (0..).map(PaymentIndex).zip(&self.slots);
        places.filter(|(_, payment)| matches!(payment.state, State::InFlight { .. }))
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
