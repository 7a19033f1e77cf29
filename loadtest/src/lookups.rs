//! Aliases under load: who is looked up, who is paid under an alias, and look-ups that wait for their answer.
//!
//! What an alias leads to is a function of its row (`aliases`), and the row under which a payment is sent is a function of its id: nothing of them is remembered, and every
//! answer can be judged. A look-up's id says where its record lies, as a payment's does (`flights`).

use std::fmt::Write;

use adapters::directory::{AliasType, LookupForm, LookupPurpose};
use adapters::message::{AliasLookup, AliasLookupPrivate, AliasTransferPrivate, Part, PaymentPrivate};

use crate::aliases::{account_of, number_of, number_of_nobody};
use crate::draw::Draw;
use crate::flights::{Id, RunNumber, id_of, place_of};
use crate::limits::{ALIASES_MAX, LOOKUPS_MAX};
use crate::plan::{AliasPlan, LookupLoad};
use crate::schedule::{Arrivals, Schedule};

/// No question has it: it is no version-4 UUID.
const FREE: Id = [0; 16];

/// A look-up that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// `FREE` where the place is free.
    pub(crate) id: Id,
    /// When it was to be sent: its latency counts from here.
    pub(crate) intended_ns: u64,
    /// Of the asker's session.
    pub(crate) ticket: u64,
    /// Place of the asker's connection.
    pub(crate) asker: u32,
    /// Whose alias was asked for; none where it is nobody's.
    pub(crate) row: Option<u64>,
}

/// All that concerns aliases, of all providers.
pub(crate) struct Aliases {
    count: u64,
    participants: u64,
    missed_percent: u32,
    end_users: usize,
    draw: Draw,
    run: RunNumber,
    places: Vec<Question>,
    /// Last in, first out: few places are used again and again, and stay in the cache.
    free: Vec<u32>,
    max: u32,
    /// What is sent of the next look-up. Its memory is kept.
    asked: AliasLookupPrivate,
    /// What everyday payments say in private, but for alias and end user, which are put in for each. Memory is kept.
    ordered: Vec<AliasTransferPrivate>,
    /// Look-ups of each connection that may be answered twice, because they were sent twice.
    repeatable: Vec<usize>,
    /// Until when each connection asks nothing of its own will.
    waits_until_ns: Vec<u64>,
}

impl Aliases {
    pub(crate) fn new(plan: &AliasPlan, participants: usize, run: RunNumber, private_parts: &[Vec<u8>]) -> Aliases {
        let max = if let LookupLoad::Closed { in_flight } = plan.lookups { in_flight } else { LOOKUPS_MAX };
        assert!((1..=LOOKUPS_MAX).contains(&max));
        Aliases {
            count: plan.count,
            participants: participants as u64,
            missed_percent: plan.missed_percent,
            end_users: (plan.end_users as usize / participants).max(1),
            draw: Draw::new(),
            run,
            places: Vec::new(),
            free: Vec::new(),
            max,
            asked: AliasLookupPrivate::default(),
            ordered: private_parts.iter().map(|part| without_alias(part)).collect(),
            repeatable: vec![0; participants],
            waits_until_ns: vec![0; participants],
        }
    }

    /// Whose an alias is: place of its connection.
    pub(crate) fn owner_of(&self, row: u64) -> usize {
        usize::try_from(row % self.participants).unwrap_or(0)
    }

