//! What a provider sends is checked once, here, and is then a type that only this file can make.
//!
//! Checked is what can be told from the message alone: layout, forms, lengths. What takes state (does this participant exist,
//! is there money) is the engine's to decide. Never here: a clock, a table, a secret.

use ledger::{Amount, Currency};

use crate::directory::{AliasType, LookupForm, LookupPurpose, Operation, QueryForm};
use crate::limits::{
    ACCOUNT_BYTES_MAX, ALIAS_SENT_BYTES_MAX, ATTESTATION_BYTES_MAX, CONNECTION_SLOTS, DIRECTORY_ITEMS_BYTES_MAX,
    END_TO_END_ID_BYTES_MAX, EXTENSION_BYTES_MAX, NAME_BYTES_MAX, REMITTANCE_BYTES_MAX, TOKEN_BYTES_MAX,
    UTF8_CHARACTER_BYTES_MAX,
};
use crate::message::{
    AccountQuery, AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer,
    AliasTransferPrivate, AmountForm, Answer, ArchivedAliasCommandPrivate, ArchivedAliasLookupPrivate,
    ArchivedAliasTransferPrivate, ArchivedDirectoryItems, ArchivedNote, ArchivedPaymentPrivate, CaseAnswer, CaseCancel,
    CaseKind, CaseOpen, CreditTransfer, Cursors, Decision, DirectoryItems, DirectoryQuery, Echo, ErrorCode, Field,
    HELLO_ALONE, Hello, Lane, Lineage, MessageKind, NO_ID, Note, Part, ParticipantCode, PaymentId, PaymentPrivate,
    Reason, Return, StatusRequest,
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

/// A message whose form is right: what it is, is in the type of its routing part.
pub struct Checked<'a, M: Part> {
    routing_bytes: &'a [u8],
    routing: &'a M::Archived,
    private_bytes: &'a [u8],
    private: Private<'a>,
}

impl<M: Part> Clone for Checked<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Part> Copy for Checked<'_, M> {}

/// How many fields the private part of a payment has.
const PAYMENT_PRIVATE_FIELDS: usize = 7;

/// How many fields a note has.
const NOTE_FIELDS: usize = 2;

/// How many fields the private part of a payment to an alias has.
const ALIAS_TRANSFER_FIELDS: usize = 8;

/// How many fields the private part of a command about an alias has.
const ALIAS_COMMAND_FIELDS: usize = 5;

/// How many fields the private part of a look-up has.
const ALIAS_LOOKUP_FIELDS: usize = 4;

