//go:build linux

package become

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Hook returns the list of a process that runs a hook in the namespaces of a container. The hook starts in the directory Root of its orders.
// A startContainer hook is a program of the container: Root is also its root directory, and it has only the rights of the command. A
// createContainer hook is a program of the host, and has all rights. config.md, "POSIX-platform Hooks"
func Hook(q *Request, h *specs.Hook, env []string, start bool) (*Program, error) {
	command := *q.Process
	command.Args, command.Env, command.Terminal = h.Args, env, false
	if len(h.Args) == 0 {
		command.Args = []string{h.Path}
	}
	if h.Env != nil {
		command.Env = h.Env
	}
	request := *q
	request.Process, request.Held, request.Tied, request.Init = &command, false, true, nil
	request.FilterFlags &^= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	p := newProgram(&request)
	p.joins, p.isHook = true, true
	p.enter()
	p.begin()
	p.receive()
	p.Stage("fchdir(rootfs)", "chdir(2)", 0)
	p.Do(unix.SYS_FCHDIR, p.orders.root)
	if !start {
		p.takeLeave()
		return p, p.execute()
	}
	p.chroot()
	// If the directory is missing, the command fails later, and says why.
	p.Stage(fmt.Sprintf("chdir(%q)", command.Cwd), "chdir(2)", 0)
	p.Do(unix.SYS_CHDIR, command.Cwd).Ignore()
	return p, p.last()
}

// Waiting returns the list of a process that only keeps its namespaces alive, until somebody kills it or the host side ends.
func Waiting(q *Request) *Program {
	p := newProgram(q)
	p.begin()
	p.wait()
	return p
}
