package site

import (
	"html"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"container-workshop/internal/lesson"
)

var tag = regexp.MustCompile(`<[^>]*>`)

// textOf returns what a reader sees of HTML.
func textOf(page string) string { return html.UnescapeString(tag.ReplaceAllString(page, "")) }

func TestFilesThatThePagesLeadToAreShown(t *testing.T) {
	all := pages(t)
	shown := 0
	for _, p := range all {
		if filepath.Ext(p.Source) != ".md" {
			continue
		}
		document, err := lesson.Read(filepath.Join(top, p.Source))
		require.NoError(t, err)
		for _, link := range document.Links {
			file := path.Join(path.Dir(p.Source), link.Target)
			info, err := os.Stat(filepath.Join(top, file))
			if ext := path.Ext(file); err != nil || ext == ".md" || ext == ".svg" {
				continue
			}
			shown++
			if !info.IsDir() {
				assertShown(t, all, p, file)
				continue
			}
			holds(t, string(p.Body), `href="`+p.to(file)+`/index.html"`, p.Address)
			require.NotNil(t, all[file+"/index.html"], file)
			assertFolder(t, all, file)
		}
	}
	assert.Greater(t, shown, 20)
}

// assertShown looks at the page of a file, and at the link from p to this page.
func assertShown(t *testing.T, all map[string]*Page, p *Page, file string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(top, file))
	require.NoError(t, err)
	require.NotNil(t, all[file+".html"], file)
	holds(t, string(p.Body), `href="`+p.to(file)+`.html"`, p.Address)
	holds(t, textOf(string(all[file+".html"].Body)), string(source), file)
}

// assertFolder looks at the page of a folder: it leads to all files but tests and their data, and says what each is.
func assertFolder(t *testing.T, all map[string]*Page, folder string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(top, folder))
	require.NoError(t, err)
	list := all[folder+"/index.html"]
	if packages, err := filepath.Glob(filepath.Join(top, folder, "*.go")); assert.NoError(t, err) && len(packages) > 0 {
		assert.Regexp(t, `^(Package \w+|Final-helper) .*\.$`, list.Summary, folder)
	}
	for _, file := range files {
		isTest := strings.HasSuffix(file.Name(), "_test.go") || file.Name() == "testdata"
		if file.IsDir() && !isTest {
			assertFolder(t, all, folder+"/"+file.Name())
		}
		if isTest || file.IsDir() {
			assert.Equal(t, !isTest, strings.Contains(string(list.Body), `href="`+list.to(folder)+"/"+file.Name()), file.Name())
			continue
		}
		assertShown(t, all, list, folder+"/"+file.Name())
		page := all[folder+"/"+file.Name()+".html"]
		holds(t, string(page.Body), `href="`+page.to(folder)+`/index.html"`, page.Address)
	}
}

// Emacs puts a link to nothing beside a file that it has not saved yet.
func TestFilesOfAnEditorAreNotShown(t *testing.T) {
	s := &Site{top: t.TempDir(), mentions: map[string][]*Page{}}
	for _, name := range []string{"door.go", "door.go~", ".door.go.swp"} {
		require.NoError(t, writeFile(filepath.Join(s.top, "room", name), []byte("// Package room has a door.\npackage room\n")))
	}
	require.NoError(t, os.Symlink("nobody@nowhere.1", filepath.Join(s.top, "room/.#door.go")))
	s.mention("room", &Page{Source: "README.md", Address: "index.html"})
	shown, err := s.sourcePages()
	require.NoError(t, err)
	var addresses []string
	for _, p := range shown {
		addresses = append(addresses, p.Address)
	}
	assert.Equal(t, []string{"room/index.html", "room/door.go.html"}, addresses)
}
