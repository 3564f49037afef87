//go:build linux

package inside

import (
	"fmt"

	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// join takes us into a container that is there. The host side has started us in its PID namespace already, as a process cannot
// change its own. Until our own execve we are a process that the container can see, with all the rights of the host: it cannot
// look into us, as it has fewer capabilities, nor write to our program, as that is on a read-only mount.
func (c *container) join() error {
	unix.Umask(0)
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP
	stages := append(c.openTasks(), []stage.Stage{
		// What is left of us that is shared with other threads is the root and the working directory: setns wants its own.
		{Call: "unshare(CLONE_FS)", Man: "unshare(2)", Do: func() error { return unix.Unshare(unix.CLONE_FS) }},
		{Call: "setns(pidfd, mount, UTS, IPC, network, cgroup)", Man: "setns(2)", Do: func() error {
			if err := unix.Setns(c.Join, all); err != nil {
				return fmt.Errorf("join the namespaces of the container: %w", err)
			}
			return nil
		}},
		{Call: `fsopen("proc")`, Man: "fsopen(2)", Do: c.openProc},
		// setns(2) has made the root of the mount namespace ours.
		{Call: `open("/", O_PATH)`, Man: "open(2)", Do: func() (err error) {
			c.tree, err = rootfs.OpenRoot("/")
			return err
		}},
	}...)
	if err := c.list.Run(stages...); err != nil {
		return err
	}
	if err := c.list.Run(c.score()...); err != nil {
		return err
	}
	for _, stages := range []func() ([]stage.Stage, error){c.openTerminal, c.process} {
		list, err := stages()
		if err != nil {
			return err
		}
		if err := c.list.Run(list...); err != nil {
			return err
		}
	}
	return nil
}
