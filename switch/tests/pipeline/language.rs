//! Tests of the engine that a payments person can read and extend.
//!
//! ```text
//! funds    ALPHA 100                                     what each has at the start; first lines only
//! at 10.0  ALPHA pays BRAVO T1 60                        -> BRAVO forward T1
//! at 10.0  ALPHA pays BRAVO T1 60                        -> reply ALPHA in_flight T1
//! at 12.0  BRAVO accepts T1                              -> ALPHA committed T1, BRAVO committed T1
//! at 25.0  time                                          ->
//! at 26.0  rules keep 2 outcomes                         ->
//! at 27.0  ALPHA pays BRAVO T9 60 checked 12             -> reply ALPHA recheck T9
//! balance  ALPHA 40 0                                    available, reserved
//! ```
//!
//! Times are seconds since the start, up to nine decimals. An order may go on with `accepted 9.5` (default: when this payment was first
//! ordered), `currency EUR`, `for CHARLIE` (the payer provider it names, default the sender), `purpose SALA` and `checked 12` (the journal position through which
//! history was asked for its id, default everything). Everything that the engine
//! tells stands behind the arrow, in order: numbered messages as `WHO what PAYMENT [reason] [field]`, answers to the asker with `reply` before it.
//! Each line is a batch of its own. After each line numbers have no gap and the books balance.

use std::collections::BTreeMap;

use adapters::message::{Answer, CreditTransfer, Field, Lane, OUTBOX_LANES, Part, PaymentId, Reason};
use switch::engine::effect::{Delivery, Effect, News};
use switch::engine::{Batch, Engine};
use switch::entry::{self, ActivateRules, EntryHead, EntryKind, ParticipantId, Sender, TransferAnnotation};

use crate::orders::{NAMES, NS_PER_S, START_NS, TIMEOUT_NS, WINDOW_DEFAULT, code, genesis, id, kes, number_of, order};

/// Plays a script and compares.
///
/// # Panics
/// At the first line that comes out otherwise.
pub(crate) fn check(script: &str) {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut desk = Desk::new(lines.clone().take_while(|line| line.starts_with("funds")));
    for line in lines.skip_while(|line| line.starts_with("funds")) {
        desk.check_line(line);
    }
}

/// An engine, and what has been said to it.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    first_accepted_ns: BTreeMap<u64, u64>,
    told: BTreeMap<u32, u64>,
}

impl Desk {
    pub(crate) fn new<'a>(funds_lines: impl Iterator<Item = &'a str>) -> Desk {
        let mut funds = [0; NAMES.len()];
        for line in funds_lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            funds[place_of(words[1])] = words[2].parse().unwrap();
        }
        let mut engine = Engine::new();
        let payload = genesis(funds, WINDOW_DEFAULT).0;
        engine.apply(Batch { first_sequence: 1, time_ns: START_NS, payload: &payload }, &mut Vec::new()).unwrap();
        Desk { engine, first_accepted_ns: BTreeMap::new(), told: BTreeMap::new() }
    }

    pub(crate) fn check_line(&mut self, line: &str) {
        let (said, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = said.split_whitespace().collect();
        let expected: Vec<&str> = expected.split(',').map(str::trim).filter(|told| !told.is_empty()).collect();
        if words[0] == "balance" {
            let found = self.balance(words[1]);
            let wanted = (words[2].parse().unwrap(), words[3].parse().unwrap());
            assert_eq!(found, wanted, "available and reserved, in: {line}");
            return;
        }
        assert_eq!(words[0], "at", "a line says `at`, `balance` or `funds`: {line}");
        let time_ns = time(words[1]);
        let payload = self.entry(time_ns, &words[2..]);
        assert_eq!(self.apply(time_ns, &payload), expected, "in: {line}");
    }

    /// Applies one batch, and says what was told.
    pub(crate) fn apply(&mut self, time_ns: u64, payload: &[u8]) -> Vec<String> {
        let mut effects = Vec::new();
        let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns, payload };
        self.engine.apply(batch, &mut effects).unwrap();
        for total in self.engine.totals() {
            assert_eq!((total.debits, total.debits_pending), (total.credits, total.credits_pending));
        }
        effects.iter().map(|effect| self.tell(effect)).collect()
    }

    pub(crate) fn balance(&self, name: &str) -> (u128, u128) {
        self.engine.settlement_balance(number(name), kes()).unwrap()
    }

    fn tell(&mut self, effect: &Effect) -> String {
        if let Delivery::Outbox { lane, number, .. } = effect.delivery {
            let last = self.told.entry(effect.participant.0).or_default();
            assert_eq!((lane, number), (Lane::Payments, *last + 1), "numbers have no gap");
            *last = number;
            let mut enqueued = [0; OUTBOX_LANES];
            enqueued[0] = number;
            // The engine may have counted further already, within the batch.
            assert!(self.engine.enqueued(effect.participant) >= enqueued);
        }
        text_of(effect)
    }

    fn entry(&mut self, time_ns: u64, words: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        match *words {
            ["time"] => {}
            ["rules", "keep", outcomes, "outcomes"] => write_rules(&mut out, outcomes.parse().unwrap()),
            [sender, "pays", payee, payment, amount, ref rest @ ..] => {
                let payment = number_in(payment);
                let mut order = order(payment, sender, payee, amount.parse().unwrap(), time_ns);
                order.accepted_at_ns = *self.first_accepted_ns.entry(payment).or_insert(time_ns);
                let mut checked_through = self.engine.applied();
                for pair in rest.chunks(2) {
                    match pair[0] {
                        "checked" => checked_through = pair[1].parse().unwrap(),
                        what => alter(&mut order, what, pair[1]),
                    }
                }
                write_order(&mut out, sender, &order, checked_through);
            }
            [sender, "accepts", payment] => write_answer(&mut out, sender, &Answer::accept(id(number_in(payment)))),
            [sender, "rejects", payment, reason] => {
                let reason = Reason::from_bytes(reason.as_bytes().try_into().unwrap()).unwrap();
                write_answer(&mut out, sender, &Answer::reject(id(number_in(payment)), reason));
            }
            _ => panic!("nobody does this: {words:?}"),
        }
        out
    }
}

