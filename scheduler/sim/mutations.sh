#!/usr/bin/env bash
# Proves that the simulator finds what it looks for: each patch in mutations/ breaks one rule of the
# brain in a copy of the tree, and the seeds must find it. Needs git, tar and a Rust toolchain.
#   scheduler/sim/mutations.sh [NAME...]     SEEDS=150: seeds for each of them
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
copy=$root/target/mutations/tree
export CARGO_TARGET_DIR=$root/target/mutations/build
seeds=${SEEDS:-150}

rm -rf "$copy"
mkdir -p "$copy"
cd "$root"
# With their times, so that only the brain is compiled again: what lies there was broken the last time.
git ls-files -z --cached --others --exclude-standard |
  tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory "$copy"
cd "$copy"
# A repository of its own: in a folder of another one, git would apply nothing, and say nothing.
git init --quiet
find scheduler/core -name '*.rs' -exec touch {} +

build() { "${CARGO:-cargo}" build --release --locked --quiet --package schliff-sim; }
run() { "$CARGO_TARGET_DIR/release/schliff-sim" run --seeds "$seeds"; }

build
run >"$copy.out" || { tail -n 5 "$copy.out"; echo "the unbroken brain does not pass: mend that first" >&2; exit 1; }
printf '%-28s %-8s %s\n' mutation breaks 'found by'
printf '%-28s %-8s %s\n' none - -

names=("$@")
[ ${#names[@]} -gt 0 ] || names=("$here"/mutations/*.patch)
missed=0
for name in "${names[@]}"; do
  name=$(basename "$name" .patch)
  patch=$here/mutations/$name.patch
  breaks=$(sed -n 's/^Breaks: //p' "$patch")
  git apply "$patch"
  build
  if run >"$copy.out" 2>&1; then
    found='NOTHING'
    missed=$((missed + 1))
  else
    # Each seed that found something says by which rule.
    found=$(sed -nE 's/^seed [0-9]+: [0-9]+ s: ([A-Z]+(-[0-9]+)?): .*/\1/p' "$copy.out" | sort | uniq -c |
      awk '{ printf "%s%s in %s seeds", (NR > 1 ? ", " : ""), $2, $1 }')
    [ -n "$found" ] || { found='a crash'; }
  fi
  printf '%-28s %-8s %s\n' "$name" "$breaks" "$found"
  git apply --reverse "$patch"
done
[ "$missed" -eq 0 ] || { echo "$missed mutations were not found" >&2; exit 1; }
