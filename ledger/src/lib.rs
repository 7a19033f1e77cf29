//! A durable double-entry ledger.
//!
//! ```
//! use ledger::{AccountFlags, AccountId, AccountSpec, Amount, BatchEntry, Currency, Ledger, LedgerOptions, Reject, Request};
//! use ledger::{StatementQuery, Terms, TransferId, TransferSpec, verify};
//!
//! let directory = tempfile::tempdir()?;
//! let mut ledger = Ledger::open(directory.path(), LedgerOptions::default())?;
//!
//! // Two accounts; the first may be overdrawn by 10.00.
//! let currency = Currency::parse(b"EUR").expect("three capital letters");
//! let payer = AccountSpec { flags: AccountFlags::DEBITS_LIMITED, cap: 1_000, ..AccountSpec::new(AccountId(1), currency) };
//! let payee = AccountSpec::new(AccountId(2), currency);
//! ledger.submit(1_000, &[Request::Open(payer).into(), Request::Open(payee).into()])?;
//!
//! // Hold 6.00, then move 5.50 of it. What is answered is on disk.
//! let held = TransferSpec {
//!     id: TransferId(7),
//!     debit: AccountId(1),
//!     credit: AccountId(2),
//!     amount: Amount::new(600).expect("more than nothing"),
//!     two_phase: true,
//!     terms: Terms::NONE,
//! };
//! let post = Request::Post { transfer: TransferId(7), amount: Amount::new(550) };
//! let batch: [BatchEntry; 2] = [Request::Transfer(held).into(), post.into()];
//! assert!(ledger.submit(2_000, &batch)?.iter().all(Result::is_ok));
//!
//! // The same again changes nothing, and another transfer under this id is refused, now and in ten years.
//! assert!(ledger.submit(3_000, &batch)?.iter().all(|answer| answer.is_ok_and(|accepted| accepted.repeated())));
//! let other = TransferSpec { credit: AccountId(3), ..held };
//! assert_eq!(ledger.submit(3_000, &[Request::Transfer(other).into()])?[0], Err(Reject::TransferExistsDifferent));
//!
//! // The statement of a time, and the whole ledger recomputed from its journal.
//! let query = StatementQuery { from_ns: 0, until_ns: u64::MAX, from_record: 0, lines_max: 100 };
//! let statement = ledger.statement(AccountId(2), &query)?.expect("the account is there");
//! assert_eq!((statement.lines.len(), statement.closing.credits), (1, 550));
//! ledger.close()?;
//! assert_eq!(verify(directory.path(), LedgerOptions::default())?.accepted, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to think of it
//!
//! Four pieces that do not know each other, and one that puts them together. The [`Book`] is a state machine in memory:
//! accounts with two sides, transfers between them, every rule checked before anything changes. The [`journal`] is the truth:
//! batches of entries in one order, on disk, each bound to all before it by a hash. The [`index`] finds what the book has let
//! go: final transfers of any age, by id, by account and time, by time. A [`snapshot`] is the book at one place of the journal.
//! The [`Ledger`] writes a batch, waits for its [`journal::Durable`], applies it to the book, tells the index, and only then
//! answers. Started again, it takes the newest snapshot and replays the journal behind it, and has the same state, byte for
//! byte ([`Ledger::state_digest`]). Index and snapshots are copies of what the journal says: they can be deleted at any time.
//!
//! Each piece can be used alone. Who has a state machine of his own takes the journal, index and snapshots, with a book inside.
//!
//! Memory is bounded by accounts, open reservations, and the final transfers that are kept
//! ([`LedgerOptions::final_transfers_max`]). Before a batch is written, ids that the book does not hold are looked up in the
//! index, whose filters answer for new ones without a disk read; what is found is written in front of the batch, so that the
//! journal alone decides what an old id is answered.
//!
//! Money is whole minor units in `u64`, sums are `u128`; there is no float and no sign. Debits equal credits in every
//! currency at every batch end, asserted in release.
//!
//! # Accounts and transfers
//!
//! An account may limit its debits ([`AccountFlags::DEBITS_LIMITED`]: `debits_posted + debits_pending` stay within
//! `credits_posted + cap`), its credits (the same, sides exchanged), or both; it may be frozen, thawed, closed; it may keep a
//! history of its balances. A transfer moves at once or in two phases (reserve; then post whole or in part, void, or expire);
//! it may balance (move up to what is available) and close accounts ([`TransferFlags`]). The verbs that take handles
//! ([`Book::move_now`], [`Book::reserve`], [`Book::post`], [`Book::void`]) are for whoever owns the book; [`Book::apply`]
//! takes batches of [`Request`]s by id, in which linked requests happen all together or not at all:
//!
//! ```
//! use ledger::{AccountFlags, AccountId, AccountSpec, Amount, BatchEntry, Book, Currency, Reject};
//! use ledger::{Request, Terms, TransferId, TransferSpec};
//!
//! let currency = Currency::parse(b"EUR").expect("three capital letters");
//! let limited = AccountSpec { flags: AccountFlags::DEBITS_LIMITED, ..AccountSpec::new(AccountId(1), currency) };
//! let transfer = |id, debit, credit, minor_units| {
//!     Request::Transfer(TransferSpec {
//!         id: TransferId(id),
//!         debit: AccountId(debit),
//!         credit: AccountId(credit),
//!         amount: Amount::new(minor_units).expect("more than nothing"),
//!         two_phase: false,
//!         terms: Terms::NONE,
//!     })
//! };
//! let linked = |request| BatchEntry { request, linked: true };
//! let mut book = Book::default();
//! let mut answers = Vec::new();
//! let batch = [
//!     Request::Open(limited).into(),
//!     Request::Open(AccountSpec::new(AccountId(2), currency)).into(),
//!     transfer(10, 2, 1, 100).into(),
//!     // A chain: the fee cannot be paid, so the payment is not made either.
//!     linked(transfer(11, 1, 2, 100)),
//!     transfer(12, 1, 2, 1).into(),
//! ];
//! book.apply(1_000, &batch, &mut answers);
//! assert!(answers[..3].iter().all(Result::is_ok));
//! assert_eq!(answers[3], Err(Reject::LinkedEventFailed));
//! assert_eq!(answers[4], Err(Reject::DebitLimitExceeded));
//! ```
//!
//! # Beside TigerBeetle
//!
//! TigerBeetle set the example for ledgers of this kind, and its words are known; here is what differs, point by point (held
//! against its reference of accounts and transfers, release 0.16, in November 2026).
//!
//! | | the same | ours | left out |
//! |---|---|---|---|
//! | account | u128 id, code, four u128 balances, three user numbers of 128, 64 and 32 bits, flags fixed at opening | a [`Currency`] by its ISO 4217 letters in place of a ledger number; the time it was closed; a code of 0 is a code | |
//! | limits | debits against posted credits, credits against posted debits; pending counts on the limited side alone | a cap for each direction, changeable, so that an overdraft or a net debit cap is a number and needs no second account; both limits on one account | |
//! | transfer | u128 id, debit, credit, code, three user numbers; two different accounts of one currency | the amount is a `u64` of at most eighteen digits where theirs is a `u128`; sums are u128; a code of 0 is a code | transfers of nothing; a timestamp in each transfer (the time of its batch stands in the journal) |
//! | two phases | reserve; post whole or less; void; expire; posting needs no headroom; more than was reserved is refused, and another end than the first; from its deadline on nothing posts or voids | post and void have no id of their own: they name the reservation, and repeat by its state. A deadline is a time in nanoseconds, not a duration in seconds | user numbers and a code on post and void |
//! | expiry | the held money is given back | `expire(now, portion)`: bounded, by deadline and then by order of making, when the owner calls it | a pulse of its own: there is no clock |
//! | linked chains | a flag ties an entry to the next; all or nothing; the culprit has its code, the others say that the chain failed; an open chain at the end is refused | any request can be in a chain, accounts and transfers together; a chain sent again is answered as repeated, member by member | |
//! | balancing | on either side or both; the amount is a maximum; what is held counts as used | the cap is available too; nothing available is refused | a transfer of 0 where nothing is available |
//! | closing | a flag on a transfer closes debit or credit account; nothing more moves on a closed one | in one phase, when nothing is pending, and for good; also as a request without a transfer | a closing transfer in two phases, whose void reopens |
//! | freezing | | freeze and thaw; what was reserved before may still be posted, voided, or expire | |
//! | history | a flag at opening; balances after each change, by time, in pages | without the flag too there is a statement of what was posted, with opening and closing balance; with it, what was pending as well; the balances as of any time | filters by code and user number |
//! | idempotency | the same id with the same content is not done twice; other content is refused | the repetition is an acceptance marked as such, not an error. A refusal leaves no trace: the id may be tried again, also after a refusal that was transient | ids that are spent by a transient refusal |
//! | answers | numbered codes in a documented order, what a retry can cure last | [`PRECEDENCE`] as data, held by tests; one numbering for accounts and transfers | a code for each field that must be 0: the types leave no such fields |
//! | import | | | events with timestamps of their own, given by the caller |
//! | queries | look-up by id | handles; all accounts and transfers, one after the other | general queries in memory: the index over the journal has them |
//!
//! # What it is not
//!
//! No server and no protocol; no clock (time is an argument; but the thread that writes the index rests by one); no thread but those that prepare the next segment, write the
//! index, and write snapshots, and without these too if you like. It does not know payments, participants or messages. It does not convert currencies. One process writes a
//! journal; copies on other machines are made by who carries its batches there.
//!
//! # Where to read on
//!
//! `docs/formats/` has every byte of the journal, of a ledger's payloads and records, of index and snapshots, and what recovery
//! decides when. [`limits`] has every bound.
//! [`Reject`] has every business no, [`PRECEDENCE`] the order in which they are found. [`audit`] recomputes all balances from
//! requests alone.

