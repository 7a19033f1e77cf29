//! `Client`: a provider's one or two connections to the switch, for those who build on it.
//!
//! A task of its own (`driver`) connects, says who it is, keeps the connection alive, makes a new one when it breaks, and then
//! goes on exactly where the old one stopped: what the switch had not acknowledged is sent again, what the provider has seen
//! does not come again. The `Client` hands messages to it and may be cloned; the `Events` gives what came, in batches. Both ways
//! are bounded: who is too fast waits. A task that reads `Events` and waits in `answer` under so much load that both ways are full
//! would wait for acknowledgements that it does not let in: there it uses `try_answer`, and reads on while that says `Full`.
//!
//! With two connections (`ClientOptions::connections`) a line that breaks costs nothing: what was on its way on it is sent again on the other at once, and the switch
//! finds the provider present while one of them stands. Numbered messages come to the application once, and in the order of their lane, whichever connection brings them.
//! What the provider sends goes over both, and its order is then not kept: a `StatusRequest` may overtake the order that it asks about, a `CaseCancel` its `CaseOpen`.
//! Who needs an order waits for `Acknowledged`; of `SignOn` and `SignOff` the client does so itself. `Connected` and `Disconnected` say how many connections are open.
//!
//! What is not here: a memory that outlives the process. A provider that wants none of its events twice stores `cursors()` after
//! it has dealt with a batch, and gives them to the next `ClientOptions`; what was in flight when it died it asks for with
//! `request_status`, or submits again under the same id.

use std::sync::Arc;

use ledger::Currency;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};

use crate::check::{self, Refusal};
use crate::directory::{AliasOutcome, Claim, LookupResult, NameMatch, QueryForm};
use crate::limits::{COMMANDS_WAITING_MAX, CONNECTION_SLOTS};
use crate::message::{
    AccountQuery, AccountStanding, AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer,
    AliasTransferPrivate, AmountForm, Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, CaseState, CreditTransfer,
    DirectoryItems, DirectoryQuery, ErrorCode, Field, Lane, MessageKind, NO_ID, Note, Outcome, Part, ParticipantCode,
    PaymentId, PaymentPrivate, Reason, Return, Settlement, StatusRequest,
};
use crate::native::driver::Driver;
use crate::native::frame::{Frame, Head};
use crate::native::inbox::{self, InboxCursors, InboxReader};
use crate::native::session::{Broken, Resume, UnacknowledgedMax, Welcomed};

/// Where to connect, as whom, and from where to go on.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How many connections: 1 or 2. Two are for a line that may break; each is made again by itself.
    pub connections: usize,
    /// The way to the switch.
    pub route: Route,
    /// Who the provider is: what its own certificate says, or for whom that one's holder may connect.
    pub code: ParticipantCode,
    /// What was seen in an earlier life.
    pub resume: Resume,
    /// How much may wait for the switch's acknowledgement, on each connection, before `submit` waits.
    pub unacknowledged_max: UnacknowledgedMax,
    /// Is an `Incoming::Numbered` to stand before each message of the outbox?
    pub with_numbers: bool,
}

/// The way to the switch.
#[derive(Clone, Debug)]
pub enum Route {
    /// Over the network.
    Remote(Remote),
    /// In the switch's own process.
    Within(Within),
}

/// A switch on the network.
#[derive(Clone, Debug)]
pub struct Remote {
    /// `host:port` of the switch; where there are several, they are tried in turn.
    pub addresses: Vec<String>,
    /// The same for the second connection, which may go by another line; empty where it has the addresses of the first.
    pub second_addresses: Vec<String>,
    /// The name in the switch's certificate.
    pub server_name: ServerName<'static>,
    /// See `tls::client_config`.
    pub tls: Arc<ClientConfig>,
}

/// How an adapter in the switch's own process gets a connection: a pipe whose other end the switch has taken, or why it has not.
#[derive(Clone)]
pub struct Within(pub Arc<dyn Fn() -> Result<DuplexStream, String> + Send + Sync>);

impl std::fmt::Debug for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Within")
    }
}

