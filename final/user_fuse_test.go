//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asPersonWithoutOverlay is asPerson on a host whose kernel refuses users an overlay, as before Linux 5.11.
func asPersonWithoutOverlay(t *testing.T) *trial {
	t.Helper()
	if _, err := exec.LookPath("fuse-overlayfs"); err != nil {
		t.Skip("needs fuse-overlayfs: apt-get install fuse-overlayfs")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs /dev/fuse: modprobe fuse: %v", err)
	}
	c := asPerson(t, ranges)
	c.person.env = append(c.person.env, "WORKSHOP_NO_OVERLAY=1")
	return c
}

func TestAnOrdinaryUserHasFuseOverlayfsWhereTheKernelRefuses(t *testing.T) {
	c := asPersonWithoutOverlay(t)
	script := "touch /new /etc/new && rm /etc/new && stat -f -c %T / && exit 7"
	for _, flags := range [][]string{nil, {"--userns", "keep-id", "--user", "0"}} {
		r := c.final(c.runArgs(flags, "/bin/sh", "-c", script)...)
		assert.Equal(t, "fuseblk\n", r.stdout, r.stderr)
		assert.Equal(t, 7, r.status)
		c.nothingLeft()
	}
	assert.NoFileExists(t, filepath.Join(needRootfs(t), "new"))
	c.detached("echo mine >/new; "+kept, "--user", "0")
	c.logged("ready")
	assert.Equal(t, result{"mine\n", "", 0}, c.final("exec", c.id, "cat", "/new"))
	refused(t, c.final("diff", c.id), 1, "fuse-overlayfs has written its files")
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.nothingLeft()
}

// An image with several layers is an overlay before there is a container.
func TestAnOrdinaryUserHasFuseOverlayfsForAnImage(t *testing.T) {
	c := asPersonWithoutOverlay(t)
	archive := filepath.Join(c.person.home, "image.tar")
	kernels, fuse := c.person.env[:len(c.person.env)-1], c.person.env
	c.person.env = kernels
	require.NoError(t, exec.Command("tar", "-C", rootfsOf(t, map[string]string{"etc/below": "below", "etc/gone": ""}), "-cf", archive, ".").Run())
	r := c.final("import", archive, "one")
	require.Equal(t, 0, r.status, r.stderr)
	r = c.final("run", "--detach", "--image", "one", "--name", c.id, "sh", "-c", "echo above >/etc/above; rm /etc/gone; "+kept)
	require.Equal(t, 0, r.status, r.stderr)
	c.logged("ready")
	r = c.final("commit", "--pause=false", c.id, "two")
	require.Equal(t, 0, r.status, r.stderr)
	require.Equal(t, result{}, c.final("delete", "--force", c.id))
	c.person.env = fuse
	r = c.final("run", "--image", "two", "--name", c.id, "--user", "0", "sh", "-c", "cat /etc/below /etc/above; ls /etc/gone")
	assert.Equal(t, "belowabove\n", r.stdout, r.stderr)
	for _, name := range []string{"one", "two"} {
		require.Equal(t, 0, c.final("rmi", name).status)
	}
	c.nothingLeft()
}

// If somebody kills final before the container has the mount, nobody needs fuse-overlayfs any more.
func TestAKilledFinalLeavesNoFuseOverlayfs(t *testing.T) {
	c := asPersonWithoutOverlay(t)
	fifos := map[string]string{}
	for _, name := range []string{"mounted", "end"} {
		fifos[name] = filepath.Join(c.person.home, name)
		require.NoError(t, unix.Mkfifo(fifos[name], 0o600))
		require.NoError(t, os.Chown(fifos[name], c.person.uid, c.person.uid))
	}
	c.instead("fuse-overlayfs", fmt.Sprintf(`REAL "$@" || exit; echo mounted >%s; read -r word <%s`, fifos["mounted"], fifos["end"]))
	mounted, err := os.OpenFile(fifos["mounted"], os.O_RDWR, 0)
	require.NoError(t, err)
	defer mounted.Close()
	require.NoError(t, mounted.SetReadDeadline(time.Now().Add(patience)))
	cmd := c.call(c.runArgs(nil, "/bin/true")...)
	require.NoError(t, cmd.Start())
	_, err = mounted.Read(make([]byte, 16))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	end, err := os.OpenFile(fifos["end"], os.O_RDWR, 0)
	require.NoError(t, err)
	defer end.Close()
	_, err = end.WriteString("go on\n")
	require.NoError(t, err)
	c.nothingLeft()
}

func TestWithoutAnyOverlayAnOrdinaryUserLearnsWhatToInstall(t *testing.T) {
	c := asPersonWithoutOverlay(t)
	c.only("newuidmap", "newgidmap")
	// The first time in a session, a warning about limits comes with the error.
	c.final(c.runArgs(nil, "/bin/true")...)
	refused(t, c.final(c.runArgs(nil, "/bin/true")...), 125, "without root, an overlay needs Linux 5.11", "apt-get install fuse-overlayfs")
	c.nothingLeft()
}
