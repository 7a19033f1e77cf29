//! What became of the payments: counts and latencies.
//!
//! Every payment that was offered ends in exactly one of five ways, so `offered = committed + rejected + expired + busy + unknown` at the end of every
//! run; `settle` asserts it.

use std::collections::BTreeMap;

use adapters::message::{ErrorCode, Lane, Outcome, PaymentId};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::agreement::Facts;
use crate::limits::{LATE_NS, NS_PER_S};

/// Latencies of one leg, in nanoseconds from the intended time.
#[derive(Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// The longest latency that is told apart: ten minutes.
const LATENCY_NS_MAX: u64 = 600 * NS_PER_S;

/// Of the histogram in the report: ten bars for each power of ten.
const BARS_PER_DECADE: f64 = 1.258_925_411_794_167_3;

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies::with_digits(3)
    }
}

impl Latencies {
    /// Differences of half a microsecond; so many digits.
    fn with_digits(digits: u8) -> Latencies {
        let histogram = Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, digits);
        Latencies { histogram: histogram.unwrap_or_else(|_| unreachable!("the bounds are right")) }
    }

    /// Two digits, for figures of which there are many: 25 KiB instead of 170.
    pub fn coarse() -> Latencies {
        Latencies::with_digits(2)
    }

    /// Counts one.
    pub fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency in microseconds that this share of the payments did not exceed; 0 where none was counted.
    pub fn at(&self, quantile: f64) -> u64 {
        // A bucket is read at its upper end, which may lie above the longest.
        to_us(self.histogram.value_at_quantile(quantile)).min(self.max_us())
    }

    /// The longest, in microseconds.
    pub fn max_us(&self) -> u64 {
        to_us(self.histogram.max())
    }

    /// Upper ends in microseconds, and how many lie below each and above the one before. Ends with the longest.
    pub fn bars(&self) -> Vec<(u64, u64)> {
        let steps = self.histogram.iter_log(10_000, BARS_PER_DECADE);
        let bars = steps.map(|step| (to_us(step.value_iterated_to()), step.count_since_last_iteration()));
        bars.skip_while(|bar| bar.1 == 0).collect()
    }

    /// Forgets everything; the memory is kept.
    pub fn clear(&mut self) {
        self.histogram.reset();
    }
}

/// Rounded to the nearest.
fn to_us(ns: u64) -> u64 {
    (ns + 500) / 1_000
}

/// Three legs of a payment's way, all from the intended time.
#[derive(Clone)]
pub struct Legs {
    /// To the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted: Latencies,
    /// To the payee provider's receipt of the `Forward`.
    pub forwarded: Latencies,
    /// To the final status at the payer provider.
    pub last: Latencies,
}

impl Legs {
    /// Two digits.
    pub fn coarse() -> Legs {
        Legs { accepted: Latencies::coarse(), forwarded: Latencies::coarse(), last: Latencies::coarse() }
    }

    /// Forgets everything; the memory is kept.
    fn clear(&mut self) {
        let Legs { accepted, forwarded, last } = self;
        [accepted, forwarded, last].into_iter().for_each(Latencies::clear);
    }
}

/// Whose figures a payment is in. The figures that have no other name are retail's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// What somebody waits for.
    #[default]
    Retail,
    /// What goes in the bulk lane.
    Bulk,
    /// What a provider sends that floods, and what is paid to it meanwhile: its answers stand behind its own orders.
    Flood,
}

impl Class {
    /// In which lane its payments go.
    pub fn lane(self) -> Lane {
        if self == Class::Bulk { Lane::Bulk } else { Lane::Payments }
    }
}

/// What is counted apart: it is in the counts of the run, and in no percentile of the others.
#[derive(Clone)]
pub struct Apart {
    /// Payments that were handed to a session.
    pub offered: u64,
    /// Final: the money moved.
    pub committed: u64,
    /// Of these, those that came while payments were being offered.
    pub committed_in_time: u64,
    /// Final: refused.
    pub rejected: u64,
    /// Final: not answered in time.
    pub expired: u64,
    /// Refused before sequencing.
    pub busy: u64,
    /// From the intended time, as those of retail.
    pub legs: Legs,
    /// To the final status, of committed payments alone.
    pub total_of_committed: Latencies,
    /// Committed since the last sample.
    pub window_committed: u64,
    /// To the final status, since the last sample.
    pub window_last: Latencies,
}

