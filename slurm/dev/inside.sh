#!/usr/bin/env bash
# Run by `launch` in a daemon's own namespaces, just before the daemon: inside.sh HOSTS HOSTNAME COMMAND...
set -euo pipefail
hosts=$1 hostname=$2
shift 2

mount --bind "$hosts" /etc/hosts
if [ -n "$hostname" ]; then echo "$hostname" >/proc/sys/kernel/hostname; fi
# A lock, a pipe or a job server of whoever called would be held for as long as the daemon lives.
for path in /proc/self/fd/*; do
  number=${path##*/}
  if [ "$number" -gt 2 ] && [ -e "$path" ] && [ "$(readlink "$path")" != "$(readlink -f "${BASH_SOURCE[0]}")" ]; then
    exec {number}>&-
  fi
done
exec "$@"