/// A private part that was checked.
#[derive(Clone, Copy)]
enum Private<'a> {
    EmptyPayment,
    EmptyNote,
    Payment(&'a ArchivedPaymentPrivate),
    Note(&'a ArchivedNote),
    AliasTransfer(&'a ArchivedAliasTransferPrivate),
    AliasCommand(&'a ArchivedAliasCommandPrivate),
    AliasLookup(&'a ArchivedAliasLookupPrivate),
    Items(&'a ArchivedDirectoryItems),
}

impl<'a, M: Part> Checked<'a, M> {
    /// The routing part as received.
    pub fn routing_bytes(&self) -> &'a [u8] {
        self.routing_bytes
    }

    /// The routing part.
    pub fn routing(&self) -> &'a M::Archived {
        self.routing
    }

    /// The private part as received.
    pub fn private_bytes(&self) -> &'a [u8] {
        self.private_bytes
    }

    /// Calls with each private field in the order of their layout. A part that is empty says the same as one whose fields all are.
    pub fn each_private_field(&self, mut take: impl FnMut(&'a [u8])) {
        match self.private {
            Private::EmptyPayment => (0..PAYMENT_PRIVATE_FIELDS).for_each(|_| take(&[])),
            Private::EmptyNote => (0..NOTE_FIELDS).for_each(|_| take(&[])),
            Private::Payment(private) => private_fields(private).into_iter().for_each(|(_, _, bytes)| take(bytes)),
            Private::Note(note) => [&note.text, &note.extension].into_iter().for_each(|bytes| take(bytes)),
            Private::AliasTransfer(private) => {
                transfer_fields(private).into_iter().for_each(|(_, _, bytes)| take(bytes));
            }
            Private::AliasCommand(private) => command_fields(private).into_iter().for_each(|(_, _, bytes)| take(bytes)),
            Private::AliasLookup(private) => lookup_fields(private).into_iter().for_each(|(_, _, bytes)| take(bytes)),
            Private::Items(private) => take(&private.items),
        }
    }
}

/// A payment order whose form is right.
pub type CheckedTransfer<'a> = Checked<'a, CreditTransfer>;

/// A payee provider's decision whose form is right.
pub type CheckedAnswer<'a> = Checked<'a, Answer>;

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
        /// The participant has no other connection now.
        is_alone: bool,
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
    /// What became of this payment, or of this case?
    StatusRequest(PaymentId),
    /// Money goes back.
    Return(Checked<'a, Return>),
    /// A request to another provider.
    CaseOpen(Checked<'a, CaseOpen>),
    /// An answer to such a request.
    CaseAnswer(Checked<'a, CaseAnswer>),
    /// A request is taken back.
    CaseCancel(Checked<'a, CaseCancel>),
    /// The provider can be paid again.
    SignOn,
    /// The provider is not to be paid.
    SignOff,
    /// What is to become of an alias.
    AliasCommand(Checked<'a, AliasCommand>),
    /// Whose account is it?
    AliasLookup(Checked<'a, AliasLookup>),
    /// A payment order that names an alias.
    AliasTransfer(Checked<'a, AliasTransfer>),
    /// What a provider may know about itself.
    DirectoryQuery(Checked<'a, DirectoryQuery>),
    /// Where does it stand in a currency?
    AccountQuery {
        /// Comes back in the answer.
        query_id: PaymentId,
        /// Which currency.
        currency: Currency,
    },
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
        MessageKind::Return => payment_return(frame).map(Request::Return),
        MessageKind::CaseOpen => case_open(frame).map(Request::CaseOpen),
        MessageKind::CaseAnswer => case_answer(frame).map(Request::CaseAnswer),
        MessageKind::CaseCancel => case_cancel(frame).map(Request::CaseCancel),
        MessageKind::SignOn => nothing_private(frame).map(|()| Request::SignOn),
        MessageKind::SignOff => nothing_private(frame).map(|()| Request::SignOff),
        MessageKind::AliasCommand => alias_command(frame).map(Request::AliasCommand),
        MessageKind::AliasLookup => alias_lookup(frame).map(Request::AliasLookup),
        MessageKind::AliasTransfer => alias_transfer(frame).map(Request::AliasTransfer),
        MessageKind::DirectoryQuery => directory_query(frame).map(Request::DirectoryQuery),
        MessageKind::AccountQuery => account_query(frame),
        MessageKind::Welcome
        | MessageKind::Error
        | MessageKind::Forward
        | MessageKind::Status
        | MessageKind::Returned
        | MessageKind::CaseForward
        | MessageKind::CaseStatus
        | MessageKind::AliasResult
        | MessageKind::AliasFound
        | MessageKind::DirectoryAnswer
        | MessageKind::AccountReport => Err(Refusal::plain(ErrorCode::NotAllowed)),
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
    let is_alone = routing.slot & HELLO_ALONE != 0;
    let slot = usize::from(routing.slot & !HELLO_ALONE);
    if slot >= CONNECTION_SLOTS {
        return Err(bad_field(Field::Slot));
    }
    let seen = routing.seen.map(|number| number.to_native());
    Ok(Request::Hello { participant, lineage: routing.lineage, seen, slot, is_alone })
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

fn account_query<'a>(frame: &Frame<'a>) -> Result<Request<'a>, Refusal> {
    nothing_private(frame)?;
    let routing = AccountQuery::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.query_id);
    let query_id = PaymentId::from_bytes(routing.query_id).ok_or(blame.field(Field::PaymentId))?;
    let currency = Currency::parse(&routing.currency).ok_or(blame.field(Field::Currency))?;
    Ok(Request::AccountQuery { query_id, currency })
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

    fn id(&self, id: [u8; 16], field: Field) -> Result<(), Refusal> {
        self.unless(PaymentId::from_bytes(id).is_some(), field)
    }

    /// An id, or none.
    fn id_or_none(&self, id: [u8; 16], field: Field) -> Result<(), Refusal> {
        self.unless(id == NO_ID || PaymentId::from_bytes(id).is_some(), field)
    }

    fn unless(&self, holds: bool, field: Field) -> Result<(), Refusal> {
        if holds { Ok(()) } else { Err(self.field(field)) }
    }

    /// A reason that must be there.
    fn given(&self, reason: [u8; 4]) -> Result<(), Refusal> {
        self.unless(Reason::from_bytes(reason).is_some_and(|reason| reason != Reason::NONE), Field::Reason)
    }

    /// A reject says why; an accept has nothing to explain.
    fn explained(&self, decision: Decision, reason: [u8; 4]) -> Result<(), Refusal> {
        if decision == Decision::Reject {
            self.given(reason)
        } else {
            self.unless(reason == Reason::NONE.bytes(), Field::Reason)
        }
    }

    /// What a payment order is of, and when it was accepted.
    fn terms(&self, amount: u64, currency: &[u8; 3], accepted_at_ns: u64) -> Result<(), Refusal> {
        self.unless(Amount::new(amount).is_some(), Field::Amount)?;
        self.unless(Currency::parse(currency).is_some(), Field::Currency)?;
        self.unless(0 < accepted_at_ns && accepted_at_ns <= TIME_NS_MAX, Field::AcceptedAt)
    }

    /// How a payment order is to be dealt with.
    fn handling(&self, purpose: [u8; 4], lane: u8, request_id: [u8; 16]) -> Result<(), Refusal> {
        self.unless(Reason::from_bytes(purpose).is_some(), Field::Purpose)?;
        self.unless(matches!(Lane::from_number(lane), Some(Lane::Payments | Lane::Bulk)), Field::Lane)?;
        self.id_or_none(request_id, Field::RequestId)
    }

    fn text(&self, bytes: &[u8], bytes_max: usize, field: Field) -> Result<(), Refusal> {
        self.unless(is_text(bytes, bytes_max), field)
    }
}

/// Is it plain text of no more bytes, and of no more characters than there are four bytes for? Other protocols count characters: ISO 20022 has 140 of them in a name, whatever they are in bytes.
pub fn is_text_of_characters(bytes: &[u8], bytes_max: usize) -> bool {
    let characters_max = bytes_max / UTF8_CHARACTER_BYTES_MAX;
    // A character begins with every byte that does not go on with one.
    let is_short =
        || bytes.len() <= characters_max || bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() <= characters_max;
    is_text(bytes, bytes_max) && is_short()
}

fn is_text(bytes: &[u8], bytes_max: usize) -> bool {
    bytes.len() <= bytes_max && is_plain_text(bytes)
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
    blame.id(routing.payment_id, Field::PaymentId)?;
    blame.unless(ParticipantCode::from_bytes(routing.payer).is_some(), Field::Payer)?;
    blame.unless(ParticipantCode::from_bytes(routing.payee).is_some(), Field::Payee)?;
    let (amount, accepted_at_ns) = (routing.amount.to_native(), routing.accepted_at_ns.to_native());
    blame.terms(amount, &routing.currency, accepted_at_ns)?;
    blame.handling(routing.purpose, routing.lane, routing.request_id)?;
    let private = payment_private(&blame, frame.private)?;
    Ok(CheckedTransfer { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn payment_private<'a>(blame: &Blame, bytes: &'a [u8]) -> Result<Private<'a>, Refusal> {
    if bytes.is_empty() {
        return Ok(Private::EmptyPayment);
    }
    let private = PaymentPrivate::read(bytes).ok_or(blame.layout())?;
    fields_of(blame, &private_fields(private))?;
    Ok(Private::Payment(private))
}

fn private_fields(private: &ArchivedPaymentPrivate) -> [(Field, usize, &[u8]); PAYMENT_PRIVATE_FIELDS] {
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
    blame.id(routing.payment_id, Field::PaymentId)?;
    let decision = Decision::from_number(routing.decision).ok_or(blame.field(Field::Decision))?;
    blame.explained(decision, routing.reason)?;
    let private = note(&blame, frame.private)?;
    Ok(CheckedAnswer { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn payment_return<'a>(frame: &Frame<'a>) -> Result<Checked<'a, Return>, Refusal> {
    let routing = Return::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.return_id);
    blame.id(routing.return_id, Field::PaymentId)?;
    blame.id(routing.original_id, Field::OriginalId)?;
    blame.unless(routing.original_id != routing.return_id, Field::OriginalId)?;
    blame.id_or_none(routing.case_id, Field::CaseId)?;
    blame.unless(Amount::new(routing.amount.to_native()).is_some(), Field::Amount)?;
    blame.unless(Currency::parse(&routing.currency).is_some(), Field::Currency)?;
    blame.given(routing.reason)?;
    let private = note(&blame, frame.private)?;
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

/// Which fields a case must have and which it must leave empty, by its kind:
///
/// | kind | original | amount | currency | reason |
/// |---|---|---|---|---|
/// | recall | yes | none, or fixed | with an amount | yes |
/// | information | yes | none | no | yes |
/// | payment request | no | fixed, or up to | yes | no |
/// | posting | only the switch opens one | | | |
fn case_open<'a>(frame: &Frame<'a>) -> Result<Checked<'a, CaseOpen>, Refusal> {
    let routing = CaseOpen::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.case_id);
    blame.id(routing.case_id, Field::CaseId)?;
    let kind = CaseKind::from_number(routing.kind).ok_or(blame.field(Field::CaseKind))?;
    blame.unless(kind != CaseKind::Posting, Field::CaseKind)?;
    let is_request = kind == CaseKind::PaymentRequest;
    if is_request {
        blame.unless(routing.original_id == NO_ID, Field::OriginalId)?;
    } else {
        blame.id(routing.original_id, Field::OriginalId)?;
        blame.unless(routing.original_id != routing.case_id, Field::OriginalId)?;
    }
    blame.unless(ParticipantCode::from_bytes(routing.opener).is_some(), Field::Opener)?;
    blame.unless(ParticipantCode::from_bytes(routing.responder).is_some(), Field::Responder)?;
    let form = AmountForm::from_number(routing.amount_form).ok_or(blame.field(Field::AmountForm))?;
    let is_form_right = match kind {
        CaseKind::Recall => form != AmountForm::UpTo,
        CaseKind::Information | CaseKind::Posting => form == AmountForm::None,
        CaseKind::PaymentRequest => form != AmountForm::None,
    };
    blame.unless(is_form_right, Field::AmountForm)?;
    let (amount, has_amount) = (routing.amount.to_native(), form != AmountForm::None);
    blame.unless(Amount::new(amount).is_some() == has_amount && (has_amount || amount == 0), Field::Amount)?;
    let is_currency_right =
        if has_amount { Currency::parse(&routing.currency).is_some() } else { routing.currency == [0; 3] };
    blame.unless(is_currency_right, Field::Currency)?;
    if is_request {
        blame.unless(routing.reason == Reason::NONE.bytes(), Field::Reason)?;
    } else {
        blame.given(routing.reason)?;
    }
    blame.unless(routing.expires_at_ns.to_native() <= TIME_NS_MAX, Field::ExpiresAt)?;
    let private = payment_private(&blame, frame.private)?;
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn case_answer<'a>(frame: &Frame<'a>) -> Result<Checked<'a, CaseAnswer>, Refusal> {
    let routing = CaseAnswer::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.case_id);
    blame.id(routing.case_id, Field::CaseId)?;
    let decision = Decision::from_number(routing.decision);
    let decision = decision.filter(|&decision| decision != Decision::AcceptWithoutPosting);
    blame.explained(decision.ok_or(blame.field(Field::Decision))?, routing.reason)?;
    let private = note(&blame, frame.private)?;
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn case_cancel<'a>(frame: &Frame<'a>) -> Result<Checked<'a, CaseCancel>, Refusal> {
    let routing = CaseCancel::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.case_id);
    blame.id(routing.case_id, Field::CaseId)?;
    blame.given(routing.reason)?;
    let private = note(&blame, frame.private)?;
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn note<'a>(blame: &Blame, bytes: &'a [u8]) -> Result<Private<'a>, Refusal> {
    if bytes.is_empty() {
        return Ok(Private::EmptyNote);
    }
    let note = Note::read(bytes).ok_or(blame.layout())?;
    blame.text(&note.text, NAME_BYTES_MAX, Field::Text)?;
    blame.unless(note.extension.len() <= EXTENSION_BYTES_MAX, Field::Extension)?;
    Ok(Private::Note(note))
}

/// Checks the fields of a private part: lengths, and plain text in all but the extension.
fn fields_of(blame: &Blame, fields: &[(Field, usize, &[u8])]) -> Result<(), Refusal> {
    for &(field, bytes_max, bytes) in fields {
        match field {
            Field::Extension | Field::Items => blame.unless(bytes.len() <= bytes_max, field)?,
            Field::PayerName | Field::PayeeName | Field::Name | Field::Remittance | Field::EndToEndId => {
                blame.unless(is_text_of_characters(bytes, bytes_max), field)?;
            }
            _ => blame.text(bytes, bytes_max, field)?,
        }
    }
    Ok(())
}

fn alias_transfer<'a>(frame: &Frame<'a>) -> Result<Checked<'a, AliasTransfer>, Refusal> {
    let routing = AliasTransfer::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.payment_id);
    blame.id(routing.payment_id, Field::PaymentId)?;
    blame.unless(ParticipantCode::from_bytes(routing.payer).is_some(), Field::Payer)?;
    let (amount, accepted_at_ns) = (routing.amount.to_native(), routing.accepted_at_ns.to_native());
    blame.terms(amount, &routing.currency, accepted_at_ns)?;
    blame.handling(routing.purpose, routing.lane, routing.request_id)?;
    blame.unless(AliasType::from_number(routing.alias_type).is_some(), Field::AliasType)?;
    let private = AliasTransferPrivate::read(frame.private).ok_or(blame.layout())?;
    fields_of(&blame, &transfer_fields(private))?;
    blame.unless(!private.alias.is_empty(), Field::Alias)?;
    blame.unless(!private.end_user.is_empty(), Field::EndUser)?;
    let private = Private::AliasTransfer(private);
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn transfer_fields(private: &ArchivedAliasTransferPrivate) -> [(Field, usize, &[u8]); ALIAS_TRANSFER_FIELDS] {
    [
        (Field::PayerName, NAME_BYTES_MAX, &private.payer_name),
        (Field::PayerAccount, ACCOUNT_BYTES_MAX, &private.payer_account),
        (Field::PayeeName, NAME_BYTES_MAX, &private.payee_name),
        (Field::EndToEndId, END_TO_END_ID_BYTES_MAX, &private.end_to_end_id),
        (Field::Remittance, REMITTANCE_BYTES_MAX, &private.remittance),
        (Field::Extension, EXTENSION_BYTES_MAX, &private.extension),
        (Field::Alias, ALIAS_SENT_BYTES_MAX, &private.alias),
        (Field::EndUser, TOKEN_BYTES_MAX, &private.end_user),
    ]
}

