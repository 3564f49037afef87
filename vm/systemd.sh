#!/usr/bin/env bash
# Runs the tests that need systemd, or those of an engine, in a virtual machine of this host's architecture where systemd is
# process 1.
#
#   vm/systemd.sh LAYOUT ENGINE [FLAG OF A TEST BINARY ...]
#
# LAYOUT is v2, hybrid or v1: so systemd mounts the cgroups. ENGINE is podman, containerd, docker, or empty; ENGINE_PACKAGES has
# its packages. The kernel, and a Debian for the containers, are those that vm/test.sh keeps below build/vm. The rest is made by
# mmdebstrap from the host's own apt sources, and kept there too. The machine has an initramfs and no disk.
#
# Prints the lines of go test. Exit status: 0 all passed, 1 not, 2 the machine could not be made, or has not come to its end.
set -euo pipefail
cd "$(dirname "$0")/.."

layout=${1:-} engine=${2:-} arch=$(dpkg --print-architecture)
dir=build/vm/$arch
base=$dir/systemd${engine:+-$engine}
packages=(systemd-sysv dbus busybox-static)

. vm/machine.sh

# bootstrap makes the initramfs, which has all but the tests.
bootstrap() {
	local sources new=$PWD/$base.partial
	# What is in it is said here and in the Makefile.
	[[ $base -nt vm/systemd.sh && $base -nt Makefile ]] && return
	# shellcheck disable=SC2016 # apt substitutes these
	sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian')
	[ -n "$sources" ] || fail "apt knows no source of Debian: see /etc/apt/sources.list.d, then apt-get update"
	say "making a Debian with systemd${engine:+ and $engine}, which takes about a minute"
	# What nobody reads there is left out.
	as_root mmdebstrap --quiet --variant=essential --include="${packages[*]}" --format=null --keyring=/usr/share/keyrings \
		--customize-hook="cd \"\$1\" && find . -xdev -regextype posix-extended \
			-regex './(usr/share/(doc|locale|man|perl)|usr/lib/.*/(perl|gconv).*|var/(cache|lib)/apt)' -prune -o -print |
			cpio -o -H newc --quiet >'$new'" '' /dev/null - <<<"$sources" >&2 ||
		fail "mmdebstrap failed (see above): repair that and run this again"
	mv "$new" "$base"
}

# compile puts the tests into a folder, with what they read, and prints the lines of a script that runs them.
compile() {
	export CGO_ENABLED=0
	if [ -z "$engine" ]; then
		go test -c -ldflags=-s -o "$1/" ./final ./final/cgroup || exit 2
		echo "/cgroup.test -test.v -test.run Scope ${*:2} || status=1"
		echo "/final.test -test.v -test.run ^TestSystemd ${*:2} || status=1"
		return
	fi
	mkdir -p "$1/etc" "$1/usr/lib" "$1/workshop/internal/engine" "$1$rootfs"
	# Containers get a copy of these.
	echo '127.0.0.1 localhost' >"$1/etc/hosts"
	: >"$1/etc/resolv.conf"
	cp -r "$dir/kernel/lib/modules" "$1/usr/lib"
	cp -r "$dir/root/debian/." "$1$rootfs"
	cp --parents go.mod final/README.md final/runtimeclass.yaml "$1/workshop"
	go build -ldflags=-s -o "$1/" ./final && go test -c -tags engines -ldflags=-s -o "$1/" ./internal/engine || exit 2
	cat <<-END
		depmod && modprobe -a overlay bridge veth tun
		cd /workshop/internal/engine
		RUNTIME=/final /engine.test -test.v -test.run '^Test(Session|Terminal|${engine^})' ${*:2} || status=1
	END
}

# tests prints an archive for the initramfs: the tests, and what starts them.
tests() {
	local root script
	root=$(mktemp -d)
	# shellcheck disable=SC2064 # it is local
	trap "rm -r '$root'" EXIT
	script=$(compile "$root" "$@")
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
		$script
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
		Environment=HOME=/root ROOTFS=$rootfs
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
case $engine in
'') rootfs=/ ;;
podman | containerd | docker)
	read -ra more <<<"${ENGINE_PACKAGES:?}"
	packages+=(kmod procps "${more[@]}")
	rootfs=/var/lib/container-workshop/rootfs
	memory=6G
	;;
*) fail "ENGINE=$engine: want podman, containerd or docker" ;;
esac
emulate "$arch"
# A daemon and what it starts run beside each other.
[ -z "$engine" ] || emulator+=(-smp 2)
[ -e "$dir/kernel" ] || fail "there is no $dir/kernel: make test-vm downloads it"
need mmdebstrap mmdebstrap
bootstrap
initrd=$base.initrd log=$base-$layout.console
(tests "${@:3}") | cat "$base" - >"$initrd"

# Of later versions of systemd the last is wanted, for version 1 of cgroups.
{ (qemu 60m "$initrd" systemd.show_status=0 systemd.unit=tests.service "$cgroups" SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1) 2>&1 || true; } |
	tee "$log" | sed -un '/^vm: Linux/,/^vm: status/p' | scripts/report.sh "$base-$layout.log" systemd "$layout"
case $(sed -nE 's/^vm: status ([0-9]+).*/\1/p' "$log") in
0) ;;
'')
	tail -n 30 "$log" >&2
	fail "the machine has not come to its end: see above"
	;;
*) exit 1 ;;
esac
