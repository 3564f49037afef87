//go:build linux && engines

package engine

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"container-workshop/internal/conformance/page"
)

// pages are the files of pageVariable, in the process of the tests.
var pages []*os.File

// inheritPages returns the files of pageVariable, which the parent process opened before the host's files became read-only.
func inheritPages(first int) []*os.File {
	var files []*os.File
	for i, path := range filepath.SplitList(os.Getenv(pageVariable)) {
		unix.CloseOnExec(first + i)
		files = append(files, os.NewFile(uintptr(first+i), path))
	}
	return files
}

// writeSection writes the section of a page that belongs to a target of make.
func writeSection(t testing.TB, file *os.File, target, section string) {
	t.Helper()
	before, err := io.ReadAll(file)
	require.NoError(t, err)
	after, err := page.Replace(string(before), target, section)
	require.NoError(t, err)
	overwrite(t, file, after)
}

// overwrite gives a page another content.
func overwrite(t testing.TB, file *os.File, content string) {
	t.Helper()
	require.NoError(t, file.Truncate(0))
	_, err := file.WriteAt([]byte(content), 0)
	require.NoError(t, err)
}
