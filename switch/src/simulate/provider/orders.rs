//! What a provider orders: mostly ordinary payments, and at the edges of every rule.

use adapters::message::{CreditTransfer, Lane, MessageKind, NO_ID, Part};

use super::{Around, Message, Provider, Ticket, hex};
use crate::limits::NS_PER_MS;
use crate::simulate::plan::{BULK_PURPOSE, CURRENCIES, Character, Plan, START_NS};
use crate::simulate::random::Random;
use crate::simulate::wire::{self, Id};

/// As many as make two portions of what expires with one batch.
pub(super) const FLOOD_ORDERS: u64 = 3_000;

impl Provider {
    pub(super) fn order_if_due(&mut self, around: &mut Around<'_>) {
        while around.now_ns >= self.next_order_ns && !around.is_draining {
            self.next_order_ns += self.random.around(self.plan.order_gap_ns) + 1;
            // Now and then many at once.
            let count = if self.random.percent(3) { self.random.between(5, 30) } else { 1 };
            for _ in 0..count {
                if *around.operations_left == 0 || !self.has_room() {
                    return;
                }
                *around.operations_left -= 1;
                if self.random.percent(65) {
                    self.order(around);
                } else {
                    self.do_casework(around);
                }
            }
        }
    }

    /// More small payments than can expire with one batch, all with one deadline.
    pub(super) fn flood_if_due(&mut self, around: &mut Around<'_>) {
        let is_due = around.plan.flood_at_ns.is_some_and(|at_ns| around.now_ns >= at_ns);
        if self.has_flooded || !is_due || around.is_draining || !self.is_open() {
            return;
        }
        let (payer, payee) = around.plan.flood_parties();
        if self.place != payer {
            return;
        }
        self.has_flooded = true;
        around.coverage.count("flood of orders");
        let payee = *around.plan.providers[payee].code.bytes();
        if around.plan.is_flood_of_requests {
            return self.flood_with_requests(payee, around);
        }
        // By the switch's clock, however wrong: all of them are to be taken.
        let accepted_ns = (START_NS + around.now_ns).saturating_add_signed(around.journal_lead_ns);
        let (accepted_at_ns, currency) = (accepted_ns / NS_PER_MS * NS_PER_MS, CURRENCIES[0]);
        for _ in 0..FLOOD_ORDERS {
            if *around.operations_left == 0 || !self.has_room() {
                return;
            }
            *around.operations_left -= 1;
            let id = new_id(&mut self.random);
            let ordinary = self.draw_order(id, around);
            self.place_order(
                &CreditTransfer {
                    payee,
                    amount: 1,
                    currency,
                    accepted_at_ns,
                    purpose: [0; 4],
                    lane: Lane::Payments as u8,
                    ..ordinary
                },
                around,
            );
        }
    }

    fn order(&mut self, around: &mut Around<'_>) {
        let id = new_id(&mut self.random);
        let order = self.draw_order(id, around);
        self.place_order(&order, around);
    }

    pub(super) fn place_order(&mut self, order: &CreditTransfer, around: &mut Around<'_>) {
        let id = order.payment_id;
        let mut routing = Vec::new();
        order.write(&mut routing);
        let fields = self.draw_private(id);
        let private = if self.random.percent(10) { Vec::new() } else { wire::write_private(&fields, 0) };
        around.ids.push(id);
        if self.plan.character == Character::Disordered && self.random.percent(30) {
            self.ask(id, around);
        }
        self.submit_order(&routing, &private, Ticket::Order(id), around);
        let again_percent = if self.plan.character == Character::Repeating { 40 } else { 3 };
        if self.random.percent(again_percent) {
            let again_ns = around.now_ns + self.random.below(5_000) * NS_PER_MS;
            self.orders_due.insert((again_ns, id));
        }
        let other_bytes = self.plan.character == Character::Repeating && !private.is_empty();
        let private = if other_bytes { wire::write_private(&fields, 8 * self.random.index(4)) } else { private };
        self.open.insert(id, Message { kind: MessageKind::CreditTransfer, routing, private });
        if self.random.percent(5) {
            self.ask(id, around);
        }
    }

