//go:build linux

package inside

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/join/nofile"
	"container-workshop/final/more/hook"
	"container-workshop/final/seccomp"
	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// A call is a system call with all that it needs at hand. It is made when we are in the cgroups already, where there may be no
// memory to allocate from and no room for another thread. So it is a raw call: the scheduler of Go does not hear of it. What is
// no raw call is only there if it is asked for: to wait for start, hooks, --explain.
type call struct {
	number uintptr
	args   [5]uintptr
}

func (l call) make() error {
	_, _, errno := unix.RawSyscall6(l.number, l.args[0], l.args[1], l.args[2], l.args[3], l.args[4], 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// last makes stages of calls. The order is the one in which each still may do what it has to.
type last struct {
	list []stage.Stage
	// keep holds what the calls point to, as Go sees numbers in them, not pointers. So it must be reachable itself.
	keep []any
}

func (l *last) add(name, man string, calls ...call) {
	l.list = append(l.list, stage.Stage{Call: name, Man: man, Do: func() error {
		for i := range calls {
			if err := calls[i].make(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}})
}

// prepareLast prepares what is to be done between the host side's word and the command.
func (c *container) prepareLast() ([]stage.Stage, error) {
	l := &c.last
	if err := l.place(c); err != nil {
		return nil, err
	}
	if !c.OldKeyring {
		// The keys of the caller's session are not for the container. keyctl(2)
		l.add("keyctl(KEYCTL_JOIN_SESSION_KEYRING)", "session-keyring(7)", call{unix.SYS_KEYCTL, [5]uintptr{unix.KEYCTL_JOIN_SESSION_KEYRING, 0}})
	}
	if err := l.limits(c.Rlimits); err != nil {
		return nil, err
	}
	if err := l.priorities(c); err != nil {
		return nil, err
	}
	if err := l.memoryPolicy(c); err != nil {
		return nil, err
	}
	l.close(c.first)
	if !c.NoNewPrivileges {
		// The filter comes early, and may know none of the calls by which we wait.
		l.hold(c)
	}
	early := func() {
		if !c.NoNewPrivileges {
			// Without no_new_privs a filter needs CAP_SYS_ADMIN, which goes next. seccomp(2)
			l.filter(c)
		}
	}
	missing, err := l.credentials(&c.User, c.Capabilities, c.mayHaveGroups(), early)
	if err != nil {
		return nil, err
	}
	if missing != 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("process.capabilities: left out, because final cannot give them: %s", missing))
	}
	if c.Tied {
		// A change of user makes the kernel forget it, so it is asked for here.
		l.add("prctl(PR_SET_PDEATHSIG, SIGKILL)", "PR_SET_PDEATHSIG(2const)", call{unix.SYS_PRCTL, [5]uintptr{unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL)}})
	}
	if c.NoNewPrivileges {
		l.add("prctl(PR_SET_NO_NEW_PRIVS)", "PR_SET_NO_NEW_PRIVS(2const)", call{unix.SYS_PRCTL, [5]uintptr{unix.PR_SET_NO_NEW_PRIVS, 1}})
		// By now we may do no more than the command. Another container can see us, if they share a PID namespace.
		l.hold(c)
	}
	l.tell(c)
	if c.NoNewPrivileges {
		// Nothing but execve comes after it: it may forbid everything else.
		l.filter(c)
	}
	if err := l.hooks(c); err != nil {
		return nil, err
	}
	if err := l.execve(c); err != nil {
		return nil, err
	}
	return l.list, nil
}

// tell adds the report of what comes after it, if anybody asks: later there is nobody to tell of it.
func (l *last) tell(c *container) {
	if !c.Explain {
		return
	}
	report := len(l.list)
	l.list = append(l.list, stage.Stage{Do: func() error {
		c.list.Ahead(l.list[report+1:])
		return c.socket.Send(Report{Records: c.list.Records})
	}})
}

// close adds what closes all at execve that is not for the command: it is the host's. Nothing is opened after this, and a filter may
// not know the call. CVE-2024-21626
func (l *last) close(first int) {
	l.add(fmt.Sprintf("close_range(%d, ~0, CLOSE_RANGE_CLOEXEC)", first), "close_range(2)",
		call{unix.SYS_CLOSE_RANGE, [5]uintptr{uintptr(first), 1<<32 - 1, unix.CLOSE_RANGE_CLOEXEC}})
	var keep []call
	for fd := 3; fd < first; fd++ {
		keep = append(keep, call{unix.SYS_FCNTL, [5]uintptr{uintptr(fd), unix.F_SETFD, 0}})
	}
	if keep != nil {
		l.add(fmt.Sprintf("fcntl(3 to %d, F_SETFD, 0)", first-1), "fcntl(2)", keep...)
	}
}

// hold adds the wait for start, if there is one.
func (l *last) hold(c *container) {
	if c.Held {
		l.list = append(l.list, stage.Stage{Call: "accept(start)", Man: "unix(7)", Waiting: true, Do: c.hold})
	}
}

// hooks adds the hooks for just before the command. Their programs are the container's, so they have its rights and no others.
func (l *last) hooks(c *container) error {
	if len(c.StartContainer) == 0 {
		return nil
	}
	run, err := hook.Prepare("startContainer", c.StartContainer, c.State, hook.Place{Env: c.command.env})
	if err != nil {
		return err
	}
	l.list = append(l.list, stage.Stage{Call: "execve(startContainer hooks)", Man: "execve(2)", Do: func() error {
		if err := run(); err != nil {
			return err
		}
		// For who has to tell it from our end. What the filter makes of it is another matter.
		_ = c.socket.Send(Report{Hooked: true})
		return nil
	}})
	return nil
}

func (l *last) filter(c *container) {
	if len(c.Filter) == 0 {
		return
	}
	program := seccomp.Program(c.Filter)
	l.keep = append(l.keep, program)
	name := fmt.Sprintf("seccomp(SECCOMP_SET_MODE_FILTER, %d instructions)", len(c.Filter))
	load := call{unix.SYS_SECCOMP, [5]uintptr{unix.SECCOMP_SET_MODE_FILTER, uintptr(c.FilterFlags), uintptr(unsafe.Pointer(program))}}
	if c.FilterFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		l.add(name, "seccomp(2)", load)
		return
	}
	l.list = append(l.list, stage.Stage{Call: name, Man: "seccomp_unotify(2)", Do: func() error { return c.loadListened(load) }})
}

