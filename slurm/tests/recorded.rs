//! What real clusters printed, read by every parser: goldens, and agreement between the sources.
//!
//! `tests/data/RELEASE` was recorded from one cluster at one moment, with a job's name and a comment
//! that hold line ends; `squeue.txt` and its like were printed with the formats of this crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schliff_slurm::job::Job;
use schliff_slurm::node::{Node, Partition};
use schliff_slurm::reason::Reason;
use schliff_slurm::state::BaseState;
use schliff_slurm::{association, json, sacct, sbatch, scontrol, sinfo, squeue};

/// Releases that were recorded.
const RELEASES: &[&str] = &["22.05", "24.11"];

/// Those with an accounting database.
const ACCOUNTED: &[&str] = &["22.05"];

fn data(release: &str, name: &str) -> String {
    let path = format!("{}/tests/data/{release}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Jobs as a table that is read easily in a golden.
fn jobs(jobs: &[Job]) -> String {
    let mut table = String::new();
    for job in jobs {
        let array = job
            .array
            .map(|(id, task)| format!("{id}_{task:?}"))
            .unwrap_or_default();
        let time = |time: Option<schliff_slurm::time::UnixSeconds>| {
            time.map_or("-".to_owned(), |time| time.iso())
        };
        let (base, flags, by) = (job.state.base, &job.state.flags, job.state.cancelled_by);
        let ends = (time(job.submitted_at), time(job.start_at), time(job.end_at));
        let asks = (&job.user, &job.partition, &job.account, &job.qos);
        writeln!(
            table,
            "{} [{array}] {base:?} {flags:?} by {by:?}; {:?} {:?}\n  {asks:?}\n  {} {} {}, {:?} min; \
             {:?} ({}) after {:?}; exit {:?}, restarts {:?}\n  {}: {}",
            job.id,
            job.name,
            job.comment,
            ends.0,
            ends.1,
            ends.2,
            job.time_limit_min,
            job.nodes,
            job.node_count,
            job.dependency,
            job.exit,
            job.restarts,
            job.reason,
            if base == BaseState::Pending { Reason::read(&job.reason).sentence() } else { String::new() },
        )
        .expect("a string takes it");
    }
    table
}

fn nodes(nodes: &[Node]) -> String {
    nodes.iter().map(|node| format!("{node:?}\n")).collect()
}

fn partitions(partitions: &[Partition]) -> String {
    partitions
        .iter()
        .map(|partition| format!("{partition:?}\n"))
        .collect()
}

#[test]
fn goldens_of_each_release() {
    for release in RELEASES {
        let text = |name| data(release, name);
        let of_squeue = squeue::jobs(&text("squeue.txt")).expect("squeue");
        insta::assert_snapshot!(format!("{release}-squeue"), jobs(&of_squeue));
        let of_scontrol = scontrol::jobs(&text("scontrol-jobs.txt")).expect("scontrol");
        insta::assert_snapshot!(format!("{release}-scontrol-jobs"), jobs(&of_scontrol));
        let of_json = json::jobs(&text("jobs.json")).expect("JSON");
        insta::assert_snapshot!(format!("{release}-json-jobs"), jobs(&of_json));
        let of_sinfo = sinfo::nodes(&text("sinfo-nodes.txt")).expect("sinfo");
        insta::assert_snapshot!(format!("{release}-sinfo-nodes"), nodes(&of_sinfo));
        let of_sinfo = sinfo::partitions(&text("sinfo-partitions.txt")).expect("sinfo");
        insta::assert_snapshot!(format!("{release}-sinfo-partitions"), partitions(&of_sinfo));
        let rules = scontrol::partitions(&text("scontrol-partitions.txt")).expect("scontrol");
        insta::assert_snapshot!(
            format!("{release}-scontrol-partitions"),
            format!("{rules:#?}")
        );
    }
}

/// An array of which a task was put back, one was cancelled, two run and the others wait: `squeue` and
/// `sacct` have one line for those that wait, and a number of its own for what has run.
#[test]
fn goldens_of_an_array() {
    let text = |name| data("22.05", name);
    let of_squeue = squeue::jobs(&text("squeue-array.txt")).expect("squeue");
    insta::assert_snapshot!("22.05-squeue-array", jobs(&of_squeue));
    let of_scontrol = scontrol::jobs(&text("scontrol-array.txt")).expect("scontrol");
    insta::assert_snapshot!("22.05-scontrol-array", jobs(&of_scontrol));
    let of_sacct = sacct::runs(&text("sacct-array.txt")).expect("sacct");
    insta::assert_snapshot!("22.05-sacct-array", jobs(&of_sacct));
    let of_json = json::jobs(&text("jobs-array.json")).expect("JSON");
    for job in of_squeue.iter().chain(&of_scontrol).chain(&of_sacct) {
        let array = job.array.map(|(array, _)| array.0);
        assert_eq!(array, Some(13), "{job:?}");
    }
    let running = |jobs: &[Job]| -> Vec<_> {
        let running = jobs.iter().filter(|it| it.state.base == BaseState::Running);
        let mut tasks: Vec<_> = running.filter_map(|it| it.array?.1).collect();
        tasks.sort_unstable();
        tasks
    };
    for told in [&of_squeue, &of_scontrol, &of_sacct, &of_json] {
        let told: Vec<_> = (told.iter())
            .filter(|job| job.array.is_some_and(|(array, _)| array.0 == 13))
            .cloned()
            .collect();
        assert_eq!(running(&told), [2, 3]);
    }
}

#[test]
fn goldens_of_accounting() {
    for release in ACCOUNTED {
        let text = |name| data(release, name);
        let of_sacct = sacct::runs(&text("sacct.txt")).expect("sacct");
        insta::assert_snapshot!(format!("{release}-sacct"), jobs(&of_sacct));
        let users = association::associations(&text("associations.txt")).expect("sacctmgr");
        insta::assert_snapshot!(format!("{release}-associations"), format!("{users:#?}"));
        let of_sshare = association::shares(&text("shares.txt")).expect("sshare");
        assert!(of_sshare.iter().all(|share| !share.account.is_empty()) && of_sshare.len() > 1);
    }
}

#[test]
fn all_sources_tell_the_same_of_a_job() {
    for release in RELEASES {
        let by_id = |jobs: Vec<Job>| -> BTreeMap<_, _> {
            jobs.into_iter().map(|job| (job.id, job)).collect()
        };
        let of_squeue = by_id(squeue::jobs(&data(release, "squeue.txt")).expect("squeue"));
        let of_scontrol =
            by_id(scontrol::jobs(&data(release, "scontrol-jobs.txt")).expect("scontrol"));
        let of_json = by_id(json::jobs(&data(release, "jobs.json")).expect("JSON"));
        assert_eq!(
            of_squeue.keys().collect::<Vec<_>>(),
            of_scontrol.keys().collect::<Vec<_>>()
        );
        assert!(of_json.len() >= 8, "{release}: the sample has jobs");
        for (id, listed) in &of_squeue {
            for other in [Some(&of_scontrol[id]), of_json.get(id)]
                .into_iter()
                .flatten()
            {
                let plain = |job: &Job| {
                    let job = job.clone();
                    let who = (job.user, job.partition, job.account, job.qos, job.comment);
                    let what = (job.state, job.nodes, job.node_count, job.time_limit_min);
                    (
                        job.name,
                        job.array,
                        who,
                        what,
                        job.dependency,
                        job.submitted_at,
                    )
                };
                assert_eq!(plain(listed), plain(other), "{release}: job {id}");
                assert_eq!(
                    Reason::read(&listed.reason),
                    Reason::read(&other.reason),
                    "{release}: job {id}"
                );
            }
        }
    }
}

#[test]
fn sources_of_nodes_and_partitions_agree() {
    for release in RELEASES {
        let of_sinfo = sinfo::nodes(&data(release, "sinfo-nodes.txt")).expect("sinfo");
        for node in json::nodes(&data(release, "nodes.json")).expect("JSON") {
            let listed = of_sinfo
                .iter()
                .find(|own| own.name == node.name)
                .expect("listed");
            // Words differ (`drained`, `idle+drained`), and the order of partitions; not what is meant.
            let mut alike = Node {
                state: listed.state.clone(),
                ..node
            };
            alike.partitions.sort();
            let mut listed = listed.clone();
            listed.partitions.sort();
            assert_eq!(listed, alike, "{release}");
        }
        let of_sinfo = sinfo::partitions(&data(release, "sinfo-partitions.txt")).expect("sinfo");
        let rules =
            scontrol::partitions(&data(release, "scontrol-partitions.txt")).expect("scontrol");
        let of_scontrol: Vec<_> = rules.into_iter().map(|rules| rules.partition).collect();
        assert_eq!(of_sinfo, of_scontrol, "{release}");
        for partition in json::partitions(&data(release, "partitions.json")).expect("JSON") {
            let listed = of_sinfo
                .iter()
                .find(|own| own.name == partition.name)
                .expect("listed");
            // JSON does not tell the default from 23.02 on.
            let alike = Partition {
                is_default: listed.is_default,
                ..partition
            };
            assert_eq!(listed, &alike, "{release}");
        }
    }
}

#[test]
fn nodes_that_sinfo_groups_are_those_of_scontrol() {
    let groups = json::nodes(&data("24.11", "sinfo.json")).expect("JSON");
    for node in json::nodes(&data("24.11", "nodes.json")).expect("JSON") {
        let grouped = groups
            .iter()
            .find(|own| own.name == node.name)
            .expect("in a group");
        // The sample has the groups of two partitions out of three.
        let alike = Node {
            partitions: grouped.partitions.clone(),
            ..node
        };
        assert_eq!(grouped, &alike);
    }
    assert_eq!(groups.len(), 4);
}

#[test]
fn answers_that_are_no_lists() {
    for release in RELEASES {
        let trial = sbatch::trial(&data(release, "test-only.txt"));
        assert!(
            trial.start_at.is_some() && trial.words.starts_with("Job "),
            "{}",
            trial.words
        );
        let refused = sbatch::trial(&data(release, "test-only-refused.txt"));
        assert_eq!(refused.start_at, None);
        assert!(
            refused.words.starts_with("Requested node configuration"),
            "{}",
            refused.words
        );
        let config = scontrol::config(&data(release, "scontrol-config.txt"));
        assert_eq!(config.has_accounting(), ACCOUNTED.contains(release));
        assert_eq!(config.number("MinJobAge"), Some(60));
        let told = json::release(&data(release, "jobs.json"))
            .expect("JSON")
            .expect("told");
        assert!(told.starts_with(release), "{told}");
        let remarks = json::remarks(&data(release, "jobs.json")).expect("JSON");
        assert_eq!(remarks, json::Remarks::default());
    }
}

#[test]
fn a_site_without_accounting_warns_beside_its_answers() {
    let remarks = json::remarks(&data("24.11", "partitions.json")).expect("JSON");
    assert!(remarks.errors.is_empty());
    assert!(
        remarks.warnings[0].contains("accounting storage is disabled"),
        "{remarks:?}"
    );
}

#[test]
fn every_reason_of_libslurm_has_a_sentence() {
    let words = data("22.05", "reasons.txt");
    let line = |word: &str| {
        let reason = Reason::read(word);
        assert!(
            !matches!(reason, Reason::Other(_)),
            "{word} has no sentence"
        );
        format!(
            "{word}: {} [{:?}] {:?}\n",
            reason.sentence(),
            reason.ends(),
            reason.remedy()
        )
    };
    let table: String = words.lines().map(line).collect();
    assert!(words.lines().count() > 150, "all of them");
    insta::assert_snapshot!("reasons", table);
}
