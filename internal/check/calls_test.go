//go:build linux

package check

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/needs"
)

func TestCallsOfAProgram(t *testing.T) {
	rootfs := needs.Rootfs(t)
	makeUntidyFiles(t)
	program := &Program{Path: untidy.program(t), Step: 4, Rootfs: rootfs}
	// The program makes more than a thousand directories, and each call stops it twice.
	all, err := program.callsWithin(time.Minute, os.Stderr)
	require.NoError(t, err)
	assert.Equal(t, "clone(CLONE_NEWUTS|CLONE_NEWPID)", all[0].String())
	assert.Positive(t, calls(all).first("chroot", `"`+rootfs+`"`))
	// It makes directories in both root directories, but on a scratch of the host.
	assert.Positive(t, calls(all).first("mkdir", `"/mytemp"`))
	assert.NoDirExists(t, "/mytemp")
	assert.NoDirExists(t, filepath.Join(rootfs, "left0000"))
}
