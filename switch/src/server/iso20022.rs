//! The threads that serve providers over HTTPS: they end their TLS and speak for them to the hot loop, over pipes in memory that the loop takes for connections like any other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adapters::iso20022::http::{Caller, Service};
use adapters::limits::HANDSHAKE_TIMEOUT_MS;
use adapters::native::client::{Route, Within};
use adapters::native::link::UnregisteredLink;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::{AcceptError, Door, listen, server_config};
use super::{HotLoopQueue, Message, ServerError};
use crate::config::Config;
use crate::limits::{HTTPS_THREADS_MAX, PIPE_BYTES};
use crate::pki::peer_certificate;
use crate::session::PeerCertificate;

/// How often participants that do not ask are looked for.
const REST_EVERY: Duration = Duration::from_secs(1);

/// What the two sides of a handshake may agree on.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A bound listener with its certificates.
pub(super) struct HttpsListener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    connections_max: usize,
    threads: usize,
    attendant: Attendant,
}

impl HttpsListener {
    /// Reads the certificates and takes the address; none where the configuration has none.
    pub(super) fn bind(
        config: &Config,
        door: &Arc<Door>,
        queue: &HotLoopQueue,
        connections_max: usize,
    ) -> Result<Option<HttpsListener>, AcceptError> {
        let Some(wanted) = config.listen.iso20022 else { return Ok(None) };
        let tls = server_config(config, &PROTOCOLS)?;
        let (listener, address) = listen(wanted, "listen.iso20022")?;
        let (door, queue) = (Arc::clone(door), queue.clone());
        let routes = move |caller: &Caller| {
            let (door, queue) = (Arc::clone(&door), queue.clone());
            let certificate = PeerCertificate { holder: caller.code, fingerprint: caller.certificate };
            Route::Within(Within(Arc::new(move || connect(&door, &queue, certificate))))
        };
        let service = Service::new(config.listen.name.clone(), Arc::new(routes));
        let attendant = Attendant { tls: TlsAcceptor::from(tls), service };
        Ok(Some(HttpsListener { listener, address, connections_max, threads: threads(), attendant }))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop: takes connections, and shares them with other threads of its own in turn.
    pub(super) fn run(self, queue: &HotLoopQueue, stop: watch::Receiver<bool>) {
        let ended = std::thread::scope(|scope| {
            let (desks, helpers): (Vec<_>, Vec<_>) = (1..self.threads).map(|_| unbounded_channel()).unzip();
            for arrivals in helpers {
                let (attendant, name) = (self.attendant.clone(), "iso20022".to_owned());
                std::thread::Builder::new().name(name).spawn_scoped(scope, || attendant.help(arrivals, queue))?;
            }
            runtime()?.block_on(self.accept(&desks, stop))
        });
        if let Err(error) = ended {
            queue.send(Message::Failed(ServerError::System(error)));
        }
    }

    async fn accept(self, desks: &[UnboundedSender<Arrival>], mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let connections = Arc::new(Semaphore::new(self.connections_max));
        let mut rest = tokio::time::interval(REST_EVERY);
        let mut turns = (0..=desks.len()).cycle();
        loop {
            let (socket, peer) = tokio::select! {
                _ = stop.wait_for(|&stop| stop) => return Ok(()),
                _ = rest.tick() => {
                    self.attendant.service.rest();
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
            let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                tracing::warn!(%peer, reason = "too many connections", "connection refused");
                continue;
            };
            match turns.next().and_then(|turn| desks.get(turn)) {
                // As many wait there as there are permits. Who is gone has said so, and the switch stops.
                Some(desk) => drop(desk.send(Arrival { socket: socket.into_std()?, peer, permit })),
                None => drop(tokio::spawn(self.attendant.clone().attend(socket, peer, permit))),
            }
        }
    }
}

/// A connection on its way to another thread.
struct Arrival {
    socket: std::net::TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// What every thread needs to serve a connection.
#[derive(Clone)]
struct Attendant {
    tls: TlsAcceptor,
    service: Arc<Service>,
}

impl Attendant {
    /// Serves what another thread has taken, until that ends.
    fn help(self, mut arrivals: UnboundedReceiver<Arrival>, queue: &HotLoopQueue) {
        let serve = async {
            while let Some(Arrival { socket, peer, permit }) = arrivals.recv().await {
                tokio::spawn(self.clone().attend(TcpStream::from_std(socket)?, peer, permit));
            }
            Ok(())
        };
        if let Err(error) = runtime().and_then(|runtime| runtime.block_on(serve)) {
            queue.send(Message::Failed(ServerError::System(error)));
        }
    }

    async fn attend(self, socket: TcpStream, peer: SocketAddr, _permit: OwnedSemaphorePermit) {
        match handshake(self.tls, socket).await {
            // A client that goes away in the middle is no event.
            Ok((stream, caller)) => drop(self.service.serve(stream, caller).await),
            Err(reason) => tracing::warn!(%peer, reason, "connection refused"),
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Reading and writing XML is most of what a payment costs by ISO 20022, and can be shared; the hot loop cannot.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, HTTPS_THREADS_MAX)
}

async fn handshake(tls: TlsAcceptor, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Caller), String> {
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream = tokio::time::timeout(Duration::from_millis(HANDSHAKE_TIMEOUT_MS), tls.accept(socket)).await;
    let stream = stream.map_err(|_| "no handshake in time".to_owned())?.map_err(|error| error.to_string())?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(peer_certificate);
    let PeerCertificate { holder, fingerprint } =
        certificate.ok_or("the certificate's common name is no participant code")?;
    Ok((stream, Caller { code: holder, certificate: fingerprint }))
}

/// A pipe whose other end the hot loop takes for a connection with this certificate.
fn connect(door: &Door, queue: &HotLoopQueue, certificate: PeerCertificate) -> Result<tokio::io::DuplexStream, String> {
    let key = match door.key_of(certificate.holder) {
        Ok(key) => key,
        Err(fault) => {
            let said = fault.to_string();
            queue.send(Message::Failed(ServerError::Seal(fault)));
            return Err(said);
        }
    };
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let peer = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let link = Box::new(UnregisteredLink::within(theirs));
    let arrived = Message::Arrived { link, peer, certificate, key };
    queue.try_send(arrived).map_err(|_| "too many connections wait".to_owned())?;
    Ok(ours)
}