// place adds where we are to be counted and to run.
func (l *last) place(c *container) error {
	l.join(c.tasks)
	if c.CgroupNamespace {
		// The cgroups that we are in now become the root of what we see of them. cgroup_namespaces(7)
		l.add("unshare(CLONE_NEWCGROUP)", "cgroup_namespaces(7)", call{unix.SYS_UNSHARE, [5]uintptr{unix.CLONE_NEWCGROUP}})
	}
	return l.affinity(c.CPUAffinity)
}

// join puts us into the cgroups of version 1. What comes next is all that we do in them.
func (l *last) join(tasks []int) {
	if len(tasks) == 0 {
		return
	}
	// This thread, whatever its number. cgroups(7)
	ourselves := []byte("0")
	l.keep = append(l.keep, ourselves)
	var calls []call
	for _, file := range tasks {
		calls = append(calls, call{unix.SYS_WRITE, [5]uintptr{uintptr(file), uintptr(unsafe.Pointer(&ourselves[0])), 1}})
	}
	l.add(`write(tasks, "0")`, "cgroups(7)", calls...)
	l.list[len(l.list)-1].Step = 6
}

// limits sets resource limits. The limit on open files is the caller's if the configuration has none. prlimit(2)
func (l *last) limits(limits []specs.POSIXRlimit) error {
	const files = "RLIMIT_NOFILE"
	if !slices.ContainsFunc(limits, func(limit specs.POSIXRlimit) bool { return limit.Type == files }) {
		inherited, err := nofile.Restore()
		if err != nil {
			return err
		}
		limits = append(slices.Clip(limits), specs.POSIXRlimit{Type: files, Soft: inherited.Cur, Hard: inherited.Max})
	}
	for i, limit := range limits {
		resource, known := spec.Rlimit(limit.Type)
		if !known {
			return fmt.Errorf("process.rlimits[%d]: unknown limit %q", i, limit.Type)
		}
		value := &unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}
		l.keep = append(l.keep, value)
		set := call{unix.SYS_PRLIMIT64, [5]uintptr{0, uintptr(resource), uintptr(unsafe.Pointer(value))}}
		name := fmt.Sprintf("prlimit(%s)", limit.Type)
		l.list = append(l.list, stage.Stage{Call: name, Man: "prlimit(2)", Do: func() error {
			err := set.make()
			if err == unix.EPERM {
				err = fmt.Errorf("%w (a hard limit above yours, see ulimit -Ha, needs CAP_SYS_RESOURCE; nofile must not be above fs.nr_open)", err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}})
	}
	return nil
}

// execve replaces us by the command, or by our own init, which starts it.
func (l *last) execve(c *container) error {
	file, args := c.command.path, c.command.args
	if c.Init {
		// An empty name stands for the descriptor itself.
		file = ""
		args = append([]string{"init", "init", c.command.path}, args...)
	}
	name := fmt.Sprintf("execve(%q)", c.command.path)
	path, err := unix.BytePtrFromString(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	argv, err := pointers(args)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	env, err := pointers(c.command.env)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l.keep = append(l.keep, path, argv, env)
	exec := call{unix.SYS_EXECVE, [5]uintptr{uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0]))}}
	if c.Init {
		exec = call{unix.SYS_EXECVEAT, [5]uintptr{uintptr(c.self), uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH}}
	}
	l.list = append(l.list, stage.Stage{Call: name, Man: "execve(2)", Step: 1, Do: func() error {
		return notExecutable{fmt.Errorf("exec: %q: %w", c.command.path, exec.make())}
	}})
	return nil
}

// pointers returns strings as C has them: ended by zero, in an array that is ended by nil.
func pointers(list []string) ([]*byte, error) {
	all := make([]*byte, len(list)+1)
	for i, s := range list {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		all[i] = p
	}
	return all, nil
}
