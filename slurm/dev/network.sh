# The nodes' addresses. By default all nodes share the machine's network, each with a loopback address.
#
# With `up --netns` each node has a network namespace of its own, joined by a bridge to the machine, so that
# its link can be cut while its processes live on. Its addresses are from 198.18.0.0/15, which is set aside
# for tests and routed by nobody. Programs on the machine that nodes call must then listen on the bridge's
# address, SCHLIFF_SLURM_HOST_ADDR, instead of on loopback.

subnet() { echo "198.$((18 + base / 200 / 256 % 2)).$((base / 200 % 256))"; }
node_address() {
  if [ "$network" = netns ]; then echo "$(subnet).$((${1#n} + 1))"; else echo "127.77.1.$((${1#n} + 1))"; fi
}
# The machine's own, as the nodes see it.
controller_address() { if [ "$network" = netns ]; then echo "$(subnet).1"; else echo 127.0.0.1; fi; }

# Linux allows 15 characters for an interface's name.
bridge() { echo "sb$id"; }
cable() { echo "s${id:0:9}$1"; }
namespace() { echo "schliff-$id-$1"; }

make_network() {
  if [ "$network" != netns ]; then return; fi
  if ! ip link show "$(bridge)" >/dev/null 2>&1; then
    ip link add "$(bridge)" type bridge || fail "this machine allows no bridge between networks" 3
    ip addr add "$(subnet).1/24" dev "$(bridge)"
    ip link set "$(bridge)" up
  fi
  local name
  unshare --net true 2>/dev/null || fail "this machine allows no network namespaces" 3
  # `ip netns` makes this mount point on its first use, and leaves it.
  if ! mountpoint -q /run/netns; then touch "$state/made-netns"; fi
  while read -r name; do
    if [ ! -e "/run/netns/$(namespace "$name")" ]; then plug_in "$name"; fi
    ip link set "$(cable "$name")" up
  done < <(node_names)
}

plug_in() {
  local space cable
  space="$(namespace "$1")" cable="$(cable "$1")"
  ip netns add "$space"
  ip link add "$cable" type veth peer name eth0 netns "$space"
  ip link set "$cable" master "$(bridge)" up
  ip -n "$space" link set lo up
  ip -n "$space" addr add "$(node_address "$1")/24" dev eth0
  ip -n "$space" link set eth0 up
}

remove_network() {
  local path
  for path in $(compgen -G "/run/netns/$(namespace '*')"); do
    # The namespace may outlive its name for a moment; the cable's end on the machine must not.
    ip link del "$(cable "${path##*-}")" 2>/dev/null || true
    ip netns del "${path##*/}"
  done
  ip link del "$(bridge)" 2>/dev/null || true
  if [ -e "$state/made-netns" ]; then
    rm "$state/made-netns"
    # Somebody else's may be in there by now.
    if [ -z "$(ls -A /run/netns)" ]; then umount /run/netns && rmdir /run/netns; fi
  fi
}

# up or down: the link of a node.
node_link() {
  [ "$network" = netns ] || fail "the nodes of $state share the machine's network: 'slurm up --netns' gives each its own" 2
  ip link set "$(cable "$1")" "$2"
}
