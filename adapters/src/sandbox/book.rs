//! The customers of a sandbox provider and their money: decisions without I/O and without a clock.
//!
//! Money leaves a customer's balance when a payment or a return is ordered, comes back if that fails, and arrives at a payee only when
//! the switch has said `committed`, or later where it was accepted without posting. So at every moment
//! `balances + unposted + unassigned + in flight out = opening balances + received - sent`; `audit` recomputes it.

use std::collections::{HashMap, VecDeque};

use ledger::{Amount, Currency};

use crate::limits::{SANDBOX_CUSTOMERS_MAX, SANDBOX_IN_FLIGHT_MAX, SANDBOX_SETTLED_MAX, SANDBOX_UNPOSTED_MAX};
use crate::message::{
    AliasTransfer, AliasTransferPrivate, AmountForm, Answer, CaseKind, CaseOpen, CreditTransfer, Lane, NO_ID, Note,
    Outcome, ParticipantCode, PaymentId, PaymentPrivate, Reason, Return,
};
use crate::native::client::{CaseForward, Forward, Message, Returned};
use crate::sandbox::aliases::AliasPayOrder;

/// Why a payee provider says no: ISO 20022 external status reason codes.
pub mod reason {
    use crate::message::Reason;

    /// "Account number is invalid or missing": nobody here has this account.
    pub const ACCOUNT_UNKNOWN: Reason = Reason::of(b"AC01");
    /// "Account specified is blocked, prohibiting posting of transactions against it."
    pub const ACCOUNT_BLOCKED: Reason = Reason::of(b"AC06");
    /// "Specific transaction/message amount is greater than allowed maximum."
    pub const AMOUNT_TOO_HIGH: Reason = Reason::of(b"AM02");
    /// "Specified message amount is an non processable currency outside of existing agreement."
    pub const CURRENCY_UNKNOWN: Reason = Reason::of(b"AM03");
    /// "Transaction stopped due to error at the Creditor Agent": too much is in flight.
    pub const OVERLOADED: Reason = Reason::of(b"AB09");
    /// "Reported when the original transaction was not received": of a recall.
    pub const NO_ORIGINAL: Reason = Reason::of(b"NOOR");
    /// "Cancellation not accepted as the transaction has already been returned."
    pub const ALREADY_RETURNED: Reason = Reason::of(b"ARDT");
    /// "Amount of funds available to cover specified message amount is insufficient."
    pub const FUNDS_INSUFFICIENT: Reason = Reason::of(b"AM04");
    /// "Reported by customer": the customer said no.
    pub const CUSTOMER_DECISION: Reason = Reason::of(b"CUST");
    /// "Return following a cancellation request."
    pub const FOLLOWING_RECALL: Reason = Reason::of(b"FOCR");
}

/// A customer of a sandbox provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// For people.
    pub name: String,
    /// The account's number: what a payer writes.
    pub account: String,
    /// What the customer can spend, in minor units.
    pub balance_minor: u64,
    /// A blocked account neither pays nor receives.
    pub blocked: bool,
    /// Requests to pay are paid up to this amount, in minor units, and others refused.
    pub pays_requests_up_to_minor: u64,
}

impl Customer {
    /// A customer whose account is open, and who pays no requests.
    pub fn new(name: &str, account: &str, balance_minor: u64) -> Customer {
        let (name, account) = (name.into(), account.into());
        Customer { name, account, balance_minor, blocked: false, pays_requests_up_to_minor: 0 }
    }

    /// The token by which the switch tells who looks up: it says nothing to anybody else.
    pub fn end_user(&self) -> String {
        format!("end-user-of-{}", self.account)
    }

    /// Who pays requests up to this amount.
    #[must_use]
    pub fn who_pays_requests_up_to(self, amount: Amount) -> Customer {
        Customer { pays_requests_up_to_minor: amount.minor_units(), ..self }
    }
}

/// What a customer orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayOrder {
    /// Account of one of the sandbox's customers.
    pub payer_account: String,
    /// The provider of the payee.
    pub payee: ParticipantCode,
    /// Account at that provider.
    pub payee_account: String,
    /// For people; may be empty.
    pub payee_name: String,
    /// How much, in the sandbox's currency.
    pub amount: Amount,
    /// For the payee; may be empty.
    pub remittance: String,
}