/// What a command must have, and what it must leave empty:
///
/// | operation | alias | identity | account, name | attestation | defaults | consent |
/// |---|---|---|---|---|---|---|
/// | register | yes, none of a random key | yes | yes | yes | may | yes |
/// | update | yes | yes | yes | no | may | no |
/// | pause, resume, remove, report | yes | no | no | no | no | no |
/// | erase | no | yes | no | no | no | no |
/// | import | only the operator | | | | | |
fn alias_command<'a>(frame: &Frame<'a>) -> Result<Checked<'a, AliasCommand>, Refusal> {
    let routing = AliasCommand::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.command_id);
    blame.id(routing.command_id, Field::PaymentId)?;
    let operation = Operation::from_number(routing.operation).ok_or(blame.field(Field::Operation))?;
    blame.unless(operation != Operation::Import, Field::Operation)?;
    let is_erasure = operation == Operation::Erase;
    let kind = AliasType::from_number(routing.alias_type);
    blame.unless(if is_erasure { routing.alias_type == 0 } else { kind.is_some() }, Field::AliasType)?;
    let (is_new, is_update) = (operation == Operation::Register, operation == Operation::Update);
    let defaults = routing.defaults.to_native();
    blame.unless(defaults & !DEFAULTS_KNOWN == 0 && (is_new || is_update || defaults == 0), Field::Defaults)?;
    let (purposes, until_ns) = (routing.consent_purpose, routing.consent_until_ns.to_native());
    let is_consent_right = match is_new {
        true => purposes != 0 && purposes & !CONSENTS_KNOWN == 0 && 0 < until_ns && until_ns <= TIME_NS_MAX,
        false => purposes == 0 && until_ns == 0,
    };
    blame.unless(is_consent_right, Field::Consent)?;
    let private = AliasCommandPrivate::read(frame.private).ok_or(blame.layout())?;
    fields_of(&blame, &command_fields(private))?;
    let is_made_here = is_new && kind == Some(AliasType::Random);
    let given = |is_wanted: bool, bytes: &[u8], field| blame.unless(is_wanted != bytes.is_empty(), field);
    given(!is_erasure && !is_made_here, &private.alias, Field::Alias)?;
    given(is_new || is_update || is_erasure, &private.identity, Field::Identity)?;
    given(is_new || is_update, &private.account, Field::Account)?;
    given(is_new || is_update, &private.name, Field::Name)?;
    given(is_new, &private.attestation, Field::Attestation)?;
    let private = Private::AliasCommand(private);
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

