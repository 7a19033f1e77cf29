//! Journal entries: what a batch is made of. The format is `docs/formats/entries.md`.
//!
//! Written once, straight into the batch; read in place by the engine. It knows bytes and places, not meaning.

use adapters::message::{Answer, CaseAnswer, CaseCancel, CaseOpen, CreditTransfer, MessageKind, Part, Return};
use rkyv::rancor::Failure;
use rkyv::ser::allocator::SubAllocator;
use rkyv::{Archive, Deserialize, Serialize};

use crate::limits::{REHASHED_ROWS_MAX, TARIFF_ROWS_MAX};

/// Format id of our payloads in the journal's record header.
pub const PAYLOAD_FORMAT: u32 = 1;

/// Length of an entry's header.
pub const HEADER_BYTES: usize = 24;

const VERSION: u8 = 0;

/// What an entry is. The numbers are in the journal; those of messages are the messages' own.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A payment order.
    CreditTransfer = MessageKind::CreditTransfer as u8,
    /// A payee provider's decision.
    Answer = MessageKind::Answer as u8,
    /// Money goes back.
    Return = MessageKind::Return as u8,
    /// A request to another provider.
    CaseOpen = MessageKind::CaseOpen as u8,
    /// The answer to one.
    CaseAnswer = MessageKind::CaseAnswer as u8,
    /// A request is taken back.
    CaseCancel = MessageKind::CaseCancel as u8,
    /// A participant wants to be paid.
    SignOn = MessageKind::SignOn as u8,
    /// A participant does not want to be paid.
    SignOff = MessageKind::SignOff as u8,
    /// The operator sets the scheme's parameters.
    ActivateRules = 128,
    /// The operator admits a currency.
    CurrencyOpened = 129,
    /// The operator admits a participant.
    ParticipantOpened = 130,
    /// The operator books money that a participant has paid in.
    FundsIn = 131,
    /// The switch observes that a participant has come, or has gone.
    Presence = 132,
    /// What a participant has acknowledged.
    Acknowledged = 133,
    /// The operator lets a participant in, suspends it, or closes it.
    StandingSet = 134,
    /// The operator limits how much a participant may send at once.
    LimitsSet = 135,
    /// The operator sets what a participant may do in a currency.
    TermsSet = 136,
    /// A technical provider may connect for a participant, or may no more.
    AgencySet = 137,
    /// A certificate of a participant is registered, or revoked.
    CertificateSet = 138,
    /// The operator orders money to move, or to be held.
    MoneyOrdered = 139,
    /// The operator confirms or aborts an order of money.
    MoneyDecided = 140,
    /// The operator sets floor and ceiling of a settlement account.
    LiquidityRulesSet = 141,
    /// A participant may send another liquidity, or may no more.
    TransferAllowed = 142,
    /// The operator closes the open window of a cycle.
    CutOff = 143,
    /// The operator settles a closed window.
    SettlementStep = 144,
    /// The operator sets when windows close by themselves.
    CalendarSet = 145,
    /// The operator sets the fees.
    TariffSet = 146,
    /// The operator has fees collected.
    FeesCollected = 147,
    /// The operator sets what look-ups cost, and what the directory allows.
    DirectoryRulesSet = 148,
    /// The operator sets how many look-ups a participant may make.
    LookupCategorySet = 149,
    /// The operator trusts a key of an ID system, or does no more.
    IssuerKeySet = 150,
    /// The operator has the directory's hashes made under a new key, or that is done.
    HashKeySet = 151,
    /// What is to become of an alias: as the edge has hashed and sealed what a participant, or the operator for it, has sent.
    AliasCommanded = 160,
    /// An alias was looked up: as the edge has hashed it, and what the directory's reader has found.
    AliasLookedUp = 161,
    /// The switch has hashed entries of the directory under a new key.
    Rehashed = 162,
}

impl EntryKind {
    fn from_number(number: u8) -> Option<EntryKind> {
        Some(match number {
            6 => EntryKind::CreditTransfer,
            8 => EntryKind::Answer,
            11 => EntryKind::Return,
            13 => EntryKind::CaseOpen,
            15 => EntryKind::CaseAnswer,
            16 => EntryKind::CaseCancel,
            18 => EntryKind::SignOn,
            19 => EntryKind::SignOff,
            128 => EntryKind::ActivateRules,
            129 => EntryKind::CurrencyOpened,
            130 => EntryKind::ParticipantOpened,
            131 => EntryKind::FundsIn,
            132 => EntryKind::Presence,
            133 => EntryKind::Acknowledged,
            134 => EntryKind::StandingSet,
            135 => EntryKind::LimitsSet,
            136 => EntryKind::TermsSet,
            137 => EntryKind::AgencySet,
            138 => EntryKind::CertificateSet,
            139 => EntryKind::MoneyOrdered,
            140 => EntryKind::MoneyDecided,
            141 => EntryKind::LiquidityRulesSet,
            142 => EntryKind::TransferAllowed,
            143 => EntryKind::CutOff,
            144 => EntryKind::SettlementStep,
            145 => EntryKind::CalendarSet,
            146 => EntryKind::TariffSet,
            147 => EntryKind::FeesCollected,
            148 => EntryKind::DirectoryRulesSet,
            149 => EntryKind::LookupCategorySet,
            150 => EntryKind::IssuerKeySet,
            151 => EntryKind::HashKeySet,
            160 => EntryKind::AliasCommanded,
            161 => EntryKind::AliasLookedUp,
            162 => EntryKind::Rehashed,
            _ => return None,
        })
    }

    /// Is it the operator's? Then its annotation is the signature of who gave it; those of the genesis have none.
    fn is_command(self) -> bool {
        let is_in_range = (EntryKind::ActivateRules as u8..EntryKind::AliasCommanded as u8).contains(&(self as u8));
        is_in_range && !matches!(self, EntryKind::Presence | EntryKind::Acknowledged)
    }

    /// Can an annotation that the edge adds have this length?
    fn has_annotation_of(self, bytes: usize) -> bool {
        match self {
            EntryKind::CreditTransfer => bytes == TRANSFER_ANNOTATION_BYTES || bytes == ALIAS_ANNOTATION_BYTES,
            EntryKind::Return | EntryKind::CaseOpen => bytes == size_of::<ArchivedReferenceAnnotation>(),
            kind => bytes == 0 || kind.is_command() && bytes == size_of::<ArchivedSignature>(),
        }
    }
}

/// A participant inside: its number in the order of admission, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub u32);

/// Who an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// As TLS proved.
    Participant(ParticipantId),
    /// The central bank.
    Operator,
    /// The switch itself, of what it observes.
    Switch,
}

#[allow(missing_docs, reason = "the derive copies the fields, not their documentation; the format document has them")]
mod layout {
    use super::{Archive, Deserialize, Serialize};
    use crate::limits::{
        BULK_PURPOSES_MAX, CUT_OFFS_PER_DAY_MAX, HOLIDAYS_MAX, LOOKUP_CATEGORIES, OPERATOR_NAME_BYTES,
        REASON_TEXT_BYTES,
    };
    use adapters::limits::PARTICIPANT_CODE_BYTES;
    use adapters::message::Cursors;

