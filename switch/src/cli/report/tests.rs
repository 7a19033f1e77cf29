//! The reports over journals that are written by hand: a day letter by letter, bad input, damage, the bank's files, and random histories.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod bank;
mod day;
mod document;
mod everybody;
mod inputs;
mod sums;
