#!/usr/bin/env bash
# Runs a command in a virtual machine of its own, for what must not be done to this
# one, such as setting its clock. QEMU emulates the processor: no support of this
# machine's processor is needed, and everything takes ten times as long or more.
#
#   scripts/vm.sh FOLDER COMMAND
#
# FOLDER is copied to /guest there, with the shared libraries of the programs in it.
# The rest of the machine is Debian's kernel and BusyBox. COMMAND is run there by
# its sh, as root, in /guest. What it leaves in /guest/out is in FOLDER/out
# afterwards, and its status is this script's. The machine has no network but
# 127.0.0.0/8, and no disk.
#
#   mkdir /tmp/x && go build -o /tmp/x ./cmd/netgear
#   scripts/vm.sh /tmp/x 'date -s 2038-01-01 && ./netgear doctor'
#
# NETGEAR_VM_MINUTES: how long it may take (default 60). NETGEAR_VM_MEMORY: its
# memory in MB (default 1024). NETGEAR_VM_CPUS: its processors (default 1).
#
# It installs QEMU (package qemu-system-x86) if that is missing; only this needs
# root. The kernel and BusyBox are Debian's packages, unpacked once into
# netgear-vm in the user's cache folder, and installed nowhere.
#
# Status 3: the packages are not to be had here (no apt, no network, no Debian, not
# amd64). Status 124: it took too long.
set -euo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; }
unavailable() { echo "vm: $*" >&2; exit 3; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

case ${1:-} in -h | --help) usage && exit 0 ;; esac
[ $# -eq 2 ] || { usage >&2; exit 2; }
folder=$(cd "$1" && pwd) command=$2

command -v apt-get >/dev/null || unavailable 'no apt-get here'
[ "$(dpkg --print-architecture)" = amd64 ] || unavailable 'it is written for amd64'
if ! command -v qemu-system-x86_64 >/dev/null; then
	as_root apt-get -qq -o Acquire::Retries=3 update || unavailable 'apt-get update failed'
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends qemu-system-x86 >/dev/null || unavailable 'no package qemu-system-x86'
fi

# fill DIR unpacks the kernel and BusyBox there.
fill() {
	local kernel deb
	kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9]\S*\)$/\1/p' | head -1)
	if [ -z "$kernel" ]; then
		as_root apt-get -qq -o Acquire::Retries=3 update || unavailable 'apt-get update failed'
		kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9]\S*\)$/\1/p' | head -1)
	fi
	[ -n "$kernel" ] || unavailable 'no package linux-image-cloud-amd64'
	(cd "$1" && apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User= download "$kernel" busybox-static >/dev/null) ||
		unavailable "not to be had: $kernel, busybox-static"
	for deb in "$1"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1" --wildcards './boot/vmlinuz*' './bin/busybox' 2>/dev/null || true
		rm "$deb"
	done
	mv "$1"/boot/vmlinuz* "$1/vmlinuz"
	mv "$1/bin/busybox" "$1/busybox"
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/netgear-vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ! -e "$cache/vmlinuz" ]; then
	mkdir -p "$work/new" "$(dirname "$cache")"
	fill "$work/new"
	rm -rf "$cache"
	mv "$work/new" "$cache"
fi

# ---- its files, all of them in memory ----

root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp,guest/out}
cp "$cache/busybox" "$root/bin/busybox"
tar -c -C "$folder" --exclude=./out . | tar -x -C "$root/guest" --no-same-owner
find "$folder" -path "$folder/out" -prune -o -type f -perm -100 -print | while read -r program; do
	{ ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"; }
	done
done
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf '%s\n' "$command" >"$root/command"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
ip link set lo up
ulimit -n 65536
cd /guest
sh /command </dev/null
echo $? >out/.status
stty -F /dev/ttyS1 raw
tar -c -C out . >/dev/ttyS1
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | "$cache/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"

# ---- the machine ----

status=0
timeout "${NETGEAR_VM_MINUTES:-60}m" qemu-system-x86_64 -accel tcg,thread=multi -cpu max \
	-m "${NETGEAR_VM_MEMORY:-1024}" -smp "${NETGEAR_VM_CPUS:-1}" -nodefaults -display none -no-reboot \
	-serial stdio -serial "file:$work/out.tar" -kernel "$cache/vmlinuz" -initrd "$work/initrd" \
	-append 'console=ttyS0 quiet panic=-1' </dev/null | sed -u 's/\r//g; /reboot: Power down$/d' || status=$?
[ "$status" -eq 0 ] || { echo "vm: QEMU ended with status $status" >&2; exit "$status"; }
mkdir -p "$folder/out"
tar -x -C "$folder/out" --no-same-owner -m -f "$work/out.tar" || { echo 'vm: the machine ended before the command did' >&2; exit 1; }
status=$(cat "$folder/out/.status")
rm "$folder/out/.status"
exit "$status"
