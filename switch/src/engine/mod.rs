//! The engine: the deterministic state machine that decides payments. Entries in, effects out.
//!
//! It owns the book, the payments that are open or decided lately, the participants and the rules. It has no clock (time comes with each batch), does no I/O and
//! holds no secret; the same batches give the same state and the same effects, byte for byte. The rules are
//! `docs/payment-rules.md`.

pub mod accounts;
pub mod cases;
mod casework;
pub mod commands;
pub mod deadlines;
mod digest;
pub mod effect;
pub mod funds;
pub mod lookups;
pub mod originals;
pub mod participants;
pub mod payments;
pub mod presence;
mod returns;
pub mod rules;
pub mod scheme;
pub mod seats;
pub mod snapshot;

use adapters::message::{
    ArchivedAnswer, ArchivedCreditTransfer, CaseKind, Cursors, Decision, Field, Lane, Outcome, ParticipantCode,
    PaymentId, Reason,
};
use ledger::{AccountIndex, Amount, Book, BookOptions, Currency, CurrencyTotals, Movement, TransferId};

use crate::engine::accounts::{AccountKind, SCHEME, open_account};
use crate::engine::cases::{Case, CaseIndex, Cases};
use crate::engine::deadlines::{Deadline, Deadlines};
use crate::engine::effect::{CaseNews, Delivery, Effect, News, Status, Subject};
use crate::engine::funds::{FundsBooked, FundsReferences};
use crate::engine::lookups::Lookups;
use crate::engine::originals::Originals;
use crate::engine::participants::{Participant, Participants};
use crate::engine::payments::{Payment, PaymentIndex, Payments, Reservation, State, Traits};
use crate::engine::presence::PresenceInput;
use crate::engine::rules::{CurrencyRules, REASON_EXPIRED, RULES_VERSIONS_KNOWN, Reject, Rules, unless};
use crate::engine::scheme::fees::Priced;
use crate::engine::scheme::fees::prices::{Flow, PriceList};
use crate::engine::scheme::members::Standing;
use crate::engine::scheme::money::Operation;
use crate::engine::scheme::{Model, Scheme, Step, Told};
use crate::engine::seats::{Seat, Seats};
use crate::engine::snapshot::EngineCapture;
use crate::entry::{
    ArchivedActivateRules, ArchivedAliasResolution, ArchivedCurrencyOpened, ArchivedFundsIn, ArchivedParticipantOpened,
    ArchivedTransferAnnotation, Body, Entries, Entry, ParticipantId, SLOT_KEY, Sender,
};
use crate::limits::{
    CURRENCIES_MAX, DEADLINES_DECIDED_MAX, DEADLINES_SWEPT_MIN, EXPIRED_PER_BATCH_MAX, IN_FLIGHT_MAX, MINOR_DIGITS_MAX,
    OUTCOMES_KEPT_MAX, PARTICIPANTS_MAX,
};

/// A batch as the log hands it back: durable, and nothing before it is missing.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Journal position of the batch itself, its tick of time. Its entries follow.
    pub first_sequence: u64,
    /// Journal time.
    pub time_ns: u64,
    /// The entries' bytes.
    pub payload: &'a [u8],
}

/// An entry that the engine cannot apply: the journal was written by another program, or by one with a bug. The switch does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inapplicable {
    /// Journal position of the entry.
    pub position: u64,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Inapplicable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "journal entry {} cannot be applied: {}", self.position, self.reason)
    }
}

/// How many payments stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PaymentCounts {
    /// Final: posted.
    pub committed: u64,
    /// Final: refused.
    pub rejected: u64,
    /// Final: not answered in time.
    pub expired: u64,
    /// Not decided yet.
    pub in_flight: u64,
    /// Of these, in the bulk lane.
    pub bulk_in_flight: u64,
    /// Returns that went back.
    pub returned: u64,
    /// Returns that were refused.
    pub returns_rejected: u64,
    /// Cases that are not closed.
    pub cases_open: u64,
    /// Cases that are, those that were refused at once included.
    pub cases_closed: u64,
}

impl PaymentCounts {
    /// How many are final: payments, returns and cases. Each of them was an outcome in the window once.
    pub fn decided(&self) -> u64 {
        let payments = self.committed + self.rejected + self.expired;
        payments + self.returned + self.returns_rejected + self.cases_closed
    }
}

/// The state machine.
pub struct Engine {
    book: Book,
    rules: Rules,
    currencies: Vec<CurrencyRules>,
    participants: Participants,
    seats: Seats,
    funds: FundsReferences,
    payments: Payments,
    originals: Originals,
    cases: Cases,
    deadlines: Deadlines,
    counts: PaymentCounts,
    time_ns: u64,
    applied: u64,
    /// The highest sealing key of any entry: what the key ring must at least hold. Not part of the state that is digested.
    seal_key_max: u64,
    /// Who may still look aliases up, and which were touched.
    lookups: Lookups,
    /// What the operator has set, and what moves by its orders.
    scheme: Scheme,
    /// Of the tariff in force: it follows from `scheme`.
    prices: PriceList,
    /// What it hears of the last batch. Not part of the state that is digested.
    told: Told,
    /// A snapshot that is being taken.
    capture: Option<EngineCapture>,
}

