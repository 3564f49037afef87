//go:build linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	nativeArch = specs.ArchX86_64
	auditArch  = unix.AUDIT_ARCH_X86_64
	// Programs of 32 bits make system calls of i386, and programs of 64 bits can make them by interrupt 0x80.
	compatArch  = specs.ArchX86
	compatAudit = unix.AUDIT_ARCH_I386
	// System calls of x32 have AUDIT_ARCH_X86_64 too, and this bit in their number. seccomp(2)
	x32Bit = 1 << 30
)

// x32Calls are the calls that have other numbers in x32 than in amd64. They end the kernel's syscall_64.tbl, which gets no more
// of them.
var x32Calls = [...]systemCall{
	{"rt_sigaction", 512}, {"rt_sigreturn", 513}, {"ioctl", 514}, {"readv", 515}, {"writev", 516}, {"recvfrom", 517},
	{"sendmsg", 518}, {"recvmsg", 519}, {"execve", 520}, {"ptrace", 521}, {"rt_sigpending", 522}, {"rt_sigtimedwait", 523},
	{"rt_sigqueueinfo", 524}, {"sigaltstack", 525}, {"timer_create", 526}, {"mq_notify", 527}, {"kexec_load", 528},
	{"waitid", 529}, {"set_robust_list", 530}, {"get_robust_list", 531}, {"vmsplice", 532}, {"move_pages", 533},
	{"preadv", 534}, {"pwritev", 535}, {"rt_tgsigqueueinfo", 536}, {"recvmmsg", 537}, {"sendmmsg", 538},
	{"process_vm_readv", 539}, {"process_vm_writev", 540}, {"setsockopt", 541}, {"getsockopt", 542}, {"io_setup", 543},
	{"io_submit", 544}, {"execveat", 545}, {"preadv2", 546}, {"pwritev2", 547},
}

// moreCompatCalls are the calls of i386 that go through socketcall(2) and ipc(2). Many C libraries use no other way.
var moreCompatCalls = [...]systemCall{
	{"socket", socketcall | 1}, {"bind", socketcall | 2}, {"connect", socketcall | 3}, {"listen", socketcall | 4},
	{"accept", socketcall | 5}, {"getsockname", socketcall | 6}, {"getpeername", socketcall | 7},
	{"socketpair", socketcall | 8}, {"send", socketcall | 9}, {"recv", socketcall | 10}, {"sendto", socketcall | 11},
	{"recvfrom", socketcall | 12}, {"shutdown", socketcall | 13}, {"setsockopt", socketcall | 14},
	{"getsockopt", socketcall | 15}, {"sendmsg", socketcall | 16}, {"recvmsg", socketcall | 17},
	{"accept4", socketcall | 18}, {"recvmmsg", socketcall | 19}, {"sendmmsg", socketcall | 20},
	{"semop", ipc | 1}, {"semget", ipc | 2}, {"semctl", ipc | 3}, {"semtimedop", ipc | 4},
	{"msgsnd", ipc | 11}, {"msgrcv", ipc | 12}, {"msgget", ipc | 13}, {"msgctl", ipc | 14},
	{"shmat", ipc | 21}, {"shmdt", ipc | 22}, {"shmget", ipc | 23}, {"shmctl", ipc | 24},
}

const (
	socketcall = multiplexed | 102<<16
	ipc        = multiplexed | 117<<16
)
