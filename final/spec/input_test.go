//go:build linux

package spec

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOpenInputTakesOnlyRegularFilesAndDescriptors(t *testing.T) {
	dir := t.TempDir()
	fifo, regular := filepath.Join(dir, "fifo"), filepath.Join(dir, "regular")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	require.NoError(t, os.WriteFile(regular, []byte("content"), 0o600))
	for _, name := range []string{dir, fifo, "/dev/zero"} {
		_, err := OpenInput(name)
		assert.ErrorContains(t, err, name+": must be a regular file")
	}
	_, err := OpenInput(filepath.Join(dir, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	_, err = write.WriteString("content")
	require.NoError(t, err)
	require.NoError(t, write.Close())
	for _, name := range []string{regular, "/dev/fd/" + strconv.Itoa(int(read.Fd()))} {
		file, err := OpenInput(name)
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, file.Close())
		require.NoError(t, err)
		assert.Equal(t, "content", string(content), name)
	}
}
