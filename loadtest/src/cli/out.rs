//! Where reports go. Files are opened before the run, so that an hour's load is not lost for a wrong path.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::print;
use crate::SetUpError;
use crate::report::svg::Plot;

/// Which reports are wanted.
#[derive(Args)]
pub(super) struct OutArguments {
    /// Where the JSON report goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a page with plots, which opens from disk
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write each plot as an SVG file into this directory
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// The files of a report.
pub(super) struct Outputs {
    json: Option<OutFile>,
    html: Option<OutFile>,
    plots: Option<PathBuf>,
}

impl OutArguments {
    /// Opens everything.
    pub(super) fn open(&self) -> Result<Outputs, SetUpError> {
        let json = self.out.as_deref().map(|path| OutFile::open("--out", path)).transpose()?;
        let html = self.html.as_deref().map(|path| OutFile::open("--html", path)).transpose()?;
        if let Some(plots) = &self.plots {
            std::fs::create_dir_all(plots).map_err(|error| unwritable("--plots", plots, &error))?;
        }
        Ok(Outputs { json, html, plots: self.plots.clone() })
    }
}

impl Outputs {
    /// Writes everything. Where the JSON report cannot be written it goes to standard output, so that it is not lost.
    pub(super) fn write(
        &mut self,
        json: &str,
        page: impl FnOnce() -> String,
        plots: &[Plot],
    ) -> Result<(), SetUpError> {
        match &mut self.json {
            Some(out) => out.write(json).inspect_err(|_| print(json))?,
            None => print(json),
        }
        if let Some(html) = &mut self.html {
            html.write(&page())?;
        }
        if let Some(directory) = &self.plots {
            for plot in plots {
                let path = directory.join(format!("{}.svg", plot.name()));
                std::fs::write(&path, plot.file()).map_err(|error| unwritable("--plots", &path, &error))?;
            }
        }
        Ok(())
    }
}

fn unwritable(option: &str, path: &Path, error: &std::io::Error) -> SetUpError {
    SetUpError::new(format!("{option} {}: {error}; give a file that can be written", path.display()))
}

/// A report's file.
struct OutFile {
    option: &'static str,
    path: PathBuf,
    file: File,
    /// Nothing was there before, and nothing was written: remove it again.
    is_new: bool,
}

impl OutFile {
    fn open(option: &'static str, path: &Path) -> Result<OutFile, SetUpError> {
        let is_new = !path.exists();
        // What is there stays until there is something to replace it.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| unwritable(option, path, &error))?;
        Ok(OutFile { option, path: path.to_owned(), file, is_new })
    }

    fn write(&mut self, text: &str) -> Result<(), SetUpError> {
        self.is_new = false;
        let unwritable = |error: std::io::Error| unwritable(self.option, &self.path, &error);
        // Only a plain file can be cut; a pipe or a terminal has nothing to cut.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.file.set_len(0).map_err(unwritable)?;
        }
        writeln!(self.file, "{text}").map_err(unwritable)
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
