#!/usr/bin/env bash
# Runs the tests that need systemd in a virtual machine of this host's architecture, where systemd is process 1.
#
#   vm/systemd.sh LAYOUT [FLAG OF A TEST BINARY ...]
#
# LAYOUT is v2, hybrid or v1: so systemd mounts the cgroups. The kernel is the one that vm/test.sh keeps below build/vm. The rest
# is made by mmdebstrap from the host's own apt sources, and kept there too. The machine has an initramfs and no disk.
#
# Prints the lines of go test. Exit status: 0 all passed, 1 not, 2 the machine could not be made, or has not come to its end.
set -euo pipefail
cd "$(dirname "$0")/.."

layout=${1:-} arch=$(dpkg --print-architecture)
dir=build/vm/$arch
new=$PWD/$dir/systemd.partial

say() {
	printf 'vm: %s\n' "$@" >&2
}

fail() {
	say "$@"
	exit 2
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need COMMAND PACKAGE installs the package if there is no COMMAND.
need() {
	command -v "$1" >/dev/null && return
	say "installing $2"
	local install=(apt-get install -y -qq --no-install-recommends "$2")
	as_root "${install[@]}" >&2 || { as_root apt-get update -qq >&2 && as_root "${install[@]}" >&2; } ||
		fail "apt-get cannot install $2 (see above): repair that and run this again"
}

# bootstrap makes the initramfs, which has all but the tests.
bootstrap() {
	local sources
	[ ! -e "$dir/systemd" ] || return 0
	# shellcheck disable=SC2016 # apt substitutes these
	sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian')
	[ -n "$sources" ] || fail "apt knows no source of Debian: see /etc/apt/sources.list.d, then apt-get update"
	say "making a Debian with systemd, which takes about a minute"
	# What nobody reads there is left out.
	as_root mmdebstrap --quiet --variant=essential --include=systemd-sysv,dbus,busybox-static \
		--format=null --keyring=/usr/share/keyrings \
		--customize-hook="cd \"\$1\" && find . -xdev -regextype posix-extended \
			-regex './(usr/share/(doc|locale|man|perl)|usr/lib/.*/(perl|gconv).*|var/(cache|lib)/apt)' -prune -o -print |
			cpio -o -H newc --quiet >'$new'" '' /dev/null - <<<"$sources" >&2 ||
		fail "mmdebstrap failed (see above): repair that and run this again"
	mv "$new" "$dir/systemd"
}

# tests prints an archive for the initramfs: the tests, and what starts them.
tests() {
	local root
	root=$(mktemp -d)
	# shellcheck disable=SC2064 # it is local
	trap "rm -r '$root'" EXIT
	CGO_ENABLED=0 go test -c -ldflags=-s -o "$root/" ./final ./final/cgroup || exit 2
	# pivot_root(2) cannot leave an initramfs, whose root file system is in no other. So that is mounted upon itself.
	cat >"$root/init" <<-END
		#!/bin/busybox sh
		/bin/busybox mount -o bind / /mnt
		cd /mnt
		/bin/busybox mount --move . /
		exec /bin/busybox chroot . /sbin/init
	END
	cat >"$root/tests" <<-END
		#!/bin/bash
		stty -onlcr
		echo
		echo "vm: Linux \$(uname -rm), cgroups $layout, \$(systemctl --version | head -n 1)"
		status=0
		/cgroup.test -test.v -test.run Scope $* || status=1
		/final.test -test.v -test.run ^TestSystemd $* || status=1
		echo "vm: status \$status"
		systemctl poweroff --force --force
	END
	chmod 755 "$root" "$root/init" "$root/tests"
	mkdir -p "$root/etc/systemd/system"
	cat >"$root/etc/systemd/system/tests.service" <<-END
		[Unit]
		Wants=dbus.service
		After=dbus.service
		[Service]
		ExecStart=/tests
		Environment=HOME=/root ROOTFS=/
		StandardOutput=tty
		TTYPath=/dev/console
	END
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet)
}

hierarchy=systemd.unified_cgroup_hierarchy controller=systemd.legacy_systemd_cgroup_controller
case $layout in
v2) cgroups="$hierarchy=1" ;;
hybrid) cgroups="$hierarchy=0 $controller=0" ;;
v1) cgroups="$hierarchy=0 $controller=1" ;;
*) fail "LAYOUT=$layout: want v2, hybrid or v1" ;;
esac
case $arch in
amd64) need "${emulator:=qemu-system-x86_64}" qemu-system-x86 && machine=(-cpu Nehalem) console=ttyS0 ;;
arm64) need "${emulator:=qemu-system-aarch64}" qemu-system-arm && machine=(-M virt -cpu cortex-a72) console=ttyAMA0 ;;
*) fail "this host is $arch: want amd64 or arm64" ;;
esac
kernel=("$dir"/kernel/boot/vmlinuz-*)
[ -e "${kernel[0]}" ] || fail "there is no ${kernel[0]}: make test-vm downloads it"
need cpio cpio
need mmdebstrap mmdebstrap
bootstrap
(tests "${@:2}") | cat "$dir/systemd" - >"$dir/systemd.initrd"

# Of the arguments vm/test.sh has the reasons. Of later versions of systemd the last is wanted, for version 1 of cgroups.
{ timeout 30m "$emulator" "${machine[@]}" -m 2G -nographic -nodefaults -serial stdio -no-reboot -kernel "${kernel[0]}" \
	-initrd "$dir/systemd.initrd" -append "console=$console loglevel=1 panic=-1 norandmaps nohz=off highres=off mitigations=off \
	rcupdate.rcu_expedited=1 systemd.show_status=0 systemd.unit=tests.service $cgroups SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1" \
	</dev/null 2>&1 || true; } | tee "$dir/systemd.log" | sed -un '/^vm: Linux/,/^vm: status/p' |
	scripts/report.sh "$dir/systemd-$layout.log" systemd "$layout"
case $(sed -nE 's/^vm: status ([0-9]+).*/\1/p' "$dir/systemd.log") in
0) ;;
'')
	tail -n 30 "$dir/systemd.log" >&2
	fail "the machine has not come to its end: see above"
	;;
*) exit 1 ;;
esac
