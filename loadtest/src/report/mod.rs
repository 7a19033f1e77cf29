//! What a run says in the end: one JSON object for scripts, a few lines for people, a page with plots.

mod html;
mod judge;
pub(crate) mod numbers;
pub(crate) mod plots;
pub(crate) mod svg;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use html::{page_of_run, page_of_search};
pub use judge::{Saturation, ServiceLevel};

use crate::faults::FaultRecord;
use crate::generator::Outcome;
use crate::limits::NS_PER_S;
use crate::machine::Machine;
use crate::plan::{AliasPlan, Load, LookupLoad, Plan};
use crate::recount::Windows;
use crate::samples::Sample;
use crate::schedule::Spacing;
use crate::tally::{Apart, Latencies, Legs, Sequels, Tally, refusal_name};
use numbers::short;

/// The names of the keys are relied upon by scripts. `offered = committed + rejected + expired + busy + unknown`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// `open`: latencies count from a fixed schedule. `closed`: from when the payment was sent, which hides what a stall kept from being sent.
    pub mode: String,
    /// What the providers spoke: `native` or `iso20022`.
    pub protocol: String,
    /// Of the scenario; null where there was none.
    pub scenario: Option<String>,
    /// Payments a second that were asked for, on average; null in a closed loop.
    pub rate: Option<u64>,
    /// Of the schedule's random gaps; null where they were even.
    pub seed: Option<u64>,
    /// Payments without an outcome at a time; null in an open loop, where the schedule decides.
    pub in_flight: Option<u32>,
    /// Participants that were played, one connection each.
    pub participants: usize,
    /// For how long payments were offered.
    pub duration_s: f64,
    /// What ended before is in no percentile.
    pub warm_up_s: u64,
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
    /// Orders that were submitted a second time on purpose.
    pub repeated: u64,
    /// How many of those, and of late answers, the switch replied to.
    pub repeated_answered: u64,
    /// Why payments were rejected or expired, by ISO 20022 code.
    pub reasons: BTreeMap<String, u64>,
    /// Why frames were refused before they were recorded.
    pub refusals: BTreeMap<String, u64>,
    /// What may not happen to a payment and did, by kind. Empty where all is well.
    pub disagreements: BTreeMap<String, u64>,
    /// Connections that broke and were made again.
    pub reconnects: u64,
    /// Payments committed while others were being offered, divided by that time.
    pub throughput_per_s: f64,
    /// From the intended time to the final status at the payer provider.
    pub latency_us: Percentiles,
    /// The same, of committed payments alone.
    pub committed_us: Percentiles,
    /// From the intended time to the sending, which is part of all other legs: how exactly the generator kept the schedule.
    pub sent_us: Percentiles,
    /// From the intended time to the switch's acknowledgement at the payer provider: it is on disk.
    pub accepted_us: Percentiles,
    /// From the intended time to the payee provider's receipt.
    pub forwarded_us: Percentiles,
    /// Payments in the bulk lane: they are in the counts above, and in no percentile but these. Not there where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<ApartReport>,
    /// Payments of the participant that flooded, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood: Option<ApartReport>,
    /// Requests to pay, returns and recalls. Not there where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequels: Option<Sequels>,
    /// Aliases, payments to them, and look-ups. Not there where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Box<AliasReport>>,
    /// Settlement windows that were closed under load. Not there where nothing settles net.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsReport>,
    /// Bars of each leg's histogram: upper end in microseconds, and how many lie below it and above the one before.
    pub histogram_us: BTreeMap<String, Vec<(u64, u64)>>,
    /// By participant: accepted and final of what it paid, forwarded of what it was paid.
    pub participants_us: BTreeMap<String, LegPercentiles>,
    /// Processor time while payments were offered and drained; null where the switch was not spawned.
    pub cpu_s: Option<CpuSeconds>,
    /// What the load itself cost.
    pub generator: GeneratorCost,
    /// Processor time of the spawned switch's threads since it was last started, by name.
    pub switch_threads_s: BTreeMap<String, f64>,
    /// Did the switch keep up?
    pub saturation: Saturation,
    /// What failed on schedule.
    pub faults: Vec<FaultRecord>,
    /// What `switch ledger verify` and an audit of our own found; null where the switch was not spawned.
    pub books_balanced: Option<bool>,
    /// Service levels of the scenario.
    pub service: Vec<ServiceLevel>,
    /// What is wrong. Empty where all is well.
    pub problems: Vec<String>,
    /// What must be known before the figures are believed.
    pub warnings: Vec<String>,
    /// In one line: is everything as it must be, and if not, what is wrong?
    pub verdict: String,
    /// It was ended before its time.
    pub interrupted: bool,
    /// From moment to moment.
    pub samples: Vec<Sample>,
    /// When it ended.
    pub date: String,
    /// What it ran on.
    pub machine: Machine,
    /// The commit that was built.
    pub commit: String,
    /// The command line.
    pub command: String,
}

