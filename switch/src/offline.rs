//! What an operator does while the switch does not run: the data directory is opened as a start opens it, the command goes through the same pipeline, and the directory is
//! closed as a stop closes it. So the entry, its checks and all that follows are those of a running switch.

use std::path::PathBuf;
use std::time::Duration;

use ledger::journal::{DiskStorage, JournalFault, lineage_of};

use crate::clock::JournalClock;
use crate::config::{Config, GenesisRules};
use crate::data::{self, OpenData, OpenError, journal_directory};
use crate::engine::scheme::events::Event;
use crate::events::{EventFault, events_directory, read_page, survey};
use crate::limits::VIEW_ROWS_MAX;
use crate::lookup::{Lookup, Offline, Trouble, open_offline};
use crate::operator::story::{self, EventsView};
use crate::operator::view::{self, Question, View};
use crate::operator::{Command, Decided, Request};
use crate::pipeline::Fault;

/// Between two turns.
const PAUSE: Duration = Duration::from_millis(1);

/// The rules in force at the journal's end. Nothing is changed.
pub fn rules(config: &Config) -> Result<GenesisRules, Trouble> {
    check_begun(config)?;
    open_offline(&config.directory)?.rules()
}

/// What operators look at, at the journal's end. Nothing is changed.
pub fn look(config: &Config, question: &Question) -> Result<View, Trouble> {
    Ok(view::look(open(config)?.engine()?, question)?)
}

/// The same, for several questions.
pub fn open(config: &Config) -> Result<Lookup<DiskStorage, Offline>, Trouble> {
    check_begun(config)?;
    open_offline(&config.directory)
}

/// What the operator was told and that is kept, to the journal's end. Nothing is changed.
pub struct StoppedEvents {
    lookup: Lookup<DiskStorage, Offline>,
    directory: PathBuf,
    /// The oldest that is kept.
    first: u64,
    /// The newest that is in the files.
    written: u64,
    /// What is not in the files yet comes from the replay.
    behind: Vec<Event>,
    /// The newest.
    through: u64,
}

impl StoppedEvents {
    /// Of a switch that does not run.
    pub fn open(config: &Config) -> Result<StoppedEvents, Trouble> {
        let mut lookup = open(config)?;
        let directory = events_directory(&config.directory);
        let (first, written) = survey(&directory, lookup.lineage()?.0).map_err(failed)?;
        let mut behind = Vec::new();
        let through = lookup.told_behind(written, &mut behind)?;
        if through < written || !behind.iter().map(|event| event.number).eq(written + 1..=through) {
            let directory = directory.display();
            return Err(Trouble::Fault(format!(
                "{directory} lacks events before {through}: start the switch once, which makes them again"
            )));
        }
        Ok(StoppedEvents { lookup, directory, first, written, behind, through })
    }

    /// The events after a number, a page of them.
    pub fn page(&mut self, after: u64) -> Result<EventsView, Trouble> {
        let mut events = read_page(&self.directory, after, VIEW_ROWS_MAX, self.written).map_err(failed)?.events;
        let newest = events.last().map_or(after, |event| event.number);
        if newest >= self.written {
            let rest = self.behind.iter().filter(|event| event.number > newest);
            events.extend(rest.take(VIEW_ROWS_MAX - events.len()));
        }
        let participants = story::participants_of(&events);
        match view::look(self.lookup.engine()?, &Question::Names { participants })? {
            View::Names(names) => {
                Ok(EventsView { rows: story::rows_of(&events, &names), first: self.first, through: self.through })
            }
            other => unreachable!("names were asked for: {other:?}"),
        }
    }
}

fn failed(fault: EventFault) -> Trouble {
    Trouble::Fault(fault.to_string())
}

/// Journals a command, and has the engine decide it.
pub fn give(config: &Config, request: Request) -> Result<Decided, Trouble> {
    let command = Command::from_request(request)?;
    check_begun(config)?;
    let OpenData { mut pipeline, last_time_ns, .. } = data::open(config).map_err(unopened)?;
    let clock = JournalClock::after(last_time_ns);
    let ticket = pipeline.operate(command, clock.now_ns())?;
    let failed = |fault: Fault| Trouble::Fault(fault.to_string());
    let operated = loop {
        pipeline.tick(clock.now_ns()).map_err(failed)?;
        match pipeline.take_operated() {
            Some((of, operated)) if of == ticket => break operated,
            _ => std::thread::sleep(PAUSE),
        }
    };
    pipeline.close().map_err(failed)?;
    pipeline.take_last_snapshot().map_err(failed)?;
    Ok(operated?)
}

fn unopened(error: OpenError) -> Trouble {
    if let OpenError::Journal(JournalFault::Locked { directory }) = &error {
        return Trouble::Asked(format!(
            "{directory} is in use: a switch runs on it, which takes commands without --offline; or wait for the other command that reads it"
        ));
    }
    Trouble::Fault(error.to_string())
}

/// What a genesis says is not changed by a command.
fn check_begun(config: &Config) -> Result<(), Trouble> {
    let storage = DiskStorage::open(&journal_directory(&config.directory));
    let has_begun = storage.is_ok_and(|storage| !matches!(lineage_of(&storage), Ok(None)));
    if has_begun {
        return Ok(());
    }
    let data = config.directory.display();
    Err(Trouble::Asked(format!(
        "the switch of {data} has never run, so nothing is in force yet: edit {data}/genesis.toml and start it"
    )))
}
