//! All payment providers of a scheme on one thread.
//!
//! One turn is the whole of the load, and has the shape of the switch's own hot loop:
//!
//! ```text
//!   receive     every readable connection, to its end: statuses end payments, forwards wait for an answer
//!   offer       what has fallen due (open loop), or as many as have ended (closed loop)
//!   transmit    answers, orders and acknowledgements of each connection with one TLS write
//!   pause       in a busy turn, so that more comes in on each connection
//!   wait        for a socket, or for the next payment's time
//! ```
//!
//! Only connections that have something to do are asked (`ready`). By the native protocol messages are encoded straight into the sessions' buffers, and
//! per payment there is no task, no channel, no lock, no allocation and no system call; by ISO 20022 each request is a task of its own on this thread (`connection::iso`).

use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::message::ParticipantCode;
use adapters::native::link::READ_BYTES;
use tokio::sync::mpsc::UnboundedSender;

use crate::SetUpError;
use crate::agreement::Party;
use crate::clock::Clock;
use crate::connection::{Buffers, Conduct, Connection, Shared};
use crate::draw::private_parts;
use crate::faults::{FaultRecord, Faults};
use crate::flights::{Flights, RunNumber};
use crate::flood::Flood;
use crate::interrupts::Interrupts;
use crate::limits::{
    ACKNOWLEDGE_EVERY_NS, ASK_EVERY_NS, ASKED_MAX, BACKLOG_NS, BUSY_CONNECTIONS_MIN, BUSY_TURN_NS, CHECK_EVERY_NS,
    CONNECTING_MAX, FLIGHTS_MAX, FLOODED_PER_TURN_MAX, LOOKUP_PACE_NS, NS_PER_S, OFFERED_PER_TURN_MAX, OUTCOME_NS,
    PACE_NS, RECEIVE_BYTES_PER_TURN, RETURN_NS, SAMPLE_NS_MIN, SAMPLES_MAX, SET_UP_NS, START_AFTER_NS, TOLD_NS,
};
use crate::lookups::{Aliases, Asking};
use crate::orders::Orders;
use crate::plan::{AliasPlan, FaultKind, Load, Payees, Plan};
use crate::ready::Ready;
use crate::remembered::Remembered;
use crate::samples::{ApartInterval, Interval, LookupInterval, Sample, Sampler, Watched};
use crate::schedule::{Arrivals, Schedule};
use crate::sequel::{Errand, Sequel};
use crate::tally::{Apart, Class, Tally};
use crate::timer::Timer;
use crate::view::View;

/// Where the switch is, who is played, and what is to happen.
pub struct Options {
    /// Of the switch; another after it was started again.
    pub address: Rc<Cell<SocketAddr>>,
    /// Where `ca.pem` and each participant's `CODE.pem` and `CODE.key` lie.
    pub pki: PathBuf,
    /// What is to happen.
    pub plan: Plan,
    /// The switch's process, as far as it is ours to look at.
    pub watched: Watched,
    /// Told whenever the switch is to be killed and started again; none where it is not ours.
    pub kills: Option<UnboundedSender<()>>,
}

/// What a run has brought.
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// Who was played, in the order of connections.
    pub codes: Vec<ParticipantCode>,
    /// What tells payments of this run from all others.
    pub(crate) run: RunNumber,
    /// How long payments were offered.
    pub offered_ns: u64,
    /// Payments of the schedule that fell due and were never offered, because the switch did not keep up.
    pub unsent: u64,
    /// Look-ups of the schedule, the same.
    pub lookups_unsent: u64,
    /// What ended before is in no percentile.
    pub warmed_up_ns: u64,
    /// It was ended before its time.
    pub is_interrupted: bool,
    /// From moment to moment.
    pub samples: Vec<Sample>,
    /// What failed on schedule; when the switch was ready again is not in it yet.
    pub(crate) faults: Faults,
}

impl Outcome {
    /// What failed on schedule, given how long each restart of the switch took.
    pub fn take_faults(&mut self, ready_after_ms: &[u64]) -> Vec<FaultRecord> {
        std::mem::replace(&mut self.faults, Faults::new(&[])).finish(ready_after_ms)
    }
}

/// How far the run has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Connections are being made.
    Connecting { until_ns: u64 },
    /// Payments are being offered, from `start_ns` on.
    Offering { start_ns: u64 },
    /// No more is offered; open payments end, or are asked for.
    Draining { asked: u32, ask_at_ns: u64 },
    /// Every payer has its outcomes; payees may still wait for theirs.
    /// `held` payments are not over yet.
    Telling { held: usize, until_ns: u64 },
    /// Done.
    Over,
}