impl Default for Apart {
    fn default() -> Apart {
        Apart {
            offered: 0,
            committed: 0,
            committed_in_time: 0,
            rejected: 0,
            expired: 0,
            busy: 0,
            legs: Legs::coarse(),
            total_of_committed: Latencies::default(),
            window_committed: 0,
            window_last: Latencies::coarse(),
        }
    }
}

impl Apart {
    /// No outcome.
    pub fn unknown(&self) -> u64 {
        self.offered - self.committed - self.rejected - self.expired - self.busy
    }

    fn end(&mut self, ended: Ended, outcome: Outcome) {
        match outcome {
            Outcome::Committed => {
                self.committed += 1;
                self.committed_in_time += u64::from(ended.is_in_time);
                self.window_committed += 1;
                self.total_of_committed.record(ended.latency_ns);
            }
            Outcome::Rejected => self.rejected += 1,
            Outcome::Expired => self.expired += 1,
            Outcome::InFlight | Outcome::Unknown | Outcome::Duplicate => unreachable!("the caller has looked"),
        }
        self.legs.last.record(ended.latency_ns);
        self.window_last.record(ended.latency_ns);
    }
}

/// What happened since the last sample was taken.
pub struct Window {
    /// Payments that were handed to a session.
    pub offered: u64,
    /// Final: the money moved.
    pub committed: u64,
    /// Final otherwise, or refused.
    pub failed: u64,
    /// Latencies.
    pub legs: Legs,
}

impl Default for Window {
    fn default() -> Window {
        Window { offered: 0, committed: 0, failed: 0, legs: Legs::coarse() }
    }
}

impl Window {
    /// Begins anew; the memory is kept.
    pub fn clear(&mut self) {
        (self.offered, self.committed, self.failed) = (0, 0, 0);
        self.legs.clear();
    }
}

/// What no provider may ever see. Each is money lost, doubled or altered in somebody's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// A payee provider was asked twice, under two numbers.
    ForwardedTwice,
    /// A payee provider was asked with another payer, amount or currency than was ordered, or was the wrong one.
    ForwardedAltered,
    /// A provider was told twice, under two numbers.
    ToldTwice,
    /// A provider was told of one outcome and then of another.
    ToldOtherwise,
    /// Payer and payee provider were told different outcomes.
    SidesDiffer,
    /// It was committed, and the payee provider was never asked.
    Unasked,
    /// A provider was told of a payment in which it has no part.
    ToldStranger,
    /// Somebody heard of a payment that was over already, or that had been refused.
    Astray,
    /// A repetition of an order was taken for another order.
    RepetitionMistaken,
    /// More or less came back than was returned, or of another payment, or to the wrong provider.
    ReturnAltered,
    /// A provider was asked something else than was opened, or was the wrong one.
    CaseAltered,
    /// A case ended otherwise than its answers say: a request that was paid is settled, one that was not is refused.
    CaseMistaken,
    /// A payment under an alias reached another account.
    AccountMistaken,
    /// A payment under an alias was refused because nobody has it, and somebody has.
    PayeeMissed,
    /// A look-up was answered with another account than the alias leads to, or with what is no answer.
    AnswerMistaken,
    /// A look-up of an alias that nobody has was answered with an account.
    NobodyFound,
    /// A look-up of an alias that somebody has was answered as if nobody had.
    AliasMissed,
    /// An answer came that nobody waits for.
    AnswerAstray,
    /// A message came that is not as its schema and the profile say, or is none that anybody waits for.
    MessageMistaken,
}

