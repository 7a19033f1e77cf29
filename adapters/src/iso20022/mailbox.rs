//! A participant's messages on their way between requests that come and go and its session with the switch, which stays.
//!
//! The session is a native one, so that numbers, acknowledgement and what happens after a cut are those of the native protocol: what the switch tells is *kept* here until the participant
//! says, with the cursor of its next request, that it has it; what the participant says is waited for until the switch has decided it or refused it. Nothing here outlives the process, and
//! nothing need: a cursor says everything, and whatever came after it comes again.
//!
//! | request | the session before | what happens |
//! |---|---|---|
//! | that reads | none | one begins, after the request's cursor, else after the last acknowledged, else from the start |
//! | that sends | none | one begins, after the last acknowledged, else from the end: what is older is not known to be wanted |
//! | that reads, without a cursor | began from the end | it is made anew, from the start |
//! | with a cursor between what was acknowledged and what has arrived | stands | what is up to the cursor is let go |
//! | with another cursor: of another lineage, older, or ahead | stands | it is made anew, after that cursor; what it kept comes again |
//! | that wants nothing old | stands | what was kept is let go |
//! | with another certificate | stands | it is made anew by the way of that certificate, which the switch looks at |
//! | none for `IDLE_MS`, and none that waits | stands | it ends: a participant that does not ask is not there |

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Order;
use super::limits::{IDLE_MS, KEPT_MAX};
use crate::limits::HANDSHAKE_TIMEOUT_MS;
use crate::message::{Cursors, Lane, Lineage, MessageKind, OUTBOX_LANES, ParticipantCode, PaymentId};
use crate::native::client::{Client, ClientOptions, DisconnectReason, Events, Incoming, Refused, Route, SubmitError};
use crate::native::session::Resume;

/// How far a participant has read: the numbers of the outbox, and of the answers that this mailbox has numbered itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// In which the numbers of the outbox mean something.
    pub lineage: Lineage,
    /// Of the outbox, lane by lane.
    pub seen: Cursors,
    /// Which mailbox has numbered the answers: they mean nothing to another.
    pub instance: u32,
    /// Of the answers.
    pub replies: u64,
}

impl Cursor {
    /// From its printed form.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.split('-');
        let mut next = || parts.next();
        let lineage = uuid::Uuid::try_parse(next()?).ok()?.into_bytes();
        let mut seen = [0; OUTBOX_LANES];
        for number in &mut seen {
            *number = next()?.parse().ok()?;
        }
        let instance = u32::from_str_radix(next()?, 16).ok()?;
        let replies = next()?.parse().ok()?;
        next().is_none().then_some(Cursor { lineage, seen, instance, replies })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.lineage))?;
        self.seen.iter().try_for_each(|number| write!(f, "-{number}"))?;
        write!(f, "-{:08x}-{}", self.instance, self.replies)
    }
}

/// Where a participant wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Where it has acknowledged last, as far as this process knows; else at the start.
    Last,
    /// Nothing old is wanted.
    End,
    /// After this.
    Cursor(Cursor),
}

/// A message for the participant.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What the switch says.
    pub told: Incoming,
    /// Its id: the same however often it is read.
    pub message_id: String,
    /// Who has read it goes on after this.
    pub cursor: Cursor,
    at: At,
}

/// Place of a message.
#[derive(Clone, Copy, Debug)]
enum At {
    Lane(usize, u64),
    Reply(u64),
}

impl At {
    fn is_before(self, cursor: &Cursor) -> bool {
        match self {
            At::Lane(lane, number) => number <= cursor.seen[lane],
            At::Reply(number) => number <= cursor.replies,
        }
    }
}

/// What became of a message of the participant.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It was decided durably: what came of it is told, or was.
    Taken,
    /// It was refused before it was recorded.
    Refused(Box<Refused>),
    /// The session ended first: it may have been decided or not. Sent again, it does no harm.
    Lost,
}

/// Why there is no session.
#[derive(Clone, Debug)]
pub enum NoSession {
    /// The switch does not take the participant, or its certificate.
    Refused(String),
    /// The participant has too much to read first.
    Full,
    /// The switch does not answer.
    Away,
}

/// How to come to the switch, where a session must begin.
pub type Way<'w> = &'w (dyn Fn() -> Route + Send + Sync);

/// An order that was handed to the switch.
pub struct Submitted(oneshot::Receiver<Fate>);

