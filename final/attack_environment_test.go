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

// ofTheCaller is a variable that no container is to see.
const ofTheCaller = "ATTACK_SECRET=of the caller"

// searched starts a container that may look into all of its processes, and looks for their environments.
func (c *bundled) searched() {
	c.searching(`cat /proc/[0-9]*/environ 2>/dev/null; echo; for p in /proc/[0-9]*; do ` +
		`[ "$(cat $p/cmdline 2>/dev/null | tr -d '\0')" != container ] || echo "joins: $(cat $p/environ 2>/dev/null | tr '\0' ' ')"; done`)
}

// joins is what a container that is searched tells of a process that makes the calls of a list, before the environment of this process.
const joins = "joins: "

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

// joined is a stage of a process that has joined the namespaces of the container.
const joined = "umask(0)"

// heldWith starts a call that stays at a stage of the process that joins, and ends it when the container has looked around.
func (c *bundled) heldWith(call *exec.Cmd, stage string) string {
	c.Helper()
	call.Env = append(call.Env, ofTheCaller, fmt.Sprintf("%s=container %s %s", interruptEnv, stage, filepath.Join(c.TempDir(), "never")))
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
			leaked := c.heldWith(c.call("exec", c.id, "true"), joined)
			require.NotContains(t, leaked, ofTheCaller)
			require.Contains(t, leaked, joins, "the control: the process is there")
			if user {
				// The capabilities of the container are for processes of its user namespace, and the memory of the process is the host's.
				require.NotContains(t, leaked, joins+c.mark)
			} else {
				require.Contains(t, leaked, joins+c.mark, "the control: the container can see the environment, which is empty but for tests")
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
	leaked := c.heldWith(other.call("run", "--bundle", other.dir, other.id), joined)
	require.NotContains(t, leaked, ofTheCaller)
	require.Contains(t, leaked, joins, "the control: the process is there")
	require.NotContains(t, leaked, joins+c.mark)
	other.until(func() bool { return other.final("state", other.id).status != 0 }, func() string { return "its guard cleans up" })
	require.Equal(t, result{}, other.run())
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
