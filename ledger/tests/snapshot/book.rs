//! A book that goes on while a thread writes it to a real disk, and the one that is read from there.

use ledger::journal::{DiskStorage, Storage};
use ledger::snapshot::{SnapshotFault, SnapshotOptions, SnapshotWork, SnapshotWriter, Snapshots};
use ledger::{AccountId, AccountIndex, AccountSpec, Amount, Book, BookOptions, Currency, Movement, TransferId};

use crate::{INLINE, LINEAGE, body_of, used, write};

const OPTIONS: SnapshotOptions = SnapshotOptions { work: SnapshotWork::Beside, ..INLINE };
const ACCOUNTS: u32 = 3_000;

fn options() -> BookOptions {
    BookOptions { history_per_account_max: 0, final_transfers_max: 2_000, ..BookOptions::default() }
}

fn new_book() -> Book {
    let mut book = Book::new(options());
    let currency = Currency::parse(b"EUR").expect("a currency");
    for id in 1..=u128::from(ACCOUNTS) {
        book.open(AccountSpec::new(AccountId(id), currency)).expect("opened");
    }
    book
}

/// A batch: some hundred reservations and movements, some of the former posted.
fn run_batch(book: &mut Book, number: u32) {
    book.trim();
    book.set_position(u64::from(number));
    for of_batch in 0..300 {
        let id = number * 1_000 + of_batch;
        let place = |salt: u32| AccountIndex::from_place(id.wrapping_mul(salt) % (ACCOUNTS / 2));
        let (debit, credit) = (place(7), AccountIndex::from_place(place(13).get() + ACCOUNTS / 2));
        let amount = Amount::new(1 + u64::from(of_batch)).expect("an amount");
        let movement = Movement { id: TransferId(u128::from(id) + 1), debit, credit, amount };
        match of_batch % 3 {
            0 => book.move_now(movement).map(|_| ()).expect("moved"),
            1 => book.reserve(movement).map(|_| ()).expect("reserved"),
            _ => {
                let index = book.reserve(movement).expect("reserved").index;
                book.post(index, amount).expect("posted");
            }
        }
    }
    book.assert_balanced();
}

#[test]
fn a_book_is_read_back_as_it_was_when_the_snapshot_began() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = DiskStorage::open(directory.path()).expect("opened");
    let mut snapshots = Snapshots::open(storage, LINEAGE, OPTIONS);
    let mut book = new_book();
    (1..20).for_each(|number| run_batch(&mut book, number));

    let digest = book.digest();
    let mut writer = snapshots.begin(19, b"place", book.begin_capture()).expect("begun");
    let mut number = 20;
    while capture(&mut book, &mut writer) {
        run_batch(&mut book, number);
        number += 1;
    }
    assert!(number > 22, "the book went on meanwhile");
    let mut finishing = writer.finish();
    while finishing.poll().is_none() {
        run_batch(&mut book, number);
        number += 1;
    }
    let snapshot = finishing.wait().expect("written");
    assert_eq!((snapshot.position, snapshot.body_digest), (19, digest));

    let loaded = snapshots.load(u64::from(number), |_, body| Book::restore(options(), body).map_err(|e| e.to_string()));
    let (found, mut restored) = loaded.expect("listed").found.expect("it is there");
    assert_eq!((found, restored.digest()), (snapshot, digest));
    (20..number).for_each(|number| run_batch(&mut restored, number));
    assert_eq!(restored.digest(), book.digest(), "the tail leads to the same state");
    restored.totals();
}

/// A portion; is there more?
fn capture<S: Storage>(book: &mut Book, writer: &mut SnapshotWriter<S>) -> bool {
    let mut fault = None;
    let portion = writer.room_bytes().min(90_000);
    let more = book.capture(portion, |offset, bytes| fault = fault.take().or(writer.page(offset, bytes).err()));
    assert_eq!(fault, None);
    more
}

#[test]
fn a_thread_waits_for_room_and_its_faults_reach_the_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = DiskStorage::open(directory.path()).expect("opened");
    let mut snapshots = Snapshots::open(storage, LINEAGE, OPTIONS);
    let bytes = 20 << 20;
    write(&snapshots, 10, &body_of(10, bytes)).expect("more than the queue holds");
    assert_eq!(used(&mut snapshots, bytes), (Some(10), 0));

    // Dropped in the middle, it leaves nothing.
    let mut writer = snapshots.begin(20, &[], 100).expect("begun");
    writer.page(0, &[1; 50]).expect("taken");
    drop(writer);
    assert_eq!(used(&mut snapshots, bytes), (Some(10), 0));

    let mut writer = snapshots.begin(20, &[], 100).expect("begun");
    writer.page(0, &[1; 50]).expect("taken");
    let fault = writer.finish().wait();
    assert_eq!(fault, Err(SnapshotFault::Incomplete { given: 50, announced: 100 }));
    assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 1);
}
