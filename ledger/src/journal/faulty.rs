//! A directory in memory that fails as disks do, the same way for the same seed.
//!
//! It keeps two contents of each file: what the system shows (the cache) and what is on disk. Between them stand the sectors
//! written since the last sync. A power cut lets each of those sectors land, not land, or land torn, independently of all
//! others; of the unsynced names a prefix survives, as on a journaling file system.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::{Access, FileEntry, Storage};
use crate::limits::to_usize;

/// What a disk writes as one: between sectors anything may happen.
pub const SECTOR_BYTES: usize = 512;

/// What goes wrong, and when. Operations are those that change something: lock, list, open and read do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The operation with this number (from 1) and all later ones fail: the machine has stopped.
    pub crash_at_operation: Option<u64>,
    /// The sync of content with this number (from 1) fails once: some of it lands, the rest is given up, and the cache
    /// nevertheless claims to be clean.
    pub sync_fails_at: Option<u64>,
    /// Bytes that may still be created or written before the disk is full.
    pub space_bytes: Option<u64>,
    /// Reads return fewer bytes than asked for.
    pub short_reads: bool,
}

/// A directory in memory with faults. A clone is the same directory; [`Self::copy`] is another one.
#[derive(Clone)]
pub struct FaultyStorage {
    state: Arc<Mutex<State>>,
}

/// An open file. It does not outlive a power cut or a kill.
pub struct FaultyFile {
    file: usize,
    incarnation: u64,
}

#[derive(Clone)]
struct State {
    random: Random,
    plan: FaultPlan,
    files: Vec<Content>,
    /// Names as the system shows them, and as they are on disk; numbers are places in `files`.
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    /// Names after each operation since the last sync of the directory.
    names_pending: Vec<BTreeMap<String, usize>>,
    operations: u64,
    syncs: u64,
    has_crashed: bool,
    incarnation: u64,
}

#[derive(Clone, Default)]
struct Content {
    cache: Vec<u8>,
    disk: Vec<u8>,
    /// Each sector's contents since the last sync, oldest first.
    pending: BTreeMap<usize, Vec<Vec<u8>>>,
}

/// SplitMix64: small, seeded, good enough to choose what breaks.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `max`, both included.
    fn up_to(&mut self, max: usize) -> usize {
        to_usize(self.next() % (max as u64 + 1))
    }
}

impl FaultyStorage {
    /// An empty directory. The seed decides what each power cut leaves.
    pub fn new(seed: u64) -> FaultyStorage {
        FaultyStorage {
            state: Arc::new(Mutex::new(State {
                random: Random(seed),
                plan: FaultPlan::default(),
                files: Vec::new(),
                names: BTreeMap::new(),
                names_on_disk: BTreeMap::new(),
                names_pending: Vec::new(),
                operations: 0,
                syncs: 0,
                has_crashed: false,
                incarnation: 0,
            })),
        }
    }

    /// Another directory with the same content, whose future is decided by another seed.
    pub fn copy(&self, seed: u64) -> FaultyStorage {
        let mut state = self.state().clone();
        state.random = Random(seed);
        FaultyStorage { state: Arc::new(Mutex::new(state)) }
    }

    /// What goes wrong from now on. The counts of operations and syncs go on from where they are.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.state().plan = plan;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Syncs of content so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The power goes and comes back: of what was not synced, the seed decides what is left. Ends a planned crash.
    pub fn cut_power(&self) {
        let mut state = self.state();
        let State { random, files, names, names_on_disk, names_pending, .. } = &mut *state;
        for content in files {
            content.lose_power(random);
        }
        let survived = random.up_to(names_pending.len());
        if let Some(kept) = survived.checked_sub(1) {
            names_on_disk.clone_from(&names_pending[kept]);
        }
        names_pending.clear();
        names.clone_from(names_on_disk);
        state.restart();
    }

