#!/usr/bin/env bash
# Prints the next of the three hints for a step, and after the third the third again. With LEVEL it prints that one, and
# what comes next stays as it is. What was shown is remembered in HINTS_SEEN, which is work/.hints unless it is set.
# The exit status is 0, or 1 if there is no such hint or it cannot be remembered.
#
#   hint.sh STEP [LEVEL]
set -euo pipefail

fail() {
	printf 'hint: %s\n' "$*" >&2
	exit 1
}

step=${1:-} level=${2:-} seen=${HINTS_SEEN:-work/.hints}
case $step in [1-7]) ;; *) fail "which step? make hint STEP=3 (1 to 7)" ;; esac
case $level in "" | [1-3]) ;; *) fail "LEVEL=$level: there is no such hint: make hint STEP=$step LEVEL=2 (1 to 3)" ;; esac
hints=$(echo "step0$step"-*/HINTS.md)
[ -f "$hints" ] || fail "$hints: no such file: call it from the top of the workshop, by make hint STEP=$step"

if [ -n "$level" ]; then
	following="make hint STEP=$step LEVEL=$((level + 1))"
else
	last=
	[ ! -f "$seen/$step" ] || read -r last <"$seen/$step" || true
	case $last in 1) level=2 ;; 2 | 3) level=3 ;; *) level=1 ;; esac
	following="make hint STEP=$step"
	# Before it is shown, so that one that is cut short by a pager counts too.
	{ mkdir -p "$seen" && echo "$level" >"$seen/$step"; } 2>/dev/null ||
		fail "$seen/$step: cannot be written, so there is no next hint: make it yours, or use make hint STEP=$step LEVEL=1"
fi

printf 'Hint %s of 3 for step %s\n\n' "$level" "$step"
# Code is indented, with tabs of the same width. Empty lines wait for a line that follows them.
awk -v heading="## Hint $level" '
	/^## / { inside = $0 == heading; next }
	!inside { next }
	/^```/ { code = !code; next }
	/^$/ { empty = printed; next }
	{
		if (empty) print ""
		if (code) { gsub(/\t/, "    "); $0 = "    " $0 }
		print
		printed = 1; empty = 0
	}
' "$hints"
echo
if [ "$level" = 3 ]; then
	echo "That was the last. The solution: make diff STEP=$step"
	echo "The first one again: make hint STEP=$step LEVEL=1"
else
	echo "The next hint: $following"
fi
