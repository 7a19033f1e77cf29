//! References of the operator's orders of money: what was ordered once is never carried out again.
//!
//! The book forgets transfers that are final, and payments have their window; the operator's references are kept, all of them. They are few,
//! because people make them: a thousand a day for three years fill the table.

mod snapshot;

use std::collections::BTreeMap;

use ledger::Amount;
use ledger::capture::CaptureSection;

use self::snapshot::FUNDS_BYTES;
use crate::engine::scheme::money::Operation;
use crate::entry::ParticipantId;
use crate::limits::FUNDS_IN_MAX;

/// What was ordered under a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundsBooked {
    /// What it does.
    pub operation: Operation,
    /// For whom, or from whom.
    pub participant: ParticipantId,
    /// Who receives it, of a transfer or a dispute; else 0.
    pub other: ParticipantId,
    /// In which currency, by its number in the scheme.
    pub currency: usize,
    /// How much.
    pub amount: Amount,
}

/// All references.
#[derive(Default)]
pub struct FundsReferences {
    /// In the order in which they were booked. What stands here never changes.
    booked: Vec<([u8; 16], FundsBooked)>,
    /// Their places.
    by_reference: BTreeMap<[u8; 16], usize>,
    /// What of a snapshot has not been taken yet.
    capture: Option<Box<CaptureSection<FUNDS_BYTES>>>,
}

impl FundsReferences {
    /// What was booked under this reference.
    pub fn find(&self, reference: [u8; 16]) -> Option<FundsBooked> {
        self.by_reference.get(&reference).map(|&place| self.booked[place].1)
    }

    /// Is there no room for another?
    pub fn is_full(&self) -> bool {
        self.booked.len() == FUNDS_IN_MAX
    }

    /// Notes what was booked under a reference that is not there yet.
    pub fn add(&mut self, reference: [u8; 16], booked: FundsBooked) {
        let before = self.by_reference.insert(reference, self.booked.len());
        assert!(before.is_none(), "the caller has looked for the reference first");
        self.booked.push((reference, booked));
    }

    /// All, in the order of their references.
    pub fn iter(&self) -> impl Iterator<Item = &([u8; 16], FundsBooked)> {
        self.by_reference.values().map(|&place| &self.booked[place])
    }
}
