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
)

// hookedWithout has two hooks at each point: one that names no environment, and one whose environment is empty. They note their directory,
// and one variable of the caller, one of the process, and whether there are any.
func (c *bundled) hookedWithout(dir string) {
	c.Helper()
	for _, point := range hookPoints {
		for _, kind := range []string{"none", "empty"} {
			c.hook(point, fmt.Sprintf(`echo "$(pwd) $OF_THE_CALLER|$OF_THE_PROCESS|$HOME" >%s/%s.%s`, dir, point, kind))
		}
	}
	for _, list := range []*[]specs.Hook{
		//lint:ignore SA1019 engines still ask for it
		&c.spec.Hooks.Prestart, &c.spec.Hooks.CreateRuntime, &c.spec.Hooks.CreateContainer,
		&c.spec.Hooks.StartContainer, &c.spec.Hooks.Poststart, &c.spec.Hooks.Poststop,
	} {
		(*list)[0].Env, (*list)[1].Env = nil, []string{"EMPTY"}
	}
	c.write()
	config := filepath.Join(c.dir, "config.json")
	content, err := os.ReadFile(config)
	require.NoError(c, err)
	require.NoError(c, os.WriteFile(config, []byte(strings.ReplaceAll(string(content), `"env":["EMPTY"]`, `"env":[]`)), 0o600))
}

func TestAHookStartsInTheBundleWithTheEnvironmentOfItsSide(t *testing.T) {
	t.Setenv("OF_THE_CALLER", "caller")
	t.Setenv("HOME", "/of-the-caller")
	// What is no text is passed on as it is.
	t.Setenv("OF_NOBODY", "\xff")
	c := newBundle(t, "sleep", "1000")
	dir := c.notes()
	c.spec.Process.Cwd, c.spec.Process.Env = "/tmp", append(c.spec.Process.Env, "OF_THE_PROCESS=process", "HOME=/of-the-process")
	c.hookedWithout(dir)
	seen := func() {
		for _, point := range hookPoints {
			place, variables := c.dir, "caller||/of-the-caller"
			switch point {
			case "createContainer":
				// It is to change what the container will see. So it is with runc and crun.
				place = c.spec.Root.Path
			case "startContainer":
				place, variables = "/tmp", "|process|/of-the-process"
			}
			assert.Equal(t, place+" "+variables+"\n", noted(t, dir, point+".none"), point)
			assert.Equal(t, place+" ||\n", noted(t, dir, point+".empty"), point)
			require.NoError(t, os.Remove(filepath.Join(dir, point+".none")))
		}
	}
	require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
	require.Equal(t, result{}, c.final("start", c.id))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	seen()
	// A guard removes what a caller that was killed has left.
	ran := func(point string) func() bool {
		return func() bool {
			content, _ := os.ReadFile(filepath.Join(dir, point+".none"))
			return len(content) > 0
		}
	}
	run := c.call("run", "--bundle", c.dir, c.id)
	require.NoError(t, run.Start())
	c.until(ran("poststart"), func() string { return "it does not run" })
	require.NoError(t, run.Process.Kill())
	_ = run.Wait()
	c.until(ran("poststop"), func() string { return "nobody cleans up" })
	c.nothingLeft()
	seen()
}

func TestHooksRunWhereTheBundleIsGone(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	dir := c.notes()
	c.hook("poststop", "pwd >"+dir+"/place")
	c.started()
	require.NoError(t, os.RemoveAll(c.dir))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	require.Equal(t, "/\n", noted(t, dir, "place"))
	c.nothingLeft()
}

// TestAStartContainerHookHasTheHomeOfTheCommand: such a hook inherits the environment of the command, and callers count on HOME there.
func TestAStartContainerHookHasTheHomeOfTheCommand(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	dir := c.notes()
	require.NoError(t, os.WriteFile(c.in("etc/passwd"), []byte("root:x:0:0::/of/root:/bin/sh\n"), 0o644))
	c.spec.Process.Env = append(c.spec.Process.Env, "HOME=")
	// The first hook inherits, and the other two say what they want.
	for i, env := range [][]string{nil, {"HOME="}, {"HOME=/said"}} {
		c.hook("startContainer", fmt.Sprintf(`echo "${HOME-none}" >%s/%d`, dir, i))
		c.spec.Hooks.StartContainer[i].Env = env
	}
	c.started()
	for i, want := range []string{"/of/root\n", "\n", "/said\n"} {
		assert.Equal(t, want, noted(t, dir, fmt.Sprint(i)))
	}
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
