//! One filter over all files of keys, so that nearly every unknown id asks one line for all of them, however many files there are.
//!
//! It is in memory only, and gains keys before a file that has them is published. Keys never leave it: files are merged, never dropped, while an index
//! is open. When files have more keys than it was made for, a larger one is filled from the files, in steps, and takes its place; until
//! then it leaves more questions open, and each file's own filter answers them.

use std::sync::Arc;

use super::block::BlockReader;
use super::fault::IndexFault;
use super::filter::{Filter, Question};
use super::keys::{ENTRY_BYTES, Entry, KeysCursor, KeysFile};
use crate::journal::Storage;
use crate::limits::{INDEX_MERGE_STEP_BYTES, INDEX_OVERVIEW_BITS_PER_KEY, INDEX_OVERVIEW_ROOM};

/// See the module.
pub(crate) struct Overview {
    filter: Filter,
    keys_max: u64,
}

impl Overview {
    fn for_keys(keys_max: u64) -> Overview {
        Overview { filter: Filter::of_density(keys_max, INDEX_OVERVIEW_BITS_PER_KEY), keys_max }
    }

    /// Is it too small for so many keys?
    pub(crate) fn is_outgrown(&self, keys: u64) -> bool {
        self.keys_max < keys
    }

    /// Takes the keys of a file that is about to be published. Only the one who writes files may do this.
    pub(crate) fn add(&self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.filter.insert_shared(entry.hash));
    }

    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// [`Filter::each_that_may_be_held`].
    pub(crate) fn each_that_may_be_held(&self, questions: &[Question], name: impl FnMut(Question)) {
        self.filter.each_that_may_be_held(questions, name);
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.filter.bytes()
    }
}

/// An overview on its way. What is published meanwhile is added to it too.
pub(crate) struct OverviewFill {
    pub(crate) overview: Arc<Overview>,
    /// Files that are still to be read, the one that is being read last.
    rest: Vec<KeysCursor>,
}

impl OverviewFill {
    /// With room for as many keys again.
    pub(crate) fn start(files: &[Arc<KeysFile>]) -> OverviewFill {
        let keys = files.iter().map(|file| file.footer.items).sum::<u64>();
        let rest = files.iter().map(|file| KeysCursor::new(file.clone())).collect();
        OverviewFill { overview: Arc::new(Overview::for_keys(keys * INDEX_OVERVIEW_ROOM)), rest }
    }

    /// Does a portion. True when all keys are in it.
    pub(crate) fn step<S: Storage>(&mut self, reader: &BlockReader<S>) -> Result<bool, IndexFault> {
        for _ in 0..INDEX_MERGE_STEP_BYTES / ENTRY_BYTES {
            let Some(mut file) = self.rest.pop() else { return Ok(true) };
            file.advance(reader)?;
            match file.peek() {
                Some(entry) => {
                    self.overview.filter.insert_shared(entry.hash);
                    self.rest.push(file);
                }
                None => file.end(reader)?,
            }
        }
        Ok(false)
    }
}
