#!/usr/bin/env bash
# Runs the tests of the steps and of final in virtual machines, with Debian's kernel and the cgroup layout that you name. So one host
# can test all three layouts.
#
#   vm/test.sh LAYOUT ARCH [FLAG OF A TEST BINARY ...]
#
# LAYOUT is v2, hybrid or v1. ARCH is amd64 or arm64, on either kind of host. apt downloads the kernel, and a Debian for the
# containers, to build/vm, where they stay. The tests are compiled on the host and shared among two machines that run at the same
# time. Each has one processor, an initramfs and no disk, and starts with vm/init.
#
# Prints the lines of go test. Exit status: 0 all tests passed, 1 a test failed, 2 a machine could not start or did not finish.
set -euo pipefail
cd "$(dirname "$0")/.."

layout=${1:-} arch=${2:-}
parts=(final rest)
dir=build/vm/$arch new=build/vm/$arch.partial root=build/vm/$arch/root
# The tests need these parts of the kernel, which may be modules: overlays, swap, and a device for --device. Networks need the rest, in
# this order.
modules=(overlay brd tun llc stp bridge veth libcrc32c nfnetlink nf_tables nf_defrag_ipv6 nf_defrag_ipv4 nf_conntrack nf_nat
	nft_chain_nat nft_masq nft_nat nft_ct nft_meta_bridge nft_fib nft_fib_ipv4 nft_fib_ipv6 nft_fib_inet nf_conntrack_netlink)

. vm/machine.sh

# of_arch ARG ... runs apt-get for ARCH, with lists of its own: the host's lists stay as they are.
of_arch() {
	apt-get -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
		-o Debug::NoLocking=true -o Dir::State::status=/dev/null -o "Dir::State::lists=$PWD/$new/lists" -o "Dir::Cache=$PWD/$new" "$@"
}

# unpacked DIR PATTERN PACKAGE ... downloads packages with their dependencies, and unpacks those that match PATTERN into DIR.
unpacked() {
	local package
	of_arch install -y -qq --download-only "${@:3}" >&2 || fail "apt-get cannot download ${*:3} for $arch (see above)"
	mkdir -p "$1"
	for package in "$new"/archives/$2.deb; do
		dpkg --fsys-tarfile "$package" | tar -x --keep-directory-symlink --exclude='./usr/share/[dilm]*/*' -C "$1"
	done
	rm "$new"/archives/*.deb
}

# download fills $dir with a kernel, a busybox, and a Debian. The packages are only unpacked: the host cannot run the install scripts
# of another architecture.
download() {
	local debian=$new/root/debian
	[ ! -e "$dir" ] || return 0
	grep -qx ID=debian /etc/os-release || fail "this needs a Debian host, for Debian's kernel packages. On Ubuntu, make test covers version 2"
	say "downloading a kernel and a Debian for $arch"
	rm -rf "$new"
	mkdir -p "$new"/{lists,archives}/partial "$new"/root/{dev,modules} "$debian"/{mnt,usr/{bin,sbin,lib}}
	of_arch update -qq >&2 || fail "apt-get update failed (see above): repair that and run this again"
	unpacked "$new/kernel" 'linux-image-[0-9]*' "linux-image-cloud-$arch"
	unpacked "$new/root" 'busybox-static_*' busybox-static
	ln -s usr/{bin,sbin,lib} "$debian"
	unpacked "$debian" '*' '?essential' procps iproute2 hostname mount mawk uidmap
	# The install scripts of the packages would make these.
	ln -s mawk "$debian/usr/bin/awk"
	cp "$debian/usr/share/base-passwd/passwd.master" "$debian/etc/passwd"
	cp "$debian/usr/share/base-passwd/group.master" "$debian/etc/group"
	rm -r "$new"/{lists,archives}
	mv "$new" "$dir"
}

# load copies the modules to where vm/init loads them from, with a list of those for networks.
load() {
	local module file
	mkdir -p "$root/modules"
	printf '%s\n' "${modules[@]:3}" >"$root/modules/network"
	for module in "${modules[@]}"; do
		file=$(find "$dir/kernel/lib/modules" -name "$module.ko*")
		case $file in
		'') say "the kernel has no module $module. Tests fail unless it is built in" ;;
		*.xz) xz -dc "$file" >"$root/modules/$module.ko" ;;
		*) cp "$file" "$root/modules" ;;
		esac
	done
}

# compile puts the sources, the tests, the steps, the mutants and the solutions into the root file system.
compile() {
	local folder target=$root/workshop
	export GOARCH=$arch CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -ldflags=-s"
	rm -rf "$target"/{step0*,final,internal,vm,tests,parts}
	mkdir -p "$target"/{tests,parts,programs}
	cp -r go.mod CONTRIBUTING.md step0* final internal vm "$target"
	for folder in step0* final internal/check internal/check/cmd internal/compare internal/lesson internal/trace final/*/ final/*/*/; do
		folder=${folder%/}
		compgen -G "$folder/*_test.go" >/dev/null || continue
		go test -c -o "$target/tests/${folder//\//+}" "./$folder"
	done
	go build -o "$target/programs/" ./step0*/ ./final
	go build -o "$target/programs/final-helper" ./final/helper/cmd
	go build -ldflags=-E=main.entry -o "$target/programs/compare-probe" ./internal/compare/probe
	GOARCH='' go test ./internal/check -run TestMutantsLackTheirProperties -args -compile-into "$PWD/$target/programs" -compile-for "$arch"
}

