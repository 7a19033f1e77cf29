//! The customers of a sandbox provider and their money: decisions without I/O and without a clock.
//!
//! Money leaves a customer's balance when a payment is ordered, comes back if the payment fails, and arrives at a payee only when
//! the switch has said `committed`. So at every moment
//! `balances + in flight out = opening balances + received - sent`; `audit` recomputes it.

use std::collections::{HashMap, HashSet, VecDeque};

use ledger::{Amount, Currency};

use crate::limits::{SANDBOX_CUSTOMERS_MAX, SANDBOX_IN_FLIGHT_MAX, SANDBOX_SETTLED_MAX};
use crate::message::{Answer, CreditTransfer, Outcome, ParticipantCode, PaymentId, PaymentPrivate, Reason};
use crate::native::client::Forward;

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
}

impl Customer {
    /// A customer whose account is open.
    pub fn new(name: &str, account: &str, balance_minor: u64) -> Customer {
        Customer { name: name.into(), account: account.into(), balance_minor, blocked: false }
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

/// Why a payment was not even ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayError {
    /// No customer has this account.
    UnknownAccount,
    /// The account is blocked.
    Blocked,
    /// The payee has an account here: such a payment does not go through the switch.
    SameProvider,
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
            PayError::InsufficientFunds => "there is not enough money on the account",
            PayError::TooManyInFlight => "too many payments are in flight",
            PayError::NotSubmitted => {
                "the switch could not be given the payment: a field is too long, or the client is shut down"
            }
        })
    }
}

impl std::error::Error for PayError {}

/// What goes to the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// For the switch.
    pub order: CreditTransfer,
    /// For the payee provider.
    pub private: PaymentPrivate,
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
        self.balances + self.in_flight_out + self.sent == self.opening + self.received
    }
}

/// A payment in flight.
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

/// How often an order that the switch was too busy for is submitted again.
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
    settled: Settled,
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
            settled: Settled::default(),
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
        let &index = self.by_account.get(&order.payer_account).ok_or(PayError::UnknownAccount)?;
        let customer = &mut self.customers[index];
        if customer.blocked {
            return Err(PayError::Blocked);
        }
        if order.payee == self.code {
            return Err(PayError::SameProvider);
        }
        let amount_minor = order.amount.minor_units();
        let balance_minor = customer.balance_minor.checked_sub(amount_minor).ok_or(PayError::InsufficientFunds)?;
        if self.outgoing.len() >= SANDBOX_IN_FLIGHT_MAX {
            return Err(PayError::TooManyInFlight);
        }

        // From here the order must succeed.
        customer.balance_minor = balance_minor;
        let submission = Submission {
            order: CreditTransfer::new(id, self.code, order.payee, order.amount, self.currency, accepted_at_ns),
            private: PaymentPrivate {
                payer_name: customer.name.clone().into_bytes(),
                payer_account: customer.account.clone().into_bytes(),
                payee_name: order.payee_name.clone().into_bytes(),
                payee_account: order.payee_account.clone().into_bytes(),
                remittance: order.remittance.clone().into_bytes(),
                ..PaymentPrivate::default()
            },
        };
        let in_flight = InFlight { customer: index, amount_minor };
        let outgoing = Outgoing { in_flight, submission: submission.clone(), resubmissions: 0 };
        let before = self.outgoing.insert(id, outgoing);
        assert!(before.is_none(), "payment ids are random");
        Ok(submission)
    }

    /// Decides on a payment to a customer. None where it was decided finally before: there is nothing left to answer.
    pub fn forward(&mut self, forward: &Forward) -> Option<Answer> {
        let id = forward.payment_id;
        if self.settled.contains(id) {
            return None;
        }
        if self.incoming.contains_key(&id) {
            return Some(Answer::accept(id));
        }
        Some(match self.payee_of(forward) {
            Ok(customer) => {
                let amount_minor = forward.amount.minor_units();
                self.incoming.insert(id, InFlight { customer, amount_minor });
                self.held += u128::from(amount_minor);
                Answer::accept(id)
            }
            Err(reason) => Answer::reject(id, reason),
        })
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
        if let Some(outgoing) = self.outgoing.remove(&id) {
            self.sent += u128::from(outgoing.in_flight.amount_minor);
            self.held -= u128::from(outgoing.in_flight.amount_minor);
            return Some(Side::Payer);
        }
        let InFlight { customer, amount_minor } = self.incoming.remove(&id)?;
        self.customers[customer].balance_minor += amount_minor;
        self.received += u128::from(amount_minor);
        self.settled.insert(id);
        Some(Side::Payee)
    }

    fn failed(&mut self, id: PaymentId) -> Option<Side> {
        if self.give_back(id) {
            return Some(Side::Payer);
        }
        let InFlight { amount_minor, .. } = self.incoming.remove(&id)?;
        self.held -= u128::from(amount_minor);
        self.settled.insert(id);
        Some(Side::Payee)
    }

    /// Gives an order's money back to the payer: the order failed, or the switch never took it. False if there is no such order.
    pub fn give_back(&mut self, id: PaymentId) -> bool {
        let Some(outgoing) = self.outgoing.remove(&id) else { return false };
        let InFlight { customer, amount_minor } = outgoing.in_flight;
        self.customers[customer].balance_minor += amount_minor;
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
        let in_flight_out = self.outgoing.values().map(|payment| u128::from(payment.in_flight.amount_minor)).sum();
        let in_flight_in: u128 = self.incoming.values().map(|payment| u128::from(payment.amount_minor)).sum();
        assert!(self.held == balances + in_flight_out + in_flight_in);
        Audit { opening: self.opening, balances, in_flight_out, received: self.received, sent: self.sent }
    }
}

/// The last payments to customers that were decided: where the switch's numbers restart, they come again.
#[derive(Default)]
struct Settled {
    ids: HashSet<PaymentId>,
    order: VecDeque<PaymentId>,
}

impl Settled {
    fn contains(&self, id: PaymentId) -> bool {
        self.ids.contains(&id)
    }

    fn insert(&mut self, id: PaymentId) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > SANDBOX_SETTLED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