impl ClientOptions {
    /// One connection to one address, everything from the start, and limits that need no thought.
    pub fn new(
        address: impl Into<String>,
        server_name: ServerName<'static>,
        code: ParticipantCode,
        tls: Arc<ClientConfig>,
    ) -> ClientOptions {
        let addresses = vec![address.into()];
        ClientOptions::by(Route::Remote(Remote { addresses, second_addresses: Vec::new(), server_name, tls }), code)
    }

    /// One connection by this way, everything from the start, and limits that need no thought.
    pub fn by(route: Route, code: ParticipantCode) -> ClientOptions {
        let (resume, unacknowledged_max) = (Resume::FROM_THE_START, UnacknowledgedMax::default());
        ClientOptions { connections: 1, route, code, resume, unacknowledged_max, with_numbers: false }
    }

    /// Two connections, the second to this address.
    ///
    /// # Panics
    /// Where the switch is not on the network.
    #[must_use]
    pub fn with_second(mut self, address: impl Into<String>) -> ClientOptions {
        self.remote().second_addresses = vec![address.into()];
        ClientOptions { connections: CONNECTION_SLOTS, ..self }
    }

    /// The switch on the network.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn remote(&mut self) -> &mut Remote {
        match &mut self.route {
            Route::Remote(remote) => remote,
            Route::Within(_) => panic!("the switch is in this process"),
        }
    }

    /// How many addresses the connection of this slot has to try.
    pub(super) fn addresses(&self, slot: usize) -> usize {
        match &self.route {
            Route::Remote(remote) => remote.addresses_of(slot).len(),
            Route::Within(_) => 1,
        }
    }
}

impl Remote {
    /// Where the connection of this slot goes.
    pub(super) fn addresses_of(&self, slot: usize) -> &[String] {
        if slot == 0 || self.second_addresses.is_empty() { &self.addresses } else { &self.second_addresses }
    }
}

/// A payment to this provider's customer. It waits for an `Answer` until its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Of the payment.
    pub payment_id: PaymentId,
    /// The payer provider.
    pub payer: ParticipantCode,
    /// The payee provider.
    pub payee: ParticipantCode,
    /// How much.
    pub amount: ledger::Amount,
    /// Of what.
    pub currency: ledger::Currency,
    /// When the payer provider accepted its customer's order, in nanoseconds since 1970.
    pub accepted_at_ns: u64,
    /// ISO 20022 purpose code, or none.
    pub purpose: Reason,
    /// Payments, or bulk.
    pub lane: Lane,
    /// The request to pay that it pays.
    pub request_id: Option<PaymentId>,
    /// An `Answer` counts if the switch records it before this, in nanoseconds since 1970.
    pub deadline_ns: u64,
    /// What the payer provider tells.
    pub private: PaymentPrivate,
}

/// What became of a payment, or of a return that this provider has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Of the payment, or of the return.
    pub payment_id: PaymentId,
    /// What became of it. Only after `Committed` may a payee provider make the money available.
    pub outcome: Outcome,
    /// Why it was rejected or expired.
    pub reason: Reason,
    /// Which field of the order was the cause.
    pub field: Field,
    /// Journal time of the decision; 0 where nothing was decided.
    pub decided_at_ns: u64,
    /// Journal position of the decision; 0 where nothing was decided.
    pub position: u64,
    /// Does it come from the outbox? Otherwise it is a reply: to a `StatusRequest`, a duplicate, or an answer that changed nothing.
    pub numbered: bool,
    /// What the payee provider said with its `Answer`.
    pub note: Note,
}

/// Money that this provider had paid has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Of the return.
    pub return_id: PaymentId,
    /// Of the payment.
    pub original_id: PaymentId,
    /// The recall that it answers.
    pub case_id: Option<PaymentId>,
    /// How much.
    pub amount: ledger::Amount,
    /// Of what.
    pub currency: ledger::Currency,
    /// Why.
    pub reason: Reason,
    /// How much of the payment has come back by now, in minor units.
    pub returned_total: u64,
    /// Journal time of the return.
    pub decided_at_ns: u64,
    /// Journal position of the return.
    pub position: u64,
    /// What the provider says that has returned it.
    pub note: Note,
}

