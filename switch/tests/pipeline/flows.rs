//! Random histories of payments, returns, cases and requests to pay, with a window of a few outcomes. What everybody is told is counted by a plain bookkeeper that
//! knows no rule of the engine: from it follow the balances, what of each payment was returned, and where each case ended, and that must be what the engine has.
//!
//! The edge's part is played too: what it writes of the history is what the bookkeeper knew at an earlier moment, so the engine must say `recheck` where that
//! is not enough, and may never decide wrongly where it is.

use std::collections::BTreeMap;

use adapters::message::{
    AmountForm, Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, CaseState, CreditTransfer, Lane, NO_ID, Outcome,
    Return,
};
use switch::engine::effect::{Delivery, Effect, News};
use switch::engine::{Batch, Engine};
use switch::entry::{EntryKind, OriginalFound};

use crate::language::{Desk, Said, write_answer, write_message, write_order, write_reference};
use crate::orders::{NAMES, NS_PER_S, Random, START_NS, code, id, kes, number_of, order};

const FUNDS: u64 = 1_000;
const IDS: u64 = 200;

/// What an entry would do if it is let pass.
#[derive(Clone)]
enum First {
    Order { payer: usize, payee: usize, amount: u64, request: Option<u64> },
    Return { by: usize, original: u64, amount: u64 },
    Case,
}

/// One payment, or return, as far as it was told.
#[derive(Clone, Debug)]
struct Told {
    payer: usize,
    payee: usize,
    amount: u64,
    is_return: bool,
    outcome: Outcome,
    decided_at_ns: u64,
    returned: u64,
}

/// Counts what everybody was told.
#[derive(Clone, Default)]
struct Bookkeeper {
    payments: BTreeMap<u64, Told>,
    cases: BTreeMap<u64, (CaseKind, CaseState)>,
    /// Which payment has paid a request.
    paid: BTreeMap<u64, u64>,
    /// How often each was told of each.
    numbered: BTreeMap<(u32, u8), u64>,
}

impl Bookkeeper {
    fn balance(&self, place: usize) -> u128 {
        let mut balance = i128::from(FUNDS);
        for told in self.payments.values().filter(|told| told.outcome == Outcome::Committed) {
            balance -= if told.payer == place { i128::from(told.amount) } else { 0 };
            balance += if told.payee == place { i128::from(told.amount) } else { 0 };
        }
        balance.try_into().expect("nobody has less than nothing")
    }

    fn known(&self, original: u64) -> OriginalFound {
        let Some(told) = self.payments.get(&original) else { return OriginalFound::NONE };
        OriginalFound {
            outcome: told.outcome as u8,
            is_return: u8::from(told.is_return),
            payer: told.payer as u32 + 1,
            payee: if told.outcome == Outcome::Rejected { 0 } else { told.payee as u32 + 1 },
            amount: told.amount,
            currency: kes().bytes(),
            decided_at_ns: told.decided_at_ns,
            returned: told.returned,
        }
    }

