use schliff_slurm::batch::render;
use schliff_spec::cluster::{Launching, Reports, SlurmAsk, Transport};
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::*;
use schliff_scheduler::shape::Shape;

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
    }
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
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: Some(86_400_000),
        work_ms: Some(200_000_000),
        wish: Default::default(),
        args: args.split_whitespace().map(Into::into).collect(),
        env: Vec::new(),
        files: Vec::new(),
    }
}

pub(super) const ATTEMPT: Attempt<'_> = Attempt {
    folder: "/p/scratch/nlp/schliff/schliff-42-3",
    nonce: "k3v9x0q2",
    instance: "b7m4",
};

fn script(site: &Slurm, launch: &Launch) -> String {
    let batches = batches(site, launch, ATTEMPT).expect("jobs");
    render(&batches[0]).expect("a script")
}

#[test]
fn a_plain_site() {
    insta::assert_snapshot!(script(&site(), &launch()));
}
