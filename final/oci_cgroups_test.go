//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cgroupDirs returns the directories of a process' cgroups on the host, by controller; that of version 2 has the name "". cgroups(7)
func cgroupDirs(t *testing.T, pid int) map[string]string {
	t.Helper()
	places := map[string]string{}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for _, m := range mountsIn(t, string(mounts)) {
		switch m.kind {
		case "cgroup2":
			places[""] = m.at
		case "cgroup":
			for _, word := range m.super {
				places[word] = m.at
			}
		}
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	require.NoError(t, err)
	dirs := map[string]string{}
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, controller := range strings.Split(fields[1], ",") {
			if place, ok := places[controller]; ok {
				dirs[controller] = filepath.Join(place, fields[2])
			}
		}
	}
	require.NotEmpty(t, dirs)
	return dirs
}

// pure reports whether the host has cgroups of version 2 and no others.
func pure(t *testing.T) bool {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs("/sys/fs/cgroup", &fs))
	return fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// limit reads a file of a controller, which has another name on version 2.
func limit(t *testing.T, pid int, controller, v1, v2 string) string {
	t.Helper()
	dir, name := cgroupDirs(t, pid)[controller], v1
	if pure(t) {
		dir, name = cgroupDirs(t, pid)[""], v2
	}
	content, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return strings.TrimSpace(string(content))
}

// pidsDir is the directory of a controller that each layout has.
func pidsDir(t *testing.T, pid int) string {
	t.Helper()
	if pure(t) {
		return cgroupDirs(t, pid)[""]
	}
	return cgroupDirs(t, pid)["pids"]
}

func TestWhereTheCgroupOfABundleIs(t *testing.T) {
	c := newBundle(t)
	top := "/sys/fs/cgroup/pids"
	own := cgroupDirs(t, os.Getpid())["pids"]
	if pure(t) {
		top = "/sys/fs/cgroup"
		// A cgroup with processes in it has no other below it, so it is beside ours, if that is not the root.
		if own = cgroupDirs(t, os.Getpid())[""]; own != top {
			own = filepath.Dir(own)
		}
	}
	for path, want := range map[string]string{
		"/container-workshop-" + c.id + "/deep/x":                  top + "/container-workshop-" + c.id + "/deep/x",
		"container-workshop-" + c.id + "/x":                        filepath.Join(own, "container-workshop-"+c.id+"/x"),
		"/container-workshop-" + c.id + ".slice:cri-containerd:id": top + "/container-workshop-" + c.id + ".slice:cri-containerd:id",
		"": top + "/" + c.id,
	} {
		c.spec.Linux.CgroupsPath = path
		pid := c.stays()
		assert.Equal(t, want, pidsDir(t, pid), path)
		require.Equal(t, c.exec("cat /proc/1/cgroup"), c.exec("cat /proc/self/cgroup"))
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		assert.NoDirExists(t, want)
	}
	assert.Empty(t, named(t, c.id))
	c.spec.Linux.CgroupsPath = "/../outside"
	refused(t, c.create(), 1, "linux.cgroupsPath")
	c.nothingLeft()
}

func TestACgroupThatWasThereStays(t *testing.T) {
	c := newBundle(t)
	parent := filepath.Join("/sys/fs/cgroup", "container-workshop-"+c.id)
	if !pure(t) {
		parent = filepath.Join("/sys/fs/cgroup/pids", "container-workshop-"+c.id)
	}
	require.NoError(t, os.Mkdir(parent, 0o755))
	defer func() { assert.NoError(t, os.Remove(parent)) }()
	pid := c.stays()
	require.Equal(t, parent, pidsDir(t, pid))
	// Another container does not get it as long as it is in use.
	other := c.beside()
	other.spec.Linux.CgroupsPath = c.spec.Linux.CgroupsPath
	other.spec.Process.Args = []string{"true"}
	refused(t, other.create(), 1, "container's cgroup is not empty")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.DirExists(t, parent)
	c.spec.Linux.CgroupsPath += "/below"
	c.stays()
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.DirExists(t, parent)
	require.NoDirExists(t, parent+"/below")
}

func pointTo[T any](value T) *T { return &value }