impl Submitted {
    /// What became of it.
    pub async fn fate(self) -> Fate {
        self.0.await.unwrap_or(Fate::Lost)
    }
}

/// What a request wants of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Reading(From),
    Sending,
}

/// A request that waits for messages.
struct Reading<'m>(&'m Shared);

impl<'m> Reading<'m> {
    fn begin(shared: &'m Shared) -> Reading<'m> {
        shared.lock().reading += 1;
        Reading(shared)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.reading -= 1;
        state.used_at = Instant::now();
    }
}

/// A participant's mailbox.
pub struct Mailbox {
    code: ParticipantCode,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something came, or was let go.
    news: Notify,
}

struct State {
    session: Option<Session>,
    /// Sessions so far: what an earlier one still has to say means nothing.
    generation: u64,
    kept: VecDeque<Arc<Kept>>,
    /// Up to here everything was let go.
    acknowledged: Cursor,
    /// Up to here everything has arrived.
    arrived: Cursor,
    /// What the switch had when the session began: it comes at once. None until it has.
    due: Option<Cursors>,
    /// The number of the message that comes next.
    next: Option<(Lane, u64)>,
    waited: HashMap<(MessageKind, Option<PaymentId>), Vec<oneshot::Sender<Fate>>>,
    refused: Option<String>,
    used_at: Instant,
    /// Requests that wait for messages.
    reading: usize,
    /// The session began from the end for want of a cursor.
    is_from_the_end: bool,
}

struct Session {
    client: Arc<Client>,
    certificate: [u8; 32],
    reader: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Mailbox {
    /// Of this participant; its instance tells it from those of other processes.
    pub fn new(code: ParticipantCode, instance: u32) -> Mailbox {
        let start = Cursor { lineage: [0; 16], seen: [0; OUTBOX_LANES], instance, replies: 0 };
        let state = State {
            session: None,
            generation: 0,
            kept: VecDeque::new(),
            acknowledged: start,
            arrived: start,
            due: None,
            next: None,
            waited: HashMap::new(),
            refused: None,
            used_at: Instant::now(),
            reading: 0,
            is_from_the_end: false,
        };
        Mailbox { code, shared: Arc::new(Shared { state: Mutex::new(state), news: Notify::new() }) }
    }

    /// Whose it is.
    pub fn code(&self) -> ParticipantCode {
        self.code
    }

    /// Hands an order to the switch. An `Echo` is answered by the session that stands.
    pub async fn submit(
        &self,
        way: Way<'_>,
        certificate: [u8; 32],
        order: &Order,
    ) -> Result<Result<Submitted, SubmitError>, NoSession> {
        let client = self.session(way, certificate, Wanted::Sending)?;
        let (sender, fate) = oneshot::channel();
        let Some(message) = order.message() else {
            let _ = sender.send(Fate::Taken);
            return Ok(Ok(Submitted(fate)));
        };
        self.shared.lock().waited.entry((order.kind(), order.id())).or_default().push(sender);
        if let Err(error) = client.send(message).await {
            return Ok(Err(error));
        }
        Ok(Ok(Submitted(fate)))
    }

    /// What waits for the participant after a cursor, which acknowledges what is before it; waits until there is something, or the time is over. At most so many.
    pub async fn read(
        &self,
        way: Way<'_>,
        certificate: [u8; 32],
        from: From,
        max: usize,
        wait: Duration,
    ) -> Result<(Vec<Arc<Kept>>, Cursor), NoSession> {
        self.session(way, certificate, Wanted::Reading(from))?;
        let _reading = Reading::begin(&self.shared);
        let until = Instant::now() + wait;
        let connect_until = until + Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            // From here on nothing is missed, though nobody waits yet.
            news.as_mut().enable();
            let is_current = {
                let state = self.shared.lock();
                if let Some(why) = &state.refused {
                    return Err(NoSession::Refused(why.clone()));
                }
                // Before the switch has said where the session goes on, no cursor would be right.
                if state.due.is_some() && !state.kept.is_empty() {
                    let read: Vec<_> = state.kept.iter().take(max).cloned().collect();
                    let cursor = read.last().map_or(state.acknowledged, |last| last.cursor);
                    return Ok((read, cursor));
                }
                let is_current = state.is_current();
                if is_current && Instant::now() >= until {
                    return Ok((Vec::new(), state.arrived));
                }
                is_current
            };
            // What is there is told even to those who do not want to wait; and where nothing is, only the switch can say so.
            let limit = if is_current { until } else { connect_until };
            if tokio::time::timeout_at(limit, news).await.is_err() && !is_current {
                return Err(NoSession::Away);
            }
        }
    }

