//go:build linux && engines

package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// networkPlugin is a plugin for the network of pods. It returns an address, but configures nothing.
const networkPlugin = `#!/bin/sh
cat >/dev/null
[ "$CNI_COMMAND" != ADD ] || cat <<END
{"cniVersion": "0.4.0", "interfaces": [{"name": "$CNI_IFNAME", "sandbox": "$CNI_NETNS"}],
 "ips": [{"version": "4", "address": "192.0.2.2/24", "interface": 0}]}
END
`

// A kubelet calls containerd through the Container Runtime Interface, as the kubelet of Kubernetes does. It has one pod.
type kubelet struct {
	*containerd
	// config is the pod's PodSandboxConfig, and pod the ID of its sandbox.
	config protoMessage
	pod    string
}

// call calls the runtime service.
func (k *kubelet) call(method string, request protoMessage) ([]byte, error) {
	k.Helper()
	return grpcCall(k, k.socket, k.namespace, "runtime.v1.RuntimeService/"+method, request)
}

// ok calls the runtime service, and fails the test if the call fails.
func (k *kubelet) ok(method string, request protoMessage) []byte {
	k.Helper()
	answer, err := k.call(method, request)
	require.NoError(k, err, k.log())
	return answer
}

// newKubelet starts containerd, with the runtime as the class "workshop", and makes a pod.
func newKubelet(t testing.TB) *kubelet {
	t.Helper()
	c := newContainerdOf(t, "k8s.io", func(c *containerd) string {
		for _, name := range []string{"loopback", "of-test"} {
			file(c, c.path("cni/"+name), networkPlugin)
		}
		file(c, c.path("net.d/1.conflist"), `{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "of-test"}]}`)
		return fmt.Sprintf(`
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
restrict_oom_score_adj = true
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "workshop"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.workshop]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.workshop.options]
BinaryName = %q
Root = %q
`, containerdImage, c.path("cni"), c.path("net.d"), c.runtime, c.path("runtime"))
	})
	k := &kubelet{containerd: c, config: protoMessage{
		{1, protoMessage{{1, "pod"}, {2, "uid"}, {3, "default"}}},
		{2, "pod-name"},
		{3, c.path("logs")},
		// The pod has no cgroup of its own, and may hold privileged containers.
		{8, protoMessage{{1, "/k8s.io"}, {2, protoMessage{{6, 1}}}, {3, protoMessage{{1, "kernel.msgmax"}, {2, "8193"}}}}},
	}}
	until(t, "the image is known", func() bool {
		image := protoMessage{{1, protoMessage{{1, containerdImage}}}}
		answer, err := grpcCall(k, k.socket, k.namespace, "runtime.v1.ImageService/ImageStatus", image)
		require.NoError(t, err)
		_, id := protoLookup(answer, 1, 1)
		return id != ""
	}, c.log)
	until(t, "the network is ready", func() bool {
		return strings.Contains(string(k.ok("Status", nil)), "NetworkReady\x10\x01")
	}, c.log)
	_, k.pod = protoLookup(k.ok("RunPodSandbox", protoMessage{{1, k.config}, {2, "workshop"}}), 1)
	t.Cleanup(func() {
		k.ok("StopPodSandbox", protoMessage{{1, k.pod}})
		k.ok("RemovePodSandbox", protoMessage{{1, k.pod}})
	})
	return k
}

// create makes a container in the pod.
func (k *kubelet) create(name, script string, linux protoMessage) string {
	k.Helper()
	config := protoMessage{{1, protoMessage{{1, name}}}, {2, protoMessage{{1, containerdImage}}},
		{3, "/bin/sh"}, {4, "-c"}, {4, script}, {11, name + ".log"}, {15, linux}}
	_, id := protoLookup(k.ok("CreateContainer", protoMessage{{1, k.pod}, {2, config}, {3, k.config}}), 1)
	k.ok("StartContainer", protoMessage{{1, id}})
	return id
}

// inside runs a shell script in a container.
func (k *kubelet) inside(id, script string) result {
	k.Helper()
	answer := k.ok("ExecSync", protoMessage{{1, id}, {2, "/bin/sh"}, {2, "-c"}, {2, script}, {3, 10}})
	_, stdout := protoLookup(answer, 1)
	_, stderr := protoLookup(answer, 2)
	status, _ := protoLookup(answer, 3)
	return result{stdout, stderr, status}
}

// status returns the exit status of a container that has ended.
func (k *kubelet) status(id string) int {
	k.Helper()
	var answer []byte
	until(k, id+" has ended", func() bool {
		answer = k.ok("ContainerStatus", protoMessage{{1, id}})
		state, _ := protoLookup(answer, 1, 3)
		return state == 2
	}, k.log)
	status, _ := protoLookup(answer, 1, 7)
	return status
}

