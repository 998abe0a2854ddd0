#!/usr/bin/env bash
# Runs the GPU code path without a GPU: builds the trainer with its GPU features and tests it on Mesa's
# lavapipe, a Vulkan driver for the processor. Every operation is compared with the host's kernels, and
# a whole job with the same job on the processor.
#
# Installs the driver where it can (Debian, as root); elsewhere says what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

driver() {
  local file
  for file in /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json; do
    if [ -f "$file" ]; then echo "$file"; return; fi
  done
  return 1
}

if ! driver >/dev/null || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "gpu_software.sh: Mesa's lavapipe is not installed; on Debian: apt install mesa-vulkan-drivers libvulkan1" >&2
    exit 1
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1 >/dev/null
fi

CARGO="${CARGO:-cargo}"
target="${CARGO_TARGET_DIR:-target}"
# The selection of cuda_kernels.sh too, for programs and tests: every crate is compiled once.
selected=(--release --locked -p schliff -p schliff-trainer -p schliff-tests
  --features schliff-trainer/wgpu,schliff-trainer/cuda,schliff-tests/gpu)
"$CARGO" build "${selected[@]}"

VK_DRIVER_FILES="$(driver)"
export VK_DRIVER_FILES VK_ICD_FILENAMES="$VK_DRIVER_FILES"
export SCHLIFF_DEVICE=wgpu-software CUBECL_AUTOTUNE_LEVEL=minimal
# The driver keeps its compiled shaders here, so that a second run is quick.
export XDG_CACHE_HOME="$PWD/$target/gpu-cache"
case "$target" in /*) XDG_CACHE_HOME="$target/gpu-cache" ;; esac
XDG_RUNTIME_DIR="$(mktemp -d)"
export XDG_RUNTIME_DIR
trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT

"$CARGO" test "${selected[@]}" --lib -- ops::agreement parity::devices::halves tensor:: --test-threads=1
SCHLIFF_TEST_PROGRAMS="$(cd "$target/release" && pwd)" "$CARGO" test "${selected[@]}" --test gpu
