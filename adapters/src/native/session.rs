//! The provider's side of the native protocol: a state machine without I/O and without a clock.
//!
//! In: messages to send and bytes as they come, cut anywhere. Out: events that borrow from those bytes, and a buffer of bytes
//! that the shell writes in one go. It owns the frame numbers, the cursors and the queue of frames that the switch has not
//! acknowledged; it sends those again on the next connection, so that a cut loses nothing. It never waits, never asks the time
//! and, once its buffers have grown, never allocates.
//!
//! ```text
//!             connected()              Welcome
//!   Closed ----------------> Greeting ---------> Open
//!     ^                          |                 |
//!     +---- disconnected(), or receive() gives Broken
//! ```

use std::collections::VecDeque;

use crate::limits::{
    ECHO_AFTER_MS, FRAME_BYTES_MAX, HELLO_TIMEOUT_MS, SILENCE_MAX_MS, UNACKNOWLEDGED_BYTES_MAX,
    UNACKNOWLEDGED_FRAMES_MAX,
};
use crate::message::{
    AccountReport, Ack, AliasFound, AliasResult, ArchivedAccountReport, ArchivedAliasFound, ArchivedAliasResult,
    ArchivedCaseForward, ArchivedCaseStatus, ArchivedDirectoryAnswer, ArchivedError, ArchivedForward, ArchivedReturned,
    ArchivedStatus, CaseForward, CaseStatus, Cursors, DirectoryAnswer, Echo, ErrorCode, Forward, HELLO_ALONE, Hello,
    Lane, Lineage, MessageKind, Numbered, OUTBOX_LANES, Part, ParticipantCode, Returned, SEEN_FROM_THE_END, Status,
    Welcome,
};
use crate::native::arrivals::{Arrivals, Place};
use crate::native::frame::{self, Decoded, Frame, Head};

/// What a provider has seen of its outbox: the numbers, and the history of the journal in which they mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Of the numbers; zeros for none.
    pub lineage: Lineage,
    /// The highest number below which all arrived, in each lane.
    pub seen: Cursors,
}

impl Resume {
    /// Nothing was seen: everything that the switch has is wanted.
    pub const FROM_THE_START: Resume = Resume { lineage: [0; 16], seen: [0; OUTBOX_LANES] };

    /// Nothing old is wanted.
    pub const FROM_THE_END: Resume = Resume { lineage: [0; 16], seen: SEEN_FROM_THE_END };
}

/// How much may wait for acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnacknowledgedMax {
    /// Frames.
    pub frames: usize,
    /// Their bytes. A frame is taken only while a longest possible one would fit.
    pub bytes: usize,
}

impl Default for UnacknowledgedMax {
    fn default() -> UnacknowledgedMax {
        UnacknowledgedMax { frames: UNACKNOWLEDGED_FRAMES_MAX, bytes: UNACKNOWLEDGED_BYTES_MAX }
    }
}

/// Too much waits for acknowledgement: take the message back and offer it again after an `Acknowledged` or a `Refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many messages wait for the switch's acknowledgement")
    }
}

impl std::error::Error for Full {}

/// Why a connection can not go on. The shell closes it and makes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The switch sent something that is no frame of this version.
    Frame(ErrorCode),
    /// The switch sent a message that it may not send, or not now.
    Unexpected(MessageKind),
    /// A number of the outbox is missing: it was skipped, or `Welcome` goes on after it.
    Gap {
        /// Where.
        lane: Lane,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// Of two connections one is so far ahead of a number that does not come that no more can be held.
    TooFarAhead {
        /// Where.
        lane: Lane,
        /// The number that does not come.
        expected: u64,
    },
    /// The switch acknowledged a frame that was never sent.
    Acknowledgement(u64),
    /// The switch said nothing for too long.
    Silent,
    /// There is no connection.
    Closed,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Frame(code) => write!(f, "the switch sent what is no frame: {}", code.name()),
            Broken::Unexpected(kind) => write!(f, "the switch sent {} where it may not", kind.conduct().name),
            Broken::Gap { lane, expected, received } => {
                write!(f, "in lane {} number {expected} is missing: {received} came", *lane as u8)
            }
            Broken::TooFarAhead { lane, expected } => {
                write!(f, "in lane {} number {expected} does not come, and too much that follows it has", *lane as u8)
            }
            Broken::Acknowledgement(number) => {
                write!(f, "the switch acknowledged frame {number}, which was never sent")
            }
            Broken::Silent => f.write_str("the switch was silent for too long"),
            Broken::Closed => f.write_str("there is no connection"),
        }
    }
}

