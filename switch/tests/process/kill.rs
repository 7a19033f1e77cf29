//! The switch is killed again and again while providers pay each other. What any provider has once seen as final stays so for ever,
//! nothing is lost, nothing comes twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adapters::message::{Answer, CreditTransfer, MessageKind, Note, Outcome, PaymentId, PaymentPrivate, Reason};
use adapters::native::client::{Client, ClientOptions, Connected, DisconnectReason, Events, Incoming, Status};
use adapters::native::session::Resume;

use crate::harness::{Data, FUNDS, Switch, code, eventually};
use crate::wire::{Said, Wire, id_of, order};

pub(crate) const PROVIDERS: usize = 3;

/// Payments that one provider has open as payer.
const OPEN_MAX: usize = 40;

/// Of the final payments, so many are asked for again after each reconnection.
const ASKED_AGAIN: usize = 64;

/// Kills after which the providers start anew as well, with what they had stored.
const KILLS_A_LIFE: usize = 3;

/// Every so many ends are no kill but a SIGTERM under the same load: exit status 0, and nothing is lost either.
const KILLS_A_TERM: usize = 7;

#[test]
fn what_was_final_before_a_kill_is_final_after_it_first_seed() {
    run(0x5eed_0001, 13, None);
}

#[test]
fn what_was_final_before_a_kill_is_final_after_it_second_seed() {
    run(0x5eed_0002, 13, None);
}

/// The switch holds next to nothing in memory: what was final is in its history, which is killed with it.
#[test]
fn what_was_final_before_a_kill_is_final_after_it_with_a_small_window() {
    run(0x5eed_0003, 6, Some(400));
}

fn run(seed: u64, kills: usize, outcomes_kept: Option<u64>) {
    let data = Arc::new(Data::with_participants(PROVIDERS));
    // Short, so that payments which nobody answers expire within the test.
    data.set_timeout(3_000, 500);
    if let Some(outcomes_kept) = outcomes_kept {
        data.set("genesis.toml", "outcomes_kept", outcomes_kept);
    }
    let mut random = Random(seed);
    let mut switch = data.serve();
    let fleet = Fleet::start(&data, &mut random);
    for kill in 1..=kills {
        fleet.let_it_run(&mut random);
        if kill % KILLS_A_TERM == 0 {
            switch.stop();
        } else {
            switch.kill();
        }
        data.verified();
        fleet.compare_with_journal(&data);
        if kill % KILLS_A_LIFE == 0 {
            fleet.life.fetch_add(1, Ordering::Relaxed);
        }
        switch = data.serve();
    }
    let providers = fleet.finish();
    audit(&data, switch, &providers);
}

/// Xorshift: the same seed gives the same choices.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How a payment ended.
type Final = (Outcome, Reason, u64, u64);

/// One numbered message, as it must come again if it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Forward(PaymentId),
    Status(PaymentId, Outcome),
}

/// What a provider remembers, as if on disk: it outlives every connection and every client.
#[derive(Default)]
pub(crate) struct Memory {
    /// What it ordered.
    orders: BTreeMap<PaymentId, CreditTransfer>,
    /// What it was asked to answer, and is not final.
    unanswered: BTreeMap<PaymentId, Answer>,
    /// What it saw as final, as either side.
    finals: BTreeMap<PaymentId, Final>,
    /// Every numbered message, in the order of its numbers.
    history: Vec<Event>,
}

impl Memory {
    /// Orders that are not final, in the order of their ids.
    fn open(&self) -> impl Iterator<Item = (&PaymentId, &CreditTransfer)> {
        self.orders.iter().filter(|(id, _)| !self.finals.contains_key(id))
    }

    /// Everything that concerns this provider is final.
    fn is_settled(&self) -> bool {
        self.unanswered.is_empty() && self.open().next().is_none() && self.forwards_are_final()
    }

    fn forwards_are_final(&self) -> bool {
        self.history.iter().all(|event| match event {
            Event::Forward(id) | Event::Status(id, _) => self.finals.contains_key(id),
        })
    }

    fn take_status(&mut self, status: &Status) {
        let id = status.payment_id;
        if status.numbered {
            self.history.push(Event::Status(id, status.outcome));
        }
        match status.outcome {
            Outcome::InFlight => assert!(!self.finals.contains_key(&id), "{id} was final and is in flight"),
            Outcome::Unknown | Outcome::Duplicate => panic!("{id} is {:?}", status.outcome),
            Outcome::Committed | Outcome::Rejected | Outcome::Expired => {
                let now = (status.outcome, status.reason, status.decided_at_ns, status.position);
                let first = *self.finals.entry(id).or_insert(now);
                assert_eq!(first, now, "{id} has two outcomes");
                self.unanswered.remove(&id);
            }
        }
    }
}

