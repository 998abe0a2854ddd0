#!/usr/bin/env bash
# Makes sure that an MPI library can be linked and run: its compiler wrapper, mpirun, and libclang for
# the bindings. Installs Debian's Open MPI where it can (as root); elsewhere says what is missing.
set -euo pipefail

libclang() { ldconfig -p | grep -q 'libclang\(-[0-9]*\)\?\.so' || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null; }
present() { command -v mpicc >/dev/null && command -v mpirun >/dev/null && libclang; }

if present; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "mpi_packages.sh: no MPI library to link; on Debian: apt install libopenmpi-dev openmpi-bin libclang-dev" >&2
  exit 1
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends libopenmpi-dev openmpi-bin libclang-dev >/dev/null
