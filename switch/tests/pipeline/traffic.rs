//! Random traffic of a few providers, and what must be true of everything that they were ever told.

use std::collections::BTreeMap;

use adapters::message::{Answer, ErrorCode, Note, Outcome, Part, Reason};

use crate::hub::{Hub, Stopped};
use crate::language::number;
use crate::orders::{NAMES, Random, TIMEOUT_NS, code, id, kes, number_of, order};
use crate::provider::{Heard, Provider, Said, exchange};

/// An order that was handed to a provider's session.
#[derive(Clone, Copy)]
struct Ordered {
    payer: usize,
    payee: usize,
    amount: u64,
    accepted_at_ns: u64,
    ticket: u64,
}

/// Providers, and what they have done.
pub(crate) struct Traffic {
    pub(crate) providers: Vec<Provider>,
    random: Random,
    funds: [u64; 4],
    orders: BTreeMap<u64, Ordered>,
    /// Of each provider: the final outcomes it was told, the payments it was asked to take, its highest acknowledged ticket.
    finals: Vec<BTreeMap<u64, Said>>,
    asked: Vec<BTreeMap<u64, bool>>,
    acknowledged: Vec<u64>,
    /// Orders that the switch was too busy for: whose they are, and which.
    refused: Vec<(usize, u64)>,
    examined: Vec<usize>,
}

impl Traffic {
    pub(crate) fn new(seed: u64, funds: [u64; 4]) -> Traffic {
        Traffic {
            providers: NAMES.iter().map(|name| Provider::new(name)).collect(),
            random: Random(seed),
            funds,
            orders: BTreeMap::new(),
            finals: vec![BTreeMap::new(); NAMES.len()],
            asked: vec![BTreeMap::new(); NAMES.len()],
            acknowledged: vec![0; NAMES.len()],
            refused: Vec::new(),
            examined: vec![0; NAMES.len()],
        }
    }

    /// One turn of random behaviour.
    pub(crate) fn step(&mut self, hub: &mut Hub) -> Result<(), Stopped> {
        let pause_ms = if self.random.percent(3) { 4_000 } else { 1 + self.random.below(40) };
        hub.pass_ms(pause_ms);
        self.order_what_was_refused();
        for place in 0..NAMES.len() {
            self.come_and_go(hub, place);
            if self.providers[place].session.has_room() {
                self.order_some(hub.now_ns, place);
                self.answer_some(place, 85);
                self.ask_some(place);
            }
            self.providers[place].takes_bytes =
                if self.random.percent(30) { self.random.below(2_000) as usize } else { usize::MAX };
        }
        exchange(hub, &mut self.providers)?;
        self.examine();
        Ok(())
    }

    fn come_and_go(&mut self, hub: &mut Hub, place: usize) {
        let is_connected = self.providers[place].key.is_some();
        if is_connected && self.random.percent(3) {
            self.providers[place].disconnect(hub);
        } else if !is_connected && self.random.percent(40) || is_connected && self.random.percent(1) {
            self.providers[place].connect(hub);
        }
    }

    fn order_some(&mut self, now_ns: u64, payer: usize) {
        for _ in 0..self.random.below(4) {
            if self.random.percent(10) && !self.orders.is_empty() {
                self.order_again(payer);
                continue;
            }
            let payment = self.orders.len() as u64;
            let payee = (payer + 1 + self.random.below(NAMES.len() as u64 - 1) as usize) % NAMES.len();
            let amount = 1 + self.random.below(400);
            self.orders.insert(payment, Ordered { payer, payee, amount, accepted_at_ns: now_ns, ticket: 0 });
            self.submit(payment);
        }
    }

    /// Hands an order to its payer provider's session.
    fn submit(&mut self, payment: u64) {
        let ordered = self.orders.get_mut(&payment).unwrap();
        let Ordered { payer, payee, amount, accepted_at_ns, .. } = *ordered;
        let message = order(payment, NAMES[payer], NAMES[payee], amount, accepted_at_ns);
        ordered.ticket = self.providers[payer].pay(&message, payment);
    }

    fn order_what_was_refused(&mut self) {
        for (place, payment) in std::mem::take(&mut self.refused) {
            if self.providers[place].session.has_room() {
                self.submit(payment);
            } else {
                self.refused.push((place, payment));
            }
        }
    }

