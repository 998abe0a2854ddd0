# The login node: an ssh server on loopback (and where nodes can reach it) with keys of its own, and the
# ssh_config that leads to it.

login_files() {
  local folder="$state/login" name
  mkdir -p "$folder" /run/sshd
  for name in "$folder/host_key" "$state/user/id_ed25519"; do
    [ -s "$name" ] || ssh-keygen -q -t ed25519 -N '' -C "schliff slurm/dev" -f "$name" </dev/null
  done
  cp "$state/user/id_ed25519.pub" "$folder/authorized_keys"
  cat >"$folder/sshd_config" <<END
Port $(port login)
ListenAddress 127.0.0.1
ListenAddress $(controller_address)
HostKey $folder/host_key
AuthorizedKeysFile $folder/authorized_keys
PidFile $state/run/sshd.pid
UsePAM no
# The state folder may be anywhere, also in /tmp.
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
# The default of 10 is too few for one multiplexed connection of many commands.
MaxSessions 64
MaxStartups 100
SetEnv SLURM_CONF=$SLURM_CONF
END
  echo "[127.0.0.1]:$(port login) $(cut -d' ' -f1,2 "$folder/host_key.pub")" >"$state/user/known_hosts"
  cat >"$state/user/ssh_config" <<END
Host login
  HostName 127.0.0.1
  Port $(port login)
  User root
  IdentityFile $state/user/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $state/user/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
  ControlMaster auto
  ControlPath $state/user/cm-%r
  ControlPersist 60
END
}

start_login() { launch login uts /usr/sbin/sshd -D -E "$state/log/login.log" -f "$state/login/sshd_config"; }
answers_login() { timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && read -r banner <&3 && [[ $banner == SSH-* ]]' "$(port login)"; }

# The server's process for each connection, but not the one that listens. Newer ones have a name of their own.
ssh_sessions() {
  local pid listener
  listener="$(cat "$state/run/sshd.pid")"
  for pid in $(processes login); do
    if [ "$pid" != "$listener" ] && [[ "$(cat "/proc/$pid/comm" 2>/dev/null)" == sshd* ]]; then echo "$pid"; fi
  done
}
