//! What a provider hears, whichever line brings it: each word is compared with what was ordered and with what others have heard, and counted.

use std::collections::{HashSet, VecDeque};

use adapters::message::{ErrorCode, NO_ID, Outcome, ParticipantCode};

use super::line::Purpose;
use super::{CURRENCY, Conduct};
use crate::agreement::{self, Party};
use crate::flights::{Flight, Flights, Id, Kin};
use crate::lookups::Aliases;
use crate::remembered::Remembered;
use crate::sequel::Errand;
use crate::tally::{Class, Disagreement, Ended, Tally};

/// A payment that waits for this provider's answer.
pub(crate) struct Forwarded<'a> {
    pub(crate) id: Id,
    pub(crate) payer: &'a [u8; 35],
    pub(crate) payee: &'a [u8; 35],
    pub(crate) amount: u64,
    pub(crate) currency: [u8; 3],
    pub(crate) lane: u8,
    /// `NO_ID` where it pays no request.
    pub(crate) request_id: Id,
    /// Read only of payments under an alias.
    pub(crate) private: &'a [u8],
}

/// Something was refused before it was recorded.
pub(crate) struct Refused {
    /// An `ErrorCode`.
    pub(crate) code: u16,
    pub(crate) ticket: u64,
    /// What it was for.
    pub(crate) purpose: Purpose,
    /// After so long it may be said again.
    pub(crate) retry_ns: u64,
    /// The switch closes the connection over it.
    pub(crate) is_fatal: bool,
}

/// Where the events of one receive go.
pub(crate) struct Hearing<'a> {
    pub(super) place: u32,
    pub(super) now_ns: u64,
    pub(super) offered_until_ns: u64,
    pub(super) has_asked: bool,
    pub(super) refused: Option<&'a mut HashSet<Id>>,
    pub(super) codes: &'a [ParticipantCode],
    pub(super) parties: &'a [Party],
    pub(super) conduct: Conduct,
    pub(super) flights: &'a mut Flights,
    pub(super) tally: &'a mut Tally,
    pub(super) answers: &'a mut VecDeque<(u64, Id)>,
    pub(super) errands: &'a mut VecDeque<(u64, (u32, Id), Errand)>,
    pub(super) remembered: &'a mut Option<Remembered>,
    pub(super) aliases: Option<&'a mut Aliases>,
    pub(super) busy_until_ns: &'a mut u64,
    pub(super) welcomes: u32,
    pub(super) is_welcomed: bool,
    pub(super) fatal: Option<String>,
}

