//! A provider signs off now and then, and on again. What it draws for that has a source of its own.

use adapters::message::MessageKind;

use super::{Around, Provider, Ticket};
use crate::simulate::auditor::Auditor;
use crate::simulate::plan::NS_PER_S;

/// What it wants, and when it will want something else.
#[derive(Default)]
pub(super) struct Signs {
    is_off: bool,
    /// The switch is to be told, or told once more.
    is_to_say: bool,
    next_ns: u64,
}

impl Provider {
    /// Says that it does not want to be paid, or that it does again; one at a time, because two connections keep no order.
    pub(super) fn sign_if_due(&mut self, around: &mut Around<'_>) {
        if !self.plan.signs {
            return;
        }
        if around.is_draining {
            self.signs.is_to_say |= std::mem::take(&mut self.signs.is_off);
        } else if around.now_ns >= self.signs.next_ns && *around.operations_left > 0 {
            let is_first = self.signs.next_ns == 0;
            // Now and then it says the same once more.
            let is_news = !is_first && !self.of_signs.percent(10);
            self.signs.is_off ^= is_news;
            self.signs.is_to_say |= !is_first;
            let mean_s = if self.signs.is_off { 2 } else { 8 };
            self.signs.next_ns = around.now_ns + 1 + self.of_signs.around(mean_s * NS_PER_S);
        }
        let is_waiting = self.tickets.values().any(|ticket| matches!(ticket, Ticket::Sign(_)));
        if !self.signs.is_to_say || is_waiting || !self.has_room() {
            return;
        }
        let kind = if self.signs.is_off { MessageKind::SignOff } else { MessageKind::SignOn };
        if let Ok(ticket) = self.pair.submit_raw(kind, &[], &[]) {
            self.signs.is_to_say = false;
            around.auditor.signs(kind as u8, self.place);
            self.tickets.insert((ticket.slot, ticket.ticket), Ticket::Sign(self.signs.is_off));
        }
    }

    /// In a new life it says again what it wants: the word of the last one may be lost.
    pub(super) fn sign_again(&mut self) {
        self.signs.is_to_say = self.plan.signs;
    }

    /// The switch has acknowledged what it said: from then on that counts.
    pub(super) fn sign_acknowledged(&self, is_off: bool, auditor: &Auditor) -> Result<(), String> {
        let counts = auditor.is_signed_off(self.place);
        if counts == is_off {
            return Ok(());
        }
        Err(format!("{} has signed off, {is_off}, and is taken for signed off, {counts}", self.plan.code))
    }

    /// Does the switch know what it wants?
    pub(super) fn is_sign_settled(&self, auditor: &Auditor) -> Result<(), String> {
        if self.signs.is_to_say {
            return Err(format!("{} has still to say that it can be paid", self.plan.code));
        }
        self.sign_acknowledged(self.signs.is_off, auditor)
    }
}
