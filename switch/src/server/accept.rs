//! The thread that takes connections: TLS handshakes, who the certificate names, and the key that seals what will come. Whoever is refused here
//! leaves one line in the log and no other trace.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters::limits::HANDSHAKE_TIMEOUT_MS;
use adapters::message::ParticipantCode;
use adapters::native::link::UnregisteredLink;
use adapters::native::tls::{TlsFileError, crypto_provider, read_certificates, read_key, read_roots};
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::{HotLoopQueue, Message, ServerError};
use crate::clock::JournalClock;
use crate::config::Config;
use crate::pki::peer_certificate;
use crate::seal::{Day, KeyRing, SealFault, day_of};
use crate::session::PeerCertificate;

/// How often the day is looked at.
const DAY_CHECK: Duration = Duration::from_secs(10);

/// Participants whose keys the hot loop wants.
pub(super) type KeysWanted = tokio::sync::mpsc::Receiver<ParticipantCode>;

/// Why nobody can connect.
#[derive(Debug)]
pub enum AcceptError {
    /// A certificate or key file.
    Files(TlsFileError),
    /// What the files hold does not make a server.
    Tls(String),
    /// The address, and which setting says it.
    Listen(SocketAddr, &'static str, std::io::Error),
}

impl std::fmt::Display for AcceptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AcceptError::Files(error) => error.fmt(f),
            AcceptError::Tls(problem) => write!(f, "tls: {problem}; check the files of section [tls] in switch.toml"),
            AcceptError::Listen(address, setting, error) => {
                write!(f, "cannot listen on {address}: {error}; choose another {setting} in switch.toml")
            }
        }
    }
}

impl std::error::Error for AcceptError {}

/// TLS 1.3 only, with client certificates of the scheme's authority. No resumption: a resumed session would skip revocation. Above it one of these protocols is spoken, by
/// their names in ALPN.
pub(super) fn server_config(config: &Config, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, AcceptError> {
    let roots = read_roots(&config.path(&config.tls.ca)).map_err(AcceptError::Files)?;
    let chain = read_certificates(&config.path(&config.tls.certificate)).map_err(AcceptError::Files)?;
    let key = read_key(&config.path(&config.tls.key)).map_err(AcceptError::Files)?;
    let provider = crypto_provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| AcceptError::Tls(error.to_string()))?;
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(chain, key))
        .map_err(|error| AcceptError::Tls(error.to_string()))?;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(tls))
}

/// A bound listener with its certificates.
pub(super) struct Acceptor {
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    handshakes_max: usize,
    door: Arc<Door>,
}

/// Takes an address that a setting says.
pub(super) fn listen(
    wanted: SocketAddr,
    setting: &'static str,
) -> Result<(std::net::TcpListener, SocketAddr), AcceptError> {
    let listen = || {
        // Tokio's bind would need a runtime here; the standard one also lets an address be taken again at once after a restart.
        let listener = std::net::TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|error| AcceptError::Listen(wanted, setting, error))
}

/// What every handshake shares.
pub(super) struct Door {
    ring: Arc<Mutex<KeyRing>>,
    clock: JournalClock,
    /// Whoever connected in this run: they get a new key when the day changes.
    known: Mutex<BTreeSet<ParticipantCode>>,
}

