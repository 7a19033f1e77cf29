//! The ledger's book alone.
//!
//! ```text
//!   movements, made beforehand  -->  Book  (one thread, in memory)
//! ```
//!
//! In the figure: `move_now`, or `reserve` and then `post` of every transfer, through handles; or single-phase requests by id
//! through `apply`, each for itself, or in linked chains of two; between 64 limited accounts in random pairs, random
//! ids, in batches of 8,190. Not in it: making the movements, a journal, a disk. The book holds at least so many transfers as the name
//! says, and is built anew (not timed) when it holds twice as many; its tables are made for that from the start.
//! An element is one transfer: one single-phase movement, or one half of a two-phase one.

use std::time::Duration;

use benches::{Random, scheme, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::{
    AccountFlags, AccountId, AccountIndex, AccountSpec, Amount, Answer, BatchEntry, Book, BookOptions, Movement,
    Request, Terms, TransferId, TransferSpec,
};

const ACCOUNTS: usize = 64;
const BATCH: usize = 8_190;

/// What a transfer goes through.
#[derive(Clone, Copy)]
enum Way {
    MoveNow,
    ReserveAndPost,
    Apply,
    ApplyLinked,
}

impl Way {
    /// Transfers, as the design counts them, for one movement.
    fn transfers(self) -> usize {
        match self {
            Way::MoveNow | Way::Apply | Way::ApplyLinked => 1,
            Way::ReserveAndPost => 2,
        }
    }
}

/// A book that is filled up to twice its first number of transfers.
struct Filled {
    book: Book,
    accounts: Vec<AccountIndex>,
    held: usize,
    random: Random,
    batch: Vec<BatchEntry>,
    answers: Vec<Answer>,
}

impl Filled {
    fn with(transfers: usize) -> Filled {
        let options = BookOptions {
            transfers_expected: u32::try_from(2 * transfers + BATCH).expect("few"),
            ..BookOptions::default()
        };
        let mut book = Book::new(options);
        let spec = |id| AccountSpec {
            code: 1,
            flags: AccountFlags::DEBITS_LIMITED,
            cap: u128::from(u64::MAX),
            ..AccountSpec::new(AccountId(id), scheme::currency())
        };
        let accounts = (1..=ACCOUNTS as u128).map(|id| book.open(spec(id)).expect("opens")).collect();
        let mut filled = Filled { book, accounts, held: 0, random: Random::new(1), batch: vec![], answers: vec![] };
        while filled.held < transfers {
            let movements = filled.movements();
            filled.run(Way::MoveNow, &movements);
        }
        filled
    }

    fn movements(&mut self) -> Vec<Movement> {
        let random = &mut self.random;
        let mut movement = || {
            let debit = random.below(ACCOUNTS);
            let credit = (debit + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
            Movement {
                id: TransferId(u128::from_be_bytes(random.bytes()) | 1),
                debit: self.accounts[debit],
                credit: self.accounts[credit],
                amount: Amount::new(1 + random.draw() % 1_000).expect("more than nothing"),
            }
        };
        (0..BATCH).map(|_| movement()).collect()
    }

    /// The movements as requests by id, where the way needs them.
    fn prepare(&mut self, way: Way, movements: &[Movement]) {
        let linked = match way {
            Way::MoveNow | Way::ReserveAndPost => return,
            Way::Apply => false,
            Way::ApplyLinked => true,
        };
        let book = &self.book;
        let request = |movement: &Movement| {
            Request::Transfer(TransferSpec {
                id: movement.id,
                debit: book.account(movement.debit).id(),
                credit: book.account(movement.credit).id(),
                amount: movement.amount,
                two_phase: false,
                terms: Terms::NONE,
            })
        };
        let entry = |(at, movement)| BatchEntry { request: request(movement), linked: linked && at % 2 == 0 };
        self.batch.clear();
        self.batch.extend(movements.iter().enumerate().map(entry));
    }

    /// All of a batch is reserved before its first is posted, as in the switch.
    fn run(&mut self, way: Way, movements: &[Movement]) {
        match way {
            Way::MoveNow => {
                for movement in movements {
                    self.book.move_now(*movement).expect("funds are ample");
                }
            }
            Way::ReserveAndPost => {
                let mut held = Vec::with_capacity(BATCH);
                held.extend(
                    movements.iter().map(|movement| self.book.reserve(*movement).expect("funds are ample").index),
                );
                for (index, movement) in held.into_iter().zip(movements) {
                    self.book.post(index, movement.amount).expect("it was reserved");
                }
            }
            Way::Apply | Way::ApplyLinked => {
                self.book.apply(0, &self.batch, &mut self.answers);
                assert!(self.answers.iter().all(Result::is_ok), "funds are ample");
            }
        }
        self.book.assert_balanced();
        self.held += movements.len();
    }
}

fn book(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (held, name) in [(100_000, "100k"), (4_000_000, "4M")] {
        let ways = [
            (Way::MoveNow, "move_now"),
            (Way::ReserveAndPost, "reserve+post"),
            (Way::Apply, "apply"),
            (Way::ApplyLinked, "apply_linked"),
        ];
        for (way, verbs) in ways {
            group.throughput(Throughput::Elements((BATCH * way.transfers()) as u64));
            let mut filled = Filled::with(held);
            group.bench_function(BenchmarkId::new(verbs, name), |bencher| {
                bencher.iter_custom(|batches| {
                    let mut total = Duration::ZERO;
                    for _ in 0..batches {
                        if filled.held >= 2 * held {
                            filled = Filled::with(held);
                        }
                        let movements = filled.movements();
                        filled.prepare(way, &movements);
                        timed(&mut total, || filled.run(way, &movements));
                    }
                    total
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, book);
criterion_main!(benches);
