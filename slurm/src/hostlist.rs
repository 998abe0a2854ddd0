//! Host lists, such as `a[1-3,07],b2` or `rack[2-3]n[05-08].site`: read, and written again.
//!
//! Rules: a list never becomes more than [`MOST_HOSTS`] names, however short it is. Zeros before a
//! number stay. Absent on purpose: several dimensions of one number, as BlueGene had them.

use std::collections::BTreeSet;

use crate::parse::ParseError;

/// Most names that one list may stand for.
pub const MOST_HOSTS: usize = 100_000;

/// More digits are no number that is counted with.
const MOST_DIGITS: usize = 18;

/// Longest name without its numbers, and most numbers in it: so many names stay a bounded text.
const MOST_LETTERS: usize = 255;
const MOST_NUMBERS: usize = 8;

const WHAT: &str = "a host list";

/// The names of a list, in its order.
///
/// # Errors
/// A bracket or a range is broken, or there are more than [`MOST_HOSTS`].
pub fn expand(list: &str) -> Result<Vec<String>, ParseError> {
    let mut hosts = Vec::new();
    for item in items(list)? {
        product(item, &mut hosts).map_err(|why| ParseError::new(WHAT, list, why))?;
    }
    Ok(hosts)
}

/// The first name of a list.
///
/// # Errors
/// As [`expand`]; and the list is empty.
pub fn first(list: &str) -> Result<String, ParseError> {
    let item = items(list)?.into_iter().next().unwrap_or_default();
    let mut hosts = Vec::new();
    product(item, &mut hosts).map_err(|why| ParseError::new(WHAT, list, why))?;
    let empty = || ParseError::new(WHAT, list, "it is empty");
    hosts.into_iter().next().ok_or_else(empty)
}

/// A list that stands for these names, each once: `n[1-3],m07`. Names of one kind stand where the
/// first of them stood, numbers in order.
pub fn compress<'a>(hosts: impl IntoIterator<Item = &'a str>) -> String {
    let mut kinds: Vec<(Name<'a>, BTreeSet<(u64, &'a str)>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for host in hosts {
        let (name, number) = split(host);
        let place = *places.entry((name, number.is_some())).or_insert_with(|| {
            kinds.push((name, BTreeSet::new()));
            kinds.len() - 1
        });
        if let (Some(kind), Some(number)) = (kinds.get_mut(place), number) {
            kind.1.insert(number);
        }
    }
    let items = kinds
        .into_iter()
        .map(|(name, numbers)| fold(name, &numbers));
    items.collect::<Vec<_>>().join(",")
}

/// What stands before and after a name's number.
type Name<'a> = (&'a str, &'a str);

