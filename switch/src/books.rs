//! The books: what each entry of the journal did to the ledger, entry by entry.
//!
//! Batches in, events out. It lets the engine decide, reads from the engine's effects and from the entries what was reserved, posted,
//! voided and moved, keeps balances of its own from that, and compares them with the engine's after every batch: two accounts of
//! the same facts that must agree.
//!
//! It holds what is in flight, the accounts and the operator's references, never what became final: its memory does not grow with the number
//! of payments. It does no I/O and has no clock.

use std::iter::Peekable;

use adapters::message::{ArchivedCreditTransfer, ArchivedReturn, Field, Outcome, ParticipantCode, PaymentId, Reason};
use hashbrown::HashMap;
use ledger::{Account, AccountIndex, Amount, Balances, Currency, Movement};

use crate::engine::accounts::AccountOwner;
use crate::engine::effect::{Delivery, Effect, News, Status};
use crate::engine::scheme::fees::prices::Flow;
use crate::engine::scheme::{self, Moved, Step};
use crate::engine::{Batch, Engine, Inapplicable};
use crate::entry::{Body, Entries, Entry, ParticipantId, Sender};

/// A place in the journal: the time of a batch, and the position of an entry in it or of the batch's tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Journal time.
    pub time_ns: u64,
    /// Journal position.
    pub position: u64,
}

/// Who a transfer is: the UETR of a payment, the reference of an order of money, or, of what the scheme moves by itself, a version-8 UUID. No two of these can
/// be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferName(pub [u8; 16]);

impl TransferName {
    /// What has this name, in documents, reports and on screens.
    pub fn kind(self) -> &'static str {
        if PaymentId::from_bytes(self.0).is_some() {
            "payment"
        } else if scheme::is_scheme_transfer(self.0) {
            "settlement"
        } else {
            "order"
        }
    }
}

impl std::fmt::Display for TransferName {
    /// As UUIDs are printed, whether it is one or not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex =
            |f: &mut std::fmt::Formatter<'_>, part: &[u8]| part.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
        hex(f, &self.0[..4])?;
        for part in [4..6, 6..8, 8..10, 10..16] {
            f.write_str("-")?;
            hex(f, &self.0[part])?;
        }
        Ok(())
    }
}

/// A transfer of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub name: TransferName,
    /// Which of the fees of the payment with this name it is, from 1; 0: it is no fee.
    pub leg: u8,
    /// The account that gives.
    pub debit: AccountIndex,
    /// The account that receives.
    pub credit: AccountIndex,
    /// How much.
    pub amount: Amount,
}

impl Transfer {
    /// What it is, in documents, reports and on screens: a fee has the name of its payment.
    pub fn kind(&self) -> &'static str {
        if self.leg == 0 { self.name.kind() } else { "fee" }
    }
}

/// What happened to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Held until it is decided.
    Reserved,
    /// What was held has moved.
    Posted {
        /// When it had been reserved.
        reserved: Moment,
    },
    /// What was held is released.
    Voided {
        /// When it had been reserved.
        reserved: Moment,
        /// Rejected or expired.
        outcome: Outcome,
        /// Why.
        reason: Reason,
    },
    /// It moved in one step.
    Moved,
}

/// One thing that an entry, or time, did to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// To which transfer.
    pub transfer: Transfer,
    /// What.
    pub happening: Happening,
}

impl Event {
    /// Enters it in the balances of one of its two accounts.
    ///
    /// # Panics
    /// When more is released than is held: events were left out.
    pub fn enter(&self, account: AccountIndex, balances: &mut Balances) {
        let (pending, posted) = if account == self.transfer.debit {
            (&mut balances.debits_pending, &mut balances.debits_posted)
        } else {
            (&mut balances.credits_pending, &mut balances.credits_posted)
        };
        let amount = u128::from(self.transfer.amount.minor_units());
        match self.happening {
            Happening::Reserved => *pending += amount,
            Happening::Posted { .. } => {
                *pending -= amount;
                *posted += amount;
            }
            Happening::Voided { .. } => *pending -= amount,
            Happening::Moved => *posted += amount,
        }
    }
}

