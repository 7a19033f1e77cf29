//! The canonical payment messages. Every protocol translates to and from these.
//!
//! A message has a **routing part**, which the switch reads, and a **private part**, which only the two providers read and
//! which is sealed before anything is recorded. Both are rkyv archives made only of fixed-width little-endian integers,
//! byte arrays and byte vectors, so `docs/formats/native.md` can give every byte its place.
//!
//! This file owns the layouts and the table "which message does what". It checks nothing: `check` does.

use ledger::{Amount, Currency};
use rkyv::rancor::Failure;
use rkyv::ser::allocator::SubAllocator;
use rkyv::{Archive, Deserialize, Serialize};

use crate::limits::PARTICIPANT_CODE_BYTES;

/// What a frame or an entry carries. The numbers are on the wire and in the journal: never renumber, never reuse.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Who the provider is and what it has seen.
    Hello = 1,
    /// Whose numbers these are and where they go on.
    Welcome = 2,
    /// What has arrived, where nothing else carries it.
    Ack = 3,
    /// A frame was refused before it was recorded.
    Error = 4,
    /// Is the other side there?
    Echo = 5,
    /// A payment order, from the payer provider.
    CreditTransfer = 6,
    /// The same order, to the payee provider.
    Forward = 7,
    /// The payee provider's decision.
    Answer = 8,
    /// What became of a payment.
    Status = 9,
    /// What became of this payment, or of this case?
    StatusRequest = 10,
    /// Money of a committed payment goes back, in whole or in part: from the provider that was paid.
    Return = 11,
    /// The same, to the provider that had paid.
    Returned = 12,
    /// A request that another provider is to answer: a recall, an information request, a request to pay.
    CaseOpen = 13,
    /// The same request, to the provider that is to answer.
    CaseForward = 14,
    /// The answer to a case.
    CaseAnswer = 15,
    /// Whoever opened a case takes it back.
    CaseCancel = 16,
    /// Where a case stands.
    CaseStatus = 17,
    /// The provider can be paid again.
    SignOn = 18,
    /// From now on the provider is not to be paid.
    SignOff = 19,
    /// What is to become of an alias of this provider.
    AliasCommand = 20,
    /// What became of it.
    AliasResult = 21,
    /// Whose account is this alias?
    AliasLookup = 22,
    /// The answer, or that there is none.
    AliasFound = 23,
    /// A payment order that names an alias instead of an account.
    AliasTransfer = 24,
    /// What a provider may know about its own entries, its customers and its allowance.
    DirectoryQuery = 25,
    /// The answer to that.
    DirectoryAnswer = 26,
    /// Where does this provider stand in a currency?
    AccountQuery = 27,
    /// The answer to that.
    AccountReport = 28,
}

/// One row of the table "which message does what".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conduct {
    /// The message.
    pub kind: MessageKind,
    /// Its name in documents.
    pub name: &'static str,
    /// May a provider send it?
    pub from_provider: bool,
    /// May the switch send it?
    pub from_switch: bool,
    /// Does it become a journal entry?
    pub journaled: bool,
    /// Does it take a number in an outbox lane?
    pub numbered: Numbered,
    /// Length of its routing part.
    pub routing_bytes: usize,
}

/// Does a message take a number in an outbox lane?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// It belongs to the connection, not to the outbox.
    Never,
    /// Always.
    Always,
    /// Unless it answers a `StatusRequest`, a duplicate, or an answer or a cancellation that changed nothing.
    UnlessReply,
}

/// Which message does what. The same table stands in `docs/formats/native.md`; a test compares them.
pub const CONDUCT: [Conduct; 28] = {
    use MessageKind as K;
    use Numbered::{Always, Never, UnlessReply};
    const fn row(
        kind: MessageKind,
        name: &'static str,
        [from_provider, from_switch, journaled]: [bool; 3],
        numbered: Numbered,
        routing_bytes: usize,
    ) -> Conduct {
        Conduct { kind, name, from_provider, from_switch, journaled, numbered, routing_bytes }
    }
    [
        row(K::Hello, "Hello", [true, false, false], Never, 76),
        row(K::Welcome, "Welcome", [false, true, false], Never, 80),
        row(K::Ack, "Ack", [true, true, false], Never, 24),
        row(K::Error, "Error", [false, true, false], Never, 32),
        row(K::Echo, "Echo", [true, true, false], Never, 9),
        row(K::CreditTransfer, "CreditTransfer", [true, false, true], Never, 126),
        row(K::Forward, "Forward", [false, true, false], Always, 134),
        row(K::Answer, "Answer", [true, false, true], Never, 21),
        row(K::Status, "Status", [false, true, false], UnlessReply, 38),
        row(K::StatusRequest, "StatusRequest", [true, false, false], Never, 16),
        row(K::Return, "Return", [true, false, true], Never, 63),
        row(K::Returned, "Returned", [false, true, false], Always, 87),
        row(K::CaseOpen, "CaseOpen", [true, false, true], Never, 127),
        row(K::CaseForward, "CaseForward", [false, true, false], Always, 127),
        row(K::CaseAnswer, "CaseAnswer", [true, false, true], Never, 21),
        row(K::CaseCancel, "CaseCancel", [true, false, true], Never, 20),
        row(K::CaseStatus, "CaseStatus", [false, true, false], UnlessReply, 39),
        row(K::SignOn, "SignOn", [true, false, true], Never, 0),
        row(K::SignOff, "SignOff", [true, false, true], Never, 0),
        row(K::AliasCommand, "AliasCommand", [true, false, true], Never, 29),
        row(K::AliasResult, "AliasResult", [false, true, false], Never, 34),
        row(K::AliasLookup, "AliasLookup", [true, false, true], Never, 54),
        row(K::AliasFound, "AliasFound", [false, true, false], Never, 82),
        row(K::AliasTransfer, "AliasTransfer", [true, false, true], Never, 92),
        row(K::DirectoryQuery, "DirectoryQuery", [true, false, false], Never, 25),
        row(K::DirectoryAnswer, "DirectoryAnswer", [false, true, false], Never, 26),
        row(K::AccountQuery, "AccountQuery", [true, false, false], Never, 19),
        row(K::AccountReport, "AccountReport", [false, true, false], Never, 125),
    ]
};

