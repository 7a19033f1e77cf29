//! The digest of a book: one number that is equal for equal books.

use super::{Book, dense};
use crate::account::{Account, AccountDetails};
use crate::amount::Amount;
use crate::history::{Balances, HistoryEntry};
use crate::transfer::{Transfer, TransferDetails};

impl Book {
    /// BLAKE3 of the whole state. Equal digests mean equal books, on every machine.
    ///
    /// The bytes, integers little-endian, in this order. Balances are debits pending, debits posted, credits pending, credits
    /// posted, 16 each; references are 128, 64 and 32 bits, 28 in all.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 8 | `CLSPBOOK` |
    /// | 2 | version, 0 |
    /// | 8 | time |
    /// | 4, 4, 4 | number of accounts, of transfers, of histories |
    /// | 164 each | accounts in order of opening: id 16, currency 3, code 2, flags 2, cap 16, balances 64, status 1, credit cap 16, references 28, opened 8, closed 8 |
    /// | 88 each | transfers in order of making: id 16, debit 4, credit 4, amount 8, moved amount 8 (0: none), state 1, code 2, flags 1, asked amount 8, deadline 8, references 28 |
    /// | 12 each | histories in order of opening: entries that have left 8, entries kept 4; then |
    /// | 77 each | entries: time 8, transfer 4, state 1, balances 64 |
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"CLSPBOOK");
        hasher.update(&0u16.to_le_bytes());
        hasher.update(&self.now_ns.to_le_bytes());
        for count in [self.accounts.len(), self.transfers.len(), self.histories.len()] {
            hasher.update(&dense(count).to_le_bytes());
        }
        for (account, details) in self.accounts.iter().zip(&self.account_details) {
            hasher.update(&account_bytes(account, details));
        }
        for transfer in &self.transfers {
            let details = transfer.details_at().map(|at| &self.transfer_details[at]);
            hasher.update(&transfer_bytes(transfer, details));
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
}

fn account_bytes(account: &Account, details: &AccountDetails) -> [u8; 164] {
    let mut bytes = [0; 164];
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

fn transfer_bytes(transfer: &Transfer, details: Option<&TransferDetails>) -> [u8; 88] {
    let mut bytes = [0; 88];
    let moved = transfer.moved_amount().map_or(0, Amount::minor_units);
    let asked = details.map_or(transfer.amount(), TransferDetails::asked);
    bytes[0..16].copy_from_slice(&transfer.id().0.to_le_bytes());
    bytes[16..20].copy_from_slice(&transfer.debit().get().to_le_bytes());
    bytes[20..24].copy_from_slice(&transfer.credit().get().to_le_bytes());
    bytes[24..32].copy_from_slice(&transfer.amount().minor_units().to_le_bytes());
    bytes[32..40].copy_from_slice(&moved.to_le_bytes());
    bytes[40] = transfer.state().number();
    bytes[41..43].copy_from_slice(&transfer.code().to_le_bytes());
    bytes[43] = transfer.flags().bits();
    bytes[44..52].copy_from_slice(&asked.minor_units().to_le_bytes());
    bytes[52..60].copy_from_slice(&details.map_or(0, TransferDetails::deadline_ns).to_le_bytes());
    bytes[60..88].copy_from_slice(&details.map(TransferDetails::references).unwrap_or_default().bytes());
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