    /// What the edge adds to a payment order.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct TransferAnnotation {
        pub digest: [u8; 16],
        pub checked_through: u64,
    }

    /// What the edge adds, behind that, to a payment order that named an alias.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasResolution {
        /// Keyed hash of the alias.
        pub alias: [u8; 16],
        /// Keyed hash of the token of the end user who pays.
        pub end_user: [u8; 16],
        /// The journal position at which the directory resolved it.
        pub resolved_at: u64,
        /// The directory's entry: the journal position of its registration.
        pub entry: u64,
        /// Of an ID token: keyed hash of its holder, whose defaults led to the account; else zeros.
        pub identity: [u8; 16],
        /// The same: keyed hash of the alias whose account it is.
        pub default: [u8; 16],
    }

    /// What is to become of an alias.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasCommanded {
        pub command_id: [u8; 16],
        /// Of what was sent, as of a payment order.
        pub digest: [u8; 16],
        /// For whom: the sender, or, of an import, whose customers they are.
        pub participant: u32,
        pub operation: u8,
        /// 0 of an erasure.
        pub alias_type: u8,
        /// Of the key under which the hashes are made.
        pub generation: u8,
        /// Keyed hash; zeros of an erasure.
        pub alias: [u8; 16],
        /// The same under the key before, while hashes are made anew; else zeros.
        pub alias_before: [u8; 16],
        /// Keyed hash of the identity's token; zeros where none was sent.
        pub identity: [u8; 16],
        /// The same under the key before.
        pub identity_before: [u8; 16],
        /// Keyed hash of participant and account; zeros where none was sent.
        pub account: [u8; 16],
        /// The same under the key before.
        pub account_before: [u8; 16],
        /// Hash of the attestation's issuer and nonce; zeros where none was sent.
        pub nonce: [u8; 16],
        /// Journal time at which the attestation ends; 0 for none.
        pub attested_until_ns: u64,
        /// Bit 0: in general; bit n: for the purpose with number n.
        pub defaults: u16,
        /// Bit n - 1: for the purpose with number n.
        pub consent_purpose: u8,
        pub consent_until_ns: u64,
    }

    /// An alias was looked up.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AliasLookedUp {
        /// Of the look-up, or of the payment order that named an alias that nobody has.
        pub lookup_id: [u8; 16],
        pub alias: [u8; 16],
        pub end_user: [u8; 16],
        /// 1 look-up, 2 verification, 3 a payment order.
        pub form: u8,
        pub purpose: u8,
        pub is_found: u8,
        /// The journal position at which the directory was read.
        pub resolved_at: u64,
        /// What was found: the journal position of its registration; 0 for nothing.
        pub entry: u64,
    }

    /// What look-ups cost, and what the directory allows.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct DirectoryRulesSet {
        pub cost_found: u32,
        pub cost_missed: u32,
        pub payment_gives_back: u32,
        pub end_user_capacity: u32,
        pub end_user_per_minute: u32,
        pub category_capacity: [u32; LOOKUP_CATEGORIES],
        pub category_per_minute: [u32; LOOKUP_CATEGORIES],
        pub aliases_per_identity: u16,
        pub aliases_per_account: u16,
        /// How names are masked.
        pub mask: u8,
    }

    /// How many look-ups a participant may make.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct LookupCategorySet {
        pub participant: u32,
        /// 0 for A to 7 for H.
        pub category: u8,
    }

    /// A key of an ID system.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct IssuerKeySet {
        /// Zeros behind its end.
        pub issuer: [u8; 64],
        /// Zeros behind its end.
        pub key_id: [u8; 64],
        /// 1 Ed25519, 2 ES256.
        pub algorithm: u8,
        /// Of Ed25519 its 32 bytes, then zeros; of ES256 the uncompressed point.
        pub public_key: [u8; 65],
        pub not_before_s: u64,
        pub not_after_s: u64,
        pub is_valid: u8,
    }

    /// The directory's hashes are to be made under a new key.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct HashKeySet {
        /// Of the new key.
        pub generation: u8,
        /// 1 begins, 2 done.
        pub step: u8,
    }

    /// Entries of the directory under a new key; rows follow.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Rehashed {
        pub generation: u8,
        pub rows: u16,
    }

    /// One of them.
    #[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RehashedRow {
        pub alias_before: [u8; 16],
        pub alias: [u8; 16],
        pub identity_before: [u8; 16],
        pub identity: [u8; 16],
        pub account: [u8; 16],
    }

    /// What the edge adds to a message that may refer to an earlier payment.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct ReferenceAnnotation {
        pub digest: [u8; 16],
        pub checked_through: u64,
        pub original: OriginalFound,
    }

    /// What the history says of that payment: its outcome and parties, and how much of it was returned.
    #[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OriginalFound {
        /// 0 where the history has no outcome of it; else the outcome's number.
        pub outcome: u8,
        pub is_return: u8,
        pub payer: u32,
        pub payee: u32,
        pub amount: u64,
        pub currency: [u8; 3],
        pub decided_at_ns: u64,
        pub returned: u64,
    }

    /// Who gave an operator's command, and why: the annotation of every kind of command.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Signature {
        /// Of who gave it; zeros behind its end.
        pub operator: [u8; OPERATOR_NAME_BYTES],
        /// Of the second person, of what takes two; zeros where one is enough.
        pub approver: [u8; OPERATOR_NAME_BYTES],
        /// UTF-8; zeros behind its end.
        pub reason: [u8; REASON_TEXT_BYTES],
    }

    /// Parameters of the scheme.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct ActivateRules {
        pub rules_version: u32,
        pub timeout_ns: u64,
        pub payee_share_ns: u64,
        pub skew_ns: u64,
        pub outcomes_kept: u32,
        pub bulk_timeout_ns: u64,
        pub posting_follow_up_ns: u64,
        pub recall_window_ns: u64,
        pub recall_answer_ns: u64,
        pub information_answer_ns: u64,
        pub request_expiry_max_ns: u64,
        pub bulk_purposes: [[u8; 4]; BULK_PURPOSES_MAX],
        pub has_self_payments: u8,
    }

    /// A currency of the scheme.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CurrencyOpened {
        pub currency: [u8; 3],
        pub minor_digits: u8,
        pub amount_max: u64,
        /// 1 gross, 2 net.
        pub model: u8,
    }

    /// A participant of the scheme.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct ParticipantOpened {
        pub participant: u32,
        pub code: [u8; PARTICIPANT_CODE_BYTES],
        pub standing: u8,
        pub class: u8,
        /// Whose accounts an indirect one uses; 0 for a direct one.
        pub sponsor: u32,
        pub is_technical: u8,
    }

    /// Money paid in.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct FundsIn {
        pub participant: u32,
        pub currency: [u8; 3],
        pub amount: u64,
        pub reference: [u8; 16],
    }

    /// Has a participant a connection?
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Presence {
        pub participant: u32,
        pub present: u8,
    }

    /// What a participant has of each lane of its outbox.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct Acknowledged {
        pub participant: u32,
        pub cursors: Cursors,
    }

    /// A participant's standing.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct StandingSet {
        pub participant: u32,
        pub standing: u8,
    }

    /// A participant's limits; 0 where the switch's configuration holds.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct LimitsSet {
        pub participant: u32,
        pub in_flight_max: u32,
        pub orders_per_second: u32,
        pub orders_burst: u32,
    }

    /// A participant's terms in a currency.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct TermsSet {
        pub participant: u32,
        pub currency: [u8; 3],
        pub is_offered: u8,
        pub amount_max: u64,
        pub intraday_max: u64,
        pub net_debit_cap: u64,
        pub sub_limit: u64,
    }

    /// May a technical provider connect for a participant?
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct AgencySet {
        pub technical: u32,
        pub participant: u32,
        pub is_granted: u8,
    }

    /// A certificate of a participant.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CertificateSet {
        pub participant: u32,
        /// SHA-256 of its DER form.
        pub fingerprint: [u8; 32],
        pub not_before_s: u64,
        pub not_after_s: u64,
        pub is_valid: u8,
    }

    /// An order of money.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct MoneyOrdered {
        pub reference: [u8; 16],
        pub operation: u8,
        pub participant: u32,
        /// Who receives it, of a transfer or a dispute; else 0.
        pub other: u32,
        pub currency: [u8; 3],
        pub amount: u64,
    }

    /// What becomes of an order of money that was prepared.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct MoneyDecided {
        pub reference: [u8; 16],
        /// 1 confirmed, 2 aborted.
        pub decision: u8,
    }

    /// Floor and ceiling of what is available on a settlement account.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct LiquidityRulesSet {
        pub participant: u32,
        pub currency: [u8; 3],
        pub floor: u64,
        pub target: u64,
        /// 0 for none.
        pub ceiling: u64,
        pub is_automatic: u8,
    }

    /// May a participant send another liquidity?
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct TransferAllowed {
        pub from: u32,
        pub to: u32,
        pub is_granted: u8,
    }

    /// The open window of a cycle closes.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CutOff {
        pub currency: [u8; 3],
        pub cycle: u8,
    }

    /// A step of the settlement of a window.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct SettlementStep {
        pub currency: [u8; 3],
        pub cycle: u8,
        pub window: u32,
        pub step: u8,
        /// Whose net is confirmed; else 0.
        pub participant: u32,
    }

    /// When windows of a cycle close by themselves.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct CalendarSet {
        pub currency: [u8; 3],
        pub cycle: u8,
        /// Bit 0 Monday to bit 6 Sunday; 0: no calendar.
        pub weekdays: u8,
        pub from_ns: u64,
        /// Minutes of the day, UTC, ascending; 65,535 for none.
        pub times_min: [u16; CUT_OFFS_PER_DAY_MAX],
        /// Days since 1970-01-01, ascending; 0 for none.
        pub holidays: [u32; HOLIDAYS_MAX],
    }

    /// A tariff; its rows follow.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct TariffSet {
        pub tariff: u32,
        pub effective_at_ns: u64,
        pub rows: u16,
    }

    /// A row of a tariff (`docs/scheme-rules.md`, Fees). Amounts in minor units.
    #[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TariffRow {
        /// 1 payment, 2 return.
        pub flow: u8,
        /// Of the payer's provider; 0 for any.
        pub payer_class: u8,
        /// Of the payee's provider; 0 for any.
        pub payee_class: u8,
        pub currency: [u8; 3],
        /// The least amount.
        pub from: u64,
        /// The greatest.
        pub through: u64,
        /// For each posting.
        pub fixed: u64,
        /// Millionths of the amount.
        pub parts_per_million: u32,
        /// 1 half up, 2 half to even, 3 down, 4 up.
        pub rounding: u8,
        /// The least fee.
        pub fee_min: u64,
        /// The greatest; 0 for none.
        pub fee_max: u64,
        /// 1 payer's provider, 2 payee's provider, 3 shared.
        pub bearer: u8,
        /// 1 the scheme, 2 the other provider.
        pub to: u8,
    }

    /// What stands on fee accounts of a currency is collected from settlement accounts.
    #[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
    pub struct FeesCollected {
        pub currency: [u8; 3],
    }
}

