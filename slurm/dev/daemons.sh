# The daemons that a cluster has once: how each is started, and how it shows that it answers.

start_munge() {
  launch munge as munge munged --foreground --socket="$state/munge/munge.socket" --key-file="$state/munge/munge.key" \
    --pid-file="$state/munge/munged.pid" --log-file="$state/munge/munged.log" --seed-file="$state/munge/munged.seed" --force
}
answers_munge() { munge -S "$state/munge/munge.socket" -n; }

start_db() {
  if [ ! -d "$state/db/data/mysql" ]; then
    rm -rf "$state/db/data"
    mariadb-install-db --no-defaults --user=mysql --datadir="$state/db/data" \
      --auth-root-authentication-method=normal --skip-test-db >"$state/log/db.install" 2>&1 ||
      fail "mariadb-install-db failed: $(tail -n 15 "$state/log/db.install")"
  fi
  # Tests kill programs, not the machine: nothing need reach the disk at once.
  launch db mariadbd --no-defaults --user=mysql --datadir="$state/db/data" --socket="$state/db/mysqld.sock" \
    --pid-file="$state/db/mysqld.pid" --skip-networking --skip-log-bin --innodb-buffer-pool-size=256M \
    --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 --log-error="$state/log/db.log"
}
sql() { mariadb --no-defaults -S "$state/db/mysqld.sock" -u root "$@"; }
answers_db() { sql -e 'select 1'; }
make_database() {
  sql -e "create database if not exists slurm_acct_db;
    create user if not exists slurm@localhost identified by 'slurm';
    grant all on slurm_acct_db.* to slurm@localhost"
}

# slurmdbd finds the database's socket by this variable alone.
start_dbd() { launch dbd as slurm env MYSQL_UNIX_PORT="$state/db/mysqld.sock" slurmdbd; }
answers_dbd() { timeout 5 sacctmgr -nP list cluster; }

start_ctld() { launch ctld uts as slurm slurmctld -f "$SLURM_CONF"; }
answers_ctld() { timeout 5 scontrol ping | grep -q 'is UP'; }

# slurmrestd refuses to be root or Slurm's own user.
start_rest() {
  launch rest as nobody env SLURM_JWT=daemon slurmrestd -f "$SLURM_CONF" -a rest_auth/jwt \
    "127.0.0.1:$(port rest)" "unix:$state/rest/rest.sock"
}
# Any answer of HTTP will do, the refusal of a caller without a token as well.
answers_rest() { curl -sS -o /dev/null --max-time 5 "http://127.0.0.1:$(port rest)/openapi/v3"; }

# Starts one of the above where it does not run, and waits for its answer. One that runs but does not answer
# (frozen, or half dead) is ended first.
ensure() {
  local name=$1
  if runs "$name"; then
    if "answers_$name" >/dev/null 2>&1; then return; fi
    end "$name" KILL 1
  fi
  "start_$name"
  await "$name" "${2:-20}" "answers_$name"
}

# token SECONDS: a JWT of the user root, as slurmrestd wants it.
token() {
  [[ "$1" =~ ^[1-9][0-9]*$ ]] || fail "a token's lifetime is a number of seconds, not $1" 2
  local line
  line="$(timeout 10 scontrol token username=root lifespan="$1")" || fail "slurmctld gave no token"
  echo "${line#SLURM_JWT=}"
}

# One for `env`, renewed by every `up`.
user_token() {
  (umask 077 && token 2592000 >"$state/user/jwt.new")
  mv "$state/user/jwt.new" "$state/user/jwt"
}
