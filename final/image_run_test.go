//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine"
	images "container-workshop/final/engine/image"
)

// storeImage puts an image into the store, by hand: its layers are directories, the lowest first. It returns the image's name.
func storeImage(t *testing.T, settings images.Settings, layers ...string) string {
	t.Helper()
	store, err := images.Open(engine.Home())
	require.NoError(t, err)
	name := fmt.Sprintf("localhost/test-%x:latest", sha256.Sum256([]byte(t.Name())))[:40] + ":latest"
	blob := func(mediaType string, value any) images.Descriptor {
		content, err := json.Marshal(value)
		require.NoError(t, err)
		d := images.Descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content)), Size: int64(len(content))}
		require.NoError(t, os.WriteFile(store.Blob(d.Digest), content, 0o600))
		t.Cleanup(func() { os.Remove(store.Blob(d.Digest)) })
		return d
	}
	config := images.Config{Architecture: "amd64", OS: "linux", Config: settings, RootFS: images.RootFS{Type: "layers"}}
	manifest := images.Manifest{SchemaVersion: 2, MediaType: images.TypeManifest}
	for i, dir := range layers {
		id := fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Append(nil, name, i)))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, id)
		require.NoError(t, exec.Command("cp", "-a", dir, store.Layer(id)).Run())
		t.Cleanup(func() { os.RemoveAll(store.Layer(id)) })
		manifest.Layers = append(manifest.Layers, images.Descriptor{MediaType: images.TypeLayer, Digest: id})
	}
	c := blob(images.TypeConfig, config)
	manifest.Config = &c
	m := blob(images.TypeManifest, manifest)
	unpacked, err := json.Marshal(config.RootFS.DiffIDs)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(store.Dir, "unpacked"), 0o700))
	note := filepath.Join(store.Dir, "unpacked", images.Hex(m.Digest))
	require.NoError(t, os.WriteFile(note, unpacked, 0o600))
	t.Cleanup(func() { os.Remove(note) })
	require.NoError(t, store.Name(m, name))
	t.Cleanup(func() { assert.NoError(t, store.Remove(images.Entry{Name: name, Manifest: m})) })
	return name
}

// layerOf makes a directory with files.
func layerOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

func TestRunOfAnImage(t *testing.T) {
	c := newTrial(t)
	passwd := "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
	settings := images.Settings{
		Entrypoint: []string{"/bin/sh", "-c"}, Cmd: []string{`echo "$PWD $GREETING $HOME $PATH $(id -u) $(cat /data/file) $(cat /which)"`},
		Env: []string{"GREETING=hello", "PATH=/bin:/own", "HOST_SECRET"}, User: "app", WorkingDir: "work",
		Volumes: map[string]struct{}{"/data": {}}, StopSignal: "SIGUSR1", ExposedPorts: map[string]struct{}{"80/tcp": {}},
		Labels: map[string]string{"maintainer": "somebody"},
	}
	upper := layerOf(t, map[string]string{"which": "upper", "data/file": "of the image", "etc/passwd": passwd})
	require.NoError(t, os.Chown(filepath.Join(upper, "data"), 1000, 1000))
	name := storeImage(t, settings, rootfsOf(t, map[string]string{"which": "lower"}), upper)
	t.Setenv("HOST_SECRET", "secret")
	c.mounts = c.mountTable()

	r := c.final("run", "--image", name, "--name", c.id, "--env", c.mark)
	assert.Equal(t, result{"/work hello /home/app /bin:/own 1000 of the image upper\n", "", 0}, r)
	r = c.final("run", "--image", name, "--name", c.id, "--env", c.mark, "--env", "GREETING=bye", "--user", "0", "--workdir", "/",
		`echo "$PWD $GREETING $(id -u) ${HOST_SECRET-none}"; echo new >/which; echo new >/data/file; stat -c %u /data`)
	assert.Equal(t, result{"/ bye 0 none\n1000\n", "", 0}, r)
	assert.Contains(t, c.final("run", "--image", name, "--name", c.id, "--env", c.mark).stdout, "of the image upper", "a container changes nothing in an image")
	r = c.final("run", "--image", name, "--userns", "auto", "--name", c.id, "--env", c.mark, "stat -c '%u %g' /which /data; cat /proc/self/uid_map")
	if r.status == 0 {
		assert.Regexp(t, `^0 0\n1000 1000\n\s+0\s+[1-9]`, r.stdout, "the layers are mapped")
	} else {
		assert.Contains(t, r.stderr, "--userns auto")
	}
	c.nothingLeft()
}

