//! The body of a snapshot, read page by page, each checked before a byte of it is handed out.

use super::fault::Flaw;
use super::file::{FOOT_BYTES, HEAD_BYTES, Layout, decode_foot, decode_head};
use super::{Lineage, Snapshot, snapshot_name};
use crate::journal::{Access, Storage};
use crate::limits::{SNAPSHOT_PAGE_BYTES, to_usize};

/// Reads a body to its end. An error of kind `InvalidData` says what is wrong with the file.
pub struct BodyReader<'a, S: Storage> {
    storage: &'a S,
    file: S::File,
    snapshot: Snapshot,
    layout: Layout,
    /// A checksum for each page.
    table: Vec<u8>,
    hasher: blake3::Hasher,
    page: Vec<u8>,
    /// How much of the page has been handed out.
    taken: usize,
    next_page: u64,
    /// What was found wrong; nothing is handed out after that.
    flaw: Option<Flaw>,
}

impl<'a, S: Storage> BodyReader<'a, S> {
    /// Checks everything but the body. Allocates no more than the file is long.
    pub(super) fn open(
        storage: &'a S,
        lineage: Lineage,
        format: u32,
        position: u64,
        file_bytes: u64,
    ) -> Result<BodyReader<'a, S>, Flaw> {
        if file_bytes < (HEAD_BYTES + FOOT_BYTES) as u64 {
            return Err(Flaw::Size { bytes: file_bytes });
        }
        let unreadable = |error: std::io::Error| Flaw::Unreadable { detail: error.to_string() };
        let file = storage.open(&snapshot_name(position), Access::Read).map_err(unreadable)?;
        let mut head = [0; HEAD_BYTES];
        storage.read_exact_at(&file, 0, &mut head).map_err(unreadable)?;
        let (mut snapshot, head_crc) = decode_head(&head, lineage, format)?;
        if snapshot.position != position {
            return Err(Flaw::Name);
        }
        let layout = Layout { body_bytes: snapshot.body_bytes };
        if snapshot.body_bytes > file_bytes || layout.file_bytes() != file_bytes {
            return Err(Flaw::Size { bytes: file_bytes });
        }
        let mut table = vec![0; to_usize(layout.table_bytes())];
        storage.read_exact_at(&file, layout.table_at(), &mut table).map_err(unreadable)?;
        let mut foot = [0; FOOT_BYTES];
        storage.read_exact_at(&file, layout.foot_at(), &mut foot).map_err(unreadable)?;
        let foot = decode_foot(&foot)?;
        if foot.head_crc != head_crc || foot.table_crc != crc32c::crc32c(&table) {
            return Err(Flaw::Foot);
        }
        snapshot.body_digest = foot.body_digest;
        let hasher = blake3::Hasher::new();
        let (page, taken, next_page, flaw) = (Vec::new(), 0, 0, None);
        Ok(BodyReader { storage, file, snapshot, layout, table, hasher, page, taken, next_page, flaw })
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What can be handed out now; nothing at the end of the body.
    pub(super) fn available(&mut self) -> Result<&[u8], Flaw> {
        if let Some(flaw) = &self.flaw {
            return Err(flaw.clone());
        }
        if self.taken == self.page.len()
            && self.next_page < self.layout.pages()
            && let Err(flaw) = self.read_page()
        {
            self.page.clear();
            self.taken = 0;
            self.flaw = Some(flaw.clone());
            return Err(flaw);
        }
        Ok(&self.page[self.taken..])
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Reads what nobody has asked for, and says whether the body is the one that the foot speaks of.
    pub(super) fn finish(mut self) -> Result<(), Flaw> {
        while !self.available()?.is_empty() {
            self.taken = self.page.len();
        }
        if *self.hasher.finalize().as_bytes() == self.snapshot.body_digest { Ok(()) } else { Err(Flaw::Digest) }
    }

    fn read_page(&mut self) -> Result<(), Flaw> {
        let page = self.next_page;
        self.page.resize(self.layout.page_bytes(page), 0);
        self.storage
            .read_exact_at(&self.file, self.layout.page_at(page), &mut self.page)
            .map_err(|error| Flaw::Unreadable { detail: error.to_string() })?;
        let at = 4 * to_usize(page);
        if self.table[at..at + 4] != crc32c::crc32c(&self.page).to_le_bytes() {
            return Err(Flaw::Page { page });
        }
        self.hasher.update(&self.page);
        self.taken = 0;
        self.next_page += 1;
        Ok(())
    }
}

const _: () = assert!(SNAPSHOT_PAGE_BYTES <= 1 << 20, "a page is held in memory");