/// What a customer asks another provider's customer to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrder {
    /// Account of one of the sandbox's customers, which the money is to come to.
    pub payee_account: String,
    /// The provider of the payer.
    pub payer: ParticipantCode,
    /// Account at that provider.
    pub payer_account: String,
    /// How much, in the sandbox's currency.
    pub amount: Amount,
    /// For the payer; may be empty.
    pub remittance: String,
}

/// Why a payment, a return or a request was not even ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayError {
    /// No customer has this account.
    UnknownAccount,
    /// The account is blocked.
    Blocked,
    /// The payee has an account here: such a payment does not go through the switch.
    SameProvider,
    /// No such payment was made to or by a customer, or nothing is left of it.
    UnknownPayment,
    /// There is not enough money.
    InsufficientFunds,
    /// Too many payments are in flight.
    TooManyInFlight,
    /// The message to the switch could not be made or handed over.
    NotSubmitted,
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PayError::UnknownAccount => "no customer has this account",
            PayError::Blocked => "the account is blocked",
            PayError::SameProvider => "the payee is a customer of the same provider",
            PayError::UnknownPayment => "there is no such payment, or nothing is left of it",
            PayError::InsufficientFunds => "there is not enough money on the account",
            PayError::TooManyInFlight => "too many payments are in flight",
            PayError::NotSubmitted => {
                "the switch could not be given the payment: a field is too long, or the client is shut down"
            }
        })
    }
}

impl std::error::Error for PayError {}

/// What goes to the switch and takes money from a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// A payment.
    Payment(Box<CreditTransfer>, PaymentPrivate),
    /// A payment to an alias.
    AliasPayment(Box<AliasTransfer>, AliasTransferPrivate),
    /// Money that goes back.
    Return(Return),
}

impl Submission {
    /// As it is said to the switch.
    pub fn message(&self) -> Message<'_> {
        const NO_NOTE: &Note = &Note { text: Vec::new(), extension: Vec::new() };
        match self {
            Submission::Payment(order, private) => Message::CreditTransfer(order, private),
            Submission::AliasPayment(order, private) => Message::AliasTransfer(order, private),
            Submission::Return(message) => Message::Return(message, NO_NOTE),
        }
    }
}

/// Which side of a payment a sandbox was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its customer paid.
    Payer,
    /// Its customer was paid.
    Payee,
}

/// Sums of a sandbox's money, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What the customers had at first.
    pub opening: u128,
    /// What they have.
    pub balances: u128,
    /// What was accepted without posting, and committed, and is no customer's yet.
    pub unposted: u128,
    /// What has come back and is no customer's: its payment is forgotten.
    pub unassigned: u128,
    /// What has left them and is not decided.
    pub in_flight_out: u128,
    /// What was committed to them.
    pub received: u128,
    /// What was committed away from them.
    pub sent: u128,
}

impl Audit {
    /// Was no money made or lost?
    pub fn is_conserved(&self) -> bool {
        let here = self.balances + self.unposted + self.unassigned + self.in_flight_out;
        here + self.sent == self.opening + self.received
    }
}

/// A payment in flight, or one that was committed and is not posted.
#[derive(Clone, Copy)]
struct InFlight {
    customer: usize,
    amount_minor: u64,
}

/// An order that the switch has not decided.
struct Outgoing {
    in_flight: InFlight,
    submission: Submission,
    resubmissions: u32,
}

/// How often what the switch was too busy for is submitted again.
const RESUBMISSIONS_MAX: u32 = 5;

/// The customers of a sandbox provider and their money.
pub struct SandboxBook {
    code: ParticipantCode,
    currency: Currency,
    /// A payment above this is rejected.
    amount_max: Option<Amount>,
    customers: Vec<Customer>,
    by_account: HashMap<String, usize>,
    outgoing: HashMap<PaymentId, Outgoing>,
    incoming: HashMap<PaymentId, InFlight>,
    unposted: HashMap<PaymentId, InFlight>,
    posts_later: bool,
    settled: Settled,
    unassigned: u128,
    opening: u128,
    received: u128,
    sent: u128,
    /// Balances and everything in flight, out and in: what one balance could become at most.
    held: u128,
}

