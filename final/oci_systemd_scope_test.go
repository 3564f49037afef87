//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// systemdRuns is there where systemd is process 1. sd_booted(3)
const systemdRuns = "/run/systemd/system"

// A scoped is a bundle whose cgroup is a scope of systemd's.
type scoped struct {
	*bundled
	// path is what the configuration says, unit is the scope, and cgroup is that of it in each tree.
	path, unit, cgroup string
}

func needSystemd(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(systemdRuns); err != nil {
		t.Skip("needs systemd as process 1: make test-systemd")
	}
}

// newScope makes a bundle for a command, with limits. Its cgroup is one that it names, or not.
func newScope(t *testing.T, named bool, args ...string) *scoped {
	t.Helper()
	needSystemd(t)
	c := &scoped{bundled: newBundle(t, args...)}
	slice := "system.slice"
	c.unit = "container-workshop-" + c.id + ".scope"
	if named {
		slice, c.unit, c.path = "workshop.slice", "final-"+c.id+".scope", "workshop.slice:final:"+c.id
	}
	c.cgroup = filepath.Join(slice, c.unit)
	// There limits looks.
	c.spec.Linux.CgroupsPath = c.cgroup
	r := c.spec.Linux.Resources
	r.Memory = &specs.LinuxMemory{Limit: new(int64(64 << 20))}
	r.Pids = &specs.LinuxPids{Limit: new(int64(50))}
	r.CPU = &specs.LinuxCPU{Quota: new(int64(25000)), Period: new(uint64(50000)), Cpus: "0"}
	c.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/other", Type: "c", Major: 1, Minor: 11, FileMode: new(os.FileMode(0o666))}}
	return c
}

// call returns a call of final as its callers make it: the flag is on each.
func (c *scoped) call(args ...string) *exec.Cmd {
	return c.bundled.call(append([]string{"--systemd-cgroup"}, args...)...)
}

func (c *scoped) final(args ...string) result { return outcome(c.T, c.call(args...)) }

func (c *scoped) write() {
	c.spec.Linux.CgroupsPath = c.path
	c.bundled.write()
	c.spec.Linux.CgroupsPath = c.cgroup
}

// create makes the container, which has to work.
func (c *scoped) create() {
	c.Helper()
	c.write()
	require.Equal(c, result{}, c.toFiles(c.call("create", "--bundle", c.dir, c.id)))
}

// run runs the container to its end.
func (c *scoped) run() result {
	c.Helper()
	c.write()
	return c.final("run", "--bundle", c.dir, c.id)
}

func (c *scoped) started() {
	c.Helper()
	c.create()
	require.Equal(c, result{}, c.final("start", c.id))
}

// systemctl asks systemd. systemctl(1)
func systemctl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command("systemctl", args...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return strings.TrimSpace(string(output))
}

// show returns properties of the scope.
func (c *scoped) show(names ...string) (values []string) {
	c.Helper()
	for _, name := range names {
		values = append(values, systemctl(c.T, "show", "--value", "--property", name, c.unit))
	}
	return values
}

// inside requires that so many processes of the container are there, and all in the scope, whatever the tree.
func (c *scoped) inside(count int) {
	c.Helper()
	pids := c.processes()
	require.Len(c, pids, count)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		require.NoError(c, err)
		for _, line := range strings.Fields(string(text)) {
			parts := strings.SplitN(line, ":", 3)
			if parts[1] == "devices" {
				parts[2] = strings.TrimSuffix(parts[2], "/container")
			}
			assert.Equal(c, "/"+c.cgroup, parts[2], line)
		}
	}
}

// nothingLeft requires besides that in time systemd has no such unit, and no tree such a cgroup.
func (c *scoped) nothingLeft() {
	c.Helper()
	c.bundled.nothingLeft()
	left := func() []string {
		directories, _ := filepath.Glob("/sys/fs/cgroup/" + c.cgroup)
		more, _ := filepath.Glob("/sys/fs/cgroup/*/" + c.cgroup)
		return append(directories, more...)
	}
	c.until(func() bool { return len(left()) == 0 }, func() string { return "left: " + strings.Join(left(), "\n") })
	assert.Empty(c, systemctl(c.T, "list-units", "--all", "--no-legend", c.unit))
}
