#!/usr/bin/env bash
# Builds the program netgear for another processor, and exchanges frames between
# it, run by QEMU's user-mode emulation, and a build for this machine: raw and as
# JPEG, in both directions. Every frame must arrive, with the same pixels.
#
#   scripts/crosstest.sh [arm64 | armhf]
#
# Status 3: the packages are not to be had here; see scripts/cross.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

arch=${1:-arm64}
frames=20
case $arch in
arm64) emulator=qemu-aarch64 ;;
armhf) emulator=qemu-arm ;;
*) echo "crosstest: unknown architecture $arch" >&2 && exit 2 ;;
esac
command -v $emulator >/dev/null || { echo "crosstest: no $emulator: it is in the package qemu-user" >&2; exit 3; }
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

tmp=$(mktemp -d)
receiver=
trap '[ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true; rm -rf "$tmp"' EXIT

go build -tags nogocv -o "$tmp/netgear" ./cmd/netgear
scripts/cross.sh "$arch" go build -tags nogocv -ldflags '-s -w' -o "$tmp/netgear-$arch" ./cmd/netgear
# shellcheck disable=SC2016
sysroot=$(scripts/cross.sh "$arch" sh -c 'echo "$SYSROOT"')
native=("$tmp/netgear")
foreign=("$emulator" -L "$sysroot" "$tmp/netgear-$arch")
ls -l "$tmp/netgear-$arch" | awk -v arch="$arch" '{printf "netgear for %s: %.1f MB, stripped, libraries not included\n", arch, $5 / 1e6}'

# exchange NAME OPTIONS SENDER RECEIVER sends frames and writes the checksums of
# the pixels at both ends to NAME.sent and NAME.received. SENDER and RECEIVER are
# names of arrays.
exchange() {
	local name=$1 options=$2 endpoint= status
	local -n sender=$3 receive=$4
	: >"$tmp/$name.log"
	"${receive[@]}" receive --address 127.0.0.1 --port 0 --pattern 1 --json --frames $frames --timeout 60s \
		>"$tmp/$name.received.json" 2>"$tmp/$name.log" &
	receiver=$!
	until endpoint=$(sed -n 's/^endpoint //p' "$tmp/$name.log") && [ -n "$endpoint" ]; do
		kill -0 $receiver 2>/dev/null || { cat "$tmp/$name.log"; return 1; }
		sleep 0.1
	done
	"${sender[@]}" send --address 127.0.0.1 --port "${endpoint##*:}" --pattern 1 --source test --frames $frames --json \
		--options "$options" >"$tmp/$name.sent.json" 2>>"$tmp/$name.log"
	wait $receiver && status=0 || status=$?
	receiver=
	checksums "$tmp/$name.sent"
	checksums "$tmp/$name.received"
	[ $status -eq 0 ] && [ "$(wc -l <"$tmp/$name.received")" -eq $frames ] || { cat "$tmp/$name.log"; return 1; }
}

checksums() { sed -n 's/.*"sha256": "\([0-9a-f]*\)".*/\1/p' "$1.json" >"$1"; }

# same WHAT FILE FILE compares two lists of checksums.
same() { cmp -s "$tmp/$2" "$tmp/$3" || { echo "$1: the pixels differ"; return 1; }; echo "$1: $frames frames, the same pixels"; }

raw='{"jpeg_compression": false}' jpeg='{}'
exchange raw-to "$raw" native foreign
same "raw, to $arch" raw-to.sent raw-to.received
exchange raw-from "$raw" foreign native
same "raw, from $arch" raw-from.sent raw-from.received
exchange jpeg "$jpeg" native native
exchange jpeg-to "$jpeg" native foreign
same "JPEG, to $arch" jpeg.received jpeg-to.received
exchange jpeg-from "$jpeg" foreign native
same "JPEG, from $arch" jpeg.received jpeg-from.received