impl std::error::Error for Broken {}

/// What the switch says about the numbers of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcomed {
    /// The numbers seen so far mean nothing any more: messages that were seen before may come again under new numbers.
    pub numbers_restarted: bool,
    /// Of the journal.
    pub lineage: Lineage,
    /// The next number in each lane is this plus one.
    pub resumed_after: Cursors,
    /// The highest number that exists now.
    pub enqueued: Cursors,
    /// Journal time.
    pub time_ns: u64,
    /// The longest frame the switch takes.
    pub frame_bytes_max: u32,
    /// How many payments this participant may have open.
    pub in_flight_max: u32,
    /// How many frames of earlier connections are sent again.
    pub resent: usize,
}

/// What a connection brought. Borrowed from the received bytes.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The connection is open.
    Welcomed(Welcomed),
    /// The next message has this number in this lane of the outbox.
    Numbered(Lane, u64),
    /// A payment to this provider's customer waits for an `Answer`.
    Forward {
        /// What the switch read.
        routing: &'a ArchivedForward,
        /// A `PaymentPrivate`, or empty.
        private: &'a [u8],
    },
    /// What became of a payment, or of a return of this provider.
    Status {
        /// The outcome.
        routing: &'a ArchivedStatus,
        /// A `Note`, or empty.
        private: &'a [u8],
        /// Does it come from the outbox? Otherwise it is a reply: to a `StatusRequest`, a duplicate, or an answer that changed nothing.
        numbered: bool,
    },
    /// Money that this provider had paid has come back.
    Returned {
        /// What the switch read.
        routing: &'a ArchivedReturned,
        /// A `Note`, or empty.
        private: &'a [u8],
    },
    /// A case waits for this provider's answer.
    CaseForward {
        /// What the switch read.
        routing: &'a ArchivedCaseForward,
        /// A `PaymentPrivate`, or empty.
        private: &'a [u8],
    },
    /// Where a case stands.
    CaseStatus {
        /// The state.
        routing: &'a ArchivedCaseStatus,
        /// A `Note`, or empty.
        private: &'a [u8],
        /// As of a `Status`.
        numbered: bool,
    },
    /// What became of a command about an alias.
    AliasResult {
        /// The result.
        routing: &'a ArchivedAliasResult,
        /// An `AliasResultPrivate`, or empty.
        private: &'a [u8],
    },
    /// The answer to a look-up.
    AliasFound {
        /// The answer.
        routing: &'a ArchivedAliasFound,
        /// An `AliasFoundPrivate`, or empty.
        private: &'a [u8],
    },
    /// The answer to a question about this provider's own entries.
    DirectoryAnswer {
        /// What it answers.
        routing: &'a ArchivedDirectoryAnswer,
        /// `DirectoryItems`, or empty.
        private: &'a [u8],
    },
    /// Where this provider stands in a currency.
    AccountReport {
        /// The answer. It has no private part.
        routing: &'a ArchivedAccountReport,
    },
    /// A frame was refused before it was recorded. It is not sent again by itself.
    Refused {
        /// Why, in what field, of which payment.
        error: &'a ArchivedError,
        /// The same message may be submitted again after `error.retry_after_ms`.
        busy: bool,
        /// Which submission was refused; 0 where it was none.
        ticket: u64,
        /// A `Note`, or empty.
        private: &'a [u8],
    },
    /// Every submission up to this ticket was decided durably, or was refused before this event.
    Acknowledged {
        /// The ticket that `submit` gave.
        through: u64,
    },
    /// The switch is there: the answer to an `Echo` of ours.
    Echo {
        /// Ours.
        token: u64,
    },
}

/// How long nothing happened on a connection, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Since bytes were sent.
    pub sent_ms: u64,
    /// Since bytes were received, or since the connection began.
    pub received_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Closed,
    /// `Hello` was written, `Welcome` did not come yet.
    Greeting,
    /// Both sides send what they like.
    Open,
}

