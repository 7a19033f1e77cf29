//! What the figures of a run mean: were the service levels kept, did the switch keep up, can the figures be believed.

use serde::{Deserialize, Serialize};

use super::numbers::{grouped, short};
use super::{AliasReport, GeneratorCost, Report};
use crate::limits::BEHIND_MS;
use crate::plan::Service;
use crate::samples::Sample;

/// The generator's thread may be so busy before it counts as the limit itself, in percent of a core.
const BUSY_MAX_PERCENT: f64 = 85.0;

/// So many percent of payments may be sent late before the figures say more about the generator than about the switch.
const LATE_MAX_PERCENT: f64 = 1.0;

/// Behind for so many percent of the time, a switch is saturated; below it has stalled now and then.
const BEHIND_MAX_PERCENT: f64 = 10.0;

/// One service level, and whether it was kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceLevel {
    /// What is measured, with its unit.
    pub what: String,
    /// The level.
    pub required: f64,
    /// The figure.
    pub measured: f64,
    /// It was kept.
    pub met: bool,
}

/// Did the switch keep up with the schedule?
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saturation {
    /// It did not.
    pub saturated: bool,
    /// For so many percent of the time a quarter of a second's payments or more waited for it.
    pub behind_percent: f64,
    /// From then on, in seconds after the first payment was due; null where it kept up all the time.
    pub first_behind_s: Option<f64>,
}

/// Every level that the plan asks for. `expected` is how many payments fall due on average: where chance made them fewer, so is the throughput asked for.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
pub(super) fn service(wanted: Service, expected: Option<u64>, report: &Report) -> Vec<ServiceLevel> {
    let at_most = |what: &str, required: Option<f64>, measured: f64| {
        let level = |required| ServiceLevel { what: what.to_owned(), required, measured, met: measured <= required };
        required.map(level)
    };
    // The levels are those of retail: nobody waits for bulk, and who floods is to wait.
    let aparts = || report.aparts().map(|(_, apart)| apart);
    let flooded = report.flood.map_or(0, |flood| flood.offered);
    let scheduled = (report.offered + report.unsent).saturating_sub(flooded);
    let chance = expected.map_or(1.0, |expected| (scheduled as f64 / expected.max(1) as f64).min(1.0));
    let due = (report.offered + report.unsent).saturating_sub(aparts().map(|apart| apart.offered).sum());
    let retail_committed = report.committed.saturating_sub(aparts().map(|apart| apart.committed).sum());
    let required = wanted.throughput_min_per_s.map(|rate| rate as f64 * chance);
    let measured = report.throughput_per_s - aparts().map(|apart| apart.throughput_per_s).sum::<f64>();
    let throughput = required.map(|required| {
        let what = "throughput, payments committed a second".to_owned();
        ServiceLevel { what, required, measured, met: measured >= required }
    });
    let committed = &report.committed_us;
    let ms = |us: u64| us as f64 / 1_000.0;
    let errors = percent(due.saturating_sub(retail_committed), due);
    let levels = [
        throughput,
        at_most("p50 of committed payments, ms", wanted.p50_max_ms, ms(committed.p50)),
        at_most("p90 of committed payments, ms", wanted.p90_max_ms, ms(committed.p90)),
        at_most("p99 of committed payments, ms", wanted.p99_max_ms, ms(committed.p99)),
        at_most("errors, percent of payments due", wanted.errors_max_percent, errors),
        at_most("drift, percent of throughput lost", wanted.drift_max_percent, drift_percent(&report.samples)),
    ];
    let has_payments = report.mode != "none";
    levels.into_iter().flatten().filter(|_| has_payments).chain(lookup_levels(wanted, report)).collect()
}

