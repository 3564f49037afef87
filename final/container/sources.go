//go:build linux

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/become"
	"container-workshop/final/inside"
	"container-workshop/final/more/idmap"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
)

// openRoot opens the mount for the root directory.
func (r *Run) openRoot(p *plan) error {
	root, err := r.mountRoot(p)
	if err != nil {
		return err
	}
	p.inside.Root = p.add(root)
	p.orders.Root = root
	// systemd makes mounts on the host shared: so without this call the host would see the mounts of the container. The container sees later
	// mounts of the host only if it asks for them. config-linux.md, "Rootfs Mount Propagation"
	propagation := uint64(unix.MS_PRIVATE)
	if word := strings.TrimPrefix(r.request.Spec.Linux.RootfsPropagation, "r"); word == "slave" || word == "shared" {
		propagation = unix.MS_SLAVE
	}
	return rootfs.Change(root, 0, 0, propagation, true)
}

func (r *Run) mountRoot(p *plan) (int, error) {
	switch {
	case r.request.Mount == nil:
		return r.request.Root.Clone(".", true)
	case !p.inside.UserNamespace:
		return r.request.Mount(nil)
	}
	return r.request.Mount(func(mount int) error { return mapAs(r.Process.PID, mount, false) })
}

// openMounts clones the sources of bind mounts where this has to happen in the host's mount namespace: for a container in a user namespace,
// or in an existing mount namespace, and where IDs are mapped.
func (r *Run) openMounts(p *plan) error {
	for i := range p.inside.Spec.Mounts {
		m := &p.inside.Spec.Mounts[i]
		options, err := rootfs.ParseOptions(m.Options)
		if err != nil {
			continue
		}
		if inner, ok := r.innerPath(m.Destination, r.isNameOfRoot); ok && inner != "/" {
			// Some callers name a place in the container by its path on the host, as runc lets them.
			m.Destination = inner
		}
		if !options.Binds(m.Type) {
			continue
		}
		// A relative source is a path in the bundle. config.md, mounts
		if !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(r.request.Bundle, m.Source)
		}
		if inner, ok := r.innerPath(m.Source, r.isRoot); ok {
			// Perhaps only an earlier mount makes this source appear.
			m.Source = inner
			p.inside.Inner = append(p.inside.Inner, i)
			continue
		}
		mapped := options.IDMap || len(m.UIDMappings) > 0
		if !p.inside.UserNamespace && !p.namespaces.Mount && !mapped {
			continue
		}
		clone, err := rootfs.Clone(m.Source, options.Recursive)
		if err != nil {
			return fmt.Errorf("mounts[%d]: %w", i, err)
		}
		// The thread closes it.
		p.inside.Clones[i] = clone
		if !mapped {
			continue
		}
		if err := r.mapIDs(clone, m, options.IDMapAll); err != nil {
			return fmt.Errorf("mounts[%d]: %s: %w", i, m.Source, err)
		}
	}
	p.inside.MapMount = func(i, mount int) error { return r.mapInner(p, i, mount) }
	return nil
}

// mapInner maps the IDs of a mount of something in the container's own tree.
func (r *Run) mapInner(p *plan, i, mount int) error {
	m := &p.inside.Spec.Mounts[i]
	options, err := rootfs.ParseOptions(m.Options)
	if err == nil {
		err = r.mapIDs(mount, m, options.IDMapAll)
	}
	if err != nil {
		err = fmt.Errorf("mounts[%d]: %w", i, err)
	}
	return err
}

// innerPath translates a path of the host into a path in the container, if the path is below the directory that becomes the root directory.
// It translates nothing if the engine has made the mount for the root directory (an overlay shows other files there), or if the root
// directory is the host's own.
func (r *Run) innerPath(name string, isRoot func(string) bool) (string, bool) {
	if r.request.Mount != nil || r.isRoot("/") || !filepath.IsAbs(name) {
		return "", false
	}
	name = filepath.Clean(name)
	for above := name; above != "/"; above = filepath.Dir(above) {
		if isRoot(above) {
			return "/" + strings.TrimPrefix(name[len(above):], "/"), true
		}
	}
	return "", false
}

func (r *Run) isNameOfRoot(name string) bool { return name == filepath.Clean(r.request.Spec.Root.Path) }

// isRoot reports whether a path leads to the root directory of the container, directly or by links.
func (r *Run) isRoot(name string) bool {
	var there, root unix.Stat_t
	return unix.Stat(name, &there) == nil && unix.Fstat(int(r.request.Root), &root) == nil && there.Dev == root.Dev && there.Ino == root.Ino
}

// openCgroups clones the cgroups of the container and no others, if the container mounts cgroups.
func (r *Run) openCgroups(p *plan) error {
	seen := false
	for _, m := range p.inside.Spec.Mounts {
		seen = seen || m.Type == "cgroup" || m.Type == "cgroup2"
	}
	if !seen {
		return nil
	}
	for _, m := range p.cgroup.Mounts() {
		if m.Link != "" {
			p.inside.Links = append(p.inside.Links, [2]string{m.Name, m.Link})
			continue
		}
		clone, err := rootfs.Clone(m.Source, false)
		if err != nil {
			return err
		}
		p.inside.Cgroups = append(p.inside.Cgroups, inside.Cgroup{Name: m.Name, Mount: clone})
	}
	return nil
}

// openTasks opens the files by which the process joins its cgroups of version 1.
func (p *plan) openTasks(tasks []string) error {
	for _, name := range tasks {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		p.orders.Tasks = append(p.orders.Tasks, p.add(fd))
	}
	return nil
}

// mapIDs maps the user and group IDs of a mount, with the maps of the mount or of the container's user namespace. mount_setattr(2),
// "ID-mapped mounts"
func (r *Run) mapIDs(mount int, m *specs.Mount, recursive bool) error {
	pid := r.Process.PID
	if len(m.UIDMappings) > 0 {
		// The kernel takes a map in the form of a user namespace. A helper process lives in it for a moment.
		helper := process.Make(false, r.store.warn)
		defer helper.Kill()
		maps := &namespace.Set{New: unix.CLONE_NEWUSER, UIDs: m.UIDMappings, GIDs: m.GIDMappings, Nobody: true}
		if err := helper.Start(become.Waiting(&become.Request{Namespaces: maps, Tied: true}), [3]*os.File{}, nil); err != nil {
			return fmt.Errorf("uidMappings, gidMappings: %w", err)
		}
		pid = helper.PID
	}
	return mapAs(pid, mount, recursive)
}

// mapAs maps the IDs of a mount as the user namespace of a process does.
func mapAs(pid, mount int, recursive bool) error {
	user, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return err
	}
	defer user.Close()
	return idmap.Map(mount, int(user.Fd()), recursive)
}