impl MessageKind {
    /// Does a provider send it again on its next connection until the switch has acknowledged it? Ids make that harmless; of `SignOn` and `SignOff` only
    /// the last one counts, and a look-up that is repeated costs once more.
    pub fn is_resent(self) -> bool {
        let asks = matches!(self, MessageKind::StatusRequest | MessageKind::DirectoryQuery | MessageKind::AccountQuery);
        self.conduct().journaled || asks
    }

    /// The kind with this number on the wire.
    pub fn from_number(number: u8) -> Option<MessageKind> {
        CONDUCT.get(usize::from(number).checked_sub(1)?).map(|row| row.kind)
    }

    /// This kind's row of the table.
    pub fn conduct(self) -> &'static Conduct {
        let row = &CONDUCT[self as usize - 1];
        debug_assert!(row.kind == self);
        row
    }
}

/// A stream of numbered messages. The numbers of lanes are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What belongs to one connection; provider frames are numbered here.
    Session = 0,
    /// Payments.
    Payments = 1,
    /// Bulk payments.
    Bulk = 2,
    /// Directory.
    Directory = 3,
}

/// How many lanes an outbox has: all but `Session`.
pub const OUTBOX_LANES: usize = 3;

impl Lane {
    /// The lanes of an outbox, in the order in which cursors are written.
    pub const OUTBOX: [Lane; OUTBOX_LANES] = [Lane::Payments, Lane::Bulk, Lane::Directory];

    /// The lane with this number on the wire.
    pub fn from_number(number: u8) -> Option<Lane> {
        match number {
            0 => Some(Lane::Session),
            1 => Some(Lane::Payments),
            2 => Some(Lane::Bulk),
            3 => Some(Lane::Directory),
            _ => None,
        }
    }

    /// Place of an outbox lane in a set of cursors; none for `Session`.
    pub fn outbox_index(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }
}

/// The highest number below which all arrived, one for each outbox lane in the order of `Lane::OUTBOX`.
pub type Cursors = [u64; OUTBOX_LANES];

/// In `Hello`: nothing old is wanted, go on from the end.
pub const SEEN_FROM_THE_END: Cursors = [u64::MAX; OUTBOX_LANES];

/// Identifies one history of a journal. Numbers of another lineage mean nothing.
pub type Lineage = [u8; 16];

/// A payment's identity: its UETR (ISO 20022 UUIDv4Identifier), chosen by the payer provider, global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaymentId([u8; 16]);

impl PaymentId {
    /// From the 16 bytes as printed; none unless it is a version-4 UUID of the RFC 9562 variant.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<PaymentId> {
        (bytes[6] >> 4 == 4 && bytes[8] >> 6 == 0b10).then_some(PaymentId(bytes))
    }

    /// A new random id.
    pub fn random() -> PaymentId {
        PaymentId(*uuid::Uuid::new_v4().as_bytes())
    }

    /// From its printed form.
    pub fn parse(text: &str) -> Option<PaymentId> {
        PaymentId::from_bytes(*uuid::Uuid::try_parse(text).ok()?.as_bytes())
    }

    /// The 16 bytes as printed.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Display for PaymentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

/// Where a message may name a payment or a case and names none.
pub const NO_ID: [u8; 16] = [0; 16];

/// A participant's name outside: a BIC or a scheme code, 1 to 35 of `A-Z 0-9 - _`, then zero bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantCode([u8; PARTICIPANT_CODE_BYTES]);

impl ParticipantCode {
    /// From its wire form.
    pub fn from_bytes(bytes: [u8; PARTICIPANT_CODE_BYTES]) -> Option<ParticipantCode> {
        let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        let (code, padding) = bytes.split_at(length);
        let allowed = |&b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (length > 0 && code.iter().all(allowed) && padding.iter().all(|&b| b == 0)).then_some(ParticipantCode(bytes))
    }

