//! ISO 20022 over HTTPS: messages in by `POST`, out by long poll. What the requests say stands in `docs/iso20022.md`.
//!
//! It owns requests and answers; who a connection's certificate names, and how a participant's messages reach the switch, is told to it. So the same service runs in the switch's own process
//! and beside a provider.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::document::Decoder;
use super::limits::{
    BODY_MS, DECIDE_MS, EXCESS_MS, HEAD_BYTES_MAX, HEAD_MS, MESSAGE_BYTES_MAX, READ_MAX, STREAMS_MAX, WAIT_MAX_S,
};
use super::mailbox::{Cursor, Fate, From, Kept, Mailbox, NoSession};
use super::profile::Profile;
use super::refusal::{Cause, Refusal};
use super::{Addressed, Encoder, Order, Orders, read_orders};
use crate::gathered::gather;
use crate::message::{ErrorCode, ParticipantCode};
use crate::native::client::{Refused, Route, SubmitError};

/// Where messages are sent and read.
pub const PATH: &str = "/iso20022/messages";

/// The header that says where the next request goes on.
pub const CURSOR_HEADER: &str = "clearspan-cursor";

/// Before each message of one answer. What stands in them is escaped: no message has a line that begins like this.
pub const DELIMITER: &str = "--clearspan-next-message";

/// What most messages have at most, with their part's head: room for that is made at once.
const USUAL_BYTES: usize = 1_792;

/// Whom a connection speaks for: what its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The participant.
    pub code: ParticipantCode,
    /// SHA-256 of the certificate.
    pub certificate: [u8; 32],
}

/// The way of a caller's messages to the switch.
pub type Routes = Arc<dyn Fn(&Caller) -> Route + Send + Sync>;

/// Messages of all participants that speak ISO 20022 here.
pub struct Service {
    profile: &'static Profile,
    /// The switch's name on messages.
    name: String,
    routes: Routes,
    mailboxes: Mutex<HashMap<ParticipantCode, Arc<Mailbox>>>,
    /// Tells this service's messages from those of other processes.
    instance: u32,
    /// Messages that only answered a request.
    answers: AtomicU64,
}

type Answer = Response<Full<Bytes>>;

thread_local! {
    /// One set of buffers for each thread that serves.
    static CODEC: RefCell<(Decoder, Encoder)> =
        RefCell::new((Decoder::new(Profile::clearspan()), Encoder::new(Profile::clearspan())));
}

impl Service {
    /// A service that speaks as this switch.
    pub fn new(name: impl Into<String>, routes: Routes) -> Arc<Service> {
        let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
        let [a, b, c, d, ..] = random.to_le_bytes();
        Arc::new(Service {
            profile: Profile::clearspan(),
            name: name.into(),
            routes,
            mailboxes: Mutex::default(),
            instance: u32::from_le_bytes([a, b, c, d]),
            answers: AtomicU64::new(0),
        })
    }