    /// `said` is what was first said under each id that is known.
    fn hear(&mut self, effect: &Effect, said: &BTreeMap<u64, First>) {
        let name = number_of(effect.id);
        let Delivery::Outbox { lane, number, .. } = effect.delivery else { return self.hear_reply(effect, name) };
        let last = self.numbered.entry((effect.participant.0, lane as u8)).or_default();
        *last += 1;
        assert_eq!(number, *last, "numbers have no gap");
        match effect.news {
            News::Forward { .. } => assert!(!self.payments.contains_key(&name), "T{name} was decided before"),
            News::Status(status) => {
                let told = told_of(&said[&name], &self.payments, status.outcome, status.decided_at_ns);
                let before = self.payments.insert(name, told.clone());
                assert!(before.is_none_or(|before| before.outcome == told.outcome), "T{name} has one outcome");
                if let (First::Order { request: Some(request), .. }, Outcome::Committed) =
                    (&said[&name], status.outcome)
                {
                    let other = self.paid.insert(*request, name);
                    assert!(other.is_none_or(|other| other == name), "T{request} is paid once");
                }
            }
            News::Returned { total } => {
                let First::Return { original, amount, .. } = said[&name] else { panic!("T{name} is no return") };
                let told = self.payments.get_mut(&original).expect("what is returned was paid");
                told.returned += amount;
                assert!(told.returned == total && total <= told.amount, "T{original}: {total} of {}", told.amount);
                assert_eq!(told.payer as u32 + 1, effect.participant.0, "it goes back to who had paid");
            }
            News::CaseForward { .. } => assert_eq!(self.cases[&name].1, CaseState::Open),
            News::CaseStatus(news) => {
                let before = self.cases.insert(name, (news.kind.expect("it is known"), news.state));
                let is_final = |(_, state): (CaseKind, CaseState)| state.is_final();
                assert!(before.is_none_or(|before| !is_final(before) || before.1 == news.state), "T{name} ends once");
                assert!(matches!(said.get(&name), Some(First::Case)) || news.kind == Some(CaseKind::Posting));
            }
            News::LookedUp { .. } | News::Recheck => unreachable!("what is for the edge alone has no number"),
        }
    }

    fn hear_reply(&self, effect: &Effect, name: u64) {
        match effect.news {
            News::Status(status) if status.outcome.is_final() => {
                assert_eq!(self.payments[&name].outcome, status.outcome, "what was told of T{name} stays true");
            }
            News::CaseStatus(news) if news.state.is_final() => assert_eq!(self.cases[&name].1, news.state),
            _ => {}
        }
    }
}

fn told_of(said: &First, payments: &BTreeMap<u64, Told>, outcome: Outcome, decided_at_ns: u64) -> Told {
    let (payer, payee, amount, is_return) = match *said {
        First::Order { payer, payee, amount, .. } => (payer, payee, amount, false),
        First::Return { by, original, amount } => {
            (by, payments.get(&original).map_or(by, |original| original.payer), amount, true)
        }
        First::Case => panic!("a case has no outcome"),
    };
    Told { payer, payee, amount, is_return, outcome, decided_at_ns, returned: 0 }
}

/// One history: its batches are kept, to be played again.
struct Play {
    desk: Desk,
    random: Random,
    now_ns: u64,
    said: BTreeMap<u64, First>,
    orders: BTreeMap<u64, CreditTransfer>,
    /// Who is asked in each case.
    cases: BTreeMap<u64, usize>,
    book: Bookkeeper,
    /// What the history knew through which position, the last few moments.
    history: Vec<(u64, Bookkeeper)>,
    batches: Vec<(u64, u64, Vec<u8>)>,
    effects: Vec<Effect>,
    rechecks: u64,
}

impl Play {
    fn new(seed: u64) -> Play {
        let funds: Vec<String> = NAMES.iter().map(|name| format!("funds {name} {FUNDS}")).collect();
        let mut play = Play {
            desk: Desk::new(funds.iter().map(String::as_str)),
            random: Random(seed),
            now_ns: START_NS + NS_PER_S,
            said: BTreeMap::new(),
            orders: BTreeMap::new(),
            cases: BTreeMap::new(),
            book: Bookkeeper::default(),
            history: Vec::new(),
            batches: Vec::new(),
            effects: Vec::new(),
            rechecks: 0,
        };
        let outcomes = 1 + play.random.below(12);
        let line = format!(
            "at 1 rules outcomes {outcomes} posting_follow_up 20 recall_window 200 recall_answer 30 information_answer 30 request_expiry_max 30"
        );
        play.desk.say(&line);
        play
    }

    /// Any id: a new one or a known one.
    fn draw_id(&mut self) -> u64 {
        1 + self.random.below(IDS)
    }

    /// Mostly one of these, sometimes any.
    fn draw_of(&mut self, some: &[u64]) -> u64 {
        if some.is_empty() || self.random.percent(15) {
            return self.draw_id();
        }
        some[self.random.below(some.len() as u64) as usize]
    }

