//! Profiles of Slurm sites.

use insta::{assert_debug_snapshot, assert_snapshot};
use proptest::prelude::*;
use schliff_spec::cluster::{
    Backend, BatchWish, ClusterProfile, Reports, Slurm, Transport, load, load_text,
};

const LEAST: &str = "name = 'site'\nbackend = 'slurm'\n\
    [slurm]\ntransport = 'command'\nfolder = '/work/schliff'\n";

const ALL: &str = r##"
name = "site"
backend = "slurm"

[slurm]
transport = "ssh"
ssh_host = "login"
ssh_config = "ssh/config"
folder = "/p/scratch/<PROJECT>/schliff"
program = "/p/project/bin/schliff"
chain = "successors"
signal_before = "5min"
reports = "spool"
relay_rate = "500 kB/s"
accounting = false
may_start_now = false
no_kill = true
logins_per_minute = 2
observe_every = "1min"

[ask]
account = "acc"
account_required = true
partition = "booster,develbooster"
qos = "normal"
reservation = "course-1"
constraint = "[rack1|rack2]&gpu*2"
exclusive = true
gpu_form = "gpus-per-node"
gpu_type = "h100"
memory = "480GiB"
options = ["--hint=nomultithread", "--disable-turbomode", "--mail-user=a@example.org"]

[launch]
mpi = "pmix"
srun_options = "--cpu-bind=cores"
modules = ["Stages/2025", "CUDA/12"]
setup = ["ulimit -c 0", "echo \"on $(hostname)\""]
environment = { NCCL_SOCKET_IFNAME = "ib0", B_2 = "", A = "two words, 'quoted'" }
host_suffix = "i"
interface = "ib0"

[container]
runtime = "apptainer"
image = "/p/project/images/base.sif"
mounts = ["/p/data:/data:ro"]

[limits]
max_time = "24h"
max_queued = 40
max_nodes = 384
gpus_per_node = 4
cpus_per_node = 96

[cost]
eur_per_core_hour = 0.01

[site]
country = "DE"
internet = false
architecture = "aarch64"
"##;

fn slurm(text: &str) -> Slurm {
    let profile = load_text(text, "site.toml").unwrap_or_else(|problems| panic!("{problems}"));
    match profile.backend {
        Backend::Slurm(slurm) => *slurm,
        Backend::Local(_) => panic!("a Slurm site"),
    }
}

fn problems(text: &str) -> String {
    match load_text(text, "site.toml") {
        Err(problems) => problems.to_string(),
        Ok(profile) => panic!("{profile:?} is read"),
    }
}

/// [`LEAST`] with a line more in `[slurm]`, or sections after it.
fn with(lines: &str) -> String {
    format!("{LEAST}{lines}\n")
}

#[test]
fn all_keys() {
    let profile = load_text(ALL, "site.toml").unwrap_or_else(|problems| panic!("{problems}"));
    assert_debug_snapshot!(profile);
    let json = serde_json::to_string(&profile).unwrap();
    let travelled: ClusterProfile = serde_json::from_str(&json).unwrap();
    assert_eq!(travelled, profile);
}

#[test]
fn the_least() {
    assert_debug_snapshot!(slurm(LEAST));
}

#[test]
fn all_problems_at_once() {
    let broken = r##"
name = "site"
backend = "slurm"
[local]
cpu_slots = 2
[slurm]
transport = "shh"
hosts = "login"
folder = "scratch/schliff"
program = "bin/schliff"
chain = "requeues"
signal_before = "20h"
relay_rate = "50Mbit/s"
logins_per_minute = 1000
[ask]
acount = "a"
account = "-rf"
partition = "a b"
qos = "a\nb"
constraint = "gpu;rm"
reservation = "$(id)"
gpu_type = "h100'"
memory = "64GB"
options = ["-p x", "--partition=x", "--nodes 2", "--comment=\"a\"", "--", "--licenses=a\u0000b", "--licenses='a'"]
[launch]
mpi = ""
srun_options = ["--mpi=pmix", 3]
modules = "a b"
setup = "one\ntwo"
environment = { "A-B" = "1", C = 2, D = "x\ny" }
host_suffix = "i; id"
[container]
runtime = "docker"
[limits]
max_time = "24h"
max_nodes = 0
[site]
country = "Germany"
internet = "no"
architecture = "arm"
"##;
    assert_snapshot!(problems(broken));
}