mod bytes;

pub mod amount;
pub mod reference;

pub mod account;
pub mod history;
pub mod transfer;

pub mod book;
pub mod capture;
pub mod id_table;
pub mod pages;
pub mod request;
pub mod result;

pub mod audit;

pub mod journal;

pub mod index;

pub mod snapshot;

mod ledger;
mod payload;

pub mod limits;

pub use account::{Account, AccountDetails, AccountFlags, AccountId, AccountIndex, AccountSpec, AccountStatus};
pub use amount::{Amount, Currency};
pub use book::{Book, BookOptions, BookPart, Change, CurrencyTotals, Expired, RestoreFault, Touched};
pub use history::{Balances, HistoryEntry, HistoryPage, HistoryQuery};
pub use ledger::{
    Directories, Ledger, LedgerFault, LedgerOptions, OpenReport, Posted, Statement, StatementLine, StatementQuery,
    TransferPage, TransferView, VerifyReport, verify, verify_in,
};
pub use payload::PAYLOAD_FORMAT;
pub use reference::References;
pub use request::{Accepted, Answer, BatchEntry, Request, TransferSpec};
pub use result::{Applied, PRECEDENCE, Reject};
pub use transfer::{
    FinalTransfer, Movement, Terms, Transfer, TransferDetails, TransferFlags, TransferId, TransferIndex, TransferState,
};
