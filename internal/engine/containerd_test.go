//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A containerd is a daemon for one test, with its client ctr and its shim. The shim calls the runtime.
type containerd struct {
	testing.TB
	*daemon
	// namespace is a namespace of containerd, not of the kernel.
	namespace, dir, socket string
	// runtime is the program that the shim calls.
	runtime string
	number  int
}

const containerdImage = "docker.io/test/small:latest"

// newContainerd starts containerd. At the end of the test, nothing may be left of its containers.
func newContainerd(t testing.TB) *containerd {
	t.Helper()
	return newContainerdOf(t, "test", func(*containerd) string { return `disabled_plugins = ["io.containerd.grpc.v1.cri"]` })
}

// newContainerdOf starts containerd, for one of its namespaces and with more lines of configuration.
func newContainerdOf(t testing.TB, namespace string, more func(c *containerd) string) *containerd {
	t.Helper()
	need(t, "containerd", "containerd")
	need(t, "ctr", "containerd")
	before := remains(t)
	dir := folder(t)
	c := &containerd{TB: t, namespace: namespace, dir: dir, socket: filepath.Join(dir, "sock"), runtime: engineRuntime(t)}
	// With --uidmap, ctr drops --runc-binary and --runc-root, so the shim calls runc.
	require.NoError(t, os.Mkdir(c.path("bin"), 0o755))
	require.NoError(t, os.Symlink(c.runtime, c.path("bin/runc")))
	c.start(more(c))
	showCalls(t)
	t.Cleanup(func() {
		c.removeAll()
		c.stop(t)
		c.nothingLeft(before)
	})
	c.ctr("image", "import", containerdArchive(t))
	return c
}

// start starts the daemon with more lines of configuration.
func (c *containerd) start(more string) {
	c.Helper()
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\n%s\n[grpc]\naddress = %q\n[debug]\nlevel = \"warn\"\n",
		c.path("root"), c.path("state"), more, c.socket)
	cmd := exec.Command("containerd", "--config", file(c, c.path("config.toml"), config))
	cmd.Env = append(os.Environ(), "PATH="+c.path("bin")+":"+os.Getenv("PATH"))
	c.daemon = background(c, cmd, func() bool { return try(c, "ctr", "--address", c.socket, "version").status == 0 })
}

// path returns a path in the test's folder.
func (c *containerd) path(name string) string { return filepath.Join(c.dir, name) }

// newID returns an ID that the test has not used yet.
func (c *containerd) newID() string {
	c.number++
	return fmt.Sprintf("c%d", c.number)
}

