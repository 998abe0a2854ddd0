#!/usr/bin/env bash
# Makes sure that Slurm's daemons, their database and an ssh server are installed. Does nothing when they
# are; installs Debian's packages else, without letting one of them start a service.
#
# packages.sh --list: only their names.
# Exit 3: not Debian, or not root, so that nothing can be installed (or started) here.
set -euo pipefail

# The mysql and jwt plug-ins are only recommended by Debian's packages, so that they must be named.
packages=(
  slurmctld slurmd slurm-client slurmdbd slurmrestd slurm-wlm-basic-plugins slurm-wlm-mysql-plugin
  slurm-wlm-jwt-plugin munge mariadb-server openssh-server openssh-client iproute2 procps curl
  libpmix-dev # `srun --mpi=pmix` loads libpmix.so by that name, and no package asks for it
)
programs=(
  slurmctld slurmd sbatch slurmdbd slurmrestd munged mariadbd mariadb-install-db sshd ssh ip pgrep curl
)
PATH="$PATH:/usr/sbin:/sbin"

missing() {
  local name plugin
  for name in "${programs[@]}"; do
    command -v "$name" >/dev/null || echo "$name"
  done
  for plugin in select_cons_tres accounting_storage_slurmdbd accounting_storage_mysql auth_jwt; do
    compgen -G "/usr/lib/*/slurm*/$plugin.so" >/dev/null || echo "$plugin.so"
  done
  compgen -G "/usr/lib/*/libpmix.so" >/dev/null || echo libpmix.so
}

# Packages would start their services where there is an init system; policy-rc.d is how Debian is told not to.
policy=/usr/sbin/policy-rc.d
forbid_services() {
  if [ -e "$policy" ]; then cp -p "$policy" "$scratch/policy-rc.d"; fi
  printf '#!/bin/sh\nexit 101\n' >"$scratch/forbid"
  install -m 755 "$scratch/forbid" "$policy"
}
allow_services() {
  if [ -e "$scratch/policy-rc.d" ]; then cp -p "$scratch/policy-rc.d" "$policy"; else rm -f "$policy"; fi
  rm -rf "$scratch"
}

main() {
  if [ "${1:-}" = --list ]; then
    echo "${packages[@]}"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "slurm/dev: a cluster of its own needs root (its daemons run as several users)" >&2
    exit 3
  fi
  local lacking
  lacking=$(missing)
  if [ -z "$lacking" ]; then return; fi
  if ! command -v apt-get >/dev/null || [ ! -e /etc/debian_version ]; then
    echo "slurm/dev: not a Debian, and these are not installed:" $lacking >&2
    exit 3
  fi
  # Two checkouts may begin at once, and each changes policy-rc.d for a while.
  exec 9</etc/debian_version
  flock 9
  lacking=$(missing)
  if [ -z "$lacking" ]; then return; fi
  echo "slurm/dev: installing Slurm, munge, MariaDB and sshd (lacking:" $lacking\) >&2
  scratch=$(mktemp -d)
  chmod 755 "$scratch"
  trap allow_services EXIT
  trap 'exit 130' INT TERM
  forbid_services
  # Container images empty apt's own archives after every dpkg run, under the feet of another apt.
  mkdir -p "$scratch/debs/partial"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=600 -o Dir::Cache::archives="$scratch/debs/" \
    install -y -qq --no-install-recommends "${packages[@]}" >"$scratch/log" 2>&1 9>&- ||
    { tail -n 30 "$scratch/log" >&2; echo "slurm/dev: apt-get could not install them" >&2; exit 1; }
  lacking=$(missing)
  if [ -n "$lacking" ]; then
    echo "slurm/dev: still lacking after the installation:" $lacking >&2
    exit 3
  fi
}
main "$@"
