//! Sealing and opening of private parts, and the keys for it. The formats are in `docs/formats/entries.md`.
//!
//! What is sealed is sealed before it is sequenced; what is opened is opened at the edge. The engine never holds a key. A data key
//! belongs to one participant, one day and one run of the process; it lies on disk only wrapped under the sealing key, whose
//! file is outside the data directory.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::directory::hashes::{HashKey, HashKeyRing, HashKeys};
use crate::entry::SLOT_KEY;
use adapters::limits::PARTICIPANT_CODE_BYTES;
use adapters::message::ParticipantCode;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};

const RECORD_BYTES: usize = 128;
const MAGIC: &[u8; 8] = b"CLSPNKEY";
const KIND_DATA: u8 = 1;
const KIND_DIGEST: u8 = 2;
/// A key of the directory's hashes; its generation stands in place of the day.
const KIND_HASH: u8 = 3;
/// The key of the vault.
const KIND_VAULT: u8 = 4;
const ADDITIONAL: Range<usize> = 0..56;
const NONCE: Range<usize> = 56..68;
const WRAPPED: Range<usize> = 68..116;
const CRC: Range<usize> = 116..120;

/// Days since 1970-01-01.
pub type Day = u32;

const NS_PER_DAY: u64 = 86_400 * 1_000_000_000;

/// The day of a time in nanoseconds since 1970.
pub fn day_of(time_ns: u64) -> Day {
    Day::try_from(time_ns / NS_PER_DAY).unwrap_or(Day::MAX)
}

/// Why keys are not to be had.
#[derive(Debug)]
pub enum SealFault {
    /// A file could not be read or written.
    File(PathBuf, io::Error),
    /// The sealing key's file is not 64 hexadecimal digits.
    NotAKey(PathBuf),
    /// The sealing key does not open the ring.
    WrongKey(PathBuf),
    /// The ring is damaged: at this byte.
    Damaged(PathBuf, usize),
    /// The ring holds fewer keys than the journal names: (path, held, named).
    Incomplete(PathBuf, u64, u64),
    /// This key does not unwrap, or is not one.
    Unusable(u64),
    /// This key was erased.
    Erased(u64),
    /// The hash key of this generation is missing.
    NoHashKey(PathBuf, u8),
    /// An earlier write failed; what is on disk is not known.
    Poisoned(PathBuf),
}

impl std::fmt::Display for SealFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SealFault::File(path, error) if error.kind() == io::ErrorKind::NotFound => {
                write!(
                    f,
                    "{} is missing: restore it from your backup, or correct the path in switch.toml",
                    path.display()
                )
            }
            SealFault::File(path, error) => write!(f, "{}: {error}", path.display()),
            SealFault::NotAKey(path) => {
                write!(f, "{} does not hold a sealing key: expected 64 hexadecimal digits", path.display())
            }
            SealFault::WrongKey(path) => write!(
                f,
                "the sealing key does not open {}: restore the key file that this data directory was made with",
                path.display()
            ),
            SealFault::Damaged(path, at) => {
                write!(f, "{} is damaged at byte {at}: restore it from your backup", path.display())
            }
            SealFault::Incomplete(path, held, named) => write!(
                f,
                "{} holds {held} keys, the journal names {named}: restore the one that belongs to this journal",
                path.display()
            ),
            SealFault::Unusable(id) => write!(f, "key {id} of the ring is not a data key that the sealing key opens"),
            SealFault::Erased(id) => write!(f, "key {id} of the ring was erased"),
            SealFault::NoHashKey(path, generation) => {
                write!(
                    f,
                    "{} lacks hash key {generation}, which the journal names: restore the one that belongs to this journal",
                    path.display()
                )
            }
            SealFault::Poisoned(path) => {
                write!(f, "{}: an earlier write failed; make space or mend the disk, then start again", path.display())
            }
        }
    }
}

impl std::error::Error for SealFault {}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    assert!(filled.is_ok(), "the system gives no random numbers");
    bytes
}

/// Fills with random bytes from the system.
pub fn random_into(bytes: &mut [u8]) {
    let filled = aws_lc_rs::rand::fill(bytes);
    assert!(filled.is_ok(), "the system gives no random numbers");
}

fn aead_key(bytes: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, bytes);
    LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("AES-256 takes any 32 bytes")))
}