    /// From its printed form.
    pub fn parse(text: &str) -> Option<ParticipantCode> {
        let mut bytes = [0; PARTICIPANT_CODE_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        // A zero byte is padding on the wire and has no place in a printed code.
        ParticipantCode::from_bytes(bytes).filter(|code| code.as_str() == text)
    }

    /// Its wire form.
    pub fn bytes(&self) -> &[u8; PARTICIPANT_CODE_BYTES] {
        &self.0
    }

    /// Its printed form.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl std::fmt::Display for ParticipantCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::fmt::Debug for ParticipantCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a payment. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Final: the money moved.
    Committed = 1,
    /// Final: refused by the switch or by the payee provider; nothing moved.
    Rejected = 2,
    /// Final: the payee provider did not answer in time; nothing moved.
    Expired = 3,
    /// Not decided yet.
    InFlight = 4,
    /// The switch knows no such payment of the one who asks: send again with the same id.
    Unknown = 5,
    /// Refused: this id was used with other content. Says nothing about the payment that has the id.
    Duplicate = 6,
}

impl Outcome {
    /// The outcome with this number on the wire.
    pub fn from_number(number: u8) -> Option<Outcome> {
        Some(match number {
            1 => Outcome::Committed,
            2 => Outcome::Rejected,
            3 => Outcome::Expired,
            4 => Outcome::InFlight,
            5 => Outcome::Unknown,
            6 => Outcome::Duplicate,
            _ => return None,
        })
    }

    /// Will it never change again?
    pub fn is_final(self) -> bool {
        matches!(self, Outcome::Committed | Outcome::Rejected | Outcome::Expired)
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Committed => "committed",
            Outcome::Rejected => "rejected",
            Outcome::Expired => "expired",
            Outcome::InFlight => "in_flight",
            Outcome::Unknown => "unknown",
            Outcome::Duplicate => "duplicate",
        }
    }
}

/// The payee provider's decision. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The payee's account exists and will be credited.
    Accept = 1,
    /// The payment is taken, but not yet credited to the payee (ISO 20022 `ACWP`): a case stays open until it is, or until it is returned.
    AcceptWithoutPosting = 2,
    /// The payment is refused, for a reason.
    Reject = 3,
}

impl Decision {
    /// The decision with this number on the wire.
    pub fn from_number(number: u8) -> Option<Decision> {
        match number {
            1 => Some(Decision::Accept),
            2 => Some(Decision::AcceptWithoutPosting),
            3 => Some(Decision::Reject),
            _ => None,
        }
    }
}

/// What a case is about. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaseKind {
    /// The payer provider asks for a committed payment back (ISO 20022 camt.056, camt.029). The positive answer is a `Return`.
    Recall = 1,
    /// Either provider asks the other about a committed payment (ISO 20022 camt.026, camt.027).
    Information = 2,
    /// The payee provider asks the payer provider to have a payment made (ISO 20022 pain.013, pain.014).
    PaymentRequest = 3,
    /// A payment was accepted without being posted: the payee provider owes word that it was, or a `Return`. Opened by the switch; its id is the
    /// payment's.
    Posting = 4,
}

impl CaseKind {
    /// All of them.
    pub const ALL: [CaseKind; 4] =
        [CaseKind::Recall, CaseKind::Information, CaseKind::PaymentRequest, CaseKind::Posting];

    /// The kind with this number on the wire.
    pub fn from_number(number: u8) -> Option<CaseKind> {
        CaseKind::ALL.into_iter().find(|&kind| kind as u8 == number)
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            CaseKind::Recall => "recall",
            CaseKind::Information => "information",
            CaseKind::PaymentRequest => "payment_request",
            CaseKind::Posting => "posting",
        }
    }

    /// In which lane its messages go: what a person waits for in the one, what clerks deal with in the other.
    pub fn lane(self) -> Lane {
        match self {
            CaseKind::PaymentRequest | CaseKind::Posting => Lane::Payments,
            CaseKind::Recall | CaseKind::Information => Lane::Bulk,
        }
    }
}

/// What an `AccountReport` is about. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountStanding {
    /// The account that this provider's payments move.
    Own = 1,
    /// This provider settles through another, whose account is not shown to it.
    Sponsored = 2,
    /// This provider has no account in the currency, or the scheme has no such currency.
    None = 3,
}

impl AccountStanding {
    /// The standing with this number on the wire.
    pub fn from_number(number: u8) -> Option<AccountStanding> {
        [AccountStanding::Own, AccountStanding::Sponsored, AccountStanding::None]
            .into_iter()
            .find(|&standing| standing as u8 == number)
    }
}

/// How payments settle. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Each moves settlement accounts.
    Gross = 1,
    /// Each moves position accounts, within a net debit cap; windows of them are settled.
    Net = 2,
}

impl Settlement {
    /// The way of settlement with this number on the wire.
    pub fn from_number(number: u8) -> Option<Settlement> {
        [Settlement::Gross, Settlement::Net].into_iter().find(|&settlement| settlement as u8 == number)
    }
}

/// Where a case stands. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CaseState {
    /// It waits for an answer.
    Open = 1,
    /// A request to pay that the payer provider has accepted: the payment is to come.
    Accepted = 2,
    /// A request to pay whose payment is in flight.
    Paying = 3,
    /// Final: what was asked for was done: returned, told, paid, posted.
    Settled = 4,
    /// Final: refused by the provider that was asked.
    Refused = 5,
    /// Final: not done in time.
    Expired = 6,
    /// Final: taken back by the provider that had opened it.
    Cancelled = 7,
    /// Final: refused by the rules of the scheme; nobody was asked.
    Rejected = 8,
    /// The switch knows no such case of the one who asks: open it again with the same id.
    Unknown = 9,
    /// Refused: this id was used with other content. Says nothing about what has the id.
    Duplicate = 10,
}