/// Final transfers leave the book with the next batch: whether an id is new is told by the payments' window and by the references of funds.
fn book_options(payments_expected: u32) -> BookOptions {
    BookOptions {
        transfers_expected: payments_expected.min(IN_FLIGHT_MAX),
        history_per_account_max: 0,
        final_transfers_max: 0,
        ..BookOptions::default()
    }
}

/// Where in the journal the engine is while it applies.
#[derive(Clone, Copy)]
struct Moment {
    time_ns: u64,
    /// Position of the entry that is applied, or of the batch's tick.
    position: u64,
    /// Place of the entry in the batch, from 1; 0 for the tick.
    entry: u32,
}

/// A payment that all rules let pass.
#[derive(Clone, Copy)]
struct Admitted {
    payee: ParticipantId,
    /// The currency's number in the scheme.
    currency: usize,
    reservation: Reservation,
    deadline_ns: u64,
    /// The request that it pays.
    request: Option<CaseIndex>,
}

impl Engine {
    /// The state before the first batch.
    pub fn new() -> Engine {
        Engine::with_room(0)
    }

    /// As `new`, with room for so many payments, so that no table has to grow before.
    pub fn with_room(payments_expected: u32) -> Engine {
        Engine {
            book: Book::new(book_options(payments_expected)),
            rules: Rules::UNSET,
            currencies: Vec::new(),
            participants: Participants::default(),
            seats: Seats::default(),
            funds: FundsReferences::default(),
            payments: Payments::with_room(payments_expected as usize),
            originals: Originals::default(),
            cases: Cases::default(),
            deadlines: Deadlines::default(),
            counts: PaymentCounts::default(),
            time_ns: 0,
            applied: 0,
            seal_key_max: 0,
            lookups: Lookups::default(),
            scheme: Scheme::default(),
            prices: PriceList::default(),
            told: Told::default(),
            capture: None,
        }
    }

    /// Applies one batch: first the oldest outcomes leave the window, then comes its time, then its entries in order. Appends what is to be told.
    pub fn apply(&mut self, batch: Batch<'_>, effects: &mut Vec<Effect>) -> Result<(), Inapplicable> {
        assert!(self.time_ns <= batch.time_ns, "journal time never goes back");
        assert!(self.applied < batch.first_sequence, "a batch is applied once");
        self.time_ns = batch.time_ns;
        let mut moment = Moment { time_ns: batch.time_ns, position: batch.first_sequence, entry: 0 };
        self.trim_window();
        self.book.trim();
        self.book.set_position(batch.first_sequence);
        self.begin_batch(moment);
        self.expire_overdue(moment, effects);
        self.expire_cases(moment, effects);
        for entry in Entries::new(batch.payload) {
            moment.position += 1;
            moment.entry += 1;
            let inapplicable = |reason: String| Inapplicable { position: moment.position, reason };
            let entry = entry.map_err(|unreadable| inapplicable(unreadable.to_string()))?;
            self.apply_entry(moment, &entry, effects).map_err(inapplicable)?;
        }
        self.applied = moment.position;
        if self.told.is_directorys {
            self.scheme.directory.due = moment.position;
        }
        self.bound_deadlines(moment.entry as usize);
        self.end_batch(moment);
        self.book.assert_balanced();
        Ok(())
    }

    /// Lets the oldest outcomes go, of payments and of cases, until as many are held as the rules say.
    fn trim_window(&mut self) {
        let held = self.payments.outcomes_held() + self.cases.closed().len();
        for _ in self.rules.outcomes_kept as usize..held {
            let oldest_case = self.cases.closed().next().map(|case| case.position);
            match (self.payments.oldest_outcome(), oldest_case) {
                (payment, Some(case)) if payment.is_none_or(|payment| case < payment) => {
                    self.cases.let_oldest_go();
                    self.payments.raise_floor(case);
                }
                _ => self.payments.let_oldest_go(),
            }
        }
        self.originals.trim(self.payments.floor());
    }

    fn apply_entry(&mut self, moment: Moment, entry: &Entry<'_>, effects: &mut Vec<Effect>) -> Result<(), String> {
        if entry.seal_key & SLOT_KEY == 0 {
            self.seal_key_max = self.seal_key_max.max(entry.seal_key);
        } else {
            self.scheme.directory.note_slot(entry.seal_key & !SLOT_KEY);
        }
        match (entry.body, entry.sender) {
            (Body::CreditTransfer(order, annotation), Sender::Participant(sender)) => {
                self.credit_transfer(moment, sender, order, (annotation, entry.resolution), effects)
            }
            (Body::Answer(answer), Sender::Participant(sender)) => {
                self.answer(moment, sender, answer, note_of(moment, entry), effects)
            }
            (Body::Return(message, annotation), Sender::Participant(sender)) => {
                self.payment_return(moment, sender, (message, annotation), effects)
            }
            (Body::CaseOpen(message, annotation), Sender::Participant(sender)) => {
                self.open_case(moment, sender, (message, annotation), effects)
            }
            (Body::CaseAnswer(answer), Sender::Participant(sender)) => {
                self.answer_case(moment, sender, answer, note_of(moment, entry), effects)
            }
            (Body::CaseCancel(cancel), Sender::Participant(sender)) => {
                self.cancel_case(moment, sender, cancel, note_of(moment, entry), effects)
            }
            (Body::AliasCommanded(command), Sender::Participant(_) | Sender::Operator) => {
                self.note_alias_command(moment, command)
            }
            (Body::AliasLookedUp(lookup), Sender::Participant(sender)) => self.look_up(moment, sender, lookup, effects),
            (Body::Rehashed(head, rows), Sender::Switch) => self.note_rehashed(moment, head, rows),
            (Body::HashKeySet(command), Sender::Switch) => self.end_rehash(moment, command),
            (_, Sender::Operator) => self.command(moment, entry),
            (Body::SignOn, Sender::Participant(sender)) => self.sign(moment, sender, PresenceInput::SignOn),
            (Body::SignOff, Sender::Participant(sender)) => self.sign(moment, sender, PresenceInput::SignOff),
            (Body::Presence(presence), Sender::Switch) => self.observe(moment, presence),
            (Body::Acknowledged(acknowledged), Sender::Switch) => self.acknowledge(acknowledged),
            (body, sender) => Err(format!("{body:?} from {sender:?}")),
        }
    }
}

