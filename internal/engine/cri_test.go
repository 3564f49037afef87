//go:build linux && engines

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// criPatience is how long critest may take with one runtime.
	criPatience = 20 * time.Minute
	// criImages are the tests of containerd's images. They need registries with many images.
	criImages = `Image Manager|Image Consistency|Image Identifier`
	// criLeast is how many tests of critest must pass with runc. Otherwise the comparison would be worth nothing.
	criLeast = 70
	// criNetwork is a bridge for pods, for the plugins of containernetworking. Pods may have ports of the host.
	criNetwork = `{"cniVersion": "0.4.0", "name": "cri", "plugins": [
 {"type": "bridge", "bridge": "cri0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "192.0.2.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
`
	criPlugins = "/usr/lib/cni"
)

// A criResult is the result of one of critest's tests.
type criResult struct {
	// State is passed, skipped, or a word for a failure.
	State    string
	Attempts int `json:"NumAttempts"`
	Failure  struct{ Message string }
}

func (r criResult) passed() bool { return r.State == "passed" }

func (r criResult) failed() bool { return r.State != "passed" && r.State != "skipped" }

// A criRun is critest with one containerd, with two runtimes.
type criRun struct {
	containerd, runc, critest string
	// results has the results of each runtime class by the names of the tests.
	results map[string]map[string]criResult
}

// TestCRI runs critest with final and with runc, in two versions of containerd: 1 is that of the distribution, and 2 that in the
// folder CONTAINERD_2, which has a runc of its own. What passes with runc must pass with final. With CONTAINERD=1 or 2 it takes one
// version only.
func TestCRI(t *testing.T) {
	var runs []criRun
	for version, path := range []string{1: os.Getenv("PATH"), 2: os.Getenv("CONTAINERD_2") + ":" + os.Getenv("PATH")} {
		if only := os.Getenv("CONTAINERD"); version == 0 || only != "" && only != strconv.Itoa(version) {
			continue
		}
		t.Run("containerd "+strconv.Itoa(version), func(t *testing.T) {
			t.Setenv("PATH", path)
			runs = append(runs, newCRIRun(t, os.Getenv("CRITEST")))
		})
	}
	if len(runs) == 2 && len(pages) > 0 {
		writeSection(t, pages[0], "test-cri", criSection(runs))
	}
}

// newCRIRun starts containerd, and runs critest with runc and with the runtime to be tested.
func newCRIRun(t *testing.T, critest string) criRun {
	t.Helper()
	for program, install := range map[string]string{"runc": "runc", "iptables": "iptables", "ipcmk": "util-linux",
		criPlugins + "/portmap": "containernetworking-plugins"} {
		need(t, program, install)
	}
	var registry string
	c := newContainerdOf(t, "k8s.io", func(c *containerd) string {
		registry = criRegistry(c)
		return criConfig(c)
	})
	c.ctr("image", "import", criArchive(t))
	c.push(registry)
	until(t, "the network is ready", func() bool {
		answer, err := grpcCall(t, c.socket, c.namespace, "runtime.v1.RuntimeService/Status", nil)
		return err == nil && strings.Contains(string(answer), "NetworkReady\x10\x01")
	}, c.log)
	run := criRun{versionOf(t, "containerd", "--version"), versionOf(t, "runc", "--version"), versionOf(t, critest, "-version"),
		map[string]map[string]criResult{}}
	for _, class := range []string{"runc", "workshop"} {
		run.results[class] = c.critest(t, critest, class)
		c.removePods()
	}
	passed, failures, riddles := judge(run.results["workshop"], run.results["runc"])
	assert.Empty(t, failures, "tests that fail with the runtime, but not with runc")
	for _, riddle := range riddles {
		t.Logf("fails with runc, too, and criReasons does not say why: %s", riddle)
	}
	if criFocus() == "" {
		assert.GreaterOrEqual(t, passed, criLeast, "critest has not run as expected: %v", run.results["runc"])
	}
	return run
}

