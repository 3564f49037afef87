#!/usr/bin/env bash
# Reads what go test -v prints: keeps it in LOG, prints the failures and the skips, and counts.
#
#   go test -v ... | report.sh LOG PLACE ...
#
# PLACE is a word for what may be missing: the layout of cgroups, the architecture, the distribution. Where CI is set, a skip is a
# failure, unless .ci/known-skips has it in a line "PLACE TEST".
# Exit status: 0, 1 for such a skip. What fails is for who runs the tests to tell.
set -euo pipefail

log=$1
shift
places=("$@")

# known TEST
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
	echo "skipped, and not in .ci/known-skips for ${places[*]}:" >&2
	echo "$unknown" >&2
	exit 1
fi
