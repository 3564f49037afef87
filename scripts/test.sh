#!/usr/bin/env bash
# Runs all tests except those in work/, as root. The packages run one after the other, because their tests look at processes, mounts
# and cgroups of the whole host. go test does not vet them: make lint does. Skipped tests are listed. If CI is set, a skip that is not
# in .ci/known-skips is a failure.
#
#   test.sh [FLAG OF GO TEST ...]
set -euo pipefail

mkdir -p build
run=(go test -v -count=1 -p 1 -vet=off -timeout 30m)
if [ "$(id -u)" != 0 ]; then
	# The caller compiles and root runs the tests. sudo has its own PATH, without Go.
	run+=(-exec "sudo env PATH=$PATH:/usr/sbin:/sbin HOME=$HOME 'ROOTFS=${ROOTFS:-}' CI=${CI:-}")
fi
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
	layout=v2
elif [ -d /sys/fs/cgroup/unified ]; then
	layout=hybrid
else
	layout=v1
fi
"${run[@]}" "$@" ./step0*/ ./final/... ./internal/... ./scripts/ ./vm/ 2>&1 |
	scripts/report.sh build/test.log host $layout "$(go env GOARCH)" "$(sed -n 's/^ID=//p' /etc/os-release)"
