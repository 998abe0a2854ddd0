# What goes wrong on real clusters, on demand.

# The machine is lost: slurmd first, so that it cannot report the end of its jobs.
node_kill() {
  local pid
  for pid in $(processes "$1"); do
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = slurmd ]; then kill -s KILL "$pid" 2>/dev/null || true; fi
  done
  end "$1" KILL 1
}

node_start() {
  if nodes_without_slurmd | grep -qx "$1"; then
    if runs "$1"; then end "$1" KILL 1; fi
    start_node "$1"
  fi
  await "$1" 40 node_is_ready "$1"
}
node_is_ready() { node_states | grep -Eq "^$1 (idle|mixed|allocated|completing|reserved|planned)$"; }

# STOP or CONT for all processes of a node.
node_signal() {
  local found
  found="$(processes "$2")"
  [ -n "$found" ] || fail "nothing of node $2 runs"
  # shellcheck disable=SC2086
  kill -s "$1" $found
}

daemon_stop() { end "$1" TERM 10; }
daemon_start() { ensure "$1" 30; }
daemon_restart() {
  daemon_stop "$1"
  daemon_start "$1"
}

# The connections drop; what they had started lives on as it does on a real login node.
ssh_cut() {
  local found
  found="$(ssh_sessions)"
  # shellcheck disable=SC2086
  if [ -n "$found" ]; then kill -s KILL $found 2>/dev/null || true; fi
}
