//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// showStreams tells on standard output which files the standard streams are, by device and inode, and type.
const showStreams = "for n in 0 1 2; do stat -L -c '%d:%i %t:%T' /proc/self/fd/$n; done"

// Root in a container could change the mode and the owner of the host's /dev/null by a descriptor of it.
func TestNoStreamIsTheNullDeviceOfTheHost(t *testing.T) {
	var host unix.Stat_t
	require.NoError(t, unix.Stat("/dev/null", &host))
	theirs := fmt.Sprintf("%d:%d 1:3\n", host.Dev, host.Ino)
	own := func(shown string) {
		t.Helper()
		assert.Contains(t, shown, " 1:3\n")
		assert.NotContains(t, shown, theirs)
	}
	own(run(t, showStreams).stdout)
	own(run(t, showStreams, "--user", "1000").stdout)
	own(run(t, "{ "+showStreams+"; } >/tmp/shown; cat /tmp/shown", "--init").stdout)

	id := detached(t, showStreams+"; exec sleep 1000")
	until(t, "the list is in the log", func() bool { return strings.Count(final(t, "logs", id).stdout, "\n") == 3 })
	own(final(t, "logs", id).stdout)
	own(final(t, "exec", id, "sh", "-c", showStreams).stdout)
	own(final(t, "exec", "--interactive=false", id, "sh", "-c", showStreams).stdout)
	// All three, and what can be done to them.
	everything := "{ " + showStreams + "; } >/tmp/shown; cat </proc/self/fd/0 && echo >/proc/self/fd/1 && echo >/proc/self/fd/2 && echo good >>/tmp/shown"
	cmd := command(t, "exec", id, "sh", "-c", everything)
	require.NoError(t, cmd.Run())
	shown := final(t, "exec", id, "cat", "/tmp/shown").stdout
	own(shown)
	assert.True(t, strings.HasSuffix(shown, "good\n"), shown)

	// The container can take its own away.
	for _, instead := range []string{"", "; mkfifo /dev/null", "; ln -s /dev/zero /dev/null"} {
		require.Equal(t, result{}, final(t, "exec", id, "sh", "-c", "rm /dev/null"+instead))
		own(final(t, "exec", id, "sh", "-c", showStreams).stdout)
		final(t, "exec", id, "touch", "/dev/null")
	}
	t.Run("control", func(t *testing.T) {
		assert.Contains(t, printed(t, step(t, "step07-tmpfs", "--rootfs", needRootfs(t), "/bin/sh", "-c", showStreams))+"\n", theirs)
	})
}

// A bundle has streams of its caller.
func TestNoStreamOfABundleIsTheNullDeviceOfTheHost(t *testing.T) {
	c := newBundle(t, "sh", "-c", "chmod 640 /proc/self/fd/2 && stat -L -c '%a %t:%T' /proc/self/fd/2")
	c.write()
	// A node of our own stands for the host's.
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	defer unix.Unmount(dir, unix.MNT_DETACH)
	node := filepath.Join(dir, "null")
	require.NoError(t, unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	require.NoError(t, os.Chmod(node, 0o666))
	null, err := os.OpenFile(node, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	cmd := c.call("run", "--bundle", c.dir, c.id)
	cmd.Stdin, cmd.Stderr = null, null
	shown, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "640 1:3\n", string(shown))
	info, err := os.Stat(node)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o666), info.Mode().Perm())
}

// A pipe is given to the user of the command. A FIFO in a directory of the caller is a file, and stays whose it is.
func TestAFIFOOfTheCallerStaysTheCallers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(name, 0o600))
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer fifo.Close()
	cmd := command(t, "run", "--rootfs", needRootfs(t), "--user", "1000", "/bin/sh", "-c", "stat -L -c %u /proc/self/fd/0 /proc/self/fd/1")
	cmd.Stdin = fifo
	r := outcome(t, cmd)
	require.Equal(t, result{"0\n1000\n", "", 0}, r)
}
