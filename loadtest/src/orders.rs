//! Which payment comes next: who pays whom how much, and which order is submitted a second time.

use adapters::directory::AliasType;
use adapters::message::{AliasTransfer, CreditTransfer, NO_ID};

use crate::connection::{CURRENCY, Connection, Shared};
use crate::draw::Draw;
use crate::flights::{Order, RunNumber};
use crate::limits::{REFUSED_ORDERS_MAX, REMEMBERED_ORDERS_MAX};
use crate::plan::Mix;
use crate::sequel::{Errand, Sequel};
use crate::tally::Class;

/// Draws orders by lot.
pub(crate) struct Orders {
    mix: Mix,
    draw: Draw,
    /// Orders that may be submitted again, the oldest replaced by the newest.
    remembered: Vec<Remembered>,
    next_remembered: usize,
}

/// Place of the participant to which a part of all payments goes.
const HOT_PAYEE: usize = 0;

/// Anybody but the payer; where some payments go to the hot payee, the others do not.
fn draw_payee(draw: &mut Draw, payer: usize, count: usize, has_hot: bool) -> usize {
    // Of two participants the payer may have nobody else to pay.
    let has_hot = has_hot && count > 2;
    let mut payee = (payer + 1 + draw.below(count - 1)) % count;
    while has_hot && payee == HOT_PAYEE {
        payee = (payer + 1 + draw.below(count - 1)) % count;
    }
    payee
}

/// An order, and what it takes to submit it again.
#[derive(Clone)]
struct Remembered {
    order: CreditTransfer,
    private: usize,
    payer: usize,
}

impl Orders {
    pub(crate) fn new(mix: Mix) -> Orders {
        Orders { mix, draw: Draw::new(), remembered: Vec::new(), next_remembered: 0 }
    }

    /// For the run's payments.
    pub(crate) fn run_number(&mut self) -> RunNumber {
        RunNumber::new(&mut self.draw)
    }

    /// Somebody to pay for the last participant, which floods.
    pub(crate) fn draw_victim(&mut self, count: usize) -> (usize, usize) {
        (count - 1, self.draw.below(count - 1))
    }

    /// Payer and payee by lot. Where the payer has no room or is away, it is the next that has; none where nobody has. `waits`: not one that was told
    /// to wait.
    pub(crate) fn draw_parties(
        &mut self,
        connections: &[Connection],
        now_ns: u64,
        waits: bool,
    ) -> Option<(usize, usize)> {
        let count = connections.len();
        let is_hot = self.draw.is_one_of(self.mix.hot_payee_percent);
        let first = self.draw.below(count);
        let payer = (first..first + count).map(|place| place % count).find(|&place| {
            let connection = &connections[place];
            let is_payee = is_hot && place == HOT_PAYEE;
            let must_wait = waits && connection.busy_until_ns > now_ns || connection.is_flooding(now_ns);
            !is_payee && connection.has_room() && !connection.is_away(now_ns) && !must_wait
        })?;
        let has_hot = self.mix.hot_payee_percent > 0;
        Some((payer, if is_hot { HOT_PAYEE } else { draw_payee(&mut self.draw, payer, count, has_hot) }))
    }

    /// Whose figures the next payment of the schedule is in.
    pub(crate) fn draw_class(&mut self) -> Class {
        if self.draw.is_one_of(self.mix.bulk_percent) { Class::Bulk } else { Class::Retail }
    }

    /// Submits a new payment of this payer, and an old one again where the lot says so.
    pub(crate) fn submit(
        &mut self,
        connections: &mut [Connection],
        shared: &mut Shared,
        (payer, payee): (usize, usize),
        (class, intended_ns): (Class, u64),
    ) {
        let private = self.draw.below(shared.private_parts.len());
        let spread = usize::try_from(self.mix.amount_max - self.mix.amount_min + 1).unwrap_or(usize::MAX);
        let amount = self.mix.amount_min + self.draw.below(spread) as u64;
        let place_of = |place| u32::try_from(place).unwrap_or_else(|_| unreachable!("connections are bounded"));
        let order = Order { intended_ns, payer: place_of(payer), payee: place_of(payee), amount, class };
        let (is_requested, sequel) = self.draw_sequel(class, amount);
        let place = shared.flights.begin(&mut self.draw, order).0;
        if is_requested || sequel != Sequel::Nothing {
            shared.flights.enlarge(place, is_requested, sequel);
        }
        let flight = shared.flights.at(place);
        if is_requested {
            return connections[payee].put_errand(intended_ns, (place, flight.id), Errand::Ask);
        }
        if class != Class::Flood && self.draw.is_one_of(self.mix.alias_percent) {
            flight.is_by_alias = true;
            return submit_by_alias(&mut connections[payer], shared, (place, private));
        }
        let order = CreditTransfer {
            payment_id: flight.id,
            payer: *shared.codes[payer].bytes(),
            payee: *shared.codes[payee].bytes(),
            amount,
            currency: CURRENCY,
            accepted_at_ns: intended_ns,
            purpose: [0; 4],
            lane: class.lane() as u8,
            request_id: NO_ID,
        };
        connections[payer].submit_order(&order, &shared.private_parts[private], place, flight);
        if self.mix.repeat_percent > 0 && class != Class::Flood {
            self.repeat(connections, shared, Remembered { order, private, payer });
        }
    }