func TestADetachedContainerOfAnImage(t *testing.T) {
	name := storeImage(t, images.Settings{Cmd: []string{"sh", "-c", "trap 'echo asked; exit 3' USR1; echo ready; while :; do sleep 0.05; done"}, StopSignal: "SIGUSR1"}, rootfsOf(t, nil))
	r := final(t, "run", "--detach", "--image", name)
	require.Equal(t, 0, r.status, r.stderr)
	id := strings.TrimSpace(r.stdout)
	defer final(t, "delete", "--force", id)
	require.Eventually(t, func() bool { return strings.Contains(final(t, "logs", id).stdout, "ready") }, time.Minute, 10*time.Millisecond)
	assert.FileExists(t, filepath.Join(engine.Storage(), id, "image"), "what keeps the image in the store")
	assert.Contains(t, final(t, "state", id).stdout, `"org.opencontainers.image.stopSignal": "SIGUSR1"`)
	require.Equal(t, 0, final(t, "kill", id).status)
	require.Eventually(t, func() bool { return strings.Contains(final(t, "logs", id).stdout, "asked") }, time.Minute, 10*time.Millisecond)
}

func TestAnImageOfManyLayersRuns(t *testing.T) {
	layers := []string{rootfsOf(t, nil)}
	for i := range 100 {
		layers = append(layers, layerOf(t, map[string]string{fmt.Sprint("own-", i): "", "which": fmt.Sprint(i)}))
	}
	r := final(t, "run", "--image", storeImage(t, images.Settings{}, layers...), "sh", "-c", "cat /which; echo; ls -d /own-* | busybox wc -l")
	assert.Equal(t, result{"99\n100\n", "", 0}, r)
}

func TestAnImageMayAskForFewVolumes(t *testing.T) {
	volumes := map[string]struct{}{}
	for i := range 50_000 {
		volumes[fmt.Sprint("/volume", i)] = struct{}{}
	}
	name := storeImage(t, images.Settings{Volumes: volumes}, rootfsOf(t, nil))
	refused(t, final(t, "run", "--image", name, "true"), 125, "asks for 50000 volumes", "at most 128")
}

func TestRunOfAnImageThatCannotRun(t *testing.T) {
	rootfs := rootfsOf(t, nil)
	name := storeImage(t, images.Settings{User: "nobody-here"}, rootfs)
	refused(t, final(t, "run", "--image", name, "true"), 125, name, `no user "nobody-here"`, "--user")
	refused(t, final(t, "run", "--image", name, "--user", "0"), 125, "no command of its own", "COMMAND")
	refused(t, final(t, "run", "--image", name, "--rootfs", rootfs, "true"), 125, "--image", "--rootfs")
	refused(t, final(t, "run", "--image", "localhost/none-of-this-name", "true"), 125, "localhost/none-of-this-name")
	// run COMMAND keeps its meaning, and says what may have been meant.
	refused(t, final(t, "run", "--rootfs", rootfs, name), 127, "final run --image "+name)
	r := final(t, "run", "--rootfs", rootfs, "none-of-this-name")
	assert.Equal(t, 127, r.status)
	assert.NotContains(t, r.stderr, "--image")
	refused(t, final(t, "run", "--detach", "--rootfs", rootfs, name), 127, "final run --image "+name)
}
