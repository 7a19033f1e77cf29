//! Snapshots: files that hold a whole state at a journal position, so that a start needs no more than the journal's tail.
//!
//! They know nothing of the state: what goes in is a body of a known length, in pieces that may come in any order
//! ([`Book::capture`](crate::Book::capture) hands them out so), and some bytes of the owner's; what comes out is a reader of
//! the same body. Their form, and what is valid after a crash, stand in `docs/formats/snapshot.md`. Two are kept.
//!
//! A snapshot is never the truth: whatever is wrong with one, the next older one is tried, and then the journal from its
//! beginning. They must never: show a file that was not written, synced and read back whole; hand out a byte whose checksum was
//! not looked at; remove the last one that could be used before a newer one is durable; make the owner wait for a disk, where a
//! thread writes beside it and the queue has room.
//!
//! ```text
//!   owner --begin, page, page ...--> SnapshotWriter --(queue)--> thread: write, sync, read back, rename
//!   owner <--load-- Snapshots: the newest that is whole, else the one before it, else nothing
//! ```

mod fault;
mod file;
mod reader;
mod writer;

pub use self::fault::{Flaw, SnapshotFault};
pub use self::file::snapshot_name;
pub use self::reader::BodyReader;
pub use self::writer::{SnapshotFinishing, SnapshotWriter};

use core::fmt;
use std::io::{self, Read};

use crate::journal::{Lineage, Storage};

use self::file::position_of;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotWork {
    /// A thread, made for each snapshot.
    Beside,
    /// The caller. The order of operations is then the same in every run, as the simulator needs it.
    Inline,
}

/// What is fixed for a directory of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// What a body is; a file that says something else is not used. Given by the owner, not looked at here.
    pub format: u32,
    /// Who writes.
    pub work: SnapshotWork,
}

/// One snapshot, as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The journal position whose state it holds.
    pub position: u64,
    /// What the owner gave to be kept with it.
    pub owner: Vec<u8>,
    /// The length of the body.
    pub body_bytes: u64,
    /// BLAKE3 of the body.
    pub body_digest: [u8; 32],
}

/// A file that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its full name.
    pub path: String,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.flaw)
    }
}

/// What [`Snapshots::load`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The snapshot that was used, and what was made of it; `None`: there is none, start from the journal's beginning.
    pub found: Option<(Snapshot, T)>,
    /// Newer ones that were not used, the newest first.
    pub refused: Vec<Refused>,
}

/// The snapshots in a directory that has nothing else in it.
#[derive(Clone)]
pub struct Snapshots<S: Storage> {
    storage: S,
    lineage: Lineage,
    options: SnapshotOptions,
    /// Positions of files that were looked at and are of no use, whatever their head and foot say.
    refused: Vec<u64>,
}

impl<S: Storage> Snapshots<S> {
    /// Opens the directory. What a crash has left unfinished is removed when the next one is begun.
    pub fn open(storage: S, lineage: Lineage, options: SnapshotOptions) -> Snapshots<S> {
        Snapshots { storage, lineage, options, refused: Vec::new() }
    }