impl SandboxBook {
    /// A provider's customers. Two with the same account count as one: the first.
    ///
    /// # Panics
    /// With more than `SANDBOX_CUSTOMERS_MAX` customers, or more money than one balance could hold.
    pub fn new(code: ParticipantCode, currency: Currency, customers: Vec<Customer>) -> SandboxBook {
        assert!(customers.len() <= SANDBOX_CUSTOMERS_MAX);
        let mut by_account = HashMap::new();
        let mut distinct: Vec<Customer> = Vec::new();
        for customer in customers {
            by_account.entry(customer.account.clone()).or_insert_with(|| {
                distinct.push(customer);
                distinct.len() - 1
            });
        }
        let opening = distinct.iter().map(|customer| u128::from(customer.balance_minor)).sum();
        assert!(opening <= u128::from(u64::MAX));
        SandboxBook {
            code,
            currency,
            amount_max: None,
            customers: distinct,
            by_account,
            outgoing: HashMap::new(),
            incoming: HashMap::new(),
            unposted: HashMap::new(),
            posts_later: false,
            settled: Settled::default(),
            unassigned: 0,
            opening,
            received: 0,
            sent: 0,
            held: opening,
        }
    }

    /// Sets the amount above which a payment to a customer is rejected.
    #[must_use]
    pub fn with_amount_max(mut self, amount_max: Amount) -> SandboxBook {
        self.amount_max = Some(amount_max);
        self
    }

    /// Accepts payments without posting them: the money is a customer's after `post`.
    #[must_use]
    pub fn posting_later(mut self) -> SandboxBook {
        self.posts_later = true;
        self
    }

    /// Blocks or unblocks an account. False if nobody has it.
    pub fn set_blocked(&mut self, account: &str, blocked: bool) -> bool {
        let Some(&index) = self.by_account.get(account) else { return false };
        self.customers[index].blocked = blocked;
        true
    }

    /// Everybody, in the order in which they were given.
    pub fn customers(&self) -> &[Customer] {
        &self.customers
    }

