#!/usr/bin/env bash
# Builds the showcase and drives its page in Chromium. Screenshots: target/screenshots.
# Needs node 20, npm and Chromium (SCHLIFF_TEST_CHROMIUM, else /usr/bin/chromium).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
cargo build --release --locked -p schliff-page --example showcase
cache=${SCHLIFF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/schliff}/browser
mkdir -p "$cache"
cp "$here/package.json" "$here/page.mjs" "$cache/"
(cd "$cache" && npm install --no-audit --no-fund --silent)
SCHLIFF_ROOT=$PWD node "$cache/page.mjs" "$@"
