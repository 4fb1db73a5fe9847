#!/usr/bin/env bash
# Runs the project's checks and stops at the first that fails.
#
#   scripts/test.sh all | lint | build | unit | interop | faults ...
#   scripts/test.sh lint-full | nogocv | vuln | faults-full ...
#
# The second line is not part of all. Three builds are checked:
#   gocv      the gocv that go.mod names, always with -tags matprofile, which counts
#             Mats for the leak checks: gocv's C++ is compiled anew for other tags
#   nogocv    -tags nogocv: no gocv, no OpenCV
#   newest    the newest gocv that builds on OpenCV 4.6 (NEWEST_GOCV below)
#
# faults is the fault suite's short form. nogocv is everything that needs no OpenCV,
# for systems with one that the gocv of go.mod does not fit.
#
# NETGEAR_TEST_TIMEOUT: the time limit of one test binary (default 15m).
# NETGEAR_FAULT_ROUNDS: how often faults-full repeats each fault (default 20).
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || { echo "usage: $0 all | lint | build | unit | interop | faults | lint-full | nogocv | vuln | faults-full ..." >&2; exit 2; }
[ "$1" != all ] || set -- lint build unit interop faults
for group in "$@"; do
	case $group in
	lint | build | unit | interop | faults | lint-full | nogocv | vuln | faults-full) ;;
	*) echo "test: unknown group $group" >&2; exit 2 ;;
	esac
done

NEWEST_GOCV=v0.43.0
# Newer gocv releases need a newer OpenCV for some of their modules; these are the ones used here.
NEWEST_TAGS=gocv_specific_modules,gocv_videoio,gocv_highgui
# go run builds these once and keeps them in Go's cache.
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@v1.9.0
TIMEOUT=${NETGEAR_TEST_TIMEOUT:-15m}
# Building must not depend on the state or the owner of the git tree.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

