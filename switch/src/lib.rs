//! Clearspan's switch: routes instant payments between payment providers, through a durable journal, into a double-entry ledger.
//!
//! Read `pipeline.rs` first: it shows the life of a payment, stage by stage. Then `engine/`, which decides, and `server/`, which has the
//! threads and sockets.
//!
//! What this is not: a ledger (that is the crate `ledger`), a protocol (that is `adapters`). The engine has no clock, no socket, no
//! secret; the clippy bans of this crate say so.

pub mod books;
pub mod clerk;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a shell: it prints times and runs clients")]
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod digest;
pub mod directory;
pub mod engine;
pub mod entry;
pub mod events;
pub mod feed;
pub mod genesis;
pub mod history;
pub mod import;
pub mod ingress;
pub mod limits;
pub mod log;
pub mod lookup;
#[allow(clippy::disallowed_methods, reason = "a shell: it waits for files")]
pub mod offline;
pub mod operator;
pub mod outbox;
pub mod pipeline;
pub mod pki;
pub mod render;
pub mod seal;
pub mod sequencer;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: sockets, threads and timers live here"
)]
pub mod server;
pub mod session;
pub mod simulate;
pub mod snapshots;
pub mod watermarks;