/// Writes a new key, of the switch or of a development ID system, to a file that only its owner can read.
pub fn create_key_file(path: &Path) -> Result<(), SealFault> {
    let text: String = random::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
    let fault = |error| SealFault::File(path.to_owned(), error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(fault)
}

/// Reads a key that was written so.
pub fn read_key_file(path: &Path) -> Result<[u8; 32], SealFault> {
    let text = std::fs::read_to_string(path).map_err(|error| SealFault::File(path.to_owned(), error))?;
    let digits = text.trim();
    let mut key = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(SealFault::NotAKey(path.to_owned()));
    }
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| SealFault::NotAKey(path.to_owned()))?;
    }
    Ok(key)
}

/// A key that seals or opens private parts.
#[derive(Clone)]
pub struct DataKey {
    id: u64,
    key: Arc<LessSafeKey>,
}

impl DataKey {
    /// A key that lies in no ring: the simulator's, whose keys are a function of the seed.
    pub(crate) fn simulated(id: u64, secret: &[u8; 32]) -> DataKey {
        DataKey { id, key: Arc::new(aead_key(secret)) }
    }

    /// A key of the vault. It seals once.
    pub(crate) fn of_slot(slot: u64, secret: &[u8; 32]) -> DataKey {
        DataKey { id: slot | SLOT_KEY, key: Arc::new(aead_key(secret)) }
    }

    /// Its place in the ring, from 1; stands in every entry it sealed.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Opens a sealed part into `plaintext`, which is overwritten. None if it is not what was sealed, with this additional data, under this key.
    pub fn open<'a>(&self, sealed: &[u8], additional: &[u8], plaintext: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
        plaintext.clear();
        plaintext.extend_from_slice(ciphertext);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key.open_in_place(nonce, Aad::from(additional), plaintext).ok().map(|opened| &*opened)
    }
}

/// A data key with its counter: the only thing that seals. There is one for each key, so no nonce comes twice.
pub struct Sealer {
    key: DataKey,
    sealed: u64,
}

impl Sealer {
    /// The only sealer of a key that was made in this run of the process.
    pub fn new(key: DataKey) -> Sealer {
        Sealer { key, sealed: 0 }
    }

    /// Id of its key.
    pub fn key_id(&self) -> u64 {
        self.key.id
    }

    /// Appends nonce, ciphertext and tag of `plaintext`. `additional` is where in `out` the additional data lies.
    pub fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>, additional: Range<usize>) {
        self.sealed += 1;
        let mut nonce = [0; NONCE_LEN];
        nonce[4..].copy_from_slice(&self.sealed.to_le_bytes());
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let (before, text) = out.split_at_mut(start);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.key.seal_in_place_separate_tag(nonce, Aad::from(&before[additional]), text);
        let tag = tag.unwrap_or_else(|_| unreachable!("a private part is far below the limit of AES-GCM"));
        out.extend_from_slice(tag.as_ref());
    }

    /// How many bytes sealing adds.
    pub const OVERHEAD_BYTES: usize = NONCE_LEN + MAX_TAG_LEN;
}

/// The file of wrapped keys.
pub struct KeyRing {
    path: PathBuf,
    file: File,
    sealing_key: LessSafeKey,
    records: Vec<[u8; RECORD_BYTES]>,
    digest_key: [u8; 32],
    /// A write has failed: nothing is appended behind what may be half a record.
    is_poisoned: bool,
    /// Keys made in this run, by whose and when.
    current: BTreeMap<(ParticipantCode, Day), DataKey>,
}