    fn committed(&self) -> Vec<u64> {
        let payments = self.book.payments.iter();
        payments.filter(|(_, told)| told.outcome == Outcome::Committed).map(|(name, _)| *name).collect()
    }

    fn open_cases(&self) -> Vec<u64> {
        self.book.cases.iter().filter(|(_, (_, state))| state.is_open()).map(|(name, _)| *name).collect()
    }

    fn undecided(&self) -> Vec<u64> {
        self.orders.keys().filter(|name| !self.book.payments.contains_key(name)).copied().collect()
    }

    fn batch(&mut self) {
        self.now_ns += self.random.below(3) * NS_PER_S + self.random.below(2);
        let mut payload = Vec::new();
        for _ in 0..self.random.below(4) {
            self.entry(&mut payload);
        }
        let first_sequence = self.desk.engine.applied() + 1;
        let mut effects = Vec::new();
        let batch = Batch { first_sequence, time_ns: self.now_ns, payload: &payload };
        self.desk.engine.apply(batch, &mut effects).unwrap();
        for effect in &effects {
            self.rechecks += u64::from(effect.news == News::Recheck);
            self.book.hear(effect, &self.said);
        }
        self.effects.extend(effects);
        self.batches.push((first_sequence, self.now_ns, payload));
        self.check();
        if self.random.percent(40) {
            self.history.push((self.desk.engine.applied(), self.book.clone()));
        }
    }

    /// What the engine has is what follows from what was told.
    fn check(&self) {
        for (place, name) in NAMES.iter().enumerate() {
            let (available, reserved) = self.desk.balance(name);
            assert_eq!(available + reserved, self.book.balance(place), "{name}");
        }
        for total in self.desk.engine.totals() {
            assert_eq!(total.debits, total.credits);
        }
        let open = self.book.cases.values().filter(|(_, state)| state.is_open()).count() as u64;
        assert_eq!(self.desk.engine.counts().cases_open, open);
    }

    /// What the edge learns: what the history knew at one of the last moments, mostly the newest.
    fn learn(&mut self, original: u64) -> Said {
        let back = if self.random.percent(80) { 1 } else { 1 + self.random.below(6) as usize };
        match self.history.len().checked_sub(back) {
            Some(place) => {
                let (checked_through, book) = &self.history[place];
                Said { checked_through: *checked_through, original: book.known(original) }
            }
            None => Said { checked_through: 0, original: OriginalFound::NONE },
        }
    }

    fn is_old(&self, name: u64, said: &Said) -> bool {
        // The history would have answered: such an entry is never sequenced.
        self.history.iter().rev().find(|(through, _)| *through == said.checked_through).is_some_and(|(_, book)| {
            let has_ended = |(_, state): &(CaseKind, CaseState)| state.is_final();
            book.payments.contains_key(&name) || book.cases.get(&name).is_some_and(has_ended)
        })
    }

    fn entry(&mut self, out: &mut Vec<u8>) {
        let sender = self.random.below(4) as usize;
        match self.random.below(100) {
            0..30 => self.order(out, sender),
            30..50 => {
                let undecided = self.undecided();
                let (payment, kind) = (id(self.draw_of(&undecided)), self.random.below(10));
                let payee = self.orders.get(&number_of(payment)).map_or(sender, |order| place(&order.payee));
                let answer = match kind {
                    0 => Answer::reject(payment, adapters::message::Reason::of(b"AC04")),
                    1..4 => Answer::accept_without_posting(payment),
                    _ => Answer::accept(payment),
                };
                write_answer(out, NAMES[payee], &answer);
            }
            50..70 => self.give_back(out, sender),
            70..85 => self.open(out, sender),
            85..95 => {
                let open = self.open_cases();
                let name = self.draw_of(&open);
                let case_id = id(name);
                let sender = self.cases.get(&name).map_or(sender, |responder| *responder);
                let is_yes = self.random.percent(60);
                let answer = if is_yes {
                    CaseAnswer::accept(case_id)
                } else {
                    CaseAnswer::refuse(case_id, adapters::message::Reason::of(b"NARR"))
                };
                write_message(out, EntryKind::CaseAnswer, NAMES[sender], &answer);
            }
            _ => {
                let open = self.open_cases();
                let cancel = CaseCancel { case_id: id(self.draw_of(&open)).bytes(), reason: *b"CUST" };
                write_message(out, EntryKind::CaseCancel, NAMES[sender], &cancel);
            }
        }
    }

