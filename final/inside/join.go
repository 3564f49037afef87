//go:build linux

package inside

import (
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// join takes us into a container that is there. The host side has started us in its namespaces already, but for that of mounts:
// our program is not in sight there, nor is what a Go program reads when it starts to be trusted there. Until our own execve we
// are a process that the container can see, with all the rights of the host: it cannot look into us, as it has fewer
// capabilities, nor write to our program, as that is on a read-only mount.
func (c *container) join() error {
	unix.Umask(0)
	stages := []stage.Stage{
		{Call: "setns(pidfd, CLONE_NEWNS)", Man: "setns(2)", Do: c.joinMounts},
		{Call: `fsopen("proc")`, Man: "fsopen(2)", Do: c.openProc},
		// setns(2) has made the root of the mount namespace ours.
		{Call: `open("/", O_PATH)`, Man: "open(2)", Do: func() (err error) {
			c.tree, err = rootfs.OpenRoot("/")
			return err
		}},
	}
	if err := c.list.Run(stages...); err != nil {
		return err
	}
	for _, stages := range []func() ([]stage.Stage, error){c.security, c.openTerminal, c.process} {
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
