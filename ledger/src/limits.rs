//! Every bound of this crate, with its reason, and the relations between them, checked at compile time.

/// Highest amount of one transfer in minor units: the eighteen digits of ISO 20022 `ActiveCurrencyAndAmount`.
pub const AMOUNT_MAX: u64 = 999_999_999_999_999_999;

/// Accounts in one book. Handles are `u32`, so that a transfer stays within one cache line.
pub const ACCOUNTS_MAX: u32 = u32::MAX;

/// Transfers held by one book at once, for the same reason.
pub const TRANSFERS_MAX: u32 = u32::MAX;

/// Highest cap of an account: what all transfers of a full book can sum up to. A higher one would mean "no limit", and that
/// has a flag of its own.
pub const CAP_MAX: u128 = AMOUNT_MAX as u128 * TRANSFERS_MAX as u128;

/// Highest balance of an account, and sum of balances in one currency: what as many transfers can sum up to as a journal has
/// positions. Snapshots that say more are no book's.
pub const BALANCE_MAX: u128 = AMOUNT_MAX as u128 * u64::MAX as u128;

/// Items of one kind that were taken before they changed, and wait for their turn: those of a second of 200,000 changed accounts.
pub const CAPTURE_EARLY_BYTES_MAX: usize = 32 << 20;

/// A captured book is handed out in pieces of up to this size, and read back through a buffer of it: system calls and hand-overs do
/// not count, and none holds up the book for long.
pub const CAPTURE_PIECE_BYTES: usize = 256 << 10;

/// What an item of a captured table counts at least in a portion: a number of four bytes that was taken out of turn is looked for in a tree, and
/// costs as much as an item of this size. By their bytes alone, 131,072 of them made a portion of six milliseconds.
pub const CAPTURE_ITEM_BYTES_MIN: usize = 32;

/// Entries of one batch for [`Book::apply`](crate::Book::apply). It bounds the log by which a failed chain is undone, at about
/// 700 bytes an entry, to 6 MiB. As many 128-byte entries, and a header, fill a megabyte.
pub const BATCH_ENTRIES_MAX: usize = 8_190;

/// Ids whose cache lines are fetched together. What they lead to, some five lines each, fits into a core's nearest cache; about ten
/// waits for memory, of 160 ns each, are under way at once.
pub const LOOK_AHEAD_IDS: usize = 32;

/// Entries of one page of an account's history: 100 KiB.
pub const HISTORY_PAGE_MAX: usize = 1_000;

/// The usual number of history entries kept in memory of one account: 6 MiB of a busy one. Older ones are in the journal.
pub const HISTORY_PER_ACCOUNT_DEFAULT: u32 = 1 << 16;

/// Currencies are numbered densely with `u16`; there are fewer three-letter codes than numbers, so no code can be refused.
pub const CURRENCIES_MAX: u32 = 26 * 26 * 26;

/// Records begin and end at multiples of this: the page of the disk caches met in practice, so that no synced byte ever
/// shares a page with a later write.
pub const BLOCK_BYTES: u64 = 4_096;

/// The smallest segment: birth mark, one batch of one block, closing mark.
pub const SEGMENT_BYTES_MIN: u64 = 3 * BLOCK_BYTES;

/// The largest segment. A preparing file of this size still fits beside the log on a small disk, and one unit of archive or
/// repair stays a quantity that can be copied in seconds.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// The usual segment. The next one is prepared in 0.1 to 0.2 s beside the log, so a log of up to 300 MB/s never waits for it.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

/// Read-ahead of a scan that reads everything (recovery, verify): large enough that system calls do not count.
pub const SCAN_READ_BYTES: u64 = 1 << 20;

/// Read-ahead of [`JournalReader`](crate::journal::JournalReader): a single look-up must not read a megabyte.
pub const READER_READ_BYTES: u64 = 64 << 10;

/// The reader remembers the place of at most one record in this many bytes: 4 KiB of memory for a default segment.
pub const READER_INDEX_BYTES: u64 = 256 << 10;

