//! Names of objects: where a part and a manifest lie, and what can be read from their names.

use crate::{JobDigest, Sha256};

pub(super) const MANIFESTS: &str = "manifests";
pub(super) const PARTS: &str = "parts";

/// Key of the manifest of a step; the digits make the order of names the order of steps.
pub(super) fn manifest(step: u64) -> String {
    format!("{MANIFESTS}/{step:010}.json")
}

/// The step of a manifest's key; `None` for objects that are not ours.
pub(super) fn step_of_manifest(key: &str) -> Option<u64> {
    let digits = key
        .strip_prefix(MANIFESTS)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    let step = number(digits)?;
    (manifest(step) == key).then_some(step)
}

/// Key of a part.
pub(super) fn part(job: &JobDigest, step: u64, name: &str, sha256: &Sha256) -> String {
    format!("{PARTS}/{}-{step:010}-{name}-{sha256}", job.short())
}

/// The short job and the step in a part's key; `None` for objects that are not ours.
pub(super) fn job_and_step_of_part(key: &str) -> Option<(&str, u64)> {
    let rest = key.strip_prefix(PARTS)?.strip_prefix('/')?;
    let mut fields = rest.split('-');
    let (job, step) = (fields.next()?, fields.next()?);
    let (_name, digest) = (fields.next()?, fields.next()?);
    let ours = fields.next().is_none() && job.len() == 12 && digest.parse::<Sha256>().is_ok();
    Some((job, number(step)?)).filter(|_| ours)
}

/// Whether a part may be called so.
pub(super) fn is_part_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

fn number(digits: &str) -> Option<u64> {
    let plain = digits.len() >= 10 && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_they_are_of() {
        let (job, digest) = (JobDigest::of(b"job"), Sha256::of(b"part"));
        for step in [0, 7, 9_999_999_999, u64::MAX] {
            assert_eq!(step_of_manifest(&manifest(step)), Some(step));
            let key = part(&job, step, "moment_1", &digest);
            assert_eq!(job_and_step_of_part(&key), Some((&*job.short(), step)));
        }
        assert!(manifest(99) < manifest(100));
    }

    #[test]
    fn other_objects_are_not_ours() {
        for key in [
            "manifests/12.json",
            "manifests/00000000012.json",
            "manifests/+000000012.json",
            "manifests/0000000012.json.bak",
            "manifests/x/0000000012.json",
            "other/0000000012.json",
        ] {
            assert_eq!(step_of_manifest(key), None, "{key}");
        }
        for key in [
            "parts/readme.txt",
            "parts/a-b-c-d",
            "parts/0123456789ab-0000000001-x-00",
        ] {
            assert_eq!(job_and_step_of_part(key), None, "{key}");
        }
    }

    #[test]
    fn names_of_parts_cannot_leave_their_place() {
        assert!(is_part_name("adapter") && is_part_name("moment_2"));
        for name in ["", "a-b", "a/b", "..", "Ä", "A", &"x".repeat(65)] {
            assert!(!is_part_name(name), "{name}");
        }
    }
}