    fn order(&mut self, out: &mut Vec<u8>, sender: usize) {
        let name = self.draw_id();
        let open = self.open_cases();
        let request = self.random.percent(40).then(|| self.draw_of(&open));
        // Mostly by the one who is asked, of the amount that is asked for.
        let sender = request.and_then(|request| self.cases.get(&request).copied()).unwrap_or(sender);
        let amount = if request.is_some() { 50 } else { 1 + self.random.below(300) };
        let mut made = order(name, NAMES[sender], NAMES[(sender + 1) % 4], amount, self.now_ns);
        made.request_id = request.map_or(NO_ID, |request| id(request).bytes());
        made.lane = if self.random.percent(30) { Lane::Bulk as u8 } else { Lane::Payments as u8 };
        let said = self.learn(0);
        if self.is_old(name, &said) || self.said.contains_key(&name) && !self.orders.contains_key(&name) {
            return;
        }
        let made = self.orders.entry(name).or_insert(made).clone();
        let (payer, payee, amount) = (place(&made.payer), place(&made.payee), made.amount);
        let request = adapters::message::PaymentId::from_bytes(made.request_id).map(number_of);
        self.said.entry(name).or_insert(First::Order { payer, payee, amount, request });
        write_order(out, NAMES[payer], &made, said.checked_through);
    }

    fn give_back(&mut self, out: &mut Vec<u8>, sender: usize) {
        let committed = self.committed();
        let (name, original, amount) = (self.draw_id(), self.draw_of(&committed), 1 + self.random.below(150));
        let sender = match self.book.payments.get(&original) {
            Some(told) if self.random.percent(90) => told.payee,
            _ => sender,
        };
        let said = self.learn(original);
        if name == original || self.said.contains_key(&name) || self.is_old(name, &said) {
            return;
        }
        let open = self.open_cases();
        let case_id = if self.random.percent(20) { id(self.draw_of(&open)).bytes() } else { NO_ID };
        let (currency, reason) = (kes().bytes(), *b"CUST");
        let (return_id, original_id) = (id(name).bytes(), id(original).bytes());
        let message = Return { return_id, original_id, case_id, amount, currency, reason };
        write_reference(out, EntryKind::Return, NAMES[sender], &message, said);
        self.said.insert(name, First::Return { by: sender, original, amount });
    }

    fn open(&mut self, out: &mut Vec<u8>, sender: usize) {
        let committed = self.committed();
        let (name, original) = (self.draw_id(), self.draw_of(&committed));
        let kind = [CaseKind::Recall, CaseKind::Information, CaseKind::PaymentRequest][self.random.below(3) as usize];
        let is_request = kind == CaseKind::PaymentRequest;
        let (opener, responder) = match self.book.payments.get(&original) {
            _ if is_request => (sender, (sender + 3) % 4),
            Some(told) => (told.payer, told.payee),
            None => (sender, (sender + 1) % 4),
        };
        let said = self.learn(original);
        if name == original || self.said.contains_key(&name) || self.is_old(name, &said) {
            return;
        }
        let case = CaseOpen {
            case_id: id(name).bytes(),
            kind: kind as u8,
            original_id: if is_request { NO_ID } else { id(original).bytes() },
            opener: *code(NAMES[opener]).bytes(),
            responder: *code(NAMES[responder]).bytes(),
            amount: if is_request { 50 } else { 0 },
            currency: if is_request { kes().bytes() } else { [0; 3] },
            amount_form: if is_request { AmountForm::Fixed as u8 } else { AmountForm::None as u8 },
            reason: if is_request { [0; 4] } else { *b"CUST" },
            expires_at_ns: 0,
        };
        write_reference(out, EntryKind::CaseOpen, NAMES[opener], &case, said);
        self.said.insert(name, First::Case);
        self.cases.insert(name, responder);
    }
}

