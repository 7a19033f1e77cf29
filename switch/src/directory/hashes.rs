//! Keyed hashes: what the journal and the store know instead of numbers, names and tokens.
//!
//! The keys belong to the edge. Who has the disk and not the keys cannot try all phone numbers.

use adapters::message::ParticipantCode;

use crate::seal::SealFault;

/// The first 16 bytes of keyed BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyedHash(pub [u8; 16]);

impl KeyedHash {
    /// Where there is nothing to hash.
    pub const NONE: KeyedHash = KeyedHash([0; 16]);

    /// Is there none?
    pub fn is_none(self) -> bool {
        self == KeyedHash::NONE
    }
}

/// Hashes stay out of logs: whoever has the key can try them.
impl std::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedHash")
    }
}

/// A hash key and its generation.
#[derive(Clone)]
pub struct HashKey {
    /// From 1.
    pub generation: u8,
    /// The secret.
    pub secret: [u8; 32],
}

/// The hash keys in use: one, and while hashes are made anew the one before.
#[derive(Clone)]
pub struct HashKeys {
    /// Under which new hashes are made.
    pub current: HashKey,
    /// Under which old ones may still be.
    pub before: Option<HashKey>,
}

/// Where hash keys are kept.
pub trait HashKeyRing: Send {
    /// The key of a generation. The one behind the newest is made, and kept before it is given.
    fn key(&self, generation: u8) -> Result<HashKey, SealFault>;

    /// Destroys the keys of earlier generations: what was hashed under them can no longer be tried.
    fn destroy_before(&self, generation: u8) -> Result<(), SealFault>;
}

/// The keys in use, and where newer ones come from.
pub(crate) struct HashKeyHolder {
    keys: HashKeys,
    ring: Option<Box<dyn HashKeyRing>>,
}

impl HashKeyHolder {
    /// With these keys, and no others.
    pub(crate) fn new(keys: HashKeys) -> HashKeyHolder {
        HashKeyHolder { keys, ring: None }
    }

    /// The same, with newer ones once they are needed.
    pub(crate) fn with_ring(self, ring: Box<dyn HashKeyRing>) -> HashKeyHolder {
        HashKeyHolder { ring: Some(ring), ..self }
    }

    /// Those in use.
    pub(crate) fn keys(&self) -> &HashKeys {
        &self.keys
    }

    /// Goes over to what the scheme has by now. What is older than what was followed already changes nothing.
    ///
    /// # Panics
    /// Where there are no newer keys to be had.
    pub(crate) fn follow(&mut self, generation: u8, is_rehashing: bool) -> Result<(), SealFault> {
        let HashKeys { current, before } = &mut self.keys;
        if generation > current.generation {
            let Some(ring) = &self.ring else { panic!("hash key {generation} is in use, and there is no ring") };
            let next = ring.key(generation)?;
            // A question that was asked while hashes were made anew may come behind the end of that: then nothing is under the key before any more.
            *before = match is_rehashing.then(|| ring.key(generation - 1)) {
                Some(Err(SealFault::Erased(_))) | None => None,
                Some(key) => Some(key?),
            };
            *current = next;
        } else if generation == current.generation && !is_rehashing {
            *before = None;
        }
        Ok(())
    }

    /// Destroys the keys before the newest.
    pub(crate) fn destroy_before(&self) -> Result<(), SealFault> {
        self.ring.as_ref().map_or(Ok(()), |ring| ring.destroy_before(self.keys.current.generation))
    }
}

impl HashKeys {
    /// Of an alias in canonical form.
    pub fn alias(&self, kind: u8, canonical: &[u8]) -> KeyedHash {
        hash(&self.current, "alias", &[&[kind], canonical])
    }

    /// The same under the key before, if there is one.
    pub fn alias_before(&self, kind: u8, canonical: &[u8]) -> Option<KeyedHash> {
        self.before.as_ref().map(|key| hash(key, "alias", &[&[kind], canonical]))
    }

