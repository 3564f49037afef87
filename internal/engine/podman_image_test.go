//go:build linux && engines

package engine

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// layout makes a folder with an OCI image of the small root file system, whose manifest has annotations.
func layout(t testing.TB, annotations map[string]string) string {
	t.Helper()
	dir := folder(t)
	blob := func(kind string, content []byte) map[string]any {
		sum := fmt.Sprintf("%x", sha256.Sum256(content))
		file(t, filepath.Join(dir, "blobs/sha256", sum), string(content))
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + sum, "size": len(content)}
	}
	text := func(value any) []byte {
		content, err := json.Marshal(value)
		require.NoError(t, err)
		return content
	}
	layer, err := os.ReadFile(smallImage(t))
	require.NoError(t, err)
	rootfs := blob("layer.v1.tar", layer)
	config := blob("config.v1+json", text(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []any{rootfs["digest"]}},
	}))
	manifest := blob("manifest.v1+json", text(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{rootfs}, "annotations": annotations,
	}))
	asJSON(t, filepath.Join(dir, "index.json"), map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	asJSON(t, filepath.Join(dir, "oci-layout"), map[string]string{"imageLayoutVersion": "1.0.0"})
	return dir
}

// Podman copies the annotations of an image into the configuration, so the maker of an image writes part of the configuration.
func TestPodmanAnImageCannotNameADirectoryOfTheHost(t *testing.T) {
	p := newPodman(t)
	outside := folder(t)
	precious := file(t, filepath.Join(outside, "precious"), "x")
	image := layout(t, map[string]string{"org.container-workshop.overlay": outside, "org.container-workshop.init": "true"})
	name := p.ok("pull", "--quiet", "oci:"+image)
	t.Cleanup(func() { p.ok("rmi", "--force", name) })
	id := p.ok("create", name, "/bin/sh", "-c", "echo $$; echo written >/written; cat /written")
	assert.Contains(t, p.ok("inspect", id), outside, "podman does not copy annotations any more")
	assert.Equal(t, "1\nwritten", p.ok("start", "--attach", id))
	assert.Equal(t, "x", read(t, precious))
	p.ok("rm", id)
	assert.Equal(t, "x", read(t, precious))
	assert.Equal(t, "1", p.ok("run", "--rm", name, "/bin/sh", "-c", "echo $$"))
	assert.Equal(t, "x", read(t, precious))
}
