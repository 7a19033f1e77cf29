//! What the journal asks of a directory of files: real ones here, faulty ones in [`faulty`](super::faulty).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};

use crate::limits::{PREPARE_WRITE_BYTES, to_usize};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read only.
    Read,
    /// To be read and written.
    Write,
}

/// One file of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name within the directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// One directory of files. A clone is the same directory.
///
/// Durability is as on a disk: content survives a power cut after `sync_data`, names after `sync_dir`; without them anything
/// between all and nothing does.
pub trait Storage: Clone + Send + Sync + 'static {
    /// An open file.
    type File: Send + Sync + 'static;

    /// Keeps other processes from writing until every clone of this storage is gone; `WouldBlock` when another one does.
    fn lock(&self) -> io::Result<()>;

    /// All files, in any order.
    fn list(&self) -> io::Result<Vec<FileEntry>>;

    /// Creates a file of `bytes` zeros that are allocated, written and synced; its name is not. It grows when it is written
    /// behind its end.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Self::File>;

    /// Opens a file that exists.
    fn open(&self, name: &str, access: Access) -> io::Result<Self::File>;

    /// Reads at most `into.len()` bytes; fewer are no error, none is the end.
    fn read_at(&self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Fills `into`, whatever is read at a time. A file that ends before is an error: `UnexpectedEof`.
    fn read_exact_at(&self, file: &Self::File, mut offset: u64, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_at(file, offset, into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    offset += read as u64;
                    into = &mut into[read..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes`; after an error any part of them may be written.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the content is on disk.
    fn sync_data(&self, file: &Self::File) -> io::Result<()>;

    /// Drops clean cached content, as far as the system can, so that reads show what is on disk.
    fn drop_cache(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, replacing no other.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until names are on disk.
    fn sync_dir(&self) -> io::Result<()>;

    /// The file's full name, for people.
    fn path_of(&self, name: &str) -> String;
}

/// A real directory.
#[derive(Clone, Debug)]
pub struct DiskStorage {
    path: PathBuf,
    directory: Arc<File>,
}

impl DiskStorage {
    /// Uses a directory, which must exist.
    pub fn open(directory: &Path) -> io::Result<DiskStorage> {
        Ok(DiskStorage { path: directory.to_owned(), directory: Arc::new(File::open(directory)?) })
    }

    /// Makes the directory and its parents where they are missing, durably, then opens it.
    pub fn create(directory: &Path) -> io::Result<DiskStorage> {
        let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(directory)?;
        for made in missing {
            let parent = match made.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            File::open(parent)?.sync_all()?;
        }
        DiskStorage::open(directory)
    }
}

/// No more is read than is asked for: what the system reads ahead of its own (8 MiB on a virtual disk) would stand before the
/// log's next sync in the disk's queue, and cost it 10 ms. Who reads a whole file asks for 64 KiB and more at a time, which was
/// as quick there (`benches/results/2026-11-22-index.md`).
const AS_ASKED: Advice = Advice::Random;

/// Tells the system how a file will be used.
fn advise(file: &File, advice: Advice) -> io::Result<()> {
    advise_range(file, 0, None, advice)
}

/// The same for so many bytes from an offset on; none for all of them.
fn advise_range(file: &File, offset: u64, bytes: Option<NonZeroU64>, advice: Advice) -> io::Result<()> {
    match rustix::fs::fadvise(file, offset, bytes, advice) {
        // It is advice: a file system that keeps everything in memory may not take it.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl DiskStorage {
    /// As [`Storage::lock`], and others may do the same: for who only reads, beside others who do. `WouldBlock` where somebody writes.
    pub fn lock_shared(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(&*self.directory, FlockOperation::NonBlockingLockShared)?)
    }
}

impl Storage for DiskStorage {
    type File = File;

    fn lock(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(&*self.directory, FlockOperation::NonBlockingLockExclusive)?)
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                files.push(FileEntry { name, bytes: entry.metadata()?.len() });
            }
        }
        Ok(files)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.path.join(name))?;
        advise(&file, AS_ASKED)?;
        if bytes == 0 {
            return Ok(file);
        }
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            // A file system without allocation gets its blocks by the zeros below.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        // Written, not only allocated: overwriting allocated blocks for the first time would change metadata, and then each
        // sync of the log would have to write the file system's journal too.
        let zeros = vec![0; to_usize(bytes.min(PREPARE_WRITE_BYTES))];
        let mut offset = 0;
        while offset < bytes {
            let length = (bytes - offset).min(PREPARE_WRITE_BYTES);
            file.write_all_at(&zeros[..to_usize(length)], offset)?;
            file.sync_data()?;
            offset += length;
        }
        file.sync_all()?;
        Ok(file)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(self.path.join(name))?;
        advise(&file, AS_ASKED)?;
        Ok(file)
    }

    fn read_at(&self, file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(file, into, offset)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn drop_cache(&self, file: &File) -> io::Result<()> {
        // In portions: within one call the system lets nobody else have the core, 5 ms for a segment as a whole.
        let bytes = file.metadata()?.len();
        for offset in (0..bytes).step_by(to_usize(PREPARE_WRITE_BYTES)) {
            advise_range(file, offset, NonZeroU64::new(PREPARE_WRITE_BYTES), Advice::DontNeed)?;
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&*self.directory, from, &*self.directory, to, rustix::fs::RenameFlags::NOREPLACE)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn path_of(&self, name: &str) -> String {
        match name {
            "." => self.path.display().to_string(),
            name => self.path.join(name).display().to_string(),
        }
    }
}
