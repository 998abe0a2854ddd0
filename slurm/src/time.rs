//! Points in time, and lengths of time, as Slurm writes them.
//!
//! Rules: points are UTC, because the commands are run with `TZ=UTC` and `SLURM_TIME_FORMAT=standard`.
//! A length is `minutes`, `minutes:seconds`, `hours:minutes:seconds` or `days-hours[:minutes[:seconds]]`;
//! `UNLIMITED` and `not told` are apart. Absent on purpose: time zones and relative forms.

use crate::parse::{ParseError, told};

const DAY_S: i64 = 86_400;

/// Seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub i64);

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many seconds.
    Seconds(u64),
    /// Without an end.
    Unlimited,
    /// Slurm does not say.
    NotTold,
}

impl UnixSeconds {
    /// Reads `2026-11-25T22:37:20`; `None` for `N/A`, `Unknown` and their like.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, ParseError> {
        let Some(word) = told(text) else {
            return Ok(None);
        };
        let broken = || ParseError::new("a time", text, "expected YYYY-MM-DDTHH:MM:SS");
        let (date, clock) = word.split_once(['T', ' ']).ok_or_else(broken)?;
        let [year, month, day] = numbers(date, '-').ok_or_else(broken)?;
        let [hour, minute, second] = numbers(clock, ':').ok_or_else(broken)?;
        let is_date = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day);
        let is_clock = hour < 24 && minute < 60 && second <= 60;
        if !is_date || !is_clock {
            return Err(broken());
        }
        let seconds = hour * 3600 + minute * 60 + second;
        Ok(Some(Self(
            days_since_1970(year, month, day) * DAY_S + seconds,
        )))
    }

    /// `2026-11-25T22:37:20`, which Slurm's options understand.
    pub fn iso(self) -> String {
        let (days, second) = (self.0.div_euclid(DAY_S), self.0.rem_euclid(DAY_S));
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

impl Span {
    /// Reads any form of a length of time.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let word = text.trim();
        match word.to_ascii_uppercase().as_str() {
            "UNLIMITED" | "INFINITE" => return Ok(Self::Unlimited),
            "" | "N/A" | "INVALID" | "NOT_SET" | "(NULL)" | "NONE" | "UNKNOWN"
            | "PARTITION_LIMIT" => {
                return Ok(Self::NotTold);
            }
            _ => {}
        }
        let seconds = seconds(word);
        let broken = || ParseError::new("a length of time", text, "expected [D-]HH:MM:SS");
        seconds.map(Self::Seconds).ok_or_else(broken)
    }

    /// Minutes, the last one begun counted; `None` unless it has an end that is told.
    pub fn minutes(self) -> Option<u32> {
        match self {
            Self::Seconds(seconds) => u32::try_from(seconds.div_ceil(60)).ok(),
            Self::Unlimited | Self::NotTold => None,
        }
    }
}

/// `1-02:30:00` for a number of minutes, as `--time` wants it.
pub fn limit(minutes: u32) -> String {
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    if days > 0 {
        format!("{days}-{hours:02}:{minutes:02}:00")
    } else {
        format!("{hours:02}:{minutes:02}:00")
    }
}

/// Seconds of `[D-]HH:MM:SS` and its shorter forms.
fn seconds(word: &str) -> Option<u64> {
    let (days, clock) = match word.split_once('-') {
        Some((days, clock)) => (Some(number(days)?), clock),
        None => (None, word),
    };
    // sacct may add thousandths to what a step took.
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let parts: Vec<u64> = clock.split(':').map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return None,
    };
    Some(days.unwrap_or(0) * DAY_S as u64 + hours * 3600 + minutes * 60 + seconds)
}

/// A number of nine digits at most, so that sums cannot overflow.
fn number(word: &str) -> Option<u64> {
    let is_plain = (1..=9).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| word.parse().ok()).flatten()
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let parts: Option<Vec<u64>> = text.split(between).map(number).collect();
    let parts: [u64; 3] = parts?.try_into().ok()?;
    Some(parts.map(u64::cast_signed))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the years before this one, since 1970.
fn days_before_year(year: i64) -> i64 {
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    days_before_year(year) + months + day - 1
}

/// Year, month and day of a number of days since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    // The guess is one year off at most: 146,097 days are 400 years.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before_year(year);
    let mut month = 1;
    while rest >= days_of_month(year, month) {
        rest -= days_of_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_in_time() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00", 0),
            ("2000-02-29T12:00:00", 951_825_600),
            ("2026-11-25T22:37:20", 1_795_646_240),
            ("2100-03-01T00:00:00", 4_107_542_400),
        ] {
            assert_eq!(
                UnixSeconds::parse(text),
                Ok(Some(UnixSeconds(seconds))),
                "{text}"
            );
            assert_eq!(UnixSeconds(seconds).iso(), text);
        }
        for absent in ["N/A", "Unknown", "None", "NONE", "(null)", ""] {
            assert_eq!(UnixSeconds::parse(absent), Ok(None), "{absent}");
        }
        for broken in [
            "2026-02-29T00:00:00",
            "2026-13-01T00:00:00",
            "now",
            "T",
            "22:37",
            "2026-11-25T24:00:00",
        ] {
            assert!(UnixSeconds::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("5", 300),
            ("5:30", 330),
            ("0:03", 3),
            ("01:02:03", 3723),
            ("2-03", 183_600),
            ("2-03:04", 183_840),
            ("1-00:00:00", 86_400),
            ("00:00.512", 0),
        ] {
            assert_eq!(Span::parse(text), Ok(Span::Seconds(seconds)), "{text}");
        }
        assert_eq!(Span::parse("UNLIMITED"), Ok(Span::Unlimited));
        assert_eq!(Span::parse("infinite"), Ok(Span::Unlimited));
        assert_eq!(Span::parse("INVALID"), Ok(Span::NotTold));
        for broken in ["-1", "1:2:3:4", "1-", "a", "9999999999", "1-1:1:1:1", ":"] {
            assert!(Span::parse(broken).is_err(), "{broken}");
        }
        assert_eq!(Span::Seconds(61).minutes(), Some(2));
    }

    proptest! {
        #[test]
        fn a_point_in_time_is_read_as_it_was_written(seconds in 0_i64..253_402_300_800) {
            let text = UnixSeconds(seconds).iso();
            prop_assert_eq!(UnixSeconds::parse(&text), Ok(Some(UnixSeconds(seconds))));
        }

        #[test]
        fn a_limit_is_read_as_it_was_written(minutes in 0_u32..20_000_000) {
            let span = Span::parse(&limit(minutes)).expect("a length");
            prop_assert_eq!(span.minutes(), Some(minutes));
        }

        #[test]
        fn nothing_panics(text in "[-0-9:TNA. ]{0,24}") {
            let _ = UnixSeconds::parse(&text);
            let _ = Span::parse(&text);
        }
    }
}
