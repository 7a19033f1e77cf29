//! The native protocol: a session over a TLS connection, frames and numbers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use adapters::limits::STALL_MAX_MS;
use adapters::message::{MessageKind, Outcome, Part, ParticipantCode, StatusRequest};
use adapters::native::link::Link;
use adapters::native::session::{ClientSession, Event, Idle, Resume};
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use super::hearing::{Forwarded, Hearing, Refused};
use super::line::{Buffers, Line, Lost, Purpose, Said};
use super::tls;
use crate::limits::{NS_PER_MS, RECEIVE_BYTES_PER_TURN, SEND_PENDING_BYTES_MAX, UNACKNOWLEDGED_ORDERS_MAX};

/// A session, and the connection that it has at the time.
pub(crate) struct NativeLine {
    tls: Arc<ClientConfig>,
    session: ClientSession,
    state: State,
    tickets: Tickets,
    sent_ns: u64,
    received_ns: u64,
    /// Since when the switch takes nothing, and how much waited then.
    blocked: Option<(u64, usize)>,
}

enum State {
    Idle,
    Connecting(JoinHandle<Result<Link, String>>),
    Linked(Box<Link>),
}

impl NativeLine {
    pub(crate) fn new(code: ParticipantCode, tls: Arc<ClientConfig>) -> NativeLine {
        NativeLine {
            tls,
            // What happened before this run is none of its business; what happens in it comes again after a cut.
            session: ClientSession::new(code, Resume::FROM_THE_END),
            state: State::Idle,
            tickets: Tickets::default(),
            sent_ns: 0,
            received_ns: 0,
            blocked: None,
        }
    }

    fn linked(&mut self, link: Link, now_ns: u64) {
        self.state = State::Linked(Box::new(link));
        (self.sent_ns, self.received_ns, self.blocked) = (now_ns, now_ns, None);
        self.session.connected();
    }

    /// Gives the session what was received.
    fn hear(&mut self, plaintext: &[u8], hearing: &mut Hearing<'_>) -> Result<(), Lost> {
        if plaintext.is_empty() {
            return Ok(());
        }
        self.received_ns = hearing.now_ns;
        let tickets = &mut self.tickets;
        let heard = self.session.receive(plaintext, &mut |event| tell(event, tickets, hearing));
        match hearing.fatal.take() {
            Some(why) => Err(why),
            None => heard.map_err(|broken| broken.to_string()),
        }
    }
}

impl Line for NativeLine {
    fn is_open(&self) -> bool {
        self.session.is_open()
    }

    fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting(_)) || (matches!(self.state, State::Linked(_)) && !self.is_open())
    }

    fn has_room(&self) -> bool {
        self.session.unacknowledged() < UNACKNOWLEDGED_ORDERS_MAX && self.session.has_room()
    }

    fn say(&mut self, said: &Said<'_>, purpose: Purpose) -> Option<u64> {
        let session = &mut self.session;
        let submitted = match said {
            Said::Order(order, private) => {
                session.submit(MessageKind::CreditTransfer, *order, |out| out.extend_from_slice(private))
            }
            Said::AliasOrder(order, private) => {
                session.submit(MessageKind::AliasTransfer, *order, |out| private.write(out))
            }
            Said::Answer(answer) => session.submit(MessageKind::Answer, *answer, |_| {}),
            Said::StatusRequest(id) => {
                session.submit(MessageKind::StatusRequest, &StatusRequest { payment_id: *id }, |_| {})
            }
            Said::Return(message) => session.submit(MessageKind::Return, *message, |_| {}),
            Said::CaseOpen(open) => session.submit(MessageKind::CaseOpen, *open, |_| {}),
            Said::CaseAnswer(answer) => session.submit(MessageKind::CaseAnswer, *answer, |_| {}),
            Said::AliasLookup(lookup, private) => {
                session.submit(MessageKind::AliasLookup, *lookup, |out| private.write(out))
            }
        };
        let ticket = submitted.ok()?;
        self.tickets.push(ticket, purpose);
        Some(ticket)
    }

    fn is_settled(&self, ticket: u64) -> bool {
        self.tickets.left >= ticket
    }

    fn begin_connecting(&mut self, address: SocketAddr) {
        let tls = Arc::clone(&self.tls);
        self.state = State::Connecting(tokio::spawn(async move {
            let (socket, tls) = tls::connect(address, tls).await?.into_inner();
            Ok(Link::new(socket, rustls::Connection::Client(tls)))
        }));
    }

    fn wake_at_ns(&self) -> u64 {
        u64::MAX
    }

    fn cut(&mut self) {
        if let State::Connecting(connecting) = &self.state {
            connecting.abort();
        }
        self.session.disconnected();
        self.state = State::Idle;
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        hearing: &mut Hearing<'_>,
        now: &dyn Fn() -> u64,
    ) -> Poll<Result<(), Lost>> {
        match &mut self.state {
            State::Idle => Poll::Pending,
            State::Connecting(connecting) => {
                let Poll::Ready(connected) = Pin::new(connecting).poll(cx) else { return Poll::Pending };
                self.linked(connected.unwrap_or_else(|error| Err(error.to_string()))?, now());
                Poll::Ready(Ok(()))
            }
            State::Linked(link) => {
                let mut is_busy = false;
                if link.pending_bytes() > 0 {
                    let before = link.pending_bytes();
                    is_busy |= link.poll_flush(cx).is_ready() || link.pending_bytes() != before;
                }
                let Buffers { scratch, plaintext } = buffers;
                plaintext.clear();
                let received = link.poll_receive(cx, scratch, plaintext, RECEIVE_BYTES_PER_TURN);
                hearing.now_ns = now();
                // What came before an end or an error still counts.
                self.hear(plaintext, hearing)?;
                match received {
                    Poll::Ready(Ok(0)) => Poll::Ready(Err("closed by the switch".into())),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
                    Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                    Poll::Pending if is_busy => Poll::Ready(Ok(())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>, now_ns: u64) -> bool {
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

    fn acknowledge(&mut self) {
        if self.session.outgoing().is_empty() {
            self.session.acknowledge_now();
        }
    }

    fn check(&mut self, now_ns: u64) -> Result<(), Lost> {
        let State::Linked(link) = &mut self.state else { return Ok(()) };
        let pending_bytes = link.pending_bytes();
        self.blocked = match self.blocked {
            _ if pending_bytes == 0 => None,
            Some((since_ns, before)) if before == pending_bytes => Some((since_ns, before)),
            _ => Some((now_ns, pending_bytes)),
        };
        if self.blocked.is_some_and(|(since_ns, _)| now_ns - since_ns >= STALL_MAX_MS * NS_PER_MS) {
            return Err("the switch takes nothing of what waits for it".into());
        }
        let idle = Idle {
            sent_ms: now_ns.saturating_sub(self.sent_ns) / NS_PER_MS,
            received_ms: now_ns.saturating_sub(self.received_ns) / NS_PER_MS,
        };
        self.session.tick(idle).map_err(|broken| broken.to_string())
    }

    fn close(&mut self, cx: &mut Context<'_>) {
        if let State::Linked(link) = &mut self.state {
            link.send_close_notify();
            let _ = link.poll_flush(cx);
        }
    }
}

/// An event of the session, as any line tells it.
fn tell(event: Event<'_>, tickets: &mut Tickets, hearing: &mut Hearing<'_>) {
    match event {
        Event::Welcomed(welcomed) => hearing.welcomed(welcomed.resent),
        Event::Forward { routing, private } => hearing.forward(&Forwarded {
            id: routing.payment_id,
            payer: &routing.payer,
            payee: &routing.payee,
            amount: routing.amount.to_native(),
            currency: routing.currency,
            lane: routing.lane,
            request_id: routing.request_id,
            private,
        }),
        Event::Status { routing, numbered, .. } => {
            if let Some(outcome) = Outcome::from_number(routing.outcome) {
                hearing.status(routing.payment_id, outcome, routing.reason, numbered);
            }
        }
        Event::Returned { routing, .. } => hearing.returned(routing),
        Event::CaseForward { routing, .. } => hearing.case_forward(routing),
        Event::CaseStatus { routing, numbered: true, .. } => hearing.case_status(routing),
        Event::Refused { error, ticket, .. } => hearing.refused(Refused {
            code: error.code.to_native(),
            ticket,
            purpose: tickets.purpose(ticket),
            retry_ns: u64::from(error.retry_after_ms.to_native()) * NS_PER_MS,
            is_fatal: error.fatal == 1,
        }),
        Event::Acknowledged { through } => {
            while let Some((ticket, purpose)) = tickets.leave(through) {
                hearing.acknowledged(ticket, purpose);
            }
        }
        Event::AliasFound { routing, private } => hearing.alias_found(routing, private),
        // What is not numbered answers a repetition; nothing of the others is asked for.
        Event::CaseStatus { .. } | Event::Echo { .. } | Event::Numbered(..) => {}
        Event::AliasResult { .. } | Event::DirectoryAnswer { .. } | Event::AccountReport { .. } => {}
    }
}

/// What each submission was, in the order of the session's tickets, from the first that has not left.
#[derive(Default)]
struct Tickets {
    places: VecDeque<u32>,
    /// The last ticket that has left.
    left: u64,
}

impl Tickets {
    /// It was for no place.
    const NOTHING: u32 = u32::MAX;

    /// It was an errand for the payment whose place is in the other bits.
    const ERRAND: u32 = 1 << 31;

    /// It was the look-up whose place is in the other bits.
    const LOOKUP: u32 = 1 << 30;

    fn push(&mut self, ticket: u64, purpose: Purpose) {
        self.places.push_back(match purpose {
            Purpose::Order(place) => place,
            Purpose::Errand(place) => place | Tickets::ERRAND,
            Purpose::Lookup(place) => place | Tickets::LOOKUP,
            Purpose::Beside => Tickets::NOTHING,
        });
        debug_assert!(ticket == self.left + self.places.len() as u64);
    }

    /// What was submitted with this ticket; nothing of one that has left.
    fn purpose(&self, ticket: u64) -> Purpose {
        let index = ticket.checked_sub(self.left + 1).and_then(|index| usize::try_from(index).ok());
        let place = index.and_then(|index| self.places.get(index)).copied();
        place.map_or(Purpose::Beside, Tickets::purpose_of)
    }

    fn purpose_of(place: u32) -> Purpose {
        match place {
            Tickets::NOTHING => Purpose::Beside,
            place if place & Tickets::ERRAND != 0 => Purpose::Errand(place & !Tickets::ERRAND),
            place if place & Tickets::LOOKUP != 0 => Purpose::Lookup(place & !Tickets::LOOKUP),
            place => Purpose::Order(place),
        }
    }

    /// Takes the next ticket up to `through`, with what it was for.
    fn leave(&mut self, through: u64) -> Option<(u64, Purpose)> {
        if self.left >= through {
            return None;
        }
        self.left += 1;
        Some((self.left, Tickets::purpose_of(self.places.pop_front().unwrap_or(Tickets::NOTHING))))
    }
}
