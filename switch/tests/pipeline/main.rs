//! The switch without sockets, files and clocks: rules against tables and a second engine, the journal against power cuts, sessions
//! against their document. Everything is decided by seeds; a test that fails prints its own.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![allow(clippy::cast_possible_truncation, reason = "numbers of a test are small")]

mod orders;

mod language;

mod aliases;
mod cases;
mod returns;
mod rules;
mod states;
mod sweep;
mod window;

mod model;

mod flows;

mod hub;
mod provider;

mod replay;

mod snapshots;

mod golden;

mod books;

mod traffic;

mod crash;

mod catch_up;

mod memory;

mod wire;

mod sessions;

mod two_lines;

mod pair;

mod presence;

mod cursors;

mod conduct;

mod lanes;

mod pauses;

mod door;

mod scheme;
