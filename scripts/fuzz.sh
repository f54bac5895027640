#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for a time each.
set -euo pipefail
time=${1:-10s}
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
  package=./$(dirname "${file#./}")
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/^func //' | while read -r target; do
    echo "fuzz $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" | grep -vE '^fuzz: (elapsed|minimizing)' || exit 1
  done
done