impl CaseState {
    /// All of them.
    pub const ALL: [CaseState; 10] = [
        CaseState::Open,
        CaseState::Accepted,
        CaseState::Paying,
        CaseState::Settled,
        CaseState::Refused,
        CaseState::Expired,
        CaseState::Cancelled,
        CaseState::Rejected,
        CaseState::Unknown,
        CaseState::Duplicate,
    ];

    /// The state with this number on the wire.
    pub fn from_number(number: u8) -> Option<CaseState> {
        CaseState::ALL.into_iter().find(|&state| state as u8 == number)
    }

    /// Will it never change again?
    pub fn is_final(self) -> bool {
        (CaseState::Settled..=CaseState::Rejected).contains(&self)
    }

    /// Can something still come of it?
    pub fn is_open(self) -> bool {
        self <= CaseState::Paying
    }

    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            CaseState::Open => "open",
            CaseState::Accepted => "accepted",
            CaseState::Paying => "paying",
            CaseState::Settled => "settled",
            CaseState::Refused => "refused",
            CaseState::Expired => "expired",
            CaseState::Cancelled => "cancelled",
            CaseState::Rejected => "rejected",
            CaseState::Unknown => "unknown",
            CaseState::Duplicate => "duplicate",
        }
    }
}

/// What the amount of a case means. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AmountForm {
    /// There is none: the amount is 0. A recall asks for all that was not returned yet.
    None = 0,
    /// Exactly this.
    Fixed = 1,
    /// Of a request to pay: the payer chooses, up to this.
    UpTo = 2,
}

impl AmountForm {
    /// The form with this number on the wire.
    pub fn from_number(number: u8) -> Option<AmountForm> {
        [AmountForm::None, AmountForm::Fixed, AmountForm::UpTo].into_iter().find(|&form| form as u8 == number)
    }
}

/// An ISO 20022 external reason code (of a status, a return or a cancellation); all zeros for none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reason([u8; 4]);

impl Reason {
    /// No reason.
    pub const NONE: Reason = Reason([0; 4]);

    /// A reason that the switch itself gives.
    pub const fn of(code: &[u8; 4]) -> Reason {
        Reason(*code)
    }

    /// From its wire form: four upper-case letters or digits, or all zeros.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Reason> {
        let code = bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        (code || bytes == [0; 4]).then_some(Reason(bytes))
    }

    /// Its wire form.
    pub fn bytes(self) -> [u8; 4] {
        self.0
    }

    /// Its printed form; empty for none.
    pub fn as_str(&self) -> &str {
        if self.0 == [0; 4] { "" } else { std::str::from_utf8(&self.0).unwrap_or_default() }
    }
}

impl std::fmt::Debug for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that can be to blame. The numbers are on the wire.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// No field is to blame.
    None = 0,
    /// Not a version-4 UUID.
    PaymentId = 1,
    /// The payer provider's code.
    Payer = 2,
    /// The payee provider's code.
    Payee = 3,
    /// Minor units.
    Amount = 4,
    /// ISO 4217.
    Currency = 5,
    /// Acceptance time.
    AcceptedAt = 6,
    /// Purpose code.
    Purpose = 7,
    /// Of an answer.
    Decision = 8,
    /// Reason code.
    Reason = 9,
    /// Of a `Hello`.
    Participant = 10,
    /// Of a `Hello`.
    Lineage = 11,
    /// Of a `Hello`.
    Seen = 12,
    /// Of an `Echo`.
    Reply = 13,
    /// The stream that a payment is to go in.
    Lane = 14,
    /// The request to pay that a payment pays.
    RequestId = 15,
    /// The payment that a return or a case is about.
    OriginalId = 16,
    /// Not a version-4 UUID.
    CaseId = 17,
    /// What a case is about.
    CaseKind = 18,
    /// Who is to answer a case.
    Responder = 19,
    /// Private.
    PayerName = 20,
    /// Private.
    PayerAccount = 21,
    /// Private.
    PayeeName = 22,
    /// Private.
    PayeeAccount = 23,
    /// Private.
    EndToEndId = 24,
    /// Private.
    Remittance = 25,
    /// Private.
    Extension = 26,
    /// Private.
    Text = 27,
    /// What the amount of a case means.
    AmountForm = 28,
    /// When a case is to end.
    ExpiresAt = 29,
    /// Who opens a case.
    Opener = 30,
    /// Of a `Hello`.
    Slot = 31,
    /// What is to become of an alias.
    Operation = 32,
    /// Which kind of alias.
    AliasType = 33,
    /// Private.
    Alias = 34,
    /// Private: the token of the end user who asks or pays.
    EndUser = 35,
    /// Private: the token of the person or business behind an alias.
    Identity = 36,
    /// Private.
    Account = 37,
    /// Private.
    Name = 38,
    /// Private: what an ID system has signed.
    Attestation = 39,
    /// To what a person has consented, and until when.
    Consent = 40,
    /// For which purposes an account is the default.
    Defaults = 41,
    /// What kind of look-up, or of question.
    Form = 42,
    /// Private: several things in one field.
    Items = 43,
}

