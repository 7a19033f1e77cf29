//! What a provider asks of the directory, and hears from it.

use adapters::directory::LookupResult;
use adapters::message::{
    AliasFoundPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, ArchivedAliasFound,
    ErrorCode, Part, PaymentPrivate,
};

use super::Connection;
use super::hearing::Hearing;
use super::line::{Purpose, Said};
use crate::agreement;
use crate::flights::{Flight, Id};
use crate::limits::NS_PER_MS;
use crate::lookups::{Question, is_account_of};
use crate::tally::{Class, Disagreement};

impl Connection {
    /// Submits a payment order that names an alias. The caller has seen that there is room.
    pub(crate) fn submit_alias_order(
        &mut self,
        order: &AliasTransfer,
        private: &AliasTransferPrivate,
        place: u32,
        flight: &mut Flight,
    ) {
        self.say_order(&Said::AliasOrder(order, private), place, flight);
    }

    /// Submits a look-up, and gives its ticket. The caller has seen that there is room.
    pub(crate) fn submit_lookup(&mut self, lookup: &AliasLookup, private: &AliasLookupPrivate, place: u32) -> u64 {
        let said = self.line.say(&Said::AliasLookup(lookup, private), Purpose::Lookup(place));
        said.unwrap_or_else(|| unreachable!("the caller has seen that there is room"))
    }
}

impl Hearing<'_> {
    /// The connection was made again: what of its look-ups was answered and not acknowledged is answered once more.
    pub(super) fn lookups_sent_again(&mut self, frames: usize) {
        if let Some(aliases) = self.aliases.as_deref_mut() {
            aliases.sent_again(self.place, frames);
        }
    }

    /// The answer to a look-up.
    pub(crate) fn alias_found(&mut self, routing: &ArchivedAliasFound, private: &[u8]) {
        let id = routing.lookup_id;
        let Some(aliases) = self.aliases.as_deref_mut() else {
            return self.tally.disagree(Disagreement::AnswerAstray, id);
        };
        let Some(question) = aliases.take_answered(&id, self.place) else {
            if aliases.take_repeatable(self.place) {
                self.tally.lookups.answered_again += 1;
            } else {
                self.tally.disagree(Disagreement::AnswerAstray, id);
            }
            return;
        };
        let latency_ns = self.now_ns.saturating_sub(question.intended_ns);
        let result = LookupResult::from_number(routing.result);
        if result == Some(LookupResult::Limited) {
            aliases.wait(self.place, self.now_ns + u64::from(routing.retry_after_ms.to_native()) * NS_PER_MS);
            return self.tally.lookups.limit();
        }
        let is_found = result == Some(LookupResult::Found);
        self.tally.lookups.answer(is_found, latency_ns, self.is_in_time());
        let fact = (self.parties[self.place as usize], is_found, routing.position.to_native());
        self.tally.facts.looked_up.add(agreement::looked_up(&id, fact.0, fact.1, fact.2));
        if let Some(wrong) = self.judge_answer(&question, result, (&routing.participant, private)) {
            self.tally.disagree(wrong, id);
        }
    }

    /// What is wrong with an answer; none where nothing is.
    fn judge_answer(
        &self,
        question: &Question,
        result: Option<LookupResult>,
        (participant, private): (&[u8; 35], &[u8]),
    ) -> Option<Disagreement> {
        match (result, question.row) {
            (Some(LookupResult::NotFound), None) => None,
            (Some(LookupResult::Found), Some(row)) => {
                let owner = self.aliases.as_ref().map(|aliases| aliases.owner_of(row));
                let is_owners = owner.is_some_and(|owner| self.codes[owner].bytes() == participant);
                let private = AliasFoundPrivate::read(private);
                let is_right = is_owners && private.is_some_and(|private| is_account_of(row, &private.account));
                (!is_right).then_some(Disagreement::AnswerMistaken)
            }
            (Some(LookupResult::Found), None) => Some(Disagreement::NobodyFound),
            (_, Some(_)) => Some(Disagreement::AliasMissed),
            (_, None) => Some(Disagreement::AnswerMistaken),
        }
    }

    /// A look-up was refused before it was recorded.
    pub(super) fn lookup_refused(&mut self, place: u32, (code, ticket): (u16, u64), retry_ns: u64) {
        if let Some(aliases) = self.aliases.as_deref_mut()
            && aliases.take_refused(place, self.place, ticket).is_some()
        {
            aliases.wait(self.place, self.now_ns + retry_ns);
            self.tally.lookups.refuse(code);
        }
    }

    /// Of a payment under an alias: does the account belong to it?
    pub(super) fn is_account_of_alias(&self, id: &Id, private: &[u8]) -> bool {
        let row = self.aliases.as_ref().map(|aliases| aliases.row_of(id, self.place));
        let private = PaymentPrivate::read(private);
        row.is_some_and(|row| private.is_some_and(|private| is_account_of(row, &private.payee_account)))
    }

    /// A payment under an alias was refused. The alias is somebody's, so the only lawful reason that has to do with it is an empty bucket.
    pub(super) fn alias_order_refused(&mut self, id: Id, code: u16, class: Class) {
        match ErrorCode::from_number(code) {
            Some(ErrorCode::LookupLimited) => self.tally.transfers_limited += 1,
            Some(ErrorCode::AliasNotFound) => self.tally.disagree(Disagreement::PayeeMissed, id),
            _ => {}
        }
        self.tally.refuse(code, Some(class));
    }
}
