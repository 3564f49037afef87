//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hookPoints are in the order in which they come.
var hookPoints = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// hook adds a hook, which is a shell script. Those of startContainer are programs of the container.
func (c *bundled) hook(point, script string, timeout ...int) {
	c.Helper()
	if c.spec.Hooks == nil {
		c.spec.Hooks = &specs.Hooks{}
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	require.NoError(c, err)
	if point == "startContainer" {
		shell = "/bin/sh"
	}
	h := specs.Hook{Path: shell, Args: []string{"sh", "-c", script, "zero", "an argument"}, Env: []string{"PATH=/bin:/usr/bin", "POINT=" + point, c.mark}}
	if len(timeout) > 0 {
		h.Timeout = &timeout[0]
	}
	list := map[string]*[]specs.Hook{
		//lint:ignore SA1019 engines still ask for it
		"prestart": &c.spec.Hooks.Prestart, "createRuntime": &c.spec.Hooks.CreateRuntime, "createContainer": &c.spec.Hooks.CreateContainer,
		"startContainer": &c.spec.Hooks.StartContainer, "poststart": &c.spec.Hooks.Poststart, "poststop": &c.spec.Hooks.Poststop,
	}[point]
	require.NotNil(c, list, point)
	*list = append(*list, h)
}

// notes is a directory of the host that hooks write to. The container has it at the same place.
func (c *bundled) notes() string {
	c.Helper()
	dir := c.TempDir()
	c.mount("bind", dir, dir, "bind")
	return dir
}

func noted(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(content)
}

func TestAHookGetsTheStateOfTheContainer(t *testing.T) {
	c := newBundle(t)
	dir := c.notes()
	c.spec.Annotations = map[string]string{"of.us": "a b"}
	for _, point := range hookPoints {
		c.hook(point, "cd "+dir+`; cat >$POINT.state; for a; do echo "$a"; done >$POINT.args; export >$POINT.env; cat /proc/$$/cmdline >$POINT.cmdline; :`)
	}
	pid := c.stays()
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	for _, point := range hookPoints {
		var state specs.State
		require.NoError(t, json.Unmarshal([]byte(noted(t, dir, point+".state")), &state), point)
		want := specs.State{Version: state.Version, ID: c.id, Status: specs.StateCreated, Pid: pid, Bundle: c.dir, Annotations: c.spec.Annotations}
		switch point {
		case "poststart":
			want.Status = specs.StateRunning
		case "poststop":
			want.Status, want.Pid = specs.StateStopped, 0
		}
		assert.Equal(t, want, state, point)
		assert.True(t, strings.HasPrefix(state.Version, "1."), state.Version)
		assert.Equal(t, "an argument\n", noted(t, dir, point+".args"))
		env := noted(t, dir, point+".env")
		assert.Contains(t, env, "POINT='"+point+"'")
		assert.NotContains(t, env, "HOME=", "that of the caller")
		if point != "createContainer" {
			// There /proc is still the host's, which knows it by another number.
			assert.True(t, strings.HasPrefix(noted(t, dir, point+".cmdline"), "sh\x00-c\x00"), point)
		}
	}
	c.nothingLeft()
}

func TestHooksRunInTheirOrder(t *testing.T) {
	c := newBundle(t)
	dir := c.notes()
	var want []string
	for _, point := range hookPoints {
		for _, turn := range []string{"first", "second"} {
			// They do not read their input.
			c.hook(point, fmt.Sprintf("echo %s %s >>%s/log", point, turn, dir))
			want = append(want, point+" "+turn)
		}
	}
	c.spec.Process.Args = []string{"sh", "-c", "echo command >>" + dir + "/log; exec sleep 1000"}
	c.write()
	log := func() []string { return strings.Split(strings.TrimSpace(noted(t, dir, "log")), "\n") }
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	require.Equal(t, want[:6], log(), "created")
	require.Equal(t, result{}, c.final("start", c.id))
	var now []string
	c.until(func() bool { now = log(); return len(now) == 11 }, func() string { return fmt.Sprint(now) })
	// The command runs when poststart does.
	require.Equal(t, want[6:8], now[6:8])
	require.ElementsMatch(t, append([]string{"command"}, want[8:10]...), now[8:])
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.Equal(t, want[10:], log()[11:])

	// So it is for a call that does all of it.
	require.NoError(t, os.Remove(filepath.Join(dir, "log")))
	c.spec.Process.Args = []string{"sh", "-c", "while ! grep -q 'poststart second' " + dir + "/log; do sleep 0.01; done"}
	require.Equal(t, result{}, c.run())
	require.Equal(t, want, log())
	c.nothingLeft()
}

func TestAHookRunsInTheNamespacesOfItsPoint(t *testing.T) {
	c := newBundle(t)
	c.spec.Hostname = "of-the-container"
	dir := c.notes()
	require.NoError(t, os.WriteFile(filepath.Join(c.spec.Root.Path, "only-in-the-container"), nil, 0o600))
	onlyHost := file(t, "only-on-the-host", "")
	kinds := []specs.LinuxNamespaceType{specs.UTSNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.MountNamespace}
	script := "uname -n >" + dir + "/$POINT; for n in uts net ipc mnt; do readlink /proc/self/ns/$n; done >>" + dir + "/$POINT;" +
		"[ -e " + onlyHost + " ] && echo host >>" + dir + "/$POINT; [ -e /only-in-the-container ] && echo container >>" + dir + "/$POINT; :"
	for _, point := range hookPoints {
		if point == "startContainer" {
			c.hook(point, strings.ReplaceAll(script, "uname", "busybox uname"))
			continue
		}
		c.hook(point, script)
	}
	pid := c.stays()
	name, err := os.Hostname()
	require.NoError(t, err)
	list := func(who, hostname, files string) string {
		seen := namespacesSeen(t, who)
		text := hostname + "\n"
		for _, kind := range kinds {
			text += seen[kind] + "\n"
		}
		return text + files + "\n"
	}
	host, inside := list("thread-self", name, "host"), list(fmt.Sprint(pid), "of-the-container", "")
	for _, point := range []string{"prestart", "createRuntime", "poststart"} {
		assert.Equal(t, host, noted(t, dir, point), point)
	}
	assert.Equal(t, inside[:len(inside)-1]+"host\n", noted(t, dir, "createContainer"))
	assert.Equal(t, inside[:len(inside)-1]+"container\n", noted(t, dir, "startContainer"))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	assert.Equal(t, host, noted(t, dir, "poststop"))
	c.nothingLeft()
}

// All mounts are there when the first hooks run, and what they do to them is seen. config.md, "CreateRuntime Hooks"
func TestHooksSeeTheMountsOfTheContainer(t *testing.T) {
	c := newBundle(t)
	dir := c.notes()
	c.mount("tmpfs", "tmpfs", "/data", "size=1m")
	root := c.spec.Root.Path
	c.hook("createContainer", fmt.Sprintf("echo by the hook >%s/data/file; [ -c %s/dev/null ] && echo devices >>%s/log", root, root, dir))
	c.hook("createRuntime", fmt.Sprintf("pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); grep -c ' %s/data ' /proc/$pid/mountinfo >>%s/log", root, dir))
	require.Equal(t, "by the hook", c.says("cat /data/file"))
	require.Equal(t, "1\ndevices\n", noted(t, dir, "log"))
	c.nothingLeft()
}

// It is a program of the image, and so no more than the command. CVE-2019-5736
func TestAHookOfTheContainerHasNoMoreRightsThanItsCommand(t *testing.T) {
	c := newBundle(t)
	dir := c.notes()
	require.NoError(t, os.Chmod(dir, 0o777))
	c.spec.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{7}}
	c.spec.Linux.Seccomp = profile(specs.ActErrno, nil, "mkdir", "mkdirat")
	show := rights("Uid:|Gid:|Groups:|Cap*|NoNewPrivs:|Seccomp:") + "; ls /proc/self/fd | busybox wc -l; busybox mkdir /tmp/x 2>&1; true"
	c.hook("startContainer", "{ "+show+"; } >"+dir+"/hook")
	c.says("{ " + show + "; } >" + dir + "/command; true")
	require.Equal(t, noted(t, dir, "command"), noted(t, dir, "hook"))
	require.Contains(t, noted(t, dir, "hook"), "Uid: 1000 1000 1000 1000")
	require.Contains(t, noted(t, dir, "hook"), "Operation not permitted")
}