impl Disagreement {
    /// In the report's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Disagreement::ForwardedTwice => "forwarded_twice",
            Disagreement::ForwardedAltered => "forwarded_altered",
            Disagreement::ToldTwice => "told_twice",
            Disagreement::ToldOtherwise => "told_otherwise",
            Disagreement::SidesDiffer => "sides_differ",
            Disagreement::Unasked => "unasked",
            Disagreement::ToldStranger => "told_stranger",
            Disagreement::Astray => "astray",
            Disagreement::RepetitionMistaken => "repetition_mistaken",
            Disagreement::ReturnAltered => "return_altered",
            Disagreement::CaseAltered => "case_altered",
            Disagreement::CaseMistaken => "case_mistaken",
            Disagreement::AccountMistaken => "account_mistaken",
            Disagreement::PayeeMissed => "payee_missed",
            Disagreement::AnswerMistaken => "answer_mistaken",
            Disagreement::NobodyFound => "nobody_found",
            Disagreement::AliasMissed => "alias_missed",
            Disagreement::AnswerAstray => "answer_astray",
            Disagreement::MessageMistaken => "message_mistaken",
        }
    }

    /// What it happens to.
    fn of(self, count: u64) -> &'static str {
        match self {
            Disagreement::AnswerMistaken
            | Disagreement::NobodyFound
            | Disagreement::AliasMissed
            | Disagreement::AnswerAstray => lookups(count),
            _ => payments(count),
        }
    }

    /// For people, after a number of payments.
    fn text(self) -> &'static str {
        match self {
            Disagreement::ForwardedTwice => "forwarded twice to the payee provider",
            Disagreement::ForwardedAltered => "forwarded otherwise than they were ordered",
            Disagreement::ToldTwice => "told twice to the same provider",
            Disagreement::ToldOtherwise => "told with two outcomes to the same provider",
            Disagreement::SidesDiffer => "told with different outcomes to payer and payee provider",
            Disagreement::Unasked => "committed without asking the payee provider",
            Disagreement::ToldStranger => "told to a provider that has no part in them",
            Disagreement::Astray => "heard of again after they were over or refused",
            Disagreement::RepetitionMistaken => "taken for other payments when they were submitted again",
            Disagreement::ReturnAltered => "returned otherwise than they were sent back",
            Disagreement::CaseAltered => "asked for, or back, otherwise than the case was opened",
            Disagreement::CaseMistaken => "whose case ended otherwise than it was answered",
            Disagreement::AccountMistaken => "forwarded to another account than their alias leads to",
            Disagreement::PayeeMissed => "refused as if nobody had their alias (were so many aliases imported?)",
            Disagreement::AnswerMistaken => {
                "answered with another account than the alias leads to, or with what is no answer"
            }
            Disagreement::NobodyFound => "answered with an account, and nobody has the alias",
            Disagreement::AliasMissed => "answered as if nobody had the alias (were so many aliases imported?)",
            Disagreement::AnswerAstray => "answered twice, or never asked",
            Disagreement::MessageMistaken => "told in a message that is not as it must be",
        }
    }
}

/// The payments of one disagreement.
#[derive(Clone, Copy, Debug)]
pub struct Disagreed {
    /// How many. One that goes wrong is often heard of twice in a row, of its return and of its case: it counts once.
    pub payments: u64,
    /// The first of them.
    pub first: [u8; 16],
    latest: [u8; 16],
}

/// What came before and after payments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sequels {
    /// Payments that were asked for, and are over.
    pub requests: u64,
    /// Of these, those that were paid.
    pub requests_paid: u64,
    /// Requests that the rules rejected: they are among the payments rejected.
    pub requests_rejected: u64,
    /// Returns that went back.
    pub returns: u64,
    /// What went back in them, in minor units.
    pub returned_amount: u64,
    /// Returns that the rules rejected.
    pub returns_rejected: u64,
    /// Recalls that are over.
    pub recalls: u64,
    /// Of these, those that were answered by a return.
    pub recalls_settled: u64,
    /// Payments whose returns or cases have no end.
    pub unfinished: u64,
}

/// Look-ups of aliases: `asked = found + missed + limited + refused + unanswered`.
#[derive(Default)]
pub struct Lookups {
    /// Handed to a session.
    pub asked: u64,
    /// Answered: whose account it is.
    pub found: u64,
    /// Answered: nobody's.
    pub missed: u64,
    /// A bucket held too little.
    pub limited: u64,
    /// Refused before they were recorded, by error code.
    pub refusals: BTreeMap<u16, u64>,
    /// Of `found` and `missed`, those that came while there was load.
    pub answered_in_time: u64,
    /// Answers to what was sent again after a connection broke, and had been answered before.
    pub answered_again: u64,
    /// Sent more than `LATE_NS` after they fell due, for whatever reason.
    pub late: u64,
    /// From the intended time to when the look-up was really sent.
    pub sent: Latencies,
    /// From the intended time to the answer: found, or not found.
    pub answered: Latencies,
    /// Since the last sample.
    pub window: LookupWindow,
}

impl Lookups {
    /// One is sent.
    pub fn ask(&mut self, late_ns: u64) {
        self.asked += 1;
        self.window.asked += 1;
        self.sent.record(late_ns);
        self.late += u64::from(late_ns > LATE_NS);
    }

