//go:build linux

package check

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingIsLeftBehind looks at the whole host, before and after many containers.
func TestNothingIsLeftBehind(t *testing.T) {
	rootfs, source := needs(t)
	program := &Program{Path: mutant{}.build(t, source), Step: 7, Rootfs: rootfs}
	mark := fmt.Sprintf("CHECK_STORM=%d", os.Getpid())
	run := func() {
		r, err := program.call(call{command: []string{"/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo done"}, env: []string{mark}})
		assert.NoError(t, err)
		assert.Equal(t, result{"done\n", "", 0}, r)
	}
	for name, body := range map[string]func(){
		"200 in a row": func() {
			for range 200 {
				run()
			}
		},
		"50 at once": func() {
			var all sync.WaitGroup
			for range 50 {
				all.Go(run)
			}
			all.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			mounts, err := mountTable()
			require.NoError(t, err)
			cgroups := containerCgroups(t)
			body()
			after, err := mountTable()
			require.NoError(t, err)
			assert.Equal(t, mounts, after)
			assert.Equal(t, cgroups, containerCgroups(t))
			assert.Empty(t, marked(mark), "processes")
		})
	}
}

// containerCgroups returns the cgroups of containers. Others come and go on a host.
func containerCgroups(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.Contains(entry.Name(), "container-workshop-") {
			found = append(found, path)
		}
		return nil
	}))
	return found
}
