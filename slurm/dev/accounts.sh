# Who may use the cluster: the accounts dev (default) and other, and the quality of service `capped`.
#
# Associations are enforced, as on real sites, so that whoever submits must be known: root, and nobody for
# tests that need a second user.

# sacctmgr calls it a failure when there is nothing new to add; what is there in the end is what counts.
manage() { timeout 30 sacctmgr -i "$@" >>"$state/log/accounts.out" 2>&1 || true; }

# Before the controller's first start, which fails for an unknown cluster.
make_cluster() {
  [ -e "$state/db/accounts" ] || manage add cluster dev
}

# After the controller's start, which makes GPUs known as something that can be limited.
make_accounts() {
  # The last of the steps below: all have been done where it has.
  if [ -e "$state/db/accounts" ]; then return; fi
  : >"$state/log/accounts.out"
  await ctld 20 gpus_are_known
  # One job and two GPUs at a time for each user, ten minutes each.
  manage add qos capped MaxJobsPerUser=1 MaxTRESPerUser=gres/gpu=2 MaxWall=00:10:00
  manage add account dev,other Description=tests Organization=schliff QOS=normal,capped DefaultQOS=normal
  manage add user root Account=dev,other
  manage modify user root set DefaultAccount=dev
  manage add user nobody Account=other
  accounts_are_made || fail "the accounts could not be made: $(tail -n 15 "$state/log/accounts.out")"
  # slurmdbd tells the controller of them at the address that it was called from; with netns nobody listens
  # there, and only a start reads them anew.
  if [ "$network" = netns ]; then daemon_restart ctld; fi
  touch "$state/db/accounts"
}
gpus_are_known() { timeout 10 sacctmgr -nP show tres | grep -q 'gres|gpu'; }
accounts_are_made() {
  [ "$(timeout 30 sacctmgr -nP show assoc user=root,nobody account=dev,other format=user,account,qos | grep -c capped)" = 3 ] &&
    timeout 10 sacctmgr -nP show qos capped format=maxtrespu | grep -q 'gres/gpu=2'
}
