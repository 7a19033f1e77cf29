//! When each payment is due. Fixed before the run begins; nothing that happens in the run can change it.
//!
//! A schedule is a line of rates over time, and how payments are spaced along it. Latency counts from these times, not from when a payment was really
//! sent: a stall delays everything that falls due meanwhile, and all of it must show.
//!
//! ```text
//!   constant        ramp            burst            daily
//!   ________            ___/         _|‾|_|‾|_          /\_/\
//!                   ___/                              _/     \_
//! ```
//!
//! Spacing is even, or by a Poisson process: gaps as random as those of customers who do not know of each other, from a seed that stands in the report.

use crate::draw::Draw;
use crate::limits::{DURATION_S_MAX, NS_PER_MS, NS_PER_S, RATE_MAX};

/// How a day's payments spread over its hours, in permille of the busiest: a morning, a noon and an evening, and a night in which a switch is maintained.
pub const DAILY_PERMILLE: [u64; 24] = [
    90, 60, 45, 40, 50, 110, 260, 470, 640, 760, 840, 910, 1_000, 940, 860, 830, 850, 900, 960, 930, 760, 540, 330, 180,
];

/// A piece of a schedule, in which the rate changes evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start_ns: u64,
    length_ns: u64,
    from_per_s: u64,
    to_per_s: u64,
}

/// How payments are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// As evenly as the rate says.
    Even,
    /// Exponentially distributed gaps.
    Poisson {
        /// Of the random numbers: the same seed gives the same times.
        seed: u64,
    },
}

/// When payments are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    segments: Vec<Segment>,
    spacing: Spacing,
}

/// Bursts: `for_ms` of every `every_ms`, in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// Payments a second in a burst.
    pub rate_per_s: u64,
    /// From the middle of one to the middle of the next.
    pub every_ms: u64,
    /// How long one lasts.
    pub for_ms: u64,
}

impl Schedule {
    /// A fixed rate for a fixed time. None where the rate or the duration cannot be; so for all others.
    pub fn constant(rate_per_s: u64, duration_s: u64) -> Option<Schedule> {
        Schedule::of(&[(rate_per_s, rate_per_s, duration_s.saturating_mul(1_000))])
    }

    /// A rate that grows, or falls, evenly.
    pub fn ramp(from_per_s: u64, to_per_s: u64, duration_s: u64) -> Option<Schedule> {
        Schedule::of(&[(from_per_s, to_per_s, duration_s.saturating_mul(1_000))])
    }

    /// A fixed rate with bursts.
    pub fn burst(rate_per_s: u64, bursts: Bursts, duration_s: u64) -> Option<Schedule> {
        let Bursts { rate_per_s: burst_per_s, every_ms, for_ms } = bursts;
        if for_ms == 0 || every_ms <= for_ms || duration_s > DURATION_S_MAX {
            return None;
        }
        let mut pieces = Vec::new();
        let mut left_ms = duration_s * 1_000;
        let before_ms = (every_ms - for_ms) / 2;
        while left_ms > 0 {
            for (rate, length_ms) in
                [(rate_per_s, before_ms), (burst_per_s, for_ms), (rate_per_s, every_ms - for_ms - before_ms)]
            {
                pieces.push((rate, rate, length_ms.min(left_ms)));
                left_ms -= length_ms.min(left_ms);
            }
        }
        Schedule::of(&pieces)
    }

    /// A whole day in the given time: hour by hour as `DAILY_PERMILLE` says, `peak_per_s` at noon.
    pub fn daily(peak_per_s: u64, duration_s: u64) -> Option<Schedule> {
        if peak_per_s > RATE_MAX || duration_s > DURATION_S_MAX {
            return None;
        }
        let rate = |hour: usize| (peak_per_s * DAILY_PERMILLE[hour % 24] / 1_000).max(1);
        // Boundaries are rounded, so that the hours add up to the whole.
        let begins_ms = |hour: u64| duration_s * 1_000 * hour / 24;
        let pieces = (0..24_usize).zip(0..).map(|(hour, number)| {
            let length_ms = begins_ms(number + 1) - begins_ms(number);
            (rate(hour), rate(hour + 1), length_ms)
        });
        Schedule::of(&pieces.collect::<Vec<_>>())
    }