pub use layout::*;

/// Length of the annotation of a payment order that named an account.
const TRANSFER_ANNOTATION_BYTES: usize = size_of::<ArchivedTransferAnnotation>();

/// The same of one that named an alias.
const ALIAS_ANNOTATION_BYTES: usize = TRANSFER_ANNOTATION_BYTES + size_of::<ArchivedAliasResolution>();

/// Set in `seal_key` of an entry whose key is of the vault: the rest is the slot.
pub const SLOT_KEY: u64 = 1 << 63;

const _: () = {
    assert!(size_of::<ArchivedTransferAnnotation>() == 24);
    assert!(size_of::<ArchivedAliasResolution>() == 80);
    assert!(size_of::<ArchivedAliasCommanded>() == 170);
    assert!(size_of::<ArchivedAliasLookedUp>() == 67);
    assert!(size_of::<ArchivedDirectoryRulesSet>() == 89);
    assert!(size_of::<ArchivedLookupCategorySet>() == 5);
    assert!(size_of::<ArchivedIssuerKeySet>() == 211);
    assert!(size_of::<ArchivedHashKeySet>() == 2);
    assert!(size_of::<ArchivedRehashed>() == 3);
    assert!(size_of::<ArchivedRehashedRow>() == 80);
    assert!(size_of::<ArchivedReferenceAnnotation>() == 61);
    assert!(size_of::<ArchivedSignature>() == 210);
    assert!(size_of::<ArchivedActivateRules>() == 113);
    assert!(size_of::<ArchivedCurrencyOpened>() == 13);
    assert!(size_of::<ArchivedParticipantOpened>() == 46);
    assert!(size_of::<ArchivedFundsIn>() == 31);
    assert!(size_of::<ArchivedPresence>() == 5);
    assert!(size_of::<ArchivedAcknowledged>() == 28);
    assert!(size_of::<ArchivedStandingSet>() == 5);
    assert!(size_of::<ArchivedLimitsSet>() == 16);
    assert!(size_of::<ArchivedTermsSet>() == 40);
    assert!(size_of::<ArchivedAgencySet>() == 9);
    assert!(size_of::<ArchivedCertificateSet>() == 53);
    assert!(size_of::<ArchivedMoneyOrdered>() == 36);
    assert!(size_of::<ArchivedMoneyDecided>() == 17);
    assert!(size_of::<ArchivedLiquidityRulesSet>() == 32);
    assert!(size_of::<ArchivedTransferAllowed>() == 9);
    assert!(size_of::<ArchivedCutOff>() == 4);
    assert!(size_of::<ArchivedSettlementStep>() == 13);
    assert!(size_of::<ArchivedCalendarSet>() == 365);
    assert!(size_of::<ArchivedTariffSet>() == 14);
    assert!(size_of::<ArchivedTariffRow>() == 53);
    assert!(size_of::<ArchivedFeesCollected>() == 3);
};

