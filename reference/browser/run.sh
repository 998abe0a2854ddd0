#!/usr/bin/env bash
# Drives the status page in Chromium: real jobs of a real coordinator (serve.mjs), then the showcase's
# (showcase.mjs); run.sh [SUITE...] for some. Screenshots: target/browser. Needs the built programs and the built showcase.
#
# Needs node 20, npm and Chromium (SCHLIFF_TEST_CHROMIUM, else /usr/bin/chromium). Installs Debian's where
# it can (as root); elsewhere says what is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
chromium=${SCHLIFF_TEST_CHROMIUM:-/usr/bin/chromium}

present() { command -v node >/dev/null && command -v npm >/dev/null && [ -x "$chromium" ]; }
if ! present; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "run.sh: no Chromium at $chromium, or no node and npm; on Debian: apt install chromium nodejs npm" >&2
    exit 1
  fi
  packages=()
  [ -x "$chromium" ] || packages+=(chromium)
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'; then
  echo "run.sh: node $(node --version) is too old: 20 or newer is needed" >&2
  exit 1
fi

# Beside the sources would be in the way of whoever searches them.
cache=${SCHLIFF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/schliff}/browser
mkdir -p "$cache"
if ! cmp -s "$here/package-lock.json" "$cache/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$cache/"
  (cd "$cache" && npm ci --no-audit --no-fund --silent) || {
    echo "run.sh: npm could not fetch playwright-core into $cache" >&2
    exit 1
  }
  cp "$here/package-lock.json" "$cache/installed.json"
fi
# Modules are looked for beside the scripts, so that these run from there.
scripts=$(mktemp -d --tmpdir="$cache")
trap 'rm -rf "$scripts"' EXIT
cp "$here"/*.mjs "$here/package.json" "$scripts/"

[ $# -gt 0 ] || set -- serve showcase
failed=0
for name in "$@"; do
  echo "== $name"
  SCHLIFF_ROOT=$root SCHLIFF_TEST_CHROMIUM=$chromium node "$scripts/$name.mjs" "$root/target/browser/$name" || failed=1
done
exit "$failed"
