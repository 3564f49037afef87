//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostFiles are the sources of bind mounts.
func hostFiles() []entry {
	return []entry{
		dir("/plain", 0o755), file("/plain/content", "plain\n"), {Path: "/plain/owned", Mode: unix.S_IFREG | 0o600, UID: 3, GID: 4},
		file("/file", "file\n"), link("/link", "plain"),
		dir("/nested", 0o755), tmpfs("/nested/inner", "size=1m,mode=750"), file("/nested/inner/deep", "deep\n"),
		tmpfs("/locked", "size=1m,mode=755"), {Path: "/locked/owned", Mode: unix.S_IFREG | 0o644, UID: 3, GID: 4},
		dir("/lower", 0o755), file("/lower/one", "1\n"), dir("/upper", 0o755), dir("/work", 0o755),
	}
}

// mounts adds some mounts, each made by one of the functions below.
func mounts(c *configuration, d dice) {
	c.Host = append(c.Host, hostFiles()...)
	kinds := []func(*configuration, dice, string) string{bindMount, bindMount, tmpfsMount, tmpfsMount, otherMount, idMapped, innerBind, twice, remount}
	var made []string
	for i := range 1 + d.IntN(5) {
		made = append(made, pick(d, kinds...)(c, d, fmt.Sprintf("/mnt/%d", i)))
	}
	c.note("mounts: %s", strings.Join(made, "; "))
}

// attributes are options of all mounts.
func attributes(d dice) []string {
	return some(d, 15, "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "relatime", "nosymfollow", "rro", "rnosuid", "rnoexec",
		"rw", "suid", "exec", "dev", "rrw", "ratime")
}

func bindMount(c *configuration, d dice, place string) string {
	options := append([]string{pick(d, "bind", "rbind", "rbind")}, attributes(d)...)
	if d.chance(40) {
		options = append(options, pick(d, "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"))
	}
	source := pick(d, wildly(d, []string{"plain", "file", "nested", "nested", "link", "nested/inner"}, "no-such", "plain", "file")...)
	switch {
	case d.wild:
		place = pick(d, place, "/data", "/data/deep", "/etc/passwd", "/tmp", "/data/deep/set")
	case source == "file":
		place = pick(d, place, "/etc/passwd", "/etc/group", "/data/file", "/links/of/nobody")
	default:
		place = pick(d, place, place, "/data", "/data/deep", "/tmp")
	}
	c.mount(pick(d, "bind", "none", ""), base+"/host/"+source, place, options...)
	c.look(place)
	return fmt.Sprintf("%s on %s %v", source, place, options)
}

func tmpfsMount(c *configuration, d dice, place string) string {
	place = pick(d, place, "/data", "/data", "/home", "/tmp", "/run/a/b")
	options := append(some(d, 35, "size=2m", "mode=711", "mode=1777", "uid=5", "gid=6", "nr_inodes=50", "tmpcopyup"), attributes(d)...)
	if d.chance(20) {
		options = append(options, pick(d, "shared", "slave", "unbindable"))
	}
	c.mount("tmpfs", "tmpfs", place, options...)
	c.look(place)
	if d.chance(30) {
		c.mount("tmpfs", "inner", place+"/"+pick(d, wildly(d, []string{"nest"}, "inner")...)+"/tmpfs", "mode=700")
		return fmt.Sprintf("two tmpfs below %s %v", place, options)
	}
	return fmt.Sprintf("tmpfs on %s %v", place, options)
}

func otherMount(c *configuration, d dice, place string) string {
	kind := pick(d, wildly(d, []string{"proc", "sysfs", "mqueue", "devpts", "overlay", "ramfs"}, "cgroup", "cgroup2", "no-such")...)
	if c.has(specs.UserNamespace) && !d.wild {
		kind = "devpts"
	}
	options := attributes(d)
	if kind == "overlay" {
		options = append(options, "lowerdir="+base+"/host/lower", "upperdir="+base+"/host/upper", "workdir="+base+"/host/work")
	}
	c.mount(kind, kind, place, options...)
	c.look(place)
	return fmt.Sprintf("%s on %s %v", kind, place, options)
}

func idMapped(c *configuration, d dice, place string) string {
	m := c.mount("bind", base+"/host/"+pick(d, "locked", "nested/inner"), place, "rbind", pick(d, "idmap", "ridmap"))
	if !c.has(specs.UserNamespace) || d.chance(40) {
		maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 2000, Size: 1000}}
		m.UIDMappings, m.GIDMappings = maps, maps
	}
	c.look(place, place+"/owned")
	return fmt.Sprintf("mapped %s", m.Source)
}