// removePods removes the pods of tests that have failed.
func (c *containerd) removePods() {
	c.Helper()
	call := func(method string, request protoMessage) []byte {
		answer, err := grpcCall(c, c.socket, c.namespace, "runtime.v1.RuntimeService/"+method, request)
		require.NoError(c, err, c.log())
		return answer
	}
	for {
		_, pod := protoLookup(call("ListPodSandbox", nil), 1, 1)
		if pod == "" {
			return
		}
		call("StopPodSandbox", protoMessage{{1, pod}})
		call("RemovePodSandbox", protoMessage{{1, pod}})
	}
}

// judge counts the tests that pass with runc. It returns those that fail with final, but not with runc, and those that fail with both
// for a reason that nobody has written down.
func judge(final, runc map[string]criResult) (passed int, failures, riddles []string) {
	for name, r := range runc {
		f := final[name]
		line := fmt.Sprintf("%s: %s: %s", name, f.State, f.Failure.Message)
		switch {
		case r.passed() && !f.passed(), f.failed() && !r.failed():
			failures = append(failures, line)
		case f.failed() && criReasons[name] == "":
			riddles = append(riddles, line)
		}
		if r.passed() {
			passed++
		}
	}
	return passed, failures, riddles
}

// criFocus is a regular expression for the names of tests. If it is set, the others do not run.
func criFocus() string { return os.Getenv("CRI_FOCUS") }

// criConfig has two runtime classes: the runtime to be tested, and runc.
func criConfig(c *containerd) string {
	file(c, c.path("net.d/1.conflist"), fmt.Sprintf(criNetwork, c.path("addresses")))
	config := fmt.Sprintf(`
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
restrict_oom_score_adj = true
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = %q
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
`, criPause, c.path("registries"), criPlugins, c.path("net.d"))
	for class, binary := range map[string]string{"workshop": c.runtime, "runc": need(c, "runc", "runc")} {
		config += fmt.Sprintf(`
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%[1]s]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.%[1]s.options]
BinaryName = %[2]q
Root = %[3]q
`, class, binary, c.path("runtime"))
	}
	return config
}

// critest runs critest with a runtime class, and returns the results by the names of the tests. A test that fails is repeated once:
// some of the tests have short deadlines.
func (c *containerd) critest(t *testing.T, program, class string) map[string]criResult {
	t.Helper()
	started := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), criPatience)
	defer cancel()
	report := c.path("report-" + class + ".json")
	output, err := exec.CommandContext(ctx, program, "-runtime-endpoint", "unix://"+c.socket, "-runtime-handler", class,
		"-ginkgo.skip", criImages, "-ginkgo.focus", criFocus(), "-ginkgo.seed", "1", "-ginkgo.flake-attempts", "2",
		"-ginkgo.no-color", "-ginkgo.json-report", report).CombinedOutput()
	require.NoError(t, ctx.Err(), "critest did not end: %s", output)
	content, readErr := os.ReadFile(report)
	require.NoError(t, readErr, "critest: %v: %s", err, output)
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts    []string
			LeafNodeType, LeafNodeText string
			criResult
		}
	}
	require.NoError(t, json.Unmarshal(content, &suites))
	results, count := map[string]criResult{}, map[string]int{}
	for _, spec := range suites[0].SpecReports {
		if spec.LeafNodeType != "It" {
			continue
		}
		name := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " / ")
		name = strings.ReplaceAll(strings.TrimPrefix(name, "[k8s.io] "), " [Conformance]", "")
		results[name] = spec.criResult
		count[spec.State]++
		if spec.Attempts > 1 {
			t.Logf("%s: a test was repeated, and then %s: %s", class, spec.State, name)
		}
	}
	t.Logf("%s: %v, in %v", class, count, time.Since(started).Round(time.Second))
	return results
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)

// versionOf returns the version that a program prints about itself.
func versionOf(t testing.TB, program, flag string) string {
	t.Helper()
	return versionNumber.FindString(ok(t, program, flag))
}
