//go:build linux

package ingest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
)

// TestMain makes the directories of tests elsewhere if /tmp is not sticky, as in some containers: no store is believed there.
func TestMain(m *testing.M) {
	if info, err := os.Stat(os.TempDir()); err == nil && info.Mode()&os.ModeSticky == 0 {
		os.Setenv("TMPDIR", "/var/tmp")
	}
	os.Exit(m.Run())
}

// memory is a source in memory. before may break what it answers.
type memory struct {
	blobs  map[string][]byte
	before func(d image.Descriptor, offset int64, content []byte) (io.Reader, error)
}

func (m *memory) Open(_ context.Context, d image.Descriptor, offset int64) (io.ReadCloser, error) {
	content, found := m.blobs[d.Digest]
	if !found {
		return nil, Permanent{fs.ErrNotExist}
	}
	content = content[min(offset, int64(len(content))):]
	if m.before == nil {
		return io.NopCloser(bytes.NewReader(content)), nil
	}
	reader, err := m.before(d, offset, content)
	return io.NopCloser(reader), err
}

// add adds a blob under its digest.
func (m *memory) add(mediaType string, content []byte) image.Descriptor {
	d := image.Descriptor{MediaType: mediaType, Digest: Digest(content), Size: int64(len(content))}
	m.blobs[d.Digest] = content
	return d
}

func (m *memory) addJSON(mediaType string, value any) image.Descriptor {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return m.add(mediaType, content)
}

// A sample is an image of three layers, before it is in a source: a test may change any part of it.
type sample struct {
	source   *memory
	config   image.Config
	manifest image.Manifest
	// types are those of manifest and config.
	types [2]string
}

func newSample(t *testing.T) *sample {
	t.Helper()
	s := &sample{source: &memory{blobs: map[string][]byte{}}, types: [2]string{image.TypeManifest, image.TypeConfig}}
	s.config = image.Config{OS: "linux", Architecture: runtime.GOARCH, RootFS: image.RootFS{Type: "layers"}}
	s.config.Config.Cmd = []string{"/bin/sh"}
	s.manifest = image.Manifest{SchemaVersion: 2}
	for i, mediaType := range []string{image.TypeLayer, image.DockerLayerGzip, image.TypeLayerZstd} {
		content := tarOf(t, map[string]string{"file": strings.Repeat("content", 1000+i), "dir/" + string(rune('a'+i)): "own"})
		s.config.RootFS.DiffIDs = append(s.config.RootFS.DiffIDs, Digest(content))
		s.manifest.Layers = append(s.manifest.Layers, s.source.add(mediaType, compress(t, mediaType, content)))
	}
	return s
}

// root puts the documents into the source, and returns the descriptor of the manifest.
func (s *sample) root() image.Descriptor {
	if s.manifest.Config == nil {
		config := s.source.addJSON(s.types[1], s.config)
		s.manifest.Config = &config
	}
	return s.source.addJSON(s.types[0], s.manifest)
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1, 0)}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return content.Bytes()
}

func compress(t *testing.T, mediaType string, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	how, err := image.Compression(mediaType)
	require.NoError(t, err)
	var w io.WriteCloser
	switch how {
	case "gzip":
		w = gzip.NewWriter(&packed)
	case "zstd":
		w, err = zstd.NewWriter(&packed)
		require.NoError(t, err)
	default:
		return content
	}
	_, err = w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

func newStore(t *testing.T) *image.Store {
	t.Helper()
	store, err := image.Open(filepath.Join(t.TempDir(), "home"))
	require.NoError(t, err)
	return store
}

func adder(store *image.Store, source Source) *Adder {
	return &Adder{Store: store, Source: source, FirstWait: time.Millisecond}
}

// kept are the files in the store that belong to images, complete or not.
func kept(t *testing.T, store *image.Store) []string {
	t.Helper()
	names := []string{}
	for _, dir := range []string{"blobs/sha256", "layers", "unpacked", "ingest"} {
		entries, err := os.ReadDir(filepath.Join(store.Dir, dir))
		require.NoError(t, err)
		for _, entry := range entries {
			names = append(names, filepath.Join(dir, entry.Name()))
		}
	}
	return names
}

// content requires that a store has nothing wrong in it.
func content(t *testing.T, store *image.Store) {
	t.Helper()
	wrong, err := Verify(store)
	require.NoError(t, err)
	require.Empty(t, wrong)
}
