//! The search for the highest rate that holds a service level.
//!
//! Every try is an open-loop run, with a switch of its own where it is spawned. The rate doubles until a try fails and is then halved in between until
//! the highest that held and the lowest that failed lie close together; the former must hold once more, for longer. A rate fails only if it fails twice,
//! because a disk that stalls once says nothing about a rate.

use serde::{Deserialize, Serialize};

use crate::SetUpError;
use crate::limits::RATE_MAX;
use crate::machine::Machine;
use crate::report::numbers::{latency, short};
use crate::report::{GeneratorCost, Percentiles, Report};

/// The highest rate that held and the lowest that failed lie so close together in the end, in percent.
const PRECISION_PERCENT: u64 = 4;

/// So many percent of payments may fail in a try that holds.
const ERRORS_MAX_PERCENT: f64 = 0.1;

/// The lowest rate that is tried.
const RATE_MIN: u64 = 10;

/// How much lower the next try for a confirmation is, in percent.
const STEP_BACK_PERCENT: u64 = 5;

/// So often it is tried to confirm a rate.
const CONFIRMATIONS_MAX: u32 = 6;

/// A service level for a search: a percentile of committed payments, and how long it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    text: String,
    percentile: Percentile,
    /// In microseconds.
    us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Percentile {
    P50,
    P90,
    P99,
    P999,
}

impl Slo {
    /// As `p99=50ms`.
    pub fn parse(text: &str) -> Result<Slo, SetUpError> {
        let refused = || {
            SetUpError::new(format!(
                "--slo {text}: give p50, p90, p99 or p999, then = and a time in us, ms or s, as p99=50ms"
            ))
        };
        let (name, time) = text.split_once('=').ok_or_else(refused)?;
        let percentile = match name {
            "p50" => Percentile::P50,
            "p90" => Percentile::P90,
            "p99" => Percentile::P99,
            "p999" => Percentile::P999,
            _ => return Err(refused()),
        };
        let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000)];
        let us = units.into_iter().find_map(|(unit, us)| time.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(us));
        let us = us.filter(|us| (1..=600_000_000).contains(us)).ok_or_else(refused)?;
        Ok(Slo { text: text.to_owned(), percentile, us })
    }

    /// Why a run does not hold the level; empty where it does.
    fn why_not(&self, report: &Report) -> String {
        let p = &report.committed_us;
        let measured = match self.percentile {
            Percentile::P50 => p.p50,
            Percentile::P90 => p.p90,
            Percentile::P99 => p.p99,
            Percentile::P999 => p.p999,
        };
        let due = report.offered + report.unsent;
        let errors = percent(due.saturating_sub(report.committed), due);
        if report.saturation.saturated {
            "saturated".to_owned()
        } else if errors > ERRORS_MAX_PERCENT {
            format!("{} % not committed", short(errors))
        } else if measured > self.us {
            format!("{} took {}", self.text.split('=').next().unwrap_or(""), latency(measured))
        } else {
            String::new()
        }
    }
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// One try.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Payments a second that were due.
    pub rate: u64,
    /// Payments a second that were committed.
    pub throughput_per_s: f64,
    /// Of committed payments, from the intended time.
    pub committed_us: Percentiles,
    /// The level was held.
    pub holds: bool,
    /// Why not; empty where it was.
    pub why: String,
    /// It was the longer run that confirms.
    pub is_confirmation: bool,
    /// What the load itself cost.
    pub generator: GeneratorCost,
}

/// What a search found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchReport {
    /// The level that was to be held.
    pub slo: String,
    /// Its time, in milliseconds.
    pub slo_ms: f64,
    /// Participants that were played, one connection each.
    pub participants: usize,
    /// The confirmed rate; null where none was found.
    pub best: Option<Point>,
    /// Every try, in order.
    pub points: Vec<Point>,
    /// What is wrong with any run: payments or books, not levels. Empty where all is well.
    pub problems: Vec<String>,
    /// In one line.
    pub verdict: String,
    /// It was ended before its time.
    pub interrupted: bool,
    /// When it ended.
    pub date: String,
    /// What it ran on.
    pub machine: Machine,
    /// The commit that was built.
    pub commit: String,
    /// The command line.
    pub command: String,
}

impl SearchReport {
    /// Was a rate found and confirmed, and every payment of every try accounted for?
    pub fn is_right(&self) -> bool {
        self.best.is_some() && self.problems.is_empty()
    }

