//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tarOf makes a tar file.
func tarOf(t *testing.T, files ...tarFile) []byte {
	t.Helper()
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, f := range files {
		f.Size = int64(len(f.content))
		require.NoError(t, w.WriteHeader(&f.Header))
		_, err := w.Write(f.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return content.Bytes()
}

type tarFile struct {
	tar.Header
	content []byte
}

func plainFile(name string, mode int64, content []byte) tarFile {
	return tarFile{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content}
}

// dockerArchive makes an archive as docker save did: each layer is a file layer.tar in a directory, and the last layer is a link.
func dockerArchive(t *testing.T, name string, layers ...[]byte) []byte {
	t.Helper()
	var diffIDs, names []string
	var files []tarFile
	for i, layer := range layers {
		diffIDs, names = append(diffIDs, fmt.Sprintf("sha256:%x", sha256.Sum256(layer))), append(names, fmt.Sprintf("%d/layer.tar", i))
		if i == len(layers)-1 {
			files = append(files, plainFile("last/layer.tar", 0o644, layer),
				tarFile{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: names[i], Linkname: "../last/layer.tar"}})
			continue
		}
		files = append(files, plainFile(names[i], 0o644, layer))
	}
	config, err := json.Marshal(map[string]any{"os": "linux", "architecture": runtime.GOARCH, "config": map[string]any{"Cmd": []string{"/bin/sh", "-c", "cat /etc/*"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
	require.NoError(t, err)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": names}})
	require.NoError(t, err)
	return tarOf(t, append(files, plainFile("config.json", 0o644, config), plainFile("manifest.json", 0o644, manifest))...)
}

// layersOfTests are three layers: the second adds a file of a group that the user may not have, and the third removes a file.
func layersOfTests(t *testing.T) [][]byte {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: apt-get install busybox-static")
	}
	program, err := os.ReadFile(busybox)
	require.NoError(t, err)
	shadow := plainFile("etc/shadow", 0o640, []byte("shadow\n"))
	shadow.Gid = 42
	return [][]byte{
		tarOf(t, plainFile("bin/sh", 0o755, program), plainFile("bin/cat", 0o755, program), plainFile("etc/gone", 0o644, []byte("gone\n")), plainFile("etc/stays", 0o644, []byte("stays\n"))),
		tarOf(t, shadow),
		tarOf(t, plainFile("etc/.wh.gone", 0o644, nil), plainFile("etc/zz", 0o644, []byte("last\n"))),
	}
}

func TestAnImageOfDockerRuns(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar")
	require.NoError(t, os.WriteFile(archive, dockerArchive(t, "registry.example/docker:1", layersOfTests(t)...), 0o600))
	r := final(t, "load", "-i", archive)
	require.Equal(t, 0, r.status, r.stderr)
	defer final(t, "rmi", "registry.example/docker:1")
	r = final(t, "run", "--image", "registry.example/docker:1")
	assert.Equal(t, 0, r.status, r.stderr)
	assert.Contains(t, r.stdout, "shadow\nstays\nlast\n")
	assert.NotContains(t, r.stdout, "gone")
}

func TestAnOrdinaryUserHasImages(t *testing.T) {
	for name, has := range map[string]string{"many IDs": ranges, "one ID": "root:500000:65536\n"} {
		t.Run(name, func(t *testing.T) {
			c := asPerson(t, has)
			archive := filepath.Join(c.person.home, "a.tar")
			require.NoError(t, os.WriteFile(archive, dockerArchive(t, "registry.example/own:1", layersOfTests(t)...), 0o644))
			r := c.final("load", "-i", archive)
			require.Equal(t, 0, r.status, r.stderr)
			r = c.final("images", "--verify")
			assert.Equal(t, 0, r.status, r.stdout+r.stderr)
			r = c.final("run", "--image", "registry.example/own:1")
			assert.Equal(t, 0, r.status, r.stderr)
			assert.Contains(t, r.stdout, "shadow\nstays\nlast\n")
			assert.NotContains(t, r.stdout, "gone")
			require.Equal(t, 0, c.final("rmi", "registry.example/own:1").status)
			left, err := os.ReadDir(filepath.Join(c.person.home, ".local/share/container-workshop/images/layers"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}
