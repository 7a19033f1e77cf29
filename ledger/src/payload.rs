//! The payload of a ledger's journal batch: transfers that are recalled, then requests. Byte by byte in `docs/formats/ledger.md`.
//!
//! Every request has exactly one encoding. Decoding gives an error for any other bytes, and never panics: the checksum of the
//! record says that they are what was written, not that this program wrote them.

use core::fmt;

use crate::account::{AccountFlags, AccountId, AccountIndex, AccountSpec};
use crate::amount::{Amount, Currency};
use crate::limits::BATCH_ENTRIES_MAX;
use crate::reference::References;
use crate::request::{BatchEntry, Request, TransferSpec};
use crate::transfer::{FinalTransfer, Terms, TransferFlags, TransferId, TransferState};

/// The journal's `payload_format` of a ledger.
pub const PAYLOAD_FORMAT: u32 = 2;

/// Version of this format.
const VERSION: u16 = 0;

/// Bytes before the recalled transfers.
const HEAD_BYTES: usize = 16;

/// Bytes of a transfer that is final, in a payload and in an index record.
pub(crate) const FINAL_TRANSFER_BYTES: usize = 96;

/// Bytes of the longest entry, a transfer with terms.
const ENTRY_BYTES_MAX: usize = 104;

const LINKED: u8 = 1;
const TWO_PHASE: u8 = 2;

/// Kinds of requests, as numbered on disk: never renumber, never reuse.
mod kind {
    pub(super) const OPEN: u8 = 1;
    pub(super) const SET_CAP: u8 = 2;
    pub(super) const SET_CREDIT_CAP: u8 = 3;
    pub(super) const FREEZE: u8 = 4;
    pub(super) const THAW: u8 = 5;
    pub(super) const CLOSE: u8 = 6;
    pub(super) const TRANSFER: u8 = 7;
    pub(super) const TRANSFER_WITH_TERMS: u8 = 8;
    pub(super) const POST: u8 = 9;
    pub(super) const VOID: u8 = 10;
}

/// Bytes that are no payload of this version: where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Offset in the payload.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) reason: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of the batch: {}", self.offset, self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// The most bytes that a batch of so many entries can have, each with a recalled transfer.
pub(crate) fn bytes_max(entries: usize) -> u64 {
    (HEAD_BYTES + entries * (ENTRY_BYTES_MAX + FINAL_TRANSFER_BYTES)) as u64
}

/// What stands before a batch's entries: what the book has to do first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preface {
    /// So many final transfers stay in memory; older ones leave.
    pub(crate) final_transfers_max: u32,
    /// Final transfers that had left and that the batch names.
    pub(crate) recalled: Vec<FinalTransfer>,
}

/// Writes a payload behind what `out` holds.
///
/// # Panics
/// When the batch is longer than [`BATCH_ENTRIES_MAX`], or more is recalled than it has entries.
pub(crate) fn encode(preface: &Preface, batch: &[BatchEntry], out: &mut Vec<u8>) {
    let recalled = &preface.recalled;
    assert!(batch.len() <= BATCH_ENTRIES_MAX && recalled.len() <= batch.len(), "the ledger has looked at the batch");
    let count = u32::try_from(recalled.len()).expect("a batch is shorter than 2^32, limits.rs");
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&preface.final_transfers_max.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for transfer in recalled {
        out.extend_from_slice(&encode_final(transfer));
    }
    for entry in batch {
        encode_entry(entry, out);
    }
}

