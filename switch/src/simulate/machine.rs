//! The machine that the switch runs on: its disk, its keys, its clocks, and the process, which comes and goes.
//!
//! The process is the production's: journal, recovery, engine, outboxes, pipeline and renderer. Only the shell is another one.

use std::collections::VecDeque;

use ledger::journal::{Journal, JournalFault, JournalOptions, JournalReader, Lineage, Preparation};

use super::disk::VirtualDisk;
use super::keys::Keys;
use super::plan::{Plan, START_NS};
use crate::clock::Anchor;
use crate::engine::Batch;
use crate::entry::PAYLOAD_FORMAT;
use crate::genesis;
use crate::ingress::Ingress;
use crate::limits::NS_PER_MS;
use crate::log::local::LocalLog;
use crate::pipeline::{Decisions, Fault, Pipeline};
use crate::render::{RenderFault, RenderRequest, Renderer};

const LINEAGE: Lineage = Lineage([0x42; 16]);

/// First position, entries, time and payload of a batch that a recovery found.
pub(super) type Found = (u64, u64, u64, Vec<u8>);

/// A state of the engine: position and digest.
pub(super) type StateDigest = (u64, [u8; 32]);

/// Why the process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A planned crash.
    Crashed,
    /// A planned failure of a sync.
    SyncFailed,
    /// No space is left.
    DiskFull,
    /// The journal is damaged.
    Damaged(String),
    /// By itself.
    Unplanned(String),
}

/// The running switch.
pub(super) struct Process {
    pub(super) pipeline: Pipeline<VirtualDisk>,
    pub(super) renderer: Renderer<VirtualDisk>,
    /// What the renderer is to do, and when it is done.
    pub(super) rendering: VecDeque<(u64, RenderRequest)>,
    pub(super) next_check_ns: u64,
    anchor: Anchor,
    started_ns: u64,
}

/// What a start found.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) batches: Vec<Found>,
    pub(super) was_torn: bool,
    /// The state that was asked for, where the replay came by it.
    pub(super) state: Option<StateDigest>,
}

/// Everything that outlives the process.
pub(super) struct Machine {
    pub(super) disk: VirtualDisk,
    pub(super) keys: Keys,
    /// How far the wall clock was set from the true time.
    pub(super) wall_offset_ns: i64,
    pub(super) process: Option<Process>,
    drift_ppb: i64,
}

impl Machine {
    pub(super) fn new(plan: &Plan, disk: VirtualDisk, keys: Keys) -> Machine {
        Machine { disk, keys, wall_offset_ns: 0, process: None, drift_ppb: plan.drift_ppb }
    }

    /// Journal time, while the process runs. The machine's clock counts milliseconds, so that exact hits of deadlines are frequent.
    pub(super) fn journal_ns(&self, now_ns: u64) -> u64 {
        self.process.as_ref().map_or(0, |process| {
            let elapsed_ns = drifted(now_ns - process.started_ns, self.drift_ppb);
            process.anchor.after(elapsed_ns / NS_PER_MS * NS_PER_MS)
        })
    }

    /// How long until journal time is `journal_ns`.
    pub(super) fn wait_ns(&self, now_ns: u64, journal_ns: u64) -> u64 {
        let ahead_ns = journal_ns.saturating_sub(self.journal_ns(now_ns));
        drifted(ahead_ns, -self.drift_ppb).max(1_000)
    }

    /// The process starts: replays the journal and goes on where it ends. `wanted` is a position at which the state is to be looked at.
    pub(super) fn start(&mut self, plan: &Plan, now_ns: u64, wanted: Option<u64>) -> Result<Started, Stop> {
        self.keys.restart();
        let options = options(plan);
        let (mut decisions, mut batches, mut state) = (Decisions::default(), Vec::new(), None);
        let absorb = |batch: ledger::journal::Batch<'_>| {
            batches.push((batch.first_sequence, u64::from(batch.count), batch.time_ns, batch.payload.to_vec()));
            decisions.absorb(engine_batch(&batch)).map_err(|inapplicable| inapplicable.to_string())?;
            if wanted == Some(decisions.engine.applied()) {
                state = Some((decisions.engine.applied(), decisions.engine.digest()));
            }
            Ok(())
        };
        let (journal, was_torn) = match Journal::open(self.disk.clone(), options, absorb) {
            Ok((journal, report)) => (journal, report.torn.is_some()),
            Err(JournalFault::Absent { .. }) => {
                (Journal::create(self.disk.clone(), options, LINEAGE).map_err(|fault| stop_of(&fault))?, false)
            }
            Err(fault) => return Err(stop_of(&fault)),
        };
        if decisions.engine.seal_key_max() > self.keys.made() {
            return Err(Stop::Unplanned("the journal names keys that were never made".to_owned()));
        }
        let mut log = LocalLog::new(journal);
        let wall_ns = (START_NS + now_ns).saturating_add_signed(self.wall_offset_ns) / NS_PER_MS * NS_PER_MS;
        if decisions.engine.applied() == 0 {
            journal_genesis(plan, &mut log, &mut decisions, wall_ns)?;
        }
        let anchor = Anchor::new(wall_ns, decisions.engine.time_ns());
        let reader = JournalReader::open(self.disk.clone()).map_err(|fault| stop_of(&fault))?;
        let process = Process {
            pipeline: Pipeline::new(log, decisions, self.keys.digest_key(), plan.limits),
            renderer: Renderer::new(reader),
            rendering: VecDeque::new(),
            next_check_ns: now_ns,
            anchor,
            started_ns: now_ns,
        };
        Ok(Started { process, batches, was_torn, state })
    }
}

