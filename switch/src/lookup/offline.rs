//! What is beyond the history's files where no switch runs: a replay of the journal, from behind the newest snapshot that can be used.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use adapters::message::PaymentId;
use ledger::index::TimeQuery;
use ledger::journal::{
    DiskStorage, JournalFault, JournalPlace, JournalReader, Lineage, Storage, lineage_of, scan_after,
};
use ledger::snapshot::{SnapshotWork, Snapshots};

use super::{Beyond, Lookup, Names, OpenPayment, Reached, Trouble, Visit};
use crate::config::GenesisRules;
use crate::data::{OpenError, batch_of, history_directory, journal_directory, snapshots_directory};
use crate::engine::Engine;
use crate::engine::cases::Case;
use crate::engine::scheme::events::Event;
use crate::history::{HistoryEvent, HistoryFault, HistoryReader, for_each_record};
use crate::snapshots;

/// Replays the journal when something is asked that the files do not have: from behind the newest snapshot that a start would use, else from the beginning. Only files
/// know what was before, so the records that are visited are those behind them.
pub struct Offline {
    journal: DiskStorage,
    /// None where there is no such directory.
    snapshots: Option<Snapshots<DiskStorage>>,
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
    let path = snapshots_directory(data);
    let snapshots = match DiskStorage::open(&path) {
        Ok(found) => Some(snapshots::open(found, lineage, SnapshotWork::Inline)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Trouble::Asked(OpenError::Directory(path, error).to_string())),
    };
    let offline = Offline { journal: storage, snapshots, history: history.clone(), engine: None, _locks: locks };
    Lookup::new(history, journal, offline)
}

fn lock(storage: DiskStorage, data: &Path) -> Result<DiskStorage, Trouble> {
    match storage.lock_shared() {
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

impl Lookup<DiskStorage, Offline> {
    /// The state at the journal's end.
    pub fn engine(&mut self) -> Result<&Engine, Trouble> {
        self.beyond.replayed()
    }

    /// The journal's.
    pub fn lineage(&self) -> Result<Lineage, Trouble> {
        let lineage = lineage_of(&self.beyond.journal).map_err(Trouble::from)?;
        lineage.ok_or_else(|| Trouble::Asked(format!("there is no journal in {}", self.beyond.journal.path_of(""))))
    }

    /// Appends what the operator was told behind an event, as far as the replay tells it; gives the number of the newest.
    pub fn told_behind(&mut self, number: u64, events: &mut Vec<Event>) -> Result<u64, Trouble> {
        let covered = self.beyond.history.covered_through();
        let (mut engine, place) = self.beyond.begin(covered)?;
        let mut effects = Vec::new();
        scan_after(&self.beyond.journal, place, |batch| {
            effects.clear();
            engine.apply(batch_of(&batch), &mut effects).map_err(|inapplicable| inapplicable.to_string())?;
            events.extend(engine.told().events.iter().filter(|event| event.number > number));
            Ok(())
        })?;
        Ok(engine.scheme().events.newest())
    }

    /// The parameters of the scheme at the journal's end.
    pub fn rules(&mut self) -> Result<GenesisRules, Trouble> {
        Ok(GenesisRules::of(self.beyond.replayed()?.rules()))
    }

    /// The journal position behind which it is replayed when something is asked that the files do not have; 0 is the beginning.
    pub fn replays_behind(&mut self) -> Result<u64, Trouble> {
        let covered = self.beyond.history.covered_through();
        Ok(self.beyond.begin(covered)?.0.applied())
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

    /// Do the files have all that is in the journal?
    fn is_covered(&self) -> Result<bool, Trouble> {
        match JournalReader::open(self.journal.clone())?.read(self.history.covered_through() + 1) {
            Ok(_) => Ok(false),
            Err(JournalFault::NotFound { .. }) => Ok(true),
            Err(fault) => Err(fault.into()),
        }
    }

    /// The number of the first record behind the files, which end where a batch does.
    fn end_of_files(&self) -> Result<u64, Trouble> {
        let none = TimeQuery { from_record: u64::MAX, records_max: 0, ..TimeQuery::ALL };
        Ok(self.history.time_page(&none)?.first_number)
    }

    /// Where a replay begins: an engine, and its place in the journal; none is the beginning. A snapshot that cannot be used is passed over, as at a start.
    fn begin(&mut self, covered: u64) -> Result<(Engine, Option<JournalPlace>), Trouble> {
        let Some(snapshots) = &mut self.snapshots else { return Ok((Engine::new(), None)) };
        let found = snapshots::find(snapshots, &self.journal, covered, 0);
        let found = found.map_err(|fault| Trouble::Fault(fault.to_string()))?;
        Ok(found.start.map_or((Engine::new(), None), |start| (start.engine, Some(start.place))))
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
        let covered = self.history.covered_through();
        let (mut engine, place) = self.begin(covered)?;
        let mut number = self.end_of_files()?;
        assert!(number <= from, "records that are in files are read from there");
        let mut effects = Vec::new();
        let mut visited = Ok(ControlFlow::Continue(()));
        let scanned = scan_after(&self.journal, place, |batch| {
            effects.clear();
            engine.apply(batch_of(&batch), &mut effects).map_err(|inapplicable| inapplicable.to_string())?;
            if engine.applied() <= covered {
                return Ok(());
            }
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
        // What was returned behind the files is in no file, and may have left memory since.
        if self.is_covered()? {
            return Ok(None);
        }
        let mut total = None;
        self.each(self.end_of_files()?, &mut |_, record| {
            if let HistoryEvent::Total { returned, .. } = record.event
                && record.payment_id == id
            {
                total = Some(returned);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(total)
    }

    fn case(&mut self, id: PaymentId) -> Result<Option<Case>, Trouble> {
        Ok(self.replayed()?.find_case(id).cloned())
    }

    fn applied(&mut self) -> Result<u64, Trouble> {
        Ok(self.replayed()?.applied())
    }
}