/// A case that waits for this provider's answer until its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseForward {
    /// Of the case.
    pub case_id: PaymentId,
    /// What it is about.
    pub kind: CaseKind,
    /// The payment that it is about; none of a request to pay.
    pub original_id: Option<PaymentId>,
    /// Who asks.
    pub opener: ParticipantCode,
    /// This provider.
    pub responder: ParticipantCode,
    /// How much of what; none where there is no amount.
    pub amount: Option<(ledger::Amount, ledger::Currency)>,
    /// What the amount means.
    pub form: AmountForm,
    /// Why, or none.
    pub reason: Reason,
    /// What answers it counts if the switch records it before this, in nanoseconds since 1970.
    pub deadline_ns: u64,
    /// What the opener tells.
    pub private: PaymentPrivate,
}

/// Where a case stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseStatus {
    /// Of the case.
    pub case_id: PaymentId,
    /// What it is about; none where the state is `Unknown` or `Duplicate`.
    pub kind: Option<CaseKind>,
    /// Where it stands.
    pub state: CaseState,
    /// Why.
    pub reason: Reason,
    /// Which field of its opening was the cause.
    pub field: Field,
    /// Of an open case its deadline, else journal time of the last change; 0 where nothing is told about it.
    pub at_ns: u64,
    /// Journal position of the last change; 0 where nothing is told about it.
    pub position: u64,
    /// As of a `Status`.
    pub numbered: bool,
    /// What the other provider says.
    pub note: Note,
}

/// What became of a command about an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasResult {
    /// Of the command.
    pub command_id: PaymentId,
    /// What became of it.
    pub outcome: AliasOutcome,
    /// What can be done about an alias that another participant has.
    pub claim: Claim,
    /// Journal time of the decision.
    pub at_ns: u64,
    /// Journal position of the decision.
    pub position: u64,
    /// The alias in canonical form, of what was registered: a random key is told here.
    pub alias: Vec<u8>,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasFound {
    /// Of the look-up.
    pub lookup_id: PaymentId,
    /// Was there an entry?
    pub result: LookupResult,
    /// Of a verification: does the name belong to the account?
    pub name_match: Option<NameMatch>,
    /// Whose account it is; none where nothing was found.
    pub participant: Option<ParticipantCode>,
    /// Journal time of the registration.
    pub owned_since_ns: u64,
    /// Settled, reported, rejected, each over 3 days, 30 days and 6 months, as classes (`docs/directory-rules.md`).
    pub counters: [u8; 9],
    /// Of a limited one: when to come again.
    pub retry_after_ms: u32,
    /// Journal position of the look-up; 0 of a limited one.
    pub position: u64,
    /// The account, where something was found.
    pub account: Vec<u8>,
    /// The holder's name, masked by the scheme's rule; whole, of a close match.
    pub name: Vec<u8>,
}

/// What a provider has asked about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryAnswer {
    /// Of the question.
    pub query_id: PaymentId,
    /// What was asked.
    pub form: QueryForm,
    /// Is there more, after `after`?
    pub has_more: bool,
    /// Where the next question goes on.
    pub after: u64,
    /// What stands in `docs/formats/native.md`, by the form.
    pub items: Vec<u8>,
}

/// Where a provider stands in a currency, at a journal position. All sums in minor units, since the account was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// Of the question.
    pub query_id: PaymentId,
    /// Of the account.
    pub currency: Currency,
    /// Whose account moves. Where it is not this provider's own, all sums are 0.
    pub standing: AccountStanding,
    /// How payments in the currency settle; none where there is no account.
    pub settlement: Option<Settlement>,
    /// Journal time.
    pub at_ns: u64,
    /// Journal position up to which entries are in the sums.
    pub position: u64,
    /// Held for payments that are not decided.
    pub debits_pending: u128,
    /// Paid.
    pub debits_posted: u128,
    /// Held for this provider by others.
    pub credits_pending: u128,
    /// Received.
    pub credits_posted: u128,
    /// By how much debits may exceed posted credits: the net debit cap; 0 where payments settle gross.
    pub cap: u64,
    /// What can be paid: posted credits and cap, less debits.
    pub available: u128,
}

