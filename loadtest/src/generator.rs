//! All payment providers of a scheme on one thread.
//!
//! One turn is the whole of the load, and has the shape of the switch's own hot loop:
//!
//! ```text
//!   receive     every readable connection, to its end: statuses end payments, forwards wait for an answer
//!   offer       what has fallen due (open loop), or as many as have ended (closed loop)
//!   transmit    answers, orders and acknowledgements of each connection with one TLS write
//!   wait        for a socket, or for the next payment's time
//! ```
//!
//! Messages are encoded straight into the sessions' buffers. Per payment there is no task, no channel, no lock, no allocation and no system call.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::task::{Context, Poll};

use adapters::message::CreditTransfer;
use adapters::native::link::READ_BYTES;
use adapters::native::tls;

use crate::SetUpError;
use crate::clock::Clock;
use crate::connection::{Connection, Shared};
use crate::draw::{Draw, private_parts};
use crate::flights::Flights;
use crate::interrupts::Interrupts;
use crate::limits::{
    ACKNOWLEDGE_EVERY_NS, ASK_EVERY_NS, ASKED_MAX, BACKLOG_NS, CHECK_EVERY_NS, CONNECTING_MAX, FLIGHTS_MAX, NS_PER_S,
    OFFERED_PER_TURN_MAX, OUTCOME_NS, PACE_NS, RECEIVE_BYTES_PER_TURN, SET_UP_NS, START_AFTER_NS, TOLD_NS,
};
use crate::progress::Progress;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::timer::Timer;

/// How payments are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// On a schedule that nothing delays.
    Open(Schedule),
    /// A new one for each that ends.
    Closed {
        /// Payments without an outcome, over all connections.
        in_flight: u32,
        /// For how long.
        duration_s: u64,
    },
}

impl Load {
    /// For how long payments are offered.
    fn duration_ns(&self) -> u64 {
        match self {
            Load::Open(schedule) => schedule.intended_ns(schedule.count()),
            Load::Closed { duration_s, .. } => duration_s * NS_PER_S,
        }
    }
}

/// Where the switch is, who is played, and what is offered.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of the switch.
    pub address: SocketAddr,
    /// Where `ca.pem` and each participant's `CODE.pem` and `CODE.key` lie.
    pub pki: PathBuf,
    /// What is offered.
    pub load: Load,
}

/// What a run has brought.
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// How many participants were played.
    pub participants: usize,
    /// How long payments were offered.
    pub offered_ns: u64,
    /// Payments of the schedule that fell due and were never offered, because the switch did not keep up.
    pub unsent: u64,
    /// It was ended before its time.
    pub is_interrupted: bool,
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
    Telling { until_ns: u64 },
    /// Done.
    Over,
}

/// Everything that one thread owns.
pub struct Generator {
    load: Load,
    clock: Clock,
    timer: Timer,
    connections: Vec<Connection>,
    shared: Shared,
    draw: Draw,
    private_parts: Vec<Vec<u8>>,
    stage: Stage,
    /// Payments of the schedule that were offered.
    scheduled: u64,
    /// When the schedule was last looked at.
    offered_at_ns: u64,
    start_ns: u64,
    end_ns: u64,
    is_interrupted: bool,
    next_acknowledge_ns: u64,
    next_check_ns: u64,
    progress: Progress,
}

