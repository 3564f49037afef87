//go:build linux

package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
)

// An image that lies is refused in words that name the lie, and nothing of it is kept.
func TestLiesAreRefused(t *testing.T) {
	for name, m := range map[string]struct {
		lie   func(s *sample) image.Descriptor
		words string
	}{
		"layer with other content": {func(s *sample) image.Descriptor {
			d := s.manifest.Layers[1]
			s.source.blobs[d.Digest] = bytes.Repeat([]byte{0x1f}, int(d.Size))
			return s.root()
		}, "has the digest sha256:"},
		"layer is longer": {func(s *sample) image.Descriptor {
			s.source.blobs[s.manifest.Layers[1].Digest] = append(bytes.Clone(s.source.blobs[s.manifest.Layers[1].Digest]), 0)
			return s.root()
		}, "has more than the"},
		"layer is shorter": {func(s *sample) image.Descriptor {
			s.manifest.Layers[1].Size++
			return s.root()
		}, "and the manifest promises"},
		"layer is endless": {func(s *sample) image.Descriptor {
			s.manifest.Layers[1].Size = -1
			return s.root()
		}, "has -1 bytes"},
		"gzip says zstd": {func(s *sample) image.Descriptor {
			s.manifest.Layers[1].MediaType = image.TypeLayerZstd
			return s.root()
		}, "and it is compressed with gzip"},
		"plain says gzip": {func(s *sample) image.Descriptor {
			s.manifest.Layers[0].MediaType = image.TypeLayerGzip
			return s.root()
		}, "compressed with nothing that final knows"},
		"zstd says plain": {func(s *sample) image.Descriptor {
			s.manifest.Layers[2].MediaType = image.TypeLayer
			return s.root()
		}, "and it is compressed with zstd"},
		"layer is no tar": {func(s *sample) image.Descriptor {
			content := []byte(strings.Repeat("no tar", 1000))
			s.manifest.Layers[0] = s.source.add(image.TypeLayer, content)
			s.config.RootFS.DiffIDs[0] = Digest(content)
			return s.root()
		}, "layer sha256:"},
		"a name that is too long": {func(s *sample) image.Descriptor {
			content := tarOf(t, map[string]string{strings.Repeat("a", 300): ""})
			s.manifest.Layers[0] = s.source.add(image.TypeLayer, content)
			s.config.RootFS.DiffIDs[0] = Digest(content)
			return s.root()
		}, "file name too long"},
		"half a gzip": {func(s *sample) image.Descriptor {
			content := s.source.blobs[s.manifest.Layers[1].Digest]
			s.manifest.Layers[1] = s.source.add(image.TypeLayerGzip, content[:len(content)/2])
			return s.root()
		}, "unexpected EOF"},
		"foreign layer": {func(s *sample) image.Descriptor {
			s.manifest.Layers[0].MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
			return s.root()
		}, "a foreign layer is not in the registry"},
		"layer of OCI that may not be distributed": {func(s *sample) image.Descriptor {
			s.manifest.Layers[0].MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
			return s.root()
		}, "a foreign layer is not in the registry"},
		"layer of another type": {func(s *sample) image.Descriptor {
			s.manifest.Layers[0].MediaType = "text/plain"
			return s.root()
		}, `layer of type "text/plain"`},
		"diff ID of another layer": {func(s *sample) image.Descriptor {
			s.config.RootFS.DiffIDs[2] = s.config.RootFS.DiffIDs[0]
			return s.root()
		}, "and the config of the image promises"},
		"diff ID is a path": {func(s *sample) image.Descriptor {
			s.config.RootFS.DiffIDs[2] = "sha256:../../../../etc"
			return s.root()
		}, "64 lowercase hexadecimal digits"},
		"digest is a path": {func(s *sample) image.Descriptor {
			s.manifest.Layers[2].Digest = "sha256:../../../../etc"
			return s.root()
		}, "64 lowercase hexadecimal digits"},
		"digest of another kind": {func(s *sample) image.Descriptor {
			s.manifest.Layers[2].Digest = "sha512:" + strings.Repeat("0", 128)
			return s.root()
		}, "sha512 is not supported"},
		"too few diff IDs": {func(s *sample) image.Descriptor {
			s.config.RootFS.DiffIDs = s.config.RootFS.DiffIDs[:2]
			return s.root()
		}, "has 2 layers, and the manifest has 3"},
		"another machine": {func(s *sample) image.Descriptor {
			s.config.Architecture = "s390x"
			return s.root()
		}, "the image is for linux/s390x, and this machine is linux/"},
		"no machine": {func(s *sample) image.Descriptor {
			s.config.OS = ""
			return s.root()
		}, "does not say for which machine"},
		"other rootfs": {func(s *sample) image.Descriptor {
			s.config.RootFS.Type = "bundles"
			return s.root()
		}, "rootfs.type"},
		"artifact": {func(s *sample) image.Descriptor {
			s.types[1] = "application/vnd.example.chart"
			return s.root()
		}, `this is no image, but holds a config of type "application/vnd.example.chart"`},
		"other manifest": {func(s *sample) image.Descriptor {
			d := s.root()
			s.source.blobs[d.Digest] = bytes.Replace(s.source.blobs[d.Digest], []byte("2"), []byte("3"), 1)
			return d
		}, "manifest: sha256:"},
		"manifest of another type": {func(s *sample) image.Descriptor {
			s.manifest.MediaType = image.DockerManifest
			return s.root()
		}, "the manifest says that its type is"},
		"image and index at once": {func(s *sample) image.Descriptor {
			s.manifest.Manifests = s.manifest.Layers
			return s.root()
		}, "is two images at once"},
		"index that says it is a manifest": {func(s *sample) image.Descriptor {
			return s.source.addJSON(image.TypeManifest, image.Manifest{SchemaVersion: 2, Manifests: []image.Descriptor{s.root()}})
		}, "the manifest has no config"},
		"index of an index": {func(s *sample) image.Descriptor {
			d := s.root()
			d.Platform = &image.Platform{OS: "linux", Architecture: s.config.Architecture}
			for range 3 {
				d.MediaType = image.TypeIndex
				d.Digest = s.source.addJSON(image.TypeIndex, image.Manifest{SchemaVersion: 2, Manifests: []image.Descriptor{d}}).Digest
				d.Size = int64(len(s.source.blobs[d.Digest]))
			}
			return d
		}, "no platform"},
		"schema 1": {func(s *sample) image.Descriptor {
			s.manifest.SchemaVersion = 1
			return s.root()
		}, "old schema 1"},
		"schema 3": {func(s *sample) image.Descriptor {
			s.manifest.SchemaVersion = 3
			return s.root()
		}, "schemaVersion 3"},
		"a huge config": {func(s *sample) image.Descriptor {
			config := s.source.add(image.TypeConfig, bytes.Repeat([]byte(" "), maxDocument+1))
			s.manifest.Config = &config
			return s.root()
		}, "a manifest or config may have"},
		"too many layers": {func(s *sample) image.Descriptor {
			for len(s.manifest.Layers) <= maxLayers {
				s.manifest.Layers = append(s.manifest.Layers, s.manifest.Layers[0])
			}
			return s.root()
		}, "an overlay takes at most"},
		"no JSON": {func(s *sample) image.Descriptor { return s.source.add(image.TypeManifest, []byte("{")) }, "is no JSON"},
		"other document": {func(s *sample) image.Descriptor {
			return s.source.add("application/vnd.docker.distribution.manifest.v1+prettyjws", []byte("{}"))
		}, "final knows manifests and indexes"},
	} {
		t.Run(name, func(t *testing.T) {
			store, s := newStore(t), newSample(t)
			_, err := adder(store, s.source).Add(context.Background(), m.lie(s), nameOfTests)
			assert.ErrorContains(t, err, m.words)
			assert.Empty(t, kept(t, store))
			entries, err := store.List()
			require.NoError(t, err)
			assert.Empty(t, entries)
		})
	}
}

