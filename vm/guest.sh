#!/bin/bash
# Process 1 of a virtual machine of vm/test.sh, in the root file system that vm/init has made. It mounts what systemd would mount,
# with the cgroup layout from the kernel's command line, runs its part of the tests, and turns the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export WORKSHOP_PROGRAMS=/workshop/programs

# Until the tests start, any failure ends this script. Then the log has no status line, and vm/test.sh reports a broken machine
# instead of failed tests.
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
# The install scripts of packages would do this, for users without root.
touch /etc/subuid /etc/subgid
[ ! -e /usr/bin/newuidmap ] || chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap
mkswap /dev/ram0 >/dev/null
swapon /dev/ram0

# mount_v1 CONTROLLER[,CONTROLLER] ... mounts hierarchies of version 1. A hierarchy of two controllers also gets a link for each
# controller's name.
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

# shellcheck disable=SC2054 # a hierarchy can have two controllers, with a comma between them
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

# The firmware leaves text on the current line.
echo
echo "vm: Linux $(uname -rm), cgroups $layout, part $part"
status=0
while read -r test flags; do
	cd "/workshop/${test//+//}"
	start=$SECONDS
	# shellcheck disable=SC2086 # flags are several words
	"/workshop/tests/$test" -test.v -test.timeout 70m $flags || status=1
	echo "vm: $test took $((SECONDS - start)) s"
done <"/workshop/parts/$part"
echo "vm: status $status"
echo o >/proc/sysrq-trigger
# The machine needs a moment to turn off, and the kernel would panic if process 1 ended.
exec sleep 100
