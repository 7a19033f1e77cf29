//! The switch from outside: the real binary, real TLS sockets, real files, and real ends by SIGKILL.
//!
//! `harness` starts and stops processes, `wire` is a provider's connection byte by byte, `operators` gives commands, and each other file proves one promise.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests are the world around the switch: its clocks, threads and sockets"
)]

mod harness;
mod operators;
mod wire;

// In the order in which they run: what waits longest begins first.
mod admin;
mod blocked;
mod busy;
mod cases;
mod command;
mod directory;
mod disk;
mod door;
mod frames;
mod history;
mod iso20022;
mod kill;
mod ledger;
mod outcomes;
mod payments;
mod privacy;
mod resume;
mod scheme;
mod snapshots;

mod presence;
mod two_connections;

// Not part of the gate: `make torture`.
mod torture;