/// Of one leg, in microseconds; zeros where no payment came so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Of one participant, to two digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegPercentiles {
    /// Payments of its customers that became final.
    pub count: u64,
    /// To the acknowledgement.
    pub accepted: Percentiles,
    /// To this participant as payee provider.
    pub forwarded: Percentiles,
    /// To the final status.
    pub last: Percentiles,
}

impl LegPercentiles {
    fn of(legs: &Legs) -> LegPercentiles {
        LegPercentiles {
            count: legs.last.count(),
            accepted: Percentiles::of(&legs.accepted),
            forwarded: Percentiles::of(&legs.forwarded),
            last: Percentiles::of(&legs.last),
        }
    }
}

/// What is counted apart from the figures of retail. `offered = committed + rejected + expired + busy + unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApartReport {
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
    /// No outcome.
    pub unknown: u64,
    /// Payments committed while others were being offered, divided by that time.
    pub throughput_per_s: f64,
    /// To the switch's acknowledgement, to two digits.
    pub accepted_us: Percentiles,
    /// To the payee provider's receipt, to two digits.
    pub forwarded_us: Percentiles,
    /// To the final status, to two digits.
    pub latency_us: Percentiles,
    /// The same, of committed payments alone.
    pub committed_us: Percentiles,
}

impl ApartReport {
    fn of(apart: &Apart, offered_ns: u64) -> ApartReport {
        let Apart { offered, committed, rejected, expired, busy, .. } = *apart;
        ApartReport {
            offered,
            committed,
            rejected,
            expired,
            busy,
            unknown: apart.unknown(),
            throughput_per_s: per_second(apart.committed_in_time, offered_ns),
            accepted_us: Percentiles::of(&apart.legs.accepted),
            forwarded_us: Percentiles::of(&apart.legs.forwarded),
            latency_us: Percentiles::of(&apart.legs.last),
            committed_us: Percentiles::of(&apart.total_of_committed),
        }
    }
}

/// Aliases under load. `asked = found + missed + limited + refused + unanswered`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasReport {
    /// How many there are.
    pub count: u64,
    /// How long their import took; null where they were there already.
    pub imported_s: Option<f64>,
    /// Payments that named their payee by one, of those offered.
    pub transfers: u64,
    /// Of these, those for which a bucket held too little: they are among the busy ones.
    pub transfers_limited: u64,
    /// `open`, `closed` or `none`: how look-ups were asked.
    pub mode: String,
    /// Look-ups a second that were asked for; null in a closed loop.
    pub rate: Option<u64>,
    /// Look-ups without an answer at a time; null in an open loop.
    pub in_flight: Option<u32>,
    /// Look-ups that were sent.
    pub asked: u64,
    /// Answered with an account.
    pub found: u64,
    /// Answered: nobody has it.
    pub missed: u64,
    /// Not answered, because a bucket held too little.
    pub limited: u64,
    /// Refused before they were recorded.
    pub refused: u64,
    /// Neither answered nor refused.
    pub unanswered: u64,
    /// Of the schedule, those that were not even sent.
    pub unsent: u64,
    /// Answers that came again after a connection broke.
    pub answered_again: u64,
    /// Why look-ups were refused.
    pub refusals: BTreeMap<String, u64>,
    /// Look-ups answered while there was load, divided by that time.
    pub answered_per_s: f64,
    /// Sent more than 1 ms after they fell due, in percent.
    pub late_percent: f64,
    /// From the intended time to the sending.
    pub sent_us: Percentiles,
    /// From the intended time to the answer: found, or not found.
    pub answered_us: Percentiles,
}