/// Zeros are written in portions of this size, each synced, so that the log's own sync never waits behind many of them in the
/// disk's queue. Measured on a virtual disk under 60 kB a sync: the 99th percentile of append and sync is 0.5 ms with portions
/// of 256 KiB, 0.8 ms with 1 MiB, 1.9 ms with 4 MiB. What the system has cached of a segment is dropped in portions of the same size.
pub const PREPARE_WRITE_BYTES: u64 = 256 << 10;

// Snapshots.

/// A page of a snapshot's body has a checksum of its own: small enough to be held while it is checked, large enough that the
/// checksums of a state of 2 GiB are 128 KiB.
pub const SNAPSHOT_PAGE_BYTES: u64 = 64 << 10;

/// What the owner may keep with a snapshot: what is left of the 4 KiB of its head.
pub const SNAPSHOT_OWNER_BYTES_MAX: usize = 4_096 - 64;

/// Pieces travel to the thread that writes in portions of about this size, so that a hand-over does not count.
pub const SNAPSHOT_PORTION_BYTES: usize = 1 << 20;

/// So many portions may wait for the disk: 8 MiB. Then whoever gives more waits, too.
pub const SNAPSHOT_QUEUE_PORTIONS: usize = 8;

/// A number of 64 bits as an offset.
pub(crate) const fn to_usize(number: u64) -> usize {
    const { assert!(usize::BITS >= 64) };
    #[expect(clippy::cast_possible_truncation, reason = "a usize has 64 bits, asserted in the line above")]
    let offset = number as usize;
    offset
}

// The ledger.

/// Final transfers that stay in memory, 22 MiB of them: four index runs, so that submitting does not wait for the index at an
/// even load. Measured with 60 million transfers: with four times as many, in runs four times as long, what does not fit the
/// processor's caches costs a fifth of the throughput.
pub const FINAL_TRANSFERS_DEFAULT: u32 = 1 << 18;

/// Records of one run of a ledger's index.
pub const LEDGER_RUN_RECORDS_DEFAULT: u32 = 1 << 16;

/// Reservations that expire in one batch: less than a batch's entries can do.
pub const EXPIRED_PER_BATCH_MAX: usize = 4_096;

/// A snapshot is begun after so many journal bytes: ten million transfers, which are replayed in some seconds.
pub const SNAPSHOT_EVERY_BYTES_DEFAULT: u64 = 512 << 20;

/// What is captured for a snapshot between two batches: under a millisecond.
pub const CAPTURE_BYTES_PER_BATCH: usize = 1 << 20;

// The index.

/// A record of the index. Of larger ones a block would hold few.
pub const INDEX_RECORD_BYTES_MAX: usize = 256;

/// A state of a group: four u128 as variable-length integers of at most nineteen bytes, and some to spare.
pub const INDEX_STATE_BYTES_MAX: usize = 80;

/// The usual run: 30 MiB of records of 120 bytes, in memory until it is written: 0.1 to 0.2 s in a hurry.
pub const INDEX_RUN_RECORDS_DEFAULT: u32 = 1 << 18;

/// The largest run; with the batch that fills it, its places fit in 32 bits by far, and so do the bytes of its states.
pub const INDEX_RUN_RECORDS_MAX: u32 = 1 << 22;

/// Runs that are cut and not yet in files. With more the owner waits: memory is bounded, and whoever makes records faster
/// than the disk takes them must be slowed somewhere.
pub const INDEX_RUNS_UNFINISHED_MAX: usize = 2;

/// Record numbers in one chunk of a group: so many records are read at most to find a state.
pub const INDEX_CHUNK_RECORDS_MAX: usize = 512;

/// Of every so many blocks of records the time is held in memory: a time is found by four further reads.
pub const INDEX_TIME_MARK_BLOCKS: u32 = 16;

