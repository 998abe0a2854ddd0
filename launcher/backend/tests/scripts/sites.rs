//! The profiles, and a job for each.

use std::path::{Path, PathBuf};

use schliff_backend::Launch;
use schliff_backend::slurm::batch::{Attempt, ByHand, Trials, batches, by_hand};
use schliff_scheduler::shape::Shape;
use schliff_slurm::batch::Batch;
use schliff_spec::cluster::{self, Backend, BatchWish, ClusterProfile, Slurm};
use schliff_spec::id::{Generation, JobId, SubmitKey};

/// A Slurm site, with what its users have to fill in filled in.
pub(crate) struct Site {
    pub(crate) profile: ClusterProfile,
    pub(crate) slurm: Slurm,
}

/// Every Slurm site with a profile.
pub(crate) fn sites() -> Vec<Site> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/clusters");
    let files = std::fs::read_dir(folder).expect("profiles");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let profiles = paths
        .iter()
        .map(|path| cluster::load(path).expect("a profile"));
    let sites: Vec<_> = profiles.filter_map(site).collect();
    assert!(sites.len() > 3, "the search itself works");
    sites
}

fn site(profile: ClusterProfile) -> Option<Site> {
    let Backend::Slurm(slurm) = &profile.backend else {
        return None;
    };
    let mut slurm = (**slurm).clone();
    let filled = |text: &str| text.replace(['<', '>'], "").to_lowercase();
    slurm.folder = filled(&slurm.folder);
    slurm.program = filled(&slurm.program);
    if let Some(container) = &mut slurm.launch.container {
        container.image = filled(&container.image);
    }
    Some(Site { profile, slurm })
}

impl Site {
    /// Two whole nodes, for as long as the site allows, by a job of five days.
    pub(crate) fn launch(&self) -> Launch {
        let limits = self.profile.limits;
        let gpus_per_node = limits.gpus_per_node.unwrap_or(0);
        let time_limit_s = limits.max_time_s.unwrap_or(86_400);
        let args = format!(
            "agent {{dir}}/job.toml --out /scratch/runs/desk-42 --nodes 2 \
             --ranks-per-node {ranks} --job 42 --generation 3 --time-limit {time_limit_s}",
            ranks = gpus_per_node.max(1),
        );
        Launch {
            key: SubmitKey {
                job: JobId(42),
                generation: Generation(3),
            },
            name: "desk".into(),
            shape: Shape {
                nodes: 2,
                gpus_per_node,
                cpus_per_node: limits.cpus_per_node.unwrap_or(16),
                ranks: 2 * gpus_per_node.max(1),
            },
            min_nodes: None,
            placement: Vec::new(),
            avoid: Vec::new(),
            time_limit_ms: Some(time_limit_s * 1_000),
            work_ms: Some(5 * 86_400_000),
            wish: self.wish(),
            args: args.split_whitespace().map(Into::into).collect(),
            env: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Some sites take no job without an account.
    fn wish(&self) -> BatchWish {
        BatchWish {
            account: self.slurm.ask.needs_account.then(|| "nlp".into()),
            ..BatchWish::default()
        }
    }

    pub(crate) fn batch(&self) -> Batch {
        let folder = format!("{}/schliff-42-3", self.slurm.folder);
        let attempt = Attempt {
            folder: &folder,
            nonce: "k3v9x0q2",
            instance: "b7m4",
        };
        batches(&self.slurm, &self.launch(), attempt)
            .expect("jobs")
            .remove(0)
    }

    /// The script of a search by hand: three trials, two at a time.
    pub(crate) fn search(&self) -> String {
        let sets = ["1e-4", "3e-4", "1e-3"].map(|lr| {
            let own = [
                format!("training.lr={lr}"),
                "training.schedule=\"cosine\"".to_owned(),
            ];
            own.to_vec()
        });
        let launch = self.launch();
        let job = ByHand {
            name: "desk",
            job_toml: "name = \"desk\"\n\n[model]\nbase = \"gguf:/models/base.gguf\"\n",
            out: "runs/desk",
            shape: launch.shape,
            min_nodes: None,
            time_limit_ms: launch.time_limit_ms,
            work_ms: None,
            wish: &launch.wish,
            trials: Some(Trials {
                sets: &sets,
                max_parallel: Some(2),
            }),
        };
        by_hand(&self.slurm, &job).expect("a script")
    }
}
