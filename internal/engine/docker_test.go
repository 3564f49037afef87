//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A docker is a dockerd with its own containerd, which knows the runtime as workshop, and with a client.
type docker struct {
	dir, client string
	flags       []string
	daemon      *daemon
}

// newDocker starts a daemon that has the image small. The daemon ends with the test and must leave nothing.
func newDocker(t *testing.T, flags ...string) *docker {
	t.Helper()
	image := smallImage(t)
	before := remains(t)
	dir := folder(t)
	d := &docker{dir: dir, client: dockerClient(t), flags: flags}
	t.Cleanup(func() {
		left := slices.DeleteFunc(remains(t, dockerKeeps...), func(line string) bool { return slices.Contains(before, line) })
		assert.Empty(t, left, "docker has left something")
	})
	d.start(t)
	d.ok(t, "import", image, "small")
	return d
}

// dockerKeeps are words in what every daemon leaves, with any runtime: the parent of its containers' cgroups, and the
// namespace of the host network.
var dockerKeeps = []string{"/docker", "/netns/default"}

// dockerClient returns the client of the daemon's package: another client in PATH may only speak to newer daemons.
func dockerClient(t *testing.T) string {
	t.Helper()
	need(t, "dockerd", "docker.io")
	const packaged = "/usr/bin/docker"
	if _, err := os.Stat(packaged); err == nil {
		return packaged
	}
	return need(t, "docker", "docker.io")
}

// start starts the daemon, for the first time or again. The daemon does not read the host's configuration.
func (d *docker) start(t *testing.T) {
	t.Helper()
	path := func(name string) string { return filepath.Join(d.dir, name) }
	args := append([]string{
		"--host", "unix://" + path("sock"), "--data-root", path("data"), "--exec-root", path("exec"), "--pidfile", path("pid"),
		"--config-file", file(t, path("daemon.json"), "{}"), "--exec-opt", "native.cgroupdriver=cgroupfs",
		"--storage-driver", "overlay2", "--add-runtime", "workshop=" + engineRuntime(t),
	}, d.flags...)
	cmd := exec.Command(need(t, "dockerd", "docker.io"), args...)
	d.daemon = background(t, cmd, func() bool { return outcome(t, d.command("version")).status == 0 })
}

// command returns a command of the client.
func (d *docker) command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.client, append([]string{"--host", "unix://" + filepath.Join(d.dir, "sock")}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(d.dir, "client"))
	return cmd
}

// try runs the client.
func (d *docker) try(t *testing.T, args ...string) result {
	t.Helper()
	return outcome(t, d.command(args...))
}

// ok runs the client, which must succeed, and returns its output without the last newline.
func (d *docker) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := d.try(t, args...)
	require.Equal(t, 0, r.status, "docker %q: %s%s", args, r.stdout, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// onRuntime adds the runtime to a client's arguments that start a container.
func onRuntime(verb string, args []string) []string {
	return append([]string{verb, "--runtime", "workshop"}, args...)
}

// run runs a container on the runtime, and removes it at its end.
func (d *docker) run(t *testing.T, args ...string) result {
	t.Helper()
	return d.try(t, onRuntime("run", append([]string{"--rm"}, args...))...)
}

// prints runs a container, which must succeed, and returns its output without the last newline.
func (d *docker) prints(t *testing.T, args ...string) string {
	t.Helper()
	return d.ok(t, onRuntime("run", append([]string{"--rm"}, args...))...)
}

// fails runs a container, which must fail with a message of docker's or of the runtime's.
func (d *docker) fails(t *testing.T, message string, args ...string) {
	t.Helper()
	r := d.run(t, args...)
	assert.NotEqual(t, 0, r.status, "%q: %s", args, r.stdout)
	assert.Contains(t, r.stderr, message, "%q", args)
}

// detached starts a container in the background and returns its ID. The container is removed when the test ends.
func (d *docker) detached(t *testing.T, args ...string) string {
	t.Helper()
	id := d.ok(t, onRuntime("run", append([]string{"--detach"}, args...))...)
	d.removed(t, id)
	return id
}

// removed removes a container when the test ends.
func (d *docker) removed(t *testing.T, id string) {
	t.Cleanup(func() {
		if r := d.try(t, "rm", "--force", "--volumes", id); r.status != 0 {
			assert.Contains(t, r.stderr, "No such container")
		}
	})
}

// inspect returns a field that the daemon knows of a container.
func (d *docker) inspect(t *testing.T, id, format string) string {
	t.Helper()
	return d.ok(t, "inspect", "--format", format, id)
}

// pid returns the PID of a container's process 1.
func (d *docker) pid(t *testing.T, id string) int {
	t.Helper()
	return number(t, d.inspect(t, id, "{{.State.Pid}}"))
}

// exec runs a command in a container, which must succeed, and returns its output.
func (d *docker) exec(t *testing.T, id string, command ...string) string {
	t.Helper()
	return d.ok(t, append([]string{"exec", id}, command...)...)
}

// becomes waits until a field that the daemon knows of a container has a value.
func (d *docker) becomes(t *testing.T, id, format, value string) {
	t.Helper()
	until(t, fmt.Sprintf("%s is %q", format, value), func() bool { return d.inspect(t, id, format) == value },
		func() string { return d.inspect(t, id, "{{json .State}}") + d.logs(t, id) })
}

// logs returns the output of a container.
func (d *docker) logs(t *testing.T, id string) string {
	t.Helper()
	r := d.try(t, "logs", id)
	return r.stdout + r.stderr
}

// says waits until a container has printed a text.
func (d *docker) says(t *testing.T, id, text string) {
	t.Helper()
	until(t, fmt.Sprintf("the container says %q", text), func() bool { return strings.Contains(d.logs(t, id), text) },
		func() string { return d.logs(t, id) })
}

// A dockerTest is a test that needs a daemon.
type dockerTest struct {
	name string
	test func(*testing.T, *docker)
}

// withDocker runs tests on one daemon. A test that fails prints the daemon's complaints.
func withDocker(t *testing.T, tests []dockerTest) {
	t.Helper()
	d := newDocker(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			showCalls(t)
			d.showComplaints(t)
			test.test(t, d)
		})
	}
}

// showComplaints prints the daemon's complaints at the end of the test, if the test fails.
func (d *docker) showComplaints(t *testing.T) {
	before := len(d.daemon.log())
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		// The two other lines come with every container that could not be made.
		for line := range strings.Lines(d.daemon.log()[before:]) {
			if strings.Contains(line, "level=error") && !strings.Contains(line, "copy error") && !strings.Contains(line, "copy shim log") {
				t.Log(strings.TrimSpace(line))
			}
		}
	})
}
