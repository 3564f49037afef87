//go:build linux && engines

package layer

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// podman and umoci unpack random images, too, and everything that they show has to be the same: owners, modes, extended attributes, links
// and content.
//
// podman unpacks each layer without a look at the layers below. So it does not follow a link that is further down, has no hard link to a
// file further down, gives directories without an entry new attributes, and merges a directory that a layer removes and makes again. In
// all of these umoci does what the specification says: it applies layers one after the other to one root file system. So wild images are for
// umoci alone.

var (
	seeds     = flag.Int("seeds", 20, "how many random images to compare, of each kind")
	firstSeed = flag.Uint64("seed", 1, "the first seed")
)

// layout writes an image as an OCI layout.
func layout(t *testing.T, dir string, layers [][]entry) {
	t.Helper()
	blob := func(mediaType string, content []byte) map[string]any {
		digest := fmt.Sprintf("%x", sha256.Sum256(content))
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "blobs/sha256", digest), content, 0o644))
		return map[string]any{"mediaType": "application/vnd.oci.image." + mediaType, "digest": "sha256:" + digest, "size": len(content)}
	}
	document := func(mediaType string, value any) map[string]any {
		content, err := json.Marshal(value)
		require.NoError(t, err)
		return blob(mediaType, content)
	}
	var descriptors, diffIDs []any
	for _, entries := range layers {
		d := blob("layer.v1.tar", archive(t, entries...).Bytes())
		descriptors, diffIDs = append(descriptors, d), append(diffIDs, d["digest"])
	}
	config := document("config.v1+json", map[string]any{"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
	manifest := document("manifest.v1+json", map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": descriptors})
	manifest["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "t"}
	for name, value := range map[string]any{"index.json": map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}, "oci-layout": map[string]string{"imageLayoutVersion": "1.0.0"}} {
		content, err := json.Marshal(value)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var errors strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s", name, args, &errors)
	return strings.TrimSpace(string(out))
}

func need(t *testing.T, program string) string {
	t.Helper()
	if path := os.Getenv(strings.ToUpper(program)); path != "" {
		return path
	}
	path, err := exec.LookPath(program)
	require.NoError(t, err, "make test-layers gets all judges")
	return path
}

func TestUmociShowsTheSame(t *testing.T) {
	umoci := need(t, "umoci")
	for seed := range uint64(*seeds * 5) {
		seed += *firstSeed
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			all := makeLayers(seed, seed%2 == 0)
			dir := t.TempDir()
			layout(t, filepath.Join(dir, "image"), all)
			output(t, umoci, "raw", "unpack", "--image", filepath.Join(dir, "image")+":t", filepath.Join(dir, "rootfs"))
			same(t, all, describe(t, filepath.Join(dir, "rootfs")))
		})
	}
}

func TestPodmanShowsTheSame(t *testing.T) {
	podman, skopeo := need(t, "podman"), need(t, "skopeo")
	for seed := range uint64(*seeds) {
		seed += *firstSeed
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			all := makeLayers(seed, false)
			dir := t.TempDir()
			layout(t, filepath.Join(dir, "image"), all)
			storage, run := filepath.Join(dir, "root"), filepath.Join(dir, "run")
			output(t, skopeo, "copy", "--quiet", "oci:"+filepath.Join(dir, "image")+":t", "containers-storage:[overlay@"+storage+"+"+run+"]localhost/t:t")
			flags := []string{"--root", storage, "--runroot", run, "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "image"}
			mount := output(t, podman, append(flags, "mount", "localhost/t:t")...)
			defer output(t, podman, append(flags, "umount", "--all", "--force")...)
			shows := describe(t, mount)
			// podman has a mode of its own for the root directory, whatever the image says.
			require.Equal(t, "555 0:0 directory", shows["."])
			shows["."] = root
			same(t, all, shows)
		})
	}
}

// same compares what a judge shows with what we show.
func same(t *testing.T, all [][]entry, judge map[string]string) {
	t.Helper()
	ours := layers(t, all...).shows()
	if !assert.Equal(t, judge, ours) {
		for i, entries := range all {
			for _, e := range entries {
				t.Logf("layer %d: %c %q %q %d %o %q", i+1, e.Typeflag, e.Name, e.Linkname, e.Uid, e.Mode, e.PAXRecords)
			}
		}
	}
}
