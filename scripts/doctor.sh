#!/usr/bin/env bash
# Tells whether this machine can do the workshop. Each thing that the workshop needs gets a line: ok, or how to get it. A note is about
# final without sudo, which the workshop does not need.
#
#   doctor.sh ROOTFS
#
# Exit status: 0 all is well, 1 something needs fixing.
set -uo pipefail

rootfs=${1:-/var/lib/container-workshop/rootfs}
# For the commands that people paste.
quoted=$(printf %q "$rootfs")
to_do=0

ok() { printf 'ok    %-12s %s\n' "$1" "$2"; }
fix() {
	printf 'FIX   %-12s %s\n      %-12s -> %s\n' "$1" "$2" '' "$3"
	to_do=$((to_do + 1))
}

note() { printf 'note  %-12s %s\n      %-12s -> %s\n' "$1" "$2" '' "$3"; }

# at_least VERSION WANTED
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

kernel() {
	if [ "$(uname -s)" != Linux ]; then
		fix kernel "this is $(uname -s), and containers need Linux" "vagrant up, or limactl start ./lima.yaml, makes a machine with Linux (README.md, Get a machine)"
		echo "Run make doctor again in that machine."
		exit 1
	fi
	local version
	version=$(uname -r)
	if at_least "$version" 5.10; then
		ok kernel "Linux $version"
	else
		fix kernel "Linux $version is older than 5.10" "use a newer distribution, such as Ubuntu 24.04 or Debian 12"
	fi
}

architecture() {
	case $(uname -m) in
	x86_64 | aarch64) ok architecture "$(uname -m)" ;;
	*) fix architecture "$(uname -m) is neither x86_64 nor aarch64" "use a machine with one of these processors" ;;
	esac
}

privileges() {
	# CAP_SYS_ADMIN is bit 21. capabilities(7)
	local bounding on_host
	bounding=$(sed -n 's/^CapBnd:\t//p' /proc/self/status 2>/dev/null)
	# The user of the host that is root here. user_namespaces(7)
	read -r _ on_host _ 2>/dev/null </proc/self/uid_map || on_host=0
	if [ -z "$bounding" ]; then
		fix root "/proc is not mounted" "mount -t proc proc /proc"
	elif [ $(((0x$bounding >> 21) & 1)) = 0 ]; then
		fix root "this container has no CAP_SYS_ADMIN" "start it with docker run --privileged, or use a virtual machine (README.md, Get a machine)"
	elif [ "$on_host" != 0 ]; then
		fix root "root in this container is user $on_host of the host" "start it with a Docker or podman that runs as root, or use a virtual machine (README.md, Get a machine)"
	elif [ "$(id -u)" = 0 ]; then
		ok root "you are root"
	elif command -v sudo >/dev/null; then
		ok root "through sudo"
	else
		fix root "you are not root, and there is no sudo" "su -c 'apt-get install sudo && adduser $(id -un) sudo', then log in again"
	fi
}

namespaces() {
	local kind
	for kind in uts pid mnt; do
		[ -e /proc/self/ns/$kind ] || {
			fix namespaces "the kernel has no $kind namespaces" "use the kernel of a distribution, such as Ubuntu 24.04 or Debian 12"
			return
		}
	done
	ok namespaces "uts, pid, mnt"
}

cgroups() {
	local type controller missing='' enabled
	type=$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)
	case $type in
	cgroup2fs)
		# Only the root of the host's cgroups may have both processes and limits below it. It has no cgroup.type. cgroups(7)
		if [ -e /sys/fs/cgroup/cgroup.type ] && [ -n "$(cat /sys/fs/cgroup/cgroup.procs)" ]; then
			fix cgroups "this container sees its own cgroup as the root, where the kernel refuses limits" "start it with docker run --privileged --cgroupns=host"
			return
		fi
		enabled=$(cat /sys/fs/cgroup/cgroup.controllers)
		for controller in memory cpu pids; do
			[[ " $enabled " == *" $controller "* ]] || missing+=" $controller"
		done
		[ -n "$missing" ] || ok cgroups "version 2, with memory, cpu, pids"
		;;
	*)
		for controller in memory cpu pids; do
			[ "$(stat -f -c %T /sys/fs/cgroup/$controller 2>/dev/null)" = cgroupfs ] || missing+=" $controller"
		done
		[ -n "$missing" ] || ok cgroups "version 1, with memory, cpu, pids"
		;;
	esac
	case $missing in
	'') ;;
	' memory cpu pids') fix cgroups "no cgroup file system on /sys/fs/cgroup" "mount -t cgroup2 cgroup2 /sys/fs/cgroup" ;;
	*) fix cgroups "the kernel does not limit$missing" "start the kernel with cgroup_enable=${missing// /,cgroup_enable=}" ;;
	esac
}

