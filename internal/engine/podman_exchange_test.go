//go:build linux && engines

package engine

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// finalsHome is where final keeps images and containers.
const finalsHome = "/var/lib/container-workshop"

// finalOf returns final, which has images as podman has. They are in memory: here the disk is an overlay, which takes no other overlay.
func finalOf(t testing.TB) func(args ...string) string {
	t.Helper()
	program := os.Getenv("RUNTIME")
	if filepath.Base(program) != "final" {
		t.Skipf("needs final as the runtime, not %s", program)
	}
	require.NoError(t, os.MkdirAll(finalsHome, 0o755))
	require.NoError(t, unix.Mount("tmpfs", finalsHome, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(finalsHome, unix.MNT_DETACH)) })
	return func(args ...string) string {
		t.Helper()
		return ok(t, program, args...)
	}
}

// What podman saves, final loads, and the other way round.
func TestPodmanExchangesArchivesWithFinal(t *testing.T) {
	p := newPodman(t)
	final := finalOf(t)
	dir := folder(t)
	for format, name := range map[string]string{"docker-archive": "localhost/exchanged:docker", "oci-archive": "localhost/exchanged:oci"} {
		p.ok("tag", "small", name)
		archive := filepath.Join(dir, format)
		p.ok("save", "--quiet", "--format", format, "--output", archive, name)
		final("load", "--input", archive, name)
		final("images", "--verify")
		assert.Equal(t, "hello", final("run", "--image", name, "echo", "hello"))

		back := filepath.Join(dir, format+"-back.tar.gz")
		final("save", "--output", back, name)
		p.ok("rmi", name)
		p.ok("load", "--quiet", "--input", back)
		assert.Equal(t, "hello", p.ok("run", "--rm", name, "echo", "hello"))
		p.ok("rmi", name)
	}
}

// What podman pushes to a registry, final pulls, and the other way round. The registry is Debian's.
func TestPodmanExchangesImagesWithFinalThroughARegistry(t *testing.T) {
	program := need(t, "docker-registry", "docker-registry")
	p := newPodman(t)
	const registry = "127.0.0.1:5080"
	final := finalOf(t)
	config := file(t, filepath.Join(folder(t), "config.yml"), "version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: \""+registry+"\"}\n")
	background(t, exec.Command(program, "serve", config), func() bool {
		answer, err := http.Get("http://" + registry + "/v2/")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	for name, flags := range map[string][]string{
		"gzip": {"--format", "oci", "--compression-format", "gzip"}, "zstd": {"--format", "oci", "--compression-format", "zstd"}, "docker": {"--format", "v2s2"},
	} {
		name = registry + "/" + name + ":1"
		p.ok(append(append([]string{"push", "--quiet", "--tls-verify=false"}, flags...), "small", name)...)
		final("pull", "--quiet", "--tls-verify=false", name)
		final("images", "--verify")
		require.Equal(t, "hello", final("run", "--image", name, "echo", "hello"))

		back := name[:len(name)-1] + "2"
		final("push", "--quiet", "--tls-verify=false", name, back)
		p.ok("pull", "--quiet", "--tls-verify=false", back)
		assert.Equal(t, "hello", p.ok("run", "--rm", back, "echo", "hello"))
		p.ok("rmi", back)
	}
}
