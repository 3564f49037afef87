//go:build linux

package container

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/process"
	"container-workshop/final/rootfs"
)

// newStore returns an empty store, which notes in what it removes for whom.
func newStore(t *testing.T, released *[]string) *Store {
	t.Helper()
	return &Store{Root: t.TempDir(), Release: func(root, id string) error {
		*released = append(*released, root+" "+id)
		return nil
	}}
}

// kept makes the directory of a container with a state, and returns the container, locked.
func kept(t *testing.T, s *Store, id string, state State) *Container {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(s.Root, id), 0o700))
	c := &Container{store: s, dir: filepath.Join(s.Root, id), lock: -1, State: state}
	c.ID = id
	require.NoError(t, c.acquire())
	require.NoError(t, c.save())
	return c
}

func TestAContainerIsThereUntilItIsDeleted(t *testing.T) {
	var released []string
	s := newStore(t, &released)
	_, err := s.Open("mine")
	assert.ErrorContains(t, err, "container mine does not exist")
	_, err = s.Open("../mine")
	assert.ErrorContains(t, err, "container ID")

	kept(t, s, "mine", State{Public: Public{Version: specs.Version, Status: specs.StateStopped}, Stored: true}).Close()
	kept(t, s, "other", State{Public: Public{Version: specs.Version, Status: specs.StateStopped}}).Close()
	all, err := s.List()
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, "mine", all[0].ID)

	require.NoError(t, s.Delete("mine", false))
	require.NoError(t, s.Delete("other", false))
	assert.Equal(t, []string{s.Root + " mine"}, released, "nobody keeps anything for the other")
	assert.ErrorContains(t, s.Delete("mine", false), "does not exist")
	require.NoError(t, s.Delete("mine", true))
}

// What cannot be released stays, and can be deleted later.
func TestAContainerStaysIfWhatIsKeptForItCannotBeRemoved(t *testing.T) {
	s := &Store{Root: t.TempDir(), Release: func(string, string) error { return errors.New("the disk is broken") }}
	kept(t, s, "mine", State{Public: Public{Version: specs.Version, Status: specs.StateStopped}, Stored: true}).Close()
	assert.ErrorContains(t, s.Delete("mine", true), "the disk is broken")
	s.Release = nil
	require.NoError(t, s.Delete("mine", false))
}

// Nobody knows whether anything is kept for a container whose state is lost.
func TestALostContainerIsDeletedEvenIfStorageCannotBeOpened(t *testing.T) {
	var warnings []string
	s := &Store{Root: t.TempDir(), Warn: func(warning string) { warnings = append(warnings, warning) }, Release: func(string, string) error { return errors.New("the storage is not safe") }}
	kept(t, s, "mine", State{}).Close()
	require.NoError(t, os.WriteFile(filepath.Join(s.Root, "mine/state.json"), nil, 0o600))
	require.NoError(t, s.Delete("mine", true))
	assert.Equal(t, []string{"storage of container mine, if it has any: the storage is not safe"}, warnings)
	assert.NoDirExists(t, filepath.Join(s.Root, "mine"))
}

// A process that was killed before it could give its directory an ID has left it. A process that is at it just now has not.
func TestDirectoriesOfThoseWhoWereKilledAreRemoved(t *testing.T) {
	root := t.TempDir()
	ours, dead := filepath.Join(root, unnamed(os.Getpid(), OwnStart())), filepath.Join(root, unnamed(os.Getpid(), "1"))
	for _, dir := range []string{ours, dead, filepath.Join(root, "container")} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	require.NoError(t, sweep(root))
	assert.DirExists(t, ours)
	assert.NoDirExists(t, dead)
	assert.DirExists(t, filepath.Join(root, "container"))
}

func TestAStateThatIsNotOursIsLost(t *testing.T) {
	var released []string
	s := newStore(t, &released)
	kept(t, s, "mine", State{}).Close()
	for words, content := range map[string]string{
		"state.json: ":                           `{`,
		`state.json belongs to a container "x"`:  `{"id": "x", "status": "stopped"}`,
		"names no cgroup":                        `{"id": "mine", "status": "running"}`,
		"is not a cgroup tree":                   `{"id": "mine", "cgroup": {"dirs": [{"version": 2, "mount": "/tmp", "path": "/tmp/x"}]}}`,
		"the state of container mine is lost":    ``,
		"(delete it: final delete --force mine)": `[]`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(s.Root, "mine/state.json"), []byte(content), 0o600))
		c, err := s.Open("mine")
		require.NoError(t, err)
		assert.ErrorContains(t, c.lost, words)
		assert.True(t, c.Stored, "whoever keeps something knows it")
		c.Close()
	}
}

// Some callers name a place in the container by its path on the host.
func TestAPathBelowTheRootFileSystemIsInTheContainer(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "rootfs/a"), 0o755))
	require.NoError(t, os.Symlink("rootfs", filepath.Join(dir, "link")))
	root, err := rootfs.OpenRoot(filepath.Join(dir, "rootfs"))
	require.NoError(t, err)
	defer root.Close()
	r := &Run{Process: process.Make(false, nil), request: &Request{Root: root, Spec: &specs.Spec{Root: &specs.Root{Path: filepath.Join(dir, "rootfs")}}}}
	for name, want := range map[string]string{"rootfs/a/b": "/a/b", "rootfs": "/", "link/a": "/a", "a": "", ".": ""} {
		inner, ok := r.innerPath(filepath.Join(dir, name), r.isRoot)
		assert.Equal(t, want, inner, name)
		assert.Equal(t, want != "", ok, name)
	}
	_, ok := r.innerPath(filepath.Join(dir, "link/a"), r.isNameOfRoot)
	assert.False(t, ok, "it goes by the name")
	r.request.Mount = func(func(int) error) (int, error) { return -1, nil }
	_, ok = r.innerPath(filepath.Join(dir, "rootfs/a"), r.isRoot)
	assert.False(t, ok, "with a mount of the caller's the container sees something else")
}

func TestSizesAreWrittenAsInFlags(t *testing.T) {
	for bytes, want := range map[int64]string{64 << 20: "64m", 1 << 30: "1g", 512 << 10: "512k", 1000: "1000", 1<<30 + 1<<20: "1025m"} {
		assert.Equal(t, want, size(bytes))
	}
}
