//go:build linux

package command

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/final/rootfs"
)

// program returns the beginning of an ELF file with one segment, which names an interpreter.
func program(kind uint16, interpreter string) []byte {
	head := make([]byte, 64+56, 256)
	copy(head, "\x7fELF\x02\x01\x01")
	order := binary.LittleEndian
	order.PutUint16(head[18:], kind)
	order.PutUint64(head[32:], 64)
	order.PutUint16(head[54:], 56)
	order.PutUint16(head[56:], 1)
	order.PutUint32(head[64:], 3)
	order.PutUint64(head[64+8:], uint64(len(head)))
	order.PutUint64(head[64+32:], uint64(len(interpreter)+1))
	return append(append(head, interpreter...), 0)
}

// ofHost is the host's root directory.
func ofHost(t *testing.T) *Place {
	t.Helper()
	root, err := rootfs.OpenRoot("/")
	require.NoError(t, err)
	t.Cleanup(root.Close)
	return &Place{Root: root, Cwd: "/"}
}

func TestWhatTheKernelDoesNotSayOfAFileThatItCannotLoad(t *testing.T) {
	there := filepath.Join(t.TempDir(), "interpreter")
	assert.NoError(t, os.WriteFile(there, nil, 0o755))
	for _, test := range []struct {
		name     string
		head     string
		expected string
		status   int
	}{
		{"a script", "#!" + there + " -x\n", "", 0},
		{"a script without an end of line", "#! " + there, "", 0},
		{"a script whose interpreter is missing", "#!/no/such/shell\n", `interpreter "/no/such/shell" is missing`, StatusNotFound},
		{"a script from Windows", "#!/bin/sh\r\n", "carriage return", StatusNotFound},
		{"a program", string(program(machine, there)), "", 0},
		{"a program whose interpreter is missing", string(program(machine, "/no/such/ld.so")), `interpreter "/no/such/ld.so" is missing`, StatusNotFound},
		{"a program for another processor", string(program(machine+1, there)), "another kind of processor", StatusNotExecutable},
		{"a program that ends early", "\x7fELF\x02", "exec format error", StatusNotExecutable},
		{"text", "echo hello\n", "", 0},
		{"nothing", "", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := ofHost(t).loadable("file", []byte(test.head))
			if test.expected == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.expected)
			assert.Equal(t, test.status, Status(err))
		})
	}
}

// Each directory would add to the error message, so a long PATH could use up the time and the memory of the host.
func TestAPathOfManyDirectoriesIsNotSearched(t *testing.T) {
	place := ofHost(t)
	place.Cwd = t.TempDir()
	assert.NoError(t, os.WriteFile(filepath.Join(place.Cwd, "data"), nil, 0o644))
	many := func(n int) []string { return []string{"PATH=" + strings.Repeat(":", n-1)} }
	_, err := place.Find("data", many(maxDirs))
	assert.EqualError(t, err, `exec: "data": permission denied`)
	assert.Equal(t, StatusNotExecutable, Status(err))
	_, err = place.Find("data", many(maxDirs+1))
	assert.ErrorContains(t, err, "must be at most 1000")
	assert.Equal(t, StatusFailed, Status(err))
}

// A link of the image can lead through many directories, again and again. final gives up after so many steps.
func TestALongWayToAMissingCommandIsShort(t *testing.T) {
	place, deep := ofHost(t), filepath.Join(t.TempDir(), strings.Repeat("d/", 50))
	assert.NoError(t, os.MkdirAll(deep, 0o755))
	_, err := place.Find("missing", []string{"PATH=" + strings.Repeat(":"+deep, maxDirs-1)})
	assert.Equal(t, StatusNotFound, Status(err))
	assert.LessOrEqual(t, place.steps, maxSteps)
}

func FuzzLoadable(f *testing.F) {
	f.Add(program(machine, "/lib/ld.so"))
	f.Add([]byte("#!/bin/sh\r\n"))
	f.Add([]byte("\x7fELF\x02\x01"))
	f.Fuzz(func(t *testing.T, head []byte) {
		err := ofHost(t).loadable("file", head)
		if err != nil && !errors.As(err, new(notFound)) && !errors.As(err, new(notExecutable)) {
			t.Errorf("an error without a status: %v", err)
		}
	})
}
