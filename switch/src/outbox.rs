//! Outboxes: what each participant is to be told, numbered. A record is fixed-size; its message's bytes are made from it and
//! the journal when they are needed. Until there is a history to ask, nothing is forgotten.

use adapters::message::{Cursors, Lane, OUTBOX_LANES, PaymentId};

use crate::engine::effect::{Delivery, Effect, News};
use crate::entry::ParticipantId;

/// One numbered message of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxRecord {
    /// Which payment.
    pub payment_id: PaymentId,
    /// What.
    pub news: News,
    /// Journal position of the entry whose private part goes along; 0 for none.
    pub source: u64,
}

/// One participant's streams. Record number n of a lane is at place n - 1.
#[derive(Default)]
struct Outbox {
    lanes: [Vec<OutboxRecord>; OUTBOX_LANES],
}

/// All outboxes, by participant number.
#[derive(Default)]
pub struct Outboxes {
    list: Vec<Outbox>,
}

impl Outboxes {
    /// Keeps a numbered effect; others are not the outbox's business.
    ///
    /// # Panics
    /// If its number is not the next: the engine gives them without a gap.
    pub fn keep(&mut self, effect: &Effect) {
        let Delivery::Outbox { lane, number, .. } = effect.delivery else { return };
        let place = effect.participant.0 as usize - 1;
        if self.list.len() <= place {
            self.list.resize_with(place + 1, Outbox::default);
        }
        let records = &mut self.list[place].lanes[lane_index(lane)];
        assert!(number == records.len() as u64 + 1, "outbox numbers have no gap and no repetition");
        records.push(OutboxRecord { payment_id: effect.payment_id, news: effect.news, source: effect.source });
    }

    /// The highest number of each lane.
    pub fn enqueued(&self, participant: ParticipantId) -> Cursors {
        let outbox = self.list.get(participant.0 as usize - 1);
        outbox.map_or([0; OUTBOX_LANES], |outbox| std::array::from_fn(|lane| outbox.lanes[lane].len() as u64))
    }

    /// The records after number `after`, at most `limit` of them.
    pub fn after(&self, participant: ParticipantId, lane: Lane, after: u64, limit: usize) -> &[OutboxRecord] {
        let Some(outbox) = self.list.get(participant.0 as usize - 1) else { return &[] };
        let records = &outbox.lanes[lane_index(lane)];
        let start = usize::try_from(after).map_or(records.len(), |after| after.min(records.len()));
        &records[start..records.len().min(start + limit)]
    }
}

fn lane_index(lane: Lane) -> usize {
    lane.outbox_index().unwrap_or_else(|| unreachable!("the session lane has no outbox"))
}
