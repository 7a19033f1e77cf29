//! The virtual disk: the ledger's faulty directory, with operations that take virtual time, and a record of its own of what is
//! durable. What the journal claims is one thing; what a power cut could still take away is known here.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::journal::faulty::{FaultPlan, FaultyFile, FaultyStorage};
use ledger::journal::{Access, FileEntry, Storage};

use super::random::{Random, to_usize};
use super::wire;

/// A directory on a virtual disk. A clone is the same directory.
#[derive(Clone)]
pub(super) struct VirtualDisk {
    faulty: FaultyStorage,
    state: Arc<Mutex<State>>,
}

/// An open file.
pub(super) struct VirtualFile {
    file: FaultyFile,
    /// Place in the state's `files`.
    place: usize,
}

struct State {
    random: Random,
    /// What operations took since somebody last asked.
    spent_ns: u64,
    /// An operation takes so many times as long as on a good day.
    slowness: u64,
    /// Names since the start of the process, with the place of their file.
    names: Vec<(String, usize)>,
    files: Vec<FileState>,
    /// Would every name survive a power cut?
    are_names_synced: bool,
    /// Would those that were there when the process began?
    are_old_names_synced: bool,
    /// Batch records that became durable since somebody last asked, in order.
    durable: Vec<Vec<u8>>,
    /// The operation that failed first since the start of the process.
    failed: Option<&'static str>,
}

/// What of one file a power cut could take, and batch records on their way to be durable.
#[derive(Default)]
struct FileState {
    is_name_synced: bool,
    /// Was it written since its last sync?
    is_unsynced: bool,
    written: Vec<Vec<u8>>,
    synced: Vec<Vec<u8>>,
}

/// A bit that has turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flip {
    pub(super) name: String,
    pub(super) byte: usize,
    pub(super) bit: u8,
}

impl VirtualDisk {
    pub(super) fn new(random: &mut Random) -> VirtualDisk {
        VirtualDisk::over(FaultyStorage::new(random.draw()), random.fork())
    }

    fn over(faulty: FaultyStorage, random: Random) -> VirtualDisk {
        let state = State {
            random,
            spent_ns: 0,
            slowness: 1,
            names: Vec::new(),
            files: Vec::new(),
            are_names_synced: true,
            are_old_names_synced: true,
            durable: Vec::new(),
            failed: None,
        };
        VirtualDisk { faulty, state: Arc::new(Mutex::new(state)) }
    }

    /// Another disk with the same content, on which nothing is planned.
    pub(super) fn copy(&self, random: &mut Random) -> VirtualDisk {
        let faulty = self.faulty.copy(random.draw());
        faulty.set_plan(FaultPlan::default());
        faulty.kill();
        VirtualDisk::over(faulty, random.fork())
    }

    /// What is to go wrong from now on, and nothing else.
    pub(super) fn plan(&self, change: impl FnOnce(&mut FaultPlan)) {
        let mut plan = FaultPlan::default();
        change(&mut plan);
        self.faulty.set_plan(plan);
    }

    pub(super) fn operations(&self) -> u64 {
        self.faulty.operations()
    }

    pub(super) fn syncs(&self) -> u64 {
        self.faulty.syncs()
    }

    /// 1 on a good day.
    pub(super) fn set_slowness(&self, slowness: u64) {
        self.state().slowness = slowness;
    }

    /// How long everything took since the last call.
    pub(super) fn take_spent_ns(&self) -> u64 {
        std::mem::take(&mut self.state().spent_ns)
    }

