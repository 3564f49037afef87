# Functions for vm/test.sh and vm/systemd.sh, which read this file. They set $dir to the directory of the kernel.
# shellcheck shell=bash

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

# need COMMAND PACKAGE ... installs the packages if COMMAND is missing.
need() {
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || fail "$1 is missing: install it and run this again"
	say "installing ${*:2}"
	local install=(apt-get install -y -qq --no-install-recommends "${@:2}")
	as_root "${install[@]}" >&2 || { as_root apt-get update -qq >&2 && as_root "${install[@]}" >&2; } ||
		fail "apt-get cannot install ${*:2} (see above): repair that and run this again"
}

# emulate ARCH chooses the command line of QEMU in $emulator, and the kernel's name of its serial port in $console.
emulate() {
	case $1 in
	amd64)
		need qemu-system-x86_64 qemu-system-x86
		emulator=(qemu-system-x86_64 -cpu Nehalem)
		console=ttyS0
		;;
	arm64)
		need qemu-system-aarch64 qemu-system-arm
		emulator=(qemu-system-aarch64 -M virt -cpu cortex-a72)
		console=ttyAMA0
		;;
	*) fail "ARCH=$1: want amd64 or arm64" ;;
	esac
	need cpio cpio
}

# qemu LIMIT INITRD WORD ... replaces this shell with a machine without a disk, and ends the machine after LIMIT. The console is
# standard output. The words go to the kernel's command line.
qemu() {
	local kernel=("$dir"/kernel/boot/vmlinuz-*)
	# These make an emulated processor faster. QEMU translates code again for each address at which the kernel loads a program, so
	# norandmaps keeps the addresses the same. Timer interrupts, mitigations and the grace periods of RCU are slow, too.
	local quick=(norandmaps nohz=off highres=off mitigations=off rcupdate.rcu_expedited=1)
	exec timeout "$1" "${emulator[@]}" -m "${memory:-2G}" -nographic -nodefaults -serial stdio -no-reboot -kernel "${kernel[0]}" \
		-initrd "$2" -append "console=$console loglevel=1 panic=-1 ${quick[*]} ${*:3}" </dev/null
}