    /// Under which of the payee's aliases a payment is sent.
    pub(crate) fn row_of(&self, id: &Id, payee: u32) -> u64 {
        let payee = u64::from(payee);
        let rows = (self.count - payee).div_ceil(self.participants);
        let [a, b, c, d, e, f, g, h, ..] = *id;
        // Not all bits of an id are random.
        let mixed = u64::from_le_bytes([a, b, c, d, e, f, g, h]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let drawn = u128::from(mixed ^ mixed >> 32) * u128::from(rows);
        let [.., i, j, k, l, m, n, o, p] = drawn.to_le_bytes();
        payee + self.participants * u64::from_le_bytes([i, j, k, l, m, n, o, p])
    }

    /// What a payment under an alias says in private.
    pub(crate) fn order_private(&mut self, id: &Id, payee: u32, part: usize) -> &AliasTransferPrivate {
        let row = self.row_of(id, payee);
        let end_user = self.draw.below(self.end_users);
        let private = &mut self.ordered[part];
        set(&mut private.alias, &number_of(row));
        set_end_user(&mut private.end_user, end_user);
        private
    }

    /// How many look-ups have no answer.
    pub(crate) fn open(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Is there room for one more?
    pub(crate) fn has_room(&self) -> bool {
        self.open() < self.max as usize
    }

    /// Who asks next, by lot, of those who may: given their place and until when they wait.
    pub(crate) fn draw_asker(&mut self, count: usize, may_ask: impl Fn(usize, u64) -> bool) -> Option<usize> {
        let first = self.draw.below(count);
        let mut places = (first..first + count).map(|place| place % count);
        places.find(|&place| may_ask(place, self.waits_until_ns[place]))
    }

    /// A new look-up, and its place.
    pub(crate) fn ask(&mut self, asker: u32, intended_ns: u64) -> (u32, AliasLookup, &AliasLookupPrivate) {
        assert!(self.has_room());
        let row = if self.draw.is_one_of(self.missed_percent) { None } else { Some(self.draw_below(self.count)) };
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Question { id: FREE, intended_ns: 0, ticket: 0, asker: 0, row: None });
            u32::try_from(self.places.len() - 1).unwrap_or_else(|_| unreachable!("places are bounded"))
        });
        let id = id_of(place, self.run, &mut self.draw);
        self.places[place as usize] = Question { id, intended_ns, ticket: 0, asker, row };
        let alias = row.map_or_else(|| number_of_nobody(self.draw_below(ALIASES_MAX)), number_of);
        let end_user = self.draw.below(self.end_users);
        set(&mut self.asked.alias, &alias);
        set_end_user(&mut self.asked.end_user, end_user);
        let lookup = AliasLookup {
            lookup_id: id,
            form: LookupForm::Lookup as u8,
            purpose: LookupPurpose::Payment as u8,
            alias_type: AliasType::Mobile as u8,
            participant: [0; 35],
        };
        (place, lookup, &self.asked)
    }

    /// It was handed to a session.
    pub(crate) fn sent(&mut self, place: u32, ticket: u64) {
        self.places[place as usize].ticket = ticket;
    }

    /// Takes the look-up with this id of this asker, if it waits.
    pub(crate) fn take_answered(&mut self, id: &Id, asker: u32) -> Option<Question> {
        let place = place_of(id);
        let question = *self.places.get(place as usize)?;
        (question.id == *id && *id != FREE && question.asker == asker).then(|| self.take(place))
    }

    /// Takes the look-up that was sent with this ticket, if it waits.
    pub(crate) fn take_refused(&mut self, place: u32, asker: u32, ticket: u64) -> Option<Question> {
        let question = *self.places.get(place as usize)?;
        (question.id != FREE && question.asker == asker && question.ticket == ticket).then(|| self.take(place))
    }

    fn take(&mut self, place: u32) -> Question {
        let question = &mut self.places[place as usize];
        let taken = *question;
        question.id = FREE;
        self.free.push(place);
        taken
    }

    /// A connection was made again, and so many frames were sent again: those among them that had been answered are answered once more.
    pub(crate) fn sent_again(&mut self, asker: u32, frames: usize) {
        self.repeatable[asker as usize] += frames;
    }

    /// May an answer come that nobody waits for?
    pub(crate) fn take_repeatable(&mut self, asker: u32) -> bool {
        let left = &mut self.repeatable[asker as usize];
        let is_one = *left > 0;
        *left -= usize::from(is_one);
        is_one
    }

    /// This provider was told to come again later. Only who asks in a closed loop does.
    pub(crate) fn wait(&mut self, asker: u32, until_ns: u64) {
        let waits = &mut self.waits_until_ns[asker as usize];
        *waits = until_ns.max(*waits);
    }

    /// When the first of them asks again.
    pub(crate) fn next_asks_ns(&self) -> u64 {
        self.waits_until_ns.iter().copied().min().unwrap_or(0)
    }

    fn draw_below(&mut self, bound: u64) -> u64 {
        self.draw.below(usize::try_from(bound).unwrap_or(usize::MAX)) as u64
    }
}

/// Is this the account that the alias of this row leads to?
pub(crate) fn is_account_of(row: u64, account: &[u8]) -> bool {
    account_of(row).as_bytes() == account
}

fn set(field: &mut Vec<u8>, text: &str) {
    field.clear();
    field.extend_from_slice(text.as_bytes());
}

/// As a provider would make it for its customer: no name, no number.
fn set_end_user(field: &mut Vec<u8>, number: usize) {
    field.clear();
    let mut text = String::from_utf8(std::mem::take(field)).unwrap_or_default();
    let _ = write!(text, "customer-{number:09}");
    *field = text.into_bytes();
}

/// What an everyday payment says, for one under an alias: the payee's account is the directory's to say.
fn without_alias(part: &[u8]) -> AliasTransferPrivate {
    let Some(private) = PaymentPrivate::read(part) else { unreachable!("private parts are made valid") };
    AliasTransferPrivate {
        payer_name: private.payer_name.to_vec(),
        payer_account: private.payer_account.to_vec(),
        payee_name: private.payee_name.to_vec(),
        end_to_end_id: private.end_to_end_id.to_vec(),
        remittance: private.remittance.to_vec(),
        ..AliasTransferPrivate::default()
    }
}