    /// Serves one connection, whose handshake is done, until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
        caller: Caller,
    ) -> Result<(), String> {
        let service = hyper::service::service_fn(move |request| {
            let service = Arc::clone(&self);
            // Boxed: HTTP/2 moves it several times on its way to a task of its own.
            Box::pin(async move { Ok::<_, std::convert::Infallible>(service.answer(request, caller).await) })
        });
        let mut connection = auto::Builder::new(TokioExecutor::new());
        let head = Duration::from_millis(HEAD_MS);
        connection
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(HEAD_BYTES_MAX)
            .pipeline_flush(true);
        connection
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS_MAX)
            .keep_alive_interval(Some(head));
        let (stream, release) = gather(stream);
        let mut serving = pin!(connection.serve_connection(TokioIo::new(stream), service));
        poll_fn(|cx| {
            let served = serving.as_mut().poll(cx).map_err(|error| error.to_string());
            // All answers that were ready leave together.
            match release.poll_release(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
                _ => served,
            }
        })
        .await
    }

    /// Ends the sessions of participants that have not asked for long enough: to be called once a second.
    pub fn rest(&self) {
        let mailboxes: Vec<_> = self.lock().values().cloned().collect();
        mailboxes.iter().for_each(|mailbox| mailbox.rest());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ParticipantCode, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailbox(&self, code: ParticipantCode) -> Arc<Mailbox> {
        let mut mailboxes = self.lock();
        Arc::clone(mailboxes.entry(code).or_insert_with(|| Arc::new(Mailbox::new(code, self.instance))))
    }

    async fn answer(&self, request: Request<Body>, caller: Caller) -> Answer {
        if request.uri().path() != PATH {
            let refusal = Refusal::whole(Cause::Envelope, format!("there is nothing here: messages are at {PATH}"));
            return self.refuse(StatusCode::NOT_FOUND, caller, &refusal);
        }
        match *request.method() {
            Method::POST => self.post(request, caller).await,
            Method::GET => self.get(request.uri().query().unwrap_or_default(), caller).await,
            _ => {
                let refusal = Refusal::whole(Cause::Envelope, "messages are sent by POST and read by GET");
                let mut answer = self.refuse(StatusCode::METHOD_NOT_ALLOWED, caller, &refusal);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
                answer
            }
        }
    }

    /// A message of the participant: 202 once the switch has decided all that it says.
    async fn post(&self, request: Request<Body>, caller: Caller) -> Answer {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/xml");
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !["application/xml", "text/xml"].iter().any(|xml| essence.eq_ignore_ascii_case(xml)) {
            let refusal = Refusal::whole(Cause::Encoding, "the body must be application/xml, in UTF-8");
            return self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, caller, &refusal);
        }
        let body = match body_of(request.into_body()).await {
            Ok(body) => body,
            Err((status, refusal)) => return self.refuse(status, caller, &refusal),
        };
        let read = CODEC.with_borrow_mut(|(decoder, _)| read_orders(decoder, &body, Some(caller.code)));
        match read {
            Ok(orders) => self.submit(orders, caller).await,
            Err(refusal) => self.refuse(status_of(refusal.cause), caller, &refusal),
        }
    }

    async fn submit(&self, orders: Orders, caller: Caller) -> Answer {
        let limit = Duration::from_millis(DECIDE_MS);
        let Ok(fates) = tokio::time::timeout(limit, self.fates_of(&orders.orders, caller)).await else {
            let refusal = Refusal { reference: orders.reference, ..lost() };
            return self.refuse(StatusCode::GATEWAY_TIMEOUT, caller, &refusal);
        };
        match fates.iter().all(Option::is_some).then(|| fates.iter().flatten().next()).flatten() {
            Some(refusal) => {
                let refusal = Refusal { reference: orders.reference.clone(), ..refusal.clone() };
                self.refuse(status_of(refusal.cause), caller, &refusal)
            }
            None => self.receipt(caller, &orders, &fates),
        }
    }

    /// Hands all orders of a message to the switch, in their order, and waits until each is decided: why it was refused, or none.
    async fn fates_of(&self, orders: &[Order], caller: Caller) -> Vec<Option<Refusal>> {
        let (mailbox, way) = (self.mailbox(caller.code), || (self.routes)(&caller));
        let mut submitted = Vec::with_capacity(orders.len());
        for order in orders {
            submitted.push(mailbox.submit(&way, caller.certificate, order).await);
        }
        let mut fates = Vec::with_capacity(orders.len());
        for submitted in submitted {
            fates.push(match submitted {
                Ok(Ok(submitted)) => match submitted.fate().await {
                    Fate::Taken => None,
                    Fate::Refused(refused) => Some(refusal_of(&refused)),
                    Fate::Lost => Some(lost()),
                },
                Ok(Err(SubmitError::Invalid(refusal))) => Some(invalid(refusal)),
                Ok(Err(SubmitError::Full | SubmitError::Closed)) => Some(lost()),
                Err(NoSession::Refused(why)) => Some(Refusal::whole(Cause::NotAllowed, why)),
                Err(NoSession::Away) => Some(away()),
                Err(NoSession::Full) => {
                    let text = "too many messages wait to be read: read them before sending more";
                    Some(Refusal::whole(Cause::Switch(ErrorCode::Busy), text))
                }
            });
        }
        fates
    }

    /// What waits for the participant.
    async fn get(&self, query: &str, caller: Caller) -> Answer {
        let (from, max, wait) = match parameters(query) {
            Ok(parameters) => parameters,
            Err(refusal) => return self.refuse(StatusCode::BAD_REQUEST, caller, &refusal),
        };
        let (mailbox, way) = (self.mailbox(caller.code), || (self.routes)(&caller));
        match mailbox.read(&way, caller.certificate, from, max, wait).await {
            Ok((messages, cursor)) => self.messages(caller, &messages, cursor),
            Err(NoSession::Refused(why)) => {
                self.refuse(StatusCode::FORBIDDEN, caller, &Refusal::whole(Cause::NotAllowed, why))
            }
            Err(NoSession::Full | NoSession::Away) => self.refuse(StatusCode::SERVICE_UNAVAILABLE, caller, &away()),
        }
    }

    /// Messages as the parts of one answer; none as no content. Either way with the cursor that the next request begins with.
    fn messages(&self, caller: Caller, messages: &[Arc<Kept>], cursor: Cursor) -> Answer {
        let mut body = String::with_capacity(messages.len() * USUAL_BYTES);
        for kept in messages {
            let start = body.len();
            let _ = write!(
                body,
                "{DELIMITER}\r\nContent-Type: application/xml; charset=utf-8\r\n{CURSOR_HEADER}: {}\r\n\r\n",
                kept.cursor
            );
            let addressed = self.addressed(&caller, &kept.message_id);
            let said = CODEC.with_borrow_mut(|(_, encoder)| encoder.write_told(&addressed, &kept.told, &mut body));
            match said {
                true => body.push_str("\r\n"),
                false => body.truncate(start),
            }
        }
        let mut answer = match body.is_empty() {
            true => answer(StatusCode::NO_CONTENT, String::new()),
            false => {
                let _ = write!(body, "{DELIMITER}--\r\n");
                let mut answer = answer(StatusCode::OK, body);
                let kind = HeaderValue::from_static("multipart/mixed; boundary=clearspan-next-message");
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer
            }
        };
        if let Ok(cursor) = HeaderValue::from_str(&cursor.to_string()) {
            answer.headers_mut().insert(CURSOR_HEADER, cursor);
        }
        answer
    }

    fn addressed<'a>(&'a self, caller: &'a Caller, message_id: &'a str) -> Addressed<'a> {
        let to = caller.code.as_str();
        Addressed { profile: self.profile, message_id, created_at_ns: now_ns(), from: &self.name, to }
    }

    /// Of a message that only answers a request.
    fn message_id(&self) -> String {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        format!("CA{:08x}{number:016x}", self.instance)
    }

    fn receipt(&self, caller: Caller, orders: &Orders, fates: &[Option<Refusal>]) -> Answer {
        let mut body = String::with_capacity(USUAL_BYTES);
        let id = self.message_id();
        let addressed = self.addressed(&caller, &id);
        CODEC.with_borrow_mut(|(_, encoder)| encoder.write_receipt(&addressed, orders, fates, &mut body));
        xml(StatusCode::ACCEPTED, body)
    }

    fn refuse(&self, status: StatusCode, caller: Caller, refusal: &Refusal) -> Answer {
        let mut body = String::new();
        let id = self.message_id();
        let addressed = self.addressed(&caller, &id);
        CODEC.with_borrow_mut(|(_, encoder)| encoder.write_refusal(&addressed, refusal, &mut body));
        let mut answer = xml(status, body);
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::GATEWAY_TIMEOUT
        ) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// A message whole, or why it is none.
