# The checks of selftest.sh, one function each; it brings the cluster, its variables and small words.

# traces ID: whatever a cluster could leave on the machine, one thing a line.
traces() {
  {
    # By its mark, or by its files. Zombies, which are init's to collect, have neither.
    grep -ls -- "/hosts-$1-" /proc/[0-9]*/mountinfo
    # A pattern that does not find grep itself.
    grep -lsa -- "[/]${work#/}\|[s]leep 987654" /proc/[0-9]*/cmdline
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$work*" 2>/dev/null
    grep -- "$work\|$1" /proc/mounts
    ip -o link show | grep -- "s[b]\?${1:0:9}"
    find /run/netns -name "*$1*" 2>/dev/null
    find /run/lock -maxdepth 1 -lname "$work*"
  } || true
}

check_ranks() {
  local seen
  seen="$(srun -N4 -n4 bash -c 'echo "$SLURM_PROCID $(hostname) $SLURM_NTASKS $(getent hosts n3)"' | sort | tr -s ' ')"
  same "$seen" "$(for k in 0 1 2 3; do echo "$k n$((k + 1)) 4 127.77.1.4 n3"; done)" "four ranks on four nodes"
}

check_gpus() {
  same "$(srun -N1 --gres=gpu:3 bash -c 'echo $CUDA_VISIBLE_DEVICES,$SLURM_GPUS_ON_NODE')" 0,1,2,3 "three GPUs"
  if srun -N1 --gres=gpu:5 true 2>/dev/null; then wrong "five GPUs on a node refused"; fi
}

check_batch() {
  local id
  id="$(submit batch -N2 --wrap 'srun -n2 hostname')"
  until_true 30 "job $id completed" in_state "$id" COMPLETED
  same "$(sort "$work/batch" | xargs)" "n1 n2" "output of both nodes"
  until_true 20 "job $id in sacct" accounted "$id" COMPLETED
}

check_requeue() {
  local id
  id="$(talkative | submit requeue --requeue)"
  until_true 30 "the job's start" in_log requeue 'restarts=unset'
  scontrol requeue "$id"
  until_true 30 "job $id pending" in_state "$id" PENDING
  # It would wait for two minutes by itself. Within the second of the requeue, slurmd would take the new start's
  # credential for the revoked one, and the job would fail.
  scontrol update JobId="$id" StartTime=now+2
  until_true 30 "the job's second start" in_log requeue 'restarts=1'
}

check_preemption() {
  local id
  id="$(talkative | submit victim -N4 --exclusive --requeue --signal=B:USR1@60 -t 10)"
  until_true 30 "the victim's start" in_log victim start
  timeout 60 srun -Q -p urgent -N4 --exclusive true
  in_log victim warned || wrong "a warning before preemption"
  until_true 20 "job $id preempted in sacct" accounted "$id" PREEMPTED
}

check_limits() {
  local first second
  first="$(submit capped -q capped -t 5 --wrap 'sleep 60')"
  second="$(submit capped -q capped -t 5 --wrap 'sleep 60')"
  until_true 20 "job $second held back by its QOS" eval '[ "$(squeue -h -j '"$second"' -o %r)" = QOSMaxJobsPerUserLimit ]'
  same "$(squeue -h -j "$first" -o %T)" RUNNING "job $first"
  first="$(submit long -p short -t 4 --wrap true)"
  until_true 20 "job $first over the partition's limit" eval '[ "$(squeue -h -j '"$first"' -o %r)" = PartitionTimeLimit ]'
  if submit nobody -A none --wrap true 2>/dev/null; then wrong "an unknown account refused"; fi
}

check_second_user() {
  local as=(setpriv --reuid=nobody --regid=nogroup --clear-groups env -C /) id
  id="$("${as[@]}" sbatch --parsable -o /dev/null --wrap 'sleep 60')"
  same "$(squeue -h -j "$id" -o '%u %a')" "nobody other" "job $id"
  id="$(submit mine -H --wrap true)"
  if "${as[@]}" scancel "$id" 2>/dev/null; then wrong "cancelling another user's job refused"; fi
  scancel -u nobody
}

