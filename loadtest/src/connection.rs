//! One provider: what it orders, answers and hears, over a line that is made again whenever it breaks.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use adapters::limits::{RETRY_FIRST_MS, RETRY_MAX_MS};
use adapters::message::{Answer, CreditTransfer, ParticipantCode, PaymentId};

use crate::agreement::Party;
use crate::flights::{Flight, Flights, Id};
use crate::limits::NS_PER_MS;
use crate::lookups::Aliases;
use crate::remembered::Remembered;
use crate::sequel::Errand;
use crate::tally::{Class, Tally};

mod errands;
mod hearing;
pub(crate) mod iso;
mod line;
mod lookups;
mod native;
mod tls;

use hearing::Hearing;
pub(crate) use iso::IsoLine;
pub(crate) use line::{Buffers, Line};
use line::{Purpose, Said};
pub(crate) use native::NativeLine;

/// What all payments are in: the code for tests.
pub(crate) const CURRENCY: [u8; 3] = *b"XTS";

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) flights: Flights,
    pub(crate) tally: Tally,
    /// By place of the connection.
    pub(crate) codes: Vec<ParticipantCode>,
    /// The same, as parts of facts.
    pub(crate) parties: Vec<Party>,
    /// Orders that were refused and forgotten, where orders are submitted again: a copy of one of those would be a payment that nobody expects.
    pub(crate) refused: Option<HashSet<Id>>,
    /// Committed payments that are to be recalled together; none where nothing waits for that.
    pub(crate) remembered: Option<Remembered>,
    /// What is known of aliases; none where there are none.
    pub(crate) aliases: Option<Box<Aliases>>,
    /// What payments say in private.
    pub(crate) private_parts: Vec<Vec<u8>>,
    /// Statuses have been asked for, so not every unnumbered one answers a repetition.
    pub(crate) has_asked: bool,
    /// Until when payments are offered; `u64::MAX` before the run begins.
    pub(crate) offered_until_ns: u64,
    /// For reading.
    pub(crate) buffers: Buffers,
}

/// One provider.
pub(crate) struct Connection {
    pub(crate) code: ParticipantCode,
    place: u32,
    line: Box<dyn Line>,
    /// When the next attempt to connect is due; `u64::MAX` where none is.
    attempt_at_ns: u64,
    /// Payments of this provider's customers that wait for its answer, and when it gives it. Bounded by what the switch holds open.
    answers: VecDeque<(u64, Id)>,
    /// What else is to be sent, when, and for which payment. Bounded by the payments that are held: each has one errand at a time.
    errands: VecDeque<(u64, (u32, Id), Errand)>,
    conduct: Conduct,
    /// It floods until then, and until everything up to this ticket is dealt with.
    floods: (u64, u64),
    /// It is kept away until then.
    away_until_ns: u64,
    /// The switch is busy: offer it nothing before this.
    pub(crate) busy_until_ns: u64,
    /// How often it was welcomed.
    welcomes: u32,
    attempts: u32,
    /// Why the last connection ended, or could not be made.
    why: Option<String>,
}

/// How a provider deals with payments to its customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conduct {
    /// It thinks for so long before it accepts.
    pub(crate) answer_after_ns: u64,
    /// It never answers.
    pub(crate) is_silent: bool,
}

