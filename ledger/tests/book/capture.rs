//! The bytes of a book, taken while it goes on, and the book made of them.

use ledger::{
    AccountId, Amount, BatchEntry, Book, BookPart, Request, RestoreFault, Terms, TransferFlags, TransferId,
    TransferSpec, TransferState,
};
use proptest::prelude::*;

use crate::model::{Call, Forgetful, call, forgetful_options};

/// All bytes at once.
fn stop_the_world(book: &mut Book) -> Vec<u8> {
    let mut taken = Taken::begin(book);
    assert!(!taken.take(book, usize::MAX), "everything was asked for");
    taken.bytes
}

/// The bytes that have been handed out.
struct Taken {
    bytes: Vec<u8>,
    is_there: Vec<bool>,
}

impl Taken {
    fn begin(book: &mut Book) -> Taken {
        let len = usize::try_from(book.begin_capture()).expect("few");
        Taken { bytes: vec![0; len], is_there: vec![false; len] }
    }

    fn take(&mut self, book: &mut Book, bytes_max: usize) -> bool {
        book.capture(bytes_max, |offset, piece| {
            let from = usize::try_from(offset).expect("few");
            self.bytes[from..from + piece.len()].copy_from_slice(piece);
            for is_there in &mut self.is_there[from..from + piece.len()] {
                assert!(!core::mem::replace(is_there, true), "every byte once");
            }
        })
    }

    fn all(self) -> Vec<u8> {
        assert!(self.is_there.iter().all(|is_there| *is_there), "every byte");
        self.bytes
    }
}

