//! Every bound of the switch, with its reason and the relations between them.

use adapters::limits::{CONNECTION_SLOTS, FRAME_BYTES_MAX};
use adapters::native::link::READ_BYTES;

/// Nanoseconds in a millisecond: bounds are given in milliseconds, time in nanoseconds.
pub const NS_PER_MS: u64 = 1_000_000;

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000 * NS_PER_MS;

/// Digits after the decimal point: ISO 4217 has at most four.
pub const MINOR_DIGITS_MAX: u8 = 4;

/// Participants of a scheme. A handle is 32 bits; this is what tables are tested for.
pub const PARTICIPANTS_MAX: u32 = 100_000;

/// Currencies of a scheme: few, searched from the front.
pub const CURRENCIES_MAX: usize = 64;

/// Outcomes that the engine holds where the genesis says nothing else: those of the longest time-out, ten seconds of 50,000 payments a second, so
/// that a repetition that comes in time costs no look-up. Older ones are in the history; no answer depends on this number. Each look-up reads this memory at
/// random: twice as many cost a tenth of the highest rate.
pub const OUTCOMES_KEPT_DEFAULT: u32 = 1 << 19;

/// Outcomes that rules may tell the engine to hold: 5 GiB of memory.
pub const OUTCOMES_KEPT_MAX: u32 = 1 << 26;

/// Payments for which tables have room from the start: a table that grows stops the hot loop for as long as it takes to move what is in
/// it, 0.1 s at a million. Room that is not used costs about 10 MB of memory; the rest is address space.
pub const PAYMENTS_EXPECTED: u32 = OUTCOMES_KEPT_DEFAULT + IN_FLIGHT_MAX;

/// Deadlines of decided payments that are held, 6 MiB: those of a second of 250,000 payments. With more, each batch looks at some and keeps
/// those of open payments.
pub const DEADLINES_DECIDED_MAX: usize = 1 << 18;

/// Deadlines that a batch looks at, where too many are held, beside twice its entries: so they become fewer, and no batch stops for long.
pub const DEADLINES_SWEPT_MIN: usize = 1_024;

/// Lists of deadlines that wait to be used again: those of half a second.
pub const DEADLINE_SPOKES_SPARE_MAX: usize = 128;

/// Orders, returns, cases and questions of one participant a second, where the configuration says nothing else: twice what one of sixteen sends when all of them
/// together send all that the switch takes.
pub const ORDERS_PER_SECOND_DEFAULT: u32 = 50_000;

/// What a participant may send at once after a pause: what it may have in flight.
pub const ORDERS_BURST_DEFAULT: u32 = IN_FLIGHT_PER_PARTICIPANT_MAX;

/// Bulk orders that a batch takes however few retail orders are in it: 0.1 ms of work, so that bulk flows and retail does not notice.
pub const BULK_PER_BATCH_MIN: usize = 256;

/// Bulk orders that wait for room, over all connections. Above this the answer is `busy`. One is at most a frame: 400 MB at worst, 16 MB of the usual.
pub const BULK_WAITING_MAX: usize = 32_768;

/// Of these, of one connection, so that one that sends a file leaves room for others.
pub const BULK_WAITING_PER_SESSION_MAX: usize = 4_096;

/// Purpose codes that rules can put into the bulk lane: salaries, pensions, benefits, taxes and the like, and their place in the entry is fixed.
pub const BULK_PURPOSES_MAX: usize = 8;

/// Days that rules may give a case, or a payment until it cannot be recalled: ten years.
pub const CASE_DAYS_MAX: u64 = 3_653;

/// Open cases that one participant may have opened, a quarter of a KiB each: the recalls of a bad day. Above this the answer is `busy`.
pub const CASES_OPEN_PER_PARTICIPANT_MAX: u32 = 1 << 17;

/// Open cases of the whole switch: 256 MiB. Above this the answer is `busy`.
pub const CASES_OPEN_MAX: u64 = 1 << 20;

/// References of money paid in that the engine keeps: a thousand a day for three years, 64 MiB.
pub const FUNDS_IN_MAX: usize = 1 << 20;

/// Times of a day at which windows of a cycle close by themselves: one each half hour.
pub const CUT_OFFS_PER_DAY_MAX: usize = 48;

