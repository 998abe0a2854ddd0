//! A job that its user submits by hand, with nothing but `sbatch`. Pure.
//!
//! Rules: the script holds all that the job needs, and no secret; submitted again, it goes on from the
//! newest checkpoint. Jobs of the same name wait for each other, so that submitting it several times
//! is a chain, and twice by mistake does no harm; trials of a search are an array. What a coordinator
//! needs to adopt it later is there from the beginning: the comment names the folder of the result, and
//! agents leave their reports in it; a job that was not adopted leaves alone one that was. Absent on
//! purpose: a coordinator, and its claim; adopting a search.

mod trials;

use schliff_scheduler::shape::Shape;
use schliff_slurm::batch::{Batch, render};
use schliff_spec::cluster::{BatchWish, Chain, Slurm};
use schliff_spec::id::{Generation, JobId, SubmitKey};

use super::super::listing::COMMENT;
use super::body::{Body, quoted};
use super::{Attempt, MOST_LINKS, ScriptError, ask, flow, links};
use crate::launch::Launch;

pub use trials::Trials;

/// Second word of the comments of such jobs; the folder of the result follows.
pub(crate) const BY_HAND: &str = "by-hand";
/// Reports of the agents, in the folder of the result.
pub(crate) const SPOOL: &str = "spool";
/// How the job file begins in a script.
const DOCUMENT: &str = "cat >\"$folder/job.toml\" <<'";

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
    /// The fewest nodes that it can do with where some are lost; `None` where it needs all.
    pub min_nodes: Option<u32>,
    /// Wall time of one Slurm job.
    pub time_limit_ms: Option<u64>,
    /// Wall time in all.
    pub work_ms: Option<u64>,
    /// What the job says to the batch system.
    pub wish: &'a BatchWish,
    /// The trials, where the job describes a search.
    pub trials: Option<Trials<'a>>,
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
    ask.array = job.trials.map(Trials::array);
    ask.more.push("--dependency=singleton".into());
    Ok(Batch {
        name: job.name.to_owned(),
        comment: format!("{COMMENT} {BY_HAND} {}", job.out),
        ask,
        // A job that is adopted gets another name.
        output: log(job.trials.map_or("%j", |_| "%A_%a")),
        folder: String::new(),
        body: text(&body, job)?,
    })
}

/// Name of the log of a Slurm job, where it was submitted.
pub(crate) fn log(id: &str) -> String {
    format!("schliff-{id}.log")
}

/// The job file that a script holds; `None` where it is none of these.
pub(crate) fn document_of(script: &str) -> Option<&str> {
    let (_, rest) = script.split_once(DOCUMENT)?;
    let (end, rest) = rest.split_once("'\n")?;
    let end = format!("{end}\n");
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line == end {
            return rest.get(..at);
        }
        at += line.len();
    }
    None
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
    flag("--spool", format!("{{dir}}/{SPOOL}"));
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
        min_nodes: job.min_nodes,
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
    let who = job.trials.map_or(flow::JOB, |_| trials::TASK);
    let rule = match body.site.chain {
        Chain::Requeue => flow::rule(Chain::Requeue, body.links, who),
        // The next one is submitted by hand.
        Chain::Successors | Chain::None => String::new(),
    };
    let of_trials = |text: &str| job.trials.map_or(String::new(), |_| text.to_owned());
    let sections = [
        head(job) + &table(job)? + &folder(body, job)?,
        flow::SIGNALS.to_owned(),
        flow::FINISH.to_owned(),
        of_trials(trials::CLAIM),
        BEGIN.to_owned() + flow::START,
        document(job.job_toml)?,
        body.site_setup()?,
        body.network()?,
        body.step()? + &of_trials(trials::OWN),
        flow::RUN.to_owned(),
        flow::taken(who),
        rule,
        END.to_owned(),
    ];
    let sections = sections.into_iter().filter(|section| !section.is_empty());
    Ok(sections.collect::<Vec<_>>().join("\n"))
}

fn head(job: &ByHand<'_>) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let name: String = job.name.chars().map(plain).collect();
    let what = match job.trials {
        Some(trials) => format!("The search {name} of {} trials", trials.sets.len()),
        None => format!("The job {name}"),
    };
    let usage = job.trials.map_or(USAGE, |_| trials::USAGE);
    let strict = flow::STRICT;
    format!(
        "# {what}, by schliff {version}. Needs nothing but Slurm, schliff and schliff-trainer.\n#\n\
         {usage}{strict}",
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn table(job: &ByHand<'_>) -> Result<String, ScriptError> {
    match job.trials {
        Some(trials) => Ok(format!("\n{}\n", trials.table()?)),
        None => Ok(String::new()),
    }
}

fn folder(body: &Body<'_>, job: &ByHand<'_>) -> Result<String, ScriptError> {
    let folder = quoted("the folder of the result", body.attempt.folder)?;
    let trial = job.trials.map_or("", |_| "/trial-$SLURM_ARRAY_TASK_ID");
    Ok(format!(
        "folder={folder}{trial}\nmkdir -p \"$folder\"\ncd \"$folder\"\nfolder=$PWD\n"
    ))
}

const USAGE: &str = "\
# Usage: sbatch THIS, in a folder that its nodes share
# Submitted again, it goes on from its newest checkpoint; jobs of this name wait for each other. The
# folder of the result has `done` once nothing is left to do; a file `stop` in it ends a chain.
# `schliff adopt ID --cluster NAME` lets a coordinator go on with it, at any time.
";

/// Nothing is left to do, or others do it; else a start is written down.
const BEGIN: &str = "\
if [[ -e $folder/done ]]; then
    say \"nothing is left to do; remove $folder/done to run it again\"
    exit 0
fi
if [[ -e $folder/adopted ]] && ! grep -qx \"$SLURM_JOB_ID\" \"$folder/adopted\"; then
    say \"a coordinator goes on with it; remove $folder/adopted to run it by hand again\"
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
    Ok(format!("{DOCUMENT}{end}'\n{job_toml}{line_end}{end}\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_job_file_is_found_in_its_script(job in "[ -~\n]{0,80}", tail in "[ -~\n]{0,20}") {
            let job = format!("{job}\nEND_OF_JOB\n");
            let text = document(&job).expect("no NUL");
            let script = format!("#!/bin/bash\n\n{text}\n{tail}");
            prop_assert_eq!(document_of(&script), Some(job.as_str()));
        }
    }

    #[test]
    fn scripts_of_others_hold_none() {
        for script in [
            "",
            "#!/bin/bash\nsrun x\n",
            "cat >\"$folder/job.toml\" <<'E'\nname\n",
        ] {
            assert_eq!(document_of(script), None, "{script}");
        }
    }
}
