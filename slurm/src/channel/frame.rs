//! A script on its way into a shell's standard input, and the marks around its answer.
//!
//! Rules: the shell takes the whole script before it runs any of it, so one that was cut off on the
//! way certainly did not run. Commands of the script cannot read the rest of the shell's input. What
//! the script does to its shell (`exit`, `cd`, variables) ends with it. What others print before,
//! after or between (a greeting at log-in, a forgotten process) is no part of an answer.

use crate::quote::{QuoteError, quote};

/// A framed script, in two pieces: nothing runs before the shell has got the second.
#[derive(Debug)]
pub(super) struct Frame {
    /// Everything but the end.
    pub(super) body: String,
    /// What completes it.
    pub(super) end: &'static str,
}

/// For a shell that runs one script and ends with its code.
///
/// # Errors
/// The script holds a NUL character.
pub(super) fn once(script: &str) -> Result<Frame, QuoteError> {
    Ok(Frame {
        body: format!("{{ eval {}\n", quote(script)?),
        end: "} </dev/null\n",
    })
}

/// For a shell that goes on: both outputs are between two lines with the mark, the second of which
/// has the exit code.
///
/// # Errors
/// The script holds a NUL character.
pub(super) fn marked(script: &str, mark: &str) -> Result<Frame, QuoteError> {
    let begin = format!("printf '\\n%s begin\\n' {mark}");
    let end = format!("printf '\\n%s %s\\n' {mark} \"$1\"");
    let script = quote(script)?;
    Ok(Frame {
        body: format!(
            "{{ {begin}; {begin} >&2\n( eval {script}\n) </dev/null\nset -- \"$?\"; {end}; {end} >&2\n"
        ),
        end: "}\n",
    })
}

/// A word that no script prints by chance.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn mark() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("schliff-{hex}"))
}

/// An answer within what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Where the output itself is.
    pub(super) output: std::ops::Range<usize>,
    /// Exit code.
    pub(super) code: i32,
}

/// Finds an answer in what was read, of which `new_from` on is new.
pub(super) fn answer(bytes: &[u8], new_from: usize, mark: &str) -> Option<Answer> {
    let sign = format!("\n{mark} ");
    let begin_line = format!("{sign}begin\n");
    // The mark may have come in two pieces.
    find(
        &bytes[new_from.saturating_sub(begin_line.len())..],
        sign.as_bytes(),
    )?;
    let begin = find(bytes, begin_line.as_bytes())? + begin_line.len();
    let end = begin + find(&bytes[begin..], sign.as_bytes())?;
    let rest = &bytes[end + sign.len()..];
    let code = &rest[..find(rest, b"\n")?];
    Some(Answer {
        output: begin..end,
        code: std::str::from_utf8(code).ok()?.parse().ok()?,
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_differ() {
        assert_ne!(mark().expect("random"), mark().expect("random"));
    }

    #[test]
    fn half_an_answer_is_none() {
        let whole = b"motd\nM begin\nout\n\nM 12\n";
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut], 0, "M"), None, "{cut}");
        }
        let (output, code) = (13..17, 12);
        assert_eq!(answer(whole, 0, "M"), Some(Answer { output, code }));
    }

    proptest! {
        #[test]
        fn an_output_is_given_back_to_the_byte_in_whatever_pieces_it_comes(
            noise in "[a-z\n]{0,8}",
            output in prop::collection::vec(any::<u8>(), 0..64),
            code in 0..256_i32,
            later in "[a-z\n]{0,8}",
            piece in 1..40_usize,
        ) {
            let mut bytes = format!("{noise}\nMARK begin\n").into_bytes();
            bytes.extend(&output);
            bytes.extend(format!("\nMARK {code}\n{later}").bytes());
            let mut found = None;
            for from in (0..bytes.len()).step_by(piece) {
                let so_far = &bytes[..(from + piece).min(bytes.len())];
                found = found.or(answer(so_far, from, "MARK").map(|found| (so_far, found)));
            }
            let (so_far, found) = found.expect("an answer");
            prop_assert_eq!(&so_far[found.output], &output[..]);
            prop_assert_eq!(found.code, code);
        }
    }
}
