//go:build linux && engines

package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// podmanConf is containers.conf(5). The limits are what root may set without CAP_SYS_RESOURCE. If the name of the runtime were missing,
// podman would not ask the runtime for errors as JSON.
const podmanConf = `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
netns = "none"
init_path = %q
[engine]
events_logger = "file"
cgroup_manager = "cgroupfs"
image_copy_tmp_dir = %q
runtime_supports_json = ["crun", "runc", %q]
`

// podmanDir is where podman keeps everything.
var podmanDir = filepath.Join(state, "podman")

var podmanOnce sync.Once

// A podman is podman as one test uses it. At the end it removes the containers of the test, which must leave nothing.
type podman struct {
	testing.TB
	// user is the ordinary user who calls podman. Nil is root.
	user *user
}

// newPodman prepares podman, and loads the image small for the first test.
func newPodman(t testing.TB) *podman {
	t.Helper()
	need(t, "podman", "podman")
	need(t, "conmon", "conmon")
	p := &podman{TB: t}
	podmanOnce.Do(func() {
		init := need(t, "catatonit", "catatonit")
		conf := file(t, filepath.Join(podmanDir, "containers.conf"), fmt.Sprintf(podmanConf, init, os.TempDir(), runtimeName()))
		require.NoError(t, os.Setenv("CONTAINERS_CONF", conf))
		p.ok("import", smallImage(t), "small")
		// podman makes a cgroup tree and mounts for its first container, and keeps them.
		p.ok("run", "--rm", "small", "true")
	})
	require.NotEmpty(t, os.Getenv("CONTAINERS_CONF"), "podman could not be prepared")
	p.leavesNothing()
	return p
}

// leavesNothing removes the containers of the test at its end, and requires that nothing else is left.
func (p *podman) leavesNothing() {
	p.Helper()
	before := p.remains()
	showCalls(p)
	p.Cleanup(func() {
		p.ok("pod", "rm", "--force", "--all", "--time", "0")
		p.ok("rm", "--force", "--all", "--time", "0")
		until(p, "nothing is left", func() bool { return difference(before, p.remains()) == "" },
			func() string { return difference(before, p.remains()) })
	})
}

// podCgroup matches a pod's cgroup and the cgroup above, which podman does not remove from all hierarchies. libpod-ID is a container's.
var podCgroup = regexp.MustCompile("/libpod_parent(/[0-9a-f]{64})?$")

// remains leaves out the cgroups that podman does not remove, and podman's own mounts, which come and go. It adds the state that
// runtimes keep in their default place.
func (p *podman) remains() []string {
	var all []string
	for _, dir := range []string{"/run/crun/*", "/run/runc/*", "/run/container-workshop/*", runtimeDir + "/crun/*", runtimeDir + "/runc/*", runtimeDir + "/container-workshop/*"} {
		states, err := filepath.Glob(dir)
		require.NoError(p, err)
		all = append(all, states...)
	}
	own := regexp.MustCompile("^mount " + podmanDir + "/[a-z]+/overlay$")
	return append(all, slices.DeleteFunc(remains(p, "/conmon", "/podman-parent", pauseProcess), func(line string) bool {
		return own.MatchString(line) || podCgroup.MatchString(line)
	})...)
}

// command returns a podman command.
func (p *podman) command(args ...string) *exec.Cmd {
	if p.user != nil {
		return p.user.command(p, args...)
	}
	return exec.Command("podman", append([]string{
		"--root", podmanDir + "/root", "--runroot", podmanDir + "/run", "--tmpdir", podmanDir + "/tmp", "--runtime", engineRuntime(p),
		"--cgroup-manager=cgroupfs", "--events-backend=file",
	}, args...)...)
}

// try runs podman.
func (p *podman) try(args ...string) result {
	p.Helper()
	return outcome(p, p.command(args...))
}

// ok runs podman, which must succeed, and returns its output without the last newline.
func (p *podman) ok(args ...string) string {
	p.Helper()
	r := p.try(args...)
	require.Equal(p, 0, r.status, "podman %q: %s%s", args, r.stdout, r.stderr)
	return strings.TrimSuffix(r.stdout, "\n")
}

// sh runs a shell script in a new container with flags, and returns its output.
func (p *podman) sh(script string, flags ...string) string {
	p.Helper()
	return p.ok(shell(script, flags...)...)
}

// terminal runs a shell script at a terminal, in a new container with flags.
func (p *podman) terminal(script string, flags ...string) *terminal {
	p.Helper()
	return atTerminal(p, p.command(shell(script, append(flags, "-it")...)...))
}

// shell returns the arguments that run a shell script in a new container with flags.
func shell(script string, flags ...string) []string {
	return append(append([]string{"run", "--rm"}, flags...), "small", "/bin/sh", "-c", script)
}

// detached starts a container with a shell script in the background, waits until the script has printed ready, and returns its ID.
func (p *podman) detached(script string, flags ...string) string {
	p.Helper()
	id := p.ok(append(append([]string{"run", "--detach"}, flags...), "small", "/bin/sh", "-c", script)...)
	p.logs(id, "ready\n")
	return id
}

// idle is a script that does nothing, and ends at once on SIGTERM.
const idle = "trap exit TERM; echo ready; while :; do sleep 1000 & wait; done"

// logs waits until the container has printed a text.
func (p *podman) logs(id, text string) {
	p.Helper()
	var seen result
	until(p, "the container prints "+text, func() bool {
		seen = p.try("logs", id)
		return strings.Contains(seen.stdout+seen.stderr, text)
	}, func() string { return fmt.Sprintf("%q %q", seen.stdout, seen.stderr) })
}

// becomes waits until podman prints a text.
func (p *podman) becomes(want string, args ...string) {
	p.Helper()
	var seen result
	until(p, fmt.Sprintf("podman %q prints %q", args, want), func() bool {
		seen = p.try(args...)
		return strings.TrimSuffix(seen.stdout, "\n") == want
	}, func() string { return fmt.Sprintf("%q %q", seen.stdout, seen.stderr) })
}

// inspect returns a field of a container, by its template.
func (p *podman) inspect(id, template string) string {
	p.Helper()
	return p.ok("inspect", "--format", template, id)
}

// pid returns the PID of the container's process 1.
func (p *podman) pid(id string) int {
	p.Helper()
	return number(p, p.inspect(id, "{{.State.Pid}}"))
}

// ends waits for the end of a container and returns its exit status.
func (p *podman) ends(id string) int {
	p.Helper()
	return number(p, p.ok("wait", id))
}

// refused requires that podman failed with this status and with these words in its message.
func (p *podman) refused(r result, status int, words ...string) {
	p.Helper()
	require.Equal(p, status, r.status, "%s%s", r.stdout, r.stderr)
	for _, word := range words {
		require.Contains(p, strings.ToLower(r.stderr), word)
	}
}

// subtests runs tests that are independent of each other.
func subtests(t *testing.T, tests map[string]func(p *podman)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(newPodman(t)) })
	}
}

// asJSON writes a value to a file and returns its path.
func asJSON(t testing.TB, path string, value any) string {
	t.Helper()
	content, err := json.Marshal(value)
	require.NoError(t, err)
	return file(t, path, string(content))
}
