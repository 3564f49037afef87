//go:build linux

package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// old is when the files of the image were changed, if nobody has changed them since.
const old = 1000000000

// out is the name of the directory in which hooks write what they see. Some write while we look.
const out = "out"

// A tree walks the files that the container sees.
type tree struct {
	seen section
	// devices are the first places that are on a device: numbers of devices are not the same in another container.
	devices map[uint64]string
}

// files returns all files below /, but those of file systems that show the kernel.
func files() any {
	t := &tree{section{}, map[uint64]string{}}
	t.walk("/")
	return t.seen
}

func (t *tree) walk(place string) {
	var stat unix.Stat_t
	if err := unix.Lstat(place, &stat); err != nil {
		t.seen[place] = told(nil, err)
		return
	}
	if t.devices[stat.Dev] == "" {
		t.devices[stat.Dev] = place
	}
	t.seen[place] = describe(place, &stat) + ", on the device of " + t.devices[stat.Dev]
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || isKernel(place) || path.Base(place) == out || len(t.seen) > 2000 {
		return
	}
	entries, err := os.ReadDir(place)
	if err != nil {
		t.seen[place] += ", " + told(nil, err)
	}
	for _, entry := range entries {
		t.walk(path.Join(place, entry.Name()))
	}
}

func isKernel(place string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(place, &fs) != nil {
		return false
	}
	switch fs.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC:
		return true
	}
	return false
}

func describe(place string, stat *unix.Stat_t) string {
	text := fmt.Sprintf("mode %#o, owner %d:%d", stat.Mode, stat.Uid, stat.Gid)
	if stat.Mtim.Sec == old {
		text += ", old"
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(place)
		text += " -> " + told(target, err)
	case unix.S_IFREG:
		text += fmt.Sprintf(", links %d, size %d, %s", stat.Nlink, stat.Size, content(place, stat.Size))
	case unix.S_IFCHR, unix.S_IFBLK:
		text += fmt.Sprintf(", device %d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	}
	names := make([]byte, 4096)
	if n, err := unix.Llistxattr(place, names); err == nil && n > 0 {
		text += fmt.Sprintf(", attributes %q", names[:n])
	}
	return text
}

// content returns a sum of a small file.
func content(place string, size int64) string {
	if size > 1<<16 {
		return "large"
	}
	file, err := os.Open(place)
	if err != nil {
		return told(nil, err)
	}
	defer file.Close()
	sum := fnv.New32()
	_, err = io.Copy(sum, io.LimitReader(file, 1<<16))
	return told(fmt.Sprintf("sum %08x", sum.Sum32()), err)
}

// standardPaths are places that runtimes mask or make read-only, or through which a container could reach the host.
var standardPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
	"/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	"/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/sys", "/sys/fs/cgroup", "/", "/dev", "/dev/shm", "/dev/pts", "/dev/mqueue",
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/tmp", "/etc",
}

// paths looks at files: what they are, whether they can be opened, and whether a directory takes a new file. Nothing is written.
func paths(args []string) any {
	all := section{}
	for _, place := range append(args, standardPaths...) {
		if !strings.HasPrefix(place, "/") {
			continue
		}
		var stat unix.Stat_t
		if err := unix.Stat(place, &stat); err != nil {
			all[place] = told(nil, err)
			continue
		}
		all[place] = fmt.Sprintf("mode %#o, owner %d:%d, device %d:%d, reads: %s, writes: %s", stat.Mode, stat.Uid, stat.Gid,
			unix.Major(stat.Rdev), unix.Minor(stat.Rdev), opens(place, &stat), writes(place, &stat))
		if strings.HasPrefix(place, "/proc/sys/") && stat.Mode&unix.S_IFMT == unix.S_IFREG {
			all[place] += ", says " + read(place)
		}
	}
	return all
}

func opens(place string, stat *unix.Stat_t) string {
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		entries, err := os.ReadDir(place)
		return told(fmt.Sprint(len(entries) > 0), err)
	}
	fd, err := unix.Open(place, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return told(nil, err)
	}
	defer unix.Close(fd)
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return "yes"
	}
	n, err := unix.Read(fd, make([]byte, 1))
	return told(fmt.Sprintf("%d bytes", n), err)
}

func writes(place string, stat *unix.Stat_t) string {
	flags := unix.O_WRONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		// The file has no name, and ends with its descriptor. open(2), O_TMPFILE
		flags |= unix.O_TMPFILE
	}
	fd, err := unix.Open(place, flags, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return told("yes", err)
}
