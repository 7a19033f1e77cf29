//! The task behind a `Client`: a `ClientSession` over a `Link`, again and again.
//!
//! One turn takes what the provider submitted, receives what is there, and writes all that has to go out with one TLS write.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use crate::limits::{
    COMMANDS_PER_TURN_MAX, HANDSHAKE_TIMEOUT_MS, RECEIVE_BYTES_MAX, RETRY_FIRST_MS, RETRY_MAX_MS, RETRY_SLOW_MS,
    SEND_PENDING_BYTES_MAX, SHUTDOWN_MS, STALL_MAX_MS, STEADY_AFTER_MS, TURNS_PER_WAKE_MAX,
};
use crate::message::{ArchivedError, ErrorCode, Field, MessageKind, Note, PaymentId};
use crate::native::client::{ClientOptions, Command, DisconnectReason, Disconnected, Incoming, Refused};
use crate::native::inbox::InboxWriter;
use crate::native::link::{Link, READ_BYTES};
use crate::native::owned::{case_forward, case_status, forward, part, returned, status};
use crate::native::session::{ClientSession, Event, Idle};

/// The task behind a `Client`.
pub(super) struct Driver {
    options: ClientOptions,
    session: ClientSession,
    commands: mpsc::Receiver<Command>,
    /// Commands taken from the channel for which the session has no room yet.
    taken: VecDeque<Command>,
    /// Where commands arrive before they go to `taken`; empty between turns.
    arrived: Vec<Command>,
    translator: Translator,
    inbox: InboxWriter,
    stop: watch::Receiver<bool>,
    scratch: Box<[u8]>,
    plaintext: Vec<u8>,
    attempts: u32,
}

impl Driver {
    pub(super) fn new(
        options: ClientOptions,
        session: ClientSession,
        commands: mpsc::Receiver<Command>,
        inbox: InboxWriter,
        stop: watch::Receiver<bool>,
    ) -> Driver {
        Driver {
            options,
            session,
            commands,
            taken: VecDeque::new(),
            arrived: Vec::new(),
            translator: Translator::default(),
            inbox,
            stop,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            plaintext: Vec::new(),
            attempts: 0,
        }
    }

    /// Connects again and again until it is told to stop. Gives the number of messages whose fate is not known.
    pub(super) async fn run(mut self) -> usize {
        loop {
            let began = Instant::now();
            let why = self.attempt().await;
            self.session.disconnected();
            if began.elapsed() >= Duration::from_millis(STEADY_AFTER_MS) {
                self.attempts = 0;
            }
            let retry_after_ms = (why != DisconnectReason::Shutdown).then(|| self.retry_after_ms(&why));
            self.translator.fresh.push(Incoming::Disconnected(Disconnected { why, retry_after_ms }));
            self.hand_over();
            let Some(retry_after_ms) = retry_after_ms else { return self.session.unacknowledged() + self.taken.len() };
            self.attempts = self.attempts.saturating_add(1);
            // A stop ends the pause; the next attempt sees it.
            let mut stop = self.stop.clone();
            let _ = timeout(Duration::from_millis(retry_after_ms), stopped(&mut stop)).await;
        }
    }

    /// One connection from its beginning to its end.
    async fn attempt(&mut self) -> DisconnectReason {
        let mut stop = self.stop.clone();
        let link = tokio::select! {
            biased;
            () = stopped(&mut stop) => Err(DisconnectReason::Shutdown),
            link = self.connect() => link,
        };
        let why = match link {
            Ok(link) => self.converse(link).await,
            Err(why) => why,
        };
        if why == DisconnectReason::Shutdown {
            // Without a connection nothing else would count what still waits.
            self.take_all_commands();
        }
        why
    }

