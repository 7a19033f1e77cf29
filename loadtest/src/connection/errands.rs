//! What a provider sends and hears beside orders and answers: requests to pay, recalls, returns.

use std::collections::VecDeque;

use adapters::message::{
    AmountForm, ArchivedCaseForward, ArchivedCaseStatus, ArchivedReturned, CaseAnswer, CaseKind, CaseOpen, CaseState,
    CreditTransfer, NO_ID, Outcome, PaymentId, Reason, Return,
};

use super::hearing::Hearing;
use super::line::{Purpose, Said};
use super::{CURRENCY, Connection, Shared};
use crate::agreement;
use crate::flights::{Flight, Id, Kin};
use crate::sequel::{Errand, Sequel};
use crate::tally::{Disagreement, Ended};

/// Of a return and of a recall that name no other: the customer has asked for it.
const REASON_WANTED: Reason = Reason::of(b"CUST");

/// Of a recall that is refused, and of a request: the customer does not want it.
const REASON_UNWANTED: Reason = Reason::of(b"CUST");

/// What is to be sent, when, and for which payment.
type Due = (u64, (u32, Id), Errand);

/// In the order of their times: what is put off holds up nothing that is due before.
fn put(errands: &mut VecDeque<Due>, due: Due) {
    let place = errands.partition_point(|before| before.0 <= due.0);
    errands.insert(place, due);
}

impl Connection {
    /// Something is to be sent for this payment, then.
    pub(crate) fn put_errand(&mut self, at_ns: u64, of: (u32, Id), errand: Errand) {
        put(&mut self.errands, (at_ns, of, errand));
    }

    /// Sends what is to be sent by now, as far as there is room.
    pub(super) fn run_errands(&mut self, shared: &mut Shared, now_ns: u64) {
        while let Some(&(at_ns, (place, id), errand)) = self.errands.front()
            && at_ns <= now_ns
        {
            if shared.flights.find(&id) == Some(place) && !self.run_errand(shared, place, errand, now_ns) {
                return;
            }
            self.errands.pop_front();
        }
    }

    /// False where there is no room.
    fn run_errand(&mut self, shared: &mut Shared, place: u32, errand: Errand, now_ns: u64) -> bool {
        let flight = *shared.flights.at(place);
        let [request, recall] = [Kin::Request, Kin::Recall].map(|kin| shared.flights.relative(place, kin));
        let [payer, payee] = [flight.payer, flight.payee].map(|place| *shared.codes[place as usize].bytes());
        let asked_ns = shared.flights.progress(place).asked_ns;
        let case = |id: Id| PaymentId::from_bytes(id).unwrap_or_else(|| unreachable!("ids are made valid"));
        let purpose = if errand == Errand::Pay { Purpose::Order(place) } else { Purpose::Errand(place) };
        let mut say = |said: &Said<'_>| self.line.say(said, purpose);
        let said = match errand {
            Errand::Pay => {
                let order = CreditTransfer {
                    payment_id: flight.id,
                    payer,
                    payee,
                    amount: flight.amount,
                    currency: CURRENCY,
                    accepted_at_ns: asked_ns,
                    purpose: [0; 4],
                    lane: flight.class.lane() as u8,
                    request_id: request,
                };
                // The same each time it is sent.
                let private = &shared.private_parts[usize::from(flight.id[1]) % shared.private_parts.len()];
                say(&Said::Order(&order, private))
            }
            Errand::Ask => {
                let about = (request, CaseKind::PaymentRequest);
                say(&Said::CaseOpen(&case_open(about, NO_ID, (payee, payer), flight.amount)))
            }
            Errand::Recall => {
                let about = (recall, CaseKind::Recall);
                say(&Said::CaseOpen(&case_open(about, flight.id, (payer, payee), flight.amount)))
            }
            Errand::RefuseRequest | Errand::RefuseRecall => {
                let id = case(if errand == Errand::RefuseRecall { recall } else { request });
                say(&Said::CaseAnswer(&CaseAnswer::refuse(id, REASON_UNWANTED)))
            }
            Errand::Return(kin) => say(&Said::Return(&Return {
                return_id: shared.flights.relative(place, kin),
                original_id: flight.id,
                case_id: if flight.sequel.is_recall() { recall } else { NO_ID },
                amount: flight.sequel.part(kin, flight.amount).0,
                currency: CURRENCY,
                reason: REASON_WANTED.bytes(),
            })),
        };
        let Some(ticket) = said else { return false };
        let welcomes = self.welcomes + u32::from(!self.is_open());
        let progress = shared.flights.progress(place);
        (progress.ticket, progress.sender, progress.errand) = (ticket, self.place, errand);
        progress.asked_ns = if errand == Errand::Ask { now_ns } else { asked_ns };
        if errand == Errand::Pay {
            let flight = shared.flights.at(place);
            (flight.ticket, flight.first_sent_on) = (ticket, welcomes);
        }
        true
    }
}

