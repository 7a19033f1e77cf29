//! Aliases of a provider's customers from a file: checked row by row, journaled in batches, decided by the directory as every command is.
//!
//! The switch does not run meanwhile: the file goes through the same pipeline as everything else, and the same directory. What an ID system attests is the file as a whole, by its SHA-256 and
//! the number of its rows (`docs/directory-rules.md`, Attestations). Rows that are wrong, or that the directory does not take, go into a file of errors; the others are in. The same file
//! again changes nothing: its rows are there already.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use adapters::alias::{self, Alias};
use adapters::attestation;
use adapters::check::is_text_of_characters;
use adapters::directory::{AliasOutcome, AliasType};
use adapters::limits::{ACCOUNT_BYTES_MAX, NAME_BYTES_MAX, UTF8_CHARACTER_BYTES_MAX};
use adapters::message::ParticipantCode;
use crossbeam::channel::{Receiver, Sender, bounded};

use crate::clerk::{ClerkFault, ClerkScheme, ImportRow, Registrar};
use crate::clock::JournalClock;
use crate::config::Config;
use crate::data::{self, OpenData, OpenDirectory};
use crate::directory::store::DiskStore;
use crate::directory::{CommandResult, Directory, DirectoryBatch};
use crate::limits::{IMPORT_BATCHES_MAX, IMPORT_ROWS_PER_BATCH, NS_PER_S};

/// What is imported.
#[derive(Clone, Debug)]
pub struct ImportPlan {
    /// For whom: whose customers they are.
    pub participant: ParticipantCode,
    /// The rows: CSV with a head (`docs/directory-rules.md`, Files).
    pub file: PathBuf,
    /// The attestation of the file: a compact JWS.
    pub attestation: PathBuf,
    /// Where rows go that were not taken, with the reason.
    pub errors: PathBuf,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Rows of the file.
    pub rows: u64,
    /// Entries that are new.
    pub registered: u64,
    /// Rows that were not taken.
    pub refused: u64,
}

/// Why an import could not be made, or not to its end. What was taken in until then is in.
#[derive(Debug)]
pub enum ImportError {
    /// A file cannot be read or written.
    File(PathBuf, std::io::Error),
    /// The file, its attestation or the participant is not what it should be.
    Refused(String),
    /// The data directory cannot be opened, or the switch is unwell.
    Fault(String),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImportError::File(path, error) => write!(f, "{}: {error}", path.display()),
            ImportError::Refused(why) | ImportError::Fault(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ImportError {}

fn fault(error: impl std::fmt::Display) -> ImportError {
    ImportError::Fault(error.to_string())
}

/// A row as it stands in the file.
#[derive(serde::Deserialize)]
struct Row {
    #[serde(rename = "type")]
    kind: String,
    alias: String,
    identity: String,
    account: String,
    name: String,
}

/// Imports a file into the data directory of a switch that does not run. `on_progress` hears how many rows were dealt with, of how many.
pub fn import(config: &Config, plan: &ImportPlan, on_progress: impl FnMut(u64, u64)) -> Result<Imported, ImportError> {
    let (sha256, rows) = survey(&plan.file)?;
    let jws = std::fs::read(&plan.attestation).map_err(|error| ImportError::File(plan.attestation.clone(), error))?;
    let OpenData { pipeline, directory, last_time_ns, .. } = data::open(config).map_err(fault)?;
    let clock = JournalClock::after(last_time_ns);
    let engine = pipeline.engine();
    let participant = engine.find_participant(&plan.participant);
    let participant = participant
        .ok_or_else(|| ImportError::Refused(format!("there is no participant {} in the scheme", plan.participant)))?;
    let scheme = ClerkScheme::of(engine);
    let now_s = clock.now_ns() / NS_PER_S;
    let audience = (plan.participant.as_str(), now_s);
    let attested = attestation::verify_file(jws.trim_ascii(), audience, (&sha256, rows), &scheme.issuers);
    let attested = attested.map_err(|why| ImportError::Refused(format!("{}: {why}", plan.attestation.display())))?;
    let OpenDirectory { directory, vault, hashes } = directory;
    let registrar = Registrar::new(hashes, vault).for_import((plan.participant, participant), &attested);
    let errors = File::create(&plan.errors).map_err(|error| ImportError::File(plan.errors.clone(), error))?;
    let (batches, to_apply) = bounded(IMPORT_BATCHES_MAX);
    let (results_sender, results) = bounded(IMPORT_BATCHES_MAX);
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || follow(directory, &to_apply, &results_sender));
        let importer = Importer {
            pipeline,
            clock,
            registrar,
            batches,
            results,
            lines: VecDeque::new(),
            errors: (plan.errors.clone(), BufWriter::new(errors)),
            imported: Imported { rows, ..Imported::default() },
        };
        let imported = importer.run(&plan.file, on_progress);
        let followed = follower.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        followed.map_err(fault)?;
        imported
    })
}

