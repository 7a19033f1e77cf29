//! Payments with returns in a snapshot: slots, the list of free ones, and the returns in their order (`docs/formats/engine-snapshot.md`, section 8).

use std::io::Read;

use adapters::message::PaymentId;

use super::{Held, Original, Originals, Returned};
use crate::engine::snapshot::slots::{Claims, SLOT_NUMBER_BYTES, SlotsCapture};
use crate::engine::snapshot::{Checked, Fields, Part, RestoreFault, Table, Writer, ensure, length, read_items};
use crate::entry::ParticipantId;

/// A slot in a snapshot.
const ORIGINAL_BYTES: usize = 64;
/// A return in a snapshot.
const RETURN_BYTES: usize = 12;

pub(super) type OriginalsCapture = SlotsCapture<ORIGINAL_BYTES, RETURN_BYTES>;

impl Originals {
    /// A slot is about to change.
    pub(super) fn before_slot(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.before_slot(slot, || held_bytes(&self.slots[slot as usize]));
        }
    }

    /// A slot was the last free one, and is about to be used again.
    pub(super) fn before_reuse(&mut self, slot: u32) {
        self.before_slot(slot);
        if let Some(capture) = &mut self.capture {
            capture.before_reuse(slot, self.free.len());
        }
    }

    /// A return was the oldest, and has left.
    pub(super) fn before_leaving(&mut self, returned: Returned) {
        if let Some(capture) = &mut self.capture {
            capture.before_leaving(|| returned_bytes(returned));
        }
    }

    /// How many slots, free ones and returns a snapshot will have.
    pub(in crate::engine) fn lengths(&self) -> [u32; 3] {
        [length(self.slots.len()), length(self.free.len()), length(self.returns.len())]
    }

    /// The table that a snapshot has.
    pub(in crate::engine) fn restore(
        [slots, free, returns]: [u32; 3],
        body: &mut impl Read,
    ) -> Result<Originals, RestoreFault> {
        let mut originals = Originals::default();
        read_items(body, Part::Original, slots, |_, bytes| {
            let held = held_of(bytes)?;
            ensure(held_bytes(&held) == *bytes, "the bytes are not canonical")?;
            originals.slots.push(held);
            Ok(())
        })?;
        let mut claims = Claims::new(originals.slots.len());
        read_items(body, Part::FreeSlot, free, |_, bytes: &[u8; SLOT_NUMBER_BYTES]| {
            originals.free.push(claims.claim(*bytes)?);
            Ok(())
        })?;
        read_items(body, Part::Return, returns, |_, bytes: &[u8; RETURN_BYTES]| {
            let mut fields = Fields::new(bytes);
            let returned = Returned { position: fields.u64(), slot: fields.u32() };
            let before = originals.returns.back().map_or(0, |last| last.position);
            ensure(before < returned.position, "it comes before the one before it")?;
            let is_held = (returned.slot as usize) < originals.slots.len() && !claims.has(returned.slot as usize);
            ensure(is_held, "it is of nothing that is held")?;
            originals.returns.push_back(returned);
            Ok(())
        })?;
        for slot in 0..originals.slots.len() {
            if !claims.has(slot) {
                let is_new = originals.by_id.insert(originals.slots[slot].id, length(slot)).is_none();
                ensure(is_new, "its id is taken")
                    .map_err(|what| RestoreFault::new(Part::Original, length(slot), what))?;
            }
        }
        Ok(originals)
    }
}

impl Table for Originals {
    fn begin_capture(&mut self, offset: u64) -> u64 {
        let capture = OriginalsCapture::new(offset, self.lengths());
        let end = capture.end();
        self.capture = Some(Box::new(capture));
        end
    }

    fn capture(&mut self, bytes_max: usize, sink: &mut dyn FnMut(u64, &[u8])) -> usize {
        let (Some(capture), slots, free, returns) = (&mut self.capture, &self.slots, &self.free, &self.returns) else {
            return 0;
        };
        let queued = |place: usize| returned_bytes(returns[place]);
        capture.hand_out(bytes_max, sink, |slot| held_bytes(&slots[slot]), |place| free[place], queued)
    }

    fn end_capture(&mut self) {
        self.capture = None;
    }
}

fn returned_bytes(returned: Returned) -> [u8; RETURN_BYTES] {
    let mut bytes = Writer::new();
    bytes.put(&returned.position.to_le_bytes()).put(&returned.slot.to_le_bytes());
    bytes.finish()
}

fn held_bytes(held: &Held) -> [u8; ORIGINAL_BYTES] {
    let Held { id, original: Original { payer, payee, amount, currency, decided_at_ns, returned }, last } = held;
    let mut bytes = Writer::new();
    bytes.put(&id.bytes()).put(&payer.0.to_le_bytes()).put(&payee.0.to_le_bytes());
    for word in [amount, decided_at_ns, returned, last] {
        bytes.put(&word.to_le_bytes());
    }
    bytes.put(currency).put(&[0; 5]);
    bytes.finish()
}

fn held_of(bytes: &[u8; ORIGINAL_BYTES]) -> Checked<Held> {
    let mut fields = Fields::new(bytes);
    let id = PaymentId::from_bytes(fields.take()).ok_or("the id is no version-4 UUID")?;
    let (payer, payee) = (ParticipantId(fields.u32()), ParticipantId(fields.u32()));
    let (amount, decided_at_ns, returned, last) = (fields.u64(), fields.u64(), fields.u64(), fields.u64());
    let currency = fields.take();
    ensure(returned <= amount, "more was returned than was paid")?;
    Ok(Held { id, original: Original { payer, payee, amount, currency, decided_at_ns, returned }, last })
}
