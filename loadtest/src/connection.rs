//! One provider: a session over a TLS connection that is made again whenever it breaks.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::limits::{HANDSHAKE_TIMEOUT_MS, RETRY_FIRST_MS, RETRY_MAX_MS, STALL_MAX_MS};
use adapters::message::{Answer, ArchivedError, ArchivedForward, CreditTransfer, ErrorCode, MessageKind, Outcome};
use adapters::message::{NO_ID, ParticipantCode, PaymentId, StatusRequest};
use adapters::native::link::Link;
use adapters::native::session::{ClientSession, Event, Idle, Resume};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::agreement::{self, Party};
use crate::flights::{Flight, Flights, Id, Kin};
use crate::limits::{NS_PER_MS, RECEIVE_BYTES_PER_TURN, SEND_PENDING_BYTES_MAX, UNACKNOWLEDGED_ORDERS_MAX};
use crate::lookups::Aliases;
use crate::remembered::Remembered;
use crate::sequel::Errand;
use crate::tally::{Class, Disagreement, Ended, Tally};

mod errands;
mod lookups;

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
    /// For reading from sockets, and for what was read.
    pub(crate) scratch: Vec<u8>,
    pub(crate) plaintext: Vec<u8>,
}

/// One provider.
pub(crate) struct Connection {
    pub(crate) code: ParticipantCode,
    place: u32,
    tls: Arc<ClientConfig>,
    session: ClientSession,
    state: State,
    tickets: Tickets,
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
    sent_ns: u64,
    received_ns: u64,
    /// Since when the switch takes nothing, and how much waited then.
    blocked: Option<(u64, usize)>,
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

enum State {
    /// Until the next attempt.
    Waiting {
        until_ns: u64,
    },
    Connecting(JoinHandle<Result<Link, String>>),
    Linked(Box<Link>),
}

impl Connection {
    pub(crate) fn new(code: ParticipantCode, place: u32, tls: Arc<ClientConfig>, conduct: Conduct) -> Connection {
        Connection {
            code,
            place,
            tls,
            // What happened before this run is none of its business; what happens in it comes again after a cut.
            session: ClientSession::new(code, Resume::FROM_THE_END),
            state: State::Waiting { until_ns: 0 },
            tickets: Tickets::default(),
            answers: VecDeque::new(),
            errands: VecDeque::new(),
            conduct,
            floods: (0, 0),
            away_until_ns: 0,
            busy_until_ns: 0,
            welcomes: 0,
            attempts: 0,
            sent_ns: 0,
            received_ns: 0,
            blocked: None,
            why: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting(_)) || (matches!(self.state, State::Linked(_)) && !self.is_open())
    }

    /// Why the last connection ended, once.
    pub(crate) fn take_why(&mut self) -> Option<String> {
        self.why.take()
    }

    /// Would a payment order be taken?
    pub(crate) fn has_room(&self) -> bool {
        self.session.unacknowledged() < UNACKNOWLEDGED_ORDERS_MAX && self.session.has_room()
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
        now_ns < self.floods.0 || self.tickets.left < self.floods.1
    }

    /// Cuts the connection without a goodbye, and keeps the provider away until then.
    pub(crate) fn cut(&mut self, now_ns: u64, until_ns: u64) {
        if let State::Connecting(connecting) = &self.state {
            connecting.abort();
        }
        self.session.disconnected();
        self.attempts = 0;
        self.away_until_ns = until_ns;
        self.state = State::Waiting { until_ns: until_ns.max(now_ns) };
    }

    /// It is kept away no longer.
    pub(crate) fn come_back(&mut self, now_ns: u64) {
        if self.is_away(now_ns) {
            self.away_until_ns = now_ns;
            self.state = State::Waiting { until_ns: now_ns };
        }
    }

    /// When the next answer is to be given, or errand to be run; `u64::MAX` where none is put off.
    pub(crate) fn answer_at_ns(&self, now_ns: u64) -> u64 {
        let next_ns = [self.answers.front().map(|answer| answer.0), self.errands.front().map(|errand| errand.0)];
        // Whatever is due already waits for room, which only the socket brings.
        next_ns.into_iter().flatten().filter(|&at_ns| at_ns > now_ns).min().unwrap_or(u64::MAX)
    }

