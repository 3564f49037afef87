//go:build linux

package device

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Attach has the kernel check accesses to devices by these rules, in a cgroup of version 2. The new program replaces the programs that
// the cgroup has. For a moment both are attached, so nothing is allowed that one of them denies. bpf(2)
func Attach(dir string, rules []Rule) error {
	cgroup, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(cgroup)
	old, err := attached(cgroup)
	if err != nil {
		return fmt.Errorf("find the BPF programs of %s: %w", dir, err)
	}
	// A cgroup without a program allows everything, so rules that allow everything need no program.
	if last := rules[len(rules)-1]; !last.isAll() || !last.Allow {
		code := compile(rules)
		fd, err := loadProgram(code)
		if err != nil {
			return fmt.Errorf("load a BPF program of %d instructions: %w", len(code), err)
		}
		defer unix.Close(fd)
		// The flag keeps the programs of the cgroups above and below running.
		if err := attach(unix.BPF_PROG_ATTACH, cgroup, fd, unix.BPF_F_ALLOW_MULTI); err != nil {
			return fmt.Errorf("attach a BPF program to %s: %w", dir, err)
		}
	}
	for _, id := range old {
		if err := detach(cgroup, id); err != nil {
			return fmt.Errorf("detach BPF program %d from %s: %w", id, dir, err)
		}
	}
	return nil
}

// bpf makes the system call. Its last argument is a member of union bpf_attr. bpf(2)
func bpf[T any](command int, attr *T) (int, error) {
	for tries := 0; ; tries++ {
		n, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		if errno == 0 {
			return int(n), nil
		}
		// Signals interrupt the verifier, and Go's scheduler sends signals.
		if errno != unix.EINTR && errno != unix.EAGAIN || tries == 100 {
			return -1, errno
		}
	}
}

// loadProgram gives a program to the kernel and returns its descriptor. The kernel first verifies that the program ends and reads
// nothing else.
func loadProgram(code []instruction) (int, error) {
	// The garbage collector does not see the addresses in attr, so pin what they point to.
	var pinner runtime.Pinner
	defer pinner.Unpin()
	license := new(byte)
	pinner.Pin(license)
	pinner.Pin(unsafe.SliceData(code))
	attr := struct {
		programType      uint32
		instructionCount uint32
		instructions     uint64
		license          uint64
		logLevel         uint32
		logSize          uint32
		log              uint64
		kernelVersion    uint32
		flags            uint32
		name             [16]byte
		interfaceIndex   uint32
		attachType       uint32
	}{
		programType:      unix.BPF_PROG_TYPE_CGROUP_DEVICE,
		instructionCount: uint32(len(code)),
		instructions:     uint64(uintptr(unsafe.Pointer(unsafe.SliceData(code)))),
		license:          uint64(uintptr(unsafe.Pointer(license))),
		attachType:       unix.BPF_CGROUP_DEVICE,
	}
	copy(attr.name[:], "devices")
	return bpf(unix.BPF_PROG_LOAD, &attr)
}

// attach does BPF_PROG_ATTACH or BPF_PROG_DETACH.
func attach(command, cgroup, program int, flags uint32) error {
	attr := struct{ target, program, kind, flags, replace uint32 }{uint32(cgroup), uint32(program), unix.BPF_CGROUP_DEVICE, flags, 0}
	_, err := bpf(command, &attr)
	return err
}

// attached returns the IDs of the programs that are attached to the cgroup itself, not to a cgroup above it.
func attached(cgroup int) ([]uint32, error) {
	// The kernel attaches at most 64 programs to one cgroup.
	ids := new([64]uint32)
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(ids)
	attr := struct {
		target, kind, flags, attachFlags uint32
		ids                              uint64
		count, _                         uint32
	}{target: uint32(cgroup), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(ids))), count: uint32(len(ids))}
	if _, err := bpf(unix.BPF_PROG_QUERY, &attr); err != nil {
		return nil, err
	}
	return ids[:attr.count], nil
}

func detach(cgroup int, id uint32) error {
	attr := struct{ id, next, flags uint32 }{id: id}
	program, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, &attr)
	if err != nil {
		return err
	}
	defer unix.Close(program)
	return attach(unix.BPF_PROG_DETACH, cgroup, program, 0)
}
