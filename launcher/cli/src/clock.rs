//! Times as people read them. The coordinator tells milliseconds since 1970, UTC; 0 is unknown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::figures;

const DAY_MS: i64 = 86_400_000;

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// `14:05:09`, UTC; `--:--:--` where unknown.
pub(crate) fn time_of_day(at_ms: i64) -> String {
    if at_ms <= 0 {
        return "--:--:--".into();
    }
    let seconds = at_ms.rem_euclid(DAY_MS) / 1_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// `2026-03-01 14:05 UTC`.
pub(crate) fn date_time(at_ms: i64) -> String {
    let (year, month, day) = date(at_ms.div_euclid(DAY_MS));
    let minutes = at_ms.rem_euclid(DAY_MS) / 60_000;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        minutes / 60,
        minutes % 60
    )
}

/// `3m 05s` between two times; `-` where one is unknown.
pub(crate) fn between(from_ms: i64, to_ms: i64) -> String {
    if from_ms <= 0 || to_ms <= 0 {
        return "-".into();
    }
    let span = u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0);
    figures::span_of(Duration::from_millis(span))
}

/// `2026-03-01 14:05 UTC, 3m 05s ago` or `…, in 3m 05s`; `None` where unknown.
pub(crate) fn with_distance(at_ms: i64, now_ms: i64) -> Option<String> {
    (at_ms > 0).then(|| {
        let date = date_time(at_ms);
        match at_ms > now_ms {
            true => format!("{date}, in {}", between(now_ms, at_ms)),
            false => format!("{date}, {} ago", between(at_ms, now_ms)),
        }
    })
}

/// The day that is so many days after 1970-01-01, in the Gregorian calendar (Hinnant's
/// `civil_from_days`: years begin in March, so that the leap day is the last).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @SECONDS`.
        for (seconds, text) in [
            (1_i64, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_210_709, "2024-02-29 12:45 UTC"),
            (1_772_373_909, "2026-03-01 14:05 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date_time(seconds * 1_000), text);
        }
        assert_eq!(time_of_day(1_772_373_909_000), "14:05:09");
        assert_eq!(time_of_day(0), "--:--:--");
    }

    #[test]
    fn distances_have_a_direction() {
        let at = 1_772_373_909_000;
        assert_eq!(
            with_distance(at, at + 185_000).as_deref(),
            Some("2026-03-01 14:05 UTC, 3m 05s ago")
        );
        assert_eq!(
            with_distance(at, at - 5_000).as_deref(),
            Some("2026-03-01 14:05 UTC, in 5.0s")
        );
        assert_eq!(with_distance(0, at), None);
        assert_eq!(between(0, at), "-");
        assert_eq!(between(i64::MAX, 1), "0.0s");
    }
}
