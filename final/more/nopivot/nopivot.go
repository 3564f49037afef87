//go:build linux

// Package nopivot runs on the thread of the host side that has entered a new container's mount namespace. It prepares the change of the root
// directory on a host whose own root directory is an initramfs, where pivot_root cannot work.
package nopivot

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
)

// MoveRoot covers the root directory with the mount that rootfs.Enter has attached. Process 1 makes the mount its root directory with chroot
// afterwards. The host's root directory is still below it, and a process that may unmount gets there.
//
// All other mounts of the host go away. Above all its proc and its sysfs must: the kernel lets a new user namespace mount a proc with
// nothing masked and nothing read-only if the mount namespace has such a proc already, wherever that is. proc is the host's /proc, to
// read the list of this thread's mounts from. mount(2), MS_MOVE; mount_namespaces(7)
func MoveRoot(mount, proc int) error {
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move the root file system: %w", err)
	}
	// Paths still begin in the old root directory, below the new mount.
	ours, err := rootfs.MountID(mount)
	if err == nil {
		err = detachOthers(ours, proc)
	}
	if err == nil {
		err = coverOthers(ours, proc)
	}
	if err != nil {
		return fmt.Errorf("remove the host's mounts: %w", err)
	}
	return nil
}

// A mountLine is one of a list of mounts. proc_pid_mountinfo(5)
type mountLine struct {
	id, parent        uint64
	root, place, kind string
}

type mountTable map[uint64]mountLine

// readMounts reads the list of mounts in the mount namespace of this thread.
func readMounts(proc int) (mountTable, error) {
	fd, err := unix.Openat(proc, "thread-self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/thread-self/mountinfo: %w", err)
	}
	file := os.NewFile(uintptr(fd), "/proc/thread-self/mountinfo")
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	table := mountTable{}
	for line := range strings.Lines(string(content)) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 1 {
			return nil, fmt.Errorf("/proc/thread-self/mountinfo: unknown line %q", line)
		}
		m := mountLine{root: fields[3], place: unescape.Replace(fields[4]), kind: kind[0]}
		m.id, _ = strconv.ParseUint(fields[0], 10, 64)
		m.parent, _ = strconv.ParseUint(fields[1], 10, 64)
		table[m.id] = m
	}
	return table, nil
}

// unescape restores the characters that would end a field. The kernel writes them as octal numbers.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// detachOthers unmounts everything on the file system of the root directory but one mount. It leaves locked mounts: in a user namespace these
// are all mounts of the host. mount_namespaces(7)
func detachOthers(ours uint64, proc int) error {
	table, err := readMounts(proc)
	if err != nil {
		return err
	}
	for id, m := range table {
		if id == ours || m.parent != table[ours].parent {
			continue
		}
		// There can be several on one place.
		for err := error(nil); err == nil; {
			err = unix.Unmount(m.place, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
	}
	return nil
}

// coverOthers covers each proc and sysfs that is left and not covered yet, but for those below one mount.
func coverOthers(ours uint64, proc int) error {
	for _, last := range []bool{false, true} {
		table, err := readMounts(proc)
		if err != nil {
			return err
		}
		for id, m := range table {
			if m.root != "/" || m.kind != "proc" && m.kind != "sysfs" || table.isBelow(id, ours) || table.isCovered(id) {
				continue
			}
			if last {
				return fmt.Errorf("cannot reach the %s on %s: unmount it, or switch to a mounted file system first and leave out --no-pivot", m.kind, m.place)
			}
			if err := cover(m.place); err != nil {
				return fmt.Errorf("cover %s: %w", m.place, err)
			}
		}
	}
	return nil
}

func (t mountTable) isBelow(id, above uint64) bool {
	for m, ok := t[id]; ok; m, ok = t[m.parent] {
		if m.id == above {
			return true
		}
		if m.parent == m.id {
			break
		}
	}
	return false
}

// isCovered reports whether another mount is on the root directory of a mount.
func (t mountTable) isCovered(id uint64) bool {
	for _, m := range t {
		if m.parent == id && m.place == t[id].place {
			return true
		}
	}
	return false
}

// cover mounts an empty directory on a place.
func cover(place string) error {
	empty, err := rootfs.MakeFilesystem("tmpfs", "tmpfs", []string{"nr_blocks=1", "nr_inodes=1"}, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(empty)
	return os.NewSyscallError("move_mount", unix.MoveMount(empty, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH))
}