    async fn connect(&self) -> Result<Link, DisconnectReason> {
        // The news of the last attempt must have been read: a provider that is not there gets no endless list of failures.
        poll_fn(|cx| self.inbox.poll_room(cx)).await;
        if self.inbox.is_abandoned() {
            return Err(DisconnectReason::Shutdown);
        }
        let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
        let address = &self.options.addresses[self.attempts as usize % self.options.addresses.len()];
        let unreachable = |why: &dyn std::fmt::Display| DisconnectReason::Unreachable(format!("{address}: {why}"));
        let socket = timeout(limit, TcpStream::connect(address))
            .await
            .map_err(|_| unreachable(&"no answer"))?
            .map_err(|error| unreachable(&error))?;
        socket.set_nodelay(true).map_err(|error| unreachable(&error))?;
        let connector = TlsConnector::from(self.options.tls.clone());
        let stream = timeout(limit, connector.connect(self.options.server_name.clone(), socket))
            .await
            .map_err(|_| DisconnectReason::Handshake("no answer".into()))?
            .map_err(|error| handshake_failed(&error))?;
        let (socket, tls) = stream.into_inner();
        Ok(Link::new(socket, rustls::Connection::Client(tls)))
    }

    /// Talks until the connection ends or the client is told to stop.
    async fn converse(&mut self, mut link: Link) -> DisconnectReason {
        let mut stop = self.stop.clone();
        let mut timers = Timers::new();
        self.session.connected();
        let why = tokio::select! {
            biased;
            () = stopped(&mut stop) => DisconnectReason::Shutdown,
            why = poll_fn(|cx| self.poll_turns(cx, &mut link, &mut timers)) => why,
        };
        if why == DisconnectReason::Shutdown {
            self.take_all_commands();
            let limit = Duration::from_millis(SHUTDOWN_MS);
            let _ = timeout(limit, poll_fn(|cx| self.poll_settled(cx, &mut link, &mut timers))).await;
            let _ = timeout(limit, close(&mut link, &mut self.scratch)).await;
        }
        why
    }

