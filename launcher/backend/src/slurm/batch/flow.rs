//! What every script does around its agents, as text for bash: it begins once, hears Slurm's
//! signals, waits, and goes on or ends. Pure.
//!
//! Rules: a trap is set before anything that lasts; the files of an attempt's folder are the only
//! memory; a file that others wait for is whole from the moment it is there. Absent on purpose:
//! anything of a site.

use schliff_spec::cluster::Chain;

/// Strict, and in its folder.
pub(super) const STRICT: &str = "\
set -euo pipefail
say() { echo \"schliff: $*\" >&2; }
";

/// Signals reach the agents as USR1.
pub(super) const SIGNALS: &str = "\
# Slurm sends USR1 some time before the wall time is over, and TERM before it takes the nodes away.
# Either becomes USR1 for the agents: they stop at the next step with a checkpoint, and end with
# exit code 75. (TERM would make srun kill them.)
heard='' signals=0 step=''
hear() {
    heard=$1 signals=$((signals + 1))
    [[ -z $step ]] || kill -USR1 \"$step\" 2>/dev/null || :
}
trap 'hear USR1' USR1
trap 'hear TERM' TERM
";

/// Ends an attempt for good.
pub(super) const FINISH: &str = "\
# Nobody goes on from here.
finish() {
    echo \"$1\" >\"$folder/done.new\"
    mv \"$folder/done.new\" \"$folder/done\"
    exit \"$1\"
}
";

/// Nothing is left to do, or nothing is to be done.
pub(super) const ENDED: &str = "\
if [[ -e $folder/done ]]; then
    say \"nothing is left to do: it ended with exit code $(<\"$folder/done\")\"
    exit 0
fi
";

/// A start is written down, and is the one that counts until there is another.
pub(super) const START: &str = "\
start=\"$SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0} $(date +%s)\"
echo \"$start\" >>\"$folder/starts\"
rm -f \"$folder/exit\"
# A node that is only cut off works on while the job has started again elsewhere. Whoever finds a later
# start than its own leaves the folder to that one.
superseded() {
    local line own=''
    while read -r line; do
        [[ -z $own ]] || return 0
        [[ $line != \"$start\" ]] || own=1
    done <\"$folder/starts\" || :
    return 1
}
";

/// It may have been stopped before.
pub(super) const BEGIN: &str = "\
if [[ -e $folder/stop ]]; then
    say 'stopped before it began'
    finish 75
fi
";

/// Only one of several submissions of an attempt runs.
pub(super) fn claim(nonce: &str) -> String {
    format!(
        "\
# An attempt that was submitted twice runs once: whoever starts first leaves its word here. A requeue
# and a successor are of the same submission, and have the same word.
word={nonce}
(set -C; echo \"$word\" >\"$folder/claim\") 2>/dev/null || :
claimed=$(<\"$folder/claim\")
if [[ $claimed != \"$word\" ]]; then
    say \"another submission runs this attempt; job $SLURM_JOB_ID has nothing to do\"
    exit 0
fi
"
    )
}

/// The agents run, and this is how they ended.
pub(super) const RUN: &str = "\
code=0
if [[ -z $heard ]]; then
    srun \"${srun_options[@]}\" sh -c \"$on_node\" \"$folder/exit\" \"${agent[@]}\" &
    step=$!
    [[ -z $heard ]] || hear \"$heard\"
    # A signal ends `wait`, but not what it waits for.
    while true; do
        before=$signals code=0
        wait \"$step\" || code=$?
        [[ $signals != \"$before\" ]] || break
    done
fi
if superseded; then
    say 'the job was started again elsewhere, as these nodes were taken for lost'
    exit 75
fi
if [[ -s $folder/exit ]]; then
    code=$(<\"$folder/exit\")
elif [[ -n $heard ]]; then
    code=75 # they go on from the last checkpoint
elif [[ $code == 1 ]]; then
    code=76 # srun failed, not the job: an agent that ends with 1 has left it in the file
fi
say \"exit code $code\"
";

/// What follows on the agents' exit code.
pub(super) fn follow(chain: Chain, links: u64, limit_s: Option<u64>) -> String {
    let taken = match (chain, limit_s) {
        (Chain::Successors, Some(limit_s)) => {
            format!("{CANCELLED}limit_s={limit_s}\n{TAKEN_FROM_A_CHAIN}")
        }
        _ => taken(JOB),
    };
    let rule = rule(chain, links, JOB);
    let gap = if rule.is_empty() { "" } else { "\n" };
    format!("{taken}{gap}{rule}finish \"$code\"\n")
}

/// The job's own number, as a word of the script. One of an array may have the number of the whole.
pub(super) const JOB: &str = "\"$SLURM_JOB_ID\"";

/// How the job goes on where there is more to do. What `job` names, Slurm puts back.
pub(super) fn rule(chain: Chain, links: u64, job: &str) -> String {
    match chain {
        Chain::None => String::new(),
        Chain::Requeue => format!(
            "\
# 75 is more to do: back into the queue, under the same number.
links={links}
if [[ $code == 75 && ! -e $folder/stop ]] && ((${{SLURM_RESTART_COUNT:-0}} + 1 < links)); then
    trap '' USR1 TERM # Slurm ends this script when it takes the job back
    if scontrol requeue {job}; then
        say \"link $((${{SLURM_RESTART_COUNT:-0}} + 1)) of at most $links is over; the next one waits\"
    else
        say 'cannot put the job back into the queue'
    fi
    exit 75
fi
"
        ),
        Chain::Successors => format!(
            "\
# 75 is more to do: the next job of this name waits for the end of this one.
links={links}
used=$(cut -d ' ' -f 1 \"$folder/starts\" | sort -u | wc -l)
if [[ $code == 75 && ! -e $folder/stop ]] && ((used < links)); then
    say \"link $used of at most $links is over; the next one waits\"
    exit 75
fi
"
        ),
    }
}

/// Slurm's word is better than ours.
pub(super) fn taken(job: &str) -> String {
    format!(
        "\
# Slurm ends the job: somebody cancelled it, or took its nodes, or its time is over. Slurm knows which,
# and what is to follow; a cancelled job must not come back.
if [[ $heard == TERM && $(squeue -h -j {job} -o %T) == COMPLETING ]]; then
    exit \"$code\"
fi
"
    )
}

/// Why a chain looks closer.
const CANCELLED: &str = "\
# Slurm ends the job. What waits for its end goes on, unless somebody cancelled the job: it does not
# start again, and there was time left.
";

/// The same where others wait for this job's end.
const TAKEN_FROM_A_CHAIN: &str = "\
if [[ $heard == TERM ]]; then
    read -r state restarts < <(squeue -h -j \"$SLURM_JOB_ID\" -O State,RestartCnt) || :
    if [[ $state == COMPLETING ]]; then
        [[ $restarts != \"${SLURM_RESTART_COUNT:-0}\" ]] || ((SECONDS + 60 > limit_s)) || finish 130
        exit \"$code\"
    fi
fi
";
