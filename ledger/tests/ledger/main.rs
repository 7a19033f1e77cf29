//! The ledger as a whole: book, journal, index and snapshots together, against a book that forgets nothing.

mod crash;
mod history;
mod live;
mod model;
mod requests;
mod room;