impl Field {
    /// Every field with its name in documents, reports and on screens.
    pub const NAMES: [(Field, &'static str); 44] = [
        (Field::None, "none"),
        (Field::PaymentId, "payment_id"),
        (Field::Payer, "payer"),
        (Field::Payee, "payee"),
        (Field::Amount, "amount"),
        (Field::Currency, "currency"),
        (Field::AcceptedAt, "accepted_at"),
        (Field::Purpose, "purpose"),
        (Field::Decision, "decision"),
        (Field::Reason, "reason"),
        (Field::Participant, "participant"),
        (Field::Lineage, "lineage"),
        (Field::Seen, "seen"),
        (Field::Reply, "reply"),
        (Field::Lane, "lane"),
        (Field::RequestId, "request_id"),
        (Field::OriginalId, "original_id"),
        (Field::CaseId, "case_id"),
        (Field::CaseKind, "case_kind"),
        (Field::Responder, "responder"),
        (Field::PayerName, "payer_name"),
        (Field::PayerAccount, "payer_account"),
        (Field::PayeeName, "payee_name"),
        (Field::PayeeAccount, "payee_account"),
        (Field::EndToEndId, "end_to_end_id"),
        (Field::Remittance, "remittance"),
        (Field::Extension, "extension"),
        (Field::Text, "text"),
        (Field::AmountForm, "amount_form"),
        (Field::ExpiresAt, "expires_at"),
        (Field::Opener, "opener"),
        (Field::Slot, "slot"),
        (Field::Operation, "operation"),
        (Field::AliasType, "alias_type"),
        (Field::Alias, "alias"),
        (Field::EndUser, "end_user"),
        (Field::Identity, "identity"),
        (Field::Account, "account"),
        (Field::Name, "name"),
        (Field::Attestation, "attestation"),
        (Field::Consent, "consent"),
        (Field::Defaults, "defaults"),
        (Field::Form, "form"),
        (Field::Items, "items"),
    ];

    /// The field with this number on the wire.
    pub fn from_number(number: u8) -> Option<Field> {
        Field::NAMES.iter().map(|&(field, _)| field).find(|&field| field as u8 == number)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Field::NAMES.iter().find(|&&(field, _)| field == self).map_or("none", |&(_, name)| name)
    }
}

/// Why a frame was refused before it was recorded. The numbers are on the wire.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The length makes no sense.
    BadFrame = 1,
    /// A version the switch does not speak.
    BadVersion = 2,
    /// No such message.
    UnknownKind = 3,
    /// Above the limit.
    FrameTooLarge = 4,
    /// The header or a part has the wrong length or layout.
    BadMessage = 5,
    /// The named field is not valid.
    BadField = 6,
    /// Refused before it was recorded; send again later.
    Busy = 7,
    /// As busy; the switch is about to stop.
    ShuttingDown = 8,
    /// A provider may not send this, or not now.
    NotAllowed = 9,
    /// `Hello` names a participant whom the certificate neither names nor may connect for.
    WrongParticipant = 10,
    /// The certificate's participant is not in the scheme.
    UnknownParticipant = 11,
    /// A newer connection of this participant took over.
    Replaced = 12,
    /// In the middle of a frame, or silent, for too long.
    TooSlow = 13,
    /// Frame numbers must follow one another.
    BadNumber = 14,
    /// Refused before it was recorded: this provider sends faster than it may.
    RateLimited = 15,
    /// Other certificates of its holder are registered, or this one's time is over, or it was revoked.
    CertificateRefused = 16,
    /// The participant has left the scheme.
    ParticipantClosed = 17,
    /// Nobody can be paid under this alias.
    AliasNotFound = 18,
    /// This end user, or this provider, has asked for more aliases than it may.
    LookupLimited = 19,
    /// The attestation does not hold; the text says why.
    AttestationRefused = 20,
}

impl ErrorCode {
    /// Every code with its name in documents.
    pub const NAMES: [(ErrorCode, &'static str); 20] = [
        (ErrorCode::BadFrame, "bad_frame"),
        (ErrorCode::BadVersion, "bad_version"),
        (ErrorCode::UnknownKind, "unknown_kind"),
        (ErrorCode::FrameTooLarge, "frame_too_large"),
        (ErrorCode::BadMessage, "bad_message"),
        (ErrorCode::BadField, "bad_field"),
        (ErrorCode::Busy, "busy"),
        (ErrorCode::ShuttingDown, "shutting_down"),
        (ErrorCode::NotAllowed, "not_allowed"),
        (ErrorCode::WrongParticipant, "wrong_participant"),
        (ErrorCode::UnknownParticipant, "unknown_participant"),
        (ErrorCode::Replaced, "replaced"),
        (ErrorCode::TooSlow, "too_slow"),
        (ErrorCode::BadNumber, "bad_number"),
        (ErrorCode::RateLimited, "rate_limited"),
        (ErrorCode::CertificateRefused, "certificate_refused"),
        (ErrorCode::ParticipantClosed, "participant_closed"),
        (ErrorCode::AliasNotFound, "alias_not_found"),
        (ErrorCode::LookupLimited, "lookup_limited"),
        (ErrorCode::AttestationRefused, "attestation_refused"),
    ];

    /// The code with this number on the wire.
    pub fn from_number(number: u16) -> Option<ErrorCode> {
        ErrorCode::NAMES.iter().map(|&(code, _)| code).find(|&code| code as u16 == number)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ErrorCode::NAMES.iter().find(|&&(code, _)| code == self).map_or("", |&(_, name)| name)
    }

    /// Does the switch close the connection after it?
    pub fn is_fatal(self) -> bool {
        use ErrorCode as E;
        match self {
            E::BadFrame
            | E::FrameTooLarge
            | E::WrongParticipant
            | E::UnknownParticipant
            | E::Replaced
            | E::TooSlow
            | E::BadNumber
            | E::CertificateRefused
            | E::ParticipantClosed => true,
            E::BadVersion
            | E::UnknownKind
            | E::BadMessage
            | E::BadField
            | E::Busy
            | E::ShuttingDown
            | E::RateLimited
            | E::NotAllowed
            | E::AliasNotFound
            | E::LookupLimited
            | E::AttestationRefused => false,
        }
    }
}

/// Bit of `Hello::slot`, beside the slot itself: the provider has no other connection now. What the switch still takes for one is dead, or of an earlier life.
pub const HELLO_ALONE: u8 = 2;

/// The archived forms: what lies on the wire and in the journal, read in place.
#[allow(
    missing_docs,
    reason = "the derive copies the fields, not their documentation; see the struct of the same name"
)]
mod layout {
    use super::{Archive, Cursors, Deserialize, Lineage, PARTICIPANT_CODE_BYTES, Serialize};

