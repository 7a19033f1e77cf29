//! What a person sees while a run goes on: a few lines that stay in place on a terminal, one line a second elsewhere.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};

use crate::report::numbers::{grouped, latency};
use crate::samples::{ApartInterval, Interval, Sample, SwitchStatus};

/// How many samples the small curves show: with them every line fits 80 columns, so that none is broken in two.
const CURVE_SAMPLES: usize = 36;

/// From nothing to full.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where samples are shown.
pub struct View {
    kind: Kind,
    title: String,
    /// For how long payments are offered.
    duration_s: f64,
    /// The last samples.
    recent: VecDeque<Sample>,
    /// Lines on the screen that the next picture replaces.
    drawn: usize,
    /// When the last plain line was written.
    said_s: f64,
}

enum Kind {
    None,
    /// One line a second.
    Lines,
    /// A picture that stays in place.
    Picture,
}

impl View {
    /// Shows nothing.
    pub fn none() -> View {
        View::of(Kind::None, String::new(), 0.0)
    }

    /// On standard error.
    pub fn on_stderr(title: String, duration_s: f64) -> View {
        let kind = if std::io::stderr().is_terminal() { Kind::Picture } else { Kind::Lines };
        View::of(kind, title, duration_s)
    }

    fn of(kind: Kind, title: String, duration_s: f64) -> View {
        View { kind, title, duration_s, recent: VecDeque::new(), drawn: 0, said_s: 0.0 }
    }

