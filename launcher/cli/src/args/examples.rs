//! Examples and remarks at the end of each help text.

pub(super) const TOP_EXAMPLES: &str = "\
Examples:
  schliff check job.toml                 what would happen, how long, how much memory
  schliff run job.toml                   train; the result goes to runs/<name of the job>
  schliff generate --base model.gguf --adapter runs/my-job/adapter \"Mach das Licht an\"
  schliff submit job.toml --wait -f      the same by a coordinator, which goes on without you

Exit codes:
  0 ok   1 the job failed   2 usage or job file   3 no coordinator   4 refused   5 gave up waiting
  70 a defect in schliff   75 stopped as asked with more to do   76 ranks kept dying or hanging
  130 interrupted";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  schliff run job.toml
  schliff run job.toml --set training.lr=1e-4 --set adapter.rank=8 --out runs/lower-lr
  schliff run job.toml --json > result.json
  schliff run job.toml --ranks 4
  schliff run job.toml --ranks 2 --resume runs/my-job/checkpoints

The folder receives adapter/ (a PEFT directory), metrics.jsonl (one line a step), summary.json, and
checkpoints/ where the job names no other place. The adapter is the same for any number of ranks.
Ctrl-C stops after the step at work and keeps the adapter; a second Ctrl-C stops at once. SIGUSR1
and SIGTERM stop at a step boundary with a checkpoint and exit code 75; SIGUSR2 takes a checkpoint
and goes on.";

pub(super) const AGENT_EXAMPLES: &str = "\
Examples:
  srun --ntasks-per-node=1 schliff agent job.toml
  schliff agent job.toml --node 1 --nodes 2 --leader 10.0.0.1:4711 --secret-file shared/secret

It goes on from the job's own checkpoints where there are any, so that a requeued job needs no other
command. A lost rank or node ends the group on all nodes; it starts again when all nodes are there.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  schliff check job.toml
  schliff check job.toml --set training.batch_samples=16 --json

All problems of the job file are reported at once, each with its place. The time is an estimate from
a short probe on this machine.";

pub(super) const DATA_EXAMPLES: &str = "\
Examples:
  schliff data job.toml
  schliff data job.toml --samples 10

Trained tokens are green, or stand between \u{27e6} and \u{27e7} where there is no colour.";

pub(super) const EVAL_EXAMPLES: &str = "\
Examples:
  schliff eval --base model.gguf --text \"Water boils at 100 degrees.\"
  schliff eval --base model.gguf --adapter runs/my-job/adapter --data d.jsonl --format messages";

pub(super) const GENERATE_EXAMPLES: &str = "\
Examples:
  schliff generate --base model.gguf \"What is the capital of France?\"
  schliff generate --base model.gguf --adapter runs/my-job/adapter - < prompt.txt";

pub(super) const MERGE_EXAMPLES: &str = "\
Examples:
  schliff merge --base model.gguf --adapter runs/my-job/adapter --out merged
  schliff merge --base models/qwen3 --adapter runs/my-job/adapter --out merged --dtype f32

The report says how many weights changed and how much was lost to rounding.";

pub(super) const CONFIG_EXAMPLES: &str = "\
Examples:
  schliff config job.toml
  schliff config job.toml --set training.lr=1e-4 --origin";

pub(super) const CHECKPOINTS_EXAMPLES: &str = "\
Examples:
  schliff checkpoints runs/my-job/checkpoints
  schliff checkpoints s3://bucket/prefix --verify --json

Accounts and endpoints come from the environment: AWS_*, AZURE_*, GOOGLE_*.
Verdicts: good, torn (something is missing), tampered (something is not what was written),
unknown_format (of another version), unreadable.
What --json prints is described in docs/checkpoints.md.
Exit code 0: there is one to go on from. 1: there is none, or the store cannot be read.";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  schliff doctor
  schliff doctor --store s3://bucket/prefix --json

Nothing is trained and nothing is left behind. Exit code 0: this machine can train. 1: it cannot.";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  schliff serve
  schliff serve --cluster configs/clusters/local.toml
  schliff serve --listen 0.0.0.0:7411 --url https://HOST:7411 \\
    --tls-cert cert.pem --tls-key key.pem --tls-ca ca.pem
  schliff serve --journal-file /etc/schliff/journal-url --other http://127.0.0.1:7412

With no configuration there is one cluster, this machine. The state folder is --state, else
$SCHLIFF_STATE, else $XDG_STATE_HOME/schliff, else ~/.local/state/schliff. SIGTERM and Ctrl-C end the
coordinator, not the jobs: the next start goes on with them. SCHLIFF_LOG=info says more.";

