//! A directory without a disk. It takes every write to a journal's segment and keeps nothing of it: what is measured over it is everything but the disk and the copy
//! into the system's cache. Other files, which are read again (those of the history), it keeps in memory,
//! and segments too where it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ledger::journal::{Access, FileEntry, Storage};

/// An open file: its content, where any is kept.
#[derive(Clone)]
pub struct NowhereFile(Option<Arc<RwLock<Vec<u8>>>>);

/// A name in the directory.
#[derive(Clone)]
struct Named {
    /// As it was created, where nothing is kept.
    bytes: u64,
    file: NowhereFile,
}

/// The directory. A clone is the same one.
#[derive(Clone, Default)]
pub struct Nowhere {
    files: Arc<Mutex<BTreeMap<String, Named>>>,
    keeps_segments: bool,
}

impl Nowhere {
    /// A directory in memory that keeps everything, segments included.
    pub fn keeping_all() -> Nowhere {
        Nowhere { keeps_segments: true, ..Nowhere::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Named>) -> T) -> T {
        work(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Storage for Nowhere {
    type File = NowhereFile;

    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let entry = |(name, named): (&String, &Named)| {
            let kept =
                named.file.0.as_ref().map(|kept| kept.read().unwrap_or_else(PoisonError::into_inner).len() as u64);
            FileEntry { name: name.clone(), bytes: kept.unwrap_or(named.bytes) }
        };
        Ok(self.with(|files| files.iter().map(entry).collect()))
    }

    /// A segment of a journal is as large as it will ever be; other files grow.
    fn create(&self, name: &str, bytes: u64) -> io::Result<NowhereFile> {
        let is_kept = bytes == 0 || self.keeps_segments;
        let file = NowhereFile(is_kept.then(|| Arc::new(RwLock::new(vec![0; to_place(bytes)]))));
        self.with(|files| files.insert(name.to_owned(), Named { bytes, file: file.clone() }));
        Ok(file)
    }

    fn open(&self, name: &str, _: Access) -> io::Result<NowhereFile> {
        self.with(|files| files.get(name).map(|named| named.file.clone())).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_at(&self, file: &NowhereFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let Some(kept) = &file.0 else { return Ok(0) };
        let kept = kept.read().unwrap_or_else(PoisonError::into_inner);
        let from = kept.get(to_place(offset)..).unwrap_or(&[]);
        let length = from.len().min(into.len());
        into[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &NowhereFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::hint::black_box(bytes);
        if let Some(kept) = &file.0 {
            let mut kept = kept.write().unwrap_or_else(PoisonError::into_inner);
            let end = to_place(offset) + bytes.len();
            if kept.len() < end {
                kept.resize(end, 0);
            }
            kept[end - bytes.len()..end].copy_from_slice(bytes);
        }
        Ok(())
    }

    fn sync_data(&self, _: &NowhereFile) -> io::Result<()> {
        Ok(())
    }

    fn drop_cache(&self, _: &NowhereFile) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let named = self.with(|files| files.remove(from)).ok_or(io::ErrorKind::NotFound)?;
        self.with(|files| files.insert(to.to_owned(), named));
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

fn to_place(offset: u64) -> usize {
    usize::try_from(offset).expect("a file in memory")
}
