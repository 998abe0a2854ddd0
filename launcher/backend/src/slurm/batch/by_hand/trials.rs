//! The trials of a search as one array of Slurm's: what each task of it does otherwise. Pure.
//!
//! Rules: TR-1 a task is one trial with a folder of its own, which no other task touches. TR-2 a task is
//! named by the array's number and its place, never by its own number: Slurm gives one of them the
//! number of the whole, and whoever puts that back puts all of them back. TR-3 one task at a time
//! works on a trial: an array waits for those of its name that were submitted before, but not for a task of
//! theirs that was put back, whose number may be higher. Absent on purpose: comparing trials, which is for a
//! coordinator.

use schliff_slurm::quote::quote;

use crate::slurm::batch::ScriptError;

/// The trials of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trials<'a> {
    /// What each has of its own, every item a `key=value` as `--set` takes it.
    pub sets: &'a [Vec<String>],
    /// So many at work at a time, at most.
    pub max_parallel: Option<usize>,
}

/// The task, as Slurm's commands name it.
pub(super) const TASK: &str = "\"$task\"";

/// How the script is used, and where a task works.
pub(super) const USAGE: &str = "\
# Usage: sbatch THIS, in a folder that its nodes share; sbatch --array=2,5-7 THIS takes some trials only
# A task is one trial, with a folder of its own below that of the result. Submitted again, a trial goes
# on from its newest checkpoint; its folder has `done` once nothing is left to do, and a file `stop` in it
# ends a chain. sbatch takes no number that is not below MaxArraySize of 'scontrol show config'.
";

impl Trials<'_> {
    /// The value of `--array`. Trials are counted from 1, as the coordinator counts them.
    pub(super) fn array(self) -> String {
        let count = self.sets.len();
        match self.max_parallel {
            Some(most) if most > 0 && most < count => format!("1-{count}%{most}"),
            _ => format!("1-{count}"),
        }
    }

    /// The variables `task` and `own` of the script.
    pub(super) fn table(self) -> Result<String, ScriptError> {
        let mut text = String::from(
            "# One of an array may have the number of the whole for its own.\n\
             task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n\n\
             # What each trial has of its own, on top of the job below.\n\
             case $SLURM_ARRAY_TASK_ID in\n",
        );
        for (number, sets) in (1..).zip(self.sets) {
            let words = sets.iter().map(|set| word(set));
            let words = words.collect::<Result<Vec<_>, _>>()?.join(" ");
            text.push_str(&format!("    {number}) own=({words}) ;;\n"));
        }
        text.push_str(NO_TRIAL);
        Ok(text)
    }
}

fn word(set: &str) -> Result<String, ScriptError> {
    quote(&format!("--set={set}")).map_err(|source| ScriptError::Quote {
        what: format!("the value {set}"),
        source,
    })
}

const NO_TRIAL: &str = "    \
    *)
        say \"there is no trial $SLURM_ARRAY_TASK_ID\"
        exit 2
        ;;
esac
";

/// One task at a time works in a trial's folder.
pub(super) const CLAIM: &str = "\
# A trial that was submitted twice runs once at a time: whoever starts leaves its name here, and gives way
# to another that is alive.
(set -C; echo \"$task\" >\"$folder/claim\") 2>/dev/null || :
claimed=$(<\"$folder/claim\")
if [[ $claimed != \"$task\" ]]; then
    alive=$(squeue -h -j \"$claimed\" -o %T 2>&1) || :
    if [[ -n $alive && $alive != *'Invalid job id'* ]]; then
        say \"job $claimed has this trial: $alive\"
        exit 0
    fi
    echo \"$task\" >\"$folder/claim.$task\"
    mv \"$folder/claim.$task\" \"$folder/claim\"
fi
";

/// The agents are told.
pub(super) const OWN: &str = "\
agent+=(\"${own[@]}\")
printf '%s\\n' \"${own[@]#--set=}\" >\"$folder/trial\"
";
