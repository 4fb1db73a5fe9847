#!/usr/bin/env bash
# Runs the C code under sanitizers, and everything that calls it:
#
#   scripts/sanitize.sh [STEP...]
#
# Steps, all of them by default:
#   canaries   faults of each kind, which the sanitizers must report
#   c          the tests and seeds of the packages with C code
#   root       the root package's tests of decoding, encoding and ownership
#   seeds      the seeds of all other fuzz targets
#   race       the tests and seeds of the packages with C code, with the race detector
#   checkptr   the same with -d=checkptr=2, which the other steps have as 1
#   libfuzzer  the targets of internal/turbojpeg/testdata/libfuzzer, for FUZZTIME
#              seconds each (default 60): with AddressSanitizer, with checks of
#              integers, and those without libjpeg with MemorySanitizer. It needs
#              clang.
# Not part of all:
#   short      the seeds of internal/turbojpeg
#
# CLANG: the compiler for libfuzzer (default clang-14, or clang).
# FUZZCORPUS: a folder that keeps the inputs which libfuzzer finds.
# LIBJPEG: a folder whose subfolders address and memory have libjpeg.a and
# libturbojpeg.a, built with that sanitizer. With the second, the targets that use
# libjpeg run under MemorySanitizer, too.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"
	exit
	;;
esac
. scripts/sanitizers.sh

export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SANITIZE_REPORTS=$work/report

# Packages with C code. internal/cwake has none, but C writes to its descriptors.
C='./internal/turbojpeg ./internal/zmsg ./internal/cwake'
# Tests of the root package that decode, encode, or share memory with C.
ROOT='^(Fuzz.*|Test(Captured.*|Images.*|.*JPEG.*|.*Strips.*|Matrix|DTypes|.*Reading.*|SendOwned.*|.*Retain.*|Bidirectional.*|AdaptScale.*|.*Shrink.*))$'

# under MODE COMMAND... runs a command with sanitizers, in a subshell.
under() (
	sanitize "$1"
	shift
	"$@" && reports || { reports; return 1; }
)

# canaries builds a program with a fault of each kind, and expects a report of
# each. So a run without reports has looked for them.
canaries() {
	local fault status expected
	mkdir "$work/canary"
	cat >"$work/canary/go.mod" <<<$'module canary\n\ngo 1.24'
	cat >"$work/canary/faults.go" <<-'END'
		package canary

		/*
		#include <stdlib.h>
		static void *volatile lost;
		static void leak(void) { lost = malloc(777); lost = NULL; }
		static void add(unsigned char *p, int i) { p[i]++; }
		static int shift(int n) { return 1 << n; }
		static int integer(double f) { return (int) f; }
		*/
		import "C"

		import "unsafe"

		var faults = map[string]func(){
			"none":    func() {},
			"heap":    func() { p := C.malloc(40); C.add((*C.uchar)(p), 40); C.free(p) },
			"freed":   func() { p := C.malloc(40); C.free(p); C.add((*C.uchar)(p), 0) },
			"go":      func() { b := make([]byte, 40); C.add((*C.uchar)(unsafe.Pointer(&b[0])), 40) },
			"shift":   func() { C.shift(40) },
			"float":   func() { C.integer(1e12) },
			"leak":    func() { for range 9 { C.leak() } },
			"pointer": func() { b := make([]byte, 40); p := uintptr(unsafe.Pointer(&b[1])); _ = *(*uint64)(unsafe.Pointer(p)) },
		}
	END
	cat >"$work/canary/faults_test.go" <<-'END'
		package canary

		import (
			"os"
			"testing"
		)

		func TestFault(*testing.T) { faults[os.Getenv("FAULT")]() }
	END
	(cd "$work/canary" && GOWORK=off go test -c -o test .)
	for fault in none heap freed go shift float leak pointer; do
		status=0
		FAULT=$fault "$work/canary/test" >"$work/output" 2>&1 || status=$?
		expected=1
		[ "$fault" != none ] || expected=0
		if [ "$((status != 0))" != "$expected" ]; then
			echo "the fault \"$fault\" ended with status $status:"
			cat "$work/output"
			return 1
		fi
	done
	rm -f "$SANITIZE_REPORTS".*
	echo 'Each fault is reported, and none where there is none.'
}

# run_c TAGS...: tests and seeds of the packages with C code.
# shellcheck disable=SC2086
run_c() { go test -count=1 -timeout 30m -tags nogocv "$@" $C; }

run_root() { go test -count=1 -timeout 30m -tags nogocv -run "$ROOT" .; }

