//! The vault: a secret for each sealed record of the directory, in a slot of its own. Who destroys the secret has erased the record, in the store and in the journal.
//!
//! ```text
//!  +0             +8          +12       +16                +16 * n
//!  | magic [8]    | version   | zeros   | secret of slot 1 | ... | secret of slot n | ...
//! ```
//!
//! A record's key is keyed BLAKE3, under the vault's key, over the slot's number and its 16 random bytes: neither the file nor the key is of use without the other. A slot
//! of zeros was destroyed. A key seals once, so its nonce is always the first. The vault's key lies in the key ring, wrapped.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use adapters::message::ParticipantCode;

use crate::seal::{DataKey, SealFault, random_into};

const MAGIC: &[u8; 8] = b"CLSPNVLT";
const VERSION: u32 = 0;
const SECRET_BYTES: usize = 16;

/// All slots of one data directory: who takes new ones, and who destroys them.
pub struct Vault {
    reader: VaultReader,
    /// The next slot.
    next: u64,
    /// Secrets that are not written yet.
    fresh: Vec<u8>,
    /// Where secrets come from.
    secret: fn(u64) -> [u8; SECRET_BYTES],
}

/// Who reads slots, from any thread.
#[derive(Clone)]
pub struct VaultReader {
    key: [u8; 32],
    file: Slots,
    path: Arc<PathBuf>,
}

/// Where slots lie.
#[derive(Clone)]
enum Slots {
    File(Arc<File>),
    /// The simulator's, which outlives its process.
    Memory(MemorySlots),
}

/// Slots that lie in memory. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct MemorySlots(Arc<Mutex<Vec<u8>>>);

