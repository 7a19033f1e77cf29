//! Bounds of ISO 20022 messages, each with its reason.

/// A message with everything around it. Ten transactions with every element that people use have some 60 KiB.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// How deep elements may be nested, envelope included. The deepest of the schemas is at 14; elements of anybody (`SplmtryData`) may go further.
pub const DEPTH_MAX: usize = 32;

/// Elements of one message. The shortest has eight bytes.
pub const ELEMENTS_MAX: usize = MESSAGE_BYTES_MAX / 8;

/// Attributes of one element. ISO 20022 has one, `Ccy`; the others are namespaces.
pub const ATTRIBUTES_MAX: usize = 16;

/// Namespaces that are declared at any place: one each for envelope, header and document is what people need.
pub const NAMESPACES_MAX: usize = 32;

const _: () = assert!(ELEMENTS_MAX <= u16::MAX as usize);

/// Messages that are kept for a participant until it says that it has read them. Beyond this the switch keeps them, and the participant must read before it says more.
pub const KEPT_MAX: usize = 4_096;

/// Messages that one request reads at most.
pub const READ_MAX: usize = 100;

/// How long a request may wait for messages, in seconds: below what proxies on the way usually allow.
pub const WAIT_MAX_S: u64 = 60;

/// A participant that has not asked for so long is not there, in milliseconds: as long as a native connection may be silent.
pub const IDLE_MS: u64 = crate::limits::SILENCE_MAX_MS;

/// How long a request waits for the switch to decide its message, in milliseconds: a synced journal takes some; a payment's time-out is behind it.
pub const DECIDE_MS: u64 = 10_000;

/// How long a connection may take to send the head of a request, in milliseconds.
pub const HEAD_MS: u64 = 10_000;

/// Bytes of the head of a request. A certificate is no part of it.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long the body of a message may take to arrive, in milliseconds: the largest message needs half of it at 64 kbit/s.
pub const BODY_MS: u64 = 60_000;

/// How long what follows the largest message is still taken, and thrown away, in milliseconds. A connection that is closed on top of unread bytes is reset, and the refusal lost with it.
pub const EXCESS_MS: u64 = 5_000;

/// Requests under way on one connection of HTTP/2.
pub const STREAMS_MAX: u32 = 256;