/// A case about so much.
fn case_open(
    (id, kind): (Id, CaseKind),
    original: Id,
    (opener, responder): ([u8; 35], [u8; 35]),
    amount: u64,
) -> CaseOpen {
    let reason = if kind == CaseKind::Recall { REASON_WANTED } else { Reason::NONE };
    CaseOpen {
        case_id: id,
        kind: kind as u8,
        original_id: original,
        opener,
        responder,
        amount,
        currency: CURRENCY,
        amount_form: AmountForm::Fixed as u8,
        reason: reason.bytes(),
        expires_at_ns: 0,
    }
}

impl Hearing<'_> {
    fn put_errand(&mut self, place: u32, id: Id, errand: Errand) {
        let delay_ns = if matches!(errand, Errand::Return(_)) { self.conduct.answer_after_ns } else { 0 };
        put(self.errands, (self.now_ns + delay_ns, (place, id), errand));
    }

    /// The payer provider knows how its payment ended.
    pub(super) fn begin_after_outcome(&mut self, place: u32, outcome: Outcome) {
        let Flight { id, is_requested, sequel, .. } = *self.flights.at(place);
        if outcome != Outcome::Committed {
            if is_requested {
                self.put_errand(place, id, Errand::RefuseRequest);
            }
            return;
        }
        if !sequel.is_recall() {
            return;
        }
        let Some(remembered) = self.remembered.as_mut() else { return self.put_errand(place, id, Errand::Recall) };
        if let Some((forgotten_place, forgotten)) = remembered.push((place, id))
            && self.flights.find(&forgotten) == Some(forgotten_place)
        {
            self.flights.at(forgotten_place).sequel = Sequel::Nothing;
            // The caller looks after its own.
            if forgotten != id {
                self.release(forgotten_place);
            }
        }
    }

    /// The payee provider was told that the money is its own.
    pub(super) fn begin_return(&mut self, place: u32) {
        let Flight { id, sequel, .. } = *self.flights.at(place);
        if matches!(sequel, Sequel::Return | Sequel::ReturnInTwo) {
            self.put_errand(place, id, Errand::Return(Kin::Return));
        }
    }

    /// A return is final for the provider that sent it. Numbered words count: what answers a repetition says the same again.
    pub(super) fn return_status(&mut self, (place, kin, id): (u32, Kin, Id), outcome: Outcome) {
        let Flight { payer, payee, amount, sequel, id: payment, .. } = *self.flights.at(place);
        self.tally.facts.told.add(agreement::told(&id, self.parties[self.place as usize], outcome));
        if payee != self.place {
            return self.tally.disagree(Disagreement::ToldStranger, id);
        }
        if std::mem::replace(&mut self.flights.progress(place).returned[kin.part()], true) {
            return self.tally.disagree(Disagreement::ToldTwice, id);
        }
        if outcome != Outcome::Committed {
            if self.flights.progress(place).received[kin.part()] {
                self.tally.disagree(Disagreement::SidesDiffer, id);
            }
            // Nobody else hears of it; a recall that it was to answer still waits for an answer.
            self.tally.sequels.returns_rejected += 1;
            self.flights.at(place).sequel = if sequel.is_recall() { Sequel::RecallRefused } else { Sequel::Nothing };
            if sequel.is_recall() {
                self.put_errand(place, payment, Errand::RefuseRecall);
            }
            return self.release(place);
        }
        let part = sequel.part(kin, amount).0;
        self.tally.give_back(payer, payee, part);
        if sequel == Sequel::ReturnInTwo && kin == Kin::Return {
            self.put_errand(place, payment, Errand::Return(Kin::SecondReturn));
        }
        self.release(place);
    }

    /// Money has come back to the provider that had paid it.
    pub(crate) fn returned(&mut self, routing: &ArchivedReturned) {
        let id = routing.return_id;
        let Some((place, kin)) = self.flights.find_kin(&id).filter(|(_, kin)| kin.is_return()) else {
            return self.astray(id);
        };
        let Flight { payer, amount, sequel, id: payment, .. } = *self.flights.at(place);
        let (returned, total) = (routing.amount.to_native(), routing.returned_total.to_native());
        let party = self.parties[self.place as usize];
        self.tally.facts.returned.add(agreement::returned(&id, &routing.original_id, party, (returned, total)));
        let case = if sequel.is_recall() { self.flights.relative(place, Kin::Recall) } else { NO_ID };
        let is_as_sent = payer == self.place
            && routing.original_id == payment
            && routing.case_id == case
            && routing.currency == CURRENCY
            && (returned, total) == sequel.part(kin, amount);
        if !is_as_sent {
            self.tally.disagree(Disagreement::ReturnAltered, id);
        }
        if std::mem::replace(&mut self.flights.progress(place).received[kin.part()], true) {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
        self.release(place);
    }

    /// A provider is asked: for a payment, or to give one back.
    pub(crate) fn case_forward(&mut self, routing: &ArchivedCaseForward) {
        let id = routing.case_id;
        let Some((place, kin)) = self.flights.find_kin(&id).filter(|(_, kin)| !kin.is_return()) else {
            return self.astray(id);
        };
        let Flight { payer, payee, amount, sequel, id: payment, .. } = *self.flights.at(place);
        let is_request = kin == Kin::Request;
        let (opener, responder) = if is_request { (payee, payer) } else { (payer, payee) };
        let asked = routing.amount.to_native();
        let parties = [opener, self.place].map(|place| self.parties[place as usize]);
        self.tally.facts.asked.add(agreement::asked(&id, &routing.original_id, parties, (routing.kind, asked)));
        let kind = if is_request { CaseKind::PaymentRequest } else { CaseKind::Recall };
        let is_as_opened = responder == self.place
            && routing.opener == *self.codes[opener as usize].bytes()
            && routing.responder == *self.codes[responder as usize].bytes()
            && routing.kind == kind as u8
            && routing.original_id == if is_request { NO_ID } else { payment }
            && (asked, routing.currency) == (amount, CURRENCY);
        if !is_as_opened {
            self.tally.disagree(Disagreement::CaseAltered, id);
        }
        if std::mem::replace(&mut self.flights.progress(place).case(kin).is_asked, true) {
            return self.tally.disagree(Disagreement::ForwardedTwice, id);
        }
        let errand = match (kin, sequel) {
            (Kin::Request, _) => Errand::Pay,
            (_, Sequel::RecallReturned) => Errand::Return(Kin::Return),
            _ => Errand::RefuseRecall,
        };
        self.put_errand(place, payment, errand);
        self.release(place);
    }

    /// Where a case stands, by number: that it is open, and how it ended.
    pub(crate) fn case_status(&mut self, routing: &ArchivedCaseStatus) {
        let id = routing.case_id;
        let Some(state) = CaseState::from_number(routing.state) else { return };
        let Some((place, kin)) = self.flights.find_kin(&id).filter(|(_, kin)| !kin.is_return()) else {
            return self.astray(id);
        };
        let Flight { payer, payee, .. } = *self.flights.at(place);
        let (opener, responder) = if kin == Kin::Request { (payee, payer) } else { (payer, payee) };
        self.tally.facts.cases.add(agreement::case_told(&id, self.parties[self.place as usize], state));
        let told = self.flights.progress(place).case(kin);
        let is_told_before = match state {
            CaseState::Open if self.place == opener => std::mem::replace(&mut told.is_open, true),
            _ if state.is_final() && self.place == opener => told.ends[0].replace(state).is_some(),
            _ if state.is_final() && self.place == responder => told.ends[1].replace(state).is_some(),
            _ => return self.tally.disagree(Disagreement::ToldStranger, id),
        };
        if is_told_before {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
        if state == CaseState::Rejected && kin == Kin::Request {
            self.request_rejected(place, routing.reason);
        }
        self.release(place);
    }

    /// Nobody was asked, so there is no payment: for who keeps the schedule it was rejected.
    fn request_rejected(&mut self, place: u32, reason: [u8; 4]) {
        let Flight { payer, payee, amount, class, intended_ns, outcome, .. } = *self.flights.at(place);
        if outcome.is_some() {
            return;
        }
        let latency_ns = self.now_ns.saturating_sub(intended_ns);
        self.flights.end(place, Outcome::Rejected);
        self.flights.at(place).payer_told = Some(Outcome::Rejected);
        let ended = Ended { payer, payee, amount, class, latency_ns, is_in_time: self.is_in_time() };
        self.tally.end(ended, Outcome::Rejected, reason);
        self.tally.sequels.requests_rejected += 1;
    }

    /// Did its cases end as they must? Its returns were looked at when they came.
    pub(super) fn judge_cases(&mut self, place: u32, flight: &Flight) {
        let Flight { is_requested, sequel, outcome, .. } = *flight;
        if !is_requested && sequel == Sequel::Nothing {
            return;
        }
        let progress = *self.flights.progress(place);
        let is_paid = outcome == Some(Outcome::Committed);
        let sequels = &mut self.tally.sequels;
        if is_requested {
            sequels.requests += 1;
            sequels.requests_paid += u64::from(is_paid);
        }
        let ends = |kin: Kin| if kin == Kin::Request { progress.request.ends } else { progress.recall.ends };
        let expected = [
            (Kin::Request, is_requested, if is_paid { CaseState::Settled } else { CaseState::Refused }),
            (Kin::Recall, is_paid && sequel == Sequel::RecallReturned, CaseState::Settled),
            (Kin::Recall, is_paid && sequel == Sequel::RecallRefused, CaseState::Refused),
        ];
        for (kin, is_there, state) in expected {
            // What the rules rejected has its end; whether rightly is the audit's business.
            if !is_there || ends(kin)[0] == Some(CaseState::Rejected) {
                continue;
            }
            if kin == Kin::Recall {
                self.tally.sequels.recalls += 1;
                self.tally.sequels.recalls_settled += u64::from(state == CaseState::Settled);
            }
            if ends(kin) != [Some(state); 2] {
                self.tally.disagree(Disagreement::CaseMistaken, flight.id);
            }
        }
    }

    /// An errand was refused before it was recorded: it is run again. What it asks for has an id, so that nothing is done twice.
    pub(super) fn errand_refused(&mut self, place: u32, ticket: u64, retry_ns: u64) {
        let progress = *self.flights.progress(place);
        let id = self.flights.at(place).id;
        if progress.ticket == ticket && progress.sender == self.place && self.flights.find(&id) == Some(place) {
            put(self.errands, (self.now_ns + retry_ns, (place, id), progress.errand));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A return of a slow provider was put off for a second, and a payment that was asked for stood behind it.
    #[test]
    fn what_is_put_off_holds_up_nothing_that_is_due_before() {
        let mut errands = VecDeque::new();
        for (at_ns, place) in [(1_000, 1), (20, 2), (20, 3), (500, 4)] {
            put(&mut errands, (at_ns, (place, NO_ID), Errand::Pay));
        }
        assert!(errands.iter().map(|(_, (place, _), _)| *place).eq([2, 3, 4, 1]));
    }
}