    /// Routing part of a `Hello`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Hello {
        pub participant: [u8; PARTICIPANT_CODE_BYTES],
        pub lineage: Lineage,
        pub seen: Cursors,
        pub slot: u8,
    }

    /// Routing part of a `Welcome`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Welcome {
        pub lineage: Lineage,
        pub resumed_after: Cursors,
        pub enqueued: Cursors,
        pub time_ns: u64,
        pub frame_bytes_max: u32,
        pub in_flight_max: u32,
    }

    /// Routing part of an `Ack`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Ack {
        pub received: Cursors,
    }

    /// Routing part of an `Error`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Error {
        pub code: u16,
        pub field: u8,
        pub fatal: u8,
        pub retry_after_ms: u32,
        pub frame_number: u64,
        pub payment_id: [u8; 16],
    }

    /// Routing part of an `Echo`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Echo {
        pub token: u64,
        pub reply: u8,
    }

    /// Routing part of a `CreditTransfer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CreditTransfer {
        pub payment_id: [u8; 16],
        pub payer: [u8; PARTICIPANT_CODE_BYTES],
        pub payee: [u8; PARTICIPANT_CODE_BYTES],
        pub amount: u64,
        pub currency: [u8; 3],
        pub accepted_at_ns: u64,
        pub purpose: [u8; 4],
        pub lane: u8,
        pub request_id: [u8; 16],
    }

    /// Routing part of a `Forward`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Forward {
        pub payment_id: [u8; 16],
        pub payer: [u8; PARTICIPANT_CODE_BYTES],
        pub payee: [u8; PARTICIPANT_CODE_BYTES],
        pub amount: u64,
        pub currency: [u8; 3],
        pub accepted_at_ns: u64,
        pub purpose: [u8; 4],
        pub lane: u8,
        pub request_id: [u8; 16],
        pub deadline_ns: u64,
    }

    /// Routing part of an `Answer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Answer {
        pub payment_id: [u8; 16],
        pub decision: u8,
        pub reason: [u8; 4],
    }

    /// Routing part of a `Status`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Status {
        pub payment_id: [u8; 16],
        pub outcome: u8,
        pub reason: [u8; 4],
        pub field: u8,
        pub decided_at_ns: u64,
        pub position: u64,
    }

    /// Routing part of a `StatusRequest`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct StatusRequest {
        pub payment_id: [u8; 16],
    }

    /// Routing part of a `Return`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Return {
        pub return_id: [u8; 16],
        pub original_id: [u8; 16],
        pub case_id: [u8; 16],
        pub amount: u64,
        pub currency: [u8; 3],
        pub reason: [u8; 4],
    }

    /// Routing part of a `Returned`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Returned {
        pub return_id: [u8; 16],
        pub original_id: [u8; 16],
        pub case_id: [u8; 16],
        pub amount: u64,
        pub currency: [u8; 3],
        pub reason: [u8; 4],
        pub returned_total: u64,
        pub decided_at_ns: u64,
        pub position: u64,
    }

    /// Routing part of a `CaseOpen`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CaseOpen {
        pub case_id: [u8; 16],
        pub kind: u8,
        pub original_id: [u8; 16],
        pub opener: [u8; PARTICIPANT_CODE_BYTES],
        pub responder: [u8; PARTICIPANT_CODE_BYTES],
        pub amount: u64,
        pub currency: [u8; 3],
        pub amount_form: u8,
        pub reason: [u8; 4],
        pub expires_at_ns: u64,
    }

    /// Routing part of a `CaseForward`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CaseForward {
        pub case_id: [u8; 16],
        pub kind: u8,
        pub original_id: [u8; 16],
        pub opener: [u8; PARTICIPANT_CODE_BYTES],
        pub responder: [u8; PARTICIPANT_CODE_BYTES],
        pub amount: u64,
        pub currency: [u8; 3],
        pub amount_form: u8,
        pub reason: [u8; 4],
        pub deadline_ns: u64,
    }

    /// Routing part of a `CaseAnswer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CaseAnswer {
        pub case_id: [u8; 16],
        pub decision: u8,
        pub reason: [u8; 4],
    }

    /// Routing part of a `CaseCancel`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CaseCancel {
        pub case_id: [u8; 16],
        pub reason: [u8; 4],
    }

    /// Routing part of a `CaseStatus`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CaseStatus {
        pub case_id: [u8; 16],
        pub kind: u8,
        pub state: u8,
        pub reason: [u8; 4],
        pub field: u8,
        pub at_ns: u64,
        pub position: u64,
    }

    /// Routing part of an `AliasCommand`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasCommand {
        pub command_id: [u8; 16],
        pub operation: u8,
        pub alias_type: u8,
        pub defaults: u16,
        pub consent_purpose: u8,
        pub consent_until_ns: u64,
    }

    /// Routing part of an `AliasResult`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasResult {
        pub command_id: [u8; 16],
        pub result: u8,
        pub claim: u8,
        pub at_ns: u64,
        pub position: u64,
    }

    /// Routing part of an `AliasLookup`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasLookup {
        pub lookup_id: [u8; 16],
        pub form: u8,
        pub purpose: u8,
        pub alias_type: u8,
        pub participant: [u8; PARTICIPANT_CODE_BYTES],
    }

    /// Routing part of an `AliasFound`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasFound {
        pub lookup_id: [u8; 16],
        pub result: u8,
        pub name_match: u8,
        pub participant: [u8; PARTICIPANT_CODE_BYTES],
        pub owned_since_ns: u64,
        pub counters: [u8; 9],
        pub retry_after_ms: u32,
        pub position: u64,
    }

    /// Routing part of an `AliasTransfer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasTransfer {
        pub payment_id: [u8; 16],
        pub payer: [u8; PARTICIPANT_CODE_BYTES],
        pub amount: u64,
        pub currency: [u8; 3],
        pub accepted_at_ns: u64,
        pub purpose: [u8; 4],
        pub lane: u8,
        pub request_id: [u8; 16],
        pub alias_type: u8,
    }

    /// Routing part of a `DirectoryQuery`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct DirectoryQuery {
        pub query_id: [u8; 16],
        pub form: u8,
        pub after: u64,
    }

    /// Routing part of a `DirectoryAnswer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct DirectoryAnswer {
        pub query_id: [u8; 16],
        pub form: u8,
        pub has_more: u8,
        pub after: u64,
    }

    /// Routing part of an `AccountQuery`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AccountQuery {
        pub query_id: [u8; 16],
        pub currency: [u8; 3],
    }

    /// Routing part of an `AccountReport`. Sums in minor units, since the account was opened.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AccountReport {
        pub query_id: [u8; 16],
        pub currency: [u8; 3],
        pub standing: u8,
        pub settlement: u8,
        pub at_ns: u64,
        pub position: u64,
        pub debits_pending: u128,
        pub debits_posted: u128,
        pub credits_pending: u128,
        pub credits_posted: u128,
        pub cap: u64,
        pub available: u128,
    }

    /// Private part of an `AliasCommand`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct AliasCommandPrivate {
        pub alias: Vec<u8>,
        pub identity: Vec<u8>,
        pub account: Vec<u8>,
        pub name: Vec<u8>,
        pub attestation: Vec<u8>,
    }

    /// Private part of an `AliasResult`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct AliasResultPrivate {
        pub alias: Vec<u8>,
    }

    /// Private part of an `AliasLookup`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct AliasLookupPrivate {
        pub alias: Vec<u8>,
        pub end_user: Vec<u8>,
        pub account: Vec<u8>,
        pub name: Vec<u8>,
    }

    /// Private part of an `AliasFound`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct AliasFoundPrivate {
        pub account: Vec<u8>,
        pub name: Vec<u8>,
    }

    /// Private part of an `AliasTransfer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct AliasTransferPrivate {
        pub payer_name: Vec<u8>,
        pub payer_account: Vec<u8>,
        pub payee_name: Vec<u8>,
        pub end_to_end_id: Vec<u8>,
        pub remittance: Vec<u8>,
        pub extension: Vec<u8>,
        pub alias: Vec<u8>,
        pub end_user: Vec<u8>,
    }

    /// Private part of a `DirectoryQuery` and of its `DirectoryAnswer`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct DirectoryItems {
        pub items: Vec<u8>,
    }

    /// Private part of a `CreditTransfer` and of its `Forward`, of a `CaseOpen` and of its `CaseForward`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct PaymentPrivate {
        pub payer_name: Vec<u8>,
        pub payer_account: Vec<u8>,
        pub payee_name: Vec<u8>,
        pub payee_account: Vec<u8>,
        pub end_to_end_id: Vec<u8>,
        pub remittance: Vec<u8>,
        pub extension: Vec<u8>,
    }

    /// Private part of an `Answer`, a `Return`, a `CaseAnswer` or a `CaseCancel`, of what follows from it, and of an `Error`.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
    pub struct Note {
        pub text: Vec<u8>,
        pub extension: Vec<u8>,
    }
}

