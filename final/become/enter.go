//go:build linux

package become

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// enter takes the process into existing namespaces, and into a new user or time namespace. A process that needs only new namespaces of other
// kinds gets them by the clone that starts it, and enter adds nothing.
//
// A process cannot change its own PID namespace: setns(2) only decides about its children. So the process that the host side has started,
// the first process, starts a second one, and ends. The second process goes on with the list. CLONE_PARENT makes it a child of the host
// side, too. pid_namespaces(7)
//
// For a new user namespace, one clone by Go would be enough. But Go would copy the memory of final, and a list has hardly any memory to copy.
//
//	host side                     first process                     second process
//	clone, execve --------------> not dumpable any more
//	                              makes a time namespace, if wanted
//	                              joins namespaces, the user namespace last
//	                              clone, with new namespaces -----> waits
//	reads the PID <-------------- writes the PID of the second
//	waits for its end             exits
//	writes the ID maps; a byte ---------------------------------->  becomes user 0, if there is a user namespace
//	                                                                and goes on with the list
//
// Both processes execute the list from the start, and never the program of the host. So the container finds only the list in /proc/PID/exe
// and in their memory. CVE-2016-9962, CVE-2019-5736
func (p *Program) enter() {
	s := p.Namespaces
	if !s.NeedsEnter() {
		return
	}
	because := func(what string) func(error, string) error {
		return func(err error, _ string) error {
			return fmt.Errorf("start a process in its namespaces: %s: %w", what, err)
		}
	}
	p.Stage("prctl(PR_SET_DUMPABLE, 0)", "PR_SET_DUMPABLE(2const)", 0)
	p.Do(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	p.dropGroups()
	p.newTime(because("make a time namespace"))
	for _, handle := range s.Joined {
		p.Stage(fmt.Sprintf("setns(%s)", handle.Names()), "setns(2)", 0)
		p.Do(unix.SYS_SETNS, p.add(handle.File), handle.Flags).Fails(because("join the namespaces"))
	}
	child, goOn := p.Slot(), p.Label()
	p.Stage("clone()", "clone(2)", 3)
	p.Do(unix.SYS_CLONE, s.New|unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0).To(child).On(0, goOn).Fails(because("clone"))
	// The first process is in the PID namespace of the host side, so this PID means the same to the host side.
	p.say(WordPID, child)
	p.Exit(0)
	p.Mark(goOn)
	// A child does not inherit the parent-death signal.
	p.Do(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
	p.Stage("read(go on)", "unix(7)", 0).Waiting = true
	p.wait()
	p.becomeUser(because("become user 0 of the user namespace"))
	p.Stage("setsid()", "setsid(2)", 0)
	p.Do(unix.SYS_SETSID)
}

// dropGroups gives up the groups of the caller, before the process joins a user namespace that may forbid to: then the command would have the
// groups. If our own user namespace forbids setgroups, the groups stay. user_namespaces(7)
func (p *Program) dropGroups() {
	if p.Namespaces.HasUser() {
		p.Stage("setgroups(0)", "setgroups(2)", 0)
		p.Do(unix.SYS_SETGROUPS, 0, 0).Ignore()
	}
}

// newTime makes a time namespace for the second process. The clocks can be set only as long as the namespace has no process.
// time_namespaces(7)
func (p *Program) newTime(because func(error, string) error) {
	if p.Namespaces.Offsets == nil {
		return
	}
	p.Stage("unshare(CLONE_NEWTIME)", "time_namespaces(7)", 0)
	p.Do(unix.SYS_UNSHARE, unix.CLONE_NEWTIME).Fails(because)
	lines := p.Namespaces.OffsetLines()
	if len(lines) == 0 {
		return
	}
	file := p.Slot()
	p.Do(unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/timens_offsets", unix.O_WRONLY|unix.O_CLOEXEC, 0).To(file).Fails(because)
	p.Do(unix.SYS_WRITE, file, lines, len(lines)).Fails(because)
	p.Do(unix.SYS_CLOSE, file)
}

// becomeUser makes the process user 0 of its user namespace, if there is one. capabilities(7)
func (p *Program) becomeUser(because func(error, string) error) {
	if !p.Namespaces.HasUser() {
		return
	}
	p.Stage("setresuid(0), setresgid(0)", "credentials(7)", 0)
	p.Do(unix.SYS_SETRESGID, 0, 0, 0).Fails(because)
	p.Do(unix.SYS_SETRESUID, 0, 0, 0).Fails(because)
}