    /// From rates at both ends and lengths in milliseconds.
    fn of(pieces: &[(u64, u64, u64)]) -> Option<Schedule> {
        let mut segments = Vec::new();
        let mut start_ns = 0;
        for &(from_per_s, to_per_s, length_ms) in pieces.iter().filter(|piece| piece.2 > 0) {
            let can_be = (1..=RATE_MAX).contains(&from_per_s) && (1..=RATE_MAX).contains(&to_per_s);
            if !can_be || length_ms > DURATION_S_MAX * 1_000 {
                return None;
            }
            segments.push(Segment { start_ns, length_ns: length_ms * NS_PER_MS, from_per_s, to_per_s });
            start_ns += length_ms * NS_PER_MS;
        }
        let can_be = (1..=DURATION_S_MAX * NS_PER_S).contains(&start_ns);
        can_be.then_some(Schedule { segments, spacing: Spacing::Even })
    }

    /// The same rates, otherwise spaced.
    #[must_use]
    pub fn spaced(mut self, spacing: Spacing) -> Schedule {
        self.spacing = spacing;
        self
    }

    /// How payments are spaced.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// For how long payments fall due.
    pub fn duration_ns(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.start_ns + segment.length_ns)
    }

    /// How many payments there are; with Poisson spacing on average.
    pub fn count(&self) -> u64 {
        self.segments.iter().map(Segment::count).sum()
    }

    /// Payments a second, on average over the whole.
    pub fn rate_per_s(&self) -> u64 {
        let rate = u128::from(self.count()) * u128::from(NS_PER_S) / u128::from(self.duration_ns());
        u64::try_from(rate).unwrap_or(RATE_MAX)
    }

    /// Payments a second at a time after the start.
    pub fn rate_at(&self, elapsed_ns: u64) -> u64 {
        let segment = self.segments.iter().rfind(|segment| segment.start_ns <= elapsed_ns);
        segment.map_or(0, |segment| segment.rate_at(elapsed_ns - segment.start_ns))
    }

    /// How many are due between two times, on average.
    pub fn due_between(&self, from_ns: u64, to_ns: u64) -> u64 {
        self.due(to_ns).saturating_sub(self.due(from_ns))
    }

    /// How many are due before a time, on average.
    fn due(&self, elapsed_ns: u64) -> u64 {
        let before = self.segments.iter().take_while(|segment| segment.start_ns < elapsed_ns);
        before.map(|segment| segment.due(elapsed_ns - segment.start_ns)).sum()
    }

    /// The times, one after another.
    pub fn arrivals(&self) -> Arrivals {
        let draw = match self.spacing {
            Spacing::Even => Draw::seeded(0),
            Spacing::Poisson { seed } => Draw::seeded(seed),
        };
        let mut arrivals =
            Arrivals { schedule: self.clone(), segment: 0, index: 0, position: 0.0, draw, next_ns: None };
        arrivals.find_first();
        arrivals
    }
}

impl Segment {
    fn count(&self) -> u64 {
        self.due(self.length_ns)
    }

    fn rate_at(&self, offset_ns: u64) -> u64 {
        let share = u128::from(offset_ns.min(self.length_ns));
        let (from, to) = (u128::from(self.from_per_s), u128::from(self.to_per_s));
        let length = u128::from(self.length_ns);
        u64::try_from((from * (length - share) + to * share) / length).unwrap_or(RATE_MAX)
    }

    /// The area under the rate.
    fn due(&self, offset_ns: u64) -> u64 {
        let offset_ns = offset_ns.min(self.length_ns);
        if self.from_per_s == self.to_per_s {
            let due = u128::from(offset_ns) * u128::from(self.from_per_s) / u128::from(NS_PER_S);
            return u64::try_from(due).unwrap_or(u64::MAX);
        }
        let ends = u128::from(self.from_per_s) + u128::from(self.rate_at(offset_ns));
        u64::try_from(ends * u128::from(offset_ns) / (2 * u128::from(NS_PER_S))).unwrap_or(u64::MAX)
    }

