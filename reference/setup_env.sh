#!/bin/sh
# Makes the Python environment of the reference implementations (torch, transformers, PEFT, gguf)
# in the cache folder and prints the path of its interpreter. Does nothing where it is already
# there for the present requirements.txt. Needs python3 with venv, pip and about 5.6 GB of disk.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${SCHLIFF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/schliff}
env_dir=$cache/reference-env
stamp=$env_dir/requirements.sha256
wanted=$(sha256sum "$here/requirements.txt" | cut -d ' ' -f 1)

fail() {
    echo "setup_env.sh: $1" >&2
    exit 1
}

# True when every pinned distribution is installed in just that version.
complete() {
    [ -x "$env_dir/bin/python" ] && "$env_dir/bin/python" - "$here/requirements.txt" <<'PY'
import sys
from importlib.metadata import PackageNotFoundError, version

pins = [line.split("==") for line in open(sys.argv[1]).read().split() if "==" in line]
try:
    sys.exit(0 if all(version(name).split("+")[0] == pin for name, pin in pins) else 1)
except PackageNotFoundError:
    sys.exit(1)
PY
}

if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    if ! complete; then
        command -v python3 >/dev/null || fail "python3 is not installed"
        if [ ! -x "$env_dir/bin/python" ]; then
            mkdir -p "$cache"
            python3 -m venv "$env_dir" >&2 || fail "python3 -m venv failed; on Debian: apt install python3-venv"
        fi
        "$env_dir/bin/python" -m pip install --quiet --requirement "$here/requirements.txt" >&2 \
            || fail "pip could not install $here/requirements.txt"
        complete || fail "the environment in $env_dir does not hold the pinned versions"
    fi
    echo "$wanted" >"$stamp.new"
    mv "$stamp.new" "$stamp"
fi
echo "$env_dir/bin/python"