/// Payments.
impl Engine {
    fn credit_transfer(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        order: &ArchivedCreditTransfer,
        (annotation, resolution): (&ArchivedTransferAnnotation, Option<&ArchivedAliasResolution>),
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.participants.get(sender).ok_or("a sender that is not in the scheme")?;
        let id = PaymentId::from_bytes(order.payment_id).ok_or("a payment id that is no version-4 UUID")?;
        let lane = Lane::from_number(order.lane).filter(|lane| matches!(lane, Lane::Payments | Lane::Bulk));
        let lane = lane.ok_or("a lane that no payment goes in")?;
        if let Some(repeated) = self.repeated(moment, sender, id, annotation.digest) {
            let limited = resolution
                .and_then(|resolution| self.debit_reuse(moment, sender, (resolution, order.purpose), repeated.news));
            effects.push(limited.map_or(repeated, |limited| reply(moment, sender, id, limited)));
            return Ok(());
        }
        let is_stale = resolution.is_some_and(|resolution| self.must_resolve_again(resolution));
        if annotation.checked_through < self.payments.floor() || is_stale {
            effects.push(reply(moment, sender, id, News::Recheck));
            return Ok(());
        }
        if let Some(limited) = resolution.and_then(|of| self.debit_resolution(moment, sender, (of, order.purpose))) {
            effects.push(reply(moment, sender, id, limited));
            return Ok(());
        }
        let admitted = self.admit(moment, (sender, lane), order);
        let (payee, state) = match admitted {
            Ok(Admitted { payee, reservation, deadline_ns, .. }) => {
                (Some(payee), State::InFlight { reservation, deadline_ns, position: moment.position })
            }
            Err(reject) => (None, State::decided(rejected(moment, reject))),
        };
        let request = admitted.ok().and_then(|admitted| admitted.request);
        let traits = Traits::default().with(Traits::BULK, lane == Lane::Bulk);
        let traits = traits.with(Traits::PAYS_REQUEST, request.is_some());
        let traits = traits.with(Traits::BY_ALIAS, resolution.is_some());
        let (digest, amount, currency) = (annotation.digest, order.amount.to_native(), order.currency);
        let index = self.payments.add(Payment { id, digest, payer: sender, payee, amount, currency, traits, state });
        match admitted {
            Ok(Admitted { payee, currency, deadline_ns, .. }) => {
                if let Some(request) = request {
                    self.pay_request(moment, request, id);
                }
                if let Some(resolution) = resolution {
                    self.keep_alias_payment(id, sender, resolution);
                }
                self.deadlines.add(Deadline { at_ns: deadline_ns, position: moment.position, payment: index });
                self.participants[sender].in_flight += 1;
                self.participants[payee].incoming += 1;
                self.seats.at_mut(currency, sender).hold(amount);
                self.counts.in_flight += 1;
                self.counts.bulk_in_flight += u64::from(lane == Lane::Bulk);
                let delivery = self.outbox(payee, lane, Subject::Payment(index), moment.position);
                let news = News::Forward { deadline_ns };
                effects.push(Effect { participant: payee, delivery, id, news, source: moment.position });
            }
            Err(_) => {
                self.counts.rejected += 1;
                self.tell(sender, (index, moment.position), 0, effects);
            }
        }
        Ok(())
    }

