//! Snapshots: what comes of them, what is done to them, and whether a start has used the right one.

use ledger::snapshot::{Snapshot, SnapshotFault, snapshot_name};

use super::World;
use crate::simulate::coverage::Doing;
use crate::simulate::disk::VirtualDisk;
use crate::simulate::faults::Fault;
use crate::simulate::invariants::{self, Violation, snapshots};
use crate::simulate::machine::{self, Replayed, Started, StateDigest, Stop, open_snapshots};
use crate::simulate::plan::Plan;
use crate::simulate::random::Random;
use crate::snapshots::{SnapshotNews, find};

/// Whether a snapshot, by its position, waits for a directory that has not come so far.
type Waits<'a> = &'a dyn Fn(&u64) -> bool;

/// What the run knows of its snapshots.
pub(super) struct SnapshotWatch {
    /// A source of its own: with snapshots and without them a seed is otherwise the same.
    random: Random,
    disk_seed: u64,
    /// Files in which a bit has turned: name, and what stands there since.
    damaged: Vec<(String, Vec<u8>)>,
    /// Has a bit turned in one that was still being written?
    is_unfinished_damaged: bool,
}

impl SnapshotWatch {
    pub(super) fn new(mut random: Random) -> SnapshotWatch {
        let disk_seed = random.draw();
        SnapshotWatch { random, disk_seed, damaged: Vec::new(), is_unfinished_damaged: false }
    }

    /// What the disk of snapshots is drawn from.
    pub(super) fn disk_seed(&self) -> u64 {
        self.disk_seed
    }

    /// Is a planned failure one of the snapshots' directory?
    pub(super) fn are_to_fail(&mut self, plan: &Plan) -> bool {
        plan.snapshots.is_some() && self.random.percent(20)
    }

    /// Damaged files that were removed, or written anew, are none any more.
    fn forget_replaced(&mut self, disk: &VirtualDisk) {
        self.damaged.retain(|(name, bytes)| disk.content(name).as_ref() == Some(bytes));
    }

    /// Is this file what it has become when a bit turned? One of the same name that was made later is not.
    fn is_damaged(&self, disk: &VirtualDisk, name: &str) -> bool {
        let content = disk.content(name);
        self.damaged.iter().any(|(damaged, bytes)| damaged == name && Some(bytes) == content.as_ref())
    }
}