/// Reads a payload of `count` entries into the lists, which are cleared first.
pub(crate) fn decode(
    payload: &[u8],
    count: u32,
    preface: &mut Preface,
    batch: &mut Vec<BatchEntry>,
) -> Result<(), Unreadable> {
    let recalled = &mut preface.recalled;
    recalled.clear();
    batch.clear();
    let mut reader = Reader { payload, offset: 0 };
    if reader.u16()? != VERSION {
        return Err(Unreadable { offset: 0, reason: "a version that this program does not know" });
    }
    reader.zeros::<2>()?;
    let recalled_count = reader.u32()?;
    if count as usize > BATCH_ENTRIES_MAX || recalled_count > count {
        return Err(Unreadable { offset: 4, reason: "more entries than a batch has" });
    }
    preface.final_transfers_max = reader.u32()?;
    reader.zeros::<4>()?;
    for _ in 0..recalled_count {
        let offset = reader.offset;
        let bytes = reader.array::<FINAL_TRANSFER_BYTES>()?;
        let transfer = decode_final(&bytes).ok_or(Unreadable { offset, reason: "no final transfer" })?;
        recalled.push(transfer);
    }
    for _ in 0..count {
        batch.push(decode_entry(&mut reader)?);
    }
    if reader.offset != payload.len() {
        return Err(reader.wrong("bytes behind the last entry"));
    }
    Ok(())
}

fn encode_entry(entry: &BatchEntry, out: &mut Vec<u8>) {
    let bits = if entry.linked { LINKED } else { 0 };
    let mut put = |kind: u8, bits: u8, code: u16, flags: u16, fields: &[&[u8]]| {
        out.extend_from_slice(&[kind, bits]);
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        fields.iter().for_each(|field| out.extend_from_slice(field));
    };
    match entry.request {
        Request::Open(spec) => put(
            kind::OPEN,
            bits,
            spec.code,
            spec.flags.bits(),
            &[
                &spec.id.0.to_le_bytes(),
                &spec.cap.to_le_bytes(),
                &spec.credit_cap.to_le_bytes(),
                &spec.references.bytes(),
                &spec.currency.bytes(),
                &[0],
            ],
        ),
        Request::SetCap { account, cap } => {
            put(kind::SET_CAP, bits, 0, 0, &[&account.0.to_le_bytes(), &cap.to_le_bytes()]);
        }
        Request::SetCreditCap { account, cap } => {
            put(kind::SET_CREDIT_CAP, bits, 0, 0, &[&account.0.to_le_bytes(), &cap.to_le_bytes()]);
        }
        Request::Freeze(account) => put(kind::FREEZE, bits, 0, 0, &[&account.0.to_le_bytes()]),
        Request::Thaw(account) => put(kind::THAW, bits, 0, 0, &[&account.0.to_le_bytes()]),
        Request::Close(account) => put(kind::CLOSE, bits, 0, 0, &[&account.0.to_le_bytes()]),
        Request::Transfer(spec) => {
            let bits = bits | if spec.two_phase { TWO_PHASE } else { 0 };
            let (code, flags) = (spec.terms.code, u16::from(spec.terms.flags.bits()));
            let (id, debit) = (spec.id.0.to_le_bytes(), spec.debit.0.to_le_bytes());
            let (credit, amount) = (spec.credit.0.to_le_bytes(), spec.amount.minor_units().to_le_bytes());
            let movement: [&[u8]; 4] = [&id, &debit, &credit, &amount];
            if is_plain(&spec.terms) {
                put(kind::TRANSFER, bits, code, flags, &movement);
            } else {
                put(kind::TRANSFER_WITH_TERMS, bits, code, flags, &movement);
                out.extend_from_slice(&spec.terms.deadline_ns.to_le_bytes());
                out.extend_from_slice(&spec.terms.references.bytes());
                out.extend_from_slice(&[0; 4]);
            }
        }
        Request::Post { transfer, amount } => {
            let minor_units = amount.map_or(0, Amount::minor_units);
            put(kind::POST, bits, 0, 0, &[&transfer.0.to_le_bytes(), &minor_units.to_le_bytes()]);
        }
        Request::Void { transfer } => put(kind::VOID, bits, 0, 0, &[&transfer.0.to_le_bytes()]),
    }
}

/// No deadline and no references: the short form.
fn is_plain(terms: &Terms) -> bool {
    terms.deadline_ns == 0 && terms.references == References::NONE
}