    /// Batch records that no power cut can take away any more, since the last call.
    pub(super) fn take_durable(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().durable)
    }

    /// The operation that failed first since the start of the process.
    pub(super) fn failed(&self) -> Option<&'static str> {
        self.state().failed
    }

    /// Is anything written that a power cut could take away?
    pub(super) fn has_unsynced(&self) -> bool {
        self.state().files.iter().any(|file| !file.written.is_empty())
    }

    /// A file of such a name of which a power cut could take something: content, or the name itself. Known is what this process has touched.
    pub(super) fn name_at_risk(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let state = self.state();
        let is_at_risk = |place: usize| state.files[place].is_unsynced || !state.files[place].is_name_synced;
        let found = state.names.iter().find(|(name, place)| is_at_risk(*place) && is_wanted(name));
        found.map(|(name, _)| name.clone())
    }

    pub(super) fn has_unsynced_names(&self) -> bool {
        !self.state().are_names_synced
    }

    /// The process is gone; with `power` also what was not synced.
    pub(super) fn restart(&self, power: bool) {
        if power {
            self.faulty.cut_power();
        } else {
            self.faulty.kill();
        }
        self.faulty.set_plan(FaultPlan::default());
        let mut state = self.state();
        state.are_names_synced |= power;
        state.are_old_names_synced = state.are_names_synced;
        state.names.clear();
        state.files.clear();
        state.durable.clear();
        state.failed = None;
    }

    /// How many segments the journal has.
    pub(super) fn segments(&self) -> u64 {
        let files = self.list().unwrap_or_default();
        files.iter().filter(|file| file.name.ends_with(".segment")).count() as u64
    }

    /// Is there anything in the last segment behind its last record?
    pub(super) fn has_remains(&self) -> bool {
        let files = self.list().unwrap_or_default();
        let last = files.into_iter().map(|file| file.name).filter(|name| name.ends_with(".segment")).max();
        let Some(bytes) = last.and_then(|name| self.faulty.file(&name)) else { return false };
        let end = wire::records(&bytes).last().map_or(0, |(start, length)| start + length);
        bytes[end..].iter().any(|byte| *byte != 0)
    }

    /// Turns a bit, or turns it back.
    pub(super) fn flip(&self, flip: &Flip) {
        self.faulty.flip(&flip.name, flip.byte, flip.bit);
    }

    /// Is the file of a flip still there?
    pub(super) fn holds(&self, flip: &Flip) -> bool {
        self.faulty.file(&flip.name).is_some_and(|bytes| flip.byte < bytes.len())
    }

    /// A bit of a record in one of the segments, and whether a later record says that this one was on disk. None where there is no record.
    pub(super) fn choose_flip(&self, random: &mut Random) -> Option<(Flip, bool)> {
        let names: Vec<String> = self.list().ok()?.into_iter().map(|file| file.name).collect();
        let segments: Vec<&String> = names.iter().filter(|name| name.ends_with(".segment")).collect();
        let chosen = if random.percent(50) { segments.len().checked_sub(1)? } else { random.index(segments.len()) };
        let name = (*segments.get(chosen)?).clone();
        let records = wire::records(&self.faulty.file(&name)?);
        let is_last = random.percent(15);
        let place = if is_last { records.len().saturating_sub(1) } else { random.index(records.len()) };
        let &(start, bytes) = records.get(place)?;
        let byte = start + random.index(bytes);
        let is_witnessed = chosen + 1 < segments.len() || place + 1 < records.len();
        Some((Flip { name, byte, bit: u8::try_from(random.below(8)).unwrap_or(0) }, is_witnessed))
    }

    /// Any bit of any file; none where there is none.
    pub(super) fn choose_any_flip(&self, random: &mut Random) -> Option<Flip> {
        let files = self.list().ok()?;
        let file = files.get(random.index(files.len())).filter(|file| file.bytes > 0)?;
        let byte = to_usize(random.below(file.bytes));
        Some(Flip { name: file.name.clone(), byte, bit: u8::try_from(random.below(8)).unwrap_or(0) })
    }

    /// The snapshot that a path names, and its position.
    pub(super) fn position_of(&self, path: &str) -> Option<(String, u64)> {
        let files = self.list().ok()?;
        let name = files.into_iter().map(|file| file.name).find(|name| self.path_of(name) == path)?;
        let position = name.strip_suffix(".snapshot")?.parse().ok()?;
        Some((name, position))
    }

    /// The content of a file.
    pub(super) fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.faulty.file(name)
    }

    /// Takes the last records of the last segment away, some but never all; false where there are too few. For a copy: it is as if an older one had been
    /// put back.
    pub(super) fn take_tail(&self, random: &mut Random) -> bool {
        let files = self.list().unwrap_or_default();
        let last = files.into_iter().map(|file| file.name).filter(|name| name.ends_with(".segment")).max();
        let Some((name, mut bytes)) = last.and_then(|name| Some((name.clone(), self.faulty.file(&name)?))) else {
            return false;
        };
        let records = wire::records(&bytes);
        // The first two are the opening of the segment, and its mark.
        let Some(removable) = records.len().checked_sub(2).filter(|removable| *removable > 0) else { return false };
        let (start, _) = records[2 + random.index(removable)];
        bytes[start..].fill(0);
        self.faulty.put(&name, &bytes);
        true
    }

    /// Nothing is left in the directory.
    pub(super) fn remove_all(&self) {
        for file in self.list().unwrap_or_default() {
            drop(self.faulty.take(&file.name));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // One thread only; a run that panicked elsewhere has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn spend(&mut self, low_ns: u64, high_ns: u64) {
        let once_ns = self.random.between(low_ns, high_ns);
        self.spent_ns += once_ns * self.random.between(1, self.slowness);
    }

    fn place_of(&mut self, name: &str) -> usize {
        if let Some((_, place)) = self.names.iter().find(|(known, _)| known == name) {
            return *place;
        }
        self.files.push(FileState { is_name_synced: self.are_old_names_synced, ..FileState::default() });
        let place = self.files.len() - 1;
        self.names.push((name.to_owned(), place));
        place
    }

    /// Notes the first operation that fails.
    fn watched<T>(&mut self, operation: &'static str, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.failed.get_or_insert(operation);
        }
        done
    }

    /// What has both content and name on disk is durable.
    fn release(&mut self) {
        for file in &mut self.files {
            if file.is_name_synced {
                self.durable.append(&mut file.synced);
            }
        }
    }
}