    pub(super) fn draw_order(&mut self, id: Id, around: &Around<'_>) -> CreditTransfer {
        let currency = match self.random.below(100) {
            0..2 => *b"EUR",
            2..12 => CURRENCIES[1],
            // Where it settles net, there is more to see.
            12..40 if around.plan.operator_gap_ns.is_some() => CURRENCIES[1],
            _ => CURRENCIES[0],
        };
        let amount = match self.random.below(100) {
            0 => around.plan.rules.amount_max + 1,
            1 => around.plan.rules.amount_max,
            // All that it has, and one more: unless other payments come between, the exact edge of its funds.
            2 => self.own_funds(around, currency),
            3 => self.own_funds(around, currency) + 1,
            4..10 => self.random.between(1, 20_000),
            _ => self.random.between(1, 800),
        };
        let random = &mut self.random;
        let own_ns = (START_NS + around.now_ns).saturating_add_signed(self.plan.clock_offset_ns);
        let mut order = CreditTransfer {
            payment_id: id,
            payer: *self.plan.code.bytes(),
            payee: draw_payee(self.place, around.plan, random),
            amount,
            currency,
            accepted_at_ns: draw_accepted(own_ns, around, random),
            purpose: match random.below(100) {
                0..25 => *b"SALA",
                25..30 => BULK_PURPOSE,
                _ => [0; 4],
            },
            lane: if random.percent(15) { Lane::Bulk } else { Lane::Payments } as u8,
            request_id: NO_ID,
        };
        if random.per_mille(20) {
            order.payee = *self.plan.code.bytes();
        }
        order
    }

    /// What it can spend, as far as an order may ask for it.
    fn own_funds(&self, around: &Around<'_>, currency: [u8; 3]) -> u64 {
        let place = CURRENCIES.iter().position(|offered| *offered == currency).unwrap_or(0);
        let available = around.auditor.scheme().spendable(self.place, place).posted;
        u64::try_from(available).unwrap_or(0).clamp(1, around.plan.rules.amount_max)
    }

    pub(super) fn draw_private(&mut self, id: Id) -> Vec<Vec<u8>> {
        let mut fields = vec![Vec::new(); 7];
        fields[0] = format!("SECRET customer {}", self.random.below(1_000)).into_bytes();
        fields[2] = b"SECRET payee".to_vec();
        fields[5] = format!("SECRET invoice {}", hex(&id)).into_bytes();
        if self.random.percent(3) {
            fields[6] = vec![0x5e; self.random.index(4_000)];
        }
        fields
    }
}

pub(super) fn draw_payee(own: usize, plan: &Plan, random: &mut Random) -> [u8; 35] {
    let others = plan.providers.len() - 1;
    let place = (own + 1 + random.index(others)) % plan.providers.len();
    let mut code = *plan.providers[place].code.bytes();
    if random.percent(1) {
        code[..6].copy_from_slice(b"NOBODY");
        code[6..].fill(0);
    }
    code
}

/// When the order was accepted: now, or within milliseconds of the first or the last moment that the rules allow.
fn draw_accepted(own_ns: u64, around: &Around<'_>, random: &mut Random) -> u64 {
    let rules = &around.plan.rules;
    let true_ns = START_NS + around.now_ns;
    let nudge_ns = random.below(6) * NS_PER_MS;
    let at_ns = match random.below(100) {
        0..3 => true_ns + rules.skew_ns + nudge_ns,
        3..6 => true_ns - (rules.timeout_ns - rules.payee_share_ns).min(around.now_ns) + nudge_ns,
        6 => own_ns - random.below(rules.timeout_ns).min(around.now_ns),
        _ => own_ns,
    };
    at_ns / NS_PER_MS * NS_PER_MS
}

/// A new version-4 UUID.
pub(super) fn new_id(random: &mut Random) -> Id {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random.draw().to_le_bytes());
    id[8..].copy_from_slice(&random.draw().to_le_bytes());
    id[6] = 0x40 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    id
}
