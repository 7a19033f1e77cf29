//! A transfer: one movement between two accounts, at once or in two phases.

use crate::account::AccountIndex;
use crate::amount::Amount;

/// The name of a transfer, chosen by who makes it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u128);

/// Handle of a transfer in the book that made it: its place in the order of making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferIndex(pub(crate) u32);

impl TransferIndex {
    /// The place in the order of making, from 0.
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// What is to be moved. Named fields, because two bare handles can be swapped without anyone noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its name; not 0. The same name with the same content is the same movement.
    pub id: TransferId,
    /// The account that gives.
    pub debit: AccountIndex,
    /// The account that receives.
    pub credit: AccountIndex,
    /// How much, in the currency of both.
    pub amount: Amount,
}

/// Where a transfer stands. The numbers are in digests and records: never renumber, never reuse.
///
/// ```text
///   reserve --> Reserved --post--> Posted
///                        --void--> Voided
///   move_now --> Moved
/// ```
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferState {
    /// Held: pending on both accounts.
    Reserved = 1,
    /// Moved after a reservation, whole or in part; final.
    Posted = 2,
    /// Released after a reservation; final.
    Voided = 3,
    /// Moved in one step; final.
    Moved = 4,
}

impl TransferState {
    /// The number of the state.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A transfer that the book has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    id: TransferId,
    amount: Amount,
    /// 0 while nothing has moved, so that a transfer stays at 48 bytes.
    moved_minor_units: u64,
    debit: AccountIndex,
    credit: AccountIndex,
    state: TransferState,
}

const _: () = assert!(size_of::<Transfer>() <= 48, "millions of these are held");

impl Transfer {
    pub(crate) fn reserved(movement: Movement) -> Transfer {
        Transfer {
            id: movement.id,
            amount: movement.amount,
            moved_minor_units: 0,
            debit: movement.debit,
            credit: movement.credit,
            state: TransferState::Reserved,
        }
    }

    pub(crate) fn moved(movement: Movement) -> Transfer {
        Transfer {
            moved_minor_units: movement.amount.minor_units(),
            state: TransferState::Moved,
            ..Transfer::reserved(movement)
        }
    }

    /// Its name.
    pub fn id(&self) -> TransferId {
        self.id
    }

    /// The account that gives.
    pub fn debit(&self) -> AccountIndex {
        self.debit
    }

    /// The account that receives.
    pub fn credit(&self) -> AccountIndex {
        self.credit
    }

    /// What was asked for: reserved, or moved at once.
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// What has moved for good; `None` while reserved and once voided.
    pub fn moved_amount(&self) -> Option<Amount> {
        Amount::new(self.moved_minor_units)
    }

    /// Where it stands.
    pub fn state(&self) -> TransferState {
        self.state
    }

    /// Was it made by the same request? What became of a reservation since does not count.
    pub(crate) fn was_made_as(&self, movement: &Movement, two_phase: bool) -> bool {
        self.id == movement.id
            && self.debit == movement.debit
            && self.credit == movement.credit
            && self.amount == movement.amount
            && (self.state == TransferState::Moved) != two_phase
    }

    pub(crate) fn post(&mut self, amount: Amount) {
        assert_eq!(self.state, TransferState::Reserved, "only a reservation is posted");
        assert!(amount <= self.amount, "never more than was reserved");
        self.moved_minor_units = amount.minor_units();
        self.state = TransferState::Posted;
    }

    pub(crate) fn void(&mut self) {
        assert_eq!(self.state, TransferState::Reserved, "only a reservation is voided");
        self.state = TransferState::Voided;
    }
}
