#!/usr/bin/env bash
# Runs all tests but those in work/, as root, one package after the other: they look at processes, mounts and cgroups of the whole host.
# What is skipped is listed. Where CI is set, a skip that is not in .ci/known-skips is a failure.
#
#   test.sh [FLAG OF GO TEST ...]
set -euo pipefail

mkdir -p build
run=(go test -v -count=1 -p 1 -timeout 30m)
if [ "$(id -u)" != 0 ]; then
	# Compiled as the caller and run as root. sudo has a PATH of its own, without Go.
	run+=(-exec "sudo env PATH=$PATH:/usr/sbin:/sbin HOME=$HOME 'ROOTFS=${ROOTFS:-}' CI=${CI:-}")
fi
"${run[@]}" "$@" ./step0*/ ./final/... ./internal/... ./scripts/ 2>&1 | scripts/report.sh build/test.log host
