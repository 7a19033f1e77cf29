//! How other threads read the directory: without locks of ours, at a position that they know.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::counters::Counters;
use super::hashes::KeyedHash;
use super::looked_up::{FreshLookups, LookupsPage, of_entry};
use super::record::{Listed, Record, read_list};
use super::store::{Space, Store, StoreFault};

/// How far the directory has come. Most batches have nothing for it: they are not handed over, and it has come past them all the same once it has applied what was.
#[derive(Debug, Default)]
pub struct DirectoryProgress {
    /// The last batch that it has applied.
    applied: AtomicU64,
    /// The last batch that was handed over to it.
    handed: AtomicU64,
    /// Every batch up to here has nothing for it, or was handed over.
    passed: AtomicU64,
    /// The last batch whose changes survive the machine.
    persisted: Mutex<u64>,
    /// That has moved.
    has_persisted: Condvar,
    /// It comes no further.
    has_ended: AtomicBool,
}

impl DirectoryProgress {
    /// A batch is on its way to the directory.
    pub fn hand_over(&self, position: u64) {
        self.handed.store(position, Ordering::Release);
    }

    /// Everything up to here was handed over, if there was anything in it.
    pub fn pass(&self, position: u64) {
        self.passed.store(position, Ordering::Release);
    }

    /// What was applied up to here survives the machine.
    pub fn persisted(&self) -> u64 {
        *self.persisted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was applied up to here survives the machine; false where that takes too long.
    pub fn wait_persisted(&self, position: u64, patience: Duration) -> bool {
        let persisted = self.persisted.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.has_persisted.wait_timeout_while(persisted, patience, |persisted| *persisted < position);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn persist(&self, position: u64) {
        *self.persisted.lock().unwrap_or_else(PoisonError::into_inner) = position;
        self.has_persisted.notify_all();
    }

    /// It comes no further: whoever waits for that waits in vain.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    pub(super) fn apply(&self, position: u64) {
        self.applied.store(position, Ordering::Release);
    }

    /// The directory has come through this journal position. Read before the store is: what that holds is at least as new.
    pub fn through(&self) -> u64 {
        // In this order: what was handed over before `passed` was set is seen.
        let passed = self.passed.load(Ordering::Acquire);
        let handed = self.handed.load(Ordering::Acquire);
        let applied = self.applied.load(Ordering::Acquire);
        if applied >= handed { passed.max(applied) } else { applied }
    }
}

/// Entries of earlier generations, and where to go on.
pub type EarlierPage = (Vec<(KeyedHash, Record)>, Option<KeyedHash>);

/// Reads a directory's store.
#[derive(Clone)]
pub struct DirectoryReader<S: Store> {
    pub(super) store: S,
    pub(super) fresh_lookups: FreshLookups,
    pub(super) progress: Arc<DirectoryProgress>,
}

impl<S: Store> DirectoryReader<S> {
    /// The directory has come through this journal position.
    pub fn through(&self) -> u64 {
        self.progress.through()
    }

    /// It comes no further.
    pub fn has_ended(&self) -> bool {
        self.progress.has_ended()
    }

    /// An entry, by the hash of its alias.
    pub fn find(&self, alias: KeyedHash) -> Result<Option<Record>, StoreFault> {
        self.store.get(Space::Aliases, &alias.0)?.map(|bytes| Record::read(&bytes)).transpose()
    }

    /// What an identity has.
    pub fn aliases_of(&self, identity: KeyedHash) -> Result<Vec<Listed>, StoreFault> {
        read_list(self.store.get(Space::Identities, &identity.0)?.as_deref())
    }

    /// What leads to an account.
    pub fn aliases_at(&self, account: KeyedHash) -> Result<Vec<Listed>, StoreFault> {
        read_list(self.store.get(Space::Accounts, &account.0)?.as_deref())
    }

    /// The alias whose account an identity wants to be paid on, for a purpose or, with 0, in general.
    pub fn default_of(&self, identity: KeyedHash, purpose: u8) -> Result<Option<KeyedHash>, StoreFault> {
        let listed = self.aliases_of(identity)?;
        Ok(listed.iter().find(|listed| listed.defaults & (1 << purpose) != 0).map(|listed| listed.alias))
    }

    /// What became of payments to an alias.
    pub fn counters(&self, alias: KeyedHash) -> Result<Counters, StoreFault> {
        Counters::read(self.store.get(Space::Counters, &alias.0)?.as_deref())
    }

    /// Who has looked up an entry, newest first, before a journal position (0: from the newest); at most so many, and before which position to go on: none at the end.
    pub fn lookups_of(&self, entry: u64, before: u64, count_max: usize) -> Result<LookupsPage, StoreFault> {
        of_entry((&self.store, &self.fresh_lookups), entry, before, count_max)
    }

    /// Entries whose hashes are of an earlier generation, from `after` on in the order of hashes; at most so many, and where to go on: none at the end.
    pub fn of_earlier_generation(
        &self,
        generation: u8,
        after: KeyedHash,
        count_max: usize,
    ) -> Result<EarlierPage, StoreFault> {
        let (mut found, mut looked, mut next, mut fault) = (Vec::new(), 0, None, None);
        self.store.scan(Space::Aliases, &after.0, &mut |key, value| {
            let Ok(key) = <[u8; 16]>::try_from(key) else { return true };
            // A bounded look each time: entries that are done already cost one too.
            if found.len() == count_max || looked == 16 * count_max {
                next = Some(KeyedHash(key));
                return false;
            }
            looked += 1;
            match Record::read(value) {
                Ok(record) if record.generation < generation => found.push((KeyedHash(key), record)),
                Ok(_) => {}
                Err(damaged) => fault = Some(damaged),
            }
            fault.is_none()
        })?;
        fault.map_or(Ok((found, next)), Err)
    }
}
