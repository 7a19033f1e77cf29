//! How numbers are printed for people.

/// Digits in groups of three.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount in minor units as people write it.
pub(super) fn money(minor_units: u128, minor_digits: u8) -> String {
    let scale = 10u128.pow(minor_digits.into());
    let whole = grouped(minor_units / scale);
    if minor_digits == 0 {
        whole
    } else {
        format!("{whole}.{:0width$}", minor_units % scale, width = minor_digits.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes_and_cents_behind_a_point() {
        let written = [
            (0, 2, "0.00"),
            (7, 2, "0.07"),
            (123_456, 2, "1,234.56"),
            (1_000_000, 0, "1,000,000"),
            (1_005, 3, "1.005"),
        ];
        for (minor_units, minor_digits, text) in written {
            assert_eq!(money(minor_units, minor_digits), text);
        }
        assert_eq!(grouped(999), "999");
    }
}
