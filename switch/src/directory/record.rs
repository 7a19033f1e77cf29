//! An entry of the directory as bytes, and the lists that lead to it.

use super::hashes::KeyedHash;
use super::store::StoreFault;
use crate::entry::ParticipantId;

/// Length of a record without its sealed part.
const RECORD_BYTES: usize = 80;

/// Length of one place in a list of an identity.
const LISTED_BYTES: usize = 18;

/// One alias: whose it is, and what is sealed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// At which participant the account is.
    pub participant: ParticipantId,
    /// Which kind of alias.
    pub alias_type: u8,
    /// Nobody but its participant finds it.
    pub is_paused: bool,
    /// Of the key of its hashes.
    pub generation: u8,
    /// Bit n - 1: for the purpose n.
    pub consent_purpose: u8,
    /// When the consent ends.
    pub consent_until_ns: u64,
    /// Journal time of the registration.
    pub owned_since_ns: u64,
    /// Of the vault: what opens the sealed part.
    pub slot: u64,
    /// Whose it is.
    pub identity: KeyedHash,
    /// Where the money goes.
    pub account: KeyedHash,
    /// Journal position of the entry that the sealed part is of.
    pub position: u64,
    /// Journal position of the registration: it stays with the entry through updates and new hashes.
    pub entry: u64,
    /// `AliasCommandPrivate` without the attestation.
    pub sealed: Vec<u8>,
}

impl Record {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES + self.sealed.len());
        bytes.extend_from_slice(&self.participant.0.to_le_bytes());
        bytes.extend_from_slice(&[self.alias_type, u8::from(self.is_paused), self.generation, self.consent_purpose]);
        for word in [self.consent_until_ns, self.owned_since_ns, self.slot, self.position] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.identity.0);
        bytes.extend_from_slice(&self.account.0);
        bytes.extend_from_slice(&self.entry.to_le_bytes());
        debug_assert!(bytes.len() == RECORD_BYTES);
        bytes.extend_from_slice(&self.sealed);
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Record, StoreFault> {
        let Some((fixed, sealed)) = bytes.split_at_checked(RECORD_BYTES) else {
            return Err(StoreFault::damaged("a record that is too short"));
        };
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&fixed[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Ok(Record {
            participant: ParticipantId(u32::from_le_bytes([fixed[0], fixed[1], fixed[2], fixed[3]])),
            alias_type: fixed[4],
            is_paused: fixed[5] != 0,
            generation: fixed[6],
            consent_purpose: fixed[7],
            consent_until_ns: word(8),
            owned_since_ns: word(16),
            slot: word(24),
            position: word(32),
            identity: hash_at(fixed, 40),
            account: hash_at(fixed, 56),
            entry: word(72),
            sealed: sealed.to_vec(),
        })
    }
}

fn hash_at(bytes: &[u8], at: usize) -> KeyedHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&bytes[at..at + 16]);
    KeyedHash(hash)
}

/// An alias of an identity, or one that leads to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its hash.
    pub alias: KeyedHash,
    /// Bit 0: the identity's default; bit n: for the purpose n. 0 in lists of accounts.
    pub defaults: u16,
}

pub(super) fn list_bytes(list: &[Listed]) -> Option<Vec<u8>> {
    if list.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(list.len() * LISTED_BYTES);
    for listed in list {
        bytes.extend_from_slice(&listed.alias.0);
        bytes.extend_from_slice(&listed.defaults.to_le_bytes());
    }
    Some(bytes)
}

pub(super) fn read_list(bytes: Option<&[u8]>) -> Result<Vec<Listed>, StoreFault> {
    let bytes = bytes.unwrap_or_default();
    let (places, []) = bytes.as_chunks::<LISTED_BYTES>() else {
        return Err(StoreFault::damaged("a list that is no whole number of places"));
    };
    let listed = |place: &[u8; LISTED_BYTES]| Listed {
        alias: hash_at(place, 0),
        defaults: u16::from_le_bytes([place[16], place[17]]),
    };
    Ok(places.iter().map(listed).collect())
}
