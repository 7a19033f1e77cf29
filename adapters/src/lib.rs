//! What payment providers speak to the switch: the canonical messages and the protocols that carry them.

pub mod check;
pub mod limits;
pub mod message;
pub mod native;
pub mod sandbox;
