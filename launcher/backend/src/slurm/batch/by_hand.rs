//! A job that its user submits by hand, with nothing but `sbatch`. Pure.
//!
//! Rules: the script holds all that the job needs, and no secret; submitted again, it goes on from the
//! newest checkpoint. Jobs of the same name wait for each other, so that submitting it several times
//! is a chain, and twice by mistake does no harm. Absent on purpose: a coordinator, and its claim.

use schliff_scheduler::shape::Shape;
use schliff_slurm::batch::{Batch, render};
use schliff_spec::cluster::{BatchWish, Chain, Slurm};
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::body::{Body, quoted};
use super::{Attempt, MOST_LINKS, ScriptError, ask, flow, links};
use crate::launch::Launch;

/// What is to be trained, and with how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByHand<'a> {
    /// Name of the job, and of Slurm's jobs.
    pub name: &'a str,
    /// The resolved job.
    pub job_toml: &'a str,
    /// Folder of the result; relative to where it is submitted.
    pub out: &'a str,
    /// How much it takes.
    pub shape: Shape,
    /// Wall time of one Slurm job.
    pub time_limit_ms: Option<u64>,
    /// Wall time in all.
    pub work_ms: Option<u64>,
    /// What the job says to the batch system.
    pub wish: &'a BatchWish,
}

/// The script, to be submitted in a folder that its nodes share.
///
/// # Errors
/// A word of the profile or of the job cannot be written where it has to stand.
pub fn by_hand(site: &Slurm, job: &ByHand<'_>) -> Result<String, ScriptError> {
    Ok(render(&batch(site, job)?)?)
}

fn batch(site: &Slurm, job: &ByHand<'_>) -> Result<Batch, ScriptError> {
    let launch = launch(job);
    let attempt = Attempt {
        folder: job.out,
        nonce: "",
        instance: "",
    };
    let links = match job.work_ms {
        Some(_) => links(site.chain, &launch),
        None => MOST_LINKS,
    };
    let body = Body {
        site,
        launch: &launch,
        attempt,
        links,
    };
    let mut ask = ask::ask(site, &launch);
    ask.more.push("--dependency=singleton".into());
    Ok(Batch {
        name: job.name.to_owned(),
        comment: format!("schliff by-hand {}", job.name),
        ask,
        output: "%x-%j.log".into(),
        folder: String::new(),
        body: text(&body, job)?,
    })
}

fn launch(job: &ByHand<'_>) -> Launch {
    let Shape { nodes, ranks, .. } = job.shape;
    let ranks_per_node = (ranks / nodes.max(1)).max(1);
    let mut args: Vec<String> = ["agent", "{dir}/job.toml", "--out", "{dir}"]
        .map(Into::into)
        .into();
    let mut flag = |name: &str, value: String| args.extend([name.to_owned(), value]);
    flag("--nodes", nodes.to_string());
    flag("--ranks-per-node", ranks_per_node.to_string());
    if let Some(limit_ms) = job.time_limit_ms {
        flag("--time-limit", (limit_ms / 1_000).max(1).to_string());
    }
    Launch {
        key: SubmitKey {
            job: JobId::default(),
            generation: Generation::default(),
        },
        name: job.name.to_owned(),
        shape: job.shape,
        placement: Vec::new(),
        avoid: Vec::new(),
        time_limit_ms: job.time_limit_ms,
        work_ms: job.work_ms,
        wish: job.wish.clone(),
        args,
        env: Vec::new(),
        files: Vec::new(),
    }
}

fn text(body: &Body<'_>, job: &ByHand<'_>) -> Result<String, ScriptError> {
    let rule = match body.site.chain {
        Chain::Requeue => flow::rule(Chain::Requeue, body.links),
        // The next one is submitted by hand.
        Chain::Successors | Chain::None => String::new(),
    };
    let sections = [
        head(body, job)?,
        flow::SIGNALS.to_owned(),
        flow::FINISH.to_owned(),
        ENDED.to_owned() + flow::START,
        document(job.job_toml)?,
        body.site_setup()?,
        body.network()?,
        body.step()?,
        flow::RUN.to_owned(),
        flow::TAKEN.to_owned(),
        rule,
        END.to_owned(),
    ];
    let sections = sections.into_iter().filter(|section| !section.is_empty());
    Ok(sections.collect::<Vec<_>>().join("\n"))
}

fn head(body: &Body<'_>, job: &ByHand<'_>) -> Result<String, ScriptError> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let name: String = job.name.chars().map(plain).collect();
    Ok(format!(
        "\
# The job {name}, by schliff {version}. Needs nothing but Slurm, schliff and schliff-trainer.
#
# Usage: sbatch THIS, in a folder that its nodes share
# Submitted again, it goes on from its newest checkpoint; jobs of this name wait for each other. The
# folder of the result has `done` once nothing is left to do; a file `stop` in it ends a chain.
{strict}folder={folder}
mkdir -p \"$folder\"
cd \"$folder\"
folder=$PWD
",
        version = env!("CARGO_PKG_VERSION"),
        strict = flow::STRICT,
        folder = quoted("the folder of the result", body.attempt.folder)?,
    ))
}

/// Nothing is left to do.
const ENDED: &str = "\
if [[ -e $folder/done ]]; then
    say \"nothing is left to do; remove $folder/done to run it again\"
    exit 0
fi
";

/// Only success is final: whoever mends something submits it again.
const END: &str = "\
[[ $code != 75 ]] || say 'more to do: the next job of this name goes on'
[[ $code != 0 ]] || finish 0
exit \"$code\"
";

/// The job file, word for word.
fn document(job_toml: &str) -> Result<String, ScriptError> {
    quoted("the job", job_toml)?;
    let mut end = String::from("END_OF_JOB");
    while job_toml.lines().any(|line| line == end) {
        end.push('_');
    }
    let line_end = if job_toml.ends_with('\n') { "" } else { "\n" };
    Ok(format!(
        "cat >\"$folder/job.toml\" <<'{end}'\n{job_toml}{line_end}{end}\n"
    ))
}
