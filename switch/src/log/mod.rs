//! The log: gives batches their place and says when they are durable. There is one, on this machine's disk.

pub mod local;