    /// Ends the session where nobody has asked for long enough.
    pub fn rest(&self) {
        let mut state = self.shared.lock();
        if state.reading == 0 && state.used_at.elapsed() >= Duration::from_millis(IDLE_MS) {
            state.end_session();
        }
    }

    /// The session; a new one where there is none, or not that one.
    fn session(&self, way: Way<'_>, certificate: [u8; 32], wanted: Wanted) -> Result<Arc<Client>, NoSession> {
        let mut state = self.shared.lock();
        let kept = state.kept.len();
        state.used_at = Instant::now();
        let is_known = state.acknowledged.lineage != [0; 16] && !state.is_from_the_end;
        let last = Resume { lineage: state.acknowledged.lineage, seen: state.acknowledged.seen };
        // The session that must begin; none where the one that stands will do.
        let resume = match wanted {
            Wanted::Reading(From::Cursor(cursor)) => match state.acknowledge(&cursor) {
                true => None,
                false => Some(Resume { lineage: cursor.lineage, seen: cursor.seen }),
            },
            Wanted::Reading(From::End) if state.session.is_none() => Some(Resume::FROM_THE_END),
            Wanted::Reading(From::End) => {
                let all = state.arrived;
                state.acknowledge(&all);
                None
            }
            Wanted::Reading(From::Last) if state.session.is_none() && is_known => Some(last),
            Wanted::Reading(From::Last) if state.session.is_none() || state.is_from_the_end => {
                Some(Resume::FROM_THE_START)
            }
            Wanted::Sending if state.session.is_none() => Some(if is_known { last } else { Resume::FROM_THE_END }),
            Wanted::Reading(From::Last) | Wanted::Sending => None,
        };
        let is_from_the_end = match resume {
            Some(_) => wanted == Wanted::Sending && !is_known,
            None => state.is_from_the_end && !matches!(wanted, Wanted::Reading(From::End | From::Cursor(_))),
        };
        state.is_from_the_end = is_from_the_end;
        // There is room again. Whoever waits for messages has nothing to hear of one that is sent.
        if state.kept.len() != kept {
            self.shared.news.notify_waiters();
        }
        match &state.session {
            Some(session) if resume.is_none() && session.certificate == certificate => {
                let is_full = wanted == Wanted::Sending && state.kept.len() >= KEPT_MAX;
                return if is_full { Err(NoSession::Full) } else { Ok(Arc::clone(&session.client)) };
            }
            _ => {}
        }
        self.shared.news.notify_waiters();
        let resume = resume.unwrap_or(last);
        let options = ClientOptions { resume, with_numbers: true, ..ClientOptions::by(way(), self.code) };
        let (client, events) = Client::start(options);
        let client = Arc::new(client);
        state.end_session();
        state.generation += 1;
        state.go_on_after(resume);
        let reader = tokio::spawn(read_events(Arc::clone(&self.shared), events, state.generation)).abort_handle();
        state.session = Some(Session { client: Arc::clone(&client), certificate, reader });
        Ok(client)
    }
}

/// Takes what a session brings, for as long as there is room.
async fn read_events(shared: Arc<Shared>, mut events: Events, generation: u64) {
    let mut batch = Vec::new();
    while events.next_into(&mut batch).await {
        let Some(is_news) = shared.lock().take(&mut batch, generation) else { return };
        if is_news {
            shared.news.notify_waiters();
        }
        loop {
            let news = shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if shared.lock().kept.len() < KEPT_MAX {
                break;
            }
            news.await;
        }
    }
}

impl Shared {
    /// No code under the lock can panic half-way through a change, so a poisoned lock still holds a whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets go what is up to a cursor. False where that is not one of what was read here.
    fn acknowledge(&mut self, cursor: &Cursor) -> bool {
        // Replies outlive the session that they came by.
        if cursor.instance == self.arrived.instance {
            self.acknowledged.replies = cursor.replies.clamp(self.acknowledged.replies, self.arrived.replies);
        }
        let is_between = (0..OUTBOX_LANES).all(|lane| {
            self.acknowledged.seen[lane] <= cursor.seen[lane] && cursor.seen[lane] <= self.arrived.seen[lane]
        });
        let is_read_here = self.session.is_some() && cursor.lineage == self.arrived.lineage && is_between;
        if is_read_here {
            self.acknowledged = Cursor { replies: self.acknowledged.replies, seen: cursor.seen, ..self.arrived };
        }
        let acknowledged = self.acknowledged;
        self.kept.retain(|kept| !kept.at.is_before(&acknowledged));
        is_read_here
    }