    /// Begins to connect, if it is time to.
    pub(crate) fn begin_connecting(&mut self, address: SocketAddr, now_ns: u64) {
        if let State::Waiting { until_ns } = self.state
            && until_ns <= now_ns
        {
            self.state = State::Connecting(tokio::spawn(connect(address, Arc::clone(&self.tls))));
        }
    }

    /// When the next attempt is due; `u64::MAX` where none is.
    pub(crate) fn attempt_at_ns(&self) -> u64 {
        if let State::Waiting { until_ns } = self.state { until_ns } else { u64::MAX }
    }

    /// Submits a payment order. The caller has seen that there is room.
    pub(crate) fn submit_order(&mut self, order: &CreditTransfer, private: &[u8], place: u32, flight: &mut Flight) {
        let submitted = self.session.submit(MessageKind::CreditTransfer, order, |out| out.extend_from_slice(private));
        let ticket = submitted.unwrap_or_else(|_| unreachable!("the caller has seen that there is room"));
        self.note_order(ticket, place, flight);
    }

    fn note_order(&mut self, ticket: u64, place: u32, flight: &mut Flight) {
        self.tickets.push(ticket, place);
        if flight.class == Class::Flood {
            self.floods.1 = ticket;
        }
        flight.ticket = ticket;
        flight.first_sent_on = self.welcomes + u32::from(!self.session.is_open());
    }

    /// Submits an order again that was submitted before; false where there is no room.
    pub(crate) fn repeat_order(&mut self, order: &CreditTransfer, private: &[u8]) -> bool {
        let submitted = self.session.submit(MessageKind::CreditTransfer, order, |out| out.extend_from_slice(private));
        submitted.map(|ticket| self.tickets.push(ticket, Tickets::NO_ORDER)).is_ok()
    }

    /// Asks what became of a payment; false where there is no room for the question.
    pub(crate) fn ask(&mut self, id: Id) -> bool {
        let request = StatusRequest { payment_id: id };
        let submitted = self.session.submit(MessageKind::StatusRequest, &request, |_| {});
        submitted.map(|ticket| self.tickets.push(ticket, Tickets::NO_ORDER)).is_ok()
    }

    /// Takes in what is there; true if anything happened.
    pub(crate) fn receive(&mut self, cx: &mut Context<'_>, shared: &mut Shared, now: impl Fn() -> u64) -> bool {
        match &mut self.state {
            State::Waiting { .. } => false,
            State::Connecting(connecting) => {
                let Poll::Ready(connected) = Pin::new(connecting).poll(cx) else { return false };
                match connected.unwrap_or_else(|error| Err(error.to_string())) {
                    Ok(link) => self.linked(link, now()),
                    Err(why) => self.lost(now(), why),
                }
                true
            }
            State::Linked(link) => {
                let mut is_busy = false;
                if link.pending_bytes() > 0 {
                    let before = link.pending_bytes();
                    is_busy |= link.poll_flush(cx).is_ready() || link.pending_bytes() != before;
                }
                shared.plaintext.clear();
                let received =
                    link.poll_receive(cx, &mut shared.scratch, &mut shared.plaintext, RECEIVE_BYTES_PER_TURN);
                let now_ns = now();
                // What came before an end or an error still counts.
                let heard = self.hear(shared, now_ns);
                match (heard, received) {
                    (Err(why), _) => self.lost(now_ns, why),
                    (Ok(()), Poll::Ready(Ok(0))) => self.lost(now_ns, "closed by the switch".into()),
                    (Ok(()), Poll::Ready(Err(error))) => self.lost(now_ns, error.to_string()),
                    (Ok(()), Poll::Ready(Ok(_))) => {}
                    (Ok(()), Poll::Pending) => return is_busy,
                }
                true
            }
        }
    }

    fn linked(&mut self, link: Link, now_ns: u64) {
        self.state = State::Linked(Box::new(link));
        (self.sent_ns, self.received_ns, self.blocked) = (now_ns, now_ns, None);
        self.session.connected();
    }

    /// The connection is gone. What the switch has not acknowledged is sent again on the next one.
    fn lost(&mut self, now_ns: u64, why: String) {
        self.session.disconnected();
        let retry_ms = RETRY_MAX_MS.min(RETRY_FIRST_MS << self.attempts.min(16));
        self.attempts += 1;
        self.state = State::Waiting { until_ns: now_ns + retry_ms * NS_PER_MS };
        self.why = Some(why);
    }

