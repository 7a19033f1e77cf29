//! How much of a payment was returned, for payments that were lately.
//!
//! A payment can be returned long after its outcome has left the window. So what is known of it stands here as long as one of its returns is in the
//! window; whoever comes later is told by the history what had been returned until then, as the annotation of a return says.

use std::collections::VecDeque;

use adapters::message::PaymentId;
use hashbrown::HashMap;

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

/// All of them.
#[derive(Default)]
pub struct Originals {
    /// With the journal position of the last return. Never iterated.
    held: HashMap<PaymentId, (Original, u64), foldhash::fast::RandomState>,
    /// One for each return, in their order: its position, and what it was of.
    returns: VecDeque<(u64, PaymentId)>,
}

impl Originals {
    /// What is known of a payment.
    pub fn find(&self, id: PaymentId) -> Option<&Original> {
        self.held.get(&id).map(|(original, _)| original)
    }

    /// Something of a payment was returned.
    pub fn put(&mut self, id: PaymentId, original: Original, position: u64) {
        assert!(original.returned <= original.amount, "never more is returned than was paid");
        self.held.insert(id, (original, position));
        self.returns.push_back((position, id));
    }

    /// Lets go what was last returned at or below the window's floor.
    pub fn trim(&mut self, floor: u64) {
        while let Some(&(position, id)) = self.returns.front()
            && position <= floor
        {
            self.returns.pop_front();
            if self.held.get(&id).is_some_and(|&(_, last)| last == position) {
                self.held.remove(&id);
            }
        }
    }

    /// The payment of which something was returned at this journal position.
    pub fn returned_at(&self, position: u64) -> Option<(PaymentId, &Original)> {
        let place = self.returns.binary_search_by_key(&position, |&(at, _)| at).ok()?;
        let id = self.returns[place].1;
        Some((id, self.find(id)?))
    }

    /// All, in the order of their last returns, each with its id and the position of that.
    pub fn iter(&self) -> impl Iterator<Item = (PaymentId, &Original, u64)> {
        self.returns.iter().filter_map(|&(position, id)| {
            let (original, last) = self.held.get(&id)?;
            (*last == position).then_some((id, original, position))
        })
    }
}