fn later(call: &Call) -> u64 {
    match call {
        Call::Apply { later_ns, .. } | Call::Expire { later_ns, .. } => *later_ns,
        Call::ByHandle(_) => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens meanwhile, chains that fail included, the bytes are those of the moment when the capture began, and the
    /// book made of them goes on as the first one does.
    #[test]
    fn a_book_captured_while_it_goes_on_is_the_book_of_the_beginning(
        before in proptest::collection::vec(call(), 0..40),
        during in proptest::collection::vec((call(), 0..600usize), 1..40),
        final_transfers_max in 0..9u32,
    ) {
        let mut first = Forgetful::new(final_transfers_max);
        let mut now = 0;
        for call in &before {
            now += later(call);
            first.step(call, now)?;
        }
        let digest = first.book.digest();
        let at_once = stop_the_world(&mut first.book);
        prop_assert_eq!(digest, *blake3::hash(&at_once).as_bytes());

        let restored = Book::restore(forgetful_options(final_transfers_max), &at_once[..]);
        let book = restored.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(book.digest(), digest);
        let mut second = Forgetful { book, left: first.left.clone(), position: first.position, ..Forgetful::default() };
        first.changes.clear();

        let mut taken = Taken::begin(&mut first.book);
        let mut more = true;
        for (call, bytes_max) in &during {
            now += later(call);
            prop_assert_eq!(first.step(call, now)?, second.step(call, now)?, "{:?}", call);
            more = more && taken.take(&mut first.book, *bytes_max);
            prop_assert_eq!(first.book.is_capturing(), more);
        }
        while more {
            more = taken.take(&mut first.book, 500);
        }
        prop_assert!(taken.all() == at_once, "the bytes are those of the beginning");
        prop_assert_eq!(first.book.digest(), second.book.digest());
        prop_assert_eq!(first.changes, second.changes);
        second.book.totals();
    }
}

/// A book with some of everything: reservations with and without a deadline, final transfers of each kind, vacant slots, accounts
/// of each status.
fn varied_book() -> Book {
    let mut book = Forgetful::new(4).book;
    book.set_position(3);
    let account = |id| AccountId(id);
    let transfer = |id, debit, credit, minor_units, two_phase, terms| {
        Request::Transfer(TransferSpec {
            id: TransferId(id),
            debit: account(debit),
            credit: account(credit),
            amount: Amount::new(minor_units).expect("an amount"),
            two_phase,
            terms,
        })
    };
    let with_deadline = |deadline_ns| Terms { code: 9, deadline_ns, ..Terms::NONE };
    let balancing = Terms { flags: TransferFlags::BALANCING_DEBIT, ..Terms::NONE };
    let early =
        [(20, true), (21, false), (22, false)].map(|(id, two_phase)| transfer(id, 2, 1, 5, two_phase, Terms::NONE));
    let late = [
        transfer(23, 2, 1, 6, true, Terms::NONE),
        transfer(24, 2, 1, 7, true, with_deadline(12)),
        transfer(25, 2, 1, 8, true, with_deadline(90)),
        transfer(26, 2, 1, 9, true, with_deadline(90)),
        transfer(27, 1, 2, 500, false, balancing),
        Request::Void { transfer: TransferId(23) },
        Request::Post { transfer: TransferId(20), amount: Amount::new(2) },
        Request::Freeze(account(3)),
        Request::Close(account(5)),
    ];
    let mut answers = Vec::new();
    for (now_ns, requests) in [(5, &early[..]), (10, &late[..])] {
        let batch: Vec<BatchEntry> = requests.iter().map(|request| (*request).into()).collect();
        book.apply(now_ns, &batch, &mut answers);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        book.set_position(now_ns);
    }
    book.expire(12, 9);
    book.trim();
    book
}

#[test]
fn bytes_with_any_bit_changed_or_missing_are_no_book_or_the_book_that_they_say() {
    let mut book = varied_book();
    let bytes = stop_the_world(&mut book);
    let options = forgetful_options(4);
    let states: Vec<TransferState> = book.transfers().map(|(_, transfer)| transfer.state()).collect();
    let (two, one) = ([TransferState::Reserved; 2], [TransferState::Moved]);
    assert_eq!(
        states,
        [&[TransferState::Posted, TransferState::Voided, TransferState::Expired][..], &two, &one].concat()
    );
    assert_eq!((book.next_deadline_ns(), book.floor()), (Some(90), 3));

    let slots_at = 128 + 164 * book.accounts().len();
    let unused = slots_at + 112 * 9..slots_at + 112 * 64;
    let (mut refused, mut changes) = (0, 0);
    for byte in 0..bytes.len() {
        let mut changed = bytes.clone();
        // Of slots that were never used, one bit.
        for bit in 0..if unused.contains(&byte) { 1 } else { 8 } {
            changed[byte] = bytes[byte] ^ (1 << bit);
            changes += 1;
            match Book::restore(options, &changed[..]) {
                Ok(book) => {
                    assert_eq!(book.digest(), *blake3::hash(&changed).as_bytes(), "bit {bit} of byte {byte}");
                    book.totals();
                    book.assert_balanced();
                }
                Err(_) => refused += 1,
            }
        }
        let cut = Book::restore(options, &bytes[..byte]).map(|book| book.digest());
        assert!(matches!(cut, Err(RestoreFault::Read { .. })), "cut at {byte}: {cut:?}");
    }
    // What is not refused is what a book may say freely: references, codes, times.
    assert!(refused * 3 > changes, "{refused} of {changes}");

    let longer = [&bytes[..], &[0]].concat();
    let what = "bytes follow the last item";
    let fault = Book::restore(options, &longer[..]).map(|book| book.digest());
    assert_eq!(fault, Err(RestoreFault::Impossible { part: BookPart::Head, item: 0, what }));
}

#[test]
fn a_capture_can_be_abandoned_and_begun_again() {
    let mut book = varied_book();
    book.begin_capture();
    assert!(book.capture(1, |_, _| {}));
    book.abandon_capture();
    assert!(!book.is_capturing());
    assert_eq!(book.digest(), *blake3::hash(&stop_the_world(&mut book)).as_bytes());
}
