//! How providers misbehave, each in its own way.

use adapters::message::{Ack, Answer, MessageKind, OUTBOX_LANES, Part, PaymentId, Reason};
use adapters::native::frame::{Head, encode};
use adapters::native::session::Resume;

use super::orders::new_id;
use super::{Around, Message, Provider, Ticket};
use crate::simulate::plan::{Character, NS_PER_S};
use crate::simulate::wire::{self, Id};

/// Longer than any run.
const FOR_GOOD_S: u64 = 1_000_000;

impl Provider {
    pub(super) fn misbehave(&mut self, around: &mut Around<'_>) {
        if around.is_draining || *around.operations_left == 0 {
            return;
        }
        let per_mille = match self.plan.character {
            Character::Good | Character::Slow | Character::Repeating => return,
            Character::Dead => 2,
            Character::Disordered | Character::Lying => 60,
            Character::Reconnecting => 10,
        };
        if !self.random.per_mille(per_mille) {
            return;
        }
        *around.operations_left -= 1;
        match self.plan.character {
            Character::Dead => {
                let is_for_good = self.random.percent(10);
                around.coverage.count(if is_for_good {
                    "provider falls silent for good"
                } else {
                    "provider falls silent"
                });
                let silent_s = if is_for_good { FOR_GOOD_S } else { self.random.between(1, 40) };
                self.frozen_until_ns = around.now_ns + silent_s * NS_PER_S;
            }
            Character::Reconnecting => self.come_and_go(around),
            Character::Disordered => self.disorder(around),
            _ => self.lie(around),
        }
    }

    fn come_and_go(&mut self, around: &mut Around<'_>) {
        match self.random.below(10) {
            0 => self.restart(Resume::FROM_THE_START, around),
            1 => self.restart(Resume::FROM_THE_END, around),
            2 | 3 => self.restart(self.stored, around),
            _ => {
                let quietly = self.random.percent(50);
                self.reconnect(quietly, around);
            }
        }
    }

    /// Answers that were not due yet come now, the last first.
    fn disorder(&mut self, around: &mut Around<'_>) {
        let early: Vec<(u64, Id)> = self.answers_due.iter().rev().take(5).copied().collect();
        for due in early {
            if self.has_room() {
                self.answers_due.remove(&due);
                self.answer(due.1, around);
            }
        }
        if let Some(&id) = self.open.keys().next() {
            self.ask(id, around);
        }
    }

    fn lie(&mut self, around: &mut Around<'_>) {
        if !self.is_open() || !self.has_room() {
            return;
        }
        match self.random.below(13) {
            0 => self.name_another_payer(around),
            1 => self.answer_for_another(around),
            2 => self.use_anothers_id(around),
            3 => self.change_own_order(around),
            4 => self.change_own_words(around),
            5 => self.answer_nothing(around),
            6 => self.change_its_mind(around),
            7 => self.order_nonsense(around),
            8 => self.send_no_frame(around),
            9 => {
                // In the same breath, so that the seeds that are kept as tests draw what they drew.
                self.acknowledge_too_little(around);
                self.ask_about_another(around);
            }
            10 | 11 => self.meddle_in_a_case(around),
            _ => self.acknowledge_too_much(around),
        }
    }

    fn name_another_payer(&mut self, around: &mut Around<'_>) {
        let id = new_id(&mut self.random);
        let Some(mut routing) = self.some_order() else { return };
        let other = around.plan.providers[(self.place + 1) % around.plan.providers.len()].code;
        routing[..16].copy_from_slice(&id);
        routing[16..51].copy_from_slice(other.bytes());
        self.submit_order(&routing, &[], Ticket::Order(id), around);
    }

    fn answer_for_another(&mut self, around: &mut Around<'_>) {
        let Some(id) = self.some_id(around) else { return };
        let Some(payment) = PaymentId::from_bytes(id) else { return };
        let mut routing = Vec::new();
        Answer::accept(payment).write(&mut routing);
        self.submit_answer(&routing, &[], around);
    }

    /// Only ids that are on disk: who is faster than the payer provider takes the id, and nobody can tell who lied.
    fn use_anothers_id(&mut self, around: &mut Around<'_>) {
        let place = self.place;
        let is_anothers = |id: &Id| {
            let is_own = around.auditor.payment(*id).is_some_and(|payment| payment.sender == place)
                || around.auditor.case(*id).is_some_and(|case| case.opener == place);
            around.auditor.knows(*id) && !is_own
        };
        let Some(id) = self.some_id(around).filter(is_anothers) else { return };
        let own = self.sent.last().filter(|_| self.random.percent(50)).and_then(|own| self.sent_messages.get(own));
        let own = own.cloned().or_else(|| self.newest_order().map(|(_, order)| order));
        let Some(mut message) = own.filter(|own| !own.routing.windows(16).any(|part| part == id)) else { return };
        message.routing[..16].copy_from_slice(&id);
        self.submit_message(&message, Ticket::Order(id), around);
    }

