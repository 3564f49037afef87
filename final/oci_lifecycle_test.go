//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/container"
)

// in returns the path of a file of the container on the host.
func (c *bundled) in(name string) string { return filepath.Join(c.spec.Root.Path, name) }

// wrote waits until a file of the container has a content.
func (c *bundled) wrote(name, content string) {
	c.Helper()
	var is []byte
	c.until(func() bool { is, _ = os.ReadFile(c.in(name)); return string(is) == content }, func() string {
		return fmt.Sprintf("want %q in %s, got %q", content, name, is)
	})
}

// toFiles makes a call whose output goes to files: who has these open, as a container that goes on, is not waited for.
func (c *trial) toFiles(cmd *exec.Cmd) result {
	c.Helper()
	var files [2]*os.File
	for i := range files {
		file, err := os.CreateTemp(c.TempDir(), "")
		require.NoError(c, err)
		defer file.Close()
		files[i] = file
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(c, err)
	}
	stdout, err := os.ReadFile(files[0].Name())
	require.NoError(c, err)
	stderr, err := os.ReadFile(files[1].Name())
	require.NoError(c, err)
	return result{string(stdout), string(stderr), cmd.ProcessState.ExitCode()}
}

// keysOf returns the keys of a JSON object in their order.
func keysOf(t *testing.T, object string) []string {
	t.Helper()
	var keys []string
	decoder := json.NewDecoder(strings.NewReader(object))
	_, err := decoder.Token()
	require.NoError(t, err)
	for decoder.More() {
		key, err := decoder.Token()
		require.NoError(t, err)
		keys = append(keys, key.(string))
		var value json.RawMessage
		require.NoError(t, decoder.Decode(&value))
	}
	return keys
}

func TestStateTellsWhatCallersKnowInTheirOrder(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.spec.Annotations = map[string]string{"org.example.key": "value"}
	before := time.Now()
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	for _, status := range []string{"created", "running", "stopped"} {
		switch status {
		case "running":
			require.Equal(t, result{}, c.final("start", c.id))
		case "stopped":
			require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
			c.stopped()
		}
		// Callers leave out all of the environment: even PATH.
		cmd := c.call("state", c.id)
		cmd.Env = []string{"WORKSHOP_AS_PROGRAM=1"}
		r := outcome(t, cmd)
		require.Equal(t, 0, r.status, r.stderr)
		require.Empty(t, r.stderr)
		assert.Equal(t, []string{"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"},
			keysOf(t, r.stdout))
		list := c.final("list", "--format=json")
		var all []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(list.stdout), &all))
		require.Len(t, all, 1)
		assert.JSONEq(t, r.stdout, string(all[0]))
		var s container.Public
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &s))
		assert.WithinRange(t, s.Created, before, time.Now())
		want := container.Public{
			Version: specs.Version, ID: c.id, Pid: c.first(), Status: specs.ContainerState(status), Bundle: c.dir,
			Rootfs:  c.spec.Root.Path,
			Created: s.Created, Annotations: c.spec.Annotations, Owner: "root",
		}
		assert.Equal(t, want, s)
		assert.Equal(t, status == "stopped", s.Pid == 0)
	}
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

// Somebody may kill start as soon as it has said its word. Then nobody listens to the container any more.
func TestAContainerStartsAlthoughItsStartHasBeenKilled(t *testing.T) {
	for _, kinds := range [][]specs.LinuxNamespaceType{nil, {specs.PIDNamespace}} {
		c := newBundle(t, "sh", "-c", "echo ran >/ran; exec sleep 1000")
		// Without a PID namespace of its own, SIGPIPE could end the container.
		c.without(kinds...)
		c.write()
		require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
		_, pid := c.status()
		require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
		start, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Connect(start, &unix.SockaddrUnix{Name: filepath.Join(c.root, c.id, "start.socket")}))
		_, err = unix.Write(start, []byte{0})
		require.NoError(t, err)
		unix.Close(start)
		require.NoError(t, unix.Kill(pid, unix.SIGCONT))
		c.wrote("ran", "ran\n")
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}

func TestKillTakesNamesAndNumbers(t *testing.T) {
	c := newBundle(t, "sh", "-c", `for s in HUP USR1 USR2 TERM 34; do trap "echo $s >>/got" $s; done; `+
		"echo ready >/got; while :; do sleep 0.01; done")
	c.started()
	c.wrote("got", "ready\n")
	got := "ready\n"
	for _, turn := range [][2]string{{"HUP", "HUP"}, {"SIGUSR1", "USR1"}, {"sigusr2", "USR2"}, {"usr1", "USR1"}, {"15", "TERM"},
		{"34", "34"}, {"", "TERM"}} {
		require.Equal(t, result{}, c.final(strings.Fields("kill "+c.id+" "+turn[0])...))
		got += turn[1] + "\n"
		c.wrote("got", got)
	}
	for _, word := range []string{"NOSUCH", "65", "-1", "-9", "--all"} {
		refused(t, c.final("kill", c.id, word), 1, "unknown signal", word)
	}
	require.Equal(t, result{}, c.final("kill", c.id, "9"))
	c.stopped()
	refused(t, c.final("kill", c.id, "9"), 1, "container not running")
	refused(t, c.final("kill", "no-such-id", "9"), 1, "no-such-id", "does not exist")
	// Callers make sure by these, whatever has happened before.
	for _, flag := range []string{"--all", "-a"} {
		require.Equal(t, result{}, c.final("kill", flag, c.id, "9"))
	}
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

func TestKillAllReachesWhatProcess1HasLeft(t *testing.T) {
	c := newBundle(t, "sh", "-c", "trap : TERM; sleep 1000 & echo ready >/ready; while :; do sleep 0.01; done")
	// With a PID namespace the kernel would end them all.
	c.without(specs.PIDNamespace)
	c.started()
	c.wrote("ready", "ready\n")
	_, first := c.status()
	require.NoError(t, unix.Kill(first, unix.SIGKILL))
	c.stopped()
	// The shell has had a short sleep besides, or not.
	require.NotEmpty(t, c.processes())
	require.NotContains(t, c.processes(), first)
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "KILL"))
	c.until(func() bool { return len(c.processes()) == 0 }, func() string { return "there are still processes" })
	require.Equal(t, result{}, c.final("kill", "--all", c.id, "KILL"))
	require.Equal(t, result{}, c.final("delete", c.id))
	c.nothingLeft()
}

