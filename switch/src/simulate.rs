//! The simulator: the whole switch in one thread, under a virtual clock, on a virtual disk and a virtual network, with providers of every
//! character, while everything goes wrong that a seed can think of.
//!
//! It drives the very state machines of production: the provider's session of `adapters`, sessions, sequencer, log, engine, outboxes and renderer
//! of this crate, the journal and the index of `ledger`. Left out are TLS, the key ring's file, threads and sockets: their shells are thin, and tests
//! with real processes (`switch/tests/process`, `make torture`) are for them. What threads do is done here in virtual time of its own: the
//! renderer's and the history's answers come later, the history's files are written in portions while the rest goes on. Snapshots are captured in portions
//! over many turns, as in production, and written by whoever captures them; every start from one is compared with a replay of the whole journal.
//!
//! ```text
//!              one seed --> Plan: who takes part, which faults, when
//!                              |
//!   Provider <-- Network --> World: one event after another <--> Machine: Process on a VirtualDisk
//!        \                     |                                     /
//!         what was sent --> Auditor <-- batches beyond the reach of a power cut
//!                              |
//!                         invariants, at every step
//! ```
//!
//! The same seed, options and build give the same run, byte for byte: there is one source of chance, no clock, no second thread, and no hash
//! order. A run that fails says which invariant does not hold; [`shrink`] makes it smaller. How a new capability joins
//! stands in `CONTRIBUTING.md`.

mod auditor;
mod coverage;
mod disk;
mod faults;
mod invariants;
mod keys;
mod machine;
mod names;
mod network;
mod operator;
mod plan;
mod provider;
mod queue;
mod random;
mod shrink;
mod wire;
mod world;

pub use coverage::Coverage;
pub use faults::{Fault, FaultSet};
pub use shrink::shrink;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::limits::NS_PER_MS;
use plan::NS_PER_S;
use world::World;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// How long things go wrong, in nanoseconds of virtual time. After that everything must finish.
    pub for_ns: u64,
    /// What may go wrong.
    pub faults: FaultSet,
    /// Orders and acts of misconduct that providers begin.
    pub operations_max: u64,
    /// How many faults happen, of those that happen at a moment.
    pub faults_max: u64,
}

impl Options {
    /// Sixty seconds with all faults.
    pub fn of_seed(seed: u64) -> Options {
        let (for_ns, faults) = (60 * NS_PER_S, FaultSet::ALL);
        Options { seed, for_ns, faults, operations_max: u64::MAX, faults_max: u64::MAX }
    }
}

/// The arguments of `switch simulate` that give this run again.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {} --for {}ms --faults {}", self.seed, self.for_ns / NS_PER_MS, self.faults)?;
        if self.operations_max != u64::MAX {
            write!(f, " --operations {}", self.operations_max)?;
        }
        if self.faults_max != u64::MAX {
            write!(f, " --faults-max {}", self.faults_max)?;
        }
        Ok(())
    }
}

/// What a run without a finding was like. A function of options and build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Virtual time until everything was finished.
    pub simulated_ms: u64,
    /// Providers.
    pub providers: usize,
    /// Starts of the switch's process.
    pub starts: u64,
    /// Batches in the journal.
    pub batches: usize,
    /// Payments that ended so.
    pub committed: u64,
    /// Payments that ended so.
    pub rejected: u64,
    /// Payments that ended so.
    pub expired: u64,
    /// Returns that went back.
    pub returned: u64,
    /// Cases that ended, those that were refused at once included.
    pub cases: u64,
    /// The start of the digest of the engine's last state.
    pub state: String,
    /// The start of a digest of everything that left the switch and everything that became durable.
    pub trace: String,
    /// Which rare paths were met.
    pub coverage: Coverage,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub invariant: String,
    /// What was found.
    pub what: String,
    /// When, in virtual time.
    pub at_ms: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (after {} ms)", self.invariant, self.what, self.at_ms)
    }
}

/// The name under which a failed assertion of the switch itself is reported.
pub const ASSERTION: &str = "an assertion of the switch";

thread_local! {
    /// Virtual time of the run on this thread, for whoever reports a failure.
    static CLOCK_NS: Cell<u64> = const { Cell::new(0) };
}

/// How far the run on this thread has come in virtual time: a panic hook says when something was found.
pub fn virtual_ms() -> u64 {
    CLOCK_NS.get() / NS_PER_MS
}

/// Runs one simulation. A panic of the switch is a finding like any other, where panics unwind.
pub fn run(options: &Options) -> Result<Report, Failure> {
    CLOCK_NS.set(0);
    match catch_unwind(AssertUnwindSafe(|| World::new(options).run())) {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(violation)) => {
            Err(Failure { invariant: violation.invariant.to_owned(), what: violation.what, at_ms: virtual_ms() })
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned();
            Err(Failure { invariant: ASSERTION.to_owned(), what, at_ms: virtual_ms() })
        }
    }
}