impl Connection {
    pub(crate) fn new(code: ParticipantCode, place: u32, line: Box<dyn Line>, conduct: Conduct) -> Connection {
        Connection {
            code,
            place,
            line,
            attempt_at_ns: 0,
            answers: VecDeque::new(),
            errands: VecDeque::new(),
            conduct,
            floods: (0, 0),
            away_until_ns: 0,
            busy_until_ns: 0,
            welcomes: 0,
            attempts: 0,
            why: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.line.is_open()
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.line.is_connecting()
    }

    /// Why the last connection ended, once.
    pub(crate) fn take_why(&mut self) -> Option<String> {
        self.why.take()
    }

    /// Would a payment order be taken?
    pub(crate) fn has_room(&self) -> bool {
        self.line.has_room()
    }

    /// Is it kept away?
    pub(crate) fn is_away(&self, now_ns: u64) -> bool {
        now_ns < self.away_until_ns
    }

    /// What is submitted from now until then is its flood.
    pub(crate) fn flood(&mut self, until_ns: u64) {
        self.floods.0 = until_ns;
    }

    /// Does it flood, or is something of its flood still before whatever else it sends?
    pub(crate) fn is_flooding(&self, now_ns: u64) -> bool {
        now_ns < self.floods.0 || !self.line.is_settled(self.floods.1)
    }

    /// Cuts the connection without a goodbye, and keeps the provider away until then.
    pub(crate) fn cut(&mut self, now_ns: u64, until_ns: u64) {
        self.line.cut();
        self.attempts = 0;
        self.away_until_ns = until_ns;
        self.attempt_at_ns = until_ns.max(now_ns);
    }

    /// It is kept away no longer.
    pub(crate) fn come_back(&mut self, now_ns: u64) {
        if self.is_away(now_ns) {
            self.away_until_ns = now_ns;
            self.attempt_at_ns = now_ns;
        }
    }

    /// When the next answer is to be given, errand to be run, or message to be sent again; `u64::MAX` where none is put off.
    pub(crate) fn answer_at_ns(&self, now_ns: u64) -> u64 {
        let next_ns = [self.answers.front().map(|answer| answer.0), self.errands.front().map(|errand| errand.0)];
        // Whatever is due already waits for room, which only the socket brings.
        let next_ns = next_ns.into_iter().flatten().filter(|&at_ns| at_ns > now_ns).min().unwrap_or(u64::MAX);
        next_ns.min(self.line.wake_at_ns())
    }

    /// Begins to connect, if it is time to.
    pub(crate) fn begin_connecting(&mut self, address: SocketAddr, now_ns: u64) {
        if self.attempt_at_ns <= now_ns {
            self.attempt_at_ns = u64::MAX;
            self.line.begin_connecting(address);
        }
    }

    /// When the next attempt is due; `u64::MAX` where none is.
    pub(crate) fn attempt_at_ns(&self) -> u64 {
        self.attempt_at_ns
    }

    /// Submits a payment order. The caller has seen that there is room.
    pub(crate) fn submit_order(&mut self, order: &CreditTransfer, private: &[u8], place: u32, flight: &mut Flight) {
        self.say_order(&Said::Order(order, private), place, flight);
    }

    fn say_order(&mut self, said: &Said<'_>, place: u32, flight: &mut Flight) {
        let said = self.line.say(said, Purpose::Order(place));
        let ticket = said.unwrap_or_else(|| unreachable!("the caller has seen that there is room"));
        if flight.class == Class::Flood {
            self.floods.1 = ticket;
        }
        flight.ticket = ticket;
        flight.first_sent_on = self.welcomes + u32::from(!self.is_open());
    }

    /// Submits an order again that was submitted before; false where there is no room.
    pub(crate) fn repeat_order(&mut self, order: &CreditTransfer, private: &[u8]) -> bool {
        self.line.say(&Said::Order(order, private), Purpose::Beside).is_some()
    }

    /// Asks what became of a payment; false where there is no room for the question.
    pub(crate) fn ask(&mut self, id: Id) -> bool {
        self.line.say(&Said::StatusRequest(id), Purpose::Beside).is_some()
    }

    /// Takes in what is there; true if anything happened.
    pub(crate) fn receive(&mut self, cx: &mut Context<'_>, shared: &mut Shared, now: impl Fn() -> u64) -> bool {
        let mut hearing = Hearing {
            place: self.place,
            now_ns: 0,
            offered_until_ns: shared.offered_until_ns,
            has_asked: shared.has_asked,
            refused: shared.refused.as_mut(),
            codes: &shared.codes,
            parties: &shared.parties,
            conduct: self.conduct,
            flights: &mut shared.flights,
            tally: &mut shared.tally,
            answers: &mut self.answers,
            errands: &mut self.errands,
            remembered: &mut shared.remembered,
            aliases: shared.aliases.as_deref_mut(),
            busy_until_ns: &mut self.busy_until_ns,
            welcomes: self.welcomes,
            is_welcomed: false,
            fatal: None,
        };
        let received = self.line.receive(cx, &mut shared.buffers, &mut hearing, &now);
        if hearing.is_welcomed {
            self.attempts = 0;
            hearing.tally.reconnects += u64::from(self.welcomes > 0);
            self.welcomes += 1;
        }
        if let Poll::Ready(Err(why)) = received {
            self.lost(now(), why);
            return true;
        }
        received.is_ready()
    }

    /// The connection is gone. What the switch has not acknowledged is sent again on the next one.
    fn lost(&mut self, now_ns: u64, why: String) {
        self.line.cut();
        let retry_ms = RETRY_MAX_MS.min(RETRY_FIRST_MS << self.attempts.min(16));
        self.attempts += 1;
        self.attempt_at_ns = now_ns + retry_ms * NS_PER_MS;
        self.why = Some(why);
    }

    /// Answers what waits, and sends everything. True if the connection is broken and must be asked.
    pub(crate) fn transmit(&mut self, cx: &mut Context<'_>, shared: &mut Shared, now_ns: u64) -> bool {
        self.answer(now_ns);
        self.run_errands(shared, now_ns);
        self.line.transmit(cx, now_ns)
    }

    /// Accepts every payment whose time has come, as far as there is room.
    fn answer(&mut self, now_ns: u64) {
        while let Some(&(at_ns, id)) = self.answers.front()
            && at_ns <= now_ns
        {
            let Some(payment_id) = PaymentId::from_bytes(id) else { unreachable!("the switch checks ids") };
            if self.line.say(&Said::Answer(&Answer::accept(payment_id)), Purpose::Beside).is_none() {
                return;
            }
            self.answers.pop_front();
        }
    }

    /// Acknowledges what was received, if nothing else has.
    pub(crate) fn acknowledge(&mut self) {
        self.line.acknowledge();
    }

    /// Looks after silence and stalls. To be called about once a second.
    pub(crate) fn check(&mut self, now_ns: u64) {
        if let Err(why) = self.line.check(now_ns) {
            self.lost(now_ns, why);
        }
    }

    /// Says goodbye, so that the switch does not report a lost connection.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        self.line.close(cx);
    }
}
