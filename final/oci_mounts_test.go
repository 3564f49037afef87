//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mount adds a mount to the configuration.
func (c *bundled) mount(kind, source, destination string, options ...string) {
	c.spec.Mounts = append(c.spec.Mounts, specs.Mount{Type: kind, Source: source, Destination: destination, Options: options})
}

// A mounted is a line of mountinfo. proc_pid_mountinfo(5)
type mounted struct {
	root, at string
	// options are those of the mount, and super those of the file system.
	options, super []string
	// propagation are the optional fields.
	propagation  []string
	kind, source string
}

func mountsIn(t *testing.T, mountinfo string) (list []mounted) {
	t.Helper()
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		require.Greater(t, dash, 5, line)
		list = append(list, mounted{
			root: fields[3], at: fields[4], options: strings.Split(fields[5], ","), propagation: fields[6:dash],
			kind: fields[dash+1], source: fields[dash+2], super: strings.Split(fields[dash+3], ","),
		})
	}
	return list
}

// mountAt returns the first mount at a place.
func mountAt(t *testing.T, mountinfo, place string) mounted {
	t.Helper()
	all := mountsIn(t, mountinfo)
	i := slices.IndexFunc(all, func(m mounted) bool { return m.at == place })
	require.NotEqual(t, -1, i, mountinfo)
	return all[i]
}

// shown runs the container, and returns its mounts by their places: the last that is there.
func (c *bundled) shown() map[string]mounted {
	c.Helper()
	all := map[string]mounted{}
	for _, m := range mountsIn(c.T, c.says("cat /proc/self/mountinfo")) {
		all[m.at] = m
	}
	return all
}

// hostMount mounts a tmpfs on the host for as long as the test lasts. It is seen in the mount namespace of the test only.
func (c *bundled) hostMount(place string, flags uintptr) string {
	c.Helper()
	require.NoError(c, os.MkdirAll(place, 0o755))
	require.NoError(c, unix.Mount("tmpfs", place, "tmpfs", flags, "mode=755"))
	c.Cleanup(func() { assert.NoError(c, unix.Unmount(place, unix.MNT_DETACH)) })
	c.mounts = c.mountTable()
	return place
}

func TestEveryWordOfAMountIsSeen(t *testing.T) {
	c := newBundle(t)
	words := map[string]string{
		"ro": "ro", "nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec", "noatime": "noatime",
		"nodiratime": "nodiratime", "nosymfollow": "nosymfollow", "relatime": "relatime",
	}
	source := c.hostMount(filepath.Join(t.TempDir(), "source"), 0)
	c.hostMount(filepath.Join(source, "below"), 0)
	for word := range words {
		c.mount("tmpfs", "tmpfs", "/new/"+word, word)
		c.mount("bind", source, "/bound/"+word, "rbind", word)
		c.mount("bind", source, "/all/"+word, "rbind", "r"+word)
	}
	all := c.shown()
	for word, seen := range words {
		assert.Contains(t, all["/new/"+word].options, seen, "tmpfs, %s", word)
		assert.Contains(t, all["/bound/"+word].options, seen, "bind, %s", word)
		assert.Contains(t, all["/all/"+word].options, seen, "r%s", word)
		assert.Contains(t, all["/all/"+word+"/below"].options, seen, "r%s, below", word)
		for other, seenOther := range words {
			if other != word && other != "relatime" {
				assert.NotContains(t, all["/new/"+word].options, seenOther, word)
			}
		}
		if word != "relatime" {
			assert.NotContains(t, all["/bound/"+word+"/below"].options, seen, "%s, below", word)
		}
	}
	c.nothingLeft()
}

