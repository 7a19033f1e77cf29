//! A book under load, for what measures the book alone.

use ledger::limits::LOOK_AHEAD_IDS;
use ledger::{
    AccountFlags, AccountId, AccountIndex, AccountSpec, Amount, Answer, BatchEntry, Book, BookOptions, Movement,
    Request, Terms, TransferSpec,
};

use crate::{Random, scheme};

const ACCOUNTS: usize = 64;

/// Movements of one batch.
pub const BATCH: usize = 8_190;

/// What a transfer goes through.
#[derive(Clone, Copy)]
pub enum Way {
    /// `move_now`, by handles.
    MoveNow,
    /// `reserve` of all of a batch, then `post` of all, by handles.
    ReserveAndPost,
    /// Single-phase requests by id.
    Apply,
    /// The same, in linked chains of two.
    ApplyLinked,
}

impl Way {
    /// Transfers, as the design counts them, for one movement.
    pub fn transfers(self) -> usize {
        match self {
            Way::MoveNow | Way::Apply | Way::ApplyLinked => 1,
            Way::ReserveAndPost => 2,
        }
    }
}

/// A book of 64 limited accounts that holds transfers, and what is needed to give it more.
pub struct Filled {
    book: Book,
    accounts: Vec<AccountIndex>,
    /// Movements made; where the book has no window, so many are held.
    pub held: usize,
    random: Random,
    batch: Vec<BatchEntry>,
    answers: Vec<Answer>,
}

impl Filled {
    /// A book with so many transfers in it, with room for as many again.
    pub fn with(transfers: usize, options: BookOptions) -> Filled {
        let transfers_expected = u32::try_from(2 * transfers + BATCH).expect("few");
        let mut book = Book::new(BookOptions { transfers_expected, ..options });
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

    /// Random pairs of accounts, random ids.
    pub fn movements(&mut self) -> Vec<Movement> {
        let random = &mut self.random;
        let mut movement = || {
            let (debit, credit) = random.two_below(ACCOUNTS);
            Movement {
                id: random.transfer_id(),
                debit: self.accounts[debit],
                credit: self.accounts[credit],
                amount: Amount::new(1 + random.draw() % 1_000).expect("more than nothing"),
            }
        };
        (0..BATCH).map(|_| movement()).collect()
    }

    /// The movements as requests by id, where the way needs them.
    pub fn prepare(&mut self, way: Way, movements: &[Movement]) {
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

    /// One batch. All of it is reserved before its first is posted, as in the switch.
    pub fn run(&mut self, way: Way, movements: &[Movement]) {
        self.book.set_position(self.held as u64);
        self.book.trim();
        match way {
            Way::MoveNow => {
                for some in movements.chunks(LOOK_AHEAD_IDS) {
                    self.book.look_ahead(some.iter().map(|movement| movement.id));
                    for movement in some {
                        self.book.move_now(*movement).expect("funds are ample");
                    }
                }
            }
            Way::ReserveAndPost => {
                let mut held = Vec::with_capacity(BATCH);
                for some in movements.chunks(LOOK_AHEAD_IDS) {
                    self.book.look_ahead(some.iter().map(|movement| movement.id));
                    let reserved = |movement: &Movement| self.book.reserve(*movement).expect("funds are ample").index;
                    held.extend(some.iter().map(reserved));
                }
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
