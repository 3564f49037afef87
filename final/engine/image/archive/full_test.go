//go:build linux

package archive

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/ingest"
)

// smallStore is a store on a file system of 8 MiB.
func smallStore(t *testing.T) *image.Store {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	require.NoError(t, os.Mkdir(home, 0o700))
	if err := unix.Mount("tmpfs", home, "tmpfs", 0, "size=8m,mode=700"); err != nil {
		t.Skipf("needs root that can mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(home, 0)) })
	store, err := image.Open(home)
	require.NoError(t, err)
	return store
}

// An archive and a root file system that come through a pipe are put on the disk before anybody knows how long they are.
func TestWhatIsTooLargeStopsBeforeTheDiskIsFull(t *testing.T) {
	store := smallStore(t)
	large := tarOf(t, entry{"large", string(make([]byte, 12<<20)), ""})
	for name, try := range map[string]func() error{
		"a compressed archive": func() error { _, err := load(store, input(t, packed(t, large), false)); return err },
		"an archive in a pipe": func() error { _, err := load(store, input(t, large, true)); return err },
		"a root file system in a pipe": func() error {
			_, err := Import(context.Background(), &ingest.Adder{Store: store}, input(t, large, true), image.Settings{}, []string{"large"})
			return err
		},
	} {
		assert.ErrorContains(t, try(), "make room on the disk", name)
	}
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs(store.Dir, &fs))
	assert.Greater(t, int64(fs.Bavail)*fs.Bsize, int64(7<<20), "nothing stays")
}

// An image may have the same layer many times, because each lies on others. Together its layers take no more than one may take.
func TestManyLayersTakeNoMoreThanOne(t *testing.T) {
	store := smallStore(t)
	layer := tarOf(t, entry{"file", strings.Repeat("x", 64<<10), ""})
	entries := docker(t, layer, "app:1")
	var names, diffIDs string
	for range 100 {
		names += `,"l/layer.tar"`
		diffIDs += fmt.Sprintf(`,%q`, ingest.Digest(layer))
	}
	for i := range entries {
		switch entries[i].name {
		case "c.json":
			entries[i].content = fmt.Sprintf(`{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":[%s]}}`, runtime.GOARCH, diffIDs[1:])
		case "manifest.json":
			entries[i].content = fmt.Sprintf(`[{"Config":"c.json","Layers":[%s]}]`, names[1:])
		}
	}
	a, err := Open(input(t, tarOf(t, entries...), false), store.Ingest(""))
	require.NoError(t, err)
	defer a.Close()
	least := int64(8 << 20)
	report := func(d image.Descriptor, what string, _ int64) {
		var fs unix.Statfs_t
		require.NoError(t, unix.Statfs(store.Dir, &fs))
		least = min(least, int64(fs.Bavail)*fs.Bsize)
	}
	_, err = a.Load(context.Background(), &ingest.Adder{Store: store, Report: report}, nil)
	require.ErrorContains(t, err, "make room on the disk")
	assert.Greater(t, least, int64(512<<10))
}

// Each image of an archive costs time, and a document of 4 MB can list many.
func TestAnArchiveHasFewImages(t *testing.T) {
	entries := docker(t, tarOf(t, entry{"file", "", ""}), "app:1")
	one := entries[2].content
	many := one[:len(one)-1]
	for range maxImages {
		many += "," + one[1:len(one)-1]
	}
	entries[2].content = many + "]"
	_, err := load(newStore(t), input(t, tarOf(t, entries...), false))
	assert.ErrorContains(t, err, fmt.Sprintf("has %d images", maxImages+1))
}
