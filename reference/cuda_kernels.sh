#!/usr/bin/env bash
# Compiles every kernel of ours for NVIDIA's GPUs without having one: lowers it to CUDA C++ and has NVRTC
# make PTX of it. NVRTC and CUDA's headers are fetched (reference/fetch_nvrtc.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CARGO="${CARGO:-cargo}"
SCHLIFF_TEST_NVRTC="$("${PYTHON:-python3}" reference/fetch_nvrtc.py)"
export SCHLIFF_TEST_NVRTC
# The selection of gpu_software.sh, so that every crate is compiled once.
selected=(--release --locked -p schliff -p schliff-trainer -p schliff-tests
  --features schliff-trainer/wgpu,schliff-trainer/cuda,schliff-tests/gpu)
LD_LIBRARY_PATH="$SCHLIFF_TEST_NVRTC/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
  "$CARGO" test "${selected[@]}" --lib cube::
