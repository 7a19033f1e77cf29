//! What an operator does while the switch does not run: the data directory is opened as a start opens it, the command goes through the same pipeline, and the directory is
//! closed as a stop closes it. So the entry, its checks and all that follows are those of a running switch.

use std::time::Duration;

use ledger::journal::{DiskStorage, JournalFault, lineage_of};

use crate::clock::JournalClock;
use crate::config::{Config, GenesisRules};
use crate::data::{self, OpenData, OpenError, journal_directory};
use crate::events::{EventFault, events_directory, read_page, survey};
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

/// All that the operator was told and that is kept, to the journal's end. Nothing is changed: what is not in the files yet comes from the replay.
pub fn events(config: &Config) -> Result<EventsView, Trouble> {
    let mut lookup = open(config)?;
    let failed = |fault: EventFault| Trouble::Fault(fault.to_string());
    let directory = events_directory(&config.directory);
    let (first, written) = survey(&directory, lookup.lineage()?.0).map_err(failed)?;
    let most = usize::try_from(written + 1 - first).unwrap_or(usize::MAX);
    let mut events = read_page(&directory, first - 1, most, written).map_err(failed)?.events;
    let newest = lookup.told_behind(written, &mut events)?;
    let through = events.last().map_or(written, |event| event.number);
    if through != newest || events.windows(2).any(|pair| pair[0].number + 1 != pair[1].number) {
        let directory = directory.display();
        return Err(Trouble::Fault(format!(
            "{directory} lacks events before {newest}: start the switch once, which makes them again"
        )));
    }
    let participants = story::participants_of(&events);
    match view::look(lookup.engine()?, &Question::Names { participants })? {
        View::Names(names) => Ok(EventsView { rows: story::rows_of(&events, &names), first, through }),
        other => unreachable!("names were asked for: {other:?}"),
    }
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