    /// The rules, in their order. What passes all of them is reserved.
    fn admit(
        &mut self,
        moment: Moment,
        (sender, lane): (ParticipantId, Lane),
        order: &ArchivedCreditTransfer,
    ) -> Result<Admitted, Reject> {
        unless(order.payer == *self.participants[sender].code.bytes(), Reject::SenderIsNotPayer)?;
        unless(self.may_pay(sender), Reject::SenderSuspended)?;
        let payee = ParticipantCode::from_bytes(order.payee).and_then(|code| self.participants.find(&code));
        let payee = payee.ok_or(Reject::PayeeUnknown)?;
        unless(payee != sender || self.rules.has_self_payments, Reject::PayeeIsPayer)?;
        unless(self.participants[payee].is_reachable(), Reject::PayeeUnreachable)?;
        unless(self.may_be_paid(payee), Reject::PayeeSuspended)?;
        let (currency, debit, credit) =
            self.accounts_to_move(order.currency, sender, payee).ok_or(Reject::CurrencyNotOffered)?;
        let timeout_ns = self.timeout_in(lane, order.purpose)?;
        let amount = Amount::new(order.amount.to_native()).ok_or(Reject::AmountAboveLimit)?;
        unless(amount <= self.currencies[currency].amount_max, Reject::AmountAboveLimit)?;
        self.check_terms(currency, sender, amount)?;
        let accepted_at_ns = order.accepted_at_ns.to_native();
        unless(accepted_at_ns <= moment.time_ns.saturating_add(self.rules.skew_ns), Reject::AcceptedInFuture)?;
        let deadline_ns = accepted_at_ns.saturating_add(timeout_ns);
        let answerable_ns = moment.time_ns.saturating_add(self.rules.payee_share_ns);
        unless(answerable_ns < deadline_ns, Reject::TooLate)?;
        let request = self.request_to_pay(moment, (sender, payee), order)?;
        if debit == credit {
            return Ok(Admitted { payee, currency, reservation: Reservation::NOTHING, deadline_ns, request });
        }
        let movement = Movement { id: TransferId(u128::from_be_bytes(order.payment_id)), debit, credit, amount };
        match self.book.reserve(movement) {
            Ok(applied) => {
                assert!(!applied.repeated, "the id is new to the engine, so it is new to the book");
                let reservation = Reservation::of(applied.index);
                Ok(Admitted { payee, currency, reservation, deadline_ns, request })
            }
            Err(ledger::Reject::DebitLimitExceeded) => Err(Reject::FundsInsufficient),
            Err(other) => panic!("the book refuses what the engine has checked: {other:?}"),
        }
    }

    /// May a participant pay and return?
    pub(in crate::engine) fn may_pay(&self, id: ParticipantId) -> bool {
        self.standing_lets(id, Standing::may_pay)
    }

    /// May a participant be paid, as far as its standing goes?
    pub fn may_be_paid(&self, id: ParticipantId) -> bool {
        self.standing_lets(id, Standing::may_be_paid)
    }

    /// Who settles through a sponsor may as long as that may.
    fn standing_lets(&self, id: ParticipantId, may: fn(Standing) -> bool) -> bool {
        let participant = &self.participants[id];
        may(participant.standing) && participant.sponsor.is_none_or(|sponsor| may(self.participants[sponsor].standing))
    }

    /// The number of a currency that the scheme offers both, and the accounts that money between them moves.
    fn accounts_to_move(
        &self,
        currency: [u8; 3],
        payer: ParticipantId,
        payee: ParticipantId,
    ) -> Option<(usize, AccountIndex, AccountIndex)> {
        let number = self.currency_place(currency)?;
        let (giving, taking) = (self.seats.at(number, payer), self.seats.at(number, payee));
        if !(giving.terms.is_offered && taking.terms.is_offered) {
            return None;
        }
        Some((number, giving.account?, taking.account?))
    }

    /// What the operator allows the sender: of one payment, until the next cut-off, and on its sponsor's account.
    fn check_terms(&self, currency: usize, sender: ParticipantId, amount: Amount) -> Result<(), Reject> {
        let (seat, amount) = (self.seats.at(currency, sender), amount.minor_units());
        if seat.terms.amount_max != 0 && amount > seat.terms.amount_max {
            return Err(Reject::AmountAboveAgreed);
        }
        if !seat.is_within_intraday(amount) {
            return Err(Reject::IntradayLimitExceeded);
        }
        if self.participants[sender].sponsor.is_some() && !seat.is_within_sub_limit(amount) {
            return Err(Reject::SubLimitExceeded);
        }
        Ok(())
    }

    /// How long a payment of this lane has, if it may go there.
    fn timeout_in(&self, lane: Lane, purpose: [u8; 4]) -> Result<u64, Reject> {
        match lane {
            Lane::Bulk if self.rules.bulk_timeout_ns == 0 => Err(Reject::BulkNotOffered),
            Lane::Bulk => Ok(self.rules.bulk_timeout_ns),
            _ if purpose != [0; 4] && self.rules.bulk_purposes.contains(&purpose) => Err(Reject::PriorityAbused),
            _ => Ok(self.rules.timeout_ns),
        }
    }

    /// What an order or a return with a known id is told; none where it is new.
    fn repeated(&self, moment: Moment, sender: ParticipantId, id: PaymentId, digest: [u8; 16]) -> Option<Effect> {
        let status = match self.payments.find(id).map(|index| &self.payments[index]) {
            Some(payment) if payment.payer == sender && payment.digest == digest => payment.state.status(),
            Some(_) => Status::DUPLICATE,
            None => self.find_opened(id).map(|_| Status::DUPLICATE)?,
        };
        Some(reply(moment, sender, id, News::Status(status)))
    }

    fn answer(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        answer: &ArchivedAnswer,
        note: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let id = PaymentId::from_bytes(answer.payment_id).ok_or("a payment id that is no version-4 UUID")?;
        let decision = Decision::from_number(answer.decision).ok_or("a decision that does not exist")?;
        let reason = Reason::from_bytes(answer.reason).ok_or("a reason that is no code")?;
        let Some(index) = self.find_for_payee(sender, id) else {
            effects.push(reply(moment, sender, id, News::Status(Status::undecided(Outcome::Unknown))));
            return Ok(());
        };
        match (self.payments[index].state, decision) {
            (state @ State::Final { .. }, _) => effects.push(reply(moment, sender, id, News::Status(state.status()))),
            (State::InFlight { reservation, deadline_ns, .. }, _) if moment.time_ns >= deadline_ns => {
                self.expire(moment, index, reservation, effects);
            }
            (state, Decision::AcceptWithoutPosting) if self.rules.posting_follow_up_ns == 0 => {
                effects.push(reply(moment, sender, id, News::Status(state.status())));
            }
            (State::InFlight { reservation, .. }, Decision::Accept | Decision::AcceptWithoutPosting) => {
                self.post(moment, index, reservation);
                self.decide(moment, index, Outcome::Committed, Reason::NONE, note, effects);
                if decision == Decision::AcceptWithoutPosting && self.payments[index].payer != sender {
                    self.open_posting(moment, index, effects);
                }
            }
            (State::InFlight { reservation, .. }, Decision::Reject) => {
                self.release(reservation);
                self.decide(moment, index, Outcome::Rejected, reason, note, effects);
            }
        }
        Ok(())
    }