/// The providers, each on a thread of its own.
pub(crate) struct Fleet {
    memories: Vec<Arc<Mutex<Memory>>>,
    threads: Vec<JoinHandle<()>>,
    /// No new orders.
    is_closing: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    /// Counts how often the providers are to start anew.
    life: Arc<AtomicUsize>,
}

impl Fleet {
    pub(crate) fn start(data: &Arc<Data>, random: &mut Random) -> Fleet {
        let (is_closing, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let life = Arc::new(AtomicUsize::new(0));
        let mut fleet = Fleet { memories: Vec::new(), threads: Vec::new(), is_closing, is_over, life };
        for number in 1..=PROVIDERS {
            let memory = Arc::new(Mutex::new(Memory::default()));
            let provider = Provider {
                number,
                data: Arc::clone(data),
                memory: Arc::clone(&memory),
                random: Random(random.below(u64::MAX) | 1),
                put_off: VecDeque::new(),
                is_closing: Arc::clone(&fleet.is_closing),
                is_over: Arc::clone(&fleet.is_over),
                life: Arc::clone(&fleet.life),
            };
            fleet.memories.push(memory);
            fleet.threads.push(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(provider.live());
            }));
        }
        fleet
    }

    pub(crate) fn finals(&self) -> usize {
        self.memories.iter().map(|memory| memory.lock().unwrap().finals.len()).sum()
    }

    fn assert_alive(&self) {
        assert!(!self.threads.iter().any(JoinHandle::is_finished), "a provider has failed: see its panic above");
    }

    /// Until the next kill: a chosen number of final payments, or, every fourth time, a moment that may fall into the recovery of the
    /// connections.
    pub(crate) fn let_it_run(&self, random: &mut Random) {
        if random.below(4) == 0 {
            return std::thread::sleep(Duration::from_millis(random.below(150)));
        }
        let enough = self.finals() + 1 + usize::try_from(random.below(400)).unwrap();
        eventually("payments become final", || {
            self.assert_alive();
            (self.finals() >= enough).then_some(())
        });
    }

    /// What any provider has seen stands in the journal of the dead switch, as far as the engine's window reaches.
    pub(crate) fn compare_with_journal(&self, data: &Data) {
        let engine = switch::data::replay(&data.path("")).unwrap().engine;
        for (number, memory) in (1..).zip(&self.memories) {
            let participant = engine.find_participant(&code(number)).unwrap();
            for (&id, &seen) in &memory.lock().unwrap().finals {
                if !engine.holds(id) {
                    continue;
                }
                let status = engine.status_for(participant, id);
                let kept = (status.outcome, status.reason, status.decided_at_ns, status.position);
                assert_eq!(kept, seen, "{id} was final for {} before the kill", code(number));
            }
        }
    }

    /// No new orders; waits until everything is final, and lets the providers go.
    pub(crate) fn finish(mut self) -> Vec<Memory> {
        self.is_closing.store(true, Ordering::Relaxed);
        eventually("everything becomes final", || {
            self.assert_alive();
            self.memories.iter().all(|memory| memory.lock().unwrap().is_settled()).then_some(())
        });
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let memories = std::mem::take(&mut self.memories);
        memories.into_iter().map(|memory| Arc::into_inner(memory).unwrap().into_inner().unwrap()).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// A provider that pays the others, answers them, and starts anew now and then.
struct Provider {
    number: usize,
    data: Arc<Data>,
    memory: Arc<Mutex<Memory>>,
    random: Random,
    /// Orders that the switch did not take, because it stops or has too much to do, and when each is sent again.
    put_off: VecDeque<(tokio::time::Instant, PaymentId)>,
    is_closing: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    life: Arc<AtomicUsize>,
}

impl Provider {
    async fn live(mut self) {
        let mut resume = Resume::FROM_THE_START;
        while !self.is_over.load(Ordering::Relaxed) {
            let life = self.life.load(Ordering::Relaxed);
            let (tls, address) = (self.data.tls(code(self.number).as_str()), self.data.address().to_string());
            let options = ClientOptions::new(address, "localhost".try_into().unwrap(), code(self.number), tls);
            let (client, mut events) = Client::start(ClientOptions { resume, ..options });
            self.begin_life(&client).await;
            while !self.is_over.load(Ordering::Relaxed) && self.life.load(Ordering::Relaxed) == life {
                self.turn(&client, &mut events).await;
            }
            // Two lives at a time would replace each other's connections.
            client.shutdown().await;
            resume = client.cursors();
            assert_eq!(resume.seen[0], self.memory.lock().unwrap().history.len() as u64, "cursors count what came");
        }
    }

    /// What the last life did not hear the end of is sent again: the same ids with the same content.
    async fn begin_life(&mut self, client: &Client) {
        let (orders, answers): (Vec<_>, Vec<_>) = {
            let memory = self.memory.lock().unwrap();
            (memory.open().map(|(_, order)| order.clone()).collect(), memory.unanswered.values().cloned().collect())
        };
        for order in orders {
            client.submit(&order, &private_of(&order)).await.unwrap();
        }
        for answer in answers {
            client.answer(&answer, &Note::default()).await.unwrap();
        }
    }

    async fn turn(&mut self, client: &Client, events: &mut Events) {
        let mut batch = Vec::new();
        // Without events it looks at the flags and tops up its orders.
        if let Ok(more) = tokio::time::timeout(Duration::from_millis(10), events.next_into(&mut batch)).await {
            assert!(more, "the client ended by itself");
        }
        for incoming in batch {
            self.take(client, incoming).await;
        }
        self.submit_put_off(client).await;
        self.order_more(client).await;
    }

    async fn take(&mut self, client: &Client, incoming: Incoming) {
        match incoming {
            Incoming::Forward(forward) => {
                let id = forward.payment_id;
                let answer = answer_to(id);
                {
                    let mut memory = self.memory.lock().unwrap();
                    memory.history.push(Event::Forward(id));
                    if let Some(answer) = &answer {
                        memory.unanswered.insert(id, answer.clone());
                    }
                }
                if let Some(answer) = answer {
                    client.answer(&answer, &Note::default()).await.unwrap();
                }
            }
            Incoming::Status(status) => self.memory.lock().unwrap().take_status(&status),
            Incoming::Connected(Connected { welcomed, .. }) => {
                assert!(!welcomed.numbers_restarted, "a kill does not change the lineage: {welcomed:?}");
                let history = self.memory.lock().unwrap().history.len() as u64;
                assert_eq!(welcomed.resumed_after[0], history, "it goes on after what was seen");
                self.ask_again(client).await;
            }
            Incoming::Disconnected(disconnected) => match disconnected.why {
                DisconnectReason::Ended(_) | DisconnectReason::Unreachable(_) | DisconnectReason::Handshake(_) => {}
                why => panic!("a kill is no reason for: {why}"),
            },
            Incoming::AliasResult(_)
            | Incoming::AliasFound(_)
            | Incoming::AccountReport(_)
            | Incoming::DirectoryAnswer(_) => {
                panic!("nobody has asked for aliases")
            }
            Incoming::Refused(refused) if refused.busy => {
                assert!(refused.kind == Some(MessageKind::CreditTransfer), "{refused:?}");
                let again = tokio::time::Instant::now() + Duration::from_millis(refused.retry_after_ms.into());
                self.put_off.push_back((again, refused.payment_id.unwrap()));
            }
            Incoming::Refused(refused) => panic!("nothing here may be refused: {refused:?}"),
            Incoming::Returned(_) | Incoming::CaseForward(_) | Incoming::CaseStatus(_) => {
                panic!("nobody here returns or asks anything: {incoming:?}")
            }
            Incoming::Acknowledged { .. } | Incoming::Numbered(..) => {}
        }
    }

    async fn submit_put_off(&mut self, client: &Client) {
        let now = tokio::time::Instant::now();
        while let Some((_, id)) = self.put_off.pop_front_if(|(again, _)| *again <= now) {
            let order = self.memory.lock().unwrap().orders[&id].clone();
            client.submit(&order, &private_of(&order)).await.unwrap();
        }
    }

    /// Asks for some of what was final before; `take_status` compares the answers.
    async fn ask_again(&mut self, client: &Client) {
        let ids: Vec<_> = self.memory.lock().unwrap().finals.keys().copied().collect();
        for _ in 0..ASKED_AGAIN.min(ids.len()) {
            let index = usize::try_from(self.random.below(ids.len() as u64)).unwrap();
            client.request_status(ids[index]).await.unwrap();
        }
    }

    async fn order_more(&mut self, client: &Client) {
        let open = self.memory.lock().unwrap().open().count();
        if self.is_closing.load(Ordering::Relaxed) {
            return;
        }
        for _ in open..OPEN_MAX {
            let others = (1..=PROVIDERS).filter(|&other| other != self.number);
            let payee = others.cycle().nth(usize::try_from(self.random.below(64)).unwrap()).unwrap();
            let order = order(self.number, payee, 1 + self.random.below(10_000));
            self.memory.lock().unwrap().orders.insert(id_of(&order), order.clone());
            client.submit(&order, &private_of(&order)).await.unwrap();
        }
    }
}

/// The same order always has the same private part, so that it can be sent again.
fn private_of(order: &CreditTransfer) -> PaymentPrivate {
    let remittance = format!("invoice {}", id_of(order)).into_bytes();
    PaymentPrivate { payer_name: b"Amina Diallo".to_vec(), remittance, ..PaymentPrivate::default() }
}

/// What a payee provider decides is a function of the id: the same before and after a restart. Some payments get no answer.
fn answer_to(id: PaymentId) -> Option<Answer> {
    match id.bytes()[0] {
        0..8 => None,
        8..40 => Some(Answer::reject(id, Reason::of(b"AC04"))),
        _ => Some(Answer::accept(id)),
    }
}

/// Compares the providers' memories with each other, with the switch, and with the journal.
pub(crate) fn audit(data: &Data, switch: Switch, providers: &[Memory]) {
    let started = Instant::now();
    for (number, memory) in (1..).zip(providers) {
        redelivered(data, number, memory);
        ask_for_all(data, number, memory);
    }
    switch.stop();
    let verdict = data.verified();
    let count = |outcome| {
        let of_payer = |memory: &&Memory| memory.orders.keys().filter(|id| memory.finals[id].0 == outcome).count();
        providers.iter().map(|memory| of_payer(&memory) as u64).sum::<u64>()
    };
    let counts = &verdict["payments"];
    assert_eq!(counts["committed"], count(Outcome::Committed), "{verdict}");
    assert_eq!(counts["rejected"], count(Outcome::Rejected), "{verdict}");
    assert_eq!(counts["expired"], count(Outcome::Expired), "{verdict}");
    assert_eq!(counts["in_flight"], 0, "{verdict}");
    for outcome in [Outcome::Committed, Outcome::Rejected, Outcome::Expired] {
        assert!(count(outcome) > 0, "the load had no payment that was {outcome:?}");
    }
    compare_sides(providers);
    compare_balances(data, providers);
    eprintln!("{counts}, audited in {:?}", started.elapsed());
}

/// Everything again from number 1: the same messages in the same order, numbered without a gap.
fn redelivered(data: &Data, number: usize, memory: &Memory) {
    let (mut wire, welcome) = Wire::resume(data, number, Resume::FROM_THE_START);
    assert_eq!(welcome.enqueued, [memory.history.len() as u64, 0, 0], "every number was seen once");
    for (expected, event) in (1..).zip(&memory.history) {
        let heard = wire.next().unwrap();
        assert_eq!(heard.number, expected);
        let again = match &heard.said {
            Said::Forward(forward, private) => {
                assert!(!private.is_empty(), "the private part comes back out of the journal");
                Event::Forward(PaymentId::from_bytes(forward.payment_id).unwrap())
            }
            Said::Status(status, _) => Event::Status(
                PaymentId::from_bytes(status.payment_id).unwrap(),
                Outcome::from_number(status.outcome).unwrap(),
            ),
            other => panic!("{other:?} is not numbered"),
        };
        assert_eq!(again, *event, "number {expected} of {}", code(number));
        wire.acknowledge([expected, 0, 0]);
    }
}

/// The answer to a question is what was told.
fn ask_for_all(data: &Data, number: usize, memory: &Memory) {
    let mut wire = Wire::open(data, number);
    for (&id, &(outcome, reason, at_ns, position)) in &memory.finals {
        let told = wire.ask(id);
        let told = (told.outcome, told.reason.as_str(), told.decided);
        assert_eq!(told, (outcome, reason.as_str(), (at_ns, position)), "{id} for {}", code(number));
    }
}

/// Both sides of a payment saw the same end. Of what was rejected on arrival only the payer provider knows.
fn compare_sides(providers: &[Memory]) {
    for payer in providers {
        for (id, order) in &payer.orders {
            let payee = providers.iter().zip(1..).find(|&(_, number)| *code(number).bytes() == order.payee).unwrap().0;
            match payee.finals.get(id) {
                Some(seen) => assert_eq!(payer.finals[id], *seen, "{id} ended differently for its two sides"),
                None => assert_eq!(payer.finals[id].0, Outcome::Rejected, "{id} was never told to its payee"),
            }
        }
    }
}

/// Money moved by what was committed, and by nothing else.
fn compare_balances(data: &Data, providers: &[Memory]) {
    let mut expected = [i128::from(FUNDS); PROVIDERS + 1];
    for (payer, memory) in (1..).zip(providers) {
        for (id, order) in memory.orders.iter().filter(|(id, _)| memory.finals[id].0 == Outcome::Committed) {
            let payee = (1..=PROVIDERS).find(|&number| *code(number).bytes() == order.payee);
            let payee = payee.unwrap_or_else(|| panic!("{id} went to nobody"));
            expected[payer] -= i128::from(order.amount);
            expected[payee] += i128::from(order.amount);
        }
    }
    for (number, &expected) in expected.iter().enumerate().skip(1) {
        assert_eq!(i128::try_from(data.available(number)).unwrap(), expected, "balance of {}", code(number));
    }
}
