# Starts the cluster's processes so that every one of them, and whatever it starts, can be found again.
#
# Each daemon gets a mount namespace of its own in which /etc/hosts is a file of the cluster, named after the
# cluster's id and the daemon. That is at once how jobs know their nodes' names, and a mark that children
# inherit, that no other process can have, and that no reused process id or lost pid file makes wrong.

mark() { echo "hosts-$id-$1"; }

# Process ids of a daemon and of all that it started. `*`: of the whole cluster.
processes() {
  local pattern
  if [ "$1" = '*' ]; then pattern="/$(mark '[^ ]*')"; else pattern="/$(mark "$1")"; fi
  # Processes come and go while grep reads.
  { grep -ls -- "$pattern\(//deleted\)\? /etc/hosts " /proc/[0-9]*/mountinfo || true; } | cut -d/ -f3
}

runs() { [ -n "$(processes "$1")" ]; }

# launch NAME [uts] [as USER] COMMAND...: NAME is the daemon's, and with `uts` also the host name that it sees.
launch() {
  local name=$1 namespaces=(--mount) hostname='' user=()
  shift
  if [ "$1" = uts ]; then
    namespaces+=(--uts) hostname=$name
    shift
  fi
  if [ "$1" = as ]; then
    user=(setpriv --reuid="$2" --regid="$(id -g "$2")" --clear-groups)
    shift 2
  fi
  cp "$state/hosts" "$state/marks/$(mark "$name")"
  # Nothing of the caller's environment and open files goes into daemons that outlive it. Mounts that the
  # machine makes later are still seen.
  env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 SLURM_CONF="$SLURM_CONF" \
    setsid unshare "${namespaces[@]}" --propagation slave \
    "$here/inside.sh" "$state/marks/$(mark "$name")" "$hostname" "$image" "${user[@]}" "$@" \
    </dev/null >"$state/log/$name.out" 2>&1 &
}

# await DAEMON SECONDS COMMAND...: until the command succeeds; else ends with the daemon's last words.
await() {
  local name=$1 limit=$((SECONDS + $2)) dead=$((SECONDS + 3))
  shift 2
  until "$@" >"$state/log/await" 2>&1; do
    # It may still be on its way into its namespaces, but not for long.
    if [ "$SECONDS" -ge "$limit" ] || { [ "$SECONDS" -ge "$dead" ] && ! runs "$name"; }; then
      echo "slurm/dev: $name does not answer ($*). The last it said:" >&2
      { tail -qn 15 "$state/log/$name.out" "$state/log/$name.log" "$state/log/await" 2>/dev/null || true; } >&2
      exit 1
    fi
    sleep 0.05
  done
}

# end NAME SIGNAL SECONDS: asks, waits so long, then kills. Returns when no process of it is left.
end() {
  local name=$1 signal=$2 limit=$((SECONDS + $3)) found
  local last=$((limit + 10))
  found="$(processes "$name")"
  # shellcheck disable=SC2086
  if [ -n "$found" ]; then kill -s "$signal" $found 2>/dev/null || true; fi
  while found="$(processes "$name")" && [ -n "$found" ]; do
    # Whatever is frozen must wake up to die of anything but KILL.
    # shellcheck disable=SC2086
    if [ "$SECONDS" -ge "$limit" ]; then kill -s KILL $found 2>/dev/null || true; fi
    if [ "$SECONDS" -ge "$last" ]; then fail "these processes of $name do not die:" $found; fi
    sleep 0.05
  done
}