/// Records of one page of an answer: 2.5 MiB of the largest.
pub const INDEX_PAGE_RECORDS_MAX: usize = 10_000;

/// Files that the index has open at once, of however many there are.
pub const INDEX_OPEN_FILES_MAX: usize = 64;

/// Neighbours of one tier that are merged. Each file of keys is one more filter to ask of what the overview leaves open; each tier is one more time that a key is
/// written. Measured at ten million keys: with 8 there are 10 files, with 4 there are 5, and the CPU of merging differs by less
/// than can be told from noise.
pub const INDEX_MERGE_FAN_IN_DEFAULT: usize = 4;

/// The next entry is looked for among so many at most.
pub const INDEX_MERGE_FAN_IN_MAX: usize = 16;

/// What is written of an index file before it is synced, as long as nobody waits for it: the log's own sync stands behind so much, and behind the hurried
/// size once more when a hurry ends. Measured on a virtual disk, 100,000 transfers/s: beside merges the 99th percentile of a submit is 0.5 ms, beside
/// nothing 0.5 to 0.7; with 256 KiB and no rest 0.7 to 2.9 beside merges.
pub const INDEX_WRITE_BYTES: usize = 64 << 10;

/// The same once somebody waits: then syncs cost more than they spare others.
pub const INDEX_WRITE_HURRIED_BYTES: usize = 1 << 20;

/// Before the next portion the disk is left alone for as long as the last one took; never for longer, or a disk that stalled would stall merging twice.
pub const INDEX_REST_MAX_MS: u64 = 10;

/// Blocks that are read at once by who reads all of a file: 256 KiB, the quickest size measured. The system reads nothing ahead.
pub const INDEX_READ_BLOCKS: u32 = 64;

/// What is merged between two looks for a new run.
pub const INDEX_MERGE_STEP_BYTES: usize = 1 << 20;

/// The newest records whose keys are in memory and in no file of keys: 16 MiB, and a filter of 5 MiB, which a processor's caches
/// hold; a third more while they are written. So the keys of a ledger's runs are written twice less, and an unknown id asks one
/// filter for them instead of six. Opening the index reads so many records: 120 MiB of them.
pub const INDEX_KEYS_IN_MEMORY_DEFAULT: u32 = 1 << 20;

/// The most: 64 MiB of keys. Opening reads half a gigabyte.
pub const INDEX_KEYS_IN_MEMORY_MAX: u32 = 1 << 22;

/// So many sorted runs of keys are in memory, however small they are. The next key to write is looked for among all of them; runs
/// that are cut often and joined are half full, so these are the sixteen whole runs that a ledger has.
pub const INDEX_KEYS_IN_MEMORY_RUNS_MAX: usize = 32;

/// Bits of the filters for each key. Measured, of unknown ids one file cannot deny: with 12 bits 0.4 %, with 16 bits 0.08 %,
/// with 20 bits 0.03 %. At twenty million records and 14 bits, all files together, one unknown id in a hundred costs a read, and such reads take an eighth
/// of a submit's time.
pub const INDEX_FILTER_BITS_PER_KEY_DEFAULT: u32 = 18;

/// The least bits for each key of small files, and how many keys such a file has at most: their filters are a tenth of all.
pub const INDEX_FILTER_BITS_PER_KEY_SMALL: u32 = 20;
/// See [`INDEX_FILTER_BITS_PER_KEY_SMALL`].
pub const INDEX_FILTER_KEYS_SMALL: u64 = 1 << 22;

/// More bits make no better filter: only seven are set for a key.
pub const INDEX_FILTER_BITS_PER_KEY_MAX: u32 = 32;

/// Bits of the overview for each key that it is made for: full, it leaves one unknown id in thirty to the files' own filters.
pub const INDEX_OVERVIEW_BITS_PER_KEY: u32 = 8;

/// An overview is made for so many times the keys that there are. Each is filled by reading all keys once: with 2 each key is read once or twice in all.
pub const INDEX_OVERVIEW_ROOM: u64 = 2;

