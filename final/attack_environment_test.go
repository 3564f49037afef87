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
	"github.com/stretchr/testify/require"
)

// ofTheCaller is a variable that no container is to see. ofUs is one that our own programs are started with.
const ofTheCaller, ofUs = "ATTACK_SECRET=of the caller", "GOMAXPROCS=1"

// searched starts a container that may look into all of its processes, and looks for their environments.
func (c *bundled) searched() { c.searching("cat /proc/[0-9]*/environ 2>/dev/null; echo") }

// searching starts a container that may look into all of its processes, and does that again and again.
func (c *bundled) searching(script string) {
	c.Helper()
	for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
		*set = append(*set, "CAP_SYS_PTRACE")
	}
	c.spec.Process.Args = []string{"sh", "-c", "while :; do " + script + "; echo round; sleep 0.001; done >/leaked"}
	c.started()
}

// leaked is what it has found, after two more rounds.
func (c *bundled) leaked() string {
	c.Helper()
	content := ""
	rounds := func() int {
		text, _ := os.ReadFile(filepath.Join(c.spec.Root.Path, "leaked"))
		content = string(text)
		return strings.Count(content, "\nround\n")
	}
	before := rounds()
	c.until(func() bool { return rounds() >= before+2 }, func() string { return "the attack does not go on" })
	return content
}

// heldWith starts a call that stays at a stage of the container side, and ends it when the container has looked around.
func (c *bundled) heldWith(call *exec.Cmd, stage int) string {
	c.Helper()
	call.Env = append(call.Env, ofTheCaller, fmt.Sprintf("%s=container %d %s", interruptEnv, stage, filepath.Join(c.TempDir(), "never")))
	require.NoError(c, call.Start())
	held := c.atStage()
	leaked := c.leaked()
	require.NoError(c, call.Process.Kill())
	_ = call.Wait()
	c.until(func() bool { return cmdline(held) == "" }, func() string { return "it stays" })
	return leaked
}

// With CAP_SYS_PTRACE a container may look into what joins it, and read the environment that this was started with. environ(7)
func TestTheEnvironmentOfTheCallerIsNotSeenThroughWhatJoinsAContainer(t *testing.T) {
	for name, user := range map[string]bool{"root is the host's": false, "root is another user": true} {
		t.Run(name, func(t *testing.T) {
			c := newBundle(t)
			if user {
				c.userNamespace()
			}
			c.searched()
			leaked := c.heldWith(c.call("exec", c.id, "true"), 0)
			require.NotContains(t, leaked, ofTheCaller)
			if user {
				// Its own capabilities are for what is of its user namespace, and our program is not.
				require.NotContains(t, leaked, ofUs)
			} else {
				require.Contains(t, leaked, ofUs, "the control: the container can see it")
			}
			for range 20 {
				call := c.call("exec", c.id, "true")
				call.Env = append(call.Env, ofTheCaller)
				require.Equal(t, result{}, outcome(t, call))
			}
			require.NotContains(t, c.leaked(), ofTheCaller)
			named := c.call("exec", "--env", "ATTACK_SECRET", c.id, "sleep", "1000")
			named.Env = append(named.Env, ofTheCaller)
			require.NoError(t, named.Start())
			c.until(func() bool { return strings.Contains(c.leaked(), ofTheCaller) }, func() string { return "the control: it is not seen where it is named" })
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			_ = named.Wait()
			c.nothingLeft()
		})
	}
}

// Containers of a pod may share their namespaces.
func TestTheEnvironmentOfTheCallerIsNotSeenThroughAContainerInTheSameNamespaces(t *testing.T) {
	c := newBundle(t)
	c.userNamespace()
	c.searched()
	_, pid := c.status()
	other := c.beside()
	other.userNamespace()
	for i, n := range other.spec.Linux.Namespaces {
		if n.Type == specs.PIDNamespace || n.Type == specs.UserNamespace {
			other.spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", pid, n.Type)
		}
	}
	other.spec.Linux.UIDMappings, other.spec.Linux.GIDMappings = nil, nil
	other.spec.Process.Args = []string{"true"}
	other.write()
	leaked := c.heldWith(other.call("run", "--bundle", other.dir, other.id), 0)
	require.NotContains(t, leaked, ofTheCaller)
	require.NotContains(t, leaked, ofUs)
	require.Equal(t, result{}, other.run())
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
