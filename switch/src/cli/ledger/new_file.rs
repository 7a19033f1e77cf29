//! A file that is there whole or not at all, and never instead of another.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::OUTPUT_BYTES;
use crate::cli::Failure;

/// A file on its way. Until it is finished it has a name of its own; dropped before that, it is gone.
pub(super) struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
}

impl NewFile {
    /// Begins a file that is to be named `path`, where nothing may be yet.
    pub(super) fn create(path: &Path) -> Result<NewFile, Failure> {
        let refused = |text: String| Failure::start(format!("--output {}: {text}", path.display()));
        if path.symlink_metadata().is_ok() {
            return Err(refused("is there already; choose another name, or remove it first".to_owned()));
        }
        let name = path.file_name().ok_or_else(|| refused("is no name of a file".to_owned()))?;
        let mut temporary_name = name.to_owned();
        temporary_name.push(format!(".{}.partial", std::process::id()));
        let temporary = path.with_file_name(temporary_name);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| refused(error.to_string()))?;
        let file = Some(BufWriter::with_capacity(OUTPUT_BYTES, file));
        Ok(NewFile { path: path.to_owned(), temporary, file })
    }

    /// Puts it on disk under its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let Some(writer) = self.file.take() else { return Ok(()) };
        let synced = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        let named = synced.and_then(|()| {
            renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE).map_err(io::Error::from)
        });
        if named.is_err() {
            self.discard();
        }
        named.and_then(|()| sync_directory_of(&self.path))
    }

    fn discard(&self) {
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.discard();
        }
    }
}
