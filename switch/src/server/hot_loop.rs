//! The hot loop: one thread that owns every native session and all state of payments. Each turn it drains every readable socket, lets the
//! pipeline make one batch durable and decide it, and writes once to each connection that has something to send.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::limits::STALL_MAX_MS;
use adapters::message::{MessageKind, ParticipantCode};
use adapters::native::link::{Link, READ_BYTES};
use adapters::stages;
use crossbeam::channel::{Receiver, Sender, TrySendError};
use ledger::Currency;
use ledger::journal::DiskStorage;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep};

use super::admin::Waiters;
use super::directory::{ClerkDone, ClerkWork};
use super::{Holding, Message, Report, ServerError, Status, take};
use crate::clerk::Question;
use crate::clock::JournalClock;
use crate::directory::{CommandResult, DirectoryBatch};
use crate::engine::accounts::AccountKind;
use crate::history::{HistoryAnswer, HistoryQuestion};
use crate::limits::{DRAIN_TIMEOUT_MS, INBOUND_BYTES_KEPT, LINGER_MS, NS_PER_MS, RECEIVE_BYTES_PER_TURN};
use crate::pipeline::Pipeline;
use crate::render::{RenderRequest, Rendered};
use crate::session::SessionKey;
use crate::snapshots::SnapshotNews;

/// How often time-outs of connections are looked at.
const CHECK_EVERY_NS: u64 = 1_000 * NS_PER_MS;

/// One connection: the socket and TLS beside the pipeline's session.
struct Connection {
    key: SessionKey,
    peer: SocketAddr,
    link: Link,
    /// Plaintext that is not dealt with: at most the start of a frame, after each turn.
    inbound: Vec<u8>,
    /// It ends once what waits has left and the peer has closed its side.
    is_ending: bool,
    /// Since when nothing more leaves on a connection that ends.
    lingering_since_ns: Option<u64>,
    /// Since when the peer has taken nothing of what waits.
    blocked_since_ns: Option<u64>,
}

/// Ways to the threads that read disks, and back.
pub(super) struct Elsewhere {
    pub(super) requests: Sender<RenderRequest>,
    pub(super) rendered: Receiver<Rendered>,
    pub(super) questions: Sender<HistoryQuestion>,
    pub(super) answers: Receiver<HistoryAnswer>,
    /// Look-ups, payment orders and questions for the clerk; commands for the registrar. Bounded by what the pipeline lets wait.
    pub(super) clerk: Sender<ClerkWork>,
    pub(super) registrar: Sender<Question>,
    pub(super) done: Receiver<ClerkDone>,
    pub(super) batches: Sender<DirectoryBatch>,
    pub(super) results: Receiver<CommandResult>,
    /// Whose keys are wanted; they come as messages.
    pub(super) keys_wanted: tokio::sync::mpsc::Sender<ParticipantCode>,
}

/// Everything the thread owns.
pub(super) struct HotLoop {
    pipeline: Pipeline<DiskStorage>,
    clock: JournalClock,
    messages: Receiver<Message>,
    wake: Arc<Notify>,
    elsewhere: Elsewhere,
    /// By the session's place.
    connections: Vec<Option<Connection>>,
    open: usize,
    connections_max: usize,
    /// Whose turn comes first, so that a full batch does not always favour the same.
    first: usize,
    scratch: Vec<u8>,
    /// Places of the connections that got frames in this turn; empty between turns.
    written: Vec<usize>,
    waiting_request: Option<RenderRequest>,
    operators: Waiters,
    next_check_ns: u64,
    drain_until_ns: Option<u64>,
}

/// What a turn waits for beside sockets.
struct Waiting<'a, 'n> {
    woken: Pin<&'a mut Notified<'n>>,
    timer: Pin<&'a mut Sleep>,
}

impl HotLoop {
    pub(super) fn new(
        pipeline: Pipeline<DiskStorage>,
        clock: JournalClock,
        messages: Receiver<Message>,
        wake: Arc<Notify>,
        elsewhere: Elsewhere,
        connections_max: usize,
    ) -> HotLoop {
        HotLoop {
            pipeline,
            next_check_ns: clock.now_ns() + CHECK_EVERY_NS,
            clock,
            messages,
            wake,
            elsewhere,
            connections: Vec::new(),
            open: 0,
            connections_max,
            first: 0,
            scratch: vec![0; READ_BYTES],
            written: Vec::new(),
            waiting_request: None,
            operators: Waiters::default(),
            drain_until_ns: None,
        }
    }