func TestContainerdPod(t *testing.T) {
	k := newKubelet(t)
	pause, _ := k.task(k.pod)
	first := k.create("first", "echo out; echo err >&2; sleep 1000", nil)
	second := k.create("second", "exit 3", nil)
	require.Equal(t, 3, k.status(second))

	r := k.inside(first, "hostname; cat /proc/sys/kernel/msgmax; echo err >&2; exit 4")
	require.Equal(t, result{"pod-name\n8193\n", "err\n", 4}, r)
	pid, _ := k.task(first)
	for _, name := range []string{"net", "ipc", "uts"} {
		require.Equal(t, namespaceOf(t, pause, name), namespaceOf(t, pid, name))
		require.NotEqual(t, namespaceOf(t, pause, "mnt"), namespaceOf(t, pid, "mnt"))
	}
	until(t, "the log has both lines", func() bool { return strings.Count(read(t, k.path("logs/first.log")), "\n") == 1 },
		func() string { return read(t, k.path("logs/first.log")) })
	require.Regexp(t, `(?m)^\S+ stdout F out$`, read(t, k.path("logs/first.log")))

	// This container shares the PID namespace of its pod.
	shared := k.create("shared", "sleep 1000", protoMessage{{2, protoMessage{{3, protoMessage{{2, 0}}}}}})
	require.Contains(t, k.inside(shared, "ps -o pid,args").stdout, "1 /bin/sleep 1000000")
}

func TestContainerdPodLimits(t *testing.T) {
	k := newKubelet(t)
	id := k.create("limited", "sleep 1000", protoMessage{{1, protoMessage{{1, 100000}, {2, 20000}, {3, 512}, {4, 64 << 20}}}})
	require.Equal(t, "67108864", k.limit(id, "memory", "memory.limit_in_bytes", "memory.max"))
	k.ok("UpdateContainerResources", protoMessage{{1, id}, {2, protoMessage{{1, 100000}, {2, 50000}, {4, 32 << 20}, {6, "0"}}}})
	require.Equal(t, "0", k.limit(id, "cpuset", "cpuset.cpus", "cpuset.cpus"))
	require.Equal(t, "33554432", k.limit(id, "memory", "memory.limit_in_bytes", "memory.max"))
	if version1("cpu") {
		require.Equal(t, "50000", k.limit(id, "cpu", "cpu.cfs_quota_us", ""))
	}
	usage, _ := protoLookup(k.ok("ContainerStats", protoMessage{{1, id}}), 1, 3, 2, 1)
	require.Positive(t, usage)

	id = k.create("greedy", greedy, protoMessage{{1, protoMessage{{4, 16 << 20}}}})
	pid, _ := k.task(id)
	release(t, pid)
	require.Equal(t, 137, k.status(id))
	until(t, "the reason is OOMKilled", func() bool {
		_, reason := protoLookup(k.ok("ContainerStatus", protoMessage{{1, id}}), 1, 10)
		return reason == "OOMKilled"
	}, k.log)
}

func TestContainerdPodStop(t *testing.T) {
	k := newKubelet(t)
	polite := k.create("polite", "trap 'exit 5' TERM; while :; do sleep 0.01; done", nil)
	rude := k.create("rude", "trap '' TERM; while :; do sleep 0.01; done", nil)
	// A script that has reached its loop has set its trap.
	for _, id := range []string{polite, rude} {
		until(t, "the trap is set", func() bool { return strings.Contains(k.inside(id, "ps -o args").stdout, "sleep 0.01") }, k.log)
	}
	k.ok("StopContainer", protoMessage{{1, polite}, {2, 60}})
	require.Equal(t, 5, k.status(polite))
	k.ok("StopContainer", protoMessage{{1, rude}, {2, 1}})
	require.Equal(t, 137, k.status(rude))
	k.ok("RemoveContainer", protoMessage{{1, rude}})
	_, err := k.call("ContainerStatus", protoMessage{{1, rude}})
	require.ErrorContains(t, err, "not found")
}

func TestContainerdPodSecurity(t *testing.T) {
	k := newKubelet(t)
	// These are fields of LinuxContainerSecurityContext: capabilities, user, group, read-only root, groups, no new privileges, seccomp.
	id := k.create("secure", "sleep 1000", protoMessage{{2, protoMessage{
		{1, protoMessage{{1, "NET_ADMIN"}, {2, "CHOWN"}}},
		{5, protoMessage{{1, 1000}}}, {12, protoMessage{{1, 34}}}, {7, 1}, {8, "\xd1\x0f"}, {11, 1}, {15, protoMessage{{1, 0}}},
	}}})
	pid, _ := k.task(id)
	require.Equal(t, "1000\t1000\t1000\t1000", statusField(t, pid, "Uid"))
	require.Equal(t, "34\t34\t34\t34", statusField(t, pid, "Gid"))
	require.Contains(t, strings.Fields(statusField(t, pid, "Groups")), "2001")
	require.Equal(t, "1", statusField(t, pid, "NoNewPrivs"))
	require.Equal(t, "2", statusField(t, pid, "Seccomp"))
	require.Equal(t, "00000000a80435fa", statusField(t, pid, "CapBnd"))
	require.Contains(t, k.inside(id, "echo 1 >/file").stderr, "Read-only file system")

	privileged := k.create("privileged", "sleep 1000", protoMessage{{2, protoMessage{{2, 1}}}})
	require.Equal(t, result{}, k.inside(privileged, "mount -t tmpfs none /tmp && echo 8193 >/proc/sys/kernel/msgmax"))
}

// namespaceOf returns the namespace of a process.
func namespaceOf(t testing.TB, pid int, name string) string {
	t.Helper()
	return strings.TrimSpace(ok(t, "readlink", fmt.Sprintf("/proc/%d/ns/%s", pid, name)))
}
