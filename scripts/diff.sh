#!/usr/bin/env bash
# Shows what a step adds to the one before it, or with DIR what a learner's own program has instead.
#
#   diff.sh STEP [DIR]
set -euo pipefail

fail() {
	printf 'diff: %s\n' "$*" >&2
	exit 1
}

step=${1:-} dir=${2:-}
case $step in [1-7]) ;; *) fail "which step? make diff STEP=3 (1 to 7)" ;; esac
new=$(echo "step0$step"-*)/main.go
if [ -n "$dir" ]; then
	old=$dir/main.go
	[ -f "$old" ] || fail "$old: no such file"
elif [ "$step" = 1 ]; then
	old=/dev/null
else
	old=$(echo "step0$((step - 1))"-*)/main.go
fi

colour=never
[ ! -t 1 ] || colour=auto
# 1 means that there are differences.
diff -u --color="$colour" --label "$old" --label "$new" "$old" "$new" || [ $? = 1 ]
