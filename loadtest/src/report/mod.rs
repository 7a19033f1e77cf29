//! What a run says in the end: one JSON object for scripts, a few lines for people.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::generator::{Load, Outcome};
use crate::limits::NS_PER_S;
use crate::machine::Machine;
use crate::tally::{Latencies, refusal_name};

/// The names of the keys are relied upon by scripts. `offered = committed + rejected + expired + busy + unknown`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `open`: latencies count from a fixed schedule. `closed`: from when the payment was sent, which hides what a stall kept from being sent.
    pub mode: &'static str,
    /// Payments a second that were asked for; null in a closed loop.
    pub rate: Option<u64>,
    /// Payments without an outcome at a time; null in an open loop, where the schedule decides.
    pub in_flight: Option<u32>,
    /// Participants that were played, one connection each.
    pub participants: usize,
    /// For how long payments were offered.
    pub duration_s: f64,
    /// Payments that were sent.
    pub offered: u64,
    /// Money moved.
    pub committed: u64,
    /// Refused by a rule.
    pub rejected: u64,
    /// Not answered in time.
    pub expired: u64,
    /// Refused before they were recorded.
    pub busy: u64,
    /// No outcome, though the switch was asked.
    pub unknown: u64,
    /// Payments of the schedule that were not even sent, because the switch took nothing more; their latency is in no figure.
    pub unsent: u64,
    /// Why payments were rejected or expired, by ISO 20022 code.
    pub reasons: BTreeMap<String, u64>,
    /// Why frames were refused before they were recorded.
    pub refusals: BTreeMap<String, u64>,
    /// Connections that broke and were made again.
    pub reconnects: u64,
    /// Payments committed while others were being offered, divided by that time.
    pub throughput_per_s: f64,
    /// From the intended time to the final status at the payer provider.
    pub latency_us: Percentiles,
    /// From the intended time to the sending, which is part of all other legs: how exactly the generator kept the schedule.
    pub sent_us: Percentiles,
    /// From the intended time to the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted_us: Percentiles,
    /// From the intended time to the payee provider's receipt.
    pub forwarded_us: Percentiles,
    /// Processor time while payments were offered and drained; null where the switch was not spawned.
    pub cpu_s: Option<CpuSeconds>,
    /// What `switch ledger verify` found; null where the switch was not spawned.
    pub books_balanced: Option<bool>,
    /// In one line: is everything as it must be, and if not, what is wrong?
    pub verdict: String,
    /// It was ended before its time.
    pub interrupted: bool,
    /// When it ended.
    pub date: String,
    /// What it ran on.
    pub machine: Machine,
    /// The commit that was built.
    pub commit: &'static str,
    /// The command line.
    pub command: String,
}

/// Of one leg, in microseconds; zeros where no payment came so far.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// Half of the payments took no longer.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    pub p999: u64,
    /// All.
    pub max: u64,
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Percentiles {
        let at = |quantile| latencies.at(quantile);
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: latencies.max_us() }
    }
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CpuSeconds {
    /// Of this process, in its own code.
    pub generator_user: f64,
    /// Of this process, in the kernel.
    pub generator_sys: f64,
    /// Of the switch, in its own code.
    pub switch_user: f64,
    /// Of the switch, in the kernel.
    pub switch_sys: f64,
}

/// What the books of a spawned switch say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Books {
    /// They balance, and hold what the generator saw.
    pub(crate) are_right: bool,
    /// What is wrong; empty where nothing is.
    pub(crate) problems: Vec<String>,
}

impl Books {
    /// Nobody has looked.
    pub(crate) fn unseen(why: &str) -> Books {
        Books { are_right: false, problems: vec![why.to_owned()] }
    }
}