    /// When payment `index` (from 0) of an even spacing is due, after the segment's start. Where the rate is fixed no rounding error adds up.
    fn offset_ns(&self, index: u64) -> u64 {
        if self.from_per_s == self.to_per_s {
            let (second, in_second) = (index / self.from_per_s, index % self.from_per_s);
            return second * NS_PER_S + in_second * NS_PER_S / self.from_per_s;
        }
        self.offset_of(precise(index))
    }

    /// When the area under the rate reaches this: the positive root of a quadratic equation, in the form that does not cancel.
    #[allow(clippy::float_arithmetic, reason = "times of a schedule, not money")]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    fn offset_of(&self, area: f64) -> u64 {
        let (from, to) = (precise(self.from_per_s), precise(self.to_per_s));
        let length_s = precise(self.length_ns) / precise(NS_PER_S);
        let slope = (to - from) / length_s;
        let root = (from * from + 2.0 * slope * area).max(0.0).sqrt();
        let seconds = 2.0 * area / (from + root);
        ((seconds * precise(NS_PER_S)) as u64).min(self.length_ns - 1)
    }
}

/// Numbers of payments and nanoseconds of a run are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "exact below 2^53, and a schedule's times need no more")]
fn precise(number: u64) -> f64 {
    number as f64
}

/// The times of a schedule, in order.
#[derive(Clone, Debug)]
pub struct Arrivals {
    schedule: Schedule,
    segment: usize,
    /// Of an even spacing: in the segment.
    index: u64,
    /// Of a Poisson process: in the segment, as area under the rate.
    position: f64,
    draw: Draw,
    next_ns: Option<u64>,
}

impl Arrivals {
    /// When the next payment is due, in nanoseconds after the start; none after the last.
    pub fn peek(&self) -> Option<u64> {
        self.next_ns
    }

    /// Goes on to the one after it.
    pub fn advance(&mut self) {
        match self.schedule.spacing {
            Spacing::Even => self.index += 1,
            Spacing::Poisson { .. } => self.draw_gap(),
        }
        self.settle();
    }

    /// How many of those that are left are due before a time.
    pub fn left_before(mut self, elapsed_ns: u64) -> u64 {
        let mut left = 0;
        while self.next_ns.is_some_and(|next_ns| next_ns < elapsed_ns) {
            left += 1;
            self.advance();
        }
        left
    }

    fn find_first(&mut self) {
        if matches!(self.schedule.spacing, Spacing::Poisson { .. }) {
            self.draw_gap();
        }
        self.settle();
    }

    #[allow(clippy::float_arithmetic, reason = "times of a schedule, not money")]
    fn draw_gap(&mut self) {
        self.position -= self.draw.unit().ln();
    }

