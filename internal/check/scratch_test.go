//go:build linux

package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/needs"
)

// stackedIn is in the environment of a test binary that is to make a scratch where overlays are stacked in a directory.
const stackedIn = "CHECK_STACKED_IN"

// An overlay on an overlay takes no third one: the kernel stacks two of them.
func TestAMountThatTakesNoLayerIsReadOnlyAndNamed(t *testing.T) {
	if dir := os.Getenv(stackedIn); dir != "" {
		stacked(t, dir)
		return
	}
	needs.Rootfs(t)
	// Not a temporary directory of the test: mounts of the process below are not to keep it from being removed.
	dir, err := publicDir()
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	again := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+t.Name()+"$")
	again.Env = append(os.Environ(), stackedIn+"="+dir)
	again.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	output, err := again.CombinedOutput()
	assert.NoError(t, err, string(output))
}

// stacked is in a mount namespace of its own.
func stacked(t *testing.T, dir string) {
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	lower := filepath.Join(dir, "files")
	require.NoError(t, os.Mkdir(lower, 0o755))
	for _, name := range []string{"one", "two"} {
		place := filepath.Join(dir, name)
		for _, part := range []string{"", "upper", "work", "top"} {
			require.NoError(t, os.Mkdir(filepath.Join(place, part), 0o755))
		}
		require.NoError(t, unix.Mount("overlay", filepath.Join(place, "top"), "overlay", 0, "lowerdir="+lower+",upperdir="+place+"/upper,workdir="+place+"/work"))
		lower = filepath.Join(place, "top")
	}
	s, err := newScratch()
	require.NoError(t, err)
	defer s.close()
	assert.Equal(t, []string{lower}, s.unprotected)
	assert.NoError(t, isolatedOn(s, func() error {
		assert.ErrorIs(t, os.WriteFile(filepath.Join(lower, "file"), nil, 0o644), unix.EROFS)
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}))
	assert.NoFileExists(t, filepath.Join(dir, "file"), "on the host")
}