impl AliasReport {
    fn of(plan: &AliasPlan, outcome: &Outcome, imported_in: Option<Duration>) -> AliasReport {
        let Tally { transfers, transfers_limited, lookups, .. } = &outcome.tally;
        let (mode, rate, in_flight) = match &plan.lookups {
            LookupLoad::Nothing => ("none", None, None),
            LookupLoad::Open(schedule) => ("open", Some(schedule.rate_per_s()), None),
            LookupLoad::Closed { in_flight } => ("closed", None, Some(*in_flight)),
        };
        AliasReport {
            count: plan.count,
            imported_s: imported_in.map(|took| took.as_secs_f64()),
            transfers: *transfers,
            transfers_limited: *transfers_limited,
            mode: mode.to_owned(),
            rate,
            in_flight,
            asked: lookups.asked,
            found: lookups.found,
            missed: lookups.missed,
            limited: lookups.limited,
            refused: lookups.refusals.values().sum(),
            unanswered: lookups.unanswered(),
            unsent: outcome.lookups_unsent,
            answered_again: lookups.answered_again,
            refusals: lookups.refusals.iter().map(|(&code, &count)| (refusal_name(code), count)).collect(),
            answered_per_s: per_second(lookups.answered_in_time, outcome.offered_ns),
            late_percent: judge::percent(lookups.late, lookups.asked),
            sent_us: Percentiles::of(&lookups.sent),
            answered_us: Percentiles::of(&lookups.answered),
        }
    }

    /// For people.
    fn lines(&self) -> String {
        let AliasReport { count, transfers, transfers_limited, asked, found, missed, limited, .. } = self;
        let imported = self.imported_s.map_or(String::new(), |s| format!(", imported in {s:.1} s"));
        let mut text =
            format!("aliases    {count}{imported}; payments to them {transfers}, limited {transfers_limited}\n");
        if self.mode != "none" {
            text.push_str(&format!(
                "look-ups   asked {asked} = found {found} + missed {missed} + limited {limited} + refused {} + unanswered {}; {:.0}/s answered\n",
                self.refused, self.unanswered, self.answered_per_s
            ));
        }
        text
    }
}

/// Settlement windows of a run, counted anew from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowsReport {
    /// Closed between the first payment that was posted and the last.
    pub closed: u64,
    /// Cut-offs of the calendar in that time.
    pub due: u64,
    /// Cut-offs that were ordered in it.
    pub ordered: u64,
    /// Payments and returns, each in one window.
    pub postings: u64,
    /// The longest that the switch took to apply a batch that closed a window: nothing else was decided meanwhile. Null where it said nothing of it.
    pub cut_off_us_longest: Option<u64>,
}

impl WindowsReport {
    fn of(windows: &Windows, cut_off_us_longest: Option<u64>) -> WindowsReport {
        let Windows { closed, due, ordered, postings, .. } = *windows;
        WindowsReport { closed, due, ordered, postings, cut_off_us_longest }
    }

    /// For people.
    fn line(&self) -> String {
        let WindowsReport { closed, due, ordered, postings, cut_off_us_longest } = self;
        let longest = cut_off_us_longest.map_or("was not measured".to_owned(), |us| format!("took {us} us"));
        format!(
            "windows    {closed} closed under load, {due} by the calendar and {ordered} by order; {postings} postings in them and the open one; the longest \
             cut-off {longest}\n"
        )
    }
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// What the load itself cost, and how well it kept its own schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratorCost {
    /// Processor time of this process, in its own code.
    pub user_s: f64,
    /// In the kernel.
    pub sys_s: f64,
    /// How much of a core its one thread used while payments were offered.
    pub busy_percent: f64,
    /// Payments sent more than 1 ms after they fell due, though the switch would have taken them.
    pub late_percent: f64,
    /// Payments sent so late because the switch took nothing more.
    pub held_back_percent: f64,
}

/// What the books of a spawned switch say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Books {
    /// They balance, and hold what the generator saw.
    pub(crate) are_right: bool,
    /// What is wrong; empty where nothing is.
    pub(crate) problems: Vec<String>,
    /// Of a switch that settles net.
    pub(crate) windows: Option<Windows>,
}

