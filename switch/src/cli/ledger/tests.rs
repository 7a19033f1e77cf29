//! The commands over a journal that is written by hand: every output, every bad input, damage, and random histories.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod damage;
pub(in crate::cli) mod history;
mod inputs;
mod outputs;
#[cfg(feature = "parquet")]
mod parquet;
mod sums;
