//! What is done with cases: they are opened, answered, taken back, paid, and ended by time. The table is in `cases`.

use adapters::message::{
    AmountForm, ArchivedCaseAnswer, ArchivedCaseCancel, ArchivedCaseOpen, ArchivedCreditTransfer, CaseKind, CaseState,
    Decision, Field, NO_ID, Outcome, ParticipantCode, PaymentId, Reason,
};
use ledger::Amount;

use super::cases::{Case, CaseChange, CaseIndex, CaseInput, transition};
use super::effect::{CaseNews, Effect, News, Subject};
use super::payments::PaymentIndex;
use super::rules::{REASON_NO_ANSWER, REASON_REQUEST_EXPIRED, Reject, unless};
use super::{Engine, Moment, reply};
use crate::entry::{ArchivedOriginalFound, ArchivedReferenceAnnotation, ParticipantId};
use crate::limits::EXPIRED_PER_BATCH_MAX;

/// A case that all rules let pass.
struct Admitted {
    responder: ParticipantId,
    deadline_ns: u64,
}

impl Engine {
    pub(super) fn open_case(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        (message, annotation): (&ArchivedCaseOpen, &ArchivedReferenceAnnotation),
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.participants.get(sender).ok_or("a sender that is not in the scheme")?;
        let id = PaymentId::from_bytes(message.case_id).ok_or("a case id that is no version-4 UUID")?;
        let kind = CaseKind::from_number(message.kind).filter(|&kind| kind != CaseKind::Posting);
        let kind = kind.ok_or("a kind of case that no provider opens")?;
        let form = AmountForm::from_number(message.amount_form).ok_or("a form of amount that does not exist")?;
        if let Some(news) = self.repeated_case(sender, id, annotation.digest) {
            effects.push(reply(moment, sender, id, News::CaseStatus(news)));
            return Ok(());
        }
        if annotation.checked_through < self.floor() {
            effects.push(reply(moment, sender, id, News::Recheck));
            return Ok(());
        }
        if let Some(before) = self.cases.find_about(message.original_id, kind) {
            self.expire_if_late(moment, before, effects);
        }
        let admitted = match kind {
            _ if message.opener != *self.participants[sender].code.bytes() => Err(Reject::SenderIsNotOpener),
            CaseKind::PaymentRequest => self.admit_request(moment, sender, message),
            _ => self.admit_question(moment, sender, (kind, message), &annotation.original),
        };
        let (state, reason, field) = match admitted {
            Ok(_) => {
                (CaseState::Open, Reason::from_bytes(message.reason).ok_or("a reason that is no code")?, Field::None)
            }
            Err(reject) => (CaseState::Rejected, reject.reason(), reject.field()),
        };
        let admitted = admitted.ok();
        let Moment { time_ns: at_ns, position, .. } = moment;
        let index = self.add_case(Case {
            id,
            digest: annotation.digest,
            kind,
            original: message.original_id,
            opener: sender,
            responder: admitted.as_ref().map(|admitted| admitted.responder),
            amount: message.amount.to_native(),
            currency: message.currency,
            form,
            opened: position,
            deadline_ns: admitted.as_ref().map_or(0, |admitted| admitted.deadline_ns),
            state,
            reason,
            field,
            at_ns,
            position,
            payment: NO_ID,
        });
        self.tell_case(index, sender, 0, effects);
        if let Some(Admitted { responder, deadline_ns }) = admitted {
            let delivery = self.outbox(responder, kind.lane(), Subject::Case(index), position);
            let news = News::CaseForward { deadline_ns };
            effects.push(Effect { participant: responder, delivery, id, news, source: position });
        }
        Ok(())
    }

    /// What the opening of a case whose id is known is told; none where it is new.
    fn repeated_case(&self, sender: ParticipantId, id: PaymentId, digest: [u8; 16]) -> Option<CaseNews> {
        if let Some(index) = self.find_opened(id) {
            let case = &self.cases[index];
            let is_same = case.opener == sender && case.digest == digest;
            return Some(if is_same { case.news() } else { CaseNews::DUPLICATE });
        }
        self.payments.find(id).map(|_| CaseNews::DUPLICATE)
    }

