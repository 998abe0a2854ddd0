//! Scripts that bash really runs, with stand-ins for Slurm's commands and for the agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

/// Node 0 alone, in the place of `srun` itself: signals to `srun` reach the agent.
const SRUN: &str = r#"
[ "$PLAY" != no-step ] || exit 1
while [ "${1#--}" != "$1" ]; do echo "$1" >>"$FOLDER/srun"; shift; done
SLURM_NODEID=0 exec "$@"
"#;
/// An agent that ends with the code `$PLAY`; or that lets Slurm send the signal `$PLAY` to the script,
/// and ends with 75 when it hears USR1 itself.
const AGENT: &str = r#"
printf '%s\n' "$@" >"$FOLDER/args"
env >"$FOLDER/env"
while [ "$1" != --exit-file ]; do shift; done
end() { echo "$1" >"$2.new"; mv "$2.new" "$2"; exit "$1"; }
case $PLAY in
    [0-9]*) end "$PLAY" "$2" ;;
    stop) : >"$FOLDER/stop"; PLAY=USR1 ;;
    later) echo "7 1 9999999999" >>"$FOLDER/starts"; exit 76 ;;
    blind) rm "$FOLDER/starts"; end 0 "$2" ;;
esac
trap 'kill "$reader"; end 75 "$2"' USR1
mkfifo "$FOLDER/never"
cat <>"$FOLDER/never" &
reader=$!
rm "$FOLDER/never"
kill -s "$PLAY" "$PPID"
wait
"#;
const SCONTROL: &str = r#"
echo "$@" >>"$FOLDER/scontrol"
[ -z "$NO_REQUEUE" ]
"#;
const SQUEUE: &str = r#"
echo "$STATE"
"#;

/// A folder of an attempt, with a script and the programs that it finds.
pub(super) struct Stage {
    folder: tempfile::TempDir,
}

/// How a script ended, and what it said.
pub(super) struct Played {
    pub(super) code: i32,
    pub(super) words: String,
}

impl Stage {
    fn new(site: &Slurm, launch: &Launch) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("it's a ")
            .tempdir()
            .expect("a folder");
        let path = folder.path().to_str().expect("text");
        let attempt = Attempt {
            folder: path,
            ..ATTEMPT
        };
        let batches = batches(site, launch, attempt).expect("jobs");
        let script = render(&batches[0]).expect("a script");
        Self::of(folder, &script)
    }

    pub(super) fn of(folder: tempfile::TempDir, script: &str) -> Self {
        fs::write(folder.path().join("batch.sh"), script).expect("written");
        let stage = Self { folder };
        let programs = [
            ("srun", SRUN),
            ("schliff", AGENT),
            ("scontrol", SCONTROL),
            ("squeue", SQUEUE),
        ];
        fs::create_dir(stage.path("bin")).expect("a folder");
        for (name, text) in programs {
            let program = stage.path("bin").join(name);
            fs::write(&program, format!("#!/bin/sh\n{text}")).expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a mode");
        }
        stage
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name))
            .ok()
            .map(|text| text.trim_end().to_owned())
    }

    /// The script runs to its end, in the environment of a job 7.
    pub(super) fn play(&self, variables: &[(&str, &str)]) -> Played {
        let bin = self.path("bin");
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let ended = Command::new("bash")
            .arg("batch.sh")
            .current_dir(self.folder.path())
            .env_clear()
            .envs([
                ("PATH", &*path),
                ("SLURM_JOB_ID", "7"),
                ("SLURM_CPUS_PER_TASK", "48"),
            ])
            .env("FOLDER", self.folder.path())
            .envs(variables.iter().copied())
            .output()
            .expect("bash runs");
        Played {
            code: ended.status.code().expect("an exit code"),
            words: String::from_utf8(ended.stderr).expect("text"),
        }
    }
}

fn with(chain: Chain) -> Stage {
    Stage::new(&Slurm { chain, ..site() }, &launch())
}

#[test]
fn an_attempt_runs_to_its_end_and_never_again() {
    let stage = with(Chain::Requeue);
    let played = stage.play(&[("PLAY", "0")]);
    assert_eq!(played.code, 0, "{}", played.words);
    assert_eq!(stage.read("done").as_deref(), Some("0"));
    assert_eq!(stage.read("claim").as_deref(), Some("k3v9x0q2"));
    let starts = stage.read("starts").expect("a line");
    assert!(
        starts.starts_with("7 0 ") && starts.lines().count() == 1,
        "{starts}"
    );
    let again = stage.play(&[("PLAY", "1")]);
    assert_eq!(again.code, 0);
    assert!(
        again.words.contains("it ended with exit code 0"),
        "{}",
        again.words
    );
    assert_eq!(stage.read("starts"), Some(starts), "nothing started");
}

