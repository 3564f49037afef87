//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// treeOf is where the tree with a controller is mounted.
func treeOf(t *testing.T, controller string) string {
	t.Helper()
	if pure(t) {
		return "/sys/fs/cgroup"
	}
	return "/sys/fs/cgroup/" + controller
}

// newCgroup makes a cgroup that no container has made. The cgroup is removed when the test ends.
func (c *trial) newCgroup(controller, name string) string {
	c.Helper()
	dir := filepath.Join(treeOf(c.T, controller), name)
	require.NoError(c, os.Mkdir(dir, 0o755))
	c.Cleanup(func() {
		c.until(func() bool { return os.Remove(dir) == nil || !exists(dir) }, func() string { return dir + " does not go" })
	})
	return dir
}

// frozenCgroup makes a cgroup whose processes do not run.
func (c *trial) frozenCgroup(name string) string {
	c.Helper()
	dir := c.newCgroup("freezer", name)
	file, words := filepath.Join(dir, "freezer.state"), []string{"FROZEN", "THAWED"}
	if pure(c.T) {
		file, words = filepath.Join(dir, "cgroup.freeze"), []string{"1", "0"}
	}
	require.NoError(c, os.WriteFile(file, []byte(words[0]), 0))
	c.Cleanup(func() { _ = os.WriteFile(file, []byte(words[1]), 0) })
	return dir
}

func TestAFrozenCgroupIsRefused(t *testing.T) {
	const why = "container's cgroup unexpectedly frozen"
	for _, below := range []string{"", "/below", "/deep/below"} {
		c := newBundle(t, "true")
		name := "workshop-frozen-" + c.id
		dir := c.frozenCgroup(name)
		c.spec.Linux.CgroupsPath = "/" + name + below
		c.write()
		refused(t, inTime(t, c.call("create", "--bundle", c.dir, c.id)), 1, why, name+below)
		r := inTime(t, c.call("run", "--bundle", c.dir, c.id))
		require.NotZero(t, r.status)
		require.Contains(t, r.stderr, why)
		c.nothingLeft()
		require.DirExists(t, dir)
		require.NoDirExists(t, filepath.Join(dir, "deep"))
		require.NoDirExists(t, filepath.Join(dir, "below"))
	}
	c := newTrial(t)
	dir := c.frozenCgroup("container-workshop-" + c.id)
	refused(t, inTime(t, c.call(c.runArgs(nil, "true")...)), 125, why)
	require.Equal(t, []string{dir}, c.left())
}

// The directories above a cgroup go with it if they were made for it, also when final ends half-way.
func TestNothingIsLeftOfADeepCgroup(t *testing.T) {
	// Up to where process 1 gets its orders.
	for index := range 12 {
		for _, action := range []string{"fail", filepath.Join(t.TempDir(), "never")} {
			c := newBundle(t, "true")
			name := "workshop-deep-" + c.id
			c.spec.Linux.CgroupsPath = "/" + name + "/a/b"
			c.write()
			cmd := c.interruptedBundle("host", index, action)
			require.NoError(t, cmd.Start())
			if action != "fail" {
				c.atStage()
				require.NoError(t, cmd.Process.Kill())
			}
			require.Error(t, cmd.Wait())
			c.until(func() bool {
				left, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
				require.NoError(t, err)
				return len(left) == 0 && !exists("/sys/fs/cgroup/"+name)
			}, func() string { return fmt.Sprintf("there are cgroups after stage %d, %s", index, action) })
		}
	}
}

func TestACgroupWithProcessesIsRefusedAndTheseLiveOn(t *testing.T) {
	for _, controller := range []string{"pids", "freezer"} {
		for _, below := range []string{"", "/below"} {
			c := newBundle(t, "true")
			name := "workshop-taken-" + c.id
			c.newCgroup(controller, name)
			dir := filepath.Join(treeOf(t, controller), name)
			if below != "" {
				dir = c.newCgroup(controller, name+below)
			}
			theirs := exec.Command("sleep", "1000")
			require.NoError(t, theirs.Start())
			t.Cleanup(func() {
				_ = theirs.Process.Kill()
				_ = theirs.Wait()
			})
			require.NoError(t, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(theirs.Process.Pid)), 0))
			c.spec.Linux.CgroupsPath = "/" + name
			refused(t, c.create(), 1, "container's cgroup is not empty", name)
			r := c.run()
			require.NotZero(t, r.status)
			require.Contains(t, r.stderr, "container's cgroup is not empty")
			c.nothingLeft()
			state, err := os.ReadFile("/proc/" + strconv.Itoa(theirs.Process.Pid) + "/cgroup")
			require.NoError(t, err)
			require.Contains(t, string(state), name+below+"\n")
		}
	}
}

func TestParentsWithoutProcessorsGetSome(t *testing.T) {
	for _, below := range []string{"", "/below", "/deep/below"} {
		c := newBundle(t)
		name := "workshop-cpuset-" + c.id
		dir := c.newCgroup("cpuset", name)
		c.spec.Linux.CgroupsPath = "/" + name + below
		require.NotEmpty(t, c.says("while read -r k v; do case $k in Cpus_allowed_list:) echo $v;; esac; done </proc/self/status"))
		c.nothingLeft()
		require.DirExists(t, dir)
		require.NoDirExists(t, filepath.Join(dir, "deep"))
	}
}

