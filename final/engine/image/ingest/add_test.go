//go:build linux

package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/final/engine/image"
)

const nameOfTests = "registry.example/app:1"

func TestAnImageIsAdded(t *testing.T) {
	store, s := newStore(t), newSample(t)
	added, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests, "registry.example/app:2")
	require.NoError(t, err)
	found, err := store.Resolve(nameOfTests)
	require.NoError(t, err)
	assert.Equal(t, added.Digest, found.Digest)
	assert.Equal(t, []string{"/bin/sh"}, found.Config.Config.Cmd)
	require.Len(t, found.Layers, 3)
	for i, layer := range found.Layers {
		file, err := os.ReadFile(filepath.Join(layer, "file"))
		require.NoError(t, err)
		assert.Len(t, file, 7*(1000+i))
		assert.FileExists(t, filepath.Join(layer, "dir", string(rune('a'+i))))
	}
	content(t, store)

	// Its ID finds it, too, and so does its beginning.
	for _, id := range []string{added.Digest, image.Hex(added.Digest)[:6], "registry.example/app@" + added.Digest} {
		found, err := store.Resolve(id)
		require.NoError(t, err)
		assert.Equal(t, added.Digest, found.Digest)
	}
	_, err = store.Resolve("registry.example/other")
	require.ErrorIs(t, err, image.ErrUnknown)
	assert.ErrorContains(t, err, "final pull registry.example/other:latest")
}

func TestLayersOfManyImagesAreKeptOnce(t *testing.T) {
	store, s := newStore(t), newSample(t)
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	first := len(kept(t, store))
	s.config.Config.Cmd, s.manifest.Config = []string{"other"}, nil
	_, err = adder(store, s.source).Add(context.Background(), s.root(), "registry.example/other:1")
	require.NoError(t, err)
	// A manifest, a config, and a list.
	assert.Len(t, kept(t, store), first+3)
	content(t, store)
}

func TestTheBestPlatformIsChosen(t *testing.T) {
	s := newSample(t)
	s.config.Variant = variants[len(variants)-1]
	best := s.root()
	s.manifest.Config, s.config.Variant = nil, ""
	other := s.root()
	bad := image.Descriptor{MediaType: image.TypeManifest, Digest: Digest(nil), Size: 1}
	on := func(d image.Descriptor, platform image.Platform) image.Descriptor { d.Platform = &platform; return d }
	index := image.Manifest{SchemaVersion: 2, MediaType: image.TypeIndex, Manifests: []image.Descriptor{
		on(bad, image.Platform{OS: "linux", Architecture: "s390x"}),
		on(bad, image.Platform{OS: "windows", Architecture: runtime.GOARCH}),
		on(bad, image.Platform{OS: "linux", Architecture: runtime.GOARCH, Variant: "v99"}),
		on(other, image.Platform{OS: "linux", Architecture: runtime.GOARCH}),
		on(best, image.Platform{OS: "linux", Architecture: runtime.GOARCH, Variant: variants[len(variants)-1]}),
		on(bad, image.Platform{OS: "unknown", Architecture: "unknown"}),
		bad,
	}}
	store := newStore(t)
	added, err := adder(store, s.source).Add(context.Background(), s.source.addJSON(image.TypeIndex, index), nameOfTests)
	require.NoError(t, err)
	assert.Equal(t, best.Digest, added.Digest)

	index.Manifests = index.Manifests[:3]
	_, err = adder(store, s.source).Add(context.Background(), s.source.addJSON(image.TypeIndex, index), nameOfTests)
	assert.ErrorContains(t, err, "the image is for linux/s390x, windows/"+runtime.GOARCH+", linux/"+runtime.GOARCH+"/v99, and this machine is linux/"+runtime.GOARCH)
}