    /// One is answered, with found or not found.
    pub fn answer(&mut self, is_found: bool, latency_ns: u64, is_in_time: bool) {
        *if is_found { &mut self.found } else { &mut self.missed } += 1;
        self.answered_in_time += u64::from(is_in_time);
        self.answered.record(latency_ns);
        self.window.answered += 1;
        self.window.latencies.record(latency_ns);
    }

    /// A bucket held too little for one.
    pub fn limit(&mut self) {
        self.limited += 1;
        self.window.failed += 1;
    }

    /// One is refused before it was recorded.
    pub fn refuse(&mut self, code: u16) {
        *self.refusals.entry(code).or_default() += 1;
        self.window.failed += 1;
    }

    /// What has no answer.
    pub fn unanswered(&self) -> u64 {
        self.asked - self.found - self.missed - self.limited - self.refusals.values().sum::<u64>()
    }
}

/// Look-ups since the last sample was taken.
pub struct LookupWindow {
    /// Sent.
    pub asked: u64,
    /// Answered with found or not found.
    pub answered: u64,
    /// Limited, or refused.
    pub failed: u64,
    /// Of those that were answered.
    pub latencies: Latencies,
}

impl Default for LookupWindow {
    fn default() -> LookupWindow {
        LookupWindow { asked: 0, answered: 0, failed: 0, latencies: Latencies::coarse() }
    }
}

impl LookupWindow {
    /// Begins anew; the memory is kept.
    fn clear(&mut self) {
        (self.asked, self.answered, self.failed) = (0, 0, 0);
        self.latencies.clear();
    }
}

/// Everything that is counted in a run.
#[derive(Default)]
pub struct Tally {
    /// Payments that were handed to a session.
    pub offered: u64,
    /// Final at the payer provider: the money moved.
    pub committed: u64,
    /// Final at the payer provider: refused.
    pub rejected: u64,
    /// Final at the payer provider: not answered in time.
    pub expired: u64,
    /// Refused before sequencing, for whatever reason.
    pub busy: u64,
    /// No outcome, though it was asked for.
    pub unknown: u64,
    /// They have an outcome, and one of the providers was not told of it by number.
    pub untold: u64,
    /// Of `committed`, those that came while payments were being offered.
    pub committed_in_time: u64,
    /// Why payments were rejected or expired.
    pub reasons: BTreeMap<[u8; 4], u64>,
    /// Why frames were refused before sequencing.
    pub refusals: BTreeMap<u16, u64>,
    /// Connections that were made again after they broke.
    pub reconnects: u64,
    /// Orders that were submitted again though they had been taken: how often, and how often that was answered.
    pub repeated: u64,
    /// See `repeated`.
    pub repeated_answered: u64,
    /// Sent more than `LATE_NS` after they fell due, because the generator was not there in time.
    pub late: u64,
    /// Sent so late because the switch took nothing more.
    pub held_back: u64,
    /// From the intended time to when the payment was really sent: what the generator, or a full queue, is to blame for.
    pub sent: Latencies,
    /// From the intended time to the final status at the payer provider.
    pub total: Latencies,
    /// The same, of committed payments alone.
    pub total_of_committed: Latencies,
    /// From the intended time to the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted: Latencies,
    /// From the intended time to the payee provider's receipt of the `Forward`.
    pub forwarded: Latencies,
    /// The same by participant, in the order of connections: accepted and final by payer, forwarded by payee.
    pub participants: Vec<Legs>,
    /// Payments in the bulk lane; none where there are none.
    pub bulk: Option<Box<Apart>>,
    /// Payments of a flood; none where there is none.
    pub flood: Option<Box<Apart>>,
    /// What came before and after payments.
    pub sequels: Sequels,
    /// Payments that named an alias, of all that were offered.
    pub transfers: u64,
    /// Of these, those for which a bucket held too little: they are among `busy`.
    pub transfers_limited: u64,
    /// Look-ups of aliases.
    pub lookups: Box<Lookups>,
    /// Since the last sample.
    pub window: Window,
    /// What the ledger must agree with.
    pub facts: Facts,
    /// What each participant has received less what it has paid, in minor units, in the order of connections.
    pub flows: Vec<i128>,
    /// Of how many payments, and the id of the first.
    pub disagreements: BTreeMap<Disagreement, Disagreed>,
}