    /// The payment with this id, if this participant was asked to take it.
    fn find_for_payee(&self, participant: ParticipantId, id: PaymentId) -> Option<PaymentIndex> {
        self.payments.find(id).filter(|&index| self.payments[index].payee == Some(participant))
    }

    /// Ends what is overdue, in bounded portions: an answer that comes before its payment's turn finds the deadline passed all the same.
    fn expire_overdue(&mut self, moment: Moment, effects: &mut Vec<Effect>) {
        let mut expired = 0;
        while expired < EXPIRED_PER_BATCH_MAX {
            let Some(deadline) = self.deadlines.take_due(moment.time_ns) else { return };
            if let Some(reservation) = self.reservation_of(deadline) {
                self.expire(moment, deadline.payment, reservation, effects);
                expired += 1;
            }
        }
    }

    /// Deadlines of decided payments stay until they have passed. Where payments have long to live, that may be too many: then more of them are looked
    /// at than this batch can have added.
    fn bound_deadlines(&mut self, entries: usize) {
        let in_flight = usize::try_from(self.counts.in_flight).unwrap_or(usize::MAX);
        if self.deadlines.count().saturating_sub(2 * in_flight) > DEADLINES_DECIDED_MAX {
            let mut deadlines = std::mem::take(&mut self.deadlines);
            deadlines.sweep(DEADLINES_SWEPT_MIN + 2 * entries, |deadline| self.reservation_of(deadline).is_some());
            self.deadlines = deadlines;
        }
    }

    /// What the payment of a deadline has reserved; none if it was decided in time.
    fn reservation_of(&self, deadline: Deadline) -> Option<Reservation> {
        match self.payments[deadline.payment].state {
            State::InFlight { reservation, position, .. } if position == deadline.position => Some(reservation),
            _ => None,
        }
    }

    fn expire(&mut self, moment: Moment, index: PaymentIndex, reservation: Reservation, effects: &mut Vec<Effect>) {
        self.release(reservation);
        self.decide(moment, index, Outcome::Expired, REASON_EXPIRED, 0, effects);
    }

    /// Moves what a payment has reserved, and what it costs.
    fn post(&mut self, moment: Moment, index: PaymentIndex, reservation: Reservation) {
        if let Some(transfer) = reservation.transfer() {
            let amount = self.book.transfer(transfer).amount();
            let posted = self.book.post(transfer, amount);
            assert!(posted.is_ok_and(|applied| !applied.repeated), "a reservation is posted once");
        }
        let &Payment { id, payer, payee: Some(payee), amount, currency, .. } = &self.payments[index] else {
            unreachable!("what was in flight has a payee provider")
        };
        let currency = self.currency_of_flight(currency);
        if payer != payee {
            self.count_posted(currency, (payer, payee), amount);
            let id = id.bytes();
            self.charge(moment, Priced { id, flow: Flow::Payment, payer, payee, currency, amount });
        }
    }

    /// The number of a currency in which something was admitted.
    fn currency_of_flight(&self, currency: [u8; 3]) -> usize {
        self.currency_place(currency).unwrap_or_else(|| unreachable!("what was in flight has a currency of the scheme"))
    }

    /// Counts what one has sent another towards the limits of both.
    fn count_posted(&mut self, currency: usize, (payer, payee): (ParticipantId, ParticipantId), amount: u64) {
        self.seats.at_mut(currency, payer).sent += u128::from(amount);
        self.seats.at_mut(currency, payee).received += u128::from(amount);
    }

    fn release(&mut self, reservation: Reservation) {
        let Some(transfer) = reservation.transfer() else { return };
        let voided = self.book.void(transfer);
        assert!(voided.is_ok_and(|applied| !applied.repeated), "a reservation is voided once");
    }

    /// Makes a payment final and tells both sides. `source` is the answer whose note goes to the payer provider.
    fn decide(
        &mut self,
        moment: Moment,
        index: PaymentIndex,
        outcome: Outcome,
        reason: Reason,
        source: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Moment { time_ns, position, .. } = moment;
        let status = Status { outcome, reason, field: Field::None, decided_at_ns: time_ns, position };
        let (payment, order) = self.payments.decide(index, status);
        let &Payment { id, payer, payee, traits, amount, currency, .. } = payment;
        let currency = self.currency_of_flight(currency);
        self.seats.at_mut(currency, payer).release(amount);
        self.participants[payer].in_flight -= 1;
        self.counts.in_flight -= 1;
        self.counts.bulk_in_flight -= u64::from(traits.has(Traits::BULK));
        *match outcome {
            Outcome::Committed => &mut self.counts.committed,
            Outcome::Rejected => &mut self.counts.rejected,
            _ => &mut self.counts.expired,
        } += 1;
        self.tell(payer, (index, order), source, effects);
        let payee = payee.unwrap_or_else(|| unreachable!("what was in flight has a payee provider"));
        self.participants[payee].incoming -= 1;
        // Where both are one, it is told once.
        if payee != payer {
            self.tell(payee, (index, order), 0, effects);
        }
        if traits.has(Traits::BY_ALIAS) {
            self.alias_payment_decided(moment, id, outcome);
        }
        if traits.has(Traits::PAYS_REQUEST) {
            self.request_decided(moment, id, outcome, effects);
        }
    }

