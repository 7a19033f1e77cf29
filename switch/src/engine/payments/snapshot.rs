//! The table of payments in a snapshot: its slots, the list of free ones, and the outcomes in their order
//! (`docs/formats/engine-snapshot.md`, section 6).

use std::io::Read;

use adapters::message::{Field, Outcome, PaymentId, Reason};
use ledger::{Book, TransferId, TransferState};

use super::{Payment, Payments, Reservation, State, Traits};
use crate::engine::snapshot::slots::{Claims, SLOT_NUMBER_BYTES, SlotsCapture};
use crate::engine::snapshot::{Checked, Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A slot in a snapshot.
const SLOT_BYTES: usize = 80;
pub(super) type PaymentsCapture = SlotsCapture<SLOT_BYTES, SLOT_NUMBER_BYTES>;

impl Payments {
    /// A slot is about to change.
    #[inline]
    pub(super) fn before_slot(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_slot(slot, || slot_bytes(&self.slots[slot as usize]));
        }
    }

    /// A slot was the last free one, and is about to be used again.
    #[inline]
    pub(super) fn before_reuse(&mut self, slot: u32) {
        self.before_slot(slot);
        if let Some(capture) = &mut self.capture {
            capture.before_reuse(slot, self.free.len());
        }
    }

    /// An outcome was the oldest, and has left.
    #[inline]
    pub(super) fn before_leaving(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_leaving(|| slot.to_le_bytes());
        }
    }

    /// How many slots, free ones and outcomes a snapshot will have.
    pub(in crate::engine) fn lengths(&self) -> [u32; 3] {
        [length(self.slots.len()), length(self.free.len()), length(self.outcomes.len())]
    }

    /// The table that a snapshot has, over its book. `moves_nothing` says whether two have one account in a currency.
    pub(in crate::engine) fn restore(
        payments_expected: usize,
        [slots, free, outcomes]: [u32; 3],
        floor: u64,
        book: &Book,
        moves_nothing: impl Fn([ParticipantId; 2], [u8; 3]) -> bool,
        body: &mut impl Read,
    ) -> Result<Payments, RestoreFault> {
        let mut payments = Payments { floor, ..Payments::with_room(payments_expected) };
        read_items(body, Part::Payment, slots, |_, bytes| {
            let payment = payment_of(bytes, book, &moves_nothing)?;
            ensure(slot_bytes(&payment) == *bytes, "the bytes are not canonical")?;
            payments.slots.push(payment);
            Ok(())
        })?;
        let mut claims = Claims::new(payments.slots.len());
        read_items(body, Part::FreeSlot, free, |_, bytes| {
            let slot = payments.closed(claims.claim(*bytes)?)?;
            payments.free.push(slot);
            Ok(())
        })?;
        read_items(body, Part::Outcome, outcomes, |_, bytes| {
            let slot = payments.closed(claims.claim(*bytes)?)?;
            payments.restore_outcome(slot)
        })?;
        for (slot, payment) in payments.slots.iter().enumerate() {
            let is_open = matches!(payment.state, State::InFlight { .. });
            ensure(is_open != claims.has(slot), "it is neither open, nor an outcome, nor free")
                .map_err(|what| RestoreFault::new(Part::Payment, length(slot), what))?;
        }
        payments.restore_ids()?;
        Ok(payments)
    }

    /// A slot that is not open.
    fn closed(&self, slot: u32) -> Checked<u32> {
        ensure(!self.is_open(slot), "the payment is open").map(|()| slot)
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
        let capture = PaymentsCapture::new(offset, self.lengths());
        let end = capture.end();
        self.capture = Some(Box::new(capture));
        end
    }

    fn capture(&mut self, bytes_max: usize, sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), slots, free, outcomes) = (&mut self.capture, &self.slots, &self.free, &self.outcomes)
        else {
            return 0;
        };
        let queued = |place: usize| outcomes[place].to_le_bytes();
        capture.hand_out(bytes_max, sink, |slot| slot_bytes(&slots[slot]), |place| free[place], queued)
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn slot_bytes(payment: &Payment) -> [u8; SLOT_BYTES] {
    let Payment { id, digest, payer, payee, amount, currency, traits, state } = payment;
    // The reservation is found in the book, by the payment's id.
    let (outcome, reason, field, time_ns, position) = match *state {
        State::InFlight { reservation: _, deadline_ns, position } => {
            (Outcome::InFlight, Reason::NONE, Field::None, deadline_ns, position)
        }
        State::Final { outcome, reason, field, at_ns, position } => (outcome, reason, field, at_ns, position),
    };
    let mut bytes = Writer::new();
    bytes.put(&id.bytes()).put(digest).put(&payer.0.to_le_bytes());
    bytes.put(&payee.map_or(0, |payee| payee.0).to_le_bytes()).put(&amount.to_le_bytes()).put(currency);
    bytes.put(&[outcome as u8, field as u8]).put(&reason.bytes());
    bytes.put(&[traits.bits()]).put(&[0; 6]).put(&time_ns.to_le_bytes()).put(&position.to_le_bytes());
    bytes.finish()
}

fn payment_of(
    bytes: &[u8; SLOT_BYTES],
    book: &Book,
    moves_nothing: &impl Fn([ParticipantId; 2], [u8; 3]) -> bool,
) -> Checked<Payment> {
    let mut fields = Fields::new(bytes);
    let id = PaymentId::from_bytes(fields.take()).ok_or("the id is no version-4 UUID")?;
    let digest = fields.take();
    let (payer, payee) = (ParticipantId(fields.u32()), ParticipantId(fields.u32()));
    let (amount, currency) = (fields.u64(), fields.take());
    let [outcome, field] = fields.take();
    let outcome = Outcome::from_number(outcome).ok_or("the outcome has no meaning")?;
    let field = Field::from_number(field).ok_or("the field has no meaning")?;
    let reason = Reason::from_bytes(fields.take()).ok_or("the reason is no code")?;
    let [traits] = fields.take();
    let traits = Traits::from_bits(traits).ok_or("the traits have no meaning")?;
    fields.take::<6>();
    let (time_ns, position) = (fields.u64(), fields.u64());
    let payee = Some(payee).filter(|payee| payee.0 != 0);
    let is_within = payee.is_some_and(|payee| outcome == Outcome::InFlight && moves_nothing([payer, payee], currency));
    let state = if is_within {
        State::InFlight { reservation: Reservation::NOTHING, deadline_ns: time_ns, position }
    } else if outcome == Outcome::InFlight {
        let transfer = book.find_transfer(TransferId(u128::from_be_bytes(id.bytes()))).ok_or("nothing is reserved")?;
        let reserved = book.transfer(transfer);
        let fits = reserved.state() == TransferState::Reserved && reserved.amount().minor_units() == amount;
        ensure(fits && payee.is_some(), "what is reserved is something else")?;
        State::InFlight { reservation: Reservation::of(transfer), deadline_ns: time_ns, position }
    } else {
        ensure(outcome.is_final(), "an outcome that no payment has")?;
        State::Final { outcome, reason, field, at_ns: time_ns, position }
    };
    Ok(Payment { id, digest, payer, payee, amount, currency, traits, state })
}