// without leaves out a namespace: it is the host's then.
func (c *bundled) without(kinds ...specs.LinuxNamespaceType) {
	var left []specs.LinuxNamespace
	for _, n := range c.spec.Linux.Namespaces {
		if !bytes.Contains(fmt.Append(nil, kinds), []byte(n.Type)) {
			left = append(left, n)
		}
	}
	c.spec.Linux.Namespaces = left
}

func TestACreatedContainerIsKilledOrDeletedWithoutForce(t *testing.T) {
	for _, flags := range [][]string{nil, {"--force"}, {"-f"}} {
		c := newBundle(t, "sh", "-c", "echo ran >/ran")
		c.write()
		require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
		require.Equal(t, result{}, c.final(append(append([]string{"delete"}, flags...), c.id)...))
		c.nothingLeft()
		require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
		require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
		c.stopped()
		refused(t, c.final("start", c.id), 1, "cannot start", "stopped")
		require.Equal(t, result{}, c.final("delete", c.id))
		c.nothingLeft()
		// Callers make sure, whatever has been done before.
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		refused(t, c.final("delete", c.id), 1, c.id, "does not exist")
		require.NoFileExists(t, c.in("ran"))
	}
}

func TestAnIDThatIsInUseIsRefusedAndTheFirstIsUnharmed(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo first >/ran; exec sleep 1000")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	other := newBundle(t, "sh", "-c", "echo second >/ran")
	// Each has made a copy of the mounts.
	c.mounts = other.mounts
	other.id, other.root, other.spec.Linux.CgroupsPath = c.id, c.root, c.spec.Linux.CgroupsPath
	for _, status := range []string{"created", "running"} {
		if status == "running" {
			require.Equal(t, result{}, c.final("start", c.id))
			c.wrote("ran", "first\n")
		}
		before := c.final("state", c.id)
		pid := filepath.Join(t.TempDir(), "pid")
		refused(t, other.create("--pid-file", pid), 1, c.id, status)
		require.NoFileExists(t, pid)
		refused(t, other.run(), 1, c.id, status)
		// Its cgroup is the first's, too.
		elsewhere := *other
		elsewhere.trial = &trial{T: t, root: t.TempDir(), id: c.id, mark: other.mark, mounts: other.mounts}
		refused(t, elsewhere.create(), 1, c.id, "container's cgroup is not empty")
		require.Equal(t, before, c.final("state", c.id))
		require.Empty(t, other.processes())
	}
	require.Equal(t, result{"again\n", "", 0}, c.final("exec", c.id, "echo", "again"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.NoFileExists(t, other.in("ran"))
	c.nothingLeft()
}

func TestTheConfigurationIsThatOfCreate(t *testing.T) {
	c := newBundle(t, "sh", "-c", "echo $WHEN >/when; exec sleep 1000")
	c.spec.Process.Env = append(c.spec.Process.Env, "WHEN=before")
	c.write()
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	root := c.spec.Root.Path
	c.spec.Process.Args, c.spec.Process.Env = []string{"sh", "-c", "echo after >/when"}, append(c.spec.Process.Env, "WHEN=after")
	c.spec.Root.Path = "/"
	c.spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c",
		"echo after >" + c.dir + "/when"}}}}
	c.write()
	c.spec.Root.Path = root
	require.Equal(t, result{}, c.final("start", c.id))
	require.NoFileExists(t, c.dir+"/when")
	c.wrote("when", "before\n")
	require.NoError(t, os.RemoveAll(c.dir))
	require.Equal(t, result{"before\n", "", 0}, c.final("exec", c.id, "sh", "-c", "echo $WHEN"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

func TestAPidFileHasDigitsAndNothingElse(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	dir := t.TempDir()
	name := filepath.Join(dir, "pid")
	require.NoError(t, os.WriteFile(name, []byte("99999999999\n"), 0o600))
	c.started("--pid-file", name)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(c.first()), string(text))
	names, err := filepath.Glob(dir + "/.*")
	require.NoError(t, err)
	require.Empty(t, names)
	// A file that cannot be written is a failure of create, and not of what comes later.
	other := newBundle(t, "sleep", "1000")
	refused(t, other.create("--pid-file", dir+"/none/pid"), 1, "--pid-file", "no such file or directory")
	other.nothingLeft()
	require.Equal(t, result{}, c.final("kill", c.id, "KILL"))
	c.stopped()
	require.NoError(t, unix.Access(name, unix.R_OK))
}
