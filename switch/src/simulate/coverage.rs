//! How often what happened: a workload that tests nothing is seen.

use std::collections::BTreeMap;

/// Counts of rare paths, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

/// What a run of any length is expected to meet with all faults on; those that were not met are shown with 0.
const EXPECTED: [&str; 47] = [
    "answer in time",
    "answer journaled that no payment waited for",
    "batch of many entries",
    "batch without entries",
    "connection cut",
    "connection half open",
    "connection replaced",
    "crash in a recovery",
    "crash with payments in flight",
    "disk full",
    "disk slow",
    "duplicate with other content",
    "expired by time",
    "flip found by a recovery",
    "flip found by a reader",
    "file of the history dropped by a start",
    "flip in the last record",
    "bit of the history turned at rest",
    "flip found in the history",
    "funds insufficient",
    "history asked in vain",
    "history lost",
    "killed",
    "names unsynced at a power cut",
    "order repeated",
    "order sent again in other bytes",
    "order to be checked again",
    "outcome found in the history",
    "outcome left memory",
    "power cut",
    "power cut with unsynced sectors",
    "provider lost its memory",
    "provider restarted",
    "refused: bad field",
    "refused: bad number",
    "refused: busy",
    "refused: not a frame",
    "rendered from the journal",
    "segment begun",
    "status asked",
    "status told: duplicate",
    "status told: in flight",
    "status told: unknown",
    "storm",
    "sync failed",
    "torn tail cut off",
    "wall clock set",
];

impl Coverage {
    /// Nothing yet.
    pub fn new() -> Coverage {
        Coverage { counts: EXPECTED.iter().map(|name| ((*name).to_owned(), 0)).collect() }
    }

    pub(super) fn count(&mut self, what: &str) {
        self.count_many(what, 1);
    }

    pub(super) fn count_many(&mut self, what: &str, times: u64) {
        match self.counts.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.counts.insert(what.to_owned(), times)),
        }
    }

    /// Adds what another run met.
    pub fn add(&mut self, other: &Coverage) {
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }

    /// Every path and how often it was met, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(what, count)| (what.as_str(), *count))
    }

    /// Expected paths that were not met.
    pub fn missing(&self) -> Vec<&str> {
        self.iter().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect()
    }
}
