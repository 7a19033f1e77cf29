//! Snapshots of the engine: when they are taken, what makes one usable, and the start from one.
//!
//! A snapshot holds the engine's state at a journal position E, and the place in the journal behind which the replay goes on. It saves a start from replaying
//! what lies before; it is never the truth. The file is `docs/formats/snapshot.md`, what is in it `docs/formats/engine-snapshot.md`.
//!
//! Outboxes are no part of it: what they hold is in the history's files, or is made again by the replay behind E. So a file gets its name only once the
//! history's files cover E, and a start uses one only where they still do. Then engine at E and history at H with H >= E fit each other, whatever a crash left.
//!
//! The same holds for the operator's events (`docs/formats/events.md`), where they are written: what was told before E is not told again by a start from E.
//!
//! [`SnapshotTaker`] belongs to whoever applies batches, and never makes it wait: it takes a portion a turn, and a thread writes. What goes wrong with a snapshot costs
//! that snapshot and no payment.

use std::sync::Arc;
use std::time::Duration;

use ledger::journal::{JournalPlace, Lineage, Storage, check_place};
use ledger::snapshot::{
    Refused, SnapshotFault, SnapshotFinishing, SnapshotOptions, SnapshotWork, SnapshotWriter, Snapshots,
};

use crate::directory::DirectoryProgress;
use crate::engine::Engine;
use crate::engine::snapshot::ENGINE_SNAPSHOT_FORMAT;
use crate::events::EventProgress;
use crate::history::{History, HistoryFault};
use crate::limits::{SNAPSHOT_BYTES_PER_TURN, SNAPSHOT_LOOK_NS};

/// A stop waits so long for the directory, which is seconds behind at most; else the next start replays more.
const DIRECTORY_WAIT: Duration = Duration::from_secs(10);

/// What came of a snapshot, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotNews {
    /// It is durable.
    Taken {
        /// The journal position whose state it holds.
        position: u64,
        /// Length of the state.
        bytes: u64,
    },
    /// It was given up. The next one is begun when it is due; until then the older ones serve.
    Failed(SnapshotFault),
}

/// Where a snapshot stands.
enum Stage<S: Storage> {
    /// None is being made.
    Idle,
    /// The engine's state is being captured, a portion a turn.
    Capturing(SnapshotWriter<S>),
    /// All of it is captured; the history's files do not cover it yet, or events before it are not synced.
    Uncovered(SnapshotWriter<S>),
    /// It is being synced, and read back.
    Finishing(SnapshotFinishing),
}

/// How quickly a state is captured beside the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPace {
    /// Captured in a turn.
    pub bytes_per_turn: usize,
    /// A turn is made for the next portion after so long, in journal time, where nothing else asks for one.
    pub gap_ns: u64,
}

impl Default for SnapshotPace {
    /// As quickly as payments allow.
    fn default() -> SnapshotPace {
        SnapshotPace { bytes_per_turn: SNAPSHOT_BYTES_PER_TURN, gap_ns: 0 }
    }
}

/// Takes snapshots while the engine goes on.
pub struct SnapshotTaker<S: Storage> {
    snapshots: Snapshots<S>,
    /// A snapshot is begun after so many journal positions; 0: never.
    every_entries: u64,
    pace: SnapshotPace,
    /// The position of the last one that was begun or started from.
    last: u64,
    stage: Stage<S>,
    news: Option<SnapshotNews>,
    /// The operator's events, which no start replays that lie before a snapshot; none where they are not written.
    events: Option<Arc<EventProgress>>,
    /// The newest of them when the last one was begun.
    told: u64,
    /// The directory, which a start replays only what lies behind a snapshot for; none where there is none.
    directory: Option<Arc<DirectoryProgress>>,
    /// How far it must have come for the last one that was begun.
    due: u64,
}

impl<S: Storage> SnapshotTaker<S> {
    /// After a start from the snapshot at position `last`, or from the journal's beginning, 0.
    pub fn new(snapshots: Snapshots<S>, every_entries: u64, last: u64) -> SnapshotTaker<S> {
        let pace = SnapshotPace::default();
        SnapshotTaker {
            snapshots,
            every_entries,
            pace,
            last,
            stage: Stage::Idle,
            news: None,
            events: None,
            told: 0,
            directory: None,
            due: 0,
        }
    }

    /// The same, with portions of another size.
    #[must_use]
    pub fn with_pace(self, pace: SnapshotPace) -> SnapshotTaker<S> {
        SnapshotTaker { pace, ..self }
    }

    /// The same, and a file gets its name only once the events before it are synced.
    #[must_use]
    pub fn with_events(self, events: Option<Arc<EventProgress>>) -> SnapshotTaker<S> {
        SnapshotTaker { events, ..self }
    }

