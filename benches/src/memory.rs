//! A directory in memory, without faults and without a disk: what is measured over it is everything but the system, and the copy
//! of what is written.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ledger::journal::{Access, FileEntry, Storage};

/// An open file: its content.
type MemoryFile = Arc<RwLock<Vec<u8>>>;

/// The directory. A clone is the same one.
#[derive(Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, MemoryFile>>>,
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, MemoryFile>) -> T) -> T {
        work(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Storage for Memory {
    type File = MemoryFile;

    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let bytes = |file: &MemoryFile| file.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        let entry = |(name, file): (&String, &MemoryFile)| FileEntry { name: name.clone(), bytes: bytes(file) };
        Ok(self.with(|files| files.iter().map(entry).collect()))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<MemoryFile> {
        let file = MemoryFile::new(RwLock::new(vec![0; place(bytes)]));
        self.with(|files| files.insert(name.to_owned(), file.clone()));
        Ok(file)
    }

    fn open(&self, name: &str, _: Access) -> io::Result<MemoryFile> {
        self.with(|files| files.get(name).cloned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_at(&self, file: &MemoryFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let content = file.read().unwrap_or_else(PoisonError::into_inner);
        let from = content.get(place(offset)..).unwrap_or(&[]);
        let length = from.len().min(into.len());
        into[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &MemoryFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = file.write().unwrap_or_else(PoisonError::into_inner);
        let (begin, end) = (place(offset), place(offset) + bytes.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        content[begin..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self, _: &MemoryFile) -> io::Result<()> {
        Ok(())
    }

    fn drop_cache(&self, _: &MemoryFile) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.with(|files| files.remove(from)).ok_or(io::ErrorKind::NotFound)?;
        self.with(|files| files.insert(to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|files| files.remove(name)).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a usize has 64 bits")
}
