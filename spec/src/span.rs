//! Lengths of time as people write them.
//!
//! Rules: whole numbers with units, which may be repeated. Absent on purpose: fractions.

/// Reads `20h`, `2min`, `90s`, `1d`, `1h30min` as seconds; `None` where it is no length of time.
#[must_use]
pub fn seconds(written: &str) -> Option<u64> {
    let mut rest = written.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total_s: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit_s: u64 = match &rest[..letters] {
            "d" => 86_400,
            "h" => 3_600,
            "min" | "m" => 60,
            "s" => 1,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        total_s = total_s.checked_add(count.checked_mul(unit_s)?)?;
    }
    Some(total_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_units_and_are_added() {
        let known = [
            ("0s", 0),
            ("90s", 90),
            ("1h30min", 5_400),
            (" 1 d 2m ", 86_520),
        ];
        for (written, total_s) in known {
            assert_eq!(seconds(written), Some(total_s), "{written}");
        }
        for written in [
            "",
            " ",
            "7",
            "h",
            "-1s",
            "1.5h",
            "2weeks",
            "99999999999999999999s",
        ] {
            assert_eq!(seconds(written), None, "{written}");
        }
    }
}
