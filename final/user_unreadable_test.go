//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel hides from you what a process does that executes a program which you may not read. ptrace(2), "Ptrace access mode checking"
func TestAnOrdinaryUserExecutesAProgramThatNobodyMayRead(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	c := asPerson(t, ranges)
	root := filepath.Join(c.person.home, "rootfs")
	for _, dir := range []string{"bin", "dev", "proc", "sys"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	program, err := os.ReadFile(busybox)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "bin/sleep"), program, 0o111))
	require.Equal(t, result{}, c.final("spec", "--rootless", "--bundle", c.person.home))
	file := filepath.Join(c.person.home, "config.json")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	config := strings.NewReplacer(`"path": "rootfs"`, `"path": "`+root+`"`, `"terminal": true`, `"terminal": false`, `"sh"`, `"/bin/sleep", "1000"`).Replace(string(content))
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	for _, end := range [][]string{{"kill", c.id, "KILL"}, {"delete", "--force", c.id}} {
		require.NoError(t, c.call("create", "--bundle", c.person.home, c.id).Run())
		require.Equal(t, 0, c.final("start", c.id).status)
		_, pid := c.status()
		c.until(func() bool { return strings.HasPrefix(cmdline(pid), "/bin/sleep\x00") }, func() string { return "process 1 executes nothing" })
		refused(t, c.final("exec", c.id, "/bin/sleep", "0"), 255, "permission denied", "a program that you may not read")
		r := c.final(end...)
		assert.Equal(t, 0, r.status, r.stderr)
		c.until(func() bool { return unix.Kill(pid, 0) == unix.ESRCH }, func() string { return "process 1 stays" })
		r = c.final("delete", "--force", c.id)
		assert.Equal(t, 0, r.status, r.stderr)
		c.nothingLeft()
	}
}