impl Tally {
    /// For so many participants.
    pub fn of(participants: usize) -> Tally {
        Tally { participants: vec![Legs::coarse(); participants], flows: vec![0; participants], ..Tally::default() }
    }

    /// The warm-up is over. Counts stay.
    pub fn forget_latencies(&mut self) {
        let Tally { sent, total, total_of_committed, accepted, forwarded, participants, bulk, flood, .. } = self;
        [sent, total, total_of_committed, accepted, forwarded].into_iter().for_each(Latencies::clear);
        participants.iter_mut().for_each(Legs::clear);
        for apart in [bulk, flood].into_iter().flatten() {
            apart.legs.clear();
            apart.total_of_committed.clear();
        }
        [&mut self.lookups.sent, &mut self.lookups.answered].into_iter().for_each(Latencies::clear);
    }

    /// A sample was taken.
    pub fn clear_window(&mut self) {
        self.window.clear();
        self.lookups.window.clear();
        for apart in [&mut self.bulk, &mut self.flood].into_iter().flatten() {
            apart.window_committed = 0;
            apart.window_last.clear();
        }
    }

    /// Where payments of this class are counted beside the whole; none for retail.
    fn apart(&mut self, class: Class) -> Option<&mut Apart> {
        let apart = match class {
            Class::Retail => return None,
            Class::Bulk => &mut self.bulk,
            Class::Flood => &mut self.flood,
        };
        Some(apart.get_or_insert_default())
    }

    /// A payment is sent.
    pub fn offer(&mut self, class: Class, late_ns: u64, is_held_back: bool) {
        self.offered += 1;
        if let Some(apart) = self.apart(class) {
            apart.offered += 1;
        }
        // A flood has no schedule that could be kept.
        if class == Class::Flood {
            return;
        }
        self.window.offered += 1;
        self.sent.record(late_ns);
        if late_ns > LATE_NS {
            *if is_held_back { &mut self.held_back } else { &mut self.late } += 1;
        }
    }

    /// The switch has it on disk.
    pub fn accept(&mut self, class: Class, payer: u32, latency_ns: u64) {
        if let Some(apart) = self.apart(class) {
            return apart.legs.accepted.record(latency_ns);
        }
        self.accepted.record(latency_ns);
        self.window.legs.accepted.record(latency_ns);
        self.participants[payer as usize].accepted.record(latency_ns);
    }

    /// The payee provider has it.
    pub fn forward(&mut self, class: Class, payee: u32, latency_ns: u64) {
        if let Some(apart) = self.apart(class) {
            return apart.legs.forwarded.record(latency_ns);
        }
        self.forwarded.record(latency_ns);
        self.window.legs.forwarded.record(latency_ns);
        self.participants[payee as usize].forwarded.record(latency_ns);
    }

    /// A payment is final.
    pub fn end(&mut self, ended: Ended, outcome: Outcome, reason: [u8; 4]) {
        let Ended { payer, payee, amount, class, latency_ns, is_in_time } = ended;
        match outcome {
            Outcome::Committed => {
                self.committed += 1;
                self.committed_in_time += u64::from(is_in_time);
                self.flows[payer as usize] -= i128::from(amount);
                self.flows[payee as usize] += i128::from(amount);
            }
            Outcome::Rejected => self.rejected += 1,
            Outcome::Expired => self.expired += 1,
            Outcome::InFlight | Outcome::Unknown | Outcome::Duplicate => unreachable!("the caller has looked"),
        }
        let is_committed = outcome == Outcome::Committed;
        if !is_committed {
            *self.reasons.entry(reason).or_default() += 1;
        }
        if let Some(apart) = self.apart(class) {
            return apart.end(ended, outcome);
        }
        if is_committed {
            self.window.committed += 1;
            self.total_of_committed.record(latency_ns);
        } else {
            self.window.failed += 1;
        }
        self.total.record(latency_ns);
        self.window.legs.last.record(latency_ns);
        self.participants[payer as usize].last.record(latency_ns);
    }

    /// A return is final: so much went back to the payer.
    pub fn give_back(&mut self, payer: u32, payee: u32, amount: u64) {
        self.sequels.returns += 1;
        self.sequels.returned_amount += amount;
        self.flows[payer as usize] += i128::from(amount);
        self.flows[payee as usize] -= i128::from(amount);
    }

