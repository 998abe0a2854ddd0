//! What the scripts of a relay print. Pure.

use schliff_agent::relay::source::{Got, Listed, SpoolFile, Want, taken_of};

/// Spool files out of a list of sizes and paths.
pub(super) fn listed(output: &[u8]) -> Vec<Listed> {
    let text = String::from_utf8_lossy(output);
    let line = |line: &str| {
        let (bytes, path) = line.split_once(' ')?;
        let (folder, name) = path.rsplit_once('/')?;
        let (key, _) = folder.split_once('/')?;
        let file = SpoolFile::named(key.parse().ok()?, name)?;
        let file = Some(file).filter(|file| file.path() == path)?;
        let bytes = bytes.parse().ok()?;
        Some(Listed { file, bytes })
    };
    let mut listed: Vec<_> = text.lines().filter_map(line).collect();
    listed.sort_by_key(|listed| listed.file);
    listed
}

/// Pieces of files; `None` where the answer is not whole.
pub(super) fn got(output: &[u8], wants: &[Want]) -> Option<Vec<Got>> {
    let (mut rest, mut got) = (output, Vec::new());
    while !rest.is_empty() {
        let (line, after) = line(rest)?;
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<usize>().ok();
        let (want, head_bytes, bytes) = (number()?, number()?, number()?);
        let taken = words.next().and_then(|word| taken_of(word.as_bytes()));
        let (head, after) = after.split_at_checked(head_bytes)?;
        let (bytes, after) = after.split_at_checked(bytes)?;
        rest = after.strip_prefix(b"\n")?;
        got.push(Got {
            want: *wants.get(want)?,
            head: head.to_vec(),
            bytes: bytes.to_vec(),
            taken,
        });
    }
    Some(got)
}

/// Names and texts; `None` where the answer is not whole.
pub(super) fn notes(output: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let (mut rest, mut notes) = (output, Vec::new());
    while !rest.is_empty() {
        let (line, after) = line(rest)?;
        let (bytes, name) = line.split_once(' ')?;
        let (text, after) = after.split_at_checked(bytes.parse().ok()?)?;
        rest = after.strip_prefix(b"\n")?;
        notes.push((name.to_owned(), text.to_vec()));
    }
    Some(notes)
}

/// So many sizes of files; `None` where the answer is not whole.
pub(super) fn sizes(output: &[u8], count: usize) -> Option<Vec<Option<u64>>> {
    let text = str::from_utf8(output).ok()?;
    let size = |line: &str| match line {
        "none" => Some(None),
        size => size.parse().ok().map(Some),
    };
    let sizes: Option<Vec<_>> = text.lines().map(size).collect();
    sizes.filter(|sizes| sizes.len() == count && text.ends_with('\n'))
}

/// The size of a file, and a piece of it.
pub(super) fn piece(output: &[u8]) -> Option<(u64, &[u8])> {
    let (line, piece) = line(output)?;
    Some((line.parse().ok()?, piece))
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(output in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (listed(&output), got(&output, &[]), notes(&output), piece(&output));
            let _ = sizes(&output, 1);
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let whole = b"5 a\nhello\n2 b c\nhi\n";
        let expected = vec![
            ("a".to_owned(), b"hello".to_vec()),
            ("b c".to_owned(), b"hi".to_vec()),
        ];
        assert_eq!(notes(whole), Some(expected));
        for cut in (1..whole.len()).filter(|&cut| cut != 10) {
            assert_eq!(notes(&whole[..cut]), None, "{cut}");
        }
    }
}