impl TransferAnnotation {
    /// Its bytes. Written by hand, so that the hot path makes no buffer for it; a test compares them with the archive.
    pub fn bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.digest);
        bytes[16..].copy_from_slice(&self.checked_through.to_le_bytes());
        bytes
    }
}

impl AliasResolution {
    /// Of an order that is known to be a repetition: nobody resolves it.
    pub const NONE: AliasResolution = AliasResolution {
        alias: [0; 16],
        end_user: [0; 16],
        resolved_at: 0,
        entry: 0,
        identity: [0; 16],
        default: [0; 16],
    };

    /// The bytes of the annotation of an order that it resolves; a test compares them with the archives.
    pub fn annotation(&self, order: &TransferAnnotation) -> [u8; ALIAS_ANNOTATION_BYTES] {
        let mut bytes = [0; ALIAS_ANNOTATION_BYTES];
        bytes[..TRANSFER_ANNOTATION_BYTES].copy_from_slice(&order.bytes());
        bytes[24..40].copy_from_slice(&self.alias);
        bytes[40..56].copy_from_slice(&self.end_user);
        bytes[56..64].copy_from_slice(&self.resolved_at.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.entry.to_le_bytes());
        bytes[72..88].copy_from_slice(&self.identity);
        bytes[88..].copy_from_slice(&self.default);
        bytes
    }
}

impl AliasCommanded {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size_of::<ArchivedAliasCommanded>());
        archive(&mut bytes, self);
        bytes
    }
}

impl AliasLookedUp {
    /// Its bytes; a test compares them with the archive.
    pub fn bytes(&self) -> [u8; size_of::<ArchivedAliasLookedUp>()] {
        let mut bytes = [0; size_of::<ArchivedAliasLookedUp>()];
        bytes[..16].copy_from_slice(&self.lookup_id);
        bytes[16..32].copy_from_slice(&self.alias);
        bytes[32..48].copy_from_slice(&self.end_user);
        bytes[48..51].copy_from_slice(&[self.form, self.purpose, self.is_found]);
        bytes[51..59].copy_from_slice(&self.resolved_at.to_le_bytes());
        bytes[59..].copy_from_slice(&self.entry.to_le_bytes());
        bytes
    }
}

impl OriginalFound {
    /// The history has no outcome of it, or there is nothing to look for.
    pub const NONE: OriginalFound = OriginalFound {
        outcome: 0,
        is_return: 0,
        payer: 0,
        payee: 0,
        amount: 0,
        currency: [0; 3],
        decided_at_ns: 0,
        returned: 0,
    };
}

impl ReferenceAnnotation {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size_of::<ArchivedReferenceAnnotation>());
        archive(&mut bytes, self);
        bytes
    }
}

impl Presence {
    /// Its bytes; a test compares them with the archive.
    pub fn bytes(&self) -> [u8; 5] {
        let mut bytes = [0; 5];
        bytes[..4].copy_from_slice(&self.participant.to_le_bytes());
        bytes[4] = self.present;
        bytes
    }
}

impl Acknowledged {
    /// Its bytes; a test compares them with the archive.
    pub fn bytes(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.participant.to_le_bytes());
        for (place, cursor) in bytes[4..].chunks_mut(8).zip(self.cursors) {
            place.copy_from_slice(&cursor.to_le_bytes());
        }
        bytes
    }
}

/// Who sends what, before its bytes.
#[derive(Clone, Copy, Debug)]
pub struct EntryHead {
    /// What it is.
    pub kind: EntryKind,
    /// Who it comes from.
    pub sender: Sender,
    /// The key that seals the private part; 0 for none.
    pub seal_key: u64,
}