// The journal's closed segments.

/// A compressed segment is made of independent frames of this many plain bytes: looking up one batch decompresses one or two,
/// 0.1 ms each. Measured on segments of a switch: frames of 64 KiB make the file 2 % larger, frames of 1 MiB 0.6 % smaller.
pub const COMPRESSED_FRAME_BYTES: u64 = 256 << 10;

/// Zstandard level. Measured on segments of a switch: 1.9 times smaller at 20,000 payments/s, where half is sealed and does not
/// compress; 25 times at 1,000/s, where most is padding. Level 3 takes twice as long for the same size, level 6 eight times for
/// 2 % less.
pub const COMPRESSION_LEVEL: i32 = 1;

const _: () = {
    assert!(COMPRESSED_FRAME_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_BYTES_MAX.div_ceil(COMPRESSED_FRAME_BYTES) <= 4_096, "the table of a compressed segment is small");
};

const _: () = {
    assert!(CAP_MAX < u128::MAX / 4, "credits + cap, and debits posted + pending, fit in u128");
    assert!(BALANCE_MAX < u128::MAX / 8, "balances, caps and amounts add up within u128");
    assert!(CAPTURE_PIECE_BYTES <= SNAPSHOT_PORTION_BYTES, "a piece is not more than a portion");
    assert!(CURRENCIES_MAX <= u16::MAX as u32, "every currency has a number");
    assert!(HISTORY_PAGE_MAX <= HISTORY_PER_ACCOUNT_DEFAULT as usize);
    assert!(4 * LEDGER_RUN_RECORDS_DEFAULT <= FINAL_TRANSFERS_DEFAULT);
    assert!(BATCH_ENTRIES_MAX < LEDGER_RUN_RECORDS_DEFAULT as usize);
    assert!(BATCH_ENTRIES_MAX < TRANSFERS_MAX as usize);
    assert!(usize::BITS >= 64, "byte offsets and handles fit in a usize");
    assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_DEFAULT && SEGMENT_BYTES_DEFAULT <= SEGMENT_BYTES_MAX);
    assert!(SEGMENT_BYTES_DEFAULT.is_multiple_of(BLOCK_BYTES) && SEGMENT_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_BYTES_MAX < u32::MAX as u64, "a record's length fits its u32");
    assert!(READER_READ_BYTES >= BLOCK_BYTES && SCAN_READ_BYTES >= BLOCK_BYTES);
    assert!(PREPARE_WRITE_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!((INDEX_WRITE_BYTES as u64).is_multiple_of(BLOCK_BYTES) && INDEX_WRITE_BYTES <= INDEX_WRITE_HURRIED_BYTES);
    assert!((INDEX_WRITE_HURRIED_BYTES as u64).is_multiple_of(BLOCK_BYTES));
    assert!(INDEX_RUN_RECORDS_DEFAULT <= INDEX_RUN_RECORDS_MAX && INDEX_MERGE_FAN_IN_DEFAULT <= INDEX_MERGE_FAN_IN_MAX);
    assert!(INDEX_KEYS_IN_MEMORY_DEFAULT <= INDEX_KEYS_IN_MEMORY_MAX);
    // The filter of the newest keys is one of the better ones.
    assert!((INDEX_KEYS_IN_MEMORY_DEFAULT as u64) < INDEX_FILTER_KEYS_SMALL);
    let half_runs = INDEX_KEYS_IN_MEMORY_RUNS_MAX as u64 / 2;
    assert!(half_runs * LEDGER_RUN_RECORDS_DEFAULT as u64 == INDEX_KEYS_IN_MEMORY_DEFAULT as u64);
    // Two states a record at most, each with its length.
    let run_records = INDEX_RUN_RECORDS_MAX as u64 + 2 * BATCH_ENTRIES_MAX as u64;
    assert!(run_records * 2 * (INDEX_STATE_BYTES_MAX as u64 + 1) < u32::MAX as u64);
};
