//! Sessions: the switch's side of the native protocol, one for each connection. State machines without I/O.
//!
//! A session knows what arrived on its connection and what of that was decided. What its participant was sent, over all its connections, the `feed` knows.
//! It decides nothing about payments.

use std::collections::BTreeSet;

use adapters::check::Refusal;
use adapters::limits::{ECHO_AFTER_MS, HELLO_TIMEOUT_MS, SILENCE_MAX_MS, STALL_MAX_MS};
use adapters::message::{
    Ack, Cursors, Echo, Error as ErrorPart, ErrorCode, Field, Lane, Lineage, MessageKind, Note, OUTBOX_LANES, Part,
    ParticipantCode, Welcome,
};
use adapters::native::frame::{Head, encode};

use crate::entry::ParticipantId;
use crate::limits::{NS_PER_MS, OUTGOING_BYTES_MAX, OUTGOING_BYTES_PER_TURN_MAX};

/// Handle of a session. A place that is used again gets another generation, so an old handle finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    index: u32,
    generation: u32,
}

impl SessionKey {
    /// The handle of no session.
    pub const NONE: SessionKey = SessionKey { index: u32::MAX, generation: u32::MAX };

    /// Its place, for tables beside this one.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// The certificate that TLS has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Whom it names.
    pub holder: ParticipantCode,
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
}

/// How a connection begins: who the provider says it is, and what it has seen.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    /// For whom it speaks.
    pub participant: ParticipantCode,
    /// Which of the participant's connections it is.
    pub slot: usize,
    /// The participant has no other connection.
    pub is_alone: bool,
    /// The journal of its cursors.
    pub lineage: Lineage,
    /// What it has seen.
    pub seen: Cursors,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// TLS stands; nothing was said.
    ExpectHello,
    /// `Hello` was said; the key that seals what will come is on its way.
    ExpectKey,
    /// Messages flow.
    Live(ParticipantId),
    /// A fatal error was written; the connection ends once it has left.
    Closing,
}

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    /// What TLS has proved.
    pub certificate: PeerCertificate,
    /// For whom it speaks: whom the certificate names, until `Hello` names another.
    pub code: ParticipantCode,
    /// How far it has come.
    pub phase: Phase,
    /// Which of its participant's connections it is, once it has said `Hello`.
    pub slot: usize,
    /// The number of the last frame that arrived.
    pub arrived: u64,
    /// Why the connection ends, once it does.
    pub ended_by: Option<ErrorCode>,
    /// Everything up to this frame is decided, or was refused.
    decided: u64,
    /// Frames that arrived and wait for the history.
    held: BTreeSet<u64>,
    /// What of that the provider was told.
    told: u64,
    /// Frames that wait to be encrypted.
    outgoing: Vec<u8>,
    /// Bytes that were encrypted and have not left.
    pub link_pending_bytes: usize,
    /// Is it in the list of those with something to send?
    is_ready: bool,
    /// When it began.
    opened_at_ns: u64,
    /// When something last came in.
    heard_at_ns: u64,
    /// Since when it has been in the middle of a frame; none where it is not.
    partial_since_ns: Option<u64>,
    /// When it was last asked whether it is there.
    echoed_at_ns: u64,
    /// Frames of what was last read that were turned away, and cost no token.
    turned_away: u32,
    /// It is not read before this.
    reads_again_at_ns: u64,
}

impl Session {
    /// A connection that has shown this certificate.
    pub fn new(certificate: PeerCertificate, now_ns: u64) -> Session {
        Session {
            certificate,
            code: certificate.holder,
            phase: Phase::ExpectHello,
            slot: 0,
            arrived: 0,
            ended_by: None,
            decided: 0,
            held: BTreeSet::new(),
            told: 0,
            outgoing: Vec::new(),
            link_pending_bytes: 0,
            is_ready: false,
            opened_at_ns: now_ns,
            heard_at_ns: now_ns,
            partial_since_ns: None,
            echoed_at_ns: now_ns,
            turned_away: 0,
            reads_again_at_ns: 0,
        }
    }

    /// Whose connection it is, once it has said `Hello`.
    pub fn participant(&self) -> Option<ParticipantId> {
        match self.phase {
            Phase::Live(participant) => Some(participant),
            Phase::ExpectHello | Phase::ExpectKey | Phase::Closing => None,
        }
    }

