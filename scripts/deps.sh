#!/usr/bin/env bash
# Sees to what building, demo and tests need: Go, and PostgreSQL's server
# programs (initdb, postgres), which need not run. On Debian and Ubuntu they are
# installed; elsewhere it says what to install.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

if ! command -v go >/dev/null 2>&1; then
  say "Go is missing: install Go 1.26 or later (https://go.dev/doc/install)."
  exit 1
fi

have_server() {
  [ -n "${ORGCAST_PG_BIN:-}" ] && [ -x "$ORGCAST_PG_BIN/initdb" ] && return 0
  command -v initdb >/dev/null 2>&1 && return 0
  local d
  for d in /usr/lib/postgresql/*/bin /usr/local/opt/postgresql*/bin /opt/homebrew/opt/postgresql*/bin; do
    [ -x "$d/initdb" ] && return 0
  done
  return 1
}

have_server && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  say "PostgreSQL's server programs are missing: install PostgreSQL 14 or later"
  say "(macOS: brew install postgresql@17; Fedora: dnf install postgresql-server),"
  say "or set ORGCAST_PG_BIN to the folder that holds initdb and postgres."
  exit 1
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    say "PostgreSQL's server programs are missing. As root: apt-get install postgresql"
    exit 1
  fi
  root=(sudo)
fi

say "installing PostgreSQL's server programs (no server is started) ..."
# The package would make and start a cluster of its own.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  "${root[@]}" mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Options::=--force-confold postgresql >/dev/null
have_server || { say "PostgreSQL was installed, but initdb was not found: set ORGCAST_PG_BIN."; exit 1; }
