//! Two reports side by side.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::SetUpError;
use crate::maximum::SearchReport;
use crate::report::Report;
use crate::report::numbers::short;

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What, with its unit.
    pub what: String,
    /// In the first report.
    pub a: f64,
    /// In the second.
    pub b: f64,
    /// From the first to the second, in percent of the first; null where that is 0.
    pub change_percent: Option<f64>,
    /// So many percent worse is the second; negative where it is better, null where neither is.
    pub worse_percent: Option<f64>,
}

/// What is better of a figure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
    Neither,
}

#[allow(clippy::float_arithmetic, reason = "figures of reports")]
impl Row {
    fn new(what: &str, better: Better, a: f64, b: f64) -> Row {
        let change_percent = (a.abs() > f64::EPSILON).then(|| (b - a) / a * 100.0);
        let worse_percent = match better {
            Better::Higher => change_percent.map(|change| -change),
            Better::Lower => change_percent,
            Better::Neither => None,
        };
        Row { what: what.to_owned(), a, b, change_percent, worse_percent }
    }
}

/// Compares two files: both of `loadtest run`, or both of `loadtest max`.
pub fn compare(a: &Path, b: &Path) -> Result<Vec<Row>, SetUpError> {
    let (a, b) = (read(a)?, read(b)?);
    match (a, b) {
        (Kind::Run(a), Kind::Run(b)) => Ok(rows_of_runs(&a, &b)),
        (Kind::Search(a), Kind::Search(b)) => Ok(rows_of_searches(&a, &b)),
        _ => Err(SetUpError::new(
            "one is a report of `loadtest run`, the other of `loadtest max`: give two of the same kind",
        )),
    }
}

enum Kind {
    Run(Box<Report>),
    Search(Box<SearchReport>),
}

fn read(path: &Path) -> Result<Kind, SetUpError> {
    let refused = |error: &dyn std::fmt::Display| {
        SetUpError::new(format!(
            "{}: {error}; give a report that `loadtest run --out` or `loadtest max --out` wrote",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(&error))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| refused(&error))?;
    if value.get("slo").is_some() {
        return serde_json::from_value(value).map(Kind::Search).map_err(|error| refused(&error));
    }
    if value.get("latency_us").is_none() {
        return Err(refused(&"it has no latencies"));
    }
    serde_json::from_value(value).map(Kind::Run).map_err(|error| refused(&error))
}

#[allow(clippy::float_arithmetic, clippy::float_cmp, clippy::cast_precision_loss, reason = "figures of reports")]
fn rows_of_runs(a: &Report, b: &Report) -> Vec<Row> {
    use Better::{Higher, Lower, Neither};
    let row = |what: &str, better, of: &dyn Fn(&Report) -> f64| Row::new(what, better, of(a), of(b));
    let mut rows = vec![
        row("payments due a second", Neither, &|r| r.rate.unwrap_or(0) as f64),
        row("participants", Neither, &|r| r.participants as f64),
        row("warm-up, s", Neither, &|r| r.warm_up_s as f64),
        row("committed a second", Higher, &|r| r.throughput_per_s),
        row("not committed", Lower, &|r| (r.offered + r.unsent - r.committed.min(r.offered)) as f64),
    ];
    for (name, of) in [
        ("latency p50, ms", 0),
        ("latency p90, ms", 1),
        ("latency p99, ms", 2),
        ("latency p999, ms", 3),
        ("latency max, ms", 4),
    ] {
        rows.push(row(name, Lower, &|r| {
            let p = &r.latency_us;
            [p.p50, p.p90, p.p99, p.p999, p.max][of] as f64 / 1_000.0
        }));
    }
    rows.push(row("accepted p99, ms", Lower, &|r| r.accepted_us.p99 as f64 / 1_000.0));
    rows.push(row("forwarded p99, ms", Lower, &|r| r.forwarded_us.p99 as f64 / 1_000.0));
    let per_payment =
        |seconds: f64, r: &Report| if r.committed == 0 { 0.0 } else { seconds * 1e6 / r.committed as f64 };
    rows.push(row("switch CPU a payment, us", Lower, &|r| {
        r.cpu_s.map_or(0.0, |cpu| per_payment(cpu.switch_user + cpu.switch_sys, r))
    }));
    rows.push(row("generator CPU a payment, us", Lower, &|r| {
        // Older reports have it only beside the switch's.
        let beside = r.cpu_s.map_or(0.0, |cpu| cpu.generator_user + cpu.generator_sys);
        per_payment((r.generator.user_s + r.generator.sys_s).max(beside), r)
    }));
    rows.push(row("switch memory at the end, MiB", Lower, &|r| {
        r.samples.iter().rev().find_map(|sample| sample.switch_mib).unwrap_or(0) as f64
    }));
    // What neither has measured is no figure.
    rows.retain(|row| row.a != 0.0 || row.b != 0.0 || !row.what.contains("CPU") && !row.what.contains("memory"));
    rows
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of reports")]
fn rows_of_searches(a: &SearchReport, b: &SearchReport) -> Vec<Row> {
    use Better::{Higher, Lower, Neither};
    let row = |what: &str, better, of: &dyn Fn(&SearchReport) -> f64| Row::new(what, better, of(a), of(b));
    let best = |report: &SearchReport| report.best.clone().unwrap_or_default();
    vec![
        row("level, ms", Neither, &|r| r.slo_ms),
        row("participants", Neither, &|r| r.participants as f64),
        row("highest rate that holds", Higher, &|r| best(r).rate as f64),
        row("committed a second there", Higher, &|r| best(r).throughput_per_s),
        row("p50 there, ms", Lower, &|r| best(r).committed_us.p50 as f64 / 1_000.0),
        row("p99 there, ms", Lower, &|r| best(r).committed_us.p99 as f64 / 1_000.0),
    ]
}

/// For people.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<32}{:>12}{:>12}{:>10}\n", "", "A", "B", "change");
    for row in rows {
        let change = row.change_percent.map_or(String::new(), |change| format!("{change:+.1} %"));
        let mark = match row.worse_percent {
            Some(worse) if worse >= 5.0 => "  worse",
            Some(worse) if worse <= -5.0 => "  better",
            _ => "",
        };
        let line = format!("{:<32}{:>12}{:>12}{change:>10}{mark}", row.what, short(row.a), short(row.b));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Percentiles;

    fn report(throughput_per_s: f64, p99: u64) -> Report {
        let latency_us = Percentiles { p50: 400, p90: 700, p99, p999: 9_000, max: 12_000 };
        Report { throughput_per_s, latency_us, ..Report::default() }
    }

    #[test]
    fn more_throughput_is_better_and_more_latency_is_worse() {
        let rows = rows_of_runs(&report(1_000.0, 2_000), &report(1_100.0, 3_000));
        let worse = |what: &str| rows.iter().find(|row| row.what == what).and_then(|row| row.worse_percent);
        assert!(worse("committed a second").is_some_and(|worse| (-10.1..-9.9).contains(&worse)));
        assert!(worse("latency p99, ms").is_some_and(|worse| (49.9..50.1).contains(&worse)));
        assert_eq!(worse("payments due a second"), None);
        let table = table(&rows);
        assert!(table.contains("+10.0 %  better") && table.contains("+50.0 %  worse"), "{table}");
    }
}