/// A message was refused before it was recorded: for the switch it never was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The switch has too much to do: the same message may be submitted again after `retry_after_ms`.
    pub busy: bool,
    /// Why; none where the code is newer than this client.
    pub code: Option<ErrorCode>,
    /// The field to blame.
    pub field: Field,
    /// 0 where waiting does not help.
    pub retry_after_ms: u32,
    /// Which message; none where it was none of ours.
    pub kind: Option<MessageKind>,
    /// About which payment, return or case.
    pub payment_id: Option<PaymentId>,
    /// For a person to read.
    pub text: String,
}

/// A connection is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Which of the client's connections: 0 or 1.
    pub slot: usize,
    /// How many are open now, this one included.
    pub connections: usize,
    /// What the switch says about the numbers.
    pub welcomed: Welcomed,
}

/// A connection is gone, or could not be made. The client tries again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Which of the client's connections: 0 or 1.
    pub slot: usize,
    /// How many are still open. What was not acknowledged on this one is sent again on the other, or on the next.
    pub connections: usize,
    /// Why.
    pub why: DisconnectReason,
    /// When the next attempt will be made; none after a shutdown.
    pub retry_after_ms: Option<u64>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The address does not resolve, or nobody listens there.
    Unreachable(String),
    /// The TLS handshake failed or took too long.
    Handshake(String),
    /// The switch's certificate is not one of the trusted authority for that name.
    SwitchNotTrusted(String),
    /// The switch does not take this provider's certificate.
    CertificateRefused(String),
    /// The switch closed the connection and said why.
    Refused {
        /// Why; none where the code is newer than this client.
        code: Option<ErrorCode>,
        /// For a person to read.
        text: String,
    },
    /// The switch broke the protocol, or was silent for too long.
    Broken(Broken),
    /// The switch sent a field that cannot be.
    BadMessage(MessageKind),
    /// The connection ended in the middle, without a word.
    Ended(String),
    /// The switch stayed in the middle of a frame, or took nothing of what waited for it, for too long.
    Stalled,
    /// `shutdown` was called, or nobody was left to use the client.
    Shutdown,
}

impl DisconnectReason {
    /// Must somebody do something before another attempt can succeed? Such attempts are made seldom.
    pub fn needs_attention(&self) -> bool {
        use ErrorCode::{
            BadVersion, CertificateRefused, NotAllowed, ParticipantClosed, Replaced, UnknownParticipant,
            WrongParticipant,
        };
        match self {
            DisconnectReason::SwitchNotTrusted(_)
            | DisconnectReason::CertificateRefused(_)
            | DisconnectReason::BadMessage(_) => true,
            DisconnectReason::Refused { code, .. } => {
                let of_scheme = matches!(code, Some(CertificateRefused | ParticipantClosed | UnknownParticipant));
                of_scheme || matches!(code, Some(BadVersion | NotAllowed | Replaced | WrongParticipant))
            }
            DisconnectReason::Unreachable(_)
            | DisconnectReason::Handshake(_)
            | DisconnectReason::Broken(_)
            | DisconnectReason::Ended(_)
            | DisconnectReason::Stalled
            | DisconnectReason::Shutdown => false,
        }
    }
}

