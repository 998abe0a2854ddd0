//! What this machine can do: the findings of `schliff` itself, and those that the trainer tells.
//!
//! Rules: looking changes nothing that stays; other programs are asked in processes of their own and
//! within a limit, so that a driver that hangs or crashes is a finding. Absent on purpose: tensors and
//! libraries of others, which only the trainer loads.

mod batch;
mod programs;
mod questioned;
mod storage;

use std::path::Path;

use schliff_spec::finding::{Area, Finding};
use serde::Serialize;

/// The trainer, as findings name it.
const TRAINER: &str = "schliff-trainer";
/// How findings name a device that a job can take.
const DEVICE: &str = "SCHLIFF_DEVICE=";

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether a job can be trained here at all.
    pub(crate) can_train: bool,
    /// Backends that a job can take here.
    pub(crate) backends: Vec<String>,
    /// Ways in which ranks can exchange sums here.
    pub(crate) collectives: Vec<String>,
    /// By area.
    pub(crate) findings: Vec<Finding>,
}

/// Looks at everything; at an object store only where one is named.
pub(crate) fn examine(out: &Path, store: Option<&str>) -> Report {
    let mut findings = programs::findings();
    findings.push(batch::finding(|name| std::env::var(name).ok()));
    findings.push(storage::folder(out));
    findings.extend(store.map(storage::store));
    Report::of(findings)
}

impl Report {
    /// What findings come to.
    pub(crate) fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.area);
        let fine = |area: Area| {
            let fine = move |it: &&Finding| it.area == area && it.is_ok();
            findings.iter().filter(fine)
        };
        let trainer = fine(Area::Programs).find(|it| it.name == TRAINER);
        let folder = fine(Area::Storage).any(|it| it.name == storage::FOLDER);
        let own = trainer.and_then(|it| it.facts.get("backends")?.as_array());
        let own = own.is_some_and(|backends| backends.iter().any(|name| name == "flex"));
        let devices = fine(Area::Gpus).filter_map(|it| it.name.strip_prefix(DEVICE));
        let host = own.then_some("flex");
        let backends: Vec<_> = host.into_iter().chain(devices).map(str::to_owned).collect();
        let collectives = fine(Area::Collectives).map(|it| it.name.clone());
        Self {
            can_train: trainer.is_some() && folder && !backends.is_empty(),
            collectives: collectives.collect(),
            backends,
            findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Vec<Finding> {
        vec![
            Finding::ok(Area::Storage, storage::FOLDER, "writable"),
            Finding::ok(Area::Collectives, "tcp", "tried"),
            Finding::absent(Area::Collectives, "nccl", "not built"),
            Finding::ok(Area::Gpus, "SCHLIFF_DEVICE=wgpu", "1"),
            Finding::ok(Area::Programs, TRAINER, "there").fact("backends", vec!["flex", "wgpu"]),
        ]
    }

    #[test]
    fn a_trainer_and_a_folder_are_enough() {
        let report = Report::of(fine());
        assert!(report.can_train);
        assert_eq!(report.backends, ["flex", "wgpu"]);
        assert_eq!(report.collectives, ["tcp"]);
        assert_eq!(report.findings[0].name, TRAINER, "areas are in order");
    }

    #[test]
    fn without_either_nothing_can_be_trained() {
        for lacking in [TRAINER, storage::FOLDER] {
            let mut findings = fine();
            for finding in findings.iter_mut().filter(|it| it.name == lacking) {
                *finding = Finding::broken(finding.area, lacking, "broken");
            }
            assert!(!Report::of(findings).can_train, "{lacking}");
        }
    }
}
