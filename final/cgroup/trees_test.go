//go:build linux

package cgroup

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mounted together, and linked: as systemd does it for version 1, with a container engine's mount of one tree again.
const mountinfoV1 = `23 28 0:21 / /sys rw,nosuid - sysfs sysfs rw
30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 master:3 - cgroup cgroup rw,xattr,release_agent=/lib/systemd-cgroups-agent,name=systemd
36 30 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
37 30 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
38 28 0:33 /docker/1 /var/lib/x/memory rw - cgroup cgroup rw,memory
39 30 0:33 /docker/1 /sys/fs/cgroup/again rw - cgroup cgroup rw,memory
40 30 0:34 / /sys/fs/cgroup/with\040space rw - cgroup cgroup rw,pids
`

const cgroupV1 = `12:pids:/user.slice
5:memory:/docker/1/a:b
4:cpu,cpuacct:/user.slice
1:name=systemd:/user.slice/s
0::/user.slice/u
`

func TestParseMountinfo(t *testing.T) {
	trees := parseMountinfo(mountinfoV1, sysfs)
	assert.Equal(t, []tree{
		{name: "unified", version: 2, mount: "/sys/fs/cgroup/unified", root: "/", own: "/"},
		{name: "systemd", version: 1, label: "name=systemd", mount: "/sys/fs/cgroup/systemd", root: "/", own: "/"},
		{name: "cpu,cpuacct", version: 1, controllers: []string{"cpu", "cpuacct"}, mount: "/sys/fs/cgroup/cpu,cpuacct", root: "/", own: "/"},
		{name: "memory", version: 1, controllers: []string{"memory"}, mount: "/sys/fs/cgroup/memory", root: "/", own: "/"},
		{name: "with space", version: 1, controllers: []string{"pids"}, mount: "/sys/fs/cgroup/with space", root: "/", own: "/"},
	}, trees)
}

func TestParseMountinfoTakesTheLastMountOnAPoint(t *testing.T) {
	trees := parseMountinfo("1 0 0:1 / /c/m rw - cgroup cgroup rw,memory\n2 0 0:2 / /c/m rw - cgroup cgroup rw,pids\n", "/c")
	require.Len(t, trees, 1)
	assert.Equal(t, []string{"pids"}, trees[0].controllers)
}

func TestFindOwn(t *testing.T) {
	proc := t.TempDir()
	require.NoError(t, os.WriteFile(path.Join(proc, "cgroup"), []byte(cgroupV1), 0o600))
	trees := parseMountinfo(strings.Replace(mountinfoV1, "0:33 / /sys/fs/cgroup/memory", "0:33 /docker/1 /sys/fs/cgroup/memory", 1), sysfs)
	require.NoError(t, findOwn(trees, proc))
	own := map[string]string{}
	for _, tr := range trees {
		own[tr.name] = tr.own
	}
	assert.Equal(t, map[string]string{
		"unified": "/user.slice/u", "systemd": "/user.slice/s", "cpu,cpuacct": "/user.slice", "memory": "/a:b", "with space": "/user.slice",
	}, own)
}

func TestFindOwnInATreeThatIsMountedFromElsewhere(t *testing.T) {
	proc := t.TempDir()
	require.NoError(t, os.WriteFile(path.Join(proc, "cgroup"), []byte("0::/a\n"), 0o600))
	for root, ok := range map[string]bool{"/": true, "/a": true, "/b": false, "/../..": false, "/aa": false} {
		require.NoError(t, os.WriteFile(path.Join(proc, "mountinfo"), []byte("1 0 0:1 "+root+" /sys/fs/cgroup rw - cgroup2 cgroup rw\n"), 0o600))
		err := findOwn([]tree{{version: 2, mount: sysfs, root: "/"}}, proc)
		assert.Equal(t, ok, err == nil, root)
	}
}

func TestBelow(t *testing.T) {
	for _, test := range []struct{ root, cgroup, want string }{
		{"/", "/", "/"}, {"/", "/a/b", "/a/b"}, {"/a", "/a", "/"}, {"/a", "/a/b", "/b"}, {"/a", "/ab", ""}, {"/a", "/", ""},
		{"/..", "/", ""}, {"/", "/../x", ""},
	} {
		got, ok := below(test.root, test.cgroup)
		assert.Equal(t, test.want != "", ok, test)
		if ok {
			assert.Equal(t, test.want, got, test)
		}
	}
}

func TestDetectOnThisMachine(t *testing.T) {
	mode, err := Detect()
	require.NoError(t, err)
	assert.Contains(t, []Mode{V1, V2, Hybrid}, mode)
}

// A tmpfs over the cgroups hides them, but not from mountinfo.
func TestNoCgroupFileSystem(t *testing.T) {
	_, _, err := findTrees(t.TempDir())
	assert.EqualError(t, err, "no cgroup file system on /sys/fs/cgroup: mount it")
	_, _, err = findTrees("/nonexistent")
	assert.EqualError(t, err, "no cgroup file system on /sys/fs/cgroup: mount it")
	if os.Getuid() != 0 {
		t.Skip("needs root: make test")
	}
	inOwnMounts(t, func() {
		require.NoError(t, unix.Mount("tmpfs", sysfs, "tmpfs", 0, ""))
		_, _, err := findTrees(sysfs)
		assert.EqualError(t, err, "no cgroup file system on /sys/fs/cgroup: mount it")
		require.NoError(t, os.MkdirAll(sysfs+"/memory", 0o755))
		_, _, err = findTrees(sysfs)
		assert.EqualError(t, err, "no cgroup file system on /sys/fs/cgroup: mount it")
	})
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(mountinfoV1)
	f.Add(" - cgroup")
	f.Add("1 0 0:1 / /sys/fs/cgroup/ rw - cgroup cgroup\n")
	f.Fuzz(func(t *testing.T, text string) {
		seen := map[string]bool{}
		for _, tr := range parseMountinfo(text, sysfs) {
			assert.True(t, strings.HasPrefix(tr.mount, sysfs+"/"))
			assert.Contains(t, []int{1, 2}, tr.version)
			assert.False(t, seen[tr.mount])
			seen[tr.mount] = true
		}
	})
}

func FuzzOwnCgroup(f *testing.F) {
	f.Add(cgroupV1, "/", "memory")
	f.Add("0::/..\n", "/..", "")
	f.Fuzz(func(t *testing.T, lines, root, controller string) {
		for _, tr := range []tree{{version: 2}, {version: 1, controllers: []string{controller}}, {version: 1, label: controller}, {version: 1}} {
			own, ok := ownCgroup(lines, tr)
			if !ok {
				continue
			}
			require.True(t, path.IsAbs(own))
			if own, ok = below(root, own); ok {
				assert.True(t, path.IsAbs(own))
				assert.Equal(t, path.Clean(own), own)
			}
		}
	})
}

func FuzzField(f *testing.F) {
	f.Add("low 0\noom_kill 3\n", "oom_kill")
	f.Fuzz(func(t *testing.T, text, key string) { Field(text, key) })
}
