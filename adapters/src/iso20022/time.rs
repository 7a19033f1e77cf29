//! Times as ISO 20022 writes them: `ISODateTime` and its like, from and to nanoseconds since 1970.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// A point in time, as an element says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    clock: jiff::civil::DateTime,
    /// None where it is not said.
    zone: Option<Offset>,
}

impl DateTime {
    /// `2026-11-23T09:30:00[.fraction][Z|+01:00]`. Beyond nanoseconds a fraction is cut off.
    pub fn parse(text: &str) -> Option<DateTime> {
        let (date, time) = text.split_at_checked(10)?;
        let time = time.strip_prefix('T')?;
        let (time, zone) = zone_of(time)?;
        Some(DateTime { clock: date_of(date)?.to_datetime(time_of(time)?), zone })
    }

    /// Does it say which zone it means? Without that it is no point in time.
    pub fn has_zone(self) -> bool {
        self.zone.is_some()
    }

    /// Nanoseconds since 1970, as if in UTC where no zone is said; none beyond what a canonical message can say, 0 to 2^63 - 1.
    pub fn since_1970_ns(self) -> Option<u64> {
        let at = self.zone.unwrap_or(Offset::UTC).to_timestamp(self.clock).ok()?;
        u64::try_from(i64::try_from(at.as_nanosecond()).ok()?).ok()
    }
}

/// A date, with or without a zone.
pub(super) fn is_date(text: &str) -> bool {
    zone_of(text).is_some_and(|(date, _)| date_of(date).is_some())
}

/// A time of day, with or without a zone.
pub(super) fn is_time(text: &str) -> bool {
    zone_of(text).is_some_and(|(time, _)| time_of(time).is_some())
}

/// A month, with or without a zone.
pub(super) fn is_month(text: &str) -> bool {
    let Some((month, _)) = zone_of(text) else { return false };
    month.split_once('-').and_then(|(year, month)| Date::new(number(year, 4)?, number(month, 2)?, 1).ok()).is_some()
}

/// What stands before the zone, and the zone; none where it is not said.
fn zone_of(text: &str) -> Option<(&str, Option<Offset>)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, Some(Offset::UTC)));
    }
    // A date has minus signs of its own: a zone's is sixth from the end, and has a colon behind it.
    let Some((rest, zone)) = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) else {
        return Some((text, None));
    };
    let sign = match zone.as_bytes() {
        [b'+', ..] => 1,
        [b'-', _, _, b':', ..] => -1,
        _ => return Some((text, None)),
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let minutes = number::<i32>(hours, 2)? * 60 + number::<i32>(minutes, 2).filter(|&minutes| minutes < 60)?;
    // XML Schema part 2, 3.2.7.3: up to fourteen hours.
    (minutes <= 14 * 60)
        .then(|| Offset::from_seconds(sign * minutes * 60).ok())
        .flatten()
        .map(|zone| (rest, Some(zone)))
}

/// `2026-11-23`
fn date_of(text: &str) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *<&[u8; 10]>::try_from(text.as_bytes()).ok()? else {
        return None;
    };
    let year = i16::from(two_digits(y1, y2)?) * 100 + i16::from(two_digits(y3, y4)?);
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    Date::new(year, month, day).ok().filter(|date| date.year() > 0)
}

/// `09:30:00[.fraction]`
fn time_of(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_at_checked(8)?;
    let fraction = if fraction.is_empty() { "0" } else { fraction.strip_prefix('.')? };
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *<&[u8; 8]>::try_from(clock.as_bytes()).ok()? else { return None };
    let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(m1, m2)?, two_digits(s1, s2)?);
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let ns = digits.fold(0, |ns, digit| ns * 10 + i32::from(digit - b'0'));
    Time::new(hour, minute, second, ns).ok()
}

/// The first time after another that has this time of day in UTC, as `09:30:10.000Z`. Both in nanoseconds since 1970.
pub(super) fn next(text: &str, after_ns: u64) -> Option<u64> {
    let (time, zone) = zone_of(text)?;
    if zone != Some(Offset::UTC) {
        return None;
    }
    let after = Offset::UTC.to_datetime(Utc(after_ns).timestamp());
    let same_day = after.date().to_datetime(time_of(time)?);
    let then = if same_day > after { same_day } else { same_day.date().tomorrow().ok()?.to_datetime(same_day.time()) };
    u64::try_from(Offset::UTC.to_timestamp(then).ok()?.as_nanosecond()).ok()
}

/// The number that two digits say.
fn two_digits(first: u8, second: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(first)? * 10 + digit(second)?).ok()
}

