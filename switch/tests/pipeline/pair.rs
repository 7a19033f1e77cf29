//! A provider with two connections, whichever of them is cut: its application hears every message once, in the order of its numbers, and what it submits is decided once.

use std::collections::BTreeMap;

use adapters::message::{Answer, MessageKind, Outcome, Part, PaymentId};
use adapters::native::pair::ClientPair;
use adapters::native::session::{Event, Resume, UnacknowledgedMax};
use switch::session::SessionKey;

use crate::hub::Hub;
use crate::orders::{Random, code, id, order};
use crate::provider::{Provider, exchange};

/// What the application heard.
#[derive(Default)]
struct Application {
    forwards: Vec<PaymentId>,
    committed: BTreeMap<PaymentId, u32>,
}

struct Paired {
    pair: ClientPair,
    keys: [Option<SessionKey>; 2],
    application: Application,
}

impl Paired {
    fn new(name: &str) -> Paired {
        let pair = ClientPair::new(code(name), Resume::FROM_THE_START, UnacknowledgedMax::default(), 2);
        Paired { pair, keys: [None; 2], application: Application::default() }
    }

    fn connect(&mut self, hub: &mut Hub, slot: usize, name: &str) {
        if self.keys[slot].is_none() && self.pair.may_connect(slot) {
            self.keys[slot] = Some(hub.attach(code(name)));
            self.pair.connected(slot);
        }
    }

    fn cut(&mut self, hub: &mut Hub, slot: usize) {
        if let Some(key) = self.keys[slot].take() {
            hub.detach(key);
            self.pair.disconnected(slot);
        }
    }

    /// Both connections die, and the switch hears nothing of it.
    fn both_die(&mut self) {
        for slot in [0, 1] {
            self.keys[slot] = None;
            self.pair.disconnected(slot);
        }
    }

    fn send(&mut self, hub: &mut Hub) {
        for slot in [0, 1] {
            self.pair.move_from(slot);
            if let Some(key) = self.keys[slot] {
                self.pair.acknowledge_now(slot);
                hub.deliver(key, &std::mem::take(self.pair.outgoing(slot)));
            }
        }
    }

    fn receive(&mut self, hub: &mut Hub, takes_bytes: usize) {
        for slot in [0, 1] {
            let Some(key) = self.keys[slot] else { continue };
            let (bytes, _) = hub.take(key, takes_bytes);
            let Application { forwards, committed } = &mut self.application;
            let received = self.pair.receive(slot, &bytes, &mut |event| match event {
                Event::Forward { routing, .. } => forwards.push(PaymentId::from_bytes(routing.payment_id).unwrap()),
                Event::Status { routing, numbered: true, .. } if routing.outcome == Outcome::Committed as u8 => {
                    *committed.entry(PaymentId::from_bytes(routing.payment_id).unwrap()).or_default() += 1;
                }
                Event::Welcomed(welcomed) => assert!(!welcomed.numbers_restarted),
                _ => {}
            });
            received.unwrap();
        }
    }

    fn accept(&mut self, id: PaymentId) {
        let mut routing = Vec::new();
        Answer::accept(id).write(&mut routing);
        self.pair.submit_raw(MessageKind::Answer, &routing, &[]).unwrap();
    }
}

#[test]
fn each_message_comes_once_and_in_order_however_connections_are_cut() {
    for seed in 0..40 {
        let mut random = Random(seed + 1);
        let mut hub = Hub::steady();
        let mut payer = Provider::connected("ALPHA", &mut hub);
        let mut payee = Paired::new("BRAVO");
        let (mut ordered, mut answered) = (0, 0);
        for turn in 0..600 {
            let is_over = turn >= 400;
            for slot in [0, 1] {
                if is_over || random.percent(30) {
                    payee.connect(&mut hub, slot, "BRAVO");
                }
                if !is_over && random.percent(6) {
                    payee.cut(&mut hub, slot);
                }
            }
            if !is_over && random.percent(70) {
                for _ in 0..random.below(5) {
                    payer.pay(&order(ordered, "ALPHA", "BRAVO", 1, hub.now_ns), ordered);
                    ordered += 1;
                }
            }
            while answered < payee.application.forwards.len() {
                payee.accept(payee.application.forwards[answered]);
                answered += 1;
            }
            payee.send(&mut hub);
            exchange(&mut hub, [&mut payer]).unwrap();
            let takes_bytes = if is_over || random.percent(50) { usize::MAX } else { 700 };
            payee.receive(&mut hub, takes_bytes);
            hub.pass_ms(1);
        }
        let expected: Vec<PaymentId> = (0..ordered).map(id).collect();
        assert_eq!(payee.application.forwards, expected, "seed {seed}: each once, and in order");
        let committed: Vec<PaymentId> = payee.application.committed.keys().copied().collect();
        assert!(payee.application.committed.values().all(|times| *times == 1), "seed {seed}");
        assert_eq!(committed.len(), expected.len(), "seed {seed}: every answer arrived");
        assert_eq!(hub.pipeline.engine().counts().committed, ordered, "seed {seed}");
        let key = payee.keys[0].unwrap();
        let marks = hub.pipeline.lane_watermarks(key).unwrap()[0];
        assert_eq!((marks.enqueued, marks.sent, marks.acknowledged), (2 * ordered, 2 * ordered, 2 * ordered));
    }
}

/// Both lines of BRAVO die without a word while payments come, and only one of them can be made again: everything comes over that one at once, not after the silence
/// in which the switch finds that the other is dead.
#[test]
fn one_line_of_two_that_died_unnoticed_brings_everything() {
    for slot in [0, 1] {
        let mut hub = Hub::steady();
        let mut payer = Provider::connected("ALPHA", &mut hub);
        let mut payee = Paired::new("BRAVO");
        let mut ordered = 0;
        for turn in 0..40 {
            match turn {
                0..=9 => [0, 1].into_iter().for_each(|slot| payee.connect(&mut hub, slot, "BRAVO")),
                20 => payee.both_die(),
                30.. => payee.connect(&mut hub, slot, "BRAVO"),
                _ => {}
            }
            if turn < 28 {
                payer.pay(&order(ordered, "ALPHA", "BRAVO", 1, hub.now_ns), ordered);
                ordered += 1;
            }
            payee.send(&mut hub);
            exchange(&mut hub, [&mut payer]).unwrap();
            payee.receive(&mut hub, usize::MAX);
            hub.pass_ms(1);
        }
        let expected: Vec<PaymentId> = (0..ordered).map(id).collect();
        assert_eq!(payee.application.forwards, expected, "slot {slot}");
    }
}