// broken reads some bytes, and then fails.
func broken(content []byte, n int) io.Reader {
	return io.MultiReader(bytes.NewReader(content[:min(n, len(content))]), errReader{})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	store, s := newStore(t), newSample(t)
	big := s.manifest.Layers[0]
	var offsets []int64
	s.source.before = func(d image.Descriptor, offset int64, content []byte) (io.Reader, error) {
		if d.Digest != big.Digest {
			return bytes.NewReader(content), nil
		}
		offsets = append(offsets, offset)
		return broken(content, 2000), nil
	}
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	// The last answer is complete, and then breaks: nobody knows whether there is more.
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 2000, 4000, 6000, 8000}, offsets)
	content(t, store)
}

func TestTheNextPullGoesOnWhereTheLastOneBroke(t *testing.T) {
	store, s := newStore(t), newSample(t)
	big := s.manifest.Layers[0]
	var offsets []int64
	s.source.before = func(d image.Descriptor, offset int64, content []byte) (io.Reader, error) {
		if d.Digest == big.Digest {
			if offsets = append(offsets, offset); offset > 0 {
				return nil, Permanent{errors.New("the registry has gone")}
			}
			return broken(content, 2000), nil
		}
		return bytes.NewReader(content), nil
	}
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.ErrorContains(t, err, "the registry has gone")
	_, err = store.Resolve(nameOfTests)
	require.ErrorIs(t, err, image.ErrUnknown)

	s.source.before = func(d image.Descriptor, offset int64, content []byte) (io.Reader, error) {
		if d.Digest == big.Digest {
			offsets = append(offsets, offset)
		}
		return bytes.NewReader(content), nil
	}
	_, err = adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 2000, 2000}, offsets)
	content(t, store)
}

func TestABeginningThatIsWrongIsDownloadedAgain(t *testing.T) {
	store, s := newStore(t), newSample(t)
	for _, size := range []int{100, 1 << 20} {
		require.NoError(t, os.WriteFile(store.Ingest(image.Hex(s.manifest.Layers[0].Digest)), bytes.Repeat([]byte("x"), size), 0o600))
		_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
		require.NoError(t, err)
		content(t, store)
		entries, err := store.Find(nameOfTests)
		require.NoError(t, err)
		require.NoError(t, store.Remove(entries...))
		_, err = store.Collect()
		require.NoError(t, err)
		require.Empty(t, kept(t, store))
	}
}

func TestManyAddTheSameAtOnce(t *testing.T) {
	store, s := newStore(t), newSample(t)
	root := s.root()
	var work sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		work.Go(func() {
			_, errs[i] = adder(store, s.source).Add(context.Background(), root, nameOfTests, "registry.example/app:"+strings.Repeat("x", i+1))
		})
	}
	work.Wait()
	require.NoError(t, errors.Join(errs...))
	_, err := store.Collect()
	require.NoError(t, err)
	content(t, store)
	entries, err := store.List()
	require.NoError(t, err)
	assert.Len(t, entries, len(errs)+1)
}

