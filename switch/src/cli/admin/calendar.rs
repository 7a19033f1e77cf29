//! `switch admin settlement calendar`: weekdays, times and holidays as people write them.

use std::io::Write;

use jiff::civil::Date;

use super::By;
use super::settlement::Of;
use crate::cli::ledger::arguments::{time, time_text};
use crate::lookup::Trouble;
use crate::operator::Action;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A calendar.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Weekdays with cut-offs, for example mon-fri or mon,wed,fri
    #[arg(long, value_name = "DAYS", value_parser = weekdays, required_unless_present = "none", requires = "at")]
    days: Option<u8>,
    /// Times of the day, UTC, for example 10:00,16:30
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = minutes, requires = "days")]
    at: Vec<u16>,
    /// A day without cut-offs, as often as there are some
    #[arg(long = "holiday", value_name = "YYYY-MM-DD", value_parser = day)]
    holidays: Vec<u32>,
    /// No cut-off before this time; without, from now on
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<u64>,
    /// No calendar: windows are closed by order alone
    #[arg(long, conflicts_with_all = ["days", "at", "holidays", "from"])]
    none: bool,
    #[command(flatten)]
    by: By,
}

/// Bit 0 Monday to bit 6 Sunday.
fn weekdays(text: &str) -> Result<u8, String> {
    let wrong = || "expected days as mon-fri or mon,wed,fri".to_owned();
    let place = |day: &str| DAYS.iter().position(|known| *known == day).ok_or_else(wrong);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (place(first)?, place(last)?),
            None => (place(part)?, place(part)?),
        };
        if first > last {
            return Err(wrong());
        }
        (first..=last).for_each(|day| days |= 1 << day);
    }
    Ok(days)
}

/// Minutes of the day.
fn minutes(text: &str) -> Result<u16, String> {
    let parse = |digits: &str, below: u16| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|number| is_two && *number < below)
    };
    let parts = text.split_once(':').and_then(|(hours, minutes)| Some((parse(hours, 24)?, parse(minutes, 60)?)));
    let (hours, minutes) = parts.ok_or("expected times of the day as 16:30")?;
    Ok(hours * 60 + minutes)
}

/// Days since 1970-01-01.
fn day(text: &str) -> Result<u32, String> {
    let wrong = || "expected a day after 1970-01-01 as 2026-12-25".to_owned();
    let date: Date = text.parse().map_err(|_| wrong())?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).map_err(|_| wrong())?.get_days();
    u32::try_from(days).ok().filter(|days| *days > 0).ok_or_else(wrong)
}

/// Sets it.
pub(super) fn set(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Trouble> {
    let Arguments { of, days, at, holidays, from, by, .. } = arguments;
    let sorted = |values: &[u16]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values.dedup();
        values
    };
    let times_min = sorted(at);
    let mut holidays = holidays.clone();
    holidays.sort_unstable();
    holidays.dedup();
    let weekdays = days.unwrap_or(0);
    let from_ns = if weekdays == 0 { 0 } else { from.unwrap_or_else(crate::clock::wall_ns) };
    let mut said = vec![("calendar", format!("{} of {}", of.cycle.name(), of.currency))];
    if weekdays == 0 {
        said.push(("cut-offs", "by order alone".to_owned()));
    } else {
        let names: Vec<&str> = (0..7).filter(|day| weekdays >> day & 1 == 1).map(|day| DAYS[day]).collect();
        let times: Vec<String> = times_min.iter().map(|min| format!("{:02}:{:02}", min / 60, min % 60)).collect();
        said.push(("days", names.join(",")));
        said.push(("at (UTC)", times.join(",")));
        said.push(("holidays", holidays.len().to_string()));
        said.push(("from", time_text(from_ns)));
    }
    let (currency, cycle) = (of.currency.to_string(), of.cycle);
    by.carry_out(
        &said,
        Action::SetCalendar { currency, cycle, weekdays, from_ns, times_min, holidays },
        "in force",
        out,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    #[test]
    fn days_and_times_as_people_write_them() {
        assert_eq!(weekdays("mon-fri"), Ok(0b001_1111));
        assert_eq!(weekdays("mon,wed,sat-sun"), Ok(0b110_0101));
        for wrong in ["", "fri-mon", "monday", "mon-", "1-5"] {
            assert!(weekdays(wrong).is_err(), "{wrong}");
        }
        assert_eq!((minutes("00:00"), minutes("16:30"), minutes("23:59")), (Ok(0), Ok(990), Ok(1_439)));
        for wrong in ["", "24:00", "7:00", "07:60", "+7:00", "0700"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
        assert_eq!((day("1970-01-02"), day("2026-12-25")), (Ok(1), Ok(20_812)));
        assert!(day("1970-01-01").is_err() && day("2026-02-30").is_err());
    }
}
