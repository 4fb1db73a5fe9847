#!/bin/sh
# Installs the missing requirements of this library: libzmq (4.3 or newer),
# OpenCV 4, libjpeg-turbo (libjpeg and TurboJPEG), pkg-config and a C++
# compiler.
#
#   scripts/setup.sh            the libraries
#   scripts/setup.sh --python   and the pinned VidGear and imagezmq in interop/.venv, for the interop suite
#   scripts/setup.sh --no-opencv  the libraries without OpenCV, for -tags nogocv
#
# If nothing is missing, it installs nothing and does not use the network.
# NETGEAR_NO_INSTALL=1: install nothing, print what is missing, exit 1 if
# anything is.
# PYTHON=...: the Python to create interop/.venv with (default python3).
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
VENV=interop/.venv
no_install=${NETGEAR_NO_INSTALL:-}
[ "$no_install" = 0 ] && no_install=
want_python=
opencv=opencv
for arg in "$@"; do
	case $arg in
	--python) want_python=1 ;;
	--no-opencv) opencv= ;;
	-h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" && exit 0 ;;
	*) echo "setup: unknown argument $arg (try --help)" >&2 && exit 2 ;;
	esac
done

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- what is there ---------------------------------------------------------

CC_BIN=${CC:-cc}
CXX_BIN=${CXX:-g++}
have_pkgconfig() { have pkg-config; }
have_zmq() { have pkg-config && pkg-config --atleast-version=4.3 libzmq; }
have_opencv() { have pkg-config && pkg-config --exists opencv4; }
have_turbojpeg() { have pkg-config && pkg-config --exists libturbojpeg; }
have_jpeg() { have pkg-config && pkg-config --exists libjpeg; }
have_cxx() { have "${CXX_BIN%% *}" || have c++; }
have_cc() { have "${CC_BIN%% *}"; }
have_venv() { "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; }
stamp() { cat interop/requirements.txt interop/oldest.txt | cksum; "$PYTHON" -c 'import sys; print(sys.version)'; }
have_env() {
	[ -x $VENV/bin/python ] && [ -f $VENV/.stamp ] && [ "$(stamp)" = "$(cat $VENV/.stamp)" ]
}

find_missing() {
	missing=
	for thing in cc cxx pkgconfig zmq $opencv turbojpeg jpeg; do
		"have_$thing" || missing="$missing $thing"
	done
	if [ -n "$want_python" ] && ! have_env; then
		have_venv || missing="$missing venv"
	fi
}

describe() {
	case $1 in
	cc) echo 'a C compiler (gcc or clang)' ;;
	cxx) echo 'a C++ compiler (g++ or clang++)' ;;
	pkgconfig) echo 'pkg-config' ;;
	zmq) echo 'libzmq 4.3 or newer, with headers' ;;
	opencv) echo 'OpenCV 4, with headers and opencv4.pc' ;;
	turbojpeg) echo "TurboJPEG (libjpeg-turbo's turbojpeg.h and libturbojpeg.pc)" ;;
	jpeg) echo "libjpeg-turbo's jpeglib.h and libjpeg.pc" ;;
	venv) echo "Python's venv and ensurepip modules" ;;
	esac
}

# --- installing ------------------------------------------------------------

find_manager() {
	for candidate in apt-get:apt brew:brew dnf:dnf pacman:pacman; do
		have "${candidate%%:*}" && manager=${candidate#*:} && return
	done
	manager=
}

# The command that installs $packages.
install_command() {
	case $manager in
	apt) echo apt-get -y install --no-install-recommends "$packages" ;;
	brew) echo brew install "$packages" ;;
	dnf) echo dnf -y install "$packages" ;;
	pacman) echo pacman -S --needed --noconfirm "$packages" ;;
	esac
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The package for one thing, by package manager.
package() {
	case $manager:$1 in
	apt:cc) echo gcc libc6-dev ;;
	apt:cxx) echo g++ ;;
	apt:pkgconfig) echo pkg-config ;;
	apt:zmq) echo libzmq3-dev ;;
	apt:opencv) echo libopencv-dev ;;
	apt:turbojpeg) # the name depends on the release
		if ! apt-cache show libturbojpeg0-dev >/dev/null 2>&1 && apt-cache show libturbojpeg-dev >/dev/null 2>&1; then
			echo libturbojpeg-dev
		else
			echo libturbojpeg0-dev
		fi ;;
	apt:jpeg) echo libjpeg-dev ;; # libjpeg-turbo's, under either of its names
	apt:venv) echo python3-venv ;;
	dnf:cc) echo gcc ;;
	dnf:cxx) echo gcc-c++ ;;
	dnf:pkgconfig) echo pkgconf-pkg-config ;;
	dnf:zmq) echo zeromq-devel ;;
	dnf:opencv) echo opencv-devel ;;
	dnf:turbojpeg) echo turbojpeg-devel ;;
	dnf:jpeg) echo libjpeg-turbo-devel ;;
	dnf:venv) echo python3 ;;
	pacman:cc | pacman:cxx) echo gcc ;;
	pacman:pkgconfig) echo pkgconf ;;
	pacman:zmq) echo zeromq ;;
	pacman:opencv) echo opencv ;;
	pacman:turbojpeg | pacman:jpeg) echo libjpeg-turbo ;;
	pacman:venv) echo python ;;
	brew:cc | brew:cxx) ;; # Xcode's command line tools, see below
	brew:pkgconfig) echo pkg-config ;;
	brew:zmq) echo zeromq ;;
	brew:opencv) echo opencv ;;
	brew:turbojpeg | brew:jpeg) echo jpeg-turbo ;;
	brew:venv) echo python ;;
	esac
}

