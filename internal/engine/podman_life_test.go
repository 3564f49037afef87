//go:build linux && engines

package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// deaf is a container that ignores SIGTERM.
const deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done"

func TestPodmanLife(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"create, start, end, remove": func(p *podman) {
			id := p.ok("create", "small", "sh", "-c", "echo once; exit 5")
			assert.Equal(p, "created", p.inspect(id, "{{.State.Status}}"))
			assert.Equal(p, result{"once\n", "", 5}, p.try("start", "--attach", id))
			assert.Equal(p, "exited 5", p.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"))
			p.ok("rm", id)
			assert.Empty(p, p.ok("ps", "--all", "--quiet"))
		},
		"detached": func(p *podman) {
			id := p.detached(idle)
			assert.Equal(p, "running", p.inspect(id, "{{.State.Status}}"))
			assert.Equal(p, id, p.ok("ps", "--quiet", "--no-trunc"))
		},
		"logs": func(p *podman) {
			id := p.ok("run", "--detach", "small", "sh", "-c", "echo out; echo err >&2; printf unfinished")
			p.ends(id)
			assert.Equal(p, result{"out\nunfinished", "err\n", 0}, p.try("logs", id))
			assert.Equal(p, result{"out\nunfinished", "err\n", 0}, p.try("logs", "--follow", id))
			id = p.ok("run", "--detach", "small", "sh", "-c", "seq 20000")
			p.ends(id)
			assert.Len(p, strings.Split(p.ok("logs", id), "\n"), 20000)
		},
		"attached": func(p *podman) {
			id := p.ok("create", "-i", "small", "sh", "-c", "read line; echo got $line; exit 3")
			cmd := p.command("start", "--attach", "--interactive", id)
			cmd.Stdin = strings.NewReader("this\n")
			assert.Equal(p, result{"got this\n", "", 3}, outcome(p, cmd))
		},
		"stop of what ends by SIGTERM": func(p *podman) {
			id := p.detached("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
			p.ok("stop", id)
			assert.Equal(p, "exited 9", p.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"))
		},
		"stop of what does not": func(p *podman) {
			id := p.detached(deaf)
			p.ok("stop", "--time", "1", id)
			assert.Equal(p, "exited 137", p.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"))
		},
		"stop by another signal": func(p *podman) {
			id := p.detached("trap 'exit 8' USR1; echo ready; while :; do sleep 0.01; done", "--stop-signal", "USR1")
			p.ok("stop", id)
			assert.Equal(p, "8", p.inspect(id, "{{.State.ExitCode}}"))
		},
		"kill": func(p *podman) {
			id := p.detached("trap 'echo got USR1' USR1; trap 'exit 7' HUP; echo ready; while :; do sleep 0.01; done")
			p.ok("kill", "--signal", "USR1", id)
			p.logs(id, "got USR1")
			p.ok("kill", "--signal", "1", id)
			assert.Equal(p, 7, p.ends(id))
			id = p.detached(deaf)
			p.ok("kill", id)
			assert.Equal(p, 137, p.ends(id))
			r := p.try("kill", id)
			p.refused(r, 125, "can only kill running containers")
		},
		"a signal to podman": func(p *podman) {
			x := p.terminal("trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done")
			x.shows("ready")
			require.NoError(p, x.cmd.Process.Signal(unix.SIGTERM))
			assert.Equal(p, 6, x.status())
		},
		"pause": podmanPause,
		"rm": func(p *podman) {
			id := p.detached(deaf)
			pid := p.pid(id)
			p.refused(p.try("rm", id), 2, "running")
			p.ok("rm", "--force", "--time", "0", id)
			assert.NoDirExists(p, "/proc/"+number10(pid))
			p.refused(p.try("inspect", id), 125, "no such")
		},
		"rm of a paused container": func(p *podman) {
			id := p.detached(deaf)
			p.ok("pause", id)
			p.ok("rm", "--force", "--time", "0", id)
			assert.Empty(p, p.ok("ps", "--all", "--quiet"))
		},
		"rm of processes without a PID namespace": func(p *podman) {
			script := "trap '' TERM; for i in 1 2 3 4 5; do (sleep 1000; sleep 1000) & done; echo ready; wait"
			id := p.detached(script, "--pid", "host")
			pid := p.pid(id)
			p.ok("rm", "--force", "--time", "0", id)
			assert.NoDirExists(p, "/proc/"+number10(pid))
		},
		"restart": func(p *podman) {
			id := p.detached(idle + "; echo over")
			pid := p.pid(id)
			p.ok("restart", id)
			p.becomes("ready\nready", "logs", id)
			assert.NotEqual(p, pid, p.pid(id))
			assert.Equal(p, "running", p.inspect(id, "{{.State.Status}}"))
		},
		"restart by itself": func(p *podman) {
			id := p.ok("run", "--detach", "--restart", "on-failure:2", "small", "sh", "-c", "echo try; exit 4")
			p.becomes("try\ntry\ntry", "logs", id)
			p.becomes("exited 4 2", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", id)
		},
		"health": func(p *podman) {
			id := p.detached(idle, "--health-cmd", "test -e /well", "--health-interval", "disable", "--health-retries", "1")
			p.refused(p.try("healthcheck", "run", id), 1)
			assert.Equal(p, "unhealthy", p.inspect(id, "{{.State.Health.Status}}"))
			p.ok("exec", id, "touch", "/well")
			p.ok("healthcheck", "run", id)
			assert.Equal(p, "healthy", p.inspect(id, "{{.State.Health.Status}}"))
		},
		"a start that fails leaves it as it was": func(p *podman) {
			id := p.ok("create", "small", "no-such-command")
			p.refused(p.try("start", id), 125, "no-such-command", "not found in $path")
			assert.NotEqual(p, "running", p.inspect(id, "{{.State.Status}}"))
			p.ok("rm", id)
		},
	})
}

func podmanPause(p *podman) {
	id := p.detached("echo ready; while :; do echo x >>/count; done")
	p.ok("pause", id)
	assert.Equal(p, "paused", p.inspect(id, "{{.State.Status}}"))
	merged := p.ok("mount", id)
	p.Cleanup(func() { p.try("umount", id) })
	before := ok(p, "wc", "-c", merged+"/count")
	p.refused(p.try("exec", id, "true"), 255, "running")
	assert.Equal(p, before, ok(p, "wc", "-c", merged+"/count"))
	p.refused(p.try("pause", id), 125, "paused")
	p.ok("unpause", id)
	assert.Equal(p, "running", p.inspect(id, "{{.State.Status}}"))
	until(p, "it goes on", func() bool { return ok(p, "wc", "-c", merged+"/count") != before }, func() string { return before })
	p.ok("umount", id)
}