/// Holidays in a calendar: those of some years, which are set anew before they are used up.
pub const HOLIDAYS_MAX: usize = 64;

/// Categories of participants by how many aliases they may look up: A to H, as in Brazil's DICT.
pub const LOOKUP_CATEGORIES: usize = 8;

/// Entries of the directory that one journal entry puts under a new hash key: 10 KiB, a millisecond of the directory's thread.
pub const REHASHED_ROWS_MAX: usize = 128;

/// Ends of the classes in which look-ups are answered, in milliseconds after their frame was read: found or not, with the page in memory or not, the answer leaves at
/// the end of the first that it reaches. The first is what a look-up takes at the most where all is at hand; each is some hundred times what the two ways differ by.
pub const DELAY_CLASSES_MS: [u64; 18] = [2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256];

/// So long after its frame was read a look-up is journaled at the latest, if nothing else is: a quarter of the first class, the rest is for the clerk and the disk. With half of it, one in some
/// misses the class.
pub const LOOKUPS_GATHERED_NS: u64 = NS_PER_MS / 2;

/// Frames about aliases that wait for a clerk, the directory or the end of a delay class, over all connections: a second of the highest rate. Above this the answer is `busy`.
pub const DIRECTORY_WAITING_MAX: usize = 1 << 18;

/// The same of one connection.
pub const DIRECTORY_WAITING_PER_SESSION_MAX: usize = 1 << 15;

/// Blocks of the directory's store that are kept in memory: what is asked for lately. With the filters of 100 million entries, 120 MB, the switch took 737 MiB at the most.
pub const DIRECTORY_CACHE_BYTES: u64 = 192 << 20;

/// The store's own journal, which a start reads: a quarter of what the library takes by itself. What is older is in tables by then.
pub const DIRECTORY_JOURNAL_BYTES: u64 = 128 << 20;

/// Changes of the aliases that are gathered in memory before they are written to a file; of every other space a third of that.
pub const DIRECTORY_MEMTABLE_BYTES: u64 = 24 << 20;

/// A table of the store. Its workers look for merges as often as they are many for each memtable that was written, and then wait: with tables of half of this, deep levels can need more merges
/// than that (with one worker they did, at 40 million entries), and whoever writes waits for ever. With this they need half as many.
pub const DIRECTORY_TABLE_BYTES: u64 = 128 << 20;

/// Look-ups of a volume of who has looked up what: some megabytes of memory until it is written. Who asks for those of an alias looks once into each.
pub const LOOKUPS_PER_VOLUME: usize = 1 << 16;

/// Of one page of a volume: what the store keeps as one block.
pub const LOOKUPS_PER_PAGE: usize = 128;

/// Pages of a volume that are written at a time, 200 KB: the rest waits for the next time, so that a volume holds up nobody. While as many look-ups as a volume has are written
/// in rows there is time for the whole one before.
pub const LOOKUP_PAGES_PER_WRITE: usize = 48;

/// Look-ups that are in no row of the store yet: with more of them nothing waits for the next sync.
pub const LOOKUPS_PER_ROW_MAX: usize = 1 << 12;

/// Volumes in which one question about who has looked up an alias is looked for: 17 million look-ups, some milliseconds of the clerk.
pub const LOOKUP_VOLUMES_PER_ANSWER_MAX: usize = 256;

/// Results of commands that the directory keeps for whoever repeats one: those of a busy day.
pub const DIRECTORY_COMMANDS_KEPT: u64 = 1 << 20;

/// How often an entry is read again because a command destroyed what it was sealed under: each time takes a command about the same alias, within microseconds.
pub const ENTRY_READS_MAX: usize = 8;

/// Attestations that have ended and are let go with one batch.
pub const NONCES_PURGED_PER_BATCH_MAX: usize = 256;

/// Aliases that the engine remembers to have been touched. A payment that was resolved before the oldest of them is resolved once more: at 50,000 commands a second that is a second.
pub const TOUCHED_ALIASES_MAX: usize = 1 << 16;

/// End users whose buckets are not full, 400 MB where all are there: those of an answer each, at 50,000 a second, until it has refilled.
pub const LOOKUP_USERS_MAX: usize = 1 << 22;

/// Tokens that a bucket of look-ups can hold: they are counted in parts, 60 billion of each, in 64 bits.
pub const LOOKUP_CAPACITY_MAX: u32 = 100_000_000;

