//! Every bound of the load generator, with its reason.

use adapters::limits::{ECHO_AFTER_MS, UNACKNOWLEDGED_FRAMES_MAX};

/// Nanoseconds of a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;

/// Nanoseconds of a second.
pub const NS_PER_S: u64 = 1_000_000_000;

/// Rows of a file of aliases: mobile numbers of eight digits behind the country's code and a 7.
pub const ALIASES_MAX: u64 = 100_000_000;

/// Look-ups without an answer, over all connections: more than the switch lets wait for its directory. In an open loop, what falls due beyond waits, and its latency counts on.
pub const LOOKUPS_MAX: u32 = 1 << 19;

/// Payments a second that can be asked for: above what any one core can send.
pub const RATE_MAX: u64 = 10_000_000;

/// The longest run: a day.
pub const DURATION_S_MAX: u64 = 86_400;

/// Payments without an outcome, over all connections: twice what the switch holds open. In an open loop, what falls due beyond waits, and its
/// latency counts on.
pub const FLIGHTS_MAX: u32 = 1 << 20;

/// Payments that are not over: those without an outcome, and those of which a provider that is away has still to hear.
pub const HELD_MAX: u32 = 1 << 22;

/// Participants of a spawned switch: one open file each in both processes, which raise their limit as far as they may, and what the switch takes.
pub const PARTICIPANTS_MAX: u32 = 4_000;

/// Open files that are no connections: segments, handshakes that end, standard streams; what the switch keeps for itself, and then some.
pub const OPEN_FILES_BESIDE: u64 = 128;

/// Orders that are remembered for being submitted again long after.
pub const REMEMBERED_ORDERS_MAX: usize = 4_096;

/// Payments that are remembered for being recalled together: the oldest are let go of, and not recalled.
pub const RECALLS_REMEMBERED_MAX: usize = 1 << 16;

/// Refused orders that are remembered for not being submitted again. With more nothing is submitted again: such a switch is busy enough.
pub const REFUSED_ORDERS_MAX: usize = 1 << 16;

/// A payment sent so long after it fell due was sent late.
pub const LATE_NS: u64 = NS_PER_MS;

/// Points of the report's lines over time: more than a screen has pixels for, few enough for a report that is read at once.
pub const SAMPLES_MAX: u64 = 600;

/// The shortest time between two of them: processor time is counted in ticks of 10 ms.
pub const SAMPLE_NS_MIN: u64 = 250 * NS_PER_MS;

/// Samples that wait for the thread that completes them.
pub const SAMPLES_WAITING_MAX: usize = 64;

/// So much of a second's payments may be waiting for the switch before it counts as fallen behind, in milliseconds.
pub const BEHIND_MS: u64 = 250;

/// Faults of one run.
pub const FAULTS_MAX: usize = 10_000;

/// Payments that one turn offers before it looks at the sockets again, so that answers are never behind a backlog.
pub const OFFERED_PER_TURN_MAX: u32 = 4_096;

/// The same of a flood: its orders stand before those of the schedule, whose times are to be kept. 256 at a time made and encrypted are felt in the p99 of all others, which is measured
/// by the same thread.
pub const FLOODED_PER_TURN_MAX: u32 = 32;

/// Payment orders of one connection that the switch has not acknowledged. The other half of the queue is kept for answers: payees that could not
/// answer for want of room would hold up the very payments that fill it.
pub const UNACKNOWLEDGED_ORDERS_MAX: usize = UNACKNOWLEDGED_FRAMES_MAX / 2;

/// Messages of one ISO 20022 provider that have no fate, and so many of them orders: each waits until the switch has it on disk, so this is what arrives within a few syncs. The rest is for
/// answers, as above.
pub const ISO_POSTS_MAX: usize = 2_048;

/// See `ISO_POSTS_MAX`.
pub const ISO_ORDERS_MAX: usize = ISO_POSTS_MAX / 2;

/// How long a long poll waits, in seconds: below what the switch allows, and often enough to be seen as present.
pub const ISO_WAIT_S: u64 = 20;

/// The same of providers that only wait: as long as the switch allows, less what the clocks of two ends may differ.
pub const IDLE_WAIT_S: u64 = 55;

/// A connection on which nothing was answered for so long is broken: one long poll, and what the switch may take to decide a message.
pub const ISO_SILENCE_NS: u64 = (ISO_WAIT_S + 15) * NS_PER_S;

/// One message in so many is read with all that its schema says as well: a few for each provider in the shortest run, and next to nothing of the time.
pub const ISO_READ_IN_FULL_EVERY: u64 = 64;

/// Plaintext that one connection takes in before the others have their turn.
pub const RECEIVE_BYTES_PER_TURN: usize = 256 * 1024;

