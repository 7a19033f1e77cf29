//! A directory that takes every write and keeps nothing: what is measured over it is everything but the disk and the copy into
//! the system's cache.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::journal::{Access, FileEntry, Storage};

/// The directory: names and sizes.
#[derive(Clone, Default)]
pub struct Nowhere {
    files: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Nowhere {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, u64>) -> T) -> T {
        work(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Storage for Nowhere {
    type File = ();

    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let entry = |(name, &bytes): (&String, &u64)| FileEntry { name: name.clone(), bytes };
        Ok(self.with(|files| files.iter().map(entry).collect()))
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.with(|files| files.insert(name.to_owned(), bytes));
        Ok(())
    }

    fn open(&self, _: &str, _: Access) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, (): &(), _: u64, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, (): &(), _: u64, bytes: &[u8]) -> io::Result<()> {
        std::hint::black_box(bytes);
        Ok(())
    }

    fn sync_data(&self, (): &()) -> io::Result<()> {
        Ok(())
    }

    fn drop_cache(&self, (): &()) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.with(|files| files.remove(from)).ok_or(io::ErrorKind::NotFound)?;
        self.with(|files| files.insert(to.to_owned(), bytes));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|files| files.remove(name)).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        format!("nowhere/{name}")
    }
}