    /// Finds the segment in which the next payment lies.
    #[allow(clippy::float_arithmetic, reason = "times of a schedule, not money")]
    fn settle(&mut self) {
        self.next_ns = None;
        while let Some(segment) = self.schedule.segments.get(self.segment) {
            match self.schedule.spacing {
                Spacing::Even if self.index < segment.count() => {
                    self.next_ns = Some(segment.start_ns + segment.offset_ns(self.index));
                    return;
                }
                Spacing::Even => self.index = 0,
                Spacing::Poisson { .. } => {
                    let area = precise(segment.count());
                    if self.position < area {
                        self.next_ns = Some(segment.start_ns + segment.offset_of(self.position));
                        return;
                    }
                    self.position -= area;
                }
            }
            self.segment += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(schedule: &Schedule) -> Vec<u64> {
        let mut arrivals = schedule.arrivals();
        let mut times = Vec::new();
        while let Some(next_ns) = arrivals.peek() {
            times.push(next_ns);
            arrivals.advance();
        }
        times
    }

    /// Payments due in each second.
    fn per_second(schedule: &Schedule) -> Vec<usize> {
        let times = times(schedule);
        assert!(times.is_sorted() && times.iter().all(|&ns| ns < schedule.duration_ns()));
        let seconds = schedule.duration_ns() / NS_PER_S;
        (0..seconds).map(|second| times.iter().filter(|&&ns| ns / NS_PER_S == second).count()).collect()
    }

    #[test]
    fn a_constant_rate_is_exact() {
        for (rate, duration, count) in
            [(1, 1, 1), (1_000, 10, 10_000), (7, 3, 21), (RATE_MAX, DURATION_S_MAX, 864_000_000_000)]
        {
            let schedule = Schedule::constant(rate, duration).expect("it can be");
            assert_eq!((schedule.count(), schedule.rate_per_s()), (count, rate));
            let last = schedule.segments[0].offset_ns(count - 1);
            // The last one is due before the end, and the one after it would be due at the end.
            assert!(last < duration * NS_PER_S);
            assert_eq!(schedule.segments[0].offset_ns(count), duration * NS_PER_S);
        }
        let thirds = Schedule::constant(3, 1).expect("it can be");
        assert_eq!(times(&thirds), [0, 333_333_333, 666_666_666]);
        assert_eq!(thirds.arrivals().left_before(333_333_334), 2);
    }

    #[test]
    fn a_ramp_rises_evenly() {
        let schedule = Schedule::ramp(100, 500, 4).expect("it can be");
        // Each second has the mean of the rates at its ends.
        assert_eq!(per_second(&schedule), [150, 250, 350, 450]);
        assert_eq!((schedule.count(), schedule.rate_at(2 * NS_PER_S)), (1_200, 300));
        let falling = Schedule::ramp(500, 100, 4).expect("it can be");
        assert_eq!(per_second(&falling), [450, 350, 250, 150]);
    }

    #[test]
    fn bursts_stand_in_the_middle_of_their_turns() {
        let bursts = Bursts { rate_per_s: 1_000, every_ms: 3_000, for_ms: 1_000 };
        let schedule = Schedule::burst(10, bursts, 6).expect("it can be");
        assert_eq!(per_second(&schedule), [10, 1_000, 10, 10, 1_000, 10]);
        assert_eq!(schedule.due_between(NS_PER_S, 3 * NS_PER_S), 1_010);
    }

    #[test]
    fn a_day_has_its_night_and_its_noon() {
        let schedule = Schedule::daily(1_000, 24).expect("it can be");
        let hours = per_second(&schedule);
        let busiest = hours.iter().max().copied().unwrap_or(0);
        assert!(hours[3] < 60 && hours[11..=12].contains(&busiest) && (900..=1_000).contains(&busiest), "{hours:?}");
    }

    #[test]
    fn poisson_gaps_are_exponential_and_repeatable() {
        let schedule = Schedule::constant(1_000, 100).expect("it can be").spaced(Spacing::Poisson { seed: 7 });
        let all = times(&schedule);
        assert_eq!(all, times(&schedule), "the same seed gives the same times");
        // 100,000 on average, with a deviation of 316.
        assert!(all.len().abs_diff(100_000) < 1_600, "{}", all.len());
        let gaps: Vec<u64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Of exponential gaps e^-1 are longer than the mean, e^-3 longer than three times it.
        let longer = |ns| gaps.iter().filter(|&&gap| gap > ns).count();
        assert!(longer(NS_PER_MS).abs_diff(36_788) < 1_000, "{}", longer(NS_PER_MS));
        assert!(longer(3 * NS_PER_MS).abs_diff(4_979) < 400, "{}", longer(3 * NS_PER_MS));
        let other = Schedule::constant(1_000, 100).expect("it can be").spaced(Spacing::Poisson { seed: 8 });
        assert_ne!(all, times(&other));
    }

    #[test]
    fn poisson_follows_the_shape() {
        let schedule = Schedule::ramp(1_000, 9_000, 4).expect("it can be").spaced(Spacing::Poisson { seed: 3 });
        for (counted, expected) in per_second(&schedule).into_iter().zip([2_000, 4_000, 6_000, 8_000_usize]) {
            assert!(counted.abs_diff(expected) < 500, "{counted} for {expected}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Schedule::constant(0, 1), None);
        assert_eq!(Schedule::constant(1, 0), None);
        assert_eq!(Schedule::constant(RATE_MAX + 1, 1), None);
        assert_eq!(Schedule::constant(1, DURATION_S_MAX + 1), None);
        assert_eq!(Schedule::burst(1, Bursts { rate_per_s: 1, every_ms: 5, for_ms: 5 }, 1), None);
        assert_eq!(Schedule::daily(RATE_MAX + 1, 1), None);
    }
}
