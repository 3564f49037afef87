//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failureOf is the status for a failure of ours in a call: run is that of a command.
func failureOf(call []string) int {
	if call[0] == "run" {
		return 125
	}
	return failure(call[0])
}

// lose spoils the state of a container that runs.
func (c *trial) lose(content string) {
	c.Helper()
	require.NoError(c, os.WriteFile(filepath.Join(c.root, c.id, "state.json"), []byte(content), 0o600))
}

// What config.json and the ID name is ended, though the state is lost.
func TestAContainerWhoseStateIsLostIsEnded(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "garbage": "\x00{", "half": `{"ociVersion":"1.2.0","id":"x","pid":`, "of another": `{"ociVersion":"1.2.0","id":"other","pid":0,"status":"stopped"}`,
		"with a cgroup that is none": `{"id":"ID","cgroup":{"mode":"v2","dirs":[{"name":"","version":2,"mount":"/tmp","path":"/tmp/none"}]}}`,
	} {
		for kind, start := range map[string]func(t *testing.T) *trial{
			"run": func(t *testing.T) *trial {
				c := newTrial(t)
				c.detached(kept)
				c.logged("ready")
				return c
			},
			"run, without a configuration": func(t *testing.T) *trial {
				c := newTrial(t)
				c.detached(kept)
				c.logged("ready")
				require.NoError(t, os.Remove(filepath.Join(c.root, c.id, "config.json")))
				return c
			},
			"bundle": func(t *testing.T) *trial {
				c := newBundle(t, "sleep", "1000")
				c.started()
				return c.trial
			},
			"created": func(t *testing.T) *trial {
				c := newBundle(t, "sleep", "1000")
				c.write()
				require.NoError(t, c.call("create", "--bundle", c.dir, c.id).Run())
				return c.trial
			},
			"bundle without a path of cgroups": func(t *testing.T) *trial {
				c := newBundle(t, "sleep", "1000")
				c.spec.Linux.CgroupsPath = ""
				c.started()
				return c.trial
			},
			"bundle with a relative one": func(t *testing.T) *trial {
				c := newBundle(t, "sleep", "1000")
				c.spec.Linux.CgroupsPath = "container-workshop-" + c.id
				c.started()
				return c.trial
			},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				c := start(t)
				c.lose(content)
				status, pid := c.status()
				assert.Equal(t, "running", status)
				assert.Equal(t, 0, pid)
				for _, verb := range [][]string{{"kill", c.id, "KILL"}, {"exec", c.id, "true"}, {"pause", c.id}, {"start", c.id}, {"delete", c.id}, c.runArgs(nil, "true")} {
					refused(t, c.final(verb...), failureOf(verb), c.id)
				}
				require.NotZero(t, c.first())
				require.Equal(t, result{}, c.final("delete", "--force", c.id))
				c.nothingLeft()
				assert.Empty(t, named(t, c.id))
			})
		}
	}
}

func TestAContainerOfWhichNothingIsKnownIsNotForgotten(t *testing.T) {
	c := newBundle(t, "sleep", "1000")
	c.started()
	c.lose("")
	config := filepath.Join(c.root, c.id, "config.json")
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	for _, broken := range []string{"{", `{"ociVersion":"1.2.0"}`} {
		require.NoError(t, os.WriteFile(config, []byte(broken), 0o600))
		for _, verb := range [][]string{{"kill", c.id, "KILL"}, {"ps", c.id}, {"delete", c.id}, {"delete", "--force", c.id}, c.runArgs(nil, "true")} {
			refused(t, c.final(verb...), failureOf(verb), "lost", "config.json", "cannot find its processes", filepath.Join(c.root, c.id))
		}
	}
	require.NotZero(t, c.first())
	require.NoError(t, os.WriteFile(config, content, 0o600))
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}
