//go:build linux

package ingest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATarFileIsReadAhead(t *testing.T) {
	content := make([]byte, 3*aheadPieces*aheadBytes+12345)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	for _, size := range []int{0, 1, aheadBytes, aheadBytes + 1, len(content)} {
		// The last bytes come together with the end of the file.
		a := readAhead(iotest.DataErrReader(bytes.NewReader(content[:size])))
		read, err := io.ReadAll(a)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(content[:size], read), size)
		assert.Equal(t, Digest(content[:size]), Sum(a.hash))
		a.Close()
	}
}

// The decompressor has this error for a file that is cut off.
func TestTheEndOfABrokenTarFileIsSeen(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(make([]byte, aheadBytes+10)), iotest.ErrReader(io.ErrUnexpectedEOF))
	a := readAhead(broken)
	defer a.Close()
	read, err := io.ReadAll(a)
	assert.Len(t, read, aheadBytes+10)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// A layer that is refused has no end that anybody reads.
func TestReadingAheadEndsEarly(t *testing.T) {
	endless, begun := io.Pipe()
	go func() {
		for {
			if _, err := begun.Write(make([]byte, aheadBytes)); err != nil {
				return
			}
		}
	}()
	a := readAhead(endless)
	_, err := a.Read(make([]byte, 1))
	require.NoError(t, err)
	a.Close()
	require.NoError(t, endless.Close())
}
