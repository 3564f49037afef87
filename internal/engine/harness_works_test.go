//go:build linux && engines

package engine

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSession checks that the tests of the engines run where they can do no harm.
func TestSession(t *testing.T) {
	assert.ErrorContains(t, os.WriteFile("/usr/engine", nil, 0o644), "read-only")
	assert.NoError(t, os.WriteFile("/etc/engine", nil, 0o644))
	self := read(t, "/proc/self/cgroup")
	for line := range strings.Lines(self) {
		path := strings.TrimSpace(strings.SplitN(line, ":", 3)[2])
		assert.Contains(t, []string{"/", "/session"}, path)
	}
	// A process that has lost its parent gets a new parent, which waits for it.
	orphan := number(t, ok(t, "sh", "-c", "sleep 0 >/dev/null 2>&1 & echo $!"))
	until(t, "the orphan is gone", func() bool {
		_, err := os.Stat("/proc/" + number10(orphan))
		return err != nil
	}, func() string { return ok(t, "ps", "-e") })
}

// TestTerminal checks that a terminal shows the output of its command.
func TestTerminal(t *testing.T) {
	script := "stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.01; done"
	x := atTerminal(t, exec.Command("sh", "-c", script))
	x.shows("31 87\r\nready\r\n")
	x.resize(44, 101)
	x.shows("44 101\r\n")
	require.Equal(t, 3, x.status())
}