fn alter(order: &mut CreditTransfer, what: &str, value: &str) {
    match what {
        "accepted" => order.accepted_at_ns = time(value),
        "currency" => order.currency = value.as_bytes().try_into().unwrap(),
        "for" => order.payer = *code(value).bytes(),
        "purpose" => order.purpose = value.as_bytes().try_into().unwrap(),
        _ => panic!("an order has no `{what}`"),
    }
}

/// Appends the entry of an order. The digest is made of the routing part: a test's orders have no other content.
pub(crate) fn write_order(out: &mut Vec<u8>, sender: &str, order: &CreditTransfer, checked_through: u64) {
    let mut routing = Vec::new();
    order.write(&mut routing);
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&routing).as_bytes()[..16]);
    let annotation = TransferAnnotation { digest, checked_through };
    entry::write(out, head(EntryKind::CreditTransfer, sender), &annotation.bytes(), &routing, |_, _| {});
}

/// Appends an operator's command: the default rules with another window.
pub(crate) fn write_rules(out: &mut Vec<u8>, outcomes_kept: u32) {
    let rules = ActivateRules {
        rules_version: 1,
        timeout_ns: TIMEOUT_NS,
        payee_share_ns: 2 * NS_PER_S,
        skew_ns: NS_PER_S,
        outcomes_kept,
    };
    entry::write_command(out, EntryKind::ActivateRules, &rules);
}

pub(crate) fn write_answer(out: &mut Vec<u8>, sender: &str, answer: &Answer) {
    let mut routing = Vec::new();
    answer.write(&mut routing);
    entry::write(out, head(EntryKind::Answer, sender), &[], &routing, |_, _| {});
}

fn head(kind: EntryKind, sender: &str) -> EntryHead {
    EntryHead { kind, sender: Sender::Participant(number(sender)), seal_key: 0 }
}

fn place_of(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} is not in the scheme"))
}

pub(crate) fn number(name: &str) -> ParticipantId {
    ParticipantId(place_of(name) as u32 + 1)
}

fn number_in(payment: &str) -> u64 {
    payment.strip_prefix('T').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no payment: {payment}"))
}

/// Nanoseconds of a time in seconds since the start.
pub(crate) fn time(text: &str) -> u64 {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    START_NS + seconds.parse::<u64>().unwrap() * NS_PER_S + format!("{fraction:0<9}").parse::<u64>().unwrap()
}

/// An effect as the language has it.
pub(crate) fn text_of(effect: &Effect) -> String {
    let who = NAMES[effect.participant.0 as usize - 1];
    let payment = payment_name(effect.payment_id);
    let mut text = match effect.delivery {
        Delivery::Outbox { .. } => format!("{who} "),
        Delivery::Reply { .. } => format!("reply {who} "),
    };
    match effect.news {
        News::Forward { .. } => text += &format!("forward {payment}"),
        News::Recheck => text += &format!("recheck {payment}"),
        News::Status(status) => {
            text += &format!("{} {payment}", status.outcome.name());
            if status.reason != Reason::NONE {
                text += &format!(" {}", status.reason.as_str());
            }
            if status.field != Field::None {
                text += &format!(" {}", status.field.name());
            }
        }
    }
    text
}

fn payment_name(id: PaymentId) -> String {
    format!("T{}", number_of(id))
}
