//go:build linux

// Package inside runs in the container, as process 1, between clone and execve.
//
// Who starts it: the host side, by clone and execve of this program (see package container, which draws how the two talk).
// Where it is: in new namespaces, as root of the host with all capabilities, still with the host's tree as its root.
// What it sees: a descriptor, which is a socket to the host side, and the standard streams of the command.
// What it has of the caller's environment: nothing. Others may see it, where they share a PID namespace.
// What it has of Go: one thread at work and no garbage collection, as its environment says, since anything more could count
// against the limits of the command in its last moments.
// How it ends: it becomes the command by execve, or says why it could not and exits. It dies with the host side: by the
// parent-death signal, or because its socket is closed when it waits for a message. Only what is held, for a later process to
// start it, does not.
package inside

import (
	"errors"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// A container is process 1 at work.
type container struct {
	Config
	socket Socket
	// first is the first descriptor that is not for the command.
	first int
	list  stage.List
	// tree is the root directory of the container, from when it is mounted on.
	tree rootfs.Root
	// own are the mounts in it that nobody else has.
	own rootfs.Own
	// proc is a file system of the container's processes that no image can have its hand in. -1 until there is one.
	proc int
	// root is the mount for the root directory.
	root int
	// clones are bind mounts that are not attached yet, by the index of the mount.
	clones map[int]int
	// cgroups are bind mounts of the container's cgroups that are not attached yet.
	cgroups []int
	// tasks are the files by which we join the cgroups, open.
	tasks []int
	// start is a listening socket, and held a locked file. execve closes both.
	start, held int
	// later are mounts that become read-only when all is in them.
	later []int
	// terminal is the master of the command's terminal, -1 if it has none.
	terminal int
	command  command
	// last is what comes after the host side's word.
	last last
	// self is this program, for what starts it again when the host's tree is out of sight. -1 if nothing does.
	self     int
	warnings []string
}

// Main becomes the command, or returns the exit status. It has to be called on the first thread of the process, locked to it.
// The descriptors from 3 up to the socket are the command's.
func Main(socket int) int {
	// What is for the command is not for the hooks before it.
	_ = unix.CloseRange(3, uint(socket), unix.CLOSE_RANGE_CLOEXEC)
	// Nobody in the container to be is to look into this process, which has the rights of the host's root. CVE-2016-9962
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)

	c := &container{socket: Socket(socket), first: socket, proc: -1, terminal: -1, self: -1, clones: map[int]int{}}
	descriptors, err := c.socket.Receive(&c.Config)
	if err != nil {
		if err != io.EOF {
			os.Stderr.WriteString("inside: only run can start this\n")
		}
		// The host side is gone.
		return StatusFailed
	}
	c.take(descriptors)
	if c.Tied {
		// For one that joins a container this cannot be asked for with clone: its parent is out of its sight. PR_SET_PDEATHSIG(2const)
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	}
	c.command = command{args: decode(c.Args), env: decode(c.Env)}
	c.list = stage.List{Side: "container", Explain: c.Explain}
	err = c.become()
	_ = c.socket.Send(Report{Error: err.Error(), Status: status(err), Records: c.list.Records})
	return StatusFailed
}

// take sorts the descriptors that come with the configuration. See Config for their order.
func (c *container) take(descriptors []int) {
	next := func() int {
		first := descriptors[0]
		descriptors = descriptors[1:]
		return first
	}
	c.root = next()
	for _, i := range c.Bound {
		c.clones[i] = next()
	}
	for range c.Cgroups {
		c.cgroups = append(c.cgroups, next())
	}
	for range c.Tasks {
		c.tasks = append(c.tasks, next())
	}
	if c.Held {
		c.start, c.held = next(), next()
	}
}

// become works through all stages. It returns only if one of them fails.
func (c *container) become() error {
	stages := c.create
	if c.Joins {
		stages = c.join
	}
	if err := stages(); err != nil {
		return err
	}
	last, err := c.prepareLast()
	if err != nil {
		return err
	}
	if err := c.ready(); err != nil {
		return err
	}
	// From here on what we use counts against the limits of the container, and may be all that they allow.
	err = c.list.Run(last...)
	runtime.KeepAlive(c)
	return err
}

// ready tells the host side, and waits for its word to go on. On version 2 it puts us into the cgroups in between.
func (c *container) ready() error {
	var descriptors []int
	if c.terminal != -1 {
		descriptors = append(descriptors, c.terminal)
	}
	return c.await(Report{Warnings: c.warnings}, descriptors...)
}

// await makes a report, and waits for the host side's word to go on.
func (c *container) await(report Report, descriptors ...int) error {
	report.Records = c.list.Records
	if err := c.socket.Send(report, descriptors...); err != nil {
		return err
	}
	c.list.Records = c.list.Records[:0]
	return c.word()
}

func (c *container) word() error {
	var word struct{}
	if _, err := c.socket.Receive(&word); err != nil {
		return errors.New("the host side has ended")
	}
	return nil
}

// A notExecutable or notFound error is about the command.
type (
	notExecutable struct{ error }
	notFound      struct{ error }
)

func (e notExecutable) Unwrap() error { return e.error }
func (e notFound) Unwrap() error      { return e.error }

func status(err error) int {
	switch {
	case errors.As(err, new(notFound)):
		return StatusNotFound
	case errors.As(err, new(notExecutable)):
		return StatusNotExecutable
	}
	return StatusFailed
}
