# Where a cluster keeps its files, which ports are its own, and who works on it at the moment.
#
# Sets: state (its folder), id (its name among processes), base (its first port), nodes (their number),
# network (host or netns: where the nodes are), release (machine or 24.11: whose Slurm it is). A folder that
# `up` has not made yet has no id and no ports.

fail() {
  echo "slurm/dev: $1" >&2
  exit "${2:-1}"
}

need_words() { [ "${#words[@]}" = "$1" ] || usage; }
need_up() {
  need_words 0
  [ -n "$id" ] || fail "no cluster in $state: run 'slurm up' first"
}
need_node() {
  need_words 1
  [ -n "$id" ] || fail "no cluster in $state: run 'slurm up' first"
  [ -d "$state/nodes/${words[0]}" ] || fail "no node ${words[0]}: they are n1 to n$nodes" 2
}

open_state() {
  state="$(readlink -m "$state")"
  # The longest socket's name below it must fit into the 107 bytes that Unix allows.
  [ "${#state}" -le 60 ] || fail "the state folder's path is too long for sockets in it (60 at most): $state" 2
  [[ "$state" =~ ^/[A-Za-z0-9._/-]+$ ]] || fail "the state folder's path has a character that slurm.conf cannot hold: $state" 2
  id='' base='' nodes=4 network='' release=''
  if [ -s "$state/cluster" ]; then read -r id base nodes network release <"$state/cluster"; fi
  network="${network:-host}" release="${release:-machine}"
  export SLURM_CONF="$state/slurm.conf"
  use_release
}

# One command at a time changes a cluster. The folder itself is the lock; it may be removed and made again
# while we wait for it.
locked() {
  [ "$(id -u)" = 0 ] || fail "'$verb' needs root" 3
  local limit=$((SECONDS + 300))
  while true; do
    if [ "$1" = up ]; then mkdir -p "$state"; fi
    if [ ! -d "$state" ]; then break; fi
    exec 9<"$state"
    flock -w $((limit - SECONDS)) 9 || fail "another command has been at work on $state for five minutes"
    if [ "$state" -ef /proc/self/fd/9 ]; then break; fi
  done
  open_state
  "$@"
}

# Makes the folder and its cluster's names, once.
found_state() {
  if [ -n "$wish_nodes" ]; then
    [[ "$wish_nodes" =~ ^[1-9][0-9]{0,2}$ ]] && [ "$wish_nodes" -le 170 ] || fail "--nodes: 1 to 170, not $wish_nodes" 2
  fi
  [[ "${wish_release:-machine}" =~ ^(machine|24\.11)$ ]] || fail "--release: machine or 24.11, not $wish_release" 2
  if [ -n "$wish_release" ] && [ -n "$id" ] && [ "$wish_release" != "$release" ]; then
    fail "$state has Slurm's release $release; another one needs another folder, or 'down --purge' first" 2
  fi
  # A folder of somebody else in /tmp could be anything, for daemons that run as root.
  [ -O "$state" ] && [ ! -L "$state" ] || fail "$state is not a folder of this user"
  # It will be removed whole one day.
  [ -n "$id" ] || [ -z "$(ls -A "$state")" ] || fail "$state is not empty, and not a cluster's"
  chmod 755 "$state"
  setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$state" || {
    rmdir "$state" 2>/dev/null || true
    fail "the users slurm, munge, mysql and nobody cannot enter $state: a folder above it is closed" 3
  }
  if [ -n "$wish_ports" ] && [ -n "$base" ] && [ "$wish_ports" != "$base" ]; then
    fail "$state has the ports from $base; other ones need 'down --purge' first" 2
  fi
  [ -n "$id" ] || id="$(head -c 6 /dev/urandom | od -An -tx1 | tr -d ' \n')"
  [ -n "$base" ] || base="${wish_ports:-$(free_ports)}"
  nodes="${wish_nodes:-$nodes}" network="${wish_network:-$network}" release="${wish_release:-$release}"
  echo "$id $base $nodes $network $release" >"$state/cluster"
  choose_release
}

port() {
  case "$1" in
    ctld) echo "$base" ;;
    dbd) echo $((base + 1)) ;;
    rest) echo $((base + 2)) ;;
    login) echo $((base + 3)) ;;
    n*) echo $((base + 20 + ${1#n})) ;;
  esac
}

# The first of 200 ports that nobody listens on and no other cluster has claimed, from a place that depends
# on the folder. A claim is a link to the claiming folder, as only one can make it.
free_ports() {
  local slot first claim number
  number="$(cksum <<<"$state" | cut -d' ' -f1)"
  for slot in {0..49}; do
    first=$((10000 + (number + slot) % 50 * 200))
    claim="/run/lock/schliff-slurm-ports-$first"
    if [ -L "$claim" ] && ! grep -qs " $first " "$claim/cluster"; then rm -f "$claim"; fi
    if ss -Hltn | awk -v first="$first" '{ sub(/.*:/, "", $4); if ($4 >= first && $4 < first + 200) found = 1 }
        END { exit !found }'; then continue; fi
    if ln -sn "$state" "$claim" 2>/dev/null; then
      echo "$first"
      return
    fi
  done
  fail "no 200 free ports between 10000 and 20000; name some with --ports"
}

# Shell exports: all that a client of the cluster must know.
environment() {
  [ -n "$id" ] || fail "no cluster in $state: run 'slurm up' first"
  local name
  printf 'export %s=%q\n' SCHLIFF_SLURM_STATE "$state" SLURM_CONF "$SLURM_CONF" \
    SCHLIFF_SLURM_REST_URL "http://127.0.0.1:$(port rest)" SCHLIFF_SLURM_REST_USER root \
    SCHLIFF_SLURM_JWT_FILE "$state/user/jwt" \
    SCHLIFF_SLURM_SSH_CONFIG "$state/user/ssh_config" SCHLIFF_SLURM_SSH_HOST login \
    SCHLIFF_SLURM_NODES "$nodes" SCHLIFF_SLURM_HOST_ADDR "$(controller_address)"
  if [ "$release" != machine ]; then printf 'export PATH=%q:"$PATH"\n' "$state/bin"; fi
  # Inherited from a job or from another cluster they would change what the clients do.
  for name in SLURM_JWT SLURM_CLUSTERS SBATCH_PARTITION SBATCH_ACCOUNT; do echo "unset $name"; done
}
