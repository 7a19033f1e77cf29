//! The run: everything there is, and one event after another until everything is finished.
//!
//! First the safety phase, in which things go wrong and only safety is asked for. Then the faults end, providers behave, and everything
//! must finish.

mod commands;
mod directory;
mod mishaps;
mod process;
mod snapshots;

use adapters::native::session::Resume;

use super::auditor::{Auditor, Deliveries, Reply};
use super::coverage::Coverage;
use super::disk::{Flip, VirtualDisk};
use super::faults::Fault;
use super::invariants::{self, TurnsBefore, Violation};
use super::keys::Keys;
use super::machine::{LINEAGE, Machine, StateDigest, Stop};
use super::network::Network;
use super::operator::Operator;
use super::plan::{ALIASES_SEED, LINES_SEED, NS_PER_S, OPERATOR_SEED, Plan, SNAPSHOTS_SEED};
use super::provider::{Around, Provider};
use super::queue::{ConnectionId, Event, Queue};
use super::random::Random;
use super::wire::Id;
use super::{CLOCK_NS, Options, Report};
use snapshots::SnapshotWatch;

/// Everything must be finished so long after the faults have ended: payments time out, half-open lines are found, and all is sent again.
const DRAIN_MAX_NS: u64 = 120 * NS_PER_S;

/// More events than this in one second of virtual time are a loop that does nothing.
const EVENTS_PER_S_MAX: u64 = 100_000;

/// See the module.
pub(super) struct World<'a> {
    options: &'a Options,
    plan: Plan,
    random: Random,
    /// What is drawn about lines that die.
    of_lines: Random,
    /// What is drawn about the directory.
    of_aliases: Random,
    now_ns: u64,
    queue: Queue,
    network: Network,
    providers: Vec<Provider>,
    operator: Operator,
    machine: Machine,
    auditor: Auditor,
    deliveries: Deliveries,
    coverage: Coverage,
    /// When the switch makes its next turn.
    turn_at_ns: Option<u64>,
    /// The process is busy until then.
    busy_until_ns: u64,
    /// Connections by the place of their session.
    by_session: Vec<Option<ConnectionId>>,
    turns_before: TurnsBefore,
    operations_left: u64,
    ids: Vec<Id>,
    drain_until_ns: Option<u64>,
    /// Is everything told once more?
    is_encore: bool,
    /// What the disk is about to do.
    armed: Option<Fault>,
    flips: Vec<Flip>,
    /// Has a bit of the history turned since its files were last made anew?
    is_history_damaged: bool,
    /// What is known of the snapshots.
    snapshots: SnapshotWatch,
    /// The state when the process last ended.
    last_state: Option<StateDigest>,
    /// What was indexed then; 0 where the files are gone since.
    indexed: u64,
    starts: u64,
    events_in_second: (u64, u64),
    /// Replies of the turn.
    replies: Vec<Reply>,
    /// Everything that left the switch and everything that became durable.
    trace: blake3::Hasher,
}

