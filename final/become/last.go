//go:build linux

package become

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/spec"
)

// last adds the calls from "go on" to the command. Each call takes rights away, so the order is the one in which each call still has the
// rights that it needs. From joinCgroups on, whatever the process uses counts against the limits of the container, which may be tiny.
func (p *Program) last() error {
	p.joinCgroups()
	if !p.joins && spec.MakesNamespace(p.Config.Linux.Namespaces, "cgroup") {
		// The current cgroups of the process become the root of its new cgroup namespace, so this call comes after joinCgroups.
		p.Stage("unshare(CLONE_NEWCGROUP)", "cgroup_namespaces(7)", 0)
		p.Do(unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	}
	if err := p.affinity(); err != nil {
		return err
	}
	if !p.OldKeyring {
		// A new session keyring hides the keys of the caller's session from the container. keyctl(2)
		p.Stage("keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "session-keyring(7)", 0)
		p.Do(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	}
	if err := p.limits(); err != nil {
		return err
	}
	if err := p.priorities(); err != nil {
		return err
	}
	if err := p.memoryPolicy(); err != nil {
		return err
	}
	p.closeAll()
	early := func() {
		if !p.Process.NoNewPrivileges {
			// Without no_new_privs a filter needs CAP_SYS_ADMIN, which the next capset takes away. seccomp(2)
			p.filter()
		}
	}
	if !p.Process.NoNewPrivileges {
		// The wait comes before the filter, which may forbid the calls of the wait.
		p.hold()
	}
	if err := p.credentials(early); err != nil {
		return err
	}
	if p.Tied {
		p.dieWithHost()
	}
	if p.Process.NoNewPrivileges {
		p.Stage("prctl(PR_SET_NO_NEW_PRIVS)", "PR_SET_NO_NEW_PRIVS(2const)", 0)
		p.Do(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		// By now the process has only the rights of the command. So a container that shares the PID namespace gains nothing by an attack on it.
		p.hold()
		// Only execve comes after the filter, which may forbid everything else.
		p.filter()
	}
	return p.execute()
}

// joinCgroups moves the process into the cgroups of version 1. The number 0 means the thread that writes it. cgroups(7)
func (p *Program) joinCgroups() {
	if p.Tasks == 0 {
		return
	}
	p.Stage(`write(tasks, "0")`, "cgroups(7)", 6)
	for _, file := range p.orders.tasks {
		p.Do(unix.SYS_WRITE, file, "0", 1)
	}
}

// closeAll closes descriptors of the host that the process no longer needs: the path of the command may be /proc/self/fd/N, and must not lead
// to them. Execve closes the rest, except what is for the command. CVE-2024-21626
func (p *Program) closeAll() {
	p.Stage("close(rootfs, tasks, ...)", "close(2)", 0)
	open := append([]calls.Slot{p.orders.root}, p.orders.tasks...)
	for i, null := range p.Null {
		if null {
			open = append(open, p.orders.null[i])
		}
	}
	if p.Process.Terminal {
		open = append(open, p.orders.slave)
	}
	if p.proc != 0 {
		open = append(open, p.proc)
	}
	for _, slot := range open {
		p.Do(unix.SYS_CLOSE, slot)
	}
	p.Stage(fmt.Sprintf("close_range(%d, ~0, CLOSE_RANGE_CLOEXEC)", p.socket), "close_range(2)", 0)
	p.Do(unix.SYS_CLOSE_RANGE, p.socket, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	if p.Extra == 0 {
		return
	}
	p.Stage(fmt.Sprintf("fcntl(3 to %d, F_SETFD, 0)", p.socket-1), "fcntl(2)", 0)
	for fd := 3; fd < p.socket; fd++ {
		p.Do(unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
	}
}

// filter loads the seccomp filter.
func (p *Program) filter() {
	if len(p.Filter) == 0 {
		return
	}
	instructions := unsafe.Slice((*byte)(unsafe.Pointer(&p.Filter[0])), len(p.Filter)*int(unsafe.Sizeof(p.Filter[0])))
	program := p.Struct(&struct {
		length  uint64
		address calls.Address
	}{uint64(len(p.Filter)), p.Bytes(instructions).At(0)})
	listens := p.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
	man := "seccomp(2)"
	if listens {
		man = "seccomp_unotify(2)"
	}
	p.Stage(fmt.Sprintf("seccomp(SECCOMP_SET_MODE_FILTER, %d instructions)", len(p.Filter)), man, 0)
	if listens {
		p.announceListener()
	}
	load := p.Do(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, p.FilterFlags, program)
	if listens {
		load.Fails(func(err error, _ string) error { return fmt.Errorf("seccomp: load a filter with a listener: %w", err) })
		// The filter may refuse this call, too. Then the process does not wait.
		p.Do(unix.SYS_READ, calls.SocketSlot, p.byte, 1).Ignore()
	}
}

// announceListener tells the host side which number the listener of the filter will have: the lowest free one. An agent decides about system
// calls by this listener. The process gets the listener when it loads the filter, and by then the filter may forbid to send it. So the host
// side takes the listener out of this process by its number. seccomp_unotify(2), pidfd_getfd(2), dup(2)
func (p *Program) announceListener() {
	number := p.Slot()
	p.Do(unix.SYS_FCNTL, calls.SocketSlot, unix.F_DUPFD_CLOEXEC, 0).To(number)
	p.Do(unix.SYS_CLOSE, number)
	p.say(WordListener, number)
}

// execute becomes the command, or the process 1 of --init, which starts the command.
func (p *Program) execute() error {
	for _, word := range slices.Concat(p.Process.Args, p.Process.Env) {
		if strings.ContainsRune(word, 0) {
			return fmt.Errorf("execve: %q: %w", word, unix.EINVAL)
		}
	}
	path, args := p.orders.path, []any{}
	for _, arg := range p.Process.Args {
		args = append(args, arg)
	}
	var env []any
	for _, variable := range p.Process.Env {
		// An empty HOME counts as none. Hooks keep theirs.
		if variable != "HOME=" || p.isHook {
			env = append(env, variable)
		}
	}
	if !p.isHook && !hasHome(p.Process.Env) {
		env = append(env, p.orders.home)
	}
	failed := func(err error, _ string) error {
		return &Failure{StatusNotExecutable, fmt.Errorf("exec: %q: %w", p.command, err)}
	}
	p.execve = p.Stage("execve(command)", "execve(2)", 1)
	if p.Init == nil {
		p.Do(unix.SYS_EXECVE, path, p.StringPointers(args...), p.StringPointers(env...)).Fails(failed)
		return nil
	}
	args = append([]any{"init", "init", path}, args...)
	// An empty path stands for the descriptor itself.
	p.Do(unix.SYS_EXECVEAT, p.initNumber, "", p.StringPointers(args...), p.StringPointers(env...), unix.AT_EMPTY_PATH).Fails(func(err error, text string) error {
		if err == unix.ENOENT {
			err = fmt.Errorf("--init: final needs a dynamic linker, which the image lacks: build final with CGO_ENABLED=0 and without -buildmode=pie (%w)", err)
		}
		return failed(err, text)
	})
	return nil
}

// hasHome reports whether an environment has a HOME that is not empty.
func hasHome(env []string) bool {
	return slices.ContainsFunc(env, func(variable string) bool { return strings.HasPrefix(variable, "HOME=") && variable != "HOME=" })
}
