//! Returns: money of a committed payment goes back, in whole or in part, as often as there is something left of it.
//!
//! A return is final at once. It is a payment the other way, with an id of its own in the same space, so duplicates, status requests and the window treat it
//! as one; what it adds is the payment that it is of.

use adapters::message::{ArchivedReturn, CaseKind, CaseState, Field, NO_ID, Outcome, PaymentId, Reason};
use ledger::{Amount, Movement, TransferId};

use super::cases::{CaseIndex, CaseInput};
use super::effect::{Effect, News, Status, Subject};
use super::originals::Original;
use super::payments::{Payment, State, Traits};
use super::rules::{Reject, unless};
use super::scheme::fees::Priced;
use super::scheme::fees::prices::Flow;
use super::{Engine, Moment, rejected, reply};
use crate::entry::{ArchivedOriginalFound, ArchivedReferenceAnnotation, ParticipantId};

/// What is known of a payment that a return or a case names.
pub(super) struct Facts {
    /// As far as it is one that returns and cases can be about; none where it is in flight, or nothing was paid.
    pub(super) committed: Option<Original>,
    /// Is it a return itself?
    pub(super) is_return: bool,
    payer: ParticipantId,
    payee: Option<ParticipantId>,
}

impl Facts {
    /// The other provider of the payment; none for who is no party to it.
    pub(super) fn other_than(&self, participant: ParticipantId) -> Option<ParticipantId> {
        if self.payer == participant { self.payee } else { (self.payee == Some(participant)).then_some(self.payer) }
    }

    pub(super) fn is_payer(&self, participant: ParticipantId) -> bool {
        self.payer == participant
    }
}

/// A return that all rules let pass.
struct Admitted {
    payer: ParticipantId,
    /// The currency's number in the scheme.
    currency: usize,
    original: Original,
    case: Option<CaseIndex>,
}

impl Engine {
    pub(super) fn payment_return(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        (message, annotation): (&ArchivedReturn, &ArchivedReferenceAnnotation),
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.participants.get(sender).ok_or("a sender that is not in the scheme")?;
        let id = PaymentId::from_bytes(message.return_id).ok_or("a return's id that is no version-4 UUID")?;
        let original_id = PaymentId::from_bytes(message.original_id).ok_or("an original's id that is none")?;
        if let Some(repeated) = self.repeated(moment, sender, id, annotation.digest) {
            effects.push(repeated);
            return Ok(());
        }
        if annotation.checked_through < self.floor() {
            effects.push(reply(moment, sender, id, News::Recheck));
            return Ok(());
        }
        let admitted = self.admit_return(moment, sender, message, &annotation.original);
        let status = match admitted {
            Ok(_) => committed(moment),
            Err(reject) => rejected(moment, reject),
        };
        let payment = Payment {
            id,
            digest: annotation.digest,
            payer: sender,
            payee: admitted.as_ref().ok().map(|admitted| admitted.payer),
            amount: message.amount.to_native(),
            currency: message.currency,
            traits: Traits::RETURN,
            state: State::decided(status),
        };
        let index = self.payments.add(payment);
        self.tell(sender, (index, moment.position), 0, effects);
        match admitted {
            Err(_) => self.counts.returns_rejected += 1,
            Ok(Admitted { payer, currency, mut original, case }) => {
                self.counts.returned += 1;
                let amount = message.amount.to_native();
                self.count_posted(currency, (sender, payer), amount);
                let priced =
                    Priced { id: id.bytes(), flow: Flow::Return, payer: sender, payee: payer, currency, amount };
                self.charge(moment, priced);
                original.returned += message.amount.to_native();
                self.originals.put(original_id, original, moment.position);
                let delivery = self.outbox(payer, Traits::RETURN.lane(), Subject::Payment(index), moment.position);
                let news = News::Returned { total: original.returned };
                effects.push(Effect { participant: payer, delivery, id, news, source: moment.position });
                self.close_returned(moment, (original_id, original), case, effects);
            }
        }
        Ok(())
    }

