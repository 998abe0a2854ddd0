# Brings the cluster up, or brings back what of it is gone.

up() {
  "$here/packages.sh"
  found_state
  configure
  login_files
  ensure munge
  ensure db 60
  make_database
  ensure dbd 60
  make_cluster
  ensure ctld 30
  make_accounts
  start_nodes
  ensure rest
  ensure login
  user_token
}

status() {
  [ -n "$id" ] || fail "no cluster in $state: run 'slurm up' first"
  local name word all=0
  for name in munge db dbd ctld rest login; do
    word=down
    if ! runs "$name"; then all=1; elif "answers_$name" >/dev/null 2>&1; then word=up; else word=silent all=1; fi
    echo "$name $word"
  done
  node_states 2>/dev/null || true
  return "$all"
}