/// Replays what lies on a disk: the batches before the first that is not taken, and whether the journal was taken as whole.
pub(super) fn replay(disk: &VirtualDisk, plan: &Plan) -> (Vec<Found>, Decisions, Result<(), Stop>) {
    let (mut decisions, mut batches) = (Decisions::default(), Vec::new());
    let absorb = |batch: ledger::journal::Batch<'_>| {
        batches.push((batch.first_sequence, u64::from(batch.count), batch.time_ns, batch.payload.to_vec()));
        decisions.absorb(engine_batch(&batch)).map_err(|inapplicable| inapplicable.to_string())
    };
    let opened = Journal::open(disk.clone(), options(plan), absorb).map(|_| ()).map_err(|fault| stop_of(&fault));
    (batches, decisions, opened)
}

fn options(plan: &Plan) -> JournalOptions {
    JournalOptions {
        segment_bytes: plan.segment_bytes,
        payload_format: PAYLOAD_FORMAT,
        preparation: Preparation::WhenNeeded,
    }
}

fn engine_batch<'a>(batch: &ledger::journal::Batch<'a>) -> Batch<'a> {
    Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload }
}

fn journal_genesis(
    plan: &Plan,
    log: &mut LocalLog<VirtualDisk>,
    decisions: &mut Decisions,
    time_ns: u64,
) -> Result<(), Stop> {
    let mut batch = Ingress::new();
    for command in genesis::commands(&plan.genesis()) {
        batch.add_command(|out| out.extend_from_slice(&command));
    }
    let count = batch.count();
    let appended = log.submit(batch.batch_mut(), count, time_ns).map_err(|fault| stop_of(&fault))?;
    log.sync().map_err(|fault| stop_of(&fault))?;
    log.mark().map_err(|fault| stop_of(&fault))?;
    let first = Batch { first_sequence: appended.first_sequence, time_ns, payload: batch.payload() };
    decisions.absorb(first).map_err(|inapplicable| Stop::Unplanned(inapplicable.to_string()))
}

/// What a fault of the pipeline says about why the process ends.
pub(super) fn stop_of_pipeline(fault: &Fault) -> Stop {
    match fault {
        Fault::Journal(fault) => stop_of(fault),
        Fault::Inapplicable(inapplicable) => Stop::Unplanned(inapplicable.to_string()),
    }
}

/// What a fault of the renderer says about why the process ends.
pub(super) fn stop_of_renderer(fault: &RenderFault) -> Stop {
    match fault {
        RenderFault::Journal(fault) => stop_of(fault),
        other => Stop::Unplanned(other.to_string()),
    }
}

/// The faulty directory has two words for what was planned.
fn stop_of(fault: &JournalFault) -> Stop {
    match fault {
        JournalFault::DiskFull { .. } => Stop::DiskFull,
        JournalFault::Damaged { .. } => Stop::Damaged(fault.to_string()),
        JournalFault::Io { detail, .. } if detail == "the machine has stopped" => Stop::Crashed,
        JournalFault::Io { detail, .. } if detail == "input/output error" => Stop::SyncFailed,
        other => Stop::Unplanned(other.to_string()),
    }
}

fn drifted(span_ns: u64, ppb: i64) -> u64 {
    let gained = i128::from(span_ns) * i128::from(ppb) / 1_000_000_000;
    u64::try_from(i128::from(span_ns) + gained).unwrap_or(0)
}
