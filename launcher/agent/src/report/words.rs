//! Lines that ranks wrote for people, made fit to be sent. Pure.
//!
//! Rules: a line has a bounded length and no control characters but tabs, so that it can be shown
//! anywhere; a rank that writes without end costs the lines above a rate, which are counted.

/// Most of a line that is sent.
const MOST_LINE_BYTES: usize = 8 << 10;
/// Lines that one rank may send in a second.
pub(super) const MOST_LINES_A_SECOND: u32 = 2_000;

/// The line without control characters, cut where it is too long.
pub(super) fn clean(line: &str) -> String {
    let mut kept = String::with_capacity(line.len().min(MOST_LINE_BYTES));
    for character in line.chars().filter(|&it| it == '\t' || !it.is_control()) {
        if kept.len() + character.len_utf8() > MOST_LINE_BYTES {
            break;
        }
        kept.push(character);
    }
    kept
}

/// Counts each rank's lines within the second.
#[derive(Debug, Default)]
pub(super) struct Gate {
    second: u64,
    lines: Vec<u32>,
}

impl Gate {
    /// Whether a line that `rank` wrote at `now_ms` may pass.
    pub(super) fn admits(&mut self, rank: usize, now_ms: u64) -> bool {
        if now_ms / 1_000 != self.second {
            self.second = now_ms / 1_000;
            self.lines.fill(0);
        }
        if self.lines.len() <= rank {
            self.lines.resize(rank + 1, 0);
        }
        self.lines[rank] = self.lines[rank].saturating_add(1);
        self.lines[rank] <= MOST_LINES_A_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_go_and_tabs_stay() {
        assert_eq!(clean("a\tb\u{1b}[31m\u{7}\u{0}c\u{85}"), "a\tb[31mc");
        assert_eq!(clean(&"ä".repeat(5_000)).len(), MOST_LINE_BYTES);
    }

    #[test]
    fn each_rank_has_its_own_rate() {
        let mut gate = Gate::default();
        let mut passed =
            |rank, now_ms, lines| (0..lines).filter(|_| gate.admits(rank, now_ms)).count();
        assert_eq!(passed(3, 500, 5_000), 2_000);
        assert_eq!(passed(0, 900, 100), 100);
        assert_eq!(passed(3, 999, 1), 0);
        assert_eq!(passed(3, 1_000, 1), 1);
    }

    proptest! {
        #[test]
        fn what_is_clean_is_short_and_stays_as_it_is(line in any::<String>()) {
            let once = clean(&line);
            prop_assert!(once.len() <= MOST_LINE_BYTES);
            prop_assert!(!once.chars().any(|it| it.is_control() && it != '\t'));
            prop_assert_eq!(clean(&once), once);
        }
    }
}