func (c *containerd) client(args ...string) *exec.Cmd {
	cmd := exec.Command("ctr", append([]string{"--address", c.socket}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERD_NAMESPACE="+c.namespace)
	return cmd
}

// try runs ctr.
func (c *containerd) try(args ...string) result {
	c.Helper()
	return outcome(c, c.client(args...))
}

// ctr runs ctr, which must succeed, and returns its output.
func (c *containerd) ctr(args ...string) string {
	c.Helper()
	r := c.try(args...)
	require.Equal(c, 0, r.status, "ctr %q: %s%s", args, r.stdout, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// runArgs returns the arguments of ctr for a container of the image. With the flag --rootfs it is a container of the image's files in
// a folder of the test, and with --config one without image and command.
func (c *containerd) runArgs(id string, flags []string, args ...string) []string {
	all := append([]string{"run", "--runc-binary", c.runtime, "--runc-root", c.path("runtime")}, flags...)
	switch {
	case slices.Contains(flags, "--rootfs"):
		all = append(all, c.rootfs())
	case !slices.Contains(flags, "--config"):
		all = append(all, containerdImage)
	}
	return append(append(all, id), args...)
}

// rootfs returns a folder with the files of the image.
func (c *containerd) rootfs() string {
	c.Helper()
	dir := c.path("rootfs")
	if _, err := os.Stat(dir); err != nil {
		require.NoError(c, os.Mkdir(dir, 0o755))
		ok(c, "tar", "--extract", "--file", smallImage(c), "--directory", dir, "--numeric-owner")
	}
	return dir
}

// scriptArgs returns the arguments of ctr for a shell script in a container.
func (c *containerd) scriptArgs(id string, flags []string, script string) []string {
	c.Helper()
	return c.runArgs(id, flags, "/bin/sh", "-c", script)
}

// run runs a shell script in a container and removes the container.
func (c *containerd) run(script string, flags ...string) result {
	c.Helper()
	return c.try(c.scriptArgs(c.newID(), append([]string{"--rm"}, flags...), script)...)
}

// prints runs a shell script in a container, which must succeed, and returns its output.
func (c *containerd) prints(script string, flags ...string) string {
	c.Helper()
	r := c.run(script, flags...)
	require.Equal(c, 0, r.status, "%s%s\n%s", r.stdout, r.stderr, c.log())
	return strings.TrimSuffix(r.stdout, "\n")
}

// detached starts a shell script in a container and returns the container's ID.
func (c *containerd) detached(script string, flags ...string) string {
	c.Helper()
	id := c.newID()
	c.ctr(c.scriptArgs(id, append([]string{"--detach", "--null-io"}, flags...), script)...)
	return id
}

// onTerminal starts a shell script in a container with a terminal. The container is removed.
func (c *containerd) onTerminal(script string, flags ...string) *terminal {
	c.Helper()
	return atTerminal(c, c.client(c.scriptArgs(c.newID(), append([]string{"--rm", "--tty"}, flags...), script)...))
}

// exec runs a shell script in a running container.
func (c *containerd) exec(id, script string, flags ...string) result {
	c.Helper()
	args := append([]string{"task", "exec", "--exec-id", c.newID()}, flags...)
	return c.try(append(args, id, "/bin/sh", "-c", script)...)
}

// task returns the PID and the status of a container, or nothing.
func (c *containerd) task(id string) (pid int, status string) {
	c.Helper()
	for line := range strings.Lines(c.ctr("task", "list")) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == id {
			return number(c, fields[1]), fields[2]
		}
	}
	return 0, ""
}

// becomes waits until a container has a status.
func (c *containerd) becomes(id, status string) {
	c.Helper()
	var seen string
	until(c, id+" is "+status, func() bool {
		_, seen = c.task(id)
		return seen == status
	}, func() string { return fmt.Sprintf("it is %q: %s", seen, c.log()) })
}

// remove removes a container, whether it runs or not.
func (c *containerd) remove(id string) {
	c.Helper()
	if _, status := c.task(id); status != "" {
		c.ctr("task", "delete", "--force", id)
	}
	c.ctr("container", "delete", id)
}

// removeAll removes the containers that the test has left.
func (c *containerd) removeAll() {
	c.Helper()
	select {
	case <-c.ended:
		return
	default:
	}
	for _, id := range strings.Fields(c.ctr("container", "list", "--quiet")) {
		c.remove(id)
	}
}

// nothingLeft requires that the runtime has no container, and that processes, mounts and cgroups are the same as before.
func (c *containerd) nothingLeft(before []string) {
	c.Helper()
	var left []string
	until(c, "nothing is left", func() bool {
		left, _ = filepath.Glob(c.path("runtime/*/*"))
		others, _ := filepath.Glob("/run/containerd/runc/*/*")
		left = append(left, others...)
		for _, line := range remains(c) {
			// A namespace of containerd has a cgroup above those of its containers. No runtime removes it.
			other := strings.HasPrefix(line, "cgroup ") && !strings.Contains(line, "/"+c.namespace+"/")
			if !other && !slices.Contains(before, line) {
				left = append(left, line)
			}
		}
		return len(left) == 0
	}, func() string { return strings.Join(left, "\n") })
}

// noted puts a program between the shim and the runtime that writes down each call and its exit status.
func (c *containerd) noted() {
	c.Helper()
	program := "#!/bin/sh\n%s \"$@\"\nstatus=$?\necho \"$status $*\" >>%s\nexit $status\n"
	program = fmt.Sprintf(program, c.runtime, c.path("noted/calls"))
	c.runtime = file(c, c.path("noted/"+runtimeName()), program)
}

// calls returns the verbs of these calls, with their arguments, each with its exit status in front.
func (c *containerd) calls() []string {
	c.Helper()
	content, _ := os.ReadFile(c.path("noted/calls"))
	var calls []string
	for line := range strings.Lines(string(content)) {
		status, _, _ := strings.Cut(line, " ")
		_, verb, found := strings.Cut(strings.TrimSpace(line), "--log-format json ")
		require.True(c, found, line)
		calls = append(calls, status+" "+strings.ReplaceAll(verb, c.dir, ""))
	}
	return calls
}

var containerdImages struct {
	once sync.Once
	path string
}

// containerdArchive returns an archive of the small image in the layout of the OCI. It is made once.
func containerdArchive(t testing.TB) string {
	t.Helper()
	containerdImages.once.Do(func() {
		image := packedImage{containerdImage, object{"Env": []string{"PATH=/bin"}, "Cmd": []string{"/bin/sleep", "1000000"}}}
		containerdImages.path = packImages(t, "small", []string{smallImage(t)}, image)
	})
	require.NotEmpty(t, containerdImages.path, "the archive could not be made")
	return containerdImages.path
}