impl Generator {
    /// Reads the certificates. Nothing is connected yet. Must be called inside a tokio runtime.
    pub fn new(options: &Options, show_progress: bool) -> Result<Generator, SetUpError> {
        let connections = providers(options)?;
        let clock = Clock::new();
        let now_ns = clock.now_ns();
        let flights_max = match options.load {
            Load::Open(_) => FLIGHTS_MAX,
            Load::Closed { in_flight, .. } => in_flight,
        };
        let shared = Shared {
            address: options.address,
            flights: Flights::new(flights_max),
            tally: Tally::default(),
            offered_until_ns: u64::MAX,
            scratch: vec![0; READ_BYTES],
            plaintext: Vec::with_capacity(RECEIVE_BYTES_PER_TURN + READ_BYTES),
        };
        Ok(Generator {
            load: options.load,
            clock,
            timer: Timer::new().map_err(|error| SetUpError::new(format!("cannot make a timer: {error}")))?,
            connections,
            shared,
            draw: Draw::new(),
            private_parts: private_parts(),
            stage: Stage::Connecting { until_ns: now_ns + SET_UP_NS },
            scheduled: 0,
            offered_at_ns: 0,
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            is_interrupted: false,
            next_acknowledge_ns: now_ns,
            next_check_ns: now_ns + CHECK_EVERY_NS,
            progress: Progress::new(show_progress, options.load.duration_ns()),
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
        let Shared { mut tally, flights, .. } = self.shared;
        tally.settle(flights.open() as u64);
        let offered_ns = self.end_ns.saturating_sub(self.start_ns);
        let unsent = match self.load {
            Load::Open(schedule) => schedule.due(offered_ns).saturating_sub(self.scheduled),
            Load::Closed { .. } => 0,
        };
        let (participants, is_interrupted) = (self.connections.len(), self.is_interrupted);
        self.progress.finish();
        Ok(Outcome { tally, participants, offered_ns, unsent, is_interrupted })
    }

    /// One turn.
    async fn turn(&mut self, interrupts: &mut Interrupts) -> Result<(), SetUpError> {
        let is_interrupted = poll_fn(|cx| self.receive(cx, interrupts)).await;
        let now_ns = self.clock.now_ns();
        if is_interrupted {
            self.interrupt(now_ns)?;
        }
        self.advance(now_ns)?;
        self.offer(now_ns);
        self.look_after(now_ns);
        poll_fn(|cx| {
            self.connections.iter_mut().for_each(|connection| connection.transmit(cx, now_ns));
            Poll::Ready(())
        })
        .await;
        // Lets the reactor look which sockets have become ready.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Reads every readable connection. Ready once there is something to do; true if that is to stop.
    fn receive(&mut self, cx: &mut Context<'_>, interrupts: &mut Interrupts) -> Poll<bool> {
        let is_interrupted = interrupts.poll(cx);
        let mut is_busy = self.timer.poll(cx) | is_interrupted;
        let clock = self.clock;
        for connection in &mut self.connections {
            is_busy |= connection.receive(cx, &mut self.shared, || clock.now_ns());
        }
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
        let stage_ns = match (self.stage, self.load) {
            // A place becomes free only by what a socket brings.
            (Stage::Offering { .. }, _) if !self.shared.flights.has_room() => u64::MAX,
            (Stage::Offering { start_ns }, Load::Open(schedule)) => {
                (start_ns + schedule.intended_ns(self.scheduled)).max(self.offered_at_ns + PACE_NS)
            }
            (Stage::Offering { start_ns }, Load::Closed { .. }) => {
                // Where everyone is busy, nothing may arrive that ends the pause.
                let busy_until_ns = self.connections.iter().map(|connection| connection.busy_until_ns).min();
                start_ns.max(busy_until_ns.unwrap_or(0)).max(self.offered_at_ns + PACE_NS)
            }
            (Stage::Connecting { until_ns } | Stage::Telling { until_ns }, _) => until_ns,
            (Stage::Draining { ask_at_ns, .. }, _) => ask_at_ns,
            (Stage::Over, _) => u64::MAX,
        };
        let attempt_ns = self.connections.iter().map(Connection::attempt_at_ns).min().unwrap_or(u64::MAX);
        stage_ns.min(attempt_ns).min(self.next_acknowledge_ns).min(self.next_check_ns)
    }

    /// Stop: the first time drain, the second time end.
    fn interrupt(&mut self, now_ns: u64) -> Result<(), SetUpError> {
        match self.stage {
            Stage::Connecting { .. } => return Err(SetUpError::new("interrupted before the first payment")),
            Stage::Offering { .. } => {
                self.is_interrupted = true;
                self.end_ns = now_ns;
                self.shared.offered_until_ns = now_ns;
                self.stage = Stage::Draining { asked: 0, ask_at_ns: now_ns + OUTCOME_NS };
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
                    self.stage = Stage::Draining { asked: 0, ask_at_ns: now_ns + OUTCOME_NS };
                }
            }
            Stage::Draining { .. } if self.shared.flights.open() == 0 => {
                self.stage = Stage::Telling { until_ns: now_ns + TOLD_NS };
            }
            Stage::Draining { asked, ask_at_ns } if ask_at_ns <= now_ns => self.ask(asked, now_ns),
            Stage::Telling { until_ns } => {
                let tally = &self.shared.tally;
                if until_ns <= now_ns || tally.told_committed >= 2 * tally.committed {
                    self.stage = Stage::Over;
                }
            }
            Stage::Draining { .. } | Stage::Over => {}
        }
        Ok(())
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
                return Err(failed(&connection.code, self.shared.address, &why));
            }
        }
        if self.connections.iter().all(Connection::is_open) {
            self.start_ns = now_ns + START_AFTER_NS;
            self.end_ns = self.start_ns + self.load.duration_ns();
            self.shared.offered_until_ns = self.end_ns;
            self.stage = Stage::Offering { start_ns: self.start_ns };
        } else if until_ns <= now_ns {
            return Err(failed(&"not every provider", self.shared.address, "it took too long"));
        }
        Ok(())
    }

