//go:build linux && engines

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cluster is Kubernetes with one node, which has the runtime as the class "workshop" beside runc as the class "runc".
type cluster struct {
	*containerd
	kubelet *daemon
	// controlPlane are the programs that run on other nodes in a large cluster.
	controlPlane []*daemon
	// environment is the environment of kubectl.
	environment []string
}

// nodeAddress is the address of the node in the session's network. The addresses of RFC 5737 belong to nobody.
const nodeAddress = "192.0.2.10"

// newCluster starts every program of a cluster, and waits until the node is ready. At the end of the test, nothing may be left.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	// The node has an address, which needs an interface, and a default route, which the kubelet asks for. Nobody is outside.
	for _, command := range []string{
		"ip link add node type veth peer outside", "ip link set outside up", "ip link set node up",
		"ip address add " + nodeAddress + "/24 dev node", "ip route add default via 192.0.2.1",
	} {
		fields := strings.Fields(command)
		ok(t, fields[0], fields[1:]...)
	}
	t.Cleanup(func() { _ = try(t, "ip", "link", "delete", "node") })
	t.Setenv("PATH", strings.Join([]string{os.Getenv("CONTAINERD_2"), kubernetesPrograms(), os.Getenv("PATH")}, ":"))
	c := &cluster{containerd: newContainerdOf(t, "k8s.io", criOfCluster)}
	for _, name := range []string{"docker.io/test/small:1", "docker.io/library/debian:13"} {
		c.ctr("image", "tag", containerdImage, name)
	}
	makeCertificates(t, c.path("pki"))
	file(t, c.path("kubeconfig"), c.kubeconfig())
	t.Setenv("KUBECONFIG", c.path("kubeconfig"))
	c.environment = os.Environ()
	c.startControlPlane()
	c.startKubelet()
	for _, class := range []string{"workshop", "runc"} {
		c.apply(fmt.Sprintf("apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: %s}\nhandler: %[1]s\n", class))
	}
	c.kubectl("wait", "--for=create", "node/node", "--timeout=50s")
	c.kubectl("wait", "--for=condition=Ready", "node/node", "--timeout=50s")
	c.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=50s")
	return c
}

// kubernetesPrograms is the folder with etcd and the programs of Kubernetes.
func kubernetesPrograms() string { return os.Getenv("KUBERNETES") }

