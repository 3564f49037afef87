//go:build linux

package inside

import (
	"golang.org/x/sys/unix"

	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// join makes us a process of a container that is there. The host side has started us in its namespaces: see package namespace. Until
// our own execve the container can see us, and we still have rights that it has not. It cannot look into us unless it may look
// into any process (CAP_SYS_PTRACE), nor write to our program, as that is on a read-only mount.
func (c *container) join() error {
	unix.Umask(0)
	stages := []stage.Stage{
		{Call: `chroot("/proc/PID/root")`, Man: "chroot(2)", Do: func() error {
			c.tree = rootfs.Root(c.root)
			if err := rootfs.EnterDetached(c.root); err != nil {
				return err
			}
			return rootfs.ChangeRoot()
		}},
		// It shows processes and nothing else: with CAP_SYS_PTRACE the container can reach it, and must not find /proc/sys there. proc(5)
		{Call: `fsopen("proc", subset=pid)`, Man: "fsopen(2)", Do: func() error { return c.openProc("subset=pid") }},
	}
	if err := c.list.Run(stages...); err != nil {
		return err
	}
	for _, stages := range []func() ([]stage.Stage, error){c.initialAffinity, c.labels, c.openTerminal, c.prepareCommand} {
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
