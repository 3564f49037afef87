//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mapped makes a directory of a file system that can map IDs, with another one mounted below it, and a file of the user 3 and the
// group 4 in each. On tmpfs it needs Linux 6.3.
func (c *bundled) mapped() string {
	c.Helper()
	source := c.hostMount(filepath.Join(c.TempDir(), "source"), 0)
	below := c.hostMount(filepath.Join(source, "below"), 0)
	for _, dir := range []string{source, below} {
		require.NoError(c, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
		require.NoError(c, os.Lchown(filepath.Join(dir, "file"), 3, 4))
		require.NoError(c, unix.Chmod(dir, 0o777))
	}
	return source
}

// idmaps reports whether this kernel maps the IDs of tmpfs. If not, a container says so.
func (c *bundled) idmaps() bool {
	c.Helper()
	if kernelAtLeast(c.T, 6, 3) {
		return true
	}
	refused(c.T, c.create(), 1, "mounts[7]", "this kernel cannot map the IDs")
	c.nothingLeft()
	return false
}

// mount_setattr(2), "ID-mapped mounts"
func TestAMountMapsIDsByAMapOfItsOwn(t *testing.T) {
	c := newBundle(t, "true")
	source := c.mapped()
	maps := func(first uint32) []specs.LinuxIDMapping {
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: 1000}}
	}
	for _, option := range []string{"idmap", "ridmap", ""} {
		m := specs.Mount{Type: "bind", Source: source, Destination: "/" + option + "ped", Options: []string{"rbind"}, UIDMappings: maps(2000), GIDMappings: maps(3000)}
		if option != "" {
			m.Options = append(m.Options, option)
		}
		c.spec.Mounts = append(c.spec.Mounts, m)
	}
	c.mount("bind", source, "/plain", "rbind")
	if !c.idmaps() {
		return
	}
	names := "/plain/file /plain/below/file /idmapped/file /idmapped/below/file /ridmapped/file /ridmapped/below/file /ped/file"
	want := "3 4\n3 4\n2003 3004\n3 4\n2003 3004\n2003 3004\n2003 3004"
	require.Equal(t, want, c.says("stat -c '%u %g' "+names+"; busybox chown 2007:3008 /idmapped/file"))
	require.Equal(t, [2]int{7, 8}, ownerOf(t, filepath.Join(source, "file")))
	c.nothingLeft()
}

func TestAMountMapsIDsByThoseOfTheContainer(t *testing.T) {
	c := newBundle(t, "true")
	c.userNamespace()
	source := c.mapped()
	c.mount("bind", source, "/mapped", "rbind", "idmap")
	c.mount("bind", source, "/all", "rbind", "ridmap")
	c.mount("bind", source, "/plain", "rbind")
	if !c.idmaps() {
		return
	}
	nobody := "65534 65534"
	want := strings.Join([]string{"3 4", nobody, "3 4", "3 4", nobody, nobody}, "\n")
	names := "/mapped/file /mapped/below/file /all/file /all/below/file /plain/file /plain/below/file"
	require.Equal(t, want, c.says("stat -c '%u %g' "+names+"; touch /mapped/new; busybox chown 9 /mapped/new"))
	require.Equal(t, [2]int{9, 0}, ownerOf(t, filepath.Join(source, "new")))
	c.nothingLeft()
}

// A map of its own is one of the mount, whatever the container's is: who is to see a user as 5 of the container maps to 100005.
func TestAMountOfAUserNamespaceMapsIDsByAMapOfItsOwn(t *testing.T) {
	c := newBundle(t, "true")
	c.userNamespace()
	m := specs.Mount{Type: "bind", Source: c.mapped(), Destination: "/mapped", Options: []string{"bind", "idmap"}}
	m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 3, HostID: 100005, Size: 1}}
	m.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 4, HostID: 100006, Size: 1}}
	c.spec.Mounts = append(c.spec.Mounts, m)
	if !c.idmaps() {
		return
	}
	require.Equal(t, "5 6", c.says("stat -c '%u %g' /mapped/file"))
}

func ownerOf(t *testing.T, name string) [2]int {
	t.Helper()
	var stat unix.Stat_t
	require.NoError(t, unix.Lstat(name, &stat))
	return [2]int{int(stat.Uid), int(stat.Gid)}
}