/// SHA-256 of a file, and how many rows it has behind its head.
fn survey(path: &Path) -> Result<([u8; 32], u64), ImportError> {
    let failed = |error| ImportError::File(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut buffer).map_err(failed)?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(|error| not_csv(path, &error))?;
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).map_err(|error| not_csv(path, &error))? {
        rows += 1;
    }
    Ok((sha256, rows))
}

fn not_csv(path: &Path, error: &csv::Error) -> ImportError {
    let what = "expected CSV with the head type,alias,identity,account,name";
    ImportError::Refused(format!("{}: {error}; {what}", path.display()))
}

/// Applies batches, in their order, beside whoever makes them.
fn follow(
    mut directory: Directory<DiskStore>,
    batches: &Receiver<DirectoryBatch>,
    results: &Sender<Vec<CommandResult>>,
) -> Result<(), ClerkFault> {
    for batch in batches {
        let mut decided = Vec::with_capacity(IMPORT_ROWS_PER_BATCH);
        directory.apply(&batch, &mut decided)?;
        if results.send(decided).is_err() {
            break;
        }
    }
    Ok(directory.persist()?)
}

struct Importer {
    pipeline: crate::pipeline::Pipeline<ledger::journal::DiskStorage>,
    clock: JournalClock,
    registrar: Registrar,
    batches: Sender<DirectoryBatch>,
    results: Receiver<Vec<CommandResult>>,
    /// Rows that were journaled and are not decided: the positions of their entries, and their lines.
    lines: VecDeque<(u64, u64)>,
    errors: (PathBuf, BufWriter<File>),
    imported: Imported,
}

impl Importer {
    fn run(mut self, path: &Path, mut on_progress: impl FnMut(u64, u64)) -> Result<Imported, ImportError> {
        self.say_error("line,reason")?;
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(|error| not_csv(path, &error))?;
        let headers = reader.headers().map_err(|error| not_csv(path, &error))?.clone();
        if headers.iter().ne(["type", "alias", "identity", "account", "name"]) {
            let what = "the head must be type,alias,identity,account,name";
            return Err(ImportError::Refused(format!("{}: {what}", path.display())));
        }
        let (mut record, mut done) = (csv::StringRecord::new(), 0);
        let (mut entries, mut lines) = (Vec::new(), Vec::new());
        loop {
            let line = reader.position().line();
            let has_row = match reader.read_record(&mut record) {
                Ok(has_row) => has_row,
                Err(error) => {
                    self.refuse(line, &error)?;
                    done += 1;
                    continue;
                }
            };
            if has_row {
                let line = record.position().map_or(line, csv::Position::line);
                match checked(&record, &headers) {
                    Ok(row) => {
                        entries.push(self.registrar.import(&row));
                        lines.push(line);
                    }
                    Err(why) => self.refuse(line, &why)?,
                }
                done += 1;
            }
            if entries.len() == IMPORT_ROWS_PER_BATCH || !has_row && !entries.is_empty() {
                self.journal(&entries, &lines)?;
                entries.clear();
                lines.clear();
                on_progress(done, self.imported.rows);
            }
            if !has_row {
                break;
            }
        }
        let Importer { mut pipeline, batches, results, mut lines, mut errors, mut imported, .. } = self;
        drop(batches);
        for decided in results {
            note(&decided, &mut lines, &mut errors, &mut imported)?;
        }
        errors.1.flush().map_err(|error| ImportError::File(errors.0.clone(), error))?;
        pipeline.close().map_err(fault)?;
        pipeline.take_last_snapshot().map_err(fault)?;
        on_progress(imported.rows, imported.rows);
        Ok(imported)
    }