impl KeyRing {
    /// Makes a ring with a new digest key. `directory` must exist.
    pub fn create(directory: &Path, key_file: &Path) -> Result<KeyRing, SealFault> {
        let sealing_key = aead_key(&read_key_file(key_file)?);
        let path = directory.join("ring");
        let fault = |error| SealFault::File(path.clone(), error);
        let file =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path).map_err(fault)?;
        let directory_synced = File::open(directory).and_then(|directory| directory.sync_all());
        directory_synced.map_err(|error| SealFault::File(directory.to_owned(), error))?;
        let digest_key = random();
        let current = BTreeMap::new();
        let mut ring =
            KeyRing { path, file, sealing_key, records: Vec::new(), digest_key, is_poisoned: false, current };
        ring.append(KIND_DIGEST, &[0; PARTICIPANT_CODE_BYTES], 0, &digest_key)?;
        Ok(ring)
    }

    /// Opens a ring of which the journal names keys up to `named`. A last record that is not whole is cut if its key was never used.
    pub fn open(directory: &Path, key_file: &Path, named: u64) -> Result<KeyRing, SealFault> {
        let sealing_key = aead_key(&read_key_file(key_file)?);
        let path = directory.join("ring");
        let fault = |error| SealFault::File(path.clone(), error);
        let mut file = OpenOptions::new().read(true).append(true).open(&path).map_err(fault)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fault)?;
        let records = whole_records(&bytes).map_err(|at| SealFault::Damaged(path.clone(), at))?;
        if (records.len() as u64) < named {
            return Err(SealFault::Incomplete(path, records.len() as u64, named));
        }
        let whole_bytes = records.len() * RECORD_BYTES;
        if whole_bytes < bytes.len() {
            file.set_len(whole_bytes as u64).and_then(|()| file.sync_all()).map_err(fault)?;
        }
        let current = BTreeMap::new();
        let mut ring = KeyRing { path, file, sealing_key, records, digest_key: [0; 32], is_poisoned: false, current };
        let first = ring.records.first().filter(|record| record[16] == KIND_DIGEST);
        let first = first.ok_or(SealFault::Damaged(ring.path.clone(), 0))?;
        ring.digest_key = ring.unwrap(first).ok_or(SealFault::WrongKey(ring.path.clone()))?;
        Ok(ring)
    }

    /// The secret under which payment orders are digested.
    pub fn digest_key(&self) -> [u8; 32] {
        self.digest_key
    }

    /// The key of the directory's vault. A ring that has none gets it.
    pub fn vault_key(&mut self) -> Result<[u8; 32], SealFault> {
        self.key_of(KIND_VAULT, 0)?.map_or_else(|| self.make_key(KIND_VAULT, 0), Ok)
    }

    /// The keys of the directory's hashes, as the journal has them: under which generation new ones are made, and whether old ones may still be under the one before.
    /// Keys that are of no use any more are destroyed. A key that was never used is made: the first, and one that was to be used when the switch stopped.
    pub fn hash_keys(&mut self, generation: u8, is_rehashing: bool) -> Result<HashKeys, SealFault> {
        let before = if is_rehashing { Some(self.hash_key(generation - 1)?) } else { None };
        let current = self.hash_key(generation)?;
        self.destroy_hash_keys_before(if is_rehashing { generation - 1 } else { generation })?;
        Ok(HashKeys { current, before })
    }

    /// The hash key of a generation. The one behind the newest is made, and is on disk before it is returned.
    pub fn hash_key(&mut self, generation: u8) -> Result<HashKey, SealFault> {
        if let Some(secret) = self.key_of(KIND_HASH, generation.into())? {
            return Ok(HashKey { generation, secret });
        }
        let hash_keys = self.records.iter().filter(|record| record[16] == KIND_HASH).count();
        // One that is missing among those that were made is lost, and everything that was hashed under it: a new one would find nothing.
        if hash_keys + 1 != usize::from(generation) {
            return Err(SealFault::NoHashKey(self.path.clone(), generation));
        }
        Ok(HashKey { generation, secret: self.make_key(KIND_HASH, generation.into())? })
    }

    /// Overwrites the hash keys of earlier generations: what was hashed under them can no longer be tried. On disk before it returns.
    pub fn destroy_hash_keys_before(&mut self, generation: u8) -> Result<(), SealFault> {
        for (index, record) in self.records.iter_mut().enumerate() {
            if record[16] != KIND_HASH || day_in(record) >= u32::from(generation) || is_erased(record) {
                continue;
            }
            record[NONCE.start..WRAPPED.end].fill(0);
            let at = (index * RECORD_BYTES + NONCE.start) as u64;
            // The ring is appended to by another handle, whose place a write there would not heed.
            let written = OpenOptions::new().write(true).open(&self.path);
            let written = written.and_then(|file| {
                file.write_all_at(&record[NONCE.start..WRAPPED.end], at).and_then(|()| file.sync_data())
            });
            written.map_err(|error| SealFault::File(self.path.clone(), error))?;
        }
        Ok(())
    }

    fn make_key(&mut self, kind: u8, generation: u32) -> Result<[u8; 32], SealFault> {
        let secret = random();
        self.append(kind, &[0; PARTICIPANT_CODE_BYTES], generation, &secret)?;
        Ok(secret)
    }

    /// The key of a kind with this generation in place of its day; none where the ring has none.
    fn key_of(&self, kind: u8, generation: u32) -> Result<Option<[u8; 32]>, SealFault> {
        let is_meant = |record: &&[u8; RECORD_BYTES]| record[16] == kind && day_in(record) == generation;
        let Some((index, record)) = self.records.iter().enumerate().find(|(_, record)| is_meant(record)) else {
            return Ok(None);
        };
        if is_erased(record) {
            return Err(SealFault::Erased(index as u64 + 1));
        }
        self.unwrap(record).map(Some).ok_or(SealFault::WrongKey(self.path.clone()))
    }

    /// The key that seals a participant's private parts today; on disk before it is returned. One for each participant and day
    /// in a run of the process.
    pub fn data_key(&mut self, code: ParticipantCode, day: Day) -> Result<DataKey, SealFault> {
        if let Some(key) = self.current.get(&(code, day)) {
            return Ok(key.clone());
        }
        let secret = random();
        let id = self.append(KIND_DATA, code.bytes(), day, &secret)?;
        let key = DataKey { id, key: Arc::new(aead_key(&secret)) };
        self.current.retain(|&(_, of), _| of + 1 >= day);
        self.current.insert((code, day), key.clone());
        Ok(key)
    }

    /// The key with this id, to open what it sealed.
    pub fn find(&self, id: u64) -> Result<DataKey, SealFault> {
        let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let record = index.and_then(|index| self.records.get(index)).filter(|record| record[16] == KIND_DATA);
        let record = record.ok_or(SealFault::Unusable(id))?;
        if is_erased(record) {
            return Err(SealFault::Erased(id));
        }
        let secret = self.unwrap(record).ok_or(SealFault::Unusable(id))?;
        Ok(DataKey { id, key: Arc::new(aead_key(&secret)) })
    }

    fn append(
        &mut self,
        kind: u8,
        code: &[u8; PARTICIPANT_CODE_BYTES],
        day: Day,
        secret: &[u8; 32],
    ) -> Result<u64, SealFault> {
        if self.is_poisoned {
            return Err(SealFault::Poisoned(self.path.clone()));
        }
        let id = self.records.len() as u64 + 1;
        let mut record = [0; RECORD_BYTES];
        record[..8].copy_from_slice(MAGIC);
        record[8..16].copy_from_slice(&id.to_le_bytes());
        record[16] = kind;
        record[17..52].copy_from_slice(code);
        record[52..56].copy_from_slice(&day.to_le_bytes());
        let nonce = random::<NONCE_LEN>();
        record[NONCE].copy_from_slice(&nonce);
        let mut wrapped = secret.to_vec();
        let aad = Aad::from(&record[ADDITIONAL]);
        let sealed = self.sealing_key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut wrapped);
        sealed.unwrap_or_else(|_| unreachable!("32 bytes are far below the limit of AES-GCM"));
        record[WRAPPED].copy_from_slice(&wrapped);
        let crc = crc32c::crc32c(&record[..CRC.start]);
        record[CRC].copy_from_slice(&crc.to_le_bytes());
        let written = self.file.write_all(&record).and_then(|()| self.file.sync_data());
        written.map_err(|error| {
            self.is_poisoned = true;
            SealFault::File(self.path.clone(), error)
        })?;
        self.records.push(record);
        Ok(id)
    }

    fn unwrap(&self, record: &[u8; RECORD_BYTES]) -> Option<[u8; 32]> {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&record[NONCE]);
        let mut wrapped = record[WRAPPED].to_vec();
        let aad = Aad::from(&record[ADDITIONAL]);
        let opened = self.sealing_key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut wrapped);
        <[u8; 32]>::try_from(&*opened.ok()?).ok()
    }
}

