//! A file that gets its name when it is whole: written in portions, synced, read back by its maker, then named.

use super::fault::JournalFault;
use super::segment::COPYING_NAME;
use super::storage::Storage;
use crate::limits::PREPARE_WRITE_BYTES;

/// A file under [`COPYING_NAME`]. There is one at a time in a directory; one that a crash has left behind is removed first.
pub(crate) struct PreparedFile<'a, S: Storage> {
    storage: &'a S,
    pub(crate) file: S::File,
    /// Where the next bytes go.
    pub(crate) end: u64,
    unsynced: u64,
}

impl<'a, S: Storage> PreparedFile<'a, S> {
    pub(crate) fn create(storage: &'a S) -> Result<PreparedFile<'a, S>, JournalFault> {
        remove_if_there(storage, COPYING_NAME)?;
        let file = storage.create(COPYING_NAME, 0).map_err(JournalFault::on(storage, "create", COPYING_NAME))?;
        Ok(PreparedFile { storage, file, end: 0, unsynced: 0 })
    }

    /// Adds bytes at the end. Each portion is synced, so that the log's own sync never waits behind many of them.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), JournalFault> {
        self.write_at(self.end, bytes)?;
        self.end += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= PREPARE_WRITE_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes what was not known before the rest had been written.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), JournalFault> {
        let written = self.storage.write_at(&self.file, offset, bytes);
        written.map_err(JournalFault::on(self.storage, "write", COPYING_NAME))
    }

    /// All is on disk, and what is read from now on comes from there.
    pub(crate) fn finish(&mut self) -> Result<(), JournalFault> {
        self.sync()?;
        let dropped = self.storage.drop_cache(&self.file);
        dropped.map_err(JournalFault::on(self.storage, "drop the cache of", COPYING_NAME))
    }

    /// Gives the file its name, durably. Its maker has read it back.
    pub(crate) fn name(self, name: &str) -> Result<(), JournalFault> {
        let named = self.storage.rename(COPYING_NAME, name).and_then(|()| self.storage.sync_dir());
        named.map_err(JournalFault::on(self.storage, "name", name))
    }

    fn sync(&mut self) -> Result<(), JournalFault> {
        self.unsynced = 0;
        self.storage.sync_data(&self.file).map_err(JournalFault::on(self.storage, "sync", COPYING_NAME))
    }
}

/// Removes a file, durably, when there is one.
pub(crate) fn remove_if_there<S: Storage>(storage: &S, name: &str) -> Result<(), JournalFault> {
    let files = storage.list().map_err(JournalFault::on(storage, "list", "."))?;
    if files.iter().any(|file| file.name == name) {
        remove(storage, name)?;
    }
    Ok(())
}

/// Removes a file, durably.
pub(crate) fn remove<S: Storage>(storage: &S, name: &str) -> Result<(), JournalFault> {
    let removed = storage.remove(name).and_then(|()| storage.sync_dir());
    removed.map_err(JournalFault::on(storage, "remove", name))
}
