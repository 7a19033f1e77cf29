//! The native protocol: frames over TLS. The format is `docs/formats/native.md`.

pub mod frame;
pub mod session;

pub mod pair;

pub mod client;
pub mod tls;

pub mod link;

mod arrivals;
mod driver;
mod inbox;
mod line;
mod owned;
mod translator;
