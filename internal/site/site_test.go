package site

import (
	"html/template"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnErrorLeavesTheOldPagesAlone(t *testing.T) {
	out := filepath.Join(t.TempDir(), "site")
	old := filepath.Join(out, "old.html")
	require.NoError(t, writeFile(old, []byte("old")))
	page := &Page{Source: "README.md", Address: "index.html", files: []string{"picture.svg"}}
	s := &Site{top: t.TempDir(), pages: []*Page{page}, page: template.Must(template.ParseFS(look, "look/*.html"))}
	require.ErrorContains(t, s.Build(out), "README.md: open ")
	assert.FileExists(t, old)
	assert.NoFileExists(t, filepath.Join(out, "index.html"))

	require.NoError(t, os.WriteFile(filepath.Join(s.top, "picture.svg"), nil, 0o644))
	require.NoError(t, s.Build(out))
	assert.NoFileExists(t, old)
	assert.FileExists(t, filepath.Join(out, "index.html"))
}
