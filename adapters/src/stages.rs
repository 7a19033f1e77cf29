//! Which stage of the hot loop is at work, and for how long: the figures of `make stages`.
//!
//! Each stage is a function that runs its closure. Without the feature `stages` it is the closure and nothing else. With it the clock is read at both
//! ends, time within an inner stage counts for the inner one alone, and every stage is a function of its own that a profiler finds by name. The table
//! belongs to the thread.
//!
//! It must never decide anything: what it measures goes nowhere but into the table.

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident $place:literal;)*) => {
        /// The stages, in the order of a payment's way. What is in none of them is `rest`.
        pub const NAMES: &[&str] = &[$(stringify!($name),)* "rest"];

        $(
            $(#[$doc])*
            #[cfg_attr(feature = "stages", inline(never))]
            #[cfg_attr(not(feature = "stages"), inline(always))]
            pub fn $name<T>(work: impl FnOnce() -> T) -> T {
                clock::within($place, work)
            }
        )*
    };
}

stages! {
    /// The system call that reads a socket.
    socket_read 0;
    /// TLS of what was received: records, decryption, copies.
    tls_in 1;
    /// Frames and their checks: bytes become types.
    decode 2;
    /// Is there room, is it a duplicate, which payment is it: digest, filters of the history, limits.
    admit 3;
    /// The entry is written into the open batch, and the batch gets its time.
    sequence 4;
    /// Encryption of the private part.
    seal 5;
    /// Checksum, hash chain, and the system call that writes the batch.
    journal 6;
    /// The system call that puts it on disk: waiting, for the most part.
    sync 7;
    /// The engine decides, the ledger moves.
    apply 8;
    /// Numbered messages are kept.
    outbox 9;
    /// Records for the history, and filters.
    index 10;
    /// What is indexed leaves the outboxes.
    let_go 11;
    /// Effects, answers and acknowledgements become frames.
    render 12;
    /// TLS of what is sent.
    tls_out 13;
    /// The system call that writes a socket.
    socket_write 14;
    /// The runtime between two turns: which sockets are ready, timers, and waiting for them.
    reactor 15;
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// Which.
    pub name: &'static str,
    /// Nanoseconds, without what reading the clock cost.
    pub ns: u64,
    /// How often it began or went on.
    pub times: u64,
}

#[cfg(not(feature = "stages"))]
mod clock {
    #[inline(always)]
    pub(super) fn within<T>(_: usize, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// The turn is over; what follows is the runtime's.
    #[inline(always)]
    pub fn away() {}

    /// The next turn begins, or goes on.
    #[inline(always)]
    pub fn back() {}
}

#[cfg(feature = "stages")]
pub use clock::table;
pub use clock::{away, back};

#[cfg(feature = "stages")]
mod clock {
    use std::cell::Cell;
    use std::time::Instant;

    use super::{NAMES, StageTime};

    const COUNT: usize = NAMES.len();
    const REST: usize = COUNT - 1;
    const REACTOR: usize = COUNT - 2;

    /// Longer between two turns than this is the idleness before and after a load, and in no figure.
    const IDLE_NS: u64 = 100_000_000;

    struct Table {
        current: Cell<usize>,
        since: Cell<Option<Instant>>,
        ns: [Cell<u64>; COUNT],
        times: [Cell<u64>; COUNT],
    }

    thread_local! {
        static TABLE: Table = const {
            Table {
                current: Cell::new(REST),
                since: Cell::new(None),
                ns: [const { Cell::new(0) }; COUNT],
                times: [const { Cell::new(0) }; COUNT],
            }
        };
    }

    /// From now on time counts for this stage; gives the one before. What is longer than `ns_max` counts for nobody.
    fn enter(stage: usize, ns_max: u64) -> usize {
        TABLE.with(|table| {
            let now = Instant::now();
            let before = table.current.replace(stage);
            if let Some(since) = table.since.replace(Some(now)) {
                let ns = u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX);
                if ns <= ns_max {
                    table.ns[before].set(table.ns[before].get() + ns);
                    table.times[before].set(table.times[before].get() + 1);
                }
            }
            before
        })
    }

    pub(super) fn within<T>(stage: usize, work: impl FnOnce() -> T) -> T {
        let before = enter(stage, u64::MAX);
        let result = work();
        enter(before, u64::MAX);
        result
    }

    /// The turn is over; what follows is the runtime's.
    pub fn away() {
        enter(REACTOR, u64::MAX);
    }

    /// The next turn begins, or goes on.
    pub fn back() {
        enter(REST, IDLE_NS);
    }

    /// The calling thread's table, and what one reading of the clock costs in picoseconds.
    pub fn table() -> (Vec<StageTime>, u64) {
        let began = Instant::now();
        (0..100_000).for_each(|_| _ = std::hint::black_box(Instant::now()));
        let read_ps = u64::try_from(began.elapsed().as_nanos() / 100).unwrap_or(0);
        let lines = TABLE.with(|table| {
            let line = |place: usize| {
                let (ns, times) = (table.ns[place].get(), table.times[place].get());
                StageTime { name: NAMES[place], ns: ns.saturating_sub(times * read_ps / 1_000), times }
            };
            (0..COUNT).map(line).collect()
        });
        (lines, read_ps)
    }
}