    /// Gives the session what was received.
    fn hear(&mut self, shared: &mut Shared, now_ns: u64) -> Result<(), String> {
        if shared.plaintext.is_empty() {
            return Ok(());
        }
        self.received_ns = now_ns;
        let mut hearing = Hearing {
            place: self.place,
            now_ns,
            is_in_time: now_ns < shared.offered_until_ns,
            has_asked: shared.has_asked,
            refused: shared.refused.as_mut(),
            codes: &shared.codes,
            parties: &shared.parties,
            conduct: self.conduct,
            flights: &mut shared.flights,
            tally: &mut shared.tally,
            tickets: &mut self.tickets,
            answers: &mut self.answers,
            errands: &mut self.errands,
            remembered: &mut shared.remembered,
            aliases: shared.aliases.as_deref_mut(),
            busy_until_ns: &mut self.busy_until_ns,
            welcomes: self.welcomes,
            is_welcomed: false,
            fatal: None,
        };
        let heard = self.session.receive(&shared.plaintext, &mut |event| hearing.take(event));
        if hearing.is_welcomed {
            self.attempts = 0;
            hearing.tally.reconnects += u64::from(self.welcomes > 0);
            self.welcomes += 1;
        }
        match hearing.fatal {
            Some(why) => Err(why),
            None => heard.map_err(|broken| broken.to_string()),
        }
    }

    /// Answers what waits, and writes everything with one TLS write. True if the connection is broken and must be asked.
    pub(crate) fn transmit(&mut self, cx: &mut Context<'_>, shared: &mut Shared, now_ns: u64) -> bool {
        self.answer(now_ns);
        self.run_errands(shared, now_ns);
        let State::Linked(link) = &mut self.state else { return false };
        let outgoing = self.session.outgoing();
        if outgoing.is_empty() || link.pending_bytes() >= SEND_PENDING_BYTES_MAX {
            return false;
        }
        let sent = link.send(outgoing);
        outgoing.clear();
        self.sent_ns = now_ns;
        // A broken connection is met again by the next receive, which also reads the switch's last words.
        sent.is_err() || matches!(link.poll_flush(cx), Poll::Ready(Err(_)))
    }

    /// Accepts every payment whose time has come, as far as there is room.
    fn answer(&mut self, now_ns: u64) {
        while let Some(&(at_ns, id)) = self.answers.front()
            && at_ns <= now_ns
        {
            let Some(payment_id) = PaymentId::from_bytes(id) else { unreachable!("the switch checks ids") };
            let Ok(ticket) = self.session.submit(MessageKind::Answer, &Answer::accept(payment_id), |_| {}) else {
                return;
            };
            self.tickets.push(ticket, Tickets::NO_ORDER);
            self.answers.pop_front();
        }
    }

    /// Acknowledges what was received, if nothing else has.
    pub(crate) fn acknowledge(&mut self) {
        if self.session.outgoing().is_empty() {
            self.session.acknowledge_now();
        }
    }

    /// Looks after silence and stalls. To be called about once a second.
    pub(crate) fn check(&mut self, now_ns: u64) {
        let State::Linked(link) = &mut self.state else { return };
        let pending_bytes = link.pending_bytes();
        self.blocked = match self.blocked {
            _ if pending_bytes == 0 => None,
            Some((since_ns, before)) if before == pending_bytes => Some((since_ns, before)),
            _ => Some((now_ns, pending_bytes)),
        };
        if self.blocked.is_some_and(|(since_ns, _)| now_ns - since_ns >= STALL_MAX_MS * NS_PER_MS) {
            return self.lost(now_ns, "the switch takes nothing of what waits for it".into());
        }
        let idle = Idle {
            sent_ms: now_ns.saturating_sub(self.sent_ns) / NS_PER_MS,
            received_ms: now_ns.saturating_sub(self.received_ns) / NS_PER_MS,
        };
        if let Err(broken) = self.session.tick(idle) {
            self.lost(now_ns, broken.to_string());
        }
    }

    /// Says goodbye, so that the switch does not report a lost connection.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if let State::Linked(link) = &mut self.state {
            link.send_close_notify();
            let _ = link.poll_flush(cx);
        }
    }
}

async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Link, String> {
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let socket = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let stream = timeout(limit, TlsConnector::from(tls).connect(name, socket))
        .await
        .map_err(|_| "no TLS handshake in time".to_owned())?
        .map_err(|error| format!("the TLS handshake failed: {error}"))?;
    let (socket, tls) = stream.into_inner();
    Ok(Link::new(socket, rustls::Connection::Client(tls)))
}

