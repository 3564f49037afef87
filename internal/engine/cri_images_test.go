//go:build linux && engines

package engine

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"
)

// These images stand in for those that critest would pull.
const (
	criPause = "docker.io/test/pause:latest"
	criTests = "registry.k8s.io/e2e-test-images/"
	criTools = "gcr.io/k8s-staging-cri-tools/"
	// criServer is a web server. The tests look for its name, its PID file, the words "master process" in its arguments, and the
	// word httpd in its log.
	criServer = `#!/bin/sh
echo $$ >/var/run/nginx.pid
echo httpd
trap exit TERM
httpd -f -p "$1" -h /www &
wait
`
	criUsers = `root:x:0:0:root:/root:/bin/sh
default-user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`
	// In the image of critest, too, the user has a group beside its own.
	criGroups = `root:x:0:
default-user:x:1000:
group-defined-in-image:x:50000:default-user
nobody:x:65534:
`
)

// effectiveRole is the role of a test binary in a container, where it prints its effective user ID.
const effectiveRole = "effective-user"

// criArchive returns an archive of all images.
func criArchive(t testing.TB) string {
	t.Helper()
	server := func(port string) object {
		return object{"Env": []string{"PATH=/bin"}, "Entrypoint": []string{"/bin/nginx", port, "master process"}}
	}
	shell := object{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}}
	user := object{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}, "User": "1000"}
	return packImages(t, "cri", []string{smallImage(t), criLayer(t)},
		// The tests look for processes with the name sleep, so no image may start one.
		packedImage{criPause, object{"Env": []string{"PATH=/bin"}, "Cmd": []string{"tail", "-f", "/dev/null"}}},
		packedImage{criTests + "busybox:1.29-2", shell},
		packedImage{criTests + "nginx:1.14-2", server("80")},
		packedImage{criTests + "httpd:2.4.39-4", server("80")},
		packedImage{criTools + "hostnet-nginx-" + runtime.GOARCH + ":latest", server("12003")},
		packedImage{criTools + "test-image-predefined-group:latest", user},
		packedImage{criTests + "nonewprivs:1.3",
			object{"Env": []string{roleVariable + "=" + effectiveRole}, "Entrypoint": []string{"/bin/effective-user"}}},
	)
}

// criLayer returns a tar file of what critest's images have on top of the small image.
func criLayer(t testing.TB) string {
	t.Helper()
	dir := folder(t)
	file(t, filepath.Join(dir, "bin/nginx"), criServer)
	// Debian's busybox lacks two programs. sysvipc(7)
	file(t, filepath.Join(dir, "bin/ipcs"), "#!/bin/sh\ncat /proc/sysvipc/shm\n")
	file(t, filepath.Join(dir, "bin/pgrep"), "#!/bin/sh\npidof \"$1\"\n")
	file(t, filepath.Join(dir, "www/index.html"), "hello\n")
	for name, content := range map[string]string{"passwd": criUsers, "group": criGroups} {
		require.NoError(t, os.Chmod(file(t, filepath.Join(dir, "etc", name), content), 0o644))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "var/run"), 0o755))
	// The test binary is static, and busybox would give up its privileges.
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file(t, filepath.Join(dir, "bin/effective-user"), string(program)), 0o755|os.ModeSetuid))
	path := filepath.Join(state, "cri-layer.tar")
	ok(t, "tar", "--create", "--file", path, "--directory", dir, "--numeric-owner", ".")
	require.NoError(t, os.RemoveAll(dir))
	return path
}

// criRegistry starts a registry on the loopback interface, and returns its address. Containerd takes it for gcr.io.
func criRegistry(c *containerd) string {
	c.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	c.Cleanup(server.Close)
	config := fmt.Sprintf("[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", server.URL)
	file(c, c.path("registries/gcr.io/hosts.toml"), config)
	return strings.TrimPrefix(server.URL, "http://")
}

// push pushes the images that the tests mount as volumes.
func (c *containerd) push(address string) {
	c.Helper()
	for name, local := range map[string]string{
		criTools + "test-image-tag:test":                criTests + "busybox:1.29-2",
		criTools + "test-image-predefined-group:latest": criTools + "test-image-predefined-group:latest",
	} {
		_, path, _ := strings.Cut(name, "/")
		c.ctr("image", "push", "--plain-http", address+"/"+path, local)
	}
}

// printEffectiveUser is the program of the image nonewprivs.
func printEffectiveUser() {
	fmt.Printf("Effective uid: %d\n", os.Geteuid())
}
