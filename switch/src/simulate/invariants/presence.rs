//! That a participant has gone or has come is journaled once it has lasted, and then at once: absent where it has had no connection for the grace, present where it has
//! had one for the wait of those who come. What is due once is not begun anew by a second connection.
//!
//! When a connection ends or begins the switch knows only by its turns: somewhere between two of them. So a change has an earliest and a latest moment.

use super::Finding;
use crate::limits::NS_PER_MS;
use crate::pipeline::PresenceTimes;
use crate::simulate::auditor::{Auditor, Deliveries, Observed};

pub(in super::super) const NAME: &str = "presence journaled when it has lasted";

/// One participant.
#[derive(Clone, Copy, Default)]
struct Watched {
    /// How often it had come or gone.
    changes: u64,
    earliest_ns: u64,
    latest_ns: u64,
}

/// What the turns before have seen.
#[derive(Default)]
pub(in super::super) struct Watch {
    /// Journal time of the last turn but one, and of the last.
    turns_ns: Option<[u64; 2]>,
    list: Vec<Watched>,
}

impl Watch {
    /// What a turn has journaled is looked at before anything else happens: then the connections are what they were when it did.
    pub(in super::super) fn check(
        &mut self,
        now_ns: u64,
        (auditor, deliveries): (&Auditor, &Deliveries),
        observed: &[Observed],
        times: PresenceTimes,
    ) -> Finding {
        let now_ns = now_ns.max(self.turns_ns.map_or(0, |[_, last_ns]| last_ns));
        self.note_changes(now_ns, deliveries);
        for observed in observed {
            self.check_journaled(observed, deliveries, times)?;
        }
        for place in 0..self.list.len() {
            self.check_due(now_ns, place, (auditor, deliveries), times)?;
        }
        Ok(())
    }

    fn note_changes(&mut self, now_ns: u64, deliveries: &Deliveries) {
        // Who is not there when the process starts is away from its first turn on.
        let [before_ns, last_ns] = self.turns_ns.unwrap_or([now_ns; 2]);
        let is_first = self.turns_ns.replace([last_ns, now_ns]).is_none();
        self.list.resize(deliveries.participants(), Watched::default());
        for (place, watched) in self.list.iter_mut().enumerate() {
            let changes = deliveries.changes(place);
            if is_first || changes != watched.changes {
                *watched = Watched { changes, earliest_ns: before_ns, latest_ns: now_ns };
            }
        }
    }

    fn check_journaled(&self, observed: &Observed, deliveries: &Deliveries, times: PresenceTimes) -> Finding {
        let &Observed { participant, is_absent, time_ns } = observed;
        if deliveries.is_live(participant) == is_absent {
            return Err(format!("participant {participant} is journaled as absent, {is_absent}, and that is not so"));
        }
        let due_ns = due_ns(self.list[participant].earliest_ns, is_absent, times);
        if due_ns.is_none_or(|due_ns| time_ns < due_ns) {
            return Err(format!(
                "participant {participant} is journaled as absent, {is_absent}, at {time_ns} and not at {due_ns:?}"
            ));
        }
        Ok(())
    }

    fn check_due(
        &self,
        now_ns: u64,
        place: usize,
        (auditor, deliveries): (&Auditor, &Deliveries),
        times: PresenceTimes,
    ) -> Finding {
        let is_live = deliveries.is_live(place);
        let due_ns = due_ns(self.list[place].latest_ns, !is_live, times);
        if is_live == auditor.is_absent(place) && due_ns.is_some_and(|due_ns| due_ns <= now_ns) {
            return Err(format!(
                "participant {place} has a connection, {is_live}, and at {now_ns} that is not journaled"
            ));
        }
        Ok(())
    }
}

/// When it is to be journaled that a participant has gone, or has come; none where never.
fn due_ns(since_ns: u64, is_absent: bool, times: PresenceTimes) -> Option<u64> {
    let wait_ms = if is_absent { times.absence_grace_ms } else { times.presence_settle_ms };
    wait_ms.checked_mul(NS_PER_MS).and_then(|wait_ns| since_ns.checked_add(wait_ns))
}
