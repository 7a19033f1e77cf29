//! A book from its canonical bytes.
//!
//! Nothing is believed: every item must be possible by itself and fit all others, and whatever the bytes are, the answer is a book
//! whose bytes they are, or a fault that names the item. No allocation goes further than the bytes that were read.

use core::fmt;
use std::io::{self, BufReader, Read};

use super::body::{ACCOUNT_BYTES, HEAD_BYTES, MAGIC, SLOT_BYTES, VERSION, WINDOW_ENTRY_BYTES, account_bytes};
use super::slots::{NO_SLOT, SLOTS_ADDED, Slot};
use super::{Book, BookOptions, check_cap};
use crate::account::{
    Account, AccountDetails, AccountFlags, AccountId, AccountIndex, AccountSpec, AccountStatus, Sides,
};
use crate::amount::{Amount, Currency};
use crate::history::Balances;
use crate::limits::{BALANCE_MAX, CAPTURE_PIECE_BYTES};
use crate::reference::References;
use crate::transfer::{FinalTransfer, Terms, Transfer, TransferDetails, TransferFlags, TransferId, TransferState};

/// Why bytes are no book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreFault {
    /// They could not be read to their end.
    Read {
        /// What kind of error.
        kind: io::ErrorKind,
        /// The reader's own words.
        detail: String,
    },
    /// No book has such an item.
    Impossible {
        /// In which part.
        part: BookPart,
        /// Which item of it, from 0.
        item: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The parts of the bytes of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookPart {
    /// Time, positions, numbers of everything.
    Head,
    /// The accounts.
    Account,
    /// The slots of transfers.
    Slot,
    /// The window of final transfers.
    WindowEntry,
}

impl fmt::Display for RestoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreFault::Read { detail, .. } => write!(f, "the bytes of the book cannot be read: {detail}"),
            RestoreFault::Impossible { part, item, what } => {
                let part = match part {
                    BookPart::Head => "the head",
                    BookPart::Account => "account",
                    BookPart::Slot => "slot",
                    BookPart::WindowEntry => "window entry",
                };
                write!(f, "these are not the bytes of a book: {part} {item}: {what}")
            }
        }
    }
}

impl std::error::Error for RestoreFault {}

/// What is wrong with one item.
type Checked<T> = Result<T, &'static str>;

struct Head {
    accounts: u32,
    slots: u32,
    held: u32,
    first_vacant: u32,
    window_len: u64,
}

impl Book {
    /// The book that `body` has the bytes of, to the last one of them.
    ///
    /// # Panics
    /// When the options want histories in memory: the bytes have none.
    pub fn restore(options: BookOptions, body: impl Read) -> Result<Book, RestoreFault> {
        assert_eq!(options.history_per_account_max, 0, "histories are no part of a snapshot");
        let mut body = BufReader::with_capacity(CAPTURE_PIECE_BYTES, body);
        let mut book = Book::new(options);
        let head = book.restore_head(&read(&mut body)?).map_err(impossible(BookPart::Head, 0))?;
        for item in 0..u64::from(head.accounts) {
            let bytes = read(&mut body)?;
            book.restore_account(&bytes).map_err(impossible(BookPart::Account, item))?;
        }
        for item in 0..head.slots {
            let bytes = read(&mut body)?;
            book.restore_slot(item, &bytes).map_err(impossible(BookPart::Slot, item.into()))?;
        }
        let mut in_window = vec![false; book.transfers.len() as usize];
        for item in 0..head.window_len {
            let slot = u32::from_le_bytes(read::<WINDOW_ENTRY_BYTES>(&mut body)?);
            book.restore_window_entry(slot, &mut in_window).map_err(impossible(BookPart::WindowEntry, item))?;
        }
        match read::<1>(&mut body) {
            Ok(_) => return Err(impossible(BookPart::Head, 0)("bytes follow the last item")),
            Err(RestoreFault::Read { kind: io::ErrorKind::UnexpectedEof, .. }) => {}
            Err(fault) => return Err(fault),
        }
        book.check_slots(&head)?;
        book.check_sums()?;
        Ok(book)
    }

