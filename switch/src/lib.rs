//! Clearspan's switch. Read `pipeline.rs` first.

pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod digest;
pub mod engine;
pub mod entry;
pub mod genesis;
pub mod ingress;
pub mod limits;
pub mod log;
pub mod outbox;
pub mod pipeline;
pub mod pki;
pub mod render;
pub mod seal;
pub mod sequencer;
pub mod server;
pub mod session;
pub mod watermarks;