    /// The same, and a file gets its name only once the directory has come as far, and on disk.
    #[must_use]
    pub fn with_directory(self, directory: Arc<DirectoryProgress>) -> SnapshotTaker<S> {
        SnapshotTaker { directory: Some(directory), ..self }
    }

    /// Are the events before the last one synced, and the directory?
    fn is_told(&self) -> bool {
        let is_directory_there = self.directory.as_ref().is_none_or(|directory| directory.persisted() >= self.due);
        is_directory_there && self.events.as_ref().is_none_or(|events| events.through() >= self.told)
    }

    /// Waits for the directory; false where it does not come.
    fn wait_for_directory(&self) -> bool {
        self.directory.as_ref().is_none_or(|directory| directory.wait_persisted(self.due, DIRECTORY_WAIT))
    }

    /// Is one being made?
    pub fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// A step, small enough to stand between two batches. `place` is where the journal ends, which is what the engine has applied.
    pub fn go_on(
        &mut self,
        engine: &mut Engine,
        history: &mut History<S>,
        place: impl FnOnce() -> JournalPlace,
    ) -> Result<(), HistoryFault> {
        let applied = engine.applied();
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => {
                let is_due = self.every_entries != 0 && applied - self.last >= self.every_entries;
                if is_due {
                    self.begin(engine, history, &place())?;
                }
            }
            Stage::Capturing(mut writer) => {
                let room = writer.room_bytes();
                self.capture(engine, writer, room.min(self.pace.bytes_per_turn));
            }
            Stage::Uncovered(writer) if self.last > history.indexed() => {
                cut(engine, history)?;
                self.stage = Stage::Uncovered(writer);
            }
            Stage::Uncovered(writer) if self.is_told() => self.stage = Stage::Finishing(writer.finish()),
            Stage::Uncovered(writer) => self.stage = Stage::Uncovered(writer),
            Stage::Finishing(mut finishing) => match finishing.poll() {
                Some(finished) => self.note(finished),
                None => self.stage = Stage::Finishing(finishing),
            },
        }
        Ok(())
    }

    /// When the next step is due if nothing else happens, in journal time.
    pub fn next_step_ns(&mut self, last_turn_ns: u64) -> Option<u64> {
        match &mut self.stage {
            Stage::Idle => None,
            Stage::Capturing(writer) => {
                let wait_ns = if writer.room_bytes() > 0 { self.pace.gap_ns } else { SNAPSHOT_LOOK_NS };
                Some(last_turn_ns + wait_ns)
            }
            Stage::Uncovered(_) | Stage::Finishing(_) => Some(last_turn_ns + SNAPSHOT_LOOK_NS),
        }
    }

    /// Takes a snapshot of the state as it is, if something was applied since the last one, and waits until it is on disk: for a clean stop.
    pub fn close(
        &mut self,
        engine: &mut Engine,
        history: &mut History<S>,
        place: &JournalPlace,
    ) -> Result<(), HistoryFault> {
        if self.every_entries == 0 {
            return Ok(());
        }
        self.complete(engine, history)?;
        if engine.applied() > self.last {
            self.begin(engine, history, place)?;
            self.complete(engine, history)?;
        }
        Ok(())
    }

    /// What came of the last snapshot, once.
    pub fn take_news(&mut self) -> Option<SnapshotNews> {
        self.news.take()
    }

    fn begin(
        &mut self,
        engine: &mut Engine,
        history: &mut History<S>,
        place: &JournalPlace,
    ) -> Result<(), HistoryFault> {
        let position = engine.applied();
        assert_eq!(place.next_sequence, position + 1, "the journal ends where the engine is");
        self.last = position;
        self.told = engine.scheme().events.newest();
        self.due = engine.directory().due();
        cut(engine, history)?;
        let bytes = engine.begin_capture();
        match self.snapshots.begin(position, &place.to_bytes(), bytes) {
            Ok(writer) => self.stage = Stage::Capturing(writer),
            Err(fault) => self.give_up(engine, fault),
        }
        Ok(())
    }

    fn capture(&mut self, engine: &mut Engine, mut writer: SnapshotWriter<S>, bytes_max: usize) {
        if bytes_max == 0 {
            // The disk has not taken what waits: no thread waits for it here.
            self.stage = Stage::Capturing(writer);
            return;
        }
        let mut written: Result<(), SnapshotFault> = Ok(());
        let more = engine.capture(bytes_max, |offset, bytes| {
            if written.is_ok() {
                written = writer.page(offset, bytes);
            }
        });
        match written {
            Ok(()) if more => self.stage = Stage::Capturing(writer),
            Ok(()) => self.stage = Stage::Uncovered(writer),
            Err(fault) => self.give_up(engine, fault),
        }
    }

    /// All that is left of the snapshot, at once.
    fn complete(&mut self, engine: &mut Engine, history: &mut History<S>) -> Result<(), HistoryFault> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Idle) {
                Stage::Idle => return Ok(()),
                Stage::Capturing(writer) => self.capture(engine, writer, self.pace.bytes_per_turn),
                Stage::Uncovered(writer) => {
                    history.cut(engine)?;
                    history.wait_covered(self.last)?;
                    // What cannot be written is the fault of those who hand it over; this snapshot gets no name.
                    if self.events.as_ref().is_some_and(|events| events.wait(self.told).is_err()) {
                        return Ok(());
                    }
                    if !self.wait_for_directory() {
                        return Ok(());
                    }
                    self.stage = Stage::Finishing(writer.finish());
                }
                Stage::Finishing(finishing) => {
                    let finished = finishing.wait();
                    self.note(finished);
                }
            }
        }
    }

    fn give_up(&mut self, engine: &mut Engine, fault: SnapshotFault) {
        engine.abandon_capture();
        self.news = Some(SnapshotNews::Failed(fault));
    }

    fn note(&mut self, finished: Result<ledger::snapshot::Snapshot, SnapshotFault>) {
        self.news = Some(match finished {
            Ok(snapshot) => SnapshotNews::Taken { position: snapshot.position, bytes: snapshot.body_bytes },
            Err(fault) => SnapshotNews::Failed(fault),
        });
    }
}

