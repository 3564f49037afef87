//go:build linux

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// TestMain makes the directories of tests elsewhere if /tmp is not sticky, as in some containers: no store is believed there.
func TestMain(m *testing.M) {
	if info, err := os.Stat(os.TempDir()); err == nil && info.Mode()&os.ModeSticky == 0 {
		os.Setenv("TMPDIR", "/var/tmp")
	}
	os.Exit(m.Run())
}

// An entry is a file of an archive, or a link if it has a target.
type entry struct{ name, content, target string }

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, e := range entries {
		header := tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.content))}
		if e.target != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, e.target
		}
		require.NoError(t, w.WriteHeader(&header))
		_, err := w.Write([]byte(e.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return content.Bytes()
}

// docker are the files of an archive of docker save, with one layer.
func docker(t testing.TB, layer []byte, names ...string) []entry {
	t.Helper()
	config, err := json.Marshal(map[string]any{"os": "linux", "architecture": runtime.GOARCH,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}}})
	require.NoError(t, err)
	manifest, err := json.Marshal([]dockerImage{{Config: "c.json", RepoTags: names, Layers: []string{"l/layer.tar"}}})
	require.NoError(t, err)
	return []entry{{"c.json", string(config), ""}, {"l/layer.tar", string(layer), ""}, {"manifest.json", string(manifest), ""}}
}

func newStore(t *testing.T) *image.Store {
	t.Helper()
	store, err := image.Open(filepath.Join(t.TempDir(), "home"))
	require.NoError(t, err)
	return store
}

