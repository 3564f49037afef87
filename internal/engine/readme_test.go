//go:build linux && engines

package engine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"container-workshop/internal/lesson"
)

// typed types the README's blocks that a target of make runs, at a shell with more variables. The shell is root's, without sudo.
func typed(t *testing.T, target string, env ...string) {
	t.Helper()
	shell := exec.Command("bash")
	shell.Env = append(os.Environ(), env...)
	typedAt(t, "final/README.md", target, shell)
}

// typedAt is typed for any page, and for a shell of any user.
func typedAt(t *testing.T, name, target string, shell *exec.Cmd) {
	t.Helper()
	const top = "../.."
	page, err := lesson.Read(filepath.Join(top, name))
	require.NoError(t, err)
	dir := folder(t)
	build := filepath.Join(dir, "build")
	require.NoError(t, os.Mkdir(build, 0o755))
	require.NoError(t, os.Symlink(runtimePath(), filepath.Join(build, "final")))
	manifests, err := filepath.Abs(filepath.Join(top, "final"))
	require.NoError(t, err)
	require.NoError(t, os.Symlink(manifests, filepath.Join(dir, "final")))
	rc := file(t, filepath.Join(dir, "rc"), "sudo() { \"$@\"; }\nPS1='$ '\n")
	shell.Args = append(shell.Args, "--noprofile", "--rcfile", rc, "-i")
	if shell.Dir == "" {
		shell.Dir = dir
	}
	shell.Env = append(shell.Env, "TERM=dumb", "HISTFILE=", "LC_ALL=C.UTF-8")
	require.NoError(t, page.RunBy(target, shell))
}

// install puts the runtime where the README has it.
func install(t *testing.T) {
	t.Helper()
	ok(t, "install", runtimePath(), "/opt/final")
}

func TestPodmanReadme(t *testing.T) {
	newPodman(t)
	// The storage belongs to the session.
	storage := file(t, filepath.Join(t.TempDir(), "storage.conf"), "[storage]\ndriver = \"overlay\"\ngraphroot = \""+podmanDir+"/lesson\"\nrunroot = \""+podmanDir+"/lesson-run\"\n")
	typed(t, "test-podman", "CONTAINERS_STORAGE_CONF="+storage)
}

func TestRootlessReadme(t *testing.T) {
	p := newRootless(t)
	install(t)
	typedAt(t, "final/README.md", "test-podman-rootless", p.user.program("bash"))
}

func TestContainerdReadme(t *testing.T) {
	install(t)
	c := newContainerd(t)
	typed(t, "test-containerd", "CONTAINERD_ADDRESS="+c.socket)
}

func TestDockerReadme(t *testing.T) {
	install(t)
	// The daemon reads the file that the README shows.
	readme, err := os.ReadFile("../../final/README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "$ cat /etc/docker/daemon.json\n")
	require.True(t, found)
	config, _, _ := strings.Cut(rest, "\n")
	require.True(t, json.Valid([]byte(config)))
	require.NoError(t, os.MkdirAll("/etc/docker", 0o755))
	file(t, "/etc/docker/daemon.json", config+"\n")
	dir := folder(t)
	d := &docker{dir: dir, client: dockerClient(t)}
	cmd := exec.Command("dockerd", "--host", "unix://"+dir+"/sock", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid")
	background(t, cmd, func() bool { return outcome(t, d.command("version")).status == 0 })
	typed(t, "test-docker", "DOCKER_HOST=unix://"+dir+"/sock", "PATH="+filepath.Dir(d.client)+":"+os.Getenv("PATH"))
}
