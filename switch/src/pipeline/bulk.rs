//! The bulk lane at the edge: orders that nobody waits for wait here until retail leaves them room.
//!
//! ```text
//!   an order of the lane payments ---------------------------------> the open batch
//!   an order of the lane bulk ------> WAITING (bounded) --portion--> the open batch
//! ```
//!
//! A batch takes as many bulk orders as it has retail orders, and at least a few, so that retail never waits behind more than its own number, and bulk flows all the same.
//! They may fill half of what can be in flight, so that payees who answer bulk slowly leave room for retail. A frame that waits holds its connection's acknowledgement back.

use std::collections::VecDeque;

use adapters::check::Refusal;
use adapters::message::{ErrorCode, PaymentId};
use ledger::journal::Storage;

use super::Pipeline;
use super::asking::{Asked, Order, What};
use crate::entry::{EntryKind, ParticipantId};
use crate::limits::BULK_PER_BATCH_MIN;
use crate::session::SessionKey;

/// A bulk order that waits.
pub(super) struct BulkOrder {
    session: SessionKey,
    /// The frame's number.
    number: u64,
    participant: ParticipantId,
    payment_id: PaymentId,
    order: Order,
}

/// All that wait, in the order of arrival.
#[derive(Default)]
pub(super) struct BulkWaiting {
    queue: VecDeque<BulkOrder>,
}

impl BulkWaiting {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl<S: Storage> Pipeline<S> {
    /// Sets a bulk order aside; what is one too many is refused.
    pub(super) fn wait_as_bulk(
        &mut self,
        (session, number): (SessionKey, u64),
        (participant, payment_id): (ParticipantId, PaymentId),
        order: Order,
    ) {
        let held = self.sessions.get(session).map_or(0, |session| session.frames_held());
        let is_full =
            self.bulk.len() >= self.limits.bulk_waiting_max || held >= self.limits.bulk_waiting_per_session_max;
        if is_full {
            let refusal = Refusal { payment_id: payment_id.bytes(), ..Refusal::plain(ErrorCode::Busy) };
            return self.refuse(session, number, refusal);
        }
        let Some(state) = self.sessions.get_mut(session) else { return };
        state.hold(number);
        self.bulk.queue.push_back(BulkOrder { session, number, participant, payment_id, order });
    }

    /// Takes bulk orders into the batch, as many as there is room for beside retail.
    pub(super) fn admit_bulk(&mut self) {
        let mut room = self.ingress.transfers().max(BULK_PER_BATCH_MIN);
        while room > 0 && self.has_room_for_bulk() {
            let Some(waiting) = self.bulk.queue.pop_front() else { return };
            let BulkOrder { session, number, participant, payment_id, order } = waiting;
            let Some(state) = self.sessions.get_mut(session) else { continue };
            state.release(number);
            if state.participant() != Some(participant) {
                continue;
            }
            self.touched.push(session);
            if let Some(code) = self.why_not_now(participant, EntryKind::CreditTransfer) {
                self.refuse(session, number, Refusal { payment_id: payment_id.bytes(), ..Refusal::plain(code) });
            } else if let Some(checked_through) = self.checked_in_memory(payment_id) {
                self.sequence_checked((session, number), payment_id, order, checked_through);
                room -= 1;
            } else {
                self.ask(Asked { session, number, participant, payment_id, what: What::Order(order) });
            }
        }
    }

    /// Could bulk orders that wait go on with the next turn? Where not, what makes room for them (an answer, a deadline) brings a turn by itself.
    pub(super) fn has_bulk_to_admit(&self) -> bool {
        self.bulk.len() > 0 && self.has_room_for_bulk()
    }

    fn has_room_for_bulk(&self) -> bool {
        let open = self.decisions.engine.counts().bulk_in_flight + self.ingress.transfers() as u64;
        !self.ingress.is_full() && (self.is_draining || open < u64::from(self.limits.in_flight_max / 2))
    }
}