// input puts bytes into a file, or into a pipe, in which nobody can seek.
func input(t *testing.T, content []byte, pipe bool) *os.File {
	t.Helper()
	if pipe {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		go func() {
			_, _ = write.Write(content)
			write.Close()
		}()
		t.Cleanup(func() { read.Close() })
		return read
	}
	name := filepath.Join(t.TempDir(), "archive")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func load(store *image.Store, file *os.File, names ...string) ([]Loaded, error) {
	a, err := Open(file, store.Ingest(""))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.Load(context.Background(), &ingest.Adder{Store: store}, names)
}

func packed(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestAnArchiveMayBeCompressedAndMayBeAPipe(t *testing.T) {
	// The archive is larger than all buffers, however it is compressed.
	large := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	content := tarOf(t, docker(t, tarOf(t, entry{"etc/hello", "hello", ""}, entry{"large", string(large), ""}), "app:1", "registry.example/app:2")...)
	for _, pipe := range []bool{false, true} {
		for _, content := range [][]byte{content, packed(t, content)} {
			store := newStore(t)
			loaded, err := load(store, input(t, content, pipe))
			require.NoError(t, err)
			require.Len(t, loaded, 1)
			assert.Equal(t, []string{"docker.io/library/app:1", "registry.example/app:2"}, loaded[0].Names)
			wrong, err := ingest.Verify(store)
			require.NoError(t, err)
			assert.Empty(t, wrong)
			assert.FileExists(t, filepath.Join(loaded[0].Image.Layers[0], "etc/hello"))
		}
	}
}

// Whoever runs an image by a digest gets the image of this digest, whatever names an archive gives to its own.
func TestNoArchiveTakesADigest(t *testing.T) {
	store := newStore(t)
	load := func(content string, names ...string) *image.Image {
		archive := tarOf(t, docker(t, tarOf(t, entry{"file", content, ""}), names...)...)
		loaded, err := load(store, input(t, archive, false))
		require.NoError(t, err)
		return loaded[0].Image
	}
	good := load("good", "app:1")
	id := strings.TrimPrefix(good.Digest, "sha256:")
	evil := load("evil", "sha256:"+id, id, "app@"+good.Digest, "app@sha256:"+strings.Repeat("1", 64))
	require.NotEqual(t, good.Digest, evil.Digest)
	for _, name := range []string{good.Digest, id, "app@" + good.Digest} {
		found, err := store.Resolve(name)
		require.NoError(t, err, name)
		assert.Equal(t, good.Digest, found.Digest, name)
	}
	_, err := store.Resolve("app@sha256:" + strings.Repeat("1", 64))
	assert.ErrorIs(t, err, image.ErrUnknown)
}

func TestANameWithADigestCannotBeGiven(t *testing.T) {
	file := input(t, tarOf(t, docker(t, tarOf(t, entry{"file", "", ""}))...), false)
	_, err := load(newStore(t), file, "app@sha256:"+strings.Repeat("1", 64))
	assert.ErrorContains(t, err, "needs a tag")
}

// What we save is loaded as it was: with all names, each part once.
func TestWhatIsSavedIsLoaded(t *testing.T) {
	store := newStore(t)
	_, err := load(store, input(t, tarOf(t, docker(t, tarOf(t, entry{"etc/hello", "hello", ""}), "app:1", "app:2")...), false))
	require.NoError(t, err)
	entries, err := store.List()
	require.NoError(t, err)
	require.Len(t, entries, 2)
	var saved bytes.Buffer
	require.NoError(t, Save(store, entries, &saved))
	for _, without := range []string{"", "index.json"} {
		var kept []entry
		for r := tar.NewReader(bytes.NewReader(saved.Bytes())); ; {
			header, err := r.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			content, err := io.ReadAll(r)
			require.NoError(t, err)
			if header.Name != without {
				kept = append(kept, entry{header.Name, string(content), ""})
			}
		}
		// Three blobs, and the lists of both formats.
		assert.LessOrEqual(t, len(kept), 6)
		other := newStore(t)
		_, err := load(other, input(t, tarOf(t, kept...), false))
		require.NoError(t, err)
		again, err := other.List()
		require.NoError(t, err)
		require.Len(t, again, 2)
		assert.Equal(t, entries[0].Name, again[0].Name)
		assert.Equal(t, entries[1].Name, again[1].Name)
	}
}

func TestArchivesThatLieAreRefused(t *testing.T) {
	layer := tarOf(t, entry{"etc/hello", "hello", ""})
	change := func(name, content, target string) []entry {
		files := docker(t, layer, "app:1")
		for i := range files {
			if files[i].name == name {
				files[i].content, files[i].target = content, target
			}
		}
		return files
	}
	for name, m := range map[string]struct {
		files []entry
		words string
	}{
		"other layer":            {change("l/layer.tar", string(tarOf(t, entry{"etc/other", "", ""})), ""), "and the config of the image promises"},
		"layer is a link out":    {change("l/layer.tar", "", "../../../../etc/passwd"), "open etc/passwd: file does not exist"},
		"layer is an absolute":   {change("l/layer.tar", "", "/etc/passwd"), "does not exist"},
		"layer leads to itself":  {change("l/layer.tar", "", "layer.tar"), "too many levels of symbolic links"},
		"no config":              {change("c.json", "", "nowhere"), "open nowhere: file does not exist"},
		"config is no JSON":      {change("c.json", "{", ""), "the config of the image"},
		"name is no name":        {docker(t, layer, "../app"), "image name"},
		"name without an end":    {append(docker(t, layer, "app:1"), entry{strings.Repeat("x", 1<<19), "", ""}), "more than 1024 bytes"},
		"no images":              {[]entry{{"etc/hello", "hello", ""}}, "final import"},
		"layout without a blob":  {[]entry{{"index.json", `{"schemaVersion": 2, "manifests": [{"mediaType": "` + image.TypeManifest + `", "digest": "sha256:` + fmt.Sprintf("%064d", 1) + `", "size": 3}]}`, ""}}, "does not exist"},
		"layout of a path":       {[]entry{{"index.json", `{"manifests": [{"digest": "sha256:../../x"}]}`, ""}}, "64 lowercase hexadecimal digits"},
		"layout that is no JSON": {[]entry{{"index.json", "[", ""}}, "index.json"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			_, err := load(store, input(t, tarOf(t, m.files...), false))
			assert.ErrorContains(t, err, m.words)
			all, err := store.List()
			require.NoError(t, err)
			assert.Empty(t, all)
			_, err = store.Collect()
			require.NoError(t, err)
		})
	}
	for _, content := range []string{"", "no tar file at all, and long enough for the block of a header, or so one may think"} {
		_, err := load(newStore(t), input(t, []byte(content), false))
		assert.ErrorContains(t, err, "as a tar file")
	}
}

func TestANameIsForOneImage(t *testing.T) {
	store := newStore(t)
	loaded, err := load(store, input(t, tarOf(t, docker(t, tarOf(t, entry{"etc/hello", "hello", ""}), "app:1")...), false), "registry.example/mine:3")
	require.NoError(t, err)
	assert.Equal(t, []string{"registry.example/mine:3"}, loaded[0].Names)
	_, err = load(store, input(t, tarOf(t, entry{"manifest.json", "[]", ""}), false), "registry.example/mine:3")
	assert.ErrorContains(t, err, "the archive has 0 images")
}
