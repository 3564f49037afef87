//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The way of an image from a registry to a shell at a terminal, and to a server that other machines reach.
func TestAnImageOfARegistryRuns(t *testing.T) {
	c := newNetTrial(t)
	name := newLoopback(t).host + "/team/web:1"
	archive := filepath.Join(t.TempDir(), "rootfs.tar")
	require.NoError(t, exec.Command("tar", "-C", rootfsOf(t, map[string]string{"etc/motd": "of the registry"}), "-cf", archive, ".").Run())
	c.mounts = c.mountTable()
	settings := `{"Cmd": ["sh", "-c", "cat /etc/motd; sleep 1000"], "Env": ["PATH=/bin"], "ExposedPorts": {"80/tcp": {}}}`
	for _, call := range [][]string{
		{"import", "--config", settings, archive, name}, {"push", "--tls-verify=false", name}, {"rmi", name}, {"pull", "--tls-verify=false", name},
	} {
		r := c.final(call...)
		require.Equal(t, 0, r.status, r.stderr)
	}
	t.Cleanup(func() { final(t, "rmi", name) })
	run := func(flags ...string) []string {
		return append([]string{"run", "--image", name, "--name", c.id, "--env", c.mark}, flags...)
	}

	x := c.atTerminal(append(run("-it"), "sh", "-c", "test -t 0 && cat /etc/motd && read line && exit $line")...)
	x.shows("of the registry")
	_, err := x.master.WriteString("7\n")
	require.NoError(t, err)
	x.shows("status 7.")

	r := c.final("run", "--image", name, "--name", c.id, "--env", c.mark, "--detach", "-p", "8080:80")
	require.Equal(t, result{c.id + "\n", remarks(), 0}, r)
	c.until(func() bool { return c.final("logs", c.id).stdout == "of the registry" }, func() string { return c.final("logs", c.id).stdout })
	c.join(c.id).listenAt("", 80)
	from, err := connect(t, c.server, "tcp", hostIP, 8080)
	require.NoError(t, err)
	assert.Equal(t, serverIP, from)
	require.Equal(t, 0, c.final("delete", "--force", c.id).status)
}
