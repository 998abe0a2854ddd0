#!/usr/bin/env bash
# Runs a command beside a Slurm cluster of its own, which ends with it: with.sh [--netns] COMMAND...
#
# With --netns each node has a network of its own, so that its link can be cut. The command finds the
# cluster by the variables of `slurm env`. Where this machine cannot have one (it needs Debian and root),
# that is said, and the command runs without: its tests of Slurm say so, too.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
up=(up)
if [ "${1:-}" = --netns ]; then
  up+=("$1")
  shift
fi
if [ $# -eq 0 ]; then
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

# A short path, as it holds unix sockets, and open to the daemons' users.
work="$(mktemp -d /tmp/schliff-slurm-XXXXXX)"
chmod 755 "$work"
export SCHLIFF_SLURM_STATE="$work/s"
finish() {
  local status=$?
  "$here/slurm" down --purge >/dev/null || status=1
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

status=0
"$here/slurm" "${up[@]}" >&2 || status=$?
case "$status" in
  0) eval "$("$here/slurm" env)" ;;
  3)
    echo "with.sh: NO SLURM HERE (it takes Debian and root${up[1]:+, and network namespaces}):" \
      "every test on such a cluster is SKIPPED" >&2
    unset SCHLIFF_SLURM_STATE
    ;;
  *) exit "$status" ;;
esac
"$@"