func TestTheResourcesOfABundle(t *testing.T) {
	c := newBundle(t)
	r := c.spec.Linux.Resources
	r.Memory = &specs.LinuxMemory{Limit: pointTo(int64(32 << 20)), Reservation: pointTo(int64(16 << 20))}
	r.Pids = &specs.LinuxPids{Limit: pointTo(int64(17))}
	r.CPU = &specs.LinuxCPU{Shares: pointTo(uint64(512)), Quota: pointTo(int64(50000)), Period: pointTo(uint64(200000)), Cpus: "0"}
	pid := c.stays()
	assert.Equal(t, "33554432", limit(t, pid, "memory", "memory.limit_in_bytes", "memory.max"))
	assert.Equal(t, "16777216", limit(t, pid, "memory", "memory.soft_limit_in_bytes", "memory.low"))
	assert.Equal(t, "17", limit(t, pid, "pids", "pids.max", "pids.max"))
	assert.Equal(t, "0", limit(t, pid, "cpuset", "cpuset.cpus", "cpuset.cpus"))
	if pure(t) {
		assert.Equal(t, "50000 200000", limit(t, pid, "cpu", "", "cpu.max"))
	} else {
		assert.Equal(t, "512", limit(t, pid, "cpu", "cpu.shares", ""))
		assert.Equal(t, "50000", limit(t, pid, "cpu", "cpu.cfs_quota_us", ""))
		assert.Equal(t, "200000", limit(t, pid, "cpu", "cpu.cfs_period_us", ""))
	}
	require.Equal(t, "0", inStatus(t, pid, "Cpus_allowed_list"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))

	r.Unified = map[string]string{"memory.high": "30000000"}
	if pure(t) {
		assert.Equal(t, "29999104", limit(t, c.stays(), "", "", "memory.high"))
	} else {
		refused(t, c.create(), 1, "linux.resources.unified")
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestACommandThatTakesTooMuchMemoryIsKilled(t *testing.T) {
	c := newBundle(t, "busybox", "tail", "/dev/zero")
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointTo(int64(8 << 20)), Swap: pointTo(int64(8 << 20))}
	r := c.run()
	require.Equal(t, 128+int(unix.SIGKILL), r.status, r.stderr)
	c.nothingLeft()
}

func TestTheDevicesThatACgroupAllows(t *testing.T) {
	c := newBundle(t)
	mode := os.FileMode(0o666)
	c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/log-of-the-kernel", Type: "c", Major: 1, Minor: 11, FileMode: &mode}}
	for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
		*set = append(*set, "CAP_SYSLOG")
	}
	script := answer("true </dev/log-of-the-kernel") + ";" + answer("true <>/dev/log-of-the-kernel") + ";" + answer("echo >/dev/null")
	rule := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointTo(int64(1)), Minor: pointTo(int64(11)), Access: "rwm"}
	require.Equal(t, "no\nno\nyes", c.says(script))
	deny := c.spec.Linux.Resources.Devices
	c.spec.Linux.Resources.Devices = append(deny, rule)
	require.Equal(t, "yes\nyes\nyes", c.says(script))
	rule.Access = "rm"
	c.spec.Linux.Resources.Devices = append(deny[:len(deny):len(deny)], rule)
	require.Equal(t, "yes\nno\nyes", c.says(script))
	// The last one holds.
	rule.Allow, rule.Access = false, "rwm"
	c.spec.Linux.Resources.Devices = append(c.spec.Linux.Resources.Devices, rule)
	require.Equal(t, "no\nno\nyes", c.says(script))
	c.nothingLeft()
}

func TestTheLettersOfDeviceAccessComeInAnyOrder(t *testing.T) {
	script := answer("true </dev/mine") + ";" + answer("true >/dev/mine")
	for access, want := range map[string]string{"mrw": "yes\nyes", "wrm": "yes\nyes", "wr": "yes\nyes", "mr": "yes\nno", "wm": "no\nyes"} {
		c := newBundle(t)
		mode := os.FileMode(0o666)
		// The log of the kernel is none of the default devices.
		c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/mine", Type: "c", Major: 1, Minor: 11, FileMode: &mode}}
		for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
			*set = append(*set, "CAP_SYSLOG")
		}
		c.spec.Linux.Resources.Devices = append(c.spec.Linux.Resources.Devices,
			specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointTo(int64(1)), Minor: pointTo(int64(11)), Access: access})
		assert.Equal(t, want, c.says(script), access)
		c.nothingLeft()
	}
}

func TestTheCgroupsThatABundleMounts(t *testing.T) {
	for _, own := range []bool{true, false} {
		for _, access := range []string{"ro", "rw"} {
			c := newBundle(t)
			if !own {
				c.namespaces(specs.MountNamespace, specs.PIDNamespace, specs.UTSNamespace, specs.IPCNamespace, specs.NetworkNamespace)
			}
			for i := range c.spec.Mounts {
				if c.spec.Mounts[i].Type == "cgroup" {
					c.spec.Mounts[i].Options[0] = access
				}
			}
			// There are two processes in it: the shell, and the one that reads.
			dir := "/sys/fs/cgroup"
			if !pure(t) {
				dir += "/pids"
			}
			make := answer("busybox mkdir "+dir+"/below") + ";" + answer("busybox rmdir "+dir+"/below")
			want := map[string]string{"ro": "no\nno", "rw": "yes\nyes"}[access]
			require.Equal(t, want+"\n2\nyes", c.says(make+"; cat "+dir+"/cgroup.procs >/tmp/procs; sort -u /tmp/procs | busybox wc -l;"+answer("! ls "+dir+" | grep -q workshop")))
			paths := c.says("cat /proc/self/cgroup")
			assert.Equal(t, !own, strings.Contains(paths, "container-workshop-"+c.id), paths)
			c.nothingLeft()
		}
	}
}