/// The provider's side of the native protocol.
pub struct ClientSession {
    code: ParticipantCode,
    /// Which of the provider's connections it is.
    slot: u8,
    phase: Phase,
    arrivals: Arrivals,
    /// What of that the switch was told on this connection.
    told: Cursors,
    /// Number of the last frame that was written on this connection.
    number: u64,
    unacknowledged: Unacknowledged,
    unacknowledged_max: UnacknowledgedMax,
    /// A frame whose end has not come yet. Never longer than one frame.
    partial: Vec<u8>,
    outgoing: Vec<u8>,
    echo_token: u64,
}

impl ClientSession {
    /// A session without a connection. `resume` says what was seen in an earlier life.
    pub fn new(code: ParticipantCode, resume: Resume) -> ClientSession {
        ClientSession {
            code,
            slot: 0,
            phase: Phase::Closed,
            arrivals: Arrivals::after(resume),
            told: [0; OUTBOX_LANES],
            number: 0,
            unacknowledged: Unacknowledged::default(),
            unacknowledged_max: UnacknowledgedMax::default(),
            partial: Vec::with_capacity(FRAME_BYTES_MAX),
            outgoing: Vec::new(),
            echo_token: 0,
        }
    }

    /// Sets how much may wait for acknowledgement.
    #[must_use]
    pub fn with_unacknowledged_max(mut self, max: UnacknowledgedMax) -> ClientSession {
        assert!(max.frames > 0);
        assert!(max.bytes >= FRAME_BYTES_MAX, "one longest frame must fit");
        self.unacknowledged_max = max;
        self
    }

    /// As one of two connections of a `ClientPair`, in this slot.
    #[must_use]
    pub(super) fn in_slot(mut self, slot: usize) -> ClientSession {
        self.slot = u8::try_from(slot).unwrap_or(u8::MAX);
        self
    }

    /// Takes what has arrived over both connections, or gives it back.
    pub(super) fn swap_arrivals(&mut self, arrivals: &mut Arrivals) {
        std::mem::swap(&mut self.arrivals, arrivals);
    }

    /// Takes the oldest submission that the switch has neither acknowledged nor refused out of a session without connection: kind, routing part, private part.
    pub(super) fn take_oldest(&mut self) -> Option<(MessageKind, Vec<u8>, Vec<u8>)> {
        assert!(self.phase == Phase::Closed, "what is on its way is not sent twice at a time");
        self.unacknowledged.take_oldest()
    }

    /// The provider's only connection begins: forgets what came half, and writes `Hello`. Nothing else is written before `Welcome`.
    pub fn connected(&mut self) {
        self.begin(true);
    }

    /// As `connected`; `is_alone` says whether the provider has no other connection now.
    pub(super) fn begin(&mut self, is_alone: bool) {
        self.disconnected();
        self.phase = Phase::Greeting;
        let Resume { lineage, seen } = self.resume();
        self.told = seen;
        let slot = self.slot | if is_alone { HELLO_ALONE } else { 0 };
        let hello = Hello { participant: *self.code.bytes(), lineage, seen, slot };
        frame::encode(&mut self.outgoing, MessageKind::Hello, Head::PLAIN, &hello, |_| {});
    }

