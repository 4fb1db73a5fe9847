#!/usr/bin/env bash
# Runs a command, such as go build, with what a build for another processor needs:
# Debian's cross compiler, and a folder with Debian's libraries for that processor
# (a sysroot). No package of the other processor is installed on this machine.
#
#   scripts/cross.sh [--opencv] arm64 | armhf | i386 COMMAND...
#
#   scripts/cross.sh arm64 go build -tags nogocv -o netgear-arm64 ./cmd/netgear
#   scripts/cross.sh --opencv arm64 go build -o netgear-arm64 ./cmd/netgear
#   scripts/cross.sh arm64 sh -c 'qemu-aarch64 -L "$SYSROOT" ./netgear-arm64 doctor'
#   scripts/cross.sh arm64 env          what it sets, for another build system
#
# arm64 is Raspberry Pi OS (64-bit) and every other arm64 Debian; armhf is 32-bit
# Debian with ARMv7; i386 is for tests of 32-bit code at full speed
# (scripts/environment.sh). The libraries are those of this machine's Debian release, so
# the program runs on that release and on newer ones.
#
# It installs the cross compiler if that is missing; only this needs root. The
# sysroot is created once, in NETGEAR_SYSROOTS (default: netgear-sysroots in the
# user's cache folder); remove it to get newer packages.
#
# Status 3: the packages are not to be had here (no apt, no network, no Debian).
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
unavailable() { echo "cross: $*" >&2; exit 3; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages='libzmq3-dev libturbojpeg0-dev libjpeg-dev'
kind=
if [ "${1:-}" = --opencv ]; then
	packages="$packages libopencv-dev"
	kind=-opencv
	shift
fi
case ${1:-} in
arm64) arch=arm64 triplet=aarch64-linux-gnu goarch=arm64 goarm= ;;
armhf) arch=armhf triplet=arm-linux-gnueabihf goarch=arm goarm=7 ;;
i386) arch=i386 triplet=i686-linux-gnu goarch=386 goarm= ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac
libraries=$triplet
[ $arch != i386 ] || libraries=i386-linux-gnu
shift
[ $# -gt 0 ] || { usage >&2; exit 2; }

command -v apt-get >/dev/null || unavailable 'no apt-get here'
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
sysroot=${NETGEAR_SYSROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/netgear-sysroots}/$release-$arch$kind

# The compiler: C, and C++ for gocv.
missing=
command -v $triplet-gcc >/dev/null || missing="gcc-$triplet"
[ -z "$kind" ] || command -v $triplet-g++ >/dev/null || missing="$missing g++-$triplet"
if [ -n "$missing" ]; then
	as_root apt-get -qq -o Acquire::Retries=3 update || unavailable 'apt-get update failed'
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends $missing >/dev/null || unavailable "no package $missing"
fi

# sources prints apt's lines for this machine's own Debian mirrors.
sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u
}

# fill DIR downloads the packages for $arch with all that they depend on, and
# unpacks them. It uses an apt of its own, for which nothing is installed.
fill() {
	local dir=$1 deb
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial" "$dir/root/usr"
	[ -n "$(sources)" ] || as_root apt-get -qq update || true
	sources >"$dir/apt/sources.list" || true
	[ -s "$dir/apt/sources.list" ] || unavailable 'no Debian mirror in the sources of apt'
	: >"$dir/apt/status"
	cat >"$dir/apt/conf" <<-END
		Dir::State "$dir/apt";
		Dir::State::lists "$dir/apt/lists";
		Dir::State::status "$dir/apt/status";
		Dir::Cache "$dir/apt";
		Dir::Etc::sourcelist "$dir/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		APT::Architecture "$arch";
		APT::Architectures "$arch";
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	# A mirror that fails may not be needed; if it is, the next step fails.
	APT_CONFIG=$dir/apt/conf apt-get -qq update || true
	# shellcheck disable=SC2086
	APT_CONFIG=$dir/apt/conf apt-get -qq -y --download-only install $packages >/dev/null ||
		unavailable "not to be had for $arch: $packages"
	for d in bin lib sbin; do # as on every Debian since 12
		mkdir -p "$dir/root/usr/$d"
		ln -s usr/$d "$dir/root/$d"
	done
	for deb in "$dir"/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir/root" --keep-directory-symlink --no-same-owner
	done
}

if [ ! -d "$sysroot" ]; then
	mkdir -p "$(dirname "$sysroot")"
	new=$(mktemp -d "$sysroot.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	fill "$new"
	mv "$new/root" "$sysroot"
	rm -rf "$new"
fi

export SYSROOT=$sysroot
export GOOS=linux GOARCH=$goarch ${goarm:+GOARM=$goarm} CGO_ENABLED=1
export CC="$triplet-gcc --sysroot=$sysroot" CXX="$triplet-g++ --sysroot=$sysroot"
export PKG_CONFIG_SYSROOT_DIR=$sysroot PKG_CONFIG_PATH=
export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$libraries/pkgconfig:$sysroot/usr/share/pkgconfig
exec "$@"
