//! The keys of a simulated switch: a function of the seed. The ring's file is not simulated; its own tests break it.

use std::collections::BTreeMap;

use adapters::message::ParticipantCode;

use crate::seal::{DataKey, SealFault};

/// All data keys that were ever made, by number.
pub(super) struct Keys {
    seed: u64,
    made: u64,
    /// Of this run of the process.
    current: BTreeMap<ParticipantCode, DataKey>,
}

impl Keys {
    pub(super) fn new(seed: u64) -> Keys {
        Keys { seed, made: 0, current: BTreeMap::new() }
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

    fn secret(&self, id: u64) -> [u8; 32] {
        *blake3::Hasher::new().update(&self.seed.to_le_bytes()).update(&id.to_le_bytes()).finalize().as_bytes()
    }
}
