# What vm/test.sh and vm/systemd.sh do alike. They read this, and say in $dir where the kernel is.
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

# need COMMAND PACKAGE ... installs the packages if there is no COMMAND.
need() {
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || fail "there is no $1: install it and run this again"
	say "installing ${*:2}"
	local install=(apt-get install -y -qq --no-install-recommends "${@:2}")
	as_root "${install[@]}" >&2 || { as_root apt-get update -qq >&2 && as_root "${install[@]}" >&2; } ||
		fail "apt-get cannot install ${*:2} (see above): repair that and run this again"
}

# emulate ARCH finds what boots machines.
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

# qemu LIMIT INITRD WORD ... becomes a machine without a disk, for no longer than the limit. Its console is on standard output; the
# kernel gets the words.
qemu() {
	local kernel=("$dir"/kernel/boot/vmlinuz-*)
	# For an emulated processor: it translates the code of a process again for each address that is at, so those are not random. Each
	# setting of its timer, mitigations and the grace periods of RCU take long, too.
	local quick=(norandmaps nohz=off highres=off mitigations=off rcupdate.rcu_expedited=1)
	exec timeout "$1" "${emulator[@]}" -m "${memory:-2G}" -nographic -nodefaults -serial stdio -no-reboot -kernel "${kernel[0]}" \
		-initrd "$2" -append "console=$console loglevel=1 panic=-1 ${quick[*]} ${*:3}" </dev/null
}
