//! The rules of a payment: parameters, and why the engine says no.

use adapters::message::{Field, Reason};
use ledger::{Amount, Currency};

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
}

impl Rules {
    /// Before the scheme has said anything: nothing is accepted in time.
    pub const UNSET: Rules = Rules { version: 0, timeout_ns: 0, payee_share_ns: 0, skew_ns: 0, outcomes_kept: 0 };
}

/// A currency of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyRules {
    /// Which.
    pub currency: Currency,
    /// Digits after the decimal point, for those who print it.
    pub minor_digits: u8,
    /// The greatest payment.
    pub amount_max: Amount,
}

/// Why the engine rejects a payment, in the order in which it looks: the first that applies is the one reported. The numbers
/// are in documents: never renumber, never reuse. Before all of these comes the duplicate check.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// The payer provider named in the message is not the one that TLS proved.
    SenderIsNotPayer = 10,
    /// The payee provider is not in the scheme.
    PayeeUnknown = 20,
    /// Payer and payee provider are one: a payment within one institution does not belong here.
    PayeeIsPayer = 21,
    /// The payee provider is signed off, or has had no connection for too long.
    PayeeUnreachable = 22,
    /// The scheme does not settle this currency.
    CurrencyNotOffered = 30,
    /// Above the scheme's limit.
    AmountAboveLimit = 40,
    /// Accepted in the future, beyond the skew allowed.
    AcceptedInFuture = 50,
    /// Too little is left of the payment's time for the payee provider to answer.
    TooLate = 51,
    /// The payer provider's settlement account does not hold so much.
    FundsInsufficient = 60,
}

/// The payee provider did not answer in time.
pub const REASON_EXPIRED: Reason = Reason::of(b"AB05");

/// The id was used with other content.
pub const REASON_DUPLICATE: Reason = Reason::of(b"AM05");

impl Reject {
    /// All of them, in order of precedence.
    pub const ALL: [Reject; 9] = [
        Reject::SenderIsNotPayer,
        Reject::PayeeUnknown,
        Reject::PayeeIsPayer,
        Reject::PayeeUnreachable,
        Reject::CurrencyNotOffered,
        Reject::AmountAboveLimit,
        Reject::AcceptedInFuture,
        Reject::TooLate,
        Reject::FundsInsufficient,
    ];

    /// ISO 20022 external status reason code, the field to blame, whether the same order may succeed later under a new id, and a text.
    /// `docs/payment-rules.md` has the same table; a test compares them.
    const fn row(self) -> (&'static [u8; 4], Field, bool, &'static str) {
        match self {
            Reject::SenderIsNotPayer => (b"AGNT", Field::Payer, false, "the payer provider is not the sender"),
            Reject::PayeeUnknown => (b"CNOR", Field::Payee, false, "the payee provider is not in the scheme"),
            Reject::PayeeIsPayer => (b"AG12", Field::Payee, false, "payer and payee provider are the same"),
            Reject::PayeeUnreachable => (b"AB08", Field::Payee, true, "the payee provider cannot be reached"),
            Reject::CurrencyNotOffered => (b"AM03", Field::Currency, false, "the scheme does not settle this currency"),
            Reject::AmountAboveLimit => (b"AM13", Field::Amount, false, "the amount is above the scheme's limit"),
            Reject::AcceptedInFuture => (b"DT04", Field::AcceptedAt, true, "the acceptance time is in the future"),
            Reject::TooLate => (b"TM01", Field::AcceptedAt, false, "too little time is left for the payee provider"),
            Reject::FundsInsufficient => (b"AM04", Field::Amount, true, "the payer provider's funds are insufficient"),
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
        let is_row = |line: &&str| line.starts_with("| ") && (0..3).any(|digit| line.contains(&format!("{digit} | `")));
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
}