    /// The rules, in their order. What passes all of them has moved.
    fn admit_return(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        message: &ArchivedReturn,
        found: &ArchivedOriginalFound,
    ) -> Result<Admitted, Reject> {
        unless(self.may_pay(sender), Reject::SenderSuspended)?;
        let facts = self.facts(message.original_id, found).filter(|facts| facts.payee == Some(sender));
        let facts = facts.ok_or(Reject::OriginalUnknown)?;
        let payer = facts.payer;
        let original = facts.committed.filter(|_| payer != sender).ok_or(Reject::OriginalNotEligible)?;
        unless(!facts.is_return, Reject::OriginalIsReturn)?;
        unless(message.currency == original.currency, Reject::CurrencyDiffers)?;
        let case = if message.case_id == NO_ID {
            None
        } else {
            Some(self.recall_to_answer(moment, sender, message).ok_or(Reject::RecallNotOpen)?)
        };
        let amount = Amount::new(message.amount.to_native()).ok_or(Reject::AmountExceedsOriginal)?;
        unless(amount.minor_units() <= original.amount - original.returned, Reject::AmountExceedsOriginal)?;
        let currency = self.currency_of_flight(original.currency);
        let accounts = [sender, payer].map(|participant| self.seats.at(currency, participant).account);
        let [Some(debit), Some(credit)] = accounts else { unreachable!("who has paid, or was paid, has an account") };
        if debit != credit {
            let id = TransferId(u128::from_be_bytes(message.return_id));
            match self.book.move_now(Movement { id, debit, credit, amount }) {
                Ok(applied) => assert!(!applied.repeated, "the id is new to the engine, so it is new to the book"),
                Err(ledger::Reject::DebitLimitExceeded) => return Err(Reject::FundsInsufficient),
                Err(other) => panic!("the book refuses what the engine has checked: {other:?}"),
            }
        }
        Ok(Admitted { payer, currency, original, case })
    }

    /// The open recall that a return names as what it answers.
    fn recall_to_answer(&self, moment: Moment, sender: ParticipantId, message: &ArchivedReturn) -> Option<CaseIndex> {
        let index = self.cases.find(PaymentId::from_bytes(message.case_id)?)?;
        let case = &self.cases[index];
        let is_it = case.kind == CaseKind::Recall
            && case.state == CaseState::Open
            && case.original == message.original_id
            && case.responder == Some(sender);
        (is_it && moment.time_ns < case.deadline_ns).then_some(index)
    }

    /// Closes what a return has settled: the recall that it names, and, where nothing is left, whatever is open about the payment's money.
    fn close_returned(
        &mut self,
        moment: Moment,
        (id, original): (PaymentId, Original),
        named: Option<CaseIndex>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(index) = named {
            self.advance_case(moment, index, (CaseInput::Returned, Reason::NONE), 0, effects);
        }
        if original.returned == original.amount {
            for kind in [CaseKind::Recall, CaseKind::Posting] {
                if let Some(index) = self.cases.find_about(id.bytes(), kind) {
                    self.advance_in_time(moment, index, (CaseInput::Returned, Reason::NONE), 0, effects);
                }
            }
        }
    }

    /// What is known of a payment. What the engine holds wins; the rest is what the history knew when it was asked, which is no earlier than the
    /// window's floor.
    pub(super) fn facts(&self, id: [u8; 16], found: &ArchivedOriginalFound) -> Option<Facts> {
        let id = PaymentId::from_bytes(id)?;
        let returned = self.originals.find(id);
        if let Some(payment) = self.payments.find(id).map(|index| &self.payments[index]) {
            let &Payment { payer, payee, amount, currency, traits, state, .. } = payment;
            let committed = match (state, payee) {
                (State::Final { outcome: Outcome::Committed, at_ns: decided_at_ns, .. }, Some(payee)) => {
                    let known = returned.copied();
                    Some(known.unwrap_or(Original {
                        payer,
                        payee,
                        amount,
                        currency,
                        decided_at_ns,
                        returned: found.returned.to_native(),
                    }))
                }
                _ => None,
            };
            return Some(Facts { committed, is_return: traits.has(Traits::RETURN), payer, payee });
        }
        if let Some(&original) = returned {
            let Original { payer, payee, .. } = original;
            return Some(Facts { committed: Some(original), is_return: false, payer, payee: Some(payee) });
        }
        facts_found(found)
    }

    /// The payment of which something was returned at this journal position, if that was lately.
    pub fn returned_at(&self, position: u64) -> Option<(PaymentId, &Original)> {
        self.originals.returned_at(position)
    }
}

/// What the history knows, if it knows anything.
fn facts_found(found: &ArchivedOriginalFound) -> Option<Facts> {
    let outcome = Outcome::from_number(found.outcome)?;
    let payer = ParticipantId(found.payer.to_native());
    let payee = Some(ParticipantId(found.payee.to_native())).filter(|payee| payee.0 != 0);
    let committed = payee.filter(|_| outcome == Outcome::Committed).map(|payee| Original {
        payer,
        payee,
        amount: found.amount.to_native(),
        currency: found.currency,
        decided_at_ns: found.decided_at_ns.to_native(),
        returned: found.returned.to_native(),
    });
    Some(Facts { committed, is_return: found.is_return != 0, payer, payee })
}

fn committed(moment: Moment) -> Status {
    Status {
        outcome: Outcome::Committed,
        reason: Reason::NONE,
        field: Field::None,
        decided_at_ns: moment.time_ns,
        position: moment.position,
    }
}