impl World<'_> {
    /// What has come of a snapshot in this turn. One that fails costs the process nothing, unless the whole machine has stopped.
    pub(super) fn look_at_snapshots(&mut self) -> Result<Option<Stop>, Violation> {
        let doing = self.doing();
        let news = self.machine.process.as_mut().and_then(|process| process.pipeline.take_snapshot_news());
        let fault = match news {
            None => return Ok(None),
            Some(SnapshotNews::Taken { .. }) => {
                self.coverage.count("snapshot taken");
                return Ok(None);
            }
            Some(SnapshotNews::Failed(fault)) => fault,
        };
        let is_planned = match (&fault, self.armed) {
            (SnapshotFault::Io { detail, .. }, Some(Fault::Kill | Fault::Power)) if detail == machine::STOPPED => {
                return Ok(Some(Stop::Crashed));
            }
            (SnapshotFault::Io { detail, .. }, Some(Fault::Sync)) => detail == machine::SYNC_FAILED,
            (SnapshotFault::DiskFull { .. }, Some(Fault::Full)) => true,
            (SnapshotFault::NotAsWritten { .. }, _) => self.snapshots.is_unfinished_damaged,
            _ => false,
        };
        let finding = if is_planned { Ok(()) } else { Err(format!("a snapshot was given up: {fault}")) };
        invariants::named(snapshots::NAME, finding)?;
        self.coverage.count("snapshot given up");
        if let Some(fault) = self.armed.filter(|_| !matches!(fault, SnapshotFault::NotAsWritten { .. })) {
            self.coverage.count_hit(fault, &[doing, vec![Doing::TakingSnapshot]].concat());
            self.disarm();
        }
        Ok(None)
    }

    /// Nobody restores a snapshot: the one before it serves, and then the journal.
    pub(super) fn turn_a_bit_of_a_snapshot(&mut self) {
        let watch = &mut self.snapshots;
        if !watch.random.percent(50) {
            return;
        }
        let disk = &self.machine.snapshot_disk;
        let Some(flip) = disk.choose_any_flip(&mut watch.random) else { return };
        disk.flip(&flip);
        if flip.name.ends_with(".snapshot") {
            self.coverage.count("bit of a snapshot turned at rest");
            watch.damaged.extend(disk.content(&flip.name).map(|bytes| (flip.name, bytes)));
        } else {
            watch.is_unfinished_damaged = true;
        }
    }

    /// A replay of the whole journal from its beginning, on a copy in which no bit has turned: what every snapshot that is whole is compared with. It also
    /// looks at the state at one more position. Gives the positions of those snapshots, too.
    pub(super) fn replay_whole(&mut self, position: u64) -> Result<(Replayed, Vec<u64>), Violation> {
        let copy = self.machine.disk.copy(&mut self.snapshots.random);
        self.flips.iter().filter(|flip| copy.holds(flip)).for_each(|flip| copy.flip(flip));
        let snapshots = self.machine.snapshot_disk.copy(&mut self.snapshots.random);
        let read = open_snapshots(&snapshots).verify().map_err(|fault| fault.to_string());
        let whole: Vec<Snapshot> = invariants::named(snapshots::NAME, read)?.into_iter().flatten().collect();
        let positions: Vec<u64> = whole.iter().map(|snapshot| snapshot.position).collect();
        let replayed = machine::replay(&copy, &self.plan, &[&positions[..], &[position]].concat());
        invariants::named(snapshots::NAME, snapshots::check_content(&whole, &replayed))?;
        self.drill_a_lost_tail(&copy, &snapshots)?;
        Ok((replayed, positions))
    }

    /// A start is where a replay of everything is, and has used the newest snapshot that can be used.
    pub(super) fn check_snapshots_of_start(
        &mut self,
        started: &Started,
        replayed: Option<StateDigest>,
        (whole, waits): (&[u64], Waits<'_>),
    ) -> Result<(), Violation> {
        let same = snapshots::check_start(started.snapshot, started.state, replayed);
        invariants::named(snapshots::NAME, same)?;
        if self.flips.is_empty() {
            let newest = snapshots::check_newest(started.snapshot, whole, started.covered);
            invariants::named(snapshots::NAME, newest)?;
        }
        let disk = &self.machine.snapshot_disk;
        for refused in &started.refused {
            let listed = disk.position_of(&refused.path);
            let (name, position) = listed.unwrap_or_default();
            let (is_damaged, is_uncovered) = (self.snapshots.is_damaged(disk, &name), position > started.covered);
            let is_of_directory = waits(&position);
            let may_not = is_damaged || is_uncovered || is_of_directory || !self.flips.is_empty();
            invariants::named(snapshots::NAME, snapshots::check_use(&name, false, false, may_not))?;
            self.coverage.count(match (is_damaged, is_uncovered, is_of_directory) {
                (true, ..) => "snapshot damaged, and passed over",
                (false, true, _) => "snapshot beyond the history passed over",
                (false, false, true) => "snapshot beyond the directory passed over",
                (false, false, false) => "snapshot in a damaged journal passed over",
            });
        }
        if let Some(position) = started.snapshot {
            let name = snapshot_name(position);
            let is_damaged = self.snapshots.is_damaged(disk, &name);
            invariants::named(snapshots::NAME, snapshots::check_use(&name, true, is_damaged, false))?;
            self.coverage.count("start from a snapshot");
        }
        self.snapshots.is_unfinished_damaged = false;
        self.snapshots.forget_replaced(&self.machine.snapshot_disk);
        Ok(())
    }

    /// The journal loses its end, on copies which nobody needs afterwards: what was taken of that end is ahead, and is passed over.
    fn drill_a_lost_tail(&mut self, journal: &VirtualDisk, snapshots: &VirtualDisk) -> Result<(), Violation> {
        let copy = journal.copy(&mut self.snapshots.random);
        if !self.snapshots.random.percent(50) || !copy.take_tail(&mut self.snapshots.random) {
            return Ok(());
        }
        let left = machine::replay(&copy, &self.plan, &[]).state.0;
        let found = find(&mut open_snapshots(snapshots), &copy, u64::MAX, 0).map_err(|fault| fault.to_string());
        let found = invariants::named(snapshots::NAME, found)?;
        let names = found.refused.iter().filter_map(|refused| snapshots.position_of(&refused.path));
        if names.filter(|(_, position)| *position > left).count() > 0 {
            self.coverage.count("snapshot ahead of its journal passed over");
        }
        let used = found.start.map_or(0, |start| start.engine.applied());
        let finding =
            if used <= left { Ok(()) } else { Err(format!("{used} is used, and the journal ends at {left}")) };
        invariants::named(snapshots::NAME, finding)
    }
}