func TestWhatAContainerUsesStays(t *testing.T) {
	store, s := newStore(t), newSample(t)
	added, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	all := kept(t, store)
	containers := filepath.Join(store.Home, "containers")
	require.NoError(t, os.MkdirAll(filepath.Join(containers, "c1"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(containers, "without-image"), 0o700))
	dir, err := unix.Open(filepath.Join(containers, "c1"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(dir)
	used, err := store.Use(dir, nameOfTests)
	require.NoError(t, err)
	assert.Equal(t, added.Layers, used.Layers)

	entries, err := store.Find(nameOfTests)
	require.NoError(t, err)
	require.NoError(t, store.Remove(entries...))
	_, err = store.Collect()
	require.NoError(t, err)
	assert.Equal(t, all, kept(t, store))

	require.NoError(t, os.RemoveAll(filepath.Join(containers, "c1")))
	_, err = store.Collect()
	require.NoError(t, err)
	assert.Empty(t, kept(t, store))
}

func TestNothingIsCollectedWhileSomebodyIsAtWork(t *testing.T) {
	store := newStore(t)
	require.NoError(t, os.WriteFile(store.Ingest("part"), nil, 0o600))
	lock, err := store.Share()
	require.NoError(t, err)
	_, err = store.Collect()
	require.ErrorIs(t, err, image.ErrBusy)
	lock.Unlock()
	_, err = store.Collect()
	require.NoError(t, err)
	assert.Empty(t, kept(t, store))
}

func TestNothingIncompleteSurvivesARestartOfTheHost(t *testing.T) {
	store, s := newStore(t), newSample(t)
	_, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	// A layer whose files a power failure has emptied has the name of a complete one.
	require.NoError(t, os.Mkdir(store.Layer(Digest(nil)), 0o755))
	require.NoError(t, store.AfterRestart())
	require.DirExists(t, store.Layer(Digest(nil)))
	require.NoError(t, os.WriteFile(filepath.Join(store.Dir, "boot"), []byte("an earlier run"), 0o600))
	require.NoError(t, store.AfterRestart())
	require.NoDirExists(t, store.Layer(Digest(nil)))
	content(t, store)
}

func TestVerifySeesWhatIsWrong(t *testing.T) {
	for name, m := range map[string]struct {
		spoil func(store *image.Store, i *image.Image) error
		words string
	}{
		"another byte": {func(store *image.Store, i *image.Image) error {
			place := store.Blob(i.Manifest.Layers[1].Digest)
			content, err := os.ReadFile(place)
			content[len(content)/2] ^= 1
			return errors.Join(err, os.WriteFile(place, content, 0o600))
		}, "has another content"},
		"shorter": {func(store *image.Store, i *image.Image) error {
			return os.Truncate(store.Blob(i.Manifest.Layers[2].Digest), 3)
		}, "has 3 bytes"},
		"no config":   {func(store *image.Store, i *image.Image) error { return os.Remove(store.Blob(i.Manifest.Config.Digest)) }, "no such file"},
		"no manifest": {func(store *image.Store, i *image.Image) error { return os.Remove(store.Blob(i.Digest)) }, "no such file"},
		"no layer":    {func(_ *image.Store, i *image.Image) error { return os.RemoveAll(i.Layers[1]) }, "no such file"},
		"one too many": {func(store *image.Store, _ *image.Image) error {
			return os.WriteFile(store.Blob(Digest(nil)), nil, 0o600)
		}, "no image needs this"},
	} {
		t.Run(name, func(t *testing.T) {
			store, s := newStore(t), newSample(t)
			i, err := adder(store, s.source).Add(context.Background(), s.root(), nameOfTests)
			require.NoError(t, err)
			content(t, store)
			require.NoError(t, m.spoil(store, i))
			wrong, err := Verify(store)
			require.NoError(t, err)
			assert.Contains(t, strings.Join(wrong, "\n"), m.words)
		})
	}
}

// A store of others is not believed.
func TestAStoreOfOthersIsRefused(t *testing.T) {
	store := newStore(t)
	require.NoError(t, os.Chmod(store.Dir, 0o777|fs.ModeSticky))
	_, err := image.Open(store.Home)
	require.ErrorContains(t, err, "the storage of images is not safe")
}

// If final has to wait for another final, it tells the user.
func TestWaitingForAnotherFinalIsReported(t *testing.T) {
	store, s := newStore(t), newSample(t)
	require.NoError(t, store.AfterRestart())
	lock, err := store.LockIngest(image.Hex(s.manifest.Layers[1].Digest), func() { t.Error("nobody else is there") })
	require.NoError(t, err)
	// Nobody waits for ever, whatever the adder does.
	defer time.AfterFunc(time.Minute, lock.Unlock).Stop()
	var blocked []string
	a := adder(store, s.source)
	a.Report = func(d image.Descriptor, what string, _ int64) {
		if what == Blocked {
			blocked = append(blocked, d.Digest)
			lock.Unlock()
		}
	}
	_, err = a.Add(context.Background(), s.root(), nameOfTests)
	require.NoError(t, err)
	assert.Equal(t, []string{s.manifest.Layers[1].Digest}, blocked)
	content(t, store)
}
