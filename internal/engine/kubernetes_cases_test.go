//go:build linux && engines

package engine

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each case is a manifest, NAME.yaml, and NAME.txt: the commands that a user types then, with their output, the same for both runtimes.
//
//go:embed kubernetes
var kubernetesCases embed.FS

// typing runs commands as a terminal shows them. With await, a user looks again and again until a command prints a text.
const typing = `
await() {
	local i seen
	for ((i = 0; i < 300; i++)); do
		seen=$(eval "$2" 2>&1)
		[ "$seen" != "$1" ] || return 0
		sleep 0.2
	done
	echo "waited in vain for $1, and saw $seen"
}
while read -r line <&3; do
	printf '$ %s\n' "$line"
	eval "$line" </dev/null >"$SCRATCH/output" 2>&1
	status=$?
	cat "$SCRATCH/output"
	[ -z "$(tail -c 1 "$SCRATCH/output")" ] || echo
	[ $status = 0 ] || echo "exit status $status"
done 3<"$SCRATCH/commands"`

func TestKubernetesCases(t *testing.T) {
	c := newCluster(t)
	manifests, err := kubernetesCases.ReadDir("kubernetes")
	require.NoError(t, err)
	port := 8000
	// The cluster stays until the cases that run side by side have ended.
	t.Run("case", func(t *testing.T) {
		for _, entry := range manifests {
			name, found := strings.CutSuffix(entry.Name(), ".yaml")
			if !found {
				continue
			}
			for _, class := range []string{"runc", "workshop"} {
				port++
				free := port
				t.Run(name+"/"+class, func(t *testing.T) {
					t.Parallel()
					c.typeCase(t, name, class, free)
				})
			}
		}
	})
	// A case writes what depends on the host to $SCRATCH/same. With both runtimes, that is the same, too.
	files, err := filepath.Glob(c.path("cases/*-runc/same"))
	require.NoError(t, err)
	for _, file := range files {
		require.Equal(t, read(t, file), read(t, strings.Replace(file, "-runc/", "-workshop/", 1)), file)
	}
}

// typeCase makes what the manifest of a case describes, in a namespace of Kubernetes of its own, and types the commands of the case.
// They can use a free port of the node.
func (c *cluster) typeCase(t *testing.T, name, class string, port int) {
	manifest, err := kubernetesCases.ReadFile("kubernetes/" + name + ".yaml")
	require.NoError(t, err)
	expected, err := kubernetesCases.ReadFile("kubernetes/" + name + ".txt")
	require.NoError(t, err)
	namespace := name + "-" + class
	dir := c.path("cases/" + namespace)
	inNamespace := strings.Replace(c.kubeconfig(), "context: {", "context: {namespace: "+namespace+", ", 1)
	kubeconfig := file(t, filepath.Join(dir, "kubeconfig"), inNamespace)
	at := cluster{containerd: &containerd{TB: t}, environment: append(os.Environ(), "KUBECONFIG="+kubeconfig, "CLASS="+class,
		"NAMESPACE="+namespace, "SCRATCH="+dir, fmt.Sprintf("PORT=%d", port))}
	at.kubectl("create", "namespace", namespace)
	at.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=50s")
	at.apply(strings.NewReplacer("CLASS", class, "SCRATCH", dir).Replace(string(manifest)))

	patient, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	shell := exec.CommandContext(patient, "bash", "-c", typing)
	shell.Env = at.environment
	var commands strings.Builder
	for line := range strings.Lines(string(expected)) {
		if command, found := strings.CutPrefix(line, "$ "); found {
			commands.WriteString(command)
		}
	}
	file(t, filepath.Join(dir, "commands"), commands.String())
	var seen bytes.Buffer
	shell.Stdout, shell.Stderr = &seen, &seen
	require.NoError(t, shell.Run(), "%s", &seen)
	if !assert.Equal(t, string(expected), seen.String()) {
		t.Log(at.kubectl("get", "pods", "-o", "wide"), "\n", at.kubectl("get", "events", "--sort-by=.lastTimestamp"))
	}
	if strings.Contains(string(expected), "$SCRATCH/same") {
		require.FileExists(t, filepath.Join(dir, "same"))
	}
	at.kubectl("delete", "deployments,jobs,pods", "--all", "--wait=false")
}