fn place(bytes: &[u8; 35]) -> usize {
    NAMES.iter().position(|name| code(name).bytes() == bytes).unwrap()
}

#[test]
fn what_is_told_adds_up_whatever_happens() {
    let (mut rechecks, mut returns, mut closed, mut paid) = (0, 0, 0, 0);
    for seed in 0..2_000 {
        println!("seed {seed}");
        let mut play = Play::new(seed);
        (0..120).for_each(|_| play.batch());
        rechecks += play.rechecks;
        returns += play.desk.engine.counts().returned;
        closed += play.desk.engine.counts().cases_closed;
        paid += play.book.paid.len();
        replay(&play, seed);
    }
    // Otherwise the histories are not worth their name.
    assert!(
        rechecks > 1_000 && returns > 10_000 && closed > 10_000 && paid > 1_000,
        "{rechecks} {returns} {closed} {paid}"
    );
}

/// A second engine that is given the same batches tells the same and comes to the same state.
fn replay(play: &Play, seed: u64) {
    let mut second = Play::new(seed).desk.engine;
    let mut effects = Vec::new();
    for (first_sequence, time_ns, payload) in &play.batches {
        let batch = Batch { first_sequence: *first_sequence, time_ns: *time_ns, payload };
        second.apply(batch, &mut effects).unwrap();
    }
    assert_eq!(effects, play.effects);
    assert_eq!(second.digest(), play.desk.engine.digest());
}

/// All bytes of a snapshot, put together from portions. `between` is called behind each.
fn captured(engine: &mut Engine, bytes_max: usize, mut between: impl FnMut(&mut Engine)) -> Vec<u8> {
    let mut body = vec![0; engine.begin_capture() as usize];
    loop {
        let more = engine.capture(bytes_max, |offset, piece| {
            body[offset as usize..][..piece.len()].copy_from_slice(piece);
        });
        if !more {
            return body;
        }
        between(engine);
    }
}

/// Whoever starts from a snapshot of any batch decides and tells what everybody else does.
#[test]
fn a_restart_at_every_batch_changes_nothing() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut play = Play::new(seed);
        (0..120).for_each(|_| play.batch());
        let mut engine = Play::new(seed).desk.engine;
        for (first_sequence, time_ns, payload) in &play.batches {
            let batch = Batch { first_sequence: *first_sequence, time_ns: *time_ns, payload };
            let body = captured(&mut engine, usize::MAX, |_| {});
            let mut restored = Engine::restore(0, &body[..]).unwrap();
            assert_eq!(restored.digest(), engine.digest(), "before position {first_sequence}");
            let (mut told, mut told_again) = (Vec::new(), Vec::new());
            engine.apply(batch, &mut told).unwrap();
            restored.apply(batch, &mut told_again).unwrap();
            assert_eq!(told, told_again, "at position {first_sequence}");
        }
        assert_eq!(engine.digest(), play.desk.engine.digest());
    }
}

/// A snapshot that is taken over many batches has the state of the moment at which it began.
#[test]
fn a_snapshot_taken_while_everything_changes_is_of_one_moment() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut play = Play::new(seed);
        (0..150).for_each(|_| play.batch());
        let mut engine = Play::new(seed).desk.engine;
        let mut batches = play.batches.iter();
        let mut apply_next = |engine: &mut Engine| {
            let Some((first_sequence, time_ns, payload)) = batches.next() else { return };
            let batch = Batch { first_sequence: *first_sequence, time_ns: *time_ns, payload };
            engine.apply(batch, &mut Vec::new()).unwrap();
        };
        for _ in 0..5 {
            (0..10).for_each(|_| apply_next(&mut engine));
            let at_once = captured(&mut engine, usize::MAX, |_| {});
            let in_portions = captured(&mut engine, 600, &mut apply_next);
            assert!(at_once == in_portions, "the bytes are those of the beginning");
        }
    }
}
