//! `schliff run` with several ranks: started, watched, ended, started again.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde_json::Value;

use crate::stage::{Ended, JobFolder, Running, schliff};

/// What every rank knows, and how it beats.
pub(crate) const RANK: &str = r#"
    field() { printf '%s' "$request" | sed -n "s/.*\"$1\":\"\{0,1\}\([0-9a-z.:]*\).*/\1/p"; }
    rank=$(printf '%s' "$request" | sed 's/.*"place":{"rank":\([0-9]*\).*/\1/')
    generation=$(field generation)
    beat() { say "{\"event\":\"beat\",\"step\":$1,\"doing\":\"$2\",\"for_ms\":${3:-0}}"; }
    commit() { say "{\"event\":\"checkpoint\",\"fate\":\"committed\",\"step\":$1,\"bytes\":1,\"latency_ms\":1}"; }
    lost() { say '{"event":"failed","error":"a peer is lost","causes":[],"hint":null,"exit":76,"saved":null}'; exit 76; }
    result() { say "{\"event\":\"done\",\"result\":{\"steps\":3,\"request\":$request}}"; exit 0; }
    work() { while :; do beat "$1" "$2"; sleep 0.2; done; }
"#;

fn start(job: &JobFolder, args: &[&str], scene: &str) -> Running {
    start_prepared(job, args, ("", scene))
}

/// With shell code that is played before the greeting.
fn start_prepared(job: &JobFolder, args: &[&str], (before, scene): (&str, &str)) -> Running {
    let run = ["run", "job.toml", "--json"];
    let mut command = schliff(&[&run[..], args].concat(), scene);
    command
        .current_dir(job.path(""))
        .env("BEFORE", RANK.to_owned() + before);
    Running::start(command)
}

fn play(args: &[&str], scene: &str) -> Ended {
    let job = JobFolder::with("");
    start(&job, args, scene).end()
}

fn request(ended: &Ended) -> Value {
    let result: Value = serde_json::from_str(&ended.stdout).expect("one JSON value");
    result["request"].clone()
}

#[test]
fn two_ranks_get_their_places_and_rank_0_gives_the_result() {
    let scene = r#"echo "$rank of two, generation $generation, $SCHLIFF_THREADS threads" >&2
        say "{\"event\":\"warning\",\"text\":\"heard once\"}"
        result"#;
    let job = JobFolder::with("");
    let ended = start(&job, &["--ranks", "2"], scene).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let request = request(&ended);
    let place = &request["place"];
    assert_eq!(place["rank"], 0);
    assert_eq!(place["world_size"], 2);
    assert_eq!(place["rendezvous"]["listen"], "127.0.0.1");
    assert_eq!(request["start"]["kind"], "fresh");
    let secret = place["rendezvous"]["secret_file"].as_str().expect("a path");
    assert!(!std::path::Path::new(secret).exists(), "the secret is gone");
    for rank in 0..2 {
        let told = format!("[0:{rank}] {rank} of two, generation 0");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
        let log = std::fs::read_to_string(job.path(&format!("runs/intents/logs/rank-{rank}.log")));
        assert!(log.expect("a log").contains(" of two"));
    }
    assert_eq!(ended.stderr.matches("heard once").count(), 1);
}

#[test]
fn a_killed_rank_ends_its_peers_and_all_start_again_from_what_is_safe() {
    let scene = r#"
        if [ "$generation" = 0 ]; then
            if [ "$rank" = 1 ]; then beat 17 computing; sleep 1; kill -KILL $$; fi
            trap 'echo "rank $rank was asked to end" >&2; exit 0' TERM
            say '{"event":"step","step":17,"steps":20,"loss":1,"grad_norm":1,"lr":1,"tokens":1,"tokens_per_s":1}'
            commit 16; work 17 reducing
        fi
        result"#;
    let ended = play(&["--ranks", "2"], scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = "rank 1 was killed by SIGKILL at step 17; restarting from step 16 (1 of 3)";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("rank 0 was asked to end"),
        "{}",
        ended.stderr
    );
    let request = request(&ended);
    assert_eq!(request["place"]["generation"], 1);
    assert_eq!(request["start"]["kind"], "continue");
}