/// The load as it is worked off.
enum Offering {
    Nothing,
    Open { schedule: Schedule, arrivals: Arrivals },
    Closed,
}

/// Everything that one thread owns.
pub struct Generator {
    load: Load,
    offering: Offering,
    /// Look-ups, beside it.
    asking: Asking,
    clock: Clock,
    timer: Timer,
    connections: Vec<Connection>,
    ready: Ready,
    shared: Shared,
    address: Rc<Cell<SocketAddr>>,
    orders: Orders,
    stage: Stage,
    faults: Faults,
    /// What the last participant sends beside the schedule.
    flood: Option<Flood>,
    /// How long after the first payment is due all that are remembered are recalled; none when they were, and where nothing is.
    wave_ns: Option<u64>,
    kills: Option<UnboundedSender<()>>,
    /// When the schedule was last looked at.
    offered_at_ns: u64,
    /// Of the last turn in which aliases were looked up on a schedule.
    asked_at_ns: u64,
    /// Payments are due, and the switch takes no more.
    is_held_back: bool,
    /// Connections that brought something in this turn.
    heard: usize,
    start_ns: u64,
    end_ns: u64,
    is_interrupted: bool,
    /// When those that were kept away for good come back.
    return_at_ns: u64,
    next_acknowledge_ns: u64,
    next_check_ns: u64,
    sampler: Sampler,
    sample_every_ns: u64,
    sampled_ns: u64,
    /// How long after the first payment is due percentiles begin to count; none when they do.
    warm_up_ns: Option<u64>,
    /// How long after that they have begun to count; 0 as long as they have not.
    warmed_up_ns: u64,
}

impl Generator {
    /// Reads the certificates. Nothing is connected yet. Must be called inside a tokio runtime, on the thread that will run it.
    pub fn new(options: Options, view: View) -> Result<Generator, SetUpError> {
        let Options { address, pki, plan, watched, kills } = options;
        let connections = providers(&pki, &plan)?;
        let codes: Vec<ParticipantCode> = connections.iter().map(|connection| connection.code).collect();
        let clock = Clock::new();
        let now_ns = clock.now_ns();
        let mut orders = Orders::new(plan.mix);
        let (flights_max, offering) = match &plan.load {
            Load::Open(schedule) => {
                (FLIGHTS_MAX, Offering::Open { schedule: schedule.clone(), arrivals: schedule.arrivals() })
            }
            Load::Closed { in_flight, .. } => (*in_flight, Offering::Closed),
            Load::Nothing { .. } => (FLIGHTS_MAX, Offering::Nothing),
        };
        let (run, private_parts) = (orders.run_number(), private_parts());
        let aliases = plan.aliases.as_ref().map(|plan| aliases(plan, codes.len(), run, &private_parts)).transpose()?;
        let shared = Shared {
            flights: Flights::new(flights_max, run),
            tally: Tally::of(codes.len()),
            parties: codes.iter().map(|code| Party::new(code.bytes())).collect(),
            codes,
            refused: (plan.mix.repeat_percent > 0).then(HashSet::new),
            remembered: plan.mix.recall_wave_at_ns.map(|_| Remembered::default()),
            aliases,
            private_parts,
            has_asked: false,
            offered_until_ns: u64::MAX,
            buffers: Buffers {
                scratch: vec![0; READ_BYTES],
                plaintext: Vec::with_capacity(RECEIVE_BYTES_PER_TURN + READ_BYTES),
            },
        };
        let cannot = |what: &str, error: std::io::Error| SetUpError::new(format!("cannot make a {what}: {error}"));
        Ok(Generator {
            offering,
            asking: Asking::of(plan.aliases.as_ref()),
            clock,
            timer: Timer::new().map_err(|error| cannot("timer", error))?,
            ready: Ready::new(connections.len()),
            connections,
            shared,
            address,
            orders,
            stage: Stage::Connecting { until_ns: now_ns + SET_UP_NS },
            faults: Faults::new(&plan.faults),
            flood: None,
            wave_ns: plan.mix.recall_wave_at_ns,
            kills,
            offered_at_ns: 0,
            asked_at_ns: 0,
            is_held_back: false,
            heard: 0,
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            is_interrupted: false,
            return_at_ns: u64::MAX,
            next_acknowledge_ns: now_ns,
            next_check_ns: now_ns + CHECK_EVERY_NS,
            sampler: Sampler::start(watched, view).map_err(|error| cannot("thread", error))?,
            sample_every_ns: SAMPLE_NS_MIN.max(plan.load.duration_ns() / SAMPLES_MAX),
            sampled_ns: u64::MAX,
            warmed_up_ns: 0,
            warm_up_ns: Some(plan.warm_up_ns).filter(|&warm_up_ns| warm_up_ns > 0),
            load: plan.load,
        })
    }