// Whatever a registry answers, it is an image as it should be, or refused.
func FuzzDocuments(f *testing.F) {
	s := newSample(&testing.T{})
	s.root()
	config, _ := json.Marshal(s.config)
	manifest, _ := json.Marshal(s.manifest)
	index, _ := json.Marshal(image.Manifest{SchemaVersion: 2, Manifests: s.manifest.Layers})
	for _, mediaType := range []string{image.TypeManifest, image.DockerManifest, image.TypeIndex, image.DockerIndex} {
		f.Add(manifest, config, mediaType)
		f.Add(index, config, mediaType)
	}
	f.Fuzz(func(t *testing.T, manifest, config []byte, mediaType string) {
		m, err := ParseManifest(manifest, mediaType)
		if err != nil {
			require.IsType(t, &Refusal{}, err)
			return
		}
		for _, d := range append(m.Manifests, m.Layers...) {
			require.NoError(t, image.CheckDigest(d.Digest))
			require.GreaterOrEqual(t, d.Size, int64(0))
		}
		if image.IsIndex(mediaType) {
			require.Nil(t, m.Config)
			if best, err := choose(m); err == nil {
				require.Positive(t, runs(best.Platform))
			}
			return
		}
		c, err := ParseConfig(config, m)
		if err != nil {
			require.IsType(t, &Refusal{}, err)
			return
		}
		require.Len(t, c.RootFS.DiffIDs, len(m.Layers))
	})
}

