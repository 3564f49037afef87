//go:build linux

package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A decoder returns the name and the arguments of a call that a thread is about to make. The name is empty if the call is not
// worth a record.
type decoder func(t thread, args [6]uint64) (string, []string)

// decoders has the recorded calls, by number. decode_amd64.go has calls that only this architecture has.
var decoders = map[uint64]decoder{
	unix.SYS_CLONE:       func(t thread, a [6]uint64) (string, []string) { return clone(a[0] &^ 0xff) },
	unix.SYS_CLONE3:      func(t thread, a [6]uint64) (string, []string) { return clone(t.number(a[0])) },
	unix.SYS_UNSHARE:     func(t thread, a [6]uint64) (string, []string) { return "unshare", []string{names(cloneFlags, a[0])} },
	unix.SYS_SETNS:       setns,
	unix.SYS_PRCTL:       prctl,
	unix.SYS_SETHOSTNAME: func(t thread, a [6]uint64) (string, []string) { return "sethostname", []string{t.bytes(a[0], a[1])} },
	unix.SYS_MOUNT:       mount,
	unix.SYS_UMOUNT2: func(t thread, a [6]uint64) (string, []string) {
		return "umount2", []string{t.text(a[0]), names(umountFlags, a[1])}
	},
	unix.SYS_CHROOT: func(t thread, a [6]uint64) (string, []string) { return "chroot", []string{t.text(a[0])} },
	unix.SYS_PIVOT_ROOT: func(t thread, a [6]uint64) (string, []string) {
		return "pivot_root", []string{t.text(a[0]), t.text(a[1])}
	},
	unix.SYS_CHDIR:    func(t thread, a [6]uint64) (string, []string) { return "chdir", []string{t.text(a[0])} },
	unix.SYS_FCHDIR:   func(t thread, a [6]uint64) (string, []string) { return "fchdir", []string{strconv.Quote(t.open(a[0]))} },
	unix.SYS_MKDIRAT:  func(t thread, a [6]uint64) (string, []string) { return "mkdir", []string{t.at(a[0], a[1]), mode(a[2])} },
	unix.SYS_UNLINKAT: unlinkat,
	unix.SYS_WRITE:    write,
	unix.SYS_EXECVE:   func(t thread, a [6]uint64) (string, []string) { return "execve", []string{t.text(a[0]), t.list(a[1])} },
}

// clone shows the namespaces of a new process. A new thread is not worth a record.
func clone(flags uint64) (string, []string) {
	switch {
	case flags&unix.CLONE_THREAD != 0:
		return "", nil
	case flags&newProcess == 0:
		return "clone", []string{"SIGCHLD"}
	}
	return "clone", []string{names(cloneFlags, flags&newProcess)}
}

func setns(t thread, a [6]uint64) (string, []string) {
	return "setns", []string{strconv.Quote(t.open(a[0])), names(cloneFlags, a[1])}
}

func prctl(t thread, a [6]uint64) (string, []string) {
	if a[0] != unix.PR_SET_PDEATHSIG {
		return "", nil
	}
	signal := unix.SignalName(unix.Signal(a[1]))
	if signal == "" {
		signal = strconv.FormatUint(a[1], 10)
	}
	return "prctl", []string{"PR_SET_PDEATHSIG", signal}
}

func mount(t thread, a [6]uint64) (string, []string) {
	flags := a[3]
	if flags&unix.MS_MGC_MSK == unix.MS_MGC_VAL {
		flags &^= unix.MS_MGC_MSK
	}
	args := []string{t.text(a[0]), t.text(a[1]), t.text(a[2]), names(mountFlags, flags)}
	if a[4] != 0 {
		args = append(args, t.text(a[4]))
	}
	return "mount", args
}

func unlinkat(t thread, a [6]uint64) (string, []string) {
	if a[2]&unix.AT_REMOVEDIR == 0 {
		return "", nil
	}
	return "rmdir", []string{t.at(a[0], a[1])}
}

// write shows a write to a file of a cgroup. The path comes from the kernel, so it has no .. and no links.
func write(t thread, a [6]uint64) (string, []string) {
	var fs unix.Statfs_t
	if unix.Statfs(t.link(a[0]), &fs) != nil || fs.Type != unix.CGROUP_SUPER_MAGIC && fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", nil
	}
	return "write", []string{strconv.Quote(t.open(a[0])), t.bytes(a[1], a[2])}
}

func mode(bits uint64) string { return fmt.Sprintf("%#o", bits) }

// A thread is the ID of a thread that is stopped in a call, so that its memory and its open files can be read.
type thread int

// link returns the path of the link in /proc to the open file of a descriptor. proc_pid_fd(5)
func (t thread) link(fd uint64) string { return fmt.Sprintf("/proc/%d/fd/%d", t, int32(fd)) }

// open returns the path of the open file of a descriptor.
func (t thread) open(fd uint64) string {
	path, err := os.Readlink(t.link(fd))
	if err != nil {
		return fmt.Sprintf("descriptor %d", int32(fd))
	}
	return path
}

// at shows a path that may be relative to an open directory.
func (t thread) at(fd, address uint64) string {
	path := t.memory(address, unix.PathMax, true)
	if int32(fd) == unix.AT_FDCWD || filepath.IsAbs(string(path)) {
		return strconv.Quote(string(path))
	}
	return strconv.Quote(filepath.Join(t.open(fd), string(path)))
}

// text shows a string that ends with a zero byte.
func (t thread) text(address uint64) string {
	if address == 0 {
		return "NULL"
	}
	return strconv.Quote(string(t.memory(address, unix.PathMax, true)))
}

// bytes shows a string of a known length.
func (t thread) bytes(address, length uint64) string {
	return strconv.Quote(string(t.memory(address, min(length, unix.PathMax), false)))
}

// list shows the strings of a list that ends with NULL.
func (t thread) list(address uint64) string {
	var texts []string
	for ; address != 0 && len(texts) < 100; address += 8 {
		at := t.number(address)
		if at == 0 {
			break
		}
		texts = append(texts, t.text(at))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// number reads a number of 64 bits.
func (t thread) number(address uint64) uint64 {
	data := t.memory(address, 8, false)
	if len(data) < 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(data)
}

// memory reads up to length bytes, with zero only to the first zero byte. It reads page by page, because the next page may not
// exist. process_vm_readv(2)
func (t thread) memory(address, length uint64, zero bool) []byte {
	var all []byte
	for page := uint64(os.Getpagesize()); uint64(len(all)) < length; {
		at := address + uint64(len(all))
		part := make([]byte, min(length-uint64(len(all)), page-at%page))
		local := []unix.Iovec{{Base: &part[0], Len: uint64(len(part))}}
		n, err := unix.ProcessVMReadv(int(t), local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(part)}}, 0)
		if err != nil || n <= 0 {
			break
		}
		all = append(all, part[:n]...)
		if end := bytes.IndexByte(part[:n], 0); zero && end >= 0 {
			return all[:len(all)-n+end]
		}
	}
	return all
}
