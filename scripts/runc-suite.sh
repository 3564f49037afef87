#!/usr/bin/env bash
# Runs the integration tests of runc against a runtime, which is called runc there.
#
# Usage: scripts/runc-suite.sh RUNTIME [FILE.bats ...]
#
# The tests come as a Go module, with the programs that they start. Both images are stand-ins: busybox is that of this host, debian
# is the root file system of the workshop ($ROOTFS). The tests run in namespaces of their own, but for cgroups: a test that fails
# may leave some. RUNC_SUITE is the version of runc whose tests are run.
#
# It prints TAP, and how many tests of each file passed, failed and were skipped. Exit status: 0 if the tests have been run,
# whatever their outcome; 1 if something is missing. Some tests look for words of runc's own log, and fail with every other runtime.
set -euo pipefail

version=${RUNC_SUITE:-v1.5.3}
rootfs=${ROOTFS:-/var/lib/container-workshop/rootfs}

fail() {
	echo "$0: $*" >&2
	exit 1
}

# prepare copies the module to where it can be written to, and builds the programs and the images.
prepare() {
	local suite=$1 module dir program
	module=$(cd / && go mod download -json "github.com/opencontainers/runc@$version" | jq -r .Dir)
	cp -r "$module" "$suite"
	# A module has neither rights to write nor to execute.
	chmod -R u+w "$suite"
	chmod +x "$suite"/tests/integration/*.sh
	mkdir "$suite/tests/cmd/_bin"
	for dir in "$suite"/tests/cmd/*/; do
		program=$(basename "$dir")
		[ "$program" = _bin ] || (cd "$suite" && CGO_ENABLED=1 go build -tags seccomp -o "tests/cmd/_bin/$program" "./tests/cmd/$program") ||
			echo "$0: $program cannot be built: its tests fail" >&2
	done
	local image=$suite/image
	# As that of Docker: without /proc and /sys.
	mkdir -p "$image"/{bin,dev,etc,home,lib,root,tmp,usr/bin,usr/sbin,var}
	cp "$(command -v busybox)" "$image/bin/busybox"
	for program in $(busybox --list); do
		[ "$program" = busybox ] || ln "$image/bin/busybox" "$image/bin/$program"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$image/etc/passwd"
	printf 'root:x:0:\ntty:x:5:\nwheel:x:10:root\nusers:x:100:\nnogroup:x:65534:\n' >"$image/etc/group"
	touch "$image/etc/hosts"
	tar -C "$image" -cf "$suite/tests/integration/testdata/busybox-$(go env GOARCH).tar.xz" .
	tar -C "$rootfs" --one-file-system --exclude='./usr/share/*' --exclude='./var/cache/*' \
		-cf "$suite/tests/integration/testdata/debian-$(go env GOARCH).tar.xz" .
}

# inside runs the tests, in namespaces of its own. script(1) gives a controlling terminal, which exec -t wants.
inside() {
	local dir=$1 file
	shift
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs /run
	mount --bind "$dir/tmp" /tmp
	ip link set lo up
	export TMPDIR=/tmp RUNC=$dir/runc
	cd "$dir/suite/tests/integration"
	[ $# -gt 0 ] || set -- *.bats
	for file; do
		echo "# FILE $file"
		timeout -k 5 600 script -qefc "exec bats -F tap '$file' </dev/null >>'$dir/tap' 2>&1" /dev/null </dev/null >/dev/null 2>&1 || true
	done >>"$dir/tap"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit
fi
[ -x "${1:-}" ] || fail "want a runtime: $0 RUNTIME [FILE.bats ...]"
for command in bats busybox gawk gcc go jq script unshare; do
	command -v "$command" >/dev/null || fail "needs $command (apt-get install bats busybox-static gawk gcc jq bsdutils)"
done
[ -d "$rootfs" ] || fail "no root file system at $rootfs: make rootfs"
dir=$(mktemp -d /var/tmp/runc-suite.XXXXXX)
trap 'rm -rf --one-file-system "$dir"' EXIT
mkdir -m 1777 "$dir/tmp"
chmod 755 "$dir"
# A copy: the tests have a /tmp of their own, and somebody may build anew.
cp "$1" "$dir/runc"
shift
prepare "$dir/suite"
# A command that unshare does not execute waits for orphans, too.
unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc bash -c '"$@" & wait $!' bash "$(realpath "$0")" --inside "$dir" "$@"
cat "$dir/tap"
awk '
	/^# FILE / { file = $3; files[++n] = file; next }
	/^ok .*# skip/ { skipped[file]++; s++; next }
	/^ok / { passed[file]++; p++; next }
	/^not ok / { failed[file]++; f++; next }
	END {
		for (i = 1; i <= n; i++) printf "%-32s %3d passed %3d failed %3d skipped\n", files[i], passed[files[i]], failed[files[i]], skipped[files[i]]
		printf "%-32s %3d passed %3d failed %3d skipped\n", "all", p, f, s
	}' "$dir/tap"
