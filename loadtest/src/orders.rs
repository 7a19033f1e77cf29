//! Which payment comes next: who pays whom how much, and which order is submitted a second time.

use adapters::message::CreditTransfer;

use crate::connection::{CURRENCY, Connection, Shared};
use crate::draw::{Draw, private_parts};
use crate::flights::{Order, RunNumber};
use crate::limits::{REFUSED_ORDERS_MAX, REMEMBERED_ORDERS_MAX};
use crate::plan::Mix;

/// Draws orders by lot.
pub(crate) struct Orders {
    mix: Mix,
    draw: Draw,
    private_parts: Vec<Vec<u8>>,
    /// Orders that may be submitted again, the oldest replaced by the newest.
    remembered: Vec<Remembered>,
    next_remembered: usize,
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
        Orders { mix, draw: Draw::new(), private_parts: private_parts(), remembered: Vec::new(), next_remembered: 0 }
    }

    /// For the run's payments.
    pub(crate) fn run_number(&mut self) -> RunNumber {
        RunNumber::new(&mut self.draw)
    }

    /// A payer by lot; where it has no room or is away, the next that has. `waits`: not one that was told to wait.
    pub(crate) fn draw_payer(&mut self, connections: &[Connection], now_ns: u64, waits: bool) -> Option<usize> {
        let count = connections.len();
        let first = self.draw.below(count);
        (first..first + count).map(|place| place % count).find(|&place| {
            let connection = &connections[place];
            connection.has_room() && !connection.is_away(now_ns) && !(waits && connection.busy_until_ns > now_ns)
        })
    }

    /// Submits a new payment of this payer, and an old one again where the lot says so.
    pub(crate) fn submit(
        &mut self,
        connections: &mut [Connection],
        shared: &mut Shared,
        (payer, intended_ns): (usize, u64),
    ) {
        let payee = self.draw_payee(payer, connections.len());
        let private = self.draw.below(self.private_parts.len());
        let spread = usize::try_from(self.mix.amount_max - self.mix.amount_min + 1).unwrap_or(usize::MAX);
        let amount = self.mix.amount_min + self.draw.below(spread) as u64;
        let place_of = |place| u32::try_from(place).unwrap_or_else(|_| unreachable!("connections are bounded"));
        let order = Order { intended_ns, payer: place_of(payer), payee: place_of(payee), amount };
        let (place, flight) = shared.flights.begin(&mut self.draw, order);
        let order = CreditTransfer {
            payment_id: flight.id,
            payer: *shared.codes[payer].bytes(),
            payee: *shared.codes[payee].bytes(),
            amount,
            currency: CURRENCY,
            accepted_at_ns: intended_ns,
            purpose: [0; 4],
        };
        connections[payer].submit_order(&order, &self.private_parts[private], place, flight);
        if self.mix.repeat_percent > 0 {
            self.repeat(connections, shared, Remembered { order, private, payer });
        }
    }

    fn draw_payee(&mut self, payer: usize, count: usize) -> usize {
        if payer != 0 && self.draw.is_one_of(self.mix.hot_payee_percent) {
            return 0;
        }
        (payer + 1 + self.draw.below(count - 1)) % count
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
        let is_taken = connections[*payer].repeat_order(order, &self.private_parts[*private]);
        shared.tally.repeated += u64::from(is_taken);
        if is_taken && let Some(place) = shared.flights.find(&order.payment_id) {
            shared.flights.at(place).is_repeated = true;
        }
    }
}