    /// May more be written to it? A provider that does not take what waits for it gets nothing more, and nothing more is read from it.
    pub fn has_room(&self) -> bool {
        self.link_pending_bytes < OUTGOING_BYTES_MAX && self.outgoing.len() < OUTGOING_BYTES_PER_TURN_MAX
    }

    /// Head of a frame that is numbered in an outbox lane.
    pub fn numbered_head(&mut self, lane: Lane, number: u64) -> Head {
        Head { lane, number, ..self.plain_head() }
    }

    /// Head of any other frame. Every frame says how far the provider's own frames have been decided.
    pub fn plain_head(&mut self) -> Head {
        self.told = self.decided;
        Head { acknowledged: self.decided, ..Head::PLAIN }
    }

    /// Where frames are written.
    pub fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Nothing of this connection waits to leave.
    pub fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && self.link_pending_bytes == 0
    }

    /// Everything that has arrived is decided or was refused, but for what waits for the history: that holds the number back.
    pub fn decided_all(&mut self) {
        let decided = self.held.first().map_or(self.arrived, |first| first - 1);
        assert!(self.decided <= decided, "what was decided stays decided");
        self.decided = decided;
    }

    /// This frame waits for the history.
    pub fn hold(&mut self, number: u64) {
        assert!(self.decided < number && number <= self.arrived, "only what is not decided can wait");
        assert!(self.held.insert(number), "a frame waits once");
    }

    /// This frame waits no longer; the end of the turn counts it.
    pub fn release(&mut self, number: u64) {
        assert!(self.held.remove(&number), "only what waits is released");
    }

    /// How many frames wait for the history.
    pub fn frames_held(&self) -> usize {
        self.held.len()
    }

    /// Says how far the provider's frames were decided, unless another frame has said so.
    pub fn acknowledge(&mut self) {
        if self.told < self.decided {
            let head = self.plain_head();
            encode(&mut self.outgoing, MessageKind::Ack, head, &Ack { received: [0; OUTBOX_LANES] }, |_| {});
        }
    }

    /// Welcomes the provider.
    pub fn welcome(&mut self, participant: ParticipantId, slot: usize, welcome: &Welcome) {
        self.phase = Phase::Live(participant);
        self.slot = slot;
        let head = self.plain_head();
        encode(&mut self.outgoing, MessageKind::Welcome, head, welcome, |_| {});
    }

    /// Answers an echo.
    pub fn echo(&mut self, token: u64) {
        let head = self.plain_head();
        encode(&mut self.outgoing, MessageKind::Echo, head, &Echo { token, reply: 1 }, |_| {});
    }

    /// Refuses a frame, or the connection as a whole where the code is fatal.
    pub fn refuse(&mut self, frame_number: u64, refusal: Refusal, retry_after_ms: u32, text: &str) {
        let fatal = refusal.code.is_fatal();
        let error = ErrorPart {
            code: refusal.code as u16,
            field: refusal.field as u8,
            fatal: u8::from(fatal),
            retry_after_ms,
            frame_number,
            payment_id: refusal.payment_id,
        };
        let note = Note { text: text.as_bytes().to_vec(), extension: Vec::new() };
        let head = self.plain_head();
        encode(&mut self.outgoing, MessageKind::Error, head, &error, |out| note.write(out));
        // What is refused for want of room, or by the directory, has cost its sender a token.
        let is_paid = matches!(
            refusal.code,
            ErrorCode::Busy
                | ErrorCode::ShuttingDown
                | ErrorCode::AliasNotFound
                | ErrorCode::LookupLimited
                | ErrorCode::AttestationRefused
        );
        self.turned_away += u32::from(!is_paid);
        if fatal {
            self.phase = Phase::Closing;
            self.ended_by = Some(refusal.code);
        }
    }

    /// Something arrived; `partial` says whether it ended in the middle of a frame, `advanced` whether a whole frame was among it.
    pub fn heard(&mut self, now_ns: u64, partial: bool, advanced: bool) {
        self.heard_at_ns = now_ns;
        if !partial {
            self.partial_since_ns = None;
        } else if advanced || self.partial_since_ns.is_none() {
            self.partial_since_ns = Some(now_ns);
        }
    }

    /// It is not read from now, for want of room here: that it is not heard is no fault of its own.
    pub fn not_read(&mut self, now_ns: u64) {
        self.heard_at_ns = now_ns;
        self.partial_since_ns = self.partial_since_ns.map(|_| now_ns);
    }

    /// It is read: what of that is turned away is counted anew.
    pub fn begin_reading(&mut self) {
        self.turned_away = 0;
    }

    /// How many frames of what was last read were turned away, and cost no token: too many, or no messages.
    pub fn turned_away(&self) -> u32 {
        self.turned_away
    }

    /// It is not read until then.
    pub fn pause_until(&mut self, end_ns: u64) {
        self.reads_again_at_ns = end_ns;
    }

    /// Is it not to be read now?
    pub fn is_paused(&self, now_ns: u64) -> bool {
        now_ns < self.reads_again_at_ns
    }

    /// What its time-outs ask for, and what its buffer has beyond the usual is given back. Called about once a second.
    pub fn check_time(&mut self, now_ns: u64) {
        self.outgoing.shrink_to(OUTGOING_BYTES_MAX);
        let since = |then_ns: u64| now_ns.saturating_sub(then_ns) / NS_PER_MS;
        let too_slow = Refusal::plain(ErrorCode::TooSlow);
        match self.phase {
            Phase::Closing => {}
            Phase::ExpectHello | Phase::ExpectKey if since(self.opened_at_ns) > HELLO_TIMEOUT_MS => {
                self.refuse(0, too_slow, 0, "not welcomed in time");
            }
            _ if self.partial_since_ns.is_some_and(|then_ns| since(then_ns) > STALL_MAX_MS) => {
                self.refuse(0, too_slow, 0, "in the middle of a frame for too long");
            }
            _ if since(self.heard_at_ns) > SILENCE_MAX_MS => self.refuse(0, too_slow, 0, "silent for too long"),
            Phase::Live(_) if since(self.heard_at_ns.max(self.echoed_at_ns)) > ECHO_AFTER_MS => {
                self.echoed_at_ns = now_ns;
                let head = self.plain_head();
                encode(&mut self.outgoing, MessageKind::Echo, head, &Echo { token: now_ns, reply: 0 }, |_| {});
            }
            _ => {}
        }
    }
}