/// Keys of ID systems that are trusted at a time.
pub const ISSUER_KEYS_MAX: usize = 64;

/// Batches that are on their way to the directory.
pub const DIRECTORY_BATCHES_MAX: usize = 1_024;

/// Batches that found no room on that way. With so many more nobody looks anything up until the directory has come after.
pub const DIRECTORY_BATCHES_HELD_MAX: usize = 256;

/// Rows of an imported file that are journaled as one batch: with 400 bytes each, 3 MiB. The directory reads and writes a batch in the order of keys, which is the
/// cheaper the closer they lie together.
pub const IMPORT_ROWS_PER_BATCH: usize = 8_192;

/// Batches of an import that wait for the directory.
pub const IMPORT_BATCHES_MAX: usize = 16;

/// Rows of a tariff: they are read at each posting, and must fit into one entry.
pub const TARIFF_ROWS_MAX: usize = 256;

/// Tariffs that wait to come into force.
pub const TARIFFS_WAITING_MAX: usize = 8;

/// Orders of money that are prepared and not decided. People make them, and the settlement bank answers within the day.
pub const ORDERS_OPEN_MAX: usize = 65_536;

/// Windows of a cycle that are closed and not settled. Each holds a net for each participant.
pub const WINDOWS_UNSETTLED_MAX: usize = 32;

/// What the operator has set, in a snapshot: it is taken in one portion, of some MiB with all participants, windows and orders.
pub const SCHEME_BYTES_MAX: u64 = 1 << 30;

/// Certificates of one participant at a time: some in use, some for the change.
pub const CERTIFICATES_MAX: usize = 8;

/// Open payments of the whole switch: what a restart must hold in memory, and ten seconds of 26,000 a second that nobody answers.
pub const IN_FLIGHT_MAX: u32 = 262_144;

/// Open payments of one participant. Above this the answer is `busy`.
pub const IN_FLIGHT_PER_PARTICIPANT_MAX: u32 = 131_072;

/// Credit transfers that one batch takes. Above this the answer is `busy`: the disk is slower than the network.
pub const INGRESS_TRANSFERS_MAX: usize = 65_536;

/// Status requests, and answers that no payment waits for, that wait for the batch before them.
pub const QUESTIONS_MAX: usize = 65_536;

/// What one connection may hand in before the others have had their turn.
pub const RECEIVE_BYTES_PER_TURN: usize = 256 * 1024;

/// The same of a connection of which something was turned away when it was last read. With a quarter of `READ_BYTES` the payments of others that come meanwhile wait for
/// 80 refusals, less than 0.1 ms; with all of it the others' p99 went up by a third.
pub const RECEIVE_BYTES_OVER_RATE: usize = 16 * 1024;

/// How long such a connection is not read from at most, in milliseconds. With the bound above, refusing takes less than a tenth of the hot loop's time from whoever sends
/// as fast as it can. Not longer, because its answers stand behind its orders: 10 MB of those, what sockets hold, are dealt with in less than a second, and a payee has two
/// to answer.
pub const PAUSE_MS_MAX: u64 = 1;

/// A batch that has grown to this takes nothing more until it is journaled; the rest waits in the sockets.
pub const BATCH_BYTES_CUT: usize = 8 * 1024 * 1024;

/// The longest batch: one turn of one connection can follow the cut, and sealing adds to each frame.
pub const BATCH_BYTES_MAX: usize = BATCH_BYTES_CUT + 4 * RECEIVE_BYTES_PER_TURN;

/// Default size of a journal segment.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// With so much waiting for one connection to take it, encrypted, nothing more is written to it: its outbox waits, and nothing is read from it. One turn may
/// go beyond by the next limit, and by a rendered portion of each lane.
pub const OUTGOING_BYTES_MAX: usize = 1024 * 1024;

/// What the messages of one turn may add to that: the forwards of 8,192 payments. The rest comes from the journal, which costs ten times as much; with 1 MiB in all, a
/// payee of 70 in 100 payments took a third of the throughput from everybody.
pub const OUTGOING_BYTES_PER_TURN_MAX: usize = 4 * 1024 * 1024;

/// Outbox records that one request to the renderer may ask for.
pub const RENDER_RECORDS_MAX: usize = 256;