/// What each submission was, in the order of the session's tickets, from the first that has not left.
#[derive(Default)]
struct Tickets {
    places: VecDeque<u32>,
    /// The last ticket that has left.
    left: u64,
}

impl Tickets {
    /// It was no payment order.
    const NO_ORDER: u32 = u32::MAX;

    /// It was an errand for the payment whose place is in the other bits.
    const ERRAND: u32 = 1 << 31;

    /// It was the look-up whose place is in the other bits.
    const LOOKUP: u32 = 1 << 30;

    /// It was something else than an order.
    const BESIDE: u32 = Tickets::ERRAND | Tickets::LOOKUP;

    fn push(&mut self, ticket: u64, flight: u32) {
        self.places.push_back(flight);
        debug_assert!(ticket == self.left + self.places.len() as u64);
    }

    /// The place of the payment that was ordered with this ticket.
    fn order(&self, ticket: u64) -> Option<u32> {
        let index = usize::try_from(ticket.checked_sub(self.left + 1)?).ok()?;
        self.places.get(index).copied().filter(|&place| place & Tickets::BESIDE == 0)
    }

    /// The place of the look-up that was sent with this ticket.
    fn lookup(&self, ticket: u64) -> Option<u32> {
        let index = usize::try_from(ticket.checked_sub(self.left + 1)?).ok()?;
        let place = self.places.get(index).copied()?;
        (place & Tickets::BESIDE == Tickets::LOOKUP).then_some(place & !Tickets::LOOKUP)
    }

    /// The place of the payment for which the errand with this ticket was run.
    fn errand(&self, ticket: u64) -> Option<u32> {
        let index = usize::try_from(ticket.checked_sub(self.left + 1)?).ok()?;
        let place = self.places.get(index).copied()?;
        (place & Tickets::ERRAND != 0 && place != Tickets::NO_ORDER).then_some(place & !Tickets::ERRAND)
    }

    /// Takes the next ticket up to `through`, with the place of its payment, or `NO_ORDER`.
    fn leave(&mut self, through: u64) -> Option<(u64, u32)> {
        if self.left >= through {
            return None;
        }
        self.left += 1;
        Some((self.left, self.places.pop_front().unwrap_or(Tickets::NO_ORDER)))
    }
}

/// Where the events of one receive go.
struct Hearing<'a> {
    place: u32,
    now_ns: u64,
    is_in_time: bool,
    has_asked: bool,
    refused: Option<&'a mut HashSet<Id>>,
    codes: &'a [ParticipantCode],
    parties: &'a [Party],
    conduct: Conduct,
    flights: &'a mut Flights,
    tally: &'a mut Tally,
    tickets: &'a mut Tickets,
    answers: &'a mut VecDeque<(u64, Id)>,
    errands: &'a mut VecDeque<(u64, (u32, Id), Errand)>,
    remembered: &'a mut Option<Remembered>,
    aliases: Option<&'a mut Aliases>,
    busy_until_ns: &'a mut u64,
    welcomes: u32,
    is_welcomed: bool,
    fatal: Option<String>,
}