/// Appends an entry. `annotate` appends the annotation, `seal` the sealed part: it gets the additional data (where in `out` it lies) and
/// leaves sealed bytes behind it.
pub fn write(
    out: &mut Vec<u8>,
    head: EntryHead,
    annotation: &[u8],
    routing: &[u8],
    seal: impl FnOnce(&mut Vec<u8>, std::ops::Range<usize>),
) {
    assert!(head.kind.has_annotation_of(annotation.len()));
    let start = out.len();
    let (sender_kind, sender) = match head.sender {
        Sender::Participant(ParticipantId(number)) => (1, number),
        Sender::Operator => (2, 0),
        Sender::Switch => (3, 0),
    };
    let mut header = [0; HEADER_BYTES];
    header[4] = VERSION;
    header[5] = head.kind as u8;
    header[6] = sender_kind;
    header[7] = narrow(annotation.len());
    header[8..12].copy_from_slice(&sender.to_le_bytes());
    header[12..14].copy_from_slice(&narrow::<u16>(routing.len()).to_le_bytes());
    header[16..24].copy_from_slice(&head.seal_key.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(annotation);
    out.extend_from_slice(routing);
    let additional = start + 5..out.len();
    seal(out, additional);
    let length: u32 = narrow(out.len() - start);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// A length that its field can hold: parts are far below these bounds.
fn narrow<T: TryFrom<usize>>(length: usize) -> T {
    T::try_from(length).unwrap_or_else(|_| panic!("a part of {length} bytes does not fit an entry"))
}

/// Appends a command of the genesis, which nobody signs.
pub fn write_command<C>(out: &mut Vec<u8>, kind: EntryKind, command: &C)
where
    C: for<'a> Serialize<rkyv::api::low::LowSerializer<&'a mut Vec<u8>, SubAllocator<'a>, Failure>>,
{
    write_operator(out, kind, &[], command);
}

/// Appends an operator's command.
pub fn write_signed_command<C>(out: &mut Vec<u8>, kind: EntryKind, signature: &Signature, command: &C)
where
    C: for<'a> Serialize<rkyv::api::low::LowSerializer<&'a mut Vec<u8>, SubAllocator<'a>, Failure>>,
{
    let mut annotation = Vec::with_capacity(size_of::<ArchivedSignature>());
    archive(&mut annotation, signature);
    write_operator(out, kind, &annotation, command);
}

fn write_operator<C>(out: &mut Vec<u8>, kind: EntryKind, annotation: &[u8], command: &C)
where
    C: for<'a> Serialize<rkyv::api::low::LowSerializer<&'a mut Vec<u8>, SubAllocator<'a>, Failure>>,
{
    let mut routing = Vec::with_capacity(128);
    archive(&mut routing, command);
    write(out, EntryHead { kind, sender: Sender::Operator, seal_key: 0 }, annotation, &routing, |_, _| {});
}

/// Appends what the switch observes: the bytes of its layout, which the hot loop makes without a buffer.
pub fn write_observation(out: &mut Vec<u8>, kind: EntryKind, observation: &[u8]) {
    write(out, EntryHead { kind, sender: Sender::Switch, seal_key: 0 }, &[], observation, |_, _| {});
}

/// Appends the archive of a fixed-size layout.
fn archive<T>(out: &mut Vec<u8>, value: &T)
where
    T: for<'a> Serialize<rkyv::api::low::LowSerializer<&'a mut Vec<u8>, SubAllocator<'a>, Failure>>,
{
    let written = rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(value, out, SubAllocator::new(&mut []));
    assert!(written.is_ok(), "a fixed-size layout always fits in memory");
}

/// One entry, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Who sent it.
    pub sender: Sender,
    /// What it says.
    pub body: Body<'a>,
    /// Who gave it, of an operator's command; none of the genesis and of all others.
    pub signature: Option<&'a ArchivedSignature>,
    /// How the alias was resolved that a payment order named; none where it named an account.
    pub resolution: Option<&'a ArchivedAliasResolution>,
    /// The routing part.
    pub routing: &'a [u8],
    /// The key of the sealed part; 0 for none.
    pub seal_key: u64,
    /// Additional data of the sealed part.
    pub additional: &'a [u8],
    /// The sealed part; empty for none.
    pub sealed: &'a [u8],
}

/// What an entry says.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// A payment order, with the edge's annotation.
    CreditTransfer(&'a <CreditTransfer as Archive>::Archived, &'a ArchivedTransferAnnotation),
    /// A decision.
    Answer(&'a <Answer as Archive>::Archived),
    /// Money goes back, with the edge's annotation.
    Return(&'a <Return as Archive>::Archived, &'a ArchivedReferenceAnnotation),
    /// A request, with the edge's annotation.
    CaseOpen(&'a <CaseOpen as Archive>::Archived, &'a ArchivedReferenceAnnotation),
    /// Its answer.
    CaseAnswer(&'a <CaseAnswer as Archive>::Archived),
    /// It is taken back.
    CaseCancel(&'a <CaseCancel as Archive>::Archived),
    /// Parameters.
    ActivateRules(&'a ArchivedActivateRules),
    /// A currency.
    CurrencyOpened(&'a ArchivedCurrencyOpened),
    /// A participant.
    ParticipantOpened(&'a ArchivedParticipantOpened),
    /// Money.
    FundsIn(&'a ArchivedFundsIn),
    /// The sender wants to be paid.
    SignOn,
    /// The sender does not want to be paid.
    SignOff,
    /// Somebody has come, or has gone.
    Presence(&'a ArchivedPresence),
    /// Somebody has acknowledged.
    Acknowledged(&'a ArchivedAcknowledged),
    /// A participant's standing.
    StandingSet(&'a ArchivedStandingSet),
    /// A participant's limits.
    LimitsSet(&'a ArchivedLimitsSet),
    /// A participant's terms.
    TermsSet(&'a ArchivedTermsSet),
    /// Who connects for whom.
    AgencySet(&'a ArchivedAgencySet),
    /// A certificate.
    CertificateSet(&'a ArchivedCertificateSet),
    /// An order of money.
    MoneyOrdered(&'a ArchivedMoneyOrdered),
    /// What becomes of one.
    MoneyDecided(&'a ArchivedMoneyDecided),
    /// Floor and ceiling.
    LiquidityRulesSet(&'a ArchivedLiquidityRulesSet),
    /// Who may send liquidity to whom.
    TransferAllowed(&'a ArchivedTransferAllowed),
    /// A window closes.
    CutOff(&'a ArchivedCutOff),
    /// A step of settlement.
    SettlementStep(&'a ArchivedSettlementStep),
    /// A calendar.
    CalendarSet(&'a ArchivedCalendarSet),
    /// A tariff, and its rows.
    TariffSet(&'a ArchivedTariffSet, &'a [u8]),
    /// Fees are collected.
    FeesCollected(&'a ArchivedFeesCollected),
    /// What look-ups cost.
    DirectoryRulesSet(&'a ArchivedDirectoryRulesSet),
    /// How many a participant may make.
    LookupCategorySet(&'a ArchivedLookupCategorySet),
    /// A key of an ID system.
    IssuerKeySet(&'a ArchivedIssuerKeySet),
    /// A key of the directory's hashes.
    HashKeySet(&'a ArchivedHashKeySet),
    /// What is to become of an alias.
    AliasCommanded(&'a ArchivedAliasCommanded),
    /// A look-up.
    AliasLookedUp(&'a ArchivedAliasLookedUp),
    /// Entries under a new key, and their rows.
    Rehashed(&'a ArchivedRehashed, &'a [u8]),
}

/// Hashes of aliases and people stay out of logs.
impl std::fmt::Debug for ArchivedAliasResolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AliasResolution")
    }
}

/// Names and reasons of people stay out of logs.
impl std::fmt::Debug for ArchivedSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signature")
    }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Body::CreditTransfer(..) => "CreditTransfer",
            Body::Answer(..) => "Answer",
            Body::Return(..) => "Return",
            Body::CaseOpen(..) => "CaseOpen",
            Body::CaseAnswer(..) => "CaseAnswer",
            Body::CaseCancel(..) => "CaseCancel",
            Body::ActivateRules(..) => "ActivateRules",
            Body::CurrencyOpened(..) => "CurrencyOpened",
            Body::ParticipantOpened(..) => "ParticipantOpened",
            Body::FundsIn(..) => "FundsIn",
            Body::SignOn => "SignOn",
            Body::SignOff => "SignOff",
            Body::Presence(..) => "Presence",
            Body::Acknowledged(..) => "Acknowledged",
            Body::StandingSet(..) => "StandingSet",
            Body::LimitsSet(..) => "LimitsSet",
            Body::TermsSet(..) => "TermsSet",
            Body::AgencySet(..) => "AgencySet",
            Body::CertificateSet(..) => "CertificateSet",
            Body::MoneyOrdered(..) => "MoneyOrdered",
            Body::MoneyDecided(..) => "MoneyDecided",
            Body::LiquidityRulesSet(..) => "LiquidityRulesSet",
            Body::TransferAllowed(..) => "TransferAllowed",
            Body::CutOff(..) => "CutOff",
            Body::SettlementStep(..) => "SettlementStep",
            Body::CalendarSet(..) => "CalendarSet",
            Body::TariffSet(..) => "TariffSet",
            Body::FeesCollected(..) => "FeesCollected",
            Body::DirectoryRulesSet(..) => "DirectoryRulesSet",
            Body::LookupCategorySet(..) => "LookupCategorySet",
            Body::IssuerKeySet(..) => "IssuerKeySet",
            Body::HashKeySet(..) => "HashKeySet",
            Body::AliasCommanded(..) => "AliasCommanded",
            Body::AliasLookedUp(..) => "AliasLookedUp",
            Body::Rehashed(..) => "Rehashed",
        })
    }
}

/// An entry that this version cannot read: where in the payload, and why. Its checksum was right, so it was written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Offset in the payload.
    pub offset: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry at byte {} of the batch: {}", self.offset, self.reason)
    }
}

/// Has this payload anything that the directory applies? Walks over the headers alone.
pub fn holds_directory(payload: &[u8]) -> bool {
    let mut rest = payload;
    while let Some(header) = rest.first_chunk::<HEADER_BYTES>() {
        if header[5] == EntryKind::AliasCommanded as u8 || header[5] == EntryKind::Rehashed as u8 {
            return true;
        }
        let length = u32_at(header, 0) as usize;
        rest = rest.get(length.max(HEADER_BYTES)..).unwrap_or_default();
    }
    false
}

/// The entries of a payload, in order.
pub struct Entries<'a> {
    payload: &'a [u8],
    offset: usize,
}

impl<'a> Entries<'a> {
    /// Reads from the start of a payload.
    pub fn new(payload: &'a [u8]) -> Entries<'a> {
        Entries { payload, offset: 0 }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset == self.payload.len() {
            return None;
        }
        let offset = self.offset;
        match read(&self.payload[offset..]) {
            Ok((entry, length)) => {
                self.offset += length;
                Some(Ok(entry))
            }
            Err(reason) => {
                self.offset = self.payload.len();
                Some(Err(Unreadable { offset, reason }))
            }
        }
    }
}

/// Reads the first entry of `bytes`, and its length.
pub fn read(bytes: &[u8]) -> Result<(Entry<'_>, usize), &'static str> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Err("shorter than a header") };
    let length = u32_at(header, 0) as usize;
    let entry = bytes.get(..length).ok_or("longer than the batch")?;
    if header[4] != VERSION {
        return Err("a version that this program does not know");
    }
    let kind = EntryKind::from_number(header[5]).ok_or("a kind that this program does not know")?;
    let sender = match header[6] {
        1 => Sender::Participant(ParticipantId(u32_at(header, 8))),
        2 => Sender::Operator,
        3 => Sender::Switch,
        _ => return Err("a sender that this program does not know"),
    };
    let routing_start = HEADER_BYTES + usize::from(header[7]);
    let routing_end = routing_start + usize::from(u16::from_le_bytes([header[12], header[13]]));
    if header[14..16] != [0; 2] || routing_end > length || !kind.has_annotation_of(usize::from(header[7])) {
        return Err("lengths that do not fit");
    }
    let annotation = &entry[HEADER_BYTES..routing_start];
    let routing = &entry[routing_start..routing_end];
    let body = body(kind, annotation, routing).ok_or("a layout that does not fit its kind")?;
    let is_signed = kind.is_command() && !annotation.is_empty();
    let signature = if is_signed { Some(fixed(annotation).ok_or("a signature that is none")?) } else { None };
    let resolution = match annotation.split_at_checked(TRANSFER_ANNOTATION_BYTES) {
        Some((_, rest)) if kind == EntryKind::CreditTransfer && !rest.is_empty() => {
            Some(fixed(rest).ok_or("a resolution that is none")?)
        }
        _ => None,
    };
    let mut seal_key = [0; 8];
    seal_key.copy_from_slice(&header[16..24]);
    Ok((
        Entry {
            sender,
            body,
            signature,
            resolution,
            routing,
            seal_key: u64::from_le_bytes(seal_key),
            additional: &entry[5..routing_end],
            sealed: &entry[routing_end..],
        },
        length,
    ))
}

fn body<'a>(kind: EntryKind, annotation: &'a [u8], routing: &'a [u8]) -> Option<Body<'a>> {
    Some(match kind {
        EntryKind::CreditTransfer => {
            let annotation = fixed(annotation.get(..TRANSFER_ANNOTATION_BYTES)?)?;
            Body::CreditTransfer(CreditTransfer::read(routing)?, annotation)
        }
        EntryKind::Answer => Body::Answer(Answer::read(routing)?),
        EntryKind::Return => Body::Return(Return::read(routing)?, fixed(annotation)?),
        EntryKind::CaseOpen => Body::CaseOpen(CaseOpen::read(routing)?, fixed(annotation)?),
        EntryKind::CaseAnswer => Body::CaseAnswer(CaseAnswer::read(routing)?),
        EntryKind::CaseCancel => Body::CaseCancel(CaseCancel::read(routing)?),
        EntryKind::ActivateRules => Body::ActivateRules(fixed(routing)?),
        EntryKind::CurrencyOpened => Body::CurrencyOpened(fixed(routing)?),
        EntryKind::ParticipantOpened => Body::ParticipantOpened(fixed(routing)?),
        EntryKind::FundsIn => Body::FundsIn(fixed(routing)?),
        EntryKind::SignOn => routing.is_empty().then_some(Body::SignOn)?,
        EntryKind::SignOff => routing.is_empty().then_some(Body::SignOff)?,
        EntryKind::Presence => Body::Presence(fixed(routing)?),
        EntryKind::Acknowledged => Body::Acknowledged(fixed(routing)?),
        EntryKind::StandingSet => Body::StandingSet(fixed(routing)?),
        EntryKind::LimitsSet => Body::LimitsSet(fixed(routing)?),
        EntryKind::TermsSet => Body::TermsSet(fixed(routing)?),
        EntryKind::AgencySet => Body::AgencySet(fixed(routing)?),
        EntryKind::CertificateSet => Body::CertificateSet(fixed(routing)?),
        EntryKind::MoneyOrdered => Body::MoneyOrdered(fixed(routing)?),
        EntryKind::MoneyDecided => Body::MoneyDecided(fixed(routing)?),
        EntryKind::LiquidityRulesSet => Body::LiquidityRulesSet(fixed(routing)?),
        EntryKind::TransferAllowed => Body::TransferAllowed(fixed(routing)?),
        EntryKind::CutOff => Body::CutOff(fixed(routing)?),
        EntryKind::SettlementStep => Body::SettlementStep(fixed(routing)?),
        EntryKind::CalendarSet => Body::CalendarSet(fixed(routing)?),
        EntryKind::TariffSet => {
            let (head, rows) = routing.split_at_checked(size_of::<ArchivedTariffSet>())?;
            let head = fixed::<ArchivedTariffSet>(head)?;
            let is_whole = rows.len() == usize::from(head.rows.to_native()) * size_of::<ArchivedTariffRow>();
            is_whole.then_some(Body::TariffSet(head, rows))?
        }
        EntryKind::FeesCollected => Body::FeesCollected(fixed(routing)?),
        EntryKind::DirectoryRulesSet => Body::DirectoryRulesSet(fixed(routing)?),
        EntryKind::LookupCategorySet => Body::LookupCategorySet(fixed(routing)?),
        EntryKind::IssuerKeySet => Body::IssuerKeySet(fixed(routing)?),
        EntryKind::HashKeySet => Body::HashKeySet(fixed(routing)?),
        EntryKind::AliasCommanded => Body::AliasCommanded(fixed(routing)?),
        EntryKind::AliasLookedUp => Body::AliasLookedUp(fixed(routing)?),
        EntryKind::Rehashed => {
            let (head, rows) = routing.split_at_checked(size_of::<ArchivedRehashed>())?;
            let head = fixed::<ArchivedRehashed>(head)?;
            let is_whole = rows.len() == usize::from(head.rows.to_native()) * size_of::<ArchivedRehashedRow>();
            is_whole.then_some(Body::Rehashed(head, rows))?
        }
    })
}

/// The rows of a tariff; none where one is none.
pub fn tariff_rows(bytes: &[u8]) -> Option<Vec<TariffRow>> {
    let rows = bytes.chunks(size_of::<ArchivedTariffRow>()).map(fixed::<ArchivedTariffRow>);
    rows.map(|row| rkyv::deserialize::<TariffRow, Failure>(row?).ok()).collect()
}

/// The rows of entries under a new key; none where one is none.
pub fn rehashed_rows(bytes: &[u8]) -> impl Iterator<Item = Option<&ArchivedRehashedRow>> {
    bytes.chunks(size_of::<ArchivedRehashedRow>()).map(fixed::<ArchivedRehashedRow>)
}

/// Appends entries of the directory under a new key.
///
/// # Panics
/// When there are more rows than fit an entry (`REHASHED_ROWS_MAX`).
pub fn write_rehashed(out: &mut Vec<u8>, generation: u8, rows: &[RehashedRow]) {
    assert!(rows.len() <= REHASHED_ROWS_MAX);
    let mut routing = Vec::with_capacity(3 + rows.len() * size_of::<ArchivedRehashedRow>());
    archive(&mut routing, &Rehashed { generation, rows: narrow(rows.len()) });
    rows.iter().for_each(|row| archive(&mut routing, row));
    let head = EntryHead { kind: EntryKind::Rehashed, sender: Sender::Switch, seal_key: 0 };
    write(out, head, &[], &routing, |_, _| {});
}

/// Appends a tariff with its rows.
///
/// # Panics
/// When there are more rows than fit an entry (`TARIFF_ROWS_MAX`).
pub fn write_tariff(out: &mut Vec<u8>, signature: &Signature, tariff: &TariffSet, rows: &[TariffRow]) {
    assert!(rows.len() <= TARIFF_ROWS_MAX && rows.len() == usize::from(tariff.rows));
    let mut routing = Vec::new();
    archive(&mut routing, tariff);
    rows.iter().for_each(|row| archive(&mut routing, row));
    let mut annotation = Vec::with_capacity(size_of::<ArchivedSignature>());
    archive(&mut annotation, signature);
    let head = EntryHead { kind: EntryKind::TariffSet, sender: Sender::Operator, seal_key: 0 };
    write(out, head, &annotation, &routing, |_, _| {});
}

/// A fixed-size layout, read in place.
fn fixed<T>(bytes: &[u8]) -> Option<&T>
where
    T: rkyv::Portable + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::low::LowValidator<'a, Failure>>,
{
    if bytes.len() != size_of::<T>() {
        return None;
    }
    rkyv::api::low::access::<T, Failure>(bytes).ok()
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bytes() {
        let mut payload = Vec::new();
        let answer = Answer { payment_id: [7; 16], decision: 1, reason: [0; 4] };
        let mut routing = Vec::new();
        answer.write(&mut routing);
        let head = EntryHead { kind: EntryKind::Answer, sender: Sender::Participant(ParticipantId(3)), seal_key: 5 };
        write(&mut payload, head, &[], &routing, |out, _| out.extend_from_slice(b"sealed"));

        let mut expected = vec![51, 0, 0, 0, 0, 8, 1, 0, 3, 0, 0, 0, 21, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(&[1, 0, 0, 0, 0]);
        expected.extend_from_slice(b"sealed");
        assert_eq!(payload, expected);

        let mut entries = Entries::new(&payload);
        let entry = entries.next().expect("one entry").expect("readable");
        assert_eq!(entry.sender, Sender::Participant(ParticipantId(3)));
        assert_eq!((entry.seal_key, entry.sealed), (5, &b"sealed"[..]));
        assert_eq!(entry.additional, &expected[5..45]);
        assert!(entries.next().is_none());
    }

    #[test]
    fn an_annotation_by_hand_is_its_archive() {
        let annotation = TransferAnnotation { digest: [3; 16], checked_through: 0x0102_0304_0506_0708 };
        let mut archived = Vec::new();
        archive(&mut archived, &annotation);
        assert_eq!(archived, annotation.bytes());
        let (presence, mut archived) = (Presence { participant: 0x0102_0304, present: 1 }, Vec::new());
        archive(&mut archived, &presence);
        assert_eq!(archived, presence.bytes());
        let resolution = AliasResolution {
            alias: [4; 16],
            end_user: [5; 16],
            resolved_at: 0x0807_0605_0403_0201,
            entry: 9,
            identity: [6; 16],
            default: [7; 16],
        };
        let mut archived = annotation.bytes().to_vec();
        archive(&mut archived, &resolution);
        assert_eq!(archived, resolution.annotation(&annotation));
        let looked_up = AliasLookedUp {
            lookup_id: [1; 16],
            alias: [2; 16],
            end_user: [3; 16],
            form: 4,
            purpose: 5,
            is_found: 1,
            resolved_at: 1 << 40,
            entry: 1 << 33,
        };
        let mut archived = Vec::new();
        archive(&mut archived, &looked_up);
        assert_eq!(archived, looked_up.bytes());
        let (acknowledged, mut archived) = (Acknowledged { participant: 7, cursors: [1 << 40, 2, 3] }, Vec::new());
        archive(&mut archived, &acknowledged);
        assert_eq!(archived, acknowledged.bytes());
    }

    const DOCUMENT: &str = include_str!("../../docs/formats/entries.md");

    #[test]
    fn the_document_names_every_kind() {
        for number in 0..=u8::MAX {
            let documented =
                DOCUMENT.lines().find(|line| line.starts_with(&format!("| {number} | ")) && line.contains("bytes"));
            let documented = documented.filter(|line| {
                ["participant", "operator", "switch"].iter().any(|who| line.contains(&format!("| {who} |")))
            });
            let Some(kind) = EntryKind::from_number(number) else {
                assert_eq!(documented, None, "a kind that the code does not have");
                continue;
            };
            let lengths: Vec<usize> = (0..=255).filter(|&bytes| kind.has_annotation_of(bytes)).collect();
            let annotation = match lengths[..] {
                [0] => "none".to_owned(),
                [short, long] if short != 0 => format!("{short} or {long} bytes"),
                [bytes] => format!("{bytes} bytes"),
                _ => "signature".to_owned(),
            };
            let (sender, routing) = match MessageKind::from_number(number) {
                Some(message) => ("participant", format!("{} bytes, `native.md`", message.conduct().routing_bytes)),
                None if matches!(kind, EntryKind::AliasCommanded | EntryKind::AliasLookedUp) => {
                    ("participant", format!("{} bytes", command_bytes(kind)))
                }
                None if matches!(kind, EntryKind::Presence | EntryKind::Acknowledged | EntryKind::Rehashed) => {
                    ("switch", format!("{} bytes", command_bytes(kind)))
                }
                None => ("operator", format!("{} bytes", command_bytes(kind))),
            };
            assert_eq!(documented, Some(&*format!("| {number} | {kind:?} | {sender} | {annotation} | {routing} |")));
        }
    }

    fn command_bytes(kind: EntryKind) -> usize {
        match kind {
            EntryKind::ActivateRules => size_of::<ArchivedActivateRules>(),
            EntryKind::CurrencyOpened => size_of::<ArchivedCurrencyOpened>(),
            EntryKind::ParticipantOpened => size_of::<ArchivedParticipantOpened>(),
            EntryKind::FundsIn => size_of::<ArchivedFundsIn>(),
            EntryKind::Presence => size_of::<ArchivedPresence>(),
            EntryKind::Acknowledged => size_of::<ArchivedAcknowledged>(),
            EntryKind::StandingSet => size_of::<ArchivedStandingSet>(),
            EntryKind::LimitsSet => size_of::<ArchivedLimitsSet>(),
            EntryKind::TermsSet => size_of::<ArchivedTermsSet>(),
            EntryKind::AgencySet => size_of::<ArchivedAgencySet>(),
            EntryKind::CertificateSet => size_of::<ArchivedCertificateSet>(),
            EntryKind::MoneyOrdered => size_of::<ArchivedMoneyOrdered>(),
            EntryKind::MoneyDecided => size_of::<ArchivedMoneyDecided>(),
            EntryKind::LiquidityRulesSet => size_of::<ArchivedLiquidityRulesSet>(),
            EntryKind::TransferAllowed => size_of::<ArchivedTransferAllowed>(),
            EntryKind::CutOff => size_of::<ArchivedCutOff>(),
            EntryKind::SettlementStep => size_of::<ArchivedSettlementStep>(),
            EntryKind::CalendarSet => size_of::<ArchivedCalendarSet>(),
            EntryKind::TariffSet => size_of::<ArchivedTariffSet>(),
            EntryKind::FeesCollected => size_of::<ArchivedFeesCollected>(),
            EntryKind::DirectoryRulesSet => size_of::<ArchivedDirectoryRulesSet>(),
            EntryKind::LookupCategorySet => size_of::<ArchivedLookupCategorySet>(),
            EntryKind::IssuerKeySet => size_of::<ArchivedIssuerKeySet>(),
            EntryKind::HashKeySet => size_of::<ArchivedHashKeySet>(),
            EntryKind::AliasCommanded => size_of::<ArchivedAliasCommanded>(),
            EntryKind::AliasLookedUp => size_of::<ArchivedAliasLookedUp>(),
            EntryKind::Rehashed => size_of::<ArchivedRehashed>(),
            _ => panic!("{kind:?} is no command"),
        }
    }

    /// Bytes that differ, so that a field out of its place is seen: `fields` are lengths.
    fn counted(fields: &[usize]) -> Vec<u8> {
        fields.iter().zip(1..).flat_map(|(&length, value)| std::iter::once(value).chain([0; 31]).take(length)).collect()
    }

    #[test]
    fn the_annotation_of_a_reference_is_as_documented() {
        let original = OriginalFound {
            outcome: 3,
            is_return: 4,
            payer: 5,
            payee: 6,
            amount: 7,
            currency: [8, 0, 0],
            decided_at_ns: 9,
            returned: 10,
        };
        let mut digest = [0; 16];
        digest[0] = 1;
        let annotation = ReferenceAnnotation { digest, checked_through: 2, original };
        assert_eq!(annotation.bytes(), counted(&[16, 8, 1, 1, 4, 4, 8, 3, 8, 8]));
    }

    #[test]
    fn a_command_is_signed_or_of_the_genesis_and_nothing_else_is_signed() {
        let (mut operator, mut approver, mut reason) = ([0; 35], [0; 35], [0; 140]);
        (operator[0], approver[0], reason[0]) = (1, 2, 3);
        let signature = Signature { operator, approver, reason };
        let command = CurrencyOpened { currency: *b"XTS", minor_digits: 2, amount_max: 100, model: 1 };
        let mut payload = Vec::new();
        write_signed_command(&mut payload, EntryKind::CurrencyOpened, &signature, &command);
        assert_eq!(payload[7], 210);
        assert_eq!(payload[HEADER_BYTES..HEADER_BYTES + 210], [&operator[..], &approver, &reason].concat());
        let (entry, length) = read(&payload).expect("readable");
        assert_eq!(length, payload.len());
        let signed = entry.signature.expect("signed");
        assert_eq!((signed.operator, signed.approver, signed.reason), (operator, approver, reason));
        write_command(&mut payload, EntryKind::CurrencyOpened, &command);
        let (entry, _) = read(&payload[length..]).expect("readable");
        assert!(entry.signature.is_none());
        // What the switch observes is signed by nobody.
        payload[5] = EntryKind::Presence as u8;
        assert_eq!(read(&payload).err(), Some("lengths that do not fit"));
    }

    #[test]
    fn the_rules_of_the_scheme_are_as_documented() {
        let mut bulk_purposes = [[0; 4]; crate::limits::BULK_PURPOSES_MAX];
        bulk_purposes[0][0] = 12;
        let rules = ActivateRules {
            rules_version: 1,
            timeout_ns: 2,
            payee_share_ns: 3,
            skew_ns: 4,
            outcomes_kept: 5,
            bulk_timeout_ns: 6,
            posting_follow_up_ns: 7,
            recall_window_ns: 8,
            recall_answer_ns: 9,
            information_answer_ns: 10,
            request_expiry_max_ns: 11,
            bulk_purposes,
            has_self_payments: 13,
        };
        let mut archived = Vec::new();
        archive(&mut archived, &rules);
        assert_eq!(archived, counted(&[4, 8, 8, 8, 4, 8, 8, 8, 8, 8, 8, 32, 1]));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let mut payload = Vec::new();
        let command = CurrencyOpened { currency: *b"XTS", minor_digits: 2, amount_max: 100, model: 1 };
        write_command(&mut payload, EntryKind::CurrencyOpened, &command);
        let length = payload.len();
        for at in 0..length {
            for value in 0..=255 {
                let mut bytes = payload.clone();
                bytes[at] = value;
                // Whatever it says: it never panics, and it never reads beyond the payload.
                assert!(Entries::new(&bytes).count() <= 2);
            }
        }
        payload.extend_from_slice(&[0; 3]);
        let second = Entries::new(&payload).nth(1).expect("a second").expect_err("not an entry");
        assert_eq!(second, Unreadable { offset: length, reason: "shorter than a header" });
    }
}
