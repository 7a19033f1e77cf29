//! A durable double-entry ledger.
//!
//! ```
//! use ledger::journal::{BatchHead, Journal, JournalOptions, Lineage, RecordBuffer, faulty::FaultyStorage};
//! use ledger::{AccountFlags, AccountId, AccountSpec, Amount, Book, Currency, Movement, TransferId};
//!
//! // A book in memory: two accounts, one movement in two phases.
//! let currency = Currency::parse(b"EUR").expect("three capital letters");
//! let mut book = Book::default();
//! let spec = |id, flags, cap| AccountSpec { flags, cap, ..AccountSpec::new(AccountId(id), currency) };
//! let payer = book.open(spec(1, AccountFlags::DEBITS_LIMITED, 1_000))?;
//! let payee = book.open(spec(2, AccountFlags::NONE, 0))?;
//! let amount = Amount::new(600).expect("more than nothing");
//! let held = book.reserve(Movement { id: TransferId(7), debit: payer, credit: payee, amount })?;
//! assert_eq!(book.account(payer).debits_pending(), 600);
//! book.post(held.index, amount)?;
//! assert_eq!(book.account(payee).credits_posted(), 600);
//! book.assert_balanced();
//!
//! // A journal on disk (here in memory): what is appended, then synced, is found again.
//! let directory = FaultyStorage::new(0);
//! let options = JournalOptions { segment_bytes: 64 << 10, ..JournalOptions::default() };
//! let mut journal = Journal::create(directory.clone(), options, Lineage([42; 16]))?;
//! let mut buffer = RecordBuffer::default();
//! buffer.extend_from_slice(b"reserve 7, post 7");
//! let appended = journal.append(&mut buffer, BatchHead { count: 2, time_ns: 1, epoch: 0 })?;
//! assert!(journal.sync()?.covers(appended.last_sequence));
//!
//! drop(journal);
//! directory.cut_power();
//! let (_journal, report) = Journal::open(directory, options, |batch| {
//!     assert_eq!(batch.payload, b"reserve 7, post 7");
//!     Ok(())
//! })?;
//! assert_eq!(report.batches, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to think of it
//!
//! Two pieces that do not know each other. The [`Book`] is a state machine: accounts with two sides, transfers between them,
//! every rule checked before anything changes. The [`journal`] is the truth: batches of entries in one order, on disk, each
//! bound to all before it by a hash. Whoever owns both writes a batch, waits for its [`journal::Durable`], applies it to the
//! book, and only then tells anybody. Started again, it replays the journal into an empty book and has the same state, byte for
//! byte ([`Book::digest`]).
//!
//! Money is whole minor units in `u64`, sums are `u128`; there is no float and no sign. Debits equal credits in every
//! currency at every batch end, asserted in release.
//!
//! # What it is not
//!
//! No server and no protocol; no clock (time is an argument), no random numbers, no thread but the one that prepares the next
//! segment. It does not know payments, participants or messages. It does not convert currencies. One process writes a
//! journal; copies on other machines are made by who carries its batches there.
//!
//! # Where to read on
//!
//! `docs/formats/journal.md` has every byte of the journal and what recovery decides when. [`limits`] has every bound.
//! [`Reject`] has every business no, with its precedence.

pub mod amount;
pub mod reference;

pub mod account;
pub mod history;
pub mod transfer;

pub mod book;
pub mod request;
pub mod result;

pub mod audit;

pub mod journal;

pub mod limits;

pub use account::{Account, AccountDetails, AccountFlags, AccountId, AccountIndex, AccountSpec, AccountStatus};
pub use amount::{Amount, Currency};
pub use book::{Book, BookOptions, CurrencyTotals, Expired};
pub use history::{Balances, HistoryEntry, HistoryPage, HistoryQuery};
pub use reference::References;
pub use request::{Accepted, Answer, BatchEntry, Request, TransferSpec};
pub use result::{Applied, PRECEDENCE, Reject};
pub use transfer::{
    Movement, Terms, Transfer, TransferDetails, TransferFlags, TransferId, TransferIndex, TransferState,
};
