//! Counts of tasks or processors of each node, such as `2(x3),1` (`SLURM_TASKS_PER_NODE`).
//!
//! Rules: as with host lists, a short text never becomes more than [`MOST_HOSTS`] counts.

use crate::hostlist::MOST_HOSTS;
use crate::parse::ParseError;

const WHAT: &str = "tasks of each node";

/// The count of each node, in the order of the host list.
///
/// # Errors
/// It is not of that form, or it stands for too many nodes.
pub fn expand(text: &str) -> Result<Vec<u32>, ParseError> {
    let mut counts = Vec::new();
    for item in text.trim().split(',').filter(|item| !item.is_empty()) {
        let broken = || ParseError::new(WHAT, text, format!("{item:?} is not of the form 2(x3)"));
        let (count, times) = match item.split_once("(x") {
            Some((count, times)) => (count, times.strip_suffix(')').ok_or_else(broken)?),
            None => (item, "1"),
        };
        let count: u32 = count.trim().parse().map_err(|_| broken())?;
        let times: usize = times.parse().map_err(|_| broken())?;
        if times > MOST_HOSTS - counts.len() {
            let why = format!("it stands for more than {MOST_HOSTS} nodes");
            return Err(ParseError::new(WHAT, text, why));
        }
        counts.resize(counts.len() + times, count);
    }
    Ok(counts)
}

/// The text that stands for these counts.
pub fn compress(counts: &[u32]) -> String {
    let item = |same: &[u32]| match same {
        [count] => count.to_string(),
        [count, ..] => format!("{count}(x{})", same.len()),
        [] => String::new(),
    };
    let items = counts.chunk_by(|a, b| a == b).map(item);
    items.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_of_each_form() {
        assert_eq!(expand("2(x3),1"), Ok(vec![2, 2, 2, 1]));
        assert_eq!(expand("4"), Ok(vec![4]));
        assert_eq!(expand(""), Ok(Vec::new()));
        for broken in [
            "x",
            "2(x3",
            "2(3)",
            "2(x)",
            "-1",
            "2(x100001)",
            "1(x99999),1(x2)",
            "1(x18446744073709551615)",
        ] {
            assert!(expand(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_folded_is_expanded_again(counts in prop::collection::vec(1_u32..4, 0..40)) {
            prop_assert_eq!(expand(&compress(&counts)), Ok(counts));
        }

        #[test]
        fn nothing_panics(text in "[0-9x(),]{0,30}") {
            let _ = expand(&text);
        }
    }
}
