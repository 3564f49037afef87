#!/bin/bash
# Process 1 of a machine of vm/test.sh, in the root file system that vm/init has made. It makes the rest of a system as systemd
# leaves it, with the cgroups that the kernel's command line names, runs its part of the tests, and turns the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export WORKSHOP_PROGRAMS=/workshop/programs

# The last lines of the log say how it ended, so a failure here is not taken for a failure of tests.
set -e
parameter() { sed -nE "s/.*\b$1=([a-z0-9]+).*/\1/p" /proc/cmdline; }
layout=$(parameter layout) part=$(parameter part)

stty -onlcr
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mkdir /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
ip link set lo up
hostname vm
mkswap /dev/ram0 >/dev/null
swapon /dev/ram0

# mount_v1 CONTROLLER[,CONTROLLER] ... mounts hierarchies of version 1. One of two controllers has a link with the name of each.
mount_v1() {
	local hierarchy name
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	for hierarchy; do
		mkdir "/sys/fs/cgroup/$hierarchy"
		mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$hierarchy"
		for name in ${hierarchy//,/ }; do
			[ "$name" = "$hierarchy" ] || ln -s "$hierarchy" "/sys/fs/cgroup/$name"
		done
	done
}

# shellcheck disable=SC2054 # a hierarchy can have two
v1=(cpuset cpu,cpuacct blkio memory devices freezer net_cls,net_prio perf_event pids)
case $layout in
v2)
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo '+cpuset +cpu +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
	;;
hybrid)
	mount_v1 "${v1[@]}"
	mkdir /sys/fs/cgroup/unified
	mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
	;;
v1) mount_v1 "${v1[@]}" hugetlb ;;
esac
mount --make-rshared /

# What the firmware has written is on this line.
echo
echo "vm: Linux $(uname -rm), cgroups $layout, part $part"
status=0
while read -r test flags; do
	cd "/workshop/${test//+//}"
	start=$SECONDS
	# shellcheck disable=SC2086 # flags are several words
	"/workshop/tests/$test" -test.v -test.timeout 30m $flags || status=1
	echo "vm: $test took $((SECONDS - start)) s"
done <"/workshop/parts/$part"
echo "vm: status $status"
echo o >/proc/sysrq-trigger
# It is not off at once, and the kernel panics if process 1 ends.
exec sleep 100