    /// The connection is over. What is not acknowledged is kept for the next one.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Closed;
        self.partial.clear();
        self.outgoing.clear();
        self.number = 0;
    }

    /// Is there no connection?
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Is the connection welcomed?
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// How much of a half received frame is there; 0 between frames.
    pub fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    /// What was seen so far: what a provider stores, and gives to `new` in its next life.
    pub fn resume(&self) -> Resume {
        self.arrivals.resume()
    }

    /// How many submissions are not acknowledged yet.
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.frames.len()
    }

    /// Would `submit` take a message now?
    pub fn has_room(&self) -> bool {
        self.unacknowledged.frames.len() < self.unacknowledged_max.frames
            && self.unacknowledged.bytes_held() + FRAME_BYTES_MAX <= self.unacknowledged_max.bytes
    }

    /// Takes a message that is for a provider to submit (`MessageKind::is_resent`), to be sent now or after the next `Welcome`, and again until it
    /// is acknowledged. Gives its ticket: submissions are counted 1, 2, 3 ... for as long as the session lives.
    ///
    /// # Panics
    /// If the kind is another, or the frame would be longer than `FRAME_BYTES_MAX`.
    pub fn submit<P: Part>(
        &mut self,
        kind: MessageKind,
        routing: &P,
        write_private: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, Full> {
        self.submit_with(kind, |out, head| frame::encode(out, kind, head, routing, write_private))
    }

    /// As `submit`, from parts that are bytes already.
    ///
    /// # Panics
    /// As `submit`.
    pub fn submit_raw(&mut self, kind: MessageKind, routing: &[u8], private: &[u8]) -> Result<u64, Full> {
        self.submit_with(kind, |out, head| frame::encode_raw(out, kind, head, routing, private))
    }

    fn submit_with(&mut self, kind: MessageKind, encode: impl FnOnce(&mut Vec<u8>, Head)) -> Result<u64, Full> {
        assert!(kind.is_resent(), "{kind:?} is not for a provider to submit");
        if !self.has_room() {
            return Err(Full);
        }
        // Before `Welcome` the number does not matter: the frame is renumbered when it is sent.
        let open = self.phase == Phase::Open;
        let head = if open { self.next_head() } else { Head::PLAIN };
        let start = self.unacknowledged.bytes.len();
        encode(&mut self.unacknowledged.bytes, head);
        let frame = &self.unacknowledged.bytes[start..];
        if open {
            self.outgoing.extend_from_slice(frame);
        }
        let length = frame.len();
        Ok(self.unacknowledged.push(Held { length, number: head.number, refused: false }))
    }

    /// Takes received bytes, cut anywhere. After an error the connection is over.
    pub fn receive(&mut self, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let received = self.receive_frames(bytes, on);
        if received.is_err() {
            self.disconnected();
        }
        received
    }

    /// Writes an `Ack` if something was received that no frame has acknowledged yet.
    pub fn acknowledge_now(&mut self) {
        let received = self.arrivals.seen;
        if self.phase == Phase::Open && self.told != received {
            let head = Head { acknowledged: 0, ..Head::PLAIN };
            frame::encode(&mut self.outgoing, MessageKind::Ack, head, &Ack { received }, |_| {});
            self.told = received;
        }
    }

    /// Writes an `Echo` if nothing was sent for long enough; tells if the switch was silent for too long.
    pub fn tick(&mut self, idle: Idle) -> Result<(), Broken> {
        let silence_max_ms = match self.phase {
            Phase::Closed => return Err(Broken::Closed),
            Phase::Greeting => HELLO_TIMEOUT_MS,
            Phase::Open => SILENCE_MAX_MS,
        };
        if idle.received_ms >= silence_max_ms {
            self.disconnected();
            return Err(Broken::Silent);
        }
        if self.phase == Phase::Open && idle.sent_ms >= ECHO_AFTER_MS && self.outgoing.is_empty() {
            self.echo_token += 1;
            self.write_echo(Echo { token: self.echo_token, reply: 0 });
        }
        Ok(())
    }

    /// What is to be written to the connection. The shell writes all of it, and clears it. A shell that cannot write must go on
    /// receiving: a switch that waits for it to do so takes nothing meanwhile, and each would wait for the other.
    pub fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    fn receive_frames(&mut self, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        if self.phase == Phase::Closed {
            return Err(Broken::Closed);
        }
        let mut rest = bytes;
        if !self.partial.is_empty() {
            // Taken out, so that an event may borrow from it while the session changes; it goes back with its capacity.
            let mut partial = std::mem::take(&mut self.partial);
            let completed = complete(&mut partial, &mut rest);
            let received = if completed { self.receive_whole(&partial, on).map(|_| partial.clear()) } else { Ok(()) };
            self.partial = partial;
            received?;
        }
        let used = self.receive_whole(rest, on)?;
        self.partial.extend_from_slice(&rest[used..]);
        assert!(self.partial.len() < FRAME_BYTES_MAX);
        Ok(())
    }

    /// Takes the whole frames at the start of `bytes`, and says how many bytes those were.
    fn receive_whole(&mut self, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            match frame::decode(&bytes[used..]) {
                Decoded::Incomplete => return Ok(used),
                Decoded::Frame(frame, length) => {
                    used += length;
                    self.receive_frame(&frame, on)?;
                }
                // A newer switch must not send an older provider what it does not know: skipping it could skip money.
                Decoded::Refused { code, .. } | Decoded::Lost(code) => return Err(Broken::Frame(code)),
            }
        }
    }

    fn receive_frame(&mut self, frame: &Frame<'_>, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        match (self.phase, frame.kind) {
            (Phase::Greeting, MessageKind::Welcome) => return self.receive_welcome(frame, on),
            (Phase::Greeting, MessageKind::Error) => {}
            (Phase::Open, kind) if kind.conduct().from_switch && kind != MessageKind::Welcome => {}
            (_, kind) => return Err(Broken::Unexpected(kind)),
        }
        self.receive_acknowledgement(frame.head, on)?;
        match frame.kind {
            kind if kind.conduct().numbered != Numbered::Never => match frame.head.lane.outbox_index() {
                Some(lane_index) => self.receive_numbered(frame, lane_index, on),
                None if kind.conduct().numbered == Numbered::UnlessReply => hand_out(frame, false, on),
                None => Err(Broken::Unexpected(kind)),
            },
            MessageKind::Error => self.receive_error(frame, on),
            MessageKind::Echo => self.receive_echo(frame, on),
            MessageKind::AliasResult
            | MessageKind::AliasFound
            | MessageKind::DirectoryAnswer
            | MessageKind::AccountReport => hand_out(frame, false, on),
            // An acknowledgement stands in the header.
            _ => Ok(()),
        }
    }

    /// A message of an outbox lane: hands it out if it is its turn, and with it what was held for that.
    fn receive_numbered(
        &mut self,
        frame: &Frame<'_>,
        lane_index: usize,
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Broken> {
        if self.arrivals.place(frame, lane_index)? != Place::Next {
            return Ok(());
        }
        hand_out(frame, true, on)?;
        while let Some(bytes) = self.arrivals.take_held(lane_index) {
            let Decoded::Frame(frame, _) = frame::decode(&bytes) else { unreachable!("it was a frame when it came") };
            hand_out(&frame, true, on)?;
        }
        Ok(())
    }

    fn receive_welcome(&mut self, frame: &Frame<'_>, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let welcome = read::<Welcome>(frame)?;
        let resumed_after = welcome.resumed_after.map(|number| number.to_native());
        let numbers_restarted = self.resume_after(welcome.lineage, resumed_after)?;
        self.phase = Phase::Open;
        let resent = self.resend();
        on(Event::Welcomed(Welcomed {
            numbers_restarted,
            lineage: welcome.lineage,
            resumed_after,
            enqueued: welcome.enqueued.map(|number| number.to_native()),
            time_ns: welcome.time_ns.to_native(),
            frame_bytes_max: welcome.frame_bytes_max.to_native(),
            in_flight_max: welcome.in_flight_max.to_native(),
            resent,
        }));
        Ok(())
    }

    /// Takes the cursors over from where the switch goes on; says whether numbers seen before mean nothing any more.
    fn resume_after(&mut self, lineage: Lineage, resumed_after: Cursors) -> Result<bool, Broken> {
        let Resume { lineage: known, mut seen } = self.resume();
        let is_known = known == lineage;
        let mut restarted = known != [0; 16] && !is_known;
        for (index, lane) in Lane::OUTBOX.into_iter().enumerate() {
            let resumed = resumed_after[index];
            if seen[index] == u64::MAX {
                seen[index] = resumed;
                continue;
            }
            if is_known && resumed > seen[index] {
                return Err(Broken::Gap { lane, expected: seen[index] + 1, received: resumed.saturating_add(1) });
            }
            // Before what this connection has said: over another one more may have come since.
            restarted |= resumed < self.told[index];
        }
        if restarted || !is_known {
            seen = resumed_after;
        }
        self.arrivals.go_on(lineage, seen, restarted);
        self.told = resumed_after;
        Ok(restarted)
    }

    /// Sends again what the switch never acknowledged, before anything new, under this connection's numbers.
    fn resend(&mut self) -> usize {
        let mut queue = std::mem::take(&mut self.unacknowledged);
        let mut start = queue.start;
        let mut resent = 0;
        for held in &mut queue.frames {
            let frame = &mut queue.bytes[start..start + held.length];
            start += held.length;
            if held.refused {
                // It only waits for those before it. Its number must not break the order of the queue.
                held.number = self.number;
                continue;
            }
            let head = self.next_head();
            held.number = head.number;
            frame::renumber(frame, head);
            self.outgoing.extend_from_slice(frame);
            resent += 1;
        }
        self.unacknowledged = queue;
        resent
    }

    fn receive_acknowledgement(&mut self, head: Head, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        if head.acknowledged_lane != Lane::Session || head.acknowledged == 0 {
            return Ok(());
        }
        if head.acknowledged > self.number {
            return Err(Broken::Acknowledgement(head.acknowledged));
        }
        if let Some(through) = self.unacknowledged.acknowledge(head.acknowledged) {
            on(Event::Acknowledged { through });
        }
        Ok(())
    }

    fn receive_error(&mut self, frame: &Frame<'_>, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let error = read::<crate::message::Error>(frame)?;
        let code = ErrorCode::from_number(error.code.to_native());
        let busy = matches!(code, Some(ErrorCode::Busy | ErrorCode::RateLimited | ErrorCode::ShuttingDown));
        // Before `Welcome` nothing but `Hello` was sent on this connection, and the numbers in the queue are not its own.
        let open = self.phase == Phase::Open;
        let number = if open { error.frame_number.to_native() } else { 0 };
        let ticket = self.unacknowledged.refuse(number).unwrap_or(0);
        on(Event::Refused { error, busy, ticket, private: frame.private });
        if open && let Some(through) = self.unacknowledged.acknowledge(0) {
            on(Event::Acknowledged { through });
        }
        Ok(())
    }

    fn receive_echo(&mut self, frame: &Frame<'_>, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
        let echo = read::<Echo>(frame)?;
        let token = echo.token.to_native();
        match echo.reply {
            // Where much waits to be sent anyway, that is sign of life enough; so a flood of echoes fills no memory.
            0 if self.outgoing.len() < FRAME_BYTES_MAX => self.write_echo(Echo { token, reply: 1 }),
            0 => {}
            1 => on(Event::Echo { token }),
            _ => return Err(Broken::Frame(ErrorCode::BadField)),
        }
        Ok(())
    }

    fn write_echo(&mut self, echo: Echo) {
        let head = self.next_head();
        frame::encode(&mut self.outgoing, MessageKind::Echo, head, &echo, |_| {});
    }

    /// The header of the next numbered frame. It acknowledges the first lane in which there is something to acknowledge.
    fn next_head(&mut self) -> Head {
        self.number += 1;
        let seen = self.arrivals.seen;
        let news = (0..OUTBOX_LANES).find(|&index| self.told[index] != seen[index]).unwrap_or(0);
        self.told[news] = seen[news];
        Head {
            lane: Lane::Session,
            number: self.number,
            acknowledged_lane: Lane::OUTBOX[news],
            acknowledged: seen[news],
        }
    }
}

