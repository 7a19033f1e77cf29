//! The files of an index as one: what may be asked at one moment, by the owner and by other threads.

use std::sync::Arc;

use super::IndexSchema;
use super::block::BlockReader;
use super::fault::{IndexDamage, IndexFault};
use super::filter::{KeyHash, Question};
use super::footer::Span;
use super::keys::KeysFile;
use super::overview::Overview;
use super::query::{Part, Parts};
use super::recent::Recent;
use super::records::RecordsFile;
use super::sort::sort_by_upper_byte;
use crate::journal::Storage;

/// The whole files, each in the order of the runs, and the keys that are in none. It never changes: what is written later is in
/// the next set.
#[derive(Clone)]
pub(crate) struct FileSet {
    pub(crate) hash: KeyHash,
    pub(crate) records: Vec<Arc<RecordsFile>>,
    pub(crate) keys: Vec<Arc<KeysFile>>,
    /// The keys of the newest runs, which are in no file of keys.
    pub(crate) recent: Arc<Recent>,
    /// Has every key that is in `keys`. None until it is made: then the files are asked one by one.
    pub(crate) overview: Option<Arc<Overview>>,
}

/// Memory for many questions at once, to be used again.
#[derive(Default)]
pub(crate) struct QuestionRoom {
    questions: Vec<Question>,
    sorting: Vec<Question>,
    /// Those that the overview leaves open.
    open: Vec<Question>,
}

impl FileSet {
    /// What the last run covers; with it all is covered.
    pub(crate) fn last_span(&self) -> Span {
        self.records.last().map_or(Span::NOTHING, |file| file.footer.span)
    }

    pub(crate) fn last_run(&self) -> u32 {
        self.records.last().map_or(0, |file| file.footer.name.last_run)
    }

    pub(crate) fn may_hold(&self, key: &[u8; 16]) -> bool {
        let hash = self.hash.of(key);
        self.recent.may_hold(hash) || self.files_that_may_hold(hash).next().is_some()
    }

    /// Files of keys, the newest first.
    fn files_that_may_hold(&self, hash: u64) -> impl Iterator<Item = &Arc<KeysFile>> {
        let files =
            if self.overview.as_ref().is_none_or(|all| all.may_hold(hash)) { self.keys.as_slice() } else { &[] };
        files.iter().rev().filter(move |file| file.may_hold(hash))
    }

    /// Filter by filter, and nearly in the order of memory: the questions to one do not wait for each other, and neighbours share
    /// what the processor knows of the memory's pages. `room` is what whoever asks often keeps.
    pub(crate) fn may_hold_each(&self, keys: &[[u8; 16]], room: &mut QuestionRoom, answers: &mut Vec<bool>) {
        answers.clear();
        answers.resize(keys.len(), false);
        let QuestionRoom { questions, sorting, open } = room;
        questions.clear();
        questions.extend(keys.iter().map(|key| self.hash.of(key)).zip(0..));
        sort_by_upper_byte(questions, sorting, |question| question.0);
        let mut may_be_held = |question: Question| answers[question.1] = true;
        self.recent.each_that_may_be_held(questions, &mut may_be_held);
        let open = match &self.overview {
            None => questions,
            Some(overview) => {
                open.clear();
                overview.each_that_may_be_held(questions, |question| open.push(question));
                open
            }
        };
        for file in &self.keys {
            file.each_that_may_be_held(open, &mut may_be_held);
        }
    }

    /// The newest record with a key.
    pub(crate) fn find<S: Storage, X: IndexSchema>(
        &self,
        reader: &BlockReader<S>,
        key: &[u8; 16],
    ) -> Result<Option<Vec<u8>>, IndexFault> {
        let hash = self.hash.of(key);
        let parts = self.parts::<S, X>(reader);
        let recent = if self.recent.may_hold(hash) { self.recent.runs.as_slice() } else { &[] };
        for number in recent.iter().rev().flat_map(|run| run.find(hash).rev()) {
            let record = parts.record(number)?.expect("the keys in memory were made from the records");
            if X::key(&record).as_ref() == Some(key) {
                return Ok(Some(record));
            }
        }
        for file in self.files_that_may_hold(hash) {
            for number in file.find(reader, hash)?.into_iter().rev() {
                let damaged = || reader.damaged(file.footer.name, 0, IndexDamage::KeyWithoutRecord);
                let record = parts.record(number)?.ok_or_else(damaged)?;
                if X::key(&record).as_ref() == Some(key) {
                    return Ok(Some(record));
                }
            }
        }
        Ok(None)
    }

    pub(crate) fn parts<'p, S: Storage, X: IndexSchema>(&'p self, reader: &'p BlockReader<S>) -> Parts<'p, S, X> {
        Parts::new(reader, self.records.iter().map(|file| Part::File(file)).collect())
    }

    /// Keys that are in files of keys.
    pub(crate) fn keys_in_files(&self) -> u64 {
        self.keys.iter().map(|file| file.footer.items).sum()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let records = self.records.iter().map(|file| file.bytes()).sum::<usize>();
        let keys = self.keys.iter().map(|file| file.bytes()).sum::<usize>();
        records + keys + self.recent.bytes() + self.overview.as_ref().map_or(0, |overview| overview.bytes())
    }
}