impl Storage for VirtualDisk {
    type File = VirtualFile;

    fn lock(&self) -> io::Result<()> {
        self.faulty.lock()
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.faulty.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<VirtualFile> {
        let mut state = self.state();
        state.spend(500_000, 2_000_000);
        state.are_names_synced = false;
        let file = state.watched("create", self.faulty.create(name, bytes))?;
        state.names.retain(|(known, _)| known != name);
        let place = state.place_of(name);
        state.files[place].is_name_synced = false;
        Ok(VirtualFile { file, place })
    }

    fn open(&self, name: &str, access: Access) -> io::Result<VirtualFile> {
        let file = self.faulty.open(name, access)?;
        let place = self.state().place_of(name);
        Ok(VirtualFile { file, place })
    }

    fn read_at(&self, file: &VirtualFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.state().spent_ns += into.len() as u64 / 2;
        self.faulty.read_at(&file.file, offset, into)
    }

    fn write_at(&self, file: &VirtualFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.spend(5_000, 20_000);
        state.files[file.place].is_unsynced = true;
        state.watched("write", self.faulty.write_at(&file.file, offset, bytes))?;
        if wire::batch_of_record(bytes).is_some() {
            state.files[file.place].written.push(bytes.to_vec());
        }
        Ok(())
    }

    fn sync_data(&self, file: &VirtualFile) -> io::Result<()> {
        let mut state = self.state();
        state.spend(60_000, 250_000);
        state.watched("sync", self.faulty.sync_data(&file.file))?;
        let file = &mut state.files[file.place];
        file.is_unsynced = false;
        file.synced.append(&mut file.written);
        state.release();
        Ok(())
    }

    fn drop_cache(&self, file: &VirtualFile) -> io::Result<()> {
        self.faulty.drop_cache(&file.file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.spend(20_000, 80_000);
        state.are_names_synced = false;
        state.watched("rename", self.faulty.rename(from, to))?;
        let place = state.place_of(from);
        state.files[place].is_name_synced = false;
        state.names.retain(|(known, _)| known != from && known != to);
        state.names.push((to.to_owned(), place));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.spend(20_000, 80_000);
        state.are_names_synced = false;
        state.watched("remove", self.faulty.remove(name))?;
        state.names.retain(|(known, _)| known != name);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        state.spend(60_000, 250_000);
        state.watched("sync of names", self.faulty.sync_dir())?;
        state.are_names_synced = true;
        state.are_old_names_synced = true;
        state.files.iter_mut().for_each(|file| file.is_name_synced = true);
        state.release();
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        self.faulty.path_of(name)
    }
}

/// How much space is left before the disk is full, so that it happens within a few batches or within the next segment.
pub(super) fn little_space(random: &mut Random) -> u64 {
    if random.percent(50) { random.below(64 << 10) } else { random.below(to_usize(2 << 20) as u64) }
}