/// Cuts the history here, so that its files soon cover what was captured; unless something is on its way into files, behind which this would have to wait.
fn cut<S: Storage>(engine: &Engine, history: &mut History<S>) -> Result<(), HistoryFault> {
    if history.is_writing() { Ok(()) } else { history.cut(engine) }
}

/// The snapshots in a directory.
pub fn open<S: Storage>(storage: S, lineage: Lineage, work: SnapshotWork) -> Snapshots<S> {
    Snapshots::open(storage, lineage, SnapshotOptions { format: ENGINE_SNAPSHOT_FORMAT, work })
}

/// A state to go on from.
pub struct Start {
    /// The engine at the snapshot's position.
    pub engine: Engine,
    /// Where the journal goes on.
    pub place: JournalPlace,
}

/// What was found in a directory of snapshots.
pub struct Found {
    /// The newest that can be used; none: start from the journal's beginning.
    pub start: Option<Start>,
    /// Newer ones that were passed over, and why.
    pub refused: Vec<Refused>,
}

/// Makes an engine of the newest snapshot that is whole, lies in this journal, and is covered by the history's files. What a snapshot may
/// be used for hangs on all of that, so the cheap questions come first.
pub fn find<S: Storage>(
    snapshots: &mut Snapshots<S>,
    journal: &S,
    indexed: u64,
    payments_expected: u32,
) -> Result<Found, SnapshotFault> {
    let reach = Reach { indexed, told: u64::MAX, directory: u64::MAX };
    find_told(snapshots, journal, reach, payments_expected)
}

/// How far what lies beside the snapshots reaches.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The history's files: a journal position.
    pub indexed: u64,
    /// The files of the operator's events: the number of an event.
    pub told: u64,
    /// The directory: a journal position.
    pub directory: u64,
}

/// The same where each of these reaches so far.
pub fn find_told<S: Storage>(
    snapshots: &mut Snapshots<S>,
    journal: &S,
    Reach { indexed, told, directory }: Reach,
    payments_expected: u32,
) -> Result<Found, SnapshotFault> {
    let loaded = snapshots.load(u64::MAX, |snapshot, body| {
        let place = place_of(snapshot)?;
        if snapshot.position > indexed {
            return Err(format!("the history's files reach to position {indexed}, and not to {}", snapshot.position));
        }
        check_place(journal, &place).map_err(|fault| fault.to_string())?;
        let engine = Engine::restore(payments_expected, body).map_err(|fault| fault.to_string())?;
        if engine.applied() != snapshot.position || engine.time_ns() != place.time_ns {
            return Err("its state is of another position".to_owned());
        }
        let newest = engine.scheme().events.newest();
        if newest > told {
            return Err(format!("the files of events reach to number {told}, and not to {newest}"));
        }
        let due = engine.directory().due();
        if due > directory {
            return Err(format!("the directory reaches to position {directory}, and not to {due}"));
        }
        Ok(Start { engine, place })
    })?;
    Ok(Found { start: loaded.found.map(|(_, start)| start), refused: loaded.refused })
}

/// The place in the journal behind which a snapshot's replay goes on.
fn place_of(snapshot: &ledger::snapshot::Snapshot) -> Result<JournalPlace, String> {
    let place = snapshot.owner.as_slice().try_into().map(JournalPlace::from_bytes);
    let place = place.map_err(|_| "it names no place in a journal".to_owned())?;
    if place.next_sequence != snapshot.position + 1 {
        return Err("it names another place in the journal".to_owned());
    }
    Ok(place)
}
