//! Faults on schedule, and how long it took to recover from each.
//!
//! A fault passes through these moments; what stands in the report are the times between the first and the others:
//!
//! ```text
//!   begins --> who was cut off is connected again --> a payment is committed: back --> all that fell due before that is over: recovered
//! ```

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::flights::Flights;
use crate::limits::{NS_PER_MS, NS_PER_S};
use crate::plan::{Fault, FaultKind};
use crate::tally::Tally;

/// What a fault did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultRecord {
    /// `kill_switch`, `cut_providers` or `flood`.
    pub kind: String,
    /// When it began, in seconds after the first payment was due.
    pub at_s: f64,
    /// Providers that were cut off.
    pub providers: u32,
    /// Until the switch, started again, said that it is ready; null where it was not killed.
    pub ready_after_ms: Option<u64>,
    /// Until a payment was committed with everybody connected again; null where that was not seen before the next fault or the end.
    pub back_after_ms: Option<u64>,
    /// Until every payment that fell due before that was over.
    pub recovered_after_ms: Option<u64>,
}

/// The faults of a run.
pub(crate) struct Faults {
    left: VecDeque<Fault>,
    records: Vec<FaultRecord>,
    /// Where the last one stands.
    progress: Progress,
    began_ns: u64,
}

#[derive(Clone, Copy)]
enum Progress {
    /// Nothing is looked for.
    Over,
    /// Until so many connections were made again in the whole run.
    CutOff { reconnects: u64 },
    /// Until more payments are committed than these.
    Connected { committed: u64 },
    /// Until everything that fell due before this is over.
    CatchingUp { back_ns: u64 },
}

impl Faults {
    pub(crate) fn new(plan: &[Fault]) -> Faults {
        Faults { left: plan.iter().copied().collect(), records: Vec::new(), progress: Progress::Over, began_ns: 0 }
    }

    /// When the next one is due, after the start; `u64::MAX` where none is.
    pub(crate) fn next_ns(&self) -> u64 {
        self.left.front().map_or(u64::MAX, |fault| fault.at_ns)
    }

    /// Takes the next one, if it is due.
    pub(crate) fn take_due(&mut self, elapsed_ns: u64) -> Option<FaultKind> {
        self.left.pop_front_if(|fault| fault.at_ns <= elapsed_ns).map(|fault| fault.kind)
    }

    /// It has begun, so long after the start, with so many connections.
    pub(crate) fn begin(&mut self, kind: FaultKind, (start_ns, now_ns): (u64, u64), connections: u64, tally: &Tally) {
        let (name, providers, broken, comes_back) = match kind {
            FaultKind::KillSwitch => ("kill_switch", 0, connections, true),
            FaultKind::CutProviders { providers, for_ns } => {
                ("cut_providers", providers, u64::from(providers), for_ns.is_some())
            }
            FaultKind::Flood { .. } => ("flood", 1, 0, false),
        };
        let reconnects = tally.reconnects + broken;
        self.progress = if comes_back { Progress::CutOff { reconnects } } else { Progress::Over };
        self.began_ns = now_ns;
        let at_s = seconds(now_ns.saturating_sub(start_ns));
        self.records.push(FaultRecord { kind: name.to_owned(), at_s, providers, ..FaultRecord::default() });
    }

    /// Looks how far the recovery has come. `scheduled_ns` is when the next payment to be sent was due.
    pub(crate) fn look(&mut self, now_ns: u64, scheduled_ns: u64, tally: &Tally, flights: &mut Flights) {
        let after_ms = (now_ns - self.began_ns.min(now_ns)) / NS_PER_MS;
        let Some(record) = self.records.last_mut() else { return };
        self.progress = match self.progress {
            Progress::CutOff { reconnects } if tally.reconnects >= reconnects => {
                Progress::Connected { committed: tally.committed }
            }
            Progress::Connected { committed } if tally.committed > committed => {
                record.back_after_ms = Some(after_ms);
                flights.watch(now_ns);
                Progress::CatchingUp { back_ns: now_ns }
            }
            Progress::CatchingUp { back_ns } if flights.watched() == 0 && scheduled_ns >= back_ns => {
                record.recovered_after_ms = Some(after_ms);
                Progress::Over
            }
            as_before => as_before,
        };
    }

    /// What became of them. `ready_after_ms` holds the times of the switch's restarts, in order.
    pub(crate) fn finish(self, ready_after_ms: &[u64]) -> Vec<FaultRecord> {
        let mut records = self.records;
        let kills = records.iter_mut().filter(|record| record.kind == "kill_switch");
        for (record, &after_ms) in kills.zip(ready_after_ms) {
            record.ready_after_ms = Some(after_ms);
        }
        records
    }
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure of the report")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;
    use crate::flights::{Order, RunNumber};
    use crate::tally::Class;
    use adapters::message::Outcome;

    const MS: u64 = NS_PER_MS;

    #[test]
    fn a_recovery_is_measured_from_the_fault_to_the_last_payment_that_waited() {
        let mut draw = Draw::seeded(1);
        let mut flights = Flights::new(10, RunNumber::new(&mut draw));
        let mut tally = Tally { reconnects: 5, committed: 100, ..Tally::of(2) };
        let mut faults = Faults::new(&[Fault { at_ns: 10 * MS, kind: FaultKind::KillSwitch }]);
        assert_eq!((faults.take_due(9 * MS), faults.next_ns()), (None, 10 * MS));
        let kind = faults.take_due(10 * MS).expect("it is due");
        faults.begin(kind, (0, 10 * MS), 1, &tally);
        let order = Order { intended_ns: 11 * MS, payer: 0, payee: 1, amount: 1, class: Class::Retail };
        let waiting = flights.begin(&mut draw, order).0;

        // What was on its way is still committed: that is no sign of life.
        tally.committed = 110;
        faults.look(20 * MS, 30 * MS, &tally, &mut flights);
        tally.reconnects = 6;
        faults.look(300 * MS, 30 * MS, &tally, &mut flights);
        tally.committed = 111;
        faults.look(310 * MS, 30 * MS, &tally, &mut flights);
        // The schedule is behind, then one payment of before still waits, then all is over.
        faults.look(320 * MS, 300 * MS, &tally, &mut flights);
        faults.look(330 * MS, 331 * MS, &tally, &mut flights);
        flights.end(waiting, Outcome::Committed);
        faults.look(340 * MS, 341 * MS, &tally, &mut flights);
        let records = faults.finish(&[250]);
        let FaultRecord { ready_after_ms, back_after_ms, recovered_after_ms, .. } = records[0];
        assert_eq!((ready_after_ms, back_after_ms, recovered_after_ms), (Some(250), Some(300), Some(330)));
    }

    #[test]
    fn who_stays_away_does_not_recover() {
        let kind = FaultKind::CutProviders { providers: 1, for_ns: None };
        let mut faults = Faults::new(&[Fault { at_ns: 0, kind }]);
        let tally = Tally { reconnects: 9, committed: 9, ..Tally::of(2) };
        faults.begin(kind, (0, 0), 2, &Tally::of(2));
        faults.look(5 * MS, 5 * MS, &tally, &mut Flights::new(1, RunNumber::new(&mut Draw::seeded(1))));
        assert_eq!(faults.finish(&[])[0].back_after_ms, None);
    }
}