/// The day of a record, or what stands in its place.
fn day_in(record: &[u8; RECORD_BYTES]) -> u32 {
    u32::from_le_bytes([record[52], record[53], record[54], record[55]])
}

/// The ring of a running switch.
impl HashKeyRing for Arc<Mutex<KeyRing>> {
    fn key(&self, generation: u8) -> Result<HashKey, SealFault> {
        self.lock().unwrap_or_else(PoisonError::into_inner).hash_key(generation)
    }

    fn destroy_before(&self, generation: u8) -> Result<(), SealFault> {
        self.lock().unwrap_or_else(PoisonError::into_inner).destroy_hash_keys_before(generation)
    }
}

/// Was this key destroyed on purpose?
fn is_erased(record: &[u8; RECORD_BYTES]) -> bool {
    record[NONCE.start..WRAPPED.end].iter().all(|&byte| byte == 0)
}

/// The records of a ring's bytes; a last one that is not whole is left out. Err: where a record is damaged. An erased record
/// (nonce and wrapped key all zeros) keeps its place whatever its crc says.
fn whole_records(bytes: &[u8]) -> Result<Vec<[u8; RECORD_BYTES]>, usize> {
    let mut records = Vec::with_capacity(bytes.len() / RECORD_BYTES);
    let (chunks, _) = bytes.as_chunks::<RECORD_BYTES>();
    for (index, record) in chunks.iter().enumerate() {
        let crc_right = record[CRC] == crc32c::crc32c(&record[..CRC.start]).to_le_bytes();
        let in_place = record[..8] == *MAGIC && record[8..16] == (index as u64 + 1).to_le_bytes();
        if in_place && (crc_right || is_erased(record)) {
            records.push(*record);
        } else if index + 1 == chunks.len() {
            break;
        } else {
            return Err(index * RECORD_BYTES);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn ring() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join("sealing.key");
        create_key_file(&key_file).unwrap();
        (directory, key_file)
    }

    fn code() -> ParticipantCode {
        ParticipantCode::parse("ALPHA").unwrap()
    }

    #[test]
    fn what_is_sealed_opens_after_a_restart_and_only_for_its_own_entry() {
        let (directory, key_file) = ring();
        let mut ring = KeyRing::create(directory.path(), &key_file).unwrap();
        let digest_key = ring.digest_key();
        let mut sealer = Sealer::new(ring.data_key(code(), 7).unwrap());
        let mut out = b"header".to_vec();
        sealer.seal(b"Amina Diallo", &mut out, 0..6);
        assert_eq!(out.len(), 6 + 12 + Sealer::OVERHEAD_BYTES);
        drop(ring);

        let ring = KeyRing::open(directory.path(), &key_file, 2).unwrap();
        assert_eq!(ring.digest_key(), digest_key);
        let key = ring.find(sealer.key_id()).unwrap();
        let mut plaintext = Vec::new();
        assert_eq!(key.open(&out[6..], b"header", &mut plaintext), Some(&b"Amina Diallo"[..]));
        assert_eq!(key.open(&out[6..], b"Header", &mut plaintext), None);
        assert_eq!(key.open(&out[6..10], b"header", &mut plaintext), None);
    }

    #[test]
    fn a_new_run_makes_new_keys_and_a_day_too() {
        let (directory, key_file) = ring();
        let mut ring = KeyRing::create(directory.path(), &key_file).unwrap();
        let first = ring.data_key(code(), 7).unwrap().id();
        assert_eq!(ring.data_key(code(), 7).unwrap().id(), first);
        assert_ne!(ring.data_key(code(), 8).unwrap().id(), first);
        let mut ring = KeyRing::open(directory.path(), &key_file, 3).unwrap();
        assert_ne!(ring.data_key(code(), 7).unwrap().id(), first);
    }

    #[test]
    fn a_wrong_or_missing_key_file_is_named() {
        let (directory, key_file) = ring();
        drop(KeyRing::create(directory.path(), &key_file).unwrap());
        let other = directory.path().join("other.key");
        let open = |path: &Path| KeyRing::open(directory.path(), path, 0).err().unwrap().to_string();
        assert!(open(&other).contains("is missing"));
        create_key_file(&other).unwrap();
        assert!(open(&other).contains("does not open"));
        std::fs::write(&other, "not a key").unwrap();
        assert!(open(&other).contains("64 hexadecimal digits"));
    }

    #[test]
    fn a_torn_record_is_cut_an_erased_one_stays_and_a_damaged_one_is_refused() {
        let (directory, key_file) = ring();
        let mut ring = KeyRing::create(directory.path(), &key_file).unwrap();
        let erased = ring.data_key(code(), 1).unwrap().id();
        let kept = ring.data_key(code(), 2).unwrap().id();
        drop(ring);
        let path = directory.path().join("ring");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[RECORD_BYTES + 56..RECORD_BYTES + 116].fill(0);
        bytes.extend_from_slice(&[9; 50]);
        std::fs::write(&path, &bytes).unwrap();
        let incomplete = KeyRing::open(directory.path(), &key_file, 4).err().unwrap();
        assert!(matches!(incomplete, SealFault::Incomplete(_, 3, 4)), "a key that the journal names is never cut");
        let ring = KeyRing::open(directory.path(), &key_file, 3).unwrap();
        assert!(matches!(ring.find(erased), Err(SealFault::Erased(_))));
        assert!(matches!(ring.find(1), Err(SealFault::Unusable(1))), "the digest key opens nothing");
        assert!(ring.find(kept).is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * RECORD_BYTES as u64);

        bytes.truncate(3 * RECORD_BYTES);
        bytes[RECORD_BYTES + 20] ^= 1;
        bytes[RECORD_BYTES + 60] = 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(KeyRing::open(directory.path(), &key_file, 3), Err(SealFault::Damaged(_, RECORD_BYTES))));
    }
}