#[test]
fn a_rank_that_is_killed_in_the_middle_of_a_line_breaks_no_protocol() {
    let scene = r#"
        if [ "$generation" = 0 ] && [ "$rank" = 1 ]; then
            beat 3 computing; printf '{"event":"be'; printf 'half a wo' >&2; kill -KILL $$
        fi
        [ "$generation" = 0 ] && work 3 reducing
        result"#;
    let ended = play(&["--ranks", "2"], scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = "rank 1 was killed by SIGKILL at step 3; restarting from the beginning (1 of 3)";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(ended.stderr.contains("[0:1] half a wo"), "{}", ended.stderr);
}

#[test]
fn peers_of_the_lost_rank_are_not_blamed() {
    let scene = r#"
        if [ "$generation" = 0 ]; then
            beat 4 computing
            [ "$rank" = 0 ] && lost
            sleep 0.5; kill -SEGV $$
        fi
        result"#;
    let ended = play(&["--ranks", "2"], scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = "rank 1 was killed by SIGSEGV at step 4; restarting from the beginning (1 of 3)";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_group_that_keeps_dying_ends_with_76_and_a_way_on() {
    let scene = "commit 5; beat 7 computing; echo dying >&2; exit 3";
    let ended = play(&["--max-restarts", "1"], scene);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(76), ""));
    for told in [
        "rank 0 exited with 3 at step 7; restarting from step 5 (1 of 1)",
        "error: the group is lost again, without progress since the restart",
        "  dying",
        "hint: step 5 is safe: --resume runs/intents/checkpoints goes on from there",
    ] {
        assert!(ended.stderr.contains(told), "{told} in {}", ended.stderr);
    }
}

#[test]
fn a_stopped_rank_is_found_and_replaced() {
    let scene = r#"
        if [ "$generation" = 0 ]; then
            beat 2 computing
            [ "$rank" = 1 ] && kill -STOP $$
            work 2 reducing
        fi
        result"#;
    let ended = play(&["--ranks", "2", "--hang-timeout", "2"], scene);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = "rank 1 gave no sign of life for 3 s at step 2; restarting";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_failure_of_the_job_is_not_tried_again() {
    let scene = r#"
        beat 3 computing
        if [ "$rank" = 1 ]; then
            say '{"event":"failed","error":"the loss is not a number","causes":[],"hint":null,"exit":1,"saved":null}'
            exit 1
        fi
        work 3 reducing"#;
    let ended = play(&["--ranks", "2"], scene);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("error: the loss is not a number"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("restarting"), "{}", ended.stderr);
}

/// Stops as asked; rank 0 takes longer than the others.
const AGREEABLE: &str = r#"
    stop() {
        echo "$1 reached rank $rank" >&2
        [ "$rank" = 0 ] && sleep 0.5
        say "{\"event\":\"failed\",\"error\":\"stopped after step 9\",\"causes\":[],\"hint\":null,\"exit\":$2,\"saved\":null}"
        exit "$2"
    }
    trap 'stop INT 130' INT
    trap 'stop TERM 75' TERM
    trap 'stop USR1 75' USR1
    trap 'echo "USR2 reached rank $rank" >&2' USR2
"#;
const AT_WORK: &str = r#"
    say '{"event":"stage","name":"at work"}'
    while :; do beat 9 computing; sleep 0.1; done
"#;

#[test]
fn each_signal_reaches_every_rank_and_the_exit_code_says_what_it_came_to() {
    for (signal, name, code) in [
        (Signal::INT, "INT", 130),
        (Signal::TERM, "TERM", 75),
        (Signal::USR1, "USR1", 75),
    ] {
        let job = JobFolder::with("");
        let mut running = start_prepared(&job, &["--ranks", "2"], (AGREEABLE, AT_WORK));
        running.wait_for("at work");
        running.signal(Signal::USR2);
        running.wait_for("USR2 reached rank");
        running.signal(signal);
        let ended = running.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        for rank in 0..2 {
            let told = format!("{name} reached rank {rank}");
            assert_eq!(ended.stderr.matches(&told).count(), 1, "{}", ended.stderr);
        }
        assert!(
            ended.stderr.contains("stopped after step 9"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_second_ctrl_c_kills_all_ranks() {
    let scene = r#"trap '' INT; say '{"event":"stage","name":"at work"}'; work 1 computing"#;
    let job = JobFolder::with("");
    let mut running = start(&job, &["--ranks", "4"], scene);
    running.wait_for("at work");
    running.signal_group(Signal::INT);
    running.wait_for("press again to abort");
    running.signal_group(Signal::INT);
    let ended = running.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), ""));
    assert!(ended.stderr.contains("error: aborted"), "{}", ended.stderr);
}

#[test]
fn a_stop_during_the_wait_for_a_restart_ends_it() {
    let scene = "beat 7 computing; commit 6; exit 3";
    let job = JobFolder::with("");
    let mut running = start(&job, &["--max-restarts", "9"], scene);
    running.wait_for("in 4 s (4 of 9)");
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert!(ended.stderr.contains("step 6 is safe"), "{}", ended.stderr);
}

#[test]
fn all_ranks_are_gone_when_schliff_is_killed() {
    let job = JobFolder::with("");
    let scene = r#"echo "pid $$" >&2; trap '' TERM INT; kill -STOP $$"#;
    let mut running = start(&job, &["--ranks", "2"], scene);
    let lives: Vec<_> = (0..2)
        .map(|_| {
            let line = running.wait_for("pid ");
            let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
            let pid = pid.and_then(Pid::from_raw).expect("a process number");
            pidfd_open(pid, PidfdFlags::empty()).expect("it lives")
        })
        .collect();
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    for life in lives {
        let mut ended = [PollFd::new(&life, PollFlags::IN)];
        let patience = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut ended, Some(&patience)), Ok(1), "a rank lives on");
    }
}

#[test]
fn world_sizes_that_do_not_fit_are_refused_before_anything_starts() {
    let scene = "echo started >&2; result";
    let refused = play(&["--ranks", "3"], scene);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("take 2 or 4"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("started"));

    let of_job = JobFolder::with("[resources]\nnodes = 2\ngpus_per_node = 2\n");
    let ended = start(
        &of_job,
        &[],
        "echo \"sees $CUDA_VISIBLE_DEVICES\" >&2; result",
    )
    .end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(request(&ended)["place"]["world_size"], 4);
    assert!(ended.stderr.contains("[0:3] sees 3"), "{}", ended.stderr);
}

#[test]
fn resume_and_force_say_how_to_start() {
    let start_of = |args: &[&str]| request(&play(args, "result"))["start"].clone();
    assert_eq!(start_of(&["--force"])["kind"], "replace");
    let resumed = start_of(&["--resume", "s3://b/p"]);
    assert_eq!(
        (resumed["kind"].as_str(), resumed["uri"].as_str()),
        (Some("resume"), Some("s3://b/p"))
    );
}

#[test]
fn without_mpirun_or_its_trainer_a_way_out_is_shown() {
    let job = JobFolder::with("");
    let run = |set: &dyn Fn(&mut std::process::Command)| {
        let args = ["run", "job.toml", "--collective", "mpi", "--ranks", "2"];
        let mut command = schliff(&args, "result");
        command.current_dir(job.path(""));
        set(&mut command);
        crate::stage::end_of(command)
    };
    // What is beside `schliff` depends on what was built there before; the unit tests look at that.
    let ended = run(&|command| {
        command.env("SCHLIFF_TRAINER_MPI", "/nowhere/trainer");
    });
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let told = "SCHLIFF_TRAINER_MPI names /nowhere/trainer, which is no file";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = run(&|command| {
        command
            .env("SCHLIFF_TRAINER_MPI", "/bin/true")
            .env("PATH", "/nowhere");
    });
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("openmpi-bin"), "{}", ended.stderr);
}