impl std::fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DisconnectReason::Unreachable(text) => write!(f, "the switch cannot be reached: {text}"),
            DisconnectReason::Handshake(text) => write!(f, "the TLS handshake failed: {text}"),
            DisconnectReason::SwitchNotTrusted(text) => write!(
                f,
                "the switch's certificate is not trusted: {text}; check the scheme's CA certificate and the server name"
            ),
            DisconnectReason::CertificateRefused(text) => write!(
                f,
                "the switch refused this provider's certificate: {text}; check that it is the scheme's, not expired and \
                 not revoked"
            ),
            DisconnectReason::Refused { code, text } => {
                let code = code.map_or("an unknown code", ErrorCode::name);
                write!(f, "the switch closed the connection: {code}{}{text}", if text.is_empty() { "" } else { ": " })
            }
            DisconnectReason::Broken(broken) => broken.fmt(f),
            DisconnectReason::BadMessage(kind) => {
                write!(f, "the switch sent a {} with a field that cannot be", kind.conduct().name)
            }
            DisconnectReason::Ended(text) => write!(f, "the connection ended: {text}"),
            DisconnectReason::Stalled => f.write_str("the switch stalled"),
            DisconnectReason::Shutdown => f.write_str("the client was shut down"),
        }
    }
}

/// What came from the switch, or happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A connection is open.
    Connected(Connected),
    /// A connection is gone, or could not be made.
    Disconnected(Disconnected),
    /// The next message has this number in this lane of the outbox. Only with `ClientOptions::with_numbers`.
    Numbered(Lane, u64),
    /// A payment waits for an `Answer`.
    Forward(Box<Forward>),
    /// What became of a payment, or of a return.
    Status(Box<Status>),
    /// Money has come back.
    Returned(Box<Returned>),
    /// A case waits for an answer.
    CaseForward(Box<CaseForward>),
    /// Where a case stands.
    CaseStatus(Box<CaseStatus>),
    /// What became of a command about an alias.
    AliasResult(Box<AliasResult>),
    /// The answer to a look-up.
    AliasFound(Box<AliasFound>),
    /// The answer to a question about this provider's own entries.
    DirectoryAnswer(Box<DirectoryAnswer>),
    /// The answer to a question where this provider stands.
    AccountReport(Box<AccountReport>),
    /// A message was refused; see `Refused::busy`.
    Refused(Box<Refused>),
    /// A message was decided durably: the switch will never forget it, and never needs it again.
    Acknowledged {
        /// Which message.
        kind: MessageKind,
        /// About which payment, return or case; none of a `SignOn` or `SignOff`.
        payment_id: Option<PaymentId>,
    },
}

/// What a provider says to the switch. Private parts that are empty take no bytes.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A payment order. Its fate comes as `Incoming::Status`.
    CreditTransfer(&'a CreditTransfer, &'a PaymentPrivate),
    /// The answer to a `Forward`.
    Answer(&'a Answer, &'a Note),
    /// What became of this payment, return or case?
    StatusRequest(PaymentId),
    /// Money goes back. Its fate comes as `Incoming::Status` of the return's id.
    Return(&'a Return, &'a Note),
    /// A request to another provider. Where it stands comes as `Incoming::CaseStatus`.
    CaseOpen(&'a CaseOpen, &'a PaymentPrivate),
    /// The answer to a `CaseForward`, or word that a payment was posted.
    CaseAnswer(&'a CaseAnswer, &'a Note),
    /// A case of this provider is taken back.
    CaseCancel(&'a CaseCancel, &'a Note),
    /// This provider can be paid again.
    SignOn,
    /// This provider is not to be paid.
    SignOff,
    /// What is to become of an alias. Its fate comes as `Incoming::AliasResult`.
    AliasCommand(&'a AliasCommand, &'a AliasCommandPrivate),
    /// Whose account is it? The answer comes as `Incoming::AliasFound`.
    AliasLookup(&'a AliasLookup, &'a AliasLookupPrivate),
    /// A payment order that names an alias. Its fate comes as `Incoming::Status`, or as `Incoming::Refused` where nobody can be paid under it.
    AliasTransfer(&'a AliasTransfer, &'a AliasTransferPrivate),
    /// A question about this provider's own entries. The answer comes as `Incoming::DirectoryAnswer`.
    DirectoryQuery(&'a DirectoryQuery, &'a DirectoryItems),
    /// Where does this provider stand in a currency? The answer comes as `Incoming::AccountReport`.
    AccountQuery(&'a AccountQuery),
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// Its form is wrong: the switch would refuse it.
    Invalid(Refusal),
    /// Too much waits already (`try_` only): try again later.
    Full,
    /// The client was shut down.
    Closed,
}