impl Books {
    /// Nobody has looked.
    pub(crate) fn unseen(why: &str) -> Books {
        Books { are_right: false, problems: vec![why.to_owned()], windows: None }
    }
}

/// What is known of a run beside what the generator counted.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// Of a spawned switch.
    pub(crate) books: Option<Books>,
    /// Of both processes; the switch's only where it was spawned.
    pub(crate) generator_cpu_s: (f64, f64),
    pub(crate) switch_cpu_s: Option<(f64, f64)>,
    /// Of a spawned switch's threads.
    pub(crate) threads_s: BTreeMap<String, f64>,
    /// What failed on schedule.
    pub(crate) faults: Vec<FaultRecord>,
    /// What went wrong with the switch's process.
    pub(crate) problems: Vec<String>,
    /// The longest that it stood still at a cut-off; none where there was none.
    pub(crate) cut_off_us_longest: Option<u64>,
    /// How long the import of aliases took; none where there was none.
    pub(crate) imported_in: Option<Duration>,
}

impl Report {
    /// Puts a report together.
    pub(crate) fn new(plan: &Plan, outcome: &Outcome, around: Surroundings) -> Report {
        let mut report = Report::of_counts(plan, outcome);
        report.saturation = judge::saturation(&outcome.samples, outcome.unsent);
        report.samples.clone_from(&outcome.samples);
        report.generator = generator_cost(outcome, around.generator_cpu_s);
        report.cpu_s = around.switch_cpu_s.map(|(switch_user, switch_sys)| CpuSeconds {
            generator_user: around.generator_cpu_s.0,
            generator_sys: around.generator_cpu_s.1,
            switch_user,
            switch_sys,
        });
        report.switch_threads_s = around.threads_s;
        report.faults = around.faults;
        report.books_balanced = around.books.as_ref().map(|books| books.are_right);
        let windows = around.books.as_ref().and_then(|books| books.windows.as_ref());
        report.windows = windows.map(|windows| WindowsReport::of(windows, around.cut_off_us_longest));
        let aliases = plan.aliases.as_ref();
        report.aliases = aliases.map(|plan| Box::new(AliasReport::of(plan, outcome, around.imported_in)));
        let expected = match &plan.load {
            Load::Open(schedule) => Some(schedule.count()),
            Load::Closed { .. } | Load::Nothing { .. } => None,
        };
        report.service = judge::service(plan.service, expected, &report);
        report.warnings = judge::warnings(&report);
        report.problems = around.books.map_or(Vec::new(), |books| books.problems);
        report.problems.extend(around.problems);
        report.problems.extend(outcome.tally.problems());
        // A run that was ended before its time has not failed for what it did not come to.
        let missed = report.service.iter().filter(|level| !level.met && !outcome.is_interrupted);
        let missed = missed.map(|level| {
            let [measured, required] = [level.measured, level.required].map(short);
            format!("service level missed: {} is {measured}, required is {required}", level.what)
        });
        report.problems.extend(missed.collect::<Vec<_>>());
        report.verdict = report.verdict();
        report
    }

