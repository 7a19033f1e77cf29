//! One of a client's connections, from one attempt to make it to the next: where to, since when, and how far it has come.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::limits::{
    HANDSHAKE_TIMEOUT_MS, RECEIVE_BYTES_MAX, RETRY_FIRST_MS, RETRY_MAX_MS, RETRY_SLOW_MS, STALL_MAX_MS, STEADY_AFTER_MS,
};
use crate::native::client::{ClientOptions, DisconnectReason, Route};
use crate::native::link::Link;
use crate::native::session::Idle;

/// A connection that is being made.
type Connecting = Pin<Box<dyn Future<Output = Result<Link, DisconnectReason>> + Send>>;

/// How far a connection has come.
pub(super) enum State {
    /// Until the next attempt.
    Paused(Pin<Box<Sleep>>),
    /// An attempt is to be made.
    Due,
    /// Socket and TLS handshake.
    Connecting(Connecting),
    /// The handshake is done; `Hello` is still to be said.
    Ready(Box<Link>),
    /// `Hello` was said.
    Up(Box<Up>),
}

/// A connection on which both sides talk.
pub(super) struct Up {
    pub(super) link: Link,
    pub(super) timers: Timers,
    /// Something came of which the switch was not told yet on this connection.
    pub(super) owes_acknowledgement: bool,
}

impl Up {
    pub(super) fn new(link: Link) -> Up {
        Up { link, timers: Timers::new(), owes_acknowledgement: false }
    }
}

/// One of a client's connections.
pub(super) struct Line {
    pub(super) slot: usize,
    pub(super) state: State,
    attempts: u32,
    began: Instant,
}

impl Line {
    pub(super) fn new(slot: usize) -> Line {
        Line { slot, state: State::Due, attempts: 0, began: Instant::now() }
    }

    /// Was `Hello` said?
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Begins an attempt, at the next address.
    pub(super) fn begin(&mut self, options: &ClientOptions) {
        self.began = Instant::now();
        self.state = State::Connecting(match &options.route {
            Route::Remote(remote) => {
                let addresses = remote.addresses_of(self.slot);
                let address = addresses[self.attempts as usize % addresses.len()].clone();
                let connector = TlsConnector::from(remote.tls.clone());
                Box::pin(connect(address, connector, remote.server_name.clone()))
            }
            Route::Within(within) => {
                let made = (within.0)().map(Link::within).map_err(DisconnectReason::Unreachable);
                Box::pin(std::future::ready(made))
            }
        });
    }

    /// An attempt is over, soon or late. Gives the pause before the next one.
    pub(super) fn pause(&mut self, options: &ClientOptions, why: &DisconnectReason) -> u64 {
        if self.began.elapsed() >= Duration::from_millis(STEADY_AFTER_MS) {
            self.attempts = 0;
        }
        let rounds = self.attempts as usize / options.addresses(self.slot);
        let retry_after_ms = retry_after_ms(rounds, why);
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Paused(Box::pin(sleep(Duration::from_millis(retry_after_ms))));
        retry_after_ms
    }

    /// Says goodbye, and waits for the switch to do so: a socket closed with unread bytes would take back what was sent last.
    pub(super) async fn close(&mut self, scratch: &mut [u8]) {
        let State::Up(up) = &mut self.state else { return };
        up.link.send_close_notify();
        let mut ignored = Vec::new();
        let _ = poll_fn(|cx| up.link.poll_flush(cx)).await;
        while let Ok(1..) = poll_fn(|cx| up.link.poll_receive(cx, scratch, &mut ignored, RECEIVE_BYTES_MAX)).await {
            ignored.clear();
        }
    }
}

/// Exponential, and never the same for two providers: after a cut they must not all come back in the same millisecond.
fn retry_after_ms(rounds: usize, why: &DisconnectReason) -> u64 {
    let doublings = u32::try_from(rounds).unwrap_or(u32::MAX).min(16);
    let longest = match why.needs_attention() {
        true => RETRY_SLOW_MS,
        false => RETRY_MAX_MS.min(RETRY_FIRST_MS << doublings),
    };
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    longest / 2 + random % (longest / 2 + 1)
}

async fn connect(
    address: String,
    connector: TlsConnector,
    server_name: ServerName<'static>,
) -> Result<Link, DisconnectReason> {
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let unreachable = |why: &dyn std::fmt::Display| DisconnectReason::Unreachable(format!("{address}: {why}"));
    let socket = timeout(limit, TcpStream::connect(&address))
        .await
        .map_err(|_| unreachable(&"no answer"))?
        .map_err(|error| unreachable(&error))?;
    socket.set_nodelay(true).map_err(|error| unreachable(&error))?;
    let stream = timeout(limit, connector.connect(server_name, socket))
        .await
        .map_err(|_| DisconnectReason::Handshake("no answer".into()))?
        .map_err(|error| handshake_failed(&error))?;
    let (socket, tls) = stream.into_inner();
    Ok(Link::new(socket, rustls::Connection::Client(tls)))
}

fn handshake_failed(error: &io::Error) -> DisconnectReason {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => DisconnectReason::SwitchNotTrusted(error.to_string()),
        Some(alert) if is_about_certificate(alert) => DisconnectReason::CertificateRefused(error.to_string()),
        _ => DisconnectReason::Handshake(error.to_string()),
    }
}

/// In TLS 1.3 the client's handshake is over before the switch has looked at its certificate: the refusal comes later.
pub(super) fn connection_failed(error: &io::Error) -> DisconnectReason {
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
pub(super) struct Timers {
    ticks: Interval,
    pub(super) sent_at: Instant,
    pub(super) received_at: Instant,
    /// Since when the same frame is half received.
    pub(super) in_frame_since: Option<Instant>,
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

    /// Is it time to look at them?
    pub(super) fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ticks.poll_tick(cx).map(|_| ())
    }

    pub(super) fn idle(&self, now: Instant) -> Idle {
        let ms = |since| u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX);
        Idle { sent_ms: ms(self.sent_at), received_ms: ms(self.received_at) }
    }

    pub(super) fn check_stalled(&mut self, link: &Link, now: Instant) -> Result<(), DisconnectReason> {
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
