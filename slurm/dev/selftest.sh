#!/usr/bin/env bash
# Does the cluster do what tests will rely on? selftest.sh [CHECK...]: all, or some by name. With
# SLURM_VERSION=24.11 in the environment: that release.
#
# Brings up a cluster of its own in a folder of its own, and ends with nothing of it left on the machine.
# Exit 3: this machine cannot have a cluster.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="$(mktemp -d /tmp/schliff-slurm-test-XXXXXX)"
chmod 755 "$work"
export SCHLIFF_SLURM_STATE="$work/s"
slurm() { "$here/slurm" "$@"; }

finish() {
  local status=$?
  [ ! -e "$SCHLIFF_SLURM_STATE" ] || slurm down --purge || status=1
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# until_true SECONDS WHAT COMMAND...
until_true() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$limit" ]; then wrong "$what"; fi
    sleep 0.1
  done
}
wrong() {
  echo "selftest: $check: not seen: $1" >&2
  squeue -o '%i|%P|%T|%r|%N' >&2 || true
  tail -n 15 "$SCHLIFF_SLURM_STATE/log/ctld.log" >&2 || true
  exit 1
}
same() { [ "$1" = "$2" ] || wrong "$3: '$2' (but '$1')"; }

state_of() { scontrol -o show job "$1" 2>/dev/null | sed 's/.*JobState=\([A-Z_]*\).*/\1/'; }
in_state() { [ "$(state_of "$1")" = "$2" ]; }
in_log() { grep -Eqs "$2" "$work/$1"; }
# Accounting is up to ten seconds late: Slurm writes it in rounds.
accounted() { sacct -D -X -n -P -j "$1" --format=state | grep -qx "$2"; }
# submit NAME [OPTION...] <SCRIPT: prints the job's id; its output is in $work/NAME.
submit() {
  local name=$1
  shift
  sbatch --parsable --open-mode=append -o "$work/$name" -J "$name" "$@"
}
# A job that says what befalls it, for a minute.
talkative() {
  cat <<'END'
#!/bin/bash
echo "start restarts=${SLURM_RESTART_COUNT:-unset}"
trap 'echo warned' USR1
trap 'echo asked to end; exit 1' TERM
for _ in {1..300}; do sleep 0.2 & wait $!; done
END
}
empty_queue() {
  scancel -u root
  until_true 30 "an empty queue" eval '[ -z "$(squeue -h)" ]'
}

# shellcheck source=/dev/null
source "$here/selftest_checks.sh"

all=(ranks gpus batch requeue preemption limits second_user rest ssh node_death freeze controller accounting mending partition)
# The newer release's commands are for root alone.
if [ -n "${SLURM_VERSION:-}" ]; then all=("${all[@]/second_user/}"); fi
# shellcheck disable=SC2068
if [ $# -eq 0 ]; then set -- ${all[@]}; fi
check=up
started=$EPOCHREALTIME
took() { awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%6.1f s", b - a }'; }
slurm up ${SLURM_VERSION:+--release "$SLURM_VERSION"}
eval "$(slurm env)"
echo "ok $(took)  up"
cd "$work"
for check in "$@"; do
  started=$EPOCHREALTIME
  "check_$check" </dev/null
  empty_queue
  echo "ok $(took)  ${check//_/ }"
done
check=down started=$EPOCHREALTIME
# A job that runs, a task that has left its session, and a command of an ssh connection: all must go.
id="$(submit last -N2 --wrap 'setsid sleep 987654 & srun sleep 987654')"
until_true 20 "job $id running" in_state "$id" RUNNING
ssh -F "$SCHLIFF_SLURM_SSH_CONFIG" login 'setsid sleep 987654 >/dev/null 2>&1 </dev/null &' </dev/null
cd /
read -r id _ <"$SCHLIFF_SLURM_STATE/cluster"
[ "$(traces "$id" | wc -l)" -ge 12 ] || wrong "traces of a cluster that runs"
slurm down --purge
left="$(traces "$id")"
if [ -e "$SCHLIFF_SLURM_STATE" ] || [ -n "$left" ]; then
  echo "selftest: down: left behind:" "$SCHLIFF_SLURM_STATE"* "$left" >&2
  exit 1
fi
echo "ok $(took)  down leaves nothing"
