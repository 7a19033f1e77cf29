//! What a provider sends is checked once, here, and is then a type that only this file can make.
//!
//! Checked is what can be told from the message alone: layout, forms, lengths. What takes state (does this participant exist,
//! is there money) is the engine's to decide. Never here: a clock, a table, a secret.

use ledger::{Amount, Currency};

use crate::limits::{
    ACCOUNT_BYTES_MAX, CONNECTION_SLOTS, END_TO_END_ID_BYTES_MAX, EXTENSION_BYTES_MAX, NAME_BYTES_MAX,
    REMITTANCE_BYTES_MAX,
};
use crate::message::{
    Answer, ArchivedAnswer, ArchivedCreditTransfer, ArchivedNote, ArchivedPaymentPrivate, CreditTransfer, Cursors,
    Decision, Echo, ErrorCode, Field, Hello, Lineage, MessageKind, Note, Part, ParticipantCode, PaymentId,
    PaymentPrivate, Reason, StatusRequest,
};
use crate::native::frame::Frame;

/// Why a message was refused: the code, the field to blame, and the payment if it could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of wrong.
    pub code: ErrorCode,
    /// Where.
    pub field: Field,
    /// Of which payment; zeros where none could be read.
    pub payment_id: [u8; 16],
}

impl Refusal {
    /// A refusal that blames no field and names no payment.
    pub fn plain(code: ErrorCode) -> Refusal {
        Refusal { code, field: Field::None, payment_id: [0; 16] }
    }
}

/// A payment order whose form is right.
#[derive(Clone, Copy)]
pub struct CheckedTransfer<'a> {
    routing_bytes: &'a [u8],
    routing: &'a ArchivedCreditTransfer,
    private_bytes: &'a [u8],
    private: Option<&'a ArchivedPaymentPrivate>,
}

impl<'a> CheckedTransfer<'a> {
    /// The routing part as received.
    pub fn routing_bytes(&self) -> &'a [u8] {
        self.routing_bytes
    }

    /// The routing part.
    pub fn routing(&self) -> &'a ArchivedCreditTransfer {
        self.routing
    }

    /// The private part as received.
    pub fn private_bytes(&self) -> &'a [u8] {
        self.private_bytes
    }

    /// The private fields in the order of their layout, or none where the part is empty.
    pub fn private_fields(&self) -> Option<[&'a [u8]; 7]> {
        self.private.map(|private| private_fields(private).map(|(_, _, bytes)| bytes))
    }
}

/// A payee provider's decision whose form is right.
#[derive(Clone, Copy)]
pub struct CheckedAnswer<'a> {
    routing_bytes: &'a [u8],
    routing: &'a ArchivedAnswer,
    private_bytes: &'a [u8],
}

impl<'a> CheckedAnswer<'a> {
    /// The routing part as received.
    pub fn routing_bytes(&self) -> &'a [u8] {
        self.routing_bytes
    }

    /// The routing part.
    pub fn routing(&self) -> &'a ArchivedAnswer {
        self.routing
    }

    /// The private part as received.
    pub fn private_bytes(&self) -> &'a [u8] {
        self.private_bytes
    }
}

/// What a provider may send, with its form checked.
#[derive(Clone, Copy)]
pub enum Request<'a> {
    /// The start of a connection.
    Hello {
        /// Who it says it is.
        participant: ParticipantCode,
        /// Of its cursors.
        lineage: Lineage,
        /// What it has seen, over all its connections.
        seen: Cursors,
        /// Which of the participant's connections this is: below `CONNECTION_SLOTS`.
        slot: usize,
    },
    /// What has arrived.
    Ack(Cursors),
    /// Is the switch there, or: the provider is.
    Echo {
        /// Comes back unchanged.
        token: u64,
        /// Does it answer an echo of the switch?
        reply: bool,
    },
    /// A payment order.
    CreditTransfer(CheckedTransfer<'a>),
    /// A decision.
    Answer(CheckedAnswer<'a>),
    /// What became of this payment?
    StatusRequest(PaymentId),
}

/// Checks what a provider sent.
pub fn request<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    match frame.kind {
        MessageKind::CreditTransfer => transfer(frame).map(Request::CreditTransfer),
        MessageKind::Answer => answer(frame).map(Request::Answer),
        MessageKind::StatusRequest => status_request(frame),
        MessageKind::Echo => echo(frame),
        MessageKind::Ack => ack(frame),
        MessageKind::Hello => hello(frame),
        MessageKind::Welcome | MessageKind::Error | MessageKind::Forward | MessageKind::Status => {
            Err(Refusal::plain(ErrorCode::NotAllowed))
        }
    }
}

const BAD_MESSAGE: Refusal = Refusal { code: ErrorCode::BadMessage, field: Field::None, payment_id: [0; 16] };

/// A message that has no private part must not carry one.
fn nothing_private(frame: &Frame<'_>) -> Result<(), Refusal> {
    if frame.private.is_empty() { Ok(()) } else { Err(BAD_MESSAGE) }
}

fn hello<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    nothing_private(frame)?;
    let routing = Hello::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let bad_field = |field| Refusal { code: ErrorCode::BadField, field, payment_id: [0; 16] };
    let participant = ParticipantCode::from_bytes(routing.participant).ok_or(bad_field(Field::Participant))?;
    let slot = usize::from(routing.slot);
    if slot >= CONNECTION_SLOTS {
        return Err(bad_field(Field::Slot));
    }
    let seen = routing.seen.map(|number| number.to_native());
    Ok(Request::Hello { participant, lineage: routing.lineage, seen, slot })
}

