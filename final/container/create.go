//go:build linux

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/capability"
	"container-workshop/final/cgroup"
	"container-workshop/final/inside"
	"container-workshop/final/namespace"
	"container-workshop/final/oci"
	"container-workshop/final/rootfs"
	"container-workshop/final/stage"
)

// create is the host side of the life of a container, in order.
func (r *Run) create(root string) error {
	q := r.request
	spec := q.Spec
	flags, err := namespace.CloneFlags(spec.Linux.Namespaces)
	if err != nil {
		return err
	}
	caps, err := capability.FromSpec(spec.Process.Capabilities)
	if err != nil {
		return err
	}
	path := spec.Linux.CgroupsPath
	if path == "" {
		path = "/container-workshop-" + q.ID
	}
	if err := checkMounts(spec.Mounts); err != nil {
		return err
	}
	groups, err := cgroup.New(path, spec.Linux.Resources)
	if err != nil {
		return err
	}
	config := inside.Config{
		Overlay: spec.Annotations[oci.AnnotationOverlay], Capabilities: caps,
		Filter: q.Filter, FilterFlags: q.FilterFlags, Init: spec.Annotations[oci.AnnotationInit] == "true", Tied: !q.Detached, Size: q.Size, Explain: q.Explain,
	}
	if size := spec.Process.ConsoleSize; size != nil && config.Size == nil {
		config.Size = &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
	}
	config.SetContainer(spec)
	config.SetProcess(spec.Process)
	config.Tasks = groups.Tasks()
	for _, m := range groups.Mounts() {
		if m.Link != "" {
			config.Links = append(config.Links, [2]string{m.Name, m.Link})
		} else {
			config.Cgroups = append(config.Cgroups, inside.Cgroup{Name: m.Name, Dir: m.Source})
		}
	}
	r.Overlay = config.Overlay
	if q.Detached && r.Overlay != "" {
		r.Log = filepath.Join(r.Overlay, "log")
	}
	cloned := append([]stage.Stage{
		{Call: "clone(" + flagNames(flags) + ")", Man: "clone(2)", Step: 1, Do: func() error { return r.clone(flags) }},
	}, flagStages(flags)...)
	made := []stage.Stage{
		{Call: fmt.Sprintf("mkdir(%q)", filepath.Join(root, q.ID)), Man: "mkdir(2)", Do: func() error { return r.claim(root, groups) }},
		{Call: fmt.Sprintf("mkdir(%q)", groups.Dirs[0].Path), Man: "cgroups(7)", Step: 6, Do: groups.Create},
		{Call: fmt.Sprintf("mkdir(%q)", r.Overlay), Man: "mkdir(2)", Do: r.makeOverlay},
	}
	// The container side takes a while to start, so it comes first. What it does not need is done when it is at work.
	list := slices.Concat(cloned, made)
	if q.Detached {
		// But it is born with its log open.
		list = slices.Concat(made, cloned)
	}
	list = append(list,
		stage.Stage{Call: "sendmsg(config)", Man: "unix(7)", Do: func() error { return r.sendConfig(groups, &config) }},
		stage.Stage{Call: "write(limits)", Man: "cgroups(7)", Step: 6, Do: func() error {
			if groups.NeedsJoin() {
				go cgroup.Warm()
			}
			return groups.Set(spec.Linux.Resources)
		}},
		stage.Stage{Call: "write(config.json)", Man: "write(2)", Do: r.writeConfig},
		stage.Stage{Call: "recvmsg(ready)", Man: "unix(7)", Waiting: true, Do: r.waitReady},
	)
	if groups.NeedsJoin() {
		list = append(list, stage.Stage{Call: `write("cgroup.procs", pid)`, Man: "cgroups(7)", Step: 6, Do: func() error { return groups.Join(r.pid) }})
	}
	return r.List.Run(list...)
}

// checkMounts refuses options of mounts that nobody knows, before anything is made.
func checkMounts(mounts []specs.Mount) error {
	for i, m := range mounts {
		options, err := rootfs.ParseOptions(m.Options)
		if err == nil && options.CopyUp {
			err = errors.New("tmpcopyup: not supported")
		}
		if err != nil {
			return fmt.Errorf("mounts[%d].options: %w", i, err)
		}
	}
	return nil
}

