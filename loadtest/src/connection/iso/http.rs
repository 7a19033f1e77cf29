//! One HTTP/2 connection to the switch, and the requests on it.
//!
//! Each request is a task of its own on the generator's thread; what was answered waits in the `Inbox` for the generator's next turn. What all of them write between two turns leaves with one
//! TLS write (`gathered`), as the frames of the native protocol do.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use adapters::gathered::gather;
use adapters::iso20022::http::{CURSOR_HEADER, PATH};
use bytes::Bytes;
use h2::client::SendRequest;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request};
use rustls::ClientConfig;
use tokio::task::AbortHandle;

use super::super::tls;

/// What one stream may bring before it is read: more than the largest answer to a long poll.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// What all streams may: more than the answers to all requests under way.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Why a connection ended that nobody broke.
const CLOSED: &str = "closed by the switch";

/// An answer of the switch.
pub(crate) struct Answered {
    /// The submission that it answers; none of a long poll.
    pub(crate) ticket: Option<u64>,
    pub(crate) status: u16,
    /// After so long the same may be asked again.
    pub(crate) retry_after_s: u64,
    /// Where the next long poll goes on.
    pub(crate) cursor: Option<String>,
    pub(crate) body: Bytes,
}

/// What has come since the last turn.
#[derive(Default)]
pub(crate) struct Inbox {
    came: Mutex<Came>,
}

#[derive(Default)]
struct Came {
    answers: Vec<Answered>,
    lost: Option<String>,
    waker: Option<Waker>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come; what comes from now on wakes `waker`. Gives why the connection was lost, if it was.
    pub(crate) fn take(&self, waker: &Waker, answers: &mut Vec<Answered>) -> Option<String> {
        let mut came = self.lock();
        if came.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            came.waker = Some(waker.clone());
        }
        std::mem::swap(&mut came.answers, answers);
        came.lost.take()
    }

    fn put(&self, came: Result<Answered, String>) {
        let mut inner = self.lock();
        match came {
            Ok(answered) => inner.answers.push(answered),
            Err(why) => inner.lost = inner.lost.take().or(Some(why)),
        }
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }
}

/// A connection. Dropped, it is cut.
pub(crate) struct Http {
    requests: SendRequest<Bytes>,
    driver: AbortHandle,
    authority: String,
    /// The head of each message that is sent.
    post: Request<()>,
    pub(crate) inbox: Arc<Inbox>,
}

impl Drop for Http {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Socket, TLS and the preface of HTTP/2.
pub(crate) async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Http, String> {
    let stream = tls::connect(address, tls).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err("HTTP/2 is not spoken there; give the address of listen.iso20022".to_owned());
    }
    let (stream, release) = gather(stream);
    let mut settings = h2::client::Builder::new();
    settings.initial_window_size(STREAM_WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let (requests, connection) = settings.handshake(stream).await.map_err(|error| error.to_string())?;
    let inbox = Arc::new(Inbox::default());
    let told = Arc::clone(&inbox);
    let driver = tokio::spawn(async move {
        let mut connection = pin!(connection);
        let ended = poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            match release.poll_release(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(error.to_string()),
                _ => ended.map(|ended| ended.map_or_else(|error| error.to_string(), |()| CLOSED.to_owned())),
            }
        });
        told.put(Err(ended.await));
    });
    let authority = address.to_string();
    let post = Request::builder().method(Method::POST).uri(format!("https://{authority}{PATH}"));
    let post = made(post.header(CONTENT_TYPE, "application/xml"));
    Ok(Http { requests, driver: driver.abort_handle(), authority, post, inbox })
}

impl Http {
    /// Sends a message.
    pub(crate) fn post(&self, ticket: u64, message: Bytes) {
        self.send(Some(ticket), self.post.clone(), message);
    }

    /// Asks for what waits after this cursor.
    pub(crate) fn read(&self, cursor: &str, wait_s: u64, max: usize) {
        let uri = format!("https://{}{PATH}?wait={wait_s}&max={max}&cursor={cursor}", self.authority);
        self.send(None, made(Request::builder().uri(uri)), Bytes::new());
    }

    fn send(&self, ticket: Option<u64>, request: Request<()>, body: Bytes) {
        let (requests, inbox) = (self.requests.clone(), Arc::clone(&self.inbox));
        tokio::spawn(async move {
            let answered = exchange(requests, request, body).await;
            inbox.put(answered.map(|answered| Answered { ticket, ..answered }).map_err(|error| error.to_string()));
        });
    }
}

fn made(request: http::request::Builder) -> Request<()> {
    request.body(()).unwrap_or_else(|error| unreachable!("requests are well formed: {error}"))
}

async fn exchange(requests: SendRequest<Bytes>, request: Request<()>, body: Bytes) -> Result<Answered, h2::Error> {
    let mut requests = requests.ready().await?;
    let (answer, mut sending) = requests.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        sending.send_data(body, true)?;
    }
    let (head, mut arriving) = answer.await?.into_parts();
    let mut parts = Vec::new();
    while let Some(part) = arriving.data().await {
        let part = part?;
        arriving.flow_control().release_capacity(part.len())?;
        parts.push(part);
    }
    Ok(Answered {
        ticket: None,
        status: head.status.as_u16(),
        retry_after_s: text(&head.headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).unwrap_or(1),
        cursor: text(&head.headers, CURSOR_HEADER).map(str::to_owned),
        body: joined(parts),
    })
}

/// Most bodies come in one piece.
fn joined(mut parts: Vec<Bytes>) -> Bytes {
    match parts.as_mut_slice() {
        [] => Bytes::new(),
        [only] => std::mem::take(only),
        parts => Bytes::from(parts.concat()),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