    /// Payments that are not decided, as payer and as payee.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.outgoing.len(), self.incoming.len())
    }

    /// Debits the payer, and makes the message for the switch. `accepted_at_ns` starts the payment's clock.
    pub fn pay(&mut self, id: PaymentId, order: &PayOrder, accepted_at_ns: u64) -> Result<Submission, PayError> {
        let index = self.payer_at(&order.payer_account)?;
        if order.payee == self.code {
            return Err(PayError::SameProvider);
        }
        let customer = &self.customers[index];
        let transfer = CreditTransfer::new(id, self.code, order.payee, order.amount, self.currency, accepted_at_ns);
        let private = PaymentPrivate {
            payer_name: customer.name.clone().into_bytes(),
            payer_account: customer.account.clone().into_bytes(),
            payee_name: order.payee_name.clone().into_bytes(),
            payee_account: order.payee_account.clone().into_bytes(),
            remittance: order.remittance.clone().into_bytes(),
            ..PaymentPrivate::default()
        };
        self.send_out(id, (index, order.amount), Submission::Payment(Box::new(transfer), private))
    }

    /// The same to whoever has an alias.
    pub fn pay_alias(
        &mut self,
        id: PaymentId,
        order: &AliasPayOrder,
        accepted_at_ns: u64,
    ) -> Result<Submission, PayError> {
        let index = self.payer_at(&order.payer_account)?;
        let customer = &self.customers[index];
        let transfer = AliasTransfer {
            payment_id: id.bytes(),
            payer: *self.code.bytes(),
            amount: order.amount.minor_units(),
            currency: self.currency.bytes(),
            accepted_at_ns,
            purpose: Reason::NONE.bytes(),
            lane: Lane::Payments as u8,
            request_id: NO_ID,
            alias_type: order.alias.kind() as u8,
        };
        let private = AliasTransferPrivate {
            payer_name: customer.name.clone().into_bytes(),
            payer_account: customer.account.clone().into_bytes(),
            payee_name: order.payee_name.clone().into_bytes(),
            alias: order.alias.as_str().into(),
            end_user: customer.end_user().into_bytes(),
            remittance: order.remittance.clone().into_bytes(),
            ..AliasTransferPrivate::default()
        };
        self.send_out(id, (index, order.amount), Submission::AliasPayment(Box::new(transfer), private))
    }

    /// The customer with this account, by place, if it can pay.
    fn payer_at(&self, account: &str) -> Result<usize, PayError> {
        let &index = self.by_account.get(account).ok_or(PayError::UnknownAccount)?;
        if self.customers[index].blocked { Err(PayError::Blocked) } else { Ok(index) }
    }

    /// The customer with this account.
    pub(super) fn customer_at(&self, account: &str) -> Result<&Customer, PayError> {
        let index = self.by_account.get(account).ok_or(PayError::UnknownAccount)?;
        Ok(&self.customers[*index])
    }

    /// Takes money from a customer for what goes to the switch.
    fn send_out(
        &mut self,
        id: PaymentId,
        (customer, amount): (usize, Amount),
        submission: Submission,
    ) -> Result<Submission, PayError> {
        let amount_minor = amount.minor_units();
        let balance_minor = self.customers[customer].balance_minor.checked_sub(amount_minor);
        let balance_minor = balance_minor.ok_or(PayError::InsufficientFunds)?;
        if self.outgoing.len() >= SANDBOX_IN_FLIGHT_MAX {
            return Err(PayError::TooManyInFlight);
        }

        // From here the order must succeed.
        self.customers[customer].balance_minor = balance_minor;
        let in_flight = InFlight { customer, amount_minor };
        let outgoing = Outgoing { in_flight, submission: submission.clone(), resubmissions: 0 };
        let before = self.outgoing.insert(id, outgoing);
        assert!(before.is_none(), "payment ids are random");
        Ok(submission)
    }

    /// Returns a payment to a customer: all that is left of it, or this part. The money comes from the customer's account; what was not posted yet is posted
    /// first.
    pub fn return_payment(
        &mut self,
        id: PaymentId,
        original: PaymentId,
        part: Option<Amount>,
        (case, reason): (Option<PaymentId>, Reason),
    ) -> Result<Submission, PayError> {
        let settled = self.settled.find(original).filter(|settled| settled.side == Side::Payee);
        let &Settlement { customer, left_minor, .. } = settled.ok_or(PayError::UnknownPayment)?;
        let amount = part.or(Amount::new(left_minor)).ok_or(PayError::UnknownPayment)?;
        let left_minor = left_minor.checked_sub(amount.minor_units()).ok_or(PayError::UnknownPayment)?;
        self.post(original);
        let message = Return {
            return_id: id.bytes(),
            original_id: original.bytes(),
            case_id: case.map_or(NO_ID, PaymentId::bytes),
            amount: amount.minor_units(),
            currency: self.currency.bytes(),
            reason: reason.bytes(),
        };
        let submission = self.send_out(id, (customer, amount), Submission::Return(message))?;
        self.settled.set_left(original, left_minor);
        Ok(submission)
    }

    /// Asks for a committed payment of a customer back.
    pub fn recall(&self, id: PaymentId, original: PaymentId, reason: Reason) -> Result<CaseOpen, PayError> {
        let settled = self.settled.find(original).filter(|settled| settled.side == Side::Payer);
        let settled = settled.filter(|settled| settled.left_minor > 0).ok_or(PayError::UnknownPayment)?;
        Ok(CaseOpen {
            case_id: id.bytes(),
            kind: CaseKind::Recall as u8,
            original_id: original.bytes(),
            opener: *self.code.bytes(),
            responder: *settled.other.bytes(),
            amount: 0,
            currency: [0; 3],
            amount_form: AmountForm::None as u8,
            reason: reason.bytes(),
            expires_at_ns: 0,
        })
    }

    /// Asks somebody to pay a customer.
    pub fn request(&self, id: PaymentId, order: &RequestOrder) -> Result<(CaseOpen, PaymentPrivate), PayError> {
        let &index = self.by_account.get(&order.payee_account).ok_or(PayError::UnknownAccount)?;
        let customer = &self.customers[index];
        if customer.blocked {
            return Err(PayError::Blocked);
        }
        if order.payer == self.code {
            return Err(PayError::SameProvider);
        }
        let opened = CaseOpen {
            case_id: id.bytes(),
            kind: CaseKind::PaymentRequest as u8,
            original_id: NO_ID,
            opener: *self.code.bytes(),
            responder: *order.payer.bytes(),
            amount: order.amount.minor_units(),
            currency: self.currency.bytes(),
            amount_form: AmountForm::Fixed as u8,
            reason: Reason::NONE.bytes(),
            expires_at_ns: 0,
        };
        let private = PaymentPrivate {
            payer_account: order.payer_account.clone().into_bytes(),
            payee_name: customer.name.clone().into_bytes(),
            payee_account: customer.account.clone().into_bytes(),
            remittance: order.remittance.clone().into_bytes(),
            ..PaymentPrivate::default()
        };
        Ok((opened, private))
    }

    /// Answers a recall: what is asked for goes back if the customer still has it, otherwise this is why not. `id` is for the return.
    pub fn recalled(&mut self, id: PaymentId, asked: &CaseForward) -> Result<Submission, Reason> {
        let original = asked.original_id.ok_or(reason::NO_ORIGINAL)?;
        let settled = self.settled.find(original).filter(|settled| settled.side == Side::Payee);
        let left_minor = settled.ok_or(reason::NO_ORIGINAL)?.left_minor;
        let part = asked.amount.map(|(amount, _)| amount);
        if part.map_or(1, Amount::minor_units) > left_minor {
            return Err(reason::ALREADY_RETURNED);
        }
        let answer = (Some(asked.case_id), reason::FOLLOWING_RECALL);
        self.return_payment(id, original, part, answer).map_err(|error| match error {
            PayError::InsufficientFunds => reason::FUNDS_INSUFFICIENT,
            _ => reason::OVERLOADED,
        })
    }

    /// Answers a question about a payment, for a person to read.
    pub fn information(&self, asked: &CaseForward) -> String {
        let settled = asked.original_id.and_then(|original| self.settled.find(original));
        match settled {
            None => "no such payment was settled lately".to_owned(),
            Some(&Settlement { side, customer, left_minor, .. }) => {
                let done = if side == Side::Payer { "paid" } else { "received" };
                format!("{} {done} it; {left_minor} of it is not returned", self.customers[customer].name)
            }
        }
    }

    /// Pays a request if its customer is one who does, otherwise this is why not. `id` is for the payment.
    pub fn requested(&mut self, id: PaymentId, asked: &CaseForward, accepted_at_ns: u64) -> Result<Submission, Reason> {
        let account = std::str::from_utf8(&asked.private.payer_account).unwrap_or_default();
        let &index = self.by_account.get(account).ok_or(reason::ACCOUNT_UNKNOWN)?;
        let (amount, currency) = asked.amount.ok_or(reason::CUSTOMER_DECISION)?;
        if currency != self.currency {
            return Err(reason::CURRENCY_UNKNOWN);
        }
        if amount.minor_units() > self.customers[index].pays_requests_up_to_minor {
            return Err(reason::CUSTOMER_DECISION);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let order = PayOrder {
            payer_account: account.to_owned(),
            payee: asked.opener,
            payee_account: text(&asked.private.payee_account),
            payee_name: text(&asked.private.payee_name),
            amount,
            remittance: text(&asked.private.remittance),
        };
        let submission = self.pay(id, &order, accepted_at_ns).map_err(|error| match error {
            PayError::Blocked => reason::ACCOUNT_BLOCKED,
            PayError::InsufficientFunds => reason::FUNDS_INSUFFICIENT,
            _ => reason::OVERLOADED,
        })?;
        let Submission::Payment(mut transfer, private) = submission else { return Ok(submission) };
        transfer.request_id = asked.case_id.bytes();
        let submission = Submission::Payment(transfer, private);
        if let Some(outgoing) = self.outgoing.get_mut(&id) {
            outgoing.submission = submission.clone();
        }
        Ok(submission)
    }

    /// Decides on a payment to a customer. None where it was decided finally before: there is nothing left to answer.
    pub fn forward(&mut self, forward: &Forward) -> Option<Answer> {
        let id = forward.payment_id;
        if self.settled.find(id).is_some() {
            return None;
        }
        if !self.incoming.contains_key(&id) {
            match self.payee_of(forward) {
                Ok(customer) => {
                    let amount_minor = forward.amount.minor_units();
                    self.incoming.insert(id, InFlight { customer, amount_minor });
                    self.held += u128::from(amount_minor);
                }
                Err(reason) => return Some(Answer::reject(id, reason)),
            }
        }
        Some(if self.posts_later { Answer::accept_without_posting(id) } else { Answer::accept(id) })
    }

    /// The customer who will get this payment, or why nobody will. First reason wins.
    fn payee_of(&self, forward: &Forward) -> Result<usize, Reason> {
        let account = std::str::from_utf8(&forward.private.payee_account).unwrap_or_default();
        let &index = self.by_account.get(account).ok_or(reason::ACCOUNT_UNKNOWN)?;
        if self.customers[index].blocked {
            return Err(reason::ACCOUNT_BLOCKED);
        }
        if forward.currency != self.currency {
            return Err(reason::CURRENCY_UNKNOWN);
        }
        let too_high = self.amount_max.is_some_and(|amount_max| forward.amount > amount_max);
        // While one balance could hold all the money there is, no credit can overflow.
        let fits = self.held + u128::from(forward.amount.minor_units()) <= u128::from(u64::MAX);
        if too_high || !fits {
            return Err(reason::AMOUNT_TOO_HIGH);
        }
        if self.incoming.len() >= SANDBOX_IN_FLIGHT_MAX {
            return Err(reason::OVERLOADED);
        }
        Ok(index)
    }

    /// Takes in what became of a payment. Says on which side the sandbox was, if this settled it.
    pub fn status(&mut self, id: PaymentId, outcome: Outcome) -> Option<Side> {
        match outcome {
            Outcome::Committed => self.committed(id),
            Outcome::Rejected | Outcome::Expired => self.failed(id),
            // The id is somebody else's payment; ours was not taken.
            Outcome::Duplicate => self.give_back(id).then_some(Side::Payer),
            Outcome::InFlight | Outcome::Unknown => None,
        }
    }

    fn committed(&mut self, id: PaymentId) -> Option<Side> {
        if let Some(Outgoing { in_flight: InFlight { customer, amount_minor }, submission, .. }) =
            self.outgoing.remove(&id)
        {
            self.sent += u128::from(amount_minor);
            self.held -= u128::from(amount_minor);
            if let Submission::Payment(order, _) = submission
                && let Some(other) = ParticipantCode::from_bytes(order.payee)
            {
                self.settled.insert(id, Settlement { side: Side::Payer, customer, other, left_minor: amount_minor });
            }
            return Some(Side::Payer);
        }
        let in_flight = self.incoming.remove(&id)?;
        let InFlight { customer, amount_minor } = in_flight;
        self.received += u128::from(amount_minor);
        self.settle_payee(id, customer, amount_minor);
        if self.posts_later && self.unposted.len() < SANDBOX_UNPOSTED_MAX {
            self.unposted.insert(id, in_flight);
        } else {
            self.customers[customer].balance_minor += amount_minor;
        }
        Some(Side::Payee)
    }

    fn failed(&mut self, id: PaymentId) -> Option<Side> {
        if self.give_back(id) {
            return Some(Side::Payer);
        }
        let InFlight { customer, amount_minor } = self.incoming.remove(&id)?;
        self.held -= u128::from(amount_minor);
        self.settle_payee(id, customer, 0);
        Some(Side::Payee)
    }

    /// Nobody asks for the other provider of what was received: who returns needs its payment alone.
    fn settle_payee(&mut self, id: PaymentId, customer: usize, left_minor: u64) {
        self.settled.insert(id, Settlement { side: Side::Payee, customer, other: self.code, left_minor });
    }

    /// Was this payment committed and not posted?
    pub fn is_unposted(&self, id: PaymentId) -> bool {
        self.unposted.contains_key(&id)
    }

    /// A payment that was accepted without posting is its customer's from now on. False if there is none.
    pub fn post(&mut self, id: PaymentId) -> bool {
        let Some(InFlight { customer, amount_minor }) = self.unposted.remove(&id) else { return false };
        self.customers[customer].balance_minor += amount_minor;
        true
    }

    /// Money of a payment has come back: to the customer who paid it, or, where that is forgotten, to nobody here. False if that return was taken in before.
    pub fn returned(&mut self, returned: &Returned) -> bool {
        if self.settled.find(returned.return_id).is_some() {
            return false;
        }
        let amount_minor = returned.amount.minor_units();
        self.received += u128::from(amount_minor);
        let paid = self.settled.find(returned.original_id).copied();
        let paid = paid.filter(|paid| paid.side == Side::Payer && amount_minor <= paid.left_minor);
        // While one balance could hold all the money there is, no credit can overflow.
        let fits = self.held + u128::from(amount_minor) <= u128::from(u64::MAX);
        let customer = match paid.filter(|_| fits) {
            Some(Settlement { customer, left_minor, .. }) => {
                self.held += u128::from(amount_minor);
                self.customers[customer].balance_minor += amount_minor;
                self.settled.set_left(returned.original_id, left_minor - amount_minor);
                customer
            }
            None => {
                self.unassigned += u128::from(amount_minor);
                0
            }
        };
        self.settle_payee(returned.return_id, customer, 0);
        true
    }

    /// Gives what was ordered back to the customer: it failed, or the switch never took it. False if there is no such order.
    pub fn give_back(&mut self, id: PaymentId) -> bool {
        let Some(outgoing) = self.outgoing.remove(&id) else { return false };
        let InFlight { customer, amount_minor } = outgoing.in_flight;
        self.customers[customer].balance_minor += amount_minor;
        if let Submission::Return(message) = outgoing.submission
            && let Some(original) = PaymentId::from_bytes(message.original_id)
            && let Some(left_minor) = self.settled.find(original).map(|settled| settled.left_minor)
        {
            self.settled.set_left(original, left_minor + amount_minor);
        }
        true
    }

    /// The order once more, for a switch that was too busy. None if it was submitted often enough, or is decided.
    pub fn resubmit(&mut self, id: PaymentId) -> Option<Submission> {
        let outgoing = self.outgoing.get_mut(&id)?;
        if outgoing.resubmissions == RESUBMISSIONS_MAX {
            return None;
        }
        outgoing.resubmissions += 1;
        Some(outgoing.submission.clone())
    }

    /// Adds everything up again.
    pub fn audit(&self) -> Audit {
        let balances = self.customers.iter().map(|customer| u128::from(customer.balance_minor)).sum();
        let sum = |payments: &HashMap<PaymentId, InFlight>| -> u128 {
            payments.values().map(|payment| u128::from(payment.amount_minor)).sum()
        };
        let in_flight_out = self.outgoing.values().map(|payment| u128::from(payment.in_flight.amount_minor)).sum();
        let unposted = sum(&self.unposted);
        assert!(self.held == balances + in_flight_out + unposted + sum(&self.incoming));
        let &SandboxBook { opening, unassigned, received, sent, .. } = self;
        Audit { opening, balances, unposted, unassigned, in_flight_out, received, sent }
    }
}

/// What became of a payment that is decided.
#[derive(Clone, Copy)]
struct Settlement {
    side: Side,
    customer: usize,
    /// The payee's provider, of what was paid.
    other: ParticipantCode,
    /// What of it has not gone back, and is not on its way back. Nothing of what was not committed.
    left_minor: u64,
}

/// The last payments that were decided: where the switch's numbers restart, they come again.
#[derive(Default)]
struct Settled {
    payments: HashMap<PaymentId, Settlement>,
    order: VecDeque<PaymentId>,
}

impl Settled {
    fn find(&self, id: PaymentId) -> Option<&Settlement> {
        self.payments.get(&id)
    }

    fn set_left(&mut self, id: PaymentId, left_minor: u64) {
        if let Some(settlement) = self.payments.get_mut(&id) {
            settlement.left_minor = left_minor;
        }
    }

    fn insert(&mut self, id: PaymentId, settlement: Settlement) {
        if self.payments.insert(id, settlement).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > SANDBOX_SETTLED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.payments.remove(&oldest);
        }
    }
}