    fn restore_head(&mut self, bytes: &[u8; HEAD_BYTES]) -> Checked<Head> {
        let mut fields = Fields(bytes);
        ensure(fields.take::<8>() == MAGIC, "the magic is not there")?;
        ensure(fields.u16() == VERSION, "the version is unknown to this program")?;
        fields.take::<6>();
        self.now_ns = fields.u64();
        self.position = fields.u64();
        self.floor = fields.u64();
        self.deadlines_made = fields.u64();
        let (accounts, slots, held, first_vacant) = (fields.u32(), fields.u32(), fields.u32(), fields.u32());
        let head = Head { accounts, slots, held, first_vacant, window_len: fields.u64() };
        ensure(bytes[10..16] == [0; 6] && bytes[72..] == [0; HEAD_BYTES - 72], "zeros are not zeros")?;
        ensure(self.floor <= self.position, "more has left than was applied")?;
        ensure(slots.is_multiple_of(SLOTS_ADDED), "slots are added some at a time")?;
        ensure(slots < NO_SLOT && held <= slots && head.window_len <= u64::from(held), "the numbers do not fit")?;
        Ok(head)
    }

    fn restore_account(&mut self, bytes: &[u8; ACCOUNT_BYTES]) -> Checked<()> {
        let restored = decode_account(bytes)?;
        let Restored { spec, balances, status, opened_ns, closed_ns } = restored;
        let is_closed = status == AccountStatus::Closed;
        ensure(spec.id.0 != 0 && self.find(spec.id).is_none(), "the id is 0, or taken")?;
        check_cap(spec.flags, AccountFlags::DEBITS_LIMITED, spec.cap).map_err(|_| "the cap is not allowed")?;
        check_cap(spec.flags, AccountFlags::CREDITS_LIMITED, spec.credit_cap)
            .map_err(|_| "the credit cap is not allowed")?;
        ensure(opened_ns <= self.now_ns && closed_ns <= self.now_ns, "it lies in the future")?;
        ensure(is_closed || closed_ns == 0, "it was closed and is not")?;
        ensure(!is_closed || opened_ns <= closed_ns, "it was closed before it was opened")?;
        ensure(!is_closed || (balances.debits_pending, balances.credits_pending) == (0, 0), "closed, and yet pending")?;

        let number = self.currency_number(spec.currency);
        let sides = &mut self.currencies[usize::from(number)].1;
        for (sum, balance) in [
            (&mut sides.debits_pending, balances.debits_pending),
            (&mut sides.debits_posted, balances.debits_posted),
            (&mut sides.credits_pending, balances.credits_pending),
            (&mut sides.credits_posted, balances.credits_posted),
        ] {
            *sum = sum.checked_add(balance).filter(|sum| *sum <= BALANCE_MAX).ok_or("a sum is too high")?;
        }
        let mut details = AccountDetails::open(&spec, opened_ns, 0);
        details.set_closed(closed_ns);
        let account = Account::restored(spec, number, balances, status);
        ensure(account_bytes(&account, &details) == *bytes, "the bytes are not canonical")?;
        self.add_account(account, details);
        Ok(())
    }

    fn restore_slot(&mut self, place: u32, bytes: &[u8; SLOT_BYTES]) -> Checked<()> {
        let slot = match decode_slot(bytes)? {
            Decoded::Vacant { next } => Slot::Vacant { next },
            Decoded::Held { transfer, final_position, deadline_number } => {
                self.check_held(&transfer, final_position, deadline_number)?;
                let mut held = Transfer::recalled(&transfer, final_position);
                if let Some(details) = TransferDetails::needed(transfer.asked, &transfer.terms, deadline_number) {
                    let at = self.transfer_details.put(details);
                    held.set_details_count(super::dense(at + 1));
                }
                if deadline_number != 0 {
                    let known = self.deadlines.insert((transfer.terms.deadline_ns, deadline_number), place);
                    ensure(known.is_none(), "two deadlines have the same number")?;
                }
                Slot::Held(held)
            }
        };
        ensure(self.slot_bytes(&slot) == *bytes, "the bytes are not canonical")?;
        let id = match &slot {
            Slot::Held(transfer) => Some(transfer.id()),
            Slot::Vacant { .. } => None,
        };
        self.transfers.restore(slot);
        if let Some(id) = id {
            let (hash, transfers) = (self.hash(id), &self.transfers);
            let is_new = self.transfer_table.insert_new(hash, place, |at| transfers.get(at).id() == id);
            assert!(is_new, "its id was looked for in `check_held`");
        }
        Ok(())
    }