#[test]
fn an_attempt_of_another_submission_is_left_alone() {
    let stage = with(Chain::Requeue);
    fs::write(stage.path("claim"), "another\n").expect("written");
    let played = stage.play(&[("PLAY", "1")]);
    assert_eq!(played.code, 0);
    assert!(
        played
            .words
            .contains("another submission runs this attempt; job 7")
    );
    assert_eq!((stage.read("starts"), stage.read("done")), (None, None));
}

#[test]
fn the_last_word_is_that_of_the_agent_or_that_srun_failed() {
    let ends = [("1", 1), ("76", 76), ("no-step", 76)];
    for (play, code) in ends {
        let stage = with(Chain::Requeue);
        let played = stage.play(&[("PLAY", play)]);
        assert_eq!(played.code, code, "{play}: {}", played.words);
        assert_eq!(stage.read("done"), Some(code.to_string()), "{play}");
    }
}

#[test]
fn at_the_end_of_its_wall_time_it_goes_back_into_the_queue() {
    let stage = with(Chain::Requeue);
    let played = stage.play(&[("PLAY", "USR1")]);
    assert_eq!(played.code, 75, "{}", played.words);
    assert_eq!(stage.read("scontrol").as_deref(), Some("requeue 7"));
    assert_eq!(stage.read("done"), None);
    let again = stage.play(&[("PLAY", "0"), ("SLURM_RESTART_COUNT", "1")]);
    assert_eq!(again.code, 0, "{}", again.words);
    assert_eq!(stage.read("done").as_deref(), Some("0"));
    assert!(stage.read("starts").expect("lines").contains("\n7 1 "));
}

#[test]
fn of_nodes_that_differ_a_task_takes_what_each_has() {
    let mut site = site();
    site.ask.exclusive = true;
    for (told, cores) in [("96(x2),48,128(x3)", "48"), ("8", "8"), ("16(x4)", "16")] {
        let stage = Stage::new(&site, &launch());
        let played = stage.play(&[("PLAY", "0"), ("SLURM_JOB_CPUS_PER_NODE", told)]);
        assert_eq!(played.code, 0, "{}", played.words);
        let env = stage.read("env").expect("the agent ran");
        let line = format!("SRUN_CPUS_PER_TASK={cores}");
        assert!(env.lines().any(|found| found == line), "{told}: {env}");
    }
}

#[test]
fn a_chain_has_an_end() {
    let stage = with(Chain::Requeue);
    let last = [("PLAY", "75"), ("SLURM_RESTART_COUNT", "3")];
    assert_eq!(stage.play(&last).code, 75);
    assert_eq!(
        (stage.read("scontrol"), stage.read("done").as_deref()),
        (None, Some("75"))
    );
    let none = with(Chain::None);
    assert_eq!(none.play(&[("PLAY", "75")]).code, 75);
    assert_eq!(
        (none.read("scontrol"), none.read("done").as_deref()),
        (None, Some("75"))
    );
}

#[test]
fn where_slurm_does_not_take_it_back_the_coordinator_goes_on() {
    let stage = with(Chain::Requeue);
    let played = stage.play(&[("PLAY", "75"), ("NO_REQUEUE", "1")]);
    assert_eq!(played.code, 75);
    assert!(
        played.words.contains("cannot put the job back"),
        "{}",
        played.words
    );
    assert_eq!(
        stage.read("done"),
        None,
        "Slurm's own word says how it ended"
    );
}

#[test]
fn a_stop_is_the_end() {
    let stage = with(Chain::Requeue);
    assert_eq!(stage.play(&[("PLAY", "stop")]).code, 75);
    assert_eq!(
        (stage.read("scontrol"), stage.read("done").as_deref()),
        (None, Some("75"))
    );
    let early = with(Chain::Successors);
    fs::write(early.path("stop"), "").expect("written");
    assert_eq!(early.play(&[("PLAY", "0")]).code, 75);
    assert_eq!(
        (early.read("args"), early.read("done").as_deref()),
        (None, Some("75"))
    );
}