impl<'a> World<'a> {
    pub(super) fn new(options: &'a Options) -> World<'a> {
        let mut random = Random::new(options.seed);
        let plan = Plan::draw(options, &mut random);
        let mut queue = Queue::default();
        queue.add(0, Event::Start);
        let mut of_providers = random.fork();
        let providers: Vec<Provider> =
            (0..plan.providers.len()).map(|place| Provider::new(place, &plan, of_providers.fork())).collect();
        (0..providers.len()).for_each(|place| queue.add(1, Event::Tick(place)));
        if let Some(gap_ns) = plan.operator_gap_ns {
            queue.add(gap_ns, Event::Operate);
        }
        if let Some(gap_ns) = plan.aliases.and_then(|aliases| aliases.operator_gap_ns) {
            queue.add(gap_ns, Event::OperateDirectory);
        }
        plan.faults.iter().for_each(|&(at_ns, fault)| queue.add(at_ns, Event::Fault(fault)));
        let snapshots = SnapshotWatch::new(Random::new(!(options.seed ^ SNAPSHOTS_SEED)));
        let sources = [random.fork(), random.fork(), Random::new(snapshots.disk_seed())];
        let disks = sources.map(|mut random| VirtualDisk::new(&mut random));
        World {
            network: Network::new(random.fork(), plan.unacknowledged_max < 100),
            machine: Machine::new(&plan, disks, Keys::new(options.seed)),
            auditor: Auditor::new(&plan),
            operator: Operator::new(Random::new(!(options.seed ^ OPERATOR_SEED))),
            deliveries: Deliveries::new(LINEAGE.0, plan.providers.len()),
            of_aliases: Random::new(!(options.seed ^ ALIASES_SEED)),
            of_lines: Random::new(plan.providers[0].lines_seed ^ LINES_SEED),
            coverage: Coverage::new(),
            turn_at_ns: None,
            busy_until_ns: 0,
            by_session: Vec::new(),
            turns_before: TurnsBefore::default(),
            operations_left: options.operations_max,
            ids: Vec::new(),
            drain_until_ns: None,
            is_encore: false,
            armed: None,
            flips: Vec::new(),
            is_history_damaged: false,
            snapshots,
            last_state: None,
            indexed: 0,
            starts: 0,
            events_in_second: (0, 0),
            replies: Vec::new(),
            trace: blake3::Hasher::new(),
            options,
            plan,
            random,
            now_ns: 0,
            queue,
            providers,
        }
    }

    /// Runs to the end. An invariant that does not hold ends it at once.
    pub(super) fn run(mut self) -> Result<Report, Violation> {
        while let Some((at_ns, event)) = self.queue.take() {
            self.now_ns = at_ns.max(self.now_ns);
            CLOCK_NS.set(self.now_ns);
            self.count_event()?;
            if self.drain_until_ns.is_none() && self.now_ns >= self.options.for_ns {
                self.begin_draining()?;
            }
            let is_tick = matches!(event, Event::Tick(_));
            self.happen(event)?;
            if is_tick && self.is_finished()? && self.encore()? {
                break;
            }
        }
        self.finish()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Start => self.start(),
            Event::Turn => self.turn(),
            Event::WriteHistory(start) => self.write_history(start),
            Event::Tick(place) => self.tick(place),
            Event::Opened(id) => {
                self.opened(id);
                Ok(())
            }
            Event::ToSwitch(id, bytes) => {
                if self.network.arrive_at_switch(id, &bytes) {
                    self.wake(self.now_ns);
                }
                Ok(())
            }
            Event::ToProvider(id, bytes) => self.arrive_at_provider(id, &bytes),
            Event::SwitchLoses(id) => {
                self.detach(id);
                Ok(())
            }
            Event::ProviderLoses(id) => {
                let place = self.network.connections.get(&id).map(|connection| connection.provider);
                self.with_provider(place, |provider, around| {
                    provider.lose(id, around);
                    Ok(())
                })
            }
            Event::Operate => self.operate(),
            Event::OperateDirectory => self.operate_directory(),
            Event::Fault(fault) => {
                self.go_wrong(fault);
                Ok(())
            }
            Event::Calm(fault) => {
                self.calm(fault);
                Ok(())
            }
        }
    }

    fn tick(&mut self, place: usize) -> Result<(), Violation> {
        let mut next_ns = self.now_ns;
        self.with_provider(Some(place), |provider, around| {
            next_ns = provider.tick(around)?;
            Ok(())
        })?;
        self.queue.add(next_ns, Event::Tick(place));
        Ok(())
    }