    /// Tells a participant what became of a payment, whose order stands at this journal position.
    fn tell(
        &mut self,
        participant: ParticipantId,
        (index, order): (PaymentIndex, u64),
        source: u64,
        effects: &mut Vec<Effect>,
    ) {
        let lane = self.payments[index].traits.lane();
        let delivery = self.outbox(participant, lane, Subject::Payment(index), order);
        let payment = &self.payments[index];
        let news = News::Status(payment.state.status());
        effects.push(Effect { participant, delivery, id: payment.id, news, source });
    }

    fn outbox(&mut self, participant: ParticipantId, lane: Lane, subject: Subject, order: u64) -> Delivery {
        Delivery::Outbox { lane, number: self.participants[participant].number_in(lane), subject, order }
    }
}

/// An answer to the connection that sent the entry: not numbered, nothing goes along.
fn reply(moment: Moment, participant: ParticipantId, id: PaymentId, news: News) -> Effect {
    Effect { participant, delivery: Delivery::Reply { entry: moment.entry }, id, news, source: 0 }
}

/// Where the note of an entry is to be found; 0 where it has none.
fn note_of(moment: Moment, entry: &Entry<'_>) -> u64 {
    if entry.sealed.is_empty() { 0 } else { moment.position }
}

fn rejected(moment: Moment, reject: Reject) -> Status {
    let Moment { time_ns, position, .. } = moment;
    let (reason, field) = (reject.reason(), reject.field());
    Status { outcome: Outcome::Rejected, reason, field, decided_at_ns: time_ns, position }
}

/// The operator's commands. What the edge has checked can still be wrong in a journal from elsewhere, so nothing here panics.
impl Engine {
    fn activate_rules(&mut self, rules: &ArchivedActivateRules) -> Result<(), String> {
        let outcomes_kept = rules.outcomes_kept.to_native();
        if !(1..=OUTCOMES_KEPT_MAX).contains(&outcomes_kept) {
            return Err(format!("a window of {outcomes_kept} outcomes"));
        }
        let rules = Rules {
            version: rules.rules_version.to_native(),
            timeout_ns: rules.timeout_ns.to_native(),
            payee_share_ns: rules.payee_share_ns.to_native(),
            skew_ns: rules.skew_ns.to_native(),
            outcomes_kept,
            bulk_timeout_ns: rules.bulk_timeout_ns.to_native(),
            posting_follow_up_ns: rules.posting_follow_up_ns.to_native(),
            recall_window_ns: rules.recall_window_ns.to_native(),
            recall_answer_ns: rules.recall_answer_ns.to_native(),
            information_answer_ns: rules.information_answer_ns.to_native(),
            request_expiry_max_ns: rules.request_expiry_max_ns.to_native(),
            bulk_purposes: rules.bulk_purposes,
            has_self_payments: rules.has_self_payments != 0,
        };
        if !rules.is_known() {
            let (first, last) = (RULES_VERSIONS_KNOWN.start(), RULES_VERSIONS_KNOWN.end());
            let version = rules.version;
            return Err(format!(
                "rules version {version}; this program has {first} to {last}: use a release that has it"
            ));
        }
        self.rules = rules;
        Ok(())
    }

    fn open_currency(&mut self, command: &ArchivedCurrencyOpened) -> Result<(), String> {
        let currency = Currency::parse(&command.currency).ok_or("a currency that is none")?;
        let amount_max = Amount::new(command.amount_max.to_native()).ok_or("a limit that is no amount")?;
        let model = Model::from_number(command.model).ok_or("a model of settlement that does not exist")?;
        let is_known = self.currencies.iter().any(|known| known.currency == currency);
        if is_known || self.currencies.len() == CURRENCIES_MAX || command.minor_digits > MINOR_DIGITS_MAX {
            return Err(format!("currency {currency} again, or one too many, or with too many digits"));
        }
        let number = self.currencies.len();
        self.currencies.push(CurrencyRules { currency, minor_digits: command.minor_digits, amount_max, model });
        open_account(&mut self.book, (number, currency), SCHEME, AccountKind::Funding)?;
        let participants = self.participants.iter().map(|(id, participant)| (id, participant.clone()));
        let participants: Vec<(ParticipantId, Participant)> = participants.collect();
        let seats: Result<Vec<Seat>, String> =
            participants.iter().map(|(id, participant)| self.open_seat(number, *id, participant)).collect();
        self.seats.open_currency(seats?);
        Ok(())
    }

    /// Opens a participant's accounts in a currency, where it has its own.
    fn open_seat(&mut self, currency: usize, id: ParticipantId, participant: &Participant) -> Result<Seat, String> {
        let rules = self.currencies[currency];
        if participant.is_direct() {
            open_account(&mut self.book, (currency, rules.currency), id, AccountKind::Settlement)?;
            if rules.model == Model::Net {
                open_account(&mut self.book, (currency, rules.currency), id, AccountKind::Position)?;
            }
        }
        Ok(Seat::new(payment_account(&self.book, &self.currencies, currency, id, participant)))
    }