impl Slots {
    fn read(&self, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
        match self {
            Slots::File(file) => file.read_exact_at(bytes, at),
            Slots::Memory(MemorySlots(slots)) => {
                let slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let found = at.checked_add(bytes.len()).and_then(|end| slots.get(at..end));
                found.map(|found| bytes.copy_from_slice(found)).ok_or(std::io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    fn write(&self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        match self {
            Slots::File(file) => file.write_all_at(bytes, at),
            Slots::Memory(MemorySlots(slots)) => {
                let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let end = at.saturating_add(bytes.len());
                let length = slots.len().max(end);
                slots.resize(length, 0);
                slots[at..end].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        match self {
            Slots::File(file) => file.sync_data(),
            Slots::Memory(_) => Ok(()),
        }
    }
}

/// 16 random bytes of the system, never zeros.
fn random_secret(_: u64) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    while secret == [0; SECRET_BYTES] {
        random_into(&mut secret);
    }
    secret
}

/// A function of the slot, so that the same seed gives the same run. What keeps it secret is no matter there.
fn simulated_secret(slot: u64) -> [u8; SECRET_BYTES] {
    let mut secret = [1; SECRET_BYTES];
    secret[..8].copy_from_slice(&slot.to_le_bytes());
    secret
}

impl Vault {
    /// Opens the vault's file, or makes one. Slots that a crash left half written were never used.
    pub fn open(path: &Path, key: [u8; 32]) -> Result<Vault, SealFault> {
        let fault = |error| SealFault::File(path.to_owned(), error);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(fault)?;
        let length = file.metadata().map_err(fault)?.len();
        let mut head = [0; SECRET_BYTES];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        if length < SECRET_BYTES as u64 {
            file.write_all_at(&head, 0).and_then(|()| file.sync_all()).map_err(fault)?;
            let directory = path.parent().map(File::open).transpose().map_err(fault)?;
            directory.map_or(Ok(()), |directory| directory.sync_all()).map_err(fault)?;
        } else {
            let mut found = [0; SECRET_BYTES];
            file.read_exact_at(&mut found, 0).map_err(fault)?;
            if found != head {
                return Err(SealFault::Damaged(path.to_owned(), 0));
            }
        }
        let next = (length / SECRET_BYTES as u64).max(1);
        let reader = VaultReader { key, file: Slots::File(Arc::new(file)), path: Arc::new(path.to_owned()) };
        Ok(Vault { reader, next, fresh: Vec::new(), secret: random_secret })
    }

    /// The simulator's, with the slots that there are.
    pub(crate) fn simulated(slots: &MemorySlots, key: [u8; 32]) -> Vault {
        let length = slots.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        let next = (length / SECRET_BYTES).max(1) as u64;
        let reader = VaultReader { key, file: Slots::Memory(slots.clone()), path: Arc::default() };
        Vault { reader, next, fresh: Vec::new(), secret: simulated_secret }
    }

    /// Who reads it.
    pub fn reader(&self) -> VaultReader {
        self.reader.clone()
    }

    /// A new slot and its key. Nothing that it seals may be journaled before `sync`.
    pub fn take(&mut self) -> (u64, DataKey) {
        let slot = self.next;
        self.next += 1;
        let secret = (self.secret)(slot);
        self.fresh.extend_from_slice(&secret);
        (slot, self.reader.key_of(slot, &secret))
    }

    /// The random key that a command asks for: a function of the command, so that the same command gets the same key, whatever keys hashes are made under by then.
    pub fn random_key(&self, participant: &ParticipantCode, command_id: &[u8; 16]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.reader.key);
        hasher.update(b"random key").update(&[0]).update(participant.bytes()).update(command_id);
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        first
    }

    /// The new slots are on disk.
    pub fn sync(&mut self) -> Result<(), SealFault> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let VaultReader { file, path, .. } = &self.reader;
        let slots = (self.fresh.len() / SECRET_BYTES) as u64;
        let at = (self.next - slots) * SECRET_BYTES as u64;
        let written = file.write(&self.fresh, at).and_then(|()| file.sync());
        written.map_err(|error| SealFault::File(path.to_path_buf(), error))?;
        self.fresh.clear();
        Ok(())
    }

    /// How many slots there are.
    pub fn held(&self) -> u64 {
        self.next - 1
    }

    /// Are there this many slots? What the journal names must be there.
    pub fn has(&self, slot: u64) -> bool {
        slot < self.next
    }
}

impl VaultReader {
    /// The key of a slot; none where it was destroyed, or never was.
    pub fn key(&self, slot: u64) -> Result<Option<DataKey>, SealFault> {
        let mut secret = [0; SECRET_BYTES];
        match self.file.read(&mut secret, slot * SECRET_BYTES as u64) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(SealFault::File(self.path.to_path_buf(), error)),
        }
        Ok((slot > 0 && secret != [0; SECRET_BYTES]).then(|| self.key_of(slot, &secret)))
    }

    /// Destroys slots; on disk before it returns. What was destroyed stays so.
    pub fn destroy(&self, slots: &[u64]) -> Result<(), SealFault> {
        let fault = |error| SealFault::File(self.path.to_path_buf(), error);
        for &slot in slots.iter().filter(|&&slot| slot > 0) {
            self.file.write(&[0; SECRET_BYTES], slot * SECRET_BYTES as u64).map_err(fault)?;
        }
        self.file.sync().map_err(fault)
    }

    fn key_of(&self, slot: u64, secret: &[u8; SECRET_BYTES]) -> DataKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"slot").update(&slot.to_le_bytes()).update(secret);
        DataKey::of_slot(slot, hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use crate::seal::Sealer;

    fn sealed(key: DataKey) -> Vec<u8> {
        let mut out = Vec::new();
        Sealer::new(key).seal(b"Amina Diallo", &mut out, 0..0);
        out
    }

    #[test]
    fn what_a_slot_sealed_opens_after_a_restart_until_it_is_destroyed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        let mut vault = Vault::open(&path, [7; 32]).unwrap();
        let (first, key) = vault.take();
        let (second, other) = vault.take();
        let (one, two) = (sealed(key), sealed(other));
        vault.sync().unwrap();
        drop(vault);

        let mut vault = Vault::open(&path, [7; 32]).unwrap();
        let reader = vault.reader();
        let open = |slot, sealed: &[u8]| {
            let key = reader.key(slot).unwrap()?;
            key.open(sealed, &[], &mut Vec::new()).map(<[u8]>::to_vec)
        };
        assert_eq!(open(first, &one).as_deref(), Some(&b"Amina Diallo"[..]));
        assert_eq!(open(second, &one), None, "each slot has a key of its own");
        reader.destroy(&[first]).unwrap();
        assert_eq!(open(first, &one), None);
        assert!(open(second, &two).is_some());
        let bytes = std::fs::read(&path).unwrap();
        let at = usize::try_from(first).unwrap() * SECRET_BYTES;
        assert_eq!(bytes[at..at + SECRET_BYTES], [0; SECRET_BYTES], "the secret is gone from the file");
        let (third, _) = vault.take();
        assert_eq!(third, second + 1);
        assert!(reader.key(third).unwrap().is_none(), "what is not on disk is not there");
    }

    #[test]
    fn a_torn_slot_is_taken_again_and_another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        let mut vault = Vault::open(&path, [7; 32]).unwrap();
        vault.take();
        vault.sync().unwrap();
        drop(vault);
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut &file, &[9; 5]).unwrap();
        let mut vault = Vault::open(&path, [7; 32]).unwrap();
        assert!(vault.has(1) && !vault.has(2));
        assert_eq!(vault.take().0, 2);
        std::fs::write(&path, [9; 64]).unwrap();
        assert!(matches!(Vault::open(&path, [7; 32]), Err(SealFault::Damaged(_, 0))));
    }
}
