//go:build linux

package inside

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"container-workshop/final/spec"
	"container-workshop/final/stage"
)

// memoryPolicy sets from which memory nodes the command gets its memory. A thread keeps its policy through fork and execve. The call
// follows the join of the cgroups, because it chooses among the nodes of the cpuset. set_mempolicy(2)
func (l *last) memoryPolicy(c *container) error {
	p := c.MemoryPolicy
	if p == nil {
		return nil
	}
	mode, nodes, err := spec.MemoryPolicy(p)
	if err != nil {
		return fmt.Errorf("linux.memoryPolicy.%w", err)
	}
	l.keep = append(l.keep, nodes)
	// The kernel reads one bit less than we say.
	set := call{unix.SYS_SET_MEMPOLICY, [5]uintptr{uintptr(mode), uintptr(unsafe.Pointer(&nodes[0])), uintptr(len(nodes)*64 + 1)}}
	l.list = append(l.list, stage.Stage{Call: fmt.Sprintf("set_mempolicy(%s)", p.Mode), Man: "set_mempolicy(2)", Do: func() error {
		err := set.make()
		switch {
		case errors.Is(err, unix.EINVAL):
			err = fmt.Errorf("%w (use nodes that are in /sys/devices/system/node/has_memory and in the cpuset, and a mode and flags that this kernel knows)", err)
		case errors.Is(err, unix.ENOSYS):
			err = fmt.Errorf("%w (the kernel has no NUMA: leave the field out)", err)
		}
		if err != nil {
			return fmt.Errorf("linux.memoryPolicy: set_mempolicy(%s, nodes %q, flags %q): %w", p.Mode, p.Nodes, p.Flags, err)
		}
		return nil
	}})
	return nil
}
