//! A transfer: one movement between two accounts, at once or in two phases.
//!
//! [`Transfer`] is what every transfer has, one cache line; [`TransferDetails`] stand in a table of their own, for those that
//! carry references or a deadline or balance. [`FinalTransfer`] is one whole, as it is kept for ever.

use crate::account::AccountIndex;
use crate::amount::Amount;
use crate::reference::References;

/// The name of a transfer, chosen by who makes it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u128);

/// Handle of a transfer in the book that holds it: the place where it stands. Where no transfer ever leaves, that is its place
/// in the order of making; else the places of those that have left are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferIndex(pub(crate) u32);

impl TransferIndex {
    /// The handle with a number that [`TransferIndex::get`] gave.
    pub const fn from_place(place: u32) -> TransferIndex {
        TransferIndex(place)
    }

    /// The place, from 0.
    pub const fn get(self) -> u32 {
        self.0
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

/// What a transfer does beside moving money, as bits of fixed meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TransferFlags(u8);

impl TransferFlags {
    /// It moves its amount and does nothing else.
    pub const NONE: TransferFlags = TransferFlags(0);
    /// The amount is a maximum: no more moves than the debit account has available.
    pub const BALANCING_DEBIT: TransferFlags = TransferFlags(1);
    /// The amount is a maximum: no more moves than the credit account may still take.
    pub const BALANCING_CREDIT: TransferFlags = TransferFlags(2);
    /// The debit account is closed with it. Only in one phase.
    pub const CLOSING_DEBIT: TransferFlags = TransferFlags(4);
    /// The credit account is closed with it. Only in one phase.
    pub const CLOSING_CREDIT: TransferFlags = TransferFlags(8);

    /// `None` when a bit without meaning is set.
    pub const fn from_bits(bits: u8) -> Option<TransferFlags> {
        if bits < 16 { Some(TransferFlags(bits)) } else { None }
    }

    /// The bits, as they stand in digests and records.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Are all flags of `other` set?
    pub const fn contains(self, other: TransferFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// All flags of both.
    #[must_use]
    pub const fn with(self, other: TransferFlags) -> TransferFlags {
        TransferFlags(self.0 | other.0)
    }

    /// May less move than was asked for?
    pub const fn is_balancing(self) -> bool {
        self.0 & (Self::BALANCING_DEBIT.0 | Self::BALANCING_CREDIT.0) != 0
    }

    /// Does it close an account?
    pub const fn is_closing(self) -> bool {
        self.0 & (Self::CLOSING_DEBIT.0 | Self::CLOSING_CREDIT.0) != 0
    }
}

/// What a transfer may carry beside its movement. All of it is content: the same id with other terms is another transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    /// What kind of transfer it is to its maker; the book carries it and does not look.
    pub code: u16,
    /// What it does beside moving money.
    pub flags: TransferFlags,
    /// The maker's own numbers.
    pub references: References,
    /// When a reservation ends by itself: it may be posted or voided before this time, not at it. 0: never.
    pub deadline_ns: u64,
}

impl Terms {
    /// Nothing beside the movement.
    pub const NONE: Terms = Terms { code: 0, flags: TransferFlags::NONE, references: References::NONE, deadline_ns: 0 };
}

/// Where a transfer stands. The numbers are in digests and records: never renumber, never reuse.
///
/// ```text
///   reserve --> Reserved --post--> Posted
///                        --void--> Voided
///                        --expire--> Expired
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
    /// Released because its deadline passed; final.
    Expired = 5,
}

impl TransferState {
    /// The number of the state.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state with a number; `None` when there is none.
    pub const fn from_number(number: u8) -> Option<TransferState> {
        Some(match number {
            1 => TransferState::Reserved,
            2 => TransferState::Posted,
            3 => TransferState::Voided,
            4 => TransferState::Moved,
            5 => TransferState::Expired,
            _ => return None,
        })
    }
}

/// A transfer that nothing changes any more, whole: what an index keeps of it, and what it is recalled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalTransfer {
    /// Its name.
    pub id: TransferId,
    /// The account that gave.
    pub debit: AccountIndex,
    /// The account that received.
    pub credit: AccountIndex,
    /// What was reserved, or moved at once.
    pub amount: Amount,
    /// What has moved; `None` where it was voided or expired.
    pub moved_amount: Option<Amount>,
    /// What was asked for: more than the amount where it balanced and less was available.
    pub asked: Amount,
    /// How it ended; never [`TransferState::Reserved`].
    pub state: TransferState,
    /// What it carried.
    pub terms: Terms,
    /// The book's time when it was made.
    pub made_ns: u64,
}

/// What few transfers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferDetails {
    references: References,
    deadline_ns: u64,
    asked: Amount,
    /// Among reservations with a deadline, the place in the order of making, from 1; 0 for all others.
    deadline_number: u64,
}