/// A payment that a rule refused: it never touched the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Moment,
    /// Which.
    pub name: TransferName,
    /// The payer provider's code as sent.
    pub payer: [u8; 35],
    /// The payee provider's code as sent.
    pub payee: [u8; 35],
    /// The currency as sent.
    pub currency: [u8; 3],
    /// The amount as sent.
    pub amount: u64,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
}

/// A payment that waits for its payee provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// When its order was applied.
    pub ordered: Moment,
    /// An answer counts before this journal time.
    pub deadline_ns: u64,
    /// Which.
    pub name: TransferName,
    /// Who pays.
    pub payer: ParticipantId,
    /// Who is asked to take it.
    pub payee: ParticipantId,
    /// In which currency.
    pub currency: Currency,
    /// How much, in minor units.
    pub amount: u64,
}

/// A payment, or a return, that has ended: between participants, whichever accounts that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: Moment,
    /// When its order was applied.
    pub ordered: Moment,
    /// Which.
    pub name: TransferName,
    /// Payment or return.
    pub flow: Flow,
    /// Who pays, or gives back.
    pub payer: ParticipantId,
    /// Who is paid, or gets back; none where nobody in the scheme was found.
    pub payee: Option<ParticipantId>,
    /// Was the payee provider asked? Only of payments that no rule refused.
    pub was_asked: bool,
    /// In which currency; none where it was no currency.
    pub currency: Option<Currency>,
    /// How much, in minor units.
    pub amount: u64,
    /// Committed, rejected or expired.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// The field that was the cause.
    pub field: Field,
}

/// The ledger as the journal made it, up to the last batch applied.
#[derive(Default)]
pub struct Books {
    engine: Engine,
    /// By place in the order of opening, as `balances`.
    owners: Vec<AccountOwner>,
    balances: Vec<Balances>,
    in_flight: HashMap<TransferName, (Moment, Transfer), foldhash::fast::RandomState>,
    /// Payments in flight, those between two that have one account included: these hold and move nothing.
    flights: HashMap<TransferName, Flight, foldhash::fast::RandomState>,
    /// What was decided last: its second telling, to the payee provider, is no second decision.
    decided: Option<(PaymentId, u64)>,
    effects: Vec<Effect>,
    events: Vec<Event>,
    refusals: Vec<Refusal>,
    ended: Vec<Decided>,
}

impl Books {
    /// Applies one batch; what it did stands in `events` and `refusals`.
    pub fn apply(&mut self, batch: Batch<'_>) -> Result<(), Inapplicable> {
        self.events.clear();
        self.refusals.clear();
        self.ended.clear();
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        self.engine.apply(batch, &mut effects)?;
        let mut told = effects.iter().filter(|effect| matches!(effect.delivery, Delivery::Outbox { .. })).peekable();
        let moves = self.engine.told().moves.clone();
        let mut moves = moves.iter().peekable();
        let mut at = Moment { time_ns: batch.time_ns, position: batch.first_sequence };
        self.note_accounts();
        self.take(at, None, &mut told)?;
        self.take_moves(at, &mut moves)?;
        for entry in Entries::new(batch.payload) {
            at.position += 1;
            let entry = entry.map_err(|unreadable| inapplicable(at, unreadable))?;
            self.take(at, Some(&entry), &mut told)?;
            self.take_moves(at, &mut moves)?;
        }
        if told.next().is_some() || moves.next().is_some() {
            return Err(inapplicable(at, "the engine tells of no entry of this batch"));
        }
        self.effects = effects;
        self.compare(at)
    }

    /// What the last batch did to transfers, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What the engine said of the last batch.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// What the last batch refused, in order.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The payments and returns that the last batch ended, in order: those of `refusals`, too.
    pub fn ended(&self) -> &[Decided] {
        &self.ended
    }

