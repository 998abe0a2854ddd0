//! The table of the cluster profile.

use super::Fallback::{Follows, None, Required, Value};
use super::Form::{
    Choice, Country, Environment, File, Flag, FolderThere, HostSuffix, Lines, Memory, Name, Number,
    Options, ProgramThere, Rate, Time, Url, Whole, WholeIn, Word, Words,
};
use super::Interval::NotNegative;
use super::keys::key;
use super::{Key, Schema, Section};

/// The cluster profile.
pub(crate) static CLUSTER: Schema = Schema {
    noun: "cluster profile",
    outline: (
        "a cluster",
        "a name, a backend and sections with its settings",
    ),
    hint: "configs/clusters has examples, docs/cluster-profile.md all keys",
    sections: SECTIONS,
    other_names: OTHER_NAMES,
};

const SECTIONS: &[Section] = &[
    Section {
        name: "",
        meaning: "The cluster as a whole.",
        keys: TOP,
    },
    Section {
        name: "local",
        meaning: "What of this machine is used.",
        keys: LOCAL,
    },
    Section {
        name: "slurm",
        meaning: "How Slurm is reached, and how a job goes on there. Required with `backend = \"slurm\"`.",
        keys: SLURM,
    },
    Section {
        name: "ask",
        meaning: "What every job asks Slurm for. `scheduling` of a job wins over `account`, `partition`, `qos`, `reservation` and `constraint`.",
        keys: ASK,
    },
    Section {
        name: "launch",
        meaning: "How processes are started on the nodes of a Slurm job.",
        keys: LAUNCH,
    },
    Section {
        name: "container",
        meaning: "The container that they run in; none without this section.",
        keys: CONTAINER,
    },
    Section {
        name: "limits",
        meaning: "How much may be asked of it.",
        keys: LIMITS,
    },
    Section {
        name: "cost",
        meaning: "What its use costs.",
        keys: COST,
    },
    Section {
        name: "site",
        meaning: "Where it stands and what its nodes are like. What is not said is not known.",
        keys: SITE,
    },
];

/// What schedulers and other tools call our keys.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("host", "slurm.ssh_host"),
    ("login", "slurm.ssh_host"),
    ("url", "slurm.rest_url"),
    ("token_file", "slurm.rest_token_file"),
    ("workdir", "slurm.folder"),
    ("work_dir", "slurm.folder"),
    ("signal", "slurm.signal_before"),
    ("budget", "ask.account"),
    ("project", "ask.account"),
    ("queue", "ask.partition"),
    ("feature", "ask.constraint"),
    ("mem", "ask.memory"),
    ("gres", "ask.gpu_form"),
    ("sbatch_options", "ask.options"),
    ("env", "launch.environment"),
    ("time", "limits.max_time"),
    ("time_limit", "limits.max_time"),
];

#[rustfmt::skip]
const TOP: &[Key] = &[
    key("name", Name("cluster"), Required, "Name of the cluster, as `scheduling.cluster` has it."),
    key("backend", Choice(&["local", "slurm"]), Required, "What starts jobs there."),
];

#[rustfmt::skip]
const LOCAL: &[Key] = &[
    key("cpu_slots", Whole(1), None, "Cores that are handed out; all where absent."),
    key("gpu_slots", Whole(0), None, "GPUs that are handed out; all where absent."),
];