func TestEveryOppositeWordOfAMountIsSeen(t *testing.T) {
	c := newBundle(t)
	source := c.hostMount(filepath.Join(t.TempDir(), "source"), unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOATIME|unix.MS_NODIRATIME|unix.MS_NOSYMFOLLOW)
	opposites := map[string]string{"suid": "nosuid", "dev": "nodev", "exec": "noexec", "atime": "noatime", "diratime": "nodiratime", "symfollow": "nosymfollow"}
	for word := range opposites {
		c.mount("bind", source, "/w/"+word, "bind", word)
		c.mount("bind", source, "/w/r"+word, "rbind", "r"+word)
	}
	for word, opposite := range map[string]string{"rw": "ro", "suid": "nosuid"} {
		c.mount("tmpfs", "", "/last/"+word, word, opposite)
		c.mount("tmpfs", "", "/last/"+opposite, opposite, word)
	}
	c.mount("bind", source, "/same", "bind")
	c.mount("bind", source, "/strict", "bind", "strictatime")
	all := c.shown()
	for word, opposite := range opposites {
		if strings.HasSuffix(word, "atime") {
			assert.Contains(t, all["/w/"+word].options, opposite, "it takes a word that says which times instead")
		} else {
			assert.NotContains(t, all["/w/"+word].options, opposite)
		}
		assert.NotContains(t, all["/w/r"+word].options, opposite)
		assert.Contains(t, all["/same"].options, opposite)
	}
	for word, opposite := range map[string]string{"rw": "ro", "suid": "nosuid"} {
		assert.Contains(t, all["/last/"+word].options, opposite, "the last word holds")
		assert.NotContains(t, all["/last/"+opposite].options, opposite, "the last word holds")
	}
	assert.NotContains(t, all["/strict"].options, "relatime")
	assert.NotContains(t, all["/strict"].options, "noatime")
}

func TestAVolumeIsReadOnlyAsItsWordsSay(t *testing.T) {
	c := newBundle(t)
	source := t.TempDir()
	below := c.hostMount(filepath.Join(source, "below"), 0)
	c.mount("bind", source, "/ro", "rbind", "ro")
	c.mount("bind", source, "/rro", "rbind", "rro")
	c.mount("bind", source, "/mixed", "rbind", "rro", "rw")
	c.mount("bind", source, "/flat", "bind")
	show := ""
	for _, place := range []string{"ro", "ro/below", "rro", "rro/below", "mixed", "mixed/below"} {
		show += answer("touch /"+place+"/by") + ";"
	}
	require.Equal(t, "no\nyes\nno\nno\nyes\nno\n0", c.says(show+"ls /flat/below | busybox wc -l"))
	require.FileExists(t, filepath.Join(below, "by"))
	c.nothingLeft()
}

func TestBindsOfFilesAndDirectories(t *testing.T) {
	c := newBundle(t)
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "data/found"), []byte("of the bundle\n"), 0o640))
	c.mount("bind", "data", "/made/directory", "rbind", "mode=755", "size=5m", "noatime")
	c.mount("", "data/found", "/made/file", "bind")
	c.mount("none", filepath.Join(c.dir, "data/found"), "/etc/../relative", "rbind", "ro")
	c.mount("bind", filepath.Join(c.dir, "data"), "no/slash")
	script := "stat -c %a /made/directory; cat /made/directory/found /made/file /relative no/slash/found;" + answer("echo more >>/relative") + "; echo more >>/made/file"
	require.Equal(t, "700\n"+strings.Repeat("of the bundle\n", 4)+"no", c.says(script))
	unchanged(t, filepath.Join(c.dir, "data/found"), "of the bundle\nmore\n")
	c.spec.Mounts = c.spec.Mounts[:len(c.spec.Mounts)-4]
	c.mount("bind", "data", "/data", "bind", "no-such-word")
	refused(t, c.create(), 1, "mounts[7]", `"no-such-word"`)
	c.nothingLeft()
}

func TestASourceThatIsMissingIsNamed(t *testing.T) {
	for _, user := range []bool{false, true} {
		c := newBundle(t, "true")
		if user {
			c.userNamespace()
		}
		missing := filepath.Join(t.TempDir(), "not-there")
		c.mount("bind", missing, "/data", "rbind")
		refused(t, c.create(), 1, missing, "no such file or directory")
		c.nothingLeft()
	}
	c := newBundle(t, "true")
	c.mount("no-such-type", "none", "/data")
	refused(t, c.create(), 1, "no-such-type", "/data")
	c.spec.Mounts[len(c.spec.Mounts)-1] = specs.Mount{Type: "tmpfs", Destination: "/data", Options: []string{"no-such-word"}}
	refused(t, c.create(), 1, "no-such-word", "/data")
	c.nothingLeft()
}