    /// A question about any payment there ever was, by anybody.
    fn ask_some(&mut self, place: usize) {
        if self.random.percent(15) && !self.orders.is_empty() {
            let payment = self.random.below(self.orders.len() as u64);
            self.providers[place].ask(id(payment));
        }
    }

    /// An order comes a second time; perhaps with another amount, perhaps from somebody else.
    fn order_again(&mut self, sender: usize) {
        let payment = self.random.below(self.orders.len() as u64);
        let Ordered { payer, payee, amount, accepted_at_ns, .. } = self.orders[&payment];
        let amount = amount + u64::from(self.random.percent(20));
        let message = order(payment, NAMES[payer], NAMES[payee], amount, accepted_at_ns);
        // A stranger who is faster than the payer provider would take the id: a UETR is 122 random bits, so only ids in use are tried.
        let is_known = self.acknowledged[payer] >= self.orders[&payment].ticket;
        if is_known || (sender == payer && amount == self.orders[&payment].amount) {
            let in_other_bytes = self.random.percent(50);
            self.providers[sender].pay_in(&message, payment, in_other_bytes);
        }
    }

    fn answer_some(&mut self, payee: usize, of_hundred: u64) {
        let open: Vec<u64> = self.asked[payee].iter().filter(|(_, answered)| !**answered).map(|(id, _)| *id).collect();
        for payment in open {
            if !self.random.percent(of_hundred) {
                continue;
            }
            let mut note = Vec::new();
            Note { text: format!("answer {payment}").into_bytes(), extension: Vec::new() }.write(&mut note);
            let answer = match self.random.below(10) {
                0..7 => Answer::accept(id(payment)),
                7..9 => Answer::reject(id(payment), Reason::of(b"AC04")),
                // It is never answered, or only after a change of mind.
                _ => continue,
            };
            let is_sure = self.random.percent(95);
            self.asked[payee].insert(payment, is_sure);
            self.providers[payee].answer(&answer, &note);
            if self.random.percent(10) {
                self.providers[payee].ask(id(payment));
            }
        }
    }

    /// Ends everything: all connected, time passes, nobody pays.
    pub(crate) fn settle(&mut self, hub: &mut Hub) -> Result<(), Stopped> {
        for provider in &mut self.providers {
            provider.takes_bytes = usize::MAX;
            provider.connect(hub);
        }
        let mut turn = 0;
        while turn < 12 || !self.refused.is_empty() {
            hub.now_ns += if turn % 6 == 5 { TIMEOUT_NS } else { 20_000_000 };
            self.order_what_was_refused();
            exchange(hub, &mut self.providers)?;
            self.examine();
            turn += 1;
            // The last thing that was taken is over only after its time, and after what history needs.
            if turn >= 12 && self.refused.is_empty() && self.providers.iter().any(|p| p.session.unacknowledged() > 0) {
                turn = 6;
            }
        }
        for _ in 0..4 {
            hub.now_ns += TIMEOUT_NS;
            exchange(hub, &mut self.providers)?;
            self.examine();
        }
        assert!(self.providers.iter().all(|provider| provider.session.unacknowledged() == 0));
        assert_eq!(hub.pipeline.engine().counts().in_flight, 0);
        Ok(())
    }

