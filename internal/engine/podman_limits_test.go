//go:build linux && engines

package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPodmanLimits(t *testing.T) {
	subtests(t, map[string]func(p *podman){
		"memory": func(p *podman) {
			// tail keeps its input until a line ends. Debian's conmon sees the OOM kill, but records it where podman does not look.
			id := p.ok("run", "--detach", "--memory", "32m", "small", "tail", "/dev/zero")
			assert.Equal(p, 137, p.ends(id))
			assert.Equal(p, "exited 137", p.inspect(id, "{{.State.Status}} {{.State.ExitCode}}"))
			id = p.detached("tail /dev/zero; echo $?; echo ready; sleep 1000", "--memory", "32m")
			assert.Equal(p, "137\nready", p.ok("logs", id))
			assert.Contains(p, read(p, cgroupFile(p, p.pid(id), "memory", "memory.oom_control", "memory.events")), "oom_kill 1")
		},
		"memory in the files of the kernel": func(p *podman) {
			id := p.detached(idle, "--memory", "64m", "--memory-reservation", "32m")
			p.limit(id, "memory", "memory.limit_in_bytes", "memory.max", "67108864")
			p.limit(id, "memory", "memory.soft_limit_in_bytes", "memory.low", "33554432")
		},
		"processes": func(p *podman) {
			id := p.detached("(for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done) 2>/err; echo ready; sleep 1000", "--pids-limit", "6")
			p.limit(id, "pids", "pids.max", "pids.max", "6")
			assert.Contains(p, p.try("cp", id+":/err", "-").stdout, "can't fork")
			assert.LessOrEqual(p, number(p, read(p, cgroupFile(p, p.pid(id), "pids", "pids.current", "pids.current"))), 6)
		},
		"CPU": func(p *podman) {
			id := p.detached(idle, "--cpus", "0.5")
			if version1("cpu") {
				p.limit(id, "cpu", "cpu.cfs_quota_us", "", "50000")
				p.limit(id, "cpu", "cpu.cfs_period_us", "", "100000")
			} else {
				p.limit(id, "cpu", "", "cpu.max", "50000 100000")
			}
			id = p.detached(idle, "--cpu-shares", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0")
			p.limit(id, "cpuset", "cpuset.cpus", "cpuset.cpus", "0")
			if version1("cpu") {
				p.limit(id, "cpu", "cpu.shares", "", "512")
			}
			assert.Equal(p, "0", statusField(p, p.pid(id), "Cpus_allowed_list"))
		},
		"a cgroup in a parent of one's own": func(p *podman) {
			id := p.detached(idle, "--cgroup-parent", "/podman-parent")
			assert.Contains(p, cgroupFile(p, p.pid(id), "memory", "", ""), "/podman-parent/libpod-"+id)
		},
		"a cgroup namespace": func(p *podman) {
			// The container sees its own cgroup as the top, and cannot write there.
			assert.Empty(p, p.sh("sed 's/.*://' /proc/self/cgroup | grep -v '^/$' || true", "--cgroupns", "private"))
			r := p.try(shell("cd /sys/fs/cgroup/pids || cd /sys/fs/cgroup; mkdir own", "--cgroupns", "private")...)
			p.refused(r, 1, "read-only file system")
		},
		"update": func(p *podman) {
			id := p.detached(idle, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "10")
			p.ok("update", "--memory", "96m", "--cpus", "0.25", id)
			p.limit(id, "memory", "memory.limit_in_bytes", "memory.max", "100663296")
			if version1("cpu") {
				p.limit(id, "cpu", "cpu.cfs_quota_us", "", "25000")
			} else {
				p.limit(id, "cpu", "", "cpu.max", "25000 100000")
			}
			p.limit(id, "pids", "pids.max", "pids.max", "10")
		},
		"stats": func(p *podman) {
			id := p.detached("sleep 1000 & echo ready; wait", "--memory", "64m")
			fields := strings.Split(p.ok("stats", "--no-stream", "--format", "{{.ID}}|{{.PIDs}}|{{.MemUsage}}|{{.CPUPerc}}", id), "|")
			assert.Equal(p, []string{id[:12], "2"}, fields[:2])
			assert.Regexp(p, `^[0-9.]+[kM]B / 67.11MB$`, fields[2])
			assert.Regexp(p, `^[0-9.]+%$`, fields[3])
		},
	})
}

// limit requires that a file of the container's cgroup has a value.
func (p *podman) limit(id, controller, name, nameOf2, value string) {
	p.Helper()
	path := cgroupFile(p, p.pid(id), controller, name, nameOf2)
	assert.Equal(p, value, read(p, path), fmt.Sprintf("%s of %s", path, id))
}
