//go:build linux

package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/idmap"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
)

// mapIDs maps the user and group IDs of a mount, by a map of its own or that of the container's user namespace.
// mount_setattr(2), "ID-mapped mounts"
func (r *Run) mapIDs(mount int, m *specs.Mount, recursive bool) error {
	pid := r.Process.PID
	if len(m.UIDMappings) > 0 {
		// A map is given as a user namespace, and that needs a process to be in it for a moment.
		helper := process.Make(false, r.store.warn)
		defer helper.Kill()
		maps := &namespace.Set{New: unix.CLONE_NEWUSER, UIDs: m.UIDMappings, GIDs: m.GIDMappings, Nobody: true}
		if err := helper.Start(maps, [3]*os.File{}, nil, &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}); err != nil {
			return fmt.Errorf("uidMappings, gidMappings: %w", err)
		}
		pid = helper.PID
	}
	user, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return err
	}
	defer user.Close()
	return idmap.Map(mount, int(user.Fd()), recursive)
}