impl Acceptor {
    /// Reads the certificates and takes the address.
    pub(super) fn bind(config: &Config, door: Arc<Door>, handshakes_max: usize) -> Result<Acceptor, AcceptError> {
        let tls = TlsAcceptor::from(server_config(config, &[])?);
        let (listener, address) = listen(config.listen.native, "listen.native")?;
        Ok(Acceptor { listener, address, tls, handshakes_max, door })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections until told to stop.
    pub(super) fn run(self, queue: &HotLoopQueue, keys_wanted: KeysWanted, stop: watch::Receiver<bool>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime.and_then(|runtime| runtime.block_on(self.accept(queue, keys_wanted, stop)));
        if let Err(error) = ended {
            queue.send(Message::Failed(ServerError::System(error)));
        }
    }

    async fn accept(
        self,
        queue: &HotLoopQueue,
        mut keys_wanted: KeysWanted,
        mut stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let handshakes = Arc::new(Semaphore::new(self.handshakes_max));
        let mut day_check = tokio::time::interval(DAY_CHECK);
        let mut day = day_of(self.door.clock.now_ns());
        loop {
            let (socket, peer) = tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return Ok(()),
                _ = day_check.tick() => {
                    self.door.check_clock();
                    self.door.check_day(&mut day, queue);
                    continue;
                }
                Some(code) = keys_wanted.recv() => {
                    self.door.send_key(code, queue);
                    continue;
                }
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file descriptors, most likely: waiting is all there is to do.
                        tracing::warn!(%error, "cannot take a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
                tracing::warn!(%peer, reason = "too many handshakes are under way", "connection refused");
                continue;
            };
            let (tls, door, queue) = (self.tls.clone(), Arc::clone(&self.door), queue.clone());
            tokio::spawn(async move {
                door.take(tls, socket, peer, &queue).await;
                drop(permit);
            });
        }
    }
}

impl Door {
    pub(super) fn new(ring: Arc<Mutex<KeyRing>>, clock: JournalClock) -> Arc<Door> {
        Arc::new(Door { ring, clock, known: Mutex::default() })
    }

    async fn take(&self, tls: TlsAcceptor, socket: TcpStream, peer: SocketAddr, queue: &HotLoopQueue) {
        match self.handshake(tls, socket).await {
            Ok((link, certificate)) => match self.key_of(certificate.holder) {
                Ok(key) => {
                    let arrived = Message::Arrived { link: Box::new(link), peer, certificate, key };
                    if queue.try_send(arrived).is_err() {
                        let (code, reason) = (certificate.holder, "too many connections wait");
                        tracing::warn!(%peer, participant = %code, reason, "connection refused");
                    }
                }
                Err(fault) => queue.send(Message::Failed(ServerError::Seal(fault))),
            },
            Err(reason) => tracing::warn!(%peer, reason, "connection refused"),
        }
    }

    async fn handshake(
        &self,
        tls: TlsAcceptor,
        socket: TcpStream,
    ) -> Result<(UnregisteredLink, PeerCertificate), String> {
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let timeout = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
        let stream = tokio::time::timeout(timeout, tls.accept(socket)).await;
        let stream = stream.map_err(|_| "no handshake in time".to_owned())?.map_err(|error| error.to_string())?;
        let (socket, connection) = stream.into_inner();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.and_then(peer_certificate);
        let certificate = certificate.ok_or("the certificate's common name is no participant code")?;
        // The socket leaves this thread's reactor for the hot loop's.
        let socket = socket.into_std().map_err(|error| error.to_string())?;
        Ok((UnregisteredLink::new(socket, rustls::Connection::Server(connection)), certificate))
    }

    /// The key that seals what comes from this participant.
    pub(super) fn key_of(&self, code: ParticipantCode) -> Result<crate::seal::DataKey, SealFault> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(code);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.data_key(code, day_of(self.clock.now_ns()))
    }

    /// The hot loop wants a key: somebody connects for this participant.
    fn send_key(&self, code: ParticipantCode, queue: &HotLoopQueue) {
        match self.key_of(code) {
            Ok(key) => queue.send(Message::Rekey { code, key }),
            Err(fault) => queue.send(Message::Failed(ServerError::Seal(fault))),
        }
    }

    /// A new day has new keys.
    fn check_day(&self, day: &mut Day, queue: &HotLoopQueue) {
        let today = day_of(self.clock.now_ns());
        if today == *day {
            return;
        }
        *day = today;
        let known: Vec<_> = self.known.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        for code in known {
            // A queue that is full misses a key change: the old key goes on, which is safe, until the provider connects anew.
            match self.key_of(code) {
                Ok(key) if queue.try_send(Message::Rekey { code, key: key.clone() }).is_ok() => {}
                Ok(_) => tracing::warn!(participant = %code, "the key of the day waits"),
                Err(fault) => queue.send(Message::Failed(ServerError::Seal(fault))),
            }
        }
    }

    fn check_clock(&self) {
        if let Some((distance_ns, is_ahead)) = self.clock.step() {
            let wall = if is_ahead { "ahead of" } else { "behind" };
            tracing::warn!(
                distance_ms = distance_ns / 1_000_000,
                "the wall clock is {wall} journal time; nothing expires by it; restart to follow a clock that was set forward"
            );
        }
    }
}
