//! Submitting to a Slurm site.
//!
//! Rules: a key whose folder has a number has been submitted. Where the folder is there without one,
//! Slurm is asked for the key's name, and only when nobody knows it, it is submitted again. A folder is
//! removed only when it is certain that nothing came of its submit. Absent on purpose: asking Slurm
//! beforehand whether it would take the job; it says so when it does not.

use std::fs::File;
use std::io::Read;

use schliff_scheduler::allocation::AllocationId;
use schliff_scheduler::time::Timestamp;
use schliff_slurm::batch::{self as sbatch, Batch};
use schliff_slurm::channel::Output;
use schliff_slurm::client::command::{self, CommandSlurm, Submitted};
use schliff_slurm::client::{self, Cancel};
use schliff_slurm::job::JobId;
use schliff_slurm::{Slurm, SlurmError};
use schliff_spec::cluster::SlurmAsk;

use super::batch::{self, Attempt};
use super::desk::{Desk, now};
use super::folder::read::{self, Opened};
use super::folder::script::{self, Opening, TextFile};
use super::folder::{BATCH, ENVIRONMENT};
use super::{fault, listing};
use crate::error::BackendError;
use crate::launch::{Launch, LaunchFile};

/// What a launch comes to at this site.
struct Plan {
    jobs: Vec<Batch>,
    files: Vec<TextFile>,
    nonce: String,
}

impl Desk {
    pub(super) async fn submit(&self, launch: &Launch) -> Result<AllocationId, BackendError> {
        let doing = format!("submit {} to {}", launch.key, self.options.cluster);
        let _alone = self.alone(launch.key).await;
        let opened = self.open(&doing, launch, false).await?;
        let id = match opened {
            Ok(id) => id,
            Err(Unsettled) => match self.find(&doing, launch).await? {
                Some(id) => {
                    let noted = script::add_id(&self.shelf, launch.key, id);
                    self.ask(&doing, noted, read::nothing).await?;
                    id
                }
                None => self
                    .open(&doing, launch, true)
                    .await?
                    .map_err(|Unsettled| {
                        let why = "the shared folder does not keep what was written";
                        lost(&doing, why)
                    })?,
            },
        };
        Ok(AllocationId(id.to_string()))
    }

    pub(super) async fn estimate(
        &self,
        launch: &Launch,
    ) -> Result<Option<Timestamp>, BackendError> {
        let doing = format!(
            "ask {} when {} would start",
            self.options.cluster, launch.key
        );
        let plan = self.plan(&doing, launch)?;
        let Some(first) = plan.jobs.first() else {
            return Ok(None);
        };
        let trial = self.reach.slurm.test(first).await;
        let trial = trial.map_err(|error| fault::of_slurm(&doing, error))?;
        Ok(trial.start_at.and_then(listing::timestamp))
    }

    /// Makes the folder and submits, unless the folder is there.
    async fn open(
        &self,
        doing: &str,
        launch: &Launch,
        is_again: bool,
    ) -> Result<Result<JobId, Unsettled>, BackendError> {
        let plan = self.plan(doing, launch)?;
        let Some(first) = plan.jobs.first() else {
            return Err(lost(doing, "it came to no job"));
        };
        let commands = self.reach.commands.as_ref();
        let submit = commands.map(|_| command::submit_script(first)).transpose();
        let submit = submit.map_err(|error| fault::of_slurm(doing, error))?;
        let opening = Opening {
            key: launch.key,
            files: &plan.files,
            made_at: now().0,
            mark: &plan.nonce,
            submit: submit.as_deref(),
            is_again,
        };
        let script = script::open(&self.shelf, &opening);
        let opened = self.ask(doing, script, read::opened).await?;
        let first = match opened {
            Opened::Known(id) => return Ok(Ok(id)),
            Opened::Unsettled => return Ok(Err(Unsettled)),
            Opened::Foreign(instance) => {
                return Err(BackendError::Rejected {
                    doing: doing.to_owned(),
                    why: format!(
                        "its folder {} is another coordinator's ({instance}); \
                         slurm.folder of each must be its own",
                        self.shelf.place(launch.key)
                    ),
                });
            }
            Opened::Made(output) => {
                let told = match commands {
                    Some(commands) => self.read_submitted(commands, first, &output).await,
                    None => self.submit_and_note(launch, first).await,
                };
                self.settle(doing, launch, told).await?
            }
        };
        self.chain(doing, launch, first, &plan.jobs[1..]).await;
        Ok(Ok(first))
    }

    /// What the script's `sbatch` did. A job that came with a warning is cancelled again.
    async fn read_submitted(
        &self,
        commands: &CommandSlurm,
        batch: &Batch,
        output: &Output,
    ) -> Result<JobId, SlurmError> {
        commands.count(1);
        match command::read_submitted(&batch.name, output)? {
            Submitted::Taken(id) => Ok(id),
            Submitted::Doubtful { job, warning } => {
                let cancelled = commands.cancel(&[job], Cancel::End).await;
                Err(client::doubtful(&batch.name, job, &warning, cancelled))
            }
        }
    }

    /// Submits to where no shell leads, and writes the number down.
    async fn submit_and_note(&self, launch: &Launch, batch: &Batch) -> Result<JobId, SlurmError> {
        let id = self.reach.slurm.submit(batch).await?;
        let noted = script::add_id(&self.shelf, launch.key, id);
        let noted = self.ask("note a job", noted, read::nothing).await;
        noted.map_err(|error| SlurmError::Lost {
            doing: format!("submit {}", launch.key),
            why: crate::error::chain(&error),
        })?;
        Ok(id)
    }