    /// Runs until it is drained or something fails.
    pub(super) fn run(self) -> Result<(), ServerError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::System)?;
        // One turn may touch every socket. Tokio's budget for a fair share of one thread would end it half way; nobody shares this thread.
        runtime.block_on(tokio::task::unconstrained(self.turns()))
    }

    async fn turns(mut self) -> Result<(), ServerError> {
        let wake = Arc::clone(&self.wake);
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let mut woken = pin!(wake.notified());
            self.set_timer(timer.as_mut());
            let mut waiting = Waiting { woken: woken.as_mut(), timer: timer.as_mut() };
            poll_fn(|cx| self.receive(cx, &mut waiting)).await;
            self.take_messages()?;
            // Before the turn, so that it can ask for the next portion: otherwise that would wait for whatever wakes the loop next.
            self.take_rendered();
            self.take_answers();
            self.take_directory();
            let now_ns = self.clock.now_ns();
            self.pipeline.tick(now_ns).map_err(ServerError::Fault)?;
            self.ask_renderer();
            self.ask_history();
            self.ask_directory();
            self.ask_for_keys();
            self.log_snapshot();
            self.operators.answer(&mut self.pipeline);
            poll_fn(|cx| {
                self.transmit(cx, now_ns);
                Poll::Ready(())
            })
            .await;
            if self.is_over(now_ns) {
                break;
            }
            stages::away();
            // Lets the reactor look which sockets have become ready.
            tokio::task::yield_now().await;
        }
        #[cfg(feature = "stages")]
        write_stages(self.pipeline.engine().counts().decided())?;
        self.close().await
    }

    /// Reads every readable connection into the pipeline. Ready once there is something to do.
    fn receive(&mut self, cx: &mut Context<'_>, waiting: &mut Waiting<'_, '_>) -> Poll<()> {
        stages::back();
        let now_ns = self.clock.now_ns();
        let mut is_busy = waiting.woken.as_mut().poll(cx).is_ready() | waiting.timer.as_mut().poll(cx).is_ready();
        let count = self.connections.len();
        let first = self.first.min(count);
        for place in (first..count).chain(0..first) {
            let was_full = self.pipeline.is_full();
            is_busy |= self.receive_one(cx, place, now_ns);
            if !was_full && self.pipeline.is_full() {
                // The others could not be read: the next turn begins with them.
                self.first = (place + 1) % count;
            }
        }
        if is_busy {
            return Poll::Ready(());
        }
        stages::away();
        Poll::Pending
    }

    /// One connection's turn; true if anything came or left.
    fn receive_one(&mut self, cx: &mut Context<'_>, place: usize, now_ns: u64) -> bool {
        let Some(connection) = &mut self.connections[place] else { return false };
        let mut is_busy = false;
        if connection.link.pending_bytes() > 0 {
            is_busy |= self.flush_one(cx, place, now_ns);
        }
        let Some(connection) = &mut self.connections[place] else { return true };
        if connection.lingering_since_ns.is_some() {
            return is_busy | self.linger_one(cx, place);
        }
        if connection.is_ending {
            return is_busy;
        }
        let bytes_wanted = self.pipeline.bytes_wanted(connection.key, now_ns);
        if bytes_wanted == 0 {
            return is_busy;
        }
        let Connection { key, link, inbound, .. } = connection;
        // Where little is wanted, the rest stays in the socket, which tells the peer to wait.
        let scratch = &mut self.scratch[..bytes_wanted.min(READ_BYTES)];
        match link.poll_receive(cx, scratch, inbound, bytes_wanted) {
            Poll::Pending => is_busy,
            Poll::Ready(Ok(0)) => {
                self.end(place, None);
                true
            }
            Poll::Ready(Ok(_)) => {
                let consumed = self.pipeline.receive(*key, inbound, now_ns);
                inbound.drain(..consumed);
                true
            }
            Poll::Ready(Err(error)) => {
                self.end(place, Some(&error));
                true
            }
        }
    }

    /// Throws away what still comes on a connection that ends; true if anything came.
    fn linger_one(&mut self, cx: &mut Context<'_>, place: usize) -> bool {
        let Some(Connection { link, inbound, .. }) = &mut self.connections[place] else { return false };
        inbound.clear();
        match link.poll_receive(cx, &mut self.scratch, inbound, RECEIVE_BYTES_PER_TURN) {
            Poll::Pending => false,
            Poll::Ready(Ok(1..)) => true,
            Poll::Ready(Ok(0) | Err(_)) => {
                self.end(place, None);
                true
            }
        }
    }

    /// Writes what waits for one connection; true if that made a difference.
    fn flush_one(&mut self, cx: &mut Context<'_>, place: usize, now_ns: u64) -> bool {
        let Some(connection) = &mut self.connections[place] else { return false };
        let before = connection.link.pending_bytes();
        match connection.link.poll_flush(cx) {
            Poll::Ready(Ok(())) => connection.blocked_since_ns = None,
            Poll::Pending => {
                // Only what the peer takes is a sign of life; that more waits for it is none.
                let has_taken_some = connection.link.pending_bytes() < before;
                if has_taken_some || connection.blocked_since_ns.is_none() {
                    connection.blocked_since_ns = Some(now_ns);
                }
            }
            Poll::Ready(Err(error)) => {
                self.end(place, Some(&error));
                return true;
            }
        }
        let pending_bytes = connection.link.pending_bytes();
        self.pipeline.link_pending(connection.key, pending_bytes);
        if pending_bytes == 0 && connection.is_ending {
            connection.lingering_since_ns.get_or_insert(now_ns);
        }
        pending_bytes != before
    }

    /// One write to each connection that has something to send.
    fn transmit(&mut self, cx: &mut Context<'_>, now_ns: u64) {
        let mut written = std::mem::take(&mut self.written);
        let connections = &mut self.connections;
        while self.pipeline.transmit(|key, frames, is_last| {
            let Some(connection) = connections.get_mut(key.index()).and_then(Option::as_mut) else { return 0 };
            // An error here is an error of the TLS state; the flush that follows meets it again and ends the connection.
            let sent = connection.link.send(frames);
            connection.is_ending |= is_last || sent.is_err();
            if is_last {
                connection.link.send_close_notify();
            }
            written.push(key.index());
            connection.link.pending_bytes()
        }) {}
        for place in written.drain(..) {
            self.log_refusal(place);
            self.flush_one(cx, place, now_ns);
        }
        self.written = written;
        if now_ns >= self.next_check_ns {
            self.next_check_ns = now_ns + CHECK_EVERY_NS;
            self.pipeline.check_sessions(now_ns);
            self.end_overdue(now_ns);
        }
    }

    /// A connection that is ended from here leaves one line in the log.
    fn log_refusal(&self, place: usize) {
        let Some(Connection { key, peer, is_ending: true, .. }) = &self.connections[place] else { return };
        if let (Some(code), Some(reason)) = (self.pipeline.code_of(*key), self.pipeline.ended_by(*key)) {
            let agent = self.pipeline.agent_of(*key).map(tracing::field::display);
            tracing::warn!(%peer, participant = %code, agent, reason = reason.name(), "connection refused");
        }
    }

    /// Cuts those that have taken nothing for too long, and those that ended and were waited for.
    fn end_overdue(&mut self, now_ns: u64) {
        for place in 0..self.connections.len() {
            let blocked = self.connections[place].as_ref().and_then(|connection| connection.blocked_since_ns);
            if blocked.is_some_and(|since_ns| now_ns - since_ns > STALL_MAX_MS * NS_PER_MS) {
                self.end(place, Some(&std::io::Error::other("takes nothing of what waits for it")));
            }
            let lingering = self.connections[place].as_ref().and_then(|connection| connection.lingering_since_ns);
            if lingering.is_some_and(|since_ns| now_ns - since_ns > LINGER_MS * NS_PER_MS) {
                self.end(place, None);
            }
            if let Some(connection) = &mut self.connections[place] {
                connection.inbound.shrink_to(INBOUND_BYTES_KEPT);
            }
        }
    }

    /// A connection is gone.
    fn end(&mut self, place: usize, error: Option<&std::io::Error>) {
        let Some(connection) = self.connections[place].take() else { return };
        self.open -= 1;
        if let (Some(error), Some(code)) = (error, self.pipeline.code_of(connection.key)) {
            let agent = self.pipeline.agent_of(connection.key).map(tracing::field::display);
            tracing::info!(participant = %code, agent, reason = %error, "connection lost");
        }
        self.pipeline.detach(connection.key);
    }

    fn take_messages(&mut self) -> Result<(), ServerError> {
        while let Some(message) = take(&self.messages) {
            match message {
                Message::Arrived { link, peer, certificate, key } => {
                    let code = certificate.holder;
                    let is_one_too_many = self.open >= self.connections_max || !self.pipeline.has_room_for(&code);
                    if is_one_too_many {
                        tracing::warn!(%peer, participant = %code, reason = "too many connections", "connection refused");
                        continue;
                    }
                    let link = match link.register() {
                        Ok(link) => link,
                        Err(error) => {
                            tracing::warn!(%peer, participant = %code, reason = %error, "connection refused");
                            continue;
                        }
                    };
                    let key = self.pipeline.attach(certificate, key, self.clock.now_ns());
                    if self.connections.len() <= key.index() {
                        self.connections.resize_with(key.index() + 1, || None);
                    }
                    let connection = Connection {
                        key,
                        peer,
                        link,
                        inbound: Vec::new(),
                        is_ending: false,
                        lingering_since_ns: None,
                        blocked_since_ns: None,
                    };
                    self.connections[key.index()] = Some(connection);
                    self.open += 1;
                }
                Message::Rekey { code, key } => self.pipeline.rekey(code, key),
                Message::Report(reply) => {
                    // Whoever asked may have gone; then nobody misses the answer.
                    let _ = reply.send(self.report());
                }
                Message::Status(reply) => {
                    // Who asked may have given up meanwhile: a long wait for the disk is told to the next.
                    if let Err(unheard) = reply.send(self.status()) {
                        self.pipeline.keep_longest_disk_wait(unheard.0.disk.disk_us_longest);
                    }
                }
                Message::Memory(question) => question.answer(&self.pipeline),
                Message::Administer(question) => {
                    self.operators.begin(question, &mut self.pipeline, self.clock.now_ns());
                }
                Message::Failed(error) => return Err(error),
                Message::Drain => {
                    self.pipeline.begin_draining();
                    self.drain_until_ns = Some(self.clock.now_ns() + DRAIN_TIMEOUT_MS * NS_PER_MS);
                }
            }
        }
        Ok(())
    }

    fn take_rendered(&mut self) {
        while let Some(rendered) = take(&self.elsewhere.rendered) {
            self.pipeline.rendered(&rendered);
        }
    }

    fn ask_renderer(&mut self) {
        while let Some(request) = self.waiting_request.take().or_else(|| self.pipeline.take_render_request()) {
            match self.elsewhere.requests.try_send(request) {
                Ok(()) => {}
                Err(TrySendError::Full(request)) => {
                    self.waiting_request = Some(request);
                    return;
                }
                // The renderer has ended and said why; the message is on its way.
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    fn take_answers(&mut self) {
        while let Some(answer) = take(&self.elsewhere.answers) {
            self.pipeline.history_answered(answer);
        }
    }

    /// The queue holds as many questions as may be open. Where the other end is gone, it has said why; the message is on its way.
    fn ask_history(&mut self) {
        while let Some(question) = self.pipeline.take_history_question() {
            let sent = self.elsewhere.questions.try_send(question);
            assert!(!matches!(sent, Err(TrySendError::Full(_))), "no more questions are open than the queue holds");
        }
    }

    fn take_directory(&mut self) {
        while let Some(done) = take(&self.elsewhere.done) {
            match done {
                ClerkDone::Reply(ticket, reply) => self.pipeline.clerk_replied(ticket, reply),
                ClerkDone::Renewed(renewed) => self.pipeline.renewed(renewed),
            }
        }
        while let Some(result) = take(&self.elsewhere.results) {
            self.pipeline.directory_decided(result);
        }
    }

    /// What finds the directory's queue full waits for a later turn. Where a thread has ended, it has said why; the message is on its way.
    fn ask_directory(&mut self) {
        while let Some(question) = self.pipeline.take_directory_question() {
            let _ = match question.kind {
                MessageKind::AliasCommand => self.elsewhere.registrar.send(question).is_ok(),
                _ => self.elsewhere.clerk.send(ClerkWork::Question(question)).is_ok(),
            };
        }
        if let Some(renewal) = self.pipeline.take_renewal() {
            let _ = self.elsewhere.clerk.send(ClerkWork::Renewal(renewal));
        }
        while let Some(batch) = self.pipeline.take_directory_batch() {
            if let Err(TrySendError::Full(batch)) = self.elsewhere.batches.try_send(batch) {
                return self.pipeline.keep_directory_batch(batch);
            }
        }
    }

    /// What finds the queue full is asked for in a later turn.
    fn ask_for_keys(&mut self) {
        while let Ok(room) = self.elsewhere.keys_wanted.try_reserve() {
            let Some(code) = self.pipeline.take_key_wanted() else { return };
            room.send(code);
        }
    }

    /// What came of a snapshot leaves one line in the log.
    fn log_snapshot(&mut self) {
        match self.pipeline.take_snapshot_news() {
            Some(SnapshotNews::Taken { position, bytes }) => tracing::info!(position, bytes, "snapshot taken"),
            Some(SnapshotNews::Failed(fault)) => tracing::warn!(reason = %fault, "snapshot given up"),
            None => {}
        }
    }

    /// When to turn even if nothing arrives.
    fn set_timer(&mut self, timer: Pin<&mut Sleep>) {
        let now_ns = self.clock.now_ns();
        let next_ns = self.pipeline.next_turn_ns().unwrap_or(u64::MAX);
        let drain_ns = self.drain_until_ns.map_or(u64::MAX, |_| now_ns + 10 * NS_PER_MS);
        let wait_ns = next_ns.min(self.next_check_ns).min(drain_ns).saturating_sub(now_ns);
        timer.reset(Instant::now() + Duration::from_nanos(wait_ns));
    }

    fn is_over(&self, now_ns: u64) -> bool {
        self.drain_until_ns.is_some_and(|until_ns| now_ns >= until_ns || self.pipeline.is_drained())
    }

    /// Marks the log's end and says goodbye to everyone.
    async fn close(mut self) -> Result<(), ServerError> {
        self.pipeline.close().map_err(ServerError::Fault)?;
        for connection in self.connections.iter_mut().flatten() {
            connection.is_ending = true;
            connection.link.send_close_notify();
        }
        // Whoever does not close its side in this time learns it from the closed socket.
        let goodbye = poll_fn(|cx| {
            let mut is_busy = false;
            for place in 0..self.connections.len() {
                self.flush_one(cx, place, 0);
                is_busy |= self.linger_one(cx, place);
            }
            if self.open == 0 {
                return Poll::Ready(());
            }
            if is_busy {
                // A portion of each at a time: whoever sends without end must not hold up the time-out.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS), goodbye).await;
        while let Some(batch) = self.pipeline.take_directory_batch() {
            if self.elsewhere.batches.send(batch).is_err() {
                break;
            }
        }
        self.pipeline.take_last_snapshot().map_err(ServerError::Fault)?;
        self.log_snapshot();
        Ok(())
    }

    fn status(&mut self) -> Status {
        let pending_bytes = self.connections.iter().flatten().map(|connection| connection.link.pending_bytes()).sum();
        let disk = self.pipeline.take_disk_times();
        let pipeline = &self.pipeline;
        let counts = (pipeline.engine().counts(), pipeline.engine().presence_counts());
        let (marks, queues, cut_offs) = (pipeline.watermarks(), pipeline.queues(), pipeline.cut_off_times());
        Status::new(self.open, pending_bytes, counts, marks, queues, disk, cut_offs)
    }

    fn report(&self) -> Report {
        let engine = self.pipeline.engine();
        let currencies: Vec<_> = engine.currencies().iter().map(|rules| (rules.currency, rules.minor_digits)).collect();
        let mut holdings = Vec::new();
        for (id, code) in engine.participants() {
            for &(currency, minor_digits) in &currencies {
                let (available, reserved) = engine.balance_of(id, currency).unwrap_or((0, 0));
                let account = engine.find_account(id, currency.bytes(), AccountKind::Settlement);
                let settlement =
                    account.map_or(0, |index| engine.account(index).balances().booked().max(0).unsigned_abs());
                let (participant, currency) = (code.to_string(), currency.to_string());
                holdings.push(Holding { participant, currency, minor_digits, settlement, available, reserved });
            }
        }
        let letters = |currency: Currency| currency.to_string();
        let totals = engine.totals().into_iter().map(|t| (letters(t.currency), t.debits, t.credits)).collect();
        Report { payments: engine.counts(), holdings, totals }
    }
}

/// Writes how long each stage was into the file that the environment names: what `make stages` reads.
#[cfg(feature = "stages")]
fn write_stages(payments: u64) -> Result<(), ServerError> {
    let Some(path) = std::env::var_os("CLEARSPAN_STAGES") else { return Ok(()) };
    let (lines, clock_ps) = stages::table();
    let lines: Vec<_> = lines.iter().map(|line| (line.name, line.ns, line.times)).collect();
    let table = serde_json::json!({ "payments": payments, "clock_ps": clock_ps, "stages": lines });
    std::fs::write(path, table.to_string()).map_err(ServerError::System)
}