    fn add_case(&mut self, case: Case) -> CaseIndex {
        if case.state.is_open() {
            self.counts.cases_open += 1;
            self.participants[case.opener].cases_open += 1;
        } else {
            self.counts.cases_closed += 1;
        }
        self.cases.add(case)
    }

    /// The rules of a recall or of a request for information, in their order.
    fn admit_question(
        &self,
        moment: Moment,
        sender: ParticipantId,
        (kind, message): (CaseKind, &ArchivedCaseOpen),
        found: &ArchivedOriginalFound,
    ) -> Result<Admitted, Reject> {
        let is_recall = kind == CaseKind::Recall;
        let facts = self.facts(message.original_id, found);
        let facts = facts.filter(|facts| facts.is_payer(sender) || !is_recall && facts.other_than(sender).is_some());
        let facts = facts.ok_or(Reject::OriginalUnknown)?;
        let other = facts.other_than(sender).filter(|&other| other != sender);
        let (Some(original), Some(responder)) = (facts.committed, other) else {
            return Err(Reject::OriginalNotEligible);
        };
        unless(message.responder == *self.participants[responder].code.bytes(), Reject::ResponderDiffers)?;
        let (amount, left) = (message.amount.to_native(), original.amount - original.returned);
        if is_recall {
            unless(!facts.is_return, Reject::OriginalIsReturn)?;
            unless(amount == 0 || message.currency == original.currency, Reject::CurrencyDiffers)?;
            unless(0 < left && amount <= left, Reject::AmountExceedsOriginal)?;
            let until_ns = original.decided_at_ns.saturating_add(self.rules.recall_window_ns);
            unless(moment.time_ns < until_ns, Reject::RecallTooLate)?;
        }
        unless(self.cases.find_about(message.original_id, kind).is_none(), Reject::CaseAlreadyOpen)?;
        let longest_ns = if is_recall { self.rules.recall_answer_ns } else { self.rules.information_answer_ns };
        Ok(Admitted { responder, deadline_ns: deadline(moment, message, longest_ns)? })
    }

    /// The rules of a request to pay, in their order.
    fn admit_request(
        &self,
        moment: Moment,
        sender: ParticipantId,
        message: &ArchivedCaseOpen,
    ) -> Result<Admitted, Reject> {
        let payer = ParticipantCode::from_bytes(message.responder).and_then(|code| self.participants.find(&code));
        let responder = payer.ok_or(Reject::ResponderUnknown)?;
        unless(responder != sender, Reject::ResponderIsSender)?;
        let currency = self.currencies.iter().find(|rules| rules.currency.bytes() == message.currency);
        let currency = currency.ok_or(Reject::CurrencyNotOffered)?;
        let amount = Amount::new(message.amount.to_native()).ok_or(Reject::AmountAboveLimit)?;
        unless(amount <= currency.amount_max, Reject::AmountAboveLimit)?;
        Ok(Admitted { responder, deadline_ns: deadline(moment, message, self.rules.request_expiry_max_ns)? })
    }

    pub(super) fn answer_case(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        answer: &ArchivedCaseAnswer,
        source: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let id = PaymentId::from_bytes(answer.case_id).ok_or("a case id that is no version-4 UUID")?;
        let reason = Reason::from_bytes(answer.reason).ok_or("a reason that is no code")?;
        let input = match Decision::from_number(answer.decision) {
            Some(Decision::Accept) => CaseInput::Accept,
            Some(Decision::Reject) => CaseInput::Refuse,
            Some(Decision::AcceptWithoutPosting) | None => return Err("a decision that no case has".to_owned()),
        };
        let index = self.cases.find(id).filter(|&index| self.cases[index].responder == Some(sender));
        self.take_case_input(moment, (sender, id, index), (input, reason), source, effects);
        Ok(())
    }

    pub(super) fn cancel_case(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        cancel: &ArchivedCaseCancel,
        source: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let id = PaymentId::from_bytes(cancel.case_id).ok_or("a case id that is no version-4 UUID")?;
        let reason = Reason::from_bytes(cancel.reason).ok_or("a reason that is no code")?;
        let index = self.cases.find(id).filter(|&index| self.cases[index].opener == sender);
        self.take_case_input(moment, (sender, id, index), (CaseInput::Cancel, reason), source, effects);
        Ok(())
    }

