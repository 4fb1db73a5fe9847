#!/usr/bin/env bash
# Runs the tests of what surrounds a process, in their long form: no memory, limits
# of memory, no descriptors, many ends, one processor, cgo's checks of pointers, 32
# bits, clocks that are set. docs/reliability.md has what each shows. It takes about
# half an hour on two cores; make test has a short form of most.
#
#   scripts/environment.sh [memory | limits | ends | single | cgocheck | 386 | armhf | clock]...
#
# 386 and armhf need packages of another processor; see scripts/cross.sh. armhf
# also needs QEMU (package qemu-user). clock runs in a virtual machine, whose clock
# is set while this machine's is not; see scripts/vm.sh. NETGEAR_CLOCK_TIME: how
# long each of its nine streams runs (default 60s). limits compares what processes
# take at their peak, and puts each into a control group (cgroup) with that limit
# where this user may create one; the log of TestMemoryLimit shows whether, and
# CONTRIBUTING.md where that is. NETGEAR_TEST_LIMITS: how long each of its floods
# lasts (default 1.2s).
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"
	exit
	;;
esac
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
[ $# -gt 0 ] || set -- memory limits ends single cgocheck 386 armhf clock

# The packages with C code, and those that read bytes of others.
c_packages='./internal/zmsg ./internal/turbojpeg ./internal/cwake'
core='^Test(Matrix|DTypes|Captured|Stats|Images|Multiserver|Multiclient|Bidirectional|Frames|SecureMatrix|Async|Adapt|Ahead|SendLatest|Queue|Callbacks|CallsInside)'

memory() { # every allocation of the C code fails, and of libzmq's on the way
	# shellcheck disable=SC2086
	go test -tags nogocv -count=1 -v -run 'NoMemory|WaitUnshared' $c_packages | grep --line-buffered -v '^=== '
}

limits() { # floods with as much memory as is computed from the options, and with less address space
	NETGEAR_TEST_LIMITS=${NETGEAR_TEST_LIMITS:-1.2s} go test -tags nogocv -count=1 -v -timeout 30m \
		-run '^Test(MemoryLimit|MemoryLimitOfSendEnds|SmallPartsAreLimited|FewAddresses|AddressSpaceFloods)$' . | grep --line-buffered -v '^=== [^R]'
	NETGEAR_TEST_LIMITS=${NETGEAR_TEST_LIMITS:-1.2s} go test -tags nogocv -count=1 -v -timeout 30m \
		-run '^TestMemoryOf' ./cmd/netgear | grep --line-buffered -v '^=== [^R]'
}

ends() { # a thousand ends in one process
	NETGEAR_TEST_ENDS=1000 go test -tags nogocv -count=1 -v -run '^Test(ManyEnds|FewDescriptors|ProgramsInheritNothing|IPv6Only)$' . | grep --line-buffered -v '^=== '
}

single() { # one processor to Go, and one to all
	# shellcheck disable=SC2086
	GOMAXPROCS=1 go test -tags nogocv -count=1 -run "$core" . &&
		GOMAXPROCS=1 go test -tags nogocv -count=1 $c_packages ./internal/transport &&
		taskset -c 0 go test -tags nogocv -count=1 -run "$core" .
}

cgocheck() { # the runtime checks every pointer that is stored in C memory
	# shellcheck disable=SC2086
	GOEXPERIMENT=cgocheck2 go test -tags nogocv -count=1 $c_packages &&
		GOEXPERIMENT=cgocheck2 go test -tags nogocv -count=1 -run "$core" .
}

# Where QEMU lacks what a test asks the system for, or the test takes minutes there.
not_emulated='TestInksTakeNoMemory|TestSocketsOfTheApplicationAreNotEnded|TestConnectionsAreIdentified|TestEveryInterfaceWithoutIPv6|TestNoMemory'
not_emulated="$not_emulated|TestStripsHaveTheSamePixels|TestRegionEqualsWhole|TestRubbishBehindAndBefore|TestBytesTooManyAreTheSameInStrips|TestFramesAreNotCopied"
modules='./cmd/netgear/... ./examples/... ./metrics/... ./natsbridge/... ./record/... ./soak/... ./source/... ./web/...'
narrow='./internal/numpy ./internal/pyjson ./internal/pymsgpack ./internal/cwake ./internal/zmsg ./internal/turbojpeg ./internal/transport ./record'

# What of the root package reads lengths, counts, times and options.
numbers='^Test(Bad|Oversized|UnknownDTypes|ShortDTypes|NewFrame|NewJPEG|Histogram|RecentMax|Latency|Quantile|Missed|StampsOfAny|InOrder|ImageZMQ|Arrays|Returned|SendAhead|SendEnd|ReceiveEnd|Options|Validate|Dictionary|FlagInDictionary|EnumTexts)'

# foreign ARCH EXEC [SKIP] runs the tests of a 32-bit build. EXEC runs a program.
foreign() {
	local arch=$1 exec=$2 skip=${3:-^$}
	# shellcheck disable=SC2086
	scripts/cross.sh "$arch" go vet -tags nogocv ./... $modules || return
	# shellcheck disable=SC2086
	scripts/cross.sh "$arch" go test -tags nogocv -count=1 -short -timeout 30m -exec "$exec" -skip "$skip" $narrow ./cmd/netgear/internal/settings &&
		scripts/cross.sh "$arch" go test -tags nogocv -count=1 -short -timeout 30m -exec "$exec" -run "$core|$numbers" -skip "$skip" .
}

# sysroot ARCH prints the folder with the libraries.
# shellcheck disable=SC2016
sysroot() { scripts/cross.sh "$1" sh -c 'echo "$SYSROOT"'; }

run_386() { # runs without emulation, with its own loader and libraries
	local root
	root=$(sysroot i386) || return
	# Go's own linker takes no rpath, and links what has only the standard library's C.
	# The libraries' own libraries are found with the old kind of rpath alone.
	CGO_LDFLAGS="-no-pie -Wl,--disable-new-dtags -Wl,--dynamic-linker=$root/lib/ld-linux.so.2 -Wl,-rpath=$root/usr/lib/i386-linux-gnu" \
		GOFLAGS="$GOFLAGS -ldflags=-linkmode=external" foreign i386 'env'
}

run_armhf() {
	command -v qemu-arm >/dev/null || { echo 'no qemu-arm: it is in the package qemu-user' >&2; return 3; }
	local root
	root=$(sysroot armhf) || return
	foreign armhf "qemu-arm -L $root" "$not_emulated"
}

run_clock() { # the clock of a virtual machine is set an hour ahead and back, and restored
	local folder status=0
	folder=$(mktemp -d)
	go build -tags nogocv -o "$folder/soak" ./soak || return
	NETGEAR_VM_MINUTES=120 scripts/vm.sh "$folder" \
		"./soak -faults clock -seed 1 -for ${NETGEAR_CLOCK_TIME:-60s} -fps 10 -pattern all -wire all -stall 60s -plots=false -o out 2>out/stderr" || status=$?
	[ "$status" -eq 0 ] || [ ! -e "$folder/out/stderr" ] || tail -n 20 "$folder/out/stderr" >&2
	rm -rf "$folder"
	return $status
}

for part in "$@"; do
	case $part in
	memory | limits | ends | single | cgocheck | 386 | armhf | clock) ;;
	*) echo "environment: unknown part $part; -h lists them" >&2 && exit 2 ;;
	esac
done
for part in "$@"; do
	echo "== $part"
	case $part in
	memory | limits | ends | single | cgocheck) "$part" ;;
	386 | armhf | clock)
		status=0
		"run_$part" || status=$?
		[ $status -ne 3 ] || { echo 'absent: packages that cannot be had here'; status=0; }
		[ $status -eq 0 ] || exit $status
		;;
	esac
done
