#!/usr/bin/env bash
# Runs micro-benchmarks of the root package with CPU and allocation profiles,
# and prints the top entries.
#
#   scripts/profile.sh [BENCHMARKS]     a regular expression as for go test -bench, default Exchange
#
# Each benchmark has a run of its own, because profiles of several would be mixed. They stay in profiles/:
#   go tool pprof -http=: profiles/Exchange-raw-PAIR-tcp.cpu.prof
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-Exchange}" = Exchange ]; then
	set -- Exchange/raw/PAIR/tcp Exchange/raw/PAIR/ipc Exchange/JPEG/PAIR/tcp
fi
mkdir -p profiles
go test -c -o profiles/netgear.test .
for bench in "$@"; do
	name=profiles/$(printf %s "$bench" | tr -c 'A-Za-z0-9\n' -)
	printf '\n== %s\n' "$bench"
	run=(profiles/netgear.test -test.run '^$' -test.bench "$bench\$" -test.benchtime 3s)
	"${run[@]}" -test.cpuprofile "$name.cpu.prof"
	go tool pprof -top -nodecount 15 profiles/netgear.test "$name.cpu.prof" 2>/dev/null
	# In a run of its own: at a rate of 1 every allocation is counted, which
	# would be in the CPU profile.
	"${run[@]}" -test.memprofile "$name.allocs.prof" -test.memprofilerate 1 >/dev/null
	go tool pprof -top -nodecount 12 -sample_index alloc_objects profiles/netgear.test "$name.allocs.prof" 2>/dev/null
done
