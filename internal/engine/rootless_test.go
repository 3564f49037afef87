//go:build linux && engines

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	// userID is the user and the group of the ordinary user. The user has firstSubID and the IDs behind for containers. subuid(5)
	userID, firstSubID, subIDs = 5000, 200000, 65536
	// userHome has everything of podman that stays, and runtimeDir is XDG_RUNTIME_DIR, where programs keep what ends with the session.
	userHome, runtimeDir = state + "/someone", "/run/user/5000"
	// pauseProcess keeps the namespaces of a user's podman between two calls of podman.
	pauseProcess = " -P"
)

// A user is somebody who is not root, and who has their own podman.
type user struct {
	runtime string
	// manager makes the cgroups: cgroupfs or systemd.
	manager string
}

var rootlessOnce sync.Once

// rootlessRuntime is the copy of the runtime that the user may execute: the original may lie below the home of root.
var rootlessRuntime = filepath.Join(state, "runtime", runtimeName())

// newRootless prepares podman for an ordinary user, and loads the image small for the first test.
func newRootless(t testing.TB) *podman {
	t.Helper()
	for program, install := range map[string]string{"podman": "podman", "conmon": "conmon", "newuidmap": "uidmap", "slirp4netns": "slirp4netns"} {
		need(t, program, install)
	}
	p := &podman{t, &user{engineRuntime(t), "cgroupfs"}}
	if p.user.runtime == runtimePath() {
		p.user.runtime = rootlessRuntime
	}
	rootlessOnce.Do(func() {
		makeUser(t)
		require.NoError(t, os.MkdirAll(filepath.Dir(runtimeDir), 0o755))
		require.NoError(t, os.Mkdir(runtimeDir, 0o700))
		require.NoError(t, os.Chown(runtimeDir, userID, userID))
		p.configure("overlay")
		// podman makes its namespaces, mounts and a process for its first container, and keeps them.
		p.ok("run", "--rm", "small", "true")
	})
	require.FileExists(t, userHome+"/containers.conf", "podman could not be prepared")
	p.leavesNothing()
	return p
}

// makeUser makes the user with a home. The session has its own copy of /etc.
func makeUser(t testing.TB) {
	t.Helper()
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("someone:x:%[1]d:%[1]d::%[2]s:/bin/sh\n", userID, userHome), "group": fmt.Sprintf("someone:x:%d:\n", userID),
		// Without this line, PAM lets systemd start nothing for the user. shadow(5)
		"shadow": "someone:*:20000::::::\n",
		"subuid": fmt.Sprintf("someone:%d:%d\n", firstSubID, subIDs), "subgid": fmt.Sprintf("someone:%d:%d\n", firstSubID, subIDs),
	} {
		content, err := os.ReadFile("/etc/" + name)
		require.True(t, err == nil || errors.Is(err, fs.ErrNotExist), "%v", err)
		require.NoError(t, os.WriteFile("/etc/"+name, append(content, line...), 0o644))
	}
	require.NoError(t, os.MkdirAll(userHome, 0o700))
	require.NoError(t, os.Chown(userHome, userID, userID))
}

// configure prepares podman for the user, with a storage driver.
func (p *podman) configure(driver string) {
	p.Helper()
	content, err := os.ReadFile(runtimePath())
	require.NoError(p, err)
	file(p, rootlessRuntime, string(content))
	init := need(p, "catatonit", "catatonit")
	file(p, userHome+"/containers.conf", fmt.Sprintf(podmanConf, init, userHome, runtimeName()))
	file(p, userHome+"/storage.conf", fmt.Sprintf("[storage]\ndriver = %q\n", driver))
	p.ok("import", smallImage(p), "small")
}

// command returns a podman command of the user.
func (u *user) command(t testing.TB, args ...string) *exec.Cmd {
	return u.program("podman", append([]string{"--runtime", u.runtime, "--cgroup-manager", u.manager, "--events-backend=file"}, args...)...)
}

// program returns a command of the user, with an environment as after a login.
func (u *user) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = userHome
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + userHome, "USER=someone", "XDG_RUNTIME_DIR=" + runtimeDir, "TMPDIR=" + userHome,
		"CONTAINERS_CONF=" + userHome + "/containers.conf", "CONTAINERS_STORAGE_CONF=" + userHome + "/storage.conf", "TERM=xterm",
	}
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: userID, Gid: userID}}
	return cmd
}

// owned makes an empty folder of the user.
func (p *podman) owned() string {
	p.Helper()
	dir := folder(p)
	require.NoError(p, os.Chown(dir, userID, userID))
	return dir
}