#[rustfmt::skip]
const SLURM: &[Key] = &[
    key("transport", Choice(&["command", "ssh", "rest"]), Follows("required in this section"), "Slurm's commands on this machine, the same over the user's own ssh, or slurmrestd."),
    key("ssh_host", Word, None, "Login node, as the user's ssh configuration has it. Needed by `ssh`."),
    key("ssh_config", File, None, "Another configuration file for ssh; a relative path is beside the profile."),
    key("rest_url", Url, None, "Address of slurmrestd. Needed by `rest`."),
    key("rest_user", Word, None, "Name of the user for slurmrestd. Needed by `rest`."),
    key("rest_token_file", File, None, "File with the token, read anew for each call; a relative path is beside the profile. Needed by `rest`."),
    key("folder", FolderThere, Follows("required in this section"), "Folder on storage that login and compute nodes share. Each attempt of a job gets a folder in it. `<…>` in it must be filled in."),
    key("program", ProgramThere, Value("\"schliff\""), "`schliff` on the compute nodes, with `schliff-trainer` beside it."),
    key("chain", Choice(&["requeue", "successors", "none"]), Value("\"requeue\""), "How a job goes on past the wall-time cap without a coordinator: its script puts it into the queue again (needs `scontrol` on the nodes), jobs that wait for it are submitted with it, or not at all: the coordinator submits the next."),
    key("signal_before", Time, Value("\"2min\""), "So long before the end of the wall time a job is told to write a checkpoint and end. Slurm may be up to a minute early."),
    key("reports", Choice(&["direct", "spool"]), Follows("`spool` where `site.internet` is false, else `direct`"), "How reports of the nodes reach the coordinator: straight to its address, or over files in `folder`."),
    key("relay_rate", Rate, Value("\"50MB/s\""), "Most that a coordinator's relay sends, reports and checkpoints of both directions together. Only with `reports = \"spool\"`."),
    key("accounting", Flag, Value("true"), "The accounting database is asked for jobs that the controller has forgotten."),
    key("may_start_now", Flag, Value("true"), "The two minutes that Slurm waits after a requeue are skipped, by `scontrol update StartTime=now`."),
    key("no_kill", Flag, Value("false"), "Where a node dies, a job that can do with fewer nodes (`resources.min_nodes`) goes on with those that are left (`--no-kill`); any other starts again as a whole."),
    key("logins_per_minute", WholeIn(1, 60), Value("3"), "Log-ins over ssh, at most."),
    key("observe_every", Time, Follows("30s over ssh, else 10s"), "Time between two looks at the queue; one look is one query for all jobs."),
];

#[rustfmt::skip]
const ASK: &[Key] = &[
    key("account", Word, None, "Who pays: `--account`."),
    key("account_required", Flag, Value("false"), "The site takes no job without an account, so that a job must name one where this profile does not."),
    key("partition", Word, None, "Where it waits: `--partition`; several with commas."),
    key("qos", Word, None, "Under which quality of service: `--qos`."),
    key("reservation", Word, None, "In which reservation: `--reservation`."),
    key("constraint", Word, None, "On nodes with which features: `--constraint`."),
    key("exclusive", Flag, Value("false"), "Whole nodes: `--exclusive`."),
    key("gpu_form", Choice(&["gres", "gpus-per-node"]), Value("\"gres\""), "How GPUs are asked for: `--gres=gpu:4` or `--gpus-per-node=4`."),
    key("gpu_type", Word, None, "Type of GPU in it, such as `h100`."),
    key("memory", Memory, None, "Memory of each node: `--mem`; the site's own default where absent."),
    key("options", Options(NOT_FOR_SBATCH), Value("[]"), "Further options of `sbatch` as they are."),
];

#[rustfmt::skip]
const LAUNCH: &[Key] = &[
    key("mpi", Word, Value("\"none\""), "`srun --mpi`: what `srun --mpi=list` shows. Ranks find each other without any."),
    key("srun_options", Options(NOT_FOR_SRUN), Value("[]"), "Further options of `srun` as they are."),
    key("modules", Words, Value("[]"), "Modules that are loaded, in this order."),
    key("setup", Lines, Value("[]"), "Lines of bash that run on the first node before anything is started."),
    key("environment", Environment, Value("{}"), "Variables of every process. No secrets: a profile is read by many."),
    key("host_suffix", HostSuffix, None, "Added to the names of nodes to reach them by the fast network, such as Jülich's `i`."),
    key("interface", Word, None, "Network interface that ranks speak over, such as `ib0`."),
];

#[rustfmt::skip]
const CONTAINER: &[Key] = &[
    key("runtime", Choice(&["apptainer", "pyxis"]), Follows("required in this section"), "What runs it: `apptainer exec`, or `srun --container-image` (Pyxis, enroot)."),
    key("image", Word, Follows("required in this section"), "A path on the cluster, or a URL that the runtime knows."),
    key("mounts", Words, Value("[]"), "Mounts as the runtime writes them, such as `/p/data:/data`. `slurm.folder` is mounted in any case."),
];