    /// A transfer fits what is known before it.
    fn check_held(&self, transfer: &FinalTransfer, final_position: u64, deadline_number: u64) -> Checked<()> {
        let FinalTransfer { id, debit, credit, state, terms, .. } = *transfer;
        let is_reserved = state == TransferState::Reserved;
        ensure(self.find_transfer(id).is_none(), "the id is taken")?;
        ensure(debit.at().max(credit.at()) < self.accounts.len(), "an account does not exist")?;
        let same_currency = self.account(debit).currency() == self.account(credit).currency();
        ensure(same_currency, "the accounts differ in currency")?;
        ensure(transfer.made_ns <= self.now_ns, "it was made in the future")?;
        ensure(final_position <= self.position, "it became final in the future")?;
        ensure(!is_reserved || final_position == 0, "it is reserved, and yet final")?;
        let has_number = is_reserved && terms.deadline_ns != 0;
        ensure((deadline_number != 0) == has_number, "a reservation with a deadline has a number, nothing else has")?;
        ensure(deadline_number <= self.deadlines_made, "the deadline's number was never given")
    }

    fn restore_window_entry(&mut self, slot: u32, in_window: &mut [bool]) -> Checked<()> {
        let seen = in_window.get_mut(slot as usize).ok_or("the slot does not exist")?;
        ensure(!core::mem::replace(seen, true), "the slot was there before")?;
        let Slot::Held(transfer) = self.transfers.slot(slot) else { return Err("the slot is vacant") };
        ensure(transfer.state() != TransferState::Reserved, "the transfer is not final")?;
        let before = self.window.last().map_or(self.floor, |last| self.transfers.get(last).final_position());
        ensure(before <= transfer.final_position(), "positions go back")?;
        self.window.push(slot);
        Ok(())
    }

    /// Every slot is reserved, in the window, or in the list of the vacant ones; none is in two of these.
    fn check_slots(&mut self, head: &Head) -> Result<(), RestoreFault> {
        let reserved = self.transfers().filter(|(_, transfer)| transfer.state() == TransferState::Reserved).count();
        let fits = self.transfers.held() == head.held && head.window_len + reserved as u64 == u64::from(head.held);
        ensure(fits, "the number of transfers is another").map_err(impossible(BookPart::Head, 0))?;
        let vacant = head.slots - head.held;
        self.transfers.restore_vacant(head.first_vacant, vacant).map_err(|place| {
            impossible(BookPart::Slot, place.into())("the list of vacant slots does not lead through each of them once")
        })
    }

    /// What is pending is what reservations hold, and debits equal credits.
    fn check_sums(&mut self) -> Result<(), RestoreFault> {
        let places = |book: &Book| -> Vec<u32> {
            let reserved = book.transfers.iter().filter(|(_, transfer)| transfer.state() == TransferState::Reserved);
            reserved.map(|(place, _)| place).collect()
        };
        let reserved = places(self);
        for place in &reserved {
            let (debit, credit, amount) = self.parts_of(*place);
            let is_pending = self.accounts.get_mut(debit.at()).take_pending_debit(amount)
                && self.accounts.get_mut(credit.at()).take_pending_credit(amount);
            ensure(is_pending, "it is not pending on its accounts")
                .map_err(impossible(BookPart::Slot, (*place).into()))?;
        }
        for (item, account) in self.accounts.iter().enumerate() {
            ensure(!account.has_pending(), "more is pending than reserved")
                .map_err(impossible(BookPart::Account, item as u64))?;
        }
        let mut uncounted = Sides::default();
        for place in &reserved {
            let (debit, credit, amount) = self.parts_of(*place);
            self.accounts.get_mut(debit.at()).reserve_debit(amount, &mut uncounted);
            self.accounts.get_mut(credit.at()).reserve_credit(amount, &mut uncounted);
        }
        let balances = self.currencies.iter().all(|(_, sides)| {
            (sides.debits_pending, sides.debits_posted) == (sides.credits_pending, sides.credits_posted)
        });
        ensure(balances, "debits and credits differ").map_err(impossible(BookPart::Head, 0))
    }

