# The compute nodes: a slurmd each, with a host name of its own and everything that its jobs start.

start_node() {
  local network_of=()
  # `ip netns exec` would also hide /sys/fs/cgroup.
  if [ "$network" = netns ]; then network_of=(nsenter --net="/run/netns/$(namespace "$1")"); fi
  launch "$1" uts "${network_of[@]}" slurmd -N "$1" -f "$SLURM_CONF"
}

# Names of those nodes whose slurmd does not run; their jobs may.
nodes_without_slurmd() {
  local name running
  running=" $(
    { grep -lsx slurmd /proc/[0-9]*/comm || true; } | sed 's/comm$/mountinfo/' |
      { xargs -r grep -hso "/$(mark 'n[0-9]*') /etc/hosts " || true; } | sed 's/.*-\(n[0-9]*\) .*/\1/' | sort -u | tr '\n' ' '
  ) "
  while read -r name; do
    if [[ "$running" != *" $name "* ]]; then echo "$name"; fi
  done < <(node_names)
}

# "NODE STATE" of each node, as the controller sees it.
node_states() { timeout 5 sinfo -h -N -o '%N %T' | sort -u; }
nodes_are_ready() {
  local states
  states="$(node_states)" && [ -n "$states" ] && ! grep -Eqv ' (idle|mixed|allocated|completing|reserved|planned)$' <<<"$states"
}

start_nodes() {
  local name
  for name in $(nodes_without_slurmd); do
    # What its jobs have left behind dies with the node, as it would on a real one.
    if runs "$name"; then end "$name" KILL 1; fi
    start_node "$name"
  done
  local lost
  lost="$(node_states | awk '$2 ~ /^(down|drained|draining|fail)/ && $2 !~ /\*$/ { print $1 }' | paste -sd,)" || true
  if [ -n "$lost" ]; then scontrol update nodename="$lost" state=resume || true; fi
  await_nodes
}

await_nodes() {
  local limit=$((SECONDS + 30 + nodes))
  until nodes_are_ready; do
    if [ "$SECONDS" -ge "$limit" ]; then
      echo "slurm/dev: not every node came up:" >&2
      node_states >&2 || true
      { tail -qn 15 "$state/log/ctld.log" "$state"/log/n1.{out,log} 2>/dev/null || true; } >&2
      exit 1
    fi
    sleep 0.1
  done
}