pub use layout::*;

/// A part of a message that has a layout: written by `write`, read in place by `read`.
pub trait Part: Archive {
    /// Appends the part's bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the part in place; none if the bytes are not such a part. Routing parts must have their exact length.
    fn read(bytes: &[u8]) -> Option<&Self::Archived>;
}

/// A private part by itself; one of empty fields where it is empty, none where it is unreadable.
pub fn owned_part<P>(bytes: &[u8]) -> Option<P>
where
    P: Part + Default,
    P::Archived: rkyv::Deserialize<P, rkyv::rancor::Strategy<(), Failure>>,
{
    if bytes.is_empty() {
        return Some(P::default());
    }
    rkyv::api::low::deserialize::<P, Failure>(P::read(bytes)?).ok()
}

/// Implements `Part`, and fixes the length of the archived root at compile time.
macro_rules! parts {
    ($($part:ident $archived:ident $bytes:literal $exact:literal;)*) => {$(
        const _: () = assert!(size_of::<$archived>() == $bytes);

        impl Part for $part {
            fn write(&self, out: &mut Vec<u8>) {
                let written = rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(
                    self, &mut *out, SubAllocator::new(&mut []),
                );
                assert!(written.is_ok(), "only byte vectors are written, and they fit in memory");
            }

            fn read(bytes: &[u8]) -> Option<&$archived> {
                if $exact && bytes.len() != $bytes {
                    return None;
                }
                rkyv::api::low::access::<$archived, Failure>(bytes).ok()
            }
        }
    )*};
}

