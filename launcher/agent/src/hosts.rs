//! The first host of a Slurm host list, such as `a[1-3,07],b2`. Pure.
//!
//! Absent on purpose: the whole expansion, which nobody here asks for.

/// The first host, unless the list is empty or broken.
pub(crate) fn first(list: &str) -> Option<String> {
    let mut host = String::new();
    let mut rest = list.trim();
    while let Some(at) = rest.find(['[', ',']) {
        host.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b',' {
            rest = "";
            break;
        }
        let (range, after) = rest[at + 1..].split_once(']')?;
        host.push_str(range.split([',', '-']).next()?);
        rest = after;
    }
    host.push_str(rest);
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_host_of_each_form() {
        for (list, host) in [
            ("n1", "n1"),
            ("n1,n2", "n1"),
            ("n[1-4]", "n1"),
            ("n[007,009-011],m3", "n007"),
            ("rack[2-3]n[05-08].site", "rack2n05.site"),
            ("a-b[1]", "a-b1"),
        ] {
            assert_eq!(first(list).as_deref(), Some(host), "{list}");
        }
        assert_eq!(first(""), None);
        assert_eq!(first("n[1"), None);
    }
}