impl Hearing<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Welcomed(welcomed) => {
                self.is_welcomed = true;
                self.lookups_sent_again(welcomed.resent);
            }
            Event::Forward { routing, private } => self.forward(routing, private),
            Event::Status { routing, numbered, .. } => {
                if let Some(outcome) = Outcome::from_number(routing.outcome) {
                    self.status(routing.payment_id, outcome, routing.reason, numbered);
                }
            }
            Event::Returned { routing, .. } => self.returned(routing),
            Event::CaseForward { routing, .. } => self.case_forward(routing),
            Event::CaseStatus { routing, numbered: true, .. } => self.case_status(routing),
            Event::Refused { error, ticket, .. } => self.refused(error, ticket),
            Event::Acknowledged { through } => self.acknowledged(through),
            Event::AliasFound { routing, private } => self.alias_found(routing, private),
            // What is not numbered answers a repetition; nothing of the others is asked for.
            Event::CaseStatus { .. } | Event::Echo { .. } | Event::Numbered(..) => {}
            Event::AliasResult { .. } | Event::DirectoryAnswer { .. } | Event::AccountReport { .. } => {}
        }
    }

    /// The payee provider has it.
    fn forward(&mut self, routing: &ArchivedForward, private: &[u8]) {
        let id = routing.payment_id;
        if !self.conduct.is_silent {
            self.answers.push_back((self.now_ns + self.conduct.answer_after_ns, id));
        }
        let Some(place) = self.flights.find(&id) else { return self.astray(id) };
        let flight = self.flights.at(place);
        if std::mem::replace(&mut flight.is_forwarded, true) {
            return self.tally.disagree(Disagreement::ForwardedTwice, id);
        }
        let Flight { payer, class, is_by_alias, .. } = *flight;
        let request = if flight.is_requested { self.flights.relative(place, Kin::Request) } else { NO_ID };
        let flight = self.flights.at(place);
        let is_as_ordered = flight.payee == self.place
            && routing.payee == *self.codes[self.place as usize].bytes()
            && routing.payer == *self.codes[payer as usize].bytes()
            && routing.amount.to_native() == flight.amount
            && routing.currency == CURRENCY
            && routing.lane == class.lane() as u8
            && routing.request_id == request;
        let latency_ns = self.now_ns.saturating_sub(flight.intended_ns);
        if !is_as_ordered {
            self.tally.disagree(Disagreement::ForwardedAltered, id);
        }
        if is_by_alias && !self.is_account_of_alias(&id, private) {
            self.tally.disagree(Disagreement::AccountMistaken, id);
        }
        let parties = [payer, self.place].map(|place| self.parties[place as usize]);
        let amount = routing.amount.to_native();
        self.tally.facts.forwarded.add(agreement::forwarded(&id, parties[0], parties[1], amount, routing.currency));
        self.tally.forward(class, self.place, latency_ns);
    }

    /// The payer or the payee provider learns what became of it.
    fn status(&mut self, id: Id, outcome: Outcome, reason: [u8; 4], numbered: bool) {
        let is_told = numbered && outcome.is_final();
        let Some(place) = self.flights.find(&id) else {
            if is_told {
                match self.flights.find_kin(&id).filter(|(_, kin)| kin.is_return()) {
                    Some((place, kin)) => self.return_status((place, kin, id), outcome),
                    None => self.astray(id),
                }
            } else {
                self.replied(id, outcome);
            }
            return;
        };
        if is_told {
            self.tally.facts.told.add(agreement::told(&id, self.parties[self.place as usize], outcome));
        }
        let Flight { payer, payee, .. } = *self.flights.at(place);
        if payer == self.place {
            self.status_at_payer(place, outcome, reason, numbered);
        } else if payee == self.place {
            self.status_at_payee(place, outcome, numbered);
        } else if outcome != Outcome::Unknown {
            self.tally.disagree(Disagreement::ToldStranger, id);
        }
        self.release(place);
    }

    /// What counts is the first word, whether it was numbered or answers a question or a repetition.
    fn status_at_payer(&mut self, place: u32, outcome: Outcome, reason: [u8; 4], numbered: bool) {
        let flight = self.flights.at(place);
        let id = flight.id;
        match (flight.outcome, outcome.is_final()) {
            (None, true) => {
                let latency_ns = self.now_ns.saturating_sub(flight.intended_ns);
                let Flight { payer, payee, amount, class, .. } = *flight;
                self.flights.end(place, outcome);
                let ended = Ended { payer, payee, amount, class, latency_ns, is_in_time: self.is_in_time };
                self.tally.end(ended, outcome, reason);
                self.begin_after_outcome(place, outcome);
            }
            (Some(first), true) if first != outcome => self.tally.disagree(Disagreement::ToldOtherwise, id),
            (None, false) if outcome == Outcome::Unknown && flight.refused_again.is_some() => {
                let code = flight.refused_again.unwrap_or_default();
                return self.forget_refused(place, code);
            }
            _ => {}
        }
        if !numbered {
            return self.replied(id, outcome);
        }
        if outcome.is_final() && self.flights.at(place).payer_told.replace(outcome).is_some() {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
    }

    fn status_at_payee(&mut self, place: u32, outcome: Outcome, numbered: bool) {
        if !outcome.is_final() {
            return;
        }
        let flight = self.flights.at(place);
        let id = flight.id;
        let told = if numbered { flight.payee_told.replace(outcome) } else { flight.payee_told };
        if numbered && told.is_some() {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
        if told.is_some_and(|told| told != outcome) {
            self.tally.disagree(Disagreement::ToldOtherwise, id);
        }
        if numbered && told.is_none() && outcome == Outcome::Committed {
            self.begin_return(place);
        }
    }

    /// Lets go of a payment of which everybody has heard, and looks whether they heard the same.
    fn release(&mut self, place: u32) {
        let flight = *self.flights.at(place);
        if !self.flights.release(place) {
            return;
        }
        if flight.payee_told.is_some_and(|told| Some(told) != flight.outcome) {
            self.tally.disagree(Disagreement::SidesDiffer, flight.id);
        }
        if flight.outcome == Some(Outcome::Committed) && !flight.is_forwarded {
            self.tally.disagree(Disagreement::Unasked, flight.id);
        }
        self.judge_cases(place, &flight);
    }

    /// Somebody hears of a payment that is none. Those of earlier runs and of others are not this run's business.
    fn astray(&mut self, id: Id) {
        if self.flights.run().made(&id) {
            self.tally.disagree(Disagreement::Astray, id);
        }
    }

    /// The answer to a question or to a repetition.
    fn replied(&mut self, id: Id, outcome: Outcome) {
        if !self.flights.run().made(&id) {
            return;
        }
        self.tally.repeated_answered += u64::from(!self.has_asked);
        if outcome == Outcome::Duplicate {
            self.tally.disagree(Disagreement::RepetitionMistaken, id);
        }
    }

    /// Refused before it was recorded: for the switch it never was.
    fn refused(&mut self, error: &ArchivedError, ticket: u64) {
        let code = error.code.to_native();
        let retry_ns = u64::from(error.retry_after_ms.to_native()) * NS_PER_MS;
        if let Some(place) = self.tickets.errand(ticket) {
            self.errand_refused(place, ticket, retry_ns);
        }
        let order = self.tickets.order(ticket).filter(|&place| self.flights.is_order(place, self.place, ticket));
        match order.map(|place| (place, *self.flights.at(place))) {
            // What was asked for is paid, however often that takes.
            Some((place, flight)) if flight.is_requested => {
                self.errand_refused(place, ticket, retry_ns);
                self.tally.refuse(code, None);
            }
            // Where it was sent twice, one may have been recorded and the other refused: the drain will ask.
            Some((place, flight)) if flight.first_sent_on != self.welcomes || flight.is_repeated => {
                self.flights.at(place).refused_again = Some(code);
            }
            Some((_, flight)) if flight.outcome.is_some() => self.tally.disagree(Disagreement::Astray, flight.id),
            Some((place, flight)) => {
                // Nothing of a flood is submitted again.
                if let Some(refused) = self.refused.as_mut().filter(|_| flight.class != Class::Flood) {
                    refused.insert(flight.id);
                }
                self.forget_refused(place, code);
            }
            None if self.lookup_refused((code, ticket), retry_ns) => return self.end_if_fatal(error),
            None => self.tally.refuse(code, None),
        }
        // An empty bucket holds up nothing but look-ups, and payments of one end user.
        if code != ErrorCode::LookupLimited as u16 {
            *self.busy_until_ns = (*self.busy_until_ns).max(self.now_ns + retry_ns);
        }
        self.end_if_fatal(error);
    }

    /// For the switch it never was.
    fn forget_refused(&mut self, place: u32, code: u16) {
        let Flight { id, class, is_by_alias, .. } = *self.flights.at(place);
        self.flights.forget(place);
        if is_by_alias {
            return self.alias_order_refused(id, code, class);
        }
        self.tally.refuse(code, Some(class));
    }

    fn end_if_fatal(&mut self, error: &ArchivedError) {
        let code = error.code.to_native();
        if error.fatal == 1 {
            let name = ErrorCode::from_number(code).map_or("an unknown error", ErrorCode::name);
            self.fatal = Some(format!("the switch closed the connection of {}: {name}", self.place + 1));
        }
    }

    /// The switch has them on disk.
    fn acknowledged(&mut self, through: u64) {
        while let Some((ticket, place)) = self.tickets.leave(through) {
            // The place may be another payment's by now, if this one was refused.
            if place & Tickets::BESIDE != 0 || !self.flights.is_order(place, self.place, ticket) {
                continue;
            }
            let Flight { intended_ns, class, .. } = *self.flights.at(place);
            self.flights.accept(place);
            self.tally.accept(class, self.place, self.now_ns.saturating_sub(intended_ns));
        }
    }
}