async fn body_of(mut body: Body) -> Result<Bytes, (StatusCode, Refusal)> {
    let whole = Limited::new(&mut body, MESSAGE_BYTES_MAX).collect();
    match tokio::time::timeout(Duration::from_millis(BODY_MS), whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            throw_away(body).await;
            let text = format!("the message has more than {MESSAGE_BYTES_MAX} bytes: send fewer transactions");
            Err((StatusCode::PAYLOAD_TOO_LARGE, Refusal::whole(Cause::TooLarge, text)))
        }
        Ok(Err(error)) => {
            let text = format!("the body ended in the middle: {error}");
            Err((StatusCode::BAD_REQUEST, Refusal::whole(Cause::NotWellFormed, text)))
        }
        Err(_) => {
            let text = format!("the message did not arrive whole within {} s: send it again", BODY_MS / 1_000);
            Err((StatusCode::REQUEST_TIMEOUT, Refusal::whole(Cause::NotWellFormed, text)))
        }
    }
}

/// Takes what is left of a body, so that whoever sends it comes to read the answer.
async fn throw_away(mut body: Body) {
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    // Who sends for longer than that may miss the answer.
    let _ = tokio::time::timeout(Duration::from_millis(EXCESS_MS), all).await;
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn answer(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
}

fn xml(status: StatusCode, body: String) -> Answer {
    let mut answer = answer(status, body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
    answer
}

fn status_of(cause: Cause) -> StatusCode {
    match cause {
        Cause::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Cause::NotAllowed => StatusCode::FORBIDDEN,
        Cause::Switch(ErrorCode::RateLimited | ErrorCode::LookupLimited) => StatusCode::TOO_MANY_REQUESTS,
        Cause::Switch(ErrorCode::Busy | ErrorCode::ShuttingDown) => StatusCode::SERVICE_UNAVAILABLE,
        Cause::Switch(ErrorCode::NotAllowed) => StatusCode::FORBIDDEN,
        Cause::Switch(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The session ended, or the switch took too long.
fn lost() -> Refusal {
    let text = "the switch did not say in time what became of the message: send it again, which does no harm, or ask by pacs.028";
    Refusal::whole(Cause::Switch(ErrorCode::Busy), text)
}

/// There is no session now.
fn away() -> Refusal {
    Refusal::whole(Cause::Switch(ErrorCode::Busy), "the switch does not answer: ask again")
}

fn refusal_of(refused: &Refused) -> Refusal {
    let cause = refused.code.map_or(Cause::NotAllowed, Cause::Switch);
    let field = match refused.field {
        crate::message::Field::None => String::new(),
        field => format!(" (field {})", field.name()),
    };
    let text = if refused.text.is_empty() { cause.code().to_owned() } else { refused.text.clone() };
    Refusal::whole(cause, format!("{text}{field}"))
}

/// A message whose form is right in ISO 20022 and not in the canonical one.
fn invalid(refusal: crate::check::Refusal) -> Refusal {
    Refusal::whole(
        Cause::Switch(refusal.code),
        format!("the switch does not take this message: field {}", refusal.field.name()),
    )
}

/// `wait=SECONDS&max=COUNT&cursor=CURSOR`
fn parameters(query: &str) -> Result<(From, usize, Duration), Refusal> {
    let wrong = |text: String| Err(Refusal::whole(Cause::Value, text));
    let (mut from, mut max, mut wait_s) = (From::Last, READ_MAX, 0);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("wait", value)) => match value.parse() {
                Ok(seconds) if seconds <= WAIT_MAX_S => wait_s = seconds,
                _ => return wrong(format!("wait is a number of seconds up to {WAIT_MAX_S}")),
            },
            Some(("max", value)) => match value.parse() {
                Ok(count) if (1..=READ_MAX).contains(&count) => max = count,
                _ => return wrong(format!("max is a number of messages from 1 to {READ_MAX}")),
            },
            Some(("cursor", "end")) => from = From::End,
            Some(("cursor", value)) => match Cursor::parse(value) {
                Some(cursor) => from = From::Cursor(cursor),
                None => return wrong(format!("cursor is what the header {CURSOR_HEADER} of an answer said, or `end`")),
            },
            _ => return wrong("the parameters are wait, max and cursor".to_owned()),
        }
    }
    Ok((from, max, Duration::from_secs(wait_s)))
}
