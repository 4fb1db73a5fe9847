#!/usr/bin/env bash
# Runs commands in a bare Debian of another release, as a new user would: a root
# made by debootstrap, with a copy of this tree in it.
#
#   scripts/debian-root.sh [--keep DIR] [RELEASE] [COMMAND...]
#
#   sudo scripts/debian-root.sh                          trixie (Debian 13): make demo, make test
#   sudo scripts/debian-root.sh bookworm 'make demo'     Debian 12: one command
#   sudo scripts/debian-root.sh --keep /var/tmp/d13 trixie 'make nogocv'
#
# Beforehand the root gets what the README asks for: Go (this machine's), make, a
# C compiler, Python and certificates. All else the commands install themselves.
# It ends with a table of the commands and their times, and with status 1 if one
# failed. Needs root, debootstrap, and 1.2 GB (make demo) to 6 GB (make test).
#
# --keep DIR: the root is made in DIR, or used as it is found there, and stays.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=
if [ "${1:-}" = --keep ]; then
	keep=$2
	shift 2
fi
release=${1:-trixie}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 'make demo' 'make test'

fail() { echo "debian-root: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail 'run it as root: it makes a root and changes into it'
command -v debootstrap >/dev/null || fail 'debootstrap is not installed: apt-get install debootstrap'
command -v go >/dev/null || fail 'Go is not installed, or not on the PATH'

# A mount namespace of its own: the mounts below vanish with this script, and
# removing the root cannot reach through one of them.
if [ -z "${NETGEAR_ROOT_NAMESPACE:-}" ]; then
	dir=${keep:-$(mktemp -d)}
	status=0
	NETGEAR_ROOT_NAMESPACE=$dir unshare --mount --propagation private "$0" "$release" "$@" || status=$?
	[ -n "$keep" ] || rm -rf "$dir"
	exit $status
fi
root=$NETGEAR_ROOT_NAMESPACE
unset NETGEAR_ROOT_NAMESPACE

if [ ! -e "$root/etc/debian_version" ]; then
	echo "== debootstrap $release"
	debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,make,python3 "$release" "$root" >"$root.log" ||
		{ tail -n 20 "$root.log" >&2; fail "debootstrap $release failed"; }
	rm -f "$root.log"
fi
# A root that is thrown away need not survive a power cut.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/netgear"
mkdir -p "$root/usr/local/go" "$root/root/netgear"
# Behind a proxy with a certificate of its own the root trusts whom this machine
# trusts.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"
mount --bind -o ro "$(go env GOROOT)" "$root/usr/local/go"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"

# The tree as it is, uncommitted changes included, without what is ignored.
git ls-files -coz --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null | tar -x -C "$root/root/netgear"

# in_root COMMAND: one command line in the copy, with an environment of its own.
in_root() {
	unshare --pid --fork --kill-child chroot "$root" /usr/bin/env -i \
		HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		${CI:+CI=$CI} ${GOPROXY:+GOPROXY=$GOPROXY} ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} \
		bash -c 'mount -t proc proc /proc && cd /root/netgear && eval "$1"' bash "$1"
}

status=0
report=()
for command in "$@"; do
	printf '\n== %s: %s\n' "$release" "$command"
	from=$SECONDS
	in_root "$command" </dev/null && result=ok || { result="FAILED (status $?)" status=1; }
	report+=("$(printf '%5ds  %-7s %s' $((SECONDS - from)) "$result" "$command")")
done
printf '\n== Debian %s (%s)\n' "$(cat "$root/etc/debian_version")" "$release"
printf '%s\n' "${report[@]}"
exit $status
