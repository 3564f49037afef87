#!/usr/bin/env bash
# Runs the tests that need systemd, or the tests of an engine, in a virtual machine with systemd as process 1. The machine has the
# architecture of the host.
#
#   vm/systemd.sh LAYOUT ENGINE [FLAG OF A TEST BINARY ...]
#
# LAYOUT is v2, hybrid or v1, and systemd mounts the cgroups that way. ENGINE is podman, podman-rootless, containerd, docker, or empty;
# ENGINE_PACKAGES names the packages to install. The kernel, and a Debian for the containers, come from build/vm, where vm/test.sh
# puts them. mmdebstrap makes the machine's own Debian from the host's apt sources, and build/vm keeps that, too. The machine has an
# initramfs and no disk.
#
# Prints the lines of go test. Exit status: 0 all tests passed, 1 a test failed, 2 the machine could not start or did not finish.
set -euo pipefail
cd "$(dirname "$0")/.."

layout=${1:-} engine=${2:-} arch=$(dpkg --print-architecture)
dir=build/vm/$arch
base=$dir/systemd${engine:+-$engine}
packages=(systemd-sysv dbus dbus-user-session libpam-systemd busybox-static uidmap)

. vm/machine.sh

# bootstrap makes an initramfs of everything but the tests.
bootstrap() {
	local sources new=$PWD/$base.partial
	# This file and the Makefile list the packages: make a new initramfs when either changes.
	[[ $base -nt vm/systemd.sh && $base -nt Makefile ]] && return
	# shellcheck disable=SC2016 # apt substitutes these
	sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian')
	[ -n "$sources" ] || fail "apt has no sources of Debian: repair /etc/apt/sources.list.d, then run apt-get update"
	say "installing a Debian with systemd${engine:+ and $engine}, which takes about a minute"
	# Leave out documentation and other files that no test reads.
	as_root mmdebstrap --quiet --variant=essential --include="${packages[*]}" --format=null --keyring=/usr/share/keyrings \
		--customize-hook="cd \"\$1\" && find . -xdev -regextype posix-extended \
			-regex './(usr/share/(doc|locale|man|perl)|usr/lib/.*/(perl|gconv).*|var/(cache|lib)/apt)' -prune -o -print |
			cpio -o -H newc --quiet >'$new'" '' /dev/null - <<<"$sources" >&2 ||
		fail "mmdebstrap failed (see above): repair that and run this again"
	mv "$new" "$base"
}

# compile DIR FLAG ... puts the tests and the files that they read into DIR, and prints the lines of a script that runs them.
compile() {
	export CGO_ENABLED=0
	if [ -z "$engine" ]; then
		go test -c -ldflags=-s -o "$1/" ./final ./final/cgroup ./final/cgroup/stats || exit 2
		# final run puts an overlay on its root file system.
		cp "$dir"/kernel/lib/modules/*/kernel/fs/overlayfs/overlay.ko "$1/" || exit 2
		echo "/bin/busybox insmod /overlay.ko"
		echo "/cgroup.test -test.v -test.run Scope ${*:2} || status=1"
		echo "/stats.test -test.v -test.run Scope ${*:2} || status=1"
		echo "/final.test -test.v -test.run ^TestSystemd ${*:2} || status=1"
		return
	fi
	mkdir -p "$1/etc" "$1/usr/lib" "$1/workshop/internal/engine" "$1$rootfs"
	# Engines copy these files into their containers.
	echo '127.0.0.1 localhost' >"$1/etc/hosts"
	: >"$1/etc/resolv.conf"
	cp -r "$dir/kernel/lib/modules" "$1/usr/lib"
	cp -r "$dir/root/debian/." "$1$rootfs"
	cp --parents go.mod final/README.md final/runtimeclass.yaml "$1/workshop"
	go build -ldflags=-s -o "$1/" ./final && go build -ldflags=-s -o "$1/final-helper" ./final/helper/cmd && go test -c -tags engines -ldflags=-s -o "$1/" ./internal/engine || exit 2
	if [ "$engine" = podman-rootless ]; then
		# The user gets cgroups from systemd, so these tests run in the machine itself, and make no session.
		echo "cd /workshop/internal/engine && ENGINE_ROLE=tests TMPDIR=/run/engine/tmp RUNTIME=/final /engine.test -test.v -test.run ^TestSystemd ${*:2} || status=1"
		return
	fi
	cat <<-END
		depmod && modprobe -a overlay bridge veth tun
		cd /workshop/internal/engine
		RUNTIME=/final /engine.test -test.v -test.run '^Test(Session|Terminal|${engine^})' ${*:2} || status=1
	END
}

# tests FLAG ... prints an archive for the initramfs: the tests, and the service that starts them.
tests() {
	local root script
	root=$(mktemp -d)
	# shellcheck disable=SC2064 # root is local, so expand it now
	trap "rm -r '$root'" EXIT
	script=$(compile "$root" "$@")
	# pivot_root(2) needs a mount to move away from, and the initramfs is not mounted on anything. So bind it and make that the root.
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
podman | podman-rootless | containerd | docker)
	read -ra more <<<"${ENGINE_PACKAGES:?}"
	packages+=(kmod procps "${more[@]}")
	rootfs=/var/lib/container-workshop/rootfs
	memory=6G
	;;
*) fail "ENGINE=$engine: want podman, podman-rootless, containerd or docker" ;;
esac
emulate "$arch"
# A daemon and its containers work at the same time: two processors help.
[ -z "$engine" ] || emulator+=(-smp 2)
[ -e "$dir/kernel" ] || fail "$dir/kernel is missing: run make test-vm first, which downloads it"
need mmdebstrap mmdebstrap
bootstrap
initrd=$base.initrd log=$base-$layout.console
(tests "${@:3}") | cat "$base" - >"$initrd"

# Newer versions of systemd mount cgroups of version 1 only with SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE.
{ (qemu 60m "$initrd" systemd.show_status=0 systemd.unit=tests.service "$cgroups" SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1) 2>&1 || true; } |
	tee "$log" | sed -un '/^vm: Linux/,/^vm: status/p' | scripts/report.sh "$base-$layout.log" systemd "$layout"
case $(sed -nE 's/^vm: status ([0-9]+).*/\1/p' "$log") in
0) ;;
'')
	tail -n 30 "$log" >&2
	fail "the machine ended before its tests did: see the log above"
	;;
*) exit 1 ;;
esac
