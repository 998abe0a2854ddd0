# Brings the cluster up, or brings back what of it is gone.

up() {
  "$here/packages.sh"
  found_state
  configure
  make_network
  login_files
  profile_files
  if all_answers; then
    user_token
    return
  fi
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

# All at once, as each question takes a while.
all_answers() {
  local name asked=()
  for name in munge db dbd ctld rest login; do
    { runs "$name" && "answers_$name"; } >/dev/null 2>&1 &
    asked+=($!)
  done
  [ -z "$(nodes_without_slurmd)" ] && nodes_are_ready || asked+=(0)
  for name in "${asked[@]}"; do wait "$name" 2>/dev/null || return 1; done
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
