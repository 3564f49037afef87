//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// descriptors returns what is open. Only calls that open nothing are used.
func descriptors() any {
	all := section{}
	link := make([]byte, unix.PathMax)
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			continue
		}
		how, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		var stat unix.Stat_t
		_ = unix.Fstat(fd, &stat)
		what := ""
		if n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd), link); err == nil {
			what = regexp.MustCompile(`:\[\d+\]$`).ReplaceAllString(string(link[:n]), "")
		}
		offset, _ := unix.Seek(fd, 0, unix.SEEK_CUR)
		all[strconv.Itoa(fd)] = fmt.Sprintf("close-on-exec %d, flags %#x, mode %#o, owner %d:%d, device %d:%d, offset %d, %s",
			flags, how, stat.Mode, stat.Uid, stat.Gid, unix.Major(stat.Rdev), unix.Minor(stat.Rdev), offset, what)
	}
	return all
}

func namespaces() any {
	all := section{}
	for _, name := range []string{"mnt", "pid", "pid_for_children", "uts", "ipc", "net", "user", "cgroup", "time", "time_for_children"} {
		target, err := os.Readlink("/proc/self/ns/" + name)
		all[name] = told(target, err)
	}
	var uts unix.Utsname
	err := unix.Uname(&uts)
	all["hostname"] = told(unix.ByteSliceToString(uts.Nodename[:]), err)
	all["domainname"] = told(unix.ByteSliceToString(uts.Domainname[:]), err)
	all["machine"] = told(unix.ByteSliceToString(uts.Machine[:]), err)
	return all
}

// keyring tells of the session keyring without joining a new one. keyctl(2), session-keyring(7)
func keyring() any {
	all := section{}
	for name, id := range map[string]int{"session": unix.KEY_SPEC_SESSION_KEYRING, "user session": unix.KEY_SPEC_USER_SESSION_KEYRING, "process": unix.KEY_SPEC_PROCESS_KEYRING} {
		serial, err := unix.KeyctlGetKeyringID(id, false)
		if err != nil {
			all[name] = told(nil, err)
			continue
		}
		text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, serial)
		all[name] = told(text, err)
	}
	return all
}

// mounts returns the lines of mountinfo. Their numbers mean nothing elsewhere: the reader replaces them.
func mounts() any {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{told(nil, err)}
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// limitFiles are the files of a cgroup that say what a container may use.
var limitFiles = []string{
	"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness", "memory.oom_control", "memory.use_hierarchy",
	"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.cpus", "cpuset.mems", "pids.max", "devices.list", "blkio.weight",
	"memory.max", "memory.swap.max", "memory.low", "memory.high", "cpu.max", "cpu.weight", "cgroup.subtree_control", "cgroup.type", "cgroup.freeze",
}

func cgroups() any {
	all := section{}
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 {
			all["member of "+parts[1]] = parts[2]
		}
	}
	dirs, _ := os.ReadDir("/sys/fs/cgroup")
	for _, dir := range append([]os.DirEntry{nil}, dirs...) {
		place := "/sys/fs/cgroup"
		if dir != nil {
			place = path.Join(place, dir.Name())
		}
		for _, name := range limitFiles {
			if _, err := os.Stat(path.Join(place, name)); err == nil {
				all[path.Join(place, name)] = strings.ReplaceAll(read(path.Join(place, name)), "\n", "; ")
			}
		}
	}
	return all
}

func network() any {
	all := section{}
	links, err := net.Interfaces()
	if err != nil {
		all["interfaces"] = told(nil, err)
	}
	for _, link := range links {
		addresses, err := link.Addrs()
		all[link.Name] = fmt.Sprintf("%s, mtu %d, addresses %s", link.Flags, link.MTU, told(addresses, err))
	}
	for _, name := range []string{"unix", "tcp", "udp"} {
		content, _ := os.ReadFile("/proc/self/net/" + name)
		all["sockets of "+name] = strconv.Itoa(max(strings.Count(string(content), "\n")-1, 0))
	}
	return all
}

// processes returns who else is in the PID namespace, if it is not the host's.
func processes() any {
	all := section{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		all["/proc"] = told(nil, err)
	}
	others := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		others++
		all[fmt.Sprintf("process %d", others)] = strings.ReplaceAll(string(arguments), "\x00", " ")
	}
	return all
}
