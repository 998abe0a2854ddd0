#!/usr/bin/env bash
# Run in namespaces of its own, just before a program of the cluster: inside.sh HOSTS HOSTNAME IMAGE COMMAND...
# HOSTS becomes /etc/hosts, and the /usr of IMAGE becomes /usr; '' leaves what there is.
set -euo pipefail
hosts=$1 hostname=$2 image=$3
shift 3

if [ -n "$hosts" ]; then mount --bind "$hosts" /etc/hosts; fi
if [ -n "$hostname" ]; then echo "$hostname" >/proc/sys/kernel/hostname; fi
if [ -n "$image" ]; then
  mount --bind /usr/local "$image/usr/local"
  mount --bind "$image/etc/ld.so.cache" /etc/ld.so.cache
  mount --rbind "$image/usr" /usr
fi
# A command on a terminal or in a pipe: its open files are its caller's business.
if [ -z "$hosts" ]; then exec "$@"; fi
# A lock, a pipe or a job server of whoever called would be held for as long as the daemon lives. 255 is bash's
# own, which it closes itself.
for path in /proc/self/fd/*; do
  number=${path##*/}
  if [ "$number" -gt 2 ] && [ "$number" != 255 ]; then
    exec {number}>&-
  fi
done
exec "$@"