    /// Looks at what was heard since the last time: nobody is told two outcomes of a payment, or the same numbered one twice.
    pub(crate) fn examine(&mut self) {
        for (place, provider) in self.providers.iter().enumerate() {
            for heard in &provider.heard[self.examined[place]..] {
                match heard {
                    Heard::Status { id, said, numbered, .. } if said.outcome.is_final() => {
                        let Ordered { payer, payee, .. } = self.orders[&number_of(*id)];
                        assert!(place == payer || place == payee, "a stranger learns nothing: {heard:?}");
                        let before = self.finals[place].get(&number_of(*id));
                        assert!(before.is_none_or(|before| before == said), "two outcomes of one payment: {heard:?}");
                        assert!(!numbered || said.position > 0);
                        self.finals[place].insert(number_of(*id), *said);
                    }
                    Heard::Forward { id, .. } => {
                        let before = self.asked[place].insert(number_of(*id), false);
                        assert_eq!(before, None, "a payment is forwarded once");
                    }
                    Heard::Status { id, said, numbered, .. } => {
                        let payment = number_of(*id);
                        assert!(!numbered, "only an outcome is numbered");
                        let Ordered { payer, payee, .. } = self.orders[&payment];
                        let is_party = place == payer || place == payee;
                        assert!(is_party || said.outcome != Outcome::InFlight, "a stranger learns nothing: {heard:?}");
                        let knows =
                            self.finals[place].contains_key(&payment) || self.asked[place].contains_key(&payment);
                        assert!(!knows || said.outcome != Outcome::Unknown, "what was told is forgotten: {heard:?}");
                    }
                    Heard::Acknowledged { through } => self.acknowledged[place] = *through,
                    Heard::Refused { code, ticket, fatal: false } if *code == ErrorCode::Busy as u16 => {
                        // Where it was a repetition, nobody minds.
                        let of_ticket = |ordered: &Ordered| ordered.payer == place && ordered.ticket == *ticket;
                        if let Some((payment, ordered)) = self.orders.iter_mut().find(|(_, ordered)| of_ticket(ordered))
                        {
                            ordered.ticket = u64::MAX;
                            self.refused.push((place, *payment));
                        }
                    }
                    Heard::Refused { .. } => panic!("nothing here is to be refused: {heard:?}"),
                    _ => {}
                }
            }
            self.examined[place] = provider.heard.len();
        }
        for (place, provider) in self.providers.iter().enumerate() {
            let numbered = provider.statuses();
            let distinct: BTreeMap<u64, Outcome> =
                numbered.iter().map(|(id, outcome)| (number_of(*id), *outcome)).collect();
            assert_eq!(distinct.len(), numbered.len(), "{}: a final status came twice", NAMES[place]);
        }
    }

    /// Whatever anybody was ever told is what the switch knows; whatever was acknowledged is there.
    pub(crate) fn check_against(&self, hub: &Hub) {
        for (place, name) in NAMES.iter().enumerate() {
            for (payment, said) in &self.finals[place] {
                let known = hub.status_for(number(name), id(*payment));
                let known = Said {
                    outcome: known.outcome,
                    reason: known.reason,
                    decided_at_ns: known.decided_at_ns,
                    position: known.position,
                };
                assert_eq!(known, *said, "{name} was told otherwise of T{payment}");
            }
            for payment in self.asked[place].keys() {
                let known = hub.status_for(number(name), id(*payment)).outcome;
                assert_ne!(known, Outcome::Unknown, "{name} was asked to take T{payment}, which is lost");
            }
        }
        for (payment, ordered) in &self.orders {
            if ordered.ticket <= self.acknowledged[ordered.payer] {
                let known = hub.status_for(number(NAMES[ordered.payer]), id(*payment)).outcome;
                assert_ne!(known, Outcome::Unknown, "T{payment} was acknowledged, and is lost");
            }
        }
    }

    /// After `settle`: every payment has one outcome that both sides know, and the money is where the statuses say.
    pub(crate) fn check_settled(&self, hub: &Hub) {
        self.check_against(hub);
        let engine = hub.pipeline.engine();
        let mut money: Vec<i128> = self.funds.iter().map(|&funds| i128::from(funds)).collect();
        let mut outcomes = [0u64; 3];
        for (payment, ordered) in &self.orders {
            let payer_said =
                self.finals[ordered.payer].get(payment).unwrap_or_else(|| panic!("T{payment} has no outcome"));
            let was_asked = self.asked[ordered.payee].contains_key(payment);
            let payee_said = self.finals[ordered.payee].get(payment);
            assert_eq!(payee_said, was_asked.then_some(payer_said), "both sides of T{payment}");
            outcomes[payer_said.outcome as usize - 1] += 1;
            if payer_said.outcome == Outcome::Committed {
                money[ordered.payer] -= i128::from(ordered.amount);
                money[ordered.payee] += i128::from(ordered.amount);
            }
        }
        let counts = engine.counts();
        assert_eq!(outcomes, [counts.committed, counts.rejected, counts.expired]);
        for (name, money) in NAMES.iter().zip(money) {
            let (available, reserved) = engine.balance_of(number(name), kes()).unwrap();
            assert_eq!((available as i128, reserved), (money, 0), "money of {name}");
            assert_eq!(engine.find_participant(&code(name)), Some(number(name)));
        }
    }

    /// How many payments were ordered.
    pub(crate) fn payments(&self) -> usize {
        self.orders.len()
    }
}