#[test]
fn keys_that_cannot_be_together() {
    let rest = LEAST.replace("command", "rest");
    let ssh = LEAST.replace("command", "ssh");
    let told = [
        problems("name = 'site'\nbackend = 'slurm'\n"),
        problems(&ssh),
        problems(&rest),
        problems(&format!("{rest}rest_url = 'https://me:secret@host'\n")),
        problems(&format!(
            "{rest}rest_url = 'host:6820'\nrest_user = 'me'\nrest_token_file = '~/token'\n"
        )),
        problems(&with("ssh_host = 'login'\nrest_user = 'me'")),
        problems(&with("chain = 'successors'")),
        problems(&with("signal_before = '19h'")),
        problems(&with("[limits]\nmax_time = '2min'")),
        problems(&with("[container]\nmounts = []")),
        problems(&with("[local]\ngpu_slots = 1")),
        problems(&LEAST.replace("/work/", "$SCRATCH/")),
        problems(&LEAST.replace("/work/", "/work/%u/")),
        problems(
            "name = 'a'\nbackend = 'local'\nlimits = { max_queued = 1, max_nodes = 2 }\n[slurm]\n[ask]\n[launch]\n[container]\n",
        ),
    ];
    assert_snapshot!(told.join("\n\n"));
}

#[test]
fn files_of_this_machine_are_beside_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    let text = LEAST.replace("command", "rest")
        + "rest_url = 'http://127.0.0.1:6820'\nrest_user = 'me'\nrest_token_file = 'token'\n";
    std::fs::write(&path, text).unwrap();
    let Backend::Slurm(slurm) = load(&path).unwrap().backend else {
        panic!("a Slurm site");
    };
    let Transport::Rest { token_file, .. } = slurm.transport else {
        panic!("by REST");
    };
    assert_eq!(token_file, folder.path().join("token"));
}

#[test]
fn what_is_not_said_follows_from_the_rest() {
    let ssh = LEAST.replace("command", "ssh") + "ssh_host = 'login'\n";
    assert_eq!(slurm(&ssh).observe_every_s, 30);
    assert_eq!(slurm(LEAST).observe_every_s, 10);
    let offline = with("[site]\ninternet = false");
    assert_eq!(slurm(&offline).reports, Reports::Spool);
    let direct = with("reports = 'direct'\n[site]\ninternet = false");
    assert_eq!(slurm(&direct).reports, Reports::Direct);
    assert_eq!(
        slurm(&with("[ask]\nmemory = 'all'")).ask.memory_mib,
        Some(0)
    );
    let memory = slurm(&with("[ask]\nmemory = '2T'")).ask.memory_mib;
    assert_eq!(memory, Some(2 << 20));
    assert_eq!(slurm(LEAST).relay_rate_bytes, 50_000_000);
    let rate = |rate: &str| slurm(&with(&format!("relay_rate = '{rate}'"))).relay_rate_bytes;
    assert_eq!(rate("2GB/s"), 2_000_000_000);
    assert_eq!(rate("7 B/s"), 7);
}

#[test]
fn blanks_are_named() {
    let told: Vec<_> = slurm(ALL)
        .blanks()
        .iter()
        .map(ToString::to_string)
        .collect();
    let blank = r#"slurm.folder = "/p/scratch/<PROJECT>/schliff" has yet to be filled in"#;
    assert_eq!(told, [blank]);
    assert_eq!(slurm(LEAST).blanks(), []);
}

#[test]
fn a_job_s_own_words_win() {
    let ask = slurm(ALL).ask;
    let wish = BatchWish {
        account: Some("mine".into()),
        qos: Some("urgent".into()),
        ..BatchWish::default()
    };
    let both = ask.with(&wish);
    assert_eq!(both.account.as_deref(), Some("mine"));
    assert_eq!(both.qos.as_deref(), Some("urgent"));
    assert_eq!(both.partition, ask.partition);
    assert_eq!(both.options, ask.options);
    let bare = slurm(&with("[ask]\naccount_required = true")).ask;
    assert!(bare.lacks_account());
    assert!(!bare.with(&wish).lacks_account());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is accepted is one word to a shell and to Slurm's reader of options.
    #[test]
    fn accepted_words_are_words(word in "[-a-z'\"\\\\`$#;&| \\n\\t\\PC]{0,12}") {
        let quoted = serde_json::to_string(&word).expect("JSON");
        let text = with(&format!("[ask]\naccount: {quoted}")).replace("account: ", "account = ");
        if let Ok(profile) = load_text(&text, "site.toml") {
            let Backend::Slurm(slurm) = profile.backend else { panic!("a Slurm site") };
            prop_assert_eq!(slurm.ask.account.as_deref(), Some(word.as_str()));
            prop_assert!(!word.is_empty() && !word.starts_with('-'));
            prop_assert!(!word.contains(|c: char| c.is_whitespace() || c.is_control()));
            prop_assert!(!word.contains(['\'', '"', '\\', '`', '$', '#', ';']));
        }
    }

    /// Whatever happens to a profile, reading it ends in one or in problems.
    #[test]
    fn mutated_profiles_never_panic(at in 0..ALL.len(), len in 0_usize..30, more in "\\PC{0,8}") {
        let mut bytes = ALL.as_bytes().to_vec();
        let end = (at + len).min(bytes.len());
        bytes.splice(at..end, more.bytes());
        if let Err(problems) = load_text(&String::from_utf8_lossy(&bytes), "site.toml") {
            prop_assert!(!problems.to_string().contains("defect in schliff"), "{}", problems);
        }
    }
}
