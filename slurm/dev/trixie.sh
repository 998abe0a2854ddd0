#!/usr/bin/env bash
# Prints the folder of a Debian trixie with Slurm 24.11, and makes it first where it is missing (2 minutes, 900 MB).
#
# Only its /usr is used: a cluster's processes see it instead of the machine's, and everything else as it is
# (inside.sh). It needs a network once. Exit 3: not Debian, or not root.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${SCHLIFF_SLURM_IMAGES:-/var/cache/schliff-slurm}"
image="$folder/trixie"
mirror="${SCHLIFF_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
PATH="$PATH:/usr/sbin:/sbin"

make_image() {
  local unfinished="$folder/unfinished"
  rm -rf "$unfinished"
  command -v debootstrap >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends debootstrap
  debootstrap --variant=minbase trixie "$unfinished" "$mirror"
  printf '#!/bin/sh\nexit 101\n' >"$unfinished/usr/sbin/policy-rc.d"
  chmod 755 "$unfinished/usr/sbin/policy-rc.d"
  # What is mounted for the installation goes with the namespace, however it ends.
  unshare --mount --propagation private bash -euc '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    for name in hosts resolv.conf; do touch "$1/etc/$name"; mount --bind "$(readlink -f /etc/$name)" "$1/etc/$name"; done
    root=$1
    shift
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 chroot "$root" apt-get install -y -qq --no-install-recommends "$@"
    chroot "$root" apt-get clean
  ' bash "$unfinished" $("$here/packages.sh" --list) python3
  mv "$unfinished" "$image"
}

"$here/packages.sh"
mkdir -p "$folder"
exec 9<"$folder"
flock 9
if [ ! -d "$image" ]; then
  echo "slurm/dev: making a Debian trixie with Slurm 24.11 in $image" >&2
  make_image 9<&- >"$folder/log" 2>&1 || {
    tail -n 30 "$folder/log" >&2
    echo "slurm/dev: could not make it; the whole log: $folder/log" >&2
    exit 1
  }
fi
echo "$image"
