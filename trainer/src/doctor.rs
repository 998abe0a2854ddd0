//! What this build and this machine can do, for `schliff doctor`.
//!
//! Rules: what is not there is a finding, never a failure; a library is loaded only to be asked for
//! its version. A driver that brings this process down costs its findings, not those of `schliff`,
//! which asks in a process of its own. Absent on purpose: advice that depends on a job.

mod gpus;
mod libraries;
mod processor;
mod shared;
mod sums;

use schliff_collective::rendezvous::is_built;
use schliff_spec::finding::Examination;
use schliff_spec::place::CollectiveKind;
use schliff_spec::request::PROTOCOL;

/// Looks at everything.
pub fn examine(version: &str) -> Examination {
    let kinds = [
        CollectiveKind::Tcp,
        CollectiveKind::Mpi,
        CollectiveKind::Nccl,
    ];
    let built = kinds.into_iter().filter(|kind| is_built(*kind));
    let mut findings = processor::findings();
    findings.extend(gpus::findings());
    findings.extend(libraries::findings());
    findings.extend(sums::findings());
    Examination {
        protocol: PROTOCOL,
        version: version.to_owned(),
        backend: crate::backend(),
        backends: backends(),
        collectives: built.map(|kind| kind.word().to_owned()).collect(),
        findings,
    }
}

/// Backends that are compiled in.
fn backends() -> Vec<String> {
    let all = [
        ("flex", cfg!(feature = "flex")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ];
    let built = all.into_iter().filter(|(_, built)| *built);
    built.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::finding::Area;

    #[test]
    fn every_area_of_the_trainer_is_looked_at_and_each_lack_has_a_hint() {
        let examination = examine("1.2.3");
        assert_eq!(examination.version, "1.2.3");
        assert!(examination.backends.contains(&"flex".to_owned()));
        assert!(examination.collectives.contains(&"tcp".to_owned()));
        for area in [
            Area::Processor,
            Area::Gpus,
            Area::Libraries,
            Area::Collectives,
        ] {
            assert!(
                examination.findings.iter().any(|it| it.area == area),
                "{area:?}"
            );
        }
        for finding in examination.findings {
            assert!(finding.is_ok() || finding.hint.is_some(), "{finding:?}");
        }
    }
}
