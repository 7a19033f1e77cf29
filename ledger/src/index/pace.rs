//! How the one who writes files beside the owner shares the disk with the owner's journal.
//!
//! A sync of the journal stands behind what is being written to the disk at that moment. So portions are small, and before the next one the disk is left
//! alone for as long as the last one took; unless somebody waits for the files: then portions are larger, and there is no rest. What is written is the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{INDEX_REST_MAX_MS, INDEX_WRITE_BYTES, INDEX_WRITE_HURRIED_BYTES};

/// Where files are made, and how fast.
pub(crate) struct Output<S> {
    pub(crate) storage: S,
    pub(crate) pace: Pace,
}

impl<S> Output<S> {
    /// As fast as it goes.
    pub(crate) fn hurried(storage: S) -> Output<S> {
        Output { storage, pace: Pace { waiting: None } }
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Pace {
    /// None where the owner does the work.
    waiting: Option<Waiting>,
}

/// How many wait for files: runs behind the one that is being written, and an owner who cannot go on or who has said so.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    // The count steers nothing but the pace: nothing else has to be seen together with it.
    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The pace of the one they wait for.
    pub(crate) fn pace(&self) -> Pace {
        Pace { waiting: Some(self.clone()) }
    }
}

impl Pace {
    /// How much is written before it is synced.
    pub(crate) fn portion_bytes(&self) -> usize {
        if self.is_at_leisure() { INDEX_WRITE_BYTES } else { INDEX_WRITE_HURRIED_BYTES }
    }

    /// Writes a portion that others will follow, and then leaves the disk alone.
    #[allow(
        clippy::disallowed_methods,
        reason = "the thread beside the owner shares a disk by the clock; nothing that is written depends on it"
    )]
    pub(crate) fn portion<E>(&self, write: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if !self.is_at_leisure() {
            return write();
        }
        let began = Instant::now();
        write()?;
        std::thread::sleep(began.elapsed().min(Duration::from_millis(INDEX_REST_MAX_MS)));
        Ok(())
    }

    fn is_at_leisure(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.0.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_large_exactly_while_somebody_waits() {
        let waiting = Waiting::default();
        let pace = waiting.pace();
        let check = |expected: usize| assert_eq!(pace.portion_bytes(), expected);
        check(INDEX_WRITE_BYTES);
        waiting.one_more();
        check(INDEX_WRITE_HURRIED_BYTES);
        waiting.one_more();
        waiting.one_less();
        check(INDEX_WRITE_HURRIED_BYTES);
        waiting.one_less();
        check(INDEX_WRITE_BYTES);
        assert_eq!(Output::hurried(()).pace.portion_bytes(), INDEX_WRITE_HURRIED_BYTES, "the owner writes for himself");
    }

    #[test]
    fn a_failed_portion_is_told_whatever_the_pace() {
        for pace in [Waiting::default().pace(), Output::hurried(()).pace] {
            assert_eq!(pace.portion(|| Err("no room")), Err("no room"));
            assert_eq!(pace.portion(|| Ok::<(), &str>(())), Ok(()));
        }
    }
}