    /// A few lines for people.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for point in &self.points {
            text.push_str(&point.line());
        }
        text.push_str(&format!("verdict    {}\n", self.verdict));
        text
    }
}

impl Point {
    /// For people.
    pub fn line(&self) -> String {
        let Percentiles { p50, p99, .. } = self.committed_us;
        format!(
            "{:>9}/s  committed {:>9.0}/s  p50 {:>8}  p99 {:>8}  {}{}\n",
            self.rate,
            self.throughput_per_s,
            latency(p50),
            latency(p99),
            if self.holds { "holds" } else { &self.why },
            if self.is_confirmation { " (confirmation)" } else { "" }
        )
    }
}

/// What is to be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// A short run.
    Short(u64),
    /// A long run at a rate that held.
    Confirm(u64),
    /// It is over, with this rate or none.
    Over(Option<u64>),
}

/// Decides what is tried. No clock, no switch.
#[derive(Clone, Debug)]
pub struct Search {
    guess: u64,
    holds: Option<u64>,
    fails: Option<u64>,
    /// Rates that failed once.
    failed_once: Option<u64>,
    confirmations: u32,
    is_confirming: bool,
    confirmed: Option<u64>,
}

impl Search {
    /// Begins with this rate.
    pub fn from(rate: u64) -> Search {
        Search {
            guess: rate.clamp(RATE_MIN, RATE_MAX),
            holds: None,
            fails: None,
            failed_once: None,
            confirmations: 0,
            is_confirming: false,
            confirmed: None,
        }
    }

    /// What is to be tried next.
    pub fn next(&self) -> Try {
        match (self.confirmed, self.is_confirming) {
            (Some(rate), _) => Try::Over(Some(rate)),
            _ if self.confirmations > CONFIRMATIONS_MAX || self.guess < RATE_MIN => Try::Over(None),
            (None, true) => Try::Confirm(self.guess),
            (None, false) => Try::Short(self.guess),
        }
    }

    /// What came of it.
    pub fn tell(&mut self, has_held: bool) {
        let rate = self.guess;
        if !has_held && self.failed_once != Some(rate) {
            self.failed_once = Some(rate);
            return;
        }
        match (self.is_confirming, has_held) {
            (true, true) => self.confirmed = Some(rate),
            (true, false) => {
                self.fails = Some(rate);
                self.confirm(rate * (100 - STEP_BACK_PERCENT) / 100);
            }
            (false, true) => {
                self.holds = Some(rate);
                self.guess_on();
            }
            (false, false) => {
                self.fails = Some(rate);
                self.guess_on();
            }
        }
    }

    fn guess_on(&mut self) {
        match (self.holds, self.fails) {
            (Some(holds), None) if holds == RATE_MAX => self.confirm(holds),
            (Some(holds), None) => self.guess = (holds * 2).min(RATE_MAX),
            (None, Some(fails)) => self.guess = fails / 2,
            (Some(holds), Some(fails)) if fails * 100 <= holds * (100 + PRECISION_PERCENT) => self.confirm(holds),
            (Some(holds), Some(fails)) => self.guess = holds.midpoint(fails),
            (None, None) => {}
        }
    }

    fn confirm(&mut self, rate: u64) {
        self.is_confirming = true;
        self.confirmations += 1;
        self.failed_once = None;
        self.guess = rate;
    }
}

/// All tries so far.
pub(crate) struct Tries {
    slo: Slo,
    report: SearchReport,
}

impl Tries {
    pub(crate) fn new(slo: Slo) -> Tries {
        let report = SearchReport { slo: slo.text.clone(), slo_ms: ms(slo.us), ..SearchReport::default() };
        Tries { slo, report }
    }

    /// Takes a run in; says whether it held.
    pub(crate) fn take(&mut self, rate: u64, is_confirmation: bool, run: &Report) -> Point {
        let why = self.slo.why_not(run);
        let point = Point {
            rate,
            throughput_per_s: run.throughput_per_s,
            committed_us: run.committed_us,
            holds: why.is_empty(),
            why,
            is_confirmation,
            generator: run.generator,
        };
        self.report.participants = run.participants;
        self.report.interrupted |= run.interrupted;
        self.report.problems.extend(run.problems.iter().map(|problem| format!("at {rate}/s: {problem}")));
        self.report.points.push(point.clone());
        point
    }

