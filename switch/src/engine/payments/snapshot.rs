//! The table of payments in a snapshot: its slots, the list of free ones, and the outcomes in their order
//! (`docs/formats/engine-snapshot.md`, section 5).

use std::io::Read;

use adapters::message::{Field, Outcome, PaymentId, Reason};
use ledger::capture::CaptureSection;
use ledger::{Book, TransferId, TransferState};

use super::{Payment, Payments, State};
use crate::engine::snapshot::{Checked, Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A slot in a snapshot.
const SLOT_BYTES: usize = 80;
/// The number of a slot in a snapshot.
const SLOT_NUMBER_BYTES: usize = 4;

/// What of the table has not been taken yet.
pub(super) struct PaymentsCapture {
    slots: CaptureSection<SLOT_BYTES>,
    free: CaptureSection<SLOT_NUMBER_BYTES>,
    outcomes: CaptureSection<SLOT_NUMBER_BYTES>,
    /// Outcomes that have left since it began.
    outcomes_left: u32,
}

impl Payments {
    /// A slot is about to change.
    #[inline]
    pub(super) fn before_slot(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture
            && capture.slots.awaits(slot)
        {
            capture.slots.take_early(slot, slot_bytes(&self.slots[slot as usize]));
        }
    }

    /// A slot was the last free one, and is about to be used again.
    #[inline]
    pub(super) fn before_reuse(&mut self, slot: u32) {
        self.before_slot(slot);
        if let Some(capture) = &mut self.capture {
            let place = length(self.free.len());
            if capture.free.awaits(place) {
                capture.free.take_early(place, slot.to_le_bytes());
            }
        }
    }

    /// An outcome was the oldest, and has left.
    #[inline]
    pub(super) fn before_leaving(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            let place = capture.outcomes_left;
            if capture.outcomes.awaits(place) {
                capture.outcomes.take_early(place, slot.to_le_bytes());
            }
            capture.outcomes_left = place.saturating_add(1);
        }
    }

    /// How many slots, free ones and outcomes a snapshot will have.
    pub(in crate::engine) fn lengths(&self) -> [u32; 3] {
        [length(self.slots.len()), length(self.free.len()), length(self.outcomes.len())]
    }

    /// The table that a snapshot has, over its book.
    pub(in crate::engine) fn restore(
        payments_expected: usize,
        [slots, free, outcomes]: [u32; 3],
        floor: u64,
        book: &Book,
        body: &mut impl Read,
    ) -> Result<Payments, RestoreFault> {
        let mut payments = Payments { floor, ..Payments::with_room(payments_expected) };
        read_items(body, Part::Payment, slots, |_, bytes| {
            let payment = payment_of(bytes, book)?;
            ensure(slot_bytes(&payment) == *bytes, "the bytes are not canonical")?;
            payments.slots.push(payment);
            Ok(())
        })?;
        // A bit for each slot that is free or an outcome: nothing is both, and nothing twice.
        let mut seen = vec![false; payments.slots.len()];
        read_items(body, Part::FreeSlot, free, |_, bytes| {
            let slot = payments.claim(&mut seen, *bytes)?;
            payments.free.push(slot);
            Ok(())
        })?;
        read_items(body, Part::Outcome, outcomes, |_, bytes| {
            let slot = payments.claim(&mut seen, *bytes)?;
            payments.restore_outcome(slot)
        })?;
        for (slot, payment) in (0..).zip(&payments.slots) {
            let is_open = matches!(payment.state, State::InFlight { .. });
            ensure(is_open != seen[slot as usize], "it is neither open, nor an outcome, nor free")
                .map_err(|what| RestoreFault::new(Part::Payment, slot, what))?;
        }
        payments.restore_ids()?;
        Ok(payments)
    }

    /// A slot that is not open, named for the first time.
    fn claim(&self, seen: &mut [bool], bytes: [u8; SLOT_NUMBER_BYTES]) -> Checked<u32> {
        let slot = u32::from_le_bytes(bytes);
        let payment = self.slots.get(slot as usize).ok_or("the slot does not exist")?;
        ensure(!std::mem::replace(&mut seen[slot as usize], true), "the slot was named before")?;
        ensure(matches!(payment.state, State::Final { .. }), "the payment is open")?;
        Ok(slot)
    }

    fn restore_outcome(&mut self, slot: u32) -> Checked<()> {
        let position = |slot: u32| match self.slots[slot as usize].state {
            State::Final { position, .. } => position,
            State::InFlight { .. } => 0,
        };
        let before = self.outcomes.back().map_or(self.floor, |&last| position(last));
        ensure(before <= position(slot), "it was decided before the one before it")?;
        self.outcomes.push_back(slot);
        Ok(())
    }

    /// Enters all payments that are held by their ids.
    fn restore_ids(&mut self) -> Result<(), RestoreFault> {
        let open = (0..length(self.slots.len())).filter(|&slot| self.is_open(slot));
        let held: Vec<u32> = open.chain(self.outcomes.iter().copied()).collect();
        for slot in held {
            let id = self.slots[slot as usize].id;
            let (hash, slots) = (self.hash(id), &self.slots);
            let is_new = self.by_id.insert_new(hash, slot, |other| slots[other as usize].id == id);
            ensure(is_new, "its id is taken").map_err(|what| RestoreFault::new(Part::Payment, slot, what))?;
        }
        Ok(())
    }

    fn is_open(&self, slot: u32) -> bool {
        matches!(self.slots[slot as usize].state, State::InFlight { .. })
    }
}

