//! The canonical bytes of a book, and their digest.
//!
//! Equal books have equal bytes, on every machine; what is no part of the state (the order of hash tables, notes, runs) is not in
//! them. Everything has a fixed width, so that each item has a fixed place as soon as the numbers of items are known.
//!
//! Integers are little-endian. Balances are debits pending, debits posted, credits pending, credits posted, 16 each;
//! references are 128, 64 and 32 bits, 28 in all.
//!
//! | bytes | what |
//! |---|---|
//! | 128 | the head: `CLSPBOOK`, version 2 (now 0), zeros 6, time 8, position 8, floor 8, reservations with a deadline ever made 8, number of accounts 4, of slots 4, of transfers held 4, the first of the list of vacant slots 4 (all ones: none), number of window entries 8, zeros 56 |
//! | 164 each | accounts in order of opening: id 16, currency 3, code 2, flags 2, cap 16, balances 64, status 1, credit cap 16, references 28, opened 8, closed 8 |
//! | 112 each | slots in their order: id 16, debit 4, credit 4, amount 8, moved amount 8 (0: none), state 1, flags 1, code 2, asked amount 8, deadline 8, its number 8 (0 unless reserved and with a deadline), references 28, made 8, final position 8. A vacant one: zeros, but for the next one in that list, where a transfer has its debit account |
//! | 4 each | the window: slots of final transfers in the order in which they became final |
//! | 12 each | only where histories are kept in memory, and never in a snapshot: histories in order of opening: entries that have left 8, entries kept 4; then |
//! | 77 each | entries: time 8, transfer 4, state 1, balances 64 |

use super::slots::Slot;
use super::{Book, dense};
use crate::account::{Account, AccountDetails};
use crate::amount::Amount;
use crate::history::{Balances, HistoryEntry};
use crate::transfer::{Transfer, TransferDetails, TransferState};

/// The first bytes of a book.
pub(super) const MAGIC: [u8; 8] = *b"CLSPBOOK";
/// The version of the form above.
pub(super) const VERSION: u16 = 0;

pub(super) const HEAD_BYTES: usize = 128;
pub(super) const ACCOUNT_BYTES: usize = 164;
pub(super) const SLOT_BYTES: usize = 112;
pub(super) const WINDOW_ENTRY_BYTES: usize = 4;

impl Book {
    /// BLAKE3 of the canonical bytes of the whole state. Equal digests mean equal books, on every machine.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.head_bytes());
        for (account, details) in self.accounts.iter().zip(self.account_details.iter()) {
            hasher.update(&account_bytes(account, details));
        }
        for slot in self.transfers.slots() {
            hasher.update(&self.slot_bytes(slot));
        }
        for slot in self.window.iter() {
            hasher.update(&slot.to_le_bytes());
        }
        for history in &self.histories {
            hasher.update(&history.left_count().to_le_bytes());
            hasher.update(&dense(history.len()).to_le_bytes());
            for entry in history.iter() {
                hasher.update(&entry_bytes(entry));
            }
        }
        *hasher.finalize().as_bytes()
    }

    pub(super) fn head_bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.now_ns.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.position.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.floor.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.deadlines_made.to_le_bytes());
        bytes[48..52].copy_from_slice(&dense(self.accounts.len()).to_le_bytes());
        bytes[52..56].copy_from_slice(&self.transfers.len().to_le_bytes());
        bytes[56..60].copy_from_slice(&self.transfers.held().to_le_bytes());
        bytes[60..64].copy_from_slice(&self.transfers.first_vacant().to_le_bytes());
        bytes[64..72].copy_from_slice(&self.window.len().to_le_bytes());
        bytes
    }

    pub(super) fn slot_bytes(&self, slot: &Slot) -> [u8; SLOT_BYTES] {
        match slot {
            Slot::Vacant { next } => {
                let mut bytes = [0; SLOT_BYTES];
                bytes[16..20].copy_from_slice(&next.to_le_bytes());
                bytes
            }
            Slot::Held(transfer) => {
                transfer_bytes(transfer, transfer.details_at().map(|at| self.transfer_details.get(at)))
            }
        }
    }
}

pub(super) fn account_bytes(account: &Account, details: &AccountDetails) -> [u8; ACCOUNT_BYTES] {
    let mut bytes = [0; ACCOUNT_BYTES];
    bytes[0..16].copy_from_slice(&account.id().0.to_le_bytes());
    bytes[16..19].copy_from_slice(&account.currency().bytes());
    bytes[19..21].copy_from_slice(&account.code().to_le_bytes());
    bytes[21..23].copy_from_slice(&account.flags().bits().to_le_bytes());
    bytes[23..39].copy_from_slice(&account.cap().to_le_bytes());
    bytes[39..103].copy_from_slice(&balances_bytes(&account.balances()));
    bytes[103] = account.status().number();
    bytes[104..120].copy_from_slice(&details.credit_cap().to_le_bytes());
    bytes[120..148].copy_from_slice(&details.references().bytes());
    bytes[148..156].copy_from_slice(&details.opened_ns().to_le_bytes());
    bytes[156..164].copy_from_slice(&details.closed_ns().to_le_bytes());
    bytes
}

fn transfer_bytes(transfer: &Transfer, details: Option<&TransferDetails>) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let moved = transfer.moved_amount().map_or(0, Amount::minor_units);
    let asked = details.map_or(transfer.amount(), TransferDetails::asked);
    let is_reserved = transfer.state() == TransferState::Reserved;
    let deadline_number = details.filter(|_| is_reserved).map_or(0, TransferDetails::deadline_number);
    bytes[0..16].copy_from_slice(&transfer.id().0.to_le_bytes());
    bytes[16..20].copy_from_slice(&transfer.debit().get().to_le_bytes());
    bytes[20..24].copy_from_slice(&transfer.credit().get().to_le_bytes());
    bytes[24..32].copy_from_slice(&transfer.amount().minor_units().to_le_bytes());
    bytes[32..40].copy_from_slice(&moved.to_le_bytes());
    bytes[40] = transfer.state().number();
    bytes[41] = transfer.flags().bits();
    bytes[42..44].copy_from_slice(&transfer.code().to_le_bytes());
    bytes[44..52].copy_from_slice(&asked.minor_units().to_le_bytes());
    bytes[52..60].copy_from_slice(&details.map_or(0, TransferDetails::deadline_ns).to_le_bytes());
    bytes[60..68].copy_from_slice(&deadline_number.to_le_bytes());
    bytes[68..96].copy_from_slice(&details.map(TransferDetails::references).unwrap_or_default().bytes());
    bytes[96..104].copy_from_slice(&transfer.made_ns().to_le_bytes());
    bytes[104..112].copy_from_slice(&transfer.final_position().to_le_bytes());
    bytes
}

fn entry_bytes(entry: &HistoryEntry) -> [u8; 77] {
    let mut bytes = [0; 77];
    bytes[0..8].copy_from_slice(&entry.time_ns.to_le_bytes());
    bytes[8..12].copy_from_slice(&entry.transfer.get().to_le_bytes());
    bytes[12] = entry.state.number();
    bytes[13..77].copy_from_slice(&balances_bytes(&entry.balances));
    bytes
}

fn balances_bytes(balances: &Balances) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0..16].copy_from_slice(&balances.debits_pending.to_le_bytes());
    bytes[16..32].copy_from_slice(&balances.debits_posted.to_le_bytes());
    bytes[32..48].copy_from_slice(&balances.credits_pending.to_le_bytes());
    bytes[48..64].copy_from_slice(&balances.credits_posted.to_le_bytes());
    bytes
}
