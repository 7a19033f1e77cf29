//! The rules of a payment: parameters, and why the engine says no.

use adapters::message::{Field, Reason};
use ledger::{Amount, Currency};

use super::scheme::Model;
use crate::limits::BULK_PURPOSES_MAX;

/// Parameters of the scheme, set by a journaled entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which rules these are.
    pub version: u32,
    /// From acceptance to the end of a payment.
    pub timeout_ns: u64,
    /// What of that must be left for the payee provider when the payment arrives.
    pub payee_share_ns: u64,
    /// How far a provider's clock may be ahead of journal time.
    pub skew_ns: u64,
    /// How many outcomes the engine holds: its duplicate window. Older ones are asked from history.
    pub outcomes_kept: u32,
    /// From acceptance to the end of a payment in the bulk lane; 0 where the scheme has none.
    pub bulk_timeout_ns: u64,
    /// From acceptance without posting to the word that it was posted; 0 where the scheme does not have that.
    pub posting_follow_up_ns: u64,
    /// From a payment's outcome to the last moment at which it may be recalled.
    pub recall_window_ns: u64,
    /// The longest time for the answer to a recall; 0 where the scheme has none.
    pub recall_answer_ns: u64,
    /// The longest time for the answer to a request for information; 0 where the scheme has none.
    pub information_answer_ns: u64,
    /// The longest life of a request to pay; 0 where the scheme has none.
    pub request_expiry_max_ns: u64,
    /// Purposes that belong into the bulk lane; zeros for none.
    pub bulk_purposes: [[u8; 4]; BULK_PURPOSES_MAX],
    /// May payer and payee provider be one?
    pub has_self_payments: bool,
}

impl Rules {
    /// Before the scheme has said anything: nothing is accepted in time.
    pub const UNSET: Rules = Rules {
        version: 0,
        timeout_ns: 0,
        payee_share_ns: 0,
        skew_ns: 0,
        outcomes_kept: 0,
        bulk_timeout_ns: 0,
        posting_follow_up_ns: 0,
        recall_window_ns: 0,
        recall_answer_ns: 0,
        information_answer_ns: 0,
        request_expiry_max_ns: 0,
        bulk_purposes: [[0; 4]; BULK_PURPOSES_MAX],
        has_self_payments: false,
    };

    /// Does this program have these rules?
    pub fn is_known(&self) -> bool {
        RULES_VERSIONS_KNOWN.contains(&self.version)
    }
}

/// The versions of the rules that this program has. Old ones stay for as long as journals need them.
pub const RULES_VERSIONS_KNOWN: std::ops::RangeInclusive<u32> = 1..=1;

/// A currency of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyRules {
    /// Which.
    pub currency: Currency,
    /// Digits after the decimal point, for those who print it.
    pub minor_digits: u8,
    /// The greatest payment.
    pub amount_max: Amount,
    /// How payments settle.
    pub model: Model,
}

