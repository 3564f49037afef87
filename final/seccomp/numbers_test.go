//go:build linux

package seccomp_test

import (
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	auditI386 = 0x40000003
	auditARM  = 0x40000028
	x32       = 1 << 30
)

// native is the architecture of this machine, as the filter sees it.
func native() uint32 {
	if runtime.GOARCH == "arm64" {
		return unix.AUDIT_ARCH_AARCH64
	}
	return unix.AUDIT_ARCH_X86_64
}

// compat is the architecture of the machine's 32-bit programs, as the profile and the filter see it, and its numbers.
func compat() (specs.Arch, uint32, map[string]uint32) {
	if runtime.GOARCH == "arm64" {
		return specs.ArchARM, auditARM, numbersARM
	}
	return specs.ArchX86, auditI386, numbersI386
}

// numbers are the calls that the tests use. The numbers come from package unix, not from our table.
var numbers = map[string]uint32{
	"read": unix.SYS_READ, "write": unix.SYS_WRITE, "ioctl": unix.SYS_IOCTL, "socket": unix.SYS_SOCKET,
	"clone": unix.SYS_CLONE, "clone3": unix.SYS_CLONE3, "keyctl": unix.SYS_KEYCTL, "openat": unix.SYS_OPENAT,
	"personality": unix.SYS_PERSONALITY, "mseal": unix.SYS_MSEAL, "getpid": unix.SYS_GETPID, "bpf": unix.SYS_BPF,
	"getppid": unix.SYS_GETPPID, "getuid": unix.SYS_GETUID, "geteuid": unix.SYS_GETEUID, "getgid": unix.SYS_GETGID,
	"getegid": unix.SYS_GETEGID, "unshare": unix.SYS_UNSHARE, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT,
	"rseq_slice_yield": unix.SYS_RSEQ_SLICE_YIELD, "io_uring_setup": unix.SYS_IO_URING_SETUP, "kill": unix.SYS_KILL,
	"io_setup": unix.SYS_IO_SETUP, "io_submit": unix.SYS_IO_SUBMIT,
	"faccessat2": unix.SYS_FACCESSAT2, "umount2": unix.SYS_UMOUNT2, "reboot": unix.SYS_REBOOT, "futex": unix.SYS_FUTEX,
	"accept": unix.SYS_ACCEPT, "recvmsg": unix.SYS_RECVMSG, "semop": unix.SYS_SEMOP, "shmget": unix.SYS_SHMGET,
}

// numbersI386 has no accept and no semop: i386 has them only by socketcall and ipc.
var numbersI386 = map[string]uint32{
	"read": 3, "write": 4, "ioctl": 54, "socket": 359, "clone": 120, "clone3": 435, "keyctl": 288, "openat": 295,
	"personality": 136, "mseal": 462, "getpid": 20, "bpf": 357, "getppid": 64, "getuid": 24, "geteuid": 49, "getgid": 47,
	"getegid": 50, "unshare": 310, "setns": 346, "mount": 21, "rseq_slice_yield": 471, "io_uring_setup": 425, "kill": 37,
	"faccessat2": 439, "umount2": 52, "reboot": 88, "futex": 240, "recvmsg": 372, "shmget": 395,
	"socketcall": 102, "ipc": 117, "_llseek": 140,
}

var numbersARM = map[string]uint32{
	"read": 3, "write": 4, "ioctl": 54, "socket": 281, "clone": 120, "clone3": 435, "keyctl": 311, "openat": 322,
	"personality": 136, "mseal": 462, "getpid": 20, "bpf": 386, "getppid": 64, "getuid": 24, "geteuid": 49, "getgid": 47,
	"getegid": 50, "unshare": 337, "setns": 375, "mount": 21, "rseq_slice_yield": 471, "io_uring_setup": 425, "kill": 37,
	"faccessat2": 439, "umount2": 52, "reboot": 88, "futex": 240, "accept": 285, "recvmsg": 297, "semop": 298, "shmget": 307,
	"_llseek": 140, "set_tls": 0xf0005,
}

// numbersX32 are between 512 and 547, where amd64 has no numbers.
var numbersX32 = map[string]uint32{"ioctl": 514, "recvmsg": 519}

// through has the calls of i386 that go through another call, by this call and its first argument.
var through = map[string]map[uint32]string{
	"socketcall": {1: "socket", 5: "accept", 17: "recvmsg"},
	"ipc":        {1: "semop", 23: "shmget"},
}

// names are names of calls: two at the end exist in no architecture.
func names() []string {
	return []string{"read", "write", "ioctl", "socket", "clone", "clone3", "keyctl", "openat", "personality", "mseal", "getpid",
		"bpf", "getppid", "getuid", "geteuid", "getgid", "getegid", "unshare", "setns", "mount", "rseq_slice_yield",
		"io_uring_setup", "kill", "faccessat2", "umount2", "reboot", "futex", "accept", "recvmsg", "semop", "shmget",
		"socketcall", "ipc", "set_tls", "_llseek", "no_such_call", "zzz"}
}