    fn of_counts(plan: &Plan, outcome: &Outcome) -> Report {
        let tally = &outcome.tally;
        let (mode, rate, in_flight, seed) = match &plan.load {
            Load::Open(schedule) => {
                let seed = if let Spacing::Poisson { seed } = schedule.spacing() { Some(seed) } else { None };
                ("open", Some(schedule.rate_per_s()), None, seed)
            }
            Load::Closed { in_flight, .. } => ("closed", None, Some(*in_flight), None),
            Load::Nothing { .. } => ("none", None, None, None),
        };
        let reasons = tally.reasons.iter().map(|(code, &count)| (String::from_utf8_lossy(code).into_owned(), count));
        let named = outcome.codes.iter().zip(&tally.participants);
        let payments = [("accepted", &tally.accepted), ("forwarded", &tally.forwarded), ("final", &tally.total)];
        let lookups = plan.aliases.as_ref().map(|_| ("look-up", &tally.lookups.answered));
        let legs = payments.into_iter().chain(lookups);
        Report {
            mode: mode.to_owned(),
            protocol: plan.protocol.name().to_owned(),
            scenario: plan.scenario.clone(),
            rate,
            seed,
            in_flight,
            participants: outcome.codes.len(),
            duration_s: per_second(outcome.offered_ns, NS_PER_S * NS_PER_S),
            warm_up_s: outcome.warmed_up_ns / NS_PER_S,
            offered: tally.offered,
            committed: tally.committed,
            rejected: tally.rejected,
            expired: tally.expired,
            busy: tally.busy,
            unknown: tally.unknown,
            unsent: outcome.unsent,
            repeated: tally.repeated,
            repeated_answered: tally.repeated_answered,
            reasons: reasons.collect(),
            refusals: tally.refusals.iter().map(|(&code, &count)| (refusal_name(code), count)).collect(),
            disagreements: tally
                .disagreements
                .iter()
                .map(|(kind, disagreed)| (kind.name().to_owned(), disagreed.payments))
                .collect(),
            reconnects: tally.reconnects,
            throughput_per_s: per_second(tally.committed_in_time, outcome.offered_ns),
            latency_us: Percentiles::of(&tally.total),
            committed_us: Percentiles::of(&tally.total_of_committed),
            sent_us: Percentiles::of(&tally.sent),
            accepted_us: Percentiles::of(&tally.accepted),
            forwarded_us: Percentiles::of(&tally.forwarded),
            bulk: tally.bulk.as_deref().map(|apart| ApartReport::of(apart, outcome.offered_ns)),
            flood: tally.flood.as_deref().map(|apart| ApartReport::of(apart, outcome.offered_ns)),
            sequels: plan.has_sequels().then_some(tally.sequels),
            histogram_us: legs.map(|(name, leg)| (name.to_owned(), leg.bars())).collect(),
            participants_us: named.map(|(code, legs)| (code.to_string(), LegPercentiles::of(legs))).collect(),
            interrupted: outcome.is_interrupted,
            date: date(),
            machine: Machine::read(),
            commit: env!("CLEARSPAN_COMMIT").to_owned(),
            command: command(),
            ..Report::default()
        }
    }