/// The same of look-ups.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn lookup_levels(wanted: Service, report: &Report) -> Vec<ServiceLevel> {
    let Some(aliases) = report.aliases.as_deref().filter(|aliases| aliases.mode != "none") else { return Vec::new() };
    let AliasReport { asked, found, missed, unsent, answered_per_s, answered_us, .. } = aliases;
    let level = |what: &str, required: f64, measured: f64, met: bool| {
        let what = what.to_owned();
        ServiceLevel { what, required, measured, met }
    };
    let at_most = |what, required: f64, measured: f64| level(what, required, measured, measured <= required);
    let due = asked + unsent;
    let errors = percent(due.saturating_sub(found + missed), due);
    let throughput = wanted.lookups_min_per_s.map(|rate| {
        let required = rate as f64;
        level("look-ups answered a second", required, *answered_per_s, *answered_per_s >= required)
    });
    let p99 = wanted.lookup_p99_max_ms;
    let p99 = p99.map(|ms| at_most("p99 of answered look-ups, ms", ms, answered_us.p99 as f64 / 1_000.0));
    let errors = wanted.lookup_errors_max_percent.map(|most| at_most("errors, percent of look-ups due", most, errors));
    [throughput, p99, errors].into_iter().flatten().collect()
}

/// Of what fell due in the last tenth of the run, how much less was committed than in the first tenth; in percent.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn drift_percent(samples: &[Sample]) -> f64 {
    let offering: Vec<&Sample> = samples.iter().filter(|sample| sample.interval.offered > 0).collect();
    let tenth = offering.len().div_ceil(10);
    let rate = |samples: &[&Sample]| {
        let seconds: f64 = samples.iter().map(|sample| sample.interval.length_s).sum();
        let committed: u64 = samples.iter().map(|sample| sample.interval.committed).sum();
        if seconds > 0.0 { committed as f64 / seconds } else { 0.0 }
    };
    // The last sample ends when the drain begins, and is cut short.
    let last = &offering[..offering.len().saturating_sub(1)];
    let (first, last) = (rate(&offering[..tenth]), rate(&last[last.len().saturating_sub(tenth)..]));
    if first > 0.0 { ((first - last) / first * 100.0).max(0.0) } else { 0.0 }
}

/// Looks for moments at which more waited than a quarter of a second's payments.
pub(super) fn saturation(samples: &[Sample], unsent: u64) -> Saturation {
    let offering = samples.iter().filter(|sample| sample.interval.due_per_s > 0);
    let is_behind = |sample: &&Sample| {
        let interval = &sample.interval;
        interval.behind > 64 && interval.behind * 1_000 > interval.due_per_s * BEHIND_MS
    };
    let count = offering.clone().count() as u64;
    let behind_percent = percent(offering.clone().filter(is_behind).count() as u64, count);
    let first_behind_s = offering.clone().find(is_behind).map(|sample| sample.interval.at_s);
    let ends_behind = offering.clone().next_back().is_some_and(|last| is_behind(&last));
    let saturated = unsent > 0 || behind_percent > BEHIND_MAX_PERCENT || (ends_behind && count > 1);
    Saturation { saturated, behind_percent, first_behind_s }
}

/// What whoever reads the figures must know before believing them.
pub(super) fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    let Saturation { saturated, behind_percent, first_behind_s } = report.saturation;
    if saturated {
        warnings.push(format!(
            "saturated: the switch fell behind the schedule at {} s and was behind for {} % of the time; latencies say how long the queue was, not how \
             fast the switch is",
            short(first_behind_s.unwrap_or(0.0)),
            short(behind_percent)
        ));
    } else if let Some(first_s) = first_behind_s.filter(|_| report.faults.is_empty()) {
        warnings.push(format!("the switch stalled: at {} s a quarter of a second's payments waited", short(first_s)));
    }
    let GeneratorCost { busy_percent, late_percent, .. } = report.generator;
    if busy_percent > BUSY_MAX_PERCENT {
        warnings.push(format!(
            "the generator is the bottleneck: its thread used {} % of a core, so the switch may be faster than these figures",
            short(busy_percent)
        ));
    }
    if late_percent > LATE_MAX_PERCENT {
        warnings.push(format!(
            "the generator sent {} % of payments more than 1 ms late for want of a core, though the switch would have taken them: their latencies are \
             partly its own",
            short(late_percent)
        ));
    }
    if report.unsent > 0 {
        warnings.push(format!(
            "the switch did not keep up: {} payments fell due and were never sent; lower --rate",
            grouped(report.unsent)
        ));
    }
    if let Some(aliases) = &report.aliases {
        if aliases.unsent > 0 {
            warnings.push(format!(
                "the switch did not keep up: {} look-ups fell due and were never sent; lower --lookups",
                grouped(aliases.unsent)
            ));
        }
        if aliases.mode == "open" && aliases.late_percent > LATE_MAX_PERCENT {
            warnings.push(format!(
                "{} % of look-ups were sent more than 1 ms late, for want of a core or because the switch took no more: their latencies say so",
                short(aliases.late_percent)
            ));
        }
    }
    warnings
}

