#!/usr/bin/env bash
# Prints the manual pages that the workshop may mention, as NAME.SECTION. They are the pages of Debian's current release and of the
# next one, which splits some pages up. Needs a Debian host with mmdebstrap.
#
#   manuals.sh >internal/lesson/testdata/manuals
set -euo pipefail

packages=manpages,manpages-dev,util-linux,mount,procps,bash,coreutils,libcap2-bin,iproute2,sudo,diffutils
# shellcheck disable=SC2016 # apt substitutes this
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed q)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for suite in trixie sid; do
	# The mirror may have an old index: accept its date.
	mmdebstrap --quiet --variant=extract --include="$packages" --keyring=/usr/share/keyrings \
		--aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$dir/$suite" "deb $mirror $suite main"
done
find "$dir"/*/usr/share/man/man* -name '*.gz' -printf '%f\n' | sed 's/\.gz$//' | LC_ALL=C sort -u
