//go:build linux

package become

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"container-workshop/final/calls"
	"container-workshop/final/inside"
	"container-workshop/final/namespace"
	"container-workshop/final/rootfs"
	"container-workshop/final/spec"
)

// filesystems makes all new file systems, and sends their descriptors to the host side, which attaches them. Only a process in the new
// namespaces can make them, because a file system belongs to the namespaces of its maker: proc to the PID namespace, sysfs to the network
// namespace, mqueue to the IPC namespace, and the owners of files to the user namespace. [Program.Filesystems] knows the order.
func (p *Program) filesystems() error {
	all := []calls.Slot{p.newFilesystem(&inside.Proc, nil)}
	if len(p.Config.Linux.MaskedPaths) > 0 {
		all = append(all, p.newFilesystem(&inside.Empty, nil))
	}
	p.new = map[int]int{}
	for i := range p.Config.Mounts {
		m := &p.Config.Mounts[i]
		f, err := inside.NewFilesystem(m, p.MountLabel, p.Unified)
		if err != nil {
			return fmt.Errorf("mounts[%d], %s: %w", i, m.Destination, err)
		}
		if f == nil {
			continue
		}
		p.new[i] = len(all)
		all = append(all, p.newFilesystem(f, func(err error) error { return fmt.Errorf("mount %s on %s: %w", m.Type, m.Destination, err) }))
	}
	p.Stage("sendmsg(file systems)", "unix(7)", 0)
	p.send(WordFilesystems, all)
	for _, slot := range all {
		p.Do(unix.SYS_CLOSE, slot)
	}
	p.count = len(all)
	return nil
}

// Filesystems says which descriptor of WordFilesystems is which file system. It returns nil as long as some descriptors are missing.
func (p *Program) Filesystems(descriptors []int) *inside.Filesystems {
	if len(descriptors) < p.count {
		return nil
	}
	f := &inside.Filesystems{Proc: descriptors[0], Empty: -1, Mounts: map[int]int{}}
	if len(p.Config.Linux.MaskedPaths) > 0 {
		f.Empty = descriptors[1]
	}
	for i, place := range p.new {
		f.Mounts[i] = descriptors[place]
	}
	return f
}

// openProc makes a proc that is attached nowhere, so nobody can mount anything over its files. The process writes sysctls and labels to it.
// CVE-2025-52881
func (p *Program) openProc(needed bool, options ...string) {
	if needed {
		proc := inside.Proc
		proc.Data = options
		p.proc = p.newFilesystem(&proc, nil)
	}
}

// newFilesystem makes a file system that is attached nowhere. wrap adds to an error what the file system is for. fsopen(2)
func (p *Program) newFilesystem(f *inside.Filesystem, wrap func(error) error) calls.Slot {
	kind := f.Type
	p.Stage(fmt.Sprintf("fsopen(%q), fsmount()", kind), "fsopen(2)", map[string]int{"proc": 5, "tmpfs": 7}[kind])
	because := func(what string) func(error, string) error {
		return func(err error, text string) error {
			if errors.Is(err, unix.ENODEV) && strings.HasPrefix(what, "file system") {
				err = fmt.Errorf("%w (the kernel has no such file system)", err)
			}
			err = fmt.Errorf("%s: %w", what, err)
			if text != "" {
				err = fmt.Errorf("%w (%s)", err, text)
			}
			if wrap != nil {
				err = wrap(err)
			}
			return err
		}
	}
	fs, mount := p.Slot(), p.Slot()
	open := p.Do(unix.SYS_FSOPEN, kind, unix.FSOPEN_CLOEXEC).To(fs).Fails(because("file system " + kind))
	data := f.Data
	if f.Source != "" {
		data = append([]string{"source=" + f.Source}, data...)
	}
	for _, option := range data {
		key, value, isString := rootfs.CutOption(option)
		failed := because(fmt.Sprintf("option %s of file system %s", option, kind))
		if isString {
			p.Do(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, key, value, 0).Text(fs).Fails(failed)
		} else {
			p.Do(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_FLAG, key, 0, 0).Text(fs).Fails(failed)
		}
	}
	create := p.Do(unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, 0, 0, 0).Text(fs).Fails(because("create file system " + kind))
	attach := p.Do(unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, f.Flags).To(mount).Text(fs).Fails(because("mount file system " + kind))
	p.Do(unix.SYS_CLOSE, fs)
	if place := p.hostsOwn(kind); place != "" {
		bind, end := p.Label(), p.Label()
		for _, call := range []*calls.Call{open, create, attach} {
			call.On(-int64(unix.EPERM), bind)
		}
		p.Goto(end)
		p.Mark(bind)
		p.bindHosts(place, f.Flags, mount)
		p.Mark(end)
	}
	return mount
}

// hostsOwn returns where the host has a file system that the kernel may refuse to make again. In a user namespace it makes a sysfs only if
// the network namespace belongs to that user namespace, and a proc only if the PID namespace does. A container that shares these namespaces
// with the host may see the host's file system. With a PID namespace of its own it may not: /proc/PID/root of the host's processes would
// lead out of the container. sysfs(5), proc(5), user_namespaces(7)
func (p *Program) hostsOwn(kind string) string {
	switch {
	case !namespace.Nested():
	case kind == "sysfs":
		return "/sys"
	case kind == "proc" && !spec.HasNamespace(p.Config.Linux.Namespaces, specs.PIDNamespace):
		return "/proc"
	}
	return ""
}

// bindHosts clones a file system of the host. The mounts below it come with it, because the kernel does not uncover what they hide.
// mount_namespaces(7), "Restrictions on mount namespaces"
func (p *Program) bindHosts(place string, flags int, mount calls.Slot) {
	failed := func(err error, _ string) error { return fmt.Errorf("bind %s of the host: %w", place, err) }
	attr := p.Struct(&unix.MountAttr{Attr_set: uint64(flags), Propagation: unix.MS_PRIVATE})
	p.Do(unix.SYS_OPEN_TREE, unix.AT_FDCWD, place, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE).To(mount).Fails(failed)
	p.Do(unix.SYS_MOUNT_SETATTR, mount, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr, attr.Size).Fails(failed)
}
