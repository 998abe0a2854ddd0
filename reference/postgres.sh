#!/usr/bin/env bash
# A Postgres server of this checkout's own, on loopback, for tests.
#
#   postgres.sh start            starts it and prints its URL
#   postgres.sh stop             ends it; its databases stay
#   postgres.sh clean            ends it and removes everything
#   postgres.sh with COMMAND...  runs a command with SCHLIFF_TEST_POSTGRES set, and cleans whatever happens
#
# Installs the server where it can (Debian, as root); elsewhere says what is missing. Postgres refuses
# to run as root: there it runs as the user postgres, or nobody.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# One folder and port for each checkout, so that two of them do not meet.
number=$(($(cksum <<<"$root" | cut -d' ' -f1) % 10000))
folder="${TMPDIR:-/tmp}/schliff-postgres-$(id -u)-$number"
port=$((20000 + number))
password=secret
url="postgres://schliff:$password@127.0.0.1:$port/postgres"

programs() { compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n1 | xargs -r dirname; }

install() {
  if [ -n "$(programs)" ]; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "postgres.sh: no Postgres server; on Debian: apt install postgresql" >&2
    exit 1
  fi
  # The package would make and start a server of its own.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

user() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

as_user() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid "$(user)" --regid "$(id -g "$(user)")" --clear-groups env HOME="$folder" "$@"
  else
    "$@"
  fi
}

start() {
  install
  local bin
  bin="$(programs)"
  mkdir -p "$folder"
  if [ "$(id -u)" = 0 ]; then chown "$(user)" "$folder"; fi
  # The server's programs look where they are started, and root's folders are closed to its user.
  cd "$folder"
  if [ ! -s "$folder/data/PG_VERSION" ]; then
    as_user sh -c "umask 077; echo $password >'$folder/password'"
    as_user "$bin/initdb" -D "$folder/data" -U schliff -A scram-sha-256 --pwfile="$folder/password" \
      --no-sync -E UTF8 --locale=C >/dev/null
    # Tests kill programs, not the machine: nothing need reach the disk.
    as_user tee -a "$folder/data/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = off
full_page_writes = off
synchronous_commit = off
END
  fi
  if ! as_user "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; then
    as_user "$bin/pg_ctl" -D "$folder/data" -w -s -l "$folder/data/log" start >/dev/null || {
      cat "$folder/data/log" >&2
      exit 1
    }
  fi
}

stop() {
  if [ -s "$folder/data/postmaster.pid" ]; then
    (cd "$folder" && as_user "$(programs)/pg_ctl" -D "$folder/data" -m fast -w -s stop)
  fi
}

clean() {
  stop
  rm -rf "$folder"
}

case "${1:-}" in
  start)
    (start)
    echo "$url"
    ;;
  stop) stop ;;
  clean) clean ;;
  with)
    shift
    trap clean EXIT
    trap 'exit 130' INT TERM
    (start)
    SCHLIFF_TEST_POSTGRES="$url" "$@"
    ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
