//! What the index holds of a ledger: one record for each transfer that has become final, and for each reservation on an account
//! that keeps a history.
//!
//! The bytes stand in `docs/formats/ledger.md`, section 3.

use crate::account::AccountIndex;
use crate::bytes::{u32_at, u64_at};
use crate::history::Balances;
use crate::index::IndexSchema;
use crate::payload::{FINAL_TRANSFER_BYTES, decode_final, encode_final};
use crate::transfer::{FinalTransfer, TransferId, TransferState};

/// Bytes of a record: the transfer, sequence number, time.
pub(crate) const RECORD_BYTES: usize = FINAL_TRANSFER_BYTES + 16;

/// The accounts at both ends keep a history: bits beside the number of the state.
const DEBIT_KEEPS_HISTORY: u8 = 0x40;
const CREDIT_KEEPS_HISTORY: u8 = 0x80;
const STATE_AT: usize = FINAL_TRANSFER_BYTES - 1;
const STATE_BITS: u8 = !(DEBIT_KEEPS_HISTORY | CREDIT_KEEPS_HISTORY);
const RESERVED: u8 = TransferState::Reserved.number();
const MOVED: u8 = TransferState::Moved.number();

/// The bit of a group that has every change of its account, reservations included.
const WITH_HISTORY: u64 = 1 << 32;

/// The group of an account.
pub(crate) fn group_of(account: AccountIndex, keeps_history: bool) -> u64 {
    u64::from(account.get()) | if keeps_history { WITH_HISTORY } else { 0 }
}

/// One change of a transfer's state, as the index keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferEvent {
    /// The transfer as it was after the change. While it is reserved, nothing has moved.
    pub(crate) transfer: FinalTransfer,
    /// Journal position of the entry that made the change, or of the batch in which it expired.
    pub(crate) sequence: u64,
    /// Journal time of the change.
    pub(crate) time_ns: u64,
    pub(crate) debit_keeps_history: bool,
    pub(crate) credit_keeps_history: bool,
}

impl TransferEvent {
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..FINAL_TRANSFER_BYTES].copy_from_slice(&encode_final(&self.transfer));
        if self.debit_keeps_history {
            bytes[STATE_AT] |= DEBIT_KEEPS_HISTORY;
        }
        if self.credit_keeps_history {
            bytes[STATE_AT] |= CREDIT_KEEPS_HISTORY;
        }
        bytes[96..104].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[104..112].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes
    }

    /// `None` for bytes that are no record.
    pub(crate) fn decode(record: &[u8]) -> Option<TransferEvent> {
        let mut bytes = *record.first_chunk::<FINAL_TRANSFER_BYTES>()?;
        let history = bytes[STATE_AT];
        bytes[STATE_AT] &= STATE_BITS;
        let is_reserved = bytes[STATE_AT] == RESERVED;
        if is_reserved {
            // What is voided looks the same but for its number.
            bytes[STATE_AT] = TransferState::Voided.number();
        }
        let mut transfer = decode_final(&bytes)?;
        if is_reserved {
            transfer.state = TransferState::Reserved;
        }
        let (sequence, time_ns) = LedgerSchema::position(record);
        let debit_keeps_history = history & DEBIT_KEEPS_HISTORY != 0;
        let credit_keeps_history = history & CREDIT_KEEPS_HISTORY != 0;
        Some(TransferEvent { transfer, sequence, time_ns, debit_keeps_history, credit_keeps_history })
    }
}

/// How the index reads a ledger's records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerSchema;

impl IndexSchema for LedgerSchema {
    const FORMAT: u32 = 1;
    const RECORD_BYTES: usize = RECORD_BYTES;
    type State = Balances;

    fn position(record: &[u8]) -> (u64, u64) {
        (u64_at(record, 96), u64_at(record, 104))
    }

    fn key(record: &[u8]) -> Option<[u8; 16]> {
        if record[STATE_AT] & STATE_BITS == RESERVED { None } else { record.first_chunk().copied() }
    }

    /// The accounts whose statement shows it: those it moved something on, and those that keep a history.
    fn groups(record: &[u8]) -> [Option<u64>; 2] {
        let has_moved = u64_at(record, 32) != 0;
        let group = |at: usize, bit: u8| {
            let keeps_history = record[STATE_AT] & bit != 0;
            (has_moved || keeps_history).then(|| group_of(AccountIndex::from_place(u32_at(record, at)), keeps_history))
        };
        [group(16, DEBIT_KEEPS_HISTORY), group(20, CREDIT_KEEPS_HISTORY)]
    }

    /// Reads the few fields it needs where they stand: it is called for every record of a busy account.
    fn advance(state: &mut Balances, group: u64, record: &[u8]) {
        let is_debit = group & 0xffff_ffff == u64::from(u32_at(record, 16));
        let (pending, posted) = if is_debit {
            (&mut state.debits_pending, &mut state.debits_posted)
        } else {
            (&mut state.credits_pending, &mut state.credits_posted)
        };
        // Wrapping: a record that is not what was written makes a wrong number, which `verify` finds, and no panic.
        *posted = posted.wrapping_add(u128::from(u64_at(record, 32)));
        if group & WITH_HISTORY != 0 {
            let amount = u128::from(u64_at(record, 24));
            match record[STATE_AT] & STATE_BITS {
                RESERVED => *pending = pending.wrapping_add(amount),
                MOVED => {}
                _ => *pending = pending.wrapping_sub(amount),
            }
        }
    }

    fn encode_state(state: &Balances, out: &mut Vec<u8>) {
        for number in [state.debits_pending, state.debits_posted, state.credits_pending, state.credits_posted] {
            let bytes = number.to_le_bytes();
            let length = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
            out.push(u8::try_from(length).expect("a u128 has 16 bytes"));
            out.extend_from_slice(&bytes[..length]);
        }
    }

    fn decode_state(bytes: &[u8]) -> Option<Balances> {
        let mut rest = bytes;
        let mut number = || {
            let (length, behind) = rest.split_first()?;
            let digits = behind.get(..usize::from(*length)).filter(|digits| digits.last() != Some(&0))?;
            let mut bytes = [0; 16];
            bytes.get_mut(..digits.len())?.copy_from_slice(digits);
            rest = &behind[digits.len()..];
            Some(u128::from_le_bytes(bytes))
        };
        let (debits_pending, debits_posted) = (number()?, number()?);
        let (credits_pending, credits_posted) = (number()?, number()?);
        rest.is_empty().then_some(Balances { debits_pending, debits_posted, credits_pending, credits_posted })
    }
}

/// The index's key of a transfer.
pub(crate) fn key_of(id: TransferId) -> [u8; 16] {
    id.0.to_le_bytes()
}