    /// Connects every provider. An error here is one of the set-up: wrong address, wrong certificates.
    pub async fn connect(&mut self, interrupts: &mut Interrupts) -> Result<(), SetUpError> {
        while matches!(self.stage, Stage::Connecting { .. }) {
            self.turn(interrupts).await?;
        }
        Ok(())
    }

    /// Offers the load, drains, and says what became of it.
    pub async fn run(mut self, interrupts: &mut Interrupts) -> Result<Outcome, SetUpError> {
        while self.stage != Stage::Over {
            self.turn(interrupts).await?;
        }
        poll_fn(|cx| {
            self.connections.iter_mut().for_each(|connection| connection.close(cx));
            Poll::Ready(())
        })
        .await;
        // A moment is no sample: one tick of processor time in it would be a core.
        let now_ns = self.clock.now_ns();
        if now_ns.saturating_sub(self.sampled_ns) >= self.sample_every_ns / 2 {
            self.sample(now_ns);
        }
        let samples = self.sampler.finish();
        let offered_ns = self.end_ns.saturating_sub(self.start_ns);
        let unsent = match self.offering {
            Offering::Open { arrivals, .. } => arrivals.left_before(offered_ns),
            Offering::Closed | Offering::Nothing => 0,
        };
        let lookups_unsent = self.asking.unsent(offered_ns);
        let Shared { mut tally, flights, codes, .. } = self.shared;
        tally.settle(flights.open() as u64, flights.untold().count() as u64);
        tally.sequels.unfinished = flights.unfinished().count() as u64;
        let (run, faults, is_interrupted) = (flights.run(), self.faults, self.is_interrupted);
        let warmed_up_ns = self.warmed_up_ns;
        Ok(Outcome {
            tally,
            codes,
            run,
            offered_ns,
            unsent,
            lookups_unsent,
            warmed_up_ns,
            is_interrupted,
            samples,
            faults,
        })
    }

