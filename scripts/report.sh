#!/usr/bin/env bash
# Reads the output of go test -v, saves it in LOG, and prints the failures, the skips and the totals.
#
#   go test -v ... | report.sh LOG PLACE ...
#
# A PLACE is a word for where the tests run: a layout of cgroups, an architecture, a distribution. If CI is set, each skipped test
# needs a line "PLACE TEST" in .ci/known-skips.
# Exit status: 0, or 1 if a skipped test has no such line. Failed tests do not count: go test reports them itself.
set -euo pipefail

log=$1
shift
places=("$@")

# known TEST succeeds if .ci/known-skips has TEST for one of the places.
known() {
	local place
	for place in "${places[@]}"; do
		! grep -qxF "$place $1" .ci/known-skips || return 0
	done
	return 1
}

tee "$log" | grep --line-buffered -vE '^(=== |PASS$)|^ *--- PASS' || true

printf '%s passed, %s failed, %s skipped\n' \
	"$(grep -cE '^ *--- PASS' "$log")" "$(grep -cE '^ *--- FAIL' "$log")" "$(grep -cE '^ *--- SKIP' "$log")"
unknown=$(sed -nE 's/^ *--- SKIP: ([^ ]*) .*/\1/p' "$log" | while read -r name; do
	known "$name" || echo "$name"
done)
if [ -n "${CI:-}" ] && [ -n "$unknown" ]; then
	echo "these tests were skipped, and .ci/known-skips has no line for them (${places[*]}):" >&2
	echo "$unknown" >&2
	exit 1
fi
