//! The edge from outside: the format and its document, the checks, the session, the client, the sandbox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod client;
mod directory;
mod document;
mod golden;
mod properties;
mod sample;
mod sandbox;
mod scripted;
mod session;
mod two_connections;