/// 0 where there is no whole.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Interval;

    fn samples(behind: &[u64]) -> Vec<Sample> {
        let sample = |(second, &behind): (u32, &u64)| {
            let at_s = f64::from(second);
            let interval =
                Interval { at_s, length_s: 1.0, due_per_s: 1_000, offered: 1_000, behind, ..Interval::default() };
            Sample { interval, ..Sample::default() }
        };
        (1..).zip(behind).map(sample).collect()
    }

    #[test]
    fn a_stall_is_no_saturation_and_a_growing_queue_is() {
        let stalled = saturation(&samples(&[0, 0, 400, 0, 0, 0, 0, 0, 0, 0, 0]), 0);
        assert!(!stalled.saturated && stalled.first_behind_s == Some(3.0), "{stalled:?}");
        let growing = saturation(&samples(&[0, 0, 0, 0, 0, 0, 0, 100, 200, 300]), 0);
        assert!(growing.saturated && growing.first_behind_s == Some(10.0), "{growing:?}");
        assert!(saturation(&samples(&[0, 300, 500, 300, 0, 0, 0, 0, 0, 0]), 0).saturated);
        assert!(saturation(&samples(&[0]), 1).saturated, "what was never sent is saturation whatever the samples say");
        assert_eq!(saturation(&samples(&[0, 250, 0]), 0), Saturation::default());
    }

    #[test]
    fn drift_compares_the_ends() {
        let mut run = samples(&[0; 21]);
        for (number, sample) in (0..).zip(&mut run) {
            sample.interval.committed = 1_000 - 5 * number;
        }
        // The first tenth is 1,000, 995 and 990, the last 915, 910 and 905; the very last sample is left out.
        let drift = drift_percent(&run);
        assert!((8.0..9.0).contains(&drift), "{drift}");
        assert!(drift_percent(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn levels_are_met_or_not() {
        let wanted = Service {
            throughput_min_per_s: Some(100),
            p99_max_ms: Some(5.0),
            errors_max_percent: Some(1.0),
            ..Service::default()
        };
        let mut report = Report { throughput_per_s: 100.0, offered: 100, committed: 99, ..Report::default() };
        report.committed_us.p99 = 5_000;
        assert!(service(wanted, None, &report).iter().all(|level| level.met));
        let worse = |report: &Report| {
            service(wanted, None, report).into_iter().find(|level| !level.met).map(|level| level.what)
        };
        assert!(
            worse(&Report { throughput_per_s: 99.9, ..report.clone() }).is_some_and(|what| what.contains("throughput"))
        );
        assert!(worse(&Report { committed: 98, ..report.clone() }).is_some_and(|what| what.contains("errors")));
        assert!(worse(&Report { unsent: 1, ..report.clone() }).is_some_and(|what| what.contains("errors")));
        report.committed_us.p99 = 5_001;
        assert!(worse(&report).is_some_and(|what| what.contains("p99")));
        assert_eq!(service(Service::default(), None, &report), []);
        let fewer = Report { throughput_per_s: 90.0, offered: 90, committed: 90, ..Report::default() };
        let met = |expected| service(wanted, expected, &fewer)[0].met;
        assert!(!met(None) && !met(Some(80)) && met(Some(100)), "what chance made fewer is not asked for");
    }

    #[test]
    fn a_generator_at_its_limit_says_so() {
        let report = |busy_percent, late_percent| Report {
            generator: GeneratorCost { busy_percent, late_percent, ..GeneratorCost::default() },
            ..Report::default()
        };
        assert_eq!(warnings(&report(50.0, 0.5)), Vec::<String>::new());
        assert!(warnings(&report(95.0, 0.5))[0].contains("the generator is the bottleneck"));
        assert!(warnings(&report(50.0, 5.0))[0].contains("the generator sent 5.00 %"));
    }
}