#[rustfmt::skip]
const LIMITS: &[Key] = &[
    key("max_time", Time, None, "Longest wall time of an attempt."),
    key("max_queued", WholeIn(1, 1_000_000), None, "Jobs of ours that may wait in Slurm's queue at a time."),
    key("max_nodes", WholeIn(1, 1_000_000), None, "Most nodes of a Slurm job."),
    key("gpus_per_node", WholeIn(0, 1024), None, "GPUs of a node of the partition."),
    key("cpus_per_node", WholeIn(1, 65536), None, "Cores of a node of the partition, as Slurm counts them."),
];

#[rustfmt::skip]
const COST: &[Key] = &[
    key("eur_per_gpu_hour", Number(NotNegative), None, "Price of a GPU-hour, in euros."),
    key("eur_per_core_hour", Number(NotNegative), None, "Price of a core-hour, in euros."),
    key("watt_per_gpu", Number(NotNegative), None, "Power that a GPU at work draws."),
    key("gco2_per_kwh", Number(NotNegative), None, "Grams of carbon dioxide that a kilowatt-hour stands for."),
];

#[rustfmt::skip]
const SITE: &[Key] = &[
    key("country", Country, None, "Country where it stands; `governance.residency` of a job is held against it."),
    key("internet", Flag, None, "Compute nodes reach the internet."),
    key("architecture", Choice(&["x86-64", "aarch64"]), None, "Instruction set of the compute nodes."),
];

const OURS: &str = "schliff sets it";
const GPUS: &str = "resources.gpus_per_node of a job and ask.gpu_form say it";
const CHAIN: &str = "slurm.chain says it";

/// Options of `sbatch` that have a key, or that would take a job out of the hands of its owner.
#[rustfmt::skip]
const NOT_FOR_SBATCH: &[(&str, &str)] = &[
    ("account", "ask.account says it"),
    ("partition", "ask.partition says it"),
    ("qos", "ask.qos says it"),
    ("reservation", "ask.reservation says it"),
    ("constraint", "ask.constraint says it"),
    ("exclusive", "ask.exclusive says it"),
    ("mem", "ask.memory says it"),
    ("gres", GPUS),
    ("gpus", GPUS),
    ("gpus-per-node", GPUS),
    ("gpus-per-task", GPUS),
    ("gpus-per-socket", GPUS),
    ("time", "resources.time of a job says it"),
    ("nodes", "resources.nodes of a job says it"),
    ("cpus-per-task", "resources.cpus_per_node of a job says it"),
    ("ntasks", OURS),
    ("ntasks-per-node", OURS),
    ("signal", "slurm.signal_before says it"),
    ("requeue", CHAIN),
    ("no-requeue", CHAIN),
    ("no-kill", "slurm.no_kill says it"),
    ("clusters", "use a login node of that cluster"),
    ("array", OURS),
    ("chdir", OURS),
    ("comment", OURS),
    ("dependency", OURS),
    ("error", OURS),
    ("export", "launch.environment says it"),
    ("export-file", "launch.environment says it"),
    ("hold", OURS),
    ("job-name", OURS),
    ("open-mode", OURS),
    ("output", OURS),
    ("parsable", OURS),
    ("test-only", OURS),
    ("wait", OURS),
    ("wrap", OURS),
];

/// The same of `srun`.
#[rustfmt::skip]
const NOT_FOR_SRUN: &[(&str, &str)] = &[
    ("mpi", "launch.mpi says it"),
    ("container-image", "the section container says it"),
    ("container-mounts", "the section container says it"),
    ("export", "launch.environment says it"),
    ("cpus-per-task", OURS),
    ("error", OURS),
    ("jobid", OURS),
    ("kill-on-bad-exit", OURS),
    ("no-kill", "slurm.no_kill says it"),
    ("nodes", OURS),
    ("ntasks", OURS),
    ("ntasks-per-node", OURS),
    ("output", OURS),
    ("wait", OURS),
];