    /// An input of one of the two providers.
    fn take_case_input(
        &mut self,
        moment: Moment,
        (sender, id, index): (ParticipantId, PaymentId, Option<CaseIndex>),
        (input, reason): (CaseInput, Reason),
        source: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(index) = index else {
            effects.push(reply(moment, sender, id, News::CaseStatus(CaseNews::UNKNOWN)));
            return;
        };
        if !self.advance_in_time(moment, index, (input, reason), source, effects) {
            effects.push(reply(moment, sender, id, News::CaseStatus(self.cases[index].news())));
        }
    }

    /// As `advance_case`, of what may come after the deadline: then the case ends with that, and true says that something was done.
    pub(super) fn advance_in_time(
        &mut self,
        moment: Moment,
        index: CaseIndex,
        input: (CaseInput, Reason),
        source: u64,
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.expire_if_late(moment, index, effects) || self.advance_case(moment, index, input, source, effects)
    }

    /// Ends a case whose time is over, whether or not its turn to be swept has come.
    fn expire_if_late(&mut self, moment: Moment, index: CaseIndex, effects: &mut Vec<Effect>) -> bool {
        let case = &self.cases[index];
        let is_late = case.state.is_open() && case.state != CaseState::Paying && moment.time_ns >= case.deadline_ns;
        if is_late {
            self.expire_case(moment, index, effects);
        }
        is_late
    }

    /// Does with a case what the table says; false where it says nothing. `source` is the entry whose note goes to the other provider.
    pub(super) fn advance_case(
        &mut self,
        moment: Moment,
        index: CaseIndex,
        (input, reason): (CaseInput, Reason),
        source: u64,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let case = &self.cases[index];
        let Some(row) = transition(case.kind, case.state, input) else { return false };
        let Moment { time_ns: at_ns, position, .. } = moment;
        let case = self.cases.change(index, CaseChange { state: row.next, reason, at_ns, position });
        let (opener, responder) = (case.opener, case.responder);
        if row.next.is_final() {
            self.counts.cases_open -= 1;
            self.counts.cases_closed += 1;
            self.participants[opener].cases_open -= 1;
        }
        if row.is_told {
            // The note goes to the one who did not write it.
            let is_of_opener = input == CaseInput::Cancel;
            self.tell_case(index, opener, if is_of_opener { 0 } else { source }, effects);
            let responder = responder.unwrap_or_else(|| unreachable!("an open case has somebody who is to answer"));
            self.tell_case(index, responder, if is_of_opener { source } else { 0 }, effects);
        }
        true
    }

    fn expire_case(&mut self, moment: Moment, index: CaseIndex, effects: &mut Vec<Effect>) {
        let is_request = self.cases[index].kind == CaseKind::PaymentRequest;
        let reason = if is_request { REASON_REQUEST_EXPIRED } else { REASON_NO_ANSWER };
        let is_ended = self.advance_case(moment, index, (CaseInput::Deadline, reason), 0, effects);
        assert!(is_ended, "what waits for its deadline ends with it");
    }

    /// Ends the cases whose time is over, in bounded portions.
    pub(super) fn expire_cases(&mut self, moment: Moment, effects: &mut Vec<Effect>) {
        for _ in 0..EXPIRED_PER_BATCH_MAX {
            match self.cases.earliest() {
                Some((deadline_ns, index)) if deadline_ns <= moment.time_ns => self.expire_case(moment, index, effects),
                _ => return,
            }
        }
    }

    fn tell_case(&mut self, index: CaseIndex, participant: ParticipantId, source: u64, effects: &mut Vec<Effect>) {
        let &Case { id, kind, opened, .. } = &self.cases[index];
        let delivery = self.outbox(participant, kind.lane(), Subject::Case(index), opened);
        let news = News::CaseStatus(self.cases[index].news());
        effects.push(Effect { participant, delivery, id, news, source });
    }

