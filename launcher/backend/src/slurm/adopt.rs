//! Adopting a job that was submitted by hand.
//!
//! Rules: AD-1 it is looked at before anything is changed, and again when it is adopted. AD-2 who adopts
//! it says so in the folder of its result first, then in Slurm, by its name and comment; from then on it
//! is like any other. Whoever is killed in between does the same again. AD-3 the attempt's folder only
//! leads to the user's. AD-4 what was submitted besides under the same name is left alone: it finds
//! the word in the folder, and ends. Absent on purpose: what the job file in it means.

mod standing;

use schliff_scheduler::allocation::AllocationId;
use schliff_slurm::SlurmError;
use schliff_slurm::found::Found;
use schliff_slurm::job::JobId;
use schliff_spec::id::SubmitKey;

use super::batch::by_hand::document_of;
use super::batch::comment;
use super::desk::{Desk, now};
use super::fault;
use super::folder::adoption::{self, Claim, Claimed, Place, Scene};
use super::folder::read;
use super::submit::{nonce, text_file};
use crate::error::BackendError;
use crate::foundling::{FindError, Foundling};
use crate::launch::Launch;
use standing::{Standing, rivals, standing};

impl Desk {
    /// Looks at a job that was submitted by hand.
    pub(super) async fn foundling(&self, id: &AllocationId) -> Result<Foundling, FindError> {
        let doing = format!("look at job {id} of {}", self.options.cluster);
        let found = self.found(&doing, id).await?;
        let out = match standing(&found, &self.options.instance, now())? {
            Standing::ByHand { out } => out,
            Standing::Ours(key) => {
                let id = id.clone();
                return Err(FindError::Known { id, key });
            }
        };
        self.no_rival(&doing, &found).await?;
        self.may_rename(&doing).await?;
        let place = place(&found, out);
        let scene = self.scene(&doing, &place).await?;
        if !scene.is_visible {
            return Err(FindError::NoFolder(place.folder));
        }
        let out = place.out.clone();
        if scene.is_done {
            return Err(FindError::Done { out });
        }
        if let Some((word, key)) = scene.adopted {
            let who = format!("{word} {key}");
            return Err(FindError::Adopted { who, out });
        }
        let document = match self.in_script(found.job.id).await {
            Some(document) => document,
            None => scene.document.ok_or(FindError::NoDocument)?,
        };
        Ok(Foundling {
            document,
            out,
            nodes: found.job.node_count,
            time_limit_ms: found.job.time_limit_min.map(|min| u64::from(min) * 60_000),
        })
    }

    /// Makes it the allocation of a key.
    pub(super) async fn adopt(
        &self,
        launch: &Launch,
        id: &AllocationId,
    ) -> Result<AllocationId, BackendError> {
        let (key, cluster) = (launch.key, &self.options.cluster);
        let doing = format!("adopt job {id} of {cluster} as {key}");
        let _alone = self.alone(key).await;
        let found = self.found(&doing, id).await;
        let found = found.map_err(|error| told(&doing, error))?;
        match standing(&found, &self.options.instance, now()) {
            Ok(Standing::Ours(own)) if own == key => {}
            Ok(Standing::Ours(own)) => {
                let id = id.clone();
                return Err(told(&doing, FindError::Known { id, key: own }));
            }
            Ok(Standing::ByHand { out }) => {
                let place = place(&found, out);
                self.claim(&doing, launch, &place).await?;
                self.take(&doing, launch, (&found, &place)).await?;
            }
            // It came to its end in the meantime: its folder tells the rest.
            Err(FindError::Ended(_)) if self.is_done(&doing, &found).await? => {
                if let Some(out) = standing::out(&found.job) {
                    let place = place(&found, out);
                    self.claim(&doing, launch, &place).await?;
                }
            }
            Err(error) => return Err(told(&doing, error)),
        }
        let noted = adoption::note(&self.shelf, key, found.job.id);
        self.ask(&doing, noted, read::nothing).await?;
        Ok(id.clone())
    }

    /// Writes down whose it is, or finds that somebody else has.
    async fn claim(&self, doing: &str, launch: &Launch, place: &Place) -> Result<(), BackendError> {
        let files = launch.files.iter().map(|file| text_file(doing, file));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let mark = nonce().map_err(|source| BackendError::Transient {
            doing: doing.to_owned(),
            source: source.into(),
        })?;
        let claim = Claim {
            key: launch.key,
            place,
            files: &files,
            made_at: now().0,
            mark: &mark,
        };
        let script = adoption::claim(&self.shelf, &claim);
        match self.ask(doing, script, adoption::claimed).await? {
            Claimed::Ours => Ok(()),
            Claimed::Theirs(who) => {
                self.unclaim(doing, launch.key, place).await?;
                let out = place.out.clone();
                Err(told(doing, FindError::Adopted { who, out }))
            }
        }
    }