# call TOKEN: the HTTP status of a question. No ping: 24.11 answers that with 200 even when the token has expired.
call() {
  local family=v0.0.38
  if [ -n "${SLURM_VERSION:-}" ]; then family=v0.0.42; fi
  curl -s -o "$work/answer" -w '%{http_code}' -H "X-SLURM-USER-NAME: $SCHLIFF_SLURM_REST_USER" \
    -H "X-SLURM-USER-TOKEN: $1" "$SCHLIFF_SLURM_REST_URL/slurm/$family/nodes"
}
check_rest() {
  local short
  same "$(stat -c %a "$SCHLIFF_SLURM_JWT_FILE")" 600 "the token's file closed to others"
  same "$(call "$(cat "$SCHLIFF_SLURM_JWT_FILE")")" 200 "an answer"
  short="$(slurm token 1)"
  until_true 10 "an expired token refused" eval '[ "$(call '"$short"')" != 200 ]'
  slurm rest-stop
  if call x >/dev/null; then wrong "no REST interface"; fi
  slurm rest-start
  same "$(call "$(cat "$SCHLIFF_SLURM_JWT_FILE")")" 200 "an answer after its restart"
}

check_ssh() {
  local id status=0 ssh=(ssh -F "$SCHLIFF_SLURM_SSH_CONFIG" login)
  id="$(echo '#!/bin/bash
sleep 60' | "${ssh[@]}" sbatch --parsable -o /dev/null)"
  until_true 30 "job $id running" in_state "$id" RUNNING
  "${ssh[@]}" 'echo connected; sleep 30' >"$work/ssh" 2>/dev/null &
  until_true 10 "a connection" in_log ssh connected
  slurm ssh-cut
  wait $! || status=$?
  same "$status" 255 "a dropped connection"
  same "$("${ssh[@]}" hostname)" login "a connection after that"
}

check_node_death() {
  local id
  id="$(submit dying -w n2 --no-requeue --wrap 'sleep 300')"
  until_true 30 "job $id running" in_state "$id" RUNNING
  slurm node-kill n2
  until_true 60 "job $id lost with its node" in_state "$id" NODE_FAIL
  slurm node-start n2
  same "$(srun -Q -w n2 hostname)" n2 "the node at work again"
}

check_freeze() {
  local id
  id="$(submit frozen -w n3 --wrap 'for i in $(seq 600); do echo $i; sleep 0.1; done')"
  until_true 30 "job $id at work" in_log frozen 5
  slurm node-freeze n3
  until_true 60 "a node that does not answer" eval '[[ "$(sinfo -h -n n3 -o %T)" == *\* ]]'
  slurm node-thaw n3
  until_true 60 "node n3 back" eval '[[ "$(sinfo -h -n n3 -o %T)" != *\* ]]'
}

check_controller() {
  local id
  id="$(talkative | submit steady)"
  until_true 30 "the job's start" in_log steady start
  slurm ctld-stop
  if timeout 2 squeue >/dev/null 2>&1; then wrong "no controller"; fi
  slurm ctld-start
  slurm ctld-restart
  same "$(state_of "$id")" RUNNING "job $id after two restarts"
}

check_accounting() {
  local id
  slurm dbd-stop
  id="$(submit unaccounted --wrap true)"
  until_true 30 "job $id completed without accounting" in_state "$id" COMPLETED
  slurm dbd-start
  until_true 60 "job $id accounted for afterwards" accounted "$id" COMPLETED
}

# `up` finds what has ended: here the key service, the database, a node and the login node.
check_mending() {
  local name id took started
  for name in munge/munged db/mysqld run/sshd; do kill -KILL "$(cat "$SCHLIFF_SLURM_STATE/$name.pid")"; done
  slurm node-kill n4
  slurm up
  id="$(submit mended -N4 --wrap true)"
  until_true 30 "job $id completed" in_state "$id" COMPLETED
  until_true 30 "job $id accounted for" accounted "$id" COMPLETED
  started=$EPOCHREALTIME
  slurm up
  took="$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { print int(1000 * (b - a)) }')"
  echo "   up on a running cluster: $took ms"
}

# The cluster anew, in network namespaces: a node whose link is cut is lost, while its job works on.
check_partition() {
  local id lines
  empty_queue
  slurm up --netns
  eval "$(slurm env)"
  id="$(submit split -w n4 --no-requeue --wrap 'for i in $(seq 3000); do echo $i; sleep 0.1; done')"
  until_true 30 "job $id at work" in_log split 5
  slurm partition-node n4
  until_true 60 "job $id lost with its node" in_state "$id" NODE_FAIL
  lines="$(wc -l <"$work/split")"
  until_true 10 "job $id still at work behind the cut" eval '[ "$(wc -l <"$work/split")" -gt "$lines" ]'
  slurm heal n4
  until_true 90 "node n4 back" eval '[ "$(sinfo -h -n n4 -o %T)" = idle ]'
  until_true 20 "job $id killed by its node" eval '! pgrep -f "$SCHLIFF_SLURM_STATE/nodes/n4/spool/job0*$id/" >/dev/null'
}
