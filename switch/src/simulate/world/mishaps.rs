//! What goes wrong, and what becomes of it: the process ends and starts, the disk fails, bits turn, lines are cut, clocks are set.

use super::World;
use crate::directory::store::MemoryStore;
use crate::limits::NS_PER_MS;
use crate::simulate::coverage::Doing;
use crate::simulate::disk::little_space;
use crate::simulate::faults::Fault;
use crate::simulate::invariants::{self, TurnsBefore, Violation};
use crate::simulate::machine::{self, Machine, Replayed, Started, Stop};
use crate::simulate::plan::NS_PER_S;
use crate::simulate::queue::{ConnectionId, Event};

/// Within so many operations of the disk the planned crash comes.
const CRASH_WITHIN: u64 = 60;

impl World<'_> {
    /// Something goes wrong. Where it cannot, because the switch is down, a flood is left alone, or faults are over, it does not.
    pub(super) fn go_wrong(&mut self, fault: Fault) {
        if self.drain_until_ns.is_some() || self.plan.is_left_alone(self.now_ns) {
            return;
        }
        if matches!(fault, Fault::Slow | Fault::Delay | Fault::Step | Fault::Cut | Fault::Storm) {
            self.coverage.count_hit(fault, &self.doing());
        }
        match fault {
            Fault::Kill | Fault::Power | Fault::Sync | Fault::Full => self.arm(fault, CRASH_WITHIN),
            Fault::Flip => self.turn_a_bit(),
            Fault::Slow => {
                self.coverage.count("disk slow");
                let slowness = self.random.between(2, 400);
                self.machine.disk.set_slowness(slowness);
                self.machine.history_disk.set_slowness(slowness);
                self.machine.snapshot_disk.set_slowness(slowness);
                self.queue.add(self.now_ns + self.random.around(2 * NS_PER_S), Event::Calm(fault));
            }
            Fault::Delay => {
                self.coverage.count("messages delayed");
                self.network.is_delayed = true;
                self.queue.add(self.now_ns + self.random.around(2 * NS_PER_S), Event::Calm(fault));
            }
            Fault::Step => self.set_a_clock(),
            Fault::Cut => self.cut_some(),
            Fault::Storm => {
                self.coverage.count("storm");
                self.everybody_connects();
                self.queue.add(self.now_ns + self.random.around(50 * NS_PER_MS), Event::Calm(fault));
            }
            Fault::Lines => self.lines_fail(),
            Fault::Drift | Fault::Tiny | Fault::Conduct | Fault::Signs | Fault::Operator | Fault::Aliases => {}
        }
    }

    /// Something that went wrong for a while is over; a storm has a second wave.
    pub(super) fn calm(&mut self, fault: Fault) {
        match fault {
            Fault::Slow => {
                self.machine.disk.set_slowness(1);
                self.machine.history_disk.set_slowness(1);
                self.machine.snapshot_disk.set_slowness(1);
            }
            Fault::Delay => self.network.is_delayed = false,
            Fault::Storm if self.drain_until_ns.is_none() => self.everybody_connects(),
            _ => {}
        }
    }

    /// From now on nothing goes wrong any more, and what is broken is mended.
    pub(super) fn end_mishaps(&mut self) -> Result<(), Violation> {
        self.disarm();
        self.calm(Fault::Slow);
        self.calm(Fault::Delay);
        self.mend_bits();
        if self.is_history_damaged && self.machine.process.is_some() {
            return self.stop(&Stop::HistoryDamaged("the operator has it made anew".to_owned()));
        }
        Ok(())
    }

    /// What the disk was about to do it does not.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
        self.machine.disk.plan(|_| {});
        self.machine.history_disk.plan(|_| {});
        self.machine.snapshot_disk.plan(|_| {});
    }

    /// Plans a failure of the disk.
    fn arm(&mut self, fault: Fault, within: u64) {
        self.disarm();
        self.armed = Some(fault);
        let random = &mut self.random;
        // The directory of the history fails as well: one machine, and all of it stops.
        let is_historys = random.percent(25);
        let disk = match (self.snapshots.are_to_fail(&self.plan), is_historys) {
            (true, _) => &self.machine.snapshot_disk,
            (false, true) => &self.machine.history_disk,
            (false, false) => &self.machine.disk,
        };
        let operation = disk.operations() + 1 + random.below(within);
        let sync = disk.syncs() + 1 + random.below(within / 2);
        let space = little_space(random);
        let short_reads = random.percent(20);
        disk.plan(|plan| {
            plan.short_reads = short_reads;
            match fault {
                Fault::Sync => plan.sync_fails_at = Some(sync),
                Fault::Full => plan.space_bytes = Some(space),
                _ => plan.crash_at_operation = Some(operation),
            }
        });
    }

    fn turn_a_bit(&mut self) {
        self.turn_a_bit_of_a_snapshot();
        // One at a time: a copy to restore from is whole.
        if !self.flips.is_empty() || self.machine.process.is_none() {
            return;
        }
        if self.random.percent(30) {
            return self.turn_a_bit_of_history();
        }
        if let Some((flip, true)) = self.machine.disk.choose_flip(&mut self.random) {
            self.coverage.count("bit turned at rest");
            self.coverage.count_hit(Fault::Flip, &self.doing());
            self.machine.disk.flip(&flip);
            self.flips.push(flip);
        }
    }

    /// The history is no truth of its own: nobody restores it, it is made again.
    fn turn_a_bit_of_history(&mut self) {
        if let Some(flip) = self.machine.history_disk.choose_any_flip(&mut self.random) {
            self.coverage.count("bit of the history turned at rest");
            self.coverage.count_hit(Fault::Flip, &self.doing());
            self.machine.history_disk.flip(&flip);
            self.is_history_damaged = true;
        }
    }

    /// The history's files are gone, and so is whatever was wrong with them.
    fn lose_history(&mut self) {
        self.coverage.count("history lost");
        self.machine.history_disk.remove_all();
        self.is_history_damaged = false;
        self.indexed = 0;
    }

    /// The operator restores a damaged file from a copy.
    fn mend_bits(&mut self) {
        for flip in self.flips.drain(..) {
            if self.machine.disk.holds(&flip) {
                self.machine.disk.flip(&flip);
            }
        }
    }

    /// The switch's, which sees it at its next start, or a provider's.
    fn set_a_clock(&mut self) {
        let most_ns = match self.random.below(100) {
            0..2 => 3_600 * NS_PER_S,
            2..15 => 3 * NS_PER_S,
            _ => 300 * NS_PER_MS,
        };
        let step_ns = i64::try_from(self.random.below(most_ns)).unwrap_or(0);
        let offset_ns = if self.random.percent(50) { step_ns } else { -step_ns };
        if self.random.percent(70) {
            self.coverage.count("wall clock set");
            self.machine.wall_offset_ns = offset_ns;
        } else {
            self.coverage.count("provider's clock set");
            let place = self.random.index(self.providers.len());
            self.providers[place].set_clock(offset_ns);
        }
    }

    fn cut_some(&mut self) {
        let ids: Vec<ConnectionId> = self.network.connections.keys().copied().collect();
        for id in ids {
            if self.random.percent(40) {
                self.coverage.count("connection cut");
                if self.network.cut(id, self.now_ns, &mut self.queue) {
                    self.coverage.count("connection half open");
                }
            }
        }
    }

    /// Of providers with two lines: one stalls, or one dies without a word, or both do.
    fn lines_fail(&mut self) {
        for place in 0..self.providers.len() {
            let ids: Vec<ConnectionId> = self.providers[place].connections().collect();
            if ids.len() < 2 || !self.of_lines.percent(60) {
                continue;
            }
            let one = [ids[self.of_lines.index(2)]];
            match self.of_lines.below(10) {
                0..5 => self.lines_die(place, &ids),
                5..7 => self.lines_die(place, &one),
                _ => {
                    self.coverage.count("one line of two stalls");
                    // Either side may give it up before it goes on.
                    self.network.stall(one[0], self.now_ns + self.of_lines.between(1, 40) * NS_PER_S);
                }
            }
        }
    }

    /// These lines of a provider are dead, and one of its two cannot be made again for a while. The switch is not told; the provider finds out soon, or only when it
    /// has heard nothing for too long.
    fn lines_die(&mut self, place: usize, dying: &[ConnectionId]) {
        self.coverage.count(if dying.len() == 2 {
            "both lines of two die unnoticed"
        } else {
            "one line of two dies unnoticed"
        });
        let away_until_ns = self.now_ns + self.of_lines.between(1, 40) * NS_PER_S;
        self.providers[place].is_out_of_reach(self.of_lines.index(2), away_until_ns);
        let is_noticed = self.of_lines.percent(70);
        for &id in dying {
            self.network.die(id);
            if is_noticed {
                let at_ns = self.now_ns + self.of_lines.around(500 * NS_PER_MS);
                self.queue.add(at_ns, Event::ProviderLoses(id));
            }
        }
    }

    fn everybody_connects(&mut self) {
        for place in 0..self.providers.len() {
            let quietly = self.random.percent(50);
            // Connecting anew cannot fail.
            let _ = self.with_provider(Some(place), |provider, around| {
                provider.reconnect(quietly, around);
                Ok(())
            });
        }
    }

    /// The process has ended: why, and is that what was planned? It starts again after a while.
    pub(super) fn stop(&mut self, stop: &Stop) -> Result<(), Violation> {
        self.audit()?;
        // There is no engine to compare them with.
        drop(self.auditor.take_changed());
        let doing = if self.machine.process.is_some() { self.doing() } else { vec![Doing::Recovering] };
        self.count_stop(&doing);
        if let Some(process) = self.machine.process.take() {
            let engine = process.pipeline.engine();
            self.last_state = Some((engine.applied(), engine.digest()));
            self.indexed = process.pipeline.watermarks().indexed;
        }
        self.explain(stop)?;
        let power = match self.armed.take() {
            Some(Fault::Power) => true,
            Some(Fault::Kill) => false,
            _ => self.random.percent(30),
        };
        // The second telling begins with a power cut that is none of the faults.
        if !self.is_encore {
            self.count_end(power);
        }
        self.machine.disk.restart(power);
        self.machine.history_disk.restart(power);
        self.machine.snapshot_disk.restart(power);
        let is_lost = self.options.faults.has(Fault::Flip) && self.random.percent(5);
        let is_over = self.is_history_damaged && self.drain_until_ns.is_some();
        if is_lost || is_over || matches!(stop, Stop::HistoryDamaged(_)) {
            self.lose_history();
        }
        if power {
            self.machine.store.forget_unpersisted();
        }
        if self.plan.aliases.is_some() && self.options.faults.has(Fault::Flip) && self.of_aliases.percent(10) {
            self.coverage.count("directory lost");
            self.machine.store = MemoryStore::default();
        }
        self.deliveries.all_gone();
        self.operator.forget_awaited();
        self.network.cut_all(self.now_ns, &mut self.queue);
        self.by_session.clear();
        self.turn_at_ns = None;
        self.queue.add(self.now_ns + self.random.around(NS_PER_S), Event::Start);
        Ok(())
    }

    /// All that the switch is in the middle of.
    pub(super) fn doing(&self) -> Vec<Doing> {
        let Some(process) = &self.machine.process else { return vec![Doing::Down] };
        let is_open = process.pipeline.engine().counts().in_flight > 0;
        let doing = [
            (process.is_writing_history, Doing::WritingHistory),
            (process.pipeline.is_taking_snapshot(), Doing::TakingSnapshot),
            (!process.asking.is_empty(), Doing::AskingHistory),
            (!process.rendering.is_empty(), Doing::Rendering),
            (is_open, Doing::PaymentsOpen),
        ];
        let doing: Vec<Doing> = doing.into_iter().filter(|(is_so, _)| *is_so).map(|(_, doing)| doing).collect();
        if doing.is_empty() { vec![Doing::Idle] } else { doing }
    }

    /// Which fault ended the process, at which operation, and in the middle of what.
    fn count_stop(&mut self, doing: &[Doing]) {
        if self.is_encore {
            return;
        }
        if let Some(fault) = self.armed {
            self.coverage.count_hit(fault, doing);
        }
        let Machine { disk, history_disk, snapshot_disk, .. } = &self.machine;
        for (disk, whose) in [(disk, "journal"), (history_disk, "history"), (snapshot_disk, "snapshots")] {
            if let Some(operation) = disk.failed() {
                self.coverage.count(&format!("fails at {operation} in the {whose}"));
            }
        }
    }

    fn count_end(&mut self, power: bool) {
        self.coverage.count(if power { "power cut" } else { "killed" });
        if power && self.machine.disk.has_unsynced() {
            self.coverage.count("power cut with unsynced sectors");
        }
        if power && self.machine.disk.has_unsynced_names() {
            self.coverage.count("names unsynced at a power cut");
        }
    }

    /// Only what was planned may end the process.
    fn explain(&mut self, stop: &Stop) -> Result<(), Violation> {
        let is_planned = match (stop, self.armed) {
            (Stop::Crashed, Some(Fault::Kill | Fault::Power)) => true,
            (Stop::SyncFailed, Some(Fault::Sync)) => {
                self.coverage.count("sync failed");
                true
            }
            (Stop::DiskFull, Some(Fault::Full)) => {
                self.coverage.count("disk full");
                true
            }
            (Stop::Damaged(_), _) if !self.flips.is_empty() => {
                self.mend_bits();
                true
            }
            (Stop::HistoryDamaged(_), _) if self.is_history_damaged => {
                self.coverage.count("flip found in the history");
                true
            }
            _ => false,
        };
        let finding = if is_planned { Ok(()) } else { Err(format!("the switch has stopped: {stop:?}")) };
        invariants::named("the switch stops only for a reason", finding)
    }

    /// The process starts, perhaps to crash again on the way.
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        if self.machine.process.is_some() {
            return Ok(());
        }
        if self.is_history_damaged && self.drain_until_ns.is_some() {
            self.lose_history();
        }
        self.crash_in_recovery();
        match self.machine.start(&self.plan, self.now_ns) {
            Ok(started) => self.started(started),
            Err(stop) => {
                self.coverage.count(if matches!(stop, Stop::Damaged(_)) {
                    "flip found by a recovery"
                } else {
                    "crash in a recovery"
                });
                self.stop(&stop)
            }
        }
    }

    fn crash_in_recovery(&mut self) {
        let possible = [Fault::Kill, Fault::Power, Fault::Sync, Fault::Full].into_iter();
        let possible: Vec<Fault> = possible.filter(|&fault| self.options.faults.has(fault)).collect();
        if !possible.is_empty() && self.drain_until_ns.is_none() && self.random.percent(20) {
            let fault = *self.random.pick(&possible);
            self.arm(fault, 10);
        }
    }

    fn started(&mut self, started: Started) -> Result<(), Violation> {
        let Started { was_torn, covered, dropped, .. } = started;
        self.starts += 1;
        self.queue.add(self.now_ns + self.plan.write_gap_ns, Event::WriteHistory(self.starts));
        if was_torn {
            self.coverage.count("torn tail cut off");
        }
        if !self.is_history_damaged {
            let covers = invariants::history::check_start(self.indexed, covered);
            invariants::named(invariants::history::NAME, covers)?;
        }
        if dropped > 0 {
            self.coverage.count("file of the history dropped by a start");
        }
        let last_position = self.last_state.map_or(0, |(position, _)| position);
        let (replayed, mut whole_snapshots) = self.replay_whole(last_position)?;
        let Replayed { batches, effects, events, wanted, dues, state, directory, opened } = replayed;
        let whole = opened.is_ok().then_some(state);
        // A directory that has not come so far, or was lost, is made again from before.
        let waits = |position: &u64| dues.get(position).is_some_and(|due| *due > started.directory_at);
        whole_snapshots.retain(|position| !waits(position));
        self.check_snapshots_of_start(&started, whole, (&whole_snapshots, &waits))?;
        // Where nothing was found, the first batch is on disk now.
        self.audit()?;
        self.auditor.take_recovered(&batches)?;
        let remains = invariants::damage::check_remains(&self.machine.disk);
        invariants::named(invariants::damage::NAME, remains)?;
        // Whoever waited for those has lost its connection.
        drop(self.auditor.take_replies_due());
        drop(self.auditor.take_changed());
        drop(self.auditor.take_observed());
        let told_again = invariants::replay::check_effects(&effects, &self.auditor);
        invariants::named(invariants::replay::NAME, told_again)?;
        invariants::named(invariants::events::NAME, invariants::events::check_list(&events, &self.auditor))?;
        if let Some(live) = self.last_state.filter(|(position, _)| *position > 0) {
            invariants::named(
                invariants::replay::NAME,
                invariants::replay::check(
                    live,
                    wanted.iter().map(|(state, _)| *state).find(|(position, _)| *position == live.0),
                ),
            )?;
        }
        self.turns_before = TurnsBefore::at_start(&started.process.pipeline, &self.auditor);
        self.machine.process = Some(started.process);
        if opened.is_ok() {
            self.check_directory(&directory)?;
        }
        self.busy_until_ns = self.now_ns + self.machine.take_spent_ns();
        self.drill()?;
        self.wake(self.now_ns);
        Ok(())
    }

    /// A bit turns on a copy of the disk, which nobody needs afterwards: in any record, the last included.
    fn drill(&mut self) -> Result<(), Violation> {
        let wanted = self.options.faults.has(Fault::Flip) && self.flips.is_empty() && self.random.percent(30);
        if !wanted {
            return Ok(());
        }
        let copy = self.machine.disk.copy(&mut self.random);
        let Some(flip) = copy.choose_flip(&mut self.random) else { return Ok(()) };
        if !flip.1 {
            self.coverage.count("flip in the last record");
        }
        copy.flip(&flip.0);
        let Replayed { batches, opened, .. } = machine::replay(&copy, &self.plan, &[]);
        let finding = invariants::damage::check(&self.auditor, &flip, &batches, &opened);
        invariants::named(invariants::damage::NAME, finding)
    }
}
