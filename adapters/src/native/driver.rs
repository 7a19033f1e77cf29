//! The task behind a `Client`: a `ClientPair` of one or two sessions, each over a `Line` that is made again and again.
//!
//! One turn takes what the provider submitted, and then, for each connection, receives what is there and writes all that has to go out with one TLS write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::limits::{
    COMMANDS_PER_TURN_MAX, RECEIVE_BYTES_MAX, SEND_PENDING_BYTES_MAX, SHUTDOWN_MS, TURNS_PER_WAKE_MAX,
};
use crate::native::client::{ClientOptions, Command, DisconnectReason};
use crate::native::inbox::InboxWriter;
use crate::native::line::{Line, State, Up, connection_failed};
use crate::native::link::READ_BYTES;
use crate::native::pair::ClientPair;
use crate::native::session::Broken;
use crate::native::translator::Translator;

thread_local! {
    /// For reading from sockets and pipes: one for all clients of a thread, of which a gateway or a switch may have thousands that are idle.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// The task behind a `Client`.
pub(super) struct Driver {
    options: ClientOptions,
    pair: ClientPair,
    commands: mpsc::Receiver<Command>,
    /// Commands taken from the channel for which the sessions have no room yet.
    taken: VecDeque<Command>,
    /// Where commands arrive before they go to `taken`; empty between turns.
    arrived: Vec<Command>,
    translator: Translator,
    inbox: InboxWriter,
    stop: watch::Receiver<bool>,
    /// How many connections are welcomed, for who asks.
    connections: watch::Sender<usize>,
    plaintext: Vec<u8>,
    /// Nobody reads any more.
    is_abandoned: bool,
    /// No connection is made any more.
    is_closing: bool,
}

impl Driver {
    pub(super) fn new(
        options: ClientOptions,
        commands: mpsc::Receiver<Command>,
        inbox: InboxWriter,
        stop: watch::Receiver<bool>,
        connections: watch::Sender<usize>,
    ) -> Driver {
        let pair = ClientPair::new(options.code, options.resume, options.unacknowledged_max, options.connections);
        Driver {
            pair,
            commands,
            taken: VecDeque::new(),
            arrived: Vec::new(),
            translator: Translator::new(options.with_numbers),
            inbox,
            stop,
            connections,
            plaintext: Vec::new(),
            is_abandoned: false,
            is_closing: false,
            options,
        }
    }

    /// Connects again and again until it is told to stop. Gives the number of messages whose fate is not known.
    pub(super) async fn run(mut self) -> usize {
        let mut lines: Vec<Line> = (0..self.options.connections).map(Line::new).collect();
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {}
            () = poll_fn(|cx| self.poll_turns(cx, &mut lines)) => {}
        }
        self.is_closing = true;
        self.take_all_commands();
        let limit = Duration::from_millis(SHUTDOWN_MS);
        let _ = timeout(limit, poll_fn(|cx| self.poll_settled(cx, &mut lines))).await;
        let mut scratch = vec![0; READ_BYTES];
        let close_all = async {
            for line in &mut lines {
                line.close(&mut scratch).await;
            }
        };
        let _ = timeout(limit, close_all).await;
        for line in &lines {
            self.translator.disconnected(line.slot, DisconnectReason::Shutdown, None);
        }
        self.hand_over();
        self.pair.unacknowledged() + self.taken.len()
    }

    /// Turns until nothing is left to do. Ready when nobody reads any more, or no connection is left and none is to be made.
    fn poll_turns(&mut self, cx: &mut Context<'_>, lines: &mut [Line]) -> Poll<()> {
        for _ in 0..TURNS_PER_WAKE_MAX {
            let worked = self.turn(cx, lines);
            self.hand_over();
            if self.is_abandoned || (self.is_closing && !lines.iter().any(Line::is_up)) {
                return Poll::Ready(());
            }
            if !worked {
                return Poll::Pending;
            }
        }
        // Others on this thread want to run as well.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Turns until the switch has acknowledged everything, or no connection is left.
    fn poll_settled(&mut self, cx: &mut Context<'_>, lines: &mut [Line]) -> Poll<()> {
        let over = self.poll_turns(cx, lines).is_ready();
        let has_left = |line: &Line| if let State::Up(up) = &line.state { up.link.pending_bytes() == 0 } else { true };
        let settled = self.pair.unacknowledged() == 0 && self.taken.is_empty() && lines.iter().all(has_left);
        if over || settled { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One turn. True if there may be more to do at once.
    fn turn(&mut self, cx: &mut Context<'_>, lines: &mut [Line]) -> bool {
        let now = Instant::now();
        // Without a connection what the provider says stays where it waits.
        let mut worked = lines.iter().any(Line::is_up) && self.take_commands(cx);
        for place in 0..lines.len() {
            match self.advance(cx, &mut lines[place], now) {
                Ok(advanced) => worked |= advanced,
                Err(why) => {
                    self.end(lines, place, why);
                    worked = true;
                }
            }
        }
        worked
    }

    /// Takes a connection as far as it goes now. True if there may be more to do at once.
    fn advance(&mut self, cx: &mut Context<'_>, line: &mut Line, now: Instant) -> Result<bool, DisconnectReason> {
        match &mut line.state {
            State::Up(up) => return self.talk(cx, line.slot, up, now),
            _ if self.is_closing => return Ok(false),
            State::Paused(pause) => match pause.as_mut().poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(()) => line.state = State::Due,
            },
            State::Due => {
                // The news of the last attempt must have been read: a provider that is not there gets no endless list of failures.
                if self.inbox.poll_room(cx).is_pending() {
                    return Ok(false);
                }
                self.is_abandoned |= self.inbox.is_abandoned();
                line.begin(&self.options);
            }
            State::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(made) => line.state = State::Ready(Box::new(made?)),
            },
            State::Ready(_) => {
                if !self.pair.may_connect(line.slot) {
                    return Ok(false);
                }
                self.pair.connected(line.slot);
                if let State::Ready(link) = std::mem::replace(&mut line.state, State::Due) {
                    line.state = State::Up(Box::new(Up::new(*link)));
                }
            }
        }
        Ok(true)
    }

    /// One turn of one connection. True if there may be more to do at once.
    fn talk(&mut self, cx: &mut Context<'_>, slot: usize, up: &mut Up, now: Instant) -> Result<bool, DisconnectReason> {
        self.take_over(slot);
        let worked = self.receive(cx, slot, up, now)?;
        if up.owes_acknowledgement && self.pair.outgoing(slot).is_empty() {
            self.pair.acknowledge_now(slot);
            up.owes_acknowledgement = false;
        }
        while up.timers.poll_tick(cx).is_ready() {
            up.timers.check_stalled(&up.link, now)?;
            self.pair.tick(slot, up.timers.idle(now)).map_err(DisconnectReason::Broken)?;
        }
        let outgoing = self.pair.outgoing(slot);
        if !outgoing.is_empty() && up.link.pending_bytes() < SEND_PENDING_BYTES_MAX {
            up.link.send(outgoing).map_err(|error| DisconnectReason::Ended(error.to_string()))?;
            outgoing.clear();
            up.timers.sent_at = now;
        }
        match up.link.poll_flush(cx) {
            // A refused certificate shows as a failed write where the switch's word for it was not read yet: read it.
            Poll::Ready(Err(error)) => match self.receive(cx, slot, up, now) {
                Ok(_) => Err(connection_failed(&error)),
                Err(why) => Err(why),
            },
            Poll::Ready(Ok(())) | Poll::Pending => Ok(worked),
        }
    }

    /// Gives the sessions what the provider submitted, as far as there is room.
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
            // One connection keeps the order by itself.
            if self.options.connections > 1 && self.translator.must_wait(command.kind) {
                break;
            }
            let (routing, private) = command.parts();
            let Ok(ticket) = self.pair.submit_raw(command.kind, routing, private) else { break };
            self.translator.submitted(ticket, command.kind, command.payment_id);
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
        slot: usize,
        up: &mut Up,
        now: Instant,
    ) -> Result<bool, DisconnectReason> {
        if self.inbox.poll_room(cx).is_pending() {
            // It is us who do not listen.
            up.timers.received_at = now;
            return Ok(false);
        }
        if self.inbox.is_abandoned() {
            self.is_abandoned = true;
            return Ok(false);
        }
        self.plaintext.clear();
        let received = SCRATCH
            .with_borrow_mut(|scratch| up.link.poll_receive(cx, scratch, &mut self.plaintext, RECEIVE_BYTES_MAX));
        // What came before an end or an error still counts.
        if !self.plaintext.is_empty() {
            up.timers.received_at = now;
            up.owes_acknowledgement = true;
            self.hear(slot, up, now)?;
        }
        match received {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(DisconnectReason::Ended("closed by the switch".into())),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) => Err(connection_failed(&error)),
        }
    }

    /// Gives the session what was received.
    fn hear(&mut self, slot: usize, up: &mut Up, now: Instant) -> Result<(), DisconnectReason> {
        let translator = &mut self.translator;
        let heard = self.pair.receive(slot, &self.plaintext, &mut |event| translator.translate(slot, event));
        let partial_bytes = self.pair.session(slot).partial_bytes();
        if partial_bytes <= self.plaintext.len() {
            up.timers.in_frame_since = (partial_bytes > 0).then_some(now);
        }
        // What the switch said last explains more than what followed from it.
        if let Some(why) = self.translator.fatal.take() {
            return Err(why);
        }
        heard.map_err(DisconnectReason::Broken)
    }

    /// A connection is over, or could not be made. Where numbers are missing, or too much was ahead of them, so is the other.
    fn end(&mut self, lines: &mut [Line], place: usize, why: DisconnectReason) {
        if matches!(why, DisconnectReason::Broken(Broken::TooFarAhead { .. } | Broken::Gap { .. })) {
            for line in lines.iter_mut().filter(|line| line.is_up()) {
                self.end_one(line, why.clone());
            }
        } else {
            self.end_one(&mut lines[place], why);
        }
    }

    fn end_one(&mut self, line: &mut Line, why: DisconnectReason) {
        for ticket in self.pair.disconnected(line.slot) {
            self.translator.moved(line.slot, ticket);
        }
        let retry_after_ms = line.pause(&self.options, &why);
        // Of a client that ends, the last word comes when it has ended.
        if !self.is_closing {
            self.translator.disconnected(line.slot, why, Some(retry_after_ms));
        }
    }

    /// Takes over what waits in the session whose connection is gone, as far as there is room.
    fn take_over(&mut self, slot: usize) {
        if self.options.connections > 1 {
            let other = 1 - slot;
            for ticket in self.pair.move_from(other) {
                self.translator.moved(other, ticket);
            }
        }
    }

    fn hand_over(&mut self) {
        if !self.translator.fresh.is_empty() {
            let connections = self.translator.connections();
            self.connections.send_if_modified(|told| std::mem::replace(told, connections) != connections);
            self.inbox.push(&mut self.translator.fresh, self.pair.resume());
        }
    }
}

/// Waits until the client is told to stop, or nobody is left who could tell it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
