#!/usr/bin/env bash
# Runs every fuzz target of the modules in go.work for a while:
# scripts/fuzz.sh [TIME-PER-TARGET [PATTERN]]
# PATTERN: only the targets whose DIRECTORY/NAME matches it (default all).
# FUZZTAGS: build tags (default none).
# A failure does not end the run; all of them are listed at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
pattern=${2:-}

scripts/setup.sh
found=0
failed=()
while IFS=: read -r file rest; do
	name=${rest#func }
	name=${name%%(*}
	dir=$(dirname "$file")
	[[ $dir/$name =~ $pattern ]] || continue
	found=$((found + 1))
	printf '\n== Fuzz: %s in %s for %s\n' "$name" "$dir" "$time"
	# By default minimizing each finding takes up to a minute, without fuzzing.
	go test -tags "${FUZZTAGS:-}" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x "$dir" </dev/null ||
		failed+=("$dir/$name")
done < <(find . -name '*_test.go' -not -path './.*' -not -path './interop/.venv/*' -exec grep -H '^func Fuzz[A-Z0-9_]' {} +)
[ "$found" -gt 0 ] || { echo 'no fuzz target found'; exit 1; }
if [ ${#failed[@]} -gt 0 ]; then
	printf '\n%d of %d fuzz targets failed:\n' "${#failed[@]}" "$found"
	printf '  %s\n' "${failed[@]}"
	exit 1
fi
printf '\n%d fuzz targets ran, no failure.\n' "$found"