/// A rendered portion ends once it is so long; one frame may follow.
pub const RENDER_BYTES_MAX: usize = 512 * 1024;

/// Outbox records of one lane that are held although they are in the history: as many as one request to the renderer asks for, so that who fell behind for a
/// moment costs no look-up. 12 KiB a participant.
pub const OUTBOX_RECORDS_KEPT_MAX: usize = RENDER_RECORDS_MAX;

/// Outbox records that one turn lets go beside twice what came: a run of the index becomes durable at once, and 8,192 records take 0.1 ms.
pub const OUTBOX_RECORDS_LET_GO: usize = 8_192;

/// Payment orders and questions that wait for the history, over all connections. Above this the answer is `busy`. An order is at most one frame: 50 MB at worst.
pub const HISTORY_WAITING_MAX: usize = 4_096;

/// Of these, of one connection: who repeats what is long past must not take the others' places.
pub const HISTORY_WAITING_PER_SESSION_MAX: usize = 512;

/// Records of the history that become files at once: 65,536 payments, 10 MB. The engine's window must outlast them, below.
pub const HISTORY_RUN_RECORDS: u32 = 1 << 17;

/// History records that one question about payments takes from the hot loop's memory, or a page from files: 0.4 MB, which cost the hot loop 50 us to copy.
pub const LOOKUP_RECORDS_MAX: usize = 4_096;

/// Slots of payments that the hot loop looks through for one question about what is in flight: 1.3 MB are read.
pub const LOOKUP_SLOTS_MAX: usize = 16_384;

/// Who may look payments up at a time, through the socket in the data directory: each has a thread and reads the disk.
pub const LOOKUP_CONNECTIONS_MAX: usize = 4;

/// The longest question about payments: all filters with their longest values are a tenth of it.
pub const LOOKUP_REQUEST_BYTES_MAX: usize = 4_096;

/// A question must have come whole in this time, in milliseconds.
pub const LOOKUP_REQUEST_MS: u64 = 5_000;

/// Whoever takes nothing of an answer for so long gets no more of it, in milliseconds.
pub const LOOKUP_STALL_MS: u64 = 30_000;

/// So long a question waits for the hot loop, in milliseconds: a turn takes less than a second unless the disk stands still.
pub const LOOKUP_HOT_LOOP_MS: u64 = 10_000;

/// An operator's name, in an entry: as a participant's code.
pub const OPERATOR_NAME_BYTES: usize = 35;

/// Why an operator does something, in an entry: a sentence. With two names it fits an annotation.
pub const REASON_TEXT_BYTES: usize = 140;

/// Operators' commands that wait for their batch. One goes into each, so that it is checked against the state that it changes.
pub const COMMANDS_WAITING_MAX: usize = 16;

/// The longest entry of an operator's command: header, signature and what it says, be it a table of some hundred rows.
pub const COMMAND_BYTES_MAX: usize = 16_384;

/// So long a command waits until its batch can take it, in milliseconds: a window that becomes smaller waits for the history's files.
pub const COMMAND_WAIT_MS: u64 = 5_000;

/// Who may administer a switch at a time, through the socket in its data directory.
pub const ADMIN_CONNECTIONS_MAX: usize = 4;

/// The longest administrative request: the longest command, as text.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 8 * COMMAND_BYTES_MAX;

/// Events of one file of the operator's stream: 16 MiB, which a start reads once to see where the stream ends.
pub const EVENTS_PER_FILE: u64 = 1 << 18;

/// Files of that stream; the oldest goes when another is begun. 16 million events, 1 GiB: a million nets a week for four months.
pub const EVENT_FILES_MAX: usize = 64;

/// Batches with events that wait for their thread. They are few, a command or a cut-off each; with more, the disk stands still, and the journal too.
pub const EVENT_BATCHES_WAITING_MAX: usize = 1_024;

/// How long whoever follows the stream waits before it asks for more, in milliseconds: each time is a connection of its own, so followers leave the others their places.
pub const EVENTS_LOOK_MS: u64 = 250;

/// Rows of one page of what operators look at: the hot loop makes it between two batches, in less than a millisecond.
pub const VIEW_ROWS_MAX: usize = 1_000;