impl TransferDetails {
    /// `None` where there is nothing to keep.
    pub(crate) fn needed(asked: Amount, terms: &Terms, deadline_number: u64) -> Option<TransferDetails> {
        let Terms { references, deadline_ns, .. } = *terms;
        let needed = references != References::NONE || deadline_ns != 0 || terms.flags.is_balancing();
        needed.then_some(TransferDetails { references, deadline_ns, asked, deadline_number })
    }

    /// The maker's own numbers.
    pub fn references(&self) -> References {
        self.references
    }

    /// When the reservation ends by itself; 0: never.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// What was asked for: more than the transfer's amount where it balances and less was available.
    pub fn asked(&self) -> Amount {
        self.asked
    }

    pub(crate) fn deadline_number(&self) -> u64 {
        self.deadline_number
    }
}

/// A transfer that the book has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Transfer {
    id: TransferId,
    amount: Amount,
    /// 0 while nothing has moved, so that a transfer stays within a cache line.
    moved_minor_units: u64,
    made_ns: u64,
    /// The journal position with which it became final; 0 until then.
    final_position: u64,
    debit: AccountIndex,
    credit: AccountIndex,
    /// The place of its details, counted from 1; 0 where it has none.
    details: u32,
    code: u16,
    flags: TransferFlags,
    state: TransferState,
}

const _: () = assert!(size_of::<Transfer>() == 64, "millions of these are held, and each is read by itself");
const _: () = assert!(size_of::<TransferDetails>() == 64, "and some of these");

impl Transfer {
    #[inline]
    pub(crate) fn reserved(movement: Movement, terms: &Terms, made_ns: u64) -> Transfer {
        Transfer {
            id: movement.id,
            amount: movement.amount,
            moved_minor_units: 0,
            made_ns,
            final_position: 0,
            debit: movement.debit,
            credit: movement.credit,
            details: 0,
            code: terms.code,
            flags: terms.flags,
            state: TransferState::Reserved,
        }
    }

    #[inline]
    pub(crate) fn moved(movement: Movement, terms: &Terms, made_ns: u64, position: u64) -> Transfer {
        Transfer {
            moved_minor_units: movement.amount.minor_units(),
            state: TransferState::Moved,
            final_position: position,
            ..Transfer::reserved(movement, terms, made_ns)
        }
    }

    /// One that was here before. It leaves again as if it had become final now.
    pub(crate) fn recalled(transfer: &FinalTransfer, position: u64) -> Transfer {
        let FinalTransfer { id, debit, credit, amount, .. } = *transfer;
        let movement = Movement { id, debit, credit, amount };
        Transfer {
            moved_minor_units: transfer.moved_amount.map_or(0, Amount::minor_units),
            state: transfer.state,
            final_position: position,
            ..Transfer::reserved(movement, &transfer.terms, transfer.made_ns)
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

    /// What was reserved, or moved at once: less than was asked for where it balances.
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// What has moved for good; `None` while reserved, and once voided or expired.
    pub fn moved_amount(&self) -> Option<Amount> {
        Amount::new(self.moved_minor_units)
    }

    /// Where it stands.
    pub fn state(&self) -> TransferState {
        self.state
    }

    /// The book's time when it was made.
    pub fn made_ns(&self) -> u64 {
        self.made_ns
    }

    pub(crate) fn final_position(&self) -> u64 {
        self.final_position
    }

    /// What kind of transfer it is to its maker.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What it does beside moving money.
    pub fn flags(&self) -> TransferFlags {
        self.flags
    }

    /// Was it made by the same request? What became of a reservation since does not count.
    pub(crate) fn was_made_as(
        &self,
        details: Option<&TransferDetails>,
        movement: &Movement,
        terms: &Terms,
        two_phase: bool,
    ) -> bool {
        let asked = details.map_or(self.amount, TransferDetails::asked);
        self.id == movement.id
            && self.debit == movement.debit
            && self.credit == movement.credit
            && asked == movement.amount
            && (self.state == TransferState::Moved) != two_phase
            && self.code == terms.code
            && self.flags == terms.flags
            && details.map_or(References::NONE, TransferDetails::references) == terms.references
            && details.map_or(0, TransferDetails::deadline_ns) == terms.deadline_ns
    }

    /// The place of its details in their table.
    pub(crate) fn details_at(&self) -> Option<usize> {
        (self.details as usize).checked_sub(1)
    }

    pub(crate) fn set_details_count(&mut self, count_with_it: u32) {
        self.details = count_with_it;
    }

    pub(crate) fn post(&mut self, amount: Amount, position: u64) {
        assert_eq!(self.state, TransferState::Reserved, "only a reservation is posted");
        assert!(amount <= self.amount, "never more than was reserved");
        self.moved_minor_units = amount.minor_units();
        self.state = TransferState::Posted;
        self.final_position = position;
    }

    pub(crate) fn void(&mut self, position: u64) {
        assert_eq!(self.state, TransferState::Reserved, "only a reservation is voided");
        self.state = TransferState::Voided;
        self.final_position = position;
    }

    pub(crate) fn expire(&mut self, position: u64) {
        assert_eq!(self.state, TransferState::Reserved, "only a reservation expires");
        self.state = TransferState::Expired;
        self.final_position = position;
    }
}
