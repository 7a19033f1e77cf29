//! A calendar: when windows of a cycle close by themselves. Days and times are of UTC.

use rkyv::{Archive, Deserialize, Serialize};

use crate::entry::ArchivedCalendarSet;
use crate::limits::HOLIDAYS_MAX;

const NS_PER_MINUTE: u64 = 60_000_000_000;
const MINUTES_PER_DAY: u16 = 1_440;
const NS_PER_DAY: u64 = NS_PER_MINUTE * MINUTES_PER_DAY as u64;

/// The place of no time in an entry.
const NO_TIME: u16 = u16::MAX;

/// Days in a row that may have no cut-off: where all holidays fall on the only weekday of a week.
const DAYS_SEARCHED: u64 = 7 * (HOLIDAYS_MAX as u64 + 2);

/// Weekdays, times of the day, holidays.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Bit 0 Monday to bit 6 Sunday.
    pub weekdays: u8,
    /// No cut-off before this journal time.
    pub from_ns: u64,
    /// Minutes of the day, ascending.
    pub times_min: Vec<u16>,
    /// Days since 1970-01-01, ascending.
    pub holidays: Vec<u32>,
}

impl Calendar {
    /// What an entry says; none where it means nothing.
    pub fn of(command: &ArchivedCalendarSet) -> Option<Calendar> {
        let times: Vec<u16> = command.times_min.iter().map(|time| time.to_native()).collect();
        let times_min: Vec<u16> = times.iter().copied().take_while(|time| *time != NO_TIME).collect();
        let days: Vec<u32> = command.holidays.iter().map(|day| day.to_native()).collect();
        let holidays: Vec<u32> = days.iter().copied().take_while(|day| *day != 0).collect();
        let is_ordered =
            times_min.is_sorted_by(|one, next| one < next) && holidays.is_sorted_by(|one, next| one < next);
        let is_filled_up = times[times_min.len()..].iter().all(|time| *time == NO_TIME)
            && days[holidays.len()..].iter().all(|day| *day == 0);
        let is_within = times_min.iter().all(|time| *time < MINUTES_PER_DAY) && command.weekdays < 0x80;
        let has_times = command.weekdays == 0 || !times_min.is_empty();
        let calendar =
            Calendar { weekdays: command.weekdays, from_ns: command.from_ns.to_native(), times_min, holidays };
        (is_ordered && is_filled_up && is_within && has_times).then_some(calendar)
    }

    /// Has it no cut-offs at all?
    pub fn is_empty(&self) -> bool {
        self.weekdays == 0
    }

    /// The first cut-off after a time.
    pub fn next_after(&self, after_ns: u64) -> Option<u64> {
        let after_ns = after_ns.max(self.from_ns.saturating_sub(1));
        let first = after_ns / NS_PER_DAY;
        let days = (first..first + DAYS_SEARCHED).filter(|day| self.has_cut_offs(*day));
        let mut times = days.flat_map(|day| {
            self.times_min
                .iter()
                .filter_map(move |time| (day.checked_mul(NS_PER_DAY)?).checked_add(u64::from(*time) * NS_PER_MINUTE))
        });
        times.find(|at_ns| *at_ns > after_ns)
    }

    fn has_cut_offs(&self, day: u64) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3) % 7;
        let is_holiday = u32::try_from(day).is_ok_and(|day| self.holidays.binary_search(&day).is_ok());
        self.weekdays & (1 << weekday) != 0 && !is_holiday
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 was a Monday, day 20,780.
    const MONDAY: u64 = 20_780 * NS_PER_DAY;
    const HOUR: u64 = 60 * NS_PER_MINUTE;

    #[track_caller]
    fn check(calendar: &Calendar, after_ns: u64, next_ns: Option<u64>) {
        assert_eq!(calendar.next_after(after_ns), next_ns);
    }

    #[test]
    fn cut_offs_follow_weekdays_times_and_holidays() {
        let calendar =
            Calendar { weekdays: 0b001_1111, from_ns: 0, times_min: vec![9 * 60, 17 * 60], holidays: vec![20_781] };
        check(&calendar, MONDAY, Some(MONDAY + 9 * HOUR));
        check(&calendar, MONDAY + 9 * HOUR, Some(MONDAY + 17 * HOUR));
        // Tuesday is a holiday.
        check(&calendar, MONDAY + 17 * HOUR, Some(MONDAY + 2 * NS_PER_DAY + 9 * HOUR));
        // Friday evening to Monday.
        check(&calendar, MONDAY + 4 * NS_PER_DAY + 17 * HOUR, Some(MONDAY + 7 * NS_PER_DAY + 9 * HOUR));
        let later = Calendar { from_ns: MONDAY + 9 * HOUR, ..calendar.clone() };
        check(&later, 0, Some(MONDAY + 9 * HOUR));
        check(&Calendar { weekdays: 0, ..calendar }, 0, None);
    }
}