/// Makes an event of a message from the outbox, or of a reply.
fn hand_out(frame: &Frame<'_>, numbered: bool, on: &mut impl FnMut(Event<'_>)) -> Result<(), Broken> {
    let private = frame.private;
    if numbered {
        on(Event::Numbered(frame.head.lane, frame.head.number));
    }
    on(match frame.kind {
        MessageKind::Forward => Event::Forward { routing: read::<Forward>(frame)?, private },
        MessageKind::Status => Event::Status { routing: read::<Status>(frame)?, private, numbered },
        MessageKind::Returned => Event::Returned { routing: read::<Returned>(frame)?, private },
        MessageKind::CaseForward => Event::CaseForward { routing: read::<CaseForward>(frame)?, private },
        MessageKind::CaseStatus => Event::CaseStatus { routing: read::<CaseStatus>(frame)?, private, numbered },
        MessageKind::AliasResult => Event::AliasResult { routing: read::<AliasResult>(frame)?, private },
        MessageKind::AliasFound => Event::AliasFound { routing: read::<AliasFound>(frame)?, private },
        MessageKind::DirectoryAnswer => Event::DirectoryAnswer { routing: read::<DirectoryAnswer>(frame)?, private },
        MessageKind::AccountReport => Event::AccountReport { routing: read::<AccountReport>(frame)? },
        kind => return Err(Broken::Unexpected(kind)),
    });
    Ok(())
}

