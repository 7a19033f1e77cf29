//! The accounts of the scheme for whoever looks: which there are, whose each is, and what stands on it.

use adapters::message::ParticipantCode;
use ledger::{Account, AccountIndex, Currency};

use super::Engine;
use crate::entry::ParticipantId;

/// What an account is to the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// Prefunded money of a participant.
    Settlement,
    /// The scheme's own in a currency: what all participants' money came from.
    Funding,
}

/// Whose an account is. Printed as `settlement:CODE:CURRENCY` or `funding:CURRENCY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountOwner {
    /// What it is.
    pub kind: AccountKind,
    /// The participant; none where it is the scheme's own.
    pub participant: Option<ParticipantCode>,
    /// Its currency.
    pub currency: Currency,
    /// The currency's digits after the decimal point, for those who print it.
    pub minor_digits: u8,
}

impl AccountKind {
    /// Its name in documents, reports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            AccountKind::Settlement => "settlement",
            AccountKind::Funding => "funding",
        }
    }
}

impl std::fmt::Display for AccountOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.participant {
            Some(code) => write!(f, "{}:{code}:{}", self.kind.name(), self.currency),
            None => write!(f, "{}:{}", self.kind.name(), self.currency),
        }
    }
}

impl Engine {
    /// All accounts: in each currency, in order of admission, the scheme's own, then those of the participants in theirs.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountIndex, AccountOwner)> {
        self.currencies.iter().zip(&self.funding_accounts).enumerate().flat_map(|(number, (rules, &funding))| {
            let owner = |kind, participant| AccountOwner {
                kind,
                participant,
                currency: rules.currency,
                minor_digits: rules.minor_digits,
            };
            let settlement = self.participants.iter().map(move |(_, participant)| {
                (participant.settlement_accounts[number], owner(AccountKind::Settlement, Some(participant.code)))
            });
            std::iter::once((funding, owner(AccountKind::Funding, None))).chain(settlement)
        })
    }

    /// An account of the scheme.
    ///
    /// # Panics
    /// When the handle is not of this engine.
    pub fn account(&self, index: AccountIndex) -> &Account {
        self.book.account(index)
    }

    /// A participant's settlement account.
    pub fn settlement_account(&self, participant: ParticipantId, currency: [u8; 3]) -> Option<AccountIndex> {
        let number = self.currency_place(currency)?;
        self.participants.get(participant)?.settlement_accounts.get(number).copied()
    }

    /// The scheme's own account.
    pub fn funding_account(&self, currency: [u8; 3]) -> Option<AccountIndex> {
        self.funding_accounts.get(self.currency_place(currency)?).copied()
    }

    pub(super) fn currency_place(&self, currency: [u8; 3]) -> Option<usize> {
        self.currencies.iter().position(|rules| rules.currency.bytes() == currency)
    }
}
