//! The native protocol: frames over TLS. The format is `docs/formats/native.md`.

pub mod frame;
pub mod session;

pub mod client;
pub mod tls;

pub mod link;

mod driver;
mod inbox;
mod owned;
