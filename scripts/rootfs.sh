#!/usr/bin/env bash
# Makes the root file system of the containers: a directory with a small Debian or Ubuntu.
#
#   rootfs.sh DIR              installs the host's distribution with mmdebstrap, from the host's apt sources
#   rootfs.sh DIR ARCHIVE      unpacks ARCHIVE: .tar, .tar.gz, .tar.zst (docker export writes a .tar) or .zip
#
# The script works in DIR.partial and renames it at the end, so DIR is always complete.
# Exit status: 0 DIR is ready; 1 DIR is not ready, and nothing is left behind.
set -euo pipefail

# The lessons use commands of these packages. The essential packages bring bash, coreutils and util-linux.
packages=(procps iproute2 hostname mount)

say() {
	printf 'rootfs: %s\n' "$@" >&2
}

fail() {
	say "$@"
	exit 1
}

# need COMMAND PACKAGE installs PACKAGE if COMMAND is missing.
need() {
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || fail "$1 is missing: install it and run this again"
	say "installing $2"
	apt-get install -y -qq "$2" >&2 || { apt-get update -qq >&2 && apt-get install -y -qq "$2" >&2; } ||
		fail "apt-get cannot install $2 (see above): repair that and run this again"
}

# sources prints the apt sources of the host's distribution, without third parties.
sources() {
	local origin
	for origin in Debian Ubuntu; do
		# shellcheck disable=SC2016 # apt substitutes these
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages' "Origin: $origin"
	done | sort -u
}

# bootstrap DIR installs the host's distribution in DIR.
bootstrap() {
	command -v apt-get >/dev/null || fail "this host has no apt. Make a root file system with Docker instead:" \
		"  docker run --name workshop ubuntu:24.04 sh -c 'apt-get update && apt-get install -y ${packages[*]}'" \
		"  docker export workshop > ubuntu.tar && docker rm workshop" \
		"  make rootfs FROM=ubuntu.tar"
	need mmdebstrap mmdebstrap
	local list
	list=$(sources)
	if [ -z "$list" ]; then
		apt-get update -qq >&2
		list=$(sources)
	fi
	[ -n "$list" ] || fail "apt has no sources of Debian or Ubuntu: repair /etc/apt/sources.list.d, then run apt-get update"
	mmdebstrap --variant=essential --include="${packages[*]}" --keyring=/usr/share/keyrings '' "$1" - <<<"$list" >&2 ||
		fail "mmdebstrap failed (see above): repair that and run this again"
}

# unpack ARCHIVE DIR
unpack() {
	[ -f "$1" ] || fail "$1: no such file"
	local magic
	magic=$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')
	case $magic in
	504b*)
		need unzip unzip
		unzip -qK "$1" -d "$2" >&2 || fail "$1: cannot unzip this file"
		;;
	*)
		[ "$magic" != 28b52ffd ] || need zstd zstd
		tar -xp --numeric-owner -f "$1" -C "$2" || fail "$1: cannot unpack this file: want a .tar, .tar.gz, .tar.zst or .zip"
		;;
	esac
}

# contents DIR prints the directory that holds /bin and /usr: DIR itself, or the only directory in it. If DIR has
# nothing but a tar, which a zip can contain, contents unpacks the tar.
contents() {
	local dir=$1 inside
	while [ ! -e "$dir/bin" ] && [ ! -e "$dir/usr" ]; do
		inside=("$dir"/*)
		[ ${#inside[@]} = 1 ] || break
		# A symbolic link could lead out of DIR.
		if [ -L "${inside[0]}" ]; then
			break
		elif [ -d "${inside[0]}" ]; then
			dir=${inside[0]}
		elif [[ ${inside[0]} == *.tar* ]]; then
			mkdir "$dir/unpacked"
			unpack "${inside[0]}" "$dir/unpacked"
			dir=$dir/unpacked
		else
			break
		fi
	done
	echo "$dir"
}

# devices DIR makes the device nodes that every program expects. docker export leaves them out.
devices() {
	local name major minor
	for name in dev proc; do
		# Through a symbolic link we would make the devices somewhere on the host.
		[ ! -L "$1/$name" ] || fail "$archive: its $name is a symbolic link: want a directory"
	done
	mkdir -p "$1/dev" "$1/proc"
	while read -r name major minor; do
		[ -e "$1/dev/$name" ] || mknod -m 666 "$1/dev/$name" c "$major" "$minor"
	done <<-END
		null 1 3
		zero 1 5
		full 1 7
		random 1 8
		urandom 1 9
		tty 5 0
	END
}

[ -n "${1:-}" ] || fail "usage: rootfs.sh DIR [ARCHIVE]"
dir=$(realpath -m "$1") archive=${2:-}

[ ! -e "$dir" ] || [ -d "$dir" ] || fail "$dir is not a directory: choose another ROOTFS="
if [ -n "$(ls -A "$dir" 2>/dev/null)" ]; then
	[ -e "$dir/bin/sh" ] || [ -L "$dir/bin/sh" ] || fail "$dir holds other files: empty it, or choose another ROOTFS="
	[ -z "$archive" ] || fail "$dir exists already: remove it first (sudo rm -rf $(printf %q "$dir")), or choose another ROOTFS="
	say "$dir exists already"
	exit 0
fi
[ "$(id -u)" = 0 ] || fail "making a root file system needs root: use sudo"

mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock -n 9 || fail "another process is making $dir: wait until it is done"

partial=$dir.partial
trap 'rm -rf --one-file-system "$partial" "$dir.lock"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf --one-file-system "$partial"
mkdir "$partial"
chmod 755 "$partial"

if [ -n "$archive" ]; then
	say "unpacking $archive"
	unpack "$archive" "$partial"
	files=$(contents "$partial")
else
	say "installing your distribution in $dir, which takes about half a minute"
	bootstrap "$partial"
	files=$partial
fi
[ ! -e "$files/manifest.json" ] || [ -e "$files/bin" ] ||
	fail "$archive: this is an image, written by docker save: want the files of a container, written by docker export"
[ -e "$files/bin/sh" ] || [ -L "$files/bin/sh" ] || fail "${archive:-mmdebstrap}: has no bin/sh"
devices "$files"

[ ! -e "$dir" ] || rmdir "$dir"
mv -T "$files" "$dir"
say "$dir is ready: $(du -shx "$dir" | cut -f1)"
