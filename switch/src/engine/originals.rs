//! How much of a payment was returned, for payments that were lately.
//!
//! A payment can be returned long after its outcome has left the window. So what is known of it stands here as long as one of its returns is in the
//! window; whoever comes later is told by the history what had been returned until then, as the annotation of a return says.

mod snapshot;

use std::collections::VecDeque;

use adapters::message::PaymentId;
use hashbrown::HashMap;

use crate::engine::originals::snapshot::OriginalsCapture;
use crate::entry::ParticipantId;

/// A committed payment of which something was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// Who paid, and is returned to.
    pub payer: ParticipantId,
    /// Who was paid, and returns.
    pub payee: ParticipantId,
    /// What was paid, in minor units.
    pub amount: u64,
    /// In which currency.
    pub currency: [u8; 3],
    /// Journal time of its outcome.
    pub decided_at_ns: u64,
    /// What of it was returned; never more than it.
    pub returned: u64,
}

/// One slot.
#[derive(Clone, Debug)]
struct Held {
    id: PaymentId,
    original: Original,
    /// Journal position of the last return.
    last: u64,
}

/// One return.
#[derive(Clone, Copy, Debug)]
struct Returned {
    /// Its journal position.
    position: u64,
    /// Where the payment stands that it is of.
    slot: u32,
}

/// All of them.
#[derive(Default)]
pub struct Originals {
    slots: Vec<Held>,
    /// Slots to be used again, the last one first.
    free: Vec<u32>,
    /// Never iterated.
    by_id: HashMap<PaymentId, u32, foldhash::fast::RandomState>,
    /// In their order.
    returns: VecDeque<Returned>,
    /// What a snapshot has not taken yet, while one is made.
    capture: Option<Box<OriginalsCapture>>,
}

impl Originals {
    /// What is known of a payment.
    pub fn find(&self, id: PaymentId) -> Option<&Original> {
        let slot = *self.by_id.get(&id)?;
        Some(&self.slots[slot as usize].original)
    }

    /// Something of a payment was returned.
    pub fn put(&mut self, id: PaymentId, original: Original, position: u64) {
        assert!(original.returned <= original.amount, "never more is returned than was paid");
        let held = Held { id, original, last: position };
        let slot = match self.by_id.get(&id).copied() {
            Some(slot) => {
                self.before_slot(slot);
                self.slots[slot as usize] = held;
                slot
            }
            None => self.add(held),
        };
        self.returns.push_back(Returned { position, slot });
    }

    fn add(&mut self, held: Held) -> u32 {
        let id = held.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.before_reuse(slot);
                self.slots[slot as usize] = held;
                slot
            }
            None => {
                self.slots.push(held);
                u32::try_from(self.slots.len() - 1).unwrap_or_else(|_| panic!("four billion originals fill the table"))
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    /// Lets go what was last returned at or below the window's floor.
    pub fn trim(&mut self, floor: u64) {
        while let Some(&returned) = self.returns.front()
            && returned.position <= floor
        {
            self.returns.pop_front();
            self.before_leaving(returned);
            let held = &self.slots[returned.slot as usize];
            if held.last == returned.position {
                self.by_id.remove(&held.id);
                self.free.push(returned.slot);
            }
        }
    }

    /// The payment of which something was returned at this journal position.
    pub fn returned_at(&self, position: u64) -> Option<(PaymentId, &Original)> {
        let place = self.returns.binary_search_by_key(&position, |returned| returned.position).ok()?;
        let held = &self.slots[self.returns[place].slot as usize];
        Some((held.id, &held.original))
    }

    /// All, in the order of their last returns, each with its id and the position of that.
    pub fn iter(&self) -> impl Iterator<Item = (PaymentId, &Original, u64)> {
        self.returns.iter().filter_map(|returned| {
            let held = &self.slots[returned.slot as usize];
            (held.last == returned.position).then_some((held.id, &held.original, held.last))
        })
    }
}
