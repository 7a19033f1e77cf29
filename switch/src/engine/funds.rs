//! References of the money that participants have paid in: what was booked once is never booked again.
//!
//! The book forgets transfers that are final, and payments have their window; the operator's references are kept, all of them. They are few,
//! because people make them: a thousand a day for three years fill the table.

use std::collections::BTreeMap;

use ledger::Amount;

use crate::entry::ParticipantId;
use crate::limits::FUNDS_IN_MAX;

/// What was booked under a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundsBooked {
    /// For whom.
    pub participant: ParticipantId,
    /// In which currency, by its number in the scheme.
    pub currency: usize,
    /// How much.
    pub amount: Amount,
}

/// All references.
#[derive(Default)]
pub struct FundsReferences {
    booked: BTreeMap<[u8; 16], FundsBooked>,
}

impl FundsReferences {
    /// What was booked under this reference.
    pub fn find(&self, reference: [u8; 16]) -> Option<FundsBooked> {
        self.booked.get(&reference).copied()
    }

    /// Is there no room for another?
    pub fn is_full(&self) -> bool {
        self.booked.len() == FUNDS_IN_MAX
    }

    /// Notes what was booked under a reference that is not there yet.
    pub fn add(&mut self, reference: [u8; 16], booked: FundsBooked) {
        let before = self.booked.insert(reference, booked);
        assert!(before.is_none(), "the caller has looked for the reference first");
    }

    /// All, in the order of their references.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; 16], &FundsBooked)> {
        self.booked.iter()
    }
}