/// Splits at commas that are not in brackets.
fn items(list: &str) -> Result<Vec<&str>, ParseError> {
    let mut is_inside = false;
    let (mut items, mut from) = (Vec::new(), 0);
    for (at, sign) in list.char_indices() {
        match sign {
            '[' if is_inside => return Err(ParseError::new(WHAT, list, "a bracket in a bracket")),
            ']' if !is_inside => {
                return Err(ParseError::new(WHAT, list, "a bracket was not opened"));
            }
            '[' | ']' => is_inside = !is_inside,
            ',' if !is_inside => {
                items.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(ParseError::new(WHAT, list, "a bracket is not closed"));
    }
    items.push(&list[from..]);
    let items = items.into_iter().map(str::trim);
    Ok(items.filter(|item| !item.is_empty()).collect())
}

/// Appends the names of one item, such as `rack[2-3]n[05-08]`.
fn product(item: &str, hosts: &mut Vec<String>) -> Result<(), String> {
    let room = MOST_HOSTS - hosts.len().min(MOST_HOSTS);
    let is_long = letters(item) > MOST_LETTERS || item.matches('[').count() > MOST_NUMBERS;
    if is_long {
        return Err("a name is too long".to_owned());
    }
    let mut found = vec![String::new()];
    let mut rest = item;
    while let Some((before, after)) = rest.split_once('[') {
        let (ranges, after) = after.split_once(']').ok_or("a bracket is not closed")?;
        let numbers = numbers(ranges, room / found.len().max(1))?;
        let longer = found.iter().flat_map(|head| {
            let join = move |number: &String| format!("{head}{before}{number}");
            numbers.iter().map(join)
        });
        found = longer.collect();
        rest = after;
    }
    if found.len() > room {
        return Err(too_many());
    }
    if item.is_empty() {
        return Ok(());
    }
    hosts.extend(found.into_iter().map(|head| head + rest));
    Ok(())
}

/// Bytes outside of brackets.
fn letters(item: &str) -> usize {
    let parts = item.split('[');
    let outside = |part: &str| part.len() - part.find(']').unwrap_or(0);
    parts.map(outside).sum()
}

/// The numbers of `1-3,07`, as they are written; `room` at most.
fn numbers(ranges: &str, room: usize) -> Result<Vec<String>, String> {
    let mut numbers = Vec::new();
    for range in ranges.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let broken = || format!("{range:?} is no range");
        let (from, to) = (
            number(low).ok_or_else(broken)?,
            number(high).ok_or_else(broken)?,
        );
        let count = to.checked_sub(from).ok_or_else(broken)?;
        if count >= (room.saturating_sub(numbers.len())) as u64 {
            return Err(too_many());
        }
        let width = low.len();
        numbers.extend((from..=to).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

fn too_many() -> String {
    format!("it stands for more than {MOST_HOSTS} hosts")
}

fn number(word: &str) -> Option<u64> {
    let is_number = (1..=MOST_DIGITS).contains(&word.len());
    let is_number = is_number && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok()).flatten()
}

/// Splits a name at its last number before the first dot that follows one.
fn split(host: &str) -> (Name<'_>, Option<(u64, &str)>) {
    let is_digit = |sign: char| sign.is_ascii_digit();
    let first = host.find(is_digit);
    let Some(first) = first else {
        return ((host, ""), None);
    };
    let label_end = host[first..].find('.').map_or(host.len(), |at| first + at);
    let label = &host[..label_end];
    let Some(last) = label.rfind(is_digit) else {
        return ((host, ""), None);
    };
    let digits = &label[..=last];
    let from = digits.rfind(|sign: char| !sign.is_ascii_digit());
    let from = from.map_or(0, |at| {
        at + digits[at..].chars().next().map_or(1, char::len_utf8)
    });
    let text = &host[from..=last];
    match number(text) {
        Some(number) => ((&host[..from], &host[last + 1..]), Some((number, text))),
        None => ((host, ""), None),
    }
}

/// One item of a written list.
fn fold((before, after): Name, numbers: &BTreeSet<(u64, &str)>) -> String {
    let mut ranges: Vec<(&str, u64, &str)> = Vec::new();
    for &(number, text) in numbers {
        match ranges.last_mut() {
            Some((low, high, last)) if follows(low, *high, number, text) => {
                (*high, *last) = (number, text);
            }
            _ => ranges.push((text, number, text)),
        }
    }
    let written = ranges.iter().map(|(low, _, high)| {
        if low == high {
            (*low).to_owned()
        } else {
            format!("{low}-{high}")
        }
    });
    let written: Vec<_> = written.collect();
    match numbers.len() {
        0 => format!("{before}{after}"),
        1 => format!("{before}{}{after}", written.concat()),
        _ => format!("{before}[{}]{after}", written.join(",")),
    }
}

/// Whether a range that began with `low` and goes to `high` would write this number so.
fn follows(low: &str, high: u64, number: u64, text: &str) -> bool {
    let width = low.len();
    number == high + 1 && format!("{number:0width$}") == text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_each_form() {
        for (list, hosts) in [
            ("n1", "n1"),
            ("", ""),
            ("n1,n2", "n1 n2"),
            ("a[1-3,07],b2", "a1 a2 a3 a07 b2"),
            ("n[008-011]", "n008 n009 n010 n011"),
            ("n[9-11]x", "n9x n10x n11x"),
            (
                "rack[2-3]n[05-06].site",
                "rack2n05.site rack2n06.site rack3n05.site rack3n06.site",
            ),
            ("jwb[0001,0003]", "jwb0001 jwb0003"),
        ] {
            let expected: Vec<_> = hosts.split_whitespace().collect();
            assert_eq!(expand(list).expect("a list"), expected, "{list}");
        }
        assert_eq!(first("a-b[07-11],c").as_deref(), Ok("a-b07"));
        assert!(first("").is_err());
    }

    #[test]
    fn broken_lists_are_errors() {
        for list in [
            "n[1", "n1]", "n[[1]]", "n[]", "n[3-1]", "n[a]", "n[1-]", "n[-1]", "n[1,]",
        ] {
            assert!(expand(list).is_err(), "{list}");
        }
    }

    #[test]
    fn a_short_list_of_very_many_hosts_is_an_error() {
        assert_eq!(
            expand("n[1-100000]").map(|hosts| hosts.len()),
            Ok(MOST_HOSTS)
        );
        for list in [
            "n[1-100001]",
            "n[0-999999999999999999]",
            "a[1-1000]b[1-1000]",
            "a[1-10]b[1-10]c[1-10]d[1-10]e[1-10]f[1-10]",
            "n[1-100000],m",
        ] {
            let error = expand(list).expect_err("too many");
            assert!(error.why.contains("100000"), "{error}");
        }
        assert!(expand(&format!("{}[1-9]", "n".repeat(256))).is_err());
        assert!(expand(&format!("n{}", "[1]".repeat(9))).is_err());
    }

    #[test]
    fn names_are_folded() {
        for (hosts, list) in [
            ("n1 n2 n3 m07", "n[1-3],m07"),
            ("n3 n1 n1 n2", "n[1-3]"),
            ("n08 n09 n10 n11", "n[08-11]"),
            ("n9 n10 n011", "n[9-10,011]"),
            ("login a.site", "login,a.site"),
            ("c.s0 c.s", "c.s0,c.s"),
            ("rack2n05.site1 rack2n06.site1", "rack2n[05-06].site1"),
            ("n1 n3", "n[1,3]"),
            ("", ""),
        ] {
            assert_eq!(compress(hosts.split_whitespace()), list, "{hosts}");
        }
    }

    proptest! {
        #[test]
        fn what_is_folded_is_expanded_again(
            hosts in prop::collection::vec("[a-c]{1,2}[0-9]{0,3}(-ü?[0-9]{1,20})?(\\.s[0-9]?)?", 0..60),
        ) {
            let list = compress(hosts.iter().map(String::as_str));
            let found: BTreeSet<_> = expand(&list).expect("a list").into_iter().collect();
            prop_assert_eq!(found, hosts.into_iter().collect::<BTreeSet<_>>());
        }

        #[test]
        fn a_list_of_ranges_is_as_long_as_they_say(
            ranges in prop::collection::vec((0_u64..500, 0_u64..50), 1..10),
        ) {
            let text = |(low, more): &(u64, u64)| format!("{low}-{}", low + more);
            let list: Vec<_> = ranges.iter().map(text).collect();
            let hosts = expand(&format!("n[{}]", list.join(","))).expect("a list");
            let expected: u64 = ranges.iter().map(|(_, more)| more + 1).sum();
            prop_assert_eq!(hosts.len() as u64, expected);
        }

        #[test]
        fn nothing_panics(list in "[-ab0-9\\[\\],. ü]{0,40}") {
            let _ = expand(&list);
            let _ = first(&list);
            let _ = compress(list.split(' '));
        }
    }
}