// criOfCluster is the configuration of containerd for the kubelet.
func criOfCluster(c *containerd) string {
	runc := need(c, "runc", "runc")
	file(c, c.path("net.d/1.conflist"), fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods", "isGateway": true,
 "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`, c.path("leases")))
	config := fmt.Sprintf(`
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
disable_apparmor = true
restrict_oom_score_adj = true
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "workshop"
`, containerdImage, c.path("net.d"))
	for class, program := range map[string]string{"workshop": c.runtime, "runc": runc} {
		config += fmt.Sprintf(`
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%s]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%[1]s.options]
BinaryName = %q
`, class, program)
	}
	return config
}

// startControlPlane starts the programs of the control plane.
func (c *cluster) startControlPlane() {
	c.Helper()
	pki := c.path("pki")
	c.program([]string{"curl", "-fs", "http://127.0.0.1:2379/health"}, "etcd", "--data-dir="+c.path("etcd"), "--unsafe-no-fsync", "--log-level=error")
	c.program([]string{"curl", "-fsk", "https://127.0.0.1:6443/readyz"}, "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1", "--advertise-address="+nodeAddress, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+pki+"/node.pem", "--tls-private-key-file="+pki+"/node.key", "--client-ca-file="+pki+"/ca.pem",
		"--kubelet-client-certificate="+pki+"/node.pem", "--kubelet-client-key="+pki+"/node.key",
		"--kubelet-certificate-authority="+pki+"/ca.pem", "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+pki+"/node.key",
		"--service-account-signing-key-file="+pki+"/node.key", "--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=RBAC", "--allow-privileged")
	c.program([]string{"curl", "-fsk", "https://127.0.0.1:10257/healthz"}, "kube-controller-manager", "--kubeconfig="+c.path("kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--service-account-private-key-file="+pki+"/node.key", "--root-ca-file="+pki+"/ca.pem")
	c.program([]string{"curl", "-fsk", "https://127.0.0.1:10259/healthz"}, "kube-scheduler", "--kubeconfig="+c.path("kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false")
}

// program starts a program of the control plane, and waits until a command says that the program is ready.
func (c *cluster) program(ready []string, name string, args ...string) {
	c.Helper()
	cmd := exec.Command(filepath.Join(kubernetesPrograms(), name), args...)
	c.controlPlane = append(c.controlPlane, background(c, cmd, func() bool { return try(c, ready[0], ready[1:]...).status == 0 }))
}

// kubeconfig is the configuration of everybody who calls the API server. All use the same certificate, of an administrator.
func (c *cluster) kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://127.0.0.1:6443", certificate-authority: %[1]s/ca.pem}}]
users: [{name: admin, user: {client-certificate: %[1]s/node.pem, client-key: %[1]s/node.key}}]
contexts: [{name: node, context: {cluster: node, user: admin}}]
current-context: node
`, c.path("pki"))
}

// kubeletConfig is the configuration of the kubelet. On a host with cgroups of version 1, a kubelet starts only with failCgroupV1 false.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: %[1]s/pki/ca.pem}}
authorization: {mode: AlwaysAllow}
tlsCertFile: %[1]s/pki/node.pem
tlsPrivateKeyFile: %[1]s/pki/node.key
containerRuntimeEndpoint: unix://%[2]s
podLogsDir: %[1]s/pods
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
oomScoreAdj: 0
maxPods: 250
syncFrequency: 5s
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "1Mi", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%"}
`

// startKubelet starts the kubelet. It writes settings of the whole kernel, so it gets copies of their files: the host keeps its own.
func (c *cluster) startKubelet() {
	c.Helper()
	until(c, "containerd knows its Pods", func() bool {
		_, err := grpcCall(c, c.socket, c.namespace, "runtime.v1.RuntimeService/Version", nil)
		return err == nil
	}, c.log)
	script := `mount --make-private /proc
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
	copy=` + c.path("sysctl-$(basename $name)") + `
	cat /proc/sys/$name >$copy && mount --bind $copy /proc/sys/$name || exit
done
exec kubelet "$@"`
	file(c, c.path("kubelet/seccomp/no-mkdir.json"), `{"defaultAction": "SCMP_ACT_ALLOW",
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}`)
	config := file(c, c.path("kubelet.yaml"), fmt.Sprintf(kubeletConfig, c.dir, c.socket))
	cmd := exec.Command("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script, "kubelet", "--config="+config, "--kubeconfig="+c.path("kubeconfig"),
		"--root-dir="+c.path("kubelet"), "--node-ip="+nodeAddress, "--hostname-override=node",
		// The kubelet counts a container that has not started yet as ended. If its garbage collection came at that moment, and could leave
		// only one ended container of each name, then kubectl logs --previous would find nothing.
		"--maximum-dead-containers-per-container=2")
	c.kubelet = background(c, cmd, func() bool { return try(c, "curl", "-fs", "http://127.0.0.1:10248/healthz").status == 0 })
	c.Cleanup(c.removePods)
}

// kubectl runs kubectl, which must succeed, and returns its output.
func (c *cluster) kubectl(args ...string) string {
	c.Helper()
	return c.kubectlOf("", args...)
}

// kubectlOf is kubectl with an input.
func (c *cluster) kubectlOf(input string, args ...string) string {
	c.Helper()
	cmd := exec.Command("kubectl", args...)
	cmd.Env, cmd.Stdin = c.environment, strings.NewReader(input)
	r := outcome(c, cmd)
	require.Equal(c, 0, r.status, "kubectl %q: %s%s%s", args, r.stdout, r.stderr, input)
	return strings.TrimSuffix(r.stdout, "\n")
}

// apply makes what a manifest describes.
func (c *cluster) apply(manifest string) {
	c.Helper()
	c.kubectlOf(manifest, "apply", "--filename=-")
}

// removePods removes everything that makes pods, and waits until the kubelet has removed the last pod. After the end of containerd,
// removePods does nothing: the pods were removed before.
func (c *cluster) removePods() {
	c.Helper()
	select {
	case <-c.ended:
		return
	default:
	}
	_ = try(c, "kubectl", "delete", "deployments,daemonsets,statefulsets,replicasets,cronjobs,jobs,pods", "--all", "--all-namespaces", "--grace-period=1", "--timeout=50s")
	until(c, "the last pod is gone", func() bool { return c.ctr("task", "list", "--quiet") == "" }, c.kubelet.log)
	// The kubelet leaves ended Pods to containerd for a while, with their user namespaces.
	c.containerd.removePods()
}

// shell is a shell on the node, before a user has made the class of the lesson.
func (c *cluster) shell() *exec.Cmd {
	c.Helper()
	c.kubectl("delete", "runtimeclass", "workshop")
	shell := exec.Command("bash")
	shell.Env = c.environment
	return shell
}

func TestKubernetesReadme(t *testing.T) {
	typedAt(t, "final/KUBERNETES.md", "test-kubernetes", newCluster(t).shell())
}

// TestClusterShell is for make cluster: it gives the user of the terminal a shell on the node, until the shell ends.
func TestClusterShell(t *testing.T) {
	c := newCluster(t)
	shell := c.shell()
	// The user is root here, with or without sudo on the host.
	shell.Args = append(shell.Args, "--rcfile", file(t, c.path("rc"), "sudo() { \"$@\"; }\nPS1='node$ '\n"))
	shell.Dir, shell.Stdin, shell.Stdout, shell.Stderr = "../..", os.Stdin, os.Stdout, os.Stderr
	fmt.Println("You are on a node of Kubernetes. The commands of final/KUBERNETES.md work here. exit ends the node.")
	_ = shell.Run()
}
