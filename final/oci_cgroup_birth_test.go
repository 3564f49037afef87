//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// unifiedTree is where the tree of version 2 is mounted.
func unifiedTree(t *testing.T) string {
	t.Helper()
	if pure(t) {
		return "/sys/fs/cgroup"
	}
	if !exists("/sys/fs/cgroup/unified/cgroup.procs") {
		t.Skip("there is no tree of version 2")
	}
	return "/sys/fs/cgroup/unified"
}

// A beingMade is a container whose process 1 is there, and whose final does not go on.
type beingMade struct {
	*bundled
	call *exec.Cmd
	// dir is the cgroup of version 2, and goOn the file that lets final go on.
	dir, goOn string
	stderr    bytes.Buffer
}

func newBeingMade(t *testing.T) *beingMade {
	t.Helper()
	c := &beingMade{bundled: newBundle(t, "true"), goOn: filepath.Join(t.TempDir(), "go-on")}
	c.dir = filepath.Join(unifiedTree(t), c.spec.Linux.CgroupsPath)
	c.write()
	c.call = c.trial.call("run", "--bundle", c.bundled.dir, c.id)
	c.call.Env = append(c.call.Env, fmt.Sprintf("%s=host write(state.json) %s", interruptEnv, c.goOn))
	c.call.Stderr = &c.stderr
	require.NoError(t, c.call.Start())
	t.Cleanup(func() { _ = c.call.Process.Kill() })
	c.atStage()
	return c
}

// put writes a file of the cgroup.
func (c *beingMade) put(name, content string) {
	c.Helper()
	require.NoError(c, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0))
}

// A later move of process 1 would wait for a grace period of RCU.
func TestProcess1IsBornInItsCgroupOfVersion2(t *testing.T) {
	c := newBeingMade(t)
	procs, err := os.ReadFile(filepath.Join(c.dir, "cgroup.procs"))
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(c.first())+"\n", string(procs))
	require.NoError(t, os.WriteFile(c.goOn, nil, 0o600))
	require.NoError(t, c.call.Wait(), c.stderr.String())
	c.nothingLeft()
}

func TestProcess1ThatIsKilledInItsCgroupBeforeTheCommandIsAnError(t *testing.T) {
	c := newBeingMade(t)
	if !exists(filepath.Join(c.dir, "cgroup.kill")) {
		t.Skip("the kernel is older than Linux 5.14, and has no cgroup.kill")
	}
	c.put("cgroup.kill", "1")
	require.NoError(t, os.WriteFile(c.goOn, nil, 0o600))
	require.Error(t, c.call.Wait())
	refused(t, result{"", c.stderr.String(), c.call.ProcessState.ExitCode()}, 1, "first process ended")
	c.nothingLeft()
}

func TestNothingIsLeftOfAFrozenContainerWhoseMakerIsKilled(t *testing.T) {
	c := newBeingMade(t)
	c.put("cgroup.freeze", "1")
	require.NoError(t, c.call.Process.Kill())
	require.Error(t, c.call.Wait())
	c.nothingLeft()
}

// If no process can be born in the cgroup, final moves process 1 there, as far as the kernel allows this.
func TestACgroupInWhichNoProcessCanBeBorn(t *testing.T) {
	t.Run("too many processes", func(t *testing.T) {
		c := newBundle(t, "echo", "well")
		if pure(t) {
			require.NoError(t, os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+pids"), 0))
		}
		dir := c.newCgroup("pids", "workshop-full-"+c.id)
		// This limit counts for new processes only.
		require.NoError(t, os.WriteFile(filepath.Join(dir, "pids.max"), []byte("0"), 0))
		c.spec.Linux.CgroupsPath = "/workshop-full-" + c.id + "/below"
		require.Equal(t, result{"well\n", "", 0}, c.run())
		c.nothingLeft()
	})
	t.Run("room for one more", func(t *testing.T) {
		c := newBundle(t)
		c.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(2))}
		pid := c.stays()
		// On its way, exec needs two processes for a moment. Afterwards one more is too many, but only if the container makes it.
		require.Equal(t, "well", c.exec("echo well"))
		require.Equal(t, "2", limit(t, pid, "pids", "pids.max", "pids.max"))
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	})
	t.Run("threads only", func(t *testing.T) {
		tree := unifiedTree(t)
		c := newBundle(t, "true")
		name := "workshop-threads-" + c.id
		above := filepath.Join(tree, name)
		for _, dir := range []string{above, above + "/threads"} {
			require.NoError(t, os.Mkdir(dir, 0o755))
			t.Cleanup(func() {
				c.until(func() bool { return os.Remove(dir) == nil || !exists(dir) }, func() string { return dir + " does not go" })
			})
		}
		require.NoError(t, os.WriteFile(above+"/threads/cgroup.type", []byte("threaded"), 0))
		c.spec.Linux.CgroupsPath = "/" + name + "/below"
		r := c.run()
		refused(t, r, 1, "cgroup.type")
		c.nothingLeft()
		require.NoDirExists(t, above+"/below")
	})
}

