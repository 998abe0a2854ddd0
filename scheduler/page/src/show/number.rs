//! Numbers as people read them: grouped, rounded to what matters, with a unit.

/// Between groups of digits, and between a number and its unit: narrow, and no place for a line's end.
const THIN: char = '\u{202f}';

/// `12 345`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// Four digits that matter: `1.234`, `12.35`, `0.01234`.
pub(crate) fn loss(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let magnitude = match value.abs() {
        size if size < 1e-9 => 0,
        size => size.log10().floor() as i32,
    };
    let places = (3 - magnitude).clamp(0, 6) as usize;
    format!("{value:.places$}")
}

/// `940`, `12.3 k`, `4.56 M`.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let places = match scaled.abs() {
        _ if unit.is_empty() => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    match unit {
        "" => format!("{scaled:.places$}"),
        unit => format!("{scaled:.places$}{THIN}{unit}"),
    }
}

/// `1.5 MiB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let places = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.places$}{THIN}{}", UNITS[unit])
}

/// Two places below ten, one below a hundred, none above: `3.25`, `32.5`, `325`. What is small, but not
/// nothing, keeps two digits that matter: `0.0042`.
pub(crate) fn amount(value: f64) -> String {
    let places = match value.abs() {
        size if (1e-6..0.1).contains(&size) => (1.0 - size.log10().floor()) as usize,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.places$}")
}

/// `62 %`.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    match whole > 0.0 {
        true => format!("{:.0}{THIN}%", (part / whole * 100.0).clamp(0.0, 999.0)),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        let shown = [0, 999, 1000, 12_345, 1_234_567].map(count);
        assert_eq!(
            shown.join("|").replace(THIN, "_"),
            "0|999|1_000|12_345|1_234_567"
        );
    }

    #[test]
    fn losses_keep_what_matters() {
        let shown = [0.0, 0.012_345, 1.234_56, 12.345_6, 1234.5, f64::NAN].map(loss);
        assert_eq!(shown.join("|"), "0.000|0.01235|1.235|12.35|1234|NaN");
    }

    #[test]
    fn units_follow_the_size() {
        let shown = [12.0, 940.4, 12_340.0, 4_560_000.0, 123_000.0].map(short);
        assert_eq!(
            shown.join("|").replace(THIN, "_"),
            "12|940|12.3_k|4.56_M|123_k"
        );
        let shown = [0, 1023, 1536, 9 << 30].map(bytes);
        assert_eq!(
            shown.join("|").replace(THIN, "_"),
            "0_B|1023_B|1.5_KiB|9.0_GiB"
        );
        let amounts = [0.0, 0.000_31, 0.0042, 0.0996, 0.5, 3.25, 32.54, 325.4].map(amount);
        assert_eq!(
            amounts.join("|"),
            "0.00|0.00031|0.0042|0.100|0.50|3.25|32.5|325"
        );
        assert_eq!(percent(1.0, 3.0).replace(THIN, "_"), "33_%");
        assert_eq!(percent(1.0, 0.0), "");
    }
}