/// Bit 0: in general; bit n: for the purpose with number n.
const DEFAULTS_KNOWN: u16 = (1 << (LookupPurpose::ALL.len() + 1)) - 1;

/// Bit n - 1: for the purpose with number n.
const CONSENTS_KNOWN: u8 = (1 << LookupPurpose::ALL.len()) - 1;

fn command_fields(private: &ArchivedAliasCommandPrivate) -> [(Field, usize, &[u8]); ALIAS_COMMAND_FIELDS] {
    [
        (Field::Alias, ALIAS_SENT_BYTES_MAX, &private.alias),
        (Field::Identity, TOKEN_BYTES_MAX, &private.identity),
        (Field::Account, ACCOUNT_BYTES_MAX, &private.account),
        (Field::Name, NAME_BYTES_MAX, &private.name),
        (Field::Attestation, ATTESTATION_BYTES_MAX, &private.attestation),
    ]
}

/// A look-up names an alias, or, to verify a name, an account of a participant.
fn alias_lookup<'a>(frame: &Frame<'a>) -> Result<Checked<'a, AliasLookup>, Refusal> {
    let routing = AliasLookup::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.lookup_id);
    blame.id(routing.lookup_id, Field::PaymentId)?;
    let form = LookupForm::from_number(routing.form).ok_or(blame.field(Field::Form))?;
    blame.unless(LookupPurpose::from_number(routing.purpose).is_some(), Field::Purpose)?;
    let is_verification = form == LookupForm::Verification;
    let is_by_account = routing.alias_type == 0;
    let is_type_right = AliasType::from_number(routing.alias_type).is_some() || is_by_account && is_verification;
    blame.unless(is_type_right, Field::AliasType)?;
    let is_participant_right = match is_by_account {
        true => ParticipantCode::from_bytes(routing.participant).is_some(),
        false => routing.participant.iter().all(|&byte| byte == 0),
    };
    blame.unless(is_participant_right, Field::Participant)?;
    let private = AliasLookupPrivate::read(frame.private).ok_or(blame.layout())?;
    fields_of(&blame, &lookup_fields(private))?;
    blame.unless(is_by_account == private.alias.is_empty(), Field::Alias)?;
    blame.unless(is_by_account != private.account.is_empty(), Field::Account)?;
    blame.unless(is_verification != private.name.is_empty(), Field::Name)?;
    blame.unless(!private.end_user.is_empty(), Field::EndUser)?;
    let private = Private::AliasLookup(private);
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}