tmp=$(mktemp -d)
report=()
title=
complete=
started=$SECONDS
finish() {
	local status=$?
	rm -rf "$tmp"
	# A shell that a signal ends has the status of its last command.
	if [ $status -eq 0 ] && [ -z "$complete" ]; then
		status=130
		pkill -P $$ 2>/dev/null || true
	fi
	if [ -n "$title" ] && [ $status -ne 0 ]; then
		report+=("FAILED  $title (status $status)")
	fi
	printf '\n== Summary\n'
	[ ${#report[@]} -eq 0 ] || printf '  %s\n' "${report[@]}"
	if [ $status -eq 0 ]; then
		printf 'All %d checks passed in %ds.\n' ${#report[@]} $((SECONDS - started))
	elif [ $status -gt 128 ]; then
		printf 'Interrupted after %ds: the steps after that did not run.\n' $((SECONDS - started))
	else
		printf 'Stopped at the first failure after %ds.\n' $((SECONDS - started))
	fi
	exit $status
}
trap finish EXIT
# step TITLE COMMAND...: a heading, the command, its time. A failing command ends the run.
# A command may set outcome.
step() {
	title=$1
	shift
	local from=$SECONDS outcome=ok
	printf '\n== %s\n' "$title"
	"$@"
	report+=("$(printf '%-7s %s (%ds)' $outcome "$title" $((SECONDS - from)))")
	title=
}

# --- the pieces ------------------------------------------------------------

check_gofmt() {
	local bad
	bad=$(find . -name '*.go' -not -path './.*' -not -path './interop/.venv/*' -exec gofmt -l {} +)
	[ -z "$bad" ] || { printf 'not gofmt-clean (run gofmt -w):\n%s\n' "$bad"; return 1; }
}

# The modules of go.work, as folders: ".", "bench", ...
WORK=$(go work edit -json | python3 -c 'import json, sys
for use in json.load(sys.stdin)["Use"]: print(use["DiskPath"].removeprefix("./"))')
# The modules of the repository. bench/plot, with its plotting library, is not in
# go.work.
MODULES="$WORK bench/plot"
check_mod() {
	local m
	for m in $MODULES; do
		echo "$m"
		GOWORK=off go -C "$m" mod tidy -diff || { echo "go.mod or go.sum is not tidy: run GOWORK=off go -C $m mod tidy"; return 1; }
		GOWORK=off go -C "$m" mod verify
	done
}
check_plot() { GOWORK=off go -C bench/plot vet ./... && GOWORK=off go -C bench/plot test ./...; }

# The packages of the modules in go.work, as patterns.
ALL=
for m in $WORK; do ALL="$ALL ./$m/..."; done
ALL=${ALL//.\/.\//./}

check_scripts() {
	local f
	for f in scripts/*.sh .ci/run; do bash -n "$f"; done
	if command -v shellcheck >/dev/null; then shellcheck -S warning scripts/*.sh .ci/run; fi
	for f in scripts/*.py interop/*.py faults/*.py bench/*.py bench/weak/*.py; do
		python3 -c 'import sys; compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec")' "$f"
	done
}

# It checks tests and programs too. With gocv that is every file except the
# replacement of a test file.
check_static() {
	# shellcheck disable=SC2086
	go run "$STATICCHECK" -tags matprofile $ALL
}

# Each module by itself, as golangci-lint does not support workspaces. It
# reports all modules before it fails.
check_golangci() {
	local m status=0
	for m in $WORK; do
		echo "$m"
		(cd "$m" && GOWORK=off go run "$GOLANGCI" run --build-tags matprofile ./...) || status=1
	done
	return $status
}

check_vulnerabilities() {
	# shellcheck disable=SC2086
	go run "$GOVULNCHECK" $ALL
}

check_bare() {
	# shellcheck disable=SC2046
	"${CC:-cc}" -O2 -Wall -Wextra -Werror -o "$tmp/bare" bench/bare/bare.c $(pkg-config --cflags --libs libzmq)
}

# It needs packages for another processor. Where they are not to be had, nothing
# is built, and the summary shows the step as absent.
check_cross() {
	local status=0
	[ "$(go env GOHOSTARCH)" = amd64 ] || { echo 'Not built: this is for amd64 machines.'; outcome=absent; return; }
	need qemu-aarch64 qemu-user && scripts/crosstest.sh arm64 || status=$?
	[ $status -ne 0 ] || return 0
	[ $status -eq 3 ] || ! command -v qemu-aarch64 >/dev/null || return $status
	echo 'Not built for arm64: the packages are not to be had here, see above.'
	outcome=absent
}

# newest COMMAND...: runs a command with the newest gocv, by a go.work outside the
# tree. Programs that the command starts use it as well.
newest() {
	if [ ! -f "$tmp/go.work" ]; then
		cat >"$tmp/go.work" <<-END
			go $(go work edit -json | python3 -c 'import json, sys; print(json.load(sys.stdin)["Go"])')
			use (
		$(for m in $WORK; do (cd "$m" && pwd); done)
			)
			replace gocv.io/x/gocv => gocv.io/x/gocv $NEWEST_GOCV
		END
	fi
	GOWORK=$tmp/go.work "$@"
}

ROOT=github.com/vidgear-go/netgear # the library's package

# The packages of the unit tests: all but the interop and fault suites, which
# have their own steps. They are listed with the tags: without gocv some have no
# file at all.
# shellcheck disable=SC2086
packages() { go list -tags "$1" $ALL | grep -v '/\(interop\|faults\)\(/\|$\)'; }

# The root package's longest tests, which start first.
LONG='^Test(EveryCallEnds|KilledWhileMakingKeys|OwnedFramesOfASlowSubscriber|SaturatedEndsAreNoFloods|SecureMatrix|StormWhileOpeningAndClosing|PortTextsAreBounded)$'

# unit TAGS: everything, with the race detector. Most of the root package's tests
# wait for something, so they run in several processes. A package that the tags do
# not change is tested without gocv, where programs start in a sixth of the time,
# and so is the command: with gocv it can only show a window besides.
unit() {
	local changed same
	changed=$(changed_by "$1" | grep -vxE "$ROOT(/cmd/netgear)?" || true)
	same=$(packages nogocv | grep -vxF -e "$ROOT" -e "${changed:-$ROOT}")
	# shellcheck disable=SC2086
	python3 scripts/gotest.py --split . --first "$LONG" -tags "$1" -race -timeout "$TIMEOUT" \
		${changed:+-- $changed} -- -tags nogocv $same
}

# changed_by TAGS: the packages that have other files with the tags than without
# gocv, or exist only with them.
changed_by() {
	local form='{{.ImportPath}} {{.GoFiles}} {{.TestGoFiles}} {{.XTestGoFiles}}'
	# shellcheck disable=SC2086
	comm -13 <(go list -tags nogocv -f "$form" $ALL | sort) <(go list -tags "$1" -f "$form" $ALL | sort) |
		cut -d' ' -f1 | sed -E '\#/(interop|faults)(/|$)#d'
}

# unit_other TAGS LESS: what another build may change, in the short form: Mats, the
# programs, the public API's examples, and each pattern and dtype once. Allocations
# and limits of memory, too: under the race detector most of them are the detector's.
# The rest is the same code in every build, as are internal/ and the packages that no
# build tag changes, and unit runs all of it. LESS matches paths of more packages to
# leave out.
DIFFERS='^(Example|TestMats|TestFramesThatAreNoMats|TestReturnMat|TestEmptyMats|TestSendOwned|TestCloseClosesOwned|TestNoPanics|TestMatrix|TestDTypes|TestImages|TestMultiserver|TestMulticlient|TestBidirectional|TestCaptured|TestRespond|TestStats|TestSecureMatrix|TestBuildWithoutCgo|TestAllocations|TestIdleMemory|TestMemoryLimit|TestSmallPartsAreLimited|TestFewAddresses)'
unit_other() {
	local tags=$1 others
	others=$(packages "$tags" | grep -vxE "$ROOT(/internal/.*|/hostile|/netgeartest|/bench(/.*)?|/web|/metrics|/natsbridge(/.*)?|/soak(/.*)?|$2)?")
	# shellcheck disable=SC2086
	python3 scripts/gotest.py -tags "$tags" -parallel 8 -timeout "$TIMEOUT" -short -run "$DIFFERS" .
	python3 scripts/gotest.py -tags "$tags" -timeout "$TIMEOUT" -short $others
}
# The command's tests of memory, which the race detector would take, and the
# simulation, with which it crashes.
unit_plain() {
	python3 scripts/gotest.py -tags nogocv -timeout "$TIMEOUT" -short -run '^TestMemoryOf' ./cmd/netgear
	python3 scripts/gotest.py -tags nogocv -timeout "$TIMEOUT" -run '^TestSimulated' .
}
# The other packages use gocv little or not at all; that they build is checked.
unit_newest() { newest unit_other "$NEWEST_TAGS" '/(cmd/netgear|examples|record)(/.*)?'; }

interop() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} \
		python3 scripts/gotest.py --no-skip -race -tags matprofile -parallel 4 -timeout "$TIMEOUT" -count=1 ./interop/...
}

# The program that needs an sshd is tested with the sshd.
interop_tunnel() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} \
		python3 scripts/gotest.py --no-skip -race -tags nogocv -timeout "$TIMEOUT" -count=1 -run VidGear ./internal/sshtunnel
}

# The ends that netgear doctor examines are VidGear's, too.
interop_probe() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} \
		python3 scripts/gotest.py --no-skip -race -tags nogocv -timeout "$TIMEOUT" -count=1 -run VidGear ./cmd/netgear/internal/probe
}

# A recording that is played to VidGear is tested in the module of recordings.
interop_play() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} \
		python3 scripts/gotest.py --no-skip -race -tags nogocv -timeout "$TIMEOUT" -count=1 -run VidGear ./record
}

# The Python client of NATS is in the interop environment.
interop_nats() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} \
		python3 scripts/gotest.py --no-skip -race -tags nogocv -timeout "$TIMEOUT" -count=1 -run Python ./natsbridge
}

# The fault suite measures times, so it runs without the race detector; its ends
# send Mats, and count them. Where network namespaces cannot be made, it names
# what it leaves out; in CI it may leave out nothing.
faults() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} NETGEAR_FAULT_ROUNDS='' \
		python3 scripts/gotest.py ${CI:+--no-skip} -tags matprofile -parallel 8 -timeout "$TIMEOUT" -count=1 ./faults
}

# With -v for the tables, without the lines that only name tests. Progress is on
# stderr.
faults_full() {
	NETGEAR_INTEROP_PYTHON=${NETGEAR_INTEROP_PYTHON:-$PWD/interop/.venv/bin/python} NETGEAR_FAULT_ROUNDS=${NETGEAR_FAULT_ROUNDS:-20} \
		go test -tags matprofile -v -parallel 10 -timeout 6h -count=1 ./faults | grep --line-buffered -v '^=== '
}

# need PROGRAM PACKAGE... installs what only some tests run.
need() {
	[ $# -gt 2 ] || ! command -v "$1" >/dev/null || return 0
	command -v apt-get >/dev/null || { echo "$1 is not installed: it is in the package $2"; return 1; }
	as_root apt-get -qq update
	shift
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The tests of -show need a screen and simulated keys. They are skipped without
# them.
need_screen() {
	command -v apt-get >/dev/null || return 0
	need Xvfb xvfb && need xdotool xdotool
}

# The page of package web is tested in a browser.
need_browser() {
	command -v apt-get >/dev/null || return 0
	need chromium chromium
}

# need_stopped UNITS PROGRAM PACKAGE... is need for packages with a service, which
# must not be started on this machine.
need_stopped() {
	local units=$1 policy=/usr/sbin/policy-rc.d status=0 had=
	shift
	command -v "$1" >/dev/null && had=yes
	if [ -d /usr/sbin ] && [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod +x $policy
		need "$@" || status=$?
		as_root rm -f $policy
	else
		need "$@" || status=$?
	fi
	if [ $status -eq 0 ] && [ -z "$had" ] && [ -d /run/systemd/system ]; then
		# shellcheck disable=SC2086
		as_root systemctl disable $units 2>/dev/null || true
		echo "$2 is installed for the tests; its service is not started."
	fi
	return $status
}

# The tunnel's tests start their own sshd. Installing one must not open the
# machine's port 22.
need_sshd() {
	[ -x /usr/sbin/sshd ] && ls /usr/lib/*/libnss_wrapper.so >/dev/null 2>&1 && return
	need_stopped 'ssh.service ssh.socket' /usr/sbin/sshd openssh-server libnss-wrapper
}

# The dashboard's test starts its own Prometheus. It is skipped without one.
need_prometheus() {
	command -v apt-get >/dev/null || return 0
	need_stopped prometheus.service prometheus prometheus
}

# What the unit tests run: an SSH server, a screen for -show, Prometheus for the
# dashboard, FFmpeg for sources and recordings, a browser for package web, and
# systemd-analyze for the units.
need_programs() {
	need_sshd
	need_screen
	need_prometheus
	need_browser
	command -v apt-get >/dev/null || return 0
	need ffmpeg ffmpeg
	need systemd-analyze systemd
}

# --- the groups ------------------------------------------------------------

# Where comments are checked for words: the root package and all folders.
WORDS=(./*.go internal faults interop netgeartest)
for m in $WORK; do [ "$m" = . ] || WORDS+=("$m"); done

# shellcheck disable=SC2086 # patterns
do_lint() {
	step 'Format: gofmt' check_gofmt
	step 'Scripts: syntax' check_scripts
	step 'Documents: links and anchors' scripts/links.py
	step 'Comments: words' scripts/words.py "${WORDS[@]}"
	step 'Modules: go.mod and go.sum tidy, downloads verified' check_mod
	step 'Modules: what an application requires' scripts/consumer.sh
	step 'API: as in api/' go run ./internal/apilist -check
	step 'Licenses: every module is in docs/licenses.md' scripts/licenses.py --check
	step 'Vet: with gocv' go vet -tags matprofile $ALL
	step 'Vet: without gocv (-tags nogocv)' go vet -tags nogocv $ALL
	step "Vet: with gocv $NEWEST_GOCV" newest go vet -tags "$NEWEST_TAGS" $ALL
	step 'Vet, test: bench/plot' check_plot
	step 'Staticcheck' check_static
	step 'Bench: its C program compiles without a warning' check_bare
}

# shellcheck disable=SC2086
do_build() {
	# With gocv everything is compiled by vet, and linked by the tests.
	step 'Build: without gocv (-tags nogocv)' go build -tags nogocv $ALL
	step 'Build: for arm64, and frames to and from it (QEMU)' check_cross
}

do_lint-full() {
	step 'golangci-lint' check_golangci
}

do_vuln() {
	step 'Known vulnerabilities' check_vulnerabilities
}

# shellcheck disable=SC2086
do_nogocv() {
	step 'Vet: without gocv (-tags nogocv)' go vet -tags nogocv $ALL
	step 'Build: without gocv (-tags nogocv)' go build -tags nogocv $ALL
	step 'Set-up: programs that the tests run' need_programs
	step 'Unit tests: without gocv, race detector' unit nogocv
	step 'Unit tests: memory of the command, simulation' unit_plain
}

do_unit() {
	step 'Set-up: programs that the tests run' need_programs
	step 'Unit tests: with gocv, race detector, Mat leak check' unit matprofile
	step 'Unit tests: what differs without gocv' unit_other nogocv '/cmd/netgear(/.*)?'
	step 'Unit tests: memory of the command, simulation' unit_plain
	step "Unit tests: what differs with gocv $NEWEST_GOCV" unit_newest
}

do_interop() {
	step 'Interop: against the real VidGear' interop
	step 'Set-up: sshd for the tests of the tunnel' need_sshd
	step 'Interop: through an SSH tunnel to the real VidGear' interop_tunnel
	step 'Interop: netgear doctor examines the real VidGear' interop_probe
	step 'Interop: a recording to the real VidGear' interop_play
	step 'Interop: frames from NATS in Python' interop_nats
}

do_faults() {
	step 'Set-up: iproute2' need ip iproute2
	step 'Faults: killed, frozen, cut off (short form)' faults
}

do_faults-full() {
	step 'Set-up: iproute2' need ip iproute2
	step 'Faults: killed, frozen, cut off, restarted (full form)' faults_full
}

case " $* " in
' nogocv ') step 'Set-up: libraries without OpenCV' scripts/setup.sh --no-opencv ;;
*' interop '* | *' faults '* | *' faults-full '*) step 'Set-up: libraries, Python environment' scripts/setup.sh --python ;;
*) step 'Set-up: libraries' scripts/setup.sh ;;
esac
for group in "$@"; do "do_$group"; done
complete=yes
