//! What a sandbox's customers do with aliases: they register one for their account, look others up, and pay to them.

use ledger::Amount;

use crate::alias::Alias;
use crate::directory::{AliasOutcome, Claim, LookupForm, LookupPurpose, Operation};
use crate::message::{AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, PaymentId};
use crate::native::client::{AliasFound, AliasResult, Message};

use super::book::{PayError, SandboxBook};
use super::{Observed, Sandbox, now_ns};

/// How long consent is given for: a year, in nanoseconds.
const CONSENT_NS: u64 = 365 * 86_400 * 1_000_000_000;

/// A customer's alias, as an ID system has attested it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Account of one of the sandbox's customers.
    pub account: String,
    /// What people are to pay to.
    pub alias: Alias,
    /// The token of the customer, made by the ID system for this provider.
    pub identity: String,
    /// Compact JWS.
    pub attestation: String,
}

/// What a customer orders for an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasPayOrder {
    /// Account of one of the sandbox's customers.
    pub payer_account: String,
    /// Whom.
    pub alias: Alias,
    /// For people; may be empty.
    pub payee_name: String,
    /// How much, in the sandbox's currency.
    pub amount: Amount,
    /// For the payee; may be empty.
    pub remittance: String,
}

/// A step of a registration or of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasLeg {
    /// It was handed to the client.
    Sent,
    /// This became of a registration.
    Registered(AliasOutcome, Claim),
    /// This was found, or not.
    Found(Box<AliasFound>),
    /// The switch did not take it; why, for a person to read.
    NotTaken(String),
}

impl SandboxBook {
    fn registration(
        &self,
        id: PaymentId,
        registration: &Registration,
        now_ns: u64,
    ) -> Result<(AliasCommand, AliasCommandPrivate), PayError> {
        let customer = self.customer_at(&registration.account)?;
        let command = AliasCommand {
            command_id: id.bytes(),
            operation: Operation::Register as u8,
            alias_type: registration.alias.kind() as u8,
            defaults: 0,
            consent_purpose: 1 << (LookupPurpose::Payment as u8 - 1),
            consent_until_ns: now_ns + CONSENT_NS,
        };
        let private = AliasCommandPrivate {
            alias: registration.alias.as_str().into(),
            identity: registration.identity.clone().into_bytes(),
            account: customer.account.clone().into_bytes(),
            name: customer.name.clone().into_bytes(),
            attestation: registration.attestation.clone().into_bytes(),
        };
        Ok((command, private))
    }

    fn lookup(
        &self,
        id: PaymentId,
        account: &str,
        alias: &Alias,
    ) -> Result<(AliasLookup, AliasLookupPrivate), PayError> {
        let end_user = self.customer_at(account)?.end_user().into_bytes();
        let lookup = AliasLookup {
            lookup_id: id.bytes(),
            form: LookupForm::Lookup as u8,
            purpose: LookupPurpose::Payment as u8,
            alias_type: alias.kind() as u8,
            participant: [0; 35],
        };
        let private = AliasLookupPrivate { alias: alias.as_str().into(), end_user, ..AliasLookupPrivate::default() };
        Ok((lookup, private))
    }
}

impl Sandbox {
    /// Pays from one of the customers to whoever has an alias: debits the balance now, and gives it back if the payment fails.
    pub async fn pay_alias(&self, order: &AliasPayOrder) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let submission = self.book(|book| book.pay_alias(id, order, now_ns()))?;
        self.submit(id, &submission).await
    }

    /// Registers a customer's alias; gives the command's id.
    pub async fn register(&self, registration: &Registration) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let (command, private) = self.book(|book| book.registration(id, registration, now_ns()))?;
        self.send(id, Message::AliasCommand(&command, &private)).await
    }

    /// Looks an alias up for a customer; gives the look-up's id.
    pub async fn look_up(&self, account: &str, alias: &Alias) -> Result<PaymentId, PayError> {
        let id = PaymentId::random();
        let (lookup, private) = self.book(|book| book.lookup(id, account, alias))?;
        self.send(id, Message::AliasLookup(&lookup, &private)).await
    }

    async fn send(&self, id: PaymentId, message: Message<'_>) -> Result<PaymentId, PayError> {
        self.shared.observe(Observed::Alias(id, AliasLeg::Sent));
        self.client.send(message).await.map_err(|_| PayError::NotSubmitted)?;
        Ok(id)
    }
}

/// What is seen of a registration's result.
pub(super) fn registered(result: &AliasResult) -> Observed {
    Observed::Alias(result.command_id, AliasLeg::Registered(result.outcome, result.claim))
}

/// What is seen of an answer to a look-up.
pub(super) fn found(found: Box<AliasFound>) -> Observed {
    Observed::Alias(found.lookup_id, AliasLeg::Found(found))
}