    fn open_participant(&mut self, command: &ArchivedParticipantOpened) -> Result<(), String> {
        let code = ParticipantCode::from_bytes(command.code).ok_or("a participant code that is none")?;
        let id = ParticipantId(command.participant.to_native());
        if self.participants.find(&code).is_some() || id != self.participants.next_id() || id.0 > PARTICIPANTS_MAX {
            return Err(format!("participant {code} as number {} again, or out of order", id.0));
        }
        let standing = Standing::from_number(command.standing);
        let standing = standing.filter(|standing| matches!(standing, Standing::Onboarding | Standing::Active));
        let sponsor = Some(ParticipantId(command.sponsor.to_native())).filter(|sponsor| sponsor.0 != 0);
        let participant = Participant {
            standing: standing.ok_or("a standing that nobody begins with")?,
            class: command.class,
            sponsor,
            is_technical: match command.is_technical {
                0 => false,
                1 => true,
                _ => return Err("a flag that is neither 0 nor 1".to_owned()),
            },
            ..Participant::new(code)
        };
        let is_direct = |sponsor| self.participants.get(sponsor).is_some_and(Participant::is_direct);
        if sponsor.is_some_and(|sponsor| participant.is_technical || !is_direct(sponsor)) {
            return Err(format!("participant {code} with a sponsor that cannot be its"));
        }
        let currencies = 0..self.currencies.len();
        let seats: Result<Vec<Seat>, String> =
            currencies.map(|currency| self.open_seat(currency, id, &participant)).collect();
        self.seats.admit(seats?);
        self.participants.admit(participant);
        Ok(())
    }

    /// Money that was paid in before the scheme began: at once.
    fn funds_in(&mut self, moment: Moment, command: &ArchivedFundsIn) -> Result<(), String> {
        let participant = ParticipantId(command.participant.to_native());
        let is_direct = self.participants.get(participant).is_some_and(Participant::is_direct);
        let currency = self.currency_place(command.currency).ok_or("funds in a currency that is not there")?;
        let amount = Amount::new(command.amount.to_native()).ok_or("funds that are no amount")?;
        let other = ParticipantId(0);
        let booked = FundsBooked { operation: Operation::FundsIn, participant, other, currency, amount };
        match self.funds.find(command.reference) {
            Some(before) if before == booked => return Ok(()),
            Some(_) => return Err("funds under a reference that was used for others".to_owned()),
            None if self.funds.is_full() => return Err("one reference of funds too many".to_owned()),
            None => {}
        }
        if !is_direct || scheme::money::is_taken(command.reference) {
            return Err(
                "funds for nobody who has accounts, or under a reference that could be a payment's id".to_owned()
            );
        }
        self.funds.add(command.reference, booked);
        self.move_order(moment, command.reference, booked, Step::Moved);
        Ok(())
    }
}

/// The account that a participant's payments move: its own or its sponsor's, by the model of the currency.
fn payment_account(
    book: &Book,
    currencies: &[CurrencyRules],
    currency: usize,
    id: ParticipantId,
    participant: &Participant,
) -> Option<AccountIndex> {
    let kind = match currencies[currency].model {
        Model::Gross => AccountKind::Settlement,
        Model::Net => AccountKind::Position,
    };
    let owner = participant.sponsor.unwrap_or(id);
    book.find(accounts::account_id(currency, owner, kind)).filter(|_| !participant.is_technical)
}

/// What the edge may ask. Nothing here changes an outcome.
impl Engine {
    /// Journal time of the last batch.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// Position of the last entry applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// When the next open payment ends. Forgets deadlines of payments that are decided, which changes nothing but memory.
    pub fn next_deadline_ns(&mut self) -> Option<u64> {
        let of_case = self.cases.earliest().map(|(at_ns, _)| at_ns);
        let of_scheme = self.next_scheme_time_ns();
        self.next_payment_deadline_ns().into_iter().chain(of_case).chain(of_scheme).min()
    }

    fn next_payment_deadline_ns(&mut self) -> Option<u64> {
        loop {
            let earliest = self.deadlines.earliest()?;
            if self.reservation_of(earliest).is_some() {
                return Some(earliest.at_ns);
            }
            self.deadlines.take_due(earliest.at_ns);
        }
    }

    /// How many payments stand where.
    pub fn counts(&self) -> PaymentCounts {
        self.counts
    }

    /// Open payments of one payer provider.
    pub fn in_flight_of(&self, participant: ParticipantId) -> u32 {
        self.participants.get(participant).map_or(0, |participant| participant.in_flight)
    }

    /// Whose code this is.
    pub fn find_participant(&self, code: &ParticipantCode) -> Option<ParticipantId> {
        self.participants.find(code)
    }

    /// All participants, in order of admission.
    pub fn participants(&self) -> impl Iterator<Item = (ParticipantId, ParticipantCode)> {
        self.participants.iter().map(|(id, participant)| (id, participant.code))
    }

    /// A participant's code.
    pub fn code_of(&self, participant: ParticipantId) -> Option<&ParticipantCode> {
        self.participants.get(participant).map(|participant| &participant.code)
    }