# Installs what is in $missing, or prints how to install it and fails.
install() {
	find_manager
	[ -n "$manager" ] ||
		fail 'no package manager known here (apt-get, brew, dnf, pacman). Install the things above by hand, then run this again.'
	if [ "$manager" = brew ]; then
		case $missing in *' cc'* | *' cxx'*) fail 'no compiler: run xcode-select --install, then this again' ;; esac
	fi
	list_packages
	[ -z "$no_install" ] || fail "nothing installed, as NETGEAR_NO_INSTALL is set. The command: $(install_command)"
	if [ "$manager" != brew ] && [ "$(id -u)" != 0 ] && ! have sudo; then
		fail "not root, and no sudo here. As root, run: $(install_command)"
	fi
	if [ "$manager" = apt ]; then
		as_root apt-get -qq -o Acquire::Retries=3 update || fail 'apt-get update failed: see the lines above'
		list_packages # with the new lists
	fi
	command=$(install_command)
	say "$command"
	# shellcheck disable=SC2086
	case $manager in
	brew) $command ;;
	apt) as_root env DEBIAN_FRONTEND=noninteractive $command -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		false
	} ;;
	*) as_root $command ;;
	esac || fail "this did not work: $command"
}

list_packages() {
	packages=$(for thing in $missing; do package "$thing"; done | tr '\n' ' ')
	packages=${packages% }
}

# --- the work --------------------------------------------------------------

have go || fail 'Go is not installed, or not on the PATH: https://go.dev/doc/install'
[ -z "$want_python" ] || have "$PYTHON" || fail "$PYTHON is not installed: the interop suite needs Python 3.11 or newer"
if [ -n "$want_python" ]; then
	"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
		fail "$("$PYTHON" --version) is too old: VidGear 0.3.6 needs Python 3.11 or newer (PYTHON=... chooses another)"
fi

find_missing
if [ -n "$missing" ]; then
	say 'missing:'
	for thing in $missing; do echo "  - $(describe "$thing")"; done
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	install
	find_missing
	if [ -n "$missing" ]; then
		for thing in $missing; do echo "  - $(describe "$thing")" >&2; done
		fail 'still missing after installing: the things above'
	fi
fi

if [ -n "$want_python" ] && ! have_env; then
	[ -z "$no_install" ] || fail "$VENV is not made or not up to date, and NETGEAR_NO_INSTALL is set"
	say "making $VENV with the pinned VidGear"
	rm -rf $VENV
	"$PYTHON" -m venv $VENV || fail "$PYTHON -m venv failed: see the lines above"
	$VENV/bin/python -m pip --disable-pip-version-check -q install --prefer-binary -r interop/requirements.txt ||
		fail 'pip could not install interop/requirements.txt: see the lines above'
	# The oldest VidGear is in a folder of its own. requirements.txt pins what
	# else it needs.
	$VENV/bin/python -m pip --disable-pip-version-check -q install --prefer-binary --no-deps --target $VENV/oldest -r interop/oldest.txt ||
		fail 'pip could not install interop/oldest.txt: see the lines above'
	$VENV/bin/python -c 'import vidgear.gears, imagezmq' || fail 'VidGear and imagezmq were installed, but do not import: see the lines above'
	PYTHONPATH=$VENV/oldest $VENV/bin/python -c 'import vidgear.gears' || fail 'the oldest VidGear was installed, but does not import: see the lines above'
	stamp >$VENV/.stamp
fi

say "ready: libzmq $(pkg-config --modversion libzmq), ${opencv:+OpenCV $(pkg-config --modversion opencv4), }TurboJPEG $(pkg-config --modversion libturbojpeg)$(
	[ -z "$want_python" ] || $VENV/bin/python -c 'import sys, importlib.metadata as m; print(", Python %d.%d" % sys.version_info[:2] + ", VidGear " + m.version("vidgear"))')"
