//! Cases in a snapshot: slots, the list of free ones, and the closed ones in their order (`docs/formats/engine-snapshot.md`, section 7).

use std::io::Read;

use adapters::message::{AmountForm, CaseKind, CaseState, Field, NO_ID, PaymentId, Reason};

use super::{Case, CaseIndex, Cases};
use crate::engine::snapshot::slots::{Claims, SlotsCapture};
use crate::engine::snapshot::{Checked, Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A slot in a snapshot.
pub(super) const CASE_BYTES: usize = 128;

pub(super) type CasesCapture = SlotsCapture<CASE_BYTES, 4>;

impl Cases {
    /// A case is about to change.
    pub(super) fn before_slot(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_slot(slot, || case_bytes(&self.slots[slot as usize]));
        }
    }

    /// A slot was the last free one, and is about to be used again.
    pub(super) fn before_reuse(&mut self, slot: u32) {
        self.before_slot(slot);
        if let Some(capture) = &mut self.capture {
            capture.before_reuse(slot, self.free.len());
        }
    }

    /// A closed case was the oldest, and has left.
    pub(super) fn before_leaving(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_leaving(|| slot.to_le_bytes());
        }
    }

    /// How many slots, free ones and closed cases a snapshot will have.
    pub(in crate::engine) fn lengths(&self) -> [u32; 3] {
        [length(self.slots.len()), length(self.free.len()), length(self.closed.len())]
    }

    /// The cases that a snapshot has; none of those that are closed was closed below the window's floor.
    pub(in crate::engine) fn restore(
        [slots, free, closed]: [u32; 3],
        floor: u64,
        body: &mut impl Read,
    ) -> Result<Cases, RestoreFault> {
        let mut cases = Cases::default();
        read_items(body, Part::Case, slots, |_, bytes| {
            let case = case_of(bytes)?;
            ensure(case_bytes(&case) == *bytes, "the bytes are not canonical")?;
            cases.slots.push(case);
            Ok(())
        })?;
        let mut claims = Claims::new(cases.slots.len());
        read_items(body, Part::FreeSlot, free, |_, bytes| {
            let slot = claims.claim(*bytes)?;
            ensure(!cases.slots[slot as usize].state.is_open(), "the case is open")?;
            cases.free.push(slot);
            Ok(())
        })?;
        read_items(body, Part::Outcome, closed, |_, bytes| {
            let slot = claims.claim(*bytes)?;
            let position = cases.slots[slot as usize].position;
            let before = cases.closed.back().map_or(floor, |&last| cases[last].position);
            ensure(!cases.slots[slot as usize].state.is_open(), "the case is open")?;
            ensure(before <= position, "it was closed before the one before it")?;
            cases.closed.push_back(CaseIndex(slot));
            Ok(())
        })?;
        for slot in 0..cases.slots.len() {
            let is_open = cases.slots[slot].state.is_open();
            ensure(is_open != claims.has(slot), "it is neither open, nor closed, nor free")
                .and_then(|()| if is_open { cases.restore_open(CaseIndex(length(slot))) } else { Ok(()) })
                .map_err(|what| RestoreFault::new(Part::Case, length(slot), what))?;
        }
        for place in 0..cases.closed.len() {
            let index = cases.closed[place];
            let is_new = cases.by_id.insert(cases[index].id, index).is_none();
            ensure(is_new, "its id is taken").map_err(|what| RestoreFault::new(Part::Case, index.0, what))?;
        }
        Ok(cases)
    }

    /// Enters an open case wherever it is looked for.
    fn restore_open(&mut self, index: CaseIndex) -> Checked<()> {
        let &Case { id, kind, original, opened, deadline_ns, state, payment, .. } = &self[index];
        ensure(self.by_id.insert(id, index).is_none(), "its id is taken")?;
        self.open.insert((opened, index));
        if original != NO_ID {
            ensure(self.by_original.insert((original, kind), index).is_none(), "two open cases about one payment")?;
        }
        if state == CaseState::Paying {
            let payment = PaymentId::from_bytes(payment).ok_or("nothing is paying it")?;
            ensure(self.by_payment.insert(payment, index).is_none(), "a payment pays two requests")?;
        } else {
            self.deadlines.insert((deadline_ns, opened, index));
        }
        Ok(())
    }
}

impl Table for Cases {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let capture = CasesCapture::new(offset, self.lengths());
        let end = capture.end();
        self.capture = Some(Box::new(capture));
        end
    }

    fn capture(&mut self, bytes_max: usize, sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), slots, free, closed) = (&mut self.capture, &self.slots, &self.free, &self.closed) else {
            return 0;
        };
        let queued = |place: usize| closed[place].0.to_le_bytes();
        capture.hand_out(bytes_max, sink, |slot| case_bytes(&slots[slot]), |place| free[place], queued)
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn case_bytes(case: &Case) -> [u8; CASE_BYTES] {
    let Case {
        id,
        digest,
        kind,
        original,
        opener,
        responder,
        amount,
        currency,
        form,
        opened,
        deadline_ns,
        state,
        reason,
        field,
        at_ns,
        position,
        payment,
    } = case;
    let mut bytes = Writer::new();
    bytes.put(&id.bytes()).put(digest).put(original).put(payment);
    bytes.put(&opener.0.to_le_bytes()).put(&responder.map_or(0, |responder| responder.0).to_le_bytes());
    for word in [amount, opened, deadline_ns, at_ns, position] {
        bytes.put(&word.to_le_bytes());
    }
    bytes.put(currency).put(&[*kind as u8, *form as u8, *state as u8, *field as u8]).put(&reason.bytes()).put(&[0; 5]);
    bytes.finish()
}

fn case_of(bytes: &[u8; CASE_BYTES]) -> Checked<Case> {
    let mut fields = Fields::new(bytes);
    let id = PaymentId::from_bytes(fields.take()).ok_or("the id is no version-4 UUID")?;
    let (digest, original, payment) = (fields.take(), fields.take(), fields.take());
    let (opener, responder) = (ParticipantId(fields.u32()), ParticipantId(fields.u32()));
    let (amount, opened, deadline_ns, at_ns, position) =
        (fields.u64(), fields.u64(), fields.u64(), fields.u64(), fields.u64());
    let currency = fields.take();
    let [kind, form, state, field] = fields.take();
    let kind = CaseKind::from_number(kind).ok_or("the kind has no meaning")?;
    let form = AmountForm::from_number(form).ok_or("the form of the amount has no meaning")?;
    let state = CaseState::from_number(state).ok_or("the state has no meaning")?;
    let field = Field::from_number(field).ok_or("the field has no meaning")?;
    let reason = Reason::from_bytes(fields.take()).ok_or("the reason is no code")?;
    ensure(state.is_open() || state.is_final(), "a state that no case has")?;
    let responder = Some(responder).filter(|responder| responder.0 != 0);
    ensure(responder.is_some() == (state != CaseState::Rejected), "somebody is asked, or nobody")?;
    Ok(Case {
        id,
        digest,
        kind,
        original,
        opener,
        responder,
        amount,
        currency,
        form,
        opened,
        deadline_ns,
        state,
        reason,
        field,
        at_ns,
        position,
        payment,
    })
}