/// All sessions, and who has something to send.
#[derive(Default)]
pub struct Sessions {
    slots: Vec<(u32, Option<Session>)>,
    free: Vec<u32>,
    ready: Vec<SessionKey>,
}

impl Sessions {
    /// Adds a session.
    pub fn add(&mut self, session: Session) -> SessionKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).unwrap_or_else(|_| unreachable!("connections are bounded"))
        });
        let (generation, slot) = &mut self.slots[index as usize];
        *slot = Some(session);
        SessionKey { index, generation: *generation }
    }

    /// Takes a session out.
    pub fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let (generation, slot) = self.slots.get_mut(key.index())?;
        if *generation != key.generation {
            return None;
        }
        *generation += 1;
        self.free.push(key.index);
        slot.take()
    }

    /// A session, if it is still there.
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        let (generation, session) = self.slots.get_mut(key.index())?;
        session.as_mut().filter(|_| *generation == key.generation)
    }

    /// As `get_mut`, to read.
    pub fn get(&self, key: SessionKey) -> Option<&Session> {
        let (generation, session) = self.slots.get(key.index())?;
        session.as_ref().filter(|_| *generation == key.generation)
    }

    /// Runs `write` on a session, if it is still there, and notes that it has something to send. Nothing follows a fatal error: one that
    /// is closing is left alone.
    pub fn write(&mut self, key: SessionKey, write: impl FnOnce(&mut Session)) {
        let Some(session) = self.get_mut(key).filter(|session| session.phase != Phase::Closing) else { return };
        write(session);
        let is_new = !session.outgoing.is_empty() && !std::mem::replace(&mut session.is_ready, true);
        if is_new {
            self.ready.push(key);
        }
    }

    /// Takes one session out of the list of those that have something to send.
    pub fn take_ready(&mut self) -> Option<SessionKey> {
        let key = self.ready.pop()?;
        if let Some(session) = self.get_mut(key) {
            session.is_ready = false;
        }
        Some(key)
    }

    /// Every session's handle.
    pub fn keys(&self) -> Vec<SessionKey> {
        let slots = (0..).zip(&self.slots);
        let there = slots.filter(|(_, (_, session))| session.is_some());
        there.map(|(index, &(generation, _))| SessionKey { index, generation }).collect()
    }
}

