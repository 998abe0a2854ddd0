# Which Slurm a cluster is made of: the machine's, or 24.11 out of the folder that trixie.sh makes.
#
# The other release's programs run in mount namespaces in which /usr is that folder's. So they see the same
# files, users and networks as everybody. Its commands for users are in the cluster's bin folder; they need root.

commands=(sbatch srun salloc scancel squeue sinfo sacct sacctmgr scontrol sdiag sprio sshare sstat sattach scrontab
  munge unmunge mariadb mariadb-install-db)

# After the cluster is known: its commands, for this script too.
use_release() {
  image=''
  if [ "$release" != machine ] && [ -L "$state/image" ]; then
    image="$(readlink "$state/image")"
    PATH="$state/bin:$PATH"
  fi
}

# Once for a folder.
choose_release() {
  if [ "$release" = machine ] || [ -L "$state/image" ]; then return; fi
  local name folder
  folder="$("$here/trixie.sh")"
  mkdir -p "$state/bin"
  install -m 755 "$here/inside.sh" "$state/bin/.inside"
  # The whole path: by its name alone it would find itself.
  cat >"$state/bin/.command" <<END
#!/bin/sh
exec unshare --mount --propagation slave "$state/bin/.inside" '' '' "$folder" "/usr/bin/\${0##*/}" "\$@"
END
  chmod 755 "$state/bin/.command"
  for name in "${commands[@]}"; do ln -sf .command "$state/bin/$name"; done
  ln -s "$folder" "$state/image"
  use_release
}

# A few options have moved between the releases.
release_conf() {
  if [ "$release" = machine ]; then
    echo "SlurmctldParameters=preempt_send_user_signal"
  else
    echo "PreemptParameters=send_user_signal"
  fi
}
# A plug-in must be named, although no control group is made.
cgroup_conf() {
  if [ "$release" = machine ]; then echo "CgroupPlugin=cgroup/v1"; else echo "CgroupPlugin=disabled"; fi
}