// Both are born there: the first process, which joins the namespaces, and the second one, which goes on.
func TestTheProcessOfExecIsBornInTheCgroupOfVersion2(t *testing.T) {
	tree := unifiedTree(t)
	c := newBundle(t)
	first := c.stays()
	goOn := filepath.Join(t.TempDir(), "go-on")
	cmd := c.call("exec", c.id, "true")
	// This is the stage after the clone.
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=host 2 %s", interruptEnv, goOn))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	c.atStage()
	procs, err := os.ReadFile(filepath.Join(tree, c.spec.Linux.CgroupsPath, "cgroup.procs"))
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(procs)), 2, "process 1 is %d", first)
	require.NoError(t, os.WriteFile(goOn, nil, 0o600))
	require.NoError(t, cmd.Wait())
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// Such a process is in the cgroup, and not in the PID namespace. So it does not end with process 1, but a moment later.
func TestDeleteWaitsForAProcessOfExecThatIsOnItsWay(t *testing.T) {
	unifiedTree(t)
	c := newBundle(t)
	c.stays()
	cmd := c.call("exec", c.id, "true")
	cmd.Env = append(cmd.Env, interruptEnv+"=container clone() never")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	c.atStage()
	removal := c.call("delete", "--force", c.id)
	var stderr bytes.Buffer
	removal.Stderr = &stderr
	require.NoError(t, removal.Start())
	ended := make(chan error, 1)
	go func() { ended <- removal.Wait() }()
	c.until(func() bool { return c.first() == 0 }, func() string { return "process 1 does not end" })
	require.Never(t, func() bool { return len(ended) > 0 }, 300*time.Millisecond, 5*time.Millisecond, "delete has not waited")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.NoError(t, <-ended)
	require.Empty(t, stderr.String())
	c.nothingLeft()
}

// A process that is born in the cgroup needs the memory of the container from then on.
func TestExecNeedsHardlyAnyMemoryOfTheContainer(t *testing.T) {
	c := newBundle(t)
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(1 << 20))}
	c.stays()
	for range 20 {
		require.Equal(t, "well", c.exec("echo well"))
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAContainerThatCannotEvenBeMadeInItsMemorySaysSo(t *testing.T) {
	r := final(t, "run", "--rootfs", rootfsOf(t, nil), "--memory", "4k", "/bin/true")
	refused(t, r, 125, "first process ended", "limit of 4k", "--memory")
	c := newBundle(t, "true")
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(4 << 10))}
	r = c.run()
	require.NotZero(t, r.status)
	require.Contains(t, r.stderr, "limit of 4k")
	c.nothingLeft()
}

// A container can freeze itself: it can mount its cgroup of version 2 in a user namespace that it makes. A process of exec that is born there
// is frozen, too.
func TestDeleteThawsAProcessOfExecThatIsOnItsWay(t *testing.T) {
	tree := unifiedTree(t)
	c := newBundle(t)
	first := c.stays()
	dir := filepath.Join(tree, c.spec.Linux.CgroupsPath)
	is := func(want string) {
		t.Helper()
		var status string
		c.until(func() bool { status, _ = c.status(); return status == want }, func() string { return "the container is " + status })
	}
	freeze := func() {
		t.Helper()
		require.NoError(t, os.WriteFile(dir+"/cgroup.freeze", []byte("1"), 0))
		is("paused")
	}
	freeze()
	require.Equal(t, result{}, c.final("resume", c.id))
	is("running")
	freeze()
	cmd := c.call("exec", "--ignore-paused", c.id, "true")
	require.NoError(t, cmd.Start())
	c.until(func() bool {
		procs, _ := os.ReadFile(dir + "/cgroup.procs")
		return len(strings.Fields(string(procs))) == 2
	}, func() string { return "no process of exec is born" })
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	// Nobody has asked final for this end, which would thaw the container.
	require.NoError(t, unix.Kill(first, unix.SIGKILL))
	c.stopped()
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