    /// Makes a batch of entries durable, and hands it to the directory. Their slots are on disk before.
    fn journal(&mut self, entries: &[Vec<u8>], lines: &[u64]) -> Result<(), ImportError> {
        self.registrar.sync().map_err(fault)?;
        let first = self.pipeline.journal_entries(entries, self.clock.now_ns()).map_err(fault)?;
        self.lines.extend((first..).zip(lines.iter().copied()));
        while let Some(batch) = self.pipeline.take_directory_batch() {
            // Where the other end is gone it says why itself.
            if self.batches.send(batch).is_err() {
                return Err(fault("the directory's thread has ended"));
            }
        }
        while let Ok(decided) = self.results.try_recv() {
            note(&decided, &mut self.lines, &mut self.errors, &mut self.imported)?;
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, why: &dyn std::fmt::Display) -> Result<(), ImportError> {
        self.imported.refused += 1;
        self.say_error(&format!("{line},\"{}\"", why.to_string().replace('"', "'")))
    }

    fn say_error(&mut self, text: &str) -> Result<(), ImportError> {
        let (path, file) = &mut self.errors;
        writeln!(file, "{text}").map_err(|error| ImportError::File(path.clone(), error))
    }
}

/// Counts what was decided; what was not done goes into the file of errors.
fn note(
    decided: &[CommandResult],
    lines: &mut VecDeque<(u64, u64)>,
    (path, errors): &mut (PathBuf, BufWriter<File>),
    imported: &mut Imported,
) -> Result<(), ImportError> {
    for result in decided {
        let Some((position, line)) = lines.pop_front() else { unreachable!("every result has a row") };
        assert!(position == result.position, "the directory decides every row, in order");
        if result.outcome == AliasOutcome::Done {
            imported.registered += 1;
        } else {
            imported.refused += 1;
            let written = writeln!(errors, "{line},{}", result.outcome.name());
            written.map_err(|error| ImportError::File(path.clone(), error))?;
        }
    }
    Ok(())
}

/// A row that can be journaled, or what is wrong with it.
fn checked(record: &csv::StringRecord, headers: &csv::StringRecord) -> Result<ImportRow, String> {
    if record.len() != headers.len() {
        return Err(format!("the row has {} fields instead of {}", record.len(), headers.len()));
    }
    let row: Row = record.deserialize(Some(headers)).map_err(|error| error.to_string())?;
    let kind = AliasType::ALL.iter().copied().find(|kind| kind.name() == row.kind);
    let kind = kind.filter(|&kind| kind != AliasType::Random);
    let kind = kind.ok_or(
        "there is no such type of alias for a file: give MBNO, EMAL, NIDN, TOKN, CINC, COID, CUST, EWAL or MRCH",
    )?;
    let alias = Alias::parse(kind, &row.alias).map_err(|why| why.to_string())?;
    alias::token(&row.identity).map_err(|why| format!("identity: {why}"))?;
    let account = &row.account;
    if account.is_empty() || account.len() > ACCOUNT_BYTES_MAX || account.contains(char::is_control) {
        return Err(format!("the account has 1 to {ACCOUNT_BYTES_MAX} bytes"));
    }
    if row.name.is_empty() || !is_text_of_characters(row.name.as_bytes(), NAME_BYTES_MAX) {
        return Err(format!("the name has 1 to {} characters", NAME_BYTES_MAX / UTF8_CHARACTER_BYTES_MAX));
    }
    Ok(ImportRow { alias, identity: row.identity, account: row.account, name: row.name })
}
