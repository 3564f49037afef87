package site

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A built is the whole site as a reader gets it, but for what npm adds.
type built struct {
	// files are the files by their addresses, and pages those that are HTML.
	files map[string][]byte
	pages map[string]*html.Node
	// sources are what the pages are made from, by the pages' addresses.
	sources map[string]string
}

// whole builds the site, once for all tests.
var whole = sync.OnceValues(func() (*built, error) {
	out, err := os.MkdirTemp("", "site-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	s, err := New("../..")
	if err != nil {
		return nil, err
	}
	if err := s.Build(out); err != nil {
		return nil, err
	}
	b := &built{map[string][]byte{}, map[string]*html.Node{}, map[string]string{}}
	for _, p := range s.pages {
		b.sources[p.Address] = p.Source
	}
	return b, fs.WalkDir(os.DirFS(out), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if b.files[name], err = os.ReadFile(path.Join(out, name)); err != nil || path.Ext(name) != ".html" {
			return err
		}
		b.pages[name], err = html.Parse(strings.NewReader(string(b.files[name])))
		return err
	})
})

func site(t *testing.T) *built {
	t.Helper()
	b, err := whole()
	require.NoError(t, err)
	return b
}

// all returns the elements of the kinds in a page, or all elements.
func all(page *html.Node, kinds ...atom.Atom) (elements []*html.Node) {
	for n := range page.Descendants() {
		if n.Type == html.ElementNode && (len(kinds) == 0 || slices.Contains(kinds, n.DataAtom)) {
			elements = append(elements, n)
		}
	}
	return elements
}

// attribute returns an attribute of an element, and whether the element has it.
func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// class says whether an element has the class.
func class(n *html.Node, name string) bool {
	classes, _ := attribute(n, "class")
	return slices.Contains(strings.Fields(classes), name)
}

// words returns the text in an element.
func words(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return text.String()
}

// ids returns the IDs in a page, each as often as it is there.
func ids(page *html.Node) (found []string) {
	for _, n := range all(page) {
		if id, ok := attribute(n, "id"); ok {
			found = append(found, id)
		}
	}
	return found
}