// A power failure may leave the file that says which image a container uses, without its content. Images are added and removed all the same.
func TestAContainerThatDiedEarlyKeepsNobodyAway(t *testing.T) {
	store, s := newStore(t), newSample(t)
	container := filepath.Join(store.Home, "containers/c1")
	require.NoError(t, os.MkdirAll(container, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(container, "image"), nil, 0o600))
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	content(t, store)
}

// A registry that promises more than the disk can hold is asked for nothing of the layer.
func TestALayerThatWouldFillTheDiskIsNotDownloaded(t *testing.T) {
	store, s := newStore(t), newSample(t)
	s.manifest.Layers[0].Size = 1 << 60
	s.source.before = func(d image.Descriptor, _ int64, content []byte) (io.Reader, error) {
		assert.NotContains(t, []string{s.manifest.Layers[0].Digest, s.manifest.Layers[1].Digest}, d.Digest)
		return bytes.NewReader(content), nil
	}
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.ErrorContains(t, err, "make room on the disk")
	assert.Empty(t, kept(t, store))
}

// After a restart of the host only the storage of a container is left. Its image can be removed, and may even be missing already.
func TestAContainerWithoutStateUsesNothing(t *testing.T) {
	store, s := newStore(t), newSample(t)
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	root := filepath.Join(store.Home, "run")
	container := filepath.Join(store.Home, "containers/c1")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "c1"), 0o700))
	require.NoError(t, os.MkdirAll(container, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(container, "root"), []byte(root), 0o600))
	dir, err := unix.Open(container, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(dir)
	_, err = store.Use(dir, nameOfTests)
	require.NoError(t, err)
	entries, err := store.Find(nameOfTests)
	require.NoError(t, err)
	require.NoError(t, store.Remove(entries...))
	_, err = store.Collect()
	require.NoError(t, err)
	require.NotEmpty(t, kept(t, store), "the container is there")
	require.NoError(t, os.RemoveAll(root))
	require.NoError(t, unix.Flock(dir, unix.LOCK_EX))
	_, err = store.Collect()
	require.NoError(t, err)
	require.NotEmpty(t, kept(t, store), "the container goes on, and somebody has removed its state")
	require.NoError(t, unix.Flock(dir, unix.LOCK_UN))
	_, err = store.Collect()
	require.NoError(t, err)
	assert.Empty(t, kept(t, store))
	_, err = store.Collect()
	require.NoError(t, err, "what the container has used is missing")
}

// The store has large files, and a manifest can name one of them as its config.
func TestALargeBlobIsNoDocument(t *testing.T) {
	store, s := newStore(t), newSample(t)
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	large := s.manifest.Layers[0].Digest
	// More than a machine has memory.
	require.NoError(t, os.Truncate(store.Blob(large), 1<<42))
	s.manifest.Config = &image.Descriptor{MediaType: image.TypeConfig, Digest: large, Size: 100}
	_, err = adder(store, s.source).Add(context.Background(), s.root(), "registry.example/other:1")
	assert.ErrorContains(t, err, "has more than the 100 bytes that the manifest promises")
}