/// With so much waiting for the switch to take it, a connection is handed no more.
pub const SEND_PENDING_BYTES_MAX: usize = 256 * 1024;

/// Handshakes at a time: half of what the switch makes at once.
pub const CONNECTING_MAX: usize = 32;

/// The shortest pause between two wake-ups for the schedule. A wake-up costs this process and the switch 20 to 30 us of a core each, so above 20,000
/// payments a second those that fall due within this leave together (in busy turns, within `BUSY_TURN_NS`); the wait
/// counts as latency.
pub const PACE_NS: u64 = 50_000;

/// The shortest time between two turns in which aliases are looked up on a schedule. Those that fall due within it leave together, and the wait counts as latency; with half of this
/// nearly every one of 50,000 a second costs a system call at both ends.
pub const LOOKUP_PACE_NS: u64 = 500_000;

/// A turn in which so many connections brought something is a busy one: with 16 of them, above 30,000 payments a second.
pub const BUSY_CONNECTIONS_MIN: usize = 8;

/// The shortest time from what a busy turn received to the next turn. Meanwhile more comes in on each connection, and leaves with one system call; who turns at once writes
/// and reads nearly every frame by itself. The wait counts as latency.
pub const BUSY_TURN_NS: u64 = 200_000;

/// How often what was received is acknowledged where no other frame says so. The numbers bound what the switch keeps; nobody waits for them. Each is a
/// system call at both ends: of a thousand providers, 10,000 a second.
pub const ACKNOWLEDGE_EVERY_NS: u64 = 100 * NS_PER_MS;

/// How often silence and stalls are looked at, and progress is shown.
pub const CHECK_EVERY_NS: u64 = NS_PER_S;

/// From the last connection's welcome to the first payment.
pub const START_AFTER_NS: u64 = 10 * NS_PER_MS;

/// How long the connections may take to be made, all of them.
pub const SET_UP_NS: u64 = 60 * NS_PER_S;

/// How long payments of the schedule that could not be offered in time are still offered after its end.
pub const BACKLOG_NS: u64 = 10 * NS_PER_S;

/// How long a payment may be without an outcome before it is asked for: the scheme's time-out, and one second for the news of it.
pub const OUTCOME_NS: u64 = 11 * NS_PER_S;

/// How long after the last payment a provider comes back that was kept away for good: the scheme's time-out, so that what it was to answer has expired.
pub const RETURN_NS: u64 = 10 * NS_PER_S;

/// Between questions about the same payment.
pub const ASK_EVERY_NS: u64 = NS_PER_S;

/// How often is asked before a payment counts as unknown.
pub const ASKED_MAX: u32 = 4;

/// After the last outcome at a payer, how long it may take until the next provider hears of one: the time to connect again, and then some.
pub const TOLD_NS: u64 = 3 * NS_PER_S;

/// How long a spawned switch may take to be ready if it has nothing to recover: the disk may be slow.
pub const READY_MS: u64 = 60_000;

/// What it recovers of a journal in a millisecond, at least: a quarter of what it did where the files of the history were missing, and were made from it.
pub const RECOVERED_BYTES_PER_MS: u64 = 32 * 1024;

/// How long a spawned switch may take to stop: more than it gives its own drain.
pub const STOP_MS: u64 = 30_000;

/// How long is waited for the next line of a spawned switch's status, of which there is one a second.
pub const STATUS_MS: u64 = 3_000;

/// How often is looked for it.
pub const STATUS_LOOK_MS: u64 = 20;

/// Private parts made in advance: enough to differ, few enough to stay in the cache.
pub const PRIVATE_PARTS: usize = 64;

const _: () = {
    assert!(LOOKUPS_MAX as usize > switch::limits::DIRECTORY_WAITING_MAX);
    assert!(ISO_WAIT_S <= adapters::iso20022::limits::WAIT_MAX_S);
    assert!(ISO_WAIT_S * 1_000 < adapters::iso20022::limits::IDLE_MS);
    assert!(FLIGHTS_MAX >= 2 * switch::limits::IN_FLIGHT_MAX);
    assert!(PACE_NS <= BUSY_TURN_NS);
    assert!(RETURN_NS < OUTCOME_NS);
    assert!(HELD_MAX >= 2 * FLIGHTS_MAX);
    // Its highest bits say what a submission was.
    assert!(HELD_MAX <= 1 << 24);
    assert!(RECALLS_REMEMBERED_MAX < FLIGHTS_MAX as usize);
    assert!(PARTICIPANTS_MAX as usize <= switch::limits::CONNECTIONS_MAX);
    assert!(CONNECTING_MAX <= switch::limits::HANDSHAKES_MAX);
    assert!(STOP_MS > switch::limits::DRAIN_TIMEOUT_MS);
    assert!(CHECK_EVERY_NS < ECHO_AFTER_MS * NS_PER_MS);
};
