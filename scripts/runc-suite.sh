#!/usr/bin/env bash
# Runs the integration tests of runc against another runtime. The tests see that runtime under the name runc.
#
# Usage: scripts/runc-suite.sh RUNTIME [FILE.bats ...]
#
# The Go module of runc has the tests and the programs that they start. Two images of ours replace theirs: busybox holds the host's
# busybox, and debian the root file system of the workshop ($ROOTFS). The tests run in their own namespaces, but in the host's
# cgroups: a test that fails may leave some behind. RUNC_SUITE is the version of runc to take the tests from.
#
# Prints TAP, and for each file how many tests passed, failed and were skipped. Exit status: 0 if the tests ran, with whatever
# result; 1 if something is missing. Some tests look for words of runc's own log, and fail with every other runtime.
set -euo pipefail

version=${RUNC_SUITE:-v1.5.3}
rootfs=${ROOTFS:-/var/lib/container-workshop/rootfs}

fail() {
	echo "$0: $*" >&2
	exit 1
}

# prepare copies the module to a writable directory, and builds the programs and the images.
prepare() {
	local suite=$1 module dir program
	module=$(cd / && go mod download -json "github.com/opencontainers/runc@$version" | jq -r .Dir)
	cp -r "$module" "$suite"
	# The files of a Go module are neither writable nor executable.
	chmod -R u+w "$suite"
	chmod +x "$suite"/tests/integration/*.sh
	mkdir "$suite/tests/cmd/_bin"
	for dir in "$suite"/tests/cmd/*/; do
		program=$(basename "$dir")
		[ "$program" = _bin ] || (cd "$suite" && CGO_ENABLED=1 go build -tags seccomp -o "tests/cmd/_bin/$program" "./tests/cmd/$program") ||
			echo "$0: $program does not compile (see above): its tests will fail" >&2
	done
	local image=$suite/image
	# Like Docker's busybox image, this one has no /proc and no /sys.
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

# inside runs the tests, in new namespaces. script(1) gives them a controlling terminal, which exec -t needs.
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
[ -x "${1:-}" ] || fail "usage: $0 RUNTIME [FILE.bats ...]: RUNTIME must be an executable file"
for command in bats busybox gawk gcc go jq script unshare; do
	command -v "$command" >/dev/null || fail "needs $command (apt-get install bats busybox-static gawk gcc jq bsdutils)"
done
[ -d "$rootfs" ] || fail "$rootfs: no root file system here: make rootfs"
dir=$(mktemp -d /var/tmp/runc-suite.XXXXXX)
trap 'rm -rf --one-file-system "$dir"' EXIT
mkdir -m 1777 "$dir/tmp"
chmod 755 "$dir"
# The tests get a copy of the runtime: they have another /tmp, and somebody may build the runtime again meanwhile.
cp "$1" "$dir/runc"
shift
prepare "$dir/suite"
# Process 1 of the new PID namespace is this bash, whose wait reaps orphans.
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
