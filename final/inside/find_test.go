//go:build linux

package inside_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/command"
)

// Some files are only there for a process of the container. Nobody looks at them before execve does.
func TestACommandIsFoundAsTheContainerSeesIt(t *testing.T) {
	for _, test := range []struct{ name, cwd, path string }{
		{"sh", "/", "/none:/bin"}, {"sh", "/", "bin"}, {"sh", "/bin", ":/none"}, {"/bin/sh", "/", ""}, {"bin/sh", "/", ""}, {"./sh", "/bin", ""}, {"../bin/sh", "/tmp", ""},
		{"/proc/self/root/bin/sh", "/", ""}, {"/proc/thread-self/root/bin/sh", "/", ""}, {"/proc/1/root/bin/sh", "/", ""}, {"/link", "/", ""}, {"/far", "/", ""},
		{"sh", "/", "/proc/1/root/bin"}, {"sh", "/", "/proc/1/root/none:/bin"}, {"./script", "/tmp", ""}, {"bin/sh", "/proc/self/root", ""},
	} {
		c := newContainer(t, "echo found")
		for name, target := range map[string]string{"link": "/proc/self/root/tmp/plain", "far": "tmp/up", "tmp/up": "../link"} {
			require.NoError(t, os.Symlink(target, c.in(name)))
		}
		require.NoError(t, os.WriteFile(c.in("tmp/plain"), []byte("#!/bin/sh\necho found\n"), 0o755))
		require.NoError(t, os.WriteFile(c.in("tmp/script"), []byte("#!/proc/self/root/bin/sh\necho found\n"), 0o755))
		process := c.request.Spec.Process
		process.Args[0], process.Cwd, process.Env = test.name, test.cwd, []string{"PATH=" + test.path}
		assert.Equal(t, "found\n", c.says(), "%+v", test)
	}
}

func TestACommandThatCannotBeExecutedIsExplained(t *testing.T) {
	for name, want := range map[string]struct {
		words  string
		status int
	}{
		"none":     {`exec: "none": executable file not found in $PATH of the container`, 127},
		"":         {`exec: "": executable file not found in $PATH of the container`, 127},
		"/none":    {`exec: "/none": stat /none: no such file or directory`, 127},
		"./none":   {`exec: "./none": stat ./none: no such file or directory`, 127},
		"/bin/sh/": {`exec: "/bin/sh/": stat /bin/sh/: not a directory`, 127},
		"/etc":     {`exec: "/etc": is a directory: permission denied`, 126},
		"text":     {`exec: "/tmp/text": permission denied`, 126},
		"/fifo":    {`exec: "/fifo": permission denied`, 126},
		"/script":  {`exec: "/script": its interpreter "/none" is missing in the root file system: no such file or directory`, 127},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "")
			require.NoError(t, os.WriteFile(c.in("tmp/text"), nil, 0o644))
			require.NoError(t, os.WriteFile(c.in("script"), []byte("#!/none\n"), 0o755))
			require.NoError(t, os.WriteFile(c.in("fifo"), nil, 0o644))
			c.request.Spec.Process.Args[0], c.request.Spec.Process.Env = name, []string{"PATH=/bin:/tmp"}
			_, err := c.make()
			assert.EqualError(t, err, want.words)
			assert.Equal(t, want.status, command.Status(err))
		})
	}
}