    /// One turn.
    async fn turn(&mut self, interrupts: &mut Interrupts) -> Result<(), SetUpError> {
        self.end_warm_up();
        let is_interrupted = poll_fn(|cx| self.receive(cx, interrupts)).await;
        let now_ns = self.clock.now_ns();
        if is_interrupted {
            self.interrupt(now_ns)?;
        }
        self.advance(now_ns)?;
        self.fail(now_ns);
        if self.wave_ns.is_some() {
            self.recall(now_ns);
        }
        self.offer(now_ns);
        if !self.asking.is_nothing() {
            self.look_up(now_ns);
        }
        self.look_after(now_ns);
        for (place, connection) in self.connections.iter_mut().enumerate() {
            if connection.transmit(&mut Context::from_waker(self.ready.waker(place)), &mut self.shared, now_ns) {
                self.ready.list(place);
            }
        }
        self.pause(now_ns);
        // Lets the reactor look which sockets have become ready.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Lets more come in, where much does. The thread sleeps: an alarm would be one of many things that wake it.
    fn pause(&mut self, begun_ns: u64) {
        let is_busy = std::mem::take(&mut self.heard) >= BUSY_CONNECTIONS_MIN;
        let left_ns = (begun_ns + BUSY_TURN_NS).saturating_sub(self.clock.now_ns());
        if is_busy && left_ns > 0 {
            std::thread::sleep(Duration::from_nanos(left_ns));
        }
    }

    /// Reads every readable connection. Ready once there is something to do; true if that is to stop.
    fn receive(&mut self, cx: &mut Context<'_>, interrupts: &mut Interrupts) -> Poll<bool> {
        let is_interrupted = interrupts.poll(cx);
        let mut is_busy = self.timer.poll(cx) | is_interrupted;
        let clock = self.clock;
        let places = self.ready.take(cx);
        for &place in &places {
            let mut cx = Context::from_waker(self.ready.waker(place));
            if self.connections[place].receive(&mut cx, &mut self.shared, || clock.now_ns()) {
                is_busy = true;
                self.heard += 1;
                // There may be more: only a socket that says no more will say when there is.
                self.ready.list(place);
            }
        }
        self.ready.give_back(places);
        let now_ns = self.clock.now_ns();
        let wake_at_ns = self.wake_at_ns();
        if is_busy || wake_at_ns <= now_ns {
            return Poll::Ready(is_interrupted);
        }
        // Without the alarm the schedule would not be kept; with it lost, turning on is the next best.
        if self.timer.set(wake_at_ns, now_ns).is_err() || self.timer.poll(cx) {
            return Poll::Ready(is_interrupted);
        }
        Poll::Pending
    }

    /// When to turn even if nothing arrives.
    fn wake_at_ns(&self) -> u64 {
        let now_ns = self.clock.now_ns();
        let stage_ns = match self.stage {
            Stage::Offering { start_ns } => self
                .offer_at_ns(start_ns)
                .min(self.fault_at_ns(start_ns))
                .min(self.flood_at_ns(now_ns))
                .min(self.wave_at_ns())
                .min(self.look_up_at_ns(start_ns)),
            Stage::Connecting { until_ns } | Stage::Telling { until_ns, .. } => until_ns,
            Stage::Draining { ask_at_ns, .. } => ask_at_ns.min(self.return_at_ns),
            Stage::Over => u64::MAX,
        };
        let of_connections = |connection: &Connection| connection.attempt_at_ns().min(connection.answer_at_ns(now_ns));
        let connections_ns = self.connections.iter().map(of_connections).min().unwrap_or(u64::MAX);
        let sample_ns = self.sampled_ns.saturating_add(self.sample_every_ns);
        stage_ns.min(connections_ns).min(self.next_acknowledge_ns).min(self.next_check_ns).min(sample_ns)
    }

    /// When the next payment is to be offered.
    fn offer_at_ns(&self, start_ns: u64) -> u64 {
        match &self.offering {
            // A place becomes free only by what a socket brings.
            _ if !self.shared.flights.has_room() => u64::MAX,
            Offering::Nothing => start_ns + self.load.duration_ns(),
            Offering::Open { arrivals, .. } => {
                let due_ns = arrivals.peek().unwrap_or(self.load.duration_ns());
                (start_ns + due_ns).max(self.offered_at_ns + PACE_NS)
            }
            Offering::Closed => {
                // Where everyone is busy, nothing may arrive that ends the pause.
                let busy_until_ns = self.connections.iter().map(|connection| connection.busy_until_ns).min();
                start_ns.max(busy_until_ns.unwrap_or(0)).max(self.offered_at_ns + PACE_NS)
            }
        }
    }

    /// When the next alias is to be looked up.
    fn look_up_at_ns(&self, start_ns: u64) -> u64 {
        let Some(aliases) = self.shared.aliases.as_deref().filter(|aliases| aliases.has_room()) else {
            return u64::MAX;
        };
        let due_ns = match &self.asking {
            Asking::Nothing => return u64::MAX,
            Asking::Open { arrivals, .. } => {
                let due_ns = arrivals.peek().map_or(u64::MAX, |due_ns| start_ns + due_ns);
                due_ns.max(self.asked_at_ns + LOOKUP_PACE_NS)
            }
            Asking::Closed => start_ns.max(aliases.next_asks_ns()),
        };
        due_ns.max(self.offered_at_ns + PACE_NS)
    }

    /// When the next payment of a flood is to be sent. Where its connection takes no more, only what that brings changes it.
    fn flood_at_ns(&self, now_ns: u64) -> u64 {
        let can_go_on = self.shared.flights.has_room() && self.connections.last().is_some_and(Connection::has_room);
        let due_ns = |flood: &Flood| flood.due_ns(now_ns).max(self.offered_at_ns + PACE_NS);
        self.flood.as_ref().filter(|_| can_go_on).map_or(u64::MAX, due_ns)
    }

    /// When everything that is remembered is recalled.
    fn wave_at_ns(&self) -> u64 {
        self.wave_ns.map_or(u64::MAX, |wave_ns| self.start_ns.saturating_add(wave_ns))
    }

    /// Recalls everything that is remembered, if it is time to; where nothing is offered any more, nothing is recalled any more.
    fn recall(&mut self, now_ns: u64) {
        let is_offering = matches!(self.stage, Stage::Offering { .. });
        if matches!(self.stage, Stage::Connecting { .. }) || is_offering && now_ns < self.wave_at_ns() {
            return;
        }
        self.wave_ns = None;
        let remembered = self.shared.remembered.as_mut().map(Remembered::take).unwrap_or_default();
        for (place, id) in remembered {
            if self.shared.flights.find(&id) != Some(place) {
                continue;
            }
            let flight = self.shared.flights.at(place);
            if is_offering {
                self.connections[flight.payer as usize].put_errand(now_ns, (place, id), Errand::Recall);
            } else {
                flight.sequel = Sequel::Nothing;
                self.shared.flights.release(place);
            }
        }
    }

    /// When the next fault is due.
    fn fault_at_ns(&self, start_ns: u64) -> u64 {
        start_ns.saturating_add(self.faults.next_ns())
    }

    /// Stop: the first time drain, the second time end.
    fn interrupt(&mut self, now_ns: u64) -> Result<(), SetUpError> {
        match self.stage {
            Stage::Connecting { .. } => return Err(SetUpError::new("interrupted before the first payment")),
            Stage::Offering { .. } => {
                self.is_interrupted = true;
                self.end_ns = now_ns;
                self.shared.offered_until_ns = now_ns;
                self.drain(now_ns);
            }
            Stage::Draining { .. } | Stage::Telling { .. } | Stage::Over => self.stage = Stage::Over,
        }
        Ok(())
    }

    /// Goes to the next stage where it is time to.
    fn advance(&mut self, now_ns: u64) -> Result<(), SetUpError> {
        match self.stage {
            Stage::Connecting { until_ns } => self.set_up(now_ns, until_ns)?,
            Stage::Offering { start_ns } => {
                if now_ns >= self.end_ns && self.is_backlog_over(now_ns - start_ns) {
                    self.drain(now_ns);
                }
            }
            Stage::Draining { .. } if self.return_at_ns <= now_ns => self.return_all(now_ns),
            Stage::Draining { .. } if self.shared.flights.open() + self.lookups_open() == 0 => {
                self.return_all(now_ns);
                self.stage = Stage::Telling { held: self.shared.flights.held(), until_ns: now_ns + TOLD_NS };
            }
            Stage::Draining { asked, ask_at_ns } if ask_at_ns <= now_ns => self.ask(asked, now_ns),
            Stage::Telling { held, until_ns } => {
                let held_now = self.shared.flights.held();
                if held_now == 0 || until_ns <= now_ns {
                    self.stage = Stage::Over;
                } else if held_now < held {
                    self.stage = Stage::Telling { held: held_now, until_ns: now_ns + TOLD_NS };
                }
            }
            Stage::Draining { .. } | Stage::Over => {}
        }
        Ok(())
    }

    /// Nothing more is offered. Who was kept away for good comes back once its payments have expired, and learns what it missed.
    fn drain(&mut self, now_ns: u64) {
        let is_anybody_away = self.connections.iter().any(|connection| connection.is_away(now_ns));
        self.return_at_ns = if is_anybody_away { now_ns + RETURN_NS } else { u64::MAX };
        self.stage = Stage::Draining { asked: 0, ask_at_ns: now_ns + OUTCOME_NS };
    }

    /// Nobody is kept away any longer.
    fn return_all(&mut self, now_ns: u64) {
        self.return_at_ns = u64::MAX;
        self.connections.iter_mut().for_each(|connection| connection.come_back(now_ns));
    }

    /// Begins once everyone is connected.
    fn set_up(&mut self, now_ns: u64, until_ns: u64) -> Result<(), SetUpError> {
        let failed = |code: &dyn std::fmt::Display, address: SocketAddr, why: &str| {
            SetUpError::new(format!(
                "{code} cannot connect to {address}: {why}; check that a switch serves there (`switch serve`) and that \
                 --pki holds its certificates"
            ))
        };
        for connection in &mut self.connections {
            if let Some(why) = connection.take_why() {
                return Err(failed(&connection.code, self.address.get(), &why));
            }
        }
        if self.connections.iter().all(Connection::is_open) {
            self.start_ns = now_ns + START_AFTER_NS;
            self.end_ns = self.start_ns + self.load.duration_ns();
            self.shared.offered_until_ns = self.end_ns;
            self.sampled_ns = self.start_ns;
            self.sampler.begin();
            self.stage = Stage::Offering { start_ns: self.start_ns };
        } else if until_ns <= now_ns {
            return Err(failed(&"not every provider", self.address.get(), "it took too long"));
        }
        Ok(())
    }

    /// After the end of the time: was everything offered, or is it too late for that?
    fn is_backlog_over(&self, elapsed_ns: u64) -> bool {
        let is_offered = match &self.offering {
            Offering::Closed | Offering::Nothing => true,
            Offering::Open { arrivals, .. } => arrivals.peek().is_none(),
        };
        is_offered && self.asking.is_done() || elapsed_ns >= self.load.duration_ns() + BACKLOG_NS
    }

    /// Look-ups without an answer.
    fn lookups_open(&self) -> usize {
        self.shared.aliases.as_deref().map_or(0, Aliases::open)
    }

    /// Asks what became of every payment that has no outcome. After the last time, what is left is unknown.
    fn ask(&mut self, asked: u32, now_ns: u64) {
        if asked == ASKED_MAX {
            self.stage = Stage::Over;
            return;
        }
        self.shared.has_asked = true;
        for flight in self.shared.flights.open_ones() {
            // Where there is no room for the question, it is asked the next time.
            self.connections[flight.payer as usize].ask(flight.id);
        }
        self.stage = Stage::Draining { asked: asked + 1, ask_at_ns: now_ns + ASK_EVERY_NS };
    }

    /// Begins the faults that are due, and looks after the last one.
    fn fail(&mut self, now_ns: u64) {
        let start_ns = self.start_ns;
        let elapsed_ns = match self.stage {
            Stage::Offering { .. } => now_ns.saturating_sub(start_ns),
            // Nothing fails any more; what failed may still recover.
            Stage::Draining { .. } => 0,
            Stage::Connecting { .. } | Stage::Telling { .. } | Stage::Over => return,
        };
        while let Some(kind) = self.faults.take_due(elapsed_ns) {
            let connections = self.connections.len() as u64;
            self.faults.begin(kind, (start_ns, now_ns), connections, &self.shared.tally);
            match kind {
                FaultKind::KillSwitch => {
                    if let Some(kills) = &self.kills {
                        // Whoever restarts it has gone only if that failed before, and said so.
                        let _ = kills.send(());
                    }
                }
                FaultKind::CutProviders { providers, for_ns } => {
                    let until_ns = for_ns.map_or(u64::MAX, |for_ns| now_ns.saturating_add(for_ns));
                    let cut = self.connections.iter_mut().rev().take(providers as usize);
                    cut.for_each(|connection| connection.cut(now_ns, until_ns));
                }
                FaultKind::Flood { for_ns, rate } => {
                    let flood = Flood::new(now_ns, for_ns, rate);
                    self.flood = Some(flood);
                    if let Some(flooding) = self.connections.last_mut() {
                        flooding.flood(now_ns.saturating_add(for_ns).min(self.end_ns));
                    }
                }
            }
        }
        let scheduled_ns = match &self.offering {
            Offering::Open { arrivals, .. } => arrivals.peek().map_or(u64::MAX, |due_ns| start_ns + due_ns),
            Offering::Closed | Offering::Nothing => now_ns,
        };
        self.faults.look(now_ns, scheduled_ns, &self.shared.tally, &mut self.shared.flights);
    }

    /// Offers what is due.
    fn offer(&mut self, now_ns: u64) {
        let Stage::Offering { start_ns } = self.stage else { return };
        if now_ns < start_ns {
            return;
        }
        self.offered_at_ns = now_ns;
        self.offer_flood(now_ns);
        for _ in 0..OFFERED_PER_TURN_MAX {
            let due_ns = match &self.offering {
                Offering::Closed => (now_ns < self.end_ns).then_some(now_ns),
                Offering::Open { arrivals, .. } => arrivals.peek().map(|due_ns| start_ns + due_ns),
                Offering::Nothing => None,
            };
            let Some(intended_ns) = due_ns.filter(|&due_ns| due_ns <= now_ns) else {
                self.is_held_back = false;
                return;
            };
            let waits = matches!(self.offering, Offering::Closed);
            let has_room = self.shared.flights.has_room().then_some(());
            let Some(parties) = has_room.and_then(|()| self.orders.draw_parties(&self.connections, now_ns, waits))
            else {
                self.is_held_back = true;
                return;
            };
            // On a schedule nobody waits because the switch says so: customers do not.
            let drawn = self.orders.draw_class();
            let is_to_flooding = self.connections[parties.1].is_flooding(now_ns);
            let class = if is_to_flooding { Class::Flood } else { drawn };
            self.orders.submit(&mut self.connections, &mut self.shared, parties, (class, intended_ns));
            self.shared.tally.offer(class, now_ns - intended_ns, self.is_held_back);
            if let Offering::Open { arrivals, .. } = &mut self.offering {
                arrivals.advance();
            }
        }
    }

    /// Looks up what is due.
    fn look_up(&mut self, now_ns: u64) {
        let Stage::Offering { start_ns } = self.stage else { return };
        let (Some(aliases), true) = (self.shared.aliases.as_deref_mut(), now_ns >= start_ns) else { return };
        let (connections, waits) = (&mut self.connections, matches!(self.asking, Asking::Closed));
        if !waits && now_ns < self.asked_at_ns + LOOKUP_PACE_NS {
            return;
        }
        self.asked_at_ns = now_ns;
        for _ in 0..OFFERED_PER_TURN_MAX {
            let due_ns = match &self.asking {
                Asking::Nothing => None,
                Asking::Closed => (now_ns < self.end_ns).then_some(now_ns),
                Asking::Open { arrivals, .. } => arrivals.peek().map(|due_ns| start_ns + due_ns),
            };
            let Some(intended_ns) = due_ns.filter(|&due_ns| due_ns <= now_ns && aliases.has_room()) else { return };
            let may_ask = |place: usize, until_ns: u64| {
                let connection = &connections[place];
                // On a schedule nobody waits because the switch says so: customers do not.
                connection.has_room() && !connection.is_away(now_ns) && !(waits && until_ns > now_ns)
            };
            let Some(asker) = aliases.draw_asker(connections.len(), may_ask) else { return };
            let number = u32::try_from(asker).unwrap_or_else(|_| unreachable!("connections are bounded"));
            let (place, lookup, private) = aliases.ask(number, intended_ns);
            let ticket = connections[asker].submit_lookup(&lookup, private, place);
            aliases.sent(place, ticket);
            self.shared.tally.lookups.ask(now_ns - intended_ns);
            if let Asking::Open { arrivals, .. } = &mut self.asking {
                arrivals.advance();
            }
        }
    }

    /// Sends what the flood has ready, as far as its connection takes it.
    fn offer_flood(&mut self, now_ns: u64) {
        let Some(mut flood) = self.flood.take() else { return };
        for _ in 0..FLOODED_PER_TURN_MAX {
            let due_ns = flood.due_ns(now_ns);
            let can_go_on = self.shared.flights.has_room() && self.connections.last().is_some_and(Connection::has_room);
            if now_ns < due_ns || flood.is_over(due_ns) || !can_go_on {
                break;
            }
            let parties = self.orders.draw_victim(self.connections.len());
            self.orders.submit(&mut self.connections, &mut self.shared, parties, (Class::Flood, due_ns));
            self.shared.tally.offer(Class::Flood, 0, false);
            flood.sent();
        }
        self.flood = Some(flood).filter(|flood| !flood.is_over(now_ns) && now_ns < self.end_ns);
    }

    /// What is due from time to time.
    fn look_after(&mut self, now_ns: u64) {
        let mut connecting = self.connections.iter().filter(|connection| connection.is_connecting()).count();
        for (place, connection) in self.connections.iter_mut().enumerate() {
            if connecting < CONNECTING_MAX && connection.attempt_at_ns() <= now_ns {
                connection.begin_connecting(self.address.get(), now_ns);
                self.ready.list(place);
                connecting += 1;
            }
        }
        if self.next_acknowledge_ns <= now_ns {
            self.next_acknowledge_ns = now_ns + ACKNOWLEDGE_EVERY_NS;
            self.connections.iter_mut().for_each(Connection::acknowledge);
        }
        if self.next_check_ns <= now_ns {
            self.next_check_ns = now_ns + CHECK_EVERY_NS;
            self.connections.iter_mut().for_each(|connection| connection.check(now_ns));
        }
        if self.sampled_ns.saturating_add(self.sample_every_ns) <= now_ns {
            self.sample(now_ns);
        }
    }

    /// What fell due in the warm-up and ends after it counts: a stall is not made shorter by where it began. A run that is ended before has no warm-up.
    fn end_warm_up(&mut self) {
        let is_over = |warm_up_ns| self.start_ns.saturating_add(warm_up_ns) <= self.clock.now_ns();
        if matches!(self.stage, Stage::Offering { .. }) && self.warm_up_ns.is_some_and(is_over) {
            self.warmed_up_ns = self.warm_up_ns.take().unwrap_or(0);
            self.shared.tally.forget_latencies();
        }
    }

    /// Hands over what was counted since the last time.
    fn sample(&mut self, now_ns: u64) {
        let length_ns = now_ns.saturating_sub(std::mem::replace(&mut self.sampled_ns, now_ns));
        let elapsed_ns = now_ns.saturating_sub(self.start_ns);
        let (due_per_s, unsent) = match &self.offering {
            Offering::Open { schedule, arrivals } if now_ns < self.end_ns => {
                let sent_ns = arrivals.peek().unwrap_or(elapsed_ns);
                (schedule.rate_at(elapsed_ns), schedule.due_between(sent_ns, elapsed_ns))
            }
            _ => (0, 0),
        };
        let Shared { tally, flights, aliases, .. } = &mut self.shared;
        let legs = &tally.window.legs;
        let window = &tally.lookups.window;
        let (lookups_due_per_s, lookups_unsent) =
            if now_ns < self.end_ns { self.asking.due(elapsed_ns) } else { (0, 0) };
        let lookups = Some(LookupInterval {
            due_per_s: lookups_due_per_s,
            asked: window.asked,
            answered: window.answered,
            failed: window.failed,
            p50_us: window.latencies.at(0.5),
            p99_us: window.latencies.at(0.99),
            open: aliases.as_deref().map_or(0, Aliases::open) as u64,
            unsent: lookups_unsent,
        });
        self.sampler.take(Interval {
            at_s: seconds(elapsed_ns),
            length_s: seconds(length_ns),
            due_per_s,
            offered: tally.window.offered,
            committed: tally.window.committed,
            failed: tally.window.failed,
            p50_us: legs.last.at(0.5),
            p99_us: legs.last.at(0.99),
            max_us: legs.last.max_us(),
            accepted_p99_us: legs.accepted.at(0.99),
            forwarded_p99_us: legs.forwarded.at(0.99),
            open: flights.open() as u64,
            behind: unsent + flights.unaccepted() as u64,
            bulk: tally.bulk.as_deref().map(apart_interval),
            flood: tally.flood.as_deref().map(apart_interval),
            lookups: lookups.filter(|_| !self.asking.is_nothing()),
        });
        tally.clear_window();
    }
}

fn apart_interval(apart: &Apart) -> ApartInterval {
    ApartInterval {
        committed: apart.window_committed,
        p50_us: apart.window_last.at(0.5),
        p99_us: apart.window_last.at(0.99),
    }
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure of the report")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

/// Aliases of so many participants.
fn aliases(
    plan: &AliasPlan,
    participants: usize,
    run: RunNumber,
    private_parts: &[Vec<u8>],
) -> Result<Box<Aliases>, SetUpError> {
    if plan.count < participants as u64 {
        return Err(SetUpError::new(format!(
            "{} aliases are fewer than one for each of {participants} participants: give more with --aliases",
            plan.count
        )));
    }
    Ok(Box::new(Aliases::new(plan, participants, run, private_parts)))
}

/// One provider for each certificate; the last ones misbehave.
fn providers(pki: &std::path::Path, plan: &Plan) -> Result<Vec<Connection>, SetUpError> {
    let codes = switch::pki::participants_in(pki).map_err(|error| {
        SetUpError::new(format!(
            "cannot read {}: {error}; give --pki the directory that `switch init` made (DIR/pki)",
            pki.display()
        ))
    })?;
    if codes.len() < 2 {
        return Err(SetUpError::new(format!(
            "{} holds the certificates of {} participants, and a payment needs two: give --pki the directory that `switch \
             init --participants 2` or more made (DIR/pki)",
            pki.display(),
            codes.len()
        )));
    }
    let count = codes.len();
    let connections = (0..).zip(codes).map(|(place, code): (u32, ParticipantCode)| {
        let conduct = conduct(plan.payees, count - 1 - place as usize);
        Ok(Connection::new(code, place, plan.protocol.line(code, pki)?, conduct))
    });
    connections.collect()
}

/// Of the provider with so many others after it.
fn conduct(payees: Payees, after: usize) -> Conduct {
    let (slow, silent) = (payees.slow as usize, payees.silent as usize);
    Conduct {
        answer_after_ns: if after < slow { payees.slow_answer_after_ns } else { 0 },
        is_silent: (slow..slow + silent).contains(&after),
    }
}
