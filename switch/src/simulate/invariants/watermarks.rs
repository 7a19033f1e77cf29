//! Watermarks are ordered and never go back: those of the stages while the process runs, and claim no more than is on disk; those of each lane while
//! its connection lasts, and say what has left.

use std::collections::BTreeMap;

use super::{Finding, Turn};
use crate::simulate::queue::ConnectionId;
use crate::simulate::wire::LANES;
use crate::watermarks::{LaneWatermarks, Watermarks};

pub(in super::super) const NAME: &str = "watermarks ordered";

/// The watermarks of the turn before.
#[derive(Default)]
pub(in super::super) struct Order {
    last: Watermarks,
    /// Of the lanes of each connection.
    lanes: BTreeMap<ConnectionId, [LaneWatermarks; LANES]>,
}

impl Order {
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        self.check_stages(turn)?;
        self.check_lanes(turn)
    }

    fn check_stages(&mut self, turn: &Turn<'_>) -> Finding {
        let now = turn.pipeline.watermarks();
        let Watermarks { sequenced, durable, applied, indexed } = now;
        if !(sequenced >= durable && durable >= applied && applied >= indexed) {
            return Err(format!("a stage has overtaken the one before it: {now:?}"));
        }
        let last = [self.last.sequenced, self.last.durable, self.last.applied, self.last.indexed];
        if [sequenced, durable, applied, indexed].iter().zip(last).any(|(now, last)| *now < last) {
            return Err(format!("{:?} has become {now:?}", self.last));
        }
        if durable > turn.auditor.through() {
            return Err(format!("{durable} is said to be durable, {} is on disk", turn.auditor.through()));
        }
        self.last = now;
        Ok(())
    }

    fn check_lanes(&mut self, turn: &Turn<'_>) -> Finding {
        let mut lanes = BTreeMap::new();
        for (id, connection) in &turn.network.connections {
            let of_connection = connection.key.and_then(|key| turn.pipeline.lane_watermarks(key));
            let Some(now) = of_connection else { continue };
            let last = self.lanes.get(id).copied().unwrap_or_default();
            let told = turn.auditor.told_counts(connection.provider);
            for (lane, (now, last)) in now.iter().zip(&last).enumerate() {
                let (sent, acknowledged) = turn.deliveries.marks(connection.provider, lane);
                let right = LaneWatermarks { enqueued: told[lane], sent, acknowledged };
                check_lane((now, last), right, connection.provider)?;
            }
            lanes.insert(*id, now);
        }
        self.lanes = lanes;
        Ok(())
    }
}

/// One lane: in order, not behind where it was, and as far as the auditor says.
fn check_lane((now, last): (&LaneWatermarks, &LaneWatermarks), right: LaneWatermarks, provider: usize) -> Finding {
    let &LaneWatermarks { enqueued, sent, acknowledged } = now;
    if !(enqueued >= sent && sent >= acknowledged) {
        return Err(format!("a lane of provider {provider} is not in order: {now:?}"));
    }
    if enqueued < last.enqueued || sent < last.sent || acknowledged < last.acknowledged {
        return Err(format!("{last:?} of provider {provider} has become {now:?}"));
    }
    if *now != right {
        return Err(format!("{right:?} is right of provider {provider}: {now:?}"));
    }
    Ok(())
}