    fn arrive_at_provider(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<(), Violation> {
        if !self.network.reaches_provider(id) {
            return Ok(());
        }
        let place = self.network.connections.get(&id).map(|connection| connection.provider);
        self.with_provider(place, |provider, around| provider.arrive(id, bytes, around))
    }

    /// Lets a provider act, and the switch write to it what it has made room for.
    fn with_provider(
        &mut self,
        place: Option<usize>,
        act: impl FnOnce(&mut Provider, &mut Around<'_>) -> Result<(), String>,
    ) -> Result<(), Violation> {
        let Some(place) = place else { return Ok(()) };
        let mut around = Around {
            now_ns: self.now_ns,
            plan: &self.plan,
            network: &mut self.network,
            queue: &mut self.queue,
            auditor: &mut self.auditor,
            deliveries: &mut self.deliveries,
            coverage: &mut self.coverage,
            journal_lead_ns: self.machine.journal_lead_ns(self.now_ns),
            operations_left: &mut self.operations_left,
            is_draining: self.drain_until_ns.is_some(),
            ids: &mut self.ids,
        };
        let provider = &mut self.providers[place];
        let acted = act(provider, &mut around);
        invariants::named("providers are treated well", acted)?;
        let connections = provider.connections().filter_map(|id| self.network.connections.get(&id));
        let waits = connections.filter(|connection| !connection.waiting.is_empty() && !connection.is_cut);
        if let Some(distance_ns) = waits.map(|connection| connection.distance_ns).min() {
            self.wake(self.now_ns + distance_ns);
        }
        Ok(())
    }

    /// The switch makes a turn then, or earlier.
    fn wake(&mut self, at_ns: u64) {
        let at_ns = at_ns.max(self.busy_until_ns);
        if self.machine.process.is_some() && self.turn_at_ns.is_none_or(|next_ns| at_ns < next_ns) {
            self.turn_at_ns = Some(at_ns);
            self.queue.add(at_ns, Event::Turn);
        }
    }

    fn count_event(&mut self) -> Result<(), Violation> {
        let (second, count) = &mut self.events_in_second;
        if *second != self.now_ns / NS_PER_S {
            (*second, *count) = (self.now_ns / NS_PER_S, 0);
        }
        *count += 1;
        let is_busy = *count > EVENTS_PER_S_MAX;
        let finding =
            if is_busy { Err("the switch turns and turns, and nothing comes of it".to_owned()) } else { Ok(()) };
        invariants::named(invariants::progress::NAME, finding)
    }

    fn begin_draining(&mut self) -> Result<(), Violation> {
        self.drain_until_ns = Some(self.now_ns + DRAIN_MAX_NS);
        self.providers.iter_mut().for_each(Provider::heal);
        let directing = self.machine.process.as_mut().and_then(|process| process.directing.as_mut());
        directing.into_iter().for_each(|directing| directing.hurry(self.now_ns));
        self.end_mishaps()
    }

    fn is_finished(&self) -> Result<bool, Violation> {
        let Some(until_ns) = self.drain_until_ns else { return Ok(false) };
        let pipeline = self.machine.process.as_ref().map(|process| &process.pipeline);
        let finding = invariants::progress::check(pipeline, &self.auditor, (&self.providers, &self.operator));
        let finding = finding.and_then(|()| match self.auditor.aliases().is_rehashing() {
            true => Err("hashes are being made anew, and it comes to no end".to_owned()),
            false => Ok(()),
        });
        if finding.is_err() && self.now_ns < until_ns {
            return Ok(false);
        }
        invariants::named(invariants::progress::NAME, finding).map(|()| true)
    }

    /// When all is quiet for the first time, the switch and all providers start anew, and everything is told once more from number 1. True when that
    /// is finished, too.
    fn encore(&mut self) -> Result<bool, Violation> {
        if std::mem::replace(&mut self.is_encore, true) {
            return Ok(true);
        }
        for place in 0..self.providers.len() {
            self.with_provider(Some(place), |provider, around| {
                provider.restart(Resume::FROM_THE_START, around);
                Ok(())
            })?;
        }
        self.armed = Some(Fault::Power);
        self.stop(&Stop::Crashed)?;
        Ok(false)
    }

    /// The last look: everything that anybody knows is one story, and a replay tells it again.
    fn finish(mut self) -> Result<Report, Violation> {
        self.finish_directory()?;
        let Some(mut process) = self.machine.process.take() else {
            return invariants::named(invariants::progress::NAME, Err("the switch is not up".to_owned()))
                .map(|()| unreachable!("that is a finding"));
        };
        let closed = process.pipeline.close().map_err(|fault| fault.to_string());
        invariants::named(invariants::progress::NAME, closed)?;
        let told = invariants::one_outcome::check(&process, &self.auditor, &self.providers);
        invariants::named(invariants::one_outcome::NAME, told)?;
        let last = process.pipeline.take_last_snapshot().map_err(|fault| fault.to_string());
        invariants::named(invariants::progress::NAME, last)?;
        let engine = process.pipeline.engine();
        let live = (engine.applied(), engine.digest());
        let (replayed, _) = self.replay_whole(live.0)?;
        let state = replayed.opened.is_ok().then_some(replayed.state);
        invariants::named(invariants::replay::NAME, invariants::replay::check(live, state))?;
        self.auditor.take_recovered(&replayed.batches)?;
        Ok(self.report(live))
    }

    fn report(self, (_, digest): StateDigest) -> Report {
        let counts = self.auditor.counts();
        let [committed, rejected, expired] = counts.ended;
        let hex = |bytes: &[u8]| bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut coverage = self.coverage;
        coverage.count_many("outcome left memory", self.auditor.left());
        coverage.count_many("segment begun", self.machine.disk.segments().saturating_sub(1));
        for provider in &self.providers {
            coverage.count(&format!("provider {}", provider.plan.character.name()));
        }
        Report {
            seed: self.options.seed,
            simulated_ms: self.now_ns / 1_000_000,
            providers: self.providers.len(),
            starts: self.starts,
            batches: self.auditor.batches(),
            committed,
            rejected,
            expired,
            returned: counts.returned,
            cases: counts.cases_closed,
            state: hex(&digest),
            trace: hex(self.trace.finalize().as_bytes()),
            coverage,
        }
    }
}
