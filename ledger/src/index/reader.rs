//! Asking an index from any thread.

use core::marker::PhantomData;
use std::sync::Arc;

use super::block::BlockReader;
use super::build::Published;
use super::fault::IndexFault;
use super::files::QuestionRoom;
use super::open::survey;
use super::query::{GroupQuery, Page, TimePage, TimeQuery};
use super::{IndexSchema, common};
use crate::journal::{Lineage, Storage};
use crate::limits::INDEX_KEYS_IN_MEMORY_MAX;

/// Sees what is in files. A clone asks the same index; each question is put to the files of one moment.
pub struct IndexReader<S: Storage, X> {
    published: Arc<Published>,
    reader: Arc<BlockReader<S>>,
    schema: PhantomData<fn() -> X>,
}

impl<S: Storage, X> Clone for IndexReader<S, X> {
    fn clone(&self) -> IndexReader<S, X> {
        IndexReader { published: self.published.clone(), reader: self.reader.clone(), schema: PhantomData }
    }
}

impl<S: Storage, X: IndexSchema> IndexReader<S, X> {
    pub(crate) fn new(published: Arc<Published>, reader: Arc<BlockReader<S>>) -> IndexReader<S, X> {
        IndexReader { published, reader, schema: PhantomData }
    }

    /// Reads an index that nobody is writing, and changes nothing. What opening it for writing would drop or make anew is not
    /// seen, and not covered.
    pub fn open(storage: S, lineage: Lineage) -> Result<IndexReader<S, X>, IndexFault> {
        let reader = Arc::new(BlockReader::new(storage));
        let mut survey = survey(&reader, &common::<X>(lineage), 0, INDEX_KEYS_IN_MEMORY_MAX)?;
        if let Some(first) = survey.without_keys.first() {
            survey.files.records.truncate(*first);
            survey.recent_from = survey.files.records.len();
            let last_run = survey.files.last_run();
            survey.files.keys.retain(|file| file.footer.name.last_run <= last_run);
        }
        survey.load_recent::<S, X>(&reader)?;
        let files = survey.files;
        Ok(IndexReader::new(Arc::new(Published::new(Arc::new(files))), reader))
    }

    /// Every record with this sequence number or one below is in files.
    pub fn covered_through(&self) -> u64 {
        self.published.files().last_span().through_sequence
    }

    /// Can a record with this key be in files? "No" is certain. Reads no disk.
    pub fn may_hold(&self, key: &[u8; 16]) -> bool {
        self.published.files().may_hold(key)
    }

    /// [`Self::may_hold`] for many keys, the answers in their order.
    pub fn may_hold_each(&self, keys: &[[u8; 16]], answers: &mut Vec<bool>) {
        self.published.files().may_hold_each(keys, &mut QuestionRoom::default(), answers);
    }

    /// The newest record with a key.
    pub fn find(&self, key: &[u8; 16]) -> Result<Option<Vec<u8>>, IndexFault> {
        self.published.files().find::<S, X>(&self.reader, key)
    }

    /// Records of a group, oldest first.
    pub fn group_page(&self, query: &GroupQuery) -> Result<Page<X::State>, IndexFault> {
        self.published.files().parts::<S, X>(&self.reader).group_page(query)
    }

    /// The number of the group's first record after which `reached` holds; from there on it must hold for ever.
    pub fn group_seek(&self, group: u64, reached: impl Fn(&X::State) -> bool) -> Result<Option<u64>, IndexFault> {
        self.published.files().parts::<S, X>(&self.reader).group_seek(group, reached)
    }

    /// The group's state after all its records of this time or before.
    pub fn group_state_at(&self, group: u64, time_ns: u64) -> Result<X::State, IndexFault> {
        self.published.files().parts::<S, X>(&self.reader).group_state_at(group, time_ns)
    }

    /// Records of a time, of whatever group, oldest first.
    pub fn time_page(&self, query: &TimeQuery) -> Result<TimePage, IndexFault> {
        self.published.files().parts::<S, X>(&self.reader).time_page(query)
    }
}
