//go:build linux && engines

package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// many is how many Pods start at once.
const many = 100

// A crowd is what many Pods took that started at once.
type crowd struct {
	// ready has a time for each Pod, from created to ready, in order.
	ready []time.Duration
	// end is the time from the first deletion to the last end.
	end time.Duration
	// memory is what the node needed for them, in bytes.
	memory int
}

// TestKubernetesManyPods starts many Pods at once, with one runtime after the other, and writes a section of final/BENCHMARKS.md.
func TestKubernetesManyPods(t *testing.T) {
	c := newCluster(t)
	crowds := map[string]crowd{}
	// In the first round the programs of the cluster grow, so the numbers of the second round replace those of the first.
	for _, round := range []string{"first", "second"} {
		for _, class := range []string{"workshop", "runc"} {
			crowds[class] = c.manyPods(round+"-"+class, class, many)
		}
	}
	t.Log(crowdTable(crowds))
	if len(pages) > 0 {
		versions := [3]string{versionOf(t, "kubelet", "--version"), versionOf(t, "containerd", "--version"), versionOf(t, "runc", "--version")}
		writeSection(t, pages[0], "test-kubernetes", crowdSection(crowds, versions))
		plot, err := crowdChart(crowds).Draw()
		require.NoError(t, err)
		overwrite(t, pages[1], string(plot))
	}
}

