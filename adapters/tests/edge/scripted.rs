//! A switch that does what a test says, over real TLS sockets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapters::check::{self, Request};
use adapters::message::{
    Ack, Cursors, Echo, Error, Forward, Lane, Lineage, MessageKind, Part, PaymentId, Status, Welcome,
};
use adapters::native::client::{Client, ClientOptions, Events, Incoming};
use adapters::native::frame::{Decoded, Frame, Head, decode};
use adapters::native::session::Resume;
use adapters::native::tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::sample::{self, code, framed};

pub(crate) const LINEAGE: Lineage = [7; 16];

/// No test waits longer for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it should have happened long ago")
}

/// Certificates for one scheme, in files.
pub(crate) struct Pki {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Pki {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Scheme CA");
        std::fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let pki = Pki { directory, issuer: Issuer::new(params, key) };
        pki.issue("switch.test");
        pki.issue("NORTHBANK");
        pki
    }

    /// Makes `<name>.pem` and `<name>.key`.
    fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_lowercase()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// A provider of this scheme that trusts the scheme whose authority is in `ca`.
    pub(crate) fn client(&self, ca: PathBuf) -> Arc<rustls::ClientConfig> {
        tls::client_config(&ca, &self.path("NORTHBANK.pem"), &self.path("NORTHBANK.key")).unwrap()
    }

    fn server(&self) -> Arc<rustls::ServerConfig> {
        let roots = Arc::new(tls::read_roots(&self.path("ca.pem")).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::crypto_provider()).build().unwrap();
        let config = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                tls::read_certificates(&self.path("switch.test.pem")).unwrap(),
                tls::read_key(&self.path("switch.test.key")).unwrap(),
            )
            .unwrap();
        Arc::new(config)
    }
}