/// What an error's text says beside its code and field.
pub fn text_of(refusal: &Refusal) -> &'static str {
    match refusal.code {
        ErrorCode::BadField => match refusal.field {
            Field::PaymentId => "the payment id must be a version-4 UUID",
            Field::CaseId => "the case id must be a version-4 UUID, or zeros in a return that names no recall",
            Field::OriginalId => "the original id must be another version-4 UUID, or zeros in a request to pay",
            Field::RequestId => "the request id must be a version-4 UUID, or zeros for none",
            Field::Payer | Field::Payee | Field::Participant | Field::Opener | Field::Responder => {
                "a participant code is 1 to 35 of A-Z 0-9 - _, then zero bytes"
            }
            Field::Amount => {
                "the amount must be from 1 to 999,999,999,999,999,999 minor units, or 0 in a case without one"
            }
            Field::Currency => {
                "the currency must be three upper-case letters of ISO 4217, or zeros in a case without an amount"
            }
            Field::AcceptedAt => "the acceptance time must be in nanoseconds since 1970",
            Field::ExpiresAt => "the expiry must be in nanoseconds since 1970, or 0 for the longest time",
            Field::Purpose => "the purpose must be four upper-case letters or digits, or zeros",
            Field::Lane => "the lane must be 1 (payments) or 2 (bulk)",
            Field::Decision => {
                "the decision must be 1 (accept) or 3 (reject), or 2 (accept without posting) of a payment"
            }
            Field::Reason => {
                "a reason is four upper-case letters or digits; an accept and a request to pay have none, all else needs one"
            }
            Field::CaseKind => "the kind of case must be 1 (recall), 2 (information) or 3 (payment request)",
            Field::AmountForm => "a case of this kind has no amount of this form",
            Field::Reply => "an echo asks (0) or answers (1)",
            Field::Slot => "the slot must be 0 or 1, or 2 or 3 for a connection that is alone",
            Field::PayerName
            | Field::PayerAccount
            | Field::PayeeName
            | Field::PayeeAccount
            | Field::EndToEndId
            | Field::Remittance
            | Field::Extension
            | Field::Text => "the field is too long, is not UTF-8, or holds control characters",
            Field::Operation => "there is no such operation, or it is not a provider's",
            Field::AliasType => "there is no such type of alias, or this message has none",
            Field::Alias => "the alias is missing, is one too many, or has not the form of its type",
            Field::EndUser => "the token of the end user is missing or too long",
            Field::Identity => "the identity's token is missing, is one too many, or has not the form of a token",
            Field::Account => "the account is missing, is one too many, or too long",
            Field::Name => "the name is missing, is one too many, or too long",
            Field::Attestation => "the attestation is missing, is one too many, or too long",
            Field::Consent => "a registration needs a consent: its purposes, and when it ends; nothing else has one",
            Field::Defaults => "an account can be the default for purposes that exist, in a registration or an update",
            Field::Form => "there is no such look-up, or no such question",
            Field::Items => "what is asked about is not as the format says, or is too much",
            Field::None | Field::Lineage | Field::Seen => "a field makes no sense",
        },
        ErrorCode::BadFrame => "the frame's length makes no sense",
        ErrorCode::BadVersion => "this switch speaks version 0",
        ErrorCode::UnknownKind => "there is no such message",
        ErrorCode::FrameTooLarge => "the frame is longer than 12,288 bytes",
        ErrorCode::BadMessage => "the header or a part of the message has the wrong length or layout",
        ErrorCode::NotAllowed => "a provider may not send this, or not now",
        ErrorCode::RateLimited => "more than this provider may send in a second; send the same frame again later",
        ErrorCode::Busy => "too many payments or cases are open; send the same frame again later",
        ErrorCode::ShuttingDown => "the switch is about to stop; send the same frame again later",
        ErrorCode::WrongParticipant => {
            "the certificate names another participant, and that one may not connect for this one"
        }
        ErrorCode::CertificateRefused => {
            "the certificate is not registered, not valid now, or was revoked: use one that the operator has registered"
        }
        ErrorCode::ParticipantClosed => "the participant has left the scheme",
        ErrorCode::AliasNotFound => "nobody can be paid under this alias",
        ErrorCode::LookupLimited => "too many aliases were asked for; ask again later",
        ErrorCode::AttestationRefused => "the attestation does not hold",
        ErrorCode::UnknownParticipant => "the certificate's participant is not in the scheme",
        ErrorCode::Replaced => "a newer connection of this participant took over",
        ErrorCode::TooSlow => "too slow",
        ErrorCode::BadNumber => {
            "frame numbers must follow one another, and nothing can be acknowledged that was not sent"
        }
    }
}