# share FLAG ... divides the tests into parts, one for each machine. A line of a part is a test binary and its flags. The tests of
# final take more than half of the time, so the other machine takes some of them.
share() {
	local test moved='^TestHasEvery|^Test.*(OrdinaryUser|Image)'
	for test in "$root"/workshop/tests/*; do
		test=${test##*/}
		case $test in
		final)
			if [[ "$*" == *-test.run* ]]; then
				echo "$test $*" >>"$root/workshop/parts/final"
			else
				echo "$test -test.skip $moved $*" >>"$root/workshop/parts/final"
				echo "$test -test.run $moved $*" >>"$root/workshop/parts/rest"
			fi
			;;
		# The other tests of the lessons need a compiler.
		internal+lesson) echo "$test -test.run ^TestLimitsAreWhereTheLessonSays $*" >>"$root/workshop/parts/rest" ;;
		*) echo "$test $*" >>"$root/workshop/parts/rest" ;;
		esac
	done
}

# accelerate uses KVM if a kernel boots under it. On some hosts /dev/kvm exists, but never executes an instruction.
accelerate() {
	local output emulated=("${emulator[@]}")
	[ "$arch" = "$(dpkg --print-architecture)" ] && [ -w /dev/kvm ] || return 0
	emulator+=(-accel kvm -cpu host)
	output=$(qemu 5s vm/init loglevel=7 2>&1) || true
	[[ $output = *'Linux version'* ]] || emulator=("${emulated[@]}")
}

# boot PART runs the machine of one part, and logs its console.
boot() {
	# The kernel unpacks the root file system into half of the memory that the packed one leaves.
	memory=2560M qemu 80m "$dir/initrd" "layout=$layout" "part=$1" >>"$dir/$1.log" 2>&1
}

# run boots a machine for each part, and prints their test output, one part after the other.
run() {
	local part machines=() status=0
	trap 'kill "${machines[@]}" 2>/dev/null || true' EXIT
	for part in "${parts[@]}"; do
		: >"$dir/$part.log"
		boot "$part" &
		machines+=($!)
	done
	for part in "${parts[@]}"; do
		# Leave out what the firmware and the kernel print before and after the tests.
		tail -n +1 -f --pid="${machines[0]}" "$dir/$part.log" | sed -un '/^vm: Linux/,/^vm: status/p'
		machines=("${machines[@]:1}")
		case $(sed -n 's/^vm: status //p' "$dir/$part.log") in
		0) ;;
		'')
			tail -n 30 "$dir/$part.log" >&2
			fail "the machine of part $part ended before its tests did: see the log above"
			;;
		*) status=1 ;;
		esac
	done
	exit "$status"
}

case $layout in
v2 | hybrid | v1) ;;
*) fail "LAYOUT=$layout: want v2, hybrid or v1" ;;
esac
emulate "$arch"
download
load
accelerate
compile
share "${@:3}"
cp vm/init "$root"
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$dir/initrd"

run | scripts/report.sh "$dir/$layout.log" vm "$layout" "$arch"