    /// A frame was refused before sequencing; `order` is the class of the payment where it was an order.
    pub fn refuse(&mut self, code: u16, order: Option<Class>) {
        self.busy += u64::from(order.is_some());
        self.window.failed += u64::from(order == Some(Class::Retail));
        if let Some(apart) = order.and_then(|class| self.apart(class)) {
            apart.busy += 1;
        }
        *self.refusals.entry(code).or_default() += 1;
    }

    /// Something happened to a payment that may not.
    pub fn disagree(&mut self, disagreement: Disagreement, id: [u8; 16]) {
        let fresh = Disagreed { payments: 1, first: id, latest: id };
        let known = self.disagreements.entry(disagreement).or_insert(fresh);
        if known.latest != id {
            *known = Disagreed { payments: known.payments + 1, latest: id, ..*known };
        }
    }

    /// What may not happen and did, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let named = |id: [u8; 16]| PaymentId::from_bytes(id).map_or("?".to_owned(), |id| id.to_string());
        let mut problems: Vec<String> = self
            .disagreements
            .iter()
            .map(|(disagreement, &Disagreed { payments: count, first, .. })| {
                format!("{count} {} {} (the first: {})", disagreement.of(count), disagreement.text(), named(first))
            })
            .collect();
        if self.untold > 0 {
            let (count, payments) = (self.untold, payments(self.untold));
            problems.push(format!("{count} {payments} whose outcome payer and payee provider were not both told"));
        }
        if self.sequels.unfinished > 0 {
            let (count, payments) = (self.sequels.unfinished, payments(self.sequels.unfinished));
            problems.push(format!("{count} {payments} of which a return or a case has no end that both were told"));
        }
        if self.unknown > 0 {
            problems.push(format!("{} {} have no outcome", self.unknown, payments(self.unknown)));
        }
        let unanswered = self.lookups.unanswered();
        if unanswered > 0 {
            problems.push(format!("{unanswered} {} without an answer", lookups(unanswered)));
        }
        problems
    }

    /// Payments that are over.
    pub fn ended(&self) -> u64 {
        self.committed + self.rejected + self.expired + self.busy
    }

    /// Nothing more will come: what is left is unknown, or was not told.
    ///
    /// # Panics
    /// If a payment was counted twice or not at all.
    pub fn settle(&mut self, open: u64, untold: u64) {
        self.unknown = open;
        self.untold = untold;
        assert!(self.offered == self.ended() + self.unknown, "every payment is counted once");
    }
}

/// A payment that is final.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ended {
    /// Place of the payer's connection.
    pub payer: u32,
    /// Place of the payee's connection.
    pub payee: u32,
    /// In minor units.
    pub amount: u64,
    /// Whose figures it is in.
    pub class: Class,
    /// From the intended time.
    pub latency_ns: u64,
    /// Others were still being offered.
    pub is_in_time: bool,
}

fn payments(count: u64) -> &'static str {
    if count == 1 { "payment" } else { "payments" }
}

fn lookups(count: u64) -> &'static str {
    if count == 1 { "look-up" } else { "look-ups" }
}

