//! Random histories against a second engine, written as plainly as `docs/payment-rules.md` reads: ordered maps, signed sums that are counted anew
//! each time, no shared rule. Ids, amounts and times are drawn from a few, so that repetitions, empty accounts and exact deadlines are frequent.
//!
//! The plain engine forgets nothing. The other holds a few outcomes only, or all; where it does not know, it must say so, and only there.

use std::collections::BTreeMap;

use adapters::message::{Answer, Reason};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::language::{Desk, number, write_answer, write_order, write_rules};
use crate::orders::{AMOUNT_MAX, NAMES, NS_PER_S, START_NS, code, id, order};

const FUNDS: i128 = 100;

#[derive(Clone, Debug)]
enum Action {
    Order(Order),
    Answer { sender: usize, payment: u64, accepts: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Order {
    sender: usize,
    payment: u64,
    /// Place in `NAMES`; the payer provider that the order names.
    named: usize,
    /// Place in `NAMES`; beyond them, nobody.
    payee: usize,
    amount: u64,
    is_euro: bool,
    accepted_ns: u64,
}

/// Moments around skew (1 s), payee share (2 s) and deadline (10 s), in nanoseconds before or after whole seconds.
fn moment() -> impl Strategy<Value = u64> {
    (12..24u64, 0..3u64).prop_map(|(seconds, nudge)| START_NS + seconds * NS_PER_S + nudge - 1)
}

fn action() -> impl Strategy<Value = Action> {
    let amount = prop_oneof![12 => 1..60u64, 1 => Just(AMOUNT_MAX), 1 => Just(AMOUNT_MAX + 1)];
    let same_or_other = |few: u32| prop_oneof![few => Just(None), 1 => (0..NAMES.len()).prop_map(Some)];
    let order = (0..NAMES.len(), 0..12u64, same_or_other(12), 0..=NAMES.len(), amount, 0..20u8, moment());
    let order = order.prop_map(|(sender, payment, named, payee, amount, euro, accepted_ns)| {
        let named = named.unwrap_or(sender);
        Action::Order(Order { sender, payment, named, payee, amount, is_euro: euro == 0, accepted_ns })
    });
    let answer = (0..NAMES.len(), 0..12u64, prop::bool::weighted(0.7));
    let answer = answer.prop_map(|(sender, payment, accepts)| Action::Answer { sender, payment, accepts });
    prop_oneof![3 => order, 3 => answer]
}

/// An action; and, where it is to repeat an earlier order unchanged, which.
type Said = (Action, Option<prop::sample::Index>);

/// Batches: nanoseconds since the one before, and what is in it.
fn history() -> impl Strategy<Value = Vec<(u64, Vec<Said>)>> {
    let step =
        prop_oneof![6 => Just(0), 3 => Just(NS_PER_S), 2 => Just(2 * NS_PER_S), 1 => Just(1), 1 => Just(NS_PER_S - 1)];
    let again = prop::option::weighted(0.15, any::<prop::sample::Index>());
    prop::collection::vec((step, prop::collection::vec((action(), again), 0..5)), 1..40)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    InFlight,
    Final { outcome: &'static str, reason: &'static str, field: &'static str },
}

struct Payment {
    order: Order,
    arrival: usize,
    /// Was it forwarded?
    is_forwarded: bool,
    state: State,
}

#[derive(Default)]
struct Naive {
    payments: BTreeMap<u64, Payment>,
    told: Vec<String>,
}

impl Naive {
    /// What a participant can still spend: what it has less what is reserved.
    fn available(&self, participant: usize) -> i128 {
        let mut sum = FUNDS;
        for Payment { order, state, is_forwarded, .. } in self.payments.values() {
            let amount = i128::from(order.amount);
            let is_committed = matches!(state, State::Final { outcome: "committed", .. });
            if *is_forwarded && order.sender == participant && (is_committed || *state == State::InFlight) {
                sum -= amount;
            }
            if is_committed && order.payee == participant {
                sum += amount;
            }
        }
        sum
    }

    fn reserved(&self, participant: usize) -> i128 {
        let open = self.payments.values().filter(|p| p.state == State::InFlight && p.order.sender == participant);
        open.map(|payment| i128::from(payment.order.amount)).sum()
    }

    fn begin_batch(&mut self, now_ns: u64) {
        let mut overdue: Vec<(u64, usize, u64)> = Vec::new();
        for (number, payment) in &self.payments {
            let deadline_ns = payment.order.accepted_ns + 10 * NS_PER_S;
            if payment.state == State::InFlight && deadline_ns <= now_ns {
                overdue.push((deadline_ns, payment.arrival, *number));
            }
        }
        overdue.sort_unstable();
        for (_, _, number) in overdue {
            self.end(number, "expired", "AB05");
        }
    }

    fn end(&mut self, number: u64, outcome: &'static str, reason: &'static str) {
        let payment = self.payments.get_mut(&number).unwrap();
        payment.state = State::Final { outcome, reason, field: "" };
        for participant in [payment.order.sender, payment.order.payee] {
            self.told.push(join([NAMES[participant], outcome, &format!("T{number}"), reason]));
        }
    }

    fn order(&mut self, now_ns: u64, order: Order) {
        let (sender, number) = (NAMES[order.sender], order.payment);
        if let Some(known) = self.payments.get(&number) {
            let text = if known.order == order {
                status_text(known.state, number)
            } else {
                format!("duplicate T{number} AM05 payment_id")
            };
            self.told.push(format!("reply {sender} {text}"));
            return;
        }
        let arrival = self.payments.len();
        let why_not = self.why_not(now_ns, &order);
        let state = match why_not {
            None => State::InFlight,
            Some((reason, field)) => State::Final { outcome: "rejected", reason, field },
        };
        match why_not {
            None => self.told.push(format!("{} forward T{number}", NAMES[order.payee])),
            Some(_) => self.told.push(format!("{sender} {}", status_text(state, number))),
        }
        self.payments.insert(number, Payment { order, arrival, is_forwarded: why_not.is_none(), state });
    }

    fn why_not(&self, now_ns: u64, order: &Order) -> Option<(&'static str, &'static str)> {
        let left_ns = i128::from(order.accepted_ns) + 10 * i128::from(NS_PER_S) - i128::from(now_ns);
        let ahead_ns = i128::from(order.accepted_ns) - i128::from(now_ns);
        let rules = [
            (order.named != order.sender, "AGNT", "payer"),
            (order.payee == NAMES.len(), "CNOR", "payee"),
            (order.payee == order.sender, "AG12", "payee"),
            (order.is_euro, "AM03", "currency"),
            (order.amount > AMOUNT_MAX, "AM13", "amount"),
            (ahead_ns > i128::from(NS_PER_S), "DT04", "accepted_at"),
            (left_ns <= 2 * i128::from(NS_PER_S), "TM01", "accepted_at"),
            (i128::from(order.amount) > self.available(order.sender), "AM04", "amount"),
        ];
        rules.iter().find(|(applies, _, _)| *applies).map(|(_, reason, field)| (*reason, *field))
    }

    fn answer(&mut self, sender: usize, number: u64, accepts: bool) {
        let name = NAMES[sender];
        match self.payments.get(&number) {
            Some(known) if known.is_forwarded && known.order.payee == sender => match known.state {
                State::InFlight if accepts => self.end(number, "committed", ""),
                State::InFlight => self.end(number, "rejected", "AC04"),
                state => self.told.push(format!("reply {name} {}", status_text(state, number))),
            },
            _ => self.told.push(format!("reply {name} unknown T{number}")),
        }
    }
}

fn status_text(state: State, number: u64) -> String {
    match state {
        State::InFlight => format!("in_flight T{number}"),
        State::Final { outcome, reason, field } => join([outcome, &format!("T{number}"), reason, field]),
    }
}

fn join(words: [&str; 4]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn message(order: &Order) -> adapters::message::CreditTransfer {
    let payee = NAMES.get(order.payee).copied().unwrap_or("NOBODY");
    let mut message = self::order(order.payment, NAMES[order.named], payee, order.amount, order.accepted_ns);
    message.payer = *code(NAMES[order.named]).bytes();
    if order.is_euro {
        message.currency = *b"EUR";
    }
    message
}

/// A history that failed once is kept beside this file, and tried first ever after.
fn config() -> ProptestConfig {
    let seeds = FileFailurePersistence::WithSource("seeds");
    ProptestConfig { cases: 2_000, failure_persistence: Some(Box::new(seeds)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_engine_agrees_with_a_plain_one(batches in history(), outcomes_kept in prop_oneof![1..8u32, Just(1_000)]) {
        let mut desk = Desk::new(NAMES.map(|name| format!("funds {name} {FUNDS}")).iter().map(String::as_str));
        let mut naive = Naive::default();
        let mut now_ns = START_NS + 14 * NS_PER_S;
        let mut rules = Vec::new();
        write_rules(&mut rules, outcomes_kept);
        desk.apply(now_ns, &rules);
        let mut sent: Vec<Order> = Vec::new();
        for (step_ns, actions) in batches {
            now_ns += step_ns;
            let mut payload = Vec::new();
            naive.told.clear();
            naive.begin_batch(now_ns);
            for (action, again) in actions {
                match action {
                    Action::Order(order) => {
                        let order = again.filter(|_| !sent.is_empty()).map_or(order, |again| *again.get(&sent));
                        sent.push(order);
                        // History knows outcomes: what it has none of was asked for through everything, the rest not at all.
                        let has_outcome = naive.payments.get(&order.payment).is_some_and(|p| p.state != State::InFlight);
                        let checked_through = if has_outcome { 0 } else { desk.engine.applied() };
                        write_order(&mut payload, NAMES[order.sender], &message(&order), checked_through);
                        naive.order(now_ns, order);
                    }
                    Action::Answer { sender, payment, accepts } => {
                        let reject = Answer::reject(id(payment), Reason::of(b"AC04"));
                        let answer = if accepts { Answer::accept(id(payment)) } else { reject };
                        write_answer(&mut payload, NAMES[sender], &answer);
                        naive.answer(sender, payment, accepts);
                    }
                }
            }
            let told = desk.apply(now_ns, &payload);
            prop_assert_eq!(told.len(), naive.told.len());
            for (told, naive_told) in told.iter().zip(&naive.told) {
                prop_assert!(told == naive_told || is_for_history(&desk, &naive, told, naive_told), "{} {}", told, naive_told);
            }
            check_balances(&desk, &naive)?;
            check_window(&desk, &naive, outcomes_kept)?;
        }
    }
}

/// May the engine say this instead of what the plain one says? Only of an outcome that has left its window.
fn is_for_history(desk: &Desk, naive: &Naive, told: &str, naive_told: &str) -> bool {
    let words: Vec<&str> = told.split_whitespace().collect();
    let naive_words: Vec<&str> = naive_told.split_whitespace().collect();
    let payment = words[3].strip_prefix('T').unwrap().parse().unwrap();
    let has_left = !desk.engine.holds(id(payment)) && naive.payments[&payment].state != State::InFlight;
    let is_open_question = matches!(words[2], "recheck" | "unknown");
    has_left && is_open_question && words[..2] == naive_words[..2] && words[3] == naive_words[3]
}

/// All that is open is held, and the newest outcomes are: so many, and those of one batch.
fn check_window(desk: &Desk, naive: &Naive, outcomes_kept: u32) -> Result<(), TestCaseError> {
    let counts = desk.engine.counts();
    let decided = counts.committed + counts.rejected + counts.expired;
    let held = desk.engine.payments_held() as u64;
    prop_assert!(held >= counts.in_flight + decided.min(u64::from(outcomes_kept)), "{} are held", held);
    prop_assert!(held <= counts.in_flight + u64::from(outcomes_kept) + 12, "{} are held", held);
    prop_assert_eq!(desk.engine.floor() == 0, held == naive.payments.len() as u64);
    for (number, payment) in &naive.payments {
        prop_assert!(payment.state != State::InFlight || desk.engine.holds(id(*number)));
    }
    Ok(())
}

/// Equal balances, nobody below zero, nothing made or lost, and as many outcomes as payments.
fn check_balances(desk: &Desk, naive: &Naive) -> Result<(), TestCaseError> {
    let mut money = 0;
    for (place, name) in NAMES.iter().enumerate() {
        let (available, reserved) = desk.balance(name);
        prop_assert_eq!(available as i128, naive.available(place), "{} has", name);
        prop_assert_eq!(reserved as i128, naive.reserved(place), "{} has reserved", name);
        prop_assert!(naive.available(place) >= 0, "{} is below zero", name);
        money += available + reserved;
        let open = naive.payments.values().filter(|p| p.state == State::InFlight && p.order.sender == place);
        prop_assert_eq!(desk.engine.in_flight_of(number(name)) as usize, open.count());
    }
    prop_assert_eq!(money as i128, FUNDS * NAMES.len() as i128);
    let counts = desk.engine.counts();
    let total = counts.committed + counts.rejected + counts.expired + counts.in_flight;
    prop_assert_eq!(total, naive.payments.len() as u64);
    Ok(())
}