impl Table for Payments {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let [slots, free, outcomes] = self.lengths();
        let slots = CaptureSection::new(offset, slots);
        let free = CaptureSection::new(slots.end(), free);
        let outcomes = CaptureSection::new(free.end(), outcomes);
        let end = outcomes.end();
        self.capture = Some(Box::new(PaymentsCapture { slots, free, outcomes, outcomes_left: 0 }));
        end
    }

    fn capture(&mut self, bytes_max: usize, mut sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let Some(capture) = &mut self.capture else { return 0 };
        let (slots, free, outcomes, sink) = (&self.slots, &self.free, &self.outcomes, &mut sink);
        let early = capture.slots.hand_out_early(bytes_max / 2, sink);
        let mut handed_out = capture.slots.hand_out_next(bytes_max, sink, |slot| slot_bytes(&slots[slot as usize]));
        let number = |place: u32| free[place as usize].to_le_bytes();
        handed_out += capture.free.hand_out_next(bytes_max.saturating_sub(handed_out), sink, number);
        let left = capture.outcomes_left;
        let number = |place: u32| outcomes[(place - left) as usize].to_le_bytes();
        handed_out += capture.outcomes.hand_out_next(bytes_max.saturating_sub(handed_out), sink, number);
        if capture.slots.is_complete() && capture.free.is_complete() && capture.outcomes.is_complete() {
            self.capture = None;
        }
        early + handed_out
    }

    fn is_capturing(&self) -> bool {
        self.capture.is_some()
    }

    fn abandon_capture(&mut self) {
        self.capture = None;
    }
}

fn slot_bytes(payment: &Payment) -> [u8; SLOT_BYTES] {
    let Payment { id, digest, payer, payee, amount, currency, state } = payment;
    // The reservation is found in the book, by the payment's id.
    let (outcome, reason, field, time_ns, position) = match *state {
        State::InFlight { transfer: _, deadline_ns, position } => {
            (Outcome::InFlight, Reason::NONE, Field::None, deadline_ns, position)
        }
        State::Final { outcome, reason, field, at_ns, position } => (outcome, reason, field, at_ns, position),
    };
    let mut bytes = Writer::new();
    bytes.put(&id.bytes()).put(digest).put(&payer.0.to_le_bytes());
    bytes.put(&payee.map_or(0, |payee| payee.0).to_le_bytes()).put(&amount.to_le_bytes()).put(currency);
    bytes.put(&[outcome as u8, field as u8]).put(&reason.bytes());
    bytes.put(&[0; 7]).put(&time_ns.to_le_bytes()).put(&position.to_le_bytes());
    bytes.finish()
}

fn payment_of(bytes: &[u8; SLOT_BYTES], book: &Book) -> Checked<Payment> {
    let mut fields = Fields::new(bytes);
    let id = PaymentId::from_bytes(fields.take()).ok_or("the id is no version-4 UUID")?;
    let digest = fields.take();
    let (payer, payee) = (ParticipantId(fields.u32()), ParticipantId(fields.u32()));
    let (amount, currency) = (fields.u64(), fields.take());
    let [outcome, field] = fields.take();
    let outcome = Outcome::from_number(outcome).ok_or("the outcome has no meaning")?;
    let field = Field::from_number(field).ok_or("the field has no meaning")?;
    let reason = Reason::from_bytes(fields.take()).ok_or("the reason is no code")?;
    fields.take::<7>();
    let (time_ns, position) = (fields.u64(), fields.u64());
    let payee = Some(payee).filter(|payee| payee.0 != 0);
    let state = if outcome == Outcome::InFlight {
        let transfer = book.find_transfer(TransferId(u128::from_be_bytes(id.bytes()))).ok_or("nothing is reserved")?;
        let reserved = book.transfer(transfer);
        let fits = reserved.state() == TransferState::Reserved && reserved.amount().minor_units() == amount;
        ensure(fits && payee.is_some(), "what is reserved is something else")?;
        State::InFlight { transfer, deadline_ns: time_ns, position }
    } else {
        ensure(outcome.is_final(), "an outcome that no payment has")?;
        State::Final { outcome, reason, field, at_ns: time_ns, position }
    };
    Ok(Payment { id, digest, payer, payee, amount, currency, state })
}
