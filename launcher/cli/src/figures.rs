//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in binary units: `9.37 MiB`.
pub(crate) fn bytes(number: f64) -> String {
    scaled(number, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// Large plain quantities in powers of a thousand: `3.21 T`, for FLOP and the like.
pub(crate) fn si(number: f64) -> String {
    scaled(number, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// Three significant digits and the fitting unit.
fn scaled(number: f64, base: f64, units: &[&str]) -> String {
    let mut value = number;
    let mut unit = 0;
    // What rounds up to the base belongs to the next unit.
    while value.abs() >= base - 0.5 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let text = if unit == 0 {
        format!("{value:.0}")
    } else {
        three_digits(value)
    };
    format!("{text} {}", units[unit]).trim_end().to_owned()
}

/// A rate with three significant digits below a thousand, whole and grouped above.
pub(crate) fn rate(number: f64) -> String {
    if number >= 999.5 {
        count(number.round() as u64)
    } else {
        three_digits(number)
    }
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A number of unknown size: plain where that is readable, else in powers of ten.
pub(crate) fn significant(number: f64) -> String {
    match number.abs() {
        size if size == 0.0 || (0.01..1e6).contains(&size) => format!("{number:.2}"),
        _ => format!("{number:.2e}"),
    }
}

/// A span of time in its two largest units: `4m 05s`, `2h 31m`, `3d 04h`, `7.2s`.
pub(crate) fn span(seconds: f64) -> String {
    if !(0.0..1e12).contains(&seconds) {
        return "unknown".into();
    }
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {:02}s", whole % 60),
        (0, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

/// [`span`] of a [`Duration`].
pub(crate) fn span_of(duration: Duration) -> String {
    span(duration.as_secs_f64())
}

/// A share as per cent: `12.5 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(134_515_008), "134,515,008");
    }

    #[test]
    fn sizes_take_the_fitting_unit() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(9_823_216.0), "9.37 MiB");
        assert_eq!(bytes(6.0 * 1024.0 * 1024.0 * 1024.0), "6.00 GiB");
        assert_eq!(bytes(1010.0), "1010 B");
        assert_eq!(si(5.38e14), "538 T");
        assert_eq!(si(42.0), "42");
        assert_eq!(si(999_700.0), "1.00 M");
    }

    #[test]
    fn rates_keep_three_digits() {
        assert_eq!(rate(1_234.4), "1,234");
        assert_eq!(rate(812.4), "812");
        assert_eq!(rate(9.876), "9.88");
    }

    #[test]
    fn spans_show_two_units() {
        assert_eq!(span(7.24), "7.2s");
        assert_eq!(span(59.97), "1m 00s");
        assert_eq!(span(245.0), "4m 05s");
        assert_eq!(span(9_060.0), "2h 31m");
        assert_eq!(span(273_600.0), "3d 04h");
        assert_eq!(span(f64::NAN), "unknown");
        assert_eq!(span(-1.0), "unknown");
    }
}
