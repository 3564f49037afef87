//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	none  = ^uintptr(0)
	wrong = uintptr(1)
)

// attempts are system calls with arguments that do no harm: without a seccomp filter the kernel checks the caller's rights, or finds
// the arguments wrong.
var attempts = []struct {
	name   string
	number uintptr
	args   []uintptr
}{
	{"mount", unix.SYS_MOUNT, []uintptr{wrong, wrong, wrong}},
	{"umount2", unix.SYS_UMOUNT2, []uintptr{wrong, 0xffff}},
	{"pivot_root", unix.SYS_PIVOT_ROOT, []uintptr{wrong, wrong}},
	{"chroot", unix.SYS_CHROOT, []uintptr{wrong}},
	{"unshare", unix.SYS_UNSHARE, []uintptr{1}},
	{"setns", unix.SYS_SETNS, []uintptr{none, 0}},
	{"clone3", unix.SYS_CLONE3, []uintptr{0, 0}},
	{"ptrace", unix.SYS_PTRACE, []uintptr{16, none}},
	{"add_key", unix.SYS_ADD_KEY, nil},
	{"request_key", unix.SYS_REQUEST_KEY, nil},
	{"keyctl", unix.SYS_KEYCTL, []uintptr{9999}},
	{"bpf", unix.SYS_BPF, []uintptr{9999, wrong, 0}},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, []uintptr{wrong, 0, none, none, 0}},
	{"userfaultfd", unix.SYS_USERFAULTFD, []uintptr{0xff}},
	{"kexec_load", unix.SYS_KEXEC_LOAD, []uintptr{0, 9999, wrong, none}},
	{"init_module", unix.SYS_INIT_MODULE, []uintptr{wrong, 0, wrong}},
	{"finit_module", unix.SYS_FINIT_MODULE, []uintptr{none, wrong, 0}},
	{"delete_module", unix.SYS_DELETE_MODULE, []uintptr{wrong, 0}},
	{"reboot", unix.SYS_REBOOT, []uintptr{0, 0, 0}},
	{"swapon", unix.SYS_SWAPON, []uintptr{wrong, none}},
	{"swapoff", unix.SYS_SWAPOFF, []uintptr{wrong}},
	{"acct", unix.SYS_ACCT, []uintptr{wrong}},
	{"quotactl", unix.SYS_QUOTACTL, []uintptr{none, wrong, 0, 0}},
	{"syslog", unix.SYS_SYSLOG, []uintptr{99}},
	{"clock_settime", unix.SYS_CLOCK_SETTIME, []uintptr{0, wrong}},
	{"sethostname", unix.SYS_SETHOSTNAME, []uintptr{wrong, none}},
	{"setdomainname", unix.SYS_SETDOMAINNAME, []uintptr{wrong, none}},
	{"name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT, []uintptr{none, wrong, wrong, wrong, 0}},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, []uintptr{none, wrong, 0}},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, []uintptr{0, 0}},
	{"fsopen", unix.SYS_FSOPEN, []uintptr{wrong, 0}},
	{"fsmount", unix.SYS_FSMOUNT, []uintptr{none, 0, 0}},
	{"open_tree", unix.SYS_OPEN_TREE, []uintptr{none, wrong, 0}},
	{"move_mount", unix.SYS_MOVE_MOUNT, []uintptr{none, wrong, none, wrong, 0}},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, []uintptr{none, wrong, 0, wrong, 0}},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, []uintptr{none, 0}},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD, []uintptr{none, none, 0}},
	{"process_vm_readv", unix.SYS_PROCESS_VM_READV, []uintptr{none, wrong, 1, wrong, 1, 0}},
	{"kcmp", unix.SYS_KCMP, []uintptr{none, none, 0, 0, 0}},
	{"move_pages", unix.SYS_MOVE_PAGES, []uintptr{none, 0, 0, 0, 0, 0}},
	{"set_mempolicy", unix.SYS_SET_MEMPOLICY, []uintptr{9999, 0, 0}},
	{"mbind", unix.SYS_MBIND, []uintptr{wrong, 0, 9999, 0, 0, 0}},
	{"memfd_secret", unix.SYS_MEMFD_SECRET, []uintptr{0xffff}},
	{"fanotify_init", unix.SYS_FANOTIFY_INIT, []uintptr{0xffffffff, 0}},
	{"mknodat", unix.SYS_MKNODAT, []uintptr{none, wrong, unix.S_IFCHR, 0}},
	{"fchmodat", unix.SYS_FCHMODAT, []uintptr{none, wrong, 0o777}},
	{"fchownat", unix.SYS_FCHOWNAT, []uintptr{none, wrong, 0, 0, 0}},
	{"linkat", unix.SYS_LINKAT, []uintptr{none, wrong, none, wrong, 0}},
	{"prctl", unix.SYS_PRCTL, []uintptr{9999}},
	{"seccomp", unix.SYS_SECCOMP, []uintptr{9999}},
	{"capset", unix.SYS_CAPSET, []uintptr{0, 0}},
	{"setpriority", unix.SYS_SETPRIORITY, []uintptr{99, 0, 0}},
	{"kill", unix.SYS_KILL, []uintptr{1 << 30, 0}},
	{"setuid", unix.SYS_SETUID, []uintptr{none}},
	{"setgroups", unix.SYS_SETGROUPS, []uintptr{1 << 20, wrong}},
	{"semget", unix.SYS_SEMGET, []uintptr{0x5eed, 0, 0}},
	{"msgget", unix.SYS_MSGGET, []uintptr{0x5eed, 0}},
	{"shmget", unix.SYS_SHMGET, []uintptr{0x5eed, 0, 0}},
	{"mq_open", unix.SYS_MQ_OPEN, []uintptr{wrong, 0}},
	{"mlock", unix.SYS_MLOCK, []uintptr{0, 0}},
}

// families are kinds of sockets that a filter or missing rights may refuse.
var families = []struct {
	name                   string
	family, kind, protocol int
}{
	{"socket of IPv4", unix.AF_INET, unix.SOCK_STREAM, 0}, {"socket of VSOCK", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
	{"socket of ALG", unix.AF_ALG, unix.SOCK_SEQPACKET, 0}, {"socket of packets", unix.AF_PACKET, unix.SOCK_RAW, 0},
	{"socket of audit", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, {"raw socket", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
	{"socket of Unix", unix.AF_UNIX, unix.SOCK_STREAM, 0},
}

func calls() any {
	all := section{}
	for _, a := range attempts {
		all[a.name] = call(a.number, a.args...)
	}
	for _, f := range families {
		fd, err := unix.Socket(f.family, f.kind|unix.SOCK_CLOEXEC, f.protocol)
		all[f.name] = told("works", err)
		if err == nil {
			unix.Close(fd)
		}
	}
	// Whether the program is watched: a vsyscall page, a vdso or its absence change nothing that a container shows.
	all["getpid"] = fmt.Sprint(unix.Getpid() > 0)
	return all
}

// stdin returns what a hook is told on its standard input.
func stdin() any {
	text := make([]byte, 0, 1<<16)
	for {
		n, err := unix.Read(0, text[len(text):cap(text)])
		if n <= 0 || err != nil {
			return told(string(text), err)
		}
		text = text[:len(text)+n]
	}
}
