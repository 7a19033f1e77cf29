//! How numbers are written for people.

/// Digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    switch::cli::grouped(number.into())
}

/// A number of payments a second.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small and not negative")]
pub(crate) fn rate(per_second: f64) -> String {
    grouped(per_second.round() as u64)
}

/// A time of so many microseconds, to two digits or whole, with its unit.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a text for people")]
pub(crate) fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{:.2} ms", us as f64 / 1_000.0),
        1_000..10_000 => format!("{:.1} ms", us as f64 / 1_000.0),
        10_000..1_000_000 => format!("{} ms", (us + 500) / 1_000),
        _ => format!("{:.1} s", us as f64 / 1_000_000.0),
    }
}

/// A number that is not too long: whole from 100 on, else two digits.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// As on an axis: 1,500 is 1.5k.
#[allow(clippy::float_arithmetic, reason = "a text for people")]
pub(crate) fn tick(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e3 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let times = [0, 480, 2_310, 41_300, 999_400, 1_200_000, 61_000_000].map(latency);
        assert_eq!(times, ["0.00 ms", "0.48 ms", "2.3 ms", "41 ms", "999 ms", "1.2 s", "61.0 s"]);
        assert_eq!([0.5, 12.34, 123.4].map(short), ["0.50", "12.3", "123"]);
        assert_eq!([0.0, 0.5, 20.0, 1_500.0, 2_000_000.0].map(tick), ["0", "0.5", "20", "1.5k", "2M"]);
    }
}
