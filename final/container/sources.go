//go:build linux

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/more/idmap"
	"container-workshop/final/namespace"
	"container-workshop/final/process"
	"container-workshop/final/rootfs"
)

// openAll opens what the container side needs from the host: detached mounts, and files. The container side cannot reach them itself once
// its root directory is another. The order is that of inside.Config.
func (r *Run) openAll(p *plan) error {
	for _, open := range []func(*plan) error{r.openRoot, r.openMounts, r.openCgroups, r.openHeld} {
		if err := open(p); err != nil {
			return err
		}
	}
	return nil
}

// add adds a descriptor to the files that go with the configuration.
func (p *plan) add(fd int, name string) {
	p.files = append(p.files, os.NewFile(uintptr(fd), name))
}

func (r *Run) openRoot(p *plan) error {
	mount := r.request.Mount
	if mount == nil {
		mount = func() (int, error) { return r.request.Root.Clone(".", true) }
	}
	root, err := mount()
	if err != nil {
		return err
	}
	p.add(root, "rootfs")
	// systemd makes mounts on the host shared: so without this call the host would see the mounts of the container.
	return rootfs.Change(root, 0, 0, unix.MS_SLAVE, true)
}

// openMounts clones the sources of bind mounts where the container side has no right to: in a user namespace, in an existing mount
// namespace, and where IDs are mapped.
func (r *Run) openMounts(p *plan) error {
	// config.json keeps the paths as they were given.
	p.config.Mounts = slices.Clone(p.config.Mounts)
	for i := range p.config.Mounts {
		m := &p.config.Mounts[i]
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
			// Perhaps only an earlier mount makes this source appear, and the container side sees earlier mounts.
			m.Source = inner
			p.config.Inner = append(p.config.Inner, i)
			continue
		}
		mapped := options.IDMap || len(m.UIDMappings) > 0
		if !p.config.UserNamespace && !p.namespaces.Mount && !mapped {
			continue
		}
		clone, err := rootfs.Clone(m.Source, options.Recursive)
		if err != nil {
			return fmt.Errorf("mounts[%d]: %w", i, err)
		}
		p.add(clone, m.Source)
		p.config.Bound = append(p.config.Bound, i)
		if !mapped {
			continue
		}
		if err := r.mapIDs(clone, m, options.IDMapAll); err != nil {
			return fmt.Errorf("mounts[%d]: %w", i, err)
		}
	}
	r.MapMount = func(i, mount int) error { return r.mapInner(p, i, mount) }
	return nil
}

// mapInner maps the IDs of a mount that the container side has cloned in its own tree, and has sent to us.
func (r *Run) mapInner(p *plan, i, mount int) error {
	if !slices.Contains(p.config.Inner, i) {
		return fmt.Errorf("mounts[%d]: this mount has no ID mappings", i)
	}
	m := &p.config.Mounts[i]
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

// openCgroups opens the files by which the container side joins its cgroups of version 1. If the container mounts cgroups, it clones those
// of the container and no others.
func (r *Run) openCgroups(p *plan) error {
	seen := false
	for _, m := range p.config.Mounts {
		seen = seen || m.Type == "cgroup" || m.Type == "cgroup2"
	}
	for _, m := range p.cgroup.Mounts() {
		switch {
		case !seen:
		case m.Link != "":
			p.config.Links = append(p.config.Links, [2]string{m.Name, m.Link})
		default:
			clone, err := rootfs.Clone(m.Source, false)
			if err != nil {
				return err
			}
			p.add(clone, m.Source)
			p.config.Cgroups = append(p.config.Cgroups, m.Name)
		}
	}
	return p.openTasks(p.cgroup.Tasks())
}

func (p *plan) openTasks(tasks []string) error {
	for _, name := range tasks {
		fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		p.add(fd, name)
	}
	p.config.Tasks = len(tasks)
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
