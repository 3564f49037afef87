#!/usr/bin/env bash
# Makes the root file system of the containers: a directory that holds a small Debian or Ubuntu.
#
#   rootfs.sh DIR              the host's own distribution, by mmdebstrap from the host's own apt sources
#   rootfs.sh DIR ARCHIVE      what is in ARCHIVE: .tar, .tar.gz, .tar.zst (as docker export writes) or .zip
#
# It is built in DIR.partial and renamed at the end, so what is at DIR is complete.
# Exit status: 0 it is there; 1 it is not, and nothing is left behind.
set -euo pipefail

# What the lessons use beyond the essential packages, which have bash, coreutils and util-linux.
packages=(procps iproute2 hostname mount)

say() {
	printf 'rootfs: %s\n' "$@" >&2
}

fail() {
	say "$@"
	exit 1
}

# need COMMAND PACKAGE installs PACKAGE if there is no COMMAND.
need() {
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || fail "there is no $1: install it and run this again"
	say "installing $2"
	apt-get install -y -qq "$2" >&2 || { apt-get update -qq >&2 && apt-get install -y -qq "$2" >&2; } ||
		fail "apt-get cannot install $2 (see above): repair that and run this again"
}

# sources prints the host's apt sources of its distribution, without those of third parties.
sources() {
	local origin
	for origin in Debian Ubuntu; do
		# shellcheck disable=SC2016 # apt substitutes these
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages' "Origin: $origin"
	done | sort -u
}

# bootstrap DIR installs the host's distribution there.
bootstrap() {
	command -v apt-get >/dev/null || fail "this host has no apt. Bring a root file system of your own, for one with Docker:" \
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
	[ -n "$list" ] || fail "apt knows no source of Debian or Ubuntu: see /etc/apt/sources.list.d, then apt-get update"
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
		unzip -qK "$1" -d "$2" >&2 || fail "$1: cannot unzip it"
		;;
	*)
		[ "$magic" != 28b52ffd ] || need zstd zstd
		tar -xp --numeric-owner -f "$1" -C "$2" || fail "$1: cannot unpack it: want a .tar, .tar.gz, .tar.zst or .zip"
		;;
	esac
}

# contents DIR prints the directory in it that holds the files: DIR, or the only thing in it. A tar in a zip is unpacked.
contents() {
	local dir=$1 inside
	while [ ! -e "$dir/bin" ] && [ ! -e "$dir/usr" ]; do
		inside=("$dir"/*)
		[ ${#inside[@]} = 1 ] || break
		# A link could lead out of it.
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

# devices DIR makes the device nodes that every program expects, and that docker export leaves out.
devices() {
	local name major minor
	for name in dev proc; do
		# What is made there would be made on the host.
		[ ! -L "$1/$name" ] || fail "$archive: $name is a symbolic link in it: want a directory"
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

[ ! -e "$dir" ] || [ -d "$dir" ] || fail "$dir: is not a directory: choose another ROOTFS="
if [ -n "$(ls -A "$dir" 2>/dev/null)" ]; then
	[ -e "$dir/bin/sh" ] || [ -L "$dir/bin/sh" ] || fail "$dir: holds something else: empty it, or choose another ROOTFS="
	[ -z "$archive" ] || fail "$dir: is there already: remove it first (sudo rm -rf $(printf %q "$dir")), or choose another ROOTFS="
	say "$dir is there"
	exit 0
fi
[ "$(id -u)" = 0 ] || fail "making a root file system needs root: use sudo"

mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock -n 9 || fail "$dir: is being made by someone else: wait for that"

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
	say "making $dir of this host's own distribution, which takes about half a minute"
	bootstrap "$partial"
	files=$partial
fi
[ ! -e "$files/manifest.json" ] || [ -e "$files/bin" ] ||
	fail "$archive: this is an image, as docker save writes it: want the files of a container, as docker export writes them"
[ -e "$files/bin/sh" ] || [ -L "$files/bin/sh" ] || fail "${archive:-mmdebstrap}: there is no bin/sh in it"
devices "$files"

[ ! -e "$dir" ] || rmdir "$dir"
mv -T "$files" "$dir"
say "$dir is ready: $(du -shx "$dir" | cut -f1)"