/// Reads the routing part in place. `frame::decode` has seen that its length is the one of its kind.
fn read<'a, P: Part>(frame: &Frame<'a>) -> Result<&'a P::Archived, Broken> {
    P::read(frame.routing).ok_or(Broken::Frame(ErrorCode::BadMessage))
}

/// Moves bytes from `rest` to `partial` until that is one whole frame, and says whether it is. A length that no frame can have
/// counts as whole: decoding refuses it.
fn complete(partial: &mut Vec<u8>, rest: &mut &[u8]) -> bool {
    let mut take_until = |partial: &mut Vec<u8>, length: usize| {
        let (taken, left) = rest.split_at(rest.len().min(length.saturating_sub(partial.len())));
        partial.extend_from_slice(taken);
        *rest = left;
        partial.len() >= length
    };
    if !take_until(partial, 4) {
        return false;
    }
    let length = partial.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    !(frame::HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) || take_until(partial, length)
}

/// Frames that the switch has not acknowledged, oldest first, one after another in one buffer.
#[derive(Default)]
struct Unacknowledged {
    bytes: Vec<u8>,
    /// Where the first frame starts; what is before it has left.
    start: usize,
    frames: VecDeque<Held>,
    /// How many frames have left: the ticket of the first frame is one more.
    left: u64,
}