func TestMountsAreInTheOrderOfTheConfiguration(t *testing.T) {
	c := newBundle(t)
	source := t.TempDir()
	c.mount("tmpfs", "", "/one")
	c.mount("bind", source, "/one/two", "rbind")
	c.mount("tmpfs", "", "/three")
	c.mount("bind", source, "/four", "rbind", "ro")
	c.mount("tmpfs", "", "/one/two/five")
	c.mount("bind", file(t, "six", "6"), "/three/six", "bind")
	// The last of two on one place is what is seen.
	c.mount("tmpfs", "", "/four")
	c.mount("bind", file(t, "seven", "7"), "/three/six", "bind")
	var want, got []string
	for _, m := range c.spec.Mounts {
		want = append(want, m.Destination)
	}
	shown := c.says("cat /proc/self/mountinfo")
	for _, m := range mountsIn(t, shown) {
		if slices.Contains(want, m.at) && !strings.HasPrefix(m.root, "/sys/") && (m.kind != "tmpfs" || !strings.HasPrefix(m.at, "/proc")) {
			got = append(got, m.at)
		}
	}
	// The list has mounts in the order in which they were made. Which is on which, the next line shows.
	require.ElementsMatch(t, want, got, shown)
	require.Equal(t, "7\nyes", c.says("cat /three/six; echo;"+answer("touch /four/new")))
}

// Where there is none yet it is what the kernel gives it. tmpfs(5)
func TestATmpfsTakesAfterItsDirectory(t *testing.T) {
	c := newBundle(t)
	place := filepath.Join(c.spec.Root.Path, "place")
	require.NoError(t, os.MkdirAll(filepath.Join(place, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(place, "sub/file"), []byte("of the image"), 0o604))
	require.NoError(t, os.Symlink("sub/file", filepath.Join(place, "link")))
	require.NoError(t, os.Lchown(filepath.Join(place, "sub/file"), 3, 4))
	require.NoError(t, unix.Chmod(place, 0o1770))
	for _, name := range []string{"said", "copied", "plain"} {
		require.NoError(t, os.Mkdir(filepath.Join(c.spec.Root.Path, name), 0o755))
		require.NoError(t, unix.Chmod(filepath.Join(c.spec.Root.Path, name), 0o1751))
	}
	c.mount("tmpfs", "tmpfs", "/plain")
	c.mount("tmpfs", "tmpfs", "/said", "mode=0711", "size=1m")
	c.mount("tmpfs", "tmpfs", "/place", "tmpcopyup")
	c.mount("tmpfs", "tmpfs", "/new")
	require.Equal(t, "1751 /plain\n711 /said\n1770 /place\n1777 /new\n604 3 4\nof the image", c.says(
		"stat -c '%a %n' /plain /said /place /new; stat -c '%a %u %g' /place/sub/file; cat /place/link; echo changed >/place/sub/file"))
	unchanged(t, filepath.Join(place, "sub/file"), "of the image")
	require.Contains(t, c.shown()["/said"].super, "size=1024k")
}

func TestAMountThatIsThereIsChanged(t *testing.T) {
	c := newBundle(t)
	c.mount("tmpfs", "tmpfs", "/place", "nosuid")
	c.mount("", "", "/place", "remount", "ro", "noexec")
	c.mount("bind", t.TempDir(), "/bound", "bind")
	c.mount("bind", "/bound", "/bound", "bind", "remount", "ro")
	all := c.shown()
	assert.Subset(t, all["/place"].options, []string{"ro", "noexec", "nosuid"})
	assert.Contains(t, all["/bound"].options, "ro")
}