// manyPods starts Pods of a Deployment, waits until all are ready, and removes them.
func (c *cluster) manyPods(name, class string, count int) (pods crowd) {
	c.Helper()
	before := c.memory()
	stop, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	created := map[string]time.Time{}
	events := c.watch(stop)
	c.apply(fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      runtimeClassName: %[3]s
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "test/small:1"}]
`, name, count, class))
	ready := map[string]bool{}
	for len(ready) < count {
		e := c.next(events)
		pod := e.Object.Metadata.Name
		switch {
		case !strings.HasPrefix(pod, name+"-"):
		case created[pod].IsZero():
			created[pod] = time.Now()
		case e.ready() && !ready[pod]:
			ready[pod] = true
			pods.ready = append(pods.ready, time.Since(created[pod]))
		}
	}
	pods.memory = c.memory() - before
	start := time.Now()
	c.kubectl("delete", "deployment", name)
	for len(ready) > 0 {
		if e := c.next(events); e.Type == "DELETED" {
			delete(ready, e.Object.Metadata.Name)
		}
	}
	pods.end = time.Since(start)
	slices.Sort(pods.ready)
	return pods
}

// A podEvent is a change of a Pod, as the API server reports it.
type podEvent struct {
	Type   string
	Object struct {
		Metadata struct{ Name string }
		Status   struct {
			Conditions []struct{ Type, Status string }
		}
	}
}

// ready reports whether the Pod of an event is ready.
func (e podEvent) ready() bool {
	for _, condition := range e.Object.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// watch reports the changes of all Pods, until its context ends.
func (c *cluster) watch(until context.Context) <-chan podEvent {
	c.Helper()
	pki := c.path("pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pki, "node.pem"), filepath.Join(pki, "node.key"))
	require.NoError(c, err)
	authorities := x509.NewCertPool()
	require.True(c, authorities.AppendCertsFromPEM([]byte(read(c, filepath.Join(pki, "ca.pem")))))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{certificate}}}}
	request, err := http.NewRequestWithContext(until, http.MethodGet, "https://127.0.0.1:6443/api/v1/namespaces/default/pods?watch=1", nil)
	require.NoError(c, err)
	answer, err := client.Do(request)
	require.NoError(c, err)
	events := make(chan podEvent, 10_000)
	go func() {
		defer close(events)
		defer answer.Body.Close()
		for decoder := json.NewDecoder(answer.Body); ; {
			var e podEvent
			if decoder.Decode(&e) != nil {
				return
			}
			events <- e
		}
	}()
	return events
}

// next waits for the next event.
func (c *cluster) next(events <-chan podEvent) podEvent {
	c.Helper()
	e, open := <-events
	require.True(c, open, "no more events: %s", c.kubelet.log())
	return e
}

// memory returns the memory of the node's processes, and of the kernel for them, in bytes. Files do not count, and neither does the
// control plane, whose memory grows from one crowd to the next.
func (c *cluster) memory() int {
	c.Helper()
	sum := 0
	add := func(path string, names ...string) {
		for line := range strings.Lines(read(c, path) + "\n") {
			fields := strings.Fields(line)
			if len(fields) == 1 || slices.Contains(names, fields[0]) {
				sum += number(c, fields[len(fields)-1])
			}
		}
	}
	for _, program := range c.controlPlane {
		_, anonymous, found := strings.Cut(read(c, fmt.Sprintf("/proc/%d/status", program.cmd.Process.Pid)), "RssAnon:")
		require.True(c, found)
		sum -= number(c, strings.Fields(anonymous)[0]) << 10
	}
	if version1("memory") {
		add(cgroupTop+"/memory/memory.stat", "total_rss")
		add(cgroupTop + "/memory/memory.kmem.usage_in_bytes")
	} else {
		add(cgroupTop+"/memory.stat", "anon", "kernel")
	}
	return sum
}

// TestKubernetesRestarts restarts the kubelet and containerd. The Pods that run meanwhile notice nothing.
func TestKubernetesRestarts(t *testing.T) {
	c := newCluster(t)
	classes := []string{"workshop", "runc"}
	for _, class := range classes {
		c.apply(fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  runtimeClassName: %[1]s
  terminationGracePeriodSeconds: 1
  containers:
  - {name: counts, image: "test/small:1", command: [sh, -c, "i=0; while sleep 0.1; do i=$((i+1)); echo $i; done"]}
  - {name: ends, image: "test/small:1", command: [sh, -c, "until [ -e /end ]; do sleep 0.1; done; exit 9"]}
`, class))
	}
	c.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=50s")
	identities := func() string {
		return c.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[?(@.name=='counts')].containerID}")
	}
	before := identities()
	// A kubelet that has just started does not know its Pods yet.
	reached := func() {
		for _, class := range classes {
			until(t, "exec works", func() bool { return try(t, "kubectl", "exec", class, "-c", "counts", "--", "true").status == 0 }, func() string { return c.kubelet.log() })
		}
	}

	end := func() {
		for _, pid := range strings.Fields(ok(t, "pgrep", "-f", "until .* -e /end")) {
			// This may be a child of the shell, and have ended.
			_ = os.WriteFile("/proc/"+pid+"/root/end", nil, 0o644)
		}
	}
	known := func(field, value string) {
		for _, class := range classes {
			until(t, "the end is known", func() bool {
				return c.kubectl("get", "pod", class, "-o", "jsonpath={.status.containerStatuses[?(@.name=='ends')]."+field+"}") == value
			}, func() string { return c.kubectl("get", "pod", class, "-o", "yaml") })
		}
	}

	// Each Pod is three containers with its pause. One of them ends without the kubelet.
	c.kubelet.stop(t)
	end()
	until(t, "containerd knows the end", func() bool { return len(strings.Fields(c.ctr("task", "list", "--quiet"))) == 2*len(classes) }, c.log)
	c.startKubelet()
	reached()
	known("lastState.terminated.exitCode", "9")
	// The container ends again, this time without containerd. Containerd 2 then takes the container for a leftover
	// and removes it, whatever the runtime, so nobody learns the exit status.
	known("ready", "true")
	c.kubelet.stop(t)
	c.stop(t)
	end()
	until(t, "the containers have ended", func() bool { return try(t, "pgrep", "-f", "until .* -e /end").status == 1 }, c.log)
	c.start(criOfCluster(c.containerd))
	c.startKubelet()
	reached()
	known("restartCount", "2")
	counted := func(class string) []string { return strings.Fields(c.kubectl("logs", class, "-c", "counts")) }
	for _, class := range classes {
		first := len(counted(class))
		until(t, "the log goes on", func() bool { return len(counted(class)) > first }, c.log)
		for i, line := range counted(class) {
			require.Equal(t, fmt.Sprint(i+1), line, "a line of the log is missing")
		}
	}
	require.Equal(t, before, identities())
}