/// A listening switch.
pub(crate) struct ScriptedSwitch {
    pub(crate) pki: Pki,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl ScriptedSwitch {
    pub(crate) async fn new() -> ScriptedSwitch {
        let pki = Pki::new();
        let acceptor = TlsAcceptor::from(pki.server());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        ScriptedSwitch { pki, listener, acceptor }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn options(&self) -> ClientOptions {
        let tls = self.pki.client(self.pki.path("ca.pem"));
        ClientOptions::new(self.address().to_string(), "switch.test".try_into().unwrap(), code("NORTHBANK"), tls)
    }

    pub(crate) fn client(&self) -> (Client, Events) {
        Client::start(self.options())
    }

    /// The next connection, if its handshake succeeds.
    pub(crate) async fn accept_maybe(&self) -> Option<Peer> {
        let (socket, _) = soon(self.listener.accept()).await.unwrap();
        let stream = soon(self.acceptor.accept(socket)).await.ok()?;
        Some(Peer { stream, received: Vec::new() })
    }

    /// The next connection and what its `Hello` says.
    pub(crate) async fn accept(&self) -> (Peer, Resume) {
        let (peer, resume, _) = self.accept_slot().await;
        (peer, resume)
    }

    /// As `accept`, with the slot that `Hello` names.
    pub(crate) async fn accept_slot(&self) -> (Peer, Resume, usize) {
        let (peer, resume, slot, _) = self.accept_hello().await;
        (peer, resume, slot)
    }

    /// As `accept_slot`, and whether it says that it is alone.
    pub(crate) async fn accept_hello(&self) -> (Peer, Resume, usize, bool) {
        let mut peer = self.accept_maybe().await.unwrap();
        let (resume, slot, is_alone) = peer
            .expect(|request| match request {
                Request::Hello { participant, lineage, seen, slot, is_alone } => {
                    assert_eq!(participant.as_str(), "NORTHBANK");
                    Some((Resume { lineage, seen }, slot, is_alone))
                }
                _ => None,
            })
            .await;
        (peer, resume, slot, is_alone)
    }

    /// The next connection, welcomed where its cursors say.
    pub(crate) async fn accept_and_welcome(&self) -> Peer {
        let (mut peer, resume) = self.accept().await;
        peer.welcome(resume.seen).await;
        peer
    }
}

/// One connection of a provider.
pub(crate) struct Peer {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Peer {
    pub(crate) async fn send<P: Part>(&mut self, kind: MessageKind, head: Head, routing: &P, private: &[u8]) {
        self.send_bytes(&framed(kind, head, routing, private)).await;
    }

    /// Says that the numbers go on after these.
    pub(crate) async fn welcome(&mut self, resumed_after: Cursors) {
        let welcome = Welcome { lineage: LINEAGE, resumed_after, ..sample::welcome() };
        self.send(MessageKind::Welcome, Head::PLAIN, &welcome, b"").await;
    }

    /// Returns once the provider has dealt with all that was sent to it here, which must not make it say what `is_wrong`.
    pub(crate) async fn fence(&mut self, is_wrong: impl Fn(&Request<'_>) -> bool) {
        self.send(MessageKind::Echo, Head::PLAIN, &Echo { token: 99, reply: 0 }, b"").await;
        self.expect(|request| {
            assert!(!is_wrong(&request), "this must not come");
            matches!(request, Request::Echo { token: 99, reply: true }).then_some(())
        })
        .await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    pub(crate) async fn send_forward(&mut self, number: u64) {
        self.send_forward_with(number, &sample::forward(number)).await;
    }

    pub(crate) async fn send_forward_with(&mut self, number: u64, forward: &Forward) {
        self.send_bytes(&numbered_forward(number, forward)).await;
    }

    pub(crate) async fn send_status(&mut self, number: u64, payment_id: PaymentId, outcome: u8) {
        let reason = if outcome == 1 { [0; 4] } else { *b"AC01" };
        let status = Status { payment_id: payment_id.bytes(), outcome, reason, field: 0, ..sample::status(1) };
        let head = Head { lane: Lane::Payments, number, ..Head::PLAIN };
        self.send(MessageKind::Status, head, &status, b"").await;
    }

    pub(crate) async fn send_error(&mut self, error: &Error, text: &str) {
        let note = adapters::message::Note { text: text.into(), extension: Vec::new() };
        self.send(MessageKind::Error, Head::PLAIN, error, &sample::written(&note)).await;
    }

    pub(crate) async fn acknowledge(&mut self, through: u64) {
        let head = Head { acknowledged: through, ..Head::PLAIN };
        self.send(MessageKind::Ack, head, &Ack { received: [0; 3] }, b"").await;
    }

    /// Waits for the next frame of which `pick` wants something; drops the others.
    pub(crate) async fn expect<T>(&mut self, mut pick: impl FnMut(Request<'_>) -> Option<T>) -> T {
        self.expect_frame(|_, request| pick(request)).await.expect("the provider closed the connection")
    }

    /// As `expect`, with the frame's header; none if the provider closes first.
    pub(crate) async fn expect_frame<T>(&mut self, mut pick: impl FnMut(Head, Request<'_>) -> Option<T>) -> Option<T> {
        loop {
            while let Decoded::Frame(frame, length) = decode(&self.received) {
                let picked = pick(frame.head, checked(&frame));
                self.received.drain(..length);
                if picked.is_some() {
                    return picked;
                }
            }
            if soon(self.stream.read_buf(&mut self.received)).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// The number and the id of the next payment order.
    pub(crate) async fn expect_transfer(&mut self) -> (u64, PaymentId) {
        self.expect_frame(|head, request| match request {
            Request::CreditTransfer(transfer) => {
                Some((head.number, PaymentId::from_bytes(transfer.routing().payment_id).unwrap()))
            }
            _ => None,
        })
        .await
        .unwrap()
    }

    /// Reads until the provider closes; true if it said goodbye as TLS wants it.
    pub(crate) async fn expect_close(mut self) -> bool {
        loop {
            match soon(self.stream.read_buf(&mut self.received)).await {
                Ok(0) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

fn checked<'a>(frame: &Frame<'a>) -> Request<'a> {
    check::request(frame).unwrap()
}

pub(crate) fn numbered_forward(number: u64, forward: &Forward) -> Vec<u8> {
    let head = Head { lane: Lane::Payments, number, ..Head::PLAIN };
    framed(MessageKind::Forward, head, forward, &sample::written(&sample::payment_private()))
}

/// Waits for the first event of which `pick` wants something; events after it in the same batch come back in `rest`.
pub(crate) async fn next_event<T>(
    events: &mut Events,
    rest: &mut Vec<Incoming>,
    mut pick: impl FnMut(&Incoming) -> Option<T>,
) -> T {
    loop {
        let mut batch = std::mem::take(rest);
        if batch.is_empty() {
            batch = soon(events.next()).await.expect("the client ended");
        }
        let mut left = batch.into_iter();
        let picked = left.by_ref().find_map(|incoming| pick(&incoming));
        rest.extend(left);
        if let Some(picked) = picked {
            return picked;
        }
    }
}