impl std::fmt::Display for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SubmitError::Invalid(refusal) => {
                write!(f, "the message is not valid: {}, field {}", refusal.code.name(), refusal.field.name())
            }
            SubmitError::Full => f.write_str("too many messages wait for the switch"),
            SubmitError::Closed => f.write_str("the client was shut down"),
        }
    }
}

impl std::error::Error for SubmitError {}

/// A message on its way to the driver.
pub(super) struct Command {
    pub(super) kind: MessageKind,
    pub(super) payment_id: Option<PaymentId>,
    bytes: Vec<u8>,
}

impl Command {
    fn new(message: Message<'_>) -> Result<Command, SubmitError> {
        let mut bytes = Vec::with_capacity(512);
        let out = &mut bytes;
        let (kind, id) = match message {
            Message::CreditTransfer(order, private) => {
                write(out, order, private);
                (MessageKind::CreditTransfer, order.payment_id)
            }
            Message::Answer(answer, note) => {
                write(out, answer, note);
                (MessageKind::Answer, answer.payment_id)
            }
            Message::StatusRequest(id) => {
                StatusRequest { payment_id: id.bytes() }.write(out);
                (MessageKind::StatusRequest, id.bytes())
            }
            Message::Return(message, note) => {
                write(out, message, note);
                (MessageKind::Return, message.return_id)
            }
            Message::CaseOpen(opened, private) => {
                write(out, opened, private);
                (MessageKind::CaseOpen, opened.case_id)
            }
            Message::CaseAnswer(answer, note) => {
                write(out, answer, note);
                (MessageKind::CaseAnswer, answer.case_id)
            }
            Message::CaseCancel(cancel, note) => {
                write(out, cancel, note);
                (MessageKind::CaseCancel, cancel.case_id)
            }
            Message::SignOn => (MessageKind::SignOn, NO_ID),
            Message::SignOff => (MessageKind::SignOff, NO_ID),
            Message::AliasCommand(command, private) => {
                write(out, command, private);
                (MessageKind::AliasCommand, command.command_id)
            }
            Message::AliasLookup(lookup, private) => {
                write(out, lookup, private);
                (MessageKind::AliasLookup, lookup.lookup_id)
            }
            Message::AliasTransfer(order, private) => {
                write(out, order, private);
                (MessageKind::AliasTransfer, order.payment_id)
            }
            Message::DirectoryQuery(query, items) => {
                query.write(out);
                items.write(out);
                (MessageKind::DirectoryQuery, query.query_id)
            }
            Message::AccountQuery(query) => {
                query.write(out);
                (MessageKind::AccountQuery, query.query_id)
            }
        };
        let command = Command { kind, payment_id: PaymentId::from_bytes(id), bytes };
        let (routing, private) = command.parts();
        // The switch would say the same, a round trip later.
        check::request(&Frame { kind, head: Head::PLAIN, routing, private }).map_err(SubmitError::Invalid)?;
        Ok(command)
    }

    /// Routing part and private part.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.kind.conduct().routing_bytes)
    }
}

/// Appends both parts of a message. A private part without contents says the same in no bytes.
fn write<R: Part, P: Part + Default + PartialEq>(out: &mut Vec<u8>, routing: &R, private: &P) {
    routing.write(out);
    if *private != P::default() {
        private.write(out);
    }
}

/// A provider's side of its connections to the switch. Clones share them.
#[derive(Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    stop: Arc<watch::Sender<bool>>,
    /// How many messages were left unacknowledged, once the driver has ended.
    left: watch::Receiver<Option<usize>>,
    cursors: InboxCursors,
    connections: watch::Receiver<usize>,
}