    /// What the last batch ended at a journal position, where an entry decided about a payment or a return.
    pub fn ended_at(&self, position: u64) -> Option<&Decided> {
        let place = self.ended.partition_point(|decided| decided.at.position < position);
        self.ended.get(place).filter(|decided| decided.at.position == position)
    }

    /// The payments in flight, in the order of their orders.
    pub fn flights(&self) -> Vec<Flight> {
        let mut flights: Vec<Flight> = self.flights.values().copied().collect();
        flights.sort_by_key(|flight| flight.ordered.position);
        flights
    }

    /// The engine that decided.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where the last batch ended; zeros before the first.
    pub fn through(&self) -> Moment {
        Moment { time_ns: self.engine.time_ns(), position: self.engine.applied() }
    }

    /// All accounts, as the engine has them.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountOwner, &Account)> {
        self.engine.accounts().map(|(index, owner)| (owner, self.engine.account(index)))
    }

    /// Whose an account is.
    ///
    /// # Panics
    /// When the handle is not of these books.
    pub fn owner(&self, account: AccountIndex) -> &AccountOwner {
        &self.owners[account.get() as usize]
    }

    /// What stands on an account, by the events alone.
    ///
    /// # Panics
    /// When the handle is not of these books.
    pub fn balances(&self, account: AccountIndex) -> Balances {
        self.balances[account.get() as usize]
    }

    /// The reservations that are not decided yet, in the order in which they were made.
    pub fn in_flight(&self) -> Vec<(Moment, Transfer)> {
        let mut reservations: Vec<_> = self.in_flight.values().copied().collect();
        reservations.sort_by_key(|(reserved, _)| reserved.position);
        reservations
    }

    /// Takes what the engine told because of one entry, or because of time.
    fn take<'a>(
        &mut self,
        at: Moment,
        entry: Option<&Entry<'_>>,
        told: &mut Peekable<impl Iterator<Item = &'a Effect>>,
    ) -> Result<(), Inapplicable> {
        while let Some(effect) = told.next_if(|effect| effect.position() == at.position) {
            match (effect.news, entry.map(|entry| entry.body)) {
                (News::Returned { .. }, Some(Body::Return(message, _))) => {
                    self.give_back(at, entry, effect, message)?;
                }
                (News::Status(status), Some(Body::Return(message, _))) => {
                    self.refuse_return(at, effect, message, status);
                }
                (News::Status(status), _) => self.decide(at, entry, effect, status)?,
                (News::Forward { .. }, _) => self.reserve(at, entry, effect)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn reserve(&mut self, at: Moment, entry: Option<&Entry<'_>>, effect: &Effect) -> Result<(), Inapplicable> {
        let (order, sender) = order_of(at, entry)?;
        let account = |participant| self.engine.payment_account(participant, order.currency);
        let (Sender::Participant(payer), payee, News::Forward { deadline_ns }) =
            (sender, effect.participant, effect.news)
        else {
            return Err(inapplicable(at, "an order from no participant"));
        };
        let (Some(debit), Some(credit), Some(amount)) =
            (account(payer), account(payee), Amount::new(order.amount.to_native()))
        else {
            return Err(inapplicable(at, "a reservation without accounts or amount"));
        };
        let name = TransferName(effect.id.bytes());
        let (currency, minor_units) = (self.owner(debit).currency, amount.minor_units());
        let flight = Flight { ordered: at, deadline_ns, name, payer, payee, currency, amount: minor_units };
        self.flights.insert(name, flight);
        if debit == credit {
            return Ok(());
        }
        let transfer = Transfer { name, leg: 0, debit, credit, amount };
        if self.in_flight.insert(transfer.name, (at, transfer)).is_some() {
            return Err(inapplicable(at, "a payment that is in flight is reserved again"));
        }
        self.enter(at, transfer, Happening::Reserved);
        Ok(())
    }

    fn decide(
        &mut self,
        at: Moment,
        entry: Option<&Entry<'_>>,
        effect: &Effect,
        Status { outcome, reason, field, .. }: Status,
    ) -> Result<(), Inapplicable> {
        let name = TransferName(effect.id.bytes());
        if self.decided == Some((effect.id, at.position)) {
            return Ok(());
        }
        self.decided = Some((effect.id, at.position));
        let Some(flight) = self.flights.remove(&name) else {
            return self.refuse(at, order_of(at, entry)?, name, (reason, field));
        };
        let Flight { ordered, payer, payee, currency, amount, .. } = flight;
        let (payee, currency, flow, was_asked) = (Some(payee), Some(currency), Flow::Payment, true);
        self.ended.push(Decided {
            at,
            ordered,
            name,
            flow,
            payer,
            payee,
            was_asked,
            currency,
            amount,
            outcome,
            reason,
            field,
        });
        if let Some((reserved, transfer)) = self.in_flight.remove(&name) {
            let happening = match outcome {
                Outcome::Committed => Happening::Posted { reserved },
                _ => Happening::Voided { reserved, outcome, reason },
            };
            self.enter(at, transfer, happening);
        }
        Ok(())
    }

    /// A payment that a rule refused.
    fn refuse(
        &mut self,
        at: Moment,
        (order, sender): (&ArchivedCreditTransfer, Sender),
        name: TransferName,
        (reason, field): (Reason, Field),
    ) -> Result<(), Inapplicable> {
        let Sender::Participant(sender) = sender else {
            return Err(inapplicable(at, "an order from no participant"));
        };
        let ArchivedCreditTransfer { payer, payee, currency, .. } = *order;
        let amount = order.amount.to_native();
        self.refusals.push(Refusal { at, name, payer, payee, currency, amount, reason, field });
        let found = ParticipantCode::from_bytes(payee).and_then(|code| self.engine.find_participant(&code));
        self.ended.push(Decided {
            at,
            ordered: at,
            name,
            flow: Flow::Payment,
            payer: sender,
            payee: found,
            was_asked: false,
            currency: Currency::parse(&currency),
            amount,
            outcome: Outcome::Rejected,
            reason,
            field,
        });
        Ok(())
    }

    /// A return: `effect` tells the provider that had paid.
    fn give_back(
        &mut self,
        at: Moment,
        entry: Option<&Entry<'_>>,
        effect: &Effect,
        message: &ArchivedReturn,
    ) -> Result<(), Inapplicable> {
        let account = |participant| self.engine.payment_account(participant, message.currency);
        let Some(Sender::Participant(sender)) = entry.map(|entry| entry.sender) else {
            return Err(inapplicable(at, "a return from no participant"));
        };
        let (Some(debit), Some(credit), Some(amount)) =
            (account(sender), account(effect.participant), Amount::new(message.amount.to_native()))
        else {
            return Err(inapplicable(at, "a return without accounts or amount"));
        };
        let given = (Outcome::Committed, Reason::NONE, Field::None);
        self.ended.push(return_ended(at, (sender, Some(effect.participant)), message, given));
        if debit == credit {
            return Ok(());
        }
        let transfer = Transfer { name: TransferName(message.return_id), leg: 0, debit, credit, amount };
        self.enter(at, transfer, Happening::Moved);
        Ok(())
    }

    /// A return that a rule refused; one that was committed is entered where the other provider is told.
    fn refuse_return(&mut self, at: Moment, effect: &Effect, message: &ArchivedReturn, status: Status) {
        let Status { outcome: Outcome::Rejected, reason, field, .. } = status else { return };
        let payer = self.engine.code_of(effect.participant).map_or([0; 35], |code| *code.bytes());
        let (name, currency, amount) = (TransferName(message.return_id), message.currency, message.amount.to_native());
        let refused = (Outcome::Rejected, reason, field);
        self.ended.push(return_ended(at, (effect.participant, None), message, refused));
        // Whom it was to go back to is not known: the payment may not exist.
        self.refusals.push(Refusal { at, name, payer, payee: [0; 35], currency, amount, reason, field });
    }

    /// Takes what one entry, or time, moved besides payments and returns.
    fn take_moves<'a>(
        &mut self,
        at: Moment,
        moves: &mut Peekable<impl Iterator<Item = &'a Moved>>,
    ) -> Result<(), Inapplicable> {
        while let Some(Moved { movement, leg, step, .. }) = moves.next_if(|moved| moved.position == at.position) {
            let &Movement { id, debit, credit, amount } = movement;
            let transfer = Transfer { name: TransferName(id.0.to_be_bytes()), leg: *leg, debit, credit, amount };
            let happening = match step {
                Step::Moved => Happening::Moved,
                Step::Reserved => {
                    self.in_flight.insert(transfer.name, (at, transfer));
                    Happening::Reserved
                }
                Step::Posted | Step::Voided => {
                    let held = self.in_flight.remove(&transfer.name).filter(|(_, held)| *held == transfer);
                    let (reserved, _) = held.ok_or_else(|| inapplicable(at, "a decision about what is not held"))?;
                    if *step == Step::Posted {
                        Happening::Posted { reserved }
                    } else {
                        Happening::Voided { reserved, outcome: Outcome::Rejected, reason: Reason::NONE }
                    }
                }
            };
            self.enter(at, transfer, happening);
        }
        Ok(())
    }

    /// Enters an event in both accounts.
    fn enter(&mut self, at: Moment, transfer: Transfer, happening: Happening) {
        let event = Event { at, transfer, happening };
        for account in [transfer.debit, transfer.credit] {
            event.enter(account, &mut self.balances[account.get() as usize]);
        }
        self.events.push(event);
    }

    /// Accounts that the engine has opened: at the beginning, and when they were needed first.
    fn note_accounts(&mut self) {
        if self.owners.len() == self.engine.accounts_count() {
            return;
        }
        let mut owners: Vec<(AccountIndex, AccountOwner)> = self.engine.accounts().collect();
        owners.sort_by_key(|(index, _)| *index);
        self.owners = owners.into_iter().map(|(_, owner)| owner).collect();
        self.balances.resize(self.owners.len(), Balances::default());
    }

    /// The events must have made of every account that they touched what the engine's book says.
    fn compare(&self, at: Moment) -> Result<(), Inapplicable> {
        for transfer in self.events.iter().map(|event| event.transfer) {
            for account in [transfer.debit, transfer.credit] {
                let (ours, theirs) = (self.balances(account), self.engine.account(account).balances());
                if ours != theirs {
                    let owner = self.owner(account);
                    return Err(inapplicable(at, format!("{owner}: {ours:?} by its events, {theirs:?} by the book")));
                }
            }
        }
        Ok(())
    }
}

/// A return is decided where it is ordered.
fn return_ended(
    at: Moment,
    (payer, payee): (ParticipantId, Option<ParticipantId>),
    message: &ArchivedReturn,
    (outcome, reason, field): (Outcome, Reason, Field),
) -> Decided {
    let (name, flow, amount) = (TransferName(message.return_id), Flow::Return, message.amount.to_native());
    let currency = Currency::parse(&message.currency);
    Decided { at, ordered: at, name, flow, payer, payee, was_asked: false, currency, amount, outcome, reason, field }
}

/// The order that an effect must come from.
fn order_of<'a>(at: Moment, entry: Option<&Entry<'a>>) -> Result<(&'a ArchivedCreditTransfer, Sender), Inapplicable> {
    match entry.map(|entry| (entry.body, entry.sender)) {
        Some((Body::CreditTransfer(order, _), sender)) => Ok((order, sender)),
        _ => Err(inapplicable(at, "a decision about a payment that was never ordered")),
    }
}

fn inapplicable(at: Moment, reason: impl std::fmt::Display) -> Inapplicable {
    Inapplicable { position: at.position, reason: reason.to_string() }
}
