#!/usr/bin/env bash
# For a person with a GPU: does this build compute on it what the processor computes, and how fast?
# Builds the trainer for the device (cuda, or the first argument), compares every operation, whole steps
# of every model family and a job with the processor, measures the quickstart job's steps on both,
# compares two ranks with one for each collective, and prints a table.
#
# Two ranks share a GPU where there is only one; NCCL wants one for each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

device="${1:-cuda}"
feature="${device%%[-:]*}"
CARGO="${CARGO:-cargo}"
PYTHON="${PYTHON:-python3}"
target="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
features="schliff-trainer/$feature,schliff-tests/gpu"
if [ "$feature" = cuda ]; then features+=",schliff-trainer/nccl"; fi
selected=(--release --locked -p schliff -p schliff-trainer -p schliff-tests --features "$features")
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0

"$CARGO" build "${selected[@]}"
"$CARGO" test "${selected[@]}" --no-run
model="$("$PYTHON" reference/fetch_smollm2.py --link quickstart/smollm2-135m-instruct.gguf)"
"$PYTHON" configs/quickstart/build_dataset.py --out quickstart/data >"$work/data.log"
# As deep below the root as the job it comes from, whose paths are relative.
job="quickstart/gpu-check/job.toml"
mkdir -p "$(dirname "$job")"
sed 's/^epochs = .*/steps = 20/; s/^exact_match_samples = .*/exact_match_samples = 0/' \
  configs/jobs/quickstart.toml >"$job"

row() { printf '%-44s %s\n' "$1" "$2"; }

# Runs a check, keeps what it says, and adds its row.
check() {
  local name="$1"
  shift
  if SCHLIFF_DEVICE="$device" SCHLIFF_TEST_PROGRAMS="$target/release" "$@" >"$work/check.log" 2>&1; then
    row "$name" "agrees with the processor" >>"$work/table"
  else
    row "$name" "DIFFERS" >>"$work/table"
    cat "$work/check.log" >&2
    failed=1
  fi
}

# Tokens a second of the quickstart job on a device: the median step, the first four left out.
rate() {
  SCHLIFF_DEVICE="$1" "$target/release/schliff" run "$job" --out "$work/$1" --json >"$work/run.log" 2>&1 || return 1
  "$PYTHON" - "$work/$1/metrics.jsonl" <<'PYTHON'
import json, statistics, sys
steps = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(f"{statistics.median(step['tokens_per_s'] for step in steps[4:]):,.0f} tokens/s")
PYTHON
}

gpus() {
  if [ "$feature" = cuda ] && command -v nvidia-smi >/dev/null; then nvidia-smi -L | wc -l; else echo 1; fi
}

# The quickstart job on two ranks against the same on one: losses to 1e-4, and whether the adapters are
# equal to the bit. They need not be: CubeCL chooses kernels by measuring them, in each process anew.
together() {
  local on="$device"
  if [ "$(gpus)" = 1 ] && [ "$on" = "$feature" ]; then on="$feature:0"; fi
  SCHLIFF_DEVICE="$on" "$target/release/schliff" run "$job" --out "$work/$1" --ranks 2 --collective "$1" --json \
    >"$work/run.log" 2>&1 || return 1
  "$PYTHON" - "$work/$device" "$work/$1" <<'PYTHON' || { echo "losses or lengths differ" >>"$work/run.log"; return 1; }
import json, sys
from pathlib import Path
one, two = map(Path, sys.argv[1:])
losses = lambda out: [json.loads(line)["loss"] for line in (out / "metrics.jsonl").open(encoding="utf-8")]
a, b = losses(one), losses(two)
if len(a) != len(b) or any(abs(x - y) > 1e-4 * x for x, y in zip(a, b)):
    sys.exit(1)
adapter = lambda out: (out / "adapter" / "adapter_model.safetensors").read_bytes()
print("agree, the same bits" if adapter(one) == adapter(two) else "agree, other bits")
PYTHON
}

check "operations, one by one" "$CARGO" test "${selected[@]}" --lib -- ops::agreement tensor:: --test-threads=1
check "whole steps of every model family" "$CARGO" test "${selected[@]}" --lib parity::devices -- --test-threads=1
check "a job, through both programs" "$CARGO" test "${selected[@]}" --test gpu
if [ "$feature" = cuda ]; then
  # The system's library where there is one, else the one that CI tests with.
  if ! ldconfig -p | grep -q 'libnccl\.so\.2'; then
    SCHLIFF_NCCL_LIBRARY="${SCHLIFF_NCCL_LIBRARY:-$("$PYTHON" reference/fetch_nccl.py)}"
    export SCHLIFF_NCCL_LIBRARY
  fi
  sums="sums over NCCL against the tree"
  if ! "$CARGO" test --release --locked -p schliff-collective --features nccl \
    --test nccl -- --nocapture gpus >"$work/check.log" 2>&1; then
    row "$sums" "DIFFERS" >>"$work/table"
    cat "$work/check.log" >&2
    failed=1
  elif grep -q '^skipped: two GPUs' "$work/check.log"; then
    row "$sums" "not tried: two GPUs are needed" >>"$work/table"
  else
    row "$sums" "the bits of the tree" >>"$work/table"
  fi
fi
for on in flex "$device"; do
  if figure="$(rate "$on")"; then
    row "quickstart ($(basename "$model")) on $on" "$figure" >>"$work/table"
  else
    row "quickstart on $on" "FAILED" >>"$work/table"
    cat "$work/run.log" >&2
    failed=1
  fi
done
collectives=(tcp)
if [ "$feature" = cuda ] && [ "$(gpus)" -ge 2 ]; then collectives+=(nccl); fi
for kind in "${collectives[@]}"; do
  if verdict="$(together "$kind")"; then
    row "two ranks by $kind against one" "$verdict" >>"$work/table"
  else
    row "two ranks by $kind against one" "DIFFERS" >>"$work/table"
    cat "$work/run.log" >&2
    failed=1
  fi
done
cat "$work/table"
exit "$failed"