/// Exactly so many digits.
fn number<N: std::str::FromStr>(text: &str, digits: usize) -> Option<N> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Nanoseconds since 1970 as `2026-11-23T09:30:00.123Z`: always UTC, with as many decimals as it takes.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub u64);

impl Utc {
    /// Only the day, as `ISODate`.
    pub fn date(self) -> impl fmt::Display {
        Offset::UTC.to_datetime(self.timestamp()).date()
    }

    /// Only the time of day, as `ISOTime` in UTC.
    pub fn time(self) -> impl fmt::Display {
        let time = Offset::UTC.to_datetime(self.timestamp()).time();
        fmt::from_fn(move |f| write!(f, "{time}Z"))
    }

    fn timestamp(self) -> Timestamp {
        // A time of a canonical message is below 2^63 ns, which is in the year 2262.
        Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Utc {
    /// By hand: each message has several, and the general way takes longer than the rest of an element.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, mut ns) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (year, month, day) = civil(seconds / 86_400);
        let second = seconds % 86_400;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let clock = [(0, 4, year), (5, 2, month), (8, 2, day), (11, 2, second / 3_600), (14, 2, second / 60 % 60)];
        for (start, digits, number) in clock.into_iter().chain([(17, 2, second % 60)]) {
            write_digits(&mut text[start..start + digits], number);
        }
        // As many decimals as it takes.
        let mut end = 19;
        if ns > 0 {
            let mut digits = 9;
            while ns.is_multiple_of(10) {
                ns /= 10;
                digits -= 1;
            }
            write_digits(&mut text[20..20 + digits], ns);
            end = 20 + digits;
        }
        text[end] = b'Z';
        f.write_str(str::from_utf8(&text[..=end]).unwrap_or_default())
    }
}

/// Year, month and day so many days after 1 January 1970, in the Gregorian calendar: counted from 1 March of the year 0, so that the day a leap year has more is its last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A number with all the digits that there is room for.
fn write_digits(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ns: u64) {
        let parsed = DateTime::parse(text).unwrap_or_else(|| panic!("{text} is a time"));
        assert_eq!(parsed.since_1970_ns(), Some(ns), "{text}");
    }

    #[test]
    fn times_are_points_in_time() {
        check("1970-01-01T00:00:00Z", 0);
        check("2000-02-29T23:59:59.5Z", 951_868_799_500_000_000);
        check("2026-11-23T09:30:00+01:00", 1_795_422_600_000_000_000);
        check("2026-11-23T08:30:00Z", 1_795_422_600_000_000_000);
        check("1969-12-31T23:00:00.123456789-01:00", 123_456_789);
        assert_eq!(DateTime::parse("1969-12-31T23:59:59Z").map(DateTime::since_1970_ns), Some(None));
        assert_eq!(DateTime::parse("9999-12-31T23:59:59Z").map(DateTime::since_1970_ns), Some(None));
        assert_eq!(DateTime::parse("2026-11-23T09:30:00").map(DateTime::has_zone), Some(false));
    }

    #[test]
    fn a_time_of_day_is_the_next_one() {
        let after_ns = 1_795_422_600_000_000_000; // 2026-11-23T08:30:00Z
        assert_eq!(next("08:30:00.5Z", after_ns), Some(after_ns + 500_000_000));
        assert_eq!(next("08:30:00Z", after_ns), Some(after_ns + 86_400_000_000_000));
        assert_eq!(next("00:00:00Z", after_ns), Some(1_795_478_400_000_000_000));
        assert_eq!((next("08:31:00", after_ns), next("08:31:00+01:00", after_ns)), (None, None));
        assert_eq!(next(&Utc(after_ns + 7).time().to_string(), after_ns), Some(after_ns + 7));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for ns in
            [0, 1, 999_999_999, 1_000_000_000, 951_782_400_000_000_000, 1_795_422_600_120_000_000, i64::MAX as u64]
        {
            let written = Utc(ns).to_string();
            check(&written, ns);
            assert!(written.starts_with(&Utc(ns).date().to_string()), "{written}");
            assert_eq!(written, Utc(ns).timestamp().to_string());
        }
    }

    /// The day by hand is the library's, for every day that a message can say.
    #[test]
    fn every_day_has_its_date() {
        for day in 0..106_751 {
            let ns = day * 86_400_000_000_000 + 3_723_004_005_006;
            assert_eq!(Utc(ns).to_string(), Utc(ns).timestamp().to_string());
        }
    }
}