    /// The highest numbers given out to a participant.
    pub fn enqueued(&self, participant: ParticipantId) -> Cursors {
        self.participants.get(participant).map_or([0; 3], |participant| participant.enqueued)
    }

    /// What a participant is told when it asks, of what is held. Who is no party to a payment learns nothing about it.
    pub fn status_for(&self, participant: ParticipantId, id: PaymentId) -> Status {
        let payment = self.payments.find(id).map(|index| &self.payments[index]);
        match payment.filter(|payment| payment.payer == participant || payment.payee == Some(participant)) {
            Some(payment) => payment.state.status(),
            None => Status::undecided(Outcome::Unknown),
        }
    }

    /// Is a payment or a case with this id open, or is its outcome in the window? The posting follow-up of a payment is no case of its own here: it stays
    /// for longer than the payment, which has the id.
    pub fn holds(&self, id: PaymentId) -> bool {
        self.payments.find(id).is_some() || self.find_opened(id).is_some()
    }

    /// The case that a provider has opened under this id.
    fn find_opened(&self, id: PaymentId) -> Option<CaseIndex> {
        self.cases.find(id).filter(|&index| self.cases[index].kind != CaseKind::Posting)
    }

    /// What a participant is told of a case when it asks, of what is held. Who is no party to it learns nothing about it.
    pub fn case_for(&self, participant: ParticipantId, id: PaymentId) -> Option<CaseNews> {
        let case = &self.cases[self.cases.find(id)?];
        case.concerns(participant).then(|| case.news())
    }

    /// Could an answer or a cancellation of this participant still change this case?
    pub fn awaits_case_input(&self, participant: ParticipantId, id: PaymentId) -> bool {
        self.cases.find(id).is_some_and(|index| {
            let case = &self.cases[index];
            case.state.is_open() && case.concerns(participant)
        })
    }

    /// A case that is held.
    pub fn find_case(&self, id: PaymentId) -> Option<&Case> {
        self.cases.find(id).map(|index| &self.cases[index])
    }

    /// A case of an effect of the last batch.
    pub fn case(&self, index: CaseIndex) -> &Case {
        &self.cases[index]
    }

    /// Open cases of one opener.
    pub fn cases_open_of(&self, participant: ParticipantId) -> u32 {
        self.participants.get(participant).map_or(0, |participant| participant.cases_open)
    }

    /// How much of a payment was returned, if that was lately.
    pub fn returned_of(&self, id: PaymentId) -> Option<u64> {
        self.originals.find(id).map(|original| original.returned)
    }

    /// The parameters of the scheme.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A payment that is held, by its id.
    pub fn find_payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.find(id).map(|index| &self.payments[index])
    }

    /// The open payments in a portion of memory, see [`Payments::open_from`].
    pub fn open_payments_from(&self, slot: usize, slots_max: usize) -> (Vec<&Payment>, Option<usize>) {
        self.payments.open_from(slot, slots_max)
    }

    /// Has memory fetch what will be asked about this id. Says nothing.
    pub fn touch(&self, id: PaymentId) -> u32 {
        self.payments.touch(id)
    }

    /// A payment of an effect of the last batch.
    pub fn payment(&self, index: PaymentIndex) -> &Payment {
        &self.payments[index]
    }

    /// How many payments are held, open ones and outcomes.
    pub fn payments_held(&self) -> usize {
        self.payments.count()
    }

    /// How many outcomes stay when the next batch begins.
    pub fn outcomes_kept(&self) -> u32 {
        self.rules.outcomes_kept
    }

    /// Has no outcome left the window, and will none when the next batch begins?
    pub fn remembers_all(&self) -> bool {
        self.payments.floor() == 0 && self.counts.decided() <= u64::from(self.rules.outcomes_kept)
    }

    /// Journal position of the newest outcome that has left the window; 0 as long as none has.
    pub fn floor(&self) -> u64 {
        self.payments.floor()
    }

    /// Could an answer of this participant still decide this payment?
    pub fn awaits_answer(&self, participant: ParticipantId, id: PaymentId) -> bool {
        let payment = self.find_for_payee(participant, id).map(|index| &self.payments[index]);
        payment.is_some_and(|payment| matches!(payment.state, State::InFlight { .. }))
    }

    /// What a participant is told whose answer no payment waited for, of what is held.
    pub fn status_for_payee(&self, participant: ParticipantId, id: PaymentId) -> Status {
        let payment = self.find_for_payee(participant, id).map(|index| &self.payments[index]);
        payment.map_or(Status::undecided(Outcome::Unknown), |payment| payment.state.status())
    }

    /// The highest sealing key that any entry names; 0 where none does.
    pub fn seal_key_max(&self) -> u64 {
        self.seal_key_max
    }

    /// The currencies of the scheme.
    pub fn currencies(&self) -> &[CurrencyRules] {
        &self.currencies
    }

    /// Both sides of the book in each currency, counted anew.
    pub fn totals(&self) -> Vec<CurrencyTotals> {
        self.book.totals()
    }

    /// What a participant can spend and what is reserved of it, in minor units: (available, reserved) of the account that its payments move.
    pub fn balance_of(&self, participant: ParticipantId, currency: Currency) -> Option<(u128, u128)> {
        let account = self.book.account(self.payment_account(participant, currency.bytes())?);
        Some((account.headroom().unwrap_or(0), account.debits_pending()))
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}
