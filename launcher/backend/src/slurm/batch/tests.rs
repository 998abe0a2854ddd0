use std::process::{Command, Stdio};

use schliff_scheduler::shape::Shape;
use schliff_slurm::batch::render;
use schliff_spec::cluster::{
    BatchWish, Container, ContainerRuntime, GpuForm, Launching, Reports, SlurmAsk, Transport,
};
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::*;

mod played;
mod searched;

pub(super) fn site() -> Slurm {
    Slurm {
        transport: Transport::Command,
        folder: "/p/scratch/nlp/schliff".into(),
        program: "schliff".into(),
        ask: SlurmAsk::default(),
        chain: Chain::Requeue,
        signal_before_s: 300,
        launch: Launching::default(),
        reports: Reports::Direct,
        has_accounting: true,
        may_start_now: false,
        no_kill: false,
        logins_per_minute: 6,
        max_queued: None,
        observe_every_s: 30,
        relay_rate_bytes: 50_000_000,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

pub(super) fn launch() -> Launch {
    let args = "agent {dir}/job.toml --out /p/scratch/nlp/runs/desk-42 --nodes 2 --ranks-per-node 4 \
                --coordinator https://schliff.example.org:7447 --token-file {dir}/token --job 42 \
                --generation 3 --time-limit 86400";
    Launch {
        key: SubmitKey {
            job: JobId(42),
            generation: Generation(3),
        },
        name: "desk".into(),
        shape: Shape {
            nodes: 2,
            gpus_per_node: 4,
            cpus_per_node: 48,
            ranks: 8,
        },
        min_nodes: None,
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: Some(86_400_000),
        work_ms: Some(200_000_000),
        wish: BatchWish::default(),
        args: words(args),
        env: Vec::new(),
        files: Vec::new(),
    }
}

const ATTEMPT: Attempt<'_> = Attempt {
    folder: "/p/scratch/nlp/schliff/schliff-42-3",
    nonce: "k3v9x0q2",
    instance: "b7m4",
};

fn script(site: &Slurm, launch: &Launch) -> String {
    let batches = batches(site, launch, ATTEMPT).expect("jobs");
    render(&batches[0]).expect("a script")
}

/// A site with everything that a site may want, and a chain of successors.
fn demanding() -> Slurm {
    let launch = Launching {
        mpi: Some("pmix".into()),
        srun_options: words("--distribution=block:block --hint=nomultithread"),
        modules: words("Stages/2025 CUDA/12"),
        setup: vec!["source /p/project/nlp/env.sh".into()],
        environment: vec![("NCCL_DEBUG".into(), "WARN".into())],
        container: Some(container(ContainerRuntime::Apptainer)),
        host_suffix: Some("i".into()),
        interface: Some("ib0".into()),
    };
    let ask = SlurmAsk {
        account: Some("nlp".into()),
        partition: Some("booster".into()),
        exclusive: true,
        gpu_form: GpuForm::GpusPerNode,
        gpu_type: Some("a100".into()),
        memory_mib: Some(0),
        options: words("--switches=1"),
        ..SlurmAsk::default()
    };
    Slurm {
        ask,
        chain: Chain::Successors,
        launch,
        no_kill: true,
        ..site()
    }
}

fn container(runtime: ContainerRuntime) -> Container {
    Container {
        runtime,
        image: "/p/project/nlp/schliff image.sif".into(),
        mounts: words("/p/scratch:/p/scratch /p/data:/data:ro"),
    }
}

#[test]
fn a_plain_site() {
    insta::assert_snapshot!(script(&site(), &launch()));
}

#[test]
fn a_demanding_site() {
    let mut launch = launch();
    launch.wish.account = Some("laifoms".into());
    launch.avoid = vec!["jwb0007".parse().expect("a name")];
    launch.min_nodes = Some(1);
    insta::assert_snapshot!(script(&demanding(), &launch));
}

#[test]
fn a_job_that_needs_all_its_nodes_dies_with_one_of_them() {
    let site = Slurm {
        no_kill: true,
        ..site()
    };
    assert_eq!(
        script(&site, &launch()),
        script(&super::tests::site(), &launch())
    );
    for (least, may) in [(1, true), (2, false)] {
        let mut launch = launch();
        launch.min_nodes = Some(least);
        let script = script(&site, &launch);
        assert_eq!(script.contains("#SBATCH --no-kill"), may, "{script}");
        assert_eq!(script.contains("--min-nodes 1"), may, "{script}");
        assert_eq!(script.contains("--wait=0 --no-kill"), may, "{script}");
    }
}

#[test]
fn pyxis_gets_its_container_by_options_of_srun() {
    let mut site = site();
    site.launch.container = Some(container(ContainerRuntime::Pyxis));
    let script = script(&site, &launch());
    let from = script.find("srun_options=(").expect("options");
    let options = &script[from..from + script[from..].find("\n)").expect("an end")];
    insta::assert_snapshot!(options, @r#"
    srun_options=(
        --nodes=2 --ntasks=2 --ntasks-per-node=1
        --export=ALL --mpi=none --cpu-bind=cores
        --kill-on-bad-exit=0 --wait=180 # those that are left tell why one ended
        --container-image='/p/project/nlp/schliff image.sif'
        --container-mounts="$folder:$folder",/p/scratch:/p/scratch,/p/data:/data:ro
        --container-workdir="$folder"
    "#);
    let odd = Attempt {
        folder: "/s/a:b",
        ..ATTEMPT
    };
    let refused = batches(&site, &launch(), odd)
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("which divide mounts"), "{refused}");
}

#[test]
fn a_chain_has_as_many_links_as_the_work_takes_and_one_to_spare() {
    let links = |chain, work_ms, time_limit_ms| {
        let launch = Launch {
            work_ms,
            time_limit_ms,
            ..launch()
        };
        let jobs = batches(&Slurm { chain, ..site() }, &launch, ATTEMPT);
        let jobs = jobs.expect("jobs");
        assert!(jobs.iter().all(|job| job == &jobs[0]), "links are alike");
        let line = jobs[0].body.lines().find(|line| line.starts_with("links="));
        (jobs.len(), line.map(|line| line[6..].to_owned()))
    };
    let told = |links: &str| Some(links.to_owned());
    assert_eq!(links(Chain::None, Some(200), Some(100)), (1, None));
    assert_eq!(links(Chain::Requeue, Some(201), Some(100)), (1, told("4")));
    assert_eq!(
        links(Chain::Successors, Some(200), Some(100)),
        (3, told("3"))
    );
    assert_eq!(links(Chain::Successors, None, Some(100)), (2, told("2")));
    assert_eq!(links(Chain::Requeue, Some(200), None), (1, told("2")));
    assert_eq!(
        links(Chain::Requeue, Some(u64::MAX), Some(1)),
        (1, told("1000"))
    );
}

#[test]
fn the_warning_comes_in_time_but_not_at_once() {
    let signal = |before_s, time_limit_ms| {
        let site = Slurm {
            signal_before_s: before_s,
            ..site()
        };
        let launch = Launch {
            time_limit_ms,
            ..launch()
        };
        let jobs = batches(&site, &launch, ATTEMPT).expect("jobs");
        jobs[0].ask.signal.as_ref().map(|(_, seconds)| *seconds)
    };
    assert_eq!(signal(300, Some(86_400_000)), Some(300));
    assert_eq!(signal(300, Some(180_000)), Some(60));
    assert_eq!(signal(1_000_000, None), Some(65_535));
    assert_eq!(signal(0, None), None);
}

#[test]
fn words_that_do_not_mean_themselves_are_refused() {
    let told = |site: &Slurm, launch: &Launch, attempt| {
        let refused = batches(site, launch, attempt).expect_err("refused");
        refused.to_string()
    };
    let mut foreign = site();
    foreign.launch.environment = vec![("A-B".into(), "1".into())];
    assert!(told(&foreign, &launch(), ATTEMPT).contains("the name of a variable"));
    let mut foreign = site();
    foreign.launch.interface = Some("ib0; reboot".into());
    assert!(told(&foreign, &launch(), ATTEMPT).contains("a network interface"));
    let mut args = launch();
    args.args.push("a\0b".into());
    assert!(told(&site(), &args, ATTEMPT).contains("an argument"));
    let folder = Attempt {
        folder: "/s/a\\b",
        ..ATTEMPT
    };
    assert!(told(&site(), &launch(), folder).contains("backslash"));
}

#[test]
fn secrets_are_in_a_file_of_their_own() {
    let mut launch = launch();
    launch.env = vec![
        ("TOKEN".into(), "it's secret".into()),
        ("N".into(), "1".into()),
    ];
    assert_eq!(
        environment(&launch).expect("lines"),
        "TOKEN='it'\\''s secret'\nN=1\n"
    );
    assert!(!script(&site(), &launch).contains("secret"));
}

/// What bash says to the text of a script that it does not run.
#[test]
fn bash_understands_every_script() {
    let pyxis = Slurm {
        launch: Launching {
            container: Some(container(ContainerRuntime::Pyxis)),
            ..Launching::default()
        },
        ..site()
    };
    for site in [site(), demanding(), pyxis] {
        let mut bash = Command::new("bash")
            .arg("-n")
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash");
        let mut stdin = bash.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, script(&site, &launch()).as_bytes()).expect("taken");
        drop(stdin);
        assert!(bash.wait().expect("an end").success());
    }
}