struct Held {
    length: usize,
    /// On this connection; in ascending order, because frames are sent in the order of the queue.
    number: u64,
    /// It leaves as soon as it is the first.
    refused: bool,
}

/// Bytes of frames that have left are given back in portions not smaller than this, and not smaller than what is held: each byte
/// is then moved at most once.
const GIVE_BACK_BYTES_MIN: usize = 65_536;

impl Unacknowledged {
    fn bytes_held(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Takes in a frame whose bytes were appended already; gives its ticket.
    fn push(&mut self, held: Held) -> u64 {
        self.frames.push_back(held);
        self.left + self.frames.len() as u64
    }

    /// Lets frames go up to this number; gives the ticket of the last that has left, if any left now.
    fn acknowledge(&mut self, through_number: u64) -> Option<u64> {
        self.let_go(|first| first.refused || first.number <= through_number)
    }

    fn let_go(&mut self, is_done: impl Fn(&Held) -> bool) -> Option<u64> {
        let left_before = self.left;
        while let Some(first) = self.frames.front()
            && is_done(first)
        {
            self.start += first.length;
            self.left += 1;
            self.frames.pop_front();
        }
        if self.frames.is_empty() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= GIVE_BACK_BYTES_MIN.max(self.bytes.len() / 2) {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        (self.left > left_before).then_some(self.left)
    }

    /// Lets the oldest frame go that was not refused, and gives what is in it.
    fn take_oldest(&mut self) -> Option<(MessageKind, Vec<u8>, Vec<u8>)> {
        // By no number: what was never sent has none.
        self.let_go(|first| first.refused);
        let first = self.frames.front_mut()?;
        first.refused = true;
        let parts = match frame::decode(&self.bytes[self.start..self.start + first.length]) {
            Decoded::Frame(frame, _) => (frame.kind, frame.routing.to_vec(), frame.private.to_vec()),
            _ => unreachable!("what was encoded here is a frame"),
        };
        self.let_go(|first| first.refused);
        Some(parts)
    }

    /// Marks the frame with this number as refused; gives its ticket.
    fn refuse(&mut self, number: u64) -> Option<u64> {
        let index = self.frames.partition_point(|held| held.number < number);
        let held = self.frames.get_mut(index).filter(|held| held.number == number && number > 0)?;
        held.refused = true;
        Some(self.left + index as u64 + 1)
    }
}