    /// Has all come that the switch had when the session began?
    fn is_current(&self) -> bool {
        self.due.is_some_and(|due| due.iter().zip(&self.arrived.seen).all(|(due, seen)| due <= seen))
    }

    /// What was kept comes again; what was waited for may be decided or not.
    fn end_session(&mut self) {
        self.session = None;
        self.due = None;
        self.keep_replies();
        self.next = None;
        self.refused = None;
        for waiting in self.waited.drain().flat_map(|(_, waiting)| waiting) {
            let _ = waiting.send(Fate::Lost);
        }
    }

    /// What has a number comes again, from where the next session goes on; a reply would not.
    fn keep_replies(&mut self) {
        self.kept.retain(|kept| matches!(kept.at, At::Reply(_)));
    }

    /// Numbers go on behind these, and so do the cursors of replies that are kept.
    fn go_on_after(&mut self, Resume { lineage, seen }: Resume) {
        self.keep_replies();
        let places = self.kept.iter_mut().map(|kept| &mut Arc::make_mut(kept).cursor);
        for cursor in places.chain([&mut self.acknowledged, &mut self.arrived]) {
            (cursor.lineage, cursor.seen) = (lineage, seen);
        }
    }

    /// What a session brings: is there anything for who waits for messages? None where it is not the present session.
    fn take(&mut self, batch: &mut Vec<Incoming>, generation: u64) -> Option<bool> {
        if generation != self.generation || self.session.is_none() {
            return None;
        }
        let kept = self.kept.len();
        let mut is_changed = false;
        for incoming in batch.drain(..) {
            match incoming {
                Incoming::Connected(connected) => {
                    let (lineage, seen) = (connected.welcomed.lineage, connected.welcomed.resumed_after);
                    let is_placed = self.arrived.lineage == lineage && !self.arrived.seen.contains(&u64::MAX);
                    if !is_placed || connected.welcomed.numbers_restarted {
                        self.go_on_after(Resume { lineage, seen });
                    }
                    is_changed = true;
                    self.due = Some(connected.welcomed.enqueued);
                    self.refused = None;
                }
                Incoming::Disconnected(disconnected) => {
                    is_changed = true;
                    self.disconnected(&disconnected.why);
                }
                Incoming::Numbered(lane, number) => self.next = Some((lane, number)),
                Incoming::Acknowledged { kind, payment_id } => self.decided(kind, payment_id, &Fate::Taken),
                Incoming::Refused(refused) => {
                    if let Some(kind) = refused.kind {
                        self.decided(kind, refused.payment_id, &Fate::Refused(refused));
                    }
                }
                // ISO 20022 has no message for these, and nobody here has asked.
                Incoming::AliasResult(_) | Incoming::DirectoryAnswer(_) => {}
                told => self.keep(told),
            }
        }
        Some(is_changed || self.kept.len() != kept)
    }

    fn keep(&mut self, told: Incoming) {
        let (at, message_id) = match self.next.take() {
            Some((lane, number)) => {
                let index = lane.outbox_index().expect("numbers are of the outbox");
                self.arrived.seen[index] = number;
                let lineage = u128::from_be_bytes(self.arrived.lineage) >> 80;
                (At::Lane(index, number), format!("CS{lineage:012x}{}{number:016x}", lane as u8))
            }
            None => {
                self.arrived.replies += 1;
                let number = self.arrived.replies;
                (At::Reply(number), format!("CR{:08x}{number:016x}", self.arrived.instance))
            }
        };
        self.kept.push_back(Arc::new(Kept { told, message_id, cursor: self.arrived, at }));
    }

    fn decided(&mut self, kind: MessageKind, id: Option<PaymentId>, fate: &Fate) {
        for waiting in self.waited.remove(&(kind, id)).into_iter().flatten() {
            let _ = waiting.send(fate.clone());
        }
    }

    /// The client tries again by itself, but where somebody must do something first.
    fn disconnected(&mut self, why: &DisconnectReason) {
        if why.needs_attention() {
            self.refused = Some(why.to_string());
            for waiting in self.waited.drain().flat_map(|(_, waiting)| waiting) {
                let _ = waiting.send(Fate::Lost);
            }
        }
    }
}