/// So long an administrator waits for the hot loop, in milliseconds: longer than a command waits there.
pub const ADMIN_HOT_LOOP_MS: u64 = COMMAND_WAIT_MS + LOOKUP_HOT_LOOP_MS;

/// After a connection to a socket in the data directory could not be taken, the next is tried after so long, in milliseconds.
pub const LOCAL_ACCEPT_PAUSE_MS: u64 = 200;

/// Stretches of numbers of one lane that are remembered because they were given to one of two connections and not acknowledged: 64 KiB. Two connections take
/// turns, so it is a stretch a turn: a second and more of turns, where a provider acknowledges in each of its own. With more, all goes to one connection until it does.
pub const SPANS_MAX: usize = 4_096;

/// Requests that wait for the renderer, over all connections.
pub const RENDER_REQUESTS_MAX: usize = 1_024;

/// Threads that serve HTTPS, on any machine: each reads and answers 15,000 payments a second, so that eight of them bring more than other threads take.
pub const HTTPS_THREADS_MAX: usize = 8;

/// Bytes on their way in each direction between the hot loop and an adapter in this process: as much as a socket holds.
pub const PIPE_BYTES: usize = 256 * 1024;

/// Connections that wait to enter the hot loop.
pub const ARRIVALS_MAX: usize = 1_024;

/// Connections at a time: a file descriptor each, about 30 KiB when idle; at their worst 15 MiB, half of it the buffer of
/// a turn, for a second.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Connections of one participant at a time: two in use, others that are being made or have not noticed their end.
pub const CONNECTIONS_PER_PARTICIPANT_MAX: usize = 8;

/// Connections of a technical provider for each participant that it connects for: two in use, two that are being made.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 4;

/// And in all, however many these are: it leaves room for everybody else.
pub const CONNECTIONS_PER_TECHNICAL_PROVIDER_MAX: usize = CONNECTIONS_MAX / 4;

/// Handshakes at a time. One that is waited for costs a file descriptor and a few KiB; more than so many at once are an attack.
pub const HANDSHAKES_MAX: usize = 2_048;

/// File descriptors that are not for connections: segments, key ring, standard streams.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// A connection's receive buffer that has grown beyond this is given back when it is quiet.
pub const INBOUND_BYTES_KEPT: usize = 64 * 1024;

/// Unwrapped keys that the renderer keeps: those of a day of a few hundred participants.
pub const RENDER_KEYS_KEPT_MAX: usize = 1_024;

/// Overdue payments that one batch expires, so that a hundred thousand of them do not stop the pipeline.
pub const EXPIRED_PER_BATCH_MAX: usize = 1_024;

/// How often what a participant has acknowledged is journaled, in journal time: it bounds what need be kept, and an entry a second costs nothing.
pub const ACKNOWLEDGED_EVERY_NS: u64 = 1_000 * NS_PER_MS;

/// Participants whose acknowledgements one batch takes: as many as can be connected.
pub const ACKNOWLEDGED_PER_BATCH_MAX: usize = CONNECTIONS_MAX;

/// Participants that one batch calls absent or present: at a start with 100,000 that are not there the rest comes with the next ones.
pub const PRESENCES_PER_BATCH_MAX: usize = 1_024;

/// How long a participant may be without a connection before nobody can pay it, in milliseconds, where the configuration says nothing else: a provider that
/// restarts, or finds another way, is back before that, and half of a payment's time is left.
pub const ABSENCE_GRACE_MS_DEFAULT: u64 = 5_000;

/// How long an absent participant must have been connected before it can be paid, in milliseconds, where the configuration says nothing else.
pub const PRESENCE_SETTLE_MS_DEFAULT: u64 = 200;

/// The longest that a configuration may make either, in milliseconds: a day.
pub const PRESENCE_WAIT_MS_MAX: u64 = 86_400_000;

/// Idleness after which a sync mark is written, in nanoseconds (design of the journal: what is behind a mark is known to be on disk).
pub const MARK_AFTER_NS: u64 = 10_000_000;

/// While a frame waits until more is indexed, a turn looks for that so often, in journal time: the files are written elsewhere, and nothing else may come.
pub const INDEXED_LOOK_NS: u64 = NS_PER_MS;

