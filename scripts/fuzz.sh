#!/usr/bin/env bash
# Runs every fuzz target of the module for a time each, on each processor one.
set -euo pipefail
export FUZZTIME=${1:-10s}

fuzz() {
  local out
  if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x -parallel 1 "$1" 2>&1); then
    echo "fuzz $1 $2: $(grep '^fuzz: elapsed' <<<"$out" | tail -1 | sed 's/^fuzz: //')"
  # The end of the time may meet an input that is just being tried; Go's fuzzing
  # then fails with nothing but its own deadline.
  elif grep -qxE ' +context deadline exceeded' <<<"$out" && ! grep -qE 'Failing input|panic|hung|terminated unexpectedly|_test\.go:' <<<"$out"; then
    echo "fuzz $1 $2: $(grep '^fuzz: elapsed' <<<"$out" | tail -1 | sed 's/^fuzz: //'), ended by its own deadline"
  else
    printf 'fuzz %s %s\n%s\n' "$1" "$2" "$out"
    return 1
  fi
}
export -f fuzz

grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | while read -r _ target; do
    echo "./$(dirname "${file#./}") $target"
  done
done | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 bash -c 'fuzz "$@"' fuzz
