//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// archiveOf writes a tar file with a root file system.
func archiveOf(t *testing.T, files map[string]string) string {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	name := filepath.Join(t.TempDir(), "rootfs.tar")
	require.NoError(t, os.WriteFile(name, content.Bytes(), 0o600))
	return name
}

// imported makes an image with the name, and removes it when the test ends.
func imported(t *testing.T, name string, files map[string]string) (digest string) {
	t.Helper()
	r := final(t, "import", "--config", `{"Cmd": ["/bin/sh"]}`, archiveOf(t, files), name)
	require.Equal(t, 0, r.status, r.stderr)
	t.Cleanup(func() { final(t, "rmi", name) })
	return strings.TrimSpace(r.stdout)
}

// images lists the names and digests of all images as JSON.
func listImages(t *testing.T) string {
	t.Helper()
	r := final(t, "images", "--format", "json")
	require.Equal(t, 0, r.status, r.stderr)
	return r.stdout
}

func TestImagesGoToAnArchiveAndBack(t *testing.T) {
	digest := imported(t, "registry.example/saved:1", map[string]string{"etc/hello": "hello"})
	assert.Contains(t, listImages(t), digest)
	for _, file := range []string{"a.tar", "a.tar.gz"} {
		archive := filepath.Join(t.TempDir(), file)
		r := final(t, "save", "-o", archive, "registry.example/saved:1")
		require.Equal(t, 0, r.status, r.stderr)
		r = final(t, "rmi", "registry.example/saved:1")
		require.Equal(t, 0, r.status, r.stderr)
		assert.NotContains(t, listImages(t), digest)

		input, err := os.Open(archive)
		require.NoError(t, err)
		cmd := command(t, "load")
		cmd.Stdin = input
		r = outcome(t, cmd)
		input.Close()
		require.Equal(t, 0, r.status, r.stderr)
		assert.Equal(t, "registry.example/saved:1 "+digest+"\n", r.stdout)
		assert.Contains(t, listImages(t), digest)
	}
	r := final(t, "images", "--verify")
	assert.Equal(t, result{}, r)
}

func TestOneImageMayHaveSeveralNames(t *testing.T) {
	digest := imported(t, "registry.example/one:1", map[string]string{"etc/hello": "several names"})
	archive := filepath.Join(t.TempDir(), "a.tar")
	require.Equal(t, 0, final(t, "save", "-o", archive, "registry.example/one:1").status)
	r := final(t, "load", "-i", archive, "registry.example/two:2")
	require.Equal(t, 0, r.status, r.stderr)
	assert.Contains(t, r.stdout, "registry.example/two:2 "+digest)
	require.Equal(t, 0, final(t, "rmi", "registry.example/one:1").status)
	assert.Contains(t, listImages(t), digest)
	r = final(t, "inspect", "registry.example/two:2")
	require.Equal(t, 0, r.status, r.stderr)
	assert.Contains(t, r.stdout, `"/bin/sh"`)
	r = final(t, "history", "registry.example/two:2")
	assert.Contains(t, r.stdout, "final import")
	require.Equal(t, 0, final(t, "rmi", digest[7:19]).status)
	assert.NotContains(t, listImages(t), digest)
}

func TestWhatIsNoImageIsRefused(t *testing.T) {
	refused(t, final(t, "load", "-i", archiveOf(t, map[string]string{"etc/hello": "hello"})), 1, "has neither index.json nor manifest.json", "final import")
	refused(t, final(t, "load", "-i", archiveOf(t, map[string]string{"index.json": "{"})), 1, "index.json")
	refused(t, final(t, "load", "-i", archiveOf(t, map[string]string{"manifest.json": `[{"Config": "../etc/passwd"}]`})), 1, "open etc/passwd")
	refused(t, final(t, "rmi", "registry.example/none"), 1, "registry.example/none:latest", "no such image")
	refused(t, final(t, "inspect", "Registry/None"), 1, "lower-case")
	refused(t, final(t, "inspect", "registry.example/none"), 1, "no such image", "for a container: final state registry.example/none")
	refused(t, final(t, "save", "-o", filepath.Join(t.TempDir(), "a.tar"), "registry.example/none"), 1, "no such image")
	refused(t, final(t, "import", "--config", `{"cmnd": 1}`, "/dev/null"), 1, "--config", "cmnd")
}
