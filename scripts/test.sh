#!/usr/bin/env bash
# Runs all tests but those in work/, as root, one package after the other: they look at processes, mounts and cgroups of the whole host.
# What is skipped is listed. Where CI is set, a skip that is not in .ci/known-skips is a failure.
#
#   test.sh [FLAG OF GO TEST ...]
set -euo pipefail

log=build/test.log
mkdir -p build
run=(go test -v -count=1 -p 1 -timeout 30m)
if [ "$(id -u)" != 0 ]; then
	# Compiled as the caller and run as root. sudo has a PATH of its own, without Go.
	run+=(-exec "sudo env PATH=$PATH:/usr/sbin:/sbin HOME=$HOME 'ROOTFS=${ROOTFS:-}' CI=${CI:-}")
fi

status=0
"${run[@]}" "$@" ./step0*/ ./final/... ./internal/... ./scripts/ 2>&1 | tee "$log" | grep --line-buffered -vE '^(=== |PASS$)|^ *--- PASS' || status=${PIPESTATUS[0]}

printf '%s passed, %s failed, %s skipped\n' \
	"$(grep -cE '^ *--- PASS' "$log")" "$(grep -cE '^ *--- FAIL' "$log")" "$(grep -cE '^ *--- SKIP' "$log")"
sed -nE 's/^ *--- SKIP: ([^ ]*) .*/\1/p' "$log" | while read -r name; do
	grep -qxF "$name" .ci/known-skips || echo "$name"
done >build/unknown-skips
if [ -n "${CI:-}" ] && [ -s build/unknown-skips ]; then
	echo "skipped, and not in .ci/known-skips:" >&2
	cat build/unknown-skips >&2
	status=1
fi
exit "$status"