/// Why the engine rejects a payment, a return or the opening of a case, in the order in which it looks: the first that applies is the one
/// reported. The numbers are in documents: never renumber, never reuse. Before all of these comes the duplicate check.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The payer provider named in the message is not the one that TLS proved.
    SenderIsNotPayer = 10,
    /// The sender may not pay now, or its sponsor may not.
    SenderSuspended = 11,
    /// The payee provider is not in the scheme.
    PayeeUnknown = 20,
    /// Payer and payee provider are one, and the scheme does not want payments within one institution.
    PayeeIsPayer = 21,
    /// The payee provider is signed off, or has had no connection for too long.
    PayeeUnreachable = 22,
    /// The payee provider may not be paid now.
    PayeeSuspended = 23,
    /// The scheme does not settle this currency, or does not offer it to one of the two.
    CurrencyNotOffered = 30,
    /// The scheme has no bulk lane.
    BulkNotOffered = 31,
    /// A payment that belongs into the bulk lane asked for the fast one.
    PriorityAbused = 32,
    /// Above the scheme's limit.
    AmountAboveLimit = 40,
    /// Above the sender's own limit.
    AmountAboveAgreed = 41,
    /// More than the sender may send before the next cut-off.
    IntradayLimitExceeded = 42,
    /// More than the sender's sponsor lends it.
    SubLimitExceeded = 43,
    /// Accepted in the future, beyond the skew allowed.
    AcceptedInFuture = 50,
    /// Too little is left of the payment's time for the payee provider to answer.
    TooLate = 51,
    /// There is no such request to pay of this payer provider.
    RequestUnknown = 52,
    /// It was paid.
    RequestPaid = 53,
    /// The payer provider has refused it.
    RequestRefused = 54,
    /// Its time is over.
    RequestExpired = 55,
    /// It was taken back.
    RequestCancelled = 56,
    /// Another payment for it is in flight.
    RequestBeingPaid = 57,
    /// It asks for a payment to another provider.
    RequestPayeeDiffers = 58,
    /// It asks for another amount, or for less, or in another currency.
    RequestAmountDiffers = 59,
    /// The payer provider's settlement account does not hold so much.
    FundsInsufficient = 60,
    /// Who is named as the opener of a case is not the one that TLS proved.
    SenderIsNotOpener = 99,
    /// No such payment to or from the sender.
    OriginalUnknown = 100,
    /// It was not committed, or stayed within one institution.
    OriginalNotEligible = 101,
    /// It is a return itself.
    OriginalIsReturn = 102,
    /// The payment was in another currency.
    CurrencyDiffers = 103,
    /// The return names no recall of this payment that waits for this provider.
    RecallNotOpen = 104,
    /// More than is left of the payment.
    AmountExceedsOriginal = 105,
    /// The payment is too old to be recalled.
    RecallTooLate = 106,
    /// Such a case about this payment is open.
    CaseAlreadyOpen = 107,
    /// The provider that is asked is not in the scheme.
    ResponderUnknown = 108,
    /// It is the sender itself.
    ResponderIsSender = 109,
    /// The scheme does not have such cases.
    CaseNotOffered = 110,
    /// The case would end before it begins.
    ExpiryPassed = 111,
    /// The case would stay open for longer than the scheme allows.
    ExpiryTooFar = 112,
    /// The provider that is asked is not the payment's other one.
    ResponderDiffers = 113,
}

/// A rule: it holds, or this is why not.
pub(super) fn unless(holds: bool, reject: Reject) -> Result<(), Reject> {
    if holds { Ok(()) } else { Err(reject) }
}

/// The payee provider did not answer in time.
pub const REASON_EXPIRED: Reason = Reason::of(b"AB05");

/// Whoever was asked in a case has not answered in time.
pub const REASON_NO_ANSWER: Reason = Reason::of(b"NOAS");

/// A request to pay was not paid in time.
pub const REASON_REQUEST_EXPIRED: Reason = Reason::of(b"AEXR");

/// The id was used with other content.
pub const REASON_DUPLICATE: Reason = Reason::of(b"AM05");

impl Reject {
    /// All of them, in order of precedence.
    pub const ALL: [Reject; 39] = [
        Reject::SenderIsNotPayer,
        Reject::SenderSuspended,
        Reject::PayeeUnknown,
        Reject::PayeeIsPayer,
        Reject::PayeeUnreachable,
        Reject::PayeeSuspended,
        Reject::CurrencyNotOffered,
        Reject::BulkNotOffered,
        Reject::PriorityAbused,
        Reject::AmountAboveLimit,
        Reject::AmountAboveAgreed,
        Reject::IntradayLimitExceeded,
        Reject::SubLimitExceeded,
        Reject::AcceptedInFuture,
        Reject::TooLate,
        Reject::RequestUnknown,
        Reject::RequestPaid,
        Reject::RequestRefused,
        Reject::RequestExpired,
        Reject::RequestCancelled,
        Reject::RequestBeingPaid,
        Reject::RequestPayeeDiffers,
        Reject::RequestAmountDiffers,
        Reject::FundsInsufficient,
        Reject::SenderIsNotOpener,
        Reject::OriginalUnknown,
        Reject::OriginalNotEligible,
        Reject::OriginalIsReturn,
        Reject::CurrencyDiffers,
        Reject::RecallNotOpen,
        Reject::AmountExceedsOriginal,
        Reject::RecallTooLate,
        Reject::CaseAlreadyOpen,
        Reject::ResponderUnknown,
        Reject::ResponderIsSender,
        Reject::CaseNotOffered,
        Reject::ExpiryPassed,
        Reject::ExpiryTooFar,
        Reject::ResponderDiffers,
    ];

