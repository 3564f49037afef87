#!/usr/bin/env bash
# Starts a learner's own program for a step: a copy of the step before it. It never overwrites anything.
#
#   start.sh STEP DIR
set -euo pipefail

fail() {
	printf 'start: %s\n' "$*" >&2
	exit 1
}

step=${1:-} dir=${2:-}
case $step in [1-7]) ;; *) fail "which step? make start STEP=3 DIR=work/mine (1 to 7)" ;; esac
case $dir in *[[:space:]]*) fail "$dir: Go takes no spaces in it: choose another DIR=" ;; esac
[ -n "$dir" ] || fail "where? make start STEP=$step DIR=work/mine"
[ ! -e "$dir/main.go" ] || fail "$dir/main.go is there already: choose another DIR="
case $(realpath -m "$dir") in "$(pwd -P)"/*) ;; *) fail "$dir is outside of the workshop, whose libraries it needs: use work/mine or the like" ;; esac

mkdir -p "$dir"
# Hints begin anew.
rm -f "${HINTS_SEEN:-work/.hints}/$step"
if [ "$step" = 1 ]; then
	printf '%s\n' '//go:build linux' '' 'package main' '' 'func main() {' '}' >"$dir/main.go"
	echo "$dir/main.go is yours, with an empty main. What to write: make hint STEP=1, or all at once: make diff STEP=1"
else
	before=$(echo "step0$((step - 1))"-*)
	cp "$before"/main.go "$before"/main_other.go "$dir"
	echo "$dir is a copy of $before. What to add: make hint STEP=$step, or all at once: make diff STEP=$step"
fi
echo "Check it with: make check STEP=$step DIR=$dir"
