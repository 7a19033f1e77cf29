//! Outboxes: what each participant is to be told, numbered. A record is fixed-size; its message's bytes are made from it and
//! the journal when they are needed.
//!
//! Records are held until they are in the history's files, and then the newest of each lane, a few. Older ones come from the history.

use std::collections::VecDeque;

use adapters::message::{Cursors, Lane, OUTBOX_LANES, PaymentId};

use crate::engine::effect::{Delivery, Effect, News};
use crate::entry::ParticipantId;
use crate::limits::{OUTBOX_RECORDS_KEPT_MAX, OUTBOX_RECORDS_LET_GO};

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

/// One stream: its newest records. The last of them has number `enqueued`.
#[derive(Default)]
struct LaneRecords {
    held: VecDeque<OutboxRecord>,
    enqueued: u64,
}

impl LaneRecords {
    /// One more of its records is indexed: then it may let its oldest go.
    fn one_more_indexed(&mut self) {
        if self.held.len() > OUTBOX_RECORDS_KEPT_MAX {
            self.held.pop_front();
        }
        // What a burst took is given back, by halves, so that it costs next to nothing.
        if self.held.capacity() > 4 * self.held.len().max(OUTBOX_RECORDS_KEPT_MAX) {
            self.held.shrink_to(self.held.capacity() / 2);
        }
    }
}

/// A record that is not known to be indexed: where it stands in the journal, and in whose outbox.
#[derive(Clone, Copy)]
struct Unindexed {
    position: u64,
    participant: ParticipantId,
    lane: Lane,
}

/// All outboxes, by participant number.
#[derive(Default)]
pub struct Outboxes {
    list: Vec<[LaneRecords; OUTBOX_LANES]>,
    /// In the order of the journal.
    unindexed: VecDeque<Unindexed>,
    /// Records that came since some were let go.
    kept: usize,
}

/// Where the records behind a number are.
#[derive(Debug, PartialEq, Eq)]
pub enum OutboxRecords {
    /// Held in memory: here they are.
    Held(Vec<OutboxRecord>),
    /// At least the first is not held any more: it is indexed.
    InHistory,
}

impl Outboxes {
    /// Those of all participants, in order of admission, whose records up to these numbers are all indexed.
    pub fn behind(enqueued: impl Iterator<Item = Cursors>) -> Outboxes {
        let lane = |enqueued| LaneRecords { held: VecDeque::new(), enqueued };
        Outboxes { list: enqueued.map(|cursors| cursors.map(lane)).collect(), ..Outboxes::default() }
    }

    /// Keeps a numbered effect; others are not the outbox's business.
    ///
    /// # Panics
    /// If its number is not the next: the engine gives them without a gap.
    pub fn keep(&mut self, effect: &Effect) {
        let Delivery::Outbox { lane, number, .. } = effect.delivery else { return };
        let position = effect.position();
        let participant = effect.participant;
        let place = participant.0 as usize - 1;
        if self.list.len() <= place {
            self.list.resize_with(place + 1, Default::default);
        }
        let records = &mut self.list[place][lane_index(lane)];
        assert!(number == records.enqueued + 1, "outbox numbers have no gap and no repetition");
        records.enqueued = number;
        records.held.push_back(OutboxRecord { payment_id: effect.id, news: effect.news, source: effect.source });
        self.unindexed.push_back(Unindexed { position, participant, lane });
        self.kept += 1;
    }

    /// Everything up to this journal position is indexed: lets go what need not be held, in portions, so that nobody waits for it. A portion is larger
    /// than what came since the one before.
    pub fn let_go(&mut self, indexed: u64) {
        let portion = OUTBOX_RECORDS_LET_GO + 2 * std::mem::take(&mut self.kept);
        for _ in 0..portion {
            let Some(&Unindexed { position, participant, lane }) = self.unindexed.front() else { return };
            if position > indexed {
                return;
            }
            self.unindexed.pop_front();
            self.list[participant.0 as usize - 1][lane_index(lane)].one_more_indexed();
        }
    }

    /// The highest number of each lane.
    pub fn enqueued(&self, participant: ParticipantId) -> Cursors {
        let lanes = self.list.get(participant.0 as usize - 1);
        lanes.map_or([0; OUTBOX_LANES], |lanes| std::array::from_fn(|lane| lanes[lane].enqueued))
    }