/// Journal entries between two snapshots where the configuration says nothing else: those of two million payments. A start replays no more
/// than these and what came while the next snapshot was made, two and a half million at the highest rate: in six seconds
/// (`benches/results/2026-11-22-payments.md`). A snapshot of a full window costs the hot loop an eighth of a second, in portions: at the highest rate one in sixty of its time.
pub const SNAPSHOT_EVERY_ENTRIES_DEFAULT: u64 = 4_000_000;

/// The least that a configuration may ask for: each snapshot costs the disk the whole state.
pub const SNAPSHOT_EVERY_ENTRIES_MIN: u64 = 100;

/// What is captured for a snapshot between two batches: half a millisecond.
pub const SNAPSHOT_BYTES_PER_TURN: usize = 512 * 1024;

/// While a snapshot waits for its disk or for the history's files, a turn looks for that so often, in journal time.
pub const SNAPSHOT_LOOK_NS: u64 = 10 * NS_PER_MS;

/// `busy` suggests to wait so long, in milliseconds: a few batches of a slow disk.
pub const BUSY_RETRY_MS: u32 = 50;

/// How long a connection that was ended from here is still read from, in milliseconds. A socket that is closed with unread bytes takes back
/// what was sent last, and with it the reason.
pub const LINGER_MS: u64 = 1_000;

/// How long a draining switch waits for open payments and slow readers, in milliseconds.
pub const DRAIN_TIMEOUT_MS: u64 = 3_000;

const _: () = {
    assert!(
        LOOKUPS_PER_VOLUME / LOOKUPS_PER_ROW_MAX > LOOKUPS_PER_VOLUME / (LOOKUPS_PER_PAGE * LOOKUP_PAGES_PER_WRITE)
    );
    assert!(IN_FLIGHT_PER_PARTICIPANT_MAX <= IN_FLIGHT_MAX);
    assert!(BULK_WAITING_PER_SESSION_MAX <= BULK_WAITING_MAX);
    // Outcomes that are not indexed, open payments and a batch fit the window, so that nobody is told `busy` while the index keeps up:
    // at worst all records of a run are outcomes.
    assert!((HISTORY_RUN_RECORDS + IN_FLIGHT_MAX) as usize + INGRESS_TRANSFERS_MAX <= OUTCOMES_KEPT_DEFAULT as usize);
    assert!(HISTORY_WAITING_PER_SESSION_MAX <= HISTORY_WAITING_MAX);
    // Who replaces both of its connections needs as many more, for a moment.
    assert!(2 * CONNECTION_SLOTS <= CONNECTIONS_PER_PARTICIPANT_MAX);
    // A batch that one connection's turn has taken beyond the cut has room for what the switch observes, entries of at most 64 bytes, and for a command.
    let observed = 64 * (ACKNOWLEDGED_PER_BATCH_MAX + PRESENCES_PER_BATCH_MAX);
    assert!(BATCH_BYTES_CUT + 2 * RECEIVE_BYTES_PER_TURN + observed + 2 * COMMAND_BYTES_MAX <= BATCH_BYTES_MAX);
    assert!(REHASHED_ROWS_MAX * 80 + 64 <= COMMAND_BYTES_MAX);
    // The length of an annotation is a byte.
    assert!(2 * OPERATOR_NAME_BYTES + REASON_TEXT_BYTES <= 255);
    // A batch must fit a segment with room to spare.
    assert!((BATCH_BYTES_MAX as u64) * 4 <= SEGMENT_BYTES_DEFAULT);
    // A turn must be able to take at least one whole frame, and one read of the socket.
    assert!(FRAME_BYTES_MAX <= RECEIVE_BYTES_PER_TURN && READ_BYTES <= RECEIVE_BYTES_PER_TURN);
    assert!(FRAME_BYTES_MAX <= RECEIVE_BYTES_OVER_RATE && RECEIVE_BYTES_OVER_RATE <= RECEIVE_BYTES_PER_TURN);
    // A rendered portion must fit what may wait for a connection, or a slow reader would be left alone for too long.
    assert!(RENDER_BYTES_MAX + FRAME_BYTES_MAX <= OUTGOING_BYTES_MAX);
    // Who takes everything gets at least what who is slow may leave lying; and no more can come of one batch.
    assert!(OUTGOING_BYTES_MAX <= OUTGOING_BYTES_PER_TURN_MAX && OUTGOING_BYTES_PER_TURN_MAX <= BATCH_BYTES_MAX);
};
