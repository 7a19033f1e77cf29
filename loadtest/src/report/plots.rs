//! Which pictures a report has.

use std::collections::BTreeMap;

use super::judge::percent;
use super::numbers::{latency, short};
use super::svg::{Bars, Chart, Kind, Plot, Row, Scale, Series};
use super::{Percentiles, Report};
use crate::maximum::{Point, SearchReport};
use crate::samples::{ApartInterval, Interval, Sample, SwitchStatus};

/// More participants than this are not told apart in a picture.
const PARTICIPANTS_DRAWN_MAX: usize = 1_000;

/// All pictures of a run.
pub(crate) fn of_run(report: &Report) -> Vec<Plot> {
    let mut plots = vec![
        Plot::Chart(latency_over_time(report)),
        Plot::Chart(rate_over_time(report)),
        Plot::Chart(histogram(report)),
        Plot::Bars(stages(report)),
        Plot::Chart(cpu_over_time(report)),
    ];
    plots.extend(cpu_split(report).map(Plot::Bars));
    plots.push(Plot::Chart(queues(report)));
    plots.extend(held(report).map(Plot::Chart));
    plots.extend(journal(report).map(Plot::Chart));
    plots.extend(memory(report).map(Plot::Chart));
    plots.extend(participants(report).map(Plot::Chart));
    plots
}

/// All pictures of a search for the highest rate.
pub(crate) fn of_search(report: &SearchReport) -> Vec<Plot> {
    // Of several tries at one rate the one that held counts, else the last.
    let mut points = BTreeMap::new();
    for point in &report.points {
        let known: &mut &Point = points.entry(point.rate).or_insert(point);
        if point.holds || !known.holds {
            *known = point;
        }
    }
    let points: Vec<&Point> = points.into_values().collect();
    let line = |name: &str, kind: Kind, colour: usize, of: &dyn Fn(&Point) -> f64| Series {
        name: name.to_owned(),
        kind,
        colour,
        points: points.iter().map(|point| (precise(point.rate), of(point))).collect(),
    };
    let marks: Vec<_> = report.best.iter().map(|best| (precise(best.rate), "highest that holds".to_owned())).collect();
    let latency = Chart {
        name: "throughput-latency",
        title: "Latency against throughput".to_owned(),
        x: ("payments due a second", Scale::Linear),
        y: ("ms", Scale::Log),
        series: vec![
            line("p50", Kind::Dotted, 0, &|point| ms(point.committed_us.p50)),
            line("p90", Kind::Dotted, 2, &|point| ms(point.committed_us.p90)),
            line("p99", Kind::Dotted, 1, &|point| ms(point.committed_us.p99)),
            line(&format!("level ({})", report.slo), Kind::Dashed, 4, &|_| report.slo_ms),
        ],
        marks: marks.clone(),
    };
    let kept_up = Chart {
        name: "kept-up",
        title: "Did it keep up?".to_owned(),
        x: ("payments due a second", Scale::Linear),
        y: ("payments committed a second", Scale::Linear),
        series: vec![
            line("due", Kind::Dashed, 4, &|point| precise(point.rate)),
            line("committed", Kind::Dotted, 0, &|point| point.throughput_per_s),
        ],
        marks,
    };
    vec![Plot::Chart(latency), Plot::Chart(kept_up)]
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "points of a picture")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[allow(clippy::cast_precision_loss, reason = "points of a picture")]
fn precise(number: u64) -> f64 {
    number as f64
}

/// One value of every sample over time. Samples without it are left out.
fn over_time(
    report: &Report,
    (name, kind, colour): (&str, Kind, usize),
    value: impl Fn(&Sample) -> Option<f64>,
) -> Series {
    let points = report.samples.iter().filter_map(|sample| Some((sample.interval.at_s, value(sample)?)));
    Series { name: name.to_owned(), kind, colour, points: points.collect() }
}

/// For each second of the sample.
#[allow(clippy::float_arithmetic, reason = "points of a picture")]
fn each_second(sample: &Sample, count: u64) -> Option<f64> {
    (sample.interval.length_s > 0.0).then(|| precise(count) / sample.interval.length_s)
}

fn marks(report: &Report) -> Vec<(f64, String)> {
    // Many faults are a pattern that needs no words.
    let is_named = report.faults.len() <= 4;
    let name = |kind: &str| if is_named { kind.replace('_', " ") } else { String::new() };
    report.faults.iter().map(|fault| (fault.at_s, name(&fault.kind))).collect()
}