/// The first eight bytes of an entry.
struct EntryHead {
    kind: u8,
    linked: bool,
    two_phase: bool,
    code: u16,
    flags: u16,
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<BatchEntry, Unreadable> {
    let offset = reader.offset;
    let [kind, bits] = reader.array::<2>()?;
    let (code, flags) = (reader.u16()?, reader.u16()?);
    reader.zeros::<2>()?;
    let head = EntryHead { kind, linked: bits & LINKED != 0, two_phase: bits & TWO_PHASE != 0, code, flags };
    if !(kind::OPEN..=kind::VOID).contains(&kind) {
        return Err(Unreadable { offset, reason: "a kind that this program does not know" });
    }
    let is_transfer = matches!(kind, kind::TRANSFER | kind::TRANSFER_WITH_TERMS);
    let bits_known = if is_transfer { LINKED | TWO_PHASE } else { LINKED };
    let carries_codes = is_transfer || kind == kind::OPEN;
    if bits & !bits_known != 0 || (!carries_codes && (code, flags) != (0, 0)) {
        return Err(Unreadable { offset, reason: "bits without meaning" });
    }
    let request = match kind {
        kind::OPEN => decode_open(reader, &head)?,
        kind::SET_CAP => Request::SetCap { account: reader.account()?, cap: reader.u128()? },
        kind::SET_CREDIT_CAP => Request::SetCreditCap { account: reader.account()?, cap: reader.u128()? },
        kind::FREEZE => Request::Freeze(reader.account()?),
        kind::THAW => Request::Thaw(reader.account()?),
        kind::CLOSE => Request::Close(reader.account()?),
        kind::TRANSFER | kind::TRANSFER_WITH_TERMS => decode_transfer(reader, &head)?,
        kind::POST => {
            let transfer = TransferId(reader.u128()?);
            let minor_units = reader.u64()?;
            let amount = Amount::new(minor_units);
            if amount.is_none() && minor_units != 0 {
                return Err(reader.wrong("no amount before this byte"));
            }
            Request::Post { transfer, amount }
        }
        _ => Request::Void { transfer: TransferId(reader.u128()?) },
    };
    Ok(BatchEntry { request, linked: head.linked })
}

fn decode_open(reader: &mut Reader<'_>, head: &EntryHead) -> Result<Request, Unreadable> {
    let id = reader.account()?;
    let (cap, credit_cap) = (reader.u128()?, reader.u128()?);
    let references = reader.references()?;
    let currency = Currency::parse(&reader.array::<3>()?).ok_or(reader.wrong("no currency before this byte"))?;
    reader.zeros::<1>()?;
    let flags = AccountFlags::from_bits(head.flags).ok_or(reader.wrong("account flags without meaning"))?;
    Ok(Request::Open(AccountSpec { id, currency, code: head.code, flags, cap, credit_cap, references }))
}

fn decode_transfer(reader: &mut Reader<'_>, head: &EntryHead) -> Result<Request, Unreadable> {
    let id = TransferId(reader.u128()?);
    let (debit, credit) = (reader.account()?, reader.account()?);
    let amount = Amount::new(reader.u64()?).ok_or(reader.wrong("no amount before this byte"))?;
    let flags = u8::try_from(head.flags).ok().and_then(TransferFlags::from_bits);
    let flags = flags.ok_or(reader.wrong("transfer flags without meaning"))?;
    let mut terms = Terms { code: head.code, flags, ..Terms::NONE };
    if head.kind == kind::TRANSFER_WITH_TERMS {
        terms.deadline_ns = reader.u64()?;
        terms.references = reader.references()?;
        reader.zeros::<4>()?;
        if is_plain(&terms) {
            return Err(reader.wrong("terms that say nothing before this byte"));
        }
    }
    Ok(Request::Transfer(TransferSpec { id, debit, credit, amount, two_phase: head.two_phase, terms }))
}

/// A final transfer as it stands in payloads and index records.
pub(crate) fn encode_final(transfer: &FinalTransfer) -> [u8; FINAL_TRANSFER_BYTES] {
    let mut bytes = [0; FINAL_TRANSFER_BYTES];
    let moved = transfer.moved_amount.map_or(0, Amount::minor_units);
    bytes[0..16].copy_from_slice(&transfer.id.0.to_le_bytes());
    bytes[16..20].copy_from_slice(&transfer.debit.get().to_le_bytes());
    bytes[20..24].copy_from_slice(&transfer.credit.get().to_le_bytes());
    bytes[24..32].copy_from_slice(&transfer.amount.minor_units().to_le_bytes());
    bytes[32..40].copy_from_slice(&moved.to_le_bytes());
    bytes[40..48].copy_from_slice(&transfer.asked.minor_units().to_le_bytes());
    bytes[48..56].copy_from_slice(&transfer.made_ns.to_le_bytes());
    bytes[56..64].copy_from_slice(&transfer.terms.deadline_ns.to_le_bytes());
    bytes[64..92].copy_from_slice(&transfer.terms.references.bytes());
    bytes[92..94].copy_from_slice(&transfer.terms.code.to_le_bytes());
    bytes[94] = transfer.terms.flags.bits();
    bytes[95] = transfer.state.number();
    bytes
}

/// `None` for bytes that no final transfer has.
pub(crate) fn decode_final(bytes: &[u8; FINAL_TRANSFER_BYTES]) -> Option<FinalTransfer> {
    let mut reader = Reader { payload: bytes, offset: 0 };
    let id = TransferId(reader.u128().ok()?);
    let (debit, credit) = (reader.u32().ok()?, reader.u32().ok()?);
    let amount = Amount::new(reader.u64().ok()?)?;
    let moved = reader.u64().ok()?;
    let asked = Amount::new(reader.u64().ok()?)?;
    let (made_ns, deadline_ns) = (reader.u64().ok()?, reader.u64().ok()?);
    let references = reader.references().ok()?;
    let (code, [flags, state]) = (reader.u16().ok()?, reader.array::<2>().ok()?);
    let terms = Terms { code, flags: TransferFlags::from_bits(flags)?, references, deadline_ns };
    let state = TransferState::from_number(state)?;
    let (debit, credit) = (AccountIndex::from_place(debit), AccountIndex::from_place(credit));
    let moved_amount = Amount::new(moved);
    if moved_amount.is_none() && moved != 0 {
        return None;
    }
    let transfer = FinalTransfer { id, debit, credit, amount, moved_amount, asked, state, terms, made_ns };
    transfer.is_consistent().then_some(transfer)
}

/// Takes fields off the front of a payload.
struct Reader<'a> {
    payload: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn wrong(&self, reason: &'static str) -> Unreadable {
        Unreadable { offset: self.offset, reason }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let rest = &self.payload[self.offset..];
        let bytes =
            rest.first_chunk::<N>().ok_or(Unreadable { offset: self.offset, reason: "the batch ends too soon" })?;
        self.offset += N;
        Ok(*bytes)
    }