    /// After the end of the time: was everything offered, or is it too late for that?
    fn is_backlog_over(&self, elapsed_ns: u64) -> bool {
        match self.load {
            Load::Closed { .. } => true,
            Load::Open(schedule) => {
                self.scheduled >= schedule.due(self.end_ns - self.start_ns)
                    || elapsed_ns >= self.load.duration_ns() + BACKLOG_NS
            }
        }
    }

    /// Asks what became of every payment that has no outcome. After the last time, what is left is unknown.
    fn ask(&mut self, asked: u32, now_ns: u64) {
        if asked == ASKED_MAX {
            self.stage = Stage::Over;
            return;
        }
        for flight in self.shared.flights.iter() {
            // Where there is no room for the question, it is asked the next time.
            self.connections[flight.payer as usize].ask(flight.id);
        }
        self.stage = Stage::Draining { asked: asked + 1, ask_at_ns: now_ns + ASK_EVERY_NS };
    }

    /// Offers what is due.
    fn offer(&mut self, now_ns: u64) {
        let Stage::Offering { start_ns } = self.stage else { return };
        if now_ns < start_ns {
            return;
        }
        self.offered_at_ns = now_ns;
        for _ in 0..OFFERED_PER_TURN_MAX {
            let intended_ns = match self.load {
                Load::Closed { .. } => now_ns,
                Load::Open(schedule) => start_ns + schedule.intended_ns(self.scheduled),
            };
            let is_due = match self.load {
                Load::Closed { .. } => now_ns < self.end_ns,
                Load::Open(schedule) => self.scheduled < schedule.count() && intended_ns <= now_ns,
            };
            if !is_due || !self.shared.flights.has_room() || !self.offer_one(intended_ns, now_ns) {
                return;
            }
            self.scheduled += 1;
        }
    }

    /// Offers one payment; false where no payer has room.
    fn offer_one(&mut self, intended_ns: u64, now_ns: u64) -> bool {
        let Some(payer) = self.draw_payer(now_ns) else { return false };
        let count = self.connections.len();
        let payee = (payer + 1 + self.draw.below(count - 1)) % count;
        let private = &self.private_parts[self.draw.below(self.private_parts.len())];
        let amount = 1 + self.draw.below(1_000) as u64;
        let payer_place = u32::try_from(payer).unwrap_or_else(|_| unreachable!("connections are bounded"));
        let (place, flight) = self.shared.flights.begin(&mut self.draw, intended_ns, payer_place);
        let order = CreditTransfer {
            payment_id: flight.id,
            payer: *self.connections[payer].code.bytes(),
            payee: *self.connections[payee].code.bytes(),
            amount,
            currency: *b"XTS",
            accepted_at_ns: intended_ns,
            purpose: [0; 4],
        };
        self.connections[payer].submit_order(&order, private, place, flight);
        self.shared.tally.offered += 1;
        self.shared.tally.sent.record(now_ns - intended_ns);
        true
    }

    /// A payer by lot; where it has no room, the next that has.
    fn draw_payer(&mut self, now_ns: u64) -> Option<usize> {
        let count = self.connections.len();
        let first = self.draw.below(count);
        let waits = matches!(self.load, Load::Closed { .. });
        (first..first + count).map(|place| place % count).find(|&place| {
            let connection = &self.connections[place];
            // On a schedule nobody waits because the switch says so: customers do not.
            connection.has_room() && !(waits && connection.busy_until_ns > now_ns)
        })
    }

    /// What is due from time to time.
    fn look_after(&mut self, now_ns: u64) {
        let mut connecting = self.connections.iter().filter(|connection| connection.is_connecting()).count();
        for connection in &mut self.connections {
            if connecting < CONNECTING_MAX && connection.attempt_at_ns() <= now_ns {
                connection.begin_connecting(self.shared.address, now_ns);
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
            let elapsed_ns = now_ns.saturating_sub(self.start_ns);
            self.progress.show(elapsed_ns, &self.shared.tally, self.shared.flights.open());
        }
    }
}

/// One provider for each certificate.
fn providers(options: &Options) -> Result<Vec<Connection>, SetUpError> {
    let pki = &options.pki;
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
    let connections = (0..).zip(codes).map(|(place, code)| {
        let certificate = pki.join(format!("{code}.pem"));
        let tls = tls::client_config(&pki.join("ca.pem"), &certificate, &certificate.with_extension("key"))
            .map_err(SetUpError::new)?;
        Ok(Connection::new(code, place, tls))
    });
    connections.collect()
}
