# Cluster profiles of this cluster, one for each way to reach it: configs/clusters/dev.toml with the
# paths, addresses and ports that this one has. Sourced by `slurm`.

profile_files() {
  local root example="$here/../../configs/clusters/dev.toml"
  root="$(cd "$here/../.." && pwd)"
  profile dev 'transport = "command"'
  profile dev-ssh "transport = \"ssh\"
ssh_host = \"login\"
ssh_config = \"$state/user/ssh_config\"
logins_per_minute = 60"
  profile dev-rest "transport = \"rest\"
rest_url = \"http://127.0.0.1:$(port rest)\"
rest_user = \"root\"
rest_token_file = \"$state/user/jwt\""
}

# NAME, LINES: the lines say how it is reached.
profile() {
  local line
  while IFS= read -r line; do
    case "$line" in
      'name = '*) echo "name = \"$1\"" ;;
      'transport = '*) echo "$2" ;;
      'folder = '*) echo "folder = \"$state/user/jobs\"" ;;
      'program = '*) echo "program = \"$root/target/release/schliff\"" ;;
      '#'*) ;;
      *) echo "$line" ;;
    esac
  done <"$example" >"$state/user/$1.toml"
}
