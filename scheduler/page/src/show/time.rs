//! Points in time and spans of it.
//!
//! Rules: a span has at most two units; a point is relative to the coordinator's clock, with the
//! absolute time (UTC) beside it. `assets/times.js` says the same between two answers.

use std::fmt;

use askama::filters::HtmlSafe;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A point in time as an element: relative text, absolute time on hover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// It; 0 where unknown.
    pub(crate) at_ms: i64,
    /// When the page is made.
    pub(crate) now_ms: i64,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_ms == 0 {
            return f.write_str("–");
        }
        let at = Civil::of(self.at_ms);
        let (day, clock) = (at.day(), at.clock());
        write!(
            f,
            "<time datetime=\"{day}T{clock}Z\" title=\"{day} {clock} UTC\">{}</time>",
            relative(self.now_ms, self.at_ms)
        )
    }
}

impl HtmlSafe for Moment {}

/// `5 min ago`, `in 3 h`.
pub(crate) fn relative(now_ms: i64, at_ms: i64) -> String {
    let away = at_ms - now_ms;
    match away.abs() < 5 * SECOND_MS {
        true => "just now".into(),
        false if away > 0 => format!("in {}", coarse(away)),
        false => format!("{} ago", coarse(-away)),
    }
}

/// One unit.
fn coarse(ms: i64) -> String {
    match ms {
        ms if ms < MINUTE_MS => format!("{} s", ms / SECOND_MS),
        ms if ms < HOUR_MS => format!("{} min", ms / MINUTE_MS),
        ms if ms < 2 * DAY_MS => format!("{} h", ms / HOUR_MS),
        ms => format!("{} d", ms / DAY_MS),
    }
}

/// `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let (large, large_unit, small, small_unit) = match ms {
        ms if ms < SECOND_MS => return format!("{ms} ms"),
        ms if ms < MINUTE_MS => return format!("{} s", ms / SECOND_MS),
        ms if ms < HOUR_MS => (ms / MINUTE_MS, "min", ms % MINUTE_MS / SECOND_MS, "s"),
        ms if ms < DAY_MS => (ms / HOUR_MS, "h", ms % HOUR_MS / MINUTE_MS, "min"),
        ms => (ms / DAY_MS, "d", ms % DAY_MS / HOUR_MS, "h"),
    };
    match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// `14:05:06`, in UTC.
pub(crate) fn clock(at_ms: i64) -> String {
    Civil::of(at_ms).clock()
}

/// `2026-02-03 14:05`, in UTC.
pub(crate) fn minute(at_ms: i64) -> String {
    let at = Civil::of(at_ms);
    format!("{} {}", at.day(), &at.clock()[..5])
}

/// A date and a time of day, in UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

impl Civil {
    /// Howard Hinnant's days-to-date: eras of 400 years that begin on the first of March.
    fn of(at_ms: i64) -> Self {
        let days = at_ms.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            second_of_day: at_ms.rem_euclid(DAY_MS) / SECOND_MS,
        }
    }

    fn day(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn clock(&self) -> String {
        let second = self.second_of_day;
        let (hours, minutes) = (second / 3600, second / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}", second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let shown = [
            0,
            951_782_399_000,
            951_782_400_000,
            1_709_251_199_000,
            1_770_127_506_789,
        ]
        .map(|at| format!("{} {}", Civil::of(at).day(), clock(at)));
        assert_eq!(
            shown,
            [
                "1970-01-01 00:00:00",
                "2000-02-28 23:59:59",
                "2000-02-29 00:00:00",
                "2024-02-29 23:59:59",
                "2026-02-03 14:05:06"
            ]
        );
        assert_eq!(minute(1_770_127_506_789), "2026-02-03 14:05");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let shown = [-5, 950, 12_000, 200_000, 3_600_000, 7_500_000, 273_600_000].map(span);
        assert_eq!(
            shown.join("|"),
            "0 ms|950 ms|12 s|3 min 20 s|1 h|2 h 5 min|3 d 4 h"
        );
    }

    #[test]
    fn moments_are_relative_to_now() {
        let now = 1_770_127_506_789;
        let away = [0, -9_000, -300_000, 10_900_000, -200_000_000];
        let shown = away.map(|away| relative(now, now + away));
        assert_eq!(shown.join("|"), "just now|9 s ago|5 min ago|in 3 h|2 d ago");
        let unknown = Moment {
            at_ms: 0,
            now_ms: now,
        };
        assert_eq!(unknown.to_string(), "–");
        let known = Moment {
            at_ms: now - 300_000,
            now_ms: now,
        };
        assert_eq!(
            known.to_string(),
            "<time datetime=\"2026-02-03T14:00:06Z\" title=\"2026-02-03 14:00:06 UTC\">5 min ago</time>"
        );
    }
}
