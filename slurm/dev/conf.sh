# Writes the cluster's configuration: slurm.conf, gres.conf, cgroup.conf, slurmdbd.conf and the names of its nodes.

node_names() { seq -f 'n%.0f' 1 "$nodes"; }

# Times are short, so that tests see a dead node or a killed job within seconds instead of minutes.
slurm_conf() {
  cat <<END
ClusterName=dev
# The controller's own host name, as it binds to that name's address and to no other.
SlurmctldHost=ctld($(controller_address))
SlurmctldPort=$(port ctld)
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$state/munge/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$state/jwt.key
CredType=cred/munge
StateSaveLocation=$state/ctld
SlurmctldPidFile=$state/run/slurmctld.pid
SlurmctldLogFile=$state/log/ctld.log
SlurmdSpoolDir=$state/nodes/%n/spool
SlurmdPidFile=$state/run/slurmd-%n.pid
SlurmdLogFile=$state/log/%n.log
# mpi/pmix needs a folder of each node's own.
TmpFS=$state/nodes/%n/tmp
CommunicationParameters=NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SlurmdParameters=config_overrides
GresTypes=gpu
MpiDefault=none
# Mail is not sent.
MailProg=/bin/true
SlurmctldTimeout=30
SlurmdTimeout=10
ReturnToService=2
MinJobAge=60
KillWait=5
MessageTimeout=10
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=100000
PriorityType=priority/multifactor
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$(release_conf)
JobRequeue=1
MaxJobCount=50000
MaxArraySize=10001
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$(port dbd)
# Towards slurmdbd this is where munge's socket is named; AuthInfo is not looked at.
AccountingStoragePass=$state/munge/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos
END
  local name rack=1
  while read -r name; do
    # Each node has its port, as slurmd listens on all addresses.
    echo "NodeName=$name NodeHostname=$name NodeAddr=$(node_address "$name") Port=$(port "$name") CPUs=8 RealMemory=4000 Gres=gpu:4 Features=rack$rack,gpu"
    rack=$((3 - rack))
  done < <(node_names)
  # GraceTime: a preempted job is warned so many seconds before it is stopped.
  cat <<END
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
PartitionName=short Nodes=ALL MaxTime=00:03:00 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
END
}

slurmdbd_conf() {
  cat <<END
AuthType=auth/munge
AuthInfo=socket=$state/munge/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$state/jwt.key
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$(port dbd)
SlurmUser=slurm
LogFile=$state/log/dbd.log
PidFile=$state/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
END
}

# What the cluster's processes see as /etc/hosts.
hosts() {
  cat /etc/hosts
  local name
  while read -r name; do echo "$(node_address "$name") $name"; done < <(node_names)
  echo "$(controller_address) ctld"
  echo "$(controller_address) login"
}

# A GPU is a null device under another name: Slurm silently counts none without a file for each.
fake_gpus() {
  local k
  for k in 0 1 2 3; do
    [ -e "$state/dev/nvidia$k" ] || mknod -m 666 "$state/dev/nvidia$k" c 1 3
  done
  printf 'AutoDetect=off\nName=gpu File=%s/dev/nvidia[0-3]\n' "$state" >"$state/gres.conf"
}

# secret FILE OWNER BYTES: once, readable by its owner alone.
secret() {
  [ -s "$1" ] || (umask 077 && head -c "$3" /dev/urandom >"$1")
  chown "$2:" "$1"
}

folders() {
  local name
  mkdir -p "$state"/{munge,db,ctld,run,log,marks,dev,rest,user,nodes}
  # slurmd writes into run as root, slurmctld and slurmdbd as slurm.
  chown slurm: "$state/ctld" "$state/run" "$state/log"
  chown munge: "$state/munge"
  chown mysql: "$state/db"
  chown nobody: "$state/rest"
  chmod 700 "$state/user"
  while read -r name; do mkdir -p "$state/nodes/$name"/{spool,tmp}; done < <(node_names)
}

configure() {
  folders
  secret "$state/munge/munge.key" munge 1024
  secret "$state/jwt.key" slurm 32
  fake_gpus
  cgroup_conf >"$state/cgroup.conf"
  hosts >"$state/hosts"
  (umask 077 && slurmdbd_conf >"$state/slurmdbd.conf")
  chown slurm: "$state/slurmdbd.conf"
  slurm_conf >"$state/slurm.conf.new"
  # A set of nodes is nothing that a running cluster takes over: it starts anew, with the jobs that it had.
  if [ -e "$SLURM_CONF" ] && ! cmp -s "$SLURM_CONF.new" "$SLURM_CONF"; then end_all; fi
  mv "$SLURM_CONF.new" "$SLURM_CONF"
}