    /// Makes a state of the newest snapshot that is whole and not beyond `position_max`, which is where the journal ends. `make`
    /// is called for one after the other, the newest first, until one succeeds: it gets the description and a reader of the body,
    /// and its error is a reason to go on with an older one. A body whose digest turns out wrong at its end is refused even when
    /// `make` had no objection.
    pub fn load<T>(
        &mut self,
        position_max: u64,
        mut make: impl FnMut(&Snapshot, &mut BodyReader<'_, S>) -> Result<T, String>,
    ) -> Result<Loaded<T>, SnapshotFault> {
        let mut refused = Vec::new();
        self.refused.clear();
        for (position, bytes) in self.files()?.into_iter().rev() {
            match self.load_one(position, bytes, position_max, &mut make) {
                Ok(found) => return Ok(Loaded { found: Some(found), refused }),
                Err(flaw) => {
                    refused.push(Refused { path: self.storage.path_of(&snapshot_name(position)), flaw });
                    self.refused.push(position);
                }
            }
        }
        Ok(Loaded { found: None, refused })
    }

    /// Reads every snapshot to its end: the description of each one that is whole, the flaw of each other, the oldest first.
    pub fn verify(&self) -> Result<Vec<Result<Snapshot, Refused>>, SnapshotFault> {
        let read =
            |_: &Snapshot, body: &mut BodyReader<'_, S>| io::copy(body, &mut io::sink()).map_err(|e| e.to_string());
        let one = |(position, bytes)| match self.load_one(position, bytes, u64::MAX, &mut { read }) {
            Ok((snapshot, _)) => Ok(snapshot),
            Err(flaw) => Err(Refused { path: self.storage.path_of(&snapshot_name(position)), flaw }),
        };
        Ok(self.files()?.into_iter().map(one).collect())
    }

    /// Begins a snapshot of the state at a position. It is there when [`SnapshotFinishing::wait`] says so, and not before. Where a
    /// thread writes, the caller touches no disk, and hears of one that fails when it gives the next piece.
    ///
    /// # Panics
    /// When `owner` is longer than [`SNAPSHOT_OWNER_BYTES_MAX`](crate::limits::SNAPSHOT_OWNER_BYTES_MAX).
    pub fn begin(&self, position: u64, owner: &[u8], body_bytes: u64) -> Result<SnapshotWriter<S>, SnapshotFault> {
        let snapshot = Snapshot { position, owner: owner.to_vec(), body_bytes, body_digest: [0; 32] };
        SnapshotWriter::begin(self.clone(), snapshot)
    }

    /// The positions of the snapshots that are kept, by their names, the oldest first.
    pub fn positions(&self) -> Result<Vec<u64>, SnapshotFault> {
        Ok(self.files()?.into_iter().map(|(position, _)| position).collect())
    }

    /// Removes the snapshots beyond a position, durably: they are of a journal that was cut there.
    pub fn remove_after(&self, position: u64) -> Result<(), SnapshotFault> {
        let beyond = self.files()?.into_iter().map(|(at, _)| at).filter(|at| *at > position);
        self.remove_all(beyond)
    }

    /// Keeps this one, which is durable, and the newest one before it that looks whole and was not refused; nothing else.
    fn keep_two(&self, position: u64) -> Result<(), SnapshotFault> {
        let files = self.files()?;
        let older = files.iter().rev().filter(|(at, _)| *at < position && !self.refused.contains(at));
        let second = older.into_iter().find(|(at, bytes)| self.read_frame(*at, *bytes).is_ok()).map(|(at, _)| *at);
        let others = files.iter().map(|(at, _)| *at).filter(|at| *at != position && Some(*at) != second);
        self.remove_all(others)
    }

    fn remove_all(&self, positions: impl Iterator<Item = u64>) -> Result<(), SnapshotFault> {
        let mut any = false;
        for position in positions {
            let name = snapshot_name(position);
            self.storage.remove(&name).map_err(SnapshotFault::on(&self.storage, "remove", &name))?;
            any = true;
        }
        if any { self.storage.sync_dir().map_err(SnapshotFault::on(&self.storage, "sync", ".")) } else { Ok(()) }
    }

    /// Positions and sizes of all snapshots, by position.
    fn files(&self) -> Result<Vec<(u64, u64)>, SnapshotFault> {
        let listed = self.storage.list().map_err(SnapshotFault::on(&self.storage, "list", "."))?;
        let mut files: Vec<(u64, u64)> =
            listed.iter().filter_map(|file| Some((position_of(&file.name)?, file.bytes))).collect();
        files.sort_unstable();
        Ok(files)
    }

    fn load_one<T>(
        &self,
        position: u64,
        bytes: u64,
        position_max: u64,
        make: &mut impl FnMut(&Snapshot, &mut BodyReader<'_, S>) -> Result<T, String>,
    ) -> Result<(Snapshot, T), Flaw> {
        if position > position_max {
            return Err(Flaw::BeyondJournal { position_max });
        }
        let mut body = self.read_frame(position, bytes)?;
        let snapshot = body.snapshot().clone();
        let made = make(&snapshot, &mut body);
        // What was wrong with the file itself says more than what was made of it.
        body.finish()?;
        made.map(|made| (snapshot, made)).map_err(|reason| Flaw::NotTaken { reason })
    }

    /// The body of a snapshot whose head and foot are in order.
    fn read_frame(&self, position: u64, bytes: u64) -> Result<BodyReader<'_, S>, Flaw> {
        BodyReader::open(&self.storage, self.lineage, self.options.format, position, bytes)
    }
}

impl<S: Storage> Read for BodyReader<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available =
            self.available().map_err(|flaw| io::Error::new(io::ErrorKind::InvalidData, flaw.to_string()))?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}