    /// A payment was accepted without being posted: its payee provider owes word of what became of it.
    pub(super) fn open_posting(&mut self, moment: Moment, payment: PaymentIndex, effects: &mut Vec<Effect>) {
        let payment = &self.payments[payment];
        let (id, digest, opener, responder) = (payment.id, payment.digest, payment.payer, payment.payee);
        let (amount, currency) = (payment.amount, payment.currency);
        let Moment { time_ns: at_ns, position, .. } = moment;
        let index = self.add_case(Case {
            id,
            digest,
            kind: CaseKind::Posting,
            original: id.bytes(),
            opener,
            responder,
            amount,
            currency,
            form: AmountForm::Fixed,
            opened: position,
            deadline_ns: at_ns.saturating_add(self.rules.posting_follow_up_ns),
            state: CaseState::Open,
            reason: Reason::NONE,
            field: Field::None,
            at_ns,
            position,
            payment: NO_ID,
        });
        self.tell_case(index, opener, 0, effects);
        let responder = responder.unwrap_or_else(|| unreachable!("what was accepted has a payee provider"));
        self.tell_case(index, responder, 0, effects);
    }

    /// The request that an order names, if the order may pay it; none where it names none.
    pub(super) fn request_to_pay(
        &self,
        moment: Moment,
        (payer, payee): (ParticipantId, ParticipantId),
        order: &ArchivedCreditTransfer,
    ) -> Result<Option<CaseIndex>, Reject> {
        if order.request_id == NO_ID {
            return Ok(None);
        }
        let index = PaymentId::from_bytes(order.request_id).and_then(|id| self.cases.find(id));
        let is_it = |case: &Case| case.kind == CaseKind::PaymentRequest && case.responder == Some(payer);
        let index = index.filter(|&index| is_it(&self.cases[index])).ok_or(Reject::RequestUnknown)?;
        let case = &self.cases[index];
        match case.state {
            CaseState::Settled => return Err(Reject::RequestPaid),
            CaseState::Refused => return Err(Reject::RequestRefused),
            CaseState::Expired => return Err(Reject::RequestExpired),
            CaseState::Cancelled => return Err(Reject::RequestCancelled),
            CaseState::Paying => return Err(Reject::RequestBeingPaid),
            CaseState::Open | CaseState::Accepted if moment.time_ns >= case.deadline_ns => {
                return Err(Reject::RequestExpired);
            }
            CaseState::Open | CaseState::Accepted => {}
            CaseState::Rejected | CaseState::Unknown | CaseState::Duplicate => {
                unreachable!("a case that somebody was asked in is in none of these states")
            }
        }
        let amount = order.amount.to_native();
        let fits = if case.form == AmountForm::UpTo { amount <= case.amount } else { amount == case.amount };
        if payee != case.opener {
            Err(Reject::RequestPayeeDiffers)
        } else if !fits || order.currency != case.currency {
            Err(Reject::RequestAmountDiffers)
        } else {
            Ok(Some(index))
        }
    }

    /// The payment for a request was reserved.
    pub(super) fn pay_request(&mut self, moment: Moment, request: CaseIndex, payment: PaymentId) {
        let case = &self.cases[request];
        let row = transition(case.kind, case.state, CaseInput::Pay);
        let row = row.unwrap_or_else(|| unreachable!("the order was let pass"));
        let Moment { time_ns: at_ns, position, .. } = moment;
        self.cases.pay(request, payment, CaseChange { state: row.next, reason: Reason::NONE, at_ns, position });
    }

    /// The payment for a request is decided.
    pub(super) fn request_decided(
        &mut self,
        moment: Moment,
        payment: PaymentId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(index) = self.cases.find_paid_by(payment) else { return };
        let input = if outcome == Outcome::Committed { CaseInput::Paid } else { CaseInput::Unpaid };
        let has_row = self.advance_case(moment, index, (input, Reason::NONE), 0, effects);
        assert!(has_row, "a request that is being paid waits for its payment");
    }
}

/// When a case ends: as asked, or as late as the scheme allows.
fn deadline(moment: Moment, message: &ArchivedCaseOpen, longest_ns: u64) -> Result<u64, Reject> {
    let latest_ns = moment.time_ns.saturating_add(longest_ns);
    match message.expires_at_ns.to_native() {
        _ if longest_ns == 0 => Err(Reject::CaseNotOffered),
        0 => Ok(latest_ns),
        asked_ns if asked_ns <= moment.time_ns => Err(Reject::ExpiryPassed),
        asked_ns if asked_ns > latest_ns => Err(Reject::ExpiryTooFar),
        asked_ns => Ok(asked_ns),
    }
}
