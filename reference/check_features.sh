#!/usr/bin/env bash
# Checks and lints each feature named, one after the other: each must build without the others.
#
# `wgpu`, `cuda` and `nccl` need nothing to build, their libraries are looked for when they run. `mpi`
# needs an MPI library and libclang (reference/mpi_packages.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CARGO="${CARGO:-cargo}"

for feature in "$@"; do
  echo "feature $feature" >&2
  if [ "$feature" = mpi ]; then reference/mpi_packages.sh; fi
  # The whole workspace, so that what `make check` has checked is not checked again.
  "$CARGO" clippy --release --locked --workspace --all-targets \
    --features "$feature,schliff-tests/gpu,schliff-tests/mpi" -- -D warnings
done