    /// ISO 20022 external status reason code, the field to blame, whether the same order may succeed later under a new id, and a text.
    /// `docs/payment-rules.md` has the same table; a test compares them.
    const fn row(self) -> (&'static [u8; 4], Field, bool, &'static str) {
        match self {
            Reject::SenderIsNotPayer => (b"AGNT", Field::Payer, false, "the payer provider is not the sender"),
            Reject::SenderSuspended => (b"AG10", Field::Payer, true, "the sender may not pay now"),
            Reject::PayeeUnknown => (b"CNOR", Field::Payee, false, "the payee provider is not in the scheme"),
            Reject::PayeeIsPayer => (b"AG12", Field::Payee, false, "payer and payee provider are the same"),
            Reject::PayeeUnreachable => (b"AB08", Field::Payee, true, "the payee provider cannot be reached"),
            Reject::PayeeSuspended => (b"AG11", Field::Payee, true, "the payee provider may not be paid now"),
            Reject::CurrencyNotOffered => (b"AM03", Field::Currency, false, "the scheme does not settle this currency"),
            Reject::BulkNotOffered => (b"AG03", Field::Lane, false, "the scheme has no bulk lane"),
            Reject::PriorityAbused => (b"FF03", Field::Lane, false, "payments of this purpose go in the bulk lane"),
            Reject::AmountAboveLimit => (b"AM13", Field::Amount, false, "the amount is above the scheme's limit"),
            Reject::AmountAboveAgreed => (b"AM14", Field::Amount, false, "the amount is above the sender's own limit"),
            Reject::IntradayLimitExceeded => {
                (b"AM21", Field::Amount, true, "more than the sender may send before the next cut-off")
            }
            Reject::SubLimitExceeded => (b"AM21", Field::Amount, true, "more than the sender's sponsor lends it"),
            Reject::AcceptedInFuture => (b"DT04", Field::AcceptedAt, true, "the acceptance time is in the future"),
            Reject::TooLate => (b"TM01", Field::AcceptedAt, false, "too little time is left for the payee provider"),
            Reject::RequestUnknown => {
                (b"IRNR", Field::RequestId, false, "no such request was made to the payer provider")
            }
            Reject::RequestPaid => (b"APAR", Field::RequestId, false, "the request was paid already"),
            Reject::RequestRefused => (b"ARFR", Field::RequestId, false, "the request was refused"),
            Reject::RequestExpired => (b"AEXR", Field::RequestId, false, "the request has expired"),
            Reject::RequestCancelled => (b"CN01", Field::RequestId, false, "the request was taken back"),
            Reject::RequestBeingPaid => (b"ALAC", Field::RequestId, true, "a payment for the request is in flight"),
            Reject::RequestPayeeDiffers => (b"AGNT", Field::Payee, false, "the request is of another provider"),
            Reject::RequestAmountDiffers => {
                (b"AM09", Field::Amount, false, "the request is for another amount or currency")
            }
            Reject::FundsInsufficient => (b"AM04", Field::Amount, true, "the sender's funds are insufficient"),
            Reject::SenderIsNotOpener => (b"AGNT", Field::Opener, false, "the opener is not the sender"),
            Reject::OriginalUnknown => (b"AG09", Field::OriginalId, false, "there is no such payment of the sender"),
            Reject::OriginalNotEligible => {
                (b"FF12", Field::OriginalId, false, "the payment was not committed between two providers")
            }
            Reject::OriginalIsReturn => (b"AG13", Field::OriginalId, false, "the payment is a return itself"),
            Reject::CurrencyDiffers => (b"CURR", Field::Currency, false, "the payment was in another currency"),
            Reject::RecallNotOpen => (b"FF13", Field::CaseId, false, "no such recall of the payment is open"),
            Reject::AmountExceedsOriginal => (b"RCON", Field::Amount, false, "more than is left of the payment"),
            Reject::RecallTooLate => (b"TM01", Field::OriginalId, false, "the payment is too old to be recalled"),
            Reject::CaseAlreadyOpen => (b"RCON", Field::OriginalId, true, "such a case about the payment is open"),
            Reject::ResponderUnknown => (b"DNOR", Field::Responder, false, "the payer provider is not in the scheme"),
            Reject::ResponderIsSender => (b"AG12", Field::Responder, false, "the sender asks itself"),
            Reject::CaseNotOffered => (b"AG03", Field::CaseKind, false, "the scheme does not have such cases"),
            Reject::ExpiryPassed => (b"EDTR", Field::ExpiresAt, false, "the expiry has passed"),
            Reject::ExpiryTooFar => (b"EDTL", Field::ExpiresAt, false, "the expiry is too far away"),
            Reject::ResponderDiffers => (b"AGNT", Field::Responder, false, "the payment was with another provider"),
        }
    }

