#!/usr/bin/env bash
# Builds the Dockerfiles of packaging/docker for Debian and runs what they build,
# without a Docker engine and without an image registry: buildah executes the
# Dockerfiles, and debootstrap makes the images that they begin with.
#
#   sudo scripts/images.sh [NAME...]      default: debian debian-opencv
#
# Each image must show its version and pass its own check (netgear doctor), and two
# containers of it exchange frames. Ends with the sizes of the images.
#
# Go, its module cache and its build cache are this machine's, as volumes, so it
# takes little longer than the packages. Needs root, buildah, debootstrap, and
# 3 GB. NETGEAR_IMAGES (default: a temporary folder) keeps the images.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- debian debian-opencv
fail() { echo "images: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail 'run it as root'
for program in buildah debootstrap go; do
	command -v $program >/dev/null || fail "$program is not installed"
done

store=${NETGEAR_IMAGES:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ -n "$store" ] || store=$tmp/store
b() { buildah --root "$store/root" --runroot "$store/run" "$@"; }
have() { b images -q "$1" >/dev/null 2>&1; }

# The images that the Dockerfiles begin with. The Docker library's golang image
# has the same compilers, and Go in the same folder.
if ! have docker.io/library/debian:12-slim; then
	debootstrap --variant=minbase --include=ca-certificates bookworm "$tmp/root" >"$tmp/log" || { tail "$tmp/log" >&2; fail 'debootstrap failed'; }
	# As in the Docker library's image: no lists, and apt keeps no packages.
	rm -rf "$tmp"/root/var/lib/apt/lists/* "$tmp"/root/var/cache/apt/*
	printf '%s\n' 'Dir::Cache::pkgcache "";' 'Dir::Cache::srcpkgcache "";' \
		'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };' >"$tmp/root/etc/apt/apt.conf.d/docker-clean"
	container=$(b from scratch)
	b add -q "$container" "$tmp/root/" /
	b commit -q --rm "$container" docker.io/library/debian:12-slim
	rm -rf "$tmp/root"
fi
if ! have docker.io/library/golang:1.26-bookworm; then
	container=$(b from --pull-never docker.io/library/debian:12-slim)
	b run --isolation chroot "$container" sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends g++ gcc libc6-dev make pkg-config' >"$tmp/log"
	b config --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
	b commit -q --rm "$container" docker.io/library/golang:1.26-bookworm
fi
caches=(-v "$(go env GOROOT):/usr/local/go" -v "$(go env GOMODCACHE):/root/go/pkg/mod" -v "$(go env GOCACHE):/root/.cache/go-build")

# run CONTAINER ARGUMENT... runs the image's program, as its user.
run() {
	local container=$1
	shift
	b run --isolation chroot "$container" netgear "$@"
}

for name in "$@"; do
	from=$SECONDS
	echo "== $name"
	b build -q --isolation chroot --pull-never "${caches[@]}" -f "packaging/docker/$name.Dockerfile" -t "netgear-$name" .
	sender=$(b from --pull-never "netgear-$name") receiver=$(b from --pull-never "netgear-$name")
	run "$sender" --version
	run "$sender" doctor | grep -E '^(ok|FAIL) +(netgear|libzmq|libjpeg-turbo|CURVE|OpenCV) '
	run "$receiver" receive --address 127.0.0.1 --port 0 --frames 20 --timeout 60s >/dev/null 2>"$tmp/received" &
	until endpoint=$(sed -n 's/^endpoint //p' "$tmp/received") && [ -n "$endpoint" ]; do
		kill -0 $! || { cat "$tmp/received"; fail "$name: the receiver ended"; }
		sleep 0.1
	done
	run "$sender" send --address 127.0.0.1 --port "${endpoint##*:}" --source test --frames 20
	wait $! || { cat "$tmp/received"; fail "$name: not every frame arrived"; }
	tail -n 1 "$tmp/received"
	b rm "$sender" "$receiver" >/dev/null
	echo "$name: built and run in $((SECONDS - from)) s"
done
b images