    /// Shows one more sample.
    #[allow(clippy::float_arithmetic, reason = "a picture for people")]
    pub(crate) fn show(&mut self, sample: &Sample) {
        if self.recent.len() == CURVE_SAMPLES {
            self.recent.pop_front();
        }
        self.recent.push_back(sample.clone());
        let text = match self.kind {
            Kind::None => return,
            Kind::Lines if sample.interval.at_s - self.said_s < 0.99 => return,
            Kind::Lines => {
                self.said_s = sample.interval.at_s;
                line(sample)
            }
            Kind::Picture => self.picture(sample),
        };
        // Whoever watches may have gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Takes the picture away.
    pub(crate) fn clear(&mut self) {
        if self.drawn > 0 {
            let _ = write!(std::io::stderr(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }

    fn picture(&mut self, sample: &Sample) -> String {
        let body = picture(&self.title, self.duration_s, self.recent.make_contiguous(), sample);
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        self.drawn = body.lines().count();
        format!("{up}{body}")
    }
}

/// Look-ups a second in a sample.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a picture for people")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
fn answered_per_s(sample: &Sample) -> u64 {
    let Interval { length_s, lookups, .. } = sample.interval;
    let answered = lookups.map_or(0, |lookups| lookups.answered);
    if length_s > 0.0 { (answered as f64 / length_s).round() as u64 } else { 0 }
}

/// Payments a second in a sample.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a picture for people")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
pub(crate) fn committed_per_s(sample: &Sample) -> u64 {
    let interval = &sample.interval;
    if interval.length_s > 0.0 { (interval.committed as f64 / interval.length_s).round() as u64 } else { 0 }
}

fn line(sample: &Sample) -> String {
    let interval = &sample.interval;
    let mut text = format!(
        "{:6.1} s  {:>9}/s committed  p50 {:>8}  p99 {:>8}  open {:>7}  cpu {:.2}",
        interval.at_s,
        grouped(committed_per_s(sample)),
        latency(interval.p50_us),
        latency(interval.p99_us),
        grouped(interval.open),
        sample.generator_cores,
    );
    if let Some(switch_cores) = sample.switch_cores {
        text.push_str(&format!(" + {switch_cores:.2} switch"));
    }
    if interval.failed > 0 {
        text.push_str(&format!("  failed {}", grouped(interval.failed)));
    }
    for (name, apart) in aparts(interval) {
        text.push_str(&format!("  {name} {} committed, p99 {}", grouped(apart.committed), latency(apart.p99_us)));
    }
    if let Some(lookups) = interval.lookups {
        let (answered, p99) = (grouped(answered_per_s(sample)), latency(lookups.p99_us));
        text.push_str(&format!("  look-ups {answered}/s, p99 {p99}, failed {}", grouped(lookups.failed)));
    }
    text.push('\n');
    text
}

/// What is counted apart, with its name.
fn aparts(interval: &Interval) -> impl Iterator<Item = (&'static str, ApartInterval)> {
    [("bulk", interval.bulk), ("flood", interval.flood)].into_iter().filter_map(|(name, apart)| Some((name, apart?)))
}

fn picture(title: &str, duration_s: f64, recent: &[Sample], sample: &Sample) -> String {
    let interval = &sample.interval;
    let curve = |value: &dyn Fn(&Sample) -> u64| curve(&recent.iter().map(value).collect::<Vec<_>>());
    let due = if interval.due_per_s > 0 { format!("of {} due", grouped(interval.due_per_s)) } else { String::new() };
    let mut text = format!("{title}   {:.0} of {duration_s:.0} s\n", interval.at_s);
    text.push_str(&format!(
        "rate     {:>9}/s  {:14} {}\n",
        grouped(committed_per_s(sample)),
        due,
        curve(&committed_per_s)
    ));
    text.push_str(&format!(
        "latency  p50 {:>8}  p99 {:>8}  {}\n",
        latency(interval.p50_us),
        latency(interval.p99_us),
        curve(&|sample| sample.interval.p99_us)
    ));
    let [accepted, forwarded] = [interval.accepted_p99_us, interval.forwarded_p99_us].map(latency);
    text.push_str(&format!(
        "legs     p99 accepted {accepted}, forwarded {forwarded}, max {}\n",
        latency(interval.max_us)
    ));
    for (name, apart) in aparts(interval) {
        let [p50, p99] = [apart.p50_us, apart.p99_us].map(latency);
        text.push_str(&format!("{name:<8} {} committed, p50 {p50}, p99 {p99}\n", grouped(apart.committed)));
    }
    if let Some(lookups) = interval.lookups {
        let [p50, p99] = [lookups.p50_us, lookups.p99_us].map(latency);
        let (answered, open) = (grouped(answered_per_s(sample)), grouped(lookups.open));
        text.push_str(&format!("look-ups {answered:>9}/s  p50 {p50}  p99 {p99}, {open} open\n"));
    }
    text.push_str(&format!("cpu      generator {:.2} cores", sample.generator_cores));
    if let Some(switch_cores) = sample.switch_cores {
        text.push_str(&format!(", switch {switch_cores:.2} cores, {} MiB", grouped(sample.switch_mib.unwrap_or(0))));
    }
    text.push_str(&format!(
        "\nqueues   {} without outcome, {} not taken yet, {} failed\n",
        grouped(interval.open),
        grouped(interval.behind),
        grouped(interval.failed)
    ));
    if let Some(status) = sample.switch {
        text.push_str(&switch_lines(status));
    }
    text
}

fn switch_lines(status: SwitchStatus) -> String {
    format!(
        "switch   {} connections, {} in flight, {} KiB wait for providers\n\
         held     {} outbox records, {} outcomes not indexed\n\
         waiting  {} for the history, {} for older messages\n\
         disk     longest wait of the last second {}\n\
         marks    sequenced {} >= durable {}\n         >= applied {} >= indexed {}\n",
        grouped(status.connections),
        grouped(status.in_flight),
        grouped(status.pending_bytes / 1_024),
        grouped(status.outbox_records_held),
        grouped(status.outcomes_unindexed),
        grouped(status.waiting_for_history),
        grouped(status.waiting_for_renderer),
        latency(status.disk_us_longest),
        grouped(status.sequenced),
        grouped(status.durable),
        grouped(status.applied),
        grouped(status.indexed)
    )
}

/// A line of blocks, from 0 to the greatest.
fn curve(values: &[u64]) -> String {
    let greatest = values.iter().max().copied().unwrap_or(0).max(1);
    let block = |value: u64| {
        let eighths = (u128::from(value) * 8).div_ceil(u128::from(greatest));
        BLOCKS[usize::try_from(eighths).unwrap_or(8).min(8)]
    };
    values.iter().map(|&value| block(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Interval;

    fn sample() -> Sample {
        let interval = Interval {
            at_s: 12.0,
            length_s: 1.0,
            due_per_s: 10_000,
            committed: 9_998,
            p50_us: 480,
            p99_us: 2_310,
            open: 12,
            ..Interval::default()
        };
        Sample { interval, generator_cores: 0.31, switch_cores: Some(0.77), ..Sample::default() }
    }

    #[test]
    fn a_line_says_rate_latency_and_processor_time() {
        let line = line(&sample());
        for part in ["12.0 s", "9,998/s", "0.48 ms", "2.3 ms", "0.31 + 0.77 switch"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!line.contains("failed"), "{line}");
    }

    #[test]
    fn a_picture_has_watermarks_where_the_switch_says_them() {
        let status = SwitchStatus {
            sequenced: 70,
            durable: 60,
            applied: 50,
            indexed: 40,
            waiting_for_history: 3,
            outbox_records_held: 1_234,
            outcomes_unindexed: 56,
            ..SwitchStatus::default()
        };
        let sample = Sample { switch: Some(status), ..sample() };
        let picture = picture("steady", 60.0, std::slice::from_ref(&sample), &sample);
        let parts =
            ["steady   12 of 60 s", "of 10,000 due", "sequenced 70 >= durable 60\n", ">= applied 50 >= indexed 40"];
        for part in parts {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        for part in ["1,234 outbox records, 56 outcomes not indexed", "3 for the history, 0 for older messages"] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        assert!(picture.lines().all(|line| line.chars().count() < 80), "no line is broken in two: {picture}");
    }

    #[test]
    fn a_curve_goes_from_nothing_to_full() {
        assert_eq!(curve(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(curve(&[0, 0]), "  ");
    }
}