// Callers look for a container of theirs in the tree of version 2, if there is one, even where it limits nothing.
func TestTheTreeOfVersion2HasTheContainerToo(t *testing.T) {
	c := newBundle(t)
	pid := c.stays()
	other := filepath.Join(t.TempDir(), "pid")
	require.NoError(t, c.call("exec", "--detach", "--pid-file", other, c.id, "sleep", "1000").Run())
	for _, number := range []int{pid, pidIn(t, other)} {
		for controller, dir := range cgroupDirs(t, number) {
			assert.True(t, strings.HasSuffix(dir, c.spec.Linux.CgroupsPath), "%d: %q: %s", number, controller, dir)
		}
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestKeepLeavesTheCgroupUntilDelete(t *testing.T) {
	c := newBundle(t, "true")
	c.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(17))}
	require.Equal(t, result{}, c.run("--keep"))
	require.Equal(t, "17", c.limit("pids.max", "pids.max"))
	require.Equal(t, result{}, c.final("delete", c.id))
	require.Equal(t, "no such file", c.limit("pids.max", "pids.max"))
	c.nothingLeft()
	// One that was there before stays.
	c.spec.Linux.CgroupsPath = "/workshop-before-" + c.id
	dir := c.newCgroup("pids", "workshop-before-"+c.id)
	require.Equal(t, result{}, c.run("--keep"))
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
	require.DirExists(t, dir)
	if !pure(t) {
		require.NoDirExists(t, filepath.Join(treeOf(t, "cpu"), "workshop-before-"+c.id))
	}
}

// A container that has ended has no processes any more. Those in its cgroup are of whoever has got the cgroup since.
func TestWhoComesIntoTheCgroupOfAStoppedContainerLivesOn(t *testing.T) {
	c := newBundle(t, "true")
	require.Equal(t, result{}, c.run("--keep"))
	other := c.beside()
	other.spec.Linux.CgroupsPath = c.spec.Linux.CgroupsPath
	pid := other.stays()
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "KILL"))
	refused(t, c.final("kill", c.id, "KILL"), 1, "container not running")
	require.Equal(t, result{"[]\n", "", 0}, c.final("ps", "--format", "json", c.id))
	require.Equal(t, result{}, other.final("pause", other.id))
	r := c.final("delete", "--force", c.id)
	require.Equal(t, 0, r.status, r.stderr)
	require.Contains(t, r.stderr, "stays")
	status, _ := other.status()
	require.Equal(t, "paused", status)
	require.Equal(t, []int{pid}, c.processes())
	require.Equal(t, result{}, other.final("delete", "--force", other.id))
	require.Empty(t, c.processes())
	// The second container found the cgroup and left it, so we remove it.
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
		dirs, err := filepath.Glob(pattern + c.spec.Linux.CgroupsPath)
		require.NoError(t, err)
		for _, dir := range dirs {
			_ = os.Remove(dir)
		}
	}
	c.nothingLeft()
}

// No process means that the first can have no child. The kernel lets it in nevertheless.
func TestNoProcessesIsALimit(t *testing.T) {
	c := newBundle(t, "sh", "-c", "(:) 2>/dev/null && echo forked || echo alone")
	c.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(0))}
	require.NotContains(t, c.run().stdout, "forked")
	pid := c.stays()
	require.Equal(t, "1", limit(t, pid, "pids", "pids.max", "pids.max"))
	require.Equal(t, result{}, c.final("update", "--pids-limit", "-1", c.id))
	require.Equal(t, "max", limit(t, pid, "pids", "pids.max", "pids.max"))
	require.Equal(t, result{}, c.final("update", "--pids-limit", "0", c.id))
	require.Equal(t, "1", limit(t, pid, "pids", "pids.max", "pids.max"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Version 1 has a tree for each controller, and a container may have made cgroups of its own in some of them.
func TestExecJoinsACgroupOfSomeControllers(t *testing.T) {
	c := newBundle(t)
	pid := c.stays()
	exec := func(places ...string) result {
		args := []string{"exec"}
		for _, place := range places {
			args = append(args, "--cgroup", place)
		}
		return c.final(append(args, c.id, "sh", "-c", "while read -r l; do echo $l; done </proc/self/cgroup")...)
	}
	for _, wrong := range []struct {
		places []string
		words  string
	}{
		{[]string{"../x"}, "bad sub cgroup path"}, {[]string{"pids:.."}, ""}, {[]string{"none"}, " adding pid of the command to a cgroup: "},
		{[]string{"what:/"}, "unknown controller"}, {[]string{":/"}, "unknown controller"}, {[]string{"/", "/"}, "CONTROLLER:PATH"},
	} {
		r := exec(wrong.places...)
		require.NotZero(t, r.status, wrong)
		require.Contains(t, r.stderr, wrong.words)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	}
	require.Equal(t, exec(), exec("/"))
	if pure(t) {
		require.Contains(t, exec("pids:/").stderr, "unknown controller")
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		return
	}
	dirs := cgroupDirs(t, pid)
	for _, controller := range []string{"memory", "cpu", "cpuset"} {
		require.NoError(t, os.Mkdir(filepath.Join(dirs[controller], "below-"+controller), 0o755))
	}
	r := exec("memory:below-memory", "cpu:below-cpu", "cpuset:below-cpuset", "pids:/")
	require.Equal(t, 0, r.status, r.stderr)
	in := map[string]string{}
	for line := range strings.Lines(r.stdout) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for controller := range strings.SplitSeq(fields[1], ",") {
			in[controller] = fields[2]
		}
	}
	// It sees them from the cgroup of the container, in a cgroup namespace of that.
	assert.Equal(t, "/below-memory", in["memory"])
	assert.Equal(t, "/below-cpu", in["cpu"])
	assert.Equal(t, "/below-cpuset", in["cpuset"])
	assert.Equal(t, "/", in["pids"])
	require.Contains(t, exec("cpu:none").stderr, "no such file or directory")
	require.Contains(t, exec("memory:below-memory", "memory:/").stderr, "one cgroup in each tree")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