    /// The first job's number; without it nothing is left of the folder, unless there may be a job.
    async fn settle(
        &self,
        doing: &str,
        launch: &Launch,
        told: Result<JobId, SlurmError>,
    ) -> Result<JobId, BackendError> {
        let error = match told {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        let is_open = matches!(
            error,
            SlurmError::Lost { .. } | SlurmError::NotUnderstood { .. }
        );
        if !is_open {
            let gone = script::remove(&self.shelf, launch.key);
            self.ask(doing, gone, read::nothing).await?;
        }
        Err(fault::of_slurm(doing, error))
    }

    /// Submits the jobs that are to follow. Without them the coordinator submits what follows.
    async fn chain(&self, doing: &str, launch: &Launch, first: JobId, jobs: &[Batch]) {
        let mut last = first;
        for job in jobs {
            let mut job = job.clone();
            job.ask.after_any = Some(last.0);
            let told = self.reach.slurm.submit(&job).await;
            let told = told.map_err(|error| fault::of_slurm(doing, error));
            let kept = match told {
                Ok(id) => {
                    last = id;
                    let noted = script::add_id(&self.shelf, launch.key, id);
                    self.ask(doing, noted, read::nothing).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                let why = crate::error::chain(&error);
                tracing::warn!(key = %launch.key, "its chain has fewer links than wanted: {why}");
                return;
            }
        }
    }

    /// The first job that Slurm or the folder knows under this key.
    async fn find(&self, doing: &str, launch: &Launch) -> Result<Option<JobId>, BackendError> {
        let known = self.jobs(doing, launch.key).await?;
        if let Some(id) = known.iter().map(|job| job.id).min() {
            return Ok(Some(id));
        }
        // One that has started and ended long ago; one that never started may be submitted again.
        let facts = self.facts(doing, &[launch.key]).await?;
        let facts = facts.get(&launch.key);
        Ok(facts.and_then(|facts| facts.starts.first().copied()))
    }

    fn plan(&self, doing: &str, launch: &Launch) -> Result<Plan, BackendError> {
        has_payer(doing, &self.options.site.ask, launch)?;
        let nonce = nonce().map_err(|source| BackendError::Transient {
            doing: doing.to_owned(),
            source: source.into(),
        })?;
        let folder = self.shelf.place(launch.key);
        let attempt = Attempt {
            folder: &folder,
            nonce: &nonce,
            instance: &self.options.instance,
        };
        let jobs = batch::batches(&self.options.site, launch, attempt);
        let jobs = jobs.map_err(|error| fault::rejected(doing, &error))?;
        let mut files = vec![TextFile {
            name: ENVIRONMENT.to_owned(),
            text: batch::environment(launch).map_err(|error| fault::rejected(doing, &error))?,
        }];
        if let Some(first) = jobs.first() {
            let text = sbatch::render(first).map_err(|error| fault::rejected(doing, &error))?;
            files.push(TextFile {
                name: BATCH.to_owned(),
                text,
            });
        }
        for file in &launch.files {
            files.push(text_file(doing, file)?);
        }
        Ok(Plan { jobs, files, nonce })
    }
}

/// Where a site takes no job without an account, its own refusal would not say what to write.
fn has_payer(doing: &str, ask: &SlurmAsk, launch: &Launch) -> Result<(), BackendError> {
    if !ask.with(&launch.wish).lacks_account() {
        return Ok(());
    }
    let why = "nobody pays: the site takes no job without an account; \
               write scheduling.account in the job, or ask.account in the profile";
    Err(BackendError::Rejected {
        doing: doing.to_owned(),
        why: why.to_owned(),
    })
}

/// The folder is there, and nothing in it tells whether its job was submitted.
struct Unsettled;

pub(super) fn text_file(doing: &str, file: &LaunchFile) -> Result<TextFile, BackendError> {
    let text = String::from_utf8(file.content.clone());
    let text = text.map_err(|_| BackendError::Rejected {
        doing: doing.to_owned(),
        why: format!("the file {} is not text", file.name),
    })?;
    Ok(TextFile {
        name: file.name.clone(),
        text,
    })
}

fn lost(doing: &str, why: &'static str) -> BackendError {
    BackendError::Lost {
        doing: doing.to_owned(),
        source: why.into(),
    }
}

/// A word that nobody else has.
pub(super) fn nonce() -> std::io::Result<String> {
    let mut bytes = [0; 12];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use schliff_scheduler::shape::Shape;
    use schliff_spec::cluster::BatchWish;

    use super::*;

    #[test]
    fn a_site_with_accounts_wants_one_from_the_job_or_the_profile() {
        let launch = |account: Option<&str>| Launch {
            key: "schliff-1-1".parse().unwrap(),
            name: "job".into(),
            shape: Shape {
                nodes: 1,
                gpus_per_node: 0,
                cpus_per_node: 1,
                ranks: 1,
            },
            min_nodes: None,
            placement: Vec::new(),
            avoid: Vec::new(),
            time_limit_ms: None,
            work_ms: None,
            wish: BatchWish {
                account: account.map(str::to_owned),
                ..BatchWish::default()
            },
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
        };
        let free = SlurmAsk::default();
        let strict = SlurmAsk {
            needs_account: true,
            ..SlurmAsk::default()
        };
        assert!(has_payer("submit", &free, &launch(None)).is_ok());
        assert!(has_payer("submit", &strict, &launch(Some("mine"))).is_ok());
        let refused = has_payer("submit job 1", &strict, &launch(None)).unwrap_err();
        let told = refused.to_string();
        assert!(matches!(refused, BackendError::Rejected { .. }), "{told}");
        assert!(
            told.contains("scheduling.account") && told.contains("ask.account"),
            "{told}"
        );
    }
}
