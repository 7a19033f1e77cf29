//! One payment: what the history has of it, and its places in outboxes.

use std::ops::ControlFlow;

use adapters::message::{Lane, PaymentId};
use hashbrown::HashMap;
use ledger::index::{GroupQuery, IndexSchema};
use ledger::journal::Storage;

use super::{Beyond, Lookup, OpenPayment, Trouble, decode};
use crate::entry::ParticipantId;
use crate::history::{HistoryEvent, HistoryRecord, HistorySchema, RECORD_BYTES, outbox_group};
use crate::limits::LOOKUP_RECORDS_MAX;

/// How often a payment that is decided and indexed while it is looked for is looked for again.
const TRIES_MAX: u32 = 8;

/// What is known of a payment.
pub(super) struct Facts {
    /// The outcome, or what is in flight.
    pub(super) fate: Fate,
    /// The Forward, where there was one, and its number in the payee provider's outbox.
    pub(super) forward: Option<(HistoryRecord, u64)>,
    /// Numbers of the outcome in the payer provider's outbox and in the payee provider's.
    pub(super) statuses: [Option<u64>; 2],
}

/// Where a payment stands.
pub(super) enum Fate {
    Decided(HistoryRecord),
    Open(OpenPayment),
}

impl Fate {
    /// Journal position of the order.
    pub(super) fn order(&self) -> u64 {
        match self {
            Fate::Decided(record) => record.order,
            Fate::Open(open) => open.order,
        }
    }

    /// Journal position of the decision; none where there is none yet.
    pub(super) fn decision(&self) -> Option<u64> {
        match self {
            Fate::Decided(record) => Some(record.position),
            Fate::Open(_) => None,
        }
    }
}

/// What records beyond files say of a payment.
#[derive(Default)]
struct Newest {
    /// Records of each group since files ended.
    counts: HashMap<u64, u64, foldhash::fast::RandomState>,
    /// The Forward, and how many records its group has had with it.
    forward: Option<(HistoryRecord, u64)>,
    /// The outcome, and the same of the payer provider's group and of the payee provider's.
    outcome: Option<(HistoryRecord, [u64; 2])>,
}

impl Newest {
    fn take(&mut self, id: PaymentId, record: &HistoryRecord) {
        for group in HistorySchema::groups(&record.encode()).into_iter().flatten() {
            *self.counts.entry(group).or_default() += 1;
        }
        if record.payment_id != id {
            return;
        }
        let count = |who: Option<ParticipantId>| who.map_or(0, |who| self.counts[&outbox_group(who, record.lane)]);
        match record.event {
            HistoryEvent::Forwarded { .. } => self.forward = Some((*record, count(record.payee))),
            HistoryEvent::Decided { .. } | HistoryEvent::Returned { .. } => {
                self.outcome = Some((*record, [count(Some(record.payer)), count(record.payee)]));
            }
            _ => {}
        }
    }
}

impl<S: Storage, B: Beyond> Lookup<S, B> {
    /// What is known of a payment; none where there is no such payment.
    pub(super) fn facts(&mut self, id: PaymentId) -> Result<Option<Facts>, Trouble> {
        for _ in 0..TRIES_MAX {
            if let Some(record) = self.outcome_in_files(id)? {
                return self.facts_of_files(record).map(Some);
            }
            if !self.beyond.may_hold(id)? {
                // Nothing leaves memory before it is in files.
                let late = self.outcome_in_files(id)?;
                return late.map(|record| self.facts_of_files(record)).transpose();
            }
            if let Some(facts) = self.facts_beyond(id)? {
                return Ok(Some(facts));
            }
        }
        Err(Trouble::Fault(format!("payment {id} is being decided; ask again")))
    }

    fn outcome_in_files(&self, id: PaymentId) -> Result<Option<HistoryRecord>, Trouble> {
        let found = self.history.find(&id.bytes())?;
        let record = found.map(|bytes| decode(&bytes)).transpose()?;
        if record.is_some_and(|record| record.payment_id != id) {
            return Err(crate::history::HistoryFault::Mismatch.into());
        }
        // A case has a story of its own.
        Ok(record.filter(|record| record.decision().is_some()))
    }