    /// Turns until nothing is left to do; ready when the connection is over.
    fn poll_turns(&mut self, cx: &mut Context<'_>, link: &mut Link, timers: &mut Timers) -> Poll<DisconnectReason> {
        for _ in 0..TURNS_PER_WAKE_MAX {
            let turned = self.turn(cx, link, timers);
            self.hand_over();
            match turned {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(why) => return Poll::Ready(why),
            }
        }
        // Others on this thread want to run as well.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Turns until the switch has acknowledged everything, or the connection is over.
    fn poll_settled(&mut self, cx: &mut Context<'_>, link: &mut Link, timers: &mut Timers) -> Poll<()> {
        let over = self.poll_turns(cx, link, timers).is_ready();
        let settled = self.session.unacknowledged() == 0 && self.taken.is_empty() && link.pending_bytes() == 0;
        if over || settled { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One turn. True if there may be more to do at once.
    fn turn(&mut self, cx: &mut Context<'_>, link: &mut Link, timers: &mut Timers) -> Result<bool, DisconnectReason> {
        let now = Instant::now();
        let mut worked = self.take_commands(cx);
        worked |= self.receive(cx, link, timers, now)?;
        if self.session.outgoing().is_empty() {
            self.session.acknowledge_now();
        }
        while timers.ticks.poll_tick(cx).is_ready() {
            timers.check_stalled(link, now)?;
            self.session.tick(timers.idle(now)).map_err(DisconnectReason::Broken)?;
        }
        let outgoing = self.session.outgoing();
        if !outgoing.is_empty() && link.pending_bytes() < SEND_PENDING_BYTES_MAX {
            link.send(outgoing).map_err(|error| DisconnectReason::Ended(error.to_string()))?;
            outgoing.clear();
            timers.sent_at = now;
        }
        match link.poll_flush(cx) {
            // A refused certificate shows as a failed write where the switch's word for it was not read yet: read it.
            Poll::Ready(Err(error)) => match self.receive(cx, link, timers, now) {
                Ok(_) => Err(connection_failed(&error)),
                Err(why) => Err(why),
            },
            Poll::Ready(Ok(())) | Poll::Pending => Ok(worked),
        }
    }

    /// Gives the session what the provider submitted, as far as there is room.
    fn take_commands(&mut self, cx: &mut Context<'_>) -> bool {
        if self.taken.is_empty() {
            let arrived = self.commands.poll_recv_many(cx, &mut self.arrived, COMMANDS_PER_TURN_MAX);
            // Closed is seen by `stopped` as well.
            if matches!(arrived, Poll::Pending | Poll::Ready(0)) {
                return false;
            }
            self.taken.extend(self.arrived.drain(..));
        }
        let before = self.taken.len();
        while let Some(command) = self.taken.front() {
            let (routing, private) = command.parts();
            if self.session.submit_raw(command.kind, routing, private).is_err() {
                break;
            }
            self.translator.submitted.push_back(Submitted {
                kind: command.kind,
                payment_id: command.payment_id,
                refused: false,
            });
            self.taken.pop_front();
        }
        self.taken.len() < before
    }

    /// Nothing new is taken after this.
    fn take_all_commands(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.taken.push_back(command);
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut Link,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<bool, DisconnectReason> {
        if self.inbox.poll_room(cx).is_pending() {
            // It is us who do not listen.
            timers.received_at = now;
            return Ok(false);
        }
        if self.inbox.is_abandoned() {
            return Err(DisconnectReason::Shutdown);
        }
        self.plaintext.clear();
        let received = link.poll_receive(cx, &mut self.scratch, &mut self.plaintext, RECEIVE_BYTES_MAX);
        // What came before an end or an error still counts.
        if !self.plaintext.is_empty() {
            timers.received_at = now;
            self.hear(timers, now)?;
        }
        match received {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(DisconnectReason::Ended("closed by the switch".into())),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) => Err(connection_failed(&error)),
        }
    }

    /// Gives the session what was received.
    fn hear(&mut self, timers: &mut Timers, now: Instant) -> Result<(), DisconnectReason> {
        let translator = &mut self.translator;
        let heard = self.session.receive(&self.plaintext, &mut |event| translator.translate(event));
        if self.session.partial_bytes() <= self.plaintext.len() {
            timers.in_frame_since = (self.session.partial_bytes() > 0).then_some(now);
        }
        // What the switch said last explains more than what followed from it.
        if let Some(why) = self.translator.fatal.take() {
            return Err(why);
        }
        heard.map_err(DisconnectReason::Broken)
    }

    fn hand_over(&mut self) {
        if !self.translator.fresh.is_empty() {
            self.inbox.push(&mut self.translator.fresh, self.session.resume());
        }
    }

    /// Exponential, and never the same for two providers: after a cut they must not all come back in the same millisecond.
    fn retry_after_ms(&self, why: &DisconnectReason) -> u64 {
        let rounds = self.attempts as usize / self.options.addresses.len();
        let doublings = u32::try_from(rounds).unwrap_or(u32::MAX).min(16);
        let longest = match why.needs_attention() {
            true => RETRY_SLOW_MS,
            false => RETRY_MAX_MS.min(RETRY_FIRST_MS << doublings),
        };
        let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
        longest / 2 + random % (longest / 2 + 1)
    }
}

/// Waits until the client is told to stop, or nobody is left who could tell it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says goodbye, and waits for the switch to do so: a socket closed with unread bytes would take back what was sent last.
async fn close(link: &mut Link, scratch: &mut [u8]) {
    link.send_close_notify();
    let mut ignored = Vec::new();
    let _ = poll_fn(|cx| link.poll_flush(cx)).await;
    while let Ok(1..) = poll_fn(|cx| link.poll_receive(cx, scratch, &mut ignored, RECEIVE_BYTES_MAX)).await {
        ignored.clear();
    }
}

fn handshake_failed(error: &io::Error) -> DisconnectReason {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => DisconnectReason::SwitchNotTrusted(error.to_string()),
        Some(alert) if is_about_certificate(alert) => DisconnectReason::CertificateRefused(error.to_string()),
        _ => DisconnectReason::Handshake(error.to_string()),
    }
}

/// In TLS 1.3 the client's handshake is over before the switch has looked at its certificate: the refusal comes later.
fn connection_failed(error: &io::Error) -> DisconnectReason {
    match tls_error(error) {
        Some(alert) if is_about_certificate(alert) => DisconnectReason::CertificateRefused(error.to_string()),
        _ => DisconnectReason::Ended(error.to_string()),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_about_certificate(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::AlertReceived(
            Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError
                | Alert::CertificateRequired
        )
    )
}

/// When something last happened on a connection.
struct Timers {
    ticks: Interval,
    sent_at: Instant,
    received_at: Instant,
    /// Since when the same frame is half received.
    in_frame_since: Option<Instant>,
    /// Since when the switch takes nothing, and how much waited then.
    blocked: Option<(Instant, usize)>,
}

impl Timers {
    fn new() -> Timers {
        let now = Instant::now();
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Timers { ticks, sent_at: now, received_at: now, in_frame_since: None, blocked: None }
    }

    fn idle(&self, now: Instant) -> Idle {
        let ms = |since| u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX);
        Idle { sent_ms: ms(self.sent_at), received_ms: ms(self.received_at) }
    }

    fn check_stalled(&mut self, link: &Link, now: Instant) -> Result<(), DisconnectReason> {
        let pending_bytes = link.pending_bytes();
        self.blocked = match self.blocked {
            _ if pending_bytes == 0 => None,
            Some((since, before)) if before == pending_bytes => Some((since, before)),
            _ => Some((now, pending_bytes)),
        };
        let limit = Duration::from_millis(STALL_MAX_MS);
        let stalled = |since: Instant| now.duration_since(since) >= limit;
        let blocked = self.blocked.is_some_and(|(since, _)| stalled(since));
        if blocked || self.in_frame_since.is_some_and(stalled) { Err(DisconnectReason::Stalled) } else { Ok(()) }
    }
}

/// A message that the session holds until it is acknowledged.
struct Submitted {
    kind: MessageKind,
    payment_id: Option<PaymentId>,
    refused: bool,
}

/// Turns the session's events, which borrow and speak of tickets, into the client's, which own and speak of payments.
#[derive(Default)]
struct Translator {
    fresh: Vec<Incoming>,
    /// In the order of tickets, from the first that has not left. As long as the session's own queue.
    submitted: VecDeque<Submitted>,
    /// The last ticket that has left.
    left: u64,
    /// Why the connection cannot go on.
    fatal: Option<DisconnectReason>,
}

impl Translator {
    fn translate(&mut self, event: Event<'_>) {
        match event {
            Event::Welcomed(welcomed) => self.fresh.push(Incoming::Connected(welcomed)),
            Event::Forward { routing, private } => self.came(MessageKind::Forward, forward(routing, private)),
            Event::Status { routing, private, numbered } => {
                self.came(MessageKind::Status, status(routing, private, numbered));
            }
            Event::Returned { routing, private } => self.came(MessageKind::Returned, returned(routing, private)),
            Event::CaseForward { routing, private } => {
                self.came(MessageKind::CaseForward, case_forward(routing, private));
            }
            Event::CaseStatus { routing, private, numbered } => {
                self.came(MessageKind::CaseStatus, case_status(routing, private, numbered));
            }
            Event::Refused { error, busy, ticket, private } => self.refused(error, busy, ticket, private),
            Event::Acknowledged { through } => self.acknowledged(through),
            Event::Echo { .. } => {}
        }
    }

    /// A message as the provider gets it; none where it has a field that cannot be.
    fn came(&mut self, kind: MessageKind, incoming: Option<Incoming>) {
        match incoming {
            Some(incoming) => self.fresh.push(incoming),
            None => self.fatal = Some(DisconnectReason::BadMessage(kind)),
        }
    }

    fn refused(&mut self, error: &ArchivedError, busy: bool, ticket: u64, private: &[u8]) {
        let code = ErrorCode::from_number(error.code.to_native());
        let text = part::<Note>(private).map_or(String::new(), |note| String::from_utf8_lossy(&note.text).into_owned());
        let index = ticket.checked_sub(self.left + 1).and_then(|index| usize::try_from(index).ok());
        let submitted = index.and_then(|index| self.submitted.get_mut(index));
        let kind = submitted.map(|submitted| {
            submitted.refused = true;
            submitted.kind
        });
        if error.fatal == 1 {
            self.fatal = Some(DisconnectReason::Refused { code, text: text.clone() });
            if kind.is_none() {
                return;
            }
        }
        self.fresh.push(Incoming::Refused(Box::new(Refused {
            busy,
            code,
            field: Field::from_number(error.field).unwrap_or(Field::None),
            retry_after_ms: error.retry_after_ms.to_native(),
            kind,
            payment_id: PaymentId::from_bytes(error.payment_id),
            text,
        })));
    }

    fn acknowledged(&mut self, through: u64) {
        while self.left < through {
            let submitted = self.submitted.pop_front();
            self.left += 1;
            if let Some(Submitted { kind, payment_id, refused: false }) = submitted {
                self.fresh.push(Incoming::Acknowledged { kind, payment_id });
            }
        }
    }
}
