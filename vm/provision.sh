#!/usr/bin/env bash
# Makes a machine ready for the workshop: Ubuntu 24.04 or 26.04, Debian 12 or 13, amd64 or arm64. From then on the workshop needs
# no network.
#
#   sudo vm/provision.sh [--login]
#
# Go, make and git come by apt, and so does the root file system of the containers. Whoever calls sudo gets the Go toolchain and the
# modules that go.mod names, and the steps compiled once. With --login, a login shell starts in the folder of the workshop.
# What is there is left as it is: after a failure, run it again.
#
# The Go of Debian 12 cannot fetch toolchains. There it fetches the one of go.mod as a module, as newer ones do, checked against
# the same checksum database, and it is put into /usr/local/go.
#
# Exit status: 0 ready, 1 not ready, and the last lines say why and what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

rootfs=${ROOTFS:-/var/lib/container-workshop/rootfs}
user=${SUDO_USER:-root}
profile=/etc/profile.d/container-workshop.sh
# Free space in MiB that all of it takes, with something to spare.
space=2500
# What is being done, and what to do if it fails.
part='' advice=''

say() {
	printf 'provision: %s\n' "$@" >&2
}

# begin PART ADVICE
begin() {
	part=$1 advice=$2 began=$SECONDS
}

# end WHAT ...
end() {
	say "$(printf '%-9s %3d s  %s' "$part" $((SECONDS - began)) "$*")"
	part=''
}

# At the end of the script, wherever that is.
ended() {
	local status=$?
	[ "$status" != 0 ] || return 0
	if [ -n "$part" ]; then
		say "$part failed (see above): $advice. Then run this again: it goes on where it stopped"
	fi
	exit 1
}
trap ended EXIT

fail() {
	part=''
	say "$@"
	exit 1
}

# as_user COMMAND ... runs it as whoever called sudo.
as_user() {
	if [ "$user" = root ]; then
		"$@"
	else
		runuser -u "$user" -- env "HOME=$home" "$@"
	fi
}

# at_least VERSION WANTED
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

machine() {
	[ $# = 0 ] || [ "$*" = --login ] || fail "usage: sudo vm/provision.sh [--login]"
	[ "$(id -u)" = 0 ] || fail "this needs root: sudo vm/provision.sh"
	home=$(getent passwd "$user" | cut -d: -f6)
	command -v apt-get >/dev/null || fail "this machine has no apt: take one with Ubuntu or Debian, or see README.md, Get a machine"
	case $(uname -m) in
	x86_64 | aarch64) ;;
	*) fail "this machine is $(uname -m): take one that is x86_64 or aarch64" ;;
	esac
}

# room DIR says whether there is enough space where DIR is.
room() {
	local free
	free=$(df --output=avail -m "$1" | tail -n 1)
	[ "$free" -ge "$space" ] || fail "$1 has ${free// /} MiB free, and $space are needed: make room, or give the machine a larger disk. Then run this again"
}

packages() {
	local package missing=()
	begin packages "is there a network, and does apt-get update work?"
	for package in make git mmdebstrap ca-certificates procps mount hostname diffutils sudo nano $(command -v go >/dev/null || echo golang-go); do
		dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
	done
	if [ ${#missing[@]} = 0 ]; then
		end "all there"
		return
	fi
	room /
	room "$home"
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# A machine that has just booted may be at its own updates, which hold the lock.
	apt-get -o DPkg::Lock::Timeout=600 update -qq >&2
	apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "${missing[@]}" >&2
	end "installed ${missing[*]}"
}

# toolchain makes the Go that go.mod names what the user has.
toolchain() {
	local wanted version fetched
	wanted=$(sed -n 's/^go //p' go.mod)
	begin Go "is the Go module proxy to be reached ($(cd / && as_user go env GOPROXY))? Behind another, set GOPROXY and call sudo -E"
	version=$(cd / && as_user env GOTOOLCHAIN=local go env GOVERSION)
	if at_least "${version#go}" "$wanted"; then
		end "$version is there"
		return
	fi
	if at_least "${version#go}" 1.21; then
		[ "$(cd / && as_user go env GOTOOLCHAIN)" != local ] || as_user go env -w GOTOOLCHAIN=auto
		end "$(as_user go version), fetched by $version"
		return
	fi
	version=v0.0.1-go$wanted.linux-$(dpkg --print-architecture)
	say "$(go version | cut -d' ' -f3) cannot fetch the $wanted of go.mod: putting that into /usr/local/go"
	fetched=$(cd / && GOPATH=/tmp/container-workshop-go go mod download -json "golang.org/toolchain@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	rm -rf /usr/local/go.partial
	cp -r "$fetched" /usr/local/go.partial
	chmod -R u+w,go+rX /usr/local/go.partial
	chmod 755 /usr/local/go.partial/{bin,pkg/tool/*}/*
	mv /usr/local/go.partial /usr/local/go
	ln -sf /usr/local/go/bin/* /usr/local/bin/
	end "go$wanted in /usr/local/go"
}

modules() {
	begin modules "is the Go module proxy to be reached ($(cd / && as_user go env GOPROXY))? Behind another, set GOPROXY and call sudo -E"
	as_user go mod download
	end "those of go.mod are in $(as_user go env GOMODCACHE)"
}

# A synced folder cannot hold device nodes. The disk of the machine can.
root_file_system() {
	begin rootfs "is there a network, and does apt-get update work?"
	scripts/rootfs.sh "$rootfs"
	end "$rootfs"
}

# compile fills the build cache: with what go run would make, and with what make compiles, which is without cgo.
compile() {
	local step
	begin steps "see what the compiler says"
	for step in ./step0*/; do
		as_user go run -exec true "$step"
	done
	as_user env CGO_ENABLED=0 go build ./step0*/ ./final ./internal/check/cmd ./internal/coach/cmd
	end "compiled"
}

login() {
	begin login "is $profile to be written?"
	echo "cd $(printf %q "$PWD")" | cmp -s - "$profile" || echo "cd $(printf %q "$PWD")" >"$profile"
	end "a login shell starts in $PWD"
}

machine "$@"
packages
toolchain
modules
root_file_system
compile
[ "${1:-}" != --login ] || login
trap - EXIT
as_user scripts/doctor.sh "$rootfs"