impl Client {
    /// Starts the driver, which connects and stays connected until `shutdown`, or until the `Events` or the last `Client` is dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime (any flavour, with time and I/O enabled), without an address, or with connections that are neither one nor two.
    pub fn start(options: ClientOptions) -> (Client, Events) {
        assert!(options.addresses(0) > 0, "a client needs an address");
        let (command_sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (stop_sender, stop) = watch::channel(false);
        let (left_sender, left) = watch::channel(None);
        let (writer, reader, cursors) = inbox::new(options.resume);
        let (connections_sender, connections) = watch::channel(0);
        let driver = Driver::new(options, commands, writer, stop, connections_sender);
        tokio::spawn(async move {
            let left = driver.run().await;
            left_sender.send_replace(Some(left));
        });
        let client = Client { commands: command_sender, stop: Arc::new(stop_sender), left, cursors, connections };
        (client, Events { inbox: reader })
    }

    /// Says something to the switch; waits while too much waits already, which takes a switch that acknowledges nothing of the last
    /// `UnacknowledgedMax` messages. It is sent again on new connections until the switch has acknowledged it.
    pub async fn send(&self, message: Message<'_>) -> Result<(), SubmitError> {
        self.commands.send(Command::new(message)?).await.map_err(|_| SubmitError::Closed)
    }

    /// As `send`, but never waits.
    pub fn try_send(&self, message: Message<'_>) -> Result<(), SubmitError> {
        self.commands.try_send(Command::new(message)?).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Full,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Closed,
        })
    }

    /// Submits a payment order; waits while too much waits already. Its fate comes as `Status`, or as `Refused`.
    pub async fn submit(&self, order: &CreditTransfer, private: &PaymentPrivate) -> Result<(), SubmitError> {
        self.send(Message::CreditTransfer(order, private)).await
    }

    /// As `submit`, but never waits.
    pub fn try_submit(&self, order: &CreditTransfer, private: &PaymentPrivate) -> Result<(), SubmitError> {
        self.try_send(Message::CreditTransfer(order, private))
    }

    /// Answers a `Forward`; waits as `send`.
    pub async fn answer(&self, answer: &Answer, note: &Note) -> Result<(), SubmitError> {
        self.send(Message::Answer(answer, note)).await
    }

    /// As `answer`, but never waits.
    pub fn try_answer(&self, answer: &Answer, note: &Note) -> Result<(), SubmitError> {
        self.try_send(Message::Answer(answer, note))
    }

    /// Asks what became of a payment, a return or a case; the answer comes as `Status`, or as `CaseStatus`. Waits as `send`.
    pub async fn request_status(&self, id: PaymentId) -> Result<(), SubmitError> {
        self.send(Message::StatusRequest(id)).await
    }

    /// Says that this provider can be paid again; waits as `send`.
    pub async fn sign_on(&self) -> Result<(), SubmitError> {
        self.send(Message::SignOn).await
    }

    /// Says that this provider is not to be paid, until it signs on; waits as `send`.
    pub async fn sign_off(&self) -> Result<(), SubmitError> {
        self.send(Message::SignOff).await
    }

    /// How many connections are open now: welcomed by the switch, and not known to be gone.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Up to where `Events` has handed out what came: what a provider stores after it has dealt with a batch.
    pub fn cursors(&self) -> Resume {
        self.cursors.handed_out()
    }

    /// Sends what waits, takes what still comes within a second, and closes the connection. Gives the number of messages whose
    /// fate is not known: ask for it, or submit them again, in the next life.
    pub async fn shutdown(&self) -> usize {
        self.stop.send_replace(true);
        let mut left = self.left.clone();
        // The sender is gone without a value only if the driver panicked or its runtime ended.
        left.wait_for(Option::is_some).await.map_or(0, |left| left.unwrap_or(0))
    }
}

/// What came from the switch, in order, in batches.
pub struct Events {
    inbox: InboxReader,
}

impl Events {
    /// Everything that came since the last call; waits until there is something. None after a shutdown.
    pub async fn next(&mut self) -> Option<Vec<Incoming>> {
        let mut batch = Vec::new();
        self.next_into(&mut batch).await.then_some(batch)
    }

    /// As `next`, into a buffer that is used again and again. False after a shutdown.
    pub async fn next_into(&mut self, batch: &mut Vec<Incoming>) -> bool {
        batch.clear();
        std::future::poll_fn(|cx| self.inbox.poll_take(cx, batch)).await
    }
}