    /// The records after number `after`, at most `limit` of them, or that they are in the history.
    pub fn after(&self, participant: ParticipantId, lane: Lane, after: u64, limit: usize) -> OutboxRecords {
        let Some(lanes) = self.list.get(participant.0 as usize - 1) else { return OutboxRecords::Held(Vec::new()) };
        let LaneRecords { held, enqueued } = &lanes[lane_index(lane)];
        let missing = enqueued.saturating_sub(after);
        match usize::try_from(missing).ok().and_then(|missing| held.len().checked_sub(missing)) {
            Some(start) => OutboxRecords::Held(held.range(start..).take(limit).copied().collect()),
            None => OutboxRecords::InHistory,
        }
    }

    /// How many records are held, of all participants.
    pub fn records_held(&self) -> usize {
        self.list.iter().flatten().map(|records| records.held.len()).sum()
    }
}

fn lane_index(lane: Lane) -> usize {
    lane.outbox_index().unwrap_or_else(|| unreachable!("the session lane has no outbox"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::Subject;
    use crate::engine::payments::PaymentIndex;

    const KEPT: u64 = OUTBOX_RECORDS_KEPT_MAX as u64;

    /// The Forward with this number, of the order at this journal position.
    fn forward(participant: u32, number: u64, position: u64) -> Effect {
        let mut id = [0x11; 16];
        (id[6], id[8]) = (0x4a, 0x9b);
        Effect {
            participant: ParticipantId(participant),
            delivery: Delivery::Outbox {
                lane: Lane::Payments,
                number,
                subject: Subject::Payment(PaymentIndex::default()),
                order: position,
            },
            id: PaymentId::from_bytes(id).unwrap_or_else(|| unreachable!("a version-4 UUID")),
            news: News::Forward { deadline_ns: number },
            source: position,
        }
    }

    fn first_of(records: &OutboxRecords) -> Option<u64> {
        match records {
            OutboxRecords::Held(held) => held.first().map(|record| record.source),
            OutboxRecords::InHistory => None,
        }
    }

    #[test]
    fn what_is_not_indexed_is_held_however_much_it_is() {
        let mut outboxes = Outboxes::default();
        let (busy, quiet) = (ParticipantId(1), ParticipantId(3));
        outboxes.keep(&forward(3, 1, 1));
        for number in 1..=10 * KEPT {
            outboxes.keep(&forward(1, number, 1 + number));
            outboxes.let_go(1);
        }
        assert_eq!(outboxes.records_held() as u64, 10 * KEPT + 1);
        assert_eq!(outboxes.enqueued(busy), [10 * KEPT, 0, 0]);
        assert_eq!(first_of(&outboxes.after(busy, Lane::Payments, 0, 2)), Some(2));

        outboxes.let_go(1 + 4 * KEPT);
        // All that is not indexed is held, and that is more than what is held otherwise.
        assert_eq!(outboxes.after(busy, Lane::Payments, 4 * KEPT - 1, 2), OutboxRecords::InHistory);
        assert_eq!(first_of(&outboxes.after(busy, Lane::Payments, 4 * KEPT, 2)), Some(2 + 4 * KEPT));
        outboxes.let_go(u64::MAX);
        assert_eq!(outboxes.records_held() as u64, KEPT + 1);
        assert!(outboxes.list[0][0].held.capacity() <= 4 * OUTBOX_RECORDS_KEPT_MAX, "memory is given back");
        // A few are held whatever has become of them.
        assert_eq!(first_of(&outboxes.after(quiet, Lane::Payments, 0, 2)), Some(1));
        assert_eq!(outboxes.after(quiet, Lane::Payments, 1, 2), OutboxRecords::Held(Vec::new()));
        assert_eq!(outboxes.after(quiet, Lane::Bulk, 0, 2), OutboxRecords::Held(Vec::new()));
        assert_eq!(outboxes.after(ParticipantId(9), Lane::Payments, 0, 2), OutboxRecords::Held(Vec::new()));
    }

    #[test]
    fn letting_go_costs_a_portion_a_turn_and_never_falls_behind() {
        let mut outboxes = Outboxes::default();
        let burst = 10 * OUTBOX_RECORDS_LET_GO as u64;
        (1..=burst).for_each(|number| outboxes.keep(&forward(1, number, number)));
        outboxes.let_go(0);
        let mut number = burst;
        for _ in 0..9 {
            outboxes.let_go(u64::MAX);
            assert!(!outboxes.unindexed.is_empty(), "not all at once");
            number += 1;
            outboxes.keep(&forward(1, number, number));
        }
        outboxes.let_go(u64::MAX);
        assert_eq!(outboxes.records_held() as u64, KEPT);
    }
}
