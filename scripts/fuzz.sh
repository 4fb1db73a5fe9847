#!/usr/bin/env bash
# Runs every fuzz target of the modules in go.work for a while, and prints a table:
#
#   scripts/fuzz.sh [TIME-PER-TARGET [PATTERN]]
#   scripts/fuzz.sh --table [MODE]
#
# PATTERN: only the targets whose DIRECTORY/NAME matches it (default all).
# FUZZLOG: a file to which the figures of each run are added. --table prints the
# sums of all runs in it, or of those with MODE (a value of SANITIZE, or plain).
# FUZZTAGS: build tags (default none; with SANITIZE nogocv).
# FUZZWORKERS: processes at a time (default one for each core).
# SANITIZE: address,undefined or race; see sanitizers.sh.
# SANITIZE_REPORTS: where their reports are kept (default nowhere).
# A failure does not end the run; all of them are listed at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"
	exit
	;;
esac
. scripts/sanitizers.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
log=${FUZZLOG:-$tmp/log}

# table prints the figures of the log, one line for each target and mode.
table() {
	awk -F '\t' -v only="${1:-}" '
		only != "" && $2 != only { next }
		{ key = $1 "\t" $2; if (!(key in seconds)) order[++n] = key
		  seconds[key] += $3; execs[key] += $4; fresh[key] += $5; found[key] += $6 }
		END {
			print "| target | mode | minutes | executions | new inputs | failures |"
			print "|---|---|--:|--:|--:|--:|"
			for (i = 1; i <= n; i++) {
				key = order[i]; split(key, part, "\t")
				printf "| %s | %s | %.1f | %d | %d | %d |\n", part[1], part[2], seconds[key] / 60, execs[key], fresh[key], found[key]
				s += seconds[key]; e += execs[key]; f += fresh[key]; b += found[key]
			}
			printf "| %d in total | | %.1f | %d | %d | %d |\n", n, s / 60, e, f, b
		}' "$log"
}

if [ "${1:-}" = --table ]; then
	table "${2:-}"
	exit
fi
time=${1:-30s}
pattern=${2:-}
mode=${SANITIZE:-plain}
SANITIZE_REPORTS=${SANITIZE_REPORTS:-$tmp/report}
[ "$mode" = plain ] || FUZZTAGS=${FUZZTAGS:-nogocv}
sanitize "${SANITIZE:-}"

# record TARGET STATUS adds the figures of a run to the log. Go prints the sums
# every three seconds, and at the end.
record() {
	local last elapsed execs fresh
	last=$(grep '^fuzz: elapsed: .*execs:' "$tmp/output" | tail -n 1) || true # the seeds took all the time
	elapsed=$(sed -n 's/^fuzz: elapsed: \([^,]*\),.*/\1/p' <<<"$last" |
		awk '{ n = 0; s = $0; while (match(s, /^[0-9]+[hms]/)) { v = substr(s, 1, RLENGTH - 1); u = substr(s, RLENGTH, 1); n += v * (u == "h" ? 3600 : u == "m" ? 60 : 1); s = substr(s, RLENGTH + 1) } print n }')
	execs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' <<<"$last")
	fresh=$(sed -n 's/.*new interesting: \([0-9]*\).*/\1/p' <<<"$last")
	printf '%s\t%s\t%d\t%d\t%d\t%d\n' "$1" "$mode" "${elapsed:-0}" "${execs:-0}" "${fresh:-0}" "$(($2 != 0))" >>"$log"
}

# show prints the input that failed. A worker that ended with status 2 without a
# report took more than ten seconds of real time for one input, which Go ends;
# on a busy machine that is no finding unless it can be repeated.
show() {
	local input
	input=$(sed -n 's/^ *Failing input written to //p' "$tmp/output" | head -n 1)
	[ -z "$input" ] || head -c 20000 "$1/$input"
}

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
	status=0
	# By default minimizing each finding takes up to a minute, without fuzzing.
	go test -tags "${FUZZTAGS:-}" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x \
		${FUZZWORKERS:+-parallel "$FUZZWORKERS"} "$dir" </dev/null 2>&1 | tee "$tmp/output" || status=$?
	record "$dir/$name" "$status"
	[ "$status" = 0 ] || { failed+=("$dir/$name"); show "$dir"; }
done < <(find . -name '*_test.go' -not -path './.*' -not -path './interop/.venv/*' -exec grep -H '^func Fuzz[A-Z0-9_]' {} + | sort)
[ "$found" -gt 0 ] || { echo "no fuzz target matches ${pattern:-anything}"; exit 1; }
printf '\n'
table
reports || failed+=("the reports above")
if [ ${#failed[@]} -gt 0 ]; then
	printf '\n%d of %d fuzz targets failed:\n' "${#failed[@]}" "$found"
	printf '  %s\n' "${failed[@]}"
	exit 1
fi
printf '\n%d fuzz targets ran, no failure.\n' "$found"
