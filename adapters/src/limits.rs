//! Every bound of the edge, with its reason.

/// A frame on the wire, header included. Room for every private field at its longest, and no more: a reader never holds a
/// larger buffer for one frame.
pub const FRAME_BYTES_MAX: usize = 12_288;

/// The longest character of UTF-8 (RFC 3629). Limits of texts are in characters, and so many bytes for each.
pub const UTF8_CHARACTER_BYTES_MAX: usize = 4;

/// ISO 20022 Max140Text, at four bytes a character.
pub const NAME_BYTES_MAX: usize = 560;

/// ISO 20022 AccountIdentification4Choice: an IBAN has at most 34 characters; other schemes stay below this.
pub const ACCOUNT_BYTES_MAX: usize = 64;

/// ISO 20022 Max35Text, at four bytes a character.
pub const END_TO_END_ID_BYTES_MAX: usize = 140;

/// ISO 20022 unstructured remittance information, Max140Text.
pub const REMITTANCE_BYTES_MAX: usize = 560;

/// What another protocol carries and the switch does not use.
pub const EXTENSION_BYTES_MAX: usize = 8_192;

/// An alias in canonical form: an e-mail address has at most 254 bytes (RFC 5321, 4.5.3.1.3, without the brackets).
pub const ALIAS_BYTES_MAX: usize = 254;

/// An alias as a provider sends it: with the spaces, brackets and upper case that people write.
pub const ALIAS_SENT_BYTES_MAX: usize = 320;

/// A token of an ID system, or of an end user.
pub const TOKEN_BYTES_MAX: usize = 64;

/// An attestation: a compact JWS with a dozen short claims has some 600 bytes.
pub const ATTESTATION_BYTES_MAX: usize = 2_048;

/// What a provider asks about at once, and what one answer holds.
pub const DIRECTORY_ITEMS_BYTES_MAX: usize = 8_192;

/// Aliases that are asked about at once.
pub const EXISTENCE_ALIASES_MAX: usize = 256;

/// A participant's code outside: a BIC or a scheme code. ISO 20022 Max35Text.
pub const PARTICIPANT_CODE_BYTES: usize = 35;

/// Connections that one participant may have at a time, each in a slot of its own: one more than it needs, so that a line may break without anybody waiting.
pub const CONNECTION_SLOTS: usize = 2;

/// Bytes of frames that came over one of two connections and are held until a gap before them closes: seconds of a provider's traffic. Beyond this both connections are made anew,
/// and everything comes again in order.
pub const ARRIVALS_AHEAD_BYTES_MAX: usize = 16 << 20;

/// How long a new connection may take to say `Hello`, in milliseconds.
pub const HELLO_TIMEOUT_MS: u64 = 5_000;

/// A side that has been silent for so long sends an `Echo`, in milliseconds.
pub const ECHO_AFTER_MS: u64 = 10_000;

/// A connection silent for so long is dead and is cut, in milliseconds.
pub const SILENCE_MAX_MS: u64 = 30_000;

/// How long a peer may stay in the middle of a frame, or take nothing of what waits for it, in milliseconds.
pub const STALL_MAX_MS: u64 = 10_000;

/// Frames of a provider that the switch has not acknowledged yet. Far above what is on the way at a million messages a second
/// and 10 ms; a provider whose switch is away may collect as many before it is told to wait.
pub const UNACKNOWLEDGED_FRAMES_MAX: usize = 65_536;

/// Bytes of those frames: 512 for each.
pub const UNACKNOWLEDGED_BYTES_MAX: usize = 32 << 20;

/// Messages that a provider has handed to a `Client` and its driver has not taken yet. Small: behind it is the queue of
/// unacknowledged frames.
pub const COMMANDS_WAITING_MAX: usize = 4_096;

/// Of those, how many one turn of the driver takes before it looks at the socket again.
pub const COMMANDS_PER_TURN_MAX: usize = 1_024;

/// Events that wait for a provider. With so many the driver stops receiving; one read may still add its own.
pub const EVENTS_WAITING_MAX: usize = 16_384;

/// Plaintext that one turn of a client's driver takes from the connection.
pub const RECEIVE_BYTES_MAX: usize = 256 * 1024;

/// With so many bytes waiting for the switch to take them, a client's driver hands over no more; it goes on receiving.
pub const SEND_PENDING_BYTES_MAX: usize = 256 * 1024;

/// Turns of a client's driver after which other tasks of the same thread get theirs.
pub const TURNS_PER_WAKE_MAX: usize = 8;

/// How long a connection, and then its TLS handshake, may take to be made, in milliseconds each, at either end. A remote region's line answers
/// within one second; a machine that is gone never.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 5_000;

/// The longest pause after a first failed attempt to connect, in milliseconds. It doubles with each.
pub const RETRY_FIRST_MS: u64 = 100;

/// The longest pause between attempts, in milliseconds: a switch that is back is found within this.
pub const RETRY_MAX_MS: u64 = 5_000;

/// The longest pause where somebody must do something first, in milliseconds.
pub const RETRY_SLOW_MS: u64 = 30_000;

/// A connection that lasted so long was a good one: after it the pauses begin small again, in milliseconds.
pub const STEADY_AFTER_MS: u64 = 5_000;

/// How long a shutdown waits for the switch to acknowledge what is on its way, and again for it to close, in milliseconds.
pub const SHUTDOWN_MS: u64 = 1_000;

/// Customers of a sandbox provider.
pub const SANDBOX_CUSTOMERS_MAX: usize = 100_000;

/// Payments that a sandbox provider has in flight, in each direction.
pub const SANDBOX_IN_FLIGHT_MAX: usize = 16_384;

/// Decided payments that a sandbox provider remembers, so that none is credited twice where they come again, and that its customers can return.
pub const SANDBOX_SETTLED_MAX: usize = 65_536;

/// Payments that a sandbox provider has accepted without posting, and not posted yet. Beyond this it posts at once.
pub const SANDBOX_UNPOSTED_MAX: usize = 16_384;

/// Answers and second submissions that a sandbox provider has put off. Beyond this a payment gets no answer and expires.
pub const SANDBOX_PUT_OFF_MAX: usize = 16_384;

/// Observations of a sandbox provider that wait to be read. Beyond this they are counted and forgotten: who watches must never
/// hold up a payment.
pub const SANDBOX_OBSERVATIONS_MAX: usize = 65_536;

const _: () = {
    let private_max = 56
        + 2 * NAME_BYTES_MAX
        + 2 * ACCOUNT_BYTES_MAX
        + END_TO_END_ID_BYTES_MAX
        + REMITTANCE_BYTES_MAX
        + EXTENSION_BYTES_MAX;
    assert!(crate::native::frame::HEADER_BYTES + 128 + private_max <= FRAME_BYTES_MAX);
    // Frames of everyday length meet the limit of frames first.
    assert!(512 * UNACKNOWLEDGED_FRAMES_MAX <= UNACKNOWLEDGED_BYTES_MAX);
    // Two echoes may be lost before a connection counts as dead.
    assert!(3 * ECHO_AFTER_MS <= SILENCE_MAX_MS);
};