    /// Was every payment accounted for, do the books balance as far as they were looked at, and were the service levels kept?
    pub fn is_right(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is counted apart, with its name.
    pub(crate) fn aparts(&self) -> impl Iterator<Item = (&'static str, &ApartReport)> {
        [("bulk", self.bulk.as_ref()), ("flood", self.flood.as_ref())]
            .into_iter()
            .filter_map(|(name, apart)| Some((name, apart?)))
    }

    /// One line.
    fn verdict(&self) -> String {
        let mut text = match (self.problems.is_empty(), self.books_balanced) {
            (false, _) => self.problems.join("; "),
            (true, Some(_)) => {
                "every payment has one outcome, both providers and the ledger hold the same, and the books balance"
                    .to_owned()
            }
            (true, None) => {
                "every payment has one outcome, and both providers heard the same; the books were not looked at"
                    .to_owned()
            }
        };
        if self.unsent > 0 {
            text.push_str(&format!("; {} payments were never sent", self.unsent));
        }
        if let Some(aliases) = self.aliases.as_ref().filter(|aliases| aliases.unsent > 0) {
            text.push_str(&format!("; {} look-ups were never sent", aliases.unsent));
        }
        text
    }

    /// What was offered, in a few words.
    pub(crate) fn load_text(&self) -> String {
        let load = match (self.rate, self.in_flight) {
            (Some(rate), _) => format!("open loop, {} payments/s", numbers::grouped(rate)),
            (None, None) => "no payments".to_owned(),
            (None, in_flight) => format!("closed loop, {} in flight", numbers::grouped(in_flight.unwrap_or(0).into())),
        };
        let scenario = self.scenario.as_ref().map_or(String::new(), |name| format!("{name}: "));
        let warm_up = match self.warm_up_s {
            0 => String::new(),
            seconds => format!(", percentiles without the first {seconds} s"),
        };
        // What every report was of before there was another.
        let protocol = match self.protocol.as_str() {
            "" | "native" => String::new(),
            protocol => format!(" by {protocol}"),
        };
        format!("{scenario}{load}{protocol}, {} participants, {:.1} s{warm_up}", self.participants, self.duration_s)
    }

    /// A few lines for people.
    pub fn summary(&self) -> String {
        let mut text = format!(
            "{}\n\
             offered    {} = committed {} + rejected {} + expired {} + busy {} + unknown {}\n\
             throughput {:.0} payments/s\n",
            self.load_text(),
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
        if let Some(aliases) = self.aliases.as_ref().filter(|aliases| aliases.mode != "none") {
            let p = &aliases.answered_us;
            text.push_str(&row("look-up", [p.p50, p.p90, p.p99, p.p999, p.max].map(|us| us.to_string())));
        }
        for (name, apart) in self.aparts() {
            let p = &apart.latency_us;
            text.push_str(&row(name, [p.p50, p.p90, p.p99, p.p999, p.max].map(|us| us.to_string())));
            let (offered, committed, busy) = (apart.offered, apart.committed, apart.busy);
            text.push_str(&format!("           {name} offered {offered}, committed {committed}, busy {busy}\n"));
        }
        if let Some(sequels) = self.sequels {
            text.push_str(&sequels_line(&sequels));
        }
        if let Some(aliases) = &self.aliases {
            text.push_str(&aliases.lines());
        }
        if let Some(windows) = self.windows {
            text.push_str(&windows.line());
        }
        let GeneratorCost { user_s, sys_s, busy_percent, .. } = self.generator;
        text.push_str(&format!(
            "cpu        generator {user_s:.2} s user, {sys_s:.2} s sys ({busy_percent:.0} % of a core)"
        ));
        if let Some(cpu) = self.cpu_s {
            text.push_str(&format!("; switch {:.2} s user, {:.2} s sys", cpu.switch_user, cpu.switch_sys));
        }
        text.push('\n');
        self.faults.iter().for_each(|fault| text.push_str(&fault_line(fault)));
        for level in &self.service {
            let [measured, required] = [level.measured, level.required].map(short);
            let met = if level.met { "kept" } else { "MISSED" };
            text.push_str(&format!("service    {met}: {} {measured} (level {required})\n", level.what));
        }
        self.warnings.iter().for_each(|warning| text.push_str(&format!("WARNING    {warning}\n")));
        text.push_str(&format!("verdict    {}\n", self.verdict));
        text
    }
}

fn sequels_line(sequels: &Sequels) -> String {
    let Sequels { requests, requests_paid, returns, returns_rejected, recalls, recalls_settled, unfinished, .. } =
        sequels;
    format!(
        "beside     requests {requests}, paid {requests_paid}; returns {returns}, rejected {returns_rejected}; recalls {recalls}, settled \
         {recalls_settled}; unfinished {unfinished}\n"
    )
}

fn fault_line(fault: &FaultRecord) -> String {
    let after = |what: &str, ms: Option<u64>| ms.map_or(String::new(), |ms| format!(", {what} after {ms} ms"));
    format!(
        "fault      {} at {:.1} s{}{}{}\n",
        fault.kind,
        fault.at_s,
        after("ready", fault.ready_after_ms),
        after("first payment committed", fault.back_after_ms),
        after("backlog gone", fault.recovered_after_ms)
    )
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn generator_cost(outcome: &Outcome, (user_s, sys_s): (f64, f64)) -> GeneratorCost {
    let tally = &outcome.tally;
    let is_offering = |sample: &&Sample| {
        let asked = sample.interval.lookups.map_or(0, |lookups| lookups.asked);
        sample.interval.offered + asked > 0
    };
    let offering = outcome.samples.iter().filter(is_offering);
    let busy_s: f64 = offering.clone().map(|sample| sample.generator_thread_cores * sample.interval.length_s).sum();
    let seconds: f64 = offering.map(|sample| sample.interval.length_s).sum();
    GeneratorCost {
        user_s,
        sys_s,
        busy_percent: if seconds > 0.0 { busy_s * 100.0 / seconds } else { 0.0 },
        late_percent: judge::percent(tally.late, tally.offered),
        held_back_percent: judge::percent(tally.held_back, tally.offered),
    }
}

/// Now, as in reports.
pub(crate) fn date() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The command line of this process.
pub(crate) fn command() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

/// `count` in a time of `ns`, for one second.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
pub(crate) fn per_second(count: u64, ns: u64) -> f64 {
    if ns == 0 {
        return 0.0;
    }
    (count as f64 * NS_PER_S as f64 / ns as f64 * 1_000.0).round() / 1_000.0
}
