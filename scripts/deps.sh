#!/usr/bin/env bash
# Sees to what building, demo and tests need: Go, and PostgreSQL's server
# programs (initdb, postgres), which need not run. For "demo" also curl, which the
# lines that it prints use; for "test" also a C compiler, which the race detector
# needs, and Chromium, which the test of the demo's page drives; for "proxies" the
# proxies that deploy/proxies is for. On Debian and Ubuntu they are installed;
# elsewhere it says what to install.
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

# The names are those that internal/demo's tests look for.
have_browser() {
  [ -n "${ORGCAST_CHROMIUM:-}" ] && [ -x "$ORGCAST_CHROMIUM" ] && return 0
  local p
  for p in chromium chromium-browser google-chrome google-chrome-stable "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    command -v "$p" >/dev/null 2>&1 && return 0
  done
  return 1
}

# as_root runs a command as root, or says what to run.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    say "This needs root: $*"
    exit 1
  fi
}

updated=
apt_install() {
  [ -n "$updated" ] || as_root apt-get update -qq
  updated=yes
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Options::=--force-confold "$@" >/dev/null
}

if ! have_server; then
  if ! command -v apt-get >/dev/null 2>&1; then
    say "PostgreSQL's server programs are missing: install PostgreSQL 14 or later"
    say "(macOS: brew install postgresql@17; Fedora: dnf install postgresql-server),"
    say "or set ORGCAST_PG_BIN to the folder that holds initdb and postgres."
    exit 1
  fi
  say "installing PostgreSQL's server programs (no server is started) ..."
  # The package would make and start a cluster of its own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  apt_install postgresql
  have_server || { say "PostgreSQL was installed, but initdb was not found: set ORGCAST_PG_BIN."; exit 1; }
fi

if [ "${1:-}" = demo ] && ! command -v curl >/dev/null 2>&1; then
  command -v apt-get >/dev/null 2>&1 || { say "curl is missing, which the printed lines use: install it."; exit 1; }
  apt_install curl
fi

if [ "${1:-}" = proxies ]; then
  for program in nginx haproxy caddy; do
    command -v "$program" >/dev/null 2>&1 && continue
    command -v apt-get >/dev/null 2>&1 || { say "$program is missing: install it."; exit 1; }
    apt_install "$program"
  done
fi

if [ "${1:-}" = test ] && ! command -v "$(go env CC)" >/dev/null 2>&1; then
  command -v apt-get >/dev/null 2>&1 || { say "A C compiler is missing, which Go's race detector needs: install gcc or clang."; exit 1; }
  say "installing a C compiler ..."
  apt_install gcc libc6-dev
fi

if [ "${1:-}" = test ] && ! have_browser; then
  missing() {
    say "Chromium is missing, which the test of the demo's page drives: install it, or Google Chrome"
    say "(https://www.google.com/chrome), or set ORGCAST_CHROMIUM to the program."
    exit 1
  }
  command -v apt-get >/dev/null 2>&1 || missing
  say "installing Chromium ..."
  # Ubuntu has none but a snap, which can't use a test's own profile.
  apt_install --no-install-recommends chromium || missing
  have_browser || missing
fi
