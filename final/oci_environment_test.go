//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"
)

// getenv(3) takes the first of a name.
func TestAVariableThatIsThereTwiceComesOnceAsTheLastSaid(t *testing.T) {
	c := newBundle(t)
	twice := []string{"A=1", "PATH=/nowhere", "B=1", "A=2", c.mark, "PATH=/bin", "A=3", "B=", "HOME=/", "NONE", "=", "="}
	c.spec.Process.Env = twice
	want := []string{c.mark, "PATH=/bin", "A=3", "B=", "HOME=/"}
	script := "/bin/busybox tr '\\0' '\\n' </proc/self/environ; :"
	seen := func(text string) []string {
		return slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(line string) bool { return line == "NONE" || line == "=" })
	}
	c.spec.Process.Args = []string{"sh", "-c", script}
	r := c.run()
	require.Equal(t, want, seen(r.stdout), r.stderr)
	c.stays()
	require.Equal(t, want, seen(c.exec(script)))
	require.Equal(t, append(want[:2:2], "A=4", "B=", "HOME=/"), seen(c.exec(script, "--env", "A=0", "--env", "A=4")))
	require.Equal(t, want, seen(c.execAs(func(p *specs.Process) { p.Env = twice }, script)))
}

func TestAnEmptyHomeIsNone(t *testing.T) {
	c := newBundle(t)
	require.NoError(t, os.WriteFile(c.in("etc/passwd"), []byte("root:x:0:0::/of/root:/bin/sh\n"), 0o644))
	c.spec.Process.Env = append(c.spec.Process.Env, "HOME=/other", "HOME=")
	require.Equal(t, "/of/root", c.says("echo $HOME"))
	c.stays()
	require.Equal(t, "/of/root", c.exec("echo $HOME"))
	require.Equal(t, "/said", c.exec("echo $HOME", "--env", "HOME=/said"))
}