    /// The process dies and is started again; the system lives, and what it shows stays. Ends a planned crash.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// Inverts one bit of a file, on disk and in the cache.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn flip(&self, name: &str, byte: usize, bit: u8) {
        let mut state = self.state();
        let content = state.content(name);
        content.disk[byte] ^= 1 << bit;
        content.cache[byte] ^= 1 << bit;
    }

    /// What the system shows of a file.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[*file].cache.clone())
    }

    /// Puts a file there, durably, in place of one of that name.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.files.push(Content { cache: bytes.to_vec(), disk: bytes.to_vec(), pending: BTreeMap::new() });
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.sync_names();
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let file = state.names.remove(name)?;
        state.sync_names();
        Some(state.files[file].cache.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn content(&mut self, name: &str) -> &mut Content {
        let file = *self.names.get(name).expect("the file exists");
        &mut self.files[file]
    }

    fn restart(&mut self) {
        self.has_crashed = false;
        self.plan.crash_at_operation = None;
        self.incarnation += 1;
    }

    fn sync_names(&mut self) {
        self.names_on_disk.clone_from(&self.names);
        self.names_pending.clear();
    }

    fn file_of(&self, file: &FaultyFile) -> io::Result<usize> {
        if self.has_crashed || file.incarnation != self.incarnation {
            return Err(crashed());
        }
        Ok(file.file)
    }

    /// Counts an operation. `Ok(true)`: it is the one in which the machine stops; do a part of it.
    fn begin(&mut self) -> io::Result<bool> {
        if self.has_crashed {
            return Err(crashed());
        }
        self.operations += 1;
        self.has_crashed = self.plan.crash_at_operation.is_some_and(|at| self.operations >= at);
        Ok(self.has_crashed)
    }

    /// How many of `bytes` there is space for; they are then used up.
    fn use_space(&mut self, bytes: usize) -> usize {
        let Some(left) = self.plan.space_bytes.as_mut() else { return bytes };
        let fitting = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= fitting as u64;
        fitting
    }

    /// Names have changed, not yet on disk.
    fn renamed(&mut self) {
        self.names_pending.push(self.names.clone());
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
            // A longer size is on disk with the next sync; what it holds until then are zeros.
            self.disk.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.cache.len());
            let version = self.cache[from..to].to_vec();
            self.pending.entry(sector).or_default().push(version);
        }
    }

    fn sync(&mut self) {
        for (sector, versions) in core::mem::take(&mut self.pending) {
            if let Some(newest) = versions.last() {
                self.land(sector, newest);
            }
        }
    }

    /// What a failed sync leaves: some sectors landed, no sector is to be written any more.
    fn give_up(&mut self, random: &mut Random) {
        for (sector, versions) in core::mem::take(&mut self.pending) {
            if let (Some(newest), 1) = (versions.last(), random.up_to(1)) {
                self.land(sector, newest);
            }
        }
    }

    fn lose_power(&mut self, random: &mut Random) {
        for (sector, versions) in core::mem::take(&mut self.pending) {
            let landed = random.up_to(versions.len());
            if let Some(at) = landed.checked_sub(1) {
                // Torn in one of four: some bytes of the version before it are left behind.
                let length = if random.up_to(3) == 0 { random.up_to(versions[at].len()) } else { versions[at].len() };
                if let Some(before) = at.checked_sub(1) {
                    self.land(sector, &versions[before]);
                }
                self.land(sector, &versions[at][..length]);
            }
        }
        self.cache.clone_from(&self.disk);
    }

    fn land(&mut self, sector: usize, bytes: &[u8]) {
        let from = sector * SECTOR_BYTES;
        self.disk[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// The cache as it is after its clean pages were dropped.
    fn drop_cache(&mut self) {
        self.cache.clone_from(&self.disk);
        for (sector, versions) in &self.pending {
            if let Some(newest) = versions.last() {
                let from = sector * SECTOR_BYTES;
                self.cache[from..from + newest.len()].copy_from_slice(newest);
            }
        }
    }
}

impl Storage for FaultyStorage {
    type File = FaultyFile;

    fn lock(&self) -> io::Result<()> {
        if self.state().has_crashed { Err(crashed()) } else { Ok(()) }
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let state = self.state();
        let entry = |(name, file): (&String, &usize)| FileEntry {
            name: name.clone(),
            bytes: state.files[*file].cache.len() as u64,
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<FaultyFile> {
        let mut state = self.state();
        let stops = state.begin()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let wanted = to_usize(bytes);
        let made = if stops { state.random.up_to(wanted) } else { state.use_space(wanted) };
        let zeros = vec![0; made];
        state.files.push(Content { cache: zeros.clone(), disk: zeros, pending: BTreeMap::new() });
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.renamed();
        if stops {
            return Err(crashed());
        }
        if made < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(FaultyFile { file, incarnation: state.incarnation })
    }

    fn open(&self, name: &str, _: Access) -> io::Result<FaultyFile> {
        let state = self.state();
        if state.has_crashed {
            return Err(crashed());
        }
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultyFile { file, incarnation: state.incarnation })
    }

    fn read_at(&self, file: &FaultyFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let at = state.file_of(file)?;
        let available = state.files[at].cache.len().saturating_sub(to_usize(offset)).min(into.len());
        let length = match state.plan.short_reads && available > 1 {
            true => 1 + state.random.up_to(available - 1),
            false => available,
        };
        // Behind the end there is nothing to read: a crash may have left the file shorter than its reader thinks.
        let from = to_usize(offset).min(state.files[at].cache.len());
        into[..length].copy_from_slice(&state.files[at].cache[from..from + length]);
        Ok(length)
    }

    fn write_at(&self, file: &FaultyFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let at = state.file_of(file)?;
        let stops = state.begin()?;
        let written = if stops { state.random.up_to(bytes.len()) } else { state.use_space(bytes.len()) };
        state.files[at].write(to_usize(offset), &bytes[..written]);
        if stops {
            return Err(crashed());
        }
        if written < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync_data(&self, file: &FaultyFile) -> io::Result<()> {
        let mut state = self.state();
        let at = state.file_of(file)?;
        if state.begin()? {
            return Err(crashed());
        }
        state.syncs += 1;
        let State { files, random, syncs, plan, .. } = &mut *state;
        if plan.sync_fails_at == Some(*syncs) {
            files[at].give_up(random);
            return Err(io::Error::other("input/output error"));
        }
        files[at].sync();
        Ok(())
    }

    fn drop_cache(&self, file: &FaultyFile) -> io::Result<()> {
        let mut state = self.state();
        let at = state.file_of(file)?;
        state.files[at].drop_cache();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.begin()?;
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        state.renamed();
        if stops { Err(crashed()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let stops = state.begin()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.renamed();
        if stops { Err(crashed()) } else { Ok(()) }
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? {
            return Err(crashed());
        }
        state.sync_names();
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

fn crashed() -> io::Error {
    io::Error::other("the machine has stopped")
}
