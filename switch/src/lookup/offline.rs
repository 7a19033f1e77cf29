//! What is beyond the history's files where no switch runs: a replay of the journal.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use adapters::message::PaymentId;
use ledger::journal::{DiskStorage, JournalReader, Storage, lineage_of, scan};

use super::{Beyond, Lookup, Names, OpenPayment, Reached, Trouble, Visit};
use crate::data::{OpenError, batch_of, history_directory, journal_directory};
use crate::engine::Engine;
use crate::engine::cases::Case;
use crate::history::{HistoryFault, HistoryReader, for_each_record};

/// Replays the journal when something is asked, from the beginning: there is no nearer state.
pub struct Offline {
    journal: DiskStorage,
    history: HistoryReader<DiskStorage>,
    /// The state at the journal's end, once it was replayed.
    engine: Option<Engine>,
    /// Held while it lives, so that no switch writes what is read.
    _locks: Vec<DiskStorage>,
}

/// Reads a data directory that no switch runs on, and changes nothing.
pub fn open_offline(data: &Path) -> Result<Lookup<DiskStorage, Offline>, Trouble> {
    let path = journal_directory(data);
    let opened = DiskStorage::open(&path);
    let storage = opened.map_err(|error| Trouble::Asked(OpenError::Directory(path, error).to_string()))?;
    let mut locks = vec![lock(storage.clone(), data)?];
    let lineage = lineage_of(&storage).map_err(Trouble::from)?;
    let lineage = lineage.ok_or_else(|| Trouble::Asked(format!("there is no journal in {}", storage.path_of(""))))?;
    let path = history_directory(data);
    let history = match DiskStorage::open(&path) {
        Ok(history) => {
            locks.push(lock(history.clone(), data)?);
            history
        }
        // A history that was removed has no files. The journal's directory has none of them, either, and nothing is made here.
        Err(error) if error.kind() == ErrorKind::NotFound => storage.clone(),
        Err(error) => return Err(Trouble::Asked(OpenError::Directory(path, error).to_string())),
    };
    let history = HistoryReader::open(history, lineage)?;
    let journal = JournalReader::open(storage.clone())?;
    let offline = Offline { journal: storage, history: history.clone(), engine: None, _locks: locks };
    Lookup::new(history, journal, offline)
}

fn lock(storage: DiskStorage, data: &Path) -> Result<DiskStorage, Trouble> {
    match storage.lock() {
        Ok(()) => Ok(storage),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let data = data.display();
            Err(Trouble::Asked(format!(
                "{data} is in use: ask the switch that runs on it, with --config {data}/switch.toml instead of --data; or, where none does, \
                 wait for the other command that reads it"
            )))
        }
        Err(error) => Err(Trouble::Asked(format!("{}: {error}", storage.path_of("")))),
    }
}

impl Offline {
    /// The state at the journal's end.
    fn replayed(&mut self) -> Result<&Engine, Trouble> {
        if self.engine.is_none() {
            self.each(u64::MAX, &mut |_, _| Ok(ControlFlow::Continue(())))?;
        }
        Ok(self.engine.as_ref().unwrap_or_else(|| unreachable!("a replay that nobody broke off leaves it")))
    }
}

impl Beyond for Offline {
    fn names(&mut self) -> Result<Names, Trouble> {
        self.replayed().map(Names::of)
    }

    fn may_hold(&mut self, id: PaymentId) -> Result<bool, Trouble> {
        Ok(self.engine.as_ref().is_none_or(|engine| engine.find_payment(id).is_some()))
    }

    fn is_moving(&self) -> bool {
        false
    }

    fn each(&mut self, from: u64, visit: &mut Visit<'_>) -> Result<Reached, Trouble> {
        let (mut engine, mut effects) = (Engine::new(), Vec::new());
        let mut number = 0;
        let mut visited = Ok(ControlFlow::Continue(()));
        let scanned = scan(&self.journal, |batch| {
            effects.clear();
            engine.apply(batch_of(&batch), &mut effects).map_err(|inapplicable| inapplicable.to_string())?;
            for_each_record(&engine, &effects, |record, _| {
                if number >= from && matches!(visited, Ok(ControlFlow::Continue(()))) {
                    visited = visit(number, record);
                }
                number += 1;
            });
            if matches!(visited, Ok(ControlFlow::Continue(()))) { Ok(()) } else { Err(String::new()) }
        });
        if visited?.is_break() {
            return Ok(Reached::Stopped);
        }
        scanned?;
        let covered = self.history.covered_through();
        if covered > engine.applied() {
            return Err(HistoryFault::Ahead { covered, journal: engine.applied() }.into());
        }
        self.engine = Some(engine);
        Ok(Reached::End(number))
    }

    fn open(&mut self) -> Result<Vec<OpenPayment>, Trouble> {
        let (open, _) = self.replayed()?.open_payments_from(0, usize::MAX);
        Ok(open.into_iter().filter_map(OpenPayment::of).collect())
    }

    fn open_payment(&mut self, id: PaymentId) -> Result<Option<OpenPayment>, Trouble> {
        Ok(self.replayed()?.find_payment(id).and_then(OpenPayment::of))
    }

    fn returned_of(&mut self, id: PaymentId) -> Result<Option<u64>, Trouble> {
        Ok(self.engine.as_ref().and_then(|engine| engine.returned_of(id)))
    }

    fn case(&mut self, id: PaymentId) -> Result<Option<Case>, Trouble> {
        Ok(self.replayed()?.find_case(id).cloned())
    }

    fn applied(&mut self) -> Result<u64, Trouble> {
        Ok(self.replayed()?.applied())
    }
}