/// What a refusal is called in reports.
pub fn refusal_name(code: u16) -> String {
    ErrorCode::from_number(code).map_or_else(|| format!("code_{code}"), |code| code.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(amount: u64, is_in_time: bool) -> Ended {
        Ended { payer: 0, payee: 1, amount, class: Class::Retail, latency_ns: 1_000, is_in_time }
    }

    #[test]
    fn what_is_offered_is_what_became_of_it() {
        let mut tally = Tally { offered: 10, ..Tally::of(2) };
        tally.end(ended(5, true), Outcome::Committed, [0; 4]);
        tally.end(ended(7, false), Outcome::Committed, [0; 4]);
        tally.end(ended(100, true), Outcome::Rejected, *b"AM04");
        tally.end(ended(100, true), Outcome::Expired, *b"AB05");
        tally.refuse(ErrorCode::Busy as u16, Some(Class::Retail));
        tally.refuse(ErrorCode::Busy as u16, None);
        tally.settle(5, 0);
        assert_eq!((tally.committed, tally.rejected, tally.expired, tally.busy, tally.unknown), (2, 1, 1, 1, 5));
        assert_eq!((tally.committed_in_time, tally.refusals[&7], tally.reasons[b"AB05"]), (1, 2, 1));
        assert_eq!((tally.total.count(), tally.total_of_committed.count()), (4, 2));
        assert_eq!((tally.participants[0].last.count(), tally.participants[1].last.count()), (4, 0));
        assert_eq!(tally.flows, [-12, 12], "only what was committed moves money");
    }

    #[test]
    fn bulk_and_a_flood_are_in_the_counts_and_in_no_percentile_of_retail() {
        let mut tally = Tally::of(2);
        for class in [Class::Retail, Class::Bulk, Class::Flood, Class::Flood] {
            tally.offer(class, 0, false);
        }
        for class in [Class::Retail, Class::Bulk, Class::Flood] {
            tally.accept(class, 0, 1_000);
            tally.forward(class, 1, 1_000);
            tally.end(Ended { class, ..ended(5, true) }, Outcome::Committed, [0; 4]);
        }
        tally.refuse(ErrorCode::RateLimited as u16, Some(Class::Flood));
        tally.settle(0, 0);
        assert_eq!((tally.offered, tally.committed, tally.committed_in_time, tally.busy), (4, 3, 3, 1));
        assert_eq!(tally.flows, [-15, 15], "the money of all of them moves");
        let retail = [&tally.total, &tally.accepted, &tally.forwarded, &tally.total_of_committed];
        assert_eq!(retail.map(Latencies::count), [1; 4]);
        assert_eq!((tally.sent.count(), tally.participants[0].last.count(), tally.window.committed), (2, 1, 1));
        let [bulk, flood] = [tally.bulk, tally.flood].map(|apart| apart.expect("there is one"));
        assert_eq!((bulk.offered, bulk.committed_in_time, bulk.legs.last.count(), bulk.unknown()), (1, 1, 1, 0));
        assert_eq!((flood.offered, flood.committed, flood.busy, flood.legs.accepted.count()), (2, 1, 1, 1));
    }

    #[test]
    fn lookups_are_what_became_of_them() {
        let mut lookups = Lookups::default();
        (0..7).for_each(|late_ns| lookups.ask(late_ns * LATE_NS));
        lookups.answer(true, 5_000, true);
        lookups.answer(false, 9_000, false);
        lookups.limit();
        lookups.refuse(ErrorCode::Busy as u16);
        assert_eq!((lookups.found, lookups.missed, lookups.limited, lookups.unanswered()), (1, 1, 1, 3));
        assert_eq!((lookups.answered_in_time, lookups.late, lookups.answered.max_us()), (1, 5, 9));
        assert_eq!((lookups.window.asked, lookups.window.answered, lookups.window.failed), (7, 2, 2));
        let tally = Tally { lookups: Box::new(lookups), ..Tally::of(2) };
        assert_eq!(tally.problems(), ["3 look-ups without an answer"]);
    }

    #[test]
    #[should_panic(expected = "every payment is counted once")]
    fn a_payment_that_is_lost_is_noticed() {
        let mut tally = Tally { offered: 2, ..Tally::of(2) };
        tally.end(ended(1, true), Outcome::Committed, [0; 4]);
        tally.settle(0, 0);
    }

    #[test]
    fn what_may_not_happen_is_said_with_an_example() {
        let mut tally = Tally::of(2);
        assert_eq!(tally.problems(), Vec::<String>::new());
        let id = PaymentId::random();
        tally.disagree(Disagreement::ForwardedTwice, id.bytes());
        tally.disagree(Disagreement::ForwardedTwice, PaymentId::random().bytes());
        let problems = tally.problems().join("; ");
        assert!(problems.contains("2 payments forwarded twice") && problems.contains(&id.to_string()), "{problems}");
    }

    #[test]
    fn bars_hold_everything_that_was_counted() {
        let mut latencies = Latencies::default();
        for ns in [900, 15_000, 16_000, 900_000, 2_000_000_000] {
            latencies.record(ns);
        }
        let bars = latencies.bars();
        assert_eq!(bars.iter().map(|bar| bar.1).sum::<u64>(), 5);
        assert!(bars.windows(2).all(|pair| pair[0].0 < pair[1].0), "{bars:?}");
        assert_eq!(Latencies::default().bars(), []);
    }

    #[test]
    fn latencies_are_read_in_microseconds() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.at(0.999), latencies.max_us()), (0, 0));
        (1..=1_000).for_each(|us| latencies.record(us * 1_000));
        for (quantile, us) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999)] {
            let read = latencies.at(quantile);
            assert!(read.abs_diff(us) <= 1, "{read} for {us}");
        }
        latencies.record(u64::MAX);
        assert!(latencies.max_us() >= 600_000_000, "what is too long counts as the longest");
    }
}
