//! The directory against its rules: commands at random, each result and each byte of the store compared with a model that was written from
//! `docs/directory-rules.md` and `docs/formats/directory.md` alone. The simulator's store and the one on disk are put to the same.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![allow(clippy::cast_possible_truncation, reason = "numbers of a test are small")]

mod edge;
mod model;

mod memory;

mod disk;

mod twins;

mod sizes;

mod clerk;
