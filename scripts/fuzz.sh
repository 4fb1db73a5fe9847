#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: scripts/fuzz.sh [TIME-PER-TARGET]
# FUZZTAGS: build tags (default none).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}

scripts/setup.sh
found=0
while IFS=: read -r file rest; do
	name=${rest#func }
	name=${name%%(*}
	dir=$(dirname "$file")
	found=$((found + 1))
	printf '\n== Fuzz: %s in %s for %s\n' "$name" "$dir" "$time"
	# By default minimizing each finding takes up to a minute, without fuzzing.
	go test -tags "${FUZZTAGS:-}" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x "$dir"
done < <(find . -name '*_test.go' -not -path './.*' -not -path './interop/.venv/*' -exec grep -H '^func Fuzz[A-Z0-9_]' {} +)
[ "$found" -gt 0 ] || { echo 'no fuzz target found'; exit 1; }
printf '\n%d fuzz targets ran, no failure.\n' "$found"
