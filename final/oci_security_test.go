//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// profile allows all system calls but those that are named, for which the action is another one.
func profile(action specs.LinuxSeccompAction, errno *uint, names ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: names, Action: action, ErrnoRet: errno}}}
}

func TestTheActionsOfAFilter(t *testing.T) {
	c := newBundle(t)
	make := "busybox mkdir /tmp/x; echo $?; [ -d /tmp/x ]; echo $?; rmdir /tmp/x 2>/dev/null"
	errno := uint(unix.EXDEV)
	denied := func(why string) result {
		return result{"1\n1\n", "mkdir: can't create directory '/tmp/x': " + why + "\n", 0}
	}
	killed := result{fmt.Sprintf("%d\n1\n", 128+int(unix.SIGSYS)), "Bad system call\n", 0}
	for _, turn := range []struct {
		name string
		// Without one the action has its own.
		errno  *uint
		action specs.LinuxSeccompAction
		want   result
	}{
		{"errno", nil, specs.ActErrno, denied("Operation not permitted")},
		{"errnoRet", &errno, specs.ActErrno, denied("Invalid cross-device link")},
		{"kill", nil, specs.ActKill, killed},
		{"kill process", nil, specs.ActKillProcess, killed},
		{"trap", nil, specs.ActTrap, killed},
		{"trace", &errno, specs.ActTrace, denied("Function not implemented")},
		{"log", nil, specs.ActLog, result{"0\n0\n", "", 0}},
		{"allow", nil, specs.ActAllow, result{"0\n0\n", "", 0}},
	} {
		for _, noNewPrivileges := range []bool{true, false} {
			c.spec.Process.NoNewPrivileges = noNewPrivileges
			c.spec.Linux.Seccomp = profile(turn.action, turn.errno, "mkdir", "mkdirat", "no_such_call")
			c.spec.Process.Args = []string{"sh", "-c", make + "; true"}
			assert.Equal(t, turn.want, c.run(), "%s, noNewPrivileges %t", turn.name, noNewPrivileges)
		}
	}
	c.nothingLeft()
}

func TestTheDefaultActionOfAFilter(t *testing.T) {
	c := newBundle(t, "sh", "-c", "busybox mkdir /tmp/x; busybox mkdir /tmp/y")
	errno := uint(unix.ENOTBLK)
	// All that a busybox may need but one call, whatever the architecture. A call that has a name here is not newer than the profile.
	c.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &errno, Syscalls: []specs.LinuxSyscall{{
		Names: fewCalls, Action: specs.ActAllow,
	}}}
	r := c.run()
	require.Equal(t, 2, strings.Count(r.stderr, "Block device required"), r.stderr)
	c.spec.Linux.Seccomp.Syscalls[0].Names = append([]string{"mkdir", "mkdirat"}, fewCalls...)
	require.Equal(t, result{}, c.run())
}

// fewCalls are those of a busybox that does little.
var fewCalls = []string{
	"execve", "exit", "exit_group", "read", "write", "close", "brk", "mmap", "mprotect", "munmap", "arch_prctl", "set_tid_address",
	"set_robust_list", "rseq", "prlimit64", "readlink", "readlinkat", "getrandom", "getuid", "getgid", "geteuid", "getegid", "setuid",
	"setgid", "getpid", "getppid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "uname", "stat", "fstat", "lstat", "newfstatat",
	"getcwd", "fcntl", "ioctl", "open", "openat", "dup2", "dup3", "vfork", "fork", "clone", "wait4", "umask", "prctl", "sysinfo", "futex",
	"access", "faccessat", "faccessat2", "poll", "pipe", "pipe2", "chdir", "lseek", "time", "getpgrp", "getpgid", "getsid", "setpgid",
}

// A filter that is loaded while there are rights left must not keep the rest of the way from those who take them away: what that
// needs is a short list. Nothing else is called.
func TestAFilterThatKnowsFewCalls(t *testing.T) {
	for _, noNewPrivileges := range []bool{true, false} {
		c := newBundle(t, "true")
		c.spec.Process.User = specs.User{UID: 1000, GID: 1000}
		c.spec.Process.NoNewPrivileges = noNewPrivileges
		names := fewCalls
		if !noNewPrivileges {
			names = append([]string{"capset"}, names...)
		}
		c.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess, Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActAllow}}}
		require.Equal(t, result{}, c.run(), noNewPrivileges)
		c.nothingLeft()
	}
}

func TestAFilterComparesArguments(t *testing.T) {
	c := newBundle(t, "sh", "-c", "for n in 1 2 6; do busybox kill -$n 99999 2>&1; done")
	rule := specs.LinuxSyscall{Names: []string{"kill"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: 2}}}
	c.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{rule}}
	r := c.run()
	require.Equal(t, 2, strings.Count(r.stdout, "No such process"), r.stdout)
	require.Equal(t, 1, strings.Count(r.stdout, "Operation not permitted"), r.stdout)
}

func TestLabelsThatTheKernelLacks(t *testing.T) {
	c := newBundle(t, "true")
	for label, has := range map[string]bool{
		"apparmorProfile": exists("/sys/kernel/security/apparmor/profiles"), "selinuxLabel": exists("/sys/fs/selinux/enforce"),
	} {
		c.spec.Process.ApparmorProfile, c.spec.Process.SelinuxLabel = "", ""
		if label == "selinuxLabel" {
			c.spec.Process.SelinuxLabel = "system_u:system_r:container_t:s0:c1,c2"
		} else {
			c.spec.Process.ApparmorProfile = "no-such-profile"
		}
		r := c.create()
		refused(t, r, 1)
		if !has {
			assert.Contains(t, r.stderr, "process."+label+": ")
			assert.Contains(t, r.stderr, "the kernel has no")
		}
		c.nothingLeft()
	}
	c.spec.Process.ApparmorProfile, c.spec.Process.SelinuxLabel = "unconfined", ""
	c.spec.Linux.MountLabel = "system_u:object_r:container_file_t:s0:c1,c2"
	require.Equal(t, result{}, c.run())
	c.stays()
	c.spec.Process.ApparmorProfile = ""
	if !exists("/sys/fs/selinux/enforce") {
		name := c.joiner(func(p *specs.Process) { p.SelinuxLabel = "a:b:c:d" })
		r := c.final("exec", "--process", name, c.id)
		refused(t, r, 255, "process.selinuxLabel")
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