/// Look-ups as they are worked off.
pub(crate) enum Asking {
    /// None.
    Nothing,
    /// On schedule.
    Open { schedule: Schedule, arrivals: Arrivals },
    /// For each that is answered.
    Closed,
}

impl Asking {
    pub(crate) fn of(plan: Option<&AliasPlan>) -> Asking {
        match plan.map(|plan| &plan.lookups) {
            None | Some(LookupLoad::Nothing) => Asking::Nothing,
            Some(LookupLoad::Closed { .. }) => Asking::Closed,
            Some(LookupLoad::Open(schedule)) => {
                Asking::Open { schedule: schedule.clone(), arrivals: schedule.arrivals() }
            }
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Asking::Nothing)
    }

    /// Was all of the schedule asked?
    pub(crate) fn is_done(&self) -> bool {
        if let Asking::Open { arrivals, .. } = self { arrivals.peek().is_none() } else { true }
    }

    /// Look-ups a second that are due, and how many fell due and were not sent.
    pub(crate) fn due(&self, elapsed_ns: u64) -> (u64, u64) {
        let Asking::Open { schedule, arrivals } = self else { return (0, 0) };
        let sent_ns = arrivals.peek().unwrap_or(elapsed_ns);
        (schedule.rate_at(elapsed_ns), schedule.due_between(sent_ns, elapsed_ns))
    }

    /// How many fell due and were never sent.
    pub(crate) fn unsent(self, offered_ns: u64) -> u64 {
        if let Asking::Open { arrivals, .. } = self { arrivals.left_before(offered_ns) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::private_parts;

    fn aliases(count: u64, participants: usize, missed_percent: u32) -> Aliases {
        let lookups = LookupLoad::Closed { in_flight: 8 };
        let plan = AliasPlan { count, lookups, missed_percent, end_users: 100, tokens: 20 };
        Aliases::new(&plan, participants, RunNumber::new(&mut Draw::seeded(1)), &private_parts())
    }

    #[test]
    fn a_payment_names_an_alias_of_its_payee_and_every_alias_is_named() {
        let mut draw = Draw::seeded(3);
        let mut all = aliases(10, 3, 0);
        let mut named = [0; 10];
        for number in 0..3_000 {
            let id = id_of(number, all.run, &mut draw);
            let row = all.row_of(&id, number % 3);
            assert_eq!(all.owner_of(row), number as usize % 3);
            assert_eq!(row, all.row_of(&id, number % 3), "the id says it");
            named[usize::try_from(row).expect("it is below ten")] += 1;
            let private = all.order_private(&id, number % 3, 5);
            assert_eq!(private.alias, number_of(row).as_bytes());
            assert!(private.end_user.starts_with(b"customer-0000000") && !private.payer_name.is_empty());
        }
        assert!(named.iter().all(|&count| count > 150), "{named:?}");
    }

    #[test]
    fn an_answer_belongs_to_one_question_and_is_taken_once() {
        let mut all = aliases(100, 2, 0);
        let asked: Vec<(u32, Id)> = (0..8).map(|asker| (asker % 2, all.ask(asker % 2, 5).1.lookup_id)).collect();
        assert!(!all.has_room() && all.open() == 8);
        for &(asker, id) in &asked {
            assert_eq!(all.take_answered(&id, 1 - asker), None, "another provider's question");
            let question = all.take_answered(&id, asker).expect("it waits");
            assert!(question.id == id && question.row.is_some_and(|row| row < 100));
            assert_eq!(all.take_answered(&id, asker), None, "it was answered");
        }
        assert_eq!((all.open(), all.take_answered(&FREE, 0)), (0, None));
        let (place, lookup, _) = all.ask(1, 9);
        all.sent(place, 7);
        assert_eq!(all.take_refused(place, 1, 6), None, "the place was another's");
        assert_eq!(all.take_refused(place, 1, 7).map(|question| question.id), Some(lookup.lookup_id));
        assert_eq!(all.take_refused(place, 1, 7), None);
    }

    #[test]
    fn aliases_of_nobody_are_in_no_row() {
        let mut all = aliases(100, 2, 100);
        let (place, _, private) = all.ask(0, 0);
        assert!(private.alias.starts_with(b"+2541") && private.alias.len() == number_of(0).len());
        assert_eq!(all.places[place as usize].row, None);
    }

    #[test]
    fn only_what_was_sent_twice_is_answered_twice() {
        let mut all = aliases(100, 2, 0);
        assert!(!all.take_repeatable(1));
        all.sent_again(1, 2);
        assert!(!all.take_repeatable(0) && all.take_repeatable(1) && all.take_repeatable(1) && !all.take_repeatable(1));
    }
}