// innerBind binds what is in the root file system itself.
func innerBind(c *configuration, d dice, place string) string {
	source := pick(d, "data", "data/file", "tmp", "dev", "")
	c.mount("bind", base+"/bundle/rootfs/"+source, place, append([]string{pick(d, "bind", "rbind")}, attributes(d)...)...)
	c.look(place)
	return fmt.Sprintf("/%s of the root on %s", source, place)
}

func twice(c *configuration, d dice, place string) string {
	first, second := pick(d, "plain", "nested"), pick(d, "plain", "nested", "lower")
	c.mount("bind", base+"/host/"+first, place, "rbind", "ro")
	c.mount("bind", base+"/host/"+second, place, "bind")
	c.look(place)
	return fmt.Sprintf("%s and %s on %s", first, second, place)
}

func remount(c *configuration, d dice, place string) string {
	target := pick(d, wildly(d, []string{"/dev", "/dev/shm", "/sys"}, "/proc", "/tmp", "/")...)
	options := append([]string{"remount"}, attributes(d)...)
	if d.chance(70) {
		options = append(options, "bind")
	}
	c.mount(pick(d, "bind", "none"), "none", target, options...)
	c.look(target)
	return fmt.Sprintf("%s remounted %v", target, options)
}

// oddPlaces gives the image symbolic links where mounts go.
func oddPlaces(c *configuration, d dice) {
	c.Host = append(c.Host, file("/../outside/file", "the host's\n"), file("/odd", "odd\n"))
	c.Image = append(c.Image, link("/links/inner", "../data/deep"), link("/links/absolute", "/data"), link("/links/dangling", "../nowhere/at/all"),
		link("/links/outside", "../../../outside"), link("/links/loop", "loop"), link("/links/host", base+"/outside"), link("/links/file", "/etc/passwd"))
	place := "/links/" + pick(d, wildly(d, []string{"inner", "absolute", "outside", "host", "absolute/new/one"}, "dangling", "loop", "dangling/more", "inner/../../back")...)
	if d.chance(60) {
		c.mount("tmpfs", "tmpfs", place, "mode=755")
	} else {
		place = pick(d, wildly(d, []string{"/links/file", "relative/place", "/data/../data/./up"}, "/data/file/below", place)...)
		c.mount("bind", base+"/host/odd", place, "bind", "ro")
	}
	if d.wild && d.chance(40) {
		c.Image = append(c.Image, link("/links/proc", "/proc"))
		c.mount("tmpfs", "tmpfs", "/links/proc/sys", "mode=755")
	}
	c.look("/data", "/data/deep", "/nowhere/at/all")
	c.note("mount on %s", place)
}

// fewerMounts takes some of the usual mounts away.
func fewerMounts(c *configuration, d dice) {
	c.Spec.Mounts = slices.DeleteFunc(c.Spec.Mounts, func(m specs.Mount) bool {
		usual := map[string]int{"/proc": 15, "/dev": 15, "/dev/pts": 40, "/sys": 20, "/sys/fs/cgroup": 50, "/dev/mqueue": 50, "/dev/shm": 50}
		return d.chance(usual[m.Destination])
	})
}

// mountInImage has the host mount a file system in the root file system.
func mountInImage(c *configuration, _ dice) {
	c.Image = append(c.Image, tmpfs("/data/mounted", "size=1m,mode=711"), file("/data/mounted/file", "mounted\n"))
	c.look("/data/mounted", "/data/mounted/file")
}

// linkedRoot names the root file system by a symbolic link.
func linkedRoot(c *configuration, _ dice) {
	c.Host = append(c.Host, link("/../bundle/link", "../bundle/rootfs"))
	c.Spec.Root.Path = "link"
}

// devVolume makes /dev a directory of the host.
func devVolume(c *configuration, d dice) {
	c.Host = append(c.Host, tmpfs("/dev", "mode=755"), link("/dev/own", "elsewhere"), entry{Path: "/dev/null", Mode: unix.S_IFCHR | 0o666, Device: unix.Mkdev(1, 3)})
	for i, m := range c.Spec.Mounts {
		if m.Destination == "/dev" {
			c.Spec.Mounts[i] = specs.Mount{Type: "bind", Source: base + "/host/dev", Destination: "/dev", Options: []string{pick(d, "bind", "rbind")}}
		}
	}
}