    fn zeros<const N: usize>(&mut self) -> Result<(), Unreadable> {
        let offset = self.offset;
        if self.array::<N>()? == [0; N] {
            Ok(())
        } else {
            Err(Unreadable { offset, reason: "reserved bytes are not 0" })
        }
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Result<u128, Unreadable> {
        self.array().map(u128::from_le_bytes)
    }

    fn account(&mut self) -> Result<AccountId, Unreadable> {
        self.u128().map(AccountId)
    }

    fn references(&mut self) -> Result<References, Unreadable> {
        Ok(References { bits_128: self.u128()?, bits_64: self.u64()?, bits_32: self.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<BatchEntry> {
        let account = AccountId(0x11);
        let currency = Currency::parse(b"EUR").expect("a currency");
        let references = References { bits_128: 1 << 100, bits_64: 2, bits_32: 3 };
        let spec = AccountSpec {
            code: 9,
            flags: AccountFlags::DEBITS_LIMITED.with(AccountFlags::HISTORY),
            cap: 5,
            credit_cap: 0,
            references,
            ..AccountSpec::new(account, currency)
        };
        let transfer = TransferSpec {
            id: TransferId(0x22),
            debit: account,
            credit: AccountId(0x12),
            amount: Amount::MAX,
            two_phase: true,
            terms: Terms { code: 7, flags: TransferFlags::BALANCING_DEBIT, ..Terms::NONE },
        };
        let with_terms = TransferSpec { terms: Terms { references, deadline_ns: 8, ..transfer.terms }, ..transfer };
        let requests = [
            Request::Open(spec),
            Request::SetCap { account, cap: u128::MAX },
            Request::SetCreditCap { account, cap: 4 },
            Request::Freeze(account),
            Request::Thaw(account),
            Request::Close(account),
            Request::Transfer(transfer),
            Request::Transfer(with_terms),
            Request::Post { transfer: transfer.id, amount: Some(Amount::MIN) },
            Request::Post { transfer: transfer.id, amount: None },
            Request::Void { transfer: transfer.id },
        ];
        requests.into_iter().enumerate().map(|(n, request)| BatchEntry { request, linked: n % 2 == 0 }).collect()
    }

    fn preface() -> Preface {
        let moved = FinalTransfer {
            id: TransferId(0x33),
            debit: AccountIndex::from_place(0),
            credit: AccountIndex::from_place(1),
            amount: Amount::MIN,
            moved_amount: Some(Amount::MIN),
            asked: Amount::MAX,
            state: TransferState::Moved,
            terms: Terms { code: 1, flags: TransferFlags::BALANCING_CREDIT, ..Terms::NONE },
            made_ns: 6,
        };
        let voided = FinalTransfer { state: TransferState::Voided, moved_amount: None, ..moved };
        Preface { final_transfers_max: 77, recalled: vec![moved, voided] }
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&preface(), &every_kind(), &mut bytes);
        bytes
    }

    fn decoded(bytes: &[u8], count: usize) -> Result<(Preface, Vec<BatchEntry>), Unreadable> {
        let (mut preface, mut batch) = (Preface::default(), Vec::new());
        let count = u32::try_from(count).expect("few");
        decode(bytes, count, &mut preface, &mut batch).map(|()| (preface, batch))
    }

    #[test]
    fn the_sizes_are_the_documents() {
        let sizes = [88, 40, 40, 24, 24, 24, 64, 104, 32, 32, 24];
        for (entry, size) in every_kind().into_iter().zip(sizes) {
            let mut bytes = Vec::new();
            encode_entry(&entry, &mut bytes);
            assert_eq!(bytes.len(), size, "{entry:?}");
            assert!(bytes.len() <= ENTRY_BYTES_MAX);
        }
        let sum: usize = sizes.iter().sum();
        assert_eq!(encoded().len(), HEAD_BYTES + 2 * FINAL_TRANSFER_BYTES + sum);
        assert!(bytes_max(every_kind().len()) >= encoded().len() as u64);
    }

    #[test]
    fn the_documented_bytes() {
        let mut bytes = Vec::new();
        let post = Request::Post { transfer: TransferId(0x0102), amount: Amount::new(0x0304) };
        let preface = Preface { final_transfers_max: 5, recalled: Vec::new() };
        encode(&preface, &[BatchEntry { request: post, linked: true }], &mut bytes);
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        expected.extend_from_slice(&[9, 1, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&[4, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(decoded(&encoded(), every_kind().len()), Ok((preface(), every_kind())));
    }

    /// Other bytes are an error, or another batch with one encoding of its own: never a panic, never two forms of one thing.
    #[test]
    fn every_changed_byte_is_an_error_or_another_batch() {
        let (whole, count) = (encoded(), every_kind().len());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                if let Ok((preface, batch)) = decoded(&bytes, count) {
                    let mut again = Vec::new();
                    encode(&preface, &batch, &mut again);
                    assert_eq!(again, bytes, "byte {at} bit {bit}");
                }
            }
            assert!(decoded(&whole[..at], count).is_err(), "cut at {at}");
        }
        assert!(decoded(&[whole.as_slice(), &[0]].concat(), count).is_err());
        assert!(decoded(&whole, count + 1).is_err() && decoded(&whole, count - 1).is_err());
    }

    #[test]
    fn an_error_says_where() {
        let mut bytes = encoded();
        let first_entry = HEAD_BYTES + 2 * FINAL_TRANSFER_BYTES;
        bytes[first_entry] = 99;
        let unreadable = decoded(&bytes, every_kind().len()).expect_err("no such kind");
        assert_eq!(unreadable.offset, first_entry);
        assert!(unreadable.to_string().contains("a kind that this program does not know"), "{unreadable}");
    }
}
