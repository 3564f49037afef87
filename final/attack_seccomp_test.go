//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// CVE-2026-31431, seccomp(2)
func TestTheFilterRefusesWhatAContainerHasNoUseFor(t *testing.T) {
	const invalid = "0xffffffffffffffff"
	call := func(number int, args ...any) []string {
		words := strings.Fields(fmt.Sprintln(append([]any{"call", number}, args...)...))
		return words
	}
	id := printed(t, command(t, attackArgs(t, []string{"--detach"}, "hunt", "0")...))
	t.Cleanup(func() { final(t, "delete", "--force", id) })
	for _, test := range []struct {
		name     string
		call     []string
		filtered string
	}{
		{"AF_ALG", call(unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET, 0), "EPERM"},
		{"AF_VSOCK", call(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0), "EPERM"},
		{"AF_ALG, high bits", call(unix.SYS_SOCKET, 1<<32|unix.AF_ALG, unix.SOCK_SEQPACKET, 0), "EPERM"},
		// Its flags are in memory, out of sight of a filter. Programs use clone then.
		{"clone3", call(unix.SYS_CLONE3, 0, 0), "ENOSYS"},
		{"clone of a user namespace", call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_SIGHAND, 0, 0, 0, 0), "EPERM"},
		{"unshare of a user namespace", call(unix.SYS_UNSHARE, 1<<32|unix.CLONE_NEWUSER|1), "EPERM"},
		{"bpf", call(unix.SYS_BPF, 99, 0, 0), "EPERM"},
		{"userfaultfd", call(unix.SYS_USERFAULTFD, 0xff), "EPERM"},
		{"keyctl", call(unix.SYS_KEYCTL, 99), "EPERM"},
		{"io_uring_setup", call(unix.SYS_IO_URING_SETUP, 0, 0), "EPERM"},
		{"perf_event_open", call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0), "EPERM"},
		{"setns", call(unix.SYS_SETNS, invalid, 0), "EPERM"},
		{"move_mount", call(unix.SYS_MOVE_MOUNT, invalid, 0, invalid, 0, 0), "EPERM"},
		{"kexec_load", call(unix.SYS_KEXEC_LOAD, 0, 999, 0, 0), "EPERM"},
	} {
		args := append([]string{"/attack", "attack"}, test.call...)
		assert.Equal(t, test.filtered, attacked(t, nil, test.call...), test.name)
		r := final(t, append([]string{"exec", id}, args...)...)
		assert.Equal(t, test.filtered+"\n", r.stdout, "%s, exec: %s", test.name, r.stderr)
		assert.NotEqual(t, test.filtered, attacked(t, []string{"--privileged"}, test.call...), "%s, control", test.name)
	}
	// What is new is not there, as on an old kernel.
	assert.Equal(t, "ENOSYS", attacked(t, nil, call(5000)...))
}

// The numbers of the system calls of i386 and x32 are those of others on amd64. seccomp(2)
func TestTheFilterKnowsItsArchitecture(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("int 0x80 is missing: it is an instruction of amd64")
	}
	dir := rootfsOf(t, map[string]string{
		"i386": tiny(0xb8, 1, 0, 0, 0 /* mov eax, 1: exit of i386, write of amd64 */, 0xbb, 42, 0, 0, 0 /* mov ebx, 42 */, 0xcd, 0x80 /* int 0x80 */, 0x0f, 0x0b /* ud2 */),
		// The number of getppid has a bit more. What it returns is the exit status: an error is -errno.
		"x32": tiny(0xb8, 110, 0, 0, 0x40 /* mov eax, 0x40000000 + 110 */, 0x0f, 0x05 /* syscall */, 0xf7, 0xd8, /* neg eax */
			0x89, 0xc7 /* mov edi, eax */, 0xb8, 60, 0, 0, 0 /* mov eax, 60: exit */, 0x0f, 0x05 /* syscall */),
	})
	control := final(t, "run", "--rootfs", dir, "--security-opt", "seccomp=unconfined", "/i386")
	if control.status != 42 {
		t.Skipf("system calls of i386 are missing in this kernel: %d %s", control.status, control.stderr)
	}
	const killed = 128 + int(unix.SIGSYS)
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	for _, args := range [][]string{{"run", "--rootfs", dir}, {"run", "--rootfs", dir, "--cap-add", "ALL"}, {"exec", id}} {
		assert.Equal(t, killed, final(t, append(args, "/i386")...).status, "%v", args)
		assert.Contains(t, []int{killed, int(unix.ENOSYS), int(unix.EPERM)}, final(t, append(args, "/x32")...).status, "%v", args)
	}
}

// tiny is a program of a header, one segment and its code. elf(5)
func tiny(code ...byte) string {
	const address, headers = 0x400000, 64 + 56
	size := uint64(headers + len(code))
	program := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(address + headers), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56),
		uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(address), uint64(address), size, size, uint64(0x1000),
	} {
		program, _ = binary.Append(program, binary.LittleEndian, field)
	}
	return string(append(program, code...))
}

// The filter is on every process of the container, and nothing takes it off. proc_pid_status(5)
func TestTheFilterStays(t *testing.T) {
	dir := rootfsOf(t, nil)
	show := []string{"/bin/busybox", "grep", "-E", "^(Seccomp|NoNewPrivs):", "/proc/self/status"}
	const good = "NoNewPrivs:\t1\nSeccomp:\t2\n"
	id := detached(t, "exec sleep 1000", "--rootfs", dir)
	for _, args := range [][]string{{"run", "--rootfs", dir}, {"run", "--rootfs", dir, "--init"}, {"run", "--rootfs", dir, "--user", "1000"}, {"run", "--rootfs", dir, "--tty=false"}, {"exec", id}, {"exec", "--user", "1000", id}} {
		assert.Equal(t, good, final(t, append(args, show...)...).stdout, "%v", args)
	}
	assert.Equal(t, "NoNewPrivs:\t0\nSeccomp:\t0\n", final(t, append([]string{"run", "--rootfs", dir, "--privileged"}, show...)...).stdout, "control")
}