leftovers() {
	# The steps name a cgroup after the process ID of run, and final after the container.
	local dir run stale=() count prefix='sudo '
	[ "$(id -u)" != 0 ] || prefix=''
	for dir in /sys/fs/cgroup/{,memory/,cpu/,pids/}container-workshop-*; do
		run=${dir##*workshop-}
		[ ! -d "$dir" ] || [ -d "/proc/${run%%-*}" ] || [ -n "$(cat "$dir/cgroup.procs")" ] || stale+=("$dir")
	done
	count=${#stale[@]}
	if [ "$count" = 0 ]; then
		ok leftovers none
	elif [ "$count" -le 3 ]; then
		fix leftovers "cgroups of containers whose run was killed: $count" "${prefix}rmdir ${stale[*]}"
	else
		# A few hundred paths would fill the screen. The kernel refuses to remove the cgroup of a process.
		fix leftovers "cgroups of containers whose run was killed: $count" "${prefix}bash -c 'rmdir /sys/fs/cgroup/{,*/}container-workshop-*' 2>/dev/null"
	fi
}

compiler() {
	local wanted version
	wanted=$(sed -n 's/^go //p' go.mod)
	if ! command -v go >/dev/null; then
		fix Go "Go is not installed" "sudo apt-get install golang-go && go env -w GOTOOLCHAIN=auto (Ubuntu 24.04, Debian 13); https://go.dev/doc/install"
		return
	fi
	# Asked outside of the workshop: inside, go.mod would make Go fetch another version.
	version=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
	version=${version#go}
	if at_least "$version" "$wanted"; then
		ok Go "$version"
	elif ! at_least "$version" 1.21; then
		fix Go "$version is too old to fetch the $wanted that go.mod asks for" "install Go 1.21 or newer: https://go.dev/doc/install"
	elif [ "$(cd / && go env GOTOOLCHAIN)" = local ]; then
		fix Go "go.mod asks for $wanted, and your $version is set not to fetch it" "go env -w GOTOOLCHAIN=auto"
	else
		ok Go "$version, which fetches the $wanted that go.mod asks for"
	fi
}

# The commands that the lessons use on the host, and their packages.
tools() {
	local command package missing=() prefix='sudo '
	[ "$(id -u)" != 0 ] || prefix=''
	while read -r package command; do
		command -v "$command" >/dev/null || missing+=("$package")
	done <<-END
		diffutils diff
		hostname hostname
		mount mount
		procps pgrep
		sudo sudo
		util-linux unshare
	END
	if [ ${#missing[@]} = 0 ]; then
		ok tools "all that the lessons use"
	else
		fix tools "the lessons use commands of these packages: ${missing[*]}" "${prefix}apt-get install ${missing[*]}"
	fi
}

# go build asks git for the commit, and fails if git does.
checkout() {
	[ -e .git ] || return
	if ! command -v git >/dev/null; then
		fix git "go build needs git in a clone" "sudo apt-get install git"
	elif ! git rev-parse --git-dir >/dev/null 2>&1; then
		fix git "git refuses this folder because another user owns it, so go build fails" "git config --global --add safe.directory $(printf %q "$PWD")"
	else
		ok git "reads this folder"
	fi
}

line_ends() {
	local files=() shown
	mapfile -t files < <(grep -lI $'\r' Makefile go.mod scripts/* step*/*.go 2>/dev/null)
	shown=${files[*]:0:3}
	[ ${#files[@]} -le 3 ] || shown+=" and $((${#files[@]} - 3)) more"
	if [ ${#files[@]} = 0 ]; then
		ok "line ends" "Linux"
	else
		fix "line ends" "Windows line ends in $shown" "git config core.autocrlf input && git rm -q --cached -r . && git reset -q --hard"
	fi
}

# machine FILE prints the architecture that an ELF file is for. elf(5)
machine() {
	case $(od -An -tx1 -j18 -N2 "$1" 2>/dev/null | tr -d ' ') in
	3e00) echo x86_64 ;;
	b700) echo aarch64 ;;
	*) echo unknown ;;
	esac
}

# inside PATH prints where a file of the root file system is on the host, its symbolic links followed inside.
inside() {
	local path=$1 target n=0
	while [ -L "$rootfs$path" ] && [ $((n += 1)) -lt 20 ]; do
		target=$(readlink "$rootfs$path")
		case $target in /*) path=$target ;; *) path=${path%/*}/$target ;; esac
	done
	echo "$rootfs$path"
}

root_file_system() {
	local sh interpreter program missing=()
	sh=$(inside /bin/sh)
	if [ ! -e "$rootfs" ]; then
		fix rootfs "there is no $rootfs yet" "make rootfs"
		return
	elif [ ! -f "$sh" ]; then
		fix rootfs "$rootfs has no /bin/sh" "sudo rm -rf $quoted && make rootfs"
		return
	elif [ "$(machine "$sh")" != "$(uname -m)" ]; then
		fix rootfs "$rootfs is for $(machine "$sh"), and this machine is $(uname -m)" "sudo rm -rf $quoted && make rootfs"
		return
	fi
	interpreter=$(head -c 4096 "$sh" | tr '\0' '\n' | grep -am1 '^/.*/ld-')
	if [ -n "$interpreter" ] && [ ! -e "$(inside "${interpreter%/*}")/${interpreter##*/}" ]; then
		fix rootfs "$rootfs has no $interpreter, which /bin/sh needs" "sudo rm -rf $quoted && make rootfs"
		return
	fi
	for program in ps hostname ip; do
		[ -e "$rootfs/bin/$program" ] || [ -e "$rootfs/usr/bin/$program" ] || [ -L "$rootfs/bin/$program" ] || missing+=("$program")
	done
	if [ ${#missing[@]} != 0 ]; then
		fix rootfs "$rootfs has no ${missing[*]}" "make rootfs ROOTFS=/somewhere/else makes another; your own needs procps, hostname and iproute2"
		return
	fi
	ok rootfs "$rootfs"
}

# final puts an overlay over a root file system, and its upper directory cannot be in another overlay, the disk of most containers.
storage() {
	local dir=/var/lib/container-workshop/containers
	[ -d "$dir" ] || dir=${dir%/*}
	[ -d "$dir" ] || dir=${dir%/*}
	if [ "$(stat -f -c %T "$dir")" = overlayfs ]; then
		fix storage "$dir is on an overlay, where final cannot put another" "start the container with a volume at /var/lib/container-workshop"
	else
		ok storage "$dir"
	fi
}

devices() {
	[ -e "$rootfs" ] || return
	if findmnt -no OPTIONS -T "$rootfs" 2>/dev/null | grep -qw nodev; then
		fix devices "$rootfs is on a file system without devices" "make rootfs ROOTFS=/somewhere/else"
	elif [ ! -c "$rootfs/dev/null" ]; then
		fix devices "$rootfs/dev/null is not a device" "sudo rm -f $quoted/dev/null && sudo mknod -m 666 $quoted/dev/null c 1 3"
	else
		ok devices "/dev/null"
	fi
}

# setting NAME prints a setting of the kernel, or nothing if the kernel has no such setting.
setting() { cat "/proc/sys/${1//.//}" 2>/dev/null; }

# set_for_good NAME=VALUE prints the command that sets it, now and after each start.
set_for_good() { echo "echo $1 | sudo tee /etc/sysctl.d/90-userns.conf && sudo sysctl --system"; }

# What final needs to run without sudo: user namespaces, IDs for them, and a disk. final/rootless/why.go has the same questions.
user_namespaces() {
	local restrict=kernel.apparmor_restrict_unprivileged_userns profile=/etc/apparmor.d/final
	if [ ! -e /proc/self/ns/user ]; then
		note "without sudo" "the kernel has no user namespaces" "use the kernel of a distribution, such as Ubuntu 24.04 or Debian 12"
	elif [ "$(setting kernel.unprivileged_userns_clone)" = 0 ]; then
		note "without sudo" "only root may make a user namespace here" "$(set_for_good kernel.unprivileged_userns_clone=1)"
	elif [ "$(setting user.max_user_namespaces)" = 0 ]; then
		note "without sudo" "nobody may make a user namespace here" "$(set_for_good user.max_user_namespaces=15000)"
	elif [ "$(setting $restrict)" = 1 ] && [ ! -e $profile ]; then
		note "without sudo" "AppArmor gives programs without a profile no rights in a user namespace ($restrict)" \
			"printf 'abi <abi/4.0>,\\nprofile final \"$PWD/build/final\" flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee $profile && sudo apparmor_parser -r $profile"
	else
		ok "without sudo" "user namespaces"
	fi
}

# ids_of USER FILE prints how many IDs a file gives a user.
ids_of() { awk -F : -v user="$1" -v uid="$(id -u "$1")" '$1 == user || $1 == uid { n += $3 } END { print n + 0 }' "$2" 2>/dev/null || echo 0; }

ranges() {
	local file count first
	for file in /etc/subuid /etc/subgid; do
		count=$(ids_of "$1" $file)
		[ "$count" -lt 65535 ] || continue
		first=$(cat /etc/subuid /etc/subgid 2>/dev/null | awk -F : '$2 + $3 > n { n = $2 + $3 } END { print (n > 100000 ? n : 100000) }')
		note ranges "$file gives $1 $count IDs, and a container may want 65535" "sudo usermod --add-subuids $first-$((first + 65535)) --add-subgids $first-$((first + 65535)) $1"
		return
	done
	ok ranges "$1 has IDs for containers"
}

map_writers() {
	local program path
	for program in newuidmap newgidmap; do
		path=$(command -v $program)
		if [ -z "$path" ]; then
			note newuidmap "$program is missing" "sudo apt-get install uidmap"
		elif { [ ! -u "$path" ] || [ "$(stat -L -c %u "$path")" != 0 ]; } && [ -z "$(getcap "$path" 2>/dev/null)" ]; then
			note newuidmap "$path is not setuid root" "sudo chown root $path && sudo chmod u+s $path"
		elif findmnt -no OPTIONS -T "$path" 2>/dev/null | grep -qw nosuid; then
			note newuidmap "the file system of $path is mounted nosuid" "sudo mount -o remount,suid \"\$(findmnt -no TARGET -T $path)\""
		else
			continue
		fi
		return
	done
	ok newuidmap "$path"
}

home_directory() {
	local home=${XDG_DATA_HOME:-} kind
	[ -n "$home" ] && [ "$(id -un)" = "$1" ] || home=$(getent passwd "$1" | cut -d : -f 6)
	kind=$(stat -f -c %T "$home" 2>/dev/null)
	case $kind in
	nfs | smb | smb2 | cifs | afs | ceph | coda | v9fs) note home "$home is on $kind, where the kernel can put no overlay" "export XDG_DATA_HOME=/var/tmp/$1" ;;
	*) ok home "$home" ;;
	esac
}

without_sudo() {
	local user=${SUDO_USER:-$(id -un)}
	user_namespaces
	[ "$user" != root ] || return
	ranges "$user"
	map_writers
	home_directory "$user"
}

# legacy_firewall looks for tables of iptables-legacy that drop these packets. It fails if there are any.
legacy_firewall() {
	local iptables rules remedy bridge=workshop0 status=0
	for iptables in iptables-legacy ip6tables-legacy; do
		# To list a table that nobody uses would make the table.
		grep -qx filter "/proc/net/${iptables%tables-legacy}_tables_names" 2>/dev/null || continue
		rules=$("$iptables" -S 2>/dev/null) || continue
		[[ $rules != *" -i $bridge "* ]] || continue
		if [[ $rules == *'-P FORWARD DROP'* ]]; then
			remedy="sudo $iptables -I FORWARD -i $bridge -j ACCEPT; sudo $iptables -I FORWARD -o $bridge -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
			[[ $rules != *'-N DOCKER-USER'* ]] || remedy=${remedy//FORWARD/DOCKER-USER}
			note firewall "$iptables drops what this host forwards, so run --network bridge leads to no other host" "$remedy"
			status=1
		fi
		if [[ $rules == *'-P INPUT DROP'* && $rules != *'--dport 53 '* ]]; then
			remedy="sudo $iptables -I INPUT -i $bridge -p udp --dport 53 -j ACCEPT; sudo $iptables -I INPUT -i $bridge -p tcp --dport 53 -j ACCEPT"
			note firewall "$iptables drops what containers with --network bridge ask this host, so they find no names" "$remedy"
			status=1
		fi
	done
	return $status
}

# firewall looks for rules of others that drop what the host forwards, or what containers ask the host. Only root may list rules. final asks
# the same questions: final/engine/network/link/blocked.go.
firewall() {
	local rules table who remedy bridge=workshop0
	legacy_firewall || return
	rules=$(nft list ruleset 2>/dev/null) || return
	# The chains that drop by their policy, and the tables that they are in.
	table=$(awk '/^table/ { t = $2 " " $3 } /^\tchain/ { c = $2 } /hook forward .*policy drop/ { print t " " c; exit }' <<<"$rules")
	remedy="sudo iptables -I FORWARD -i $bridge -j ACCEPT; sudo iptables -I FORWARD -o $bridge -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
	case $rules in
	*"\"$bridge\""*) table='' ;;
	*'table inet firewalld'*) who=firewalld table='inet firewalld' remedy="sudo firewall-cmd --zone=trusted --add-interface=$bridge" ;;
	*'chain ufw'*) who=ufw remedy="sudo ufw route allow in on $bridge" ;;
	*'chain DOCKER-USER'*) who=Docker remedy=${remedy//FORWARD/DOCKER-USER} ;;
	*) who="the chain $table" ;;
	esac
	if [ -n "$table" ]; then
		note firewall "$who drops what this host forwards, so run --network bridge leads to no other host" "$remedy"
	else
		ok firewall "no rule keeps containers with --network bridge from other hosts"
	fi
	# A server at the host answers the questions about names.
	table=$(awk '/^table/ { t = $2 " " $3 } /^\tchain/ { c = $2 } /hook input .*policy drop/ { print t " " c; exit }' <<<"$rules")
	if [ -z "$table" ] || [[ $rules == *"\"$bridge\""* ]] || grep -qE 'dport (\{[^}]* )?(53|domain)[, ]' <<<"$rules"; then
		return
	elif [[ $rules == *'chain ufw'* ]]; then
		who=ufw remedy="sudo ufw allow in on $bridge to any port 53"
	else
		who="the chain $table" remedy="sudo iptables -I INPUT -i $bridge -p udp --dport 53 -j ACCEPT; sudo iptables -I INPUT -i $bridge -p tcp --dport 53 -j ACCEPT"
		[[ $table == *' INPUT' ]] || remedy="sudo nft insert rule $table iifname $bridge meta l4proto '{ tcp, udp }' th dport 53 accept"
	fi
	note firewall "$who drops what containers with --network bridge ask this host, so they find no names" "$remedy"
}

cd "$(dirname "$0")/.." || exit 1
kernel
architecture
privileges
namespaces
cgroups
leftovers
compiler
tools
checkout
line_ends
root_file_system
devices
storage
without_sudo
firewall
if [ "$to_do" != 0 ]; then
	printf '\n%d to fix.\n' "$to_do"
	exit 1
fi
printf '\nAll is well. Now: make run\n'
