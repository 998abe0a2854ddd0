use schliff_spec::cluster::{Backend, load_text};

use super::*;

/// A site with two partitions: four nodes with GPUs, two without.
fn facts() -> SiteFacts {
    let partition = |name: &str, is_default, max_time_min, nodes| Partition {
        name: name.into(),
        is_default,
        is_up: true,
        max_time_min,
        max_nodes: None,
        nodes,
    };
    let node = |name: &str, gpus, partition: &str| Node {
        name: name.into(),
        state: "idle".into(),
        is_up: true,
        reason: String::new(),
        cpus: 96,
        memory_mib: 500_000,
        gpus,
        gpu_type: if gpus > 0 {
            "a100".into()
        } else {
            String::new()
        },
        features: vec!["rack1".into()],
        partitions: vec![partition.into()],
    };
    let association = |account: &str, partition: &str| Association {
        cluster: "site".into(),
        account: account.into(),
        user: "ada".into(),
        partition: partition.into(),
        qos: Some(vec!["normal".into(), "long".into()]),
        default_qos: "normal".into(),
    };
    let names = ["n1", "n2", "n3", "n4"];
    let mut nodes: Vec<_> = names.map(|name| node(name, 4, "booster")).into();
    nodes.extend(["c1", "c2"].map(|name| node(name, 0, "batch")));
    let printed =
        "AccountingStorageType = accounting_storage/slurmdbd\nSelectType = select/cons_tres\n";
    SiteFacts {
        version: "22.05.8".into(),
        partitions: vec![
            partition("batch", true, Some(1_440), 2),
            partition("booster", false, Some(720), 4),
        ],
        nodes,
        rules: None,
        associations: Some(vec![association("proj", ""), association("hai", "batch")]),
        config: Some(schliff_slurm::scontrol::config(printed)),
        architecture: Some("x86_64".into()),
        mpi: Some(vec!["pmix".into(), "none".into()]),
        folder: Some(FolderThere::Writable),
        has_program: Some(true),
        trial: Some(Ok("Job 7 to start at 2026-11-25T23:00:00".into())),
    }
}

const FITS: &str = r#"
name = "site"
backend = "slurm"
[slurm]
transport = "command"
folder = "/p/schliff"
[ask]
account = "proj"
partition = "booster"
qos = "long"
constraint = "rack1"
gpu_form = "gpus-per-node"
gpu_type = "a100"
memory = "400GiB"
[launch]
mpi = "pmix"
[limits]
max_time = "12h"
max_nodes = 4
gpus_per_node = 4
cpus_per_node = 96
[site]
architecture = "x86_64"
"#;

fn compared(text: &str, facts: &SiteFacts) -> Vec<Finding> {
    let profile = load_text(text, "site.toml").expect("a profile");
    let Backend::Slurm(slurm) = &profile.backend else {
        panic!("a Slurm site");
    };
    compare(&profile, slurm, facts)
}

/// A line a finding that does not fit.
fn told(findings: &[Finding]) -> Vec<String> {
    let others = findings.iter().filter(|it| it.verdict != Verdict::Fits);
    others
        .map(|it| {
            let change = it.change.as_deref().unwrap_or_default();
            let word = it.verdict.word();
            format!(
                "{word} {} = {:?}: {} -> {change}",
                it.key, it.profile, it.site
            )
        })
        .collect()
}

#[test]
fn a_profile_that_fits() {
    let findings = compared(FITS, &facts());
    assert_eq!(told(&findings), [""; 0]);
    let keys: Vec<_> = findings.iter().map(|it| it.key).collect();
    assert!(
        keys.contains(&"limits.max_time") && keys.contains(&"ask"),
        "{keys:?}"
    );
    assert!(findings.len() >= 15, "{keys:?}");
}

#[test]
fn every_difference_names_its_key_and_what_to_write() {
    let text = r#"
name = "site"
backend = "slurm"
[slurm]
transport = "command"
folder = "/p/<PROJECT>/schliff"
[ask]
account = "other"
partition = "booster,boosters"
qos = "fast"
constraint = "[rack1|rack9]&ib"
gpu_form = "gpus-per-node"
gpu_type = "h100"
memory = "1TiB"
[launch]
mpi = "pmi2"
[limits]
max_time = "24h"
max_nodes = 64
gpus_per_node = 8
cpus_per_node = 128
[site]
architecture = "aarch64"
"#;
    let mut facts = facts();
    let printed = "AccountingStorageType = accounting_storage/none\nSelectType = select/linear\n";
    facts.config = Some(schliff_slurm::scontrol::config(printed));
    facts.folder = Some(FolderThere::Missing);
    facts.has_program = Some(false);
    facts.trial = Some(Err("Slurm refuses to test the job: invalid account".into()));
    // It has no account of the name in either case.
    facts
        .associations
        .iter_mut()
        .flatten()
        .for_each(|it| it.qos = Some(vec!["normal".into()]));
    insta::assert_snapshot!(told(&compared(text, &facts)).join("\n"));
}

#[test]
fn what_the_profile_does_not_say_is_told_and_is_no_difference() {
    let text = "name = 'site'\nbackend = 'slurm'\n[slurm]\ntransport = 'command'\nfolder = '/p'\n\
        accounting = false\n[ask]\naccount_required = true\n";
    let findings = compared(text, &facts());
    insta::assert_snapshot!(told(&findings).join("\n"));
    assert!(findings.iter().all(|it| it.verdict != Verdict::Differs));
}

#[test]
fn what_the_site_does_not_tell_is_not_guessed() {
    let facts = SiteFacts {
        partitions: facts().partitions,
        ..SiteFacts::default()
    };
    let findings = compared(FITS, &facts);
    assert_eq!(told(&findings), [""; 0]);
    let keys: Vec<_> = findings.iter().map(|it| it.key).collect();
    assert_eq!(
        keys,
        ["ask.partition", "limits.max_time", "limits.max_nodes"]
    );
}

#[test]
fn partitions_that_are_closed_are_told() {
    let mut facts = facts();
    facts.partitions[1].is_up = false;
    let printed = "PartitionName=booster AllowAccounts=hai,root AllowQos=ALL MaxNodes=UNLIMITED \
        MaxTime=12:00:00 State=UP TotalNodes=4 GraceTime=0\n";
    facts.rules = schliff_slurm::scontrol::partitions(printed).ok();
    let findings = told(&compared(FITS, &facts));
    assert_eq!(
        findings,
        [
            "differs ask.partition = \"booster\": takes no jobs now -> wait, or write another partition",
            "differs ask.account = \"proj\": may not use the partition booster -> change ask.account or ask.partition",
        ]
    );
    // Its only association is for another partition.
    let text = FITS.replace("\"proj\"", "\"hai\"");
    let findings = told(&compared(&text, &facts));
    assert!(
        findings[1].starts_with("differs ask.account = \"hai\": not an account"),
        "{findings:?}"
    );
}

#[test]
fn a_site_without_a_default_partition_wants_one() {
    let mut facts = facts();
    facts.partitions[0].is_default = false;
    let text = FITS.replace("partition = \"booster\"\n", "");
    let findings = told(&compared(&text, &facts));
    let line =
        "differs ask.partition = \"\": no partition is the default -> write one of batch, booster";
    assert!(findings.contains(&line.to_owned()), "{findings:?}");
}
