//! What a node's state means: `idle*`, `mixed-`, `IDLE+DRAIN`, `["DOWN", "NOT_RESPONDING"]`.
//!
//! Rules: a node is up where it can run something now or later. Powered off, in a reservation or about
//! to be rebooted is up; drained, down, or silent is not. States of releases to come are up, because
//! only Slurm decides where a job runs: this is for people and for estimates.

/// Words of which each alone means that nothing is started there.
const NOT_UP: &[&str] = &[
    "down",
    "drain",
    "drained",
    "draining",
    "drng",
    "fail",
    "failing",
    "failg",
    "future",
    "futr",
    "inval",
    "invalid",
    "invalid_reg",
    "no_respond",
    "not_responding",
    "powering_down",
    "unk",
    "unknown",
    "error",
    "blocked",
];

/// The short forms of `sinfo`.
const SHORT: &[(&str, &str)] = &[
    ("alloc", "allocated"),
    ("comp", "completing"),
    ("drain", "drained"),
    ("drng", "draining"),
    ("failg", "failing"),
    ("futr", "future"),
    ("mix", "mixed"),
    ("plnd", "planned"),
    ("resv", "reserved"),
    ("unk", "unknown"),
];

/// A node's state in lower case without signs, and whether it is up.
pub(crate) fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> (String, bool) {
    let words = words.into_iter().flat_map(|word| word.split('+'));
    let (mut state, mut is_up) = (String::new(), true);
    for word in words.filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        let plain = word.trim_end_matches(['*', '~', '#', '!', '%', '$', '@', '^', '-']);
        // Only the star is bad: the node does not answer.
        is_up &= !word.contains('*') && !NOT_UP.contains(&plain);
        let long = SHORT.iter().find(|(short, _)| *short == plain);
        let long = long.map_or(plain, |(_, long)| long);
        if !state.is_empty() && !long.is_empty() {
            state.push('+');
        }
        state.push_str(long);
    }
    (state, is_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_with_signs() {
        for (words, state, is_up) in [
            (&["idle"][..], "idle", true),
            (&["idle*"], "idle", false),
            (&["mixed-"], "mixed", true),
            (&["idle~"], "idle", true),
            (&["alloc"], "allocated", true),
            (&["down*"], "down", false),
            (&["drained"], "drained", false),
            (&["drained$"], "drained", false),
            (&["draining@"], "draining", false),
            (&["maint"], "maint", true),
            (&["IDLE+DRAIN"], "idle+drained", false),
            (&["DOWN", "NOT_RESPONDING"], "down+not_responding", false),
            (&["MIXED", "PLANNED"], "mixed+planned", true),
            (&["unknown"], "unknown", false),
            (&["news"], "news", true),
        ] {
            assert_eq!(
                read(words.iter().copied()),
                (state.to_owned(), is_up),
                "{words:?}"
            );
        }
    }
}