    fn parts_of(&self, place: u32) -> (AccountIndex, AccountIndex, Amount) {
        let transfer = self.transfers.get(place);
        (transfer.debit(), transfer.credit(), transfer.amount())
    }
}

struct Restored {
    spec: AccountSpec,
    balances: Balances,
    status: AccountStatus,
    opened_ns: u64,
    closed_ns: u64,
}

fn decode_account(bytes: &[u8; ACCOUNT_BYTES]) -> Checked<Restored> {
    let mut fields = Fields(bytes);
    let id = AccountId(fields.u128());
    let currency = Currency::parse(&fields.take::<3>()).ok_or("the currency is not three capital letters")?;
    let code = fields.u16();
    let flags = AccountFlags::from_bits(fields.u16()).ok_or("a flag has no meaning")?;
    let cap = fields.u128();
    let balances = Balances {
        debits_pending: fields.u128(),
        debits_posted: fields.u128(),
        credits_pending: fields.u128(),
        credits_posted: fields.u128(),
    };
    let status = AccountStatus::from_number(fields.take::<1>()[0]).ok_or("the status has no meaning")?;
    let credit_cap = fields.u128();
    let references = fields.references();
    let spec = AccountSpec { id, currency, code, flags, cap, credit_cap, references };
    Ok(Restored { spec, balances, status, opened_ns: fields.u64(), closed_ns: fields.u64() })
}

enum Decoded {
    Vacant { next: u32 },
    Held { transfer: FinalTransfer, final_position: u64, deadline_number: u64 },
}

/// A reservation takes the form of a final transfer here; everything else about it is the same.
fn decode_slot(bytes: &[u8; SLOT_BYTES]) -> Checked<Decoded> {
    let mut fields = Fields(bytes);
    let id = TransferId(fields.u128());
    let (debit, credit) = (fields.u32(), fields.u32());
    if id.0 == 0 {
        return Ok(Decoded::Vacant { next: debit });
    }
    let (debit, credit) = (AccountIndex::from_place(debit), AccountIndex::from_place(credit));
    let amount = Amount::new(fields.u64()).ok_or("the amount is not allowed")?;
    let moved_amount = Amount::new(fields.u64());
    let state = TransferState::from_number(fields.take::<1>()[0]).ok_or("the state has no meaning")?;
    let flags = TransferFlags::from_bits(fields.take::<1>()[0]).ok_or("a flag has no meaning")?;
    let code = fields.u16();
    let asked = Amount::new(fields.u64()).ok_or("the amount asked for is not allowed")?;
    let (deadline_ns, deadline_number) = (fields.u64(), fields.u64());
    let terms = Terms { code, flags, references: fields.references(), deadline_ns };
    let (made_ns, final_position) = (fields.u64(), fields.u64());
    let transfer = FinalTransfer { id, debit, credit, amount, moved_amount, asked, state, terms, made_ns };
    let fits = match state {
        TransferState::Reserved => FinalTransfer { state: TransferState::Voided, ..transfer }.is_consistent(),
        _ => transfer.is_consistent(),
    };
    ensure(fits, "its parts do not fit each other")?;
    Ok(Decoded::Held { transfer, final_position, deadline_number })
}

/// Takes fields of fixed width from the front. Who calls it knows that they are there.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("the widths of the fields add up to the item's");
        self.0 = rest;
        *field
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }

    fn references(&mut self) -> References {
        References { bits_128: self.u128(), bits_64: self.u64(), bits_32: self.u32() }
    }
}

fn read<const N: usize>(body: &mut impl Read) -> Result<[u8; N], RestoreFault> {
    let mut bytes = [0; N];
    let fault = |error: io::Error| RestoreFault::Read { kind: error.kind(), detail: error.to_string() };
    body.read_exact(&mut bytes).map_err(fault)?;
    Ok(bytes)
}

fn ensure(holds: bool, what: &'static str) -> Checked<()> {
    if holds { Ok(()) } else { Err(what) }
}

fn impossible(part: BookPart, item: u64) -> impl Fn(&'static str) -> RestoreFault {
    move |what| RestoreFault::Impossible { part, item, what }
}