pub(super) const RELAY_EXAMPLES: &str = "\
Examples:
  schliff relay --folder /p/project/schliff --coordinator https://HOST:7411 --ca-file ca.pem
  schliff relay --folder /p/project/schliff --coordinator http://127.0.0.1:7411 --once
  schliff relay --folder /p/project/schliff --fetch s3://bucket/runs/my-job

For clusters whose profile has reports = \"spool\". A coordinator that reaches the cluster relays by
itself. It may be ended and started again at any time, and two at a time do no harm. With --once it
ends with 0 when all was taken, 3 where no coordinator answers, 4 where one refuses an attempt.";

pub(super) const SUBMIT_EXAMPLES: &str = "\
Examples:
  schliff submit job.toml
  schliff submit job.toml --wait -f --out runs/my-job
  schliff submit job.toml --set training.lr=1e-4 --after 41
  schliff submit job.toml --cluster juwels-booster
  id=$(schliff submit job.toml) && schliff wait \"$id\"

The job's number goes to standard output; with --wait its result goes there instead. Ctrl-C while it
waits leaves the job running. A job file with a [sweep] becomes a job for each trial.";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  schliff list
  schliff list --phase queued,running --name desk
  schliff list --sweep 42 --json";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  schliff status 42
  schliff status 42 --json";

pub(super) const LOGS_EXAMPLES: &str = "\
Examples:
  schliff logs 42 -f
  schliff logs 42 --tail 100 --rank 3
  schliff logs 42 --grep nan --attempt 2

Times are UTC.";

pub(super) const CANCEL_EXAMPLES: &str = "\
Examples:
  schliff cancel 42
  schliff cancel 42 43 --why 'wrong data'
  schliff cancel 42 --now

Without --now its ranks agree on a step, commit a checkpoint and stop; 'schliff retry' goes on from it.";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  schliff explain 42";

pub(super) const WAIT_EXAMPLES: &str = "\
Examples:
  schliff wait 42 43
  schliff wait 42 --timeout 2h

Exit code: 0 where all succeeded, else that of the first of them that did not; 5 after the timeout.";

pub(super) const RETRY_EXAMPLES: &str = "\
Examples:
  schliff retry 42

The answer is a new job with a number of its own.";

pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  schliff export job.toml > job.sh && sh job.sh
  schliff export 42 | ssh other-machine sh
  schliff export job.toml --cluster alex > job.sh && sbatch job.sh

The script needs nothing but schliff and schliff-trainer; what it is given goes to 'schliff run'.
Run again, it goes on from its newest checkpoint. One for a cluster is given to sbatch; that of a
search is an array, a task for each trial.";

pub(super) const ADOPT_EXAMPLES: &str = "\
Examples:
  schliff export job.toml --cluster alex > job.sh && sbatch job.sh
  schliff adopt 1234567 --cluster alex

The job may run or wait. Its number here goes to standard output; from then on it is like one that
was submitted: its history is fetched, 'schliff cancel' stops it, and where it is not finished when
its time is over, the coordinator submits what follows.";

pub(super) const CLUSTERS_EXAMPLES: &str = "\
Examples:
  schliff clusters
  schliff clusters --json
  schliff clusters check juwels-booster";

pub(super) const CLUSTERS_CHECK_EXAMPLES: &str = "\
Examples:
  schliff clusters check my-site.toml
  schliff clusters check juwels-booster --json

The site is asked a dozen short questions, and whether it would take a job; nothing is submitted. No
coordinator is needed. Exit code: 0 where nothing differs, 1 where something does, 3 where the site
cannot be asked.";

pub(super) const NODES_EXAMPLES: &str = "\
Examples:
  schliff nodes
  schliff nodes local";

pub(super) const TOP_VIEW_EXAMPLES: &str = "\
Keys: j k or arrows choose, Enter opens and closes, c cancels and r retries after a question, ? shows
the keys, q ends.";

pub(super) const COMPLETION_EXAMPLES: &str = "\
Examples:
  schliff completion bash > ~/.local/share/bash-completion/completions/schliff
  schliff completion zsh > ~/.zfunc/_schliff
  schliff completion fish > ~/.config/fish/completions/schliff.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  schliff man | man -l -
  schliff man ~/.local/share/man/man1";

pub(super) const HELP_EXAMPLES: &str = "\
Examples:
  schliff help
  schliff help run
  schliff help errors                    the list of errors that have a page
  schliff help E-UNREACHABLE";