    /// Of an identity's token, which an ID system has made for one participant.
    pub fn identity(&self, participant: &ParticipantCode, token: &[u8]) -> KeyedHash {
        hash(&self.current, "identity", &[participant.bytes(), token])
    }

    /// The same under the key before, if there is one.
    pub fn identity_before(&self, participant: &ParticipantCode, token: &[u8]) -> Option<KeyedHash> {
        self.before.as_ref().map(|key| hash(key, "identity", &[participant.bytes(), token]))
    }

    /// Of an account at a participant.
    pub fn account(&self, participant: &ParticipantCode, account: &[u8]) -> KeyedHash {
        hash(&self.current, "account", &[participant.bytes(), account])
    }

    /// The same under the key before, if there is one.
    pub fn account_before(&self, participant: &ParticipantCode, account: &[u8]) -> Option<KeyedHash> {
        self.before.as_ref().map(|key| hash(key, "account", &[participant.bytes(), account]))
    }

    /// Of the token of an end user, which its participant has made.
    pub fn end_user(&self, participant: &ParticipantCode, token: &[u8]) -> KeyedHash {
        hash(&self.current, "end user", &[participant.bytes(), token])
    }
}

/// Of an attestation's nonce. A nonce is random and nobody's, so it needs no key; and what was used stays so when keys are renewed.
pub fn nonce_hash(issuer: &[u8], nonce: &[u8]) -> KeyedHash {
    first_of(blake3::Hasher::new(), "nonce", &[issuer, &[0], nonce])
}

fn hash(key: &HashKey, domain: &str, parts: &[&[u8]]) -> KeyedHash {
    first_of(blake3::Hasher::new_keyed(&key.secret), domain, parts)
}

fn first_of(mut hasher: blake3::Hasher, domain: &str, parts: &[&[u8]]) -> KeyedHash {
    hasher.update(domain.as_bytes());
    hasher.update(&[0]);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    KeyedHash(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(generation: u8) -> HashKeys {
        let key = |generation| HashKey { generation, secret: [generation; 32] };
        HashKeys { current: key(generation), before: (generation > 1).then(|| key(generation - 1)) }
    }

    /// A ring of which everything before the newest is destroyed.
    struct Newest;

    impl HashKeyRing for Newest {
        fn key(&self, generation: u8) -> Result<HashKey, SealFault> {
            let key = HashKey { generation, secret: [generation; 32] };
            if generation < 3 { Err(SealFault::Erased(generation.into())) } else { Ok(key) }
        }

        fn destroy_before(&self, _: u8) -> Result<(), SealFault> {
            Ok(())
        }
    }

    /// Who had nothing to do while a key was gone over to was asked for the one before, which was destroyed by then; the switch stopped.
    #[test]
    fn a_question_from_a_renewal_that_is_over_needs_no_key_of_before() {
        let mut holder = HashKeyHolder::new(keys(1)).with_ring(Box::new(Newest));
        holder.follow(3, true).expect("the newest is there");
        assert_eq!((holder.keys().current.generation, holder.keys().before.is_some()), (3, false));
        holder.follow(2, true).expect("nothing older is followed");
        assert_eq!(holder.keys().current.generation, 3);
    }

    #[test]
    fn a_hash_depends_on_key_domain_and_every_part() {
        let (one, two) = (keys(1), keys(2));
        let alpha = ParticipantCode::parse("ALPHA").expect("a code");
        let beta = ParticipantCode::parse("BETA").expect("a code");
        let hashes = [
            one.alias(1, b"+254700000001"),
            one.alias(2, b"+254700000001"),
            one.alias(1, b"+254700000002"),
            two.alias(1, b"+254700000001"),
            one.identity(&alpha, b"token"),
            one.identity(&beta, b"token"),
            one.account(&alpha, b"token"),
            one.end_user(&alpha, b"token"),
            nonce_hash(b"id", b"token"),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "hash {index}");
        }
        assert_eq!(two.alias_before(1, b"+254700000001"), Some(one.alias(1, b"+254700000001")));
        assert_eq!(one.alias_before(1, b"+254700000001"), None);
    }
}