// claim makes the directory of the container under a name of our own, and renames it when all is in it that others need to
// clean up after us. Of two that want the same ID one fails. rename(2)
func (r *Run) claim(root string, groups *cgroup.Cgroup) (err error) {
	defer func() {
		if err != nil {
			// They are those of another container with the ID, if there is one.
			r.Cgroup, r.Overlay = nil, ""
		}
	}()
	if err := os.MkdirAll(root, 0o711); err != nil {
		return err
	}
	r.dir = unnamed(root, r.request.ID, os.Getpid())
	if err := os.Mkdir(r.dir, 0o711); err != nil {
		return err
	}
	if err := r.acquire(); err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(r.lock, &stat); err != nil {
		return fmt.Errorf("stat %s: %w", r.dir, err)
	}
	r.inode = stat.Ino
	started, _ := startTime(os.Getpid())
	r.State = State{
		Version: specs.Version, ID: r.request.ID, Status: specs.StateCreating, Bundle: r.request.Bundle, Rootfs: r.request.Spec.Root.Path,
		Created: time.Now().UTC(), Annotations: r.request.Spec.Annotations, Command: r.request.Spec.Process.Args,
		Overlay: r.Overlay, Log: r.Log, Cgroup: planned(groups), Pid: os.Getpid(), Started: started, Maker: os.Getpid(),
	}
	for name, content := range r.request.Files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := r.save(); err != nil {
		return err
	}
	if err := r.rename(root); err != nil {
		return err
	}
	if pids, err := groups.Procs(); err != nil || len(pids) > 0 {
		return errors.Join(err, fmt.Errorf("the cgroup of a container %s is in use: %s (there may be one under another --root)", r.request.ID, groups.Dirs[0].Path))
	}
	return nil
}

// unnamed is the directory of a container that has no ID yet, and no other container can have: IDs do not start with a dot.
func unnamed(root, id string, maker int) string {
	return filepath.Join(root, fmt.Sprintf(".%s.%d", id, maker))
}

// rename gives the directory its ID. One that was left by a run that was killed is removed before.
func (r *Run) rename(root string) error {
	dir := filepath.Join(root, r.request.ID)
	err := unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		if err := removeStale(root, r.request.ID); err != nil {
			return err
		}
		err = unix.Renameat2(unix.AT_FDCWD, r.dir, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", r.dir, dir, err)
	}
	r.dir = dir
	return nil
}

func (r *Run) makeOverlay() error {
	if r.Overlay == "" {
		return nil
	}
	return rootfs.MakeOverlayDir(r.Overlay)
}

// planned is what will have been made, for who finds the state if we are killed before we can say what has been.
func planned(groups *cgroup.Cgroup) *cgroup.Cgroup {
	plan := *groups
	plan.Dirs = slices.Clone(groups.Dirs)
	for i, dir := range plan.Dirs {
		if _, err := os.Lstat(dir.Path); errors.Is(err, fs.ErrNotExist) {
			plan.Dirs[i].Made = dir.Path
		}
	}
	return &plan
}

func removeStale(root, id string) error {
	c, err := Open(root, id)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Status != specs.StateStopped || c.Keep {
		return fmt.Errorf("there is a container %s already, which is %s (remove it: final delete --force %s)", id, c.Status, id)
	}
	return c.remove(new(stage.List))
}

func (r *Run) sendConfig(groups *cgroup.Cgroup, config *inside.Config) error {
	r.Cgroup = groups
	r.Pid = r.pid
	r.Started, _ = startTime(r.Pid)
	if err := r.set(specs.StateCreated); err != nil {
		return err
	}
	return r.send(config)
}

// writeConfig leaves the configuration to those who join the container.
func (r *Run) writeConfig() error {
	content, err := json.Marshal(r.request.Spec)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	return os.WriteFile(filepath.Join(r.dir, "config.json"), content, 0o600)
}

func flagNames(flags uintptr) string {
	var names []string
	for _, k := range namespace.Kinds {
		if flags&k.Flag != 0 {
			names = append(names, strings.TrimPrefix(k.Name, "CLONE_"))
		}
	}
	return strings.Join(names, "|")
}

// flagStages tell of the namespaces one by one. There is nothing to do for them: clone has made them all.
func flagStages(flags uintptr) []stage.Stage {
	var list []stage.Stage
	for _, k := range namespace.Kinds {
		if flags&k.Flag != 0 {
			list = append(list, stage.Stage{Call: "  " + k.Name, Man: k.Man, Step: k.Step})
		}
	}
	return list
}