    /// Is it asked for first, and what is to follow? Nothing of a flood: that is noise.
    fn draw_sequel(&mut self, class: Class, amount: u64) -> (bool, Sequel) {
        if class == Class::Flood {
            return (false, Sequel::Nothing);
        }
        let Mix { request_percent, return_percent, recall_percent, .. } = self.mix;
        let is_requested = self.draw.is_one_of(request_percent);
        if return_percent + recall_percent == 0 {
            return (is_requested, Sequel::Nothing);
        }
        let drawn = self.draw.below(100);
        let (returned, recalled) = (return_percent as usize, recall_percent as usize);
        let is_first_half = self.draw.is_one_of(50);
        let sequel = match drawn {
            // The least amount has no two parts.
            drawn if drawn < returned && is_first_half && amount > 1 => Sequel::ReturnInTwo,
            drawn if drawn < returned => Sequel::Return,
            drawn if drawn < returned + recalled && is_first_half => Sequel::RecallReturned,
            drawn if drawn < returned + recalled => Sequel::RecallRefused,
            _ => Sequel::Nothing,
        };
        (is_requested, sequel)
    }

    /// By lot: this order again at once, or an old one, or none.
    fn repeat(&mut self, connections: &mut [Connection], shared: &mut Shared, newest: Remembered) {
        if self.remembered.len() < REMEMBERED_ORDERS_MAX {
            self.remembered.push(newest.clone());
        } else {
            self.remembered[self.next_remembered] = newest.clone();
            self.next_remembered = (self.next_remembered + 1) % REMEMBERED_ORDERS_MAX;
        }
        if !self.draw.is_one_of(self.mix.repeat_percent) {
            return;
        }
        let Remembered { order, private, payer } = match self.draw.is_one_of(50) {
            true => &newest,
            false => &self.remembered[self.draw.below(self.remembered.len())],
        };
        let refused = shared.refused.as_ref();
        if refused.is_none_or(|refused| refused.len() >= REFUSED_ORDERS_MAX || refused.contains(&order.payment_id)) {
            return;
        }
        let is_taken = connections[*payer].repeat_order(order, &shared.private_parts[*private]);
        shared.tally.repeated += u64::from(is_taken);
        if is_taken && let Some(place) = shared.flights.find(&order.payment_id) {
            shared.flights.at(place).is_repeated = true;
        }
    }
}

/// The payment at this place, to an alias of its payee. It is not submitted again: a copy may be refused for an empty bucket, and its first may not.
fn submit_by_alias(connection: &mut Connection, shared: &mut Shared, (place, private): (u32, usize)) {
    let Some(aliases) = shared.aliases.as_deref_mut() else {
        unreachable!("a plan with payments to aliases has aliases")
    };
    let flight = shared.flights.at(place);
    let order = AliasTransfer {
        payment_id: flight.id,
        payer: *shared.codes[flight.payer as usize].bytes(),
        amount: flight.amount,
        currency: CURRENCY,
        accepted_at_ns: flight.intended_ns,
        purpose: [0; 4],
        lane: flight.class.lane() as u8,
        request_id: NO_ID,
        alias_type: AliasType::Mobile as u8,
    };
    let private = aliases.order_private(&flight.id, flight.payee, private);
    connection.submit_alias_order(&order, private, place, flight);
    shared.tally.transfers += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_himself_and_the_hot_payee_gets_no_more_than_its_part() {
        let mut draw = Draw::seeded(5);
        for count in [2, 3, 16] {
            for payer in 0..count {
                let payees: Vec<usize> = (0..1_000).map(|_| draw_payee(&mut draw, payer, count, false)).collect();
                assert!((0..count).all(|place| payees.contains(&place) == (place != payer)), "{payer} of {count}");
                let payees: Vec<usize> = (0..1_000).map(|_| draw_payee(&mut draw, payer, count, true)).collect();
                assert!(!payees.contains(&payer) && (count == 2 || !payees.contains(&HOT_PAYEE)), "{payer} of {count}");
            }
        }
    }
}