parts! {
    Hello ArchivedHello 76 true;
    Welcome ArchivedWelcome 80 true;
    Ack ArchivedAck 24 true;
    Error ArchivedError 32 true;
    Echo ArchivedEcho 9 true;
    CreditTransfer ArchivedCreditTransfer 126 true;
    Forward ArchivedForward 134 true;
    Answer ArchivedAnswer 21 true;
    Status ArchivedStatus 38 true;
    StatusRequest ArchivedStatusRequest 16 true;
    Return ArchivedReturn 63 true;
    Returned ArchivedReturned 87 true;
    CaseOpen ArchivedCaseOpen 127 true;
    CaseForward ArchivedCaseForward 127 true;
    CaseAnswer ArchivedCaseAnswer 21 true;
    CaseCancel ArchivedCaseCancel 20 true;
    CaseStatus ArchivedCaseStatus 39 true;
    AliasCommand ArchivedAliasCommand 29 true;
    AliasResult ArchivedAliasResult 34 true;
    AliasLookup ArchivedAliasLookup 54 true;
    AliasFound ArchivedAliasFound 82 true;
    AliasTransfer ArchivedAliasTransfer 92 true;
    DirectoryQuery ArchivedDirectoryQuery 25 true;
    DirectoryAnswer ArchivedDirectoryAnswer 26 true;
    AccountQuery ArchivedAccountQuery 19 true;
    AccountReport ArchivedAccountReport 125 true;
    AliasCommandPrivate ArchivedAliasCommandPrivate 40 false;
    AliasResultPrivate ArchivedAliasResultPrivate 8 false;
    AliasLookupPrivate ArchivedAliasLookupPrivate 32 false;
    AliasFoundPrivate ArchivedAliasFoundPrivate 16 false;
    AliasTransferPrivate ArchivedAliasTransferPrivate 64 false;
    DirectoryItems ArchivedDirectoryItems 8 false;
    PaymentPrivate ArchivedPaymentPrivate 56 false;
    Note ArchivedNote 16 false;
}

/// The forms that a routing part's fields must have, for those who fill one in.
impl CreditTransfer {
    /// A payment order of the lane `Payments`, with no purpose code, that pays no request.
    pub fn new(
        id: PaymentId,
        payer: ParticipantCode,
        payee: ParticipantCode,
        amount: Amount,
        currency: Currency,
        accepted_at_ns: u64,
    ) -> CreditTransfer {
        CreditTransfer {
            payment_id: id.bytes(),
            payer: *payer.bytes(),
            payee: *payee.bytes(),
            amount: amount.minor_units(),
            currency: currency.bytes(),
            accepted_at_ns,
            purpose: [0; 4],
            lane: Lane::Payments as u8,
            request_id: NO_ID,
        }
    }
}

impl Answer {
    /// The payment is accepted.
    pub fn accept(id: PaymentId) -> Answer {
        Answer { payment_id: id.bytes(), decision: Decision::Accept as u8, reason: Reason::NONE.bytes() }
    }

    /// The payment is accepted, and posted later.
    pub fn accept_without_posting(id: PaymentId) -> Answer {
        Answer { decision: Decision::AcceptWithoutPosting as u8, ..Answer::accept(id) }
    }

    /// The payment is refused.
    pub fn reject(id: PaymentId, reason: Reason) -> Answer {
        Answer { payment_id: id.bytes(), decision: Decision::Reject as u8, reason: reason.bytes() }
    }
}

impl CaseAnswer {
    /// What was asked for is, or will be, done.
    pub fn accept(case: PaymentId) -> CaseAnswer {
        CaseAnswer { case_id: case.bytes(), decision: Decision::Accept as u8, reason: Reason::NONE.bytes() }
    }

    /// What was asked for is refused.
    pub fn refuse(case: PaymentId, reason: Reason) -> CaseAnswer {
        CaseAnswer { case_id: case.bytes(), decision: Decision::Reject as u8, reason: reason.bytes() }
    }
}