    /// All that is older than an outcome in files is in files.
    fn facts_of_files(&mut self, record: HistoryRecord) -> Result<Facts, Trouble> {
        let is_outcome = |other: &HistoryRecord| *other == record;
        let lane = record.lane;
        let payer = self.number_in_files((record.payer, lane), record.time_ns, is_outcome)?;
        let mut facts =
            Facts { fate: Fate::Decided(record), forward: None, statuses: [payer.map(|found| found.1), None] };
        if let Some(payee) = record.payee.filter(|&payee| payee != record.payer) {
            let status = self.number_in_files((payee, lane), record.time_ns, is_outcome)?;
            facts.statuses[1] = status.map(|found| found.1);
        }
        if let (Some(payee), HistoryEvent::Decided { .. }) = (record.payee, record.event) {
            facts.forward = self.forward_in_files((payee, lane), record.order, record.payment_id)?;
        }
        Ok(facts)
    }

    /// What is known of a payment whose outcome, if it has one, is not in files. None where it has come there meanwhile, or is not known at all.
    fn facts_beyond(&mut self, id: PaymentId) -> Result<Option<Facts>, Trouble> {
        let files_end = self.end_of_files()?;
        let mut newest = Newest::default();
        self.each_record(files_end, &mut |_, record| {
            newest.take(id, record);
            Ok(ControlFlow::Continue(()))
        })?;
        let (fate, payee, order, lane) = match newest.outcome {
            Some((record, _)) => {
                // Nobody is asked whether it takes a return.
                let asked = record.payee.filter(|_| matches!(record.event, HistoryEvent::Decided { .. }));
                (Fate::Decided(record), asked, record.order, record.lane)
            }
            None => match self.beyond.open_payment(id)? {
                Some(open) => (Fate::Open(open), Some(open.payee), open.order, open.lane),
                None => return Ok(None),
            },
        };
        let mut facts = Facts { fate, forward: None, statuses: [None; 2] };
        if let Some((record, counts)) = newest.outcome {
            let whose = [Some(record.payer), record.payee.filter(|&payee| payee != record.payer)];
            for (place, (who, count)) in whose.into_iter().zip(counts).enumerate() {
                facts.statuses[place] = who
                    .map(|who| Ok::<u64, Trouble>(self.count_before((who, lane), files_end)? + count))
                    .transpose()?;
            }
        }
        facts.forward = match (newest.forward, payee) {
            (Some((record, count)), Some(payee)) => {
                Some((record, self.count_before((payee, lane), files_end)? + count))
            }
            (None, Some(payee)) => self.forward_in_files((payee, lane), order, id)?,
            (_, None) => None,
        };
        // It was ordered after the last record that was visited, and is in flight: its Forward is on its way into memory that is visited next.
        Ok((facts.forward.is_some() || payee.is_none()).then_some(facts))
    }

    /// How many messages a participant's outbox had before the record with this number.
    pub(super) fn count_before(
        &self,
        (participant, lane): (ParticipantId, Lane),
        from_record: u64,
    ) -> Result<u64, Trouble> {
        let group = outbox_group(participant, lane);
        let query = GroupQuery { from_record, records_max: 0, ..GroupQuery::all(group) };
        Ok(self.history.group_page(&query)?.state_before.0)
    }

    fn forward_in_files(
        &mut self,
        payee: (ParticipantId, Lane),
        order: u64,
        id: PaymentId,
    ) -> Result<Option<(HistoryRecord, u64)>, Trouble> {
        let ordered_ns = self.journal.read(order)?.time_ns;
        let is_forward =
            |record: &HistoryRecord| record.payment_id == id && matches!(record.event, HistoryEvent::Forwarded { .. });
        self.number_in_files(payee, ordered_ns, is_forward)
    }

    /// The record of a participant's outbox at this time that is the one, and its number there.
    pub(super) fn number_in_files(
        &self,
        (participant, lane): (ParticipantId, Lane),
        time_ns: u64,
        is_it: impl Fn(&HistoryRecord) -> bool,
    ) -> Result<Option<(HistoryRecord, u64)>, Trouble> {
        let (group, mut from) = (outbox_group(participant, lane), Some(0));
        while let Some(from_record) = from {
            let (from_ns, until_ns) = (time_ns, time_ns.saturating_add(1));
            let query = GroupQuery { group, from_record, from_ns, until_ns, records_max: LOOKUP_RECORDS_MAX };
            let page = self.history.group_page(&query)?;
            for (bytes, number) in page.records.chunks(RECORD_BYTES).zip(page.state_before.0 + 1..) {
                let record = decode(bytes)?;
                if is_it(&record) {
                    return Ok(Some((record, number)));
                }
            }
            from = page.next;
        }
        Ok(None)
    }
}
