//go:build linux && engines

package engine

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func number10(n int) string { return strconv.Itoa(n) }

// A pod has an infra container that only holds the namespaces. Here this container has the small image, too.
func (p *podman) pod(flags ...string) string {
	p.Helper()
	infra := []string{"--infra-image", "localhost/small", "--infra-command", "/bin/sleep 1000", "--network", "none"}
	return p.ok(append(append([]string{"pod", "create"}, infra...), flags...)...)
}

func TestPodmanPod(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"namespaces that are shared": func(p *podman) {
			pod := p.pod("--share", "net,ipc,uts,pid", "--hostname", "together")
			first := p.detached(idle+"; echo first", "--pod", pod)
			second := p.detached(idle+"; echo second", "--pod", pod)
			for name, shared := range map[string]bool{"net": true, "ipc": true, "uts": true, "pid": true, "mnt": false} {
				one, two := p.ok("exec", first, "readlink", "/proc/self/ns/"+name), p.ok("exec", second, "readlink", "/proc/self/ns/"+name)
				assert.Equal(p, shared, one == two, name)
			}
			assert.Equal(p, "together", p.ok("exec", first, "hostname"))
			assert.Contains(p, p.ok("exec", first, "ps", "-o", "args"), "echo second")
			p.ok("exec", first, "sh", "-c", "echo x >/dev/shm/made")
			assert.Equal(p, "x", p.ok("exec", second, "cat", "/dev/shm/made"))
		},
		"the network": func(p *podman) {
			pod := p.pod()
			p.ok("run", "--detach", "--pod", pod, "--name", "server", "small", "sh", "-c", "echo served | nc -l -p 8080")
			until(p, "it is served", func() bool {
				return p.try("run", "--rm", "--pod", pod, "small", "sh", "-c", ": | nc 127.0.0.1 8080").stdout == "served\n"
			}, func() string { return p.ok("ps", "--all") })
			assert.Equal(p, 0, p.ends("server"))
		},
		"stop, start, pause, kill, rm": func(p *podman) {
			pod := p.pod()
			id := p.detached(idle, "--pod", pod)
			state := func() string { return p.inspect(id, "{{.State.Status}}") }
			p.ok("pod", "pause", pod)
			assert.Equal(p, "paused", state())
			p.ok("pod", "unpause", pod)
			assert.Equal(p, "running", state())
			p.ok("pod", "stop", "--time", "1", pod)
			assert.Equal(p, "exited", state())
			p.ok("pod", "start", pod)
			assert.Equal(p, "running", state())
			p.ok("pod", "kill", pod)
			assert.Equal(p, 137, p.ends(id))
			p.ok("pod", "rm", "--force", pod)
			assert.Empty(p, p.ok("ps", "--all", "--quiet"))
		},
		"one container's process namespace for another": func(p *podman) {
			id := p.detached("echo ready; exec sleep 1234")
			assert.Contains(p, p.sh("ps -o args", "--pid", "container:"+id), "sleep 1234")
			for name, flag := range map[string]string{"net": "--network", "ipc": "--ipc"} {
				link := "/proc/self/ns/" + name
				assert.Equal(p, p.ok("exec", id, "readlink", link), p.sh("readlink "+link, flag, "container:"+id), name)
			}
		},
		"a user namespace that is shared": func(p *podman) {
			pod := p.pod("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
			first, second := p.detached(idle, "--pod", pod), p.detached(idle, "--pod", pod)
			assert.Equal(p, p.ok("exec", first, "readlink", "/proc/self/ns/user"), p.ok("exec", second, "readlink", "/proc/self/ns/user"))
			assert.Equal(p, "100000", strings.Fields(statusField(p, p.pid(second), "Uid"))[0])
		},
	})
}