fn ack<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    nothing_private(frame)?;
    let routing = crate::message::Ack::read(frame.routing).ok_or(BAD_MESSAGE)?;
    Ok(Request::Ack(routing.received.map(|number| number.to_native())))
}

fn echo<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    nothing_private(frame)?;
    let routing = Echo::read(frame.routing).ok_or(BAD_MESSAGE)?;
    if routing.reply > 1 {
        return Err(Refusal { code: ErrorCode::BadField, field: Field::Reply, payment_id: [0; 16] });
    }
    Ok(Request::Echo { token: routing.token.to_native(), reply: routing.reply == 1 })
}

fn status_request<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    nothing_private(frame)?;
    let routing = StatusRequest::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.payment_id);
    PaymentId::from_bytes(routing.payment_id).map(Request::StatusRequest).ok_or(blame.field(Field::PaymentId))
}

/// Makes the refusals of one message.
struct Blame([u8; 16]);

impl Blame {
    fn field(&self, field: Field) -> Refusal {
        Refusal { code: ErrorCode::BadField, field, payment_id: self.0 }
    }

    fn layout(&self) -> Refusal {
        Refusal { code: ErrorCode::BadMessage, field: Field::None, payment_id: self.0 }
    }

    fn unless(&self, holds: bool, field: Field) -> Result<(), Refusal> {
        if holds { Ok(()) } else { Err(self.field(field)) }
    }

    fn text(&self, bytes: &[u8], bytes_max: usize, field: Field) -> Result<(), Refusal> {
        self.unless(bytes.len() <= bytes_max && is_plain_text(bytes), field)
    }
}

/// UTF-8 without control characters.
fn is_plain_text(bytes: &[u8]) -> bool {
    if bytes.is_ascii() {
        return !bytes.iter().any(u8::is_ascii_control);
    }
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// Nanoseconds since 1970 that a signed 64-bit clock can hold, so that adding a time-out cannot overflow.
const TIME_NS_MAX: u64 = i64::MAX as u64;

fn transfer<'a>(frame: &Frame<'a>) -> Result<CheckedTransfer<'a>, Refusal> {
    let routing = CreditTransfer::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.payment_id);
    let accepted_at_ns = routing.accepted_at_ns.to_native();
    blame.unless(PaymentId::from_bytes(routing.payment_id).is_some(), Field::PaymentId)?;
    blame.unless(ParticipantCode::from_bytes(routing.payer).is_some(), Field::Payer)?;
    blame.unless(ParticipantCode::from_bytes(routing.payee).is_some(), Field::Payee)?;
    blame.unless(Amount::new(routing.amount.to_native()).is_some(), Field::Amount)?;
    blame.unless(Currency::parse(&routing.currency).is_some(), Field::Currency)?;
    blame.unless(0 < accepted_at_ns && accepted_at_ns <= TIME_NS_MAX, Field::AcceptedAt)?;
    blame.unless(Reason::from_bytes(routing.purpose).is_some(), Field::Purpose)?;
    let private = payment_private(&blame, frame.private)?;
    Ok(CheckedTransfer { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn payment_private<'a>(blame: &Blame, bytes: &'a [u8]) -> Result<Option<&'a ArchivedPaymentPrivate>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let private = PaymentPrivate::read(bytes).ok_or(blame.layout())?;
    for (field, bytes_max, bytes) in private_fields(private) {
        if field == Field::Extension {
            blame.unless(bytes.len() <= bytes_max, field)?;
        } else {
            blame.text(bytes, bytes_max, field)?;
        }
    }
    Ok(Some(private))
}

fn private_fields(private: &ArchivedPaymentPrivate) -> [(Field, usize, &[u8]); 7] {
    [
        (Field::PayerName, NAME_BYTES_MAX, &private.payer_name),
        (Field::PayerAccount, ACCOUNT_BYTES_MAX, &private.payer_account),
        (Field::PayeeName, NAME_BYTES_MAX, &private.payee_name),
        (Field::PayeeAccount, ACCOUNT_BYTES_MAX, &private.payee_account),
        (Field::EndToEndId, END_TO_END_ID_BYTES_MAX, &private.end_to_end_id),
        (Field::Remittance, REMITTANCE_BYTES_MAX, &private.remittance),
        (Field::Extension, EXTENSION_BYTES_MAX, &private.extension),
    ]
}

fn answer<'a>(frame: &Frame<'a>) -> Result<CheckedAnswer<'a>, Refusal> {
    let routing = Answer::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.payment_id);
    blame.unless(PaymentId::from_bytes(routing.payment_id).is_some(), Field::PaymentId)?;
    let decision = Decision::from_number(routing.decision).ok_or(blame.field(Field::Decision))?;
    let reason = Reason::from_bytes(routing.reason).ok_or(blame.field(Field::Reason))?;
    // A reject says why; an accept has nothing to explain.
    blame.unless((decision == Decision::Reject) == (reason != Reason::NONE), Field::Reason)?;
    note(&blame, frame.private)?;
    Ok(CheckedAnswer { routing_bytes: frame.routing, routing, private_bytes: frame.private })
}

fn note<'a>(blame: &Blame, bytes: &'a [u8]) -> Result<Option<&'a ArchivedNote>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let note = Note::read(bytes).ok_or(blame.layout())?;
    blame.text(&note.text, NAME_BYTES_MAX, Field::Text)?;
    blame.unless(note.extension.len() <= EXTENSION_BYTES_MAX, Field::Extension)?;
    Ok(Some(note))
}
