//! What the benches share: a scheme with participants and money, payment orders, and an in-process switch without sockets or disk.
//!
//! Nothing here is measured by itself; each bench says at its top what is in its figure and what is not.

pub mod random;

pub mod scheme;

pub mod filled;
pub mod filling;

pub mod records;

pub mod nowhere;

pub mod room;

pub mod counting;

pub use random::Random;

use std::time::{Duration, Instant};

/// Adds to `total` how long `work` takes.
pub fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = std::hint::black_box(work());
    *total += start.elapsed();
    result
}