    /// Was anything tried?
    pub(crate) fn has_any(&self) -> bool {
        !self.report.points.is_empty()
    }

    /// The end, before its time.
    pub(crate) fn interrupted(mut self) -> SearchReport {
        self.report.interrupted = true;
        self.finish(None)
    }

    /// The end.
    pub(crate) fn finish(self, best: Option<u64>) -> SearchReport {
        let confirmed = self.report.points.iter().rfind(|point| point.is_confirmation && point.holds);
        let best = confirmed.filter(|point| Some(point.rate) == best).cloned();
        let slo = &self.slo.text;
        let mut verdict = match &best {
            Some(best) => format!(
                "{} payments/s hold {slo}: p50 {}, p99 {}, {:.0}/s committed",
                best.rate,
                latency(best.committed_us.p50),
                latency(best.committed_us.p99),
                best.throughput_per_s
            ),
            None if self.report.interrupted => "interrupted before a rate was confirmed".to_owned(),
            None => format!("no rate was found that holds {slo}"),
        };
        if !self.report.problems.is_empty() {
            verdict.push_str(&format!("; {}", self.report.problems.join("; ")));
        }
        SearchReport {
            best,
            verdict,
            date: crate::report::date(),
            machine: Machine::read(),
            commit: env!("CLEARSPAN_COMMIT").to_owned(),
            command: crate::report::command(),
            ..self.report
        }
    }
}

#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures of the report, not money")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_percentile_and_a_time() {
        let us = |text: &str| Slo::parse(text).map(|slo| slo.us).map_err(|error| error.0);
        assert_eq!((us("p99=50ms"), us("p50=800us"), us("p999=2s")), (Ok(50_000), Ok(800), Ok(2_000_000)));
        for wrong in ["p99", "p98=5ms", "p99=5", "p99=fast", "p99=0ms", "p99=-1ms", "99=5ms"] {
            assert!(
                us(wrong).is_err_and(|error| error.contains(&format!("--slo {wrong}")) && error.contains("p99=50ms"))
            );
        }
    }

    /// Searches a switch that holds everything up to a rate.
    fn found(start: u64, capacity: u64, confirmed_capacity: u64) -> (Option<u64>, usize) {
        let mut search = Search::from(start);
        for tries in 0..200 {
            match search.next() {
                Try::Short(rate) => search.tell(rate <= capacity),
                Try::Confirm(rate) => search.tell(rate <= confirmed_capacity),
                Try::Over(best) => return (best, tries),
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn the_search_ends_close_below_what_the_switch_can_do() {
        for (start, capacity) in [(1_000, 150_000), (400_000, 150_000), (149_000, 150_000), (10, 57), (5_000, RATE_MAX)]
        {
            let (best, tries) = found(start, capacity, capacity);
            let best = best.expect("there is a rate");
            assert!(best <= capacity && best * 106 >= capacity * 100, "{best} of {capacity} from {start}");
            assert!(tries < 50, "{tries} tries");
        }
    }

    #[test]
    fn what_does_not_last_is_stepped_back_from() {
        let (best, _) = found(1_000, 100_000, 90_000);
        assert!(best.is_some_and(|best| (80_000..=90_000).contains(&best)), "{best:?}");
        assert_eq!(found(1_000, 5, 5).0, None);
        assert_eq!(found(1_000, 100_000, 100).0, None, "it is not tried for ever");
    }

    #[test]
    fn a_rate_that_fails_once_gets_a_second_chance() {
        let mut search = Search::from(100);
        search.tell(false);
        assert_eq!(search.next(), Try::Short(100));
        search.tell(true);
        assert_eq!(search.next(), Try::Short(200));
    }

    #[test]
    fn saturation_and_errors_break_a_level_whatever_the_percentile() {
        let slo = Slo::parse("p99=50ms").expect("a level");
        let mut report = Report { offered: 1_000, committed: 1_000, ..Report::default() };
        report.committed_us.p99 = 50_000;
        assert_eq!(slo.why_not(&report), "");
        assert_eq!(slo.why_not(&Report { committed: 998, ..report.clone() }), "0.20 % not committed");
        let mut late = report.clone();
        late.committed_us.p99 = 51_000;
        assert_eq!(slo.why_not(&late), "p99 took 51 ms");
        report.saturation.saturated = true;
        assert_eq!(slo.why_not(&report), "saturated");
    }
}