impl Hearing<'_> {
    /// The switch has taken the provider in; so many of its submissions were sent again.
    pub(crate) fn welcomed(&mut self, resent: usize) {
        self.is_welcomed = true;
        self.lookups_sent_again(resent);
    }

    /// Does what is heard now count as brought while others were offered?
    pub(super) fn is_in_time(&self) -> bool {
        self.now_ns < self.offered_until_ns
    }

    /// The payee provider has it.
    pub(crate) fn forward(&mut self, forwarded: &Forwarded<'_>) {
        let id = forwarded.id;
        if !self.conduct.is_silent {
            self.answers.push_back((self.now_ns + self.conduct.answer_after_ns, id));
        }
        let Some(place) = self.flights.find(&id) else { return self.astray(id) };
        let flight = self.flights.at(place);
        if std::mem::replace(&mut flight.is_forwarded, true) {
            return self.tally.disagree(Disagreement::ForwardedTwice, id);
        }
        let Flight { payer, class, is_by_alias, .. } = *flight;
        let request = if flight.is_requested { self.flights.relative(place, Kin::Request) } else { NO_ID };
        let flight = self.flights.at(place);
        let is_as_ordered = flight.payee == self.place
            && forwarded.payee == self.codes[self.place as usize].bytes()
            && forwarded.payer == self.codes[payer as usize].bytes()
            && forwarded.amount == flight.amount
            && forwarded.currency == CURRENCY
            && forwarded.lane == class.lane() as u8
            && forwarded.request_id == request;
        let latency_ns = self.now_ns.saturating_sub(flight.intended_ns);
        if !is_as_ordered {
            self.tally.disagree(Disagreement::ForwardedAltered, id);
        }
        if is_by_alias && !self.is_account_of_alias(&id, forwarded.private) {
            self.tally.disagree(Disagreement::AccountMistaken, id);
        }
        let parties = [payer, self.place].map(|place| self.parties[place as usize]);
        let Forwarded { amount, currency, .. } = *forwarded;
        self.tally.facts.forwarded.add(agreement::forwarded(&id, parties[0], parties[1], amount, currency));
        self.tally.forward(class, self.place, latency_ns);
    }

    /// The payer or the payee provider learns what became of it.
    pub(crate) fn status(&mut self, id: Id, outcome: Outcome, reason: [u8; 4], numbered: bool) {
        let is_told = numbered && outcome.is_final();
        let Some(place) = self.flights.find(&id) else {
            if is_told {
                match self.flights.find_kin(&id).filter(|(_, kin)| kin.is_return()) {
                    Some((place, kin)) => self.return_status((place, kin, id), outcome),
                    None => self.astray(id),
                }
            } else {
                self.replied(id, outcome);
            }
            return;
        };
        if is_told {
            self.tally.facts.told.add(agreement::told(&id, self.parties[self.place as usize], outcome));
        }
        let Flight { payer, payee, .. } = *self.flights.at(place);
        if payer == self.place {
            self.status_at_payer(place, outcome, reason, numbered);
        } else if payee == self.place {
            self.status_at_payee(place, outcome, numbered);
        } else if outcome != Outcome::Unknown {
            self.tally.disagree(Disagreement::ToldStranger, id);
        }
        self.release(place);
    }

    /// What counts is the first word, whether it was numbered or answers a question or a repetition.
    fn status_at_payer(&mut self, place: u32, outcome: Outcome, reason: [u8; 4], numbered: bool) {
        let flight = self.flights.at(place);
        let id = flight.id;
        match (flight.outcome, outcome.is_final()) {
            (None, true) => {
                let latency_ns = self.now_ns.saturating_sub(flight.intended_ns);
                let Flight { payer, payee, amount, class, .. } = *flight;
                self.flights.end(place, outcome);
                let ended = Ended { payer, payee, amount, class, latency_ns, is_in_time: self.is_in_time() };
                self.tally.end(ended, outcome, reason);
                self.begin_after_outcome(place, outcome);
            }
            (Some(first), true) if first != outcome => self.tally.disagree(Disagreement::ToldOtherwise, id),
            (None, false) if outcome == Outcome::Unknown && flight.refused_again.is_some() => {
                let code = flight.refused_again.unwrap_or_default();
                return self.forget_refused(place, code);
            }
            _ => {}
        }
        if !numbered {
            return self.replied(id, outcome);
        }
        if outcome.is_final() && self.flights.at(place).payer_told.replace(outcome).is_some() {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
    }

    fn status_at_payee(&mut self, place: u32, outcome: Outcome, numbered: bool) {
        if !outcome.is_final() {
            return;
        }
        let flight = self.flights.at(place);
        let id = flight.id;
        let told = if numbered { flight.payee_told.replace(outcome) } else { flight.payee_told };
        if numbered && told.is_some() {
            self.tally.disagree(Disagreement::ToldTwice, id);
        }
        if told.is_some_and(|told| told != outcome) {
            self.tally.disagree(Disagreement::ToldOtherwise, id);
        }
        if numbered && told.is_none() && outcome == Outcome::Committed {
            self.begin_return(place);
        }
    }

    /// Lets go of a payment of which everybody has heard, and looks whether they heard the same.
    pub(super) fn release(&mut self, place: u32) {
        let flight = *self.flights.at(place);
        if !self.flights.release(place) {
            return;
        }
        if flight.payee_told.is_some_and(|told| Some(told) != flight.outcome) {
            self.tally.disagree(Disagreement::SidesDiffer, flight.id);
        }
        if flight.outcome == Some(Outcome::Committed) && !flight.is_forwarded {
            self.tally.disagree(Disagreement::Unasked, flight.id);
        }
        self.judge_cases(place, &flight);
    }

    /// Somebody hears of a payment that is none. Those of earlier runs and of others are not this run's business.
    pub(super) fn astray(&mut self, id: Id) {
        if self.flights.run().made(&id) {
            self.tally.disagree(Disagreement::Astray, id);
        }
    }

    /// The answer to a question or to a repetition.
    fn replied(&mut self, id: Id, outcome: Outcome) {
        if !self.flights.run().made(&id) {
            return;
        }
        self.tally.repeated_answered += u64::from(!self.has_asked);
        if outcome == Outcome::Duplicate {
            self.tally.disagree(Disagreement::RepetitionMistaken, id);
        }
    }

    /// Refused before it was recorded: for the switch it never was.
    pub(crate) fn refused(&mut self, refused: Refused) {
        let Refused { code, ticket, purpose, retry_ns, is_fatal } = refused;
        if let Purpose::Errand(place) = purpose {
            self.errand_refused(place, ticket, retry_ns);
        }
        let order = match purpose {
            Purpose::Order(place) if self.flights.is_order(place, self.place, ticket) => Some(place),
            _ => None,
        };
        match order.map(|place| (place, *self.flights.at(place))) {
            // What was asked for is paid, however often that takes.
            Some((place, flight)) if flight.is_requested => {
                self.errand_refused(place, ticket, retry_ns);
                self.tally.refuse(code, None);
            }
            // Where it was sent twice, one may have been recorded and the other refused: the drain will ask.
            Some((place, flight)) if flight.first_sent_on != self.welcomes || flight.is_repeated => {
                self.flights.at(place).refused_again = Some(code);
            }
            Some((_, flight)) if flight.outcome.is_some() => self.tally.disagree(Disagreement::Astray, flight.id),
            Some((place, flight)) => {
                // Nothing of a flood is submitted again.
                if let Some(refused) = self.refused.as_mut().filter(|_| flight.class != Class::Flood) {
                    refused.insert(flight.id);
                }
                self.forget_refused(place, code);
            }
            None => match purpose {
                Purpose::Lookup(place) => {
                    self.lookup_refused(place, (code, ticket), retry_ns);
                    return self.end_if(is_fatal, code);
                }
                _ => self.tally.refuse(code, None),
            },
        }
        // An empty bucket holds up nothing but look-ups, and payments of one end user.
        if code != ErrorCode::LookupLimited as u16 {
            *self.busy_until_ns = (*self.busy_until_ns).max(self.now_ns + retry_ns);
        }
        self.end_if(is_fatal, code);
    }

    /// For the switch it never was.
    fn forget_refused(&mut self, place: u32, code: u16) {
        let Flight { id, class, is_by_alias, .. } = *self.flights.at(place);
        self.flights.forget(place);
        if is_by_alias {
            return self.alias_order_refused(id, code, class);
        }
        self.tally.refuse(code, Some(class));
    }

    /// What had this ticket was sent more than once: if this one is refused, the other may yet be taken.
    pub(crate) fn may_be_recorded(&mut self, ticket: u64, purpose: Purpose) {
        if let Purpose::Order(place) = purpose
            && self.flights.is_order(place, self.place, ticket)
        {
            self.flights.at(place).is_repeated = true;
        }
    }

    fn end_if(&mut self, is_fatal: bool, code: u16) {
        if is_fatal {
            let name = ErrorCode::from_number(code).map_or("an unknown error", ErrorCode::name);
            self.fatal = Some(format!("the switch closed the connection of {}: {name}", self.place + 1));
        }
    }

    /// The switch has it on disk.
    pub(crate) fn acknowledged(&mut self, ticket: u64, purpose: Purpose) {
        // The place may be another payment's by now, if this one was refused.
        let Purpose::Order(place) = purpose else { return };
        if !self.flights.is_order(place, self.place, ticket) {
            return;
        }
        let Flight { intended_ns, class, .. } = *self.flights.at(place);
        self.flights.accept(place);
        self.tally.accept(class, self.place, self.now_ns.saturating_sub(intended_ns));
    }
}