    fn change_own_order(&mut self, around: &mut Around<'_>) {
        let Some((id, Message { mut routing, private, .. })) = self.newest_order() else { return };
        // The lowest byte of the amount; an amount of 0 would be refused for its form.
        routing[86] = routing[86].wrapping_add(1).max(1);
        self.submit_order(&routing, &private, Ticket::Order(id), around);
    }

    /// The same routing part, another remittance: another payment under the same id.
    fn change_own_words(&mut self, around: &mut Around<'_>) {
        let changed = self.newest_order().map(|(id, order)| {
            let mut fields = wire::private_fields(&order.private, 7);
            // Seven more: no layout of the right words has that length.
            fields[5].extend_from_slice(b" please");
            (id, order.routing, wire::write_private(&fields, 0))
        });
        if let Some((id, routing, private)) = changed {
            self.submit_order(&routing, &private, Ticket::Order(id), around);
        }
    }

    fn answer_nothing(&mut self, around: &mut Around<'_>) {
        let id = new_id(&mut self.random);
        let Some(payment) = PaymentId::from_bytes(id) else { return };
        let mut routing = Vec::new();
        Answer::reject(payment, Reason::of(b"AC01")).write(&mut routing);
        self.submit_answer(&routing, &[], around);
    }

    fn change_its_mind(&mut self, around: &mut Around<'_>) {
        let answered = self.asked.iter().rev().find(|(_, asked)| asked.answer.is_some()).map(|(id, _)| *id);
        let Some(payment) = answered.and_then(PaymentId::from_bytes) else { return };
        let mut routing = Vec::new();
        if self.random.percent(50) {
            Answer::accept(payment).write(&mut routing);
        } else {
            Answer::reject(payment, Reason::of(b"AC06")).write(&mut routing);
        }
        self.submit_answer(&routing, &[], around);
    }

    fn order_nonsense(&mut self, around: &mut Around<'_>) {
        let Some(mut routing) = self.some_order() else { return };
        match self.random.below(3) {
            0 => routing[86..94].fill(0),
            1 => routing[6] = 0x10,
            _ => routing[94] = b'k',
        }
        if let Ok(ticket) = self.pair.submit_raw(MessageKind::CreditTransfer, &routing, &[]) {
            around.coverage.count("order of a bad form");
            self.tickets.insert((ticket.slot, ticket.ticket), Ticket::Malformed);
        }
    }

    fn send_no_frame(&mut self, around: &mut Around<'_>) {
        self.has_lied = true;
        around.coverage.count("bytes that are no frame");
        let length = self.random.between(1, 200);
        let noise = (0..length).map(|_| u8::try_from(self.random.below(256)).unwrap_or(0)).collect::<Vec<_>>();
        let slot = self.some_slot();
        self.pair.outgoing(slot).extend_from_slice(&noise);
    }

    fn ask_about_another(&mut self, around: &mut Around<'_>) {
        if let Some(id) = self.some_id(around) {
            self.ask(id, around);
        }
    }

    /// As if it had forgotten what it has acknowledged on this connection.
    fn acknowledge_too_little(&mut self, around: &mut Around<'_>) {
        around.coverage.count("acknowledgement that goes back");
        self.acknowledge(0);
    }

    fn acknowledge_too_much(&mut self, around: &mut Around<'_>) {
        self.has_lied = true;
        around.coverage.count("acknowledgement of what was not sent");
        self.acknowledge(u64::MAX / 2);
    }

    fn acknowledge(&mut self, number: u64) {
        let received = [number; OUTBOX_LANES];
        let slot = self.some_slot();
        encode(self.pair.outgoing(slot), MessageKind::Ack, Head::PLAIN, &Ack { received }, |_| {});
    }

    fn some_order(&self) -> Option<Vec<u8>> {
        let mut orders = self.open.values().filter(|message| message.kind == MessageKind::CreditTransfer);
        orders.next().map(|order| order.routing.clone())
    }

    fn newest_order(&self) -> Option<(Id, Message)> {
        let mut open = self.open.iter().rev();
        let newest = open.find(|(_, message)| message.kind == MessageKind::CreditTransfer);
        newest.map(|(id, order)| (*id, order.clone()))
    }

    pub(super) fn some_id(&mut self, around: &Around<'_>) -> Option<Id> {
        let recent = around.ids.len().min(200);
        let back = recent.checked_sub(1).map(|most| self.random.index(most + 1))?;
        around.ids.get(around.ids.len() - 1 - back).copied()
    }
}