impl Report {
    /// Puts a report together.
    pub(crate) fn new(load: Load, outcome: &Outcome, books: Option<&Books>, cpu_s: Option<CpuSeconds>) -> Report {
        let tally = &outcome.tally;
        let (mode, rate, in_flight) = match load {
            Load::Open(schedule) => ("open", Some(schedule.rate_per_s()), None),
            Load::Closed { in_flight, .. } => ("closed", None, Some(in_flight)),
        };
        let reasons = tally.reasons.iter().map(|(code, &count)| (String::from_utf8_lossy(code).into_owned(), count));
        Report {
            mode,
            rate,
            in_flight,
            participants: outcome.participants,
            duration_s: per_second(outcome.offered_ns, NS_PER_S * NS_PER_S),
            offered: tally.offered,
            committed: tally.committed,
            rejected: tally.rejected,
            expired: tally.expired,
            busy: tally.busy,
            unknown: tally.unknown,
            unsent: outcome.unsent,
            reasons: reasons.collect(),
            refusals: tally.refusals.iter().map(|(&code, &count)| (refusal_name(code), count)).collect(),
            reconnects: tally.reconnects,
            throughput_per_s: per_second(tally.committed_in_time, outcome.offered_ns),
            latency_us: Percentiles::of(&tally.total),
            sent_us: Percentiles::of(&tally.sent),
            accepted_us: Percentiles::of(&tally.accepted),
            forwarded_us: Percentiles::of(&tally.forwarded),
            cpu_s,
            books_balanced: books.map(|books| books.are_right),
            verdict: verdict(outcome, books),
            interrupted: outcome.is_interrupted,
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            machine: Machine::read(),
            commit: env!("CLEARSPAN_COMMIT"),
            command: std::env::args().collect::<Vec<_>>().join(" "),
        }
    }

    /// Was every payment accounted for, and do the books balance as far as they were looked at?
    pub fn is_right(&self) -> bool {
        self.unknown == 0 && self.books_balanced != Some(false)
    }

    /// A few lines for people.
    pub fn summary(&self) -> String {
        let load = match (self.rate, self.in_flight) {
            (Some(rate), _) => format!("open loop, {rate} payments/s"),
            (None, in_flight) => format!("closed loop, {} in flight", in_flight.unwrap_or(0)),
        };
        let mut text = format!(
            "{load}, {} participants, {:.1} s\n\
             offered    {} = committed {} + rejected {} + expired {} + busy {} + unknown {}\n\
             throughput {:.0} payments/s\n",
            self.participants,
            self.duration_s,
            self.offered,
            self.committed,
            self.rejected,
            self.expired,
            self.busy,
            self.unknown,
            self.throughput_per_s
        );
        let legs = [
            ("sent", &self.sent_us),
            ("accepted", &self.accepted_us),
            ("forwarded", &self.forwarded_us),
            ("latency", &self.latency_us),
        ];
        let row = |name: &str, cells: [String; 5]| {
            let cells = cells.map(|cell| format!("{cell:>11}")).concat();
            format!("{name:<11}{}\n", cells.trim_end())
        };
        text.push_str(&row("us", ["p50", "p90", "p99", "p999", "max"].map(str::to_owned)));
        for (name, p) in legs {
            text.push_str(&row(name, [p.p50, p.p90, p.p99, p.p999, p.max].map(|us| us.to_string())));
        }
        if let Some(cpu) = self.cpu_s {
            text.push_str(&format!(
                "cpu        generator {:.2} s user, {:.2} s sys; switch {:.2} s user, {:.2} s sys\n",
                cpu.generator_user, cpu.generator_sys, cpu.switch_user, cpu.switch_sys
            ));
        }
        text.push_str(&format!("verdict    {}\n", self.verdict));
        text
    }
}

/// One line.
fn verdict(outcome: &Outcome, books: Option<&Books>) -> String {
    let mut problems = books.map_or(Vec::new(), |books| books.problems.clone());
    if outcome.tally.unknown > 0 {
        problems.push(format!("{} payments have no outcome", outcome.tally.unknown));
    }
    if outcome.unsent > 0 {
        problems.push(format!(
            "the switch did not keep up: {} payments fell due and were never sent; lower --rate",
            outcome.unsent
        ));
    }
    match (problems.is_empty(), books) {
        (false, _) => problems.join("; "),
        (true, Some(_)) => {
            "every payment has one outcome, the journal holds the same, and the books balance".to_owned()
        }
        (true, None) => "every payment has one outcome; the books were not looked at".to_owned(),
    }
}

/// `count` in a time of `ns`, for one second.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn per_second(count: u64, ns: u64) -> f64 {
    if ns == 0 {
        return 0.0;
    }
    (count as f64 * NS_PER_S as f64 / ns as f64 * 1_000.0).round() / 1_000.0
}