    /// Its ISO 20022 external status reason code.
    pub fn reason(self) -> Reason {
        Reason::of(self.row().0)
    }

    /// The field to blame.
    pub fn field(self) -> Field {
        self.row().1
    }

    /// May the same order, with a new id, succeed later?
    pub fn is_transient(self) -> bool {
        self.row().2
    }

    /// What to say to a person.
    pub fn text(self) -> &'static str {
        self.row().3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_same_table_in_the_same_order() {
        let document = include_str!("../../../docs/payment-rules.md");
        let is_row = |line: &&str| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            cells.next().is_some_and(|cell| cell.parse::<u8>().is_ok())
                && cells.next().is_some_and(|cell| cell.starts_with('`'))
        };
        let mut rows = document.lines().filter(is_row);
        for reject in Reject::ALL {
            let transient = if reject.is_transient() { "yes" } else { "no" };
            let row = format!(
                "| {} | `{reject:?}` | {} | `{}` | {transient} | {} |",
                reject as u8,
                reject.reason().as_str(),
                reject.field().name(),
                reject.text()
            );
            assert_eq!(rows.next(), Some(row.as_str()));
        }
        assert_eq!(rows.next(), None, "a row of the document has no reject");
        assert!(Reject::ALL.is_sorted_by_key(|reject| *reject as u8));
    }

    /// The document's second table: `10, 20 to 23` in the row of a message.
    #[test]
    fn every_reject_is_one_that_the_document_says_some_message_meets() {
        let document = include_str!("../../../docs/payment-rules.md");
        let (_, table) = document.split_once("| message | rejects, in this order |").unwrap_or_default();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let lists = rows.filter_map(|row| row.split('|').nth(2)).flat_map(|list| list.split(','));
        let met: Vec<(u8, u8)> = lists
            .map(|numbers| {
                let (first, last) = numbers.split_once(" to ").unwrap_or((numbers, numbers));
                let [first, last] = [first, last].map(|number| number.trim().parse().unwrap_or(0));
                assert!(0 < first && first <= last, "{numbers}");
                (first, last)
            })
            .collect();
        for reject in Reject::ALL {
            let is_met = met.iter().any(|&(first, last)| (first..=last).contains(&(reject as u8)));
            assert!(is_met, "{reject:?} is met by no message");
        }
    }
}
