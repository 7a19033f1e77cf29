//! The journal holds what was sent: every entry is, byte for byte, an order or an answer that its sender handed in; positions have no gap, and time
//! never goes back. The auditor looks at every batch that is on disk.

pub(in super::super) const NAME: &str = "the journal holds what was sent";