    /// Gives it the name and the comment of ours. Where that cannot be, nothing is left of the claim.
    async fn take(
        &self,
        doing: &str,
        launch: &Launch,
        (found, place): (&Found, &Place),
    ) -> Result<(), BackendError> {
        let rivals = self.no_rival(doing, found).await;
        if let Err(error) = rivals {
            let error = told(doing, error);
            if matches!(error, BackendError::Rejected { .. }) {
                self.unclaim(doing, launch.key, place).await?;
            }
            return Err(error);
        }
        let name = launch.key.to_string();
        let comment = comment(&self.options.instance, &launch.name);
        let renamed = self.reach.slurm.rename(found.job.id, &name, &comment).await;
        if matches!(renamed, Err(SlurmError::Refused { .. })) {
            self.unclaim(doing, launch.key, place).await?;
        }
        renamed.map_err(|error| fault::of_slurm(doing, error))
    }

    async fn may_rename(&self, doing: &str) -> Result<(), FindError> {
        match self.reach.slurm.can_rename().await {
            Ok(()) => Ok(()),
            Err(SlurmError::Refused { why, .. }) => Err(FindError::NoRename { why }),
            Err(error) => Err(fault::of_question(doing, error).into()),
        }
    }

    async fn unclaim(
        &self,
        doing: &str,
        key: SubmitKey,
        place: &Place,
    ) -> Result<(), BackendError> {
        let taken_back = adoption::unclaim(&self.shelf, key, place);
        self.ask(doing, taken_back, read::nothing).await
    }

    async fn found(&self, doing: &str, id: &AllocationId) -> Result<Found, FindError> {
        let number: u32 = (id.0.parse().ok()).ok_or_else(|| FindError::NoNumber(id.clone()))?;
        let found = self.reach.slurm.find(JobId(number)).await;
        let found = found.map_err(|error| fault::of_question(doing, error))?;
        found.ok_or_else(|| FindError::Unknown(id.clone()))
    }

    async fn scene(&self, doing: &str, place: &Place) -> Result<Scene, BackendError> {
        self.ask(doing, adoption::look(place), adoption::scene)
            .await
    }

    async fn is_done(&self, doing: &str, found: &Found) -> Result<bool, BackendError> {
        match standing::out(&found.job) {
            Some(out) => Ok(self.scene(doing, &place(found, out)).await?.is_done),
            None => Ok(false),
        }
    }

    /// Jobs of one name wait for each other: what is adopted must not be one that waits for another.
    async fn no_rival(&self, doing: &str, found: &Found) -> Result<(), FindError> {
        let jobs = self.reach.slurm.queue(&found.job.name).await;
        let jobs = jobs.map_err(|error| fault::of_question(doing, error))?;
        let own = standing::out(&found.job).map(|out| place(found, out).out);
        for other in rivals(&found.job, &jobs, now()) {
            // Elsewhere, the same words are another folder.
            let beside = self.reach.slurm.find(other).await;
            let beside = beside.map_err(|error| fault::of_question(doing, error))?;
            let beside = beside.as_ref();
            let theirs = beside.and_then(|it| Some(place(it, standing::out(&it.job)?).out));
            if theirs.is_some() && theirs == own {
                return Err(FindError::Rival {
                    id: AllocationId(found.job.id.to_string()),
                    other: AllocationId(other.to_string()),
                });
            }
        }
        Ok(())
    }

    /// The job file in its batch script, where Slurm gives that.
    async fn in_script(&self, job: JobId) -> Option<String> {
        match self.reach.slurm.batch_script(job).await {
            Ok(script) => document_of(&script?).map(str::to_owned),
            Err(error) => {
                tracing::debug!(%job, "{error}");
                None
            }
        }
    }
}

fn place(found: &Found, out: &str) -> Place {
    Place {
        id: found.job.id,
        folder: found.folder.clone(),
        out: standing::absolute(&found.folder, out),
    }
}

/// A reason not to adopt something, as the answer to the order to do it.
fn told(doing: &str, error: FindError) -> BackendError {
    match error {
        FindError::Backend(error) => error,
        error => fault::rejected(doing, &error),
    }
}
