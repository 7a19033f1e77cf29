//! The load generator as a process: its arguments, its figures against a scripted switch, and a run against the real one.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod aliases;
mod arguments;
mod harness;
mod iso20022;
mod latency;
mod scenarios;
mod spawned;
mod stub;
mod verdict;
