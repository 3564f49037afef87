#!/usr/bin/env bash
# Prepares a machine for the workshop: Ubuntu 24.04 or 26.04, Debian 12 or 13, amd64 or arm64. Afterwards the workshop needs no
# network.
#
#   sudo vm/provision.sh [--login]
#
# Go, make, git and the root file system of the containers come from apt. The user who called sudo gets the Go toolchain and the
# modules of go.mod, and a build cache in which the steps are compiled. With --login, login shells start in the workshop's folder, and
# make serve listens on all addresses: a virtual machine forwards the port to its host.
# The script leaves alone what is installed already: after a failure, run it again.
#
# The Go of Debian 12 cannot fetch toolchains. There the script downloads the toolchain of go.mod as a Go module, checked against
# the same checksum database, and puts it into /usr/local/go.
#
# Exit status: 0 ready; 1 not ready, and the last lines say why and what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

rootfs=${ROOTFS:-/var/lib/container-workshop/rootfs}
user=${SUDO_USER:-root}
profile=/etc/profile.d/container-workshop.sh
# The free space in MiB that we ask for. The workshop takes a little less.
space=2500
# The part that we are at, and the advice if it fails.
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

# ended runs when the script ends, for whatever reason.
ended() {
	local status=$?
	[ "$status" != 0 ] || return 0
	if [ -n "$part" ]; then
		say "$part failed (see above): $advice. Then run this again: finished parts are not repeated"
	fi
	exit 1
}
trap ended EXIT

fail() {
	part=''
	say "$@"
	exit 1
}

# as_user COMMAND ... runs the command as the user who called sudo.
as_user() {
	if [ "$user" = root ]; then
		"$@"
	else
		runuser -u "$user" -- env "HOME=$home" "$@"
	fi
}

# at_least VERSION WANTED succeeds if VERSION is WANTED or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

machine() {
	[ $# = 0 ] || [ "$*" = --login ] || fail "usage: sudo vm/provision.sh [--login]"
	[ "$(id -u)" = 0 ] || fail "this needs root: sudo vm/provision.sh"
	home=$(getent passwd "$user" | cut -d: -f6)
	command -v apt-get >/dev/null || fail "this machine has no apt: use Ubuntu or Debian, or get a machine (README.md, Get a machine)"
	case $(uname -m) in
	x86_64 | aarch64) ;;
	*) fail "this machine is $(uname -m): use a machine that is x86_64 or aarch64" ;;
	esac
}

# room DIR fails if the disk of DIR has too little space.
room() {
	local free
	free=$(df --output=avail -m "$1" | tail -n 1)
	[ "$free" -ge "$space" ] || fail "$1 has ${free// /} MiB free and needs $space: free some space, or give the machine a larger disk. Then run this again"
}

packages() {
	local package missing=()
	begin packages "is there a network, and does apt-get update work?"
	for package in make git mmdebstrap ca-certificates procps mount hostname diffutils sudo nano $(command -v go >/dev/null || echo golang-go); do
		dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
	done
	if [ ${#missing[@]} = 0 ]; then
		end "all installed"
		return
	fi
	room /
	room "$home"
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# A machine that has just booted may be installing updates, which hold the lock of apt.
	apt-get -o DPkg::Lock::Timeout=600 update -qq >&2
	apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "${missing[@]}" >&2
	end "installed ${missing[*]}"
}

# toolchain gives the user the Go that go.mod names.
toolchain() {
	local wanted version fetched
	wanted=$(sed -n 's/^go //p' go.mod)
	begin Go "can you reach the Go module proxy ($(cd / && as_user go env GOPROXY))? To use another one, set GOPROXY and call sudo -E"
	version=$(cd / && as_user env GOTOOLCHAIN=local go env GOVERSION)
	if at_least "${version#go}" "$wanted"; then
		end "$version is installed"
		return
	fi
	if at_least "${version#go}" 1.21; then
		[ "$(cd / && as_user go env GOTOOLCHAIN)" != local ] || as_user go env -w GOTOOLCHAIN=auto
		fetched=$(as_user go version)
		end "$fetched, fetched by $version"
		return
	fi
	version=v0.0.1-go$wanted.linux-$(dpkg --print-architecture)
	say "$(go version | cut -d' ' -f3) cannot fetch Go $wanted, which go.mod asks for: putting $wanted into /usr/local/go"
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
	begin modules "can you reach the Go module proxy ($(cd / && as_user go env GOPROXY))? To use another one, set GOPROXY and call sudo -E"
	as_user go mod download
	end "downloaded to $(as_user go env GOMODCACHE)"
}

# A synced folder cannot hold device nodes. The disk of the machine can.
root_file_system() {
	begin rootfs "is there a network, and does apt-get update work?"
	scripts/rootfs.sh "$rootfs"
	end "$rootfs"
}

# trust lets git read this folder if another user owns it: a shared folder can belong to the host's user. Without git's answer, go build
# fails.
trust() {
	[ -e .git ] && ! as_user git rev-parse --git-dir >/dev/null 2>&1 || return 0
	begin git "read what git says: git status"
	as_user git config --global --add safe.directory "$PWD"
	as_user git rev-parse --git-dir >/dev/null
	end "trusts $PWD"
}

# compile fills the build cache for go run and for make, which sets CGO_ENABLED=0.
compile() {
	local step
	begin steps "read what the compiler says"
	for step in ./step0*/; do
		as_user go run -exec true "$step"
	done
	as_user env CGO_ENABLED=0 go build ./step0*/ ./final ./internal/check/cmd ./internal/coach/cmd ./internal/site/cmd
	end "compiled"
}

login() {
	local lines
	begin login "can you write $profile?"
	lines=$(printf 'cd %q\nexport WORKSHOP_ADDRESS=0.0.0.0:8015\n' "$PWD")
	[ "$lines" = "$(cat "$profile" 2>/dev/null)" ] || echo "$lines" >"$profile"
	end "login shells start in $PWD"
}

machine "$@"
packages
toolchain
modules
root_file_system
trust
compile
[ "${1:-}" != --login ] || login
trap - EXIT
as_user scripts/doctor.sh "$rootfs"