fn lookup_fields(private: &ArchivedAliasLookupPrivate) -> [(Field, usize, &[u8]); ALIAS_LOOKUP_FIELDS] {
    [
        (Field::Alias, ALIAS_SENT_BYTES_MAX, &private.alias),
        (Field::EndUser, TOKEN_BYTES_MAX, &private.end_user),
        (Field::Account, ACCOUNT_BYTES_MAX, &private.account),
        (Field::Name, NAME_BYTES_MAX, &private.name),
    ]
}

/// A question's items are checked by whoever answers it: they are many, and each is told by itself what is wrong with it.
fn directory_query<'a>(frame: &Frame<'a>) -> Result<Checked<'a, DirectoryQuery>, Refusal> {
    let routing = DirectoryQuery::read(frame.routing).ok_or(BAD_MESSAGE)?;
    let blame = Blame(routing.query_id);
    blame.id(routing.query_id, Field::PaymentId)?;
    blame.unless(QueryForm::from_number(routing.form).is_some(), Field::Form)?;
    let private = DirectoryItems::read(frame.private).ok_or(blame.layout())?;
    fields_of(&blame, &[(Field::Items, DIRECTORY_ITEMS_BYTES_MAX, &private.items)])?;
    let private = Private::Items(private);
    Ok(Checked { routing_bytes: frame.routing, routing, private_bytes: frame.private, private })
}
