//! The keys of a simulated switch: a function of the seed. The ring's file is not simulated; its own tests break it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use adapters::message::ParticipantCode;

use crate::directory::hashes::{HashKey, HashKeyRing};
use crate::seal::{DataKey, SealFault};

/// The ring of hash keys: each a function of seed and generation. One that was destroyed is never asked for again.
pub(super) struct HashRing {
    seed: u64,
    destroyed_before: AtomicU8,
}

impl HashRing {
    fn secret(&self, generation: u8) -> HashKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(b"hash").update(&[generation]);
        HashKey { generation, secret: *hasher.finalize().as_bytes() }
    }
}

impl HashKeyRing for Arc<HashRing> {
    fn key(&self, generation: u8) -> Result<HashKey, SealFault> {
        if generation < self.destroyed_before.load(Ordering::Relaxed) {
            return Err(SealFault::Erased(generation.into()));
        }
        Ok(self.secret(generation))
    }

    fn destroy_before(&self, generation: u8) -> Result<(), SealFault> {
        self.destroyed_before.fetch_max(generation, Ordering::Relaxed);
        Ok(())
    }
}

/// All data keys that were ever made, by number.
pub(super) struct Keys {
    seed: u64,
    made: u64,
    /// Of the directory's hashes.
    pub(super) hashes: Arc<HashRing>,
    /// Of this run of the process.
    current: BTreeMap<ParticipantCode, DataKey>,
}

impl Keys {
    pub(super) fn new(seed: u64) -> Keys {
        let hashes = Arc::new(HashRing { seed, destroyed_before: AtomicU8::new(0) });
        Keys { seed, made: 0, hashes, current: BTreeMap::new() }
    }

    pub(super) fn digest_key(&self) -> [u8; 32] {
        self.secret(0)
    }

    /// The process starts: no key of an earlier run seals anything more.
    pub(super) fn restart(&mut self) {
        self.current.clear();
    }

    /// The key that seals what a participant sends in this run.
    pub(super) fn data_key(&mut self, code: ParticipantCode) -> DataKey {
        if let Some(key) = self.current.get(&code) {
            return key.clone();
        }
        self.made += 1;
        let key = DataKey::simulated(self.made, &self.secret(self.made));
        self.current.insert(code, key.clone());
        key
    }

    pub(super) fn find(&self, id: u64) -> Result<DataKey, SealFault> {
        if (1..=self.made).contains(&id) {
            Ok(DataKey::simulated(id, &self.secret(id)))
        } else {
            Err(SealFault::Unusable(id))
        }
    }

    /// How many there are: no entry names a higher one.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Of the directory's vault.
    pub(super) fn vault_key(&self) -> [u8; 32] {
        self.secret(u64::MAX)
    }

    fn secret(&self, id: u64) -> [u8; 32] {
        *blake3::Hasher::new().update(&self.seed.to_le_bytes()).update(&id.to_le_bytes()).finalize().as_bytes()
    }
}
