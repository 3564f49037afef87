//go:build linux && engines

package engine

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// A packedImage is an image of an archive: its name, and what the configuration says about the command.
type packedImage struct {
	name   string
	config object
}

// An archive is a tar file in the layout of the OCI.
type archive struct {
	testing.TB
	*tar.Writer
}

// packImages writes an archive of images that all have the same layers, which are tar files. It returns the path of the archive.
func packImages(t testing.TB, name string, layers []string, images ...packedImage) string {
	t.Helper()
	path := filepath.Join(state, name+"-oci.tar")
	out, err := os.Create(path)
	require.NoError(t, err)
	defer out.Close()
	a := archive{t, tar.NewWriter(out)}
	var blobs []object
	var diffIDs []any
	for _, layer := range layers {
		content, err := os.ReadFile(layer)
		require.NoError(t, err)
		blobs = append(blobs, a.blob("layer.v1.tar", content))
		diffIDs = append(diffIDs, blobs[len(blobs)-1]["digest"])
	}
	var manifests []object
	for _, image := range images {
		config := a.blob("config.v1+json", a.json(object{
			"architecture": runtime.GOARCH, "os": "linux", "config": image.config,
			"rootfs": object{"type": "layers", "diff_ids": diffIDs},
		}))
		manifest := a.blob("manifest.v1+json", a.json(object{"schemaVersion": 2, "config": config, "layers": blobs}))
		manifest["annotations"] = object{"io.containerd.image.name": image.name}
		manifests = append(manifests, manifest)
	}
	a.add("index.json", a.json(object{"schemaVersion": 2, "manifests": manifests}))
	a.add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	require.NoError(t, a.Close())
	return path
}

// add adds a file.
func (a archive) add(name string, content []byte) {
	a.Helper()
	require.NoError(a, a.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
	_, err := a.Write(content)
	require.NoError(a, err)
}

// blob adds a blob and returns its descriptor.
func (a archive) blob(kind string, content []byte) object {
	a.Helper()
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	a.add("blobs/sha256/"+digest, content)
	return object{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(content)}
}

func (a archive) json(o object) []byte {
	a.Helper()
	content, err := json.Marshal(o)
	require.NoError(a, err)
	return content
}