fn chart_over_time(
    report: &Report,
    (name, title): (&'static str, &str),
    y: (&'static str, Scale),
    series: Vec<Series>,
) -> Chart {
    Chart { name, title: title.to_owned(), x: ("seconds", Scale::Linear), y, series, marks: marks(report) }
}

fn latency_over_time(report: &Report) -> Chart {
    let is_any = |sample: &Sample| sample.interval.committed + sample.interval.failed > 0;
    let line = |name, colour, us: &dyn Fn(&Sample) -> u64| {
        over_time(report, (name, Kind::Line, colour), |sample| is_any(sample).then(|| ms(us(sample))))
    };
    let wait = |sample: &Sample| sample.switch.map(|status| ms(status.disk_us_longest)).filter(|ms| *ms > 0.0);
    let mut series = vec![
        line("max", 4, &|sample| sample.interval.max_us),
        line("p99", 1, &|sample| sample.interval.p99_us),
        line("p50", 0, &|sample| sample.interval.p50_us),
    ];
    let apart = |name, colour, of: fn(&Interval) -> Option<ApartInterval>| {
        let p99 = |sample: &Sample| of(&sample.interval).filter(|apart| apart.p99_us > 0).map(|apart| ms(apart.p99_us));
        over_time(report, (name, Kind::Line, colour), p99)
    };
    let bulk = apart("p99 of bulk", 2, |interval| interval.bulk);
    let flood = apart("p99 of the flood", 3, |interval| interval.flood);
    series.extend([bulk, flood].into_iter().filter(|line| !line.points.is_empty()));
    let waits = over_time(report, ("longest wait for the switch's disk", Kind::Dashed, 5), wait);
    series.extend(Some(waits).filter(|waits| !waits.points.is_empty()));
    let title = "Latency over time, from the intended send time to the final status";
    chart_over_time(report, ("latency", title), ("ms", Scale::Log), series)
}

fn rate_over_time(report: &Report) -> Chart {
    let due = |sample: &Sample| Some(precise(sample.interval.due_per_s)).filter(|&due| due > 0.0);
    let mut series = vec![
        over_time(report, ("due", Kind::Dashed, 4), due),
        over_time(report, ("committed", Kind::Line, 0), |sample| each_second(sample, sample.interval.committed)),
    ];
    for (name, colour, of) in [
        ("bulk committed", 2, (|interval| interval.bulk) as fn(&Interval) -> Option<ApartInterval>),
        ("the flood's committed", 3, |interval| interval.flood),
    ] {
        let rate = |sample: &Sample| of(&sample.interval).and_then(|apart| each_second(sample, apart.committed));
        let line = over_time(report, (name, Kind::Line, colour), rate);
        series.extend(Some(line).filter(|line| !line.points.is_empty()));
    }
    if report.samples.iter().any(|sample| sample.interval.failed > 0) {
        let failed = |sample: &Sample| each_second(sample, sample.interval.failed);
        series.push(over_time(report, ("failed", Kind::Line, 1), failed));
    }
    let title = "Payments a second";
    chart_over_time(report, ("rate", title), ("payments/s", Scale::Linear), series)
}

fn histogram(report: &Report) -> Chart {
    let bars = |name: &str| report.histogram_us.get(name).cloned().unwrap_or_default();
    let series = [("accepted", 2), ("forwarded", 5), ("final", 0)].map(|(name, colour)| {
        let bars = bars(name);
        let all = bars.iter().map(|bar| bar.1).sum();
        let points = bars.iter().map(|&(us, count)| (ms(us), percent(count, all))).collect();
        Series { name: name.to_owned(), kind: Kind::Line, colour, points }
    });
    Chart {
        name: "histogram",
        title: "How latencies are distributed, ten bars for each power of ten".to_owned(),
        x: ("ms from the intended send time", Scale::Log),
        y: ("% of payments", Scale::Linear),
        series: series.into(),
        marks: Vec::new(),
    }
}

/// Where the time goes: the way from one leg's percentile to the next leg's, as shares of the whole. Percentiles of differences would need every payment.
#[allow(clippy::float_arithmetic, reason = "parts of a picture")]
fn stages(report: &Report) -> Bars {
    let legs = [&report.sent_us, &report.accepted_us, &report.forwarded_us, &report.latency_us];
    let of = |name: &str, p: &Percentiles| match name {
        "p50" => p.p50,
        "p90" => p.p90,
        "p99" => p.p99,
        _ => p.p999,
    };
    let rows = ["p50", "p90", "p99", "p99.9"].into_iter().map(|name| {
        let (mut reached, mut values) = (0, Vec::new());
        for leg in legs {
            values.push(ms(of(name, leg).saturating_sub(reached)));
            reached = reached.max(of(name, leg));
        }
        let whole = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let shares = values.iter().map(|value| value / whole).collect();
        Row { name: name.to_owned(), values: shares, text: latency(reached) }
    });
    Bars {
        name: "stages",
        title: "Per stage: where the time goes, as a share of the whole".to_owned(),
        parts: vec!["until sent", "until on disk", "until at the payee", "until final"],
        rows: rows.collect(),
    }
}

fn cpu_over_time(report: &Report) -> Chart {
    let series = vec![
        over_time(report, ("generator", Kind::Line, 5), |sample| Some(sample.generator_cores)),
        over_time(report, ("switch", Kind::Line, 0), |sample| sample.switch_cores),
    ];
    chart_over_time(report, ("cpu", "Processor time, in cores"), ("cores", Scale::Linear), series)
}

fn cpu_split(report: &Report) -> Option<Bars> {
    let cpu = report.cpu_s?;
    let row = |name: &str, user: f64, sys: f64| Row {
        name: name.to_owned(),
        values: vec![user, sys],
        text: format!("{} s user, {} s sys", short(user), short(sys)),
    };
    let mut rows =
        vec![row("generator", cpu.generator_user, cpu.generator_sys), row("switch", cpu.switch_user, cpu.switch_sys)];
    let threads = report.switch_threads_s.iter().filter(|(_, seconds)| **seconds >= 0.05);
    rows.extend(threads.map(|(name, &seconds)| Row {
        name: name.clone(),
        values: vec![0.0, 0.0, seconds],
        text: format!("{} s", short(seconds)),
    }));
    let parts = vec!["user", "system", "a thread of the switch"];
    Some(Bars { name: "cpu-split", title: "Who used the processor".to_owned(), parts, rows })
}

fn queues(report: &Report) -> Chart {
    let mut series = vec![
        over_time(report, ("without outcome", Kind::Line, 0), |sample| Some(precise(sample.interval.open))),
        over_time(report, ("not taken yet", Kind::Line, 1), |sample| Some(precise(sample.interval.behind))),
    ];
    if report.samples.iter().any(|sample| sample.switch.is_some()) {
        series.push(status_over_time(report, ("in flight at the switch", Kind::Dashed, 2), |status| status.in_flight));
    }
    chart_over_time(report, ("queues", "Payments that wait"), ("payments", Scale::Linear), series)
}

/// What the switch says of itself, over time.
fn status_over_time(report: &Report, look: (&str, Kind, usize), of: impl Fn(&SwitchStatus) -> u64) -> Series {
    over_time(report, look, |sample| sample.switch.as_ref().map(|status| precise(of(status))))
}

/// What the switch holds beside payments. Outbox records and outcomes rise until a run of the history is in files, and fall again: a saw is healthy.
fn held(report: &Report) -> Option<Chart> {
    report.samples.iter().find(|sample| sample.switch.is_some())?;
    let series = vec![
        status_over_time(report, ("outbox records", Kind::Line, 3), |status| status.outbox_records_held),
        status_over_time(report, ("outcomes", Kind::Line, 2), |status| status.outcomes_unindexed),
        status_over_time(report, ("ask the history", Kind::Line, 1), |status| status.waiting_for_history),
        status_over_time(report, ("older messages", Kind::Dashed, 5), |status| status.waiting_for_renderer),
    ];
    Some(chart_over_time(
        report,
        ("held", "What the switch holds until it is indexed"),
        ("records", Scale::Linear),
        series,
    ))
}

/// Journal positions: that the first three lie on one line is the picture of a switch that keeps up. The files of the history follow in steps.
fn journal(report: &Report) -> Option<Chart> {
    report.samples.iter().find(|sample| sample.switch.is_some())?;
    let series = vec![
        status_over_time(report, ("sequenced", Kind::Line, 4), |status| status.sequenced),
        status_over_time(report, ("durable", Kind::Line, 2), |status| status.durable),
        status_over_time(report, ("applied", Kind::Dashed, 1), |status| status.applied),
        status_over_time(report, ("indexed", Kind::Line, 3), |status| status.indexed),
    ];
    Some(chart_over_time(report, ("journal", "Watermarks of the journal"), ("positions", Scale::Linear), series))
}

fn memory(report: &Report) -> Option<Chart> {
    report.samples.iter().find(|sample| sample.switch_mib.is_some())?;
    let series = vec![over_time(report, ("switch", Kind::Line, 3), |sample| sample.switch_mib.map(precise))];
    Some(chart_over_time(report, ("memory", "Memory of the switch"), ("MiB", Scale::Linear), series))
}

fn participants(report: &Report) -> Option<Chart> {
    let legs: Vec<_> = report.participants_us.values().filter(|legs| legs.count > 0).collect();
    if legs.len() < 2 || legs.len() > PARTICIPANTS_DRAWN_MAX {
        return None;
    }
    let line = |name: &str, colour, us: &dyn Fn(&super::LegPercentiles) -> u64| {
        let points = (1..).zip(&legs).map(|(number, legs)| (f64::from(number), ms(us(legs)))).collect();
        Series { name: name.to_owned(), kind: Kind::Line, colour, points }
    };
    Some(Chart {
        name: "participants",
        title: "By participant".to_owned(),
        x: ("participant", Scale::Linear),
        y: ("ms", Scale::Log),
        series: vec![
            line("p99 to final, as payer", 1, &|legs| legs.last.p99),
            line("p50", 0, &|legs| legs.last.p50),
            line("p99 to receipt, as payee", 5, &|legs| legs.forwarded.p99),
        ],
        marks: Vec::new(),
    })
}