# The packages with a fuzz target, other than those of run_c and run_root.
run_seeds() {
	local packages
	packages=$(grep -rl --include=*_test.go '^func Fuzz[A-Z]' . | grep -v '/\.venv/' | xargs -n1 dirname | sort -u | grep -vx '\.\|./internal/turbojpeg\|./internal/zmsg')
	# shellcheck disable=SC2086
	go test -count=1 -timeout 30m -tags nogocv -run '^Fuzz' $packages
}

short() { go test -timeout 5m -tags nogocv -run '^Fuzz' ./internal/turbojpeg; }

# ---- libFuzzer ----

clang=${CLANG:-$(command -v clang-14 || command -v clang || true)}
FUZZ=internal/turbojpeg/testdata/libfuzzer/fuzz.c

# build_c NAME TARGET FILES FLAGS... builds a target as $work/NAME.
build_c() {
	local name=$1 target=$2 files=$3
	shift 3
	# shellcheck disable=SC2086
	"$clang" -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all -Wall -Wextra -Werror "-DTARGET=fuzz_$target" \
		-Iinternal/turbojpeg "$FUZZ" $files "$@" -o "$work/$name"
}

# fuzz_c NAME TARGET runs a target. Corpora stay in FUZZCORPUS, if that is set.
fuzz_c() {
	local corpus=${FUZZCORPUS:-$work/corpus}/$2
	mkdir -p "$corpus"
	printf '%-16s' "$1"
	if ! "$work/$1" -max_total_time="${FUZZTIME:-60}" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$work/crash-$1-" \
		"$corpus" "$work/seeds/$2" >"$work/$1.log" 2>&1; then
		echo 'failed:'
		grep -v '^#\|NEW_FUNC' "$work/$1.log" | head -60
		for f in "$work/crash-$1-"*; do
			[ ! -f "$f" ] || base64 "$f"
		done
		return 1
	fi
	awk '/^stat::number_of_executed_units/ { n = $2 } /^stat::new_units_added/ { fresh = $2 } /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
		END { printf "%d executions, %d new inputs, coverage %d\n", n, fresh, cov }' "$work/$1.log"
}

run_libfuzzer() {
	local all target jpeg integer
	[ -n "$clang" ] || { echo 'Not run: there is no clang.'; return; }
	NETGEAR_SEEDS=$work/seeds go test -count=1 -run '^TestWriteSeeds$' ./internal/turbojpeg >/dev/null
	all=$(ls internal/turbojpeg/*.c)
	for target in read scan pixels write; do
		jpeg='-ljpeg -lturbojpeg'
		[ ! -e "${LIBJPEG:-}/address/libjpeg.a" ] || jpeg="-L$LIBJPEG/address -Wl,-Bstatic $jpeg -Wl,-Bdynamic"
		# shellcheck disable=SC2086
		build_c "$target-address" "$target" "$all" -fsanitize=fuzzer,address,undefined $jpeg -lpthread
		fuzz_c "$target-address" "$target"
		integer=fuzzer,undefined,implicit-conversion,local-bounds
		[ "$target" = scan ] || integer+=,unsigned-shift-base # scan.c shifts bits out of a word that it has read
		build_c "$target-integer" "$target" "$all" "-fsanitize=$integer" -ljpeg -lturbojpeg -lpthread
		fuzz_c "$target-integer" "$target"
		# Memory that a libjpeg without checks has written would count as unset.
		jpeg='-ljpeg -lturbojpeg'
		if [ -e "${LIBJPEG:-}/memory/libjpeg.a" ]; then
			jpeg="-L$LIBJPEG/memory -Wl,-Bstatic $jpeg -Wl,-Bdynamic"
		elif [ "$target" = read ] || [ "$target" = write ]; then
			continue
		fi
		# shellcheck disable=SC2086
		build_c "$target-memory" "$target" "$all" -fsanitize=fuzzer,memory $jpeg -lpthread
		fuzz_c "$target-memory" "$target"
	done
}

# ---- the steps ----

[ $# -gt 0 ] || set -- canaries c root seeds race checkptr libfuzzer
for step in "$@"; do
	case $step in
	canaries | c | root | seeds | race | checkptr | libfuzzer | short) ;;
	*) echo "sanitize: unknown step $step; -h lists them" >&2 && exit 2 ;;
	esac
done
[ "${SKIP_SETUP:-}" ] || scripts/setup.sh --no-opencv
for step in "$@"; do
	printf '\n== Sanitizers: %s\n' "$step"
	from=$SECONDS
	case $step in
	canaries) under address,undefined canaries ;;
	c) under address,undefined run_c ;;
	root) under address,undefined run_root ;;
	seeds) under address,undefined run_seeds ;;
	race) under race run_c ;;
	checkptr) run_c -gcflags=all=-d=checkptr=2 ;;
	libfuzzer) run_libfuzzer ;;
	short) under address,undefined short ;;
	esac
	printf 'ok (%ds)\n' $((SECONDS - from))
done