#[test]
fn a_start_after_which_there_was_another_leaves_the_folder_to_that_one() {
    for chain in [Chain::Requeue, Chain::Successors, Chain::None] {
        let stage = with(chain);
        let played = stage.play(&[("PLAY", "later")]);
        assert_eq!(played.code, 75, "{}", played.words);
        let told = "the job was started again elsewhere";
        assert!(played.words.contains(told), "{}", played.words);
        let left = ["done", "exit", "scontrol"].map(|name| stage.read(name));
        assert_eq!(left, [None, None, None], "{chain:?}");
        // The other one is not disturbed.
        fs::write(stage.path("starts"), "7 0 1\n").expect("written");
        let other = stage.play(&[("PLAY", "0"), ("SLURM_RESTART_COUNT", "1")]);
        assert_eq!(other.code, 0, "{}", other.words);
        assert_eq!(stage.read("done").as_deref(), Some("0"));
    }
    let blind = with(Chain::Requeue);
    let played = blind.play(&[("PLAY", "blind")]);
    assert_eq!(played.code, 0, "{}", played.words);
    assert_eq!(
        blind.read("done").as_deref(),
        Some("0"),
        "what cannot be read says nothing"
    );
}

#[test]
fn a_warning_from_whoever_takes_the_nodes_saves_the_work_but_a_cancelled_job_stays_away() {
    let warned = with(Chain::Requeue);
    assert_eq!(
        warned.play(&[("PLAY", "TERM"), ("STATE", "RUNNING")]).code,
        75
    );
    assert_eq!(warned.read("scontrol").as_deref(), Some("requeue 7"));
    let cancelled = with(Chain::Requeue);
    assert_eq!(
        cancelled
            .play(&[("PLAY", "TERM"), ("STATE", "COMPLETING")])
            .code,
        75
    );
    assert_eq!(
        (cancelled.read("scontrol"), cancelled.read("done")),
        (None, None)
    );
}

#[test]
fn successors_go_on_until_there_is_none() {
    let stage = with(Chain::Successors);
    for (job, done) in [("7", None), ("8", None), ("9", None), ("10", Some("75"))] {
        let played = stage.play(&[("PLAY", "75"), ("SLURM_JOB_ID", job)]);
        assert_eq!(played.code, 75, "{}", played.words);
        assert_eq!(stage.read("done").as_deref(), done, "{job}");
    }
    assert_eq!(stage.read("scontrol"), None);
}

#[test]
fn successors_do_not_go_on_where_a_job_of_theirs_was_cancelled() {
    let ends = [
        ("COMPLETING 0", 130, Some("130")),
        // Slurm has put it into the queue itself.
        ("COMPLETING 1", 75, None),
        ("RUNNING 0", 75, None),
        // Nobody can tell.
        ("", 75, None),
    ];
    for (state, code, done) in ends {
        let stage = with(Chain::Successors);
        let played = stage.play(&[("PLAY", "TERM"), ("STATE", state)]);
        assert_eq!(played.code, code, "{state}: {}", played.words);
        assert_eq!(stage.read("done").as_deref(), done, "{state}");
    }
}

#[test]
fn words_of_others_reach_the_agent_as_they_are() {
    let odd = [
        "$(touch owned)",
        "it's \"x\" `id`",
        "",
        "*",
        "a\nb",
        "--x={dir}/y{dir}",
        "{node}-{node}",
        "-n",
    ];
    let mut launch = launch();
    launch.args.extend(odd.map(Into::into));
    launch.name = "evil\nrm -rf /".into();
    launch.env = vec![
        ("ODD".into(), "it's $HOME".into()),
        ("PLAY".into(), "0".into()),
    ];
    let mut site = site();
    site.launch.environment = vec![("ODD".into(), "lost".into()), ("SITE".into(), "a b".into())];
    site.launch.setup = vec!["cd /; [ -z \"$UNSET\" ]; export SET=up".into()];
    let stage = Stage::new(&site, &launch);
    fs::write(
        stage.path("environment"),
        environment(&launch).expect("lines"),
    )
    .expect("written");
    let played = stage.play(&[]);
    assert_eq!(played.code, 0, "{}", played.words);
    let folder = stage.folder.path().display();
    let args = stage.read("args").expect("arguments");
    let start = stage.read("starts").expect("a line");
    let expected = format!(
        "\n86400\n$(touch owned)\nit's \"x\" `id`\n\n*\na\nb\n--x={folder}/y{folder}\n0-0\n-n\n\
         --starts\n{folder}/starts\n--start\n{start}\n--exit-file\n{folder}/exit"
    );
    assert!(args.ends_with(&expected), "{args}");
    let env = stage.read("env").expect("variables");
    for line in [
        "ODD=it's $HOME",
        "SITE=a b",
        "SET=up",
        "SRUN_CPUS_PER_TASK=48",
    ] {
        assert!(env.lines().any(|own| own == line), "{line}: {env}");
    }
    assert!(!Path::new("/owned").exists() && !stage.path("owned").exists());
}
