//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What exec brings in has the host's root directory, until it has that of the container: by then the container must not see it. With
// CAP_SYS_PTRACE it could look into it, whatever that says of itself.
func TestTheHostIsNotSeenThroughWhatJoinsAContainer(t *testing.T) {
	for name, user := range map[string]bool{"root is the host's": false, "root is another user": true} {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o644))
			c := newBundle(t, "sh", "-c", "while :; do cat /proc/[0-9]*/root"+secret+" >>/leaked 2>/dev/null; done")
			for _, set := range []*[]string{&c.spec.Process.Capabilities.Bounding, &c.spec.Process.Capabilities.Effective, &c.spec.Process.Capabilities.Permitted} {
				*set = append(*set, "CAP_SYS_PTRACE")
			}
			if user {
				c.userNamespace()
			}
			c.started()
			for range 20 {
				require.Equal(t, result{}, c.final("exec", c.id, "true"))
			}
			content, err := os.ReadFile(filepath.Join(c.spec.Root.Path, "leaked"))
			require.NoError(t, err, "it has not tried")
			require.Empty(t, string(content))
			if !user {
				control(c)
			}
			require.Equal(t, result{}, c.final("delete", "--force", c.id))
			c.nothingLeft()
		})
	}
}

// What joins a container has a proc of its own open if it has a label to write. With CAP_SYS_PTRACE the container finds it among the
// descriptors, and there its /proc/sys would not be read-only.
func TestTheProcOfWhatJoinsAContainerShowsProcessesOnly(t *testing.T) {
	for profile, open := range map[string]bool{"": false, "unconfined": true} {
		c := newBundle(t)
		c.spec.Process.ApparmorProfile = profile
		c.searching(`for dir in /proc/[0-9]*/fd/*/; do [ ! -e "$dir/self" ] || echo proc; [ ! -e "$dir/sys/kernel/core_pattern" ] || echo sys; done 2>/dev/null`)
		leaked := c.heldWith(c.call("exec", c.id, "true"), "recvmsg(go_on)")
		require.Equal(t, open, strings.Contains(leaked, "proc\n"), "the control: the container can reach it, and without a label there is none")
		require.NotContains(t, leaked, "sys\n")
		require.Equal(t, result{}, c.final("delete", "--force", c.id))
		c.nothingLeft()
	}
}

// control has a process in the PID namespace of the container that has the host's root directory.
func control(c *bundled) {
	c.Helper()
	_, pid := c.status()
	process, err := unix.PidfdOpen(pid, 0)
	require.NoError(c, err)
	defer unix.Close(process)
	require.NoError(c, unix.Setns(process, unix.CLONE_NEWPID))
	sleep := exec.Command("sleep", "1000")
	require.NoError(c, sleep.Start())
	ours, err := os.Open("/proc/self/ns/pid")
	require.NoError(c, err)
	defer ours.Close()
	require.NoError(c, unix.Setns(int(ours.Fd()), unix.CLONE_NEWPID))
	c.until(func() bool {
		content, _ := os.ReadFile(filepath.Join(c.spec.Root.Path, "leaked"))
		return len(content) > 0
	}, func() string { return "the attack does not work" })
	require.NoError(c, sleep.Process.Kill())
	_ = sleep.Wait()
}
